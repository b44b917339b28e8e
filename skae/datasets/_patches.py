"""Patches of pictures too large for a network, and pictures assembled from patches."""

from math import prod
from numbers import Integral

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.utils import check_array

from skae._compat import Interval, validate_params

FLOATS = [np.float64, np.float32]


@validate_params(
    {"patch_shape": [tuple, list], "step": [Interval(Integral, 1, None, closed="left")]},
    prefer_skip_nested_validation=True,
)
def extract_patches(image, patch_shape, *, step) -> np.ndarray:
    """Cut a picture into patches that may overlap, one row each.

    Patches begin at every `step`-th line and column; if these do not reach the border of the
    picture, one more patch ends exactly there. So every pixel is in a patch.

    Parameters
    ----------
    image : array-like of shape (height, width) or (height, width, n_channels)
        A grey or colour picture.
    patch_shape : tuple of int, (patch_height, patch_width)
        Size of the patches in pixels, at most the size of the picture.
    step : int
        Lines and columns from one patch to the next, in pixels. A smaller step gives more patches,
        which overlap more; at most the size of a patch, without any overlap.

    Returns
    -------
    patches : ndarray of shape (n_patches, n_channels * patch_height * patch_width)
        Patches, line by line of the picture. Each is flattened channel by channel and line by
        line, as in `ConvNet(image_shape=(n_channels, patch_height, patch_width))`. float32 if the
        picture is, else float64.

    Raises
    ------
    ValueError
        If the patches are larger than the picture, or the step is larger than the
        patches.

    See Also
    --------
    average_patches : Assembles the picture again.
    skae.networks.ConvNet : Provides layers for such patches.
    sklearn.feature_extraction.image.extract_patches_2d : Extracts patches at random, or at
        every pixel.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_image
    >>> from skae.datasets import extract_patches
    >>> image = load_sample_image("china.jpg") / 255
    >>> image.shape
    (427, 640, 3)
    >>> extract_patches(image, (32, 32), step=16).shape  # 26 lines of 39 patches
    (1014, 3072)
    """
    image = check_array(image, dtype=FLOATS, allow_nd=True, input_name="image")
    if image.ndim not in (2, 3):
        raise ValueError(
            f"image has shape {image.shape}, but must be (height, width) or (height, width, "
            "n_channels): cut one picture at a time."
        )
    corners = _corners(image.shape, patch_shape, step)
    channels = image[..., None] if image.ndim == 2 else image
    windows = sliding_window_view(channels, tuple(patch_shape), axis=(0, 1))
    patches = windows[np.ix_(*corners)]  # lines, columns, channels, height, width
    return patches.reshape(-1, prod(patches.shape[2:]))


@validate_params(
    {
        "image_shape": [tuple, list],
        "step": [Interval(Integral, 1, None, closed="left")],
        "patch_shape": [tuple, list, None],
    },
    prefer_skip_nested_validation=True,
)
def average_patches(patches, image_shape, *, step, patch_shape=None) -> np.ndarray:
    """Assemble a picture from patches, averaged where they overlap.

    This reverses `extract_patches` exactly, without rounding errors. Patches changed by a network
    disagree where they overlap, and their mean is better than most of them: a pixel at the border
    of a patch has fewer neighbours to be predicted from.

    Parameters
    ----------
    patches : array-like of shape (n_patches, n_channels * patch_height * patch_width)
        Rows as returned by `extract_patches`.
    image_shape : tuple of int, (height, width) or (height, width, n_channels)
        Shape of the picture to assemble, in pixels.
    step : int
        Lines and columns from one patch to the next, as in `extract_patches`.
    patch_shape : tuple of int, (patch_height, patch_width), default=None
        Size of the patches in pixels. None: they are square.

    Returns
    -------
    image : ndarray of shape `image_shape`
        The picture; float32 if the patches are, else float64.

    Raises
    ------
    ValueError
        If the number or the width of the patches does not match such a picture.

    See Also
    --------
    extract_patches : Cuts a picture into patches.
    sklearn.feature_extraction.image.reconstruct_from_patches_2d : Does so for patches at
        every pixel.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_image
    >>> from skae.datasets import average_patches, extract_patches
    >>> image = load_sample_image("china.jpg") / 255
    >>> patches = extract_patches(image, (32, 32), step=16)
    >>> bool((average_patches(patches, image.shape, step=16) == image).all())
    True
    """
    patches = check_array(patches, dtype=FLOATS, input_name="patches")
    n_channels = _n_channels(image_shape)
    height, width = _patch_shape(patches.shape[1], n_channels, patch_shape)
    top, left = _corners(image_shape, (height, width), step)
    if len(patches) != len(top) * len(left):
        raise ValueError(
            f"patches has {len(patches)} rows, but image_shape={tuple(image_shape)} has "
            f"{len(top)} lines of {len(left)} patches of {(height, width)} at step={step}: give "
            "all patches of one picture, and the step with which they were cut."
        )
    image = np.zeros((*image_shape[:2], n_channels), patches.dtype)
    counts = np.zeros((*image_shape[:2], 1), patches.dtype)
    grid = patches.reshape(len(top), len(left), n_channels, height, width)
    for i, j in np.ndindex(grid.shape[:2]):
        window = slice(top[i], top[i] + height), slice(left[j], left[j] + width)
        counts[window] += 1
        # A running mean of equal numbers is exact, whereas sum / count may be rounded.
        image[window] += (grid[i, j].transpose(1, 2, 0) - image[window]) / counts[window]
    return image.reshape(image_shape)


def _corners(image_shape, patch_shape, step):
    """First lines and first columns of the patches."""
    _n_channels(image_shape)
    _check_integers("patch_shape", patch_shape, (2,), "(patch_height, patch_width)")
    if any(patch > size for patch, size in zip(patch_shape, image_shape, strict=False)):
        raise ValueError(
            f"patch_shape={tuple(patch_shape)} is larger than the picture of "
            f"{tuple(image_shape[:2])} pixels: use smaller patches."
        )
    if step > min(patch_shape):
        raise ValueError(
            f"step={step} leaves pixels out between patches of patch_shape={tuple(patch_shape)}: "
            f"it must be at most {min(patch_shape)}."
        )
    rests = [size - patch for patch, size in zip(patch_shape, image_shape, strict=False)]
    return [np.append(np.arange(0, rest, step), rest) for rest in rests]


def _n_channels(image_shape):
    _check_integers("image_shape", image_shape, (2, 3), "(height, width[, n_channels])")
    return image_shape[2] if len(image_shape) == 3 else 1


def _patch_shape(n_columns, n_channels, patch_shape):
    """Height and width of patches, which must have this number of columns."""
    side = round((n_columns / n_channels) ** 0.5)
    shape = (side, side) if patch_shape is None else tuple(patch_shape)
    if prod(shape) * n_channels != n_columns:
        kind = "square patches" if patch_shape is None else f"patches of patch_shape={shape}"
        raise ValueError(
            f"patches has {n_columns} columns, which cannot be {kind} with {n_channels} channels: "
            "give patch_shape=(patch_height, patch_width)."
        )
    return shape


def _check_integers(name, shape, lengths, meaning):
    if len(shape) not in lengths or not all(isinstance(n, Integral) and n > 0 for n in shape):
        raise ValueError(f"{name}={shape!r} must be {meaning}, integers above 0.")
