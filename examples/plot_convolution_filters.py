"""
The first convolution learns edges, stripes and spots of colour
===============================================================

A denoising autoencoder of colour photographs, whose first layer has 32 kernels of 9 x 9 pixels.
To tell a picture from noise they look for what neighbouring pixels have in common: edges and
stripes of brightness, which are sharp, and spots of colour, which are blurred.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.feature_extraction.image import extract_patches_2d

from skae import DenoisingAutoencoder
from skae.networks import ConvNet

# %%
# Patches of two photographs. A row holds one patch channel by channel.
patches = [
    extract_patches_2d(photograph, (24, 24), max_patches=4000, random_state=0)
    for photograph in load_sample_images().images
]
images = np.concatenate(patches).transpose(0, 3, 1, 2) / np.float32(255)
X = (images - images.mean(axis=(2, 3), keepdims=True)).reshape(len(images), -1)

# %%
# No dense layer: the code is an image of 32 channels, of which each is one kernel's.
network = ConvNet(image_shape=(3, 24, 24), channels=(32,), kernel_size=9, code="image")
denoiser = DenoisingAutoencoder(
    8,
    corruption="gaussian",
    corruption_level=0.2,
    hidden_layer_sizes=(),
    code_activation="relu",
    network=network,
    alpha=0.1,
    learning_rate="one_cycle",
    learning_rate_init=5e-3,
    max_iter=15,
    random_state=0,
).fit(X)
kernels = denoiser.encoder_[1].weight.detach().numpy()  # (32, 3, 9, 9)

# %%
# Strongest first, each on its own scale.
order = np.argsort(-np.abs(kernels).sum(axis=(1, 2, 3)))
fig, axes = plt.subplots(4, 8, figsize=(8, 4.4))
for ax, kernel in zip(axes.flat, kernels[order], strict=True):
    ax.imshow(0.5 + 0.5 * kernel.transpose(1, 2, 0) / np.abs(kernel).max())
    ax.set_axis_off()
fig.suptitle("Kernels of the first layer, on the colours of two photographs")
plt.show()
