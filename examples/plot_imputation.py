"""
A denoising autoencoder fills in missing values
===============================================

A missing value (NaN) is a corrupted cell with an unknown clean value. `DenoisingAutoencoder`
trains directly on rows with missing values: the loss counts only observed cells, and an additional
input per cell tells whether it was observed. `reconstruct` then gives a value for every cell.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer

from skae import DenoisingAutoencoder

X = load_digits().data / 16
denoiser = DenoisingAutoencoder(
    64,
    hidden_layer_sizes=(256,),
    code_activation="identity",
    learning_rate="one_cycle",
    learning_rate_init=3e-3,
    batch_size=50,
    max_iter=80,
    random_state=0,
)


def with_holes(fraction):
    """The digits, with each value missing with this probability."""
    missing = np.random.default_rng(0).random(X.shape) < fraction
    return np.where(missing, np.nan, X)


def fill(holes):
    """Fill in the missing values. No method sees the complete digits."""
    restored = denoiser.fit(holes).reconstruct(holes)
    return {
        "column's mean": SimpleImputer().fit_transform(holes),
        "5 neighbours": KNNImputer().fit_transform(holes),
        # A reconstruction covers all cells; observed ones keep their value.
        "autoencoder": np.where(np.isnan(holes), restored, holes),
    }


# %%
# The mean squared error of the missing values alone.

for fraction in (0.2, 0.4):
    holes = with_holes(fraction)
    filled = fill(holes)
    errors = {name: np.mean((f - X)[np.isnan(holes)] ** 2) for name, f in filled.items()}
    print(f"{fraction:.0%} missing:", ", ".join(f"{n} {e:.4f}" for n, e in errors.items()))

# %%
# Six digits with the last missing values, in red, and the result of each method. Which method is
# best depends on the data: compare before you choose.

rows = {"original": X, "40% missing": holes, **filled}
gray = plt.get_cmap("gray_r").with_extremes(bad="tab:red")
figure, axes = plt.subplots(5, 6, figsize=(5.5, 4), layout="constrained")
for row, (name, images) in zip(axes, rows.items(), strict=True):
    for axis, image in zip(row, images, strict=False):
        axis.imshow(image.reshape(8, 8), cmap=gray, vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    label = f"{name}\nerror {errors[name]:.3f}" if name in errors else name
    row[0].set_ylabel(label, rotation=0, ha="right", va="center")
plt.show()
