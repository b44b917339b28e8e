"""BaseAutoencoder: what scikit-learn sees of every autoencoder."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skae._compat import CallbackSupportMixin, Interval, Options, Progress, StrOptions, fit_context
from skae._devices import as_tensor, find_device, find_device_or_cpu
from skae._losses import LOSSES
from skae._perceptron import ACTIVATIONS, Network, Perceptron
from skae._streams import draw_seed, stream
from skae._training import State, Trainer
from skae._version import __version__

# Numbers a chunk of rows may take in its widest layer: bounds the memory of `transform`.
CHUNK_SIZE = 2**21

TRAINING_CONSTRAINTS = {
    "alpha": [Interval(Real, 0, None, closed="left")],
    "solver": [StrOptions({"adam", "sgd"})],
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
    "verbose": ["verbose"],
}

NETWORK_CONSTRAINTS = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "hidden_layer_sizes": ["array-like"],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "code_activation": [StrOptions({"auto", *ACTIVATIONS})],
    "tied_weights": ["boolean"],
}


class BaseAutoencoder(
    ClassNamePrefixFeaturesOutMixin, CallbackSupportMixin, TransformerMixin, BaseEstimator
):
    """What all autoencoders share. Abstract: it has no constructor of its own.

    A variant lists its parameters in `__init__` and `_parameter_constraints` and writes
    `_objective`; everything else here serves it. Where its paper asks for more, it may
    also override

    - `_auto_code_activation`: what `code_activation="auto"` stands for,
    - `_check_parameters`: what parameters forbid together,
    - `_prepare`: what to learn of the data before training,
    - `_describe_network`, `_initial_weights`: the layers and where they start,
    - `_constrain`: what must hold after every step of the optimiser,
    - `_encode`: the deterministic code, where the encoder gives more than that,
    - `_summarize`: fitted attributes that describe the codes of the training set.

    All of these are read by `fit` and `partial_fit` only, never by the loop.
    """

    _parameter_constraints = {
        **NETWORK_CONSTRAINTS,
        "loss": [StrOptions(set(LOSSES))],
        **TRAINING_CONSTRAINTS,
    }
    _auto_code_activation = "identity"

    # ------------------------------------------------------------------ training

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
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
            If X does not suit the parameters, the device is not there, or the training
            diverges; the estimator is then not fitted (with `warm_start`, as before).
        KeyboardInterrupt
            If interrupted: the last finished epoch's weights stay usable.
        """
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        X = self._validate(X, reset=not goes_on)
        if not goes_on:
            self._forget()
        with Progress.of_fit(self, X, self._n_fit_tasks()) as progress:
            self._fit(X, goes_on, progress)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Train for one epoch over X, going on from where training stands.

        The learning rate is `learning_rate_init`; schedules, `tol`, `early_stopping` and
        `max_iter` play no part. Optimiser and random streams go on exactly, also
        through pickle.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
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
        goes_on = self.__sklearn_is_fitted__()
        X = self._validate(X, reset=not goes_on)
        trainer = self._resume(X) if goes_on else self._start(X)
        n_iter = self.n_iter_ if goes_on else 0
        trainer.run_epoch()
        self._commit(trainer, X)
        self.n_iter_ += n_iter
        return self

    def _fit(self, X, goes_on, progress):
        self._train(self._resume(X) if goes_on else self._start(X), X, progress)

    def _train(self, trainer, X, progress):
        try:
            trainer.fit(progress)
        except KeyboardInterrupt:
            if trainer.n_iter > 0:
                self._commit(trainer)
            raise
        self._commit(trainer, X)

    def _n_fit_tasks(self):
        return self.max_iter

    def _validate(self, X, reset):
        """X as a C-ordered float array in the dtype to compute in, parameters checked."""
        self._check_parameters()
        find_device(self.device)
        dtype = [np.float64, np.float32] if reset else self._state.weights.dtype
        X = validate_data(self, X, reset=reset, dtype=dtype, order="C")
        self._check_loss_range(X)
        return X

    def _check_loss_range(self, X):
        if self._loss.needs_unit_interval and (X.min() < 0 or X.max() > 1):
            raise ValueError(
                f"{self._loss_parameter} needs X in [0, 1], but found values from {X.min():g} "
                f"to {X.max():g}: scale X, for example with MinMaxScaler, or choose another."
            )

    def _start(self, X):
        """A trainer at the beginning, its weights drawn."""
        seed = draw_seed(self.random_state)
        self._prepare(X, goes_on=False)
        perceptron = self._describe_network(X.shape[1])
        weights = self._initial_weights(perceptron, stream(seed, "weights"), X)
        state = State(weights.numpy().astype(X.dtype), seed)
        return Trainer(self, perceptron, state, X)

    def _initialize(self, X):
        """Be as after zero epochs."""
        trainer = self._start(X)
        self.n_features_in_ = X.shape[1]
        self._perceptron, self._state = trainer.network.perceptron, trainer.state

    def _resume(self, X):
        """A trainer that goes on from the fitted state."""
        perceptron = self._describe_network(X.shape[1])
        if perceptron != self._perceptron:
            raise ValueError(
                "Training cannot go on, as n_components, hidden_layer_sizes, activations, "
                f"loss or tied_weights now describe another network, {perceptron}, than the "
                f"fitted one, {self._perceptron}: restore them, or call fit with "
                "warm_start=False."
            )
        self._prepare(X, goes_on=True)
        trainer = Trainer(self, perceptron, self._state, X)
        trainer.losses = list(self.loss_curve_)
        trainer.validation_losses = list(self.validation_loss_curve_ or ())
        return trainer

    def _commit(self, trainer, X=None):
        """Take over what the trainer has reached; X None leaves out the summary."""
        vars(self).update(self._reached(trainer))
        if X is not None:
            self._summarize(X)

    def _reached(self, trainer):
        """The fitted attributes after the trainer's last finished epoch."""
        watched = trainer.validation_losses or trainer.losses
        return {
            "_perceptron": trainer.network.perceptron,
            "_state": trainer.state,
            "n_iter_": trainer.n_iter,
            "loss_": trainer.losses[-1],
            "best_loss_": min(watched),
            "loss_curve_": trainer.losses,
            "validation_loss_curve_": trainer.validation_losses or None,
        }

    def _forget(self):
        """Drop what an earlier fit has left, so that a failing one leaves nothing behind."""
        fitted = [name for name in vars(self) if name.endswith("_") and name[0] != "_"]
        for name in {*fitted, "_perceptron", "_state"} - {"n_features_in_", "feature_names_in_"}:
            vars(self).pop(name, None)

    # ------------------------------------------------------- what a variant fills in

    def _objective(self, network, x, noise):
        """The mean over rows of what to minimise (without the weight decay).

        Parameters
        ----------
        network : Network
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
        sizes = self.hidden_layer_sizes
        if not all(isinstance(size, Integral) and size > 0 for size in sizes):
            raise ValueError(
                f"hidden_layer_sizes={sizes!r} must hold integers above 0, one per hidden "
                "layer, such as (128, 64); () is an encoder of a single layer."
            )

    def _prepare(self, X, goes_on):
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

    def _initial_weights(self, perceptron, generator, X):
        return perceptron.initialize(generator)

    def _constrain(self, network):
        pass

    def _encode(self, network, x):
        return network.encode(x)

    def _summarize(self, X):
        pass

    @property
    def _loss(self):
        return LOSSES[self.loss]

    @property
    def _loss_parameter(self):
        return f"loss={self.loss!r}"

    # ----------------------------------------------------------------- using the fit

    def transform(self, X):
        """Encode X; deterministic.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            The code of each row, in the dtype of the fit.
        """
        return self._map(self._encode, self._validate_rows(X))

    def inverse_transform(self, X):
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        reconstructions : ndarray of shape (n_samples, n_features)
            The reconstruction of each code, on the scale of the data.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=self._state.weights.dtype, order="C")
        if X.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__}.inverse_transform "
                f"expects codes with n_components={self.n_components_} columns."
            )
        return self._map(Network.reconstruct, X)

    def reconstruct(self, X):
        """Encode and decode X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to reconstruct.

        Returns
        -------
        reconstructions : ndarray of shape (n_samples, n_features)
            Equal to `inverse_transform(transform(X))`.
        """
        return self._map(self._reconstruct, self._validate_rows(X))

    def score_samples(self, X):
        """Score each row; higher is better reconstructed.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the reconstruction loss, summed over features.
        """
        X = self._validate_rows(X)
        self._check_loss_range(X)
        return self._map(self._score_rows, X)

    def score(self, X, y=None):
        """Fraction of the variance of X that its reconstruction explains.

        Equal to `r2_score(X, reconstruct(X), multioutput="variance_weighted")`, so on
        the scale of `PCA.explained_variance_ratio_.sum()`. 1 is perfect, 0 is as good as
        the mean of X; it can be negative.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least two rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Fraction of variance explained.

        Raises
        ------
        ValueError
            If X has one row only, or a reconstruction is not finite.
        """
        X = self._validate_rows(X, ensure_min_samples=2)
        mean = X.mean(axis=0, dtype=np.float64)
        errors, deviations = np.zeros_like(mean), np.zeros_like(mean)
        for rows, reconstructions in self._chunks(self._reconstruct, X):
            errors += np.square(rows - reconstructions, dtype=np.float64).sum(axis=0)
            deviations += np.square(rows - mean).sum(axis=0)
        if not np.isfinite(errors).all():
            raise ValueError(
                "The reconstructions of X are not finite, so that there is no score: its "
                "values are too far from those seen in fit. Scale X as in training."
            )
        return _explained_variance(errors, deviations)

    def _validate_rows(self, X, **options):
        check_is_fitted(self)
        dtype = self._state.weights.dtype
        return validate_data(self, X, reset=False, dtype=dtype, order="C", **options)

    def _reconstruct(self, network, x):
        return network.reconstruct(self._encode(network, x))

    def _score_rows(self, network, x):
        return -self._loss.rows(network.decode(self._encode(network, x)), x)

    def _map(self, function, X, expansion=1):
        """`function(network, x)` of all rows of X as one array."""
        out, start = None, 0
        for rows, result in self._chunks(function, X, expansion):
            if out is None:
                out = np.empty((len(X), *result.shape[1:]), result.dtype)
            out[start : start + len(rows)] = result
            start += len(rows)
        return out

    def _chunks(self, function, X, expansion=1):
        """Pairs (rows of X, `function(network, rows)`) that bound the memory.

        `expansion` is how many times wider than the network's layers `function` gets.
        """
        device = find_device_or_cpu(self.device)
        network = self._fitted_network(device)
        n_rows = max(1, CHUNK_SIZE // (max(self._perceptron.sizes) * expansion))
        for start in range(0, len(X), n_rows):
            rows = X[start : start + n_rows]
            with torch.no_grad():  # entered anew: a generator would leak it to its caller
                result = function(network, as_tensor(rows, device)).cpu().numpy()
            yield rows, result

    def _fitted_network(self, device="cpu"):
        return Network(self._perceptron, as_tensor(self._state.weights, device))

    # ---------------------------------------------------------------- fitted attributes

    @property
    def n_components_(self):
        """Width of the code."""
        check_is_fitted(self)
        return self._perceptron.sizes[-1]

    @property
    def _n_features_out(self):
        return self.n_components_

    @property
    def coefs_(self):
        """Weights of all layers, encoder first; each (fan_in, fan_out)."""
        check_is_fitted(self)
        network = self._fitted_network()
        weights = (*network.encoder_weights, *network.decoder_weights)
        return [weight.numpy().T.copy() for weight in weights]

    @property
    def intercepts_(self):
        """Biases of all layers, encoder first; each (fan_out,)."""
        check_is_fitted(self)
        network = self._fitted_network()
        return [bias.numpy().copy() for bias in (*network.encoder_biases, *network.decoder_biases)]

    @property
    def encoder_(self):
        """The encoder as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        return self._fitted_network().encoder_module()

    @property
    def decoder_(self):
        """The decoder as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        return self._fitted_network().decoder_module()

    # ------------------------------------------------------------------- conventions

    def __sklearn_is_fitted__(self):
        return "_state" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
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


def _explained_variance(errors, deviations):
    """R^2 over columns, weighted by variance, from sums of squares per column.

    As in scikit-learn's `r2_score`, a column that does not vary counts only if none does.
    """
    varies = deviations > 0
    if varies.any():
        return float(1.0 - errors[varies].sum() / deviations[varies].sum())
    return float((errors == 0).mean())
