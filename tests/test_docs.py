"""The code of the documentation's pages runs, and nothing public is missing in them."""

import importlib.util
import re
import sys
import textwrap
from pathlib import Path

import pytest
import sklearn.datasets
from sklearn.linear_model import LogisticRegression

import skae

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.rst"), *DOCS.glob("user_guide/*.rst")])
BLOCK = re.compile(r"^( *)\.\. code-block:: python\n\n((?:\1 +\S.*\n|\s*\n)+)", re.MULTILINE)
SNIPPETS = [path.stem for path in DOCS.glob("snippets/*.py")]
MODULES = ["networks", "datasets", "metrics", "inspection", "base", "onnx"]

# What a page's code imports that is no part of the extra `test`.
NEEDED = {"user_guide/deployment.rst": ("onnxscript", "skl2onnx", "onnxruntime")}


def code_of(page):
    """A page's Python as one program, in which each line has the number that it has there."""
    text, lines = page.read_text(encoding="utf-8"), []
    for block in BLOCK.finditer(text):
        if "sklearn.callback" in block[2] and importlib.util.find_spec("sklearn.callback") is None:
            continue  # scikit-learn before 1.9
        lines += [""] * (text.count("\n", 0, block.start(2)) - len(lines))
        lines += textwrap.dedent(block[2]).rstrip().split("\n")
    return "\n".join(lines)


@pytest.fixture
def small_data(monkeypatch):
    """The same code, in less time: digits are 300 rows, and pictures are not shown."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    load_digits = sklearn.datasets.load_digits

    def load_some_digits(return_X_y=False):
        digits = load_digits()
        digits.data, digits.target = digits.data[:300], digits.target[:300]
        return (digits.data, digits.target) if return_X_y else digits

    monkeypatch.setattr(sklearn.datasets, "load_digits", load_some_digits)
    monkeypatch.syspath_prepend(DOCS / "snippets")
    yield
    pyplot.close("all")
    for name in SNIPPETS:
        sys.modules.pop(name, None)


PROGRAMS = {page.relative_to(DOCS).as_posix(): code_of(page) for page in PAGES}


# MLPRegressor's, at the end of its budget; the page on it says so.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name, code in PROGRAMS.items() if code])
def test_code_runs(name, small_data):
    for package in NEEDED.get(name, ()):
        pytest.importorskip(package)
    # Names that a block uses come from that page, from the blocks above it.
    exec(compile(PROGRAMS[name], str(DOCS / name), "exec"), {"__name__": "__main__"})


def test_code_of_the_readme_runs_and_gives_what_it_says():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {}
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        above = "\n" * text.count("\n", 0, block.start(1))  # for the lines in a traceback
        exec(compile(above + block[1], "README.md", "exec"), names)
    by_pca, by_autoencoder = names["search"].cv_results_["mean_test_score"]
    assert by_autoencoder > by_pca + 0.01
    X, y = names["X"], names["y"]
    on_pixels = LogisticRegression(max_iter=1000).fit(X[:100], y[:100])
    assert names["classifier"].score(X[100:], y[100:]) > on_pixels.score(X[100:], y[100:])
    assert names["convolutional"].score(X) > 0.7


def test_every_page_with_code_is_found():
    """So that a change of the pages' style does not leave them untested."""
    marked = {page: page.read_text(encoding="utf-8").count(":: python") for page in PAGES}
    for page, n_blocks in marked.items():
        assert len(BLOCK.findall(page.read_text(encoding="utf-8"))) == n_blocks, page
    assert sum(marked.values()) > 20


def public_names():
    """Full names of the classes and functions that are public."""
    names = [f"skae.{name}" for name in skae.__all__ if name != "__version__"]
    for module in MODULES:
        found = importlib.import_module(f"skae.{module}").__all__
        names += [f"skae.{module}.{name}" for name in found]
    return names


def names_in_api():
    """Full names of what `api.rst` lists, by the module that it lists it under."""
    names, module = [], None
    for line in (DOCS / "api.rst").read_text(encoding="utf-8").split("\n"):
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        elif re.fullmatch(r" {4}\w+", line):
            names.append(f"{module}.{line.strip()}")
    return names


def test_everything_public_is_in_the_api():
    assert sorted(names_in_api()) == sorted(public_names())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_examples_and_files_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"^ *(\.\./examples/\w+\.py)$", text, re.MULTILINE)
    for path in named:  # of sphinx-gallery, relative to docs
        assert (DOCS / path).is_file(), path
    for path in re.findall(r"literalinclude:: (\S+)", text):
        assert (page.parent / path).is_file(), path
