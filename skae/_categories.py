"""Columns of categories as blocks of a matrix, and back; for `TableEncoder`."""

from functools import cached_property

import numpy as np
from scipy.sparse import coo_array

from skae._cells import MISSING, key

UNSEEN = -2  # the code of a category that a fit has not seen


class Categories:
    """Turns the categories of a column into a block of the matrix, a column for each.

    They are in the order of the dtype, if cells have one, and sorted otherwise.

    Parameters
    ----------
    cells : Cells
        All cells of the column.
    most : int or None
        Maximum of the matrix's columns. If there are more categories, the rarer ones share the
        last.
    weights : ndarray of shape (n,), default=None
        Weight of each cell; None for equal weights.

    Attributes
    ----------
    kept, rare : list
        The categories with a column of their own, in its order, and those without.
    rare_counts : ndarray of shape (len(rare),)
        How often each rare category occurs, or its total weight.
    proportions : ndarray of shape (width,)
        Fraction of cells for which each column of the block is 1.
    """

    def __init__(self, cells, most, weights=None):
        self.dtype = cells.dtype
        levels, counts = counted(*cells.coded, weights)
        ranked = sorted_levels(levels, cells.order)
        levels, counts = [levels[i] for i in ranked], counts[ranked]
        kept = np.ones(len(levels), dtype=bool)
        if most is not None and len(levels) > most:
            kept[np.argsort(-counts, kind="stable")[most - 1 :]] = False
        self.kept = [level for level, is_kept in zip(levels, kept, strict=True) if is_kept]
        self.rare = [level for level, is_kept in zip(levels, kept, strict=True) if not is_kept]
        self.rare_counts = counts[~kept]
        self.most_frequent = int(np.argmax(counts[kept])) if levels else MISSING
        shared = [self.rare_counts.sum()] if self.rare else []
        self.proportions = np.r_[counts[kept], shared] / (counts.sum() or 1)

    @property
    def width(self):
        return len(self.proportions)

    n_categories = width

    @cached_property
    def _places(self):
        """The column within the block of each category."""
        places = {key(level): place for place, level in enumerate(self.kept)}
        return places | dict.fromkeys(map(key, self.rare), len(self.kept))

    @property
    def is_constant(self):
        return self.width == 1

    def levels(self, levels):
        """Categories as an array of original values."""
        array = np.empty(len(levels), dtype=self.dtype)
        array[:] = levels
        return array

    def codes(self, cells):
        """The column of each cell within the block, or `MISSING` or `UNSEEN`."""
        levels, codes = cells.coded
        places = [self._places.get(key(level), UNSEEN) for level in levels]
        return np.array([*places, MISSING])[codes]  # MISSING also indexes the last one

    def _codes_for(self, cells, unseen):
        codes = self.codes(cells)
        if unseen == "missing":
            codes[codes == UNSEEN] = MISSING
        return codes

    def write(self, block, cells, unseen):
        """Fill columns of the matrix, (n, width), zeros so far.

        Each row gets 1 for its category and NaN for a missing value. An unseen category gives NaN
        or, if `unseen` is "mean", the proportions of the categories.
        """
        codes = self._codes_for(cells, unseen)
        known = np.flatnonzero(codes >= 0)
        block[known, codes[known]] = 1.0
        if len(known) < len(codes):
            block[codes == MISSING] = np.nan
            block[codes == UNSEEN] = self.proportions

    def sparse_block(self, cells, unseen):
        """The same as a sparse block."""
        return indicators(self._codes_for(cells, unseen), self.proportions)

    def cells(self, block, fill, exact):
        """The column of the largest number in each row of a block, and which rows have none."""
        if not self.width:
            return np.zeros(len(block), dtype=np.intp), np.ones(len(block), dtype=bool)
        codes = block.argmax(axis=1)  # NaN counts as the largest
        missing = np.isnan(block[np.arange(len(block)), codes])
        codes[missing] = self.most_frequent
        return codes, missing & (not fill)

    @property
    def shown(self):
        """The category of each column; for the rare ones, the most frequent of them."""
        of_rare = [self.rare[int(np.argmax(self.rare_counts))]] if self.rare else []
        return self.levels([*self.kept, *of_rare])


def counted(levels, codes, weights=None):
    """The distinct levels among codes, and their frequencies."""
    known = codes >= 0
    weights = None if weights is None else weights[known]
    times = np.bincount(codes[known], weights, minlength=len(levels)).tolist()
    counts = {}
    for level, count in zip(levels, times, strict=True):
        if count:
            first, before = counts.get(key(level), (level, 0))
            counts[key(level)] = first, before + count
    found = list(counts.values())
    dtype = np.intp if weights is None else np.float64
    return [level for level, _ in found], np.array([count for _, count in found], dtype=dtype)


def sorted_levels(levels, order):
    """Indices that sort the levels; if there are several types, type by type."""
    if order is not None:
        places = {key(value): place for place, value in enumerate(order)}
        return sorted(range(len(levels)), key=lambda i: places[key(levels[i])])
    try:
        return sorted(range(len(levels)), key=levels.__getitem__)
    except TypeError:
        by_type = [(type(level).__name__, str(level)) for level in levels]
        return sorted(range(len(levels)), key=by_type.__getitem__)


def indicators(codes, proportions):
    """A sparse block of the matrix, from codes of columns, `MISSING` and `UNSEEN`."""
    width = len(proportions)
    known, others = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
    rows = np.r_[known, np.repeat(others, width)]
    columns = np.r_[codes[known], np.tile(np.arange(width), len(others))]
    whole = np.where((codes[others] == MISSING)[:, None], np.nan, proportions)
    data = np.r_[np.ones(len(known)), whole.ravel()]
    return coo_array((data, (rows, columns)), shape=(len(codes), width))
