"""The weights that users read are those that the methods compute with.

`coefs_` and `intercepts_`, multiplied out in plain NumPy by what the parameters say, are
`transform`, `inverse_transform`, `reconstruct`, `predict` and `predict_proba`. The torch modules
have the same numbers and give the same results.
"""

import os
import warnings

import numpy as np
import pytest
import torch
from helpers import GENERATORS, SMALL, SUPERVISED, noise_for, small
from scipy.special import expit, ndtr, softmax
from torch import nn

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import skae
from skae import (
    VAE,
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    RestrictedBoltzmannMachine,
    StackedAutoencoder,
)

CASES = int(os.environ.get("HYPOTHESIS_CASES", 250))
drawn = settings(
    max_examples=max(1, CASES // 10),
    deadline=None,
    derandomize="HYPOTHESIS_CASES" not in os.environ,  # the same cases in every run
    database=None,
    phases=(Phase.generate,),  # fits are short enough to be read as they are
    suppress_health_check=list(HealthCheck),
)
RTOL = {"float32": 1e-5, "float64": 1e-10}
N_ROWS, N_FEATURES = 24, 6

ACTIVATIONS = {
    "identity": lambda a: a,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
    "gelu": lambda a: a * ndtr(a),
    "softplus": lambda a: np.logaddexp(0, a),
}
OUTPUTS = {
    "squared_error": ACTIVATIONS["identity"],
    "gaussian": ACTIVATIONS["identity"],
    "binary_cross_entropy": expit,
    "bernoulli": expit,
    "categorical_cross_entropy": lambda a: softmax(a, axis=1),
    "categorical": lambda a: softmax(a, axis=1),
}
LOSSES = ["squared_error", "binary_cross_entropy", "categorical_cross_entropy"]
CODE_ACTIVATIONS = {
    Autoencoder: "identity",
    VAE: "identity",
    DenoisingAutoencoder: "logistic",
    ContractiveAutoencoder: "logistic",
}


# What the parameters say, in NumPy.


def loss_of(estimator):
    return estimator.likelihood if isinstance(estimator, VAE) else estimator.loss


def code_activation(estimator):
    """The function of the encoder's last layer."""
    word, sparsity = estimator.code_activation, getattr(estimator, "sparsity", None)
    if word == "auto" and sparsity:
        word = "logistic" if sparsity == "kl" else "relu"
    elif word == "auto":
        word = CODE_ACTIVATIONS[type(estimator)]
    function = ACTIVATIONS[word]
    if isinstance(estimator, VAE):  # the mean's columns come first; a stack has no others
        return lambda a: function(a[:, : estimator.n_components])
    if sparsity == "topk":
        return lambda a: largest(function(a), estimator.n_active)
    return function


def largest(h, n):
    """Zeros, but for the n largest of each row."""
    kept = np.argsort(-h, axis=1, kind="stable")[:, :n]
    result = np.zeros_like(h)
    np.put_along_axis(result, kept, np.take_along_axis(h, kept, axis=1), axis=1)
    return result


def output_activation(estimator):
    function = OUTPUTS[loss_of(estimator)]
    if getattr(estimator, "noise_variance", None) == "heteroscedastic":
        return lambda a: a[:, : estimator.n_features_in_]  # the means' columns come first
    return function


def encoder_functions(estimator):
    """One for each layer."""
    if isinstance(estimator, StackedAutoencoder):
        return [h for layer in estimator.estimators_ for h in encoder_functions(layer)]
    hidden = [ACTIVATIONS[estimator.activation]] * len(estimator.hidden_layer_sizes)
    return [*hidden, code_activation(estimator)]


def decoder_functions(estimator):
    if isinstance(estimator, StackedAutoencoder):
        return [h for layer in estimator.estimators_[::-1] for h in decoder_functions(layer)]
    hidden = [ACTIVATIONS[estimator.activation]] * len(estimator.hidden_layer_sizes)
    return [*hidden, output_activation(estimator)]


def layers_of(estimator):
    """(weights, biases, function) of the encoder's layers, and of those behind the code."""
    if hasattr(estimator, "autoencoder_"):
        encoder, is_classifier = (
            encoder_functions(estimator.autoencoder_),
            hasattr(estimator, "classes_"),
        )
        behind = [OUTPUTS["categorical"] if is_classifier else OUTPUTS["gaussian"]]
    else:
        encoder, behind = encoder_functions(estimator), decoder_functions(estimator)
    numbers = zip(estimator.coefs_, estimator.intercepts_, [*encoder, *behind], strict=True)
    layers = [(W.astype(np.float64), b.astype(np.float64), h) for W, b, h in numbers]
    return layers[: len(encoder)], layers[len(encoder) :]


def through(layers, h, dtype):
    """What layers make of rows h, and how much rounding may change of each row.

    That is little beside the largest number, unless much larger ones cancel out: an output
    layer of codes that hardly vary has large weights.
    """
    unit, error = 8 * np.finfo(dtype).eps, 0.0  # of sums of a dozen numbers
    for W, b, function in layers:
        size = np.abs(h) @ np.abs(W) + np.abs(b)
        error = (unit * size + error * np.abs(W).sum(axis=0)).max(axis=1, keepdims=True)
        h = function(h @ W + b)
    return h, error


def first_layer(estimator):
    """The autoencoder whose encoder gets the rows."""
    first = getattr(estimator, "autoencoder_", estimator)
    return first.estimators_[0] if isinstance(first, StackedAutoencoder) else first


def takes_counts(estimator):
    return loss_of(first_layer(estimator)).startswith("categorical")


def inputs(estimator, X):
    """What the first layer gets of rows."""
    if takes_counts(estimator):
        return np.log1p(X)
    first = first_layer(estimator)
    if estimator.coefs_[0].shape[0] == 2 * X.shape[1]:  # where X had gaps in fit
        observed = ~np.isnan(X)
        return np.hstack([np.where(observed, X, first.data_mean_), observed])
    return X


def assert_near(found, expected, error):
    """Beside the largest of the numbers, but for rounding."""
    slack = RTOL[found.dtype.name] * np.abs(expected).max() + error
    assert (np.abs(found - expected) <= slack).all(), np.abs(found - expected).max()


def assert_same_numbers(estimator, modules):
    """The modules' linear layers are those of `coefs_`, without a second head of the output."""
    linear = [m for module in modules for m in module.modules() if isinstance(m, nn.Linear)]
    numbers = zip(linear, estimator.coefs_, estimator.intercepts_, strict=True)
    for layer, weights, biases in numbers:
        width = layer.out_features
        np.testing.assert_array_equal(layer.weight.numpy(), weights[:, :width].T, strict=True)
        np.testing.assert_array_equal(layer.bias.numpy(), biases[:width], strict=True)


def results(module, X):
    """What a module makes of rows; of two results, the first."""
    found = module(torch.tensor(X))
    return (found[0] if isinstance(found, tuple) else found).numpy()


# What is drawn.

words = st.sampled_from(sorted(ACTIVATIONS))
TRAINING = {"max_iter": 2, "batch_size": 8, "random_state": 0}


@st.composite
def networks(draw, name, losses=LOSSES):
    """An autoencoder that has one code of its own."""
    params = {
        "n_components": draw(st.integers(1, 7)),
        "hidden_layer_sizes": tuple(draw(st.lists(st.integers(1, 6), max_size=2))),
        "activation": draw(words),
        "code_activation": draw(st.just("auto") | words),
        "tied_weights": draw(st.booleans()),
        "alpha": draw(st.sampled_from([0.0, 0.1])),
    }
    if name == "VAE":
        params["likelihood"] = draw(st.sampled_from(["gaussian", "bernoulli", "categorical"]))
        if params["likelihood"] == "gaussian" and not params["tied_weights"]:
            params["noise_variance"] = draw(st.sampled_from(["shared", "heteroscedastic"]))
    else:
        params["loss"] = draw(st.sampled_from(losses))
    if name == "SparseAutoencoder":
        params["sparsity"] = draw(st.sampled_from(["kl", "l1", "topk"]))
        params["n_active"] = draw(st.integers(1, params["n_components"]))
        if params["sparsity"] != "l1":  # what the others need
            params["code_activation"] = "auto"
    return getattr(skae, name)(**params, **TRAINING)


@st.composite
def stacks(draw):
    kind = st.sampled_from(sorted(set(SMALL) - {"StackedAutoencoder"}))
    layers = [draw(networks(draw(kind)))]
    while len(layers) < 3 and draw(st.booleans()):
        name, bounded = draw(kind), layers[-1].code_activation == "logistic"
        layers.append(draw(networks(name, LOSSES[: 1 + bounded])))
        if name == "VAE":
            layers[-1].set_params(likelihood="gaussian")
    sizes = tuple(layer.n_components for layer in layers)
    return StackedAutoencoder(sizes, estimator=layers, fine_tune=draw(st.booleans()), **TRAINING)


def autoencoders(name):
    return stacks() if name == "StackedAutoencoder" else networks(name)


@st.composite
def data(draw, estimator):
    """Rows that suit an estimator, in one of the two dtypes."""
    first = estimator.estimator[0] if isinstance(estimator, StackedAutoencoder) else estimator
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    if loss_of(first) in ("squared_error", "gaussian"):
        offset = draw(st.sampled_from([0.0, 3.0, 1e3 if dtype == "float64" else 10.0]))
        X = rng.normal(size=(N_ROWS, N_FEATURES)) + offset
    elif loss_of(first).startswith("b"):
        X = rng.random((N_ROWS, N_FEATURES))
    else:
        X = rng.poisson(2.0, (N_ROWS, N_FEATURES)) + (np.arange(N_FEATURES) == 0)
    X = X.astype(dtype)
    takes_gaps = isinstance(estimator, DenoisingAutoencoder)
    if takes_gaps and loss_of(first) == "squared_error" and draw(st.booleans()):
        X[rng.random(X.shape) < 0.2] = np.nan
        X[0] = 0.0
    return X


def fitted(estimator, X, y=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of fits this short
        return estimator.fit(X, y)


# The numbers.


@pytest.mark.parametrize("name", SMALL)
@drawn
@given(draw=st.data())
def test_numbers_of_autoencoders(name, draw):
    estimator = draw.draw(autoencoders(name))
    X = draw.draw(data(estimator))
    fitted(estimator, X)
    encoder, decoder = layers_of(estimator)
    codes = estimator.transform(X)
    assert codes.dtype == X.dtype
    expected, error = through(encoder, inputs(estimator, X), X.dtype)
    assert_near(codes, expected, error)
    assert_near(results(estimator.encoder_, X), expected, error)
    decoded, error = through(decoder, codes, X.dtype)
    assert_near(estimator.inverse_transform(codes), decoded, error)
    assert_near(results(estimator.decoder_, codes), decoded, error)
    assert_same_numbers(estimator, [estimator.encoder_, estimator.decoder_])
    total = X.sum(axis=1, keepdims=True) if takes_counts(estimator) else 1.0
    assert_near(estimator.reconstruct(X), total * decoded, total * error)


@pytest.mark.parametrize("name", SUPERVISED)
@drawn
@given(draw=st.data())
def test_numbers_of_classifiers_and_regressors(name, draw):
    inner = draw.draw(st.sampled_from(sorted(SMALL)).flatmap(autoencoders))
    X = draw.draw(data(inner))
    y, params = draw.draw(targets(name)), {"fine_tune": draw.draw(st.booleans())}
    model = fitted(getattr(skae, name)(inner, **params, **TRAINING), X, y)
    encoder, output = layers_of(model)
    codes = model.transform(X)
    assert_near(codes, *through(encoder, inputs(model, X), X.dtype))
    expected, error = through(output, codes, X.dtype)
    is_classifier = name == "AutoencoderClassifier"
    predicted = model.predict_proba(X) if is_classifier else model.predict(X)
    assert predicted.shape == (expected.shape if is_classifier else y.shape)
    for found in (predicted, results(model.module_, X)):
        assert found.shape == predicted.shape
        assert_near(found.reshape(N_ROWS, -1), expected, error)
    assert_same_numbers(model, [model.module_])


@st.composite
def targets(draw, name):
    """Labels, or numbers in any unit, of which some may be missing."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if name == "AutoencoderClassifier":
        return np.arange(N_ROWS) % draw(st.integers(2, 4))
    shape = draw(st.sampled_from([(N_ROWS,), (N_ROWS, 3)]))
    scale, offset = draw(st.sampled_from([1.0, 1e-6, 1e6])), draw(st.sampled_from([0.0, 51.5]))
    y = scale * (rng.normal(size=shape) + offset)
    y[: draw(st.integers(0, 5))] = np.nan
    return y


@drawn
@given(draw=st.data())
def test_numbers_of_boltzmann_machines(draw):
    machine = RestrictedBoltzmannMachine(draw.draw(st.integers(1, 7)), **TRAINING)
    machine.set_params(alpha=draw.draw(st.sampled_from([0.0, 0.1])))
    X = draw.draw(data(Autoencoder(loss="binary_cross_entropy")))
    fitted(machine, X)
    up, down = (
        (W.astype(np.float64), b.astype(np.float64), expit)
        for W, b in zip(machine.coefs_, machine.intercepts_, strict=True)
    )
    codes = machine.transform(X)
    assert_near(codes, *through([up], X, X.dtype))
    decoded, error = through([down], codes, X.dtype)
    assert_near(machine.inverse_transform(codes), decoded, error)
    assert_near(machine.reconstruct(X), decoded, error)
    assert_same_numbers(machine, [machine.encoder_, machine.decoder_])


def linear_layers(module, activation):
    """(weights, biases, function) of a module's linear layers, without one after the last."""
    layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
    functions = [*[ACTIVATIONS[activation]] * (len(layers) - 1), ACTIVATIONS["identity"]]
    return [
        (layer.weight.numpy().T.astype(np.float64), layer.bias.numpy().astype(np.float64), h)
        for layer, h in zip(layers, functions, strict=True)
    ]


@pytest.mark.parametrize("name", GENERATORS)
@drawn
@given(draw=st.data())
def test_numbers_of_generators(name, draw):
    """Those of their modules, whose first or last layer is the unit of the rows."""
    sizes = tuple(draw.draw(st.lists(st.integers(1, 6), min_size=1, max_size=2)))
    gan = small(name, hidden_layer_sizes=sizes, activation=draw.draw(words), **TRAINING)
    X = draw.draw(data(Autoencoder()))
    labels = np.arange(N_ROWS) % 3
    fitted(gan, X, labels)
    unit, *_ = gan.discriminator_
    rows = (X - unit.mean.numpy()) / X.dtype.type(unit.scale)
    *hidden, last = linear_layers(gan.discriminator_, gan.activation)
    features, error = through(hidden, rows, X.dtype)
    if name != "InfoGAN":
        assert_near(gan.transform(X), features, error)
    scores, error = through([*hidden, last], rows, X.dtype)
    assert_near(results(gan.discriminator_, X), scores, error)
    if name == "InfoGAN":
        assert_near(gan.transform(X), softmax(scores[:, 1:], axis=1), error)
    if name != "ConditionalGAN":
        assert_near(gan.discriminate(X), expit(scores[:, 0] + gan.offset_), error[:, 0])
    given_labels = (labels,) if name == "ConditionalGAN" else ()
    Z = noise_for(gan, N_ROWS).astype(X.dtype)
    latent = np.hstack([Z, *(np.eye(3, dtype=X.dtype)[its] for its in given_labels)])
    made, error = through(linear_layers(gan.generator_, gan.activation), latent, X.dtype)
    *_, unit, limits = gan.generator_
    made = (made * unit.factor.numpy() + unit.offset.numpy()).clip(
        limits.low.numpy(), limits.high.numpy()
    )
    error = error * unit.factor.numpy().max()
    assert_near(results(gan.generator_, latent), made, error)
    assert_near(gan.generate(Z, *given_labels), made, error)


def test_numbers_of_outputs_in_different_units():
    """Of each output its own, however far apart they are."""
    X = np.random.default_rng(0).normal(size=(N_ROWS, N_FEATURES))
    y = X[:, :3] * [1e-8, 1.0, 1e8] + [1e-6, 0.0, 51.5e8]
    model = small("AutoencoderRegressor").fit(X, y)
    expected = model.transform(X) @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-10)
    assert (np.abs(model.predict(X).mean(axis=0) - y.mean(axis=0)) < y.std(axis=0)).all()
