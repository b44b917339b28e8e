"""Pictures behind digits and inside shapes: patches come from where they should."""

import numpy as np
import pytest
from scipy import ndimage, stats

from skae.datasets import add_picture_background, fill_with_pictures, make_rectangles

SIDE = 4
RNG = np.random.default_rng(0)
PICTURE = RNG.permutation(1200).reshape(30, 40) / 1199  # each value says where it comes from
BLACK = np.zeros((3000, SIDE**2))
each_function = pytest.mark.parametrize("change", [add_picture_background, fill_with_pictures])


def places(patches, picture):
    """Row and column of each patch's first pixel in the picture, whose values all differ."""
    order = np.argsort(picture, axis=None)
    return np.unravel_index(
        order[np.searchsorted(picture.ravel()[order], patches[:, 0])], picture.shape
    )


def test_a_background_is_a_patch_of_a_picture():
    patches = add_picture_background(BLACK, [PICTURE], random_state=0)
    for patch, row, column in zip(patches, *places(patches, PICTURE), strict=True):
        expected = PICTURE[row : row + SIDE, column : column + SIDE]
        np.testing.assert_array_equal(patch.reshape(SIDE, SIDE), expected)


def test_places_are_uniform():
    patches = add_picture_background(BLACK, [PICTURE], min_std=0, random_state=0)
    for where, n_places in zip(places(patches, PICTURE), (27, 37), strict=True):
        counts = np.bincount(where, minlength=n_places)
        assert len(counts) == n_places  # the last ones that fit, too
        assert stats.chisquare(counts).pvalue > 1e-3


def test_pictures_are_equally_likely_whatever_their_size():
    pictures = [PICTURE / 2, 0.5 + PICTURE[:9, :9] / 2]
    patches = add_picture_background(BLACK, pictures, min_std=0, random_state=0)
    n_first = (patches[:, 0] < 0.5).sum()
    assert abs(n_first - len(BLACK) / 2) < 4 * np.sqrt(len(BLACK)) / 2


def test_an_image_is_in_front_of_its_background():
    X = RNG.uniform(size=(50, SIDE**2))
    background = add_picture_background(np.zeros_like(X), [PICTURE], random_state=0)
    found = add_picture_background(X, [PICTURE], random_state=0)
    np.testing.assert_array_equal(found, np.maximum(X, background))
    assert found.min() >= 0 and found.max() <= 1


def test_smooth_patches_are_left_out():
    sky = PICTURE.copy()
    sky[:, :30] = 0.5
    patches = add_picture_background(BLACK, [sky], min_std=0.1, random_state=0)
    assert patches.std(axis=1).min() >= 0.1
    deviations = ndimage.generic_filter(sky, np.std, size=SIDE, origin=-SIDE // 2)[:27, :37]
    assert (patches.std(axis=1) < 0.15).any()  # those just above are not
    assert len(np.unique(patches, axis=0)) <= (deviations >= 0.1).sum()


@pytest.mark.parametrize("outline", [True, False])
def test_shapes_are_filled_with_one_patch_and_surrounded_by_another(outline):
    X, _ = make_rectangles(20, side=12, random_state=0)
    solid = np.array([ndimage.binary_fill_holes(x.reshape(12, 12)).ravel() for x in X])
    found = fill_with_pictures(X if outline else solid, [PICTURE], random_state=0)
    for image, inside in zip(found, solid, strict=True):
        offsets = []
        for part in (inside, ~inside):
            row, column = places(image[part][:, None], PICTURE)
            its = np.argwhere(part.reshape(12, 12))
            assert len({*(row - its[:, 0])}) == len({*(column - its[:, 1])}) == 1
            offsets.append((row[0] - its[0, 0], column[0] - its[0, 1]))
        assert offsets[0] != offsets[1]


def test_what_is_not_enclosed_is_outside():
    corner = np.ones((5, 5))
    corner[2:4, 3:] = 0  # a bay
    ring = np.pad(np.zeros((3, 3)), 1, constant_values=1)
    X = np.stack([corner.ravel(), ring.ravel()])
    found = fill_with_pictures(X, [PICTURE], min_std=0, random_state=0)
    whole = fill_with_pictures(np.ones_like(X), [PICTURE], min_std=0, random_state=0)
    np.testing.assert_array_equal(
        found == whole, np.stack([corner.ravel() == 1, np.full(25, True)])
    )


@each_function
def test_grey_values_of_bytes_are_fractions(change):
    picture = np.rint(PICTURE * 255).astype(np.uint8)
    found = change(BLACK, [picture], random_state=0)
    np.testing.assert_array_equal(found, change(BLACK, [picture / 255], random_state=0))
    assert change(BLACK, (p.tolist() for p in [picture / 255]), random_state=0).max() <= 1


@each_function
@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "pictures is empty"),
        (7, "must be a list of grey pictures, but found 7"),
        ("sky.png", "must be a list of grey pictures, but found 'sky.png'"),
        (PICTURE, r"pictures\[0\] has shape \(40,\).* put a single picture into a list"),
        ([PICTURE, np.zeros((9, 9, 3))], r"pictures\[1\] has shape \(9, 9, 3\).*make it grey"),
        ([PICTURE, np.zeros((3, 40))], r"pictures\[1\] has 3 x 40 pixels, fewer than .* 4 x 4"),
        ([np.full((9, 9), 0.3)], r"pictures\[0\] has no patch of 4 x 4 .*min_std=0.1 .*is 0.00\)"),
        ([PICTURE, PICTURE * 255], r"pictures\[1\] needs .* in \[0, 1\].*0.0 to 255.0.* 255"),
        ([PICTURE - 0.5], r"pictures\[0\] needs grey values in \[0, 1\], but found -0.5"),
        ([np.where(PICTURE > 0.9, np.nan, PICTURE)], r"pictures\[0\] needs .*found nan"),
        ([np.full((9, 9), "x")], r"pictures\[0\] has dtype <U1"),
    ],
)
def test_pictures_that_will_not_do(change, pictures, message):
    with pytest.raises(ValueError, match=message):
        change(BLACK, pictures)


@each_function
def test_images_that_will_not_do(change):
    with pytest.raises(ValueError, match=rf"{change.__name__} needs X in \[0, 1\], but found"):
        change(BLACK + 2, [PICTURE])
    with pytest.raises(ValueError, match="X has 15 features, which is not the number of pixels"):
        change(BLACK[:, :15], [PICTURE])
    with pytest.raises(ValueError, match="'min_std' parameter"):
        change(BLACK, [PICTURE], min_std=-1)


@each_function
def test_pictures_are_not_changed(change):
    picture = PICTURE.copy()
    picture.flags.writeable = False
    change(BLACK, [picture])
    np.testing.assert_array_equal(picture, PICTURE)
