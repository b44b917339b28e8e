"""Number of threads for computations."""

from contextlib import contextmanager, nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController

# Multiplications in a layer's product below which waking a second thread costs more than it saves;
# on a busy machine, where it comes late, it costs many times more.
SMALL_PRODUCT = 2**22


def enough_threads(n_rows, perceptron):
    """A context in which small networks compute with one thread; others are unaffected.

    The limit is OpenMP's for the calling thread only, so that it affects neither other threads nor
    code after the context.
    """
    if n_rows * max(perceptron.products) >= SMALL_PRODUCT:
        return nullcontext()
    return one_thread()


@contextmanager
def one_thread():
    """Like ThreadpoolController.limit, which also collects versions and takes ten times longer."""
    limited = []
    try:
        for library in _openmp():
            n_threads = library.get_num_threads()
            if n_threads != 1:
                limited.append((library, n_threads))
                library.set_num_threads(1)
        yield
    finally:
        for library, n_threads in limited:
            library.set_num_threads(n_threads)


@cache
def _openmp():
    return ThreadpoolController().select(user_api="openmp").lib_controllers
