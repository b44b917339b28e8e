"""Saving and loading: pickle, joblib, skops, copies, versions."""

import copy
import importlib
import pickle
import pickletools
from dataclasses import dataclass

import joblib
import numpy as np
import pytest
from helpers import (
    GENERATORS,
    LABELS,
    SUPERVISED,
    TRAINED,
    UNIT_X,
    AnyWidth,
    X,
    assert_same_fit,
    each_class,
    each_trained,
    fitted_state,
    is_public,
    may_be_dead,
    may_collapse,
    small,
    weights,
)
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import BernoulliRBM

import skae
from skae._engine.devices import as_tensor
from skae._engine.saved import KINDS, plain, restored
from skae._outputs import LOSSES, SquaredError
from skae.networks import ConvNet

CONV = ConvNet((1, 2, 3), channels=(2,))
IMAGE = ConvNet((1, 2, 3), channels=(2,), code="image")
ON_IMAGE = ConvNet((2, 1, 2), channels=(2,), code="image")
TOPK = small("SparseAutoencoder", sparsity="topk", n_active=np.int64(2), tied_weights=False)
VARIANCES = ("shared", "per_feature", "heteroscedastic", 0.3, np.float64(0.3))


def stacked(*layers):
    """Unfitted, of width 2."""
    return skae.StackedAutoencoder((2,) * len(layers), estimator=list(layers), max_iter=2)


KEPT = {
    **{name: small(name) for name in (*TRAINED, *SUPERVISED)},
    **{f"{name} of ConvNet": small(name, network=CONV) for name in GENERATORS},
    **{
        f"{name} of {n}": small(name, network=n)
        for name in ("Autoencoder", "DenoisingAutoencoder")
        for n in (CONV, IMAGE)
    },
    **{f"VAE {v!r}": small("VAE", noise_variance=v) for v in VARIANCES},
    **{f"VAE {v!r} of ConvNet": small("VAE", noise_variance=v, network=CONV) for v in VARIANCES},
    **{f"VAE {name}": small("VAE", likelihood=name) for name in ("bernoulli", "categorical")},
    **{f"loss {name}": small("Autoencoder", loss=name) for name in LOSSES},
    **{f"solver {name}": small("Autoencoder", solver=name) for name in ("sgd", "lbfgs")},
    "top-k": TOPK,
    "top-k of ConvNet": clone(TOPK).set_params(network=IMAGE),
    "random state": small("Autoencoder", random_state=np.random.RandomState(0)),
    "stack of ConvNets": stacked(
        small("DenoisingAutoencoder", network=IMAGE), small("VAE", network=ON_IMAGE), small("VAE")
    ),
    "stack of a machine": stacked(BernoulliRBM(n_iter=2), small("Autoencoder")),
    "stack of top-k": stacked(small("VAE", likelihood="bernoulli"), TOPK),
    "classifier of ConvNet": skae.AutoencoderClassifier(small("VAE", network=CONV), max_iter=2),
    "frozen": skae.AutoencoderClassifier(FrozenEstimator(small("Autoencoder").fit(X)), max_iter=2),
}
each_kept = pytest.mark.parametrize("kept", KEPT)


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
    assert all(map(is_public, untrusted))
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
def test_loaded_estimator_trains_on_alone(name, save_and_load, tmp_path):
    estimator = small(name).fit(X)
    loaded, before = save_and_load(estimator, tmp_path), fitted_state(estimator)
    loaded.partial_fit(X)
    assert fitted_state(estimator) == before
    assert_same_fit(loaded, estimator.partial_fit(X))


@each_class
def test_loaded_estimator_trains_on_by_sgd(name, tmp_path):
    estimator = small(name, solver="sgd").fit(X)
    loaded = through_pickle(estimator, tmp_path)
    assert_same_fit(loaded.partial_fit(X), estimator.partial_fit(X))


@each_trained
@each_way
def test_unfitted_estimator_can_be_saved(name, save_and_load, tmp_path):
    loaded = save_and_load(small(name), tmp_path)
    assert_same_fit(loaded.fit(X, LABELS), small(name).fit(X, LABELS))


@each_trained
def test_shallow_copy_trains_alone(name):
    estimator = small(name).fit(X, LABELS)
    before = weights(estimator)
    copy.copy(estimator).partial_fit(X, LABELS)
    np.testing.assert_array_equal(weights(estimator), before)


@each_trained
def test_pickle_holds_nothing_of_torch(name):
    pickled = pickle.dumps(small(name).fit(X, LABELS))
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
    posteriors = getattr(estimator, "_posteriors_", np.empty(0)).nbytes  # to sample from
    assert len(pickle.dumps(estimator)) < 1.1 * copies * n_bytes + posteriors + 10_000


@each_trained
def test_hash_of_a_fitted_estimator_is_stable(name):
    assert joblib.hash(small(name).fit(X, LABELS)) == joblib.hash(small(name).fit(X, LABELS))


@each_trained
@pytest.mark.parametrize("fitted", [False, True])
def test_another_version_warns(name, fitted):
    estimator = small(name).fit(X, LABELS) if fitted else small(name)
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


@each_trained
def test_loading_does_not_change_the_state_it_is_given(name):
    state = small(name).fit(X, LABELS).__getstate__()
    keys = set(state)
    small(name).__setstate__(state)
    assert set(state) == keys


@each_class
def test_parameters_are_saved(name, tmp_path):
    estimator = small(name, alpha=0.25, n_iter_no_change=np.inf)
    loaded = through_pickle(estimator, tmp_path)
    assert str(loaded.get_params()) == str(estimator.get_params())


def fit_kept(kept):
    """The estimator of that name, fitted."""
    return copy.deepcopy(KEPT[kept]).fit(UNIT_X, LABELS)


def strings(pickled):
    """All strings in a pickle, the names of classes and of their modules among them."""
    return {arg for _, arg, _ in pickletools.genops(pickled) if isinstance(arg, str)}


@may_be_dead
@may_collapse
@each_kept
def test_files_name_public_classes_alone(kept):
    """So that whatever is private can be moved and renamed, and files of before still load."""
    model = fit_kept(kept)
    for protocol in (0, 2, pickle.HIGHEST_PROTOCOL):
        named = strings(pickle.dumps(model, protocol))
        assert any("skae" in name for name in named)
        assert not any("skae._" in name for name in named)
    skops = pytest.importorskip("skops.io")
    named = skops.get_untrusted_types(data=skops.dumps(model))
    assert named and all(map(is_public, named))


@may_be_dead
@may_collapse
@each_kept
@pytest.mark.parametrize("save_and_load", [through_pickle, through_skops])
def test_kept_model_is_the_same(kept, save_and_load, tmp_path):
    model = fit_kept(kept)
    loaded = save_and_load(model, tmp_path)
    assert loaded._perceptron == model._perceptron
    assert str(loaded._perceptron) == str(model._perceptron)
    np.testing.assert_equal(plain(loaded._state), plain(model._state))
    assert vars(loaded).keys() == vars(model).keys()
    np.testing.assert_array_equal(loaded.transform(UNIT_X), model.transform(UNIT_X))
    if hasattr(model, "partial_fit"):
        assert_same_fit(loaded.partial_fit(UNIT_X, LABELS), model.partial_fit(UNIT_X, LABELS))


@each_trained
@each_way
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loaded_weights_need_not_be_copied(name, save_and_load, dtype, tmp_path):
    loaded = save_and_load(small(name).fit(X.astype(dtype), LABELS), tmp_path)
    weights = loaded._state.weights
    assert as_tensor(weights).data_ptr() == weights.ctypes.data


@pytest.mark.parametrize("module", ["skae", "skae.datasets", "skae.inspection", "skae.networks"])
def test_what_is_public_says_where_it_is_found(module):
    public = importlib.import_module(module)
    for name in public.__all__:
        if name != "__version__":
            assert getattr(public, name).__module__ == module
            assert pickle.loads(pickle.dumps(getattr(public, name))) is getattr(public, name)


def test_shallow_copy_shares_its_state():
    model = small("Autoencoder").fit(X)
    assert copy.copy(model)._state is model._state
    assert copy.copy(model)._perceptron is model._perceptron


@dataclass(frozen=True)
class Doubled(SquaredError):
    """An output of someone else."""

    factor: float = 2.0

    def loss_of_cells(self, output, x):
        return self.factor * super().loss_of_cells(output, x)


class OfDoubled(skae.Autoencoder):
    _output = Doubled(factor=3.0)


@pytest.mark.parametrize("save_and_load", [through_pickle, through_deepcopy])
def test_outputs_of_others_are_kept_as_they_are(save_and_load, tmp_path):
    model = OfDoubled(3, max_iter=2, random_state=0).fit(X)
    loaded = save_and_load(model, tmp_path)
    assert loaded._perceptron.output == Doubled(factor=3.0)
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))
    assert not any("skae._" in name for name in strings(pickle.dumps(model)))


def test_specifications_of_others_are_kept_as_they_are():
    model = pickle.loads(pickle.dumps(small("Autoencoder", network=AnyWidth()).fit(X)))
    front, back = model._perceptron.front, model._perceptron.back
    assert isinstance(front.source.spec, AnyWidth) and front.source.spec is back.source.spec


@pytest.mark.parametrize("name", ["_perceptron", "_state"])
def test_what_another_version_has_saved_is_refused_by_name(name):
    state = small("Autoencoder").fit(X).__getstate__()
    for change, message in (
        ({"kind": "spline"}, "'spline' is unknown to this version"),
        ({"momentum": 1, "knots": 2}, f"knots, momentum of {state[name]['kind']!r} is unknown"),
    ):
        with pytest.raises(ValueError, match=message):
            small("Autoencoder").__setstate__({**state, name: {**state[name], **change}})


def test_a_field_that_was_not_there_yet_has_its_default():
    model = small("Autoencoder").fit(X)
    saved = plain(model._perceptron)
    del saved["n_extra"], saved["front"]
    assert restored(saved) == model._perceptron


def test_names_in_files_never_change():
    """A class may: its entry then names the new one."""
    assert set(KINDS) == {
        *("bernoulli", "binary_cross_entropy", "block", "categorical"),
        *("categorical_cross_entropy", "from_spec", "gaussian", "mixed", "mixed_density"),
        *("perceptron", "squared_error", "stacked_layers", "state", "top_k"),
    }
