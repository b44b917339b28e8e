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
    context : CallbackContext, default=None
        None if scikit-learn has no callbacks or none is set.
    X, y : ndarray, default=None
        The data shown to callbacks.
    """

    def __init__(self, estimator, context=None, X=None, y=None):
        self.context = context
        self.stop = False
        self._data = {"estimator": estimator, "X": X, "y": y}

    @classmethod
    def of_fit(cls, estimator, data, max_subtasks):
        """The whole fit to these data as a task; once per public method."""
        context = estimator._init_callback_context(max_subtasks=max_subtasks)
        # Not without listeners, as contexts take as long as a step per epoch.
        if context is None or not getattr(context, "_callbacks", True):
            return nullcontext(cls(estimator))
        return cls(estimator, context, *estimator._shown(data))._announced(dict)

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
        progress = Progress(context=self.context.subcontext(**names), **self._data)
        with progress._handed_to(runs), progress._announced(attributes):
            yield progress

    def _handed_to(self, sub_estimator):
        if sub_estimator is None:
            return nullcontext()
        return self.context.propagate_callback_context(sub_estimator)

    @contextmanager
    def _announced(self, attributes):
        self.context.call_on_fit_task_begin(**self._data)
        yield self
        self.stop = self.context.call_on_fit_task_end(
            **self._data, reconstruction_attributes=attributes
        )
