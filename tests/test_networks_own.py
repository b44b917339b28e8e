"""Modules of the user's own, in every estimator."""

import numpy as np
import pytest
import torch
from helpers import UNIT_X, may_be_dead, may_collapse
from sklearn.base import BaseEstimator
from small_networks import (
    FAST,
    Normalized,
    Own,
    OwnDecoder,
    Signals,
    X,
    both_dtypes,
    decoded,
    encoded,
    of_kind,
    paired,
    parameters,
    reference_jacobian,
    residuals,
    stacked,
)
from torch import nn

from skae import Autoencoder

pytestmark = [
    may_be_dead,
    may_collapse,
    pytest.mark.filterwarnings("ignore:The samples show no structure:UserWarning"),
]


class Shifted(nn.Module):
    """It holds constants of its own, which are not trained."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.register_buffer("shift", torch.linspace(-1, 1, n_inputs))
        self.linear = nn.Linear(n_inputs, n_outputs)

    def forward(self, x):
        return self.linear(x + self.shift)


class Recurrent(nn.Module):
    """The same layer twice."""

    def __init__(self, n_inputs, width):
        super().__init__()
        self.enter = nn.Linear(n_inputs, width)
        self.again = nn.Linear(width, width, bias=False)

    def forward(self, x):
        h = torch.tanh(self.enter(x))
        return torch.tanh(self.again(torch.tanh(self.again(h))))


def shifted(n_inputs, n_outputs):
    return Shifted(n_inputs, 4), Shifted(4, n_outputs)


def recurrent(n_inputs, n_outputs):
    return Recurrent(n_inputs, 4), nn.Linear(4, n_outputs)


def grouped(n_inputs, n_outputs):
    """Normalization, and features that are a vector of several channels."""
    n_channels = n_inputs // 24
    encoder = [nn.Unflatten(1, (n_channels, 4, 6)), nn.Conv2d(n_channels, 4, 3), nn.GroupNorm(2, 4)]
    decoder = [nn.Linear(32, 48), nn.GELU(), nn.Linear(48, n_outputs)]
    return nn.Sequential(*encoder, nn.GELU(), nn.Flatten()), nn.Sequential(*decoder)


def parameterless(n_inputs, n_outputs):
    """Only shapes change: the dense layers do all."""
    encoder = nn.Unflatten(1, (n_inputs // 24, 4, 6))
    return encoder, nn.Sequential(nn.Conv2d(n_inputs // 24, n_outputs // 24, 1), nn.Flatten())


OWN = {
    "layer normalization": Normalized(),
    "buffer": Own(shifted),
    "used twice": Own(recurrent),
    "signals": Signals(),
    "images": Own(residuals),
    "groups": Own(grouped),
    "shapes": Own(parameterless),
}
every_own = pytest.mark.parametrize("network", OWN.values(), ids=OWN)
kinds_and_own = paired(OWN)


@kinds_and_own
def test_own_modules_equal_transform_and_inverse_transform(kind, network):
    estimator = of_kind(kind, network).fit(X)
    Z = estimator.transform(X)
    np.testing.assert_allclose(encoded(estimator, X), Z, rtol=1e-6, atol=1e-9)
    back = estimator.inverse_transform(Z)
    np.testing.assert_allclose(decoded(estimator, Z), back, rtol=1e-6, atol=1e-9)
    assert np.isfinite(estimator.score(X))


@kinds_and_own
def test_own_modules_are_trained(kind, network):
    """Every parameter of theirs, and constants are left alone."""
    started = of_kind(kind, network, learning_rate_init=1e-12, max_iter=1).fit(X)
    trained = of_kind(kind, network, max_iter=3, learning_rate_init=0.01).fit(X)
    for before, after in zip(parameters(started), parameters(trained), strict=True):
        assert not torch.allclose(before, after, rtol=0, atol=1e-6)
    for before, after in zip(started.encoder_.buffers(), trained.encoder_.buffers(), strict=True):
        assert torch.equal(before, after)


@every_own
def test_jacobian_of_own_modules_equals_jacrev(network):
    estimator = of_kind("exact", network).fit(X)
    expected = reference_jacobian(estimator, X[:5])
    np.testing.assert_allclose(estimator.jacobian(X[:5]), expected, rtol=1e-7, atol=1e-12)


@every_own
@both_dtypes
def test_own_modules_keep_the_dtype(dtype, network):
    estimator = of_kind("Autoencoder", network).fit(X.astype(dtype))
    assert estimator.transform(X.astype(dtype)).dtype == dtype
    assert all(t.dtype == torch.from_numpy(X.astype(dtype)).dtype for t in parameters(estimator))


def test_weights_start_as_the_constructors_of_own_modules_draw_them():
    """Those of layer normalization at 1, its biases at 0, whatever the estimator."""
    still = {"learning_rate_init": 1e-12, "max_iter": 1}
    estimator = Autoencoder(3, network=Normalized(), random_state=0, **still).fit(X)
    _, linear, norm, *_ = estimator.encoder_
    np.testing.assert_allclose(norm.weight.detach(), 1, atol=1e-9)
    np.testing.assert_allclose(norm.bias.detach(), 0, atol=1e-9)
    assert linear.weight.abs().max() <= 48**-0.5 + 1e-6


def test_an_own_network_of_dense_layers_learns_as_much_as_a_perceptron(digits):
    class Dense(BaseEstimator):
        def build(self, n_features, *, n_inputs, n_outputs, activation):
            return nn.Sequential(nn.Linear(n_inputs, 32), nn.ReLU()), nn.Linear(32, n_outputs)

    rows = digits[:500]
    fit = {"max_iter": 30, "batch_size": 25, "learning_rate_init": 5e-3, "random_state": 0}
    own = Autoencoder(8, network=Dense(), hidden_layer_sizes=(), **fit).fit(rows)
    plain = Autoencoder(8, hidden_layer_sizes=(32,), **fit).fit(rows)
    assert own.score(rows) == pytest.approx(plain.score(rows), abs=0.05)


@every_own
def test_own_networks_stack(network):
    layers = [Autoencoder(network=network, **FAST), Autoencoder(**FAST)]
    model = stacked(layers).fit(X)
    codes = model.estimators_[1].transform(model.estimators_[0].transform(X))
    np.testing.assert_allclose(model.transform(X), codes, rtol=1e-8, atol=1e-10)


def in_place(n_inputs, n_outputs):
    encoder = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(n_inputs, 4))
    return encoder, nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, n_outputs))


@pytest.mark.parametrize("hidden", [(), (5,)], ids=str)
def test_modules_that_write_into_what_they_get_leave_data_alone(hidden):
    """They are refused, if they are not given copies."""
    rows = X - 0.5
    before, model = rows.copy(), of_kind("Autoencoder", Own(in_place), hidden_layer_sizes=hidden)
    try:
        model.fit(rows).transform(rows)
    except ValueError as error:
        assert "in place" in str(error) or "inplace" in str(error)
    np.testing.assert_array_equal(rows, before)


def test_normalization_of_whole_images_is_no_layer_of_atoms():
    """Its weights have two axes, but no inputs and outputs, so that none has norm at most 1."""

    def make(n_inputs, n_outputs):
        norm = nn.Sequential(nn.Unflatten(1, (4, 12)), nn.LayerNorm((4, 12)), nn.Flatten())
        return nn.Linear(n_inputs, 4), nn.Sequential(nn.Linear(4, n_outputs), norm)

    estimator = of_kind("l1", Own(make), learning_rate_init=1e-12, max_iter=1).fit(X)
    norm = next(m for m in estimator.decoder_.modules() if isinstance(m, nn.LayerNorm))
    np.testing.assert_allclose(norm.weight.detach(), 1, atol=1e-6)


class Transposed(nn.Module):
    """Its output is no longer contiguous."""

    def forward(self, x):
        return x.t().contiguous().t()


def test_decoders_may_give_any_layout():
    def make(n_outputs):
        return nn.Sequential(nn.Linear(5, n_outputs), Transposed())

    setting, x = {"max_iter": 2, "random_state": 0}, UNIT_X
    plain = Autoencoder(3, network=OwnDecoder(lambda n: nn.Linear(5, n)), **setting).fit(x)
    other = Autoencoder(3, network=OwnDecoder(make), **setting).fit(x)
    np.testing.assert_allclose(other.transform(x), plain.transform(x), rtol=1e-9)
