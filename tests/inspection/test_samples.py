"""Samples as they are drawn."""

import numpy as np
import pytest
from drawn import IMAGES, SHORT, Classes, texts
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from skae import VAE, DenoisingAutoencoder
from skae.inspection import SamplesDisplay


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
    with pytest.raises(
        ValueError, match="rows of 10 numbers have no known image shape: pass image_"
    ):
        SamplesDisplay.from_estimator(rows)
    assert SamplesDisplay.from_estimator(rows, image_shape=(2, 5)).image_shape == (2, 5)
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(IMAGES).rename(columns=str).assign(kind=list("abcd") * 10)
    vae = VAE(3, **SHORT).fit(table.iloc[:, 1:])  # 36 columns
    with pytest.raises(ValueError, match="rows of 36 numbers have no known image shape"):
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
