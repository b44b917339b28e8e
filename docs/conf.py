"""Sphinx's configuration: `sphinx-build -W docs docs/_build`, without network.

`SKAE_DOCS_PLOT=0` leaves the examples of the gallery unexecuted, for a quick look at a text.
"""

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext")]

import skae  # noqa: E402

project = "skae"
author = "The skae developers"
copyright = "The skae developers"
version = release = skae.__version__

extensions = [
    "mathml",
    "members",
    "myst_parser",
    "navigation",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.md5", "Thumbs.db"]
templates_path = ["_templates"]
default_role = "literal"  # single backticks, as docstrings have them
smartquotes = False  # values in docstrings can be copied, and found by links in notebooks
today_fmt = "%Y-%m-%d"

# API

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False  # the template lists them
numpydoc_class_members_toctree = False

# Markdown: the benchmarks' reports, architecture and reliability

myst_heading_anchors = 3

# Gallery

RUN_EXAMPLES = os.environ.get("SKAE_DOCS_PLOT", "1") != "0"
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "gallery/backreferences",
    "capture_repr": ("__repr__",),  # scikit-learn's diagrams have links within what one can click
    "doc_module": ("skae",),
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"quickstart\.py",
    "plot_gallery": RUN_EXAMPLES,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "min_reported_time": 60,  # examples that take more than a minute are named
    "minigallery_sort_order": "gallery_order.place",
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "within_subsection_order": "gallery_order.place",
    "write_computation_times": False,
}
warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive", UserWarning)

# Pages

html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
html_context = {"default_mode": "auto"}  # of light and dark: the reader's browser decides
html_sidebars = {
    page: [] for page in ("changelog", "coming_from_*", "contributing", "getting_started", "index")
}
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
