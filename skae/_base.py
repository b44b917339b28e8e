"""BaseAutoencoder: how every autoencoder is trained, as scikit-learn sees it."""

from copy import copy
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_is_fitted

from skae._columns import (
    column_means,
    has_missing,
    log_column_means,
    principal_components,
    sums_of_squares,
    weighted_r2,
)
from skae._compat import InvalidParameterError, StrOptions, available_if, fit_context
from skae._constraints import NETWORK_CONSTRAINTS, TRAINING_CONSTRAINTS, as_sizes
from skae._encoder import EncoderMixin
from skae._engine.activations import SATURATING
from skae._engine.data import Data, dense, sample
from skae._engine.devices import as_tensor, off_torch
from skae._engine.initial import initial_network, start_linear, start_saturating
from skae._engine.modules import decoder_module, published
from skae._engine.network import ENCODER, Network, matching_tensors
from skae._engine.perceptron import Perceptron
from skae._engine.streams import stream
from skae._engine.units import multiply_by_units, units_for
from skae._estimator import ACCEPTED, NetworkEstimator, trains_by_epochs
from skae._files import check_rows
from skae._fit_quality import LEARNT, ROWS, explained_deviance, warn_of_little, warn_of_scales
from skae._hints import hinted
from skae._mixed import Mixed, mean_d2, sums_of_cells, sums_of_losses
from skae._one_network import OneNetworkMixin
from skae._outputs import LOSSES, SquaredError
from skae._sample_weight import weighted
from skae.networks import ConvNet

STRONG_DECAY = 0.01
OF_TARGET = "This error concerns target: if X is a table, target must have the columns of X."
ROWS_FOR_COMPONENTS, ROWS_FOR_FACTORS = 20_000, 10_000


def hook(getter) -> Any:
    """A property that variants may override by an attribute; type checkers accept only Any."""
    return property(getter)


def components_of(data, n_most):
    """Principal components of X, or of some of its rows, and their standard deviations."""
    rows = sample(replace(data, target=None), ROWS_FOR_COMPONENTS, seed=0, sizes=2)
    return principal_components(rows.X, n_most, rows.sample_weight)[:2]


class BaseAutoencoder(OneNetworkMixin, EncoderMixin, NetworkEstimator):
    """Abstract base class of all autoencoders; it has no constructor of its own.

    A variant lists its parameters in `__init__` and `_parameter_constraints` and writes
    `_objective`; everything else is provided. If its paper needs more than an objective, it
    overrides some of the hooks below.

    See Also
    --------
    skae.Autoencoder : The plain autoencoder.
    Output : Meaning of a decoder's output.

    Notes
    -----
    These hooks are attributes or properties:

    `_auto_code_activation`
        What `code_activation="auto"` stands for; "identity" by default.
    `_output`
        Meaning of the decoder's output, an `Output`; by default the one named by the
        parameter `loss`.
    `_rows_per_row`
        How many rows the objective makes from each row, 1 by default. The number of threads
        depends on it.
    `_warmup_epochs`
        Number of first epochs whose objective is not yet the final one, 0 by default.
        Stopping and `best_loss_` ignore them and, if there are any, the start.
    `_is_held_back`
        Whether the parameters ask for worse reconstructions than the defaults, as a
        strong penalty does. There is then no warning that little has been learnt.
    `_has_free_code`
        Whether the objective asks only for good reconstructions, True by default, and not, for
        example, for a sparse code. A narrow code of units that saturate then starts near principal
        components.
    `_n_components_at_once`
        How many components of the code a row may use, `n_components_` by default; the warning
        compares reconstructions with those from as many principal components.

    These are called before training:

    `_step_factor(n_rows, n_columns)`
        Returns what `learning_rate_init="auto"` is multiplied by if all units of the encoder
        saturate and start at random, 1 by default.
    `_check_parameters()`
        Raises an error if parameters contradict each other. It first calls `super()`'s.
    `_check_budget()`
        Does the same for parameters that only `fit` uses, such as `max_iter`.
    `_prepare(data, continues)`
        Learns from the training rows, `data.X`, what the objective needs, such as the range of
        each column. `continues` tells whether an earlier training is continued. Rows of a memory
        map are read when indexed: go through them slice by slice.
    `_describe_perceptron(n_features)`
        Returns the layers: the description from `super()` with some fields changed, such as two
        heads for the encoder.
    `_initial_network(perceptron, generator, data)`
        Returns the network with its initial weights: that from `super()`, changed in place.
        Afterwards, the encoder's origin is set, the network is started at or near principal
        components if possible, and the output's biases are set to where the data lie.
    `_mean_inputs(data)`
        Returns the column means of the encoder's inputs for these rows, in float64: the origin
        that its first layer subtracts.
    `_scale_code(network, deviations, data)`
        Returns divisors of the initial code, if it starts as principal components with
        these standard deviations; ones by default.

    `_corrupted_inputs(x, noise)`
        Returns the encoder's inputs in training for rows x, drawn with the generator `noise`; by
        default, the rows. A start near principal components allows for the noise in them.

    These are called in training:

    `_begin_epoch(trainer, progress)`
        Acts before each epoch, for example by reviving units. `progress`, from 0 to 1, is the
        finished fraction of the training. With `early_stopping`, the objective of held-out rows
        is also computed before the first call.
    `_constrain(network)`
        Changes the weights in place after every step, and their mean in the end, so that a
        constraint on them holds.
    `_pull_back_constraint(free, gradient)`
        Applies the derivative of `_constrain`, for `solver="lbfgs"`: turns the gradient
        at the constrained weights into that at the free weights, in place.

    These are called after training, the last three by all methods that read the fitted
    state:

    `_summarize(data)`
        Sets fitted attributes, such as those that describe the codes.
    `_warn_of_fit(data)`
        Warns of a problem in the result, such as a collapsed code.
    `_inputs(x)`
        Returns the encoder's inputs for rows x; by default, the rows.
    `_input_layers()`
        Returns `_inputs` as a list of torch modules, with which `encoder_` begins.
    `_encode(network, x)`
        Returns the code of rows x, for encoders whose output is more than a code.

    Examples
    --------
    An autoencoder whose decoder adds up parts and never subtracts any:

    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> class NonnegativeAutoencoder(Autoencoder):
    ...     def _constrain(self, network):
    ...         for weight in network.decoder_weights:
    ...             weight.clamp_(min=0)
    >>> X = load_digits().data / 16
    >>> nonnegative = NonnegativeAutoencoder(16, code_activation="relu", max_iter=5)
    >>> bool((nonnegative.fit(X).coefs_[-1] >= 0).all())
    True
    """

    _parameter_constraints = {
        **NETWORK_CONSTRAINTS,
        "loss": [StrOptions(set(LOSSES))],
        **TRAINING_CONSTRAINTS,
    }
    _auto_code_activation = "identity"
    _has_free_code = True
    _parts = {
        "network": ("network=ConvNet(image_shape=(1, 28, 28))",),
        "table": ("table=TableEncoder()",),
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None) -> Self:
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data. Computations use float32 for float32 data, data frames with categories
            and memory maps of integers or float16, float64 for all other data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, at least 0: a row of weight 2 counts as two rows, a row of weight 0
            as none. None gives all rows equal weight.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is invalid, X does not suit it, or the device is unavailable:
            the estimator is unchanged. If training diverges: it is not fitted (with
            `warm_start`, it is unchanged).
        KeyboardInterrupt
            If interrupted: the weights of the last finished epoch, if any, remain
            usable.
        """
        return self._run_fit(X, sample_weight=sample_weight)

    @available_if(trains_by_epochs)
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None) -> Self:
        """Train for one epoch on X, continuing the earlier training.

        The learning rate is `learning_rate_init`; schedules, `tol`, `early_stopping` and
        `max_iter` are ignored. The optimiser and the random streams continue exactly, even after
        pickling. Layers of a stack are trained together, never pretrained.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, at least 0: a row of weight 2 counts as two rows, a row of weight 0
            as none. None gives all rows equal weight. Weights compare only the rows of one call.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X does not suit the parameters, or the loss becomes non-finite; the
            estimator is then unchanged.
        AttributeError
            With solver='lbfgs', which takes all rows at once.
        """
        return self._run_partial_fit(X, sample_weight=sample_weight)

    def _validate(self, X, target, sample_weight, reset):
        self._check_parameters()
        X = self._validate_X(X, reset, sample_weight=sample_weight)
        if target is None or self._output.has_totals:  # the total of X scales the reconstruction
            self._check_values(X)
        if target is not None:
            target = self._validate_target(target, X)
            self._check_values(target, "target")
        data = Data(X, target)
        if reset:
            self._check_network_spec(data)
        return weighted(data, sample_weight)

    def _check_network_spec(self, data):
        """Refuse a network that does not suit the data, before the earlier fit is dropped."""
        if self.network is not None:
            n_features = data.X.shape[1]
            n_outputs = data.targets.shape[1] * self._output.n_heads
            self._describe_blocks(n_features, n_features, n_outputs)

    def _validate_target(self, target, X):
        """The targets of rows of X, in the dtype of X."""
        check = partial(check_rows, partial(check_array, input_name="target"))
        try:
            target = off_torch(target)
            matrix = self._as_matrix(target, reset=False)
            target = target if matrix is None else matrix
            target = hinted(check, target, dtype=X.dtype, **self._accepted)
        except (ValueError, TypeError) as error:
            error.add_note(OF_TARGET)
            raise
        if target.shape[0] != X.shape[0]:
            raise ValueError(
                f"X has {X.shape[0]} rows, but target has {target.shape[0]}: give target one row "
                "for each row of X."
            )
        return target

    def _initialize(self, data):
        """Initialise as if fitted for zero epochs."""
        trainer = self._start(data)
        if self._table is None:
            self.n_features_in_ = data.X.shape[1]
        self._perceptron, self._state = trainer.network.perceptron, trainer.state
        self.n_iter_, self.loss_curve_, self.validation_loss_curve_ = 0, [], None

    def _with_encoder(self, network=None):
        """A fitted copy, with the encoder's weights of this network if one is given."""
        tuned, own = copy(self), self._network_copy()
        if network is not None:
            for whole, part in matching_tensors(network, [own], ENCODER):
                part.copy_(whole)
        tuned._state = replace(self._state, weights=own.flat.numpy(), moments=None)
        return tuned

    def _network_copy(self):
        """The fitted network with a copy of the weights, which may be changed."""
        return Network(self._fitted_perceptron, torch.tensor(self._state.weights, device="cpu"))

    # Whether training was successful.

    @hook
    def _is_held_back(self):
        """Whether the parameters ask for worse reconstructions than the defaults."""
        return self.alpha >= STRONG_DECAY

    @hook
    def _n_components_at_once(self):
        """How many components of the code a row may use."""
        return prod(self._perceptron.code_shape)

    def _has_learnt(self, trainer):
        some = sample(trainer.data, ROWS, trainer.state.seed, among=trainer.split.training)
        explained = explained_deviance(self, trainer.network, some)
        return explained is None or explained > LEARNT

    def _warn_of_data(self, data):
        if isinstance(self._output, SquaredError):
            warn_of_scales(self, data)

    @property
    def _needs_usual_scale(self):
        """Whether the same weights must suit X and units that saturate (see `units_for`)."""
        code = getattr(self, "code_activation", None)
        code = self._auto_code_activation if code == "auto" else code
        return code in SATURATING and self.tied_weights

    def _warn_of_fit(self, data):
        warn_of_little(self, data)

    # Methods that read the fitted state and need the decoder: reconstructions and scores.

    def inverse_transform(self, X) -> np.ndarray:
        """Decode codes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        reconstructions : ndarray of shape (n_samples, n_features)
            The reconstruction of each code, on the scale of the data; proportions with
            loss='categorical_cross_entropy'.

        Raises
        ------
        ValueError
            If X has not `n_components_` columns, or has values that are not finite.
        """
        return self._as_table(self._decoded_rows(X), like=X)

    def _decoded_rows(self, X):
        """`inverse_transform` as an array; for a table, its matrix."""
        check_is_fitted(self)
        X, options = off_torch(X), {**ACCEPTED, "estimator": self, "input_name": "X"}
        X = hinted(check_array, X, dtype=self._state.weights.dtype, **options)
        if X.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__}.inverse_transform "
                f"expects codes with n_components={self.n_components_} columns."
            )
        return self._map(Network.reconstruct, X)

    def reconstruct(self, X, proba=False) -> np.ndarray:
        """Encode and decode X.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to reconstruct; a data frame if `fit` got one.
        proba : bool, default=False
            For data frames, whether to return the matrix of their encoder, `table_`, with
            probabilities of categories, instead of a data frame with the likeliest ones.

        Returns
        -------
        reconstructions : ndarray of shape (n_samples, n_features)
            Equal to `inverse_transform(transform(X))`; with loss='categorical_cross_entropy',
            times each row's total. For a data frame, another one like it; with `proba` an array
            with the columns named by `table_.get_feature_names_out()`.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that are not finite
            (`DenoisingAutoencoder` takes NaN), or if `proba` is set for arrays.
        """
        reconstructions = self._map(self._reconstruct, self._validate_rows(X))
        if not proba:
            return self._as_table(reconstructions, like=X)
        if self._table is None:
            raise ValueError(
                "proba=True needs a data frame with categories, but fit got an array of numbers: "
                "leave it out."
            )
        return reconstructions

    def score_samples(self, X) -> np.ndarray:
        """Score each row; higher means better reconstructed.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the reconstruction loss, summed over features: at most 0 with the
            squared error.

        Raises
        ------
        ValueError
            If X is outside the domain of the loss, such as [0, 1] for a cross-entropy, or if the
            targets had another number of columns than X (see `DenoisingAutoencoder`).
        """
        X = self._validate_rows(X)
        self._check_values(X, output=self._perceptron.output)
        return self._map(self._minus_loss, X)

    def feature_errors(self, X) -> np.ndarray:
        """Contribution of each cell to the reconstruction loss of its row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_features)
            Squared differences in squared units of X, or nats with a cross-entropy; NaN
            for missing values. A row's sum is minus its `score_samples`. For a data
            frame, each of its columns has one: squared differences in squared standard
            deviations for numbers, nats for categories.

        Raises
        ------
        ValueError
            If X is outside the domain of the loss, such as [0, 1] for a cross-entropy, or if the
            targets had another number of columns than X (see `DenoisingAutoencoder`).
        NotImplementedError
            If the loss is a custom one without `loss_of_cells`.
        """
        X = self._validate_rows(X)
        self._check_values(X, output=self._perceptron.output)
        return self._of_columns(self._map(self._losses_of_cells, X))

    def _of_cells(self, columns):
        """Sums over the matrix's columns of each cell of a table; arrays stay as they are."""
        widths = self._widths_of_table
        return columns if widths is None else sums_of_cells(widths, columns)

    def _of_columns(self, columns):
        """The same with NaN for columns of a table that its matrix leaves out."""
        cells = self._of_cells(columns)
        if self._table is None:
            return cells
        has_part = [block.stop > block.start for block in self._table.blocks_.values()]
        whole = np.full((len(cells), len(has_part)), np.nan, cells.dtype)
        whole[:, has_part] = cells
        return whole

    def score(self, X, y=None, sample_weight=None) -> float:
        """Fraction of the variance of X that its reconstruction explains.

        Equal to `r2_score(X, reconstruct(X), multioutput="variance_weighted")`, so comparable with
        `PCA.explained_variance_ratio_.sum()`. 1 is perfect, 0 is as good as the mean of X; it can
        be negative. For a data frame, the mean over columns of the fraction of deviance explained:
        R^2 for numbers, and for categories 1 minus the cross-entropy relative to that of the
        proportions in X.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            At least two rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; None for equal weights.

        Returns
        -------
        score : float
            Fraction of variance explained.

        Raises
        ------
        ValueError
            If X has only one row, or a reconstruction is not finite.
        """
        X = self._validate_rows(X, **self._accepted, ensure_min_samples=2)
        return self._explained_variance(X, X, sample_weight)

    def _explained_variance(self, X, target, sample_weight):
        """Fraction of the variance of the target that reconstructions of X explain."""
        data = weighted(Data(X, None if target is X else target), sample_weight)
        X, target, weights = data.X, data.targets, data.sample_weight
        mean, start, lacks_cells = column_means(target, weights), 0, has_missing(target)
        errors, deviations = self._of_cells(np.zeros((2, len(mean))))
        with np.errstate(over="ignore", invalid="ignore"):  # raises its own error below
            for rows, reconstructions in self._chunks(self._reconstruct, X):
                if target is not X:
                    rows = dense(target[start : start + len(rows)])
                part = None if weights is None else weights[start : start + len(rows)]
                start += len(rows)
                observed = ~np.isnan(rows) if lacks_cells else True
                errors += self._sums_of_errors(rows, reconstructions, observed, part)
                deviations += self._sums_of_errors(rows, mean, observed, part)
            score = (weighted_r2 if self._table is None else mean_d2)(errors, deviations)
        if not np.isfinite(score):
            raise ValueError(
                "The squared errors of the reconstructions of X are not finite, so the score is "
                "undefined: the values of X are too far from those seen in fit. Scale X as in "
                "training."
            )
        return score

    def _sums_of_errors(self, rows, reconstructions, observed, weights):
        """Sums of squares of each column; cross-entropies for a table's categories."""
        if self._table is None:
            return sums_of_squares(rows - reconstructions, observed, weights)
        return sums_of_losses(self._widths_of_table, rows, reconstructions, weights)

    def _check_values(self, X, name="X", output=None):
        """Refuse values outside the domain of an output, by default the parameter's."""
        output = self._output if output is None else output
        output.check(X, name, parameter=self._output_parameter, of=self._whose_output)

    def _reconstruct(self, network, x):
        reconstructions = network.reconstruct(self._encode(network, x))
        return network.perceptron.output.reconstructed(reconstructions, x)

    def _minus_loss(self, network, x):
        return -network.perceptron.output.loss_of_rows(*self._compared(network, x))

    def _losses_of_cells(self, network, x):
        losses = network.perceptron.output.loss_of_cells(*self._compared(network, x))
        return torch.where(x.isnan(), x, losses)

    def _compared(self, network, x):
        """The decoder's output for rows, and the rows that the loss compares it with."""
        output = network.decode(self._encode(network, x))
        if self._table is None:
            return output, x
        return network.perceptron.output.without_missing(output, x)

    @property
    def decoder_(self) -> torch.nn.Module:
        """The decoder as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        return published(decoder_module(self._fitted_network()))

    # Methods for variants to fill in.

    def _check_parameters(self):
        if self.network is not None and self.tied_weights:
            raise InvalidParameterError(
                "tied_weights=True cannot be combined with a network, since its decoder has "
                "weights of its own: set tied_weights=False or network=None."
            )

    def _refuse_lbfgs(self, what, instead):
        if self.solver == "lbfgs":
            raise InvalidParameterError(
                f"{what} cannot be combined with solver='lbfgs', whose objective must not change "
                f"from one iteration to the next: use {instead} or another solver."
            )

    def _describe_perceptron(self, n_features):
        n_inputs, n_outputs = self._widths(n_features)
        output = self._output
        n_extra = output.n_extra(n_outputs, has_back=self.network is not None)
        front, back, into_back = None, None, ()
        if self.network is not None:
            n_given = n_outputs * output.n_heads
            front, back = self._describe_blocks(n_features, n_inputs, n_given)
            n_inputs = n_outputs = front.shape_out[0]
            into_back = (self.activation,)
        hidden_sizes = as_sizes(self.hidden_layer_sizes)
        sizes = (*hidden_sizes, int(self.n_components))
        hidden, code = (self.activation,) * len(hidden_sizes), self.code_activation
        return Perceptron(
            sizes=(n_inputs, *sizes),
            encoder_activations=(*hidden, self._auto_code_activation if code == "auto" else code),
            decoder_activations=(*hidden, *into_back, output),
            tied=(bool(self.tied_weights),) * len(sizes),
            output_heads=output.n_heads,
            n_extra=n_extra,
            decoder_sizes=(*sizes[::-1], n_outputs),
            front=front,
            back=back,
            log_inputs=output.has_totals,
        )

    def _widths(self, n_features):
        """Widths of the encoder's inputs and of the rows compared with the decoder's output."""
        return n_features, n_features

    def _initial_network(self, perceptron, generator, data):
        network = initial_network(perceptron, generator)
        if self.learning_rate_init == "auto" and self.solver == "adam":
            self._units_ = units_for(perceptron, data)
            if self._units_ is not None:
                multiply_by_units(network, self._units_)
        return network

    def _set_out(self, network, data):
        self._set_origin(network, data)
        if network.perceptron.n_linear_components:
            self._start_linear(network, data)
        elif network.perceptron.n_saturating_components and self._has_free_code:
            self._start_saturating(network, data)
        network.perceptron.output.start(network, data)

    def _set_origin(self, network, data):
        origin = self._mean_inputs(data)
        if network.perceptron.image:  # equal at all pixels, so that codes shift with images
            convolves, n_features = isinstance(self.network, ConvNet), data.X.shape[1]
            n_pixels = prod(self.network.image_shape[1:]) if convolves else n_features
            origin = origin.reshape(-1, n_pixels).mean(axis=1).repeat(n_pixels)
        network.origin.copy_(torch.from_numpy(origin))

    def _start_linear(self, network, data):
        """Start at principal components if the loss is similar to theirs."""
        n_most, output = network.perceptron.n_linear_components, network.perceptron.output
        if data.target is None and isinstance(output, (SquaredError, Mixed)):
            directions, deviations = map(torch.from_numpy, components_of(data, n_most))
            start_linear(network, directions, self._scale_code(network, deviations, data))
            if isinstance(output, Mixed):
                slopes = torch.from_numpy(output.slopes_at_start(data))
                network.own_decoder_weights[-1].div_(slopes.unsqueeze(1))

    def _start_saturating(self, network, data):
        """Start a narrow code of units that saturate near principal components."""
        directions, _ = components_of(data, network.perceptron.n_saturating_components)
        rows = sample(data, ROWS_FOR_FACTORS, seed=0)
        X, targets, weights = rows.X, rows.targets, rows.sample_weight
        inputs = self._corrupted_inputs(as_tensor(X), stream(0, "corrupt"))
        constant = network.perceptron.output.best_constant(targets, weights)
        constant = np.zeros(targets.shape[1]) if constant is None else constant
        if has_missing(targets):
            targets = np.where(np.isnan(targets), column_means(targets, weights), targets)
        weights = np.ones(len(X)) if weights is None else weights.astype(np.float64)
        arrays = map(as_tensor, (targets, directions, weights, constant))
        start_saturating(network, inputs, *arrays)

    def _scale_code(self, network, deviations, data):
        """Divisors of components that have these standard deviations."""
        return torch.ones_like(deviations)

    def _corrupted_inputs(self, x, noise):
        """The encoder's inputs in training for rows x, drawn with the generator `noise`."""
        return x

    def _mean_inputs(self, data):
        """Column means of the encoder's inputs for these rows, in float64."""
        means = log_column_means if self._output.has_totals else column_means
        return means(data.X, data.sample_weight)

    @hook
    def _output(self):
        """Meaning of the decoder's output, according to the parameters."""
        return Mixed(self.table_._widths) if "table_" in vars(self) else LOSSES[self.loss]

    def _check_output_of_tables(self):
        if isinstance(getattr(self, "network", None), ConvNet):
            self._refuse_for_tables(
                "network",
                self.network,
                ("leave network=None, since the columns of a table have no neighbours"),
            )
        if getattr(self, "loss", "squared_error") != "squared_error":
            self._refuse_for_tables(
                "loss",
                self.loss,
                "leave loss='squared_error', which applies to numbers only: categories always "
                "have their cross-entropy as loss",
            )

    _output_parameter = "loss"  # the parameter that chooses the output
    _whose_output = ""  # its name in error messages
