"""Images to try autoencoders on: the shape and digit variations of Larochelle et al. (2007)."""

from skae.datasets._patches import average_patches, extract_patches
from skae.datasets._pictures import add_picture_background, fill_with_pictures
from skae.datasets._shapes import (
    add_random_background,
    make_convex_shapes,
    make_rectangles,
    rotate_images,
)

__all__ = [
    "add_picture_background",
    "add_random_background",
    "average_patches",
    "extract_patches",
    "fill_with_pictures",
    "make_convex_shapes",
    "make_rectangles",
    "rotate_images",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # see skae/__init__.py
