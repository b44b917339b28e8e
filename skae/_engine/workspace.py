"""Passes through dense layers, forwards and backwards, with reused memory.

A step of a small network spends as much time on new memory and views as on its
products. So a pass reuses the memory of the last step, whatever its number of rows: if
processes share batches, it changes with every step.
"""

from functools import partial
from typing import NamedTuple

import torch

from skae._engine.activations import IDENTITY, Activation

MAX_WORKSPACES = 64  # number of workspaces that are kept


class Layer(NamedTuple):
    """One layer, and tensors of the same shapes to which its gradients are added."""

    weight: torch.Tensor  # (fan_out, fan_in)
    bias: torch.Tensor  # (fan_out,)
    activation: Activation
    weight_gradient: torch.Tensor
    bias_gradient: torch.Tensor


class Record(NamedTuple):
    """A computation's inputs and outputs, and how gradients go back.

    Attributes
    ----------
    inputs, outputs : tuple of Tensor
    pullback : callable
        A function of the gradients at the outputs; see `Tape.apply`.
    """

    inputs: tuple
    outputs: tuple
    pullback: callable


class Layers:
    """An encoder's or decoder's layers.

    Parameters
    ----------
    layers, gradients : list of (weight, bias, activation)
        Layers in the order in which rows pass them.
    is_rounded : bool
        Whether layers have a lower precision than the rows.
    n_heads : int, default=1
        Number of parts of equal width into which the output is split.
    """

    def __init__(self, layers, gradients, is_rounded, n_heads=1):
        self._layers = []
        for layer, (weight_gradient, bias_gradient, _) in zip(layers, gradients, strict=True):
            self._layers.append(Layer(*layer, weight_gradient, bias_gradient))
        self._is_rounded, self._n_heads = is_rounded, n_heads
        self._rooms, self._made, self._in_use = {}, {}, []

    def __call__(self, x, plain):
        """The record of a pass of x, of shape (..., fan_in), with its numbers in `plain`."""
        if plain.ndim != 2 or self._is_rounded or not self._layers:
            return self._reshaped(x, plain)
        workspace = self._workspace(plain.shape[0])
        workspace.forward(x, plain)
        return workspace

    def _reshaped(self, x, plain):
        if not self._layers:
            return Record((x,), (plain.detach().requires_grad_(),), lambda gradient: (gradient,))
        rows = self._as_rows(plain)
        workspace = self._workspace(rows.shape[0])
        workspace.forward(x, rows)

        def pullback(*gradients):
            (gradient,) = workspace.pullback(*map(self._as_rows, gradients))
            return (gradient if gradient is None else _shaped(gradient, plain),)

        heads = [head.detach() for head in workspace.plain.values()]
        heads = [_shaped(head, plain).requires_grad_() for head in heads]
        return Record((x,), tuple(heads), pullback)

    def release(self):
        """Release the workspaces of the last passes for the next ones."""
        for workspace in self._in_use:
            workspace.inputs = workspace._rows = None  # otherwise they would keep a graph
        self._in_use.clear()

    @property
    def tensors(self):
        """For each layer its weight, its bias and their gradients."""
        return [(*layer[:2], *layer[3:]) for layer in self._layers]

    def _as_rows(self, tensor):
        return tensor.flatten(0, -2).to(self._layers[0].weight.dtype)

    def _workspace(self, n_rows):
        number = len(self._in_use)  # of the pass in this step
        workspace = self._made.get((number, n_rows))
        if workspace is None:
            room = self._room(number, n_rows)
            if len(self._made) >= MAX_WORKSPACES:
                self._made.clear()
            workspace = Workspace(self._layers, n_rows, self._is_rounded, room, self._n_heads)
            self._made[number, n_rows] = workspace
        self._in_use.append(workspace)
        return workspace

    def _room(self, number, n_rows):
        """Memory for a pass, the same in every step unless it has become too small.

        For each layer, tensors for the gradient at h, for a, and for h, which is a if the
        activation overwrites it.
        """
        room = self._rooms.get(number)
        if room is None or len(room[0][0]) < n_rows:
            self._made.clear()  # views of less memory
            n_rows += 0 if room is None else n_rows // 8  # so that it seldom grows
            room = self._rooms[number] = []
            for layer in self._layers:
                shape, new = (n_rows, len(layer.weight)), layer.weight.new_empty
                at_h, a = new(shape), new(shape)
                room.append((at_h, a, a if layer.activation.in_place else new(shape)))
        return room


def _shaped(rows, like):
    """Rows with the leading axes and the dtype of a tensor."""
    return rows.to(like.dtype).reshape(*like.shape[:-1], -1)


class Workspace:
    """The memory of one pass through some layers, and its views.

    It serves as the pass's `Record`.

    Parameters
    ----------
    layers : list of Layer
    n_rows : int
    is_rounded : bool
        See `Layers`.
    room : list of tuple of Tensor
        For each layer, tensors of shape (n, fan_out) from `Layers._room`, with n >= n_rows.
    n_heads : int
        See `Layers`.

    Attributes
    ----------
    plain : dict of Tensor of shape (n_rows, width)
        The output's heads, detached from autograd, by the ids of `outputs`.
    memory : dict of Tensor of the same shape
        Memory for the gradients at the heads, likewise.
    """

    def __init__(self, layers, n_rows, is_rounded, room, n_heads):
        self._ones = layers[0].weight.new_ones(n_rows)
        self._forward, self._backward, below, gradient_below = [], [], None, None
        for layer, (at_h, a, h) in zip(layers, room, strict=True):  # at_h: the gradient at h
            at_h, a, h = at_h[:n_rows], a[:n_rows], h[:n_rows]
            activate, pull_back = _bound(layer.activation, a, h)
            self._forward.append((layer.bias, below, layer.weight.t(), a, activate))
            # Pulled back to a, it overwrites h.
            transposed = at_h.t() if pull_back is None else h.t()
            adds = layer.weight_gradient.addmm_, layer.bias_gradient.addmv_
            adds = _rounded_adds(layer) if is_rounded else adds
            views = at_h, transposed, gradient_below
            self._backward.append((layer.weight, *adds, below, pull_back, *views))
            below, gradient_below = h, at_h
        self._backward.reverse()
        self._first_weight, self._at_rows = layers[0].weight, None
        heads, gradients = below.chunk(n_heads, 1), gradient_below.chunk(n_heads, 1)
        # For autograd, leaves.
        leaves = map(torch.Tensor.requires_grad_, map(torch.Tensor.detach, heads))
        self._gradient, self.outputs = gradient_below, tuple(leaves)
        ids = [*map(id, self.outputs)]
        self.plain = dict(zip(ids, heads, strict=True))
        self.memory = dict(zip(ids, gradients, strict=True))

    def forward(self, x, rows):
        """Fill the memory, given x and its numbers as rows of shape (n_rows, fan_in)."""
        self.inputs, self._rows = (x,), rows
        addmm = torch.addmm
        for bias, below, transposed, a, activate in self._forward:
            addmm(bias, rows if below is None else below, transposed, out=a)
            if activate is not None:
                activate()

    def pullback(self, gradient, *others):
        """Add the weights' gradients, given those at the heads; return that at x.

        They have the shapes of these, in memory that the next step overwrites.
        """
        rows, ones = self._rows, self._ones
        if others:
            for memory, its in zip(self.memory.values(), (gradient, *others), strict=True):
                memory.copy_(its)  # nothing, if a formula has left it there
            gradient = self._gradient
        for weight, add_mm, add_mv, below, pull_back, own, transposed, own_below in self._backward:
            if pull_back is not None:
                gradient = pull_back(gradient)
            elif gradient is not own:
                transposed = gradient.t()
            add_mm(transposed, rows if below is None else below)
            add_mv(transposed, ones)  # a sum over rows, as a product with ones: faster
            if below is not None:
                gradient = torch.mm(gradient, weight, out=own_below)
        (x,) = self.inputs
        if not x.requires_grad:
            return (None,)
        if self._at_rows is None:
            self._at_rows = torch.empty_like(self._rows)
        return (torch.mm(gradient, self._first_weight, out=self._at_rows),)


def _rounded_adds(layer):
    """Functions that add products of lower precision to the gradients of weights and biases."""
    weights, biases = layer.weight_gradient, layer.bias_gradient

    def add_mm(transposed, below):
        weights.add_(transposed @ below)

    def add_mv(transposed, ones):
        biases.add_(transposed.sum(dim=1))

    return add_mm, add_mv


def _bound(activation, a, h):
    """Functions that compute h(a) in the memory of h, and that pull a gradient back to a.

    The latter overwrites h, which is no longer needed: passes go backwards from the last
    computation. They are None for the identity, whose h is a.
    """
    if activation is IDENTITY:
        return None, None
    pull_back = partial(activation.pull_back, a=a, h=h, out=h)
    if activation.in_place is not None:
        return partial(activation.in_place, a), pull_back

    def activate():
        h.copy_(activation.function(a))

    return activate, pull_back
