"""Rows of given classes in gans.py: who draws them, and how good they are."""

from functools import cache

import numpy as np
from _gans_data import cancer, digits, mnist
from _gans_fits import Run, fitted, timed_fit
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KernelDensity
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from skae import VAE, ConditionalGAN
from skae.metrics import coverage
from skae.networks import ConvNet

N_TREES, N_FOLDS = 200, 5
N_DRAWN, N_COVERED = 10_000, 2_000  # of MNIST: samples, and test rows to come near
EPOCHS = {"512, 512": 12, "ConvNet": 21}  # on MNIST
EPOCHS_OF_JUDGE, EPOCHS_OF_PUPIL = 10, 30  # on all of MNIST, and on samples
BANDWIDTHS = np.geomspace(0.03, 1, 10)
OURS, TRAINING = "ConditionalGAN", "the training rows"


# Who draws rows: objects with `fit(X, y)` and `sample(n, random_state)`, which gives X and y.


class PerClass:
    """A model of each class, and labels in their frequencies."""

    def __init__(self, make, dtype=np.float64):
        self.make, self.dtype = make, dtype

    def fit(self, X, y):
        self.classes, counts = np.unique(y, return_counts=True)
        self.frequencies = counts / len(y)
        self.models = [self.make().fit(X[y == label].astype(self.dtype)) for label in self.classes]
        return self

    def sample(self, n, random_state):
        counts = np.random.default_rng(random_state).multinomial(n, self.frequencies)
        drawn = map(draw, self.models, counts, [random_state] * len(counts))
        return np.vstack(list(drawn)).astype(np.float32), np.repeat(self.classes, counts)


class Training:
    """The training rows themselves, or the first of them."""

    def fit(self, X, y):
        self.X, self.y = X, y
        return self

    def sample(self, n, random_state):
        return self.X[:n], self.y[:n]


def draw(model, n, seed):
    if isinstance(model, GridSearchCV):
        model = model.best_estimator_
    if isinstance(model, GaussianMixture):
        return model.set_params(random_state=seed).sample(n)[0]
    return model.sample(n, random_state=seed)


def mixtures(n_components):
    return lambda seed: PerClass(lambda: GaussianMixture(n_components, random_state=seed))


RIVALS = {
    "GaussianMixture() for each class": mixtures(1),
    "GaussianMixture(3) for each class": mixtures(3),
    "KernelDensity() for each class": lambda seed: PerClass(
        lambda: GridSearchCV(KernelDensity(), {"bandwidth": BANDWIDTHS})
    ),
    "VAE() for each class": lambda seed: PerClass(lambda: VAE(random_state=seed), np.float32),
    TRAINING: lambda seed: Training(),
}


# How good they are.


def of_digits(split, X, y):
    """Labels by a classifier of real rows, one that learns from samples, and coverage."""
    return {
        "labels": SVC().fit(split.train, split.labels).score(X, y),
        "cas": SVC().fit(X, y).score(split.test, split.test_labels),
        "coverage": coverage(split.test, X),
    }


def of_cancer(split, X, y):
    """How well samples are told from real rows, what they cover, and what they teach."""
    forest = RandomForestClassifier(N_TREES, random_state=0)
    both, is_real = np.vstack([split.test, X]), np.repeat([1, 0], [len(split.test), len(X)])
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    found = cross_val_predict(forest, both, is_real, cv=folds, method="predict_proba")
    return {
        "c2st": roc_auc_score(is_real, found[:, 1]),
        "coverage": coverage(split.test, X),
        "tstr": forest.fit(X, y).score(split.test, split.test_labels),
    }


SETS = {"digits": (digits, of_digits), "cancer": (cancer, of_cancer)}


def small(name, run):
    """The GAN with nothing set, on half of a small set."""
    split_of, quality = SETS[name]
    split = split_of(run.seed)
    gan, seconds = fitted(ConditionalGAN(), run, split.train, split.labels)
    return {**quality(split, *gan.sample(len(split.test), run.seed)), "seconds": seconds}


def compare(task, run):
    """The same of another model."""
    name, rival = task.split(": ")
    split_of, quality = SETS[name]
    split = split_of(run.seed)
    model, seconds = timed_fit(RIVALS[rival](run.seed), split.train, split.labels)
    return {**quality(split, *model.sample(len(split.test), run.seed)), "seconds": seconds}


# MNIST.


def of_images(name):
    """A GAN with wide layers, or one of convolutions alone."""
    if name == "ConvNet":
        network = ConvNet(kernel_size=4, channels=(16, 32))
        return ConditionalGAN(hidden_layer_sizes=(), network=network, max_iter=EPOCHS[name])
    return ConditionalGAN(hidden_layer_sizes=(512, 512), max_iter=EPOCHS[name])


def large(name, run):
    """A GAN of MNIST."""
    split = mnist(run.data)
    gan, seconds = fitted(of_images(name), run, split.train, split.labels)
    return {**of_mnist(run, split, *gan.sample(N_DRAWN, run.seed)), "seconds": seconds}


def training_rows(name, run):
    """The same of training rows; labels are those of test rows, which the judge has not seen."""
    split = mnist(run.data)
    figures = of_mnist(run, split, split.train[:N_DRAWN], split.labels[:N_DRAWN])
    labels = judge(run._replace(seed=0)).score(split.test, split.test_labels)
    return {**figures, "labels": labels}


def of_mnist(run, split, X, y):
    rows = np.random.default_rng(run.seed).permutation(len(split.test))[:N_COVERED]
    X_pupil, y_pupil = run.some(X, y)
    pupil = classifier(EPOCHS_OF_PUPIL).fit(X_pupil, y_pupil)
    return {
        "labels": judge(run._replace(seed=0)).score(X, y),
        "cas": pupil.score(split.test, split.test_labels),
        "coverage": coverage(split.test[rows], X[:N_COVERED]),
    }


@cache
def judge(run: Run):
    """A classifier of real rows, the same for all seeds."""
    split = mnist(run.data)
    return classifier(EPOCHS_OF_JUDGE).fit(*run.some(split.train, split.labels))


def classifier(n_epochs):
    return MLPClassifier((256,), max_iter=n_epochs, random_state=0)
