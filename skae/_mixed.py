"""Outputs for tables, whose cells are numbers, or categories as blocks of columns.

`Mixed` is the loss of autoencoders, `MixedDensity` the likelihood of the VAE. For a category, x is
1 in one column of its block and 0 in the others, or proportions; a missing value is NaN in all its
columns and has no loss.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch

from skae._columns import column_sums, column_variances, ratio
from skae._engine.activations import BlockSoftmax
from skae._engine.constants import constant, scaled_
from skae._engine.network import averages_rows, keeps_memory
from skae._engine.saved import KINDS
from skae._likelihoods import (
    LOG_VARIANCE_SCALE,
    START_OF_NOISE,
    gaussian_deviances,
    learned_variance,
)
from skae._outputs import Output

PER_NAT = 1.0 / math.log(2.0)
SAFE = 60.0 / PER_NAT  # bound of outputs whose exponentials, and their sums, are normal numbers
RARE = 0.05  # proportion
SHORT = 256  # columns summed by one product; a longer one would be mostly zeros
PADDED = 16  # columns of such a product: with fewer it is slower


class Blocks:
    """The cell of a table to which each column of its matrix belongs.

    Parameters
    ----------
    widths : tuple of int
        Number of columns of each block; 0 for a number.
    like : Tensor
        A tensor that gives dtype and device.

    Attributes
    ----------
    first : Tensor of int, shape (n_cells,)
        The first column of each cell.
    numbers, blocks : Tensor of int
        Columns of numbers, and first columns of blocks.
    cell_of : Tensor of int, shape (n_columns,)
        The cell that each column belongs to.
    is_category : Tensor of shape (n_columns,)
        1 for a column of a block, 0 for a number.
    precision : Tensor of shape (n_columns,)
        2 for numbers, whose squared error is half the square times it, and 0 in blocks.
    """

    def __init__(self, widths, like):
        sizes, is_number = np.maximum(widths, 1), np.equal(widths, 0)
        first, cell_of = np.cumsum(sizes) - sizes, np.repeat(np.arange(len(sizes)), sizes)

        def tensor(array):
            return torch.tensor(array, device=like.device)

        self.first, self.cell_of = tensor(first), tensor(cell_of)
        self.numbers, self.blocks = tensor(first[is_number]), tensor(first[~is_number])
        self.is_category = tensor(~is_number[cell_of]).to(like)
        self.precision = 2.0 * (1.0 - self.is_category)
        self._spans = [
            Span(int(first[cells[0]]), [widths[cell] for cell in cells], like)
            for cells in _neighbours(sizes)
        ]

    def sums(self, columns):
        """Sums of each block's columns, (..., n_blocks)."""
        parts = [span.sums(columns) for span in self._spans]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def multiply_(self, columns, factors):
        """Multiply each block's columns by a factor, (..., n_blocks), in place."""
        its = factors.split([len(span.spread) for span in self._spans], dim=-1)
        for span, of_blocks in zip(self._spans, its, strict=True):
            span.of(columns).mul_(of_blocks @ span.spread)
        return columns


def _neighbours(sizes):
    """Lists of consecutive cells with about `SHORT` columns in total."""
    lists, width = [[]], 0
    for cell, size in enumerate(sizes.tolist()):
        if lists[-1] and width + size > SHORT:
            lists.append([])
            width = 0
        lists[-1].append(cell)
        width += size
    return lists


class Span:
    """Neighbouring columns, with products that sum blocks or spread a number over each block."""

    def __init__(self, start, widths, like):
        self.start, n_blocks = start, len(widths) - widths.count(0)
        sizes = np.maximum(widths, 1)
        block_of = np.repeat(np.cumsum(np.not_equal(widths, 0)) - 1, sizes)
        in_blocks = np.repeat(np.not_equal(widths, 0), sizes)
        members = np.zeros((len(block_of), -(-n_blocks // PADDED) * PADDED))
        members[np.flatnonzero(in_blocks), block_of[in_blocks]] = 1.0
        self.members = torch.from_numpy(members).to(like)
        self.spread = self.members[:, :n_blocks].t().contiguous()

    def of(self, columns):
        """Its columns."""
        return columns.narrow(-1, self.start, len(self.members))

    def sums(self, columns):
        """Sums of each block's columns, (..., n_blocks)."""
        return (self.of(columns) @ self.members).narrow(-1, 0, len(self.spread))


@lru_cache(maxsize=32)
def _blocks(widths, dtype, device):
    with torch.inference_mode(False):
        return Blocks(widths, torch.empty(0, dtype=dtype, device=device))


def blocks_of(widths, like):
    """The `Blocks` of these widths, for tensors like another; kept for the next call."""
    return _blocks(widths, like.dtype, like.device)


def in_range(blocks, output):
    """Outputs, minus the greatest of each block if some are far from 0."""
    if output.device.type == "cpu":  # elsewhere, the check takes longer than the subtraction
        low, high = map(float, torch.aminmax(output.detach()))
        if low > -SAFE and high < SAFE:
            return output
    cell_of = blocks.cell_of.expand(output.shape)
    greatest = output.new_full((*output.shape[:-1], len(blocks.first)), -math.inf)
    greatest.scatter_reduce_(-1, cell_of, output, "amax")
    return (output - greatest.gather(-1, cell_of)) * blocks.is_category


def losses_and_slopes(blocks, output, x, precision, sample_weight=None, out=None):
    """The sum over rows of cross-entropies and of half the squares of numbers times a precision.

    Parameters
    ----------
    blocks : Blocks
    output : Tensor of shape (..., n, n_columns)
    x : Tensor of shape (n, n_columns)
        NaN for missing values, which have no loss.
    precision : Tensor of shape (n_columns,)
        0 for categories.
    sample_weight : Tensor of shape (n,), default=None
    out : Tensor, default=None
        Memory for the slopes.

    Returns
    -------
    total : Tensor of shape ()
    scaled : Tensor of shape (..., n, n_columns)
        Differences times precisions; 0 where there is no loss.
    observed : Tensor of shape (n, n_columns) or None
        1 where x is observed, 0 where it is missing; None if nothing is missing.
    slopes : callable
        Gives the derivatives of each row's loss at the output, in its shape; to be
        called once.
    """
    x, observed = split_missing(x)
    logits = in_range(blocks, output)
    # Powers of 2 take a third of the time of powers of e.
    powers = torch.mul(logits, constant(PER_NAT, logits), out=out).exp2_()
    sums, truth, differences = blocks.sums(powers), x * blocks.is_category, output - x
    logs, scaled, of_blocks = sums.log(), differences * precision, None
    if observed is not None:
        of_blocks = observed.index_select(-1, blocks.blocks)
        logs, scaled = logs * of_blocks, scaled * observed
    total = summed(logs, sample_weight) - dotted(truth, logits, sample_weight)
    total.add_(dotted(scaled, differences, sample_weight), alpha=0.5)

    def slopes():
        factors = sums.reciprocal_() if of_blocks is None else of_blocks / sums
        return blocks.multiply_(powers, factors).sub_(truth).add_(scaled)

    return total, scaled, observed, slopes


def summed(values, sample_weight):
    """The sum of values (..., n, k), weighted by row if rows have weights."""
    return values.sum() if sample_weight is None else (values.sum(dim=-1) * sample_weight).sum()


def dotted(a, b, sample_weight):
    """The same for products."""
    if sample_weight is None and a.shape == b.shape:
        return torch.dot(a.reshape(-1), b.reshape(-1))
    return summed(a * b, sample_weight)


def split_missing(x):
    """x without NaN, and a mask, 1 where it is observed and else 0; None if nothing is missing."""
    if math.isfinite(x.sum()):
        return x, None
    missing = x.isnan()
    return x.masked_fill(missing, 0.0), (~missing).to(x.dtype)


def sums_of_cells(widths, columns):
    """The sums of each cell's columns, from (..., n_columns) to (..., n_cells), as arrays."""
    sizes = np.maximum(widths, 1)
    return np.add.reduceat(columns, np.cumsum(sizes) - sizes, axis=-1)


def losses_of_columns(widths, X, reconstructions):
    """Squared errors of numbers, and each column's part of cross-entropies; NaN where X is.

    Parameters
    ----------
    widths : tuple of int
    X : ndarray of shape (n, n_columns)
    reconstructions : ndarray that broadcasts to the same shape
        Numbers and probabilities.

    Returns
    -------
    losses : ndarray of shape (n, n_columns), float64
    """
    logs = np.log(np.maximum(reconstructions, np.finfo(np.float32).tiny), dtype=np.float64)
    squares = np.square(X - reconstructions, dtype=np.float64)
    return np.where(are_numbers(widths), squares, -X * logs)


def are_numbers(widths):
    """Which columns of the matrix are numbers."""
    return np.repeat(np.equal(widths, 0), np.maximum(widths, 1))


def sums_of_losses(widths, X, reconstructions, sample_weight=None):
    """Sums over observed rows: squared errors of numbers, cross-entropies of categories.

    Parameters
    ----------
    widths : tuple of int
    X : ndarray of shape (n, n_columns)
        NaN for missing values.
    reconstructions : ndarray that broadcasts to the same shape
        Numbers and probabilities.
    sample_weight : ndarray of shape (n,), default=None

    Returns
    -------
    sums : ndarray of shape (n_cells,)
    """
    losses = losses_of_columns(widths, X, reconstructions)
    if sample_weight is not None:
        losses *= sample_weight[:, None]
    return sums_of_cells(widths, np.nansum(losses, axis=0))


def mean_d2(errors, deviations):
    """The mean over cells of their explained fraction of deviance.

    Constant cells count only if all are constant.
    """
    varies = deviations > 1e-9 * np.abs(deviations).max(initial=0.0)
    if varies.any():
        return float(np.mean(1.0 - errors[varies] / deviations[varies]))
    return float(np.allclose(errors, 0.0))


@dataclass(frozen=True)
class Mixed(Output):
    """sum_j (x_j - r_j)^2 for a table's numbers, and -sum_j x_j log r_j for its categories.

    A reconstruction r is the output itself for numbers, and a softmax within each block. Numbers
    are in squared units of the matrix, categories in nats: both are thus in nats if numbers are
    normal with variance 1/2.

    Parameters
    ----------
    widths : tuple of int
        Number of columns of each block; 0 for a number.
    """

    widths: tuple

    name = "mixed"

    @property
    def activation(self):
        """Softmax within each block."""
        return BlockSoftmax(self.widths)

    def loss_of_cells(self, output, x):
        """The loss of each column; those of a block add up to its cross-entropy."""
        return self._cells(output, x, (output - x).square())

    def _cells(self, output, x, of_numbers):
        is_category = blocks_of(self.widths, output).is_category.bool()
        return torch.where(is_category, -x * self.activation.log(output), of_numbers)

    @keeps_memory
    @averages_rows
    def mean_loss(self, output, x, sample_weight=None, out=None):
        """Its mean over all rows, without loss for missing values, and the pullback."""
        blocks, n_rows = blocks_of(self.widths, output), output.numel() // output.shape[-1]
        total, *_, slopes = losses_and_slopes(
            blocks, output, x, blocks.precision, sample_weight, out
        )

        def pullback(gradient):
            return (scaled_by_rows_(slopes(), gradient, n_rows, sample_weight),)

        return total.mul_(constant(1.0 / n_rows, total)), pullback

    def mean_loss_of_observed(self, output, x, **weighing):
        """Equals `mean_loss`, which handles missing values."""
        return self.mean_loss(output, x, **weighing)

    mean_loss_of_observed.keeps_memory = mean_loss_of_observed.averages_rows = True

    def best_constant(self, X, sample_weight=None):
        """Means of numbers, and logarithms of the proportions of categories.

        They are computed as if there were one more row, of equal proportions.
        """
        sums, n_observed = column_sums(X, sample_weight)
        sizes = np.maximum(self.widths, 1)
        proportions = (sums.clip(min=0.0) + 1.0 / sizes.repeat(sizes)) / (n_observed + 1.0)
        return np.where(are_numbers(self.widths), ratio(sums, n_observed), np.log(proportions))

    def slopes_at_start(self, data):
        """How much a reconstruction moves with its output, near `best_constant`.

        For a category about its proportion, at least `RARE`: otherwise few rows would decide.
        """
        constant = self.best_constant(data.targets, data.sample_weight)
        return np.where(are_numbers(self.widths), 1.0, np.exp(constant).clip(min=RARE))

    def draw(self, means, rng, spread):
        """Rows of the matrix: independent normals around numbers, and one category per block.

        `spread` is the variance of each number.
        """
        X, start = np.zeros_like(means), 0
        number, spread = 0, np.broadcast_to(spread, (self.widths.count(0),))
        for width in self.widths:
            if width:
                its = means[:, start : start + width].cumsum(axis=1)
                drawn = rng.random((len(X), 1)) * its[:, -1:]
                X[np.arange(len(X)), start + (drawn >= its[:, :-1]).sum(axis=1)] = 1.0
            else:
                noise = rng.standard_normal(len(X)) * np.sqrt(spread[number])
                X[:, start] = means[:, start] + noise
                number += 1
            start += max(1, width)
        return X


def scaled_by_rows_(gradients, gradient, n_rows, sample_weight):
    """Gradients of a mean over rows, from each row's and that at the mean; in place."""
    if sample_weight is None:
        return scaled_(gradients, gradient, 1.0 / n_rows)
    return gradients.mul_((sample_weight * (gradient / n_rows)).unsqueeze(-1))


@dataclass(frozen=True)
class MixedDensity(Mixed):
    """Independent cells: normal numbers around the output, categories of softmax probabilities.

    Parameters
    ----------
    widths : tuple of int
        As for `Mixed`.
    noise_variance : str or float
        Variance of numbers: each has its own learnt one, or all have this one.
    start_of_noise : float
        A learnt variance starts at this fraction of the data's.
    """

    noise_variance: str | float = field(default="per_feature", compare=False)
    start_of_noise: float = field(default=START_OF_NOISE, compare=False)

    name = "mixed_density"

    @property
    def is_fixed(self):
        """Whether the variance is fixed."""
        return not isinstance(self.noise_variance, str)

    def n_extra(self, n_features, has_back):
        """A variance for each number."""
        return 0 if self.is_fixed else self.widths.count(0)

    def variances_at_start(self, data):
        """Variances of the noise of each number, as for `Gaussian`."""
        if self.is_fixed:
            return np.full(self.widths.count(0), float(self.noise_variance))
        variances = column_variances(data.targets, data.sample_weight)[are_numbers(self.widths)]
        return np.where(variances > 0, self.start_of_noise * variances, 1.0)

    def start(self, network, data):
        """Let outputs start where the data lie, and variances as `variances_at_start`."""
        super().start(network, data)
        if network.perceptron.n_extra:
            log_variances = torch.from_numpy(np.log(self.variances_at_start(data)))
            network.extra.copy_(log_variances / LOG_VARIANCE_SCALE)

    def variance(self, network):
        """The variance of each number."""
        if self.is_fixed:
            return network.extra.new_full((self.widths.count(0),), self.noise_variance)
        return network.apply(learned_variance, network.extra, scale=LOG_VARIANCE_SCALE)

    def mean_surprise(self, network, output, x):
        """Mean of -log p(x|z) over rows and draws."""
        return network.apply(self.mean_density_loss, output, self.variance(network), x)

    def log_rows(self, network, output, x):
        """log p(x|z) of each row."""
        missing = x.isnan()  # a sum without NaN would still have a derivative of NaN
        surprises = self.surprise_of_cells(network, output, x.masked_fill(missing, 0.0))
        return -surprises.masked_fill(missing, 0.0).sum(dim=-1)

    def surprise_of_cells(self, network, output, x):
        """-log p(x_j|z) of each column; a block's add up to that of its cell."""
        variances = output.new_ones(output.shape[-1])
        variances[blocks_of(self.widths, output).numbers] = self.variance(network)
        return self._cells(output, x, 0.5 * gaussian_deviances(output, x, variances))

    @keeps_memory
    @averages_rows
    def mean_density_loss(self, output, variance, x, sample_weight=None, out=None):
        """Mean over all rows of -log p(x|z) given the numbers' variances, and its pullback."""
        blocks, n_rows = blocks_of(self.widths, output), output.numel() // output.shape[-1]
        precision = output.new_zeros(output.shape[-1])
        precision.index_copy_(0, blocks.numbers, variance.reciprocal())
        total, scaled, observed, slopes = losses_and_slopes(
            blocks, output, x, precision, sample_weight, out
        )
        counts = self._counts(blocks, output, observed, sample_weight)
        log_volumes = torch.log(2.0 * math.pi * variance)
        total.add_(torch.dot(counts, log_volumes), alpha=0.5)

        def pullback(gradient):
            squares = scaled.index_select(-1, blocks.numbers).square_()
            squares = squares if sample_weight is None else squares * sample_weight.unsqueeze(-1)
            of_variance = counts / variance - squares.sum_to_size(variance.shape)
            gradients = scaled_by_rows_(slopes(), gradient, n_rows, sample_weight)
            return gradients, of_variance * (0.5 * gradient / n_rows)

        return total.mul_(constant(1.0 / n_rows, total)), pullback

    def _counts(self, blocks, output, observed, sample_weight):
        """Number of cells of each numeric column in an output, or their total weight."""
        n_draws = output[..., 0, 0].numel()
        n_rows = output.shape[-2] if sample_weight is None else sample_weight.sum()
        if observed is None:
            return output.new_ones(len(blocks.numbers)) * (n_rows * n_draws)
        observed = observed.index_select(-1, blocks.numbers)
        counts = observed.sum(dim=0) if sample_weight is None else sample_weight @ observed
        return counts * n_draws


KINDS.update({kind.name: kind for kind in (Mixed, MixedDensity)})  # files call them so
