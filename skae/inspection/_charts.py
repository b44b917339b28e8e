"""Rows that are not images: small charts within one axes, as bars or, for many features, lines."""

from math import ceil

import numpy as np

from skae._columns import column_means
from skae._compat import StrOptions
from skae._engine.devices import off_torch
from skae.inspection._data import as_numbers
from skae.inspection._figures import inches, merged

MOST_BARS = 30  # maximum of features; more are drawn as a line
MOST_NAMES = 16  # below bars
LONGEST_NAME = 16  # characters
COLORS = {"original": "0.6", "corrupted": "C1", "reconstruction": "C0"}
LINES = {
    "original": {"linewidth": 3, "alpha": 0.8},
    "corrupted": {"linewidth": 0.8, "alpha": 0.8, "zorder": 1.9},
    "reconstruction": {"linewidth": 1.2},
}
TITLE = 0.28  # inches above a chart
STANDARDIZE = {"standardize": ["boolean", StrOptions({"auto"})]}
MOST_UNLIKE = 10  # largest ratio of standard deviations that share a scale
LEAST_ROWS = 10  # needed to tell how much a feature varies


def means_and_deviations(X, n_features, standardize):
    """Origin and unit of the features in charts; both None if features are drawn unscaled.

    `n_features` features are drawn; they are those of X if X has as many.
    """
    X = off_torch(X)
    X = X if hasattr(X, "shape") else np.asarray(X)
    is_auto = standardize == "auto"
    is_no_table = n_features > MOST_BARS or X.shape[0] < LEAST_ROWS
    if X.shape[1] != n_features or not standardize or (is_auto and is_no_table):
        return None, None
    X = as_numbers(X)
    means = column_means(X)
    deviations = np.sqrt(column_means(np.square(X - means)))
    varying = deviations[deviations > 0]
    if is_auto and (len(varying) == 0 or varying.max() <= MOST_UNLIKE * varying.min()):
        return None, None
    return means, np.where(deviations > 0, deviations, 1.0)


def z_scores(rows, means, deviations):
    """Rows as shown in charts."""
    rows = rows if means is None else rows - np.asarray(means)
    return rows if deviations is None else rows / np.asarray(deviations)


def make_charts(ax, n_charts, n_columns, *, share, above=0.0):
    """Axes within another one, row by row, below space for a legend; labels are at the border."""
    n_rows, height_of_all = ceil(n_charts / n_columns), inches(ax)[1]
    top = 1 - min(above / height_of_all, 0.25)
    width, height = 1 / n_columns, top / n_rows
    title = min(TITLE / height_of_all, 0.4 * height)
    gap = (0.04 if share else 0.12) * width
    ax.set_axis_off()
    axes = []
    for number in range(n_charts):
        row, column = divmod(number, n_columns)
        bounds = (column * width, top - (row + 1) * height, width - gap, height - title)
        other = axes[0] if axes else None
        inset = ax.inset_axes(bounds, sharex=other, sharey=other if share else None)
        is_lowest = number + n_columns >= n_charts
        inset.tick_params(labelbottom=is_lowest, labelsize="small")
        inset.tick_params(axis="y", left=column == 0, labelleft=column == 0)
        axes.append(inset)
    return np.array(axes, dtype=object)


def draw_chart(ax, rows, names, kwargs):
    """Draw rows as groups of bars, or as lines for many features; return the artists."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    artists = []
    width = 0.8 / len(rows)
    for number, (label, row) in enumerate(rows.items()):
        style = {"color": COLORS.get(label, "C0"), "label": label}
        place = np.arange(len(row))
        if len(row) <= MOST_BARS:
            place = place + width * (number - (len(rows) - 1) / 2)
            artists.append(ax.bar(place, row, width, **merged(style, kwargs, Rectangle)))
        else:
            style |= LINES.get(label, {})
            artists += ax.plot(place, row, **merged(style, kwargs, Line2D))
    if _has_room(ax, names) and len(row) == len(names):
        ax.set_xticks(range(len(names)), _shortened(names), rotation=90)
    else:
        ticks = MaxNLocator(4, steps=[1, 2, 5, 10], integer=True).tick_values(0, len(row) - 1)
        # A tick at the end would touch the next chart's first one.
        ax.set_xticks(ticks[(ticks >= 0) & (ticks < 0.9 * len(row))])
    return artists


def room_for(names):
    """Inches below bars for their names, which are written upwards."""
    if names is None or len(names) > MOST_NAMES:
        return 0.0
    return 0.075 * max(map(len, _shortened(names)))


def _has_room(ax, names):
    """Whether names below bars would not overlap."""
    return names is not None and len(names) <= MOST_NAMES and inches(ax)[0] / len(names) > 0.11


def _shortened(names):
    return [n if len(n) <= LONGEST_NAME else f"{n[: LONGEST_NAME - 1]}…" for n in map(str, names)]
