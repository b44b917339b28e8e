"""Types: public functions say what they return, it is so, and pyright can follow."""

import importlib
import inspect
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import types
import typing
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import (
    AROUND,
    GENERATORS,
    LABELS,
    OF_UNITS,
    SUPERVISED,
    TRAINED,
    UNIT_X,
    X,
    may_collapse,
    noise_for,
    small,
)
from scipy.sparse import coo_array, csr_array, csr_matrix

import skae
from skae._adversarial import OF_MINIMISERS
from skae._engine.data import Data
from skae.base import LOSSES
from skae.networks import ConvNet
from skae.tables import TableEncoder

ROOT = Path(__file__).parents[1]
MODULES = ["skae"] + [
    f"skae.{module.name}" for module in pkgutil.iter_modules(skae.__path__) if module.name[0] != "_"
]


def is_ours(thing):
    return getattr(thing, "__module__", "").startswith("skae")


PUBLIC = {  # classes and functions by their names
    f"{module}.{name}": getattr(importlib.import_module(module), name)
    for module in MODULES
    for name in getattr(importlib.import_module(module), "__all__", ())
    if is_ours(getattr(importlib.import_module(module), name))
}
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if inspect.isroutine(thing)}
ESTIMATORS = [*TRAINED, *SUPERVISED, *AROUND]
each_estimator = pytest.mark.parametrize("name", ESTIMATORS)


def members(cls):
    """The functions behind a class's public methods and properties that are skae's, by name."""
    for name, member in inspect.getmembers(cls):
        function = getattr(member, "fget", member)
        if name[0] != "_" and callable(function) and is_ours(function):
            yield name, inspect.unwrap(getattr(function, "__func__", function))


def result_type(function):
    return typing.get_type_hints(function)["return"]


CALLABLES = {
    **FUNCTIONS,
    **{f"{path}.{name}": f for path, cls in CLASSES.items() for name, f in members(cls)},
}


@pytest.mark.parametrize("path", CALLABLES)
def test_result_has_a_type(path):
    assert "return" in inspect.unwrap(CALLABLES[path]).__annotations__


def test_walk_finds_what_there_is():
    estimators = {name for name in skae.__all__ if f"skae.{name}" in CLASSES}
    assert set(ESTIMATORS) == estimators
    assert set(CALLABLES) > {
        "skae.VAE.partial_fit",
        "skae.VAE.coefs_",
        "skae.base.Output.draw",
        "skae.inspection.FilterDisplay.from_estimator",
        "skae.metrics.explained_variance",
    }


def is_of(value, kind, cls=None):
    """Whether a value is of an annotated type; Self is `cls`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(is_of(value, one, cls) for one in arguments)
    if origin is tuple:
        alike = type(value) is tuple and len(value) == len(arguments)
        return alike and all(map(is_of, value, arguments))
    if origin is list:
        return type(value) is list and all(is_of(one, arguments[0]) for one in value)
    if kind is float:  # to which an int may be passed on, as PEP 484 has it
        return isinstance(value, (float, int)) and not isinstance(value, bool)
    return isinstance(value, cls if kind is typing.Self else kind)


def test_is_of():
    assert is_of([1.0], list[float]) and not is_of(["1"], list[float])
    assert is_of(None, int | None) and not is_of("1", int | None)
    assert is_of((X, 1), tuple[np.ndarray, int]) and not is_of([X, 1], tuple[np.ndarray, int])
    assert is_of("", typing.Self, str) and not is_of(True, float)


def arguments(function, known):
    """What to call a function with: of the known values, those that have no default."""
    required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    return {p.name: known[p.name] for p in required if p.kind.name[:4] != "VAR_"}


@may_collapse
@each_estimator
def test_methods_return_what_their_types_say(name):
    estimator = small(name).fit(UNIT_X, LABELS)
    known = {"X": UNIT_X, "y": LABELS, "n": 2, "Z": noise_for(estimator, 2)}
    for method, function in members(type(estimator)):
        result = getattr(estimator, method)
        if not isinstance(getattr(type(estimator), method), property):
            if method == "inverse_transform":
                known = {**known, "X": estimator.transform(UNIT_X)}
            known["y"] = 0 if method == "generate" else LABELS
            result = result(**arguments(result, known))
            known["X"] = UNIT_X
        assert is_of(result, result_type(function), type(estimator)), method


@may_collapse
@each_estimator
def test_fitted_attributes_are_what_their_types_say(name):
    pd = pytest.importorskip("pandas")
    takes_none = name in AROUND or name == OF_UNITS
    encoded = {} if takes_none else {"table": TableEncoder()}  # so that all are there
    estimator = small(name, **encoded).fit(pd.DataFrame(UNIT_X, columns=list("abcdef")), LABELS)
    declared = typing.get_type_hints(type(estimator))
    for attribute in OF_MINIMISERS if name in GENERATORS else ():
        assert not hasattr(estimator, attribute)
        del declared[attribute]
    if name == OF_UNITS:
        assert not hasattr(estimator, "table_")
        del declared["table_"]
    assert name in AROUND or {"n_iter_", "loss_curve_"} < set(declared)
    for attribute, kind in declared.items():
        assert is_of(getattr(estimator, attribute), kind), attribute


@may_collapse
@each_estimator
def test_fitted_attributes_have_types(name):
    """But for those that are private, and properties, which are above."""
    stops = "early_stopping" in small(name).get_params(deep=False)
    estimator = small(name, **{"early_stopping": True} if stops else {}).fit(UNIT_X, LABELS)
    public = {name for name in vars(estimator) if name[0] != "_" and name.endswith("_")}
    assert public <= set(typing.get_type_hints(type(estimator)))
    assert not stops or is_of(estimator.validation_loss_curve_, list[float])


@may_collapse
@pytest.mark.parametrize("noise_variance", ["shared", "per_feature", 0.1])
def test_noise_variance_is_what_its_type_says(noise_variance):
    vae = small("VAE", noise_variance=noise_variance).fit(X)
    assert is_of(vae.noise_variance_, np.ndarray if noise_variance == "per_feature" else float)


@pytest.mark.parametrize(("kind", "corrupted"), [(csr_matrix, csr_matrix), (coo_array, csr_array)])
def test_corrupted_sparse_rows_are_what_their_types_say(kind, corrupted):
    denoising = small("DenoisingAutoencoder", corruption="swap").fit(UNIT_X)
    assert is_of(denoising.corrupt(kind(UNIT_X)), corrupted)
    assert corrupted in typing.get_args(result_type(denoising.corrupt))


@pytest.mark.parametrize("path", FUNCTIONS)
def test_functions_return_what_their_types_say(path):
    if path.startswith("skae.onnx."):
        pytest.importorskip("skl2onnx")
    squares = UNIT_X[:35, :4]
    known = {
        **{"loss": torch.tensor(1.0), "penalty": torch.tensor(1.0), "weight": 0.1},
        **{"estimator": small("Autoencoder").fit(squares), "X": squares},
        **{"image": UNIT_X[:8].reshape(6, 8), "patch_shape": (2, 2), "step": 1},
        **{"patches": squares, "image_shape": (6, 8), "samples": squares, "pictures": [UNIT_X]},
        **{"formula": lambda code, sample_weight=None: None},
    }
    function = FUNCTIONS[path]
    assert is_of(function(**arguments(function, known)), result_type(function))


@pytest.mark.parametrize("output", LOSSES.values(), ids=str)
def test_outputs_return_what_their_types_say(output):
    rows = torch.tensor(UNIT_X)
    network = small("Autoencoder", loss=output.name).fit(UNIT_X)._network_copy()
    known = {
        **dict.fromkeys(("output", "x", "reconstructions"), rows),
        **{"means": UNIT_X, "rng": np.random.default_rng(0), "spread": 2.0},
        **{"X": UNIT_X, "name": "X", "parameter": "loss", "n_features": 6, "has_back": False},
        **{"network": network, "data": Data(UNIT_X)},
    }
    for method, function in members(type(output)):
        call = getattr(output, method)
        assert is_of(call(**arguments(call, known)), result_type(function)), method


def test_networks_return_what_their_types_say():
    widths = {"n_inputs": 6, "n_outputs": 6, "activation": "relu"}
    assert is_of(ConvNet((1, 2, 3)).build(6, **widths), result_type(ConvNet.build))


def test_displays_return_what_their_types_say():
    pytest.importorskip("matplotlib.pyplot")
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    kinds = (Axes, BarContainer, Colorbar, Figure, Line2D, PathCollection)
    drawn = {kind.__name__: kind for kind in kinds}
    drawers = {"OutlierScoresDisplay": "AutoencoderOutlierDetector", "SamplesDisplay": "VAE"}
    more = {"LatentTraversalDisplay": {"X": X}, "SamplesDisplay": {"image_shape": (2, 3)}}
    for cls in (cls for path, cls in CLASSES.items() if path.startswith("skae.inspection.")):
        name = drawers.get(cls.__name__, "Autoencoder")
        known = {"estimator": small(name).fit(X), "X": X}
        options = more.get(cls.__name__, {})
        display = cls.from_estimator(**arguments(cls.from_estimator, known), **options)
        assert is_of(display, typing.Self, cls) and is_of(display.plot(), typing.Self, cls)
        for attribute, kind in typing.get_type_hints(cls, localns=drawn).items():
            assert is_of(getattr(display, attribute), kind), (cls, attribute)


def test_encoder_of_tables_returns_what_its_types_say():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"age": [31, 58], "job": ["clerk", "miner"]})
    encoder = TableEncoder().fit(table)
    known = {"X": table}
    for method, function in members(TableEncoder):
        known["X"] = encoder.transform(table) if method == "inverse_transform" else table
        kind = typing.get_type_hints(function, localns={"pd": pd})["return"]
        bound = getattr(encoder, method)
        assert is_of(bound(**arguments(bound, known)), kind, TableEncoder), method
    declared = typing.get_type_hints(TableEncoder, localns={"pd": pd})
    public = {name for name in vars(encoder) if name[0] != "_" and name.endswith("_")}
    assert public <= set(declared)
    for attribute in public:
        assert is_of(getattr(encoder, attribute), declared[attribute]), attribute


def kinds_of(constraint):
    """What values a constraint of scikit-learn's allows, as types; none of a constraint unknown."""
    words = {"boolean": {bool}, "verbose": {bool, int}, None: {types.NoneType}}
    if constraint is None or isinstance(constraint, str):
        return words.get(constraint, set())
    if constraint is callable:
        return {Callable}
    if hasattr(constraint, "options"):
        return {type(option) for option in constraint.options}
    kind = getattr(constraint, "type", None)
    return {float if kind is Real else int} if kind in (Real, Integral) else set()


PARAMETERS = [
    (path, parameter)
    for path, cls in CLASSES.items()
    if hasattr(cls, "_parameter_constraints") and "__init__" in vars(cls)
    for parameter in cls._parameter_constraints
]


@pytest.mark.parametrize(("path", "parameter"), PARAMETERS)
def test_parameters_are_of_no_narrower_a_type_than_their_values(path, parameter):
    """Where there is no type, pyright infers it from the default, and refuses all others."""
    signature = inspect.signature(CLASSES[path]).parameters[parameter]
    default, kind = signature.default, signature.annotation
    if kind is signature.empty:
        kind = type(default)
        if kind not in (str, bool, int, float):  # of others, nothing is inferred
            return
    accepted = set(typing.get_args(kind)) or {kind}
    accepted |= {int} if float in accepted else set()
    accepted |= {bool} if int in accepted else set()
    for constraint in CLASSES[path]._parameter_constraints[parameter]:
        assert kinds_of(constraint) <= accepted


def written_for_pyright(folder):
    """What users write: the file of it, README's code, and that of the documentation."""
    shutil.copy(ROOT / "tests/user_code.py", folder)
    for snippet in (ROOT / "docs/snippets").glob("*.py"):
        shutil.copy(snippet, folder)
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(code) >= 3
    (folder / "readme.py").write_text("\n".join(code), "utf-8")


@pytest.mark.timeout(300)
def test_pyright_finds_no_error(tmp_path):
    pytest.importorskip("pyright")
    written_for_pyright(tmp_path)
    # In a folder of its own, so that skae is what users have: the installed package.
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] >= 4
    assert [
        f"{Path(found['file']).name}:{found['range']['start']['line'] + 1}: {found['message']}"
        for found in report["generalDiagnostics"]
    ] == []
