"""Data and assertions that several test files share."""

import gc
import os
import sys

# Before scikit-learn is imported: without it, its array API checks are skipped.
os.environ["SCIPY_ARRAY_API"] = "1"
# Small products gain nothing from more threads, which wait for each other where others compute:
# beside another process on two cores, the suite takes several times as long with two threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Figures are made, never shown.
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
import sklearn.datasets
from helpers import OF_UNITS, UNIT_X, as_units
from pages import DOCS
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Of `-n auto`: a process for each core up to four, as each takes most of a gigabyte."""
    return min(os.cpu_count() or 1, 4)


def pytest_collection_finish():
    """What is collected stays to the end, so that garbage need not be looked for in it."""
    gc.freeze()


@pytest.fixture(autouse=True)
def rows_for_units(request, monkeypatch):
    """Where a test of all classes says X, the one that takes no others gets rows in [0, 1]."""
    of_what = getattr(request.node, "callspec", None)
    if of_what and any(type(it) is str and it == OF_UNITS for it in of_what.params.values()):
        for name in {"X", "DENSE"} & vars(request.module).keys():
            rows = UNIT_X if name == "X" else as_units(request.module.DENSE)
            monkeypatch.setattr(request.module, name, rows)


@pytest.fixture(autouse=True)
def close_figures():
    """In any order of the tests, matplotlib's warning of too many figures is not theirs."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def digits():
    """Grey values of 1797 digits, 8 x 8, in [0, 1]; float64."""
    return load_digits().data / 16.0


@pytest.fixture(scope="session")
def standardized_digits(digits):
    """The digits, every feature with mean 0 and variance 1."""
    return StandardScaler().fit_transform(digits)


@pytest.fixture(scope="session")
def squared_errors():
    """The function ||x - r||^2 of each row."""
    return lambda X, R: np.square(X - R).sum(axis=1)


@pytest.fixture
def small_data(monkeypatch):
    """Data for the code of the pages, in less time: digits are 200 rows, pictures not shown."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    load_digits = sklearn.datasets.load_digits

    def load_some_digits(return_X_y=False):
        digits = load_digits()
        digits.data, digits.target = digits.data[:200], digits.target[:200]
        return (digits.data, digits.target) if return_X_y else digits

    monkeypatch.setattr(sklearn.datasets, "load_digits", load_some_digits)
    monkeypatch.syspath_prepend(DOCS / "snippets")
    yield
    for path in DOCS.glob("snippets/*.py"):
        sys.modules.pop(path.stem, None)
