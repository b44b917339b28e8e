"""Warnings of classifiers and regressors that have learnt much less than a linear model."""

import re
import warnings

import numpy as np
import pytest
from helpers import X
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.metrics import d2_log_loss_score, r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import scale

from skae import Autoencoder, AutoencoderClassifier, AutoencoderRegressor, DenoisingAutoencoder
from skae._columns import explained_by_line

PREDICTIONS = "The predictions explain"
# Weights of the output layer and the fine-tuning remain as they are drawn.
STILL = {
    "learning_rate_init": 1e-300,
    "solver": "sgd",
    "max_iter": 1,
    "n_iter_no_change": 7,
    "random_state": 0,
}
PRETRAINED = Autoencoder(3, max_iter=20, random_state=0)
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
LABELS = (X[:, 0] > 0).astype(int)
INDICATORS = (X[:, :3] > 0).astype(int)
SEVERAL = X[:, :3] * [1.0, 100.0, 0.01]
CASES = {
    "classes": (AutoencoderClassifier, X, LABELS),
    "CSR": (AutoencoderClassifier, csr_matrix(X), LABELS),
    "indicators": (AutoencoderClassifier, X, INDICATORS),
    "numbers": (AutoencoderRegressor, X, X[:, 0]),
    "several numbers": (AutoencoderRegressor, X, SEVERAL),
    "missing numbers": (AutoencoderRegressor, X, np.where(np.isnan(GAPS[:, :3]), np.nan, SEVERAL)),
}


def warnings_of(model, *args):
    """The texts of those that a fit gives of its predictions."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model.fit(*args)
    found = [one for one in found if str(one.message).startswith(PREDICTIONS)]
    assert all(one.category is ConvergenceWarning for one in found)
    return [str(one.message) for one in found]


@pytest.mark.parametrize(("kind", "rows", "y"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("fine_tune", [True, False])
def test_untrained_predictions_say_so(kind, rows, y, fine_tune):
    (message,) = warnings_of(kind(PRETRAINED, fine_tune=fine_tune, **STILL), rows, y)
    assert f"{kind.__name__} has learnt little. If columns of X differ" in message
    assert message.endswith(
        "raise max_iter (now 1) or n_iter_no_change (now 7), then learning_rate_init (now 1e-300)."
    )


def test_missing_cells_say_so():
    model = AutoencoderClassifier(DenoisingAutoencoder(3, max_iter=40), **STILL)
    assert len(warnings_of(model, GAPS, LABELS)) == 1


def test_it_has_the_numbers_of_the_fit_and_of_a_linear_model():
    number = "(-?[0-9.]+(?:e[-+][0-9]+)?)"
    classifier, regressor = (
        kind(PRETRAINED, **STILL) for kind in (AutoencoderClassifier, AutoencoderRegressor)
    )
    (message,) = warnings_of(classifier, X, LABELS)
    parts = f"{number} of the deviance of y from the classes' frequencies.* explain {number}:"
    score = d2_log_loss_score(LABELS, classifier.predict_proba(X))
    expected = explained_by_line(X, np.eye(2)[LABELS])
    assert re.search(parts, message).groups() == (f"{score:.2g}", f"{expected:.2g}")

    (message,) = warnings_of(regressor, X, SEVERAL)
    parts = f"{number} of the variance of y.* explain {number}:"
    score = r2_score(SEVERAL, regressor.predict(X))
    expected = explained_by_line(X, scale(SEVERAL))
    assert re.search(parts, message).groups() == (f"{score:.2g}", f"{expected:.2g}")


def test_rows_without_y_do_not_count():
    y = LABELS.astype(float)
    y[20:] = -1.0
    one, other = (AutoencoderClassifier(PRETRAINED, unlabeled=-1, **STILL) for _ in range(2))
    other.set_params(autoencoder=FrozenEstimator(clone(PRETRAINED).fit(X)))
    for model in (one, other):
        assert len(warnings_of(model, X, y)) == 1


@pytest.mark.parametrize("kind", [AutoencoderClassifier, AutoencoderRegressor])
def test_large_steps_are_to_be_lowered(kind):
    rows, y = load_iris(return_X_y=True)
    model = kind(PRETRAINED, learning_rate_init=3.0, max_iter=3, random_state=0)
    (message,) = warnings_of(model, scale(rows), y)
    assert message.endswith("lower learning_rate_init (now 3).")


QUIET = {
    "strong decay": {"alpha": 0.01},
    "trained": {"learning_rate_init": 0.01, "solver": "adam", "max_iter": 30},
}


@pytest.mark.parametrize("asked", QUIET.values(), ids=QUIET)
@pytest.mark.parametrize(("kind", "rows", "y"), CASES.values(), ids=CASES)
def test_these_say_nothing(kind, rows, y, asked):
    assert warnings_of(kind(PRETRAINED, **{**STILL, **asked}), rows, y) == []


def test_what_no_linear_model_predicts_says_nothing():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 5))
    for kind, y in (
        (AutoencoderClassifier, rng.integers(0, 3, 400)),
        (AutoencoderRegressor, rng.normal(size=400)),
        (AutoencoderRegressor, np.full(400, 3.0)),
    ):
        assert warnings_of(kind(PRETRAINED, **STILL), rows, y) == []


def test_codes_that_have_lost_y_are_no_fault_of_the_output_layer():
    frozen = FrozenEstimator(Autoencoder(1, max_iter=20).fit(X * [1, 1, 1, 1, 1, 9]))
    model = AutoencoderRegressor(frozen, fine_tune=False, max_iter=200, random_state=0)
    assert warnings_of(model, X * [1, 1, 1, 1, 1, 9], X[:, 0]) == []


def test_partial_fit_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoencoderRegressor(PRETRAINED, **STILL).partial_fit(X, X[:, 0])


def test_a_linear_model_is_judged_on_rows_it_has_not_seen():
    rng = np.random.default_rng(0)
    rows = scale(rng.normal(size=(60, 5)))
    y = scale(rows @ rng.normal(size=(5, 2)) + rng.normal(size=(60, 2)), with_std=False)
    errors = [
        np.square(y - cross_val_predict(Ridge(alpha), rows, y, cv=LeaveOneOut())).mean()
        for alpha in np.logspace(-2, 6, 9)
    ]
    expected = 1 - min(errors) / np.square(y).mean()
    assert explained_by_line(rows * 1e3, y + 5) == pytest.approx(expected, abs=1e-3)
    assert explained_by_line(rows, rng.normal(size=(60, 1))) == 0.0
    assert explained_by_line(rows, y, np.full(60, 7.0)) == pytest.approx(expected, abs=1e-3)
