"""Images in rows and columns of one axes."""

from math import ceil, floor, isqrt, log10

import numpy as np

MISSING = "lightsteelblue"  # colour of NaN: not grey, so that it is not read as a value


class Tiles:
    """Rows and columns of cells, of width and height 1, within one axes.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of an image, with height and width last.
    n_rows, n_columns : int
        Number of rows and columns of images.
    """

    def __init__(self, image_shape, n_rows, n_columns):
        self.size = tuple(map(int, image_shape[-2:]))
        self.n_rows, self.n_columns = n_rows, n_columns
        self.aspect = self.size[0] / self.size[1]

    def figure_size(self, left=0.1, below=0.1):
        """Width and height in inches, with this much space for labels."""
        longest = max(self.n_columns, self.n_rows * self.aspect)
        edge = float(np.clip(7.0 / longest, 0.4, 1.0))
        return (
            max(self.n_columns * edge, 1.5) + left,
            max(self.n_rows * edge * self.aspect, 0.5) + below,
        )

    def draw(self, ax, number, rows, limits, kwargs):
        """Draw images in a row of cells, counted from the top; return them."""
        images = []
        for column, (row, (low, high)) in enumerate(zip(rows, limits, strict=True)):
            left, right, top, bottom = column + 0.03, column + 0.97, number + 0.03, number + 0.97
            style = {"cmap": _grey(), "vmin": low, "vmax": high, "aspect": self.aspect} | kwargs
            picture = self._picture(row, low, high)
            images.append(ax.imshow(picture, extent=(left, right, bottom, top), **style))
        return images

    def draw_all(self, ax, rows, limits, kwargs):
        """Draw images into cells, row by row; return them."""
        images = []
        for number, start in enumerate(range(0, len(rows), self.n_columns)):
            some = slice(start, start + self.n_columns)
            images += self.draw(ax, number, rows[some], limits[some], kwargs)
        return images

    def inset(self, ax, row, column, share):
        """Axes for a cell that share their scales with another cell's."""
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
        if len(channels) != 3:  # other channels side by side
            return np.concatenate(channels, axis=1)
        colours = np.nan_to_num((channels - low) / (high - low), nan=0.5)
        return colours.clip(0, 1).transpose(1, 2, 0)


def _grey():
    import matplotlib

    return matplotlib.colormaps["gray"].with_extremes(bad=MISSING)


def black_and_white(values):
    """The values to draw in black and in white."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def full_columns(n):
    """Number of columns that leaves the fewest empty cells for n images, roughly square."""
    least = isqrt(n - 1) + 1
    return min(range(least, 2 * least + 1), key=lambda columns: (-n % columns, columns))


def label_cells(set_ticks, values):
    """At most six ticks in the middle of cells, if possible at both ends."""
    n, least = len(values), ceil(len(values) / 6)
    step = next((k for k in range(least, max(least, n // 2) + 1) if (n - 1) % k == 0), least)
    some = np.arange(0, n, step)
    set_ticks(some + 0.5, [f"{value:.2g}" for value in _rounded(values)[some]], fontsize="small")


def _rounded(values):
    """Values rounded to a hundredth of their range, so that almost 0 becomes 0."""
    values = np.asarray(values, dtype=float)
    span = np.ptp(values)
    return values.round(2 - floor(log10(span))) + 0.0 if span > 0 else values
