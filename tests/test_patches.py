"""Patches: every pixel is in one, in the order of images, and averaging undoes extraction."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.feature_extraction.image import extract_patches_2d, reconstruct_from_patches_2d

from skae.datasets import average_patches, extract_patches

# Shape of the picture, of the patches, and step: odd, even, steps that leave a rest, no overlap,
# one patch only, one pixel.
SHAPES = [
    ((17, 23), (5, 5), 3),
    ((17, 23), (4, 7), 4),
    ((16, 24), (8, 8), 8),
    ((9, 9), (9, 9), 1),
    ((9, 11, 3), (4, 3), 2),
    ((10, 7, 1), (4, 4), 1),
    ((6, 5, 2), (1, 1), 1),
]
each_shape = pytest.mark.parametrize(("image_shape", "patch_shape", "step"), SHAPES)
SQUARE = np.arange(36.0).reshape(6, 6)


def picture(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@each_shape
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_averaging_undoes_extraction_to_the_bit(image_shape, patch_shape, step, dtype):
    image = picture(image_shape).astype(dtype)
    patches = extract_patches(image, patch_shape, step=step)
    again = average_patches(patches, image_shape, step=step, patch_shape=patch_shape)
    assert again.dtype == patches.dtype == dtype
    assert_array_equal(again, image)


@each_shape
def test_every_patch_is_a_window_of_the_picture_as_convnet_takes_it(image_shape, patch_shape, step):
    image = picture(image_shape)
    height, width = patch_shape
    firsts = [
        sorted({*range(0, size - patch, step), size - patch})
        for size, patch in zip(image_shape[:2], patch_shape, strict=True)
    ]
    expected = [
        np.atleast_3d(image)[i : i + height, j : j + width].transpose(2, 0, 1).ravel()
        for i in firsts[0]
        for j in firsts[1]
    ]
    assert_array_equal(extract_patches(image, patch_shape, step=step), expected)


def test_at_every_pixel_it_is_what_scikit_learn_does():
    image = picture((12, 15))
    patches = extract_patches(image, (5, 4), step=1)
    theirs = extract_patches_2d(image, (5, 4))
    assert_array_equal(patches.reshape(theirs.shape), theirs)
    changed = picture(patches.shape, seed=1)
    np.testing.assert_allclose(
        average_patches(changed, (12, 15), step=1, patch_shape=(5, 4)),
        reconstruct_from_patches_2d(changed.reshape(theirs.shape), (12, 15)),
        atol=1e-12,
    )


def test_each_pixel_is_the_mean_of_the_patches_over_it():
    patches = np.array([[1.0] * 4, [2.0] * 4, [4.0] * 4])  # columns 0-1, 1-2, 2-3
    assert_array_equal(average_patches(patches, (2, 4), step=1), [[1, 1.5, 3, 4]] * 2)


def test_grey_patches_may_come_back_in_colour():
    image = picture((13, 11, 3))
    grey, colour = (extract_patches(x, (4, 4), step=3) for x in (image[..., 0], image))
    assert_array_equal(colour[:, :16], grey)
    assert_array_equal(average_patches(colour, image.shape, step=3), image)


def test_whole_numbers_become_floats():
    image = np.arange(35, dtype=np.uint8).reshape(5, 7)
    patches = extract_patches(image, [3, 3], step=2)
    assert patches.dtype == np.float64
    assert_array_equal(average_patches(patches, [5, 7], step=2), image)


def test_the_picture_is_not_changed_by_changing_its_patches():
    image = SQUARE.copy()
    extract_patches(image, (6, 6), step=1)[:] = 0
    assert_array_equal(image, SQUARE)


@pytest.mark.parametrize(
    ("image", "patch_shape", "step", "message"),
    [
        (SQUARE, (7, 3), 1, r"\(7, 3\) is larger than the picture of \(6, 6\)"),
        (SQUARE, (3, 2), 3, r"step=3 leaves pixels out .* at most 2"),
        (SQUARE, (3, 3), 0, "step"),
        (SQUARE, (3, 3), 1.5, "step"),
        (SQUARE, 3, 1, "patch_shape"),
        (SQUARE, (3,), 1, r"patch_shape=\(3,\) must be \(patch_height, patch_width\)"),
        (SQUARE, (3, 0), 1, r"patch_shape=\(3, 0\)"),
        (SQUARE, (3, 1.5), 1, r"patch_shape=\(3, 1.5\)"),
        (SQUARE[0], (3, 3), 1, "2D array"),
        (np.zeros((2, 6, 6, 3)), (3, 3), 1, r"image has shape .* must be \(height, width"),
        (np.full((6, 6), np.nan), (3, 3), 1, "NaN"),
    ],
)
def test_wrong_extraction_is_refused(image, patch_shape, step, message):
    with pytest.raises(ValueError, match=message):
        extract_patches(image, patch_shape, step=step)


@pytest.mark.parametrize(
    ("shape", "image_shape", "parameters", "message"),
    [
        ((3, 9), (6, 6), {}, r"3 rows, but image_shape=\(6, 6\) has 2 lines of 2 patches"),
        ((4, 8), (6, 6), {}, "8 columns, which cannot be square patches with 1 channels"),
        ((4, 9), (6, 6, 3), {}, "9 columns"),
        ((4, 9), (6, 6), {"patch_shape": (3, 2)}, r"patches of patch_shape=\(3, 2\)"),
        ((4, 9), (6,), {}, r"image_shape=\(6,\) must be \(height, width"),
        ((4, 9), (6, 0), {}, r"image_shape=\(6, 0\)"),
        ((4, 9), 6, {}, "image_shape"),
        ((4, 9), (2, 2), {}, r"\(3, 3\) is larger than the picture of \(2, 2\)"),
    ],
)
def test_wrong_averaging_is_refused(shape, image_shape, parameters, message):
    with pytest.raises(ValueError, match=message):
        average_patches(np.zeros(shape), image_shape, step=3, **parameters)
