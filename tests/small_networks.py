"""Small networks of convolutions, in estimators of every kind."""

from itertools import cycle
from math import prod

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from torch import nn
from torch.func import jacrev, vmap

from skae import (
    VAE,
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._engine.blocks import own_randomness
from skae.networks import ConvNet

SHAPE = (2, 4, 6)  # of the images, unless a test is of others
X = np.random.default_rng(0).uniform(size=(60, prod(SHAPE)))
FAST = {"max_iter": 2, "batch_size": 16, "random_state": 0}
CONV = ConvNet(SHAPE, channels=(3, 5))
IMAGE = ConvNet(SHAPE, channels=(3,), code="image")
KINDS = {
    "Autoencoder": Autoencoder(3, **FAST),
    "kl": SparseAutoencoder(3, **FAST),
    "l1": SparseAutoencoder(3, sparsity="l1", **FAST),
    "topk": SparseAutoencoder(3, sparsity="topk", n_active=1, **FAST),
    "DenoisingAutoencoder": DenoisingAutoencoder(3, **FAST),
    "exact": ContractiveAutoencoder(3, tied_weights=False, **FAST),
    "hutchinson": ContractiveAutoencoder(
        3, tied_weights=False, jacobian_method="hutchinson", **FAST
    ),
    "VAE": VAE(3, **FAST),
    "heteroscedastic": VAE(3, noise_variance="heteroscedastic", **FAST),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
both_codes = pytest.mark.parametrize("code", ["vector", "image"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def of_kind(kind, network=CONV, **params):
    return clone(KINDS[kind]).set_params(network=network, **params)


def conv(shape=SHAPE, channels=(3, 5), **params):
    return ConvNet(shape, channels=channels, **params)


def built(network, n_features=None, n_inputs=None, n_outputs=None, activation="elu", seed=0):
    """Encoder and decoder with random weights, without an estimator."""
    n_features = prod(network.image_shape) if n_features is None else n_features
    with own_randomness(seed):
        return network.build(
            n_features,
            n_inputs=n_inputs or n_features,
            n_outputs=n_outputs or n_features,
            activation=activation,
        )


def parameters(estimator):
    """All weights and biases as tensors."""
    return [*estimator.encoder_.parameters(), *estimator.decoder_.parameters()]


def encoded(estimator, X):
    """By its torch module."""
    with torch.no_grad():
        code = estimator.encoder_(torch.tensor(X))
    return code[0] if isinstance(code, tuple) else code


def decoded(estimator, Z):
    with torch.no_grad():
        return estimator.decoder_(torch.tensor(Z))


def reference_jacobian(estimator, X):
    """By torch.func, row by row."""
    encoder = estimator.encoder_
    return vmap(jacrev(lambda row: encoder(row[None])[0]))(torch.tensor(X)).detach().numpy()


def with_gaps(X, fraction=0.2):
    return np.where(np.random.default_rng(5).uniform(size=X.shape) < fraction, np.nan, X)


SMALLER = (2, 2, 3)  # what the first layer of a stack makes of SHAPE
STACKS = {
    "images": [
        Autoencoder(network=IMAGE, **FAST),
        Autoencoder(network=ConvNet(SMALLER, channels=(3,), code="image"), **FAST),
    ],
    "image, vector": [
        DenoisingAutoencoder(network=IMAGE, **FAST),
        DenoisingAutoencoder(network=ConvNet(SMALLER, channels=(3,), downsample="pool"), **FAST),
    ],
    "convolutions, dense": [Autoencoder(network=IMAGE, **FAST), DenoisingAutoencoder(**FAST)],
    "vector, dense": [Autoencoder(network=CONV, **FAST), Autoencoder(**FAST)],
    "variance": [
        VAE(network=IMAGE, noise_variance="heteroscedastic", **FAST),
        Autoencoder(network=ConvNet(SMALLER, channels=(3,)), **FAST),
    ],
    "variances": [
        VAE(network=IMAGE, noise_variance="per_feature", **FAST),
        VAE(network=ConvNet(SMALLER, channels=(3,)), noise_variance="heteroscedastic", **FAST),
    ],
    "sparse": [
        SparseAutoencoder(network=IMAGE, sparsity="topk", n_active=1, **FAST),
        SparseAutoencoder(network=ConvNet(SMALLER, channels=(3,)), **FAST),
    ],
    "contractive": [
        ContractiveAutoencoder(network=IMAGE, tied_weights=False, **FAST),
        ContractiveAutoencoder(**FAST),
    ],
    "probabilities": [
        DenoisingAutoencoder(network=IMAGE, loss="binary_cross_entropy", **FAST),
        DenoisingAutoencoder(
            network=ConvNet(SMALLER, channels=(3,)), loss="binary_cross_entropy", **FAST
        ),
        DenoisingAutoencoder(loss="binary_cross_entropy", **FAST),
    ],
    "probabilities on top": [
        DenoisingAutoencoder(network=IMAGE, **FAST),
        DenoisingAutoencoder(
            network=ConvNet(SMALLER, channels=(3,)), loss="binary_cross_entropy", **FAST
        ),
    ],
    "three": [
        Autoencoder(network=IMAGE, **FAST),
        Autoencoder(network=ConvNet(SMALLER, channels=(4,), code="image"), **FAST),
        Autoencoder(hidden_layer_sizes=(5,), **FAST),
    ],
}


def stacked(layers, **params):
    return StackedAutoencoder((2, 4, 3)[: len(layers)], estimator=layers, **{**FAST, **params})


class Own(BaseEstimator):
    """A specification that is a function of the widths."""

    def __init__(self, make, width=4):
        self.make = make
        self.width = width

    def build(self, n_features, *, n_inputs, n_outputs, activation):
        return self.make(n_inputs, n_outputs)


class Normalized(BaseEstimator):
    """A hidden layer each way, with layer normalization."""

    def __init__(self, width=8):
        self.width = width

    def build(self, n_features, *, n_inputs, n_outputs, activation):
        encoder = nn.Sequential(
            nn.Linear(n_inputs, self.width), nn.LayerNorm(self.width), nn.GELU()
        )
        decoder = nn.Sequential(nn.LayerNorm(self.width), nn.Linear(self.width, n_outputs))
        return encoder, decoder


class Residual(nn.Module):
    """An image and what a convolution adds to it."""

    def __init__(self, n_channels):
        super().__init__()
        self.convolution = nn.Conv2d(n_channels, n_channels, 3, padding=1)

    def forward(self, image):
        return image + torch.relu(self.convolution(image))


class Signals(BaseEstimator):
    """Rows are signals, and so are their codes: (n, 2, length)."""

    def build(self, n_features, *, n_inputs, n_outputs, activation):
        enter = nn.Conv1d(n_inputs // n_features, 2, 3, padding=1)
        leave = nn.Conv1d(2, n_outputs // n_features, 3, padding=1)
        rows = nn.Unflatten(1, (n_inputs // n_features, n_features))
        return nn.Sequential(rows, enter, nn.Tanh()), nn.Sequential(leave, nn.Flatten())


def residuals(n_inputs, n_outputs):
    """A code that is an image, (n, 4, 4, 6)."""
    into = nn.Conv2d(n_inputs // 24, 4, 1)
    encoder = nn.Sequential(nn.Unflatten(1, (n_inputs // 24, 4, 6)), into, Residual(4))
    decoder = nn.Sequential(Residual(4), nn.Conv2d(4, n_outputs // 24, 1), nn.Flatten())
    return encoder, decoder


def paired(networks):
    """Every kind with some network, and each network with an autoencoder at least."""
    names = [*zip(KINDS, cycle(networks), strict=False)]
    names += [("Autoencoder", name) for name in networks if ("Autoencoder", name) not in names]
    ids = [" of ".join(pair) for pair in names]
    pairs = [(kind, networks[name]) for kind, name in names]
    return pytest.mark.parametrize(("kind", "network"), pairs, ids=ids)


NETWORKS = {"ConvNet": CONV, "image": IMAGE, "own": Normalized(), "own image": Own(residuals)}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


class OwnDecoder(BaseEstimator):
    """A dense hidden layer each way, the decoder's of a given kind."""

    def __init__(self, make):
        self.make = make

    def build(self, n_features, *, n_inputs, n_outputs, activation):
        return nn.Linear(n_inputs, 5), self.make(n_outputs)
