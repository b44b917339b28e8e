"""What X is if it is not a table of numbers, and what to pass instead, for errors."""

from collections.abc import Mapping, Sequence
from os import PathLike

import numpy as np
from sklearn.utils import Bunch

from skae._missing import is_missing

NUMBERS = frozenset("biuf")  # kinds of NumPy's dtypes
PART_BY_PART = (
    "pass one part after the other to partial_fit; or, for several epochs, write all rows to a "
    "file once, with numpy.lib.format.open_memmap, and pass its memory map to fit"
)
OF_COMPLEX = "complex numbers. Pass their real and imaginary parts as columns of their own."


def note_on_kind(X):
    """A note on what X is and what to pass instead; None if X may be a table."""
    if X is None:
        return "X is None: pass the rows."
    if isinstance(X, Bunch):
        return "This is a data set with a description: pass its rows, X.data."
    if is_records(X):
        return "Pass a data frame with these columns, such as pandas.DataFrame(X)."
    if isinstance(X, str | PathLike):
        return "This is a text, or the name of a file: read it first, as with pandas.read_csv(X)."
    if getattr(getattr(X, "dtype", None), "kind", None) == "c":
        return f"X holds {OF_COMPLEX}"
    return _note_on_parts(X) or _note_on_elements(X)


def is_records(X):
    """Whether X is a dict of columns, a structured array, or a list of dicts, one for each row."""
    if isinstance(X, Mapping) or getattr(getattr(X, "dtype", None), "names", None):
        return True
    return isinstance(X, Sequence) and len(X) > 0 and isinstance(X[0], Mapping)


def _note_on_parts(X):
    if getattr(X, "ndim", 2) > 2:
        return (
            "Every sample must be a row, even if it is an image: pass X.reshape(len(X), -1). "
            "For convolutions, pass the shape of the images as "
            "network=ConvNet(image_shape=...)."
        )
    if not isinstance(X, Sequence) or not len(X) or getattr(X[0], "ndim", 0) != 2:
        return None
    if len(X) == 2 and getattr(X[1], "ndim", 0) == 1:
        return "This is a pair (X, y): pass its two parts as two arguments."
    return (
        f"This list of {len(X)} arrays is not an array of rows: join them with np.concatenate, "
        f"or {PART_BY_PART}."
    )


def _note_on_elements(X):
    """A note on a column of texts, or of arrays."""
    elements = _elements(X)
    known = (element for element in elements if np.ndim(element) or not is_missing(element))
    first = next(known, None)
    if isinstance(first, str | bytes):
        return (
            f"This {type(X).__name__} holds texts, such as {first!r}, one for each row. If they "
            "are categories, pass a data frame with this column; if not, make numbers of them "
            "first, for example with scikit-learn's TfidfVectorizer."
        )
    if not isinstance(first, Sequence | np.ndarray):
        return None
    lengths = {len(element) if isinstance(element, type(first)) else 0 for element in elements}
    if len(lengths) == 1:
        return "Every element of X is an array of its own: pass np.stack(X)."
    return f"The rows have different lengths, {min(lengths)} to {max(lengths)}: make them equal."


def _elements(X):
    """The elements of what has one dimension and is not numeric; an empty list otherwise."""
    kind = getattr(getattr(X, "dtype", None), "kind", "O")
    if len(getattr(X, "shape", "1")) != 1 or kind in NUMBERS:
        return []
    try:
        elements = np.asarray(X, dtype=object)
    except (TypeError, ValueError):
        return []
    return list(elements) if elements.ndim == 1 else []
