"""How well a bottleneck of 2, 4 or 32 numbers keeps a digit: PCA, perceptrons, convolution.

Bottlenecks (2, 1, 1), (4, 1, 1) and (32, 1, 1) behind the same convolutions. Run with `python
docs/benchmarks/bottleneck.py`, which downloads MNIST, or with `--data mnist.npz`, a file with
X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255. A classifier that was
trained on the originals reads the reconstructions of test images. Writes bottleneck.md.
"""

import time

import numpy as np
from _mnist import data_argument, load
from _report import table, write
from sklearn.decomposition import PCA

from skae import Autoencoder, AutoencoderClassifier
from skae.networks import ConvNet

WIDTHS = (2, 4, 32)
BARS = {2: (33.0, 68), 4: (22.5, 87), 32: (5.5, 98)}
TRAINING = {
    "learning_rate": "one_cycle",
    "learning_rate_init": 3e-3,
    "batch_size": 100,
    "max_iter": 10,
    "random_state": 0,
}
NETWORK = ConvNet(image_shape=(1, 28, 28), channels=(16, 32))
CONVOLUTIONAL = "ConvNet 16-32, (128,)"


def reducers(n_components):
    """What is compared, by name."""
    return {
        "PCA": PCA(n_components, random_state=0),
        "perceptron (128,)": Autoencoder(n_components, **TRAINING),
        "perceptron (512, 128)": Autoencoder(
            n_components, hidden_layer_sizes=(512, 128), **TRAINING
        ),
        CONVOLUTIONAL: Autoencoder(n_components, network=NETWORK, **TRAINING),
        "ConvNet 16-32, ()": Autoencoder(
            n_components, hidden_layer_sizes=(), network=NETWORK, **TRAINING
        ),
    }


def reader(images, labels):
    """A classifier of the originals."""
    network = ConvNet(image_shape=(1, 28, 28), channels=(32, 64), kernel_size=5)
    encoder = Autoencoder(128, hidden_layer_sizes=(), code_activation="relu", network=network)
    encoder.set_params(max_iter=1, tol=0.0, learning_rate_init=1e-3)
    return AutoencoderClassifier(encoder, **{**TRAINING, "max_iter": 3}).fit(images, labels)


def measure(reducer, train, test, labels, classifier):
    """Squared error per test image, share of its labels that are still read, seconds."""
    started = time.perf_counter()
    reducer.fit(train)
    seconds = time.perf_counter() - started
    reconstructions = reducer.inverse_transform(reducer.transform(test))
    error = float(np.square(reconstructions - test).sum(axis=1).mean())
    read = 100 * classifier.score(reconstructions.astype(np.float32), labels)
    return error, read, seconds


def main():
    train, labels, test, test_labels = load(data_argument(__doc__).parse_args().data)
    classifier = reader(train, labels)
    of_originals = 100 * classifier.score(test, test_labels)
    print(f"reads {of_originals:.2f}% of the originals", flush=True)
    measured = {}
    for d in WIDTHS:
        for name, reducer in reducers(d).items():
            measured[name, d] = measure(reducer, train, test, test_labels, classifier)
            print(name, d, measured[name, d], flush=True)
    names = list(reducers(2))
    cells = {key: f"{e:.1f} / {read:.1f} %" for key, (e, read, _) in measured.items()}
    rows = [[name, *(cells[name, d] for d in WIDTHS)] for name in names]
    rows.append(["bar", *(f"{e} / {read} %" for e, read in BARS.values())])
    seconds = {n: sum(measured[n, d][2] for d in WIDTHS) for n in names}
    write(
        __file__,
        "# Bottlenecks on MNIST",
        "Squared error per test image, summed over 784 pixels in [0, 1], and how many of 10000 "
        f"reconstructions a convolutional classifier reads that reads {of_originals:.1f} % of the "
        f"originals. 60000 training images, {TRAINING['max_iter']} epochs, one-cycle schedule up "
        f"to {TRAINING['learning_rate_init']}, batches of {TRAINING['batch_size']}, one seed. The "
        "dense layers around the code are in brackets.",
        table(["code", *map(str, WIDTHS)], rows),
        "Seconds of training, all three widths: "
        + ", ".join(f"{name} {s:.0f}" for name, s in seconds.items())
        + ".",
    )


if __name__ == "__main__":
    main()
