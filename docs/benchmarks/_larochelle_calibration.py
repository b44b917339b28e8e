"""How hard pictures make a problem for a support vector machine: what was calibrated by it."""

import numpy as np
from _larochelle_methods import svm_error
from _larochelle_pictures import pictures, pictures_as_they_are
from _larochelle_problems import RECTANGLES_OF_PICTURES

from skae.datasets import add_picture_background, fill_with_pictures, make_rectangles

CALIBRATION = "calibration"
C, GAMMA = 10, 0.01


def calibration(problem, digits, draw):
    """Test errors of an RBF SVM, in %; the digits have nothing behind them yet."""
    n_training = len(digits.training.X)
    parts = digits.training, digits.test
    X, labels = (np.concatenate(tables) for tables in zip(*parts, strict=True))

    def error_of_digits(chosen, **settings):
        behind = add_picture_background(X, chosen, **settings, random_state=draw)
        return svm_error_of_split(behind, labels, n_training)

    shapes, kinds = make_rectangles(len(X), **RECTANGLES_OF_PICTURES, random_state=draw)
    halved, full = pictures(), [picture / 255 for picture in pictures_as_they_are()]
    filled = fill_with_pictures(shapes.astype(X.dtype), halved, random_state=draw)
    found = {
        "digits": error_of_digits(halved),
        "digits, min_std=0.15": error_of_digits(halved, min_std=0.15),
        "digits, pictures as they are": error_of_digits(full),
        "rectangles": svm_error_of_split(filled, kinds, n_training),
    }
    return {CALIBRATION: found}


def svm_error_of_split(X, y, n_training):
    rows, others = slice(n_training), slice(n_training, None)
    return svm_error(X[rows], y[rows], X[others], y[others], C, GAMMA)
