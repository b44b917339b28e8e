"""Displays: what is drawn is what was computed; axes given are drawn in; errors say what to do."""

import inspect
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import CALLS
from helpers import may_collapse, run_python, small
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import skae.inspection
from skae import Autoencoder
from skae.inspection import (
    FilterDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    ReconstructionDisplay,
)
from skae.tables import TableEncoder

each_display = pytest.mark.parametrize("name", CALLS)


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


# Data frames with categories: what is drawn is the matrix of the encoder.


def frames(n_rows=50):
    """The matrix has 25 columns, which are no image."""
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
        assert "Column 'letter' holds non-numeric values" in caught.value.__notes__[0]
