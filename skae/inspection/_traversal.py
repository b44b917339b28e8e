"""Rows decoded from points of the code's space."""

from numbers import Integral, Real
from typing import Self

import numpy as np
from scipy.special import ndtri

from skae._compat import Interval, validate_params
from skae._engine.devices import off_torch
from skae._pipelines import backward, check_transformer, forward, steps_of, table_of
from skae._variational import VAE
from skae.inspection._charts import STANDARDIZE, draw_chart, means_and_deviations, z_scores
from skae.inspection._data import COUNT, IMAGE_SHAPE, as_numbers, find_image_shape
from skae.inspection._figures import Display, new_axes, pyplot
from skae.inspection._tiles import Tiles, black_and_white, label_cells


class LatentTraversalDisplay(Display):
    """Rows decoded over a plane of codes, or on the line between two rows.

    It is recommended to use `LatentTraversalDisplay.from_estimator` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    decoded : ndarray of shape (n_rows, n_columns, n_features)
        The row decoded at each point of a grid.
    x_values : array-like of shape (n_columns,)
        Coordinates of the columns.
    y_values : array-like of shape (n_rows,), default=None
        Increasing coordinates of the rows: the last one is drawn on top. None for a single row.
    axis_names : tuple of str, default=('', '')
        Labels of the axes.
    image_shape : tuple of int, default=None
        (height, width) or (channels, height, width) of the decoded images; None if rows are not
        images: they are drawn as bars or lines.
    means : array-like of shape (n_features,), default=None
        Origin of each feature in charts; None for 0.
    deviations : array-like of shape (n_features,), default=None
        Unit of each feature in charts; None for its own unit.

    Attributes
    ----------
    images_ : ndarray of shape (n_rows, n_columns) or None
        matplotlib AxesImage of each point, in the order of `decoded`; None without images.
    axes_ : ndarray of matplotlib Axes
        Axes of each point, of shape (n_rows, n_columns), or only `ax_` if it has
        images.
    ax_ : matplotlib Axes
        Axes given or made, which hold all of it.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    LatentTraversalDisplay.from_estimator : Draw the rows that an estimator decodes.
    LatentSpaceDisplay : Shows the codes of rows in the plane.

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

    images_: np.ndarray | None
    axes_: np.ndarray

    def __init__(
        self,
        *,
        decoded,
        x_values,
        y_values=None,
        axis_names=("", ""),
        image_shape=None,
        means=None,
        deviations=None,
    ):
        self.decoded = decoded
        self.x_values = x_values
        self.y_values = y_values
        self.axis_names = axis_names
        self.image_shape = image_shape
        self.means = means
        self.deviations = deviations

    @classmethod
    @validate_params(
        {
            "between": ["array-like", None],
            "components": ["array-like", None],
            "n_steps": [*COUNT, None],
            "tail": [Interval(Real, 0, 0.5, closed="neither")],
            **IMAGE_SHAPE,
            **STANDARDIZE,
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
        image_shape: tuple | str | None = "auto",
        standardize: bool | str = "auto",
        ax=None,
        **kwargs,
    ) -> Self:
        """Draw the rows that an estimator decodes.

        Parameters
        ----------
        estimator : object
            Fitted transformer with `inverse_transform`.
        X : array-like or sparse matrix of shape (n_samples, n_features), default=None
            Rows whose codes determine where to decode. May be None for a `VAE`, which then uses
            its prior.
        between : tuple of two int, default=None
            Indices of two rows of X between which to walk, on a straight line from code
            to code. None: decode over a grid.
        components : tuple of one or two int, default=None
            Components of the code that the grid varies; the others stay at their mean.
            None: the two that vary most over X or, for a VAE, carry most nats, in their
            order.
        n_steps : int, default=None
            Number of points along each axis. None: 11 for images, 5 for other data; 10
            on a walk.
        tail : float, default=0.05
            Fraction of the codes, or of the prior, beyond either end of the grid, whose points are
            equally spaced quantiles.
        image_shape : 'auto', tuple of int or None, default='auto'
            (height, width) or (channels, height, width) of rows as images. 'auto' takes the shape
            in the estimator's `network`, or a square if n_features is the square of 5 or more.
            None: rows are not images.
        standardize : 'auto' or bool, default='auto'
            Whether charts show each feature's distance from its mean over X in standard
            deviations, so that features with different units are comparable. 'auto' does so if X
            has at least 10 rows and at most 30 features with standard deviations that differ more
            than tenfold. Without X, nothing is standardized.
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` if rows are not images.

        Returns
        -------
        display : LatentTraversalDisplay
            The display, which stores what was drawn.
        """
        check_transformer(estimator, "LatentTraversalDisplay")
        steps = steps_of(estimator)
        codes = None if X is None else as_numbers(forward(steps, off_torch(X)))
        space = _space_of_prior(steps) if codes is None else _space_of_codes(codes)
        n_features = backward(steps, space.centre[None]).shape[1]
        image_shape = find_image_shape(image_shape, steps, n_features)
        if between is not None:
            points = _walk(codes, between, n_steps or 10)
        else:
            n_steps = n_steps or (5 if image_shape is None else 11)
            points = space.grid(components, np.linspace(tail, 1 - tail, n_steps))
        grid = points.pop("codes")
        decoded = backward(steps, grid.reshape(-1, grid.shape[-1]))
        if X is not None and image_shape is None and table_of(steps) is None:
            units = means_and_deviations(X, n_features, standardize)
            points["means"], points["deviations"] = units
        decoded = decoded.reshape(*grid.shape[:2], -1)
        return cls(decoded=decoded, image_shape=image_shape, **points).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs) -> Self:
        """Draw the decoded rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`, or to `bar` or `plot` if rows are not images.

        Returns
        -------
        display : LatentTraversalDisplay
            This object.
        """
        plt = pyplot(self)
        n_rows, n_columns = self.decoded.shape[:2]
        tiles = Tiles(self.image_shape or (3, 4), n_rows, n_columns)
        self.ax_ = ax = new_axes(plt, tiles.figure_size(left=0.6, below=0.5)) if ax is None else ax
        if self.image_shape is None:
            self.images_, self.axes_ = None, self._plot_charts(tiles, kwargs)
        else:
            self.images_ = self._plot_images(tiles, kwargs)
            self.axes_ = np.array([ax], dtype=object)
        tiles.finish(ax)
        label_cells(ax.set_xticks, self.x_values)
        if self.y_values is not None:
            label_cells(ax.set_yticks, self.y_values[::-1])
        ax.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1])
        self.figure_ = ax.figure
        return self

    def _plot_images(self, tiles, kwargs):
        limits = [black_and_white(self.decoded)] * self.decoded.shape[1]
        lowest = tiles.n_rows - 1
        rows = [
            tiles.draw(self.ax_, lowest - number, row, limits, kwargs)
            for number, row in enumerate(self.decoded)
        ]
        return np.array(rows, dtype=object)

    def _plot_charts(self, tiles, kwargs):
        axes = np.empty(self.decoded.shape[:2], dtype=object)
        decoded, lowest = z_scores(self.decoded, self.means, self.deviations), tiles.n_rows - 1
        for row, column in np.ndindex(*axes.shape):
            inset = tiles.inset(self.ax_, lowest - row, column, share=axes[0, 0])
            draw_chart(inset, {"reconstruction": decoded[row, column]}, None, kwargs)
            inset.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
            axes[row, column] = inset
        return axes


class Space:
    """Where the components of a code vary, and how important each one is.

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
        """The codes to decode, and the display's parameters for them."""
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
            "LatentTraversalDisplay needs X to find where codes are: only a VAE has a prior to "
            f"use instead, but found {found}."
        )
    nats = steps[-1].kl_per_component_
    return Space(np.zeros(len(nats)), nats, lambda component, shares: ndtri(shares))


def _walk(codes, between, n_steps):
    """Codes on the straight line between those of two rows, and the display's parameters."""
    pair = list(between)
    n_rows = 0 if codes is None else len(codes)
    if len(pair) != 2 or not all(isinstance(i, Integral) and 0 <= i < n_rows for i in pair):
        where = "X, but X is None: pass X" if codes is None else f"X, from 0 to {n_rows - 1}"
        raise ValueError(f"between={between!r} must be the numbers of two rows of {where}.")
    shares = np.linspace(0, 1, n_steps)
    start, end = codes[pair]
    return {
        "codes": (start + shares[:, None] * (end - start))[None],
        "x_values": shares,
        "axis_names": (f"way from row {pair[0]} to row {pair[1]}", ""),
    }
