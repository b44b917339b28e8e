"""Reconstruction losses against torch's; what else an output means."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from skae._likelihoods import Gaussian
from skae._outputs import LOSSES, SquaredError

squared_error, binary_cross_entropy, categorical_cross_entropy = (
    LOSSES[name].loss_of_rows
    for name in ("squared_error", "binary_cross_entropy", "categorical_cross_entropy")
)

EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def output():
    generator = torch.Generator().manual_seed(0)
    return 5 * torch.randn(30, 7, dtype=torch.float64, generator=generator)


@pytest.fixture
def x():
    return torch.rand(30, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def torchs_squared_error(output, x):
    return functional.mse_loss(output, x, reduction="none").sum(dim=1)


def torchs_cross_entropy(output, x):
    return functional.binary_cross_entropy_with_logits(output, x, reduction="none").sum(dim=1)


def torchs_categorical_cross_entropy(output, x):
    probabilities = x.expand_as(output).transpose(1, -1)  # torch wants classes second
    return functional.cross_entropy(output.transpose(1, -1), probabilities, reduction="none")


PAIRS = [
    (squared_error, torchs_squared_error),
    (binary_cross_entropy, torchs_cross_entropy),
    (categorical_cross_entropy, torchs_categorical_cross_entropy),
]
every_loss = pytest.mark.parametrize("loss, reference", PAIRS)


def gradient(loss, output, x):
    output = output.clone().requires_grad_()
    return torch.autograd.grad(loss(output, x).sum(), output)[0]


@every_loss
def test_rows_equal_torchs_loss_summed_over_features(loss, reference, output, x):
    assert loss(output, x).shape == (30,)
    torch.testing.assert_close(loss(output, x), reference(output, x), **EXACT)


@every_loss
def test_gradient_equals_torchs(loss, reference, output, x):
    found, expected = gradient(loss, output, x), gradient(reference, output, x)
    torch.testing.assert_close(found, expected, **EXACT)


@every_loss
def test_leading_dimensions_are_kept(loss, reference, output, x):
    draws = torch.stack([output, -output])
    expected = torch.stack([reference(output, x), reference(-output, x)])
    torch.testing.assert_close(loss(draws, x), expected, **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@every_loss
def test_extreme_outputs_stay_finite(loss, reference, dtype):
    output = torch.tensor([[1000.0, -1000.0, 1000.0, -1000.0]], dtype=dtype)
    x = torch.tensor([[0.0, 1.0, 1.0, 0.0]], dtype=dtype)
    assert loss(output, x).isfinite().all()
    assert gradient(loss, output, x).isfinite().all()
    torch.testing.assert_close(loss(output, x), reference(output, x))


def test_sure_and_wrong_costs_the_output_sure_and_right_costs_nothing():
    output, x = torch.tensor([[1000.0], [1000.0], [-1000.0]]), torch.tensor([[0.0], [1.0], [0.0]])
    assert binary_cross_entropy(output, x).tolist() == [1000.0, 0.0, 0.0]


def test_cross_entropy_is_the_formula_of_its_reconstruction(output, x):
    r = torch.sigmoid(output)
    expected = -(x * r.log() + (1 - x) * (1 - r).log()).sum(dim=1)
    torch.testing.assert_close(binary_cross_entropy(output, x), expected, rtol=1e-9, atol=0)


def test_each_loss_knows_its_reconstruction():
    assert {name: loss.activation for name, loss in LOSSES.items()} == {
        "squared_error": "identity",
        "binary_cross_entropy": "logistic",
        "categorical_cross_entropy": "softmax",
    }
    assert [name for name, loss in LOSSES.items() if loss.has_totals] == [
        "categorical_cross_entropy"
    ]


@pytest.mark.parametrize("name", LOSSES)
def test_draws_have_the_means_that_they_are_drawn_around(name):
    rng = np.random.default_rng(0)
    means = np.tile([0.2, 0.5, 0.3], (4000, 1))
    spread = {"squared_error": 0.25, "categorical_cross_entropy": 10}.get(name)
    drawn = LOSSES[name].draw(means, rng, spread)
    scale = 10 if name == "categorical_cross_entropy" else 1
    np.testing.assert_allclose(drawn.mean(axis=0), scale * means[0], atol=0.03 * scale)
    if name == "squared_error":
        np.testing.assert_allclose(drawn.var(axis=0), 0.25, rtol=0.1)
    else:
        assert (drawn == drawn.round()).all() and drawn.min() >= 0
    if name == "categorical_cross_entropy":
        assert (drawn.sum(axis=1) == 10).all()


def test_outputs_are_compared_by_what_they_are():
    assert Gaussian("shared") != SquaredError()
    assert Gaussian(0.1) == Gaussian(0.2)  # training may go on with another one
    assert str(SquaredError()) == "squared_error"
