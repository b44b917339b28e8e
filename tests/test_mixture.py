"""Mixtures of codes, from which a VAE may draw."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from skae._mixture import SilentMixture


def test_a_mixture_that_might_fit_still_better_is_the_same_in_silence():
    codes = np.random.default_rng(0).normal(size=(60, 2))
    params = {"max_iter": 1, "random_state": 0}
    loud = GaussianMixture(3, **params)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        loud.fit(codes)
    silent = SilentMixture(3, **params).fit(codes)
    np.testing.assert_array_equal(silent.means_, loud.means_)
    np.testing.assert_array_equal(silent.covariances_, loud.covariances_)
