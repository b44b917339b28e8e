"""Statistics of the columns of an array or CSR matrix; missing cells (NaN) do not count."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis


def has_missing(X):
    """Whether any cell is NaN; X holds no infinity."""
    values = X.data if issparse(X) else X
    with np.errstate(over="ignore", invalid="ignore"):  # the sum may overflow
        return bool(np.isnan(values.sum()) and np.isnan(values).any())


def column_sums(X):
    """Sums of the columns and how many cells of each are observed, float64 arrays."""
    n_rows, n_columns = X.shape
    if issparse(X):
        means, _, n_observed = mean_variance_axis(X, 0, return_sum_weights=True)
        return np.nan_to_num(means.astype(np.float64)) * n_observed, n_observed.astype(np.float64)
    if not has_missing(X):
        return X.sum(axis=0, dtype=np.float64), np.full(n_columns, float(n_rows))
    observed = ~np.isnan(X)
    return X.sum(axis=0, dtype=np.float64, where=observed), observed.sum(axis=0, dtype=np.float64)


def column_means(X):
    """Means of the columns, a float64 array; 0 for a column without an observed cell."""
    sums, n_observed = column_sums(X)
    return sums / np.maximum(n_observed, 1.0)


def mean_squares(X):
    """Means of the squares in each column of an X that lacks no cell, a float64 array."""
    if issparse(X):
        sums = np.asarray(X.multiply(X).sum(axis=0, dtype=np.float64)).ravel()
    else:
        sums = np.einsum("ij,ij->j", X, X, dtype=np.float64)
    return sums / X.shape[0]


def column_ranges(X):
    """Least and greatest value of each column; NaN for one without an observed cell."""
    if issparse(X):
        return min_max_axis(X, axis=0, ignore_nan=True)
    return np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)


def value_range(X):
    """The least and the greatest value, as floats."""
    if has_missing(X) or issparse(X):
        low, high = column_ranges(X)
        return float(np.fmin.reduce(low)), float(np.fmax.reduce(high))
    return float(X.min()), float(X.max())


def sums_of_squares(differences, observed):
    """Per column, over observed cells."""
    return np.square(differences, dtype=np.float64).sum(axis=0, where=observed)


def weighted_r2(errors, deviations):
    """R^2 over columns, weighted by variance, from sums of squares per column.

    As in scikit-learn's `r2_score`, a column that does not vary counts only if none does.
    """
    varies = deviations > 0
    if varies.any():
        return float(1.0 - errors[varies].sum() / deviations[varies].sum())
    return float((errors == 0).mean())
