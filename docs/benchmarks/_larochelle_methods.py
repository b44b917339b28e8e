"""Five methods, and networks that are not pretrained: each chosen by its validation error."""

from functools import partial
from itertools import product

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC, LinearSVC

from skae import (
    AutoencoderClassifier,
    DenoisingAutoencoder,
    RestrictedBoltzmannMachine,
    StackedAutoencoder,
)

LEVELS = (0.0, 0.1, 0.25, 0.4)
SVM_LEVELS = (0.0, 0.1, 0.25)
SVM_ROWS = 5000  # of the training images, to choose C and gamma with
SVM_GRID = tuple(product((1, 10, 100), (0.003, 0.01, 0.03)))
LINEAR_GRID = (0.001, 0.01, 0.1, 1.0)
RANDOM, DBN, PROBE, PIXELS = "random", "DBN", "linear SVM", "pixels"


def denoising_name(level):
    return f"denoising {level:.0%}"


def svm_name(level):
    return f"RBF SVM {level:.0%}"


def probe_name(codes):
    return f"{PROBE}, {codes}"


# Layers


def denoising(problem, level):
    """Logistic, with tied weights and cross-entropy, as in the papers; level 0 is plain."""
    return DenoisingAutoencoder(
        corruption=partial(destroy, level=level) if level else None,
        tied_weights=True,
        loss="binary_cross_entropy",
        **training(problem),
    )


def destroy(x, generator, level):
    """Cells at 0, as the papers have it; `corruption="masking"` has them at their mean."""
    return x * torch.empty_like(x).uniform_(generator=generator).ge_(level)


def boltzmann(problem):
    return RestrictedBoltzmannMachine(**training(problem))


def training(problem):
    """How each layer is trained."""
    return {
        "batch_size": problem.batch_size,
        "learning_rate": "one_cycle",
        "learning_rate_init": problem.pretraining_rate,
        "max_iter": problem.pretraining,
    }


def untrained(problem):
    """As it starts, but for one epoch of steps that are too small to matter."""
    return denoising(problem, 0.0).set_params(max_iter=1, learning_rate_init=1e-12)


# Networks of three such layers


def networks(layer, name, problem, images, draw):
    """The best network, and for some problems the best linear SVM on its first layer's codes."""
    stack = pretrain(problem, layer(problem), images.training.X, draw)
    found = {name: best(fine_tuned(problem, stack, images, draw))}
    if problem.probed:
        codes = images.through(stack.estimators_[0].transform)
        found[probe_name(name)] = best(probed(codes))
    return found


def pretrain(problem, layer, X, draw):
    """A stack, trained layer by layer."""
    sizes = (problem.width,) * 3
    stack = StackedAutoencoder(sizes, estimator=layer, fine_tune=False, random_state=draw)
    return stack.fit(X)


def fine_tuned(problem, stack, images, draw):
    """Its encoder with an output layer, at each learning rate."""
    for rate in problem.rates:
        classifier = AutoencoderClassifier(
            FrozenEstimator(stack),
            batch_size=problem.batch_size,
            learning_rate="cosine",
            learning_rate_init=rate,
            max_iter=problem.training,
            random_state=draw,
        )
        yield {**errors(classifier, images), "rate": rate}


# Support vector machines


def support_vectors(level, problem, images, draw):
    """An RBF SVM of images, destroyed once; C and gamma come from some of them, for time."""
    X, y = images.training
    destroyed = X * (np.random.default_rng(draw).uniform(size=X.shape) >= level)
    some = slice(SVM_ROWS)
    attempts = [
        {
            "valid": svm_error(destroyed[some], y[some], *images.validation, C, gamma),
            "C": C,
            "gamma": gamma,
        }
        for C, gamma in SVM_GRID
    ]
    chosen = best(attempts)
    test = svm_error(destroyed, y, *images.test, chosen["C"], chosen["gamma"])
    return {svm_name(level): {**chosen, "test": test}}


def svm_error(X, y, X_test, y_test, C, gamma):
    """Of a machine whose kernel is computed at once: several times as fast as row by row."""
    machine = SVC(kernel="precomputed", C=C).fit(rbf_kernel(X, gamma=gamma), y)
    return error(machine.score(rbf_kernel(X_test, X, gamma=gamma), y_test))


def probed(images):
    """Linear SVMs."""
    for C in LINEAR_GRID:
        yield {**errors(LinearSVC(dual=False, C=C), images), "C": C}


def pixels(problem, images, draw):
    """A linear SVM on the images."""
    return {probe_name(PIXELS): best(probed(images))}


# Choice


def errors(model, images):
    """Of validation and test, in %, of a model that is fitted to the training images."""
    model.fit(*images.training)
    return {
        "valid": error(model.score(*images.validation)),
        "test": error(model.score(*images.test)),
    }


def error(accuracy):
    return round(100 * (1 - float(accuracy)), 4)


def best(attempts):
    """The first one of those with the lowest validation error."""
    return min(attempts, key=lambda one: one["valid"])


ALL = {
    **{svm_name(level): partial(support_vectors, level) for level in SVM_LEVELS},
    **{
        (name := denoising_name(level)): partial(networks, partial(denoising, level=level), name)
        for level in LEVELS
    },
    DBN: partial(networks, boltzmann, DBN),
    RANDOM: partial(networks, untrained, RANDOM),
    probe_name(PIXELS): pixels,
}
