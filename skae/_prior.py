"""What codes of a VAE are drawn from: N(0, I), or a mixture fitted to their posteriors."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from skae._engine.streams import stream_seed

ROWS = 5000  # maximum of rows whose posteriors are kept
NUMBERS = 2**18  # maximum of numbers in them


def some_posteriors(mean, std, seed, sample_weight=None):
    """Means and standard deviations of some rows' posteriors, (2, n, n_components), float32.

    Rows with larger weights are more likely to be among them.
    """
    n_rows = min(ROWS, NUMBERS // (2 * mean.shape[1] or 1))
    if len(mean) > n_rows or sample_weight is not None:
        rng = np.random.default_rng(stream_seed(seed, "mixture", 0))
        weights = None if sample_weight is None else sample_weight / sample_weight.sum()
        rows = rng.choice(len(mean), n_rows, replace=sample_weight is not None, p=weights)
        mean, std = mean[rows], std[rows]
    with np.errstate(over="ignore"):  # from a training that went far astray
        return np.stack([mean, std]).astype(np.float32)


@dataclass(frozen=True)
class Prior:
    """N(0, I), or a mixture for the active components and N(0, 1) for the others.

    Parameters
    ----------
    is_active : ndarray of shape (n_components,), bool
    mixture : tuple or None
        The result of `fitted_mixture`.
    """

    is_active: np.ndarray
    mixture: tuple | None = None

    def draw(self, n_samples, rng):
        """Codes (n_samples, n_components)."""
        codes = rng.standard_normal((n_samples, len(self.is_active)))
        if self.mixture is not None:
            codes[:, self.is_active] = draw_codes(self.mixture, n_samples, rng)
        return codes

    def log_density(self, codes):
        """Its logarithm up to a constant, (n_samples,)."""
        if self.mixture is None:
            return -0.5 * np.square(codes).sum(axis=1)
        others = -0.5 * np.square(codes[:, ~self.is_active]).sum(axis=1)
        return others + log_mixture(self.mixture, codes[:, self.is_active])


def draw_codes(mixture, n_samples, rng):
    """Codes (n_samples, n_components) from the result of `fitted_mixture`."""
    weights, means, factors = mixture
    which = rng.choice(len(weights), n_samples, p=weights / weights.sum())
    noise = rng.standard_normal((n_samples, means.shape[1]))
    codes = np.empty_like(noise)
    for number in np.unique(which):
        rows = which == number
        codes[rows] = means[number] + noise[rows] @ factors[number].T
    return codes


def log_mixture(mixture, codes):
    """Logarithm of the mixture's density up to a constant, (n_samples,)."""
    weights, means, factors = mixture
    logs = np.empty((len(codes), len(weights)))
    for number, (weight, mean, factor) in enumerate(zip(weights, means, factors, strict=True)):
        white = (codes - mean) @ np.linalg.inv(factor).T
        log_volume = np.log(np.diagonal(factor)).sum()
        logs[:, number] = np.log(weight) - log_volume - 0.5 * np.square(white).sum(axis=1)
    return logsumexp(logs, axis=1)
