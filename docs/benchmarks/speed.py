"""Training speed against hand-written PyTorch and other libraries, and what a fit costs beside.

Run with `python docs/benchmarks/speed.py`, which downloads MNIST where it is needed, or with
`--data mnist.npz`, a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test,
0 to 255. Measures the parts that have not been measured on this processor with this version of
skae; `--only digits table` measures some, `--again` anew. `--before PATH` adds the comparison
with another checkout of skae. Each part takes less than ten minutes on two slow cores. skorch,
pyod, pythae and lightning are compared where they are installed. What is measured is kept in
speed.json, by processor, and speed.md is written from it.
"""

import json
import time
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import _speed_before
import _speed_costs
import _speed_fits
import _speed_line
from _mnist import data_argument, load
from _report import processor_in_full, table, versions, write_page

import skae

RESULTS = Path(__file__).with_suffix(".json")


class Part(NamedTuple):
    """Something to measure alone."""

    measure: object  # of `Inputs`: yields pairs (work, figure)
    bars: dict  # by work, in the order of the page


PEERS = ("skorch", "pythae", "pyod", "lightning")
VARIANTS = ("SparseAutoencoder, kl", "SparseAutoencoder, l1", "DenoisingAutoencoder")
PARTS = {
    "digits": Part(
        _speed_fits.small_training,
        {
            "digits: against by hand": "3.5x with AMX, 2.6x on Zen 1",
            "digits: against MLPRegressor": "2.4x with AMX, 2x on Zen 1",
            "digits: against skorch": "11x with AMX, 9x on Zen 1",
            "digits: against pyod": "15x",
        },
    ),
    "mnist": Part(
        _speed_fits.large_training,
        {"MNIST: against by hand": "1.4x", **{f"MNIST: against {p}": "2x" for p in PEERS}},
    ),
    "table": Part(_speed_fits.table_training, {"1,000,000 x 30: against by hand": "2.6x"}),
    "busy": Part(_speed_fits.busy_training, {"digits on a busy machine": "at most 2x"}),
    "variants": Part(
        _speed_fits.variants,
        {
            **{f"{name}: step": "at most 1.35x" for name in VARIANTS},
            "VAE: step": "at most 1.8x on digits, 1.35x on MNIST",
        },
    ),
    "weights": Part(
        _speed_fits.weights,
        {f"sample_weight, {work}: step": "at most 1.05x" for work in _speed_fits.WEIGHTED},
    ),
    "contractive": Part(
        _speed_fits.contractive,
        {
            "ContractiveAutoencoder, 784-128: step": "at most 1.5x",
            "784-256-64, exact penalty against vmap(jacrev)": "4x",
        },
    ),
    "search": Part(_speed_fits.search, {"GridSearchCV, 40 candidates, against skorch": "8x"}),
    "transform": Part(
        _speed_costs.transform,
        {
            "transform, 1,000,000 x 64: of a bare pass's speed": "0.92",
            "the same: peak memory beyond the output": "64 MiB",
        },
    ),
    "precision": Part(
        _speed_fits.precision,
        {
            "784-256-32, precision='bf16' against 'float'": "",
            "784-1000-500-30, precision='bf16' against 'float'": "",
        },
    ),
    "products": Part(
        _speed_costs.products,
        {"784-256-32, batch 256: CPU time of a fit, of its products'": "at most 1.13x"},
    ),
    "line": Part(
        _speed_line.line,
        dict.fromkeys((f"{w}: {_speed_line.OF_A_LINE}" for w in _speed_line.WORKS), ""),
    ),
    "overhead": Part(
        _speed_costs.overhead,
        {
            "64-32-8: partial_fit of one batch of 200": "1.5 ms beside its step, on Zen 1",
            "64-32-8: transform of one row": "0.8 ms",
            "64-32-8: predict_proba of one row": "1 ms",
        },
    ),
    "calls": Part(
        _speed_costs.calls,
        {
            "a fit of one epoch of one batch: calls inside skae": "under 300",
            "the same: moves from room to room": "under 100",
            "the same: moves from file to file": "under 100",
        },
    ),
    "import": Part(
        _speed_costs.imports,
        {"import torch, sklearn.base, sklearn.callback": "1.15", "import skae": "1.15"},
    ),
    "before": Part(
        _speed_before.comparison,
        {
            _speed_before.OTHER: "",
            **{
                f"{work}: against it": bar
                for work, bar in zip(_speed_before.WORKS, ("1.5x", "1.3x", "", ""), strict=True)
            },
        },
    ),
}


class Inputs:
    """What parts are measured with, loaded where it is needed."""

    def __init__(self, data, before):
        self._data = data
        self.before = before

    @cached_property
    def images(self):
        images, *_ = load(self._data)
        return images


def results():
    """What has been measured: column, part, {version, setting, rows: {work: figure}}."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def is_measured(name):
    """Whether the part has a result for this processor and version."""
    known = results().get(processor_in_full(), {}).get(name, {})
    return known.get("version") == skae.__version__


def measure(name, inputs):
    """Measure a part and keep its rows."""
    started, rows = time.perf_counter(), {}
    for work, figure in PARTS[name].measure(inputs):
        rows[work] = figure
        print(f"{name}: {work}: {figure}", flush=True)
    known = results()
    known.setdefault(processor_in_full(), {})[name] = {
        "version": skae.__version__,
        "setting": versions(),
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)


def report_rows(known):
    """Work, a figure for each column, bar."""
    for name, part in PARTS.items():
        for work, bar in part.bars.items():
            columns = [parts.get(name, {}).get("rows", {}) for parts in known.values()]
            figures = [rows.get(work, "") for rows in columns]
            if any(figures):
                yield work, *figures, bar


def settings(known):
    """For each column, what its parts were measured with."""
    for column, parts in known.items():
        lines = {part["setting"]: None for part in parts.values()}
        yield f"- {column}: {' '.join(lines)}"


def write_report():
    known = results()
    write_page(
        __file__,
        "# Training speed",
        "Ratios of medians over alternating runs, float32, same layers, batches, optimiser and "
        "epochs; above 1x skae is faster, unless stated otherwise. Beside each ratio is the "
        "difference between skae's loss and the other side's after the same initial weights "
        "(MLPRegressor has its own, and sends its code through relu). Loops by hand run with 1 "
        "or 2 threads, whichever is faster. Bars are the project's targets, met or not.",
        table(["work", *known, "bar"], report_rows(known)),
        "Calls are those of Python functions, properties and, before Python 3.12, "
        "comprehensions in skae's files, in the second fit of a process. A move is a call in "
        "another file, or in another room, than the call before it; a room is a file or the "
        "whole engine. Products are the layers' matrix products in a step, forward and "
        "backward, into existing memory, on one thread. A straight line is a step of the same "
        "calls of torch for one network, with nothing between them. Steps, and fits against "
        "products, a line or another checkout, are those of fits that go on with an earlier "
        "one; until 1 December 2026 they were those of new fits, whose start from components "
        "takes as long as a hundred steps on MNIST. Another checkout may start elsewhere, so "
        "that its loss ends elsewhere, too.",
        "On 1 December 2026 the last processor's host was at times 1.3 to 1.7 times slower. Then "
        "digits were 2.22x to 2.36x against the loop by hand, 1.39x to 1.51x against "
        "MLPRegressor and 6.46x to 7.14x against skorch, 1,000,000 x 30 was 1.97x to 2.09x, and "
        "GridSearchCV 6.3x; fits of the commit before took as long as those measured here.",
        "\n".join(settings(known)),
    )


def chosen(arguments):
    """Names of the parts to measure."""
    names = arguments.only or [name for name in PARTS if name != "before" or arguments.before]
    return [name for name in names if arguments.again or not is_measured(name)]


def parse():
    """What the command line asks for."""
    parser = data_argument(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--again", action="store_true", help="measure what has been measured, too")
    parser.add_argument("--before", metavar="PATH", help="another checkout of skae")
    arguments = parser.parse_args()
    if "before" in (arguments.only or ()) and not arguments.before:
        parser.error("the part 'before' needs --before PATH")
    return arguments


if __name__ == "__main__":
    arguments = parse()
    inputs = Inputs(arguments.data, arguments.before)
    for name in chosen(arguments):
        measure(name, inputs)
        write_report()
    write_report()
