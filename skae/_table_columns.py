"""What `TableEncoder` knows about a column: its kind, its encoder, and valid replacements."""

from collections import Counter
from numbers import Number

import numpy as np

from skae._categories import UNSEEN, Categories
from skae._cells import NUMERIC, Rounding
from skae._engine.notice import warn
from skae._numbers import Numbers

SURELY_NAMES = 20  # number of categories beyond which, if they are one per row, they name rows
FEW = 5  # maximum of values that an error shows
UNITS = ("ns", "us", "ms", "s", "m", "h", "D")
FACTORS = (1000, 1000, 1000, 60, 60, 24)  # units of time, in multiples of the one before
TIMES = ("datetimes", "durations")


def reads_as_number(value):
    """Whether a value is a number, or a string of one."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


class Column:
    """A column of the table in `fit`.

    Parameters
    ----------
    name : str or other hashable
    dtype : object
        The library's dtype, whose name is kept.
    cells : Cells
    kinds : dict
        By name, as in the parameter `kinds`.
    table : TableEncoder
        The encoder, whose parameters say how to encode.
    weights : ndarray of shape (n,), default=None
        Weight of each cell; None for equal weights.
    """

    def __init__(self, name, dtype, cells, kinds, table, weights=None):
        self.name, self.dtype, self.family = name, str(dtype), cells.family
        self.values_dtype = cells.dtype
        self._check_finite(cells)
        self.kind = self._kind(kinds.get(name, "from_dtype"))
        self.missing_fraction = float(np.average(cells.missing, weights=weights))
        if self.kind == "numeric" and not cells.missing.all():
            scale = table._auto_numeric if table.numeric == "auto" else table.numeric
            coarser = FACTORS[UNITS.index(cells.unit) :] if cells.unit else ()
            its = None if weights is None else weights[~cells.missing]
            self.encoder = Numbers(cells.known, scale, Rounding(cells.precision), coarser, its)
        else:
            self.encoder = self._categories(cells, table.max_categories, weights)
            if name not in kinds:
                self._judge_categories(cells)

    def _check_finite(self, cells):
        if cells.family == "floats" and np.isinf(cells.values).any():
            raise ValueError(
                f"Column {self.name!r} contains infinity: replace it by a number or a missing "
                "value first."
            )

    def _kind(self, kind):
        if kind not in ("numeric", "category", "from_dtype"):
            raise ValueError(
                f"kinds[{self.name!r}] must be 'numeric', 'category' or 'from_dtype', got {kind!r}."
            )
        by_dtype = "numeric" if self.family in NUMERIC else "category"
        if kind == "numeric" != by_dtype:
            raise ValueError(
                f"kinds[{self.name!r}] is 'numeric', but the column has dtype {self.dtype}: "
                "convert it to numbers first."
            )
        return by_dtype if kind == "from_dtype" else kind

    def _categories(self, cells, most, weights):
        try:
            return Categories(cells, most, weights)
        except TypeError as error:
            raise ValueError(
                f"Column {self.name!r} holds values that are not categories ({error}): convert "
                "them to strings, or drop it."
            ) from error

    def _judge_categories(self, cells):
        """Refuse categories that are names of rows; warn if they are suspiciously many."""
        levels, n_rows = [*self.encoder.kept, *self.encoder.rare], len(cells.missing)
        found = f"Column {self.name!r} has {len(levels)} categories in {n_rows} rows"
        if len(levels) <= SURELY_NAMES:
            return
        if cells.family == "strings" and all(isinstance(level, Number) for level in levels):
            found += f", which are numbers of dtype {self.dtype}"
            remedy = "convert it to a numeric dtype (in pandas, X.infer_objects() does so)"
        elif 2 * len(levels) <= n_rows - cells.missing.sum():
            return
        else:
            are_read = 2 * sum(map(reads_as_number, levels)) > len(levels)
            remedy = "convert it to a numeric dtype, drop it" if are_read else "drop it"
        told = f"TableEncoder(kinds={{{self.name!r}: 'category'}})"
        complaint = f"{found}: {remedy}, or pass {told} to encode these categories."
        if len(levels) == n_rows:
            raise ValueError(complaint)
        warn(complaint)

    def like_fit(self, cells, dtype):
        """Cells of another table in the dtype of `fit`; ValueError if they do not fit into it."""
        self._check_finite(cells)
        if self.family in ("floats", "integers") and cells.family in ("floats", "integers"):
            return self._converted(cells, dtype)
        if self.family in TIMES and str(dtype) != self.dtype:
            raise self._changed(cells, dtype)
        if (self.family in NUMERIC or cells.family in NUMERIC) and cells.family != self.family:
            raise self._changed(cells, dtype)
        return cells

    def _converted(self, cells, dtype):
        if cells.dtype == self.values_dtype:
            return cells
        filled = np.where(cells.missing, cells.values.dtype.type(0), cells.values)
        with np.errstate(invalid="ignore"):
            values = filled.astype(self.values_dtype)
        lost = values.astype(filled.dtype) != filled
        if self.family == "integers" and lost.any():
            cells.missing = ~lost  # to show a lost one
            raise self._changed(cells, dtype)
        cells.values = values
        return cells

    def _changed(self, cells, dtype):
        example = f", with values such as {cells.known.tolist()[0]!r}" if len(cells.known) else ""
        return ValueError(
            f"Column {self.name!r} had dtype {self.dtype} in fit, but now has dtype "
            f"{dtype}{example}: convert it to the dtype of fit."
        )

    def refuse_unknown(self, cells):
        """Raise ValueError if there are categories that `fit` has not seen."""
        if self.kind == "numeric":
            return
        levels, codes = cells.coded
        unseen = np.unique(codes[self.encoder.codes(cells) == UNSEEN]).tolist()
        if unseen:
            shown = [levels[code] for code in unseen[:FEW]]
            raise ValueError(
                f"Column {self.name!r} has categories that fit did not see: {shown}. Pass "
                "TableEncoder(unknown='missing') to treat them as missing values."
            )

    def names_out(self, name):
        """Names of the matrix's columns for a column with this name."""
        if self.kind == "numeric":
            return [name] * self.encoder.width
        names = [f"{name}={level}" for level in self.encoder.kept]
        return [*names, f"{name}=(rare)"] if self.encoder.rare else names


def check_names(names, kinds):
    """Check that names differ, and that those in `kinds` exist."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(f"Columns must have different names, but {twice[0]!r} occurs twice.")
    for name in kinds:
        if name not in names:
            raise ValueError(f"kinds has {name!r}, but the columns are {names}: leave it out.")


def warn_of_columns(columns):
    """Warn of columns without information."""
    for column in columns:
        if not column.encoder.width:
            warn(
                f"Column {column.name!r} has no observed value: it is left out of the matrix, and "
                "its values come back missing. Drop it."
            )
        elif column.encoder.is_constant:
            where = "in all rows that have one" if column.missing_fraction else "in all rows"
            warn(f"Column {column.name!r} has the same value {where}: drop it.")
