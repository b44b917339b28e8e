"""What rows count: `sample_weight`, as scikit-learn has it."""

from dataclasses import replace

import numpy as np

from skae._compat import check_sample_weight
from skae._engine.devices import off_torch


def weighted(data, sample_weight):
    """Those rows of data that count anything, each with what it counts.

    Weights of whole numbers mean what as many rows would. So what depends on how many rows there
    are, as a prior does, goes by the weights' sum; unless that is less than there are rows, for
    weights that are only meant to compare rows with each other.

    Parameters
    ----------
    data : Data
    sample_weight : array-like of shape (n_samples,), float or None

    Returns
    -------
    data : Data
    """
    if sample_weight is None:
        return data
    weights = check_sample_weight(off_torch(sample_weight), data.X)
    if not weights.all():
        counts = weights > 0
        data, weights = data[counts], weights[counts]
    weights *= max(1.0, len(weights) / weights.sum())
    if np.allclose(weights, 1.0, rtol=1e-12, atol=0):
        return data
    return replace(data, sample_weight=weights.astype(data.X.dtype))
