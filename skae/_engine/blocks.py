"""Layers of any kind around a perceptron: torch modules whose weights lie in its flat vector.

A `Block` describes such layers and holds no numbers. Its module is rebuilt with each network,
whose tensors become its parameters.
"""

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from math import prod

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from skae._engine.streams import OwnDraws

# A convolution is worth a second thread as early as a dense layer with this factor more
# multiplications, since it passes over its images several times.
WORK_PER_PRODUCT = 16


@dataclass(frozen=True)
class Block:
    """Layers before or after the dense ones.

    Parameters
    ----------
    source : callable
        Returns a new module, always with the same layers. Not compared.
    structure : str
        The layers, as printed by torch.
    shape_in, shape_out : tuple of int
        Shapes of one row's input and output.
    shapes : tuple of tuple of int
        Shapes of the parameters, in the module's order.
    width : int
        Width of the widest layer's output.
    n_products : int
        Largest number of multiplications of a layer for one row, or of a dense layer
        that takes as long.
    """

    source: object = field(compare=False, repr=False)
    structure: str
    shape_in: tuple
    shape_out: tuple
    shapes: tuple
    width: int
    n_products: int

    def __str__(self):
        return " ".join(self.structure.split())

    def bound_to(self, tensors, like):
        """A module with these tensors as parameters, and their gradients.

        Its buffers have the dtype and the device of a tensor `like`.
        """
        with own_randomness():
            module = self.source()
        module = module.to(like.device, like.dtype).eval()
        own = {}
        for parameter, tensor in zip(module.parameters(), tensors, strict=True):
            trains = tensor.requires_grad and parameter.requires_grad
            own[parameter] = nn.Parameter(tensor.detach(), trains)
            own[parameter].grad = tensor.grad
        for name, parameter in list(module.named_parameters(remove_duplicate=False)):
            owner, _, name = name.rpartition(".")
            setattr(module.get_submodule(owner), name, own[parameter])
        return module

    def initial_values(self, seed):
        """The parameters drawn by the module's own initialisation from a seed."""
        with own_randomness(seed):
            return [parameter.detach() for parameter in self.source().parameters()]


def describe(source, shape_in, module=None):
    """The `Block` of a source, found by passing two rows of zeros through its module.

    A module that is already built is used, but not kept.
    """
    if module is None:
        with own_randomness():
            module = source()
    module = module.to(dtype=torch.float32).eval()
    given = torch.zeros(2, *shape_in, dtype=torch.float32, device="cpu")
    rows, width, n_products = _probe(module, given)
    if given._version > 0:
        raise RuntimeError("it changes them in place: begin with a layer without inplace=True")
    if not isinstance(rows, torch.Tensor) or rows.ndim < 2 or rows.numel() == 0 or len(rows) != 2:
        found = f"a tensor of shape {tuple(rows.shape)}" if hasattr(rows, "shape") else type(rows)
        raise RuntimeError(f"for two of them it returns {found} instead of a tensor of two rows")
    return Block(
        source,
        structure=str(module),
        shape_in=tuple(shape_in),
        shape_out=tuple(rows.shape[1:]),
        shapes=tuple(tuple(parameter.shape) for parameter in module.parameters()),
        width=width,
        n_products=n_products,
    )


def _probe(module, given):
    """A module's output, its greatest width, and the most multiplications of a layer."""
    widths, products = [0], [0]

    def note(layer, inputs, output):
        if isinstance(output, torch.Tensor):
            widths.append(output[0].numel())
        if inputs_axis(layer) is not None:
            # A weight is used once for each pixel of the smaller side.
            n_pixels = min(prod(t.shape[2:]) for t in (*inputs, output))
            products.append(WORK_PER_PRODUCT * layer.weight.numel() * n_pixels)

    hooks = [layer.register_forward_hook(note) for layer in module.modules()]
    with torch.no_grad():
        rows = module(given)
    for hook in hooks:
        hook.remove()
    return rows, max(widths), max(products)


def inputs_axis(layer):
    """The axis of a layer's weight that counts its inputs; None for other kinds of layers."""
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        return 0
    return 1 if isinstance(layer, (nn.Linear, nn.modules.conv._ConvNd)) else None


def output_biases(module):
    """The biases of the last layer, a tensor to change in place; None without biases."""
    layers = [layer for layer in module.modules() if inputs_axis(layer) is not None]
    biases = layers[-1].bias if layers else None
    return biases if biases is None else biases.data


def atoms_of(module):
    """The weights of the layers, each with the axis that counts its atoms."""
    layers = [layer for layer in module.modules() if inputs_axis(layer) is not None]
    for layer in layers:
        if is_parametrized(layer, "weight"):
            raise ValueError(
                f"The decoder's {layer} computes its weight from other parameters, as layers with "
                "weight_norm do, so its atoms cannot be kept at norm 1: build the layer without "
                "such a parametrization."
            )
    return [(layer.weight, inputs_axis(layer)) for layer in layers]


@contextmanager
def own_randomness(seed=0):
    """A context for building modules on the CPU with their own random numbers."""
    on_the_cpu = nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu")
    with on_the_cpu, OwnDraws(seed):
        yield


@dataclass(frozen=True)
class FromSpec:
    """The source of the encoder or the decoder that a user's specification builds."""

    spec: object
    arguments: dict
    part: str

    def __call__(self):
        return self.modules()[self.part == "decoder"]

    def modules(self):
        """Encoder and decoder, newly built."""
        modules = self.spec.build(**self.arguments)
        if not (
            isinstance(modules, tuple)
            and len(modules) == 2
            and all(isinstance(module, nn.Module) for module in modules)
        ):
            raise TypeError(
                f"{self._name}.build must return a pair of torch modules, encoder and decoder, "
                f"but returned {modules!r}."
            )
        self._check(*modules)
        return modules

    def _check(self, encoder, decoder):
        for module in (*encoder.modules(), *decoder.modules()):
            if _changes(module):
                raise ValueError(
                    f"{self._name} builds {module}, which behaves differently in training and in "
                    "evaluation: leave it out, or use GroupNorm or LayerNorm."
                )
        if set(encoder.parameters()) & set(decoder.parameters()):
            raise ValueError(
                f"{self._name} builds an encoder and a decoder that share parameters, which would "
                "be trained separately: give each its own parameters."
            )

    @property
    def _name(self):
        return type(self.spec).__name__


def _changes(module):
    """Whether a layer behaves differently in training and in evaluation."""
    normalizes = isinstance(module, nn.modules.batchnorm._BatchNorm)
    if normalizes or getattr(module, "track_running_stats", False):
        return True
    drops = isinstance(module, nn.modules.dropout._DropoutNd)
    rate = getattr(module, "p" if drops else "dropout", 0)  # an LSTM's, for example
    return isinstance(rate, (int, float)) and rate > 0


def describe_pair(spec, **arguments):
    """Front and back as described by the parameter `network`.

    Raises
    ------
    ValueError
        If they do not match the data or each other.
    """
    name = type(spec).__name__
    sources = [FromSpec(spec, arguments, part) for part in ("encoder", "decoder")]
    with own_randomness():
        encoder, decoder = sources[0].modules()
    front = _described(sources[0], (arguments["n_inputs"],), encoder)
    back = _described(sources[1], front.shape_out, decoder)
    if back.shape_out != (arguments["n_outputs"],):
        raise ValueError(
            f"{name}'s decoder returns rows of shape {back.shape_out}, but must return rows of "
            f"shape ({arguments['n_outputs']},): it must reverse its encoder's changes of shape."
        )
    return front, back


def _described(source, shape_in, module):
    try:
        return describe(source, shape_in, module)
    except RuntimeError as error:
        raise ValueError(
            f"{type(source.spec).__name__}'s {source.part} fails with rows of shape {shape_in}: "
            f"{error}"
        ) from error


class PerPixel(nn.Module):
    """Dense layers at each pixel of an image (n, channels, ...), which are 1 x 1 convolutions."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, image):
        return self.layers(image.movedim(1, -1)).movedim(-1, 1)
