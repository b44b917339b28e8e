"""
A denoising autoencoder points to where the data lie
====================================================

Trained to undo noise, it moves every point towards the curve of the data: the arrows are
`reconstruct(X) - X`. Their reach depends on the noise used in training. For little noise, they are
the gradient of the data's log-density times the noise variance.
"""

import matplotlib.pyplot as plt
import numpy as np

from skae import DenoisingAutoencoder

# %%
# Points of a spiral, and a grid near it.
rng = np.random.default_rng(0)


def spiral(t):
    return np.column_stack([t * np.cos(t), t * np.sin(t)]) / 10


X = spiral(rng.uniform(3, 10, 1000)) + rng.normal(scale=0.01, size=(1000, 2))
curve = spiral(np.linspace(3, 10, 500))


def distance(points):
    """Each point's distance from the spiral."""
    return np.linalg.norm(points[:, None] - curve, axis=2).min(axis=1)


lines = np.linspace(-1.2, 1.2, 25)
grid = np.column_stack([axis.ravel() for axis in np.meshgrid(lines, lines)])
grid = grid[distance(grid) < 0.25]

# %%
# Without noise, a code of two numbers copies the plane, and points hardly move.
figure, axes = plt.subplots(1, 3, figsize=(6, 2.4), layout="constrained")
for ax, level in zip(axes, [0.0, 0.05, 0.2], strict=True):
    denoiser = DenoisingAutoencoder(
        2,
        corruption="gaussian",
        corruption_level=level,
        hidden_layer_sizes=(100, 100),
        activation="elu",
        code_activation="identity",
        learning_rate="one_cycle",
        learning_rate_init=5e-3,
        batch_size=50,
        max_iter=100,
        random_state=0,
    ).fit(X)
    arrows = denoiser.reconstruct(grid) - grid
    before, after = distance(grid).mean(), distance(grid + arrows).mean()
    print(f"noise {level}: mean distance from the spiral {before:.3f} before, {after:.3f} after")
    ax.plot(*curve.T, color="C1", linewidth=2, alpha=0.5)
    ax.quiver(*grid.T, *arrows.T, angles="xy", scale_units="xy", scale=1, width=0.005)
    ax.set(title=f"noise {level}", xticks=[], yticks=[], aspect="equal")
plt.show()

# %%
# Alain and Bengio, "What regularized auto-encoders learn from the data generating distribution",
# Journal of Machine Learning Research 15, 2014, https://jmlr.org/papers/v15/alain14a.html.
