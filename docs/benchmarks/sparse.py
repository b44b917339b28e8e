"""Sparse codes: what the penalties reach, what the codes are worth, sparse X.

Run with `python docs/benchmarks/sparse.py`, which downloads MNIST, or with `--data mnist.npz`, a
file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255. Writes sparse.md.

References: Ng, "Sparse autoencoder", CS294A lecture notes, 2011, and its exercises at
http://deeplearning.stanford.edu (self-taught learning 98.3%, stacked 87.7% before fine-tuning);
Makhzani and Frey, "k-sparse autoencoders", ICLR 2014 (1.35% error).
"""

import json
import resource
import subprocess
import sys
import time

import numpy as np
from _mnist import data_argument, load
from _report import table, write
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skae import Autoencoder, SparseAutoencoder, StackedAutoencoder

STRENGTHS = (0.01, 0.03, 0.1, 0.3)  # C, for codes of standard deviation 1
N_ROWS, N_COLUMNS, N_FILLED = 200000, 20000, 20  # the sparse X; filled per row


def softmax_error(train, labels, test, test_labels, C=None):
    """Test error of LogisticRegression, and its C, by default chosen on held-out training rows."""
    scale = train.std()  # of all codes at once: C means the same for each kind of them
    train, test = train / scale, test / scale
    C = choose_strength(train, labels) if C is None else C
    softmax = LogisticRegression(C=C, max_iter=1000).fit(train, labels)
    return 1 - softmax.score(test, test_labels), C


def choose_strength(train, labels):
    """The C that is best on a sixth of the rows."""
    held_out, rest = np.split(np.random.default_rng(0).permutation(len(train)), [len(train) // 6])
    softmax = LogisticRegression(max_iter=1000, warm_start=True)
    scores = {}
    for C in STRENGTHS:  # from strong penalties to weak ones, each from the last one's weights
        softmax.set_params(C=C).fit(train[rest], labels[rest])
        scores[C] = softmax.score(train[held_out], labels[held_out])
    return max(scores, key=scores.get)


def defaults(images):
    """What "kl" and "l1" reach where nothing is set but the epochs."""
    digits = load_digits().data / 16
    for name, X, epochs, floor in (
        ("digits, 100 epochs", digits, 100, 0.70),
        ("20000 images of MNIST, 50 epochs", images[:20000], 50, 0.82),
    ):
        kl = SparseAutoencoder(max_iter=epochs, random_state=0).fit(X)
        off = np.abs(kl.mean_activation_ - kl.target_activation).mean()
        yield f"KL, {name}: mean of abs(rho_j - rho)", f"{off:.4f}", "below 0.01"
        yield f"KL, {name}: explained variance", f"{kl.score(X):.3f}", f"at least {floor:.2f}"
        l1 = SparseAutoencoder(sparsity="l1", max_iter=epochs, random_state=0).fit(X)
        dead = len(l1.dead_components_) / l1.n_components_
        yield f"L1, {name}: dead components", f"{dead:.0%}", "under 25%"
        yield f"L1, {name}: explained variance", f"{l1.score(X):.3f}", "at least 0.90"


def ng(n_components, max_iter):
    """Ng's sparse autoencoder for digits: rho 0.1, weight decay 3e-3 * ||W||^2."""
    return SparseAutoencoder(
        n_components,
        target_activation=0.1,
        sparsity_weight=6.0,
        alpha=6e-3,
        learning_rate_init=5e-3,
        max_iter=max_iter,
        random_state=0,
    )


def self_taught(train, labels):
    """Codes learnt on 5 to 9, a softmax of them on half of 0 to 4, tested on the others."""
    X, y = train[labels < 5], labels[labels < 5]
    half = len(X) // 2
    raw, _ = softmax_error(X[:half], y[:half], X[half:], y[half:])
    codes = ng(200, 25).fit(train[labels >= 5]).transform(X)
    error, _ = softmax_error(codes[:half], y[:half], codes[half:], y[half:])
    yield "accuracy on pixels", f"{1 - raw:.2%}", ""
    bar = "at least 98.0% and above pixels"
    yield "accuracy on codes of 200 units", f"{1 - error:.2%}", bar


def stacked(train, labels, test, test_labels):
    """784-200-200, frozen, and a softmax."""
    stack = StackedAutoencoder((200, 200), estimator=ng(200, 12), fine_tune=False, random_state=0)
    codes = stack.fit_transform(train)
    error, _ = softmax_error(codes, labels, stack.transform(test), test_labels)
    yield "accuracy on codes of the second layer", f"{1 - error:.2%}", "at least 92%"


def k_sparse(train, labels, test, test_labels):
    """Makhzani's 1000 units of which 25 are active, then 70 of them; C is chosen for 25."""
    sparse = SparseAutoencoder(
        1000,
        sparsity="topk",
        n_active=25,
        tied_weights=True,
        learning_rate="cosine",
        learning_rate_init=5e-3,
        batch_size=100,
        max_iter=12,
        random_state=0,
        verbose=True,
    ).fit(train)
    C = None
    for n_active, bar in ((25, "at most 2.3%"), (70, "")):
        codes = sparse.set_params(n_active=n_active).transform(train)
        test_codes = sparse.transform(test)
        error, C = softmax_error(codes, labels, test_codes, test_labels, C)
        yield f"error of codes with {n_active} active, C={C:g}", f"{error:.2%}", bar
    yield "dead components of 1000", len(sparse.dead_components_), ""
    yield "explained variance", f"{sparse.set_params(n_active=25).score(test):.3f}", ""


def counts():
    """A CSR matrix of word counts."""
    rng = np.random.default_rng(0)
    indices = rng.integers(0, N_COLUMNS, N_ROWS * N_FILLED, dtype=np.int32)
    values = rng.geometric(0.5, N_ROWS * N_FILLED).astype(np.float32)
    X = csr_matrix((values, indices, np.arange(0, len(indices) + 1, N_FILLED)), (N_ROWS, N_COLUMNS))
    X.sum_duplicates()
    return X


def fit_counts():
    """One epoch over `counts`; prints what it took, as JSON."""
    X, loss = counts(), "categorical_cross_entropy"
    started = time.process_time()
    Autoencoder(32, hidden_layer_sizes=(), loss=loss, max_iter=1, random_state=0).fit(X)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    filled = X.nnz / N_ROWS / N_COLUMNS
    print(json.dumps({"GiB": peak, "filled": filled, "seconds": seconds}))


def sparse_input():
    """`fit_counts` in a process of its own, whose memory is its own."""
    command = [sys.executable, __file__, "--fit-counts"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    measured = json.loads(printed)
    yield "filled", f"{measured['filled']:.2%}", ""
    yield "peak memory of the process, GiB", f"{measured['GiB']:.2f}", "under 2"
    yield "the same dense, GiB", f"{N_ROWS * N_COLUMNS * 4 / 2**30:.1f}", ""
    yield "CPU seconds", f"{measured['seconds']:.0f}", ""


def main():
    parser = data_argument(__doc__)
    parser.add_argument("--fit-counts", action="store_true", help="only fit the sparse X")
    arguments = parser.parse_args()
    if arguments.fit_counts:
        return fit_counts()
    # First: a process starts with the peak of the one that it was forked from.
    of_sparse_input = list(sparse_input())
    mnist = load(arguments.data)
    header = ["", "measured", "bar"]
    write(
        __file__,
        "# Sparse codes",
        "## At the defaults",
        "128 components; digits / 16 and MNIST / 255. Explained variance is that of the training "
        "rows: even a dead code has mean activations near the target.",
        table(header, defaults(mnist[0])),
        "## Self-taught learning",
        "Codes learnt on digits 5 to 9 of MNIST's training images, LogisticRegression of them on "
        "half of digits 0 to 4. Rho 0.1, weight 6, alpha=6e-3, 25 epochs. C is chosen on a sixth "
        "of the rows to learn from, here and below. Ng's exercise reports 98.3%.",
        table(header, self_taught(*mnist[:2])),
        "## Stacked, 784-200-200, frozen",
        "The same layers on 60000 images, 12 epochs each, then LogisticRegression. Ng's exercise "
        "reports 87.7% before fine-tuning (classifier.md has it fine-tuned).",
        table(header, stacked(*mnist)),
        "## k-sparse, 25 of 1000",
        "60000 images, tied weights, LogisticRegression on the codes. Step size and epochs were "
        "chosen on 10000 of the training images; one seed. The paper reports 1.35%.",
        table(header, k_sparse(*mnist)),
        "## Sparse X",
        f"{N_ROWS} x {N_COLUMNS} CSR in float32, Autoencoder(32, hidden_layer_sizes=()), "
        "categorical_cross_entropy, one epoch.",
        table(header, of_sparse_input),
    )


if __name__ == "__main__":
    main()
