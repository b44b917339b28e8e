"""Every estimator together: scikit-learn's own checks."""

import pytest
from helpers import EQUIVALENCES, EXTRA_CHECKS, AnyWidth, may_be_dead, may_collapse
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)

FAST = {"n_components": 3, "max_iter": 3}


def smaller(x, generator):
    return 0.5 * x


ESTIMATORS = [
    Autoencoder(**FAST, hidden_layer_sizes=(8,)),
    Autoencoder(n_components=40, max_iter=3, hidden_layer_sizes=()),
    Autoencoder(**FAST, hidden_layer_sizes=(8, 4), tied_weights=True, activation="elu"),
    Autoencoder(**FAST, early_stopping=True, validation_fraction=0.3),
    Autoencoder(**FAST, solver="sgd", learning_rate_init=1e-7, learning_rate="one_cycle"),
    Autoencoder(**FAST, learning_rate="cosine", alpha=0.1, batch_size=7),
    SparseAutoencoder(**FAST),
    SparseAutoencoder(**FAST, sparsity="l1"),
    SparseAutoencoder(**FAST, sparsity="topk", n_active=1),
    SparseAutoencoder(**FAST, sparsity="topk", n_active=1, code_activation="identity"),
    SparseAutoencoder(**FAST, sparsity="l1", sparse_output=True),
    SparseAutoencoder(max_iter=3, hidden_layer_sizes=(8,), early_stopping=True),
    *(
        cls(**FAST, solver="lbfgs", **params)
        for cls, params in (
            (Autoencoder, {}),
            (SparseAutoencoder, {"sparsity": "l1"}),
            (DenoisingAutoencoder, {}),
            (VAE, {}),
        )
    ),
    *(
        DenoisingAutoencoder(**FAST, corruption=corruption)
        for corruption in ("masking", "gaussian", "salt_and_pepper", None, smaller)
    ),
    DenoisingAutoencoder(**FAST, early_stopping=True),
    DenoisingAutoencoder(**FAST, corruption="swap"),
    ContractiveAutoencoder(**FAST),
    ContractiveAutoencoder(**FAST, hidden_layer_sizes=(8, 4), tied_weights=False),
    ContractiveAutoencoder(**FAST, hidden_layer_sizes=(8,), jacobian_method="hutchinson"),
    VAE(**FAST, hidden_layer_sizes=(8,)),
    VAE(**FAST, hidden_layer_sizes=(), tied_weights=True, noise_variance=0.5, n_draws=3),
    VAE(**FAST, early_stopping=True, beta=4.0),
    VAE(**FAST, noise_variance="per_feature"),
    VAE(**FAST, noise_variance="heteroscedastic"),
    VAE(**FAST, objective="iwae", n_draws=2),
    VAE(**FAST, kl_warmup=1),
    StackedAutoencoder((5, 3), estimator=DenoisingAutoencoder(max_iter=2), max_iter=3),
    StackedAutoencoder((5, 3), estimator=VAE(max_iter=2), max_iter=3, fine_tune=False),
    StackedAutoencoder(
        (5, 3),
        estimator=[SparseAutoencoder(max_iter=2), Autoencoder(max_iter=2)],
        max_iter=3,
        early_stopping=True,
    ),
    *(
        cls(autoencoder, max_iter=40, batch_size=200, learning_rate_init=0.02, **params)
        for cls in (AutoencoderClassifier, AutoencoderRegressor)
        for autoencoder, params in (
            (StackedAutoencoder((12, 6), estimator=Autoencoder(max_iter=2), max_iter=2), {}),
            (DenoisingAutoencoder(6, max_iter=2), {"early_stopping": True}),
            (VAE(6, max_iter=2), {}),
            (Autoencoder(20, max_iter=2), {"fine_tune": False, "solver": "lbfgs", "alpha": 0.01}),
        )
    ),
    AutoencoderClassifier(
        SparseAutoencoder(12, max_iter=2, sparsity="topk", n_active=4),
        max_iter=30,
        batch_size=20,
        learning_rate_init=1e-3,
        unlabeled=float("nan"),
        class_weight="balanced",
    ),
    # Convolutional layers.
    Autoencoder(**FAST, network=AnyWidth()),
    SparseAutoencoder(**FAST, network=AnyWidth()),
    SparseAutoencoder(**FAST, network=AnyWidth("image"), sparsity="l1"),
    SparseAutoencoder(**FAST, network=AnyWidth("image"), sparsity="topk", n_active=1),
    DenoisingAutoencoder(**FAST, network=AnyWidth()),
    ContractiveAutoencoder(**FAST, network=AnyWidth(), tied_weights=False),
    ContractiveAutoencoder(
        **FAST, network=AnyWidth("image"), tied_weights=False, jacobian_method="hutchinson"
    ),
    VAE(**FAST, network=AnyWidth("image"), hidden_layer_sizes=()),
    AutoencoderClassifier(
        Autoencoder(6, max_iter=2, network=AnyWidth()),
        max_iter=40,
        batch_size=200,
        learning_rate_init=0.02,
    ),
]


def expected_failures(estimator):
    hardly_moves = estimator.learning_rate_init == 1e-7
    takes_all_rows = estimator.solver == "lbfgs" and isinstance(
        estimator, (Autoencoder, SparseAutoencoder)
    )
    return {} if hardly_moves or takes_all_rows else EQUIVALENCES


@may_be_dead
@may_collapse
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_sklearn_check(estimator, check):
    check(estimator)


# Some of these fit on a DataFrame and transform an array, whatever the estimator.
@may_be_dead
@may_collapse
@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("check", EXTRA_CHECKS, ids=lambda check: check.__name__)
def test_extra_sklearn_check(estimator, check):
    check(type(estimator).__name__, estimator)
