"""
The fewer units may be active, the more a part is a whole digit
===============================================================

A sparse autoencoder composes each digit from a few of its 64 parts; `n_active` sets how many. With
one part per digit, the parts must be whole digits, like the centres of k-means. With more, they
become strokes and then mere details, and the reconstruction becomes exact.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics.pairwise import cosine_similarity

from skae import SparseAutoencoder
from skae.inspection import FilterDisplay

X = load_digits().data / 16
numbers = [1, 4, 16, 32]
fits = [
    SparseAutoencoder(
        64,
        sparsity="topk",
        n_active=n_active,
        learning_rate="one_cycle",
        learning_rate_init=5e-3,
        batch_size=50,
        max_iter=100,
        random_state=0,
    ).fit(X)
    for n_active in numbers
]

# %%
# How similar is a part to a whole digit? We take its cosine with the most similar digit, both as
# differences from the mean digit.

likeness = [cosine_similarity(fit.coefs_[-1], X - X.mean(axis=0)).max(axis=1) for fit in fits]
print("active   like a digit   explained variance")
for n_active, cosines, fit in zip(numbers, likeness, fits, strict=True):
    print(f"{n_active:6} {cosines.mean():14.2f} {fit.score(X):20.2f}")

# %%
# Left, 36 parts for each `n_active`: what a unit adds to the digit, white for ink. Right, the
# activations of units in all digits, where they are active at all: the more units share the work,
# the less each has to do.

figure, axes = plt.subplots(4, 2, figsize=(6, 10), layout="constrained")
for (left, right), n_active, cosines, fit in zip(axes, numbers, likeness, fits, strict=True):
    FilterDisplay.from_estimator(fit, weights="decoder", n_filters=36, ax=left)
    left.set_title(f"n_active={n_active}\nlike a digit: {cosines.mean():.2f}")
    codes = fit.transform(X)
    right.hist(codes[codes > 0], bins=np.linspace(0, 5, 41), density=True)
    right.set(xlabel="activation", yticks=[], xlim=(0, 5))
    right.set_title(f"explained variance {fit.score(X):.2f}", fontsize=10)
axes[0, 1].set_ylabel("share of active units")
plt.show()
