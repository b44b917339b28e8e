"""The game of GANs: its derivatives are autograd's, and what it asks of training."""

import pytest
import torch
from helpers import AnyWidth, normal
from torch.nn import functional

from skae import GAN
from skae._engine.activations import ACTIVATIONS
from skae._engine.network import Network
from skae._engine.streams import stream
from skae._engine.tape import Tape

EXACT = {"rtol": 1e-9, "atol": 1e-11}
N, PENALTY = 7, 0.3


def game(**params):
    """A GAN of float64 rows, its perceptron, its weights and a batch."""
    gan = GAN(3, hidden_layer_sizes=(6, 5), gradient_penalty=PENALTY, **params)
    X = normal(40, 4, seed=1).numpy() * 2.0 + 5.0
    data = gan._validate(X, None, None, reset=True)
    gan._prepare(data, continues=False)
    perceptron = gan._describe_perceptron(X.shape[1])
    weights = gan._initial_weights(perceptron, stream(0, "weights"), data)
    return gan, perceptron, weights, torch.from_numpy(X[:N])


def gradient_of_the_game(gan, perceptron, weights, x):
    gradient = torch.zeros_like(weights)
    tape = Tape(Network(perceptron, weights), gradient)
    tape.progress = 0.0
    value = gan._objective(tape, x, stream(3, "noise"))
    with torch.no_grad():
        tape.backward(value)
    return value.item(), gradient


def gradients_by_autograd(gan, perceptron, weights, x):
    """D's loss and the gradients of D's and of G's losses, each at all weights."""
    losses = []
    for player in ("discriminator", "generator"):
        gradient = torch.zeros_like(weights)
        network = Network(perceptron, weights, gradient)
        x_in_units = gan._inputs(x)
        made = network.decode(gan._latent(x_in_units, stream(3, "noise"), None))
        if player == "discriminator":
            rows = torch.cat([x_in_units, made.detach()]).requires_grad_()
            scores = network.encode(rows)[:, 0]
            (slopes,) = torch.autograd.grad(scores.sum(), rows, create_graph=True)
            real, fake = scores.chunk(2)
            pair_loss = functional.softplus(fake - real).mean()
            r1, r2 = (part.square().sum(dim=1).mean() for part in slopes.chunk(2))
            (pair_loss + PENALTY / 2 * (r1 + r2)).backward()
        else:
            real, fake = network.encode(x_in_units)[:, 0], network.encode(made)[:, 0]
            functional.softplus(real.detach() - fake).mean().backward()
        losses.append(gradient)
    return pair_loss.item(), *losses


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
def test_both_gradients_of_the_game_are_autograds(activation, network):
    setting = game(activation=activation, network=network)
    value, found = gradient_of_the_game(*setting)
    expected_value, of_discriminator, of_generator = gradients_by_autograd(*setting)
    assert value == pytest.approx(expected_value, rel=1e-12)
    parts = setting[1].layout.parts
    for name, expected in (("encoder", of_discriminator), ("decoder", of_generator)):
        assert expected[parts[name]].abs().max() > 1e-4
        torch.testing.assert_close(found[parts[name]], expected[parts[name]], **EXACT)
    assert not found[parts["averages"]].any()
