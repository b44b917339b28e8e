"""Datasets: what their images show is what they say, and chance is what it should be."""

from functools import partial

import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.spatial import ConvexHull, QhullError

from skae import datasets
from skae.datasets import (
    _convex_shapes,
    _shapes,
    add_picture_background,
    add_random_background,
    fill_with_pictures,
    make_convex_shapes,
    make_rectangles,
    rotate_images,
)

SIDE = 28
X_UNIT = np.random.default_rng(0).uniform(size=(30, 64))
PICTURES = [np.random.default_rng(1).uniform(size=shape) for shape in ((20, 30), (16, 9))]
CALLS = {
    "make_rectangles": lambda seed: make_rectangles(30, random_state=seed),
    "make_convex_shapes": lambda seed: make_convex_shapes(30, random_state=seed),
    "rotate_images": lambda seed: (rotate_images(X_UNIT, random_state=seed),),
    "add_random_background": lambda seed: (add_random_background(X_UNIT, random_state=seed),),
    "add_picture_background": lambda seed: (before_pictures(X_UNIT, random_state=seed),),
    "fill_with_pictures": lambda seed: (of_pictures(X_UNIT, random_state=seed),),
}
before_pictures = partial(add_picture_background, pictures=PICTURES)
of_pictures = partial(fill_with_pictures, pictures=PICTURES)
each_function = pytest.mark.parametrize("name", CALLS)
each_maker = pytest.mark.parametrize("make", [make_rectangles, make_convex_shapes])
each_change = pytest.mark.parametrize(
    "change", [rotate_images, add_random_background, before_pictures, of_pictures]
)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def spans(images):
    """(first, last) row and column with a white pixel, of each image: (n, 2), (n, 2)."""
    lines = np.stack([images.any(axis=2), images.any(axis=1)], axis=1)
    return lines.argmax(axis=2), lines.shape[2] - 1 - lines[:, :, ::-1].argmax(axis=2)


@pytest.fixture(scope="module")
def rectangles():
    """Images (n, 28, 28), labels, corners and sizes measured on them, as (row, column)."""
    X, y = make_rectangles(20_000, random_state=0)
    images = X.reshape(-1, SIDE, SIDE)
    first, last = spans(images)
    return images, y, first, last - first + 1


@pytest.fixture(scope="module")
def shapes():
    X, y = make_convex_shapes(2000, random_state=0)
    return X.reshape(-1, SIDE, SIDE), y


# Of all


@each_function
def test_same_seed_gives_the_same_and_another_one_does_not(name):
    call = CALLS[name]
    assert same(call(3), call(3))
    assert same(call(3), call(np.random.RandomState(3)))
    assert not same(call(3), call(4))
    assert not same(call(None), call(None))


@each_function
def test_global_generator_is_neither_read_nor_changed(name):
    np.random.seed(0)
    before = CALLS[name](5)
    np.random.seed(1)
    state = np.random.get_state()
    assert same(before, CALLS[name](5))
    assert same(state[1:], np.random.get_state()[1:])


@each_function
@pytest.mark.parametrize("chunk", [1, 7])
def test_nothing_depends_on_how_many_images_are_made_at_a_time(name, chunk, monkeypatch):
    expected = CALLS[name](5)
    monkeypatch.setattr(_shapes, "CHUNK", chunk)
    monkeypatch.setattr(_convex_shapes, "CHUNK", chunk)
    assert same(expected, CALLS[name](5))


@each_maker
def test_images_are_rows_of_zeros_and_ones(make):
    X, y = make(31, side=12, random_state=0)
    assert X.shape == (31, 144) and X.dtype == np.float64
    assert y.shape == (31,) and y.dtype == np.int64
    assert set(np.unique(X)) == {0.0, 1.0}
    assert set(y) == {0, 1}


@each_maker
@pytest.mark.parametrize("wrong", [{"side": 1}, {"side": 8.5}, {"random_state": "x"}])
def test_wrong_parameters_of_makers(make, wrong):
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter of {make.__name__}"):
        make(3, **wrong)
    with pytest.raises(ValueError, match="'n_samples' parameter"):
        make(0)


@each_function
def test_parameters_with_a_default_but_the_first_are_keywords(name):
    with pytest.raises(TypeError, match="positional"):
        getattr(datasets, name)(X_UNIT, PICTURES, 28)


# Rectangles


def test_a_rectangle_is_its_outline(rectangles):
    images, _, first, size = rectangles
    for image, (row, column), (height, width) in zip(images[:500], first, size, strict=False):
        expected = np.zeros((SIDE, SIDE))
        expected[row : row + height, column : column + width] = 1
        expected[row + 1 : row + height - 1, column + 1 : column + width - 1] = 0
        np.testing.assert_array_equal(image, expected)


def test_number_of_pixels_of_an_outline(rectangles):
    images, _, _, size = rectangles
    np.testing.assert_array_equal(images.sum(axis=(1, 2)), 2 * size.sum(axis=1) - 4)


def test_label_says_which_side_is_longer(rectangles):
    _, y, _, (height, width) = *rectangles[:3], rectangles[3].T
    np.testing.assert_array_equal(y, width > height)
    assert abs(y.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(y))


def test_sides_are_uniform_where_they_differ_enough(rectangles):
    size = rectangles[3]
    lengths = np.arange(4, SIDE + 1)
    allowed = abs(lengths[:, None] - lengths) >= 3
    counts = np.zeros((SIDE + 1, SIDE + 1), dtype=int)
    np.add.at(counts, tuple(size.T), 1)
    assert counts[4:, 4:][allowed].sum() == counts.sum()
    assert stats.chisquare(counts[4:, 4:][allowed]).pvalue > 1e-3


def test_places_are_uniform_where_the_rectangle_fits(rectangles):
    _, _, first, size = rectangles
    for axis in (0, 1):
        for length in (4, 20):
            places = first[size[:, axis] == length, axis]
            counts = np.bincount(places, minlength=SIDE - length + 1)
            assert len(counts) == SIDE - length + 1
            assert stats.chisquare(counts).pvalue > 1e-3


def test_smallest_rectangles():
    X, y = make_rectangles(400, side=3, min_length=1, min_difference=2, random_state=0)
    first, last = spans(X.reshape(-1, 3, 3))
    sizes = {tuple(size) for size in (last - first + 1).tolist()}
    assert sizes == {(1, 3), (3, 1)}
    np.testing.assert_array_equal(X.sum(axis=1), 3)
    np.testing.assert_array_equal(y, (last - first)[:, 1] == 2)


def test_rectangles_that_cannot_be():
    with pytest.raises(ValueError, match=r"min_length=4 to side=6 .* min_difference=3"):
        make_rectangles(3, side=6)
    assert make_rectangles(3, side=7)[0].shape == (3, 49)
    with pytest.raises(ValueError, match="'min_difference' parameter"):
        make_rectangles(3, min_difference=0)


def test_areas_are_in_their_range():
    for area_range in ((0.25, 0.75), [0.1, 0.2]):
        X, y = make_rectangles(2000, area_range=area_range, random_state=0)
        first, last = spans(X.reshape(-1, SIDE, SIDE))
        areas = (last - first + 1).prod(axis=1) / SIDE**2
        low, high = area_range
        assert low <= areas.min() < low + 0.02 and high - 0.02 < areas.max() <= high
        assert abs(y.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(y))


@pytest.mark.parametrize("wrong", [(0.5, 0.2), (-0.1, 1), (0, 1.1), (0.5,), (0, "x"), (0, np.nan)])
def test_area_ranges_that_are_none(wrong):
    with pytest.raises(ValueError, match=r"area_range=.* 0 <= min < max <= 1"):
        make_rectangles(3, area_range=wrong)


def test_areas_that_no_rectangle_has():
    with pytest.raises(ValueError, match=r"an area in area_range=\(0.99, 1.0\)"):
        make_rectangles(3, area_range=(0.99, 1.0))


# Convex shapes


def is_convex(image):
    """Whether the hull of the white pixels' centres has as many lattice points as pixels."""
    white = np.argwhere(image)
    try:
        hull = ConvexHull(white)
    except QhullError:  # all on one line
        steps = np.diff(white, axis=0)
        return (steps == steps[0]).all() and np.gcd(*steps[0]) == 1
    grid = np.argwhere(np.ones_like(image))
    inside = (grid @ hull.equations[:, :2].T + hull.equations[:, 2] <= 1e-9).all(axis=1)
    return inside.sum() == len(white)


def test_label_says_whether_the_shape_is_convex(shapes):
    images, y = shapes
    np.testing.assert_array_equal([is_convex(image) for image in images], y)


@pytest.mark.parametrize("side", [8, 11, 40])
def test_label_says_so_on_other_sides(side):
    X, y = make_convex_shapes(200, side=side, random_state=0)
    np.testing.assert_array_equal([is_convex(x) for x in X.reshape(-1, side, side)], y)


def test_least_areas(shapes):
    images, y = shapes
    areas = images.sum(axis=(1, 2))
    assert areas[y == 1].min() >= 19
    assert areas[y == 0].min() >= 10


@pytest.mark.parametrize("n_samples", [1, 2, 2001])
def test_classes_are_balanced(n_samples):
    _, y = make_convex_shapes(n_samples, random_state=0)
    assert y.sum() == n_samples // 2


def test_classes_are_shuffled(shapes):
    _, y = shapes
    changes = (np.diff(y) != 0).sum()
    assert abs(changes - len(y) / 2) < 4 * np.sqrt(len(y)) / 2


def test_mean_areas_of_the_classes_are_alike():
    X, y = make_convex_shapes(10_000, random_state=0)
    areas = X.sum(axis=1)
    one, other = areas[y == 1], areas[y == 0]
    spread = np.sqrt(one.var() / len(one) + other.var() / len(other))
    assert abs(one.mean() - other.mean()) < 4 * spread
    assert spread < 5  # of about 295 pixels


def test_number_of_pixels_grows_with_the_image():
    small, large = (make_convex_shapes(2000, side=s, random_state=0)[0] for s in (28, 56))
    np.testing.assert_allclose(small.mean(), large.mean(), atol=0.025)


# Rotation


def test_rotation_is_that_of_scipy():
    X = np.random.default_rng(0).uniform(size=(20, 81))
    angles = np.random.RandomState(7).uniform(0, 2 * np.pi, size=20)
    turned = rotate_images(X, random_state=7)
    for x, angle, found in zip(X, angles, turned, strict=True):
        expected = ndimage.rotate(
            x.reshape(9, 9), np.degrees(angle), reshape=False, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(found.reshape(9, 9), expected, atol=1e-12)


@pytest.mark.parametrize("side", [8, 9])
def test_quarter_turns_move_pixels(side):
    x = np.random.default_rng(0).uniform(size=(4, side, side))
    turned = _shapes._turn(x, np.arange(4) * np.pi / 2).reshape(x.shape)
    for k in range(4):
        np.testing.assert_allclose(turned[k], np.rot90(x[k], k), atol=1e-12)


def blob(side, row=0.0, column=0.0, width=4.0):
    """A smooth bump; place relative to the centre, in pixels."""
    offset = np.arange(side) - (side - 1) / 2
    distance = (offset[:, None] - row) ** 2 + (offset - column) ** 2
    return np.exp(-distance / (2 * width**2))


def test_a_round_image_stays_as_it_is():
    x = blob(28).reshape(1, -1)
    turned = rotate_images(np.repeat(x, 50, axis=0), random_state=0)
    # Linear interpolation errs by at most an eighth of the curvature, in each of two directions.
    assert abs(turned - x)[x.repeat(50, axis=0) > 0.1].max() < 2 / 8 / 4.0**2


def test_sum_and_distance_from_the_centre_are_kept_and_angles_uniform():
    x = blob(28, row=0.0, column=5.0, width=1.5)
    turned = rotate_images(np.repeat(x.reshape(1, -1), 2000, axis=0), random_state=0)
    np.testing.assert_allclose(turned.sum(axis=1), x.sum(), rtol=5e-3)
    offset = np.arange(28) - 13.5
    images = turned.reshape(-1, 28, 28) / x.sum()
    row, column = images.sum(axis=2) @ offset, images.sum(axis=1) @ offset
    np.testing.assert_allclose(np.hypot(row, column), 5, rtol=1e-2)
    angles = np.arctan2(-row, column) % (2 * np.pi)
    assert stats.kstest(angles / (2 * np.pi), "uniform").pvalue > 1e-3


def test_values_stay_in_their_range():
    X = np.ones((200, 64))
    for dtype in (np.float32, np.float64):
        turned = rotate_images(X.astype(dtype), random_state=0)
        assert turned.min() >= 0 and turned.max() <= 1
    assert rotate_images(-X, random_state=0).max() <= 0


def test_a_single_pixel_stays():
    np.testing.assert_array_equal(rotate_images([[0.5], [2.0]]), [[0.5], [2.0]])


@pytest.mark.parametrize(("width", "nearest"), [(63, "8 x 8 pixels are 64"), (2, "1 x 1")])
def test_images_that_are_not_square(width, nearest):
    with pytest.raises(ValueError, match=rf"X has {width} features, .* {nearest}"):
        rotate_images(np.zeros((3, width)))


# Background


def test_background_is_the_maximum_with_uniform_noise():
    noise = add_random_background(np.zeros((100, 100)), random_state=0)
    assert stats.kstest(noise.ravel(), "uniform").pvalue > 1e-3
    X = np.random.default_rng(0).uniform(size=(100, 100))
    np.testing.assert_array_equal(add_random_background(X, random_state=0), np.maximum(X, noise))


def test_white_stays_white():
    np.testing.assert_array_equal(add_random_background(np.ones((3, 4))), 1)


@pytest.mark.parametrize(("value", "found"), [(255.0, "0.0 to 255.0"), (-0.5, "-0.5 to 0.0")])
def test_images_outside_the_unit_interval(value, found):
    X = np.zeros((2, 4))
    X[1, 2] = value
    with pytest.raises(ValueError, match=rf"in \[0, 1\], but found values from {found}.*maximum"):
        add_random_background(X)


# Both changes of images


@each_change
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float64),
        (np.uint8, np.float64),
        (bool, np.float64),
    ],
)
def test_dtypes(change, given, expected):
    X = X_UNIT.round().astype(given)
    changed = change(X, random_state=0)
    assert changed.dtype == expected
    assert changed.shape == X.shape
    wide = change(X.astype(np.float64), random_state=0)
    np.testing.assert_allclose(changed, wide, atol=1e-5)


@each_change
def test_x_is_not_changed(change):
    X = X_UNIT.copy()
    X.flags.writeable = False
    change(X)
    np.testing.assert_array_equal(X, X_UNIT)
    change(np.asfortranarray(X))


@each_change
def test_what_is_no_array_of_images(change):
    with pytest.raises(ValueError, match="NaN"):
        change([[np.nan]])
    with pytest.raises(ValueError, match="2D"):
        change(np.zeros(4))
    with pytest.raises(ValueError, match="0 sample"):
        change(np.zeros((0, 4)))
    with pytest.raises(ValueError, match="'random_state' parameter"):
        change(X_UNIT, random_state="x")


def test_the_two_go_together():
    X = np.ones((50, 64), dtype=np.float32)
    noisy = add_random_background(rotate_images(X, random_state=0), random_state=0)
    assert noisy.dtype == np.float32
    assert noisy.max() == 1
