"""Checks of defaults.py: inputs on which defaults have failed, or must not be slow.

Each function yields pieces, which are measured alone. Those that need MNIST read it from the
folder of data.
"""

import statistics
import time
from functools import partial
from typing import NamedTuple

import numpy as np
from _defaults_fits import ESTIMATORS, OURS, explained, make
from _defaults_tables import N_TEST, genes, images, split_rows, width_of
from scipy.linalg import subspace_angles
from scipy.sparse import csr_array
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.decomposition import PCA
from sklearn.model_selection import (
    RepeatedKFold,
    RepeatedStratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler, scale

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)

LARGE = 20000  # images for noise2noise
LINEAR = {"hidden_layer_sizes": (), "activation": "identity"}


def largest(figures):
    return max(figures.values())


def least(figures):
    return min(figures.values())


def mean(figures):
    return statistics.mean(figures.values())


def spread(figures):
    return max(figures.values()) - min(figures.values())


class Piece(NamedTuple):
    """What is measured alone, and the bar it is judged against."""

    what: str
    measure: object  # gives figures by name
    judge: object  # makes one of them
    sense: str = "at most"
    bar: float | None = None  # None: shown beside others
    needs_folder: bool = False

    def is_met(self, figure):
        return figure <= self.bar if self.sense == "at most" else figure >= self.bar


def offsets(folder):
    """A constant added to X, or another container, changes nothing."""
    for table, load in (("iris", load_iris), ("digits", load_digits)):
        for name in (name for name in OURS if name != "dae"):
            measure = partial(offset_scores, load().data.astype(float), table, name)
            yield Piece(f"{table}, {ESTIMATORS[name].title}", measure, spread, "at most", 0.01)


def offset_scores(X, table, name):
    """What is explained of the rows that were fitted."""
    figures = {}
    for offset in (0, 10, 1e4):
        for form in (np.asarray, csr_array):
            model = make(name, width_of(table, X.shape[1]), X.shape, 0)
            inputs = form(X + offset)
            figures[f"+{offset:g}, {form.__name__}"] = explained(
                model.fit(inputs), X + offset, inputs
            )
    return figures


def factors(folder):
    """The unit of X makes little difference."""
    for table, load in (("breast cancer", load_breast_cancer), ("digits", load_digits)):
        for name in (name for name in OURS if name != "dae"):
            measure = partial(factor_scores, load().data, table, name)
            yield Piece(f"{table}, {ESTIMATORS[name].title}", measure, spread, "at most", 0.05)


def factor_scores(X, table, name):
    """What is explained of the rows that were fitted, standardised as a whole."""
    X = scale(X) if table == "breast cancer" else X / 4.0
    figures = {}
    for factor in (0.01, 0.1, 1, 10, 100, 1e4):
        model = make(name, width_of(table, X.shape[1]), X.shape, 0)
        figures[f"x {factor:g}"] = explained(model.fit(factor * X), factor * X)
    return figures


def few_rows(folder):
    """Few rows are fitted, where batches are few, too."""
    yield Piece("33 x 741 uniform, Autoencoder()", uniform_scores, least, "at least", 0.99)
    yield Piece("9 rows of 1, 2, 3: error", constant_errors, largest, "at most", 0.1)


def uniform_scores(n_seeds=10):
    X = np.random.default_rng(0).random((33, 741))
    return {str(s): float(Autoencoder(random_state=s).fit(X).score(X)) for s in range(n_seeds)}


def constant_errors():
    X = np.tile([1.0, 2.0, 3.0], (9, 1))
    return {
        type(model).__name__: float(np.abs(model.fit(X).reconstruct(X) - X).max())
        for model in every_class()
    }


def every_class():
    """One of each, as they come."""
    kinds = Autoencoder, SparseAutoencoder, DenoisingAutoencoder, ContractiveAutoencoder
    return [kind(random_state=0) for kind in (*kinds, StackedAutoencoder, VAE)]


def counts(folder):
    """Rows of very different totals: nats for each count of new rows."""
    yield Piece("constant proportions", constant_nats, largest)
    for title, make_model in (
        ("Autoencoder(12)", partial(Autoencoder, 12, loss="categorical_cross_entropy")),
        ("VAE(12)", partial(VAE, 12, likelihood="categorical")),
    ):
        yield Piece(title, partial(count_nats, make_model), largest, "at most", 5.40)


def draw_counts():
    """Training and test rows."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.5, 1, (600, 12)) @ rng.gamma(0.3, 1, (12, 256))
    X = rng.poisson(rng.lognormal(0, 1, (600, 1)) * rates * 0.25).astype(float)
    X[:, 0] += 1  # no row is empty
    return X[:450], X[450:]


def nats(proportions, X):
    return float(-(X * np.log(proportions + 1e-12)).sum() / X.sum())


def constant_nats():
    train, test = draw_counts()
    return {"": nats(train.sum(axis=0) / train.sum(), test)}


def count_nats(make_model, n_seeds=5):
    train, test = draw_counts()
    models = [make_model(random_state=seed).fit(train) for seed in range(n_seeds)]
    return {
        str(seed): nats(model.inverse_transform(model.transform(test)), test)
        for seed, model in enumerate(models)
    }


def small_codes(folder):
    """Logistic codes of near-linear columns, and the density of a plane."""
    title = "near-linear columns in [0, 1], SparseAutoencoder(10)"
    yield Piece(title, near_linear_scores, least, "at least", 0.95)
    mean_, covariance = partial(normal_errors, "mean"), partial(normal_errors, "covariance")
    yield Piece("linear VAE(2) of a normal: samples' mean", mean_, largest, "at most", 0.1)
    title = "linear VAE(2) of a normal: covariances, relatively"
    yield Piece(title, covariance, largest, "at most", 0.1)


def near_linear_scores(n_seeds=3):
    X = near_linear_rows()
    models = [SparseAutoencoder(10, random_state=seed).fit(X) for seed in range(n_seeds)]
    return {str(seed): float(model.score(X)) for seed, model in enumerate(models)}


def near_linear_rows(n=1000):
    """Eight columns, seven of which one quantity decides."""
    rng = np.random.default_rng(0)

    def noise(std):
        return std * rng.standard_normal(n)

    g = np.clip(rng.normal(0.52, 0.12, n), 0.08, 0.8)
    columns = [rng.integers(1, 4, n), g, 0.78 * g + noise(0.01), 0.27 * g + noise(0.01)]
    powers = ((6, 0.1), (2.5, 0.15), (1.5, 0.15))
    columns += [factor * g**3 * np.exp(noise(std)) for factor, std in powers]
    return MinMaxScaler().fit_transform(np.column_stack([*columns, 4 + 12 * g + noise(2)]))


def normal_errors(which, n_seeds=3, n_samples=100000):
    """How far samples are from the rows that were fitted, by seed."""
    rng = np.random.default_rng(0)
    X = rng.multivariate_normal([2, -1], [[3, 1.5], [1.5, 1]], 2000)
    figures = {}
    for seed in range(n_seeds):
        samples = VAE(2, random_state=seed, **LINEAR).fit(X).sample(n_samples, random_state=0)
        errors = samples.mean(axis=0) - X.mean(axis=0)
        if which == "covariance":
            errors = np.cov(samples.T) / np.cov(X.T) - 1
        figures[str(seed)] = float(np.abs(errors).max())
    return figures


def subspace(folder):
    """A linear autoencoder spans what PCA does."""
    yield Piece("digits / 16, 10: degrees to PCA's", angles, largest, "at most", 0.5)


def angles(n_splits=5):
    """The largest principal angle, by split."""
    figures = {}
    for split in range(n_splits):
        train, _ = train_test_split(load_digits().data / 16, random_state=split)
        model = Autoencoder(10, random_state=split, **LINEAR).fit(train)
        pca = PCA(10, random_state=split).fit(train)
        radians = subspace_angles(model.coefs_[-1].T, pca.components_.T)
        figures[str(split)] = float(np.rad2deg(radians.max()))
    return figures


def near_linear(folder):
    """Held out, an autoencoder is not behind PCA where the data are near a plane."""
    for table, width, bar in (("patches", 8, -0.003), ("diabetes", 4, -0.015)):
        measure = partial(differences, table, width)
        yield Piece(f"{table}, {width}: against PCA", measure, mean, "at least", bar)


def differences(table, width, n_splits=3):
    """Of explained variance, by split."""
    figures = {}
    for split in range(n_splits):
        train, test, _ = split_rows(table, split)
        model = Autoencoder(width, random_state=split).fit(train)
        pca = PCA(width, random_state=split).fit(train)
        figures[str(split)] = explained(model, test) - explained(pca, test)
    return figures


def noise2noise(folder):
    """Images that are never seen without noise."""
    for target, bar in (("noisy", 14.0), ("clean", None)):
        measure = partial(decibels, folder, target)
        yield Piece(f"{LARGE} images, {target} targets: dB", measure, least, "at least", bar, True)


def decibels(folder, target, n_images=LARGE):
    """PSNR of new images with noise of variance 1; each has one pair of noisy versions."""
    rng = np.random.default_rng(0)
    train, test = images(folder)
    train = train[:n_images]
    test = test[rng.permutation(len(test))[:N_TEST]]
    first, second, noisy = (X + rng.standard_normal(X.shape, "f") for X in (train, train, test))
    denoiser = DenoisingAutoencoder(500, corruption=None, early_stopping=True, random_state=0)
    denoiser.fit(first, target=second if target == "noisy" else train)
    return {"": float(-10 * np.log10(np.square(denoiser.reconstruct(noisy) - test).mean()))}


def supervised(folder):
    """Prediction against scikit-learn's perceptrons, each as it comes."""
    for name, load, ours, theirs in (
        ("digits", load_digits, AutoencoderClassifier, MLPClassifier),
        ("wine", load_wine, AutoencoderClassifier, MLPClassifier),
        ("breast cancer", load_breast_cancer, AutoencoderClassifier, MLPClassifier),
        ("diabetes", load_diabetes, AutoencoderRegressor, MLPRegressor),
    ):
        title = f"{name}: {ours.__name__} against {theirs.__name__}"
        measure = partial(prediction_scores, load, ours, theirs)
        yield Piece(title, measure, gain, "at least", -0.005)


def gain(figures):
    return figures["skae"] - figures["MLP"]


def prediction_scores(load, ours, theirs, n_folds=5, n_repeats=10):
    """Means over folds, drawn several times, of accuracy, or R2."""
    X, y = load(return_X_y=True)
    kind = RepeatedStratifiedKFold if ours is AutoencoderClassifier else RepeatedKFold
    folds = kind(n_splits=n_folds, n_repeats=n_repeats, random_state=0)
    models = {"skae": ours(random_state=0), "MLP": theirs(random_state=0)}
    return {
        name: float(cross_val_score(make_pipeline(StandardScaler(), m), X, y, cv=folds).mean())
        for name, m in models.items()
    }


def seconds(folder):
    """Of a fit, each class as it comes."""
    for title, (draw, bar) in SIZES.items():
        for name in (name for name in OURS if name != "dae"):
            measure = partial(fit_seconds, draw or (lambda: images(folder)[0]), name)
            bar_of_it = bar * 3 if name == "stack" else bar
            what = f"{title}, {without_width(name)}"
            yield Piece(what, measure, wall, "at most", bar_of_it, draw is None)


SIZES = {  # and seconds that a fit may take; None: MNIST
    "150 x 4": (lambda: scale(load_iris().data), 2),
    "1797 x 64": (lambda: scale(load_digits().data), 4),
    "100 x 5000": (lambda: scale(genes()), 15),
    "60000 x 784": (None, 90),
}


def without_width(name):
    """The title of a class whose width is the default."""
    return ESTIMATORS[name].title.replace("(w)", "()").replace("((128, w))", "()")


def fit_seconds(draw, name):
    X = draw()
    model = make(name, 32, X.shape, 0)
    started, cpu = time.perf_counter(), time.process_time()
    model.fit(X)
    return {"wall": time.perf_counter() - started, "cpu": time.process_time() - cpu}


def wall(figures):
    return figures["wall"]


CHECKS = {
    function.__name__: function
    for function in (
        offsets,
        factors,
        few_rows,
        counts,
        small_codes,
        subspace,
        near_linear,
        noise2noise,
        supervised,
        seconds,
    )
}
