"""How fits of gans.py are made: on one thread, of a part of their budget if that is asked for."""

import math
import time
from typing import NamedTuple

from threadpoolctl import threadpool_limits

from skae._adversarial import N_STEPS

LEAST_ROWS = 500  # that a part of the rows has


class Run(NamedTuple):
    """What to measure a task with."""

    data: str | None  # a file with MNIST; None downloads it
    seed: int
    fraction: float  # of the steps that a fit takes, and of the rows that judges learn from

    def some(self, *arrays):
        """The first rows, as many as the fraction is."""
        n = max(LEAST_ROWS, math.ceil(self.fraction * len(arrays[0])))
        return [array[:n] for array in arrays]


def fitted(gan, run, *arrays):
    """A GAN fitted with the run's seed, and the seconds of a processor that this took."""
    gan.set_params(random_state=run.seed)
    if run.fraction < 1:
        arrays = shorten(gan, run.fraction, arrays)
    return timed_fit(gan, *arrays)


def shorten(gan, fraction, arrays):
    """Leave a GAN a fraction of its epochs; where that is less than one, of the rows, too."""
    n_rows = len(arrays[0])
    n_epochs = fraction * epochs(gan, n_rows)
    gan.set_params(max_iter=max(1, round(n_epochs)))
    n_rows = max(LEAST_ROWS, math.ceil(min(1, n_epochs) * n_rows))
    return [array[:n_rows] for array in arrays]


def epochs(gan, n_rows):
    if gan.max_iter != "auto":
        return gan.max_iter
    return math.ceil(N_STEPS / math.ceil(n_rows / gan.batch_size))


def timed_fit(model, *arrays):
    with threadpool_limits(1):
        started = time.process_time()
        model.fit(*arrays)
        return model, time.process_time() - started
