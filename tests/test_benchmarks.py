"""Scripts of docs/benchmarks that take long do in little time what they do."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch

BENCHMARKS = Path(__file__).parents[1] / "docs" / "benchmarks"
QUICK = ["ring", "features", "ratio", "infogan_digits", "step"]
QUICK_RIVAL = "digits: GaussianMixture() for each class"


@pytest.fixture
def script(monkeypatch):
    """A function that gives a script as a module, to be forgotten with all that lies beside it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == BENCHMARKS:
            del sys.modules[name]


@pytest.fixture
def gans(script):
    return script("gans")


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


@pytest.fixture
def larochelle(script, monkeypatch, tmp_path):
    """A function that runs the script with tiny networks and few images; returns its records."""
    module, problems = script("larochelle"), sys.modules["_larochelle_problems"]
    small = {"n_training": 60, "n_validation": 20, "width": 5, "pretraining": 2, "training": 2}
    for name, problem in problems.PROBLEMS.items():
        monkeypatch.setitem(problems.PROBLEMS, name, problem._replace(**small))
    monkeypatch.setattr(problems, "N_TEST", 100)
    rng = np.random.default_rng(0)
    images = {f"X_{part}": rng.integers(0, 256, (120, 784)) for part in ("train", "test")}
    labels = {f"y_{part}": np.arange(120) % 10 for part in ("train", "test")}
    np.savez(tmp_path / "mnist.npz", **images, **labels)
    files = ["--data", str(tmp_path / "mnist.npz"), "--out", str(tmp_path / "larochelle.json")]

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["larochelle.py", *arguments, *files])
        module.main()
        return json.loads((tmp_path / "larochelle.json").read_text())

    return run


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_larochelle_measures_all_methods_and_goes_on(larochelle, capsys):
    once = "rect", "bg-rand", "--draws", "0"
    known = larochelle(*once)
    methods = {key.split(" | ")[2] for key in known if key.startswith("rect")}
    assert {"RBF SVM 0%", "denoising 25%", "DBN", "random", "linear SVM, pixels"} <= methods
    assert "bg-rand | 0 | machines" in known and "bg-rand | 0 | random" not in known
    assert all(0 <= known[f"rect | 0 | {method}"]["test"] <= 100 for method in methods)
    capsys.readouterr()
    assert larochelle(*once) == known
    report = capsys.readouterr().out
    assert report.startswith("# Larochelle")  # nothing is measured again
    assert "| paper | 2.15 | 2.60 | 2.41 | 1.99 (10%) | 2.45 (25%) |" in report
    assert "| RestrictedBoltzmannMachine |" in report


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_larochelle_says_how_hard_pictures_make_a_problem(larochelle, monkeypatch):
    grey = np.random.default_rng(0).integers(0, 256, (40, 40)).astype(float)
    for name in ("_larochelle_pictures", "_larochelle_calibration"):
        monkeypatch.setattr(sys.modules[name], "pictures_as_they_are", lambda: [grey])
    known = larochelle("basic", "--draws", "0", "--methods", "calibration")
    found = known["basic | 0 | calibration"]
    assert len(found) == 4 and all(0 < error < 100 for error in found.values())


def test_larochelle_says_how_local_filters_are(script):
    locality = script("_larochelle_filters").locality
    even = np.ones((3, 28, 28))
    assert locality(even) == pytest.approx(81 / 784)
    spot = np.zeros((3, 28, 28))
    spot[:, 4:9, 20:28] = -2.0
    assert locality(spot) == pytest.approx(1)
    assert locality(np.concatenate([even, spot])) > locality(even)


def test_larochelle_destroys_the_part_that_it_says(script):
    methods = script("_larochelle_methods")
    kept = methods.destroy(torch.ones(100, 100), torch.Generator().manual_seed(0), 0.25)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert kept.mean().item() == pytest.approx(0.75, abs=0.02)


@pytest.fixture
def others(script, monkeypatch, tmp_path):
    """A function that runs the script, and returns its records and its page."""
    module, file = script("others"), tmp_path / "others.json"

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["others.py", *arguments, "--out", str(file)])
        module.main()
        return json.loads(file.read_text()), file.with_suffix(".md").read_text()

    return run


def test_others_keeps_answers_and_errors_with_versions(others):
    known, page = others("ways", "models", "--libraries", "PCA", "MLPRegressor")
    assert known["ways | PCA | `clone`"]["answer"] == "yes"
    assert known["ways | PCA | `clone`"]["version"] == sklearn.__version__
    assert known["ways | MLPRegressor | `set_output`"]["answer"].startswith("no: AttributeError")
    assert known["ways | MLPRegressor | in a Pipeline"]["answer"].startswith("no: TypeError: All")
    assert "\n| PCA | 0 of " in page and "All intermediate" not in page  # an expected "no"
    assert "| Boltzmann machine | scikit-learn: `BernoulliRBM` |" in page
    assert others("--report") == (known, page)


def test_others_measures_in_the_units_that_it_says(script):
    figures, libraries = script("_others_figures"), script("_others_libraries")
    pca = libraries.LIBRARIES["PCA"]
    assert figures.linear(pca)["ratio"] == pytest.approx(1, abs=1e-5)
    assert 0.95 < figures.kept(pca, "iris", False) < 1


def test_others_finds_who_touches_global_generators(script):
    questions, library = script("_others_questions"), script("_others_library")

    class Careless(library.Library):
        def model(self, n_features, network):
            return np.random.seed(network.seed)

        def train(self, model, X):
            raise ValueError("`a|b`\n" + "c" * 100)

    assert questions.answer(questions.pickled, Careless()) == "no: ValueError: 'a/b'"
    Careless.train = lambda self, model, X: None
    assert questions.answer(questions.leaves_generators, Careless()) == "no: numpy"
    assert questions.answer(questions.checks, Careless()) == "(not an estimator)"


def test_a_short_fit_makes_few_calls(script):
    """So that costs beside the arithmetic do not creep up: calls within skae, and between rooms."""
    (_, calls), (_, moves), (_, files) = script("_speed_costs").calls(None)
    assert int(calls) < 326
    assert int(moves) < 110
    assert int(files) < 163
