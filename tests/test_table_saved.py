"""Fitted TableEncoders in files: pickle, joblib, skops, copies."""

import copy
import datetime
import pickle
import pickletools
from decimal import Decimal
from zoneinfo import ZoneInfo

import joblib
import numpy as np
import pytest
from helpers import is_public, run_python
from sklearn.base import clone
from small_tables import people
from test_frames import arrow_table, polars_frame

from skae._plain_values import as_text, from_text
from skae._table_saved import KINDS
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")


def through_pickle(encoder):
    return pickle.loads(pickle.dumps(encoder))


def through_skops(encoder):
    skops = pytest.importorskip("skops.io")
    data = skops.dumps(encoder)
    untrusted = skops.get_untrusted_types(data=data)
    assert untrusted == ["skae.tables.TableEncoder"]
    return skops.loads(data, trusted=untrusted)


each_way = pytest.mark.parametrize(
    "save_and_load", [through_pickle, through_skops, copy.deepcopy, copy.copy]
)
each_scale = pytest.mark.parametrize("numeric", ["standard", "quantile"])


def unusual_frame():
    """Dtypes of pandas whose names do not tell all of them, and categories that are no strings."""
    days = pd.to_datetime(["2020-02-29", "2021-10-31", "2020-02-29", "1969-12-31"])
    return pd.DataFrame(
        {
            "words": pd.array(["a", None, "b", "a"], dtype="string[python]"),
            "text": pd.Series(["a", None, "b", "a"]),
            "ages": pd.cut([1, 9, 5, 7], 3),
            "months": pd.Categorical(days.tz_localize("Europe/Berlin")),
            "spans": pd.Categorical(pd.to_timedelta([1, 2, 1, None], unit="h")),
            "order": pd.Categorical([3, 1, None, 3], [3, 2, 1], ordered=True),
            "dates": pd.Series([*days.date[:3], None], dtype=object),
            "prices": pd.Series([Decimal("1.50"), Decimal("2"), None, Decimal("2")], dtype=object),
            "marks": pd.Series(["a", pd.NA, "b", "a"], dtype=object),
            "mixed": pd.Series([True, 1, "1", np.nan], dtype=object),
            "zip": np.array([1, 2, 1, 3], dtype=np.uint8),
            "offset": days.tz_localize(datetime.timezone(datetime.timedelta(hours=3))),
        }
    )


def arrow_frame():
    pa = pytest.importorskip("pyarrow")
    X = arrow_table(pa).drop_columns(["nan", "category"])
    return X.to_pandas(types_mapper=pd.ArrowDtype)


TABLES = {
    "pandas": people,
    "pandas, unusual": unusual_frame,
    "pandas of pyarrow": arrow_frame,
    "polars": lambda: polars_frame(pytest.importorskip("polars")),
    "pyarrow": lambda: arrow_table(pytest.importorskip("pyarrow")),
    "array": lambda: np.array([[0.5, 1.5], [np.nan, 2.5], [1.25, 9.0]], dtype=np.float32),
}
each_table = pytest.mark.parametrize("table", TABLES)


def assert_same_table(one, other):
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_column_type="exact")
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    else:
        assert type(one) is type(other) and one.schema == other.schema
        assert str(one.to_pandas()) == str(other.to_pandas())


@each_table
@each_way
@each_scale
def test_loaded_encoder_is_equal(table, save_and_load, numeric):
    X = TABLES[table]()
    encoder = TableEncoder(numeric=numeric).fit(X)
    loaded = save_and_load(encoder)
    matrix = encoder.transform(X)
    np.testing.assert_array_equal(loaded.transform(X), matrix)
    assert vars(loaded).keys() == vars(encoder).keys()
    assert_same_table(loaded.inverse_transform(matrix.copy()), X)
    np.testing.assert_equal(vars(loaded)["categories_"], encoder.categories_)
    for name in ("columns_", "kinds_", "blocks_", "sparse_output_", "n_features_in_"):
        assert getattr(loaded, name) == getattr(encoder, name)
    assert joblib.hash(clone(encoder).fit(X)) == joblib.hash(encoder)


@each_table
def test_files_name_public_classes_alone(table):
    encoder = TableEncoder().fit(TABLES[table]())
    for protocol in (0, 2, pickle.HIGHEST_PROTOCOL):
        pickled = pickle.dumps(encoder, protocol)
        names = {arg for _, arg, _ in pickletools.genops(pickled) if isinstance(arg, str)}
        assert not any("skae._" in name for name in names)
        assert not any(name.startswith(("pandas.", "polars.", "pyarrow.")) for name in names)
    named = pytest.importorskip("skops.io").dumps(encoder)
    assert all(map(is_public, pytest.importorskip("skops.io").get_untrusted_types(data=named)))


@each_table
def test_loaded_encoder_is_cloned_and_saved_again(table):
    X = TABLES[table]()
    loaded = through_pickle(through_skops(TableEncoder().fit(X)))
    np.testing.assert_array_equal(clone(loaded).fit_transform(X), loaded.transform(X))


@each_way
def test_unfitted_encoder_can_be_saved(save_and_load):
    encoder = TableEncoder({"zip": "category"}, max_categories=5)
    assert save_and_load(encoder).get_params() == encoder.get_params()


@each_way
@pytest.mark.parametrize(
    "columns",
    [
        pd.Index(["a", "b"], dtype=object, name="letter"),
        pd.Index([5, 7]),
        pd.RangeIndex(2, name="n"),
        pd.to_datetime(["2020-01-01", "2020-01-05"]),
        pd.Categorical(["x", "y"], ["z", "y", "x"]),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["letter", None]),
    ],
    ids=lambda columns: type(columns).__name__,
)
def test_columns_come_back(columns, save_and_load):
    X = pd.DataFrame([[1.5, 2], [3.5, 4]]).set_axis(columns, axis=1)
    encoder = save_and_load(TableEncoder().fit(X))
    table = encoder.inverse_transform(encoder.transform(X))
    pd.testing.assert_index_equal(table.columns, X.columns, exact=True)
    assert encoder.columns_ == X.columns.tolist()


@pytest.mark.parametrize("table", ["pandas", "polars", "pyarrow"])
def test_loading_needs_no_data_frames(table, tmp_path):
    path, encoder = tmp_path / "encoder.joblib", TableEncoder().fit(TABLES[table]())
    joblib.dump(encoder, path)
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['pandas', 'polars', 'pyarrow'])  # no module can be found\n"
        "import joblib\n"
        f"print(joblib.load({str(path)!r}).columns_)"
    )
    assert run_python(code).strip() == str(encoder.columns_)


def test_what_another_version_has_saved_is_refused_by_name():
    encoder = TableEncoder().fit(people())
    state = encoder.__getstate__()
    for change, message in (
        ({"is": "spline"}, "'spline' is unknown to this version"),
        ({"knots": 2, "colour": 1}, "colour, knots of 'column' is unknown"),
    ):
        columns = [{**state["_columns"][0], **change}]
        with pytest.raises(ValueError, match=message):
            TableEncoder().__setstate__({**state, "_columns": columns})


def test_names_in_files_never_change():
    """A class may: its entry then names the new one. Nor do fields."""
    assert {name: fields for name, (_, fields) in KINDS.items()} == {
        "categories": "dtype kept rare rare_counts proportions most_frequent",
        "column": "name dtype family values_dtype missing_fraction kind encoder",
        "fractions": "step rounded decimals",
        "numbers": "lowest greatest steps scale odd odd_scores",
        "quantile": "values first middle last",
        "rounding": "dtype",
        "standard": "mean std",
        "whole": "origin dtype step",
    }


@pytest.mark.parametrize(
    "value",
    [
        *("a", "\ud800\0", 1, 2**70, 2.5, 1e-310, True, None, ("x", (1, "y"))),
        datetime.date(2020, 1, 1),
        datetime.datetime(2020, 1, 1, 3, 4, 5, 6),
        datetime.time(3, 4),
        datetime.timedelta(-3, 5, 6),
        Decimal("1.50"),
        pd.Timestamp("2020-01-01 00:00:00.123456789"),
        pd.Timestamp("2020-10-25 00:30", tz="UTC").tz_convert("Europe/Berlin"),
        pd.Timedelta(-3, "s").as_unit("ms"),
        pd.Interval(pd.Timestamp("2020"), pd.Timestamp("2021"), closed="both"),
        *(pd.NA, pd.NaT),
    ],
    ids=repr,
)
def test_values_come_back_from_text(value):
    text = as_text([value])
    assert isinstance(text, str)
    [back] = from_text(text)
    assert type(back) is type(value) and repr(back) == repr(value)


@pytest.mark.parametrize(
    "value",
    [np.float64(2), np.str_("a"), b"a", datetime.datetime(2020, 1, 1, tzinfo=ZoneInfo("UTC"))],
)
def test_other_values_stay_what_they_are(value):
    assert from_text(as_text(["a", value]))[1] is value
