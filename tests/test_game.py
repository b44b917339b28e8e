"""The formulas of the game: their values and pullbacks are autograd's, and chance is what it is."""

import math
from itertools import chain

import numpy as np
import pytest
import torch
from helpers import normal
from torch.nn import functional

from skae._engine.activations import ACTIVATIONS, IDENTITY
from skae._game import chosen_cells, gumbel, play, scores_and_slopes
from skae._game_layers import Dense
from skae._mixed import blocks_of

EXACT = {"rtol": 1e-9, "atol": 1e-11}
N, WIDTHS = 7, (4, 6, 5, 2)
each_activation = pytest.mark.parametrize("activation", sorted(ACTIVATIONS))


def leaves(*tensors):
    return [tensor.clone().requires_grad_() for tensor in tensors]


# Scores and slopes.


def discriminator(activation, dtype=torch.float64):
    """Rows, weight and bias of each of three layers, their functions, and what outputs count."""
    shapes = zip(WIDTHS[1:], WIDTHS, strict=False)
    weights = [0.5 * normal(*shape, seed=n) for n, shape in enumerate(shapes)]
    biases = [normal(width, seed=9 + n) for n, width in enumerate(WIDTHS[1:])]
    functions = [ACTIVATIONS[activation]] * 2 + [IDENTITY]
    rows, select = normal(N, WIDTHS[0], seed=20), normal(N, WIDTHS[-1], seed=21)
    parameters = chain.from_iterable(zip(weights, biases, strict=True))
    tensors = [tensor.to(dtype) for tensor in (rows, *parameters)]
    return tensors, {"functions": functions, "select": select.to(dtype)}


def by_formula(rows, *parameters, functions, select, dtype=None, goes_on=False):
    pairs = zip(parameters[::2], parameters[1::2], functions, strict=True)
    layers = [Dense([*pair], dtype, function=function) for *pair, function in pairs]
    return scores_and_slopes(rows, *parameters, layers=layers, select=select, goes_on=goes_on)


def by_autograd(rows, *parameters, functions, select):
    h = rows
    for weight, bias, function in zip(parameters[::2], parameters[1::2], functions, strict=True):
        h = function.function(functional.linear(h, weight, bias))
    scores = (h * select).sum(dim=1)
    (slopes,) = torch.autograd.grad(scores.sum(), rows, create_graph=True)
    return scores, slopes


@each_activation
def test_scores_slopes_and_their_derivatives_are_autograds(activation):
    tensors, constants = discriminator(activation)
    (scores, slopes), pullback = by_formula(*tensors, **constants, goes_on=True)
    inputs = leaves(*tensors)
    expected = by_autograd(*inputs, **constants)
    for ours, theirs in zip((scores, slopes), expected, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), **EXACT)
    at = normal(N, seed=30), normal(N, WIDTHS[0], seed=31)
    total = sum((gradient * value).sum() for gradient, value in zip(at, expected, strict=True))
    for ours, theirs in zip(pullback(*at), torch.autograd.grad(total, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)


@each_activation
def test_features_that_do_not_go_on_get_none_but_weights_get_the_same(activation):
    tensors, constants = discriminator(activation)
    at = normal(N, seed=30), normal(N, WIDTHS[0], seed=31)
    _, alone = by_formula(*tensors, **constants)
    _, goes_on = by_formula(*tensors, **constants, goes_on=True)
    of_features, *others = alone(*at)
    assert of_features is None
    for ours, theirs in zip(others, goes_on(*at)[1:], strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)


@each_activation
def test_rounded_products_are_near_exact_ones(activation):
    tensors, constants = discriminator(activation, torch.float32)
    at = normal(N, seed=30).float(), normal(N, WIDTHS[0], seed=31).float()
    found, pullback = by_formula(*tensors, **constants, dtype=torch.bfloat16)
    expected, exactly = by_formula(*tensors, **constants)
    assert not torch.equal(found[0], expected[0])
    gradients = zip(pullback(*at)[1:], exactly(*at)[1:], strict=True)
    for ours, exact in [*zip(found, expected, strict=True), *gradients]:
        assert ours.dtype == torch.float32
        assert (ours - exact).norm() < 0.05 * exact.norm()


# The game.


def pairs(shift=0.0):
    """Scores of real rows and of made ones, slopes at both, and made rows."""
    scores = normal(2 * N, seed=1) + torch.tensor([shift, -shift]).repeat_interleave(N)
    return scores, normal(2 * N, 3, seed=2), normal(N, 3, seed=3)


def test_the_discriminator_minimises_the_loss_of_pairs_and_half_the_penalty():
    inputs = leaves(*pairs()[:2])
    value, pullback = play(*pairs(), penalty=0.3)
    real, fake = inputs[0].chunk(2)
    loss = -torch.log(torch.sigmoid(real - fake)).mean()
    r1, r2 = (part.square().sum(dim=1).mean() for part in inputs[1].chunk(2))
    gradients = torch.autograd.grad(1.7 * (loss + 0.3 / 2 * (r1 + r2)), inputs)
    torch.testing.assert_close(value, loss.detach(), **EXACT)
    for ours, theirs in zip(pullback(1.7), gradients, strict=False):
        torch.testing.assert_close(ours, theirs, **EXACT)


def test_the_generator_minimises_the_same_with_the_members_of_pairs_exchanged():
    scores, slopes, made = pairs()
    (moved,) = leaves(made)
    real, fake = scores.chunk(2)
    fake = fake + (slopes[N:] * (moved - made)).sum(dim=1)  # as far as slopes tell
    (expected,) = torch.autograd.grad(-torch.log(torch.sigmoid(fake - real)).mean(), moved)
    _, pullback = play(scores, slopes, made, penalty=0.3)
    torch.testing.assert_close(pullback(1.7)[2], 1.7 * expected, **EXACT)


def test_a_discriminator_that_cannot_tell_has_a_loss_of_log_2():
    value, _ = play(torch.zeros(2 * N), *pairs()[1:], penalty=0.3)
    assert value.item() == pytest.approx(math.log(2.0))


def test_what_the_generator_learns_does_not_vanish_where_the_discriminator_is_sure():
    """As it does in the minimax game: log(1 - D(G(z))) is flat where D(G(z)) is near 0."""
    scores, slopes, made = pairs(shift=20.0)
    _, pullback = play(scores, slopes, made, penalty=0.0)
    lengths = (pullback(1.0)[2] * N).norm(dim=1) / slopes[N:].norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    (fake,) = leaves(scores[N:])
    (saturating,) = torch.autograd.grad(functional.logsigmoid(-fake).sum(), fake)
    assert saturating.abs().max() < 1e-6


# Categories.

LAYOUTS = {
    "numbers between": (0, 3, 0, 2, 5),
    "categories alone": (2, 3),
    "numbers alone": (0, 0, 0),
    "a category of one": (1, 0, 4),
    "more than a span": (200, 0, 100, 3),
}
each_layout = pytest.mark.parametrize("widths", LAYOUTS.values(), ids=LAYOUTS)


def cells(widths, n=N, dtype=torch.float64):
    """Output of a network, Gumbel noise, and what `chosen_cells` gets besides."""
    n_columns = sum(max(1, width) for width in widths)
    output = normal(n, n_columns).to(dtype)
    noise = gumbel(output, torch.Generator().manual_seed(5))
    offset = normal(n_columns, seed=4).to(dtype)
    return output, noise, {"blocks": blocks_of(widths, output), "factor": 2.5, "offset": offset}


def in_blocks(widths, columns):
    """Pairs (width, columns of a cell)."""
    return zip(widths, columns.split([max(1, width) for width in widths], dim=1), strict=True)


@each_layout
def test_each_category_has_one_of_its_columns_and_numbers_stay(widths):
    output, noise, constants = cells(widths)
    found, _ = chosen_cells(output, noise, **constants)
    indicators = (found - constants["offset"]) / constants["factor"]
    for (width, its), (_, likeliest), (_, number), (_, given) in zip(
        in_blocks(widths, indicators),
        in_blocks(widths, output + noise),
        in_blocks(widths, found),
        in_blocks(widths, output),
        strict=True,
    ):
        if width:
            expected = functional.one_hot(likeliest.argmax(dim=1), width).double()
            torch.testing.assert_close(its, expected, **EXACT)
        else:
            torch.testing.assert_close(number, given, rtol=0.0, atol=0.0)


@each_layout
def test_gradients_of_categories_are_those_of_softmax_after_the_same_noise(widths):
    output, noise, constants = cells(widths)
    _, pullback = chosen_cells(output, noise, **constants)
    (leaf,) = leaves(output)
    parts = [
        torch.softmax(noisy, dim=1) * constants["factor"] if width else noisy
        for width, noisy in in_blocks(widths, leaf + noise)
    ]
    gradient = normal(*output.shape, seed=6)
    (expected,) = torch.autograd.grad((gradient * torch.cat(parts, dim=1)).sum(), leaf)
    before = gradient.clone()
    torch.testing.assert_close(pullback(gradient)[0], expected, **EXACT)
    assert torch.equal(gradient, before)


def test_gradients_of_large_logits_are_those_of_their_differences():
    output, noise, constants = cells((3, 2))
    gradient = normal(*output.shape, seed=6)
    (expected,) = chosen_cells(output, noise, **constants)[1](gradient)
    (found,) = chosen_cells(output + 500.0, noise, **constants)[1](gradient)
    torch.testing.assert_close(found, expected, **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_categories_are_drawn_by_their_probabilities(dtype):
    n, logits = 20_000, torch.tensor([0.5, -1.0, 2.0, 0.0, 3.0], dtype=dtype)
    output = logits.expand(n, 5)
    noise = gumbel(output, torch.Generator().manual_seed(0))
    constants = {
        "blocks": blocks_of((3, 2), output),
        "factor": 1.0,
        "offset": torch.zeros(5, dtype=dtype),
    }
    drawn, _ = chosen_cells(output, noise, **constants)
    assert drawn.dtype == dtype
    p = torch.cat([torch.softmax(part, dim=0) for part in logits.split([3, 2])]).double()
    error = (drawn.double().mean(dim=0) - p) / (p * (1 - p) / n).sqrt()
    assert error.abs().max() < 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gumbel_noise_has_its_mean_and_variance(dtype):
    found = gumbel(torch.empty(50_000, dtype=dtype), torch.Generator().manual_seed(0))
    assert found.dtype == dtype and found.isfinite().all()
    assert found.mean().item() == pytest.approx(np.euler_gamma, abs=4 * 1.28 / 50_000**0.5)
    assert found.var().item() == pytest.approx(math.pi**2 / 6, rel=0.04)


def test_gumbel_noise_is_its_generators():
    one, same, other = (
        gumbel(torch.empty(9), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_gumbel_noise_is_finite_at_both_ends(monkeypatch):
    """Of uniform numbers, generators give 0, too, and what rounds to 1."""
    ends = torch.tensor([0.0, 1.0, 1.0 - 2.0**-24])
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda self, generator: self.copy_(ends))
    assert gumbel(torch.empty(3), None).isfinite().all()
