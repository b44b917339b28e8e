"""Activations of whole rows: the largest units alone, and a softmax in each block of columns."""

import pytest
import torch
from helpers import normal

from skae._engine.activations import BlockSoftmax, TopK, find_activation

EXACT = {"rtol": 1e-12, "atol": 1e-12}
WIDTHS = (0, 3, 0, 2)
BLOCKS = BlockSoftmax(WIDTHS)


def cells(a):
    return a.split([1, 3, 1, 2], dim=-1)


@pytest.mark.parametrize("shape", [(4, 9), (2, 4, 9)])
@pytest.mark.parametrize("activation", ["identity", "relu", "softplus", "tanh"])
def test_derivatives_of_the_largest_units_are_autograds(activation, shape):
    top, a, gradient = TopK(activation, 2), normal(*shape), normal(*shape, seed=1)
    leaf = a.clone().requires_grad_()
    h = top(leaf)
    (expected,) = torch.autograd.grad((gradient * h).sum(), leaf)
    h = h.detach()
    torch.testing.assert_close(gradient * top.slope(a, h), expected, **EXACT)
    # In h's memory, as networks have it.
    torch.testing.assert_close(top.pull_back(gradient, a, h, h), expected, **EXACT)


@pytest.mark.parametrize("shape", [(4, 7), (2, 4, 7)])
def test_blocks_are_torchs_softmax_and_numbers_stay(shape):
    a = normal(*shape)
    for width, given, found, log in zip(
        WIDTHS, cells(a), cells(BLOCKS(a)), cells(BLOCKS.log(a)), strict=True
    ):
        expected = torch.softmax(given, dim=-1) if width else given
        torch.testing.assert_close(found, expected, **EXACT)
        torch.testing.assert_close(log, expected.log() if width else given, **EXACT)


def test_logarithms_of_improbable_categories_are_finite():
    assert BLOCKS.log(1e4 * normal(3, 7)).isfinite().all()


@pytest.mark.parametrize("function", [TopK("relu", 2), BLOCKS], ids=str)
def test_layers_compute_the_function_and_print_it(function):
    a, layer = normal(4, 7), find_activation(function).layer()
    assert torch.equal(layer(a), function(a))
    assert str(function) in repr(layer)


def test_names_say_what_is_cut_and_what_is_normalised():
    assert str(TopK("relu", 2)) == "top 2 relu"
    assert str(BLOCKS) == "softmax in 2 blocks of 5 columns"
    assert str(BlockSoftmax((1, 0, 2))) == "softmax in 2 blocks of 3 columns"
