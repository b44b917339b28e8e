"""The denoising autoencoder: reconstruct the clean row from a corrupted one."""

import math
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Self, overload

import numpy as np
import torch
from scipy.sparse import csr_array, csr_matrix, issparse, sparray, spmatrix, vstack
from sklearn.utils.validation import check_is_fitted

from skae._base import BaseAutoencoder
from skae._chains import Chain
from skae._columns import column_means, column_ranges, column_sums, has_missing
from skae._compat import Interval, InvalidParameterError, StrOptions, available_if, fit_context
from skae._constraints import check_counts
from skae._corruption import (
    add_gaussian_noise,
    add_salt_and_pepper,
    apply_users,
    mask,
    swap,
    uniform_like,
)
from skae._engine.data import dense
from skae._engine.devices import as_tensor
from skae._engine.inference import CHUNK_SIZE
from skae._engine.notice import warn
from skae._engine.streams import stream
from skae._estimator import draw_seed, trains_by_epochs
from skae._likelihoods import MIN_NOISE_VARIANCE, normal_deviances
from skae._missing import GapsMixin
from skae._mixed import Mixed, are_numbers
from skae._outputs import SquaredError
from skae.tables import TableEncoder

LEAST_CHAINS = 100  # minimum, if chains take cells of one another
OF_NUMBERS = ("gaussian", "salt_and_pepper")  # corruptions that leave categories alone
ROWS_FOR_CELLS = 300  # upper limit, for the variances of cells given the others
ROWS_FOR_VARIANCE = 1000  # an upper limit; bounds the cost of `noise_variance_`


def warn_of_pairs(X, y, target):
    """Warn if y looks like targets for the rows of X that were passed by position."""
    shape = getattr(y, "shape", ())
    if target is None and len(shape) == 2 and shape[1] > 1 and shape == getattr(X, "shape", None):
        warn(
            "y is ignored, but has the shape of X: to reconstruct rows of y from rows of X, pass "
            "target=y.",
        )


class DenoisingAutoencoder(GapsMixin, BaseAutoencoder):
    """Denoising autoencoder: reconstruct clean rows from corrupted ones.

    Minimises, batch by batch, ::

        mean over rows of  L(x, g(f(x')))  +  alpha/2 * ||W||^2

    where x' is a corrupted copy of x, drawn anew in each epoch. To undo the corruption,
    the code must capture how features depend on one another, even if it is wider than
    the data; the autoencoder learns to project rows back to where the data lie. Only
    training corrupts: `transform` and `reconstruct` take rows as they are.

    With `fit(X, target=T)` the rows of T are reconstructed instead of x: clean versions
    of noisy rows, other noisy versions of them (noise2noise), or something else that X
    determines, such as the colours of a grey picture. X is still corrupted; if it is
    noisy enough as it is, use `corruption=None`.

    X may have missing values (NaN). They are corrupted cells with an unknown clean
    value: the encoder gets the training mean of their column, the loss leaves them out,
    and `np.where(np.isnan(X), denoiser.reconstruct(X), X)` fills them in. If the
    training data have missing values, the encoder has n_features more inputs, which
    mark each cell as observed (1) or missing (0), and 'masking' makes values missing,
    too.

    Parameters
    ----------
    n_components : int, default=32
        Width of the code: how many numbers encode a row. A wider code reconstructs
        better and compresses less; it may have more components than X has features (an
        overcomplete code). If the code is an image (see `ConvNet`), its number of
        channels.
    corruption : {'masking', 'gaussian', 'salt_and_pepper', 'swap'}, callable or None, \
            default='masking'
        How the input is corrupted in training, and so what the code learns to do without.
        'masking' sets cells to the training mean of their column, as for missing values;
        'gaussian' adds normal noise; 'salt_and_pepper' sets cells to the least or greatest
        training value of their column with equal probability, and suits nearly binary data; 'swap'
        replaces cells by the value of another row of the batch in the same column, and suits
        tables with columns of different kinds; None leaves rows as they are, which is the plain
        autoencoder. A callable `corruption(x, generator) -> tensor` gets a copy of a batch, a
        tensor of shape (n, n_features), and the `torch.Generator` to draw from, and returns a
        tensor of the same shape. Each epoch corrupts anew.
    corruption_level : float, default=0.3
        Probability, at most 1, with which 'masking', 'salt_and_pepper' and 'swap'
        corrupt each cell, or standard deviation of the 'gaussian' noise, in units of X.
        With higher levels, units look at larger parts of a row and reconstructions are
        less exact. With 0 this is the plain autoencoder. None and callables ignore it.
    hidden_layer_sizes : int or array-like of int, default=()
        Widths of the encoder's hidden layers, input side first; the decoder mirrors
        them. More and wider layers can fit more curved data but take longer to train.
        An int is one hidden layer; `()` is the classical autoencoder with one layer
        each way.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'elu', 'gelu', 'softplus'}, \
            default='relu'
        Activation of the hidden layers and of a `ConvNet`: 'relu' is piecewise linear,
        'identity' is linear, the other functions are smooth. Without hidden layers, or
        with 'identity', the autoencoder is linear except for `code_activation`.
    code_activation : str, default='auto'
        Activation of the code, with the same options as `activation`: 'identity' allows
        any numbers, 'logistic' numbers in (0, 1), 'tanh' in (-1, 1), 'relu' at least 0.
        'auto' is 'logistic', which suits codes used as features; to denoise or to fill
        in missing values, 'identity' reconstructs better.
    loss : {'squared_error', 'binary_cross_entropy', 'categorical_cross_entropy'}, \
            default='squared_error'
        Reconstruction loss, summed over features. 'squared_error' takes any numbers and
        is in squared units of X. 'binary_cross_entropy' takes X in [0, 1] and makes
        reconstructions probabilities. 'categorical_cross_entropy' takes rows of counts,
        such as word counts, or of proportions: the decoder gives proportions, and
        `reconstruct` multiplies them by the row's total. Both cross-entropies are in
        nats; data outside their domain raise ValueError.
    tied_weights : bool, default=False
        Whether the decoder uses the encoder's weights, transposed. This halves the
        number of weights, which helps with few rows, and rules out rescaling between
        encoder and decoder. Not available with a `network`.
    network : ConvNet or another specification, default=None
        Layers of another kind around the dense ones: a row passes through the network's encoder,
        the hidden layers and the code's layer, then through mirrored dense layers and the
        network's decoder. `ConvNet(image_shape=(1, 28, 28))` suits images; a class of your own
        needs a method `build`, see `skae.networks`. None uses dense layers only.
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
        Maximum number of epochs, that is, passes over X. Reaching it is not an error and does not
        warn. 'auto' is 20 epochs or 2,000 steps, whichever is longer; large networks and tables of
        few rows get fewer steps, and none gets more than 20,000. The fit then ends with a mean of
        the weights after its last epochs. See :ref:`auto`.
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
        never stops. 'auto' is 10 epochs or 500 steps, whichever is longer. However
        small it is, training does not stop before it has learnt something.
    early_stopping : bool, default=False
        Whether to hold out rows, stop when their loss no longer improves, and restore
        the weights of its last improvement, or of the start. Useful for wide networks,
        which memorise small data sets; held-out rows are not trained on.
    validation_fraction : float, default=0.1
        Fraction of the rows that `early_stopping` holds out, rounded up. More held-out
        rows judge the weights better but leave fewer to train on.
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
    n_components_ : int
        Width of the code: the columns of `transform(X)`.
    n_features_out_ : int
        Number of columns of a reconstruction: those of X, or of `target` if it was
        given.
    data_min_, data_max_, data_mean_ : ndarray of shape (n_features_in_,)
        Least and greatest value of each column in training (for salt and pepper), and
        its mean (which replaces missing values in the input).
    noise_variance_ : ndarray of shape (n_features_out_,)
        Mean squared difference between a column and its reconstruction from at most
        1000 corrupted training rows, in squared units of X: the variance that `sample`
        uses. Only with loss='squared_error'.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not available with a `network`. If
        the training data have missing values, the first has `2 * n_features_in_` rows:
        the columns of X, then the mask.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first. Not available with a `network`.
    encoder_ : torch.nn.Module
        The encoder, rebuilt from the weights on the CPU at each access.
        `encoder_(torch.tensor(X))` equals `transform(X)` for X in the dtype of the fit;
        other dtypes raise TypeError. To train it, call its `requires_grad_()` first.
    decoder_ : torch.nn.Module
        The decoder, rebuilt likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of any epoch, measured on the held-out rows if there are any; with
        these, the loss before the first epoch counts, too.
    loss_curve_ : list of float
        Objective per row in each epoch, averaged while the weights change. If training
        was continued (`warm_start`, `partial_fit`), earlier epochs come first.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None without held-out rows.
    n_iter_ : int
        Number of epochs run by the last `fit`, and by `partial_fit` since then.
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
    StackedAutoencoder : Several of these on top of each other.
    ContractiveAutoencoder : Codes that resist infinitesimal, not finite, changes of X.

    Notes
    -----
    Vincent et al. mask cells by setting them to 0, which is their mean if X is centred. If it is
    not, zeros would give the encoder smaller inputs in training than afterwards. This callable
    sets them to 0 all the same ::

        def zeros(x, generator):
            return x * torch.rand(x.shape, generator=generator, device=x.device).ge(0.3)

    References
    ----------
    Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features
    with denoising autoencoders", ICML 2008, https://doi.org/10.1145/1390156.1390294.

    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders",
    Journal of Machine Learning Research 11, 2010,
    https://jmlr.org/papers/v11/vincent10a.html.

    Bengio, Yao, Alain and Vincent, "Generalized denoising auto-encoders as generative
    models", NIPS 2013, https://arxiv.org/abs/1305.6663.

    Lehtinen et al., "Noise2Noise: learning image restoration without clean data", ICML
    2018, https://proceedings.mlr.press/v80/lehtinen18a.html.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingAutoencoder
    >>> X = load_digits().data / 16
    >>> denoiser = DenoisingAutoencoder(64, max_iter=50, random_state=0).fit(X)
    >>> corrupted = denoiser.corrupt(X, random_state=0)
    >>> restored = denoiser.reconstruct(corrupted)
    >>> bool(((restored - X) ** 2).sum() < 0.7 * ((corrupted - X) ** 2).sum())
    True
    """

    noise_variance_: np.ndarray
    data_min_: np.ndarray
    data_max_: np.ndarray
    data_mean_: np.ndarray

    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        "corruption": [
            StrOptions({"masking", "gaussian", "salt_and_pepper", "swap"}),
            callable,
            None,
        ],
        "corruption_level": [Interval(Real, 0, None, closed="left")],
    }
    _auto_code_activation = "logistic"
    # Decided by the data that start a fit.
    _takes_gaps = _takes_gaps_of_tables = True
    _n_outputs_ = None

    def __init__(
        self,
        n_components=32,
        *,
        corruption: str | Callable | None = "masking",
        corruption_level=0.3,
        hidden_layer_sizes=(),
        activation="relu",
        code_activation="auto",
        loss="squared_error",
        tied_weights=False,
        network=None,
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
        self.n_components = n_components
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
        self.loss = loss
        self.tied_weights = tied_weights
        self.network = network
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

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None, *, target=None) -> Self:
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data; NaN is a missing value. Computations use float32 for float32 data, data
            frames with categories and memory maps of integers or float16, float64 for all other
            data.
        y : None
            Ignored; pass targets as the keyword `target`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, at least 0: a row of weight 2 counts as two rows, a row of weight 0
            as none. None gives all rows equal weight.
        target : array-like or CSR matrix of shape (n_samples, n_features_out), default=None
            What each row of X is reconstructed as, such as its clean version or another
            noisy one; None for the row itself. It may have other columns than X. NaN
            values do not count.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is invalid, X or target does not suit it, or the device is unavailable:
            the estimator is unchanged. If training diverges: it is not fitted (with `warm_start`,
            it is unchanged).
        KeyboardInterrupt
            If interrupted: the weights of the last finished epoch, if any, remain
            usable.
        """
        warn_of_pairs(X, y, target)
        return self._run_fit(X, target, sample_weight)

    @available_if(trains_by_epochs)
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None, *, target=None) -> Self:
        """Train for one epoch on X, continuing the earlier training.

        The learning rate is `learning_rate_init`; schedules, `tol`, `early_stopping` and
        `max_iter` are ignored. The optimiser and the random streams continue exactly, even after
        pickling. The first call decides whether missing values have a mask.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data; NaN is a missing value.
        y : None
            Ignored; pass targets as the keyword `target`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, at least 0: a row of weight 2 counts as two rows, a row of weight 0
            as none. None gives all rows equal weight. Weights compare only the rows of one call.
        target : array-like or CSR matrix of shape (n_samples, n_features_out), default=None
            What each row of X is reconstructed as; None for the row itself.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or target does not suit the parameters, or the loss becomes non-finite;
            the estimator is then unchanged.
        AttributeError
            With solver='lbfgs', which takes all rows at once.
        """
        warn_of_pairs(X, y, target)
        return self._run_partial_fit(X, target, sample_weight)

    def feature_errors(self, X) -> np.ndarray:
        """How surprising each cell is, given the others: which features make a row unusual.

        With corruption='masking', which teaches the autoencoder to fill in cells, each cell is
        masked in turn and compared with its reconstruction from the others: this takes as long as
        reconstructing X once for every feature. With other corruptions, cells are compared with
        the reconstruction of the whole row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_features)
            Squared differences in squared units of X, or nats with a cross-entropy; NaN for
            missing values. For a data frame, each of its columns has one: -log p of the cell given
            the others, in nats, where numbers are normal with the variance of training rows around
            their prediction; with other corruptions, squared standard deviations for numbers and
            nats for categories.

        Raises
        ------
        ValueError
            If X is outside the domain of the loss, such as [0, 1] for a cross-entropy, or if the
            targets had another number of columns than X.
        NotImplementedError
            If the loss is a custom one without `loss_of_cells`.
        """
        return super().feature_errors(X)

    def _losses_of_cells(self, network, x):
        if self.corruption != "masking" or self.n_features_out_ != x.shape[1]:
            return super()._losses_of_cells(network, x)
        losses = self._errors_given_others(network, x)
        if self._table is None:
            return losses
        variances, numbers = self._variances_given_others_, self._blocks(x).numbers
        deviances = normal_deviances(losses[:, numbers], as_tensor(variances, x.device))
        return losses.index_copy_(1, numbers, 0.5 * deviances)

    def _errors_given_others(self, network, x):
        """The loss of each cell, reconstructed from the others."""
        losses, cell_of = torch.empty_like(x), self._cell_of(x)
        for cell in range(int(cell_of[-1]) + 1):
            columns = cell_of == cell
            output = network.decode(self._encode(network, x.masked_fill(columns, torch.nan)))
            whole = network.perceptron.output.without_missing(output, x)
            its = network.perceptron.output.loss_of_cells(*whole)
            losses[:, columns] = its[:, columns]
        return torch.where(x.isnan(), x, losses)

    def _cell_of(self, x):
        """Index of the cell to which each column belongs."""
        if self._table is None:
            return torch.arange(x.shape[1], device=x.device)
        return self._blocks(x).cell_of

    def score(self, X, y=None, sample_weight=None, *, target=None) -> float:
        """Fraction of the variance of the target that the reconstruction of X explains.

        Equal to `r2_score(target, reconstruct(X), multioutput="variance_weighted")`, so comparable
        with `PCA.explained_variance_ratio_.sum()`. 1 is perfect, 0 is as good as the target's
        mean; it can be negative. Missing values do not count.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            At least two rows.
        y : None
            Ignored; pass targets as the keyword `target`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; None for equal weights.
        target : array-like or CSR matrix of shape (n_samples, n_features_out), default=None
            What the reconstruction is compared with; None for X itself.

        Returns
        -------
        score : float
            Fraction of variance explained.

        Raises
        ------
        ValueError
            If X has only one row, a reconstruction is not finite, or target has not as
            many columns as in `fit`.
        """
        X = self._validate_rows(X, **self._accepted, ensure_min_samples=2)
        target = X if target is None else self._validate_target(target, X)
        self._check_width(target)
        return self._explained_variance(X, target, sample_weight)

    @overload
    def corrupt(self, X: spmatrix, random_state=None) -> csr_matrix: ...
    @overload
    def corrupt(self, X: sparray, random_state=None) -> csr_array: ...
    @overload
    def corrupt(self, X, random_state=None) -> np.ndarray: ...
    def corrupt(self, X, random_state=None) -> np.ndarray | csr_matrix | csr_array:
        """Corrupt rows as training does.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to corrupt; they are not changed.
        random_state : int, RandomState instance or None, default=None
            Seed of the corruption; None draws a new one.

        Returns
        -------
        corrupted : ndarray or CSR matrix of shape (n_samples, n_features)
            A corrupted copy, sparse if X is. Missing values stay missing, and 'masking'
            adds more if the training data had any.

        Raises
        ------
        ValueError
            If X is sparse and the corruption would fill its zeros.
        """
        given, X = X, self._validate_rows(X, **self._accepted)
        generator = stream(draw_seed(random_state), "corrupt")
        if self._table is not None:
            corrupted = self._corrupted_copy(dense(X), generator)
            return self._as_table(corrupted, like=given, exact=True)
        if not issparse(X):
            return self._corrupted_copy(dense(X), generator)
        if self.corruption not in ("swap", None):
            raise ValueError(
                f"corruption={self.corruption!r} makes every row dense, so it cannot corrupt all "
                "rows of a sparse X at once: pass some of them, as in X[:100].toarray()."
            )
        n_rows = max(200, CHUNK_SIZE // X.shape[1])  # a batch at least: 'swap' needs rows
        chunks = [X[start : start + n_rows].toarray() for start in range(0, X.shape[0], n_rows)]
        return type(X)(vstack([type(X)(self._corrupted_copy(c, generator)) for c in chunks]))

    def sample(self, n_samples=1, n_steps=100, random_state=None) -> np.ndarray:
        """Draw new data by a Markov chain that corrupts and denoises.

        Each step corrupts the row as training does and then draws a new one from the distribution
        given by its reconstruction r: with loss='squared_error' independent normals of mean r and
        variance `noise_variance_`, with 'binary_cross_entropy' zeros and ones of probability r.
        The chain's stationary distribution estimates the distribution of the training data (Bengio
        et al., 2013). Every row is a chain of its own, started from uniform noise within the
        training range of each column; with 'swap', at least 100 chains take cells of one another.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        n_steps : int, default=100
            Length of the chains. Weak corruption needs longer chains, since consecutive
            steps are then similar.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None draws a new one.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The last rows of the chains, on the scale of the training data.

        Raises
        ------
        ValueError
            If `n_samples` or `n_steps` is not an integer above 0, or there is no such
            chain: without corruption, with loss='categorical_cross_entropy', or if the
            targets had another number of columns than X.
        """
        check_is_fitted(self)
        check_counts(n_samples=n_samples, n_steps=n_steps)
        self._check_that_a_chain_exists()
        chain, variance = Chain.of(self, random_state), vars(self).get("noise_variance_")

        def denoised(network, x):
            return self._reconstruct(network, self._corrupt(x, chain.generator))

        low, high = (as_tensor(a, chain.device) for a in (self.data_min_, self.data_max_))
        n_chains = max(n_samples, LEAST_CHAINS) if self.corruption == "swap" else n_samples
        uniform = uniform_like(low.repeat(n_chains, 1), chain.generator)
        X = (low + (high - low) * uniform).cpu().numpy()
        X = chain.run(self, denoised, X, n_steps, variance)
        return self._as_table(X[:n_samples], exact=True)

    def _check_that_a_chain_exists(self):
        if self.corruption is None or self._perceptron.output.has_totals:
            name = "corruption" if self.corruption is None else "loss"
            raise ValueError(
                f"There is no chain to sample from with {name}={getattr(self, name)!r}: "
                f"fit with another {name}."
            )
        if self._table is None and self.n_features_out_ != self.n_features_in_:
            raise ValueError(
                f"There is no chain to sample from, since rows of {self.n_features_in_} features "
                f"are mapped to {self.n_features_out_} features: fit without target."
            )

    def _objective(self, network, x, noise, target=None):
        target = x if target is None else target
        code = network.encode(self._corrupted_inputs(x, noise))
        output = network.perceptron.output
        loss = output.mean_loss_of_observed if self._lacks_cells_ else output.mean_loss
        return network.apply(loss, network.decode(code), target)

    def _corrupted_inputs(self, x, noise):
        return self._training_inputs(self._corrupt(x, noise))

    def _corrupted_copy(self, X, generator):
        x = torch.tensor(X, device="cpu")
        return self._corrupt(x, generator, has_missing(X)).numpy()

    def _corrupt(self, x, generator, lacks_cells=None):
        """x', in which missing values of x are still missing."""
        lacks_cells = self._lacks_cells_ if lacks_cells is None else lacks_cells
        level = self.corruption_level
        if self.corruption is None or level == 0:
            return x
        if self.corruption == "masking" and (self._takes_mask_ or self._table is not None):
            masked = x.masked_fill(self._uniform_of_cells(x, generator) < level, torch.nan)
            return masked if self._takes_mask_ else self._fill(masked, with_mask=False)
        if self.corruption == "masking":
            return mask(x, level, as_tensor(self.data_mean_, x.device), generator)
        if self.corruption == "gaussian":
            corrupted = add_gaussian_noise(x, level, generator)
        elif self.corruption == "salt_and_pepper":
            low, high = (as_tensor(a, x.device) for a in (self.data_min_, self.data_max_))
            corrupted = add_salt_and_pepper(x, level, low, high, generator)
        elif self.corruption == "swap":
            draw = partial(self._uniform_of_cells, generator=generator)
            corrupted = swap(x, level, draw, generator)
        else:
            whole = self._fill(x, with_mask=False) if lacks_cells else x
            corrupted = apply_users(self.corruption, whole, generator)
        if self._table is not None and self.corruption in OF_NUMBERS:
            corrupted = torch.where(self._blocks(x).is_category.bool(), x, corrupted)
        return torch.where(x.isnan(), x, corrupted) if lacks_cells else corrupted

    def _uniform_of_cells(self, x, generator):
        """Uniform numbers in the shape of x; all columns of a table's cell share one."""
        if self._table is None:
            return uniform_like(x, generator)
        blocks = self._blocks(x)
        return uniform_like(x[:, blocks.first], generator)[:, blocks.cell_of]

    def _compared(self, network, x):
        self._check_width(x)
        return network.perceptron.output.without_missing(*super()._compared(network, x))

    def _check_width(self, target):
        if target.shape[1] != self.n_features_out_:
            raise ValueError(
                f"The fitted {type(self).__name__} maps rows to {self.n_features_out_} features, "
                f"which cannot be compared with rows of {target.shape[1]} features: use score(X, "
                f"target=...) with a target of {self.n_features_out_} columns."
            )

    def _resume(self, data, held_out_fraction=0):
        width = data.targets.shape[1]
        if width != self.n_features_out_:
            raise ValueError(
                f"target has {width} columns, but the fitted {type(self).__name__} reconstructs "
                f"{self.n_features_out_}: pass a target with that many columns."
            )
        return super()._resume(data, held_out_fraction)

    def _prepare(self, data, continues):
        low, high = column_ranges(data.X)
        if continues:
            low, high = np.fmin(low, self.data_min_), np.fmax(high, self.data_max_)
        else:
            self._n_outputs_ = data.targets.shape[1]
        self.data_min_, self.data_max_ = low, high
        # A masked category would enter as proportions, which no row has.
        makes_gaps = self._table is not None and self.corruption == "masking"
        self._learn_means(data, continues, makes_gaps)

    def _validate(self, X, target, sample_weight, reset):
        data = super()._validate(X, target, sample_weight, reset)
        n_features, n_outputs = data.X.shape[1], data.targets.shape[1]
        if self.tied_weights and n_outputs != n_features:
            raise InvalidParameterError(
                "tied_weights=True needs the same number of columns in X and target, but X has "
                f"{n_features} and target has {n_outputs}: set tied_weights=False."
            )
        return data

    def _widths(self, n_features):
        return super()._widths(n_features)[0], self._n_outputs_ or n_features

    def _summarize(self, data):
        if isinstance(self._perceptron.output, (SquaredError, Mixed)):
            n_rows = max(1, min(ROWS_FOR_VARIANCE, CHUNK_SIZE // self._perceptron.width))
            some = data[:: math.ceil(len(data) / n_rows)]
            corrupted = self._corrupted_copy(dense(some.X), stream(self._state.seed, "corrupt"))
            differences = dense(some.targets) - self._map(self._reconstruct, corrupted)
            variances = column_means(np.square(differences), some.sample_weight)
            if self._table is not None:
                variances = variances[are_numbers(self._widths_of_table)]
            self.noise_variance_ = variances.astype(differences.dtype)
        if self._table is not None and self.corruption == "masking":
            some = data[:: math.ceil(len(data) / ROWS_FOR_CELLS)]
            errors = self._map(self._errors_given_others, dense(some.X))
            variances = column_means(errors, some.sample_weight)
            variances = variances[are_numbers(self._widths_of_table)]
            variances = np.maximum(variances, MIN_NOISE_VARIANCE)
            self._variances_given_others_ = variances.astype(errors.dtype)

    @property
    def _is_held_back(self):
        return super()._is_held_back or (
            self.corruption is not None and self.corruption_level > 0.3
        )

    def _warn_of_fit(self, data):
        super()._warn_of_fit(data)
        nowhere = np.flatnonzero(column_sums(data.targets)[1] == 0)
        if len(nowhere):
            warn(
                f"Columns {nowhere.tolist()} have no observed value in training, so their "
                "reconstructions mean nothing: leave them out.",
            )

    def _check_parameters(self):
        super()._check_parameters()
        if self.corruption in ("masking", "salt_and_pepper", "swap") and self.corruption_level > 1:
            raise InvalidParameterError(
                f"corruption_level={self.corruption_level} must be at most 1 with "
                f"corruption={self.corruption!r}, which destroys this fraction of the cells."
            )

    @property
    def n_features_out_(self) -> int:
        """Number of columns of a reconstruction: those of X, or of `target` if it was given."""
        check_is_fitted(self)
        return self._perceptron.n_outputs
