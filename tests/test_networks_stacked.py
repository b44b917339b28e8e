"""Stacks of convolutions, and classifiers and regressors on top of them."""

import pickle
from functools import cache

import numpy as np
import pytest
from helpers import assert_same_fit, fitted_state, may_be_dead, may_collapse
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from small_networks import (
    CONV,
    FAST,
    IMAGE,
    SMALLER,
    STACKS,
    Signals,
    X,
    both_codes,
    conv,
    decoded,
    encoded,
    of_kind,
    stacked,
    with_gaps,
)

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    StackedAutoencoder,
)
from skae._base import BaseAutoencoder
from skae.networks import ConvNet

pytestmark = [
    may_be_dead,
    may_collapse,
    pytest.mark.filterwarnings("ignore:The samples show no structure:UserWarning"),
]

LABELS = np.arange(60) % 3


# Stacks.


every_stack = pytest.mark.parametrize("name", STACKS)


@cache
def fitted_stack(name, fine_tune=True):
    """For those that only read it."""
    return stacked(STACKS[name], fine_tune=fine_tune).fit(X)


@pytest.mark.parametrize("fine_tune", [True, False])
@every_stack
def test_a_stack_is_the_chain_of_its_layers(name, fine_tune):
    """Also after fine-tuning, which hands down the weights."""
    model = fitted_stack(name, fine_tune)
    close = {"rtol": 1e-8, "atol": 1e-10}
    codes = X
    for layer in model.estimators_:
        codes = layer.transform(codes)
    np.testing.assert_allclose(model.transform(X), codes, **close)
    back = codes
    for layer in model.estimators_[::-1]:
        back = layer.inverse_transform(back)
    np.testing.assert_allclose(model.reconstruct(X), back, **close)
    np.testing.assert_allclose(encoded(model, X), codes, **close)
    np.testing.assert_allclose(decoded(model, codes), back, **close)


TIED_BELOW = {
    "first": [
        ContractiveAutoencoder(**FAST),
        Autoencoder(network=ConvNet((1, 1, 2), channels=(3,)), **FAST),
    ],
    "between": [
        Autoencoder(network=IMAGE, **FAST),
        ContractiveAutoencoder(**FAST),
        Autoencoder(hidden_layer_sizes=(5,), **FAST),
    ],
}


@pytest.mark.parametrize("layers", TIED_BELOW.values(), ids=TIED_BELOW)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_tied_layers_under_others_work_or_are_refused(method, layers):
    """In a stack that has convolutions somewhere."""
    model = stacked(layers)
    try:
        getattr(model, method)(X)
    except ValueError as error:
        assert "tied_weights" in str(error)
        assert not hasattr(model, "estimators_")
    else:
        codes = X
        for layer in model.estimators_:
            codes = layer.transform(codes)
        np.testing.assert_allclose(model.transform(X), codes, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", ["Autoencoder", "heteroscedastic"])
def test_a_stack_of_one_layer_is_that_layer(kind):
    loss = {"loss": "binary_cross_entropy"} if kind == "Autoencoder" else {}
    stack = StackedAutoencoder((3,), estimator=of_kind(kind, **loss), fine_tune=False).fit(X)
    np.testing.assert_allclose(stack.reconstruct(X), stack.estimators_[0].reconstruct(X))


@every_stack
def test_a_stack_goes_on_through_pickle(name):
    whole, parts = (stacked(STACKS[name]).partial_fit(X) for _ in range(2))
    parts = pickle.loads(pickle.dumps(parts))
    assert_same_fit(whole.partial_fit(X), parts.partial_fit(X))


@every_stack
def test_refits_of_a_stack_are_equal(name):
    assert_same_fit(stacked(STACKS[name]).fit(X), fitted_stack(name))


@every_stack
def test_fine_tuning_changes_every_layer(name):
    pretrained, tuned = (fitted_stack(name, fine_tune) for fine_tune in (False, True))
    for before, after in zip(pretrained.estimators_, tuned.estimators_, strict=True):
        assert not np.array_equal(before._state.weights, after._state.weights)


def test_pretraining_is_layer_by_layer():
    model = stacked(STACKS["images"], fine_tune=False).fit(X)
    first, second = model.estimators_
    seed = first.random_state
    alone = clone(STACKS["images"][0]).set_params(n_components=2, random_state=seed).fit(X)
    assert_same_fit(first, alone)
    seed = second.random_state
    above = clone(STACKS["images"][1]).set_params(n_components=4, random_state=seed)
    assert_same_fit(second, above.fit(alone.transform(X)))


@pytest.mark.parametrize("shape", [(2, 3, 2), (1, 4, 3), (12, 1, 1), (3, 2, 2)], ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_images_of_layers_must_fit_before_any_is_trained(method, shape, monkeypatch):
    def train(self, *args):
        pytest.fail("a layer was trained")

    monkeypatch.setattr(BaseAutoencoder, "_fit", train)
    second = Autoencoder(network=ConvNet(shape, channels=(3,)), **FAST)
    model = stacked([Autoencoder(network=IMAGE, **FAST), second])
    with pytest.raises(ValueError, match="layer below") as caught:
        getattr(model, method)(X)
    assert str(shape) in str(caught.value) and str(SMALLER) in str(caught.value)
    assert any("layer 2" in note for note in caught.value.__notes__)
    assert not hasattr(model, "estimators_")


@pytest.mark.parametrize("shape", [[2, 2, 3], np.array([2, 2, 3])], ids=["list", "array"])
def test_image_shapes_of_layers_may_be_lists(shape):
    second = Autoencoder(network=ConvNet(shape, channels=(3,)), **FAST)
    assert stacked([Autoencoder(network=IMAGE, **FAST), second]).fit(X).n_components_ == 4


@pytest.mark.parametrize("shape", [None, 12, "image"])
def test_an_image_shape_of_a_layer_that_is_none(shape):
    second = Autoencoder(network=ConvNet(shape, channels=(3,)), **FAST)
    with pytest.raises(ValueError, match="image_shape"):
        stacked([Autoencoder(network=IMAGE, **FAST), second]).fit(X)


def test_signals_of_own_modules_go_into_a_convnet():
    """Codes of shape (2, 12) are images (2, 1, 12)."""
    first = Autoencoder(network=Signals(), **FAST)
    second = Autoencoder(network=ConvNet((2, 1, 12), channels=(3,)), **FAST)
    model = stacked([first, second]).fit(X[:, :12])
    codes = model.estimators_[1].transform(model.estimators_[0].transform(X[:, :12]))
    np.testing.assert_allclose(model.transform(X[:, :12]), codes, rtol=1e-9)


# Supervised.


@pytest.mark.parametrize("fine_tune", [True, False])
@pytest.mark.parametrize(
    ("kind", "code"), [("DenoisingAutoencoder", "vector"), ("topk", "image"), ("VAE", "vector")]
)
def test_a_classifier_reads_the_code(kind, code, fine_tune, digits):
    ink = digits[:200].sum(axis=1)
    y = ink > np.median(ink)
    network = ConvNet((1, 8, 8), channels=(4,), code=code)
    autoencoder = of_kind(kind, network, n_components=6, max_iter=5, learning_rate_init=0.01)
    fit = {"max_iter": 8, "batch_size": 20, "learning_rate_init": 0.02, "random_state": 0}
    fit["fine_tune"] = fine_tune
    model = AutoencoderClassifier(autoencoder, **fit).fit(digits[:200], y)
    assert model.score(digits[:200], y) > 0.6
    assert model.predict_proba(digits[:200]).shape == (200, 2)
    codes = model.transform(digits[:200])
    np.testing.assert_allclose(model.autoencoder_.transform(digits[:200]), codes, rtol=1e-9)
    assert_same_fit(model, AutoencoderClassifier(autoencoder, **fit).fit(digits[:200], y))
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(digits[:200]), model.predict(digits[:200]))


def test_a_regressor_without_fine_tuning_is_linear_in_the_code():
    autoencoder = Autoencoder(4, network=CONV, **FAST).fit(X)
    y = X[:, :24].mean(axis=1)
    frozen = FrozenEstimator(autoencoder)
    model = AutoencoderRegressor(frozen, fine_tune=False, solver="lbfgs", tol=1e-12).fit(X, y)
    codes = autoencoder.transform(X)
    expected = LinearRegression().fit(codes, y).predict(codes)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-3)


@pytest.mark.parametrize("fine_tune", [True, False])
@both_codes
def test_a_frozen_autoencoder_is_not_changed(code, fine_tune):
    autoencoder = Autoencoder(4, network=conv(code=code), **FAST).fit(X)
    before = fitted_state(autoencoder)
    fit = {"max_iter": 5, "random_state": 0, "fine_tune": fine_tune}
    model = AutoencoderClassifier(FrozenEstimator(autoencoder), **fit).fit(X, LABELS)
    assert fitted_state(autoencoder) == before
    same = np.allclose(model.transform(X), autoencoder.transform(X), rtol=1e-9)
    assert same == (not fine_tune)


def test_a_stack_of_images_is_fine_tuned_by_a_classifier():
    for name in ("images", "convolutions, dense", "variance"):
        model = AutoencoderClassifier(stacked(STACKS[name]), max_iter=3, random_state=0)
        model.fit(X, LABELS)
        codes = X
        for layer in model.autoencoder_.estimators_:
            codes = layer.transform(codes)
        np.testing.assert_allclose(model.transform(X), codes, rtol=1e-8, atol=1e-10)


def test_rows_with_gaps_are_classified():
    autoencoder = of_kind("DenoisingAutoencoder")
    rows = with_gaps(X)
    model = AutoencoderClassifier(autoencoder, max_iter=3, random_state=0).fit(rows, LABELS)
    assert model.predict(rows).shape == (60,)
