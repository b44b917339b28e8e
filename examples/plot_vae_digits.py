"""
A VAE draws new digits and walks between two of them
====================================================

A plain autoencoder's codes lie anywhere; a VAE's fill a standard normal distribution. So
`sample` decodes draws from it to new digits, and on the straight line between two codes every
point is a digit too.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import VAE

X, y = load_digits(return_X_y=True)
X = X / 16
vae = VAE(
    8,
    likelihood="bernoulli",
    learning_rate="one_cycle",
    learning_rate_init=3e-3,
    batch_size=50,
    max_iter=100,
    random_state=0,
).fit(X)

# %%
# Ten digits nobody wrote: codes from the prior, decoded.

rng = np.random.default_rng(0)
drawn = vae.inverse_transform(rng.standard_normal((10, 8)))

# %%
# From a zero to a one: ten steps from one code to the other.

zero, one = vae.transform(X[[np.flatnonzero(y == digit)[0] for digit in (0, 1)]])
steps = np.linspace(0, 1, 10)[:, np.newaxis]
walk = vae.inverse_transform((1 - steps) * zero + steps * one)

figure, axes = plt.subplots(2, 10, figsize=(10, 2.4))
for row, images, title in zip(axes, (drawn, walk), ("drawn", "from 0 to 1"), strict=True):
    row[0].set_title(title, loc="left", fontsize=9)
    for axis, image in zip(row, images, strict=True):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set_axis_off()
plt.show()
