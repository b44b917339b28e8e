"""What several test files share: one small estimator of each class, data, comparisons."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

import skae
from skae import (
    GAN,
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ConditionalGAN,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    InfoGAN,
    RestrictedBoltzmannMachine,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae.networks import ConvNet

X = np.random.default_rng(0).normal(size=(60, 6))
UNIT_X = np.random.default_rng(1).uniform(size=(60, 6))
TRAINING = {"max_iter": 4, "batch_size": 16, "random_state": 0}  # the last batch is ragged
NEVER_STOP = {"tol": 0.0, "n_iter_no_change": np.inf}
LAYER = DenoisingAutoencoder(max_iter=2, batch_size=16)
SMALL = {
    "Autoencoder": Autoencoder(3, hidden_layer_sizes=(5,), **TRAINING),
    "SparseAutoencoder": SparseAutoencoder(8, **TRAINING),
    "DenoisingAutoencoder": DenoisingAutoencoder(3, **TRAINING),
    "ContractiveAutoencoder": ContractiveAutoencoder(3, **TRAINING),
    "StackedAutoencoder": StackedAutoencoder((5, 3), estimator=LAYER, **TRAINING),
    "VAE": VAE(3, hidden_layer_sizes=(5,), **TRAINING),
}
OF_UNITS = "RestrictedBoltzmannMachine"  # takes rows in [0, 1] alone
AUTOENCODERS = {**SMALL, OF_UNITS: RestrictedBoltzmannMachine(3, **TRAINING)}
SUPERVISED = {
    "AutoencoderClassifier": AutoencoderClassifier(SMALL["StackedAutoencoder"], **TRAINING),
    "AutoencoderRegressor": AutoencoderRegressor(SMALL["StackedAutoencoder"], **TRAINING),
}
# Estimators that are no network themselves.
AROUND = {
    "AutoencoderImputer": AutoencoderImputer(SMALL["DenoisingAutoencoder"]),
    "AutoencoderOutlierDetector": AutoencoderOutlierDetector(SMALL["Autoencoder"]),
}
GENERATORS = {
    "GAN": GAN(3, hidden_layer_sizes=(8,), **TRAINING),
    "ConditionalGAN": ConditionalGAN(3, hidden_layer_sizes=(8,), **TRAINING),
    "InfoGAN": InfoGAN(3, n_categories=3, hidden_layer_sizes=(8,), **TRAINING),
}
# As a whole, of rows: whoever needs no labels ignores them.
TRAINED = {**AUTOENCODERS, **GENERATORS}
LABELS = np.arange(60) % 3
NETWORK = tuple(name for name in SMALL if name != "StackedAutoencoder")
each_class = pytest.mark.parametrize("name", AUTOENCODERS)
each_of_any_numbers = pytest.mark.parametrize("name", SMALL)
each_generator = pytest.mark.parametrize("name", GENERATORS)
each_trained = pytest.mark.parametrize("name", TRAINED)
BERNOULLI = {
    **{name: {"loss": "binary_cross_entropy"} for name in NETWORK},
    "StackedAutoencoder": {"estimator__loss": "binary_cross_entropy"},
    "VAE": {"likelihood": "bernoulli"},
    OF_UNITS: {},
}
# Of VAEs too small, or trained too little, for their code to carry anything.
may_collapse = pytest.mark.filterwarnings("ignore:The code has collapsed:UserWarning")
# Of sparse autoencoders trained too little for most of their units to be of use.
may_be_dead = pytest.mark.filterwarnings("ignore:.* components are dead:UserWarning")
# scikit-learn's checks that weights are as good as repeated rows. Mini-batches and noise of other
# rows are others, as those of MLPClassifier are, to which scikit-learn gives solver="lbfgs" there;
# tests/test_sample_weight.py has them with it for all classes.
EQUIVALENCES = {
    f"check_sample_weight_equivalence_on_{kind}_data": "takes mini-batches or noise"
    for kind in ("dense", "sparse")
}
# What scikit-learn runs on its own estimators, but not in `check_estimator`.
EXTRA_CHECKS = [
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_get_feature_names_out_error,
    estimator_checks.check_param_validation,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_global_output_transform_pandas,
    estimator_checks.check_set_output_transform_polars,
    estimator_checks.check_global_set_output_transform_polars,
    estimator_checks.check_inplace_ensure_writeable,
    estimator_checks.check_estimators_partial_fit_n_features,
]
DIVERGING = {"solver": "sgd", "learning_rate_init": 1e6, "max_iter": 100}


def small(name, **params):
    """A fresh small estimator of the class."""
    return clone({**TRAINED, **SUPERVISED, **AROUND}[name]).set_params(**params)


def as_units(rows):
    """Rows of [0, 1], with zeros where these have them."""
    return np.abs(rows) / (1.0 + np.abs(rows))


def weights(estimator):
    """All weights and biases as one vector; of a GAN with averages, and what lies between."""
    if not hasattr(estimator, "coefs_"):
        return estimator._state.weights
    return np.concatenate([a.ravel() for a in (*estimator.coefs_, *estimator.intercepts_)])


def assert_same_fit(one, other):
    """Weights and losses are equal, bit for bit, with whatever network."""
    np.testing.assert_array_equal(weights(one), weights(other), strict=True)
    assert one.loss_curve_ == other.loss_curve_


class AnyWidth(BaseEstimator):
    """A `ConvNet` of signals as long as X is wide, since scikit-learn's checks vary that."""

    def __init__(self, code="vector", channels=(3,)):
        self.code = code
        self.channels = channels

    def build(self, n_features, **widths):
        shape = (1, 1, n_features)
        network = ConvNet(shape, channels=self.channels, downsample=None, code=self.code)
        return network.build(n_features, **widths)


def normal(*shape, seed=0):
    """Standard normal numbers, a float64 tensor."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def noise_for(gan, n_rows, seed=0):
    """What `generate` wants but for labels: normal numbers and, of an InfoGAN, codes."""
    codes = [np.eye(3)[np.arange(n_rows) % 3]] if isinstance(gan, InfoGAN) else []
    return np.hstack([normal(n_rows, 3, seed=seed).numpy(), *codes])


def assert_same_with_gradients(found, expected, inputs):
    """Two tensors are equal, and so are the gradients of their sums."""
    exact = {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(found, expected, **exact)
    gradients = [torch.autograd.grad(value.sum(), inputs) for value in (found, expected)]
    for ours, torchs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, torchs, **exact)


def fitted_state(estimator):
    """A hash of everything that fit has left."""
    params = estimator.get_params(deep=False)
    return joblib.hash({k: v for k, v in estimator.__getstate__().items() if k not in params})


def is_public(name):
    """Whether the full name of a class is of skae, without a private module."""
    return name.startswith("skae.") and not any(part.startswith("_") for part in name.split("."))


def assert_not_fitted(estimator):
    """Nothing is left of a fit but what scikit-learn's validation notes."""
    left = set(vars(estimator)) - set(estimator.get_params(deep=False))
    assert left <= {"n_features_in_", "feature_names_in_"}
    with pytest.raises(NotFittedError):
        estimator.transform(X)


def in_threads(n_threads, function):
    """What `function(number)` returns in threads that start at the same moment."""
    barrier, results = threading.Barrier(n_threads), [None] * n_threads

    def run(number):
        barrier.wait()
        results[number] = function(number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run, args=(i,)) for i in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return results


def run_python(code, timeout=120):
    """Standard output of a fresh interpreter with as many threads as this one."""
    folders = (Path(skae.__file__).parents[1], Path(__file__).parent)
    env = {
        **os.environ,
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
        "PYTHONPATH": os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, timeout=timeout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
