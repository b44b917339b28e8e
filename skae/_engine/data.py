"""What to train on: rows and their targets, which of them are held out, batches of them."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import issparse

from skae._engine.streams import stream


@dataclass(frozen=True)
class Data:
    """What to train on: rows, and what each is to become, unless that is the row itself.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    target : ndarray or CSR matrix of shape (n_samples, n_outputs), default=None
    """

    X: np.ndarray
    target: np.ndarray = None

    def __len__(self):
        return self.X.shape[0]

    @property
    def targets(self):
        """What the rows are to become."""
        return self.X if self.target is None else self.target

    @property
    def tables(self):
        """X and, where they are others, the targets."""
        return (self.X,) if self.target is None else (self.X, self.target)

    def __getitem__(self, rows):
        return Data(*(table[rows] for table in self.tables))


class Split(NamedTuple):
    """Indices of the rows to train on, and of those held out (None: no rows are)."""

    training: torch.Tensor
    held_out: torch.Tensor = None

    def seen(self, data):
        """The rows of data that training may learn anything from."""
        return data if self.held_out is None else data[self.training.numpy()]


def split_rows(n_samples, fraction, seed, strata=None):
    """Hold out a random fraction of the rows, rounded up; fraction 0 holds out none.

    Where rows belong to `strata`, an array of integers, it is about the same one of each.
    """
    if fraction == 0:
        return Split(torch.arange(n_samples, device="cpu"))
    n_held_out = math.ceil(fraction * n_samples)
    if n_held_out >= n_samples:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} leaves no rows to train "
            f"on: n_samples = {n_samples}, of a classifier or regressor those with labels. Give "
            "more rows, lower validation_fraction or set early_stopping=False."
        )
    order = torch.randperm(n_samples, generator=stream(seed, "split"), device="cpu")
    if strata is not None:  # sorted by stratum, of every so many rows one
        order = order[torch.from_numpy(strata)[order].argsort(stable=True)]
        positions = torch.arange(n_held_out, device="cpu") * n_samples // n_held_out
        order = torch.cat(
            [order[positions], order[~torch.isin(torch.arange(n_samples), positions)]]
        )
    return Split(order[n_held_out:], order[:n_held_out])


class Rows:
    """The rows of an array or CSR matrix as dense tensors, a batch at a time.

    On the CPU every batch is gathered into the same buffer, so that no copy of X is
    made. On another device a dense X is moved there once; a sparse one stays, and its
    batches are moved.
    """

    def __init__(self, X, device):
        self._X, self._device = X, device
        self._batch = torch.from_numpy(np.empty((0, X.shape[1]), X.dtype))
        if issparse(X):
            self._gather = self._make_dense
        elif device.type != "cpu":
            self._tensor, self._gather = torch.tensor(X, device=device), self._select
            self._batch = self._batch.to(device)
        elif X.flags.writeable:
            self._tensor, self._gather = torch.from_numpy(X), self._select
        else:  # torch does not take read-only arrays, such as memory maps
            self._gather = self._select_read_only

    def __len__(self):
        return self._X.shape[0]

    def take(self, indices):
        """Tensor of the rows at `indices`; valid until the next call."""
        n_rows, n_most = indices.shape[0], self._batch.shape[0]
        if n_rows > n_most:
            self._batch = self._batch.new_empty((n_rows, self._X.shape[1]))
        return self._gather(indices, self._batch[:n_rows] if n_rows < n_most else self._batch)

    def _select(self, indices, batch):
        return torch.index_select(self._tensor, 0, indices, out=batch)

    def _select_read_only(self, indices, batch):
        np.take(self._X, indices.numpy(), axis=0, out=batch.numpy(), mode="clip")
        return batch

    def _make_dense(self, indices, batch):
        self._X[indices.cpu().numpy()].toarray(out=batch.numpy())
        return batch.to(self._device)


def dense(rows):
    """As an array."""
    return rows.toarray() if issparse(rows) else rows
