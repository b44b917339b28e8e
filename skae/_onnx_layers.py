"""Torch modules as ONNX operators: a function for each kind of layer.

Each gets the graph, the module, a node of rows (n, *shape) and this shape, and returns the node of
the module's output.
"""

from math import prod

import numpy as np
import torch
from torch import nn

from skae._engine.activations import ACTIVATIONS, ActivationLayer, TopK
from skae._engine.blocks import PerPixel
from skae._engine.modules import Centre, FirstHead, Log1p, Standardize, TwoHeads
from skae._missing import FillMissing

LAYERS = {}


def run(graph, module, x, shape):
    """The output of a module for rows x, each of this shape; a pair if it has two heads."""
    convert = LAYERS.get(type(module))  # derived classes may compute something else
    if convert is None:
        raise _unknown(module, "it does not know this class")
    return convert(graph, module, x, shape)


def shape_after(graph, module, shape):
    """The shape of a module's output for a row; None if it is a pair."""
    dtype = torch.float32 if graph.dtype == np.float32 else torch.float64
    with torch.no_grad():
        rows = module(torch.zeros(2, *shape, dtype=dtype, device="cpu"))
    return tuple(rows.shape[1:]) if isinstance(rows, torch.Tensor) else None


def _unknown(module, why):
    return NotImplementedError(
        f"skae.onnx cannot convert {module}, a "
        f"{type(module).__module__}.{type(module).__qualname__}: {why}. For another way to export "
        "it, see torch.onnx.export(model.encoder_, ...)."
    )


def layer(*kinds):
    """A decorator: the function converts modules of these classes."""

    def register(function):
        LAYERS.update(dict.fromkeys(kinds, function))
        return function

    return register


@layer(nn.Sequential)
def sequential(graph, module, x, shape):
    """One after the other."""
    for child in module:
        x, shape = run(graph, child, x, shape), shape_after(graph, child, shape)
    return x


# Dense layers and activations.


@layer(nn.Linear)
def linear(graph, module, x, shape):
    """A linear layer of rows, or along the last axis."""
    if len(shape) == 1 and module.bias is not None:
        return graph.add("Gemm", x, module.weight, module.bias, transB=1)
    product = graph.add("MatMul", x, module.weight.T)
    return product if module.bias is None else product + module.bias


@layer(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
def unchanged(graph, module, x, shape):
    """Layers without effect after training."""
    return x


for _kind, _operator in ((nn.ReLU, "Relu"), (nn.Sigmoid, "Sigmoid"), (nn.Tanh, "Tanh")):
    LAYERS[_kind] = lambda graph, module, x, shape, operator=_operator: x.map(operator)


@layer(nn.ELU)
def elu(graph, module, x, shape):
    """With its alpha."""
    return x.where(graph.add("Greater", x, 0.0), (x.map("Exp") - 1.0) * float(module.alpha))


@layer(nn.LeakyReLU)
def leaky_relu(graph, module, x, shape):
    """With its slope."""
    return x.where(graph.add("Greater", x, 0.0), x * float(module.negative_slope))


@layer(nn.SiLU)
def silu(graph, module, x, shape):
    """x * logistic(x)."""
    return x * x.map("Sigmoid")


@layer(nn.Softplus)
def softplus(graph, module, x, shape):
    """log(1 + exp(beta x)) / beta; torch uses x above 20, which is equal in its precision."""
    beta = float(module.beta)
    return x.softplus() if beta == 1.0 else (x * beta).softplus() / beta


@layer(nn.GELU)
def gelu(graph, module, x, shape):
    """x Phi(x)."""
    if module.approximate != "none":
        raise _unknown(module, "it does not know approximate='tanh'")
    return x * 0.5 * (graph.add_single("Erf", x * 0.5**0.5) + 1.0)


@layer(nn.Softmax)
def softmax(graph, module, x, shape):
    """Over the axis that it names."""
    return x.map("Softmax", axis=module.dim)


@layer(ActivationLayer)
def top_k(graph, module, x, shape):
    """The largest units of each row; the others are 0."""
    kept = module.function
    if not isinstance(kept, TopK):
        raise _unknown(module, "it is not the top-k activation")
    h = run(graph, ACTIVATIONS[kept.activation].layer(), x, shape)
    values, indices = graph.add("TopK", h, [int(kept.n_active)], n_outputs=2, axis=-1)
    zeros = graph.add("Expand", 0.0, h.map("Shape"))
    return graph.add("ScatterElements", zeros, indices, values, axis=-1)


# First layers of encoders, shapes, heads.


@layer(Centre)
def centre(graph, module, x, shape):
    """Rows minus the origin."""
    return x - module.origin


@layer(Standardize)
def standardize(graph, module, x, shape):
    """(x - mean) / scale."""
    return (x - module.mean) / float(module.scale)


@layer(Log1p)
def log1p(graph, module, x, shape):
    """log(1 + x) of counts."""
    return (graph.add("Max", x, 0.0) + 1.0).map("Log")


@layer(FillMissing)
def fill_missing(graph, module, x, shape):
    """Means for missing values, and the mask if needed."""
    missing = x.map("IsNaN")
    filled = graph.add("Where", missing, module.means, x)
    if not module.with_mask:
        return filled
    return graph.add("Concat", filled, missing.map("Not").cast(graph.dtype), axis=-1)


@layer(nn.Flatten, nn.Unflatten)
def reshaped(graph, module, x, shape):
    """The shape that torch finds."""
    return x.reshape(0, *shape_after(graph, module, shape))


@layer(TwoHeads)
def two_heads(graph, module, x, shape):
    """A pair, the first through the activation."""
    half = shape[-1] // 2
    first = run(graph, module.activation, x.slice(0, half), (*shape[:-1], half))
    return first, x.slice(half, 2 * half)


@layer(FirstHead)
def first_head(graph, module, x, shape):
    """The first of two."""
    return x.slice(0, module.width)


@layer(PerPixel)
def per_pixel(graph, module, x, shape):
    """Dense layers along the channels, which are temporarily the last axis."""
    last, rank = (*shape[1:], shape[0]), len(shape)
    x = x.map("Transpose", perm=[0, *range(2, rank + 1), 1])
    x = run(graph, module.layers, x, last)
    return x.map("Transpose", perm=[0, rank, *range(1, rank)])


# Images.


def _window(module, shape, *names):
    """Parameters of a convolution or pooling, each as a list with a number for each axis."""
    values = (getattr(module, name) for name in names)
    rank = len(shape) - 1
    return [[value] * rank if isinstance(value, int) else list(value) for value in values]


def _convolution(graph, kind, module, x, **attributes):
    biases = () if module.bias is None else (module.bias,)
    fixed = {"group": module.groups, "kernel_shape": list(module.kernel_size)}
    return graph.add_single(kind, x, module.weight, *biases, **fixed, **attributes)


@layer(nn.Conv1d, nn.Conv2d, nn.Conv3d)
def convolution(graph, module, x, shape):
    """With zeros around the image."""
    if module.padding_mode != "zeros":
        raise _unknown(module, "it knows only padding with zeros")
    stride, dilation = _window(module, shape, "stride", "dilation")
    if isinstance(module.padding, str):
        around = {"auto_pad": {"same": "SAME_UPPER", "valid": "VALID"}[module.padding]}
    else:
        around = {"pads": 2 * list(module.padding)}
    return _convolution(graph, "Conv", module, x, strides=stride, dilations=dilation, **around)


@layer(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
def transposed(graph, module, x, shape):
    """A transposed convolution, with its additional pixels at the end."""
    names = ("stride", "dilation", "padding", "output_padding")
    stride, dilation, padding, more = _window(module, shape, *names)
    steps = {"strides": stride, "dilations": dilation}
    return _convolution(
        graph, "ConvTranspose", module, x, pads=2 * padding, output_padding=more, **steps
    )


@layer(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
def max_pool(graph, module, x, shape):
    """The greatest pixel of each window."""
    names = ("kernel_size", "stride", "padding", "dilation")
    kernel, stride, padding, dilation = _window(module, shape, *names)
    window = {"kernel_shape": kernel, "strides": stride, "dilations": dilation}
    return x.map("MaxPool", pads=2 * padding, ceil_mode=int(module.ceil_mode), **window)


@layer(nn.Upsample)
def upsample(graph, module, x, shape):
    """Repeated pixels, found by letting torch enlarge an image of pixel indices."""
    if module.mode != "nearest":
        raise _unknown(module, f"it does not know mode={module.mode!r}")
    for axis, size in enumerate(shape[1:]):
        numbers = torch.arange(float(size), device="cpu").reshape(
            -1, *(1,) * (len(shape) - 2 - axis)
        )
        enlarged = module(numbers.expand(1, 1, *shape[1:]))[0, 0].movedim(axis, 0)
        x = graph.add("Gather", x, enlarged.flatten(1)[:, 0].long(), axis=axis + 2)
    return x


# Normalisations, for user-defined networks.


def _standardized(x, eps):
    """Along the last axis, of mean 0 and variance 1."""
    centred = x - x.mean(keepdims=True)
    return centred / ((centred * centred).mean(keepdims=True) + float(eps)).map("Sqrt")


@layer(nn.LayerNorm)
def layer_norm(graph, module, x, shape):
    """Over the last axes."""
    n_axes = len(module.normalized_shape)
    flat = x.reshape(*(0,) * (1 + len(shape) - n_axes), prod(module.normalized_shape))
    x = _standardized(flat, module.eps).reshape(0, *shape)
    x = x if module.weight is None else x * module.weight
    return x if module.bias is None else x + module.bias


@layer(nn.GroupNorm)
def group_norm(graph, module, x, shape):
    """Over the pixels of some channels."""
    x = _standardized(x.reshape(0, module.num_groups, -1), module.eps).reshape(0, *shape)
    if module.weight is None:
        return x
    per_channel = (-1, *(1,) * (len(shape) - 1))
    return x * module.weight.reshape(per_channel) + module.bias.reshape(per_channel)
