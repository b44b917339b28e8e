"""Defaults on many tables: what estimators explain of held-out rows as they come, and in how long.

Run with `python docs/benchmarks/defaults.py --data FOLDER`, a folder with `mnist.npz` (X_train
(60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255) and `outliers/NAME.npz` (X, a
table); without it their tables and checks are left out. Each fit, and each piece of a check, is
kept in defaults.json when it is done, so that a run goes on where it was interrupted; one process
at a time writes a file. `--only` measures some parts: tables, mnist_60000, checks or the names of
checks; `--tables`, `--estimators` and `--splits` some fits, `--again` what is known, too.
`--out FILE` keeps records in another JSON file, and the report beside it, to compare variants;
`--report` prints the report of what there is. Writes defaults.md.
"""

import argparse
import time
import warnings
from pathlib import Path

from _defaults_checks import CHECKS
from _defaults_fits import ESTIMATORS, measure
from _defaults_report import judged, paragraphs
from _defaults_tables import MNIST, N_SPLITS, TABLES, needs_folder, splits_of
from _records import Records
from _report import processor_in_full, write_page

NAMES = [*TABLES, *MNIST]
HUGE = "mnist_60000"  # a part of its own, as it takes longer than all others
PARTS = ["tables", HUGE, "checks", *CHECKS]


def fit_tables(arguments, records):
    """Measure fits, table by table."""
    for table in arguments.tables:
        if needs_folder(table) and arguments.data is None:
            print(f"{table}: left out, as it needs --data", flush=True)
            continue
        for split in splits_of(table):
            for name in arguments.estimators:
                key = f"tables | {table} | {name} | {split}"
                if split in arguments.splits and records.lacks(key):
                    records.keep(key, measure(table, name, split, arguments.data))
                    print(key, tell(records.known[key]), flush=True)


def tell(record):
    """A record on a line."""
    fields = ("error", "ev", "train_ev", "masked_ev", "n_iter", "seconds")
    found = {field: record[field] for field in fields if record.get(field) is not None}
    texts = [f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items()]
    kinds = ", ".join(sorted({kind for kind, _ in record.get("warnings", [])}))
    return "; ".join([*texts, *([kinds] if kinds else [])])


def run_checks(arguments, records):
    """Measure checks, piece by piece."""
    for name, check in CHECKS.items():
        for piece in check(arguments.data) if name in arguments.checks else ():
            key = f"checks | {name} | {piece.what}"
            if piece.needs_folder and arguments.data is None:
                print(f"{name}: {piece.what}: left out, as it needs --data", flush=True)
            elif records.lacks(key):
                records.keep(key, measure_piece(piece))
                figure, bar, verdict = judged(piece, records.known[key])
                print(
                    f"{name}: {piece.what}: {figure} (bar: {bar or 'none'}) {verdict}", flush=True
                )


def measure_piece(piece):
    """The record of a piece of a check."""
    record, started = {"processor": processor_in_full()}, time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            record["figures"] = piece.measure()
        except ValueError as failure:
            record["error"] = str(failure)[:80]
    return {**record, "seconds": round(time.perf_counter() - started, 3)}


def parse():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, help="a folder with mnist.npz and outliers/")
    add("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    add("--tables", nargs="+", choices=NAMES, metavar="T", help=", ".join(NAMES))
    add("--estimators", nargs="+", choices=ESTIMATORS, metavar="E", help=", ".join(ESTIMATORS))
    add("--splits", nargs="+", type=int, choices=range(N_SPLITS), metavar="S")
    add("--again", action="store_true", help="measure what has been measured, too")
    add("--report", action="store_true", help="measure nothing, print the report")
    add("--out", type=Path, default=Path(__file__).with_suffix(".json"), metavar="FILE")
    return choose(parser.parse_args())


def choose(arguments):
    """Which fits and checks that means; a choice of fits leaves the checks out."""
    some = arguments.tables or arguments.estimators or arguments.splits
    only = arguments.only or (["tables"] if some else PARTS)
    fits = arguments.tables or [name for name in NAMES if name != HUGE]
    arguments.tables = (fits if "tables" in only else []) + ([HUGE] if HUGE in only else [])
    arguments.estimators = arguments.estimators or list(ESTIMATORS)
    arguments.splits = arguments.splits or range(N_SPLITS)
    arguments.checks = list(CHECKS) if "checks" in only else [n for n in only if n in CHECKS]
    return arguments


if __name__ == "__main__":
    arguments = parse()
    records = Records(arguments.out, arguments.again)
    if arguments.report:
        print("\n\n".join(paragraphs(records.known)))
    else:
        fit_tables(arguments, records)
        run_checks(arguments, records)
        write_page(arguments.out, *paragraphs(records.known))
