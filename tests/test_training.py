"""The training loop: losses, batches, stopping, interruption."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers import (
    AUTOENCODERS,
    DIVERGING,
    NETWORK,
    NEVER_STOP,
    X,
    assert_not_fitted,
    assert_same_fit,
    each_class,
    each_of_any_numbers,
    fitted_state,
    may_collapse,
    small,
    weights,
)
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV

from skae import Autoencoder, DenoisingAutoencoder
from skae._base import BaseAutoencoder
from skae._engine import settings
from skae._engine.optimizers import Momentum
from skae._engine.stopping import Average, Stopping
from skae._engine.streams import stream
from skae._engine.tape import Tape
from skae._engine.training import Trainer

# Losses.

STILL = {"learning_rate_init": 1e-300}  # small enough to leave every weight as it is


def mean_squared_error(estimator, X):
    return np.square(X - estimator.reconstruct(X)).sum(axis=1).mean()


@pytest.mark.parametrize("name", ["Autoencoder", "StackedAutoencoder"])
@pytest.mark.parametrize("batch_size", [16, 59, 7, 1])
def test_loss_is_the_mean_over_rows(name, batch_size):
    estimator = small(name, batch_size=batch_size, max_iter=2, **STILL).fit(X)
    expected = mean_squared_error(estimator, X)
    np.testing.assert_allclose(estimator.loss_curve_, expected, rtol=1e-12)


def test_loss_counts_the_penalty_once_per_row():
    estimator = small("ContractiveAutoencoder", contraction_weight=0.5, **STILL).fit(X)
    expected = mean_squared_error(estimator, X) + 0.5 * estimator.jacobian_norm(X).mean()
    np.testing.assert_allclose(estimator.loss_curve_, expected, rtol=1e-12)


@each_class
def test_attributes_follow_from_the_loss_curve(name):
    estimator = small(name).fit(X)
    assert estimator.loss_ == estimator.loss_curve_[-1]
    assert estimator.best_loss_ == min(estimator.loss_curve_)
    assert estimator.validation_loss_curve_ is None
    assert all(type(loss) is float for loss in estimator.loss_curve_)


@pytest.mark.parametrize("name", ["Autoencoder", "SparseAutoencoder", "ContractiveAutoencoder"])
def test_float32_losses_are_like_those_in_float64(name):
    single, double = small(name).fit(X.astype(np.float32)), small(name).fit(X)
    np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-5)
    assert all(type(loss) is float for loss in single.loss_curve_)


def penalty(estimator):
    """||W||^2 over all layers, and tied weights once."""
    coefs = estimator.coefs_
    if getattr(estimator, "tied_weights", False):
        coefs = coefs[: len(coefs) // 2]
    return sum(np.square(coef).sum() for coef in coefs)


@each_class
@pytest.mark.parametrize("tied_weights", [False, True])
def test_alpha_adds_the_weight_decay_to_the_loss(name, tied_weights):
    params = {"tied_weights": tied_weights} if name in NETWORK else {}
    plain = small(name, **params, **STILL).fit(X)
    decayed = small(name, **params, **STILL, alpha=0.3).fit(X)
    difference = np.subtract(decayed.loss_curve_, plain.loss_curve_)
    np.testing.assert_allclose(difference, 0.15 * penalty(plain), rtol=1e-9)


def trained_biases(estimator):
    """Without what the first one of `intercepts_` takes away from rows."""
    network = estimator._network_copy()
    return [*network.encoder_biases, *network.decoder_biases]


@each_class
@pytest.mark.parametrize("tied_weights", [False, True])
def test_alpha_adds_the_weights_to_the_gradient(name, tied_weights):
    params = {"solver": "sgd", "max_iter": 1, "batch_size": 60, "learning_rate_init": 1e-3}
    if name in NETWORK:
        params["tied_weights"] = tied_weights
    plain, decayed = small(name, **params).fit(X), small(name, **params, alpha=0.3).fit(X)
    start = small(name, **{**params, **STILL}).fit(X)
    step = 1e-3 * (1.0 + 0.9)  # Nesterov's first one
    for before, without, with_decay in zip(start.coefs_, plain.coefs_, decayed.coefs_, strict=True):
        np.testing.assert_allclose(without - with_decay, 0.3 * step * before, atol=1e-12)
    for without, with_decay in zip(trained_biases(plain), trained_biases(decayed), strict=True):
        np.testing.assert_array_equal(without, with_decay)


@each_class
def test_validation_loss_includes_the_weight_decay(name):
    params = {"early_stopping": True, **STILL}
    plain, decayed = small(name, **params).fit(X), small(name, **params, alpha=0.3).fit(X)
    difference = np.subtract(decayed.validation_loss_curve_, plain.validation_loss_curve_)
    np.testing.assert_allclose(difference, 0.15 * penalty(plain), rtol=1e-9)


# Batches.


def record_batches(monkeypatch, name):
    cls, seen = type(AUTOENCODERS[name]), []
    objective = cls._objective

    def recording(self, network, x, noise):
        seen.append(x.numpy().copy())
        return objective(self, network, x, noise)

    monkeypatch.setattr(cls, "_objective", recording)
    return seen


@each_class
def test_rows_come_in_order_without_shuffle(name, monkeypatch):
    estimator = small(name, shuffle=False)
    seen = record_batches(monkeypatch, name)
    estimator.fit(X)
    assert [len(batch) for batch in seen] == 4 * [16, 16, 16, 12]
    np.testing.assert_array_equal(np.concatenate(seen), np.tile(X, (4, 1)))


@each_class
def test_every_epoch_has_each_row_once_in_another_order(name, monkeypatch):
    seen = record_batches(monkeypatch, name)
    small(name).fit(X)
    epochs = np.concatenate(seen).reshape(4, 60, 6)
    assert len({epoch.tobytes() for epoch in epochs}) == 4
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch, axis=0), np.sort(X, axis=0))


@pytest.mark.parametrize(
    ("n_samples", "expected"), [(50, [16, 16, 16, 2]), (450, 20 * [22] + [10])]
)
def test_auto_batch_size(n_samples, expected, monkeypatch):
    seen = record_batches(monkeypatch, "Autoencoder")
    small("Autoencoder", batch_size="auto", max_iter=1).fit(np.zeros((n_samples, 3)))
    assert [len(batch) for batch in seen] == expected


# Stopping.


def n_fine_tuning_epochs(estimator):
    pretraining = sum(layer.n_iter_ for layer in getattr(estimator, "estimators_", []))
    return estimator.n_iter_ - pretraining


@pytest.fixture
def has_learnt(monkeypatch):
    """Let all trainings pass for ones that have learnt something, before which none stops."""
    monkeypatch.setattr(BaseAutoencoder, "_has_learnt", lambda *_: True)


@each_class
@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_stops_after_epochs_without_improvement(name, patience, early_stopping, has_learnt):
    params = {"tol": 1e3, "n_iter_no_change": patience, "early_stopping": early_stopping}
    estimator = small(name, max_iter=20, **params).fit(X)
    assert n_fine_tuning_epochs(estimator) == len(estimator.loss_curve_) == 1 + patience


@each_class
def test_infinite_patience_never_stops(name):
    estimator = small(name, max_iter=20, tol=1e3, n_iter_no_change=np.inf).fit(X)
    assert n_fine_tuning_epochs(estimator) == 20


@each_class
@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle"])
def test_schedules_run_to_their_end(name, learning_rate, has_learnt):
    params = {"max_iter": 20, "tol": 1e3, "n_iter_no_change": 1}
    scheduled = small(name, learning_rate=learning_rate, **params).fit(X)
    assert n_fine_tuning_epochs(scheduled) == 20
    early = small(name, learning_rate=learning_rate, early_stopping=True, **params).fit(X)
    assert n_fine_tuning_epochs(early) == 2


@pytest.mark.parametrize(
    ("losses", "improvements"),
    [
        ([1.0, 0.95, 0.85], [True, False, True]),
        ([-1.0, -1.05, -1.15], [True, False, True]),
        ([0.0, 0.0, -1e-9], [True, False, True]),
    ],
)
def test_tol_is_relative_to_the_best_loss(losses, improvements):
    stopping = Stopping(tol=0.1, patience=2)
    assert [stopping.improved(loss) for loss in losses] == improvements


def test_patience_counts_from_the_last_improvement():
    stopping, exhausted = Stopping(tol=0.0, patience=2), []
    for loss in [3.0, 4.0, 2.0, 2.0, 2.0]:
        stopping.improved(loss)
        exhausted.append(stopping.exhausted)
    assert exhausted == [False, False, False, False, True]


@each_class
def test_early_stopping_restores_the_best_epoch(name, has_learnt):
    params = {"early_stopping": True, "learning_rate_init": 0.03, "tol": 0.0}
    stopped = small(name, max_iter=500, n_iter_no_change=3, **params).fit(X)
    curve = stopped.validation_loss_curve_
    best = 1 + int(np.argmin(curve))
    assert best == len(curve) - 3  # so that there is something to restore
    assert stopped.best_loss_ <= min(curve)
    starts_best = stopped.best_loss_ < min(curve)
    params["learning_rate_init"] = 1e-300 if starts_best else 0.03
    reference = small(name, max_iter=best, n_iter_no_change=np.inf, **params).fit(X)
    np.testing.assert_array_equal(weights(stopped), weights(reference))


@pytest.mark.parametrize("name", sorted({*AUTOENCODERS} - {"RestrictedBoltzmannMachine"}))
def test_early_stopping_restores_the_start_if_training_makes_it_worse(name, monkeypatch):
    # A Boltzmann machine's loss is not what it descends.
    step = Momentum.step
    monkeypatch.setattr(Momentum, "step", lambda self, rate: step(self, -rate))  # uphill
    params = {"early_stopping": True, "solver": "sgd", "max_iter": 2}
    climbed, started = (
        small(name, learning_rate_init=rate, **params).fit(X) for rate in (1e-2, 1e-300)
    )
    assert climbed.best_loss_ == started.best_loss_ < min(climbed.validation_loss_curve_)
    np.testing.assert_array_equal(weights(climbed), weights(started))


@pytest.mark.parametrize(
    ("losses", "best_epoch"),
    [
        ([1.0, 5.0, 4.0, 3.0, 2.0, 0.5, 0.5, 0.5], 5),  # steps that are large at first
        ([1.0, 5.0, 4.0, 3.0, 2.0, 2.0, 2.0], 0),
        ([1.0, 0.5, 0.7, 0.9], 1),
    ],
)
def test_patience_compares_epochs_and_not_the_start(losses, best_epoch, monkeypatch):
    """Training goes on as long as its epochs improve, even if the start was better still."""
    told, seen = iter(losses), []

    def evaluate(trainer, indices):
        seen.append(trainer.weights.numpy().copy())
        return next(told)

    monkeypatch.setattr(Trainer, "evaluate", evaluate)
    model = small("Autoencoder", early_stopping=True, max_iter=50, n_iter_no_change=2).fit(X)
    assert model.validation_loss_curve_ == losses[1:]
    assert model.best_loss_ == min(losses)
    np.testing.assert_array_equal(model._state.weights, seen[best_epoch])


@may_collapse
@each_class
def test_best_epoch_is_restored_at_the_end_of_the_budget(name):
    params = {"early_stopping": True, "learning_rate_init": 0.3, **NEVER_STOP}
    long = small(name, max_iter=100, **params).fit(X)
    best = 1 + int(np.argmin(long.validation_loss_curve_))
    assert best < 100
    np.testing.assert_array_equal(
        weights(long), weights(small(name, max_iter=best, **params).fit(X))
    )


@each_class
def test_length_of_the_validation_curve(name):
    estimator = small(name, early_stopping=True).fit(X)
    assert len(estimator.validation_loss_curve_) == n_fine_tuning_epochs(estimator)
    assert len(estimator.loss_curve_) == n_fine_tuning_epochs(estimator)


@each_class
def test_validation_noise_is_the_same_in_every_epoch(name):
    curve = small(name, early_stopping=True, **STILL).fit(X).validation_loss_curve_
    assert len(set(curve)) == 1


@pytest.mark.parametrize("name", ["Autoencoder", "StackedAutoencoder"])
def test_validation_loss_is_that_of_the_held_out_rows(name):
    estimator = small(name, early_stopping=True, validation_fraction=0.3, **STILL).fit(X)
    held_out = held_out_rows(60, 18)
    np.testing.assert_allclose(
        estimator.validation_loss_curve_, mean_squared_error(estimator, X[held_out]), rtol=1e-12
    )
    rest = np.setdiff1d(np.arange(60), held_out)
    np.testing.assert_allclose(
        estimator.loss_curve_, mean_squared_error(estimator, X[rest]), rtol=1e-12
    )


def held_out_rows(n_samples, n_held_out):
    """Those of seed 0."""
    return torch.randperm(n_samples, generator=stream(0, "split"))[:n_held_out].numpy()


@each_class
def test_held_out_rows_do_not_train(name):
    params = {"early_stopping": True, "validation_fraction": 0.1, "max_iter": 3}
    changed = X.copy()
    changed[held_out_rows(60, 6)] /= 3
    one, other = small(name, **params).fit(X), small(name, **params).fit(changed)
    assert one.validation_loss_curve_ != other.validation_loss_curve_
    assert one.loss_curve_ == other.loss_curve_


@pytest.mark.parametrize(("fraction", "expected"), [(0.1, 6), (0.11, 7), (1e-9, 1), (0.98, 59)])
def test_validation_fraction_is_rounded_up(fraction, expected, monkeypatch):
    params = {"early_stopping": True, "validation_fraction": fraction, "batch_size": 60}
    seen = record_batches(monkeypatch, "Autoencoder")
    small("Autoencoder", **params, max_iter=1).fit(X)
    assert [*map(len, seen)] == [expected, 60 - expected, expected]  # before the epoch, and after


# The weights at the end.


def budget_as_auto(monkeypatch, n_epochs):
    """Let "auto" be a small number of epochs."""
    monkeypatch.setattr(settings, "max_iter_for", lambda *_: n_epochs)


def weights_after_epochs(monkeypatch):
    """A list to which each epoch, of any fit from now on, adds its weights."""
    after, run_epoch = [], Trainer.run_epoch

    def recording(trainer, number=None):
        loss = run_epoch(trainer, number)
        after.append(trainer.weights.clone())
        return loss

    monkeypatch.setattr(Trainer, "run_epoch", recording)
    return after


@each_class
def test_an_automatic_number_of_epochs_ends_with_an_average(name, monkeypatch):
    budget_as_auto(monkeypatch, 5)
    params = {"learning_rate_init": 1e-3, **NEVER_STOP}
    if name == "StackedAutoencoder":
        params["estimator"] = DenoisingAutoencoder(max_iter=2)
    counted = small(name, **params, max_iter=5).fit(X)
    after = weights_after_epochs(monkeypatch)
    automatic = small(name, **params, max_iter="auto").fit(X)
    assert automatic.loss_curve_ == counted.loss_curve_
    np.testing.assert_array_equal(counted._state.weights, after[-1].numpy())
    average = Average(after[-1])
    for epoch in after[-5:]:
        average.add(epoch)
    np.testing.assert_array_equal(automatic._state.weights, average.weights.numpy())


class OnSphere(Autoencoder):
    """Its decoder's atoms have norm 1."""

    def _constrain(self, network):
        atoms = network.decoder_weights[-1]
        atoms.div_(atoms.norm(dim=0))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_average_is_constrained(early_stopping, monkeypatch):
    budget_as_auto(monkeypatch, 5)
    params = {"learning_rate_init": 0.1, "early_stopping": early_stopping, **NEVER_STOP}
    estimator = OnSphere(3, hidden_layer_sizes=(), random_state=0, **params).fit(X)
    norms = np.linalg.norm(estimator.coefs_[-1], axis=1)
    np.testing.assert_allclose(norms, 1, rtol=1e-12)
    if early_stopping:
        loss = mean_squared_error(estimator, X[held_out_rows(60, 6)])
        assert loss == pytest.approx(min(estimator.validation_loss_curve_), rel=1e-12)


@pytest.mark.parametrize("params", [{"learning_rate": "cosine"}, {"solver": "lbfgs"}])
def test_a_schedule_and_lbfgs_end_with_the_last_epoch(params, monkeypatch):
    budget_as_auto(monkeypatch, 4)
    counted, automatic = (
        small("Autoencoder", **params, max_iter=max_iter).fit(X) for max_iter in (4, "auto")
    )
    assert_same_fit(counted, automatic)


def test_held_out_rows_judge_the_average(monkeypatch):
    budget_as_auto(monkeypatch, 30)
    params = {"early_stopping": True, "learning_rate_init": 0.1, **NEVER_STOP}
    estimator = small("Autoencoder", max_iter="auto", validation_fraction=0.3, **params).fit(X)
    loss = mean_squared_error(estimator, X[held_out_rows(60, 18)])
    assert loss == pytest.approx(min(estimator.validation_loss_curve_), rel=1e-12)
    assert estimator.best_loss_ == min(estimator.validation_loss_curve_)


# Interruption.


def interrupt(monkeypatch, name, batch):
    """Ctrl-C in the batch of this number, counted from 1; what comes after is as usual."""
    cls, count = type(AUTOENCODERS[name]), itertools.count(1)
    objective = cls._objective

    def interrupted(self, network, x, noise):
        if next(count) == batch:
            raise KeyboardInterrupt
        return objective(self, network, x, noise)

    monkeypatch.setattr(cls, "_objective", interrupted)


@each_class
def test_interrupted_fit_keeps_the_last_epoch(name, monkeypatch):
    reference = small(name, max_iter=2, **NEVER_STOP).fit(X)
    interrupt(monkeypatch, name, batch=2 * 4 + 3)
    estimator = small(name, max_iter=10, **NEVER_STOP)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert_same_fit(estimator, reference)
    np.testing.assert_array_equal(estimator.transform(X), reference.transform(X))
    assert_same_fit(estimator.partial_fit(X), reference.partial_fit(X))


@each_class
def test_interrupted_at_any_batch(name, monkeypatch):
    """Of 4 batches an epoch: what is left is the last epoch that was finished."""
    finished = [small(name, max_iter=k, **NEVER_STOP).fit(X) for k in (1, 2)]
    for batch in range(1, 13):
        estimator = small(name, max_iter=3, **NEVER_STOP)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            interrupt(patch, name, batch)
            estimator.fit(X)
        if batch <= 4:
            assert_not_fitted(estimator)
        else:
            assert_same_fit(estimator, finished[(batch - 1) // 4 - 1])


@each_class
def test_interrupted_fit_counts_finished_epochs(name, monkeypatch):
    reference = small(name, max_iter=2, **NEVER_STOP).fit(X)
    interrupt(monkeypatch, name, batch=2 * 4 + 3)
    estimator = small(name, max_iter=10, **NEVER_STOP)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert estimator.n_iter_ == reference.n_iter_


@each_class
def test_interrupted_fit_has_every_attribute(name, monkeypatch):
    complete = vars(small(name).fit(X)).keys()
    interrupt(monkeypatch, name, batch=2 * 4 + 3)
    estimator = small(name)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert vars(estimator).keys() == complete


@each_class
def test_interruption_between_two_epochs(name, monkeypatch):
    """Ctrl-C while an epoch is being noted leaves it out as a whole."""
    finished_state, count = Trainer._finished_state, itertools.count(1)
    cls = type(AUTOENCODERS[name])

    def interrupted(self, n_epochs):
        if type(self.estimator) is cls and next(count) == 3:
            raise KeyboardInterrupt
        return finished_state(self, n_epochs)

    monkeypatch.setattr(Trainer, "_finished_state", interrupted)
    estimator = small(name, max_iter=10, **NEVER_STOP)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert_same_fit(estimator, small(name, max_iter=2, **NEVER_STOP).fit(X))


@each_class
@pytest.mark.parametrize("fitted_before", [False, True])
def test_interrupted_in_the_first_epoch(name, fitted_before, monkeypatch):
    estimator = small(name)
    if fitted_before:
        estimator.fit(X)
    interrupt(monkeypatch, name, batch=2)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert_not_fitted(estimator)


@each_class
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_interrupted_in_the_first_epoch_of_going_on(name, method, monkeypatch):
    estimator = small(name, warm_start=True).fit(X)
    before = fitted_state(estimator)
    interrupt(monkeypatch, name, batch=2)
    with pytest.raises(KeyboardInterrupt):
        getattr(estimator, method)(X)
    assert fitted_state(estimator) == before


def test_interrupted_in_the_pretraining(monkeypatch):
    interrupt(monkeypatch, "DenoisingAutoencoder", batch=14)  # the second layer's
    estimator = small("StackedAutoencoder")
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert_not_fitted(estimator)


@each_class
def test_interruption_stops_a_grid_search(name, monkeypatch):
    interrupt(monkeypatch, name, batch=7)
    search = GridSearchCV(small(name), {"alpha": [0.0, 0.1]}, cv=2, error_score=np.nan)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X)


# verbose.


@each_class
@pytest.mark.parametrize("verbose", [True, 1, 2])
def test_verbose_prints_one_line_per_epoch(name, verbose, capsys):
    """After one with the settings of each training."""
    estimator = small(name, verbose=verbose, max_iter=10, learning_rate_init=1e-3).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert sum(" epoch " in line for line in lines) == estimator.n_iter_
    settings = [line for line in lines if " epoch " not in line]
    assert len(settings) == 1 + len(getattr(estimator, "estimators_", ()))
    phase = "fine-tuning: " if len(settings) > 1 else ""
    expected = f"[{name}] {phase}60 rows, batch_size=16, learning_rate_init=0.001, max_iter=10, "
    assert settings[-1].startswith(expected)
    assert lines[-1].startswith(f"[{name}] {phase}epoch 10/10, loss {estimator.loss_:.6g}")


def test_verbose_shows_the_validation_loss(capsys):
    estimator = small("Autoencoder", verbose=True, early_stopping=True).fit(X)
    expected = f"validation loss {estimator.validation_loss_curve_[-1]:.6g}"
    assert expected in capsys.readouterr().out.splitlines()[-1]


@each_class
def test_silent_by_default(name, capsys):
    small(name).fit(X).partial_fit(X)
    assert capsys.readouterr() == ("", "")


# Failures leave what was there.


@each_of_any_numbers
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("fitted_before", [False, True])
def test_divergence(name, early_stopping, fitted_before):
    estimator = small(name, early_stopping=early_stopping)
    if fitted_before:
        estimator.fit(X)
    estimator.set_params(**DIVERGING)
    expected = r"diverged.* epoch \d+\. Lower learning_rate_init \(now 1e\+06\) or scale X"
    with pytest.raises(ValueError, match=expected):
        estimator.fit(1e4 * X)
    assert_not_fitted(estimator)


def test_divergence_names_the_epoch():
    estimator = small("Autoencoder", activation="identity", **DIVERGING, batch_size=60)
    errors = []
    for dtype in (np.float32, np.float64):
        with pytest.raises(ValueError, match="epoch") as error:
            estimator.fit(X.astype(dtype))
        errors.append(int(str(error.value).split("epoch ")[1].split(".")[0]))
    assert 1 < errors[0] < errors[1]


class Broken(Autoencoder):
    """The plain autoencoder, but for one thing that `how` names and that is not finite."""

    how = None

    def _objective(self, network, x, noise):
        objective, n = super()._objective(network, x, noise), len(x)
        if self.how == "divides by n - 1":
            return objective / (n - 1) * n if n > 1 else objective * math.nan
        if self.how == "gradient":
            return objective + (network.encode(x) * 0).square().sum().sqrt()  # at 0
        if self.how == "held-out rows" and not isinstance(network, Tape):
            return objective * math.inf
        return objective


def error_of(how, X=X, **params):
    estimator = Broken(3, hidden_layer_sizes=(5,), batch_size=16, random_state=0, **params)
    estimator.how = how
    with pytest.raises(ValueError, match="Training diverged") as error:
        estimator.fit(X)
    del estimator.how
    assert_not_fitted(estimator)
    return str(error.value)


def test_an_objective_that_fails_for_a_single_row_is_recognised():
    message = error_of("divides by n - 1", X[:49], shuffle=False)
    assert message.startswith(
        "Training diverged: the objective of the last batch of epoch 1, which has 1 row, is nan, "
        "while those of the 3 other batches, of 16 rows, are finite. "
    )
    assert "divides by n - 1" in message
    assert "batch_size (now 16)" in message
    assert "learning_rate_init" not in message
    assert "that of the other batch, of 16 rows, is finite" in error_of("divides by n - 1", X[:17])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_objective_that_fails_for_the_only_row_is_recognised(solver):
    message = error_of("divides by n - 1", X[:1], solver=solver)
    assert "the last batch of epoch 1, which has 1 row, is nan. An objective" in message
    assert "divides by n - 1" in message
    assert "learning_rate_init" not in message


def test_divergence_names_the_first_batch_that_is_not_finite():
    huge = 1e160 * X[:10]  # they leave the columns' means small
    message = error_of(None, np.vstack([X[:40], huge, -huge]), shuffle=False)
    assert "the objective of batch 3 of 4, which has 16 rows, is inf in epoch 1. Lower" in message
    diverging = {**DIVERGING, "learning_rate_init": 1e200, "activation": "identity"}
    assert error_of(None, **diverging).startswith(
        "Training diverged: with the weights after batch 1, the objective of batch 2 of 4, "
        "which has 16 rows, is "
    )


def test_divergence_in_a_small_last_batch_is_not_taken_for_its_size():
    """With weights that are still finite, that batch has an objective like the others'."""
    diverging = {**DIVERGING, "learning_rate_init": 1e200, "activation": "identity"}
    message = error_of(None, X[:17], **diverging)
    assert "with the weights after batch 1, the objective of batch 2 of 2, which" in message
    assert "Lower learning_rate_init (now 1e+200)" in message


def test_a_gradient_that_is_not_finite_is_named():
    message = error_of("gradient", X[:16], learning_rate_init=1e-3)
    assert "the gradient of batch 1 of 1, which has 16 rows, is not finite, although" in message
    assert "in epoch 1. Lower learning_rate_init (now 0.001)" in message
    assert "square root" in message
    assert "with the weights after batch 1, the" in error_of("gradient", X)
    assert "with the weights after the line search" in error_of("gradient", X, solver="lbfgs")


def test_weights_that_are_not_finite_are_named():
    message = error_of(None, 1e4 * X[:16], **{**DIVERGING, "learning_rate_init": 1e308})
    assert "the weights after batch 1 of 1, which has 16 rows, are not finite" in message


def test_an_objective_of_held_out_rows_that_is_not_finite_is_named():
    message = error_of("held-out rows", early_stopping=True, validation_fraction=0.3)
    assert "the objective of held-out batch 1 of 2, which has 16 rows, is inf in epoch 1" in message
    message = error_of("divides by n - 1", X[:33], early_stopping=True, validation_fraction=0.03)
    assert "the last held-out batch of epoch 1, which has 1 row, is nan. An objective" in message


def test_divergence_in_the_pretraining():
    layer = DenoisingAutoencoder(**DIVERGING)
    estimator = small("StackedAutoencoder", estimator=layer)
    with pytest.raises(ValueError, match="diverged"):
        estimator.fit(1e4 * X)
    assert_not_fitted(estimator)


@each_of_any_numbers
def test_divergence_leaves_what_warm_start_began_with(name):
    estimator = small(name, warm_start=True).fit(X)
    before = fitted_state(estimator)
    with pytest.raises(ValueError, match="diverged"):
        estimator.set_params(**DIVERGING).fit(1e4 * X)
    assert fitted_state(estimator) == before


@each_of_any_numbers
def test_divergence_leaves_what_partial_fit_began_with(name):
    estimator = small(name).partial_fit(X)
    codes = estimator.transform(X)
    estimator.set_params(**DIVERGING)
    with pytest.raises(ValueError, match="diverged"):
        for _ in range(100):
            before = fitted_state(estimator)
            estimator.partial_fit(1e4 * X)
    assert fitted_state(estimator) == before
    assert codes.shape == estimator.transform(X).shape


@each_of_any_numbers
def test_grid_search_survives_a_diverging_candidate(name):
    grid = {"learning_rate_init": [1e-6, DIVERGING["learning_rate_init"]]}
    estimator = small(name, solver="sgd", max_iter=100, n_iter_no_change=np.inf)
    search = GridSearchCV(estimator, grid, cv=2, error_score=np.nan, refit=False)
    with (
        pytest.warns(FitFailedWarning, match="2 fits failed"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X)
    np.testing.assert_array_equal(np.isfinite(search.cv_results_["mean_test_score"]), [True, False])


def test_a_stray_row_changes_little(digits):
    """1601 rows make a last batch of one, which must not move the weights like 200."""
    steps = {"batch_size": 200, "learning_rate_init": 1e-3}
    params = {"max_iter": 40, "random_state": 0, **steps, **NEVER_STOP}
    even, odd = (Autoencoder(8, **params).fit(digits[:n]) for n in (1600, 1601))
    assert odd.score(digits) == pytest.approx(even.score(digits), abs=0.02)
    assert odd.loss_ < 1.05 * even.loss_


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_steps_are_counted_whatever_the_default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        estimator = small("Autoencoder", batch_size=2, max_iter=10, **NEVER_STOP).fit(X)
    finally:
        torch.set_default_dtype(before)
    assert estimator._state.n_steps == 300
    assert_same_fit(estimator, small("Autoencoder", batch_size=2, max_iter=10, **NEVER_STOP).fit(X))


@each_class
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_failure_after_the_last_step_takes_nothing_over(name, error, monkeypatch):
    """As where the attributes that describe codes lack memory, or Ctrl-C comes a second time."""
    estimator = small(name).partial_fit(X)
    before = fitted_state(estimator)

    def fail(self, data):
        raise error

    for cls in type(estimator).__mro__:
        if "_summarize" in vars(cls):
            monkeypatch.setattr(cls, "_summarize", fail)
    with pytest.raises(error):
        estimator.partial_fit(X)
    assert fitted_state(estimator) == before


def test_a_row_that_overflows_is_not_taken_for_a_batch_of_a_wrong_size():
    rows = np.vstack([X, np.full((1, 6), 1e200)])
    with pytest.raises(ValueError, match="scale X") as raised:
        small("Autoencoder", batch_size=20, shuffle=False).fit(rows)
    assert "n - 1" not in str(raised.value)
