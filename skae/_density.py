"""What a fitted VAE adds to other autoencoders: a density over the data, in nats."""

import math

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skae._constraints import check_counts
from skae._elbo import gaussian_kl, log_importance, moment_matched_normal, reparameterize
from skae._engine.data import Data, dense
from skae._engine.devices import memory_errors, off_torch
from skae._engine.network import Network
from skae._engine.notice import warn
from skae._engine.streams import stream, stream_seed
from skae._estimator import draw_seed
from skae._given import rows_given
from skae._likelihoods import Gaussian
from skae._mixed import MixedDensity
from skae._prior import Prior
from skae._sample_weight import weighted

MIN_SCORE_DRAWS = 64
DRAWS_AT_ONCE = 50  # in `log_likelihood`: bounds its memory
PRIORS = ("auto", "normal", "mixture")
COLLAPSED = (
    "The code has collapsed: no component is active, and every posterior is near the prior. "
    "Lower beta, raise kl_warmup or max_iter, or scale X."
)


class DensityMixin:
    """The methods and attributes of a VAE that only read its fitted state."""

    def posterior(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Distribution q(z|x) of each row's code.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        mean, std : ndarray of shape (n_samples, n_components)
            Means and standard deviations of independent normal distributions; `mean` equals
            `transform(X)`. A component with std near 1 and mean near 0 in all rows carries no
            information.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that are not finite.
        """
        mean, log_variance = self._posterior(self._validate_rows(X))
        return mean, np.exp(0.5 * log_variance)

    def sample(self, n_samples=1, random_state=None, *, prior="auto", given=None) -> np.ndarray:
        """Draw new data: codes z from the prior, then rows from p(x|z).

        Decoded means, without the likelihood's noise, are
        `inverse_transform(rng.normal(size=(n_samples, n_components)))`.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None draws a new one.
        prior : {'auto', 'normal', 'mixture'}, default='auto'
            Distribution from which codes are drawn. 'normal' is the model's N(0, I). 'mixture' is
            a mixture of normal distributions fitted to codes of training rows at the first use; it
            follows the data more closely, especially with a `beta` below 1. 'auto' is 'mixture'
            for data frames with categories, 'normal' otherwise.
        given : DataFrame or array-like of 1 or n_samples rows, default=None
            Known cells: the samples have them exactly, and the others are drawn from their
            distribution given these. A single row is for all samples; otherwise each sample has
            its own. A data frame needs only the columns that are given; an array has all columns,
            with NaN where a cell is to be drawn. A missing value in `given` asks for a value, so
            that the samples have one there.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Sampled rows; zeros and ones with likelihood='bernoulli', counts that add up to the
            mean total of training rows with 'categorical'. A data frame if `fit` got one with
            categories: its numbers lie within the range seen in `fit` and have no more decimals,
            and values are missing as often.

        Raises
        ------
        ValueError
            If `n_samples` is not an integer above 0, or `prior` is not one of these options. If
            `given` has another number of rows, nothing to draw, unknown columns or categories, or
            columns of another dtype than in `fit`; or if likelihood is 'categorical', which
            divides a total among all features.

        Warns
        -----
        UserWarning
            If no component is active, so that samples show no structure; if given values are
            unlike any that the VAE makes, or outside the range seen in `fit`.

        Notes
        -----
        Codes given some cells are draws from the prior, weighted by p(given cells | z) and
        resampled (Rubin 1988; Mattei and Frellsen 2019). If the weight of few is large, the weights
        come in several steps, and codes move between them (Del Moral et al. 2006). Each different
        row of `given` takes a computation of its own.

        References
        ----------
        Rubin, "Using the SIR algorithm to simulate posterior distributions", Bayesian Statistics
        3, 1988.

        Mattei and Frellsen, "MIWAE: deep generative modelling and imputation of incomplete data
        sets", ICML 2019, https://arxiv.org/abs/1812.02633.

        Del Moral, Doucet and Jasra, "Sequential Monte Carlo samplers", Journal of the Royal
        Statistical Society B 68, 2006, https://doi.org/10.1111/j.1467-9868.2006.00553.x.

        Ghosh et al., "From variational to deterministic autoencoders", ICLR 2020,
        https://arxiv.org/abs/1903.12436.
        """
        check_is_fitted(self)
        check_counts(n_samples=n_samples)
        if prior not in PRIORS:
            raise ValueError(f"prior={prior!r} must be one of {PRIORS}.")
        if self.n_active_components_ == 0:
            warn(f"The samples show no structure. {COLLAPSED}")
        rng = np.random.default_rng(stream_seed(draw_seed(random_state), "sample"))
        prior = self._prior_of_codes(prior)
        if given is not None:
            return rows_given(self, off_torch(given), n_samples, prior, rng)
        X = self._drawn(prior.draw(n_samples, rng), rng)
        return X if self._table is None else self._as_table(self._lacking(X, rng), exact=True)

    def _prior_of_codes(self, prior):
        """The `Prior` that codes are drawn from."""
        if prior == "auto":
            prior = "normal" if self._table is None else "mixture"
        is_mixture = prior == "mixture" and self.n_active_components_
        return Prior(self._is_active_, self._mixture_of_codes() if is_mixture else None)

    def _drawn(self, codes, rng):
        """A row from p(x|z) for each code; a table's as rows of its matrix."""
        means = self._map(Network.reconstruct, codes.astype(self._state.weights.dtype))
        return self._perceptron.output.draw(means, rng, self._spread(codes))

    def _mixture_of_codes(self):
        """The mixture fitted to codes of the active components."""
        if self._mixture_ is None:
            from skae._mixture import fitted_mixture

            self._mixture_ = fitted_mixture(self._posteriors_, self._state.seed)
        return self._mixture_

    def _lacking(self, X, rng, never=()):
        """Rows of a table's matrix, with missing values as frequent as in training.

        Columns at the places `never` get none.
        """
        columns = zip(self._table._missing_fractions, self._table.blocks_.values(), strict=True)
        for place, (fraction, block) in enumerate(columns):
            if place not in never:
                X[rng.random(len(X)) < fraction, block] = np.nan
        return X

    def _spread(self, codes):
        """What a draw from p(x|z) needs beside its mean: a variance, or a row's total."""
        output = self._perceptron.output
        if output.has_totals:
            return self._total_ / self._n_rows_
        has_variance = isinstance(output, (Gaussian, MixedDensity))
        return self._decoded_variance(codes) if has_variance else None

    def score_samples(self, X) -> np.ndarray:
        """ELBO of each row: a lower bound of log p(x), in nats.

        The expectation is taken over a fixed set of draws, the same for every row and
        call: at least 64 and twice `n_components`, from the seed of the fit, in pairs
        of opposite sign and with covariance I. beta is 1.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        elbo : ndarray of shape (n_samples,)
            Values in nats; higher is more likely. -inf for a row so far away that the
            computation of its density overflows.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, values that are not finite, or values outside
            the domain of the likelihood.
        """

        def elbo(network, x, mean, log_variance, output):
            log_likelihood = network.perceptron.output.log_rows(network, output, x).mean(dim=0)
            return _minus_inf_where_nan(log_likelihood - gaussian_kl(mean, log_variance).sum(dim=1))

        return self._map_draws(elbo, X)

    def feature_errors(self, X) -> np.ndarray:
        """How surprising each cell is: its part of the expectation of -log p(x|z), in nats.

        The expectation uses the same draws of z as `score_samples`. The other part of minus the
        ELBO, the KL divergence of the code, belongs to no single feature.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_features)
            Values in nats, some of them negative because of densities. A row's sum and its KL
            divergence add up to minus its `score_samples`. inf for a cell whose density overflows.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, values that are not finite, or values outside
            the domain of the likelihood.
        """

        def surprise(network, x, mean, log_variance, output):
            surprises = network.perceptron.output.surprise_of_cells(network, output, x)
            return torch.where(x.isnan(), x, -_minus_inf_where_nan(-surprises.mean(dim=0)))

        return self._of_columns(self._map_draws(surprise, X))

    def _map_draws(self, function, X):
        """`function(network, x, mean, log_variance, output)` of rows and fixed draws' outputs."""
        X = self._validate_rows(X)
        self._check_values(X, output=self._perceptron.output)
        noise = self._score_noise()

        def of_draws(network, x):
            mean, log_variance = network.encode(self._inputs(x))
            output = network.decode(reparameterize(mean, log_variance, noise.to(x)))
            return function(network, x, mean, log_variance, output)

        return self._map(of_draws, X, expansion=len(noise))

    def _score_noise(self):
        """The fixed draws of `score_samples`, (n_draws, 1, n_components), float64."""
        return moment_matched_normal(
            max(MIN_SCORE_DRAWS, self.n_draws),
            self.n_components_,
            stream(self._state.seed, "score"),
        ).unsqueeze(1)

    def score(self, X, y=None, sample_weight=None) -> float:
        """Mean ELBO over rows, the counterpart of the mean log-likelihood in `PCA.score`.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to score.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; None for equal weights.

        Returns
        -------
        elbo : float
            ELBO in nats per row; higher is better.

        Raises
        ------
        ValueError
            If the mean is not finite, or X does not match the fit or suit the
            likelihood.
        """
        scores = self.score_samples(X)
        data = weighted(Data(scores[:, None]), sample_weight)
        mean = float(np.average(data.X[:, 0].astype(np.float64), weights=data.sample_weight))
        if not math.isfinite(mean):
            raise ValueError(
                "The ELBO of X is not finite: the values of X are too far from those seen in fit. "
                "Scale X as in training."
            )
        return mean

    def log_likelihood(self, X, n_draws=500) -> np.ndarray:
        """Estimate log p(x) of each row by importance sampling, in nats.

        Codes drawn from the posterior are weighted by p(z) / q(z|x). In expectation,
        the estimate lies between the ELBO and log p(x), and approaches log p(x) as
        `n_draws` grows. All rows and calls share the noise of the draws, from the seed
        of the fit.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to score.
        n_draws : int, default=500
            Number of codes per row: more draws come closer to log p(x) and take
            proportionally longer. Memory grows with the width of the code for each
            draw, not with the number of rows.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            Values in nats; higher is more likely. -inf for a row so far away that the
            computation of its density overflows.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, values that are not finite, or values outside
            the domain of the likelihood, or if `n_draws` is not an integer above 0.

        References
        ----------
        Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", ICLR 2016,
        https://arxiv.org/abs/1509.00519.
        """
        X = self._validate_rows(X)
        self._check_values(X, output=self._perceptron.output)
        check_counts(n_draws=n_draws)
        generator = stream(self._state.seed, "score")
        shape = (n_draws, 1, self.n_components_)
        with memory_errors("lower n_draws"):
            noise = torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu")
        blocks = noise.split(DRAWS_AT_ONCE)

        def estimate(network, x):
            mean, log_variance = network.encode(self._inputs(x))
            weights = [
                self._log_weights(network, x, mean, log_variance, block.to(x)).logsumexp(dim=0)
                for block in blocks
            ]
            return _minus_inf_where_nan(torch.stack(weights).logsumexp(dim=0) - math.log(n_draws))

        return self._map(estimate, X, expansion=min(n_draws, DRAWS_AT_ONCE))

    @property
    def noise_variance_(self) -> float | np.ndarray:
        """Variance of the gaussian likelihood."""
        check_is_fitted(self)
        output = self._perceptron.output
        if not isinstance(output, (Gaussian, MixedDensity)) or output.n_heads == 2:
            raise AttributeError(
                "noise_variance_ exists only with likelihood='gaussian', and not with "
                "noise_variance='heteroscedastic', which gives each cell its own variance."
            )
        variance = output.variance(self._fitted_network()).numpy()
        is_one = variance.size == 1 and output.noise_variance != "per_feature"
        return variance.item() if is_one else variance

    def _log_weights(self, network, x, mean, log_variance, noise, beta=1.0):
        """log [p(x|z) (p(z) / q(z|x))^beta] of draws z, shape (n_draws, n)."""
        draws = reparameterize(mean, log_variance, noise)
        log_likelihood = network.perceptron.output.log_rows(network, network.decode(draws), x)
        return log_likelihood + beta * log_importance(log_variance, draws, noise)

    def _decoded_variance(self, codes):
        """Variance of the gaussian likelihood given codes; broadcasts to rows of data."""
        if self._perceptron.output_heads == 1:
            return self.noise_variance_

        def variance(network, z):
            return network.perceptron.output.moments(network, network.decode(z))[1]

        return self._map(variance, codes.astype(self._state.weights.dtype))

    def _encode(self, network, x):
        mean, _ = network.encode(self._inputs(x))
        return mean

    def _posterior(self, X):
        def both(network, x):
            return torch.cat(network.encode(self._inputs(x)), dim=1)

        moments = dense(self._map(both, X))
        return np.split(moments, 2, axis=1)


def _minus_inf_where_nan(log_density):
    """-inf instead of NaN for rows so far away that their density overflows."""
    return log_density.nan_to_num(nan=-math.inf, posinf=math.inf, neginf=-math.inf)
