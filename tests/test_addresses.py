"""Where arrays lie in memory does not show in what is computed, to the bit.

Products round differently for operands that begin elsewhere, by as little as a number.
"""

import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from helpers import LABELS, SMALL, SUPERVISED, TRAINED, X, noise_for, small
from sklearn.frozen import FrozenEstimator

from skae import AutoencoderClassifier, ConditionalGAN, StackedAutoencoder
from skae._engine.network import Network
from skae._engine.perceptron import KEPT
from skae.networks import ConvNet

KINDS = {
    **{name: (name, {}) for name in (*TRAINED, *SUPERVISED)},
    "top k": ("SparseAutoencoder", {"sparsity": "topk", "n_active": 3}),
    "L-BFGS": ("Autoencoder", {"solver": "lbfgs"}),
    "tied": ("Autoencoder", {"tied_weights": True, "activation": "gelu"}),
    "heteroscedastic": ("VAE", {"noise_variance": "heteroscedastic"}),
    "convolutions": ("Autoencoder", {"network": ConvNet((1, 2, 3), channels=(2,))}),
    "convolutions that play": ("GAN", {"network": ConvNet((1, 2, 3), channels=(2,))}),
    "bf16": ("Autoencoder", {"precision": "bf16"}),
    "momentum and decay": ("Autoencoder", {"solver": "sgd", "alpha": 0.1}),
}
MOVES = range(1, 9)
READ = ("transform", "inverse_transform", "reconstruct", "score_samples", "score")
PREDICT = ("predict", "predict_proba", "predict_log_proba")
PLAY = ("discriminate", "generate")

each_kind = pytest.mark.parametrize("kind", KINDS)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def moved(array, n_numbers):
    """The same numbers in memory that begins so many of them after a line of the cache."""
    buffer = np.empty(array.size + 128, array.dtype)
    start = -buffer.ctypes.data % 64 // array.itemsize + n_numbers
    copy = buffer[start : start + array.size].reshape(array.shape)
    copy[...] = array
    assert copy.ctypes.data % 64 == n_numbers * array.itemsize % 64
    return copy


def fitted(kind, X):
    name, params = KINDS[kind]
    return small(name, **params).fit(X, LABELS)


def results(model, X, codes):
    """All that the model computes of rows and codes."""
    found = {}
    for method in (*READ, *PREDICT):
        if hasattr(model, method) and not (method == "score" and hasattr(model, "predict")):
            given = codes if method == "inverse_transform" else X
            found[method] = getattr(model, method)(given)
    label = (0,) if isinstance(model, ConditionalGAN) else ()
    for method in filter(partial(hasattr, model), PLAY):
        given = noise_for(model, 60) if method == "generate" else X
        found[method] = getattr(model, method)(given, *label)
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for method, values in expected.items():
        np.testing.assert_array_equal(found[method], values, err_msg=method, strict=True)


@each_kind
@both_dtypes
def test_fits_of_rows_elsewhere_are_the_same(kind, dtype):
    rows = X.astype(dtype)
    expected = fitted(kind, moved(rows, 0))
    for n_numbers in MOVES:
        model = fitted(kind, moved(rows, n_numbers))
        np.testing.assert_array_equal(model._state.weights, expected._state.weights, strict=True)
        assert model.loss_curve_ == expected.loss_curve_


@each_kind
@both_dtypes
def test_results_of_rows_and_codes_elsewhere_are_the_same(kind, dtype):
    rows = X.astype(dtype)
    model = fitted(kind, rows)
    codes = model.transform(rows)
    expected = results(model, moved(rows, 0), moved(codes, 0))
    for n_numbers in MOVES:
        found = results(model, moved(rows, n_numbers), moved(codes, n_numbers))
        assert_same(found, expected)


@each_kind
@both_dtypes
def test_results_with_weights_elsewhere_are_the_same(kind, dtype):
    rows = X.astype(dtype)
    model = fitted(kind, rows)
    codes = model.transform(rows)
    weights, expected = model._state.weights, results(model, rows, codes)
    for n_numbers in (0, *MOVES):
        model._state = replace(model._state, weights=moved(weights, n_numbers))
        assert_same(results(model, rows, codes), expected)


@both_dtypes
def test_rows_that_are_read_only_are_no_exception(dtype):
    rows = X.astype(dtype)
    expected = fitted("Autoencoder", rows)
    for n_numbers in MOVES:
        read_only = moved(rows, n_numbers)
        read_only.flags.writeable = False
        model = fitted("Autoencoder", read_only)
        np.testing.assert_array_equal(model._state.weights, expected._state.weights)
        assert_same({"codes": model.transform(read_only)}, {"codes": expected.transform(rows)})


@both_dtypes
def test_targets_elsewhere_are_the_same(dtype):
    rows, target = X.astype(dtype), X[:, :4].astype(dtype)
    expected = small("DenoisingAutoencoder").fit(rows, target=target)
    for n_numbers in MOVES:
        model = small("DenoisingAutoencoder").fit(rows, target=moved(target, n_numbers))
        np.testing.assert_array_equal(model._state.weights, expected._state.weights)
        scores = [m.score(rows, target=moved(target, n_numbers)) for m in (model, expected)]
        assert scores[0] == scores[1]


@pytest.mark.parametrize("kind", [k for k, (name, _) in KINDS.items() if name in SMALL])
@both_dtypes
def test_saved_stacked_and_frozen_models_are_the_same(kind, dtype):
    """Their weights then lie in other vectors."""
    rows = X.astype(dtype)
    model = fitted(kind, rows)
    codes = model.transform(rows)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.transform(rows), codes)
    frozen = AutoencoderClassifier(FrozenEstimator(model), fine_tune=False, max_iter=1)
    np.testing.assert_array_equal(frozen.fit(rows, LABELS).transform(rows), codes)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "StackedAutoencoder"])
@both_dtypes
def test_a_layer_gives_in_a_stack_what_it_gives_alone(name, dtype):
    rows = X.astype(dtype)
    layer = small(name, max_iter=1)
    stack = StackedAutoencoder((5, 3), estimator=layer, fine_tune=False, random_state=0).fit(rows)
    codes = rows
    for layer in stack.estimators_:
        codes = layer.transform(codes)
    np.testing.assert_array_equal(stack.transform(rows), codes)


@each_kind
def test_gaps_between_tensors_are_never_trained(kind):
    """They would be counted by norms and sums over all weights."""
    model = fitted(kind, X)
    perceptron, is_used = model._perceptron, torch.zeros(model._perceptron.length)
    network = Network(perceptron, is_used)
    averages = is_used[perceptron.layout.parts.get("averages", slice(0, 0))]
    kept = [t for kind, its in network._tensors.items() if kind.startswith(KEPT) for t in its]
    for tensor in (*network.encoder_tensors, *network.decoder_tensors, network.extra, *kept):
        tensor.fill_(1.0)
    gaps = is_used.numpy() == 0
    n_others = perceptron.n_inputs + perceptron.layout.n_numbers.get("averages", 0)
    assert 0 < gaps.sum() == len(gaps) - perceptron.n_parameters - n_others
    assert not model._state.weights[gaps].any()
    for not_moved in (network.origin, averages):
        not_moved.zero_()
    if model._state.moments is not None:
        assert not model._state.moments[:, is_used.numpy() == 0].any()
