"""Statistics of the columns of an array or CSR matrix; missing cells (NaN) do not count."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis

SPAN_SIZE = 2**20  # numbers
FEW_COLUMNS = 256  # whose covariances are soon diagonalised


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


def log_column_means(X):
    """Means of log(1 + x) in each column, a float64 array."""
    sums = np.zeros(X.shape[1])
    for rows in _spans(X):
        logs = _summed(X[rows]).log1p() if issparse(X) else np.log1p(X[rows])
        sums += column_sums(logs)[0]
    return sums / np.maximum(column_sums(X)[1], 1.0)


def column_variances(X):
    """Variances of the columns, a float64 array; 0 for a column without an observed cell."""
    if issparse(X):
        _, variances = mean_variance_axis(_summed(X), 0)
        return np.nan_to_num(variances.astype(np.float64))
    sums, n_observed = column_sums(X)
    n_observed, squares = np.maximum(n_observed, 1.0), np.zeros_like(sums)
    for rows in _spans(X):
        differences = X[rows] - sums / n_observed
        squares += sums_of_squares(differences, ~np.isnan(differences))
    return squares / n_observed


def principal_components(X, n_most):
    """Directions (k, n_columns) in which X varies most, and the standard deviations along them.

    As many as X has, n_most at most; X is an array. Missing cells are those of an average row.
    """
    X = np.asarray(X, np.float64)
    X = np.nan_to_num(X - column_means(X))
    scale = max(np.abs(X).max(), np.finfo(float).tiny)  # or squares might overflow
    X, n_most = X / scale, min(n_most, *X.shape)
    if X.shape[1] <= FEW_COLUMNS:
        variances, vectors = np.linalg.eigh(X.T @ X)  # in a fraction of the time
        directions = vectors[:, ::-1][:, :n_most].T
        lengths = np.sqrt(variances[::-1][:n_most].clip(min=0.0))
        largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
        directions = directions * np.sign(largest)
    else:
        _, lengths, directions = randomized_svd(
            X, n_most, n_iter=4, power_iteration_normalizer="QR", random_state=0
        )
    varies = lengths > 1e-6 * max(lengths[0], np.finfo(float).tiny)
    return np.ascontiguousarray(directions[varies]), lengths[varies] * (scale / len(X) ** 0.5)


def explained_by_components(X, n_components):
    """The fraction of the variance of an array that so many principal components explain."""
    _, deviations = principal_components(X, n_components)
    return float(np.square(deviations).sum() / column_variances(X).sum())


def _summed(X):
    """Sparse rows with one number for each cell, where the format allows a sum of several."""
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def _spans(X):
    """Slices of so many rows that a copy of them is small beside X."""
    return gen_batches(X.shape[0], max(1, SPAN_SIZE // X.shape[1]))


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
