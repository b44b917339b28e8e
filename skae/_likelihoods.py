"""What the VAE's decoder says of a row: p(x|z), of one of three kinds, in nats.

A likelihood reads from the network's description which kind of variance was fitted, as
parameters may have changed since.
"""

import math

import torch

from skae._losses import (
    binary_cross_entropy,
    categorical_cross_entropy,
    mean_binary_cross_entropy,
    mean_categorical_cross_entropy,
    penalized,
)

MIN_NOISE_VARIANCE = 1e-6
# A variance that is a parameter is exp(10 * w): Adam moves every w by about the learning
# rate, and at 1e-3 a step a log-variance itself would not arrive within a usual training.
LOG_VARIANCE_SCALE = 10.0


def likelihood_of(perceptron, fixed_variance=None):
    """The likelihood that belongs to a network."""
    by_activation = {"logistic": Bernoulli, "softmax": Categorical}
    kind = by_activation.get(perceptron.decoder_activations[-1])
    return Gaussian(fixed_variance) if kind is None else kind()


class Bernoulli:
    """Independent cells, one with the probability logistic(output).

    x in between 0 and 1 counts as an expectation.
    """

    def mean_surprise(self, network, output, x):
        """Mean of -log p(x|z) over rows and draws, with its pullback on the tape."""
        return network.apply(mean_binary_cross_entropy, output, x)

    def log_rows(self, network, output, x):
        """log p(x|z) of each row, (..., n), for an output of shape (..., n, n_features)."""
        return bernoulli_log_likelihood(output, x)


class Categorical:
    """Counts from a multinomial distribution with the probabilities softmax(output).

    Each row has its own number of trials, its total.
    """

    def mean_surprise(self, network, output, x):
        """Mean of -log p(x|z) over rows and draws, with its pullback on the tape."""
        surprise = network.apply(mean_categorical_cross_entropy, output, x)
        orders = log_multinomial_coefficient(x).mean()
        return network.apply(penalized, surprise, orders, weight=-1.0)

    def log_rows(self, network, output, x):
        """log p(x|z) of each row, (..., n), for an output of shape (..., n, n_features)."""
        return log_multinomial_coefficient(x) - categorical_cross_entropy(output, x)


class Gaussian:
    """Independent cells around the output, with one of four kinds of variance.

    Fixed; learned, one for all cells or one for each feature; or from the decoder, for
    every cell.

    Parameters
    ----------
    fixed_variance : float or None
        None if it is learned.
    """

    def __init__(self, fixed_variance):
        self.fixed_variance = fixed_variance

    def mean_surprise(self, network, output, x):
        """Mean of -log p(x|z) over rows and draws, with its pullback on the tape."""
        mean, variance = self.moments(network, output)
        return network.apply(mean_gaussian_surprise, mean, variance, x)

    def log_rows(self, network, output, x):
        """log p(x|z) of each row, (..., n), for an output of shape (..., n, n_features)."""
        mean, variance = self.moments(network, output)
        return gaussian_log_likelihood(mean, x, variance)

    def moments(self, network, output):
        """Mean (..., n_features), and variance (), (1,), (n_features,) or as the mean."""
        if network.perceptron.output_heads == 2:
            mean, parameter = output
            if network.perceptron.n_extra:
                parameter = parameter + network.extra
            return mean, network.apply(learned_variance, parameter, scale=1.0)
        return output, self.noise_variance(network)

    def noise_variance(self, network):
        """The variance, where it does not depend on the code."""
        if network.perceptron.n_extra:
            return network.apply(learned_variance, network.extra, scale=LOG_VARIANCE_SCALE)
        return network.extra.new_full((), self.fixed_variance)


def log_multinomial_coefficient(x):
    """log of the number of orders in which the counts of each row may have come."""
    return torch.lgamma(x.sum(dim=-1) + 1.0) - torch.lgamma(x + 1.0).sum(dim=-1)


def learned_variance(parameter, scale):
    """The variances that parameters stand for, floored; and the pullback (see `Tape.apply`)."""
    free = torch.exp(scale * parameter)
    return free + MIN_NOISE_VARIANCE, lambda gradient: (scale * gradient * free,)


def gaussian_log_likelihood(output, x, variance):
    """log N(x; output, diag(variance)) of each row, in nats, shape (..., n).

    Parameters
    ----------
    output : Tensor of shape (..., n, n_features)
    x : Tensor of shape (n, n_features)
    variance : float or Tensor that broadcasts to `output`
    """
    variance = torch.as_tensor(variance, dtype=output.dtype, device=output.device)
    cells = (output - x).square() / variance + torch.log(2.0 * math.pi * variance)
    return -0.5 * cells.sum(dim=-1)


def mean_gaussian_surprise(output, variance, x):
    """Mean over all rows of -log N(x; output, diag(variance)), in nats, and its pullback.

    Arguments as above, the variance as a Tensor.
    """
    n_rows = output.numel() // output.shape[-1]
    per_variance = output.numel() / variance.numel()
    difference = output - x
    scaled = difference / variance
    square = torch.dot(scaled.flatten(), difference.flatten())
    log_volume = torch.log(2.0 * math.pi * variance).sum()
    surprise = torch.add(square, log_volume, alpha=per_variance) * (0.5 / n_rows)

    def pullback(gradient):
        factor = gradient / n_rows
        # d/dv of ((x - o)^2 / v + log v) / 2, summed over the cells that share v.
        slope = (per_variance / variance) - scaled.square().sum_to_size(variance.shape)
        return scaled * factor, slope * (0.5 * factor)

    return surprise, pullback


def bernoulli_log_likelihood(output, x):
    """log p(x) of each row under Bernoulli(logistic(output)), in nats, shape (..., n)."""
    return -binary_cross_entropy(output, x)
