"""
Two numbers for a row of numbers and categories
===============================================

An autoencoder takes a data frame with categories as it is. The table here describes villages:
their altitude and rainfall, and what is spoken, dug and grown there. It does not say where they
are, but everything in it depends on this, in nonlinear ways. Codes of width 2 reveal it.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import Autoencoder

# %%
# There is a hill in the middle and a coast in the west. Each dialect, soil and crop has a centre,
# and a village has the one with the nearest centre.

rng = np.random.default_rng(0)
places = rng.random((2000, 2))
east, north = places.T
noise = rng.standard_normal((2, 2000))
from_hill = (east - 0.5) ** 2 + (north - 0.5) ** 2


def nearest(names):
    """For each village, the name with the nearest of the randomly placed centres."""
    names = names.split()
    distances = ((places[:, None] - rng.random((len(names), 2))) ** 2).sum(axis=2)
    return pd.Categorical.from_codes(distances.argmin(axis=1), names)


villages = pd.DataFrame(
    {
        "altitude": (900 * np.exp(-8 * from_hill) + 40 * noise[0]).round(),
        "rain": (400 + 1200 * np.exp(-6 * east) + 60 * noise[1]).round(),
        "dialect": nearest("A B C D E F G H I"),
        "soil": nearest("clay sand loam peat chalk silt rock marl mud"),
        "crop": nearest("wheat rye oats maize beets vines hops flax hay"),
    }
)
print(villages.head())

# %%
# PCA needs a matrix: numbers standardised, categories one-hot. The autoencoder makes its own, and
# has a loss for categories. Neither sees the places. How much of their variance do the ten nearest
# codes explain, in cross-validation?

one_hot = make_column_transformer(
    (StandardScaler(), make_column_selector(dtype_include="number")),
    (OneHotEncoder(sparse_output=False), make_column_selector(dtype_include="category")),
)
methods = {
    "PCA of one-hot": make_pipeline(one_hot, PCA(2)),
    "Autoencoder": Autoencoder(2, random_state=0),
    "all columns, one-hot": one_hot,
}
codes = {name: method.fit_transform(villages) for name, method in methods.items()}
scores = {
    name: cross_val_score(KNeighborsRegressor(10), code, places, cv=5).mean()
    for name, code in codes.items()
}
for name, score in scores.items():
    print(f"{name:21} {codes[name].shape[1]:2} numbers, R^2 {score:.2f}")

# %%
# Each village has the colour of its place: redder to the east, bluer to the north. The
# autoencoder's codes are islands, one for each combination of names, and each island is a patch of
# the map. PCA puts distant patches on top of each other. (An autoencoder of the one-hot matrix
# does as well as that of the table, but then you have to make and undo the matrix.)

colors = np.column_stack([east, np.full(2000, 0.35), north])
panels = {"where they are": places} | {name: codes[name] for name in list(methods)[:2]}
figure, axes = plt.subplots(1, 3, figsize=(6, 2.6), layout="constrained")
for axis, (name, points) in zip(axes, panels.items(), strict=True):
    axis.scatter(*points.T, c=colors, s=4)
    axis.set(title=name, xticks=[], yticks=[])
    if name in scores:
        axis.set_xlabel(f"$R^2$ of the place: {scores[name]:.2f}")

# %%
# The way back: a code is decoded to a village, with its altitude, its dialect and its crop.

autoencoder = methods["Autoencoder"]
print(autoencoder.inverse_transform(codes["Autoencoder"][:5]))
plt.show()
