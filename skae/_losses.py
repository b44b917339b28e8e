"""Reconstruction losses, summed over features and in the units of the papers."""

from typing import NamedTuple

import torch
from torch.nn import functional

from skae._engine.constants import constant, scaled_
from skae._engine.tape import keeps_memory


class Loss(NamedTuple):
    """A loss per row, and the activation that makes a reconstruction of an output."""

    rows: callable  # (output, x), both (..., n_features) -> (...)
    mean: callable  # the same -> mean over all rows, and its pullback (see `Tape.apply`)
    activation: str
    absent: float = -1e30  # an output that costs nothing where x is 0: any probability is 0
    needs_unit_interval: bool = False
    needs_counts: bool = False  # none below 0


def squared_error(output, x):
    """||x - r||^2 for each row; the reconstruction r is the output itself."""
    return (output - x).square().sum(dim=-1)


@keeps_memory
def mean_squared_error(output, x, out=None):
    """Mean of `squared_error` over all rows, and its pullback."""
    difference, n_rows = torch.sub(output, x, out=out), output.numel() // output.shape[-1]
    flat = difference.view(-1)
    mean = torch.dot(flat, flat).mul_(constant(1.0 / n_rows, flat))
    return mean, lambda gradient: (scaled_(difference, gradient, 2.0 / n_rows),)


def binary_cross_entropy(output, x):
    """-sum_j x_j log r_j + (1 - x_j) log(1 - r_j) for each row, in nats; r = logistic(output).

    Computed from the output before the logistic function, log(1 + e^o) - x o, which
    does not overflow where r rounds to 0 or 1.
    """
    return (functional.softplus(output) - x * output).sum(dim=-1)


def mean_binary_cross_entropy(output, x):
    """Mean of `binary_cross_entropy` over all rows, and its pullback."""
    n_rows = output.numel() // output.shape[-1]
    mean = (functional.softplus(output) - x * output).sum() / n_rows
    return mean, lambda gradient: ((output.sigmoid() - x).mul_(gradient / n_rows),)


def categorical_cross_entropy(output, x):
    """-sum_j x_j log r_j for each row of counts, in nats; r = softmax(output)."""
    return -(x * functional.log_softmax(output, dim=-1)).sum(dim=-1)


def mean_categorical_cross_entropy(output, x):
    """Mean of `categorical_cross_entropy` over all rows, and its pullback."""
    n_rows, log_r = output.numel() // output.shape[-1], functional.log_softmax(output, dim=-1)
    mean = -(x * log_r).sum() / n_rows

    def pullback(gradient):
        totals = x.sum(dim=-1, keepdim=True)
        return ((log_r.exp().mul_(totals) - x).mul_(gradient / n_rows),)

    return mean, pullback


def penalized(loss, penalty, weight):
    """loss + weight * penalty, and its pullback."""
    return torch.add(loss, penalty, alpha=weight), lambda gradient: (gradient, gradient * weight)


LOSSES = {
    "squared_error": Loss(squared_error, mean_squared_error, "identity", absent=0.0),
    "binary_cross_entropy": Loss(
        binary_cross_entropy, mean_binary_cross_entropy, "logistic", needs_unit_interval=True
    ),
    "categorical_cross_entropy": Loss(
        categorical_cross_entropy, mean_categorical_cross_entropy, "softmax", needs_counts=True
    ),
}
