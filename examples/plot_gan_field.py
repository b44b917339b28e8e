"""
A discriminator points the way, until it cannot tell
====================================================

A GAN's discriminator tells for every place how likely a row there is a real one, and the generator
moves its samples uphill. At first, there is a slope wherever samples are. Once they are where the
data are, it is nearly flat: one half, for "cannot tell". The loss shows little of this: it is
close to log 2 after 64 steps, when samples have not yet found the clusters.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from skae import GAN

# %%
# Eight normal distributions on a ring. float32 data are faster, as computations then use float32.

rng = np.random.default_rng(0)
angles = rng.integers(8, size=2048) * np.pi / 4
centres = np.column_stack([np.cos(angles), np.sin(angles)])
X = (centres + rng.normal(scale=0.08, size=centres.shape)).astype(np.float32)

lines = np.linspace(-1.6, 1.6, 81, dtype=np.float32)
grid = np.column_stack([axis.ravel() for axis in np.meshgrid(lines, lines)])


def uphill(gan, rows):
    """The gradient of the discriminator's score at each row, from torch."""
    rows = torch.tensor(rows, requires_grad=True)
    gan.discriminator_(rows).sum().backward()
    return rows.grad.numpy()


def steepness(gan):
    """Mean length of this gradient at samples."""
    return np.linalg.norm(uphill(gan, gan.sample(1000, random_state=0)), axis=1).mean()


def draw(gan, ax, title):
    """Draw the field, rows of X in grey, samples in black, and the moves of 40 of them."""
    field = gan.discriminate(grid).reshape(81, 81)
    ax.imshow(field, origin="lower", extent=(-1.6, 1.6) * 2, cmap="RdBu", vmin=0, vmax=1)
    samples = gan.sample(400, random_state=0)
    ax.plot(*X[:400].T, ".", color="0.6", markersize=2)
    ax.plot(*samples.T, ".", color="k", markersize=2)
    arrows = uphill(gan, samples[:40])
    arrows *= 0.3 / (0.3 + np.linalg.norm(arrows, axis=1, keepdims=True))  # no arrow is too long
    at = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.006}
    ax.quiver(*samples[:40].T, *arrows.T, **at)
    ax.set(title=title, xticks=[], yticks=[], xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))


# %%
# In blue regions the discriminator takes rows for real, in red ones for generated. `partial_fit`
# trains for one epoch on its rows, here 512 rows in 8 steps, so that we can look in between. It
# cannot know when training ends, so its step size stays constant; that of `fit` falls to zero, and
# the game converges. The score is the fraction of rows with a sample nearby.

figure, axes = plt.subplots(3, 2, figsize=(6, 8.8), layout="constrained")


def show(gan, ax, name):
    draw(gan, ax, name)
    numbers = gan.loss_, gan.score(X), steepness(gan)
    print("{:15} {:6.2f} {:6.2f} {:17.2f}".format(name, *numbers))


print("                  loss  score  slope at samples")
training, n_calls = GAN(2, random_state=0), 0
for ax, n_steps in zip(axes.flat, [8, 16, 32, 64, 512], strict=False):
    while 8 * n_calls < n_steps:
        training.partial_fit(X[n_calls % 4 :: 4])
        n_calls += 1
    show(training, ax, f"{n_steps} steps")
gan = GAN(2, max_iter=64, random_state=0).fit(X)
show(gan, axes.flat[-1], f"fit, {64 * 32} steps")
plt.show()

# %%
# Goodfellow et al., "Generative adversarial nets", NeurIPS 2014, https://arxiv.org/abs/1406.2661.
