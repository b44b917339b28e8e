"""Samples that a model draws."""

from inspect import signature
from math import ceil
from typing import Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skae._compat import StrOptions, validate_params
from skae._pipelines import backward, steps_of
from skae.inspection._data import COUNT, as_numbers, find_image_shape
from skae.inspection._figures import Display, new_axes, pyplot
from skae.inspection._tiles import Tiles, black_and_white, full_columns

N_IMAGES = 64
N_IMAGES_OF_CLASS = 8
LETTER = 0.09  # inches of width


class SamplesDisplay(Display):
    """Images that a model draws, in a grid, with a row for each class if there are classes.

    It is recommended to use `SamplesDisplay.from_estimator` to create one. All parameters are
    stored as attributes.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, n_features)
        The samples, row by row of the grid.
    image_shape : tuple of int
        (height, width) or (channels, height, width) of the images.
    classes : array-like of shape (n_classes,), default=None
        Class of each row of the grid, from the top; rows have n_samples / n_classes images. None
        for a roughly square grid without labels.

    Attributes
    ----------
    images_ : ndarray of shape (n_samples,)
        matplotlib AxesImage of each sample, in the order of `samples`.
    ax_ : matplotlib Axes
        Axes, given or new, with the images.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    SamplesDisplay.from_estimator : Draw samples of a fitted estimator.
    LatentTraversalDisplay : Shows what is decoded where.
    skae.metrics.coverage : How many real rows have a sample nearby.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.mixture import GaussianMixture
    >>> from skae import VAE
    >>> from skae.inspection import SamplesDisplay
    >>> X = load_digits().data / 16
    >>> vae = VAE(8, max_iter=20, random_state=0).fit(X)
    >>> display = SamplesDisplay.from_estimator(vae, random_state=0)
    >>> display.images_.shape
    (64,)

    Samples of a scikit-learn model beside them:

    >>> mixture = GaussianMixture(10, reg_covar=1e-3, random_state=0).fit(X)
    >>> display = SamplesDisplay.from_estimator(mixture, n_samples=12)
    >>> display.images_.shape
    (12,)
    """

    images_: np.ndarray

    def __init__(self, *, samples, image_shape, classes=None):
        self.samples = samples
        self.image_shape = image_shape
        self.classes = classes

    @classmethod
    @validate_params(
        {
            "n_samples": [*COUNT, None],
            "random_state": ["random_state"],
            "image_shape": ["array-like", StrOptions({"auto"})],
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator,
        *,
        n_samples=None,
        y=None,
        random_state=None,
        image_shape: tuple | str = "auto",
        ax=None,
        **kwargs,
    ) -> Self:
        """Draw samples of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted estimator with `sample`, such as a :class:`~skae.VAE` or a
            :class:`~skae.DenoisingAutoencoder`, scikit-learn's GaussianMixture or KernelDensity,
            or a pipeline or search that ends with one.
        n_samples : int, default=None
            Number of images, per class if they are drawn by class. None: 64, or 8 per class.
        y : array-like of shape (n_classes,) or a single label, default=None
            Classes to draw, for an estimator whose `sample` takes y. None: all `classes_`, if it
            has any.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; an int gives the same picture again. An estimator whose `sample`
            takes no seed, such as GaussianMixture, uses its own.
        image_shape : 'auto' or tuple of int, default='auto'
            (height, width) or (channels, height, width) of rows as images. 'auto' takes the shape
            in the estimator's `network`, or a square if n_features is the square of 5 or more.
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`.

        Returns
        -------
        display : SamplesDisplay
            The display, which stores what was drawn.
        """
        check_is_fitted(estimator)
        steps = steps_of(estimator) or [estimator]
        _check_methods(steps)
        classes = _classes(steps[-1], y)
        samples = backward(steps[:-1], _drawn(steps[-1], n_samples, classes, random_state))
        image_shape = _image_shape(image_shape, steps, samples.shape[1])
        samples = as_numbers(samples)
        return cls(samples=samples, image_shape=image_shape, classes=classes).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs) -> Self:
        """Draw the samples.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `imshow`.

        Returns
        -------
        display : SamplesDisplay
            This object.
        """
        plt = pyplot(self)
        n_samples = len(self.samples)
        labels = [] if self.classes is None else [*map(str, self.classes)]
        n_columns = n_samples // len(labels) if labels else full_columns(n_samples)
        tiles = Tiles(self.image_shape, ceil(n_samples / n_columns), n_columns)
        size = tiles.figure_size(left=0.1 + LETTER * max(map(len, labels), default=0))
        self.ax_ = ax = new_axes(plt, size) if ax is None else ax
        limits = [black_and_white(self.samples)] * n_samples
        self.images_ = np.array(tiles.draw_all(ax, self.samples, limits, kwargs), dtype=object)
        tiles.finish(ax)
        ax.set_yticks(np.arange(len(labels)) + 0.5, labels)
        self.figure_ = ax.figure
        return self


def _check_methods(steps):
    methods = ["inverse_transform"] * (len(steps) - 1) + ["sample"]
    for step, method in zip(steps, methods, strict=True):
        if not hasattr(step, method):
            raise TypeError(
                f"SamplesDisplay needs an estimator with {method}, but {type(step).__name__} has "
                "none."
            )


def _classes(sampler, y):
    """The classes to draw; None if samples are not drawn by class."""
    takes_y = "y" in signature(sampler.sample).parameters
    if y is None:
        return getattr(sampler, "classes_", None) if takes_y else None
    if not takes_y:
        raise ValueError(
            f"y={y!r}, but `sample` of {type(sampler).__name__} takes no y: leave it out."
        )
    return np.atleast_1d(y)


def _drawn(sampler, n_samples, classes, random_state):
    """The samples alone, without other results of `sample`."""
    known = {"random_state": random_state}
    if classes is None:
        n_samples = n_samples or N_IMAGES
    else:
        known["y"] = np.repeat(classes, n_samples or N_IMAGES_OF_CLASS)
        n_samples = len(known["y"])
    taken = known.keys() & signature(sampler.sample).parameters.keys()
    drawn = sampler.sample(n_samples, **{name: known[name] for name in taken})
    return drawn[0] if isinstance(drawn, tuple) else drawn


def _image_shape(image_shape, steps, n_features):
    shape = find_image_shape(image_shape, steps, n_features)
    if shape is None:
        raise ValueError(
            f"SamplesDisplay draws images, but rows of {n_features} numbers have no known image "
            "shape: pass image_shape=(height, width) or (channels, height, width)."
        )
    return shape
