"""Fine-tuned classifiers against the papers' figures and against scikit-learn's.

Run with `python docs/benchmarks/classifier.py`, which downloads MNIST, or with `--data
mnist.npz`, a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255.
Writes classifier.md.

References: Ng, "UFLDL tutorial", http://deeplearning.stanford.edu (stacked autoencoders: 87.7%
before fine-tuning, 97.6% after); Rifai, Vincent, Muller, Glorot and Bengio, "Contractive
auto-encoders", ICML 2011, table 1.
"""

import time
import warnings

from _mnist import data_argument, load
from _report import table, write
from contractive import N_TRAIN, PAPER, models
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier
from sparse import ng

from skae import AutoencoderClassifier, DenoisingAutoencoder, StackedAutoencoder

FINE_TUNING = {"learning_rate": "cosine", "random_state": 0}
GRID = {
    "autoencoder__estimator__corruption_level": [0.1, 0.3, 0.5],
    "autoencoder__layer_sizes": [(128, 64), (256, 128)],
}


def stacked_sparse(train, labels, test, test_labels):
    """784-200-200-10: accuracy with codes frozen, and fine-tuned."""
    stack = StackedAutoencoder((200, 200), estimator=ng(200, 12), fine_tune=False, random_state=0)
    stack = FrozenEstimator(stack.fit(train))
    settings = {False: {"learning_rate_init": 1e-2, "max_iter": 30}, True: {"max_iter": 20}}
    for fine_tune, how in settings.items():
        model = AutoencoderClassifier(stack, fine_tune=fine_tune, **how, **FINE_TUNING)
        yield model.fit(train, labels).score(test, test_labels)


def contracted(train, labels, test, test_labels):
    """Error of each of the table's five autoencoders, fine-tuned, and CPU seconds of it all."""
    for name, autoencoder in models():
        started = time.process_time()
        model = AutoencoderClassifier(autoencoder, batch_size=50, max_iter=30, **FINE_TUNING)
        error = 1 - model.fit(train, labels).score(test, test_labels)
        print(f"{name}: {error:.2%}", flush=True)
        yield name, error, time.process_time() - started


def classifiers():
    """What to compare on digits; networks of two hidden layers of the same sizes."""
    layer = DenoisingAutoencoder(
        code_activation="relu",
        batch_size=100,
        learning_rate="one_cycle",
        learning_rate_init=3e-3,
        max_iter=50,
    )
    pretrained = AutoencoderClassifier(
        StackedAutoencoder(estimator=layer, fine_tune=False),
        batch_size=100,
        learning_rate_init=5e-3,
        max_iter=60,
        **FINE_TUNING,
    )
    yield "AutoencoderClassifier", GridSearchCV(pretrained, GRID, cv=3)
    sizes = {"hidden_layer_sizes": GRID["autoencoder__layer_sizes"]}
    yield "MLPClassifier", GridSearchCV(MLPClassifier(random_state=0), sizes, cv=3)
    strengths = {"C": [0.01, 0.1, 1.0, 10.0]}
    yield "LogisticRegression", GridSearchCV(LogisticRegression(max_iter=2000), strengths, cv=3)


def digits():
    """Accuracies in five folds; what the grids hold is chosen within each."""
    X, y = load_digits(return_X_y=True)
    for name, search in classifiers():
        with warnings.catch_warnings():  # MLPClassifier's budget of 200 epochs
            warnings.simplefilter("ignore", ConvergenceWarning)
            accuracies = cross_val_score(search, X / 16, y, cv=5)
        print(name, accuracies, flush=True)
        yield name, accuracies


def main(path):
    mnist = load(path)
    train, labels, *test = mnist
    frozen, tuned = stacked_sparse(*mnist)
    fitted = {
        name: measured for name, *measured in contracted(train[:N_TRAIN], labels[:N_TRAIN], *test)
    }
    points = 100 * (fitted["plain"][0] - fitted["contractive"][0])
    accuracies = dict(digits())
    best = accuracies["AutoencoderClassifier"].mean()
    others = max(a.mean() for name, a in accuracies.items() if name != "AutoencoderClassifier")
    header = ["", "measured", "bar"]
    write(
        __file__,
        "# Fine-tuned classifiers",
        "## Stacked sparse autoencoder, 784-200-200-10, MNIST",
        "Layers are those of sparse.md; then the output layer is trained for 30 epochs, or for "
        "20, and all layers for 20 more. Ng's exercise reports 87.7% before fine-tuning and "
        "97.6% after.",
        table(
            header,
            [("frozen", f"{frozen:.2%}", "92%"), ("fine-tuned", f"{tuned:.2%}", "97.6%")],
        ),
        "## Rifai's table 1, fine-tuned",
        f"The models of contractive.md, 784-1000-10, {N_TRAIN} training images (the paper has "
        "50000), 30 epochs of the output layer and 30 of everything, batches of 50.",
        table(
            ["", "error", "CPU seconds", "paper"],
            [(k, f"{e:.2%}", f"{s:.0f}", PAPER[k][2]) for k, (e, s) in fitted.items()],
        ),
        table(header, [("plain minus contractive, points", f"{points:.2f}", "at least 0.3")]),
        "## Digits",
        "Five folds (of the rows in their order, so with different writers); corruption and "
        "widths, or C, are chosen in three folds within each. MLPClassifier has the same widths "
        "to choose from.",
        table(
            ["", "accuracy", "folds"],
            [
                (name, f"{a.mean():.4f}", " ".join(f"{fold:.3f}" for fold in a))
                for name, a in accuracies.items()
            ],
        ),
        table(header, [("better than the best other by", f"{best - others:+.4f}", "> 0")]),
    )


if __name__ == "__main__":
    main(data_argument(__doc__).parse_args().data)
