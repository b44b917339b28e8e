"""
Synthetic rows, and three checks of them
========================================

A `VAE` fitted to a data frame draws new rows of it: `VAE().fit(table).sample(n)`. Rows may look
right and still be useless, so they need checks: can a classifier tell them from real ones, can a
model learn from them, are they copies?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import NearestNeighbors

from skae import VAE
from skae.tables import TableEncoder

# %%
# An invented population: people with a long education are likelier to be engineers, old people
# have retired, and people who are old and earn much own a home.


def people(n, rng):
    """A table of n people."""
    age = rng.integers(18, 80, n)
    schooling = np.clip(rng.normal(11 + 3 * (age < 50), 3), 6, 20).round().astype(int)
    by_school, by_age = np.exp(0.3 * (schooling - 12)), np.exp(0.35 * (62 - age))
    odds = np.stack([by_age, by_age * by_school, by_age / by_school, np.ones(n)])
    job = (rng.random(n) > (odds / odds.sum(axis=0)).cumsum(axis=0)).sum(axis=0)
    pay = np.array([30, 50, 24, 18])[job] * (1 + 0.01 * np.minimum(age - 18, 30))
    income = (pay * np.exp(rng.normal(0, 0.2, n))).round(1)
    owns_home = rng.random(n) < 1 / (1 + np.exp((45 - income) / 8 + (45 - age) / 15))
    jobs = pd.Categorical(np.array(["clerk", "engineer", "farmer", "retired"])[job])
    columns = {"age": age, "schooling": schooling, "job": jobs, "income": income}
    return pd.DataFrame(columns | {"owns_home": owns_home})


rng = np.random.default_rng(0)
train, test = people(2000, rng), people(2000, rng)
print(VAE(random_state=0).fit(train).sample(5, random_state=0))

# %%
# Four tables of 2000 rows: drawn by the VAE from a mixture fitted to its codes, the default for
# tables; drawn from the prior N(0, I); the training rows with each column shuffled, in which only
# single columns are right; and the training rows themselves.

vae = VAE(random_state=0).fit(train)
tables = {
    "VAE": vae.sample(2000, random_state=0),
    "VAE, prior='normal'": vae.sample(2000, random_state=0, prior="normal"),
    "shuffled columns": train.apply(lambda column: rng.permutation(column)).astype(train.dtypes),
    "training rows": train,
}

# %%
# Three checks, all against unseen people.


def told_apart(rows):
    """AUC of a classifier that guesses which people are real; 0.5 is best."""
    both, is_real = pd.concat([rows, test]), np.repeat([False, True], 2000)
    boosting = HistGradientBoostingClassifier(random_state=0)
    found = cross_val_predict(boosting, both, is_real, cv=5, method="predict_proba")
    return roc_auc_score(is_real, found[:, 1])


def learnt_from(rows):
    """AUC of predicting real people's homes, trained on these rows."""
    boosting = HistGradientBoostingClassifier(random_state=0)
    boosting.fit(rows.drop(columns="owns_home"), rows["owns_home"])
    found = boosting.predict_proba(test.drop(columns="owns_home"))
    return roc_auc_score(test["owns_home"], found[:, 1])


def nearer_to_training(rows):
    """Share of rows closer to training rows than to as many other people; 0.5 is best."""
    encoder = TableEncoder().fit(train)
    rows, *others = map(encoder.transform, (rows, train, test))
    to_train, to_test = (
        NearestNeighbors(n_neighbors=1).fit(other).kneighbors(rows)[0] for other in others
    )
    return np.mean(to_train < to_test) + np.mean(to_train == to_test) / 2


checks = (told_apart, learnt_from, nearer_to_training)
found = pd.DataFrame({c.__name__: {name: c(tables[name]) for name in tables} for c in checks})
print(found.round(2))

# %%
# The VAE's rows are much harder to tell from real ones than shuffled columns are, and a model
# learns nearly as much from them as from the training rows, although they are not copies of these.
# This does not make them anonymous: see the guide to synthetic rows.

colors = dict(zip(train["job"].cat.categories, ["C0", "C1", "C2", "0.5"], strict=True))
figure, axes = plt.subplots(1, 3, figsize=(6, 3.2), sharex=True, sharey=True, layout="constrained")
shown = {"real": test} | {name: tables[name] for name in ("VAE", "shuffled columns")}
for axis, (name, rows) in zip(axes, shown.items(), strict=True):
    for job, group in rows.groupby("job", observed=True):
        axis.plot(group["age"], group["income"], ".", ms=2, color=colors[job], label=job)
    axis.set(title=name, xlabel="age", ylim=(0, 130))
axes[0].set_ylabel("income")
figure.legend(
    *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, markerscale=5
)
plt.show()
