"""MNIST, which the benchmarks have in common."""

import argparse

import numpy as np
from sklearn.datasets import fetch_openml


def data_argument(description):
    """A command line with the option --data."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", help="an .npz file with MNIST; default: download it")
    return parser


def load(path):
    """Images in [0, 1] as float32, and labels: train, labels, test, test_labels.

    `path` is a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to
    255; None downloads the same.
    """
    if path is None:
        X, y = fetch_openml("mnist_784", as_frame=False, return_X_y=True)
        train, labels, test, test_labels = X[:60000], y[:60000], X[60000:], y[60000:]
    else:
        with np.load(path) as data:
            names = ("X_train", "y_train", "X_test", "y_test")
            train, labels, test, test_labels = (data[name] for name in names)
    train, test = (x.reshape(len(x), -1).astype(np.float32) / 255 for x in (train, test))
    return train, labels.astype(int), test, test_labels.astype(int)
