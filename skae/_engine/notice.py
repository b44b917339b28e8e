"""Warnings at the line of the user's code that caused them."""

import sys
import warnings
from contextlib import contextmanager
from contextvars import ContextVar

INSIDE = {"skae", "sklearn", "joblib", "contextlib", "functools"}
_is_silent = ContextVar("is_silent", default=False)


@contextmanager
def silence():
    """A context without skae's warnings, in this thread alone.

    `warnings.catch_warnings` changes the filters of the whole process: of two threads that leave it
    in the order in which they came, the second one restores those of the first, for good.
    """
    token = _is_silent.set(True)
    try:
        yield
    finally:
        _is_silent.reset(token)


def warn(message, category=UserWarning):
    """Warn at the last line outside skae and the packages that fit it, such as a search.

    So it points at the call of `fit`, through any number of methods, layers of a stack or steps of
    a pipeline.
    """
    if _is_silent.get():
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_inside(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_inside(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0] in INSIDE
