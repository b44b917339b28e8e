"""Values that displays read from estimators and data."""

from math import isqrt, prod
from numbers import Integral

import numpy as np
from sklearn.utils import check_array

from skae._compat import Interval, StrOptions
from skae._engine.data import dense
from skae._hints import hinted
from skae._pipelines import steps_of

LEAST_SIDE = 5  # of a square image, if nobody specified its shape
IMAGE_SHAPE = {"image_shape": ["array-like", StrOptions({"auto"}), None]}
COUNT = [Interval(Integral, 1, None, closed="left")]


def last_step(estimator):
    """The estimator itself, or the last step of a pipeline or search."""
    return (steps_of(estimator) or [estimator])[-1]


def as_numbers(X):
    """X, or codes, as an array of floats; NaN is a missing value."""
    options = {"ensure_all_finite": "allow-nan", "input_name": "X"}
    return hinted(check_array, dense(X), dtype=[np.float64, np.float32], **options)


def names_of_columns(estimator):
    """Column names of X or, for an encoder of tables, of the matrix; None without names."""
    table = getattr(last_step(estimator), "table_", None)
    if table is not None:
        return table.get_feature_names_out()
    return getattr(estimator, "feature_names_in_", None)


def find_image_shape(image_shape, steps, n_features):
    """The shape that 'auto' stands for; ValueError for a shape that rows cannot have."""
    if isinstance(image_shape, str):
        return _own_image_shape(steps, n_features)
    if image_shape is None:
        return None
    shape = tuple(image_shape)
    if len(shape) not in (2, 3) or n_features % prod(shape[-2:]):
        raise ValueError(
            f"image_shape={shape} must be (height, width) or (channels, height, width), and the "
            f"{n_features} numbers of a row must be a multiple of height * width."
        )
    return shape


def _own_image_shape(steps, n_features):
    """The image shape of a network, or a square; None if there is neither."""
    if any(hasattr(step, "table_") for step in steps):
        return None
    for step in steps:
        shape = getattr(getattr(_first_layers(step), "network", None), "image_shape", None)
        if shape is not None and n_features % prod(shape[-2:]) == 0:
            return tuple(shape)
    side = isqrt(n_features)
    return (side, side) if side * side == n_features and side >= LEAST_SIDE else None


def _first_layers(step):
    """The autoencoder whose parameters describe the layers next to the data."""
    step = getattr(step, "autoencoder_", step)
    return getattr(step, "estimators_", [step])[0]
