"""Warnings at the line of the user's code that caused them."""

import sys
import warnings

INSIDE = {"skae", "sklearn", "joblib", "contextlib", "functools"}


def warn(message, category=UserWarning):
    """Warn at the last line outside skae and the packages that fit it, such as a search.

    So it points at the call of `fit`, through any number of methods, layers of a stack or steps of
    a pipeline.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_inside(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_inside(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0] in INSIDE
