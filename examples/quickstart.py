"""Autoencoders beside PCA in one grid search, on images of handwritten digits.

Run it with `python examples/quickstart.py`; it takes less than a minute and leaves the
picture `quickstart.png` in the current folder.
"""

import matplotlib

matplotlib.use("Agg")  # write pictures without a screen

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from skae import VAE, Autoencoder, DenoisingAutoencoder, SparseAutoencoder

WIDTH = 8  # components, the same for all
NETWORK = {
    "hidden_layer_sizes": (128,),
    "batch_size": 32,
    "learning_rate": "one_cycle",
    "learning_rate_init": 3e-3,
    "max_iter": 60,
    "random_state": 0,
}
PICTURE = "quickstart.png"


def explained_variance(reducer, X):
    """Fraction of the variance of X that the reducer's reconstructions explain."""
    reconstructions = reducer.inverse_transform(reducer.transform(X))
    return r2_score(X, reconstructions, multioutput="variance_weighted")


def scores(pipeline, X, y):
    """Scores that the search measures on held-out rows."""
    return {
        "accuracy": pipeline.score(X, y),
        "explained_variance": explained_variance(
            pipeline["reduce"], pipeline["scale"].transform(X)
        ),
    }


def make_search():
    """PCA and four autoencoders as values of one parameter, each with its own grid."""
    pipeline = Pipeline(
        [
            ("scale", MinMaxScaler()),
            ("reduce", PCA()),
            ("classify", LogisticRegression(C=100, max_iter=2000)),
        ]
    )
    grid = [
        {"reduce": [PCA(WIDTH)]},
        {"reduce": [Autoencoder(WIDTH, **NETWORK)], "reduce__alpha": [0, 1e-3]},
        {
            "reduce": [SparseAutoencoder(WIDTH, sparsity="l1", **NETWORK)],
            "reduce__sparsity_weight": [0.003, 0.03],
        },
        {
            "reduce": [DenoisingAutoencoder(WIDTH, code_activation="identity", **NETWORK)],
            "reduce__corruption": ["masking", "gaussian"],
            "reduce__corruption_level": [0.1],
        },
        {"reduce": [VAE(WIDTH, **NETWORK)], "reduce__beta": [0.3, 1.0]},
    ]
    return GridSearchCV(pipeline, grid, scoring=scores, refit="accuracy", cv=3, n_jobs=2)


def show_progress(search):
    """Follow the search with scikit-learn's progress bars, if it has them."""
    try:
        from sklearn.callback import ProgressBar
    except ImportError:  # scikit-learn before 1.9
        return search.set_params(verbose=2)
    return search.set_callbacks(ProgressBar(max_propagation_depth=0))


def print_table(search):
    """The best candidate of each class, by accuracy."""
    results = search.cv_results_
    best = {}
    for i in results["rank_test_accuracy"].argsort(kind="stable"):
        best.setdefault(type(results["params"][i]["reduce"]).__name__, i)
    print(f"\n{WIDTH} components, means over 3 folds:\n")
    print(f"{'':22}{'accuracy':>10}{'explained variance':>20}{'fit seconds':>13}")
    for name, i in best.items():
        accuracy = results["mean_test_accuracy"][i]
        explained = results["mean_test_explained_variance"][i]
        print(f"{name:22}{accuracy:10.3f}{explained:20.3f}{results['mean_fit_time'][i]:13.2f}")
    chosen = {k: v for k, v in search.best_params_.items() if k != "reduce"}
    print(f"\nBest: {type(search.best_params_['reduce']).__name__} {chosen or ''}")


def draw(X):
    """Draw reconstructions of a few digits, and the atoms of a sparse code."""
    reducers = {
        "PCA": PCA(WIDTH),
        "Autoencoder": Autoencoder(WIDTH, **NETWORK),
        "VAE": VAE(WIDTH, **NETWORK),
    }
    rows = {"original": X[:12]}
    for name, reducer in reducers.items():
        rows[name] = reducer.fit(X).inverse_transform(reducer.transform(X[:12]))
    sparse = SparseAutoencoder(64, sparsity="l1", random_state=0).fit(X)
    usage = sparse.mean_activation_.argsort()[::-1]
    atoms = sparse.coefs_[1][usage[:36]]  # atoms of the most used units

    figure, axes = plt.subplots(7, 12, figsize=(9, 5.6))
    images = [image for row in rows.values() for image in row]
    for ax, image in zip(axes[:4].flat, images, strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    for ax, atom in zip(axes[4:].flat, atoms, strict=True):
        largest = abs(atom).max()  # grey where an atom adds nothing
        ax.imshow(atom.reshape(8, 8), cmap="gray_r", vmin=-largest, vmax=largest)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    for ax, name in zip(axes[:, 0], [*rows, "atoms of a\nsparse code", "", ""], strict=True):
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
    title = f"Digits, restored from {WIDTH} numbers each; below, what units of a sparse code draw"
    figure.suptitle(title, y=0.94)
    figure.savefig(PICTURE, dpi=120, bbox_inches="tight")


def main():
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    search = show_progress(make_search()).fit(X_train, y_train)
    print_table(search)
    test = scores(search.best_estimator_, X_test, y_test)
    print(f"On the test set: accuracy {test['accuracy']:.3f}", end=", ")
    print(f"explained variance {test['explained_variance']:.3f}")
    draw(MinMaxScaler().fit_transform(X))
    print(f"Picture: {PICTURE}")


if __name__ == "__main__":
    main()
