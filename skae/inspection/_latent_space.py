"""Codes in the plane."""

from math import ceil, sqrt
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from skae._engine.devices import off_torch
from skae._missing import is_missing
from skae._pipelines import check_transformer, forward, steps_of
from skae.inspection._data import as_numbers
from skae.inspection._figures import Display, inches, merged, new_axes, pyplot

if TYPE_CHECKING:
    from matplotlib.collections import PathCollection
    from matplotlib.colorbar import Colorbar

MOST_LABELS = 20  # maximum of different numbers that count as labels; more are a scale
WIDTH = 6  # inches of a figure; more for a wide legend


class LatentSpaceDisplay(Display):
    """The codes of rows in the plane, coloured by label.

    It is recommended to use `LatentSpaceDisplay.from_estimator` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, 1) or (n_samples, 2)
        Position of each row. A single column is drawn as a strip for each label.
    labels : array-like of shape (n_samples,), default=None
        Classes, each with its own colour, or numbers, on a colour scale. None and NaN
        mark rows without a label, which are drawn in grey.
    axis_names : tuple of str, default=None
        Labels of the axes; None for the numbers of the components.

    Attributes
    ----------
    scatters_ : list of matplotlib PathCollection
        Points: first the rows without a label, if there are any, then those of each class
        in sorted order, or all others.
    colorbar_ : matplotlib Colorbar or None
        Colour scale, if labels are numbers.
    ax_ : matplotlib Axes
        Axes with the points.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    LatentSpaceDisplay.from_estimator : Draw the codes that an estimator gives.
    LatentTraversalDisplay : Shows what is decoded from each point of the plane.

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

    scatters_: "list[PathCollection]"
    colorbar_: "Colorbar | None"

    def __init__(self, *, codes, labels=None, axis_names=None):
        self.codes = codes
        self.labels = labels
        self.axis_names = axis_names

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, **kwargs) -> Self:
        """Draw the codes that an estimator gives.

        A code with two components is drawn as it is, a wider code along the first two
        principal axes of these codes: the plane in which they vary most.

        Parameters
        ----------
        estimator : object
            Fitted transformer.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to encode.
        y : array-like of shape (n_samples,), default=None
            Labels that set the colours of rows; None and NaN mark rows without one. More than 20
            different numbers are drawn on a colour scale.
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display, which stores what was drawn.
        """
        check_transformer(estimator, "LatentSpaceDisplay", ["transform"])
        codes = as_numbers(forward(steps_of(estimator), off_torch(X)))
        labels = None
        if y is not None:
            labels = column_or_1d(off_torch(y))
            check_consistent_length(X, labels)
        axis_names = None
        if codes.shape[1] > 2:
            codes, shares = _principal_axes(codes)
            axis_names = tuple(
                f"principal axis {number} ({share:.0%} of variance)"
                for number, share in enumerate(shares, start=1)
            )
        return cls(codes=codes, labels=labels, axis_names=axis_names).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs) -> Self:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `scatter`.

        Returns
        -------
        display : LatentSpaceDisplay
            This object.
        """
        plt = pyplot(self)
        groups, is_strip = Groups(self.labels, len(self.codes)), self.codes.shape[1] == 1
        is_own = ax is None
        if is_own:
            height = 1 + 0.35 * max(len(groups.rows), 3) if is_strip else 4.6
            ax = new_axes(plt, (WIDTH, height))
        points = _strips(self.codes, groups) if is_strip else self.codes
        size = float(np.clip(20000 / len(points), 4, 30))
        styles = groups.styles(plt, kwargs.pop("cmap", None))
        self.scatters_ = [
            _scatter(ax, points[rows], {"label": name, "s": size} | style, kwargs)
            for (name, rows), style in zip(groups.rows.items(), styles, strict=True)
        ]
        self.ax_, self.figure_, self.colorbar_ = ax, ax.figure, None
        if groups.scale is not None:
            self.colorbar_ = ax.figure.colorbar(self.scatters_[-1], ax=ax)
            self.colorbar_.solids.set_alpha(1)
        names = self.axis_names or ("component 0", "component 1")
        ax.set_xlabel(names[0])
        if is_strip:
            _name_strips(ax, groups)
        else:
            ax.set_ylabel(names[1])
            if groups.is_named:
                _draw_legend(ax, len(groups.rows), is_own)
        return self


def _principal_axes(codes):
    """Codes along the two axes in which they vary most, and the share of variance of each axis."""
    centred = codes - codes.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    variances, axes = variances[:-3:-1].clip(min=0), axes[:, :-3:-1]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, [0, 1]] < 0, -1, 1)  # both signs are valid: fix one
    total = np.square(centred).sum()
    return centred @ axes, variances / (total if total > 0 else 1.0)


def _scatter(ax, points, style, kwargs):
    from matplotlib.collections import Collection

    style = {"alpha": 0.7} | style
    if "marker" not in kwargs:  # some markers, such as "x", have only edges
        style["linewidth"] = 0
    return ax.scatter(*points.T, **merged(style, kwargs, Collection))


def _strips(codes, groups):
    """A single column of codes, and heights that spread them over their group's strip."""
    heights = np.empty(len(codes))
    for number, rows in enumerate(groups.rows.values()):
        # Multiples of the golden ratio fill a strip evenly without random numbers.
        spread = np.arange(rows.sum()) * (sqrt(5) - 1) / 2 % 1 - 0.5
        heights[rows] = number + 0.6 * spread
    return np.column_stack([codes, heights])


def _name_strips(ax, groups):
    ax.set_yticks(range(len(groups.rows)), groups.rows)
    ax.set_ylim(len(groups.rows) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


def _draw_legend(ax, n_groups, is_own):
    """A legend that takes its space from beside the points, not from them."""
    style = {"ncols": ceil(n_groups / 15), "handletextpad": 0.2, "frameon": False}
    if is_own:
        style |= {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    else:  # space beside given axes belongs to the caller
        style |= {"loc": "upper right", "fontsize": "small", "labelspacing": 0.2}
    legend = ax.legend(**style)
    for handle in legend.legend_handles:
        handle.set_sizes([25])
    width = inches(legend)[0]
    if is_own:
        ax.figure.set_figwidth(max(WIDTH, 5 + width))
    else:
        left, right = ax.get_xlim()
        share = min(width / inches(ax)[0], 0.6)
        ax.set_xlim(left, left + (right - left) / (1 - share))


class Groups:
    """Groups of rows, each drawn in one style.

    Parameters
    ----------
    labels : array-like of shape (n_samples,) or None
    n_samples : int

    Attributes
    ----------
    rows : dict
        Boolean arrays of shape (n_samples,) by label, as text.
    scale : ndarray or None
        Numbers that set the colours of the last group.
    is_named : bool
        Whether the legend shows the groups' names.
    """

    def __init__(self, labels, n_samples):
        self.rows, self.scale = {"": np.ones(n_samples, dtype=bool)}, None
        self.is_named = labels is not None
        if labels is None:
            return
        labels = list(np.asarray(labels))
        unknown = np.array([is_missing(label) for label in labels], dtype=bool)
        known = np.array([label for label in labels if not is_missing(label)])
        self.rows = {"no label": unknown} if unknown.any() else {}
        classes, members = np.unique(known, return_inverse=True)
        if len(classes) > MOST_LABELS and known.dtype.kind in "fiu":
            self.scale, self.is_named = known, False
            self.rows[""] = ~unknown
        else:
            whole = ".0" if known.dtype.kind == "f" else ""  # 3.0 is class 3, "v3.0" is not "v3"
            for number, value in enumerate(classes):
                rows = self.rows[str(value).removesuffix(whole)] = np.zeros(n_samples, dtype=bool)
                rows[~unknown] = members == number

    def styles(self, plt, cmap):
        """Arguments of `scatter` for each group."""
        known = [name for name in self.rows if name != "no label"]
        if self.scale is not None:
            known = [{"c": self.scale, "cmap": cmap}]
        else:
            known = [{"color": color} for color in _class_colors(plt, cmap, len(known))]
        # Faint on white and on black.
        return [{"color": "0.5", "alpha": 0.35}] * (len(self.rows) - len(known)) + known


def _class_colors(plt, cmap, n):
    if cmap is None:
        cmap = "tab10" if n <= 10 else "tab20" if n <= 20 else "gist_rainbow"
    cmap = plt.get_cmap(cmap)
    return cmap(np.arange(n) % cmap.N if cmap.N <= 20 else np.linspace(0, 1, n))
