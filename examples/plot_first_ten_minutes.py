"""
The first ten minutes: from a data frame to a search, with pictures
===================================================================

A table has numbers, categories and missing values. This page fits an autoencoder on it, meets the
first error message, looks at what the autoencoder has learnt, and lets a grid search choose how
wide a code a pipeline needs. Each step is a cell of the notebook that you can download at the end.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline

from skae import Autoencoder, DenoisingAutoencoder

# %%
# The table
# ---------
#
# Each row is a tumour. Eight columns are numbers, and two are words: small, medium or large. We
# remove one cell in twenty, so that we know the true values of those that are missing.

data = load_breast_cancer(as_frame=True)
whole = data.data.filter(like="mean").iloc[:, :8]
for name in ("worst radius", "worst texture"):
    whole[name] = pd.qcut(data.data[name], 3, labels=["small", "medium", "large"])
benign = data.target == 1

lost = np.random.default_rng(0).random(whole.shape) < 0.05
table = whole.mask(lost)
print(table.head())

# %%
# The first error message
# -----------------------
#
# A plain autoencoder does not accept missing values. It names the columns
# that have some, and the estimators that accept them.

try:
    Autoencoder(2).fit(table)
except ValueError as error:
    print(textwrap.fill(str(error), 75))

# %%
# The first fit
# -------------
#
# A denoising autoencoder accepts the table as it is: it standardises numbers, has a loss for
# categories, and learns from the observed cells. Its code has two numbers for each row, so it can
# be drawn. The two kinds of tumours come apart, although the fit did not see the diagnosis.

train, test, y_train, y_test = train_test_split(table, benign, stratify=benign, random_state=0)
autoencoder = DenoisingAutoencoder(2, random_state=0).fit(train)
codes = autoencoder.transform(test)

figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
for kind, name in ((True, "benign"), (False, "malignant")):
    axis.plot(*codes[y_test == kind].T, "o", label=name, alpha=0.7)
axis.set(
    xlabel="first number", ylabel="second number", title="codes of tumours not seen in training"
)
figure.legend(loc="outside lower center", ncols=2)

# %%
# Back from the code
# ------------------
#
# ``reconstruct`` gives every cell a value, also the missing ones, whose true values we know. The
# picture shows those of the eight columns of numbers, in standard deviations of their column. A
# code of two numbers cannot hold a whole row; :class:`~skae.AutoencoderImputer` has wider codes.

restored = autoencoder.reconstruct(table)
numbers = whole.columns[:8]
mean, std = whole[numbers].mean(), whole[numbers].std()
gaps = lost[:, :8]
true = ((whole[numbers] - mean) / std).to_numpy()[gaps]
found = ((restored[numbers] - mean) / std).to_numpy()[gaps]

figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
axis.plot(true, found, "o", alpha=0.5)
axis.axline((0, 0), slope=1, color="black", linewidth=1)
axis.set(xlabel="true value", ylabel="restored value", title="values that were missing")
print(f"mean squared error {np.mean((true - found) ** 2):.2f}; the column's mean has 1")

# %%
# A pipeline and a search
# -----------------------
#
# How wide should the code be? That depends on its use. Here a classifier uses it, and a grid search
# tries four widths. The autoencoder is a step like any other.

pipeline = Pipeline(
    [
        ("reduce", DenoisingAutoencoder(random_state=0)),
        ("classify", LogisticRegression(max_iter=1000)),
    ]
)
search = GridSearchCV(pipeline, {"reduce__n_components": [1, 2, 4, 8]}, cv=3)
search.fit(train, y_train)
print(f"best width: {search.best_params_['reduce__n_components']}")
print(f"accuracy on new rows: {search.score(test, y_test):.3f}")

# %%
# The circles are means over three folds, and the bars are standard deviations. Where bars overlap,
# the data do not say which width is better.

results = search.cv_results_
widths = results["param_reduce__n_components"].astype(int)
figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
axis.errorbar(widths, results["mean_test_score"], results["std_test_score"], fmt="o-", capsize=4)
axis.set(xlabel="width of the code", ylabel="accuracy", title="widths that the search tried")
axis.set_xscale("log", base=2)
axis.set_xticks(widths, widths)
plt.show()

# %%
# Where to go on
# --------------
#
# :doc:`/choosing` has a page for each "I have ... and want ...", :doc:`/user_guide/tables` says
# what becomes of each column, and :doc:`/getting_started` takes the same steps with images.
