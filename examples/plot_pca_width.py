"""
The narrower the code, the more an autoencoder gains on PCA
===========================================================

Digits of 64 pixels are encoded by 2 to 48 numbers. With up to 32 of them, an autoencoder
reconstructs unseen digits with at least a third less error than PCA; with up to 8, a linear
classifier tells them apart better by its code. With more numbers, codes classify about equally
well; with 48, PCA has the smaller error. PCA is always faster by a factor of hundreds.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder
from skae.metrics import neg_reconstruction_error

X, y = load_digits(return_X_y=True)
X = X / 16
widths = [2, 4, 8, 16, 32, 48]
autoencoder = Autoencoder(
    learning_rate="one_cycle",
    learning_rate_init=5e-3,
    batch_size=50,
    max_iter=50,
    random_state=0,
)

# %%
# Both learn without labels on two thirds of the digits. On the other third we measure the squared
# error per digit and the accuracy of a classifier that has seen the codes of the two thirds.


def measure(transformer):
    """Error, accuracy and seconds to fit: an array (3 folds, 3)."""
    rows = []
    for train, test in StratifiedKFold(3, shuffle=True, random_state=0).split(X, y):
        start = perf_counter()
        codes = transformer.fit_transform(X[train])
        seconds = perf_counter() - start
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        accuracy = classifier.fit(codes, y[train]).score(transformer.transform(X[test]), y[test])
        rows.append((-neg_reconstruction_error(transformer, X[test]), accuracy, seconds))
    return np.array(rows)


measured = {
    "PCA": np.array([measure(PCA(width)) for width in widths]),
    "Autoencoder": np.array([measure(autoencoder.set_params(n_components=w)) for w in widths]),
}
for name, values in measured.items():
    print(f"{name:12} width  error  accuracy  seconds")
    for width, (error, accuracy, seconds) in zip(widths, values.mean(axis=1), strict=True):
        print(f"{width:18} {error:6.3f} {accuracy:9.3f} {seconds:8.3f}")

# %%
# Lines are means over the folds; bars reach from the worst to the best. The axis of the error is
# logarithmic: PCA wins at the last point.

figure, axes = plt.subplots(2, 1, figsize=(5, 6.5), layout="constrained")
for name, values in measured.items():
    for axis, folds in zip(axes, values.transpose(2, 0, 1), strict=False):
        mean = folds.mean(axis=1)
        spread = np.abs([folds.min(axis=1), folds.max(axis=1)] - mean)
        axis.errorbar(widths, mean, spread, marker="o", capsize=3, label=name)
axes[0].set(title="reconstruction", ylabel="squared error per digit", yscale="log")
axes[1].set(title="linear classifier on the code", ylabel="accuracy")
for axis in axes:
    axis.set_xscale("log", base=2)
    axis.set_xticks(widths, widths)
    axis.set_xlabel("width of the code")
    axis.grid(alpha=0.3)
axes[1].legend(loc="lower right")
plt.show()
