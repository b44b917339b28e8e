"""Docstrings: complete, true to the signatures, and the same words for the same thing."""

import ast
import inspect
import re

import numpy as np
import pytest
from helpers import LABELS, SMALL, SUPERVISED, UNIT_X, small

import skae.datasets
import skae.inspection
import skae.metrics
import skae.networks

pytest.importorskip("numpydoc")
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

# The bar of scikit-learn: these numpydoc checks it ignores, too.
IGNORED = {"RT02", "GL01", "GL02"}
IGNORED_FOR_METHODS = IGNORED | {"ES01", "SA01", "EX01"}

CLASSES = {name: getattr(skae, name) for name in skae.__all__ if name != "__version__"}
each_class = pytest.mark.parametrize("name", CLASSES)
FUNCTIONS = [
    f"{module.__name__}.{name}"
    for module in (skae.datasets, skae.metrics)
    for name in module.__all__
]
DISPLAYS = [f"skae.inspection.{name}" for name in skae.inspection.__all__]
NETWORKS = [f"skae.networks.{name}" for name in skae.networks.__all__]
METHODS = [
    (name, method)
    for name, cls in CLASSES.items()
    for method, function in inspect.getmembers(cls, inspect.isfunction)
    if not method.startswith("_") and function.__module__.startswith("skae.")
]

# Descriptions that are a class's own, and say so by differing from Autoencoder's.
OWN_PARAMETERS = {
    ("SparseAutoencoder", "code_activation"),
    ("DenoisingAutoencoder", "code_activation"),
    ("ContractiveAutoencoder", "code_activation"),
    ("ContractiveAutoencoder", "tied_weights"),
    ("VAE", "code_activation"),
    ("VAE", "tied_weights"),
}
OWN_ATTRIBUTES = {
    *((name, attribute) for name in SUPERVISED for attribute in ("loss_curve_", "n_iter_")),
    ("StackedAutoencoder", "n_iter_"),
    ("VAE", "coefs_"),
    ("VAE", "encoder_"),
    ("VAE", "loss_"),
}


def errors(path, ignored):
    found = validate(path)["errors"]
    return [f"{code}: {message}" for code, message in found if code not in ignored]


def section(name, title):
    """(type, description) by name of what a class documents in a section."""
    documented = {}
    for parameter in ClassDoc(CLASSES[name])[title]:
        words = " ".join(parameter.desc)
        for part in parameter.name.split(","):
            documented[part.strip()] = (" ".join(parameter.type.split()), " ".join(words.split()))
    return documented


def test_every_public_class_is_tested():
    assert set(CLASSES) == {*SMALL, *SUPERVISED}


@each_class
def test_docstring_of_the_class(name):
    assert errors(f"skae.{name}", IGNORED) == []


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_docstring_of_a_method(name, method):
    assert errors(f"skae.{name}.{method}", IGNORED_FOR_METHODS) == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_docstring_of_a_function(function):
    assert errors(function, IGNORED) == []


@pytest.mark.parametrize("network", NETWORKS)
def test_docstring_of_a_network(network):
    assert errors(network, IGNORED) == []
    assert errors(f"{network}.build", IGNORED_FOR_METHODS) == []


@pytest.mark.parametrize("display", DISPLAYS)
def test_docstring_of_a_display(display):
    assert errors(display, IGNORED) == []
    for method in ("from_estimator", "plot"):
        assert errors(f"{display}.{method}", IGNORED_FOR_METHODS) == []


@each_class
def test_every_parameter_is_documented_in_order(name):
    signature = list(inspect.signature(CLASSES[name]).parameters)
    assert list(section(name, "Parameters")) == signature


@each_class
def test_defaults_are_those_of_the_signature(name):
    documented = section(name, "Parameters")
    for parameter in inspect.signature(CLASSES[name]).parameters.values():
        kind, _ = documented[parameter.name]
        default = re.search(r"default=(.+)$", kind)
        assert default, f"{parameter.name} : {kind}"
        assert ast.literal_eval(default[1]) == parameter.default, parameter.name


@each_class
def test_allowed_words_are_documented(name):
    """Every string that a parameter may be is named, here or in the parameter referred to."""
    text = " ".join(kind + words for kind, words in section(name, "Parameters").values())
    for constraints in CLASSES[name]._parameter_constraints.values():
        for constraint in constraints:
            for word in getattr(constraint, "options", ()):
                assert not isinstance(word, str) or f"'{word}'" in text, word


@each_class
def test_first_parameter_is_positional_and_all_others_keywords(name):
    kinds = [p.kind.name for p in inspect.signature(CLASSES[name]).parameters.values()]
    assert kinds == ["POSITIONAL_OR_KEYWORD"] + ["KEYWORD_ONLY"] * (len(kinds) - 1)


@each_class
@pytest.mark.parametrize(
    ("title", "own"), [("Parameters", OWN_PARAMETERS), ("Attributes", OWN_ATTRIBUTES)]
)
def test_same_words_for_the_same_thing(name, title, own):
    reference = section("Autoencoder", title)
    for key, (_, description) in section(name, title).items():
        if key in reference:
            same = description == reference[key][1]
            assert same != ((name, key) in own), key


SETTINGS = [
    {},
    {"early_stopping": True},
    {"corruption": "salt_and_pepper"},
    {"likelihood": "bernoulli"},
    {"sparsity": "l1"},
]
CONDITIONAL = re.compile(r"\b(only|Not there)\b")


def fitted_attributes(name):
    """Names of the public fitted attributes in any setting."""
    found = set()
    for setting in SETTINGS:
        if setting.keys() <= small(name).get_params().keys():
            estimator = small(name, **setting).fit(UNIT_X, LABELS)
            found |= {key for key in dir(estimator) if hasattr(estimator, key)}
    return {key for key in found if key.endswith("_") and not key.startswith("_")}


@each_class
def test_every_fitted_attribute_is_documented(name):
    assert fitted_attributes(name) - set(section(name, "Attributes")) == set()


@each_class
def test_every_documented_attribute_is_there(name):
    missing = set(section(name, "Attributes")) - fitted_attributes(name)
    assert missing <= {"feature_names_in_"}
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(UNIT_X, columns=list("abcdef"))
    assert hasattr(small(name).fit(frame, LABELS), "feature_names_in_")


@each_class
def test_attributes_that_are_not_always_there_say_so(name):
    estimator = small(name).fit(np.asarray(UNIT_X), LABELS)
    for attribute, (_, description) in section(name, "Attributes").items():
        if not hasattr(estimator, attribute):
            assert CONDITIONAL.search(description), attribute


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_parameters_of_methods_are_in_order(name, method):
    function = getattr(CLASSES[name], method)
    documented = [p.name.lstrip("*") for p in FunctionDoc(function)["Parameters"]]
    assert documented == [p for p in inspect.signature(function).parameters if p != "self"]


@each_class
def test_class_cites_its_paper(name):
    assert "https://" in "".join(ClassDoc(CLASSES[name])["References"])
