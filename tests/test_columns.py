"""Statistics of columns, against NumPy's of the dense array."""

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn.decomposition import PCA

from skae._columns import (
    FEW_COLUMNS,
    column_means,
    column_ranges,
    column_sums,
    column_variances,
    has_missing,
    log_column_means,
    principal_components,
    value_range,
)
from skae._engine.data import dense

SHAPE = (40, 7)
kinds = pytest.mark.parametrize("kind", [np.asarray, csr_matrix, csr_array])
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
whether_missing = pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
ROUNDING = {np.float32: {"rtol": 1e-5, "atol": 1e-6}, np.float64: {"rtol": 1e-12, "atol": 1e-14}}


def table(dtype, missing=False):
    """A quarter filled; columns 1, 2 and 3 are empty, above 0 and below 0."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=SHAPE) * (rng.uniform(size=SHAPE) < 0.25)
    X[:, 1], X[:, 2], X[:, 3] = 0, rng.uniform(1, 2, SHAPE[0]), rng.uniform(-2, -1, SHAPE[0])
    if missing:
        X[rng.uniform(size=SHAPE) < 0.2] = np.nan
    return X.astype(dtype)


def without_a_cell(dtype):
    """The last column lacks every cell."""
    X = table(dtype)
    X[:, -1] = np.nan
    return X


@kinds
@dtypes
@whether_missing
def test_sums_are_of_observed_cells(missing, dtype, kind):
    X = table(dtype, missing)
    sums, n_observed = column_sums(kind(X))
    assert sums.dtype == n_observed.dtype == np.float64
    np.testing.assert_allclose(sums, np.nansum(X.astype(np.float64), axis=0), **ROUNDING[dtype])
    np.testing.assert_array_equal(n_observed, (~np.isnan(X)).sum(axis=0))


@kinds
@dtypes
@whether_missing
def test_means_are_of_observed_cells(missing, dtype, kind):
    X = table(dtype, missing)
    means = column_means(kind(X))
    assert means.dtype == np.float64
    np.testing.assert_allclose(means, np.nanmean(X.astype(np.float64), axis=0), **ROUNDING[dtype])


@kinds
@dtypes
def test_a_column_without_observed_cells_has_the_mean_0(dtype, kind):
    X = kind(without_a_cell(dtype))
    sums, n_observed = column_sums(X)
    assert (sums[-1], n_observed[-1], column_means(X)[-1]) == (0, 0, 0)


@kinds
@dtypes
@whether_missing
def test_ranges_are_of_observed_cells(missing, dtype, kind):
    X = table(dtype, missing)
    low, high = column_ranges(kind(X))
    assert low.dtype == high.dtype == dtype
    np.testing.assert_array_equal(low, np.nanmin(X, axis=0))
    np.testing.assert_array_equal(high, np.nanmax(X, axis=0))


@kinds
@dtypes
def test_a_column_without_observed_cells_has_no_range(dtype, kind):
    low, high = column_ranges(kind(without_a_cell(dtype)))
    assert np.isnan([low[-1], high[-1]]).all()
    assert np.isfinite([low[:-1], high[:-1]]).all()


@kinds
@dtypes
@whether_missing
def test_value_range_is_of_all_observed_cells(missing, dtype, kind):
    X = table(dtype, missing)
    found = value_range(kind(X))
    assert found == (np.nanmin(X), np.nanmax(X))
    assert set(map(type, found)) == {float}


@kinds
@dtypes
def test_value_range_passes_over_a_column_without_observed_cells(dtype, kind):
    X = without_a_cell(dtype)
    assert value_range(kind(X)) == (np.nanmin(X), np.nanmax(X))


@kinds
@pytest.mark.parametrize("sign", [1, -1])
def test_cells_that_are_not_stored_belong_to_the_range(sign, kind):
    X = sign * np.array([[2.0, 0.0], [3.0, 0.0], [4.0, 5.0]])
    assert value_range(kind(X)) == tuple(sorted([0.0, 5.0 * sign]))


@kinds
@dtypes
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_column_variances_are_around_the_means(dtype, kind, offset):
    X = table(dtype) + dtype(offset)
    found = column_variances(kind(X))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, X.astype(np.float64).var(axis=0), rtol=1e-5, atol=1e-12)


def test_column_variances_leave_missing_cells_out():
    X = table(np.float64, missing=True)
    expected = np.nan_to_num(np.nanvar(X, axis=0))
    np.testing.assert_allclose(column_variances(X), expected)


@kinds
@dtypes
def test_log_column_means(dtype, kind):
    X = np.abs(table(dtype))
    expected = np.log1p(X.astype(np.float64)).mean(axis=0)
    np.testing.assert_allclose(log_column_means(kind(X)), expected, **ROUNDING[dtype])


@pytest.mark.parametrize("scale", [1.0 - 1e-12, 1.0 + 1e-12])
def test_signs_of_components_do_not_hang_on_rounding(scale):
    x = np.random.default_rng(0).normal(size=50)
    (direction, *_), *_ = principal_components(np.column_stack([x, -scale * x]), 1)
    assert direction[0] > 0 > direction[1]


def test_principal_components_are_those_of_pca():
    X = np.random.default_rng(0).normal(size=(50, 6)) * np.arange(1, 7) + 100.0
    directions, deviations, explained = principal_components(X, 3)
    pca = PCA(3, svd_solver="full").fit(X)
    np.testing.assert_allclose(np.abs(directions @ pca.components_.T), np.eye(3), atol=1e-6)
    np.testing.assert_allclose(deviations**2 * 50 / 49, pca.explained_variance_)
    assert explained == pytest.approx(pca.explained_variance_ratio_.sum())


@pytest.mark.parametrize("n_rows", [40, 700])
def test_principal_components_far_from_0_whose_deviations_differ_much(n_rows):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 300)) * np.logspace(0, -5, 300) + 1e6
    directions, deviations, explained = principal_components(X, 300)
    _, lengths, right = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    k = min(n_rows - 1, 300)
    assert directions.shape == (k, 300)
    np.testing.assert_allclose(deviations, lengths[:k] / n_rows**0.5, rtol=1e-4)
    np.testing.assert_allclose(np.abs(directions @ right[:10].T), np.eye(k, 10), atol=1e-6)
    np.testing.assert_allclose(directions @ directions.T, np.eye(k), atol=1e-12)
    assert explained == pytest.approx(1.0)


@pytest.mark.parametrize("n_columns", [7, FEW_COLUMNS + 1])
def test_principal_components_of_rows_in_several_spans(n_columns, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, n_columns)) * np.arange(n_columns, 0, -1.0) ** 2
    X[rng.random(X.shape) < 0.1] = np.nan
    whole = principal_components(X, 3, np.arange(1.0, 61.0))
    monkeypatch.setattr("skae._columns.SPAN_SIZE", 17 * n_columns)
    for one, other in zip(whole, principal_components(X, 3, np.arange(1.0, 61.0)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_of_huge_and_tiny_numbers_neither_overflow_nor_vanish(scale):
    X = np.random.default_rng(0).normal(size=(50, 4))
    (*_, expected), (_, deviations, explained) = (
        principal_components(rows, 2) for rows in (X, scale * X)
    )
    assert explained == pytest.approx(expected) and np.isfinite(deviations).all()


def test_there_are_no_more_components_than_directions_in_which_rows_vary():
    X = np.ones((9, 3))
    assert principal_components(X, 2)[0].shape == (0, 3)
    X[:, 1] = np.arange(9)
    assert principal_components(X, 2)[0].shape == (1, 3)


@kinds
@dtypes
def test_has_missing(dtype, kind):
    X = table(dtype)
    assert not has_missing(kind(X))
    X[3, 4] = np.nan
    assert has_missing(kind(X))


@kinds
def test_numbers_that_overflow_their_sum_are_not_missing(kind):
    assert not has_missing(kind(np.full((2, 2), 3e38, dtype=np.float32)))


@kinds
def test_sums_of_many_float32_do_not_lose_digits(kind):
    """Beside 1e5, float32 rounds a tenth to 0.102."""
    X = np.full((200_000, 1), 0.1, dtype=np.float32)
    X[0] = 1e5
    expected = 1e5 + 199_999 * float(np.float32(0.1))
    assert column_sums(kind(X))[0] == pytest.approx(expected, rel=1e-6)


@kinds
@dtypes
def test_dense(dtype, kind):
    X = table(dtype, missing=True)
    assert type(dense(kind(X))) is np.ndarray
    np.testing.assert_array_equal(dense(kind(X)), X, strict=True)
