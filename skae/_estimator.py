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
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_is_fitted,
    validate_data,
)

from skae._callbacks import CALLBACK_CONTEXT, CallbackSupportMixin, Progress
from skae._compat import DocumentedMixin
from skae._engine.devices import (
    as_tensor,
    find_device,
    find_device_or_cpu,
    lacks_bfloat16,
    lacks_float64,
    memory_errors,
    off_torch,
    own_modes,
)
from skae._engine.full_batch import FullBatchTrainer
from skae._engine.inference import in_chunks
from skae._engine.network import Network
from skae._engine.notice import warn
from skae._engine.saved import REMEDY, plain, restored
from skae._engine.settings import AUTO
from skae._engine.shards import Shard, own
from skae._engine.training import Trainer
from skae._files import check_rows, warn_of_order
from skae._frames import is_of_float32
from skae._hints import PartsMixin, hints, refuse_streams
from skae._tabular import NAMES, TabularMixin
from skae._together import together
from skae._version import __version__

ACCEPTED = {"accept_sparse": "csr", "order": "C"}  # of X, by `validate_data`


def dtypes_for(X):
    """What X may be to be computed in its own dtype; everything else is in the first of these."""
    return np.float32 if is_of_float32(X) else [np.float64, np.float32]


def draw_seed(random_state):
    """A seed from the parameter `random_state`.

    None gives fresh entropy: unlike scikit-learn, global generators are never read.
    """
    if random_state is None:
        return int(np.random.SeedSequence().entropy % 2**63)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int32).max))
    check_random_state(random_state)  # for its errors
    if random_state is np.random:
        raise ValueError(
            "random_state=np.random is NumPy's global generator, which skae leaves alone: pass an "
            "int, a RandomState or None."
        )
    return int(random_state)


def make_trainer(estimator, perceptron, state, data, split):
    """The trainer that the parameter `solver` asks for."""
    trainer = FullBatchTrainer if estimator._setting("solver") == "lbfgs" else Trainer
    return trainer(estimator, perceptron, state, data, split)


@lru_cache
def parameter_names(estimator_class):
    """Of the constructor; found once, since scikit-learn's way takes as long as a step."""
    return estimator_class._get_param_names()


@lru_cache
def default_parameters(estimator_class):
    """The constructor's parameters that have a default, with it."""
    parameters = signature(estimator_class.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def are_unchanged(before, now):
    """Whether parameters, None if there were none, are surely what they were.

    Of a list or an estimator that is not sure: it may have been changed itself.
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
    """Whether it can `partial_fit`; AttributeError if not."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            f"{type(estimator).__name__} has no partial_fit with solver='lbfgs', which takes all "
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
    """Training, state and what scikit-learn asks of both. Abstract.

    A subclass writes `_validate`, which makes `Data` of what `fit` gets, `_fit`, which
    makes trainers of it and has them trained, and `_objective`. The other hooks, which the
    docstring of `BaseAutoencoder` lists, do nothing unless they are overridden.

    The methods that only read the fitted state go through X a chunk at a time, on the
    device that the parameter names. On the CPU they share a network, views of the state's
    arrays, which nothing writes to: several threads may share one fitted estimator.
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

    _target_is_gathered = False  # whether all processes need the targets of all rows
    _fixed = {}  # parameters of training that the constructor does not have, with their values
    _minimizes = True  # whether a lower loss is a better one
    _n_steps = None  # that max_iter="auto" makes; None: what suits the work
    _rows_per_row = 1  # rows that the objective makes of each: how much work a batch is
    _warmup_epochs = 0  # first epochs, whose objective is not yet the one to minimise
    _output_units = None  # (scale, offset) of outputs that are trained in other units than theirs

    @property
    def _continues_training(self):
        """Whether `fit` goes on from the last one."""
        return self.warm_start and self.__sklearn_is_fitted__()

    def _run_fit(self, X, target=None, sample_weight=None):
        with together(self, self._continues_training, X, target, sample_weight) as given:
            return self._fit_to(*given)

    def _fit_to(self, X, target, sample_weight):
        continues = self._continues_training
        with self._transaction():
            self._check_budget()
            data = self._validate(X, target, sample_weight, reset=not continues)
            if not continues:
                self._check_weights(data)
            self._warn_of_data(data)
            warn_of_order(self, data.X)
        if not continues:
            self._forget()
        with self._transaction():
            self._fit(data, continues)
        self._warn_of_fit(data)
        return self

    def _run_partial_fit(self, X, target=None, sample_weight=None):
        with together(self, self.__sklearn_is_fitted__(), X, target, sample_weight) as given:
            return self._run_one_epoch(*given)

    def _run_one_epoch(self, X, target, sample_weight):
        continues, parameters = self.__sklearn_is_fitted__(), self._parameters()
        # scikit-learn does so only in the first call; parameters seldom change between calls.
        if continues and not are_unchanged(self._state.parameters, parameters):
            self._validate_params()
        with self._transaction():
            started = time.perf_counter()
            data = self._validate(X, target, sample_weight, reset=not continues)
            trainer = self._resume(data) if continues else self._start(data)
            trainer.n_iter_before = self.n_iter_ if continues else 0
            trainer.run_epoch()
            self._commit(trainer)
            self._state.parameters = parameters
        if trainer.settings.verbose:
            trainer.report(self.n_iter_, time.perf_counter() - started)
        return self

    def _go_on(self, trainer):
        """The trainer, with the curves and the step size that training has come to."""
        if self.learning_rate_init == "auto":  # what it has come to, whatever rows follow
            settings = replace(trainer.settings, learning_rate_init=self.learning_rate_init_)
            trainer.settings = settings
        trainer.losses = list(self.loss_curve_)
        trainer.validation_losses = list(vars(self).get("validation_loss_curve_") or ())
        return trainer

    def _progress(self, data, n_tasks):
        """A context that gives the `Progress` of a fit of so many tasks."""
        X, y = self._shown_to_callbacks(data)
        if data.group is not None:
            X, y = own_of_both(X, y)
        return Progress.of_fit(self, X, y, n_tasks)

    def _draw_seed(self, data):
        """The seed of a fit to these data."""
        seed = draw_seed(self.random_state)
        return seed if data.group is None else data.group.from_first(seed)

    def _validate_X(self, X, reset, dtype=None, sample_weight=None):
        """X in the dtype to compute in, for parameters that have been checked."""
        device = find_device(self.device)
        dtype = dtype or (dtypes_for(own(X)) if reset else self._state.weights.dtype)
        weights = sample_weight if reset else None
        X = self._matrix_or_array(off_torch(X), reset, weights, dtype=dtype, **self._accepted)
        if self.precision == "bf16" and lacks_bfloat16(device):
            warn(
                "precision='bf16' is slower than 'float' here, many times for most networks: this "
                "processor has no bfloat16 instructions, and torch emulates them.",
            )
        if lacks_float64(device) and X.dtype == np.float64:
            warn(
                f"device={self.device!r} has no float64: X is computed in float32.",
            )
            X = X.astype(np.float32)
        return X

    def _train(self, trainer, progress):
        try:
            trainer.fit(progress)
        except KeyboardInterrupt:
            if trainer.n_iter > 0 and trainer.data.group is None:  # no others to learn it with
                self._commit(trainer)
            raise
        self._commit(trainer)

    def _setting(self, name):
        """A parameter of training."""
        return self._fixed[name] if name in self._fixed else getattr(self, name)

    @property
    def _held_out_fraction(self):
        return self.validation_fraction if self.early_stopping and self.solver != "lbfgs" else 0

    @property
    def _memory_remedy(self):
        return f"lower batch_size (now {self.batch_size!r}) or the widths of the layers"

    def _parameters(self):
        """The parameters' values, in one order."""
        return [getattr(self, name) for name in parameter_names(type(self))]

    @contextmanager
    def _transaction(self):
        """Whatever fails inside leaves the estimator as it was, unless it has committed."""
        before = dict(vars(self))
        try:
            with own_modes(gradients=True), memory_errors(self._memory_remedy):
                yield
        except BaseException:
            if vars(self).get("_state") is before.get("_state"):
                told = {k: v for k, v in vars(self).items() if k in CALLBACK_CONTEXT}
                vars(self).clear()
                vars(self).update(before | told)
            raise

    def _commit(self, trainer):
        """Take over what the trainer has reached."""
        # On a shallow copy, so that a failure in `_summarize` leaves the estimator as it was.
        new = copy(self)
        vars(new).update(self._attributes_after(trainer))
        new._summarize(trainer.data)
        vars(self).update(vars(new))

    def _attributes_after(self, trainer):
        """The fitted attributes after the trainer's last finished epoch."""
        watched = trainer.validation_losses or trainer.losses
        first = trainer.state.n_epochs - len(watched)  # the epoch that the curve starts with
        watched = watched[max(0, self._warmup_epochs - first) :] or watched
        return {
            "_perceptron": trainer.network.perceptron,
            "_state": trainer.state,
            **{f"{name}_": getattr(trainer.settings, name) for name in AUTO},
            "n_iter_": trainer.n_iter_before + trainer.n_iter,
            "loss_": trainer.losses[-1],
            "best_loss_": min(watched),
            "loss_curve_": list(trainer.losses),
            "validation_loss_curve_": list(trainer.validation_losses) or None,
        }

    def _forget(self):
        """Drop what an earlier fit has left."""
        # Fitted attributes end in "_", private ones too: whatever ends so is dropped before a new
        # fit, but for what the new fit knows of the features already.
        fitted = [name for name in vars(self) if name.endswith("_")]
        for name in {*fitted, "_perceptron", "_state"} - {*NAMES, "table_"}:
            vars(self).pop(name, None)

    # What reads the fitted state: codes and weights.

    # What types say is so of parameters' defaults and of arrays: `set_output`, as in scikit-learn,
    # and `sparse_output` have `transform` return something else.

    def transform(self, X) -> np.ndarray:
        """Encode X; deterministic.

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
            If X has not as many columns as in `fit`, or cells that are not finite (NaN is
            for `DenoisingAutoencoder`).
        """
        return self._remember(self._codes(self._validate_rows(X)), X)

    def _validate_rows(self, X, **options):
        """X as an array in the dtype of the fit; `_chunks` checks that it is finite."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # for its error; to ask it each time takes a while
        options = {**ACCEPTED, "ensure_all_finite": False, **options}
        dtype = self._state.weights.dtype
        return self._matrix_or_array(off_torch(X), reset=False, dtype=dtype, **options)

    def _matrix_or_array(self, X, reset, sample_weight=None, **options):
        """X as an array or CSR matrix; if it is a table, its encoder's."""
        refuse_streams(X)
        matrix = self._as_matrix(X, reset, sample_weight)
        if matrix is None:
            check = partial(validate_data, self, reset=reset)
            with hints(own(X)):
                return check_rows(check, X, **options)
        options["ensure_all_finite"] = "allow-nan"  # gaps that it does not take are refused
        check = partial(check_array, estimator=self, input_name="X")
        return check_rows(check, matrix, **options)

    @property
    def _accepted(self):
        """What X may be, for `validate_data`."""
        takes_gaps = self._table is not None and self._takes_gaps_of_tables
        takes_gaps = takes_gaps or get_tags(self).input_tags.allow_nan
        return {**ACCEPTED, "ensure_all_finite": "allow-nan" if takes_gaps else True}

    def _codes(self, X):
        """`transform` of validated rows: always an array, whatever `set_output` says."""
        return self._map(self._encode, X)

    def _encode(self, network, x):
        return network.encode(self._inputs(x))

    def _inputs(self, x):
        """What the encoder gets of rows x, which may be the user's own and stay as they are."""
        return x

    def _input_layers(self):
        """The same as torch modules."""
        return []

    def _map(self, function, X, expansion=1):
        """`function(network, x)` of all rows of X as one array; of a `Shard`, as one more."""
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
        with hints(rows):
            assert_all_finite(
                rows,
                allow_nan=self._accepted["ensure_all_finite"] == "allow-nan",
                estimator_name=type(self).__name__,
                input_name="X",
            )

    @property
    def _fitted_perceptron(self):
        """The layers to compute with."""
        return self._perceptron

    def _fitted_network(self, device="cpu"):
        """The network of the fitted weights, only to be read."""
        perceptron, state = self._fitted_perceptron, self._state
        if perceptron is not self._perceptron or torch.device(device).type != "cpu":
            return self._to_be_read(Network(perceptron, as_tensor(state.weights, device)))
        if state.network is None:  # built once, as it takes longer than a row
            with own_modes(gradients=False):  # or it would keep what a caller's modes have made
                state.network = self._to_be_read(Network(perceptron, as_tensor(state.weights)))
        return state.network

    def _to_be_read(self, network):
        """A network of the fitted weights as whatever reads the fitted state has it."""
        return network.completed(self._output_units)

    # What a subclass fills in.

    def _validate(self, X, target, sample_weight, reset):
        raise NotImplementedError

    def _fit(self, data, continues):
        raise NotImplementedError

    def _start(self, data):
        """For `partial_fit`: a trainer at the beginning."""
        raise NotImplementedError

    def _resume(self, data):
        """For `partial_fit`: a trainer that goes on from the fitted state."""
        raise NotImplementedError

    def _objective(self, network, x, noise):
        """The mean over rows of what to minimise (without the weight decay).

        Parameters
        ----------
        network : Network
            In training a `Tape`; formulas that come with a pullback go through its
            `apply`, everything else is differentiated by autograd. The codes and outputs
            that it gives are valid until the step ends.
        x : Tensor of shape (n, n_features)
            One batch; not to be kept or changed.
        noise : torch.Generator
            Where to draw random numbers from.
        target : Tensor of shape (n, n_outputs)
            What the rows are to become, where the data have targets.

        Returns
        -------
        objective : Tensor of shape ()
        """
        raise NotImplementedError

    def _check_parameters(self):
        pass

    def _check_budget(self):
        """Raise an error if parameters that only `fit` goes by contradict each other."""

    def _check_weights(self, data):
        """Raise an error if `fit`, unless it goes on, cannot weigh rows as these are."""

    def _shown_to_callbacks(self, data):
        """X and y of the whole fit: scikit-learn's ScoringMonitor skips scoring without y."""
        X = self._encoded(data.X)
        return X, X

    def _begin_epoch(self, trainer, progress):
        pass

    def _has_learnt(self, trainer):
        """Whether training, whose loss has not improved for a while, may end."""
        return True

    def _constrain(self, network):
        pass

    def _end_step(self, network, loss):
        """Act after a step of training, at which the objective was `loss`, and all it changed."""

    def _pull_back_constraint(self, free, gradient):
        """Turn the gradient at constrained weights into one at the free ones, in place.

        Parameters
        ----------
        free : Network
            Of the weights before `_constrain`.
        gradient : Network
            Whose weights are the gradient.
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
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __copy__(self):
        # Shallow, as copies are made whenever training ends: nothing is made plain.
        new = type(self).__new__(type(self))
        vars(new).update(vars(self))
        return new

    def __getstate__(self):
        """The attributes, those of private classes as plain values: classes may be renamed."""
        state = {**super().__getstate__(), "_skae_version": __version__}
        for name in CALLBACK_CONTEXT:  # of a fit that is under way, whose end no copy sees
            state.pop(name, None)
        its = {name: plain(state[name]) for name in ("_perceptron", "_state") if name in state}
        return {**state, **its}

    def __setstate__(self, state):
        state = {**default_parameters(type(self)), **state}  # it may be older than some of them
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
            # Where a file has them begin, each network would copy the weights (see `Layout`).
            state["_state"] = replace(reached, weights=as_tensor(reached.weights).numpy())
        super().__setstate__(state)
