"""Callbacks: scikit-learn's from 1.9 on, and what is said before."""

import numpy as np
import pytest
from helpers import (
    DIVERGING,
    LABELS,
    NEVER_STOP,
    X,
    assert_same_fit,
    each_class,
    each_of_any_numbers,
    each_trained,
    run_python,
    small,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

try:
    from sklearn.callback import ScoringMonitor
    from sklearn.callback.tests import _utils as doubles
except ImportError:
    doubles = None

needs_callbacks = pytest.mark.skipif(doubles is None, reason="needs scikit-learn 1.9")

WITHOUT_CALLBACKS = """
import sys, sklearn.base, sklearn.model_selection, test_base
for name in [name for name in sys.modules if name.startswith("skae")]:
    del sys.modules[name]
sys.modules["sklearn.callback"] = None  # as before scikit-learn 1.9
import skae
estimator = skae.Autoencoder(2, max_iter=3, random_state=0)
assert estimator.set_callbacks() is estimator
assert estimator.fit(test_base.X).partial_fit(test_base.X).n_iter_ == 4
try:
    estimator.set_callbacks(print)
except ImportError as error:
    print(error)
"""


def test_set_callbacks_says_what_it_needs():
    message = run_python(WITHOUT_CALLBACKS)
    for part in ("set_callbacks needs scikit-learn 1.9", "upgrade it", "verbose=True"):
        assert part in message


def told(callback, hook):
    """Pairs (class of the estimator, task) of the calls of a hook, in order."""
    return [
        (type(call["estimator"]).__name__, call["context"].task_name)
        for call in callback.record
        if call["name"] == hook
    ]


def seen_after_epochs(callback):
    """The estimators that the callback was handed, one per epoch."""
    return [
        call["kwargs"]["fitted_estimator"]
        for call in callback.record
        if call["name"] == "on_fit_task_end" and call["context"].task_name == "epoch"
    ]


# The tasks that a fit of a small estimator tells of.
PLAIN = ["fit", *4 * ["epoch"]]
STACKED = ["fit", "layer", "layer", "fine-tuning", *4 * ["epoch"]]


@needs_callbacks
@each_trained
def test_one_task_per_epoch(name):
    callback = doubles.RecordingCallback()
    small(name).set_callbacks(callback).fit(X, LABELS)
    tasks = STACKED if name == "StackedAutoencoder" else PLAIN
    assert told(callback, "on_fit_task_begin") == [(name, task) for task in tasks]
    assert sorted(told(callback, "on_fit_task_end")) == sorted((name, task) for task in tasks)
    assert callback.count_hooks("setup") == callback.count_hooks("teardown") == 1


@needs_callbacks
def test_layers_are_nested_in_the_stack():
    callback = doubles.RecordingAutoPropagatedCallback()
    small("StackedAutoencoder").set_callbacks(callback).fit(X)
    layer = [("DenoisingAutoencoder", task) for task in ("fit", "epoch", "epoch")]
    own = [("StackedAutoencoder", task) for task in ("fine-tuning", *4 * ["epoch"])]
    expected = [("StackedAutoencoder", "fit"), *layer, *layer, *own]
    assert told(callback, "on_fit_task_begin") == expected
    assert callback.count_hooks("setup") == callback.count_hooks("teardown") == 1


@needs_callbacks
@each_trained
def test_callbacks_change_no_result(name):
    with_callback = small(name).set_callbacks(doubles.RecordingCallback()).fit(X, LABELS)
    assert_same_fit(with_callback, small(name).fit(X, LABELS))


@needs_callbacks
@each_trained
def test_callbacks_leave_no_context(name):
    callback = doubles.RecordingCallback()
    estimator = small(name).set_callbacks(callback).fit(X, LABELS)
    assert vars(estimator).keys() - vars(small(name).fit(X, LABELS)).keys() == {"_skl_callbacks"}


@needs_callbacks
@each_class
def test_callbacks_see_the_estimator_after_each_epoch(name):
    callback = doubles.RecordingCallback()
    small(name, **NEVER_STOP).set_callbacks(callback).fit(X)
    seen = seen_after_epochs(callback)
    for n_epochs, fitted in enumerate(seen, start=1):
        reference = small(name, max_iter=n_epochs, **NEVER_STOP).fit(X)
        assert_same_fit(fitted, reference)
        np.testing.assert_array_equal(fitted.transform(X), reference.transform(X))


@needs_callbacks
@each_class
def test_what_callbacks_have_seen_stays(name):
    callback = doubles.RecordingCallback()
    small(name, early_stopping=True, **NEVER_STOP).set_callbacks(callback).fit(X)
    seen = seen_after_epochs(callback)
    assert [len(fitted.loss_curve_) for fitted in seen] == [1, 2, 3, 4]
    assert [len(fitted.validation_loss_curve_) for fitted in seen] == [1, 2, 3, 4]


@needs_callbacks
@each_class
def test_callback_may_stop_the_fit(name):
    estimator = small(name).set_callbacks(doubles.StopFitCallback()).fit(X)
    assert len(estimator.loss_curve_) == 1
    assert_same_fit(estimator.set_callbacks(), small(name, max_iter=1).fit(X))


@needs_callbacks
@each_class
def test_callback_may_stop_the_fit_with_early_stopping(name):
    params = {"early_stopping": True, "max_iter": 10}
    estimator = small(name, **params).set_callbacks(doubles.StopFitCallback()).fit(X)
    assert len(estimator.validation_loss_curve_) == 1


@needs_callbacks
@each_trained
@pytest.mark.parametrize("hook", ["setup", "on_fit_task_begin", "on_fit_task_end", "teardown"])
def test_failing_callback(name, hook):
    estimator = small(name).set_callbacks(doubles.FailingCallback(fail_at=hook))
    with pytest.raises(ValueError, match=f"failed at {hook}"):
        estimator.fit(X, LABELS)
    assert not hasattr(estimator, "_callback_fit_ctx")
    assert_same_fit(estimator.set_callbacks().fit(X, LABELS), small(name).fit(X, LABELS))


@needs_callbacks
@each_of_any_numbers
def test_failing_fit_tears_callbacks_down(name):
    callback = doubles.RecordingCallback()
    estimator = small(name, **DIVERGING).set_callbacks(callback)
    with pytest.raises(ValueError, match="diverged"):
        estimator.fit(1e4 * X)
    assert callback.count_hooks("setup") == callback.count_hooks("teardown") == 1
    assert not hasattr(estimator, "_callback_fit_ctx")


@needs_callbacks
@each_trained
def test_partial_fit_tells_callbacks_nothing(name):
    callback = doubles.RecordingCallback()
    small(name).set_callbacks(callback).partial_fit(X, LABELS)
    assert callback.record == []


@needs_callbacks
@each_class
def test_scoring_monitor_logs_every_epoch(name):
    monitor = ScoringMonitor(scoring={"score": lambda estimator, X, y: estimator.score(X)})
    estimator = small(name, **NEVER_STOP).set_callbacks(monitor).fit(X)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    expected = [small(name, max_iter=n, **NEVER_STOP).fit(X).score(X) for n in (1, 2, 3, 4)]
    assert [row["score"] for row in rows] == pytest.approx(expected, rel=1e-12)
    assert expected[-1] == estimator.score(X)


@needs_callbacks
def test_callbacks_through_a_pipeline():
    callback = doubles.RecordingAutoPropagatedCallback()
    make_pipeline(StandardScaler(), small("Autoencoder")).set_callbacks(callback).fit(X)
    assert told(callback, "on_fit_task_end").count(("Autoencoder", "epoch")) == 4


# A bar that is not torn down would keep the process alive: hence one of its own.
PROGRESS_BARS = """
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from helpers import SMALL, X, small

for name in SMALL:
    small(name).set_callbacks(ProgressBar()).fit(X)
pipeline = make_pipeline(StandardScaler(), small("StackedAutoencoder"))
pipeline.set_callbacks(ProgressBar()).fit(X)
grid = {"alpha": [0.0, 0.1]}
search = GridSearchCV(small("Autoencoder"), grid, cv=2, n_jobs=2)
search.set_callbacks(ProgressBar()).fit(X)
failing = small("Autoencoder", solver="sgd", learning_rate_init=1e6, max_iter=100)
try:
    failing.set_callbacks(ProgressBar()).fit(1e4 * X)
except ValueError as error:
    print("failed:", error)
"""


@needs_callbacks
def test_progress_bars_finish():
    pytest.importorskip("rich")
    shown = run_python(PROGRESS_BARS, timeout=120)
    for name in ("Autoencoder", "VAE", "StackedAutoencoder", "Pipeline", "GridSearchCV"):
        assert f"{name} - fit" in shown
    assert "DenoisingAutoencoder" in shown and "fine-tuning" in shown
    assert "100%" in shown
    assert "failed: Training diverged" in shown
