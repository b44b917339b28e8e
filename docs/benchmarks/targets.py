"""Classifiers and regressors as they come, on tables of a few hundred rows, and with other steps.

Run with `python docs/benchmarks/targets.py`, some minutes on one core. Names of tables after
it run those alone. What has been measured is kept in targets.json, so that a run goes on where it
was interrupted; `--again` measures anew. Writes targets.md.
"""

import argparse
import math
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from _records import Records
from _report import processor_in_full, table, versions, write_page
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_friedman1,
    make_friedman3,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderClassifier, AutoencoderRegressor
from skae._engine.settings import EPOCHS, batch_size_for, n_epochs_for

N_FOLDS = 5
STEPS = (250, 500, 1000, 2000)
REGRESSION = {
    "diabetes": lambda: load_diabetes(return_X_y=True),
    "friedman1": lambda: make_friedman1(400, noise=1.0, random_state=0),
    "friedman3": lambda: make_friedman3(400, noise=0.2, random_state=0),
    "linear, noisy": lambda: make_regression(300, 20, n_informative=8, noise=60, random_state=0),
    "halves of digits": lambda: halves(load_digits().data[:600]),
}
CLASSIFICATION = {
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "iris": lambda: load_iris(return_X_y=True),
    "500 digits": lambda: tuple(table[:500] for table in load_digits(return_X_y=True)),
    "wrong labels": lambda: make_classification(400, n_informative=5, flip_y=0.15, random_state=0),
}


def halves(images):
    """The upper half of each image, and the ink of the lower one."""
    return images[:, :32], images[:, 32:].sum(axis=1)


def epochs(n_rows, steps):
    """`max_iter` for at least so many steps, and at least 20 epochs."""
    return n_epochs_for(math.ceil(n_rows / batch_size_for(n_rows)), steps)


def models(ours, linear, network, n_rows):
    """What is compared, by name."""
    yield type(linear).__name__, linear
    yield type(network).__name__, network
    yield "as it comes", ours(random_state=0)
    for steps in STEPS:
        yield f"{steps} steps", ours(max_iter=epochs(n_rows, steps), random_state=0)
    yield "early stopping", ours(early_stopping=True, random_state=0)


RIDGE = RidgeCV(np.logspace(-3, 3, 13))
KINDS = {
    "R2": (
        REGRESSION,
        partial(models, AutoencoderRegressor, RIDGE, MLPRegressor(random_state=0)),
        KFold(N_FOLDS, shuffle=True, random_state=0),
        "r2",
    ),
    "log loss": (
        CLASSIFICATION,
        partial(models, AutoencoderClassifier, LogisticRegression(), MLPClassifier(random_state=0)),
        StratifiedKFold(N_FOLDS, shuffle=True, random_state=0),
        "neg_log_loss",
    ),
}


def measure(records, names):
    """Keep the mean score of each model on each table."""
    for tables, models_for, folds, scoring in KINDS.values():
        for name in filter(names.__contains__, tables):
            X, y = tables[name]()
            for label, model in models_for(len(X) * (N_FOLDS - 1) // N_FOLDS):
                if records.lacks(key := f"{name} | {label}"):
                    steps = make_pipeline(StandardScaler(), model)
                    scores = cross_val_score(steps, X, y, cv=folds, scoring=scoring)
                    records.keep(key, round(float(scores.mean()), 4))
                    print(key, records.known[key], flush=True)


def results(known, kind):
    """A table with a line for each table that has been measured by all."""
    tables, models_for, _, _ = KINDS[kind]
    labels = [label for label, _ in models_for(100)]
    sign = 1 if kind == "R2" else -1
    lines = (
        [name, *(f"{sign * known[f'{name} | {label}']:.3f}" for label in labels)]
        for name in tables
        if all(f"{name} | {label}" in known for label in labels)
    )
    return table([f"{kind} of", *labels], lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=[*REGRESSION, *CLASSIFICATION])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    records = Records(arguments.out, arguments.again)
    measure(records, arguments.names)
    write_page(
        arguments.out,
        "# Classifiers and regressors as they come",
        f"Means over {N_FOLDS} folds, with a StandardScaler in front. Everything has its defaults, "
        "except that `max_iter` gives the output layer and the fine-tuning this number of steps "
        f"each, or {EPOCHS} epochs if these are more. `max_iter='auto'` has as many as 500 steps, "
        "but ends with a mean of the weights after them.",
        "For numbers, R2: higher is better.",
        results(records.known, "R2"),
        "For classes, the log loss in nats: lower is better.",
        results(records.known, "log loss"),
        f"{processor_in_full()}, {versions()}",
    )


if __name__ == "__main__":
    main()
