"""The variational autoencoder: codes with a distribution, and a density over the data."""

import math
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
import torch

from skae._base import BaseAutoencoder
from skae._columns import column_sums, column_variances
from skae._compat import Interval, InvalidParameterError, StrOptions
from skae._corruption import uniform_like
from skae._density import COLLAPSED, DensityMixin
from skae._elbo import gaussian_kl, sample_posterior
from skae._engine.network import Network
from skae._engine.notice import warn
from skae._engine.parallel import of_batch
from skae._likelihoods import LIKELIHOODS, START_OF_NOISE, Gaussian
from skae._missing import GapsMixin
from skae._mixed import MixedDensity
from skae._outputs import penalized
from skae._prior import some_posteriors
from skae.tables import TableEncoder

LEARNED_VARIANCES = ("shared", "per_feature", "heteroscedastic")
BETA_OF_TABLES = 0.5
ACTIVE_VARIANCE = 0.01  # of a component's posterior mean (Burda et al. 2016)


class VAE(DensityMixin, GapsMixin, BaseAutoencoder):
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
        Width of the code, the numbers that each row becomes. More reconstruct better
        and compress less; may exceed the number of features (an overcomplete code). Of
        a code that is an image (see `ConvNet`), its channels.
    likelihood : {'gaussian', 'bernoulli', 'categorical'}, default='gaussian'
        Distribution p(x|z) around a decoded row: 'gaussian' with variance
        `noise_variance`, for any numbers; 'bernoulli' for X in [0, 1], whose values
        between 0 and 1 count as expectations, and whose reconstructions are
        probabilities; 'categorical' for rows of counts, multinomial given their total,
        whose decoded rows are proportions. An X that it is not for is a ValueError.
    noise_variance : {'shared', 'per_feature', 'heteroscedastic'} or float, default='shared'
        Variance of the 'gaussian' likelihood, in squared units of X. 'shared' learns
        one number for all cells, which sets the balance between reconstruction and code
        by itself (with solver='sgd' it wants a `learning_rate_init` of 3e-4 or less).
        'per_feature' learns one for each feature, as factor analysis does, for columns
        of which some are noise. 'heteroscedastic' lets the decoder give one for each
        cell, beside its mean. A float fixes it: less makes reconstructions more exact,
        and codes tell more. Unused by other likelihoods. Of a data frame with categories,
        'shared' is as 'per_feature': its numbers have nothing in common.
    beta : float or 'auto', default='auto'
        Weight of the KL divergence in training. 1 maximises the ELBO; more gives
        smoother, more independent codes and worse reconstructions; 0 leaves only
        the reconstruction. Scores always take 1. 'auto' is 1, but 0.5 for data frames with
        categories: these tell few nats, and their codes would say next to nothing.
    kl_warmup : int, default=0
        Epochs over which the weight of the KL divergence rises from 0 to `beta`, in
        equal steps: helps where the code collapses; try a tenth of `max_iter`. Stopping
        and the best loss disregard these epochs. At most `max_iter`, and 0 with
        solver='lbfgs'.
    n_draws : int, default=1
        Codes drawn per row and step: more lower the variance of the gradient, and
        cost as much as a larger batch.
    objective : {'elbo', 'iwae'}, default='elbo'
        'elbo' maximises the bound above. 'iwae' maximises the importance-weighted one,
        log of the mean over `n_draws` weights: with 2 draws or more it is tighter, a
        better density with an encoder that is less of a posterior; with 1 it is the
        same.
    binarize : bool, default=False
        Whether each epoch draws the cells of X anew, as ones with their values as
        probabilities, so that no two epochs see the same rows: for
        likelihood='bernoulli' (others are a ValueError) and grey values. Scores take X
        as it is.
    hidden_layer_sizes : int or array-like of int, default=(128,)
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
        more. 'auto' is 'identity'; it applies to the posterior mean.
    tied_weights : bool, default=False
        Whether the decoder uses the weights of the encoder's mean, transposed: half the
        weights. That is a restriction: a linear VAE then no longer reaches
        probabilistic PCA. Not with a `network` or noise_variance='heteroscedastic'.
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
    noise_variance_ : float or ndarray of shape (n_features_in_,)
        Variance of the gaussian likelihood, learned or fixed, in squared units of X;
        1e-6 at least if learned. An array if 'per_feature'. Only with
        likelihood='gaussian', and not if 'heteroscedastic'.
    kl_per_component_ : ndarray of shape (n_components_,)
        KL(q(z_j|x) || p(z_j)) of each component, mean over the training set, in nats.
    n_active_components_ : int
        Components whose posterior mean has a variance above 0.01 over the training set
        (Burda et al. 2016); the others carry nothing. How much each of these carries is in
        `kl_per_component_`. `fit` warns if there is none.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not with a `network`. The encoder's last
        has 2 * n_components columns: the mean's, then the log-variance's. With
        noise_variance='heteroscedastic' the decoder's last has `2 * n_features_in_`,
        likewise.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first. Not with a `network`.
    encoder_ : torch.nn.Module
        The encoder, built anew from the weights at each access, on the CPU.
        `encoder_(torch.tensor(X))` gives a pair (mean, log_variance); the mean equals
        `transform(X)`, for X in the dtype of the fit; another is a TypeError. To train it,
        call its `requires_grad_()` first.
    decoder_ : torch.nn.Module
        The decoder, likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch, in nats.
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
    data_mean_ : ndarray of shape (n_columns,)
        Means of the columns of the matrix of `table_`, what missing cells enter as; only
        where `fit` has got a data frame to encode.
    table_ : TableEncoder
        What makes a matrix of a data frame; only where `fit` has got one to encode.
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

    kl_per_component_: np.ndarray
    n_active_components_: int
    data_mean_: np.ndarray

    _parameter_constraints = {
        **{k: v for k, v in BaseAutoencoder._parameter_constraints.items() if k != "loss"},
        "likelihood": [StrOptions(set(LIKELIHOODS))],
        "noise_variance": [
            StrOptions(set(LEARNED_VARIANCES)),
            Interval(Real, 0, None, closed="neither"),
        ],
        "beta": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Integral, 0, None, closed="left")],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "objective": [StrOptions({"elbo", "iwae"})],
        "binarize": ["boolean"],
    }

    def __init__(
        self,
        n_components=32,
        *,
        likelihood="gaussian",
        noise_variance: float | str = "shared",
        beta: float | str = "auto",
        kl_warmup=0,
        n_draws=1,
        objective="elbo",
        binarize=False,
        hidden_layer_sizes=(128,),
        activation="relu",
        code_activation="auto",
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
        self.likelihood = likelihood
        self.noise_variance = noise_variance
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.n_draws = n_draws
        self.objective = objective
        self.binarize = binarize
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
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

    def _objective(self, network, x, noise):
        if self.binarize:
            x = uniform_like(x, noise).lt(x).to(x.dtype)
        mean, log_variance = network.encode(self._training_inputs(x))
        draws = of_batch(partial(self._draws, noise), mean, noise, axis=-2)
        beta = self._kl_weight(network.n_epochs)
        if self.objective == "iwae" and self.n_draws > 1:
            weights = self._log_weights(network, x, mean, log_variance, draws, beta)
            return math.log(self.n_draws) - network.mean(weights.logsumexp(dim=0))
        code, kl = network.apply(sample_posterior, mean, log_variance, noise=draws)
        output = network.perceptron.output
        surprise = output.mean_surprise(network, network.decode(code), x)
        return network.apply(penalized, surprise, kl, weight=beta)

    def _draws(self, noise, like):
        """Standard normal numbers for the codes of rows."""
        shape = like.shape if self.n_draws == 1 else (self.n_draws, *like.shape)
        return torch.randn(shape, generator=noise, dtype=like.dtype, device=like.device)

    def _kl_weight(self, n_epochs):
        """beta, or less of it in the first `kl_warmup` epochs."""
        beta = self._beta
        return beta if n_epochs >= self.kl_warmup else beta * n_epochs / self.kl_warmup

    @property
    def _beta(self):
        if self.beta != "auto":
            return self.beta
        return 1.0 if self._table is None else BETA_OF_TABLES

    @property
    def _rows_per_row(self):
        return self.n_draws

    @property
    def _warmup_epochs(self):
        return self.kl_warmup

    def _check_parameters(self):
        super()._check_parameters()
        if self.kl_warmup > 0:
            self._refuse_lbfgs(f"kl_warmup={self.kl_warmup}", "kl_warmup=0")
        if self.binarize and self.likelihood != "bernoulli":
            raise InvalidParameterError(
                f"binarize=True needs likelihood='bernoulli', but found {self.likelihood!r}: "
                "change one of them."
            )
        if self._output.n_heads == 2 and self.tied_weights:
            raise InvalidParameterError(
                "noise_variance='heteroscedastic' needs tied_weights=False: the decoder's last "
                "layer has outputs that no weights of the encoder belong to."
            )

    def _check_budget(self):
        if self.max_iter != "auto" and self.kl_warmup > self.max_iter:
            raise InvalidParameterError(
                f"kl_warmup={self.kl_warmup} must be at most max_iter={self.max_iter}: the KL "
                "divergence would never get its full weight. Lower kl_warmup or raise max_iter."
            )

    def _inputs(self, x):
        return x if self._table is None else super()._inputs(x)

    def _prepare(self, data, continues):
        if self._table is not None:
            self._learn_means(data, continues)
        if self._output.has_totals:
            before = (self._total_, self._n_rows_) if continues else (0.0, 0)
            sums, n_observed = column_sums(data.X, data.sample_weight)
            self._total_ = before[0] + float(sums.sum())
            self._n_rows_ = before[1] + float(n_observed.max())

    def _describe_perceptron(self, n_features):
        return replace(super()._describe_perceptron(n_features), code_heads=2)

    def _initial_weights(self, perceptron, generator, data):
        weights = super()._initial_weights(perceptron, generator, data)
        network = Network(perceptron, weights)
        # The posterior starts with the prior's variance, whatever the scale of X.
        for head in (network.encoder_weights[-1], network.encoder_biases[-1]):
            head[perceptron.sizes[-1] :].zero_()
        return weights

    def _scale_code(self, network, deviations, data):
        """The prior's; a posterior starts as narrow as the starting noise makes it."""
        variances = deviations.square()
        noises = network.perceptron.output.variances_at_start(data)
        noise = noises.mean() if noises.size else START_OF_NOISE  # a table may have no numbers
        log_variances = network.encoder_biases[-1][network.perceptron.sizes[-1] :]
        log_variances[: len(variances)] = torch.log(noise / (variances + noise))
        return deviations

    def _summarize(self, data):
        mean, log_variance = self._posterior(data.X)
        kl = gaussian_kl(torch.from_numpy(mean), torch.from_numpy(log_variance))
        weights = data.sample_weight
        self.kl_per_component_ = np.average(kl.numpy(), axis=0, weights=weights)
        variances = column_variances(mean, weights)
        self._is_active_ = variances > ACTIVE_VARIANCE
        self.n_active_components_ = int(self._is_active_.sum())
        active = mean[:, self._is_active_], np.exp(0.5 * log_variance[:, self._is_active_])
        self._posteriors_ = some_posteriors(*active, self._state.seed, weights)
        self._mixture_ = None

    @property
    def _is_held_back(self):
        fixed = not isinstance(self.noise_variance, str)
        return super()._is_held_back or self._beta > 1.0 or fixed

    def _warn_of_fit(self, data):
        if self.n_active_components_ == 0 and len(data) > 1:  # a single row has no variance
            warn(COLLAPSED)
        else:
            super()._warn_of_fit(data)

    @property
    def _output(self):
        kind = LIKELIHOODS[self.likelihood]
        if kind is not Gaussian:
            return kind()
        # The gradient is divided by the variance, and plain steps are as long as the gradient.
        start = 1.0 if self.solver == "sgd" else START_OF_NOISE
        if self._table is not None:
            return MixedDensity(self._widths_of_table, self.noise_variance, start)
        return kind(self.noise_variance, start)

    def _check_output_of_tables(self):
        super()._check_output_of_tables()
        if self.likelihood != "gaussian":
            self._refuse_for_tables(
                "likelihood",
                self.likelihood,
                "leave likelihood='gaussian', which is for numbers, "
                "as categories always have softmax probabilities",
            )
        if self.noise_variance == "heteroscedastic":
            self._refuse_for_tables(
                "noise_variance",
                self.noise_variance,
                "leave noise_variance='shared', by which "
                "each number of a table has a variance of its own",
            )

    _auto_numeric = "quantile"
    _takes_gaps_of_tables = True
    _output_parameter = "likelihood"
