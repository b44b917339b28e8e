"""The formulas of the variational autoencoder, in nats; see `VAE`."""

import math

import torch

from skae._losses import binary_cross_entropy, squared_error


def gaussian_kl(mean, log_variance):
    """KL(N(mean, variance) || N(0, 1)) of each component, in nats; same shape."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)


def reparameterize(mean, log_variance, noise):
    """Draws z = mean + std * noise; noise is standard normal, (n_draws, n or 1, k)."""
    return mean + torch.exp(0.5 * log_variance) * noise


def moment_matched_normal(n_draws, n_components, generator):
    """Standard normal draws whose mean is exactly 0 and whose covariance exactly I.

    Antithetic pairs of the columns of a random orthonormal frame. The expectation of a
    quadratic function, such as a linear decoder's squared error, comes out exact; plain
    draws shared by all rows would shift every row's score alike.

    Parameters
    ----------
    n_draws : int
        At least so many; 2 * n_components if that is more.
    n_components : int
    generator : torch.Generator

    Returns
    -------
    draws : Tensor of shape (n_draws, n_components), float64
    """
    half = max((n_draws + 1) // 2, n_components)
    frame = torch.linalg.qr(
        torch.randn(half, n_components, generator=generator, dtype=torch.float64, device="cpu")
    ).Q
    return half**0.5 * torch.cat([frame, -frame])


def gaussian_log_likelihood(output, x, variance):
    """log N(x; output, variance * I) of each row, in nats, shape (..., n)."""
    variance = torch.as_tensor(variance, dtype=output.dtype, device=output.device)
    log_scale = torch.log(2.0 * math.pi * variance)
    return -0.5 * (squared_error(output, x) / variance + x.shape[-1] * log_scale)


def bernoulli_log_likelihood(output, x):
    """log p(x) of each row under Bernoulli(logistic(output)), in nats, shape (..., n)."""
    return -binary_cross_entropy(output, x)
