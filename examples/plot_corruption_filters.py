"""
The more cells are destroyed, the more a filter is a stroke
===========================================================

A denoising autoencoder with more units than pixels could just copy its input, and without
corruption it nearly does: its filters look like noise. To restore destroyed pixels it must know
which pixels belong together, and the filters become strokes (Vincent et al., 2008).
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skae import DenoisingAutoencoder
from skae.inspection import FilterDisplay

images = load_digits().images[:, :, 1:7] / 16  # the two outer columns are nearly always empty
shape = images.shape[1:]
X = images.reshape(len(images), -1)
levels = [0, 0.1, 0.25, 0.5]
fits = [
    DenoisingAutoencoder(
        100, corruption_level=level, batch_size=50, max_iter=100, random_state=0
    ).fit(X)
    for level in levels
]

# %%
# A unit's filter is its column of the encoder's weights. In noise, a weight tells nothing about
# its neighbour; in a stroke, neighbours are similar. So their correlation tells how close a filter
# is to a stroke.

filters = [fit.coefs_[0].T.reshape(-1, *shape) for fit in fits]


def neighbour_correlation(filters):
    """Correlation of weights with those below or to the right in the same filter."""
    below = filters[:, :-1].ravel(), filters[:, 1:].ravel()
    right = filters[:, :, :-1].ravel(), filters[:, :, 1:].ravel()
    return np.corrcoef(np.hstack([below, right]))[0, 1]


correlations = [neighbour_correlation(f) for f in filters]
print("destroyed   neighbours correlate   explained variance")
for level, correlation, fit in zip(levels, correlations, fits, strict=True):
    print(f"{level:9.0%} {correlation:22.2f} {fit.score(X):20.2f}")

# %%
# Left, a digit as training sees it: a destroyed pixel has its mean over all digits. Right, the 36
# largest filters, each from its own -max (black) to max (white). The table shows the price: intact
# digits are reconstructed less exactly.

figure, axes = plt.subplots(4, 2, figsize=(5, 9.5), width_ratios=(1, 1.8), layout="constrained")
for (left, right), level, fit, correlation in zip(axes, levels, fits, correlations, strict=True):
    left.imshow(fit.corrupt(X[:1], random_state=0).reshape(shape), cmap="gray_r", vmin=0, vmax=1)
    left.set_title(f"{level:.0%} destroyed")
    left.set_axis_off()
    FilterDisplay.from_estimator(fit, n_filters=36, image_shape=shape, ax=right)
    right.set_title(f"neighbours correlate: {correlation:.2f}", fontsize=10)
plt.show()
