"""Several processes train one model as one process does; whatever fails in one ends all."""

import os
import pickle
import subprocess
import sys
import time
from functools import partial

import joblib
import numpy as np
import pytest
import torch
import torch.distributed as dist
from pages import DOCS, sections_of
from ranks import (
    BOUNDS,
    N_ROWS,
    TIMEOUT,
    TRAINING,
    assert_close,
    assert_equal,
    caught,
    results,
    run,
    shard_of,
)
from scipy.sparse import csr_matrix
from sklearn.base import clone

import skae
from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._columns import column_means, column_ranges, column_variances, has_missing
from skae._engine.shards import Shard
from skae._together import group_of_fits
from skae.distributed import data_parallel


def make_data():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(N_ROWS, 3))
    X = np.tanh(hidden @ rng.normal(size=(3, 9))) + 0.1 * rng.normal(size=(N_ROWS, 9))
    unit = (X - X.min()) / np.ptp(X)
    y = (hidden[:, 0] > 0).astype(int) + (hidden[:, 1] > 0.5)
    return X, unit, y, rng.integers(0, 3, N_ROWS).astype(float)


X, UNIT, LABELS, WEIGHTS = make_data()
GAPS = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
LAYER = DenoisingAutoencoder(batch_size=101, max_iter=2)
PLAIN = Autoencoder(4, hidden_layer_sizes=(6,), code_activation="tanh", alpha=1e-3, **TRAINING)
HALF_KNOWN = np.where(LABELS == 2, np.nan, X[:, 0])
COUNTS = np.random.default_rng(2).poisson(3.0, X.shape).astype(float)


def with_noise(x, generator):
    """A corruption that goes by all rows of the batch."""
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x + 0.1 * noise + 0.1 * x.mean(dim=0)


# Estimators, their data, and what comes with the rows.
CASES = {
    "plain": (PLAIN, X, {}),
    "in order": (clone(PLAIN).set_params(shuffle=False), X, {}),
    "in windows": (clone(PLAIN).set_params(shuffle="windows"), X, {}),
    "held out": (clone(PLAIN).set_params(early_stopping=True), X, {"sample_weight": WEIGHTS}),
    "sparse rows": (PLAIN, csr_matrix(np.maximum(X, 0)), {}),
    "counts": (clone(PLAIN).set_params(loss="categorical_cross_entropy"), COUNTS, {}),
    "kl": (SparseAutoencoder(6, **TRAINING), UNIT, {}),
    "in units": (SparseAutoencoder(6, **TRAINING), 1000 * X, {}),
    "kl, weighted": (SparseAutoencoder(6, **TRAINING), UNIT, {"sample_weight": WEIGHTS}),
    "kl, rank 0 without weight": (
        SparseAutoencoder(6, **TRAINING),
        UNIT,
        {"sample_weight": np.where(np.arange(N_ROWS) < BOUNDS[2][1], 0.0, WEIGHTS)},
    ),
    "l1": (SparseAutoencoder(6, sparsity="l1", **TRAINING), UNIT, {}),
    "topk": (SparseAutoencoder(30, sparsity="topk", n_active=2, **TRAINING), X, {}),
    "masking": (DenoisingAutoencoder(6, **TRAINING), X, {"target": X[:, :4]}),
    "gaps": (DenoisingAutoencoder(6, corruption="gaussian", **TRAINING), GAPS, {}),
    "swap": (DenoisingAutoencoder(6, corruption="swap", **TRAINING), X, {}),
    "contractive": (ContractiveAutoencoder(6, **TRAINING), X, {}),
    "hutchinson": (ContractiveAutoencoder(6, jacobian_method="hutchinson", **TRAINING), X, {}),
    "vae": (VAE(2, code_activation="tanh", n_draws=2, **TRAINING), X, {}),
    "stacked": (StackedAutoencoder((6, 4), estimator=LAYER, **TRAINING), UNIT, {}),
    "classifier": (
        AutoencoderClassifier(LAYER, early_stopping=True, unlabeled=2, **TRAINING),
        X,
        {"y": LABELS},
    ),
    "regressor": (AutoencoderRegressor(LAYER, **TRAINING), X, {"y": HALF_KNOWN}),
    "callable": (DenoisingAutoencoder(4, corruption=with_noise, **TRAINING), X, {}),
    "iwae": (
        VAE(2, likelihood="bernoulli", binarize=True, objective="iwae", n_draws=3, **TRAINING),
        UNIT,
        {},
    ),
    "lbfgs": (clone(PLAIN).set_params(solver="lbfgs"), X, {}),
}


def fit(name, rank, size):
    estimator, rows, others = CASES[name]
    estimator = clone(estimator)
    shard = partial(shard_of, rank, size)
    with data_parallel(timeout=60):
        return estimator.fit(shard(rows), **{name: shard(v) for name, v in others.items()})


def fit_all(rank, size):
    return {name: fit(name, rank, size) for name in CASES if size == 2 or name != "lbfgs"}


@pytest.fixture(scope="module", params=[2, 3])
def fitted(request, tmp_path_factory):
    """By the names of cases, the estimators of all processes."""
    return results(fit_all, request.param, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", CASES)
def test_ranks_are_equal_to_the_bit(fitted, name):
    if name not in fitted:
        pytest.skip("once is enough")
    assert_equal(fitted[name])


@pytest.mark.filterwarnings("ignore:The code has collapsed")  # after so few epochs
@pytest.mark.parametrize("name", CASES)
def test_it_is_what_one_process_makes_of_all_rows(fitted, name):
    if name not in fitted:
        pytest.skip("once is enough")
    estimator, rows, others = CASES[name]
    assert_close(fitted[name][0], clone(estimator).fit(rows, **others))


def fit_at_components(rank, size):
    with data_parallel(timeout=60):
        return Autoencoder(2, **TRAINING).fit(shard_of(rank, size, X))


def test_start_at_principal_components(tmp_path):
    """Gradients vanish there, and Adam would make steps of what is left of them by rounding."""
    one, other = run(fit_at_components, 2, tmp_path)
    np.testing.assert_array_equal(one._state.weights, other._state.weights)
    expected = Autoencoder(2, **TRAINING).fit(X)
    np.testing.assert_allclose(one.loss_curve_, expected.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(one._state.weights, expected._state.weights, rtol=0, atol=1e-10)


def fit_elsewhere(rank, size):
    with torch.device("meta"):
        return fit("kl, weighted", rank, size)


def test_torchs_default_device_does_not_matter(tmp_path):
    one, other = run(fit_elsewhere, 2, tmp_path)
    assert_equal([one, other])
    estimator, rows, others = CASES["kl, weighted"]
    assert_close(one, clone(estimator).fit(rows, **others))


def describe(rank, size):
    """Statistics of shards, of which rank 0 has no row in the second half."""
    found = []
    with data_parallel(timeout=60):
        for rows in (X, GAPS, csr_matrix(np.maximum(X, 0))):
            counts = np.diff(BOUNDS[size])
            shard = Shard.of(shard_of(rank, size, rows), counts, group_of_fits.get())
            for part in (slice(None), slice(N_ROWS // 2, None)):
                found.append(statistics_of(shard.only(part), WEIGHTS[part] + 1))
            found.append([shard[np.array([5, 900, 7])]])
    return found


def statistics_of(rows, weights):
    means = column_means(rows), column_means(rows, weights)
    variances = column_variances(rows), column_variances(rows, weights)
    return [*means, *variances, *column_ranges(rows), has_missing(rows)]


def test_statistics_are_those_of_all_rows(tmp_path):
    expected = []
    for rows in (X, GAPS, csr_matrix(np.maximum(X, 0))):
        for part in (slice(None), slice(N_ROWS // 2, None)):
            expected.append(statistics_of(rows[part], WEIGHTS[part] + 1))
        some = rows[[5, 900, 7]]
        expected.append([some.toarray() if isinstance(rows, csr_matrix) else some])
    for found in run(describe, 2, tmp_path):
        for its, theirs in zip(found, expected, strict=True):
            for one, other in zip(its, theirs, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)


def fit_without_seed(rank, size):
    rows, found = shard_of(rank, size, X), []
    for random_state in (None, np.random.RandomState(rank)):
        estimator = clone(PLAIN).set_params(random_state=random_state, device="cpu")
        with data_parallel(timeout=60):
            found.append(estimator.fit(rows)._state.weights)
    return found


def test_without_a_seed_all_have_the_same(tmp_path):
    one, other = run(fit_without_seed, 2, tmp_path)
    for its, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(its, theirs)
    assert not np.array_equal(*one)


def go_on(rank, size):
    """One epoch at a time, saved by rank 0, and one more of what has been saved."""
    rows, estimator = shard_of(rank, size, X), clone(PLAIN)
    with data_parallel(timeout=60):
        for _ in range(2):
            estimator.partial_fit(rows)
        saved = pickle.loads(pickle.dumps(estimator))
        first = estimator.partial_fit(rows)._state.weights
        again = saved.partial_fit(rows)._state.weights
        warm = saved.set_params(warm_start=True, max_iter=1).fit(rows)._state.weights
    return first, again, warm, saved.n_iter_


def test_training_goes_on(tmp_path):
    expected = clone(PLAIN)
    for _ in range(3):
        expected.partial_fit(X)
    for first, again, warm, n_iter in run(go_on, 2, tmp_path):
        np.testing.assert_allclose(first, expected._state.weights, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(again, first)
        assert not np.array_equal(warm, again)
        assert n_iter == 1


class FailingInRank1(Autoencoder):
    def _begin_epoch(self, trainer, progress):
        if trainer.n_iter == 1 and dist.get_rank() == 1:
            raise OSError("the disk is gone")


class FailingAtTheEnd(Autoencoder):
    def _summarize(self, data):
        if dist.get_rank() == 1:
            raise OSError("the disk is full")


def fail_in_many_ways(rank, size):
    """All errors of one process after the other."""
    second, plain, trained = rank == 1, clone(PLAIN), clone(PLAIN)
    with data_parallel(timeout=60):
        trained.fit(shard_of(rank, size, X))
    weights = trained._state.weights
    other_state = clone(PLAIN).fit(X) if second else trained
    return {
        "columns": caught(plain, rank, size, X[:, : 9 - rank]),
        "dtype": caught(plain, rank, size, X.astype([float, np.float32][rank])),
        "parameter": caught(clone(PLAIN).set_params(alpha=0.1 * rank), rank, size, X),
        "class": caught([plain, VAE(2)][rank], rank, size, X),
        "weights": caught(plain, rank, size, X, sample_weight=[None, WEIGHTS[:603]][rank]),
        "NaN": caught(plain, rank, size, GAPS if second else X),
        "length": caught(plain, rank, size, X, sample_weight=np.ones([400, 5][rank])),
        "raised": caught(FailingInRank1(2, **TRAINING), rank, size, X),
        "at the end": caught(FailingAtTheEnd(2, **TRAINING), rank, size, X),
        "state": caught(other_state.set_params(warm_start=True), rank, size, X),
        "went on": caught(trained.set_params(warm_start=True), rank, size, X * [1, 1e200][rank]),
        "kept": np.array_equal(trained._state.weights, weights),
    }


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    return run(fail_in_many_ways, 2, tmp_path_factory.mktemp("failed"))


WORDS = {
    "columns": "columns of X: 8 instead of 9",
    "dtype": "float32",
    "parameter": "alpha: 0.1 instead of 0.0",
    "class": "the estimator: VAE",
    "weights": "sample_weight",
    "NaN": "contains NaN",
    "length": "has 5",
    "raised": "the disk is gone",
    "at the end": "the disk is full",
    "state": "the state from which training continues",
}


@pytest.mark.parametrize("name", WORDS)
def test_an_error_in_one_rank_is_one_in_all(failed, name):
    for rank, found in enumerate(failed):
        _, message, is_fitted = found[name]
        assert WORDS[name] in message
        told = name in ("NaN", "length", "raised", "at the end")  # by the one that has it
        assert "Rank 1" in message or (told and rank == 1)
        assert is_fitted == (name == "state")


def test_a_training_that_cannot_go_on_is_as_before(failed):
    for found in failed:
        _, message, is_fitted = found["went on"]
        assert "Training diverged" in message
        assert is_fitted and found["kept"]


class EndingInRank1(Autoencoder):
    """One that its process does not survive, or that never comes back."""

    def _begin_epoch(self, trainer, progress):
        if trainer.n_iter == 1 and dist.get_rank() == 1:
            if self.verbose == 2:
                os._exit(1)
            time.sleep(6)  # more than the timeout and the roll-call


def end(rank, size, verbose):
    estimator = EndingInRank1(2, verbose=verbose, **TRAINING)
    with pytest.raises(Exception) as caught, data_parallel(timeout=2):
        estimator.fit(shard_of(rank, size, X))
    return str(caught.value), hasattr(estimator, "_state")


@pytest.mark.parametrize("verbose", [2, 0], ids=["killed", "hanging"])
def test_a_rank_that_ends_or_hangs(tmp_path, verbose):
    found = run(end, 3, tmp_path, verbose)
    for rank in (0, 2):
        message, is_fitted = found[rank]
        assert "Rank 1 did not answer" in message
        assert not is_fitted
    if not verbose:  # it has come back at last
        message, is_fitted = found[1]
        assert "rank 1, for more than 2 s" in message
        assert not is_fitted
    else:
        assert found[1] is None


class Saver:
    """Scikit-learn's callback that keeps what each epoch has come to, and ends the third one."""

    def __init__(self):
        self.saved = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **told):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None, **told):
        if context.task_name == "epoch":
            self.saved.append((X.shape, pickle.dumps(fitted_estimator)))
        return len(self.saved) == 2


def fit_with_callback(rank, size):
    estimator, saver = clone(PLAIN), Saver()
    if rank == 1:
        estimator.set_callbacks(saver)
    with data_parallel(timeout=60):
        estimator.fit(shard_of(rank, size, X))
    return estimator.n_iter_, estimator._state.weights, saver.saved


def test_a_callback_of_one_rank_saves_and_stops(tmp_path):
    pytest.importorskip("sklearn.callback")
    (n_iter, weights, _), (_, _, saved) = run(fit_with_callback, 2, tmp_path)
    assert n_iter == 2 and [shape for shape, _ in saved] == [(603, 9)] * 2
    np.testing.assert_array_equal(pickle.loads(saved[-1][1])._state.weights, weights)


def take_from_first(rank, size):
    large = np.arange(2**18) + rank * np.float64(1)  # 2 MiB
    sent = [large, large[:3], large.reshape(2, -1).T, large.view(), rank]
    sent[3].flags.writeable = False
    with data_parallel(timeout=60):
        return group_of_fits.get().from_first(sent)


def test_large_and_small_values_of_the_first(tmp_path):
    expected, *others = run(take_from_first, 3, tmp_path)
    np.testing.assert_array_equal(expected[0], np.arange(2**18))
    for found in others:
        for its, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(its, theirs)


PAGE = DOCS / "user_guide/distributed.rst"
PROGRAMS = dict(sections_of(PAGE.read_text(encoding="utf-8")))
NEEDED = {"Dask": "distributed", "Ray": "ray", "Searches": "distributed"}


def printed(title, folder, options):
    """What a section's program prints, started so."""
    if title in NEEDED:
        pytest.importorskip(NEEDED[title])
    script = folder / "program.py"
    script.write_text(PROGRAMS[title], encoding="utf-8")
    command = [sys.executable, "-W", "ignore", *options, script]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    captured = {"capture_output": True, "text": True, "timeout": TIMEOUT}
    found = subprocess.run(command, env=environment, cwd=folder, **captured)
    assert found.returncode == 0, found.stderr
    return found.stdout.split()


def test_the_page_s_script(tmp_path):
    options = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    losses = "".join(printed("torchrun", tmp_path, options))  # the line breaks of both may mix
    assert losses == 2 * str(joblib.load(tmp_path / "autoencoder.joblib").loss_)


def test_the_page_s_checkpoints(tmp_path):
    pytest.importorskip("sklearn.callback")
    options = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    for n_epochs in (5, 10):  # the second time it goes on
        assert printed("Checkpoints", tmp_path, options) == [str(n_epochs)]
        assert len(joblib.load(tmp_path / "checkpoint.joblib").loss_curve_) == n_epochs


@pytest.mark.parametrize("title", NEEDED)
def test_the_page_s_clusters(title, tmp_path):
    assert printed(title, tmp_path, [])[-1] == "True"


def test_the_page_has_no_other_programs():
    assert set(PROGRAMS) == {"torchrun", "Checkpoints", *NEEDED}


def test_without_processes_it_says_what_to_start(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(RuntimeError, match="start the script with torchrun"), data_parallel():
        pass
    assert not dist.is_initialized()


def test_outside_nothing_is_shared():
    assert group_of_fits.get() is None
    assert skae.distributed.__all__ == ["data_parallel"]
