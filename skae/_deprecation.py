"""Deprecation of public names: a FutureWarning throughout one minor release, then removal."""

import inspect
import warnings
from collections.abc import Callable
from typing import TypeVar

from sklearn import utils

DEPRECATED = "deprecated"  # default of a renamed parameter, as in scikit-learn
Thing = TypeVar("Thing")


def removal(since):
    """The minor version, such as "0.3", without a name deprecated since `since`."""
    major, minor = since.split(".")
    return f"{major}.{int(minor) + 1}"


def deprecated(*, since, instead) -> Callable[[Thing], Thing]:
    """A function, method, property or class that warns when it is used, and names the replacement.

    `since` is the first minor version that warns, such as "0.2". With a property, it goes above
    `@property`.
    """

    def mark(thing):
        name = getattr(thing, "fget", thing).__name__
        return utils.deprecated(_sentence(name, since, instead))(thing)

    return mark


def renamed_parameter(estimator, old, new, *, since):
    """The value of parameter `new`, or of `old`, its former name, which warns if it is set.

    The constructor keeps `old="deprecated"` until its removal. Setting both raises
    ValueError.
    """
    value = getattr(estimator, old)
    if isinstance(value, str) and value == DEPRECATED:
        return getattr(estimator, new)
    if not _has_default(estimator, new):
        raise ValueError(f"{old} is an older name of {new}, and both are set. Set only {new}.")
    warnings.warn(_sentence(old, since, f"`{new}`"), FutureWarning, stacklevel=2)
    return value


def _sentence(name, since, instead):
    gone = removal(since)
    return (
        f"`{name}` is deprecated since skae {since} and will be removed in {gone}. Use {instead} "
        "instead."
    )


def _has_default(estimator, name):
    return getattr(estimator, name) is inspect.signature(type(estimator)).parameters[name].default
