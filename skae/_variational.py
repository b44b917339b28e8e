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
ACTIVE_VARIANCE = 0.01  # least variance of an active component's posterior mean (Burda et al. 2016)


class VAE(DensityMixin, GapsMixin, BaseAutoencoder):
    """Variational autoencoder: codes with a distribution, data with a density.

    The encoder gives a distribution of codes, q(z|x) = N(mean(x), diag(variance(x))), the decoder
    a distribution of data, p(x|z), and codes have the prior p(z) = N(0, I). Minimises, batch by
    batch, the negative evidence lower bound (ELBO), in nats, ::

        mean over rows of [E_q(z|x)[-log p(x|z)] + beta * KL(q(z|x) || p(z))]
            + alpha/2 * ||W||^2

    with draws z = mean(x) + std(x) * epsilon (the reparameterisation trick). The codes fill the
    prior, so that new data can be sampled. `score_samples` is a lower bound of log p(x),
    comparable with `PCA.score_samples` and `GaussianMixture.score_samples`.

    `transform` returns the posterior mean.

    Parameters
    ----------
    n_components : int, default=32
        Width of the code: how many numbers encode a row. A wider code reconstructs
        better and compresses less; it may have more components than X has features (an
        overcomplete code). If the code is an image (see `ConvNet`), its number of
        channels.
    likelihood : {'gaussian', 'bernoulli', 'categorical'}, default='gaussian'
        Distribution p(x|z) around a decoded row: 'gaussian' with variance
        `noise_variance`, for any numbers; 'bernoulli' for X in [0, 1], where values
        between 0 and 1 count as expectations and reconstructions are probabilities;
        'categorical' for rows of counts, multinomial given their total, where decoded
        rows are proportions. Data outside its domain raise ValueError.
    noise_variance : {'shared', 'per_feature', 'heteroscedastic'} or float, default='shared'
        Variance of the 'gaussian' likelihood, in squared units of X. 'shared' learns one number for
        all cells, which balances reconstruction against the KL divergence automatically (with
        solver='sgd', set `learning_rate_init` to 3e-4 or less). 'per_feature' learns one number per
        feature, as factor analysis does, which suits data with some noisy columns.
        'heteroscedastic' makes the decoder output one per cell, beside its mean. A float fixes it:
        smaller values give more exact reconstructions and more informative codes. Other likelihoods
        ignore it. For data that `table` encodes, 'shared' means 'per_feature', as their columns
        have no common scale, and 'heteroscedastic' raises ValueError.
    beta : float or 'auto', default='auto'
        Weight of the KL divergence in training. 1 maximises the ELBO; larger values give smoother,
        more independent codes and worse reconstructions; 0 leaves only the reconstruction. Scores
        always use 1. 'auto' is 1, or 0.5 for data that `table` encodes: these hold so few nats that
        codes would carry almost nothing.
    kl_warmup : int, default=0
        Number of epochs over which the weight of the KL divergence rises from 0 to
        `beta`, in equal steps. This helps if the code collapses; try a tenth of
        `max_iter`. Stopping and the best loss disregard these epochs and, if there
        are any, the start. At most `max_iter`, and 0 with solver='lbfgs'.
    n_draws : int, default=1
        Number of codes drawn per row and step: more draws lower the variance of the
        gradient and cost as much as a larger batch.
    objective : {'elbo', 'iwae'}, default='elbo'
        'elbo' maximises the bound above. 'iwae' maximises the importance-weighted
        bound, the log of the mean over `n_draws` weights: with 2 or more draws it is
        tighter, which gives a better density and an encoder further from the posterior;
        with 1 it is the same.
    binarize : bool, default=False
        Whether each epoch draws every cell of X anew, as 0 or 1 with its value as the
        probability, so that no two epochs see the same rows. Useful for grey values;
        only with likelihood='bernoulli' (others raise ValueError). Scores take X as it
        is.
    hidden_layer_sizes : int or array-like of int, default=(128,)
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
        It applies to the posterior mean. 'auto' is 'identity'.
    tied_weights : bool, default=False
        Whether the decoder uses the weights of the encoder's mean, transposed, which
        halves their number. This is a restriction: a linear VAE then no longer reaches
        probabilistic PCA. Not available with a `network` or
        noise_variance='heteroscedastic'.
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
    noise_variance_ : float or ndarray of shape (n_features_in_,)
        Variance of the gaussian likelihood, learnt or fixed, in squared units of X; at
        least 1e-6 if learnt. An array if 'per_feature'. Only with
        likelihood='gaussian', and not if 'heteroscedastic'.
    kl_per_component_ : ndarray of shape (n_components_,)
        KL(q(z_j|x) || p(z_j)) of each component, averaged over the training rows, in
        nats.
    n_active_components_ : int
        Number of components whose posterior mean has a variance above 0.01 over the training rows
        (Burda et al. 2016); the others carry no information. `kl_per_component_` tells how much
        each carries. `fit` warns if there is none.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not available with a `network`. The encoder's
        last layer has 2 * n_components columns: the mean, then the log-variance. With
        noise_variance='heteroscedastic', the decoder's last layer likewise has `2 *
        n_features_in_`.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first. Not available with a `network`.
    encoder_ : torch.nn.Module
        The encoder, rebuilt from the weights on the CPU at each access.
        `encoder_(torch.tensor(X))` gives a pair (mean, log_variance); the mean equals
        `transform(X)` for X in the dtype of the fit; other dtypes raise TypeError. To train it,
        call its `requires_grad_()` first.
    decoder_ : torch.nn.Module
        The decoder, rebuilt likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch, in nats.
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
    data_mean_ : ndarray of shape (n_columns,)
        Column means of the matrix that `table_` gives, which replace missing values in the input;
        only if `fit` got a data frame to encode.
    table_ : TableEncoder
        The fitted encoder of data frames; only if `fit` got a data frame to encode.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only if all column names of X are strings.

    See Also
    --------
    sklearn.decomposition.PCA : The linear special case, as a probabilistic model.
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
        """Standard normal numbers from which to draw the codes of rows."""
        shape = like.shape if self.n_draws == 1 else (self.n_draws, *like.shape)
        return torch.randn(shape, generator=noise, dtype=like.dtype, device=like.device)

    def _kl_weight(self, n_epochs):
        """beta, or a fraction of it in the first `kl_warmup` epochs."""
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
                "layer has outputs without matching weights in the encoder."
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

    def _initial_network(self, perceptron, generator, data):
        network = super()._initial_network(perceptron, generator, data)
        # The posterior starts with the prior's variance, whatever the scale of X.
        for head in (network.encoder_weights[-1], network.encoder_biases[-1]):
            head[perceptron.sizes[-1] :].zero_()
        return network

    def _scale_code(self, network, deviations, data):
        """Keep the prior's scale; a posterior starts as narrow as the starting noise makes it."""
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
        # The variance divides the gradient, and steps of 'sgd' are as long as the gradient.
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
                "leave likelihood='gaussian', which applies to numbers only: categories always "
                "have softmax probabilities",
            )
        if self.noise_variance == "heteroscedastic":
            self._refuse_for_tables(
                "noise_variance",
                self.noise_variance,
                "leave noise_variance='shared', which gives each number of a table a variance of "
                "its own",
            )

    _auto_numeric = "quantile"
    _takes_gaps_of_tables = True
    _output_parameter = "likelihood"
