"""
A grey patch tells its colours, if others like it were seen
===========================================================

A third of a photograph has lost its colours. With `fit(grey, target=colours)`, a convolutional
autoencoder learns from the rest which colours grey patches have, and restores those of the third.
The grey value of a pixel alone, with the best straight line, does not predict them.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.linear_model import LinearRegression

from skae import DenoisingAutoencoder
from skae.datasets import average_patches, extract_patches
from skae.networks import ConvNet

BLOCK, SIDE, STEP = 64, 32, 8  # pixels
photograph = load_sample_image("flower.jpg")[: 6 * BLOCK].astype(np.float32) / 255
blocks = photograph.reshape(6, BLOCK, 10, BLOCK, 3).swapaxes(1, 2)
is_grey = np.add.outer(np.arange(6), np.arange(10)) % 3 == 0

# %%
# Training patches lie within the blocks that are still in colour, so that no pixel of the others
# is seen. The targets are the differences of the colours from grey: three times 32 x 32
# differences for a patch of 32 x 32 grey pixels. The columns of the target go channel by channel,
# and there may be more of them than in X.


def patches(images):
    return np.vstack([extract_patches(image, (SIDE, SIDE), step=STEP) for image in images])


in_colour = blocks[~is_grey]
in_colour = np.concatenate([in_colour, in_colour[:, :, ::-1]])  # and mirrored
grey, colours = patches(in_colour.mean(axis=-1)), patches(in_colour)
colouriser = DenoisingAutoencoder(
    64,
    network=ConvNet((1, SIDE, SIDE), channels=(32, 64), kernel_size=5, code="image"),
    corruption=None,
    code_activation="identity",
    learning_rate="one_cycle",
    learning_rate_init=2e-3,
    batch_size=16,
    max_iter=8,
    random_state=0,
)
colouriser.fit(grey - 0.5, target=colours - np.tile(grey, 3))

# %%
# The predicted differences of its patches, averaged where they overlap, are added to each grey
# block. The line is fitted to each pixel and its three colours, in the same blocks.


def coloured(block):
    grey = block.mean(axis=-1)
    differences = colouriser.reconstruct(patches([grey]) - 0.5)
    return grey[..., None] + average_patches(differences, block.shape, step=STEP)


line = LinearRegression().fit(in_colour.mean(axis=-1).reshape(-1, 1), in_colour.reshape(-1, 3))
lost = blocks[is_grey]
guesses = {
    "a third is grey": np.repeat(lost.mean(axis=-1, keepdims=True), 3, axis=-1),
    "line through pixels": line.predict(lost.mean(axis=-1).reshape(-1, 1)).reshape(lost.shape),
    "autoencoder": np.array([coloured(block) for block in lost]),
    "original": lost,
}

figure, axes = plt.subplots(2, 2, figsize=(6, 4.4), layout="constrained")
for axis, (title, guess) in zip(axes.flat, guesses.items(), strict=True):
    whole = blocks.copy()
    whole[is_grey] = guess
    axis.imshow(whole.swapaxes(1, 2).reshape(photograph.shape).clip(0, 1))
    error = np.square(guess - lost).mean()
    axis.set_title(f"{title}: error {error:.4f}" if error else title, fontsize=10)
    axis.set_axis_off()
plt.show()
