"""Which modules import which: the engine nothing above it, and none in a circle."""

import ast
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import skae

ROOT = Path(skae.__file__).parents[1]


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted((ROOT / "skae").rglob("*.py"))}
ENGINE = [name for name in FILES if name.startswith("skae._engine")]


def imported_by(module):
    """Full names of what a module imports, wherever in it: of modules, or of what is in them."""
    path = FILES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{source}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", ENGINE)
def test_the_engine_imports_nothing_above_it(module):
    for name in imported_by(module):
        assert name.partition(".")[0] != "sklearn", name
        assert name.partition(".")[0] != "skae" or name.startswith("skae._engine."), name


def test_the_engine_is_found():
    """So that a move of its modules does not leave them unchecked."""
    assert {"skae._engine", "skae._engine.network", "skae._engine.training"} <= set(ENGINE)


def test_no_modules_import_each_other():
    graph = {
        module: {name if name in FILES else name.rpartition(".")[0] for name in imported_by(module)}
        for module in FILES
    }
    TopologicalSorter(graph).prepare()  # CycleError names the modules of a circle
