"""The VAE's formulas of the code, against torch's distributions and automatic differentiation."""

import pytest
import torch
from helpers import normal
from torch.distributions import Normal, kl_divergence

from skae._elbo import (
    gaussian_kl,
    log_importance,
    moment_matched_normal,
    reparameterize,
    sample_posterior,
)

EXACT = {"rtol": 1e-12, "atol": 1e-12}
MEAN, LOG_VARIANCE = normal(5, 3), normal(5, 3, seed=1)
POSTERIOR, PRIOR = Normal(MEAN, (0.5 * LOG_VARIANCE).exp()), Normal(0.0, 1.0)
WEIGHT = torch.arange(5).double()


def test_the_divergence_is_torchs():
    torch.testing.assert_close(
        gaussian_kl(MEAN, LOG_VARIANCE), kl_divergence(POSTERIOR, PRIOR), **EXACT
    )


def test_draws_are_as_many_deviations_from_the_mean_as_the_noise_says():
    noise = normal(4, 5, 3, seed=2)
    draws = reparameterize(MEAN, LOG_VARIANCE, noise)
    torch.testing.assert_close((draws - POSTERIOR.mean) / POSTERIOR.stddev, noise, **EXACT)


def test_importance_is_the_ratio_of_prior_and_posterior():
    noise = normal(4, 5, 3, seed=2)
    draws = reparameterize(MEAN, LOG_VARIANCE, noise)
    expected = (PRIOR.log_prob(draws) - POSTERIOR.log_prob(draws)).sum(dim=-1)
    torch.testing.assert_close(log_importance(LOG_VARIANCE, draws, noise), expected, **EXACT)


@pytest.mark.parametrize("shape", [(5, 3), (4, 5, 3)])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])
def test_draws_and_divergence_have_autograds_gradients(weight, shape):
    noise, at_draws, at_kl = normal(*shape, seed=2), normal(*shape, seed=3), torch.tensor(1.7)
    (draws, kl), pullback = sample_posterior(MEAN, LOG_VARIANCE, noise, sample_weight=weight)
    leaves = [tensor.clone().requires_grad_() for tensor in (MEAN, LOG_VARIANCE)]
    of_rows = gaussian_kl(*leaves).sum(dim=1) * (1.0 if weight is None else weight)
    expected = reparameterize(*leaves, noise), of_rows.mean()
    torch.testing.assert_close((draws, kl), tuple(value.detach() for value in expected), **EXACT)
    total = (at_draws * expected[0]).sum() + at_kl * expected[1]
    gradients = torch.autograd.grad(total, leaves)
    torch.testing.assert_close(pullback(at_draws, at_kl), gradients, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("n_draws", "n_found"), [(7, 8), (8, 8), (2, 6)])
def test_matched_draws_have_exactly_the_moments_of_the_normal(n_draws, n_found):
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):  # a default of the caller's
        draws = moment_matched_normal(n_draws, 3, generator)
    assert draws.shape == (n_found, 3) and draws.dtype == torch.float64
    torch.testing.assert_close(draws[: n_found // 2], -draws[n_found // 2 :], **EXACT)
    torch.testing.assert_close(draws.T @ draws / n_found, torch.eye(3).double(), **EXACT)
