"""The variational autoencoder: codes with a distribution, and a density over the data."""

import math
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skae._base import BaseAutoencoder
from skae._compat import Interval, StrOptions
from skae._elbo import (
    bernoulli_log_likelihood,
    gaussian_kl,
    gaussian_log_likelihood,
    gaussian_surprise,
    moment_matched_normal,
    reparameterize,
    sample_posterior,
)
from skae._losses import LOSSES, penalized
from skae._perceptron import Network
from skae._streams import draw_seed, stream

MIN_NOISE_VARIANCE = 1e-6
# The noise variance is exp(10 * w): Adam moves every w by about the learning rate, and
# at 1e-3 a step a log-variance itself would not arrive within a usual training.
LOG_VARIANCE_SCALE = 10.0
MIN_SCORE_DRAWS = 64
RECONSTRUCTION_LOSSES = {"gaussian": "squared_error", "bernoulli": "binary_cross_entropy"}


def learned_variance(parameter):
    """The noise variance of shape () that a parameter of shape (1,) stands for; its pullback."""
    free = torch.exp(LOG_VARIANCE_SCALE * parameter[0])
    return MIN_NOISE_VARIANCE + free, lambda gradient: (
        (gradient * LOG_VARIANCE_SCALE * free).reshape(1),
    )


class VAE(BaseAutoencoder):
    """Variational autoencoder: codes with a distribution, data with a density.

    The encoder gives a distribution q(z|x) = N(mean(x), diag(variance(x))) of codes, the
    decoder a distribution p(x|z) of data, and codes have the prior p(z) = N(0, I).
    Minimises, by mini-batches, the negative evidence lower bound (ELBO), in nats, ::

        mean over rows of [E_q(z|x)[-log p(x|z)] + beta * KL(q(z|x) || p(z))]
            + alpha/2 * ||W||^2

    with draws z = mean(x) + std(x) * epsilon (the reparameterisation trick). The codes fill
    the prior, so that new data can be sampled, and `score_samples` bounds log p(x) from
    below: a density, on the scale of `PCA.score_samples` and `GaussianMixture.score_samples`.

    `transform` gives the posterior mean.

    Parameters
    ----------
    n_components : int, default=32
        Width of the code. May exceed the number of features (an overcomplete code).
    likelihood : {'gaussian', 'bernoulli'}, default='gaussian'
        Distribution p(x|z) around a decoded row: 'gaussian' with variance
        `noise_variance`; 'bernoulli' for X in [0, 1], whose values between 0 and 1
        count as expectations, and whose reconstructions are probabilities.
    noise_variance : 'shared' or float, default='shared'
        Variance of the 'gaussian' likelihood. 'shared' learns one number for all
        cells, which sets the balance between reconstruction and code by itself (with
        solver='sgd' it wants a `learning_rate_init` of 3e-4 or less); a float fixes
        it. Unused by 'bernoulli'.
    beta : float, default=1.0
        Weight of the KL divergence in training. 1 maximises the ELBO; more gives
        smoother, more independent codes and worse reconstructions; 0 leaves only
        the reconstruction. Scores always take 1.
    n_draws : int, default=1
        Codes drawn per row and step: more lower the variance of the gradient, and
        cost as much as a larger batch.
    hidden_layer_sizes : array-like of int, default=(128,)
        Widths of the encoder's hidden layers, input side first; the decoder mirrors
        them. `()` is the classical autoencoder with one layer each way.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'elu', 'gelu', 'softplus'}, \
            default='relu'
        Activation of the hidden layers. Without any, or with 'identity', the
        autoencoder is linear up to `code_activation`.
    code_activation : str, default='auto'
        Activation of the code, one of the same words. 'auto' is 'identity'; it
        applies to the posterior mean.
    tied_weights : bool, default=False
        Whether the decoder uses the weights of the encoder's mean, transposed. That is a
        restriction: a linear VAE then no longer reaches probabilistic PCA.
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
    noise_variance_ : float
        Variance of the gaussian likelihood, learned or fixed; 1e-6 at least if learned.
        Not there with 'bernoulli'.
    kl_per_component_ : ndarray of shape (n_components_,)
        KL(q(z_j|x) || p(z_j)) of each component, mean over the training set, in nats.
    n_active_components_ : int
        Components whose posterior mean has a variance above 0.01 over the training
        set (Burda et al. 2016); the others carry nothing.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. The encoder's last
        has 2 * n_components columns: the mean's, then the log-variance's.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first.
    encoder_ : torch.nn.Module
        The encoder, built anew from the weights at each access, on the CPU.
        `encoder_(torch.tensor(X))` gives a pair (mean, log_variance); the mean equals
        `transform(X)`.
    decoder_ : torch.nn.Module
        The decoder, likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch, in nats.
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
    sklearn.decomposition.PCA : Its probabilistic model is the linear special case.
    sklearn.mixture.GaussianMixture : Another density to sample from.

    References
    ----------
    Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014,
    https://arxiv.org/abs/1312.6114.

    Higgins et al., "beta-VAE: learning basic visual concepts with a constrained
    variational framework", ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl.

    Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", ICLR 2016,
    https://arxiv.org/abs/1509.00519.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VAE
    >>> X = load_digits().data / 16
    >>> vae = VAE(8, max_iter=20, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (1797, 8)
    >>> vae.sample(3, random_state=0).shape
    (3, 64)
    """

    _parameter_constraints = {
        **{k: v for k, v in BaseAutoencoder._parameter_constraints.items() if k != "loss"},
        "likelihood": [StrOptions(set(RECONSTRUCTION_LOSSES))],
        "noise_variance": [StrOptions({"shared"}), Interval(Real, 0, None, closed="neither")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components=32,
        *,
        likelihood="gaussian",
        noise_variance="shared",
        beta=1.0,
        n_draws=1,
        hidden_layer_sizes=(128,),
        activation="relu",
        code_activation="auto",
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
        self.likelihood = likelihood
        self.noise_variance = noise_variance
        self.beta = beta
        self.n_draws = n_draws
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
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

    def posterior(self, X):
        """The distribution q(z|x) of each row's code.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        mean, std : ndarray of shape (n_samples, n_components)
            Of independent normal distributions; `mean` equals `transform(X)`.
        """
        mean, log_variance = self._posterior(self._validate_rows(X))
        return mean, np.exp(0.5 * log_variance)

    def sample(self, n_samples=1, random_state=None):
        """Draw new data: codes from the prior, then rows from p(x|z).

        Decoded means, without the likelihood's noise, are
        `inverse_transform(rng.normal(size=(n_samples, n_components)))`.

        Parameters
        ----------
        n_samples : int, default=1
            How many rows.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None draws a new one.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Sampled rows; zeros and ones with likelihood='bernoulli'.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r} must be an integer of at least 1.")
        rng = np.random.default_rng(draw_seed(random_state))
        means = self.inverse_transform(rng.standard_normal((n_samples, self.n_components_)))
        if _is_bernoulli(self._perceptron):
            return (rng.random(means.shape) < means).astype(means.dtype)
        noise = rng.standard_normal(means.shape).astype(means.dtype)
        return means + self.noise_variance_**0.5 * noise

    def score_samples(self, X):
        """The ELBO of each row: a lower bound of log p(x), in nats.

        The expectation is taken over a fixed set of draws, at least 64 and twice
        `n_components`, the same for every row and call and made from the seed of the
        fit: in pairs of opposite sign, and with covariance I. beta is 1.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        elbo : ndarray of shape (n_samples,)
            In nats; higher is more likely.
        """
        X = self._validate_rows(X)
        self._check_loss_range(X)
        noise = moment_matched_normal(
            max(MIN_SCORE_DRAWS, self.n_draws),
            self.n_components_,
            stream(self._state.seed, "score"),
        ).unsqueeze(1)

        def elbo(network, x):
            return -self._negative_elbo(network, x, noise.to(x), beta=1.0)

        return self._map(elbo, X, expansion=len(noise))

    def score(self, X, y=None):
        """Mean ELBO over rows, as `PCA.score` is a mean log-likelihood.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.
        y : None
            Ignored.

        Returns
        -------
        elbo : float
            In nats per row; higher is better.

        Raises
        ------
        ValueError
            If the mean is not finite.
        """
        mean = float(self.score_samples(X).mean(dtype=np.float64))
        if not math.isfinite(mean):
            raise ValueError(
                "The ELBO of X is not finite: its values are too far from those seen in fit. "
                "Scale X as in training."
            )
        return mean

    @property
    def noise_variance_(self):
        """Variance of the gaussian likelihood."""
        check_is_fitted(self)
        if _is_bernoulli(self._perceptron):
            raise AttributeError("noise_variance_ is there only with likelihood='gaussian'.")
        return float(self._noise_variance(self._fitted_network()))

    def _objective(self, network, x, noise):
        mean, log_variance = network.encode(x)
        shape = mean.shape if self.n_draws == 1 else (self.n_draws, *mean.shape)
        draws = torch.randn(shape, generator=noise, dtype=x.dtype, device=x.device)
        code, kl = network.apply(sample_posterior, mean, log_variance, noise=draws)
        loss = network.apply(self._loss.mean, network.decode(code), x)
        if not _is_bernoulli(network.perceptron):
            variance = self._noise_variance(network)
            loss = network.apply(gaussian_surprise, loss, variance, n_features=x.shape[1])
        return network.apply(penalized, loss, kl, weight=self.beta)

    def _negative_elbo(self, network, x, noise, beta):
        """-E_q[log p(x|z)] + beta * KL of each row; noise (n_draws, n or 1, n_components)."""
        mean, log_variance = network.encode(x)
        output = network.decode(reparameterize(mean, log_variance, noise))
        reconstruction = self._log_likelihood(network, output, x).mean(dim=0)
        return beta * gaussian_kl(mean, log_variance).sum(dim=1) - reconstruction

    def _log_likelihood(self, network, output, x):
        if _is_bernoulli(network.perceptron):
            return bernoulli_log_likelihood(output, x)
        return gaussian_log_likelihood(output, x, self._noise_variance(network))

    def _noise_variance(self, network):
        if network.perceptron.n_extra:
            return network.apply(learned_variance, network.extra)
        return network.extra.new_full((), self._fixed_variance_)

    def _encode(self, network, x):
        mean, _ = network.encode(x)
        return mean

    def _posterior(self, X):
        moments = self._map(lambda network, x: torch.cat(network.encode(x), dim=1), X)
        return np.split(moments, 2, axis=1)

    @property
    def _rows_per_row(self):
        return self.n_draws

    def _prepare(self, X, goes_on):
        self._fixed_variance_ = None if self.noise_variance == "shared" else self.noise_variance

    def _describe_network(self, n_features):
        learned = self.likelihood == "gaussian" and self.noise_variance == "shared"
        perceptron = super()._describe_network(n_features)
        return replace(perceptron, code_heads=2, n_extra=int(learned))

    def _initial_weights(self, perceptron, generator, X):
        weights = super()._initial_weights(perceptron, generator, X)
        network = Network(perceptron, weights)
        # The posterior starts with the prior's variance, whatever the scale of X.
        for head in (network.encoder_weights[-1], network.encoder_biases[-1]):
            head[perceptron.sizes[-1] :].zero_()
        # The noise starts as large as the data: the best while the decoder gives zeros.
        second_moment = np.einsum("ij,ij->i", X, X).mean(dtype=np.float64) / X.shape[1]
        network.extra.fill_(math.log(second_moment or 1.0) / LOG_VARIANCE_SCALE)
        return weights

    def _summarize(self, X):
        mean, log_variance = self._posterior(X)
        kl = gaussian_kl(torch.from_numpy(mean), torch.from_numpy(log_variance))
        self.kl_per_component_ = kl.numpy().mean(axis=0)
        self.n_active_components_ = int((mean.var(axis=0) > 0.01).sum())

    @property
    def _loss(self):
        return LOSSES[RECONSTRUCTION_LOSSES[self.likelihood]]

    @property
    def _loss_parameter(self):
        return f"likelihood={self.likelihood!r}"


def _is_bernoulli(perceptron):
    """Which likelihood the network was fitted with: the parameter may have changed since."""
    return perceptron.decoder_activations[-1] == "logistic"
