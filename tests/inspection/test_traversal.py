"""What codes on a grid, or on a walk, decode to."""

import numpy as np
import pytest
from drawn import IMAGES, SHORT, texts
from helpers import LABELS, UNIT_X, small
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import VAE, Autoencoder
from skae.inspection import LatentTraversalDisplay, ReconstructionDisplay


def test_grid_is_decoded_at_quantiles_of_the_codes(autoencoder):
    display = LatentTraversalDisplay.from_estimator(autoencoder, IMAGES, n_steps=4, tail=0.1)
    codes = autoencoder.transform(IMAGES)
    quantiles = np.quantile(codes, [0.1, 0.1 + 0.8 / 3, 0.1 + 1.6 / 3, 0.9], axis=0)
    np.testing.assert_allclose(display.x_values, quantiles[:, 0])
    np.testing.assert_allclose(display.y_values, quantiles[:, 1])
    for (i, j), image in np.ndenumerate(display.images_):
        decoded = autoencoder.inverse_transform([[quantiles[j, 0], quantiles[i, 1]]])
        np.testing.assert_allclose(image.get_array(), decoded.reshape(6, 6))
        left, right, bottom, top = image.get_extent()  # large values on top
        assert j < left < right < j + 1 and 3 - i < top < bottom < 4 - i
    labels = list(map(float, texts(display.ax_.get_yticklabels())))
    hundredth = 0.01 * np.ptp(display.y_values)
    np.testing.assert_allclose(labels, display.y_values[::-1], rtol=0.05, atol=hundredth)


def test_grid_of_a_prior_is_at_normal_quantiles(vae):
    display = LatentTraversalDisplay.from_estimator(vae)
    normal = stats.norm.ppf(np.linspace(0.05, 0.95, 11))
    np.testing.assert_allclose(display.x_values, normal)
    first, second = np.sort(np.argsort(-vae.kl_per_component_)[:2])
    assert display.ax_.get_xlabel() == f"component {first}"
    assert display.ax_.get_ylabel() == f"component {second}"
    code = np.zeros((1, 3))
    code[0, first], code[0, second] = normal[7], normal[2]
    decoded = vae.inverse_transform(code)
    np.testing.assert_allclose(display.images_[2, 7].get_array(), decoded.reshape(6, 6))
    with pytest.raises(ValueError, match=r"needs X.*only a VAE has a prior.*found PCA"):
        LatentTraversalDisplay.from_estimator(PCA(2).fit(IMAGES))


def test_other_components_stay_at_their_mean():
    pca = PCA(4).fit(IMAGES)
    default = LatentTraversalDisplay.from_estimator(pca, IMAGES, n_steps=3)
    assert default.ax_.get_ylabel() == "component 1"
    display = LatentTraversalDisplay.from_estimator(pca, IMAGES, components=(3,), n_steps=5)
    assert display.decoded.shape == (1, 5, 36)
    codes = pca.transform(display.decoded[0])
    np.testing.assert_allclose(codes[:, :3], 0, atol=1e-12)
    np.testing.assert_allclose(codes[:, 3], display.x_values)
    assert texts(display.ax_.get_yticklabels()) == []


def test_walk_goes_straight_from_row_to_row(autoencoder):
    display = LatentTraversalDisplay.from_estimator(autoencoder, IMAGES, between=(3, 8), n_steps=5)
    start, end = autoencoder.transform(IMAGES[[3, 8]])
    assert display.images_.shape == (1, 5)
    for share, image in zip(np.linspace(0, 1, 5), display.images_[0], strict=True):
        decoded = autoencoder.inverse_transform([(1 - share) * start + share * end])
        np.testing.assert_allclose(image.get_array(), decoded.reshape(6, 6))
    assert display.ax_.get_xlabel() == "way from row 3 to row 8"
    assert texts(display.ax_.get_xticklabels()) == ["0", "0.25", "0.5", "0.75", "1"]


def test_labels_near_zero_are_zero():
    values = np.array([-2.0, -0.00123, 2.0])
    display = LatentTraversalDisplay(
        decoded=np.ones((1, 3, 25)), x_values=values, image_shape=(5, 5)
    ).plot()
    assert texts(display.ax_.get_xticklabels()) == ["-2", "0", "2"]


def test_one_component_is_a_single_row():
    estimator = Autoencoder(1, **SHORT).fit(IMAGES)
    assert LatentTraversalDisplay.from_estimator(estimator, IMAGES).images_.shape == (1, 11)


def test_rows_that_are_no_images_are_charts():
    estimator = small("Autoencoder").fit(UNIT_X)
    display = LatentTraversalDisplay.from_estimator(estimator, UNIT_X)
    assert display.images_ is None and display.axes_.shape == (5, 5)
    for (i, j), inset in np.ndenumerate(display.axes_):
        heights = [bar.get_height() for bar in inset.containers[0]]
        np.testing.assert_array_equal(heights, display.decoded[i, j])
    display.figure_.canvas.draw()
    assert display.axes_[4, 0].get_window_extent().y0 > display.axes_[0, 0].get_window_extent().y1
    assert display.axes_[0, 4].get_window_extent().x0 > display.axes_[0, 0].get_window_extent().x1


def test_pipelines_are_walked_in_units_of_x():
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(IMAGES)
    display = LatentTraversalDisplay.from_estimator(pipeline, IMAGES, between=(0, 1))
    expected = pipeline.inverse_transform(pipeline.transform(IMAGES[:2]))
    np.testing.assert_allclose(display.decoded[0, [0, -1]], expected)
    vae = make_pipeline(StandardScaler(), VAE(2, max_iter=5, random_state=0)).fit(IMAGES)
    display = LatentTraversalDisplay.from_estimator(vae, n_steps=1)
    centre = vae.inverse_transform(np.full((1, 2), stats.norm.ppf(0.05)))
    np.testing.assert_allclose(display.decoded[0], centre)


@pytest.mark.parametrize("components", [(0, 0), (0, 1, 2), (), (2,), (-1,), (0.5,)])
def test_components_that_are_not_there(components, autoencoder):
    with pytest.raises(ValueError, match="one or two different numbers from 0 to 1"):
        LatentTraversalDisplay.from_estimator(autoencoder, IMAGES, components=components)


@pytest.mark.parametrize("between", [(0,), (0, 40), (0, -1), (0.0, 1.0)])
def test_rows_that_are_not_there(between, autoencoder, vae):
    with pytest.raises(ValueError, match="two rows of X, from 0 to 39"):
        LatentTraversalDisplay.from_estimator(autoencoder, IMAGES, between=between)
    with pytest.raises(ValueError, match="two rows of X, but X is None"):
        LatentTraversalDisplay.from_estimator(vae, between=between)


@pytest.mark.parametrize("wrong", [{"n_steps": 0}, {"tail": 0.5}, {"between": 3}])
def test_wrong_parameters_of_traversals(wrong, autoencoder):
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter of LatentTraversal"):
        LatentTraversalDisplay.from_estimator(autoencoder, IMAGES, **wrong)


def test_estimators_that_decode_nothing():
    classifier = small("AutoencoderClassifier").fit(UNIT_X, LABELS)
    for display in (LatentTraversalDisplay, ReconstructionDisplay):
        with pytest.raises(TypeError, match="AutoencoderClassifier has no inverse_transform"):
            display.from_estimator(classifier, UNIT_X)
