"""Classifiers and regressors: their codes, predictions and what fine-tuning does."""

import copy
from dataclasses import replace

import joblib
import numpy as np
import pytest
import torch
from helpers import (
    NEVER_STOP,
    SMALL,
    X,
    assert_not_fitted,
    assert_same_fit,
    may_be_dead,
    may_collapse,
    small,
)
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from small_supervised import (
    CLASSES,
    CONVEX,
    INNER,
    LABELS,
    OUTPUTS,
    TARGETS,
    assert_consistent,
    before_fine_tuning,
    classifier,
    each_inner,
    each_task,
    fit,
    frozen,
    predictions,
    regressor,
    tuned_or_not,
)

from skae import (
    AutoencoderClassifier,
    AutoencoderRegressor,
    DenoisingAutoencoder,
    StackedAutoencoder,
)

pytestmark = [may_be_dead, may_collapse]


def outputs(model, X):
    """What the output layer makes of the codes, computed from public attributes."""
    return model.transform(X) @ model.coefs_[-1] + model.intercepts_[-1]


# The code.


@tuned_or_not
@each_inner
def test_code_and_probabilities(inner, fine_tune):
    """The code is the autoencoder's; probabilities are the softmax of a linear map of it."""
    model = fit(classifier, inner, fine_tune=fine_tune)
    assert_consistent(model)
    assert model.n_components_ == model.autoencoder_.n_components_
    assert type(model.autoencoder_) is type(inner)
    encoded = model.encoder_(torch.tensor(X))
    np.testing.assert_allclose(encoded.detach().numpy(), model.transform(X), atol=1e-12)
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(probabilities, softmax(outputs(model, X), axis=1), rtol=1e-10)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(probabilities), rtol=1e-10)
    predicted = model.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(X), predicted)


@tuned_or_not
@pytest.mark.parametrize("name", ["StackedAutoencoder", "stacked VAEs", "untuned stack"])
def test_layers_of_a_stack_follow_the_fine_tuning(name, fine_tune):
    model, codes = fit(classifier, INNER[name], fine_tune=fine_tune), X
    for layer in model.autoencoder_.estimators_:
        codes = layer.transform(codes)
    np.testing.assert_allclose(codes, model.transform(X), rtol=1e-12, atol=1e-12)


@each_inner
def test_without_fine_tuning_the_autoencoder_is_as_if_fitted_alone(inner):
    model = fit(classifier, inner, fine_tune=False)
    alone = clone(inner).set_params(random_state=model.autoencoder_.random_state).fit(X)
    assert_same_fit(model.autoencoder_, alone)
    np.testing.assert_array_equal(model.transform(X), alone.transform(X), strict=True)


@each_inner
def test_fine_tuning_changes_the_encoder_and_leaves_the_decoder(inner):
    tuned, untuned = (fit(regressor, inner, fine_tune=tune) for tune in (True, False))
    assert np.abs(tuned.transform(X) - untuned.transform(X)).max() > 1e-6
    if not getattr(inner, "tied_weights", False):
        for name in ("coefs_", "intercepts_"):
            one, other = (getattr(m.autoencoder_, name)[-1] for m in (tuned, untuned))
            np.testing.assert_array_equal(one, other)


@each_task
def test_fine_tuning_starts_where_the_output_layer_has_arrived(make):
    """As steps get small, it changes nothing."""
    still, plain = (
        how(make, frozen(), learning_rate_init=1e-9) for how in (fit, before_fine_tuning)
    )
    np.testing.assert_allclose(predictions(still, X), predictions(plain, X), atol=1e-6)


def test_encoder_takes_missing_cells():
    some_missing = np.where(X > 2, np.nan, X)
    model = classifier(SMALL["DenoisingAutoencoder"]).fit(some_missing, CLASSES)
    encoded = model.encoder_(torch.tensor(some_missing))
    codes = model.transform(some_missing)
    np.testing.assert_allclose(encoded.detach().numpy(), codes, atol=1e-12)


def test_the_prototype_is_not_changed():
    prototype = small("Autoencoder")
    before = joblib.hash(prototype)
    AutoencoderClassifier(prototype, max_iter=1, device="cpu", verbose=False).fit(X, CLASSES)
    assert joblib.hash(prototype) == before


@each_task
def test_the_default_is_a_stack(make):
    model = type(make())(max_iter=1, random_state=0).fit(X[:20], TARGETS[make][:20])
    assert isinstance(model.autoencoder_, StackedAutoencoder)
    assert model.n_components_ == 32
    assert model.autoencoder is None


def with_codes_times(factor, model):
    """A copy of a linear autoencoder whose codes are a multiple of the other's."""
    wide, network = copy.deepcopy(model), model._network_copy()
    for tensor in (*network.encoder_weights, *network.encoder_biases):
        tensor.mul_(factor)
    wide._state = replace(wide._state, weights=network.flat.numpy())
    return wide


@each_task
def test_the_range_of_the_codes_does_not_matter_to_the_output_layer(make):
    narrow = small("Autoencoder", hidden_layer_sizes=()).fit(X)
    wide = with_codes_times(1000.0, narrow)
    np.testing.assert_allclose(wide.transform(X), 1000 * narrow.transform(X))
    found, expected = (
        predictions(fit(make, FrozenEstimator(inner), fine_tune=False), X)
        for inner in (wide, narrow)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@each_task
def test_codes_that_do_not_vary_predict_what_is_common(make):
    inner = with_codes_times(0.0, small("Autoencoder", hidden_layer_sizes=()).fit(X))
    model = fit(make, FrozenEstimator(inner), fine_tune=False)
    assert np.ptp(predictions(model, X), axis=0).max() == 0


# Predictions.


@tuned_or_not
@each_inner
def test_regression_is_linear_in_the_code(inner, fine_tune):
    model = fit(regressor, inner, fine_tune=fine_tune)
    assert_consistent(model)
    np.testing.assert_allclose(model.predict(X), outputs(model, X), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 5.0, 1: 1.0, 2: 0.2}, {1: 3.0}])
def test_an_output_layer_alone_is_logistic_regression(class_weight):
    inner, alpha = frozen(), 0.05
    codes = inner.transform(X)
    model = classifier(inner, alpha=alpha, class_weight=class_weight, **CONVEX).fit(X, CLASSES)
    # Its objective is C * sum over rows + ||W||^2 / 2.
    reference = LogisticRegression(
        C=1 / (len(X) * alpha), class_weight=class_weight, tol=1e-10, max_iter=5000
    ).fit(codes, CLASSES)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(codes), atol=1e-5)
    np.testing.assert_allclose(model.coefs_[-1], reference.coef_.T, atol=1e-4)


def test_an_output_layer_alone_is_logistic_regression_of_two_classes():
    inner, alpha, y = frozen(), 0.05, CLASSES > 1
    codes = inner.transform(X)
    model = classifier(inner, alpha=alpha, **CONVEX).fit(X, y)
    # Two opposite vectors w/2 and -w/2 have half the square of w.
    reference = LogisticRegression(C=2 / (len(X) * alpha), tol=1e-10, max_iter=5000).fit(codes, y)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(codes), atol=1e-5)


@pytest.mark.parametrize("y", [OUTPUTS, OUTPUTS[:, 0]], ids=["two outputs", "one output"])
def test_an_output_layer_alone_is_ridge_regression(y):
    inner, alpha = frozen(), 0.1
    codes = inner.transform(X)
    model = regressor(inner, alpha=alpha, **CONVEX).fit(X, y)
    reference = Ridge(alpha=len(X) * alpha / 2).fit(codes, y)
    np.testing.assert_allclose(model.predict(X), reference.predict(codes), rtol=1e-5, atol=1e-5)


def test_more_weight_more_predictions():
    counts = [
        (fit(classifier, class_weight={0: weight}).predict_proba(X)[:, 0]).mean()
        for weight in (0.1, 1.0, 10.0)
    ]
    assert counts == sorted(counts)


# What fine-tuning does.


def test_loss_is_the_cross_entropy():
    model = fit(classifier, learning_rate_init=1e-12)
    assert model.loss_curve_[0] == pytest.approx(log_loss(CLASSES, model.predict_proba(X)))


def test_loss_counts_class_weights_and_decay():
    params = {"class_weight": {0: 5.0, 2: 0.5}, "alpha": 0.1, "learning_rate_init": 1e-12}
    model = fit(classifier, **params)
    log_p = np.log(model.predict_proba(X))[np.arange(len(X)), CLASSES]
    n_encoder = len(model.coefs_)
    decay = 0.05 * sum(np.square(model.coefs_[k]).sum() for k in range(n_encoder))
    expected = -(np.array([5.0, 1.0, 0.5])[CLASSES] * log_p).mean() + decay
    assert model.loss_curve_[0] == pytest.approx(expected)
    balanced = fit(classifier, class_weight="balanced", learning_rate_init=1e-12)
    log_p = np.log(balanced.predict_proba(X))[np.arange(len(X)), CLASSES]
    expected = -np.mean([log_p[k == CLASSES].mean() for k in range(3)])
    assert balanced.loss_curve_[0] == pytest.approx(expected)


def test_loss_is_the_squared_error_of_standardized_outputs():
    model = fit(regressor, learning_rate_init=1e-12)
    errors = (model.predict(X) - OUTPUTS) / OUTPUTS.std(axis=0)
    assert model.loss_curve_[0] == pytest.approx(np.square(errors).sum(axis=1).mean())


ONE_STEP = {"max_iter": 1, "solver": "sgd", "learning_rate_init": 0.05, "batch_size": 60}


def torchs_step(start, error, scale=1.0, offset=0.0):
    """Torch's own step of everything, by its own autograd: codes and outputs after it.

    In training, rows are counted from the mean of those that the autoencoder has seen first,
    and outputs from an offset, in units of a scale.
    """
    head = torch.nn.Linear(*start.coefs_[-1].shape, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.tensor(start.coefs_[-1] / scale).T)
        head.bias.copy_(torch.tensor((start.intercepts_[-1] - offset) / scale))
    encoder, mean = start.autoencoder_.encoder_.requires_grad_(), torch.tensor(X.mean(axis=0))
    with torch.no_grad():
        encoder[0].bias += encoder[0].weight @ mean
    x = torch.tensor(X) - mean
    parameters = [*encoder.parameters(), *head.parameters()]
    solver = torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True)
    mean_code = (lambda code: code[0]) if isinstance(encoder(x), tuple) else (lambda code: code)
    error(head(mean_code(encoder(x)))).backward()
    solver.step()
    codes = mean_code(encoder(x))
    return codes.detach().numpy(), head(codes).detach().numpy()


@each_inner
def test_fine_tuning_takes_torchs_steps(inner):
    """No corruption, no penalty of the pretraining, no noise: the clean code alone."""
    inner, y = FrozenEstimator(clone(inner).fit(X)), torch.tensor(CLASSES)
    tuned, start = (make(classifier, inner, **ONE_STEP) for make in (fit, before_fine_tuning))
    codes, after = torchs_step(start, lambda out: torch.nn.functional.cross_entropy(out, y))
    np.testing.assert_allclose(tuned.transform(X), codes, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(outputs(tuned, X), after, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["Autoencoder", "VAE", "top-k"])
def test_fine_tuning_takes_torchs_steps_in_regression(name):
    inner = FrozenEstimator(clone(INNER[name]).fit(X))
    scale, mean = OUTPUTS.std(axis=0), OUTPUTS.mean(axis=0)
    y = torch.tensor((OUTPUTS - mean) / scale)
    tuned, start = (make(regressor, inner, **ONE_STEP) for make in (fit, before_fine_tuning))
    error = lambda out: (out - y).square().sum(dim=1).mean()  # noqa: E731
    codes, after = torchs_step(start, error, scale, mean)
    np.testing.assert_allclose(tuned.transform(X), codes, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(tuned.predict(X), after * scale + mean, rtol=1e-9, atol=1e-9)


FASTER = {"max_iter": 20, "batch_size": 100, "learning_rate_init": 0.01, "random_state": 0}


def test_it_learns_digits(digits):
    """From pretrained codes that are of use, but not made for the task."""
    train, test = slice(None, 1200), slice(1200, None)
    layer = DenoisingAutoencoder(max_iter=5, batch_size=200, learning_rate_init=0.005)
    steps = {"max_iter": 5, "batch_size": 200, "learning_rate_init": 1e-3}
    stack = StackedAutoencoder((40, 20), estimator=layer, **steps, random_state=0)
    model = AutoencoderClassifier(FrozenEstimator(stack.fit(digits[train])), **FASTER)

    def accuracy(**params):
        fitted = clone(model).set_params(**params).fit(digits[train], LABELS[train])
        return fitted.score(digits[test], LABELS[test])

    tuned, unmoved = accuracy(), accuracy(fine_tune=False)
    assert tuned > max(0.85, unmoved)
    assert unmoved > accuracy(fine_tune=False, learning_rate_init=1e-12) + 0.15


def test_it_learns_to_regress(digits):
    y = np.column_stack([LABELS == 0, digits.sum(axis=1)]).astype(float)
    inner = frozen("Autoencoder", digits, n_components=10, hidden_layer_sizes=(), batch_size=100)
    tuned, unmoved = (
        AutoencoderRegressor(inner, fine_tune=tune, **FASTER).fit(digits, y).score(digits, y)
        for tune in (True, False)
    )
    assert tuned > max(0.75, unmoved + 0.05)
    assert unmoved > 0.1


def test_fine_tuning_lowers_the_training_loss():
    tuned = fit(classifier, max_iter=30)
    assert tuned.loss_ < fit(classifier, max_iter=30, fine_tune=False).loss_
    assert tuned.loss_curve_[-1] < tuned.loss_curve_[0]


@tuned_or_not
@each_task
def test_n_iter_counts_both_stages(make, fine_tune):
    model = fit(make, fine_tune=fine_tune, max_iter=3, **NEVER_STOP)
    assert model.n_iter_ == (6 if fine_tune else 3)
    assert len(model.loss_curve_) == 3
    assert model.validation_loss_curve_ is None
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)


@each_task
def test_a_second_fit_starts_anew(make):
    model = fit(make)
    model.fit(X, TARGETS[make])
    assert_same_fit(model, fit(make))
    assert model.n_iter_ == fit(make).n_iter_


# Frozen autoencoders.


@tuned_or_not
@each_inner
def test_a_frozen_autoencoder_is_neither_changed_nor_refitted(inner, fine_tune, monkeypatch):
    original = clone(inner).fit(X)
    before, codes = joblib.hash(original), original.transform(X)

    def refit(self, X, y=None):
        raise AssertionError("refitted")

    monkeypatch.setattr(type(original), "fit", refit)
    for make in TARGETS:
        model = fit(make, FrozenEstimator(original), fine_tune=fine_tune, max_iter=1)
        assert joblib.hash(original) == before
        assert_consistent(model)
        assert np.array_equal(model.transform(X), codes) is not fine_tune


def test_a_frozen_autoencoder_may_be_searched_with():
    inner = frozen()
    grid = {"learning_rate_init": [1e-12, 0.1]}
    search = GridSearchCV(classifier(inner, max_iter=10), grid, cv=3).fit(X, CLASSES)
    assert search.best_params_ == {"learning_rate_init": 0.1}
    assert search.best_estimator_.autoencoder is inner


@each_task
@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "f4")])
def test_the_frozen_autoencoders_dtype_is_used(dtypes, make):
    its, given = dtypes
    inner = frozen(X=X.astype(its))
    model = make(inner).fit(X.astype(given), TARGETS[make])
    assert model.transform(X.astype(given)).dtype == its
    assert {w.dtype for w in model.coefs_} == {np.dtype(its)}


@each_task
def test_a_frozen_autoencoder_of_other_features(make):
    model = make(frozen(X=X[:, :4]))
    with pytest.raises(ValueError, match=r"X has 6 features.*frozen Autoencoder.*on 4"):
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


@each_task
def test_a_frozen_autoencoder_must_be_fitted(make):
    with pytest.raises(NotFittedError, match="This Autoencoder instance is not fitted"):
        make(FrozenEstimator(small("Autoencoder"))).fit(X, TARGETS[make])
