"""What a fitted generative adversarial network offers: new rows, and scores of rows."""

import numpy as np
import torch
from scipy.special import expit
from sklearn.utils.validation import check_array, check_is_fitted

from skae._constraints import check_counts
from skae._engine.data import Data, sample
from skae._engine.devices import off_torch
from skae._engine.modules import Clamp, Scale, decoder_module, encoder_module, published
from skae._engine.network import Network
from skae._engine.streams import stream_seed
from skae._estimator import ACCEPTED
from skae._game import gumbel
from skae._hints import hinted
from skae._mixed import are_numbers
from skae.metrics import coverage

ROWS = 2000  # upper limit, for scores and the discriminator's offset
NEIGHBORS = 5
DIVERGED = (
    "Training diverged: {} are not finite. Lower learning_rate_init or scale X, for example with "
    "StandardScaler."
)


def covered(X, samples):
    """The coverage of rows by samples, with fewer neighbours for few rows."""
    return coverage(X, samples, n_neighbors=min(NEIGHBORS, len(X) - 1))


class GeneratorMixin:
    """The methods and attributes of a GAN that only read its fitted state."""

    def transform(self, X) -> np.ndarray:
        """Return the discriminator's last hidden layer as features for another estimator.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to describe.

        Returns
        -------
        features : ndarray of shape (n_samples, n_hidden)
            Activations of the last of the `hidden_layer_sizes`, in the dtype of the
            fit.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that are not finite.

        References
        ----------
        Radford, Metz and Chintala, "Unsupervised representation learning with deep
        convolutional generative adversarial networks", ICLR 2016,
        https://arxiv.org/abs/1511.06434.
        """
        return self._codes(self._validate_rows(X))

    def discriminate(self, X) -> np.ndarray:
        """Probability that each row is a real one, not a generated one.

        It compares the densities p of the data and q of the generator at a row, p / (p + q), and
        is 1/2 where they agree: it is neither a density nor an outlier score. The penalty keeps it
        closer to 1/2 than this ratio.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        probabilities : ndarray of shape (n_samples,)
            Probabilities between 0 and 1, with mean 1/2 over equally many real and
            generated rows.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that are not finite.
        """
        return expit(self._map(self._scores, self._validate_rows(X)) + self.offset_)

    def score(self, X, y=None) -> float:
        """Coverage: the fraction of rows that have a sample nearby.

        With equally many samples and rows, a row is covered if a sample is closer to it than its
        fifth neighbour in X. This score is low for unrealistic samples and, unlike a classifier's,
        for a generator that has collapsed to a few rows. It is not a likelihood. A perfect
        generator has about 0.97. Samples, and 2000 rows if there are more, are drawn with the seed
        of the fit.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            At least two rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Between 0 and 1.

        Raises
        ------
        ValueError
            If X has only one row, or does not match the fit.

        See Also
        --------
        skae.metrics.coverage : The same score for any samples.
        skae.metrics.density : Whether samples lie where the data are dense.

        References
        ----------
        Naeem, Oh, Uh, Choi and Yoo, "Reliable fidelity and diversity metrics for generative
        models", ICML 2020, https://arxiv.org/abs/2002.09797.
        """
        X = self._validate_rows(X, **self._accepted, ensure_min_samples=2)
        return self._coverage(sample(Data(X), ROWS, self._state.seed).X)

    _n_codes = 0  # inputs of the generator beside noise

    @property
    def n_components_(self) -> int:
        """Number of noise values that the generator turns into a row."""
        check_is_fitted(self)
        return self._perceptron.decoder_sizes[0] - self._n_codes

    @property
    def _n_features_out(self):
        check_is_fitted(self)
        return self._perceptron.sizes[-2]

    @property
    def generator_(self) -> torch.nn.Module:
        """The generator as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        factor, offset = np.full_like(self._mean_, self._scale_), self._mean_.copy()
        if self._table is not None:  # probabilities of categories are not rescaled
            is_category = ~are_numbers(self._widths_of_table)
            factor[is_category], offset[is_category] = 1.0, 0.0
        unit = Scale(torch.from_numpy(factor), torch.from_numpy(offset))
        low, high = torch.from_numpy(self._range_.copy())
        return published([*decoder_module(self._fitted_network()), unit, Clamp(low, high)])

    @property
    def discriminator_(self) -> torch.nn.Module:
        """The discriminator as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        return published([*self._input_layers(), *encoder_module(self._fitted_network())])

    def _encode(self, network, x):
        return network.before_code(self._inputs(x))

    def _outputs(self, network, x):
        """All of the discriminator's outputs."""
        return network.encode(self._inputs(x))

    def _scores(self, network, x):
        return self._outputs(network, x)[:, 0]

    def _check_n_samples(self, n_samples):
        check_is_fitted(self)
        check_counts(n_samples=n_samples)

    def _draw(self, n_samples, seed, *given):
        """Samples as an array, from arrays of noise and the generator's other inputs."""
        generator = torch.Generator("cpu").manual_seed(seed)
        z = np.empty((n_samples, self.n_components_))  # NumPy raises the error for too many
        torch.from_numpy(z).normal_(generator=generator)
        return self._generated(np.hstack([z, *given]), generator)

    def _generated(self, latent, generator=None):
        """The generator's rows as an array; a table's categories are drawn, or the likeliest."""
        output = self._map(Network.decode, latent.astype(self._state.weights.dtype))
        # Not beyond any training row: a column that never varied stays constant.
        with np.errstate(over="ignore"):
            rows = (output * output.dtype.type(self._scale_) + self._mean_).clip(*self._range_)
        if self._table is None:
            return rows
        noise = 0.0 if generator is None else gumbel(torch.from_numpy(output), generator).numpy()
        for column in self._table._columns:
            block, width = self._table.blocks_[column.name], column.encoder.n_categories
            if width:
                chosen = (output + noise)[:, block].argmax(axis=1)
                rows[:, block] = np.eye(width, dtype=rows.dtype)[chosen]
        return rows

    def _validate_noise(self, Z, n_columns):
        check_is_fitted(self)
        Z, options = off_torch(Z), {**ACCEPTED, "accept_sparse": False, "estimator": self}
        Z = hinted(check_array, Z, dtype=self._state.weights.dtype, input_name="Z", **options)
        if Z.shape[1] != n_columns:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but {type(self).__name__}.generate expects "
                f"{n_columns}: {self._columns_of_noise}."
            )
        return Z

    _columns_of_noise = "n_components of noise"

    def _rows_like(self, X, *given):
        """As many samples as rows, with the same seed each time, as an array."""
        made = self._draw(X.shape[0], stream_seed(self._state.seed, "score"), *given)
        if not np.isfinite(made).all():
            raise ValueError(DIVERGED.format("samples"))
        return made

    def _coverage(self, X, labels=None):
        """The coverage of rows by samples."""
        return covered(X, self._rows_like(X))
