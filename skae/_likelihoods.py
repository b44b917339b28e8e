"""Distributions p(x|z) of a row given by the VAE's decoder, of three kinds, in nats.

A likelihood is an `Output` whose loss is a full density. It has three more methods:
`mean_surprise(network, output, x)`, the mean of -log p(x|z) over rows and draws, with its pullback
on the tape; `log_rows(network, output, x)`, log p(x|z) of each row, of shape (..., n) for an
output of shape (..., n, n_features); and `surprise_of_cells(network, output, x)`, in the shape of
the output, the summands of each row's -log p(x|z).
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from skae._columns import column_variances
from skae._engine.constants import constant, scaled_
from skae._engine.network import averages_rows, keeps_memory, weighed
from skae._engine.saved import KINDS
from skae._outputs import BinaryCrossEntropy, CategoricalCrossEntropy, SquaredError, penalized

MIN_NOISE_VARIANCE = 1e-6
# A variance that is a parameter is exp(10 * w): Adam moves every w by about the learning
# rate, and at 1e-3 a step a log-variance itself would not arrive within a usual training.
LOG_VARIANCE_SCALE = 10.0
START_OF_NOISE = 0.03  # of the data's variance


@dataclass(frozen=True)
class Bernoulli(BinaryCrossEntropy):
    """Independent cells, each 1 with the probability logistic(output).

    Values of x between 0 and 1 count as expectations.
    """

    name = "bernoulli"

    def mean_surprise(self, network, output, x):
        """Mean of -log p(x|z) over rows and draws."""
        return network.apply(self.mean_loss, output, x)

    def log_rows(self, network, output, x):
        """log p(x|z) of each row."""
        return -self.loss_of_rows(output, x)

    def surprise_of_cells(self, network, output, x):
        """-log p(x_j|z) of each cell."""
        return self.loss_of_cells(output, x)


@dataclass(frozen=True)
class Categorical(CategoricalCrossEntropy):
    """Counts from a multinomial distribution with the probabilities softmax(output).

    Each row has its own number of trials, its total.
    """

    name = "categorical"

    def mean_surprise(self, network, output, x):
        """Mean of -log p(x|z) over rows and draws."""
        surprise = network.apply(self.mean_loss, output, x)
        orders = network.mean(log_multinomial_coefficient(x))
        return network.apply(penalized, surprise, orders, weight=-1.0)

    def log_rows(self, network, output, x):
        """log p(x|z) of each row."""
        return log_multinomial_coefficient(x) - self.loss_of_rows(output, x)

    def surprise_of_cells(self, network, output, x):
        """Each count's part of -log p(x|z).

        The number of orders of all counts belongs to no single count: each gets the part of its
        logarithm that corresponds to its part of the total.
        """
        totals = x.sum(dim=-1, keepdim=True)
        orders = torch.lgamma(totals + 1.0) / totals.clamp(min=torch.finfo(x.dtype).tiny)
        return self.loss_of_cells(output, x) + torch.lgamma(x + 1.0) - x * orders


@dataclass(frozen=True)
class Gaussian(SquaredError):
    """Independent cells around the output, with one of four kinds of variance.

    Parameters
    ----------
    noise_variance : {"shared", "per_feature", "heteroscedastic"} or float
        Learnt, one for all cells or one for each feature; from the decoder, for every
        cell; or fixed. Training may continue with another fixed one.
    start_of_noise : float
        A learnt variance starts at this fraction of the data's.
    """

    noise_variance: str | float = field(default="shared", compare=False)
    start_of_noise: float = field(default=START_OF_NOISE, compare=False)

    name = "gaussian"

    @property
    def is_fixed(self):
        """Whether the variance is fixed, not learnt."""
        return not isinstance(self.noise_variance, str)

    @property
    def n_heads(self):
        """Two if the decoder also gives variances."""
        return 1 + (self.noise_variance == "heteroscedastic")

    def n_extra(self, n_features, has_back):
        """Number of learnt values that determine or shift the variance, beside the decoder."""
        shifts = n_features if has_back else 0
        numbers = {"shared": 1, "per_feature": n_features, "heteroscedastic": shifts}
        return numbers.get(self.noise_variance, 0)

    def variances_at_start(self, data):
        """Initial variances of the noise, per column or for all columns.

        They are a fraction of the data's. The full variance is best while all rows are decoded
        alike, but with it the KL divergence would silence components that the decoder does not use
        yet.
        """
        if self.is_fixed:
            return np.array([float(self.noise_variance)])
        variances = self.start_of_noise * column_variances(data.targets, data.sample_weight)
        if self.noise_variance == "shared":
            variances = variances.mean(keepdims=True)
        return np.where(variances > 0, variances, 1.0)

    def start(self, network, data):
        """Let means start where the data lie, and variances as `variances_at_start`."""
        super().start(network, data)
        log_variances = torch.from_numpy(np.log(self.variances_at_start(data)))
        perceptron = network.perceptron
        if perceptron.n_extra:
            scale = 1.0 if self.n_heads == 2 else LOG_VARIANCE_SCALE
            network.extra.copy_(log_variances / scale)
        elif self.n_heads == 2:
            network.own_decoder_weights[-1][perceptron.n_outputs :].zero_()
            network.decoder_biases[-1][perceptron.n_outputs :].copy_(log_variances)

    def mean_surprise(self, network, output, x):
        """Mean of -log p(x|z) over rows and draws."""
        if self.n_heads == 1 and not self.is_fixed:
            scale = LOG_VARIANCE_SCALE
            return network.apply(mean_learned_surprise, output, network.extra, x, scale=scale)
        mean, variance = self.moments(network, output)
        return network.apply(mean_gaussian_surprise, mean, variance, x)

    def log_rows(self, network, output, x):
        """log p(x|z) of each row."""
        mean, variance = self.moments(network, output)
        return gaussian_log_likelihood(mean, x, variance)

    def surprise_of_cells(self, network, output, x):
        """-log p(x_j|z) of each cell."""
        mean, variance = self.moments(network, output)
        return 0.5 * gaussian_deviances(mean, x, variance)

    def moments(self, network, output):
        """Mean (..., n_features), and variance (), (1,), (n_features,) or as the mean."""
        if self.n_heads == 1:
            return output, self.variance(network)
        mean, parameter = output
        if network.perceptron.n_extra:
            parameter = parameter + network.extra
        return mean, network.apply(learned_variance, parameter, scale=1.0)

    def variance(self, network):
        """The variance, if it does not depend on the code."""
        if self.is_fixed:
            return network.extra.new_full((), self.noise_variance)
        return network.apply(learned_variance, network.extra, scale=LOG_VARIANCE_SCALE)


LIKELIHOODS = {kind.name: kind for kind in (Gaussian, Bernoulli, Categorical)}
KINDS.update(LIKELIHOODS)  # files call them so


def log_multinomial_coefficient(x):
    """log of the number of orders of the events that each row counts."""
    return torch.lgamma(x.sum(dim=-1) + 1.0) - torch.lgamma(x + 1.0).sum(dim=-1)


def learned_variance(parameter, scale):
    """The variances for parameters, with a lower limit; and the pullback (see `Tape.apply`)."""
    free = torch.mul(parameter, constant(scale, parameter)).exp_()

    def pullback(gradient):
        return ((gradient * free).mul_(constant(scale, parameter)),)

    return free + constant(MIN_NOISE_VARIANCE, parameter), pullback


def gaussian_log_likelihood(output, x, variance):
    """log N(x; output, diag(variance)) of each row, in nats, shape (..., n).

    Parameters
    ----------
    output : Tensor of shape (..., n, n_features)
    x : Tensor of shape (n, n_features)
    variance : float or Tensor that broadcasts to `output`
    """
    return -0.5 * gaussian_deviances(output, x, variance).sum(dim=-1)


def gaussian_deviances(output, x, variance):
    """-2 log N(x; output, variance) of each cell, in nats; arguments as above."""
    variance = torch.as_tensor(variance, dtype=output.dtype, device=output.device)
    return normal_deviances((output - x).square(), variance)


def normal_deviances(squares, variances):
    """-2 log of normal densities, in nats, from squared differences to the means."""
    return squares / variances + torch.log(2.0 * math.pi * variances)


@keeps_memory
@averages_rows
def mean_gaussian_surprise(output, variance, x, sample_weight=None, out=None):
    """Mean over all rows of -log N(x; output, diag(variance)), in nats, and its pullback.

    Arguments as above, the variance as a Tensor.
    """
    n_rows, n_cells = output.numel() // output.shape[-1], output.numel()
    per_variance = n_cells / variance.numel()
    difference = torch.sub(output, x, out=out)
    if variance.numel() == 1:
        return _surprise_of_one_variance(difference, variance, n_rows, n_cells, sample_weight)
    if sample_weight is not None:
        return _weighted_surprise(difference, variance, n_rows, sample_weight)
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


def _surprise_of_one_variance(difference, variance, n_rows, n_cells, sample_weight):
    """The same if all cells share a variance: only the differences are as large as the data."""
    halves = None
    if sample_weight is not None:  # half of them forwards and backwards
        halves, n_cells = sample_weight.sqrt().unsqueeze(-1), sample_weight.mean() * n_cells
        difference.mul_(halves)
    flat, precision = difference.reshape(-1), variance.reciprocal()
    square = torch.mul(precision, torch.dot(flat, flat))
    log_volume = torch.mul(variance, constant(2.0 * math.pi, variance)).log_()
    if halves is None:
        surprise = torch.add(square, log_volume, alpha=n_cells)
        n_cells = constant(n_cells, square)
    else:
        surprise = torch.addcmul(square, log_volume, n_cells)
    surprise.mul_(constant(0.5 / n_rows, square))

    def pullback(gradient):
        slope = torch.sub(n_cells, square).mul_(precision)
        scale = scaled_(precision, gradient, 1.0 / n_rows)
        scale = scale if halves is None else scale * halves
        return difference.mul_(scale), scaled_(slope, gradient, 0.5 / n_rows)

    return surprise.squeeze(), pullback


def _weighted_surprise(difference, variance, n_rows, sample_weight):
    """The same for weighted rows."""
    weights = sample_weight.unsqueeze(-1).expand(difference.shape)
    scaled = weighed(difference, sample_weight) / variance
    square = torch.dot(scaled.flatten(), difference.flatten())
    log_volumes = torch.log(2.0 * math.pi * variance) * weights.sum_to_size(variance.shape)

    def pullback(gradient):
        factor = gradient / n_rows
        slope = (weights - scaled * difference) / variance
        return scaled * factor, slope.sum_to_size(variance.shape) * (0.5 * factor)

    return (square + log_volumes.sum()) * (0.5 / n_rows), pullback


@keeps_memory
@averages_rows
def mean_learned_surprise(output, parameter, x, scale, sample_weight=None, out=None):
    """`mean_gaussian_surprise` of a `learned_variance`, in one formula: faster."""
    variance, pull_back_variance = learned_variance(parameter, scale)
    surprise, pull_back = mean_gaussian_surprise(output, variance, x, sample_weight, out)

    def pullback(gradient):
        output_gradient, variance_gradient = pull_back(gradient)
        return output_gradient, *pull_back_variance(variance_gradient)

    return surprise, pullback
