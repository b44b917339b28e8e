"""
Two numbers of a VAE make a map of the digits
=============================================

A VAE with a code of two numbers puts each digit at a point of the plane. Its prior makes the plane
a map without gaps: the image decoded at any point resembles the digits there, and changes
gradually from one kind of digit to the next. No label was used.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import VAE
from skae.inspection import LatentSpaceDisplay, LatentTraversalDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
vae = VAE(
    2,
    hidden_layer_sizes=(128, 128),
    noise_variance=0.05,
    learning_rate="one_cycle",
    learning_rate_init=5e-3,
    batch_size=50,
    max_iter=100,
    random_state=0,
).fit(X)

# %%
# How good is the map? Neighbours on it should be the same digit, and digits should be distributed
# like the prior, with about half of them within 0.67 of zero in each direction. With a learnt
# `noise_variance`, the default, these codes spread further than the prior.

neighbours = KNeighborsClassifier(10).fit(vae.transform(X), y)
print(
    f"held-out digits whose neighbours agree: {neighbours.score(vae.transform(X_test), y_test):.2f}"
)
mean, std = vae.posterior(X_test)
drawn = mean + std * np.random.default_rng(0).standard_normal(mean.shape)
print(f"codes within the prior's middle half: {np.mean(np.abs(drawn) < norm.ppf(0.75)):.2f}")

# %%
# The codes of held-out digits. The square holds the middle 90% of the prior in each direction.

figure, axis = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
LatentSpaceDisplay.from_estimator(vae, X_test, y_test, ax=axis, s=20)
edge = norm.ppf(0.95)
axis.add_patch(plt.Rectangle((-edge, -edge), 2 * edge, 2 * edge, fill=False, color="0.4"))
axis.set(title="codes of held-out digits, by label", xlim=(-3, 4), ylim=(-3, 3))

# %%
# Images decoded from the square. Steps have equal probability, so they are small in the
# middle, where most digits lie.

figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
LatentTraversalDisplay.from_estimator(vae, n_steps=15, ax=axis, cmap="gray_r", vmin=0, vmax=1)
axis.set_title("decoded from the square")
plt.show()
