"""`Autoencoder(d)` as it comes against `PCA(d)`: variance explained on held-out rows.

Run with `python docs/benchmarks/defaults.py` (about a minute); writes defaults.md.
"""

import time

import numpy as np
from _report import table, write
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_swiss_roll,
)
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder

N_SPLITS = 20
DATA = {
    "digits": (load_digits().data, 8),
    "breast cancer": (load_breast_cancer().data, 4),
    "wine": (load_wine().data, 3),
    "iris": (load_iris().data, 2),
    "diabetes": (load_diabetes().data, 4),
    "swiss roll": (make_swiss_roll(1500, random_state=0)[0], 2),
}


def explained(reducer, X):
    reconstructions = reducer.inverse_transform(reducer.transform(X))
    return r2_score(X, reconstructions, multioutput="variance_weighted")


def compare(X, d, seed):
    """Held-out explained variance of both, on one split."""
    train, test = train_test_split(X, random_state=seed)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    reducers = Autoencoder(d, random_state=seed), PCA(d)
    return [explained(reducer.fit(train), test) for reducer in reducers]


def main():
    rows = []
    for name, (X, d) in DATA.items():
        started = time.perf_counter()
        scores = np.array([compare(X, d, seed) for seed in range(N_SPLITS)])
        seconds = (time.perf_counter() - started) / N_SPLITS
        difference = scores[:, 0] - scores[:, 1]
        error = difference.std(ddof=1) / N_SPLITS**0.5
        above = (difference > 0).sum()
        means = [f"{mean:.3f}" for mean in scores.mean(axis=0)]
        gap = f"{difference.mean():+.3f} ± {error:.3f}"
        rows.append([name, d, *means, gap, f"{above} of {N_SPLITS}", f"{seconds:.2f}"])
    header = ["data", "d", "Autoencoder(d)", "PCA(d)", "difference", "above", "seconds a split"]
    write(
        __file__,
        "# Defaults against PCA",
        "Fraction of the variance of held-out rows that the reconstructions explain, after "
        f"StandardScaler: means over {N_SPLITS} random splits (a quarter held out), each with "
        "its own seed for the autoencoder; the difference with its standard error.",
        table(header, rows),
    )


if __name__ == "__main__":
    main()
