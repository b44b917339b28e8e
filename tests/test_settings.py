"""What "auto" stands for, that numbers are taken as they are, and where a fit shows it."""

import math
import re
from itertools import pairwise

import numpy as np
import pytest
from helpers import (
    AUTOENCODERS,
    LABELS,
    SMALL,
    SUPERVISED,
    TRAINING,
    X,
    assert_same_fit,
    each_class,
    small,
)
from scipy.sparse import csr_matrix
from sklearn import __version__ as sklearn_version
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.utils.fixes import parse_version

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._compat import InvalidParameterError
from skae._engine.data import Data, split_rows
from skae._engine.settings import Settings
from skae.networks import ConvNet

try:
    from sklearn.callback.tests import _utils as doubles
except ImportError:
    doubles = None

needs_callbacks = pytest.mark.skipif(doubles is None, reason="needs scikit-learn 1.9")
NAMES = ("batch_size", "max_iter", "n_iter_no_change", "learning_rate_init")
AUTO = dict.fromkeys(NAMES, "auto")
ALL = {**SMALL, **SUPERVISED}
every_class = pytest.mark.parametrize("name", ALL)
# Rows and columns of tables that a rule's cases differ in: tiny, wide, deep, at the limits.
SHAPES = [
    *((1, 1), (2, 5), (15, 3), (16, 3), (17, 3), (150, 4), (319, 4), (320, 4), (340, 4)),
    *((60, 500), (5, 2000), (600, 64), (1800, 64), (3999, 30), (4000, 30), (4001, 30)),
    *((5000, 784), (60_000, 784), (10**6, 30), (10**7, 10)),
]
FEW_STEPS = 500  # that no table is too narrow for
each_shape = pytest.mark.parametrize(("n", "d"), SHAPES)


def settings(estimator, n, d, **numbers):
    """Those of a training on n rows of d columns; the rows are zeros, without memory."""
    return settings_for(np.broadcast_to(0.0, (n, d)), estimator, **numbers)


def settings_for(rows, estimator, **numbers):
    """Those of a training on these rows."""
    estimator = clone(estimator).set_params(**numbers)
    perceptron = estimator._describe_perceptron(rows.shape[1])
    return Settings.of(estimator, perceptron, Data(rows), split_rows(rows.shape[0], 0, seed=0))


def taken(estimator):
    """What a fitted estimator says it has trained with."""
    return {name: getattr(estimator, f"{name}_") for name in NAMES}


def pretraining_epochs(estimator):
    return sum(layer.n_iter_ for layer in getattr(estimator, "estimators_", []))


def fitted(name, **params):
    """A small estimator of the class; its own parameters are "auto" unless they are given."""
    y = (LABELS,) if name in SUPERVISED else ()
    return small(name, **{**AUTO, **params}).fit(X, *y)


# The rules, as docs/user_guide/defaults.rst has them.


def n_multiplications(estimator, d):
    """Of one row, through encoder and decoder."""
    X = np.random.default_rng(0).normal(size=(2, d))
    short = {"max_iter": 1, "batch_size": 2, "n_iter_no_change": 1}
    return sum(weight.size for weight in clone(estimator).set_params(**short).fit(X).coefs_)


def least_steps(m, batch_size, n, d, starts_trained=True):
    least = max(FEW_STEPS, min(2000, 2**38 // (3 * m * (batch_size + 64)), 100 * n / d))
    return least * min(1, math.sqrt(n / 400)) if starts_trained else least


@each_shape
def test_a_batch_is_a_twentieth_of_the_rows_within_limits(n, d):
    assert settings(Autoencoder(), n, d).batch_size == min(n, max(16, min(200, n // 20)))


@each_shape
def test_the_budget_is_twenty_epochs_within_limits_on_the_steps(n, d):
    found = settings(Autoencoder(), n, d)
    m, n_batches = 2 * (d * 128 + 128 * 32), math.ceil(n / found.batch_size)
    least = int(least_steps(m, found.batch_size, n, d))
    assert found.max_iter == math.ceil(min(20_000, max(20 * n_batches, least)) / n_batches)


@each_shape
def test_the_budget_has_no_epoch_too_many(n, d):
    found = settings(Autoencoder(), n, d)
    n_batches = math.ceil(n / found.batch_size)
    steps = found.max_iter * n_batches
    assert steps >= int(FEW_STEPS * min(1, math.sqrt(n / 400)))
    assert steps - n_batches < max(min(20 * n_batches, 20_000), 2000)


@each_shape
def test_patience_is_500_steps_and_ten_epochs_at_least(n, d):
    found = settings(Autoencoder(), n, d)
    n_batches = math.ceil(n / found.batch_size)
    assert found.n_iter_no_change == max(10, math.ceil(500 / n_batches))


@pytest.mark.parametrize(
    ("shape", "batch_size", "n_batches", "max_iter", "patience"),
    [
        ((150, 4), 16, 10, 123, 50),
        ((1800, 64), 90, 20, 100, 25),
        ((5000, 784), 200, 25, 26, 20),
        ((60_000, 784), 200, 300, 20, 10),
        ((1_000_000, 30), 200, 5000, 4, 10),
    ],
)
def test_the_table_of_the_user_guide(shape, batch_size, n_batches, max_iter, patience):
    found = settings(Autoencoder(), *shape)
    assert (found.batch_size, found.max_iter) == (batch_size, max_iter)
    assert math.ceil(shape[0] / found.batch_size) == n_batches
    assert found.n_iter_no_change == patience


# Of a class each, with and without tied weights, hidden layers and a second head.
NETWORKS = {
    "plain": Autoencoder(3, hidden_layer_sizes=(7, 5)),
    "one layer": Autoencoder(3, hidden_layer_sizes=()),
    "tied": Autoencoder(3, hidden_layer_sizes=(7,), tied_weights=True),
    "sparse": SparseAutoencoder(9),
    "two heads": VAE(3, hidden_layer_sizes=(5,)),
    "decoded variance": VAE(3, hidden_layer_sizes=(5,), noise_variance="heteroscedastic"),
    "stack": StackedAutoencoder((5, 3), estimator=SparseAutoencoder(max_iter=1)),
}
STARTS_TRAINED = [NETWORKS["plain"], NETWORKS["one layer"]]


@pytest.mark.filterwarnings("ignore:.*code has collapsed:UserWarning")
@pytest.mark.parametrize("estimator", NETWORKS.values(), ids=NETWORKS)
def test_work_counts_every_multiplication_of_a_row(estimator):
    expected = n_multiplications(estimator, d=6)
    assert sum(clone(estimator)._describe_perceptron(6).products) == expected


@pytest.mark.parametrize(
    "widths", [(128,), (1000,), (2000, 500), (3000, 1000), (20_000, 20_000)], ids=str
)
def test_large_networks_take_fewer_steps_within_limits(widths):
    n, d = 2000, 100
    sizes = (d, *widths, 32)
    m = 2 * sum(a * b for a, b in pairwise(sizes))
    found = settings(Autoencoder(hidden_layer_sizes=widths), n, d)
    assert found.batch_size == 100
    assert found.max_iter == max(20, math.ceil(int(least_steps(m, 100, n, d)) / 20))


def test_work_counts_the_convolutions():
    def n_epochs(*channels):
        network = ConvNet((1, 8, 8), channels=channels)
        return settings(Autoencoder(network=network), 2000, 64).max_iter

    assert n_epochs(2) == n_epochs(4, 8) == 100
    assert 100 > n_epochs(16, 32) > n_epochs(32, 64) == FEW_STEPS // 20


@pytest.mark.parametrize("n_draws", [1, 5, 50])
def test_a_row_that_is_drawn_several_times_is_so_much_work(n_draws):
    n, d, m = 2000, 20, 2 * (20 * 2000 + 2000 * 32) + 2000 * 32
    found = settings(VAE(hidden_layer_sizes=(2000,), n_draws=n_draws), n, d)
    least = int(least_steps(m, 100 * n_draws, n, d))
    assert found.max_iter == max(20, math.ceil(least / 20))


@pytest.mark.parametrize("estimator", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize(("n", "d"), [(50, 1000), (50, 11), (50, 9), (50, 5), (50, 2), (50, 1)])
def test_tables_of_few_rows_for_each_column_take_fewer_steps(estimator, n, d):
    n_batches = math.ceil(n / 16)
    found = settings(estimator, n, d)
    least = int(least_steps(1, 16, n, d, estimator in STARTS_TRAINED))
    assert found.max_iter == math.ceil(least / n_batches)


@pytest.mark.parametrize(
    ("n", "part"), [(4, 0.1), (25, 0.25), (100, 0.5), (324, 0.9), (400, 1.0), (900, 1.0)]
)
@pytest.mark.parametrize("estimator", NETWORKS.values(), ids=NETWORKS)
def test_few_rows_take_fewer_steps_where_a_network_starts_nearly_trained(estimator, n, part):
    found, steps = settings(estimator, n, 1), max(500, min(2000, 100 * n))
    steps *= part if estimator in STARTS_TRAINED else 1
    assert found.max_iter == max(20, math.ceil(steps / math.ceil(n / found.batch_size)))


@pytest.mark.parametrize(("n", "d"), [(30, 8), (40, 10)])
def test_few_noisy_rows_near_a_plane_are_not_memorised(n, d):
    """New rows are restored nearly as well as by PCA, which is right there."""
    rng, behind = np.random.default_rng(0), []
    for _ in range(5):
        rows = rng.normal(size=(n + 500, 2)) @ rng.normal(size=(2, d))
        rows += 0.5 * rng.normal(size=rows.shape)
        pca, few = PCA(2).fit(rows[:n]), Autoencoder(2, random_state=0).fit(rows[:n])
        errors = [rows[n:] - model(rows[n:]) for model in (few.reconstruct, restored_by(pca))]
        behind.append(np.subtract(*map(np.var, errors)) / rows.var())
    assert np.mean(behind) < 0.02


def restored_by(pca):
    return lambda rows: pca.inverse_transform(pca.transform(rows))


def test_a_network_with_a_target_does_not_start_nearly_trained():
    X, linear = np.random.default_rng(0).normal(size=(30, 4)), LINEAR["denoising"]
    alone, with_target = (clone(linear).fit(X, **given) for given in ({}, {"target": X}))
    assert (alone.max_iter_, with_target.max_iter_) == (103, 375)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 400])
def test_budget_and_patience_go_by_the_batch_size_that_is_asked_for(batch_size):
    found = settings(Autoencoder(2), 400, 4, batch_size=batch_size)
    n_batches = math.ceil(400 / batch_size)
    assert found.max_iter == max(20, math.ceil(2000 / n_batches))
    assert found.n_iter_no_change == max(10, math.ceil(500 / n_batches))


@pytest.mark.parametrize("kl_warmup", [0, 1, 30, 5000])
def test_the_epochs_of_the_warm_up_come_on_top(kl_warmup):
    plain, warming = (settings(VAE(2, kl_warmup=epochs), 150, 4) for epochs in (0, kl_warmup))
    assert warming.max_iter == plain.max_iter + kl_warmup
    assert warming.n_iter_no_change == plain.n_iter_no_change
    assert settings(VAE(2, kl_warmup=kl_warmup), 150, 4, max_iter=5000).max_iter == 5000


@each_shape
def test_lbfgs_has_200_iterations(n, d):
    assert settings(Autoencoder(solver="lbfgs"), n, d).max_iter == 200


# Step sizes.

SATURATING = {
    "denoising": DenoisingAutoencoder(400),
    "not contracted": ContractiveAutoencoder(contraction_weight=0.0),
    "sparse": SparseAutoencoder(),
    "narrow sparse": SparseAutoencoder(8),
    "tanh code": Autoencoder(400, code_activation="tanh", hidden_layer_sizes=()),
    "logistic code": Autoencoder(400, code_activation="logistic", hidden_layer_sizes=()),
    "tied": Autoencoder(code_activation="tanh", hidden_layer_sizes=(), tied_weights=True),
    "two layers": Autoencoder(activation="tanh", code_activation="logistic"),
    "cross-entropy": DenoisingAutoencoder(400, loss="binary_cross_entropy"),
    "counts": DenoisingAutoencoder(loss="categorical_cross_entropy"),
    "hidden layer": DenoisingAutoencoder(hidden_layer_sizes=(64,), activation="tanh"),
    "lbfgs": DenoisingAutoencoder(400, solver="lbfgs"),
}
# Narrow ones of one layer, which start near principal components.
NEAR = {
    "denoising": DenoisingAutoencoder(),
    "contractive": ContractiveAutoencoder(tied_weights=False),
    "not penalized": SparseAutoencoder(8, sparsity_weight=0.0),
    "tanh code": Autoencoder(code_activation="tanh", hidden_layer_sizes=()),
    "logistic code": Autoencoder(code_activation="logistic", hidden_layer_sizes=()),
    "cross-entropy": DenoisingAutoencoder(loss="binary_cross_entropy"),
    "lbfgs": DenoisingAutoencoder(solver="lbfgs"),
}
# Ordinary ones that do not start at principal components.
OTHERS = {
    "l1": SparseAutoencoder(sparsity="l1"),
    "top k, sgd": SparseAutoencoder(sparsity="topk", solver="sgd"),
    "elu code": Autoencoder(code_activation="elu", hidden_layer_sizes=()),
    "relu code": Autoencoder(code_activation="relu"),
    "hidden relu": DenoisingAutoencoder(hidden_layer_sizes=(64,)),
    "hidden tanh": Autoencoder(activation="tanh"),
    "hidden logistic": Autoencoder(activation="logistic"),
    "hidden elu": Autoencoder(activation="elu"),
    "tied": Autoencoder(tied_weights=True),
    "narrow": Autoencoder(hidden_layer_sizes=(3,)),
    "cross-entropy": Autoencoder(loss="binary_cross_entropy"),
    "counts": Autoencoder(loss="categorical_cross_entropy"),
    "Bernoulli": VAE(likelihood="bernoulli"),
    "sgd": DenoisingAutoencoder(solver="sgd"),
    "network": DenoisingAutoencoder(network=ConvNet((1, 1, 40), channels=(2,))),
    "linear network": Autoencoder(network=ConvNet((1, 1, 40), channels=(2,))),
}
LINEAR = {
    "plain": Autoencoder(),
    "one layer": Autoencoder(hidden_layer_sizes=()),
    "two layers": Autoencoder(hidden_layer_sizes=(64, 16), activation="gelu"),
    "softplus": Autoencoder(activation="softplus"),
    "identity": Autoencoder(activation="identity"),
    "VAE": VAE(),
    "heteroscedastic": VAE(noise_variance="heteroscedastic"),
    "sgd": Autoencoder(solver="sgd"),
    "denoising": DenoisingAutoencoder(code_activation="identity", hidden_layer_sizes=(64,)),
}
each_number_of_rows = pytest.mark.parametrize("n", [1, 2, 20, 39, 40, 41, 4000])
each_saturating = pytest.mark.parametrize("estimator", SATURATING.values(), ids=SATURATING)


def rate_for(rows, estimator):
    return settings_for(np.asarray(rows), estimator).learning_rate_init


def table(n, d, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, d))


@each_number_of_rows
@each_saturating
def test_steps_are_ten_times_as_large_where_all_layers_of_the_encoder_saturate(estimator, n):
    assert rate_for(table(n, 40), estimator) == 1e-2


@each_number_of_rows
def test_steps_are_thirty_times_as_large_where_slopes_are_penalised(n):
    assert rate_for(table(n, 40), ContractiveAutoencoder()) == 3e-2


@each_number_of_rows
@pytest.mark.parametrize("estimator", NEAR.values(), ids=NEAR)
def test_steps_are_three_times_as_large_near_principal_components(estimator, n):
    assert rate_for(table(n, 40), estimator) == 3e-3


@each_number_of_rows
def test_steps_are_three_times_as_large_if_few_units_learn_from_a_row(n):
    assert rate_for(table(n, 40), SparseAutoencoder(sparsity="topk")) == 3e-3


@pytest.mark.parametrize(
    ("n", "part"), [(10, 0.1), (80, 0.1), (200, 0.25), (760, 0.95), (800, 1.0), (1000, 1.0)]
)
def test_steps_of_a_fine_tuning_are_smaller_for_fewer_than_20_rows_per_column(n, part):
    stack = StackedAutoencoder((8, 3), max_iter=1, estimator=DenoisingAutoencoder(max_iter=1))
    rows = table(n, 40)
    assert stack.fit(rows).learning_rate_init_ == pytest.approx(1e-2 * part, rel=1e-12)


@pytest.mark.parametrize(("n", "part"), [(20, 0.3), (300, 0.3), (500, 0.5), (1200, 1.0)])
def test_steps_from_few_labels_are_smaller(n, part):
    """Rows without a label do not count."""
    y = np.where(np.arange(1300) < n, np.arange(1300) % 2, -1)
    pretrained = DenoisingAutoencoder(8, max_iter=1)
    model = AutoencoderClassifier(pretrained, unlabeled=-1, max_iter=1).fit(table(1300, 40), y)
    assert model.learning_rate_init_ == pytest.approx(1e-2 * part, rel=1e-12)


@pytest.mark.parametrize("n", [10, 200])
def test_steps_of_layers_that_are_not_pretrained_are_not(n):
    stack = StackedAutoencoder((8, 3)).partial_fit(table(n, 40))
    assert stack.learning_rate_init_ == 1e-2


@each_number_of_rows
@pytest.mark.parametrize("estimator", OTHERS.values(), ids=OTHERS)
def test_steps_are_of_a_thousandth_elsewhere(estimator, n):
    assert rate_for(table(n, 40), estimator) == 1e-3


@each_number_of_rows
@pytest.mark.parametrize("estimator", LINEAR.values(), ids=LINEAR)
def test_steps_from_principal_components_are_half_as_large_and_less_for_few_rows(estimator, n):
    """But a VAE has its noise yet to learn."""
    full = 1e-3 if isinstance(estimator, VAE) else 5e-4
    assert rate_for(table(n, 40), estimator) == pytest.approx(full * min(1, n / 40), rel=1e-12)


@each_saturating
def test_steps_are_smaller_for_many_columns_at_work(estimator):
    rows = table(50, 400)
    deviations = np.abs(rows - rows.mean(axis=0))
    at_work = deviations.sum(axis=1).mean() / np.sqrt(np.square(deviations).mean())
    assert 300 < at_work < 400
    assert rate_for(rows, estimator) == pytest.approx(1e-2 * 60 / at_work, rel=1e-9)


def test_what_is_seldom_anything_but_zero_is_not_at_work():
    dense, rare = table(200, 1000), table(200, 1000, seed=1) < 0.01
    small, large = (rate_for(rows * 1.0, DenoisingAutoencoder()) for rows in (dense, rare))
    assert small < 1e-3 and large > 2.5 * small


ALIKE = {
    "scaled": lambda rows: 1e3 * rows,
    "shifted": lambda rows: rows + 17.0,
    "other rows": lambda rows: table(50, 400, seed=1),
    "float32": lambda rows: rows.astype(np.float32),
    "sparse": csr_matrix,
    "many rows": lambda rows: table(3000, 400),
    "some gaps": lambda rows: np.where(table(50, 400, seed=1) < 0.01, np.nan, rows),
}


@pytest.mark.parametrize("changed", ALIKE.values(), ids=ALIKE)
def test_columns_at_work_are_counted_without_a_unit(changed):
    rows = table(50, 400)
    found = settings_for(changed(rows), DenoisingAutoencoder()).learning_rate_init
    assert found == pytest.approx(rate_for(rows, DenoisingAutoencoder()), rel=0.03)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, np.nan])
@pytest.mark.parametrize("d", [3, 400])
def test_rows_that_are_all_alike_have_a_step_size(value, d):
    rate = rate_for(np.full((30, d), value), DenoisingAutoencoder(500))
    assert 1e-2 * 60 / 400 <= rate <= 1e-2


# Numbers are what they are, "auto" is a default.


@every_class
@pytest.mark.parametrize("parameter", NAMES)
def test_auto_is_the_default(name, parameter):
    assert type(ALL[name])().get_params()[parameter] == "auto"


@each_class
@pytest.mark.parametrize("integer", [int, np.int64, np.int32, np.uint8])
def test_numbers_are_taken_as_they_are(name, integer):
    asked = {"batch_size": integer(7), "max_iter": integer(3), "n_iter_no_change": integer(2)}
    asked["learning_rate_init"] = 0.004 if integer is int else np.float32(0.004)
    estimator = fitted(name, **asked, tol=0.0)
    assert taken(estimator) == asked
    assert estimator.n_iter_ - pretraining_epochs(estimator) == len(estimator.loss_curve_) <= 3


@every_class
def test_infinite_patience_is_taken_as_it_is(name):
    assert fitted(name, max_iter=2, n_iter_no_change=np.inf).n_iter_no_change_ == np.inf


@each_class
def test_a_batch_has_no_more_rows_than_there_are(name):
    assert fitted(name, max_iter=1, batch_size=1000).batch_size_ == len(X)


@each_class
@pytest.mark.parametrize("parameter", NAMES)
def test_one_number_leaves_the_others_to_auto(name, parameter):
    number = {parameter: 3, "max_iter": 1}
    settings = settings_for(X, AUTOENCODERS[name], **{**AUTO, **number})
    expected = {key: getattr(settings, key) for key in NAMES}
    if name == "StackedAutoencoder" and parameter != "learning_rate_init":  # ten rows per column
        expected["learning_rate_init"] /= 2
    assert taken(fitted(name, **number)) == expected


@each_class
def test_a_fit_by_auto_is_the_fit_by_what_it_has_come_to(name):
    asked = {**AUTO, "learning_rate": "cosine"}  # a schedule depends on max_iter, too
    if name == "VAE":
        asked["kl_warmup"] = 3
    auto = small(name, **asked).fit(X[:12])
    assert_same_fit(auto, small(name, **asked | taken(auto)).fit(X[:12]))


# Where one sees them.


@every_class
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_fit_says_what_it_has_gone_by(name, early_stopping):
    estimator = fitted(name, max_iter=1, early_stopping=early_stopping, learning_rate_init=1e-3)
    n = 54 if early_stopping else 60
    batch_size, n_batches = 16, math.ceil(n / 16)
    assert estimator.batch_size_ == batch_size and estimator.max_iter_ == 1
    assert estimator.n_iter_no_change_ == math.ceil(500 / n_batches)
    assert estimator.learning_rate_init_ == 1e-3


@each_class
@pytest.mark.parametrize("early_stopping", [False, True])
def test_rows_held_out_do_not_count(name, early_stopping):
    rows = np.random.default_rng(0).uniform(size=(400, 6))
    short = {"max_iter": 1, "early_stopping": early_stopping, "validation_fraction": 0.5}
    estimator = small(name, **{**AUTO, **short}).fit(rows)
    assert estimator.batch_size_ == (16 if early_stopping else 20)


@pytest.mark.parametrize("name", SUPERVISED)
@pytest.mark.parametrize("fine_tune", [False, True])
def test_rows_without_a_label_do_not_count(name, fine_tune):
    rows, y = np.random.default_rng(0).normal(size=(800, 6)), np.arange(800.0) % 2
    y[400:] = np.nan
    unlabeled = {"unlabeled": np.nan} if "Classifier" in name else {}
    short = {**AUTO, "max_iter": 1, "fine_tune": fine_tune}
    assert small(name, **short, **unlabeled).fit(rows, y).batch_size_ == 20


@each_class
def test_partial_fit_says_what_it_has_gone_by(name):
    """The step size is that of the first rows, the others are of those that it has got last."""
    rows = np.random.default_rng(0).uniform(size=(400, 6))
    estimator = small(name, **AUTO)
    first = settings_for(rows[:5], AUTOENCODERS[name], **AUTO).learning_rate_init
    for n in (5, 400, 60):
        expected = settings_for(rows[:n], AUTOENCODERS[name], **AUTO)
        numbers = {key: getattr(expected, key) for key in NAMES}
        estimator.partial_fit(rows[:n])
        assert taken(estimator) == {**numbers, "learning_rate_init": first}
    estimator.set_params(learning_rate_init=0.004).partial_fit(rows)
    assert estimator.learning_rate_init_ == 0.004


def test_a_fit_that_goes_on_says_what_it_has_gone_by_last():
    rows = np.random.default_rng(0).normal(size=(800, 6))
    estimator = small("Autoencoder", **{**AUTO, "max_iter": 1}, warm_start=True).fit(rows)
    assert estimator.batch_size_ == 40
    assert estimator.set_params(max_iter=2).fit(rows[:400]).batch_size_ == 20
    assert estimator.max_iter_ == 2


@every_class
def test_verbose_begins_with_a_line_of_them(name, capsys):
    estimator = fitted(name, max_iter=2, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    # Of each training: of layers and of an output layer, too.
    n_trainings = {"StackedAutoencoder": 3, **dict.fromkeys(SUPERVISED, 5)}.get(name, 1)
    heads = [line for line in lines if " rows, " in line]
    assert len(heads) == n_trainings
    rate = f"{estimator.learning_rate_init_:g}"
    phase = "fine-tuning: " if n_trainings > 1 else ""
    assert heads[-1] == (
        f"[{name}] {phase}60 rows, batch_size=16, learning_rate_init={rate}, max_iter=2, "
        "n_iter_no_change=125"
    )
    assert lines[0] == heads[0] and "epoch 1/2" in lines[1] and "epoch 2/2" in lines[-1]


@each_class
def test_partial_fit_has_one_line_for_its_epoch(name, capsys):
    small(name, **AUTO, verbose=True).partial_fit(X)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"[{name}] epoch 1, loss ")


@pytest.mark.skipif(
    parse_version(sklearn_version) < parse_version("1.9"),
    reason="scikit-learn shows them from 1.9 on",
)
@every_class
def test_notebooks_show_them(name):
    html = fitted(name, max_iter=2)._repr_html_()
    for parameter in NAMES:
        assert re.search(rf"\b{parameter}_\b", html), parameter


def tasks(estimator, *y):
    """Pairs (task, most subtasks) that a callback is told of."""
    callback = doubles.RecordingCallback()
    estimator.set_callbacks(callback).fit(X, *y)
    begun = [call["context"] for call in callback.record if call["name"] == "on_fit_task_begin"]
    return [(context.task_name, context.max_subtasks) for context in begun]


@needs_callbacks
@pytest.mark.parametrize("name", [name for name in SMALL if name != "StackedAutoencoder"])
def test_callbacks_are_told_how_many_epochs_there_may_be(name):
    estimator = small(name, **AUTO, solver="lbfgs", tol=1e3)
    (first, most), *epochs = tasks(estimator)
    assert (first, most) == ("fit", estimator.max_iter_) == ("fit", 200)
    assert epochs == [("epoch", 0)] * estimator.n_iter_
    (_, most), *_ = tasks(small(name, **{**AUTO, "batch_size": 60, "n_iter_no_change": 1}, tol=1e3))
    assert most == settings_for(X, AUTOENCODERS[name], **{**AUTO, "batch_size": 60}).max_iter


@needs_callbacks
def test_callbacks_are_told_the_epochs_of_each_layer_and_of_the_fine_tuning():
    quick = {"solver": "lbfgs", "tol": 1e3}
    layer = DenoisingAutoencoder(**quick)
    stacked = StackedAutoencoder((5, 3), estimator=layer, random_state=0, **quick)
    told = [task for task in tasks(stacked) if task[0] != "epoch"]
    assert told == [("fit", 3), ("layer", 0), ("layer", 0), ("fine-tuning", 200)]


@needs_callbacks
@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("name", SUPERVISED)
def test_callbacks_are_told_the_epochs_of_the_output_layer_and_of_the_fine_tuning(name, fine_tune):
    estimator = small(name, **AUTO, fine_tune=fine_tune, autoencoder=SMALL["Autoencoder"])
    estimator.set_params(n_iter_no_change=1, tol=1e3, batch_size=30)
    told = [task for task in tasks(estimator, LABELS) if task[0] not in ("epoch", "pretraining")]
    # 500 steps each.
    expected = [("fit", 2 + fine_tune), ("output layer", 250), ("fine-tuning", 250)]
    assert told == expected[: 2 + fine_tune]
    assert estimator.max_iter_ == 250


# What they must not be.

WRONG = {
    "batch_size": [0, -1, 1.5, np.inf, None, "Auto", "", [16]],
    "max_iter": [0, -1, 1.5, np.inf, None, "Auto", "200"],
    "n_iter_no_change": [0, -1, 1.5, -np.inf, np.nan, None, "never"],
    "learning_rate_init": [0, -1e-3, np.nan, None, "Auto", "0.001", 1j],
}


@pytest.mark.parametrize(
    ("parameter", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
@every_class
def test_other_values_are_an_error_that_names_the_parameter(name, parameter, value):
    estimator, y = small(name, **{parameter: value}), (LABELS,) if name in SUPERVISED else ()
    with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter of {name}"):
        estimator.fit(X, *y)
    if name in SMALL:
        with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter of {name}"):
            estimator.partial_fit(X)


def test_a_warm_up_that_a_fit_would_not_survive_is_an_error_for_a_number_only():
    asked = {**TRAINING, "max_iter": 5}
    with pytest.raises(InvalidParameterError, match="kl_warmup=6 must be at most max_iter=5"):
        VAE(2, kl_warmup=6, **asked).fit(X)
    assert VAE(2, kl_warmup=5, **asked).fit(X).n_iter_ == 5
    assert VAE(2, kl_warmup=6, **asked).partial_fit(X).n_iter_ == 1
