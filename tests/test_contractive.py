"""The contractive autoencoder's Jacobian against `torch.func`, and what its penalty does."""

import numpy as np
import pytest
import torch
from helpers import assert_same_fit
from torch.func import jacrev, vmap

from skae import Autoencoder, ContractiveAutoencoder
from skae._contractive import estimated_squared_jacobian_norm, squared_jacobian_norm
from skae._engine.activations import ACTIVATIONS
from skae._engine.modules import encoder_module
from skae._engine.network import Network
from skae._engine.perceptron import Perceptron

STEPS = {"batch_size": 200, "random_state": 0}
FAST = {"n_components": 5, "max_iter": 2, "learning_rate_init": 1e-3, **STEPS}
HIDDEN = {"one layer": (), "two layers": (9,), "three layers": (9, 7), "four layers": (9, 7, 6)}

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
every_depth = pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
every_tying = pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
# Fewer and more features than the first layer has units: two orders of multiplication.
every_width = pytest.mark.parametrize("n_features", [4, 12])


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def random_network(n_features, hidden, activation, tied):
    sizes = (n_features, *hidden, 5)
    activations = (activation,) * (len(sizes) - 1)
    perceptron = Perceptron(sizes, activations, activations, (tied,) * len(activations))
    weights = 0.5 * normal(perceptron.length, seed=4)
    return Network(perceptron, weights, torch.zeros_like(weights))


def without_origin(network):
    """The same network for rows that are counted from its origin."""
    copy = Network(network.perceptron, network.flat.clone())
    copy.origin.zero_()
    return copy


def reference_norms(encoder, x):
    return vmap(jacrev(encoder))(x).square().sum(dim=(1, 2))


@every_width
@every_tying
@every_depth
@every_activation
def test_penalty_and_its_gradient_equal_jacrevs(activation, hidden, tied, n_features):
    network = random_network(n_features, hidden, activation, tied)
    x, encoder = normal(15, n_features, seed=1), encoder_module(without_origin(network))
    _, slopes = network.encode_with_slopes(network.features(x))
    norms = squared_jacobian_norm(network.encoder_weights, slopes)
    expected = reference_norms(encoder, x - network.origin)
    torch.testing.assert_close(norms, expected, rtol=1e-9, atol=1e-12)

    (norms * x[:, 0]).sum().backward()
    (expected * x[:, 0]).sum().backward()
    layers = [layer for layer in encoder if isinstance(layer, torch.nn.Linear)]
    found = [*network.encoder_weights, *network.encoder_biases]
    wanted = [*(layer.weight for layer in layers), *(layer.bias for layer in layers)]
    for ours, torchs in zip(found, wanted, strict=True):
        gradient = torch.zeros_like(torchs) if torchs.grad is None else torchs.grad
        torch.testing.assert_close(ours.grad, gradient, rtol=1e-9, atol=1e-10)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(60, 12))


def fitted(X, **parameters):
    return ContractiveAutoencoder(**{**FAST, **parameters}).fit(X)


@pytest.mark.parametrize("code", ["auto", "identity", "gelu"])
@every_tying
@every_depth
def test_jacobian_equals_jacrev_of_the_encoder(hidden, tied, code, X):
    contractive = fitted(X, hidden_layer_sizes=hidden, tied_weights=tied, code_activation=code)
    expected = vmap(jacrev(contractive.encoder_))(torch.tensor(X)).detach()
    jacobian = contractive.jacobian(X)
    assert jacobian.shape == (60, 5, 12)
    np.testing.assert_allclose(jacobian, expected, rtol=1e-9, atol=1e-12)


@every_depth
def test_jacobian_norm_is_the_jacobians_sum_of_squares(hidden, X):
    contractive = fitted(X, hidden_layer_sizes=hidden)
    expected = np.square(contractive.jacobian(X)).sum(axis=(1, 2))
    np.testing.assert_allclose(contractive.jacobian_norm(X), expected, rtol=1e-9)


def test_jacobian_predicts_small_changes_of_the_code(X):
    contractive, step = fitted(X, hidden_layer_sizes=(9,), activation="tanh"), 1e-6
    change = (contractive.transform(X + step) - contractive.transform(X - step)) / (2 * step)
    np.testing.assert_allclose(change, contractive.jacobian(X).sum(axis=2), rtol=1e-5, atol=1e-7)


def test_a_jacobian_in_chunks_is_the_same(X, monkeypatch):
    contractive = fitted(X)
    whole = contractive.jacobian(X)
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 12 * 5 * 7)  # 7 rows
    np.testing.assert_allclose(contractive.jacobian(X), whole, rtol=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@every_tying
@every_depth
def test_zero_contraction_is_the_plain_autoencoder(hidden, tied, loss, digits):
    shared = {**FAST, "hidden_layer_sizes": hidden, "tied_weights": tied, "loss": loss}
    contractive = ContractiveAutoencoder(**shared, contraction_weight=0).fit(digits)
    plain = Autoencoder(**shared, code_activation="logistic").fit(digits)
    assert_same_fit(contractive, plain)


def test_loss_is_the_error_plus_the_weighted_norm(X, squared_errors):
    """One full batch that is not learned from: the loss is that of the fitted weights."""
    still = {"max_iter": 1, "learning_rate_init": 1e-12, "contraction_weight": 0.7}
    contractive = fitted(X, **still, hidden_layer_sizes=(9,))
    errors = squared_errors(X, contractive.reconstruct(X))
    expected = (errors + 0.7 * contractive.jacobian_norm(X)).mean()
    assert contractive.loss_ == pytest.approx(expected, rel=1e-6)


@every_depth
def test_the_penalty_lowers_the_jacobian_norm(hidden, digits):
    fit = {"n_components": 32, "max_iter": 15, "learning_rate_init": 5e-3, **STEPS}
    norms = [
        ContractiveAutoencoder(**fit, hidden_layer_sizes=hidden, contraction_weight=weight)
        .fit(digits)
        .jacobian_norm(digits)
        .mean()
        for weight in (0, 0.1, 1.0)
    ]
    assert norms[1] < norms[0]
    assert norms[2] < 0.7 * norms[1]


@pytest.mark.parametrize("n", [1, 3, 5])
def test_tangents_are_the_leading_right_singular_vectors(n, X):
    contractive = fitted(X, hidden_layer_sizes=(9,), activation="tanh")
    tangents = contractive.tangents(X, n)
    assert tangents.shape == (60, n, 12)
    leading = np.linalg.svd(contractive.jacobian(X), full_matrices=False).Vh[:, :n]
    cosines = np.einsum("ikj,ikj->ik", tangents, leading)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-9)


def test_tangents_are_orthonormal(X):
    tangents = fitted(X).tangents(X, 4)
    gram = tangents @ tangents.transpose(0, 2, 1)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(4), gram.shape), atol=1e-12)


def test_the_largest_entry_of_a_tangent_is_positive(X):
    tangents = fitted(X).tangents(X, 4)
    largest = np.abs(tangents).argmax(axis=2)[..., None]
    assert (np.take_along_axis(tangents, largest, axis=2) > 0).all()


@pytest.mark.parametrize("n_components, most", [(5, 5), (20, 12)])
def test_more_tangents_than_there_are_is_an_error(n_components, most, X):
    contractive = fitted(X, n_components=n_components)
    contractive.tangents(X, most)
    for n in (0, -1, most + 1):
        with pytest.raises(ValueError, match=rf"n={n} must be an integer from 1 to .*{most}"):
            contractive.tangents(X, n)


# Hutchinson's estimate.

N_DRAWS = 3000


def estimates(network, x, seed=0):
    """Many of the norm at one row each, of which all share the network."""
    generator = torch.Generator().manual_seed(seed)
    _, slopes = network.encode_with_slopes(network.features(x).repeat_interleave(N_DRAWS, dim=0))
    drawn = estimated_squared_jacobian_norm(network.encoder_weights, slopes, generator)
    return drawn.view(len(x), N_DRAWS)


def assert_mean_is(draws, expected):
    """Within 5 standard errors, along the last axis."""
    error = draws.std(dim=-1) / draws.shape[-1] ** 0.5
    assert ((draws.mean(dim=-1) - expected).abs() <= 5 * error + 1e-12).all()


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@every_depth
def test_the_estimate_has_no_bias(hidden, activation):
    network, x = random_network(6, hidden, activation, tied=False), normal(4, 6, seed=1)
    _, slopes = network.encode_with_slopes(network.features(x))
    exact = squared_jacobian_norm(network.encoder_weights, slopes).detach()
    drawn = estimates(network, x).detach()
    assert_mean_is(drawn, exact)
    assert (drawn >= 0).all()
    assert (drawn.std(dim=1) > 0).any()


@every_depth
def test_the_gradient_of_the_estimate_has_no_bias(hidden):
    network, x = random_network(6, hidden, "tanh", tied=False), normal(1, 6, seed=1)
    parameters = [*network.encoder_weights, *network.encoder_biases]
    _, slopes = network.encode_with_slopes(network.features(x))
    exact = squared_jacobian_norm(network.encoder_weights, slopes).sum()
    exact = torch.cat([g.ravel() for g in torch.autograd.grad(exact, parameters)])
    generator, draws = torch.Generator().manual_seed(0), []
    for _ in range(400):  # of the mean of 8 draws each
        _, slopes = network.encode_with_slopes(network.features(x).expand(8, -1))
        norms = estimated_squared_jacobian_norm(network.encoder_weights, slopes, generator)
        gradients = torch.autograd.grad(norms.mean(), parameters)
        draws.append(torch.cat([gradient.ravel() for gradient in gradients]))
    assert_mean_is(torch.stack(draws, dim=1), exact)


@every_tying
@every_depth
def test_the_estimate_of_a_single_component_is_exact(hidden, tied):
    sizes = (6, *hidden, 1)
    activations = ("tanh",) * (len(sizes) - 1)
    perceptron = Perceptron(sizes, activations, activations, (tied,) * len(activations))
    network, x = Network(perceptron, normal(perceptron.length)), normal(15, 6, seed=1)
    _, slopes = network.encode_with_slopes(network.features(x))
    generator = torch.Generator().manual_seed(0)
    found = estimated_squared_jacobian_norm(network.encoder_weights, slopes, generator)
    torch.testing.assert_close(found, squared_jacobian_norm(network.encoder_weights, slopes))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_depth
def test_training_on_the_estimate_of_a_single_component_is_exact(hidden, dtype, X):
    shape = {"n_components": 1, "hidden_layer_sizes": hidden, "max_iter": 4}
    exact = fitted(X.astype(dtype), **shape)
    estimated = fitted(X.astype(dtype), **shape, jacobian_method="hutchinson")
    np.testing.assert_allclose(estimated.loss_curve_, exact.loss_curve_, rtol=1e-5)


@every_tying
@every_depth
def test_zero_contraction_needs_no_estimate(hidden, tied, digits):
    shared = {**FAST, "hidden_layer_sizes": hidden, "tied_weights": tied}
    contractive = ContractiveAutoencoder(
        **shared, contraction_weight=0, jacobian_method="hutchinson"
    ).fit(digits)
    plain = Autoencoder(**shared, code_activation="logistic").fit(digits)
    assert_same_fit(contractive, plain)


@pytest.mark.parametrize("hidden", [(), (24,)])
def test_training_on_the_estimate_contracts_as_much(hidden, digits):
    fit = {"n_components": 16, "max_iter": 20, "learning_rate_init": 5e-3, **STEPS}
    norms, scores = [], []
    for params in (
        {"contraction_weight": 1.0},
        {"contraction_weight": 1.0, "jacobian_method": "hutchinson"},
        {"contraction_weight": 0},
    ):
        contractive = ContractiveAutoencoder(**fit, hidden_layer_sizes=hidden, **params).fit(digits)
        norms.append(contractive.jacobian_norm(digits).mean())
        scores.append(contractive.score(digits))
    exact, estimated, free = norms
    assert estimated == pytest.approx(exact, rel=0.15)
    assert exact < 0.8 * free
    assert scores[1] == pytest.approx(scores[0], abs=0.03)


def test_estimates_are_drawn_from_the_seed(X):
    one, same, other = (
        fitted(X, jacobian_method="hutchinson", random_state=seed) for seed in (1, 1, 2)
    )
    assert_same_fit(one, same)
    assert one.loss_curve_ != other.loss_curve_


def test_estimates_do_not_shift_the_shuffles(X):
    """Weights start alike, rows come in the same order: only the penalty differs."""
    still = {"learning_rate_init": 1e-12, "max_iter": 1}
    exact = fitted(X, **still)
    estimated = fitted(X, **still, jacobian_method="hutchinson")
    np.testing.assert_allclose(estimated.coefs_[0], exact.coefs_[0], atol=1e-9)
    assert estimated.loss_ != exact.loss_


def test_going_on_with_estimates_is_exact(X):
    params = {**FAST, "jacobian_method": "hutchinson", "tol": 0, "max_iter": 3}
    whole, parts = ContractiveAutoencoder(**params).fit(X), ContractiveAutoencoder(**params)
    for _ in range(3):
        parts.partial_fit(X)
    assert_same_fit(whole, parts)


def test_held_out_rows_have_the_same_estimate_in_every_epoch(X):
    still = {"learning_rate_init": 1e-12, "max_iter": 4, "early_stopping": True}
    contractive = fitted(X, **still, jacobian_method="hutchinson")
    curve = contractive.validation_loss_curve_
    np.testing.assert_allclose(curve, curve[0], rtol=1e-9)


@pytest.mark.parametrize("method", ["exact", "hutchinson"])
def test_what_is_asked_of_a_fitted_one_is_exact(method, X):
    contractive = fitted(X, hidden_layer_sizes=(9,), jacobian_method=method)
    expected = reference_norms(contractive.encoder_, torch.tensor(X)).detach()
    np.testing.assert_allclose(contractive.jacobian_norm(X), expected, rtol=1e-9)


@pytest.mark.parametrize("method", ["Exact", "jacrev", None])
def test_unknown_method(method, X):
    with pytest.raises(ValueError, match="jacobian_method"):
        fitted(X, jacobian_method=method)
