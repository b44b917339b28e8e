"""
A VAE knows where to draw new digits
====================================

A VAE's codes fill a standard normal distribution, so that draws from it decode to digits nobody
wrote. A plain autoencoder's codes lie anywhere: it decodes the same draws to images that are less
like digits, even if a normal distribution is first fitted to its codes. Half-way between two
codes, both are closer to digits than the mean of two pictures is.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skae import VAE, Autoencoder

X, X_test = train_test_split(load_digits().data / 16, random_state=0)
training = {
    "hidden_layer_sizes": (256, 128),
    "learning_rate": "one_cycle",
    "learning_rate_init": 3e-3,
    "batch_size": 50,
    "max_iter": 60,
    "random_state": 0,
}
vae = VAE(8, **training).fit(X)
plain = Autoencoder(8, **training).fit(X)

# %%
# As many new digits as there are held-out ones, in three ways. ``vae.sample`` draws codes as we do
# here, and also noise for the pixels.

rng = np.random.default_rng(0)
normal = rng.standard_normal((len(X_test), 8))
codes = plain.transform(X)
fitted = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), size=len(X_test))
drawn = {
    "VAE": vae.inverse_transform(normal),
    "plain, same draws": plain.inverse_transform(normal),
    "plain, fitted normal": plain.inverse_transform(fitted),
}

# %%
# Half-way from one held-out digit to another: the decoded mean of their codes, and the mean of
# their pixels.

a, b = X_test, rng.permutation(X_test)
halfway = {
    "half-way, VAE": vae.inverse_transform((vae.transform(a) + vae.transform(b)) / 2),
    "half-way, plain": plain.inverse_transform((plain.transform(a) + plain.transform(b)) / 2),
    "half-way, pixels": (a + b) / 2,
}

# %%
# How far is each from the nearest training digit?

neighbours = NearestNeighbors(n_neighbors=1).fit(X)
distances = {
    name: np.square(neighbours.kneighbors(images)[0]).mean()
    for name, images in {"held-out digits": X_test, **drawn, **halfway}.items()
}
for name, distance in distances.items():
    print(f"{name:20} {distance:.2f}")

# %%
# Ten draws each, with that mean squared distance, and two walks between the same two digits.

steps = np.linspace(0, 1, 10)[:, np.newaxis]
start, end = vae.transform(X_test[[0, 3]])
walks = {
    "a walk, VAE": vae.inverse_transform((1 - steps) * start + steps * end),
    "a walk, pixels": (1 - steps) * X_test[0] + steps * X_test[3],
}
rows = {"held-out digits": X_test, **drawn, **walks}
figure, axes = plt.subplots(len(rows), 10, figsize=(6, 3.8), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for axis, image in zip(line, images, strict=False):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    label = f"{name}\ndistance {distances[name]:.2f}" if name in distances else name
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()
