"""What rows, labels and outputs of classifiers and regressors may be."""

import numpy as np
import pytest
from helpers import SMALL, UNIT_X, X, assert_same_fit, may_be_dead, may_collapse, small, weights
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.utils import get_tags
from small_supervised import (
    CLASSES,
    CONVEX,
    LABELS,
    MARKED,
    NAMES,
    OUTPUTS,
    TARGETS,
    UNLABELLED,
    classifier,
    each_task,
    fit,
    frozen,
    predictions,
    regressor,
    tuned_or_not,
)

from skae import Autoencoder, AutoencoderClassifier

pytestmark = [may_be_dead, may_collapse]


# Unlabelled rows.


each_mark = pytest.mark.parametrize(("y", "mark"), MARKED.values(), ids=MARKED)


@tuned_or_not
@each_mark
def test_unlabelled_rows_do_not_count_where_nothing_is_pretrained(y, mark, fine_tune):
    params = {"unlabeled": mark, "fine_tune": fine_tune, "early_stopping": True}
    model, inner = classifier(frozen(), **params), frozen()
    model.fit(X, y)
    only = classifier(inner, **params).set_params(unlabeled=None)
    only.fit(X[~UNLABELLED], CLASSES[~UNLABELLED])
    assert_same_fit(model, only)
    np.testing.assert_array_equal(model.predict_proba(X), only.predict_proba(X))
    np.testing.assert_array_equal(model.classes_.astype(float).astype(int), [0, 1, 2])


@each_mark
def test_unlabelled_rows_are_pretrained_on(y, mark):
    model = classifier(unlabeled=mark).fit(X, y)
    all_rows = classifier(fine_tune=False).fit(X, CLASSES).autoencoder_
    assert model.autoencoder_.loss_curve_ == all_rows.loss_curve_
    labelled_rows = classifier(fine_tune=False).fit(X[~UNLABELLED], CLASSES[~UNLABELLED])
    assert np.abs(model.transform(X) - labelled_rows.transform(X)).max() > 1e-4


@each_mark
def test_loss_is_that_of_labelled_rows(y, mark):
    model = classifier(unlabeled=mark, learning_rate_init=1e-12).fit(X, y)
    expected = log_loss(CLASSES[~UNLABELLED], model.predict_proba(X[~UNLABELLED]))
    assert model.loss_curve_[0] == pytest.approx(expected)


@each_mark
def test_a_mark_that_no_row_has_changes_nothing(y, mark):
    marked = classifier(unlabeled=mark).fit(X[~UNLABELLED], y[~UNLABELLED])
    plain = classifier().fit(X[~UNLABELLED], CLASSES[~UNLABELLED])
    assert_same_fit(marked, plain)


@pytest.mark.parametrize("y", [OUTPUTS, OUTPUTS[:, 0]], ids=["two outputs", "one output"])
def test_rows_without_any_output_do_not_count(y):
    some = y.copy()
    some[UNLABELLED] = np.nan
    inner = frozen()
    model = regressor(inner, early_stopping=True).fit(X, some)
    only = regressor(inner, early_stopping=True).fit(X[~UNLABELLED], y[~UNLABELLED])
    assert_same_fit(model, only)
    np.testing.assert_array_equal(model.predict(X), only.predict(X))


def test_rows_without_any_output_are_pretrained_on():
    some = np.where(UNLABELLED, np.nan, OUTPUTS[:, 0])
    model = regressor().fit(X, some)
    assert model.autoencoder_.loss_curve_ == fit(regressor).autoencoder_.loss_curve_
    only = regressor().fit(X[~UNLABELLED], some[~UNLABELLED])
    assert model.autoencoder_.loss_curve_ != only.autoencoder_.loss_curve_


PARTLY = OUTPUTS.copy()
PARTLY[::3, 0], PARTLY[1::3, 1] = np.nan, np.nan


def test_cells_of_rows_that_lack_others_count():
    model = regressor(learning_rate_init=1e-12).fit(X, PARTLY)
    errors = (model.predict(X) - PARTLY) / np.nanstd(PARTLY, axis=0)
    assert model.loss_curve_[0] == pytest.approx(np.nansum(np.square(errors), axis=1).mean())


def test_outputs_with_missing_cells_are_learned_from_the_others():
    """Convex: every output is the ridge regression of its own rows."""
    inner, alpha = frozen(), 0.1
    model = regressor(inner, alpha=alpha, **CONVEX).fit(X, PARTLY)
    codes = inner.transform(X)
    for found, y in zip(model.predict(X).T, PARTLY.T, strict=True):
        known = ~np.isnan(y)
        # The mean is over all rows, whatever they lack.
        reference = Ridge(alpha=len(X) * alpha / 2).fit(codes[known], y[known])
        np.testing.assert_allclose(found, reference.predict(codes), rtol=1e-5, atol=1e-5)


def test_an_output_that_no_row_has_is_an_error():
    with pytest.raises(ValueError, match="output"):
        regressor().fit(X, np.column_stack([OUTPUTS, np.full(60, np.nan)]))


def test_labels_help_only_where_they_are(digits):
    """Of few labels and many rows, pretraining on all of them makes the better classifier."""
    y = np.where(np.arange(len(digits)) < 100, LABELS, -1)
    steps = {"batch_size": 200, "learning_rate_init": 1e-3}
    layer = {"hidden_layer_sizes": (), "code_activation": "relu"}
    inner = Autoencoder(20, **layer, max_iter=40, **steps)
    model = AutoencoderClassifier(inner, unlabeled=-1, random_state=0, max_iter=100, **steps)
    whole = model.fit(digits, y).score(digits[100:], LABELS[100:])
    few = clone(model).fit(digits[:100], y[:100]).score(digits[100:], LABELS[100:])
    assert whole > few


# Kinds of rows.


@tuned_or_not
@each_task
def test_denoising_autoencoders_take_missing_cells(make, fine_tune):
    some_missing = np.where(X > 1.5, np.nan, X)
    model = make(SMALL["DenoisingAutoencoder"], fine_tune=fine_tune)
    model.fit(some_missing, TARGETS[make])
    codes = model.autoencoder_.transform(some_missing)
    np.testing.assert_allclose(model.transform(some_missing), codes, rtol=1e-12)
    assert np.isfinite(predictions(model, some_missing)).all()
    assert get_tags(model).input_tags.allow_nan
    assert not get_tags(make()).input_tags.allow_nan


@each_task
@pytest.mark.parametrize("name", ["Autoencoder", "DenoisingAutoencoder", "StackedAutoencoder"])
def test_sparse_rows_are_as_good_as_dense_ones(name, make):
    rows = np.where(UNIT_X > 0.7, UNIT_X, 0)
    params = {"early_stopping": True}
    dense_fit = make(small(name), **params).fit(rows, TARGETS[make])
    sparse_fit = make(small(name), **params).fit(csr_array(rows), TARGETS[make])
    np.testing.assert_allclose(weights(sparse_fit), weights(dense_fit), rtol=1e-9, atol=1e-12)
    found = predictions(sparse_fit, csr_array(rows))
    np.testing.assert_allclose(found, predictions(sparse_fit, rows), rtol=1e-12)


@each_task
def test_float32_in_float32_out(make):
    model = make().fit(X.astype("f4"), TARGETS[make])
    assert model.transform(X.astype("f4")).dtype == np.float32
    reference = fit(make)
    np.testing.assert_allclose(predictions(model, X), predictions(reference, X), atol=1e-2)


def test_probabilities_are_of_the_rows_dtype():
    for dtype in ("f4", "f8"):
        model = classifier().fit(X.astype(dtype), CLASSES)
        assert model.predict_proba(X.astype(dtype)).dtype == dtype


# Kinds of labels.


KINDS = {
    "strings": NAMES[CLASSES],
    "objects": NAMES[CLASSES].astype(object),
    "two strings": NAMES[CLASSES % 2],
    "bool": CLASSES > 0,
    "int8": CLASSES.astype(np.int8) - 5,
    "float": CLASSES / 1.0,
    "gaps": CLASSES * 100,
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_label(kind):
    y = KINDS[kind]
    model = classifier(max_iter=30).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(y), strict=True)
    predicted = model.predict(X)
    assert predicted.dtype == y.dtype
    assert predicted.shape == y.shape
    assert model.predict_proba(X).shape == (60, len(model.classes_))
    assert model.score(X, y) == accuracy_score(y, predicted) > 0.4


def test_names_of_classes_do_not_matter():
    renamed = classifier(random_state=3).fit(X, np.array(["a", "b", "c"])[CLASSES])
    assert_same_fit(renamed, classifier(random_state=3).fit(X, CLASSES))


def test_a_column_of_labels_is_taken_with_a_warning():
    with pytest.warns(DataConversionWarning):
        model = classifier().fit(X, CLASSES[:, None])
    assert model.predict(X).shape == (60,)


def test_an_object_array_in_which_every_row_is_labelled():
    """As a fold of one that has strings and -1 may be."""
    y = NAMES[CLASSES].astype(object)
    np.testing.assert_array_equal(classifier(unlabeled=-1).fit(X, y).classes_, np.unique(NAMES))


# Kinds of outputs.


@pytest.mark.parametrize("y", [OUTPUTS, OUTPUTS[:, 0]], ids=["two outputs", "one output"])
def test_predictions_have_the_shape_of_y(y):
    model = regressor(max_iter=20).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    assert model.score(X, y) == pytest.approx(r2_score(y, predicted))


def test_a_column_of_outputs_is_taken_with_a_warning():
    with pytest.warns(DataConversionWarning):
        model = regressor().fit(X, OUTPUTS[:, :1])
    assert_same_fit(model, regressor().fit(X, OUTPUTS[:, 0]))
    assert model.predict(X).shape == (60,)


@tuned_or_not
@pytest.mark.parametrize(("factor", "shift"), [(1e6, 0.0), (1e-3, 0.0), (3.0, 1e4)])
def test_regression_is_equivariant(factor, shift, fine_tune):
    """In any unit, the same training."""
    params = {"fine_tune": fine_tune, "early_stopping": True}
    plain = regressor(**params).fit(X, OUTPUTS)
    scaled = regressor(**params).fit(X, factor * OUTPUTS + shift)
    np.testing.assert_allclose(scaled.predict(X), factor * plain.predict(X) + shift, rtol=1e-6)
    np.testing.assert_allclose(scaled.transform(X), plain.transform(X), rtol=1e-6, atol=1e-9)
    assert scaled.loss_curve_ == pytest.approx(plain.loss_curve_)


def test_outputs_are_equivariant_one_by_one():
    factors, shifts = np.array([1e5, 1e-5]), np.array([0.0, 1.0])
    plain, scaled = (regressor().fit(X, y) for y in (OUTPUTS, factors * OUTPUTS + shifts))
    np.testing.assert_allclose(scaled.predict(X), factors * plain.predict(X) + shifts, rtol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e7])
def test_a_constant_output_is_learned(constant):
    y, inner = np.column_stack([OUTPUTS[:, 0], np.full(60, constant)]), frozen()
    predicted = regressor(inner, **CONVEX).fit(X, y).predict(X)
    np.testing.assert_allclose(predicted[:, 1], constant, rtol=1e-6, atol=1e-3)
    alone = regressor(inner, **CONVEX).fit(X, y[:, 0]).predict(X)
    np.testing.assert_allclose(predicted[:, 0], alone, rtol=1e-4)
