"""Figures to draw in."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # drawing needs matplotlib, importing does not
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Display:
    """Attributes that all displays share."""

    ax_: "Axes"
    figure_: "Figure"


def pyplot(display):
    """`matplotlib.pyplot`, imported on demand; an ImportError tells how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.plot needs matplotlib: install it with "
            "`pip install 'skae[plot]'`."
        ) from error
    return plt


def new_axes(plt, size):
    """The axes of a new figure with this width and height in inches."""
    return plt.subplots(figsize=size, layout="compressed")[1]


def merged(defaults, given, artist):
    """Arguments for a class of artists; given ones take precedence, even by short names (`lw`)."""
    from matplotlib.cbook import normalize_kwargs

    return defaults | normalize_kwargs(given, artist)


def inches(artist):
    """Width and height of an artist, before the figure's layout moves anything."""
    box, figure = artist.get_window_extent(), artist.get_figure()
    return box.transformed(figure.dpi_scale_trans.inverted()).size
