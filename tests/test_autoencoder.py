"""The plain autoencoder against PCA, its linear special case."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def linear(request, digits):
    """Trained until its subspace is within 0.1 degrees of PCA's, whatever the seed."""
    return Autoencoder(
        10,
        hidden_layer_sizes=(),
        tied_weights=request.param,
        learning_rate="cosine",
        learning_rate_init=0.03,
        batch_size=200,
        max_iter=400,
        random_state=0,
    ).fit(digits)


@pytest.fixture(scope="module")
def pca(digits):
    return PCA(10, svd_solver="full").fit(digits)


def test_a_linear_autoencoders_error_is_pcas(linear, pca, digits, squared_errors):
    least = squared_errors(digits, pca.inverse_transform(pca.transform(digits))).mean()
    error = squared_errors(digits, linear.reconstruct(digits)).mean()
    assert least - 1e-9 <= error < 1.01 * least


def test_a_linear_autoencoder_spans_pcas_subspace(linear, pca):
    _, decoder = linear.coefs_
    angles = np.degrees(subspace_angles(decoder.T, pca.components_.T))
    assert angles.shape == (10,)
    assert angles.max() < 1


def test_a_linear_autoencoder_explains_the_variance_that_pca_explains(linear, pca, digits):
    assert linear.score(digits) == pytest.approx(pca.explained_variance_ratio_.sum(), rel=0.01)


def test_a_tied_decoder_is_the_transposed_encoder(linear):
    encoder, decoder = linear.coefs_
    assert np.array_equal(encoder, decoder.T) == linear.tied_weights


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("hidden", [(), (64,), (64, 32)])
def test_training_beats_random_weights(hidden, loss, digits):
    """Which tied ones start with; others may start at principal components."""
    fit = {"hidden_layer_sizes": hidden, "loss": loss, "tied_weights": True, "random_state": 0}
    fit |= {"n_components": 8, "batch_size": 200, "learning_rate_init": 1e-3}
    trained = Autoencoder(**fit, max_iter=15).fit(digits)
    untrained = Autoencoder(**{**fit, "learning_rate_init": 1e-12}, max_iter=1).fit(digits)
    assert trained.score(digits) > untrained.score(digits) + 0.1
    assert trained.score_samples(digits).mean() > untrained.score_samples(digits).mean()


@pytest.mark.parametrize(
    "layers",
    [
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (40,)},
        {"hidden_layer_sizes": (64, 48), "activation": "gelu"},
        {"hidden_layer_sizes": (40,), "activation": "softplus"},
        {"hidden_layer_sizes": (40,), "activation": "identity"},
    ],
    ids=str,
)
def test_an_untrained_one_is_pca_where_layers_can_be_linear(layers, pca, digits):
    still = {"max_iter": 1, "batch_size": 200, "learning_rate_init": 1e-12, "random_state": 0}
    untrained = Autoencoder(10, **layers, **still).fit(digits)
    expected = pca.explained_variance_ratio_.sum()
    assert untrained.score(digits) == pytest.approx(expected, abs=1e-4)
    codes, components = (
        StandardScaler().fit_transform(e.transform(digits)) for e in (untrained, pca)
    )
    assert np.abs((codes * components)[:, :3].mean(axis=0)).min() > 0.999


def test_hidden_layers_beat_pca_of_equal_width(standardized_digits):
    train, test = standardized_digits[:1400], standardized_digits[1400:]
    pca = PCA(8).fit(train)
    deviations = np.square(test - test.mean(axis=0)).sum()
    unexplained = np.square(test - pca.inverse_transform(pca.transform(test))).sum()
    fit = {"max_iter": 60, "batch_size": 140, "learning_rate_init": 1e-3, "random_state": 0}
    autoencoder = Autoencoder(8, **fit).fit(train)
    assert autoencoder.score(test) > 1 - unexplained / deviations + 0.05


def test_without_training_loss_is_the_mean_error(digits, squared_errors):
    """One full batch that is not learned from: the loss is that of the fitted weights."""
    still = {"max_iter": 1, "learning_rate_init": 1e-12, "batch_size": len(digits)}
    autoencoder = Autoencoder(8, **still, random_state=0).fit(digits)
    expected = squared_errors(digits, autoencoder.reconstruct(digits)).mean()
    assert autoencoder.loss_ == pytest.approx(expected, rel=1e-6)
