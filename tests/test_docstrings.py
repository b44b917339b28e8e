"""Docstrings: complete, true to the signatures, and the same words for the same thing."""

import ast
import importlib
import inspect
import re

import numpy as np
import pytest
from helpers import (
    AROUND,
    GENERATORS,
    LABELS,
    OF_UNITS,
    SMALL,
    SUPERVISED,
    TRAINED,
    UNIT_X,
    AnyWidth,
    may_collapse,
    noise_for,
    small,
)

import skae.base
import skae.datasets
import skae.inspection
import skae.metrics
import skae.networks
import skae.onnx
import skae.tables

pytest.importorskip("numpydoc")
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

# Every check of numpydoc but for that of unnamed returns: ours have names, which say what they are.
IGNORED = {"RT02"}
# What the class's docstring has for its methods: a longer summary, neighbours and examples.
IGNORED_FOR_METHODS = IGNORED | {"ES01", "SA01", "EX01"}

CLASSES = {name: getattr(skae, name) for name in skae.__all__ if name != "__version__"}
each_class = pytest.mark.parametrize("name", CLASSES)
FUNCTIONS = [
    f"{module.__name__}.{name}"
    for module in (skae.datasets, skae.metrics, skae.onnx)
    for name in module.__all__
]
DISPLAYS = [f"skae.inspection.{name}" for name in skae.inspection.__all__]
NETWORKS = [f"skae.networks.{name}" for name in skae.networks.__all__]
OUTPUTS = ["Output", "SquaredError", "BinaryCrossEntropy", "CategoricalCrossEntropy"]
METHODS = [
    (name, method)
    for name, cls in CLASSES.items()
    for method, function in inspect.getmembers(cls, inspect.isfunction)
    if not method.startswith("_") and function.__module__.startswith("skae.")
]
PROPERTIES = [
    (name, attribute)
    for name, cls in CLASSES.items()
    for attribute, _ in inspect.getmembers(cls, lambda member: isinstance(member, property))
    if not attribute.startswith("_")
]
MODULES = [  # numpydoc's validation fails with packages, and where nothing is defined
    module
    for module in (
        *(skae.datasets, skae.inspection, skae.metrics),
        *(skae.networks, skae.onnx, skae.tables),
    )
    if not hasattr(module, "__path__")
]

# Descriptions that are a class's own, and say so by differing from Autoencoder's.
OWN_PARAMETERS = {
    ("SparseAutoencoder", "code_activation"),
    ("DenoisingAutoencoder", "code_activation"),
    ("ContractiveAutoencoder", "code_activation"),
    ("ContractiveAutoencoder", "tied_weights"),
    ("StackedAutoencoder", "max_iter"),
    ("StackedAutoencoder", "warm_start"),
    ("VAE", "code_activation"),
    ("VAE", "tied_weights"),
    *((OF_UNITS, parameter) for parameter in ("n_components", "solver", "table")),
    ("AutoencoderImputer", "random_state"),
    ("AutoencoderOutlierDetector", "random_state"),
    ("AutoencoderOutlierDetector", "table"),
    *(
        (name, parameter)
        for name in SUPERVISED
        for parameter in ("early_stopping", "max_iter", "n_iter_no_change", "validation_fraction")
    ),
}
# What a GAN's parameters are for: of the others only these are for what they are elsewhere.
OF_ALL = {"shuffle", "device", "precision"}
OWN_PARAMETERS |= {
    (name, parameter)
    for name in GENERATORS
    for parameter in set(small(name).get_params(deep=False)) - OF_ALL
}
OWN_ATTRIBUTES = {
    *(
        (name, attribute)
        for name in GENERATORS
        for attribute in ("n_components_", "loss_", "loss_curve_")
    ),
    *((name, attribute) for name in SUPERVISED for attribute in ("loss_curve_", "n_iter_")),
    *((OF_UNITS, its) for its in ("coefs_", "intercepts_", "loss_", "loss_curve_")),
    (OF_UNITS, "validation_loss_curve_"),
    ("AutoencoderRegressor", "coefs_"),
    ("DenoisingAutoencoder", "coefs_"),
    ("StackedAutoencoder", "loss_curve_"),
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
    return entries(ClassDoc(CLASSES[name])[title])


def entries(parameters):
    """The same of what numpydoc has read of a section."""
    documented = {}
    for parameter in parameters:
        words = " ".join(parameter.desc)
        for part in parameter.name.split(","):
            documented[part.strip().lstrip("*")] = (
                " ".join(parameter.type.split()),
                " ".join(words.split()),
            )
    return documented


def public(path):
    """The object at "skae.module.name"."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_every_public_class_is_tested():
    assert set(CLASSES) == {*TRAINED, *SUPERVISED, *AROUND}


@each_class
def test_docstring_of_the_class(name):
    assert errors(f"skae.{name}", IGNORED) == []


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_docstring_of_a_method(name, method):
    assert errors(f"skae.{name}.{method}", IGNORED_FOR_METHODS) == []


@pytest.mark.parametrize(("name", "attribute"), PROPERTIES)
def test_docstring_of_a_property(name, attribute):
    assert errors(f"skae.{name}.{attribute}", IGNORED_FOR_METHODS) == []


@pytest.mark.parametrize("module", MODULES)
def test_docstring_of_a_module(module):
    assert errors(module.__name__, IGNORED_FOR_METHODS) == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_docstring_of_a_function(function):
    assert errors(function, IGNORED) == []


@pytest.mark.parametrize("network", NETWORKS)
def test_docstring_of_a_network(network):
    assert errors(network, IGNORED) == []
    assert errors(f"{network}.build", IGNORED_FOR_METHODS) == []


def test_docstring_of_the_encoder_of_tables():
    path = "skae.tables.TableEncoder"
    assert errors(path, IGNORED) == []
    for method in ("fit", "transform", "inverse_transform", "get_feature_names_out"):
        assert errors(f"{path}.{method}", IGNORED_FOR_METHODS) == []


@pytest.mark.parametrize("display", DISPLAYS)
def test_docstring_of_a_display(display):
    assert errors(display, IGNORED) == []
    for method in ("from_estimator", "plot"):
        assert errors(f"{display}.{method}", IGNORED_FOR_METHODS) == []


@pytest.mark.parametrize("name", ["BaseAutoencoder", "penalized", *OUTPUTS])
def test_docstring_of_what_variants_import(name):
    assert errors(f"skae.base.{name}", IGNORED) == []


@pytest.mark.parametrize("method", [name for name in vars(skae.base.Output) if name[0] != "_"])
def test_docstring_of_a_method_of_outputs(method):
    if callable(getattr(skae.base.Output, method)):
        assert errors(f"skae.base.Output.{method}", IGNORED_FOR_METHODS) == []


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


@pytest.mark.parametrize("path", [*FUNCTIONS, *NETWORKS, "skae.tables.TableEncoder"])
def test_parameters_outside_of_estimators_are_documented(path):
    """In order, with the defaults of the signature."""
    found, signature = public(path), inspect.signature(public(path)).parameters
    document = ClassDoc(found) if inspect.isclass(found) else FunctionDoc(found)
    documented = entries(document["Parameters"])
    assert list(documented) == list(signature)
    for parameter in signature.values():
        if documented[parameter.name][0] == "None":  # y, which is ignored
            continue
        default = re.search(r"default=(.+)$", documented[parameter.name][0])
        required = parameter.default is inspect.Parameter.empty
        assert (default is None) == required, parameter.name
        assert required or ast.literal_eval(default[1]) == parameter.default, parameter.name


FILLERS = {"a", "an", "and", "are", "as", "at", "by", "for", "in", "is", "it", "its", "of", "or"}
FILLERS |= {"that", "the", "to", "with"}


def says(name, description):
    """How many words a description has beside fillers and those of the name itself."""
    words = re.findall("[a-z]+", description.lower())
    return len({*words} - FILLERS - {*re.findall("[a-z]+", name.lower())})


@each_class
def test_descriptions_say_more_than_the_name(name):
    for parameter, (_, description) in section(name, "Parameters").items():
        assert says(parameter, description) >= 10, parameter
    for attribute, (_, description) in section(name, "Attributes").items():
        assert says(attribute, description) >= 4, attribute


@pytest.mark.parametrize("path", NETWORKS)
def test_descriptions_of_a_network_say_more_than_the_name(path):
    for parameter, (_, description) in entries(ClassDoc(public(path))["Parameters"]).items():
        assert says(parameter, description) >= 10, parameter


CALLABLES = [
    *(getattr(CLASSES[name], method) for name, method in METHODS),
    *(public(path) for path in FUNCTIONS),
]


@pytest.mark.parametrize("function", CALLABLES, ids=lambda function: function.__qualname__)
def test_descriptions_of_a_function_say_more_than_the_name(function):
    for parameter, (kind, description) in entries(FunctionDoc(function)["Parameters"]).items():
        assert kind == "None" or says(parameter, description) >= 2, parameter


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


@pytest.mark.parametrize("title", ["Parameters", "Attributes"])
def test_same_words_in_classifier_and_regressor(title):
    classifier, regressor = (section(name, title) for name in SUPERVISED)
    # Classes have proportions, and no units.
    own = {"early_stopping", "coefs_", "module_"}
    for key in classifier.keys() & regressor.keys() - own:
        assert classifier[key] == regressor[key], key


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("ConditionalGAN", {"generator_", "discriminator_", "offset_"}),
        ("InfoGAN", {"n_components_", "discriminator_"}),
    ],
)
def test_same_words_in_all_gans(name, own):
    for title, its in (("Parameters", set()), ("Attributes", own)):
        plain, other = section("GAN", title), section(name, title)
        assert {key for key in plain if plain[key] != other[key]} == its


SETTINGS = [
    {},
    {"early_stopping": True},
    {"corruption": "salt_and_pepper"},
    {"likelihood": "bernoulli"},
    {"sparsity": "l1"},
]
OF_FRAMES = {"feature_names_in_", "table_", "data_mean_"}
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
    assert missing <= OF_FRAMES
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(UNIT_X, columns=list("abcdef")).assign(g=list("xyz") * (len(UNIT_X) // 3))
    takes_none = name in ("AutoencoderImputer", OF_UNITS)
    frame = frame.drop(columns="g") if takes_none else frame
    estimator = small(name).fit(frame, LABELS)
    assert all(hasattr(estimator, attribute) for attribute in missing)


@each_class
def test_attributes_that_are_not_always_there_say_so(name):
    estimator = small(name).fit(np.asarray(UNIT_X), LABELS)
    for attribute, (_, description) in section(name, "Attributes").items():
        if not hasattr(estimator, attribute):
            assert CONDITIONAL.search(description), attribute


# (class, setting, attributes that are not there with it)
WITHOUT = [
    ("VAE", {"likelihood": "bernoulli"}, ["noise_variance_"]),
    ("VAE", {"likelihood": "categorical"}, ["noise_variance_"]),
    ("VAE", {"noise_variance": "heteroscedastic"}, ["noise_variance_"]),
    ("DenoisingAutoencoder", {"loss": "binary_cross_entropy"}, ["noise_variance_"]),
    *(
        (name, {"network": AnyWidth(), "tied_weights": False}, ["coefs_", "intercepts_"])
        for name in SMALL
        if name != "StackedAutoencoder"
    ),
    ("StackedAutoencoder", {"estimator__network": AnyWidth()}, ["coefs_", "intercepts_"]),
    *(
        (name, {"autoencoder__estimator__network": AnyWidth()}, ["coefs_", "intercepts_"])
        for name in SUPERVISED
    ),
]


@may_collapse
@pytest.mark.parametrize(("name", "setting", "lacking"), WITHOUT)
def test_attributes_are_missing_where_they_are_said_to_be(name, setting, lacking):
    estimator, documented = small(name, **setting).fit(UNIT_X, LABELS), section(name, "Attributes")
    found = {key for key in documented if not hasattr(estimator, key)}
    assert set(lacking) <= found <= {*lacking, *OF_FRAMES}
    assert all(re.search(r"\b([Oo]nly|Not)\b", documented[key][1]) for key in found)


@pytest.mark.parametrize("name", [*SMALL, *SUPERVISED])
def test_validation_losses_are_none_without_held_out_rows(name):
    assert small(name).fit(UNIT_X, LABELS).validation_loss_curve_ is None
    stopped = small(name, early_stopping=True).fit(UNIT_X, LABELS)
    assert len(stopped.validation_loss_curve_) == len(stopped.loss_curve_)
    if "kl_warmup" not in stopped.get_params() and name != "SparseAutoencoder":
        full_batch = small(name, early_stopping=True, solver="lbfgs").fit(UNIT_X, LABELS)
        assert full_batch.validation_loss_curve_ is None


SHAPE = re.compile(r"\(([a-z_0-9* +]*,[a-z_0-9* +,]*)\)")


def documented_shapes(kind, sizes):
    """Shapes that a type names, such as "ndarray of shape (n_samples, n_components)"."""
    return [eval(f"({shape})", {}, sizes) for shape in SHAPE.findall(kind)]


@each_class
def test_shapes_of_attributes_are_the_documented_ones(name):
    estimator = small(name).fit(UNIT_X, LABELS)
    keys = ("n_components_", "n_features_in_", "n_features_out_")
    sizes = {key: getattr(estimator, key) for key in keys if hasattr(estimator, key)}
    sizes["n_classes"] = len(set(LABELS))
    for attribute, (kind, _) in section(name, "Attributes").items():
        found = getattr(estimator, attribute, None)
        if isinstance(found, np.ndarray) and "of shape" in kind:
            assert found.shape in documented_shapes(kind, sizes), attribute
        elif kind in ("int", "float", "list of float"):
            number = found[0] if kind == "list of float" else found
            assert type(number).__name__ == kind.split()[-1], attribute


ARGUMENTS = {"n": 2, "n_samples": 4, "n_steps": 2, "n_draws": 5}


def call(estimator, method, X):
    """What a method returns, for X or, where it wants numbers alone, these."""
    wanted = inspect.signature(getattr(estimator, method)).parameters
    numbers = {key: value for key, value in ARGUMENTS.items() if key in wanted}
    if "y" in wanted and wanted["y"].default is inspect.Parameter.empty:
        numbers["y"] = LABELS
    if "Z" in wanted:
        numbers["Z"] = noise_for(estimator, len(X))
    return getattr(estimator, method)(*([X] if "X" in wanted else []), **numbers)


CHANGING = ("fit", "partial_fit", "set_callbacks", "set_params")
READING = [pair for pair in METHODS if pair[1] not in CHANGING]


@may_collapse
@pytest.mark.parametrize(("name", "method"), READING)
def test_shapes_of_returns_are_the_documented_ones(name, method):
    estimator, X = small(name).fit(UNIT_X, LABELS), UNIT_X
    n_components = getattr(estimator, "n_components_", 0)
    sizes = {"n_features": X.shape[1], "n_components": n_components, **ARGUMENTS}
    if method != "sample":
        sizes["n_samples"] = len(X)
    sizes |= {"n_classes": 3, "n_outputs": 1, "n_features_out": X.shape[1], "n_hidden": 8}
    sizes["n_codes"] = 3
    codes = np.zeros((len(X), n_components))
    returned = call(estimator, method, codes if method == "inverse_transform" else X)
    documented = FunctionDoc(getattr(CLASSES[name], method))["Returns"]
    kinds = [its.type for its in documented]
    if kinds == ["float"]:
        assert isinstance(returned, float)
        return
    arrays = returned if isinstance(returned, tuple) else (returned,)
    for array, kind in zip(arrays, kinds if len(kinds) > 1 else kinds * len(arrays), strict=True):
        assert np.shape(array) in documented_shapes(kind, sizes)


DETECTOR = "AutoencoderOutlierDetector"  # which has no codes
JUDGING = ("score_samples", "decision_function", "predict", "feature_errors", "code_distances")
# (class, method, arguments that do not suit it)
MISTAKES = [
    *((name, "fit", (UNIT_X[0], LABELS)) for name in CLASSES),
    *((name, "transform", (UNIT_X[:, :2],)) for name in CLASSES if name != DETECTOR),
    *((name, "inverse_transform", (UNIT_X[:, :1],)) for name in SMALL),
    *((name, "reconstruct", (UNIT_X[:, :2],)) for name in SMALL),
    *((name, "score_samples", (UNIT_X[:, :2],)) for name in SMALL),
    *((name, "feature_errors", (UNIT_X[:, :2],)) for name in SMALL),
    *((name, "score", (UNIT_X[:, :2],)) for name in SMALL),
    *((name, "partial_fit", (np.full((4, 6), np.inf),)) for name in SMALL),
    *((name, "predict", (UNIT_X[:, :2],)) for name in SUPERVISED),
    *((DETECTOR, method, (UNIT_X[:, :2],)) for method in JUDGING),
    ("AutoencoderClassifier", "predict_proba", (UNIT_X[:, :2],)),
    ("AutoencoderClassifier", "predict_log_proba", (UNIT_X[:, :2],)),
    ("ContractiveAutoencoder", "jacobian", (UNIT_X[:, :2],)),
    ("ContractiveAutoencoder", "jacobian_norm", (UNIT_X[:, :2],)),
    ("ContractiveAutoencoder", "tangents", (UNIT_X, 7)),
    ("DenoisingAutoencoder", "corrupt", (UNIT_X[:, :2],)),
    ("DenoisingAutoencoder", "sample", (0,)),
    *((name, "score", (UNIT_X[:, :2],)) for name in GENERATORS),
    *((name, "partial_fit", (np.full((4, 6), np.inf), LABELS[:4])) for name in GENERATORS),
    *((name, "sample", (0,)) for name in GENERATORS),
    ("GAN", "generate", (UNIT_X,)),
    ("GAN", "discriminate", (UNIT_X[:, :2],)),
    ("InfoGAN", "generate", (UNIT_X[:, :3],)),
    ("InfoGAN", "predict", (UNIT_X[:, :2],)),
    ("InfoGAN", "discriminate", (UNIT_X[:, :2],)),
    ("ConditionalGAN", "fit", (UNIT_X, UNIT_X[:, 0])),
    ("ConditionalGAN", "generate", (UNIT_X[:, :3], 3)),
    ("ConditionalGAN", "discriminate", (UNIT_X, 3)),
    ("ConditionalGAN", "score", (UNIT_X, LABELS[:3])),
    ("VAE", "sample", (0,)),
    ("VAE", "posterior", (UNIT_X[:, :2],)),
    ("VAE", "log_likelihood", (UNIT_X, 0)),
]


@may_collapse
@pytest.mark.parametrize(("name", "method", "arguments"), MISTAKES)
def test_errors_that_a_user_meets_are_documented(name, method, arguments):
    estimator = small(name).fit(UNIT_X, LABELS)
    with pytest.raises(ValueError):
        getattr(estimator, method)(*arguments)
    raised = {error.type for error in FunctionDoc(getattr(CLASSES[name], method))["Raises"]}
    assert "ValueError" in raised


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_parameters_of_methods_are_in_order(name, method):
    function = getattr(CLASSES[name], method)
    documented = [p.name.lstrip("*") for p in FunctionDoc(function)["Parameters"]]
    assert documented == [p for p in inspect.signature(function).parameters if p != "self"]


# What comes from no paper.
OWN_IDEAS = {"extract_patches", "average_patches", "explained_variance", "neg_reconstruction_error"}
SOURCED = [
    *(f"skae.{name}" for name in CLASSES),
    *NETWORKS,
    *(path for path in FUNCTIONS if path.rpartition(".")[2] not in OWN_IDEAS),
]


@pytest.mark.parametrize("path", SOURCED)
def test_sources_are_cited(path):
    found = public(path)
    document = ClassDoc(found) if inspect.isclass(found) else FunctionDoc(found)
    assert "https://" in "".join(document["References"])
