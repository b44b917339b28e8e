"""Workers of every kind compute the same, and a killed one leaves nothing."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from helpers import LABELS, SUPERVISED, TRAINED, UNIT_X, X, small, weights
from threadpoolctl import threadpool_limits

import skae
from skae import Autoencoder

EVERY = [*TRAINED, *SUPERVISED]


def fit(name):
    """What a worker does: train, and give the codes and the losses of all epochs."""
    estimator = small(name).fit(UNIT_X, LABELS)
    return estimator.transform(UNIT_X), estimator.loss_curve_


def assert_equal(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1]


@pytest.mark.parametrize("start_method", ["spawn", "forkserver"])
def test_workers_of_multiprocessing(start_method):
    """After the parent has trained; a forked worker may hang in torch (see reliability.md)."""
    expected = [fit(name) for name in EVERY]
    context = multiprocessing.get_context(start_method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:  # starting one takes the time
        found = list(pool.map(fit, EVERY, timeout=120))
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_joblib(backend):
    expected = [fit(name) for name in EVERY]
    found = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(fit)(n) for n in EVERY)
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)


def test_workers_use_one_thread_each():
    """joblib's doing, which keeps n_jobs from asking for more threads than there are cores."""
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(torch.get_num_threads)() for _ in range(2))
    assert max(found) <= max(1, os.cpu_count() // 2)


class Counting(Autoencoder):
    """It notes how many threads it trains with."""

    seen = set()

    def _objective(self, *args):
        self.seen.add(torch.get_num_threads())
        return super()._objective(*args)


def test_threads_change_only_the_rounding():
    """On some processors not even that: two threads may share a product out without a trace."""
    # So wide that its products are worth more than one thread.
    wide = Counting(3, hidden_layer_sizes=(20_000,), batch_size=60, max_iter=3, random_state=0)
    trained = []
    for n_threads in (1, 2):
        Counting.seen.clear()
        with threadpool_limits(n_threads, user_api="openmp"):
            trained.append(weights(wide.fit(X)))
        assert Counting.seen == {n_threads}
    np.testing.assert_allclose(*trained, rtol=1e-6, atol=1e-9)


FOREVER = """
from helpers import X, small
print("training", flush=True)
small("Autoencoder", max_iter=10**9, n_iter_no_change=float("inf"), tol=0.0).fit(X)
"""


def test_a_terminated_fit_leaves_nothing(tmp_path):
    folders = (Path(skae.__file__).parents[1], Path(__file__).parent)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    command = [sys.executable, "-c", FOREVER]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"training\n"
        time.sleep(0.5)
        process.terminate()
        assert process.wait(timeout=30) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
