"""Costs and units of outliers.py: seconds against pyod's autoencoder, and scores in other units."""

import numpy as np
from _outliers_data import N_TRAIN, load, normal_only
from _timing import alternate
from scipy.stats import spearmanr
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skae import Autoencoder, AutoencoderOutlierDetector, DenoisingAutoencoder

RACES = ("cardio", "shuttle", "musk")  # few, many and wide rows
N_ROUNDS, N_EPOCHS, BATCH_SIZE = 3, 20, 32
HIDDEN, WIDTH = 64, 32
UNITS = ("cardio", "glass", "shuttle")
CODE, FACTOR = 128, 1000


def race(folder, name, peer, seed):
    """Seconds of a processor for a fit with its scores, of the same network and epochs."""
    X = normal_only(folder, name, seed).train
    sides = {"ours": our_fit(X, seed), "theirs": pyod_fit(X, seed)}
    with threadpool_limits(1):
        timed = alternate(sides, N_ROUNDS)
    return {side: run.cpu for side, run in timed.items()}


def our_fit(X, seed):
    autoencoder = Autoencoder(
        WIDTH,
        hidden_layer_sizes=(HIDDEN,),
        batch_size=BATCH_SIZE,
        max_iter=N_EPOCHS,
        n_iter_no_change=np.inf,
    )
    return lambda: AutoencoderOutlierDetector(autoencoder, random_state=seed).fit(X)


def pyod_fit(X, seed):
    from pyod.models.auto_encoder import AutoEncoder

    autoencoder = AutoEncoder(
        hidden_neuron_list=[HIDDEN, WIDTH],
        batch_norm=False,
        dropout_rate=0.0,
        epoch_num=N_EPOCHS,
        batch_size=BATCH_SIZE,
        random_state=seed,
        verbose=0,
    )
    return lambda: autoencoder.fit(X)


def units(folder, name, change, seed):
    """How scores change with the place of the scaler, or with the unit of every other feature."""
    X = load(folder, name)[0][:N_TRAIN].astype(float)  # where rounding is not the question
    scores = score_pipeline(X, seed)
    others = CHANGES[change](X, seed)
    return {
        "difference": float(np.max(np.abs(others / scores - 1))),
        "ranks": float(spearmanr(scores, others).statistic),
    }


def score_pipeline(X, seed):
    """Scores of a detector whose autoencoder has its scaler with it."""
    pipeline = make_pipeline(StandardScaler(), DenoisingAutoencoder(CODE))
    return AutoencoderOutlierDetector(pipeline, random_state=seed).fit(X).score_samples(X)


def score_scaled(X, seed):
    """The same with the scaler before the detector."""
    scaled = StandardScaler().fit_transform(X)
    detector = AutoencoderOutlierDetector(DenoisingAutoencoder(CODE), random_state=seed)
    return detector.fit(scaled).score_samples(scaled)


def score_multiplied(X, seed):
    """The same as in the pipeline, of features half of which are in another unit."""
    factors = np.where(np.arange(X.shape[1]) % 2, FACTOR, 1).astype(X.dtype)
    return score_pipeline(X * factors, seed)


CHANGES = {"scaler outside": score_scaled, f"features times {FACTOR}": score_multiplied}
