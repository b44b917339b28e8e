"""What the decoder says of a row: its formulas against `torch.distributions`."""

import numpy as np
import pytest
import torch
from helpers import UNIT_X, X, assert_same_with_gradients, normal, small
from torch.distributions import Bernoulli, Normal

from skae import _likelihoods
from skae._likelihoods import (
    MIN_NOISE_VARIANCE,
    Gaussian,
    gaussian_log_likelihood,
    learned_variance,
    mean_gaussian_surprise,
)

EXACT = {"rtol": 1e-9, "atol": 1e-9}
STILL = {"max_iter": 1, "learning_rate_init": 1e-12}
KINDS = {
    "fixed": {"noise_variance": 0.3},
    "shared": {},
    "per feature": {"noise_variance": "per_feature"},
    "heteroscedastic": {"noise_variance": "heteroscedastic"},
}
SHAPES = {"fixed": (), "shared": (1,), "per feature": (6,), "heteroscedastic": (4, 9, 6)}
VARIANCES = {
    "1e-6": torch.tensor(1e-6, dtype=torch.float64),
    "50": torch.tensor(50.0, dtype=torch.float64),
    "shared": normal(1, seed=2).exp(),
    "per feature": normal(3, seed=2).exp(),
    "per row": normal(20, 1, seed=2).exp(),
    "per cell": normal(5, 20, 3, seed=2).exp(),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_variance = pytest.mark.parametrize("variance", VARIANCES.values(), ids=VARIANCES)
both_scales = pytest.mark.parametrize("scale", [1.0, 10.0])


# Gaussian.


@every_variance
def test_gaussian_log_likelihood_equals_torchs(variance):
    output, x = normal(5, 20, 3).requires_grad_(), normal(20, 3, seed=1)
    variance = variance.clone().requires_grad_()
    expected = Normal(output, variance.sqrt()).log_prob(x).sum(dim=-1)
    found = gaussian_log_likelihood(output, x, variance)
    assert found.shape == (5, 20)
    assert_same_with_gradients(found, expected, (output, variance))


def test_gaussian_log_likelihood_takes_a_float_variance():
    output, x = normal(20, 3), normal(20, 3, seed=1)
    expected = Normal(output, 0.3**0.5).log_prob(x).sum(dim=-1)
    torch.testing.assert_close(gaussian_log_likelihood(output, x, 0.3), expected, **EXACT)


@every_variance
def test_the_mean_surprise_is_minus_the_mean_log_likelihood(variance):
    output, x = normal(5, 20, 3), normal(20, 3, seed=1)
    expected = -gaussian_log_likelihood(output, x, variance).mean()
    torch.testing.assert_close(mean_gaussian_surprise(output, variance, x)[0], expected, **EXACT)


@every_variance
def test_the_mean_surprise_has_the_mean_log_likelihoods_gradient(variance):
    inputs = normal(5, 20, 3).requires_grad_(), variance.clone().requires_grad_()
    x = normal(20, 3, seed=1)
    mean = gaussian_log_likelihood(inputs[0], x, inputs[1]).mean()
    _, pullback = mean_gaussian_surprise(*(tensor.detach() for tensor in inputs), x)
    expected = torch.autograd.grad(-2.5 * mean, inputs)
    for found, wanted in zip(pullback(2.5), expected, strict=True):
        torch.testing.assert_close(found, wanted, **EXACT)


# Bernoulli.


def test_bernoulli_log_likelihood_equals_torchs():
    output, x = (4 * normal(5, 20, 3)).requires_grad_(), (normal(20, 3, seed=1) > 0).double()
    expected = Bernoulli(logits=output).log_prob(x).sum(dim=-1)
    assert_same_with_gradients(
        _likelihoods.Bernoulli().log_rows(None, output, x), expected, (output,)
    )


def test_bernoulli_log_likelihood_of_grey_values_is_the_cross_entropy():
    output, x = 4 * normal(20, 3), torch.sigmoid(normal(20, 3, seed=1))
    expected = Bernoulli(logits=output, validate_args=False).log_prob(x).sum(dim=-1)
    torch.testing.assert_close(
        _likelihoods.Bernoulli().log_rows(None, output, x), expected, **EXACT
    )


# Learned variances.


@both_scales
def test_a_learned_variance_is_an_exponential(scale):
    parameter = (0.3 * normal(20, 3)).requires_grad_()
    variance, pullback = learned_variance(parameter.detach(), scale)
    expected = torch.exp(scale * parameter) + MIN_NOISE_VARIANCE
    torch.testing.assert_close(variance, expected.detach(), **EXACT)
    incoming = normal(20, 3, seed=1)
    (wanted,) = torch.autograd.grad(expected, parameter, incoming)
    torch.testing.assert_close(pullback(incoming)[0], wanted, **EXACT)


@both_scales
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_learned_variance_has_a_floor(dtype, scale):
    variance, pullback = learned_variance(torch.full((3,), -1000.0, dtype=dtype), scale)
    assert (variance == torch.tensor(1e-6, dtype=dtype)).all()
    assert (pullback(torch.ones(3, dtype=dtype))[0] == 0).all()


@pytest.mark.parametrize("kind", ["shared", "per feature"])
def test_a_fitted_variance_has_the_floor(kind):
    vae = small("VAE", **KINDS[kind]).fit(X)
    network = vae._fitted_network()
    network.extra.fill_(-100.0)
    assert (vae._perceptron.output.variance(network) == MIN_NOISE_VARIANCE).all()


def test_constant_features_reach_the_floor_and_no_further():
    constant = np.column_stack([X, np.full(len(X), 2.0), np.zeros(len(X))])
    vae = small("VAE", noise_variance="per_feature", max_iter=300, learning_rate_init=0.01)
    variances = vae.set_params(tol=0.0, n_iter_no_change=np.inf).fit(constant).noise_variance_
    assert (variances >= MIN_NOISE_VARIANCE).all()
    assert variances[-1] < 1e-4 < 0.1 < variances[:6].min()
    assert np.isfinite(vae.score_samples(constant)).all()


# A network's likelihood.


@every_kind
def test_moments_have_the_shape_of_their_kind(kind):
    vae = small("VAE", **KINDS[kind]).fit(X)
    network, codes = vae._fitted_network(), normal(4, 9, 3)
    mean, variance = vae._perceptron.output.moments(network, network.decode(codes))
    np.testing.assert_allclose(mean, vae.inverse_transform(codes.flatten(0, 1)).reshape(4, 9, 6))
    assert variance.shape == SHAPES[kind]
    assert (variance > 0).all()


@every_kind
def test_mean_surprise_is_minus_the_mean_of_the_rows(kind):
    vae = small("VAE", **KINDS[kind]).fit(X)
    network, likelihood = vae._fitted_network(), vae._perceptron.output
    output, x = network.decode(normal(4, 9, 3)), torch.tensor(X[:9])
    rows = likelihood.log_rows(network, output, x)
    assert rows.shape == (4, 9)
    surprise = likelihood.mean_surprise(network, output, x)
    torch.testing.assert_close(surprise, -rows.mean(), **EXACT)


def test_a_network_knows_its_likelihood():
    gaussian, bernoulli = small("VAE").fit(X), small("VAE", likelihood="bernoulli").fit(UNIT_X)
    assert isinstance(gaussian._perceptron.output, Gaussian)
    assert isinstance(bernoulli._perceptron.output, _likelihoods.Bernoulli)


@pytest.mark.parametrize("kind", ["per feature", "heteroscedastic"])
def test_learned_variances_start_at_a_part_of_each_features(kind):
    scaled = X * [1e-2, 0.1, 1, 10, 100, 0]
    vae = small("VAE", **KINDS[kind], **STILL).fit(scaled)
    network = vae._fitted_network()
    _, variance = vae._perceptron.output.moments(network, network.decode(normal(9, 3)))
    expected = _likelihoods.START_OF_NOISE * scaled.var(axis=0)
    expected[-1] = 1  # there is no variance of 0 to start from
    np.testing.assert_allclose(variance.expand(9, 6)[0], expected + 1e-6, rtol=1e-6)
    np.testing.assert_allclose(variance.expand(9, 6)[-1], expected + 1e-6, rtol=1e-6)
