"""Regression: numbers predicted from a pretrained code."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils import check_array, column_or_1d

from skae._columns import column_means, column_variances
from skae._engine.devices import off_torch
from skae._engine.modules import OnlyOutput
from skae._outputs import LOSSES
from skae._supervised import BaseSupervised, labelled_rows
from skae.tables import TableEncoder


class AutoencoderRegressor(MultiOutputMixin, RegressorMixin, BaseSupervised):
    """Regressor that is pretrained as an autoencoder and then fine-tuned.

    First an autoencoder learns a code f(x) of all rows, with or without y. Then an output
    layer is put on top of its encoder and trained on the codes; at last both are trained
    together. The two minimise, over the rows that have y ::

        mean over rows of  ||t - V f(x) - b||^2  +  alpha/2 * ||W||^2,

    where t is y, standardised for each output, so that step size and `alpha` suit y of
    any scale (losses are in units of its variance). Rows whose y is NaN serve the
    pretraining alone; of several outputs, some may be NaN.

    Parameters
    ----------
    autoencoder : autoencoder, FrozenEstimator or None, default=None
        What to pretrain: any autoencoder of skae, with its own `max_iter` and the like;
        `autoencoder__max_iter` sets them. It is cloned; its `random_state`, `device`,
        `precision` and `verbose` are not used, but this object's. None is
        `StackedAutoencoder()`. A `sklearn.frozen.FrozenEstimator` around a fitted one
        spares the pretraining; the frozen one itself never changes.
    fine_tune : bool, default=True
        Whether encoder and output layer are trained together in the end; if not, codes
        stay as the pretraining left them, which may be better with very few labels.
        With a frozen autoencoder, it is a copy that is fine-tuned.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers. 'auto': a `TableEncoder()` of those with a column
        that is not of numbers, such as one of categories; then `inverse_transform` and its
        like give data frames, too. `TableEncoder(numeric='quantile')`, for example: as it
        says, and of all-numeric tables and arrays as well. None: data frames are arrays of
        numbers, or an error.
    alpha : float, default=0.0
        Strength of the weight decay alpha/2 * ||W||^2, which is part of the objective;
        biases are exempt. More keeps the weights small and the network smooth: raise it
        from 1e-5, in factors of 10, where new rows fare much worse than training rows.
        Unlike in MLPRegressor it is not divided by the batch size.
    solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
        Optimiser: 'adam' suits most data; 'sgd' is stochastic gradient descent with
        Nesterov's momentum of 0.9, and wants `learning_rate_init` tuned. 'lbfgs' takes
        all rows at once, for small data: an epoch is one of its iterations, training
        stops at the first one that is no improvement by `tol`, and noise is drawn once.
        `learning_rate`, `learning_rate_init`, `batch_size`, `shuffle`,
        `n_iter_no_change` and `early_stopping` do not apply to it, and there is no
        `partial_fit`.
    learning_rate : {'constant', 'cosine', 'one_cycle'}, default='constant'
        Schedule of the step size over the `max_iter` epochs: 'constant' lets training
        stop before their end, 'cosine' falls to zero, 'one_cycle' rises for the first
        30% of them, then falls to zero, and stands a larger `learning_rate_init`. With
        either of these, only `early_stopping` ends before `max_iter`.
    learning_rate_init : float or 'auto', default='auto'
        Step size, at its peak where a schedule varies it. Lower it, by factors of 3, if
        `loss_curve_` jumps or training diverges (a ValueError); raise it if the curve
        is smooth and still falls at its end. 'auto' depends on what the encoder is made
        of: 0.01 for layers that saturate ('logistic', 'tanh'), 0.0005 where what is to
        learn is only what principal components leave, 0.001 elsewhere, and less for
        wide tables. See :ref:`auto`.
    batch_size : int or 'auto', default='auto'
        Rows per step of the optimiser. Fewer make more steps of an epoch: it takes
        longer, and gets further. 'auto' is a twentieth of the rows, but at least 16
        and at most 200.
    max_iter : int or 'auto', default='auto'
        Epochs, that is passes over the rows with labels, at most, of the output layer's
        training and again of the fine-tuning. Reaching it is no error and does not warn.
        'auto' is 20 epochs, or as many as make 2,000 steps; large networks and tables
        with many more columns than rows get by with fewer steps, and none takes more
        than 20,000. See :ref:`auto`.
    shuffle : bool or 'windows', default=True
        Whether each epoch takes the rows in a new random order; if not, all epochs have
        the same batches. 'windows' is for memory maps larger than memory: the order is
        random within windows of 64 blocks or more, each block of some thousand rows that
        follow each other in X, and drawn at random. See :ref:`windows`.
    tol : float, default=1e-4
        An epoch counts as an improvement if its loss is below the best one by more than
        `tol * abs(best)`: it is relative, unlike in MLPRegressor. More stops sooner.
    n_iter_no_change : int, np.inf or 'auto', default='auto'
        Epochs in a row without improvement after which training stops. Raise it where
        losses waver, as those of few rows do, or with noise; np.inf never stops. 'auto'
        is 10, or as many as make 500 steps.
    early_stopping : bool, default=False
        Whether to hold out rows with labels, to stop when their loss stops improving,
        and to go back to the weights of its last improvement. The rows held out are
        lost to training, pretraining included: with few labels, better not.
    validation_fraction : float, default=0.1
        Fraction of the rows with labels that `early_stopping` holds out, rounded up.
        More judge the weights better, and leave fewer to train on.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the previous fit, for up to `max_iter`
        more epochs, instead of from new ones; the network must then be the same.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the held-out rows, the shuffles and the noise. An
        int makes refits identical to the bit, on one device and with as many threads.
        None draws a new seed; the global random generators are neither read nor
        changed.
    device : str, default='cpu'
        Where to compute: 'cpu', 'cuda' ('cuda:1' is the second such GPU), 'mps'
        (Apple's, in float32 only), or 'auto' for a GPU if there is one. One that is not
        there is a ValueError in `fit`; a fitted model goes on with the CPU, and warns.
        Arrays in, arrays out: the device never shows in the results' type.
    precision : {'float', 'bf16'}, default='float'
        'float': training computes in the dtype of X. 'bf16': the layers round to
        bfloat16, which has 8 bits of precision, in training only; weights, losses and
        penalties do not. Nearly twice as fast for layers of a thousand units on
        processors with bfloat16 instructions, slower than 'float' for small ones, and
        many times slower on other processors, where `fit` warns.
    verbose : bool or int, default=False
        Whether to print a line per epoch: which part of the fit it belongs to, its
        number, its loss, that of held-out rows if there are any, and the seconds that
        it took.

    Attributes
    ----------
    autoencoder_ : autoencoder
        The pretrained autoencoder with the weights of the encoder after the fine-tuning:
        its `transform` is this object's. Its decoder, losses and other attributes are
        those of the pretraining.
    n_components_ : int
        Width of the code: the columns of `transform(X)`.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not with a `network`. The last ones
        are in the units of y: `transform(X) @ coefs_[-1] + intercepts_[-1]` is
        `predict(X)`, in columns.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first. Not with a `network`.
    encoder_ : torch.nn.Module
        The encoder, built anew from the weights at each access, on the CPU.
        `encoder_(torch.tensor(X))` equals `transform(X)`, for X in the dtype of the
        fit; another is a TypeError. To train it, call its `requires_grad_()` first.
    module_ : torch.nn.Module
        The whole network, likewise: the encoder and the output layer, in the units of y.
        `module_(torch.tensor(X))` equals `predict(X)`, in its shape, too.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of an epoch; of the held-out rows if there are any.
    loss_curve_ : list of float
        Objective per row in each epoch of the fine-tuning (without `fine_tune`, of the
        output layer's training), averaged while the weights change.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None where none were held out.
    n_iter_ : int
        Epochs with labels: of the output layer's training and the fine-tuning. Those of
        the pretraining are `autoencoder_.n_iter_`.
    batch_size_ : int
        Rows per step that training took, which `batch_size` has come to.
    learning_rate_init_ : float
        Step size that training took.
    max_iter_ : int
        Epochs that training might have taken.
    n_iter_no_change_ : int or np.inf
        Epochs without improvement that training would have waited for.
    table_ : TableEncoder
        What makes a matrix of a data frame; only where `fit` has got one to encode.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only where X has names that are strings.

    See Also
    --------
    AutoencoderClassifier : The same for classes.
    StackedAutoencoder : The default of what is pretrained.

    Notes
    -----
    The output layer is trained alone for up to `max_iter` epochs, then everything for as
    many. Where few rows have y, an epoch is a single step or two: raise `max_iter` or
    `learning_rate_init` if `loss_curve_` still falls at its end.

    References
    ----------
    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders",
    Journal of Machine Learning Research 11, 2010,
    https://jmlr.org/papers/v11/vincent10a.html.

    Erhan, Bengio, Courville, Manzagol, Vincent and Bengio, "Why does unsupervised
    pre-training help deep learning?", Journal of Machine Learning Research 11, 2010,
    https://jmlr.org/papers/v11/erhan10a.html.

    Kumar, Raghunathan, Jones, Ma and Liang, "Fine-tuning can distort pretrained features
    and underperform out-of-distribution", ICLR 2022, https://arxiv.org/abs/2202.10054, on
    training the output layer first.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import Autoencoder, AutoencoderRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X, some = StandardScaler().fit_transform(X), y.copy()
    >>> some[::2] = np.nan  # every other row has no y
    >>> model = AutoencoderRegressor(
    ...     Autoencoder(8, max_iter=50), early_stopping=True, random_state=0
    ... ).fit(X, some)
    >>> model.score(X[::2], y[::2]) > 0.3
    True
    """

    _output = LOSSES["squared_error"]

    def __init__(
        self,
        autoencoder=None,
        *,
        fine_tune=True,
        table: TableEncoder | str | None = "auto",
        alpha=0.0,
        solver="adam",
        learning_rate="constant",
        learning_rate_init: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        shuffle: bool | str = True,
        tol=1e-4,
        n_iter_no_change: float | str = "auto",
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        random_state=None,
        device="cpu",
        precision="float",
        verbose: bool | int = False,
    ):
        self.autoencoder = autoencoder
        self.fine_tune = fine_tune
        self.table = table
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.verbose = verbose

    def predict(self, X) -> np.ndarray:
        """Predict y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to predict y of.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the units of y, and of as many dimensions as in `fit`.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that the autoencoder does
            not take, such as NaN.
        """
        y = self._map(self._decoded, self._validate_rows(X))
        return y.ravel() if self._is_flat_ else y

    def score(self, X, y, sample_weight=None) -> float:
        """Coefficient of determination, R^2, in the rows whose y is known.

        As scikit-learn's regressors have it: 1 is perfect, 0 is as good as the mean of y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to predict y of.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What is true; rows with NaN do not count.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts; None for all alike.

        Returns
        -------
        score : float
            R^2, of several outputs their mean.

        Raises
        ------
        ValueError
            If no row has a known y, or X does not suit the fit.
        """
        return super().score(*labelled_rows(self._is_scored(y), X, y, sample_weight))

    def _is_scored(self, y):
        y = np.asarray(off_torch(y), dtype=np.float64)
        return ~np.isnan(y.reshape(len(y), -1)).any(axis=1)

    def _validate_y(self, y, reset):
        accepted = {"ensure_2d": False, "ensure_all_finite": "allow-nan"}
        y = check_array(y, dtype=np.float64, input_name="y", estimator=self, **accepted)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not self._is_labelled(y).any():
            raise ValueError(
                f"All {len(y)} rows of y are unlabelled (NaN): give at least some rows a number."
            )
        nowhere = np.isnan(y.reshape(len(y), -1)).all(axis=0)
        if nowhere.any() and reset:
            raise ValueError(
                f"Columns {np.flatnonzero(nowhere).tolist()} of y, outputs to predict, are NaN in "
                "every row: leave them out."
            )
        n_outputs, n_fitted = len(nowhere), len(vars(self).get("_target_mean_", nowhere))
        if not reset and n_outputs != n_fitted:
            raise ValueError(
                f"y has {n_outputs} outputs, but training cannot go on with others than the "
                f"{n_fitted} of before: give y as many columns, or call fit without warm_start."
            )
        return y

    def _is_labelled(self, y):
        return ~np.isnan(y.reshape(len(y), -1)).all(axis=1)

    def _encode_targets(self, y, sample_weight):
        """Standardised outputs."""
        if "_target_mean_" not in vars(self):  # or they are what the weights are made for
            self._is_flat_, y = y.ndim == 1, y.reshape(len(y), -1)
            self._target_mean_ = column_means(y, sample_weight)
            scale = np.sqrt(column_variances(y, sample_weight))
            self._target_scale_ = np.where(scale > 0, scale, 1.0)
        y = y.reshape(len(y), -1)
        return (y - self._target_mean_) / self._target_scale_

    @property
    def _output_units(self):
        return self._target_scale_, self._target_mean_

    def _last_layers(self):
        return [OnlyOutput()] if self._is_flat_ else []
