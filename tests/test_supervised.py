"""Autoencoders that predict: pretraining, output layer, fine-tuning, and who sees which rows."""

import copy
import itertools
import pickle
import random
from dataclasses import replace

import joblib
import numpy as np
import pytest
import torch
from helpers import (
    NEVER_STOP,
    SMALL,
    TRAINING,
    UNIT_X,
    X,
    assert_not_fitted,
    assert_same_fit,
    fitted_state,
    may_be_dead,
    may_collapse,
    small,
    weights,
)
from scipy.sparse import csr_array
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import get_tags

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._engine.data import split_rows
from skae._engine.streams import stream_seed

try:
    from sklearn.callback.tests import _utils as doubles
except ImportError:
    doubles = None

needs_callbacks = pytest.mark.skipif(doubles is None, reason="needs scikit-learn 1.9")
pytestmark = [may_be_dead, may_collapse]

CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)  # 0, 1 or 2
OUTPUTS = np.column_stack([3 * X[:, 0] + 10, X[:, 1] * X[:, 2]])
INNER = {
    **SMALL,
    "top-k": SparseAutoencoder(8, sparsity="topk", n_active=3, **TRAINING),
    "deep contractive": ContractiveAutoencoder(3, hidden_layer_sizes=(5,), **TRAINING),
    "tied VAE": VAE(3, hidden_layer_sizes=(5,), tied_weights=True, **TRAINING),
    "stacked VAEs": StackedAutoencoder((5, 3), estimator=VAE(max_iter=2), **TRAINING),
    "untuned stack": StackedAutoencoder((5, 3), fine_tune=False, **TRAINING),
}
INNER["untuned stack"].set_params(estimator=SparseAutoencoder(max_iter=2))
each_inner = pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
tuned_or_not = pytest.mark.parametrize("fine_tune", [True, False])


def classifier(inner=SMALL["Autoencoder"], **params):
    """A small one, not fitted."""
    return AutoencoderClassifier(copy_of(inner), **{**TRAINING, **params})


def regressor(inner=SMALL["Autoencoder"], **params):
    """A small one, not fitted."""
    return AutoencoderRegressor(copy_of(inner), **{**TRAINING, **params})


def copy_of(inner):
    return clone(inner) if hasattr(inner, "fit") else inner


TARGETS = {classifier: CLASSES, regressor: OUTPUTS}
each_task = pytest.mark.parametrize("make", TARGETS)


def fit(make, *args, **params):
    """A small classifier or regressor, fitted."""
    return make(*args, **params).fit(X, TARGETS[make])


def before_fine_tuning(make, *args, **params):
    """A small classifier or regressor as its fine-tuning finds it."""
    model = make(*args, **params)
    model._train_all = lambda *_: None
    model.fit(X, TARGETS[make])
    del model._train_all
    return model


def frozen(name="Autoencoder", X=X, **params):
    """A fitted small autoencoder that is not to be fitted again."""
    return FrozenEstimator(small(name, **params).fit(X))


def outputs(model, X):
    """What the output layer makes of the codes, computed from public attributes."""
    return model.transform(X) @ model.coefs_[-1] + model.intercepts_[-1]


def predictions(model, X):
    """What is most telling of a model's predictions."""
    return getattr(model, "predict_proba", model.predict)(X)


def assert_consistent(model):
    """The parts of a usable model agree with each other."""
    codes = model.transform(X)
    np.testing.assert_allclose(codes, model.autoencoder_.transform(X), rtol=1e-12, atol=1e-12)
    assert np.isfinite(predictions(model, X)).all()


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


CONVEX = {"fine_tune": False, "solver": "lbfgs", "max_iter": 3000, "tol": 0.0}


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


LABELS = load_digits().target
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
    assert tuned > max(0.85, unmoved + 0.03)
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


# Unlabelled rows.

UNLABELLED = np.arange(60) % 4 == 1
MARKED = {
    "number": (np.where(UNLABELLED, -1, CLASSES), -1),
    "NaN": (np.where(UNLABELLED, np.nan, CLASSES), np.nan),
    "string": (np.where(UNLABELLED, "?", CLASSES.astype(str)), "?"),
    "strings and a number": (np.where(UNLABELLED, -1, CLASSES.astype(str).astype(object)), -1),
    "object": (np.where(UNLABELLED, "none", CLASSES.astype(str).astype(object)), "none"),
}
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


# Errors.


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
    with pytest.raises(ValueError, match=r"unlabeled=-1 is .*mark .*dtype object"):
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
    "two columns": (X, OUTPUTS, "2 columns, but with values other than 0 and 1"),
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

NAMES = np.array(["no", "yes", "maybe"])
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


# Early stopping.


def held_out(y, fraction=0.3, seed=0):
    """The rows that are held out, of labelled rows with classes y."""
    return split_rows(len(y), fraction, seed, strata=y).held_out.numpy()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.07, 0.3, 0.5, 0.8])
def test_held_out_rows_are_stratified(fraction, seed):
    y = np.random.default_rng(seed).choice(4, size=101, p=[0.6, 0.3, 0.08, 0.02])
    split = split_rows(101, fraction, seed, strata=y)
    rows, rest = split.held_out.numpy(), split.training.numpy()
    assert len(rows) == np.ceil(fraction * 101)
    np.testing.assert_array_equal(np.sort([*rows, *rest]), np.arange(101))
    shares = np.bincount(y[rows], minlength=4) - np.bincount(y, minlength=4) * len(rows) / 101
    assert np.abs(shares).max() <= 1
    assert not np.array_equal(np.sort(rows), np.sort(split_rows(101, fraction, 9, y).held_out))


def test_every_row_is_as_likely_to_be_held_out():
    y = np.repeat([0, 1, 2], [10, 7, 3])
    draws = [split_rows(20, 0.3, seed, strata=y).held_out.numpy() for seed in range(2000)]
    share = np.bincount(np.concatenate(draws), minlength=20) / 2000
    np.testing.assert_allclose(share[y == 0], share[y == 0].mean(), atol=0.05)
    np.testing.assert_allclose(share[y == 2], share[y == 2].mean(), atol=0.05)


EARLY = {"early_stopping": True, "validation_fraction": 0.3, "max_iter": 6, **NEVER_STOP}


@each_task
def test_held_out_rows_teach_nothing(make):
    """Neither pretraining nor training sees them: whatever they are, weights are the same."""
    rows = split_rows(60, 0.3, 0, strata=CLASSES if make is classifier else None).held_out
    other = X.copy()
    other[rows] *= 0.9
    params = {**EARLY, "max_iter": 1}  # with a single epoch, there is nothing to choose
    one, changed = (make(**params).fit(x, TARGETS[make]) for x in (X, other))
    np.testing.assert_array_equal(weights(one), weights(changed))
    np.testing.assert_array_equal(weights(one.autoencoder_), weights(changed.autoencoder_))
    assert one.loss_curve_ == changed.loss_curve_
    assert one.validation_loss_curve_ != changed.validation_loss_curve_


def test_held_out_rows_of_labelled_ones():
    y, mark = MARKED["number"]
    rows = np.flatnonzero(~UNLABELLED)[held_out(CLASSES[~UNLABELLED])]
    model = classifier(unlabeled=mark, **EARLY).fit(X, y)
    pretrained = clone(SMALL["Autoencoder"]).set_params(
        random_state=model.autoencoder_.random_state
    )
    pretrained.fit(np.delete(X, rows, axis=0))
    assert model.autoencoder_.loss_curve_ == pretrained.loss_curve_


@tuned_or_not
def test_the_best_weights_are_restored(fine_tune):
    params = {**EARLY, "max_iter": 60, "learning_rate_init": 0.1, "fine_tune": fine_tune}
    model = fit(classifier, **params)
    rows, curve = held_out(CLASSES), model.validation_loss_curve_
    assert len(curve) == len(model.loss_curve_) == 60
    assert min(curve) < curve[-1]
    loss = log_loss(CLASSES[rows], model.predict_proba(X[rows]))
    assert loss == pytest.approx(min(curve), rel=1e-9)
    assert model.best_loss_ == min(curve)
    assert_consistent(model)


def test_the_best_weights_of_a_regression_are_restored():
    model = fit(regressor, **{**EARLY, "max_iter": 60, "learning_rate_init": 0.1})
    rows = split_rows(60, 0.3, 0).held_out.numpy()
    errors = (model.predict(X) - OUTPUTS)[rows] / OUTPUTS.std(axis=0)
    loss = np.square(errors).sum(axis=1).mean()
    assert loss == pytest.approx(min(model.validation_loss_curve_), rel=1e-9)


@each_task
def test_too_large_a_validation_fraction(make):
    with pytest.raises(ValueError, match=r"validation_fraction=0.99.* leaves no rows"):
        fit(make, early_stopping=True, validation_fraction=0.99)


# Randomness and state.


@each_task
def test_same_seed_same_bits(make):
    one, again = (fit(make, early_stopping=True) for _ in range(2))
    assert_same_fit(one, again)
    assert_same_fit(one.autoencoder_, again.autoencoder_)
    np.testing.assert_array_equal(predictions(one, X), predictions(again, X))
    other = fit(make, early_stopping=True, random_state=1)
    assert np.abs(weights(one) - weights(other)).min() > 0
    assert one.autoencoder_.random_state == stream_seed(0, "layers") % 2**32


@each_task
def test_the_autoencoders_own_seed_is_not_used(make):
    one, other = (fit(make, small("Autoencoder", random_state=seed)) for seed in (0, 1))
    assert_same_fit(one, other)


@each_task
def test_global_generators_are_neither_read_nor_changed(make):
    def states():
        return str(np.random.get_state()), random.getstate(), torch.get_rng_state().tolist()

    before = states()
    one = fit(make)
    assert states() == before
    np.random.rand(), torch.rand(1)
    assert_same_fit(one, fit(make))


@each_inner
def test_pickled_and_copied_models_are_the_same(inner, tmp_path):
    for make in TARGETS:
        model = fit(make, inner, max_iter=1)
        joblib.dump(model, tmp_path / "model")
        loaded = pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")
        for other in (*loaded, copy.deepcopy(model)):
            assert_same_fit(other, model)
            assert_same_fit(other.autoencoder_, model.autoencoder_)
            assert vars(other).keys() == vars(model).keys()
            np.testing.assert_array_equal(predictions(other, X), predictions(model, X))
            np.testing.assert_array_equal(other.transform(X), model.transform(X))


@each_task
def test_a_shallow_copy_keeps_its_weights(make):
    model = fit(make)
    other = copy.copy(model)
    before = fitted_state(other)
    model.set_params(random_state=1).fit(X, TARGETS[make])
    assert fitted_state(other) == before


@each_task
def test_clones_are_not_fitted(make):
    model = fit(make)
    unfitted = clone(model)
    assert_not_fitted(unfitted)
    assert_same_fit(unfitted.fit(X, TARGETS[make]), model)


@each_task
def test_verbose_speaks_of_all_stages(make, capsys):
    model = fit(make, verbose=True, **NEVER_STOP)
    lines = capsys.readouterr().out.splitlines()
    name = type(model).__name__
    assert [line.split("]")[0][1:] for line in lines] == (  # settings, then an epoch each
        ["Autoencoder"] * (1 + 4) + [name] * 2 * (1 + 4)
    )
    phases = [line.split("] ")[1].split(": ")[0] for line in lines]
    assert phases == [
        phase for phase in ("pretraining", "output layer", "fine-tuning") for _ in range(1 + 4)
    ]


def test_verbose_names_the_phases_of_a_phase(capsys):
    classifier(SMALL["StackedAutoencoder"], max_iter=1, verbose=True).fit(X, CLASSES)
    lines = capsys.readouterr().out.splitlines()
    layer = "[DenoisingAutoencoder] pretraining, layer 1 of 2: "
    assert lines[1].startswith(f"{layer}epoch 1/2, loss ")
    assert lines[-5].startswith("[StackedAutoencoder] pretraining, fine-tuning: epoch 4/4, loss ")
    assert lines[-1].startswith("[AutoencoderClassifier] fine-tuning: epoch 1/1, loss ")


# Interrupts and failures.


def interrupt(monkeypatch, cls, batch):
    """Let the batch of this number, counted over the whole fit, raise KeyboardInterrupt."""
    objective, count = cls._objective, itertools.count(1)

    def interrupted(self, *args):
        if next(count) == batch:
            raise KeyboardInterrupt
        return objective(self, *args)

    monkeypatch.setattr(cls, "_objective", interrupted)


@each_task
@pytest.mark.parametrize("fitted_before", [False, True])
def test_interrupted_in_the_pretraining(make, fitted_before, monkeypatch):
    model = fit(make) if fitted_before else make()
    interrupt(monkeypatch, Autoencoder, batch=7)  # its second epoch
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


@each_task
def test_interrupted_in_the_output_layers_first_epoch(make, monkeypatch):
    model = make()
    interrupt(monkeypatch, type(model), batch=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


@each_task
def test_interrupted_while_the_output_layer_is_trained(make, monkeypatch):
    expected = before_fine_tuning(make, max_iter=2)
    model = make(max_iter=10)
    interrupt(monkeypatch, type(model), batch=2 * 4 + 3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert_same_fit(model, expected)
    assert_consistent(model)
    assert vars(model).keys() == vars(expected).keys()
    assert model.n_iter_ == 2
    np.testing.assert_array_equal(predictions(model, X), predictions(expected, X))


@each_task
def test_interrupted_in_the_first_epoch_of_fine_tuning(make, monkeypatch):
    expected = before_fine_tuning(make)
    model = make()
    interrupt(monkeypatch, type(model), batch=4 * 4 + 3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert_same_fit(model, expected)
    assert_consistent(model)
    np.testing.assert_array_equal(predictions(model, X), predictions(expected, X))


@each_task
def test_interrupted_while_fine_tuning(make, monkeypatch):
    params = {"max_iter": 5, **NEVER_STOP}
    complete = fit(make, **params)
    model = make(**params)
    interrupt(monkeypatch, type(model), batch=5 * 4 + 2 * 4 + 3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert model.loss_curve_ == complete.loss_curve_[:2]
    assert model.n_iter_ == 5 + 2
    assert_consistent(model)
    assert vars(model).keys() == vars(complete).keys()


@each_task
@pytest.mark.parametrize("fitted_before", [False, True])
def test_diverged_models_are_not_fitted(make, fitted_before):
    model = fit(make) if fitted_before else make()
    model.set_params(solver="sgd", learning_rate_init=1e200, max_iter=100)
    with pytest.raises(ValueError, match="Training diverged"):
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


@each_task
def test_models_that_diverge_in_fine_tuning_are_not_fitted(make, monkeypatch):
    objective, model = make().__class__._objective, make()

    def diverging(self, network, x, *rest):
        value = objective(self, network, x, *rest)
        return value * np.inf if network.perceptron.sizes[0] == 6 else value

    monkeypatch.setattr(type(model), "_objective", diverging)
    with pytest.raises(ValueError, match=r"Training diverged.*epoch 5"):  # 4 were the layer's
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


# Callbacks.


def told(callback, hook):
    """Pairs (class of the estimator, task) of the calls of a hook, in order."""
    return [
        (type(call["estimator"]).__name__, call["context"].task_name)
        for call in callback.record
        if call["name"] == hook
    ]


@needs_callbacks
@tuned_or_not
@each_task
def test_tasks_are_nested(make, fine_tune):
    callback = doubles.RecordingAutoPropagatedCallback()
    model = make(fine_tune=fine_tune, **NEVER_STOP).set_callbacks(callback)
    model.fit(X, TARGETS[make])
    name, epochs = type(model).__name__, 4 * ["epoch"]
    own = ["output layer", *epochs, *(["fine-tuning", *epochs] if fine_tune else [])]
    assert told(callback, "on_fit_task_begin") == [
        (name, "fit"),
        *(("Autoencoder", task) for task in ("fit", *epochs)),
        *((name, task) for task in own),
    ]
    assert callback.count_hooks("on_fit_task_begin") == callback.count_hooks("on_fit_task_end")
    assert callback.count_hooks("setup") == callback.count_hooks("teardown") == 1


@needs_callbacks
@each_task
def test_a_frozen_autoencoder_has_no_pretraining_task(make):
    callback = doubles.RecordingCallback()
    make(frozen()).set_callbacks(callback).fit(X, TARGETS[make])
    stages = [task for _, task in told(callback, "on_fit_task_begin") if task != "epoch"]
    assert stages == ["fit", "output layer", "fine-tuning"]


@needs_callbacks
def test_callbacks_are_shown_labelled_rows():
    callback = doubles.RecordingCallback()
    y, mark = MARKED["number"]
    classifier(unlabeled=mark).set_callbacks(callback).fit(X, y)
    shown = [call["kwargs"] for call in callback.record if "kwargs" in call]
    assert shown
    for kwargs in shown:
        np.testing.assert_array_equal(kwargs["X"], X[~UNLABELLED])
        np.testing.assert_array_equal(kwargs["y"], CLASSES[~UNLABELLED])


@needs_callbacks
@each_task
def test_callbacks_change_no_result_and_leave_no_context(make):
    callback = doubles.RecordingAutoPropagatedCallback()
    told_of = make().set_callbacks(callback).fit(X, TARGETS[make])
    assert_same_fit(told_of, fit(make))
    assert vars(told_of).keys() - vars(fit(make)).keys() == {"_skl_callbacks"}


@needs_callbacks
@each_task
def test_callbacks_see_a_usable_model_after_each_epoch(make):
    callback = doubles.RecordingCallback()
    model = make(**NEVER_STOP).set_callbacks(callback).fit(X, TARGETS[make])
    seen = [
        call["kwargs"]["fitted_estimator"]
        for call in callback.record
        if call["name"] == "on_fit_task_end" and call["context"].task_name == "epoch"
    ]
    assert [fitted.n_iter_ for fitted in seen] == [1, 2, 3, 4, 5, 6, 7, 8]
    np.testing.assert_array_equal(predictions(seen[-1], X), predictions(model, X))
    for fitted in seen:
        assert_consistent(fitted)


@needs_callbacks
@each_task
def test_a_callback_may_stop_each_stage(make):
    model = make().set_callbacks(doubles.StopFitCallback()).fit(X, TARGETS[make])
    assert model.n_iter_ == 2
    assert_consistent(model)


# With the rest of scikit-learn.


def test_cross_validation():
    assert cross_val_score(classifier(max_iter=40), X, CLASSES, cv=3).mean() > 0.4
    scores = cross_val_score(regressor(max_iter=40), X, OUTPUTS, cv=3)
    assert np.isfinite(scores).all()


def test_grid_search_over_the_layers():
    inner = StackedAutoencoder(estimator=DenoisingAutoencoder(max_iter=1), max_iter=1)
    grid = {
        "autoencoder__estimator__corruption_level": [0.1, 0.5],
        "autoencoder__layer_sizes": [(4,), (5, 3)],
    }
    search = GridSearchCV(classifier(inner, max_iter=2), grid, cv=2).fit(X, CLASSES)
    best = search.best_estimator_.autoencoder_
    assert len(best.estimators_) == len(search.best_params_["autoencoder__layer_sizes"])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@each_task
def test_at_the_end_of_a_pipeline(make):
    y, scaled = TARGETS[make], StandardScaler().fit_transform(X)
    pipeline = make_pipeline(StandardScaler(), make()).fit(X, y)
    assert pipeline.score(X, y) == make().fit(scaled, y).score(scaled, y)


@each_task
def test_as_a_transformer(make):
    pipeline = make_pipeline(make(max_iter=30), LogisticRegression()).fit(X, CLASSES)
    codes = make(max_iter=30).fit_transform(X, CLASSES)
    np.testing.assert_array_equal(pipeline[0].transform(X), codes)
    assert pipeline.score(X, CLASSES) > 0.4


@each_task
def test_frames_out(make):
    pandas = pytest.importorskip("pandas")
    rows = pandas.DataFrame(X, columns=list("abcdef"))
    model = make().set_output(transform="pandas").fit(rows, TARGETS[make])
    names = [f"{type(model).__name__.lower()}{k}" for k in range(3)]
    assert list(model.get_feature_names_out()) == names
    assert list(model.transform(rows).columns) == names
    assert list(model.feature_names_in_) == list("abcdef")
    assert isinstance(predictions(model, rows), np.ndarray)
    np.testing.assert_array_equal(model.transform(rows), fit(make).transform(X))


def test_series_of_labels():
    pandas = pytest.importorskip("pandas")
    names = np.where(UNLABELLED, np.nan, NAMES[CLASSES].astype(object))
    model = classifier(unlabeled=np.nan).fit(X, pandas.Series(names, index=np.arange(60)[::-1]))
    expected = classifier().fit(X[~UNLABELLED], NAMES[CLASSES][~UNLABELLED])
    np.testing.assert_array_equal(model.classes_, expected.classes_)


def test_self_training_around_it():
    y, _ = MARKED["number"]
    inner = classifier(frozen(), max_iter=30)
    model = SelfTrainingClassifier(inner, threshold=0.5).fit(X, y)
    assert model.score(X, CLASSES) > 0.4


@each_task
@pytest.mark.parametrize("inner", ["denoising", Autoencoder, FrozenEstimator("denoising")])
def test_a_wrong_autoencoder_is_an_error_of_fit_alone(inner, make):
    model = type(make())(inner)
    assert get_tags(model).target_tags.required
    with pytest.raises(ValueError, match="autoencoder"):
        model.fit(X, TARGETS[make])


# The training's own parameters.

SETTINGS = [
    {"solver": "sgd", "learning_rate_init": 1e-3},
    {"solver": "lbfgs"},
    {"learning_rate": "cosine"},
    {"learning_rate": "one_cycle", "early_stopping": True},
    {"precision": "bf16"},
    {"batch_size": 7, "shuffle": False},
    {"alpha": 0.01},
    {"device": "auto"},
]


@each_task
@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_every_setting_trains_both_stages(params, make):
    same = {name: params[name] for name in ("alpha", "early_stopping") if name in params}
    untrained = fit(make, learning_rate_init=1e-12, max_iter=1, **same)
    model = fit(make, **{"max_iter": 8, **params})
    assert model.loss_ < untrained.loss_
    assert_consistent(model)


@each_task
def test_schedules_run_for_both_stages(make):
    """With a schedule, only early stopping ends before max_iter."""
    model = fit(make, learning_rate="cosine", n_iter_no_change=1, tol=0.9, max_iter=7)
    assert model.n_iter_ == 14


@each_task
def test_device_and_precision_override_the_autoencoders(make):
    inner = small("Autoencoder", device="cuda:99", precision="bf16", verbose=True)
    model = fit(make, inner)
    own = {name: getattr(model.autoencoder_, name) for name in ("device", "precision", "verbose")}
    assert own == {"device": "cpu", "precision": "float", "verbose": False}


def test_a_wide_decay_leaves_nothing_but_frequencies():
    """Weights vanish like 1 / alpha; intercepts, which are exempt, give the classes' shares."""

    def deviation(alpha):
        model = classifier(frozen(), **{**CONVEX, "alpha": alpha}).fit(X, CLASSES)
        return np.abs(model.predict_proba(X) - np.bincount(CLASSES) / 60).max()

    assert deviation(1e4) < 1e-4
    assert deviation(1e3) == pytest.approx(10 * deviation(1e4), rel=0.01)
