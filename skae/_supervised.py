"""Autoencoders that learn to predict: pretraining, an output layer, fine-tuning of both."""

from numbers import Real

import numpy as np
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_array, column_or_1d, compute_class_weight, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skae._base import BaseAutoencoder
from skae._columns import has_missing
from skae._compat import HasMethods, InvalidParameterError, StrOptions, fit_context
from skae._estimator import TRAINING_CONSTRAINTS, NetworkEstimator
from skae._full_batch import make_trainer
from skae._losses import LOSSES
from skae._missing import mean_over_observed
from skae._perceptron import has_encoder, output_layer, put_on_top
from skae._stacked import StackedAutoencoder
from skae._streams import draw_seed, stream, stream_seed
from skae._training import Data, State, split_rows


class BaseSupervised(NetworkEstimator):
    """An autoencoder's encoder and an output layer. Abstract.

    A subclass says which rows of y are labelled (`_is_labelled`), what the outputs are to
    become (`_encode_targets`) and with which `_loss`.
    """

    _parameter_constraints = {
        "autoencoder": [HasMethods(["fit", "transform"]), None],
        "fine_tune": ["boolean"],
        **{k: v for k, v in TRAINING_CONSTRAINTS.items() if k != "warm_start"},
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Pretrain the autoencoder on X, then train the network to predict y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data, labelled and unlabelled. float32 is computed in float32,
            everything else in float64.
        y : array-like of shape (n_samples,) or, for regression, (n_samples, n_outputs)
            What to predict.

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
        return self._fit_to(X, y)

    def _validate(self, X, y, reset):
        frozen = self._frozen
        X = self._validate_X(X, reset, dtype=frozen and frozen._state.weights.dtype)
        if frozen and frozen.n_features_in_ != X.shape[1]:
            raise ValueError(
                f"X has {X.shape[1]} features, but the frozen {type(frozen).__name__} was fitted "
                f"on {frozen.n_features_in_}: pass X with the features it was fitted on."
            )
        if y is None:
            raise ValueError(
                f"requires y to be passed, but the target y is None: {type(self).__name__} "
                "learns to predict y."
            )
        y = self._validate_y(y)
        check_consistent_length(X, y)
        return Data(X, y)

    def _fit(self, data, goes_on, progress):
        seed = draw_seed(self.random_state)
        labelled = np.flatnonzero(self._is_labelled(data.target))
        y = data.target[labelled]
        target = self._encode_targets(y).astype(data.X.dtype)
        split = split_rows(len(labelled), self._held_out_fraction, seed, strata=self._strata(y))
        unseen = [] if split.held_out is None else labelled[split.held_out.numpy()]
        seen = data.X if not len(unseen) else data.X[np.delete(np.arange(len(data)), unseen)]
        self.autoencoder_ = self._pretrained(seen, seed, progress)
        labelled = Data(data.X[labelled], target)
        self._train_output_layer(labelled, split, seed, progress)
        if self.fine_tune:
            self._train_all(labelled, split, seed, progress)

    def _pretrained(self, X, seed, progress):
        """The fitted autoencoder, an object of our own."""
        own = {name: getattr(self, name) for name in ("device", "precision", "verbose")}
        if self._frozen:
            return self._frozen._with_encoder().set_params(**own)
        own["random_state"] = stream_seed(seed, "layers") % 2**32
        autoencoder = clone(self._prototype).set_params(**own)
        with progress.task("pretraining", runs=autoencoder):
            return autoencoder.fit(X)

    def _train_output_layer(self, data, split, seed, progress):
        """Train it alone, on codes: from random weights it would spoil the encoder's."""
        self._lacks_targets_ = has_missing(data.target)
        data = Data(self.autoencoder_._codes(data.X), data.target)
        layer = output_layer(*(table.shape[1] for table in data.tables), self._loss.activation)
        weights = layer.initialize(stream(seed, "weights")).numpy().astype(data.X.dtype)
        trainer = make_trainer(self, layer, State(weights, seed), data, split)
        with progress.task("output layer", max_subtasks=self.max_iter) as task:
            self._train(trainer, task)

    def _train_all(self, data, split, seed, progress):
        """Train encoder and output layer together."""
        start = State(self._state.weights, seed)
        trainer = make_trainer(self, self._perceptron, start, data, split)
        try:
            with progress.task("fine-tuning", max_subtasks=self.max_iter) as task:
                self._train(trainer, task)
        except Exception:
            self._forget()  # after an interrupt, unlike this, the output layer is of use
            raise

    def _reached(self, trainer):
        reached = super()._reached(trainer)
        reached["n_iter_"] += vars(self).get("n_iter_", 0)  # the output layer's epochs
        if not has_encoder(trainer.network):
            whole = put_on_top(trainer.network, self.autoencoder_._fitted_network("cpu"))
            seed, n_epochs = trainer.state.seed, trainer.state.n_epochs
            reached["_perceptron"] = whole.perceptron
            reached["_state"] = State(whole.flat.numpy(), seed, n_epochs=n_epochs)
        return reached

    def _commit(self, trainer):
        super()._commit(trainer)
        if has_encoder(trainer.network):
            self.autoencoder_ = self.autoencoder_._with_encoder(self._fitted_network())

    def _objective(self, network, x, noise, target):
        output = self._output(network, x)
        if self._lacks_targets_:
            return network.apply(mean_over_observed, output, target, loss=self._loss)
        return network.apply(self._loss.mean, output, target)

    def _output(self, network, x):
        """What the network makes of rows; an output layer alone gets their codes."""
        return network.decode(self._encode(network, x) if has_encoder(network) else x)

    def _inputs(self, x):
        return self.autoencoder_._inputs(x)

    def _outputs(self, X):
        return self._map(self._output, self._validate_rows(X))

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

    def _n_fit_tasks(self):
        return (not self._frozen) + 1 + self.fine_tune

    def _shown_to_callbacks(self, data):
        labelled = np.flatnonzero(self._is_labelled(data.target))
        return data.X[labelled], data.target[labelled]

    def _strata(self, y):
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        its = get_tags(self._frozen or self._prototype).input_tags
        tags.input_tags.allow_nan, tags.input_tags.sparse = its.allow_nan, its.sparse
        tags.target_tags.required = True
        return tags


class AutoencoderClassifier(ClassifierMixin, BaseSupervised):
    """Classifier."""

    _parameter_constraints = {
        **BaseSupervised._parameter_constraints,
        "unlabeled": [Real, str, None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _loss = LOSSES["categorical_cross_entropy"]

    def __init__(
        self,
        autoencoder=None,
        *,
        fine_tune=True,
        unlabeled=None,
        class_weight=None,
        alpha=0.0,
        solver="adam",
        learning_rate="constant",
        learning_rate_init=1e-3,
        batch_size="auto",
        max_iter=200,
        shuffle=True,
        tol=1e-4,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        random_state=None,
        device="cpu",
        precision="float",
        verbose=False,
    ):
        self.autoencoder = autoencoder
        self.fine_tune = fine_tune
        self.unlabeled = unlabeled
        self.class_weight = class_weight
        self.alpha = alpha
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.verbose = verbose

    def predict(self, X):
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X):
        return self._map(
            lambda network, x: self._output(network, x).softmax(dim=1), self._validate_rows(X)
        )

    def predict_log_proba(self, X):
        return self._map(
            lambda network, x: self._output(network, x).log_softmax(dim=1), self._validate_rows(X)
        )

    def _validate_y(self, y):
        y = column_or_1d(y, warn=True)
        labelled = y[self._is_labelled(y)]
        if not len(labelled):
            raise ValueError(
                f"All {len(y)} rows of y are unlabelled (unlabeled={self.unlabeled!r}): give "
                "at least some rows their class."
            )
        check_classification_targets(labelled)
        classes = np.unique(labelled)
        if (
            isinstance(classes[0], str)
            and isinstance(self.unlabeled, Real)
            and len(labelled) == len(y)
        ):
            raise ValueError(
                f"unlabeled={self.unlabeled!r} is a number, but the labels in y are strings, such "
                f"as {str(classes[0])!r}: mark unlabelled rows by a string, or make y an array of "
                "dtype object."
            )
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs labelled rows of at least 2 classes, but y has "
                f"1 class: {classes[0]!r}."
            )
        return y

    def _is_labelled(self, y):
        if self.unlabeled is None:
            return np.ones(len(y), dtype=bool)
        if self.unlabeled != self.unlabeled:
            return np.array([value == value for value in y])
        return ~np.array([value == self.unlabeled for value in y], dtype=bool)

    def _encode_targets(self, y):
        """Rows of zeros, but for the weight of the row's class."""
        self.classes_, indices = np.unique(y, return_inverse=True)
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        return np.diag(weights)[indices]

    def _strata(self, y):
        return np.unique(y, return_inverse=True)[1]


class AutoencoderRegressor(MultiOutputMixin, RegressorMixin, BaseSupervised):
    """Regressor."""

    _loss = LOSSES["squared_error"]

    def __init__(
        self,
        autoencoder=None,
        *,
        fine_tune=True,
        alpha=0.0,
        solver="adam",
        learning_rate="constant",
        learning_rate_init=1e-3,
        batch_size="auto",
        max_iter=200,
        shuffle=True,
        tol=1e-4,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        random_state=None,
        device="cpu",
        precision="float",
        verbose=False,
    ):
        self.autoencoder = autoencoder
        self.fine_tune = fine_tune
        self.alpha = alpha
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.verbose = verbose

    def predict(self, X):
        y = self._outputs(X) * self._target_scale_ + self._target_mean_
        return y.ravel() if self._is_flat_ else y

    def _validate_y(self, y):
        y = check_array(
            y, ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan", input_name="y"
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not self._is_labelled(y).any():
            raise ValueError(
                f"All {len(y)} rows of y are unlabelled (NaN): give at least some rows a number."
            )
        return y

    def _is_labelled(self, y):
        return ~np.isnan(y.reshape(len(y), -1)).all(axis=1)

    def _encode_targets(self, y):
        """Standardised outputs: so the step size suits y of any scale."""
        self._is_flat_, y = y.ndim == 1, y.reshape(len(y), -1)
        self._target_mean_, scale = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
        self._target_scale_ = np.where(scale > 0, scale, 1.0)
        return (y - self._target_mean_) / self._target_scale_
