"""Every estimator together: scikit-learn's own checks."""

import pytest
from helpers import EQUIVALENCES, EXTRA_CHECKS, AnyWidth, may_be_dead, may_collapse
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skae import (
    GAN,
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ConditionalGAN,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    InfoGAN,
    SparseAutoencoder,
    StackedAutoencoder,
)

FAST = {"n_components": 3, "max_iter": 3}
STACK = StackedAutoencoder((12, 6), estimator=Autoencoder(max_iter=2), max_iter=2)
TO_PREDICT = {"max_iter": 40, "batch_size": 200, "learning_rate_init": 0.005}


def smaller(x, generator):
    return 0.5 * x


# Validation, clones, pickles and tables are a class's, whatever its parameters: so all checks are
# for one configuration of each class, and for those that fit or validate in a way of their own.
CLASSES = [
    Autoencoder(**FAST, hidden_layer_sizes=(8,)),
    SparseAutoencoder(**FAST),
    DenoisingAutoencoder(**FAST),
    ContractiveAutoencoder(**FAST),
    VAE(**FAST, hidden_layer_sizes=(8,)),
    StackedAutoencoder((5, 3), estimator=DenoisingAutoencoder(max_iter=2), max_iter=3),
    AutoencoderClassifier(STACK, **TO_PREDICT),
    AutoencoderRegressor(STACK, **TO_PREDICT),
    GAN(**FAST, hidden_layer_sizes=(8,)),
    ConditionalGAN(**FAST, hidden_layer_sizes=(8,)),
    InfoGAN(**FAST, n_categories=3, n_continuous=1, hidden_layer_sizes=(8,)),
]
OTHER_WAYS = [
    Autoencoder(**FAST, early_stopping=True, validation_fraction=0.3),
    Autoencoder(**FAST, solver="lbfgs"),
    Autoencoder(**FAST, network=AnyWidth()),
    ConditionalGAN(**FAST, hidden_layer_sizes=(8,), network=AnyWidth()),
    SparseAutoencoder(**FAST, sparsity="l1", sparse_output=True),
    AutoencoderClassifier(
        SparseAutoencoder(12, max_iter=2, sparsity="topk", n_active=4),
        max_iter=30,
        batch_size=20,
        learning_rate_init=1e-3,
        unlabeled=float("nan"),
        class_weight="balanced",
    ),
]
# Of the others, what parameters may change: numbers, and how they depend on the shape of the data.
# Numbers of sparse rows are in tests/test_sparse_input.py.
CHECKS_OF_NUMBERS = {
    *("check_transformer_preserve_dtypes", "check_transformer_general", "check_fit_idempotent"),
    *("check_methods_subset_invariance", "check_methods_sample_order_invariance"),
    *("check_fit2d_1sample", "check_fit2d_1feature"),
    *("check_classifiers_train", "check_classifiers_classes", "check_class_weight_classifiers"),
    *("check_regressors_train", "check_regressors_int", "check_regressor_multioutput"),
}
NUMBERS_ALONE = [
    Autoencoder(n_components=40, max_iter=3, hidden_layer_sizes=()),
    Autoencoder(**FAST, hidden_layer_sizes=(8, 4), tied_weights=True, activation="elu"),
    Autoencoder(**FAST, solver="sgd", learning_rate_init=1e-7, learning_rate="one_cycle"),
    Autoencoder(**FAST, learning_rate="cosine", alpha=0.1, batch_size=7),
    SparseAutoencoder(**FAST, sparsity="l1"),
    SparseAutoencoder(**FAST, sparsity="topk", n_active=1),
    SparseAutoencoder(**FAST, sparsity="topk", n_active=1, code_activation="identity"),
    SparseAutoencoder(max_iter=3, hidden_layer_sizes=(8,), early_stopping=True),
    SparseAutoencoder(**FAST, sparsity="l1", solver="lbfgs"),
    *(
        DenoisingAutoencoder(**FAST, corruption=corruption)
        for corruption in ("gaussian", "salt_and_pepper", "swap", None, smaller)
    ),
    DenoisingAutoencoder(**FAST, early_stopping=True),
    DenoisingAutoencoder(**FAST, solver="lbfgs"),
    ContractiveAutoencoder(**FAST, hidden_layer_sizes=(8, 4), tied_weights=False),
    ContractiveAutoencoder(**FAST, hidden_layer_sizes=(8,), jacobian_method="hutchinson"),
    VAE(**FAST, hidden_layer_sizes=(), tied_weights=True, noise_variance=0.5, n_draws=3),
    VAE(**FAST, early_stopping=True, beta=4.0),
    VAE(**FAST, noise_variance="per_feature"),
    VAE(**FAST, noise_variance="heteroscedastic"),
    VAE(**FAST, objective="iwae", n_draws=2),
    VAE(**FAST, kl_warmup=1),
    VAE(**FAST, solver="lbfgs"),
    StackedAutoencoder((5, 3), estimator=VAE(max_iter=2), max_iter=3, fine_tune=False),
    StackedAutoencoder(
        (5, 3),
        estimator=[SparseAutoencoder(max_iter=2), Autoencoder(max_iter=2)],
        max_iter=3,
        early_stopping=True,
    ),
    *(
        cls(autoencoder, **TO_PREDICT, **params)
        for cls in (AutoencoderClassifier, AutoencoderRegressor)
        for autoencoder, params in (
            (DenoisingAutoencoder(6, max_iter=2), {"early_stopping": True}),
            (VAE(6, max_iter=2), {}),
            (Autoencoder(20, max_iter=2), {"fine_tune": False, "solver": "lbfgs", "alpha": 0.01}),
        )
    ),
    GAN(**FAST, hidden_layer_sizes=(8, 4), activation="tanh", learning_rate="one_cycle"),
    GAN(**FAST, hidden_layer_sizes=(), gradient_penalty=0.0, batch_size=7, shuffle=False),
    GAN(n_components=40, max_iter=3, hidden_layer_sizes=8, learning_rate="constant"),
    ConditionalGAN(**FAST, hidden_layer_sizes=(), activation="gelu", batch_size=7),
    InfoGAN(**FAST, n_categories=2, information_weight=0.0, hidden_layer_sizes=(8, 4)),
    # Convolutional layers.
    InfoGAN(**FAST, n_categories=2, n_continuous=2, network=AnyWidth()),
    GAN(**FAST, hidden_layer_sizes=(), network=AnyWidth()),
    SparseAutoencoder(**FAST, network=AnyWidth()),
    SparseAutoencoder(**FAST, network=AnyWidth("image"), sparsity="l1"),
    SparseAutoencoder(**FAST, network=AnyWidth("image"), sparsity="topk", n_active=1),
    DenoisingAutoencoder(**FAST, network=AnyWidth()),
    ContractiveAutoencoder(**FAST, network=AnyWidth(), tied_weights=False),
    ContractiveAutoencoder(
        **FAST, network=AnyWidth("image"), tied_weights=False, jacobian_method="hutchinson"
    ),
    VAE(**FAST, network=AnyWidth("image"), hidden_layer_sizes=()),
    AutoencoderClassifier(Autoencoder(6, max_iter=2, network=AnyWidth()), **TO_PREDICT),
]


def expected_failures(estimator):
    takes_all_rows = vars(estimator).get("solver") == "lbfgs"
    return {} if takes_all_rows else EQUIVALENCES


def checks_of_numbers():
    """Pairs of an estimator and a check, with names."""
    for number, estimator in enumerate(NUMBERS_ALONE):
        for one, check in estimator_checks_generator(estimator):
            if check.func.__name__ in CHECKS_OF_NUMBERS:
                name = f"{type(estimator).__name__}-{number}-{check.func.__name__}"
                yield pytest.param(one, check, id=name)


@may_be_dead
@may_collapse
@parametrize_with_checks([*CLASSES, *OTHER_WAYS], expected_failed_checks=expected_failures)
def test_sklearn_check(estimator, check):
    check(estimator)


@may_be_dead
@may_collapse
@pytest.mark.parametrize(("estimator", "check"), checks_of_numbers())
def test_sklearn_check_of_numbers(estimator, check):
    check(estimator)


# Some of these fit on a DataFrame and transform an array, whatever the estimator.
@may_be_dead
@may_collapse
@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("estimator", [*CLASSES, *OTHER_WAYS[-2:]], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("check", EXTRA_CHECKS, ids=lambda check: check.__name__)
def test_extra_sklearn_check(estimator, check):
    check(type(estimator).__name__, estimator)
