"""Tables whose missing cells are filled with what an autoencoder makes of the others."""

import numpy as np

from skae._categories import Categories
from skae._cells import Fill
from skae._frames import ArrayFrame, frame_like
from skae._tabular import DTYPE, EncodedTable


def frame_of(X):
    """The frame of a table or array."""
    return frame_like(X) or ArrayFrame.of(X)


def gaps_of(X):
    """Which cells of a table are missing, an array of its shape."""
    frame = frame_of(X)
    return np.column_stack([frame.gaps(X, place) for place in range(X.shape[1])])


def columns_of(X, is_kept):
    """Some columns of a table."""
    return frame_of(X).select(X, np.flatnonzero(is_kept).tolist())


def encoded(table, X, rows=None):
    """What an autoencoder gets of a table, or of some of its rows."""
    matrix = table._encode(X).astype(DTYPE)
    return EncodedTable(matrix if rows is None else matrix[rows], table)


def filled(X, gaps, autoencoder):
    """A table without its gaps.

    Parameters
    ----------
    X : table
    gaps : ndarray of shape (n_samples, n_features_in_), bool
        Its missing cells.
    autoencoder : autoencoder
        Fitted on such a table.
    """
    frame, rows = frame_of(X), np.flatnonzero(gaps.any(axis=1))
    some = encoded(autoencoder.table_, X, rows)
    if not len(rows):
        return frame.fill(X, {})
    matrix, fills = autoencoder.reconstruct(some, proba=True), {}
    for place in np.flatnonzero(gaps.any(axis=0)).tolist():
        cells = frame.cells(X, place)
        fills[place] = fill_of(
            autoencoder.table_, place, cells, gaps[:, place], matrix[gaps[rows, place]]
        )
    return frame.fill(X, fills)


def fill_of(table, place, cells, gaps, matrix):
    """What a column of cells gets, of the reconstructions of rows in which it has gaps."""
    column = table._columns[place]
    block = matrix[:, table.blocks_[column.name]]
    values, _ = column.encoder.cells(block, fill=True, exact=False)
    if isinstance(column.encoder, Categories):
        levels = column.encoder.shown
        return Fill(gaps, levels[values], levels.tolist())
    return Fill(gaps, np.rint(values) if cells.family == "integers" else values)
