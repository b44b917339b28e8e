"""Filters and atoms as they are drawn."""

import numpy as np
import pytest
from drawn import IMAGES, SHORT
from helpers import LABELS, UNIT_X, may_collapse, small
from sklearn.decomposition import NMF, PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    StackedAutoencoder,
)
from skae.inspection import FilterDisplay
from skae.inspection._tiles import full_columns
from skae.networks import ConvNet


def test_filters_are_the_first_layers_weights(denoiser):
    display = FilterDisplay.from_estimator(denoiser)
    norms = np.linalg.norm(display.filters, axis=1)
    assert (np.diff(norms) <= 1e-5 * norms[0]).all()
    assert sorted(display.indices) == list(range(10))
    np.testing.assert_array_equal(display.filters, denoiser.coefs_[0].T[display.indices])
    for image, row in zip(display.images_, display.filters, strict=True):
        np.testing.assert_array_equal(image.get_array(), row.reshape(6, 6))
        assert image.get_clim() == (-abs(row).max(), abs(row).max())
    shared = FilterDisplay.from_estimator(denoiser, shared_scale=True, n_filters=3)
    assert len(shared.images_) == 3
    limit = abs(shared.filters).max()
    assert {image.get_clim() for image in shared.images_} == {(-limit, limit)}


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(4, **SHORT),
        ContractiveAutoencoder(4, **SHORT),  # tied
        StackedAutoencoder((5, 4), **SHORT),
        VAE(4, hidden_layer_sizes=(), noise_variance="heteroscedastic", **SHORT),
        VAE(4, **SHORT),
    ],
)
@may_collapse
def test_filters_and_atoms_of_every_autoencoder(estimator):
    estimator.fit(IMAGES)
    first, last = estimator.coefs_[0].T, estimator.coefs_[-1][:, :36]
    if isinstance(estimator, VAE) and not estimator.hidden_layer_sizes:
        first = first[:4]  # the mean's
    for weights, expected in (("encoder", first), ("decoder", last)):
        display = FilterDisplay.from_estimator(estimator, weights=weights, n_filters=200)
        np.testing.assert_array_equal(display.filters, expected[display.indices])


def test_atoms_are_what_a_unit_adds():
    linear = Autoencoder(3, hidden_layer_sizes=(), **SHORT).fit(IMAGES)
    display = FilterDisplay.from_estimator(linear, weights="decoder")
    nothing, *units = linear.inverse_transform(np.vstack([np.zeros(3), np.eye(3)]))
    np.testing.assert_allclose(display.filters, (units - nothing)[display.indices], atol=1e-12)


def test_kernels_of_convolutions():
    network = ConvNet((2, 6, 6), channels=(5,), kernel_size=3)
    rows = np.random.default_rng(0).uniform(size=(20, 72))
    estimator = Autoencoder(3, network=network, **SHORT).fit(rows)
    display = FilterDisplay.from_estimator(estimator)
    kernels = next(p for p in estimator.encoder_.parameters() if p.ndim == 4).detach().numpy()
    np.testing.assert_array_equal(display.filters, kernels.reshape(5, -1)[display.indices])
    assert display.images_[0].get_array().shape == (3, 6)
    atoms = FilterDisplay.from_estimator(estimator, weights="decoder")
    kernels = next(p for p in estimator.decoder_.parameters() if p.ndim == 4).detach().numpy()
    np.testing.assert_array_equal(atoms.filters, kernels.reshape(5, -1)[atoms.indices])
    signals = ConvNet((1, 1, 72), channels=(5,), kernel_size=7)
    estimator = Autoencoder(3, network=signals, **SHORT).fit(rows)
    display = FilterDisplay.from_estimator(estimator)
    assert display.filters.shape == (5, 7) and display.images_ is None


def test_filters_where_cells_are_missing_are_those_of_the_cells():
    gaps = IMAGES.copy()
    gaps[0, 0] = np.nan
    for network, n_weights in ((None, 36), (ConvNet((1, 6, 6), channels=(3,)), 9)):
        denoiser = DenoisingAutoencoder(3, network=network, **SHORT).fit(gaps)
        assert FilterDisplay.from_estimator(denoiser).filters.shape == (3, n_weights)


def test_components_of_other_transformers():
    pca = PCA(5).fit(IMAGES)
    display = FilterDisplay.from_estimator(make_pipeline(StandardScaler(), pca).fit(IMAGES))
    np.testing.assert_array_equal(display.filters, pca.components_)  # in their order
    nmf = NMF(3, tol=1e-2).fit(IMAGES)
    display = FilterDisplay.from_estimator(nmf, weights="decoder")
    assert [image.get_clim()[0] for image in display.images_] == [0, 0, 0]
    with pytest.raises(TypeError, match="StandardScaler has none"):
        FilterDisplay.from_estimator(StandardScaler().fit(IMAGES))


def test_a_classifier_has_filters_but_no_atoms():
    classifier = AutoencoderClassifier(Autoencoder(4, **SHORT), **SHORT).fit(UNIT_X, LABELS)
    display = FilterDisplay.from_estimator(classifier)
    np.testing.assert_array_equal(display.filters, classifier.coefs_[0].T[display.indices])
    with pytest.raises(TypeError, match=r"needs an estimator with decoder_ .*Classifier has none"):
        FilterDisplay.from_estimator(classifier, weights="decoder")


def test_filters_of_few_features_are_bars():
    estimator = small("Autoencoder").fit(UNIT_X)
    display = FilterDisplay.from_estimator(estimator, n_filters=3)
    assert display.images_ is None
    for inset, unit, row in zip(display.axes_, display.indices, display.filters, strict=True):
        assert inset.get_title() == f"unit {unit}"
        np.testing.assert_array_equal([bar.get_height() for bar in inset.containers[0]], row)
        assert inset.get_ylim()[0] == -inset.get_ylim()[1]


@pytest.mark.parametrize("wrong", [{"weights": "both"}, {"n_filters": 0}, {"shared_scale": "yes"}])
def test_wrong_parameters_of_filters(wrong, denoiser):
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter of FilterDisplay"):
        FilterDisplay.from_estimator(denoiser, **wrong)


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (12, 4), (32, 8), (64, 8), (100, 10), (7, 4)])
def test_few_cells_stay_empty(n, columns):
    assert full_columns(n) == columns
