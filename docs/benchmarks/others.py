"""skae beside other libraries of autoencoders: what each can do, how fast, how exact.

Run with `python docs/benchmarks/others.py`. It measures the libraries that it can import, keeps
what it finds in others.json, each answer with the library's version, and writes others.md.
Libraries exclude one another, so that each may have an environment of its own:

    pip install -c constraints.txt torch scikit-learn pandas skorch pyod tqdm skl2onnx onnxruntime
    pip install -c constraints.txt torch scikit-learn pandas pythae
    pip install -c constraints.txt torch scikit-learn pandas encdr  # from Python 3.12
    pip install -c constraints.txt torch scikit-learn pandas scvi-tools
    pip install -c constraints.txt torch scikit-learn pandas sae-lens
    pip install -c constraints.txt torch scikit-learn pandas h2o  # and a Java runtime
    pip install -c constraints.txt torch scikit-learn pandas ctgan  # Business Source License

and `PYTHONPATH=. python docs/benchmarks/others.py` in each. Names of parts after it measure those
alone, `--libraries` some libraries, `--again` what is known, too; `--report` measures nothing and
`--out FILE` keeps records in another file, with the report beside it. An answer that takes longer
than ten minutes is given up; on a quiet machine most take seconds.
"""

import argparse
from functools import partial
from pathlib import Path

from _others_figures import FIGURES
from _others_libraries import LIBRARIES
from _others_models import QUESTIONS as MODELS
from _others_questions import QUESTIONS, answer
from _others_report import paragraphs
from _pieces import quietly
from _records import Records
from _report import processor_in_full, write_page

PARTS = {**QUESTIONS, **MODELS, **FIGURES}


def pieces(arguments):
    """The key, the library and the question of each answer that the command line asks for."""
    for name in arguments.libraries or LIBRARIES:
        for part in arguments.parts or PARTS:
            for question, ask in PARTS[part].items():
                yield f"{part} | {name} | {question}", LIBRARIES[name], ask


def measure_lacking(records, pieces):
    """Ask what has no record yet, and keep each answer with the version that gave it."""
    for key, library, ask in pieces:
        if library.is_installed() and records.lacks(key):
            try:
                found = quietly(partial(answer, ask, library))
            except ImportError as failure:
                print(f"{key}: left out: {failure}", flush=True)
                continue
            records.keep(key, {"answer": found, "version": library.version(), **setting(library)})
            print(key, found, flush=True)


def setting(library):
    return {"licence": library.licence(), "processor": processor_in_full()}


def parse():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    add("--libraries", nargs="+", metavar="L", choices=LIBRARIES, help=", ".join(LIBRARIES))
    add("--again", action="store_true", help="measure what has been measured, too")
    add("--report", action="store_true", help="measure nothing, write the report")
    add("--out", type=Path, default=Path(__file__).with_suffix(".json"), metavar="FILE")
    return parser.parse_args()


def main():
    arguments = parse()
    records = Records(arguments.out, arguments.again)
    if not arguments.report:
        measure_lacking(records, pieces(arguments))
    write_page(arguments.out, *paragraphs(records.known))


if __name__ == "__main__":
    main()
