"""AutoencoderClassifier with an indicator matrix for y: rows that have several classes, or none."""

import pickle

import numpy as np
import pytest
import torch
from helpers import UNIT_X, X, assert_same_fit, fitted_state, small
from scipy.sparse import csc_array, csr_array, csr_matrix, issparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_predict
from sklearn.multioutput import ClassifierChain
from sklearn.neural_network import MLPClassifier
from sklearn.utils import get_tags

from skae import Autoencoder, AutoencoderClassifier

Y = np.column_stack([X[:, 0] > 0, X[:, 1] > 0.5, X[:, 0] + X[:, 2] > 0, X[:, 3] > -1]).astype(int)
PARTLY = Y.astype(float)
PARTLY[::4] = np.nan  # rows of which nothing is known
PARTLY[1::4, 2] = np.nan
CONVEX = {"fine_tune": False, "solver": "lbfgs", "max_iter": 3000, "tol": 0.0, "alpha": 0.05}
tuned_or_not = pytest.mark.parametrize("fine_tune", [True, False])


def classifier(autoencoder="Autoencoder", **params):
    """A small one, not fitted."""
    params = {"max_iter": 4, "batch_size": 16, "random_state": 0, **params}
    return AutoencoderClassifier(small(autoencoder), **params)


# What it learns.


def on_codes(y, **params):
    """An output layer of a fixed encoder, and the codes that it predicts y from."""
    inner = FrozenEstimator(small("Autoencoder").fit(X))
    return AutoencoderClassifier(inner, **CONVEX, **params).fit(X, y), inner.transform(X)


def test_an_output_layer_alone_is_a_logistic_regression_per_class():
    model, codes = on_codes(Y)
    for k, y in enumerate(Y.T):
        reference = LogisticRegression(C=1 / (60 * 0.05), tol=1e-10, max_iter=5000).fit(codes, y)
        its = reference.predict_proba(codes)[:, 1]
        np.testing.assert_allclose(model.predict_proba(X)[:, k], its, atol=1e-5)
        np.testing.assert_allclose(model.coefs_[-1][:, k], reference.coef_[0], atol=1e-4)


def test_a_class_is_learnt_from_the_rows_where_it_is_known():
    model, codes = on_codes(PARTLY, unlabeled=np.nan)
    for k, y in enumerate(PARTLY.T):
        known = ~np.isnan(y)  # the mean is over the 45 rows with any label
        reference = LogisticRegression(C=1 / (45 * 0.05), tol=1e-10, max_iter=5000)
        its = reference.fit(codes[known], y[known]).predict_proba(codes)[:, 1]
        np.testing.assert_allclose(model.predict_proba(X)[:, k], its, atol=1e-5)


@tuned_or_not
@pytest.mark.parametrize("autoencoder", ["Autoencoder", "SparseAutoencoder", "StackedAutoencoder"])
def test_probabilities_are_logistic(autoencoder, fine_tune):
    model = classifier(autoencoder, fine_tune=fine_tune).fit(X, Y)
    output = model.transform(X) @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_allclose(model.predict_proba(X), expit(output), rtol=1e-10)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(expit(output)), rtol=1e-10)
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)
    np.testing.assert_array_equal(model.classes_, np.arange(4))


def test_loss_is_the_sum_of_cross_entropies():
    model = classifier(fine_tune=False, alpha=0.0, solver="lbfgs").fit(X, Y)
    p = model.predict_proba(X)
    expected = -(Y * np.log(p) + (1 - Y) * np.log(1 - p)).sum(axis=1).mean()
    assert model.loss_ == pytest.approx(expected, rel=1e-9)


def test_improbable_classes_have_finite_logarithms():
    model = classifier(max_iter=30, learning_rate_init=0.3).fit(X.astype(np.float32), Y)
    assert np.isfinite(model.predict_log_proba(1e4 * X)).all()


def test_it_is_as_good_as_a_perceptron():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 6))
    y = (rows @ rng.normal(size=(6, 3)) > 0).astype(int)
    layer = Autoencoder(8, hidden_layer_sizes=(), code_activation="relu", max_iter=5)
    params = {"max_iter": 40, "batch_size": 16, "random_state": 0}
    model = AutoencoderClassifier(layer, **params).fit(rows[:300], y[:300])
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        peer = MLPClassifier(8, **params).fit(rows[:300], y[:300])
    assert model.score(rows[300:], y[300:]) > peer.score(rows[300:], y[300:]) - 0.02


# What y may be.


def test_kinds_of_matrices_are_the_same():
    model = classifier().fit(X, Y)
    for y in (Y.tolist(), list(Y), Y.astype(bool), Y.astype(float), torch.tensor(Y), csr_array(Y)):
        assert_same_fit(classifier().fit(X, y), model)


@pytest.mark.parametrize("kind", [csr_array, csr_matrix, csc_array])
def test_predictions_of_a_sparse_matrix_are_sparse(kind):
    model, dense = classifier().fit(X, kind(Y)), classifier().fit(X, Y)
    peer = MLPClassifier(solver="lbfgs", max_iter=3000, random_state=0).fit(X, kind(Y))
    found, theirs = model.predict(X), peer.predict(X)
    assert issparse(found) and found.format == theirs.format == "csr"
    np.testing.assert_array_equal(found.toarray(), dense.predict(X), strict=True)
    assert model.score(X, kind(Y)) == model.score(X, Y) == dense.score(X, kind(Y))


def test_data_frames():
    pd = pytest.importorskip("pandas")
    assert_same_fit(classifier().fit(X, pd.DataFrame(Y, columns=list("abcd"))), fitted())
    nullable = pd.DataFrame(PARTLY).astype("Int64")
    model = classifier(unlabeled=np.nan).fit(X, nullable)
    assert_same_fit(model, classifier(unlabeled=np.nan).fit(X, PARTLY))
    assert model.score(X, nullable) == model.score(X, PARTLY)


def fitted(**params):
    return classifier(**params).fit(X, Y)


def test_one_column_is_no_indicator_matrix():
    with pytest.warns(UserWarning, match="column-vector y"):
        model = classifier().fit(X, Y[:, :1])
    assert model.predict(X).shape == (60,)
    assert_same_fit(classifier().fit(X, csr_array(Y[:, :1]).toarray().ravel()), model)


def test_a_fit_forgets_what_y_was():
    model = fitted().fit(X, Y[:, 0])
    assert_same_fit(model, classifier().fit(X, Y[:, 0]))
    assert model.predict(X).shape == (60,)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert_same_fit(model.fit(X, csr_array(Y)), fitted())
    assert not issparse(model.fit(X, Y).predict(X))


# Unknown cells.


@tuned_or_not
@pytest.mark.parametrize("unlabeled", [-1, 7.5, "?"])
def test_unknown_cells_may_be_marked_by_whatever(unlabeled, fine_tune):
    params = {"fine_tune": fine_tune, "early_stopping": True}
    marked = np.where(np.isnan(PARTLY), unlabeled, Y.astype(object))
    model = classifier(unlabeled=unlabeled, **params).fit(X, marked)
    assert_same_fit(model, classifier(unlabeled=np.nan, **params).fit(X, PARTLY))
    assert model.score(X, marked) == model.score(X[2:], marked[2:])


def test_rows_without_any_label_are_for_pretraining_alone():
    only_rows = np.where(np.arange(60)[:, None] % 4 == 0, np.nan, Y)
    frozen = FrozenEstimator(small("Autoencoder").fit(X))
    params = {"batch_size": 60, "shuffle": False, "max_iter": 4, "random_state": 0}
    model = AutoencoderClassifier(frozen, unlabeled=np.nan, **params).fit(X, only_rows)
    labelled = np.arange(60) % 4 > 0
    alone = AutoencoderClassifier(frozen, **params).fit(X[labelled], Y[labelled])
    np.testing.assert_allclose(model.predict_proba(X), alone.predict_proba(X), rtol=1e-9)


def test_score_is_of_rows_that_are_known_altogether():
    model = classifier(unlabeled=np.nan, max_iter=20).fit(X, PARTLY)
    known = ~np.isnan(PARTLY).any(axis=1)
    row_weights = np.arange(60) + 1.0
    expected = accuracy_score(Y[known], model.predict(X)[known], sample_weight=row_weights[known])
    assert 0 < model.score(X, PARTLY, row_weights) == expected < 1
    with pytest.raises(ValueError, match="No row of y has a label"):
        model.score(X[:1], PARTLY[:1])


# Errors.

BAD = {
    "other numbers": (Y + np.eye(60, 4), {}, "4 columns and values other than 0 and 1.* 2.0"),
    "strings": (np.where(Y, "a", "b"), {}, r"such as 'a': .*MultiOutputClassifier"),
    "infinity": (np.where(Y, np.inf, 0), {}, "other than 0 and 1, such as inf"),
    "unmarked": (PARTLY, {}, "set unlabeled=np.nan"),
    "marked otherwise": (PARTLY, {"unlabeled": -1}, "set unlabeled=np.nan"),
    "nothing known": (Y * np.nan, {"unlabeled": np.nan}, "All 60 rows of y are unlabelled"),
    "a class unknown": (Y * [1, 1, np.nan, 1], {"unlabeled": np.nan}, r"Columns \[2\] of y"),
    "marked by a label": (Y, {"unlabeled": 0}, "unlabeled=0 cannot mark unknown values"),
    "class_weight": (Y, {"class_weight": "balanced"}, "class_weight='balanced' needs y with one"),
    "too short": (Y[:-1], {}, "inconsistent numbers of samples"),
    "three dimensions": (Y[None], {}, "dim 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_matrices_leave_the_model_as_it_was(case):
    y, params, message = BAD[case]
    model = fitted().set_params(**params)
    before = fitted_state(model)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert fitted_state(model) == before


# With scikit-learn.


def test_tags_are_those_of_a_perceptron():
    """But with class_weight, which that does not have, and which is not for several labels."""
    assert get_tags(classifier()).classifier_tags == get_tags(MLPClassifier()).classifier_tags
    assert not get_tags(classifier(class_weight="balanced")).classifier_tags.multi_label


def test_a_pickle_predicts_the_same():
    model = classifier(unlabeled=np.nan).fit(X, csr_array(Y))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X).toarray(), model.predict(X).toarray())


def test_cross_validation_and_chains():
    found = cross_val_predict(classifier(max_iter=30), X, Y, cv=3, method="predict_proba")
    assert found.shape == (60, 4)
    assert np.mean((found > 0.5) == Y) > np.mean(Y.mean(axis=0).round() == Y)
    chain = ClassifierChain(classifier(), random_state=0).fit(UNIT_X, Y)
    assert chain.predict(UNIT_X).shape == (60, 4)


# Training that goes on, and weights of rows.


def test_partial_fit_goes_on_exactly():
    model, chunks = classifier(fine_tune=False, alpha=0.1), (slice(0, 30), slice(30, 60))
    for chunk in chunks * 3:
        model.partial_fit(X[chunk], Y[chunk], classes=range(4))
    again = classifier(fine_tune=False, alpha=0.1)
    for chunk in chunks * 3:
        sparse = csr_array(Y[chunk])
        again = pickle.loads(pickle.dumps(again.partial_fit(X[chunk], sparse, classes=range(4))))
    assert_same_fit(model, again)
    assert again.predict(X).format == "csr"


def test_partial_fit_learns():
    model = classifier(unlabeled=np.nan, learning_rate_init=0.02)
    for _ in range(60):
        model.partial_fit(X, PARTLY, classes=range(4))
    assert np.mean(model.predict(X) == Y) > 0.85
    only_first = np.where(np.arange(4) == 0, Y, np.nan)  # of the others nothing is known
    assert np.isfinite(model.partial_fit(X, only_first).predict_proba(X)).all()


def test_warm_start_goes_on():
    model = classifier(warm_start=True, max_iter=3).fit(X, Y)
    before = model.loss_
    assert model.set_params(max_iter=20).fit(X, Y).loss_ < before


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_training_goes_on_with_as_many_classes(method):
    model = classifier(warm_start=True).fit(X, Y)
    for y in (Y[:, :3], Y[:, 0]):
        with pytest.raises(ValueError, match="continues with an indicator matrix of 4 classes"):
            getattr(model, method)(X, y)
    model = classifier(warm_start=True).fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="continues with one-dimensional labels of 2 classes"):
        getattr(model, method)(X, Y[:, :2])
    with pytest.raises(ValueError, match=r"y has shape \(60, 4\).* matrix of 3 classes"):
        classifier().partial_fit(X, Y, classes=range(3))


def test_weights_of_rows_are_repetitions():
    times = np.arange(60) % 3  # those of weight 0 are not there
    twice = np.repeat(np.arange(60), times)
    frozen = FrozenEstimator(small("Autoencoder").fit(X))
    model = AutoencoderClassifier(frozen, unlabeled=np.nan, random_state=0, **CONVEX)
    weighted = clone(model).fit(X, PARTLY, sample_weight=times).predict_proba(X)
    repeated = clone(model).fit(X[twice], PARTLY[twice]).predict_proba(X)
    np.testing.assert_allclose(weighted, repeated, atol=1e-5)
    sparse = clone(model).set_params(unlabeled=-1).fit(X, csr_array(Y), sample_weight=times)
    dense = clone(model).fit(X, Y, sample_weight=times)
    np.testing.assert_array_equal(sparse.predict_proba(X), dense.predict_proba(X))


@pytest.mark.parametrize("y", [Y, csr_array(Y)])
def test_module_gives_the_probabilities(y):
    model = classifier().fit(X, y)
    found = model.module_(torch.tensor(X)).numpy()
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=1e-10)
