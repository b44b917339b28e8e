"""The current part of a fit, which `verbose` prints before the numbers."""

from contextlib import contextmanager
from contextvars import ContextVar

_phases = ContextVar("phases", default=())


@contextmanager
def phase(name):
    """A context for a part of a fit; parts may be nested."""
    token = _phases.set((*_phases.get(), name))
    try:
        yield
    finally:
        _phases.reset(token)


def say(estimator, line):
    """Print a line about an estimator's training, with the phase, if the fit has several."""
    phases = ", ".join(_phases.get())
    print(f"[{type(estimator).__name__}] {phases}{': ' * bool(phases)}{line}")
