"""
KL makes a code quiet, L1 and top-k make it sparse
==================================================

In the code of a plain autoencoder no component is zero. `SparseAutoencoder` has three ways to
change this: the KL penalty keeps the mean of each unit over the rows down at `target_activation`,
the L1 penalty puts a price on all activity, and top-k keeps the `n_active` largest components of
each row. The first considers units, the others rows, and their codes show it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import Autoencoder, SparseAutoencoder

X = load_digits().data / 16
common = {"batch_size": 50, "max_iter": 100, "random_state": 0}
fits = {
    "plain": Autoencoder(128, hidden_layer_sizes=(), **common),
    "kl": SparseAutoencoder(128, sparsity="kl", **common),
    "l1": SparseAutoencoder(128, sparsity="l1", **common),
    "topk": SparseAutoencoder(128, sparsity="topk", n_active=8, **common),
}
codes = {name: fit.fit(X).transform(X) for name, fit in fits.items()}

# %%
# How much of a code is used? `code_density_` counts components that are not zero; for "kl", whose
# logistic units are never zero, it counts those above twice the target. As one measure for all
# four, we take the components above a tenth of the largest one in their row.

used = {}
for name, code in codes.items():
    size = abs(code)
    used[name] = np.mean(size > size.max(axis=1, keepdims=True) / 10)
    zeros, score = np.mean(code == 0), fits[name].score(X)
    print(f"{name:6} used {used[name]:4.0%}, zero {zeros:4.0%}, explained variance {score:.3f}")
print(f"mean activation of the units of 'kl': {codes['kl'].mean():.3f}")

# %%
# The codes of one digit. With "kl" the mean is as low as required, but nearly all components are
# still active. With "l1" and "topk" most are zero.

figure, axes = plt.subplots(4, 1, figsize=(6, 6.5), sharex=True, layout="constrained")
axes[-1].set_xlabel("component")
for axis, (name, code) in zip(axes, codes.items(), strict=True):
    axis.stem(code[0], markerfmt=" ", basefmt="gray")
    axis.set_title(
        f"{name}: {used[name]:.0%} used, explained variance {fits[name].score(X):.3f}",
        loc="left",
        fontsize=10,
    )

# %%
# So few components can be inspected one by one. For top-k: the decoder's bias, and the decoder's
# weights of each active component times its activation, the most active one first. Their sum is
# the reconstruction.

top = fits["topk"]
active = codes["topk"][0].argsort()[::-1][:8]
parts = codes["topk"][0, active, np.newaxis] * top.coefs_[1][active]
whole = {"digit": X[0], "reconstructed": top.reconstruct(X[:1])[0], "bias": top.intercepts_[1]}
pictures = {**whole, **{f"+ part {i}": part for i, part in enumerate(parts, start=1)}}
figure, axes = plt.subplots(2, 6, figsize=(6, 2.6), layout="constrained")
for axis, (name, picture) in zip(axes.flat, pictures.items(), strict=False):
    axis.imshow(picture.reshape(8, 8), cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    axis.set_title(name, fontsize=10)
for axis in axes.flat:
    axis.set_axis_off()
plt.show()
