"""Rows and their reconstructions."""

from math import ceil
from typing import Self

import numpy as np
from scipy.sparse import issparse

from skae._compat import validate_params
from skae._denoising import DenoisingAutoencoder
from skae._engine.data import dense
from skae._engine.devices import off_torch
from skae._pipelines import backward, check_transformer, decode, encode, steps_of, table_of
from skae.inspection._charts import (
    STANDARDIZE,
    draw_chart,
    make_charts,
    means_and_deviations,
    room_for,
    z_scores,
)
from skae.inspection._data import (
    COUNT,
    IMAGE_SHAPE,
    as_numbers,
    find_image_shape,
    names_of_columns,
)
from skae.inspection._figures import Display, new_axes, pyplot
from skae.inspection._tiles import Tiles, black_and_white

LEGEND_WIDTH = 4.2  # minimum in inches


class ReconstructionDisplay(Display):
    """Rows of X, their corrupted versions if any, and their reconstructions.

    Images are drawn as images, other rows as groups of bars (up to 30 features) or as lines.
    It is recommended to use `ReconstructionDisplay.from_estimator` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    originals : ndarray of shape (n_samples, n_features)
        Rows of X. Missing values are NaN.
    reconstructions : ndarray of shape (n_samples, n_features_out)
        Their reconstructions, or those of the corrupted rows.
    corrupted : ndarray of shape (n_samples, n_features), default=None
        The corrupted rows, if these were reconstructed.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of the images; None if rows are not images.
    feature_names : array-like of str of shape (n_features,), default=None
        Labels below the bars.
    means : array-like of shape (n_features,), default=None
        Origin of each feature in charts; None for 0.
    deviations : array-like of shape (n_features,), default=None
        Unit of each feature in charts; None for its own unit.

    Attributes
    ----------
    images_ : ndarray of shape (n_lines, n_samples) or None
        matplotlib AxesImage: a line of originals, of corrupted rows if any, and of
        reconstructions. None without images.
    axes_ : ndarray of matplotlib Axes
        Axes of each row of X, or only `ax_` if it has images.
    ax_ : matplotlib Axes
        Axes given or made, which hold all of it.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    ReconstructionDisplay.from_estimator : Draw an estimator's reconstructions.
    skae.metrics.explained_variance : Rates reconstructions by one number.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingAutoencoder
    >>> from skae.inspection import ReconstructionDisplay
    >>> X = load_digits().data / 16
    >>> denoiser = DenoisingAutoencoder(max_iter=20, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(denoiser, X, random_state=0)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['original', 'corrupted', 'reconstruction']
    """

    images_: np.ndarray | None
    axes_: np.ndarray

    def __init__(
        self,
        *,
        originals,
        reconstructions,
        corrupted=None,
        image_shape=None,
        feature_names=None,
        means=None,
        deviations=None,
    ):
        self.originals = originals
        self.reconstructions = reconstructions
        self.corrupted = corrupted
        self.image_shape = image_shape
        self.feature_names = feature_names
        self.means = means
        self.deviations = deviations

    @classmethod
    @validate_params(
        {
            "n_samples": COUNT,
            "corrupt": ["boolean"],
            "random_state": ["random_state"],
            **IMAGE_SHAPE,
            **STANDARDIZE,
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        n_samples=8,
        corrupt=True,
        random_state=None,
        image_shape: tuple | str | None = "auto",
        standardize: bool | str = "auto",
        ax=None,
        **kwargs,
    ) -> Self:
        """Draw an estimator's reconstructions of rows.

        Parameters
        ----------
        estimator : object
            Fitted transformer with `inverse_transform`, such as an autoencoder or PCA, or a
            pipeline or search that ends with one.
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Rows to reconstruct; the first ones are drawn.
        n_samples : int, default=8
            Maximum number of rows to draw.
        corrupt : bool, default=True
            Whether to corrupt rows before their reconstruction, if the estimator is a
            `DenoisingAutoencoder`.
        random_state : int, RandomState instance or None, default=None
            Seed of the corruption; an int gives the same picture again.
        image_shape : 'auto', tuple of int or None, default='auto'
            (height, width) or (channels, height, width) of rows as images. 'auto' takes the shape
            in the estimator's `network`, or a square if n_features is the square of 5 or more.
            None: rows are not images.
        standardize : 'auto' or bool, default='auto'
            Whether charts show each feature's distance from its mean over X in standard
            deviations, so that features with different units are comparable. 'auto' does so if X
            has at least 10 rows and at most 30 features with standard deviations that differ more
            than tenfold.
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` if rows are not images.

        Returns
        -------
        display : ReconstructionDisplay
            The display, which stores what was drawn.
        """
        check_transformer(estimator, "ReconstructionDisplay")
        steps, rows = steps_of(estimator), _head(X, n_samples)
        codes, table = encode(steps, rows), table_of(steps)
        originals = as_numbers(rows if table is None else table.transform(codes))
        corrupted = None
        if corrupt and steps and isinstance(steps[-1], DenoisingAutoencoder):
            corrupted, reconstructions = _denoised(steps, codes, random_state)
        else:
            reconstructions = decode(steps, codes)
        image_shape = find_image_shape(image_shape, steps, originals.shape[1])
        means = deviations = None
        if image_shape is None and table is None:
            means, deviations = means_and_deviations(X, reconstructions.shape[1], standardize)
        display = cls(
            originals=originals,
            reconstructions=reconstructions,
            corrupted=corrupted,
            image_shape=image_shape,
            feature_names=names_of_columns(estimator),
            means=means,
            deviations=deviations,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs) -> Self:
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` if rows are not images.

        Returns
        -------
        display : ReconstructionDisplay
            This object.
        """
        plt = pyplot(self)
        lines = {
            "original": self.originals,
            "corrupted": self.corrupted,
            "reconstruction": self.reconstructions,
        }
        lines = {label: rows for label, rows in lines.items() if rows is not None}
        draw = self._plot_charts if self.image_shape is None else self._plot_images
        draw(plt, ax, lines, kwargs)
        self.figure_ = self.ax_.figure
        return self

    def _plot_images(self, plt, ax, lines, kwargs):
        tiles = Tiles(self.image_shape, len(lines), len(self.originals))
        self.ax_ = new_axes(plt, tiles.figure_size(left=1.1)) if ax is None else ax
        limits = [black_and_white(self.originals)] * len(self.originals)
        images = [
            tiles.draw(self.ax_, number, rows, limits, kwargs)
            for number, rows in enumerate(lines.values())
        ]
        tiles.finish(self.ax_)
        self.ax_.set_yticks(np.arange(len(lines)) + 0.5, list(lines))
        self.images_, self.axes_ = np.array(images, dtype=object), np.array([self.ax_])

    def _plot_charts(self, plt, ax, lines, kwargs):
        n_samples = len(self.originals)
        n_columns = min(4, n_samples)
        n_rows = ceil(n_samples / n_columns)
        width = max(2.2 * n_columns + 0.8, LEGEND_WIDTH)
        height = 1.6 * n_rows + 0.9 + room_for(self.feature_names)
        self.ax_ = new_axes(plt, (width, height)) if ax is None else ax
        self.axes_ = make_charts(self.ax_, n_samples, n_columns, share=True, above=0.2)
        self.images_ = None
        lines = {
            label: z_scores(rows, self.means, self.deviations) for label, rows in lines.items()
        }
        for number, inset in enumerate(self.axes_):
            rows = {label: values[number] for label, values in lines.items()}
            artists = draw_chart(inset, rows, self.feature_names, kwargs)
            inset.set_title(f"row {number}", fontsize="small", pad=3)
            if number % n_columns == 0 and self.deviations is not None:
                inset.set_ylabel("z-score", fontsize="small")
        place = {"loc": "upper center", "borderaxespad": 0, "frameon": False}
        self.ax_.legend(artists, list(lines), ncols=len(lines), fontsize="small", **place)


def _head(X, n_rows):
    """The first rows, with the column names and the sparsity of X."""
    X = off_torch(X)
    if hasattr(X, "head"):
        return X.head(n_rows)
    return X.tocsr()[:n_rows] if issparse(X) else np.asarray(X)[:n_rows]


def _denoised(steps, entering, random_state):
    """Corrupted rows that enter the last step, and their reconstructions, in the units of X.

    The former are None if nothing was changed, as with corruption=None.
    """
    *before, last = steps
    if table_of(steps) is not None:
        corrupted = last.corrupt(entering, random_state=random_state)
        return as_numbers(last.table_.transform(corrupted)), decode(steps, corrupted)
    entering = dense(entering)
    corrupted = last.corrupt(entering, random_state=random_state)
    # Its public method would warn that column names are lost.
    reconstructions = backward(before, last._map(last._reconstruct, corrupted))
    if np.array_equal(corrupted, entering, equal_nan=True):
        return None, reconstructions
    return backward(before, corrupted), reconstructions
