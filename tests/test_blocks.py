"""Layers of other kinds around a perceptron: what is described, built, differentiated, refused."""

import pickle
import threading
from dataclasses import replace
from functools import partial
from math import prod

import pytest
import torch
from helpers import in_threads, normal
from sklearn.base import BaseEstimator
from torch import nn
from torch.nn import functional

from skae._engine.blocks import (
    Block,
    PerPixel,
    describe,
    describe_pair,
    inputs_axis,
    own_randomness,
)
from skae._engine.initial import initial_network
from skae._engine.modules import decoder_module, encoder_module
from skae._engine.network import Network
from skae._engine.perceptron import Perceptron
from skae._engine.tape import Tape

EXACT = {"rtol": 1e-9, "atol": 1e-11}


class Tables(nn.Module):
    """Parameters of no, one, two, three and four axes, and a buffer; elementwise on (n, 6)."""

    def __init__(self):
        super().__init__()
        self.scalar = nn.Parameter(torch.rand(()) + 0.5)
        self.kernel = nn.Parameter(torch.rand(2, 3, 1, 2))
        self.table = nn.Parameter(torch.rand(3, 2))
        self.row = nn.Parameter(torch.rand(6))
        self.cube = nn.Parameter(torch.rand(1, 2, 3))
        self.register_buffer("offset", torch.arange(6.0))

    def forward(self, x):
        kernel = self.kernel.sum(dim=(2, 3)).flatten()
        scale = self.scalar * kernel * self.table.flatten() * self.cube.flatten()
        return torch.tanh(x * scale + self.row + self.offset)


def tables_back(n_outputs=6):
    return nn.Sequential(Tables(), nn.Linear(6, n_outputs))


def dense_front():
    return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Tanh())


def dense_back(n_outputs=6):
    return nn.Sequential(nn.LayerNorm(5), nn.Linear(5, n_outputs))


def conv_front():
    """(n, 2 * 2 * 3) to an image (n, 4, 2, 3)."""
    return nn.Sequential(nn.Unflatten(1, (2, 2, 3)), nn.Conv2d(2, 4, 3, padding=1), nn.ELU())


def conv_back(n_channels=2):
    return nn.Sequential(nn.ConvTranspose2d(4, n_channels, 3, padding=1), nn.Flatten())


def flat_conv_front():
    """(n, 12) to the features (n, 24) of all pixels."""
    return nn.Sequential(*conv_front(), nn.Flatten())


def flat_conv_back(n_channels=2):
    return nn.Sequential(nn.Unflatten(1, (4, 2, 3)), *conv_back(n_channels))


def signal_front():
    return nn.Sequential(nn.Unflatten(1, (2, 6)), nn.Conv1d(2, 4, 3, padding=1), nn.Tanh())


def signal_back(n_channels=2):
    return nn.Sequential(nn.Conv1d(4, n_channels, 3, padding=1), nn.Flatten())


def relu_front():
    """It rectifies and pools in place of what it has computed, as `ConvNet` does."""
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True)]
    return nn.Sequential(nn.Unflatten(1, (2, 2, 3)), *layers)


def relu_back(n_channels=2):
    return nn.Sequential(nn.Upsample(size=(2, 3)), *conv_back(n_channels))


# Front, back, the encoder's sizes from the features on, and what the decoder gives at last.
AROUND = {
    "dense": (dense_front, dense_back, (5, 4, 3), 6),
    "tables": (Tables, tables_back, (6, 4, 3), 6),
    "features of an image": (flat_conv_front, flat_conv_back, (24, 5, 3), 12),
    "image": (conv_front, conv_back, (4, 5, 3), 12),
    "image, one layer": (conv_front, conv_back, (4, 3), 12),
    "signal": (signal_front, signal_back, (4, 3), 12),
    "pooled": (relu_front, relu_back, (4, 3), 12),
}
every_front = pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)


def perceptron_of(around, heads=1):
    """A perceptron between front and back; with two heads, two of both kinds."""
    front, back, sizes, width = around
    if heads == 2:  # a convolution's are channels
        back = partial(back, 2 * width if width == 6 else 4)
    n_layers = len(sizes) - 1
    front = describe(front, (width,))
    return Perceptron(
        sizes,
        ("tanh",) * (n_layers - 1) + ("elu",),
        ("tanh",) * n_layers + ("identity",),
        (False,) * n_layers,
        code_heads=heads,
        output_heads=heads,
        n_extra=heads - 1,
        front=front,
        back=describe(back, front.shape_out),
    )


both_heads = pytest.mark.parametrize("heads", [1, 2], ids=["one head", "two heads"])


def random_weights(perceptron, seed=0):
    return 0.5 * normal(perceptron.length, seed=seed)


def rows(perceptron, n=7, seed=1):
    return normal(n, perceptron.n_inputs, seed=seed)


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


# What is described.


def test_a_block_knows_its_shapes():
    block = describe(conv_front, (12,))
    assert (block.shape_in, block.shape_out) == ((12,), (4, 2, 3))
    assert block.shapes == ((4, 2, 3, 3), (4,))
    assert block.width == 24  # 4 channels of 6 pixels


def test_blocks_are_the_same_if_their_layers_are():
    block = describe(conv_front, (12,))
    assert block == describe(lambda: conv_front(), (12,))
    assert hash(block) == hash(describe(lambda: conv_front(), (12,)))
    assert block != describe(flat_conv_front, (12,))
    assert describe(dense_back, (5,)) != describe(partial(dense_back, 7), (5,))


def test_a_block_is_named_by_its_layers_in_one_line():
    text = str(describe(conv_front, (12,)))
    assert "\n" not in text and "Conv2d(2, 4, kernel_size=(3, 3)" in text and "ELU" in text


def test_larger_images_are_more_work():
    def front(size):
        return describe(
            lambda: nn.Sequential(nn.Unflatten(1, (1, size, size)), nn.Conv2d(1, 4, 3)), (size**2,)
        )

    small, large = front(8), front(16)
    assert large.n_products > small.n_products > 0
    assert large.width > small.width


def test_a_block_without_parameters():
    block = describe(lambda: nn.Unflatten(1, (2, 3)), (6,))
    assert (block.shapes, block.shape_out, block.n_products) == ((), (2, 3), 0)


def test_layers_with_a_state_can_be_described():
    """An LSTM gives more than a tensor; what it is a part of gives one."""

    class LastState(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(2, 5, batch_first=True)

        def forward(self, x):
            return self.lstm(x.view(-1, 3, 2))[0][:, -1]

    block = describe(LastState, (6,))
    assert block.shape_out == (5,)
    assert sum(map(prod, block.shapes)) == sum(p.numel() for p in LastState().parameters())


@pytest.mark.parametrize(
    ("layer", "outputs", "inputs"),
    [
        (nn.Linear(3, 5), 5, 3),
        (nn.Conv1d(3, 5, 2), 5, 3),
        (nn.Conv2d(3, 5, 2), 5, 3),
        (nn.ConvTranspose1d(3, 5, 2), 5, 3),
        (nn.ConvTranspose2d(3, 5, 2), 5, 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_axis_of_the_inputs_of_a_layer(layer, outputs, inputs):
    axis = inputs_axis(layer)
    assert (layer.weight.shape[1 - axis], layer.weight.shape[axis]) == (outputs, inputs)


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.LayerNorm(3), nn.Flatten(), nn.GroupNorm(1, 3)])
def test_layers_without_weights(layer):
    assert inputs_axis(layer) is None


# What is built of it.


@every_front
@both_heads
def test_all_tensors_together_are_the_flat_vector(heads, around):
    """Each number belongs to one tensor, those that decay come first in their part."""
    perceptron = perceptron_of(around, heads)
    flat = torch.arange(perceptron.length, dtype=torch.float64)
    network = Network(perceptron, flat)
    tensors = [*network.encoder_tensors, *network.decoder_tensors, network.extra]
    numbers = torch.cat([tensor.detach().flatten() for tensor in tensors])
    n_numbers = perceptron.n_parameters + perceptron.n_inputs  # and the origin, not trained
    assert len(numbers) == len(numbers.unique()) == n_numbers
    decaying = torch.cat([flat[part] for part in perceptron.layout.weights.values()])
    for tensor in tensors:
        assert (torch.isin(tensor, decaying) == (tensor.ndim >= 2)).all()


@every_front
def test_a_modules_parameters_are_the_flat_vectors(around):
    """They share its memory, and their gradients that of its gradient."""
    perceptron = perceptron_of(around)
    flat = random_weights(perceptron)
    gradient = torch.zeros_like(flat)
    network = Network(perceptron, flat, gradient)
    before = network.encode(rows(perceptron)).detach()
    network.encode(rows(perceptron)).sum().backward()
    for parameter in network.front.parameters():
        assert parameter.dtype == torch.float64
        start, end = gradient.data_ptr(), gradient.data_ptr() + 8 * len(gradient)
        assert start <= parameter.grad.data_ptr() < end
        assert parameter.grad.any()
    flat.mul_(2.0)
    assert not torch.equal(network.encode(rows(perceptron)), before)


@every_front
def test_weights_start_as_the_constructors_draw_them(around):
    front, back, _, width = around
    for source, shape in ((front, (width,)), (back, describe(front, (width,)).shape_out)):
        block = describe(source, shape)
        with own_randomness(3):
            expected = list(source().parameters())
        for value, wanted in zip(block.initial_values(3), expected, strict=True):
            assert torch.equal(value, wanted) and not value.requires_grad


@every_front
def test_initial_weights_are_the_generators(around):
    perceptron = perceptron_of(around)
    network, same, others = (
        initial_network(perceptron, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(network.flat, same.flat) and network.flat.dtype == torch.float64
    for block, other_block in ((network.front, others.front), (network.back, others.back)):
        pairs = zip(block.parameters(), other_block.parameters(), strict=True)
        # Layer normalization starts as the identity, whatever the seed.
        assert any(not torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_buffers_have_the_dtype_of_the_weights(dtype):
    perceptron = perceptron_of(AROUND["tables"])
    network = Network(perceptron, random_weights(perceptron).to(dtype))
    assert network.front.offset.dtype == dtype
    assert network.encode(rows(perceptron).to(dtype)).dtype == dtype


class Twice(nn.Module):
    """Two layers that share their weights."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def test_a_parameter_used_twice_is_one():
    block = describe(Twice, (6,))
    assert block.shapes == ((6, 6), (6,), (6,))
    perceptron = perceptron_of((Twice, tables_back, (6, 4, 3), 6))
    network, x = Network(perceptron, random_weights(perceptron)), rows(perceptron)
    weight, *biases = network.front.parameters()
    assert network.front.first.weight is network.front.second.weight
    h = torch.tanh(functional.linear(x - network.origin, weight, biases[0]))
    expected = functional.linear(h, weight)
    torch.testing.assert_close(network.features(x), expected + biases[1])
    assert_same_gradient(perceptron, lambda network: through_both(network, x))


def test_modules_are_as_after_training():
    perceptron = perceptron_of(AROUND["dense"])
    network = Network(perceptron, random_weights(perceptron))
    modules = (network.front, network.back, encoder_module(network), decoder_module(network))
    assert not any(layer.training for module in modules[:2] for layer in module.modules())


# Randomness.


def test_the_global_generator_is_left_as_it_was():
    before = torch.get_rng_state()
    with own_randomness(0):
        one = torch.rand(3)
    with own_randomness(0):
        same = torch.rand(3)
    assert torch.equal(one, same)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_error_leaves_the_global_generator_as_it_was():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), own_randomness(0):
        torch.rand(3)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), before)


def test_other_threads_keep_their_global_generator():
    torch.manual_seed(5)
    expected = [torch.rand(()).item() for _ in range(2000)]
    torch.manual_seed(5)
    started, ended = threading.Event(), threading.Event()

    def build():
        while not ended.is_set():
            with own_randomness(1):
                nn.Linear(8, 8)
            started.set()

    thread = threading.Thread(target=build)
    thread.start()
    started.wait(timeout=30)
    found = [torch.rand(()).item() for _ in range(2000)]
    ended.set()
    thread.join()
    assert found == expected


CONSTRUCTORS = [
    lambda: nn.Conv2d(2, 3, 3).weight,
    lambda: nn.MultiheadAttention(4, 2).in_proj_weight,
    lambda: nn.LSTM(3, 2).weight_hh_l0,
    lambda: nn.init.orthogonal_(torch.empty(3, 3)),
    lambda: nn.init.trunc_normal_(torch.empty(4)),
    lambda: torch.randn(3),
    lambda: torch.rand_like(torch.zeros(3)),
    lambda: torch.randperm(7),
    lambda: torch.randint(5, (3,)),
    lambda: torch.multinomial(torch.ones(4), 2),
]


@pytest.mark.parametrize("draw", CONSTRUCTORS)
def test_own_draws_are_those_of_a_seeded_generator(draw):
    torch.manual_seed(3)
    expected = draw()
    with own_randomness(3):
        assert torch.equal(draw(), expected)


def test_threads_draw_by_themselves():
    def draw(number):
        drawn = []
        for _ in range(50):
            with own_randomness(number):
                drawn.append(torch.cat([torch.rand(10) for _ in range(3)]))
        return drawn

    before = torch.get_rng_state()
    for number, drawn in enumerate(in_threads(4, draw)):
        expected = torch.rand(30, generator=torch.Generator().manual_seed(number))
        assert all(torch.equal(found, drawn[0]) for found in drawn)
        torch.testing.assert_close(drawn[0][:10], expected[:10])
    assert torch.equal(torch.get_rng_state(), before)


def test_modules_are_made_on_the_cpu_whatever_the_default_device():
    with torch.device("meta"):
        block = describe(conv_front, (12,))
        values = block.initial_values(0)
    assert all(value.device.type == "cpu" for value in values)


@pytest.mark.parametrize("around", [AROUND["dense"], AROUND["image"]], ids=["dense", "image"])
def test_the_default_dtype_does_not_keep_from_describing(around):
    front, _, _, width = around
    expected = describe(front, (width,))
    torch.set_default_dtype(torch.float64)
    try:
        found = describe(front, (width,))
    finally:
        torch.set_default_dtype(torch.float32)
    assert found == expected


# What networks compute.


@every_front
@both_heads
def test_encode_is_front_and_dense_layers_and_the_encoder_module(heads, around):
    perceptron = perceptron_of(around, heads)
    network, x = Network(perceptron, random_weights(perceptron)), rows(perceptron)
    h = network.front(x - network.origin)
    if h.ndim > 2:  # 1 x 1 convolutions
        h = h.flatten(2).mT
    for number, (weight, bias) in enumerate(
        zip(network.encoder_weights, network.encoder_biases, strict=True), start=1
    ):
        h = functional.linear(h, weight, bias)
        h = torch.tanh(h) if number < len(network.encoder_weights) else h
    outputs = [part.mT.flatten(1) if part.ndim == 3 else part for part in h.chunk(heads, dim=-1)]
    outputs[0] = functional.elu(outputs[0])
    module = as_tuple(encoder_module(network)(x))
    for found, by_module, wanted in zip(as_tuple(network.encode(x)), module, outputs, strict=True):
        assert found.shape == (7, prod(perceptron.code_shape))
        torch.testing.assert_close(found, wanted, **EXACT)
        torch.testing.assert_close(by_module, wanted, **EXACT)


@every_front
@both_heads
def test_reconstruct_equals_the_decoder_module(heads, around):
    perceptron = perceptron_of(around, heads)
    network = Network(perceptron, random_weights(perceptron))
    code = normal(7, prod(perceptron.code_shape))
    found = network.reconstruct(code)
    assert found.shape == (7, perceptron.n_outputs) == (7, around[3])
    torch.testing.assert_close(found, decoder_module(network)(code), **EXACT)


@every_front
@both_heads
def test_codes_may_have_leading_dimensions(heads, around):
    """As the several draws of a VAE do."""
    perceptron = perceptron_of(around, heads)
    network = Network(perceptron, random_weights(perceptron))
    codes = normal(4, 7, prod(perceptron.code_shape))
    whole = as_tuple(network.decode(codes))
    for number, code in enumerate(codes):
        for found, wanted in zip(whole, as_tuple(network.decode(code)), strict=True):
            torch.testing.assert_close(found[number], wanted, **EXACT)


def test_modules_are_copies():
    perceptron = perceptron_of(AROUND["image"])
    network = Network(perceptron, random_weights(perceptron))
    before = network.flat.clone()
    for module in (encoder_module(network), decoder_module(network)):
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                assert parameter.requires_grad or name.endswith("origin")
                parameter.zero_()
    assert torch.equal(network.flat, before)


def test_dense_layers_at_each_pixel_are_convolutions_of_one_pixel():
    linear, convolution, image = nn.Linear(4, 3), nn.Conv2d(4, 3, 1), torch.randn(5, 4, 2, 3)
    with torch.no_grad():
        convolution.weight.copy_(linear.weight[:, :, None, None])
        convolution.bias.copy_(linear.bias)
    torch.testing.assert_close(PerPixel(linear)(image), convolution(image))


def test_units_of_an_image_code_are_its_pixels():
    perceptron = perceptron_of(AROUND["image"])
    network, code = Network(perceptron, random_weights(perceptron)), normal(7, 3 * 6)
    units = network.units(code)
    assert units.shape == (7 * 6, 3)
    image = code.view(7, 3, 2, 3)
    torch.testing.assert_close(units[2 * 6 + 1 * 3 + 2], image[2, :, 1, 2])


# The tape's gradients are autograd's.


def tape_of(perceptron, flat, gradient):
    return Tape(Network(perceptron, flat), gradient)


def gradient_of(kind, perceptron, objective):
    flat = random_weights(perceptron)
    gradient = torch.zeros_like(flat)
    network = kind(perceptron, flat, gradient)
    value = objective(network)
    if kind is Network:
        value.backward()
    else:
        with torch.no_grad():
            network.backward(value)
    return value.detach(), gradient


def assert_same_gradient(perceptron, objective):
    expected_value, expected = gradient_of(Network, perceptron, objective)
    value, gradient = gradient_of(tape_of, perceptron, objective)
    assert expected.any()
    torch.testing.assert_close(value, expected_value, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected, **EXACT)


def weighted(*tensors):
    """Some scalar that depends on every entry of each in another way."""
    return sum(
        (tensor.square() * normal(*tensor.shape, seed=number)).sum()
        for number, tensor in enumerate(tensors)
    )


def through_both(network, x):
    code, *others = as_tuple(network.encode(x))
    return weighted(*as_tuple(network.decode(code)), *others)


def through_encoder(network, x):
    return weighted(*as_tuple(network.encode(x)))


def several_draws(network, x):
    """As a VAE has them: codes with a dimension more, which depend on the encoder."""
    code = as_tuple(network.encode(x))[0]
    draws = code + 0.1 * normal(3, *code.shape)
    return weighted(*as_tuple(network.decode(draws)))


def twice(network, x):
    """Rows are encoded, decoded and encoded again."""
    output = as_tuple(network.decode(as_tuple(network.encode(x))[0]))[0]
    return weighted(output, *as_tuple(network.encode(output)))


def with_slopes(network, x):
    code, slopes = network.encode_with_slopes(network.features(x))
    return weighted(code, *slopes) + weighted(*as_tuple(network.decode(code)))


@pytest.mark.parametrize("objective", [through_both, through_encoder, several_draws, twice])
@both_heads
@every_front
def test_gradients_are_autograds(around, heads, objective):
    perceptron = perceptron_of(around, heads)
    x = rows(perceptron)
    assert_same_gradient(perceptron, lambda network: objective(network, x))


@every_front
def test_gradients_through_slopes_are_autograds(around):
    perceptron = perceptron_of(around)
    x = rows(perceptron)
    assert_same_gradient(perceptron, lambda network: with_slopes(network, x))


@every_front
def test_gradients_at_a_decoder_alone_are_autograds(around):
    perceptron = perceptron_of(around)
    code = normal(7, prod(perceptron.code_shape))
    assert_same_gradient(perceptron, lambda network: weighted(network.decode(code)))


def test_rows_are_not_changed():
    perceptron = perceptron_of(AROUND["pooled"])
    x = rows(perceptron)
    before = x.clone()
    gradient_of(tape_of, perceptron, lambda network: through_both(network, x))
    assert torch.equal(x, before)


def test_bf16_rounds_in_convolutions_too():
    perceptron = perceptron_of(AROUND["image"])
    flat = random_weights(perceptron).float()
    x = rows(perceptron).float()
    exact = Network(perceptron, flat).features(x)
    rounded = Tape(Network(perceptron, flat), torch.zeros_like(flat), torch.bfloat16).features(x)
    assert rounded.dtype == torch.float32
    difference = (rounded - exact).abs().max()
    assert 0 < difference < 0.02 * exact.abs().max()


# What a specification may not build.


class Spec(BaseEstimator):
    """Builds what a function of the widths returns."""

    def __init__(self, make):
        self.make = make

    def build(self, n_features, *, n_inputs, n_outputs, activation):
        return self.make(n_inputs, n_outputs)


class FourWide(BaseEstimator):
    """It may be pickled."""

    def build(self, n_features, *, n_inputs, n_outputs, activation):
        return nn.Linear(n_inputs, 4), nn.Linear(4, n_outputs)


def pair(make, n_inputs=6, n_outputs=6):
    return describe_pair(
        Spec(make),
        n_features=6,
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        activation="relu",
    )


def test_a_pair_is_described_by_what_it_makes_of_rows():
    front, back = pair(lambda i, o: (nn.Linear(i, 4), nn.Linear(4, o)), n_inputs=12, n_outputs=9)
    assert isinstance(front, Block)
    assert (front.shape_in, front.shape_out) == ((12,), (4,))
    assert (back.shape_in, back.shape_out) == ((4,), (9,))


def test_a_block_may_be_pickled():
    widths = {"n_features": 6, "n_inputs": 6, "n_outputs": 6}
    block, _ = describe_pair(FourWide(), **widths, activation="relu")
    loaded = pickle.loads(pickle.dumps(block))
    assert loaded == block
    for value, wanted in zip(loaded.initial_values(5), block.initial_values(5), strict=True):
        assert torch.equal(value, wanted)


@pytest.mark.parametrize(
    "built",
    [
        None,
        nn.Linear(6, 4),
        (nn.Linear(6, 4),),
        (nn.Linear(6, 4), nn.Linear(4, 6), nn.Linear(4, 6)),
        (nn.Linear(6, 4), "a decoder"),
        [nn.Linear(6, 4), nn.Linear(4, 6)],
    ],
    ids=["None", "one", "tuple of one", "three", "no module", "list"],
)
def test_build_must_return_two_modules(built):
    with pytest.raises(TypeError, match=r"Spec\.build must return a pair"):
        pair(lambda i, o: built)


def test_a_decoder_of_another_width():
    with pytest.raises(ValueError, match=r"Spec's decoder returns rows of shape \(7,\).*\(6,\)"):
        pair(lambda i, o: (nn.Linear(i, 4), nn.Linear(4, o + 1)))


def test_an_encoder_that_does_not_take_rows():
    with pytest.raises(ValueError, match=r"Spec's encoder fails with rows of shape \(6,\)"):
        pair(lambda i, o: (nn.Linear(5, 4), nn.Linear(4, o)))


def test_a_decoder_that_does_not_take_what_the_encoder_gives():
    with pytest.raises(ValueError, match=r"Spec's decoder fails with rows of shape \(4,\)"):
        pair(lambda i, o: (nn.Linear(i, 4), nn.Linear(5, o)))


class Pair(nn.Module):
    """It gives more than one tensor."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x), self.layer(x)


class FirstAxisOnly(nn.Module):
    def forward(self, x):
        return x.sum(dim=1)


@pytest.mark.parametrize(
    "encoder",
    [Pair(nn.Linear(6, 4)), FirstAxisOnly(), nn.Flatten(0), nn.LSTM(6, 4)],
    ids=["pair", "no columns", "one row of all", "LSTM"],
)
def test_an_encoder_must_give_a_row_of_features_for_each_row(encoder):
    with pytest.raises(ValueError, match="Spec's encoder"):
        pair(lambda i, o: (encoder, nn.Linear(4, o)))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Dropout(0.1),
        nn.AlphaDropout(0.1),
        nn.BatchNorm1d(4),
        nn.BatchNorm1d(4, track_running_stats=False),
    ],
    ids=["dropout", "alpha dropout", "batch normalization", "that of each batch"],
)
@pytest.mark.parametrize("part", [0, 1], ids=["encoder", "decoder"])
def test_layers_that_differ_in_training_are_refused(part, layer):
    """Rows would also depend on others of their batch, had it no running statistics."""

    def make(i, o):
        parts = [nn.Linear(i, 4), nn.Linear(4, o)]
        parts[part] = nn.Sequential(layer, parts[part]) if part else nn.Sequential(parts[0], layer)
        return tuple(parts)

    with pytest.raises(ValueError, match=rf"{type(layer).__name__}.*leave it out"):
        pair(make)


def test_encoder_and_decoder_may_not_share_parameters():
    def make(i, o):
        encoder, decoder = nn.Linear(i, i), nn.Linear(i, o)
        decoder.weight = encoder.weight
        return encoder, decoder

    with pytest.raises(ValueError, match=r"Spec builds .* that share parameters"):
        pair(make)


def test_another_back_is_another_network():
    perceptron = perceptron_of(AROUND["dense"])
    other = describe(lambda: nn.Sequential(nn.Linear(5, 6)), (5,))
    assert perceptron == perceptron_of(AROUND["dense"])
    assert perceptron != replace(perceptron, back=other)
    assert "LayerNorm" in str(perceptron) and "LayerNorm" not in str(other)
