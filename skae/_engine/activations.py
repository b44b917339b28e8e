"""Activations: functions of a layer's linear output, with their derivatives and torch layers."""

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Activation(NamedTuple):
    """An elementwise function h(a), its derivative, and the torch layer that computes it."""

    function: callable
    slope: callable  # (a, h) -> dh/da, from the cheaper of the two
    pull_back: callable  # (gradient at h, a, h, out) -> gradient at a, in `out`
    layer: type
    curvature: callable = None  # (a, h) -> d2h/da2; None if 0 except at kinks
    in_place: callable = None  # the function in a's memory; None if pull_back needs a
    gain: float = 1.0  # for the initial weights, if half of the inputs is cut off
    pair: float = None  # (h(a) - h(-a)) / a, if equal for all a


def _normal_density(a):
    return torch.exp(-0.5 * a.square()) * (1.0 / (2.0 * torch.pi) ** 0.5)


def _gelu_slope(a, h):
    return 0.5 * (1.0 + torch.erf(a * 0.5**0.5)) + a * _normal_density(a)


def _softplus_curvature(a, h):
    slope = torch.sigmoid(a)
    return slope * (1.0 - slope)


# Activations that level off on both sides, for codes between two bounds, and the factor of their
# inputs with which they have the shape of tanh.
SATURATING = {"logistic": 2.0, "tanh": 1.0}

aten = torch.ops.aten
# Looked up once, since each of these names is a search through overloads.
_logistic_backward = aten.sigmoid_backward.grad_input
_tanh_backward = aten.tanh_backward.grad_input
_elu_backward = aten.elu_backward.grad_input
_gelu_backward = aten.gelu_backward.grad_input
_softplus_backward = aten.softplus_backward.grad_input

ACTIVATIONS = {
    "identity": Activation(
        lambda a: a,
        lambda a, h: torch.ones_like(a),
        lambda gradient, a, h, out: out.copy_(gradient),
        nn.Identity,
        in_place=lambda a: a,
        pair=2.0,
    ),
    "logistic": Activation(
        torch.sigmoid,
        lambda a, h: h * (1.0 - h),
        lambda gradient, a, h, out: _logistic_backward(gradient, h, grad_input=out),
        nn.Sigmoid,
        curvature=lambda a, h: h * (1.0 - h) * (1.0 - 2.0 * h),
        in_place=torch.sigmoid_,
    ),
    "tanh": Activation(
        torch.tanh,
        lambda a, h: 1.0 - h.square(),
        lambda gradient, a, h, out: _tanh_backward(gradient, h, grad_input=out),
        nn.Tanh,
        curvature=lambda a, h: -2.0 * h * (1.0 - h.square()),
        in_place=torch.tanh_,
    ),
    "relu": Activation(
        torch.relu,
        lambda a, h: torch.sign(h.detach()),
        lambda gradient, a, h, out: torch.sign(h, out=out).mul_(gradient),
        nn.ReLU,
        in_place=torch.relu_,
        gain=2.0**0.5,
        pair=1.0,
    ),
    "elu": Activation(
        functional.elu,
        lambda a, h: 1.0 - torch.relu(-h),
        lambda gradient, a, h, out: _elu_backward(gradient, 1.0, 1.0, 1.0, True, h, grad_input=out),
        nn.ELU,
        curvature=lambda a, h: torch.where(h < 0.0, 1.0 + h, 0.0),
        in_place=partial(functional.elu, inplace=True),
        gain=2.0**0.5,
    ),
    "gelu": Activation(
        functional.gelu,
        _gelu_slope,
        lambda gradient, a, h, out: _gelu_backward(gradient, a, grad_input=out),
        nn.GELU,
        curvature=lambda a, h: (2.0 - a.square()) * _normal_density(a),
        gain=2.0**0.5,
        pair=1.0,
    ),
    "softplus": Activation(
        functional.softplus,
        lambda a, h: torch.sigmoid(a),
        lambda gradient, a, h, out: _softplus_backward(gradient, a, 1.0, 20.0, grad_input=out),
        nn.Softplus,
        curvature=_softplus_curvature,
        pair=1.0,
    ),
}


IDENTITY = ACTIVATIONS["identity"]
# Further activations for the decoder's end: losses take the output before them.
OUTPUT_ACTIVATIONS = {
    **ACTIVATIONS,
    "softmax": Activation(partial(torch.softmax, dim=-1), None, None, partial(nn.Softmax, dim=-1)),
}


@dataclass(frozen=True)
class TopK:
    """An activation that keeps the `n_active` largest units of each row and sets the rest to 0.

    `n_active` may change while a network is trained, so comparisons of perceptrons
    ignore it.
    """

    activation: str  # before the cut; must not decrease
    n_active: int = field(compare=False)

    def __str__(self):
        return f"top {self.n_active} {self.activation}"

    def __call__(self, a):
        """h(a), for a of shape (..., width)."""
        values, kept = ACTIVATIONS[self.activation].function(a).topk(self.n_active, dim=-1)
        return torch.zeros_like(a).scatter(-1, kept, values)

    def slope(self, a, h):
        """Derivative dh/da; 0 for cut-off units."""
        return ACTIVATIONS[self.activation].slope(a, h) * (h != 0)

    def pull_back(self, gradient, a, h, out):
        """Gradient at a, given that at h."""
        is_active = h != 0  # before writing to `out`, which may be h
        return ACTIVATIONS[self.activation].pull_back(gradient, a, h, out).mul_(is_active)

    def layer(self):
        """A torch layer that computes it."""
        return ActivationLayer(self)


@dataclass(frozen=True)
class BlockSoftmax:
    """An output's activation: a softmax within each block of columns; numbers are unchanged.

    `widths` has the number of columns of each block, and 0 for a number, which has one column.
    """

    widths: tuple

    def __str__(self):
        n_blocks = sum(width > 0 for width in self.widths)
        return f"softmax in {n_blocks} blocks of {sum(self.widths)} columns"

    def __call__(self, a):
        """h(a), for a of shape (..., n_columns)."""
        return self._in_blocks(torch.softmax, a)

    def log(self, a):
        """log h(a) of blocks, without rounding to log 0; numbers are unchanged."""
        return self._in_blocks(torch.log_softmax, a)

    def _in_blocks(self, function, a):
        parts = a.split([max(1, width) for width in self.widths], dim=-1)
        pairs = zip(parts, self.widths, strict=True)
        return torch.cat([function(p, dim=-1) if width else p for p, width in pairs], dim=-1)

    def layer(self):
        """A torch layer that computes it."""
        return ActivationLayer(self)


class ActivationLayer(nn.Module):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)

    def extra_repr(self):
        return str(self.function)


def activation_name(output):
    """The name of the activation of a perceptron's output."""
    return getattr(output, "activation", output)


def find_activation(name):
    """The `Activation` named in a perceptron, or that of its output."""
    if isinstance(name, str):
        return OUTPUT_ACTIVATIONS[name]
    if isinstance(name, TopK):
        gain = ACTIVATIONS[name.activation].gain
        return Activation(name, name.slope, name.pull_back, name.layer, gain=gain)
    if isinstance(name, BlockSoftmax):
        return Activation(name, None, None, name.layer)
    return find_activation(name.activation)
