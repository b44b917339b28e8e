"""Rows of counts: the categorical cross-entropy and the multinomial likelihood."""

import numpy as np
import pytest
import torch
from scipy.stats import multinomial
from torch.distributions import Multinomial

from skae import (
    VAE,
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._likelihoods import Categorical

COUNTS = {"loss": "categorical_cross_entropy"}
SHORT = {"max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def topics():
    """300 texts of 100 words out of 30, mixed from 3 topics: counts and their probabilities."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(3, 0.3), 300) @ rng.dirichlet(np.full(30, 0.1), 3)
    return np.array([rng.multinomial(100, p) for p in probabilities]), probabilities


@pytest.fixture(scope="module")
def counts(topics):
    return topics[0]


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(3, **COUNTS, **SHORT),
        SparseAutoencoder(3, **COUNTS, **SHORT),
        DenoisingAutoencoder(3, **COUNTS, **SHORT),
        ContractiveAutoencoder(3, **COUNTS, **SHORT),
        VAE(3, likelihood="categorical", **SHORT),
        StackedAutoencoder(
            (8, 3),
            estimator=[
                DenoisingAutoencoder(**COUNTS, max_iter=3),
                DenoisingAutoencoder(max_iter=3),
            ],
            **SHORT,
        ),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_proportions_are_decoded_and_reconstructions_keep_the_totals(estimator, counts):
    codes = estimator.fit_transform(counts)
    proportions = estimator.inverse_transform(codes)
    np.testing.assert_allclose(proportions.sum(axis=1), 1.0)
    assert (proportions > 0).all()
    totals = counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(estimator.reconstruct(counts), proportions * totals)
    decoded = estimator.decoder_(torch.tensor(codes)).detach().numpy()
    np.testing.assert_allclose(decoded, proportions)


def test_score_samples_is_the_log_likelihood_without_its_coefficient(counts):
    fitted = Autoencoder(3, **COUNTS, **SHORT).fit(counts)
    proportions = fitted.inverse_transform(fitted.transform(counts))
    expected = (counts * np.log(proportions)).sum(axis=1)
    np.testing.assert_allclose(fitted.score_samples(counts), expected)


def test_topics_are_learned(topics):
    counts, probabilities = topics
    fit = {"max_iter": 200, "batch_size": 50, "learning_rate_init": 1e-3, "random_state": 0}
    fitted = Autoencoder(2, **COUNTS, **fit).fit(counts)
    errors = fitted.reconstruct(counts) / 100 - probabilities
    assert (
        np.abs(errors).sum(axis=1).mean() < np.abs(counts / 100 - probabilities).sum(axis=1).mean()
    )


@pytest.mark.parametrize("estimator", [Autoencoder(3, **COUNTS), VAE(3, likelihood="categorical")])
def test_values_below_zero_are_an_error(estimator, counts):
    with pytest.raises(ValueError, match=r"categorical.* counts .* -1\.0"):
        estimator.fit(counts - 1.0)
    estimator.set_params(**SHORT).fit(counts)
    with pytest.raises(ValueError, match="counts"):
        estimator.score_samples(counts - 1.0)


def test_codes_are_no_counts(counts):
    stacked = StackedAutoencoder((8, 3), estimator=DenoisingAutoencoder(**COUNTS))
    with pytest.raises(ValueError, match="only for the first layer"):
        stacked.fit(counts)


def test_the_vaes_likelihood_is_the_multinomials(counts):
    output = torch.randn(4, 300, 30, generator=torch.Generator().manual_seed(0)).double()
    x = torch.tensor(counts, dtype=torch.float64)
    expected = Multinomial(100, logits=output).log_prob(x)
    torch.testing.assert_close(Categorical().log_rows(None, output, x), expected)


def test_log_likelihood_of_counts_is_near_that_of_their_topics(topics):
    counts, probabilities = topics
    fit = {"max_iter": 200, "batch_size": 50, "learning_rate_init": 1e-3, "random_state": 0}
    vae = VAE(3, likelihood="categorical", **fit).fit(counts)
    truth = multinomial.logpmf(counts, 100, probabilities).mean()
    # The truth knows each row's topics; the model has to integrate over them.
    assert truth - 15 < vae.score(counts) < vae.log_likelihood(counts).mean() < truth
    assert -vae.loss_ == pytest.approx(vae.score(counts), abs=2.0)


def test_samples_are_counts_with_the_mean_total(counts):
    vae = VAE(3, likelihood="categorical", **SHORT).fit(counts)
    X = vae.sample(50, random_state=0)
    np.testing.assert_array_equal(X.sum(axis=1), 100)
    np.testing.assert_array_equal(X, np.round(X))
    with pytest.raises(AttributeError, match="gaussian"):
        _ = vae.noise_variance_
