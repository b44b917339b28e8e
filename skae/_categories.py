"""Columns of categories as blocks of a matrix, and back; for `TableEncoder`."""

from functools import cached_property

import numpy as np
from scipy.sparse import coo_array

MISSING, UNSEEN = -1, -2  # codes


class Categories:
    """How a column's categories become a block of the matrix, a column for each.

    Parameters
    ----------
    values : ndarray of shape (n,)
        All that the column has, without missing ones.
    order : list or None
        All that its dtype knows, in their order; None: sorted.
    most : int or None
        Of the matrix's columns. If there are more categories, the rarer share the last one.

    Attributes
    ----------
    kept, rare : list
        The categories with a column of their own, in its order, and those without.
    rare_counts : ndarray of shape (len(rare),)
        How often each of these has been seen.
    proportions : ndarray of shape (width,)
        How often each column of the block has been 1.
    """

    def __init__(self, values, order, most):
        self.dtype = values.dtype.name
        levels, codes = levels_of(values)
        counts = np.bincount(codes, minlength=len(levels))
        ranked = sorted_levels(levels, order)
        levels, counts = [levels[i] for i in ranked], counts[ranked]
        kept = np.ones(len(levels), dtype=bool)
        if most is not None and len(levels) > most:
            kept[np.argsort(-counts, kind="stable")[most - 1 :]] = False
        self.kept = [level for level, is_kept in zip(levels, kept, strict=True) if is_kept]
        self.rare = [level for level, is_kept in zip(levels, kept, strict=True) if not is_kept]
        self.rare_counts = counts[~kept]
        self.most_frequent = int(np.argmax(counts[kept])) if levels else MISSING
        shared = [self.rare_counts.sum()] if self.rare else []
        self.proportions = np.r_[counts[kept], shared] / max(1, counts.sum())

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
        """Categories as an array of what `values` were."""
        array = np.empty(len(levels), dtype=self.dtype)
        array[:] = levels
        return array

    def encode(self, values):
        """The column within the block of each value; `UNSEEN` of one that is unknown."""
        find = self._places.get
        found = [find(key(value), UNSEEN) for value in values.tolist()]
        return np.array(found, dtype=np.int64)

    def codes(self, cells):
        """The column within the block of each cell; `MISSING` or `UNSEEN` where there is none."""
        codes = np.full(len(cells.missing), MISSING)
        codes[~cells.missing] = self.encode(cells.known)
        return codes

    def _codes_for(self, cells, unseen):
        codes = self.codes(cells)
        if unseen == "missing":
            codes[codes == UNSEEN] = MISSING
        return codes

    def write(self, block, cells, unseen):
        """Fill columns of the matrix, (n, width), zeros so far.

        Each row gets 1 for its category and NaN for a missing cell. One that `fit` has not seen
        gives NaN or, if `unseen` is "mean", the proportions of the categories.
        """
        codes = self._codes_for(cells, unseen)
        known = np.flatnonzero(codes >= 0)
        block[known, codes[known]] = 1.0
        block[codes == MISSING] = np.nan
        block[codes == UNSEEN] = self.proportions

    def sparse_block(self, cells, unseen):
        """The same, sparse."""
        return indicators(self._codes_for(cells, unseen), self.proportions)

    def cells(self, block, fill, exact):
        """The likeliest category of each row of a block, and where there is none."""
        if not self.width:
            return np.zeros(len(block), dtype=self.dtype), np.ones(len(block), dtype=bool)
        missing = np.isnan(block).any(axis=1)
        codes = np.where(missing[:, None], 0.0, block).argmax(axis=1)
        codes[missing] = self.most_frequent
        return self.decode(codes), missing & (not fill)

    def decode(self, codes):
        """Values; of the rare ones the most frequent."""
        return self.levels([*self.kept, *self._shown_of_rare()])[codes]

    def _shown_of_rare(self):
        return [self.rare[int(np.argmax(self.rare_counts))]] if self.rare else []


def key(value):
    """What to look a category up by: True is 1 to Python, but another category."""
    return (bool, value) if isinstance(value, bool) else value


def levels_of(values):
    """The different ones among values, as they come, and of each value which it is."""
    numbers, levels, codes = {}, [], np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values.tolist()):
        code = numbers.setdefault(key(value), len(levels))
        if code == len(levels):
            levels.append(value)
        codes[row] = code
    return levels, codes


def sorted_levels(levels, order):
    """Where the levels come from if they are to be in order; of several types, type by type."""
    if order is not None:
        places = {key(value): place for place, value in enumerate(order)}
        return sorted(range(len(levels)), key=lambda i: places[key(levels[i])])
    try:
        return sorted(range(len(levels)), key=levels.__getitem__)
    except TypeError:
        by_type = [(type(level).__name__, str(level)) for level in levels]
        return sorted(range(len(levels)), key=by_type.__getitem__)


def indicators(codes, proportions):
    """A block of the matrix, sparse, of codes of columns, `MISSING` and `UNSEEN`."""
    width = len(proportions)
    known, others = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
    rows = np.r_[known, np.repeat(others, width)]
    columns = np.r_[codes[known], np.tile(np.arange(width), len(others))]
    whole = np.where((codes[others] == MISSING)[:, None], np.nan, proportions)
    data = np.r_[np.ones(len(known)), whole.ravel()]
    return coo_array((data, (rows, columns)), shape=(len(codes), width))
