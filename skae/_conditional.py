"""Codes of a VAE given some cells of a row: draws from p(z | given cells)."""

import numpy as np
from scipy.special import log_ndtr

from skae._categories import Categories
from skae._engine.network import Network
from skae._engine.notice import warn
from skae._tempering import LOWEST, tempered

BUDGET, FEWEST, MOST = 2**18, 256, 2048  # codes that stand for posteriors: of all, and of one
PER_CODE = 16  # draws from the prior
NARROW = 1e-4  # standard deviations; narrower ranges count as this wide


def codes_given(vae, matrix, n_samples, prior, rng):
    """A code for each sample, from p(z | given cells); warns of rows that are unlike the data.

    Parameters
    ----------
    vae : VAE
    matrix : ndarray of shape (1 or n_samples, n_columns)
        Given cells, NaN in the others.
    n_samples : int
    prior : Prior
    rng : numpy.random.Generator
    """
    kinds = np.zeros(n_samples, dtype=int) if len(matrix) == 1 else kinds_of(matrix)
    n_kinds = kinds.max() + 1
    n_codes = int(np.clip(BUDGET // n_kinds, FEWEST, MOST))
    codes, unlike = np.zeros((n_samples, len(prior.is_active))), []
    for kind in range(n_kinds):
        rows = np.flatnonzero(kinds == kind)
        x = matrix[rows[0] if len(matrix) > 1 else 0]
        if np.isnan(x).any():
            drawn, is_unlike = posterior_draws(vae, x, max(n_codes, len(rows)), prior, rng)
            codes[rows] = drawn[: len(rows)]
            unlike += rows[:1].tolist() * is_unlike
    if unlike:
        warn(
            f"Row {unlike[0]} of given is unlike the rows of fit (of {n_kinds} different rows, "
            f"{len(unlike)} are): the VAE hardly makes such values, so the values drawn for the "
            "other columns mean little. Check the given values, or give fewer."
        )
    return codes


def kinds_of(matrix):
    """A number for each row, the same for equal rows."""
    rows = np.ascontiguousarray(np.where(np.isnan(matrix), np.nan, matrix + 0.0))
    bits = rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel()
    return np.unique(bits, return_inverse=True)[1]


def posterior_draws(vae, x, n, prior, rng):
    """n codes from p(z | the observed cells of x), and whether these are unlike the VAE's own rows.

    They are if their density, that of the codes included, lies twice as far below the median of
    rows drawn from the VAE as the lowest of these.
    """
    start = prior.draw(max(n, PER_CODE * min(n, MOST)), rng)
    seen = ~np.isnan(x)
    if not seen.any():
        return start, False
    log_likelihood = log_likelihood_of_array if vae._table is None else log_likelihood_of_table

    def log_densities(codes, x=x):
        return np.stack([prior.log_density(codes), log_likelihood(vae, codes, x, seen)])

    codes, found, power = tempered(start, n, log_densities, prior.is_active, rng)
    own = log_densities(start[:n], vae._drawn(start[:n], rng)).sum(axis=0)
    lowest = 2.0 * own.min() - np.median(own)
    return codes, bool(power < 1.0 or np.median(found.sum(axis=0)) < lowest)


def log_likelihood_of_array(vae, codes, x, seen):
    """log p(x|z) of some columns of rows x, or of the same row for all codes."""
    width = codes.shape[1]
    columns = np.flatnonzero(seen)

    def of_cells(network, rows):
        z, x = rows[:, :width], rows[:, width:]
        surprises = network.perceptron.output.surprise_of_cells(network, network.decode(z), x)
        return -surprises[..., columns].sum(dim=-1)

    filled = np.broadcast_to(np.nan_to_num(x), (len(codes), len(seen)))
    found = vae._map(of_cells, np.hstack([codes.astype(filled.dtype), filled]))
    return np.nan_to_num(found.astype(np.float64), nan=LOWEST, neginf=LOWEST)


def log_likelihood_of_table(vae, codes, x, seen):
    """The same for rows of a table's matrix.

    A number's part is the probability of the scores that stand for it, since a value that occurs
    often has a range of them, and samples are rounded.
    """
    restored = vae._map(Network.reconstruct, codes.astype(vae._state.weights.dtype))
    x = np.atleast_2d(x)
    total, deviations = np.zeros(len(codes)), iter(deviations_of(vae))
    for column in vae._table._columns:
        its = vae._table.blocks_[column.name]
        if isinstance(column.encoder, Categories):
            if seen[its].any():
                chances = (restored[:, its] * x[:, its]).sum(axis=1)
                total += np.log(np.maximum(chances, np.finfo(np.float32).tiny), dtype=np.float64)
        else:
            deviation = next(deviations)
            if seen[its].any():
                scores = x[:, its.start].astype(np.float64)
                bounds = column.encoder.bounds(column.encoder.decode(scores))
                total += log_chance(*((bounds - restored[:, its.start]) / deviation))
    return total


def deviations_of(vae):
    """The standard deviation of each number's noise."""
    return np.sqrt(np.broadcast_to(vae.noise_variance_, vae._widths_of_table.count(0)))


def log_chance(low, high):
    """Logarithm of the probability that a standard normal variable lies between two bounds."""
    short = np.maximum(0.0, NARROW - (high - low)) / 2
    low, high = low - short, high + short
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    logs = log_ndtr(high)
    return logs + np.log1p(-np.exp(log_ndtr(low) - logs))
