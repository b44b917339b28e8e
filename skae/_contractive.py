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


class QuadraticForms(torch.autograd.Function):
    """diag(A G A^T) for each matrix A of a batch and one symmetric G.

    Written out since autograd would compute A G twice, once for G^T.

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
        The encoder's, input side first; at least two.
    slopes : list of Tensor of shape (n, fan_out)
        Derivative of each layer's activation at its linear output.

    Notes
    -----
    The product W_L ... W_2 D_1, taken from the code backwards, so that no term grows
    with n * n_features.
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
    """Whether the dense layers get the rows themselves, up to a constant."""
    return network.front is None and not network.perceptron.log_inputs


def through_front(network, x):
    """What the dense layers get of rows x, and a function v -> v^T d features / d x.

    Where nothing but the origin is in front of them that is the identity; elsewhere the
    function is autograd's.
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
    """d code_j / d x of each row, (n, n_features), for one component j after the other.

    Weights and slopes as above; `to_input` as of `through_front`. Of a code that is an
    image, channel by channel.
    """
    of_row = slopes[-1].shape[1:]
    units = torch.eye(prod(of_row), dtype=slopes[-1].dtype, device=slopes[-1].device)
    for unit in units.view(-1, *of_row[::-1]):
        yield to_input(pulled_back(weights, slopes, unit.t() if unit.ndim == 2 else unit))


def pulled_back(weights, slopes, vectors):
    """v^T J of the dense layers alone, of the features' shape, for v of the code's."""
    for weight, slope in zip(weights[::-1], slopes[::-1], strict=True):
        vectors = (vectors * slope) @ weight
    return vectors


def estimated_squared_jacobian_norm(weights, slopes, generator, to_input=lambda vectors: vectors):
    """An unbiased estimate of the same: ||v^T J||^2 for one random vector v per row.

    The entries of v are 1 or -1 with equal probability, so that the expectation of
    v v^T is I. It costs one pass backwards through the encoder.

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

    Minimises, by mini-batches, ::

        mean over rows of [L(x, g(f(x)))  +  weight * ||J_f(x)||_F^2]  +  alpha/2 * ||W||^2

    where J_f(x), of shape (n_components, n_features), is the Jacobian of the encoder at
    x. The penalty flattens the code in all directions, the reconstruction keeps it steep
    along those in which the data vary: the tangents of their manifold. The penalty is
    exact for any depth and every activation, or an unbiased estimate that costs less.

    Parameters
    ----------
    n_components : int, default=32
        Width of the code, the numbers that each row becomes. More reconstruct better
        and compress less; may exceed the number of features (an overcomplete code). Of
        a code that is an image (see `ConvNet`), its channels.
    contraction_weight : float, default=0.1
        Weight of the penalty: more makes the code flatter, steep in fewer directions,
        and the reconstruction worse. The default suits data in [0, 1]; vary it by
        factors of 3. With 0 this is the plain autoencoder.
    jacobian_method : {'exact', 'hutchinson'}, default='exact'
        How training computes the penalty. 'exact' is as cheap for an encoder of one
        layer; for a deep one it costs `n_components` products per row. 'hutchinson'
        estimates the norm from one random vector per row and step (without bias, but
        with noise): a single product, for wide codes of deep encoders. Not with
        solver='lbfgs'.
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
        more. 'auto' is 'logistic', whose units become flat towards both ends.
    loss : {'squared_error', 'binary_cross_entropy', 'categorical_cross_entropy'}, \
            default='squared_error'
        Reconstruction loss, summed over features. 'squared_error' is for any numbers,
        in squared units of X. 'binary_cross_entropy' is for X in [0, 1], and makes the
        reconstructions probabilities. 'categorical_cross_entropy' is for rows of
        counts, such as words, or of proportions: decoded are proportions, and
        `reconstruct` multiplies them by the row's total. Both cross-entropies are in
        nats; an X that they are not for is a ValueError.
    tied_weights : bool, default=True
        Whether the decoder uses the encoder's weights, transposed: half the weights, of
        use where rows are few, and no rescaling between the two. An untied decoder
        escapes the penalty: codes shrink and it scales them up again. With a `network`
        set it to False.
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
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not with a `network`.
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
    DenoisingAutoencoder : Resists finite instead of infinitesimal changes.

    Notes
    -----
    The derivative of 'relu' is a step, so that with it the penalty's gradient reaches the
    weights but not through where the steps are.

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
            Where to take it.

        Returns
        -------
        jacobian : ndarray of shape (n_samples, n_components, n_features)
            Entry (i, j, k) is d code_j / d x_k at row i, in units of the code per unit of
            X. It takes as much memory as `n_components` copies of X.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that are not finite.
        """
        X = self._validate_rows(X)
        return self._map(self._jacobian, X, expansion=self.n_components_)

    def jacobian_norm(self, X) -> np.ndarray:
        """Squared Frobenius norm of the encoder's Jacobian at each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Where to take it.

        Returns
        -------
        norms : ndarray of shape (n_samples,)
            Sum of the squares of `jacobian(X)`, per row, without its memory. Close to 0
            where the code is flat.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that are not finite.
        """
        X = self._validate_rows(X)
        return self._map(self._jacobian_norm, X, expansion=self.n_components_)

    def tangents(self, X, n) -> np.ndarray:
        """The directions in which the code is most sensitive: the manifold's tangents.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Where to take them.
        n : int
            How many; at most min(n_components, n_features).

        Returns
        -------
        tangents : ndarray of shape (n_samples, n, n_features)
            The leading right singular vectors of `jacobian(X)`, orthonormal, leading
            first. The entry of largest size is positive, which fixes the sign.

        Raises
        ------
        ValueError
            If n is not such an integer, or X does not suit the fit.
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
        if self.contraction_weight == 0:
            return network.apply(self._output.mean_loss, network.decode(network.encode(x)), x)
        features, to_input = through_front(network, x)
        code, slopes = network.encode_with_slopes(features)
        error = network.apply(self._output.mean_loss, network.decode(code), x)
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
