"""Data-parallel fits: processes that train one model, each with rows of its own."""

import os
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import torch.distributed as dist

from skae._engine.parallel import Group
from skae._together import group_of_fits

__all__ = ["data_parallel"]


def data_parallel(*, timeout=300.0) -> AbstractContextManager:
    """Let fits train one model on the rows of all processes together.

    Each process calls `fit` or `partial_fit` of the same estimator, any one of skae, with the
    rows that it has, its shard. The result is what one process would make of all shards, one
    after the other, but for rounding, and it is the same in all processes to the bit. Each batch
    is drawn from all rows. Each process computes the gradient of the rows that are its own, and
    gradients are added up once per step. Statistics, encoders of tables, held-out rows,
    thresholds, stopping and noise are those of all rows, too.

    The processes are those that `torch.distributed` knows. If nobody has called its
    `init_process_group`, they are those that `torchrun` has started.

    Parameters
    ----------
    timeout : float, default=300.0
        Seconds that a process waits for the others before it gives up.

    Returns
    -------
    context : context manager
        Fits inside of it are shared; all processes must enter it, and fit the same in the same
        order.

    Raises
    ------
    RuntimeError
        If there are no such processes. In a fit, if another process fails, ends or does not
        answer: the error names its rank, and the estimator is not fitted (where training goes
        on, it is as before).
    ValueError
        In a fit, if the processes differ in the estimator, its parameters, or the columns of X:
        their number, names or, where they are encoded, dtypes.

    See Also
    --------
    skae.Autoencoder.partial_fit : One epoch at a time, to save what has been reached.

    Examples
    --------
    A script that `torchrun --nproc-per-node 2 train.py` starts in two processes::

        X = np.load("X.npy", mmap_mode="r")[rank::2]
        with data_parallel():
            autoencoder = Autoencoder().fit(X)

    One process is a group, too:

    >>> import torch.distributed as dist
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.distributed import data_parallel
    >>> X = load_digits().data / 16
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> with data_parallel():
    ...     autoencoder = Autoencoder(8, max_iter=5, random_state=0).fit(X)
    >>> dist.destroy_process_group()
    >>> autoencoder.n_iter_
    5
    """
    return _shared_fits(timeout)


@contextmanager
def _shared_fits(timeout):
    with _processes(timeout):
        group = Group(timeout)
        token = group_of_fits.set(group)
        try:
            yield
        finally:
            group_of_fits.reset(token)
            group.close()


@contextmanager
def _processes(timeout):
    """A context in which torch knows the processes; those that it knows already stay."""
    if not dist.is_available():
        raise RuntimeError("This build of torch has no torch.distributed: install another one.")
    if dist.is_initialized():
        yield
        return
    if "RANK" not in os.environ:
        raise RuntimeError(
            "There are no processes to train together with: start the script with torchrun, as in "
            "'torchrun --nproc-per-node 2 train.py', or call init_process_group of "
            "torch.distributed first."
        )
    dist.init_process_group("gloo", timeout=timedelta(seconds=timeout))
    try:
        yield
    finally:
        dist.destroy_process_group()
