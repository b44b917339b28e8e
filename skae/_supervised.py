"""Autoencoders that learn to predict: pretraining, an output layer, fine-tuning of both."""

from copy import copy
from dataclasses import replace
from typing import Self

import numpy as np
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skae._base import STRONG_DECAY, BaseAutoencoder
from skae._callbacks import Progress
from skae._columns import has_missing
from skae._compat import (
    HasMethods,
    InvalidParameterError,
    available_if,
    fit_context,
    safe_indexing,
)
from skae._constraints import TRAINING_CONSTRAINTS
from skae._encoder import EncoderMixin
from skae._engine.data import Data, dense, split_rows
from skae._engine.devices import off_torch
from skae._engine.files import in_memory, only
from skae._engine.initial import initial_network
from skae._engine.modules import decoder_module, published
from skae._engine.network import Network, lifted_off, put_on_top
from skae._engine.perceptron import output_layer
from skae._engine.shards import map_rows, own
from skae._engine.streams import stream, stream_seed
from skae._engine.training import State
from skae._engine.units import units_to_predict
from skae._estimator import NetworkEstimator, make_trainer, trains_by_epochs
from skae._fit_quality import warn_of_poor_predictions
from skae._hints import AUTOENCODERS, remedy_for_prototype
from skae._sample_weight import weighted
from skae._stacked import StackedAutoencoder

# With fewer labels, fine-tuning takes smaller steps, by at most this factor.
FEW_LABELS, LEAST_PART = 1000, 0.3


def centre_and_scale(codes, centred, sample_weight=None):
    """The centre to subtract from codes (0 if not centred) and one number to divide them by.

    With a single number the objective stays the same: its weight decay applies to
    weights that are all scaled alike.
    """
    centre = np.zeros_like(codes[0])
    if centred:
        centre = np.average(codes, axis=0, weights=sample_weight).astype(codes.dtype)
    squares = np.square(codes - centre)
    squares = squares if sample_weight is None else squares.mean(axis=1)
    scale = float(np.sqrt(np.average(squares, weights=sample_weight)))
    return centre, scale if scale > 0 else 1.0


def absorb(layer, centre, scale):
    """Turn an output layer for (codes - centre) / scale into one for codes."""
    (weight,), (bias,) = layer.own_decoder_weights, layer.decoder_biases
    weight.div_(scale)
    bias.sub_(weight @ torch.tensor(centre, device="cpu"))


def emit(layer, centre, scale):
    """The inverse of `absorb`."""
    (weight,), (bias,) = layer.own_decoder_weights, layer.decoder_biases
    bias.add_(weight @ torch.tensor(centre, device="cpu"))
    weight.mul_(scale)


def on_each(moments, perceptron, function):
    """Apply a function to each of the optimiser's moments, as a network; None without moments."""
    if moments is None:
        return None
    networks = (Network(perceptron, torch.tensor(moment, device="cpu")) for moment in moments)
    return np.stack([function(network).flat.numpy() for network in networks])


def labelled_rows(is_labelled, X, y, sample_weight):
    """The labelled rows of X, y and weights; ValueError if there are none."""
    if is_labelled.all():
        return X, y, sample_weight
    if not is_labelled.any():
        raise ValueError("No row of y has a label, so there is nothing to score.")
    rows = np.flatnonzero(is_labelled)
    return [
        table if table is None else safe_indexing(table, rows) for table in (X, y, sample_weight)
    ]


class BaseSupervised(EncoderMixin, NetworkEstimator):
    """Abstract base class: an autoencoder's encoder and an output layer.

    A subclass defines which rows of y are labelled (`_is_labelled`), the targets of the outputs
    (`_encode_targets`) and the `_output`.
    """

    autoencoder_: BaseAutoencoder

    _parameter_constraints = {
        "autoencoder": [HasMethods("fit"), None],
        "fine_tune": ["boolean"],
        **TRAINING_CONSTRAINTS,
    }
    # A row has a whole vector to be reconstructed but a single target: noise is soon memorised.
    _few_steps_suffice = True
    _parts = {
        "autoencoder": ("StackedAutoencoder()", *AUTOENCODERS),
        "table": ("table=TableEncoder()",),
    }
    _target_is_gathered = True

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None) -> Self:
        """Pretrain the autoencoder on X, then train the network to predict y.

        With `warm_start` it continues the last part of the training: nothing is
        pretrained again.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data, labelled and unlabelled. Computations use float32 for float32 data, data
            frames with categories and memory maps of integers or float16, float64 for all other
            data.
        y : array-like or CSR matrix of shape (n_samples,) or (n_samples, n_outputs)
            Labels or numbers to predict; for a classifier, two dimensions are an indicator matrix.
            Mark rows without y by `unlabeled` for a classifier, by NaN for a regressor.
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
            If a parameter is invalid, X or y does not suit it, or the device is
            unavailable: the estimator is unchanged. If training diverges: it is not
            fitted (with `warm_start`, it is unchanged).
        KeyboardInterrupt
            If interrupted: after the pretraining, the weights of the last finished epoch, if any,
            remain usable.
        """
        return self._run_fit(X, y, sample_weight)

    @available_if(trains_by_epochs)
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, sample_weight=None) -> Self:
        """Train for one epoch on X and y, continuing the earlier training.

        After `fit`, it continues the fine-tuning. Without a `fit`, the first call also trains the
        autoencoder for one epoch and puts the output layer on top. The learning rate is
        `learning_rate_init`; schedules, `tol`, `early_stopping` and `max_iter` are ignored. The
        optimiser and the random streams continue exactly, even after pickling. Without
        `fine_tune`, only the output layer is trained further.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data. Only the autoencoder's first epoch uses rows without y.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict. The outputs keep the mean and scale of the first call.
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
            If X or y does not suit the parameters, or the loss becomes non-finite; the
            estimator is then unchanged.
        AttributeError
            With solver='lbfgs', which takes all rows at once.
        """
        return self._run_partial_fit(X, y, sample_weight)

    def _validate(self, X, y, sample_weight, reset):
        self._check_parameters()
        frozen, given = self._frozen, X
        dtype = frozen and frozen._state.weights.dtype
        X = self._validate_X(X, reset, dtype, sample_weight)
        if frozen and frozen.n_features_in_ != self.n_features_in_:
            raise ValueError(
                f"X has {self.n_features_in_} features, but the frozen {type(frozen).__name__} was "
                f"fitted on {frozen.n_features_in_}: pass X with the features it was fitted on."
            )
        if frozen:  # columns of the same names, in the same order
            validate_data(frozen, own(given), reset=False, skip_check_array=True)
        if y is None:
            raise ValueError(
                f"requires y to be passed, but the target y is None: {type(self).__name__} "
                "learns to predict y."
            )
        if not frozen:
            prototype = self._hand_table_to(copy(self._prototype))
            prototype._check_values(X)
            prototype._check_network_spec(Data(X))
        y = self._validate_y(in_memory(off_torch(y)), reset)
        check_consistent_length(X, y)
        data = weighted(Data(X, y), sample_weight)
        if len(data) < y.shape[0]:  # rows of weight 0 must not matter
            data = replace(data, target=self._validate_y(data.target, reset))
        return data

    def _fit(self, data, continues):
        n_tasks = 1 if continues else (not self._frozen) + 1 + self.fine_tune
        with Progress.of_fit(self, data, n_tasks) as progress:
            if continues:
                trainer = self._resume(data, self._held_out_fraction)
                self._train_as(self._last_task, trainer, progress)
            else:
                self._fit_in_tasks(data, progress)

    def _fit_in_tasks(self, data, progress):
        seed = self._draw_seed(data)
        labelled, rows = self._labelled(data)
        split = self._split(data, rows, self._held_out_fraction, seed)
        seen = replace(data, target=None)
        if split.held_out is not None:
            seen = seen[np.delete(np.arange(len(data)), rows[split.held_out.numpy()])]
        self.autoencoder_ = self._unfitted(seed)
        if not self._frozen:
            with progress.phase("pretraining", runs=self.autoencoder_):
                self.autoencoder_.fit(self._encoded(seen.X), sample_weight=seen.sample_weight)
        trainer = self._begin_output_layer(labelled, split, seed)
        self._train_as("output layer", trainer, progress)
        if self.fine_tune:
            self._train_all(labelled, split, progress)

    def _train_all(self, data, split, progress):
        """Train encoder and output layer together, from where the latter's training ended."""
        trainer = make_trainer(self, self._perceptron, self._state, data, split)
        trainer.n_iter_before = self.n_iter_
        try:
            self._train_as(self._last_task, trainer, progress)
        except Exception:
            self._forget()  # after an interrupt the output layer, unlike this, is usable
            raise

    @property
    def _last_task(self):
        return "fine-tuning" if self.fine_tune else "output layer"

    def _train_as(self, name, trainer, progress):
        with progress.phase(name, max_subtasks=trainer.settings.max_iter) as task:
            self._train(trainer, task)

    def _labelled(self, data):
        """The rows of data that have labels, with the outputs' targets; also which rows."""
        rows = np.flatnonzero(self._is_labelled(data.target))
        some = data[rows]
        target = self._encode_targets(some.target, some.sample_weight).astype(data.X.dtype)
        self._lacks_targets_ = has_missing(target)
        return replace(some, target=target), rows

    def _split(self, data, rows, fraction, seed):
        return split_rows(len(rows), fraction, seed, strata=self._strata(data.target[rows]))

    def _unfitted(self, seed):
        """A copy of the autoencoder to pretrain; a frozen one is already fitted."""
        own = self._handed_down
        if self._frozen:
            return self._frozen._with_encoder().set_params(**own)
        own["random_state"] = stream_seed(seed, "layers") % 2**32
        return clone(self._prototype).set_params(**own)

    def _start(self, data):
        """Start for `partial_fit`, whose pretraining is the autoencoder's first epoch."""
        seed = self._draw_seed(data)
        (labelled, _), self.autoencoder_ = self._labelled(data), self._unfitted(seed)
        if not self._frozen:
            begin = getattr(self.autoencoder_, "partial_fit", None)
            if begin is None:  # its solver takes all rows at once
                self._hand_table_to(self.autoencoder_)
                self.autoencoder_._initialize(replace(data, target=None))
            else:
                begin(self._encoded(data.X), sample_weight=data.sample_weight)
        split = split_rows(len(labelled), 0, seed)
        trainer = self._begin_output_layer(labelled, split, seed)
        if not self.fine_tune:
            return trainer
        whole = self._network_after(trainer)
        return make_trainer(self, whole["_perceptron"], whole["_state"], labelled, split)

    def _resume(self, data, held_out_fraction=0):
        self.autoencoder_ = copy(self.autoencoder_).set_params(**self._handed_down)
        labelled, rows = self._labelled(data)
        split = self._split(data, rows, held_out_fraction, self._state.seed)
        if self.fine_tune:
            trainer = make_trainer(self, self._perceptron, self._state, labelled, split)
        else:
            trainer = self._resume_output_layer(labelled, split)
        return self._go_on(trainer)

    def _begin_output_layer(self, data, split, seed):
        """A trainer for the output layer alone: its random weights would spoil the encoder's.

        The codes are scaled, so that the step size suits codes of any range, and centred, unless
        fine-tuning follows: centred codes that hardly vary allow large weights, which would make
        its first steps far too large.
        """
        self._units_ = units_to_predict(self.autoencoder_._units_, split.seen(data))
        codes = replace(data, X=self.autoencoder_._codes(data.X))
        seen, centred = split.seen(codes), not self.fine_tune
        self._centre_, self._scale_ = centre_and_scale(dense(seen.X), centred, seen.sample_weight)
        scaled = self._scaled(codes)
        layer = output_layer(codes.X.shape[1], data.target.shape[1], self._output)
        network = initial_network(layer, stream(seed, "weights"))
        layer.output.start(network, split.seen(scaled))
        state = State(network.flat.numpy().astype(data.X.dtype), seed)
        return self._output_layer_trainer(layer, state, scaled, split)

    def _resume_output_layer(self, data, split):
        """A trainer for the output layer that continues its training."""
        scaled = self._scaled(replace(data, X=self.autoencoder_._codes(data.X)))
        layer = output_layer(scaled.X.shape[1], data.target.shape[1], self._output)
        whole = Network(self._perceptron, torch.tensor(self._state.weights, device="cpu"))
        network = lifted_off(layer, whole)
        emit(network, self._centre_, self._scale_)
        moments = on_each(
            self._state.moments, self._perceptron, lambda moment: lifted_off(layer, moment)
        )
        state = replace(self._state, weights=network.flat.numpy(), moments=moments)
        return self._output_layer_trainer(layer, state, scaled, split)

    def _scaled(self, codes):
        return replace(codes, X=map_rows(lambda X: (X - self._centre_) / self._scale_, codes.X))

    def _output_layer_trainer(self, layer, state, codes, split):
        trainer = make_trainer(self, layer, state, codes, split)
        trainer.alpha = self.alpha / self._scale_**2  # decays the unscaled weights
        return trainer

    def _step_factor(self, n_rows, n_columns):
        """Less for few labels, whose noise a pretrained network soon memorises."""
        return min(1.0, max(LEAST_PART, n_rows / FEW_LABELS))

    @property
    def _is_held_back(self):
        return self.alpha >= STRONG_DECAY

    def _warn_of_fit(self, data):
        warn_of_poor_predictions(self, self._labelled(data)[0])

    def _attributes_after(self, trainer):
        return {**super()._attributes_after(trainer), **self._network_after(trainer)}

    def _network_after(self, trainer):
        # The state of the last finished epoch: the trainer's own network may be in the middle of
        # one.
        state, perceptron = trainer.state, trainer.network.perceptron
        network = Network(perceptron, torch.tensor(state.weights, device="cpu"))
        if perceptron.has_encoder:
            return {"autoencoder_": self.autoencoder_._with_encoder(network)}
        absorb(network, self._centre_, self._scale_)
        encoder = self.autoencoder_._fitted_network()
        whole, moments = put_on_top(network, encoder), None
        if not self.fine_tune:  # fine-tuning starts its moments anew
            at_rest = Network(encoder.perceptron, torch.zeros_like(encoder.flat))
            moments = on_each(state.moments, perceptron, lambda m: put_on_top(m, at_rest))
        state = replace(state, weights=whole.flat.numpy(), moments=moments)
        return {"_perceptron": whole.perceptron, "_state": state}

    def _objective(self, network, x, noise, target):
        output, decoded = network.perceptron.output, self._decoded(network, x)
        loss = output.mean_loss_of_observed if self._lacks_targets_ else output.mean_loss
        return network.apply(loss, decoded, target)

    def _decoded(self, network, x):
        """The network's outputs for rows; an output layer alone gets their codes."""
        return network.decode(self._encode(network, x) if network.perceptron.has_encoder else x)

    @property
    def module_(self) -> torch.nn.Module:
        """The whole network as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        output = decoder_module(self._fitted_network())
        return published([*self._encoder_layers(), *output, *self._last_layers()])

    @property
    def _table_spec(self):
        return self._prototype._table_spec if self.table == "auto" else self.table

    def _fitted_table(self, X, sample_weight):
        return self._frozen._table if self._frozen else super()._fitted_table(X, sample_weight)

    def _check_output_of_tables(self):
        if not self._frozen:
            self._hand_table_to(copy(self._prototype))._check_output_of_tables()

    @property
    def _auto_numeric(self):
        return self._prototype._auto_numeric

    @property
    def _takes_gaps(self):
        autoencoder = self._prototype
        return isinstance(autoencoder, BaseAutoencoder) and autoencoder._takes_gaps

    @property
    def _takes_gaps_of_tables(self):
        return self._prototype._takes_gaps_of_tables

    def _last_layers(self):
        """Torch modules that turn outputs into predictions; none by default."""
        return []

    def _inputs(self, x):
        return self.autoencoder_._inputs(x)

    def _input_layers(self):
        return self.autoencoder_._input_layers()

    @property
    def _prototype(self):
        """The autoencoder to pretrain, or the frozen one."""
        if isinstance(self.autoencoder, FrozenEstimator):
            return self.autoencoder.estimator
        return StackedAutoencoder() if self.autoencoder is None else self.autoencoder

    @property
    def _frozen(self):
        """The frozen, already fitted autoencoder; None if there is none."""
        return self._prototype if isinstance(self.autoencoder, FrozenEstimator) else None

    def _check_parameters(self):
        autoencoder = self._prototype
        if not isinstance(autoencoder, BaseAutoencoder):
            remedy = remedy_for_prototype(self.autoencoder, self, "autoencoder")
            raise InvalidParameterError(
                "autoencoder must be an autoencoder of skae, or a FrozenEstimator of a fitted "
                f"one, but found {self.autoencoder!r}: {remedy}"
            )
        if self._frozen:
            check_is_fitted(autoencoder)
        else:
            autoencoder._validate_params()
            autoencoder._check_parameters()

    def _check_weights(self, data):
        if not self._frozen:
            self._prototype._check_weights(data)

    def _shown_to_callbacks(self, data):
        labelled = np.flatnonzero(self._is_labelled(data.target))
        return self._encoded(only(data.X, labelled)), data.target[labelled]

    def _strata(self, y):
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        autoencoder = self._prototype
        if isinstance(autoencoder, BaseAutoencoder):  # otherwise `fit` raises the error
            tags.input_tags.sparse = get_tags(autoencoder).input_tags.sparse
        return tags
