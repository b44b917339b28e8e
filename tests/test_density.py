"""The VAE as a density: log p(x) where it is known, and beside factor analysis."""

import pickle

import numpy as np
import pytest
import torch
from helpers import UNIT_X, X, small
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import FactorAnalysis
from sklearn.preprocessing import StandardScaler
from torch.distributions import Bernoulli, Normal

from skae import VAE
from skae._engine.network import Network

KINDS = {
    "fixed": {"noise_variance": 0.3},
    "shared": {},
    "per feature": {"noise_variance": "per_feature"},
    "heteroscedastic": {"noise_variance": "heteroscedastic"},
    "bernoulli": {"likelihood": "bernoulli"},
}
every_kind = pytest.mark.parametrize("kind", KINDS)
both_densities = pytest.mark.parametrize("method", ["score_samples", "log_likelihood"])


def of_kind(kind, **params):
    """A small fitted VAE and its data."""
    data = UNIT_X if kind == "bernoulli" else X
    return small("VAE", **KINDS[kind], **params).fit(data), data


def linear_vae(n_components, **params):
    fit = {"learning_rate": "cosine", "learning_rate_init": 0.02, "batch_size": 100}
    return VAE(n_components, hidden_layer_sizes=(), random_state=0, **{**fit, **params})


# A linear VAE is a normal distribution: probabilistic PCA's, or factor analysis's.


def factors(noise_variance, n_features, n_samples=3000, seed=0):
    """Rows of three factors and noise."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(3, n_features))
    rows = rng.normal(size=(n_samples, 3)) @ loadings + rng.normal(size=n_features)
    return rows + np.sqrt(noise_variance) * rng.normal(size=rows.shape)


def exact_log_likelihood(vae, rows):
    """log N(x; b, W^T W + Psi), W (n_components, n_features)."""
    loadings, noise = vae.coefs_[1], np.broadcast_to(vae.noise_variance_, rows.shape[1])
    covariance = loadings.T @ loadings + np.diag(noise)
    return multivariate_normal(vae.intercepts_[1], covariance).logpdf(rows)


@pytest.fixture(scope="module")
def linear():
    """A linear VAE, its data, and its exact log p(x) of them."""
    rows = factors(0.3, n_features=10)
    vae = linear_vae(3, max_iter=100).fit(rows)
    return vae, rows, exact_log_likelihood(vae, rows)


def test_log_likelihood_is_the_exact_one(linear):
    vae, rows, exact = linear
    estimate = vae.log_likelihood(rows, 500)
    assert estimate.shape == (3000,)
    assert estimate.mean() == pytest.approx(exact.mean(), rel=0.005)
    np.testing.assert_allclose(estimate, exact, rtol=0, atol=0.1)


def test_log_likelihood_of_a_poor_posterior_is_the_exact_one_too():
    """Few epochs leave tied ones, which do not start near it, with a posterior of their own; more
    draws then are nearer, from below on average."""
    rows = factors(0.3, n_features=10)
    vae = linear_vae(3, max_iter=16, learning_rate_init=0.01, tied_weights=True).fit(rows)
    exact, elbo = exact_log_likelihood(vae, rows).mean(), vae.score(rows)
    few, many = (vae.log_likelihood(rows, n).mean() for n in (5, 500))
    assert elbo < exact - 0.2
    assert elbo < few < many < exact + 0.02
    assert many == pytest.approx(exact, rel=0.005)


def test_the_bounds_are_in_order(linear):
    """The tolerance is for the draws of the scores, which average exactly only in the mean."""
    vae, rows, exact = linear
    assert vae.score(rows) <= exact.mean()
    assert vae.score(rows) <= vae.log_likelihood(rows).mean() + 1e-3
    assert vae.score(rows) > exact.mean() - 0.01 * abs(exact.mean())


def test_the_fitted_noise_variance_is_the_true_one(linear):
    assert linear[0].noise_variance_ == pytest.approx(0.3, rel=0.05)


@pytest.fixture(scope="module")
def factor_analysis():
    """A linear VAE and scikit-learn's factor analysis of the same rows, and other rows.

    Of a seed whose likelihood tells all features' variances well.
    """
    rows = factors(np.linspace(0.2, 2, 20), n_features=20, seed=1)
    params = {"noise_variance": "per_feature", "max_iter": 150}
    vae = linear_vae(3, **params).fit(rows[:2000])
    return vae, FactorAnalysis(3).fit(rows[:2000]), rows[2000:]


def test_with_a_variance_per_feature_a_linear_vae_is_factor_analysis(factor_analysis):
    vae, analysis, rows = factor_analysis
    expected = analysis.score(rows)
    assert vae.log_likelihood(rows).mean() == pytest.approx(expected, rel=0.005)
    assert exact_log_likelihood(vae, rows).mean() == pytest.approx(expected, rel=0.005)
    assert expected - 0.01 * abs(expected) < vae.score(rows) < expected + 0.05


def test_a_variance_per_feature_is_that_of_factor_analysis(factor_analysis):
    vae, analysis, _ = factor_analysis
    assert vae.noise_variance_.shape == (20,)
    np.testing.assert_allclose(vae.noise_variance_, analysis.noise_variance_, rtol=0.05)


def test_the_vae_is_factor_analysis_on_the_breast_cancer_data():
    rows = StandardScaler().fit_transform(load_breast_cancer().data)
    vae = linear_vae(3, noise_variance="per_feature", max_iter=400).fit(rows[::2])
    expected = FactorAnalysis(3).fit(rows[::2]).score(rows[1::2])
    slack = max(0.01 * abs(expected), 0.5)
    assert vae.log_likelihood(rows[1::2]).mean() == pytest.approx(expected, abs=slack)


# A variance of every cell.


def fan(n_samples, seed=0):
    """Three features that show the code, three whose spread is 1 or 0.1 by its sign."""
    rng = np.random.default_rng(seed)
    code = rng.normal(size=(n_samples, 1))
    shown = code + 0.1 * rng.normal(size=(n_samples, 3))
    return np.hstack([shown, np.where(code > 0, 1, 0.1) * rng.normal(size=(n_samples, 3))])


@pytest.fixture(scope="module")
def fans():
    """VAEs of such data, by their noise variance."""
    params = {"hidden_layer_sizes": (32,), "learning_rate": "cosine", "learning_rate_init": 0.01}
    shared = {**params, "max_iter": 80, "batch_size": 100, "random_state": 0}
    kinds = ("shared", "per_feature", "heteroscedastic")
    return {kind: VAE(1, noise_variance=kind, **shared).fit(fan(2000)) for kind in kinds}


def test_a_variance_of_every_cell_models_noise_that_depends_on_the_code(fans):
    unseen = fan(1000, seed=1)
    shared, per_feature, per_cell = (vae.log_likelihood(unseen).mean() for vae in fans.values())
    assert per_cell > per_feature + 1 > shared + 2


def test_samples_spread_as_the_data_do(fans):
    samples = {kind: vae.sample(4000, random_state=0) for kind, vae in fans.items()}
    for kind, (wide, narrow) in {"shared": (0.5, 0.5), "heteroscedastic": (1, 0.1)}.items():
        shown, rest = samples[kind][:, 0], samples[kind][:, 3:]
        assert rest[shown > 0.5].std() == pytest.approx(wide, rel=0.15)
        assert rest[shown < -0.5].std() == pytest.approx(narrow, rel=0.25)


def test_a_variance_of_every_cell_is_no_noise_variance(fans):
    vae = fans["heteroscedastic"]
    assert not hasattr(vae, "noise_variance_")
    with pytest.raises(AttributeError, match=r"noise_variance='heteroscedastic'.*each cell"):
        _ = vae.noise_variance_


def test_the_decoder_gives_means(fans):
    vae, codes = fans["heteroscedastic"], np.linspace(-2, 2, 9)[:, None]
    with torch.no_grad():
        means = vae.decoder_(torch.tensor(codes))
    assert means.shape == (9, 6)
    np.testing.assert_allclose(means, vae.inverse_transform(codes), atol=1e-12)


# The estimates themselves.


def decoded(vae, codes):
    """p(x|z) as torch's distribution, by public attributes."""
    with torch.no_grad():
        means = vae.decoder_(codes)
    if vae.likelihood == "bernoulli":
        return Bernoulli(probs=means, validate_args=False)
    if vae.noise_variance != "heteroscedastic":
        return Normal(means, torch.from_numpy(np.sqrt([vae.noise_variance_]).squeeze()))
    *_, weights, last = map(torch.tensor, vae.coefs_)
    *_, biases, last_biases = map(torch.tensor, vae.intercepts_)
    log_variances = (torch.relu(codes @ weights + biases) @ last + last_biases)[..., 6:]
    return Normal(means, (torch.exp(log_variances) + 1e-6) ** 0.5)


@every_kind
def test_log_likelihood_is_the_importance_weighted_bound(kind):
    """Draws of its own, so that the two agree up to the noise that batches of draws show."""
    # Until posteriors are near the true ones; the code of a Bernoulli then carries nothing.
    long = {"max_iter": 60, "learning_rate_init": 0.03}
    vae, data = of_kind(kind, **({"max_iter": 20} if kind == "bernoulli" else long))
    posterior = Normal(*map(torch.tensor, vae.posterior(data)))
    torch.manual_seed(0)
    codes = posterior.sample((10, 1000))
    log_likelihood = decoded(vae, codes).log_prob(torch.tensor(data)).sum(dim=-1)
    log_ratio = Normal(0.0, 1.0).log_prob(codes) - posterior.log_prob(codes)
    bounds = (log_likelihood + log_ratio.sum(dim=-1)).logsumexp(dim=1) - np.log(1000)
    error = np.abs(vae.log_likelihood(data, 1000) - bounds.mean(dim=0).numpy())
    assert (error < 6 * bounds.std(dim=0).numpy()).all()
    assert error.mean() < 0.05


@every_kind
def test_log_likelihood_exceeds_the_elbo(kind):
    vae, data = of_kind(kind, max_iter=20)
    assert (vae.log_likelihood(data, 2000) > vae.score_samples(data) - 0.1).all()
    assert vae.log_likelihood(data).mean() > vae.score(data)


@both_densities
@every_kind
def test_two_calls_are_the_same(kind, method):
    vae, data = of_kind(kind)
    first = getattr(vae, method)(data)
    np.testing.assert_array_equal(getattr(vae, method)(data), first)
    again = pickle.loads(pickle.dumps(vae))
    np.testing.assert_array_equal(getattr(again, method)(data), first)


@both_densities
@every_kind
@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-10), ("float32", 1e-5)])
def test_a_rows_density_depends_on_no_other_row(kind, method, dtype, rtol):
    vae, data = of_kind(kind)
    data = data.astype(dtype)
    density = getattr(vae.fit(data), method)
    whole = density(data)
    assert whole.dtype == dtype
    np.testing.assert_allclose(density(data[::-1])[::-1], whole, rtol=rtol)
    for rows in (slice(7, 8), slice(3, 40, 5)):
        np.testing.assert_allclose(density(data[rows]), whole[rows], rtol=rtol)


@both_densities
@every_kind
def test_a_density_in_chunks_is_the_same(kind, method, monkeypatch):
    vae, data = of_kind(kind)
    whole = getattr(vae, method)(data)
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 6 * 64 * 7)
    monkeypatch.setattr("skae._density.DRAWS_AT_ONCE", 3)
    np.testing.assert_allclose(getattr(vae, method)(data), whole, rtol=1e-10)


def test_draws_are_taken_a_few_at_a_time(monkeypatch):
    """So that no tensor grows with their number."""
    vae, widths = of_kind("shared")[0], []
    decode = Network.decode

    def recorded(network, code):
        widths.append(code.shape)
        return decode(network, code)

    monkeypatch.setattr(Network, "decode", recorded)
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 6 * 50 * 20)
    vae.log_likelihood(X, 1020)
    assert set(widths) == {(50, 20, 3), (20, 20, 3)}


@pytest.mark.parametrize("n_draws", [0, -1, 2.5, True, None])
def test_draws_must_be_counted(n_draws):
    with pytest.raises(ValueError, match=rf"n_draws={n_draws!r} must be"):
        of_kind("shared")[0].log_likelihood(X, n_draws)


def test_log_likelihood_takes_numpys_integers():
    vae, _ = of_kind("shared")
    np.testing.assert_array_equal(vae.log_likelihood(X, np.int64(7)), vae.log_likelihood(X, 7))


@pytest.mark.parametrize("n_features", [1, 2])
def test_a_variance_per_feature_is_an_array(n_features):
    vae = small("VAE", noise_variance="per_feature").fit(X[:, :n_features])
    assert np.shape(vae.noise_variance_) == (n_features,)


@every_kind
def test_densities_have_not_read_the_parameters_since_fit(kind):
    vae, data = of_kind(kind)
    before = vae.log_likelihood(data), vae.sample(3, random_state=0)
    other = "bernoulli" if vae.likelihood == "gaussian" else "gaussian"
    vae.set_params(noise_variance=7.0, likelihood=other, beta=0.0, objective="iwae", kl_warmup=3)
    vae.set_params(binarize=True)
    np.testing.assert_array_equal(vae.sample(3, random_state=0), before[1])
    if kind != "bernoulli":  # whose X a bernoulli would refuse
        vae.set_params(likelihood="gaussian")
    np.testing.assert_array_equal(vae.log_likelihood(data), before[0])


@both_densities
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bernoulli"])
@pytest.mark.parametrize("factor", [1e3, 1e10, 1e30])
def test_a_row_far_away_has_no_density_rather_than_nan(kind, method, factor):
    data = X.astype(np.float32)
    vae, rows = small("VAE", **KINDS[kind]).fit(data), data[:5]
    densities = getattr(vae, method)(factor * rows)
    assert not np.isnan(densities).any()
    assert (densities < getattr(vae, method)(rows).min()).all()


def test_counts_of_all_calls_make_the_mean_total():
    few, many = np.full((30, 4), 2.0), np.full((10, 4), 10.0)
    vae = VAE(1, likelihood="categorical", random_state=0).partial_fit(few).partial_fit(many)
    with pytest.warns(UserWarning, match="no structure"):
        totals = vae.sample(5, random_state=0).sum(axis=1)
    np.testing.assert_array_equal(totals, np.full(5, (30 * 8 + 10 * 40) / 40))


def test_more_draws_than_there_is_memory_for():
    vae = small("VAE").fit(X)
    with pytest.raises(MemoryError, match="lower n_draws"):
        vae.log_likelihood(X, n_draws=10**13)
