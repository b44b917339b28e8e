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
    with pytest.raises(ValueError, match=r"Column 'x' has dtype .* convert it to one of these"):
        TableEncoder().fit(X)


def test_other_dtypes_of_polars_and_arrow_are_refused():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    for table in (pl.DataFrame({"x": [[1], [2, 3]]}), pa.table({"x": [[1], [2, 3]]})):
        with pytest.raises(ValueError, match=r"Column 'x' has dtype .*convert it"):
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
        pytest.warns(UserWarning, match="'none' has no observed value"),
        pytest.warns(UserWarning, match="'same' has the same value"),
    ):
        assert round_trip(X).equals(X)


def test_arrow_dictionaries_may_hold_null_and_values_twice():
    pa = pytest.importorskip("pyarrow")
    indices, dictionary = pa.array([0, 1, 2, 3, None, 0]), pa.array(["a", None, "b", "a"])
    X = pa.table({"x": pa.DictionaryArray.from_arrays(indices, dictionary)})
    encoder = TableEncoder().fit(X)
    assert encoder.categories_["x"].tolist() == ["a", "b"]
    matrix = encoder.transform(X)
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(matrix, [[1, 0], nan, [0, 1], [1, 0], nan, [1, 0]])
    assert encoder.inverse_transform(matrix)["x"].to_pylist() == ["a", None, "b", "a", None, "a"]


def test_arrow_views_of_strings_come_back():
    pa = pytest.importorskip("pyarrow")
    if not hasattr(pa, "string_view"):
        pytest.skip("This pyarrow has no views of strings.")
    X = pa.table({"x": pa.array(["a", None, "b", "a"], pa.string_view())})
    assert round_trip(X).equals(X)


@pytest.mark.filterwarnings("ignore:Column '.*' has no observed value:UserWarning")
@pytest.mark.parametrize("dtype", ["String", "Categorical", "Boolean", "Enum"])
def test_polars_columns_of_nothing_come_back(dtype):
    pl = pytest.importorskip("polars")
    dtype = pl.Enum(["a", "b"]) if dtype == "Enum" else getattr(pl, dtype)
    X = pl.DataFrame({"n": [1, 2], "x": pl.Series([None, None], dtype=dtype)})
    assert round_trip(X).equals(X)


@pytest.mark.filterwarnings("ignore:Column '.*' has no observed value:UserWarning")
def test_arrow_columns_of_nothing_come_back():
    pa = pytest.importorskip("pyarrow")
    for dtype in (pa.string(), pa.bool_(), pa.dictionary(pa.int8(), pa.string())):
        X = pa.table({"n": [1, 2], "x": pa.array([None, None], dtype)})
        assert round_trip(X).equals(X)


KNOWN = ["z", "y", "unused", "x"]


def of_known(kind, values):
    """A table with a column of categories, of whose dtype there are more."""
    module = pytest.importorskip(kind)
    if kind == "pyarrow":
        codes = module.array([value and KNOWN.index(value) for value in values])
        return module.table({"c": module.DictionaryArray.from_arrays(codes, KNOWN)})
    dtype = module.Enum(KNOWN) if kind == "polars" else module.CategoricalDtype(KNOWN)
    return module.DataFrame({"c": module.Series(values, dtype=dtype)})


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_categories_that_a_dtype_knows_need_not_have_been_seen(kind):
    X = of_known(kind, ["x", "y", "x"])
    encoder = TableEncoder(unknown="error").fit(X)
    assert encoder.transform(X).shape == (3, 2)
    with pytest.raises(ValueError, match=r"fit did not see: \['z'\]\."):
        encoder.transform(of_known(kind, ["y", "z", None]))


def test_strings_are_the_same_in_any_library():
    pd, pl, pa = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    x = ["b", None, "a", "ä\0", "b", ""]
    pandas_dtypes, polars_dtypes = (object, "string", "category"), (pl.String, pl.Categorical)
    tables = [
        *(pd.DataFrame({"x": pd.Series(x, dtype=dtype)}) for dtype in pandas_dtypes),
        *(pl.DataFrame({"x": pl.Series(x, dtype=dtype)}) for dtype in polars_dtypes),
        *(pa.table({"x": column}) for column in (pa.array(x), pa.array(x).dictionary_encode())),
    ]
    expected = TableEncoder().fit_transform(tables[0])
    for table in tables:
        encoder = TableEncoder().fit(table)
        assert encoder.categories_["x"].tolist() == ["", "a", "b", "ä\0"]
        for other in tables:
            np.testing.assert_array_equal(encoder.transform(other), expected)
        assert encoder.inverse_transform(encoder.transform(table)).equals(table)
