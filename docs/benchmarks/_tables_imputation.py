"""Missing values of tables.py: who fills them, and how well."""

import numpy as np
import pandas as pd
from _tables_data import OneHot, is_category, load, shuffled, without_cells
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from skae import AutoencoderImputer

TABLES = ("german", "titanic", "credit_data", "penguins")
MISSING = 0.2  # of the cells
MOST_ROWS = 2000  # of credit_data
ROUNDS, TREES = 2, 30  # of the forests


def by_most_frequent(holes, seed):
    """Means, and the most frequent categories."""
    columns = holes.items()
    return pd.DataFrame(
        {n: c.fillna(c.mode()[0] if is_category(c) else c.mean()) for n, c in columns}
    )


def on_one_hot(make):
    """One of scikit-learn's imputers on the one-hot matrix, and back by the largest number."""

    def fill(holes, seed):
        encoder = OneHot().fit(holes)
        return encoder.frame_of(make(seed).fit_transform(encoder.transform(holes)))

    return fill


def by_forests(holes, seed):
    """As missForest does: a forest for each column, given what the others were filled with."""
    filled = by_most_frequent(holes, seed)
    missing = holes.isna().sum()
    for _ in range(ROUNDS):
        for name in missing[missing > 0].sort_values().index:
            filled[name] = of_the_others(holes, filled, name, seed)
    return filled


def of_the_others(holes, filled, name, seed):
    """A column with its gaps filled by a forest on the other columns."""
    others = filled.drop(columns=name)
    X, gaps = OneHot().fit(others).transform(others), holes[name].isna().to_numpy()
    kind = RandomForestClassifier if is_category(holes[name]) else RandomForestRegressor
    forest = kind(TREES, random_state=seed)
    forest.fit(X[~gaps], np.asarray(holes[name][~gaps]))
    column = holes[name].copy()
    column[gaps] = forest.predict(X[gaps])
    return column


OURS = "AutoencoderImputer()"
KNN = "KNNImputer(10) on one-hot"
METHODS = {
    "most frequent, mean": by_most_frequent,
    KNN: on_one_hot(lambda seed: KNNImputer(n_neighbors=10)),
    "IterativeImputer on one-hot": on_one_hot(lambda seed: IterativeImputer(random_state=seed)),
    f"missForest-like, {ROUNDS} rounds x {TREES} trees": by_forests,
    OURS: lambda holes, seed: AutoencoderImputer(random_state=seed).fit_transform(holes),
}


def measure(folder, name, method, seed):
    """Accuracy over categories, and root mean squared error over numbers, in their deviations."""
    frame = shuffled(load(folder, name), seed)[:MOST_ROWS]
    mask = np.random.default_rng(seed).random(frame.shape) < MISSING
    filled = METHODS[method](without_cells(frame, mask), seed)
    removed = mask & frame.notna().to_numpy()
    kinds = {"accuracy": [], "error": []}
    for j, column in enumerate(frame):
        cells = removed[:, j]
        kind = "accuracy" if is_category(frame[column]) else "error"
        kinds[kind].append(FIGURES[kind](frame[column], filled[column], cells))
    return {kind: float(np.mean(figures)) for kind, figures in kinds.items()}


def accuracy(true, filled, cells):
    return np.mean(np.asarray(true)[cells] == np.asarray(filled)[cells])


def error(true, filled, cells):
    differences = np.asarray(filled, float)[cells] - np.asarray(true, float)[cells]
    return np.sqrt(np.mean(differences**2)) / true.std(ddof=0)


FIGURES = {"accuracy": accuracy, "error": error}
