"""
A conditional GAN covers modes that a plain one misses
======================================================

The data are 25 small clusters on a grid. A generator that learns without labels misses some of
them and fills the space between them. With the column of the grid as the label, there are in
effect five problems with five clusters: in the same number of steps all of them are reached, along
lines that lead through them. With the cluster itself as the label, nothing is drawn between
clusters. So labels not only let users choose a class; they make the game easier.
"""

import matplotlib.pyplot as plt
import numpy as np

from skae import GAN, ConditionalGAN

rng = np.random.default_rng(0)
side = np.arange(-2, 3)
centres = np.column_stack([axis.ravel() for axis in np.meshgrid(side, side, indexing="ij")])
cluster = rng.integers(25, size=2000)
X = centres[cluster] + rng.normal(scale=0.05, size=(2000, 2))
X = X.astype(np.float32)

# %%
# Without labels, with the column of the grid, and with the cluster itself. All train for 1280
# steps.

labels = {"no labels": None, "5 columns": cluster // 5, "25 clusters": cluster}


def fit(y, seed):
    if y is None:
        return GAN(2, max_iter=40, random_state=seed).fit(X)
    return ConditionalGAN(2, max_iter=40, random_state=seed).fit(X, y)


def draw(gan):
    """As many samples as there are rows, without their labels."""
    drawn = gan.sample(len(X), random_state=0)
    return drawn[0] if isinstance(drawn, tuple) else drawn


fits = {name: [fit(y, seed) for seed in range(3)] for name, y in labels.items()}

# %%
# A cluster is reached if at least a tenth of its share of samples lies within three standard
# deviations.


def reached(samples):
    """Number of reached clusters, and the share of samples that lie within one."""
    distances = np.linalg.norm(samples[:, np.newaxis] - centres, axis=2)
    within = distances.min(axis=1) < 0.15
    counts = np.bincount(distances.argmin(axis=1)[within], minlength=25)
    return (counts >= len(samples) / 250).sum(), within.mean()


found = {name: [reached(draw(gan)) for gan in several] for name, several in fits.items()}
for name, several in found.items():
    print(f"{name:12}", *(f"{n:4} of 25, {share:4.0%} within" for n, share in several))

# %%
# For each, the run that reaches the median number. Clusters of samples, in blue, are narrower than
# those of the data, in grey.

figure, axes = plt.subplots(1, 3, figsize=(6, 2.8), layout="constrained")
for ax, (name, several) in zip(axes, fits.items(), strict=True):
    middle = np.argsort([n for n, _ in found[name]])[1]
    ax.plot(*X.T, ".", color="0.8", markersize=3)
    ax.plot(*draw(several[middle]).T, ".", color="C0", markersize=2)
    n, _ = found[name][middle]
    ax.set(title=f"{name}\nreaches {n} of 25", xticks=[], yticks=[], aspect="equal")
    ax.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6))
plt.show()

# %%
# Mirza and Osindero, "Conditional generative adversarial nets", 2014,
# https://arxiv.org/abs/1411.1784.
