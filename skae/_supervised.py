"""Autoencoders that learn to predict: pretraining, an output layer, fine-tuning of both."""

from dataclasses import replace
from typing import Self

import numpy as np
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skae._base import BaseAutoencoder
from skae._columns import has_missing
from skae._compat import HasMethods, InvalidParameterError, fit_context
from skae._constraints import TRAINING_CONSTRAINTS
from skae._engine.data import Data, split_rows
from skae._engine.devices import off_torch
from skae._engine.initial import initial_weights
from skae._engine.network import Network, put_on_top
from skae._engine.perceptron import output_layer
from skae._engine.streams import stream, stream_seed
from skae._engine.training import State
from skae._estimator import NetworkEstimator, draw_seed, make_trainer
from skae._sample_weight import weighted
from skae._stacked import StackedAutoencoder


def centre_and_scale(codes, centred, sample_weight=None):
    """What to subtract from codes, if they are to be centred, and one number to divide them by.

    One number, since then the objective stays the same: its weight decay is of weights
    that are all scaled alike.
    """
    centre = np.zeros_like(codes[0])
    if centred:
        centre = np.average(codes, axis=0, weights=sample_weight).astype(codes.dtype)
    squares = np.square(codes - centre)
    squares = squares if sample_weight is None else squares.mean(axis=1)
    scale = float(np.sqrt(np.average(squares, weights=sample_weight)))
    return centre, scale if scale > 0 else 1.0


def absorb(layer, centre, scale):
    """Make an output layer for (codes - centre) / scale one for codes."""
    (weight,), (bias,) = layer.own_decoder_weights, layer.decoder_biases
    weight.div_(scale)
    bias.sub_(weight @ torch.tensor(centre, device="cpu"))


def labelled_rows(is_labelled, X, y, sample_weight):
    """Those rows of all three; ValueError if there are none."""
    if is_labelled.all():
        return X, y, sample_weight
    if not is_labelled.any():
        raise ValueError("No row of y has a label, so that there is nothing to score.")
    rows = np.flatnonzero(is_labelled)
    return [
        table if table is None else _safe_indexing(table, rows) for table in (X, y, sample_weight)
    ]


class BaseSupervised(NetworkEstimator):
    """An autoencoder's encoder and an output layer. Abstract.

    A subclass says which rows of y are labelled (`_is_labelled`), what the outputs are to
    become (`_encode_targets`) and with which `_output`.
    """

    autoencoder_: BaseAutoencoder

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform"]), None],
        "fine_tune": ["boolean"],
        **{k: v for k, v in TRAINING_CONSTRAINTS.items() if k != "warm_start"},
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None) -> Self:
        """Pretrain the autoencoder on X, then train the network to predict y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data, labelled and unlabelled. float32 is computed in float32,
            everything else in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What to predict: labels, in one dimension, or numbers. Rows without are marked,
            for a classifier by `unlabeled`, for a regressor by NaN.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts, at least 0: 2 is as good as a row that is there twice, 0 as
            one that is not there. None for all alike.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is wrong, X or y does not suit it or the device is not there:
            the estimator is as before. If the training diverges: it is not fitted.
        KeyboardInterrupt
            If interrupted: after the pretraining, the weights of the last finished epoch
            stay usable, where there is one.
        """
        return self._run_fit(X, y, sample_weight)

    def _validate(self, X, y, sample_weight, reset):
        self._check_parameters()
        frozen, given = self._frozen, X
        X = self._validate_X(X, reset, dtype=frozen and frozen._state.weights.dtype)
        if frozen and frozen.n_features_in_ != X.shape[1]:
            raise ValueError(
                f"X has {X.shape[1]} features, but the frozen {type(frozen).__name__} was fitted "
                f"on {frozen.n_features_in_}: pass X with the features it was fitted on."
            )
        if frozen:  # columns of the same names, in the same order
            validate_data(frozen, given, reset=False, skip_check_array=True)
        if y is None:
            raise ValueError(
                f"requires y to be passed, but the target y is None: {type(self).__name__} "
                "learns to predict y."
            )
        if not frozen:
            self._prototype._check_values(X)
            self._prototype._check_network_spec(Data(X))
        y = self._validate_y(off_torch(y))
        check_consistent_length(X, y)
        data = weighted(Data(X, y), sample_weight)
        if len(data) < len(y):  # as if the others were not there
            data = replace(data, target=self._validate_y(data.target))
        return data

    def _fit(self, data, continues):
        with self._progress(data, (not self._frozen) + 1 + self.fine_tune) as progress:
            self._fit_in_tasks(data, progress)

    def _fit_in_tasks(self, data, progress):
        seed = draw_seed(self.random_state)
        labelled = np.flatnonzero(self._is_labelled(data.target))
        some, seen = data[labelled], replace(data, target=None)
        target = self._encode_targets(some.target, some.sample_weight).astype(data.X.dtype)
        strata = self._strata(some.target)
        split = split_rows(len(some), self._held_out_fraction, seed, strata=strata)
        if split.held_out is not None:
            seen = seen[np.delete(np.arange(len(data)), labelled[split.held_out.numpy()])]
        self.autoencoder_ = self._pretrained(seen, seed, progress)
        labelled = replace(some, target=target)
        self._train_output_layer(labelled, split, seed, progress)
        if self.fine_tune:
            self._train_all(labelled, split, progress)

    def _pretrained(self, data, seed, progress):
        """The fitted autoencoder, an object of our own."""
        own = {name: getattr(self, name) for name in ("device", "precision", "verbose")}
        if self._frozen:
            return self._frozen._with_encoder().set_params(**own)
        own["random_state"] = stream_seed(seed, "layers") % 2**32
        autoencoder = clone(self._prototype).set_params(**own)
        with progress.task("pretraining", runs=autoencoder):
            return autoencoder.fit(data.X, sample_weight=data.sample_weight)

    def _train_output_layer(self, data, split, seed, progress):
        """Train it alone, on codes: from random weights it would spoil the encoder's.

        It gets them scaled, so that the step size suits codes of any range, and centred,
        unless fine-tuning follows: the large weights that centred codes allow where they
        hardly vary would make much too much of its first steps.
        """
        self._lacks_targets_ = has_missing(data.target)
        data = replace(data, X=self.autoencoder_._codes(data.X))
        seen, centred = split.seen(data), not self.fine_tune
        self._centre_, self._scale_ = centre_and_scale(seen.X, centred, seen.sample_weight)
        data = replace(data, X=(data.X - self._centre_) / self._scale_)
        layer = output_layer(*(table.shape[1] for table in data.tables), self._output)
        weights = initial_weights(layer, stream(seed, "weights"))
        layer.output.start(Network(layer, weights), split.seen(data))
        state = State(weights.numpy().astype(data.X.dtype), seed)
        trainer = make_trainer(self, layer, state, data, split)
        trainer.alpha = self.alpha / self._scale_**2  # the decay of the weights it stands for
        with progress.task("output layer", max_subtasks=trainer.settings.max_iter) as task:
            self._train(trainer, task)

    def _train_all(self, data, split, progress):
        """Train encoder and output layer together, from where the output layer's training ended."""
        trainer = make_trainer(self, self._perceptron, self._state, data, split)
        try:
            with progress.task("fine-tuning", max_subtasks=trainer.settings.max_iter) as task:
                self._train(trainer, task)
        except Exception:
            self._forget()  # after an interrupt, unlike this, the output layer is of use
            raise

    def _attributes_after(self, trainer):
        attributes = super()._attributes_after(trainer)
        attributes["n_iter_"] += vars(self).get("n_iter_", 0)  # the output layer's epochs
        # Of the last finished epoch: the trainer's own network may be in the midst of one.
        network = Network(
            trainer.network.perceptron, torch.tensor(trainer.state.weights, device="cpu")
        )
        if network.perceptron.has_encoder:
            attributes["autoencoder_"] = self.autoencoder_._with_encoder(network)
        else:
            absorb(network, self._centre_, self._scale_)
            whole = put_on_top(network, self.autoencoder_._fitted_network())
            seed, n_epochs = trainer.state.seed, trainer.state.n_epochs
            attributes["_perceptron"] = whole.perceptron
            attributes["_state"] = State(whole.flat.numpy(), seed, n_epochs=n_epochs)
        return attributes

    def _objective(self, network, x, noise, target):
        output = self._decoded(network, x)
        if self._lacks_targets_:
            return network.apply(self._output.mean_loss_of_observed, output, target)
        return network.apply(self._output.mean_loss, output, target)

    def _decoded(self, network, x):
        """What the network makes of rows; an output layer alone gets their codes."""
        return network.decode(self._encode(network, x) if network.perceptron.has_encoder else x)

    def _inputs(self, x):
        return self.autoencoder_._inputs(x)

    def _input_layers(self):
        return self.autoencoder_._input_layers()

    @property
    def _prototype(self):
        return StackedAutoencoder() if self.autoencoder is None else self.autoencoder

    @property
    def _frozen(self):
        """The autoencoder that is fitted already; None if there is none."""
        if isinstance(self.autoencoder, FrozenEstimator):
            return self.autoencoder.estimator
        return None

    def _check_parameters(self):
        autoencoder = self._frozen or self._prototype
        if not isinstance(autoencoder, BaseAutoencoder):
            raise InvalidParameterError(
                "autoencoder must be an autoencoder of skae, or a FrozenEstimator of a fitted "
                f"one, but found {self.autoencoder!r}: use for example StackedAutoencoder()."
            )
        if self._frozen:
            check_is_fitted(autoencoder)
        else:
            autoencoder._validate_params()
            autoencoder._check_parameters()

    def _shown_to_callbacks(self, data):
        labelled = np.flatnonzero(self._is_labelled(data.target))
        return data.X[labelled], data.target[labelled]

    def _strata(self, y):
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        autoencoder = self._frozen or self._prototype
        if isinstance(autoencoder, BaseAutoencoder):  # if not, that is an error of fit
            its = get_tags(autoencoder).input_tags
            tags.input_tags.allow_nan, tags.input_tags.sparse = its.allow_nan, its.sparse
        return tags
