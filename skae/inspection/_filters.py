"""Weights of the layers next to the data."""

from math import ceil
from typing import Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skae._compat import StrOptions, validate_params
from skae._engine.blocks import inputs_axis
from skae._estimator import NetworkEstimator
from skae.inspection._charts import draw_chart, make_charts, room_for
from skae.inspection._data import (
    COUNT,
    IMAGE_SHAPE,
    find_image_shape,
    last_step,
    names_of_columns,
)
from skae.inspection._figures import Display, new_axes, pyplot
from skae.inspection._tiles import Tiles, full_columns


class FilterDisplay(Display):
    """Patterns to which units of an autoencoder respond, or which they add to a reconstruction.

    It is recommended to use `FilterDisplay.from_estimator` to create one. All parameters
    are stored as attributes.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, n_features)
        Weights, a row for each unit.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of the filters as images; None if filters are
        not images: they are drawn as bars or lines.
    indices : array-like of int of shape (n_filters,), default=None
        Index of the unit of each filter; None for 0, 1, and so on.
    feature_names : array-like of str of shape (n_features,), default=None
        Labels below the bars.

    Attributes
    ----------
    images_ : ndarray of shape (n_filters,) or None
        matplotlib AxesImage of each filter; None if filters are not images.
    axes_ : ndarray of matplotlib Axes
        Axes of each filter, or only `ax_` if it has images.
    ax_ : matplotlib Axes
        Axes, given or new, that contain everything.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    FilterDisplay.from_estimator : Draw the filters of a fitted estimator.
    LatentTraversalDisplay : Shows the meaning of components in deeper networks.

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

    images_: np.ndarray | None
    axes_: np.ndarray

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
        image_shape: tuple | str | None = "auto",
        ax=None,
        **kwargs,
    ) -> Self:
        """Draw the filters of a fitted estimator, those of largest norm first.

        Parameters
        ----------
        estimator : object
            Fitted autoencoder, classifier or regressor of skae, a transformer with
            `components_` such as PCA or NMF, or a pipeline or search that ends with one.
        weights : {'encoder', 'decoder'}, default='encoder'
            'encoder': the weights of each unit of the first layer, to which it responds.
            'decoder': the atoms, which each unit of the last hidden layer, or of the code, adds to
            a reconstruction. Both are kernels if the layer is a convolution, and `components_` if
            there is no network.
        n_filters : int, default=None
            Maximum number of filters. None: 64 images, or 12 groups of bars.
        shared_scale : bool, default=False
            Whether equal weights are equally bright in all filters; if not, each filter uses the
            whole range, from minus to plus its largest weight, or from 0 if no weight is negative.
        image_shape : 'auto', tuple of int or None, default='auto'
            (height, width) or (channels, height, width) of the filters as images.
            'auto': a kernel's own shape, the shape in the estimator's `network`, or a
            square if n_features is the square of 5 or more. None: filters are not
            images.
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` if filters are not
            images.

        Returns
        -------
        display : FilterDisplay
            The display, which stores what was drawn.
        """
        check_is_fitted(estimator)
        last = last_step(estimator)
        filters = _filters_of(last, weights)
        kernel, filters = filters.shape[1:], filters.reshape(len(filters), -1)
        if len(kernel) > 1 and isinstance(image_shape, str):  # a convolution's: images or signals
            image_shape = kernel if len(kernel) == 3 and min(kernel[1:]) > 1 else None
        else:
            image_shape = find_image_shape(image_shape, [last], filters.shape[1])
        n_filters = n_filters or (12 if image_shape is None else 64)
        order = _largest_first(filters)[:n_filters]
        display = cls(
            filters=filters[order],
            image_shape=image_shape,
            indices=order,
            feature_names=names_of_columns(last),
        )
        return display.plot(ax, shared_scale=shared_scale, **kwargs)

    def plot(self, ax=None, *, shared_scale=False, **kwargs) -> Self:
        """Draw the filters.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        shared_scale : bool, default=False
            Whether equal weights are equally bright in all filters.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` if filters are not
            images.

        Returns
        -------
        display : FilterDisplay
            This object.
        """
        plt = pyplot(self)
        largest = np.abs(self.filters).max(axis=1)
        largest = np.full_like(largest, largest.max()) if shared_scale else largest
        largest = np.where(largest > 0, largest, 1.0)
        draw = self._plot_charts if self.image_shape is None else self._plot_images
        draw(plt, ax, largest, kwargs)
        self.figure_ = self.ax_.figure
        return self

    def _plot_images(self, plt, ax, largest, kwargs):
        n_filters, has_sign = len(self.filters), np.min(self.filters) < 0
        n_columns = full_columns(n_filters)
        tiles = Tiles(self.image_shape, ceil(n_filters / n_columns), n_columns)
        self.ax_ = new_axes(plt, tiles.figure_size()) if ax is None else ax
        limits = [(-limit if has_sign else 0.0, limit) for limit in largest]
        images = tiles.draw_all(self.ax_, self.filters, limits, kwargs)
        tiles.finish(self.ax_)
        self.images_, self.axes_ = np.array(images, dtype=object), np.array([self.ax_])

    def _plot_charts(self, plt, ax, largest, kwargs):
        n_filters = len(self.filters)
        n_columns = min(4, full_columns(n_filters))
        height = 1.5 * ceil(n_filters / n_columns) + 0.6 + room_for(self.feature_names)
        size = (2.2 * n_columns + 0.4, height)
        self.ax_ = new_axes(plt, size) if ax is None else ax
        self.axes_ = make_charts(self.ax_, n_filters, n_columns, share=False)
        self.images_ = None
        indices = range(n_filters) if self.indices is None else self.indices
        for inset, unit, row, limit in zip(self.axes_, indices, self.filters, largest, strict=True):
            draw_chart(inset, {"weight": row}, self.feature_names, kwargs)
            inset.axhline(0, color=plt.rcParams["axes.edgecolor"], linewidth=0.8)
            inset.set(ylim=(-1.1 * limit, 1.1 * limit), yticks=[])
            inset.set_title(f"unit {unit}", fontsize="small", pad=3)


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
    # With missing values, the last inputs are the mask.
    table = estimator._table
    n_columns = estimator.n_features_in_ if table is None else table._n_columns
    n_inputs = weight.shape[1] * n_columns // perceptron.n_inputs
    n_units = len(weight) if perceptron.front is not None else perceptron.sizes[1]  # one head's
    return weight[:n_units, :n_inputs]


def _atoms(estimator, layers):
    perceptron, weight = estimator._perceptron, layers[-1].weight.detach().numpy()
    weight = weight.swapaxes(0, 1) if inputs_axis(layers[-1]) == 1 else weight
    n_heads = 1 if perceptron.back is None else perceptron.output_heads
    return weight[:, : weight.shape[1] // n_heads]


def _largest_first(filters):
    """Indices in the order of rounded norms: PCA's, which are all 1, keep their order."""
    norms = np.linalg.norm(filters, axis=1)
    return np.argsort(-np.round(norms / (norms.max() or 1.0), 6), kind="stable")
