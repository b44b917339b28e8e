"""A network in training, which records its computations to differentiate them.

Autograd's bookkeeping costs a small network more time than its arithmetic. So the few
operations in every objective have derivatives written out, as pullbacks; the rest of an
objective is left to autograd, and the two mix freely.
"""

from functools import cached_property

import torch

from skae._engine.activations import IDENTITY
from skae._engine.network import Network, activated
from skae._engine.workspace import Layers, Record, Workspace

PRECISIONS = {"float": None, "bf16": torch.bfloat16}


class Tape(Network):
    """A `Network` that differentiates computations with it.

    The results of `encode`, `decode` and `apply` are leaves of autograd's graph. Each
    is recorded with its inputs and its pullback, so that `backward` can continue from
    the gradient at it, whether that comes from autograd or from a later pullback.

    Codes and outputs lie in memory that the next step reuses: they are valid until
    `backward` ends.

    Parameters
    ----------
    network : Network
        The network to train; its weights are shared, not copied.
    gradient : Tensor of shape (length,)
        Tensor to which `backward` adds the gradient.
    dtype : torch.dtype, default=None
        Dtype to which layers round; None for the dtype of the weights.
    """

    def __init__(self, network, gradient, dtype=None):
        # Not by super(), which would make the leaves.
        self.perceptron, self.flat, self._gradient = network.perceptron, network.flat, gradient
        self._dtype = self.dtype_of_products = dtype
        self._is_rounded = False
        if self.perceptron.has_encoder:
            self.origin = network.origin
        if dtype is not None:
            network = Network(self.perceptron, torch.zeros_like(self.flat, dtype=dtype))
        self._layer_weights = network.flat  # the weights themselves, or rounded ones
        gradients = Network(self.perceptron, gradient)
        encoder = network.encoder_layers, gradients.encoder_layers
        decoder = network.decoder_layers, gradients.decoder_layers
        rounds, its = dtype is not None, self.perceptron
        self._encoder = Layers(*encoder, rounds, its.code_heads)
        self._decoder = Layers(*decoder, rounds, 1 if its.back else its.output_heads)
        # Numbers of passes' outputs and, to be taken once, memory for the gradients there, by id.
        self._records, self._plain, self._memory = [], {}, {}

    @cached_property
    def _tensors(self):
        """Leaves for autograd, made on demand: objectives rarely need them."""
        return Network(self.perceptron, self.flat, self._gradient)._tensors

    @cached_property
    def _linear_parts(self):
        """The encoder's layers one by one, without activations, for autograd's slopes."""
        return [
            Layers([(weight, bias, IDENTITY)], [(*gradients, IDENTITY)], self._dtype is not None)
            for weight, bias, *gradients in self._encoder.tensors
        ]

    def _encode(self, features):
        first, *second = self._pass(self._encoder, features)
        if self.perceptron.has_plain_code:
            return first
        if second and self.code_activation is not IDENTITY:  # else there is nothing to record
            first = self.apply(activated, first, activation=self.code_activation)
        heads = tuple(map(self._as_rows, (first, *second)))
        return heads if second else heads[0]

    def decode(self, code):
        """As `Network.decode`."""
        if self.perceptron.has_plain_output:
            return self._pass(self._decoder, code)[0]
        heads = self._pass(self._decoder, self._at_pixels(code, self.perceptron.decoded_image))
        return heads if self.perceptron.back is None else self._output_heads(self._behind(heads[0]))

    def apply(self, formula, *inputs, **constants):
        """The value of a formula with a pullback.

        Parameters
        ----------
        formula : callable
            `formula(*inputs, **constants)` returns a value, a tensor or a tuple of tensors, and
            its pullback: a function of the gradients at the value (possibly a float for a scalar)
            that returns the gradients at the inputs and changes only its own memory. It may omit
            gradients of last inputs that need none. It is called at most once.
        *inputs : Tensor
        **constants : object
            A formula marked with `keeps_memory` also gets `out`: memory for the
            gradient at the first input, or None; one marked with `averages_rows` gets
            `sample_weight` if rows have weights.

        Returns
        -------
        value : Tensor or tuple of Tensor
        """
        if hasattr(formula, "keeps_memory"):
            constants["out"] = self._memory.pop(id(inputs[0]), None)
        if self._sample_weight is not None:
            constants.update(self._weighing(formula))
        plain = [*map(self._without_graph, inputs)]
        value, pullback = formula(*plain, **constants)
        outputs = value if isinstance(value, tuple) else (value,)
        if {*map(id, plain)} & {*map(id, outputs)}:  # an input itself is not a leaf
            outputs = tuple([output.detach() for output in outputs])
        for output in outputs:
            output.requires_grad_()
        self._records.append(Record(inputs, outputs, pullback))
        return outputs if isinstance(value, tuple) else outputs[0]

    def backward(self, objective, factor=1.0):
        """Add the gradient of a scalar, computed since the last call, and forget the rest.

        It must be called with gradients switched off. The gradient is multiplied by a factor.
        """
        records, self._records = self._records, []
        self._plain.clear()
        self._memory.clear()
        arrived = {}
        _bring(objective, factor, arrived)
        while records:
            record = records.pop()
            pulled = _pulled(record, arrived)
            for tensor, gradient in zip(record.inputs, pulled, strict=False):
                if tensor.requires_grad:
                    _bring(tensor, gradient, arrived)
        self._is_rounded = False  # as weights change next
        for layers in (self._encoder, self._decoder, *vars(self).get("_linear_parts", ())):
            layers.release()  # its workspaces, for the next step

    def _run(self, module, x):
        if self._dtype is None:
            return module(x)
        with torch.autocast(x.device.type, self._dtype):
            return module(x).to(x.dtype)

    def _encoder_output(self, number, x):
        return self._pass(self._linear_parts[number], x)[0]

    def _pass(self, layers, x):
        if self._dtype is not None and not self._is_rounded:
            self._layer_weights.copy_(self.flat)
            self._is_rounded = True
        record = layers(x, self._without_graph(x))
        self._records.append(record)
        if type(record) is Workspace:
            self._plain.update(record.plain)
            self._memory.update(record.memory)
        return record.outputs

    def _without_graph(self, tensor):
        """The same numbers, detached from autograd."""
        if not tensor.requires_grad:
            return tensor
        plain = self._plain.get(id(tensor))
        return tensor.detach() if plain is None else plain


# A gradient arrives at a recorded tensor in two ways. Autograd adds it to the tensor's `grad`.
# Gradients from pullbacks are in `arrived`, by the tensor's id: they are never added to in place,
# since a pullback may return one tensor for two inputs, and they may be floats. (Formulas as
# `torch.autograd.Function` would need neither, but make the step of a network of 64-32-8-32-64
# nearly twice as long: docs/architecture.md has the figures.)


def _bring(tensor, gradient, arrived):
    """Add a gradient at a tensor."""
    if tensor.grad_fn is not None:  # computed by autograd, from earlier records
        gradient = torch.as_tensor(gradient, dtype=tensor.dtype, device=tensor.device)
        # A copy: autograd may keep a view of it as the `grad` of a leaf, and add to that.
        tensor.backward(gradient.clone(), retain_graph=True)
    elif tensor.grad is not None:  # a weight, or autograd has been here
        tensor.grad.add_(gradient)
    else:
        before = arrived.get(id(tensor))
        arrived[id(tensor)] = gradient if before is None else before + gradient


def _pulled(record, arrived):
    """The gradients at a record's inputs; none if nothing depends on its outputs."""
    gradients, has_arrived = [], False
    for output in record.outputs:
        gradient = arrived.get(id(output))
        if output.grad is not None:
            gradient = output.grad if gradient is None else output.grad + gradient
            output.grad = None  # as the output is used again
        has_arrived |= gradient is not None
        gradients.append(torch.zeros_like(output) if gradient is None else gradient)
    return record.pullback(*gradients) if has_arrived else ()
