"""Specifications of networks as parameters: cloned, searched, refused."""

import re

import numpy as np
import pytest
from helpers import (
    UNIT_X,
    assert_not_fitted,
    assert_same_fit,
    fitted_state,
    may_be_dead,
    may_collapse,
)
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from small_networks import (
    CONV,
    FAST,
    SHAPE,
    Normalized,
    Own,
    OwnDecoder,
    X,
    decoded,
    every_kind,
    every_network,
    of_kind,
)
from torch import nn

from skae import Autoencoder, ContractiveAutoencoder, SparseAutoencoder
from skae.networks import ConvNet

pytestmark = [
    may_be_dead,
    may_collapse,
    pytest.mark.filterwarnings("ignore:The samples show no structure:UserWarning"),
]


# Specifications are parameters.


def test_clones_and_grid_searches():
    model = of_kind("Autoencoder", clone(CONV))
    copied = clone(model).set_params(network__channels=(2,), network__downsample=None)
    assert model.network.channels == (3, 5)
    assert copied.network.channels == (2,)
    grid = {"network__channels": [(2,), (3, 4)], "network__code": ["vector", "image"]}
    search = GridSearchCV(model, grid, cv=2).fit(X)
    assert set(search.best_params_) == set(grid)
    assert search.best_estimator_.transform(X).shape[0] == 60


def test_own_specifications_are_searched():
    search = GridSearchCV(of_kind("Autoencoder", Normalized()), {"network__width": [2, 8]}, cv=2)
    assert search.fit(X).best_estimator_.network.width in (2, 8)


@every_kind
def test_a_fitted_model_does_not_follow_its_specification(kind):
    channels = [3, 5]
    model = of_kind(kind).set_params(network=ConvNet(SHAPE, channels=channels)).fit(X)
    codes, scores = model.transform(X), model.score_samples(X)
    channels[0] = 7
    model.network.set_params(image_shape=(1, 6, 8), downsample="pool")
    np.testing.assert_array_equal(model.transform(X), codes)
    np.testing.assert_array_equal(model.score_samples(X), scores)
    model.set_params(network=None)
    np.testing.assert_array_equal(model.transform(X), codes)
    np.testing.assert_array_equal(decoded(model, codes), decoded(model, model.transform(X)))


def test_fit_changes_no_specification():
    network = ConvNet(list(SHAPE), channels=[3, 5])
    Autoencoder(3, network=network, **FAST).fit(X)
    assert network.get_params() == ConvNet(list(SHAPE), channels=[3, 5]).get_params()
    assert set(vars(network)) == set(network.get_params())


@pytest.mark.parametrize(
    "changed",
    [
        {"network__channels": (3, 4)},
        {"network__kernel_size": 5},
        {"network__downsample": "pool"},
        {"network__downsample": None},
        {"network__code": "image"},
        {"network__image_shape": (2, 6, 4)},
        {"network": None},
        {"network": Normalized()},
        {"activation": "tanh"},
        {"hidden_layer_sizes": (5,)},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_cannot_go_on_with_another_network(method, changed):
    model = of_kind("Autoencoder", clone(CONV), warm_start=True).fit(X)
    before, codes = fitted_state(model), model.transform(X)
    model.set_params(**changed)
    with pytest.raises(ValueError, match="now describe the network"):
        getattr(model, method)(X)
    assert fitted_state(model) == before
    np.testing.assert_array_equal(model.transform(X), codes)


def test_training_goes_on_with_an_equal_network():
    model = of_kind("Autoencoder", warm_start=True).fit(X)
    model.set_params(network=ConvNet(list(SHAPE), channels=[3, 5])).fit(X)
    assert len(model.loss_curve_) == 4


def test_a_perceptron_cannot_go_on_as_a_convnet():
    model = Autoencoder(3, warm_start=True, **FAST).fit(X)
    with pytest.raises(ValueError, match="now describe the network"):
        model.set_params(network=CONV).fit(X)


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
@every_network
def test_dense_weights_are_not_there(network, name):
    model = of_kind("Autoencoder", network).fit(X)
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match=rf"{name}.*encoder_"):
        getattr(model, name)


# Errors.


def assert_refused(model, match, rows=X, **fit_params):
    """It says why, and nothing is left of the attempt, whether it was fitted before or not."""
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=match):
            getattr(model, method)(rows, **fit_params)
        assert_not_fitted_on(model)
    good = clone(model).set_params(network=None).fit(rows)
    before = fitted_state(good)
    good.set_params(network=model.network)
    with pytest.raises(ValueError, match=match):
        good.fit(rows, **fit_params)
    assert fitted_state(good) == before


def assert_not_fitted_on(model):
    left = set(vars(model)) - set(model.get_params(deep=False))
    assert left <= {"n_features_in_", "feature_names_in_"}
    if not left:
        assert_not_fitted(model)


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({"image_shape": (1, 28, 28)}, (784, 48)),
        ({"image_shape": (3, 4, 6)}, (72, 48)),
        ({"image_shape": (1, 4, 6)}, (24, 48)),
        ({"channels": (2,) * 4}, (4, 3)),
        ({"channels": (2,) * 9, "downsample": "pool"}, (9, 3)),
        ({"image_shape": (48, 1, 1), "channels": (2,)}, (1, 0)),
        ({"image_shape": (1, 1, 48), "channels": (2,) * 7}, (7, 6)),
    ],
    ids=str,
)
def test_shapes_that_do_not_suit_name_both_numbers(params, numbers):
    model = of_kind("Autoencoder", ConvNet(SHAPE).set_params(**params))
    with pytest.raises(ValueError) as caught:
        model.fit(X)
    found = {int(number) for number in re.findall(r"\d+", str(caught.value))}
    assert set(numbers) <= found
    assert_refused(model, "image_shape|channels")


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"channels": (16, 0)}, "channels"),
        ({"channels": (-3,)}, "channels"),
        ({"channels": (2.0,)}, "channels"),
        ({"channels": (True,)}, "channels"),
        ({"channels": ()}, "channels"),
        ({"channels": -16}, "channels"),
        ({"channels": "16"}, "channels"),
        ({"channels": None}, "channels"),
        ({"channels": ((2, 3),)}, "channels"),
        ({"image_shape": (4, 12)}, "image_shape"),
        ({"image_shape": (1, 2, 4, 6)}, "image_shape"),
        ({"image_shape": (-2, -4, 6)}, "image_shape"),
        ({"image_shape": (2, 4, 6.0)}, "image_shape"),
        ({"image_shape": ()}, "image_shape"),
        ({"image_shape": 48}, "image_shape"),
        ({"image_shape": None}, "image_shape"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"kernel_size": -1}, "kernel_size"),
        ({"kernel_size": 3.0}, "kernel_size"),
        ({"kernel_size": (3, 3)}, "kernel_size"),
        ({"kernel_size": None}, "kernel_size"),
        ({"downsample": "strides"}, "downsample"),
        ({"downsample": 2}, "downsample"),
        ({"downsample": True}, "downsample"),
        ({"code": "flat"}, "code"),
        ({"code": None}, "code"),
    ],
    ids=str,
)
def test_a_wrong_parameter_is_named(params, name):
    assert_refused(of_kind("Autoencoder", ConvNet(SHAPE).set_params(**params)), name)


def test_shapes_and_channels_may_be_numpys():
    shape, channels = np.array(SHAPE), np.array([3, 5])
    network = ConvNet(shape, channels=channels, kernel_size=np.int64(3))
    assert_same_fit(of_kind("Autoencoder", network).fit(X), of_kind("Autoencoder").fit(X))


@pytest.mark.parametrize("n_columns", [1, 25, 47])
def test_targets_are_images_of_the_same_size(n_columns):
    model, target = of_kind("DenoisingAutoencoder"), np.zeros((60, n_columns))
    with pytest.raises(ValueError, match=rf"24 pixels.*target has {n_columns} columns"):
        model.fit(X, target=target)
    assert_not_fitted_on(model)


@every_kind
def test_x_of_another_width_after_a_fit(kind):
    model = of_kind(kind).fit(X)
    with pytest.raises(ValueError, match="47 features"):
        model.transform(X[:, :47])


@pytest.mark.parametrize("kind", ["Autoencoder", "l1", "DenoisingAutoencoder", "exact", "VAE"])
def test_tied_weights_do_not_go_with_a_network(kind):
    model = of_kind(kind, tied_weights=True)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=r"tied_weights=True.*network=None"):
            getattr(model, method)(X)
        assert_not_fitted_on(model)


def test_the_contractive_autoencoders_default_is_refused_with_its_remedy():
    with pytest.raises(ValueError, match="set tied_weights=False"):
        ContractiveAutoencoder(3, network=CONV, **FAST).fit(X)


@pytest.mark.parametrize("network", [3, "ConvNet", ConvNet, nn.Linear(48, 4), {}], ids=str)
def test_a_network_must_be_a_specification(network):
    """With `build`; the class is none, as it is not made yet."""
    with pytest.raises((ValueError, TypeError)):
        Autoencoder(3, network=network, **FAST).fit(X)


REFUSED = {
    "decoder's width": (lambda i, o: (nn.Linear(i, 4), nn.Linear(4, o + 1)), "decoder returns"),
    "encoder's shapes": (lambda i, o: (nn.Linear(i + 1, 4), nn.Linear(4, o)), "encoder"),
    "decoder's shapes": (lambda i, o: (nn.Linear(i, 4), nn.Linear(5, o)), "decoder"),
    "dropout": (
        lambda i, o: (nn.Sequential(nn.Linear(i, 4), nn.Dropout()), nn.Linear(4, o)),
        "Dropout",
    ),
    "batch normalization": (
        lambda i, o: (nn.Sequential(nn.Linear(i, 4), nn.BatchNorm1d(4)), nn.Linear(4, o)),
        "BatchNorm1d",
    ),
}


@pytest.mark.parametrize(("make", "match"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("kind", ["Autoencoder", "DenoisingAutoencoder", "VAE"])
def test_own_modules_that_do_not_suit(kind, make, match):
    assert_refused(of_kind(kind, Own(make)), match)


@pytest.mark.parametrize("built", [None, nn.Linear(48, 4), (nn.Linear(48, 4), None)], ids=str)
def test_build_must_return_a_pair(built):
    model = of_kind("Autoencoder", Own(lambda i, o: built))
    for method in ("fit", "partial_fit"):
        with pytest.raises((TypeError, ValueError), match=r"Own\.build must return a pair"):
            getattr(model, method)(X)
        assert_not_fitted_on(model)


def test_an_error_of_build_is_its_own():
    def make(n_inputs, n_outputs):
        raise ZeroDivisionError("of the user")

    model = of_kind("Autoencoder", Own(make))
    with pytest.raises(ZeroDivisionError, match="of the user"):
        model.fit(X)
    assert_not_fitted_on(model)


@pytest.mark.parametrize("sparsity", ["l1", "topk"])
def test_atoms_that_cannot_be_bounded_are_refused(sparsity):
    network = OwnDecoder(lambda n: nn.utils.parametrizations.weight_norm(nn.Linear(5, n)))
    sparse = SparseAutoencoder(4, sparsity=sparsity, n_active=2, network=network, max_iter=1)
    with pytest.raises(ValueError, match="weight_norm"):
        sparse.fit(UNIT_X)
    sparse.set_params(sparsity="kl").fit(UNIT_X)
