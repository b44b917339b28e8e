"""The VAE: its terms against `torch.distributions`, its bound against probabilistic PCA."""

import numpy as np
import pytest
import torch
from helpers import assert_same_fit, assert_same_with_gradients, normal
from sklearn.decomposition import PCA
from sklearn.utils._param_validation import InvalidParameterError
from torch.distributions import Bernoulli, Normal, kl_divergence

from skae import VAE
from skae._elbo import gaussian_kl, moment_matched_normal, reparameterize
from skae._engine.data import split_rows
from skae._engine.streams import stream_seed
from skae._engine.tape import Tape
from skae._likelihoods import MIN_NOISE_VARIANCE, START_OF_NOISE

FAST = {
    "n_components": 4,
    "hidden_layer_sizes": (16,),
    "max_iter": 3,
    "batch_size": 200,
    "learning_rate_init": 1e-3,
    "random_state": 0,
}
STILL = {"max_iter": 1, "learning_rate_init": 1e-12}
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def test_kl_equals_torchs():
    mean, log_variance = normal(20, 3).requires_grad_(), normal(20, 3, seed=1).requires_grad_()
    posterior = Normal(mean, torch.exp(0.5 * log_variance))
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = kl_divergence(posterior, prior)
    assert_same_with_gradients(gaussian_kl(mean, log_variance), expected, (mean, log_variance))


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
    tied = linear_vae(tied_weights=True, random_state=0).set_params(max_iter=200)
    vae, pca = tied.fit(X), PCA(3).fit(X)
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
    vae = VAE(**{**FAST, **STILL}, activation="tanh").fit(100 * digits)
    _, std = vae.posterior(100 * digits)
    np.testing.assert_allclose(std, 1, atol=1e-6)


def test_principal_components_start_with_the_priors_variance_and_narrow_posteriors(digits):
    """The narrower, the more a component explains."""
    mean, std = VAE(**{**FAST, **STILL}).fit(100 * digits).posterior(100 * digits)
    np.testing.assert_allclose(mean.std(axis=0), 1, rtol=1e-3)
    assert np.ptp(std, axis=0).max() < 1e-6
    assert 0 < std[0, 0] < std[0, 1] < std[0, 2] < std[0, 3] < 0.3


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
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 64 * 64 * 7)  # 7 rows
    np.testing.assert_allclose(vae.score_samples(digits[:100]), whole, rtol=1e-10)


def test_elbo_is_the_plain_one_whatever_beta(digits):
    vae = VAE(**FAST, beta=3.0).fit(digits)
    elbo = vae.score_samples(digits)
    np.testing.assert_array_equal(vae.set_params(beta=0.0).score_samples(digits), elbo)


@pytest.mark.parametrize("likelihood, gain", [("gaussian", 5), ("bernoulli", 2)])
def test_training_raises_the_elbo(likelihood, gain, digits):
    """Above that of an untrained network, which knows the columns' means, and of these alone."""
    train, test = digits[:1400], digits[1400:]
    fit = {**FAST, "max_iter": 20, "batch_size": 50, "learning_rate_init": 0.01}
    elbo = VAE(**fit, likelihood=likelihood).fit(train).score(test)
    assert elbo > VAE(**{**FAST, **STILL}, likelihood=likelihood).fit(train).score(test) + gain
    if likelihood == "gaussian":
        alone = Normal(*map(torch.tensor, (train.mean(axis=0), train.var(axis=0).mean() ** 0.5)))
        assert elbo > alone.log_prob(torch.tensor(test)).sum(dim=1).mean() + gain


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


def objective(vae, X, seed=0, n_epochs=np.inf):
    """What training minimises, as of `n_epochs`, with the draws of a seed."""
    network, noise = vae._fitted_network(), torch.Generator().manual_seed(seed)
    network.n_epochs = n_epochs
    return float(vae._objective(network, torch.tensor(X), noise))


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_variance_of_the_objective_falls_as_the_number_of_draws(likelihood, digits):
    """Of 1000 values each, which tell a variance to within 5%."""
    vae = VAE(**FAST, likelihood=likelihood).fit(digits)

    def variance(n_draws):
        vae.set_params(n_draws=n_draws)
        return np.var([objective(vae, digits[:10], seed) for seed in range(1000)])

    one, four, sixteen = map(variance, (1, 4, 16))
    assert 4 / 1.5 < one / four < 4 * 1.5
    assert 16 / 1.5 < one / sixteen < 16 * 1.5


# The importance-weighted bound.


@pytest.mark.parametrize("beta", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["shared", "per_feature", "bernoulli"])
def test_the_importance_weighted_objective_equals_torchs(kind, beta, digits):
    likelihood = {"likelihood": kind} if kind == "bernoulli" else {"noise_variance": kind}
    vae = VAE(**FAST, **likelihood, objective="iwae", n_draws=5, beta=beta).fit(digits)
    posterior = Normal(*map(torch.tensor, vae.posterior(digits[:20])))
    codes = posterior.loc + posterior.scale * normal(5, 20, 4, seed=3)
    with torch.no_grad():
        decoded = vae.decoder_(codes)
    if kind == "bernoulli":
        p = Bernoulli(probs=decoded, validate_args=False)
    else:
        p = Normal(decoded, torch.from_numpy(np.sqrt([vae.noise_variance_]).squeeze()))
    ratio = (Normal(0.0, 1.0).log_prob(codes) - posterior.log_prob(codes)).sum(dim=-1)
    log_weights = p.log_prob(torch.tensor(digits[:20])).sum(dim=-1) + beta * ratio
    expected = np.log(5) - log_weights.logsumexp(dim=0).mean().item()
    assert objective(vae, digits[:20], seed=3) == pytest.approx(expected, rel=1e-9)


def test_with_one_draw_the_importance_weighted_bound_is_the_elbo(digits):
    one, other = (VAE(**FAST, objective=o).fit(digits) for o in ("iwae", "elbo"))
    assert_same_fit(one, other)


@pytest.mark.parametrize("noise_variance", ["shared", "per_feature", "heteroscedastic", 0.1])
def test_the_importance_weighted_bound_is_the_tighter_one(noise_variance, digits):
    """With the same draws, row by row, by Jensen's inequality.

    A rectifier's code would start with the true posterior, for which both are alike.
    """
    shared = {**FAST, **STILL, "n_draws": 20, "noise_variance": noise_variance}
    shared["activation"] = "tanh"
    iwae, elbo = (VAE(**shared, objective=o).fit(digits) for o in ("iwae", "elbo"))
    assert iwae.loss_ < elbo.loss_


def test_training_with_the_importance_weighted_bound_raises_the_likelihood(digits):
    still = VAE(**{**FAST, **STILL}).fit(digits)
    vae = VAE(**{**FAST, "max_iter": 20}, objective="iwae", n_draws=5).fit(digits)
    assert vae.log_likelihood(digits[:200]).mean() > still.log_likelihood(digits[:200]).mean() + 5


# The warm-up of the divergence.


def warming(**parameters):
    """Codes far from the prior and a loss without other noise, with weights that stand still.

    Tied ones, as the codes of others would start with the prior's variance.
    """
    fixed = {"noise_variance": 1e8, "learning_rate_init": 1e-12, "kl_warmup": 5, "max_iter": 8}
    fixed |= {"n_iter_no_change": np.inf, "tied_weights": True}
    return VAE(**{**FAST, **fixed, **parameters})


def test_the_weight_of_the_divergence_rises_in_equal_steps(digits):
    vae = warming(beta=2.0).fit(100 * digits)
    kl = vae.kl_per_component_.sum()
    expected = np.minimum(np.arange(8) / 5, 1) * 2 * kl
    np.testing.assert_allclose(
        np.subtract(vae.loss_curve_, vae.loss_curve_[0]), expected, rtol=1e-3
    )
    reconstruction = warming(beta=0.0, kl_warmup=0).fit(100 * digits)
    assert vae.loss_curve_[0] == reconstruction.loss_curve_[0]


@pytest.mark.parametrize("params", [{}, {"objective": "iwae", "n_draws": 3}])
def test_the_objective_in_the_warm_up_has_a_part_of_beta(params, digits):
    vae = VAE(**{**FAST, "max_iter": 5}, beta=2.0, kl_warmup=4, **params).fit(digits)
    found = [objective(vae, digits, n_epochs=n) for n in range(6)]
    vae.set_params(kl_warmup=0)
    weighted = [objective(vae.set_params(beta=b), digits) for b in (0, 0.5, 1, 1.5, 2, 2)]
    np.testing.assert_allclose(found, weighted, rtol=1e-12)


def test_the_best_loss_and_stopping_disregard_the_warm_up(digits):
    """Of a fit that has learnt something, if only from the start."""
    vae = warming(n_iter_no_change=2, max_iter=50, tied_weights=False).fit(100 * digits)
    assert vae.n_iter_ == 8
    assert vae.best_loss_ == min(vae.loss_curve_[5:]) > vae.loss_curve_[4]


def test_the_validation_loss_has_the_full_weight(digits):
    vae = warming(early_stopping=True).fit(100 * digits)
    np.testing.assert_allclose(vae.validation_loss_curve_, vae.validation_loss_curve_[0])
    assert vae.validation_loss_curve_[0] > 2 * vae.loss_curve_[0]
    assert vae.best_loss_ == min(vae.validation_loss_curve_[5:])


def test_early_stopping_takes_no_weights_from_the_warm_up(digits):
    """Though few rows, learnt by heart, are soon at their best on those held out."""
    vae = VAE(**{**FAST, "max_iter": 24}, kl_warmup=20, early_stopping=True, n_iter_no_change=50)
    vae.set_params(noise_variance=0.05, batch_size=10, learning_rate_init=0.06, activation="tanh")
    vae.fit(digits[:60])
    assert np.argmin(vae.validation_loss_curve_) < 20
    held_out = digits[:60][split_rows(60, 0.1, seed=0).held_out]
    found = objective(vae, held_out, seed=stream_seed(0, "validation"))
    assert found == pytest.approx(vae.best_loss_, rel=1e-9)
    assert vae.best_loss_ == min(vae.validation_loss_curve_[20:])


def test_a_warm_up_counts_the_epochs_of_all_calls(digits):
    shared = {**FAST, "kl_warmup": 2, "tol": 0.0, "n_iter_no_change": np.inf}
    vae = VAE(**{**shared, "max_iter": 6}).fit(digits)
    parts = VAE(**shared)
    for _ in range(6):
        parts.partial_fit(digits)
    warm = VAE(**shared, warm_start=True).fit(digits).fit(digits)
    for other in (parts, warm):
        assert_same_fit(vae, other)
        assert vae.best_loss_ == other.best_loss_ == min(vae.loss_curve_[2:])


def test_the_best_loss_counts_held_out_rows_since_the_end_of_the_warm_up(digits):
    """Which partial_fit may have left behind, while the curve of held-out rows begins here."""
    vae = VAE(**FAST, kl_warmup=2, warm_start=True, early_stopping=True)
    vae.partial_fit(digits).partial_fit(digits)
    vae.set_params(learning_rate_init=1.0).fit(digits)  # steps far too long
    assert np.argmin(vae.validation_loss_curve_) == 0
    held_out = digits[split_rows(len(digits), 0.1, seed=0).held_out]
    found = objective(vae, held_out, seed=stream_seed(0, "validation"))
    assert found == pytest.approx(vae.best_loss_, rel=1e-9)
    assert vae.best_loss_ < vae.validation_loss_curve_[0]  # that of the start


def test_a_warm_up_changes_the_training_and_none_does_not(digits):
    warmed, plain = VAE(**FAST, kl_warmup=2).fit(digits), VAE(**FAST, kl_warmup=0).fit(digits)
    assert warmed.loss_curve_ != plain.loss_curve_
    assert_same_fit(plain, VAE(**FAST).fit(digits))


# Binary draws of grey values.


@pytest.fixture
def seen(monkeypatch):
    """What the objective encodes in training, one array per step."""
    seen, encode = [], Tape.encode

    def recorded(tape, x):
        seen.append(x.numpy().copy())
        return encode(tape, x)

    monkeypatch.setattr(Tape, "encode", recorded)
    return seen


def binarizing(**parameters):
    return VAE(**{**FAST, "likelihood": "bernoulli", "binarize": True, **parameters})


def test_training_sees_zeros_and_ones_with_the_data_as_means(digits, seen):
    few = digits[:50]
    vae = binarizing(max_iter=400, shuffle=False, n_iter_no_change=np.inf, n_components=2)
    vae.set_params(learning_rate_init=1e-12).fit(few)
    assert len(seen) == 400
    assert set(np.unique(seen)) == {0.0, 1.0}
    assert (seen[0] != seen[1]).any()
    mean = np.mean(seen, axis=0)
    np.testing.assert_array_equal(mean[(few == 0) | (few == 1)], few[(few == 0) | (few == 1)])
    # Means of 400 draws with a variance of at most 1/4: six standard errors.
    np.testing.assert_allclose(mean, few, atol=0.15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binarizing_changes_no_dtype(dtype, digits, seen):
    vae = binarizing().fit(digits.astype(dtype))
    assert {x.dtype for x in seen} == {vae.transform(digits).dtype} == {np.dtype(dtype)}


def test_without_binarizing_training_sees_the_data(digits, seen):
    binarizing(binarize=False, max_iter=1, batch_size=2000, shuffle=False).fit(digits)
    np.testing.assert_array_equal(seen[0], digits)


def test_binarizing_zeros_and_ones_leaves_them(digits, seen):
    binary = np.round(digits)
    binarizing(max_iter=1, batch_size=2000, shuffle=False).fit(binary)
    np.testing.assert_array_equal(seen[0], binary)


def test_only_training_binarizes(digits):
    vae = binarizing().fit(digits)
    scores = vae.score_samples(digits), vae.log_likelihood(digits[:50]), vae.transform(digits)
    vae.set_params(binarize=False)
    again = vae.score_samples(digits), vae.log_likelihood(digits[:50]), vae.transform(digits)
    for one, other in zip(scores, again, strict=True):
        np.testing.assert_array_equal(one, other)


# What parameters forbid together.


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "params, match",
    [
        ({"binarize": True}, r"binarize=True needs likelihood='bernoulli', .*'gaussian'"),
        (
            {"noise_variance": "heteroscedastic", "tied_weights": True},
            "noise_variance='heteroscedastic' needs tied_weights=False",
        ),
    ],
)
def test_what_parameters_forbid_together(params, match, method, digits):
    vae = VAE(**FAST, **params)
    with pytest.raises(InvalidParameterError, match=match):
        getattr(vae, method)(digits)
    assert not hasattr(vae, "coefs_")


def test_a_warm_up_must_not_be_longer_than_the_fit(digits):
    """Which partial_fit knows no length of."""
    vae = VAE(**FAST, kl_warmup=4)
    with pytest.raises(InvalidParameterError, match=r"kl_warmup=4 .*max_iter=3\b"):
        vae.fit(digits)
    assert not hasattr(vae, "coefs_")
    assert len(vae.partial_fit(digits).loss_curve_) == 1


def test_the_budget_that_is_found_comes_after_the_warm_up(digits):
    still = {**FAST, "max_iter": "auto", "tol": 1.0, "n_iter_no_change": 1}
    none, some = (VAE(**still, kl_warmup=n).fit(digits) for n in (0, 4))
    assert some.max_iter_ == none.max_iter_ + 4


def test_a_bernoulli_may_be_tied_whatever_its_unused_noise_variance(digits):
    params = {"likelihood": "bernoulli", "tied_weights": True}
    vae = VAE(**FAST, **params, noise_variance="heteroscedastic").fit(digits)
    np.testing.assert_array_equal(vae.coefs_[0], vae.coefs_[-1].T)


@pytest.mark.parametrize("other", ["shared", "per_feature", "heteroscedastic", 0.1])
@pytest.mark.parametrize("first", ["shared", "per_feature", "heteroscedastic"])
def test_training_cannot_go_on_with_another_kind_of_variance(first, other, digits):
    vae = VAE(**FAST, noise_variance=first).fit(digits)
    vae.set_params(noise_variance=other)
    if first == other:
        vae.partial_fit(digits)
        return
    with pytest.raises(ValueError, match="now describe the network"):
        vae.partial_fit(digits)


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


def test_a_learned_noise_variance_starts_at_a_part_of_the_datas(digits):
    """Around the columns' means."""
    vae = VAE(**{**FAST, **STILL}).fit(digits)
    expected = START_OF_NOISE * digits.var(axis=0).mean()
    assert vae.noise_variance_ == pytest.approx(expected + MIN_NOISE_VARIANCE, rel=1e-6)


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


@pytest.fixture(scope="module")
def collapsed(digits):
    """A VAE with a large beta, and the warnings of its fit."""
    fit = {**FAST, "max_iter": 40, "batch_size": 50, "learning_rate_init": 0.01}
    vae = VAE(**fit, beta=300.0)
    with pytest.warns(UserWarning) as warned:
        vae.fit(digits)
    return vae, warned


def test_a_large_beta_leaves_the_prior(collapsed, digits):
    vae, _ = collapsed
    mean, std = vae.posterior(digits)
    np.testing.assert_allclose(std, 1, atol=0.1)
    assert np.square(mean).mean() < 0.01
    np.testing.assert_allclose(vae.kl_per_component_, 0, atol=0.01)
    assert vae.n_active_components_ == 0


def test_fit_warns_of_a_collapsed_code(collapsed):
    (warning,) = collapsed[1]
    assert "collapsed" in str(warning.message)
    assert "beta" in str(warning.message) and "kl_warmup" in str(warning.message)


def test_the_warning_points_at_the_call(digits):
    vae = VAE(**{**FAST, **STILL}, noise_variance=1.0, tied_weights=True)
    with pytest.warns(UserWarning, match="collapsed") as warned:
        vae.fit(1e-3 * digits)
    assert {warning.filename for warning in warned} == {__file__}
    vae.partial_fit(1e-3 * digits)  # warns of nothing: there is more to come


def test_sample_warns_of_a_collapsed_code(collapsed):
    vae, _ = collapsed
    with pytest.warns(UserWarning, match=r"no structure.*beta.*kl_warmup") as warned:
        vae.sample(3)
    assert [warning.filename for warning in warned] == [__file__]


def test_a_healthy_model_warns_of_nothing(digits, recwarn):
    vae = VAE(**FAST).fit(digits).partial_fit(digits)
    vae.sample(3)
    VAE(**FAST).fit(digits[:1])  # a row has no variance
    assert vae.n_active_components_ > 0
    assert not recwarn.list


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


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, True])
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
    vae = VAE(**FAST, activation="tanh").fit(digits[:100])
    elbo = vae.score_samples(digits[:10])
    vae._state.seed += 1
    assert np.abs(vae.score_samples(digits[:10]) - elbo).min() > 0
