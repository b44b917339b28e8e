"""What first layers look at in digits before pictures, the more of which is destroyed."""

from pathlib import Path

import numpy as np
from _larochelle_methods import denoising
from scipy.ndimage import uniform_filter

FILTERS = "filters"
LEVELS = (0.0, 0.1, 0.25, 0.5)  # the lecture's
EPOCHS, RATE = 60, 1e-2  # which suits layers of which half is destroyed, too
SIDE, WINDOW, N_SHOWN = 28, 9, 64
PICTURE = Path(__file__).with_name("larochelle_filters.png")


def filters(problem, images, draw):
    """How local filters are at each level; the first draw's are drawn, too."""
    found = {level: learnt(problem, level, images.training.X, draw) for level in LEVELS}
    if draw == 0:
        show(found)
    return {FILTERS: {str(level): round(locality(its), 4) for level, its in found.items()}}


def learnt(problem, level, X, draw):
    """Filters of shape (n_components, SIDE, SIDE)."""
    layer = denoising(problem, level).set_params(max_iter=EPOCHS, learning_rate_init=RATE)
    layer.set_params(n_components=problem.width, random_state=draw).fit(X)
    return layer.coefs_[0].T.reshape(-1, SIDE, SIDE)


def locality(filters):
    """The part of all squared weights that lies in the window of its filter that has most."""
    squares = filters.astype(np.float64) ** 2
    windows = uniform_filter(squares, (0, WINDOW, WINDOW), mode="constant") * WINDOW**2
    return float(windows.max(axis=(1, 2)).sum() / squares.sum())


def show(found):
    """Draw the first filters at each level, in the order of the units."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(12, 3.4), layout="constrained")
    for ax, (level, its) in zip(axes, found.items(), strict=True):
        ax.imshow(mosaic(its[:N_SHOWN]), cmap="gray")
        ax.set_title(f"{level:.0%} destroyed, locality {locality(its):.2f}")
        ax.set_axis_off()
    figure.savefig(PICTURE, dpi=80)
    plt.close(figure)


def mosaic(filters):
    """A square of filters, each from its own -max (0) to max (1), with lines between them."""
    scaled = 0.5 + 0.5 * filters / abs(filters).max(axis=(1, 2), keepdims=True)
    padded = np.pad(scaled, ((0, 0), (0, 1), (0, 1)), constant_values=1)
    side = int(np.sqrt(len(filters)))
    rows = padded.reshape(side, side, *padded.shape[1:])
    return rows.transpose(0, 2, 1, 3).reshape(side * padded.shape[1], -1)
