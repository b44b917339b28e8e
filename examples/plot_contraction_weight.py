"""
More contraction leaves fewer directions, and less of the digit
===============================================================

The singular values of the encoder's Jacobian tell how much a code responds to changes of a digit,
direction by direction. `contraction_weight` determines how many of the 64 directions keep a
response: the filters turn from noise to broad strokes, and directions that the code ignores cannot
be reconstructed.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import ContractiveAutoencoder
from skae.inspection import FilterDisplay

X, X_test = train_test_split(load_digits().data / 16, random_state=0)
weights = [0, 0.1, 0.3, 1]
fits = [
    ContractiveAutoencoder(
        128, contraction_weight=weight, batch_size=50, max_iter=60, random_state=0
    ).fit(X)
    for weight in weights
]

# %%
# How many directions hold 90% of the response, that is, of the squared singular values? And how
# much of the variance of held-out digits does the reconstruction explain?

spectra = [np.linalg.svd(fit.jacobian(X_test), compute_uv=False) for fit in fits]


def count_directions(singular_values):
    """Their number, averaged over digits."""
    shares = np.square(singular_values).cumsum(axis=1)
    return 1 + (shares < 0.9 * shares[:, -1:]).sum(axis=1).mean()


print("weight   directions   explained variance")
for weight, values, fit in zip(weights, spectra, fits, strict=True):
    print(f"{weight:6} {count_directions(values):12.1f} {fit.score(X_test):20.2f}")

# %%
# Left, the 36 largest filters; right, the singular values, averaged over digits, and the number of
# directions in grey.

figure, axes = plt.subplots(4, 2, figsize=(6, 10), sharey="col", layout="constrained")
for (left, right), weight, values, fit in zip(axes, weights, spectra, fits, strict=True):
    FilterDisplay.from_estimator(fit, n_filters=36, ax=left)
    left.set_title(f"weight {weight}\nexplained variance {fit.score(X_test):.2f}")
    n_directions = count_directions(values)
    right.axvspan(0, n_directions, color="0.9")
    right.plot(np.arange(1, 65), values.mean(axis=0))
    right.set(xlabel="direction", ylim=(0, 0.6), xlim=(0, 64))
    right.set_title(f"90% in {n_directions:.0f} directions", fontsize=10)
axes[0, 1].set_ylabel("singular value")
plt.show()
