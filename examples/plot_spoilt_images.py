"""
Where is an image spoilt?
=========================

`AutoencoderOutlierDetector` compares the error of each pixel with that of the same pixel in
training images. So it finds images in which nine of 256 pixels are wrong, and shows where they
are.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from skae import Autoencoder, AutoencoderOutlierDetector
from skae.datasets import make_rectangles
from skae.inspection import FeatureErrorsDisplay, OutlierScoresDisplay

SIDE, SIZE = 16, 3  # of images and of spoilt squares


def spoil(images, rng):
    """The images, each with a square of inverted pixels, and a mask of these pixels."""
    corners = rng.integers(SIDE - SIZE + 1, size=(len(images), 2))
    spoilt = np.zeros((len(images), SIDE, SIDE), dtype=bool)
    for place, (top, left) in zip(spoilt, corners, strict=True):
        place[top : top + SIZE, left : left + SIZE] = True
    spoilt = spoilt.reshape(len(images), -1)
    return np.where(spoilt, 1 - images, images), spoilt


# %%
# Outlines of rectangles are normal. The detector is trained on 3000 of them. It has seen neither
# the 600 new ones nor the spoilt ones. Chance gives an area under the ROC curve of 0.5.

train, _ = make_rectangles(3000, side=SIDE, random_state=0)
new, _ = make_rectangles(600, side=SIDE, random_state=1)
spoilt, is_spoilt = spoil(new, np.random.default_rng(0))
detector = AutoencoderOutlierDetector(Autoencoder(32), random_state=0).fit(train)

images = np.vstack([new, spoilt])
kind = np.repeat(["new", "spoilt"], 600)
neighbours = NearestNeighbors(n_neighbors=5).fit(train).kneighbors(images)[0][:, -1]
strangeness = -detector.score_samples(images)
print(f"AutoencoderOutlierDetector       {roc_auc_score(kind == 'spoilt', strangeness):.3f}")
print(f"distance of the fifth neighbour  {roc_auc_score(kind == 'spoilt', neighbours):.3f}")

# %%
# The two distributions hardly overlap. The default threshold, from `contamination="auto"`, is
# cautious here; `contamination=0.01` moves it to the left.

figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
OutlierScoresDisplay.from_estimator(detector, images, kind, ax=axis)

# %%
# Four spoilt images, and the errors of their pixels.

errors = detector.feature_errors(spoilt)
hits = is_spoilt[np.arange(600), errors.argmax(axis=1)].mean()
print(f"the largest error is at a spoilt pixel in {hits:.0%} of the images")

figure, axes = plt.subplots(1, 4, figsize=(6, 2.6), layout="constrained")
for row, axis in enumerate(axes):
    FeatureErrorsDisplay.from_estimator(detector, spoilt, row=row, ax=axis)
    axis.label_outer()  # names of rows at the first axes alone
plt.show()
