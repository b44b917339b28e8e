"""What rows count: `sample_weight`, as scikit-learn has it."""

from dataclasses import replace

import numpy as np

from skae._compat import check_sample_weight
from skae._engine.devices import off_torch


def counting(sample_weight, X):
    """Which rows of X count anything, None for all, and what each of them counts, None for alike.

    Weights of whole numbers mean what as many rows would. So what depends on how many rows there
    are, as a prior does, goes by the weights' sum; unless that is less than there are rows, for
    weights that are only meant to compare rows with each other.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
    X : array, sparse matrix or table

    Returns
    -------
    rows : ndarray of int or None
    weights : ndarray of shape (len(rows),) or None
        Of float64.
    """
    if sample_weight is None:
        return None, None
    weights, rows = check_sample_weight(off_torch(sample_weight), X), None
    if not weights.all():
        rows = np.flatnonzero(weights > 0)
        weights = weights[rows]
    weights *= max(1.0, len(weights) / weights.sum())
    return rows, None if np.allclose(weights, 1.0, rtol=1e-12, atol=0) else weights


def weighted(data, sample_weight):
    """Those rows of data that count anything, each with what it counts (see `counting`)."""
    rows, weights = counting(sample_weight, data.X)
    data = data if rows is None else data[rows]
    return data if weights is None else replace(data, sample_weight=weights.astype(data.X.dtype))
