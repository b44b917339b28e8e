"""For tests of processes that fit together: what they run, their shards, what comes out."""

import multiprocessing
import pickle
import time

import numpy as np
import pytest
import torch
import torch.distributed as dist
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skae.distributed import data_parallel

N_ROWS = 1003
TRAINING = {"batch_size": 101, "max_iter": 3, "random_state": 0}  # the last batch is ragged
BOUNDS = {2: (0, 400, N_ROWS), 3: (0, 20, 700, N_ROWS)}  # uneven; of rank 0 a batch may have none
TIMEOUT = 120  # seconds for all that processes do


def run(work, size, folder, *arguments):
    """What `work(rank, size, *arguments)` gives in each process; its error; or None if it dies."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["skae.distributed", "torch._dynamo"])  # L-BFGS imports that
    processes = [
        context.Process(target=_worker, args=(work, rank, size, folder, arguments))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    ends = time.monotonic() + TIMEOUT
    for process in processes:
        process.join(max(0.0, ends - time.monotonic()))
        assert process.exitcode is not None, "a process hangs"
    files = [folder / f"{rank}.pkl" for rank in range(size)]
    return [pickle.loads(file.read_bytes()) if file.exists() else None for file in files]


def _worker(work, rank, size, folder, arguments):
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
    try:
        found = work(rank, size, *arguments)
    except Exception as error:
        found = error
    (folder / f"{rank}.pkl").write_bytes(pickle.dumps(found))
    dist.destroy_process_group()


def results(work, size, folder):
    """By name, what all processes have got; the error of one is raised here."""
    of_ranks = run(work, size, folder)
    for found in of_ranks:
        if isinstance(found, Exception):
            raise found
    return {name: [its[name] for its in of_ranks] for name in of_ranks[0]}


def shard_of(rank, size, rows):
    start, stop = BOUNDS[size][rank : rank + 2]
    return rows[start:stop]


def numbers_of(estimator):
    """All that a fitted estimator consists of but for encoders of tables, by name."""
    found = {}
    for name, value in vars(estimator).items():
        if name == "_state":
            found.update(weights=value.weights, moments=value.moments, idle=value.idle)
            continue
        parts = parts_of(name, value)
        for number, part in enumerate(parts or ()):
            found |= {f"{name} {number} {k}": v for k, v in numbers_of(part).items()}
        if parts is None and name.endswith("_"):
            found[name] = value
    # Tuples may be ragged.
    found = {k: str(v) if isinstance(v, tuple) else v for k, v in found.items()}
    return {k: np.asarray(v) for k, v in found.items() if v is not None}


def parts_of(name, value):
    """What an attribute consists of, if these are estimators; None of numbers."""
    if name in ("steps", "estimators_"):
        return [part[1] if isinstance(part, tuple) else part for part in value]
    if isinstance(value, BaseEstimator):
        return [] if name == "table_" else [value]
    return None


def assert_equal(estimators):
    """They are the same to the bit."""
    first, *others = map(numbers_of, estimators)
    for other in others:
        assert first.keys() == other.keys()
        for key, value in first.items():
            np.testing.assert_array_equal(value, other[key], err_msg=key, strict=True)


def assert_close(found, expected, tolerance=1e-12):
    """They are the same but for rounding."""
    found, expected = numbers_of(found), numbers_of(expected)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype, key
        if value.dtype.kind in "biuf":
            bounds = {"rtol": tolerance, "atol": tolerance}
            np.testing.assert_allclose(found[key], value, **bounds, err_msg=key)
        else:
            np.testing.assert_array_equal(found[key], value, err_msg=key)


def caught(estimator, rank, size, rows, **others):
    """The error of a fit, and whether the estimator is fitted after it."""
    with pytest.raises(Exception) as caught, data_parallel(timeout=60):
        estimator.fit(shard_of(rank, size, rows), **others)
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return type(caught.value).__name__, str(caught.value), False
    return type(caught.value).__name__, str(caught.value), True
