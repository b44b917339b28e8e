"""The game of a discriminator and a generator: its formulas, with their derivatives."""

import math

import torch
from torch.nn import functional

from skae._engine.activations import IDENTITY


def scores_and_slopes(features, *parameters, functions, select, goes_on=False, dtype=None):
    """A discriminator's score of each row, its gradient at the row's features, and a pullback.

    The gradient is written out, and so is its own derivative: autograd would record the pass
    forwards and the one backwards, and go back through both.

    Parameters
    ----------
    features : Tensor of shape (n, fan_in)
    *parameters : Tensor
        The weights of all layers, (fan_out, fan_in), then their biases, (fan_out,).
    functions : list of Activation
        Each layer's.
    select : Tensor of shape (n, n_outputs)
        What each output counts in the score.
    goes_on : bool, default=False
        Whether features depend on weights, too, so that gradients go on from them.
    dtype : torch.dtype, default=None
        What operands of products are rounded to; None: they are not.

    Returns
    -------
    scores : Tensor of shape (n,)
    slopes : Tensor of shape (n, fan_in)
    """
    n_layers, layers, h = len(functions), [], features
    for weight, bias, function in zip(
        parameters[:n_layers], parameters[n_layers:], functions, strict=True
    ):
        below, a = h, _linear(h, weight, bias, dtype)
        h = (function.in_place or function.function)(a)
        layers.append(Layer(weight, below, a, h, function))
    v = select
    for layer in reversed(layers):
        layer.turn(v)
        v = _product(layer.u, layer.weight, dtype)
    slopes = v

    def pullback(at_scores, at_slopes):
        column, t = at_scores.unsqueeze(1), at_slopes
        for layer in layers:
            # `at_scores * u` is the scores' gradient at its linear output: one product for both.
            both = torch.addcmul(t, layer.below, column)
            layer.gradients = [_product(layer.u.t(), both, dtype), at_scores @ layer.u]
            if layer is not layers[-1]:
                t = layer.tangent(_product(t, layer.weight.t(), dtype))
        at_features = column * slopes if goes_on else None
        at_features = _add_bends(layers, at_features, dtype)
        of_weights, of_biases = zip(*[layer.gradients for layer in layers], strict=True)
        return (at_features, *of_weights, *of_biases)

    return ((h * select).sum(dim=1), slopes), pullback


class Layer:
    """A layer of `scores_and_slopes`: what has gone through it, forwards and backwards.

    Attributes
    ----------
    weight : Tensor of shape (fan_out, fan_in)
    below : Tensor of shape (n, fan_in)
        What it has got.
    v, u : Tensor of shape (n, fan_out)
        Gradients of the score at what it gives, and at its linear output.
    bend : Tensor of shape (n, fan_out) or None
        The gradient at its linear output of what comes after, by way of its slope.
    gradients : list of Tensor
        Of its weight and its bias.
    """

    def __init__(self, weight, below, a, h, function):
        self.weight, self.below = weight, below
        self._a, self._h, self._function = a, h, function
        self.slope = None if function is IDENTITY else function.slope(a, h)
        self.bend = None

    def turn(self, v):
        """Take the gradient at what it gives."""
        self.v, self.u = v, self.sloped(v)

    def sloped(self, vectors):
        """Vectors times its slope."""
        return vectors if self.slope is None else vectors * self.slope

    def tangent(self, t):
        """What becomes of the gradient t at u; notes what becomes of it at the slope."""
        if self._function.curvature is not None:
            self.bend = t * self.v * self._function.curvature(self._a, self._h)
        return self.sloped(t)


def _add_bends(layers, at_features, dtype):
    """Add what goes back from slopes that are not constant; returns the gradient at features."""
    gradient = None
    for layer in reversed(layers):
        gradient = gradient if gradient is None else layer.sloped(gradient)
        if layer.bend is not None:
            gradient = layer.bend if gradient is None else gradient + layer.bend
        if gradient is not None:
            of_weight, of_bias = layer.gradients
            of_weight += _product(gradient.t(), layer.below, dtype)
            of_bias += gradient.sum(dim=0)
            gradient = _product(gradient, layer.weight, dtype)
    return at_features if gradient is None or at_features is None else at_features + gradient


def _linear(h, weight, bias, dtype):
    if dtype is None:
        return torch.addmm(bias, h, weight.t())
    return _product(h, weight.t(), dtype) + bias


def _product(a, b, dtype):
    return a @ b if dtype is None else (a.to(dtype) @ b.to(dtype)).to(a.dtype)


def play(scores, slopes, made, penalty):
    """One step's game between a discriminator D and a generator G, and its pullback.

    The value is D's loss on pairs of a real row x and a made one g, the mean of
    log(1 + exp(D(g) - D(x))): log 2 where it cannot tell them apart. Gradients at scores and
    slopes are those of this and of the penalty on D; those at made rows are of the loss that G
    minimises, the mean of log(1 + exp(D(x) - D(g))).

    Parameters
    ----------
    scores : Tensor of shape (2 n,)
        D's, of real rows, then of made ones.
    slopes : Tensor of shape (2 n, n_features)
        Their gradients at the rows.
    made : Tensor of shape (n, n_features)
        The generator's rows, as gradients go back from them.
    penalty : float
        Weight of half the mean square of the gradient at real rows and of that at made ones.
    """
    n = len(made)
    real, fake = scores.chunk(2)

    def pullback(gradient):
        told = torch.sigmoid(real - fake) / n  # how likely D tells which is which
        missed = 1.0 / n - told
        at_scores = torch.cat([-missed, missed]) * gradient
        at_made = slopes[n:] * (told * -gradient).unsqueeze(1)
        return at_scores, slopes * (gradient * penalty / n), at_made

    return functional.softplus(fake - real).mean(), pullback


def chosen_cells(output, noise, blocks, factor, offset):
    """Rows of a table's matrix, one category in each block, in the network's units; a pullback.

    A category is drawn by its probability: it is the likeliest one after Gumbel noise. Gradients
    go back as if it were the probabilities after that noise.

    Parameters
    ----------
    output : Tensor of shape (n, n_columns)
        Logits of categories, and numbers, which stay what they are.
    noise : Tensor of shape (n, n_columns)
    blocks : Blocks
    factor : float
    offset : Tensor of shape (n_columns,)
        Indicators times the factor plus the offset are in the network's units.

    References
    ----------
    Jang, Gu and Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017,
    https://arxiv.org/abs/1611.01144.
    """
    noisy, is_category = output + noise, blocks.is_category > 0
    cell_of = blocks.cell_of.expand(noisy.shape)
    greatest = noisy.new_full((len(noisy), len(blocks.first)), -math.inf)
    greatest = greatest.scatter_reduce_(1, cell_of, noisy, "amax").gather(1, cell_of)
    ones = (noisy == greatest).to(output.dtype)

    def pullback(gradient):
        p = (noisy - greatest).exp()
        p = blocks.multiply_(p, blocks.sums(p).reciprocal())
        weighed = p * gradient * factor
        return (
            torch.where(is_category, weighed, gradient) - blocks.multiply_(p, blocks.sums(weighed)),
        )

    return torch.where(is_category, ones * factor + offset, output), pullback


def gumbel(like, generator):
    """Standard Gumbel noise of a tensor's shape."""
    uniform = torch.empty_like(like, requires_grad=False).uniform_(generator=generator)
    tiny = torch.finfo(like.dtype).tiny
    return -(-uniform.clamp_(min=tiny).log()).clamp_(min=tiny).log()
