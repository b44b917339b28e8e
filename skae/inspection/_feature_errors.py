"""Which features cause the error of a row."""

from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skae._compat import Interval, validate_params
from skae._pipelines import forward, steps_of
from skae.inspection._data import COUNT, IMAGE_SHAPE, as_numbers, find_image_shape
from skae.inspection._figures import Display, merged, new_axes, pyplot
from skae.inspection._tiles import Tiles, black_and_white

if TYPE_CHECKING:
    from matplotlib.container import BarContainer

CODE = "code"
COLORS = ("C0", "C1")  # of bars of features and of the code
BAR = 0.26  # inches
TICK = {"color": "black", "linewidth": 1.5, "label": "95 % of training rows"}
LABEL = "error, relative to training rows"


class FeatureErrorsDisplay(Display):
    """Errors of a row's features, which show why it is an outlier.

    Horizontal bars, the largest first, with one for the code if its distance is known; ticks mark
    values that few training rows exceed. The errors of an image are drawn as an image. It is
    recommended to use `FeatureErrorsDisplay.from_estimator` to create one. All parameters are
    stored as attributes.

    Parameters
    ----------
    errors : ndarray of shape (n_features,)
        Errors of one row; NaN for missing values, which have no bar.
    code_distance : float, default=None
        Distance of the row's code; None for no bar.
    quantiles : ndarray of shape (n_features,), default=None
        Errors that 95 % of the training rows do not exceed.
    quantile_of_distance : float, default=None
        Distance of the code that 95 % of the training rows do not exceed.
    feature_names : array-like of shape (n_features,), default=None
        Labels beside the bars; None for x0, x1, and so on.
    original : ndarray of shape (n_features,), default=None
        The row itself, if it is an image.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of the image; None if the row is not an image.
    n_features : int, default=10
        Maximum number of bars.

    Attributes
    ----------
    bars_ : matplotlib BarContainer or None
        Bars from top to bottom, the code's last; None if images are drawn.
    images_ : ndarray of shape (2,) or None
        matplotlib AxesImage of the row and of its errors; None if bars are drawn.
    ax_ : matplotlib Axes
        Axes with the bars or images.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    FeatureErrorsDisplay.from_estimator : Draw the errors of a row.
    OutlierScoresDisplay : Shows which rows are outliers.
    skae.AutoencoderOutlierDetector : Finds outliers.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import scale
    >>> from skae import Autoencoder, AutoencoderOutlierDetector
    >>> from skae.inspection import FeatureErrorsDisplay
    >>> X = load_wine(as_frame=True).data
    >>> X = (X - X.mean()) / X.std()
    >>> detector = AutoencoderOutlierDetector(Autoencoder(4, max_iter=50), random_state=0).fit(X)
    >>> strange = X[:1].assign(hue=5.0)
    >>> display = FeatureErrorsDisplay.from_estimator(detector, strange, n_features=3)
    >>> labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    >>> labels[0], labels[-1]
    ('hue', 'code')
    """

    bars_: "BarContainer | None"
    images_: np.ndarray | None

    def __init__(
        self,
        *,
        errors,
        code_distance=None,
        quantiles=None,
        quantile_of_distance=None,
        feature_names=None,
        original=None,
        image_shape=None,
        n_features=10,
    ):
        self.errors = errors
        self.code_distance = code_distance
        self.quantiles = quantiles
        self.quantile_of_distance = quantile_of_distance
        self.feature_names = feature_names
        self.original = original
        self.image_shape = image_shape
        self.n_features = n_features

    @classmethod
    @validate_params(
        {"row": [Interval(Integral, 0, None, closed="left")], "n_features": COUNT, **IMAGE_SHAPE},
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        row=0,
        n_features=10,
        image_shape: tuple | str | None = "auto",
        ax=None,
        **kwargs,
    ) -> Self:
        """Draw the errors of a row.

        Parameters
        ----------
        estimator : object
            Fitted :class:`~skae.AutoencoderOutlierDetector`, or another estimator with
            `feature_errors`, such as an autoencoder, or a pipeline or search that ends with one.
        X : array-like, sparse matrix or DataFrame of shape (n_rows, n_features)
            Rows, one of which is drawn. The errors of all rows are computed.
        row : int, default=0
            Index of the row to draw.
        n_features : int, default=10
            Maximum number of features, those with the largest errors.
        image_shape : 'auto', tuple of int or None, default='auto'
            (height, width) or (channels, height, width) of an image row. 'auto' takes, if features
            have no names, the shape in the estimator's `network`, or a square if n_features is the
            square of 5 or more. None: the row is not an image.
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `barh`, or to `imshow`.

        Returns
        -------
        display : FeatureErrorsDisplay
            The display, which stores what was drawn.
        """
        check_is_fitted(estimator)
        *before, last = steps_of(estimator) or [estimator]
        if not hasattr(last, "feature_errors"):
            raise TypeError(
                "FeatureErrorsDisplay needs an estimator with feature_errors, but "
                f"{type(last).__name__} has none."
            )
        X = forward(before, X)
        errors = np.asarray(last.feature_errors(X))
        if row >= len(errors):
            raise ValueError(f"row={row}, but X has rows 0 to {len(errors) - 1}: pass one of them.")
        names = names_of_features(last)
        if isinstance(image_shape, str) and names is not None:
            image_shape = None
        else:
            inner = steps_of(getattr(last, "autoencoder_", last))
            image_shape = find_image_shape(image_shape, inner, errors.shape[1])
        distances = last.code_distances(X)[row] if hasattr(last, "code_distances") else None
        display = cls(
            errors=errors[row],
            code_distance=distances,
            quantiles=getattr(last, "_quantiles_of_errors_", None),
            quantile_of_distance=getattr(last, "_quantile_of_distances_", None),
            feature_names=names,
            original=None if image_shape is None else as_numbers(X)[row],
            image_shape=image_shape,
            n_features=n_features,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs) -> Self:
        """Draw the errors.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `barh`, or to `imshow`.

        Returns
        -------
        display : FeatureErrorsDisplay
            This object.
        """
        plt = pyplot(self)
        self.bars_ = self.images_ = None
        draw = self._plot_bars if self.image_shape is None else self._plot_images
        self.ax_ = draw(plt, ax, kwargs)
        self.figure_ = self.ax_.figure
        return self

    def _plot_bars(self, plt, ax, kwargs):
        from matplotlib.patches import Rectangle

        labels, lengths, quantiles = self._bars()
        has_code = self.code_distance is not None
        ax = new_axes(plt, (5, BAR * len(labels) + 0.9)) if ax is None else ax
        style = {"color": [COLORS[0]] * (len(labels) - has_code) + [COLORS[1]] * has_code}
        places = np.arange(len(labels))
        self.bars_ = ax.barh(places, lengths, **merged(style, kwargs, Rectangle))
        if quantiles is not None:
            ax.vlines(quantiles, places - 0.4, places + 0.4, **TICK)
            ax.legend(frameon=False, fontsize="small")
        ax.set_yticks(places, labels)
        ax.set(xlabel="error" if self.quantiles is None else LABEL)
        ax.invert_yaxis()
        return ax

    def _bars(self):
        """Labels, lengths and ticks of the bars, from top to bottom."""
        errors = np.asarray(self.errors, dtype=float)
        names = self.feature_names
        names = [f"x{number}" for number in range(len(errors))] if names is None else [*names]
        order = [*np.argsort(-errors, kind="stable")[: np.sum(~np.isnan(errors))]]
        order = order[: self.n_features]
        labels, lengths = [str(names[place]) for place in order], errors[order]
        quantiles = None if self.quantiles is None else np.asarray(self.quantiles)[order]
        if self.code_distance is not None:
            labels, lengths = [*labels, CODE], np.append(lengths, self.code_distance)
            if quantiles is not None:
                quantiles = np.append(quantiles, self.quantile_of_distance)
        return labels, finite(lengths), quantiles

    def _plot_images(self, plt, ax, kwargs):
        tiles = Tiles(self.image_shape, 2, 1)
        ax = new_axes(plt, tiles.figure_size(left=0.7, below=0.4)) if ax is None else ax
        errors = finite(np.asarray(self.errors, dtype=float)).reshape(-1, *tiles.size).sum(axis=0)
        limits = [(0.0, max(float(np.nanmax(errors)), np.finfo(float).tiny))]
        rows = tiles.draw(ax, 0, [self.original], [black_and_white(self.original)], {})
        style = {"cmap": "magma"} | kwargs
        errors = tiles.draw(ax, 1, [errors.ravel()], limits, style)
        tiles.finish(ax)
        ax.set_yticks([0.5, 1.5], ["row", "errors"])
        if self.code_distance is not None:
            usual = self.quantile_of_distance
            usual = "" if usual is None else f"\n95 % up to {usual:.3g}"
            ax.set_xlabel(f"code: {self.code_distance:.3g}{usual}")
        self.images_ = np.array([*rows, *errors], dtype=object)
        return ax


def names_of_features(estimator):
    """Names of the columns of `fit`; None if they had none."""
    first = steps_of(getattr(estimator, "autoencoder_", estimator))[0]
    blocks = getattr(getattr(first, "table_", first), "blocks_", None)
    if blocks is not None:  # errors leave out columns without any value
        return [name for name, block in blocks.items() if block.start < block.stop]
    return getattr(estimator, "feature_names_in_", None)


def finite(lengths):
    """Lengths of bars; infinite ones become longer than all others."""
    known = lengths[np.isfinite(lengths)]
    longest = max(known.max(initial=0.0), 1.0)
    return np.where(np.isinf(lengths), 10 * longest, lengths)
