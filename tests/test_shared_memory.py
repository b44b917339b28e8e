"""Processes of one machine add up large vectors in memory that they share, and leave none of it."""

import os
import signal
from functools import reduce
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from ranks import N_ROWS, TRAINING, assert_close, assert_equal, results, run, shard_of

from skae import Autoencoder
from skae._engine.parallel import LARGE
from skae._engine.pipes import Pipes
from skae._engine.shared_memory import reserved
from skae._together import group_of_fits
from skae.distributed import data_parallel

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux alone has it")

LENGTHS = (LARGE // 4, LARGE // 4 + 1, LARGE // 2 + 13)


def n_shared():
    """How many pieces of shared memory this process sees; none of them has a name in a folder."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if "skae-" in line]
    assert all("/memfd:" in line and line.endswith("(deleted)") for line in lines)
    return len(lines)


def numbers(rank, length, dtype):
    """What a rank adds."""
    generator = torch.Generator().manual_seed(rank)
    return torch.randn(length, generator=generator, dtype=dtype)


def is_right(rank, size, length, dtype):
    """Whether sums, also repeated ones, are those in the order of ranks, to the bit."""
    group = group_of_fits.get()
    vector = group.zeros(length, torch.empty(0, dtype=dtype))
    expected = reduce(torch.add, (numbers(each, length, dtype) for each in range(size)))
    assert n_shared() == size
    for _ in range(3):
        vector.copy_(numbers(rank, length, dtype))
        if not torch.equal(group.add_up(vector), expected):
            return False
    return True


def add_up(rank, size):
    found = {}
    for length in LENGTHS:
        for dtype in (torch.float32, torch.float64):
            with data_parallel(timeout=60):
                found[f"{length} of {dtype}"] = is_right(rank, size, length, dtype)
            found[f"{length} of {dtype}, then"] = n_shared() == 0
    return found


@pytest.mark.parametrize("size", [1, 2, 3])
def test_sums_are_those_in_the_order_of_ranks(size, tmp_path):
    for name, found in results(add_up, size, tmp_path).items():
        assert found == [True] * size, name


def test_memory_is_there_before_it_is_used():
    """A process that touched what the system cannot give would be killed."""
    with reserved(LARGE) as (path, _):
        assert os.stat(path).st_blocks * 512 >= LARGE
    assert not os.path.exists(path)


def use_earlier_and_other(rank, size):
    """Sums of vectors for which the shared memory is not, and of one for which it is."""
    with data_parallel(timeout=60):
        group = group_of_fits.get()
        earlier, shared = (group.zeros(LARGE, torch.empty(0)) for _ in range(2))
        vectors = [group.zeros(3, shared), earlier, shared, shared.clone(), shared[1:]]
        return [group.add_up(vector.fill_(rank + 1)).unique().tolist() for vector in vectors]


def test_other_vectors_are_added_up_as_ever(tmp_path):
    assert run(use_earlier_and_other, 2, tmp_path) == [[[3.0]] * 5] * 2


WIDE = Autoencoder(4, hidden_layer_sizes=(400, 300), code_activation="tanh", **TRAINING)
X = torch.rand(N_ROWS, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()


class Seeing(Autoencoder):
    """It notes the shared memory of a fit."""

    def _begin_epoch(self, trainer, progress):
        self.n_shared_ = n_shared()


def fit(rank, size):
    estimator = Seeing(**WIDE.get_params())
    with data_parallel(timeout=60):
        estimator.fit(shard_of(rank, size, X))
    return {"estimator": estimator, "seen": estimator.n_shared_, "left": n_shared()}


@pytest.mark.parametrize("size", [2, 3])
def test_a_fit_is_that_of_one_process(size, tmp_path):
    found = results(fit, size, tmp_path)
    assert found["seen"] == [size] * size and found["left"] == [0] * size
    assert_equal(found["estimator"])
    del found["estimator"][0].n_shared_
    assert_close(found["estimator"][0], WIDE.fit(X))


def without_room():
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE // 2, hard))


def unable_to_map():
    torch.from_file = Mock(side_effect=RuntimeError("unable to mmap"))


def on_another_machine():
    os.readlink = "/memfd:another at {}".format  # what the same path may be there


def on_another_system():
    del os.memfd_create


WAYS = [without_room, unable_to_map, on_another_machine, on_another_system]


def add_up_without(rank, size, way):
    """A sum, and how much shared memory and how many open files are left."""
    if rank == 1:
        way()
    with data_parallel(timeout=60):
        group = group_of_fits.get()
        before = os.listdir("/proc/self/fd")
        vector = group.zeros(LARGE, torch.empty(0))
        n_files = len(os.listdir("/proc/self/fd")) - len(before)
        return group.add_up(vector.fill_(rank + 1)).unique().tolist(), n_shared(), n_files


@pytest.mark.parametrize("way", WAYS)
def test_if_one_cannot_share_none_does(way, tmp_path):
    assert run(add_up_without, 2, tmp_path, way) == [([3.0], 0, 0)] * 2


def end_before_the_second(call):
    """A call whose second time the process does not survive."""
    calls = []

    def ending(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)

    return ending


def end_within_a_sum(rank, size):
    with pytest.raises(RuntimeError) as caught, data_parallel(timeout=2):
        group = group_of_fits.get()
        vector = group.zeros(LARGE, torch.empty(0))
        if rank == 1:
            Pipes.wait = end_before_the_second(Pipes.wait)
        group.add_up(vector)
    return str(caught.value)


def test_a_rank_killed_within_a_sum_is_named(tmp_path):
    one, killed, other = run(end_within_a_sum, 3, tmp_path)
    assert killed is None
    assert "Rank 1 did not answer" in one and "Rank 1 did not answer" in other
