"""
The first convolution learns stripes of brightness and spots of colour
======================================================================

The first layer of this denoising autoencoder of colour photographs has 32 kernels of 7 x 7 pixels.
To tell a picture from noise, they look for what neighbouring pixels have in common: sharp edges
and stripes of brightness, and blurred spots of colour.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.feature_extraction.image import extract_patches_2d

from skae import DenoisingAutoencoder
from skae.inspection import FilterDisplay
from skae.networks import ConvNet

# %%
# Patches of two photographs. A row holds one patch channel by channel.
patches = [
    extract_patches_2d(photograph, (16, 16), max_patches=2000, random_state=0)
    for photograph in load_sample_images().images
]
images = np.concatenate(patches).transpose(0, 3, 1, 2) / np.float32(255)
X = (images - images.mean(axis=(2, 3), keepdims=True)).reshape(len(images), -1)

# %%
# There is no dense layer: the code is an image with 8 channels, mixed from the outputs of the 32
# kernels at each pixel.
denoiser = DenoisingAutoencoder(
    8,
    network=ConvNet(image_shape=(3, 16, 16), channels=(32,), kernel_size=7, code="image"),
    corruption="gaussian",
    corruption_level=0.2,
    code_activation="relu",
    alpha=0.1,
    learning_rate="one_cycle",
    learning_rate_init=5e-3,
    batch_size=100,
    max_iter=20,
    random_state=0,
).fit(X)

# %%
# How fine are the patterns that a kernel looks for? We take its mean spatial frequency, for its
# brightness (the mean of its colours) and for the differences of its colours from that.
convolution = next(layer for layer in denoiser.encoder_ if hasattr(layer, "kernel_size"))
kernels = convolution.weight.detach().numpy()  # (32, 3, 7, 7)
brightness = kernels.mean(axis=1, keepdims=True)
frequencies = np.hypot(np.fft.fftfreq(7)[:, np.newaxis], np.fft.fftfreq(7))
for name, part in {"brightness": brightness, "colour": kernels - brightness}.items():
    power = np.square(np.abs(np.fft.fft2(part))).mean(axis=(0, 1))
    print(f"{name:10} {np.average(frequencies, weights=power):.2f} cycles per pixel")

# %%
# Strongest first, each on its own scale: grey is zero.
display = FilterDisplay.from_estimator(denoiser)
display.ax_.set_title("kernels of the first layer, on the colours of two photographs")
plt.show()
