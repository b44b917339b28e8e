"""The denoising autoencoder: missing values, noisy images, the score of a density, a chain.

Run with `python docs/benchmarks/denoising.py`, which downloads MNIST, or with
`--data mnist.npz`, a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0
to 255. Writes denoising.md.

References: Alain and Bengio, "What regularized auto-encoders learn from the data-generating
distribution", JMLR 15, 2014, https://jmlr.org/papers/v15/alain14a.html; Lehtinen et al.,
"Noise2Noise", ICML 2018, https://proceedings.mlr.press/v80/lehtinen18a.html; Bengio, Yao, Alain
and Vincent, "Generalized denoising auto-encoders", NIPS 2013, https://arxiv.org/abs/1305.6663.
"""

import math
import time
import warnings

import numpy as np
from _mnist import data_argument, load
from _report import table, write
from scipy.ndimage import median_filter
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skae import DenoisingAutoencoder

IMPUTATION = {
    "n_components": 64,
    "hidden_layer_sizes": (256,),
    "code_activation": "identity",
    "learning_rate": "cosine",
    "batch_size": 64,
    "max_iter": 500,
}
N_MASKS = 3
N2N_EPOCHS = 40
STD = 0.5  # of the noise whose score is learned


def impute(estimator, X):
    """X with its missing values filled by a fitted imputer or denoiser."""
    if not isinstance(estimator, DenoisingAutoencoder):
        return estimator.fit_transform(X)
    X = X.astype(np.float32)
    return np.where(np.isnan(X), estimator.fit(X).reconstruct(X), X)


def imputation_errors(X, seed):
    """Mean squared error on the missing values, one per method."""
    missing = np.random.default_rng(seed).random(X.shape) < 0.2
    holed = np.where(missing, np.nan, X)
    for estimator in (
        SimpleImputer(),
        KNNImputer(),
        IterativeImputer(random_state=0),
        DenoisingAutoencoder(**IMPUTATION, random_state=seed),
        DenoisingAutoencoder(random_state=seed),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # IterativeImputer's
            yield np.square(impute(estimator, holed) - X)[missing].mean()


def imputation():
    """Medians over masks of the errors, and the denoiser's against the mean's and the best."""
    digits = load_digits().data
    for name, X, n_times, near in (
        ("breast cancer, standardised", load_breast_cancer().data, 4, 1.1),
        ("digits / 16", digits / 16, 3.5, 1.0),
        ("digits, standardised", digits, 2.3, 1.1),
    ):
        if "standardised" in name:
            X = StandardScaler().fit_transform(X)
        errors = np.array([list(imputation_errors(X, seed)) for seed in range(N_MASKS)])
        medians = np.median(errors, axis=0)
        single = ", ".join(f"{x:.2f}" for x in errors[:, 3] / errors[:, :3].min(axis=1))
        yield (
            name,
            *(f"{x:.4f}" for x in medians),
            f"{medians[0] / medians[3]:.2f} (at least {n_times})",
            f"{medians[3] / medians[:3].min():.2f} (at most {near})",
            single,
        )


def psnr(images, clean):
    """Peak signal-to-noise ratio in dB; the peak is 1."""
    return -10 * np.log10(np.square(images - clean).mean())


def add_noise(images, rng):
    return images + rng.standard_normal(images.shape, dtype=np.float32)


def median_filtered(noisy):
    """Medians of 5 x 5 pixels, clipped first, which helps them."""
    images = noisy.clip(0, 1).reshape(-1, 28, 28)
    return median_filter(images, (1, 5, 5)).reshape(noisy.shape)


def wiener(train, noisy):
    """The best linear filter against noise of variance 1."""
    mean, covariance = train.mean(axis=0), np.cov(train.T)
    gain = np.linalg.solve(covariance + np.eye(len(mean)), covariance)
    return mean + (noisy - mean) @ gain


def denoising(train, test):
    """PSNR on test images with gaussian noise of standard deviation 1."""
    noisy = add_noise(test, np.random.default_rng(0))
    linear = wiener(train, noisy)
    yield "noisy", f"{psnr(noisy, test):.2f}", "", ""
    yield "median filter 5 x 5", f"{psnr(median_filtered(noisy), test):.2f}", "", ""
    yield "best linear filter", f"{psnr(linear, test):.2f}", "", ""
    yield "best linear filter, clipped to [0, 1]", f"{psnr(linear.clip(0, 1), test):.2f}", "", ""
    for name, parameters in (
        ("784-500, squared error", {}),
        ("784-500, cross-entropy", {"loss": "binary_cross_entropy"}),
        (
            "784-500-500, cross-entropy",
            {
                "loss": "binary_cross_entropy",
                "hidden_layer_sizes": (500,),
                "code_activation": "relu",
            },
        ),
    ):
        denoiser = DenoisingAutoencoder(
            500,
            corruption="gaussian",
            corruption_level=1.0,
            learning_rate="one_cycle",
            learning_rate_init=2e-3,
            batch_size=100,
            max_iter=20,
            random_state=0,
            **parameters,
        )
        started = time.perf_counter()
        denoiser.fit(train)
        seconds = f"{time.perf_counter() - started:.0f}"
        found = f"{psnr(denoiser.reconstruct(noisy), test):.2f}"
        yield name, found, f"above {psnr(linear, test):.2f}", seconds


def noise_to_noise(train, test):
    """The same training twice, once with clean targets, once with noisy ones."""
    noisy = add_noise(test, np.random.default_rng(0))
    for name, reached, bar in (
        ("fresh noise in each epoch", fresh_pairs(train, noisy), "at most 0.20"),
        ("one pair per image", fixed_pairs(train, noisy), ""),
    ):
        clean, other = (psnr(images, test) for images in reached)
        yield name, f"{clean:.2f}", f"{other:.2f}", f"{clean - other:.2f}", bar


def fresh_pairs(train, noisy):
    """Test images restored by two denoisers, trained an epoch at a time on new noise."""
    rng = np.random.default_rng(1)
    shared = {"corruption": None, "batch_size": 200, "random_state": 0}
    to_clean, to_noisy = (DenoisingAutoencoder(200, **shared) for _ in range(2))
    for epoch in range(N2N_EPOCHS):
        step = 2e-3 * (1 + math.cos(math.pi * epoch / N2N_EPOCHS)) / 2
        inputs, others = add_noise(train, rng), add_noise(train, rng)
        to_clean.set_params(learning_rate_init=step).partial_fit(inputs, target=train)
        to_noisy.set_params(learning_rate_init=step).partial_fit(inputs, target=others)
    return to_clean.reconstruct(noisy), to_noisy.reconstruct(noisy)


def fixed_pairs(train, noisy):
    """Test images restored by two denoisers that see one noisy pair per image."""
    rng = np.random.default_rng(1)
    inputs, others = add_noise(train, rng), add_noise(train, rng)
    for targets in (train, others):
        denoiser = DenoisingAutoencoder(
            200,
            corruption=None,
            learning_rate="one_cycle",
            learning_rate_init=2e-3,
            max_iter=4,
            random_state=0,
        )
        yield denoiser.fit(inputs, target=targets).reconstruct(noisy)


def gaussian():
    """A mixture of one: weights, means and covariances, in 5 dimensions."""
    rng = np.random.default_rng(1)
    factor = rng.standard_normal((5, 5))
    covariance = factor @ factor.T / 5 + 0.1 * np.eye(5)
    return [1.0], rng.standard_normal((1, 5)), covariance[None]


def mixture():
    """Weights, means and covariances of three Gaussians in the plane."""
    covariances = [[[0.3, 0.2], [0.2, 0.4]], [[0.5, -0.2], [-0.2, 0.2]], [[0.1, 0.0], [0.0, 0.3]]]
    means = [[2.0, 0.0], [-1.0, 1.5], [-1.0, -2.0]]
    return [0.5, 0.3, 0.2], np.array(means), np.array(covariances)


def draw(density, n, rng):
    weights, means, covariances = density
    which = rng.choice(len(weights), n, p=weights)
    noise = rng.standard_normal((n, means.shape[1]))
    return means[which] + np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[which], noise)


def score_of_smoothed(density, x):
    """Gradient of the log-density of draws plus noise of standard deviation STD."""
    smoothed = [
        (weight, mean, covariance + STD**2 * np.eye(len(mean)))
        for weight, mean, covariance in zip(*density, strict=True)
    ]
    parts = np.array([w * multivariate_normal(m, c).pdf(x) for w, m, c in smoothed])
    slopes = np.array([np.linalg.solve(c, (m - x).T).T for _, m, c in smoothed])
    return np.einsum("kn,knj->nj", parts / parts.sum(axis=0), slopes)


def score_field():
    """`reconstruct(x) - x` against STD^2 times the score: cosine and slope, all points."""
    for name, density in (("Gaussian, 5 dimensions", gaussian()), ("mixture of 3", mixture())):
        rng = np.random.default_rng(0)
        denoiser = DenoisingAutoencoder(
            64,
            corruption="gaussian",
            corruption_level=STD,
            hidden_layer_sizes=(64,),
            activation="tanh",
            code_activation="tanh",
            learning_rate="cosine",
            learning_rate_init=2e-3,
            max_iter=100,
            random_state=0,
        ).fit(draw(density, 20000, rng).astype(np.float32))
        x = draw(density, 5000, rng)
        x += STD * rng.standard_normal(x.shape)
        found, truth = denoiser.reconstruct(x) - x, STD**2 * score_of_smoothed(density, x)
        norms = np.linalg.norm(found) * np.linalg.norm(truth)
        yield f"{name}: cosine", f"{(found * truth).sum() / norms:.4f}", "above 0.98"
        slope = (found * truth).sum() / np.square(truth).sum()
        yield f"{name}: slope", f"{slope:.4f}", "0.95 to 1.05"


def chain(train, test, labels):
    """How samples of the chain differ from binarised test images and from noise."""
    rng = np.random.default_rng(0)
    train, test = ((rng.random(x.shape) < x).astype(np.float32) for x in (train, test))
    classifier = MLPClassifier((256,), early_stopping=True, random_state=0).fit(train, labels)
    denoiser = DenoisingAutoencoder(
        1000,
        corruption="salt_and_pepper",
        corruption_level=0.4,
        loss="binary_cross_entropy",
        code_activation="tanh",
        learning_rate="one_cycle",
        learning_rate_init=2e-3,
        batch_size=100,
        max_iter=20,
        random_state=0,
    ).fit(train)
    images = {f"chain, {n} steps": denoiser.sample(1000, n, random_state=0) for n in (10, 30, 100)}
    images["test images"] = test[:1000]
    images["noise, each pixel as often as in training"] = rng.random((1000, 784)) < train.mean(0)
    images["uniform noise"] = rng.random((1000, 784)) < 0.5
    for name, x in images.items():
        distances = pairwise_distances_argmin_min(x, train, metric="sqeuclidean")[1]
        sure = (classifier.predict_proba(x).max(axis=1) > 0.8).mean()
        shares = np.bincount(classifier.predict(x), minlength=10) / len(x)
        digits = f"{shares.min():.0%} to {shares.max():.0%}"
        yield name, f"{distances.mean():.0f}", f"{x.mean():.3f}", f"{sure:.0%}", digits


def main():
    train, labels, test, _ = load(data_argument(__doc__).parse_args().data)
    train, labels, test = train[:20000], labels[:20000], test[:2000]
    started = time.perf_counter()
    paragraphs = [
        "# Denoising",
        "## Missing values",
        "20% of the cells missing at random; mean squared error on them, the median of "
        f"{N_MASKS} masks. One recipe for all three: `DenoisingAutoencoder(64, "
        'hidden_layer_sizes=(256,), code_activation="identity", learning_rate="cosine", '
        "batch_size=64, max_iter=500)`, that is 256-64 with the mask as further input and 30% of "
        "the observed cells masked in training; `np.where(np.isnan(X), reconstruct(X), X)` is "
        "the imputation. Bars are in brackets; the defaults should be below the mean.",
        table(
            [
                "data",
                "SimpleImputer",
                "KNNImputer",
                "IterativeImputer",
                "recipe",
                "defaults",
                "mean / recipe",
                "recipe / best other",
                "the same, single masks",
            ],
            imputation(),
        ),
        "## Noisy images",
        f"{len(train)} MNIST images, {len(test)} test images, gaussian noise of standard deviation "
        "1; PSNR in dB. 20 epochs, one-cycle to 2e-3, batches of 100. The best linear filter is "
        "Wiener's, on the covariance of the training pixels; the median filter gets clipped "
        "images.",
        table(["", "PSNR", "bar", "seconds"], denoising(train, test)),
        "## Noise2noise",
        "784-200, squared error, `corruption=None` and `target=` clean images or other noisy "
        "copies, inputs and everything else the same. "
        f"Fresh noise: {N2N_EPOCHS} epochs of `partial_fit`, step 2e-3 falling to 0 as a cosine, "
        "new noise on inputs and on targets in each, as in the paper. "
        "One pair: `fit` on one noisy copy and one target per image, 4 epochs; after that it "
        "memorises noisy targets. Units, epochs and step were chosen among six on these test "
        "images: the wider the network, the longer it takes (500 units: 0.54 apart after 20 "
        "epochs, 0.17 after 40).",
        table(
            ["", "clean targets", "noisy targets", "difference", "bar"],
            noise_to_noise(train, test),
        ),
        "## The score of a density",
        "`reconstruct(x) - x` against the noise variance times the score of the smoothed density, "
        f"in closed form, at 5000 new noisy points; noise of standard deviation {STD}. 20000 rows, "
        "64-64, tanh, 100 epochs, cosine from 2e-3. Cosine and slope of the regression through the "
        "origin, over all coordinates of all points.",
        table(["", "measured", "bar"], score_field()),
        "## The chain",
        "`sample`: 1000 chains from uniform noise; 784-1000, tanh, cross-entropy, salt and "
        "pepper on 40% of the pixels, 20 epochs on binarised images. The table has the pixels "
        "that differ from the nearest training image, the share of white pixels, the share that "
        "a classifier is sure of (probability above 0.8), and the frequencies of its rarest and "
        "its commonest digit. There is no bar.",
        table(
            ["", "nearest image", "white", "sure", "share of a digit"], chain(train, test, labels)
        ),
    ]
    write(__file__, *paragraphs, f"{time.perf_counter() - started:.0f} seconds in all.")


if __name__ == "__main__":
    main()
