"""
One search chooses between PCA and autoencoders
===============================================

The step before a classifier is a parameter like any other: the candidates of one `GridSearchCV`
are PCA and two autoencoders, each with its own parameters. scikit-learn's progress bars follow the
search and the epochs of a fit.
"""

import matplotlib.pyplot as plt
from sklearn.callback import ProgressBar
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler

from skae import Autoencoder, SparseAutoencoder

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=500, random_state=0)

# %%
# A step of a pipeline can itself be searched. Each dictionary of the grid is a kind of candidate.

training = {
    "learning_rate": "one_cycle",
    "learning_rate_init": 5e-3,
    "batch_size": 50,
    "max_iter": 30,
    "random_state": 0,
}
pipeline = Pipeline(
    [
        ("scale", MaxAbsScaler()),
        ("reduce", PCA()),
        ("rescale", MaxAbsScaler()),
        ("classify", LogisticRegression(C=10, max_iter=1000)),
    ]
)
grid = [
    {"reduce": [PCA()], "reduce__n_components": [4, 16, 48]},
    {"reduce": [Autoencoder(**training)], "reduce__n_components": [4, 16, 48]},
    {
        "reduce": [SparseAutoencoder(256, sparsity="topk", **training)],
        "reduce__n_active": [4, 16, 48],
    },
]

# %%
# scikit-learn 1.9 has callbacks, and rich draws its bars (`pip install rich`). They move while the
# search runs; this page shows their final state. ``max_propagation_depth`` sets the depth: 0 shows
# only the search, 1 adds a bar for each of its fits.

search = GridSearchCV(pipeline, grid, cv=3)
search = search.set_callbacks(ProgressBar(max_propagation_depth=0)).fit(X, y)

# %%
# An autoencoder's own bar counts epochs.

autoencoder = Autoencoder(16, **training).set_callbacks(ProgressBar()).fit(X / 16)

# %%
# The winner, by cross-validation on the training digits, meets the test digits once.

print(f"best: {search.best_estimator_['reduce']}")
print(
    f"cross-validated {search.best_score_:.3f}, on test digits {search.score(X_test, y_test):.3f}"
)

# %%
# All candidates, with the standard deviation over the folds: three folds cannot tell which of the
# good ones is best.

results = search.cv_results_
colors = {"PCA": "C0", "Autoencoder": "C1", "SparseAutoencoder": "C2"}
names = []
figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
for row, params in enumerate(results["params"]):
    kind = type(params["reduce"]).__name__
    (name,) = set(params) - {"reduce"}
    names.append(f"{kind}, {name.removeprefix('reduce__')}={params[name]}")
    mean, std = results["mean_test_score"][row], results["std_test_score"][row]
    axis.errorbar(mean, row, xerr=std, fmt="o", capsize=3, color=colors[kind])
best = search.best_index_
axis.plot(search.best_score_, best, "o", markersize=14, fillstyle="none", color="black")
axis.set_yticks(range(len(names)), names)
axis.invert_yaxis()
axis.grid(axis="x", alpha=0.3)
axis.set(xlabel="accuracy, cross-validated", title="the best candidate is circled")
plt.show()
