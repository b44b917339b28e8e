"""The tables of defaults.py: bundled with scikit-learn, generated, or from a folder of data.

Tables of that folder are not copied into the project, as their licences are not known.
"""

import functools
from typing import NamedTuple

import numpy as np
from _mnist import load
from scipy.special import expit
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_sample_image,
    load_wine,
    make_blobs,
    make_friedman1,
    make_low_rank_matrix,
    make_moons,
    make_swiss_roll,
)
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

N_SPLITS, MOST_ROWS, N_TEST = 3, 5000, 2000
MNIST = {"mnist_500": 500, "mnist_5000": 5000, "mnist_60000": 60000}  # rows to train on
OUTLIERS = (
    "cardiotocography",
    "ionosphere",
    "letter",
    "mammography",
    "musk",
    "satellite",
    "shuttle",
    "spambase",
)


class Table(NamedTuple):
    """Where rows come from, and how they are used."""

    draw: object  # called with nothing, or with the folder where it is read from one
    width: int | None = None  # of the code; None: a quarter of the columns, 2 to 16
    standardised: bool = True


def patches():
    """8 x 8 patches of a photograph, in grey."""
    grey = load_sample_image("flower.jpg").mean(axis=2) / 255
    return extract_patches_2d(grey, (8, 8), max_patches=2000, random_state=0).reshape(2000, -1)


def manifold():
    """A curved surface of three dimensions in twenty, and noise around it."""
    rng = np.random.default_rng(0)
    code, weights = rng.standard_normal((1000, 3)), rng.standard_normal((3, 20))
    surface = np.tanh(code @ weights + rng.standard_normal(20))
    return surface + 0.1 * rng.standard_normal(surface.shape)


def heavy_tails():
    """Correlated columns of Student's t, 3 degrees of freedom: whole rows are large."""
    rng = np.random.default_rng(0)
    places = np.arange(12)
    correlation = 0.6 ** np.abs(places[:, None] - places)
    normal = rng.standard_normal((1000, 12)) @ np.linalg.cholesky(correlation).T
    return normal / np.sqrt(rng.chisquare(3, (1000, 1)) / 3)


def survey():
    """Yes and no to thirty questions, by four attitudes."""
    rng = np.random.default_rng(0)
    attitudes, loadings = rng.standard_normal((800, 4)), 1.5 * rng.standard_normal((4, 30))
    chances = expit(attitudes @ loadings + rng.standard_normal(30))
    return (rng.random(chances.shape) < chances).astype(float)


def spectra():
    """Two peaks that vary with three more, an offset, and little noise: a mean above all."""
    rng, w = np.random.default_rng(0), np.linspace(0, 1, 401)

    def peak(centre, width):
        return np.exp(-((w - centre) ** 2) / 2 / width**2)

    mean = 0.1 + 0.9 * peak(0.75, 0.05) + 0.4 * peak(0.3, 0.04)
    peaks = np.array([peak(0.7, 0.04), peak(0.35, 0.06), peak(0.9, 0.05)])
    amounts = rng.normal(0, [0.02, 0.03, 0.015], (200, 3))
    offsets = rng.normal(0, 0.02, (200, 1))
    return mean + amounts @ peaks + offsets + 5e-4 * rng.standard_normal((200, 401))


def genes():
    """Few rows and thousands of columns: eight factors, and twice as much noise."""
    rng = np.random.default_rng(0)
    factors, loadings = rng.standard_normal((100, 8)), 0.25 * rng.standard_normal((8, 5000))
    return factors @ loadings + rng.standard_normal((100, 5000))


def outliers(name, folder):
    """A table of the folder, some of its rows where there are many."""
    with np.load(folder / "outliers" / f"{name}.npz") as data:
        X = data["X"].astype(float)
    return X[np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]]


TABLES = {
    "iris": Table(lambda: load_iris().data),
    "iris_raw": Table(lambda: load_iris().data, standardised=False),
    "wine": Table(lambda: load_wine().data),
    "breast_cancer": Table(lambda: load_breast_cancer().data),
    "diabetes": Table(lambda: load_diabetes().data),
    "linnerud": Table(lambda: np.hstack(load_linnerud(return_X_y=True))),
    "digits": Table(lambda: load_digits().data),
    "digits_16": Table(lambda: load_digits().data / 16, standardised=False),
    "digits_raw": Table(lambda: load_digits().data, standardised=False),
    "patches": Table(patches, 8, standardised=False),
    "swiss_roll": Table(lambda: make_swiss_roll(1500, random_state=0)[0]),
    "moons": Table(lambda: make_moons(500, noise=0.1, random_state=0)[0], 1),
    "blobs": Table(lambda: make_blobs(500, 10, centers=5, random_state=0)[0], 4),
    "friedman1": Table(lambda: np.column_stack(make_friedman1(500, random_state=0))),
    "low_rank": Table(
        lambda: make_low_rank_matrix(500, 50, effective_rank=8, tail_strength=0.1, random_state=0),
        8,
    ),
    "manifold": Table(manifold, 3),
    "uniform": Table(lambda: np.random.default_rng(0).random((500, 10))),
    "heavy_tails": Table(heavy_tails),
    "survey": Table(survey),
    "spectra": Table(spectra, 4, standardised=False),
    "genes": Table(genes, 8),
    **{name: Table(functools.partial(outliers, name)) for name in OUTLIERS},
}


def splits_of(name):
    """Numbers of the splits; one where a fit takes minutes."""
    return range(1 if name == "mnist_60000" else N_SPLITS)


def needs_folder(name):
    return name in MNIST or name in OUTLIERS


def split_rows(name, split, folder=None):
    """Training rows, held-out rows and the width of the code."""
    if name in MNIST:
        train, test = mnist_rows(MNIST[name], split, folder)
    else:
        train, test = train_test_split(rows_of(name, folder), random_state=split)
    if name in TABLES and TABLES[name].standardised:
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    return train, test, width_of(name, train.shape[1])


@functools.lru_cache(maxsize=1)
def rows_of(name, folder):
    """All rows of a table."""
    table = TABLES[name]
    return table.draw(folder) if name in OUTLIERS else table.draw()


def width_of(name, n_columns):
    own = TABLES[name].width if name in TABLES else None
    return own or int(np.clip(round(n_columns / 4), 2, 16))


@functools.lru_cache(maxsize=1)
def images(folder):
    """MNIST's, in [0, 1]: of the training and the test set."""
    train, _, test, _ = load(folder / "mnist.npz")
    return train, test


def mnist_rows(n_rows, split, folder):
    """Some of the training images, and some of the test images."""
    rng = np.random.default_rng(split)
    train, test = images(folder)
    return train[rng.permutation(len(train))[:n_rows]], test[rng.permutation(len(test))[:N_TEST]]
