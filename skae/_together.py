"""Fits that several processes share: required agreement, inputs of each, common result."""

import zlib
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skae._compat import num_features, num_samples
from skae._engine.devices import off_torch
from skae._engine.shards import Shard, map_rows
from skae._frames import frame_of, is_frame
from skae._hints import refuse_streams
from skae._tabular import holds_more_than_numbers, is_shared
from skae._version import __version__

LOCAL = ("device", "verbose")  # parameters that may differ between ranks
PLAIN = (bool, int, float, str, type(None))
STRINGS = "UST"  # kinds of NumPy's dtypes, to which it would convert numbers
TRAINED = ("_state", "autoencoder_")  # attributes that a fit sets once it has trained
group_of_fits = ContextVar("group_of_fits", default=None)


@contextmanager
def alone():
    """A context whose fits are this process's own."""
    token = group_of_fits.set(None)
    try:
        yield
    finally:
        group_of_fits.reset(token)


def together(estimator, continues, X, target=None, sample_weight=None):
    """A context that gives X, targets and weights of all processes that share a fit.

    Without other processes they are unchanged. After a failure in any process the estimator is as
    it was before if training was to continue or had not begun; otherwise it is not fitted.

    Parameters
    ----------
    estimator : estimator
        The estimator, which is finally the same in all processes.
    continues : bool
        Whether training continues from the fitted state.
    X, target, sample_weight : array-like
        Those of this process.
    """
    group = group_of_fits.get()
    if group is None or is_shared(X):
        return nullcontext((X, target, sample_weight))
    return sharing(group, estimator, continues, X, target, sample_weight)


@contextmanager
def sharing(group, estimator, continues, X, target, sample_weight):
    """The same with the processes of a group."""
    before = dict(vars(estimator))
    try:
        yield shared(estimator, continues, X, target, sample_weight, group)
        take_from_first(estimator, group)
    except BaseException as error:
        group.fail(error)
        go_back(estimator, before, continues)
        raise


@contextmanager
def undone_on_failure(estimator):
    """A context for a new fit, whose failure leaves the earlier fit, or none if it has trained."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        go_back(estimator, before, continues=False)
        raise


def go_back(estimator, before, continues):
    """Have the attributes of before; or none of a fit if one that started anew has got so far."""
    has_trained = any(vars(estimator).get(name) is not before.get(name) for name in TRAINED)
    for name in filter(is_fitted, [*vars(estimator)]):
        vars(estimator).pop(name)
    if continues or not has_trained:
        vars(estimator).update({k: v for k, v in before.items() if is_fitted(k)})


def shared(estimator, continues, X, target, sample_weight, group):
    """X as a `Shard`, target likewise (or as an array if all need it), and all weights."""
    refuse_streams(X)
    X, target, weights = map(off_torch, (X, target, sample_weight))
    n_rows = num_samples(X)
    refuse_other_lengths(n_rows, target=target, sample_weight=weights)
    facts = facts_of(estimator, continues, X, target, weights)
    told = group.gather((n_rows, facts))
    check_facts([facts for _, facts in told])
    counts = [n for n, _ in told]
    if not all(counts):
        raise ValueError(f"Rank {counts.index(0)} has no rows: give each rank at least one.")

    def shard(rows):
        return Shard.of(rows if hasattr(rows, "shape") else np.asarray(rows), counts, group)

    if target is not None:
        target = gathered(target, group) if estimator._target_is_gathered else shard(target)
    return shard(X), target, weights if weights is None else gathered(weights, group, n_rows)


def refuse_other_lengths(n_rows, **of_rows):
    """Raise an error if anything has not as many rows as X, before others get it."""
    for name, rows in of_rows.items():
        if rows is not None and np.ndim(rows) and (n := num_samples(rows)) != n_rows:
            raise ValueError(
                f"X has {n_rows} rows, but the {name} has {n}: give it one for each row of X."
            )


def facts_of(estimator, continues, X, target, sample_weight):
    """Facts that must agree in all processes, by name."""
    parameters = told_parameters(estimator, deep=True).items()
    of_parameters = {f"the parameter {name}": told for name, told in parameters}
    of_data = {
        "columns of X": num_features(X),
        "the names of columns": frame_of(X).names if is_frame(X) else None,
        "whether columns hold more than numbers": holds_more_than_numbers(X),
        "whether there is a target": target is not None,
        "the shape of the target's rows": np.shape(target)[1:],
        "whether there is a sample_weight": sample_weight is not None,
    }
    state = told_of_weights(estimator) if continues else None
    begins_anew = "_state" in vars(estimator) and not continues  # and forgets its classes
    classes = () if begins_anew else vars(estimator).get("classes_", ())
    return {
        "skae's version": __version__,
        "the estimator": type(estimator).__name__,
        **of_parameters,
        **of_data,
        "whether training continues": continues,
        "the state from which training continues": state,
        "the classes": told_of(classes),
    }


def told_parameters(estimator, deep):
    """Parameters that must be the same in all processes, as `told_of` tells them, by name."""
    parameters = estimator.get_params(deep=deep).items()
    return {
        name: told_of(value) for name, value in parameters if name.rpartition("__")[2] not in LOCAL
    }


def told_of(value):
    """A string that shows other processes whether a parameter has the same value.

    Python's own strings would tell addresses of functions, and devices of a list's estimators.
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(told_of, value))})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k!r}: {told_of(v)}' for k, v in value.items())}}}"
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, BaseEstimator):
        return told_of_estimator(value)
    return getattr(value, "__qualname__", type(value).__name__)


def told_of_estimator(estimator):
    """The same for an estimator: its parameters, and the weights of a frozen one."""
    of_class = type(estimator).__name__
    if isinstance(estimator, FrozenEstimator):
        return f"{of_class} of {told_of_weights(estimator.estimator)}"
    parameters = told_parameters(estimator, deep=False).items()
    return f"{of_class}({', '.join(f'{name}={told}' for name, told in parameters)})"


def told_of_weights(estimator):
    """The same for the weights of a fitted estimator, if it has any."""
    name, state = type(estimator).__name__, vars(estimator).get("_state")
    return name if state is None else f"{name} with weights {zlib.crc32(state.weights):08x}"


def check_facts(facts):
    """Raise an error if ranks differ in a fact; it names the first one."""
    for rank, its in enumerate(facts):
        for name, first in facts[0].items():
            if its.get(name) != first:
                raise ValueError(
                    f"Rank {rank} differs from rank 0 in {name}: {its.get(name)} instead of "
                    f"{first}. All ranks must fit the same estimator to rows of the same table."
                )


def gathered(rows, group, n_rows=None):
    """The concatenated labels or numbers of all processes' rows."""
    if n_rows is not None and np.ndim(rows) == 0:  # one weight for all
        rows = np.full(n_rows, rows)
    return stacked(group.gather(rows if issparse(rows) else np.asarray(rows)))


def stacked(parts):
    """Rows of several arrays, or sparse matrices, one after the other's."""
    if len({part.dtype.kind in STRINGS for part in parts if part.dtype != object}) > 1:
        raise ValueError("Some ranks have strings where others have numbers: give all the same.")
    return vstack(parts).tocsr() if issparse(parts[0]) else np.concatenate(parts)


def fit_to_all(transformer, X):
    """The transformer, fitted to the rows of all; each process fits what is not of skae."""
    if not isinstance(X, Shard) or hasattr(transformer, "_run_fit"):
        return transformer.fit(X)
    if isinstance(transformer, Pipeline):
        return fit_steps(transformer, X)
    rows = rows_of_all(X)
    with alone():
        transformer.fit(rows)
    return X.group.from_first(transformer)


def rows_of_all(X):
    """X, with the rows of all processes in each of them if it is a `Shard`."""
    if not isinstance(X, Shard):
        return X
    rows = X.group.gather(X.own)
    return frame_of(X.own).joined(rows) if is_frame(X.own) else stacked(rows)


def fit_steps(pipeline, X):
    """A pipeline whose steps, one after the other, are fitted to the rows of all."""
    last = len(pipeline.steps) - 1
    for place, (name, step) in enumerate(pipeline.steps):
        if step not in (None, "passthrough"):
            step = fit_to_all(step, X)
            pipeline.steps[place] = name, step
            X = X if place == last else map_rows(step.transform, X)
    return pipeline


def is_fitted(name):
    """Whether an attribute of this name is what a fit has left."""
    kept = ("_perceptron", "_state", "_skae_version", "_sklearn_version")
    return name.endswith("_") or name in kept


def take_from_first(estimator, group):
    """Become identical to the bit to the estimator of rank 0."""
    fitted = None
    if group.rank == 0:
        fitted = {k: v for k, v in estimator.__getstate__().items() if is_fitted(k)}
    fitted = group.from_first(fitted)
    if group.rank > 0:
        own = {k: v for k, v in vars(estimator).items() if not k.endswith("_")}
        estimator.__setstate__({**own, **fitted})
    group.gather(None)  # no process ends before all have it
