"""Five methods, and networks that are not pretrained: each chosen by its validation error."""

from functools import partial
from itertools import product

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neural_network import BernoulliRBM
from sklearn.svm import SVC, LinearSVC

from skae import AutoencoderClassifier, DenoisingAutoencoder, StackedAutoencoder

LEVELS = (0.0, 0.1, 0.25, 0.4)
SVM_ROWS = 5000  # of the training images, to choose C and gamma with
SVM_GRID = tuple(product((1, 10, 100), (0.003, 0.01, 0.03)))
RANDOM, DBN, PROBE, PIXELS = "random", "DBN", "linear SVM", "pixels"
RBM_RATES = (0.02, 0.1)


def denoising_name(level):
    return f"denoising {level:.0%}"


def svm_name(level):
    return f"RBF SVM {level:.0%}"


def probe_name(codes):
    return f"{PROBE}, {codes}"


# Networks


def denoising(problem, level, epochs):
    """A layer of the stack: logistic, tied weights, cross-entropy, as in the papers."""
    return DenoisingAutoencoder(
        corruption="masking" if level else None,
        corruption_level=level,
        tied_weights=True,
        loss="binary_cross_entropy",
        batch_size=problem.batch_size,
        learning_rate="one_cycle",
        learning_rate_init=5e-3,
        max_iter=epochs,
    )


def untrained(problem):
    """The same layer, left where it started."""
    return denoising(problem, 0.0, epochs=1).set_params(learning_rate_init=1e-12)


def pretrain(problem, layer, X, draw):
    """A stack of three such layers, trained one by one."""
    sizes = (problem.width,) * 3
    stack = StackedAutoencoder(sizes, estimator=layer, fine_tune=False, random_state=draw)
    return stack.fit(X)


def classifier(problem, stack, draw):
    """The stack's encoder and an output layer."""
    return AutoencoderClassifier(
        FrozenEstimator(stack),
        batch_size=problem.batch_size,
        learning_rate="cosine",
        max_iter=problem.training,
        random_state=draw,
    )


def networks(layers, name, problem, train, test, draw):
    """The best network, and for some problems the best linear SVM on its first layer's codes.

    `layers(problem)` are what stacks are to be made of, and what is said of the choice.
    """
    attempts, probes, rates = [], [], {"learning_rate_init": problem.rates}
    (X, y), (X_test, y_test) = train, test
    for choice, layer in layers(problem):
        stack = pretrain(problem, layer, X, draw)
        search = choose(classifier(problem, stack, draw), rates, X, y, problem.n_train)
        attempts.append(attempt(search, X_test, y_test, **choice))
        if problem.probed:
            Z, Z_test = (stack.estimators_[0].transform(images) for images in (X, X_test))
            probes.append(attempt(probe(Z, y, problem.n_train), Z_test, y_test, **choice))
    found = {name: best(attempts)}
    return {**found, probe_name(name): best(probes)} if probes else found


def denoising_layers(level, problem):
    for epochs in problem.pretraining:
        yield {"epochs": epochs}, denoising(problem, level, epochs)


def random_layers(problem):
    yield {"epochs": 0}, untrained(problem)


def boltzmann_layers(problem):
    for epochs, rate in product(problem.pretraining, RBM_RATES):
        machine = BernoulliRBM(learning_rate=rate, batch_size=problem.batch_size, n_iter=epochs)
        yield {"epochs": epochs, "rbm_rate": rate}, machine


# Choice


def choose(model, grid, X, y, n_train):
    """The model of the grid with the lowest validation error, fitted to all rows."""
    fold = np.where(np.arange(len(X)) < n_train, -1, 0)
    return GridSearchCV(model, grid, cv=PredefinedSplit(fold)).fit(X, y)


def attempt(search, X_test, y_test, **choice):
    """What was chosen, and its errors in %."""
    return {
        "test": error(search.score(X_test, y_test)),
        "valid": error(search.best_score_),
        **search.best_params_,
        **choice,
    }


def error(accuracy):
    return round(100 * (1 - accuracy), 4)


def best(attempts):
    return min(attempts, key=lambda one: one["valid"])


# Support vector machines


def probe(X, y, n_train):
    """A linear SVM."""
    return choose(LinearSVC(dual=False), {"C": [0.001, 0.01, 0.1, 1.0]}, X, y, n_train)


def pixels(problem, train, test, draw):
    """A linear SVM on the images, of problems where there is one on codes."""
    found = attempt(probe(*train, problem.n_train), *test) if problem.probed else {}
    return {probe_name(PIXELS): found}


def support_vectors(level, problem, train, test, draw):
    """An RBF SVM of images, destroyed once; C and gamma come from some of them, for time."""
    (X, y), n = train, problem.n_train
    destroyed = destroy(X, level, draw)
    some, validation = slice(min(n, SVM_ROWS)), (X[n:], y[n:])
    attempts = [
        {
            "valid": svm_error(destroyed[some], y[some], *validation, C, gamma),
            "C": C,
            "gamma": gamma,
        }
        for C, gamma in SVM_GRID
    ]
    chosen = best(attempts)
    found = svm_error(destroyed, y, *test, chosen["C"], chosen["gamma"])
    return {svm_name(level): {"test": found, **chosen}}


def destroy(X, level, draw):
    """The images with this part of their pixels at 0, those of an image drawn once."""
    return X * (np.random.default_rng(draw).uniform(size=X.shape) >= level)


def svm_error(X, y, X_test, y_test, C, gamma):
    """Of a machine with that kernel, computed at once: several times as fast as row by row."""
    machine = SVC(kernel="precomputed", C=C).fit(rbf_kernel(X, gamma=gamma), y)
    return error(machine.score(rbf_kernel(X_test, X, gamma=gamma), y_test))


ALL = {
    **{svm_name(level): partial(support_vectors, level) for level in LEVELS},
    RANDOM: partial(networks, random_layers, RANDOM),
    **{
        (name := denoising_name(level)): partial(networks, partial(denoising_layers, level), name)
        for level in LEVELS
    },
    DBN: partial(networks, boltzmann_layers, DBN),
    probe_name(PIXELS): pixels,
}
