"""Checks whether a fit has learnt anything, with warnings about its data or result.

Some rows of the training data suffice, so the checks cost almost nothing.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from skae._columns import SPAN_SIZE, column_ranges, explained_by_line, principal_components
from skae._engine.data import Data, sample
from skae._engine.devices import as_tensor
from skae._engine.network import Network
from skae._engine.notice import warn
from skae._engine.shards import own
from skae._engine.threads import enough_threads
from skae._engine.units import USUAL
from skae._outputs import SquaredError

ROWS = 1000  # on which a fit is judged
MOST_COMPONENTS = 64  # of the PCA with which a fit is compared
LEARNT = 0.05  # of the deviance, before `tol` may stop a training
LITTLE = 0.01  # of it counts as nothing, without a PCA to compare with
HALF = 0.5  # of what principal components, or a linear model of y, explain
FAR_OFF = -1.0  # is worse than untrained: steps were too large
LARGE = 0.05  # a step of Adam, rather too large than too small
RATIO = 1000.0  # ratio between column scales that no step size suits
FAR = 1e-2, 1e3  # scales of X that are too far from 1
_is_judged = ContextVar("is_judged", default=True)


@contextmanager
def unjudged():
    """A context for fits inside another one, which is judged as a whole."""
    token = _is_judged.set(False)
    try:
        yield
    finally:
        _is_judged.reset(token)


def explained_deviance(estimator, network, data):
    """The fraction of the deviance of these targets that a network explains, D^2.

    With the squared error, it is the fraction of the variance. None for outputs without a best
    constant to compare with, and for targets that are all equal.
    """
    targets, weights = data.targets, data.sample_weight
    constant = network.perceptron.output.best_constant(targets, weights)
    low, high = column_ranges(targets)
    if constant is None or not (low < high).any():
        return None  # means are rounded: constant columns differ from them
    n_rows = max(1, SPAN_SIZE // targets.shape[1])
    spans = gen_batches(len(targets), n_rows)
    parts = [data] if len(targets) <= n_rows else map(data.__getitem__, spans)
    with enough_threads(len(targets), network.perceptron):
        found = [*map(partial(deviances, estimator, network, constant), parts)]
    to_explain, left = map(sum, zip(*found, strict=True))
    return 1.0 - left / to_explain if to_explain > 0 else None


def deviances(estimator, network, constant, data):
    """The deviance of targets from their best constant, and from a network's output."""
    kind, device, dtype = network.perceptron.output, network.flat.device, network.flat.dtype
    x = as_tensor(data.X, device)
    targets = x if data.target is None else as_tensor(data.target, device)
    output = network.mean_output(estimator._encode(network, x))
    constant = torch.as_tensor(constant, dtype=dtype, device=device).expand_as(output)
    both = torch.cat([constant, output]), torch.cat([targets, targets])
    rows = kind.deviance_of_rows(*kind.without_missing(*both)).view(2, -1)
    rows = rows if data.sample_weight is None else rows * as_tensor(data.sample_weight, device)
    return rows.sum(dim=1).tolist()


def warn_of_little(estimator, data):
    """Warn if the fit has learnt much less than could be expected."""
    may_scale = estimator._perceptron.output.activation == "identity"  # X is any numbers
    _judge(estimator, data, complaint_of_little, may_scale)


def warn_of_poor_predictions(estimator, data):
    """Warn if a classifier or regressor has learnt much less of its targets than a linear model."""
    _judge(estimator, data, complaint_of_predictions, may_scale=True)


def _judge(estimator, data, complaint, may_scale):
    """Warn with `complaint(estimator, rows, explained)` of some rows, unless it is None."""
    if not _is_judged.get() or estimator._is_held_back:
        return
    some = sample(data, ROWS, estimator._state.seed)
    network = Network(estimator._fitted_perceptron, as_tensor(estimator._state.weights))
    explained = explained_deviance(estimator, network, some)
    found = None if explained is None else complaint(estimator, some, explained)
    if found is not None:
        scaled = "If columns of X differ in scale, put a StandardScaler before it; if not, "
        is_scaled = estimator._table is not None or not may_scale
        what_to_do = ("" if is_scaled else scaled) + remedy(estimator, explained)
        warn(
            f"The {found}: {type(estimator).__name__} has learnt little. "
            f"{what_to_do[0].upper()}{what_to_do[1:]}.",
            ConvergenceWarning,
        )


def complaint_of_little(estimator, some, explained):
    """The warning for reconstructions that explain this much; None if it is enough."""
    if explained >= HALF:
        return None
    if not isinstance(estimator._perceptron.output, SquaredError):
        part = f"{max(explained, 0.0):.2g}"
        little = f"reconstructions explain {part} of the deviance from the columns' means"
        return None if explained >= LITTLE else little
    if some.target is not None:
        return complaint_of_target(some, explained)
    n_components = min(estimator._n_components_at_once, MOST_COMPONENTS, some.X.shape[1])
    *_, possible = principal_components(some.X, n_components, some.sample_weight)
    if explained >= HALF * possible:
        return None
    theirs = f"{n_components} principal components explain"
    theirs = "a principal component explains" if n_components == 1 else theirs
    ours = f"reconstructions explain {explained:.2g} of the variance of X"
    return f"{ours}, while {theirs} {possible:.2g}"


def complaint_of_target(some, explained):
    """The same for targets that are not X itself."""
    possible = explained_by_line(some.X, some.targets, some.sample_weight)
    if explained >= max(HALF * possible - LEARNT, LITTLE):  # `possible` is an estimate
        return None
    ours = f"reconstructions explain {explained:.2g} of the variance of target"
    return f"{ours}, while a linear model of X explains {possible:.2g}"


def complaint_of_predictions(estimator, some, explained):
    """The warning for predictions that explain this much of y; None if it is enough."""
    if explained >= HALF:
        return None
    inputs = some.X if estimator.fine_tune else estimator.autoencoder_._codes(some.X)
    possible = explained_by_line(inputs, some.targets, some.sample_weight)
    if explained >= HALF * possible - LEARNT:  # `possible` is an estimate
        return None
    is_squared = isinstance(estimator._output, SquaredError)
    measure = "variance of y" if is_squared else "deviance of y from the classes' frequencies"
    return (
        f"predictions explain {explained:.2g} of the {measure}, while those of a linear model "
        f"explain {possible:.2g}"
    )


def remedy(estimator, explained):
    """The advice if scales are not the cause."""
    if estimator.solver == "lbfgs":
        return f"raise max_iter (now {estimator.max_iter_})"
    rate = f"learning_rate_init (now {estimator.learning_rate_init_:g})"
    leaps = estimator.solver == "adam" and estimator.learning_rate_init_ > LARGE
    if leaps or explained < FAR_OFF:
        return f"lower {rate}"
    on_all_rows = "set early_stopping=False, " if estimator.early_stopping else ""
    return (
        f"{on_all_rows}raise max_iter (now {estimator.max_iter_}) or n_iter_no_change (now "
        f"{estimator.n_iter_no_change_}), then {rate}"
    )


def warn_of_scales(estimator, data):
    """Warn if columns differ so much in scale, or from 1, that no step size suits them all."""
    if not _is_judged.get():
        return
    warn_of_columns(estimator, data, partial(complaint_of_scales, estimator=estimator))
    if data.target is not None:
        names = range(data.target.shape[1])
        some = sample(Data(data.target), ROWS, seed=0)
        found = complaint_of_scales(*scales_and_ranges(some.X), names, "target")
        if found is not None:
            warn(f"{found}: standardise target, as in StandardScaler().fit_transform(target).")


def warn_of_columns(estimator, data, complaint):
    """Warn with `complaint(scales, ranges, names)` of columns, unless it is None."""
    names = vars(estimator).get("feature_names_in_")
    names = range(data.X.shape[1]) if names is None else [*map(repr, names.tolist())]
    found = complaint(*scales_and_ranges(sample(Data(data.X), ROWS, seed=0).X), names)
    if found is not None:
        name = type(estimator).__name__
        scaler = f"StandardScaler({'with_mean=False' if issparse(own(data.X)) else ''})"
        warn(
            f"{found}: put a StandardScaler before {name}, as in "
            f"make_pipeline({scaler}, {name}()).",
        )


def complaint_of_scales(scales, ranges, names, of="X", estimator=None):
    """The warning about the scales of columns; None if they are suitable."""
    found = complaint_of_ratio(scales, ranges, names, of)
    if found is not None:
        return f"{found}. Only the largest ones are reconstructed"
    varies = ranges > 0
    typical = float(np.sqrt(np.square(scales[varies]).mean())) if varies.any() else 1.0
    if USUAL[0] <= typical <= USUAL[1]:
        return None
    is_tolerant = estimator is None or not estimator._needs_usual_scale
    if is_tolerant and FAR[0] < typical < FAR[1]:
        return None
    return (
        f"The columns of {of} have standard deviations of about {typical:.2g}, far from 1, for "
        "which the default step sizes and weights are chosen"
    )


def complaint_of_ratio(scales, ranges, names, of="X"):
    """The warning about columns with very different scales; None if there are none."""
    varies = np.flatnonzero(ranges > 0)
    if len(varies) == 0:
        return None
    # Columns that are almost always 0, like pixels at the rim, also have small deviations.
    with np.errstate(divide="ignore", invalid="ignore"):  # or vanish
        both = np.stack([scales, ranges])[:, varies]
        ratio = (both.max(axis=1) / both.min(axis=1)).min()
    if not ratio >= RATIO:
        return None
    least, most = varies[scales[varies].argmin()], varies[scales[varies].argmax()]
    return (
        f"Columns of {of} differ in scale: the standard deviation of column {names[most]} is "
        f"{scales[most]:.2g}, that of column {names[least]} {scales[least]:.2g}"
    )


def scales_and_ranges(X):
    """Standard deviations and ranges of columns; 0 for those without an observed cell."""
    X = np.array(X, np.float64)  # a copy: they may be the user's
    X[:, np.isnan(X).all(axis=0)] = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # squares may overflow
        return np.nanstd(X, axis=0), np.nanmax(X, axis=0) - np.nanmin(X, axis=0)
