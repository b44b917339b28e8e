"""Rows per second from a file: in random order, in windows, from beginning to end.

Run with `python docs/benchmarks/scaling.py`; `--size` gigabytes should be more than the machine's
memory, and is 1 by default, of which the system is asked to forget what it keeps (Linux only, and
what lies below, such as a virtual disk's cache, it does not reach). What has been measured is kept
in scaling.json, so that a run goes on where it was interrupted; `--again` measures anew. Writes
scaling.md.
"""

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _records import Records
from _report import table, write

from skae import Autoencoder
from skae._engine.data import rows_of
from skae._engine.files import on_file, reading_ahead
from skae._engine.order import shuffled, shuffled_windows

N_FEATURES, BATCH_SIZE, N_FITTED = 784, 256, 50_000
RANDOM = "random order"
WINDOWS = "windows"
ORDERS = {
    RANDOM: lambda rows, generator: [shuffled(rows, generator)],
    WINDOWS: lambda rows, generator: shuffled_windows(rows, N_FEATURES, generator),
    "in their order": lambda rows, generator: [rows],
}
FIT, FIT_IN_MEMORY = "fit", "fit of an array"
DTYPES = {"float32": "f4", "uint8": "u1"}


def make(path, gigabytes, dtype):
    """Write a file of rows around five images, unless it is there."""
    shape = (int(gigabytes * 1e9) // (N_FEATURES * np.dtype(dtype).itemsize), N_FEATURES)
    rng, images = np.random.default_rng(0), np.random.default_rng(1).random((5, N_FEATURES))
    scale = 255 if dtype == "u1" else 1
    file = np.lib.format.open_memmap(path, "w+", dtype, shape)
    for start in range(0, len(file), 20_000):
        some = file[start : start + 20_000]
        some[:] = scale * images[rng.integers(5, size=len(some))] * rng.random((len(some), 1))
    file.flush()


def forget(path):
    """Ask the system to keep nothing of a file in memory."""
    if hasattr(os, "posix_fadvise"):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def read(path, label, seconds):
    """Rows per second of a pass in batches; in random order, of so many seconds of one."""
    forget(path)
    file = np.load(path, mmap_mode="r")
    X = on_file(file, np.float32)
    rows = rows_of(X, torch.device("cpu"))
    windows = ORDERS[label](torch.arange(len(file)), torch.Generator().manual_seed(0))
    batches = torch.cat(windows).split(BATCH_SIZE)
    started, n_rows = time.perf_counter(), 0
    for batch in reading_ahead(X, windows, batches) if label == WINDOWS else batches:
        n_rows += len(rows.take(batch))
        elapsed = time.perf_counter() - started
        if label == RANDOM and elapsed > seconds:
            break
    return n_rows / elapsed


def fit(path, in_memory=False):
    """Rows per second of a fit of one epoch over some of the rows, all that belongs to it."""
    forget(path)
    file = np.load(path, mmap_mode="r")[:N_FITTED]
    file = np.array(file, np.float32) if in_memory else file
    settings = {"shuffle": "windows", "batch_size": BATCH_SIZE, "max_iter": 1, "random_state": 0}
    autoencoder = Autoencoder(32, hidden_layer_sizes=(), **settings)
    started = time.perf_counter()
    autoencoder.fit(file)
    return len(file) / (time.perf_counter() - started)


def pieces(path, seconds):
    """What is measured of a file, each with its name."""
    for label in ORDERS:
        yield label, partial(read, path, label, seconds)
    yield FIT, partial(fit, path)
    yield FIT_IN_MEMORY, partial(fit, path, in_memory=True)


def measure(records, folder, gigabytes, seconds):
    """Keep what the records lack."""
    for name, dtype in DTYPES.items():
        path = Path(folder) / f"{name}.npy"
        for label, run in pieces(path, seconds):
            key = key_of(label, name, gigabytes)
            if records.lacks(key):
                if not path.exists():
                    make(path, gigabytes, dtype)
                records.keep(key, run())
                print(key, f"{records.known[key]:.0f}", flush=True)


def key_of(label, name, gigabytes):
    return f"{label} | {name} | {gigabytes:g} GB"


def lines(known, gigabytes):
    """A line of the table for each dtype and order."""
    for name in DTYPES:
        labels = (*ORDERS, FIT, FIT_IN_MEMORY)
        rates = {label: known[key_of(label, name, gigabytes)] for label in labels}
        for label in ORDERS:
            times = f"{rates[label] / rates[RANDOM]:.0f}x"
            fitted = f"{rates[FIT]:.0f}" if label == WINDOWS else ""
            yield name, label, f"{rates[label]:.0f}", times, fitted
        yield name, "an array in memory", "", "", f"{rates[FIT_IN_MEMORY]:.0f}"


def parse():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--size", type=float, default=1.0, metavar="GB", help="of each file")
    add("--seconds", type=float, default=1.0, help="in random order")
    add("--folder", help="on the disk to measure; default: one that is removed again")
    add("--again", action="store_true", help="measure what has been measured, too")
    add("--out", type=Path, default=Path(__file__).with_suffix(".json"), metavar="FILE")
    return parser.parse_args()


def main():
    arguments = parse()
    records = Records(arguments.out, arguments.again)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        measure(records, folder, arguments.size, arguments.seconds)
    write(
        arguments.out,
        "# Rows from a file",
        f"Rows of {N_FEATURES} columns in a file of {arguments.size:g} GB; at first memory holds "
        f"nothing of it. Rows per second, read in batches of {BATCH_SIZE} and converted to "
        f"float32: for a whole pass, or for random order in its first {arguments.seconds:g} s, "
        "before much of the file is in memory. In the last column, rows per second of "
        f'`Autoencoder(32, hidden_layer_sizes=(), shuffle="windows", batch_size={BATCH_SIZE}, '
        f"max_iter=1)` of {N_FITTED} rows, including all that a fit does; the last line is that of "
        "the same rows as an array of float32. Bars: windows at least "
        "50 times as fast as random order, and within 1.5 of the order of the file; fits of "
        "uint8 within 1.2 of those of float32.",
        table(
            ["numbers", "order", "read, rows/s", "against random", "fit, rows/s"],
            lines(records.known, arguments.size),
        ),
    )


if __name__ == "__main__":
    main()
