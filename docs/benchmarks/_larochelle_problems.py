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


class Problem(NamedTuple):
    """A set of images, and how networks are trained on it."""

    n_train: int  # and n_validation: the networks see the images of both, unlabelled, before
    n_validation: int
    width: int
    batch_size: int
    pretraining: tuple  # epochs of a layer, to choose from
    training: int  # epochs of the output layer, and of everything
    rates: tuple  # learning rates of that, to choose from
    paper: dict  # error of each method, %
    probed: bool = False  # whether a linear SVM is put on the first layer's codes, too


def _paper(svm, dbn, plain, denoising, destroyed):
    return {"svm": svm, "dbn": dbn, "plain": plain, "denoising": denoising, "destroyed": destroyed}


PROBLEMS = {
    "basic": Problem(
        *(10000, 2000, 500, 100, (30,), 20, (3e-3, 1e-2)),
        _paper("3.03", "3.11", "3.46", "2.80 (10%)", "3.07 (10%)"),
    ),
    "rot": Problem(
        *(10000, 2000, 1000, 100, (30,), 20, (1e-3, 3e-3)),
        _paper("11.11", "10.30", "10.30", "10.29 (10%)", "11.62 (10%)"),
    ),
    "bg-rand": Problem(
        *(10000, 2000, 500, 100, (30,), 20, (3e-3, 1e-2)),
        _paper("14.58", "6.73", "11.28", "10.38 (40%)", "15.63 (25%)"),
    ),
    "bg-img": Problem(
        *(10000, 2000, 500, 100, (30,), 20, (3e-3, 1e-2)),
        _paper("22.61", "16.31", "23.00", "16.68 (25%)", "23.15 (25%)"),
    ),
    "rot-bg-img": Problem(
        *(10000, 2000, 500, 100, (30,), 20, (3e-3, 1e-2)),
        _paper("55.18", "47.39", "51.93", "44.49 (25%)", "54.16 (10%)"),
    ),
    "rect": Problem(
        *(1000, 200, 500, 20, (30, 100), 60, (1e-3, 3e-3)),
        _paper("2.15", "2.60", "2.41", "1.99 (10%)", "2.45 (25%)"),
        probed=True,
    ),
    "rect-img": Problem(
        *(10000, 2000, 500, 100, (30,), 20, (3e-3, 1e-2)),
        _paper("24.04", "22.50", "24.05", "21.59 (25%)", "23.00 (10%)"),
    ),
    "convex": Problem(
        *(6000, 2000, 500, 100, (30,), 20, (3e-3, 1e-2)),
        _paper("19.13", "18.63", "18.41", "19.06 (10%)", "24.20 (10%)"),
    ),
}

known_pictures = cache(pictures)


def draw_images(name, draw, mnist):
    """Images and labels of a problem: those of training and validation, and those to test."""
    problem = PROBLEMS[name]
    n = problem.n_train + problem.n_validation + N_TEST
    X, y = _shapes(name, n, draw) or _digits(name, n, draw, mnist)
    X = X.astype(np.float32)
    return (X[:-N_TEST], y[:-N_TEST]), (X[-N_TEST:], y[-N_TEST:])


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
