"""Walks among neighbouring rows: pairs of rows that are probably of one kind."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

AT_ONCE = 20_000  # rows searched for neighbours: the time grows with its square


def mutual_neighbors(X, n_neighbors, rng):
    """For each row, those of its nearest rows that in turn have it among their nearest.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    n_neighbors : int
    rng : numpy.random.Generator
        Splits the rows of a large X into parts with neighbours of their own.

    Returns
    -------
    near : ndarray of int, shape (n_samples, n_neighbors)
        Indices of neighbours; the row itself replaces one that is not mutual. A row without mutual
        neighbours has its nearest one all the same.
    """
    near = np.empty((X.shape[0], n_neighbors), np.int64)
    n_parts = -(-X.shape[0] // AT_ONCE)
    order = rng.permutation(X.shape[0]) if n_parts > 1 else np.arange(X.shape[0])
    for rows in np.array_split(order, n_parts):
        near[rows] = rows[_mutual_among(X[rows], n_neighbors)]
    return near


def _mutual_among(X, n_neighbors):
    own = np.arange(X.shape[0])[:, None]
    k = min(n_neighbors, len(own) - 1)
    if k == 0:
        return np.repeat(own, n_neighbors, axis=1)
    theirs = NearestNeighbors(n_neighbors=k).fit(X).kneighbors(return_distance=False)
    is_mutual = (theirs[theirs] == own[:, :, None]).any(axis=2)
    is_mutual[~is_mutual.any(axis=1), 0] = True  # the nearest one for an isolated row
    found = np.where(is_mutual, theirs, own)
    return np.concatenate([found, np.repeat(own, n_neighbors - k, axis=1)], axis=1)


def walk(near, n_steps, rng):
    """Ends of random walks from each row, which stay in place without a mutual neighbour."""
    at = np.arange(len(near))
    for _ in range(n_steps):
        at = near[at, rng.integers(near.shape[1], size=len(near))]
    return at
