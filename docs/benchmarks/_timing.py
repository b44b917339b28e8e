"""Sides that take turns, so that a machine whose speed drifts does not favour one of them."""

import statistics
import time
from typing import NamedTuple


class Timed(NamedTuple):
    """Medians over rounds of one side, and what it last returned."""

    wall: float  # seconds
    cpu: float  # seconds of the calling thread
    result: object


def alternate(sides, n_rounds):
    """`Timed` of each side, A B A B; a first round is not counted."""
    rounds = [{name: timed(run) for name, run in sides.items()} for _ in range(n_rounds + 1)]
    return {name: _medians([round_[name] for round_ in rounds[1:]]) for name in sides}


def timed(run):
    """One run, `Timed`."""
    wall, cpu = time.perf_counter(), time.thread_time()
    result = run()
    return Timed(time.perf_counter() - wall, time.thread_time() - cpu, result)


def _medians(runs):
    walls, cpus, results = zip(*runs, strict=True)
    return Timed(statistics.median(walls), statistics.median(cpus), results[-1])
