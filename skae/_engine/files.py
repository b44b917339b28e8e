"""Rows on a file, read some at a time: memory maps, and parts of them."""

import mmap

import numpy as np


class OnFile:
    """Rows of a memory map, converted as they are read, of which no copy as a whole is made.

    What is taken of it by indices or slices is an array; to NumPy it is one, too, as a whole.

    Parameters
    ----------
    file : ndarray of shape (n, n_features)
        A memory map, of whatever order.
    dtype : dtype
        What rows are converted to.
    rows : ndarray of int, shape (n_samples,), default=None
        Which of the map's rows these are; None for all.
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

    def __getattr__(self, name):  # whatever else an array has, of a copy
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(np.asarray(self), name)

    def read(self, rows, out=None):
        """The rows at some indices, or of a slice, as an array.

        Parameters
        ----------
        rows : ndarray of int or slice
        out : ndarray, default=None
            Memory to put them in.
        """
        found = self.file[rows if self.rows is None else self.rows[rows]]
        out = np.empty(found.shape, self.dtype) if out is None else out
        with np.errstate(over="ignore", invalid="ignore"):  # where that matters it is looked for
            np.copyto(out, found, casting="unsafe")
        return out

    def astype(self, dtype):
        """The same rows in another dtype."""
        return OnFile(self.file, dtype, self.rows)

    def only(self, rows):
        """Some of these rows, an array of indices or a slice; nothing is read."""
        known = np.arange(len(self.file)) if self.rows is None else self.rows
        return OnFile(self.file, self.dtype, known[rows])

    def in_order(self, n_rows):
        """Indices of all rows, so many at a time, in the order in which they lie on the file."""
        starts = range(0, len(self), n_rows)
        if self.rows is None:
            return [slice(start, start + n_rows) for start in starts]
        order = self.rows.argsort(kind="stable")
        return [order[start : start + n_rows] for start in starts]


def is_on_file(X):
    """Whether X is an array whose numbers lie on a file, or an `OnFile`."""
    while isinstance(X, np.ndarray):
        X = X.base
    return isinstance(X, (OnFile, mmap.mmap))


def size_on_file(X):
    """Bytes of X on its file; 0 if it is in memory."""
    if not is_on_file(X):
        return 0
    return X.shape[0] * X.shape[1] * getattr(X, "file", X).itemsize


def on_file(X, dtype):
    """A memory map in some dtype, an `OnFile`."""
    return X.astype(dtype) if isinstance(X, OnFile) else OnFile(X, dtype)


def only(X, rows):
    """Rows of an array or CSR matrix at some indices; those of a file are not read yet."""
    if hasattr(X, "only"):  # an `OnFile` or a `Shard`
        return X.only(rows)
    if X is None or not (is_on_file(X) and X.ndim == 2):
        return None if X is None else X[rows]
    return on_file(X, X.dtype).only(rows)


def in_memory(X):
    """X itself, or a copy of what is on a file."""
    return np.array(X) if is_on_file(X) else X
