"""Who finds outliers: `AutoencoderOutlierDetector` beside detectors of scikit-learn and pyod.

Run with `python docs/benchmarks/outliers.py --data FOLDER`, a folder with `NAME.npz` for the sets
that `_outliers_data.py` lists, of ADBench's folder `Classical`: X, unscaled, and y, which is 1 for
outliers. Without the option it is the environment's SKAE_OUTLIERS, or else `data/outliers`. Names
of parts after it measure those alone; `--sets` and `--models` some of their pieces, `--again` what
is known, too. Each piece is kept in outliers.json when it is done, so that a run goes on where it
was interrupted; one process at a time writes a file. `--out FILE` keeps them in another one, and
the report beside it; `--report` measures nothing. Writes outliers.md.

pyod's detectors are left out where it is not installed:
`pip install -c constraints.txt pyod torch tqdm`, into an environment of its own. Its deep ones take
most of the time, and have one seed.
"""

import argparse
import os
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import _no_bottleneck  # noqa: F401  before pandas
import _outliers_costs
import numpy as np
from _outliers_data import PROTOCOLS, SETS
from _outliers_detectors import DEEP, DETECTORS
from _outliers_report import paragraphs
from _pieces import measure_lacking
from _records import Records
from _report import setting, write_page
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

N_SEEDS = 3


class Part(NamedTuple):
    """Pieces to measure: of each set by each model, with each seed."""

    measure: object  # of folder, set, model and seed: a dict of figures
    sets: tuple
    models: tuple

    def n_seeds(self, model):
        return 1 if model in DEEP else N_SEEDS


def measure(protocol, folder, name, detector, seed):
    """How well a detector tells outliers, and what it flags if it says so."""
    task = PROTOCOLS[protocol](folder, name, seed)
    with threadpool_limits(1):
        started = time.process_time()
        strangeness, flagged = DETECTORS[detector](task, seed)
        seconds = time.process_time() - started
    strangeness = np.nan_to_num(strangeness)  # pyod's PCA divides by variances, 0 among them
    figures = {
        "auc": float(roc_auc_score(task.is_outlier, strangeness)),
        "ap": float(average_precision_score(task.is_outlier, strangeness)),
        "seconds": seconds,
    }
    if flagged is not None:
        figures["flagged"] = float(flagged[~task.is_outlier].mean())
        figures["caught"] = float(flagged[task.is_outlier].mean())
    return figures


PARTS = {
    **{name: Part(partial(measure, name), SETS, tuple(DETECTORS)) for name in PROTOCOLS},
    "race": Part(_outliers_costs.race, _outliers_costs.RACES, DEEP[:1]),
    "units": Part(_outliers_costs.units, _outliers_costs.UNITS, tuple(_outliers_costs.CHANGES)),
}


def pieces(arguments):
    """The key of each piece that the command line asks for, and what measures it."""
    for name in arguments.parts or PARTS:
        part = PARTS[name]
        for model in chosen(part.models, arguments.models):
            for data in chosen(part.sets, arguments.sets):
                for seed in range(part.n_seeds(model)):
                    run = partial(part.measure, arguments.data, data, model, seed)
                    yield f"{name} | {data} | {model} | {seed}", run


def chosen(names, wanted):
    return [name for name in names if not wanted or name in wanted]


def parse():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    folder = Path(os.environ.get("SKAE_OUTLIERS", "data/outliers"))
    add("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    add("--data", type=Path, default=folder, help="the folder with the sets")
    add("--sets", nargs="+", metavar="S", choices=SETS)
    add("--models", nargs="+", metavar="M")
    add("--again", action="store_true", help="measure what has been measured, too")
    add("--report", action="store_true", help="measure nothing, write the report")
    add("--out", type=Path, default=Path(__file__).with_suffix(".json"), metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    records = Records(arguments.out, arguments.again)
    if not arguments.report:
        measure_lacking(records, pieces(arguments))
    write_page(arguments.out, *paragraphs(records.known), setting())
