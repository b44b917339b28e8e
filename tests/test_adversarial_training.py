"""Trainings of any GAN: going on, divergence, what may be its network."""

import math
import pickle

import numpy as np
import pytest
from helpers import (
    LABELS,
    AnyWidth,
    X,
    assert_not_fitted,
    assert_same_fit,
    each_generator,
    fitted_state,
    small,
    weights,
)
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from small_gans import CONSTANT, drawn, fitted, plain_or_conditional

import skae
from skae._engine import training
from skae._engine.network import Network
from skae.networks import ConvNet

# Going on.


def passes(name, n, **params):
    gan = small(name, **params)
    for _ in range(n):
        gan.partial_fit(X, LABELS)
    return gan


@each_generator
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
def test_passes_are_epochs_of_a_constant_schedule(name, network):
    gan = passes(name, 4, network=network)
    assert_same_fit(gan, fitted(name, **CONSTANT, network=network))
    assert gan.n_iter_ == len(gan.loss_curve_) == 4


@each_generator
def test_passes_know_no_budget(name):
    assert_same_fit(passes(name, 3, max_iter=1), passes(name, 3, max_iter=100))


@each_generator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_goes_on_exactly_through_pickle(name, dtype):
    straight, broken = small(name), small(name)
    for _ in range(4):
        straight.partial_fit(X.astype(dtype), LABELS)
        broken = pickle.loads(pickle.dumps(broken.partial_fit(X.astype(dtype), LABELS)))
    assert_same_fit(straight, broken)
    np.testing.assert_array_equal(straight.offset_, broken.offset_)
    np.testing.assert_array_equal(drawn(straight, 5), drawn(broken, 5))


@plain_or_conditional
def test_a_warm_start_goes_on_exactly(name):
    gan = fitted(name, **CONSTANT, warm_start=True).fit(X, LABELS)
    assert_same_fit(gan, fitted(name, **CONSTANT, max_iter=8))
    assert gan.n_iter_ == 4 and len(gan.loss_curve_) == 8


@plain_or_conditional
def test_a_pass_after_a_fit_is_one_more_epoch(name):
    gan = fitted(name, **CONSTANT).partial_fit(X, LABELS)
    assert_same_fit(gan, fitted(name, **CONSTANT, max_iter=5))


@each_generator
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "other", [{"n_components": 4}, {"hidden_layer_sizes": (9,)}, {"activation": "tanh"}], ids=str
)
def test_training_cannot_go_on_with_another_network(name, method, other):
    gan = fitted(name, warm_start=True)
    before = fitted_state(gan)
    with pytest.raises(ValueError, match="now describe the network"):
        getattr(gan.set_params(**other), method)(X, LABELS)
    assert fitted_state(gan) == before
    assert gan.n_components_ == 3 and drawn(gan, 2).shape == (2, 6)


@each_generator
def test_an_interrupted_fit_keeps_its_finished_epochs(name, monkeypatch):
    run_epoch, n_begun = training.Trainer.run_epoch, []

    def interrupted(self, *args):
        n_begun.append(1)
        if len(n_begun) == 3:
            raise KeyboardInterrupt
        return run_epoch(self, *args)

    monkeypatch.setattr(training.Trainer, "run_epoch", interrupted)
    gan = small(name)
    with pytest.raises(KeyboardInterrupt):
        gan.fit(X, LABELS)
    assert gan.n_iter_ == len(gan.loss_curve_) == 2
    assert drawn(gan, 3).shape == (3, 6) and np.isfinite(gan.offset_).all()


@each_generator
def test_a_fit_interrupted_at_once_leaves_nothing(name, monkeypatch):
    def interrupted(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.Trainer, "run_epoch", interrupted)
    gan = small(name)
    with pytest.raises(KeyboardInterrupt):
        gan.fit(X, LABELS)
    assert_not_fitted(gan)


# Divergence.


@each_generator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_divergence_leaves_it_unfitted(name, dtype, method):
    gan = small(name, learning_rate_init=1e300)
    with pytest.raises(ValueError, match=r"diverged.*learning_rate_init"):
        getattr(gan, method)(X.astype(dtype), LABELS)
    assert_not_fitted(gan)


@each_generator
def test_a_warm_start_that_diverges_leaves_it_as_it_was(name):
    gan = fitted(name, warm_start=True)
    before = fitted_state(gan)
    with pytest.raises(ValueError, match="diverged"):
        gan.set_params(learning_rate_init=1e300).fit(X, LABELS)
    with pytest.raises(ValueError, match="diverged"):
        gan.partial_fit(X, LABELS)
    assert fitted_state(gan) == before


@each_generator
def test_steps_far_too_long_are_found_out_even_if_all_stays_finite(name):
    with pytest.warns(ConvergenceWarning, match=r"collapsed.*learning_rate_init \(now 1e\+06\)"):
        gan = fitted(name, learning_rate_init=1e6)
    assert np.isfinite(gan.offset_).all() and np.isfinite(drawn(gan, 5)).all()


@plain_or_conditional
@pytest.mark.parametrize("what", ["samples", "scores of rows"])
def test_samples_and_scores_that_are_not_finite_are_a_divergence(name, what, monkeypatch):
    method = "decode" if what == "samples" else "encode"
    untouched = getattr(Network, method)

    def undefined(self, rows):
        return untouched(self, rows) * math.nan

    monkeypatch.setattr(Network, method, undefined)  # training has another way
    gan = small(name)
    with pytest.raises(ValueError, match=f"diverged: {what} are not finite. Lower learning_rate"):
        gan.fit(X, LABELS)
    assert_not_fitted(gan)


@each_generator
def test_rows_too_large_to_be_squared_are_an_error(name):
    gan = small(name)
    with pytest.raises(ValueError, match="scale X"):
        gan.fit(1e200 * X, LABELS)
    assert_not_fitted(gan)


# Networks.


@each_generator
def test_convolutions_that_end_in_an_image_judge_no_row(name):
    network = ConvNet((1, 2, 3), channels=(2,), code="image")
    gan = small(name, network=network)
    with pytest.raises(ValueError, match=r"judges a row as a whole.*code='vector'"):
        gan.fit(X, LABELS)
    assert_not_fitted(gan)


@each_generator
def test_parameters_of_the_network_can_be_searched(name):
    gan = small(name, network=ConvNet((1, 2, 3), channels=(2,)))
    gan.set_params(network__channels=(3,)).fit(X, LABELS)
    assert gan.n_features_in_ == 6
    with pytest.raises(ValueError, match=rf"pass {name}\(network=ConvNet\("):
        small(name).set_params(network__channels=3)


@each_generator
def test_it_is_no_autoencoder(name):
    gan = small(name)
    for model in (
        skae.AutoencoderClassifier(gan),
        skae.AutoencoderRegressor(gan),
        skae.StackedAutoencoder((3,), estimator=gan),
        skae.AutoencoderImputer(gan),
        skae.AutoencoderOutlierDetector(gan),
    ):
        with pytest.raises(
            ValueError, match=rf"(?s)must be .*but found {name}.*: use .*, for example"
        ):
            model.fit(X, LABELS)


@each_generator
@pytest.mark.parametrize("method", ["score_samples", "log_likelihood", "inverse_transform"])
def test_there_is_no_likelihood_nor_a_way_back(name, method):
    assert not hasattr(fitted(name), method)


@each_generator
def test_verbose_prints_what_it_goes_by_and_a_line_for_each_epoch(name, capsys):
    fitted(name, verbose=True, max_iter=2).partial_fit(X, LABELS)
    head, *epochs = capsys.readouterr().out.splitlines()
    assert head == f"[{name}] 60 rows, batch_size=16, learning_rate_init=0.003, max_iter=2"
    assert [line.split(",")[0] for line in epochs] == [
        f"[{name}] epoch {number}" for number in ("1/2", "2/2", "3")
    ]


@each_generator
def test_refits_and_clones_are_the_same_to_the_bit(name):
    gan = fitted(name)
    before = weights(gan).copy()
    np.testing.assert_array_equal(weights(gan.fit(X, LABELS)), before)
    assert_same_fit(clone(gan).fit(X, LABELS), gan)
    np.testing.assert_array_equal(drawn(clone(gan).fit(X, LABELS), 9), drawn(gan, 9))
