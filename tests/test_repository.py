"""What the project says to installers and hosts is what it runs."""

import re
import tomllib
from pathlib import Path

import pytest

import skae

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FLOOR = re.compile(r"([\w.-]+)(?:\[\w+\])?>=([\d.]+)")
PIN = re.compile(r"^([\w.-]+)==([\d.]+)", re.MULTILINE)
VERSION = re.compile(r'"(3\.\d+)"')

pytestmark = pytest.mark.skipif(
    not (ROOT / ".github").exists(), reason="a source distribution has no workflows"
)


def workflows():
    return {path.name: path.read_text("utf-8") for path in ROOT.glob(".github/workflows/*.yml")}


def pins(file):
    return dict(PIN.findall((ROOT / file).read_text(encoding="utf-8")))


def test_dependencies_are_run_in_the_oldest_versions_that_are_allowed():
    oldest = pins(".ci/oldest.txt")
    for dependency in PROJECT["dependencies"]:
        name, floor = FLOOR.fullmatch(dependency).groups()
        assert (oldest[name] + ".").startswith(floor + "."), dependency


def test_extras_allow_the_versions_that_are_pinned():
    def numbers(version):
        return [int(number) for number in version.split(".")]

    pinned = {name.lower(): version for name, version in pins("constraints.txt").items()}
    for requirement in sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"]):
        name, floor = FLOOR.fullmatch(requirement).groups()
        name = name if name in pinned else name.replace("-", "_")
        assert numbers(pinned[name]) >= numbers(floor), requirement


def test_workflows_run_each_python_that_is_named():
    prefix = "Programming Language :: Python :: 3."
    named = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if c.startswith(prefix)}
    assert set(VERSION.findall(workflows()["ci.yml"])) == named
    assert f">={min(named, key=lambda version: int(version[2:]))}" == PROJECT["requires-python"]


def test_workflows_run_what_there_is():
    for name, workflow in workflows().items():
        for script in re.findall(r"run: (\.ci/\w+)", workflow):
            assert (ROOT / script).exists(), (name, script)
    (libraries,) = re.findall(r"versions: \[(.+)\]", workflows()["ci.yml"])
    for versions in [*libraries.split(", "), "nightly"]:
        assert (ROOT / f".ci/{versions}.txt").exists(), versions


def test_the_changelog_begins_with_this_version():
    changelog = (ROOT / "docs/changelog.rst").read_text(encoding="utf-8")
    version, _ = re.findall(r"^(\d+\.\d+\.\d+) \((.+)\)\n-+$", changelog, re.MULTILINE)[0]
    assert version == skae.__version__


def test_the_account_of_the_repository_is_named_once():
    """In pyproject.toml, so that nothing else changes where the repository moves."""
    source = PROJECT["urls"]["Source"]
    assert PROJECT["urls"]["Issues"] == f"{source}/issues"
    account = f"/{source.split('/')[-2]}/{PROJECT['name']}"
    for pattern in ("*.md", "docs/*.*", ".github/**/*.*", "skae/**/*.py", ".readthedocs.yaml"):
        for path in ROOT.glob(pattern):
            assert account not in path.read_text(encoding="utf-8"), path
