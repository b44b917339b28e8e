"""Scripts of docs/benchmarks that take long do in little time what they do."""

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "docs" / "benchmarks"
QUICK = ["ring", "features", "ratio", "infogan_digits", "step"]
QUICK_RIVAL = "digits: GaussianMixture() for each class"


@pytest.fixture
def gans(monkeypatch):
    """The script gans.py as a module, which is forgotten with all that lies beside it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield importlib.import_module("gans")
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == BENCHMARKS:
            del sys.modules[name]


@pytest.fixture
def run(gans, monkeypatch, tmp_path):
    """A function that runs the script, with records in a folder of the test."""

    def run(*arguments):
        command = ["gans.py", *arguments, "--seeds", "0", "--out", str(tmp_path / "gans.json")]
        monkeypatch.setattr(sys, "argv", command)
        gans.main()

    return run


def test_gans_tries_everything_and_keeps_nothing(run, tmp_path, capsys):
    tasks = ["1 minute", "digits", "pair", "ring, 64-64"]
    run(*QUICK, "--tasks", *tasks, "--fraction", "0.001")
    report = capsys.readouterr().out
    for part in QUICK:
        assert f"\n{part} | " in "\n" + report
    assert "left out" not in report
    assert "| ring, 1 minute: modes found | at least 8 |" in report
    assert not list(tmp_path.iterdir())


def test_gans_goes_on_where_it_was_interrupted(run, tmp_path, capsys):
    once = "compare", "--tasks", QUICK_RIVAL
    run(*once)
    assert f"compare | {QUICK_RIVAL} | 0 {{" in capsys.readouterr().out
    records = (tmp_path / "gans.json").read_text()
    assert json.loads(records)[f"compare | {QUICK_RIVAL} | 0"]["cas"] > 0.9
    run(*once)
    report = capsys.readouterr().out
    assert report.startswith("# Generative adversarial networks")
    assert (tmp_path / "gans.json").read_text() == records
    assert (tmp_path / "gans.md").read_text() in report


def test_gans_has_a_part_for_each_bar(gans):
    report = importlib.import_module("_gans_report")
    for part, task in [*report.BARS, *report.BUDGETS, *report.OF_MNIST, *report.OF_CATEGORIES]:
        assert task in gans.PARTS[part].tasks
