"""The generative adversarial network: what its players learn."""

import numpy as np
import pytest
import torch
from helpers import X, small
from scipy.stats import norm
from sklearn.datasets import make_moons

from skae import GAN, ConditionalGAN
from skae.metrics import coverage

SEEDS = 0, 1, 2
OTHER = norm(1.0, 1.5)  # what `Known` draws from


class Known(GAN):
    """Its generator draws from a normal distribution of one column, whatever it has learnt."""

    def _made(self, network, latent, noise):
        return (self._generated(latent) - float(self._mean_[0])) / self._scale_

    def _generated(self, latent, generator=None):
        return OTHER.mean() + OTHER.std() * latent[:, :1]


def errors(discriminate, p, q, rows):
    """Mean difference of a discriminator from the optimal one, p / (p + q)."""
    p, q = p(rows[:, 0]), q(rows[:, 0])
    return np.abs(discriminate(rows) - p / (p + q)).mean()


def test_the_discriminator_is_the_optimal_one_of_two_known_densities():
    """Goodfellow et al., proposition 1; in the mean over draws of both, of seeds the median."""
    found = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        params = {"hidden_layer_sizes": (16,), "activation": "tanh", "learning_rate_init": 1e-2}
        gan = Known(1, gradient_penalty=0, max_iter=40, batch_size=128, random_state=seed, **params)
        gan.fit(rng.normal(size=(2000, 1)))
        new = rng.normal(size=(2000, 1)), OTHER.rvs((2000, 1), random_state=rng)
        found.append(errors(gan.discriminate, norm.pdf, OTHER.pdf, np.vstack(new)))
    assert np.median(found) < 0.03


def test_a_penalty_makes_the_discriminator_flat():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, 1))
    spreads = [
        Known(1, hidden_layer_sizes=(16,), gradient_penalty=penalty, max_iter=10, random_state=0)
        .fit(rows)
        .discriminate(rows)
        .std()
        for penalty in (0.0, 1.0, 100.0)
    ]
    assert spreads == sorted(spreads, reverse=True) and spreads[2] < 0.5 * spreads[0]


@pytest.fixture(scope="module")
def moons():
    return make_moons(1000, noise=0.05, random_state=0)[0]


@pytest.fixture(scope="module")
def of_moons(moons):
    return GAN(2, hidden_layer_sizes=(32, 32), max_iter=60, random_state=0).fit(moons)


def test_samples_become_like_the_data(of_moons, moons):
    new = make_moons(1000, noise=0.05, random_state=1)[0]
    untrained = GAN(2, hidden_layer_sizes=(32, 32), learning_rate_init=1e-12, max_iter=1)
    samples = of_moons.sample(1000, random_state=0)
    assert coverage(new, samples) > 0.5
    assert of_moons.score(moons) > 2 * untrained.set_params(random_state=0).fit(moons).score(moons)
    np.testing.assert_allclose(samples.mean(axis=0), moons.mean(axis=0), atol=0.25)
    np.testing.assert_allclose(np.cov(samples.T), np.cov(moons.T), atol=0.25)


def test_the_discriminator_knows_rows_from_elsewhere(of_moons, moons):
    """Where the generator is as likely as the data it is undecided."""
    assert of_moons.discriminate(moons).mean() == pytest.approx(0.5, abs=0.1)
    assert 0.2 < of_moons.loss_ < 0.8  # near log 2


def test_noise_between_two_samples_gives_rows_between(of_moons):
    Z = np.linspace([-1.0, 0.5], [1.0, -0.5], 200)
    steps = np.linalg.norm(np.diff(of_moons.generate(Z), axis=0), axis=1)
    assert steps.max() < 0.3


def ring(seed, n_modes=8, std=0.05, n=800):
    """Rows of a ring of normal distributions, which of them, and their means."""
    rng, kinds = np.random.default_rng(seed), np.arange(n) % n_modes
    angles = 2 * np.pi * np.arange(n_modes) / n_modes
    means = np.column_stack([np.cos(angles), np.sin(angles)])
    return (means[kinds] + std * rng.normal(size=(n, 2))).astype(np.float32), kinds, means


def n_modes_of(samples, means, std=0.05):
    """How many means have a fifth of their share of the samples near them."""
    distances = np.linalg.norm(samples[:, None] - means, axis=2)
    near = distances.argmin(axis=1)[distances.min(axis=1) < 3 * std]
    return (np.bincount(near, minlength=len(means)) > len(samples) / len(means) / 5).sum()


def test_labels_let_it_cover_modes_that_it_misses_without():
    """At an equal, small budget; medians over seeds."""
    plain, conditional = [], []
    params = {"hidden_layer_sizes": (32,), "max_iter": 40}
    for seed in SEEDS:
        rows, kinds, means = ring(seed)
        samples = GAN(2, random_state=seed, **params).fit(rows).sample(800, random_state=0)
        plain.append(n_modes_of(samples, means))
        gan = ConditionalGAN(2, random_state=seed, **params).fit(rows, kinds)
        conditional.append(n_modes_of(gan.sample(800, random_state=0)[0], means))
    assert np.median(conditional) == 8
    assert np.median(plain) <= 5


def test_y_is_ignored():
    one, other = small("GAN").fit(X), small("GAN").fit(X, np.full(60, np.nan))
    np.testing.assert_array_equal(one._state.weights, other._state.weights)
    assert one.score(X) == other.score(X, "nothing")


def test_the_noise_may_be_narrower_or_wider_than_the_data():
    for n_components in (1, 20):
        gan = small("GAN", n_components=n_components).fit(X)
        assert gan.n_components_ == n_components and gan.sample(3).shape == (3, 6)


def test_one_row_is_enough_to_train_and_two_to_score():
    gan = small("GAN").fit(X[:1])
    assert np.isfinite(gan.sample(3)).all() and 0 < gan.discriminate(X[:1])[0] < 1
    assert gan.score(X[:2]) in (0.0, 0.5, 1.0)


def test_columns_that_do_not_vary():
    for rows in (np.column_stack([X, np.full(60, 7.0)]), np.full((20, 3), 5.0)):
        gan = small("GAN").fit(rows)
        assert np.isfinite(gan.sample(3)).all() and np.isfinite(gan.score(rows))


def test_a_generator_of_ones_own_plays():
    """`_play` is the game: this one is the minimax game of Goodfellow et al."""

    class Minimax(GAN):
        @staticmethod
        def _play(scores, slopes, made, penalty):
            n = len(made)
            real, fake = torch.sigmoid(scores).chunk(2)

            def pullback(gradient):
                at_scores = torch.cat([real - 1.0, fake]) * (gradient / n)
                towards = slopes[n:] * (fake * -gradient / n).unsqueeze(1)
                return at_scores, slopes * (gradient * penalty / n), towards

            return -(torch.log(real) + torch.log1p(-fake)).mean(), pullback

    gan = Minimax(3, hidden_layer_sizes=(8,), max_iter=4, random_state=0).fit(X)
    assert gan.loss_curve_[0] == pytest.approx(2 * np.log(2), abs=0.5)
    assert np.isfinite(gan.sample(5)).all()
