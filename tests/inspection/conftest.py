"""Estimators whose pictures several tests draw."""

import pytest
from drawn import IMAGES, SHORT

from skae import VAE, Autoencoder, DenoisingAutoencoder


@pytest.fixture(scope="package")
def denoiser():
    return DenoisingAutoencoder(10, **SHORT).fit(IMAGES)


@pytest.fixture(scope="package")
def autoencoder():
    return Autoencoder(2, early_stopping=True, max_iter=6, random_state=0).fit(IMAGES)


@pytest.fixture(scope="package")
def vae():
    return VAE(3, max_iter=5, random_state=0).fit(IMAGES)
