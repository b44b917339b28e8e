"""`ConvNet` and modules of the user's own, in every estimator."""

import pickle
import random
import re
from copy import deepcopy
from dataclasses import replace
from functools import cache
from itertools import cycle
from math import ceil, prod

import joblib
import numpy as np
import pytest
import torch
from helpers import (
    NEVER_STOP,
    UNIT_X,
    AnyWidth,
    assert_not_fitted,
    assert_same_state,
    fitted_state,
    in_threads,
    is_public,
    may_be_dead,
    may_collapse,
)
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from torch import nn
from torch.func import jacrev, vmap

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._base import BaseAutoencoder
from skae._contractive import estimated_squared_jacobian_norm, through_front
from skae._engine.activations import ACTIVATIONS
from skae._engine.blocks import own_randomness
from skae._likelihoods import START_OF_NOISE
from skae.networks import ConvNet

pytestmark = [
    may_be_dead,
    may_collapse,
    pytest.mark.filterwarnings("ignore:The samples show no structure:UserWarning"),
]

SHAPE = (2, 4, 6)  # of the images, unless a test is of others
X = np.random.default_rng(0).uniform(size=(60, prod(SHAPE)))
LABELS = np.arange(60) % 3
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
every_downsampling = pytest.mark.parametrize("downsample", ["stride", "pool", None])
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


def images(shape, n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, prod(shape), generator=generator)


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


# What a ConvNet builds.


@every_downsampling
@pytest.mark.parametrize("kernel_size", range(1, 7))
def test_decoders_give_just_the_size_that_encoders_get(kernel_size, downsample):
    """Images of any height and of any width, odd ones and signals among them."""
    for height, width in [*zip(range(1, 10), range(9, 0, -1), strict=True), (2, 2), (7, 7)]:
        shape = (2, height, width)
        channels = (3, 2) if max(height, width) > 3 else (3,)
        network = conv(shape, channels, kernel_size=kernel_size, downsample=downsample)
        encoder, decoder = built(network)
        rows = images(shape)
        features = encoder(rows)
        assert features.ndim == 2 and len(features) == 4
        assert decoder(features).shape == rows.shape


@pytest.mark.parametrize("downsample", ["stride", "pool"])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 9), (28, 28), (2, 3)])
def test_each_layer_halves_height_and_width_rounded_up(size, kernel_size, downsample):
    network = conv((1, *size), (4,), kernel_size=kernel_size, downsample=downsample, code="image")
    encoder, _ = built(network)
    expected = (4, *(ceil(pixels / 2) for pixels in size))
    assert encoder(images((1, *size))).shape[1:] == expected


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_without_downsampling_images_keep_their_size(kernel_size):
    network = conv((1, 5, 7), (4, 3), kernel_size=kernel_size, downsample=None, code="image")
    assert built(network)[0](images((1, 5, 7))).shape == (4, 3, 5, 7)


@pytest.mark.parametrize("n_downsamplings", [1, 2, 3])
def test_as_many_downsamplings_as_there_are_to_a_single_pixel(n_downsamplings):
    network = conv((1, 8, 5), (2,) * n_downsamplings, code="image")
    pixels = built(network)[0](images((1, 8, 5))).shape[2:]
    assert tuple(pixels) == {1: (4, 3), 2: (2, 2), 3: (1, 1)}[n_downsamplings]


def test_encoder_and_decoder_may_have_other_channels_than_x():
    """A mask beside the image; colours of a target."""
    network = conv((2, 4, 6), (3,))
    encoder, decoder = built(network, n_inputs=96, n_outputs=72)
    assert decoder(encoder(images((4, 4, 6)))).shape == (4, 72)


def test_channels_are_those_of_the_convolutions():
    encoder, decoder = built(conv(channels=(3, 5)))
    kernels = [tuple(p.shape[:2]) for p in encoder.parameters() if p.ndim == 4]
    assert kernels == [(3, 2), (5, 3)]  # outputs, inputs
    kernels = [tuple(p.shape[:2]) for p in decoder.parameters() if p.ndim == 4]
    assert kernels == [(5, 3), (3, 2)]  # inputs, outputs


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_activation_follows_every_convolution_but_the_last(activation):
    torchs = nn.ReLU if activation == "relu" else ACTIVATIONS[activation].layer
    encoder, decoder = built(conv(), activation=activation)
    for module, n_expected in ((encoder, 2), (decoder, 1)):
        assert sum(type(layer) is torchs for layer in module) == n_expected
    assert isinstance([*decoder][-2], nn.ConvTranspose2d)


@every_downsampling
def test_weights_start_so_that_signals_neither_fade_nor_explode(downsample):
    """Through four rectified layers of wide images; the output starts near 0."""
    network = conv((8, 32, 32), (8, 8, 8, 8), downsample=downsample, kernel_size=5)
    encoder, decoder = built(network, activation="relu")
    rows = images((8, 32, 32), n=8)
    with torch.no_grad():
        features = encoder(rows)
        output = decoder(features)
    assert 0.2 < features.square().mean().sqrt() < 5
    assert output.square().mean().sqrt() < 0.5
    assert not decoder[-2].bias.any()


def test_every_image_starts_alike_at_each_of_its_pixels():
    """One kernel serves all pixels: of a constant image the inside is constant."""
    encoder, _ = built(conv((1, 7, 9), (4,), downsample=None, code="image"))
    with torch.no_grad():
        inside = encoder(torch.ones(1, 63))[0, :, 1:-1, 1:-1]
    torch.testing.assert_close(inside, inside[:, :1, :1].expand_as(inside))


# The order of numbers in rows and in codes.


def copying_first_pixels(estimator, channel):
    """A fitted estimator whose encoder copies one channel of X to the code's first channel."""
    estimator = deepcopy(estimator)
    network = estimator._network_copy()
    front = [*network.front.parameters()]
    for tensor in (network.origin, *front, *network.encoder_weights, *network.encoder_biases):
        tensor.zero_()
    centre = front[0].shape[2] // 2, front[0].shape[3] // 2
    front[0][0, channel][centre] = 1.0
    network.encoder_weights[0][0, 0] = 1.0
    estimator._state = replace(estimator._state, weights=network.flat.numpy())
    return estimator


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_rows_and_codes_go_channel_by_channel(kernel_size, channel):
    network = conv(channels=(3,), kernel_size=kernel_size, downsample=None, code="image")
    fit = {"hidden_layer_sizes": (), "activation": "identity", **FAST}
    estimator = Autoencoder(2, network=network, **fit).fit(X)
    code = copying_first_pixels(estimator, channel).transform(X).reshape(-1, 2, 4, 6)
    np.testing.assert_array_equal(code[:, 0], X.reshape(-1, *SHAPE)[:, channel])
    assert not code[:, 1].any()


def test_reconstructions_go_channel_by_channel():
    """Biases of the last convolution are the colours of an image of nothing else."""
    estimator = Autoencoder(2, network=IMAGE, **FAST).fit(X)
    network = estimator._fitted_network()
    weight, bias = [*network.back.parameters()][-2:]
    weight.zero_()
    bias.copy_(torch.tensor([3.0, 7.0]))
    found = estimator.reconstruct(X).reshape(-1, *SHAPE)
    assert (found[:, 0] == 3.0).all() and (found[:, 1] == 7.0).all()


@both_codes
def test_colours_of_a_target_go_channel_by_channel(code):
    """Grey to colour, where each colour is a multiple of the grey."""
    grey = np.random.default_rng(0).uniform(size=(200, 20))
    colours = np.concatenate([1.0 * grey, 0 * grey + 0.5, -2.0 * grey], axis=1)
    network = conv((1, 4, 5), (8,), kernel_size=1, downsample=None, code=code)
    linear = {"activation": "identity", "code_activation": "identity", "corruption": None}
    fit = {"learning_rate_init": 0.02, "max_iter": 60, "batch_size": 20, "random_state": 0}
    model = DenoisingAutoencoder(20 if code == "vector" else 2, network=network, **linear, **fit)
    model.fit(grey, target=colours)
    assert model.n_features_out_ == 60
    assert model.score(grey, target=colours) > 0.98
    red, green, blue = model.reconstruct(grey).reshape(-1, 3, 20).transpose(1, 0, 2)
    np.testing.assert_allclose(green, 0.5, atol=0.25)
    assert np.corrcoef(red.ravel(), grey.ravel())[0, 1] > 0.95
    assert np.corrcoef(blue.ravel(), grey.ravel())[0, 1] < -0.95


def test_the_default_shape_is_mnists():
    assert built(ConvNet())[0](images((1, 28, 28), n=2)).shape == (2, 32 * 7 * 7)


# Modules are what estimators compute.


@both_codes
@pytest.mark.parametrize(
    ("kind", "downsample"),
    [
        *((kind, "stride") for kind in KINDS),
        *(("Autoencoder", downsample) for downsample in ("pool", None)),
        *(("heteroscedastic", downsample) for downsample in ("pool", None)),
    ],
)
def test_modules_equal_transform_and_inverse_transform(kind, downsample, code):
    dtype = np.float32 if downsample == "pool" else np.float64
    rows = X[:20].astype(dtype)
    estimator = of_kind(kind, conv(code=code, downsample=downsample), max_iter=1).fit(rows)
    tolerance = 1e-5 if downsample == "pool" else 1e-10
    Z, close = estimator.transform(rows), {"rtol": tolerance, "atol": tolerance}
    n_pixels = {"vector": 1, "image": 24 if downsample is None else 2}[code]
    assert Z.shape == (20, 3 * n_pixels) and Z.dtype == dtype
    np.testing.assert_allclose(encoded(estimator, rows), Z, **close)
    back = estimator.inverse_transform(Z)
    assert back.shape == rows.shape and back.dtype == dtype
    np.testing.assert_allclose(decoded(estimator, Z), back, **close)
    np.testing.assert_allclose(estimator.reconstruct(rows), back, **close)


@both_codes
@every_kind
def test_columns_of_the_code_are_counted_and_named(kind, code):
    estimator = of_kind(kind, conv(code=code)).fit(X)
    n_columns = estimator.transform(X[:2]).shape[1]
    assert estimator.n_components_ == n_columns == (3 if code == "vector" else 6)
    assert len(estimator.get_feature_names_out()) == n_columns


@every_downsampling
@both_codes
def test_modules_are_plain_layers_of_torch(code, downsample):
    estimator = of_kind("Autoencoder", conv(code=code, downsample=downsample)).fit(X)
    centre, *layers = estimator.encoder_
    assert type(centre).__name__ == "Centre"
    kinds = {type(layer) for layer in (*layers, *estimator.decoder_)}
    own = {kind for kind in kinds if not kind.__module__.startswith("torch.nn")}
    assert {kind.__name__ for kind in own} <= ({"PerPixel"} if code == "image" else set())


@every_kind
def test_a_row_is_encoded_alike_with_and_without_others(kind):
    estimator = of_kind(kind).fit(X)
    single = np.concatenate([estimator.transform(X[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(single, estimator.transform(X)[:5], rtol=1e-9, atol=1e-12)


@every_kind
def test_training_lowers_the_loss(kind):
    estimator = of_kind(kind, max_iter=25, learning_rate_init=0.01, **NEVER_STOP).fit(X)
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]


def test_it_learns_more_than_the_mean_of_images(digits):
    network = ConvNet((1, 8, 8), channels=(8, 16))
    fit = {"max_iter": 20, "batch_size": 30, "learning_rate_init": 5e-3, "random_state": 0}
    model = Autoencoder(16, network=network, **fit).fit(digits[:600])
    assert model.score(digits[600:]) > 0.5


@pytest.mark.parametrize("hidden", [(), (7,), (7, 4)], ids=str)
@both_codes
def test_an_image_code_is_translation_equivariant(code, hidden):
    """Inside the borders; one that is a vector is not."""
    network = conv((1, 9, 11), (3, 2), downsample=None, code=code)
    rows = np.random.default_rng(0).normal(size=(20, 1, 9, 11))
    moved = np.roll(rows, (1, 2), axis=(2, 3))
    params = {"hidden_layer_sizes": hidden, "activation": "tanh", **FAST}
    model = Autoencoder(99, network=network, **params).fit(rows.reshape(20, -1))
    one, other = (model.transform(r.reshape(20, -1)) for r in (rows, moved))
    one, other = (codes.reshape(20, -1, 9, 11) for codes in (one, other))
    inside = np.s_[:, :, 3:-2, 4:-2]  # further than the kernels reach
    expected = np.roll(one, (1, 2), axis=(2, 3))[inside]
    assert np.allclose(other[inside], expected, rtol=1e-9, atol=1e-12) == (code == "image")


def test_rows_are_counted_from_a_mean_that_is_one_for_each_channel_of_an_image_code():
    scaled = (X.reshape(-1, 2, 24) * np.array([[1.0], [10.0]])).reshape(-1, 48)
    lacking = np.where(X > 0.9, np.nan, scaled)
    n_channels = {"vector": 48, "image": 2}  # of a vector, as if each column were a channel
    for code, n_means in n_channels.items():
        found = origin_of(of_kind("Autoencoder", conv(code=code)).fit(scaled))
        means = scaled.mean(axis=0).reshape(n_means, -1).mean(axis=1)
        np.testing.assert_allclose(found, means.repeat(48 // n_means))
        found = origin_of(of_kind("DenoisingAutoencoder", conv(code=code)).fit(lacking))
        means = np.nanmean(lacking, axis=0).reshape(n_means, -1).mean(axis=1)
        np.testing.assert_allclose(found[:48], means.repeat(48 // n_means))
        assert not found[48:].any()  # of the mask
    found = origin_of(of_kind("Autoencoder", Own(residuals)).fit(scaled))
    np.testing.assert_allclose(found, scaled.mean())


def origin_of(estimator):
    return estimator._network_copy().origin.numpy()


# Limits in which a variant is the plain autoencoder.


@both_codes
@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("exact", {"contraction_weight": 0}),
        ("hutchinson", {"contraction_weight": 0}),
        ("kl", {"sparsity_weight": 0}),
        ("l1", {"sparsity_weight": 0, "code_activation": "logistic"}),
        ("DenoisingAutoencoder", {"corruption": None}),
        ("DenoisingAutoencoder", {"corruption_level": 0.0}),
    ],
    ids=str,
)
def test_weight_zero_is_the_plain_autoencoder(kind, params, code):
    shared = {"hidden_layer_sizes": (6,), "code_activation": "logistic", "activation": "tanh"}
    network = conv(code=code)
    variant = of_kind(kind, network, **{**shared, **params}).fit(X)
    assert_same_state(variant, of_kind("Autoencoder", network, **shared).fit(X))


# Contraction.

SOME_ACTIVATIONS = [("elu", "stride"), ("tanh", None), ("relu", "stride"), ("elu", "pool")]


def reference_jacobian(estimator, X):
    """By torch.func, row by row."""
    encoder = estimator.encoder_
    return vmap(jacrev(lambda row: encoder(row[None])[0]))(torch.tensor(X)).detach().numpy()


@pytest.mark.parametrize("hidden", [(), (6,)], ids=str)
@pytest.mark.parametrize(("activation", "downsample"), SOME_ACTIVATIONS)
@both_codes
def test_jacobian_equals_jacrev_of_the_encoder(code, activation, downsample, hidden):
    params = {"hidden_layer_sizes": hidden, "activation": activation}
    network = conv(channels=(3,), code=code, downsample=downsample)
    estimator = of_kind("exact", network, **params).fit(X)
    jacobian = estimator.jacobian(X[:8])
    assert jacobian.shape == (8, estimator.n_components_, 48)
    np.testing.assert_allclose(
        jacobian, reference_jacobian(estimator, X[:8]), rtol=1e-8, atol=1e-12
    )
    norms = np.square(jacobian).sum(axis=(1, 2))
    np.testing.assert_allclose(estimator.jacobian_norm(X[:8]), norms, rtol=1e-8)


@both_codes
def test_jacobian_predicts_small_changes_of_the_code(code):
    estimator, step = of_kind("exact", conv(code=code), activation="tanh").fit(X), 1e-6
    change = (estimator.transform(X + step) - estimator.transform(X - step)) / (2 * step)
    np.testing.assert_allclose(change, estimator.jacobian(X).sum(axis=2), rtol=1e-4, atol=1e-7)


def test_tangents_are_singular_vectors():
    estimator = of_kind("exact", activation="tanh").fit(X)
    tangents = estimator.tangents(X[:6], 2)
    leading = np.linalg.svd(estimator.jacobian(X[:6]), full_matrices=False).Vh[:, :2]
    cosines = np.einsum("ikj,ikj->ik", tangents, leading)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-8)


@both_codes
def test_jacobian_may_be_asked_for_without_gradients(code):
    estimator = of_kind("exact", conv(code=code)).fit(X)
    expected = estimator.jacobian_norm(X)
    with torch.inference_mode():
        np.testing.assert_array_equal(estimator.jacobian_norm(X), expected)


def test_a_jacobian_in_chunks_is_the_same(monkeypatch):
    estimator = of_kind("exact", IMAGE).fit(X)
    whole = estimator.jacobian(X)
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 48 * estimator.n_components_ * 7)
    np.testing.assert_allclose(estimator.jacobian(X), whole, rtol=1e-9, atol=1e-14)


@both_codes
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_hutchinsons_estimate_has_no_bias(activation, code):
    """Its mean over many draws is within 5 standard errors of the exact norm."""
    params = {"hidden_layer_sizes": (6,), "activation": activation}
    estimator = of_kind("exact", conv(code=code), **params).fit(X)
    network, n_draws = estimator._fitted_network(), 2000
    x = torch.tensor(X[:3]).repeat_interleave(n_draws, dim=0)
    features, to_input = through_front(network, x)
    _, slopes = network.encode_with_slopes(features)
    generator = torch.Generator().manual_seed(0)
    weights = network.encoder_weights
    draws = estimated_squared_jacobian_norm(weights, slopes, generator, to_input)
    draws = draws.detach().view(3, n_draws).numpy()
    error = draws.std(axis=1) / n_draws**0.5
    assert (error > 0).all()
    assert (np.abs(draws.mean(axis=1) - estimator.jacobian_norm(X[:3])) < 5 * error).all()


@both_codes
def test_the_loss_is_the_error_plus_the_weighted_norm(code, squared_errors):
    """One full batch that is not learned from: the loss is that of the fitted weights."""
    still = {"max_iter": 1, "learning_rate_init": 1e-12, "batch_size": 60}
    estimator = of_kind("exact", conv(code=code), contraction_weight=0.7, **still).fit(X)
    errors = squared_errors(X, estimator.reconstruct(X))
    expected = (errors + 0.7 * estimator.jacobian_norm(X)).mean()
    assert estimator.loss_ == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["exact", "hutchinson"])
def test_the_penalty_contracts(kind):
    fit = {"max_iter": 30, "learning_rate_init": 0.01, **NEVER_STOP}
    norms = [
        of_kind(kind, contraction_weight=weight, **fit).fit(X).jacobian_norm(X).mean()
        for weight in (0, 3.0)
    ]
    assert norms[1] < 0.5 * norms[0]


# The VAE.

VARIANCES = ["shared", "per_feature", "heteroscedastic", 0.3]


@pytest.mark.parametrize("noise_variance", VARIANCES)
@both_codes
def test_a_vae_scores_and_samples(code, noise_variance):
    vae = of_kind("VAE", conv(code=code), noise_variance=noise_variance, max_iter=5).fit(X)
    mean, std = vae.posterior(X)
    np.testing.assert_allclose(mean, vae.transform(X), rtol=1e-9)
    assert std.shape == mean.shape == (60, vae.n_components_) and (std > 0).all()
    assert vae.sample(7, random_state=0).shape == (7, 48)
    likelihood = vae.log_likelihood(X, n_draws=100)
    assert likelihood.shape == (60,)
    assert vae.score_samples(X).mean() < likelihood.mean() + 0.1
    assert vae.score(X) == pytest.approx(vae.score_samples(X).mean())


@both_codes
def test_the_encoder_of_a_vae_gives_mean_and_log_variance(code):
    vae = of_kind("VAE", conv(code=code)).fit(X)
    mean, std = vae.posterior(X)
    with torch.no_grad():
        means, log_variances = vae.encoder_(torch.tensor(X))
    np.testing.assert_allclose(means, mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(torch.exp(0.5 * log_variances), std, rtol=1e-6)


@both_codes
def test_posteriors_start_with_the_priors_variance(code):
    still = {"max_iter": 1, "learning_rate_init": 1e-12}
    _, std = of_kind("VAE", conv(code=code), **still).fit(X).posterior(X)
    np.testing.assert_allclose(std, 1, rtol=1e-6)


@both_codes
def test_decoded_variances_start_in_proportion_to_those_of_the_columns(code):
    """But for what the untrained second head adds."""
    scaled = (X.reshape(-1, 2, 24) * np.array([[1.0], [10.0]])).reshape(-1, 48)
    still = {"max_iter": 1, "learning_rate_init": 1e-12}
    vae = of_kind("heteroscedastic", conv(code=code), **still).fit(scaled)
    variance = vae._decoded_variance(np.zeros((1, vae.n_components_))).reshape(2, 24)
    expected = START_OF_NOISE * scaled.var(axis=0).reshape(2, 24)
    np.testing.assert_allclose(variance, expected, rtol=0.5)


def test_decoded_variances_follow_the_data():
    """Noise in the second channel alone is found there alone."""
    generator = np.random.default_rng(0)
    rows = np.zeros((300, 2, 4, 6))
    rows[:, 1] = generator.normal(size=(300, 4, 6))
    rows[:, 0] = 0.1 * generator.normal(size=(300, 4, 6))
    fit = {"max_iter": 40, "learning_rate_init": 0.02, **NEVER_STOP}
    vae = of_kind("heteroscedastic", conv(channels=(4,)), **fit).fit(rows.reshape(300, -1))
    variance = vae._decoded_variance(np.zeros((1, 3))).reshape(2, 24).mean(axis=1)
    np.testing.assert_allclose(variance, [0.01, 1.0], rtol=0.5)


@pytest.mark.parametrize("params", [{"likelihood": "bernoulli"}, {"objective": "iwae"}], ids=str)
def test_other_vaes(params):
    vae = of_kind("VAE", n_draws=3, **params).fit(X)
    assert vae.sample(5, random_state=0).shape == (5, 48)
    assert np.isfinite(vae.log_likelihood(X, n_draws=10)).all()


def own_heteroscedastic(make):
    return VAE(3, noise_variance="heteroscedastic", network=Own(make), **FAST)


@pytest.mark.parametrize(
    "make_decoder",
    [
        lambda n_outputs: nn.Linear(4, n_outputs, bias=False),
        lambda n_outputs: nn.Sequential(
            nn.Linear(4, 2 * n_outputs), nn.Unflatten(1, (2, n_outputs)), MeanOfAxis()
        ),
    ],
    ids=["without bias", "not a last layer of outputs"],
)
def test_decoded_variances_of_any_decoder(make_decoder):
    """Of which nothing is known: they may start anywhere, or be refused with a reason."""
    vae = own_heteroscedastic(lambda i, o: (nn.Linear(i, 4), make_decoder(o)))
    try:
        vae.fit(X)
    except ValueError as error:
        assert "heteroscedastic" in str(error) or "bias" in str(error)
    else:
        assert np.isfinite(vae.score(X))


# Sparse codes.


def decoder_norms(estimator):
    """Of what each unit of each of the decoder's layers writes to all outputs."""
    for layer in estimator.decoder_.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            yield layer.weight.detach().flatten(1).norm(dim=1)  # inputs first
        elif isinstance(layer, nn.Linear):
            yield layer.weight.detach().norm(dim=0)


# Top-k is not for L-BFGS.
@pytest.mark.parametrize(("kind", "solver"), [("l1", "adam"), ("l1", "lbfgs"), ("topk", "adam")])
@both_codes
def test_atoms_of_all_layers_are_bounded(code, kind, solver):
    fit = {"max_iter": 10, "learning_rate_init": 0.05, "hidden_layer_sizes": (6,)}
    estimator = of_kind(kind, conv(code=code), solver=solver, **fit).fit(30 * X)
    norms = [*decoder_norms(estimator)]
    assert len(norms) == 4  # code, hidden layer, two convolutions
    assert max(n.max() for n in norms) == pytest.approx(1)
    assert all((n <= 1 + 1e-6).all() for n in norms)


def test_top_k_keeps_channels_at_each_pixel():
    network = conv(code="image", channels=(4,))
    params = {"n_components": 8, "n_active": 2, "code_activation": "identity"}
    estimator = of_kind("topk", network, **params).fit(X)
    code = estimator.transform(X).reshape(60, 8, 2, 3)
    assert (np.count_nonzero(code, axis=1) == 2).all()
    chosen = (code != 0).reshape(60, 8, 6)
    assert (chosen != chosen[:, :, :1]).any()  # each pixel chooses its own


@pytest.mark.parametrize("sparsity", ["kl", "l1", "topk"])
def test_sparse_codes_are_described_by_the_column(sparsity):
    estimator = of_kind(sparsity, IMAGE).fit(X)
    code = estimator.transform(X)
    np.testing.assert_allclose(estimator.mean_activation_, code.mean(axis=0), rtol=1e-6)
    threshold = 0.1 if sparsity == "kl" else 0.0
    assert estimator.code_density_ == pytest.approx((code > threshold).mean())
    dead = np.flatnonzero((code <= threshold).all(axis=0))
    np.testing.assert_array_equal(estimator.dead_components_, dead)


@both_codes
def test_dead_channels_are_revived(code):
    network = conv(code=code, channels=(4,))
    params = {"n_components": 8, "n_active": 2, "learning_rate_init": 3e-3}
    estimator = of_kind("topk", network, **params, max_iter=5).fit(X)
    layers = estimator._fitted_network()  # shares memory with the state
    layers.encoder_weights[-1][[1, 5]] = 0.0
    layers.encoder_biases[-1][[1, 5]] = -100.0
    columns = np.s_[:, [1, 5]]
    assert not estimator.transform(X).reshape(60, 8, -1)[columns].any()
    estimator.partial_fit(X)  # finds them idle
    assert estimator._state.idle.shape == (8,)
    assert estimator._state.idle[[1, 5]].all()
    for _ in range(5):
        estimator.partial_fit(X)
    codes = estimator.transform(X).reshape(60, 8, -1)
    assert codes[columns].any(axis=(0, 2)).any()


@both_codes
def test_training_with_revival_goes_on_exactly(code):
    params = {"n_components": 20, "n_active": 1, "learning_rate_init": 0.02}
    whole = of_kind("topk", conv(code=code), **params)
    parts = clone(whole)
    for _ in range(4):
        whole.partial_fit(X)
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X)))
    assert whole._state.idle.any()
    assert_same_state(whole, parts)


def test_kl_starts_at_its_target():
    still = {"max_iter": 1, "learning_rate_init": 1e-12}
    estimator = of_kind("kl", IMAGE, target_activation=0.2, **still).fit(X)
    bias = estimator._fitted_network().encoder_biases[-1]
    np.testing.assert_allclose(torch.sigmoid(bias), 0.2, rtol=1e-6)


# Denoising.


def with_gaps(X, fraction=0.2):
    return np.where(np.random.default_rng(5).uniform(size=X.shape) < fraction, np.nan, X)


@both_codes
def test_missing_cells_are_channels_of_a_mask(code):
    rows = with_gaps(X)
    denoiser = of_kind("DenoisingAutoencoder", conv(code=code)).fit(rows)
    first = next(p for p in denoiser.encoder_.parameters() if p.ndim == 4)
    assert first.shape[1] == 4  # two of the image, two of the mask
    codes = denoiser.transform(rows)
    assert np.isfinite(codes).all() and np.isfinite(denoiser.score(rows))
    np.testing.assert_allclose(encoded(denoiser, rows), codes, rtol=1e-6, atol=1e-9)
    assert np.isfinite(denoiser.reconstruct(rows)).all()


def test_the_mask_lies_where_cells_are_missing():
    """With a kernel of one pixel, a missing cell is seen at its own pixel alone."""
    rows = with_gaps(X)
    network = conv(channels=(3,), kernel_size=1, downsample=None, code="image")
    denoiser = of_kind("DenoisingAutoencoder", network).fit(rows)
    whole, gap = X[:1].copy(), X[:1].copy()
    gap[0, 24 + 7] = np.nan  # second channel, second line, second pixel
    difference = (denoiser.transform(whole) != denoiser.transform(gap)).reshape(3, 24)
    assert difference[:, 7].any()
    assert not np.delete(difference, 7, axis=1).any()


@both_codes
@pytest.mark.parametrize("n_channels", [1, 3, 6])
def test_targets_may_have_any_number_of_channels(n_channels, code):
    target = np.tile(X[:, :24], n_channels)
    denoiser = of_kind("DenoisingAutoencoder", conv(code=code)).fit(X, target=target)
    assert denoiser.n_features_out_ == 24 * n_channels
    assert denoiser.reconstruct(X).shape == target.shape
    assert denoiser.partial_fit(X, target=target).score(X, target=target) < 1


@pytest.mark.parametrize("corruption", ["masking", "gaussian", "salt_and_pepper", "swap"])
def test_chains_of_corruption_and_denoising(corruption):
    denoiser = of_kind("DenoisingAutoencoder", corruption=corruption).fit(X)
    assert denoiser.corrupt(X, random_state=0).shape == X.shape
    one, same = (denoiser.sample(4, n_steps=3, random_state=1) for _ in range(2))
    assert one.shape == (4, 48) and np.isfinite(one).all()
    np.testing.assert_array_equal(one, same)


def test_denoising_lowers_the_error_of_noisy_images():
    generator = np.random.default_rng(0)
    brightness = generator.uniform(size=(400, 1, 1)) * np.ones((1, 6, 6))
    clean = brightness.reshape(400, -1)
    noisy = clean + 0.3 * generator.normal(size=clean.shape)
    network = ConvNet((1, 6, 6), channels=(8, 8))
    fit = {"max_iter": 30, "learning_rate_init": 0.01, "batch_size": 50, "random_state": 0}
    denoiser = DenoisingAutoencoder(4, network=network, corruption=None, **fit)
    denoiser.fit(noisy[:300], target=clean[:300])
    error = np.square(denoiser.reconstruct(noisy[300:]) - clean[300:]).mean()
    assert error < 0.3 * np.square(noisy[300:] - clean[300:]).mean()


# Stacks.

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
every_stack = pytest.mark.parametrize("name", STACKS)


def stacked(layers, **params):
    return StackedAutoencoder((2, 4, 3)[: len(layers)], estimator=layers, **{**FAST, **params})


@cache
def fitted_stack(name, fine_tune=True):
    """For those that only read it."""
    return stacked(STACKS[name], fine_tune=fine_tune).fit(X)


@pytest.mark.parametrize("fine_tune", [True, False])
@every_stack
def test_a_stack_is_the_chain_of_its_layers(name, fine_tune):
    """Also after fine-tuning, which hands down the weights."""
    model = fitted_stack(name, fine_tune)
    close = {"rtol": 1e-8, "atol": 1e-10}
    codes = X
    for layer in model.estimators_:
        codes = layer.transform(codes)
    np.testing.assert_allclose(model.transform(X), codes, **close)
    back = codes
    for layer in model.estimators_[::-1]:
        back = layer.inverse_transform(back)
    np.testing.assert_allclose(model.reconstruct(X), back, **close)
    np.testing.assert_allclose(encoded(model, X), codes, **close)
    np.testing.assert_allclose(decoded(model, codes), back, **close)


TIED_BELOW = {
    "first": [
        ContractiveAutoencoder(**FAST),
        Autoencoder(network=ConvNet((1, 1, 2), channels=(3,)), **FAST),
    ],
    "between": [
        Autoencoder(network=IMAGE, **FAST),
        ContractiveAutoencoder(**FAST),
        Autoencoder(hidden_layer_sizes=(5,), **FAST),
    ],
}


@pytest.mark.parametrize("layers", TIED_BELOW.values(), ids=TIED_BELOW)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_tied_layers_under_others_work_or_are_refused(method, layers):
    """In a stack that has convolutions somewhere."""
    model = stacked(layers)
    try:
        getattr(model, method)(X)
    except ValueError as error:
        assert "tied_weights" in str(error)
        assert not hasattr(model, "estimators_")
    else:
        codes = X
        for layer in model.estimators_:
            codes = layer.transform(codes)
        np.testing.assert_allclose(model.transform(X), codes, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", ["Autoencoder", "heteroscedastic"])
def test_a_stack_of_one_layer_is_that_layer(kind):
    loss = {"loss": "binary_cross_entropy"} if kind == "Autoencoder" else {}
    stack = StackedAutoencoder((3,), estimator=of_kind(kind, **loss), fine_tune=False).fit(X)
    np.testing.assert_allclose(stack.reconstruct(X), stack.estimators_[0].reconstruct(X))


@every_stack
def test_a_stack_goes_on_through_pickle(name):
    whole, parts = (stacked(STACKS[name]).partial_fit(X) for _ in range(2))
    parts = pickle.loads(pickle.dumps(parts))
    assert_same_state(whole.partial_fit(X), parts.partial_fit(X))


@every_stack
def test_refits_of_a_stack_are_equal(name):
    assert_same_state(stacked(STACKS[name]).fit(X), fitted_stack(name))


@every_stack
def test_fine_tuning_changes_every_layer(name):
    pretrained, tuned = (fitted_stack(name, fine_tune) for fine_tune in (False, True))
    for before, after in zip(pretrained.estimators_, tuned.estimators_, strict=True):
        assert not np.array_equal(before._state.weights, after._state.weights)


def test_pretraining_is_layer_by_layer():
    model = stacked(STACKS["images"], fine_tune=False).fit(X)
    first, second = model.estimators_
    seed = first.random_state
    alone = clone(STACKS["images"][0]).set_params(n_components=2, random_state=seed).fit(X)
    assert_same_state(first, alone)
    seed = second.random_state
    above = clone(STACKS["images"][1]).set_params(n_components=4, random_state=seed)
    assert_same_state(second, above.fit(alone.transform(X)))


@pytest.mark.parametrize("shape", [(2, 3, 2), (1, 4, 3), (12, 1, 1), (3, 2, 2)], ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_images_of_layers_must_fit_before_any_is_trained(method, shape, monkeypatch):
    def train(self, *args):
        pytest.fail("a layer was trained")

    monkeypatch.setattr(BaseAutoencoder, "_fit", train)
    second = Autoencoder(network=ConvNet(shape, channels=(3,)), **FAST)
    model = stacked([Autoencoder(network=IMAGE, **FAST), second])
    with pytest.raises(ValueError, match="layer below") as caught:
        getattr(model, method)(X)
    assert str(shape) in str(caught.value) and str(SMALLER) in str(caught.value)
    assert any("layer 2" in note for note in caught.value.__notes__)
    assert not hasattr(model, "estimators_")


@pytest.mark.parametrize("shape", [[2, 2, 3], np.array([2, 2, 3])], ids=["list", "array"])
def test_image_shapes_of_layers_may_be_lists(shape):
    second = Autoencoder(network=ConvNet(shape, channels=(3,)), **FAST)
    assert stacked([Autoencoder(network=IMAGE, **FAST), second]).fit(X).n_components_ == 4


@pytest.mark.parametrize("shape", [None, 12, "image"])
def test_an_image_shape_of_a_layer_that_is_none(shape):
    second = Autoencoder(network=ConvNet(shape, channels=(3,)), **FAST)
    with pytest.raises(ValueError, match="image_shape"):
        stacked([Autoencoder(network=IMAGE, **FAST), second]).fit(X)


def test_signals_of_own_modules_go_into_a_convnet():
    """Codes of shape (2, 12) are images (2, 1, 12)."""
    first = Autoencoder(network=Signals(), **FAST)
    second = Autoencoder(network=ConvNet((2, 1, 12), channels=(3,)), **FAST)
    model = stacked([first, second]).fit(X[:, :12])
    codes = model.estimators_[1].transform(model.estimators_[0].transform(X[:, :12]))
    np.testing.assert_allclose(model.transform(X[:, :12]), codes, rtol=1e-9)


# Supervised.


@pytest.mark.parametrize("fine_tune", [True, False])
@pytest.mark.parametrize(
    ("kind", "code"), [("DenoisingAutoencoder", "vector"), ("topk", "image"), ("VAE", "vector")]
)
def test_a_classifier_reads_the_code(kind, code, fine_tune, digits):
    ink = digits[:200].sum(axis=1)
    y = ink > np.median(ink)
    network = ConvNet((1, 8, 8), channels=(4,), code=code)
    autoencoder = of_kind(kind, network, n_components=6, max_iter=5, learning_rate_init=0.01)
    fit = {"max_iter": 8, "batch_size": 20, "learning_rate_init": 0.02, "random_state": 0}
    fit["fine_tune"] = fine_tune
    model = AutoencoderClassifier(autoencoder, **fit).fit(digits[:200], y)
    assert model.score(digits[:200], y) > 0.6
    assert model.predict_proba(digits[:200]).shape == (200, 2)
    codes = model.transform(digits[:200])
    np.testing.assert_allclose(model.autoencoder_.transform(digits[:200]), codes, rtol=1e-9)
    assert_same_state(model, AutoencoderClassifier(autoencoder, **fit).fit(digits[:200], y))
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(digits[:200]), model.predict(digits[:200]))


def test_a_regressor_without_fine_tuning_is_linear_in_the_code():
    autoencoder = Autoencoder(4, network=CONV, **FAST).fit(X)
    y = X[:, :24].mean(axis=1)
    frozen = FrozenEstimator(autoencoder)
    model = AutoencoderRegressor(frozen, fine_tune=False, solver="lbfgs", tol=1e-12).fit(X, y)
    codes = autoencoder.transform(X)
    expected = LinearRegression().fit(codes, y).predict(codes)
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-3)


@pytest.mark.parametrize("fine_tune", [True, False])
@both_codes
def test_a_frozen_autoencoder_is_not_changed(code, fine_tune):
    autoencoder = Autoencoder(4, network=conv(code=code), **FAST).fit(X)
    before = fitted_state(autoencoder)
    fit = {"max_iter": 5, "random_state": 0, "fine_tune": fine_tune}
    model = AutoencoderClassifier(FrozenEstimator(autoencoder), **fit).fit(X, LABELS)
    assert fitted_state(autoencoder) == before
    same = np.allclose(model.transform(X), autoencoder.transform(X), rtol=1e-9)
    assert same == (not fine_tune)


def test_a_stack_of_images_is_fine_tuned_by_a_classifier():
    for name in ("images", "convolutions, dense", "variance"):
        model = AutoencoderClassifier(stacked(STACKS[name]), max_iter=3, random_state=0)
        model.fit(X, LABELS)
        codes = X
        for layer in model.autoencoder_.estimators_:
            codes = layer.transform(codes)
        np.testing.assert_allclose(model.transform(X), codes, rtol=1e-8, atol=1e-10)


def test_rows_with_gaps_are_classified():
    autoencoder = of_kind("DenoisingAutoencoder")
    rows = with_gaps(X)
    model = AutoencoderClassifier(autoencoder, max_iter=3, random_state=0).fit(rows, LABELS)
    assert model.predict(rows).shape == (60,)


# Modules of the user's own.


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


class MeanOfAxis(nn.Module):
    def forward(self, x):
        return x.mean(dim=1)


class Shifted(nn.Module):
    """It holds constants of its own, which are not trained."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.register_buffer("shift", torch.linspace(-1, 1, n_inputs))
        self.linear = nn.Linear(n_inputs, n_outputs)

    def forward(self, x):
        return self.linear(x + self.shift)


class Recurrent(nn.Module):
    """The same layer twice."""

    def __init__(self, n_inputs, width):
        super().__init__()
        self.enter = nn.Linear(n_inputs, width)
        self.again = nn.Linear(width, width, bias=False)

    def forward(self, x):
        h = torch.tanh(self.enter(x))
        return torch.tanh(self.again(torch.tanh(self.again(h))))


class Residual(nn.Module):
    """An image and what a convolution adds to it."""

    def __init__(self, n_channels):
        super().__init__()
        self.convolution = nn.Conv2d(n_channels, n_channels, 3, padding=1)

    def forward(self, image):
        return image + torch.relu(self.convolution(image))


def shifted(n_inputs, n_outputs):
    return Shifted(n_inputs, 4), Shifted(4, n_outputs)


def recurrent(n_inputs, n_outputs):
    return Recurrent(n_inputs, 4), nn.Linear(4, n_outputs)


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


def grouped(n_inputs, n_outputs):
    """Normalization, and features that are a vector of several channels."""
    n_channels = n_inputs // 24
    encoder = [nn.Unflatten(1, (n_channels, 4, 6)), nn.Conv2d(n_channels, 4, 3), nn.GroupNorm(2, 4)]
    decoder = [nn.Linear(32, 48), nn.GELU(), nn.Linear(48, n_outputs)]
    return nn.Sequential(*encoder, nn.GELU(), nn.Flatten()), nn.Sequential(*decoder)


def parameterless(n_inputs, n_outputs):
    """Only shapes change: the dense layers do all."""
    encoder = nn.Unflatten(1, (n_inputs // 24, 4, 6))
    return encoder, nn.Sequential(nn.Conv2d(n_inputs // 24, n_outputs // 24, 1), nn.Flatten())


OWN = {
    "layer normalization": Normalized(),
    "buffer": Own(shifted),
    "used twice": Own(recurrent),
    "signals": Signals(),
    "images": Own(residuals),
    "groups": Own(grouped),
    "shapes": Own(parameterless),
}
every_own = pytest.mark.parametrize("network", OWN.values(), ids=OWN)


def paired(networks):
    """Every kind with some network, and each network with an autoencoder at least."""
    names = [*zip(KINDS, cycle(networks), strict=False)]
    names += [("Autoencoder", name) for name in networks if ("Autoencoder", name) not in names]
    ids = [" of ".join(pair) for pair in names]
    pairs = [(kind, networks[name]) for kind, name in names]
    return pytest.mark.parametrize(("kind", "network"), pairs, ids=ids)


kinds_and_own = paired(OWN)


@kinds_and_own
def test_own_modules_equal_transform_and_inverse_transform(kind, network):
    estimator = of_kind(kind, network).fit(X)
    Z = estimator.transform(X)
    np.testing.assert_allclose(encoded(estimator, X), Z, rtol=1e-6, atol=1e-9)
    back = estimator.inverse_transform(Z)
    np.testing.assert_allclose(decoded(estimator, Z), back, rtol=1e-6, atol=1e-9)
    assert np.isfinite(estimator.score(X))


@kinds_and_own
def test_own_modules_are_trained(kind, network):
    """Every parameter of theirs, and constants are left alone."""
    started = of_kind(kind, network, learning_rate_init=1e-12, max_iter=1).fit(X)
    trained = of_kind(kind, network, max_iter=3, learning_rate_init=0.01).fit(X)
    for before, after in zip(parameters(started), parameters(trained), strict=True):
        assert not torch.allclose(before, after, rtol=0, atol=1e-6)
    for before, after in zip(started.encoder_.buffers(), trained.encoder_.buffers(), strict=True):
        assert torch.equal(before, after)


@every_own
def test_jacobian_of_own_modules_equals_jacrev(network):
    estimator = of_kind("exact", network).fit(X)
    expected = reference_jacobian(estimator, X[:5])
    np.testing.assert_allclose(estimator.jacobian(X[:5]), expected, rtol=1e-7, atol=1e-12)


@every_own
@both_dtypes
def test_own_modules_keep_the_dtype(dtype, network):
    estimator = of_kind("Autoencoder", network).fit(X.astype(dtype))
    assert estimator.transform(X.astype(dtype)).dtype == dtype
    assert all(t.dtype == torch.from_numpy(X.astype(dtype)).dtype for t in parameters(estimator))


def test_weights_start_as_the_constructors_of_own_modules_draw_them():
    """Those of layer normalization at 1, its biases at 0, whatever the estimator."""
    still = {"learning_rate_init": 1e-12, "max_iter": 1}
    estimator = Autoencoder(3, network=Normalized(), random_state=0, **still).fit(X)
    _, linear, norm, *_ = estimator.encoder_
    np.testing.assert_allclose(norm.weight.detach(), 1, atol=1e-9)
    np.testing.assert_allclose(norm.bias.detach(), 0, atol=1e-9)
    assert linear.weight.abs().max() <= 48**-0.5 + 1e-6


def test_an_own_network_of_dense_layers_learns_as_much_as_a_perceptron(digits):
    class Dense(BaseEstimator):
        def build(self, n_features, *, n_inputs, n_outputs, activation):
            return nn.Sequential(nn.Linear(n_inputs, 32), nn.ReLU()), nn.Linear(32, n_outputs)

    rows = digits[:500]
    fit = {"max_iter": 30, "batch_size": 25, "learning_rate_init": 5e-3, "random_state": 0}
    own = Autoencoder(8, network=Dense(), hidden_layer_sizes=(), **fit).fit(rows)
    plain = Autoencoder(8, hidden_layer_sizes=(32,), **fit).fit(rows)
    assert own.score(rows) == pytest.approx(plain.score(rows), abs=0.05)


@every_own
def test_own_networks_stack(network):
    layers = [Autoencoder(network=network, **FAST), Autoencoder(**FAST)]
    model = stacked(layers).fit(X)
    codes = model.estimators_[1].transform(model.estimators_[0].transform(X))
    np.testing.assert_allclose(model.transform(X), codes, rtol=1e-8, atol=1e-10)


def in_place(n_inputs, n_outputs):
    encoder = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(n_inputs, 4))
    return encoder, nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, n_outputs))


@pytest.mark.parametrize("hidden", [(), (5,)], ids=str)
def test_modules_that_write_into_what_they_get_leave_data_alone(hidden):
    """They are refused, if they are not given copies."""
    rows = X - 0.5
    before, model = rows.copy(), of_kind("Autoencoder", Own(in_place), hidden_layer_sizes=hidden)
    try:
        model.fit(rows).transform(rows)
    except ValueError as error:
        assert "in place" in str(error) or "inplace" in str(error)
    np.testing.assert_array_equal(rows, before)


def test_normalization_of_whole_images_is_no_layer_of_atoms():
    """Its weights have two axes, but no inputs and outputs, so that none has norm at most 1."""

    def make(n_inputs, n_outputs):
        norm = nn.Sequential(nn.Unflatten(1, (4, 12)), nn.LayerNorm((4, 12)), nn.Flatten())
        return nn.Linear(n_inputs, 4), nn.Sequential(nn.Linear(4, n_outputs), norm)

    estimator = of_kind("l1", Own(make), learning_rate_init=1e-12, max_iter=1).fit(X)
    norm = next(m for m in estimator.decoder_.modules() if isinstance(m, nn.LayerNorm))
    np.testing.assert_allclose(norm.weight.detach(), 1, atol=1e-6)


# Determinism.

NETWORKS = {"ConvNet": CONV, "image": IMAGE, "own": Normalized(), "own image": Own(residuals)}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
kinds_and_networks = paired(NETWORKS)


@kinds_and_networks
def test_the_same_seed_gives_the_same_bits(kind, network):
    one, same, other = (of_kind(kind, network, random_state=seed).fit(X) for seed in (1, 1, 2))
    assert_same_state(one, same)
    assert not np.array_equal(one._state.weights, other._state.weights)


@every_network
def test_fits_in_threads_are_those_alone(network):
    def fit(number):
        model = of_kind("Autoencoder", network, random_state=number % 2, max_iter=3).fit(X)
        return model, model.transform(X)

    expected = [fit(number) for number in range(2)]
    before = torch.get_rng_state()
    for number, (model, codes) in enumerate(in_threads(4, fit)):
        assert_same_state(model, expected[number % 2][0])
        np.testing.assert_array_equal(codes, expected[number % 2][1])
    assert torch.equal(torch.get_rng_state(), before)


@kinds_and_networks
def test_global_generators_are_neither_read_nor_changed(kind, network):
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        estimator = of_kind(kind, network).fit(X)
        estimator.partial_fit(X).transform(X)
        estimator.inverse_transform(estimator.transform(X))
        assert torch.equal(torch.get_rng_state(), states[0])
        np.testing.assert_array_equal(np.random.get_state()[1], states[1])
        assert random.getstate() == states[2]
        results.append(estimator)
    assert_same_state(*results)


def test_failures_leave_the_global_generator_as_it_was():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(ValueError):
        Autoencoder(network=ConvNet((1, 5, 5)), **FAST).fit(X)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def double_by_default():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="module")
def expected_fits():
    """With torch's own default dtype."""
    return {
        (dtype, code): of_kind("Autoencoder", conv(code=code)).fit(X.astype(dtype))
        for dtype in (np.float32, np.float64)
        for code in ("vector", "image")
    }


@both_dtypes
@both_codes
def test_the_default_dtype_does_not_matter(code, dtype, expected_fits, double_by_default):
    model = of_kind("Autoencoder", conv(code=code)).fit(X.astype(dtype))
    assert_same_state(model, expected_fits[dtype, code])
    assert encoded(model, X.astype(dtype)).dtype == torch.from_numpy(X.astype(dtype)).dtype
    assert torch.get_default_dtype() == torch.float64


@both_codes
def test_results_in_float32_are_near_those_in_float64(code):
    single, double = (of_kind("Autoencoder", conv(code=code)).fit(X.astype(t)) for t in "fd")
    np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-4)


# Going on.


@kinds_and_networks
def test_training_goes_on_exactly_through_pickle(kind, network):
    whole, parts = of_kind(kind, network), of_kind(kind, network)
    for _ in range(3):
        whole.partial_fit(X)
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X)))
    assert_same_state(whole, parts)
    assert whole.n_iter_ == parts.n_iter_ == 3


@kinds_and_networks
def test_a_fit_is_that_many_partial_fits(kind, network):
    params = {"random_state": 1, **NEVER_STOP}  # no last epoch is so bad that fit undoes it
    whole, parts = (of_kind(kind, network, max_iter=3, **params) for _ in range(2))
    whole.fit(X)
    for _ in range(3):
        parts.partial_fit(X)
    assert_same_state(whole, parts)
    warm = of_kind(kind, network, max_iter=1, warm_start=True, **params)
    for _ in range(3):
        warm.fit(X)
    if kind != "topk":  # whose units come back early in each fit
        assert_same_state(whole, warm)


@kinds_and_networks
def test_a_loaded_estimator_is_equal(kind, network, tmp_path):
    estimator = of_kind(kind, network).fit(X)
    joblib.dump(estimator, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    for loaded in (pickle.loads(pickle.dumps(estimator)), deepcopy(estimator), mapped):
        assert_same_state(loaded, estimator)
        np.testing.assert_array_equal(loaded.transform(X), estimator.transform(X))
        np.testing.assert_array_equal(loaded.score_samples(X), estimator.score_samples(X))


@kinds_and_networks
def test_gradients_switched_off_around_a_fit_do_not_matter(kind, network):
    expected = of_kind(kind, network, max_iter=1).fit(X)
    for context in (torch.no_grad(), torch.inference_mode(), torch.autocast("cpu")):
        with context:
            found = of_kind(kind, network, max_iter=1).fit(X)
            np.testing.assert_array_equal(found.transform(X), expected.transform(X))
        assert_same_state(found, expected)


@pytest.mark.parametrize("name", ["three", "variance"])
def test_skops_keeps_networks(name):
    skops = pytest.importorskip("skops.io")
    for model in (stacked(STACKS[name]).fit(X), of_kind("topk", IMAGE).fit(X)):
        data = skops.dumps(model)
        untrusted = skops.get_untrusted_types(data=data)
        assert all(map(is_public, untrusted))
        loaded = skops.loads(data, trusted=untrusted)
        np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
        assert_same_state(loaded.partial_fit(X), model.partial_fit(X))


def test_sparse_matrices_of_images():
    rows = np.where(X > 0.7, X, 0)
    dense, sparse = of_kind("Autoencoder").fit(rows), of_kind("Autoencoder").fit(csr_array(rows))
    assert_same_state(dense, sparse)
    np.testing.assert_array_equal(sparse.transform(csr_array(rows)), dense.transform(rows))


def test_pickles_hold_nothing_of_torch():
    for network in (CONV, IMAGE, AnyWidth()):
        assert b"torch" not in pickle.dumps(of_kind("Autoencoder", network).fit(X))
    assert b"torch" not in pickle.dumps(stacked(STACKS["three"]).fit(X))


@every_network
def test_early_stopping_goes_back_to_the_best_weights(network):
    fit = {"early_stopping": True, "validation_fraction": 0.3, "max_iter": 8}
    model = of_kind("Autoencoder", network, learning_rate_init=0.05, **fit).fit(X)
    assert len(model.validation_loss_curve_) == model.n_iter_
    assert model.best_loss_ == min(model.validation_loss_curve_)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("topk", "hutchinson")])
def test_lbfgs_lowers_the_loss(kind):
    network = IMAGE if kind in ("l1", "exact") else CONV
    model = of_kind(kind, network, solver="lbfgs", max_iter=5).fit(X)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert not hasattr(model, "partial_fit")


@every_network
def test_bf16_ends_near_float(network):
    rows = X.astype(np.float32)
    fit = {"max_iter": 10, "learning_rate_init": 0.01}
    exact, rounded, again = (
        of_kind("Autoencoder", network, precision=precision, **fit).fit(rows)
        for precision in ("float", "bf16", "bf16")
    )
    assert_same_state(rounded, again)
    assert rounded.loss_curve_ != exact.loss_curve_
    assert rounded.loss_ == pytest.approx(exact.loss_, rel=0.1)
    assert rounded.transform(rows).dtype == np.float32


@every_kind
def test_every_kind_trains_in_bf16(kind):
    model = of_kind(kind, precision="bf16").fit(X.astype(np.float32))
    assert np.isfinite(model.loss_) and np.isfinite(model.score(X))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_weight_decay_is_of_weights_and_not_of_biases(solver):
    """Nothing but it moves weights of a network whose input and output are zero."""
    zeros = np.zeros((40, 48))
    shared = {"solver": solver, "batch_size": 40, "learning_rate_init": 1e-3, "max_iter": 1}
    still, decayed = (
        Autoencoder(3, network=conv(), alpha=alpha, random_state=0, **shared).fit(zeros)
        for alpha in (0.0, 1000.0)
    )
    pairs = [*zip(parameters(still), parameters(decayed), strict=True)]
    for without, with_decay in pairs:
        if without.ndim >= 2:
            assert with_decay.norm() < without.norm()
        elif solver == "sgd":
            torch.testing.assert_close(with_decay, without)


def test_the_decay_is_part_of_the_loss(squared_errors):
    still = {"max_iter": 1, "learning_rate_init": 1e-12, "batch_size": 60}
    model = of_kind("Autoencoder", Normalized(), alpha=0.3, **still).fit(X)
    weights = [p.detach() for p in parameters(model) if p.ndim >= 2]
    decay = 0.15 * sum(float(w.square().sum()) for w in weights)
    expected = squared_errors(X, model.reconstruct(X)).mean() + decay
    assert model.loss_ == pytest.approx(expected, rel=1e-6)


# Specifications are parameters.


def test_clones_and_grid_searches():
    model = of_kind("Autoencoder", clone(CONV))
    copied = clone(model).set_params(network__channels=(2,), network__downsample=None)
    assert model.network.channels == (3, 5)
    assert copied.network.channels == (2,)
    grid = {"network__channels": [(2,), (3, 4)], "network__code": ["vector", "image"]}
    search = GridSearchCV(model, grid, cv=2).fit(X)
    assert set(search.best_params_) == set(grid)
    assert search.best_estimator_.transform(X).shape[0] == 60


def test_own_specifications_are_searched():
    search = GridSearchCV(of_kind("Autoencoder", Normalized()), {"network__width": [2, 8]}, cv=2)
    assert search.fit(X).best_estimator_.network.width in (2, 8)


@every_kind
def test_a_fitted_model_does_not_follow_its_specification(kind):
    channels = [3, 5]
    model = of_kind(kind).set_params(network=ConvNet(SHAPE, channels=channels)).fit(X)
    codes, scores = model.transform(X), model.score_samples(X)
    channels[0] = 7
    model.network.set_params(image_shape=(1, 6, 8), downsample="pool")
    np.testing.assert_array_equal(model.transform(X), codes)
    np.testing.assert_array_equal(model.score_samples(X), scores)
    model.set_params(network=None)
    np.testing.assert_array_equal(model.transform(X), codes)
    np.testing.assert_array_equal(decoded(model, codes), decoded(model, model.transform(X)))


def test_fit_changes_no_specification():
    network = ConvNet(list(SHAPE), channels=[3, 5])
    Autoencoder(3, network=network, **FAST).fit(X)
    assert network.get_params() == ConvNet(list(SHAPE), channels=[3, 5]).get_params()
    assert set(vars(network)) == set(network.get_params())


@pytest.mark.parametrize(
    "changed",
    [
        {"network__channels": (3, 4)},
        {"network__kernel_size": 5},
        {"network__downsample": "pool"},
        {"network__downsample": None},
        {"network__code": "image"},
        {"network__image_shape": (2, 6, 4)},
        {"network": None},
        {"network": Normalized()},
        {"activation": "tanh"},
        {"hidden_layer_sizes": (5,)},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_cannot_go_on_with_another_network(method, changed):
    model = of_kind("Autoencoder", clone(CONV), warm_start=True).fit(X)
    before, codes = fitted_state(model), model.transform(X)
    model.set_params(**changed)
    with pytest.raises(ValueError, match="another network"):
        getattr(model, method)(X)
    assert fitted_state(model) == before
    np.testing.assert_array_equal(model.transform(X), codes)


def test_training_goes_on_with_an_equal_network():
    model = of_kind("Autoencoder", warm_start=True).fit(X)
    model.set_params(network=ConvNet(list(SHAPE), channels=[3, 5])).fit(X)
    assert len(model.loss_curve_) == 4


def test_a_perceptron_cannot_go_on_as_a_convnet():
    model = Autoencoder(3, warm_start=True, **FAST).fit(X)
    with pytest.raises(ValueError, match="another network"):
        model.set_params(network=CONV).fit(X)


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
@every_network
def test_dense_weights_are_not_there(network, name):
    model = of_kind("Autoencoder", network).fit(X)
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match=rf"{name}.*encoder_"):
        getattr(model, name)


# Errors.


def assert_refused(model, match, rows=X, **fit_params):
    """It says why, and nothing is left of the attempt, whether it was fitted before or not."""
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=match):
            getattr(model, method)(rows, **fit_params)
        assert_not_fitted_on(model)
    good = clone(model).set_params(network=None).fit(rows)
    before = fitted_state(good)
    good.set_params(network=model.network)
    with pytest.raises(ValueError, match=match):
        good.fit(rows, **fit_params)
    assert fitted_state(good) == before


def assert_not_fitted_on(model):
    left = set(vars(model)) - set(model.get_params(deep=False))
    assert left <= {"n_features_in_", "feature_names_in_"}
    if not left:
        assert_not_fitted(model)


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({"image_shape": (1, 28, 28)}, (784, 48)),
        ({"image_shape": (3, 4, 6)}, (72, 48)),
        ({"image_shape": (1, 4, 6)}, (24, 48)),
        ({"channels": (2,) * 4}, (4, 3)),
        ({"channels": (2,) * 9, "downsample": "pool"}, (9, 3)),
        ({"image_shape": (48, 1, 1), "channels": (2,)}, (1, 0)),
        ({"image_shape": (1, 1, 48), "channels": (2,) * 7}, (7, 6)),
    ],
    ids=str,
)
def test_shapes_that_do_not_suit_name_both_numbers(params, numbers):
    model = of_kind("Autoencoder", ConvNet(SHAPE).set_params(**params))
    with pytest.raises(ValueError) as caught:
        model.fit(X)
    found = {int(number) for number in re.findall(r"\d+", str(caught.value))}
    assert set(numbers) <= found
    assert_refused(model, "image_shape|channels")


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"channels": (16, 0)}, "channels"),
        ({"channels": (-3,)}, "channels"),
        ({"channels": (2.0,)}, "channels"),
        ({"channels": (True,)}, "channels"),
        ({"channels": ()}, "channels"),
        ({"channels": -16}, "channels"),
        ({"channels": "16"}, "channels"),
        ({"channels": None}, "channels"),
        ({"channels": ((2, 3),)}, "channels"),
        ({"image_shape": (4, 12)}, "image_shape"),
        ({"image_shape": (1, 2, 4, 6)}, "image_shape"),
        ({"image_shape": (-2, -4, 6)}, "image_shape"),
        ({"image_shape": (2, 4, 6.0)}, "image_shape"),
        ({"image_shape": ()}, "image_shape"),
        ({"image_shape": 48}, "image_shape"),
        ({"image_shape": None}, "image_shape"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"kernel_size": -1}, "kernel_size"),
        ({"kernel_size": 3.0}, "kernel_size"),
        ({"kernel_size": (3, 3)}, "kernel_size"),
        ({"kernel_size": None}, "kernel_size"),
        ({"downsample": "strides"}, "downsample"),
        ({"downsample": 2}, "downsample"),
        ({"downsample": True}, "downsample"),
        ({"code": "flat"}, "code"),
        ({"code": None}, "code"),
    ],
    ids=str,
)
def test_a_wrong_parameter_is_named(params, name):
    assert_refused(of_kind("Autoencoder", ConvNet(SHAPE).set_params(**params)), name)


def test_shapes_and_channels_may_be_numpys():
    shape, channels = np.array(SHAPE), np.array([3, 5])
    network = ConvNet(shape, channels=channels, kernel_size=np.int64(3))
    assert_same_state(of_kind("Autoencoder", network).fit(X), of_kind("Autoencoder").fit(X))


@pytest.mark.parametrize("n_columns", [1, 25, 47])
def test_targets_are_images_of_the_same_size(n_columns):
    model, target = of_kind("DenoisingAutoencoder"), np.zeros((60, n_columns))
    with pytest.raises(ValueError, match=rf"24 pixels.*target has {n_columns} columns"):
        model.fit(X, target=target)
    assert_not_fitted_on(model)


@every_kind
def test_x_of_another_width_after_a_fit(kind):
    model = of_kind(kind).fit(X)
    with pytest.raises(ValueError, match="47 features"):
        model.transform(X[:, :47])


@pytest.mark.parametrize("kind", ["Autoencoder", "l1", "DenoisingAutoencoder", "exact", "VAE"])
def test_tied_weights_do_not_go_with_a_network(kind):
    model = of_kind(kind, tied_weights=True)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=r"tied_weights=True.*network=None"):
            getattr(model, method)(X)
        assert_not_fitted_on(model)


def test_the_contractive_autoencoders_default_is_refused_with_its_remedy():
    with pytest.raises(ValueError, match="set tied_weights=False"):
        ContractiveAutoencoder(3, network=CONV, **FAST).fit(X)


@pytest.mark.parametrize("network", [3, "ConvNet", ConvNet, nn.Linear(48, 4), {}], ids=str)
def test_a_network_must_be_a_specification(network):
    """With `build`; the class is none, as it is not made yet."""
    with pytest.raises((ValueError, TypeError)):
        Autoencoder(3, network=network, **FAST).fit(X)


REFUSED = {
    "decoder's width": (lambda i, o: (nn.Linear(i, 4), nn.Linear(4, o + 1)), "decoder gives"),
    "encoder's shapes": (lambda i, o: (nn.Linear(i + 1, 4), nn.Linear(4, o)), "encoder"),
    "decoder's shapes": (lambda i, o: (nn.Linear(i, 4), nn.Linear(5, o)), "decoder"),
    "dropout": (
        lambda i, o: (nn.Sequential(nn.Linear(i, 4), nn.Dropout()), nn.Linear(4, o)),
        "Dropout",
    ),
    "batch normalization": (
        lambda i, o: (nn.Sequential(nn.Linear(i, 4), nn.BatchNorm1d(4)), nn.Linear(4, o)),
        "BatchNorm1d",
    ),
}


@pytest.mark.parametrize(("make", "match"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("kind", ["Autoencoder", "DenoisingAutoencoder", "VAE"])
def test_own_modules_that_do_not_suit(kind, make, match):
    assert_refused(of_kind(kind, Own(make)), match)


@pytest.mark.parametrize("built", [None, nn.Linear(48, 4), (nn.Linear(48, 4), None)], ids=str)
def test_build_must_return_a_pair(built):
    model = of_kind("Autoencoder", Own(lambda i, o: built))
    for method in ("fit", "partial_fit"):
        with pytest.raises((TypeError, ValueError), match=r"Own\.build must return a pair"):
            getattr(model, method)(X)
        assert_not_fitted_on(model)


def test_an_error_of_build_is_its_own():
    def make(n_inputs, n_outputs):
        raise ZeroDivisionError("of the user")

    model = of_kind("Autoencoder", Own(make))
    with pytest.raises(ZeroDivisionError, match="of the user"):
        model.fit(X)
    assert_not_fitted_on(model)


class Transposed(nn.Module):
    """Its output is no longer contiguous."""

    def forward(self, x):
        return x.t().contiguous().t()


class OwnDecoder(BaseEstimator):
    """A dense hidden layer each way, the decoder's of a given kind."""

    def __init__(self, make):
        self.make = make

    def build(self, n_features, *, n_inputs, n_outputs, activation):
        return nn.Linear(n_inputs, 5), self.make(n_outputs)


def test_decoders_may_give_any_layout():
    def make(n_outputs):
        return nn.Sequential(nn.Linear(5, n_outputs), Transposed())

    setting, x = {"max_iter": 2, "random_state": 0}, UNIT_X
    plain = Autoencoder(3, network=OwnDecoder(lambda n: nn.Linear(5, n)), **setting).fit(x)
    other = Autoencoder(3, network=OwnDecoder(make), **setting).fit(x)
    np.testing.assert_allclose(other.transform(x), plain.transform(x), rtol=1e-9)


@pytest.mark.parametrize("sparsity", ["l1", "topk"])
def test_atoms_that_cannot_be_bounded_are_refused(sparsity):
    network = OwnDecoder(lambda n: nn.utils.parametrizations.weight_norm(nn.Linear(5, n)))
    sparse = SparseAutoencoder(4, sparsity=sparsity, n_active=2, network=network, max_iter=1)
    with pytest.raises(ValueError, match="weight_norm"):
        sparse.fit(UNIT_X)
    sparse.set_params(sparsity="kl").fit(UNIT_X)
