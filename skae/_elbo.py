"""The formulas of the variational autoencoder, in nats; see `VAE`."""

import torch

from skae._engine.constants import constant
from skae._engine.network import averages_rows, keeps_memory


def gaussian_kl(mean, log_variance):
    """KL(N(mean, variance) || N(0, 1)) of each component, in nats; same shape."""
    return 0.5 * (torch.addcmul(log_variance.exp(), mean, mean) - log_variance - 1.0)


def reparameterize(mean, log_variance, noise):
    """Draws z = mean + std * noise; noise is standard normal, (n_draws, n or 1, k)."""
    return mean + torch.exp(0.5 * log_variance) * noise


@keeps_memory
@averages_rows
def sample_posterior(mean, log_variance, noise, sample_weight=None, out=None):
    """Draws of the code, and the mean over rows of KL(q(z|x) || p(z)); with the pullback.

    Parameters
    ----------
    mean, log_variance : Tensor of shape (n, k)
    noise : Tensor of shape (n, k) or (n_draws, n, k)
        Standard normal.
    sample_weight : Tensor of shape (n,), default=None
        Factor of the divergence of each row.
    out : Tensor of shape (n, k), default=None
        Memory for the gradient at the mean.

    Returns
    -------
    (draws, kl) : Tensor of the shape of noise, and Tensor of shape ()
    pullback : callable
        See `Tape.apply`.
    """
    n_rows, half = mean.shape[0], constant(0.5, mean)
    std = torch.mul(log_variance, half).exp_()
    excess = torch.mul(std, std).sub_(constant(1.0, mean))  # of variance over the prior's
    # The sum of `gaussian_kl`, term by term.
    kl = torch.addcmul(excess, mean, mean).sub_(log_variance)
    if sample_weight is not None:
        kl = kl.sum(dim=1).mul_(sample_weight)
    kl = kl.sum().mul_(constant(0.5 / n_rows, kl))

    def pullback(gradient, kl_gradient):
        scale = kl_gradient / n_rows
        log_variance_gradient = _over_draws(gradient * noise, mean).mul_(std)
        gradient = _over_draws(gradient, mean)
        if sample_weight is None:
            log_variance_gradient.add_(excess, alpha=scale)
            mean_gradient = torch.add(gradient, mean, alpha=scale, out=out)
            return mean_gradient, log_variance_gradient.mul_(half)
        scales = (sample_weight * scale).unsqueeze(1)
        log_variance_gradient.addcmul_(excess, scales)
        return torch.addcmul(gradient, mean, scales), log_variance_gradient.mul_(half)

    return (torch.addcmul(mean, std, noise), kl), pullback


def _over_draws(gradient, mean):
    """The sum over draws, in the shape of the mean."""
    return gradient if gradient.shape == mean.shape else gradient.sum_to_size(mean.shape)


def log_importance(log_variance, draws, noise):
    """log p(z) - log q(z|x) for draws z = mean + std * noise, of shape noise.shape[:-1].

    Added to log p(x|z), it is the logarithm of an importance weight of p(x).
    """
    return 0.5 * (noise.square() + log_variance - draws.square()).sum(dim=-1)


def moment_matched_normal(n_draws, n_components, generator):
    """Standard normal draws whose mean is exactly 0 and whose covariance exactly I.

    Antithetic pairs of the columns of a random orthonormal frame. The expectation of a
    quadratic function, such as a linear decoder's squared error, is then exact; plain
    draws shared by all rows would shift all scores alike.

    Parameters
    ----------
    n_draws : int
        Minimum number of draws; 2 * n_components if that is more.
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
