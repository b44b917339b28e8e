"""Tables whose missing values an autoencoder fills in from the others."""

import numpy as np

from skae._categories import Categories
from skae._cells import Fill
from skae._engine.shards import map_rows
from skae._frames import frame_of
from skae._tabular import DTYPE, EncodedTable

CHUNK = 10_000_000  # how many cells of the matrix are rebuilt at a time


def gaps_of(X):
    """Mask of the missing values of a table, in its shape."""
    frame = frame_of(X)
    return np.column_stack([frame.gaps(X, place) for place in range(X.shape[1])])


def columns_of(X, is_kept):
    """Some columns of a table."""
    return frame_of(X).select(X, np.flatnonzero(is_kept).tolist())


def encoded(table, X):
    """A table encoded for an autoencoder."""
    return EncodedTable(map_rows(lambda rows: table._encode(rows).astype(DTYPE), X), table)


def filled(X, gaps, autoencoder):
    """A table with its missing values filled in.

    Parameters
    ----------
    X : table
    gaps : ndarray of shape (n_samples, n_features_in_), bool
        Mask of its missing values.
    autoencoder : autoencoder
        Autoencoder fitted to such a table.
    """
    frame, table = frame_of(X), autoencoder.table_
    matrix, parts = encoded(table, X).matrix, {}
    for rows in chunks(np.flatnonzero(gaps.any(axis=1)), matrix.shape[1]):
        rebuilt = autoencoder.reconstruct(EncodedTable(matrix[rows], table), proba=True)
        for place in np.flatnonzero(gaps[rows].any(axis=0)).tolist():
            values = values_of(table, place, rebuilt[gaps[rows, place]])
            parts.setdefault(place, []).append(values)
    fills = {
        place: fill_of(table, place, np.concatenate(values), gaps[:, place], frame.cells(X, place))
        for place, values in parts.items()
    }
    return frame.fill(X, fills)


def chunks(rows, width):
    """Chunks of rows, so few that their dense matrix takes little memory."""
    n_rows = max(1, CHUNK // width)
    return [rows[start : start + n_rows] for start in range(0, len(rows), n_rows)]


def values_of(table, place, matrix):
    """The values of a column in dense rows of the matrix; for categories, their indices."""
    column = table._columns[place]
    values, _ = column.encoder.cells(matrix[:, table.blocks_[column.name]], fill=True, exact=False)
    return values


def fill_of(table, place, values, gaps, cells):
    """The same as a `Fill` for a column of cells."""
    encoder = table._columns[place].encoder
    if isinstance(encoder, Categories):
        return Fill(gaps, encoder.shown[values], encoder.shown.tolist())
    if values.dtype.kind == "f" and cells.family == "integers":
        values = np.rint(values)
    return Fill(gaps, values)
