"""Twenty pictures that come with scikit-image and scikit-learn, for patches of them."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_image

PHOTOGRAPHS = ("china.jpg", "flower.jpg")  # scikit-learn's
FILES = [
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
]  # scikit-image's
HALVED = 200  # pixels; smaller pictures stay as they are
TAILS = (0.005, 0.995)  # of the grey values, which become 0 and 1


def pictures():
    """Grey pictures, most of them halved in size, with values from 0 to 1."""
    return [_stretched(_halved(picture)) for picture in pictures_as_they_are()]


def pictures_as_they_are():
    """Grey pictures, with values from 0 to 255."""
    import skimage  # which nothing else here needs
    from skimage.io import imread

    folder = Path(skimage.__file__).parent / "data"
    images = [imread(folder / name) for name in FILES] + [*map(load_sample_image, PHOTOGRAPHS)]
    return [_grey(image) for image in images]


def _grey(image):
    values = np.asarray(image, dtype=np.float64)
    return values[..., :3].mean(axis=2) if values.ndim == 3 else values


def _halved(picture):
    if min(picture.shape) < HALVED:
        return picture
    height, width = (length // 2 for length in picture.shape)
    return picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))


def _stretched(picture):
    low, high = np.quantile(picture, TAILS)
    return np.clip((picture - low) / (high - low), 0, 1)
