"""Errors of features and histograms of scores."""

import numpy as np
import pytest
from drawn import IMAGES, SHORT, texts
from helpers import LABELS, UNIT_X
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, AutoencoderOutlierDetector, DenoisingAutoencoder
from skae.inspection import FeatureErrorsDisplay, OutlierScoresDisplay


@pytest.fixture(scope="module")
def detector():
    return AutoencoderOutlierDetector(Autoencoder(2, max_iter=5), random_state=0).fit(UNIT_X)


def test_bars_are_the_largest_errors_and_the_code(detector):
    display = FeatureErrorsDisplay.from_estimator(detector, UNIT_X, row=7, n_features=4)
    errors, distance = detector.feature_errors(UNIT_X)[7], detector.code_distances(UNIT_X)[7]
    order = errors.argsort()[::-1][:4]
    np.testing.assert_allclose(
        [bar.get_width() for bar in display.bars_], [*errors[order], distance]
    )
    assert texts(display.ax_.get_yticklabels()) == [*(f"x{j}" for j in order), "code"]
    assert display.ax_.yaxis_inverted() and display.images_ is None
    colours = [bar.get_facecolor() for bar in display.bars_]
    assert len(set(colours[:4])) == 1 and colours[4] != colours[0]


def test_ticks_are_what_few_training_rows_exceed(detector):
    display = FeatureErrorsDisplay.from_estimator(detector, UNIT_X)
    np.testing.assert_allclose(
        display.quantiles, np.quantile(detector.feature_errors(UNIT_X), 0.95, axis=0)
    )
    distances = detector.code_distances(UNIT_X)
    assert display.quantile_of_distance == pytest.approx(np.quantile(distances, 0.95))
    ends = [segment[0, 0] for segment in display.ax_.collections[0].get_segments()]
    order = display.errors.argsort()[::-1]
    np.testing.assert_allclose(ends, [*display.quantiles[order], display.quantile_of_distance])


def test_errors_of_an_image_are_an_image(denoiser):
    images = AutoencoderOutlierDetector(FrozenEstimator(denoiser)).fit(IMAGES)
    display = FeatureErrorsDisplay.from_estimator(images, IMAGES, row=2, cmap="viridis")
    row, errors = (np.asarray(image.get_array()).ravel() for image in display.images_)
    np.testing.assert_array_equal(row, IMAGES[2])
    np.testing.assert_allclose(errors, images.feature_errors(IMAGES)[2])
    assert display.bars_ is None and display.images_[1].get_cmap().name == "viridis"
    assert texts(display.ax_.get_yticklabels()) == ["row", "errors"]
    assert display.ax_.get_xlabel().startswith("code: ")
    bars = FeatureErrorsDisplay.from_estimator(images, IMAGES, image_shape=None)
    assert len(bars.bars_) == 11
    channels = FeatureErrorsDisplay.from_estimator(images, IMAGES, image_shape=(3, 3, 4))
    assert channels.images_[1].get_array().shape == (3, 4)


def test_errors_of_a_table_have_the_names_of_its_columns():
    pd = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(60, 24))
    frame = pd.DataFrame(rows, columns=[f"c{j}" for j in range(24)])
    frame["kind"] = list("xyz") * 20  # 25 columns, which are no image
    model = AutoencoderOutlierDetector(DenoisingAutoencoder(3, **SHORT)).fit(frame)
    frame.loc[0, "c3"] = 1e3
    frame.loc[0, "c5"] = None
    display = FeatureErrorsDisplay.from_estimator(model, frame, n_features=100)
    labels = texts(display.ax_.get_yticklabels())
    assert (
        display.image_shape is None
        and labels[0] == "c3"
        and "kind" in labels
        and "c5" not in labels
    )


def test_errors_through_a_pipeline_and_of_others(autoencoder, detector):
    pipeline = make_pipeline(StandardScaler(), PCA(3), clone(detector)).fit(UNIT_X)
    display = FeatureErrorsDisplay.from_estimator(pipeline, UNIT_X)
    assert len(display.errors) == 3
    plain = FeatureErrorsDisplay.from_estimator(autoencoder, IMAGES, image_shape=None)
    assert plain.quantiles is None and len(plain.bars_) == 10
    assert plain.ax_.get_xlabel() == "error"
    with pytest.raises(TypeError, match="feature_errors, but PCA has none"):
        FeatureErrorsDisplay.from_estimator(PCA(2).fit(UNIT_X), UNIT_X)
    with pytest.raises(ValueError, match="row=60, but X has rows 0 to 59"):
        FeatureErrorsDisplay.from_estimator(detector, UNIT_X, row=60)


def test_infinite_errors_are_drawn_beyond_all_others():
    display = FeatureErrorsDisplay(errors=np.array([np.inf, 3.0, np.nan])).plot()
    assert [bar.get_width() for bar in display.bars_] == [30.0, 3.0]


def test_histograms_are_of_minus_the_scores(detector):
    display = OutlierScoresDisplay.from_estimator(detector, UNIT_X[:30], LABELS[:30])
    assert list(display.histograms_) == ["training rows", "0", "1", "2"]
    for shares, edges in display.histograms_.values():
        assert shares.sum() == pytest.approx(1.0)
        assert edges[0] <= -detector.score_samples(UNIT_X).max()
    assert display.offset_line_.get_xdata() == [-detector.offset_] * 2
    assert display.ax_.get_xscale() == "log"
    np.testing.assert_array_equal(display.training_scores, detector.score_samples(UNIT_X))


def test_histograms_of_one_kind_of_rows(detector):
    far = np.vstack([UNIT_X, np.full((1, 6), 1e200)])  # whose score is infinite
    display = OutlierScoresDisplay.from_estimator(detector, far, color="red", lw=3)
    assert list(display.histograms_) == ["training rows", "rows"]
    assert display.histograms_["rows"][0].sum() == pytest.approx(1.0)
    assert display.ax_.patches[-1].get_edgecolor()[:3] == (1, 0, 0)
    few = OutlierScoresDisplay.from_estimator(detector, far, bins=7)
    assert len(few.histograms_["rows"][0]) == 7


def test_histograms_of_other_detectors():
    forest = make_pipeline(StandardScaler(), IsolationForest(n_estimators=5)).fit(UNIT_X)
    display = OutlierScoresDisplay.from_estimator(forest, UNIT_X)
    assert list(display.histograms_) == ["rows"]
    signed = OutlierScoresDisplay(scores=np.array([-1.0, 0.0, 2.0]), offset=-0.5).plot()
    assert signed.ax_.get_xscale() == "linear"
    with pytest.raises(TypeError, match="detector with score_samples and offset_, but PCA has no"):
        OutlierScoresDisplay.from_estimator(PCA(2).fit(UNIT_X), UNIT_X)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        OutlierScoresDisplay.from_estimator(forest, UNIT_X, LABELS[:3])
