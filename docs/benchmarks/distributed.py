"""Seconds per step of a deep autoencoder, in one process and in several that share each batch.

Run with `python docs/benchmarks/distributed.py`, on a machine that has a core for each of the
`--processes`, and nothing else to do. Each computes with one thread. Sides take turns. Writes
distributed.md.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from _report import table, write

from skae import Autoencoder
from skae.distributed import data_parallel

N_FEATURES, HIDDEN, N_COMPONENTS = 784, (1000, 500, 250), 30
BAR = 1.6


def make_autoencoder(batch_size):
    sizes = {"hidden_layer_sizes": HIDDEN, "activation": "logistic"}  # of which no start is PCA
    return Autoencoder(N_COMPONENTS, **sizes, batch_size=batch_size, random_state=0)


def train(rank, size, folder, batch_size, n_steps):
    """Write the seconds per step of an epoch after the first, of rank 0."""
    torch.set_num_threads(1)
    X = np.random.default_rng(0).random((batch_size * n_steps, N_FEATURES), dtype=np.float32)
    autoencoder, shard = make_autoencoder(batch_size), X[rank::size]
    if size > 1:
        store = dist.FileStore(f"{folder}/store", size)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
    with data_parallel() if size > 1 else nullcontext():
        autoencoder.partial_fit(shard)
        started = time.perf_counter()
        autoencoder.partial_fit(shard)
        seconds = (time.perf_counter() - started) / n_steps
    if rank == 0:
        Path(folder, "seconds").write_text(str(seconds))
    if size > 1:
        dist.destroy_process_group()


def measure(size, batch_size, n_steps):
    """Seconds per step in so many processes."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        arguments = (size, folder, batch_size, n_steps)
        processes = [context.Process(target=train, args=(rank, *arguments)) for rank in range(size)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        return float(Path(folder, "seconds").read_text())


def measure_all(batch_size, sizes, n_steps, n_rounds):
    """Medians of both sides, of rounds in which they take turns."""
    rounds = [[measure(size, batch_size, n_steps) for size in sizes] for _ in range(n_rounds)]
    return [statistics.median(seconds) for seconds in zip(*rounds, strict=True)]


def parse():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--batch-sizes", type=int, nargs="+", default=[256, 1024])
    add("--processes", type=int, default=2)
    add("--steps", type=int, default=20, help="in an epoch")
    add("--rounds", type=int, default=9)
    add("--out", type=Path, default=Path(__file__), metavar="FILE", help="whose .md is written")
    return parser.parse_args()


def main():
    arguments = parse()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come
    sizes, lines = (1, arguments.processes), []
    for batch_size in arguments.batch_sizes:
        one, several = measure_all(batch_size, sizes, arguments.steps, arguments.rounds)
        lines.append((batch_size, f"{one:.3f}", f"{several:.3f}", f"{one / several:.2f}x"))
    layers = "-".join(map(str, (N_FEATURES, *HIDDEN, N_COMPONENTS)))
    write(
        arguments.out,
        "# One model in several processes",
        f"Seconds per step of an autoencoder {layers}, float32, in one process and in "
        f"{arguments.processes} that share each batch, of one thread each: medians of "
        f"{arguments.rounds} rounds of {arguments.steps} steps. Bar: {BAR}x with batches of 1024.",
        table(["batch", "1 process", f"{arguments.processes} processes", "ratio"], lines),
    )


if __name__ == "__main__":
    main()
