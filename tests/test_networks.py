"""What a `ConvNet` builds, and that estimators compute what their modules do."""

from copy import deepcopy
from dataclasses import replace
from math import ceil, prod

import numpy as np
import pytest
import torch
from helpers import NEVER_STOP, may_be_dead, may_collapse
from small_networks import (
    FAST,
    IMAGE,
    KINDS,
    SHAPE,
    Own,
    X,
    both_codes,
    built,
    conv,
    decoded,
    encoded,
    every_kind,
    of_kind,
    residuals,
)
from torch import nn

from skae import Autoencoder, DenoisingAutoencoder
from skae._engine.activations import ACTIVATIONS
from skae.networks import ConvNet

pytestmark = [
    may_be_dead,
    may_collapse,
    pytest.mark.filterwarnings("ignore:The samples show no structure:UserWarning"),
]

every_downsampling = pytest.mark.parametrize("downsample", ["stride", "pool", None])


def images(shape, n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, prod(shape), generator=generator)


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
