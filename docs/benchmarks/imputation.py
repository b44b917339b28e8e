"""Missing values: `AutoencoderImputer` beside scikit-learn's imputers, and other recipes for it.

Run with `python docs/benchmarks/imputation.py`; names of tables after it measure those alone.
Keeps what it measures in imputation.json, so that it goes on where it was interrupted; delete an
entry to have it measured anew. Writes imputation.md.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from _report import table, write
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skae import AutoencoderImputer, DenoisingAutoencoder

RESULTS = Path(__file__).with_suffix(".json")
N_MASKS = 4
OF_RECIPES = 3  # masks that other recipes than the default get, on these tables
RECIPE_TABLES = ("breast cancer", "wine")
MISSING = 0.2
FEW = 40  # fewer than columns
TABLES = {
    "diabetes": load_diabetes,
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "digits": load_digits,
    f"digits, {FEW} rows": lambda: Bunch(data=load_digits().data[:FEW]),
}
DENOISER = DenoisingAutoencoder(
    64,
    hidden_layer_sizes=(256,),
    code_activation="identity",
    learning_rate="one_cycle",
    learning_rate_init=3e-3,
    batch_size=64,
    max_iter=300,
)


def denoiser(**changed):
    """Makes an imputer, given a seed, by a recipe that differs from the default's in this."""
    autoencoder = clone(DENOISER).set_params(**changed)
    return lambda seed: AutoencoderImputer(autoencoder, random_state=seed)


OTHERS = {
    "SimpleImputer": lambda seed: SimpleImputer(),
    "KNNImputer": lambda seed: KNNImputer(),
    "IterativeImputer": lambda seed: IterativeImputer(random_state=seed),
}
DEFAULT = "AutoencoderImputer()"
RECIPES = {
    DEFAULT: lambda seed: AutoencoderImputer(random_state=seed),
    "max_iter=150": denoiser(max_iter=150),
    "cosine from 1e-3, max_iter=500": denoiser(
        learning_rate="cosine", learning_rate_init="auto", max_iter=500
    ),
    "corruption_level=0.5": denoiser(corruption_level=0.5),
}


def measure(name, make, seed):
    """Mean squared error of the filled cells, in variances of their columns."""
    X = StandardScaler().fit_transform(TABLES[name]().data)
    missing = np.random.default_rng(seed).random(X.shape) < MISSING
    holes = np.where(missing, np.nan, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # IterativeImputer's
        filled = make(seed).fit_transform(holes)
    return float(np.square(filled - X)[missing].mean())


def results():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def measure_all(names):
    """What is known of (table, method, mask), after having measured what was not."""
    for name in names:
        for method, make in {**OTHERS, **RECIPES}.items():
            for seed in range(n_masks(method, name)):
                key = f"{name} / {method} / {seed}"
                if key not in results():
                    found = {key: measure(name, make, seed)}
                    RESULTS.write_text(json.dumps(results() | found, indent=0) + "\n")
    return results()


def n_masks(method, name):
    if method in (*OTHERS, DEFAULT):
        return N_MASKS
    return OF_RECIPES if name in RECIPE_TABLES else 0


def numbers(known, name, method):
    """Errors of all masks, an array."""
    return np.array([known[f"{name} / {method} / {s}"] for s in range(n_masks(method, name))])


def compared(known, names):
    """Medians of all methods, and the default beside the best of the others, mask by mask."""
    for name in names:
        errors = {m: numbers(known, name, m) for m in (*OTHERS, DEFAULT)}
        ratios = errors[DEFAULT] / np.min([errors[m] for m in OTHERS], axis=0)
        medians = [f"{np.median(found):.3f}" for found in errors.values()]
        yield name, *medians, f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def recipes(known, names):
    """Each recipe's error as a part of the default's: medians over masks."""
    for method in RECIPES:
        if method != DEFAULT:
            yield method, *(f"{np.median(relative(known, name, method)):.2f}" for name in names)


def relative(known, name, method):
    """Errors as parts of the default's, an array of a number for each mask."""
    errors, defaults = (numbers(known, name, m) for m in (method, DEFAULT))
    return errors / defaults[: len(errors)]


def main(names):
    known = measure_all(names)
    write(
        __file__,
        "# Imputation",
        f"{MISSING:.0%} of the cells missing at random. Mean squared error of the filled values, "
        "in variances of their columns: the mean has about 1. All have their defaults, and get "
        "columns that were standardised before values were removed, which KNNImputer needs. "
        f"Medians of {N_MASKS} masks, each with a seed of its own; the last column is the "
        "default's error divided by that of the best of the three, mask by mask. Its step size, "
        "batches and epochs were chosen on the first of these masks. If columns outnumber rows, as "
        f"in the first {FEW} rows of digits, the default is a linear autoencoder.",
        table(["table", *OTHERS, DEFAULT, "default / best other"], compared(known, names)),
        "Other recipes: what differs from the default's, `DenoisingAutoencoder(64, "
        'hidden_layer_sizes=(256,), code_activation="identity", learning_rate="one_cycle", '
        "learning_rate_init=3e-3, batch_size=64, max_iter=300)` for so many rows, and the error as "
        f"a part of the default's; medians of the first {OF_RECIPES} masks.",
        table(["", *RECIPE_TABLES], recipes(known, RECIPE_TABLES)),
    )


if __name__ == "__main__":
    main(sys.argv[1:] or list(TABLES))
