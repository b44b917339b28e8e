"""Displays of fitted autoencoders and, where it makes sense, of other transformers.

They follow scikit-learn's displays: `from_estimator` computes and draws, the constructor takes
computed values, `plot` draws again. They need matplotlib, which is imported when something is
drawn.
"""

from skae.inspection._feature_errors import FeatureErrorsDisplay
from skae.inspection._filters import FilterDisplay
from skae.inspection._latent_space import LatentSpaceDisplay
from skae.inspection._loss_curve import LossCurveDisplay
from skae.inspection._outlier_scores import OutlierScoresDisplay
from skae.inspection._reconstruction import ReconstructionDisplay
from skae.inspection._samples import SamplesDisplay
from skae.inspection._traversal import LatentTraversalDisplay

__all__ = [
    "FeatureErrorsDisplay",
    "FilterDisplay",
    "LatentSpaceDisplay",
    "LatentTraversalDisplay",
    "LossCurveDisplay",
    "OutlierScoresDisplay",
    "ReconstructionDisplay",
    "SamplesDisplay",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # see skae/__init__.py
