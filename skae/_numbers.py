"""Columns of numbers as columns of a matrix, and back to the bit; for `TableEncoder`.

A number x is expressed in steps, y = (x - origin) / step, and y is scaled, z = scale(y). On the
way back, x is rounded to the decimals of the column, and so is exact. It may not be if the column
uses all digits of a float: near 0, floats are finer than near the subtracted mean. Numbers that do
not come back exactly are listed, each with its own z.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.special import ndtri

MOST_DECIMALS = 15  # of float64
SOME = 100  # values
N_QUANTILES = 1000  # as in scikit-learn's QuantileTransformer
NEVER = 1e-15  # a probability whose normal quantile is finite
WHOLE = np.uint64  # differences of integers of any dtype
GREATEST = np.nextafter(2.0**64, 0)  # float that is a WHOLE


class Numbers:
    """Turns a column's numbers into one column of the matrix, and back.

    Parameters
    ----------
    values : ndarray of shape (n,)
        All values of the column without missing ones, as int64, uint64 or float64.
    scale : {'standard', 'quantile'}
    rounded : callable
        Rounds float64 to the column's own dtype, such as float32, and returns float64.
    coarser : tuple of int, default=()
        Factors from a unit of integers to the next coarser ones, for times.
    weights : ndarray of shape (n,), default=None
        Weight of each value; None for equal weights.
    """

    width = 1
    n_categories = 0

    def __init__(self, values, scale, rounded, coarser=(), weights=None):
        known = np.unique(values)
        self.lowest, self.greatest = known[0], known[-1]
        steps = Whole if values.dtype.kind in "iu" else Fractions
        self.steps = steps(known, coarser if steps is Whole else rounded)
        self.scale = SCALES[scale](self.steps.count(values), weights)
        self._list_the_rest(known)

    @property
    def is_constant(self):
        return self.lowest == self.greatest

    def _list_the_rest(self, known):
        """Give values that arithmetic does not restore their own number in the matrix."""
        self.odd, self.odd_scores = known[:0], np.empty(0)
        found = self.encode(known)
        scores = strictly_rising(found)
        with np.errstate(all="ignore"):
            odd = (scores != found) | (self._values(scores) != known)
        self.odd, self.odd_scores = known[odd], scores[odd]

    def encode(self, values):
        """Column of the matrix, in float64, for values in the dtype of `fit`."""
        scores = self.scale.forward(self.steps.count(values))
        return replaced(scores, values, self.odd, self.odd_scores)

    def decode(self, scores, exact=True):
        """Values within the range of `fit` and, if floats must be exact, with its decimals."""
        return replaced(self._values(scores, exact), scores, self.odd_scores, self.odd)

    def _values(self, scores, exact=True):
        with np.errstate(over="ignore"):
            return self.steps.values(self.scale.back(scores), self.lowest, self.greatest, exact)

    def bounds(self, values):
        """Between which scores `decode` gives these values, (2, n)."""
        counts = self.steps.count(values)
        half = self.steps.half_of_steps(counts)
        low, high = self.scale.forward(counts - half), self.scale.forward(counts + half)
        low = np.where(values <= self.lowest, -np.inf, low)
        return np.stack([low, np.where(values >= self.greatest, np.inf, high)])

    def write(self, block, cells, unseen):
        """Fill columns of the matrix, (n, width), with NaN for missing values."""
        known = ~cells.missing
        block[known, 0] = self.encode(cells.values[known])
        block[cells.missing] = np.nan

    def sparse_block(self, cells, unseen):
        """The same as a sparse block."""
        block = np.empty((len(cells.missing), 1))
        self.write(block, cells, unseen)
        return coo_array(block)

    def cells(self, block, fill, exact):
        """Values and a mask of missing ones; filled with the mean or the median on request."""
        scores = block[:, 0].astype(np.float64)
        missing = np.isnan(scores)
        scores[missing] = 0.0
        values = self.decode(scores, exact)
        return values, missing & (not fill)


def replaced(result, keys, known, by):
    """A result in which entries with a known key (keys are sorted) are replaced."""
    if not len(known):
        return result
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[places] == keys, by[places], result)


def strictly_rising(scores):
    """The floats, raised by the fewest last bits that make each exceed the one before."""
    places = np.arange(len(scores))
    return _ordinal_floats(np.maximum.accumulate(_ordinals(scores) - places) + places)


def _ordinals(floats):
    """Floats as integers in the same order, neighbours one apart."""
    bits = np.ascontiguousarray(floats, dtype=np.float64).view(np.int64)
    return np.where(bits < 0, np.iinfo(np.int64).min - bits, bits)


def _ordinal_floats(ordinals):
    return np.where(ordinals < 0, np.iinfo(np.int64).min - ordinals, ordinals).view(np.float64)


class Whole:
    """Integers, including times, in steps from the least one."""

    def __init__(self, known, coarser):
        self.origin, self.dtype = known[0], known.dtype.name
        self.step, counts = 1, self._above(known)
        for factor in coarser:
            if (counts % WHOLE(self.step * factor)).any():
                break
            self.step *= factor

    def _above(self, values):
        """How much values exceed the origin, modulo 2**64, without overflow."""
        return values.astype(WHOLE) - self.origin.astype(WHOLE)

    def count(self, values):
        below = values < self.origin
        above = np.where(below, WHOLE(0) - self._above(values), self._above(values))
        return np.where(below, -1.0, 1.0) * above.astype(np.float64) / self.step

    def half_of_steps(self, counts):
        return 0.5

    def values(self, counts, lowest, greatest, exact):
        most = self._above(greatest[None])[0]
        whole = np.clip(np.rint(counts), 0, GREATEST).astype(WHOLE)
        whole = np.minimum(whole, most // WHOLE(self.step)) * WHOLE(self.step)
        return (whole + self.origin.astype(WHOLE)).astype(self.dtype)


class Fractions:
    """Floats, in steps of a power of two: 1, unless they are huge or tiny."""

    def __init__(self, known, rounded):
        size = np.abs(known[[0, -1]]).max()
        usual = size == 0 or 1e-150 < size < 1e150
        self.step = 1.0 if usual else 2.0 ** (np.frexp(size)[1] - 1)
        self.rounded = rounded
        self.decimals = fewest_decimals(known, rounded)

    def count(self, values):
        return values / self.step

    def half_of_steps(self, counts):
        """Half the distance of the numbers to which others are rounded."""
        if self.decimals is None:
            return np.spacing(np.abs(counts))
        return 0.5 * 10.0**-self.decimals / self.step

    def values(self, counts, lowest, greatest, exact):
        values = np.clip(counts * self.step, lowest, greatest)
        if exact and self.decimals is not None:
            values = np.round(values, self.decimals)
        return np.clip(self.rounded(values), lowest, greatest)


def fewest_decimals(values, rounded):
    """The number of decimals that all values need, or None if too many for a float."""
    some = values[:: 1 + len(values) // SOME]  # first a quick lower bound from some values
    decimals = _fewest_from(0, some, rounded)
    return None if decimals is None else _fewest_from(decimals, values, rounded)


def _fewest_from(least, values, rounded):
    with np.errstate(over="ignore", invalid="ignore"):
        for decimals in range(least, MOST_DECIMALS + 1):
            if (rounded(np.round(values, decimals)) == values).all():
                return decimals
    return None


class Standard:
    """Mean 0 and variance 1."""

    def __init__(self, counts, weights=None):
        if weights is None:
            self.mean, variance = counts.mean(), counts.var()
        else:
            self.mean = np.average(counts, weights=weights)
            variance = np.average(np.square(counts - self.mean), weights=weights)
        self.std = np.sqrt(variance) or 1.0

    def forward(self, counts):
        return (counts - self.mean) / self.std

    def back(self, scores):
        return scores * self.std + self.mean


class Quantile:
    """Normal scores: the rank of a value as the quantile of a normal variable.

    A repeated value has a range of scores and gets its middle; between values, scores are linear.
    """

    def __init__(self, counts, weights=None):
        values, which = np.unique(counts, return_inverse=True)
        n = np.bincount(which, weights)
        ends = np.cumsum(n)
        if len(values) > N_QUANTILES:
            levels = np.linspace(0, ends[-1], N_QUANTILES)
            kept = np.unique(np.r_[0, np.searchsorted(ends, levels), len(values) - 1])
            values, n, ends = values[kept], n[kept], ends[kept]
        half = np.minimum(0.5, n / 2)
        places = ends - n + half, ends - n / 2, ends - half  # of the first, the middle and the last
        self.values, total = values, ends[-1]
        self.first, self.middle, self.last = (
            ndtri(np.clip(place / total, NEVER, 1.0 - NEVER)) for place in places
        )

    def forward(self, counts):
        below = np.searchsorted(self.values, counts, side="right") - 1
        below = below.clip(0, len(self.values) - 1)
        above = np.minimum(below + 1, len(self.values) - 1)
        low, high = self.values[below], self.values[above]
        part = (counts - low) / np.where(high > low, high - low, 1.0)
        between = self.last[below] + part.clip(0.0, 1.0) * (self.first[above] - self.last[below])
        return np.where(counts == low, self.middle[below], between)

    def back(self, scores):
        ends = np.column_stack([self.first, self.last]).ravel()
        return np.interp(scores, ends, self.values.repeat(2))


SCALES = {"standard": Standard, "quantile": Quantile}
