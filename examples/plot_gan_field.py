"""
A discriminator points the way, until it cannot tell
====================================================

A GAN's discriminator says of every place how likely a row there is a real one, and the generator
moves its samples uphill. At first that is a slope wherever samples are. Once they are where the
data are, it is nearly flat: one half, for "cannot tell". The loss says little of this: it is near
log 2 after 64 steps, when samples have yet to find the clusters.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from skae import GAN

# %%
# Eight normal distributions on a ring. float32 is computed in float32, which is faster.

rng = np.random.default_rng(0)
angles = rng.integers(8, size=2048) * np.pi / 4
centres = np.column_stack([np.cos(angles), np.sin(angles)])
X = (centres + rng.normal(scale=0.08, size=centres.shape)).astype(np.float32)

lines = np.linspace(-1.6, 1.6, 81, dtype=np.float32)
grid = np.column_stack([axis.ravel() for axis in np.meshgrid(lines, lines)])


def uphill(gan, rows):
    """The gradient of the discriminator's score at each row, by torch."""
    rows = torch.tensor(rows, requires_grad=True)
    gan.discriminator_(rows).sum().backward()
    return rows.grad.numpy()


def steepness(gan):
    """How long that gradient is at samples, on average."""
    return np.linalg.norm(uphill(gan, gan.sample(1000, random_state=0)), axis=1).mean()


def draw(gan, ax, title):
    """The field, rows of X in grey, samples in black, and where 40 of them are sent."""
    field = gan.discriminate(grid).reshape(81, 81)
    ax.imshow(field, origin="lower", extent=(-1.6, 1.6) * 2, cmap="RdBu", vmin=0, vmax=1)
    samples = gan.sample(400, random_state=0)
    ax.plot(*X[:400].T, ".", color="0.6", markersize=2)
    ax.plot(*samples.T, ".", color="k", markersize=2)
    arrows = uphill(gan, samples[:40])
    arrows *= 0.3 / (0.3 + np.linalg.norm(arrows, axis=1, keepdims=True))  # none is too long
    at = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.006}
    ax.quiver(*samples[:40].T, *arrows.T, **at)
    ax.set(title=title, xticks=[], yticks=[], xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))


# %%
# Blue is where the discriminator takes a row for real, red where it takes it for a made one.
# `partial_fit` trains for an epoch over what it is given, here 512 rows, 8 steps, so that we can
# look in between. It cannot know when training ends, so its steps stay as large as they are; those
# of `fit` fall to zero, and the game comes to rest. The score is the fraction of rows that samples
# come near.

figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")


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
