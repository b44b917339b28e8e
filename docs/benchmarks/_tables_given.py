"""Samples of tables.py with a given category: how close they are to real rows that have it."""

import numpy as np
import pandas as pd
from _tables_data import is_category, load, shuffled
from _tables_synthetic import N_TRAIN

from skae import VAE

TABLES = {"german": "status", "credit_data": "Home", "nmes1988": "health"}
OURS, ANY, HALF = "VAE, given the category", "VAE, nothing given", "half of the real rows"
MODELS = (OURS, ANY, HALF)
FEWEST = 100  # real rows of a category that is judged


def measure(folder, name, model, seed):
    """Means over categories and the other columns."""
    rows, given = shuffled(load(folder, name), seed), TABLES[name]
    train, test = rows[: N_TRAIN[name]], rows[N_TRAIN[name] :]
    vae = None if model == HALF else VAE(random_state=seed).fit(train)
    found = []
    for category in test[given].cat.categories:
        real = test[test[given] == category]
        if len(real) >= FEWEST:
            half, other = real[::2], real[1::2]
            drawn = half if vae is None else sampled(vae, model, given, category, seed)
            found.append(differences(drawn, other, test, given))
    figures = pd.DataFrame(found).mean()
    return {"means": float(figures["means"]), "shares": float(figures["shares"])}


def sampled(vae, model, given, category, seed, n=1000):
    its = pd.DataFrame({given: [category]}) if model == OURS else None
    return vae.sample(n, random_state=seed, given=its)


def differences(drawn, real, test, given):
    """Of means, in standard deviations, and of shares of categories (total variation)."""
    found = {"means": [], "shares": []}
    for name in test.columns.drop(given):
        if is_category(test[name]):
            shares = [
                rows[name].astype(object).value_counts(normalize=True) for rows in (drawn, real)
            ]
            found["shares"].append(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)
        else:
            found["means"].append(abs(drawn[name].mean() - real[name].mean()) / test[name].std())
    return {kind: np.mean(figures) for kind, figures in found.items()}
