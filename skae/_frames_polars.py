"""polars' data frames for `TableEncoder`; imported once there is one."""

import io

import numpy as np
import polars as pl

from skae._cells import MISSING, Cells, coded_cells, no_kind, numeric_cells

INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


class Frame:
    """The appearance of a data frame: its schema, and whether missing values were NaN."""

    def __init__(self, empty, has_nan=None):
        self.names, self.dtypes = empty.columns, empty.dtypes
        self.empty, self.has_nan = empty, has_nan

    @classmethod
    def of(cls, X):
        return cls(X.clear())

    @classmethod
    def from_plain(cls, plain):
        return cls(pl.read_ipc(plain["empty"], use_pyarrow=False), plain["has_nan"])

    def plain(self, markers):
        file = io.BytesIO()
        self.empty.write_ipc(file)
        return {"library": "polars", "empty": file.getvalue(), "has_nan": markers}

    def marker(self, X, place):
        return _has_nan(X.to_series(place))

    def cells(self, X, place):
        return cells_of(X.to_series(place))

    def column(self, place, values, missing):
        return _column(values, missing, self.dtypes[place], self.has_nan[place])

    def take(self, column, places):
        if column.dtype == pl.Categorical:  # those of polars 1.0 are equal if met in the same order
            return column.cast(pl.String).gather(places).cast(column.dtype)
        return column.gather(places)

    def remember(self, matrix, X):
        pass

    def build(self, columns, like):
        return pl.DataFrame(dict(zip(self.names, columns, strict=True)))

    def gaps(self, X, place):
        return _lacks(X.to_series(place)).to_numpy()

    def select(self, X, places):
        return X[:, places]

    def joined(self, tables):
        return pl.concat(tables)

    def fill(self, X, fills):
        return X.with_columns(_filled(X.to_series(place), fill) for place, fill in fills.items())

    def append(self, X, columns):
        return X.with_columns(pl.Series(name, values) for name, values in columns.items())


def _lacks(series):
    if series.dtype in (pl.Float32, pl.Float64):
        return series.is_null() | series.is_nan().fill_null(True)
    return series.is_null()


def _filled(series, fill):
    """A column with its missing values filled in."""
    dtype = series.dtype
    if dtype == pl.Enum:
        dtype = pl.Enum(fill.order(dtype.categories.to_list()))
    between = pl.String if dtype in (pl.Enum, pl.Categorical) else dtype
    values = _column(fill.values, fill.lacks, between, has_nan=False)
    whole = pl.concat([series.cast(between), values.alias(series.name)])
    return whole.gather(fill.places).cast(dtype)


def _has_nan(series):
    is_float = series.dtype in (pl.Float32, pl.Float64)
    return is_float and series.null_count() == 0 and bool(series.is_nan().any())


def cells_of(series):
    dtype, missing = series.dtype, series.is_null().to_numpy()
    if dtype in (pl.Float32, pl.Float64):
        values = series.fill_null(float("nan")).to_numpy()
        return numeric_cells(values, np.isnan(values))
    if dtype in INTEGERS:
        return numeric_cells(series.fill_null(0).to_numpy(), missing)
    if dtype in (pl.Datetime, pl.Date, pl.Time):
        return Cells("datetimes", _counts(series), missing, _unit(dtype))
    if dtype == pl.Duration:
        return Cells("durations", _counts(series), missing, _unit(dtype))
    if dtype == pl.Boolean:
        return coded_cells("booleans", [False, True], _codes(series))
    if dtype in (pl.String, pl.Categorical):
        strings = series.cast(pl.String)
        levels = strings.drop_nulls().unique()
        family = "strings" if dtype == pl.String else "categories"
        return coded_cells(family, levels.to_list(), _codes(strings.cast(pl.Enum(levels))))
    if dtype == pl.Enum:
        order = dtype.categories.to_list()
        return coded_cells("categories", order, _codes(series), order)
    raise no_kind(series.name, dtype)


def _codes(series):
    return series.to_physical().cast(pl.Int64).fill_null(MISSING).to_numpy()


def _counts(series):
    return series.to_physical().cast(pl.Int64).fill_null(0).to_numpy()


def _unit(dtype):
    return {pl.Date: "D", pl.Time: "ns"}.get(dtype) or dtype.time_unit


def _column(values, missing, dtype, has_nan):
    if dtype in (pl.Float32, pl.Float64) and has_nan:
        return pl.Series(np.where(missing, np.nan, values.astype(np.float64))).cast(dtype)
    if dtype in (pl.Boolean, pl.String, pl.Categorical, pl.Enum):
        first = pl.Boolean if dtype == pl.Boolean else pl.String
        return pl.Series(np.where(missing, None, values).tolist(), dtype=first).cast(dtype)
    known = pl.Series(~missing)
    filled = pl.Series(np.where(missing, values.dtype.type(0), values))
    return filled.to_frame("x").select(pl.when(known).then(pl.col("x"))).to_series().cast(dtype)
