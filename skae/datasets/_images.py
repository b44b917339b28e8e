"""Checks of images in rows of pixels, for `skae.datasets`."""

import numpy as np
from sklearn.utils import check_array


def check_rows(X):
    """X as an array of floats; float32 is kept."""
    return check_array(X, dtype=[np.float64, np.float32], input_name="X")


def check_grey_rows(X, whose):
    """X with grey values in [0, 1], likewise; `whose` is the function that needs them."""
    X = check_rows(X)
    low, high = X.min(), X.max()
    if low < 0 or high > 1:
        raise ValueError(
            f"{whose} needs X in [0, 1], but found values from {low} to {high}. "
            "Divide grey values by their maximum, such as 255."
        )
    return X


def side_of(X):
    """Width and height of the square images in X, in pixels."""
    side = round(np.sqrt(X.shape[1]))
    if side * side != X.shape[1]:
        raise ValueError(
            f"X has {X.shape[1]} features, which is not the number of pixels of a square image; "
            f"{side} x {side} pixels are {side * side}."
        )
    return side
