"""Processes of one machine wait for each other through pipes, and notice who does not come."""

import os
import time
from contextlib import suppress

import pytest
import torch
from ranks import run

from skae._engine.parallel import LARGE
from skae._together import group_of_fits
from skae.distributed import data_parallel

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux alone has it")


def n_pipes():
    """How many ends of pipes this process has open; torch closes its sockets when it likes."""
    return sum(is_pipe(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd"))


def is_pipe(link):
    with suppress(FileNotFoundError):  # that of the listing itself
        return os.readlink(link).startswith("pipe:")
    return False


def vector_of(group):
    """A vector whose sums wait by pipes."""
    return group.zeros(LARGE, torch.empty(0))


def wait_in_turns(rank, size):
    """When a rank has come to each wait and left it; in each, another one comes late."""
    with data_parallel(timeout=60):
        group, times = group_of_fits.get(), []
        vector_of(group)
        for late in range(size):
            time.sleep(0.2 * (rank == late))
            came = time.monotonic()
            group._pipes.wait()
            times.append((came, time.monotonic()))
    return times


@pytest.mark.parametrize("size", [2, 3])
def test_none_leaves_before_all_have_come(size, tmp_path):
    for times in zip(*run(wait_in_turns, size, tmp_path), strict=True):
        came, left = zip(*times, strict=True)
        assert max(came) <= min(left)


def use_vectors(rank, size):
    """How many more pipes are open with one vector, and with two, than later with none."""
    found = []
    for n_vectors in (1, 2, 0):
        with data_parallel(timeout=60):
            for _ in range(n_vectors):
                vector_of(group_of_fits.get())
            found.append(n_pipes())
    return [n - found[-1] for n in found[:-1]]


def test_all_pipes_are_closed_in_the_end(tmp_path):
    """Each process has an end of two pipes for each other one, however many vectors there are."""
    assert run(use_vectors, 3, tmp_path) == [[4, 4]] * 3


def fail_before_a_sum(rank, size, way):
    with pytest.raises(Exception) as caught, data_parallel(timeout=2):
        group = group_of_fits.get()
        vector = vector_of(group)
        if rank == 1:
            way(group)
        group.add_up(vector)
    return str(caught.value)


def fail(group):
    error = ValueError("no more rows")
    group.fail(error)
    raise error


def hang(group):
    time.sleep(6)  # more than the timeout and the roll-call


def test_a_rank_that_fails_is_named_at_once(tmp_path):
    others = run(fail_before_a_sum, 3, tmp_path, fail)[::2]
    assert others == ["Rank 1 has failed: ValueError: no more rows"] * 2


def test_a_rank_that_hangs_is_named(tmp_path):
    one, hung, other = run(fail_before_a_sum, 3, tmp_path, hang)
    assert "Rank 1 did not answer" in one and "Rank 1 did not answer" in other
    assert "waited for this one, rank 1" in hung
