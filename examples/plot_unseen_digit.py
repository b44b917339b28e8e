"""
An unseen digit shows in a narrow code's errors, or in a wide code
==================================================================

Trained on nine digits, an autoencoder with a narrow code reconstructs the tenth badly. With a wide
code it reconstructs that digit, too: then the errors tell less, and the code, which is far from
those of the other digits, tells more. The score of `AutoencoderOutlierDetector` is the sum of
both.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from skae import Autoencoder, AutoencoderOutlierDetector
from skae.inspection import OutlierScoresDisplay

X, y = load_digits(return_X_y=True)
X = X / 16


def split(digit):
    """Training images without this digit; other such images, and images of the digit, to judge."""
    others = X[y != digit]
    new = np.vstack([others[1::2], X[y == digit]])
    return others[::2], new, np.arange(len(new)) >= len(others[1::2])


# %%
# An unseen zero, with a code of eight components.

train, new, is_unseen = split(0)
detector = AutoencoderOutlierDetector(Autoencoder(8), random_state=0).fit(train)
flagged = detector.predict(new) == -1
print(f"flagged: {flagged[is_unseen].mean():.0%} of the zeros, ", end="")
print(f"{flagged[~is_unseen].mean():.0%} of the other new images")

figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
kind = np.where(is_unseen, "zeros", "other digits")
OutlierScoresDisplay.from_estimator(detector, new, kind, ax=axis)

# %%
# Each digit in turn is the unseen one. The areas under the ROC curve are means over the ten;
# chance gives 0.5.

widths = (4, 8, 16, 32, 64)
areas = {"errors alone": [], "code alone": [], "both: the score": []}
for width in widths:
    by_digit = []
    for digit in range(10):
        train, new, is_unseen = split(digit)
        detector = AutoencoderOutlierDetector(Autoencoder(width), random_state=0).fit(train)
        errors = detector.feature_errors(new).sum(axis=1)
        distances = detector.code_distances(new)
        parts = (errors, distances, errors + distances)
        by_digit.append([roc_auc_score(is_unseen, part) for part in parts])
    for values, area in zip(areas.values(), np.mean(by_digit, axis=0), strict=True):
        values.append(area)


def area_of_neighbours(digit):
    train, new, is_unseen = split(digit)
    distances, _ = NearestNeighbors(n_neighbors=5).fit(train).kneighbors(new)
    return roc_auc_score(is_unseen, distances[:, -1])


by_neighbours = np.mean([area_of_neighbours(digit) for digit in range(10)])

# %%
# The score follows whichever part knows more. Here a narrow code is best, and the distance of the
# fifth neighbour is better still: digits lie in dense clusters. Compare any detector with it.

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for style, (name, values) in zip(("o--", "s--", "D-"), areas.items(), strict=True):
    axis.plot(widths, values, style, label=name)
axis.axhline(by_neighbours, color="0.5", linestyle=":", label="distance of the fifth neighbour")
axis.set_xscale("log", base=2)
axis.set_xticks(widths, widths)
axis.set(xlabel="components of the code", ylabel="area under the ROC curve", ylim=(0.2, 1))
axis.legend(loc="lower right")
plt.show()
