"""`AutoencoderImputer` of data frames with categories: the same frames without gaps."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from small_tables import people
from test_frames import arrow_table, polars_frame
from test_table_saved import arrow_frame, unusual_frame

from skae import VAE, Autoencoder, AutoencoderImputer, DenoisingAutoencoder, _filled_tables
from skae._imputer import recipe
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings("ignore:The reconstructions explain:UserWarning")

SHORT = DenoisingAutoencoder(3, code_activation="identity", max_iter=3, random_state=0)
FRAMES = {
    "pandas": people,
    "pandas, unusual": unusual_frame,
    "pandas of pyarrow": arrow_frame,
}


def imputer(**params):
    return AutoencoderImputer(clone(SHORT)).set_params(**params)


def pairs(n=240, seed=0):
    """Two categories and a number that tell each other, a fifth of the cells missing."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 3, n)
    whole = pd.DataFrame(
        {
            "town": np.array(["Bonn", "Rome", "Ulm"], dtype=object)[code],
            "size": pd.Categorical.from_codes(code, ["small", "middle", "large"], ordered=True),
            "people": 10.0 * code + rng.normal(size=n),
        }
    )
    return whole, whole.mask(rng.random(whole.shape) < 0.2)


# What comes back.


@pytest.mark.parametrize("kind", FRAMES)
def test_pandas_frames_keep_dtypes_names_index_and_what_is_observed(kind):
    X = FRAMES[kind]().set_axis(range(100, 100 + len(FRAMES[kind]())))
    before = X.copy()
    filled = imputer().fit_transform(X)
    assert not filled.isna().any(axis=None)
    pd.testing.assert_series_equal(filled.dtypes, X.dtypes)
    pd.testing.assert_index_equal(filled.index, X.index)
    for name in X:
        observed = X[name].notna().to_numpy()
        pd.testing.assert_series_equal(filled[name][observed], X[name][observed])
    pd.testing.assert_frame_equal(X, before)


def test_polars_frames_keep_dtypes_and_what_is_observed():
    X = polars_frame(pytest.importorskip("polars"))
    filled = imputer().fit_transform(X)
    assert filled.schema == X.schema
    for name in X.columns:
        lacks = X[name].is_null()
        if X[name].dtype.is_float():
            lacks |= X[name].is_nan().fill_null(True)
        assert filled[name].null_count() == 0
        assert filled[name].filter(~lacks).equals(X[name].filter(~lacks)), name


@pytest.mark.parametrize("is_batch", [False, True])
def test_arrow_tables_keep_their_schema_and_what_is_observed(is_batch):
    X = arrow_table(pytest.importorskip("pyarrow"))
    X = X.to_batches()[0] if is_batch else X
    filled = imputer().fit_transform(X)
    assert type(filled) is type(X) and filled.schema.equals(X.schema, check_metadata=True)
    for name in X.schema.names:
        before, after = (table.column(name).to_pylist() for table in (X, filled))
        assert None not in after
        lacks = [value is None or value != value for value in before]
        assert all(a == b or lack for a, b, lack in zip(after, before, lacks, strict=True)), name


def test_arrow_views_of_strings_are_filled():
    pa = pytest.importorskip("pyarrow")
    if not hasattr(pa, "string_view"):
        pytest.skip("pyarrow has no views of strings yet")
    X = pa.table({"x": pa.array(["a", None, "b", "a"], pa.string_view())})
    filled = imputer().fit_transform(X)
    assert filled.schema == X.schema and filled["x"].to_pylist()[::2] == ["a", "b"]


def test_nothing_is_missing():
    X = people()[["age", "smokes", "stay"]]
    filled = imputer().fit(X).transform(X)
    pd.testing.assert_frame_equal(filled, X)
    filled.loc[0, "age"] = 0
    assert X.loc[0, "age"] != 0


def test_floats_are_not_rounded_and_lie_in_the_range_of_fit():
    X = people()
    lacks = X["income"].isna()
    found = imputer().fit_transform(X)["income"][lacks]
    assert found.between(X["income"].min(), X["income"].max()).all()
    assert (found.round(2) != found).any()


def test_integers_of_numpy_may_lack_cells_in_new_rows():
    X = people()
    fitted = imputer().fit(X)
    holes = X.assign(age=X["age"].where(X["age"] > 40))
    filled = fitted.transform(holes)["age"]
    assert filled.dtype == np.float64 and filled.between(X["age"].min(), X["age"].max()).all()


def test_floats_of_fit_may_be_integers_in_new_rows():
    X = people()[["age", "job"]].astype({"age": float})
    holes = X.astype({"age": "Int64"})
    holes.loc[:5, "age"] = None
    filled = imputer().fit(X).transform(holes)["age"]
    assert filled.dtype == "Int64" and filled.notna().all()


def test_rows_with_nothing_are_filled():
    X = people().astype({"age": "Int64", "smokes": "boolean"})
    X.iloc[3] = None
    fitted = imputer().fit(X)
    assert not fitted.transform(X).isna().any(axis=None)
    assert not fitted.transform(X.iloc[3:4]).isna().any(axis=None)


def test_missing_cells_get_the_reconstruction():
    _, holes = pairs()
    fitted = imputer().fit(holes)
    expected = fitted.autoencoder_.reconstruct(holes)
    filled = fitted.transform(holes)
    pd.testing.assert_frame_equal(filled, holes.where(holes.notna(), expected))


def test_rows_are_filled_a_chunk_at_a_time(monkeypatch):
    _, holes = pairs()
    fitted = imputer().fit(holes)
    expected = fitted.transform(holes)
    monkeypatch.setattr(_filled_tables, "CHUNK", 70)
    pd.testing.assert_frame_equal(fitted.transform(holes), expected)


# How well.


def test_what_tells_each_other_is_restored():
    whole, holes = pairs()
    filled = AutoencoderImputer(random_state=0).fit_transform(holes)
    for name in ("town", "size"):
        lacks = holes[name].isna() & (holes.notna().sum(axis=1) > 0)
        assert (filled[name] == whole[name])[lacks].mean() > 0.9
    lacks = holes["people"].isna() & (holes.notna().sum(axis=1) > 0)
    assert ((filled["people"] - whole["people"])[lacks].abs() < 4).mean() > 0.9


def test_the_recipe_for_tables():
    assert recipe(300).alpha == 0.0
    weak, strong = recipe(300, 10), recipe(300, 20)
    assert strong.alpha == 2 * weak.alpha > 0
    assert weak.set_params(alpha=0.0).get_params() == recipe(300).get_params()


# What new rows have that `fit` has not seen.


def test_large_integers_keep_all_digits():
    values = [2**60 + 1, 2**60 + 5, None, 2**60 + 3]
    X = pd.DataFrame({"n": pd.array(values, dtype="Int64"), "x": ["a", "b", None, "a"]})
    filled = imputer().fit_transform(X)["n"].tolist()
    assert filled[0] == 2**60 + 1 and 2**60 < filled[2] <= 2**60 + 5


def test_booleans_as_pandas_reads_them_beside_missing_ones():
    flags = pd.Series([True, False, None, True] * 8, dtype=object)
    X = pd.DataFrame({"x": np.arange(32.0), "flag": flags})
    filled = imputer().fit_transform(X)["flag"]
    assert set(filled) == {True, False} and filled[flags.notna()].equals(flags.dropna())


def test_unseen_categories_stay():
    X = people()
    holes = X.copy()
    holes.loc[:4, "town"] = "Rome"
    filled = imputer().fit(X).transform(holes)
    assert (filled["town"][:5] == "Rome").all() and not filled.isna().any(axis=None)


def of_pandas(order, ordered):
    return pd.DataFrame({"x": pd.Categorical([None, "c"], order, ordered=ordered)})


def of_polars(order, ordered):
    pl = pytest.importorskip("polars")
    return pl.DataFrame({"x": pl.Series([None, "c"], dtype=pl.Enum(order))})


def of_arrow(order, ordered):
    pa = pytest.importorskip("pyarrow")
    codes = pa.array([None, order.index("c")], pa.int8())
    return pa.table({"x": pa.DictionaryArray.from_arrays(codes, order, ordered=ordered)})


@pytest.mark.parametrize("make", [of_pandas, of_polars, of_arrow])
@pytest.mark.parametrize("ordered", [False, True])
def test_dtypes_that_lack_the_likeliest_category_get_it(make, ordered):
    X = pd.DataFrame({"x": pd.Categorical(["b", "b", "a"], ["b", "a"], ordered=ordered)})
    holes = make(["d", "c"], ordered)
    filled = imputer().fit(X).transform(holes)
    dtype = pd.CategoricalDtype(["b", "a", "d", "c"], ordered=ordered)
    if make is of_pandas:
        assert filled["x"].dtype == dtype and filled["x"].tolist() == ["b", "c"]
    elif make is of_polars:
        assert filled["x"].dtype.categories.to_list() == [*dtype.categories]
        assert filled["x"].to_list() == ["b", "c"]
    else:
        assert filled["x"].combine_chunks().dictionary.to_pylist() == [*dtype.categories]
        assert filled["x"].to_pylist() == ["b", "c"] and filled.schema == holes.schema


def test_rows_of_another_library_stay_its_own():
    pl = pytest.importorskip("polars")
    _, holes = pairs()
    holes = holes[["town", "people"]]
    cells = holes.astype(object).where(holes.notna(), None)
    other = pl.DataFrame({name: cells[name].tolist() for name in cells})
    fitted = imputer().fit(holes)
    filled = fitted.transform(other)
    assert filled.schema == other.schema
    assert filled.to_dict(as_series=False) == fitted.transform(holes).to_dict("list")


# SimpleImputer's conventions.


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_indicators_and_columns_without_a_cell(library):
    X = {"a": [1.5, None, 3.0], "none": [None] * 3, "b": ["x", "y", None], "c": [True, True, False]}
    X = {
        "pandas": lambda: pd.DataFrame(X),
        "polars": lambda: pytest.importorskip("polars").DataFrame(X),
        "pyarrow": lambda: pytest.importorskip("pyarrow").table(X),
    }[library]()
    with pytest.warns(UserWarning, match=r"Columns \['none'\] have no observed value"):
        fitted = imputer(add_indicator=True).fit(X)
    filled = fitted.transform(X)
    names = ["a", "b", "c", *(f"missingindicator_{name}" for name in ("a", "none", "b"))]
    assert fitted.get_feature_names_out().tolist() == names
    assert fitted.n_features_in_ == 4 and fitted.autoencoder_.n_features_in_ == 3
    assert [*(filled.column_names if library == "pyarrow" else filled.columns)] == names
    flags = [
        [*map(bool, filled[name].to_pylist() if library == "pyarrow" else filled[name])]
        for name in names[3:]
    ]
    assert flags == [[False, True, False], [True] * 3, [False, False, True]]


@pytest.mark.filterwarnings("ignore:Column 'x' has the same value:UserWarning")
def test_set_output_decides_the_library():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    _, holes = pairs()
    for X in (holes, pl.from_pandas(holes), pa.Table.from_pandas(holes)):
        for container, cls in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
            fitted = imputer(add_indicator=True).set_output(transform=container).fit(X)
            filled = fitted.transform(X)
            assert isinstance(filled, cls)
            assert [*filled.columns] == fitted.get_feature_names_out().tolist()
        assert type(fitted.set_output(transform="default").transform(X)) is type(X)


def test_columns_may_be_called_by_numbers():
    X = people()[["age", "town"]].set_axis([0, 1], axis=1)
    fitted = imputer().fit(X)
    assert fitted.transform(X).columns.tolist() == [0, 1]
    assert fitted.get_feature_names_out().tolist() == ["x0", "x1"]


# Prototypes.


def test_the_autoencoders_own_encoder_is_respected():
    _, holes = pairs()
    encoder = TableEncoder(numeric="quantile", kinds={"people": "numeric"})
    fitted = imputer(autoencoder__table=encoder).fit(holes)
    assert fitted.autoencoder_.table_.numeric == "quantile" and not hasattr(encoder, "kinds_")
    refused = imputer(autoencoder__table=None)
    with pytest.raises(ValueError, match="could not convert") as error:
        refused.fit(holes)
    assert "table='auto'" in error.value.__notes__[0]


def test_arrays_of_codes_may_have_an_encoder():
    rng = np.random.default_rng(0)
    X = np.where(rng.random((60, 3)) < 0.2, np.nan, rng.integers(0, 3, (60, 3)))
    encoder = TableEncoder(kinds={1: "category"})
    fitted = imputer(autoencoder__table=encoder, add_indicator=True).fit(X)
    filled = fitted.transform(X)
    assert filled.shape == (60, 6) and {*filled[:, 1]} == {0.0, 1.0, 2.0}
    np.testing.assert_array_equal(filled[:, 3:], np.isnan(X))
    np.testing.assert_array_equal(filled[:, :3][~np.isnan(X)], X[~np.isnan(X)])
    with pytest.raises(ValueError, match="fitted on an array, but got a data frame"):
        fitted.transform(pd.DataFrame(X))


def test_a_vae_fills_tables_with_means():
    _, holes = pairs()
    fitted = AutoencoderImputer(VAE(2, max_iter=3, random_state=0)).fit(holes)
    assert not fitted.transform(holes).isna().any(axis=None)
    assert fitted.autoencoder_.table_.get_params()["numeric"] == "auto"
    means = fitted.autoencoder_.table_.transform(holes)[:, -1]
    assert abs(np.nanmean(means)) < 1e-9 and abs(np.nanstd(means) - 1) < 1e-9


def test_its_seed_replaces_the_autoencoders():
    _, holes = pairs()
    one = imputer(autoencoder__random_state=7).fit_transform(holes)
    pd.testing.assert_frame_equal(imputer(random_state=7).fit_transform(holes), one)
    assert not imputer(random_state=8).fit_transform(holes).equals(one)


# In scikit-learn's company.


def test_in_a_pipeline_that_is_searched():
    whole, holes = pairs()
    columns = make_column_transformer(
        (OneHotEncoder(), make_column_selector(dtype_exclude="number")), remainder="passthrough"
    )
    model = make_pipeline(imputer(), columns, LogisticRegression(max_iter=1000))
    grid = {
        "autoencoderimputer__autoencoder__corruption_level": [0.1, 0.5],
        "autoencoderimputer__autoencoder__table": ["auto", TableEncoder(numeric="quantile")],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(holes, whole["town"] == "Ulm")
    assert search.score(holes, whole["town"] == "Ulm") > 0.7


def test_pickles_clones_and_skops():
    skops = pytest.importorskip("skops.io")
    X = people()
    fitted = imputer(add_indicator=True).fit(X)
    filled = fitted.transform(X)
    data = skops.dumps(fitted)
    trusted = skops.get_untrusted_types(data=data)
    assert all(name.startswith("skae.") for name in trusted)
    loaded = [pickle.loads(pickle.dumps(fitted)), skops.loads(data, trusted=trusted)]
    for other in (*loaded, clone(fitted).fit(X)):
        pd.testing.assert_frame_equal(other.transform(X), filled)


def test_refits_on_arrays_forget_the_table():
    fitted = imputer().fit(people())
    X = np.random.default_rng(0).normal(size=(40, 3))
    np.testing.assert_array_equal(fitted.fit(X).transform(X), X)
    assert fitted.scaler_ is not None and not hasattr(fitted, "feature_names_in_")


# What it refuses.


def test_rows_that_it_is_not_for():
    X = people()
    fitted = imputer().fit(X)
    for rows, message in (
        (X.to_numpy(), "fitted on a data frame, but got an array"),
        (X.rename(columns={"age": "years"}), "feature names"),
        (X.assign(job=1.5), "Column 'job' had dtype object in fit, but now has dtype float64"),
        (X.assign(weight=np.inf), "Column 'weight' contains infinity"),
        (X[:0], "0 sample"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted.transform(rows)


def test_frames_that_it_cannot_learn_from():
    X = people()
    with pytest.raises(ValueError, match="Column 'id' has 40 categories in 40 rows"):
        imputer().fit(X.assign(id=[f"number {row}" for row in range(40)]))
    with pytest.raises(ValueError, match="X has no observed value"):
        imputer().fit(pd.DataFrame({"a": pd.Categorical([None, None])}))
    with pytest.raises(ValueError, match="takes missing values, but found Autoencoder"):
        AutoencoderImputer(Autoencoder(2)).fit(X)
