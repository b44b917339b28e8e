"""Walks among mutual neighbours."""

import numpy as np
import pytest
from helpers import X
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from skae import _neighbors
from skae._neighbors import mutual_neighbors, walk

RNG = np.random.default_rng(0)


def by_definition(rows, k):
    """Sets of mutual neighbours; of a row without any, the nearest one."""
    distances = cdist(rows, rows)
    np.fill_diagonal(distances, np.inf)
    nearest = [set(np.argsort(row, kind="stable")[:k]) for row in distances]
    mutual = [{j for j in nearest[i] if i in nearest[j]} for i in range(len(rows))]
    return [its or {distances[i].argmin()} for i, its in enumerate(mutual)]


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("k", [1, 5, 20])
def test_neighbors_by_definition(kind, k):
    near = mutual_neighbors(kind(X), k, RNG)
    assert near.shape == (60, k)
    for row, (found, expected) in enumerate(zip(near, by_definition(X, k), strict=True)):
        assert set(found) - {row} == expected


@pytest.mark.parametrize("n_rows", [1, 2, 4])
def test_fewer_rows_than_neighbors(n_rows):
    near = mutual_neighbors(X[:n_rows], 5, RNG)
    assert near.shape == (n_rows, 5)
    assert set(near.ravel()) == set(range(n_rows))


def test_a_row_that_lies_apart_goes_to_its_nearest():
    rows = np.append(np.arange(10.0), 100.0)[:, None]
    near = mutual_neighbors(rows, 2, RNG)
    assert set(near[10]) == {9, 10}


def test_parts_of_large_data_have_neighbors_of_their_own(monkeypatch):
    monkeypatch.setattr(_neighbors, "AT_ONCE", 20)
    one, same, other = (mutual_neighbors(X, 5, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    parts = np.array_split(np.random.default_rng(0).permutation(60), 3)
    for rows in parts:
        assert set(one[rows].ravel()) <= set(rows)


def test_walks_stay_among_rows_that_are_connected():
    rows = np.concatenate([X, X + 100.0])
    near = mutual_neighbors(rows, 5, RNG)
    ends = walk(near, 50, np.random.default_rng(0))
    assert ((ends < 60) == (np.arange(120) < 60)).all()
    assert (ends != np.arange(120)).mean() > 0.5


def test_steps_are_to_each_neighbor_alike():
    near = np.array([[1, 2], [1, 1], [2, 2]])
    rng = np.random.default_rng(0)
    ends = np.array([walk(near, 1, rng)[0] for _ in range(2000)])
    assert set(ends) == {1, 2}
    assert (ends == 1).mean() == pytest.approx(0.5, abs=4 * 0.5 / 2000**0.5)


def test_a_walk_of_no_steps_goes_nowhere():
    np.testing.assert_array_equal(walk(np.array([[1], [0]]), 0, RNG), [0, 1])
