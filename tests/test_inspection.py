"""Displays: what is drawn is what was computed; axes given are drawn in; errors say what to do."""

import inspect
import sys
from itertools import pairwise

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import LABELS, UNIT_X, each_generator, may_collapse, run_python, small
from scipy import sparse, stats
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import NMF, PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

import skae.inspection
from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    StackedAutoencoder,
)
from skae.inspection import (
    FeatureErrorsDisplay,
    FilterDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    LossCurveDisplay,
    OutlierScoresDisplay,
    ReconstructionDisplay,
    SamplesDisplay,
)
from skae.inspection._latent_space import _principal_axes
from skae.inspection._tiles import full_columns
from skae.networks import ConvNet
from skae.tables import TableEncoder

SHORT = {"max_iter": 2, "random_state": 0}
IMAGES = np.random.default_rng(0).uniform(size=(40, 36))  # 6 x 6
NAMES = list("abcdef")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def denoiser():
    return DenoisingAutoencoder(10, **SHORT).fit(IMAGES)


@pytest.fixture(scope="module")
def autoencoder():
    return Autoencoder(2, early_stopping=True, max_iter=6, random_state=0).fit(IMAGES)


@pytest.fixture(scope="module")
def vae():
    return VAE(3, max_iter=5, random_state=0).fit(IMAGES)


class Classes(BaseEstimator):
    """Draws images of one grey for each class, called as a conditional GAN; fitted as another."""

    classes_ = np.array(["cat", "dog", "emu"])

    def __init__(self, estimator):
        self.estimator = estimator

    def __sklearn_is_fitted__(self):
        return hasattr(self.estimator, "n_features_in_")

    def fit(self, X, y):
        return self

    def sample(self, n_samples=1, y=None, random_state=None):
        assert len(y) == n_samples
        grey = np.searchsorted(self.classes_, y) / 2
        return np.tile(grey[:, None], IMAGES.shape[1]), y


CALLS = {
    "LossCurveDisplay": lambda fitted, **more: LossCurveDisplay.from_estimator(fitted, **more),
    "ReconstructionDisplay": lambda fitted, **more: ReconstructionDisplay.from_estimator(
        fitted, IMAGES, **more
    ),
    "FilterDisplay": lambda fitted, **more: FilterDisplay.from_estimator(fitted, **more),
    "LatentSpaceDisplay": lambda fitted, **more: LatentSpaceDisplay.from_estimator(
        fitted, IMAGES, **more
    ),
    "LatentTraversalDisplay": lambda fitted, **more: LatentTraversalDisplay.from_estimator(
        fitted, IMAGES, **more
    ),
    "FeatureErrorsDisplay": lambda fitted, **more: FeatureErrorsDisplay.from_estimator(
        fitted, IMAGES, **more
    ),
    "OutlierScoresDisplay": lambda fitted, **more: OutlierScoresDisplay.from_estimator(
        AutoencoderOutlierDetector(FrozenEstimator(fitted)).fit(IMAGES), IMAGES, **more
    ),
    "SamplesDisplay": lambda fitted, **more: SamplesDisplay.from_estimator(Classes(fitted), **more),
}
each_display = pytest.mark.parametrize("name", CALLS)


def arrays(images):
    return np.array([[np.asarray(image.get_array()) for image in line] for line in images])


def texts(labels):
    return [label.get_text() for label in labels]


# Of all


def test_every_display_is_tested():
    assert set(CALLS) == set(skae.inspection.__all__)


def test_matplotlib_is_imported_only_to_draw():
    loaded = "import sys, skae.inspection; print('matplotlib' in sys.modules)"
    assert run_python(loaded).strip() == "False"


@each_display
def test_without_matplotlib(name, autoencoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=rf"{name}.plot needs matplotlib.*skae\[plot\]"):
        CALLS[name](autoencoder)


@each_display
def test_figures_are_made_only_where_no_axes_are_given(name, autoencoder):
    display = CALLS[name](autoencoder)
    assert plt.get_fignums() == [1]
    assert display.figure_ is plt.figure(1)
    assert display.ax_.figure is display.figure_
    figure, (left, right) = plt.subplots(1, 2)
    given = CALLS[name](autoencoder, ax=right)
    assert plt.get_fignums() == [1, 2]
    assert given.ax_ is right and given.figure_ is figure
    assert not left.has_data()
    figure.canvas.draw()


@each_display
def test_plot_draws_it_again_from_the_attributes(name, autoencoder):
    display = CALLS[name](autoencoder)
    cls, first = type(display), display.ax_
    assert display.plot() is display
    assert display.ax_ is not first
    parameters = list(inspect.signature(cls.__init__).parameters)[1:]
    again = cls(**{parameter: getattr(display, parameter) for parameter in parameters})
    assert not hasattr(again, "ax_")
    assert again.plot(ax=first).ax_ is first


@each_display
def test_signatures_are_those_of_scikit_learn(name):
    cls = getattr(skae.inspection, name)
    for method in (cls.from_estimator, cls.plot):
        parameters = inspect.signature(method).parameters
        assert parameters["ax"].default is None
        assert parameters["kwargs"].kind.name == "VAR_KEYWORD"
    kinds = {
        p.name: p.kind.name
        for p in inspect.signature(cls.from_estimator).parameters.values()
        if p.name not in ("estimator", "X", "y", "kwargs")
    }
    assert set(kinds.values()) == {"KEYWORD_ONLY"}
    init = list(inspect.signature(cls.__init__).parameters.values())[1:]
    assert {p.kind.name for p in init} == {"KEYWORD_ONLY"}


@each_display
def test_estimators_that_are_not_fitted(name):
    with pytest.raises(NotFittedError):
        CALLS[name](Autoencoder(2))


@each_display
def test_nothing_is_drawn_outside_of_the_figure(name, denoiser):
    """Labels, legends and titles are inside."""
    figure = CALLS[name](denoiser).figure_
    figure.canvas.draw()
    box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert box.x0 >= -1 and box.y0 >= -1
    assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1


# Curves


def test_curves_are_those_of_the_training(autoencoder):
    display = LossCurveDisplay.from_estimator(autoencoder)
    epochs = np.arange(1, 7)
    np.testing.assert_array_equal(display.line_.get_xdata(), epochs)
    np.testing.assert_array_equal(display.line_.get_ydata(), autoencoder.loss_curve_)
    held_out = autoencoder.validation_loss_curve_
    np.testing.assert_array_equal(display.validation_line_.get_ydata(), held_out)
    assert display.best_epoch == np.argmin(held_out) + 1
    assert display.best_line_.get_xdata() == [display.best_epoch] * 2
    assert texts(display.ax_.get_legend().get_texts()) == [
        "training",
        "held out",
        f"best: epoch {display.best_epoch}",
    ]
    assert display.ax_.get_ylabel() == "objective per row"


@may_collapse
@each_generator
def test_no_epoch_of_a_game_is_the_best(name):
    gan = small(name).fit(UNIT_X, LABELS)
    display = LossCurveDisplay.from_estimator(gan)
    assert display.best_epoch is None and display.best_line_ is None
    np.testing.assert_array_equal(display.line_.get_ydata(), gan.loss_curve_)


@each_generator
def test_samples_of_gans_are_drawn(name):
    gan = small(name).fit(UNIT_X, LABELS)
    display = SamplesDisplay.from_estimator(gan, image_shape=(2, 3), random_state=0)
    assert len(display.images_) == (24 if name == "ConditionalGAN" else 64)
    asked = {"y": np.repeat(gan.classes_, 8)} if name == "ConditionalGAN" else {}
    drawn = gan.sample(len(display.images_), random_state=0, **asked)
    rows = drawn[0] if isinstance(drawn, tuple) else drawn
    for image, row in zip(display.images_, rows, strict=True):
        np.testing.assert_array_equal(image.get_array(), row.reshape(2, 3))


def test_best_epoch_is_after_the_warmup():
    rows = IMAGES[:, :1].round() / 2 + IMAGES / 10  # of which a code can tell much
    params = {"max_iter": 22, "learning_rate_init": 0.01, "random_state": 0}
    vae = VAE(2, kl_warmup=20, beta=50.0, **params).fit(rows)
    assert np.argmin(vae.loss_curve_) < 20
    expected = 20 + np.argmin(vae.loss_curve_[20:]) + 1
    assert LossCurveDisplay.from_estimator(vae).best_epoch == expected


def test_curves_of_other_estimators(autoencoder):
    mlp = MLPRegressor(hidden_layer_sizes=(3,), max_iter=400, tol=0.1, random_state=0).fit(
        UNIT_X, LABELS
    )
    display = LossCurveDisplay.from_estimator(mlp, name="mlp", color="C3")
    assert display.validation_line_ is None
    assert texts(display.ax_.get_legend().get_texts())[0] == "mlp"
    assert display.line_.get_color() == "C3"
    for other in (
        make_pipeline(StandardScaler(), autoencoder),
        GridSearchCV(autoencoder, {"alpha": [0.0]}, cv=2).fit(IMAGES),
    ):
        assert len(LossCurveDisplay.from_estimator(other, ax=display.ax_).loss_curve) == 6
    with pytest.raises(TypeError, match="PCA has none"):
        LossCurveDisplay.from_estimator(PCA().fit(IMAGES))
    with pytest.raises(ValueError, match=r"'name' parameter of LossCurveDisplay\.from"):
        LossCurveDisplay.from_estimator(mlp, name=3)


@pytest.mark.parametrize(
    ("losses", "scale"), [([30.0, 1.0], "log"), ([3.0, 1.0], "linear"), ([30.0, -1.0], "linear")]
)
def test_scale_is_logarithmic_over_decades(losses, scale):
    assert LossCurveDisplay(loss_curve=losses).plot().ax_.get_yscale() == scale


def test_scale_of_a_decade_has_several_labels():
    ax = LossCurveDisplay(loss_curve=[12.0, 3.0, 1.1]).plot().ax_
    ax.figure.canvas.draw()
    low, high = ax.get_ylim()
    shown = [float(text) for text in texts(ax.get_yticklabels()) if low <= float(text) <= high]
    assert shown == [2, 5, 10] or shown == [1, 2, 5, 10]
    assert not any(texts(ax.get_yticklabels(minor=True)))


def test_scale_suits_all_curves_in_the_axes():
    first = LossCurveDisplay(loss_curve=[30.0, 1.0], best_epoch=2).plot()
    LossCurveDisplay(loss_curve=[3.0, -1.0]).plot(ax=first.ax_)
    assert first.ax_.get_yscale() == "linear"


def test_short_names_of_styles_are_understood():
    curves = {"loss_curve": [3.0, 2.0], "validation_loss_curve": [3.0, 2.0]}
    display = LossCurveDisplay(**curves).plot(c="red", lw=3, ls="-", label="mine")
    for line in (display.line_, display.validation_line_):
        assert (line.get_color(), line.get_linewidth(), line.get_linestyle()) == ("red", 3, "-")
        assert line.get_label() == "mine"
    rows = np.ones((2, 50))
    charts = ReconstructionDisplay(originals=rows, reconstructions=rows).plot(lw=3).axes_
    assert {line.get_linewidth() for line in charts[0].lines} == {3}
    points = LatentSpaceDisplay(codes=rows[:, :2]).plot(marker="x", lw=2, label="mine").scatters_[0]
    assert points.get_linewidth() == [2] and points.get_label() == "mine"
    crosses = LatentSpaceDisplay(codes=rows[:, :2]).plot(marker="x").scatters_[0]
    assert crosses.get_linewidth()[0] > 0  # or they could not be seen


def test_a_single_epoch_is_seen():
    assert LossCurveDisplay(loss_curve=[2.0]).plot().line_.get_marker() == "o"


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
    target = UNEQUAL_X[:, :4] + 1
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


# Filters


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


# Codes in the plane


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
        background = np.array(matplotlib.colors.to_rgb(plt.rcParams["axes.facecolor"]))

    def contrast(scatter):
        *colour, alpha = scatter.get_facecolor()[0]
        return alpha * np.abs(colour - background).max()

    unlabelled, others = map(contrast, display.scatters_)
    assert 0.1 < unlabelled < others / 2


# Traversals


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
    with pytest.raises(ValueError, match="two rows of X, which is None"):
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


# Data frames with categories: what is drawn is the matrix of the encoder.


def frames(n_rows=25):
    """As many columns in the matrix, too, which is no image."""
    pd = pytest.importorskip("pandas")
    letters = np.array(list("abcdefghijklmnopqrstuvw"))
    rng = np.random.default_rng(0)
    columns = {"letter": letters[np.arange(n_rows) % 23], "x": rng.normal(size=n_rows)}
    return pd.DataFrame({**columns, "y": rng.normal(size=n_rows)})


each_of_tables = pytest.mark.parametrize(
    "name", ["Autoencoder", "DenoisingAutoencoder", "StackedAutoencoder", "VAE"]
)


@may_collapse
@each_of_tables
def test_tables_are_drawn_as_their_matrix(name):
    table = frames()
    estimator = small(name).fit(table)
    display = ReconstructionDisplay.from_estimator(estimator, table, corrupt=False)
    assert display.image_shape is None and display.feature_names[0] == "letter=a"
    np.testing.assert_array_equal(display.originals, estimator.table_.transform(table[:8]))
    np.testing.assert_array_equal(
        display.reconstructions, estimator.reconstruct(table[:8], proba=True)
    )
    display = LatentTraversalDisplay.from_estimator(estimator, table, between=(0, 1), n_steps=2)
    expected = estimator.reconstruct(table[:2], proba=True)
    np.testing.assert_allclose(display.decoded[0], expected, atol=1e-5)
    assert len(LatentSpaceDisplay.from_estimator(estimator, table).codes) == len(table)


@each_of_tables
@may_collapse
def test_filters_of_tables_are_of_their_matrix(name):
    table = frames().astype({"x": "Float64"})
    if name != "Autoencoder":
        table.loc[3, "x"] = None  # so that there is a mask, which is no feature
    display = FilterDisplay.from_estimator(small(name).fit(table))
    assert display.filters.shape[1] == len(display.feature_names) == 25


def test_corrupted_tables_are_drawn():
    table = frames()
    denoiser = small("DenoisingAutoencoder", corruption="swap").fit(table)
    display = ReconstructionDisplay.from_estimator(denoiser, table, random_state=0)
    corrupted = denoiser.corrupt(table[:8], random_state=0)
    np.testing.assert_array_equal(display.corrupted, denoiser.table_.transform(corrupted))
    expected = denoiser.reconstruct(corrupted, proba=True)
    np.testing.assert_array_equal(display.reconstructions, expected)
    masking = small("DenoisingAutoencoder").fit(table)
    display = ReconstructionDisplay.from_estimator(masking, table, random_state=0)
    assert np.isnan(display.corrupted).any() and np.isfinite(display.reconstructions).all()
    display.figure_.canvas.draw()


def test_other_estimators_of_tables_name_the_column():
    table = frames()
    pipeline = make_pipeline(TableEncoder(), PCA(2)).fit(table)
    for draw in (ReconstructionDisplay, LatentTraversalDisplay):
        with pytest.raises(ValueError, match="could not convert string to float") as caught:
            draw.from_estimator(pipeline, table)
        assert "Column 'letter' holds values that are no numbers" in caught.value.__notes__[0]


# Outliers


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


# Samples


@pytest.mark.parametrize(
    "model",
    [
        VAE(3, **SHORT),
        DenoisingAutoencoder(3, **SHORT),
        KernelDensity(),
        GridSearchCV(KernelDensity(), {"bandwidth": [0.1, 1.0]}, cv=2),
    ],
)
def test_samples_are_those_of_the_estimator(model):
    model.fit(IMAGES)
    display = SamplesDisplay.from_estimator(model, n_samples=6, random_state=0)
    drawn = getattr(model, "best_estimator_", model).sample(6, random_state=0)
    np.testing.assert_array_equal(display.samples, drawn)
    pictures = [np.asarray(image.get_array()).ravel() for image in display.images_]
    np.testing.assert_array_equal(pictures, drawn)
    assert display.classes is None and texts(display.ax_.get_yticklabels()) == []
    other = SamplesDisplay.from_estimator(model, n_samples=6, random_state=1)
    assert (other.samples != drawn).any()


def test_samples_of_a_mixture_go_by_its_own_seed():
    mixture = GaussianMixture(2, reg_covar=0.1, random_state=0).fit(IMAGES)
    display = SamplesDisplay.from_estimator(mixture, random_state=1, cmap="viridis")
    np.testing.assert_array_equal(display.samples, mixture.sample(64)[0])
    assert display.images_[0].get_cmap().name == "viridis"
    limits = {image.get_clim() for image in display.images_}
    assert limits == {(display.samples.min(), display.samples.max())}


def test_samples_through_a_pipeline_are_in_units_of_x():
    pipeline = make_pipeline(StandardScaler(), PCA(3), KernelDensity()).fit(100 * IMAGES)
    display = SamplesDisplay.from_estimator(pipeline, n_samples=50, random_state=0)
    drawn = pipeline[-1].sample(50, random_state=0)
    np.testing.assert_allclose(display.samples, pipeline[:-1].inverse_transform(drawn))
    assert display.image_shape == (6, 6)


def test_samples_of_classes_have_a_row_each(autoencoder):
    display = SamplesDisplay.from_estimator(Classes(autoencoder))
    labels = display.ax_.get_yticklabels()
    assert texts(labels) == ["cat", "dog", "emu"]
    assert display.ax_.get_xlim() == (0, 8) and display.ax_.get_ylim() == (3, 0)
    for number, label in enumerate(labels):
        line = [i for i in display.images_ if i.get_extent()[3] < label.get_position()[1]]
        line = [i for i in line if i.get_extent()[2] > label.get_position()[1]]
        assert len(line) == 8
        assert all((image.get_array() == number / 2).all() for image in line)


def test_samples_of_some_classes(autoencoder):
    classes = Classes(autoencoder)
    display = SamplesDisplay.from_estimator(classes, n_samples=3, y=["emu", "cat"])
    np.testing.assert_array_equal(display.samples[:, 0], [1, 1, 1, 0, 0, 0])
    assert texts(display.ax_.get_yticklabels()) == ["emu", "cat"]
    one = SamplesDisplay.from_estimator(make_pipeline(FunctionTransformer(), classes), y="dog")
    assert texts(one.ax_.get_yticklabels()) == ["dog"] and len(one.images_) == 8


def test_samples_that_are_no_images():
    rows = KernelDensity().fit(IMAGES[:, :10])
    with pytest.raises(ValueError, match="rows of 10 numbers are not known to be any: pass image_"):
        SamplesDisplay.from_estimator(rows)
    assert SamplesDisplay.from_estimator(rows, image_shape=(2, 5)).image_shape == (2, 5)
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(IMAGES).rename(columns=str).assign(kind=list("abcd") * 10)
    vae = VAE(3, **SHORT).fit(table.iloc[:, 1:])  # 36 columns
    with pytest.raises(ValueError, match="rows of 36 numbers are not known to be any"):
        SamplesDisplay.from_estimator(vae)


def test_estimators_that_draw_nothing_or_no_classes(autoencoder):
    with pytest.raises(TypeError, match="an estimator with sample, but Autoencoder has none"):
        SamplesDisplay.from_estimator(autoencoder)
    one_way = make_pipeline(StandardScaler(), Normalizer(), KernelDensity()).fit(IMAGES)
    with pytest.raises(TypeError, match="with inverse_transform, but Normalizer has none"):
        SamplesDisplay.from_estimator(one_way)
    with pytest.raises(ValueError, match=r"y='cat', but `sample` of KernelDensity takes no y"):
        SamplesDisplay.from_estimator(KernelDensity().fit(IMAGES), y="cat")
    with pytest.raises(ValueError, match="'n_samples' parameter"):
        SamplesDisplay.from_estimator(Classes(autoencoder), n_samples=0)
