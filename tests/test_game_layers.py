"""A discriminator's layers: scores, slopes and the derivatives of both are autograd's."""

from copy import deepcopy

import pytest
import torch
from helpers import normal
from torch import nn
from torch.nn.utils import parametrizations

from skae._engine.activations import ACTIVATIONS
from skae._engine.blocks import describe
from skae._engine.network import Network
from skae._engine.perceptron import Perceptron
from skae._engine.tape import Tape
from skae._game import judged
from skae._game_layers import known_layers
from skae.networks import ConvNet

EXACT = {"rtol": 1e-9, "atol": 1e-11}
N, N_FEATURES = 7, 60
IMAGE = nn.Unflatten(1, (2, 5, 6))


def frozen(module):
    return module.requires_grad_(False)


def convolution(**options):
    return nn.Conv2d(2, 4, 3, **options)


def hooked(module):
    module.register_forward_hook(lambda module, inputs, output: 2.0 * output)
    return module


def repeated(module):
    return module, module


class Doubled(nn.Conv2d):
    def forward(self, x):
        return 2.0 * super().forward(x)


# Where gradients are frozen, and where one layer is passed twice, is for the tape to know.
KNOWN = {
    "nothing": [],
    "no bias": [IMAGE, convolution(bias=False), nn.Tanh(), nn.Flatten()],
    "all options": [
        *(IMAGE, nn.Conv2d(2, 4, (3, 2), (2, 1), (1, 0), (1, 2), groups=2), nn.ELU()),
        nn.Flatten(),
    ],
    "sequences": [nn.Sequential(IMAGE, nn.Sequential(convolution(), nn.Softplus())), nn.Flatten()],
    "activations first": [nn.Tanh(), nn.Sigmoid(), IMAGE, nn.ELU(), convolution(), nn.Flatten()],
    "activations behind others": [
        *(IMAGE, convolution(), nn.Tanh(), nn.ReLU(), nn.Flatten(), nn.GELU(), nn.Identity()),
    ],
    "dense layers": [nn.Linear(60, 8), nn.GELU(), nn.Linear(8, 6, bias=False), nn.Tanh()],
    "dense layers of images": [IMAGE, nn.Linear(6, 3), nn.Tanh(), nn.Flatten()],
    "overlapping pools": [IMAGE, nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Tanh()],
    "pools without channels": [
        *(nn.Unflatten(1, (10, 6)), nn.Tanh(), nn.MaxPool2d((2, 3), dilation=(2, 1)), nn.Flatten()),
    ],
    "signals": [nn.Unflatten(1, (3, 20)), nn.Conv1d(3, 4, 5, 2), nn.Sigmoid(), nn.Flatten()],
    "volumes": [nn.Unflatten(1, (1, 3, 4, 5)), nn.Conv3d(1, 2, 2), nn.Tanh(), nn.Flatten()],
    "frozen weights": [IMAGE, frozen(convolution()), nn.Tanh(), nn.Flatten()],
    "a layer twice": [*repeated(nn.Linear(60, 60)), nn.Tanh(), *repeated(nn.Linear(60, 60))],
}
UNKNOWN = {
    "another kind": [nn.Linear(60, 8), nn.LayerNorm(8), nn.GELU()],
    "a kind of one's own": [IMAGE, Doubled(2, 4, 3), nn.Tanh(), nn.Flatten()],
    "padding by name": [IMAGE, convolution(padding="same"), nn.Tanh(), nn.Flatten()],
    "other padding": [IMAGE, convolution(padding=1, padding_mode="circular"), nn.Flatten()],
    "weight norm": [IMAGE, parametrizations.weight_norm(convolution()), nn.Tanh(), nn.Flatten()],
    "a hook": [IMAGE, hooked(convolution()), nn.Tanh(), nn.Flatten()],
    "a hook of a sequence": [hooked(nn.Sequential(nn.Linear(60, 8), nn.Tanh()))],
    "another softplus": [nn.Linear(60, 8), nn.Softplus(beta=2.0)],
    "another elu": [nn.Linear(60, 8), nn.ELU(alpha=0.5)],
    "another gelu": [nn.Linear(60, 8), nn.GELU(approximate="tanh")],
    "rows as channels": [
        *(nn.Unflatten(1, (10, 6)), nn.Flatten(0, 1), nn.Linear(6, 3), nn.Unflatten(0, (-1, 10))),
        *(nn.Tanh(), nn.Flatten()),
    ],
}
each_front = pytest.mark.parametrize("name", [*KNOWN, *UNKNOWN])


def network_after(module, dtype=torch.float64):
    """A network of random weights behind a module, and a gradient of zeros."""
    front = describe(lambda: deepcopy(module), (N_FEATURES,))
    perceptron = Perceptron(
        sizes=(front.shape_out[0], 5, 2),
        encoder_activations=("tanh", "identity"),
        decoder_activations=("identity",),
        tied=(False,),
        decoder_sizes=(2, 3),
        front=front,
    )
    weights = (0.3 * normal(perceptron.length, seed=1)).to(dtype)
    return Network(perceptron, weights), torch.zeros_like(weights)


def batch(dtype=torch.float64):
    """Rows, what outputs count in their scores, and what scores and slopes count in a sum."""
    shapes = (N, N_FEATURES), (N, 2), (N,), (N, N_FEATURES)
    return [normal(*shape, seed=2 + n).to(dtype) for n, shape in enumerate(shapes)]


def by_tape(network, gradient, rows, select, of_scores, of_slopes, dtype=None):
    tape = Tape(network, gradient, dtype)
    scores, slopes = judged(tape, rows, select)
    value = (of_scores * scores).sum() + (of_slopes * slopes).sum()
    with torch.no_grad():
        tape.backward(value)
    return scores.detach(), slopes.detach(), gradient


def by_autograd(network, gradient, rows, select, of_scores, of_slopes):
    network = Network(network.perceptron, network.flat, gradient)
    rows = rows.requires_grad_()
    scores = (network.encode(rows) * select).sum(dim=1)
    (slopes,) = torch.autograd.grad(scores.sum(), rows, create_graph=True)
    ((of_scores * scores).sum() + (of_slopes * slopes).sum()).backward()
    return scores.detach(), slopes.detach(), gradient


def assert_as_autograd(front):
    results = [compute(*network_after(front), *batch()) for compute in (by_tape, by_autograd)]
    for ours, theirs in zip(*results, strict=True):
        assert theirs.abs().max() > 1e-5
        torch.testing.assert_close(ours, theirs, **EXACT)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("kernel_size", [3, 4])
@pytest.mark.parametrize("downsample", ["stride", "pool", None])
@pytest.mark.parametrize("image_shape", [(2, 5, 6), (1, 6, 10), (1, 1, 60)])
def test_convolutional_networks_are_as_by_autograd(
    image_shape, downsample, kernel_size, activation
):
    params = {"channels": (3, 4), "downsample": downsample, "kernel_size": kernel_size}
    network, widths = ConvNet(image_shape, **params), {"n_inputs": 60, "n_outputs": 60}
    front, _ = network.build(N_FEATURES, **widths, activation=activation)
    assert known_layers(front, None) is not None
    assert_as_autograd(front)


@each_front
def test_layers_of_ones_own_are_as_by_autograd(name):
    assert_as_autograd(nn.Sequential(*{**KNOWN, **UNKNOWN}[name]))


@each_front
def test_no_other_layers_are_known(name):
    layers = known_layers(nn.Sequential(*{**KNOWN, **UNKNOWN}[name]), None)
    assert (layers is None) == (name in UNKNOWN)


@pytest.mark.parametrize("downsample", ["stride", "pool"])
def test_rounded_convolutions_are_near_exact_ones(downsample):
    network = ConvNet((1, 6, 10), downsample=downsample)
    front, _ = network.build(N_FEATURES, n_inputs=60, n_outputs=60, activation="tanh")
    given = batch(torch.float32)
    exact, rounded = (
        by_tape(*network_after(front, torch.float32), *given, dtype)
        for dtype in (None, torch.bfloat16)
    )
    for ours, theirs in zip(rounded, exact, strict=True):
        assert ours.dtype == torch.float32
        assert 1e-4 < (ours - theirs).norm() / theirs.norm() < 0.1
