"""The table of Vincent et al. (2008), anew: eight problems of images, five methods.

Run with `python docs/benchmarks/larochelle.py`, which downloads MNIST, or with `--data
mnist.npz`, a file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255.
Pictures are scikit-image's, which nothing else here needs: `pip install scikit-image`. Names of
problems after it run those alone, `--draws 0` one draw of each: that takes about a quarter of
an hour on one core. Keeps what it measures in larochelle.json, so that it goes on where it was
interrupted (`--again` measures anew), and writes larochelle.md from it.

References: Larochelle, Erhan, Courville, Bergstra and Bengio, "An empirical evaluation of deep
architectures on problems with many factors of variation", ICML 2007; Vincent, Larochelle, Bengio
and Manzagol, "Extracting and composing robust features with denoising autoencoders", ICML 2008;
Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders", JMLR 11, 2010.
"""

from pathlib import Path

import numpy as np
from _larochelle_calibration import CALIBRATION, calibration
from _larochelle_filters import FILTERS, filters
from _larochelle_machines import MACHINES, machines
from _larochelle_methods import ALL, PIXELS, RANDOM, probe_name
from _larochelle_problems import PROBLEMS, draw_images
from _larochelle_report import write_report
from _mnist import data_argument, load
from _records import Records
from _report import processor_in_full, versions

N_DRAWS = 3
METHODS = {**ALL, FILTERS: filters, MACHINES: machines, CALIBRATION: calibration}
OF_ONE = {  # what only one problem has
    CALIBRATION: "basic",
    FILTERS: "bg-img",
    MACHINES: "bg-rand",
    RANDOM: "rect",
    probe_name(PIXELS): "rect",
}


def measure(name, draw, mnist, records, methods):
    """All methods on one draw of a problem; those that have been measured before are left out."""
    lacking = [method for method in methods if is_lacking(name, draw, method, records)]
    if not lacking:
        return
    images = draw_images(name, draw, mnist)
    for method in lacking:
        for what, record in METHODS[method](PROBLEMS[name], images, draw).items():
            records.keep(key(name, draw, what), record)
            print(name, draw, what, record, flush=True)


def is_lacking(name, draw, method, records):
    return OF_ONE.get(method, name) == name and records.lacks(key(name, draw, method))


def key(name, draw, method):
    return f"{name} | {draw} | {method}"


def load_digits(path):
    """All 70000 images and labels."""
    train, labels, test, test_labels = load(path)
    return np.concatenate([train, test]), np.concatenate([labels, test_labels])


def main():
    parser = data_argument(__doc__)
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    parser.add_argument("--draws", nargs="*", type=int, default=range(N_DRAWS))
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    records = Records(arguments.out, arguments.again)
    mnist = load_digits(arguments.data)
    for name in arguments.problems:
        for draw in arguments.draws:
            measure(name, draw, mnist, records, arguments.methods)
    write_report(arguments.out, records.known, f"{processor_in_full()}, {versions()}")


if __name__ == "__main__":
    main()
