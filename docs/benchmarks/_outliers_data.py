"""Labelled sets of outliers.py, and what a detector is trained on and asked about."""

from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler

SETS = (
    "annthyroid",
    "breastw",
    "cardio",
    "cardiotocography",
    "fault",
    "glass",
    "ionosphere",
    "landsat",
    "letter",
    "magic_gamma",
    "mammography",
    "mnist",
    "musk",
    "optdigits",
    "pageblocks",
    "pendigits",
    "pima",
    "satellite",
    "satimage2",
    "shuttle",
    "spambase",
    "stamps",
    "thyroid",
    "vowels",
    "waveform",
    "wdbc",
    "wilt",
    "wine",
    "yeast",
)
N_TRAIN, N_TEST, N_BOTH = 2000, 3000, 3000  # rows at most
LEAST_TESTED, LEAST_HIDDEN = 50, 20  # outliers that thinning leaves, of as many as there are


class Task(NamedTuple):
    """Rows to train on and to judge, and which of the latter are outliers."""

    train: np.ndarray
    test: np.ndarray
    is_outlier: np.ndarray

    @property
    def is_of_training(self):
        """Whether the rows to judge are those to train on."""
        return self.test is self.train


def load(folder, name):
    """All rows, unscaled, and whether each is an outlier."""
    with np.load(folder / f"{name}.npz") as arrays:
        return arrays["X"].astype(np.float32), arrays["y"] == 1


def normal_only(folder, name, seed):
    """Half of the normal rows to train on; the others and all outliers to judge."""
    X, is_outlier = load(folder, name)
    rng, normal, outliers = shuffled(is_outlier, seed)
    half = len(normal) // 2
    train, others = at_most(N_TRAIN, normal[:half], rng), normal[half:]
    share = min(1, N_TEST / (len(others) + len(outliers)))
    test = np.r_[thinned(others, share, 0), thinned(outliers, share, LEAST_TESTED)]
    scaler = StandardScaler().fit(X[train])
    return Task(scaler.transform(X[train]), scaler.transform(X[test]), is_outlier[test])


def contaminated(folder, name, seed):
    """The same rows to train on and to judge, outliers among them."""
    X, is_outlier = load(folder, name)
    rng, normal, outliers = shuffled(is_outlier, seed)
    share = min(1, N_BOTH / len(X))
    both = np.r_[thinned(normal, share, 0), thinned(outliers, share, LEAST_HIDDEN)]
    rows = rng.permutation(both)
    train = StandardScaler().fit_transform(X[rows])
    return Task(train, train, is_outlier[rows])


PROTOCOLS = {"normal": normal_only, "contaminated": contaminated}


def shuffled(is_outlier, seed):
    """A random generator, and the places of normal rows and of outliers in its order."""
    rng = np.random.RandomState(seed)
    normal = rng.permutation(np.flatnonzero(~is_outlier))
    return rng, normal, rng.permutation(np.flatnonzero(is_outlier))


def at_most(n, rows, rng):
    return rows if len(rows) <= n else rng.choice(rows, n, replace=False)


def thinned(rows, share, least):
    """The first of the rows: this share of them, but so many at least."""
    return rows[: max(int(np.ceil(share * len(rows))), least)]
