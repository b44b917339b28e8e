"""A network in training: it remembers what it computed, to differentiate it.

Autograd's bookkeeping costs a small network more time than its arithmetic. So the few
operations that every objective is made of have their derivatives written out, as
pullbacks; whatever else an objective does is left to autograd, and the two mix freely.
"""

from typing import NamedTuple

import torch
from torch.nn import functional

from skae._engine.activations import IDENTITY, Activation
from skae._engine.network import Network


class Tape(Network):
    """A `Network` that differentiates what is computed with it.

    What `encode`, `decode` and `apply` return are leaves of autograd's graph. Each is
    recorded with its inputs and its pullback, so that `backward` can go on from the
    gradient that arrives at it, whether autograd or a later pullback has brought it.

    Parameters
    ----------
    perceptron : Perceptron
    flat : Tensor of shape (n_parameters,)
        The weights; shared, not copied.
    gradient : Tensor of shape (n_parameters,)
        Where `backward` adds the gradient.
    dtype : torch.dtype, default=None
        What to round to in the layers; None for the dtype of the data.
    """

    def __init__(self, perceptron, flat, gradient, dtype=None):
        super().__init__(perceptron, flat, gradient)
        weights, gradients = Network(perceptron, flat), Network(perceptron, gradient)
        self._dtype = dtype
        self._encoder = Layers(weights.encoder_layers, gradients.encoder_layers, dtype)
        self._decoder = Layers(weights.decoder_layers, gradients.decoder_layers, dtype)
        # For slopes, which are autograd's: its layers one by one, without activations.
        self._linear_parts = [
            Layers([(weight, bias, IDENTITY)], [gradient], dtype)
            for (weight, bias, _), gradient in zip(
                weights.encoder_layers, gradients.encoder_layers, strict=True
            )
        ]
        self._records = []

    def encode(self, x):
        """As `Network.encode`."""
        features = self.features(x)
        output = self._record((features,), *self._encoder(features))
        return self._code_heads(self._as_rows(output))

    def decode(self, code):
        """As `Network.decode`."""
        code = self._at_pixels(code, self.perceptron.decoded_image)
        return self._output_heads(self._behind(self._record((code,), *self._decoder(code))))

    def apply(self, formula, *inputs, **constants):
        """The value of a formula that comes with its pullback.

        Parameters
        ----------
        formula : callable
            `formula(*inputs, **constants)` returns a value, a tensor or a tuple of them,
            and its pullback: a function of the gradients at the value (at a scalar,
            perhaps a float) that returns the gradients at the inputs and changes
            nothing but what is its own. Inputs at the end that need no gradient may be
            left out. It is called once.
        *inputs : Tensor
        **constants : object

        Returns
        -------
        value : Tensor or tuple of Tensor
        """
        plain = [tensor.detach() if tensor.requires_grad else tensor for tensor in inputs]
        return self._record(inputs, *formula(*plain, **constants))

    def backward(self, objective):
        """Add the gradient of a scalar, computed since the last call, and forget the rest.

        Gradients must be switched off around it.
        """
        records, self._records = self._records, []
        arrived = {}
        _bring(objective, 1.0, arrived)
        for inputs, outputs, pullback in reversed(records):
            gradients = _arrived_at(outputs, arrived)
            if gradients is not None:
                for tensor, gradient in zip(inputs, pullback(*gradients), strict=False):
                    if tensor.requires_grad:
                        _bring(tensor, gradient, arrived)

    def _run(self, module, x):
        if self._dtype is None:
            return module(x)
        with torch.autocast(x.device.type, self._dtype):
            return module(x).to(x.dtype)

    def _encoder_output(self, number, x):
        return self._record((x,), *self._linear_parts[number](x))

    def _record(self, inputs, value, pullback):
        outputs = value if isinstance(value, tuple) else (value,)
        for output in outputs:
            output.requires_grad_()
        self._records.append((inputs, outputs, pullback))
        return value


def _bring(tensor, gradient, arrived):
    """Add a gradient at a tensor: `arrived` holds those at recorded ones, by their ids."""
    if tensor.grad_fn is not None:  # computed by autograd, from what was recorded before
        gradient = torch.as_tensor(gradient, dtype=tensor.dtype, device=tensor.device)
        tensor.backward(gradient, retain_graph=True)
    elif tensor.grad is not None:  # a weight, or autograd has been here
        tensor.grad.add_(gradient)
    else:
        before = arrived.get(id(tensor))
        arrived[id(tensor)] = gradient if before is None else before + gradient


def _arrived_at(outputs, arrived):
    """The gradients at some outputs, with zeros for none; None if there are none at all."""
    gradients, n_missing = [], 0
    for output in outputs:
        gradient = arrived.get(id(output))
        if output.grad is not None:
            gradient = output.grad if gradient is None else output.grad + gradient
        n_missing += gradient is None
        gradients.append(gradient)
    if n_missing == 0:
        return gradients
    if n_missing == len(outputs):
        return None
    pairs = zip(outputs, gradients, strict=True)
    return [torch.zeros_like(o) if gradient is None else gradient for o, gradient in pairs]


PRECISIONS = {"float": None, "bf16": torch.bfloat16}


class Layer(NamedTuple):
    """One layer, and where its gradients are added."""

    weight: torch.Tensor
    bias: torch.Tensor
    activation: Activation
    weight_gradient: torch.Tensor
    bias_gradient: torch.Tensor


class Layers:
    """An encoder's or decoder's layers.

    Parameters
    ----------
    layers, gradients : list of (weight, bias, activation)
        In the order in which a row passes them.
    dtype : torch.dtype or None
        See `Tape`.
    """

    def __init__(self, layers, gradients, dtype):
        pairs = zip(layers, gradients, strict=True)
        self._layers = [Layer(*layer, *gradient[:2]) for layer, gradient in pairs]
        self._dtype = dtype
        self._ones = torch.ones(0)

    def __call__(self, x):
        """The output for x of shape (..., fan_in), and its pullback."""
        wants_gradient, passed = x.requires_grad, []
        h = rows = self._enter(x.detach())
        for layer in self._rounded_layers():
            below, a = h, functional.linear(h, layer.weight, layer.bias)
            h = layer.activation.function(a)
            passed.append((layer, below, a, h))

        def pullback(gradient):
            gradient = self._enter(gradient)
            for layer, below, a, h in reversed(passed):
                if h is not a:
                    gradient = layer.activation.pull_back(gradient, a, h)
                self._add_gradients(layer, gradient, below)
                if below is not rows or wants_gradient:
                    gradient = gradient @ layer.weight
            return (self._leave(gradient, x) if wants_gradient else None,)

        return self._leave(h, x), pullback

    def _enter(self, tensor):
        """Flatten leading dimensions and round."""
        if tensor.ndim == 2 and self._dtype is None:
            return tensor
        return tensor.flatten(0, -2).to(self._dtype or tensor.dtype)

    def _leave(self, tensor, like):
        """Undo what `_enter` did to `like`."""
        if like.ndim == 2 and self._dtype is None:
            return tensor
        return tensor.to(like.dtype).view(*like.shape[:-1], -1)

    def _rounded_layers(self):
        if self._dtype is None:
            return self._layers
        return [
            layer._replace(weight=layer.weight.to(self._dtype), bias=layer.bias.to(self._dtype))
            for layer in self._layers
        ]

    def _add_gradients(self, layer, gradient, below):
        transposed = gradient.t()
        if self._dtype is None:
            layer.weight_gradient.addmm_(transposed, below)
            # A sum over rows, as a product with ones: faster.
            layer.bias_gradient.addmv_(transposed, self._ones_for(gradient))
        else:
            layer.weight_gradient.add_(transposed @ below)
            layer.bias_gradient.add_(gradient.sum(dim=0))

    def _ones_for(self, gradient):
        n_rows = gradient.shape[0]
        if self._ones.shape[0] < n_rows:  # made here, where dtype and device are known
            self._ones = gradient.new_ones(n_rows)
        return self._ones[:n_rows]
