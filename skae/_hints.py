"""Additions to scikit-learn's error messages: the likely mistake, and what helps."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from copy import copy
from functools import partial, update_wrapper
from types import CellType, FunctionType
from typing import Self

import numpy as np
from scipy.sparse import issparse
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from skae._compat import InvalidParameterError, safe_indexing
from skae._engine.shards import own
from skae._missing import is_missing
from skae._other_inputs import NUMBERS, OF_COMPLEX, PART_BY_PART, note_on_kind
from skae._words import note_on_parameter

FEW = 5  # maximum of columns or labels in an error
ARRAYS = ("shape", "__array__", "__array_interface__", "__dataframe__")  # attributes of arrays
STREAMS = ("__getitem__", "to_batches", "collect")  # attributes of other sources of rows
AUTOENCODERS = (  # examples of prototypes, the commonest first
    "Autoencoder()",
    "DenoisingAutoencoder()",
    "SparseAutoencoder()",
    "VAE()",
    "ContractiveAutoencoder()",
    "RestrictedBoltzmannMachine()",
)


def hinted(check, X, **options):
    """`check(X, **options)`; notes below its errors tell what scikit-learn cannot know."""
    try:
        return check(X, **options)
    except (ValueError, TypeError) as error:
        note = _note(own(X), str(error))
        if note and note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise


def _note(X, message):
    if note := note_on_kind(X):
        return note
    if "contains infinity" in message:
        return note_on_infinity(X)
    if "contains NaN" in message:
        return note_on_missing(X)
    return note_on_columns(columns_without_numbers(X), hasattr(X, "columns"))


def refuse_streams(X):
    """Raise an error if X is not like an array, but yields rows in parts."""
    has = partial(hasattr, X)
    if any(map(has, ARRAYS)) or isinstance(X, Sequence | Mapping | Set):
        return
    if isinstance(X, Iterable) or any(map(has, STREAMS)):
        raise TypeError(
            "X must be an array, a data frame or a CSR matrix, but found an object of type "
            f"{type(X).__name__}, which yields rows in parts: {PART_BY_PART}."
        )


def note_on_infinity(X):
    """A note with the columns of infinite numbers; None if they cannot be told."""
    found = _columns_where(X, lambda X: np.isinf([np.fmin.reduce(X), np.fmax.reduce(X)]).any(0))
    return f"{_subject(found)} infinity: replace it by a number first." if found else None


def note_on_missing(X):
    """A note with the columns of missing numbers, if they can be told, and a remedy."""
    found = _columns_where(X, lambda X: np.isnan(np.minimum.reduce(X)))
    return (f"{_subject(found)} NaN. " if found else "") + (
        "DenoisingAutoencoder takes missing values (NaN), and fills them. So do VAE with "
        "table=TableEncoder(), and AutoencoderImputer as a step before other estimators."
    )


def _columns_where(X, test):
    """Names of the columns of an array, a list or a frame of numbers that pass a test."""
    if not isinstance(X, np.ndarray | list) and not hasattr(X, "columns"):
        return []
    try:
        values = np.asarray(X, dtype=None if _is_numeric(X) else float)
        return [name for name, it in zip(_names(X, values), test(values), strict=True) if it]
    except (TypeError, ValueError):  # no numbers
        return []


def _is_numeric(X):
    return getattr(getattr(X, "dtype", None), "kind", None) in NUMBERS


def _names(X, values):
    return getattr(X, "column_names", getattr(X, "columns", range(values.shape[1])))


def columns_without_numbers(X):
    """The non-numeric columns of a table: their names and first such values."""
    if issparse(X) or _is_numeric(X):
        return {}
    X = X if hasattr(X, "columns") else np.asarray(X, dtype=object)
    if len(X.shape) != 2:
        return {}
    found = {}
    for number, name in enumerate(_names(X, X)):
        for value in first_without_number(safe_indexing(X, number, axis=1)):
            found[name] = value
    return found


def first_without_number(column):
    """A list with the first non-numeric value; empty if all are numbers or missing."""
    if np.asarray(column).dtype.kind in NUMBERS:
        return []
    for value in np.asarray(column, dtype=object):
        try:
            float(0 if is_missing(value) else value)
        except (TypeError, ValueError):
            return [value]
    return []


def _subject(names):
    """The beginning of a sentence about columns, with the verb."""
    shown = ", ".join([*map(repr, names)][:FEW]) + ", ..." * (len(names) > FEW)
    return f"Columns {shown} hold" if len(names) > 1 else f"Column {shown} holds"


def note_on_columns(values, is_frame):
    """A note with names of columns, their content and a remedy; None if there are no columns."""
    if not values:
        return None
    value = next(iter(values.values()))
    if isinstance(value, complex | np.complexfloating):
        return f"{_subject(values)} {OF_COMPLEX}"
    remedy = (
        "pass a data frame to fit, such as pandas.DataFrame(X).infer_objects(): fit encodes their "
        "categories"
    )
    if is_frame:
        remedy = "pass such a data frame to fit, with table='auto': fit encodes their categories"
    return (
        f"{_subject(values)} non-numeric values, such as {value!r}. Convert them to numbers first, "
        f"or {remedy}."
    )


def remedy_for_prototype(found, owner, parameter):
    """Advice for a parameter that should be an autoencoder but is something else.

    Parameters
    ----------
    found : object
        The value that was passed.
    owner : estimator
        The owner of the parameter.
    parameter : str
        Its name; `_parts` has examples of valid values, the usual one first.
    """
    name, (example, *_) = type(owner).__name__, owner._parts[parameter]
    if isinstance(found, FrozenEstimator):
        return remedy_for_prototype(found.estimator, owner, parameter)
    if isinstance(found, Pipeline):
        *before, _ = [type(step).__name__ for _, step in found.steps]
        steps = ", ".join(f"{step}()" for step in before if step not in ("NoneType", "str"))
        return (
            f"put the scaler, or any other steps before the autoencoder, before {name}, for "
            f"example make_pipeline({steps or 'StandardScaler()'}, {name}({example}))."
        )
    # Not for the imputer, since a stack takes no missing values.
    if isinstance(found, BernoulliRBM) and not get_tags(owner).input_tags.allow_nan:
        return f"put it into StackedAutoencoder(({found.n_components},), estimator={found!r})."
    if isinstance(found, type):
        return f"pass an object, such as {found.__name__}()."
    if hasattr(found, "get_params") and {"estimator", "refit"} <= {*found.get_params(deep=False)}:
        return (
            "pass best_estimator_ of this search after fitting it, or search over "
            f"{name}({example}) as a whole."
        )
    return f"use {example}, for example."


def check_parts(estimator, params):
    """Refuse parameters of a missing part, such as `network__channels` without a network.

    Parameters
    ----------
    estimator : estimator
        The estimator with these parameters.
    params : dict
        The arguments of `set_params`.
    """
    own = {**estimator.get_params(deep=False), **params}
    for key in params:
        name, nested, its = key.partition("__")
        if nested and name in own and not hasattr(own[name], "set_params"):
            raise ValueError(
                f"{key} belongs to the object passed as {name}, but {name} is {own[name]!r}, "
                f"which has no parameters: {_remedy_for_part(estimator, name, own[name], its)}"
            )


def _remedy_for_part(estimator, name, value, its):
    examples = estimator._parts.get(name, ())
    if isinstance(value, list):
        return f"set {its} of the objects in the list."
    if not examples:
        return f"leave out {name}__{its}."
    its, *_ = its.split("__")
    for example in examples:
        if _has_parameter(example, its):
            return f"pass {type(estimator).__name__}({example})."
    return f"leave it out, as nothing that could be passed has a parameter {its}."


def _has_parameter(example, name):
    """Whether the object in an example of code has a parameter, if it is of a class in skae."""
    cls = getattr(sys.modules["skae"], re.search(r"(\w+)\(", example)[1], None)
    return cls is None or name in cls._get_param_names()


class PartsMixin:
    """For estimators with parameters that are objects, or None."""

    _parts = {}  # a tuple of examples for each of these

    def _validate_params(self):
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            if note := note_on_parameter(self, str(error)):
                error.add_note(note)
            raise

    def set_params(self, **params) -> Self:
        """Set parameters, including nested ones such as `network__channels`.

        Parameters
        ----------
        **params : dict
            Values of parameters by name; `network__channels` is the parameter `channels`
            of `network`.

        Returns
        -------
        self : object
            The estimator itself.

        Raises
        ------
        ValueError
            If there is no such parameter, or no part to which it could belong.
        """
        check_parts(self, params)
        return super().set_params(**params)


def own_methods(cls):
    """Give a public class copies of its inherited methods, so that errors name this class.

    Python's TypeErrors about missing or unknown arguments name the class whose body defines the
    method, often a private one.
    """
    for name in dir(cls):
        base = next(base for base in cls.__mro__ if name in vars(base))
        member = vars(base)[name]
        if base in (cls, object) or name.startswith("_"):
            continue
        if isinstance(member, FunctionType):
            setattr(cls, name, _named_after(cls, member))
        elif isinstance(getattr(member, "fn", None), FunctionType):  # by `available_if`
            member = copy(member)
            member.fn = _named_after(cls, member.fn)
            setattr(cls, name, member)


def _named_after(cls, function):
    """Copies of a method, and of the method wrapped by a decorator, as methods of a class."""
    inner, cells = getattr(function, "__wrapped__", None), function.__closure__ or ()
    new = inner and _named_after(cls, inner)
    if inner:
        cells = tuple(CellType(new) if c.cell_contents is inner else c for c in cells)
    named = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, cells
    )
    update_wrapper(named, function)
    del named.__wrapped__
    if inner:
        named.__wrapped__ = new
    named.__kwdefaults__ = function.__kwdefaults__
    named.__qualname__ = f"{cls.__name__}.{function.__name__}"
    return named
