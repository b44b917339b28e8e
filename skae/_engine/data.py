"""Training data: rows and targets, held-out rows, batches."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import issparse

from skae._engine.devices import as_tensor
from skae._engine.files import OnFile, only
from skae._engine.shards import Shard
from skae._engine.streams import stream

SAMPLE_SIZE = 2**23  # maximum of numbers in a sample, unless it asks for a multiple


@dataclass(frozen=True)
class Data:
    """Training data: rows, and their targets if these are not the rows themselves.

    Parameters
    ----------
    X : ndarray, `OnFile`, `Shard` or CSR matrix of shape (n_samples, n_features)
    target : ndarray, `OnFile`, `Shard` or CSR matrix of shape (n_samples, n_outputs), default=None
    sample_weight : ndarray of shape (n_samples,), default=None
        Weight of each row, above 0; None for equal weights. Formulas that count rows treat it as a
        number of repetitions.
    """

    X: np.ndarray
    target: np.ndarray = None
    sample_weight: np.ndarray = None

    def __len__(self):
        return self.X.shape[0]

    @cached_property
    def group(self):
        """The processes that share X; None if there are no others."""
        return self.X.group if isinstance(self.X, Shard) else None

    @cached_property
    def targets(self):
        """The targets of the rows."""
        return self.X if self.target is None else self.target

    @cached_property
    def tables(self):
        """X and, if they differ from it, the targets."""
        return (self.X,) if self.target is None else (self.X, self.target)

    def __getitem__(self, rows):
        return Data(only(self.X, rows), only(self.target, rows), only(self.sample_weight, rows))


class Split(NamedTuple):
    """Indices of the training rows and of the held-out rows (None if there are none)."""

    training: torch.Tensor
    held_out: torch.Tensor = None

    def seen(self, data):
        """The rows of data from which training may learn."""
        return data if self.held_out is None else data[self.training.numpy()]

    def as_read(self, X):
        """The same rows of X in the fastest order for reading."""
        if isinstance(X, OnFile) and X.rows is not None:
            places = torch.from_numpy(X.rows)
        else:
            places = torch.arange(X.shape[0], device="cpu")
        return Split(*(None if part is None else part[places[part].argsort()] for part in self))


def split_rows(n_samples, fraction, seed, strata=None):
    """Hold out a random fraction of the rows, rounded up; fraction 0 holds out none.

    If rows belong to `strata`, an array of integers, the fraction is about the same in each.
    """
    if fraction == 0:
        return Split(torch.arange(n_samples, device="cpu"))
    n_held_out = math.ceil(fraction * n_samples)
    if n_held_out >= n_samples:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} leaves no rows to train on: "
            f"n_samples = {n_samples} (a classifier or regressor counts labelled rows only). Give "
            "more rows, lower validation_fraction or set early_stopping=False."
        )
    order = torch.randperm(n_samples, generator=stream(seed, "split"), device="cpu")
    if strata is not None:  # one of every few rows, sorted by stratum
        order = order[torch.from_numpy(strata)[order].argsort(stable=True)]
        positions = torch.arange(n_held_out, device="cpu") * n_samples // n_held_out
        others = ~torch.isin(torch.arange(n_samples, device="cpu"), positions)
        order = torch.cat([order[positions], order[others]])
    return Split(order[n_held_out:], order[:n_held_out])


class Rows:
    """The rows of an array as tensors, a few at a time.

    On the CPU they are copied into the same memory each time, so that X is not copied as a whole,
    and results do not depend on its place in memory (see `Layout`). For another device, training
    moves X there once, and inference moves it in spans.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    device : torch.device
    """

    _is_array = True

    def __init__(self, X, device):
        self._X, self._device, self._tensor = X, device, None
        self.shape, self.dtype = X.shape, X.dtype
        self._on_cpu = device.type == "cpu"
        self._buffer = self._batch = None
        self._n_rows = self._n_max = 0
        if self._on_cpu and self._is_array and X.flags.writeable:  # not a memory map
            self._tensor = torch.from_numpy(X)  # without a copy

    def take(self, indices):
        """The rows at some indices; valid until the next call."""
        if not self._on_cpu:
            return self._take_moved(indices)
        batch = self._room(indices.shape[0])
        if self._tensor is not None:
            return torch.index_select(self._tensor, 0, indices, out=batch)
        np.take(self._X, indices.numpy(), axis=0, out=batch.numpy(), mode="clip")
        return batch

    def span(self, start, stop):
        """Consecutive rows as an array and as a tensor; valid until the next call."""
        rows = self._X[start:stop]
        if not self._on_cpu or len(rows) == len(self._X):
            return rows, as_tensor(rows, self._device)
        batch = self._room(rows.shape[0])
        if self._tensor is not None:
            return rows, batch.copy_(self._tensor[start:stop])  # with as many threads as there are
        np.copyto(batch.numpy(), rows)
        return rows, batch

    def _take_moved(self, indices):
        if self._tensor is None:
            self._tensor = torch.tensor(self._X, device=self._device)
        return torch.index_select(self._tensor, 0, indices)

    def _room(self, n_rows):
        """Memory for `n` rows, reused for the same number of rows."""
        if n_rows != self._n_rows:
            if n_rows > self._n_max:
                like = torch.from_numpy(np.empty(0, self._X.dtype))
                self._buffer = self._batch = like.new_empty((n_rows, self._X.shape[1]))
                self._n_max = n_rows
            else:
                self._batch = self._buffer[:n_rows]
            self._n_rows = n_rows
        return self._batch


class SparseRows(Rows):
    """The same for a CSR matrix, whose rows become dense when they are taken.

    For another device they are moved there batch by batch.
    """

    _is_array = False

    def take(self, indices):
        """The rows at some indices; valid until the next call."""
        return self._read(indices.cpu().numpy(), len(indices))

    def span(self, start, stop):
        """Consecutive rows as an array and as a tensor; valid until the next call."""
        batch = self._read(slice(start, stop), min(stop, self._X.shape[0]) - start)
        return self._batch.numpy(), batch

    def _read(self, rows, n_rows):
        batch = self._room(n_rows)
        self._fill(batch.numpy(), rows)
        return batch if self._on_cpu else as_tensor(batch.numpy(), self._device)

    def _fill(self, out, rows):
        self._X[rows].toarray(out=out)


class FileRows(SparseRows):
    """The same for an `OnFile`, whose rows are read and converted when they are taken."""

    def _fill(self, out, rows):
        self._X.read(rows, out)


class OtherRows:
    """Replaces each row of an array by another one, set by `choose`.

    Parameters
    ----------
    rows : Rows
    device : torch.device
    """

    def __init__(self, rows, device):
        self._rows, self._device = rows, device

    @property
    def shape(self):
        """Of the array."""
        return self._rows.shape

    @property
    def dtype(self):
        """Of the array."""
        return self._rows.dtype

    def choose(self, which):
        """Use these indices from now on, an array of int of shape (n_samples,)."""
        self._which = torch.tensor(which, device=self._device)

    def take(self, indices):
        """The rows that replace those at some indices; valid until the next call."""
        return self._rows.take(self._which[indices])


def rows_of(X, device):
    """The `Rows` of an array, `OnFile` or CSR matrix; for a `Shard`, this process's."""
    if isinstance(X, Shard):
        return rows_of(X.own, device)
    if isinstance(X, OnFile):
        return FileRows(X, device)
    return SparseRows(X, device) if issparse(X) else Rows(X, device)


def sample(data, n_rows, seed, among=None, sizes=1):
    """A sample of rows of data, or of the given candidates, as dense `Data`.

    It is smaller than requested if rows are so wide that they would take much memory: more than
    `sizes` times that of SAMPLE_SIZE numbers.
    """
    n_columns = data.X.shape[1] + (0 if data.target is None else data.target.shape[1])
    n_rows, n_all = max(2, min(n_rows, sizes * SAMPLE_SIZE // n_columns)), data.X.shape[0]
    n_candidates = n_all if among is None else len(among)
    if n_rows < n_candidates:
        generator = stream(seed, "sampled rows")
        order = torch.randperm(n_candidates, generator=generator, device="cpu")[:n_rows]
        among = order if among is None else among[order]
    if among is not None and len(among) < n_all:
        data = data[among.sort().values.numpy()]
    target = None if data.target is None else dense(data.target)
    return replace(data, X=dense(data.X), target=target)


def dense(rows):
    """X as a dense array; for a `Shard`, with the rows of all processes."""
    if isinstance(rows, (OnFile, Shard)):
        return np.asarray(rows)
    return rows.toarray() if issparse(rows) else rows
