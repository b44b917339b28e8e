"""Codes as points in the plane."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import IMAGES, NAMES, SHORT, texts
from helpers import LABELS, UNIT_X, small
from matplotlib.colors import to_rgb
from scipy import sparse, stats
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder
from skae.inspection import LatentSpaceDisplay
from skae.inspection._latent_space import _principal_axes


def test_points_are_the_codes_by_label(autoencoder):
    y = np.array(["b", "a", "c", "b"] * 10)
    display = LatentSpaceDisplay.from_estimator(autoencoder, IMAGES, y)
    codes = autoencoder.transform(IMAGES)
    for label, scatter in zip("abc", display.scatters_, strict=True):
        np.testing.assert_array_equal(scatter.get_offsets(), codes[y == label])
    assert len({tuple(s.get_facecolor()[0]) for s in display.scatters_}) == 3
    assert texts(display.ax_.get_legend().get_texts()) == ["a", "b", "c"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("component 0", "component 1")
    assert display.colorbar_ is None


def test_wider_codes_are_seen_along_their_principal_axes():
    estimator = Autoencoder(6, **SHORT).fit(IMAGES)
    display = LatentSpaceDisplay.from_estimator(estimator, IMAGES)
    pca = PCA(2).fit(estimator.transform(IMAGES))
    expected = pca.transform(estimator.transform(IMAGES))
    points = np.asarray(display.scatters_[0].get_offsets())
    np.testing.assert_allclose(abs(points), abs(expected), atol=1e-10)
    share = pca.explained_variance_ratio_[1]
    assert display.ax_.get_ylabel() == f"principal axis 2 ({share:.0%} of variance)"
    assert display.ax_.get_legend() is None


def test_codes_that_do_not_vary():
    codes, shares = _principal_axes(np.ones((5, 4)))
    assert (codes == 0).all() and (shares == 0).all()


def test_a_single_component_is_a_strip_for_each_label():
    estimator = Autoencoder(1, **SHORT).fit(IMAGES)
    y = np.arange(40) % 3
    display = LatentSpaceDisplay.from_estimator(estimator, IMAGES, y)
    codes = estimator.transform(IMAGES)[:, 0]
    for label, scatter in enumerate(display.scatters_):
        x, height = np.asarray(scatter.get_offsets()).T
        np.testing.assert_array_equal(x, codes[y == label])
        assert (abs(height - label) <= 0.3 + 1e-9).all()
        assert stats.kstest((height - label) / 0.6 + 0.5, "uniform").pvalue > 0.05
    assert texts(display.ax_.get_yticklabels()) == ["0", "1", "2"]
    alone = LatentSpaceDisplay.from_estimator(estimator, IMAGES)
    assert texts(alone.ax_.get_yticklabels()) == [""]


def test_many_numbers_are_a_scale(autoencoder):
    y = np.random.default_rng(0).normal(size=40)
    y[3] = np.nan
    display = LatentSpaceDisplay.from_estimator(autoencoder, IMAGES, y, cmap="plasma")
    unlabelled, others = display.scatters_
    np.testing.assert_array_equal(others.get_array(), np.delete(y, 3))
    assert others.get_cmap().name == "plasma"
    assert len(unlabelled.get_offsets()) == 1
    assert display.colorbar_.mappable is others
    assert display.ax_.get_legend() is None


def test_rows_without_a_label_are_grey(autoencoder):
    y = np.array(["a", None, "b", "a"] * 10, dtype=object)
    display = LatentSpaceDisplay.from_estimator(autoencoder, IMAGES, y)
    assert texts(display.ax_.get_legend().get_texts()) == ["no label", "a", "b"]
    codes = autoencoder.transform(IMAGES)
    np.testing.assert_array_equal(display.scatters_[0].get_offsets(), codes[1::4])
    red, green, blue, _ = display.scatters_[0].get_facecolor()[0]
    assert red == green == blue
    y = np.where(np.arange(40) % 2, np.nan, 1.0)
    assert texts(
        LatentSpaceDisplay.from_estimator(autoencoder, IMAGES, y).ax_.get_legend().get_texts()
    ) == ["no label", "1"]


@pytest.mark.parametrize("dtype", ["Int64", "string", object])
def test_labels_of_pandas_that_are_missing(dtype, autoencoder):
    pd = pytest.importorskip("pandas")
    numbers = pd.Series([1, 2, pd.NA, 1] * 10, dtype="Int64")
    labels = pd.Series(numbers.astype("string"), dtype=dtype) if dtype != "Int64" else numbers
    display = LatentSpaceDisplay.from_estimator(autoencoder, IMAGES, labels)
    assert [s.get_label() for s in display.scatters_] == ["no label", "1", "2"]
    assert [len(s.get_offsets()) for s in display.scatters_] == [10, 20, 10]


def test_every_class_has_a_name_of_its_own():
    """Names are not rounded: points of a class whose name another one has would be lost."""
    labels = np.array([1234567.0, 1234568.0, 0.1] * 4)
    display = LatentSpaceDisplay(codes=np.ones((12, 2)), labels=labels).plot()
    expected = ["0.1", "1234567", "1234568"]
    assert [s.get_label() for s in display.scatters_] == expected
    assert [len(s.get_offsets()) for s in display.scatters_] == [4, 4, 4]


def test_numbers_beside_none_are_a_scale():
    labels = np.array([None, *np.linspace(0, 1, 39)], dtype=object)
    assert LatentSpaceDisplay(codes=np.ones((40, 2)), labels=labels).plot().colorbar_ is not None


@pytest.mark.parametrize("n_classes", [10, 20, 40])
def test_colours_of_many_classes_differ(n_classes):
    labels = np.array([f"class {i}" for i in range(40)])[np.arange(200) % n_classes]
    codes = np.random.default_rng(0).normal(size=(200, 2))
    display = LatentSpaceDisplay(codes=codes, labels=labels).plot()
    assert len({tuple(s.get_facecolor()[0]) for s in display.scatters_}) == n_classes
    display.figure_.canvas.draw()


def test_codes_of_other_transformers_and_style(autoencoder):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(UNIT_X, columns=NAMES)
    pca = make_pipeline(StandardScaler(), PCA(2)).set_output(transform="pandas").fit(frame)
    display = LatentSpaceDisplay.from_estimator(pca, frame, LABELS, s=7.0, color="C4")
    np.testing.assert_array_equal(display.codes, pca.transform(frame))
    assert display.scatters_[0].get_sizes() == [7.0]
    classifier = small("AutoencoderClassifier").fit(UNIT_X, LABELS)
    LatentSpaceDisplay.from_estimator(classifier, UNIT_X, LABELS)
    codes = small("SparseAutoencoder", sparse_output=True).fit(UNIT_X)
    LatentSpaceDisplay.from_estimator(codes, sparse.csr_matrix(UNIT_X), LABELS)
    with pytest.raises(TypeError, match="needs a transformer with transform, but TSNE"):
        LatentSpaceDisplay.from_estimator(TSNE(), UNIT_X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LatentSpaceDisplay.from_estimator(pca, frame, LABELS[:-1])


@pytest.mark.parametrize("name", ["{}", "the class that has number {}"])
def test_legend_hides_no_point_in_axes_that_are_given(name, autoencoder):
    _, ax = plt.subplots()
    labels = [name.format(i % 4) for i in range(40)]
    display = LatentSpaceDisplay.from_estimator(autoencoder, IMAGES, labels, ax=ax)
    ax.figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    for scatter in display.scatters_:
        points = ax.transData.transform(scatter.get_offsets())
        assert not any(legend.contains(*point) for point in points)


def test_long_names_of_classes_leave_the_points_their_room(autoencoder):
    labels = [f"the class that has number {i % 4} and a long name" for i in range(40)]
    display = LatentSpaceDisplay.from_estimator(autoencoder, IMAGES, labels)
    display.figure_.canvas.draw()
    assert display.ax_.get_window_extent().width > 4 * display.figure_.dpi
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.x1 <= display.figure_.bbox.x1 + 1


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_rows_without_a_label_are_fainter_than_others(style, autoencoder):
    with plt.style.context(style):
        y = np.array(["a", None] * 20, dtype=object)
        display = LatentSpaceDisplay.from_estimator(autoencoder, IMAGES, y)
        background = np.array(to_rgb(plt.rcParams["axes.facecolor"]))

    def contrast(scatter):
        *colour, alpha = scatter.get_facecolor()[0]
        return alpha * np.abs(colour - background).max()

    unlabelled, others = map(contrast, display.scatters_)
    assert 0.1 < unlabelled < others / 2
