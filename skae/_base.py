"""BaseAutoencoder: how every autoencoder is trained, as scikit-learn sees it."""

import time
import warnings
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from skae._activations import ACTIVATIONS
from skae._compat import (
    CallbackSupportMixin,
    Interval,
    InvalidParameterError,
    Options,
    Progress,
    StrOptions,
    fit_context,
)
from skae._devices import find_device, lacks_float64
from skae._full_batch import make_trainer
from skae._inference import InferenceMixin
from skae._losses import LOSSES
from skae._perceptron import Perceptron
from skae._streams import draw_seed, stream
from skae._tape import PRECISIONS
from skae._training import Data, State, split_rows
from skae._version import __version__

TRAINING_CONSTRAINTS = {
    "alpha": [Interval(Real, 0, None, closed="left")],
    "solver": [StrOptions({"adam", "sgd", "lbfgs"})],
    "learning_rate": [StrOptions({"constant", "cosine", "one_cycle"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "device": [str],
    "precision": [StrOptions(set(PRECISIONS))],
    "verbose": ["verbose"],
}

NETWORK_CONSTRAINTS = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "hidden_layer_sizes": ["array-like"],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "code_activation": [StrOptions({"auto", *ACTIVATIONS})],
    "tied_weights": ["boolean"],
}


def trains_by_epochs(estimator):
    """Whether it can `partial_fit`; AttributeError if not."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            f"{type(estimator).__name__} has no partial_fit with solver='lbfgs', which takes all "
            "rows at once: use 'adam' or 'sgd'."
        )
    return True


class BaseAutoencoder(InferenceMixin, CallbackSupportMixin, BaseEstimator):
    """What all autoencoders share. Abstract: it has no constructor of its own.

    A variant lists its parameters in `__init__` and `_parameter_constraints` and writes
    `_objective`; everything else here serves it. Where its paper asks for more, it may
    also override

    - `_auto_code_activation`: what `code_activation="auto"` stands for,
    - `_check_parameters`: what parameters forbid together,
    - `_prepare`: what to learn of the data before training,
    - `_describe_network`, `_initial_weights`: the layers and where they start,
    - `_begin_epoch`: what happens between epochs,
    - `_constrain`: what must hold after every step of the optimiser (and
      `_pull_back_constraint`, its derivative),
    - `_summarize`: fitted attributes that describe the codes of the training set,
    - `_warn_of_fit`: what the user should know of the result,

    and `_encode` of `InferenceMixin`.
    """

    _parameter_constraints = {
        **NETWORK_CONSTRAINTS,
        "loss": [StrOptions(set(LOSSES))],
        **TRAINING_CONSTRAINTS,
    }
    _auto_code_activation = "identity"
    _rows_per_row = 1  # rows that the objective makes of each: how much work a batch is
    _warmup_epochs = 0  # first epochs, whose objective is not yet the one to minimise

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data. float32 is computed in float32, everything else in float64.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is wrong, X does not suit it or the device is not there: the
            estimator is as before. If the training diverges: it is not fitted (with
            `warm_start`, it is as before).
        KeyboardInterrupt
            If interrupted: the weights of the last finished epoch stay usable, where
            there is one.
        """
        return self._fit_to(X)

    @available_if(trains_by_epochs)
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Train for one epoch over X, going on from where training stands.

        The learning rate is `learning_rate_init`; schedules, `tol`, `early_stopping` and
        `max_iter` play no part. Optimiser and random streams go on exactly, also
        through pickle.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X does not suit the parameters or the loss becomes non-finite; the
            estimator is then as it was before the call.
        """
        return self._partial_fit_to(X)

    def _fit_to(self, X, target=None):
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        with self._transaction():
            data = self._validate(X, target, reset=not goes_on)
        if not goes_on:
            self._forget()
        with Progress.of_fit(self, data.X, self._n_fit_tasks()) as progress, self._transaction():
            self._fit(data, goes_on, progress)
        self._warn_of_fit(data, stacklevel=5)
        return self

    def _partial_fit_to(self, X, target=None):
        goes_on = self.__sklearn_is_fitted__()
        if goes_on:
            self._validate_params()  # scikit-learn does so only in the first call
        with self._transaction():
            started = time.perf_counter()
            data = self._validate(X, target, reset=not goes_on)
            trainer = self._resume(data) if goes_on else self._start(data)
            n_iter = self.n_iter_ if goes_on else 0
            trainer.run_epoch()
            self._commit(trainer)
            self.n_iter_ += n_iter
        if self.verbose:
            trainer.report(self.n_iter_, time.perf_counter() - started)
        return self

    def _fit(self, data, goes_on, progress):
        start = self._resume if goes_on else self._start
        self._train(start(data, self._held_out_fraction), progress)

    @property
    def _held_out_fraction(self):
        return self.validation_fraction if self.early_stopping and self.solver != "lbfgs" else 0

    def _train(self, trainer, progress):
        try:
            trainer.fit(progress)
        except KeyboardInterrupt:
            if trainer.n_iter > 0:
                self._commit(trainer)
            raise
        self._commit(trainer)

    @contextmanager
    def _transaction(self):
        """Whatever fails inside leaves the estimator as it was, unless it has committed."""
        before = dict(vars(self))
        try:
            # Training works where the caller has switched gradients off.
            with torch.inference_mode(False), torch.enable_grad():
                yield
        except BaseException:
            if vars(self).get("_state") is before.get("_state"):
                vars(self).clear()
                vars(self).update(before)
            raise

    def _n_fit_tasks(self):
        return self.max_iter

    def _validate(self, X, target, reset):
        """What to train on, in the dtype to compute in, and parameters checked."""
        self._check_parameters()
        device = find_device(self.device)
        dtype = [np.float64, np.float32] if reset else self._state.weights.dtype
        X = validate_data(self, X, reset=reset, dtype=dtype, **self._accepted)
        if lacks_float64(device) and X.dtype == np.float64:
            warnings.warn(
                f"device={self.device!r} has no float64: X is computed in float32.",
                UserWarning,
                stacklevel=5,
            )
            X = X.astype(np.float32)
        data = Data(X, self._validate_target(target, X))
        self._check_loss_range(data.targets, "X" if target is None else "target")
        return data

    def _validate_target(self, target, X):
        """What rows of X are to become, of their dtype; None for themselves."""
        if target is None:
            return None
        target = check_array(target, dtype=X.dtype, input_name="target", **self._accepted)
        check_consistent_length(X, target)
        return target

    def _start(self, data, held_out_fraction=0):
        """A trainer at the beginning, its weights drawn."""
        seed = draw_seed(self.random_state)
        split = split_rows(len(data), held_out_fraction, seed)
        seen, n_features = split.seen(data), data.X.shape[1]
        self._prepare(seen, goes_on=False)
        perceptron = self._describe_network(n_features)
        weights = self._initial_weights(perceptron, stream(seed, "weights"), seen)
        state = State(weights.numpy().astype(data.X.dtype), seed)
        return make_trainer(self, perceptron, state, data, split)

    def _initialize(self, X):
        """Be as after zero epochs."""
        trainer = self._start(Data(X))
        self.n_features_in_ = X.shape[1]
        self._perceptron, self._state = trainer.network.perceptron, trainer.state
        self.n_iter_, self.loss_curve_, self.validation_loss_curve_ = 0, [], None

    def _resume(self, data, held_out_fraction=0):
        """A trainer that goes on from the fitted state."""
        perceptron = self._describe_network(data.X.shape[1])
        if perceptron != self._perceptron:
            raise ValueError(
                "Training cannot go on, as the parameters now describe another network, "
                f"{perceptron}, than the fitted one, {self._perceptron}: restore what decides its "
                "sizes, activations, tied weights and output, or call fit with warm_start=False."
            )
        split = split_rows(len(data), held_out_fraction, self._state.seed)
        self._prepare(split.seen(data), goes_on=True)
        trainer = make_trainer(self, perceptron, self._state, data, split)
        trainer.losses = list(self.loss_curve_)
        trainer.validation_losses = list(self.validation_loss_curve_ or ())
        return trainer

    def _commit(self, trainer):
        """Take over what the trainer has reached."""
        vars(self).update(self._reached(trainer))
        self._summarize(trainer.data)

    def _reached(self, trainer):
        """The fitted attributes after the trainer's last finished epoch."""
        watched = trainer.validation_losses or trainer.losses
        first = trainer.state.n_epochs - len(watched)  # the epoch that the curve starts with
        watched = watched[max(0, self._warmup_epochs - first) :] or watched
        return {
            "_perceptron": trainer.network.perceptron,
            "_state": trainer.state,
            "n_iter_": trainer.n_iter,
            "loss_": trainer.losses[-1],
            "best_loss_": min(watched),
            "loss_curve_": list(trainer.losses),
            "validation_loss_curve_": list(trainer.validation_losses) or None,
        }

    def _forget(self):
        """Drop what an earlier fit has left."""
        fitted = [name for name in vars(self) if name.endswith("_")]
        for name in {*fitted, "_perceptron", "_state"} - {"n_features_in_", "feature_names_in_"}:
            vars(self).pop(name, None)

    # What a variant fills in.

    def _objective(self, network, x, noise):
        """The mean over rows of what to minimise (without the weight decay).

        Parameters
        ----------
        network : Network
            In training a `Tape`; formulas that come with a pullback go through its
            `apply`, everything else is differentiated by autograd.
        x : Tensor of shape (n, n_features)
            One batch; not to be kept or changed.
        noise : torch.Generator
            Where to draw random numbers from.

        Returns
        -------
        objective : Tensor of shape ()
        """
        raise NotImplementedError

    def _check_parameters(self):
        self._check_sizes("hidden_layer_sizes", "; () is an encoder of a single layer")

    def _refuse_lbfgs(self, what, instead):
        if self.solver == "lbfgs":
            raise InvalidParameterError(
                f"{what} does not go with solver='lbfgs', whose objective must not change from one "
                f"iteration to the next: use {instead} or another solver."
            )

    def _check_sizes(self, name, hint=""):
        sizes = getattr(self, name)
        if not all(isinstance(s, Integral) and not isinstance(s, bool) and s > 0 for s in sizes):
            raise InvalidParameterError(
                f"The {name!r} parameter of {type(self).__name__} must be a sequence of "
                f"integers above 0, such as (128, 64){hint}. Got {sizes!r} instead."
            )

    def _prepare(self, data, goes_on):
        pass

    def _describe_network(self, n_features):
        hidden = (self.activation,) * len(self.hidden_layer_sizes)
        code = self.code_activation
        return Perceptron(
            sizes=(n_features, *map(int, self.hidden_layer_sizes), int(self.n_components)),
            encoder_activations=(
                *hidden,
                self._auto_code_activation if code == "auto" else code,
            ),
            decoder_activations=(*hidden, self._loss.activation),
            tied=(bool(self.tied_weights),) * (len(hidden) + 1),
        )

    def _initial_weights(self, perceptron, generator, data):
        return perceptron.initialize(generator)

    def _begin_epoch(self, trainer, progress):
        pass

    def _constrain(self, network):
        pass

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

    def _warn_of_fit(self, data, stacklevel):
        pass

    @property
    def _loss(self):
        return LOSSES[self.loss]

    @property
    def _loss_parameter(self):
        return f"loss={self.loss!r}"

    # Scikit-learn's and Python's conventions.

    def __sklearn_is_fitted__(self):
        return "_state" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self):
        return {**super().__getstate__(), "_skae_version": __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_skae_version", "unknown")
        if version != __version__:
            warnings.warn(
                f"This {type(self).__name__} was saved with skae {version} and is loaded with "
                f"skae {__version__}: check its results, or fit it again.",
                UserWarning,
                stacklevel=2,
            )
        super().__setstate__(state)
