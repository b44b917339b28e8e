"""Tables of other libraries than pandas, and pandas' less usual dtypes, through TableEncoder."""

import datetime

import numpy as np
import pytest

from skae.tables import TableEncoder

each_scale = pytest.mark.parametrize("numeric", ["standard", "quantile"])

DAYS = [datetime.date(2020, 2, 29), None, datetime.date(1969, 1, 1), datetime.date(2020, 2, 29)]
TIMES = [
    day and datetime.datetime(day.year, day.month, day.day, day.month, 4, 5, 678) for day in DAYS
]
HOURS = [time and time.time() for time in TIMES]
SECONDS = [datetime.time(3), datetime.time(7), datetime.time(5)]
SPANS = [day and datetime.timedelta(days=day.day, microseconds=7) for day in DAYS]
LISTS = {
    "float": [0.1, None, 1e300, -2.5],
    "int": [2**60, None, 2**60 + 1, -3],
    "bool": [True, None, False, True],
    "text": ["a", None, "", "a"],
}


def round_trip(X, **parameters):
    encoder = TableEncoder(**parameters).fit(X)
    return encoder.inverse_transform(encoder.transform(X))


def polars_frame(pl):
    return pl.DataFrame(
        {
            **LISTS,
            "small": pl.Series([0.1, None, 0.3, 0.7], dtype=pl.Float32),
            "byte": pl.Series([1, 2, 255, 0], dtype=pl.UInt8),
            "nan": [0.5, float("nan"), 1.5, 2.5],
            "category": pl.Series(["x", None, "y", "x"], dtype=pl.Categorical),
            "enum": pl.Series(["x", None, "y", "x"], dtype=pl.Enum(["z", "y", "x"])),
            "date": DAYS,
            "time": HOURS,
            "datetime": pl.Series(TIMES, dtype=pl.Datetime("ms")),
            "zone": pl.Series(TIMES).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"),
            "duration": pl.Series(SPANS, dtype=pl.Duration("ns")),
        }
    )


@each_scale
def test_polars_frames_come_back(numeric):
    X = polars_frame(pytest.importorskip("polars"))
    back = round_trip(X, numeric=numeric)
    assert back.schema == X.schema and back.equals(X)


def test_orders_of_polars_enums_are_kept():
    X = polars_frame(pytest.importorskip("polars"))
    assert TableEncoder().fit(X).categories_["enum"].tolist() == ["y", "x"]


def test_polars_frames_of_matrices_have_no_nan_for_null():
    pl = pytest.importorskip("polars")
    X = pl.DataFrame({"x": [1.5, None, 2.5], "n": [1, None, 3]})
    table = TableEncoder().fit(X).inverse_transform(np.full((1, 2), np.nan))
    assert table.null_count().row(0) == (1, 1)


def test_set_output_of_polars():
    X = polars_frame(pytest.importorskip("polars"))
    encoder = TableEncoder().set_output(transform="polars").fit(X)
    assert encoder.transform(X).columns == encoder.get_feature_names_out().tolist()
    assert encoder.inverse_transform(encoder.transform(X)).equals(X)


def arrow_table(pa):
    return pa.table(
        {
            **LISTS,
            "half": pa.array([0.5, None, 1.5, 0.25], pa.float32()),
            "byte": pa.array([1, 2, 255, 0], pa.uint8()),
            "nan": [0.5, float("nan"), 1.5, 2.5],
            "long text": pa.array(["a", None, "b", "a"], pa.large_string()),
            "category": pa.DictionaryArray.from_arrays(
                pa.array([2, None, 0, 2], pa.int8()), ["x", "unused", "y"], ordered=True
            ),
            "date": pa.array(DAYS, pa.date32()),
            "date64": pa.array(DAYS, pa.date64()),
            "time32": pa.array(
                [hour and hour.replace(microsecond=0) for hour in HOURS], "time32[s]"
            ),
            "time64": pa.array(HOURS, pa.time64("us")),
            "datetime": pa.array(TIMES, pa.timestamp("ns")),
            "zone": pa.array(TIMES, pa.timestamp("us", tz="Europe/Berlin")),
            "duration": pa.array(SPANS, pa.duration("us")),
        }
    )


@each_scale
def test_arrow_tables_come_back(numeric):
    X = arrow_table(pytest.importorskip("pyarrow"))
    back = round_trip(X, numeric=numeric)
    assert back.schema.equals(X.schema, check_metadata=True)
    for name in X.column_names:  # for which NaN are not equal
        assert str(back[name].to_pylist()) == str(X[name].to_pylist()), name
    assert back.drop_columns(["nan"]).equals(X.drop_columns(["nan"]))


def test_arrow_tables_in_chunks_come_back():
    pa = pytest.importorskip("pyarrow")
    other = pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 0], pa.int8()), ["new", "x"])
    columns = {"x": pa.array([1, 2, None, 3]), "category": other}
    first = pa.table(columns)
    X = pa.concat_tables([first, first.set_column(1, "category", other.take([2, 1, 0, 0]))])
    assert round_trip(X).to_pylist() == X.to_pylist()


def test_arrow_dtypes_of_pandas_come_back():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    X = arrow_table(pa).drop_columns(["nan", "category"])
    X = X.to_pandas(types_mapper=pd.ArrowDtype)
    pd.testing.assert_frame_equal(round_trip(X), X)


def test_intervals_and_dates_in_pandas_are_categories():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"day": pd.Series(DAYS, dtype=object), "age": pd.cut([1, 9, 5, 7], 3)})
    assert round_trip(X).equals(X)


@pytest.mark.parametrize("dtype", ["Sparse[float64]", "period[D]"])
def test_other_dtypes_of_pandas_are_refused(dtype):
    pd = pytest.importorskip("pandas")
    values = [0.5, 1.5] if dtype[0] == "S" else pd.period_range("2020-01-01", periods=2)
    X = pd.DataFrame({"x": pd.Series(values, dtype=dtype)})
    with pytest.raises(ValueError, match=r"Column 'x' is of dtype .* convert it to one of these"):
        TableEncoder().fit(X)


def test_other_dtypes_of_polars_and_arrow_are_refused():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    for table in (pl.DataFrame({"x": [[1], [2, 3]]}), pa.table({"x": [[1], [2, 3]]})):
        with pytest.raises(ValueError, match=r"Column 'x' is of dtype .*convert it"):
            TableEncoder().fit(table)


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_empty_and_constant_columns_warn(kind):
    module = pytest.importorskip(kind)
    table = {"polars": "DataFrame", "pyarrow": "table"}[kind]
    X = getattr(module, table)({"x": [1, 2], "none": [None, None], "same": ["a", "a"]})
    if kind == "polars":
        X = X.cast({"none": module.Float64})
    else:
        X = X.set_column(1, "none", module.array([None, None], "float64"))
    with (
        pytest.warns(UserWarning, match="'none' has no value"),
        pytest.warns(UserWarning, match="'same' has the same value"),
    ):
        assert round_trip(X).equals(X)
