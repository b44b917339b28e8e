"""Data of gans.py: mixtures in the plane, halves of bundled sets, and MNIST."""

from functools import cache
from typing import NamedTuple

import numpy as np
from _mnist import load
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

N_MIXED = 20_000  # training rows of a mixture


class Mixture(NamedTuple):
    """Equally likely normal distributions in the plane."""

    centres: np.ndarray
    std: float

    def draw(self, n, seed):
        rng = np.random.default_rng(seed)
        places = self.centres[rng.integers(len(self.centres), size=n)]
        return (places + self.std * rng.normal(size=(n, 2))).astype(np.float32)


class Split(NamedTuple):
    """Rows to train on and rows to judge by, each with their labels."""

    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def ring():
    """Eight at a distance of 1 from their middle."""
    angles = np.arange(8) * np.pi / 4
    return Mixture(np.column_stack([np.cos(angles), np.sin(angles)]), 0.02)


def grid():
    """Five times five, at a distance of 1 from each other."""
    places = np.arange(-2.0, 3.0)
    return Mixture(np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2), 0.05)


def digits(seed):
    X, y = all_digits()
    return halves(X, y, seed)


def all_digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def cancer(seed):
    """Standardised by the half to train on."""
    split = halves(*load_breast_cancer(return_X_y=True), seed)
    scaler = StandardScaler().fit(split.train)
    train, test = map(scaler.transform, (split.train, split.test))
    return split._replace(train=train.astype(np.float32), test=test.astype(np.float32))


def halves(X, y, seed):
    train, test, labels, test_labels = train_test_split(
        X, y, test_size=0.5, random_state=seed, stratify=y
    )
    return Split(train, labels, test, test_labels)


@cache
def mnist(path):
    return Split(*load(path))
