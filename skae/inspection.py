"""Pictures of fitted autoencoders, and of other transformers where that makes sense.

They follow scikit-learn's displays: `from_estimator` computes what there is to see and draws
it, the constructor takes what has been computed, `plot` draws it again. They need matplotlib,
which is imported when something is drawn.
"""

from math import ceil, isqrt, prod, sqrt
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from scipy.special import ndtri
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from skae._blocks import inputs_axis
from skae._columns import dense
from skae._compat import Interval, StrOptions, validate_params
from skae._denoising import DenoisingAutoencoder
from skae._devices import off_torch
from skae._estimator import NetworkEstimator
from skae._variational import VAE
from skae.metrics import backward, check_transformer, decode, encode, forward, steps_of

__all__ = [
    "FilterDisplay",
    "LatentSpaceDisplay",
    "LatentTraversalDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
]

LEAST_SIDE = 5  # of a square image that nobody has said to be one
MOST_BARS = 30  # features; more are drawn as a line
MOST_NAMES = 16  # below bars
MOST_LABELS = 20  # different numbers that still are labels; more are a scale
MISSING = "lightsteelblue"
COLORS = {"original": "0.6", "corrupted": "C1", "reconstruction": "C0"}
LINES = {
    "original": {"linewidth": 3, "alpha": 0.8},
    "corrupted": {"linewidth": 0.8, "alpha": 0.8, "zorder": 1.9},
    "reconstruction": {"linewidth": 1.2},
}
IMAGE_SHAPE = {"image_shape": ["array-like", StrOptions({"auto"}), None]}
COUNT = [Interval(Integral, 1, None, closed="left")]


class LossCurveDisplay:
    """The objective of each epoch of a training, and where it was best.

    It is recommended to use `LossCurveDisplay.from_estimator` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Objective per row in each epoch.
    validation_loss_curve : array-like of shape (n_epochs,), default=None
        The same of rows held out, if there are any.
    best_epoch : int, default=None
        Which epoch to mark, counted from 1; None for none.
    name : str, default=None
        What to call the estimator in the legend, where several share the axes.

    Attributes
    ----------
    line_ : matplotlib Line2D
        Curve of the training.
    validation_line_ : matplotlib Line2D or None
        Curve of the rows held out.
    best_line_ : matplotlib Line2D or None
        Vertical line at the best epoch.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    LossCurveDisplay.from_estimator : Draw the curves of a fitted estimator.
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of rows.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.inspection import LossCurveDisplay
    >>> X = load_digits().data / 16
    >>> autoencoder = Autoencoder(8, early_stopping=True, max_iter=20, random_state=0).fit(X)
    >>> display = LossCurveDisplay.from_estimator(autoencoder)
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, *, loss_curve, validation_loss_curve=None, best_epoch=None, name=None):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.best_epoch = best_epoch
        self.name = name

    @classmethod
    @validate_params({"name": [str, None]}, prefer_skip_nested_validation=True)
    def from_estimator(cls, estimator, *, name=None, ax=None, **kwargs):
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted, with `loss_curve_`: an autoencoder, a pipeline or search that ends with
            one, or scikit-learn's `MLPRegressor`.
        name : str, default=None
            What to call it in the legend, where several share the axes.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `plot` for both curves.

        Returns
        -------
        display : LossCurveDisplay
            The object that stores what was drawn.
        """
        check_is_fitted(estimator)
        last = _last_step(estimator)
        if not hasattr(last, "loss_curve_"):
            raise TypeError(
                f"LossCurveDisplay needs an estimator with loss_curve_, but {type(last).__name__} "
                "has none."
            )
        validation = getattr(last, "validation_loss_curve_", None)
        watched = np.asarray(last.loss_curve_ if validation is None else validation)
        # Not simply the lowest: the epochs of a VAE's warm-up do not count.
        best = np.flatnonzero(watched == getattr(last, "best_loss_", None))
        best_epoch = int(best[0] if len(best) else watched.argmin()) + 1
        display = cls(
            loss_curve=last.loss_curve_,
            validation_loss_curve=validation,
            best_epoch=best_epoch,
            name=name,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        name : str, default=None
            What to call the estimator in the legend; None for the attribute `name`.
        **kwargs : dict
            Passed to matplotlib's `plot` for both curves.

        Returns
        -------
        display : LossCurveDisplay
            This object.
        """
        plt = _pyplot(self)
        ax = _new_axes(plt, (5, 3.5)) if ax is None else ax
        name = self.name if name is None else name
        prefix = "" if name is None else f"{name}, "
        single = {"marker": "o"} if len(self.loss_curve) == 1 else {}
        self.line_ = _curve(ax, self.loss_curve, f"{prefix}training", single | kwargs)
        self.validation_line_ = self.best_line_ = None
        if self.validation_loss_curve is not None:
            style = {"color": self.line_.get_color(), "linestyle": "--"} | single | kwargs
            label = f"{prefix}held out"
            self.validation_line_ = _curve(ax, self.validation_loss_curve, label, style)
        if self.best_epoch is not None:
            style = {"color": self.line_.get_color(), "linestyle": ":", "linewidth": 1}
            label = f"{prefix}best: epoch {self.best_epoch}"
            self.best_line_ = ax.axvline(self.best_epoch, label=label, **style)
        self._finish(ax)
        return self

    def _finish(self, ax):
        from matplotlib.ticker import MaxNLocator

        ax.set(xlabel="epoch", ylabel="objective per row")
        ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
        # All curves in these axes, an earlier display's too, but not the vertical lines.
        curves = [line.get_ydata() for line in ax.lines if line.get_transform() == ax.transData]
        losses = np.concatenate(curves)
        spans_decades = losses.min() > 0 and losses.max() > 10 * losses.min()
        ax.set_yscale("log" if spans_decades else "linear")
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure


class ReconstructionDisplay:
    """Rows of X, their corruption where there is one, and what becomes of them.

    Images are drawn as images, other rows as groups of bars (up to 30 features) or as lines.
    It is recommended to use `ReconstructionDisplay.from_estimator` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    originals : ndarray of shape (n_samples, n_features)
        Rows of X. Missing cells are NaN.
    reconstructions : ndarray of shape (n_samples, n_features_out)
        What became of them, or of the corrupted ones.
    corrupted : ndarray of shape (n_samples, n_features), default=None
        The rows as they were reconstructed, if not as they are.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of the images; None for rows that are
        no images.
    feature_names : array-like of str of shape (n_features,), default=None
        What to write below bars.

    Attributes
    ----------
    images_ : ndarray of shape (n_lines, n_samples) or None
        Of matplotlib AxesImage: a line of originals, of corrupted rows if there are any,
        and of reconstructions. None where there are no images.
    axes_ : ndarray of matplotlib Axes
        One for each row of X, or `ax_` alone where that has images.
    ax_ : matplotlib Axes
        Axes given or made, which hold all of it.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    ReconstructionDisplay.from_estimator : Draw what an estimator makes of rows.
    skae.metrics.explained_variance : How good reconstructions are, in one number.

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

    def __init__(
        self,
        *,
        originals,
        reconstructions,
        corrupted=None,
        image_shape=None,
        feature_names=None,
    ):
        self.originals = originals
        self.reconstructions = reconstructions
        self.corrupted = corrupted
        self.image_shape = image_shape
        self.feature_names = feature_names

    @classmethod
    @validate_params(
        {
            "n_samples": COUNT,
            "corrupt": ["boolean"],
            "random_state": ["random_state"],
            **IMAGE_SHAPE,
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
        image_shape="auto",
        ax=None,
        **kwargs,
    ):
        """Draw what an estimator makes of rows.

        Parameters
        ----------
        estimator : object
            Fitted transformer with `inverse_transform`, such as an autoencoder or PCA, or a
            pipeline or search that ends with one.
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Rows to reconstruct, of which the first ones are drawn.
        n_samples : int, default=8
            How many rows are drawn, at most.
        corrupt : bool, default=True
            Whether rows are corrupted first, and reconstructed from that, where the
            estimator is a `DenoisingAutoencoder`.
        random_state : int, RandomState instance or None, default=None
            Seed of the corruption; an int draws the same picture again.
        image_shape : 'auto', tuple of int or None, default='auto'
            (height, width) or (channels, height, width) of the images that rows are. 'auto':
            the estimator's `network` says so, or n_features is the square of 5 or more.
            None: rows are no images.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` where rows are no images.

        Returns
        -------
        display : ReconstructionDisplay
            The object that stores what was drawn.
        """
        check_transformer(estimator, "ReconstructionDisplay")
        steps, rows = steps_of(estimator), _head(X, n_samples)
        codes, corrupted = encode(steps, rows), None
        originals = _as_numbers(rows)
        if corrupt and steps and isinstance(steps[-1], DenoisingAutoencoder):
            *before, last = steps
            entering = last.corrupt(dense(codes), random_state=random_state)
            corrupted = backward(before, entering)
            # Not by its public method, which would warn that names of columns are lost.
            reconstructions = backward(before, last._map(last._reconstruct, entering))
        else:
            reconstructions = decode(steps, codes)
        if corrupted is not None and np.array_equal(corrupted, originals, equal_nan=True):
            corrupted = None  # with corruption=None
        display = cls(
            originals=originals,
            reconstructions=reconstructions,
            corrupted=corrupted,
            image_shape=_find_image_shape(image_shape, steps, originals.shape[1]),
            feature_names=getattr(estimator, "feature_names_in_", None),
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` where rows are no images.

        Returns
        -------
        display : ReconstructionDisplay
            This object.
        """
        plt = _pyplot(self)
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
        self.ax_ = _new_axes(plt, tiles.figure_size(left=1.1)) if ax is None else ax
        limits = [_limits(self.originals)] * len(self.originals)
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
        size = (2.2 * n_columns + 0.8, 1.6 * n_rows + 0.9 + _room_for(self.feature_names))
        self.ax_ = _new_axes(plt, size) if ax is None else ax
        self.axes_ = _charts(self.ax_, n_samples, n_columns, share=True)
        self.images_ = None
        for number, inset in enumerate(self.axes_):
            rows = {label: values[number] for label, values in lines.items()}
            artists = _draw_chart(inset, rows, self.feature_names, kwargs)
            inset.set_title(f"row {number}", fontsize="small", pad=3)
        anchor = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "frameon": False}
        self.ax_.legend(artists, list(lines), ncols=len(lines), **anchor)


class FilterDisplay:
    """What the units of an autoencoder respond to, or what they add to a reconstruction.

    It is recommended to use `FilterDisplay.from_estimator` to create one. All parameters
    are stored as attributes.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, n_features)
        Weights, a row for each unit.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of the images that filters are; None
        for filters that are no images, which are drawn as bars or lines.
    indices : array-like of int of shape (n_filters,), default=None
        Which unit each filter belongs to; None for 0, 1, and so on.
    feature_names : array-like of str of shape (n_features,), default=None
        What to write below bars.

    Attributes
    ----------
    images_ : ndarray of shape (n_filters,) or None
        Of matplotlib AxesImage; None where filters are no images.
    axes_ : ndarray of matplotlib Axes
        One for each filter, or `ax_` alone where that has images.
    ax_ : matplotlib Axes
        Axes given or made, which hold all of it.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    FilterDisplay.from_estimator : Draw the filters of a fitted estimator.
    LatentTraversalDisplay : What components of a deeper network stand for.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingAutoencoder
    >>> from skae.inspection import FilterDisplay
    >>> X = load_digits().data / 16
    >>> denoiser = DenoisingAutoencoder(100, max_iter=20, random_state=0).fit(X)
    >>> display = FilterDisplay.from_estimator(denoiser, n_filters=36)
    >>> display.images_[0].get_array().shape
    (8, 8)
    """

    def __init__(self, *, filters, image_shape=None, indices=None, feature_names=None):
        self.filters = filters
        self.image_shape = image_shape
        self.indices = indices
        self.feature_names = feature_names

    @classmethod
    @validate_params(
        {
            "weights": [StrOptions({"encoder", "decoder"})],
            "n_filters": [*COUNT, None],
            "shared_scale": ["boolean"],
            **IMAGE_SHAPE,
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator,
        *,
        weights="encoder",
        n_filters=None,
        shared_scale=False,
        image_shape="auto",
        ax=None,
        **kwargs,
    ):
        """Draw the filters of a fitted estimator, those of largest norm first.

        Parameters
        ----------
        estimator : object
            Fitted autoencoder, classifier or regressor of skae, a transformer with
            `components_` such as PCA or NMF, or a pipeline or search that ends with one.
        weights : {'encoder', 'decoder'}, default='encoder'
            'encoder': the weights of each unit of the first layer, what it responds to.
            'decoder': the atoms, what each unit of the last hidden layer, or of the code,
            adds to a reconstruction. Both are kernels where the layer is a convolution,
            and `components_` where there is no network.
        n_filters : int, default=None
            How many, at most. None: 64 images, or 12 groups of bars.
        shared_scale : bool, default=False
            Whether equal weights are equally bright in all filters; if not, each filter has
            the whole range, from minus to plus its largest weight; or from 0, if no weight is
            negative.
        image_shape : 'auto', tuple of int or None, default='auto'
            (height, width) or (channels, height, width) of the images that filters are.
            'auto': a kernel's own, what the estimator's `network` says, or a square if
            n_features is that of 5 or more. None: they are no images.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` where filters are no
            images.

        Returns
        -------
        display : FilterDisplay
            The object that stores what was drawn.
        """
        check_is_fitted(estimator)
        last = _last_step(estimator)
        filters = _filters_of(last, weights)
        kernel, filters = filters.shape[1:], filters.reshape(len(filters), -1)
        if len(kernel) == 1 or image_shape != "auto":
            image_shape = _find_image_shape(image_shape, [last], filters.shape[1])
        else:
            image_shape = kernel if len(kernel) == 3 and min(kernel[1:]) > 1 else None
        n_filters = n_filters or (12 if image_shape is None else 64)
        norms = np.linalg.norm(filters, axis=1)
        # Rounded: PCA's components, which all have norm 1, stay in their order.
        order = np.argsort(-np.round(norms / (norms.max() or 1.0), 6), kind="stable")[:n_filters]
        display = cls(
            filters=filters[order],
            image_shape=image_shape,
            indices=order,
            feature_names=getattr(last, "feature_names_in_", None),
        )
        return display.plot(ax, shared_scale=shared_scale, **kwargs)

    def plot(self, ax=None, *, shared_scale=False, **kwargs):
        """Draw the filters.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        shared_scale : bool, default=False
            Whether equal weights are equally bright in all filters.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` where filters are no
            images.

        Returns
        -------
        display : FilterDisplay
            This object.
        """
        plt = _pyplot(self)
        largest = np.abs(self.filters).max(axis=1)
        largest = np.full_like(largest, largest.max()) if shared_scale else largest
        largest = np.where(largest > 0, largest, 1.0)
        draw = self._plot_charts if self.image_shape is None else self._plot_images
        draw(plt, ax, largest, kwargs)
        self.figure_ = self.ax_.figure
        return self

    def _plot_images(self, plt, ax, largest, kwargs):
        n_filters, has_sign = len(self.filters), np.min(self.filters) < 0
        n_columns = _full_columns(n_filters)
        tiles = Tiles(self.image_shape, ceil(n_filters / n_columns), n_columns)
        self.ax_ = _new_axes(plt, tiles.figure_size()) if ax is None else ax
        images = []
        for number, start in enumerate(range(0, n_filters, n_columns)):
            some = slice(start, start + n_columns)
            limits = [(-limit if has_sign else 0.0, limit) for limit in largest[some]]
            images += tiles.draw(self.ax_, number, self.filters[some], limits, kwargs)
        tiles.finish(self.ax_)
        self.images_, self.axes_ = np.array(images, dtype=object), np.array([self.ax_])

    def _plot_charts(self, plt, ax, largest, kwargs):
        n_filters = len(self.filters)
        n_columns = min(4, _full_columns(n_filters))
        height = 1.5 * ceil(n_filters / n_columns) + 0.6 + _room_for(self.feature_names)
        size = (2.2 * n_columns + 0.4, height)
        self.ax_ = _new_axes(plt, size) if ax is None else ax
        self.axes_ = _charts(self.ax_, n_filters, n_columns, share=False)
        self.images_ = None
        indices = range(n_filters) if self.indices is None else self.indices
        for inset, unit, row, limit in zip(self.axes_, indices, self.filters, largest, strict=True):
            _draw_chart(inset, {"weight": row}, self.feature_names, kwargs)
            inset.axhline(0, color="0.3", linewidth=0.8)
            inset.set(ylim=(-1.1 * limit, 1.1 * limit), yticks=[])
            inset.set_title(f"unit {unit}", fontsize="small", pad=3)


class LatentSpaceDisplay:
    """The codes of rows in the plane, coloured by label.

    It is recommended to use `LatentSpaceDisplay.from_estimator` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, 1) or (n_samples, 2)
        Where to draw each row. A single column is drawn as a strip for each label.
    labels : array-like of shape (n_samples,), default=None
        Classes, which get a colour each, or numbers, which get a scale of colours. None
        and NaN are rows without a label, drawn in grey.
    axis_names : tuple of str, default=None
        What to write at the axes; None for the numbers of the components.

    Attributes
    ----------
    scatters_ : list of matplotlib PathCollection
        Points: first the rows without a label, if there are any, then those of each class
        in sorted order, or all others.
    colorbar_ : matplotlib Colorbar or None
        Scale of the colours, if labels are numbers.
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    LatentSpaceDisplay.from_estimator : Draw the codes that an estimator gives.
    LatentTraversalDisplay : What is decoded from each point of the plane.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.inspection import LatentSpaceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(2, max_iter=20, random_state=0).fit(X / 16)
    >>> display = LatentSpaceDisplay.from_estimator(autoencoder, X / 16, y)
    >>> len(display.scatters_)
    10
    """

    def __init__(self, *, codes, labels=None, axis_names=None):
        self.codes = codes
        self.labels = labels
        self.axis_names = axis_names

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, **kwargs):
        """Draw the codes that an estimator gives.

        A code of two components is drawn as it is, a wider one along the first two
        principal axes of these codes: the plane in which they vary most.

        Parameters
        ----------
        estimator : object
            Fitted transformer.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to encode.
        y : array-like of shape (n_samples,), default=None
            Labels of the rows, to colour them by; None and NaN are rows without one. More
            than 20 different numbers are taken for a scale.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            The object that stores what was drawn.
        """
        check_transformer(estimator, "LatentSpaceDisplay", ["transform"])
        codes = _as_numbers(forward(steps_of(estimator), off_torch(X)))
        labels = None
        if y is not None:
            labels = column_or_1d(off_torch(y))
            check_consistent_length(X, labels)
        axis_names = None
        if codes.shape[1] > 2:
            codes, shares = _principal_axes(codes)
            axis_names = tuple(
                f"principal axis {number} of the code ({share:.0%} of its variance)"
                for number, share in enumerate(shares, start=1)
            )
        return cls(codes=codes, labels=labels, axis_names=axis_names).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            This object.
        """
        plt = _pyplot(self)
        own = ax is None
        groups = Groups(self.labels, len(self.codes))
        is_strip = self.codes.shape[1] == 1
        if own:
            height = 1 + 0.35 * max(len(groups.rows), 3) if is_strip else 4.6
            ax = _new_axes(plt, (6, height))
        size = float(np.clip(20000 / len(self.codes), 4, 30))
        shared = {"s": size, "alpha": 0.7, "linewidths": 0} | kwargs
        styles = groups.styles(plt, shared.pop("cmap", None))
        points = self._strips(groups) if is_strip else self.codes
        self.scatters_ = [
            ax.scatter(*points[rows].T, label=name, **(style | shared))
            for (name, rows), style in zip(groups.rows.items(), styles, strict=True)
        ]
        self._finish(ax, groups, is_strip, own)
        return self

    def _strips(self, groups):
        """The codes, and beside them heights that spread them over their group's strip."""
        heights = np.empty(len(self.codes))
        for number, rows in enumerate(groups.rows.values()):
            # The golden ratio's multiples fill a strip evenly, without a random generator.
            spread = np.arange(rows.sum()) * (sqrt(5) - 1) / 2 % 1 - 0.5
            heights[rows] = number + 0.6 * spread
        return np.column_stack([self.codes, heights])

    def _finish(self, ax, groups, is_strip, own):
        names = self.axis_names or ("component 0", "component 1")
        ax.set_xlabel(names[0])
        self.colorbar_ = None
        if groups.scale is not None:
            self.colorbar_ = ax.figure.colorbar(self.scatters_[-1], ax=ax)
            self.colorbar_.solids.set_alpha(1)
        if is_strip:
            ax.set_yticks(range(len(groups.rows)), groups.rows)
            ax.set_ylim(len(groups.rows) - 0.5, -0.5)
            ax.tick_params(axis="y", length=0)
        else:
            ax.set_ylabel(names[1])
            if groups.is_named:
                _legend(ax, len(groups.rows), outside=own)
        self.ax_, self.figure_ = ax, ax.figure


class LatentTraversalDisplay:
    """What is decoded where: over a plane of codes, or on the way between two rows.

    It is recommended to use `LatentTraversalDisplay.from_estimator` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    decoded : ndarray of shape (n_rows, n_columns, n_features)
        What is decoded at each point of a grid.
    x_values : array-like of shape (n_columns,)
        Where the columns are.
    y_values : array-like of shape (n_rows,), default=None
        Where the rows are, increasing: the last one is drawn on top. None for a single row.
    axis_names : tuple of str, default=('', '')
        What to write at the axes.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of the images that are decoded; None
        for rows that are no images, which are drawn as bars or lines.

    Attributes
    ----------
    images_ : ndarray of shape (n_rows, n_columns) or None
        Of matplotlib AxesImage, in the order of `decoded`; None where there are no images.
    axes_ : ndarray of matplotlib Axes
        One for each point, of shape (n_rows, n_columns), or `ax_` alone where that has
        images.
    ax_ : matplotlib Axes
        Axes given or made, which hold all of it.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    LatentTraversalDisplay.from_estimator : Draw what an estimator decodes.
    LatentSpaceDisplay : Where in the plane the codes of rows are.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VAE
    >>> from skae.inspection import LatentTraversalDisplay
    >>> X = load_digits().data / 16
    >>> vae = VAE(2, max_iter=20, random_state=0).fit(X)
    >>> display = LatentTraversalDisplay.from_estimator(vae, n_steps=10)
    >>> display.images_.shape
    (10, 10)

    From one digit to another:

    >>> display = LatentTraversalDisplay.from_estimator(vae, X, between=(0, 1))
    >>> display.ax_.get_xlabel()
    'way from row 0 to row 1'
    """

    def __init__(self, *, decoded, x_values, y_values=None, axis_names=("", ""), image_shape=None):
        self.decoded = decoded
        self.x_values = x_values
        self.y_values = y_values
        self.axis_names = axis_names
        self.image_shape = image_shape

    @classmethod
    @validate_params(
        {
            "between": ["array-like", None],
            "components": ["array-like", None],
            "n_steps": [*COUNT, None],
            "tail": [Interval(Real, 0, 0.5, closed="neither")],
            **IMAGE_SHAPE,
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator,
        X=None,
        *,
        between=None,
        components=None,
        n_steps=None,
        tail=0.05,
        image_shape="auto",
        ax=None,
        **kwargs,
    ):
        """Draw what an estimator decodes.

        Parameters
        ----------
        estimator : object
            Fitted transformer with `inverse_transform`.
        X : array-like or sparse matrix of shape (n_samples, n_features), default=None
            Rows whose codes say where to decode. May be None for a `VAE`, whose prior says
            so then.
        between : tuple of two int, default=None
            Numbers of two rows of X between which to walk, on a straight line from code
            to code. None: decode over a grid.
        components : tuple of one or two int, default=None
            Components of the code that the grid varies; the others stay at their mean.
            None: the two that vary most over X, or that carry most nats of a VAE, in
            their order.
        n_steps : int, default=None
            Points along each axis. None: 11 for images, 5 for other data; 10 on a walk.
        tail : float, default=0.05
            Fraction of the codes, or of the prior, that lies beyond either end of the grid,
            whose points are quantiles in equal steps.
        image_shape : 'auto', tuple of int or None, default='auto'
            (height, width) or (channels, height, width) of the images that rows are. 'auto':
            the estimator's `network` says so, or n_features is the square of 5 or more.
            None: rows are no images.
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` where rows are no images.

        Returns
        -------
        display : LatentTraversalDisplay
            The object that stores what was drawn.
        """
        check_transformer(estimator, "LatentTraversalDisplay")
        steps = steps_of(estimator)
        codes = None if X is None else _as_numbers(forward(steps, off_torch(X)))
        space = _space_of_prior(steps) if codes is None else _space_of_codes(codes)
        n_features = backward(steps, space.centre[None]).shape[1]
        image_shape = _find_image_shape(image_shape, steps, n_features)
        if between is not None:
            points = _walk(codes, between, n_steps or 10)
        else:
            n_steps = n_steps or (5 if image_shape is None else 11)
            points = space.grid(components, np.linspace(tail, 1 - tail, n_steps))
        grid = points.pop("codes")
        decoded = backward(steps, grid.reshape(-1, grid.shape[-1]))
        decoded = decoded.reshape(*grid.shape[:2], -1)
        return cls(decoded=decoded, image_shape=image_shape, **points).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw what is decoded.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` where rows are no images.

        Returns
        -------
        display : LatentTraversalDisplay
            This object.
        """
        plt = _pyplot(self)
        n_rows, n_columns = self.decoded.shape[:2]
        tiles = Tiles(self.image_shape or (3, 4), n_rows, n_columns)
        self.ax_ = ax = _new_axes(plt, tiles.figure_size(left=0.6, below=0.5)) if ax is None else ax
        draw = self._plot_charts if self.image_shape is None else self._plot_images
        drawn = draw(tiles, kwargs)[::-1]  # first the row below
        self.images_, self.axes_ = (None, drawn) if self.image_shape is None else (drawn, [ax])
        self.axes_ = np.array(self.axes_, dtype=object)
        tiles.finish(ax)
        _label_cells(ax.set_xticks, self.x_values)
        if self.y_values is not None:
            _label_cells(ax.set_yticks, self.y_values[::-1])
        ax.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1])
        self.figure_ = ax.figure
        return self

    def _plot_images(self, tiles, kwargs):
        limits = [_limits(self.decoded)] * self.decoded.shape[1]
        rows = [
            tiles.draw(self.ax_, number, row, limits, kwargs)
            for number, row in enumerate(self.decoded[::-1])
        ]
        return np.array(rows, dtype=object)

    def _plot_charts(self, tiles, kwargs):
        axes = np.empty(self.decoded.shape[:2], dtype=object)
        for row, column in np.ndindex(*axes.shape):
            axes[row, column] = tiles.inset(self.ax_, row, column, share=axes[0, 0])
            values = {"reconstruction": self.decoded[-1 - row, column]}
            _draw_chart(axes[row, column], values, None, kwargs)
            axes[row, column].tick_params(
                left=False, bottom=False, labelleft=False, labelbottom=False
            )
        return axes


class Space:
    """Where a code's components vary, and how much each matters.

    Parameters
    ----------
    centre : ndarray of shape (n_components,)
    importance : ndarray of shape (n_components,)
    quantiles : callable, (component, shares) -> values
    """

    def __init__(self, centre, importance, quantiles):
        self.centre = centre
        self.importance = importance
        self.quantiles = quantiles

    def grid(self, components, shares):
        """What to decode, and the display's parameters that go with it."""
        chosen = self._choose(components)
        values = [np.asarray(self.quantiles(c, shares)) for c in chosen]
        n_rows = len(shares) if len(chosen) == 2 else 1
        codes = np.tile(self.centre, (n_rows, len(shares), 1))
        codes[:, :, chosen[0]] = values[0]
        if len(chosen) == 2:
            codes[:, :, chosen[1]] = values[1][:, None]
        names = [f"component {c}" for c in chosen]
        return {
            "codes": codes,
            "x_values": values[0],
            "y_values": values[1] if len(chosen) == 2 else None,
            "axis_names": (*names, "")[:2],
        }

    def _choose(self, components):
        n = len(self.centre)
        if components is None:
            most = np.argsort(-self.importance, kind="stable")[:2]
            return sorted(most.tolist())
        chosen = list(components)
        if (
            len(chosen) not in (1, 2)
            or not all(isinstance(c, Integral) and 0 <= c < n for c in chosen)
            or len(set(chosen)) < len(chosen)
        ):
            raise ValueError(
                f"components={components!r} must be one or two different numbers from 0 to "
                f"{n - 1}, for a code of {n} components."
            )
        return chosen


def _space_of_codes(codes):
    def quantiles(component, shares):
        return np.quantile(codes[:, component], shares)

    return Space(codes.mean(axis=0), codes.var(axis=0), quantiles)


def _space_of_prior(steps):
    if not steps or not isinstance(steps[-1], VAE):
        found = type(steps[-1]).__name__ if steps else "no step"
        raise ValueError(
            "LatentTraversalDisplay needs X, to know where codes are: only a VAE has a prior "
            f"that says so, but found {found}."
        )
    nats = steps[-1].kl_per_component_
    return Space(np.zeros(len(nats)), nats, lambda component, shares: ndtri(shares))


def _walk(codes, between, n_steps):
    """Codes on the straight line between those of two rows, and what goes with them."""
    pair = list(between)
    n_rows = 0 if codes is None else len(codes)
    if len(pair) != 2 or not all(isinstance(i, Integral) and 0 <= i < n_rows for i in pair):
        where = "X, which is None" if codes is None else f"X, from 0 to {n_rows - 1}"
        raise ValueError(f"between={between!r} must be the numbers of two rows of {where}.")
    shares = np.linspace(0, 1, n_steps)
    start, end = codes[pair]
    return {
        "codes": (start + shares[:, None] * (end - start))[None],
        "x_values": shares,
        "axis_names": (f"way from row {pair[0]} to row {pair[1]}", ""),
    }


def _last_step(estimator):
    return (steps_of(estimator) or [estimator])[-1]


def _head(X, n_rows):
    """The first rows, of the same kind as X where that matters: names of columns, sparsity."""
    X = off_torch(X)
    if hasattr(X, "head"):
        return X.head(n_rows)
    return X.tocsr()[:n_rows] if issparse(X) else np.asarray(X)[:n_rows]


def _as_numbers(X):
    return check_array(
        dense(X), dtype=[np.float64, np.float32], ensure_all_finite="allow-nan", input_name="X"
    )


def _find_image_shape(image_shape, steps, n_features):
    """What 'auto' stands for; ValueError for a shape that rows cannot have."""
    if isinstance(image_shape, str):
        networks = [getattr(step, "network", None) for step in map(_first_layers, steps)]
        for shape in [getattr(network, "image_shape", None) for network in networks]:
            if shape is not None and n_features % prod(shape[-2:]) == 0:
                return tuple(shape)
        side = isqrt(n_features)
        return (side, side) if side * side == n_features and side >= LEAST_SIDE else None
    if image_shape is None:
        return None
    shape = tuple(image_shape)
    if len(shape) not in (2, 3) or n_features % prod(shape[-2:]):
        raise ValueError(
            f"image_shape={shape} must be (height, width) or (channels, height, width), and rows "
            f"of {n_features} numbers a multiple of height * width."
        )
    return shape


def _first_layers(step):
    """The autoencoder whose parameters describe the layers next to the data."""
    step = getattr(step, "autoencoder_", step)
    return getattr(step, "estimators_", [step])[0]


def _filters_of(estimator, weights):
    """Weights of the first layer's units, or the decoder's atoms: (n, n_features or a kernel's)."""
    if hasattr(estimator, "components_"):
        return np.asarray(estimator.components_)
    part = f"{weights}_"
    if not isinstance(estimator, NetworkEstimator) or not hasattr(estimator, part):
        raise TypeError(
            f"FilterDisplay needs an estimator with {part} or components_, but "
            f"{type(estimator).__name__} has none."
        )
    layers = [
        layer for layer in getattr(estimator, part).modules() if inputs_axis(layer) is not None
    ]
    return _first_weights(estimator, layers) if weights == "encoder" else _atoms(estimator, layers)


def _first_weights(estimator, layers):
    perceptron, weight = estimator._perceptron, layers[0].weight.detach().numpy()
    weight = weight.swapaxes(0, 1) if inputs_axis(layers[0]) == 0 else weight
    # Where cells are missing, the second half of the inputs says which.
    n_inputs = weight.shape[1] * estimator.n_features_in_ // perceptron.n_inputs
    n_units = len(weight) if perceptron.front is not None else perceptron.sizes[1]  # one head's
    return weight[:n_units, :n_inputs]


def _atoms(estimator, layers):
    perceptron, weight = estimator._perceptron, layers[-1].weight.detach().numpy()
    weight = weight.swapaxes(0, 1) if inputs_axis(layers[-1]) == 1 else weight
    n_heads = 1 if perceptron.back is None else perceptron.output_heads
    return weight[:, : weight.shape[1] // n_heads]


def _principal_axes(codes):
    """Codes along the first two axes in which they vary, and each one's share of variance."""
    centred = codes - codes.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    variances, axes = variances[:-3:-1].clip(min=0), axes[:, :-3:-1]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, [0, 1]] < 0, -1, 1)  # either sign is right: fix one
    total = np.square(centred).sum()
    return centred @ axes, variances / (total if total > 0 else 1.0)


class Groups:
    """Rows that are drawn alike.

    Parameters
    ----------
    labels : array-like of shape (n_samples,) or None
    n_samples : int

    Attributes
    ----------
    rows : dict
        Label, as a text, to a boolean array of shape (n_samples,).
    scale : ndarray or None
        Numbers to be shown by the colours of the last group.
    is_named : bool
        Whether the groups have names that a reader should see.
    """

    def __init__(self, labels, n_samples):
        self.rows, self.scale = {"": np.ones(n_samples, dtype=bool)}, None
        self.is_named = labels is not None
        if labels is None:
            return
        labels = np.asarray(labels)
        unknown = np.array([label is None or label != label for label in labels.tolist()])
        known = labels[~unknown]
        self.rows = {"no label": unknown} if unknown.any() else {}
        classes = np.unique(known)
        if len(classes) > MOST_LABELS and known.dtype.kind in "fiu":
            self.scale, self.is_named = known, False
            self.rows[""] = ~unknown
        else:
            names = [f"{c:g}" if isinstance(c, float) else str(c) for c in classes]
            for name, value in zip(names, classes, strict=True):
                self.rows[name] = ~unknown & (labels == value)

    def styles(self, plt, cmap):
        """What `scatter` gets for each group."""
        known = [name for name in self.rows if name != "no label"]
        if self.scale is not None:
            known = [{"c": self.scale, "cmap": cmap}]
        else:
            known = [{"color": color} for color in _class_colors(plt, cmap, len(known))]
        return [{"color": "0.8"}] * (len(self.rows) - len(known)) + known


def _class_colors(plt, cmap, n):
    if cmap is None:
        cmap = "tab10" if n <= 10 else "tab20" if n <= 20 else "gist_rainbow"
    cmap = plt.get_cmap(cmap)
    return cmap(np.arange(n) % cmap.N if cmap.N <= 20 else np.linspace(0, 1, n))


class Tiles:
    """Images in rows and columns of one axes, each a cell of width and height 1.

    Parameters
    ----------
    image_shape : tuple of int
        Of which the last two are height and width.
    n_rows, n_columns : int
        How many images there is room for.
    """

    def __init__(self, image_shape, n_rows, n_columns):
        self.size = tuple(map(int, image_shape[-2:]))
        self.n_rows, self.n_columns = n_rows, n_columns
        self.aspect = self.size[0] / self.size[1]

    def figure_size(self, left=0.1, below=0.1):
        """Width and height in inches, with that much room for labels."""
        longest = max(self.n_columns, self.n_rows * self.aspect)
        edge = float(np.clip(7.0 / longest, 0.4, 1.0))
        return (
            max(self.n_columns * edge, 1.5) + left,
            max(self.n_rows * edge * self.aspect, 0.5) + below,
        )

    def draw(self, ax, number, rows, limits, kwargs):
        """Draw images in a row of cells, counted from the top; returns them."""
        images = []
        for column, (row, (low, high)) in enumerate(zip(rows, limits, strict=True)):
            left, right, top, bottom = column + 0.03, column + 0.97, number + 0.03, number + 0.97
            style = {"cmap": _grey(), "vmin": low, "vmax": high, "aspect": self.aspect} | kwargs
            picture = self._picture(row, low, high)
            images.append(ax.imshow(picture, extent=(left, right, bottom, top), **style))
        return images

    def inset(self, ax, row, column, share):
        """An axes for a cell, which shares its scales with another one."""
        width, height = 1 / self.n_columns, 1 / self.n_rows
        left, bottom = (column + 0.03) * width, 1 - (row + 0.97) * height
        bounds = (left, bottom, 0.94 * width, 0.94 * height)
        return ax.inset_axes(bounds, sharex=share, sharey=share)

    def finish(self, ax):
        """Show all cells, and nothing else."""
        ax.set(xlim=(0, self.n_columns), ylim=(self.n_rows, 0), aspect=self.aspect)
        ax.set(xticks=[], yticks=[])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)

    def _picture(self, row, low, high):
        """(height, width) of grey values, or (height, width, 3) of colours in [0, 1]."""
        channels = np.asarray(row).reshape(-1, *self.size)
        if len(channels) != 3:  # others side by side
            return np.concatenate(channels, axis=1)
        colours = np.nan_to_num((channels - low) / (high - low), nan=0.5)
        return colours.clip(0, 1).transpose(1, 2, 0)


def _grey():
    import matplotlib

    return matplotlib.colormaps["gray"].with_extremes(bad=MISSING)


def _limits(values):
    """What is black and what is white."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _label_cells(set_ticks, values):
    """Ticks in the middle of cells, six at most, if possible at both ends."""
    n, least = len(values), ceil(len(values) / 6)
    step = next((k for k in range(least, max(least, n // 2) + 1) if (n - 1) % k == 0), least)
    some = np.arange(0, n, step)
    set_ticks(some + 0.5, [f"{values[i]:.2g}" for i in some], fontsize="small")


def _charts(ax, n_charts, n_columns, share):
    """Small axes within one, row by row; those at the border have labels."""
    n_rows = ceil(n_charts / n_columns)
    box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    title = min(0.28 * n_rows / box.height, 0.4)  # of a chart's height
    gap = 0.12 if not share else 0.04
    ax.set_axis_off()
    axes = []
    for number in range(n_charts):
        row, column = divmod(number, n_columns)
        width, height = 1 / n_columns, 1 / n_rows
        bounds = (column * width, 1 - (row + 1) * height, width * (1 - gap), height * (1 - title))
        other = axes[0] if axes else None
        inset = ax.inset_axes(bounds, sharex=other, sharey=other if share else None)
        is_lowest = number + n_columns >= n_charts
        inset.tick_params(labelleft=column == 0, labelbottom=is_lowest, labelsize="small")
        axes.append(inset)
    return np.array(axes, dtype=object)


def _draw_chart(ax, rows, names, kwargs):
    """Rows as groups of bars, or as lines where there are many features."""
    from matplotlib.ticker import MaxNLocator

    artists = []
    width = 0.8 / len(rows)
    for number, (label, row) in enumerate(rows.items()):
        style = {"color": COLORS.get(label, "C0"), "label": label} | kwargs
        place = np.arange(len(row))
        if len(row) <= MOST_BARS:
            place = place + width * (number - (len(rows) - 1) / 2)
            artists.append(ax.bar(place, row, width, **style))
        else:
            artists += ax.plot(place, row, **(LINES.get(label, {}) | style))
    if _has_room(ax, names) and len(row) == len(names):
        ax.set_xticks(range(len(names)), names, rotation=90)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return artists


def _room_for(names):
    """Inches below bars for their names, written upwards."""
    if names is None or len(names) > MOST_NAMES:
        return 0.0
    return 0.075 * max(map(len, names))


def _has_room(ax, names):
    """Whether names below bars would not overlap."""
    width = ax.get_window_extent().width / ax.figure.dpi  # inches
    return names is not None and len(names) <= MOST_NAMES and width / len(names) > 0.11


def _curve(ax, losses, label, style):
    (line,) = ax.plot(np.arange(1, len(losses) + 1), losses, label=label, **style)
    return line


def _legend(ax, n_groups, outside):
    style = {"ncols": ceil(n_groups / 15), "handletextpad": 0.2, "frameon": False}
    if outside:
        style |= {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    else:  # what is beside axes that were given is not ours: make room within
        left, right = ax.get_xlim()
        ax.set_xlim(left, right + 0.2 * style["ncols"] * (right - left))
        style |= {"loc": "upper right", "fontsize": "small", "labelspacing": 0.2}
    for handle in ax.legend(**style).legend_handles:
        handle.set(alpha=1, sizes=[25])


def _full_columns(n):
    """How many columns of n images leave the fewest cells empty, in about a square."""
    least = isqrt(n - 1) + 1
    return min(range(least, 2 * least + 1), key=lambda columns: (-n % columns, columns))


def _new_axes(plt, size):
    return plt.subplots(figsize=size, layout="compressed")[1]


def _pyplot(display):
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.plot needs matplotlib: install it with "
            "`pip install 'skae[plot]'`."
        ) from error
    return plt
