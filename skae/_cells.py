"""Cells of a column as arrays, for tables of any library; for `TableEncoder`."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

NUMERIC = ("floats", "integers", "datetimes", "durations")
MISSING = -1  # the code of a missing value


@dataclass
class Cells:
    """A column's cells.

    Parameters
    ----------
    family : str
        One of `NUMERIC`, or "booleans", "strings", "categories".
    values : ndarray of shape (n,) or None
        The values that are not missing; times in their unit since 1970, UTC. None for cells that
        are `coded`.
    missing : ndarray of shape (n,), bool
    unit : str or None
        Of times.
    order : list or None
        All categories of a dtype.
    precision : str
        For floats: NumPy's name of their dtype.
    """

    family: str
    values: np.ndarray | None
    missing: np.ndarray
    unit: str | None = None
    order: list | None = None
    precision: str = "float64"

    @property
    def dtype(self):
        """NumPy's name of the values' dtype."""
        return "object" if self.values is None else self.values.dtype.name

    @property
    def known(self):
        """Values without missing ones."""
        if self.values is None:
            levels, codes = self.coded
            return objects(levels)[codes[~self.missing]]
        return self.values[~self.missing]

    def at(self, rows):
        """The cells of some rows."""
        if self.values is None:
            levels, codes = self.coded
            return coded_cells(self.family, levels, codes[rows], self.order)
        return replace(self, values=self.values[rows], missing=self.missing[rows])

    @cached_property
    def coded(self):
        """A list of distinct values, and for each cell the index of its value, or `MISSING`.

        The list may contain values that no cell has, or duplicates.
        """
        find = levels_of if self.values.dtype == object else sorted_levels_of
        levels, places = find(self.known)
        codes = np.full(len(self.missing), MISSING)
        codes[~self.missing] = places
        return levels, codes


def coded_cells(family, levels, codes, order=None):
    """Cells for which a library knows the distinct values, and the value of each cell."""
    codes = np.asarray(codes).astype(np.intp)
    cells = Cells(family, None, codes == MISSING, order=order)
    cells.coded = levels, codes
    return cells


def boolean_cells(values, missing):
    """Cells of an array of booleans."""
    return coded_cells("booleans", [False, True], np.where(missing, MISSING, values))


def key(value):
    """A key to look up a category: True equals 1 in Python, but is another category."""
    return (bool, value) if isinstance(value, bool) else value


def levels_of(values):
    """The distinct objects in order of appearance, and the index of each object among them."""
    numbers, levels, codes = {}, [], np.empty(len(values), dtype=np.intp)
    for row, value in enumerate(values.tolist()):
        code = numbers.setdefault(key(value), len(levels))
        if code == len(levels):
            levels.append(value)
        codes[row] = code
    return levels, codes


def sorted_levels_of(values):
    """The same for numbers, sorted."""
    levels, codes = np.unique(values, return_inverse=True)
    return levels.tolist(), codes


def no_kind(name, dtype):
    """The error for a column with other values."""
    return ValueError(
        f"Column {name!r} has dtype {dtype}, but must hold numbers, times, booleans, strings or "
        "categories: convert it to one of these, or drop it."
    )


def objects(values):
    """A list as a one-dimensional array of any objects."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def numeric_cells(values, missing):
    """Cells of an array of numbers, or of booleans."""
    kind = values.dtype.kind
    if kind == "b":
        return boolean_cells(values, missing)
    if kind == "f":
        floats = values.astype(np.float64)
        return Cells("floats", floats, missing, precision=values.dtype.name)
    return Cells("integers", values.astype(np.uint64 if kind == "u" else np.int64), missing)


def numbers_as(values, dtype, missing):
    """Numbers in a NumPy dtype; floats if an integer is missing."""
    if missing.any():
        dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
        return np.where(missing, np.nan, values).astype(dtype)
    return values.astype(dtype)


@dataclass(frozen=True)
class Fill:
    """Replacements for the missing values of a column.

    Parameters
    ----------
    gaps : ndarray of shape (n,), bool
        Positions of the missing values.
    values : ndarray of shape (gaps.sum(),)
    levels : list, default=()
        The categories seen in `fit`, in order.
    """

    gaps: np.ndarray
    values: np.ndarray
    levels: list = ()

    @property
    def lacks(self):
        """Mask of missing values: none are."""
        return np.zeros(len(self.values), dtype=bool)

    @property
    def places(self):
        """Source indices of the whole column's cells, with the new values appended to it."""
        n_rows = len(self.gaps)
        return np.where(self.gaps, n_rows - 1 + np.cumsum(self.gaps), np.arange(n_rows))

    def order(self, order):
        """A list of a dtype's categories; those of `fit` come first if it lacks a value."""
        if {*self.values.tolist()} <= {*order}:
            return order
        return [*self.levels, *(level for level in order if level not in self.levels)]


@dataclass(frozen=True)
class Rounding:
    """Rounds float64 to another dtype, and returns float64."""

    dtype: str

    def __call__(self, values):
        with np.errstate(over="ignore"):
            return values.astype(self.dtype).astype(np.float64)
