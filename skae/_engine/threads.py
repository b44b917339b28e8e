"""How many threads to compute with."""

from contextlib import contextmanager, nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController

# Multiplications in a layer's product below which a second thread costs more to wake than
# it saves; on a busy machine, where it is late, it costs many times more.
SMALL_PRODUCT = 2**22


def enough_threads(n_rows, perceptron):
    """A context in which small networks compute with one thread, and others as they would.

    The limit is OpenMP's for the calling thread alone, so that neither other threads nor
    what comes after the context see anything of it.
    """
    if n_rows * perceptron.n_products >= SMALL_PRODUCT:
        return nullcontext()
    return _one_thread()


@contextmanager
def _one_thread():
    # As ThreadpoolController.limit, which also gathers versions and takes ten times longer.
    before = [(library, library.get_num_threads()) for library in _openmp()]
    try:
        for library, _ in before:
            library.set_num_threads(1)
        yield
    finally:
        for library, n_threads in before:
            library.set_num_threads(n_threads)


@cache
def _openmp():
    return ThreadpoolController().select(user_api="openmp").lib_controllers
