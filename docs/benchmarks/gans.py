"""What generative adversarial networks draw, find out and cost, beside what they must.

Run with `python docs/benchmarks/gans.py`, which downloads MNIST where it is needed, or with
`--data mnist.npz`, a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to
255. Without the option it is the environment's SKAE_MNIST, if that is set. Names of parts after it
measure those alone; `--tasks` some of their tasks, `--seeds` some of their seeds, `--again` what is
known, too. Each is kept in gans.json when it is done, so that a run goes on where it was
interrupted; one process at a time writes a file. `--out FILE` keeps them in another one, and the
report beside it; `--report` measures nothing. Writes gans.md.

Fits take one thread. Those of MNIST take most of the time: four to fifteen minutes each, of three
seeds. `--fraction 0.01` tries everything in a minute or two, of a hundredth of the steps: its
figures are worth nothing, and nothing is kept.
"""

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import _gans_labelled
import _gans_step
import _gans_unlabelled
from _gans_fits import Run
from _gans_report import paragraphs
from _pieces import measure_lacking
from _records import Records
from _report import setting, write_page


class Part(NamedTuple):
    """Tasks to measure, with each seed."""

    measure: object  # of a task and a `Run`: a dict of figures
    tasks: tuple
    n_seeds: int = 3


RIVALS = tuple(
    f"{name}: {rival}" for name in _gans_labelled.SETS for rival in _gans_labelled.RIVALS
)
PARTS = {
    "ring": Part(_gans_unlabelled.modes_of_ring, ("1 minute",)),
    "grid": Part(_gans_unlabelled.modes_of_grid, ("1 minute", "3 minutes")),
    "digits": Part(_gans_labelled.small, ("digits",)),
    "cancer": Part(_gans_labelled.small, ("cancer",)),
    "compare": Part(_gans_labelled.compare, RIVALS),
    "features": Part(_gans_unlabelled.features, ("digits",), n_seeds=7),
    "ratio": Part(_gans_unlabelled.ratio, ("pair",)),
    "step": Part(_gans_step.race, tuple(_gans_step.WORKS)),
    "infogan_digits": Part(_gans_unlabelled.categories_of_digits, ("digits",)),
    "mnist_dense": Part(_gans_labelled.large, ("512, 512",)),
    "mnist_conv": Part(_gans_labelled.large, ("ConvNet",)),
    "mnist_rows": Part(_gans_labelled.training_rows, (_gans_labelled.TRAINING,), n_seeds=1),
    "infogan_mnist": Part(_gans_unlabelled.categories_of_mnist, ("MNIST",)),
}


def pieces(arguments):
    """The key of each piece that the command line asks for, and what measures it."""
    for name in arguments.parts or PARTS:
        part = PARTS[name]
        for task in part.tasks:
            for seed in range(part.n_seeds):
                if wanted(arguments, task, seed):
                    run = Run(arguments.data, seed, arguments.fraction)
                    yield f"{name} | {task} | {seed}", partial(part.measure, task, run)


def wanted(arguments, task, seed):
    return task in (arguments.tasks or [task]) and seed in (arguments.seeds or [seed])


def parse():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    add("--data", default=os.environ.get("SKAE_MNIST"), help="an .npz file with MNIST")
    add("--tasks", nargs="+", metavar="T")
    add("--seeds", nargs="+", type=int, metavar="S")
    add("--again", action="store_true", help="measure what has been measured, too")
    add("--report", action="store_true", help="measure nothing, write the report")
    add(
        "--fraction", type=float, default=1, metavar="F", help="of the steps, to try; keeps nothing"
    )
    add("--out", type=Path, default=Path(__file__).with_suffix(".json"), metavar="FILE")
    return parser.parse_args()


def measure(arguments, out):
    """Measure what lacks, and write the report."""
    records = Records(out, arguments.again)
    if not arguments.report:
        measure_lacking(records, pieces(arguments))
    write_page(out, *paragraphs(records.known), setting())


def main():
    arguments = parse()
    if arguments.fraction == 1:
        return measure(arguments, arguments.out)
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, Path(folder) / arguments.out.name)


if __name__ == "__main__":
    main()
