"""NetworkEstimator: what every estimator with a trained network shares."""

import time
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import lru_cache, partial
from inspect import signature
from types import NoneType
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_is_fitted,
    validate_data,
)

from skae._callbacks import CALLBACK_CONTEXT, CallbackSupportMixin
from skae._compat import DocumentedMixin
from skae._engine.devices import (
    as_tensor,
    explain_memory,
    find_device,
    find_device_or_cpu,
    lacks_bfloat16,
    lacks_float64,
    off_torch,
    own_modes,
)
from skae._engine.full_batch import FullBatchTrainer
from skae._engine.inference import in_chunks
from skae._engine.network import Network
from skae._engine.notice import warn
from skae._engine.saved import REMEDY, plain, restored
from skae._engine.settings import Settings
from skae._engine.shards import Shard
from skae._engine.training import Trainer
from skae._files import check_rows, warn_of_order
from skae._frames import dtypes_for
from skae._hints import PartsMixin, hinted, refuse_streams
from skae._tabular import NAMES, TabularMixin
from skae._together import together
from skae._version import __version__

ACCEPTED = {"accept_sparse": "csr", "order": "C"}  # of X, by `validate_data`


def draw_seed(random_state):
    """A seed from the parameter `random_state`.

    None gives fresh entropy: unlike in scikit-learn, global generators are never read.
    """
    if random_state is None:
        return int(np.random.SeedSequence().entropy % 2**63)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int32).max))
    check_random_state(random_state)  # for the errors it raises
    if random_state is np.random:
        raise ValueError(
            "random_state=np.random is NumPy's global generator, which skae does not use: pass an "
            "int, a RandomState or None."
        )
    return int(random_state)


def make_trainer(estimator, perceptron, state, data, split):
    """The trainer for the parameter `solver`."""
    settings = Settings.of(estimator, perceptron, data, split)
    trainer = FullBatchTrainer if settings.solver == "lbfgs" else Trainer
    return trainer(estimator, settings, perceptron, state, data, split)


@lru_cache
def parameter_names(estimator_class):
    """Names of the constructor's parameters, cached since scikit-learn takes as long as a step."""
    return estimator_class._get_param_names()


@lru_cache
def default_parameters(estimator_class):
    """The constructor's parameters that have a default, with their defaults."""
    parameters = signature(estimator_class.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def are_unchanged(before, now):
    """Whether parameters (None if there were none) are certainly unchanged.

    For a list or an estimator that is not certain: it may have been changed in place.
    """
    return before is not None and all(
        one is other and isinstance(other, (int, float, str, tuple, NoneType))
        for one, other in zip(before, now, strict=True)
    )


def own_of_both(X, y):
    """This process's rows of X, a `Shard` or its `EncodedTable`, and of y, an array or X."""
    its = X.own
    return its, its if y is X else y[getattr(X, "matrix", X).is_own]


def trains_by_epochs(estimator):
    """Whether the estimator has `partial_fit`; AttributeError if not."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            f"{type(estimator).__name__} has no partial_fit with solver='lbfgs', which needs all "
            "rows at once: use 'adam' or 'sgd'."
        )
    return True


class NetworkEstimator(
    TabularMixin,
    PartsMixin,
    DocumentedMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """Abstract base class: training, fitted state and scikit-learn's conventions for both.

    A subclass writes `_validate`, which turns the arguments of `fit` into `Data`, `_fit`, which
    makes and runs trainers, and `_objective`. The other hooks, which the docstring of
    `BaseAutoencoder` lists, do nothing unless they are overridden.

    Methods that only read the fitted state go through X in chunks, on the device given by the
    parameter. On the CPU they share a network of read-only views of the state's arrays: several
    threads may share one fitted estimator.
    """

    n_features_in_: int
    feature_names_in_: np.ndarray
    n_iter_: int
    loss_: float
    best_loss_: float
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    batch_size_: int
    learning_rate_init_: float
    max_iter_: int
    n_iter_no_change_: float

    if TYPE_CHECKING:  # scikit-learn's, which have no types

        def fit_transform(self, X, y=None, **fit_params) -> np.ndarray: ...
        def set_output(self, *, transform=None) -> Self: ...
        def set_fit_request(self, **kwargs) -> Self: ...
        def set_partial_fit_request(self, **kwargs) -> Self: ...
        def set_score_request(self, **kwargs) -> Self: ...

    _takes_gaps = False  # whether X may have missing values
    _target_is_gathered = False  # whether every process needs the targets of all rows
    _fixed = {}  # training parameters missing in the constructor, with their values
    _minimizes = True  # whether a lower loss is better
    _has_free_code = False  # whether nothing but reconstructions is asked of a code
    _n_steps = None  # for max_iter="auto"; None chooses by the work
    _few_steps_suffice = False  # whether max_iter="auto" takes the fewest steps, or 20 epochs
    _rows_per_row = 1  # rows that the objective makes from each: the work of a batch
    _warmup_epochs = 0  # first epochs, whose objective is not yet the final one
    _units_ = None  # of the values between layers, for steps of training
    _output_units = None  # (scale, offset) of outputs that are trained in other units

    def _run_fit(self, X, target=None, sample_weight=None):
        continues = self.warm_start and self.__sklearn_is_fitted__()
        with together(self, continues, X, target, sample_weight) as given:
            with self._transaction() as before:
                self._check_budget()
                data = self._validate(*given, reset=not continues)
                if not continues:
                    self._check_weights(data)
                self._warn_of_data(data)
                warn_of_order(self, data.X)
                if not continues:
                    self._forget()
                    before.clear(), before.update(vars(self))  # a failure now leaves no fit
                self._fit(data, continues)
            self._warn_of_fit(data)
        return self

    def _run_partial_fit(self, X, target=None, sample_weight=None):
        continues = self.__sklearn_is_fitted__()
        with together(self, continues, X, target, sample_weight) as given:
            parameters = self._parameters()
            # scikit-learn checks only in the first call; parameters rarely change between calls.
            if continues and not are_unchanged(self._state.parameters, parameters):
                self._validate_params()
            with self._transaction():
                started = time.perf_counter()
                data = self._validate(*given, reset=not continues)
                trainer = self._resume(data) if continues else self._start(data)
                trainer.n_iter_before = self.n_iter_ if continues else 0
                trainer.run_epoch()
                self._commit(trainer)
                self._state.parameters = parameters
            if trainer.settings.verbose:
                trainer.report(self.n_iter_, time.perf_counter() - started)
        return self

    def _go_on(self, trainer):
        """The trainer, with the curves and the step size of the earlier training."""
        if self.learning_rate_init == "auto":  # keeps its value for any further rows
            settings = replace(trainer.settings, learning_rate_init=self.learning_rate_init_)
            trainer.settings = settings
        trainer.losses = list(self.loss_curve_)
        if trainer.split.held_out is not None:  # or its last epochs would be other ones
            trainer.validation_losses = list(vars(self).get("validation_loss_curve_") or ())
        return trainer

    def _shown(self, data):
        """X and y for callbacks; this process's rows if several share the fit."""
        X, y = self._shown_to_callbacks(data)
        return (X, y) if data.group is None else own_of_both(X, y)

    def _draw_seed(self, data):
        """The seed of a fit to these data."""
        seed = draw_seed(self.random_state)
        return seed if data.group is None else data.group.from_first(seed)

    def _validate_X(self, X, reset, dtype=None, sample_weight=None):
        """X in the dtype of the computation; parameters must have been checked."""
        device, X = find_device(self.device), off_torch(X)
        dtype = dtype or (dtypes_for(X) if reset else self._state.weights.dtype)
        weights = sample_weight if reset else None
        X = self._matrix_or_array(X, reset, weights, dtype=dtype, **self._accepted)
        if self.precision == "bf16" and lacks_bfloat16(device):
            warn(
                "precision='bf16' is slower than 'float' on this processor, many times for most "
                "networks, since torch emulates the missing bfloat16 instructions: set "
                "precision='float'.",
            )
        if X.dtype == np.float64 and lacks_float64(device):
            warn(
                f"device={self.device!r} has no float64: X is computed in float32.",
            )
            X = X.astype(np.float32)
        return X

    def _train(self, trainer, progress):
        try:
            trainer.fit(progress)
        except KeyboardInterrupt:
            if trainer.n_iter > 0 and trainer.data.group is None:  # no other columns to learn from
                self._commit(trainer)
            raise
        self._commit(trainer)

    @property
    def _held_out_fraction(self):
        return self.validation_fraction if self.early_stopping and self.solver != "lbfgs" else 0

    @property
    def _memory_remedy(self):
        return f"lower batch_size (now {self.batch_size!r}) or the widths of the layers"

    @property
    def _handed_down(self):
        """Parameters that replace those of the parts."""
        return {name: getattr(self, name) for name in ("device", "precision", "verbose")}

    def _parameters(self):
        """The parameters' values, in a fixed order."""
        return [getattr(self, name) for name in parameter_names(type(self))]

    @contextmanager
    def _transaction(self):
        """A failure inside leaves the estimator unchanged, unless it has committed.

        The context gives the attributes that the estimator then has.
        """
        before = dict(vars(self))
        try:
            with own_modes(gradients=True):
                yield before
        except BaseException as error:
            if vars(self).get("_state") is before.get("_state"):
                told = {k: v for k, v in vars(self).items() if k in CALLBACK_CONTEXT}
                vars(self).clear()
                vars(self).update(before | told)
            explain_memory(error, self._memory_remedy)
            raise

    def _commit(self, trainer):
        """Take over the trainer's results."""
        # On a shallow copy, so that a failure in `_summarize` leaves the estimator as it was.
        new = copy(self)
        vars(new).update(self._attributes_after(trainer))
        new._summarize(trainer.data)
        vars(self).update(vars(new))

    def _attributes_after(self, trainer):
        """The fitted attributes after the trainer's last finished epoch."""
        watched = trainer.validation_losses or trainer.losses
        first = trainer.state.n_epochs - len(watched)  # the first epoch of the curve
        watched = watched[max(0, self._warmup_epochs - first) :] or watched
        settings = trainer.settings
        return {
            "_perceptron": trainer.network.perceptron,
            "_state": trainer.state,
            "batch_size_": settings.batch_size,
            "max_iter_": settings.max_iter,
            "n_iter_no_change_": settings.n_iter_no_change,
            "learning_rate_init_": settings.learning_rate_init,
            "n_iter_": trainer.n_iter_before + trainer.n_iter,
            "loss_": trainer.losses[-1],
            "best_loss_": min(*watched, trainer.loss_at_start),
            "loss_curve_": list(trainer.losses),
            "validation_loss_curve_": list(trainer.validation_losses) or None,
        }

    def _forget(self):
        """Drop the results of an earlier fit."""
        # Fitted attributes end in "_", even private ones: all of them are dropped before a new
        # fit, except what the new fit already knows of the features.
        for name in {*vars(self)} - {*NAMES, "table_"}:
            if name.endswith("_") or name in ("_perceptron", "_state"):
                vars(self).pop(name)

    # Methods that read the fitted state: codes and weights.

    # Type hints describe default parameters and arrays: with `set_output`, as in scikit-learn, and
    # with `sparse_output`, `transform` returns other types.

    def transform(self, X) -> np.ndarray:
        """Encode X, deterministically.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            The code of each row, in the dtype of the fit.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that are not finite
            (`DenoisingAutoencoder` takes NaN).
        """
        return self._remember(self._codes(self._validate_rows(X)), X)

    def _validate_rows(self, X, **options):
        """X as an array in the dtype of the fit; `_chunks` checks that it is finite."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # for its error only, since the call is slow
        options = {**ACCEPTED, "ensure_all_finite": False, **options}
        dtype = self._state.weights.dtype
        return self._matrix_or_array(off_torch(X), reset=False, dtype=dtype, **options)

    def _matrix_or_array(self, X, reset, sample_weight=None, **options):
        """X as an array or CSR matrix; a table is encoded."""
        refuse_streams(X)
        matrix = self._as_matrix(X, reset, sample_weight)
        if matrix is None:
            check = partial(check_rows, partial(validate_data, self, reset=reset))
            return hinted(check, X, **options)
        options["ensure_all_finite"] = "allow-nan"  # refuses unsupported NaN
        check = partial(check_array, estimator=self, input_name="X")
        return check_rows(check, matrix, **options)

    @property
    def _accepted(self):
        """Arguments of `validate_data`: what X may be."""
        of_tables = self._takes_gaps_of_tables and self._table is not None
        takes_gaps = of_tables or self._takes_gaps
        return {**ACCEPTED, "ensure_all_finite": "allow-nan" if takes_gaps else True}

    def _codes(self, X):
        """`transform` of validated rows as an array, regardless of `set_output`."""
        return self._map(self._encode, X)

    def _encode(self, network, x):
        return network.encode(self._inputs(x))

    def _inputs(self, x):
        """The encoder's inputs for rows x, which may be the user's and must not be changed."""
        return x

    def _input_layers(self):
        """`_inputs` as torch modules."""
        return []

    def _map(self, function, X, expansion=1):
        """`function(network, x)` of all rows of X as one array; as a `Shard` if X is one."""
        if isinstance(X, Shard):
            return X.map(lambda rows: self._map(function, rows, expansion))
        out, start = None, 0
        for rows, result in self._chunks(function, X, expansion):
            if out is None:
                out = np.empty((X.shape[0], *result.shape[1:]), result.dtype)
            out[start : start + len(rows)] = result
            start += len(rows)
        return out

    def _chunks(self, function, X, expansion=1):
        """Pairs (rows of X, `function(network, rows)`); see `in_chunks`."""
        device = find_device_or_cpu(self.device)
        build, check = self._fitted_network, self._check_finite
        return in_chunks(function, X, self._fitted_perceptron, build, device, check, expansion)

    def _check_finite(self, rows):
        hinted(
            assert_all_finite,
            rows,
            allow_nan=self._accepted["ensure_all_finite"] == "allow-nan",
            estimator_name=type(self).__name__,
            input_name="X",
        )

    @property
    def _fitted_perceptron(self):
        """The layers of the fitted network."""
        return self._perceptron

    def _fitted_network(self, device="cpu"):
        """The network with the fitted weights, which must not be changed."""
        perceptron, state = self._fitted_perceptron, self._state
        if perceptron is not self._perceptron or torch.device(device).type != "cpu":
            return self._to_be_read(Network(perceptron, as_tensor(state.weights, device)))
        if state.network is None:  # cached, as building it takes longer than a row
            with own_modes(gradients=False):  # a caller's modes must not stick
                state.network = self._to_be_read(Network(perceptron, as_tensor(state.weights)))
        return state.network

    def _to_be_read(self, network):
        """A network with the fitted weights, as methods read it."""
        return network.completed(self._output_units)

    # Methods for subclasses to fill in.

    def _validate(self, X, target, sample_weight, reset):
        raise NotImplementedError

    def _fit(self, data, continues):
        raise NotImplementedError

    def _start(self, data):
        """A trainer for the first call of `partial_fit`."""
        raise NotImplementedError

    def _resume(self, data):
        """A trainer for `partial_fit` that continues from the fitted state."""
        raise NotImplementedError

    def _objective(self, network, x, noise):
        """The objective: the mean over rows of what to minimise, without the weight decay.

        Parameters
        ----------
        network : Network
            A `Tape` in training; formulas with a pullback go through its `apply`, autograd
            differentiates everything else. Its codes and outputs are valid until the step ends.
        x : Tensor of shape (n, n_features)
            One batch, which must not be kept or changed.
        noise : torch.Generator
            Generator of random numbers.
        target : Tensor of shape (n, n_outputs)
            Targets of the rows, if the data have targets.

        Returns
        -------
        objective : Tensor of shape ()
        """
        raise NotImplementedError

    def _check_parameters(self):
        pass

    def _check_budget(self):
        """Raise an error if parameters that only `fit` uses contradict each other."""

    def _check_weights(self, data):
        """Raise an error if a new `fit` cannot weight rows like these."""

    def _shown_to_callbacks(self, data):
        """X and y of the whole fit, as scikit-learn's ScoringMonitor does not score without y."""
        X = self._encoded(data.X)
        return X, X

    def _begin_epoch(self, trainer, progress):
        pass

    def _has_learnt(self, trainer):
        """Whether training may end after its loss has not improved for a while."""
        return True

    def _step_factor(self, n_rows, n_columns):
        """Factor of the step size of saturating units for this many rows and columns."""
        return 1.0

    def _constrain(self, network):
        pass

    def _end_step(self, network, loss):
        """Act after a training step, whose objective was `loss`."""

    def _pull_back_constraint(self, free, gradient):
        """Turn the gradient at constrained weights into that at the free weights, in place.

        Parameters
        ----------
        free : Network
            The weights before `_constrain`.
        gradient : Network
            The gradient, laid out like the weights.
        """

    def _summarize(self, data):
        pass

    def _warn_of_data(self, data):
        pass

    def _warn_of_fit(self, data):
        pass

    # Scikit-learn's and Python's conventions.

    def __sklearn_is_fitted__(self):
        return "_state" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._takes_gaps
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __copy__(self):
        # Shallow and without conversion, as a copy is made at each end of training.
        new = type(self).__new__(type(self))
        vars(new).update(vars(self))
        return new

    def __getstate__(self):
        """The attributes; private classes as plain values, since they may be renamed."""
        state = {**super().__getstate__(), "_skae_version": __version__}
        for name in CALLBACK_CONTEXT:  # of a running fit, whose end no copy sees
            state.pop(name, None)
        its = {name: plain(state[name]) for name in ("_perceptron", "_state") if name in state}
        return {**state, **its}

    def __setstate__(self, state):
        state = {**default_parameters(type(self)), **state}  # files may lack new parameters
        version = state.pop("_skae_version", "unknown")
        if version != __version__:
            warn(
                f"This {type(self).__name__} was saved with skae {version} and is loaded with "
                f"skae {__version__}: check its results, or fit it again.",
            )
        if "_state" in state:
            state["_perceptron"], reached = map(restored, (state["_perceptron"], state["_state"]))
            if len(reached.weights) != state["_perceptron"].length:
                raise ValueError(f"The layout of these weights is unknown to {REMEDY}")
            # At the alignment in a file, each network would copy the weights (see `Layout`).
            state["_state"] = replace(reached, weights=as_tensor(reached.weights).numpy())
        super().__setstate__(state)
