"""Saving and loading: pickle, joblib, skops, copies, versions."""

import copy
import pickle
import pickletools

import joblib
import numpy as np
import pytest
from helpers import X, assert_same_fit, each_class, fitted_state, small, weights

import skae


def through_pickle(estimator, tmp_path):
    return pickle.loads(pickle.dumps(estimator))


def through_joblib(estimator, tmp_path):
    joblib.dump(estimator, tmp_path / "model.joblib")
    return joblib.load(tmp_path / "model.joblib")


def through_memory_map(estimator, tmp_path):
    joblib.dump(estimator, tmp_path / "model.joblib")
    return joblib.load(tmp_path / "model.joblib", mmap_mode="r")


def through_deepcopy(estimator, tmp_path):
    return copy.deepcopy(estimator)


def through_cloudpickle(estimator, tmp_path):
    return pickle.loads(pytest.importorskip("cloudpickle").dumps(estimator))


def through_skops(estimator, tmp_path):
    skops = pytest.importorskip("skops.io")
    data = skops.dumps(estimator)
    untrusted = skops.get_untrusted_types(data=data)
    assert all(name.startswith("skae.") for name in untrusted)
    return skops.loads(data, trusted=untrusted)


each_way = pytest.mark.parametrize(
    "save_and_load",
    [
        *(through_pickle, through_joblib, through_memory_map, through_deepcopy),
        *(through_cloudpickle, through_skops),
    ],
)


@each_class
@each_way
def test_loaded_estimator_is_equal(name, save_and_load, tmp_path):
    estimator = small(name, early_stopping=True).fit(X)
    loaded = save_and_load(estimator, tmp_path)
    assert_same_fit(loaded, estimator)
    assert vars(loaded).keys() == vars(estimator).keys()
    assert loaded.validation_loss_curve_ == estimator.validation_loss_curve_
    for method in ("transform", "reconstruct", "score_samples", "score"):
        np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(estimator, method)(X))


@each_class
@each_way
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_loaded_estimator_trains_on(name, save_and_load, solver, tmp_path):
    estimator = small(name, solver=solver).fit(X)
    loaded = save_and_load(estimator, tmp_path)
    assert_same_fit(loaded.partial_fit(X), estimator.partial_fit(X))


@each_class
@each_way
def test_training_on_leaves_what_was_saved(name, save_and_load, tmp_path):
    estimator = small(name).fit(X)
    before = fitted_state(estimator)
    save_and_load(estimator, tmp_path).partial_fit(X)
    assert fitted_state(estimator) == before


@each_class
@each_way
def test_unfitted_estimator_can_be_saved(name, save_and_load, tmp_path):
    loaded = save_and_load(small(name), tmp_path)
    assert_same_fit(loaded.fit(X), small(name).fit(X))


@each_class
def test_shallow_copy_trains_alone(name):
    estimator = small(name).fit(X)
    before = weights(estimator)
    copy.copy(estimator).partial_fit(X)
    np.testing.assert_array_equal(weights(estimator), before)


@each_class
def test_pickle_holds_nothing_of_torch(name):
    pickled = pickle.dumps(small(name).fit(X))
    strings = {arg for _, arg, _ in pickletools.genops(pickled) if isinstance(arg, str)}
    modules = {s.split(".")[0] for s in strings if s.split(".")[0] in ("torch", "skae", "numpy")}
    assert modules == {"skae", "numpy"}
    assert b"torch" not in pickled


@each_class
def test_pickle_is_no_larger_than_weights_and_moments(name):
    params = {"layer_sizes": (200, 100)} if name == "StackedAutoencoder" else {"n_components": 500}
    estimator = small(name, **params).fit(np.tile(X, (1, 10)))
    n_bytes = weights(estimator).nbytes
    copies = 6 if name == "StackedAutoencoder" else 3  # its layers keep theirs
    assert len(pickle.dumps(estimator)) < 1.1 * copies * n_bytes + 10_000


@each_class
def test_hash_of_a_fitted_estimator_is_stable(name):
    assert joblib.hash(small(name).fit(X)) == joblib.hash(small(name).fit(X))


@each_class
@pytest.mark.parametrize("fitted", [False, True])
def test_another_version_warns(name, fitted):
    estimator = small(name).fit(X) if fitted else small(name)
    state = estimator.__getstate__()
    assert state["_skae_version"] == skae.__version__
    loaded = type(estimator).__new__(type(estimator))
    with pytest.warns(UserWarning, match=rf"{name} .*0\.0\.7.*{skae.__version__}"):
        loaded.__setstate__({**state, "_skae_version": "0.0.7"})
    assert vars(loaded).keys() == vars(estimator).keys()


def test_missing_version_warns():
    estimator = small("Autoencoder").fit(X)
    state = estimator.__getstate__()
    del state["_skae_version"]
    with pytest.warns(UserWarning, match="unknown"):
        small("Autoencoder").__setstate__(state)


@each_class
def test_loading_does_not_change_the_state_it_is_given(name):
    state = small(name).fit(X).__getstate__()
    keys = set(state)
    small(name).__setstate__(state)
    assert set(state) == keys


@each_class
def test_parameters_are_saved(name, tmp_path):
    estimator = small(name, alpha=0.25, n_iter_no_change=np.inf)
    loaded = through_pickle(estimator, tmp_path)
    assert str(loaded.get_params()) == str(estimator.get_params())
