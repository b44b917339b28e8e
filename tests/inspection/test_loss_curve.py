"""Loss curves as they are drawn."""

import numpy as np
import pytest
from drawn import IMAGES, texts
from helpers import LABELS, UNIT_X, each_generator, may_collapse, small
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import VAE, Autoencoder
from skae.inspection import (
    LatentSpaceDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    SamplesDisplay,
)


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


def test_the_start_is_the_best_if_training_makes_held_out_rows_worse():
    worse = {"early_stopping": True, "learning_rate_init": 0.9, "max_iter": 3}
    model = Autoencoder(2, hidden_layer_sizes=(), **worse, random_state=0).fit(IMAGES)
    assert model.best_loss_ < min(model.validation_loss_curve_)
    assert LossCurveDisplay.from_estimator(model).best_epoch == 0


def test_held_out_rows_belong_to_the_last_epochs():
    model = Autoencoder(2, max_iter=4, warm_start=True, random_state=0).fit(IMAGES)
    model.set_params(early_stopping=True).fit(IMAGES)
    display = LossCurveDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.line_.get_xdata(), np.arange(1, 9))
    np.testing.assert_array_equal(display.validation_line_.get_xdata(), np.arange(5, 9))
    assert 4 <= display.best_epoch <= 8


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
