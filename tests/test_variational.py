"""The VAE: its terms against `torch.distributions`, its bound against probabilistic PCA."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch.distributions import Bernoulli, Normal, kl_divergence

from skae import VAE
from skae._elbo import (
    bernoulli_log_likelihood,
    gaussian_kl,
    gaussian_log_likelihood,
    moment_matched_normal,
    reparameterize,
)
from skae._variational import MIN_NOISE_VARIANCE

FAST = {"n_components": 4, "hidden_layer_sizes": (16,), "max_iter": 3, "random_state": 0}
STILL = {"max_iter": 1, "learning_rate_init": 1e-12}
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def assert_same_with_gradients(found, expected, inputs):
    torch.testing.assert_close(found, expected, **EXACT)
    gradients = [torch.autograd.grad(value.sum(), inputs) for value in (found, expected)]
    for ours, torchs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, torchs, **EXACT)


def test_kl_equals_torchs():
    mean, log_variance = normal(20, 3).requires_grad_(), normal(20, 3, seed=1).requires_grad_()
    posterior = Normal(mean, torch.exp(0.5 * log_variance))
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = kl_divergence(posterior, prior)
    assert_same_with_gradients(gaussian_kl(mean, log_variance), expected, (mean, log_variance))


@pytest.mark.parametrize("variance", [1e-6, 0.3, 1.0, 50.0])
def test_gaussian_log_likelihood_equals_torchs(variance):
    output, x = normal(5, 20, 3).requires_grad_(), normal(20, 3, seed=1)
    variance = torch.tensor(variance, dtype=torch.float64, requires_grad=True)
    expected = Normal(output, variance.sqrt()).log_prob(x).sum(dim=-1)
    found = gaussian_log_likelihood(output, x, variance)
    assert found.shape == (5, 20)
    assert_same_with_gradients(found, expected, (output, variance))


def test_gaussian_log_likelihood_takes_a_float_variance():
    output, x = normal(20, 3), normal(20, 3, seed=1)
    expected = Normal(output, 0.3**0.5).log_prob(x).sum(dim=-1)
    torch.testing.assert_close(gaussian_log_likelihood(output, x, 0.3), expected, **EXACT)


def test_bernoulli_log_likelihood_equals_torchs():
    output, x = (4 * normal(5, 20, 3)).requires_grad_(), (normal(20, 3, seed=1) > 0).double()
    expected = Bernoulli(logits=output).log_prob(x).sum(dim=-1)
    assert_same_with_gradients(bernoulli_log_likelihood(output, x), expected, (output,))


def test_bernoulli_log_likelihood_of_grey_values_is_the_cross_entropy():
    output, x = 4 * normal(20, 3), torch.sigmoid(normal(20, 3, seed=1))
    expected = Bernoulli(logits=output, validate_args=False).log_prob(x).sum(dim=-1)
    torch.testing.assert_close(bernoulli_log_likelihood(output, x), expected, **EXACT)


def test_draws_have_the_posteriors_moments():
    mean, log_variance = normal(4, 3), normal(4, 3, seed=1)
    draws = reparameterize(mean, log_variance, normal(100_000, 1, 3, seed=2))
    # Five standard errors of the least certain of 12.
    torch.testing.assert_close(draws.mean(dim=0), mean, rtol=0, atol=0.05)
    torch.testing.assert_close(draws.var(dim=0).log(), log_variance, rtol=0, atol=0.03)


@pytest.mark.parametrize("n_components", [1, 3, 32, 70])
def test_the_fixed_draws_have_the_priors_moments_exactly(n_components):
    draws = moment_matched_normal(64, n_components, torch.Generator().manual_seed(0))
    assert draws.shape == (max(64, 2 * n_components), n_components)
    torch.testing.assert_close(draws.mean(dim=0), torch.zeros_like(draws[0]), **EXACT)
    covariance = draws.T @ draws / len(draws)
    torch.testing.assert_close(covariance, torch.eye(n_components).to(draws), **EXACT)


# Probabilistic PCA, which a linear VAE is: its likelihood is known, and bounds the ELBO.


def probabilistic_pca(seed=0, n_samples=3000, noise_variance=0.3):
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(3, 10))
    X = rng.normal(size=(n_samples, 3)) @ loadings + rng.normal(size=10)
    return X + noise_variance**0.5 * rng.normal(size=X.shape)


def linear_vae(**parameters):
    return VAE(
        3,
        hidden_layer_sizes=(),
        learning_rate="cosine",
        learning_rate_init=0.02,
        batch_size=100,
        max_iter=100,
        **parameters,
    )


@pytest.fixture(scope="module", params=[0, 1])
def linear(request):
    """A trained linear VAE, the data it has seen, and their probabilistic PCA."""
    X = probabilistic_pca(request.param)
    return linear_vae(random_state=request.param).fit(X), X, PCA(3).fit(X)


def exact_elbo(vae, X):
    """Of a linear VAE: E||x - Wz - b||^2 = ||x - Wm - b||^2 + sum_j std_j^2 ||w_j||^2."""
    mean, std = vae.posterior(X)
    spread = np.square(std) @ np.square(vae.coefs_[1]).sum(axis=1)
    error = np.square(X - vae.inverse_transform(mean)).sum(axis=1) + spread
    variance = vae.noise_variance_
    kl = 0.5 * (mean**2 + std**2 - 1 - np.log(std**2)).sum(axis=1)
    return -0.5 * (error / variance + X.shape[1] * np.log(2 * np.pi * variance)) - kl


def test_elbo_of_a_linear_vae_is_that_of_the_closed_form(linear):
    """Exactly: the fixed draws serve all rows, so no mean would average their error out."""
    vae, X, _ = linear
    assert vae.score(X) == pytest.approx(exact_elbo(vae, X).mean(), abs=1e-9)


def test_elbo_reaches_the_likelihood_of_probabilistic_pca(linear):
    vae, X, pca = linear
    likelihood = pca.score(X)
    assert vae.score(X) > likelihood - max(0.2, 0.01 * abs(likelihood))


def test_elbo_does_not_exceed_the_greatest_likelihood(linear):
    """PCA's is the maximum over all linear models, up to its n - 1 in place of n: the
    slack of 1e-3 nats is a thousand times the effect of that."""
    vae, X, pca = linear
    assert exact_elbo(vae, X).mean() <= pca.score(X) + 1e-3
    assert vae.score(X) <= pca.score(X) + 1e-3


def test_learned_noise_variance_is_that_of_probabilistic_pca(linear):
    vae, _, pca = linear
    assert vae.noise_variance_ == pytest.approx(pca.noise_variance_, rel=0.05)


def test_posterior_of_a_linear_vae_has_bayes_variances(linear):
    """At the optimum q(z|x) is the true posterior, whose precision is W W^T / variance + I."""
    vae, X, _ = linear
    loadings = vae.coefs_[1]
    precision = loadings @ loadings.T / vae.noise_variance_ + np.eye(3)
    _, std = vae.posterior(X)
    np.testing.assert_allclose(np.square(std).mean(axis=0) * np.diag(precision), 1, rtol=0.2)


def test_a_tied_linear_vae_reaches_it_where_latent_directions_have_variance_one():
    """Then the true posterior mean is W^T (x - mean), so that tying costs nothing."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(10, 3))).Q
    X = 0.9**0.5 * rng.normal(size=(3000, 3)) @ basis.T + 0.1**0.5 * rng.normal(size=(3000, 10))
    vae, pca = linear_vae(tied_weights=True, random_state=0).fit(X), PCA(3).fit(X)
    assert exact_elbo(vae, X).mean() == pytest.approx(pca.score(X), abs=0.1)
    assert vae.noise_variance_ == pytest.approx(pca.noise_variance_, rel=0.05)


def test_posterior_means_are_the_codes(digits):
    vae = VAE(**FAST).fit(digits)
    mean, std = vae.posterior(digits)
    assert mean.shape == std.shape == (1797, 4)
    assert (std > 0).all()
    np.testing.assert_array_equal(mean, vae.transform(digits))


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_encoder_gives_mean_and_log_variance(likelihood, digits):
    vae = VAE(**FAST, likelihood=likelihood).fit(digits)
    with torch.no_grad():
        mean, log_variance = vae.encoder_(torch.tensor(digits))
    np.testing.assert_allclose(mean, vae.posterior(digits)[0], atol=1e-12)
    np.testing.assert_allclose(torch.exp(0.5 * log_variance), vae.posterior(digits)[1], atol=1e-12)


def test_posterior_starts_with_the_priors_variance(digits):
    _, std = VAE(**{**FAST, **STILL}).fit(100 * digits).posterior(100 * digits)
    np.testing.assert_allclose(std, 1, atol=1e-6)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_score_is_the_mean_elbo(likelihood, digits):
    vae = VAE(**FAST, likelihood=likelihood).fit(digits)
    elbo = vae.score_samples(digits)
    assert elbo.shape == (1797,)
    assert vae.score(digits) == pytest.approx(elbo.mean())


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_elbo_equals_an_average_over_many_draws(likelihood, digits):
    vae = VAE(**{**FAST, "max_iter": 20}, likelihood=likelihood).fit(digits)
    X = torch.tensor(digits[:10])
    mean, std = map(torch.tensor, vae.posterior(digits[:10]))
    prior = Normal(torch.zeros(()), torch.ones(()))
    z = mean + std * normal(4000, 10, 4)
    with torch.no_grad():
        decoded = vae.decoder_(z)
    if likelihood == "gaussian":
        p = Normal(decoded, vae.noise_variance_**0.5)
    else:
        p = Bernoulli(probs=decoded, validate_args=False)
    expected = p.log_prob(X).sum(dim=2).mean(dim=0) - kl_divergence(Normal(mean, std), prior).sum(1)
    # 64 draws leave an error of std(log p over draws) / 8 per row; of which 5 are allowed.
    slack = 5 * p.log_prob(X).sum(dim=2).std(dim=0) / 8
    assert (np.abs(vae.score_samples(digits[:10]) - expected.numpy()) < slack.numpy()).all()


def test_elbo_of_a_row_depends_on_no_other_row(digits):
    vae = VAE(**FAST).fit(digits)
    elbo = vae.score_samples(digits)
    np.testing.assert_allclose(vae.score_samples(digits[::-1])[::-1], elbo, rtol=1e-10)
    np.testing.assert_allclose(vae.score_samples(digits[7:8]), elbo[7:8], rtol=1e-10)


def test_elbo_in_chunks_is_the_same(digits, monkeypatch):
    vae = VAE(**FAST).fit(digits[:100])
    whole = vae.score_samples(digits[:100])
    monkeypatch.setattr("skae._inference.CHUNK_SIZE", 64 * 64 * 7)  # 7 rows
    np.testing.assert_allclose(vae.score_samples(digits[:100]), whole, rtol=1e-10)


def test_elbo_is_the_plain_one_whatever_beta(digits):
    vae = VAE(**FAST, beta=3.0).fit(digits)
    elbo = vae.score_samples(digits)
    np.testing.assert_array_equal(vae.set_params(beta=0.0).score_samples(digits), elbo)


def test_training_raises_the_elbo(digits):
    for likelihood in ("gaussian", "bernoulli"):
        vae = VAE(**{**FAST, "max_iter": 20}, likelihood=likelihood).fit(digits[:1400])
        untrained = VAE(**{**FAST, **STILL}, likelihood=likelihood).fit(digits[:1400])
        assert vae.score(digits[1400:]) > untrained.score(digits[1400:]) + 5


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_loss_is_the_negative_elbo_with_beta(beta):
    """Many draws and rows leave little of the noise that the loss is measured with."""
    X = probabilistic_pca(n_samples=500)
    vae = VAE(3, hidden_layer_sizes=(), **STILL, batch_size=500, n_draws=200, beta=beta)
    vae.set_params(random_state=0).fit(X)
    expected = -exact_elbo(vae, X).mean() + (beta - 1) * vae.kl_per_component_.sum()
    assert vae.loss_ == pytest.approx(expected, rel=0.01)


def test_n_draws_change_the_training(digits):
    one, four = (VAE(**FAST, n_draws=n).fit(digits) for n in (1, 4))
    assert one.loss_curve_ != four.loss_curve_


def test_more_draws_make_the_objective_less_noisy(digits):
    """Variances are compared of 30 losses each: 16 draws should have a sixteenth."""

    def spread(n_draws):
        vae = VAE(4, hidden_layer_sizes=(), n_draws=n_draws, max_iter=30, n_iter_no_change=np.inf)
        vae.set_params(learning_rate_init=1e-12, noise_variance=0.1, random_state=0)
        return np.var(vae.fit(digits[:20]).loss_curve_)

    assert spread(16) < spread(1) / 4


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_samples_are_decided_by_their_seed(likelihood, digits):
    vae = VAE(**FAST, likelihood=likelihood).fit(digits)
    one, again, other = (vae.sample(9, random_state=seed) for seed in (1, 1, 2))
    assert one.shape == (9, 64)
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (vae.sample(9) != vae.sample(9)).any()
    assert vae.sample().shape == (1, 64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_samples_have_the_dtype_of_the_fit(likelihood, dtype, digits):
    vae = VAE(**FAST, likelihood=likelihood).fit(digits.astype(dtype))
    assert vae.sample(3, random_state=0).dtype == dtype


def test_bernoulli_samples_are_zeros_and_ones(digits):
    samples = VAE(**FAST, likelihood="bernoulli").fit(digits).sample(100, random_state=0)
    assert set(np.unique(samples)) == {0.0, 1.0}


def test_bernoulli_samples_have_the_decoded_means(digits):
    vae = VAE(**{**FAST, "max_iter": 30}, likelihood="bernoulli").fit(digits)
    codes = np.random.default_rng(0).normal(size=(4000, 4))
    means = vae.inverse_transform(codes).mean(axis=0)
    # Both are means of 4000 draws with a variance of at most 1/4: five standard errors.
    np.testing.assert_allclose(vae.sample(4000, random_state=1).mean(axis=0), means, atol=0.06)


def test_gaussian_samples_have_the_models_covariance():
    X = probabilistic_pca()
    vae = linear_vae(noise_variance=0.5, random_state=0).set_params(max_iter=10).fit(X)
    loadings = vae.coefs_[1]
    expected = loadings.T @ loadings + 0.5 * np.eye(10)
    samples = vae.sample(40_000, random_state=0)
    # Standard errors are at most sqrt(2 / 40000) = 0.7% of the largest variance.
    slack = 0.04 * expected.max()
    np.testing.assert_allclose(np.cov(samples, rowvar=False), expected, rtol=0, atol=slack)
    np.testing.assert_allclose(samples.mean(axis=0), vae.intercepts_[1], atol=slack)


def test_a_given_noise_variance_is_kept(digits):
    vae = VAE(**FAST, noise_variance=0.25).fit(digits)
    assert vae.noise_variance_ == 0.25


def test_a_learned_noise_variance_starts_at_the_datas_second_moment(digits):
    vae = VAE(**{**FAST, **STILL}).fit(digits)
    assert vae.noise_variance_ == pytest.approx(np.square(digits).mean(), rel=1e-4)


def test_a_learned_noise_variance_has_a_floor(digits):
    vae = VAE(**FAST).fit(digits)
    network = vae._fitted_network()
    network.extra.fill_(-100.0)
    assert float(vae._noise_variance(network)) == MIN_NOISE_VARIANCE == 1e-6


def test_a_bernoulli_has_no_noise_variance(digits):
    vae = VAE(**FAST, likelihood="bernoulli").fit(digits)
    assert not hasattr(vae, "noise_variance_")
    with pytest.raises(AttributeError, match="likelihood='gaussian'"):
        _ = vae.noise_variance_


def test_without_beta_posteriors_shrink_to_points(digits):
    fit = {**FAST, "noise_variance": 0.05, "max_iter": 60, "learning_rate_init": 0.01}
    _, free = VAE(**fit, beta=0.0).fit(digits).posterior(digits)
    _, bound = VAE(**fit).fit(digits).posterior(digits)
    assert free.mean() < 0.2 * bound.mean()


def test_a_large_beta_leaves_the_prior(digits):
    vae = VAE(**{**FAST, "max_iter": 40}, beta=300.0, learning_rate_init=0.01).fit(digits)
    mean, std = vae.posterior(digits)
    np.testing.assert_allclose(std, 1, atol=0.1)
    assert np.square(mean).mean() < 0.01
    np.testing.assert_allclose(vae.kl_per_component_, 0, atol=0.01)
    assert vae.n_active_components_ == 0


def test_kl_per_component_is_the_mean_over_rows(digits):
    vae = VAE(**FAST).fit(digits)
    mean, std = map(torch.tensor, vae.posterior(digits))
    prior = Normal(torch.zeros(()), torch.ones(()))
    expected = kl_divergence(Normal(mean, std), prior).mean(dim=0)
    np.testing.assert_allclose(vae.kl_per_component_, expected)


def test_active_components_are_those_whose_mean_varies(digits):
    vae = VAE(**{**FAST, "max_iter": 30}).fit(digits)
    varying = vae.transform(digits).var(axis=0) > 0.01
    assert vae.n_active_components_ == varying.sum() > 0


@pytest.mark.parametrize("shift", [-0.1, 0.1])
def test_a_bernoulli_refuses_what_is_not_in_the_unit_interval(shift, digits):
    with pytest.raises(ValueError, match=r"likelihood='bernoulli' needs X in \[0, 1\]"):
        VAE(**FAST, likelihood="bernoulli").fit(digits + shift)
    vae = VAE(**FAST, likelihood="bernoulli").fit(digits)
    with pytest.raises(ValueError, match="likelihood='bernoulli'"):
        vae.score_samples(digits + shift)


@pytest.mark.parametrize("n_samples", [0, -1, 2.5])
def test_samples_must_be_counted(n_samples, digits):
    vae = VAE(**FAST).fit(digits[:50])
    with pytest.raises(ValueError, match="n_samples"):
        vae.sample(n_samples)


@pytest.mark.parametrize(
    ("fitted", "changed"),
    [
        ({"noise_variance": 0.5}, {"noise_variance": "shared"}),
        ({"noise_variance": "shared"}, {"noise_variance": 0.5}),
        ({"likelihood": "bernoulli"}, {"likelihood": "gaussian"}),
    ],
)
def test_parameters_set_after_fit_do_not_change_scores(fitted, changed, digits):
    vae = VAE(**FAST, **fitted).fit(digits[:100])
    before = vae.score_samples(digits[:10]), vae.sample(2, random_state=0)
    vae.set_params(**changed)
    np.testing.assert_array_equal(vae.score_samples(digits[:10]), before[0])
    np.testing.assert_array_equal(vae.sample(2, random_state=0), before[1])
    assert vae._repr_html_()


def test_draws_for_scores_come_from_the_seed_of_the_fit(digits):
    vae = VAE(**FAST).fit(digits[:100])
    elbo = vae.score_samples(digits[:10])
    vae._state.seed += 1
    assert np.abs(vae.score_samples(digits[:10]) - elbo).min() > 0
