"""scikit-learn's callbacks: a stand-in before 1.9, and reports of a fit to them."""

import random
from contextlib import contextmanager, nullcontext
from typing import Self

import sklearn

from skae._engine.phases import phase

random_state = random.getstate()  # rich, imported by callbacks, draws from it
try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:
        """Stand-in for versions of scikit-learn without callbacks."""

        def set_callbacks(self, *callbacks) -> Self:
            """Set callbacks for the estimator; needs scikit-learn 1.9 or later.

            Parameters
            ----------
            *callbacks : callback instances
                Callbacks to call at the beginning and the end of each task of a fit.

            Returns
            -------
            self : object
                The estimator itself.
            """
            if not callbacks:
                return self
            raise ImportError(
                "set_callbacks needs scikit-learn 1.9 or later, which provides sklearn.callback, "
                f"but found scikit-learn {sklearn.__version__}: upgrade it, or follow the "
                "training with verbose=True."
            )

        def _init_callback_context(self, max_subtasks=0):
            return None


random.setstate(random_state)

# scikit-learn's attributes of an estimator during a fit; without them no callback learns of the
# fit's end.
CALLBACK_CONTEXT = "_callback_fit_ctx", "_skl_callbacks_to_teardown"


class Progress:
    """A task of a fit, as reported to scikit-learn's callbacks.

    Parameters
    ----------
    estimator : NetworkEstimator
    X, y : ndarray
        The data shown to callbacks.
    context : CallbackContext or None
        None if scikit-learn has no callbacks or none is set.
    """

    def __init__(self, estimator, X, y, context):
        self.estimator = estimator
        self.context = context
        self.stop = False
        self._data = {"estimator": estimator, "X": X, "y": y}

    @classmethod
    @contextmanager
    def of_fit(cls, estimator, X, y, max_subtasks):
        """The whole fit as a task; once per call of a public method."""
        context = estimator._init_callback_context(max_subtasks=max_subtasks)
        if not getattr(context, "_callbacks", True):
            context = None  # without listeners, as contexts take as long as a step per epoch
        progress = cls(estimator, X, y, context)
        with progress._announced(dict):
            yield progress

    def task(self, name, attributes=None, max_subtasks=0, runs=None):
        """A subtask: a context that gives its `Progress`.

        Parameters
        ----------
        name : str
        attributes : callable, default=None
            Gives the fitted attributes at the end of the task.
        max_subtasks : int, default=0
        runs : estimator, default=None
            The estimator whose `fit` is the task; callbacks see both as one.
        """
        if self.context is None:
            return nullcontext(self)
        return self._subtask(attributes, runs, task_name=name, max_subtasks=max_subtasks)

    @contextmanager
    def phase(self, name, number="", **options):
        """A subtask with epochs of its own, which `verbose` names with its number."""
        with phase(name + number), self.task(name, **options) as task:
            yield task

    @contextmanager
    def _subtask(self, attributes, runs, **names):
        context = self.context.subcontext(**names)
        progress = Progress(self.estimator, self._data["X"], self._data["y"], context)
        with progress._handed_to(runs), progress._announced(attributes):
            yield progress

    def _handed_to(self, sub_estimator):
        if sub_estimator is None:
            return nullcontext()
        return self.context.propagate_callback_context(sub_estimator)

    @contextmanager
    def _announced(self, attributes):
        if self.context is not None:
            self.context.call_on_fit_task_begin(**self._data)
        yield
        if self.context is not None:
            self.stop = self.context.call_on_fit_task_end(
                **self._data, reconstruction_attributes=attributes
            )
