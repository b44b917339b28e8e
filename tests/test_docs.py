"""The code of the documentation's pages runs, and nothing public is missing in them."""

import importlib
import importlib.util
import re

import pytest
from pages import BLOCK, DOCS, ROOT, code_of, sections_of
from sklearn.linear_model import LogisticRegression

import skae

PAGES = sorted(
    p for folder in (".", "choosing", "user_guide") for p in DOCS.glob(f"{folder}/*.rst")
)
WITH_OTHER_TOOLS = DOCS / "user_guide/with_other_tools.rst"  # runs in tests/clients
DISTRIBUTED = DOCS / "user_guide/distributed.rst"  # runs in tests/test_distributed.py
MODULES = [
    *("networks", "tables", "datasets", "metrics", "inspection", "base", "distributed", "onnx"),
]

EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))

# What a page's code imports that is no part of the extra `test`.
NEEDED = {"user_guide/deployment.rst": ("onnxscript", "skl2onnx", "onnxruntime")}

SCALING = DOCS / "user_guide/scaling.rst"  # sections of which need what not everyone has
NEEDED_BY_SECTIONS = {"HDF5": "h5py", "zarr": "zarr", "Dask": "dask_ml"}

PROGRAMS = {
    page.relative_to(DOCS).as_posix(): code_of(page.read_text(encoding="utf-8"))
    for page in PAGES
    if page not in (SCALING, WITH_OTHER_TOOLS, DISTRIBUTED)
}


# MLPRegressor's, at the end of its budget; the page on it says so.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name, code in PROGRAMS.items() if code])
def test_code_runs(name, small_data):
    for package in NEEDED.get(name, ()):
        pytest.importorskip(package)
    # Names that a block uses come from that page, from the blocks above it.
    exec(compile(PROGRAMS[name], str(DOCS / name), "exec"), {"__name__": "__main__"})


def sections_that_can_run():
    """Programs of the page on scaling, by title, in their order."""
    programs = sections_of(SCALING.read_text(encoding="utf-8"))
    for title, code in programs:
        needed = NEEDED_BY_SECTIONS.get(title)
        if needed is None or importlib.util.find_spec(needed):
            yield title, code


@pytest.mark.filterwarnings("ignore:::(?!skae|__main__)")
def test_files_and_streams(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for title, code in sections_that_can_run():
        exec(compile(code, f"{SCALING}: {title}", "exec"), names)
    in_memory = names["Autoencoder"](8, **names["settings"]).fit(names["pixels"].astype("f4"))
    assert names["autoencoder"].loss_curve_ == in_memory.loss_curve_
    assert names["in_windows"].score(names["X"]) > in_memory.score(names["X"]) - 0.03
    streams = [names[name] for name in names if name.startswith("from_")]
    assert len(streams) >= 2
    assert {stream.n_iter_ for stream in streams} <= {4, 20}


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


# A screen of 400 pixels shows 10 points as 9 pixels then.
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_pictures_are_at_most_six_inches_wide(example):
    widths = re.findall(r"figsize=\(([\d.]+),", example.read_text(encoding="utf-8"))
    assert max(map(float, widths), default=6) <= 6


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
