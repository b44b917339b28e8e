"""Weights of rows: `sample_weight`, as in scikit-learn."""

from dataclasses import replace

import numpy as np

from skae._compat import check_sample_weight
from skae._engine.devices import off_torch

MOST = np.finfo(np.float32).max  # total of the weights, in whatever dtype they are added up


def counting(sample_weight, X):
    """Rows of X with a weight above 0 (None for all), and their weights (None if equal).

    Integer weights act like repeated rows. So quantities that depend on the number of rows, such
    as a prior, use the sum of the weights, unless it is below the number of rows: such weights
    only compare rows with one another.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or float
    X : array, sparse matrix or table

    Returns
    -------
    rows : ndarray of int or None
    weights : ndarray of shape (len(rows),) or None
        Weights in float64.
    """
    weights, rows = check_sample_weight(off_torch(sample_weight), X), None
    if not weights.all():
        rows = np.flatnonzero(weights > 0)
        weights = weights[rows]
    with np.errstate(over="ignore"):
        weights *= max(1.0, len(weights) / weights.sum())
        total = weights.sum()
    if not total <= MOST:
        raise ValueError(
            "The weights in sample_weight are too large or too small to be added up: divide them "
            "by their mean."
        )
    return rows, None if np.allclose(weights, 1.0, rtol=1e-12, atol=0) else weights


def weighted(data, sample_weight):
    """The rows of data with a weight above 0, with their weights (see `counting`)."""
    if sample_weight is None:
        return data
    rows, weights = counting(sample_weight, data.X)
    data = data if rows is None else data[rows]
    return data if weights is None else replace(data, sample_weight=weights.astype(data.X.dtype))
