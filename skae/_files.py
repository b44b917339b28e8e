"""Memory maps as X: scikit-learn's checks without a full copy, and a warning of slow orders."""

from functools import partial

import numpy as np
from sklearn.utils import gen_batches

from skae._engine.files import is_on_file, on_file, size_on_file
from skae._engine.memory import free_memory
from skae._engine.notice import warn
from skae._engine.settings import asked
from skae._engine.shards import Shard, own
from skae._other_inputs import NUMBERS

SPAN_SIZE = 2**20  # how many numbers are checked at once


def check_rows(check, X, dtype, **options):
    """X validated by scikit-learn's `check`; a map that it would copy becomes an `OnFile`.

    For a `Shard`, each process's rows are validated.

    Parameters
    ----------
    check : callable
        A function of X and options, like `check_array`.
    X : array-like, `OnFile` or CSR matrix of shape (n_samples, n_features)
    dtype : dtype or list of dtypes
        Allowed dtypes; if there are several, a map of integers or float16 becomes
        float32.
    **options
        Options of `check_array`.
    """
    if isinstance(X, Shard):
        return X.map(partial(check_rows, check, dtype=dtype, **options))
    if not is_on_file(X) or X.dtype.kind not in NUMBERS or _is_as_asked(X, dtype):
        return check(X, dtype=dtype, **options)
    dtype = _float_for(X.dtype) if isinstance(dtype, list) else np.dtype(dtype)
    check(X[: options.get("ensure_min_samples", 1)], dtype=dtype, **options)
    rows = on_file(X, dtype)
    if X.dtype.kind == "f" and options["ensure_all_finite"] is not False:
        options["ensure_min_samples"] = 1
        for span in gen_batches(len(rows), max(1, SPAN_SIZE // rows.shape[1])):
            check(rows[span], dtype=dtype, **options)
    return rows


def _is_as_asked(X, dtype):
    """Whether a map can be used as it is."""
    dtypes = dtype if isinstance(dtype, list) else [dtype]
    return isinstance(X, np.ndarray) and X.dtype in dtypes and X.flags.c_contiguous


def _float_for(dtype):
    """Dtype for computations; files of integers are large, and float32 can hold their values."""
    return np.float64 if dtype.kind == "f" and dtype.itemsize > 4 else np.float32


def warn_of_order(estimator, X):
    """Warn if rows are to be read one by one from a file larger than the free memory."""
    X = own(X)
    if not is_on_file(X) or not _is_read_one_by_one(estimator):
        return
    size, free = size_on_file(X), free_memory()
    if size > free:
        warn(
            f"X is a memory map of {size / 1e9:.3g} GB, but only {free / 1e9:.3g} GB of memory "
            f"are free, and shuffle={estimator.shuffle!r} takes rows one by one from all over the "
            "file, so training waits for the disk: set shuffle='windows'."
        )


def _is_read_one_by_one(estimator):
    """Whether training takes rows in random order."""
    shuffle, solver = asked(estimator, ("shuffle", "solver")).values()
    in_order = not shuffle and not estimator._held_out_fraction  # which is random, too
    return not (in_order or shuffle == "windows" or solver == "lbfgs")
