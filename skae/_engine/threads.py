"""How many threads to compute with."""

from contextlib import nullcontext
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
    return _OneThread()


class _OneThread:
    """As ThreadpoolController.limit, which also gathers versions and takes ten times longer."""

    def __enter__(self):
        self._before = [(library, library.get_num_threads()) for library in _openmp()]
        for library, n_threads in self._before:
            if n_threads != 1:
                library.set_num_threads(1)

    def __exit__(self, *error):
        for library, n_threads in self._before:
            if n_threads != 1:
                library.set_num_threads(n_threads)


@cache
def _openmp():
    return ThreadpoolController().select(user_api="openmp").lib_controllers
