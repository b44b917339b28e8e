"""The representation in notebooks, and where its links lead."""

import re
import tomllib
from pathlib import Path

import pytest
from helpers import AROUND, SUPERVISED, TRAINED
from sklearn import __version__ as sklearn_version
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.fixes import parse_version

import skae
from skae._compat import SITE
from skae.networks import ConvNet

ROOT = Path(__file__).parents[1]


def documented():
    """Names that the API lists, each of which has a page."""
    module, names = "", set()
    for line in (ROOT / "docs" / "api.rst").read_text().splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        elif line.startswith("    ") and ":" not in line:
            names.add(f"{module}.{line.strip()}")
    return names


@pytest.mark.parametrize(
    ("name", "estimator"),
    [*TRAINED.items(), *SUPERVISED.items(), *AROUND.items(), ("networks.ConvNet", ConvNet())],
)
def test_links_to_its_page(name, estimator):
    assert estimator._get_doc_link() == f"{SITE}/generated/skae.{name}.html"
    assert f"skae.{name}" in documented()


def test_notebook_shows_the_link():
    html = make_pipeline(MinMaxScaler(), skae.VAE())._repr_html_()
    assert re.search(f'href="{SITE}/generated/skae.VAE.html"', html)


@pytest.mark.skipif(
    parse_version(sklearn_version) < parse_version("1.9"),
    reason="scikit-learn shows them from 1.9 on",
)
def test_notebook_shows_fitted_attributes(digits):
    html = skae.Autoencoder(4, max_iter=1, random_state=0).fit(digits)._repr_html_()
    assert "n_iter_" in html and "loss_curve_" in html


def test_no_link_for_classes_of_others():
    class Mine(skae.Autoencoder):
        pass

    assert Mine()._get_doc_link() == ""


def test_metadata_name_the_same_site():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["urls"]["Documentation"].rstrip("/") == SITE
