"""Meanings of a decoder's output as ONNX operators: losses of rows, densities, totals."""

import math

import numpy as np

from skae._likelihoods import MIN_NOISE_VARIANCE, Bernoulli, Categorical, Gaussian
from skae._outputs import BinaryCrossEntropy, CategoricalCrossEntropy, SquaredError

LOSSES = {}
SMALL = 7  # below which Stirling's series for log-factorials is not exact enough


def loss_of(*kinds):
    """A decorator for the loss of these outputs, a function of nodes (..., n, n_features)."""

    def register(function):
        LOSSES.update(dict.fromkeys(kinds, function))
        return function

    return register


def loss_of_rows(kind, output, x):
    """`Output.loss_of_rows` as a node."""
    if type(kind) not in LOSSES:
        raise NotImplementedError(
            f"skae.onnx does not know the loss of {type(kind).__module__}."
            f"{type(kind).__qualname__}: leave out the option score_samples."
        )
    return LOSSES[type(kind)](output, x)


@loss_of(SquaredError)
def squared_error(output, x):
    """||x - r||^2."""
    difference = output - x
    return (difference * difference).sum()


@loss_of(BinaryCrossEntropy, Bernoulli)
def binary_cross_entropy(output, x):
    """log(1 + e^o) - x o."""
    return (output.softplus() - x * output).sum()


@loss_of(CategoricalCrossEntropy, Categorical)
def categorical_cross_entropy(output, x):
    """-x log r."""
    return -(x * output.map("LogSoftmax", axis=-1)).sum()


def without_missing(kind, output, x):
    """`Output.without_missing` as nodes."""
    missing = x.map("IsNaN")
    graph = x.graph
    return graph.add("Where", missing, kind.absent, output), graph.add("Where", missing, 0.0, x)


def reconstructed(kind, reconstructions, x):
    """`Output.reconstructed` as a node, for rows x that may have missing values."""
    if not kind.has_totals:
        return reconstructions
    graph, missing = x.graph, x.map("IsNaN")
    total = graph.add("Where", missing, 0.0, x).sum(keepdims=True)
    unseen = graph.add("Where", missing, reconstructions, 0.0).sum(keepdims=True)
    seen = graph.add("Max", 1.0 - unseen, float(np.finfo(graph.dtype).eps))
    return reconstructions * (total / seen)


# Densities of a VAE.


def log_rows(kind, network, output, x):
    """log p(x|z) as a node (..., n), for the output that `Network.decode` gives."""
    if isinstance(kind, Gaussian):
        return gaussian(*moments(kind, network, output), x)
    log_likelihood = -loss_of_rows(kind, output, x)
    if isinstance(kind, Categorical):
        log_likelihood = log_multinomial_coefficient(x) + log_likelihood
    return log_likelihood


def moments(kind, network, output):
    """`Gaussian.moments`: a node of means, and one of variances."""
    if kind.n_heads == 1:
        return output, output.graph.constant(kind.variance(network))
    mean, parameter = output
    if network.perceptron.n_extra:
        parameter = parameter + network.extra
    return mean, parameter.map("Exp") + MIN_NOISE_VARIANCE


def gaussian(mean, variance, x):
    """log N(x; mean, diag(variance))."""
    difference = mean - x
    cells = difference * difference / variance + (variance * (2.0 * math.pi)).map("Log")
    return cells.sum() * -0.5


def log_multinomial_coefficient(x):
    """log of the number of orders of the counted events.

    Computed in float64, as it is a difference of large numbers.
    """
    graph, counts = x.graph, x.in_double()
    coefficient = log_factorial(counts.sum()) - log_factorial(counts).sum()
    return graph.node(coefficient.cast(graph.dtype).name)


def log_factorial(x):
    """log Gamma(x + 1) of x >= 0, which ONNX lacks: by Stirling's series of a larger number."""
    below = x + 1.0
    for number in range(2, SMALL + 1):
        below = below * (x + float(number))
    z = x + float(SMALL + 1)
    inverse = 1.0 / z
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680))))
    return (z - 0.5) * z.map("Log") - z + 0.5 * math.log(2.0 * math.pi) + series - below.map("Log")
