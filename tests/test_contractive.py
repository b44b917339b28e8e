"""The contractive autoencoder's Jacobian against `torch.func`, and what its penalty does."""

import numpy as np
import pytest
import torch
from torch.func import jacrev, vmap

from skae import Autoencoder, ContractiveAutoencoder
from skae._contractive import squared_jacobian_norm
from skae._perceptron import ACTIVATIONS, Network, Perceptron

FAST = {"n_components": 5, "max_iter": 2, "random_state": 0}
HIDDEN = {"one layer": (), "two layers": (9,), "three layers": (9, 7)}

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
    weights = 0.7 * normal(perceptron.n_parameters)
    return Network(perceptron, weights, torch.zeros_like(weights))


def reference_norms(encoder, x):
    return vmap(jacrev(encoder))(x).square().sum(dim=(1, 2))


@every_width
@every_tying
@every_depth
@every_activation
def test_penalty_and_its_gradient_equal_jacrevs(activation, hidden, tied, n_features):
    network = random_network(n_features, hidden, activation, tied)
    x, encoder = normal(15, n_features, seed=1), network.encoder_module()
    _, slopes = network.encode_with_slopes(x)
    norms = squared_jacobian_norm(network.encoder_weights, slopes)
    expected = reference_norms(encoder, x)
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
    monkeypatch.setattr("skae._inference.CHUNK_SIZE", 12 * 5 * 7)  # 7 rows
    np.testing.assert_allclose(contractive.jacobian(X), whole, rtol=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@every_tying
@every_depth
def test_zero_contraction_is_the_plain_autoencoder(
    hidden, tied, loss, digits, assert_same_training
):
    shared = {**FAST, "hidden_layer_sizes": hidden, "tied_weights": tied, "loss": loss}
    contractive = ContractiveAutoencoder(**shared, contraction_weight=0).fit(digits)
    plain = Autoencoder(**shared, code_activation="logistic").fit(digits)
    assert_same_training(contractive, plain)


def test_loss_is_the_error_plus_the_weighted_norm(X, squared_errors):
    """One full batch that is not learned from: the loss is that of the fitted weights."""
    still = {"max_iter": 1, "learning_rate_init": 1e-12, "contraction_weight": 0.7}
    contractive = fitted(X, **still, hidden_layer_sizes=(9,))
    errors = squared_errors(X, contractive.reconstruct(X))
    expected = (errors + 0.7 * contractive.jacobian_norm(X)).mean()
    assert contractive.loss_ == pytest.approx(expected, rel=1e-6)


@every_depth
def test_the_penalty_lowers_the_jacobian_norm(hidden, digits):
    fit = {"n_components": 32, "max_iter": 15, "learning_rate_init": 5e-3, "random_state": 0}
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
