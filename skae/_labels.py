"""Labels: which are known, and indicator matrices, in which a row has several or none."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import column_or_1d

from skae._engine.data import dense
from skae._missing import is_missing


def is_known(y):
    """Whether labels are neither NaN nor None, which data frames interchange."""
    return np.asarray((y == y) & np.not_equal(y, None), dtype=bool)


def has_label(y, unlabeled):
    """Whether each label, or each cell of an indicator matrix, differs from `unlabeled`."""
    y = dense(y)
    if unlabeled is None:
        return np.ones(y.shape, dtype=bool)
    if unlabeled != unlabeled:  # NaN, which replaces None in data frames
        return is_known(y)
    return np.asarray(y != unlabeled, dtype=bool)


def as_labels(y, warn=False):
    """y as an array with one dimension (two for several columns), or as a CSR matrix.

    Missing objects become None.
    """
    if issparse(y) and y.shape[1] > 1:
        return y.tocsr()
    y = dense(y)
    table = np.asarray(y)
    y = table if table.ndim == 2 and table.shape[1] > 1 else column_or_1d(y, warn=warn)
    return _without_missing(y) if y.dtype == object else y


def _without_missing(y):
    """Labels with None for NaN and for pandas' NA."""
    labels = np.empty(y.shape, dtype=object)
    labels.flat = [None if is_missing(label) else label for label in y.flat]
    return labels


def indicators(y, unlabeled):
    """An indicator matrix as float64, with NaN for `unlabeled`."""
    return np.where(has_label(y, unlabeled), dense(y), np.nan).astype(np.float64, order="C")


def check_indicators(y, unlabeled, all_known=True):
    """Refuse several columns that are not an indicator matrix.

    Parameters
    ----------
    y : ndarray or CSR matrix of shape (n_samples, n_classes)
    unlabeled : object
        The estimator's parameter.
    all_known : bool, default=True
        Whether each class needs a known cell.
    """
    if unlabeled in (0, 1):
        raise ValueError(
            f"unlabeled={unlabeled!r} cannot mark unknown values of an indicator matrix, whose "
            "known values are 0 and 1: mark them by -1 or NaN."
        )
    known, y = has_label(y, unlabeled), dense(y)
    others = y[known & (y != 0) & (y != 1)]
    if len(others):
        raise ValueError(
            f"y has {y.shape[1]} columns and values other than 0 and 1, such as "
            f"{others.tolist()[0]!r}: give one-dimensional labels, or an indicator matrix with a "
            "column of zeros and ones for each class. For several outputs with classes of their "
            "own use sklearn.multioutput.MultiOutputClassifier."
        )
    nowhere = np.flatnonzero(~known.any(axis=0))
    if all_known and len(nowhere):
        raise ValueError(
            f"Columns {nowhere.tolist()} of y are unlabelled in every row: leave these classes out."
        )


def known_classes(estimator, reset):
    """The allowed classes, if training continues or partial_fit got them; otherwise None."""
    begins_anew = reset and estimator.__sklearn_is_fitted__()
    return None if begins_anew else vars(estimator).get("classes_")


def check_among(classes, known):
    """Refuse classes that the continued training does not know."""
    unseen = np.setdiff1d(classes, known)
    if len(unseen):
        raise ValueError(
            f"`y` has classes not in `self.classes_`, {unseen.tolist()}: training continues with "
            f"the earlier classes, {known.tolist()}. Give the first partial_fit all classes, or "
            "call fit without warm_start."
        )
