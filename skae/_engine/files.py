"""Rows in a file, read in parts: memory maps, and selections from them."""

import mmap
from contextlib import suppress

import numpy as np

GAP = 2**16  # bytes that are rather read than left out


class OnFile:
    """Rows of a memory map, converted when they are read, without a copy of all of them.

    Indexing or slicing gives an array; NumPy treats the whole as an array, too.

    Parameters
    ----------
    file : ndarray of shape (n, n_features)
        A memory map, in any memory order.
    dtype : dtype
        Dtype to which rows are converted.
    rows : ndarray of int, shape (n_samples,), default=None
        Indices of the map's rows; None for all.
    """

    ndim = 2

    def __init__(self, file, dtype, rows=None):
        self.file, self.dtype, self.rows = file, np.dtype(dtype), rows
        self.shape = (len(file) if rows is None else len(rows), file.shape[1])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return self.read(rows)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.read(slice(None)), dtype)

    def __getattr__(self, name):  # other attributes of an array, from a copy
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(np.asarray(self), name)

    def read(self, rows, out=None):
        """The rows at some indices, or of a slice, as an array.

        Parameters
        ----------
        rows : ndarray of int or slice
        out : ndarray, default=None
            Memory for the result.
        """
        found = self.file[rows if self.rows is None else self.rows[rows]]
        out = np.empty(found.shape, self.dtype) if out is None else out
        with np.errstate(over="ignore", invalid="ignore"):  # checked wherever this matters
            np.copyto(out, found, casting="unsafe")
        return out

    def astype(self, dtype):
        """The same rows in another dtype."""
        return OnFile(self.file, dtype, self.rows)

    def only(self, rows):
        """A selection by an array of indices or a slice; nothing is read."""
        known = np.arange(len(self.file)) if self.rows is None else self.rows
        return OnFile(self.file, self.dtype, known[rows])

    def in_order(self, n_rows):
        """Indices of all rows in the order of the file, in chunks."""
        starts = range(0, len(self), n_rows)
        if self.rows is None:
            return [slice(start, start + n_rows) for start in starts]
        order = self.rows.argsort(kind="stable")
        return [order[start : start + n_rows] for start in starts]


def is_on_file(X):
    """Whether X is an array whose numbers lie in a file, or an `OnFile`."""
    while isinstance(X, np.ndarray):
        X = X.base
    return isinstance(X, (OnFile, mmap.mmap))


def size_on_file(X):
    """Size of X in its file, in bytes; 0 if it is in memory."""
    if not is_on_file(X):
        return 0
    return X.shape[0] * X.shape[1] * getattr(X, "file", X).itemsize


def on_file(X, dtype):
    """A memory map in some dtype, an `OnFile`."""
    return X.astype(dtype) if isinstance(X, OnFile) else OnFile(X, dtype)


def only(X, rows):
    """Rows of an array or CSR matrix at some indices; rows in a file are not read yet."""
    if hasattr(X, "only"):  # an `OnFile` or a `Shard`
        return X.only(rows)
    if X is None or not (is_on_file(X) and X.ndim == 2):
        return None if X is None else X[rows]
    return on_file(X, X.dtype).only(rows)


def reading_ahead(X, windows, batches):
    """Batches; the system is asked for each window of a memory map before its first batch.

    Rows of a window lie close together, but batches take them in random order. If the system reads
    the window as a whole, training need not wait for the disk at each row.

    Parameters
    ----------
    X : ndarray, `OnFile` or `Shard`
        Rows in a file; of a `Shard`, this process's.
    windows, batches : sequence of Tensor of int
        Rows of X, the same ones in the same order.
    """
    windows, n_asked, n_taken = iter(windows), 0, 0
    for batch in batches:
        n_taken += len(batch)
        while n_asked < n_taken:
            window = next(windows)
            ask_for(X, window.numpy())
            n_asked += len(window)
        yield batch


def ask_for(X, rows):
    """Ask the system to read rows of a memory map from the disk, if it takes such advice.

    Rows need not follow each other at once, as in `file[rank::2]`, but must not lie far apart.
    """
    if hasattr(X, "own_among"):  # a `Shard`
        X, rows = X.own, X.own_among(rows)
    file, rows_of_file = getattr(X, "file", X), getattr(X, "rows", None)
    row, step = file[:1], file.strides[0]
    is_near = row.flags.c_contiguous and 0 <= step - row.nbytes <= GAP
    if not hasattr(mmap.mmap, "madvise") or not is_near:
        return
    rows = rows if rows_of_file is None else rows_of_file[rows]
    memory = file
    while not isinstance(memory, mmap.mmap):
        memory = memory.base
    first = file.ctypes.data - np.frombuffer(memory, np.uint8).ctypes.data
    for start, stop in spans_of(np.sort(rows), max(1, GAP // step)):
        start, stop = first + start * step, first + stop * step
        start -= start % mmap.PAGESIZE
        with suppress(OSError):  # a system that refuses reads row by row
            memory.madvise(mmap.MADV_WILLNEED, start, stop - start)


def spans_of(rows, gap):
    """Pairs (start, stop) that cover sorted rows, without gaps of more than so many rows."""
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > gap) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]


def in_memory(X):
    """X itself, or a copy in memory of rows in a file."""
    return np.array(X) if is_on_file(X) else X
