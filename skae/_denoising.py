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
from skae._mixed import Mixed
from skae._outputs import SquaredError
from skae.tables import TableEncoder

LEAST_CHAINS = 100  # where each takes cells of the others
OF_NUMBERS = ("gaussian", "salt_and_pepper")  # corruptions that leave categories alone
ROWS_FOR_CELLS = 300  # the same for the variances of cells given the others
ROWS_FOR_VARIANCE = 1000  # at most; bounds the cost of `noise_variance_`


def warn_of_pairs(X, y, target):
    """Where y looks like what rows of X are to become, a target that was passed by position."""
    shape = getattr(y, "shape", ())
    if target is None and len(shape) == 2 and shape[1] > 1 and shape == getattr(X, "shape", None):
        warn(
            "y is ignored, but has the shape of X: if rows of X are to become rows of y, pass "
            "target=y.",
        )


class DenoisingAutoencoder(GapsMixin, BaseAutoencoder):
    """Denoising autoencoder: reconstruct clean rows from corrupted ones.

    Minimises, by mini-batches, ::

        mean over rows of  L(x, g(f(x')))  +  alpha/2 * ||W||^2

    where x' is a corrupted copy of x, drawn anew in each epoch. To undo corruption the
    code must capture how features hang together, even where it is wider than the data;
    the autoencoder learns to project rows back to where the data lie. Only training
    corrupts: `transform` and `reconstruct` take rows as they are.

    With `fit(X, target=T)` the rows of T take the place of the x to be reconstructed:
    clean versions of noisy rows, other noisy versions of the same (noise2noise), or
    something else that X tells of, such as the colours of a grey picture. X is still
    corrupted; where it is noisy enough as it is, use `corruption=None`.

    X may lack cells (NaN). They are corrupted cells whose clean value nobody knows: the
    encoder gets their column's training mean, the loss leaves them out, and
    `np.where(np.isnan(X), denoiser.reconstruct(X), X)` fills them. Where the training
    data lack any, the encoder has n_features more inputs, which tell the observed cells
    (1) from the missing (0), and 'masking' makes cells missing too.

    Parameters
    ----------
    n_components : int, default=32
        Width of the code, the numbers that each row becomes. More reconstruct better
        and compress less; may exceed the number of features (an overcomplete code). Of
        a code that is an image (see `ConvNet`), its channels.
    corruption : {'masking', 'gaussian', 'salt_and_pepper', 'swap'}, callable or None, \
            default='masking'
        What happens to the input in training, and so what the code learns to do
        without. 'masking': cells are set to their column's training mean, as missing
        ones are; 'gaussian': normal noise is added; 'salt_and_pepper': cells are set to
        their column's least or greatest training value, by the toss of a coin, for
        nearly binary data; 'swap': cells take the value that another row of the batch has in
        their column, for tables whose columns differ in kind; None: nothing, which is
        the plain autoencoder. A callable `corruption(x, generator) -> tensor` gets a
        copy of a batch, a tensor of shape (n, n_features), and the `torch.Generator` to
        draw from, and returns a tensor of the same shape. Each epoch corrupts anew.
    corruption_level : float, default=0.3
        Fraction of cells, at most 1, that 'masking', 'salt_and_pepper' and 'swap'
        destroy, each with this probability, or standard deviation of the 'gaussian'
        noise, in units of X. More makes units look at larger parts of a row, and rows
        come back less exactly. With 0 this is the plain autoencoder. Unused by None and
        callables.
    hidden_layer_sizes : int or array-like of int, default=()
        Widths of the encoder's hidden layers, input side first; the decoder mirrors
        them. More and wider layers follow data that are more curved, and take longer.
        An int is one hidden layer; `()` is the classical autoencoder with one layer
        each way.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'elu', 'gelu', 'softplus'}, \
            default='relu'
        Activation of the hidden layers, and of a `ConvNet`: 'relu' bends in flat
        pieces, 'identity' not at all, the others smoothly. Without hidden layers, or
        with 'identity', the autoencoder is linear up to `code_activation`.
    code_activation : str, default='auto'
        Activation of the code, one of the same words: with 'identity' codes are any
        numbers, with 'logistic' in (0, 1), with 'tanh' in (-1, 1), with 'relu' 0 or
        more. 'auto' is 'logistic', for features; to denoise or to fill in cells,
        'identity' reconstructs better.
    loss : {'squared_error', 'binary_cross_entropy', 'categorical_cross_entropy'}, \
            default='squared_error'
        Reconstruction loss, summed over features. 'squared_error' is for any numbers,
        in squared units of X. 'binary_cross_entropy' is for X in [0, 1], and makes the
        reconstructions probabilities. 'categorical_cross_entropy' is for rows of
        counts, such as words, or of proportions: decoded are proportions, and
        `reconstruct` multiplies them by the row's total. Both cross-entropies are in
        nats; an X that they are not for is a ValueError.
    tied_weights : bool, default=False
        Whether the decoder uses the encoder's weights, transposed: half the weights, of
        use where rows are few, and no rescaling between the two. Not with a `network`.
    network : ConvNet or another specification, default=None
        Layers of another kind around the dense ones: a row passes the network's
        encoder, then `hidden_layer_sizes` and the code's layer, and back through as many
        and the network's decoder. `ConvNet(image_shape=(1, 28, 28))` is for images; a
        class of your own needs `build`, see `skae.networks`. None: dense layers alone.
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
        Epochs, that is passes over X, at most. Reaching it is no error and does not warn.
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
        is 10, or as many as make 500 steps. However small it is, training does not stop
        before it has learnt something.
    early_stopping : bool, default=False
        Whether to hold out rows, to stop when their loss stops improving, and to go
        back to the weights of its last improvement. For wide networks, which learn few
        rows by heart; the rows held out are lost to training.
    validation_fraction : float, default=0.1
        Fraction of the rows that `early_stopping` holds out, rounded up. More judge the
        weights better, and leave fewer to train on.
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
    n_components_ : int
        Width of the code: the columns of `transform(X)`.
    n_features_out_ : int
        Width of a reconstruction: that of X, or of `target` where there was one.
    data_min_, data_max_, data_mean_ : ndarray of shape (n_features_in_,)
        Least and greatest value (salt and pepper) and mean (what missing cells enter
        as) of each column in training.
    noise_variance_ : ndarray of shape (n_features_out_,)
        Mean squared difference between a column and its reconstruction from corrupted
        training rows, of which at most 1000 are taken, in squared units of X: the
        variance of `sample`. Only with loss='squared_error'.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not with a `network`. Where the
        training data lack cells, the first has `2 * n_features_in_` rows: the cells',
        then the mask's.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first. Not with a `network`.
    encoder_ : torch.nn.Module
        The encoder, built anew from the weights at each access, on the CPU.
        `encoder_(torch.tensor(X))` equals `transform(X)`, for X in the dtype of the
        fit; another is a TypeError. To train it, call its `requires_grad_()` first.
    decoder_ : torch.nn.Module
        The decoder, likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of an epoch; of the held-out rows if there are any.
    loss_curve_ : list of float
        Objective per row in each epoch, averaged while the weights change. Where
        training has gone on (`warm_start`, `partial_fit`), earlier epochs come first.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None where none were held out.
    n_iter_ : int
        Epochs run by the last `fit`, and by `partial_fit` since.
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
    StackedAutoencoder : Several of these on top of each other.
    ContractiveAutoencoder : Codes that resist infinitesimal instead of finite changes.

    Notes
    -----
    Vincent et al. mask cells by setting them to 0, which is their mean where X is centred.
    Where it is not, zeros would leave the encoder with smaller inputs in training than it gets
    afterwards. This callable does so all the same ::

        def zeros(x, generator):
            return x * torch.rand(x.shape, generator=generator).ge(0.3)

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
    # Decided by the data that a fit begins with.
    _takes_gaps_of_tables = True
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
            Training data; NaN is a missing cell. float32 is computed in float32, and so is a
            memory map of integers or of halves; everything else in float64.
        y : None
            Ignored; what rows are to become is the keyword `target`.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts, at least 0: 2 is as good as a row that is there twice, 0 as
            one that is not there. None for all alike.
        target : array-like or CSR matrix of shape (n_samples, n_features_out), default=None
            What each row of X is to become, such as its clean version or another noisy
            one; None for the row itself. It may be of another width. NaN is a cell
            that does not count.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is wrong, X or target does not suit it or the device is not
            there: the estimator is as before. If the training diverges: it is not fitted
            (with `warm_start`, it is as before).
        KeyboardInterrupt
            If interrupted: the weights of the last finished epoch stay usable, where
            there is one.
        """
        warn_of_pairs(X, y, target)
        return self._run_fit(X, target, sample_weight)

    @available_if(trains_by_epochs)
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None, sample_weight=None, *, target=None) -> Self:
        """Train for one epoch over X, going on from where training stands.

        The learning rate is `learning_rate_init`; schedules, `tol`, `early_stopping` and
        `max_iter` play no part. Optimiser and random streams go on exactly, also
        through pickle. Whether missing cells have a mask is decided by the first call.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data; NaN is a missing cell.
        y : None
            Ignored; what rows are to become is the keyword `target`.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts, at least 0: 2 is as good as a row that is there twice, 0 as
            one that is not there. None for all alike. They compare
            the rows of one call.
        target : array-like or CSR matrix of shape (n_samples, n_features_out), default=None
            What each row of X is to become; None for the row itself.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or target does not suit the parameters or the loss becomes non-finite;
            the estimator is then as it was before the call.
        AttributeError
            With solver='lbfgs', which takes all rows at once.
        """
        warn_of_pairs(X, y, target)
        return self._run_partial_fit(X, target, sample_weight)

    def feature_errors(self, X) -> np.ndarray:
        """How much each cell surprises, given the others: which features are to blame.

        With corruption='masking', which has taught the autoencoder to fill cells in, each cell
        is masked in its turn, and compared with what the others make of it: that takes as long
        as to reconstruct X once for every feature. With other corruptions, cells are
        compared with the reconstruction of the whole row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_features)
            Squared differences in squared units of X, or nats with a cross-entropy; NaN
            where a cell is missing. Of a data frame, a column for each of its: -log p of the
            cell given the others, in nats, for numbers of normal distributions with the
            variance that training rows have around what the others tell; with other
            corruptions, squared standard deviations for numbers, nats for categories.

        Raises
        ------
        ValueError
            If the loss is not for X, such as a cross-entropy outside of [0, 1], or if rows
            were trained to become others of another width.
        NotImplementedError
            If the loss is one of your own that has no `loss_of_cells`.
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
        """The loss of each cell by what the others make of it."""
        losses, cell_of = torch.empty_like(x), self._cell_of(x)
        for cell in range(int(cell_of[-1]) + 1):
            columns = cell_of == cell
            output = network.decode(self._encode(network, x.masked_fill(columns, torch.nan)))
            whole = network.perceptron.output.without_missing(output, x)
            its = network.perceptron.output.loss_of_cells(*whole)
            losses[:, columns] = its[:, columns]
        return torch.where(x.isnan(), x, losses)

    def _cell_of(self, x):
        """Which cell of the row each column is of."""
        if self._table is None:
            return torch.arange(x.shape[1], device=x.device)
        return self._blocks(x).cell_of

    def score(self, X, y=None, sample_weight=None, *, target=None) -> float:
        """Fraction of the target's variance that the reconstruction of X explains.

        Equal to `r2_score(target, reconstruct(X), multioutput="variance_weighted")`, so
        on the scale of `PCA.explained_variance_ratio_.sum()`. 1 is perfect, 0 is as good
        as the target's mean; it can be negative. Missing cells do not count.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            At least two rows.
        y : None
            Ignored; what rows are to become is the keyword `target`.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts; None for all alike.
        target : array-like or CSR matrix of shape (n_samples, n_features_out), default=None
            What the reconstruction is compared with; None for X itself.

        Returns
        -------
        score : float
            Fraction of variance explained.

        Raises
        ------
        ValueError
            If X has one row only, a reconstruction is not finite, or target is not as
            wide as in `fit`.
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
            A corrupted copy, sparse if X is. Missing cells stay missing, and 'masking'
            makes more of them if the training data had any.

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
                f"corruption={self.corruption!r} makes every row dense, so that it cannot corrupt "
                "a sparse X as a whole: pass some rows of it, as in X[:100].toarray()."
            )
        n_rows = max(200, CHUNK_SIZE // X.shape[1])  # a batch at least: 'swap' needs rows
        chunks = [X[start : start + n_rows].toarray() for start in range(0, X.shape[0], n_rows)]
        return type(X)(vstack([type(X)(self._corrupted_copy(c, generator)) for c in chunks]))

    def sample(self, n_samples=1, n_steps=100, random_state=None) -> np.ndarray:
        """Draw new data: a Markov chain that corrupts and denoises.

        Each step corrupts the row as training does and then draws a new one from the
        distribution that its reconstruction r stands for: with loss='squared_error'
        independent normals of mean r and variance `noise_variance_`, with
        'binary_cross_entropy' zeros and ones of probability r. The chain's stationary
        distribution estimates that of the training data (Bengio et al., 2013). Every row
        is a chain of its own, which starts from uniform noise within the columns'
        training ranges; with 'swap' they take each other's cells, 100 chains at least.

        Parameters
        ----------
        n_samples : int, default=1
            How many rows.
        n_steps : int, default=100
            Length of the chains. Weak corruption needs longer ones, since neighbouring
            steps are then alike.
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
            chain: without a corruption, with loss='categorical_cross_entropy', or where
            rows become others of another width.
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
                f"There is no chain to sample from, as rows of {self.n_features_in_} features "
                f"become others of {self.n_features_out_}: fit without target."
            )

    def _objective(self, network, x, noise, target=None):
        target = x if target is None else target
        code = network.encode(self._training_inputs(self._corrupt(x, noise)))
        if self._lacks_cells_:
            return network.apply(self._output.mean_loss_of_observed, network.decode(code), target)
        return network.apply(self._output.mean_loss, network.decode(code), target)

    def _corrupted_copy(self, X, generator):
        x = torch.tensor(X, device="cpu")
        return self._corrupt(x, generator, has_missing(X)).numpy()

    def _corrupt(self, x, generator, lacks_cells=None):
        """x', in which cells that x lacks are still missing."""
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
        """A uniform number for each cell, of x's shape: a table's have one for all columns."""
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
                f"Rows were trained to become others of {self.n_features_out_} features, but are "
                f"compared with ones of {target.shape[1]}: use score(X, target=...) with a target "
                f"of {self.n_features_out_} columns."
            )

    def _resume(self, data, held_out_fraction=0):
        width = data.targets.shape[1]
        if width != self.n_features_out_:
            raise ValueError(
                f"target has {width} columns, but the fitted {type(self).__name__} reconstructs "
                f"{self.n_features_out_}: pass a target of that width."
            )
        return super()._resume(data, held_out_fraction)

    def _prepare(self, data, continues):
        low, high = column_ranges(data.X)
        if continues:
            low, high = np.fmin(low, self.data_min_), np.fmax(high, self.data_max_)
        else:
            self._n_outputs_ = data.targets.shape[1]
        self.data_min_, self.data_max_ = low, high
        # A cell of a category that is masked would enter as proportions, which no row has.
        makes_gaps = self._table is not None and self.corruption == "masking"
        self._learn_means(data, continues, makes_gaps)

    def _validate(self, X, target, sample_weight, reset):
        data = super()._validate(X, target, sample_weight, reset)
        n_features, n_outputs = data.X.shape[1], data.targets.shape[1]
        if self.tied_weights and n_outputs != n_features:
            raise InvalidParameterError(
                f"tied_weights=True needs a target as wide as X, but X has {n_features} features "
                f"and target has {n_outputs}: set tied_weights=False."
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
                variances = variances[self._blocks().numbers.numpy()]
            self.noise_variance_ = variances.astype(differences.dtype)
        if self._table is not None and self.corruption == "masking":
            some = data[:: math.ceil(len(data) / ROWS_FOR_CELLS)]
            errors = self._map(self._errors_given_others, dense(some.X))
            variances = column_means(errors, some.sample_weight)[self._blocks().numbers.numpy()]
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
                f"Columns {nowhere.tolist()} have no observed cell in training: their "
                "reconstructions mean nothing. Leave them out.",
            )

    def _check_parameters(self):
        super()._check_parameters()
        if self.corruption in ("masking", "salt_and_pepper", "swap") and self.corruption_level > 1:
            raise InvalidParameterError(
                f"corruption_level={self.corruption_level} must be at most 1 with "
                f"corruption={self.corruption!r}, where it is the fraction of cells destroyed."
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @property
    def n_features_out_(self) -> int:
        """Width of a reconstruction: that of X, or of target where there was one."""
        check_is_fitted(self)
        return self._perceptron.n_outputs
