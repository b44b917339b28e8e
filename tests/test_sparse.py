"""The sparse autoencoder: its penalties, their limits and what they do to the code."""

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from skae import Autoencoder, SparseAutoencoder
from skae._perceptron import Network
from skae._sparse import kl_sparsity, l1_sparsity

FAST = {"n_components": 24, "max_iter": 3, "random_state": 0}
every_sparsity = pytest.mark.parametrize("sparsity, code", [("kl", "logistic"), ("l1", "relu")])


def activations(n=50):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, dtype=torch.float64, generator=generator).requires_grad_()


def torchs_kl(rho_j, rho):
    target = Bernoulli(torch.full_like(rho_j, rho))
    return kl_divergence(target, Bernoulli(rho_j)).sum()


@pytest.mark.parametrize("rho", [0.01, 0.05, 0.5, 0.9])
def test_kl_equals_torchs(rho):
    rho_j = activations()
    found, expected = kl_sparsity(rho_j, rho), torchs_kl(rho_j, rho)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    (slope,), (expected,) = (torch.autograd.grad(kl, rho_j) for kl in (found, expected))
    torch.testing.assert_close(slope, expected, rtol=1e-9, atol=1e-9)


def test_kl_is_zero_at_its_target_and_positive_elsewhere():
    rho_j = torch.linspace(0.05, 0.5, 10, dtype=torch.float64)
    kl = [kl_sparsity(activation[None], 0.05).item() for activation in rho_j]
    assert kl[0] == pytest.approx(0, abs=1e-12)
    assert kl == sorted(kl)
    assert kl[1] > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rho_j", [0.0, 1.0])
def test_kl_of_dead_and_of_saturated_units_is_finite(rho_j, dtype):
    rho_j = torch.full((3,), rho_j, dtype=dtype, requires_grad=True)
    kl = kl_sparsity(rho_j, 0.05)
    kl.backward()
    assert kl.isfinite() and kl > 0
    assert rho_j.grad.isfinite().all()


def test_l1_is_the_mean_over_rows_of_the_codes_l1_norm():
    code = torch.tensor([[1.0, -2.0, 0.0], [0.0, 0.5, 0.5]])
    assert l1_sparsity(code).item() == 2.0


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hidden", [(), (16,)])
@every_sparsity
def test_zero_sparsity_is_the_plain_autoencoder(
    sparsity, code, hidden, tied, digits, assert_same_training
):
    shared = {**FAST, "hidden_layer_sizes": hidden, "tied_weights": tied}
    sparse = SparseAutoencoder(**shared, sparsity=sparsity, sparsity_weight=0)
    plain = Autoencoder(**shared, code_activation=code)
    assert_same_training(sparse.fit(digits), plain.fit(digits))


@pytest.mark.parametrize("sparsity, weight", [("kl", 3.0), ("l1", 0.1)])
def test_auto_weight(sparsity, weight, digits, assert_same_training):
    auto = SparseAutoencoder(**FAST, sparsity=sparsity).fit(digits)
    explicit = SparseAutoencoder(**FAST, sparsity=sparsity, sparsity_weight=weight).fit(digits)
    assert_same_training(auto, explicit)


@every_sparsity
def test_loss_is_the_error_plus_the_weighted_penalty(sparsity, code, digits, squared_errors):
    """Full batches that are not learned from: the loss is that of the fitted weights."""
    still = {**FAST, "max_iter": 2, "learning_rate_init": 1e-12, "batch_size": len(digits)}
    sparse = SparseAutoencoder(**still, sparsity=sparsity, sparsity_weight=2.0).fit(digits)
    codes = torch.tensor(sparse.transform(digits))
    penalty = torchs_kl(codes.mean(dim=0), 0.05) if sparsity == "kl" else codes.sum(dim=1).mean()
    error = squared_errors(digits, sparse.reconstruct(digits)).mean()
    assert sparse.loss_ == pytest.approx(error + 2.0 * penalty.item(), rel=1e-6)


@pytest.mark.parametrize("target", [0.05, 0.2])
def test_mean_activation_comes_near_the_target(target, digits):
    fit = {**FAST, "max_iter": 20, "learning_rate_init": 5e-3}
    sparse = SparseAutoencoder(**fit, sparsity_weight=30.0, target_activation=target).fit(digits)
    free = SparseAutoencoder(**fit, sparsity_weight=0).fit(digits)
    np.testing.assert_allclose(sparse.mean_activation_, target, rtol=0.3)
    assert abs(free.mean_activation_.mean() - target) > 0.1


def test_mean_activation_is_the_mean_code(digits):
    sparse = SparseAutoencoder(**FAST).fit(digits)
    assert sparse.mean_activation_.shape == (24,)
    np.testing.assert_allclose(sparse.mean_activation_, sparse.transform(digits).mean(axis=0))


@pytest.mark.parametrize("rho", [0.05, 0.3])
def test_code_biases_start_where_activations_are_the_target(rho, digits):
    still = {**FAST, "max_iter": 1, "learning_rate_init": 1e-12}
    sparse = SparseAutoencoder(**still, target_activation=rho, hidden_layer_sizes=(8,)).fit(digits)
    np.testing.assert_allclose(sparse.intercepts_[1], np.log(rho / (1 - rho)), atol=1e-9)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hidden", [(), (16,)])
def test_atoms_are_kept_at_norm_one(hidden, tied, digits):
    # Steps that are large enough to carry free atoms beyond norm 1.
    fit = {**FAST, "sparsity": "l1", "hidden_layer_sizes": hidden, "tied_weights": tied}
    sparse = SparseAutoencoder(**fit, learning_rate_init=0.02).fit(digits)
    atoms = sparse.coefs_[len(hidden) + 1]
    norms = np.linalg.norm(atoms, axis=1)
    assert norms.shape == (24,)
    assert norms.max() <= 1 + 1e-6
    assert norms.max() > 1 - 1e-6


def test_codes_get_sparser_with_the_weight(digits):
    densities, sizes = [], []
    for weight in (0.01, 0.3, 3.0):
        fit = {**FAST, "max_iter": 15, "sparsity_weight": weight}
        codes = SparseAutoencoder(**fit, sparsity="l1").fit_transform(digits)
        densities.append((codes > 0).mean())
        sizes.append(codes.sum(axis=1).mean())
    assert densities == sorted(densities, reverse=True)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.7 * sizes[0]


@pytest.mark.parametrize("activation", ["relu", "identity", "tanh"])
def test_kl_refuses_codes_that_are_no_probabilities(activation, digits):
    sparse = SparseAutoencoder(**FAST, code_activation=activation)
    with pytest.raises(ValueError, match=f"sparsity='kl'.*code_activation.*{activation}"):
        sparse.fit(digits)


def test_logistic_may_be_named(digits, assert_same_training):
    named = SparseAutoencoder(**FAST, code_activation="logistic").fit(digits)
    assert_same_training(named, SparseAutoencoder(**FAST).fit(digits))


@pytest.mark.parametrize("tied", [False, True])
def test_l1_atoms_are_short_from_the_start(tied, digits):
    sparse = SparseAutoencoder(sparsity="l1", tied_weights=tied, hidden_layer_sizes=(200,))
    perceptron = sparse._describe_network(64)
    weights = sparse._initial_weights(perceptron, torch.Generator().manual_seed(0), digits)
    norms = Network(perceptron, weights).decoder_weights[0].norm(dim=0)
    assert norms.max() <= 1 + 1e-12


def test_no_decoder_layer_lets_l1_be_escaped(digits):
    params = {"hidden_layer_sizes": (16,), "sparsity_weight": 1.0, "max_iter": 30}
    sparse = SparseAutoencoder(24, sparsity="l1", random_state=0, **params).fit(digits)
    norms = [np.linalg.norm(weights, axis=1) for weights in sparse.coefs_[2:]]
    assert max(map(np.max, norms)) <= 1 + 1e-12
    assert min(map(np.min, norms)) < 0.99  # at most 1, not exactly
