"""The contractive autoencoder: codes that hardly change when the input does."""

from math import prod
from numbers import Integral, Real

import numpy as np
import torch

from skae._base import BaseAutoencoder
from skae._compat import Interval, StrOptions
from skae._engine.parallel import of_batch
from skae._outputs import penalized
from skae.tables import TableEncoder

CONTRACTED_STEP = 3.0  # times the step of other saturating units


class QuadraticForms(torch.autograd.Function):
    """diag(A G A^T) for each matrix A of a batch and one symmetric G.

    Written out because autograd would compute A G twice, once for G^T.

    Parameters
    ----------
    A : Tensor of shape (n, k, width)
    G : Tensor of shape (width, width)

    Returns
    -------
    forms : Tensor of shape (n, k)
    """

    @staticmethod
    def forward(ctx, A, G):
        product = A @ G
        ctx.save_for_backward(A, product)
        return torch.linalg.vecdot(product, A)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        A, product = ctx.saved_tensors
        gradient = gradient.unsqueeze(2)
        weighted = (A * gradient).flatten(0, 1)
        return product * (2.0 * gradient), weighted.t() @ A.flatten(0, 1)


def jacobian_between_activations(weights, slopes):
    """d (code's linear output) / d (first layer's linear output), (n, n_components, width).

    Parameters
    ----------
    weights : list of Tensor of shape (fan_out, fan_in)
        Weights of the encoder's layers, input side first; at least two.
    slopes : list of Tensor of shape (n, fan_out)
        Derivative of each layer's activation at its linear output.

    Notes
    -----
    The product W_L ... W_2 D_1 is computed from the code backwards, so that no term
    grows with n * n_features.
    """
    product = weights[-1]
    for weight, slope in zip(weights[-2:0:-1], slopes[-2:0:-1], strict=True):
        product = (product * slope.unsqueeze(1)) @ weight
    return product * slopes[0].unsqueeze(1)


def squared_jacobian_norm(weights, slopes):
    """||d code / d x||_F^2 of each row, shape (n,), exactly; arguments as above.

    One layer has the closed form sum_j s_j^2 ||w_j||^2. With more, J = D_L A W_1, and
    s_j^2 weighs the j-th row's ||a_j W_1||^2 = a_j (W_1 W_1^T) a_j^T, where W_1 W_1^T is
    small and the same for all rows of the data.
    """
    first = weights[0]
    if len(weights) == 1:
        return slopes[0].square() @ first.square().sum(dim=1)
    between = jacobian_between_activations(weights, slopes)
    width, n_features = first.shape
    if n_features < width:
        norms = (between @ first).square().sum(dim=2)
    else:
        norms = QuadraticForms.apply(between, first @ first.t())
    return (slopes[-1].square() * norms).sum(dim=1)


def has_plain_features(network):
    """Whether the inputs of the dense layers are the rows themselves, up to a constant."""
    return network.front is None and not network.perceptron.log_inputs


def through_front(network, x):
    """The inputs of the dense layers for rows x, and a function v -> v^T d features / d x.

    The function is the identity if only the origin precedes the dense layers, otherwise
    autograd's.
    """
    if has_plain_features(network):
        return network.features(x), lambda vectors: vectors
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        features = network.features(x)

    def pull_back(vectors):
        trains = torch.is_grad_enabled()
        (rows,) = torch.autograd.grad(features, x, vectors, retain_graph=True, create_graph=trains)
        return rows

    return features, pull_back


def jacobian_rows(weights, slopes, to_input):
    """d code_j / d x of each row, of shape (n, n_features), for one component j after another.

    Weights and slopes as above; `to_input` as returned by `through_front`. If the code
    is an image, its components come channel by channel.
    """
    of_row = slopes[-1].shape[1:]
    units = torch.eye(prod(of_row), dtype=slopes[-1].dtype, device=slopes[-1].device)
    for unit in units.view(-1, *of_row[::-1]):
        yield to_input(pulled_back(weights, slopes, unit.t() if unit.ndim == 2 else unit))


def pulled_back(weights, slopes, vectors):
    """v^T J of the dense layers alone; v has the code's shape, the result that of their inputs."""
    for weight, slope in zip(weights[::-1], slopes[::-1], strict=True):
        vectors = (vectors * slope) @ weight
    return vectors


def estimated_squared_jacobian_norm(weights, slopes, generator, to_input=lambda vectors: vectors):
    """An unbiased estimate of it: ||v^T J||^2 for one random vector v per row.

    The entries of v are 1 or -1 with equal probability, so that the expectation of v
    v^T is I. It costs one backward pass through the encoder.

    References
    ----------
    Hutchinson, "A stochastic estimator of the trace of the influence matrix for
    Laplacian smoothing splines", Communications in Statistics 19, 1990,
    https://doi.org/10.1080/03610919008812866.
    """

    def draw(like):
        return torch.empty_like(like, requires_grad=False).bernoulli_(generator=generator)

    signs = of_batch(draw, slopes[-1], generator).mul_(2.0).sub_(1.0)
    return to_input(pulled_back(weights, slopes, signs)).square().sum(dim=1)


class ContractiveAutoencoder(BaseAutoencoder):
    """Contractive autoencoder: codes that hardly change when the input does.

    Minimises, batch by batch, ::

        mean over rows of [L(x, g(f(x)))  +  weight * ||J_f(x)||_F^2]  +  alpha/2 * ||W||^2

    where J_f(x), of shape (n_components, n_features), is the Jacobian of the encoder at x. The
    penalty flattens the code in all directions; the reconstruction keeps it steep along the
    directions in which the data vary, the tangents of their manifold. The penalty is exact for any
    depth and activation, or an unbiased estimate that costs less.

    Parameters
    ----------
    n_components : int, default=32
        Width of the code: how many numbers encode a row. A wider code reconstructs
        better and compresses less; it may have more components than X has features (an
        overcomplete code). If the code is an image (see `ConvNet`), its number of
        channels.
    contraction_weight : float, default=0.1
        Weight of the penalty: a larger weight makes the code flatter, steep in fewer
        directions, and the reconstruction worse. The default suits data in [0, 1]; vary
        it by factors of 3. With 0 this is the plain autoencoder.
    jacobian_method : {'exact', 'hutchinson'}, default='exact'
        How training computes the penalty. 'hutchinson' estimates it from one random
        vector per row and step, which is unbiased but noisy and costs a single product.
        'exact' is as cheap for an encoder of one layer; for a deep one it costs
        `n_components` products per row, which is slow for wide codes. 'hutchinson' is
        not available with solver='lbfgs'.
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
        'auto' is 'logistic', whose units are flat at both ends.
    loss : {'squared_error', 'binary_cross_entropy', 'categorical_cross_entropy'}, \
            default='squared_error'
        Reconstruction loss, summed over features. 'squared_error' takes any numbers and
        is in squared units of X. 'binary_cross_entropy' takes X in [0, 1] and makes
        reconstructions probabilities. 'categorical_cross_entropy' takes rows of counts,
        such as word counts, or of proportions: the decoder gives proportions, and
        `reconstruct` multiplies them by the row's total. Both cross-entropies are in
        nats; data outside their domain raise ValueError.
    tied_weights : bool, default=True
        Whether the decoder uses the encoder's weights, transposed. This halves the
        number of weights, which helps with few rows, and rules out rescaling between
        encoder and decoder. An untied decoder escapes the penalty by scaling up codes
        that shrink. With a `network`, set it to False.
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
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not available with a `network`.
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
    DenoisingAutoencoder : Codes that resist finite, not infinitesimal, changes of X.

    Notes
    -----
    The derivative of 'relu' is a step function: the penalty's gradient reaches the weights, but
    does not depend on where the steps are.

    References
    ----------
    Rifai, Vincent, Muller, Glorot and Bengio, "Contractive auto-encoders: explicit
    invariance during feature extraction", ICML 2011,
    https://icml.cc/2011/papers/455_icmlpaper.pdf.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import ContractiveAutoencoder
    >>> X = load_digits().data / 16
    >>> contractive = ContractiveAutoencoder(64, max_iter=50, random_state=0).fit(X)
    >>> free = ContractiveAutoencoder(
    ...     64, contraction_weight=0, max_iter=50, random_state=0).fit(X)
    >>> bool(contractive.jacobian_norm(X).mean() < free.jacobian_norm(X).mean())
    True
    """

    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        "contraction_weight": [Interval(Real, 0, None, closed="left")],
        "jacobian_method": [StrOptions({"exact", "hutchinson"})],
    }
    _auto_code_activation = "logistic"

    def __init__(
        self,
        n_components=32,
        *,
        contraction_weight=0.1,
        jacobian_method="exact",
        hidden_layer_sizes=(),
        activation="relu",
        code_activation="auto",
        loss="squared_error",
        tied_weights=True,
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
        self.contraction_weight = contraction_weight
        self.jacobian_method = jacobian_method
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

    def jacobian(self, X) -> np.ndarray:
        """Jacobian of the encoder at each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows at which to compute it.

        Returns
        -------
        jacobian : ndarray of shape (n_samples, n_components, n_features)
            Entry (i, j, k) is d code_j / d x_k at row i, in units of the code per unit of
            X. It takes as much memory as `n_components` copies of X.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that are not finite.
        """
        X = self._validate_rows(X)
        return self._map(self._jacobian, X, expansion=self.n_components_)

    def jacobian_norm(self, X) -> np.ndarray:
        """Squared Frobenius norm of the encoder's Jacobian at each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows at which to compute it.

        Returns
        -------
        norms : ndarray of shape (n_samples,)
            Sum of squares of `jacobian(X)` per row, computed without storing it. Close
            to 0 where the code is flat.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that are not finite.
        """
        X = self._validate_rows(X)
        return self._map(self._jacobian_norm, X, expansion=self.n_components_)

    def tangents(self, X, n) -> np.ndarray:
        """The directions in which the code is most sensitive: tangents of the manifold.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows at which to compute them.
        n : int
            Number of directions, at most min(n_components, n_features).

        Returns
        -------
        tangents : ndarray of shape (n_samples, n, n_features)
            The leading right singular vectors of `jacobian(X)`, orthonormal, in order.
            Their largest entry in absolute value is positive, which fixes the sign.

        Raises
        ------
        ValueError
            If n is not such an integer, or X does not match the fit.
        """
        X = self._validate_rows(X)
        most = min(self.n_components_, X.shape[1])
        if isinstance(n, bool) or not isinstance(n, Integral) or not 1 <= n <= most:
            raise ValueError(
                f"n={n!r} must be an integer from 1 to min(n_components, n_features) = {most}."
            )

        def leading(network, x):
            vectors = torch.linalg.svd(self._jacobian(network, x), full_matrices=False).Vh[:, :n]
            largest = vectors.abs().argmax(dim=2, keepdim=True)
            return vectors * vectors.gather(2, largest).sign()

        return self._map(leading, X, expansion=self.n_components_)

    def _objective(self, network, x, noise):
        output = network.perceptron.output
        if self.contraction_weight == 0:
            return network.apply(output.mean_loss, network.decode(network.encode(x)), x)
        features, to_input = through_front(network, x)
        code, slopes = network.encode_with_slopes(features)
        error = network.apply(output.mean_loss, network.decode(code), x)
        if self.jacobian_method == "exact":
            norms = self._exact_norms(network, slopes, to_input)
        else:
            weights = network.encoder_weights
            norms = estimated_squared_jacobian_norm(weights, slopes, noise, to_input)
        return network.apply(penalized, error, network.mean(norms), weight=self.contraction_weight)

    def _check_parameters(self):
        super()._check_parameters()
        if self.jacobian_method == "hutchinson":
            self._refuse_lbfgs("jacobian_method='hutchinson'", "jacobian_method='exact'")

    @property
    def _is_held_back(self):
        return super()._is_held_back or self.contraction_weight > 0.1

    def _step_factor(self, n_rows, n_columns):
        """More if slopes are penalised, and so smaller than those of other units."""
        return CONTRACTED_STEP if self.contraction_weight > 0 else 1.0

    @staticmethod
    def _exact_norms(network, slopes, to_input):
        weights = network.encoder_weights
        if has_plain_features(network):
            return squared_jacobian_norm(weights, slopes)
        return sum(row.square().sum(dim=1) for row in jacobian_rows(weights, slopes, to_input))

    def _jacobian_norm(self, network, x):
        features, to_input = through_front(network, x)
        _, slopes = network.encode_with_slopes(features)
        return self._exact_norms(network, slopes, to_input)

    @staticmethod
    def _jacobian(network, x):
        features, to_input = through_front(network, x)
        _, slopes = network.encode_with_slopes(features)
        if not has_plain_features(network):
            return torch.stack([*jacobian_rows(network.encoder_weights, slopes, to_input)], dim=1)
        first, *rest = network.encoder_weights
        if not rest:
            return slopes[0].unsqueeze(2) * first
        between = jacobian_between_activations(network.encoder_weights, slopes)
        return slopes[-1].unsqueeze(2) * (between @ first)
