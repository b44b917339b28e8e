"""The denoising autoencoder: reconstruct the clean row from a corrupted one."""

from numbers import Real

import numpy as np
import torch

from skae._base import BaseAutoencoder
from skae._columns import column_ranges
from skae._compat import Interval, InvalidParameterError, StrOptions
from skae._devices import as_tensor
from skae._streams import draw_seed, stream


def mask(x, level, generator):
    """Set each cell to 0 with probability `level`."""
    return _uniform_like(x, generator).ge_(level).mul_(x)


def add_gaussian_noise(x, level, generator):
    """Add normal noise of standard deviation `level`."""
    noise = torch.empty_like(x).normal_(generator=generator)
    return x + level * noise


def add_salt_and_pepper(x, level, low, high, generator):
    """Set each cell to its `low` or its `high` with probability `level` / 2 each."""
    draw = _uniform_like(x, generator)
    return torch.where(draw < level / 2, low, torch.where(draw < level, high, x))


def _uniform_like(x, generator):
    return torch.empty_like(x).uniform_(generator=generator)


class DenoisingAutoencoder(BaseAutoencoder):
    """Denoising autoencoder: reconstruct clean rows from corrupted ones.

    Minimises, by mini-batches, ::

        mean over rows of  L(x, g(f(x')))  +  alpha/2 * ||W||^2

    where x' is a corrupted copy of x, drawn anew in each epoch. To undo corruption the
    code must capture how features hang together, even where it is wider than the data;
    the autoencoder learns to project rows back to where the data lie. Only training
    corrupts: `transform` and `reconstruct` take rows as they are.

    Parameters
    ----------
    n_components : int, default=32
        Width of the code. May exceed the number of features (an overcomplete code).
    corruption : {'masking', 'gaussian', 'salt_and_pepper'}, callable or None, \
            default='masking'
        What happens to the input in training. 'masking': cells are set to 0;
        'gaussian': normal noise is added; 'salt_and_pepper': cells are set to their
        column's least or greatest training value, by the toss of a coin; None:
        nothing, which is the plain autoencoder. A callable
        `corruption(x, generator) -> tensor` gets a copy of a batch, a tensor of shape
        (n, n_features), and the `torch.Generator` to draw from. Each epoch corrupts
        anew.
    corruption_level : float, default=0.3
        Fraction of cells that 'masking' and 'salt_and_pepper' destroy, each with this
        probability, or standard deviation of the 'gaussian' noise, in units of X.
        Unused by None and callables.
    hidden_layer_sizes : array-like of int, default=()
        Widths of the encoder's hidden layers, input side first; the decoder mirrors
        them. `()` is the classical autoencoder with one layer each way.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'elu', 'gelu', 'softplus'}, \
            default='relu'
        Activation of the hidden layers. Without any, or with 'identity', the
        autoencoder is linear up to `code_activation`.
    code_activation : str, default='auto'
        Activation of the code, one of the same words. 'auto' is 'logistic'.
    loss : {'squared_error', 'binary_cross_entropy', 'categorical_cross_entropy'}, \
            default='squared_error'
        Reconstruction loss, summed over features. 'binary_cross_entropy' is for X in
        [0, 1], and makes the reconstructions probabilities. 'categorical_cross_entropy'
        is for rows of counts, such as words, or of proportions: decoded are proportions,
        and `reconstruct` multiplies them by the row's total.
    tied_weights : bool, default=False
        Whether the decoder uses the encoder's weights, transposed: half the
        parameters, and no rescaling between the two.
    alpha : float, default=0.0
        Strength of the weight decay alpha/2 * ||W||^2, which is part of the objective;
        biases are exempt. Unlike in MLPRegressor it is not divided by the batch size.
    solver : {'adam', 'sgd'}, default='adam'
        Optimiser: 'adam' suits most data; 'sgd' is stochastic gradient descent with
        Nesterov's momentum of 0.9, and wants `learning_rate_init` tuned.
    learning_rate : {'constant', 'cosine', 'one_cycle'}, default='constant'
        Schedule of the step size over `max_iter` epochs: 'cosine' falls to zero,
        'one_cycle' first rises for 30% of the time. With either, only
        `early_stopping` ends before `max_iter`.
    learning_rate_init : float, default=0.001
        Step size, at its peak where a schedule varies it.
    batch_size : int or 'auto', default='auto'
        Rows per step of the optimiser. 'auto' is min(200, n_samples).
    max_iter : int, default=200
        Epochs, that is passes over X, at most. Reaching it is not an error.
    shuffle : bool, default=True
        Whether each epoch takes the rows in a new random order.
    tol : float, default=1e-4
        An epoch counts as an improvement if its loss is below the best one by more
        than `tol * abs(best)`.
    n_iter_no_change : int or np.inf, default=10
        Epochs without improvement after which training stops.
    early_stopping : bool, default=False
        Whether to hold out rows, to stop when their loss stops improving, and to go
        back to the weights that were best on them.
    validation_fraction : float, default=0.1
        Fraction of the rows that `early_stopping` holds out, rounded up.
    warm_start : bool, default=False
        Whether `fit` goes on from the previous fit, for up to `max_iter` more epochs.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the held-out rows, the shuffles and the noise.
        An int makes refits on one device identical to the bit. None draws a new
        seed; the global random generators are neither read nor changed.
    device : str, default='cpu'
        Where to compute: 'cpu', 'cuda', 'cuda:1', 'mps', or 'auto' for a GPU if there
        is one. Arrays in, arrays out: the device never shows in the results.
    precision : {'float', 'bf16'}, default='float'
        'float': training computes in the dtype of X. 'bf16': the layers round to
        bfloat16, which has 8 bits of precision, in training only; weights, losses and
        penalties do not. Nearly twice as fast for layers of a thousand units on
        processors made for it, slower than 'float' for small ones.
    verbose : bool or int, default=False
        Whether to print a line per epoch.

    Attributes
    ----------
    n_components_ : int
        Width of the code.
    data_min_, data_max_ : ndarray of shape (n_features_in_,)
        Least and greatest value of each column in training: salt and pepper.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first.
    encoder_ : torch.nn.Module
        The encoder, built anew from the weights at each access, on the CPU.
        `encoder_(torch.tensor(X))` equals `transform(X)`.
    decoder_ : torch.nn.Module
        The decoder, likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of an epoch; of the held-out rows if there are any.
    loss_curve_ : list of float
        Objective per row in each epoch, averaged while the weights change.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None without `early_stopping`.
    n_iter_ : int
        Epochs run by the last `fit`, and by `partial_fit` since.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only where X has names that are strings.

    See Also
    --------
    StackedAutoencoder : Several of these on top of each other.
    ContractiveAutoencoder : Codes that resist infinitesimal instead of finite changes.

    References
    ----------
    Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features
    with denoising autoencoders", ICML 2008, https://doi.org/10.1145/1390156.1390294.

    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders",
    Journal of Machine Learning Research 11, 2010,
    https://jmlr.org/papers/v11/vincent10a.html.

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

    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        "corruption": [StrOptions({"masking", "gaussian", "salt_and_pepper"}), callable, None],
        "corruption_level": [Interval(Real, 0, None, closed="left")],
    }
    _auto_code_activation = "logistic"

    def __init__(
        self,
        n_components=32,
        *,
        corruption="masking",
        corruption_level=0.3,
        hidden_layer_sizes=(),
        activation="relu",
        code_activation="auto",
        loss="squared_error",
        tied_weights=False,
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
        warm_start=False,
        random_state=None,
        device="cpu",
        precision="float",
        verbose=False,
    ):
        self.n_components = n_components
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
        self.loss = loss
        self.tied_weights = tied_weights
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

    def corrupt(self, X, random_state=None):
        """Corrupt rows as training does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to corrupt; they are not changed.
        random_state : int, RandomState instance or None, default=None
            Seed of the corruption; None draws a new one.

        Returns
        -------
        corrupted : ndarray of shape (n_samples, n_features)
            A corrupted copy.
        """
        x = torch.tensor(self._validate_rows(X, ensure_all_finite=True), device="cpu")
        return self._corrupt(x, stream(draw_seed(random_state), "corrupt")).numpy()

    def _objective(self, network, x, noise):
        code = network.encode(self._corrupt(x, noise))
        return network.apply(self._loss.mean, network.decode(code), x)

    def _corrupt(self, x, generator):
        if self.corruption is None:
            return x
        if self.corruption == "masking":
            return mask(x, self.corruption_level, generator)
        if self.corruption == "gaussian":
            return add_gaussian_noise(x, self.corruption_level, generator)
        if self.corruption == "salt_and_pepper":
            low, high = (as_tensor(a, x.device) for a in (self.data_min_, self.data_max_))
            return add_salt_and_pepper(x, self.corruption_level, low, high, generator)
        return self._corrupt_by_callable(x, generator)

    def _corrupt_by_callable(self, x, generator):
        with torch.no_grad():  # a copy: the clean x is the target
            corrupted = self.corruption(x.clone(), generator)
        found = type(corrupted).__name__
        if isinstance(corrupted, torch.Tensor):
            found = f"a tensor of shape {tuple(corrupted.shape)}"
        if not isinstance(corrupted, torch.Tensor) or corrupted.shape != x.shape:
            raise ValueError(
                f"corruption={self.corruption!r} must return a tensor of its input's shape, "
                f"{tuple(x.shape)}, but returned {found}."
            )
        return corrupted.to(x)

    def _prepare(self, data, goes_on):
        low, high = column_ranges(data.X)
        if goes_on:
            low, high = np.minimum(low, self.data_min_), np.maximum(high, self.data_max_)
        self.data_min_, self.data_max_ = low, high

    def _check_parameters(self):
        super()._check_parameters()
        if self.corruption in ("masking", "salt_and_pepper") and self.corruption_level > 1:
            raise InvalidParameterError(
                f"corruption_level={self.corruption_level} must be at most 1 with "
                f"corruption={self.corruption!r}, where it is the fraction of cells destroyed."
            )
