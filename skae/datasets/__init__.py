"""Images to try autoencoders on: the shape and digit variations of Larochelle et al. (2007)."""

from skae.datasets._patches import average_patches, extract_patches
from skae.datasets._shapes import (
    add_random_background,
    make_convex_shapes,
    make_rectangles,
    rotate_images,
)

__all__ = [
    "add_random_background",
    "average_patches",
    "extract_patches",
    "make_convex_shapes",
    "make_rectangles",
    "rotate_images",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # see skae/__init__.py
