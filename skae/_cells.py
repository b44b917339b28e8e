"""Cells of a column as arrays, whichever library's table they are of; for `TableEncoder`."""

from dataclasses import dataclass

import numpy as np

NUMERIC = ("floats", "integers", "datetimes", "durations")


@dataclass
class Cells:
    """A column's cells.

    Parameters
    ----------
    family : str
        One of `NUMERIC`, or "booleans", "strings", "categories".
    values : ndarray of shape (n,)
        Where nothing is missing, what there is; times in their unit since 1970, UTC.
    missing : ndarray of shape (n,), bool
    unit : str or None
        Of times.
    order : list or None
        All categories that a dtype knows.
    precision : str
        Of floats: NumPy's name of their dtype.
    """

    family: str
    values: np.ndarray
    missing: np.ndarray
    unit: str | None = None
    order: list | None = None
    precision: str = "float64"

    @property
    def known(self):
        return self.values[~self.missing]


def no_kind(name, dtype):
    """The error of a column that holds something else."""
    return ValueError(
        f"Column {name!r} is of dtype {dtype}, which is neither numbers, times, booleans, strings "
        "nor categories: convert it to one of these, or drop it."
    )


def objects(values):
    """A list as a one-dimensional array of objects, whatever these are."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def numeric_cells(values, missing):
    """Cells of an array of numbers, or of booleans."""
    kind = values.dtype.kind
    if kind == "b":
        return Cells("booleans", values.astype(object), missing)
    if kind == "f":
        floats = values.astype(np.float64)
        return Cells("floats", floats, missing, precision=values.dtype.name)
    return Cells("integers", values.astype(np.uint64 if kind == "u" else np.int64), missing)


def numbers_as(values, dtype, missing):
    """Numbers in a dtype of NumPy's; floats where an integer is missing."""
    if missing.any():
        dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
        return np.where(missing, np.nan, values).astype(dtype)
    return values.astype(dtype)


@dataclass(frozen=True)
class Rounding:
    """float64 as numbers of another dtype, in float64."""

    dtype: str

    def __call__(self, values):
        with np.errstate(over="ignore"):
            return values.astype(self.dtype).astype(np.float64)
