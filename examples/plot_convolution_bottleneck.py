"""
Convolutions make more of a bottleneck than PCA does
====================================================

Digits of 8 x 8 pixels pass through 2, 4 or 16 numbers. A convolutional autoencoder keeps more of
them in two numbers than PCA in four: a curved surface is closer to the digits than a plane. All
images here are held out.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.networks import ConvNet

X, y = load_digits(return_X_y=True)
train, test, _, labels = train_test_split(X / 16, y, test_size=500, random_state=0)

# %%
# ``hidden_layer_sizes`` are the dense layers between the image's features and the code.
network = ConvNet(image_shape=(1, 8, 8), channels=(16, 32))
training = {
    "learning_rate": "one_cycle",
    "learning_rate_init": 5e-3,
    "batch_size": 50,
    "max_iter": 60,
}
rows = {"original": test}
for d in (2, 4, 16):
    pca = PCA(d).fit(train)
    autoencoder = Autoencoder(d, network=network, random_state=0, **training).fit(train)
    rows[f"PCA, {d} numbers"] = pca.inverse_transform(pca.transform(test))
    rows[f"convolution, {d} numbers"] = autoencoder.reconstruct(test)
    kept = r2_score(test, rows[f"PCA, {d} numbers"], multioutput="variance_weighted")
    print(f"{d:2d} numbers: of the variance PCA keeps {kept:.2f}, ", end="")
    print(f"convolution {autoencoder.score(test):.2f}")

# %%
# One image of each of six digits, and its reconstructions.
shown = [np.flatnonzero(labels == digit)[0] for digit in range(6)]
fig, axes = plt.subplots(len(rows), 6, figsize=(6, 5.6), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    error = np.square(images - test).sum(axis=1).mean()
    line[0].set_ylabel(
        name + (f"\nerror {error:.1f}" if error else ""), rotation=0, ha="right", va="center"
    )
    for ax, row in zip(line, shown, strict=True):
        ax.imshow(images[row].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
fig.suptitle("held-out digits, with the squared error per image")
plt.show()
