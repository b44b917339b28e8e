"""
InfoGAN finds the digits without their labels
=============================================

An InfoGAN's generator gets a category and continuous numbers beside its noise, and its
discriminator reads them from rows. Here it sees handwritten digits without labels: how many of the
digits in each category are the same, and what do the numbers change?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix

from skae import InfoGAN

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)

# %%
# Purity is the fraction of rows whose digit is the commonest one of their category.


def purity(categories):
    return confusion_matrix(y, categories).max(axis=0).sum() / len(y)


gan = InfoGAN(n_categories=10, n_continuous=2, random_state=0).fit(X)
kmeans = KMeans(10, n_init=10, random_state=0).fit(X)
print(f"purity: InfoGAN {purity(gan.predict(X)):.3f}, KMeans {purity(kmeans.labels_):.3f}")

# %%
# Each row shows a category, all with the same noise. From left to right, first one continuous code
# goes from -1 to 1, then the other.

steps = np.linspace(-1, 1, 6)
numbers = np.vstack([np.column_stack([steps, 0 * steps]), np.column_stack([0 * steps, steps])])
noise = np.random.default_rng(0).normal(size=gan.n_components_)

figure, axes = plt.subplots(10, len(numbers), figsize=(6, 5.4), layout="constrained")
for category, row in enumerate(axes):
    categories = np.tile(np.eye(10)[category], (len(numbers), 1))
    Z = np.hstack([np.tile(noise, (len(numbers), 1)), categories, numbers])
    for ax, image in zip(row, gan.generate(Z), strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
for ax, title in ((axes[0, 2], "first code"), (axes[0, 8], "second code")):
    ax.set_title(title, loc="left")
plt.show()

# %%
# The bound on the information that rows hold about their category does not show this: it is close
# to log 10 = 2.30 for any meaning of the categories.

print(f"bound {gan.information_curve_[-1]:.2f} nats of {np.log(10):.2f}")

# %%
# Chen et al., "InfoGAN", NeurIPS 2016, https://arxiv.org/abs/1606.03657.
