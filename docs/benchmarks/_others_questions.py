"""What others.py asks of each library: functions of a `Library` that return what goes in a cell.

An error is an answer, too: whoever asks (`answer`) writes down which one.
"""

import _thread
import contextlib
import pickle
import random
import signal
import threading

import numpy as np
import scipy.sparse
from _others_library import Library, Network, NotOffered
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

LIMIT = 600  # seconds for one answer
SMALL = Network(8, hidden=(32,), max_iter=2, batch_size=200)
ENDLESS = SMALL._replace(max_iter=100_000)
UNTIL_INTERRUPT = 3.0  # seconds
N_NAMED = 5  # of the checks that fail
N_LETTERS = 70  # of a message


def answer(ask, library):
    """What goes into the cell: "yes", a figure, or what went wrong."""
    try:
        with at_most(LIMIT):
            return ask(library)
    except NotOffered as reason:
        return f"({reason})"
    except ImportError:
        raise
    except Exception as error:
        return f"no: {said(error)}"


@contextlib.contextmanager
def at_most(seconds):
    """Ends with a TimeoutError what takes longer."""

    def stop(*_):
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def said(error):
    """The first line of its message, shortened, without what a table would trip over."""
    line = str(error).strip().partition("\n")[0].replace("|", "/").replace("`", "'")
    line = line if len(line) <= N_LETTERS else line[:N_LETTERS].rstrip() + " …"
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def flowers():
    return load_iris().data.astype(np.float32)


def images():
    """The digits, in [0, 1]."""
    return (load_digits().data / 16).astype(np.float32)


def trained(library: Library, network=SMALL, X=None):
    X = images() if X is None else X
    model = library.model(X.shape[1], network)
    return library.train(model, X) or model


# With scikit-learn


def checks(library):
    found = check_estimator(library.to_check(), on_skip=None, on_fail=None)
    failed = sorted({one["check_name"] for one in found if one["status"] == "failed"})
    n_run = len({one["check_name"] for one in found if one["status"] != "skipped"})
    names = f": {', '.join(failed)}" if 0 < len(failed) <= N_NAMED else ""
    return f"{len(failed)} of {n_run} fail{names}"


def cloned(library):
    original = library.estimator()
    return yes(clone(original).get_params().keys() == original.get_params().keys())


def in_pipeline(library):
    """As the step before a classifier."""
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(MinMaxScaler(), library.estimator(), LogisticRegression())
    pipeline.fit(X.astype(np.float32), y)
    return "yes"


def in_search(library):
    X, estimator = flowers(), library.estimator()
    search = GridSearchCV(estimator, library.grid, cv=2, error_score="raise")
    search.fit(X, library.target(X))
    return yes(np.isfinite(search.best_score_))


def frames_out(library):
    import pandas as pd

    estimator = fitted(library.estimator().set_output(transform="pandas"), library)
    return yes(isinstance(estimator.transform(flowers()), pd.DataFrame))


def names_out(library):
    return yes(len(fitted(library.estimator(), library).get_feature_names_out()) == 2)


def inverse(library):
    estimator = fitted(library.estimator(), library)
    return yes(estimator.inverse_transform(estimator.transform(flowers())).shape == (150, 4))


def fitted(estimator, library):
    return estimator.fit(flowers(), library.target(flowers()))


def weights(library):
    """Whether weights of rows change what is fitted."""
    X, y = flowers(), library.target(flowers())
    fits = (library.estimator().fit(X, y, sample_weight=w) for w in (np.ones(150), np.arange(150)))
    one, other = (output(fitted, X) for fitted in fits)
    return yes(not np.array_equal(one, other))


def output(fitted, X):
    return fitted.transform(X) if hasattr(fitted, "transform") else fitted.predict(X)


def by_parts(library):
    X, estimator = flowers(), library.estimator()
    for rows in (X[::2], X[1::2]):
        estimator.partial_fit(rows, *([library.target(rows)] if y_is_needed(library) else []))
    return yes(np.isfinite(output(estimator, X)).all())


def y_is_needed(library):
    return library.target(flowers()) is not None


def sparse(library):
    X = scipy.sparse.csr_array(flowers())
    library.estimator().fit(X, library.target(flowers()))
    return "yes"


def to_onnx(library):
    """Whether skl2onnx converts the fitted estimator."""
    estimator = fitted(library.estimator(), library)
    import skl2onnx

    library.prepare_onnx()
    skl2onnx.to_onnx(estimator, flowers()[:1])
    return "yes"


# Tables and faults


def categories(library):
    """A data frame with a column of categories."""
    import pandas as pd

    frame = pd.DataFrame(flowers(), columns=list("abcd"))
    frame["a"] = pd.Categorical(np.where(frame["a"] > 5.8, "long", "short"))
    return fits_all(library.estimator(), frame, library)


def missing(library):
    """Rows with missing values, to be learnt from."""
    X = flowers()
    X[::7, 1] = np.nan
    return fits_all(library.for_gaps(), X, library)


def fits_all(estimator, X, library):
    found = np.asarray(output(estimator.fit(X, library.target(X)), X), dtype=float)
    return yes(len(found) == len(X) and np.isfinite(found).all())


def gaps(library):
    """An array with a NaN: either a clear error or a fit that allows for it is right."""
    X = images()
    X[3, 5] = np.nan
    model = library.model(X.shape[1], SMALL)
    try:
        found = library.used(library.train(model, X) or model, images())
    except NotOffered:
        raise
    except Exception as error:
        return clear(error, ("nan", "missing"))
    return "no error" + ("" if np.isfinite(found).all() else "; output is NaN")


def other_width(library):
    """A column is missing when the model is used."""
    model = trained(library)
    try:
        library.used(model, images()[:, :-1])
    except NotOffered:
        raise
    except Exception as error:
        return clear(error, ("feature", "column"))
    return "no error"


def clear(error, words):
    """Whether an error names its cause."""
    of_value = isinstance(error, ValueError | ArithmeticError)
    names_it = of_value and any(word in str(error).lower() for word in words)
    return "yes" if names_it else f"no: {said(error)}"


# Randomness and state


def same_bits(library):
    """Two fits with the same seed; other numbers are drawn between them."""
    one = library.used(trained(library), images())
    draw_from_generators()
    return yes(np.array_equal(one, library.used(trained(library), images())))


def leaves_generators(library):
    """Which global generators of random numbers are as they were after a fit."""
    draw_from_generators()  # or they might be where a fit before this one left them
    before = generators()
    trained(library)
    changed = [name for name, state in generators().items() if state != before[name]]
    return f"no: {', '.join(changed)}" if changed else "yes"


def draw_from_generators():
    import torch

    random.random(), np.random.rand(3), torch.rand(3)


def generators():
    import torch

    return {
        "random": str(random.getstate()),
        "numpy": pickle.dumps(np.random.get_state()),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


def interrupted(library):
    """Whether a model can be used after Ctrl-C in its fit."""
    trained(library)  # so that all modules are imported
    model = library.model(images().shape[1], ENDLESS)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in background jobs
    keys = CtrlC()
    keys.start()
    try:
        model = library.train(model, images()) or model
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        keys.stop()
    if not keys.is_pressed:
        raise NotOffered("a fit takes no time")
    return yes(np.isfinite(library.used(model, images())).all())


class CtrlC(threading.Thread):
    """Presses Ctrl-C, and again if nothing comes of it, as where a destructor swallows it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.is_pressed, self.has_ended = False, threading.Event()

    def run(self):
        while not self.has_ended.wait(UNTIL_INTERRUPT):
            self.is_pressed = True
            _thread.interrupt_main()

    def stop(self):
        self.has_ended.set()
        self.join()


def pickled(library):
    model = trained(library, library.to_pickle or SMALL)
    copy = pickle.loads(pickle.dumps(model))
    return yes(np.array_equal(library.used(model, images()), library.used(copy, images())))


def yes(holds):
    return "yes" if holds else "no"


QUESTIONS = {
    "ways": {
        "`check_estimator`": checks,
        "`clone`": cloned,
        "in a Pipeline": in_pipeline,
        "GridSearchCV": in_search,
        "`set_output`": frames_out,
        "`get_feature_names_out`": names_out,
        "`inverse_transform`": inverse,
    },
    "rows": {
        "data frame with categories": categories,
        "missing values": missing,
        "sparse X": sparse,
        "`sample_weight`": weights,
        "`partial_fit`": by_parts,
        "clear error for NaN": gaps,
        "clear error for a missing column": other_width,
    },
    "state": {
        "same seed, same bits": same_bits,
        "leaves global generators alone": leaves_generators,
        "usable after Ctrl-C": interrupted,
        "pickle": pickled,
        "skl2onnx": to_onnx,
    },
}
