"""Rows beside their reconstructions: images, charts, units."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import CALLS, IMAGES, NAMES, SHORT, texts
from helpers import UNIT_X
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import VAE, Autoencoder, DenoisingAutoencoder, StackedAutoencoder
from skae.inspection import LatentTraversalDisplay, ReconstructionDisplay
from skae.networks import ConvNet


def arrays(images):
    return np.array([[np.asarray(image.get_array()) for image in line] for line in images])


# Reconstructions


def test_images_are_the_rows(denoiser):
    display = ReconstructionDisplay.from_estimator(denoiser, IMAGES, n_samples=5, random_state=3)
    corrupted = denoiser.corrupt(IMAGES[:5], random_state=3)
    expected = [IMAGES[:5], corrupted, denoiser.reconstruct(corrupted)]
    found = arrays(display.images_).reshape(3, 5, 36)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert texts(display.ax_.get_yticklabels()) == ["original", "corrupted", "reconstruction"]
    assert list(display.axes_) == [display.ax_]
    for image in display.images_.flat:
        assert image.get_clim() == (0, 1)
        assert image.get_cmap()(0.5)[:3] == pytest.approx([0.5] * 3, abs=0.01)


def test_images_do_not_overlap_and_the_first_line_is_on_top(denoiser):
    display = ReconstructionDisplay.from_estimator(denoiser, IMAGES, n_samples=4)
    for (line, column), image in np.ndenumerate(display.images_):
        left, right, bottom, top = image.get_extent()
        assert column < left < right < column + 1
        assert line < top < bottom < line + 1
    assert display.ax_.get_ylim() == (3, 0)


def test_rows_that_are_not_corrupted(denoiser, autoencoder):
    for estimator, more in ((denoiser, {"corrupt": False}), (autoencoder, {}), (PCA(2), {})):
        estimator = estimator.fit(IMAGES) if isinstance(estimator, PCA) else estimator
        display = ReconstructionDisplay.from_estimator(estimator, IMAGES, **more)
        assert display.corrupted is None
        assert texts(display.ax_.get_yticklabels()) == ["original", "reconstruction"]
        expected = estimator.inverse_transform(estimator.transform(IMAGES[:8]))
        np.testing.assert_allclose(arrays(display.images_)[1].reshape(8, 36), expected)
    clean = DenoisingAutoencoder(4, corruption=None, **SHORT).fit(IMAGES)
    assert ReconstructionDisplay.from_estimator(clean, IMAGES).corrupted is None
    scaled = make_pipeline(StandardScaler(), clean).fit(IMAGES)  # not equal to the bit
    assert ReconstructionDisplay.from_estimator(scaled, IMAGES).corrupted is None


def test_rows_through_a_pipeline_are_in_units_of_x():
    pipeline = make_pipeline(StandardScaler(), DenoisingAutoencoder(4, **SHORT)).fit(IMAGES)
    display = ReconstructionDisplay.from_estimator(pipeline, IMAGES, random_state=0)
    np.testing.assert_array_equal(display.originals, IMAGES[:8])
    masked = display.corrupted != pytest.approx(IMAGES[:8])
    changed = ~np.isclose(display.corrupted, IMAGES[:8])
    assert masked and 0.1 < changed.mean() < 0.5
    means = np.broadcast_to(IMAGES.mean(axis=0), changed.shape)
    np.testing.assert_allclose(display.corrupted[changed], means[changed])  # 0 once scaled
    scaled = pipeline[0].transform(display.corrupted)
    expected = pipeline[0].inverse_transform(pipeline[1].reconstruct(scaled))
    np.testing.assert_allclose(display.reconstructions, expected)


def test_columns_with_names_and_sparse_rows():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(UNIT_X, columns=NAMES)
    named = DenoisingAutoencoder(3, **SHORT).fit(frame)
    display = ReconstructionDisplay.from_estimator(named, frame, n_samples=2)  # without a warning
    assert texts(display.axes_[0].get_xticklabels()) == NAMES
    rows = sparse.csr_matrix(np.where(IMAGES < 0.5, 0, IMAGES))
    noisy = DenoisingAutoencoder(3, corruption="gaussian", **SHORT).fit(rows)
    display = ReconstructionDisplay.from_estimator(noisy, rows.tocoo())
    np.testing.assert_array_equal(display.originals, rows[:8].toarray())


def test_missing_cells_have_a_colour_of_their_own():
    gaps = IMAGES.copy()
    gaps[:, 7] = np.where(np.arange(40) % 2, np.nan, gaps[:, 7])
    denoiser = DenoisingAutoencoder(3, **SHORT).fit(gaps)
    image = ReconstructionDisplay.from_estimator(denoiser, gaps).images_[0, 1]
    assert np.ma.getmaskarray(image.get_array())[1, 1]
    red, green, blue, _ = image.to_rgba(image.get_array())[1, 1]
    assert blue > green > red


def test_a_few_features_are_bars_and_many_are_lines():
    rows = np.random.default_rng(0).normal(size=(3, 6))
    display = ReconstructionDisplay(originals=rows, reconstructions=-rows).plot()
    assert display.images_ is None and len(display.axes_) == 3
    for inset, row in zip(display.axes_, rows, strict=True):
        heights = [[bar.get_height() for bar in bars] for bars in inset.containers]
        np.testing.assert_array_equal(heights, [row, -row])
        edges = sorted(b.get_x() for bars in inset.containers for b in bars)
        assert np.diff(edges).min() >= 0.4 - 1e-9  # of their width: none hides another
    assert texts(display.ax_.get_legend().get_texts()) == ["original", "reconstruction"]
    rows = np.random.default_rng(0).normal(size=(2, 50))
    display = ReconstructionDisplay(originals=rows, reconstructions=-rows, corrupted=2 * rows)
    for inset, row in zip(display.plot().axes_, rows, strict=True):
        lines = [line.get_ydata() for line in inset.lines]
        np.testing.assert_array_equal(lines, [row, 2 * row, -row])
        assert inset.get_ylim() == display.axes_[0].get_ylim()


def test_charts_lie_within_the_axes_that_are_given():
    figure, axes = plt.subplots(2, 2)
    rows = np.ones((5, 6))
    display = ReconstructionDisplay(originals=rows, reconstructions=rows).plot(ax=axes[1, 0])
    figure.canvas.draw()
    outer = axes[1, 0].get_window_extent().padded(1e-6)
    boxes = [inset.get_window_extent() for inset in display.axes_]
    assert all(outer.containsx(b.x0) and outer.containsx(b.x1) for b in boxes)
    assert all(outer.containsy(b.y0) and outer.containsy(b.y1) for b in boxes)
    assert not any(boxes[i].overlaps(boxes[j]) for i in range(5) for j in range(i))
    legend = axes[1, 0].get_legend().get_window_extent()
    assert outer.y0 < legend.y0 and legend.y1 < outer.y1
    assert not any(legend.overlaps(box) for box in boxes)


def test_a_single_row_has_room_for_its_bars_and_for_the_legend():
    rows = np.ones((1, 6))
    display = ReconstructionDisplay(originals=rows, corrupted=rows, reconstructions=rows).plot()
    figure = display.figure_
    figure.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    assert figure.bbox.x0 <= legend.x0 and legend.x1 <= figure.bbox.x1
    assert display.axes_[0].get_window_extent().width > 0.5 * figure.bbox.width


def test_names_below_bars_are_short_and_do_not_overlap():
    names = [f"{'x' * length}{length}" for length in range(10, 20)]
    rows = np.ones((2, 10))
    display = ReconstructionDisplay(originals=rows, reconstructions=rows, feature_names=names)
    display.plot().figure_.canvas.draw()
    for inset in display.axes_:
        labels = inset.get_xticklabels()
        assert texts(labels)[:4] == names[:4]
        assert all(len(text) <= 16 for text in texts(labels))
        boxes = [label.get_window_extent() for label in labels]
        assert not any(one.overlaps(other) for one, other in pairwise(boxes))


def test_numbers_below_charts_do_not_touch_those_of_the_next():
    _, ax = plt.subplots(figsize=(4, 3))
    rows = np.ones((4, 30))
    display = ReconstructionDisplay(originals=rows, reconstructions=rows).plot(ax=ax)
    ax.figure.canvas.draw()
    boxes = [
        label.get_window_extent() for inset in display.axes_ for label in inset.get_xticklabels()
    ]
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))


# Features of different units


UNITS = np.array([1.0, 1e3, 1e-2, 1.0, 5.0, 1.0])
UNEQUAL_X = UNIT_X * UNITS


@pytest.mark.parametrize(
    "display", [ReconstructionDisplay, LatentTraversalDisplay], ids=lambda cls: cls.__name__
)
def test_features_of_different_units_are_seen_alike(display):
    """Whatever their units: the z-scores of a linear map's output do not depend on them."""
    scaled, plain = (
        display.from_estimator(make_pipeline(StandardScaler(), PCA(2)).fit(X), X, standardize=how)
        for X, how in ((UNEQUAL_X, "auto"), (UNIT_X, True))
    )
    np.testing.assert_allclose(scaled.means, UNEQUAL_X.mean(axis=0))
    np.testing.assert_allclose(scaled.deviations, UNEQUAL_X.std(axis=0))
    for one, other in zip(scaled.axes_.flat, plain.axes_.flat, strict=True):
        for bars, others in zip(one.containers, other.containers, strict=True):
            heights = [bar.get_height() for bar in bars]
            np.testing.assert_allclose(heights, [b.get_height() for b in others], atol=1e-9)


def test_z_scores_are_distances_from_the_mean_in_standard_deviations():
    pca = PCA(2).fit(UNEQUAL_X)
    display = ReconstructionDisplay.from_estimator(pca, UNEQUAL_X, n_samples=1)
    expected = StandardScaler().fit(UNEQUAL_X).transform(UNEQUAL_X[:1])[0]
    heights = [bar.get_height() for bar in display.axes_[0].containers[0]]
    np.testing.assert_allclose(heights, expected)
    assert display.axes_[0].get_ylabel() == "z-score"
    np.testing.assert_array_equal(display.originals, UNEQUAL_X[:1])


@pytest.mark.parametrize(
    ("X", "standardize"),
    [(UNIT_X, "auto"), (UNEQUAL_X, False), (UNEQUAL_X[:9], "auto"), (IMAGES, True)],
    ids=["alike", "refused", "few rows", "images"],
)
def test_rows_that_are_drawn_as_they_are(X, standardize):
    display = ReconstructionDisplay.from_estimator(PCA(2).fit(X), X, standardize=standardize)
    assert display.means is None and display.deviations is None
    assert display.axes_[0].get_ylabel() == ""


def test_many_features_are_one_signal_with_one_unit():
    X = np.random.default_rng(0).normal(size=(20, 31)) * np.geomspace(1, 100, 31)
    pca = PCA(2).fit(X)
    assert ReconstructionDisplay.from_estimator(pca, X).deviations is None
    assert ReconstructionDisplay.from_estimator(pca, X, standardize=True).deviations is not None


def test_z_scores_where_cells_are_missing_and_columns_constant():
    gaps = UNEQUAL_X.copy()
    gaps[::3, 1], gaps[:, 3] = np.nan, 7.0
    denoiser = DenoisingAutoencoder(2, **SHORT).fit(gaps)
    display = ReconstructionDisplay.from_estimator(denoiser, gaps, corrupt=False)
    np.testing.assert_allclose(display.means, np.nanmean(gaps, axis=0))
    expected = np.where(np.arange(6) == 3, 1, np.nanstd(gaps, axis=0))
    np.testing.assert_allclose(display.deviations, expected)


def test_targets_of_another_width_have_units_of_their_own():
    target = StandardScaler().fit_transform(UNEQUAL_X[:, :4])
    denoiser = DenoisingAutoencoder(2, **SHORT).fit(UNEQUAL_X, target=target)
    for display in (ReconstructionDisplay, LatentTraversalDisplay):
        assert display.from_estimator(denoiser, UNEQUAL_X, standardize=True).means is None


def test_nothing_is_standardized_without_rows():
    vae = make_pipeline(StandardScaler(), VAE(2, max_iter=5, random_state=0)).fit(UNEQUAL_X)
    assert LatentTraversalDisplay.from_estimator(vae, standardize=True).deviations is None


# Shapes of images


@pytest.mark.parametrize(
    ("n_features", "shape"), [(36, (6, 6)), (25, (5, 5)), (16, None), (30, None), (4, None)]
)
def test_squares_are_images(n_features, shape):
    rows = np.random.default_rng(0).uniform(size=(20, n_features))
    display = ReconstructionDisplay.from_estimator(PCA(2).fit(rows), rows)
    assert display.image_shape == shape
    assert (display.images_ is None) == (shape is None)


def test_squares_may_be_drawn_as_charts():
    pca = PCA(2).fit(IMAGES)
    flat = ReconstructionDisplay.from_estimator(pca, IMAGES, n_samples=2, image_shape=None)
    assert flat.images_ is None


def test_network_says_what_shape_images_have():
    network = ConvNet((1, 4, 9), channels=(3,))
    for estimator in (
        Autoencoder(2, network=network, **SHORT),
        StackedAutoencoder((3,), estimator=Autoencoder(network=network), fine_tune=False),
    ):
        fitted = make_pipeline(StandardScaler(), estimator.set_params(random_state=0)).fit(IMAGES)
        display = ReconstructionDisplay.from_estimator(fitted, IMAGES)
        assert display.images_[0, 0].get_array().shape == (4, 9)
        assert display.ax_.get_aspect() == pytest.approx(4 / 9)


def test_three_channels_are_colours_and_others_lie_side_by_side():
    rows = np.random.default_rng(0).uniform(size=(4, 48))
    colours = ReconstructionDisplay(
        originals=rows, reconstructions=rows[:, :16], image_shape=(3, 4, 4)
    ).plot()
    picture = np.asarray(colours.images_[0, 1].get_array())
    np.testing.assert_allclose(picture, rows[1].reshape(3, 4, 4).transpose(1, 2, 0))
    assert colours.images_[1, 1].get_array().shape == (4, 4)  # grey, of its own width
    two = ReconstructionDisplay(originals=rows, reconstructions=rows, image_shape=(2, 6, 4)).plot()
    picture = np.asarray(two.images_[0, 0].get_array())
    np.testing.assert_array_equal(picture[:, :4].ravel(), rows[0, :24])
    np.testing.assert_array_equal(picture[:, 4:].ravel(), rows[0, 24:])


def test_colours_outside_of_the_unit_interval_are_scaled():
    rows = np.random.default_rng(0).normal(size=(4, 48))
    display = ReconstructionDisplay(originals=rows, reconstructions=2 * rows, image_shape=(3, 4, 4))
    drawn = arrays(display.plot().images_)
    assert drawn[0].min() == 0 and drawn[0].max() == 1
    assert drawn.min() == 0 and drawn.max() == 1


@pytest.mark.parametrize("shape", [(5, 5), (36,), (1, 1, 6, 6)])
def test_shapes_that_rows_do_not_have(shape, autoencoder):
    for name in (
        *("ReconstructionDisplay", "FilterDisplay", "LatentTraversalDisplay"),
        "SamplesDisplay",
    ):
        with pytest.raises(ValueError, match=r"image_shape=\(.* must be \(height, width\)"):
            CALLS[name](autoencoder, image_shape=shape)
        with pytest.raises(ValueError, match="'image_shape' parameter"):
            CALLS[name](autoencoder, image_shape="square")
