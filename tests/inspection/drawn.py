"""Small images to draw, and what was drawn, to be read."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from skae import AutoencoderOutlierDetector
from skae.inspection import (
    FeatureErrorsDisplay,
    FilterDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    LossCurveDisplay,
    OutlierScoresDisplay,
    ReconstructionDisplay,
    SamplesDisplay,
)

SHORT = {"max_iter": 2, "random_state": 0}
IMAGES = np.random.default_rng(0).uniform(size=(40, 36))  # 6 x 6
NAMES = list("abcdef")


class Classes(BaseEstimator):
    """Draws images of one grey for each class, called as a conditional GAN; fitted as another."""

    classes_ = np.array(["cat", "dog", "emu"])

    def __init__(self, estimator):
        self.estimator = estimator

    def __sklearn_is_fitted__(self):
        return hasattr(self.estimator, "n_features_in_")

    def fit(self, X, y):
        return self

    def sample(self, n_samples=1, y=None, random_state=None):
        assert len(y) == n_samples
        grey = np.searchsorted(self.classes_, y) / 2
        return np.tile(grey[:, None], IMAGES.shape[1]), y


CALLS = {
    "LossCurveDisplay": lambda fitted, **more: LossCurveDisplay.from_estimator(fitted, **more),
    "ReconstructionDisplay": lambda fitted, **more: ReconstructionDisplay.from_estimator(
        fitted, IMAGES, **more
    ),
    "FilterDisplay": lambda fitted, **more: FilterDisplay.from_estimator(fitted, **more),
    "LatentSpaceDisplay": lambda fitted, **more: LatentSpaceDisplay.from_estimator(
        fitted, IMAGES, **more
    ),
    "LatentTraversalDisplay": lambda fitted, **more: LatentTraversalDisplay.from_estimator(
        fitted, IMAGES, **more
    ),
    "FeatureErrorsDisplay": lambda fitted, **more: FeatureErrorsDisplay.from_estimator(
        fitted, IMAGES, **more
    ),
    "OutlierScoresDisplay": lambda fitted, **more: OutlierScoresDisplay.from_estimator(
        AutoencoderOutlierDetector(FrozenEstimator(fitted)).fit(IMAGES), IMAGES, **more
    ),
    "SamplesDisplay": lambda fitted, **more: SamplesDisplay.from_estimator(Classes(fitted), **more),
}


def texts(labels):
    return [label.get_text() for label in labels]
