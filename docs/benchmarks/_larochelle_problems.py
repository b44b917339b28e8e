"""Larochelle's eight problems: their images, and how networks are trained on them."""

from functools import cache
from typing import NamedTuple

import numpy as np
from _larochelle_pictures import pictures

from skae.datasets import (
    add_picture_background,
    add_random_background,
    fill_with_pictures,
    make_convex_shapes,
    make_rectangles,
    rotate_images,
)

N_TEST = 10000
RECTANGLES_OF_PICTURES = {"min_length": 10, "min_difference": 5, "area_range": (0.25, 0.75)}


class Rows(NamedTuple):
    """Images and their labels."""

    X: np.ndarray
    y: np.ndarray


class Images(NamedTuple):
    """A draw of a problem."""

    training: Rows
    validation: Rows
    test: Rows

    def through(self, transform):
        """The same, with codes for images."""
        return Images(*(Rows(transform(rows.X), rows.y) for rows in self))


class Problem(NamedTuple):
    """A set of images, and how networks are trained on it."""

    n_training: int = 10000
    n_validation: int = 2000
    width: int = 500
    batch_size: int = 100
    pretraining: int = 30  # epochs of a layer
    pretraining_rate: float = 2e-2
    training: int = 20  # epochs of the output layer, and of everything
    rates: tuple = (3e-3, 1e-2)  # learning rates of that, to choose from
    probed: bool = False  # whether a linear SVM is put on the first layer's codes, too


PROBLEMS = {
    "basic": Problem(),
    "rot": Problem(),
    "bg-rand": Problem(),
    "bg-img": Problem(),
    "rot-bg-img": Problem(pretraining=60),  # of which validation images make much
    # The paper has 1200 images in all, 200 of them to choose with: too few to choose well.
    "rect": Problem(
        n_training=1200,
        batch_size=20,
        pretraining_rate=5e-3,
        training=60,
        rates=(1e-3, 3e-3),
        probed=True,
    ),
    "rect-img": Problem(),
    "convex": Problem(n_training=6000, pretraining_rate=5e-3),
}

known_pictures = cache(pictures)


def draw_images(name, draw, mnist):
    """Images of a problem; `mnist` has digits and labels."""
    problem = PROBLEMS[name]
    n = problem.n_training + problem.n_validation + N_TEST
    X, y = _shapes(name, n, draw) or _digits(name, n, draw, mnist)
    places = np.cumsum([problem.n_training, problem.n_validation])
    parts = zip(*(np.split(table, places) for table in (X.astype(np.float32), y)), strict=True)
    return Images(*(Rows(*part) for part in parts))


def _shapes(name, n, draw):
    if name == "rect":
        return make_rectangles(n, random_state=draw)
    if name == "rect-img":
        X, y = make_rectangles(n, **RECTANGLES_OF_PICTURES, random_state=draw)
        return fill_with_pictures(X, known_pictures(), random_state=draw), y
    if name == "convex":
        return make_convex_shapes(n, random_state=draw)
    return None


def _digits(name, n, draw, mnist):
    X, y = (table[np.random.default_rng(draw).permutation(len(table))[:n]] for table in mnist)
    if name.startswith("rot"):
        X = rotate_images(X, random_state=draw)
    if name == "bg-rand":
        X = add_random_background(X, random_state=draw)
    if name.endswith("bg-img"):
        X = add_picture_background(X, known_pictures(), random_state=draw)
    return X, y
