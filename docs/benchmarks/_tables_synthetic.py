"""Synthetic rows of tables.py: who makes them, and how good they are."""

import time

import numpy as np
import pandas as pd
import torch
from _tables_data import TARGETS, OneHot, categories_of, is_category, load, numbers_of, shuffled
from joblib import parallel_config
from scipy.spatial.distance import cdist
from scipy.special import ndtr, ndtri
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from skae import VAE

N_TRAIN = {"credit_data": 3000, "nmes1988": 3000, "german": 600}
EPOCHS = 300  # of TVAE and CTGAN, their default


# Who makes rows: objects with `fit(frame)` and `sample(n)`.


class Independent:
    """Every column drawn alone."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def fit(self, frame):
        self.frame = frame
        return self

    def sample(self, n):
        rows = self.rng.permuted(np.arange(n) % len(self.frame))
        frame = self.frame.iloc[rows]
        return pd.DataFrame({name: self.rng.permutation(frame[name]) for name in frame}).astype(
            self.frame.dtypes
        )


class Copula(Independent):
    """A Gaussian copula: normal scores with their correlations, and the columns' own values."""

    def fit(self, frame):
        self.frame = frame
        columns = [frame[name].sort_values(ignore_index=True) for name in frame]
        self.sorted = dict(zip(frame, columns, strict=True))
        self.correlation = np.corrcoef(np.stack([self._scores(frame[n]) for n in frame]))
        return self

    def _scores(self, column):
        """Normal scores; equal cells, and missing ones, get their ranks in a random order."""
        values = column.cat.codes.replace(-1, np.inf) if is_category(column) else column
        keys = np.lexsort([self.rng.random(len(column)), values.fillna(np.inf)])
        ranks = np.empty(len(column))
        ranks[keys] = np.arange(len(column))
        return ndtri((ranks + 0.5) / len(column))

    def sample(self, n):
        means = np.zeros(len(self.correlation))
        drawn = ndtr(self.rng.multivariate_normal(means, self.correlation, n))
        places = np.minimum((drawn * len(self.frame)).astype(int), len(self.frame) - 1)
        columns = enumerate(self.sorted.items())
        return pd.DataFrame({k: v.iloc[places[:, j]].array for j, (k, v) in columns})


class OurVAE:
    def __init__(self, seed):
        self.seed = seed

    def fit(self, frame):
        self.vae = VAE(random_state=self.seed).fit(frame)
        return self

    def sample(self, n):
        return self.vae.sample(n, random_state=self.seed)


class Theirs:
    """TVAE or CTGAN, with what they need around them: gaps as a column, decimals as seen."""

    def __init__(self, name, seed):
        self.name, self.seed = name, seed

    def fit(self, frame):
        import ctgan

        torch.manual_seed(self.seed)
        np.random.seed(self.seed)
        self.frame = frame
        filled = with_gaps_as_columns(frame)
        discrete = [name for name in filled if name not in numbers_of(frame)]
        self.model = getattr(ctgan, self.name)(epochs=EPOCHS)
        # In threads, as _no_bottleneck does not reach other processes.
        with parallel_config("threading"):
            self.model.fit(filled, discrete)
        return self

    def sample(self, n):
        drawn = self.model.sample(n)
        return pd.DataFrame({name: like_column(drawn, self.frame[name]) for name in self.frame})


def with_gaps_as_columns(frame):
    """A frame without missing values: numbers get their mean and a column that tells."""
    columns = {}
    for name, column in frame.items():
        if is_category(column):
            columns[name] = column.astype(object).where(column.notna(), "missing")
        else:
            columns[name] = column.fillna(column.mean())
            if column.isna().any():
                columns[gap_name(name)] = column.isna().map({True: "yes", False: "no"})
    return pd.DataFrame(columns)


def gap_name(name):
    return f"{name} is missing"


def like_column(drawn, column):
    """What was drawn for a column, in its dtype, with its decimals and gaps."""
    cells = drawn[column.name]
    if is_category(column):
        return cells.where(cells != "missing").astype(column.dtype)
    cells = cells.round(decimals(column))
    if gap_name(column.name) in drawn:
        cells = cells.where(drawn[gap_name(column.name)] == "no")
    return cells


def decimals(column, most=6):
    """How many decimals a column's numbers have, at most so many."""
    seen = column.dropna().to_numpy(float)
    return next((d for d in range(most) if np.allclose(seen, seen.round(d), atol=1e-9)), most)


MAKERS = {
    "independent columns": Independent,
    "Gaussian copula": Copula,
    "CTGAN": lambda seed: Theirs("CTGAN", seed),
    "TVAE": lambda seed: Theirs("TVAE", seed),
    "VAE": OurVAE,
}
HALF, TRAINING = "half of the test rows", "the training rows"
MODELS = [HALF, TRAINING, *MAKERS]


# How good they are.


def measure(folder, name, model, seed):
    """Figures of one model on one split."""
    rows = shuffled(load(folder, name), seed)
    train, test = rows[: N_TRAIN[name]], rows[N_TRAIN[name] :].reset_index(drop=True)
    if model == TRAINING:
        return quality(train, train, test, TARGETS[name], seed)
    if model == HALF:
        half = len(test) // 2
        return quality(test[:half], train, test[half:], TARGETS[name], seed)
    synthetic, seconds = made(MAKERS[model](seed), train)
    return quality(synthetic, train, test, TARGETS[name], seed) | {"seconds": seconds}


def made(maker, train):
    """As many rows as it was fitted on, and the seconds of the fit and the draw."""
    started = time.perf_counter()
    synthetic = maker.fit(train).sample(len(train))
    return synthetic, round(time.perf_counter() - started, 2)


def race(folder, name, model, seed):
    """Seconds of our fit and draw, and of the other's, one after the other in this process."""
    train = shuffled(load(folder, name), seed)[: N_TRAIN[name]]
    ours, theirs = (made(MAKERS[maker](seed), train)[1] for maker in ("VAE", model))
    return {"ours": ours, "theirs": theirs}


def quality(synthetic, train, test, target, seed):
    return {
        "c2st": told_apart(synthetic, test, seed, n_folds=2),
        "c2st5": told_apart(synthetic, test, seed, n_folds=5),
        "tstr": trained_on(synthetic, test, target, seed),
        "shapes": shapes(train, synthetic),
        "pairs": pairs(train, synthetic),
        "dcr": nearer_to_training(synthetic, train, test),
    }


def told_apart(synthetic, test, seed, n_folds):
    """Cross-validated AUC of a classifier that tells synthetic rows from as many real ones."""
    n = min(len(synthetic), len(test))
    both = pd.concat([shuffled(synthetic, seed, n), shuffled(test, seed, n)], ignore_index=True)
    is_real = np.repeat([0, 1], n)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    boosting = HistGradientBoostingClassifier(random_state=seed)
    found = cross_val_predict(boosting, both, is_real, cv=folds, method="predict_proba")
    return float(roc_auc_score(is_real, found[:, 1]))


def trained_on(synthetic, test, target, seed):
    """AUC on real rows of a classifier that was trained on synthetic ones."""
    if synthetic[target].nunique() < 2:
        return 0.5
    boosting = HistGradientBoostingClassifier(random_state=seed)
    boosting.fit(synthetic.drop(columns=target), synthetic[target].astype(str))
    found = boosting.predict_proba(test.drop(columns=target))[:, 1]
    return float(roc_auc_score(test[target].astype(str) == boosting.classes_[1], found))


def shapes(real, synthetic):
    """How alike the columns are, 1 at best: of numbers 1 - KS, of categories 1 - TV."""
    return float(np.mean([shape(real[name], synthetic[name]) for name in real]))


def shape(real, synthetic):
    if is_category(real):
        return overlap(labels(real), labels(synthetic))
    return 1 - ks_2samp(real.dropna(), synthetic.dropna()).statistic


def pairs(real, synthetic):
    """How alike the pairs of columns are, 1 at best; constant columns say nothing."""
    names = list(real)
    found = [pair(real[[a, b]], synthetic[[a, b]]) for j, a in enumerate(names) for b in names[:j]]
    return float(np.nanmean(found))


def pair(real, synthetic):
    """Of two numbers how alike their correlations are, of others their contingency tables."""
    if not categories_of(real):
        return 1 - abs(real.corr().iloc[0, 1] - synthetic.corr().iloc[0, 1]) / 2
    sides = ((binned(real[name], real[name]), binned(synthetic[name], real[name])) for name in real)
    (a, synthetic_a), (b, synthetic_b) = sides
    return overlap(a + " " + b, synthetic_a + " " + synthetic_b)


def binned(column, real):
    """Labels; of numbers, ten equal steps over the real ones' range."""
    if is_category(real):
        return labels(column)
    steps = np.digitize(column, np.histogram_bin_edges(real.dropna())).astype(float)
    return labels(pd.Series(np.where(column.isna(), np.nan, steps)))


def labels(column):
    """Cells as strings, with one for missing values."""
    return column.astype(object).where(column.notna(), "missing").astype(str).reset_index(drop=True)


def overlap(real, synthetic):
    """1 - the total variation distance of two samples of labels."""
    shares = [column.value_counts(normalize=True) for column in (real, synthetic)]
    return 1 - float(shares[0].sub(shares[1], fill_value=0).abs().sum()) / 2


def nearer_to_training(synthetic, train, test):
    """The share of rows that are nearer to training rows than to as many test rows."""
    encoder = OneHot().fit(train)
    frames = synthetic, train[: len(test)], test
    rows, *others = (encoder.observed(frame) for frame in frames)
    for matrix in (rows, *others):
        matrix[:, len(encoder.numbers) :] /= 2  # so that another category is 1 away
    to_train, to_test = (cdist(rows, other, "cityblock").min(axis=1) for other in others)
    return float(np.mean(to_train < to_test) + np.mean(to_train == to_test) / 2)
