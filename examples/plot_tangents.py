"""
A contractive code responds to few directions
=============================================

The contraction penalty flattens the code in every direction; reconstruction keeps it steep along
the directions in which the data vary. So only a few singular values of the encoder's Jacobian stay
large, and their directions, `tangents`, are ways in which a digit may change (Rifai et al., 2011).
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from skae import ContractiveAutoencoder

X = load_digits().data / 16
plain, contractive = (
    ContractiveAutoencoder(
        128, contraction_weight=weight, batch_size=50, max_iter=60, random_state=0
    ).fit(X)
    for weight in (0, 1)
)
fits = {"plain": plain, "contractive": contractive}

# %%
# The Jacobian of a row tells how its code responds to a change of each pixel. How many directions
# hold 90% of this response (of the squared singular values)?

spectra = {}
for name, fit in fits.items():
    spectra[name] = np.linalg.svd(fit.jacobian(X[:300]), compute_uv=False)
    shares = np.square(spectra[name])
    shares = shares.cumsum(axis=1) / shares.sum(axis=1, keepdims=True)
    n_directions = 1 + (shares < 0.9).sum(axis=1).mean()
    print(f"{name:12} explained {fit.score(X):.2f}, 90% in {n_directions:.1f} of 64 directions")

# %%
# Are these the directions of the data? We measure the fraction of the step from a digit to its
# nearest neighbour that lies within the digit's ten leading tangents. Chance is 10 of 64. PCA,
# whose ten directions are the same for all digits, comes close: the contractive code found a
# nearly linear structure.

neighbours = NearestNeighbors(n_neighbors=2).fit(X).kneighbors(X, return_distance=False)[:, 1]
steps = X[neighbours] - X
directions = {name: fit.tangents(X, 10) for name, fit in fits.items()}
directions["PCA"] = PCA(10).fit(X).components_[np.newaxis]
print(f"of a step    {10 / 64:.2f} by chance")
for name, T in directions.items():
    along = np.square(T @ steps[:, :, np.newaxis]).sum(axis=(1, 2))
    print(f"{name:12} {np.mean(along / np.square(steps).sum(axis=1)):.2f}")

# %%
# Three digits and their six leading tangents: red pixels darken while blue ones fade.

figure, axes = plt.subplots(6, 7, figsize=(6, 5.6), layout="constrained")
for block, name in zip((axes[:3], axes[3:]), fits, strict=True):
    for row, digit, tangents in zip(block, X[:3], directions[name], strict=False):
        row[0].imshow(digit.reshape(8, 8), cmap="gray_r")
        for axis, tangent in zip(row[1:], tangents, strict=False):
            axis.imshow(tangent.reshape(8, 8), cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    block[0, 0].set_title(name, loc="left", fontsize=10)
for axis in axes.flat:
    axis.set_axis_off()
plt.show()
