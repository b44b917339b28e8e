"""The page "With other tools": its code runs with the packages that it is about."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import sklearn
from pages import DOCS, sections_of

PAGE = DOCS / "user_guide/with_other_tools.rst"
PROGRAMS = dict(sections_of(PAGE.read_text(encoding="utf-8")))
SERVING = ["-m", "mlflow", "models", "serve", "--env-manager", "local", "--model-uri"]
SECONDS = 120  # for the server to start
# What the packages say to each other is not skae's; what they and skae say to the page's code is.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error:::skae"),
    pytest.mark.filterwarnings("error:::__main__"),
]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(small_data, tmp_path, monkeypatch):
    """What tools write is left nowhere."""
    monkeypatch.chdir(tmp_path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(model_uri):
    """The address of a server of the model."""
    port, path = str(free_port()), os.environ.get("PATH", "")
    own = Path(sys.executable).parent  # where uvicorn is, which it starts by name
    env = {**os.environ, "PATH": f"{own}{os.pathsep}{path}"}
    server = subprocess.Popen([sys.executable, *SERVING, model_uri, "--port", port], env=env)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/ping", server)
        yield address
    finally:
        server.terminate()
        server.wait()


def wait_for(address, server):
    """Return when it answers."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except (URLError, TimeoutError):
            if time.monotonic() > end or server.poll() is not None:
                raise
            time.sleep(0.2)


def post(address, rows):
    """What the server answers to rows."""
    body, kind = (
        json.dumps({"inputs": rows.tolist()}).encode(),
        {"Content-Type": "application/json"},
    )
    request = urllib.request.Request(f"{address}/invocations", body, kind)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["predictions"]


def mlflow_serves_codes(names):
    with served(names["served"].model_uri) as address:
        codes = post(address, names["X_test"][:3])
    np.testing.assert_allclose(codes, names["codes"][:3], rtol=1e-4, atol=1e-5)


def mlflow_has_the_loss_curve(names):
    (run,) = names["mlflow"].search_runs(filter_string="metrics.loss > 0")["run_id"]
    history = names["mlflow"].MlflowClient().get_metric_history(run, "loss")
    assert [entry.value for entry in history] == names["logged"].loss_curve_


def mlflow_serves_and_logs(names):
    mlflow_has_the_loss_curve(names)
    mlflow_serves_codes(names)


def scores_without_predict_are_nan(names):
    with pytest.warns(UserWarning, match="Scoring failed"):
        scores = names["cross_val_score"](names["autoencoder"], names["X"], cv=2, scoring="r2")
    assert np.isnan(scores).all()


def optuna_has_pruned_trials(names):
    for name in ("study", "study_of_classifiers"):
        states = {trial.state.name for trial in names[name].trials}
        assert states == {"COMPLETE", "PRUNED"}, name


def dask_has_scored_what_is_fitted(names):
    search, autoencoder = names["search"], names["autoencoder"]
    here = type(search)(autoencoder, search.param_grid, cv=2).fit(names["X"])
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(search.cv_results_[name], here.cv_results_[name])
    np.testing.assert_array_equal(names["codes"], names["encoder"].estimator.transform(names["X"]))


def weights_matter(names):
    assert names["decayed"].score(names["X_train"], names["y_train"]) > 0.5


def cleanlab_finds_wrong_labels(names):
    found = names["cleaning"].get_label_issues()["is_label_issue"]
    assert found[:20].mean() > 4 * found[20:].mean()


def skops_asks_for_public_types(names):
    saved, skops = names["saved"], names["skops"].io
    assert skops.get_untrusted_types(data=saved) == ["skae.Autoencoder"]


def scikit_learn_does_not_score_pca(names):
    """If this fails, scikit-learn is mended, and the page's advice not needed any more."""
    refused = pytest.raises(TypeError, match="sample_weight")
    with sklearn.config_context(enable_metadata_routing=True), refused:
        names["pipeline"].score(names["X"])


CHECKS = {
    "Scores: what not to do": scores_without_predict_are_nan,
    "Optuna": optuna_has_pruned_trials,
    "Dask": dask_has_scored_what_is_fitted,
    "Weights of rows": weights_matter,
    "cleanlab": cleanlab_finds_wrong_labels,
    "skops": skops_asks_for_public_types,
    "MLflow": mlflow_serves_and_logs,
    "Metadata routing": scikit_learn_does_not_score_pca,
}


@pytest.mark.parametrize("title", PROGRAMS)
def test_code_runs(title):
    names = {"__name__": "__main__"}
    exec(compile(PROGRAMS[title], str(PAGE), "exec"), names)
    CHECKS.get(title, lambda names: None)(names)


def test_checks_are_of_sections():
    assert CHECKS.keys() <= PROGRAMS.keys()
