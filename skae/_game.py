"""The game of a discriminator and a generator: its formulas, with their derivatives."""

import math
from itertools import chain, islice

import torch
from torch.nn import functional

from skae._game_layers import layers_and_features


def judged(network, rows, select):
    """Scores of rows by a network's encoder, and the scores' gradients at the rows.

    `select` is as in `scores_and_slopes`.
    """
    layers, features, to_input = layers_and_features(network, rows)
    scores, slopes = network.apply(
        scores_and_slopes,
        features,
        *chain.from_iterable(layer.parameters for layer in layers),
        layers=layers,
        select=select,
        goes_on=features.requires_grad,
    )
    return scores, to_input(slopes)


def scores_and_slopes(features, *parameters, layers, select, goes_on=False):
    """A discriminator's score of each row, its gradient at the row's features, and a pullback.

    The gradient and its own derivative are written out: autograd would record both the forward and
    the backward pass, and go back through both.

    Parameters
    ----------
    features : Tensor of shape (n, fan_in)
        Inputs of the first layer.
    *parameters : Tensor
        Parameters of all layers, layer by layer.
    layers : list of Layer
        Layers of this step only, as they record what passes through them.
    select : Tensor of shape (n, n_outputs)
        Weight of each output in the score.
    goes_on : bool, default=False
        Whether features also depend on weights, so that gradients continue beyond them.

    Returns
    -------
    scores : Tensor of shape (n,)
    slopes : Tensor of shape (n, fan_in)
    """
    given, h = iter(parameters), features
    for layer in layers:
        h = layer.forward(h, *islice(given, len(layer.parameters)))
    slopes = select
    for layer in reversed(layers):
        slopes = layer.turn(slopes)

    def pullback(at_scores, at_slopes):
        column, t = at_scores.unsqueeze(1), at_slopes
        for layer in layers:
            if layer.parameters:
                layer.differentiate(at_scores, column, t)
            if layer is not layers[-1]:
                t = layer.tangent(t)
        at_features = _pulled_bends(layers, goes_on)
        if goes_on:
            from_scores = column * slopes
            at_features = from_scores if at_features is None else from_scores + at_features
        return (at_features, *chain.from_iterable(layer.gradients for layer in layers))

    return ((h * select).sum(dim=1), slopes), pullback


def _pulled_bends(layers, goes_on):
    """The contribution of curved activations to the gradient at features, if needed, or None.

    On its way down, it is added to the gradients of parameters.
    """
    lowest = None if goes_on else next(layer for layer in layers if layer.parameters)
    gradient = None
    for layer in reversed(layers):
        gradient = layer.bent(gradient)
        if gradient is not None:
            if layer.parameters:
                layer.add(gradient)
            gradient = None if layer is lowest else layer.back(gradient)
    return gradient


def play(scores, slopes, made, penalty):
    """One step's game between a discriminator D and a generator G, and its pullback.

    The value is D's loss on pairs of a real row x and a generated row g, the mean of log(1 +
    exp(D(g) - D(x))): log 2 if D cannot tell them apart. Gradients at scores and slopes are those
    of this loss and of the penalty on D; those at generated rows belong to the loss that G
    minimises, the mean of log(1 + exp(D(x) - D(g))).

    Parameters
    ----------
    scores : Tensor of shape (2 n,)
        D's scores of real rows, then of generated ones.
    slopes : Tensor of shape (2 n, n_features)
        Gradients of the scores at the rows.
    made : Tensor of shape (n, n_features)
        The generator's rows, from which gradients go back.
    penalty : float
        Weight of half the mean square of the gradient, at real rows and at generated ones.
    """
    n = len(made)
    real, fake = scores.chunk(2)

    def pullback(gradient):
        told = torch.sigmoid(real - fake) / n  # probability with which D tells them apart
        missed = 1.0 / n - told
        at_scores = torch.cat([-missed, missed]) * gradient
        at_made = slopes[n:] * (told * -gradient).unsqueeze(1)
        return at_scores, slopes * (gradient * penalty / n), at_made

    return functional.softplus(fake - real).mean(), pullback


def chosen_cells(output, noise, blocks, factor, offset):
    """Rows of a table's matrix, with one category per block, in the network's units; the pullback.

    Each category is drawn with its probability, as the likeliest one after Gumbel noise. Gradients
    go back as if the output were the probabilities after that noise.

    Parameters
    ----------
    output : Tensor of shape (n, n_columns)
        Logits of categories, and numbers, which are unchanged.
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
