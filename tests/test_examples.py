"""The examples in docstrings run and give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import skae

MODULES = ["skae"] + [module.name for module in pkgutil.walk_packages(skae.__path__, "skae.")]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    if "onnx" in name:
        pytest.importorskip("skl2onnx")
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0
