"""Small classifiers and regressors on autoencoders, fitted and not."""

import numpy as np
import pytest
from helpers import SMALL, TRAINING, X, small
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator

from skae import (
    VAE,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)

CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)  # 0, 1 or 2
OUTPUTS = np.column_stack([3 * X[:, 0] + 10, X[:, 1] * X[:, 2]])
INNER = {
    **SMALL,
    "top-k": SparseAutoencoder(8, sparsity="topk", n_active=3, **TRAINING),
    "deep contractive": ContractiveAutoencoder(3, hidden_layer_sizes=(5,), **TRAINING),
    "tied VAE": VAE(3, hidden_layer_sizes=(5,), tied_weights=True, **TRAINING),
    "stacked VAEs": StackedAutoencoder((5, 3), estimator=VAE(max_iter=2), **TRAINING),
    "untuned stack": StackedAutoencoder((5, 3), fine_tune=False, **TRAINING),
}
INNER["untuned stack"].set_params(estimator=SparseAutoencoder(max_iter=2))
each_inner = pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
tuned_or_not = pytest.mark.parametrize("fine_tune", [True, False])


def classifier(inner=SMALL["Autoencoder"], **params):
    """A small one, not fitted."""
    return AutoencoderClassifier(copy_of(inner), **{**TRAINING, **params})


def regressor(inner=SMALL["Autoencoder"], **params):
    """A small one, not fitted."""
    return AutoencoderRegressor(copy_of(inner), **{**TRAINING, **params})


def copy_of(inner):
    return clone(inner) if hasattr(inner, "fit") else inner


TARGETS = {classifier: CLASSES, regressor: OUTPUTS}
each_task = pytest.mark.parametrize("make", TARGETS)


def fit(make, *args, **params):
    """A small classifier or regressor, fitted."""
    return make(*args, **params).fit(X, TARGETS[make])


def before_fine_tuning(make, *args, **params):
    """A small classifier or regressor as its fine-tuning finds it."""
    model = make(*args, **params)
    model._train_all = lambda *_: None
    model.fit(X, TARGETS[make])
    del model._train_all
    return model


def frozen(name="Autoencoder", X=X, **params):
    """A fitted small autoencoder that is not to be fitted again."""
    return FrozenEstimator(small(name, **params).fit(X))


def predictions(model, X):
    """What is most telling of a model's predictions."""
    return getattr(model, "predict_proba", model.predict)(X)


def assert_consistent(model):
    """The parts of a usable model agree with each other."""
    codes = model.transform(X)
    np.testing.assert_allclose(codes, model.autoencoder_.transform(X), rtol=1e-12, atol=1e-12)
    assert np.isfinite(predictions(model, X)).all()


CONVEX = {"fine_tune": False, "solver": "lbfgs", "max_iter": 3000, "tol": 0.0}
LABELS = load_digits().target
UNLABELLED = np.arange(60) % 4 == 1
MARKED = {
    "number": (np.where(UNLABELLED, -1, CLASSES), -1),
    "NaN": (np.where(UNLABELLED, np.nan, CLASSES), np.nan),
    "string": (np.where(UNLABELLED, "?", CLASSES.astype(str)), "?"),
    "strings and a number": (np.where(UNLABELLED, -1, CLASSES.astype(str).astype(object)), -1),
    "object": (np.where(UNLABELLED, "none", CLASSES.astype(str).astype(object)), "none"),
}
NAMES = np.array(["no", "yes", "maybe"])
