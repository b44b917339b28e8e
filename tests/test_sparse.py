"""The sparse autoencoder: its penalties, their limits and what they do to the code."""

import pickle
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import NEVER_STOP, assert_same_fit, may_be_dead, normal
from scipy.sparse import csr_array, csr_matrix
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from torch.distributions import Bernoulli, kl_divergence

from skae import Autoencoder, SparseAutoencoder, StackedAutoencoder
from skae._engine.activations import TopK
from skae._engine.data import Data, Split
from skae._engine.network import Network
from skae._engine.perceptron import Perceptron
from skae._engine.training import Trainer
from skae._sparse import bounded_pull_back, kl_sparsity, l1_sparsity, revive

pytestmark = may_be_dead

FAST = {
    "n_components": 24,
    "max_iter": 3,
    "batch_size": 200,
    "learning_rate_init": 1e-3,
    "random_state": 0,
}
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
def test_zero_sparsity_is_the_plain_autoencoder(sparsity, code, hidden, tied, digits):
    shared = {**FAST, "hidden_layer_sizes": hidden, "tied_weights": tied}
    sparse = SparseAutoencoder(**shared, sparsity=sparsity, sparsity_weight=0)
    plain = Autoencoder(**shared, code_activation=code)
    assert_same_fit(sparse.fit(digits), plain.fit(digits))


@pytest.mark.parametrize("sparsity, weight", [("kl", 3.0), ("l1", 0.1)])
def test_auto_weight(sparsity, weight, digits):
    auto = SparseAutoencoder(**FAST, sparsity=sparsity).fit(digits)
    explicit = SparseAutoencoder(**FAST, sparsity=sparsity, sparsity_weight=weight).fit(digits)
    assert_same_fit(auto, explicit)


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
    fit = {**FAST, "hidden_layer_sizes": hidden, "tied_weights": tied, "learning_rate_init": 0.02}
    sparse = SparseAutoencoder(**fit, sparsity="l1").fit(digits)
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


def test_logistic_may_be_named(digits):
    named = SparseAutoencoder(**FAST, code_activation="logistic").fit(digits)
    assert_same_fit(named, SparseAutoencoder(**FAST).fit(digits))


@pytest.mark.parametrize("tied", [False, True])
def test_l1_atoms_are_short_from_the_start(tied, digits):
    sparse = SparseAutoencoder(sparsity="l1", tied_weights=tied, hidden_layer_sizes=(200,))
    perceptron = sparse._describe_perceptron(64)
    network = sparse._initial_network(perceptron, torch.Generator().manual_seed(0), Data(digits))
    norms = network.decoder_weights[0].norm(dim=0)
    assert norms.max() <= 1 + 1e-12


def test_no_decoder_layer_lets_l1_be_escaped(digits):
    params = {"hidden_layer_sizes": (16,), "sparsity_weight": 1.0, "max_iter": 30}
    sparse = SparseAutoencoder(24, sparsity="l1", random_state=0, **params).fit(digits)
    norms = [np.linalg.norm(weights, axis=1) for weights in sparse.coefs_[2:]]
    assert max(map(np.max, norms)) <= 1 + 1e-12
    assert min(map(np.min, norms)) < 0.99  # at most 1, not exactly


# Top-k.

TOP = {**FAST, "sparsity": "topk", "n_active": 4}
both_codes = pytest.mark.parametrize("code", ["relu", "identity"])
every_network = pytest.mark.parametrize(
    "network",
    [{}, {"hidden_layer_sizes": (16,)}, {"tied_weights": True}],
    ids=["shallow", "deep", "tied"],
)


def pre_activations(estimator, X):
    """The code before its activation, by NumPy; hidden layers are relu."""
    depth = len(estimator.coefs_) // 2
    for layer in range(depth):
        X = X if layer == 0 else np.maximum(X, 0)
        X = X @ estimator.coefs_[layer] + estimator.intercepts_[layer]
    return X


def keep_largest(a, n_active):
    """By sorting: rows of a in which all but the largest are 0."""
    order = np.argsort(-a, axis=1)[:, :n_active]
    kept = np.zeros_like(a)
    np.put_along_axis(kept, order, np.take_along_axis(a, order, axis=1), axis=1)
    return kept


@every_network
@both_codes
def test_top_k_keeps_the_largest_pre_activations(code, network, digits):
    top = SparseAutoencoder(**TOP, code_activation=code, **network).fit(digits)
    expected = keep_largest(pre_activations(top, digits), 4)
    expected = np.maximum(expected, 0) if code == "relu" else expected
    codes = top.transform(digits)
    np.testing.assert_allclose(codes, expected, rtol=0, atol=1e-12)
    n_active = np.count_nonzero(codes, axis=1)
    assert n_active.max() == 4
    assert code == "relu" or n_active.min() == 4


def assert_near(output, codes):
    """Up to rounding, as a module uses all threads; and the same units are active."""
    found = output.detach().numpy()
    np.testing.assert_allclose(found, codes, rtol=100 * np.finfo(codes.dtype).eps)
    np.testing.assert_array_equal(found != 0, codes != 0)


@every_network
@both_codes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_encoder_of_top_k_is_transform(dtype, code, network, digits):
    X = digits.astype(dtype)
    top = SparseAutoencoder(**TOP, code_activation=code, **network).fit(X)
    codes, encoder = top.transform(X), top.encoder_
    assert codes.dtype == dtype
    assert_near(encoder(torch.tensor(X)), codes)
    reconstructions = top.decoder_(torch.tensor(codes)).detach().numpy()
    np.testing.assert_allclose(reconstructions, top.reconstruct(X), rtol=0, atol=1e-6)
    one_by_one = torch.func.vmap(encoder)(torch.tensor(X[:5])).detach().numpy()
    np.testing.assert_allclose(one_by_one, codes[:5], rtol=0, atol=1e-5)


@both_codes
def test_top_k_in_bf16(code, digits):
    fit = {**TOP, "max_iter": 10, "code_activation": code}
    rounded = SparseAutoencoder(**fit, precision="bf16").fit(digits)
    assert np.count_nonzero(rounded.transform(digits), axis=1).max() == 4
    full = SparseAutoencoder(**fit).fit(digits)
    assert rounded.score(digits) == pytest.approx(full.score(digits), abs=0.05)


def test_top_k_in_a_stack(digits):
    layers = [SparseAutoencoder(max_iter=2, sparsity="topk", n_active=n) for n in (6, 2)]
    stacked = StackedAutoencoder((24, 12), estimator=layers, max_iter=2, random_state=0)
    codes = stacked.fit(digits).transform(digits)
    first = stacked.estimators_[0].transform(digits)
    second = stacked.estimators_[1].transform(first)
    np.testing.assert_array_equal(second, codes)
    assert np.count_nonzero(first, axis=1).max() == 6
    assert np.count_nonzero(second, axis=1).max() == 2
    assert_near(stacked.encoder_(torch.tensor(digits)), codes)


@pytest.mark.parametrize("n_active", [1, 3, 9])
@both_codes
def test_pull_back_of_top_k_is_autograds_of_a_mask(code, n_active):
    a, incoming = normal(20, 9).requires_grad_(), normal(20, 9, seed=1)
    threshold = a.detach().sort(dim=1, descending=True).values[:, n_active - 1 : n_active]
    whole = a.relu() if code == "relu" else a
    expected = torch.where(a.detach() >= threshold, whole, 0.0)
    (gradient,) = torch.autograd.grad(expected, a, incoming)
    top_k, plain = TopK(code, n_active), a.detach()
    h = top_k(plain)
    torch.testing.assert_close(h, expected.detach(), rtol=0, atol=0)
    torch.testing.assert_close(
        top_k.pull_back(incoming, plain, h, torch.empty_like(h)), gradient, rtol=0, atol=0
    )
    torch.testing.assert_close(incoming * top_k.slope(plain, h), gradient, rtol=0, atol=0)


def test_ties_do_not_make_more_units_active():
    h = TopK("identity", 2)(torch.ones(5, 6))
    assert h.count_nonzero(dim=1).tolist() == 5 * [2]


def test_top_k_that_keeps_all_is_the_plain_autoencoder(digits):
    """But for its atoms, which are bounded: with steps of no length it is the same."""
    still = {**FAST, "max_iter": 1, "learning_rate_init": 1e-12, "hidden_layer_sizes": (40,)}
    still["activation"] = "tanh"  # so that the plain one does not start at principal components
    everything = SparseAutoencoder(
        **still, sparsity="topk", n_active=24, code_activation="identity"
    ).fit(digits)
    plain = Autoencoder(**still).fit(digits)
    np.testing.assert_allclose(everything.transform(digits), plain.transform(digits), atol=1e-9)
    atoms = plain.coefs_[2] / np.maximum(np.linalg.norm(plain.coefs_[2], axis=1), 1)[:, None]
    np.testing.assert_allclose(everything.coefs_[2], atoms, atol=1e-6)


@every_network
def test_atoms_of_top_k_are_bounded(network, digits):
    top = SparseAutoencoder(**{**TOP, **network, "learning_rate_init": 0.1}).fit(digits)
    depth = len(top.coefs_) // 2
    norms = np.concatenate([np.linalg.norm(c, axis=1) for c in top.coefs_[depth:]])
    assert norms.max() <= 1 + 1e-6
    assert norms.max() > 1 - 1e-6


@pytest.mark.parametrize("activation", ["logistic", "tanh", "elu", "gelu", "softplus"])
def test_top_k_refuses_other_codes(activation, digits):
    top = SparseAutoencoder(**TOP, code_activation=activation)
    with pytest.raises(ValueError, match=f"sparsity='topk'.*code_activation.*{activation}"):
        top.fit(digits)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_more_active_units_than_there_are_is_an_error(method, digits):
    top = SparseAutoencoder(**{**TOP, "n_active": 25})
    with pytest.raises(ValueError, match=r"n_active=25 must be at most n_components=24"):
        getattr(top, method)(digits)


@pytest.mark.parametrize("sparsity", ["kl", "l1"])
def test_n_active_matters_to_top_k_alone(sparsity, digits):
    few, many = (
        SparseAutoencoder(**FAST, sparsity=sparsity, n_active=n).fit(digits) for n in (1, 99)
    )
    assert_same_fit(few, many)


def n_active_of(top, X):
    (n_active,) = np.unique(np.count_nonzero(top.transform(X), axis=1))
    return n_active


def test_n_active_may_change_after_the_fit_and_while_training_goes_on(digits):
    top = SparseAutoencoder(**TOP, code_activation="identity").fit(digits)
    few = top.transform(digits)
    top.set_params(n_active=7)
    many = top.transform(digits)
    assert n_active_of(top, digits) == 7
    np.testing.assert_array_equal(few[few != 0], many[few != 0])
    assert_near(top.encoder_(torch.tensor(digits)), many)
    np.testing.assert_allclose(top.reconstruct(digits), top.inverse_transform(many))
    assert n_active_of(top.partial_fit(digits), digits) == 7
    top.set_params(n_active=2, warm_start=True).fit(digits)
    assert n_active_of(top, digits) == 2
    assert top.code_density_ == pytest.approx(2 / 24)


def test_more_active_units_than_there_are_after_the_fit_is_an_error(digits):
    top = SparseAutoencoder(**TOP).fit(digits).set_params(n_active=25)
    with pytest.raises(ValueError, match=r"n_active=25 must be at most n_components=24"):
        top.transform(digits)


def test_another_sparsity_alone_does_not_change_what_was_fitted(digits):
    for before, after in (("l1", "topk"), ("kl", "topk"), ("topk", "l1")):
        sparse = SparseAutoencoder(**{**TOP, "sparsity": before}).fit(digits)
        codes = sparse.transform(digits)
        sparse.set_params(sparsity=after)
        np.testing.assert_array_equal(sparse.transform(digits), codes)


@pytest.mark.parametrize("n_active", [np.int64(4), np.int32(4)])
def test_n_active_may_be_numpys_integer(n_active, digits):
    found = SparseAutoencoder(**{**TOP, "n_active": n_active}).fit(digits)
    assert_same_fit(found, SparseAutoencoder(**TOP).fit(digits))


# Revival.


def random_network(hidden=(), tied=False, n_components=6):
    """A top-k network of which units 1 and 4 are dead, with moments and some rows."""
    sizes = (5, *hidden, n_components)
    encoder = ("relu",) * len(hidden) + (TopK("relu", 2),)
    decoder = ("relu",) * len(hidden) + ("identity",)
    perceptron = Perceptron(sizes, encoder, decoder, (tied,) * len(encoder))
    weights = normal(perceptron.length)
    moments = [normal(perceptron.length, seed=seed).abs() for seed in (1, 2)]
    network, *moments = (Network(perceptron, flat) for flat in (weights, *moments))
    kill(network, [1, 4])
    return network, moments


def kill(network, units):
    """Units that no row of moderate length makes active."""
    network.encoder_weights[-1][units] = 0.0
    network.encoder_biases[-1][units] = -1.0


def revive_both(network, moments, rows=(3, 7)):
    x = normal(10, 5, seed=3)
    residuals = 0.8 * x + 0.2 * normal(10, 5, seed=4)
    dead = torch.tensor([False, True, False, False, True, False])
    before = network.flat.clone(), [moment.flat.clone() for moment in moments]
    code = network.encode(x)
    revive(network, moments, dead, x, residuals, torch.tensor(rows))
    return x, residuals, code, dead, before


some_depths = pytest.mark.parametrize("hidden", [(), (7,)], ids=["shallow", "deep"])
some_tyings = pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])


@some_tyings
@some_depths
def test_revived_units_are_as_active_on_their_rows_as_others_are(hidden, tied):
    network, moments = random_network(hidden, tied)
    x, residuals, code, dead, _ = revive_both(network, moments)
    seen = network.before_code(x)
    length = network.encoder_weights[-1][~dead].norm(dim=1).max()
    for unit, row in ((1, 3), (4, 7)):
        weights = network.encoder_weights[-1][unit]
        toward = residuals[row] if not hidden else seen[row] - seen.mean(dim=0)
        assert torch.cosine_similarity(weights, toward, dim=0) == pytest.approx(1)
        active = code[row][code[row] > 0].mean()
        found = weights @ seen[row] + network.encoder_biases[-1][unit]
        if weights.norm() < 0.999 * length:
            assert found.item() == pytest.approx(active.item())
        assert weights.norm() <= length * (1 + 1e-12)
        assert found > 0


@some_depths
def test_atoms_of_revived_units_have_their_direction(hidden):
    network, moments = random_network(hidden)
    _, _, _, dead, _ = revive_both(network, moments)
    atoms, weights = network.own_decoder_weights[0], network.encoder_weights[-1]
    for unit in (1, 4):
        assert torch.cosine_similarity(atoms[:, unit], weights[unit], dim=0) == pytest.approx(1)
        mean = atoms[:, ~dead].norm(dim=0).mean().item()
        assert atoms[:, unit].norm().item() == pytest.approx(mean)


@some_tyings
@some_depths
def test_the_living_are_left_alone(hidden, tied):
    network, moments = random_network(hidden, tied)
    *_, dead, before = revive_both(network, moments)
    for now, old in zip((network, *moments), (before[0], *before[1]), strict=True):
        old = Network(network.perceptron, old)
        of_units = [now.encoder_weights[-1], now.encoder_biases[-1], now.decoder_weights[0].t()]
        were = [old.encoder_weights[-1], old.encoder_biases[-1], old.decoder_weights[0].t()]
        for tensor, was in zip(of_units, were, strict=True):
            assert torch.equal(tensor[~dead], was[~dead])
        for tensor, was in zip(now.encoder_weights[:-1], old.encoder_weights[:-1], strict=True):
            assert torch.equal(tensor, was)
        assert torch.equal(now.decoder_biases[-1], old.decoder_biases[-1])


@some_tyings
def test_moments_of_the_revived_start_anew(tied):
    network, (first, second) = random_network(tied=tied)
    *_, dead, _ = revive_both(network, (first, second))
    for name in ("encoder_weights", "encoder_biases"):
        assert not getattr(first, name)[-1][dead].any()
        moment = getattr(second, name)[-1]
        expected = moment[~dead].mean(dim=0).expand_as(moment[dead])
        torch.testing.assert_close(moment[dead], expected)
    if not tied:
        assert not first.own_decoder_weights[0][:, dead].any()
        assert (second.own_decoder_weights[0][:, dead] > 0).all()


def test_a_unit_is_revived_on_a_row_whose_reconstruction_is_too_long():
    """What it lacks points away from the row, along which the unit would not be active."""
    network, moments = random_network()
    x = normal(10, 5, seed=3)
    dead = torch.tensor([False, True, False, False, True, False])
    revive(network, moments, dead, x, -x, torch.tensor([3, 7]))
    activations = network.encoder_weights[-1] @ x.t()
    assert activations[1, 3] > 0
    assert activations[4, 7] > 0


def test_a_unit_is_revived_on_a_row_that_nothing_is_active_for():
    """Such a row is badly reconstructed, so that it is likely to be chosen."""
    network, moments = random_network()
    network.encoder_biases[-1].fill_(-100.0)
    network.encoder_biases[-1][0] = 100.0  # one unit lives, but is cut off for row 3
    x = normal(10, 5, seed=3)
    network.encoder_weights[-1][0] = -200.0 * x[3] / x[3].square().sum()
    assert not network.encode(x)[3].any() and network.encode(x).any()
    dead = torch.tensor([False, True, True, True, True, True])
    revive(network, moments, dead, x, x.clone(), torch.tensor([3, 3, 3, 3, 3]))
    assert (network.encoder_weights[-1][dead] @ x[3] > 0).all()


def with_dead_units(top, units):
    """A copy of a fitted estimator in which these units never fire, as training finds out."""
    top = deepcopy(top)
    weights = top._state.weights.copy()
    kill(Network(top._perceptron, torch.from_numpy(weights)), units)
    idle = np.isin(np.arange(top.n_components_), units)
    top._state = replace(top._state, weights=weights, idle=idle)
    return top


@every_network
def test_killed_units_come_back(network, digits):
    top = SparseAutoencoder(**TOP, **network).fit(digits)
    ill = with_dead_units(top, [0, 5, 11])
    assert (ill.transform(digits)[:, [0, 5, 11]] == 0).all()
    healed = deepcopy(ill)
    for _ in range(8):
        healed.partial_fit(digits)
    assert len(set(healed.dead_components_) & {0, 5, 11}) <= 1
    assert healed.score(digits) > ill.score(digits)


def test_the_dead_are_noticed_by_the_next_epoch(digits):
    """Weights alone are changed: an epoch finds the units idle, the one after revives them."""
    top = SparseAutoencoder(**TOP).fit(digits)
    ill = with_dead_units(top, [0, 5])
    ill._state = replace(ill._state, idle=None)
    ill.partial_fit(digits)
    assert ill._state.idle[[0, 5]].all()
    assert {0, 5} <= set(ill.dead_components_)
    n_dead = len(ill.dead_components_)
    for _ in range(3):
        ill.partial_fit(digits)
    assert len(ill.dead_components_) < n_dead


def weights_at_the_first_batch(top, X, monkeypatch):
    """The weights that the next epoch begins with."""
    seen, step = [], Trainer._step

    def noted(self, *arguments):
        seen.append(self.weights.clone().numpy())
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "_step", noted)
    top.partial_fit(X)
    return seen[0]


@pytest.mark.parametrize("dead", ["none", "all", "unknown"])
def test_none_are_revived_when_all_or_none_are_idle(dead, digits, monkeypatch):
    top = SparseAutoencoder(**TOP).fit(digits)
    idle = {"none": np.zeros(24, bool), "all": np.ones(24, bool), "unknown": None}[dead]
    top._state = replace(top._state, idle=idle)
    before = top._state.weights
    np.testing.assert_array_equal(weights_at_the_first_batch(top, digits, monkeypatch), before)


def test_idle_units_change_before_the_first_batch_and_others_do_not(digits, monkeypatch):
    top = with_dead_units(SparseAutoencoder(**TOP).fit(digits), [3])
    before = Network(top._perceptron, torch.from_numpy(top._state.weights))
    flat = weights_at_the_first_batch(top, digits, monkeypatch)
    after, others = Network(top._perceptron, torch.from_numpy(flat)), np.arange(24) != 3
    assert torch.equal(after.encoder_weights[0][others], before.encoder_weights[0][others])
    assert not torch.equal(after.encoder_weights[0][3], before.encoder_weights[0][3])
    assert (after.own_decoder_weights[0].norm(dim=0) <= 1 + 1e-6).all()


def test_revival_leaves_fewer_units_dead(digits, monkeypatch):
    top = SparseAutoencoder(128, sparsity="topk", n_active=8, max_iter=30, random_state=0)
    revived = clone(top).fit(digits)
    monkeypatch.setattr(SparseAutoencoder, "_begin_epoch", lambda self, trainer, progress: None)
    left = clone(top).fit(digits)
    assert len(revived.dead_components_) < 0.5 * len(left.dead_components_)
    assert revived.score(digits) > left.score(digits)


def test_nobody_is_revived_late_in_a_fit(digits, monkeypatch):
    epochs = []
    monkeypatch.setattr("skae._sparse.revive", lambda network, *_: epochs.append(network))
    top = SparseAutoencoder(128, sparsity="topk", n_active=1, max_iter=10, random_state=0)
    top.set_params(**NEVER_STOP).fit(digits[:200])
    assert len(top.dead_components_)
    assert 1 <= len(epochs) <= 7  # not before the second epoch, not after 70% of ten


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("network", [{}, {"hidden_layer_sizes": (16,), "tied_weights": True}])
def test_training_with_revival_goes_on_exactly_through_pickle(network, solver, digits):
    X = digits[:300]
    fit = {**TOP, **network, "n_components": 96, "n_active": 1, "learning_rate_init": 3e-3}
    whole = SparseAutoencoder(**fit, solver=solver)
    parts = clone(whole)
    for _ in range(4):
        whole.partial_fit(X)
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X)))
    assert whole._state.idle.any()
    assert_same_fit(whole, parts)
    np.testing.assert_array_equal(whole._state.idle, parts._state.idle)


def test_fit_with_revival_is_that_many_partial_fits(digits):
    """As long as none of them falls into the part of a fit in which nobody is revived."""
    X, fit = digits[:300], {**TOP, "n_components": 96, "n_active": 2, **NEVER_STOP}
    whole = SparseAutoencoder(**{**fit, "max_iter": 3}).fit(X)
    parts = SparseAutoencoder(**fit)
    for _ in range(3):
        parts.partial_fit(X)
    assert_same_fit(whole, parts)
    refit = clone(whole).fit(X)
    assert_same_fit(whole, refit)
    assert_same_fit(SparseAutoencoder(**fit, warm_start=True).set_params(max_iter=3).fit(X), whole)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("learning_rate_init", [1e-3, 0.1])
def test_revival_never_makes_training_diverge(learning_rate_init, dtype, standardized_digits):
    """Even where a large step size kills most units in each epoch."""
    X = standardized_digits[:500].astype(dtype)
    fit = {**TOP, "max_iter": 10, "learning_rate_init": learning_rate_init, **NEVER_STOP}
    top = SparseAutoencoder(**{**fit, "n_components": 64}).fit(X)
    assert np.isfinite(top.loss_curve_).all()
    assert top.best_loss_ < np.square(X).sum(axis=1).mean()


def test_revival_holds_with_early_stopping_on_training_rows_alone(digits, monkeypatch):
    """Rows that are held out are not what units are revived on."""
    X = np.concatenate([digits[:100], 1e3 + digits[100:110]])
    top = SparseAutoencoder(**{**TOP, "n_components": 64}, early_stopping=True)
    seen = []
    monkeypatch.setattr("skae._sparse.revive", lambda n, m, dead, x, *_: seen.append(x.clone()))
    split = Split(torch.arange(100), torch.arange(100, 110))
    monkeypatch.setattr("skae._one_network.split_rows", lambda *_: split)
    top.fit(X)
    assert seen
    assert max(x.max().item() for x in seen) <= 1


# What the codes are like.

VARIANTS = {
    "kl": {"sparsity": "kl"},
    "l1": {"sparsity": "l1", "sparsity_weight": 1.0},
    "l1, signed": {"sparsity": "l1", "code_activation": "tanh"},
    "topk": {"sparsity": "topk", "n_active": 3},
    "topk, signed": {"sparsity": "topk", "n_active": 3, "code_activation": "identity"},
}
every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@every_variant
def test_attributes_describe_the_codes_of_the_training_rows(variant, method, digits, monkeypatch):
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 64 * 500)  # 500 rows
    sparse = getattr(SparseAutoencoder(**{**FAST, **variant}), method)(digits)
    codes = sparse.transform(digits)
    active = codes > 0.1 if variant["sparsity"] == "kl" else codes != 0
    assert sparse.mean_activation_.shape == (24,)
    np.testing.assert_allclose(sparse.mean_activation_, codes.mean(axis=0), atol=1e-12)
    assert isinstance(sparse.code_density_, float)
    assert sparse.code_density_ == pytest.approx(active.mean())
    np.testing.assert_array_equal(sparse.dead_components_, np.flatnonzero(~active.any(axis=0)))


def test_a_unit_of_kl_is_dead_below_twice_its_target(digits):
    sparse = SparseAutoencoder(**FAST, target_activation=0.2, sparsity_weight=30).fit(digits)
    active = sparse.transform(digits) > 0.4
    assert sparse.code_density_ == pytest.approx(active.mean())


def test_density_of_a_signed_top_k_is_the_fraction_it_keeps(digits):
    sparse = SparseAutoencoder(**{**TOP, "code_activation": "identity"}).fit(digits)
    assert sparse.code_density_ == pytest.approx(4 / 24)


# Sparse output.


SPARSE = {"l1": {"sparsity": "l1"}, "topk": {"sparsity": "topk", "n_active": 3}}
every_sparse = pytest.mark.parametrize("variant", SPARSE.values(), ids=SPARSE)


@every_sparse
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_codes_are_the_dense_ones(dtype, variant, digits, monkeypatch):
    X = digits.astype(dtype)
    sparse = SparseAutoencoder(**{**FAST, **variant}, sparse_output=True).fit(X)
    codes = sparse.transform(X)
    assert isinstance(codes, csr_matrix) and codes.dtype == dtype
    dense = SparseAutoencoder(**{**FAST, **variant}).fit_transform(X)
    np.testing.assert_array_equal(codes.toarray(), dense)
    assert codes.nnz == np.count_nonzero(dense)
    assert codes.has_canonical_format
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 64 * 100)
    np.testing.assert_array_equal(sparse.transform(X).toarray(), dense)


@every_sparse
def test_sparse_codes_are_decoded(variant, digits):
    sparse = SparseAutoencoder(**{**FAST, **variant}, sparse_output=True).fit(digits)
    codes = sparse.transform(digits)
    expected = sparse.reconstruct(digits)
    for given in (codes, csr_array(codes), codes.tocsc(), codes.toarray()):
        np.testing.assert_allclose(sparse.inverse_transform(given), expected, atol=1e-12)
    with pytest.raises(ValueError, match="n_components=24"):
        sparse.inverse_transform(codes[:, :5])
    assert sparse.score(digits) == SparseAutoencoder(**{**FAST, **variant}).fit(digits).score(
        digits
    )


def test_kl_codes_may_be_asked_for_as_sparse(digits):
    codes = SparseAutoencoder(**FAST, sparse_output=True).fit_transform(digits)
    assert codes.nnz == 24 * len(digits)


def test_sparse_codes_go_straight_into_scikit_learn():
    X, y = load_digits(return_X_y=True)
    X = X[:500] / 16
    sparse = SparseAutoencoder(64, sparsity="topk", max_iter=10, random_state=0)
    pipeline = make_pipeline(sparse, LogisticRegression(max_iter=1000))
    expected = clone(pipeline).fit(X, y[:500]).predict(X)
    sparse.set_params(sparse_output=True)
    found = clone(pipeline).fit(X, y[:500]).predict(X)
    assert (found == expected).mean() > 0.99
    assert (found == y[:500]).mean() > 0.8
    codes = sparse.fit_transform(X)
    neighbors = NearestNeighbors(n_neighbors=3).fit(codes)
    nearest = neighbors.kneighbors(codes[:20], return_distance=False)
    dense = NearestNeighbors(n_neighbors=3).fit(codes.toarray())
    distances = dense.kneighbors(codes[:20].toarray())[0]
    np.testing.assert_array_equal(nearest[:, 0], np.arange(20))
    np.testing.assert_allclose(neighbors.kneighbors(codes[:20])[0], distances, atol=1e-6)


def test_a_frame_cannot_hold_sparse_codes(digits):
    pytest.importorskip("pandas")
    sparse = SparseAutoencoder(**TOP, sparse_output=True).set_output(transform="pandas")
    with pytest.raises(ValueError, match="sparse"):
        sparse.fit(digits).transform(digits)
    frame = sparse.set_params(sparse_output=False).transform(digits)
    assert list(frame.columns) == [f"sparseautoencoder{j}" for j in range(24)]


@pytest.mark.skipif(
    "sparse_interface" not in get_config(), reason="this scikit-learn gives sparse matrices only"
)
def test_sparse_arrays_where_scikit_learn_is_asked_for_them(digits):
    sparse = SparseAutoencoder(**TOP, sparse_output=True).fit(digits)
    matrix = sparse.transform(digits)
    with config_context(sparse_interface="sparray"):
        codes = sparse.transform(digits)
    assert isinstance(codes, csr_array) and not isinstance(codes, csr_matrix)
    np.testing.assert_array_equal(codes.toarray(), matrix.toarray())


def test_a_stack_of_sparse_layers_has_dense_codes(digits):
    layer = SparseAutoencoder(max_iter=2, sparsity="topk", n_active=3, sparse_output=True)
    stacked = StackedAutoencoder((24, 12), estimator=layer, max_iter=2, random_state=0).fit(digits)
    assert isinstance(stacked.transform(digits), np.ndarray)


# Bounded atoms.


def test_bounded_pull_back_is_autograds_of_renorm():
    scale = torch.tensor([0.3, 0.9, 1.1, 2.0, 5.0], dtype=torch.float64)
    atoms = normal(7, 5)
    atoms = (atoms / atoms.norm(dim=0) * scale).requires_grad_()
    incoming = normal(7, 5, seed=1)
    bounded = torch.renorm(atoms, p=2, dim=1, maxnorm=1.0)
    (expected,) = torch.autograd.grad(bounded, atoms, incoming)
    bounded_pull_back(atoms.detach(), incoming)
    torch.testing.assert_close(incoming, expected, rtol=1e-6, atol=1e-7)
    # A step along a long atom leads nowhere.
    along = (incoming * atoms.detach()).sum(dim=0)
    torch.testing.assert_close(along[2:], torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)


def test_bounded_pull_back_of_an_atom_of_norm_zero():
    gradient = torch.ones(7, 2)
    bounded_pull_back(torch.zeros(7, 2), gradient)
    assert torch.equal(gradient, torch.ones(7, 2))


@pytest.mark.parametrize("sparsity, weight", [("kl", 3.0), ("l1", 0)])
def test_atoms_are_free_where_no_length_is_escaped_to(sparsity, weight):
    sparse = SparseAutoencoder(sparsity=sparsity, sparsity_weight=weight)
    perceptron = sparse._describe_perceptron(4)
    network = Network(perceptron, 3 * normal(perceptron.length))
    gradient = Network(perceptron, normal(perceptron.length, seed=1))
    before = gradient.flat.clone()
    sparse._pull_back_constraint(network, gradient)
    assert torch.equal(gradient.flat, before)


def test_a_code_that_is_mostly_dead_is_warned_of(digits):
    params = {"max_iter": 50, "batch_size": 50, "random_state": 0}
    dying = SparseAutoencoder(64, sparsity="l1", sparsity_weight=3.0, **params)
    with pytest.warns(UserWarning, match=r"\d+ of 64 components are dead.*sparsity_weight"):
        dying.fit(digits)
    assert len(dying.dead_components_) > 32


@pytest.mark.filterwarnings("error")
def test_a_living_code_is_not_warned_of(digits):
    fit = {**FAST, "max_iter": 20}
    SparseAutoencoder(**fit, sparsity="l1", sparsity_weight=0.01).fit(digits)
