"""Detectors of outliers.py: functions of a task and a seed.

They return scores of the rows to judge, larger for stranger, and which rows they flag, or None.
"""

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM

from skae import VAE, Autoencoder, AutoencoderOutlierDetector, DenoisingAutoencoder

CONTAMINATION = 0.15
N_NEIGHBORS = 5  # as pyod's default
VARIANCE = 0.9  # that principal components keep


def ours(make_autoencoder=None, **parameters):
    """The detector that this is about, of an autoencoder that is made when it is needed."""

    def scores(task, seed):
        autoencoder = None if make_autoencoder is None else make_autoencoder()
        detector = AutoencoderOutlierDetector(autoencoder, random_state=seed, **parameters)
        strangeness = -detector.fit(task.train).score_samples(task.test)
        return strangeness, strangeness > -detector.offset_

    return scores


def error(make):
    """Squared errors of what a transformer reconstructs, summed over features."""

    def scores(task, seed):
        transformer = make(seed).fit(task.train)
        restored = transformer.inverse_transform(transformer.transform(task.test))
        return np.square(task.test - restored).sum(axis=1), None

    return scores


def scikit_learn(make):
    def scores(task, seed):
        return -make(seed).fit(task.train).score_samples(task.test), None

    return scores


def nearest_neighbors(task, seed):
    """The distance of the fifth neighbour; a training row is not its own."""
    neighbors = NearestNeighbors(n_neighbors=N_NEIGHBORS).fit(task.train)
    distances, _ = neighbors.kneighbors(None if task.is_of_training else task.test)
    return distances[:, -1], None


def local_outlier_factor(task, seed):
    factor = LocalOutlierFactor(novelty=not task.is_of_training).fit(task.train)
    if task.is_of_training:
        return -factor.negative_outlier_factor_, None
    return -factor.score_samples(task.test), None


def mahalanobis(task, seed):
    return LedoitWolf().fit(task.train.astype(float)).mahalanobis(task.test.astype(float)), None


def pyod(make):
    """One of pyod's, which import torch and pandas only when they are made."""

    def scores(task, seed):
        detector = make(task, seed).fit(task.train)
        if task.is_of_training:
            return detector.decision_scores_, None
        return detector.decision_function(task.test), None

    return scores


def pyod_pca(task, seed):
    from pyod.models.pca import PCA

    return PCA(random_state=seed)


def pyod_ecod(task, seed):
    from pyod.models.ecod import ECOD

    return ECOD()


def pyod_autoencoder(task, seed):
    from pyod.models.auto_encoder import AutoEncoder

    return AutoEncoder(random_state=seed, verbose=0)


def pyod_vae(task, seed):
    from pyod.models.vae import VAE

    return VAE(random_state=seed, verbose=0)


def pyod_deep_svdd(task, seed):
    from pyod.models.deep_svdd import DeepSVDD

    return DeepSVDD(n_features=task.train.shape[1], random_state=seed, verbose=0)


def named(*parameters):
    return f"AutoencoderOutlierDetector({', '.join(parameters)})"


OURS, TRIMMED = named(), named(f"contamination={CONTAMINATION}")
OTHERS = {
    "Autoencoder()": Autoencoder,
    "DenoisingAutoencoder()": DenoisingAutoencoder,
    "DenoisingAutoencoder(256)": lambda: DenoisingAutoencoder(256),
    "VAE()": VAE,
    f"PCA({VARIANCE})": lambda: PCA(VARIANCE),
}
ERROR, PCA_ERROR = "error of Autoencoder()", f"error of PCA({VARIANCE})"
KNN, FOREST = "nearest neighbours", "IsolationForest"
DEEP = ("pyod AutoEncoder", "pyod VAE", "pyod DeepSVDD")
DETECTORS = {
    OURS: ours(),
    TRIMMED: ours(contamination=CONTAMINATION),
    **{named(inner): ours(make) for inner, make in OTHERS.items()},
    ERROR: error(lambda seed: Autoencoder(random_state=seed)),
    PCA_ERROR: error(lambda seed: PCA(VARIANCE)),
    KNN: nearest_neighbors,
    "LocalOutlierFactor": local_outlier_factor,
    FOREST: scikit_learn(lambda seed: IsolationForest(random_state=seed)),
    "OneClassSVM": scikit_learn(lambda seed: OneClassSVM()),
    "Mahalanobis distance": mahalanobis,
    "pyod PCA": pyod(pyod_pca),
    "pyod ECOD": pyod(pyod_ecod),
    **dict(zip(DEEP, map(pyod, (pyod_autoencoder, pyod_vae, pyod_deep_svdd)), strict=True)),
}
# Whose ranks by AUC are averaged over sets, with the detector in question.
ANCHORS = (
    KNN,
    "LocalOutlierFactor",
    FOREST,
    "Mahalanobis distance",
    "OneClassSVM",
    PCA_ERROR,
    "pyod PCA",
    "pyod ECOD",
)
