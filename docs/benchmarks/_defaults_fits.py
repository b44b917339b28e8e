"""Single fits of defaults.py: an estimator as it comes, on one split of one table."""

import time
import warnings
from typing import NamedTuple

import numpy as np
from _defaults_tables import split_rows
from _report import processor_in_full
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

from skae import (
    VAE,
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)

WIDE = 32


class Estimator(NamedTuple):
    """A class with nothing set but what the table asks for."""

    title: str
    make: object  # of w and of a function that limits a width to what PCA can have there
    reference: str  # the PCA of as many components


ESTIMATORS = {
    "pca": Estimator("PCA(w)", lambda w, most: PCA(w), "pca"),
    "pca32": Estimator("PCA(32 or all)", lambda w, most: PCA(most(WIDE)), "pca32"),
    "pca128": Estimator("PCA(128 or all)", lambda w, most: PCA(most(128)), "pca128"),
    "ae": Estimator("Autoencoder(w)", lambda w, most: Autoencoder(w), "pca"),
    "vae": Estimator("VAE(w)", lambda w, most: VAE(w), "pca"),
    "stack": Estimator("Stacked((128, w))", lambda w, most: StackedAutoencoder((128, w)), "pca"),
    "dae": Estimator("Denoising(w)", lambda w, most: DenoisingAutoencoder(w), "pca"),
    "dae32": Estimator("Denoising(32)", lambda w, most: DenoisingAutoencoder(WIDE), "pca32"),
    "cae32": Estimator("Contractive(32)", lambda w, most: ContractiveAutoencoder(WIDE), "pca32"),
    **{
        sparsity: Estimator(
            f"Sparse(128), {sparsity}",
            lambda w, most, sparsity=sparsity: SparseAutoencoder(128, sparsity=sparsity),
            reference,
        )
        for sparsity, reference in (("kl", "pca128"), ("l1", "pca128"), ("topk", "pca32"))
    },
}
OURS = [name for name in ESTIMATORS if not name.startswith("pca")]


def explained(model, X, inputs=None):
    """Fraction of the variance of X that is reconstructed, from other inputs if there are any."""
    inputs = X if inputs is None else inputs
    if isinstance(model, PCA):
        reconstructions = model.inverse_transform(model.transform(inputs))
    else:
        reconstructions = model.reconstruct(inputs)
    return float(r2_score(X, reconstructions, multioutput="variance_weighted"))


def make(name, width, shape, seed):
    """An estimator for training rows of that shape."""
    estimator = ESTIMATORS[name].make(width, lambda most: min(most, *shape))
    return estimator.set_params(random_state=seed)


def measure(table, name, split, folder):
    """The record of one fit."""
    train, test, width = split_rows(table, split, folder)
    model = make(name, width, train.shape, split)
    record = {"processor": processor_in_full(), "shape": list(train.shape), "width": width}
    try:
        record |= {**fit(model, train), **training_of(model)}
        record |= {"ev": explained(model, test), "train_ev": explained(model, train)}
        if name == "dae":
            record |= masked(model, PCA(width, random_state=split).fit(train), test, split)
    except ValueError as failure:  # a training that diverges, or numbers that are not finite
        record["error"] = str(failure)[:80]
    return record


def fit(model, X):
    """Fit; seconds and what was warned of."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        wall, cpu = time.perf_counter(), time.process_time()
        model.fit(X)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    said = [[w.category.__name__, str(w.message)[:80]] for w in raised]
    return {"seconds": round(wall, 3), "cpu_seconds": round(cpu, 3), "warnings": said}


def training_of(model):
    """Epochs, and what "auto" came to where an estimator tells."""
    names = {"n_iter": "n_iter_", "batch_size": "batch_size_", "step": "learning_rate_init_"}
    found = {key: getattr(model, name, None) for key, name in names.items()}
    return {key: x.item() if isinstance(x, np.generic) else x for key, x in found.items()}


def masked(denoiser, pca, X, split):
    """What both explain of clean rows, from rows that are masked as in training."""
    inputs = denoiser.corrupt(X, random_state=split)
    return {
        "masked_ev": explained(denoiser, X, inputs),
        "pca_masked_ev": explained(pca, X, inputs),
    }
