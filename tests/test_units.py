"""Units: fits to data of any scale."""

import warnings

import numpy as np
import pytest
import torch
from helpers import LABELS, NEVER_STOP, X, normal, small
from sklearn.datasets import load_digits
from torch import nn

from skae import AutoencoderClassifier, DenoisingAutoencoder, StackedAutoencoder
from skae._engine.network import Network
from skae._engine.optimizers import Adam
from skae._engine.units import multiply_by_units, spans_in_units, unit_of

GAPS = np.random.default_rng(1).random(X.shape) < 0.1
FITS = {
    "Autoencoder": {},
    "Autoencoder, relu": {"tied_weights": True, "code_activation": "relu"},
    "Autoencoder, deep": {"hidden_layer_sizes": (7, 5), "code_activation": "tanh"},
    "SparseAutoencoder": {},
    "SparseAutoencoder, l1": {"sparsity": "l1"},
    "SparseAutoencoder, topk": {"sparsity": "topk", "n_active": 2},
    "DenoisingAutoencoder": {},
    "DenoisingAutoencoder, deep": {"hidden_layer_sizes": (7,)},
    "DenoisingAutoencoder, gaps": {},
    "StackedAutoencoder": {"estimator": DenoisingAutoencoder(max_iter=5)},
    "VAE": {},
    "VAE, variances": {"noise_variance": "heteroscedastic"},
}
each_fit = pytest.mark.parametrize("name", FITS)


def fitted(name, rows):
    rows = np.where(GAPS, np.nan, rows) if name.endswith("gaps") else rows
    params = {"max_iter": 8, "learning_rate_init": "auto", **NEVER_STOP, **FITS[name]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the scale is far from 1
        return small(name.partition(",")[0], **params).fit(rows)


def ends(estimator):
    """The units of inputs and outputs."""
    encoder, decoder, _ = estimator._units_
    return encoder[0][0], decoder[-1][1]


@each_fit
def test_fits_are_the_same_in_any_unit(name):
    """To some digits: Adam adds a small number to its divisors, in which gradients have units."""
    one, other = (fitted(name, unit * X) for unit in (2.0**4, 2.0**10))
    expected, found = one.reconstruct(2.0**4 * X) / 2.0**4, other.reconstruct(2.0**10 * X) / 2.0**10
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert ends(other) == (2.0**10, 2.0**10)


@pytest.mark.parametrize("kind", [DenoisingAutoencoder, StackedAutoencoder])
def test_grey_values_need_not_be_divided(kind):
    grey = load_digits().data
    params = {"max_iter": 10, "random_state": 0}
    widths = {"layer_sizes": (64, 16)} if kind is StackedAutoencoder else {"n_components": 32}
    usual, bytes_ = (kind(**widths, **params).fit(unit * grey) for unit in (1 / 16, 16))
    assert bytes_.score(16 * grey) > usual.score(grey / 16) - 0.03


@pytest.mark.parametrize(
    ("rows", "unit"),
    [
        (X, 1.0),  # of deviation 1
        (X + 1e6, 1.0),
        (X / 7, 1.0),
        (X / 9, 0.125),
        (3.9 * X, 1.0),
        (1000 * X, 1024.0),
        (np.where(X > 1, np.nan, 1e5 * X), 2.0**16),
        (np.ones((5, 2)), 1.0),
        (1e200 * X, 1.0),
        (np.full((5, 2), np.nan), 1.0),
        (np.ones((1, 3)), 1.0),
    ],
)
def test_units_are_powers_of_two_near_the_deviation(rows, unit):
    assert unit_of(rows) == unit


def test_further_rows_and_fits_keep_the_unit():
    estimator = small("DenoisingAutoencoder", learning_rate_init="auto").fit(100 * X)
    assert ends(estimator) == (128.0, 128.0)
    assert ends(estimator.partial_fit(X)) == (128.0, 128.0)
    assert ends(estimator.set_params(warm_start=True).fit(X)) == (128.0, 128.0)
    assert estimator.set_params(warm_start=False).fit(X)._units_ is None


def test_targets_have_their_own_unit():
    estimator = small("DenoisingAutoencoder", learning_rate_init="auto")
    assert ends(estimator.fit(X, target=1000 * X)) == (1.0, 1024.0)


def test_a_classifier_takes_the_unit_of_its_autoencoder():
    estimator = small("DenoisingAutoencoder", learning_rate_init="auto")
    classifier = AutoencoderClassifier(estimator, max_iter=2, random_state=0)
    assert ends(classifier.fit(100 * X, LABELS)) == (128.0, 1.0)
    scales = np.array([1e4, 1.0, 1.0, 1.0, 1.0, 1.0])  # the first column alone does not predict
    assert ends(classifier.fit(scales * X, LABELS)) == (1.0, 1.0)
    assert ends(classifier.autoencoder_) == (4096.0, 4096.0)


@pytest.mark.parametrize(
    "params", [{"learning_rate_init": 1e-3}, {"solver": "sgd"}, {"tied_weights": True}]
)
def test_steps_of_a_given_size_have_no_unit(params):
    params = {"learning_rate_init": "auto", **params}
    assert small("DenoisingAutoencoder", **params).fit(8 * X)._units_ is None


def test_steps_in_units_are_those_of_torch_with_a_rate_for_each_tensor():
    perceptron = fitted("VAE, variances", X)._perceptron
    rates = torch.ones(perceptron.length, dtype=torch.float64)
    units = ((16.0, 16.0), (16.0, 1.0)), ((1.0, 0.5), (0.5, 0.5)), X.shape[1]
    multiply_by_units(Network(perceptron, rates), units)
    vectors = (torch.zeros_like(rates), normal(len(rates)), torch.zeros(2, len(rates)).double())
    ours = Adam(*vectors, torch.tensor(0.0), spans_in_units(perceptron, units))
    theirs = [nn.Parameter(torch.zeros((), dtype=torch.float64)) for _ in rates]
    pairs = zip(theirs, rates.tolist(), strict=True)
    optimizer = torch.optim.Adam([{"params": [p], "lr": 0.1 * rate} for p, rate in pairs])
    for _ in range(3):
        for parameter, gradient in zip(theirs, vectors[1], strict=True):
            parameter.grad = gradient
        optimizer.step()
        ours.step(0.1)
    torch.testing.assert_close(vectors[0], torch.stack([p.detach() for p in theirs]))
    assert {*rates.tolist()} == {1 / 16, 0.5, 1.0, 2.0, 16.0}


@pytest.mark.parametrize(("factor", "warns"), [(1.0, False), (8.0, True), (0.05, True)])
def test_tied_weights_next_to_units_that_saturate_need_a_usual_scale(factor, warns):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        small("ContractiveAutoencoder", learning_rate_init="auto").fit(factor * X)
        small("DenoisingAutoencoder", learning_rate_init="auto").fit(factor * X)
    messages = [str(one.message) for one in found if issubclass(one.category, UserWarning)]
    of_scale = [message for message in messages if "far from 1" in message]
    assert len(of_scale) == warns and all("ContractiveAutoencoder" in one for one in of_scale)
