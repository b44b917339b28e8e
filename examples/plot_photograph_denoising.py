"""
One photograph teaches how to take the noise out of another
===========================================================

On patches of a temple, a convolutional autoencoder learns to tell noise from the content of
pictures: edges and surfaces. This works for a flower, too: the network removes the noise and keeps
the edges better than a Gaussian filter, even one that is tuned on the flower itself.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image

from skae import DenoisingAutoencoder
from skae.datasets import average_patches, extract_patches
from skae.networks import ConvNet

STD = np.float32(25 / 255)  # of the noise; pixels are in [0, 1]
SIDE = 32  # of the patches
rng = np.random.default_rng(0)
temple, flower = (
    load_sample_image(name).mean(axis=2).astype(np.float32) / 255
    for name in ("china.jpg", "flower.jpg")
)

# %%
# The network keeps the size of the image, so that no detail is lost, and looks at 17 x 17 pixels
# to judge one. It learns the noise: the remainder is the picture. Each patch comes in 24 copies,
# turned and mirrored, each with its own noise. The mean of the noisy patch is removed, since noise
# is the same in light and shade.

clean = extract_patches(temple, (SIDE, SIDE), step=SIDE).reshape(-1, SIDE, SIDE)
turned = [np.rot90(side, k, axes=(1, 2)) for side in (clean, clean[:, ::-1]) for k in range(4)]
clean = np.vstack(3 * turned).reshape(-1, SIDE * SIDE)
noise = STD * rng.standard_normal(clean.shape, dtype=np.float32)
noisy = clean + noise

denoiser = DenoisingAutoencoder(
    24,
    network=ConvNet(
        (1, SIDE, SIDE), channels=(24, 24), kernel_size=5, downsample=None, code="image"
    ),
    corruption=None,  # noisy as they are
    code_activation="identity",
    learning_rate="one_cycle",
    learning_rate_init=3e-3,
    batch_size=16,
    max_iter=1,
    random_state=0,
)
denoiser.fit(noisy - noisy.mean(axis=1, keepdims=True), target=noise)

# %%
# The flower is cut into overlapping patches and assembled from the denoised ones. At the edge of a
# patch, the network sees half of what it needs; the mean of several patches makes up for this.

noisy = flower + STD * rng.standard_normal(flower.shape, dtype=np.float32)
patches = extract_patches(noisy, (SIDE, SIDE), step=SIDE // 2)
found = denoiser.reconstruct(patches - patches.mean(axis=1, keepdims=True))
restored = average_patches(patches - found, flower.shape, step=SIDE // 2)


def psnr(image):
    """Peak signal-to-noise ratio in dB."""
    return -10 * np.log10(np.square(image - flower).mean())


filtered = max((gaussian_filter(noisy, sigma) for sigma in np.arange(0.6, 2, 0.1)), key=psnr)
pictures = {"noisy": noisy, "best Gaussian filter": filtered, "autoencoder": restored}

figure, axes = plt.subplots(3, 2, figsize=(6, 6.8), layout="constrained")
for (left, right), (title, image) in zip(axes, pictures.items(), strict=True):
    left.imshow(image, cmap="gray", vmin=0, vmax=1)
    left.set_title(f"{title}: {psnr(image):.1f} dB", loc="left")
    right.imshow(image[120:270, 230:455], cmap="gray", vmin=0, vmax=1)
for axis in axes.flat:
    axis.set_axis_off()
plt.show()
