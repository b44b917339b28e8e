"""
Which cell of a table is wrong?
===============================

A wrong cell is rarely out of range: it does not fit the rest of its row. `feature_errors` of a
`DenoisingAutoencoder` hides each cell in turn and measures how surprising it is given the others,
in nats. So it finds rows with wrong cells, and tells which cells these are.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from skae import DenoisingAutoencoder

# %%
# A table of tumours has ten numbers, the means of some properties over a tumour's cells; ten
# categories, how large these properties are at their worst; and the diagnosis.

data = load_breast_cancer(as_frame=True)
table = data.data.filter(like="mean")
for name in data.data.filter(like="worst"):
    table[name] = pd.qcut(data.data[name], 4, labels=["small", "medium", "large", "huge"])
table["diagnosis"] = pd.Categorical(data.target.map({0: "malignant", 1: "benign"}))

# %%
# In a tenth of the rows, three cells are swapped with those of other rows: every column nearly
# keeps its distribution, and no cell is unusual by itself.

rng = np.random.default_rng(0)
places = np.zeros(table.shape, dtype=bool)
for row in rng.choice(len(table), len(table) // 10, replace=False):
    places[row, rng.choice(table.shape[1], 3, replace=False)] = True
spoilt = table.copy()
for j in range(table.shape[1]):
    rows = np.flatnonzero(places[:, j])
    others = rng.integers(len(table), size=len(rows))
    spoilt.iloc[rows, j] = table.iloc[others, j].to_numpy()
wrong = (spoilt != table).to_numpy()
print(f"{wrong.sum()} cells of {wrong.any(axis=1).sum()} rows are others than they were")

# %%
# The autoencoder is fitted to the spoilt table and is not told what is wrong. It is compared with
# an isolation forest on numbers and one-hot categories, which scores rows, but not cells. Areas
# under the ROC curve; chance gives 0.5.

errors = DenoisingAutoencoder(random_state=0).fit(spoilt).feature_errors(spoilt)
numbers = spoilt.select_dtypes("number")
categories = OneHotEncoder(sparse_output=False).fit_transform(spoilt.select_dtypes("category"))
one_hot = np.column_stack([numbers, categories])
forest = IsolationForest(random_state=0).fit(one_hot)
print(f"rows:  autoencoder {roc_auc_score(wrong.any(axis=1), errors.sum(axis=1)):.2f}", end=", ")
print(f"forest {roc_auc_score(wrong.any(axis=1), -forest.score_samples(one_hot)):.2f}")
print(f"cells: autoencoder {roc_auc_score(wrong.ravel(), errors.ravel()):.2f}")

spoilt_rows = np.flatnonzero(wrong.any(axis=1))
worst = errors.argmax(axis=1)
share = wrong[spoilt_rows, worst[spoilt_rows]].mean()
print(f"the largest error of a spoilt row is at a wrong cell in {share:.0%} of them")

# %%
# The twelve rows with the largest errors, the worst on top. Darker cells are more surprising;
# circles mark swapped ones. Rows without a circle are tumours that are unusual by themselves.

worst_rows = errors.sum(axis=1).argsort()[::-1][:12]
figure, axis = plt.subplots(figsize=(6, 5.4), layout="constrained")
scale = PowerNorm(0.5, vmin=0, clip=True)
image = axis.imshow(errors[worst_rows], cmap="Greys", norm=scale, aspect="auto")
axis.plot(*np.argwhere(wrong[worst_rows]).T[::-1], "o", mfc="none", mec="tab:red", ms=11)
axis.set_xticks(range(table.shape[1]), table.columns, rotation=60, ha="right")
axis.set_yticks(range(12), worst_rows)
figure.colorbar(image, label="nats", ticks=[0, 2, 5, 10, 20, 40])

# %%
# The cells of the worst row, their original values, and the autoencoder's predictions from the
# others.

row, columns = worst_rows[0], errors[worst_rows[0]].argsort()[::-1][:3]
print(pd.DataFrame({"is": spoilt.iloc[row, columns], "was": table.iloc[row, columns]}))
plt.show()
