"""scikit-learn's mixtures for the codes of a VAE: apart, since importing them takes long."""

import numpy as np
from sklearn.mixture import GaussianMixture

from skae._engine.streams import stream_seed

COMPONENTS = 20
ROWS_PER_COMPONENT = 30
MIN_VARIANCE = 1e-3


class SilentMixture(GaussianMixture):
    """Without the warning that it might fit still better.

    `warnings.catch_warnings` would change the filters of other threads (see `silence`).
    """

    converged_ = property(lambda self: True, lambda self, value: None)


def fitted_mixture(posteriors, seed):
    """The mixture of normal distributions that best fits draws from some posteriors.

    Parameters
    ----------
    posteriors : ndarray of shape (2, n, n_components)
        Means and standard deviations.
    seed : int

    Returns
    -------
    weights : ndarray of shape (k,)
    means : ndarray of shape (k, n_components)
    factors : ndarray of shape (k, n_components, n_components)
        Lower triangular factors; their products with their transposes are the
        covariances.

    References
    ----------
    Ghosh et al., "From variational to deterministic autoencoders", ICLR 2020,
    https://arxiv.org/abs/1903.12436.
    """
    mean, std = posteriors.astype(np.float64)
    seed = stream_seed(seed, "mixture", 1) % 2**32
    codes = mean + std * np.random.default_rng(seed).standard_normal(mean.shape)
    k = int(np.clip(len(codes) // ROWS_PER_COMPONENT, 1, COMPONENTS))
    mixture = SilentMixture(k, reg_covar=MIN_VARIANCE, random_state=seed).fit(codes)
    return mixture.weights_, mixture.means_, np.linalg.cholesky(mixture.covariances_)
