"""Boltzmann machines as layers: scikit-learn's numbers in a stack, and what they refuse."""

import pickle

import numpy as np
import pytest
from helpers import LABELS, UNIT_X, X, assert_same_fit
from scipy.sparse import csr_matrix
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    DenoisingAutoencoder,
    RestrictedBoltzmannMachine,
    StackedAutoencoder,
)
from skae._boltzmann_layers import in_full_batches
from skae._compat import InvalidParameterError
from skae._engine.data import split_rows
from skae.networks import ConvNet
from skae.tables import TableEncoder

RBM = BernoulliRBM(n_iter=3, learning_rate=0.2)
LAYER = DenoisingAutoencoder(loss="binary_cross_entropy", tied_weights=True, max_iter=2)
FAST = {"max_iter": 2, "batch_size": 50, "random_state": 0}
RTOL = {"float32": 1e-4, "float64": 1e-10}


def stacked(sizes=(20, 8), estimator=RBM, **parameters):
    return StackedAutoencoder(sizes, estimator=estimator, **{**FAST, **parameters})


class Recorder(BernoulliRBM):
    """A machine that lays what it is fitted to in a list, which clones share."""

    seen = []

    def fit(self, X, y=None):
        self.seen.append(X)
        return super().fit(X)


@pytest.fixture
def seen():
    """What machines get that are made after this."""
    Recorder.seen.clear()
    return Recorder.seen


class Unpaid(BernoulliRBM):
    """A machine that is not to be fitted."""

    def fit(self, X, y=None):
        raise AssertionError("It has been fitted.")


class Diverging(BernoulliRBM):
    """A machine of too large steps."""

    def fit(self, X, y=None):
        super().fit(X)
        self.components_[0, 0] = np.inf
        return self


# What a layer is.


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
def test_codes_are_those_of_machines_in_a_pipeline(dtype, container, digits):
    rows = container(digits[:300].astype(dtype))
    model = stacked(fine_tune=False).fit(rows)
    seeds = [layer.random_state for layer in model.estimators_]
    assert len(set(seeds)) == 2
    machines = [
        clone(RBM).set_params(n_components=width, random_state=seed)
        for width, seed in zip((20, 8), seeds, strict=True)
    ]
    expected = make_pipeline(*machines).fit_transform(rows)
    assert model.transform(rows).dtype == dtype
    np.testing.assert_allclose(model.transform(rows), expected, rtol=RTOL[dtype])


def test_a_layer_is_an_autoencoder_with_the_machine_s_weights(digits):
    rows = digits[:300]
    layer = stacked((20,), fine_tune=False).fit(rows).estimators_[0]
    machine = clone(RBM).set_params(n_components=20, random_state=layer.random_state).fit(rows)
    assert type(layer) is Autoencoder
    np.testing.assert_array_equal(layer.coefs_[0].T, machine.components_)
    np.testing.assert_array_equal(layer.intercepts_[0], machine.intercept_hidden_)
    np.testing.assert_array_equal(layer.intercepts_[1], machine.intercept_visible_)
    means = expit(machine.transform(rows) @ machine.components_ + machine.intercept_visible_)
    np.testing.assert_allclose(layer.reconstruct(rows), means, rtol=1e-10)
    losses = -(rows * np.log(means) + (1 - rows) * np.log1p(-means)).sum(axis=1)
    np.testing.assert_allclose(layer.loss_curve_, [losses.mean()])
    assert layer.n_iter_ == RBM.n_iter
    again = clone(layer).set_params(max_iter=2).fit(rows)  # an ordinary one
    assert again.n_iter_ == 2


def test_the_layer_s_weights_begin_where_lines_of_the_cache_do(digits):
    for layer in stacked(fine_tune=False).fit(digits[:300].astype(np.float32)).estimators_:
        assert layer._state.weights.ctypes.data % 64 == 0


def test_fine_tuning_starts_from_the_machines(digits):
    rows = digits[:300]
    before = stacked(fine_tune=False).fit(rows)
    after = stacked(learning_rate_init=1e-12, tol=0.0).fit(rows)
    np.testing.assert_allclose(after.transform(rows), before.transform(rows), atol=1e-8)
    np.testing.assert_allclose(after.loss_curve_, before.loss_curve_ * 2, rtol=1e-8)
    assert (before.n_iter_, after.n_iter_) == (2 * RBM.n_iter, 2 * RBM.n_iter + 2)
    tuned = stacked(max_iter=20).fit(rows)
    assert tuned.loss_ < before.loss_
    first = tuned.estimators_[0]
    np.testing.assert_array_equal(first.coefs_[0], first.coefs_[1].T)
    codes = tuned.estimators_[1].transform(first.transform(rows))
    np.testing.assert_allclose(codes, tuned.transform(rows), rtol=1e-10)


MIXED = {
    "machine below": [RBM, LAYER],
    "machine above": [LAYER, RBM],
    "above convolutions": [DenoisingAutoencoder(network=ConvNet((1, 8, 8)), max_iter=1), RBM],
}


@pytest.mark.parametrize("layers", MIXED.values(), ids=MIXED)
def test_machines_and_autoencoders_mix(layers, digits):
    model = stacked((12, 8), layers).fit(digits[:100])
    chain = model.estimators_[1].transform(model.estimators_[0].transform(digits[:100]))
    np.testing.assert_allclose(model.transform(digits[:100]), chain, rtol=1e-10)
    kinds = [Autoencoder if layer is RBM else DenoisingAutoencoder for layer in layers]
    assert [type(layer) for layer in model.estimators_] == kinds


def test_the_layer_below_a_machine_learns_as_without_it(digits):
    alone = stacked((12,), LAYER, fine_tune=False).fit(digits[:100])
    below = stacked((12, 5), [LAYER, RBM], fine_tune=False).fit(digits[:100]).estimators_[0]
    assert_same_fit(below, alone.estimators_[0])


# What it is good for.


def test_a_deep_belief_network_learns_where_its_random_start_does_not():
    rows, labels = load_digits(return_X_y=True)
    rows, some = rows / 16, labels.copy()
    some[100:] = -1
    untrained = Autoencoder(
        hidden_layer_sizes=(),
        code_activation="logistic",
        loss="binary_cross_entropy",
        max_iter=1,
        learning_rate_init=1e-12,
    )
    accuracies = []
    for layer in (BernoulliRBM(n_iter=20, learning_rate=0.2), untrained):
        stack = StackedAutoencoder((128,) * 3, estimator=layer, fine_tune=False)
        model = AutoencoderClassifier(stack, unlabeled=-1, max_iter=20, random_state=0)
        accuracies.append(model.fit(rows, some).score(rows[100:], labels[100:]))
    assert accuracies[0] > accuracies[1] + 0.1


def test_the_machine_s_parameters_are_searched(digits):
    labels = load_digits().target[:300]
    model = make_pipeline(
        stacked((30,), fine_tune=False), LogisticRegression(C=100.0, max_iter=1000)
    )
    name = "stackedautoencoder__estimator__n_iter"
    search = GridSearchCV(model, {name: [0, 20]}, cv=2).fit(digits[:300], labels)
    assert search.best_params_ == {name: 20}


def test_refits_clones_and_pickles_are_equal_to_the_bit(digits):
    model = stacked(early_stopping=True).fit(digits[:300])
    again = clone(model).fit(digits[:300])
    assert_same_fit(again, model)
    loaded = pickle.loads(pickle.dumps(model))
    assert_same_fit(loaded, model)
    assert_same_fit(loaded.partial_fit(digits[:100]), model.partial_fit(digits[:100]))
    assert not np.array_equal(again.coefs_[0], stacked(random_state=1).fit(digits[:300]).coefs_[0])


def test_global_generators_are_left_alone(digits):
    before = np.random.get_state()[1].copy()
    stacked().fit(digits[:100])
    np.testing.assert_array_equal(np.random.get_state()[1], before)


# Which rows a machine gets.


def test_held_out_rows_are_not_seen(seen, digits):
    rows = digits[:100]
    stacked((20,), Recorder(n_iter=1), early_stopping=True, validation_fraction=0.2).fit(rows)
    split = split_rows(100, 0.2, seed=0)
    np.testing.assert_array_equal(seen[0], rows[split.training.numpy()])


def test_unlabelled_rows_are_seen_and_those_without_weight_are_not(seen, digits):
    some = np.where(np.arange(100) < 50, np.arange(100) % 3, -1)
    model = AutoencoderClassifier(stacked((20,), Recorder(n_iter=1)), unlabeled=-1, **FAST)
    model.fit(digits[:100], some, sample_weight=np.repeat([0, 2, 2, 2, 0], 20))
    np.testing.assert_array_equal(seen[0], digits[20:80])


@pytest.mark.parametrize("n_rows", [3, 10, 11, 19, 30])
def test_the_last_batch_is_filled_with_the_first_rows(n_rows):
    rows = np.arange(n_rows)[:, None]
    filled = in_full_batches(rows, 10).ravel()
    assert len(filled) == -(-n_rows // 10) * 10
    np.testing.assert_array_equal(filled, np.arange(len(filled)) % n_rows)
    assert np.shares_memory(filled, rows) == (n_rows % 10 == 0)


def test_a_row_too_many_does_no_harm(digits):
    """scikit-learn's machine forgets the data at each batch that has much less rows than others."""
    machine, losses = BernoulliRBM(batch_size=50, learning_rate=0.5), []
    for n_rows in (500, 501):
        losses.append(stacked((20,), machine, fine_tune=False).fit(digits[:n_rows]).loss_)
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_partial_fit_and_warm_start_do_not_pretrain(digits):
    model = stacked(estimator=Unpaid()).partial_fit(digits[:100])
    assert model.n_iter_ == 1
    assert model.partial_fit(digits[:100]).n_iter_ == 2
    warm = stacked(warm_start=True).fit(digits[:100])
    warm.set_params(estimator=Unpaid()).fit(digits[:100])
    assert len(warm.loss_curve_) == 4
    lbfgs = AutoencoderClassifier(stacked((5,), Unpaid(), solver="lbfgs"), **FAST)
    lbfgs.partial_fit(UNIT_X, LABELS, classes=range(3))


def test_weights_count_where_no_machine_is_trained():
    weights = np.linspace(0.5, 1.5, 60)
    model = stacked((5,)).fit(UNIT_X, sample_weight=np.full(60, 2.0))
    np.testing.assert_allclose(model.coefs_[0], stacked((5,)).fit(UNIT_X).coefs_[0])
    stacked((5,)).partial_fit(UNIT_X, sample_weight=weights)
    model.set_params(warm_start=True).fit(UNIT_X, sample_weight=weights)
    frozen = AutoencoderClassifier(FrozenEstimator(model), **FAST)
    frozen.fit(UNIT_X, LABELS, sample_weight=weights)
    AutoencoderClassifier(stacked((5,)), class_weight="balanced", **FAST).fit(UNIT_X, LABELS)
    AutoencoderRegressor(stacked((5,)), **FAST).fit(UNIT_X, LABELS)


# Scikit-learn's edges.


def test_codes_are_named_and_go_into_data_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(UNIT_X, columns=list("abcdef"))
    model = stacked((3,)).set_output(transform="pandas").fit(frame)
    codes = model.transform(frame)
    assert list(codes.columns) == [f"stackedautoencoder{number}" for number in range(3)]
    np.testing.assert_array_equal(codes, stacked((3,)).fit_transform(UNIT_X))


def test_upper_machines_learn_codes_of_tables():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"size": UNIT_X[:, 0], "city": ["Paris", "Rome", "Oslo"] * 20})
    model = stacked((6, 3), [DenoisingAutoencoder(max_iter=2), RBM]).fit(frame)
    assert model.transform(frame).shape == (60, 3)
    assert list(model.reconstruct(frame).columns) == ["size", "city"]


def test_progress_is_printed_in_the_machine_s_words(capsys):
    stacked((5,), verbose=True, fine_tune=False).fit(UNIT_X)
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "[Autoencoder] layer 1 of 1: 60 rows, 3 iterations of BernoulliRBM"
    assert [line[:26] for line in others] == [f"[BernoulliRBM] Iteration {n}" for n in (1, 2, 3)]


def test_callbacks_are_told_of_the_layers():
    pytest.importorskip("sklearn.callback")
    doubles = pytest.importorskip("sklearn.callback.tests._utils")
    callback = doubles.RecordingAutoPropagatedCallback()
    stacked((5, 3)).set_callbacks(callback).fit(UNIT_X)
    begun = [c["context"].task_name for c in callback.record if c["name"] == "on_fit_task_begin"]
    assert begun == ["fit", "layer", "layer", "fine-tuning", "epoch", "epoch"]
    ended = [c for c in callback.record if c["name"] == "on_fit_task_end"]
    assert len(ended) == len(begun)


# Errors.


def message_of(error):
    return " ".join([str(error.value), *getattr(error.value, "__notes__", ())])


def test_rows_outside_of_the_unit_interval_are_refused():
    model = stacked((5,)).fit(UNIT_X)
    codes = model.transform(UNIT_X)
    with pytest.raises(ValueError, match=r"estimator=BernoulliRBM.* needs X in \[0, 1\].*MinMax"):
        model.fit(X)
    np.testing.assert_array_equal(model.transform(UNIT_X), codes)
    for whole in (AutoencoderClassifier(model), AutoencoderRegressor(model)):
        with pytest.raises(ValueError, match=r"needs X in \[0, 1\]"):
            whole.fit(X, LABELS)
    with pytest.raises(ValueError, match=r"needs X in \[0, 1\]"):
        model.score_samples(X)


def test_a_fitted_stack_scores_by_what_it_was_fitted_with():
    model = stacked((5,), Autoencoder(max_iter=1)).fit(X)
    scores = model.score_samples(X)
    np.testing.assert_array_equal(model.set_params(estimator=RBM).score_samples(X), scores)


def test_codes_outside_of_the_unit_interval_are_refused():
    with pytest.raises(ValueError, match=r"needs X in \[0, 1\]") as error:
        stacked((5, 3), [Autoencoder(max_iter=1), RBM]).fit(UNIT_X)
    assert "code_activation='logistic'" in message_of(error)
    assert "This is layer 2 of the stack; its X is the code of layer 1." in message_of(error)


@pytest.mark.parametrize("layers", [[RBM, LAYER], [LAYER, RBM]])
def test_weights_of_rows_are_refused(layers):
    model, weights = stacked((5, 3), layers).fit(UNIT_X), np.linspace(0.5, 1.5, 60)
    wholes = AutoencoderClassifier(model, **FAST), AutoencoderRegressor(model, **FAST)
    for whole in (model, *wholes):
        whole.fit(UNIT_X, LABELS)
        with pytest.raises(ValueError, match="takes no sample_weight: leave it out"):
            whole.fit(UNIT_X, LABELS, sample_weight=weights)
        whole.transform(UNIT_X)  # is as it was


@pytest.mark.parametrize("table", ["auto", TableEncoder()])
def test_tables_are_refused(table):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"size": UNIT_X[:, 0], "city": ["Paris", "Rome", "Oslo"] * 20})
    frame.loc[3, "city"] = None
    model = stacked((5,), table=table)
    for whole in (model, AutoencoderClassifier(model)):
        with pytest.raises(InvalidParameterError, match=r"needs an array, .*'city'.*Denoising"):
            whole.fit(frame, LABELS)


def test_missing_cells_are_refused():
    gaps = np.where(UNIT_X > 0.9, np.nan, UNIT_X)
    with pytest.raises(ValueError, match="contains NaN"):
        stacked((5,)).fit(gaps)


def test_machines_of_wrong_parameters_are_refused():
    for model in (stacked((5,), BernoulliRBM(n_iter=-1)), stacked((5, 3), [RBM])):
        with pytest.raises(InvalidParameterError):
            model.fit(UNIT_X)
    with pytest.raises(ValueError, match="Invalid parameter 'max_iter' for estimator BernoulliRBM"):
        stacked().set_params(estimator__max_iter=3)


@pytest.mark.parametrize("machine", [RBM, RestrictedBoltzmannMachine()])
def test_machines_below_convolutions_are_refused(machine, digits):
    layers = [machine, DenoisingAutoencoder(network=ConvNet((1, 8, 8)))]
    with pytest.raises(
        InvalidParameterError, match=r"machine has tied weights, .* only be the last layer"
    ):
        stacked((64, 3), layers).fit(digits[:100])


def test_divergence_is_an_error():
    model = stacked((5,), Diverging(n_iter=1))
    with pytest.raises(ValueError, match=r"has diverged.*Lower its learning_rate \(now 0.1\)"):
        model.fit(UNIT_X)
    assert not hasattr(model, "loss_")


@pytest.mark.parametrize("wrapped", [BernoulliRBM(9), FrozenEstimator(BernoulliRBM(9))])
@pytest.mark.parametrize(
    "whole", [AutoencoderClassifier, AutoencoderRegressor, AutoencoderOutlierDetector]
)
def test_machines_alone_are_told_where_to_go(whole, wrapped):
    if whole is AutoencoderOutlierDetector:
        wrapped = BernoulliRBM(9)
    remedy = r"put it into StackedAutoencoder\(\(9,\), estimator=BernoulliRBM\(n_components=9\)\)"
    with pytest.raises(InvalidParameterError, match=remedy):
        whole(wrapped).fit(UNIT_X, LABELS)


def test_the_imputer_is_for_others():
    with pytest.raises(
        InvalidParameterError, match=r"use DenoisingAutoencoder\(64, .*, for example"
    ):
        AutoencoderImputer(BernoulliRBM()).fit(UNIT_X)
