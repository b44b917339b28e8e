"""Small generative adversarial networks, fitted, and what their methods want."""

import numpy as np
import pytest
from helpers import X, noise_for, small

from skae import ConditionalGAN

CONSTANT = {"learning_rate": "constant"}
# Those whose objective is the game alone, at any time, and features the last hidden layer.
plain_or_conditional = pytest.mark.parametrize("name", ["GAN", "ConditionalGAN"])


def fitted(name, X=X, **params):
    return small(name, **params).fit(X, np.arange(X.shape[0]) % 3)


def of_class(gan, label=0):
    """What methods want to know beside rows or noise."""
    return (label,) if isinstance(gan, ConditionalGAN) else ()


def given(gan, n=60, seed=0):
    """What `generate` wants for n rows."""
    return noise_for(gan, n, seed), *of_class(gan)


def drawn(gan, n, random_state=0, **given):
    """Sampled rows, without their labels."""
    found = gan.sample(n, random_state=random_state, **given)
    return found[0] if isinstance(found, tuple) else found
