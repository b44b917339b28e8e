"""What gans.py measures without labels: modes, the discriminator, and categories."""

import numpy as np
from _gans_data import N_MIXED, all_digits, digits, grid, mnist, ring
from _gans_fits import fitted
from scipy.stats import norm
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.cluster import contingency_matrix
from threadpoolctl import threadpool_limits

from skae import GAN, InfoGAN
from skae.metrics import coverage

N_DRAWN = 2_500  # samples of mixtures
FOUND = 1 / 20  # of its share of the samples, which a mode that counts has near it at least
STDS = 3  # that are near
N_OF_DATA, N_JUDGED = 20_000, 5_000  # of a ratio of densities: rows, and those of each to judge by
N_COVERED = 2_000  # rows that samples are to come near


# Modes of mixtures.

MIXED_BATCH = 256
EPOCHS = {"1 minute": 220, "3 minutes": 700}


def modes_of_ring(task, run):
    return modes(ring(), task, run)


def modes_of_grid(task, run):
    return modes(grid(), task, run)


def modes(mixture, budget, run):
    """How many modes samples are at, and the share of samples that are at one."""
    gan = GAN(2, batch_size=MIXED_BATCH, max_iter=EPOCHS[budget])
    gan, seconds = fitted(gan, run, mixture.draw(N_MIXED, run.seed))
    samples = gan.sample(N_DRAWN, run.seed)
    distances = np.linalg.norm(samples[:, None] - mixture.centres, axis=2)
    is_near = distances.min(axis=1) < STDS * mixture.std
    n_modes = len(mixture.centres)
    counts = np.bincount(distances.argmin(axis=1)[is_near], minlength=n_modes)
    n_found = np.sum(counts >= FOUND * N_DRAWN / n_modes)
    return {"modes": int(n_found), "within": float(is_near.mean()), "seconds": seconds}


# The discriminator.


def features(task, run):
    """Accuracy of a linear classifier on the discriminator's features, and on pixels."""
    split = digits(run.seed)
    gan, seconds = fitted(GAN(), run, split.train)
    pixels = accuracy(split, split.train, split.test)
    found = accuracy(split, gan.transform(split.train), gan.transform(split.test))
    points = 100 * (found - pixels)
    return {"pixels": pixels, "features": found, "points": points, "seconds": seconds}


def accuracy(split, train, test):
    classifier = LogisticRegression(max_iter=5000).fit(train, split.labels)
    return classifier.score(test, split.test_labels)


class KnownGenerator(GAN):
    """A discriminator against a generator whose density q is known: N(0, STD^2)."""

    STD = 1.5

    def _made(self, network, latent, noise):
        return self._inputs(self.STD * latent)

    def _generated(self, latent, generator=None):
        return (self.STD * latent).astype(np.float32)


def density_of_data(x):
    """p, a mixture of two."""
    return (norm.pdf(x, -1, 0.5) + norm.pdf(x, 1.5, 0.7)) / 2


def draw_data(n, rng):
    is_first = rng.random(n) < 0.5
    return np.where(is_first, rng.normal(-1, 0.5, n), rng.normal(1.5, 0.7, n)).astype(np.float32)


def ratio(task, run):
    """Mean error of the probability to be real, p / (p + q), over rows of both in equal parts."""
    rng = np.random.default_rng(run.seed)
    gan = KnownGenerator(1, gradient_penalty=0.0)
    gan, seconds = fitted(gan, run, draw_data(N_OF_DATA, rng)[:, None])
    x = [draw_data(N_JUDGED, rng), rng.normal(0, gan.STD, N_JUDGED).astype(np.float32)]
    x = np.concatenate(x)
    p, q = density_of_data(x), norm.pdf(x, 0, gan.STD)
    errors = np.abs(gan.discriminate(x[:, None]) - p / (p + q))
    return {"error": float(errors.mean()), "seconds": seconds}


# Categories.

HIDDEN, EPOCHS_OF_CATEGORIES = (256, 256), 10  # of MNIST


def purity(y, clusters):
    """The share of rows that have the most frequent label of their cluster."""
    return float(contingency_matrix(y, clusters).max(axis=0).sum() / len(y))


def categories_of_digits(task, run):
    X, y = all_digits()
    return categories({}, run, X, X, y)


def categories_of_mnist(task, run):
    split = mnist(run.data)
    settings = {"hidden_layer_sizes": HIDDEN, "max_iter": EPOCHS_OF_CATEGORIES}
    return categories(settings, run, split.train, split.test, split.test_labels)


def categories(settings, run, train, test, y):
    """Purity of the categories that InfoGAN finds, and of as many clusters; and coverage."""
    gan, seconds = fitted(InfoGAN(n_categories=10, **settings), run, train)
    with threadpool_limits(1):
        clusters = KMeans(10, n_init=10, random_state=run.seed).fit(*run.some(train)).predict(test)
    found, by_k_means = purity(y, gan.predict(test)), purity(y, clusters)
    samples, _ = gan.sample(N_COVERED, run.seed)
    return {
        "purity": found,
        "k_means": by_k_means,
        "gain": found - by_k_means,
        "coverage": coverage(test[:N_COVERED], samples),
        "seconds": seconds,
    }
