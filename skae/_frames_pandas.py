"""pandas' data frames for `TableEncoder`; imported once there is one."""

import weakref

import numpy as np
import pandas as pd
from pandas.api import types

from skae._cells import Cells, boolean_cells, coded_cells, no_kind, numbers_as, numeric_cells
from skae._plain_values import as_text, from_text

LACK_NOTHING = "biu"  # NumPy's dtypes without a missing value, by kind


class Frame:
    """The appearance of a data frame: names, dtypes and markers of missing values."""

    def __init__(self, header, dtypes, markers=None):
        self.header, self.names = header, header.tolist()
        self.dtypes, self.markers = dtypes, markers

    @classmethod
    def of(cls, X):
        return cls(X.columns, X.dtypes.tolist())

    @classmethod
    def from_plain(cls, plain):
        dtypes = [dtype_from(dtype) for dtype in plain["dtypes"]]
        return cls(index_from(plain["header"]), dtypes, from_text(plain["markers"]))

    def plain(self, markers):
        return {
            "library": "pandas",
            "header": plain_index(self.header),
            "dtypes": [plain_dtype(dtype) for dtype in self.dtypes],
            "markers": as_text(markers),
        }

    def marker(self, X, place):
        return _marker(X.iloc[:, place])

    def cells(self, X, place):
        series = X.iloc[:, place].reset_index(drop=True)
        return cells_of(series, self.names[place])

    def column(self, place, values, missing):
        return _column(values, missing, self.dtypes[place], self.markers[place])

    def take(self, column, places):
        return column.take(places).reset_index(drop=True)

    def remember(self, matrix, X):
        remember_index(matrix, X)

    def build(self, columns, like):
        frame = pd.DataFrame(dict(enumerate(columns)))
        frame.columns = self.header
        index = like.index if isinstance(like, pd.DataFrame) else recall_index(like)
        return frame if index is None else frame.set_axis(index, axis=0)

    def gaps(self, X, place):
        return _gaps(X.iloc[:, place])

    def select(self, X, places):
        return X.iloc[:, places]

    def joined(self, tables):
        return pd.concat(tables, ignore_index=True)

    def fill(self, X, fills):
        filled = X.copy()
        for place, fill in fills.items():
            filled.isetitem(place, _filled(X.iloc[:, place], fill))
        return filled

    def append(self, X, columns):
        return pd.concat([X, pd.DataFrame(columns, index=X.index)], axis=1)


def plain_index(index):
    """An Index as plain values."""
    names = as_text(index.names)
    if isinstance(index, pd.MultiIndex):
        levels = [plain_index(level) for level in index.levels]
        codes = [np.asarray(codes) for codes in index.codes]
        return {"levels": levels, "codes": codes, "names": names}
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "names": names}
    values = as_text(index.astype(object).tolist())
    return {"values": values, "dtype": plain_dtype(index.dtype), "names": names}


def index_from(plain):
    """The original value of `plain_index`."""
    names = from_text(plain["names"])
    if "levels" in plain:
        levels = [index_from(level) for level in plain["levels"]]
        return pd.MultiIndex(levels=levels, codes=plain["codes"], names=names)
    if "range" in plain:
        return pd.RangeIndex(*plain["range"], name=names[0])
    values, dtype = from_text(plain["values"]), dtype_from(plain["dtype"])
    return pd.Index(values, dtype=dtype, name=names[0])


def plain_dtype(dtype):
    """A dtype as its name or a dict, or itself if these do not suffice."""
    if isinstance(dtype, pd.CategoricalDtype):
        return {"categories": plain_index(dtype.categories), "ordered": bool(dtype.ordered)}
    if isinstance(dtype, pd.ArrowDtype):
        from skae._frames_arrow import plain_type

        return {"arrow": plain_type(dtype.pyarrow_dtype)}
    if isinstance(dtype, pd.StringDtype):
        return {"strings": dtype.storage, "is_na": dtype.na_value is pd.NA}
    return str(dtype) if _is_told_by_its_name(dtype) else dtype


def _is_told_by_its_name(dtype):
    try:
        return types.pandas_dtype(str(dtype)) == dtype
    except TypeError:
        return False


def dtype_from(plain):
    """The original value of `plain_dtype`."""
    if not isinstance(plain, dict):
        return types.pandas_dtype(plain)
    if "categories" in plain:
        return pd.CategoricalDtype(index_from(plain["categories"]), plain["ordered"])
    if "arrow" in plain:
        from skae._frames_arrow import type_from

        return pd.ArrowDtype(type_from(plain["arrow"]))
    dtype = pd.StringDtype(plain["strings"])
    if (dtype.na_value is pd.NA) == plain["is_na"]:
        return dtype
    return pd.StringDtype(plain["strings"], na_value=np.nan)  # which pandas 2 lacks


# Indices of tables by the id of the matrix made from them, as long as it lives. Arrays cannot hold
# an index, and without it tables would come back changed.
_indexes = {}


def remember_index(matrix, X):
    """Keep a data frame's index for its matrix, if it is more than 0, 1, 2, ..."""
    if not isinstance(X, pd.DataFrame) or X.index.identical(pd.RangeIndex(len(X))):
        return
    key = id(matrix)
    _indexes[key] = weakref.ref(matrix, lambda _: _indexes.pop(key, None)), X.index


def recall_index(matrix):
    """The index that `remember_index` stored for this matrix object, or None."""
    reference, index = _indexes.get(id(matrix), (None, None))
    return index if reference is not None and reference() is matrix else None


def _marker(series):
    """The object that marks the first missing value in a column of objects."""
    missing = series[series.isna()] if types.is_object_dtype(series.dtype) else ()
    return missing.iloc[0] if len(missing) else None


def cells_of(series, name):
    dtype, missing = series.dtype, series.isna().to_numpy()
    if isinstance(dtype, pd.ArrowDtype):
        from skae._frames_arrow import arrow_cells

        return arrow_cells(series.array.__arrow_array__(), name)
    if isinstance(dtype, pd.CategoricalDtype):
        order = dtype.categories.astype(object).tolist()
        return coded_cells("categories", order, series.cat.codes, order)
    if types.is_datetime64_any_dtype(dtype):
        return _times("datetimes", _naive(series), missing)
    if types.is_timedelta64_dtype(dtype):
        return _times("durations", series, missing)
    if types.is_bool_dtype(dtype) and not types.is_object_dtype(dtype):
        return boolean_cells(series.fillna(False).to_numpy(dtype=bool), missing)
    if types.is_integer_dtype(dtype) or types.is_float_dtype(dtype):
        return _numbers(series, missing, name)
    if isinstance(dtype, pd.StringDtype) or _are_strings(series):
        codes, levels = pd.factorize(series)
        return coded_cells("strings", levels.astype(object).tolist(), codes)
    if types.is_object_dtype(dtype):
        return Cells("strings", series.to_numpy(dtype=object), missing)
    raise no_kind(name, dtype)


def _are_strings(series):
    """Whether all objects are strings or missing: with others, pandas confuses True and 1."""
    return types.is_object_dtype(series.dtype) and types.infer_dtype(series) == "string"


def _numbers(series, missing, name):
    """Whether a dtype is numeric, including masked, but not sparse or complex dtypes."""
    numpy_dtype = getattr(series.dtype, "numpy_dtype", series.dtype)
    if not isinstance(numpy_dtype, np.dtype):
        raise no_kind(name, series.dtype)
    if isinstance(series.dtype, np.dtype):
        return numeric_cells(series.to_numpy(), missing)
    return numeric_cells(series.fillna(0).to_numpy(dtype=numpy_dtype), missing)


def _naive(series):
    """Times in UTC, without saying so."""
    return series if isinstance(series.dtype, np.dtype) else series.dt.tz_convert(None)


def _times(family, series, missing):
    values = series.to_numpy()
    return Cells(family, values.view(np.int64), missing, np.datetime_data(values.dtype)[0])


def _column(values, missing, dtype, marker):
    """A Series of a dtype, or of one that takes missing values if there are any."""
    if isinstance(dtype, pd.ArrowDtype):
        from skae._frames_arrow import arrow_column

        array = arrow_column(values, missing, dtype.pyarrow_dtype)
        return pd.Series(pd.arrays.ArrowExtensionArray(array), dtype=dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        times = pd.Series(_stamps(values, missing, f"M8[{dtype.unit}]"))
        return times.dt.tz_localize("UTC").dt.tz_convert(dtype.tz)
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        return pd.Series(_stamps(values, missing, dtype))
    if isinstance(dtype, pd.CategoricalDtype):
        values = np.where(missing, None, values)
        return pd.Series(pd.Categorical(values, dtype=dtype))
    if types.is_object_dtype(dtype) or isinstance(dtype, pd.StringDtype):
        return pd.Series(np.where(missing, _cell(marker), values), dtype=dtype)
    if isinstance(dtype, np.dtype) and dtype.kind in LACK_NOTHING and missing.any():
        dtype = _nullable(dtype)
    return _masked(values, missing, dtype)


def _gaps(series):
    if isinstance(series.dtype, pd.ArrowDtype):
        from skae._frames_arrow import arrow_gaps

        return arrow_gaps(series.array.__arrow_array__())
    return series.isna().to_numpy()


def _filled(series, fill):
    """A column with its missing values filled in."""
    if isinstance(series.dtype, pd.ArrowDtype):
        from skae._frames_arrow import arrow_filled

        array = arrow_filled(series.array.__arrow_array__(), fill)
        return pd.Series(pd.arrays.ArrowExtensionArray(array), series.index)
    if isinstance(series.dtype, pd.CategoricalDtype):
        order = series.cat.categories.astype(object).tolist()
        if (wider := fill.order(order)) is not order:
            series = series.cat.set_categories(wider)
    array = series.array.copy()
    array[fill.gaps] = _column(fill.values, fill.lacks, series.dtype, None).array
    return pd.Series(array, series.index, dtype=series.dtype)


def _cell(marker):
    """The object that marks a missing value in an array, without NumPy's conversion."""
    cell = np.empty((), dtype=object)
    cell[()] = marker
    return cell


def _stamps(values, missing, dtype):
    return np.where(missing, np.iinfo(np.int64).min, values).astype(np.int64).view(dtype)


def _nullable(dtype):
    return "boolean" if dtype.kind == "b" else dtype.name.replace("i", "I").replace("u", "U")


def _masked(values, missing, dtype):
    dtype = types.pandas_dtype(dtype)
    numpy_dtype = getattr(dtype, "numpy_dtype", dtype)
    if numpy_dtype.kind == "b":
        numbers = np.where(missing, False, values).astype(bool)
    else:
        numbers = numbers_as(np.where(missing, 0, values), numpy_dtype, np.zeros_like(missing))
    column = pd.Series(numbers, dtype=dtype)
    if missing.any():
        column[missing] = np.nan if isinstance(dtype, np.dtype) else pd.NA
    return column
