"""A table of Vincent's, anew: what pretraining is worth on five problems of images.

Run with `python docs/benchmarks/larochelle.py`, which downloads MNIST, or with `--data
mnist.npz`, a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255.
Names of problems after it run those alone. Keeps what it measures in larochelle.json, so that it
goes on where it was interrupted (remove the file to begin anew), and writes larochelle.md from it.

References: Larochelle, Erhan, Courville, Bergstra and Bengio, "An empirical evaluation of deep
architectures on problems with many factors of variation", ICML 2007; Vincent, Larochelle, Bengio
and Manzagol, "Extracting and composing robust features with denoising autoencoders", ICML 2008;
Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders", JMLR 11, 2010.
"""

import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _mnist import data_argument, load
from _report import table, write
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.svm import SVC, LinearSVC

from skae import AutoencoderClassifier, DenoisingAutoencoder, StackedAutoencoder
from skae.datasets import (
    add_random_background,
    make_convex_shapes,
    make_rectangles,
    rotate_images,
)

RESULTS = Path(__file__).with_suffix(".json")
N_DRAWS, N_TEST = 3, 10000
LEVELS = (0.0, 0.1, 0.25, 0.4)
SVM_ROWS = 3000  # of the training images, to choose C and gamma with
SVM_GRID = {"C": [1, 10, 100], "gamma": [0.003, 0.01, 0.03]}
SVM, RANDOM, PROBE, CHOSEN = "RBF SVM", "random", "linear SVM", "denoising, level chosen"


class Problem(NamedTuple):
    """A set of images, and how networks are trained on it."""

    n_train: int  # and n_validation: the networks see the images of both, unlabelled, before
    n_validation: int
    width: int
    batch_size: int
    pretraining: tuple  # epochs of a layer, to choose from
    training: int  # epochs of the output layer, and of everything
    rates: tuple  # learning rates of that, to choose from
    paper: tuple  # error of the SVM, stacked plain and stacked denoising, %
    probed: bool = False  # whether a linear SVM is put on the first layer's codes, too


PROBLEMS = {
    "rect": Problem(
        1000, 200, 500, 20, (30, 100), 60, (1e-3, 3e-3), ("2.15", "2.41", "1.99 (10%)"), True
    ),
    "convex": Problem(
        6000, 2000, 500, 100, (30,), 20, (3e-3, 1e-2), ("19.13", "18.41", "19.06 (10%)")
    ),
    "basic": Problem(
        10000, 2000, 500, 100, (30,), 20, (3e-3, 1e-2), ("3.03", "3.46", "2.80 (10%)")
    ),
    "rot": Problem(
        10000, 2000, 1000, 100, (30,), 20, (1e-3, 3e-3), ("11.11", "10.30", "10.29 (10%)")
    ),
    "bg-rand": Problem(
        10000, 2000, 500, 100, (30,), 20, (3e-3, 1e-2), ("14.58", "11.28", "10.38 (40%)")
    ),
}


def draw_images(name, draw, mnist):
    """Images and labels of a problem: training, validation and test, one after the other."""
    problem = PROBLEMS[name]
    n = problem.n_train + problem.n_validation + N_TEST
    if name == "rect":
        X, y = make_rectangles(n, random_state=draw)
    elif name == "convex":
        X, y = make_convex_shapes(n, random_state=draw)
    else:
        X, y = (table[np.random.default_rng(draw).permutation(len(table))[:n]] for table in mnist)
    if name == "rot":
        X = rotate_images(X, random_state=draw)
    if name == "bg-rand":
        X = add_random_background(X, random_state=draw)
    return X.astype(np.float32), y


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


def choose(model, grid, X, y, n_train):
    """The model of the grid with the lowest validation error, fitted to all rows."""
    fold = np.where(np.arange(len(X)) < n_train, -1, 0)
    return GridSearchCV(model, grid, cv=PredefinedSplit(fold)).fit(X, y)


def classifier(problem, stack, draw):
    """The stack's encoder and an output layer."""
    return AutoencoderClassifier(
        FrozenEstimator(stack),
        batch_size=problem.batch_size,
        learning_rate="cosine",
        max_iter=problem.training,
        random_state=draw,
    )


def stacks(problem, level, X, draw):
    """Stacks to choose from, by epochs of pretraining; level None: one that is untrained."""
    if level is None:
        yield 0, pretrain(problem, untrained(problem), X, draw)
        return
    for epochs in problem.pretraining:
        yield epochs, pretrain(problem, denoising(problem, level, epochs), X, draw)


def attempt(search, X_test, y_test, **choice):
    """What was chosen, and its errors in %."""
    return {
        "test": 100 * (1 - search.score(X_test, y_test)),
        "valid": 100 * (1 - search.best_score_),
        **search.best_params_,
        **choice,
    }


def best(attempts):
    return min(attempts, key=lambda one: one["valid"])


def networks(problem, level, train, test, draw):
    """Attempts with each length of pretraining: networks, and linear SVMs on first codes."""
    attempts, probes, rates = [], [], {"learning_rate_init": problem.rates}
    (X, y), (X_test, y_test) = train, test
    for epochs, stack in stacks(problem, level, X, draw):
        search = choose(classifier(problem, stack, draw), rates, X, y, problem.n_train)
        attempts.append(attempt(search, X_test, y_test, epochs=epochs))
        if problem.probed:
            Z, Z_test = (stack.estimators_[0].transform(images) for images in (X, X_test))
            search = probe(Z, y, problem.n_train)
            probes.append(attempt(search, Z_test, y_test, epochs=epochs))
    return attempts, probes


def probe(X, y, n_train):
    """A linear SVM."""
    return choose(LinearSVC(dual=False), {"C": [0.001, 0.01, 0.1, 1.0]}, X, y, n_train)


def support_vectors(X, y, n_train):
    """An RBF SVM; C and gamma are chosen with some of the training images, for time."""
    n_some = min(n_train, SVM_ROWS)
    some = np.r_[:n_some, n_train : len(X)]
    search = choose(SVC(), SVM_GRID, X[some], y[some], n_some)
    search.best_estimator_.fit(X, y)
    return search


def measure(name, draw, mnist):
    """All methods on one draw; those that have been measured before are left out."""
    problem = PROBLEMS[name]
    X, y = draw_images(name, draw, mnist)
    train, test = (X[:-N_TEST], y[:-N_TEST]), (X[-N_TEST:], y[-N_TEST:])
    done = results().get(name, {}).get(str(draw), {})
    for level in (None, *LEVELS):
        method = method_name(level)
        if method not in done:
            attempts, probes = networks(problem, level, train, test, draw)
            keep(name, draw, method, attempts)
            keep(name, draw, f"{PROBE}, {method}", probes)
    pixels = f"{PROBE}, pixels"
    if problem.probed and pixels not in done:
        keep(name, draw, pixels, [attempt(probe(*train, problem.n_train), *test)])
    if SVM not in done:
        keep(name, draw, SVM, [attempt(support_vectors(*train, problem.n_train), *test)])


def method_name(level):
    return RANDOM if level is None else f"denoising {level:.0%}"


def results():
    """What has been measured: problem, draw, method, attempt."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def keep(name, draw, method, attempts):
    """Add the best attempt, if there are any, to the file of results."""
    if attempts:
        known = results()
        known.setdefault(name, {}).setdefault(str(draw), {})[method] = best(attempts)
        RESULTS.write_text(json.dumps(known, indent=1) + "\n")
        print(name, draw, method, best(attempts), f"{time.process_time():.0f} s", flush=True)


def test_errors(results, name, method):
    """One for each draw."""
    return np.array([measured[method]["test"] for measured in results[name].values()])


def chosen(measured):
    """The denoising attempt with the lowest validation error."""
    return best([measured[method_name(level)] for level in LEVELS[1:]])


def with_chosen(results):
    """The same results with a method more: denoising at the level that validation chooses."""
    return {
        name: {draw: {**measured, CHOSEN: chosen(measured)} for draw, measured in draws.items()}
        for name, draws in results.items()
    }


def rows(results):
    methods = [SVM, RANDOM, *map(method_name, LEVELS), CHOSEN]
    for method in methods:
        errors = [test_errors(results, name, method) for name in results]
        yield method, *(f"{e.mean():.2f} ({e.min():.2f} to {e.max():.2f})" for e in errors)
    for number, what in enumerate(("SVM", "stacked plain", "stacked denoising")):
        yield f"paper: {what}", *(PROBLEMS[name].paper[number] for name in results)


def probes(results):
    for codes in ("pixels", RANDOM, *map(method_name, LEVELS)):
        method = f"{PROBE}, {codes}"
        yield codes, *(f"{error:.2f}" for error in test_errors(results, "rect", method))


def bars(results):
    plain, quarter, most = method_name(0.0), method_name(0.25), method_name(0.4)

    def errors(name, *methods):
        return [test_errors(results, name, method) for method in methods]

    if "rect" in results:
        a, b, c = errors("rect", quarter, plain, RANDOM)
        yield "rect: 25% < plain < random", f"{np.sum((a < b) & (b < c))} of {len(a)}", "each draw"
        yield "rect: plain's errors as a part of random's", f"{np.mean(b / c):.2f}", "<< 1"
        yield "rect: 25% / plain, mean", f"{np.mean(a / b):.2f}", "at most 0.95 (paper 0.83)"
        codes, pixels = errors("rect", f"{PROBE}, {quarter}", f"{PROBE}, pixels")
        yield "rect: linear SVM on codes of 25%, mean", f"{codes.mean():.2f}", "below 12"
        yield "rect: linear SVM on pixels, mean", f"{pixels.mean():.2f}", "about 30"
    if "rot" in results:
        a, b = errors("rot", CHOSEN, plain)
        yield "rot: denoising below plain", f"{np.sum(a < b)} of {len(a)}", "each draw"
        yield "rot: denoising, mean", f"{a.mean():.2f}", "below 10.3"
    if "basic" in results:
        (a,) = errors("basic", CHOSEN)
        yield "basic: denoising, mean", f"{a.mean():.2f}", "at most 3.0 (paper 2.80)"
    if "bg-rand" in results:
        a, b = errors("bg-rand", most, plain)
        yield "bg-rand: 40% below plain by, mean", f"{1 - np.mean(a / b):.0%}", "at least 5%"


def is_complete(draws):
    """Whether all networks and the SVM have been measured in all draws."""
    methods = {SVM, RANDOM, *map(method_name, LEVELS)}
    return len(draws) == N_DRAWS and all(methods <= measured.keys() for measured in draws.values())


def write_report(known):
    results = with_chosen({k: known[k] for k in PROBLEMS if k in known and is_complete(known[k])})
    recipe = table(
        ["", "images", "validation", "network", "batch", "epochs of a layer", "of the rest"],
        [
            (
                name,
                p.n_train,
                p.n_validation,
                f"3 x {p.width}",
                p.batch_size,
                " or ".join(map(str, p.pretraining)),
                f"{p.training} + {p.training}",
            )
            for name, p in PROBLEMS.items()
            if name in results
        ],
    )
    write(
        __file__,
        "# Larochelle's problems",
        f"Test errors in %, of {N_TEST} images: mean and range of {N_DRAWS} draws of all images. "
        "Shapes, and digits out of all 70000 of MNIST, come from skae.datasets. The paper's sets "
        "are others, made alike, and its widths, epochs and step sizes were chosen from larger "
        "grids: compare orders and ratios.",
        table(["", *results], rows(results)),
        table(["", "measured", "bar"], bars(results)),
        "A linear SVM on the first layer's codes, rect, draw by draw:",
        table(["codes", *map(str, range(N_DRAWS))], probes(results)),
        "## Recipe",
        "Layers: logistic, tied weights, cross-entropy, masking noise, Adam, one-cycle up to 5e-3. "
        "Then the output layer alone and everything together, each at a rate that falls as a "
        "cosine from one of two. Rates, epochs of a layer where there are two, C and gamma of the "
        f"SVMs (these with at most {SVM_ROWS} training images) have the lowest validation error; "
        "then classifiers are fitted to the images of training and validation together, on whose "
        "images, without labels, the layers have been trained. 'random' is the same network "
        "without that.",
        recipe,
    )


if __name__ == "__main__":
    parser = data_argument(__doc__)
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    arguments = parser.parse_args()
    train, labels, test, test_labels = load(arguments.data)
    mnist = np.concatenate([train, test]), np.concatenate([labels, test_labels])
    for name in arguments.problems:
        for draw in range(N_DRAWS):
            measure(name, draw, mnist)
    write_report(results())
