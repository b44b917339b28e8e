"""What others.py measures in numbers: speed, defaults, agreement with closed forms, lines."""

import contextlib
import inspect
import tempfile
import time

import _others_snippets
import numpy as np
import torch
from _others_library import Network, NotOffered
from _others_questions import images, trained
from _others_sklearn import Skae
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from threadpoolctl import threadpool_limits

N_ROUNDS = 5
N_EPOCHS, BATCH = 20, 200
TABLES = {"iris": load_iris, "wine": load_wine, "digits": load_digits, "cancer": load_breast_cancer}
WIDTHS = {"iris": 2, "wine": 3, "digits": 16, "cancer": 8}
SPLIT = 0  # its seed
LINEAR = Network(3, hidden=(), max_iter=1000, batch_size=50, is_linear=True)


def seconds(library):
    """Of a fit of 64-32-8-32-64, and how many times as long as skae's in the same process."""
    if not library.trains_network:
        raise NotOffered("another model")
    network = Network(8, hidden=(32,), max_iter=N_EPOCHS, batch_size=BATCH)
    with threadpool_limits(1), one_thread():
        rounds = [
            {one.name: timed(one, network) for one in (Skae(), library)}
            for _ in range(N_ROUNDS + 1)
        ][1:]
    wall, cpu = (
        {name: float(np.median([round_[name][i] for round_ in rounds])) for name in rounds[0]}
        for i in range(2)
    )
    return {
        "seconds": wall[library.name],
        "times": wall[library.name] / wall[Skae.name],
        "CPU times": cpu[library.name] / cpu[Skae.name] if library.computes_here else None,
    }


class one_thread:
    def __enter__(self):
        self.before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_):
        torch.set_num_threads(self.before)


def timed(library, network):
    """Seconds by the clock and of the processor, of making and training a model."""
    wall, cpu = time.perf_counter(), time.process_time()
    trained(library, network)
    return time.perf_counter() - wall, time.process_time() - cpu


def defaults(table, is_scaled):
    """A function: the share of a table's variance that held-out rows keep."""

    def measure(library):
        return {"kept": float(kept(library, table, is_scaled))}

    return measure


def kept(library, table, is_scaled):
    """1 less the squared error over the total variance, of standardised columns if scaled."""
    X = TABLES[table]().data.astype(np.float32)
    train, test = train_test_split(X, random_state=SPLIT)
    if is_scaled:
        standardise = StandardScaler().fit(train)
        train, test = standardise.transform(train), standardise.transform(test)
    restored = restored_by(library, train, test, Network(WIDTHS[table]), is_scaled)
    return r2_score(test, restored, multioutput="variance_weighted")


def restored_by(library, train, test, network, is_scaled):
    """Held-out rows, by a model for which columns are scaled to [0, 1] if it wants that."""
    if not (is_scaled and library.wants_unit_range):
        return library.restored(trained(library, network, train), test)
    to_unit = MinMaxScaler().fit(train)
    model = trained(library, network, to_unit.transform(train))
    return to_unit.inverse_transform(library.restored(model, to_unit.transform(test)))


def linear(library):
    """The variance that a linear autoencoder explains of wine, standardised, over that of PCA."""
    X = StandardScaler().fit_transform(load_wine().data).astype(np.float32)
    restored = library.restored(trained(library, LINEAR, X), X)
    pca = PCA(LINEAR.width).fit(X)
    explained = 1 - np.square(X - restored).sum() / np.square(X).sum()
    return {"ratio": float(explained / pca.explained_variance_ratio_.sum())}


def likelihood(library):
    """By how many nats a row a linear VAE stays below probabilistic PCA's greatest likelihood.

    The noise has variance 1, which some take it to be.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3)) @ (2 * rng.normal(size=(3, 10))) + rng.normal(size=(3000, 10))
    X = (X - X.mean(axis=0)).astype(np.float32)
    return {"nats below": float(PCA(3).fit(X).score(X) - library.linear_vae(X))}


def lines(library):
    """Of the program in `_others_snippets.py`, which is run, too."""
    snippet = _others_snippets.SNIPPETS.get(library.name)
    if snippet is None:
        raise NotOffered("no autoencoder of this kind")
    X = images()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # some write files
        codes, restored = snippet(X)
    if np.shape(codes) != (len(X), 8) or np.shape(restored) != X.shape:
        raise ValueError("the program gives something else")
    source = inspect.getsource(snippet).splitlines()[1:]
    return {"lines": len([line for line in source if line.strip()])}


FIGURES = {
    "speed": {"64-32-8-32-64": seconds},
    "defaults": {
        f"{table}, {how}": defaults(table, how == "scaled")
        for how in ("raw", "scaled")
        for table in TABLES
    },
    "closed forms": {"PCA": linear, "probabilistic PCA": likelihood},
    "lines": {"program": lines},
}
