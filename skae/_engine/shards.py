"""Rows distributed over several processes, each with its shard."""

import numpy as np
import torch
from scipy.sparse import issparse

from skae._engine.files import only
from skae._engine.parallel import Part


class Shard:
    """The concatenated rows of all processes, with only this process's rows at hand.

    Indexing or slicing gives an array, the same in all processes; NumPy treats the whole as an
    array, too. Both are sent to all processes, and all must ask for them.

    Parameters
    ----------
    own : ndarray, `OnFile`, CSR matrix or table of shape (n_own, n_features)
        This process's rows.
    is_own : ndarray of bool, shape (n,)
        Mask of these rows among all.
    group : Group
    """

    ndim = 2

    def __init__(self, own, is_own, group):
        self.own, self.is_own, self.group = own, is_own, group
        self._places = np.cumsum(is_own) - 1
        self.shape = (len(is_own), own.shape[1])

    @classmethod
    def of(cls, own, n_rows, group):
        """A shard from this process's rows; each process has `n_rows[rank]` rows."""
        return cls(own, np.arange(group.size).repeat(n_rows) == group.rank, group)

    def __len__(self):
        return self.shape[0]

    @property
    def dtype(self):
        """Dtype of this process's rows."""
        return self.own.dtype

    def __getitem__(self, rows):
        return self.only(rows).gathered()

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.gathered(), dtype)

    def only(self, rows):
        """A selection by an array of indices or a slice; nothing is sent."""
        is_own = self.is_own[rows]
        return Shard(only(self.own, self._places[rows][is_own]), is_own, self.group)

    def gathered(self):
        """All rows as an array."""
        rows = np.zeros(self.shape, self.dtype)
        own = self.own.toarray() if issparse(self.own) else np.asarray(self.own)
        rows[self.is_own] = own
        return self.group.add_up(rows)

    def map(self, function):
        """`function` of each process's rows, one result per row; ValueError if they differ."""
        n_own = self.own.shape[0]
        found = function(self.own if n_own else np.zeros((1, self.shape[1]), self.dtype))
        found = found if n_own else found[:0]
        dtype = np.dtype(found.dtype).name if hasattr(found, "dtype") else None  # a table has none
        kinds = self.group.gather((found.shape[1], dtype))
        for rank, (width, dtype) in enumerate(kinds):
            if (width, dtype) != kinds[0]:
                raise ValueError(
                    f"Rank {rank} has {width} features of dtype {dtype}, but rank 0 has "
                    f"{kinds[0][0]} of {kinds[0][1]}: give all ranks rows of the same table."
                )
        return Shard(found, self.is_own, self.group)

    def astype(self, dtype):
        """The same rows in another dtype."""
        return self.map(lambda own: own.astype(dtype))

    def part(self, indices):
        """This process's `Part` of the batch of rows at some indices, a tensor."""
        return Part(self.group, indices, torch.from_numpy(self.is_own[indices.cpu().numpy()]))

    def own_among(self, rows):
        """Positions in `own` of this process's rows among some indices, as arrays."""
        return self._places[rows[self.is_own[rows]]]

    def places(self, indices):
        """Positions of this process's rows among some indices, as tensors."""
        return torch.from_numpy(self._places[indices.cpu().numpy()]).to(indices.device)


def own(X):
    """This process's rows."""
    return X.own if isinstance(X, Shard) else X


def map_rows(function, X):
    """`function(X)`, with a row for each row of X."""
    return X.map(function) if isinstance(X, Shard) else function(X)


def added_up(function, X, sample_weight=None):
    """`function(X, sample_weight)`, an array of sums over rows.

    For a `Shard`, its results are added up over all processes.
    """
    if not isinstance(X, Shard):
        return function(X, sample_weight)
    rows = X.own if X.own.shape[0] else np.zeros((0, X.shape[1]), X.dtype)
    weights = None if sample_weight is None else sample_weight[X.is_own]
    return X.group.add_up(np.array(function(rows, weights), np.float64))
