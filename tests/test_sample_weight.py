"""What rows count: `sample_weight` of every estimator, and rows that are there several times."""

import numpy as np
import pytest
import torch
from helpers import (
    EQUIVALENCES,
    LABELS,
    SMALL,
    SUPERVISED,
    UNIT_X,
    AnyWidth,
    X,
    assert_not_fitted,
    assert_same_fit,
    may_be_dead,
    may_collapse,
    small,
    weights,
)
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import AdaBoostClassifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

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
from skae._columns import (
    column_means,
    column_sums,
    column_variances,
    log_column_means,
    principal_components,
)
from skae._engine.data import Data
from skae._sample_weight import weighted

pytestmark = [may_be_dead, may_collapse]

REPEATS = np.arange(60) % 4  # 0 leaves a row out
REPEATED = np.repeat(np.arange(60), REPEATS)
OUTPUTS = np.column_stack([3 * X[:, 0] + 10, X[:, 1] * X[:, 2]])
EXACT = {"n_components": 3, "max_iter": 10, "solver": "lbfgs", "random_state": 0}
WHOLE = {  # objectives without noise, of all rows at once
    "plain": Autoencoder(**EXACT),
    "tied": Autoencoder(**EXACT, tied_weights=True, hidden_layer_sizes=(5,), activation="tanh"),
    "decay": Autoencoder(**EXACT, alpha=0.1, hidden_layer_sizes=()),
    "kl": SparseAutoencoder(**EXACT),
    "l1": SparseAutoencoder(**EXACT, sparsity="l1"),
    "contractive": ContractiveAutoencoder(**EXACT),
    "contractive, deep": ContractiveAutoencoder(
        **EXACT, hidden_layer_sizes=(5,), tied_weights=False
    ),
    "nothing corrupted": DenoisingAutoencoder(**EXACT, corruption=None),
    "stack": StackedAutoencoder(
        (4, 3),
        estimator=DenoisingAutoencoder(corruption=None, max_iter=5, solver="lbfgs"),
        max_iter=5,
        solver="lbfgs",
        random_state=0,
    ),
    "convolutions": Autoencoder(**EXACT, network=AnyWidth()),
}
OF_UNIT = {
    "bernoulli": Autoencoder(**EXACT, loss="binary_cross_entropy"),
    "counts": Autoencoder(**EXACT, loss="categorical_cross_entropy"),
    "kl of bernoulli": SparseAutoencoder(**EXACT, loss="binary_cross_entropy"),
}
PREDICT = {"max_iter": 10, "solver": "lbfgs", "random_state": 0}
PREDICTORS = {
    "classifier": (AutoencoderClassifier(WHOLE["plain"], **PREDICT), LABELS),
    "balanced": (
        AutoencoderClassifier(WHOLE["kl"], class_weight="balanced", fine_tune=False, **PREDICT),
        LABELS,
    ),
    "regressor": (AutoencoderRegressor(WHOLE["plain"], **PREDICT), OUTPUTS[:, 0]),
    "outputs": (AutoencoderRegressor(WHOLE["contractive"], alpha=0.1, **PREDICT), OUTPUTS),
    "some unlabelled": (
        AutoencoderRegressor(WHOLE["stack"], **PREDICT),
        np.where(np.arange(60) % 3 == 0, np.nan, OUTPUTS[:, 0]),
    ),
}
each_whole = pytest.mark.parametrize("estimator", WHOLE.values(), ids=WHOLE)
each_predictor = pytest.mark.parametrize("estimator, y", PREDICTORS.values(), ids=PREDICTORS)
every_class = pytest.mark.parametrize("name", {**SMALL, **SUPERVISED})


def targets(name):
    return {"AutoencoderClassifier": LABELS, "AutoencoderRegressor": OUTPUTS}.get(name)


def fitted(name, rows=slice(None), sample_weight=None, X=X, **params):
    y = targets(name)
    y = y if y is None else y[rows]
    return small(name, **params).fit(X[rows], y, sample_weight=sample_weight)


# Rows that are there several times.


@each_whole
def test_a_weight_is_a_number_of_equal_rows(estimator):
    expected = clone(estimator).fit(X[REPEATED])
    found = clone(estimator).fit(X, sample_weight=REPEATS)
    np.testing.assert_allclose(found.transform(X), expected.transform(X), atol=1e-6)
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-6)


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
@pytest.mark.parametrize("estimator", OF_UNIT.values(), ids=OF_UNIT)
def test_so_it_is_of_rows_in_the_unit_cube(estimator, kind):
    rows = np.where(UNIT_X < 0.5, 0, UNIT_X)
    expected = clone(estimator).fit(kind(rows[REPEATED]))
    found = clone(estimator).fit(kind(rows), sample_weight=REPEATS)
    np.testing.assert_allclose(found.transform(rows), expected.transform(rows), atol=1e-6)


def test_so_it_is_of_rows_that_lack_cells_and_of_targets():
    estimator = DenoisingAutoencoder(**EXACT, corruption=None)
    rows = np.where(UNIT_X < 0.2, np.nan, X)
    expected = clone(estimator).fit(rows[REPEATED], target=OUTPUTS[REPEATED])
    found = clone(estimator).fit(rows, sample_weight=REPEATS, target=OUTPUTS)
    np.testing.assert_allclose(found.transform(rows), expected.transform(rows), atol=1e-6)
    np.testing.assert_allclose(found.data_mean_, expected.data_mean_, rtol=1e-12)
    score = found.score(rows, sample_weight=REPEATS, target=OUTPUTS)
    assert score == pytest.approx(expected.score(rows[REPEATED], target=OUTPUTS[REPEATED]))


@each_predictor
def test_so_it_is_of_predictors(estimator, y):
    expected = clone(estimator).fit(X[REPEATED], y[REPEATED])
    found = clone(estimator).fit(X, y, sample_weight=REPEATS)
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
    found, expected = (getattr(model, method)(X) for model in (found, expected))
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("check", EQUIVALENCES)
@pytest.mark.parametrize(
    "estimator",
    [*WHOLE.values(), *OF_UNIT.values(), *(model for model, _ in PREDICTORS.values())],
    ids=lambda e: type(e).__name__,
)
def test_scikit_learns_own_check_of_that(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


def test_what_describes_sparse_codes_is_weighted():
    expected = SparseAutoencoder(**EXACT, sparsity="l1").fit(X[REPEATED])
    found = SparseAutoencoder(**EXACT, sparsity="l1").fit(X, sample_weight=REPEATS)
    np.testing.assert_allclose(found.mean_activation_, expected.mean_activation_, atol=1e-6)
    assert found.code_density_ == pytest.approx(expected.code_density_)


def test_what_describes_codes_of_a_vae_is_weighted():
    vae = VAE(3, max_iter=2, random_state=0).fit(X, sample_weight=REPEATS + 1)
    mean, std = vae.posterior(X)
    kl = 0.5 * (mean**2 + std**2 - 2 * np.log(std) - 1)
    expected = np.average(kl, axis=0, weights=REPEATS + 1)
    np.testing.assert_allclose(vae.kl_per_component_, expected, rtol=1e-9)


# Weights of 0 and 1.


@every_class
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}], ids=str)
def test_a_row_of_weight_zero_is_as_good_as_none(name, params):
    counts = np.arange(60) % 5 > 0
    found = fitted(name, sample_weight=counts.astype(float), **params)
    assert_same_fit(found, fitted(name, counts, **params))


@every_class
@pytest.mark.parametrize("weight", [1, 0.3], ids=str)
def test_equal_weights_change_no_bit(name, weight):
    expected = fitted(name)
    assert_same_fit(fitted(name, sample_weight=np.full(60, weight)), expected)
    assert_same_fit(fitted(name, sample_weight=weight), expected)


@every_class
def test_weights_are_relative(name):
    found = fitted(name, sample_weight=1e3 * (REPEATS + 1.0))
    expected = fitted(name, sample_weight=1e-3 * (REPEATS + 1.0))
    np.testing.assert_allclose(weights(found), weights(expected), rtol=1e-6, atol=1e-9)


@every_class
def test_weights_matter(name):
    found, plain = fitted(name, sample_weight=REPEATS + 1.0), fitted(name)
    assert not np.allclose(weights(found), weights(plain), atol=1e-6)


def test_weights_are_not_changed():
    given = REPEATS.astype(float)
    Autoencoder(**EXACT).fit(X, sample_weight=given)
    np.testing.assert_array_equal(given, REPEATS)


def test_weights_may_be_a_tensor():
    found = fitted("Autoencoder", sample_weight=torch.tensor(REPEATS))
    assert_same_fit(found, fitted("Autoencoder", sample_weight=REPEATS))


def test_float32_weights_of_float32_rows():
    model = fitted("VAE", sample_weight=REPEATS, X=X.astype(np.float32))
    assert model.transform(X).dtype == np.float32


def test_classes_are_those_of_rows_that_count():
    counts = (LABELS != 2).astype(float)
    model = fitted("AutoencoderClassifier", sample_weight=counts)
    assert model.classes_.tolist() == [0, 1]


# Losses.

STILL = {"learning_rate_init": 1e-12, "max_iter": 1, "tol": 0}


@pytest.mark.parametrize("name", ["Autoencoder", "ContractiveAutoencoder", "StackedAutoencoder"])
def test_the_loss_is_the_weighted_mean(name):
    params = {"contraction_weight": 0} if name == "ContractiveAutoencoder" else {}
    model = fitted(name, sample_weight=REPEATS + 1.0, **STILL, **params)
    expected = -np.average(model.score_samples(X), weights=REPEATS + 1.0)
    assert model.loss_ == pytest.approx(expected, rel=1e-6)


def test_held_out_rows_are_weighted_too():
    model = fitted("Autoencoder", sample_weight=1.0 + 99 * (X[:, 0] > 0), early_stopping=True)
    one_side, other = (model.score_samples(X[sign * X[:, 0] > 0]).mean() for sign in (1, -1))
    assert abs(one_side) < abs(other)  # more than others, where they count 100 times as much
    plain = fitted("Autoencoder", early_stopping=True)
    assert model.validation_loss_curve_[0] != plain.validation_loss_curve_[0]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_objective_that_asks_for_no_weights_takes_none(solver):
    class Unweighted(Autoencoder):
        def _objective(self, network, x, noise):
            return (network.decode(network.encode(x)) - x).square().sum(dim=1).mean()

    model = Unweighted(3, max_iter=2, solver=solver, random_state=0)
    model.fit(X)
    with pytest.raises(TypeError, match="Unweighted does not weigh rows"):
        clone(model).fit(X, sample_weight=REPEATS)


def test_an_objective_of_ones_own_may_take_the_networks_mean():
    class Own(Autoencoder):
        def _objective(self, network, x, noise):
            return network.mean((network.decode(network.encode(x)) - x).square().sum(dim=1))

    found = Own(**EXACT).fit(X, sample_weight=REPEATS)
    expected = Autoencoder(**EXACT).fit(X, sample_weight=REPEATS)
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-9)


# Scores.


@pytest.mark.parametrize("name", [name for name in SMALL if name != "VAE"])
def test_the_score_is_scikit_learns_of_weighted_rows(name):
    model = fitted(name)
    found = model.score(X, sample_weight=REPEATS)
    expected = r2_score(
        X, model.reconstruct(X), sample_weight=REPEATS, multioutput="variance_weighted"
    )
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_score_of_a_vae_is_a_weighted_mean():
    vae = fitted("VAE")
    expected = np.average(vae.score_samples(X), weights=REPEATS)
    assert vae.score(X, sample_weight=REPEATS) == pytest.approx(expected)


def test_the_score_of_a_classifier_is_a_weighted_accuracy():
    model = fitted("AutoencoderClassifier")
    expected = accuracy_score(LABELS, model.predict(X), sample_weight=REPEATS)
    assert model.score(X, LABELS, sample_weight=REPEATS) == pytest.approx(expected)


# Where weights come from.


def test_partial_fit_takes_weights():
    counts = np.arange(60) % 5 > 0
    found = small("Autoencoder").partial_fit(X, sample_weight=counts)
    expected = small("Autoencoder").partial_fit(X[counts])
    assert_same_fit(found, expected)
    weighted_more = small("Autoencoder").partial_fit(X, sample_weight=REPEATS + 1)
    assert not np.allclose(weights(weighted_more), weights(found))


def test_weights_may_be_routed():
    with config_context(enable_metadata_routing=True):
        last = small("Autoencoder").set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        found = make_pipeline(scaler, last).fit(X, sample_weight=REPEATS)
        last.set_score_request(sample_weight=True)
        scores = cross_validate(last, X, params={"sample_weight": REPEATS}, cv=2)["test_score"]
    expected = small("Autoencoder").fit(StandardScaler().fit_transform(X), sample_weight=REPEATS)
    assert_same_fit(found[-1], expected)
    assert np.isfinite(scores).all()


def test_adaboost_boosts_it():
    model = AdaBoostClassifier(small("AutoencoderClassifier"), n_estimators=2, random_state=0)
    assert model.fit(X, LABELS).predict(X).shape == (60,)
    assert len(model.estimators_) == 2


# Wrong ones.

WRONG = {
    "negative": (np.where(np.arange(60) == 3, -1.0, 1.0), "Negative values"),
    "all zero": (np.zeros(60), "at least one non-zero"),
    "too few": (np.ones(59), r"sample_weight.shape == \(59,\)"),
    "NaN": (np.where(np.arange(60) == 3, np.nan, 1.0), "contains NaN"),
    "a table": (np.ones((60, 2)), "1D array"),
    "too large": (np.full(60, 1e39), "too large or too small"),
    "too small": (np.full(60, 1e-320), "too large or too small"),
}


@every_class
@pytest.mark.parametrize("given, message", WRONG.values(), ids=WRONG)
def test_wrong_weights_are_errors_and_leave_the_model_as_it_was(name, given, message):
    with pytest.raises(ValueError, match=message):
        fitted(name, sample_weight=given)
    model = fitted(name)
    before = weights(model)
    with pytest.raises(ValueError, match=message):
        model.fit(X, targets(name), sample_weight=given)
    np.testing.assert_array_equal(weights(model), before)
    if name in SMALL:
        with pytest.raises(ValueError, match=message):
            model.score(X, sample_weight=given)


def test_a_first_fit_of_wrong_weights_leaves_nothing():
    model = small("Autoencoder")
    with pytest.raises(ValueError, match="non-zero"):
        model.fit(X, sample_weight=np.zeros(60))
    assert_not_fitted(model)


# Statistics.

GAPS = np.where(UNIT_X < 0.2, np.nan, X)


def averaged(values):
    """Weighted means of the columns, of observed cells."""
    return np.array([np.average(c[~np.isnan(c)], weights=REPEATS[~np.isnan(c)]) for c in values.T])


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
@pytest.mark.parametrize("rows", [X, GAPS], ids=["whole", "gaps"])
def test_statistics_of_columns(rows, kind):
    sums, n_observed = column_sums(kind(rows), REPEATS.astype(float))
    np.testing.assert_allclose(n_observed, REPEATS @ ~np.isnan(rows))
    np.testing.assert_allclose(sums / n_observed, averaged(rows))
    np.testing.assert_allclose(column_means(kind(rows), REPEATS.astype(float)), averaged(rows))
    variances = averaged((rows - averaged(rows)) ** 2)
    np.testing.assert_allclose(column_variances(kind(rows), REPEATS.astype(float)), variances)


def test_log_means_of_columns():
    expected = averaged(np.log1p(UNIT_X))
    for kind in (np.asarray, csr_matrix):
        found = log_column_means(kind(UNIT_X), REPEATS.astype(float))
        np.testing.assert_allclose(found, expected)


def test_principal_components_of_weighted_rows_are_those_of_pca():
    pca = PCA(2).fit(X[REPEATED])
    directions, deviations, explained = principal_components(X, 2, REPEATS.astype(float))
    np.testing.assert_allclose(np.abs(directions @ pca.components_.T), np.eye(2), atol=1e-9)
    n = len(REPEATED)
    np.testing.assert_allclose(deviations**2, pca.explained_variance_ * (n - 1) / n)
    assert explained == pytest.approx(pca.explained_variance_ratio_.sum())


def test_weights_below_one_row_each_are_scaled_up():
    data = weighted(Data(X), REPEATS / 1000)
    assert data.sample_weight.sum() == pytest.approx(len(data))
    assert weighted(Data(X), REPEATS).sample_weight.sum() == REPEATS.sum()
