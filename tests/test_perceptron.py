"""The perceptron against plain torch modules and autograd."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from skae._engine.activations import ACTIVATIONS, TopK
from skae._engine.initial import initial_network
from skae._engine.modules import decoder_module, encoder_module
from skae._engine.network import Network, fold_origin
from skae._engine.perceptron import ALIGNMENT, Perceptron, output_layer
from skae._engine.stack import stack, stacked_tensors

DEEP = Perceptron((6, 5, 3), ("tanh", "logistic"), ("softplus", "identity"), (False, False))
TIED = Perceptron((6, 5, 3), ("relu", "identity"), ("elu", "logistic"), (True, True))
HALF_TIED = Perceptron((6, 5, 3), ("relu", "identity"), ("gelu", "identity"), (True, False))
TWO_HEADS = Perceptron((6, 5, 3), ("tanh", "elu"), ("tanh", "identity"), (False,) * 2, 2, 1, 1)
TIED_HEADS = Perceptron((6, 5, 3), ("tanh", "elu"), ("tanh", "identity"), (True,) * 2, 2, 1, 1)
SHALLOW = Perceptron((6, 9), ("logistic",), ("identity",), (False,))
TOP = Perceptron((6, 5, 9), ("tanh", TopK("relu", 3)), ("tanh", "identity"), (False,) * 2)
TIED_TOP = Perceptron((6, 9), (TopK("identity", 2),), ("identity",), (True,))
NARROW_OUTPUT = replace(HALF_TIED, decoder_sizes=(3, 5, 4))
WIDE_OUTPUT = replace(DEEP, decoder_sizes=(3, 5, 8))
CLASSIFIER = replace(DEEP, decoder_activations=("softmax",), tied=(False,), decoder_sizes=(3, 4))
OUTPUT_LAYER = Perceptron((6,), (), ("identity",), (False,), decoder_sizes=(6, 4))
PERCEPTRONS = [
    *(DEEP, TIED, HALF_TIED, TWO_HEADS, TIED_HEADS, SHALLOW),
    *(TOP, TIED_TOP, NARROW_OUTPUT, WIDE_OUTPUT, CLASSIFIER, OUTPUT_LAYER),
]

every_perceptron = pytest.mark.parametrize("perceptron", PERCEPTRONS, ids=str)
every_encoder = pytest.mark.parametrize(
    "perceptron", [p for p in PERCEPTRONS if p.has_encoder], ids=str
)
every_activation = pytest.mark.parametrize("name", ACTIVATIONS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


def random_network(perceptron, gradient=None, seed=0):
    """With biases that are not zero, so that none can be forgotten."""
    return Network(perceptron, 0.5 * normal(perceptron.length, seed=seed), gradient)


def as_tuple(output):
    return output if isinstance(output, tuple) else (output,)


@every_encoder
def test_encode_equals_the_encoder_module(perceptron):
    network, x = random_network(perceptron), normal(20, 6)
    encoded, expected = as_tuple(network.encode(x)), as_tuple(encoder_module(network)(x))
    assert len(encoded) == perceptron.code_heads
    for found, wanted in zip(encoded, expected, strict=True):
        assert found.shape == (20, perceptron.sizes[-1])
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-14)


@every_perceptron
def test_reconstruct_equals_the_decoder_module(perceptron):
    network, code = random_network(perceptron), normal(20, perceptron.sizes[-1])
    expected = decoder_module(network)(code)
    torch.testing.assert_close(network.reconstruct(code), expected, rtol=0, atol=1e-14)


@every_perceptron
def test_decode_is_the_reconstruction_before_its_activation(perceptron):
    network, code = random_network(perceptron), normal(20, perceptron.sizes[-1])
    expected = decoder_module(network)[:-1](code)
    torch.testing.assert_close(network.decode(code), expected, rtol=0, atol=1e-14)


def test_the_encoder_is_the_formula_of_its_weights():
    network, x = random_network(DEEP), normal(20, 6)
    (w1, w2), (b1, b2) = network.encoder_weights, network.encoder_biases
    expected = torch.sigmoid(torch.tanh((x - network.origin) @ w1.T + b1) @ w2.T + b2)
    torch.testing.assert_close(network.encode(x), expected)


def test_the_code_activation_spares_the_second_head():
    network, x = random_network(TWO_HEADS), 5 * normal(20, 6)
    (w1, w2), (b1, b2) = network.encoder_weights, network.encoder_biases
    output = torch.tanh((x - network.origin) @ w1.T + b1) @ w2.T + b2
    first, second = network.encode(x)
    torch.testing.assert_close(first, torch.nn.functional.elu(output[:, :3]))
    torch.testing.assert_close(second, output[:, 3:])


@every_encoder
def test_completed_networks_compute_the_same(perceptron):
    network, completed = random_network(perceptron), random_network(perceptron).completed()
    x = normal(20, 6)
    expected, found = as_tuple(network.encode(x)), as_tuple(completed.encode(x))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(network.origin, completed.origin, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_completed_networks_give_outputs_in_other_units(dtype):
    """The last layer alone is another, of the same dtype; what was trained is as before."""
    layer = output_layer(3, 2, "identity")
    flat = normal(layer.length).to(dtype)
    network, before, codes = Network(layer, flat), flat.clone(), normal(20, 3).to(dtype)
    scale, offset = np.array([1e6, 1e-3]), np.array([0.0, 51.5])
    found = Network(layer, flat).completed((scale, offset)).decode(codes)
    assert found.dtype == dtype
    expected = network.decode(codes) * torch.tensor(scale) + torch.tensor(offset)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(flat, before)


def test_the_first_layer_of_counts_gets_their_logarithms():
    network = random_network(replace(DEEP, log_inputs=True))
    counts = normal(20, 6).abs()
    by_module = encoder_module(network)(counts)
    plain = Network(DEEP, network.flat)
    torch.testing.assert_close(network.encode(counts), plain.encode(torch.log1p(counts)))
    torch.testing.assert_close(by_module, network.encode(counts))


@every_encoder
def test_a_module_holds_copies(perceptron):
    network, x = random_network(perceptron), normal(20, 6)
    before = as_tuple(network.encode(x))[0]
    with torch.no_grad():
        for parameter in encoder_module(network).parameters():
            parameter.zero_()
    assert torch.equal(as_tuple(network.encode(x))[0], before)


def test_building_modules_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    network = random_network(TIED_HEADS)
    encoder_module(network), decoder_module(network)
    assert torch.equal(torch.random.get_rng_state(), before)


@every_activation
def test_function_and_layer_of_an_activation_agree(name):
    a = torch.linspace(-30, 30, 501, dtype=torch.float64)
    activation = ACTIVATIONS[name]
    torch.testing.assert_close(activation.function(a), activation.layer()(a), rtol=0, atol=1e-14)


@every_activation
def test_slope_equals_autograd(name):
    # Without 0, where kinks are; beyond 20 torch's softplus is linear, 2e-9 off its slope.
    a = torch.linspace(-18, 18, 500, dtype=torch.float64).requires_grad_()
    h = ACTIVATIONS[name].function(a)
    (expected,) = torch.autograd.grad(h.sum(), a)
    slope = ACTIVATIONS[name].slope(a.detach(), h.detach())
    torch.testing.assert_close(slope, expected, rtol=0, atol=1e-10)


@every_activation
def test_slope_of_extreme_inputs_is_their_limit(name):
    a = torch.tensor([-1e3, 1e3], dtype=torch.float64)
    activation = ACTIVATIONS[name]
    expected = {"identity": [1.0, 1.0], "logistic": [0.0, 0.0], "tanh": [0.0, 0.0]}
    assert activation.slope(a, activation.function(a)).tolist() == expected.get(name, [0.0, 1.0])


@every_activation
def test_slope_has_the_derivative_that_autograd_has(name):
    a = torch.linspace(-8, 8, 500, dtype=torch.float64).requires_grad_()
    h = ACTIVATIONS[name].function(a)
    (slope,) = torch.autograd.grad(h.sum(), a, create_graph=True)
    expected = derivative(slope, a)
    found = derivative(ACTIVATIONS[name].slope(a, ACTIVATIONS[name].function(a)), a)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def derivative(y, x):
    """Zero where y does not depend on x."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(y.sum(), x, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


@pytest.mark.parametrize("perceptron", [DEEP, TIED, SHALLOW], ids=str)
def test_encode_with_slopes_gives_the_code_and_a_slope_per_layer(perceptron):
    network, x = random_network(perceptron), normal(20, 6)
    code, slopes = network.encode_with_slopes(network.features(x))
    assert torch.equal(code, network.encode(x))
    assert [slope.shape for slope in slopes] == [(20, n) for n in perceptron.sizes[1:]]


def tensors_of(network):
    """All tensors of a network, those of each part together."""
    return {
        "encoder": network.encoder_tensors,
        "decoder": network.decoder_tensors,
        "rest": [network.extra],
    }


def n_numbers(perceptron):
    """Those that are trained, and the origin's."""
    return perceptron.n_parameters + (perceptron.n_inputs if perceptron.has_encoder else 0)


@every_perceptron
def test_tensors_do_not_overlap_and_begin_lines_of_the_cache(perceptron):
    network = Network(perceptron, torch.zeros(perceptron.length))
    tensors = [tensor for part in tensors_of(network).values() for tensor in part]
    for tensor in tensors:
        tensor += 1
        assert tensor.storage_offset() % ALIGNMENT == 0
    assert network.flat.max() == 1
    assert network.flat.sum() == sum(map(torch.numel, tensors)) == n_numbers(perceptron)
    assert len(network.flat) % ALIGNMENT == 0


@every_perceptron
def test_a_part_lies_in_one_piece_its_weights_first(perceptron):
    network, layout = Network(perceptron, torch.zeros(perceptron.length)), perceptron.layout
    ends = [0]
    for part, tensors in tensors_of(network).items():
        network.flat.zero_()
        for tensor in tensors:
            tensor.fill_(1 if tensor.ndim < 2 else 2)
        within = network.flat[layout.parts[part]]
        assert network.flat.sum() == within.sum()
        weights = network.flat[layout.weights[part]]
        assert (weights == 2).sum() == (network.flat == 2).sum() and not (weights == 1).any()
        assert layout.parts[part].start == layout.weights[part].start == ends[-1]
        ends.append(layout.parts[part].stop)
    assert ends[-1] == perceptron.length


def n_weights(perceptron):
    """How many numbers the weight decay acts on."""
    flat = torch.zeros(perceptron.length)
    network = Network(perceptron, flat)
    for weight in (*network.encoder_weights, *network.decoder_weights):
        weight.fill_(1)
    return int(sum(flat[part].sum() for part in perceptron.layout.weights.values()))


@pytest.mark.parametrize("perceptron", [TIED, TIED_HEADS], ids=str)
def test_a_tied_decoder_shares_the_encoders_storage(perceptron):
    network = random_network(perceptron)
    network.encoder_weights[0][2, 4] = 7.0
    network.encoder_weights[1][1, 3] = 8.0  # of the first head, where there are two
    last, first = network.decoder_weights[::-1]
    assert last[4, 2] == 7.0
    assert first[3, 1] == 8.0


def test_tied_weights_do_not_count_twice():
    assert n_weights(TIED) == 6 * 5 + 5 * 3
    assert n_weights(HALF_TIED) == 6 * 5 + 2 * 5 * 3
    assert n_weights(DEEP) == 2 * n_weights(TIED)


def test_a_half_tied_decoder_has_its_own_code_layer():
    network = random_network(HALF_TIED)
    own, tied = network.decoder_weights
    assert torch.equal(tied, network.encoder_weights[0].T)
    assert not torch.equal(own, network.encoder_weights[1].T)


@every_perceptron
def test_initialize_is_decided_by_its_generator(perceptron):
    one, again = (
        initial_network(perceptron, generator(3)).flat,
        initial_network(perceptron, generator(3)).flat,
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, initial_network(perceptron, generator(4)).flat)


def test_initialize_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    initial_network(DEEP, generator())
    assert torch.equal(torch.random.get_rng_state(), before)


@every_activation
def test_initial_weights_fill_glorots_bounds(name):
    wide = Perceptron((50, 40), (name,), ("identity",), (False,))
    network = initial_network(wide, generator())
    limit = (6.0 / 90.0) ** 0.5
    encoder, decoder = network.encoder_weights[0], network.decoder_weights[0]
    # Of 2000 uniform draws the largest is below 99% of the limit once in 5e8 times.
    assert 0.99 < encoder.abs().max() / (ACTIVATIONS[name].gain * limit) <= 1
    assert 0.99 < decoder.abs().max() / (0.1 * limit) <= 1  # the output layer starts small
    assert (network.decoder_biases[-1] == 0).all()


def test_tied_weights_are_drawn_for_the_encoders_activation():
    """The decoder's last layer is linear; its Glorot limit would be smaller by sqrt(2)."""
    tied = Perceptron((40, 60, 5), ("relu", "identity"), ("relu", "identity"), (True, True))
    untied = replace(tied, tied=(False, False))
    limits = [
        initial_network(p, generator()).encoder_weights[0].abs().max() for p in (tied, untied)
    ]
    torch.testing.assert_close(limits[0], limits[1])


@every_perceptron
def test_initial_biases_are_within_their_bounds(perceptron):
    network = initial_network(perceptron, generator())
    weights = (*network.encoder_weights, *network.decoder_weights)
    biases = (*network.encoder_biases, *network.decoder_biases)
    for weight, bias in zip(weights, biases, strict=True):
        assert bias.abs().max() <= weight.shape[1] ** -0.5


@pytest.mark.parametrize("perceptron", [TWO_HEADS, TIED_HEADS], ids=str)
def test_initial_extras_are_zero(perceptron):
    assert initial_network(perceptron, generator()).extra.tolist() == [0.0]


def some_function(network, x):
    """A scalar that every part of the network has a say in."""
    code, *second = as_tuple(network.encode(x)) if network.perceptron.has_encoder else (x,)
    return network.reconstruct(code).square().sum() + sum(s.sin().sum() for s in second)


class Attached:
    """A layout whose tensors are views of the flat vector to autograd too, not leaves."""

    def __init__(self, layout):
        self.layout = layout

    def split(self, flat):
        places = self.layout.split(torch.arange(len(flat)))
        return {kind: [flat[place] for place in tensors] for kind, tensors in places.items()}


@every_perceptron
def test_backward_writes_the_gradient_into_the_flat_vector(perceptron):
    gradient = torch.zeros(perceptron.length, dtype=torch.float64)
    network, x = random_network(perceptron, gradient), normal(20, 6)
    some_function(network, x).backward()
    flat = network.flat.clone().requires_grad_()
    attached = replace(perceptron)
    vars(attached)["layout"] = Attached(perceptron.layout)
    attached = Network(attached, flat)
    (expected,) = torch.autograd.grad(some_function(attached, x), flat)
    if perceptron.has_encoder:  # whose origin is not trained
        Network(perceptron, expected).origin.zero_()
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


@every_perceptron
def test_backward_adds_to_the_gradient(perceptron):
    once, twice = torch.zeros(2, perceptron.length, dtype=torch.float64)
    some_function(random_network(perceptron, once), normal(20, 6)).backward()
    network = random_network(perceptron, twice)
    for _ in range(2):
        some_function(network, normal(20, 6)).backward()
    torch.testing.assert_close(twice, 2 * once)


@pytest.fixture
def parts():
    """Three perceptrons in a row; the second has another head and an extra number."""
    sizes = [(6, 5, 4), (4, 3), (3, 7)]
    activations = [(("relu", "tanh"), ("elu", "identity")), (("elu",),) * 2, (("tanh",),) * 2]
    tied, heads = [(True, False), (True,), (False,)], [1, 2, 1]
    return [
        random_network(Perceptron(s, *a, t, h, 1, h - 1), seed=h)
        for s, a, t, h in zip(sizes, activations, tied, heads, strict=True)
    ]


@pytest.fixture
def stacked(parts):
    parts = [Network(part.perceptron, part.flat.clone()) for part in parts]
    for part in parts[1:]:
        fold_origin(part)
    perceptron = stack([part.perceptron for part in parts])
    network = Network(perceptron, torch.zeros(perceptron.length, dtype=torch.float64))
    for whole, part in stacked_tensors(network, parts):
        whole.copy_(part)
    return network


def test_a_stack_encodes_with_one_encoder_after_the_other(parts, stacked):
    x = code = normal(20, 6)
    for part in parts:
        code = as_tuple(part.encode(code))[0]
    torch.testing.assert_close(stacked.encode(x), code)


def test_a_stack_decodes_in_reverse(parts, stacked):
    code = x = normal(20, 7)
    for part in parts[::-1]:
        x = part.reconstruct(x)
    torch.testing.assert_close(stacked.reconstruct(code), x)


def test_a_stack_keeps_what_was_tied(parts, stacked):
    assert stacked.perceptron.tied == (True, False, True, False)
    assert n_weights(stacked.perceptron) == 6 * 5 + 2 * 5 * 4 + 4 * 3 + 2 * 3 * 7


def test_no_number_of_a_stack_is_left_unset(stacked):
    assert np.count_nonzero(stacked.flat) == n_numbers(stacked.perceptron)


def test_a_stack_of_one_is_that_one():
    assert stack([TIED]) == TIED


# Top-k codes, and outputs of another width.


@pytest.mark.parametrize("activation", ["relu", "identity"])
@pytest.mark.parametrize("n_active", [1, 4, 9])
def test_top_k_keeps_the_largest(n_active, activation):
    a = normal(3, 20, 9)
    h = TopK(activation, n_active)(a)
    plain = ACTIVATIONS[activation].function(a)
    kept = h != 0
    assert torch.equal(h[kept], plain[kept])
    assert (kept.sum(dim=-1) <= n_active).all()
    assert activation == "relu" or (kept.sum(dim=-1) == n_active).all()
    cut_off = plain.masked_fill(kept, -torch.inf).amax(dim=-1)
    least = plain.masked_fill(~kept, torch.inf).amin(dim=-1)
    assert (cut_off <= least).all()


def test_how_many_are_kept_is_no_part_of_a_perceptron():
    fewer = replace(TOP, encoder_activations=("tanh", TopK("relu", 2)))
    assert fewer == TOP and hash(fewer) == hash(TOP)
    other = replace(TOP, encoder_activations=("tanh", TopK("identity", 3)))
    assert other != TOP
    assert replace(TOP, encoder_activations=("tanh", "relu")) != TOP


def test_a_perceptron_says_what_it_keeps_and_how_wide_its_output_is():
    assert "top 3 relu" in str(TOP)
    assert "6-5-3 and back to 4" in str(NARROW_OUTPUT)
    assert "back to" not in str(replace(DEEP, decoder_sizes=(3, 5, 6)))
    assert repr(encoder_module(Network(TOP, torch.zeros(TOP.length)))).count("top 3") == 1


def test_top_k_weights_are_drawn_as_those_of_its_activation():
    plain = replace(TOP, encoder_activations=("tanh", "relu"))
    one, other = (initial_network(p, generator()).flat for p in (TOP, plain))
    assert torch.equal(one, other)


@pytest.mark.parametrize("perceptron", [NARROW_OUTPUT, WIDE_OUTPUT], ids=str)
def test_a_reconstruction_of_another_width(perceptron):
    network = random_network(perceptron)
    reconstruction = network.reconstruct(network.encode(normal(20, 6)))
    assert reconstruction.shape == (20, perceptron.n_outputs)


def test_a_narrower_output_is_tied_to_the_first_inputs():
    tied = replace(TIED, decoder_sizes=(3, 5, 4))
    network = random_network(tied)
    assert torch.equal(network.decoder_weights[-1], network.encoder_weights[0][:, :4].T)
    assert n_weights(tied) == 6 * 5 + 5 * 3


def test_a_stack_has_the_width_of_its_first_output():
    second = Perceptron((3, 2), ("tanh",), ("tanh",), (False,))
    stacked = stack([NARROW_OUTPUT, second])
    assert stacked.n_outputs == 4
    assert stacked.sizes == (6, 5, 3, 2)
    network = random_network(stacked)
    assert network.reconstruct(normal(20, 2)).shape == (20, 4)


def test_a_stack_keeps_its_layers_top_k():
    second = Perceptron((9, 4), (TopK("relu", 2),), ("identity",), (False,))
    stacked = stack([TOP, second])
    assert stacked.encoder_activations == ("tanh", TopK("relu", 3), TopK("relu", 2))
    code = random_network(stacked).encode(normal(20, 6))
    assert code.count_nonzero(dim=1).max() == 2
