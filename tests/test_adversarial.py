"""The game of any GAN: gradients, averages, penalty, offset."""

import math

import numpy as np
import pytest
import torch
from helpers import LABELS, AnyWidth, X, each_generator, normal, small, weights
from small_gans import CONSTANT, fitted, given, of_class, plain_or_conditional
from torch.nn import functional

from skae._adversarial import (
    LEAST_PENALTY,
    LOSS_AIM,
    LOSS_PART,
    N_STEPS,
    PENALTY_RATE,
    BaseGAN,
    calibrating_offset,
)
from skae._engine import training
from skae._engine.activations import ACTIVATIONS
from skae._engine.network import Network
from skae._engine.perceptron import KEPT
from skae._engine.streams import stream
from skae._engine.tape import Tape

EXACT = {"rtol": 1e-9, "atol": 1e-11}
N, PENALTY = 7, 0.3


# The gradients of both players.


def game(name, **params):
    """A GAN of float64 rows, a trainer of it, and a batch: rows and, if it has any, labels."""
    params = {"hidden_layer_sizes": (6, 5), "gradient_penalty": PENALTY, **params}
    # A seed that lets both players learn: with few channels, all of a row may be cut off.
    gan, rows = small(name, random_state=1, **params), normal(40, 4, seed=1).numpy() * 2.0 + 5.0
    trainer = gan._start(gan._validate(rows, np.arange(40) % 3, None, reset=True))
    gan._begin_epoch(trainer, 0.0)
    batch = trainer.batch(torch.arange(N)).tables
    return gan, trainer, batch


def gradient_of_the_game(gan, trainer, batch, dtype=None):
    gradient = torch.zeros_like(trainer.weights)
    tape = Tape(Network(trainer.network.perceptron, trainer.weights), gradient, dtype)
    tape.progress = 0.0
    x, *labels = batch
    value = gan._objective(tape, x, stream(3, "noise"), *labels)
    with torch.no_grad():
        tape.backward(value)
    return value.item(), gradient


def scores_of_own(network, rows, labels):
    """D's output for the label of each row."""
    outputs = network.encode(rows)
    return (outputs.gather(1, labels[0]) if labels else outputs)[:, 0]


def gradients_by_autograd(gan, trainer, batch):
    """D's loss and the gradients of D's and of G's losses, each at all weights."""
    losses, (x, *labels) = [], batch
    for player in ("discriminator", "generator"):
        gradient = torch.zeros_like(trainer.weights)
        network = Network(trainer.network.perceptron, trainer.weights, gradient)
        real_rows = (x - x.new_tensor(gan._mean_)) / gan._scale_
        z = torch.randn(N, 3, generator=stream(3, "noise"), dtype=x.dtype)
        one_hot = [functional.one_hot(its[:, 0], 3).to(z) for its in labels]
        made = network.decode(torch.cat([z, *one_hot], dim=1))
        if player == "discriminator":
            rows = torch.cat([real_rows, made.detach()]).requires_grad_()
            scores = scores_of_own(network, rows, [its.repeat(2, 1) for its in labels])
            (slopes,) = torch.autograd.grad(scores.sum(), rows, create_graph=True)
            real, fake = scores.chunk(2)
            pair_loss = functional.softplus(fake - real).mean()
            r1, r2 = (part.square().sum(dim=1).mean() for part in slopes.chunk(2))
            (pair_loss + PENALTY / 2 * (r1 + r2)).backward()
        else:
            real, fake = (scores_of_own(network, rows, labels) for rows in (real_rows, made))
            functional.softplus(real.detach() - fake).mean().backward()
        losses.append(gradient)
    return pair_loss.item(), *losses


@plain_or_conditional
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
def test_both_gradients_of_the_game_are_autograds(name, activation, network):
    setting = game(name, activation=activation, network=network)
    value, found = gradient_of_the_game(*setting)
    expected_value, of_discriminator, of_generator = gradients_by_autograd(*setting)
    assert value == pytest.approx(expected_value, rel=1e-12)
    parts = setting[1].network.perceptron.layout.parts
    for player, expected in (("encoder", of_discriminator), ("decoder", of_generator)):
        assert expected[parts[player]].abs().max() > 1e-4
        torch.testing.assert_close(found[parts[player]], expected[parts[player]], **EXACT)
    assert not found[parts["averages"]].any()


@plain_or_conditional
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
def test_gradients_without_hidden_layers_are_autograds(name, network):
    setting = game(name, hidden_layer_sizes=(), network=network)
    _, found = gradient_of_the_game(*setting)
    _, *expected = gradients_by_autograd(*setting)
    torch.testing.assert_close(found, sum(expected_of(setting, expected)), **EXACT)


def expected_of(setting, gradients):
    """Of each player's gradient its own weights' part, 0 elsewhere."""
    parts = setting[1].network.perceptron.layout.parts
    for player, gradient in zip(("encoder", "decoder"), gradients, strict=True):
        own = torch.zeros_like(gradient)
        own[parts[player]] = gradient[parts[player]]
        yield own


@each_generator
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
def test_bfloat16_is_near(name, network):
    setting = game(name, network=network)
    value, exact = gradient_of_the_game(*setting)
    rounded_value, rounded = gradient_of_the_game(*setting, dtype=torch.bfloat16)
    assert rounded_value == pytest.approx(value, rel=0.05)
    assert 0 < (rounded - exact).norm() < 0.1 * exact.norm()


# Averages of the generator's weights.


def network_with_averages():
    perceptron = game("GAN")[1].network.perceptron
    return Network(perceptron, torch.zeros(perceptron.length, dtype=torch.float64))


def parts_of(network_or_state):
    """The generator's weights and their averages."""
    parts, flat = network_with_averages().perceptron.layout.parts, network_or_state
    decoder = flat[parts["decoder"]]
    return decoder, flat[parts["averages"]][: len(decoder)]


def test_averages_follow_the_weights_by_their_recursion():
    network, expected = network_with_averages(), None
    weights, averages = parts_of(network.flat)
    for step in range(200):
        weights.copy_(normal(len(weights), seed=step))
        network.average_decoder()
        part = max(10.0 / (10.0 + step), 1e-3)
        expected = weights * part + (0.0 if expected is None else expected * (1.0 - part))
        if step == 0:
            assert torch.equal(averages, weights)
        torch.testing.assert_close(averages, expected, **EXACT)


def test_averages_remember_a_thousand_steps_in_the_end():
    network = network_with_averages()
    weights, averages = parts_of(network.flat)
    network._tensors[f"{KEPT}n_averaged"][0].fill_(50_000.0)
    weights.fill_(1.0)
    network.average_decoder()
    torch.testing.assert_close(averages, torch.full_like(averages, 1e-3), **EXACT)


def test_what_is_read_has_the_averages_and_what_is_trained_the_weights():
    network = network_with_averages()
    network.flat.copy_(normal(len(network.flat)))
    before, (weights, averages) = network.flat.clone(), parts_of(network.flat)
    other = network.with_averages()
    torch.testing.assert_close(parts_of(other.flat)[0], averages, rtol=0.0, atol=0.0)
    own = network.perceptron.layout.parts["encoder"]
    assert torch.equal(other.flat[own], network.flat[own])
    other.flat.zero_()
    assert torch.equal(network.flat, before)
    assert not torch.equal(weights, averages)


def noted_steps(name, monkeypatch, **params):
    """A fitted GAN, and of each step D's loss, G's weights and the game after it."""
    steps, end_step = [], BaseGAN._end_step

    def noting(self, network, loss):
        end_step(self, network, loss)
        decoder = network.flat[network.perceptron.layout.parts["decoder"]]
        steps.append((loss.item(), decoder.clone(), network.game.tolist()))

    monkeypatch.setattr(type(small(name)), "_end_step", noting)
    return fitted(name, **params), steps


@each_generator
def test_a_fit_averages_what_its_steps_have_left(name, monkeypatch):
    gan, steps = noted_steps(name, monkeypatch, max_iter=5)
    assert len(steps) == 5 * 4
    expected = steps[0][1]
    for step, (_, decoder, _) in enumerate(steps):
        expected = expected + (decoder - expected) * (10.0 / (10.0 + step))
    parts, state = gan._perceptron.layout.parts, torch.from_numpy(gan._state.weights)
    averages = state[parts["averages"]]
    torch.testing.assert_close(averages[: len(expected)], expected, **EXACT)
    assert averages[len(expected)] == 20
    assert torch.equal(state[parts["decoder"]], steps[-1][1])
    assert not gan._state.moments[:, parts["averages"]].any()


@each_generator
def test_generated_rows_are_those_of_the_averages(name):
    gan = fitted(name)
    before, parts = gan.generate(*given(gan)), gan._perceptron.layout.parts
    gan._state.weights[parts["decoder"]] = np.nan
    gan._state.network = None  # what has been built of the weights before
    np.testing.assert_array_equal(gan.generate(*given(gan)), before)


# The penalty, which follows the loss, and the number of steps.


def after(loss, game):
    """The average of the loss and the factor of the penalty, a step later."""
    average = game[0] + LOSS_PART * (loss - game[0])
    factor = game[1] * math.exp(PENALTY_RATE * np.sign(LOSS_AIM - average))
    return average, min(1.0, max(LEAST_PENALTY, factor))


@each_generator
@pytest.mark.parametrize("params", [{}, CONSTANT], ids=["cosine", "constant"])
def test_the_penalty_follows_the_discriminators_loss(name, params, monkeypatch):
    gan, steps = noted_steps(name, monkeypatch, **params)
    expected = math.log(2.0), 1.0
    for loss, _, game in steps:
        expected = after(loss, expected)
        assert game == pytest.approx(expected, rel=1e-9)
    assert gan._fitted_network().game.tolist() == game
    losses = np.array([loss for loss, *_ in steps]).reshape(4, 4)  # of batches of 16 rows, and 12
    np.testing.assert_allclose(losses @ [16, 16, 16, 12] / 60, gan.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize(
    ("loss", "start", "expected"), [(2.0, 1.01 * LEAST_PENALTY, LEAST_PENALTY), (0.0, 0.99, 1.0)]
)
def test_penalties_have_bounds(loss, start, expected):
    """Of a discriminator that cannot tell, and of one that always can."""
    network = network_with_averages()
    network.game.copy_(torch.tensor([loss, start]))
    for _ in range(50):
        small("GAN")._end_step(network, torch.tensor(loss, dtype=torch.float64))
    assert network.game[1].item() == pytest.approx(expected)


@each_generator
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_parameter_is_what_the_penalty_begins_with(name, method, monkeypatch):
    seen, play = [], BaseGAN._play

    def noting(*game, penalty):
        seen.append(float(penalty))
        return play(*game, penalty=penalty)

    monkeypatch.setattr(BaseGAN, "_play", staticmethod(noting))
    gan = getattr(small(name, gradient_penalty=2.0), method)(X, LABELS)
    assert len(seen) == 4 * gan.n_iter_ and seen[0] == 2.0
    assert max(seen) <= 2.0 and len({*seen}) > 1
    goes_on = 2.0 * gan._fitted_network().game[1].item()
    gan.partial_fit(X, LABELS)
    assert seen[4 * (gan.n_iter_ - 1)] == goes_on


@each_generator
def test_a_penalty_changes_the_game(name):
    assert not np.array_equal(weights(fitted(name)), weights(fitted(name, gradient_penalty=0)))


@each_generator
@pytest.mark.parametrize("batch_size", [7, 16, 1000])
def test_the_budget_is_a_number_of_steps(name, batch_size, monkeypatch):
    monkeypatch.setattr(BaseGAN, "_n_steps", 90)
    gan = fitted(name, max_iter="auto", batch_size=batch_size)
    n_batches = math.ceil(60 / batch_size)
    assert gan.n_iter_ == gan.max_iter_ == math.ceil(90 / n_batches)
    assert gan.batch_size_ == min(batch_size, 60)
    assert N_STEPS >= 1000


def test_threads_are_for_all_rows_of_a_step(monkeypatch):
    """Of each real row the discriminator sees two, and the generator makes one."""
    seen, enough_threads = [], training.enough_threads

    def noting(n_rows, perceptron):
        seen.append(n_rows)
        return enough_threads(n_rows, perceptron)

    monkeypatch.setattr(training, "enough_threads", noting)
    fitted("GAN", max_iter=1)
    assert seen == [3 * 16]


# The discriminator's offset.


@each_generator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_half_of_all_rows_are_real(name, dtype):
    """The mean probability of as many real rows as made ones is 1/2, in each class."""
    gan = fitted(name, X.astype(dtype))
    y = (LABELS,) if of_class(gan) else ()
    made = gan._rows_like(X, *[gan._one_hot(labels) for labels in y])
    p = np.stack([gan.discriminate(rows, *y) for rows in (X, made)])
    kinds = [label == LABELS for label in range(3)] if y else [slice(None)]
    for own in kinds:
        assert p[:, own].mean() == pytest.approx(0.5, abs=1e-6)
    assert p.min() > 0 and p.max() < 1


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e3, 1e30, 1e150, 1e307])
@pytest.mark.parametrize("shift", [0.0, -1.0, 1e3, 1e12])
def test_offsets_of_scores_of_any_size(scale, shift):
    scores = np.random.default_rng(0).normal(size=31) * scale + shift
    offset = calibrating_offset(scores)
    step = 1e-9 * max(1.0, abs(offset))  # to where the mean probability has passed 1/2
    with np.errstate(over="ignore"):
        below, above = (
            (1 / (1 + np.exp(-(scores + moved)))).mean() - 0.5
            for moved in (offset - step, offset + step)
        )
    assert below <= 0 <= above


def test_the_offset_of_equal_scores():
    assert calibrating_offset(np.full(5, 3.5)) == -3.5
