"""`AutoencoderImputer`: X with its gaps filled, by scikit-learn's conventions for imputers.

Data frames with categories are test_imputer_tables.py's.
"""

import pickle

import numpy as np
import pytest
from helpers import EXTRA_CHECKS, TRAINING, UNIT_X, X
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import Autoencoder, AutoencoderImputer, DenoisingAutoencoder, StackedAutoencoder
from skae._imputer import recipe, recipe_of_array

DENOISING = DenoisingAutoencoder(3, code_activation="identity", **TRAINING)
MISSING = np.random.default_rng(3).random(X.shape) < 0.2
HOLES = np.where(MISSING, np.nan, 10.0 * X + 5.0)
EMPTY = np.insert(HOLES, 2, np.nan, axis=1)  # with a column that has no observed cell


def imputer(**params):
    return AutoencoderImputer(clone(DENOISING)).set_params(**params)


ESTIMATORS = [
    AutoencoderImputer(DenoisingAutoencoder(3, max_iter=3)),
    AutoencoderImputer(DenoisingAutoencoder(3, max_iter=3), add_indicator=True, random_state=0),
]


@parametrize_with_checks(ESTIMATORS)
def test_sklearn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("check", EXTRA_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["plain", "with indicator"])
def test_extra_sklearn_check(estimator, check):
    check(type(estimator).__name__, estimator)


# What is filled, and with what.


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_observed_cells_stay_as_they_are(dtype):
    holes = HOLES.astype(dtype)
    before = holes.copy()
    filled = imputer().fit_transform(holes)
    assert filled.dtype == dtype and np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~MISSING], holes[~MISSING])
    np.testing.assert_array_equal(holes, before)


def test_holes_get_the_reconstruction_of_standardised_rows():
    filled = imputer(random_state=5).fit_transform(HOLES)
    scaler = StandardScaler().fit(HOLES)
    by_hand = clone(DENOISING).set_params(random_state=5).fit(scaler.transform(HOLES))
    expected = scaler.inverse_transform(by_hand.reconstruct(scaler.transform(HOLES)))
    np.testing.assert_allclose(filled[MISSING], expected[MISSING], rtol=1e-9)


def test_units_do_not_matter():
    """Of powers of two, to the bit."""
    one = imputer(random_state=0).fit_transform(HOLES)
    other = imputer(random_state=0).fit_transform(HOLES * 2.0 ** np.arange(-6, 6, 2))
    np.testing.assert_array_equal(other, one * 2.0 ** np.arange(-6, 6, 2))


def test_probabilities_are_not_standardised():
    holes = np.where(MISSING, np.nan, UNIT_X)
    fitted = imputer(autoencoder__loss="binary_cross_entropy").fit(holes)
    filled = fitted.transform(holes)
    assert fitted.scaler_ is None and (filled[MISSING] > 0).all() and (filled[MISSING] < 1).all()
    expected = fitted.autoencoder_.reconstruct(holes)
    np.testing.assert_allclose(filled[MISSING], expected[MISSING], rtol=1e-9)


def test_rows_without_holes_come_back():
    fitted = imputer().fit(HOLES)
    filled = fitted.transform(X)
    np.testing.assert_array_equal(filled, X)
    assert filled is not X and not np.shares_memory(filled, X)


def test_a_row_with_nothing_is_filled():
    holes = HOLES.copy()
    holes[0] = np.nan
    assert np.isfinite(imputer().fit_transform(holes)).all()
    assert np.isfinite(imputer().fit(HOLES).transform(holes)).all()


def test_holes_of_new_rows_are_filled_where_training_had_none():
    filled = imputer().fit(X).transform(np.where(MISSING, np.nan, X))
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~MISSING], X[~MISSING])


def filling_error(estimator, whole):
    """Mean squared error where 20% of the cells are missing, in variances of their columns."""
    missing = np.random.default_rng(0).random(whole.shape) < 0.2
    filled = estimator.fit_transform(np.where(missing, np.nan, whole))
    return np.square((filled - whole) / whole.std(axis=0))[missing].mean()


def test_columns_that_hang_together_are_restored():
    """Sums of two factors, in units from 1 to 10 million."""
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(150, 2)) @ rng.normal(size=(2, 8)) * 10.0 ** np.arange(8) + 3.0
    by_means = filling_error(SimpleImputer(), whole)
    assert filling_error(AutoencoderImputer(random_state=0), whole) < 0.1 * by_means


def test_a_curve_is_restored_better_than_by_means_of_neighbours():
    angles = np.random.default_rng(1).uniform(0, 2 * np.pi, (200, 1))
    whole = np.hstack([np.sin(angles * k + k) for k in (1, 1, 2, 2, 3, 3)]) + np.arange(6)
    by_neighbours = filling_error(KNNImputer(), whole)
    assert filling_error(AutoencoderImputer(random_state=0), whole) < 0.8 * by_neighbours


@pytest.mark.parametrize(("n_rows", "epochs"), [(1, 300), (2000, 300), (6400, 100), (10**6, 20)])
def test_many_rows_are_passed_less_often(n_rows, epochs):
    assert recipe(n_rows).max_iter == epochs


def test_columns_beyond_the_rows_make_it_linear():
    assert recipe_of_array(50, 50).hidden_layer_sizes == recipe(50).hidden_layer_sizes == (256,)
    few, fewer = recipe_of_array(50, 200), recipe_of_array(25, 200)
    assert few.hidden_layer_sizes == () and few.code_activation == "identity"
    assert fewer.alpha == 2 * few.alpha  # directions from half the rows, with twice the variance


def test_wide_tables_are_restored_better_than_by_means_of_neighbours():
    """Sums of five factors with noise, more than seven columns for each row."""
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(40, 5)) @ rng.normal(size=(5, 300)) + rng.normal(size=(40, 300))
    by_neighbours = filling_error(KNNImputer(), whole)
    assert filling_error(AutoencoderImputer(random_state=0), whole) < 0.9 * by_neighbours


# SimpleImputer's conventions.


@pytest.mark.filterwarnings("ignore:Columns .* have no observed value:UserWarning")
@pytest.mark.filterwarnings("ignore:Skipping features without any observed values:UserWarning")
@pytest.mark.parametrize("add_indicator", [False, True])
@pytest.mark.parametrize("holes", [HOLES, EMPTY], ids=["holes", "empty column"])
def test_names_shapes_and_indicators_are_those_of_simple_imputer(holes, add_indicator):
    names = [f"column {number}" for number in range(holes.shape[1])]
    ours = imputer(add_indicator=add_indicator).fit(holes)
    theirs = SimpleImputer(add_indicator=add_indicator).fit(holes)
    found, expected = ours.transform(holes), theirs.transform(holes)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found[:, 6:], expected[:, 6:])
    for given in (None, names):
        expected_names = theirs.get_feature_names_out(given)
        np.testing.assert_array_equal(ours.get_feature_names_out(given), expected_names)


def test_columns_without_an_observed_cell_are_left_out_with_a_warning():
    pd = pytest.importorskip("pandas")
    with pytest.warns(UserWarning, match=r"Columns \[2\] have no observed value"):
        fitted = imputer().fit(EMPTY)
    assert fitted.n_features_in_ == 7 and fitted.autoencoder_.n_features_in_ == 6
    np.testing.assert_array_equal(fitted.transform(EMPTY), imputer().fit_transform(HOLES))
    with pytest.warns(UserWarning, match=r"Columns \['c'\] have no observed value"):
        imputer().fit(pd.DataFrame(EMPTY, columns=list("abcdefg")))


def test_what_they_have_in_new_rows_is_left_out_too():
    with pytest.warns(UserWarning, match="no observed value"):
        fitted = imputer(add_indicator=True).fit(EMPTY)
    filled = fitted.transform(np.nan_to_num(EMPTY))
    assert filled.shape == (60, 6 + 7) and (filled[:, 6:] == 0).all()


def test_frames_keep_names_and_index():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(HOLES, columns=list("abcdef"), index=np.arange(60) + 100)
    fitted = imputer(add_indicator=True).set_output(transform="pandas").fit(frame)
    filled = fitted.transform(frame)
    assert [*filled.columns[:7]] == [*"abcdef", "missingindicator_a"]
    pd.testing.assert_index_equal(filled.index, frame.index)
    pd.testing.assert_frame_equal(filled[[*"abcdef"]].where(frame.notna()), frame)
    np.testing.assert_array_equal(
        filled.to_numpy()[:, :6], imputer().fit_transform(frame), strict=True
    )


def test_frames_of_numbers_of_any_kind():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(HOLES[:, :2], columns=["a", "b"])
    whole = frame.assign(n=np.arange(60), small=np.arange(60, dtype=np.uint8))
    whole["nullable"] = pd.array([None, 2, 7] * 20, dtype="Int64")
    filled = imputer().fit_transform(whole)
    assert filled.dtype == np.float64 and np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[:, 2], np.arange(60))
    np.testing.assert_array_equal(filled[1::3, 4], 2.0)


# In scikit-learn's company.


def test_in_a_pipeline_that_is_searched():
    X, y = load_iris(return_X_y=True)
    holes = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    model = make_pipeline(AutoencoderImputer(DENOISING), LogisticRegression(max_iter=1000))
    grid = {"autoencoderimputer__autoencoder__corruption_level": [0.1, 0.5]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(holes, y)
    assert search.score(holes, y) > 0.7
    best = search.best_estimator_[0]
    assert best.autoencoder_.corruption_level == best.autoencoder.corruption_level
    assert DENOISING.corruption_level == 0.3 and not hasattr(DENOISING, "n_iter_")


def test_pickles_and_clones():
    fitted = imputer(add_indicator=True).fit(HOLES)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.transform(HOLES), fitted.transform(HOLES))
    again = clone(fitted)
    with pytest.raises(NotFittedError):
        again.transform(HOLES)
    np.testing.assert_array_equal(again.fit_transform(HOLES), fitted.transform(HOLES))


def test_a_failed_fit_leaves_the_earlier_one():
    fitted = imputer().fit(HOLES)
    expected = fitted.transform(HOLES)
    with pytest.raises(ValueError, match="device='foo'"):
        fitted.set_params(autoencoder__device="foo").fit(HOLES[:, :4])
    np.testing.assert_array_equal(fitted.transform(HOLES), expected)


def test_its_seed_replaces_the_autoencoders():
    own = imputer(autoencoder__random_state=7).fit_transform(HOLES)
    np.testing.assert_array_equal(own, imputer(random_state=7).fit_transform(HOLES))
    assert (own != imputer(random_state=8).fit_transform(HOLES)).any()
    given = np.random.RandomState(0)
    assert (imputer(random_state=given).fit_transform(HOLES) != own).any()


# What it refuses.


@pytest.mark.parametrize(
    ("autoencoder", "found", "remedy"),
    [
        (Autoencoder(), r"Autoencoder\(\)", "use DenoisingAutoencoder"),
        (StackedAutoencoder(), r"StackedAutoencoder\(\)", "use DenoisingAutoencoder"),
        (KNNImputer(), r"KNNImputer\(\)", "use DenoisingAutoencoder"),
        (
            make_pipeline(StandardScaler(), DenoisingAutoencoder()),
            "Pipeline",
            "before AutoencoderImputer",
        ),
        (FrozenEstimator(DenoisingAutoencoder()), "Frozen", "use DenoisingAutoencoder"),
        (DenoisingAutoencoder, "<class", r"pass an object, such as DenoisingAutoencoder\(\)"),
    ],
)
def test_what_takes_no_missing_cells_is_an_error(autoencoder, found, remedy):
    with pytest.raises(ValueError, match="takes missing values") as error:
        AutoencoderImputer(autoencoder).fit(HOLES)
    assert error.match(found) and error.match(remedy)


@pytest.mark.parametrize(
    ("params", "name"), [({"autoencoder": 3}, "autoencoder"), ({"add_indicator": 2}, "add_ind")]
)
def test_wrong_parameters_are_named(params, name):
    with pytest.raises(ValueError, match=f"The '{name}.*' parameter of AutoencoderImputer"):
        AutoencoderImputer(**params).fit(HOLES)


def test_parameters_of_an_autoencoder_that_is_not_there():
    with pytest.raises(ValueError, match=r"pass AutoencoderImputer\(DenoisingAutoencoder\(64, "):
        AutoencoderImputer().set_params(autoencoder__max_iter=3)


def test_what_errors_advise_has_the_network_of_the_recipe():
    (example,) = AutoencoderImputer._parts["autoencoder"]
    advised, best = eval(example).get_params(), recipe(300).get_params()
    network = "n_components", "hidden_layer_sizes", "activation", "code_activation", "loss"
    assert [advised[name] for name in network] == [best[name] for name in network]


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_rows_that_it_is_not_for(method):
    fitted = imputer().fit(HOLES)
    call = getattr(fitted, method)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        call(csr_array(X))
    with pytest.raises(ValueError, match="infinity"):
        call(np.where(MISSING, np.inf, X))
    with pytest.raises(ValueError, match="could not convert") as error:
        call(np.column_stack([X[:, :5], ["Paris"] * 60]).astype(object))
    assert error.value.__notes__[0].startswith("Column 5 holds")
    np.testing.assert_array_equal(fitted.fit_transform(HOLES), imputer().fit_transform(HOLES))


def test_no_observed_cell_at_all_is_an_error():
    with pytest.raises(ValueError, match="X has no observed value"):
        imputer().fit(np.full((5, 3), np.nan))
