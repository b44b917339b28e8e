"""Outliers of tables.py: cells that come from other rows, and who finds the rows and the cells."""

import numpy as np
import pandas as pd
from _tables_data import OneHot, load, shuffled
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from skae import VAE, Autoencoder, DenoisingAutoencoder
from skae.tables import TableEncoder

TABLES = ("credit_data",)
ROWS, CELLS = 0.1, 3  # how many rows have cells of others, and how many cells
WIDTH = 8


def swapped(frame, seed):
    """The frame with cells of other rows here and there, and where these differ: True."""
    rng = np.random.default_rng(seed)
    places = np.zeros(frame.shape, bool)
    for row in rng.choice(len(frame), int(ROWS * len(frame)), replace=False):
        places[row, rng.choice(frame.shape[1], CELLS, replace=False)] = True
    columns = {name: with_others(frame[name], places[:, j], rng) for j, name in enumerate(frame)}
    swapped = pd.DataFrame(columns)
    same = (swapped == frame) | (swapped.isna() & frame.isna())
    return swapped, ~same.to_numpy()


def with_others(column, places, rng):
    """The column with cells of other rows at these places."""
    rows = np.flatnonzero(places)
    others = (rows + rng.integers(1, len(column), len(rows))) % len(column)
    column, cells = column.copy(), column.array[others]
    column.iloc[rows] = cells
    return column


# Who finds them: functions that give scores of rows, and of cells or None, larger for stranger.


def isolation_forest(frame, seed):
    matrix = OneHot().fit(frame).observed(frame)
    return -IsolationForest(random_state=seed).fit(matrix).score_samples(matrix), None


def restored(make):
    """Squared errors of a matrix's reconstruction, summed by column of the table."""

    def scores(frame, seed):
        encoder = OneHot().fit(frame)
        matrix = encoder.observed(frame)
        model = make(seed).fit(matrix)
        restored = model.inverse_transform(model.transform(matrix))
        cells = encoder.by_column((matrix - restored) ** 2)
        return cells.sum(axis=1), cells

    return scores


def by_cells(kind, **params):
    """The errors of the table's columns, none of a missing value, and their sums."""

    def scores(frame, seed):
        estimator = kind(random_state=seed, **params).fit(frame)
        cells = np.nan_to_num(estimator.feature_errors(frame))
        return cells.sum(axis=1), cells

    return scores


OURS = "DenoisingAutoencoder()"
DEEP = "DenoisingAutoencoder(64), 256 hidden units, quantiles"
FINDERS = {
    "IsolationForest on one-hot": isolation_forest,
    "PCA(8) of one-hot": restored(lambda seed: PCA(WIDTH, random_state=seed)),
    "Autoencoder(8) on one-hot": restored(lambda seed: Autoencoder(WIDTH, random_state=seed)),
    "VAE()": by_cells(VAE),
    OURS: by_cells(DenoisingAutoencoder),
    DEEP: by_cells(
        DenoisingAutoencoder,
        n_components=64,
        hidden_layer_sizes=(256,),
        code_activation="identity",
        table=TableEncoder(numeric="quantile"),
    ),
}


def measure(folder, name, finder, seed):
    """AUC of rows with other cells than they had, and of these cells among all cells."""
    frame, mask = swapped(shuffled(load(folder, name), seed), seed)
    rows, cells = FINDERS[finder](frame, seed)
    figures = {"rows": float(roc_auc_score(mask.any(axis=1), rows))}
    if cells is not None:
        figures["cells"] = float(roc_auc_score(mask.ravel(), np.ravel(cells)))
    return figures
