"""Classifiers and regressors among scikit-learn's tools: callbacks, searches, pipelines."""

import numpy as np
import pytest
from helpers import NEVER_STOP, X, assert_same_fit, may_be_dead, may_collapse
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import get_tags
from small_supervised import (
    CLASSES,
    MARKED,
    NAMES,
    OUTPUTS,
    TARGETS,
    UNLABELLED,
    assert_consistent,
    classifier,
    each_task,
    fit,
    frozen,
    predictions,
    regressor,
    tuned_or_not,
)

from skae import Autoencoder, DenoisingAutoencoder, StackedAutoencoder

try:
    from sklearn.callback.tests import _utils as doubles
except ImportError:
    doubles = None

needs_callbacks = pytest.mark.skipif(doubles is None, reason="needs scikit-learn 1.9")
pytestmark = [may_be_dead, may_collapse]


# Callbacks.


def told(callback, hook):
    """Pairs (class of the estimator, task) of the calls of a hook, in order."""
    return [
        (type(call["estimator"]).__name__, call["context"].task_name)
        for call in callback.record
        if call["name"] == hook
    ]


@needs_callbacks
@tuned_or_not
@each_task
def test_tasks_are_nested(make, fine_tune):
    callback = doubles.RecordingAutoPropagatedCallback()
    model = make(fine_tune=fine_tune, **NEVER_STOP).set_callbacks(callback)
    model.fit(X, TARGETS[make])
    name, epochs = type(model).__name__, 4 * ["epoch"]
    own = ["output layer", *epochs, *(["fine-tuning", *epochs] if fine_tune else [])]
    assert told(callback, "on_fit_task_begin") == [
        (name, "fit"),
        *(("Autoencoder", task) for task in ("fit", *epochs)),
        *((name, task) for task in own),
    ]
    assert callback.count_hooks("on_fit_task_begin") == callback.count_hooks("on_fit_task_end")
    assert callback.count_hooks("setup") == callback.count_hooks("teardown") == 1


@needs_callbacks
@each_task
def test_a_frozen_autoencoder_has_no_pretraining_task(make):
    callback = doubles.RecordingCallback()
    make(frozen()).set_callbacks(callback).fit(X, TARGETS[make])
    stages = [task for _, task in told(callback, "on_fit_task_begin") if task != "epoch"]
    assert stages == ["fit", "output layer", "fine-tuning"]


@needs_callbacks
def test_callbacks_are_shown_labelled_rows():
    callback = doubles.RecordingCallback()
    y, mark = MARKED["number"]
    classifier(unlabeled=mark).set_callbacks(callback).fit(X, y)
    shown = [call["kwargs"] for call in callback.record if "kwargs" in call]
    assert shown
    for kwargs in shown:
        np.testing.assert_array_equal(kwargs["X"], X[~UNLABELLED])
        np.testing.assert_array_equal(kwargs["y"], CLASSES[~UNLABELLED])


@needs_callbacks
@each_task
def test_callbacks_change_no_result_and_leave_no_context(make):
    callback = doubles.RecordingAutoPropagatedCallback()
    told_of = make().set_callbacks(callback).fit(X, TARGETS[make])
    assert_same_fit(told_of, fit(make))
    assert vars(told_of).keys() - vars(fit(make)).keys() == {"_skl_callbacks"}


@needs_callbacks
@each_task
def test_callbacks_see_a_usable_model_after_each_epoch(make):
    callback = doubles.RecordingCallback()
    model = make(**NEVER_STOP).set_callbacks(callback).fit(X, TARGETS[make])
    seen = [
        call["kwargs"]["fitted_estimator"]
        for call in callback.record
        if call["name"] == "on_fit_task_end" and call["context"].task_name == "epoch"
    ]
    assert [fitted.n_iter_ for fitted in seen] == [1, 2, 3, 4, 5, 6, 7, 8]
    np.testing.assert_array_equal(predictions(seen[-1], X), predictions(model, X))
    for fitted in seen:
        assert_consistent(fitted)


@needs_callbacks
@each_task
def test_a_callback_may_stop_each_stage(make):
    model = make().set_callbacks(doubles.StopFitCallback()).fit(X, TARGETS[make])
    assert model.n_iter_ == 2
    assert_consistent(model)


# With the rest of scikit-learn.


def test_cross_validation():
    assert cross_val_score(classifier(max_iter=40), X, CLASSES, cv=3).mean() > 0.4
    scores = cross_val_score(regressor(max_iter=40), X, OUTPUTS, cv=3)
    assert np.isfinite(scores).all()


def test_grid_search_over_the_layers():
    inner = StackedAutoencoder(estimator=DenoisingAutoencoder(max_iter=1), max_iter=1)
    grid = {
        "autoencoder__estimator__corruption_level": [0.1, 0.5],
        "autoencoder__layer_sizes": [(4,), (5, 3)],
    }
    search = GridSearchCV(classifier(inner, max_iter=2), grid, cv=2).fit(X, CLASSES)
    best = search.best_estimator_.autoencoder_
    assert len(best.estimators_) == len(search.best_params_["autoencoder__layer_sizes"])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@each_task
def test_at_the_end_of_a_pipeline(make):
    y, scaled = TARGETS[make], StandardScaler().fit_transform(X)
    pipeline = make_pipeline(StandardScaler(), make()).fit(X, y)
    assert pipeline.score(X, y) == make().fit(scaled, y).score(scaled, y)


@each_task
def test_as_a_transformer(make):
    pipeline = make_pipeline(make(max_iter=30), LogisticRegression()).fit(X, CLASSES)
    codes = make(max_iter=30).fit_transform(X, CLASSES)
    np.testing.assert_array_equal(pipeline[0].transform(X), codes)
    assert pipeline.score(X, CLASSES) > 0.4


@each_task
def test_frames_out(make):
    pandas = pytest.importorskip("pandas")
    rows = pandas.DataFrame(X, columns=list("abcdef"))
    model = make().set_output(transform="pandas").fit(rows, TARGETS[make])
    names = [f"{type(model).__name__.lower()}{k}" for k in range(3)]
    assert list(model.get_feature_names_out()) == names
    assert list(model.transform(rows).columns) == names
    assert list(model.feature_names_in_) == list("abcdef")
    assert isinstance(predictions(model, rows), np.ndarray)
    np.testing.assert_array_equal(model.transform(rows), fit(make).transform(X))


def test_series_of_labels():
    pandas = pytest.importorskip("pandas")
    names = np.where(UNLABELLED, np.nan, NAMES[CLASSES].astype(object))
    model = classifier(unlabeled=np.nan).fit(X, pandas.Series(names, index=np.arange(60)[::-1]))
    expected = classifier().fit(X[~UNLABELLED], NAMES[CLASSES][~UNLABELLED])
    np.testing.assert_array_equal(model.classes_, expected.classes_)


def test_self_training_around_it():
    y, _ = MARKED["number"]
    inner = classifier(frozen(), max_iter=30)
    model = SelfTrainingClassifier(inner, threshold=0.5).fit(X, y)
    assert model.score(X, CLASSES) > 0.4


@each_task
@pytest.mark.parametrize("inner", ["denoising", Autoencoder, FrozenEstimator("denoising")])
def test_a_wrong_autoencoder_is_an_error_of_fit_alone(inner, make):
    model = type(make())(inner)
    assert get_tags(model).target_tags.required
    with pytest.raises(ValueError, match="autoencoder"):
        model.fit(X, TARGETS[make])
