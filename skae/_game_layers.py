"""The layers of a discriminator for the game's formulas, with products written out."""

from itertools import chain
from operator import attrgetter

import torch
from torch import nn
from torch.nn import functional

from skae._contractive import through_front
from skae._engine.activations import ACTIVATIONS, IDENTITY

convolution_backward = torch.ops.aten.convolution_backward.default
max_pool2d_backward = torch.ops.aten.max_pool2d_with_indices_backward.default


class Layer:
    """Abstract base class: a linear map, then an activation, which records one step.

    Features pass forwards and the score's gradient backwards, which gives slopes. For the
    derivative of both, the gradient at slopes passes forwards, and the terms of curved activations
    go back.

    A subclass has `_moved(t, bias=None)`, the linear map; `back(u)`, its transpose; and if it has
    a weight, `_of_weight(u, h)`, the gradient of the sum of u * moved(h) at the weight, and
    `_of_rows(u)`, each row's gradient at the bias.

    Parameters
    ----------
    parameters : list of Tensor
        Trained tensors: a weight, a bias, both or none.
    dtype : torch.dtype, default=None
        Dtype to which operands of products are rounded; None for no rounding.
    module : torch.nn.Module, default=None
        Holds the layer's other options.
    function : Activation, default=IDENTITY

    Attributes
    ----------
    gradients : list of Tensor
        Gradients at the parameters.
    """

    def __init__(self, parameters, dtype=None, module=None, function=IDENTITY):
        self.parameters, self.function, self.gradients = parameters, function, []
        self._dtype, self._module = dtype, module
        self._slope = self._bend = None

    def forward(self, h, weight=None, bias=None):
        """The output for given inputs and parameters."""
        self._below, self._weight, function = h, weight, self.function
        self._a = self._linear(h, bias)
        if function is IDENTITY:
            return self._a
        # Without a weight, its output may be memory of the layer below.
        in_place = weight is not None and function.in_place
        self._h = (in_place or function.function)(self._a)
        self._slope = function.slope(self._a, self._h)
        return self._h

    def _linear(self, h, bias):
        return self._moved(h, bias)

    def turn(self, v):
        """Record the score's gradient at the output; return the gradient at the input."""
        self._v, self._u = v, self._sloped(v)
        return self.back(self._u)

    def differentiate(self, at_scores, column, t):
        """Record the parameters' gradients from those at scores (in two shapes) and t as below."""
        if t.ndim > 2:
            column = column.view(-1, *[1] * (t.ndim - 1))
        # `at_scores * u` is the scores' gradient at the linear output: one product serves both.
        both = torch.addcmul(t, self._below, column)
        of_bias = [at_scores @ self._of_rows(self._u) for _ in self.parameters[1:]]
        self.gradients = [self._of_weight(self._u, both), *of_bias]

    def tangent(self, t):
        """The gradient at the result of `turn` as one at v; records its value at the slope."""
        t = self._moved(t)
        if self.function.curvature is not None:
            self._bend = t * self._v * self.function.curvature(self._a, self._h)
        return self._sloped(t)

    def bent(self, gradient):
        """The gradient at the linear output from that at the output, or None, with curvature."""
        gradient = gradient if gradient is None else self._sloped(gradient)
        if self._bend is None:
            return gradient
        return self._bend if gradient is None else gradient + self._bend

    def add(self, gradient):
        """Add to the parameters' gradients, given the gradient at the linear output."""
        of_weight, *of_biases = self.gradients
        of_weight += self._of_weight(gradient, self._below)
        for of_bias in of_biases:
            of_bias += self._of_rows(gradient).sum(dim=0)

    def _sloped(self, vectors):
        return vectors if self._slope is None else vectors * self._slope


class Dense(Layer):
    """A dense layer; for an image, it acts along the last axis."""

    def _moved(self, t, bias=None):
        if self._dtype is None:
            return functional.linear(t, self._weight, bias)
        product = self._product(t, self._weight.t())
        return product if bias is None else product + bias

    def back(self, u):
        return self._product(u, self._weight)

    def _of_weight(self, u, h):
        if u.ndim > 2:
            u, h = u.flatten(0, -2), h.flatten(0, -2)
        return self._product(u.t(), h)

    def _of_rows(self, u):
        return u if u.ndim == 2 else u.flatten(1, -2).sum(dim=1)

    def _product(self, a, b):
        dtype = self._dtype
        return a @ b if dtype is None else (a.to(dtype) @ b.to(dtype)).to(a.dtype)


class Convolution(Layer):
    """A convolution, with zeros around the image."""

    _options = attrgetter("stride", "padding", "dilation", "transposed", "output_padding", "groups")

    def _moved(self, t, bias=None):
        operands = self._rounded(t, self._weight, bias)
        return torch.convolution(*operands, *self._options(self._module)).to(t.dtype)

    def back(self, u):
        if self._below.shape[1] == 1 and u.ndim == 4 and u.is_cpu and self._dtype is None:
            return self._folded(u)
        return self._products(u, self._below, (True, False, False))[0].to(u.dtype)

    def _folded(self, u):
        """The same as a product and a sum: several times faster for a single output channel."""
        weight, (stride, padding, dilation, *_) = self._weight, self._options(self._module)
        columns = weight.flatten(1).t() @ u.flatten(2)
        size = self._below.shape[2:]
        return functional.fold(columns, size, weight.shape[2:], dilation, padding, stride)

    def _of_weight(self, u, h):
        return self._products(u, h, (False, True, False))[1].to(u.dtype)

    def _products(self, u, h, which):
        operands = self._rounded(u, h, self._weight)
        return convolution_backward(*operands, None, *self._options(self._module), which)

    def _of_rows(self, u):
        return u.flatten(2).sum(dim=2)

    def _rounded(self, *tensors):
        return [its if its is None else its.to(self._dtype or its.dtype) for its in tensors]


class Pooling(Layer):
    """Maximum pooling: gradients use the same choice of pixels."""

    _options = attrgetter("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def _linear(self, h, bias):
        options = self._options(self._module)
        greatest, self._places = functional.max_pool2d_with_indices(h, *options)
        return greatest

    def _moved(self, t, bias=None):
        return t.flatten(-2).gather(-1, self._places.flatten(-2)).view(self._places.shape)

    def back(self, u):
        options = self._options(self._module)
        return max_pool2d_backward(u, self._below, *options, self._places)


class Reshaping(Layer):
    """The same numbers, in another shape."""

    def _moved(self, t, bias=None):
        return self._module(t)

    def back(self, u):
        return u.reshape(self._below.shape)


KINDS = {
    nn.Linear: Dense,
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), Convolution),
    nn.MaxPool2d: Pooling,
    **dict.fromkeys((nn.Flatten, nn.Unflatten), Reshaping),
}
FUNCTIONS = {function.layer: function for function in ACTIVATIONS.values()}
# Options that torch's layers must have, if at all, to match those here: the constants of
# activations, zero padding, rows along the first axis, and no hooks.
PLAIN = {
    **{"alpha": 1.0, "approximate": "none", "beta": 1.0, "threshold": 20.0},
    **{"padding_mode": "zeros", "return_indices": False, "start_dim": 1, "dim": 1},
    **{f"_{when}_hooks": {} for when in ("forward_pre", "forward", "backward_pre", "backward")},
    "forward": None,
}


def known_layers(module, dtype):
    """The layers of a torch module; None if any of them is not known here."""
    layers = []
    for part in _parts(module):
        kind, function = KINDS.get(type(part)), FUNCTIONS.get(type(part))
        if not (kind or function) or not _is_plain(part):
            return None
        if kind:
            layers.append(kind([*part.parameters()], dtype, part))
        elif layers and layers[-1].function is IDENTITY:
            layers[-1].function = function
        else:
            layers.append(Reshaping([], module=nn.Identity(), function=function))
    return layers


def _parts(module):
    """A torch module's layers in order, as far as it is a sequence."""
    if type(module) is nn.Sequential and _is_plain(module):
        return chain.from_iterable(map(_parts, module))
    return [module]


def _is_plain(module):
    its = vars(module)
    has_names = isinstance(its.get("padding"), str)  # for numbers: "same", "valid"
    return not has_names and all(its.get(name, value) == value for name, value in PLAIN.items())


def layers_and_features(network, rows):
    """A discriminator's layers, features for the first of them, and a function to the rows.

    The function turns gradients at features into those at rows. It is the identity unless layers
    of other kinds come first, which are then left to autograd.
    """
    dtype = network.dtype_of_products
    rounded = dtype if rows.dtype == torch.float32 else None  # like torch.autocast
    front = None if network.front is None else known_layers(network.front, rounded)
    if front is None:
        features, to_input = through_front(network, rows)
    else:
        features, to_input = network.from_origin(rows), lambda gradient: gradient
    dense = [Dense([w, b], dtype, function=its) for w, b, its in network.encoder_layers]
    return [*(front or []), *dense], features, to_input
