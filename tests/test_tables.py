"""TableEncoder: data frames become matrices, and the matrices the same data frames."""

import pickle
import warnings
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from small_tables import people

from skae import Autoencoder
from skae._numbers import Numbers, strictly_rising
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")

few = settings(max_examples=12, deadline=None, derandomize=True, database=None)
each_scale = pytest.mark.parametrize("numeric", ["standard", "quantile"])


def round_trip(X, **parameters):
    encoder = TableEncoder(**parameters).fit(X)
    return encoder.inverse_transform(encoder.transform(X))


def some_jobs():
    return pd.DataFrame({"age": [31, 58, 44, 31], "job": ["clerk", "miner", "clerk", "nurse"]})


@each_scale
def test_a_frame_of_all_dtypes_comes_back(numeric):
    X = people()
    pd.testing.assert_frame_equal(round_trip(X, numeric=numeric), X)


def test_rows_that_fit_has_not_seen_come_back():
    X = people(400).drop(columns="weight")  # of floats with all digits the last one may differ
    numbers = X[["age", "income", "since", "seen", "stay"]]
    extremes = {*numbers.idxmin(), *numbers.idxmax()}  # beyond which numbers are clipped
    new = X.iloc[:100].drop(index=extremes, errors="ignore")
    encoder = TableEncoder().fit(X.drop(index=new.index))
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(new)), new)


def test_index_comes_back_from_what_transform_has_made():
    X = people().set_index(np.arange(40) * 3)
    encoder = TableEncoder().fit(X)
    matrix = encoder.transform(X)
    assert encoder.inverse_transform(matrix).equals(X)
    assert encoder.inverse_transform(matrix.copy()).equals(X.reset_index(drop=True))
    encoder.set_output(transform="pandas")
    assert encoder.inverse_transform(encoder.transform(X)[5:]).equals(X[5:])


def test_columns_may_be_called_by_numbers():
    X = pd.DataFrame([[1.5, "a"], [2.5, "b"]])
    encoder = TableEncoder({1: "category"}).fit(X)
    assert encoder.columns_ == [0, 1] and encoder.kinds_ == {0: "numeric", 1: "category"}
    assert encoder.inverse_transform(encoder.transform(X)).equals(X)


def masked(cells):
    """Values of (value, is missing), None where missing, but for the first."""
    return [None if lacks and i else value for i, (value, lacks) in enumerate(cells)]


INTEGERS = {"Int8": 8, "Int16": 16, "Int32": 32, "Int64": 64}
STAMPS = st.integers(-(2**60), 2**60)
VALUES = {
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "Float64": st.floats(allow_nan=False, allow_infinity=False),
    "float32": st.floats(allow_nan=False, allow_infinity=False, width=32),
    **{name: st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for name, n in INTEGERS.items()},
    "UInt64": st.integers(0, 2**64 - 1),
    "boolean": st.booleans(),
    "object": st.one_of(st.text(max_size=3), st.integers(-9, 9), st.booleans()),
    "string": st.text(st.characters(codec="utf-8"), max_size=3),
    "category": st.sampled_from("abcde"),
    "datetime64[ns]": STAMPS,
    "datetime64[us, Asia/Tokyo]": st.integers(-(2**50), 2**50),
    "timedelta64[ms]": st.integers(-(2**50), 2**50),
}


def series_of(dtype, values):
    if dtype == "category":
        return pd.Series(pd.Categorical(values, list("zedcba"), ordered=True))
    if "64[" not in dtype:
        return pd.Series(values, dtype=dtype)
    missing = np.iinfo(np.int64).min
    stamps = np.array([missing if value is None else value for value in values], dtype=np.int64)
    kind, _, unit = dtype.replace("]", "").partition("[")
    unit, _, zone = unit.partition(", ")
    series = pd.Series(stamps.view(f"{kind}[{unit}]"))
    return series.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else series


@each_scale
@pytest.mark.parametrize("dtype", VALUES)
def test_values_of_a_dtype_come_back(dtype, numeric):
    @few
    @given(st.lists(st.tuples(VALUES[dtype], st.booleans()), min_size=1, max_size=15))
    def check(cells):
        X = pd.DataFrame({"x": series_of(dtype, masked(cells))})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            pd.testing.assert_frame_equal(round_trip(X, numeric=numeric), X, check_exact=True)

    check()


@each_scale
@few
@given(values=st.lists(VALUES["float64"], min_size=2, max_size=30))
def test_numbers_come_back_to_the_bit(numeric, values):
    values = np.array(values) + 0.0  # without the sign of zero
    numbers = Numbers(values, numeric, np.float64)
    assert numbers.decode(numbers.encode(values)).tobytes() == values.tobytes()


@each_scale
def test_numbers_of_few_decimals_need_no_list(numeric):
    """So that an encoder does not hold what it has seen."""
    rng = np.random.default_rng(0)
    days = 1_600_000_000 * 10**9 + 86_400 * 10**9 * rng.integers(0, 10**4, 3000)
    for values, coarser in [
        (rng.normal(40, 9, 3000).round(3), ()),
        (rng.integers(-(2**50), 2**50, 3000), ()),
        (days, (1000, 1000, 1000, 60, 60, 24)),
    ]:
        assert not len(Numbers(values, numeric, np.float64, coarser).odd)


def test_strictly_rising_changes_last_bits_alone():
    scores = np.array([-1.0, -0.0, 0.0, 0.0, 1.0, 1.0, 2.0])
    raised = strictly_rising(scores)
    assert (np.diff(raised) > 0).all() and abs(raised - scores).max() <= 2.3e-16


@each_scale
def test_other_matrices_give_the_likeliest_table(numeric):
    encoder = TableEncoder(numeric=numeric).fit(some_jobs())
    table = encoder.inverse_transform([[9.0, 0.2, 0.7, 0.1], [-9.0, 0.5, 0.4, 0.3]])
    assert table.equals(pd.DataFrame({"age": [58, 31], "job": ["miner", "clerk"]}))


def test_numbers_come_back_with_the_decimals_of_fit():
    X = pd.DataFrame({"price": [0.25, 1.5, 9.75], "day": pd.to_datetime(["2020-01-01"] * 3)})
    X["day"] += pd.to_timedelta([0, 3, 9], unit="D")
    table = TableEncoder().fit(X).inverse_transform(np.random.default_rng(0).normal(size=(50, 2)))
    assert (table["price"] == table["price"].round(2)).all()
    assert (table["day"] == table["day"].dt.normalize()).all() and table["day"].nunique() > 4


@each_scale
def test_numbers_are_scaled(numeric):
    X = pd.DataFrame({"x": np.random.default_rng(0).lognormal(size=5000)})
    scores = TableEncoder(numeric=numeric).fit_transform(X)[:, 0]
    assert abs(scores.mean()) < 0.01 and abs(scores.std() - 1) < 0.01
    assert (abs((scores**3).mean()) < 0.05) == (numeric == "quantile")  # skewed, or symmetric


def test_blocks():
    X = some_jobs().iloc[:, ::-1]
    encoder = TableEncoder().fit(X)
    assert encoder.blocks_ == {"job": slice(0, 3), "age": slice(3, 4)}
    assert encoder.categories_["job"].tolist() == ["clerk", "miner", "nurse"]
    names = ["job=clerk", "job=miner", "job=nurse", "age"]
    assert encoder.get_feature_names_out().tolist() == names
    assert encoder.transform(X)[:, :3].tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_categories_are_in_the_order_of_their_dtype():
    encoder = TableEncoder().fit(people())
    assert encoder.categories_["grade"].tolist() == ["low", "high"]


def test_true_is_not_one():
    X = pd.DataFrame({"x": pd.Series([True, 1, "1", True], dtype=object)})
    assert TableEncoder().fit_transform(X).shape == (4, 3)
    assert [type(x) for x in round_trip(X)["x"]] == [bool, int, str, bool]


def test_kinds():
    X = pd.DataFrame({"zip": [10115, 53111, 10115, 89073], "x": [1.0, 2.0, np.nan, 4.0]})
    encoder = TableEncoder(kinds={"zip": "category"}).fit(X)
    assert encoder.transform(X).shape == (4, 4)
    assert encoder.inverse_transform(encoder.transform(X)).equals(X)


def test_missing_cells_are_nan_in_all_of_their_block():
    X = people()
    encoder = TableEncoder().fit(X)
    matrix = encoder.transform(X)
    for name, block in encoder.blocks_.items():
        lacks = np.isnan(matrix[:, block])
        assert (lacks == X[name].isna().to_numpy()[:, None]).all()


def test_ignored_missing_cells_are_filled():
    X = pd.DataFrame({"x": [1.0, 4.0, np.nan, 1.0], "job": ["a", None, "b", "b"]})
    table = round_trip(X, missing="ignore")
    assert table.equals(pd.DataFrame({"x": [1.0, 4.0, 2.0, 1.0], "job": ["a", "b", "b", "b"]}))
    rare = pd.DataFrame({"job": [*"aabcde", None]})
    assert round_trip(rare, missing="ignore", max_categories=2)["job"].iloc[-1] == "a"


def test_unknown_categories():
    X = some_jobs()
    new = X.assign(job=["clerk", "astronaut", "miner", None])
    encoder = TableEncoder().fit(X)
    back = encoder.inverse_transform(encoder.transform(new))
    assert back["job"].isna().tolist() == [False, True, False, True]
    encoder = TableEncoder(unknown="error").fit(X)
    message = (
        r"Column 'job' has categories that fit did not see: \['astronaut'\].*unknown='missing'"
    )
    with pytest.raises(ValueError, match=message):
        encoder.transform(new)


def test_dtypes_without_missing_cells_give_way():
    X = pd.DataFrame({"zip": np.array([1, 2, 1], dtype=np.uint8), "x": [True, False, True]})
    encoder = TableEncoder(kinds={"zip": "category"}).fit(X)
    table = encoder.inverse_transform([[np.nan, np.nan, 1, 0], [1, 0, np.nan, np.nan]])
    assert table.dtypes.astype(str).tolist() == ["UInt8", "boolean"]
    assert table.isna().to_numpy().tolist() == [[True, False], [False, True]]


def test_rare_categories_share_a_column():
    X = pd.DataFrame({"x": list("aaaabbbccd")})
    encoder = TableEncoder(max_categories=3).fit(X)
    assert encoder.get_feature_names_out().tolist() == ["x=a", "x=b", "x=(rare)"]
    assert encoder.categories_["x"].tolist() == ["a", "b"]
    assert "".join(encoder.inverse_transform(encoder.transform(X))["x"]) == "aaaabbbccc"
    assert TableEncoder(max_categories=4).fit_transform(X).shape[1] == 4
    assert TableEncoder(max_categories=None).fit_transform(X).shape[1] == 4


def test_mostly_zeros_are_sparse():
    codes = [f"code {i % 60}" for i in range(240)]
    X = pd.DataFrame({"x": np.arange(240.0), "code": codes}).mask(lambda X: X["x"] == 7)
    encoder = TableEncoder().fit(X)
    matrix = encoder.transform(X)
    assert issparse(matrix) and matrix.format == "csr" and encoder.sparse_output_
    assert encoder.inverse_transform(matrix).equals(X)
    encoder.set_output(transform="pandas")
    frame = encoder.transform(X)
    np.testing.assert_array_equal(frame.to_numpy(), matrix.toarray())
    with config_context(transform_output="pandas"):
        assert not issparse(clone(encoder).fit_transform(X))


def test_arrays_of_numbers():
    X = np.array([[1, 5], [2, 7], [4, 5]])
    encoder = TableEncoder().fit(X)
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1"]
    table = encoder.inverse_transform(encoder.transform(X))
    assert table.dtype == X.dtype and (table == X).all()


# What autoencoders ask of it


def test_auto_of_numbers_can_be_set():
    X = people()
    encoder = TableEncoder()
    encoder._auto_numeric = "quantile"
    expected = TableEncoder(numeric="quantile").fit_transform(X)
    np.testing.assert_array_equal(encoder.fit(X)._encode(X), expected)
    standard = TableEncoder(numeric="standard").fit_transform(X)
    assert (TableEncoder().fit(X)._encode(X) == standard)[~np.isnan(standard)].all()


@pytest.mark.filterwarnings("ignore:Column 'nothing' has no observed value:UserWarning")
def test_widths_leave_empty_columns_out():
    X = some_jobs().assign(nothing=np.nan, happy=[True, False, True, None])
    assert TableEncoder().fit(X)._widths == (0, 3, 2)
    assert TableEncoder(max_categories=2).fit(X)._widths == (0, 2, 2)


@pytest.mark.parametrize("sparse", [False, True])
def test_unseen_categories_may_be_the_mean(sparse):
    X = some_jobs()
    new = X.assign(job=["astronaut", None, "miner", "clerk"])
    encoder = TableEncoder().fit(X)
    encoder.sparse_output_ = sparse
    matrix = encoder._encode(new, unseen="mean")
    assert issparse(matrix) == sparse
    block = (matrix.toarray() if sparse else matrix)[:, 1:]
    expected = [[0.5, 0.25, 0.25], [np.nan] * 3, [0, 1, 0], [1, 0, 0]]
    np.testing.assert_array_equal(block, expected)
    assert np.isnan(encoder._encode(new)[:1, 1:].sum())


def test_mean_of_unseen_categories_counts_rare_ones():
    X = pd.DataFrame({"x": list("aaabbccd")})
    encoder = TableEncoder(max_categories=2).fit(X)
    matrix = encoder._encode(pd.DataFrame({"x": ["z"]}), unseen="mean")
    np.testing.assert_array_equal(matrix, [[3 / 8, 5 / 8]])
    with pytest.raises(ValueError, match="did not see"):
        encoder.set_params(unknown="error")._encode(pd.DataFrame({"x": ["z"]}), unseen="mean")


@pytest.mark.parametrize("container", ["pandas", "default"])
def test_encoding_gives_arrays_whatever_transform_does(container):
    X = some_jobs()
    encoder = TableEncoder().set_output(transform=container).fit(X)
    with config_context(transform_output="pandas"):
        assert type(encoder._encode(X)) is np.ndarray


@each_scale
def test_floats_may_have_all_digits(numeric):
    X = pd.DataFrame({"price": [0.25, 1.5, 9.75], "n": [1, 2, 9], "ok": [True, False, True]})
    X["half"] = X["price"].astype(np.float32)
    encoder = TableEncoder(numeric=numeric).fit(X)
    matrix = np.random.default_rng(0).normal(size=(50, 5))
    exact, table = encoder._decode(matrix), encoder._decode(matrix, exact=False)
    assert exact.equals(encoder.inverse_transform(matrix))
    assert (table.dtypes == X.dtypes).all() and table[["n", "ok"]].equals(exact[["n", "ok"]])
    for name in ("price", "half"):
        assert (table[name] != table[name].round(2)).sum() > 10
        np.testing.assert_allclose(table[name].clip(0.25, 9.75), table[name])
        np.testing.assert_allclose(table[name], exact[name], atol=0.0051)


def test_decoded_rows_may_have_the_index_of_a_table():
    X = people().set_index(np.arange(40) * 3)
    encoder = TableEncoder().fit(X)
    matrix = encoder._encode(X)
    assert encoder._decode(matrix, like=X).equals(X)
    assert encoder._decode(matrix).equals(X.reset_index(drop=True))


def test_matrices_of_float32_are_decoded_as_they_are():
    X = some_jobs()
    encoder = TableEncoder().fit(X)
    matrix = encoder._encode(X).astype(np.float32)
    assert encoder._decode(matrix).equals(X)
    assert encoder._decode(matrix * np.float32(1.001), exact=False).equals(X)


def test_fractions_of_missing_cells():
    X = people()
    fractions = TableEncoder().fit(X)._missing_fractions
    np.testing.assert_allclose(fractions, X.isna().mean().to_numpy())


@pytest.mark.parametrize("sparse", [False, True])
def test_names_of_gaps(sparse):
    X = people()
    encoder = TableEncoder().fit(X)
    encoder.sparse_output_ = sparse
    for rows in (X, X[:2]):
        expected = X.columns[rows.isna().any()].tolist()
        assert encoder._names_of_gaps(encoder._encode(rows)) == expected
    assert encoder._names_of_gaps(np.zeros((2, encoder._n_columns))) == []


# What cannot be encoded


def notes(error):
    return " ".join([str(error.value), *getattr(error.value, "__notes__", [])])


def test_names_of_rows_are_refused():
    X = pd.DataFrame({"id": [f"person {i}" for i in range(30)]})
    with pytest.raises(ValueError, match="Column 'id' has 30 categories in 30 rows: drop it"):
        TableEncoder().fit(X)
    assert round_trip(X, kinds={"id": "category"}).equals(X)


def test_columns_that_are_nearly_names_of_rows_warn():
    X = pd.DataFrame({"id": ["person 1", *(f"person {i}" for i in range(29))]})
    with pytest.warns(UserWarning, match="Column 'id' has 29 categories in 30 rows: drop it"):
        TableEncoder().fit(X)
    TableEncoder(kinds={"id": "category"}).fit(X)
    TableEncoder().fit(pd.concat([X, X]))  # most persons have two rows


@pytest.mark.parametrize("convert", [float, int, Decimal])
def test_numbers_of_dtype_object_are_named(convert):
    X = pd.DataFrame({"age": pd.Series([*map(convert, range(30))], dtype=object)})
    with pytest.raises(ValueError, match=r"'age' has 30 categories .* numbers of dtype object"):
        TableEncoder().fit(X)
    with pytest.warns(UserWarning, match=r"numeric dtype \(in pandas, X\.infer_objects\(\)"):
        TableEncoder().fit(pd.concat([X] * 5))
    TableEncoder(kinds={"age": "category"}).fit(X)
    TableEncoder().fit(pd.concat([X.head(5)] * 5))  # few, as of grades


def test_strings_of_numbers_are_not_dropped_first():
    X = pd.DataFrame({"total": [" ", *(f"{i / 8}" for i in range(30))]})
    with pytest.raises(ValueError, match="rows: convert it to a numeric dtype, drop it, or pass"):
        TableEncoder().fit(X)


def test_numbers_of_dtype_category_are_categories():
    TableEncoder().fit(pd.DataFrame({"zip": [*range(30)] * 2}, dtype="category"))


def test_constant_columns_warn():
    X = some_jobs().assign(land="DE")
    with pytest.warns(UserWarning, match="Column 'land' has the same value in all rows: drop it"):
        assert round_trip(X).equals(X)
    X.loc[1, "land"] = None
    with pytest.warns(UserWarning, match="'land' has the same value in all rows that have one"):
        TableEncoder().fit(X)


@pytest.mark.parametrize("dtype", ["float64", "Int64", object, "category"])
def test_empty_columns_warn(dtype):
    X = some_jobs().assign(nothing=pd.Series([None] * 4, dtype=dtype))
    with pytest.warns(UserWarning, match="Column 'nothing' has no observed value"):
        encoder = TableEncoder().fit(X)
    assert encoder.get_feature_names_out()[-1] == "job=nurse"
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)


@pytest.mark.parametrize(
    ("columns", "parameters", "message"),
    [
        ({"x": [1.0, np.inf]}, {}, "Column 'x' contains infinity"),
        ({"x": [1.0 + 2.0j, 2.0]}, {}, "Column 'x' has dtype complex128"),
        ({"x": [[1], [2]]}, {}, "Column 'x' holds values that are not categories"),
        ({"x": ["a", "b"]}, {"kinds": {"x": "numeric"}}, r"kinds\['x'\] is 'numeric', but"),
        ({"x": ["a", "b"]}, {"kinds": {"x": "ordinal"}}, "must be 'numeric', 'category'"),
        ({"x": [1, 2]}, {"kinds": {"y": "numeric"}}, "kinds has 'y', but the columns are"),
        ({"x": []}, {}, r"0 sample\(s\)"),
    ],
)
def test_columns_that_are_refused(columns, parameters, message):
    with pytest.raises(ValueError, match=message):
        TableEncoder(**parameters).fit(pd.DataFrame(columns))


def test_names_that_occur_twice_are_refused():
    with pytest.raises(ValueError, match=r"'x' (occurs twice|2 times)"):
        TableEncoder().fit(pd.DataFrame([[1, 2], [2, 3]], columns=["x", "x"]))


def test_nothing_to_encode():
    X = pd.DataFrame({"x": [np.nan, np.nan]})
    with pytest.warns(UserWarning, match="'x'"), pytest.raises(ValueError, match="No column"):
        TableEncoder().fit(X)


@pytest.mark.parametrize("dtype", [object, str])
def test_arrays_of_strings_are_refused(dtype):
    with pytest.raises(ValueError, match=r"could not convert|bytes/strings") as error:
        TableEncoder().fit(np.array([["a", 1], ["b", 2]], dtype=dtype))
    assert "pass a DataFrame" in notes(error)


@pytest.mark.parametrize("columns", [["job", "age"], ["age"], ["age", "work"]])
def test_other_columns_are_refused(columns):
    encoder = TableEncoder().fit(some_jobs())
    other = some_jobs().rename(columns={"job": columns[-1]} if "work" in columns else {})
    with pytest.raises(ValueError, match="feature names") as error:
        encoder.transform(other[columns])
    assert "X[encoder.columns_]" in notes(error)


def test_columns_of_another_dtype_are_refused():
    X = people()
    encoder = TableEncoder().fit(X)
    others = {"age": X["job"], "job": 1.5, "stay": 3, "seen": X["since"]}
    for name, other in others.items():
        with pytest.raises(ValueError, match=f"Column '{name}' had dtype .* in fit, but now"):
            encoder.transform(X.assign(**{name: other}))
    with pytest.raises(ValueError, match=r"'age' had dtype int64 .* values such as 2\.5"):
        encoder.transform(X.assign(age=2.5))


def test_numbers_and_strings_may_be_of_another_dtype():
    X = people()
    encoder = TableEncoder().fit(X)
    new = X.assign(age=X["age"].astype(float), job=X["job"].astype("category"))
    np.testing.assert_array_equal(encoder.transform(new), encoder.transform(X))
    gap = X.assign(age=X["age"].where(X["age"] != X["age"][0]))
    assert np.isnan(encoder.transform(gap)[0, 0])


def test_matrices_of_another_width_are_refused():
    encoder = TableEncoder().fit(some_jobs())
    with pytest.raises(ValueError, match="X has 3 columns, but the matrix of this table has 4"):
        encoder.inverse_transform(np.ones((2, 3)))


# What scikit-learn does with it


@parametrize_with_checks([TableEncoder(), TableEncoder(numeric="quantile")])
def test_sklearn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_dataframe_column_names_consistency,
        estimator_checks.check_transformer_get_feature_names_out,
        estimator_checks.check_transformer_get_feature_names_out_pandas,
        estimator_checks.check_get_feature_names_out_error,
        estimator_checks.check_param_validation,
        estimator_checks.check_set_output_transform,
        estimator_checks.check_set_output_transform_pandas,
        estimator_checks.check_global_output_transform_pandas,
    ],
)
def test_extra_sklearn_check(check):
    check("TableEncoder", TableEncoder())


def test_pickles():
    X = people()
    encoder = TableEncoder().fit(X)
    copy = pickle.loads(pickle.dumps(encoder))
    assert copy.inverse_transform(encoder.transform(X)).equals(X)
    np.testing.assert_array_equal(copy.transform(X), encoder.transform(X))


def test_pipelines_take_and_give_frames():
    X = people(60).dropna().reset_index(drop=True)
    pipeline = make_pipeline(TableEncoder(), Autoencoder(4, max_iter=2, random_state=0)).fit(X)
    table = pipeline.inverse_transform(pipeline.transform(X))
    assert table.dtypes.equals(X.dtypes) and table.columns.equals(X.columns)


def test_grid_search_on_frames():
    X = some_jobs().loc[np.arange(40) % 4].reset_index(drop=True)
    pipeline = make_pipeline(TableEncoder(), PCA(2), LogisticRegression())
    parameters = {"tableencoder__numeric": ["standard", "quantile"], "pca__n_components": [1, 3]}
    search = GridSearchCV(pipeline, parameters, cv=2).fit(X, X["job"] == "clerk")
    assert search.best_score_ == 1.0
