"""Data frames of mixed kinds: synthetic rows, missing values, codes, outliers, and what they cost.

Run with `python docs/benchmarks/tables.py --data FOLDER`, a folder with `NAME.csv.gz` for german,
credit_data, nmes1988, wage, penguins and titanic, and `meta.json`, which has for each of them
"categories" (by column) and "ordered" (by column). Without the option it is the environment's
SKAE_TABLES, or else `data/tables`. Names of parts after it measure those alone; `--tables` and
`--models` some of their pieces, `--baselines` what is not skae's, `--again` what is known, too.
Each piece is kept in tables.json when it is done, so that a run goes on where it was interrupted;
one process at a time writes a file. `--out FILE` keeps them in another one, and the report beside
it; `--report` measures nothing. Writes tables.md.

TVAE and CTGAN, to compare with, are those of the package ctgan, whose licence (BUSL-1.1) is not
open: `pip install -c constraints.txt ctgan`, into an environment of its own. They are left out
where it is not installed, and so is skrub.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

import _no_bottleneck  # noqa: F401  before pandas
import _tables_codes
import _tables_cost
import _tables_given
import _tables_imputation
import _tables_outliers
import _tables_synthetic
from _pieces import measure_lacking
from _records import Records
from _report import setting, write_page
from _tables_report import paragraphs


class Part(NamedTuple):
    """Pieces to measure: of each table by each model, with each seed."""

    measure: object  # of folder, table, model and seed: a dict of figures
    tables: tuple
    models: tuple
    ours: tuple  # which of the models are skae's
    n_seeds: int = 3


PARTS = {
    "synthetic": Part(
        _tables_synthetic.measure,
        tuple(_tables_synthetic.N_TRAIN),
        tuple(_tables_synthetic.MODELS),
        ("VAE",),
    ),
    "race": Part(_tables_synthetic.race, ("credit_data",), ("TVAE",), ("TVAE",)),
    "given": Part(
        _tables_given.measure,
        tuple(_tables_given.TABLES),
        _tables_given.MODELS,
        (_tables_given.OURS, _tables_given.ANY),
    ),
    "imputation": Part(
        _tables_imputation.measure,
        _tables_imputation.TABLES,
        tuple(_tables_imputation.METHODS),
        (_tables_imputation.OURS,),
    ),
    "codes": Part(
        _tables_codes.measure,
        _tables_codes.TABLES,
        tuple(_tables_codes.CODERS),
        ("Autoencoder(8)", "VAE(8)", _tables_codes.OURS, _tables_codes.DEEP),
    ),
    "outliers": Part(
        _tables_outliers.measure,
        _tables_outliers.TABLES,
        tuple(_tables_outliers.FINDERS),
        ("VAE()", _tables_outliers.OURS, _tables_outliers.DEEP),
    ),
    "output": Part(
        _tables_cost.output_cost,
        tuple(map(str, _tables_cost.OUTPUTS)),
        ("Mixed",),
        ("Mixed",),
    ),
    "memory": Part(
        _tables_cost.memory,
        ("100,000 x 10",),
        tuple(_tables_cost.MEMORY),
        tuple(_tables_cost.MEMORY),
    ),
    "fit": Part(
        _tables_cost.fit_cost, (_tables_cost.FIT,), ("Autoencoder(8)",), ("Autoencoder(8)",)
    ),
}


def pieces(arguments):
    """Part, table, model and seed of what the command line asks for; models take turns."""
    for name in arguments.parts or PARTS:
        part = PARTS[name]
        for table in part.tables:
            for seed in range(part.n_seeds):
                for model in part.models:
                    if wanted(arguments, part, table, model):
                        yield name, table, model, seed


def wanted(arguments, part, table, model):
    return (
        table in (arguments.tables or part.tables)
        and model in (arguments.models or part.models)
        and not (arguments.baselines and model in part.ours)
    )


def keyed(arguments):
    """The key of each piece, and what measures it."""
    for name, *piece in pieces(arguments):
        measure = partial(PARTS[name].measure, arguments.data, *piece)
        yield " | ".join(map(str, (name, *piece))), measure


def parse():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    folder = Path(os.environ.get("SKAE_TABLES", "data/tables"))
    add("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    add("--data", type=Path, default=folder, help="the folder with the tables")
    add("--tables", nargs="+", metavar="T")
    add("--models", nargs="+", metavar="M")
    add("--baselines", action="store_true", help="measure no model of skae's")
    add("--again", action="store_true", help="measure what has been measured, too")
    add("--report", action="store_true", help="measure nothing, write the report")
    add("--out", type=Path, default=Path(__file__).with_suffix(".json"), metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    records = Records(arguments.out, arguments.again)
    if not arguments.report:
        measure_lacking(records, keyed(arguments))
    write_page(arguments.out, *paragraphs(records.known), setting())
