"""Draws from a posterior of codes, in steps from the prior: sequential Monte Carlo."""

import math

import numpy as np

MOST_STEPS = 100
ENOUGH = 4  # codes to draw for one effective one
MOVES = 5  # of each code in a step
ACCEPTED = 0.25  # the share of moves at which random walks of several dimensions are fastest
LOWEST = -1e30  # instead of the logarithm of 0


def tempered(codes, n, log_densities, is_moving, rng):
    """Turn many draws from a prior into n draws from the posterior.

    The likelihood enters by a power that rises from 0 to 1. In each step it rises as far as the
    effective sample size stays n / 4, codes are resampled by their importance weights, and moved
    by Metropolis' rule, which keeps their distribution. If the likelihood is flat enough, there is
    one step: sampling, importance, resampling.

    Parameters
    ----------
    codes : ndarray of shape (n_codes, n_components)
        Draws from the prior, at least n.
    n : int
    log_densities : callable
        Gives the logarithms of the prior and of the likelihood of codes, (2, n); each up to a
        constant.
    is_moving : ndarray of shape (n_components,), bool
        Components that the likelihood depends on; the others are not moved.
    rng : numpy.random.Generator

    Returns
    -------
    codes : ndarray of shape (n, n_components)
        In random order.
    densities : ndarray of shape (2, n)
        Their `log_densities`.
    power : float
        1, or less if that many steps were not enough.

    References
    ----------
    Rubin, "Using the SIR algorithm to simulate posterior distributions", Bayesian Statistics 3,
    1988. Del Moral, Doucet and Jasra, "Sequential Monte Carlo samplers", Journal of the Royal
    Statistical Society B 68, 2006, https://doi.org/10.1111/j.1467-9868.2006.00553.x.
    """
    densities, power, length = log_densities(codes), 0.0, 1.0
    for _ in range(MOST_STEPS):
        rise = largest_rise(densities[1], 1.0 - power, n / ENOUGH)
        power = 1.0 if rise == 1.0 - power else power + rise
        chosen = resampled(importance(densities[1], rise), n, rng)
        codes, densities = codes[chosen], densities[:, chosen]
        for _ in range(MOVES if is_moving.any() else 0):
            codes, densities, share = moved(
                codes, densities, log_densities, power, length, is_moving, rng
            )
            length = min(1.0, length * math.exp(share - ACCEPTED))
        if power == 1.0:
            break
    order = rng.permutation(len(codes))
    return codes[order], densities[:, order], power


def importance(log_likelihood, rise):
    """Weights that add up to 1, for a power that rises."""
    logs = rise * np.maximum(log_likelihood, LOWEST)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def largest_rise(log_likelihood, most, size):
    """How far the power may rise so that the effective sample size is at least this."""

    def holds(rise):
        return size * np.square(importance(log_likelihood, rise)).sum() <= 1.0

    if holds(most):
        return most
    low, high = 0.0, most
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def resampled(weights, n, rng):
    """n indices, each about as often as its weight says (systematic resampling)."""
    places = (rng.random() + np.arange(n)) / n
    return np.searchsorted(weights.cumsum(), places).clip(max=len(weights) - 1)


def moved(codes, densities, log_densities, power, length, is_moving, rng):
    """Propose a new place to each code; the share of codes that went is returned, too.

    Proposals keep the normal distribution with the codes' mean and covariance (preconditioned
    Crank-Nicolson): where the posterior is such a distribution, all go, whatever the length.
    """
    its = codes[:, is_moving]
    spread = np.atleast_2d(np.cov(its, rowvar=False)) + 1e-9 * np.eye(its.shape[1])
    factor = np.linalg.cholesky(spread)
    white = np.linalg.solve(factor, (its - its.mean(axis=0)).T).T
    noise = rng.standard_normal(white.shape)
    new = math.sqrt(1.0 - length**2) * white + length * noise
    proposed = codes.copy()
    proposed[:, is_moving] = its.mean(axis=0) + new @ factor.T
    found = log_densities(proposed)
    changes = np.array([1.0, power]) @ (found - densities)
    changes += 0.5 * (np.square(new) - np.square(white)).sum(axis=1)
    goes = np.log(rng.random(len(codes))) < changes
    codes = np.where(goes[:, None], proposed, codes)
    return codes, np.where(goes, found, densities), goes.mean()
