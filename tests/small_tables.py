"""Small tables of each library, and estimators that are fitted to them."""

import numpy as np
import pytest
from helpers import LABELS, SMALL, SUPERVISED, small
from scipy.sparse import issparse

pd = pytest.importorskip("pandas")

N = 60
FAST = {"max_iter": 2, "batch_size": 16, "random_state": 0}
ALL = {**SMALL, **SUPERVISED}
each = pytest.mark.parametrize("name", ALL)
TAKE_GAPS = ("DenoisingAutoencoder", "StackedAutoencoder", "VAE")  # the stack's layers denoise
each_that_takes_gaps = pytest.mark.parametrize("name", TAKE_GAPS)


def people(n=40):
    """A frame with most dtypes of pandas, and missing cells where these can have any."""
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D")
    job = rng.choice(["clerk", "miner", "nurse"], n).astype(object)
    job[3] = None
    grade = pd.Categorical(
        rng.choice(["low", "high"], n), ["none", "low", "mid", "high"], ordered=True
    )
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "income": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(3, 1, n).round(2)),
            "weight": rng.normal(70, 9, n).astype(np.float32),
            "children": pd.array(rng.choice([0, 1, 2, None], n), dtype="Int64"),
            "rate": pd.array(rng.choice([0.5, 0.25, None], n), dtype="Float64"),
            "smokes": rng.random(n) < 0.5,
            "insured": pd.array(rng.choice([True, False, None], n), dtype="boolean"),
            "job": pd.Series(job, dtype=object),
            "town": pd.array(rng.choice(["Ulm", "Bonn", None], n), dtype="string"),
            "grade": grade,
            "since": days.where(rng.random(n) < 0.9),
            "seen": pd.Series(days).astype("datetime64[s]").dt.tz_localize("Europe/Berlin"),
            "stay": pd.Series(pd.to_timedelta(rng.integers(0, 5000, n), unit="s")),
        }
    )


def with_gaps():
    """Of all dtypes."""
    return people(N).set_axis(np.arange(N) * 2 + 1, axis=0)


def whole():
    """The same without missing cells, in dtypes that could have them."""
    return with_gaps().bfill().ffill().set_axis(pd.Index(range(N), name="person") * 3, axis=0)


def simple():
    """Two numbers, a category, a boolean."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, N),
            "weight": rng.normal(70, 9, N).round(1),
            "job": rng.choice(["clerk", "miner", "nurse"], N),
            "smokes": rng.random(N) < 0.5,
        }
    )


def holes():
    table = simple().astype({"age": "Int64", "smokes": "boolean"})
    for start, name in enumerate(table):
        table.loc[start::5, name] = None
    return table


def polars_table():
    pl = pytest.importorskip("polars")
    days = pd.Series(pd.date_range("2020-03-01", periods=N)).dt.date
    rng = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "age": rng.integers(18, 90, N),
            "weight": pl.Series(rng.normal(70, 9, N), dtype=pl.Float32),
            "job": pl.Series(rng.choice(["clerk", "miner"], N).tolist(), dtype=pl.Categorical),
            "grade": pl.Series(["low", "high"] * (N // 2), dtype=pl.Enum(["none", "low", "high"])),
            "town": ["Ulm", "Bonn", "Ulm"] * (N // 3),
            "smokes": (rng.random(N) < 0.5).tolist(),
            "since": days.tolist(),
        }
    )


def arrow_table():
    pytest.importorskip("pyarrow")
    table = polars_table()
    return table.with_columns(table["job"].cast(str)).to_arrow()


TABLES = {"pandas": whole, "simple": simple, "polars": polars_table, "pyarrow": arrow_table}
each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def looks_of(table):
    """Library, names and dtypes."""
    names = list(getattr(table, "column_names", table.columns))
    schema = getattr(table, "schema", None)
    return type(table), names, list(table.dtypes) if schema is None else schema


def assert_looks_like(found, table):
    assert len(found) == len(table)
    kind, names, dtypes = looks_of(found)
    assert (kind, names) == looks_of(table)[:2]
    assert dtypes == looks_of(table)[2]
    if isinstance(table, pd.DataFrame):
        pd.testing.assert_index_equal(found.index, table.index)


def target_for(name):
    return LABELS if name == "AutoencoderClassifier" else 1.5 * LABELS


def fitted(name, X, /, **params):
    y = (target_for(name),) if name in SUPERVISED else ()
    return small(name, **params).fit(X, *y)


def matrix_of(estimator, table):
    """What the network gets."""
    matrix = estimator.table_.transform(table)
    return (matrix.toarray() if issparse(matrix) else matrix).astype(np.float32)


def given(name, table):
    return (table, target_for(name)) if name in SUPERVISED else (table,)


def frame_of(**columns):
    return pd.DataFrame(columns)


RNG = np.random.default_rng(0)
LETTERS = RNG.choice(list("xyz"), N)
