"""
The first ten minutes: from a data frame to a search, with pictures
===================================================================

A table has numbers, categories and gaps. This page fits an autoencoder on it, meets the first
error message, looks at what has been learnt, and lets a grid search choose how much a pipeline
needs of it. Each step is a cell of the notebook that can be downloaded at the end.
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
# Each row is a tumour. Eight columns are numbers, and two say in words how large something is. Then
# we lose one cell in twenty, to have gaps whose true values we know.

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
# A plain autoencoder does not take missing cells. It names the columns
# that have some, and says which estimators take them.

try:
    Autoencoder(2).fit(table)
except ValueError as error:
    print(textwrap.fill(str(error), 75))

# %%
# The first fit
# -------------
#
# A denoising autoencoder takes the table as it is: it standardises numbers, has a loss for
# categories, and learns from the cells that are there. Its code is two numbers for each row, which
# can be drawn. The diagnosis was not used: the two kinds of tumours come apart by themselves.

train, test, y_train, y_test = train_test_split(table, benign, stratify=benign, random_state=0)
autoencoder = DenoisingAutoencoder(2, random_state=0).fit(train)
codes = autoencoder.transform(test)

figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
for kind, name in ((True, "benign"), (False, "malignant")):
    axis.plot(*codes[y_test == kind].T, "o", label=name, alpha=0.7)
axis.set(
    xlabel="first number", ylabel="second number", title="codes of tumours not seen in training"
)
axis.legend()

# %%
# Back from the code
# ------------------
#
# ``reconstruct`` gives every cell a value, also those that are missing. For these we know the
# truth. The picture has those of the numbers, in standard deviations of their column. A code of
# two numbers cannot hold all of a row; :class:`~skae.AutoencoderImputer` has wider ones.

restored = autoencoder.reconstruct(table)
numbers = whole.columns[:8]
mean, std = whole[numbers].mean(), whole[numbers].std()
gaps = lost[:, :8]
true = ((whole[numbers] - mean) / std).to_numpy()[gaps]
found = ((restored[numbers] - mean) / std).to_numpy()[gaps]

figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
axis.plot(true, found, "o", alpha=0.5)
axis.axline((0, 0), slope=1, color="black", linewidth=1)
axis.set(xlabel="what was there", ylabel="what was restored", title="the cells that were missing")
print(f"mean squared error {np.mean((true - found) ** 2):.2f}; the column's mean has 1")

# %%
# A pipeline and a search
# -----------------------
#
# How wide should the code be? That depends on what it is for. Here a classifier comes after it, and
# a grid search tries four widths. The autoencoder is a step like any other.

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
# The circles are means over three folds, and the bars are their standard deviations: where the bars
# overlap, the data do not say which width is better.

results = search.cv_results_
widths = results["param_reduce__n_components"].astype(int)
figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
axis.errorbar(widths, results["mean_test_score"], results["std_test_score"], fmt="o-", capsize=4)
axis.set(xlabel="width of the code", ylabel="accuracy", title="what the search has tried")
axis.set_xscale("log", base=2)
axis.set_xticks(widths, widths)
plt.show()

# %%
# Where to go on
# --------------
#
# :doc:`/choosing` has a page for each "I have ... I want ...", :doc:`/user_guide/tables` says what
# becomes of each column, and :doc:`/getting_started` goes through the same steps with images.
