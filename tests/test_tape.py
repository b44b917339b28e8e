"""The tape's gradients against autograd's: a plain network leaves all of them to autograd."""

import weakref
from functools import partial

import numpy as np
import pytest
import torch
from helpers import X, assert_same_fit, each_class, each_of_any_numbers, small, weights
from torch.distributions import Normal, kl_divergence

from skae import (
    VAE,
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._elbo import sample_posterior
from skae._engine.activations import ACTIVATIONS, TopK
from skae._engine.data import Data
from skae._engine.network import Network, activated, averages_rows, two_heads
from skae._engine.perceptron import Perceptron
from skae._engine.tape import Tape
from skae._likelihoods import learned_variance, mean_gaussian_surprise
from skae._outputs import LOSSES, Output, penalized, penalized_by
from skae._sparse import kl_penalty, l1_penalty

DEEP = Perceptron((6, 5, 3), ("tanh", "logistic"), ("softplus", "identity"), (False, False))
TIED = Perceptron((6, 5, 3), ("elu", "identity"), ("gelu", "logistic"), (True, True))
HALF_TIED = Perceptron((6, 5, 3), ("tanh", "elu"), ("tanh", "identity"), (True, False))
WIDE = Perceptron((6, 9), ("logistic",), ("identity",), (True,))
TOP = Perceptron((6, 5, 9), ("tanh", TopK("relu", 3)), ("tanh", "identity"), (False,) * 2)
TIED_TOP = Perceptron((6, 9), (TopK("identity", 2),), ("identity",), (True,))
ONE_HEAD = [DEEP, TIED, HALF_TIED, WIDE, TOP, TIED_TOP]
HEADS = Perceptron((6, 5, 3), ("tanh", "elu"), ("tanh", "identity"), (False,) * 2, 2, 1, 1)
IDENTITY_HEADS = Perceptron((6, 3), ("identity",), ("identity",), (False,), 2, 1, 1)
TIED_HEADS = Perceptron((6, 5, 3), ("tanh", "elu"), ("tanh", "identity"), (True,) * 2, 2, 1, 1)
TWO_HEADS = [HEADS, IDENTITY_HEADS, TIED_HEADS]
FOUR_HEADS = Perceptron((6, 5, 3), ("tanh", "elu"), ("tanh", "identity"), (False, True), 2, 2)
NARROW_OUTPUT = Perceptron(
    (6, 5, 3), ("tanh", "elu"), ("elu", "tanh"), (True,) * 2, decoder_sizes=(3, 5, 4)
)
WIDE_OUTPUT = Perceptron((6, 3), ("elu",), ("identity",), (False,), decoder_sizes=(3, 8))
CLASSIFIER = Perceptron((6, 5, 3), ("tanh", "elu"), ("softmax",), (False,), decoder_sizes=(3, 4))
OUTPUT_LAYER = Perceptron((6,), (), ("identity",), (False,), decoder_sizes=(6, 4))

DOUBLE = {"dtype": torch.float64}
EXACT = {"rtol": 1e-9, "atol": 1e-12}
BATCH = torch.tensor(X[:20])

every_tying = pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
every_depth = pytest.mark.parametrize("hidden", [(), (5,), (5, 4)], ids=str)
every_loss = pytest.mark.parametrize("loss", LOSSES)
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
every_perceptron = pytest.mark.parametrize(
    "perceptron",
    [*ONE_HEAD, *TWO_HEADS, FOUR_HEADS, NARROW_OUTPUT, WIDE_OUTPUT, CLASSIFIER, OUTPUT_LAYER],
    ids=str,
)
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(shape, **DOUBLE, generator=generator(seed))


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def flat_and_gradient(perceptron, dtype=torch.float64):
    """Weights and biases that are not zero, so that none can be forgotten."""
    flat = 0.5 * normal(perceptron.length).to(dtype)
    return flat, torch.zeros_like(flat)


def backward(tape, objective, factor=1.0):
    with torch.no_grad():
        tape.backward(objective, factor)


def by_autograd(perceptron, objective, dtype=torch.float64):
    """`objective(network)` and its gradient, for weights of this dtype."""
    flat, gradient = flat_and_gradient(perceptron, dtype)
    value = objective(Network(perceptron, flat, gradient))
    value.backward()
    assert gradient.any()
    return value.detach(), gradient


def by_tape(perceptron, objective, dtype=torch.float64, rounded_to=None):
    """The same by a tape."""
    flat, gradient = flat_and_gradient(perceptron, dtype)
    tape = Tape(Network(perceptron, flat), gradient, rounded_to)
    value = objective(tape)
    backward(tape, value)
    return value.detach(), gradient


def assert_same_gradient(perceptron, objective):
    expected_value, expected = by_autograd(perceptron, objective)
    value, gradient = by_tape(perceptron, objective)
    torch.testing.assert_close(value, expected_value, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected, **EXACT)


def in_training(estimator, x=BATCH, sample_weight=None):
    """The estimator's perceptron, and what it minimises as a function of the network."""
    estimator._prepare(Data(X.astype(x.numpy().dtype)), continues=False)
    perceptron = estimator._describe_perceptron(x.shape[1])

    def objective(network):
        network.weigh(sample_weight)
        return estimator._objective(network, x, generator(7))

    return perceptron, objective


# Objectives of the estimators.


@every_depth
@every_tying
@every_loss
@every_activation
def test_the_autoencoders_gradient_is_autograds(activation, loss, tied, hidden):
    shared = {"hidden_layer_sizes": hidden, "tied_weights": tied, "loss": loss}
    estimator = Autoencoder(3, activation=activation, code_activation=activation, **shared)
    assert_same_gradient(*in_training(estimator))


@every_depth
@every_tying
@pytest.mark.parametrize("weight", [0, 0.7])
@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
def test_the_contractive_autoencoders_gradient_is_autograds(activation, weight, tied, hidden):
    shared = {"hidden_layer_sizes": hidden, "tied_weights": tied, "activation": activation}
    estimator = ContractiveAutoencoder(3, contraction_weight=weight, **shared)
    assert_same_gradient(*in_training(estimator))


LIKELIHOODS = {
    "shared": {},
    "fixed": {"noise_variance": 0.3},
    "per feature": {"noise_variance": "per_feature"},
    "heteroscedastic": {"noise_variance": "heteroscedastic"},
    "bernoulli": {"likelihood": "bernoulli"},
    "binarized": {"likelihood": "bernoulli", "binarize": True},
}
TYINGS = [
    (name, tied)
    for name in LIKELIHOODS
    for tied in (False, True)[: 1 + (name != "heteroscedastic")]
]


@pytest.mark.parametrize("code", ["auto", "elu"])
@pytest.mark.parametrize("beta", [0, 0.5, 1])
@pytest.mark.parametrize("objective, n_draws", [("elbo", 1), ("elbo", 3), ("iwae", 3)])
@pytest.mark.parametrize("likelihood, tied", TYINGS)
def test_the_vaes_gradient_is_autograds(likelihood, tied, objective, n_draws, beta, code):
    shared = {"hidden_layer_sizes": (5,), "code_activation": code, "tied_weights": tied}
    vae = VAE(3, objective=objective, n_draws=n_draws, beta=beta, **shared)
    assert_same_gradient(*in_training(vae.set_params(**LIKELIHOODS[likelihood])))


TWICE = torch.arange(20) % 3 + 1  # how often each row is there
ROW_WEIGHTS = TWICE / TWICE.to(torch.float64).mean()


def reverse(x, generator):
    return x.flip(1)


DEEP_AND_TIED = {"hidden_layer_sizes": (5,), "tied_weights": True}
OTHERS = {
    "kl": SparseAutoencoder(9),
    "kl, other target": SparseAutoencoder(9, target_activation=0.3, sparsity_weight=0.2),
    "kl, deep": SparseAutoencoder(9, **DEEP_AND_TIED),
    "kl, weight 0": SparseAutoencoder(9, sparsity_weight=0),
    "l1": SparseAutoencoder(9, sparsity="l1"),
    "l1, signed code": SparseAutoencoder(9, sparsity="l1", code_activation="tanh"),
    "l1, deep": SparseAutoencoder(9, sparsity="l1", loss="binary_cross_entropy", **DEEP_AND_TIED),
    "l1, weight 0": SparseAutoencoder(9, sparsity="l1", sparsity_weight=0),
    "topk": SparseAutoencoder(9, sparsity="topk", n_active=3),
    "topk, signed": SparseAutoencoder(9, sparsity="topk", n_active=3, code_activation="identity"),
    "topk, deep": SparseAutoencoder(9, sparsity="topk", n_active=2, **DEEP_AND_TIED),
    "hutchinson": ContractiveAutoencoder(3, jacobian_method="hutchinson", **DEEP_AND_TIED),
    "hutchinson, shallow": ContractiveAutoencoder(3, jacobian_method="hutchinson"),
    **{
        f"corruption {corruption}": DenoisingAutoencoder(3, corruption=corruption)
        for corruption in ("masking", "gaussian", "salt_and_pepper", None)
    },
    "corruption by a function": DenoisingAutoencoder(3, corruption=reverse),
    "denoising, deep": DenoisingAutoencoder(3, **DEEP_AND_TIED),
    "stack": StackedAutoencoder((5, 3)),
    "stack of many kinds": StackedAutoencoder(
        (5, 4, 3),
        estimator=[
            SparseAutoencoder(loss="binary_cross_entropy"),
            VAE(hidden_layer_sizes=(7,), activation="gelu"),
            Autoencoder(hidden_layer_sizes=(), tied_weights=True, code_activation="softplus"),
        ],
    ),
    "stack of top k": StackedAutoencoder(
        (9, 5), estimator=SparseAutoencoder(sparsity="topk", n_active=3)
    ),
}


@pytest.mark.parametrize("estimator", OTHERS.values(), ids=OTHERS)
def test_gradient_of_the_other_variants_is_autograds(estimator):
    assert_same_gradient(*in_training(estimator))


VAES = {
    f"{likelihood}, {objective}": VAE(
        3, objective=objective, n_draws=3, hidden_layer_sizes=(5,), **LIKELIHOODS[likelihood]
    )
    for likelihood in LIKELIHOODS
    for objective in ("elbo", "iwae")
}
COUNTS = {
    "counts": Autoencoder(3, loss="categorical_cross_entropy"),
    "vae of counts": VAE(3, likelihood="categorical"),
    "contractive": ContractiveAutoencoder(3),
    "contractive, deep": ContractiveAutoencoder(3, **DEEP_AND_TIED),
}
EVERY_KIND = OTHERS | VAES | COUNTS


@pytest.mark.parametrize("estimator", EVERY_KIND.values(), ids=EVERY_KIND)
def test_gradient_of_an_objective_of_weighted_rows_is_autograds(estimator):
    assert_same_gradient(*in_training(estimator, sample_weight=ROW_WEIGHTS))


NOISELESS = {n: e for n, e in (OTHERS | COUNTS).items() if "corr" not in n and "hutch" not in n}
NOISELESS = {n: e for n, e in NOISELESS.items() if "denoising" not in n and "vae" not in n}


@pytest.mark.parametrize("estimator", NOISELESS.values(), ids=NOISELESS)
def test_a_weighted_row_is_as_good_as_several(estimator):
    value, gradient = by_tape(*in_training(estimator, sample_weight=ROW_WEIGHTS))
    repeated = in_training(estimator, BATCH.repeat_interleave(TWICE, dim=0))
    expected_value, expected = by_tape(*repeated)
    torch.testing.assert_close(value, expected_value, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected, **EXACT)


@pytest.mark.parametrize("estimator", EVERY_KIND.values(), ids=EVERY_KIND)
def test_weights_of_one_change_nothing(estimator):
    ones = torch.ones(len(BATCH), **DOUBLE)
    found, expected = (by_tape(*in_training(estimator, sample_weight=w)) for w in (ones, None))
    torch.testing.assert_close(found, expected, **EXACT)


@each_class
def test_an_objective_leaves_data_and_weights_as_they_are(name):
    x = BATCH.clone()
    perceptron, objective = in_training(small(name), x)
    flat, gradient = flat_and_gradient(perceptron)
    before, tape = flat.clone(), Tape(Network(perceptron, flat), gradient)
    backward(tape, objective(tape))
    assert gradient.any()
    assert torch.equal(flat, before)
    assert torch.equal(x, BATCH)
    assert x.grad is None and not x.requires_grad


# Passes.


def codes(network):
    return as_tuple(network.encode(BATCH)) if network.perceptron.has_encoder else ()


@every_perceptron
def test_passes_are_those_of_a_network(perceptron):
    flat, gradient = flat_and_gradient(perceptron)
    tape, network = Tape(Network(perceptron, flat), gradient), Network(perceptron, flat)
    code = normal(20, perceptron.sizes[-1])
    found, expected = (
        [*as_tuple(n.decode(code)), n.reconstruct(code), *codes(n)] for n in (tape, network)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


@every_activation
def test_pull_back_of_an_activation_is_autograds(activation):
    kink_and_limits = torch.tensor([0.0, -1e3, 1e3], **DOUBLE)
    a = torch.cat([torch.linspace(-30, 30, 600, **DOUBLE), kink_and_limits]).requires_grad_()
    h, incoming = ACTIVATIONS[activation].function(a), normal(len(a))
    (expected,) = torch.autograd.grad(h, a, incoming)
    found = ACTIVATIONS[activation].pull_back(incoming, a.detach(), h.detach(), torch.empty_like(h))
    torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-15)


# Formulas.


def scalar(number):
    return torch.tensor(number, **DOUBLE)


@averages_rows
def mean_loss(name, output, **weighing):
    return LOSSES[name].mean_loss(output, BATCH, **weighing)


@averages_rows
def mean_loss_of_rows(output, **weighing):
    """As a kind has it that says nothing but the loss of a row."""
    return Output.mean_loss(LOSSES["squared_error"], output, BATCH, **weighing)


VARIANCES = {
    "alone": scalar(0.3),
    "shared": scalar([0.3]),
    "per feature": normal(6, seed=2).exp(),
    "per cell": normal(3, 20, 6, seed=2).exp(),
}
FORMULAS = {
    **{f"{name} of rows": (partial(mean_loss, name), normal(20, 6)) for name in LOSSES},
    **{f"{name} of draws": (partial(mean_loss, name), normal(3, 20, 6)) for name in LOSSES},
    "penalized": (partial(penalized, weight=0.7), scalar(2.0), scalar(3.0)),
    "penalized_by": (
        partial(
            penalized_by,
            x=BATCH,
            loss=LOSSES["squared_error"].mean_loss,
            penalty=partial(kl_penalty, target=0.05),
            weight=0.7,
        ),
        normal(20, 6, seed=2),
        normal(20, 6).sigmoid(),
    ),
    "kl_penalty": (partial(kl_penalty, target=0.05), normal(20, 6).sigmoid()),
    "l1_penalty": (l1_penalty, normal(20, 6).relu() - 0.5 * normal(20, 6, seed=2).relu()),
    **{
        f"sample_posterior, {n} draws": (
            partial(sample_posterior, noise=normal(n, 20, 3, seed=2)),
            normal(20, 3),
            normal(20, 3, seed=3),
        )
        for n in (1, 3)
    },
    **{
        f"mean_gaussian_surprise, variance {name}": (
            partial(mean_gaussian_surprise, x=BATCH),
            normal(3, 20, 6),
            variance,
        )
        for name, variance in VARIANCES.items()
    },
    "mean_gaussian_surprise, one draw": (
        partial(mean_gaussian_surprise, x=BATCH),
        normal(20, 6),
        normal(20, 6, seed=2).exp(),
    ),
    **{
        f"learned_variance, {shape}": (
            partial(learned_variance, scale=scale),
            normal(*shape) / scale,
        )
        for shape, scale in [((1,), 10.0), ((6,), 10.0), ((3, 20, 6), 1.0)]
    },
    **{
        f"activated, {name}": (partial(activated, activation=activation), normal(20, 6))
        for name, activation in ACTIVATIONS.items()
    },
    "two_heads": (two_heads, normal(20, 6)),
    "mean loss by autograd": (mean_loss_of_rows, normal(20, 6)),
}
FORMULAS |= {
    f"{name}, weighted": (partial(formula, sample_weight=ROW_WEIGHTS), *inputs)
    for name, (formula, *inputs) in FORMULAS.items()
    if hasattr(getattr(formula, "func", formula), "averages_rows")
}


@pytest.mark.parametrize("number", [torch.clone, float], ids=["tensor", "float"])
@pytest.mark.parametrize("formula, inputs", [(f, i) for f, *i in FORMULAS.values()], ids=FORMULAS)
def test_pullback_of_a_formula_is_autograds(formula, inputs, number):
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    outputs = as_tuple(formula(*leaves)[0])
    incoming = [normal(*output.shape, seed=5) for output in outputs]
    expected = torch.autograd.grad(outputs, leaves, incoming)
    before = [tensor.clone() for tensor in inputs]
    _, pullback = formula(*inputs)
    found = pullback(*(number(tensor) if tensor.ndim == 0 else tensor for tensor in incoming))
    for gradient, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.as_tensor(gradient, **DOUBLE), wanted, **EXACT)
    assert all(map(torch.equal, inputs, before))


@every_loss
@pytest.mark.parametrize("shape", [(20, 6), (3, 20, 6)], ids=["rows", "draws"])
def test_a_mean_loss_is_the_mean_over_rows_and_draws(shape, loss):
    output = normal(*shape)
    expected = LOSSES[loss].loss_of_rows(output, BATCH).mean()
    torch.testing.assert_close(mean_loss(loss, output)[0], expected, rtol=1e-12, atol=0)
    expected = (LOSSES[loss].loss_of_rows(output, BATCH) * ROW_WEIGHTS).mean()
    found, _ = mean_loss(loss, output, sample_weight=ROW_WEIGHTS)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_sample_posterior_draws_from_it_and_measures_it():
    mean, std, noise = normal(20, 3), normal(20, 3, seed=2).exp(), normal(4, 20, 3, seed=3)
    (draws, kl), _ = sample_posterior(mean, 2 * std.log(), noise)
    torch.testing.assert_close(draws, mean + std * noise, **EXACT)
    expected = kl_divergence(Normal(mean, std), Normal(torch.zeros(3), torch.ones(3)))
    torch.testing.assert_close(kl, expected.sum(dim=1).mean(), **EXACT)


@pytest.mark.parametrize("variance", VARIANCES.values(), ids=VARIANCES)
def test_surprise_is_minus_the_mean_log_likelihood(variance):
    output = normal(3, 20, 6)
    expected = -Normal(output, variance.sqrt()).log_prob(BATCH).sum(dim=-1).mean()
    surprise, _ = mean_gaussian_surprise(output, variance, BATCH)
    torch.testing.assert_close(surprise, expected, **EXACT)


@both_dtypes
def test_the_kl_penalty_pulls_at_dead_and_saturated_units(dtype):
    """Where autograd would see a clamped constant."""
    code = torch.tensor([0.0, 1.0], dtype=dtype).expand(20, 2)
    value, pullback = kl_penalty(code, target=0.05)
    (gradient,) = pullback(1.0)
    assert value.isfinite() and gradient.isfinite().all()
    assert (gradient[:, 0] < 0).all() and (gradient[:, 1] > 0).all()


# Objectives that mix what is recorded with what is left to autograd.


def error(network, code, x=BATCH):
    return network.apply(LOSSES["squared_error"].mean_loss, network.decode(code), x)


def some_of_the_code(network):
    code = network.encode(BATCH)
    return error(network, code) + code.sin().mean() + code.amax(dim=1).sum()


def some_of_the_output(network):
    output = network.decode(network.encode(BATCH))
    return network.apply(LOSSES["squared_error"].mean_loss, output, BATCH) + output.cos().mean()


def some_of_the_reconstruction(network):
    return network.reconstruct(network.encode(BATCH)).sin().sum()


def some_of_the_weights(network):
    parameters = (*network.encoder_weights, *network.decoder_weights, *network.decoder_biases)
    return error(network, network.encode(BATCH)) + sum(p.sin().square().sum() for p in parameters)


def only_weights(network):
    return sum(weight.sin().sum() for weight in network.encoder_weights)


def a_code_changed_on_its_way(network):
    return error(network, 2 * network.encode(BATCH).tanh())


def a_code_as_it_is_and_changed(network):
    code = network.encode(BATCH)
    changed = error(network, code + code.exp()) + error(network, code.view(20, -1))
    return error(network, code) + changed


def two_passes(network):
    return error(network, network.encode(BATCH)) + error(network, network.encode(BATCH.sin()))


def one_code_for_four(network):
    code = network.encode(BATCH)
    penalty = network.apply(l1_penalty, code)
    joint = network.apply(penalized, error(network, code), penalty, weight=0.3)
    return joint + network.apply(kl_penalty, code.sigmoid(), target=0.2) + code.square().mean()


def passes_in_a_row(network):
    return error(network, network.encode(network.decode(network.encode(BATCH))))


def outputs_that_nothing_uses(network):
    code = network.encode(BATCH)
    network.decode(code)
    network.apply(l1_penalty, code)
    network.encode(-BATCH)
    return error(network, code)


def one_tensor_as_both_inputs(network):
    value = error(network, network.encode(BATCH))
    return network.apply(penalized, value, value, weight=0.3) + value.square()


def a_formula_of_weights(network):
    first, last = network.encoder_weights[0], network.decoder_weights[-1]
    penalty = network.apply(l1_penalty, first) + network.apply(l1_penalty, last)
    return network.apply(penalized, error(network, network.encode(BATCH)), penalty, weight=2)


def a_function_of_recorded_scalars(network):
    code = network.encode(BATCH)
    return error(network, code).log() * network.apply(l1_penalty, code).sqrt()


def leading_dimensions(network):
    x = torch.stack([BATCH, -BATCH, BATCH.sin()]).view(3, 4, 5, 6)
    code = network.encode(x)
    return error(network, code, x) + code.sin().sum()


def a_code_of_odd_strides(network):
    code = network.encode(BATCH)
    transposed = code.t().contiguous().t()
    return error(network, transposed) + error(network, code.expand(3, 20, -1))


MIXED = [
    some_of_the_code,
    some_of_the_output,
    some_of_the_reconstruction,
    some_of_the_weights,
    only_weights,
    a_code_changed_on_its_way,
    a_code_as_it_is_and_changed,
    two_passes,
    one_code_for_four,
    passes_in_a_row,
    outputs_that_nothing_uses,
    one_tensor_as_both_inputs,
    a_formula_of_weights,
    a_function_of_recorded_scalars,
    leading_dimensions,
    a_code_of_odd_strides,
]


@pytest.mark.parametrize("perceptron", ONE_HEAD, ids=str)
@pytest.mark.parametrize("objective", MIXED)
def test_recorded_and_other_operations_mix(objective, perceptron):
    assert_same_gradient(perceptron, objective)


def both_heads(network):
    first, second = network.encode(BATCH)
    return error(network, first) + (first * second).sin().sum()


def only_the_first_head(network):
    return error(network, network.encode(BATCH)[0])


def only_the_second_head(network):
    return error(network, network.encode(BATCH)[1].tanh())


def draws_and_divergence(network):
    noise = normal(3, 20, 3, seed=4)
    return network.apply(sample_posterior, *network.encode(BATCH), noise=noise)


def only_the_draws(network):
    return error(network, draws_and_divergence(network)[0])


def only_the_divergence(network):
    return draws_and_divergence(network)[1]


def all_of_a_posterior(network):
    draws, divergence = draws_and_divergence(network)
    return error(network, draws) + draws.cos().sum() + divergence.square()


def heads_with_leading_dimensions(network):
    return error(network, sum(network.encode(torch.stack([BATCH, -BATCH]))))


def the_extra_number(network):
    variance = network.apply(learned_variance, network.extra, scale=10.0)
    return variance.log().sum() + network.extra.sin().sum()


HEADED = [
    both_heads,
    only_the_first_head,
    only_the_second_head,
    only_the_draws,
    only_the_divergence,
    all_of_a_posterior,
    heads_with_leading_dimensions,
    the_extra_number,
]


@pytest.mark.parametrize("perceptron", TWO_HEADS, ids=str)
@pytest.mark.parametrize("objective", HEADED)
def test_heads_may_be_used_apart(objective, perceptron):
    assert_same_gradient(perceptron, objective)


def both_outputs(network):
    mean, parameter = network.decode(network.encode(BATCH)[0])
    variance = network.apply(learned_variance, parameter, scale=1.0)
    return network.apply(mean_gaussian_surprise, mean, variance, BATCH) + mean.sin().sum()


def only_the_mean(network):
    return network.reconstruct(network.encode(BATCH)[0]).sin().sum()


def only_the_variance(network):
    return network.decode(network.encode(BATCH)[0])[1].sin().sum()


@pytest.mark.parametrize("objective", [both_outputs, only_the_mean, only_the_variance])
def test_outputs_may_be_used_apart(objective):
    assert_same_gradient(FOUR_HEADS, objective)


# What backward leaves behind.


def test_backward_adds_to_the_gradient():
    flat, gradient = flat_and_gradient(DEEP)
    before = normal(len(flat), seed=9)
    gradient.copy_(before)
    tape = Tape(Network(DEEP, flat), gradient)
    backward(tape, one_code_for_four(tape))
    _, expected = by_autograd(DEEP, one_code_for_four)
    torch.testing.assert_close(gradient - before, expected, **EXACT)
    backward(tape, two_passes(tape))
    expected += by_autograd(DEEP, two_passes)[1]
    torch.testing.assert_close(gradient - before, expected, **EXACT)


@pytest.mark.parametrize("second", [one_code_for_four, some_of_the_weights, two_passes])
def test_an_objective_is_the_same_after_another(second):
    flat, gradient = flat_and_gradient(TIED)
    tape = Tape(Network(TIED, flat), gradient)
    backward(tape, one_code_for_four(tape))
    gradient.zero_()
    backward(tape, second(tape))
    torch.testing.assert_close(gradient, by_autograd(TIED, second)[1], **EXACT)


def test_an_objective_that_was_given_up_leaves_no_trace():
    flat, gradient = flat_and_gradient(DEEP)
    tape = Tape(Network(DEEP, flat), gradient)
    one_code_for_four(tape)
    backward(tape, two_passes(tape))
    torch.testing.assert_close(gradient, by_autograd(DEEP, two_passes)[1], **EXACT)


def test_a_tape_follows_its_weights():
    flat, gradient = flat_and_gradient(TIED)
    tape = Tape(Network(TIED, torch.zeros_like(flat)), gradient)
    tape.flat.copy_(flat)
    backward(tape, two_passes(tape))
    torch.testing.assert_close(gradient, by_autograd(TIED, two_passes)[1], **EXACT)


def test_backward_frees_what_was_recorded():
    flat, gradient = flat_and_gradient(DEEP)
    tape = Tape(Network(DEEP, flat), gradient)
    objective = tape.apply(l1_penalty, tape.encode(BATCH))
    recorded = weakref.ref(objective)
    backward(tape, objective)
    del objective
    assert recorded() is None


def error_of(rows):
    return lambda network: error(network, network.encode(rows), rows)


def test_batches_may_differ_in_size():
    flat, gradient = flat_and_gradient(WIDE)
    tape, expected = Tape(Network(WIDE, flat), gradient), torch.zeros_like(flat)
    for rows in (BATCH[:5], BATCH, BATCH[:1], BATCH[:7]):
        backward(tape, error_of(rows)(tape))
        expected += by_autograd(WIDE, error_of(rows))[1]
    torch.testing.assert_close(gradient, expected, **EXACT)


def place_of_code(tape, rows):
    code = tape.encode(rows)
    place = code.data_ptr()
    backward(tape, code.sum())
    return place


def test_batches_of_all_sizes_use_the_same_memory():
    tape = Tape(Network(DEEP, flat_and_gradient(DEEP)[0]), torch.zeros(DEEP.length, **DOUBLE))
    largest, *others = (place_of_code(tape, BATCH[:n]) for n in (20, 5, *range(1, 20), 20))
    assert {*others} == {largest}


def test_backward_multiplies_the_gradient():
    flat, gradient = flat_and_gradient(TIED)
    tape = Tape(Network(TIED, flat), gradient)
    backward(tape, two_passes(tape), 0.25)
    torch.testing.assert_close(gradient, 0.25 * by_autograd(TIED, two_passes)[1], **EXACT)


def reversal(code):
    """Its input itself, whose gradient is reversed."""
    return code, lambda gradient: (-gradient,)


def test_a_formula_may_give_its_input():
    flat, gradient = flat_and_gradient(DEEP)
    tape = Tape(Network(DEEP, flat), gradient)
    for _ in range(3):
        gradient.zero_()
        backward(tape, tape.apply(l1_penalty, tape.apply(reversal, tape.encode(BATCH))))
    _, expected = by_autograd(DEEP, lambda network: -l1_penalty(network.encode(BATCH))[0])
    torch.testing.assert_close(gradient, expected, **EXACT)


def added(a, b):
    """A sum, whose pullback gives one tensor for both."""

    def pullback(gradient):
        whole = torch.ones_like(a) * gradient
        return whole, whole

    return (a + b).sum(), pullback


def test_one_gradient_for_two_inputs_stays_two():
    def objective(network):
        one, other = network.encode(BATCH), network.encode(-BATCH)
        total = network.apply(added, one.view(5, -1), other.view(5, -1))
        return network.apply(l1_penalty, one) + total

    assert_same_gradient(DEEP, objective)


# Precision.


def distance(gradient, expected):
    """Relative to the expected one's norm."""
    return ((gradient - expected).norm() / expected.norm()).item()


@each_of_any_numbers
def test_a_gradient_in_float32_is_autograds(name):
    training = in_training(small(name), BATCH.float())
    expected_value, expected = by_autograd(*training, torch.float32)
    value, gradient = by_tape(*training, torch.float32)
    torch.testing.assert_close(value, expected_value)
    assert gradient.dtype == torch.float32
    assert distance(gradient, expected) < 1e-5


@both_dtypes
@each_of_any_numbers
def test_a_gradient_in_bf16_is_near_the_unrounded_one(name, dtype):
    estimator = small(name)
    if "activation" in estimator.get_params():  # rounding may take a unit across a kink
        estimator.set_params(activation="tanh")
    training = in_training(estimator, BATCH.to(dtype))
    expected_value, expected = by_autograd(*training, dtype)
    value, gradient = by_tape(*training, dtype, torch.bfloat16)
    assert value.dtype == gradient.dtype == dtype
    assert value.item() == pytest.approx(expected_value.item(), rel=1e-2)
    assert 1e-4 < distance(gradient, expected) < 2e-2


@pytest.mark.parametrize("objective", MIXED)
def test_rounded_and_other_operations_mix(objective):
    _, expected = by_autograd(DEEP, objective)
    _, gradient = by_tape(DEEP, objective, rounded_to=torch.bfloat16)
    assert distance(gradient, expected) < 2e-2


@both_dtypes
def test_layers_round_and_losses_do_not(dtype):
    flat, gradient = flat_and_gradient(DEEP, dtype)
    tape = Tape(Network(DEEP, flat), gradient, torch.bfloat16)
    x = BATCH.to(dtype)
    output = tape.decode(tape.encode(x))
    value = tape.apply(LOSSES["squared_error"].mean_loss, output, x)
    assert output.dtype == value.dtype == dtype
    assert torch.equal(output, output.bfloat16().to(dtype))
    torch.testing.assert_close(value, (output - x).square().sum(dim=1).mean())
    assert value != value.bfloat16()


def rounded(array):
    return torch.tensor(array).bfloat16().double().numpy()


@each_class
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bf16_is_seen_in_neither_weights_nor_codes(name, dtype):
    estimator = small(name, precision="bf16").fit(X.astype(dtype))
    codes = estimator.transform(X.astype(dtype))
    arrays = [weights(estimator), codes, estimator.inverse_transform(codes)]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert not np.array_equal(weights(estimator), rounded(weights(estimator)))
    assert not np.array_equal(codes, rounded(codes))


@each_class
def test_refits_in_bf16_are_the_same_to_the_bit(name):
    one, again = small(name, precision="bf16").fit(X), small(name, precision="bf16").fit(X)
    assert_same_fit(one, again)
    assert not np.array_equal(weights(one), weights(small(name).fit(X)))


def test_only_training_rounds():
    estimator = Autoencoder(3, hidden_layer_sizes=(), max_iter=2, precision="bf16").fit(X)
    expected = X @ estimator.coefs_[0] + estimator.intercepts_[0]
    np.testing.assert_allclose(estimator.transform(X), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["Autoencoder", "SparseAutoencoder", "VAE"])
def test_bf16_learns_as_much_as_float(name, digits):
    shared = {"n_components": 16, "max_iter": 5, "batch_size": 100}
    losses = [small(name, **shared, precision=p).fit(digits).loss_ for p in ("bf16", "float")]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


@pytest.mark.parametrize("precision, other", [("bf16", "float"), ("float", "bf16")])
def test_precision_overrides_the_prototypes(precision, other):
    model = small("StackedAutoencoder", precision=precision, estimator__precision=other).fit(X)
    assert {layer.precision for layer in model.estimators_} == {precision}
    again = small("StackedAutoencoder", precision=precision, estimator__precision=precision)
    assert_same_fit(model, again.fit(X))
