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

    First, an autoencoder learns a code f(x) of all rows, with or without y. Then an output layer
    is put on top of its encoder and trained on the codes; finally, both are trained together.
    These two steps minimise, over the rows that have y ::

        mean over rows of  ||t - V f(x) - b||^2  +  alpha/2 * ||W||^2,

    where t is y, standardised per output, so that step size and `alpha` suit y of any
    scale (losses are in units of its variance). Only the pretraining uses rows whose y
    is NaN; if there are several outputs, some of them may be NaN.

    Parameters
    ----------
    autoencoder : autoencoder, FrozenEstimator or None, default=None
        The autoencoder to pretrain: any of skae, with its own `max_iter` and the like,
        which can be set as `autoencoder__max_iter`. It is cloned; its `random_state`,
        `device`, `precision` and `verbose` are replaced by those given here. None is
        `StackedAutoencoder()`. A `sklearn.frozen.FrozenEstimator` around a fitted one
        skips the pretraining; the frozen autoencoder itself never changes.
    fine_tune : bool, default=True
        Whether encoder and output layer are finally trained together; if not, codes
        stay as pretrained, which may be better with very few labels. If the autoencoder
        is frozen, a copy of it is fine-tuned.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers. 'auto' uses a `TableEncoder()` if a column is not numeric,
        for example categorical; `inverse_transform` and similar methods then return data frames,
        too. A given encoder, such as `TableEncoder(numeric='quantile')`, also encodes all-numeric
        tables and arrays. With None, data frames must be numeric and are read as arrays.
    alpha : float, default=0.0
        Strength of the weight decay alpha/2 * ||W||^2, which is part of the objective;
        biases are exempt. Larger values keep the weights small and the network smooth:
        raise it from 1e-5 by factors of 10 if new rows have a much higher loss than
        training rows. Unlike in MLPRegressor, it is not divided by the batch size.
    solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
        Optimiser. 'adam' suits most data. 'sgd' is stochastic gradient descent with
        Nesterov momentum 0.9; it needs a tuned `learning_rate_init`. 'lbfgs' suits
        small data: it takes all rows at once, one iteration is one epoch, training
        stops at the first one that does not improve by `tol`, and noise is drawn once.
        It ignores `learning_rate`, `learning_rate_init`, `batch_size`, `shuffle`,
        `n_iter_no_change` and `early_stopping`, and has no `partial_fit`.
    learning_rate : {'constant', 'cosine', 'one_cycle'}, default='constant'
        Schedule of the step size over the `max_iter` epochs: 'constant' lets training
        stop earlier; 'cosine' falls to zero; 'one_cycle' rises for the first 30% of the
        epochs, then falls to zero, and tolerates a larger `learning_rate_init`. With
        the last two, only `early_stopping` can end training before `max_iter`.
    learning_rate_init : float or 'auto', default='auto'
        Step size, or its peak if a schedule varies it. Lower it by factors of 3 if
        `loss_curve_` jumps or training diverges (a ValueError); raise it if the curve
        is smooth and still falling at its end. 'auto' depends on the encoder: 0.01 for
        layers that saturate ('logistic', 'tanh'), 0.03 if they are contracted, 0.003 if
        they start near principal components and for top-k codes, 0.0005 if only the
        remainder after principal components is left to learn, 0.001 otherwise, and less
        for wide tables. See :ref:`auto`.
    batch_size : int or 'auto', default='auto'
        Rows per step of the optimiser. With smaller batches an epoch has more steps: it
        takes longer and lowers the loss further. 'auto' is a twentieth of the rows, but
        at least 16 and at most 200.
    max_iter : int or 'auto', default='auto'
        Maximum number of epochs, that is, passes over the rows with labels, in the training of the
        output layer and again in the fine-tuning. Reaching it is not an error and does not warn.
        'auto' is 20 epochs or 500 steps, whichever is longer, and at most 20,000 steps: more would
        memorise the noise of y. Raise it if y is exact. The fit then ends with a mean of the
        weights after its last epochs. See :ref:`auto`.
    shuffle : bool or 'windows', default=True
        Whether each epoch takes the rows in a new random order; if not, all epochs have the same
        batches. 'windows' suits memory maps larger than memory: the order is random within windows
        of 64 or more randomly drawn blocks, each of some thousand consecutive rows of X. See
        :ref:`windows`.
    tol : float, default=1e-4
        An epoch counts as an improvement if its loss is below the best one by more than
        `tol * abs(best)`: unlike in MLPRegressor, it is relative. Larger values stop
        training sooner.
    n_iter_no_change : int, np.inf or 'auto', default='auto'
        Number of consecutive epochs without improvement after which training stops.
        Raise it if the loss fluctuates, as it does with few rows or with noise; np.inf
        never stops. 'auto' is 10 epochs or 500 steps, whichever is longer.
    early_stopping : bool, default=False
        Whether to hold out rows with labels, stop when their loss no longer improves,
        and restore the weights of its last improvement, or of the start. Held-out rows
        are not trained on, nor used in pretraining: avoid it with few labels.
    validation_fraction : float, default=0.1
        Fraction of the rows with labels that `early_stopping` holds out, rounded up.
        More held-out rows judge the weights better but leave fewer to train on.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous fit, for up to
        `max_iter` more epochs, instead of starting from new weights; the network must
        then be the same.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the held-out rows, the shuffling and the noise.
        With an int, refits on the same device with the same number of threads are
        identical to the bit. None draws a new seed; the global random generators are
        neither read nor changed.
    device : str, default='cpu'
        Where to compute: 'cpu', 'cuda' ('cuda:1' is the second such GPU), 'mps'
        (Apple's, in float32 only), or 'auto' for a GPU if there is one. If it is
        unavailable, `fit` raises ValueError; a fitted model falls back to the CPU with
        a warning. The device does not change the type of the results.
    precision : {'float', 'bf16'}, default='float'
        'float': training computes in the dtype of X. 'bf16': in training only, the
        layers round to bfloat16, which has 8 bits of precision; weights, losses and
        penalties are not rounded. On processors with bfloat16 instructions, 'bf16' is
        nearly twice as fast for layers of a thousand units and slower for small ones;
        on other processors it is many times slower, and `fit` warns.
    verbose : bool or int, default=False
        Whether to print the training's settings, then a line per epoch: the current
        part of the fit, the epoch's number, its loss, the loss of held-out rows if there
        are any, and its duration in seconds.

    Attributes
    ----------
    autoencoder_ : autoencoder
        The pretrained autoencoder with the encoder's weights after the fine-tuning: its
        `transform` gives the same codes. Its decoder, losses and other attributes are those of the
        pretraining.
    n_components_ : int
        Width of the code: the columns of `transform(X)`.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not available with a `network`. The
        last ones are in the units of y: `transform(X) @ coefs_[-1] + intercepts_[-1]`
        is `predict(X)`, with a column per output.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first. Not available with a `network`.
    encoder_ : torch.nn.Module
        The encoder, rebuilt from the weights on the CPU at each access.
        `encoder_(torch.tensor(X))` equals `transform(X)` for X in the dtype of the fit;
        other dtypes raise TypeError. To train it, call its `requires_grad_()` first.
    module_ : torch.nn.Module
        The whole network, rebuilt likewise: the encoder and the output layer, in the units of y.
        `module_(torch.tensor(X))` equals `predict(X)`, also in shape.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of any epoch, measured on the held-out rows if there are any; with
        these, the loss before the first epoch counts, too.
    loss_curve_ : list of float
        Objective per row in each epoch of the fine-tuning (without `fine_tune`, of the
        output layer's training), averaged while the weights change.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None without held-out rows.
    n_iter_ : int
        Number of epochs with labels, in the training of the output layer and the
        fine-tuning. The epochs of the pretraining are `autoencoder_.n_iter_`.
    batch_size_ : int
        Rows per step that training used, resolved from `batch_size`.
    learning_rate_init_ : float
        Step size that training used, resolved from `learning_rate_init`.
    max_iter_ : int
        Maximum number of epochs, resolved from `max_iter`.
    n_iter_no_change_ : int or np.inf
        Number of epochs without improvement that training would have waited for.
    table_ : TableEncoder
        The fitted encoder of data frames; only if `fit` got a data frame to encode.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only if all column names of X are strings.

    See Also
    --------
    AutoencoderClassifier : The counterpart for classes.
    StackedAutoencoder : The autoencoder that is pretrained by default.

    Notes
    -----
    The output layer is trained alone for up to `max_iter` epochs, then the whole network for as
    many. If few rows have y, an epoch is only a step or two: raise `max_iter` or
    `learning_rate_init` if `loss_curve_` is still falling at its end.

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
            Rows to predict y for.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions in the units of y, with as many dimensions as y had in `fit`.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that the autoencoder
            does not take, such as NaN.
        """
        y = self._map(self._decoded, self._validate_rows(X))
        return y.ravel() if self._is_flat_ else y

    def score(self, X, y, sample_weight=None) -> float:
        """Coefficient of determination, R^2, on the rows whose y is known.

        It is that of scikit-learn's regressors: 1 is perfect, 0 is as good as the mean of y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to predict y for.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True values; rows with NaN do not count.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; None for equal weights.

        Returns
        -------
        score : float
            R^2, averaged over the outputs if there are several.

        Raises
        ------
        ValueError
            If no row has a known y, or X does not match the fit.
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
                f"All {len(y)} rows of y are unlabelled (NaN): give at least some of them a number."
            )
        table = y.reshape(len(y), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            variances = column_variances(table)
        if not np.isfinite(variances).all():
            raise ValueError("The variance of y is not finite: scale y.")
        nowhere = np.isnan(table).all(axis=0)
        if nowhere.any() and reset:
            raise ValueError(
                f"Columns {np.flatnonzero(nowhere).tolist()} of y are NaN in every row: leave "
                "these outputs out."
            )
        n_outputs, n_fitted = len(nowhere), len(vars(self).get("_target_mean_", nowhere))
        if not reset and n_outputs != n_fitted:
            raise ValueError(
                f"y has {n_outputs} outputs, but training continues with {n_fitted}: give y that "
                "many columns, or call fit without warm_start."
            )
        return y

    def _is_labelled(self, y):
        return ~np.isnan(y.reshape(len(y), -1)).all(axis=1)

    def _encode_targets(self, y, sample_weight):
        """Standardised outputs."""
        if "_target_mean_" not in vars(self):  # otherwise the weights suit these
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
