"""Reconstruction losses, summed over features and in the units of the papers."""

from typing import NamedTuple

from torch.nn import functional


class Loss(NamedTuple):
    """A loss per row, and the activation that makes a reconstruction of an output."""

    rows: callable  # (output, x), both (..., n_features) -> (...)
    activation: str
    needs_unit_interval: bool = False


def squared_error(output, x):
    """||x - r||^2 for each row; the reconstruction r is the output itself."""
    return (output - x).square().sum(dim=-1)


def binary_cross_entropy(output, x):
    """-sum_j x_j log r_j + (1 - x_j) log(1 - r_j) for each row, in nats; r = logistic(output).

    Computed from the output before the logistic function, log(1 + e^o) - x o, which
    does not overflow where r rounds to 0 or 1.
    """
    return (functional.softplus(output) - x * output).sum(dim=-1)


LOSSES = {
    "squared_error": Loss(squared_error, "identity"),
    "binary_cross_entropy": Loss(binary_cross_entropy, "logistic", needs_unit_interval=True),
}
