"""Column statistics of an array, `OnFile`, `Shard` or CSR matrix; missing values do not count.

Rows may have weights above 0, `sample_weight`: a row of weight 2 counts as two rows.
"""

from functools import partial

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.utils import gen_batches
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis

from skae._engine.data import dense
from skae._engine.files import OnFile
from skae._engine.shards import Shard, added_up
from skae._engine.threads import one_thread

SPAN_SIZE = 2**20  # numbers
FEW_COLUMNS = 1024  # whose covariances are soon diagonalised


def has_missing(X):
    """Whether X has NaN; it must not have infinite values."""
    if isinstance(X, Shard):
        return X.group.any(has_missing(X.own))
    if isinstance(X, OnFile):
        return X.file.dtype.kind == "f" and any(has_missing(X[rows]) for rows in _spans(X))
    values = X.data if issparse(X) else X
    with np.errstate(over="ignore", invalid="ignore"):  # the sum may overflow
        return bool(np.isnan(values.sum()) and np.isnan(values).any())


def column_sums(X, sample_weight=None):
    """Column sums and numbers of observed cells, as float64 arrays."""
    n_rows, n_columns = X.shape
    if isinstance(X, Shard):
        return tuple(added_up(column_sums, X, sample_weight))
    if isinstance(X, OnFile):
        return _sums_of_parts(X, sample_weight)
    if issparse(X):
        weights = None if sample_weight is None else sample_weight.astype(X.dtype)
        means, _, n_observed = mean_variance_axis(X, 0, weights, return_sum_weights=True)
        return np.nan_to_num(means.astype(np.float64)) * n_observed, n_observed.astype(np.float64)
    if sample_weight is not None:
        return _weighted_sums(X, sample_weight)
    sums = X.sum(axis=0, dtype=np.float64)
    if not np.isnan(sums).any():
        return sums, np.full(n_columns, float(n_rows))
    observed = ~np.isnan(X)
    return X.sum(axis=0, dtype=np.float64, where=observed), observed.sum(axis=0, dtype=np.float64)


def _sums_of_parts(X, sample_weight):
    totals = np.zeros((2, X.shape[1]))
    for rows in _spans(X):
        totals += column_sums(X[rows], _part(sample_weight, rows))
    return tuple(totals)


def _weighted_sums(X, sample_weight):
    sums, n_observed = np.zeros((2, X.shape[1]))
    for rows in _spans(X):
        weights = sample_weight[rows, None].astype(np.float64)
        observed = ~np.isnan(X[rows])
        sums += (X[rows] * weights).sum(axis=0, where=observed)
        n_observed += (observed * weights).sum(axis=0)
    return sums, n_observed


def ratio(sums, n_observed):
    """Column means; 0 for a column without an observed cell."""
    return sums / np.where(n_observed > 0, n_observed, 1.0)


def column_means(X, sample_weight=None):
    """Means of the columns, a float64 array; 0 for a column without an observed cell."""
    return ratio(*column_sums(X, sample_weight))


def log_column_means(X, sample_weight=None):
    """Means of log(1 + x) in each column, a float64 array."""
    sums = added_up(_sums_of_logs, X, sample_weight)
    return ratio(sums, column_sums(X, sample_weight)[1])


def _sums_of_logs(X, sample_weight):
    sums = np.zeros(X.shape[1])
    for rows in _spans(X):
        logs = _summed(X[rows]).log1p() if issparse(X) else np.log1p(X[rows])
        sums += column_sums(logs, _part(sample_weight, rows))[0]
    return sums


def column_variances(X, sample_weight=None):
    """Variances of the columns, a float64 array; 0 for a column without an observed cell."""
    if issparse(X):
        weights = None if sample_weight is None else sample_weight.astype(X.dtype)
        _, variances = mean_variance_axis(_summed(X), 0, weights)
        return np.nan_to_num(variances.astype(np.float64))
    sums, n_observed = column_sums(X, sample_weight)
    squares_around = partial(_squares_around, ratio(sums, n_observed))
    return ratio(added_up(squares_around, X, sample_weight), n_observed)


def _squares_around(means, X, sample_weight):
    squares = np.zeros_like(means)
    for rows in _spans(X):
        differences = dense(X[rows]) - means
        squares += sums_of_squares(differences, ~np.isnan(differences), _part(sample_weight, rows))
    return squares


@one_thread()  # a second one comes late on a busy machine
def principal_components(X, n_most, sample_weight=None):
    """Directions in which X varies most, and how much.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Missing values count as column means.
    n_most : int
    sample_weight : ndarray of shape (n_samples,), default=None

    Returns
    -------
    directions : ndarray of shape (k, n_columns)
        Orthonormal; k is at most n_most, and less if X varies in fewer directions.
    deviations : ndarray of shape (k,)
        The standard deviation along each.
    explained : float
        The fraction of the variance of X along all of them; nan if X does not vary.
    """
    sums, n_observed = column_sums(X, sample_weight)
    means, n_most = ratio(sums, n_observed), min(n_most, *X.shape)
    high, low = np.fmax.reduce(X, axis=None), np.fmin.reduce(X, axis=None)
    scale = float(np.fmax(high - means.min(), means.max() - low))  # squares might overflow
    scale = max(scale, np.finfo(float).tiny)
    n_rows = len(X) if sample_weight is None else sample_weight.sum(dtype=np.float64)
    decompose = _by_covariances if X.shape[1] <= FEW_COLUMNS else _by_random_directions
    directions, lengths, squares = decompose(X, means, scale, sample_weight, n_most)
    varies = lengths > 1e-6 * max(lengths[0], np.finfo(float).tiny)
    directions, deviations = np.ascontiguousarray(directions[varies]), lengths[varies] / n_rows**0.5
    variance = ratio(squares, n_observed).sum()
    explained = np.square(deviations).sum() / variance if variance > 0 else np.nan
    return directions, deviations * scale, float(explained)


def _centred(X, means, scale, sample_weight):
    """X around its column means, in units of `scale`, each row times the root of its weight.

    Missing values become 0. It is a tensor, aligned, so that products have the same bits anywhere.
    """
    rows = torch.tensor(X, dtype=torch.float64, device="cpu").sub_(torch.from_numpy(means))
    rows.div_(scale).nan_to_num_(nan=0.0)
    if sample_weight is not None:
        rows.mul_(torch.from_numpy(np.sqrt(sample_weight, dtype=np.float64)).unsqueeze(1))
    return rows


def _by_covariances(X, means, scale, sample_weight, n_most):
    """Right singular vectors and values of the centred rows; sums of squares per column.

    For few columns, this takes a fraction of the time of other ways.
    """
    products = torch.zeros(len(means), len(means), dtype=torch.float64, device="cpu")
    for span in gen_batches(len(X), max(1, SPAN_SIZE // len(means))):
        weights = None if sample_weight is None else sample_weight[span]
        rows = _centred(X[span], means, scale, weights)
        products.addmm_(rows.t(), rows)
    squares, vectors = torch.linalg.eigh(products)
    directions = vectors.numpy()[:, ::-1][:, :n_most].T
    # The first of each direction's largest numbers shall be positive. Numbers that differ by
    # rounding count as equal: two indicators of one category are opposite.
    sizes = np.abs(directions)
    is_largest = sizes >= (1.0 - 1e-6) * sizes.max(axis=1, keepdims=True)
    first = is_largest.argmax(axis=1)[:, None]
    directions = directions * np.sign(np.take_along_axis(directions, first, axis=1))
    lengths = np.sqrt(squares.numpy()[::-1][:n_most].clip(min=0.0))
    return directions, lengths, products.diagonal().numpy()


def _by_random_directions(X, means, scale, sample_weight, n_most):
    """The same, nearly, for many columns."""
    rows = _centred(X, means, scale, sample_weight).numpy()
    _, lengths, directions = randomized_svd(
        rows, n_most, n_iter=4, power_iteration_normalizer="QR", random_state=0
    )
    return directions, lengths, np.square(rows).sum(axis=0)


def explained_by_line(X, y, sample_weight=None):
    """The fraction of the variance of y that a linear model of X explains, at least 0.

    Both are arrays, whose missing values count as column means. It is a ridge regression, judged on
    rows that it has not seen: each row is left out once.
    """
    from sklearn.linear_model import RidgeCV  # rarely needed, and slow to import

    X, y = (np.nan_to_num(table - column_means(table, sample_weight)) for table in (X, y))
    deviations = np.sqrt(column_variances(X, sample_weight))
    weights = np.ones(len(X)) if sample_weight is None else sample_weight / sample_weight.mean()
    ridge = RidgeCV(np.logspace(-2, 6, 9))
    ridge.fit(X / np.where(deviations > 0, deviations, 1.0), y, weights)
    return max(0.0, 1.0 + ridge.best_score_ / (weights @ np.square(y)).mean() * len(y))


def _summed(X):
    """Sparse rows with one number per cell, although the format allows sums of several."""
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def _part(sample_weight, rows):
    return None if sample_weight is None else sample_weight[rows]


def _spans(X):
    """Slices or indices of rows, few enough that a copy of them is small compared with X."""
    n_rows = max(1, SPAN_SIZE // X.shape[1])
    if isinstance(X, OnFile):
        return X.in_order(n_rows)
    return gen_batches(max(1, X.shape[0]), n_rows)  # a process may have no row


def column_ranges(X):
    """Least and greatest value of each column; NaN for one without an observed cell."""
    if isinstance(X, Shard):
        nowhere = np.full((2, X.shape[1]), np.nan, X.dtype)
        of_all = X.group.gather(column_ranges(X.own) if X.own.shape[0] else nowhere)
        lows, highs = zip(*of_all, strict=True)
        return np.fmin.reduce(lows), np.fmax.reduce(highs)
    if issparse(X):
        return min_max_axis(X, axis=0, ignore_nan=True)
    if isinstance(X, OnFile):
        lows, highs = zip(*(column_ranges(X[rows]) for rows in _spans(X)), strict=True)
        return np.fmin.reduce(lows), np.fmax.reduce(highs)
    return np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)


def value_range(X):
    """The least and the greatest value, as floats."""
    if isinstance(X, (OnFile, Shard)) or issparse(X) or has_missing(X):
        low, high = column_ranges(X)
        return float(np.fmin.reduce(low)), float(np.fmax.reduce(high))
    return float(X.min()), float(X.max())


def beyond_unit_interval(X):
    """The least and greatest value if one is outside [0, 1] by more than rounding, else None."""
    low, high = value_range(X)
    rounding = 10 * np.finfo(X.dtype).eps
    return (low, high) if low < -rounding or high > 1 + rounding else None


def sums_of_squares(differences, observed, sample_weight=None):
    """Sums of squares per column, over observed cells."""
    squares = np.square(differences, dtype=np.float64)
    if sample_weight is not None:
        squares *= sample_weight[:, None]
    return squares.sum(axis=0, where=observed)


def weighted_r2(errors, deviations):
    """R^2 over columns, weighted by variance, from the sums of squares per column.

    As in scikit-learn's `r2_score`, constant columns count only if all are constant.
    """
    varies = deviations > 0
    if varies.any():
        return float(1.0 - errors[varies].sum() / deviations[varies].sum())
    return float((errors == 0).mean())
