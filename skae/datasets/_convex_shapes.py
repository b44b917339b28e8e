"""White regions, convex or not, for `skae.datasets`."""

import numpy as np
from sklearn.utils import gen_batches

CHUNK = 500  # images at a time: bounds memory and does not affect the result

# For convex shapes on 28 x 28 pixels. The parts' probability and the centres were calibrated, see
# the Notes of make_convex_shapes; the paper has 0.07 and does not mention centres.
PAPER_SIDE = 28
CENTRES = (4, 24)
CONVEX = {"p": 0.195, "min_pixels": 19}
PART = {"p": 0.031, "min_pixels": 10}
N_PARTS = (2, 4)


def draw_until(draw, is_good, n):
    """`draw(n)`, with rows drawn again until all are good."""
    drawn = draw(n)
    bad = np.flatnonzero(~is_good(drawn))
    while len(bad):
        drawn[bad] = draw(len(bad))
        bad = bad[~is_good(drawn[bad])]
    return drawn


def convex_regions(random_state, n, side):
    """Images with a convex white region, of shape (n, side, side); bool."""
    return _pixels(_draw_convex(random_state, n, side, **CONVEX), side)


def other_regions(random_state, n, side):
    """Images with a white region that is not convex, of shape (n, side, side); bool."""
    return draw_until(lambda n: _draw_unions(random_state, n, side), _is_not_convex, n)


# A convex region meets each row in one run of pixels, so it is stored as `runs`, of shape (n, 2,
# side): its first column in each row, and minus its last one. Both grow as the region shrinks, and
# intersections are maxima. An empty row has first > last.


def _draw_convex(random_state, n, side, p, min_pixels):
    """Runs of n intersections of half-planes; their number is geometric with probability p."""
    least = min_pixels * (side / PAPER_SIDE) ** 2
    return draw_until(
        lambda n: _draw_intersections(random_state, n, side, p),
        lambda runs: _n_pixels(runs) >= least,
        n,
    )


def _draw_intersections(random_state, n, side, p):
    counts = random_state.geometric(p, size=n)
    centres = random_state.uniform(*CENTRES, size=(n, 2)) * (side / PAPER_SIDE)
    runs = np.empty((n, 2, side), dtype=np.int32)
    for chunk in gen_batches(n, CHUNK):
        planes = random_state.uniform(size=(counts[chunk].sum(), 3))
        kept = np.repeat(centres[chunk], counts[chunk], axis=0)
        starts = np.cumsum(counts[chunk]) - counts[chunk]
        runs[chunk] = np.maximum.reduceat(_half_planes(planes, kept, side), starts)
    return runs


def _half_planes(uniform, kept, side):
    """Runs of half-planes that contain `kept`: point and direction come from uniform numbers."""
    points, angles = uniform[:, :2] * side, uniform[:, 2] * np.pi
    normals = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # White is where (row, column) . normal <= offset.
    normals *= np.where(((kept - points) * normals).sum(axis=1) <= 0, 1, -1)[:, None]
    offsets = (points * normals).sum(axis=1)
    rows = np.arange(side) + 0.5
    edges = (offsets[:, None] - normals[:, :1] * rows) / normals[:, 1:] - 0.5
    edges = np.clip(edges, -1, side)  # as columns; runs end at the image's border
    opens_left = normals[:, 1:] > 0
    first = np.where(opens_left, 0, np.maximum(np.ceil(edges), 0))
    last = np.where(opens_left, np.minimum(np.floor(edges), side - 1), side - 1)
    return np.stack([first, -last], axis=1).astype(np.int32)


def _n_pixels(runs):
    return np.maximum(1 - runs.sum(axis=1), 0).sum(axis=1)


def _pixels(runs, side):
    """Boolean images of runs, of shape (n, side, side)."""
    column = np.arange(side, dtype=np.int32)
    return (runs[:, 0, :, None] <= column) & (column <= -runs[:, 1, :, None])


def _draw_unions(random_state, n, side):
    """Boolean images of n unions of convex regions."""
    counts = random_state.randint(N_PARTS[0], N_PARTS[1] + 1, size=n)
    parts = _draw_convex(random_state, counts.sum(), side, **PART)
    ends = np.cumsum(counts)
    starts = ends - counts
    images = np.empty((n, side, side), dtype=bool)
    for chunk in gen_batches(n, CHUNK):
        first = starts[chunk][0]
        pixels = _pixels(parts[first : ends[chunk][-1]], side)
        images[chunk] = np.logical_or.reduceat(pixels, starts[chunk] - first)
    return images


def _is_not_convex(images):
    """Whether the convex hull of the white pixels' centres contains a black pixel's centre."""
    chunks = gen_batches(len(images), CHUNK)
    return np.concatenate([_n_hull_pixels(images[c]) > images[c].sum((1, 2)) for c in chunks])


def _n_hull_pixels(images):
    """Number of pixels whose centres are in the convex hull of the white pixels' centres."""
    side = images.shape[2]
    white = images.any(axis=2).T
    first = np.where(white, images.argmax(axis=2).T, np.inf)
    last = np.where(white, side - 1 - images[:, :, ::-1].argmax(axis=2).T, -np.inf)
    # A value less than 1 / side from an integer is that integer.
    left = np.ceil(_left_of_hull(first) - 0.5 / side)
    right = np.floor(-_left_of_hull(-last) + 0.5 / side)
    return np.maximum(right - left + 1, 0).sum(axis=0)


def _left_of_hull(first):
    """Where the hull begins in each row, given each row's first point; (side, n), inf if none."""
    left = first.copy()
    for top in range(len(first)):
        for bottom in range(top + 2, len(first)):
            share = np.linspace(0, 1, bottom - top + 1)[1:-1, None]
            line = (1 - share) * first[top] + share * first[bottom]
            between = left[top + 1 : bottom]
            np.minimum(between, line, out=between)
    return left
