"""Optimisers and schedules, against torch's own."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers import NEVER_STOP, X, each_class, normal, small, weights
from sklearn.base import clone
from torch import nn

from skae import Autoencoder
from skae._engine.optimizers import SOLVERS, schedule
from skae._engine.streams import stream
from skae._engine.training import Trainer

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9, nesterov=True),
}


def reference_losses(estimator, X):
    """Losses and final weights of a loop as anyone would write it in plain torch.

    Of centred rows, which the network trains on, too: its bias is then that at the mean.
    """
    start = clone(estimator).set_params(learning_rate_init=1e-300, max_iter=1).fit(X)
    encoder, decoder = (m.requires_grad_() for m in (start.encoder_, start.decoder_))
    layers = [m for m in (*encoder, *decoder) if isinstance(m, nn.Linear)]
    parameters, mean = [p for layer in layers for p in layer.parameters()], X.mean(axis=0)
    with torch.no_grad():
        layers[0].bias += layers[0].weight @ torch.tensor(mean)
    optimizer = OPTIMIZERS[estimator.solver](parameters, lr=estimator.learning_rate_init)
    n_steps = estimator.max_iter * math.ceil(len(X) / estimator.batch_size)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    X, mean, curve = torch.tensor(X), torch.tensor(mean), []
    for epoch in range(estimator.max_iter):
        order, total = torch.randperm(len(X), generator=stream(0, "shuffle", epoch)), 0.0
        for x in X[order].split(estimator.batch_size):
            loss = (decoder(encoder(x - mean)) - x).square().sum(dim=1).mean()
            loss = loss + 0.5 * estimator.alpha * sum(m.weight.square().sum() for m in layers)
            optimizer.zero_grad()
            (loss * (len(x) / estimator.batch_size)).backward()  # a ragged batch by its rows
            optimizer.step()
            if estimator.learning_rate == "cosine":
                rates.step()
            total += len(x) * loss.item()
        curve.append(total / len(X))
    return curve, [layer.weight.detach().numpy().T for layer in layers]


@pytest.mark.parametrize("solver", OPTIMIZERS)
@pytest.mark.parametrize("learning_rate", ["constant", "cosine"])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_training_is_that_of_plain_torch(solver, learning_rate, alpha, activation):
    estimator = small(
        "Autoencoder",
        solver=solver,
        learning_rate=learning_rate,
        learning_rate_init=1e-2 if solver == "adam" else 3e-3,
        alpha=alpha,
        activation=activation,
        max_iter=6,
        **NEVER_STOP,
    ).fit(X)
    curve, coefs = reference_losses(estimator, X)
    assert curve[-1] < 0.99 * curve[0]
    np.testing.assert_allclose(estimator.loss_curve_, curve, rtol=1e-9)
    for ours, theirs in zip(estimator.coefs_, coefs, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_steps_are_torchs_and_are_counted(solver):
    vector, gradients = normal(5), normal(3, 5, seed=1)
    theirs = vector.clone().requires_grad_()
    gradient, moments, n_steps = normal(5), 0.0 * normal(2, 5), torch.tensor(0.0)
    ours = SOLVERS[solver](vector, gradient, moments, n_steps)
    optimizer = OPTIMIZERS[solver]([theirs], lr=0.1)
    for row in gradients:
        theirs.grad = gradient.copy_(row).clone()
        ours.step(0.1)
        optimizer.step()
    torch.testing.assert_close(vector, theirs.detach(), rtol=1e-12, atol=1e-12)
    assert n_steps == 3
    assert solver == "adam" or not moments[1].any()


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.3, 0.5, 1.0])
def test_constant_schedule(progress):
    assert schedule("constant", progress) == 1.0


def test_cosine_is_that_of_torch():
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    for step in range(50):
        assert schedule("cosine", step / 50) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()
    assert schedule("cosine", 1.0) == pytest.approx(0.0, abs=1e-15)


def test_one_cycle_rises_to_one_at_30_percent_and_falls():
    rates = [schedule("one_cycle", progress) for progress in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[30] == pytest.approx(1.0)
    assert all(a < b for a, b in itertools.pairwise(rates[:31]))
    assert all(a > b for a, b in itertools.pairwise(rates[30:]))
    assert 0 < rates[-1] < 1e-4


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_schedules_never_exceed_the_peak(name):
    assert max(schedule(name, p) for p in np.linspace(0, 1, 1001)) <= 1.0


@each_class
@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle"])
def test_schedule_changes_the_training(name, learning_rate):
    scheduled, constant = small(name, learning_rate=learning_rate).fit(X), small(name).fit(X)
    assert np.abs(weights(scheduled) - weights(constant)).max() > 1e-5


def test_cosine_comes_to_rest(monkeypatch):
    history, finish_epoch = [], Trainer._finish_epoch

    def noting(self, *losses):
        finish_epoch(self, *losses)
        history.append(self.weights.clone())

    monkeypatch.setattr(Trainer, "_finish_epoch", noting)

    def last_epoch_moves(learning_rate):
        history.clear()
        small("Autoencoder", learning_rate=learning_rate, max_iter=20, **NEVER_STOP).fit(X)
        return (history[-1] - history[-2]).abs().max()

    assert last_epoch_moves("cosine") < 0.1 * last_epoch_moves("constant")


@each_class
def test_solvers_differ(name):
    assert not np.array_equal(
        weights(small(name, solver="sgd").fit(X)), weights(small(name).fit(X))
    )


# Denormal numbers.


def numbers_that_are_slow(monkeypatch, flush):
    """How many weights and moments of a fit with unused units are denormal; its reconstructions."""
    monkeypatch.setattr(Trainer, "_flush", flush)
    cells = np.random.default_rng(0).integers(2, size=(100, 2)).astype(np.float32)
    params = {"hidden_layer_sizes": 64, "alpha": 0.1, "learning_rate_init": 0.01, "max_iter": 200}
    estimator = Autoencoder(4, random_state=0, **params, **NEVER_STOP).fit(cells)
    state = estimator._state
    sizes = np.abs(np.concatenate([state.weights[None], state.moments]))
    is_slow = (sizes > 0) & (sizes < np.finfo(sizes.dtype).tiny)
    return is_slow.sum(), estimator.reconstruct(cells)


def test_weights_that_fade_away_become_zero_and_nothing_else_changes(monkeypatch):
    flush = Trainer._flush
    n_before, expected = numbers_that_are_slow(monkeypatch, lambda trainer: None)
    n_slow, found = numbers_that_are_slow(monkeypatch, flush)
    assert n_before > 0
    assert n_slow == 0
    np.testing.assert_array_equal(found, expected)
