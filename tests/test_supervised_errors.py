"""What classifiers and regressors refuse."""

import numpy as np
import pytest
from helpers import SMALL, X, assert_not_fitted, fitted_state, may_be_dead, may_collapse, small
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from small_supervised import (
    CLASSES,
    OUTPUTS,
    TARGETS,
    UNLABELLED,
    classifier,
    each_task,
    fit,
    regressor,
)

from skae import StackedAutoencoder

pytestmark = [may_be_dead, may_collapse]


def test_one_class_is_an_error():
    with pytest.raises(ValueError, match=r"at least 2 classes.* 1 class.* 7\b"):
        classifier().fit(X, np.full(60, 7))
    with pytest.raises(ValueError, match="at least 2 classes, but y has 1 class"):
        classifier(unlabeled=-1).fit(X, np.where(UNLABELLED, 1, -1))
    with pytest.raises(ValueError, match=r"at least 2 classes.* 1 class.* 'a'"):
        classifier().fit(X, ["a"] * 60)


@pytest.mark.parametrize("mark", [-1, np.nan, "?"])
def test_all_rows_unlabelled_is_an_error(mark):
    with pytest.raises(ValueError, match="All 60 rows of y are unlabelled"):
        classifier(unlabeled=mark).fit(X, [mark] * 60)


@pytest.mark.parametrize("shape", [60, (60, 2)])
def test_all_rows_without_outputs_is_an_error(shape):
    with pytest.raises(ValueError, match="All 60 rows of y are unlabelled"):
        regressor().fit(X, np.full(shape, np.nan))


@pytest.mark.parametrize("shape", [60, (60, 2)])
def test_outputs_whose_squares_overflow_are_an_error(shape):
    y = np.random.default_rng(0).normal(size=shape)
    with pytest.raises(ValueError, match="The variance of y is not finite"):
        regressor().fit(X, 1e200 * y)


def test_missing_labels_of_pandas():
    pandas = pytest.importorskip("pandas")
    y = pandas.Series(np.where(UNLABELLED, None, CLASSES.astype(str)), dtype="string")
    model = classifier(unlabeled=np.nan).fit(X, y)
    expected = classifier(unlabeled=np.nan).fit(X, y.astype(object).where(y.notna(), None))
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert model.classes_.tolist() == np.unique(CLASSES[~UNLABELLED].astype(str)).tolist()


def test_a_frozen_autoencoder_wants_its_columns_in_their_order():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=list("abcdef"))
    frozen = FrozenEstimator(small("Autoencoder").fit(table))
    with pytest.raises(ValueError, match="feature names"):
        classifier(frozen).fit(table[list("fedcba")], CLASSES)
    classifier(frozen).fit(table, CLASSES)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_missing_labels_are_named_where_they_have_no_mark(missing):
    y = np.where(UNLABELLED, missing, CLASSES.astype(str).astype(object))
    with pytest.raises(ValueError, match=r"rows without a label .*unlabeled=np\.nan"):
        classifier().fit(X, y)


@pytest.mark.parametrize(
    "y", [CLASSES.astype(str), ["-1", "a", "b"] * 20], ids=["plain", "with -1"]
)
def test_a_number_cannot_mark_rows_among_strings(y):
    with pytest.raises(
        ValueError, match=r"unlabeled=-1 does not occur in y, .*mark .*dtype object"
    ):
        classifier(unlabeled=-1).fit(X, y)


@each_task
def test_y_is_needed(make):
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        make().fit(X, None)
    assert get_tags(make()).target_tags.required


@each_task
@pytest.mark.parametrize("inner", [PCA(), FrozenEstimator(PCA().fit(X))])
def test_the_autoencoder_must_be_one_of_ours(inner, make):
    model = type(make())(inner)
    with pytest.raises(ValueError, match="autoencoder must be an autoencoder of skae"):
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


@each_task
def test_a_string_is_no_autoencoder(make):
    with pytest.raises(
        ValueError, match=r"'autoencoder' parameter of Autoencoder.*Got 'denoising'"
    ):
        make("denoising").fit(X, TARGETS[make])


@each_task
def test_a_classifier_is_no_autoencoder(make):
    with pytest.raises(ValueError, match="autoencoder must be an autoencoder of skae"):
        make(classifier()).fit(X, TARGETS[make])


@each_task
def test_a_stack_without_layers(make):
    with pytest.raises(ValueError, match="'layer_sizes' parameter of StackedAutoencoder"):
        make(StackedAutoencoder(())).fit(X, TARGETS[make])


BAD_PARAMETERS = {
    "autoencoder__alpha": (-1, "'alpha' parameter of DenoisingAutoencoder"),
    "autoencoder__corruption_level": ("x", "'corruption_level' parameter of DenoisingAutoencoder"),
    "autoencoder__loss": ("binary_cross_entropy", "needs X in"),
    "alpha": (-1, "'alpha' parameter of AutoencoderClassifier"),
    "fine_tune": ("yes", "'fine_tune' parameter of AutoencoderClassifier"),
    "unlabeled": ([1], "'unlabeled' parameter of AutoencoderClassifier"),
    "class_weight": ({0: 1, 7: 2}, "not in class_weight"),
    "device": ("cuda:99", "cuda:99"),
}


@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_a_wrong_parameter_is_named_and_leaves_the_model_as_it_was(name):
    value, message = BAD_PARAMETERS[name]
    model = classifier(SMALL["DenoisingAutoencoder"])
    with pytest.raises(ValueError, match=message):
        clone(model).set_params(**{name: value}).fit(X, CLASSES)
    before = fitted_state(model.fit(X, CLASSES))
    with pytest.raises(ValueError, match=message):
        model.set_params(**{name: value}).fit(X, CLASSES)
    assert fitted_state(model) == before


BAD_DATA = {
    "continuous": (X, X[:, 0], "Unknown label type"),
    "too short": (X, CLASSES[:-1], "inconsistent numbers of samples"),
    "two columns": (X, OUTPUTS, "2 columns and values other than 0 and 1"),
    "missing": (np.where(X > 2, np.nan, X), CLASSES, "X contains NaN"),
    "infinite": (np.where(X > 2, np.inf, X), CLASSES, "X contains infinity"),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_bad_data_leave_the_model_as_it_was(kind):
    rows, y, message = BAD_DATA[kind]
    model = fit(classifier)
    before = fitted_state(model)
    with pytest.raises(ValueError, match=message):
        model.fit(rows, y)
    assert fitted_state(model) == before


@pytest.mark.parametrize("y", [OUTPUTS[:-1], ["a"] * 60, np.where(X > 2, np.inf, X)])
def test_bad_outputs_are_errors(y):
    with pytest.raises(ValueError):
        regressor().fit(X, y)


@each_task
def test_predicting_checks_its_rows(make):
    model = fit(make)
    with pytest.raises(ValueError, match=r"X has 5 features.*expecting 6"):
        model.predict(X[:, :5])
    with pytest.raises(ValueError, match="X contains NaN"):
        model.predict(np.where(X > 2, np.nan, X))
    with pytest.raises(NotFittedError):
        make().predict(X)
