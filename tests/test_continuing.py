"""Classifiers and regressors that go on training: `partial_fit` and `warm_start`."""

import pickle

import numpy as np
import pytest
from helpers import (
    LABELS,
    NEVER_STOP,
    SMALL,
    TRAINING,
    X,
    assert_not_fitted,
    assert_same_fit,
    may_be_dead,
    may_collapse,
    small,
    weights,
)
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import learning_curve, train_test_split

from skae import Autoencoder, AutoencoderClassifier

pytestmark = [may_be_dead, may_collapse]

OUTPUTS = np.column_stack([3 * X[:, 0] + 10, X[:, 1] * X[:, 2]])
TARGETS = {"AutoencoderClassifier": LABELS, "AutoencoderRegressor": OUTPUTS}
FIRST = {"AutoencoderClassifier": {"classes": [0, 1, 2]}, "AutoencoderRegressor": {}}
each_task = pytest.mark.parametrize("name", TARGETS)
each_inner = pytest.mark.parametrize("inner", SMALL)
tuned_or_not = pytest.mark.parametrize("fine_tune", [True, False])


def model_of(name, inner="Autoencoder", **params):
    return small(name, autoencoder=clone(SMALL[inner]), **params)


def go_on(model, times=1, rows=slice(None)):
    """The model, after a first call that says what the classes are, or later ones."""
    name = type(model).__name__
    for _ in range(times):
        model.partial_fit(X[rows], TARGETS[name][rows], **FIRST[name])
    return model


def saved(model):
    return pickle.loads(pickle.dumps(model))


# From the beginning.


@tuned_or_not
@each_inner
@each_task
def test_it_begins_with_the_autoencoders_first_epoch(name, inner, fine_tune):
    model = go_on(model_of(name, inner, fine_tune=fine_tune))
    params = {"random_state": model.autoencoder_.random_state}
    expected = clone(SMALL[inner]).set_params(**params).partial_fit(X)
    assert model.n_iter_ == len(model.loss_curve_) == 1
    assert model.autoencoder_.n_iter_ == 1
    same = np.array_equal(model.transform(X), expected.transform(X))
    assert same is not fine_tune


@each_task
def test_a_frozen_autoencoder_is_where_it_begins(name):
    frozen = small("Autoencoder").fit(X)
    model = model_of(name, fine_tune=False).set_params(autoencoder=FrozenEstimator(frozen))
    np.testing.assert_array_equal(go_on(model, 2).transform(X), frozen.transform(X))


@each_task
def test_an_autoencoder_that_takes_all_rows_at_once_begins_untrained(name):
    model = model_of(name).set_params(autoencoder__solver="lbfgs")
    assert go_on(model, 2).n_iter_ == 2
    assert model.autoencoder_.n_iter_ == 0


def test_unlabelled_rows_serve_the_first_epoch_alone():
    y = np.where(np.arange(60) % 2, np.nan, X[:, 0])
    model = model_of("AutoencoderRegressor", fine_tune=False).partial_fit(X, y)
    only = model_of("AutoencoderRegressor", fine_tune=False).partial_fit(X[::2], y[::2])
    assert not np.array_equal(model.transform(X), only.transform(X))
    once, again = saved(model), saved(model)
    assert_same_fit(once.partial_fit(X, y), again.partial_fit(X[::2], y[::2]))


# Going on.


@tuned_or_not
@each_inner
@each_task
def test_pickled_models_go_on_to_the_same_bits(name, inner, fine_tune):
    expected, model = model_of(name, inner, fine_tune=fine_tune), None
    go_on(expected, 3)
    model = model_of(name, inner, fine_tune=fine_tune)
    for _ in range(3):
        model = saved(go_on(model))
    assert_same_fit(model, expected)
    assert model.n_iter_ == 3


@tuned_or_not
@each_task
def test_after_a_fit_it_goes_on_with_the_last_part(name, fine_tune):
    params = {**NEVER_STOP, "fine_tune": fine_tune}
    longer = model_of(name, **params, max_iter=6).fit(X, TARGETS[name])
    model = model_of(name, **params, max_iter=4).fit(X, TARGETS[name])
    before = model.autoencoder_.loss_curve_
    if fine_tune:  # the output layer's training was as long in one as in the other
        longer = saved(model)
        longer.set_params(warm_start=True, max_iter=2).fit(X, TARGETS[name])
    go_on(model, 2)
    np.testing.assert_allclose(weights(model), weights(longer), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.loss_curve_, longer.loss_curve_, rtol=1e-9)
    assert model.autoencoder_.loss_curve_ == before
    assert len(model.loss_curve_) == 6
    assert model.n_iter_ == (10 if fine_tune else 6)


@each_task
def test_chunks_may_lack_classes_and_differ_in_length(name):
    model = model_of(name)
    for rows in (LABELS == 0, LABELS == 1, slice(40, 60)):
        go_on(model, rows=rows)
    assert np.isfinite(weights(model)).all()
    assert getattr(model, "classes_", np.arange(3)).tolist() == [0, 1, 2]


def test_outputs_keep_the_first_calls_scale():
    model = model_of("AutoencoderRegressor").partial_fit(X, OUTPUTS[:, 0])
    before = model.predict(X)
    model.set_params(learning_rate_init=1e-12).partial_fit(X, 1e3 * OUTPUTS[:, 0])
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-6)


@tuned_or_not
def test_weights_count(fine_tune):
    counts = np.arange(60) % 3 > 0
    found = model_of("AutoencoderRegressor", fine_tune=fine_tune)
    expected = clone(found)
    for _ in range(2):
        found.partial_fit(X, OUTPUTS, sample_weight=counts)
        expected.partial_fit(X[counts], OUTPUTS[counts])
    assert_same_fit(found, expected)


def test_passes_over_chunks_come_to_what_fit_comes_to():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    fitted = AutoencoderClassifier(Autoencoder(16, max_iter=30), random_state=0)
    fitted.fit(X_train, y_train)
    model = AutoencoderClassifier(Autoencoder(16), random_state=0)
    for _ in range(30):
        for start in range(0, len(X_train), 200):
            rows = slice(start, start + 200)
            model.partial_fit(X_train[rows], y_train[rows], classes=range(10))
    assert model.score(X_test, y_test) > fitted.score(X_test, y_test) - 0.01


def test_learning_curves_of_incremental_learning():
    sizes, *_ = learning_curve(
        small("AutoencoderClassifier"), X, LABELS, cv=2, exploit_incremental_learning=True
    )
    assert len(sizes) == 5


# Warm starts.


@tuned_or_not
@each_task
def test_a_warm_start_pretrains_nothing_again(name, fine_tune):
    model = model_of(name, warm_start=True, fine_tune=fine_tune).fit(X, TARGETS[name])
    n_before, pretrained = len(model.loss_curve_), model.autoencoder_.loss_curve_
    model.fit(X, TARGETS[name])
    assert model.autoencoder_.loss_curve_ == pretrained
    assert model.n_iter_ == len(model.loss_curve_) - n_before > 0


@each_task
def test_the_first_fit_is_as_without_warm_start(name):
    first = model_of(name, warm_start=True).fit(X, TARGETS[name])
    assert_same_fit(first, model_of(name).fit(X, TARGETS[name]))


@each_task
def test_a_warm_start_that_diverges_leaves_the_model_as_it_was(name):
    model = model_of(name, warm_start=True).fit(X, TARGETS[name])
    before = weights(model)
    model.set_params(solver="sgd", learning_rate_init=1e8, max_iter=50)
    with pytest.raises(ValueError, match="diverged"):
        model.fit(X, TARGETS[name])
    np.testing.assert_array_equal(weights(model), before)


@each_task
def test_a_warm_start_holds_out_the_same_rows(name):
    model = model_of(name, warm_start=True, early_stopping=True).fit(X, TARGETS[name])
    best = model.best_loss_
    assert model.fit(X, TARGETS[name]).best_loss_ <= best


@each_task
def test_a_warm_start_without_held_out_rows_forgets_their_losses(name):
    model = model_of(name, warm_start=True, early_stopping=True).fit(X, TARGETS[name])
    model.set_params(early_stopping=False).fit(X, TARGETS[name])
    assert model.validation_loss_curve_ is None
    assert model.best_loss_ == min(model.loss_curve_)


# Wrong calls.


def assert_unchanged(model, error, message, *args, method="partial_fit", **kwargs):
    before = weights(model)
    with pytest.raises(error, match=message):
        getattr(model, method)(*args, **kwargs)
    np.testing.assert_array_equal(weights(model), before)


def test_the_first_call_needs_the_classes():
    model = model_of("AutoencoderClassifier")
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, LABELS)
    assert_not_fitted(model)
    assert not hasattr(model, "classes_")


def test_classes_may_not_change():
    model = go_on(model_of("AutoencoderClassifier"))
    message = "not the same as on last call"
    assert_unchanged(model, ValueError, message, X, LABELS, classes=[0, 1])


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_labels_may_not_be_new(method):
    model = go_on(model_of("AutoencoderClassifier", warm_start=True))
    assert_unchanged(model, ValueError, "classes not in", X, LABELS + 1, method=method)


def test_a_first_call_with_other_labels_leaves_nothing():
    model = model_of("AutoencoderClassifier")
    with pytest.raises(ValueError, match="classes not in"):
        model.partial_fit(X, LABELS, classes=[0, 1])
    assert_not_fitted(model)
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_outputs_may_not_be_more(method):
    model = go_on(model_of("AutoencoderRegressor", warm_start=True))
    assert_unchanged(model, ValueError, "y has 1 outputs", X, X[:, 0], method=method)


def test_no_call_sees_what_is_balanced():
    model = model_of("AutoencoderClassifier", class_weight="balanced")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as raised:
        model.partial_fit(X, LABELS, classes=[0, 1, 2])
    assert "class_weight='balanced'" in str(raised.value.__cause__)


@each_task
def test_lbfgs_has_no_partial_fit(name):
    assert not hasattr(model_of(name, solver="lbfgs"), "partial_fit")


@each_task
def test_a_fresh_fit_forgets_what_partial_fit_has_got(name):
    expected = model_of(name).fit(X, TARGETS[name])
    assert_same_fit(go_on(model_of(name)).fit(X, TARGETS[name]), expected)
    refitted = AutoencoderClassifier(SMALL["Autoencoder"], **TRAINING)
    refitted.partial_fit(X, LABELS, classes=range(3)).fit(X, LABELS > 0)
    assert refitted.classes_.tolist() == [False, True]
