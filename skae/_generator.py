"""What a fitted generative adversarial network offers: rows, and its opinion of others."""

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
from skae._hints import hints
from skae._mixed import are_numbers
from skae.metrics import coverage

ROWS = 2000  # that scores and the discriminator's offset go by, at most
NEIGHBORS = 5
DIVERGED = (
    "Training diverged: {} are not finite. Lower learning_rate_init or scale X, for example with "
    "StandardScaler."
)


def covered(X, samples):
    """The coverage of rows by samples; of few rows by balls around fewer neighbours."""
    return coverage(X, samples, n_neighbors=min(NEIGHBORS, len(X) - 1))


class GeneratorMixin:
    """The methods and attributes of a GAN that only read its fitted state."""

    def transform(self, X) -> np.ndarray:
        """Give the discriminator's last hidden layer, features for another estimator.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to describe.

        Returns
        -------
        features : ndarray of shape (n_samples, n_hidden)
            As wide as the last of `hidden_layer_sizes`, in the dtype of the fit.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that are not finite.

        References
        ----------
        Radford, Metz and Chintala, "Unsupervised representation learning with deep
        convolutional generative adversarial networks", ICLR 2016,
        https://arxiv.org/abs/1511.06434.
        """
        return self._codes(self._validate_rows(X))

    def discriminate(self, X) -> np.ndarray:
        """Probability that each row is a real one, not the generator's.

        It compares the densities of the data and of the generator at a row, p / (p + q), and
        is 1/2 where they agree: it is no density, and no score of outliers. The penalty keeps it
        nearer to 1/2 than that ratio is.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        probabilities : ndarray of shape (n_samples,)
            Between 0 and 1, of as many real rows as made ones 1/2 in the mean.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that are not finite.
        """
        return expit(self._map(self._scores, self._validate_rows(X)) + self.offset_)

    def score(self, X, y=None) -> float:
        """Coverage: the fraction of rows that samples come near.

        A row is covered if one of as many samples is closer to it than its fifth neighbour in
        X is. So it sees rows that are not like the data and, unlike a classifier, a generator
        that has collapsed to a few of them. It is no likelihood. A perfect generator has about
        0.97. Samples and, of more than 2000, rows are drawn by the seed of the fit.

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
            If X has one row only, or does not suit the fit.

        See Also
        --------
        skae.metrics.coverage : The same of any samples.
        skae.metrics.density : Whether samples are where the data are dense.

        References
        ----------
        Naeem, Oh, Uh, Choi and Yoo, "Reliable fidelity and diversity metrics for generative
        models", ICML 2020, https://arxiv.org/abs/2002.09797.
        """
        X = self._validate_rows(X, **self._accepted, ensure_min_samples=2)
        return self._coverage(sample(Data(X), ROWS, self._state.seed).X)

    _n_codes = 0  # that the generator gets beside noise

    @property
    def n_components_(self) -> int:
        """Width of the noise that the generator turns into rows."""
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
        if self._table is not None:  # probabilities of categories stay what they are
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
        """Samples as an array, from noise and what else the generator is given, arrays."""
        generator = torch.Generator("cpu").manual_seed(seed)
        z = np.empty((n_samples, self.n_components_))  # whose errors for too many are NumPy's
        torch.from_numpy(z).normal_(generator=generator)
        return self._generated(np.hstack([z, *given]), generator)

    def _generated(self, latent, generator=None):
        """The generator's rows, an array; of a table with drawn or the likeliest categories."""
        output = self._map(Network.decode, latent.astype(self._state.weights.dtype))
        # No further than any row of training: a column that never varied does not either.
        with np.errstate(over="ignore"):
            rows = (output * output.dtype.type(self._scale_) + self._mean_).clip(*self._range_)
        if self._table is None:
            return rows
        noise = 0.0 if generator is None else gumbel(torch.from_numpy(output), generator).numpy()
        for block, width in zip(self._table.blocks_.values(), self._widths_of_table, strict=True):
            if width:
                chosen = (output + noise)[:, block].argmax(axis=1)
                rows[:, block] = np.eye(width, dtype=rows.dtype)[chosen]
        return rows

    def _validate_noise(self, Z, n_columns):
        check_is_fitted(self)
        Z, options = off_torch(Z), {**ACCEPTED, "accept_sparse": False, "estimator": self}
        with hints(Z):
            Z = check_array(Z, dtype=self._state.weights.dtype, input_name="Z", **options)
        if Z.shape[1] != n_columns:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but {type(self).__name__}.generate expects noise of "
                f"{n_columns}: {self._columns_of_noise}."
            )
        return Z

    _columns_of_noise = "n_components of them"

    def _rows_like(self, X, *given):
        """As many samples as rows, of the same seed each time, as an array."""
        made = self._draw(X.shape[0], stream_seed(self._state.seed, "score"), *given)
        if not np.isfinite(made).all():
            raise ValueError(DIVERGED.format("samples"))
        return made

    def _coverage(self, X, labels=None):
        """The coverage of rows by samples."""
        return covered(X, self._rows_like(X))
