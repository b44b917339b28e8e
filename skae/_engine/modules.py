"""A network's encoder and decoder as separate torch modules, and their publication."""

import torch
from torch import nn

from skae._engine.activations import IDENTITY
from skae._engine.blocks import PerPixel


def encoder_module(network):
    """The encoder as a `torch.nn.Sequential` with copies of the weights."""
    modules = [Log1p()] if network.perceptron.log_inputs else []
    if network.perceptron.front is not None:
        modules.append(Centre(network.origin))
    return nn.Sequential(*modules, *layers_from_origin(network, network.folded_layers))


def layers_from_origin(network, dense):
    """The encoder's modules, given its dense layers, for rows minus the origin."""
    perceptron = network.perceptron
    modules = _copied(perceptron.front, network.front_tensors, network.flat)
    modules += _as_modules(dense, perceptron.image)
    if perceptron.image:
        modules.append(nn.Flatten())
    if perceptron.code_heads == 2:
        modules.append(TwoHeads(network.code_activation.layer()))
    return modules


def decoder_module(network, with_activation=True, both_heads=False):
    """The decoder as a `torch.nn.Sequential` with copies of the weights.

    It has the second head and the last activation only on request.
    """
    perceptron, n_outputs = network.perceptron, network.perceptron.n_outputs
    image, layers = perceptron.decoded_image, network.decoder_layers
    modules = [nn.Unflatten(1, (perceptron.decoder_sizes[0], *image))] if image else []
    drops_head = perceptron.output_heads == 2 and not both_heads
    if network.back is None and drops_head:
        *layers, (weight, bias, activation) = layers
        layers.append((weight[:n_outputs], bias[:n_outputs], activation))
    modules += _as_modules(layers, image)
    modules += _copied(perceptron.back, network.back_tensors, network.flat)
    if network.back is not None and drops_head:
        modules.append(FirstHead(n_outputs))
    if perceptron.output_heads == 2 and both_heads:
        modules.append(TwoHeads(nn.Identity()))
    if with_activation:
        modules.append(network.output_activation.layer())
    return nn.Sequential(*modules)


def published(layers):
    """Layers as one module for users, without gradients.

    To train it, users call `requires_grad_()`, which leaves the origin fixed. A hook, not a layer,
    checks the dtype of rows, so that users find only their own layers.
    """
    module = nn.Sequential(*layers).requires_grad_(False).eval()
    for layer in module.modules():
        if isinstance(layer, Centre):
            layer.hold_fast()
    module.register_forward_pre_hook(refuse_other_dtypes)
    return module


def refuse_other_dtypes(module, inputs: tuple[torch.Tensor]) -> None:
    """Raise TypeErrors that say what to do. TorchScript needs the annotations."""
    if not torch.jit.is_scripting():
        _check_dtype(module, inputs[0])


def _check_dtype(module, x):
    dtype = next((parameter.dtype for parameter in module.parameters()), None)
    if not isinstance(x, torch.Tensor) or dtype in (x.dtype, None):
        return
    if not torch.is_autocast_enabled(x.device.type):
        raise TypeError(
            f"The input has dtype {x.dtype}, but the weights have dtype {dtype}: pass "
            f"X.to({dtype})."
        )


class Centre(nn.Module):
    """Subtract an origin from each row; it is not trained."""

    def __init__(self, origin):
        super().__init__()
        self.origin = nn.Parameter(origin.detach().clone(), requires_grad=False)

    def hold_fast(self):
        """Make the origin a buffer, which `requires_grad_()` does not affect."""
        origin = self.origin.detach()
        del self.origin
        self.register_buffer("origin", origin)

    def forward(self, x):
        return x - self.origin

    def extra_repr(self):
        return str(len(self.origin))


class Standardize(nn.Module):
    """(x - mean) / scale, with an array and a number that are not trained."""

    def __init__(self, mean, scale):
        super().__init__()
        self.register_buffer("mean", mean)
        self.scale = scale

    def forward(self, x):
        return (x - self.mean) / self.scale

    def extra_repr(self):
        return str(len(self.mean))


class Scale(nn.Module):
    """x * factor + offset, with two arrays that are not trained."""

    def __init__(self, factor, offset):
        super().__init__()
        self.register_buffer("factor", factor)
        self.register_buffer("offset", offset)

    def forward(self, x):
        return x * self.factor + self.offset

    def extra_repr(self):
        return str(len(self.offset))


class Clamp(nn.Module):
    """Numbers limited by two arrays."""

    def __init__(self, low, high):
        super().__init__()
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, x):
        return x.clamp(self.low, self.high)

    def extra_repr(self):
        return str(len(self.low))


class Log1p(nn.Module):
    """log(1 + x) of counts x."""

    def forward(self, x):
        return x.clamp(min=0.0).log1p()


class TwoHeads(nn.Module):
    """Split a layer's output into two halves, the first one through an activation."""

    def __init__(self, activation):
        super().__init__()
        self.activation = activation

    def forward(self, output):
        first, second = output.chunk(2, dim=-1)
        return self.activation(first), second


class OnlyOutput(nn.Module):
    """A number for each row, from outputs of width 1."""

    def forward(self, output):
        return output.squeeze(-1)


class FirstHead(nn.Module):
    """The first `width` numbers of a layer's output."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, output):
        return output[..., : self.width]

    def extra_repr(self):
        return str(self.width)


def _copied(block, tensors, like):
    """The layers of a block's module, with copies of its weights."""
    if block is None:
        return []
    copies = [tensor.detach().clone() for tensor in tensors]
    module = block.bound_to(copies, like).requires_grad_()
    return list(module) if type(module) is nn.Sequential else [module]


def _as_modules(layers, image):
    """Dense layers as torch modules, which act at each pixel of an image."""
    modules = []
    for weight, bias, activation in layers:
        fan_out, fan_in = weight.shape
        # skip_init, since a plain nn.Linear would draw from the global random generator.
        linear = nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
        modules += [linear] if activation is IDENTITY else [linear, activation.layer()]
    return [PerPixel(nn.Sequential(*modules))] if image and modules else modules
