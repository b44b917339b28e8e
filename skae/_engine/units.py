"""Units in which the values of layers have a usual size, for the steps of training.

Adam moves all weights equally far. But from X in the thousands, weights that bring it to units that
saturate must be small, and biases of outputs large. Drawn and moved in proportion to the units of
the values that they connect, weights describe the same network in any unit of X.
"""

import math
from itertools import chain, pairwise

import numpy as np
import torch

from skae._engine.activations import SATURATING, activation_name
from skae._engine.data import sample
from skae._engine.network import Network

ROWS = 1000  # that tell how much X varies
USUAL = 1 / 8, 4.0  # typical deviations of X that need no unit
POSSIBLE = 1e-12, 1e12  # others are rounding errors, or their powers overflow


def units_for(perceptron, data):
    """The units of a new network for these data; None if all are 1.

    For the encoder and the decoder, they are a tuple of pairs, one for each layer, input side
    first: the units of its inputs and of its outputs. Then comes the number of columns of X; other
    inputs, a mask of missing values, have 1.

    Inputs and outputs have those of the data. Units that saturate, and codes that are drawn, have
    1. Others have that of the values next to them on the side of the data.
    """
    is_squared = activation_name(perceptron.output) == "identity"
    if not (is_squared and perceptron.has_encoder) or perceptron.blocks:
        return None
    some = sample(data, ROWS, seed=0)
    unit = unit_of(some.X)
    encoder = _carried(unit, perceptron.encoder_activations)
    if perceptron.code_heads == 2:
        encoder[-1] = 1.0
    unit = unit if some.target is None else unit_of(some.target)
    decoder = [encoder[-1], *reversed(_carried(unit, perceptron.decoder_activations[-2::-1]))]
    different = {*encoder, *decoder}
    if different == {1.0} or (any(perceptron.tied) and len(different) > 1):
        return None
    return tuple(pairwise(encoder)), tuple(pairwise(decoder)), data.X.shape[1]


def _carried(unit, activations):
    units = [unit]
    for activation in activations:
        units.append(1.0 if activation in SATURATING else units[-1])
    return units


def units_of_stack(layers, perceptrons):
    """The units of a stack of networks, given those of each."""
    if not any(layers) or perceptrons[0].blocks:
        return None
    known = [units or all_ones(its) for units, its in zip(layers, perceptrons, strict=True)]
    encoders, decoders, (n_columns, *_) = zip(*known, strict=True)
    return tuple(chain(*encoders)), tuple(chain(*reversed(decoders))), n_columns


def all_ones(perceptron):
    """Units of 1."""
    shapes = perceptron.encoder_shapes, perceptron.decoder_shapes
    return *(((1.0, 1.0),) * len(its) for its in shapes), perceptron.n_inputs


def units_to_predict(units, data):
    """The units of an autoencoder with these units if it predicts something else.

    Few large columns decide about reconstructions, but not about predictions. So the inputs' unit
    is nearer to 1 if that of the median column is.
    """
    if units is None:
        return None
    ((below, above), *upper), _, n_columns = units
    deviations = np.sqrt(np.square(from_means(sample(data, ROWS, seed=0).X)).mean(axis=0))
    varied = deviations[deviations > 0]
    of_median = nearest_unit(float(np.median(varied)) if len(varied) else 1.0)
    encoder = (sorted((1.0, below, of_median))[1], above), *upper
    return encoder, ((encoder[-1][1], 1.0),), n_columns


def unit_of(X):
    """The unit of the typical deviation of X."""
    with np.errstate(over="ignore", invalid="ignore"):
        return nearest_unit(typical(from_means(X)))


def nearest_unit(size):
    """A power of 2 near a deviation; 1 if that is usual, or not of this world."""
    if USUAL[0] <= size <= USUAL[1] or not POSSIBLE[0] < size < POSSIBLE[1]:
        return 1.0
    return 2.0 ** round(math.log2(size))


def from_means(X):
    """Deviations from the columns' means; 0 for missing values."""
    X = np.asarray(X, np.float64)
    observed = ~np.isnan(X)
    n_observed = np.maximum(observed.sum(axis=0), 1)
    return np.where(observed, X - X.sum(axis=0, where=observed) / n_observed, 0.0)


def typical(deviations):
    """Their root mean square, above 0."""
    return max(float(np.sqrt(np.square(deviations).mean())), np.finfo(float).tiny)


def multiply_by_units(network, units):
    """Multiply the weights, or numbers in their places, by their units, in place."""
    of_encoder, of_decoder, n_columns = units
    first, *others = network.encoder_weights
    encoder = (first[:, :n_columns], *others), network.encoder_biases, of_encoder
    decoder = network.own_decoder_weights, network.decoder_biases, of_decoder
    layers = chain(zip(*encoder, strict=True), zip(*decoder, strict=True))
    for weight, bias, (below, above) in layers:
        bias.mul_(above)
        if weight is not None:
            weight.mul_(above / below)
    first[:, n_columns:].mul_(of_encoder[0][1])
    _, unit = of_decoder[-1]
    for tensor in (network.own_decoder_weights[-1], network.decoder_biases[-1]):
        if tensor is not None:  # the second head is the logarithm of a variance
            tensor[network.perceptron.n_outputs :].div_(unit)


def spans_in_units(perceptron, units):
    """Slices of the flat vector by the unit of the weights there."""
    rates, spans, start = torch.ones(perceptron.length, device="cpu"), {}, 0
    multiply_by_units(Network(perceptron, rates), units)
    values, counts = torch.unique_consecutive(rates, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        spans.setdefault(value, []).append(slice(start, start + count))
        start += count
    return spans
