"""Both stages of a training: early stopping, seeds, interrupts, settings."""

import copy
import itertools
import pickle
import random

import joblib
import numpy as np
import pytest
import torch
from helpers import (
    NEVER_STOP,
    SMALL,
    X,
    assert_not_fitted,
    assert_same_fit,
    fitted_state,
    may_be_dead,
    may_collapse,
    small,
    weights,
)
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_supervised import (
    CLASSES,
    CONVEX,
    MARKED,
    OUTPUTS,
    TARGETS,
    UNLABELLED,
    assert_consistent,
    before_fine_tuning,
    classifier,
    each_inner,
    each_task,
    fit,
    frozen,
    predictions,
    regressor,
    tuned_or_not,
)

from skae import Autoencoder, AutoencoderRegressor
from skae._engine.data import split_rows
from skae._engine.streams import stream_seed

pytestmark = [may_be_dead, may_collapse]


# Early stopping.


def held_out(y, fraction=0.3, seed=0):
    """The rows that are held out, of labelled rows with classes y."""
    return split_rows(len(y), fraction, seed, strata=y).held_out.numpy()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.07, 0.3, 0.5, 0.8])
def test_held_out_rows_are_stratified(fraction, seed):
    y = np.random.default_rng(seed).choice(4, size=101, p=[0.6, 0.3, 0.08, 0.02])
    split = split_rows(101, fraction, seed, strata=y)
    rows, rest = split.held_out.numpy(), split.training.numpy()
    assert len(rows) == np.ceil(fraction * 101)
    np.testing.assert_array_equal(np.sort([*rows, *rest]), np.arange(101))
    shares = np.bincount(y[rows], minlength=4) - np.bincount(y, minlength=4) * len(rows) / 101
    assert np.abs(shares).max() <= 1
    assert not np.array_equal(np.sort(rows), np.sort(split_rows(101, fraction, 9, y).held_out))


def test_every_row_is_as_likely_to_be_held_out():
    y = np.repeat([0, 1, 2], [10, 7, 3])
    draws = [split_rows(20, 0.3, seed, strata=y).held_out.numpy() for seed in range(2000)]
    share = np.bincount(np.concatenate(draws), minlength=20) / 2000
    np.testing.assert_allclose(share[y == 0], share[y == 0].mean(), atol=0.05)
    np.testing.assert_allclose(share[y == 2], share[y == 2].mean(), atol=0.05)


EARLY = {"early_stopping": True, "validation_fraction": 0.3, "max_iter": 6, **NEVER_STOP}


@each_task
def test_held_out_rows_teach_nothing(make):
    """Neither pretraining nor training sees them: whatever they are, weights are the same."""
    rows = split_rows(60, 0.3, 0, strata=CLASSES if make is classifier else None).held_out
    other = X.copy()
    other[rows] *= 0.9
    params = {**EARLY, "max_iter": 1}  # with a single epoch, there is nothing to choose
    one, changed = (make(**params).fit(x, TARGETS[make]) for x in (X, other))
    np.testing.assert_array_equal(weights(one), weights(changed))
    np.testing.assert_array_equal(weights(one.autoencoder_), weights(changed.autoencoder_))
    assert one.loss_curve_ == changed.loss_curve_
    assert one.validation_loss_curve_ != changed.validation_loss_curve_


def test_held_out_rows_of_labelled_ones():
    y, mark = MARKED["number"]
    rows = np.flatnonzero(~UNLABELLED)[held_out(CLASSES[~UNLABELLED])]
    model = classifier(unlabeled=mark, **EARLY).fit(X, y)
    pretrained = clone(SMALL["Autoencoder"]).set_params(
        random_state=model.autoencoder_.random_state
    )
    pretrained.fit(np.delete(X, rows, axis=0))
    assert model.autoencoder_.loss_curve_ == pretrained.loss_curve_


@tuned_or_not
def test_the_best_weights_are_restored(fine_tune):
    params = {**EARLY, "max_iter": 60, "learning_rate_init": 0.1, "fine_tune": fine_tune}
    model = fit(classifier, **params)
    rows, curve = held_out(CLASSES), model.validation_loss_curve_
    assert len(curve) == len(model.loss_curve_) == 60
    assert min(curve) < curve[-1]
    loss = log_loss(CLASSES[rows], model.predict_proba(X[rows]))
    assert loss == pytest.approx(min(curve), rel=1e-9)
    assert model.best_loss_ == min(curve)
    assert_consistent(model)


def test_the_best_weights_of_a_regression_are_restored():
    model = fit(regressor, **{**EARLY, "max_iter": 60, "learning_rate_init": 0.1})
    rows = split_rows(60, 0.3, 0).held_out.numpy()
    errors = (model.predict(X) - OUTPUTS)[rows] / OUTPUTS.std(axis=0)
    loss = np.square(errors).sum(axis=1).mean()
    assert loss == pytest.approx(min(model.validation_loss_curve_), rel=1e-9)


@each_task
def test_too_large_a_validation_fraction(make):
    with pytest.raises(ValueError, match=r"validation_fraction=0.99.* leaves no rows"):
        fit(make, early_stopping=True, validation_fraction=0.99)


# Randomness and state.


@each_task
def test_same_seed_same_bits(make):
    one, again = (fit(make, early_stopping=True) for _ in range(2))
    assert_same_fit(one, again)
    assert_same_fit(one.autoencoder_, again.autoencoder_)
    np.testing.assert_array_equal(predictions(one, X), predictions(again, X))
    other = fit(make, early_stopping=True, random_state=1)
    assert np.abs(weights(one) - weights(other)).min() > 0
    assert one.autoencoder_.random_state == stream_seed(0, "layers") % 2**32


@each_task
def test_the_autoencoders_own_seed_is_not_used(make):
    one, other = (fit(make, small("Autoencoder", random_state=seed)) for seed in (0, 1))
    assert_same_fit(one, other)


@each_task
def test_global_generators_are_neither_read_nor_changed(make):
    def states():
        return str(np.random.get_state()), random.getstate(), torch.get_rng_state().tolist()

    before = states()
    one = fit(make)
    assert states() == before
    np.random.rand(), torch.rand(1)
    assert_same_fit(one, fit(make))


@each_inner
def test_pickled_and_copied_models_are_the_same(inner, tmp_path):
    for make in TARGETS:
        model = fit(make, inner, max_iter=1)
        joblib.dump(model, tmp_path / "model")
        loaded = pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")
        for other in (*loaded, copy.deepcopy(model)):
            assert_same_fit(other, model)
            assert_same_fit(other.autoencoder_, model.autoencoder_)
            assert vars(other).keys() == vars(model).keys()
            np.testing.assert_array_equal(predictions(other, X), predictions(model, X))
            np.testing.assert_array_equal(other.transform(X), model.transform(X))


@each_task
def test_a_shallow_copy_keeps_its_weights(make):
    model = fit(make)
    other = copy.copy(model)
    before = fitted_state(other)
    model.set_params(random_state=1).fit(X, TARGETS[make])
    assert fitted_state(other) == before


@each_task
def test_clones_are_not_fitted(make):
    model = fit(make)
    unfitted = clone(model)
    assert_not_fitted(unfitted)
    assert_same_fit(unfitted.fit(X, TARGETS[make]), model)


@each_task
def test_verbose_speaks_of_all_stages(make, capsys):
    model = fit(make, verbose=True, **NEVER_STOP)
    lines = capsys.readouterr().out.splitlines()
    name = type(model).__name__
    assert [line.split("]")[0][1:] for line in lines] == (  # settings, then an epoch each
        ["Autoencoder"] * (1 + 4) + [name] * 2 * (1 + 4)
    )
    phases = [line.split("] ")[1].split(": ")[0] for line in lines]
    assert phases == [
        phase for phase in ("pretraining", "output layer", "fine-tuning") for _ in range(1 + 4)
    ]


def test_verbose_names_the_phases_of_a_phase(capsys):
    classifier(SMALL["StackedAutoencoder"], max_iter=1, verbose=True).fit(X, CLASSES)
    lines = capsys.readouterr().out.splitlines()
    layer = "[DenoisingAutoencoder] pretraining, layer 1 of 2: "
    assert lines[1].startswith(f"{layer}epoch 1/2, loss ")
    assert lines[-5].startswith("[StackedAutoencoder] pretraining, fine-tuning: epoch 4/4, loss ")
    assert lines[-1].startswith("[AutoencoderClassifier] fine-tuning: epoch 1/1, loss ")


# Interrupts and failures.


def interrupt(monkeypatch, cls, batch):
    """Let the batch of this number, counted over the whole fit, raise KeyboardInterrupt."""
    objective, count = cls._objective, itertools.count(1)

    def interrupted(self, *args):
        if next(count) == batch:
            raise KeyboardInterrupt
        return objective(self, *args)

    monkeypatch.setattr(cls, "_objective", interrupted)


@each_task
@pytest.mark.parametrize("fitted_before", [False, True])
def test_interrupted_in_the_pretraining(make, fitted_before, monkeypatch):
    model = fit(make) if fitted_before else make()
    interrupt(monkeypatch, Autoencoder, batch=7)  # its second epoch
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


@each_task
def test_interrupted_in_the_output_layers_first_epoch(make, monkeypatch):
    model = make()
    interrupt(monkeypatch, type(model), batch=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


@each_task
def test_interrupted_while_the_output_layer_is_trained(make, monkeypatch):
    expected = before_fine_tuning(make, max_iter=2)
    model = make(max_iter=10)
    interrupt(monkeypatch, type(model), batch=2 * 4 + 3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert_same_fit(model, expected)
    assert_consistent(model)
    assert vars(model).keys() == vars(expected).keys()
    assert model.n_iter_ == 2
    np.testing.assert_array_equal(predictions(model, X), predictions(expected, X))


@each_task
def test_interrupted_in_the_first_epoch_of_fine_tuning(make, monkeypatch):
    expected = before_fine_tuning(make)
    model = make()
    interrupt(monkeypatch, type(model), batch=4 * 4 + 3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert_same_fit(model, expected)
    assert_consistent(model)
    np.testing.assert_array_equal(predictions(model, X), predictions(expected, X))


@each_task
def test_interrupted_while_fine_tuning(make, monkeypatch):
    params = {"max_iter": 5, **NEVER_STOP}
    complete = fit(make, **params)
    model = make(**params)
    interrupt(monkeypatch, type(model), batch=5 * 4 + 2 * 4 + 3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, TARGETS[make])
    assert model.loss_curve_ == complete.loss_curve_[:2]
    assert model.n_iter_ == 5 + 2
    assert_consistent(model)
    assert vars(model).keys() == vars(complete).keys()


@each_task
@pytest.mark.parametrize("fitted_before", [False, True])
def test_diverged_models_are_not_fitted(make, fitted_before):
    model = fit(make) if fitted_before else make()
    model.set_params(solver="sgd", learning_rate_init=1e200, max_iter=100)
    with pytest.raises(ValueError, match="Training diverged"):
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


@each_task
def test_models_that_diverge_in_fine_tuning_are_not_fitted(make, monkeypatch):
    objective, model = make().__class__._objective, make()

    def diverging(self, network, x, *rest):
        value = objective(self, network, x, *rest)
        return value * np.inf if network.perceptron.sizes[0] == 6 else value

    monkeypatch.setattr(type(model), "_objective", diverging)
    with pytest.raises(ValueError, match=r"Training diverged.*epoch 5"):  # 4 were the layer's
        model.fit(X, TARGETS[make])
    assert_not_fitted(model)


# The training's own parameters.


SETTINGS = [
    {"solver": "sgd", "learning_rate_init": 1e-3},
    {"solver": "lbfgs"},
    {"learning_rate": "cosine"},
    {"learning_rate": "one_cycle", "early_stopping": True},
    {"precision": "bf16"},
    {"batch_size": 7, "shuffle": False},
    {"alpha": 0.01},
    {"device": "auto"},
]


@each_task
@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_every_setting_trains_both_stages(params, make):
    same = {name: params[name] for name in ("alpha", "early_stopping") if name in params}
    untrained = fit(make, learning_rate_init=1e-12, max_iter=1, **same)
    model = fit(make, **{"max_iter": 8, **params})
    assert model.loss_ < untrained.loss_
    assert_consistent(model)


@each_task
def test_schedules_run_for_both_stages(make):
    """With a schedule, only early stopping ends before max_iter."""
    model = fit(make, learning_rate="cosine", n_iter_no_change=1, tol=0.9, max_iter=7)
    assert model.n_iter_ == 14


@each_task
def test_device_and_precision_override_the_autoencoders(make):
    inner = small("Autoencoder", device="cuda:99", precision="bf16", verbose=True)
    model = fit(make, inner)
    own = {name: getattr(model.autoencoder_, name) for name in ("device", "precision", "verbose")}
    assert own == {"device": "cpu", "precision": "float", "verbose": False}


def test_a_wide_decay_leaves_nothing_but_frequencies():
    """Weights vanish like 1 / alpha; intercepts, which are exempt, give the classes' shares."""

    def deviation(alpha):
        model = classifier(frozen(), **{**CONVEX, "alpha": alpha}).fit(X, CLASSES)
        return np.abs(model.predict_proba(X) - np.bincount(CLASSES) / 60).max()

    assert deviation(1e4) < 1e-4
    assert deviation(1e3) == pytest.approx(10 * deviation(1e4), rel=0.01)


def test_defaults_learn_a_noisy_target_without_its_noise():
    """Linear models explain half of its variance; 2000 steps, less than its mean does."""
    X, y = load_diabetes(return_X_y=True)
    scores = []
    for seed in range(3):
        train, test, targets, others = train_test_split(X, y, random_state=seed)
        regressor = make_pipeline(StandardScaler(), AutoencoderRegressor(random_state=seed))
        scores.append(regressor.fit(train, targets).score(test, others))
    assert np.mean(scores) > 0.1
