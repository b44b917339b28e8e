"""A deep autoencoder on MNIST, 784-1000-500-250-30, against PCA with 30 components.

The network of Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural
networks", Science 313, 2006, https://doi.org/10.1126/science.1127647, here without any
pretraining. Run with `python docs/benchmarks/mnist_deep.py`, which downloads MNIST, or with
`--data mnist.npz`, a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0
to 255. Writes mnist_deep.md.
"""

import time

import numpy as np
from _mnist import data_argument, load
from _report import table, write
from sklearn.decomposition import PCA

from skae import Autoencoder

MAX_ITER = 20


def error(reducer, X):
    """Squared error per image, summed over pixels."""
    return float(np.square(reducer.inverse_transform(reducer.transform(X)) - X).sum(axis=1).mean())


def main():
    train, _, test, _ = load(data_argument(__doc__).parse_args().data)
    reducers = {
        "PCA(30)": PCA(30),
        "Autoencoder, 784-1000-500-250-30": Autoencoder(
            30,
            hidden_layer_sizes=(1000, 500, 250),
            activation="elu",
            loss="binary_cross_entropy",
            learning_rate="one_cycle",
            learning_rate_init=2e-3,
            batch_size=128,
            max_iter=MAX_ITER,
            random_state=0,
            verbose=True,
        ),
    }
    rows = []
    for name, reducer in reducers.items():
        started = time.perf_counter()
        reducer.fit(train)
        seconds = time.perf_counter() - started
        rows.append(
            [name, f"{error(reducer, train):.3f}", f"{error(reducer, test):.3f}", f"{seconds:.0f}"]
        )
    write(
        __file__,
        "# A deep autoencoder on MNIST",
        "Squared error per image (sum over 784 pixels in [0, 1]) with 30 components; 60000 "
        "training and 10000 test images; elu units, logistic outputs and cross-entropy as in the "
        f"paper, one-cycle schedule, {MAX_ITER} epochs, no pretraining. Hinton and Salakhutdinov "
        "(2006) report 13.87 for PCA and 3.00 for this network after pretraining and fine-tuning.",
        table(["", "training error", "test error", "seconds"], rows),
    )


if __name__ == "__main__":
    main()
