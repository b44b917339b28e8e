"""Data-parallel fits: several processes train one model, each with rows of its own."""

import os
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import torch.distributed as dist

from skae._engine.parallel import Group
from skae._together import group_of_fits

__all__ = ["data_parallel"]


def data_parallel(*, timeout=300.0) -> AbstractContextManager:
    """Let each fit train one model on the rows of all processes.

    Each process calls `fit` or `partial_fit` of the same estimator, any one of skae except a
    `TableEncoder` on its own, with its own rows, its shard. The result is identical to the bit in
    all processes and, up to rounding, that of one process with the concatenated shards. Each batch
    is drawn from all rows, and each process computes the gradient for its own; once per step, the
    gradients are added up. Statistics, encoders of tables, held-out rows, thresholds, stopping and
    noise also refer to all rows.

    The processes are those of `torch.distributed`. If its `init_process_group` has not
    been called, they are those that `torchrun` started.

    Parameters
    ----------
    timeout : float, default=300.0
        Number of seconds that a process waits for the others before it gives up.

    Returns
    -------
    context : context manager
        Fits inside it are shared; all processes must enter it and run the same fits in the same
        order.

    Raises
    ------
    RuntimeError
        If there are no such processes. In a fit, if another process fails, ends or does not
        answer: the error names its rank, and the estimator is not fitted (if training was to
        continue, or had not begun, it is unchanged).
    ValueError
        In a fit, if the processes differ in the estimator, its parameters or the columns of X:
        their number, names or, if they are encoded, dtypes.

    See Also
    --------
    skae.Autoencoder.partial_fit : Trains one epoch at a time, so that progress can be
        saved.

    Examples
    --------
    A script that `torchrun --nproc-per-node 2 train.py` runs in two processes::

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
    """A context in which torch knows the processes; an existing process group is kept."""
    if not dist.is_available():
        raise RuntimeError("This build of torch has no torch.distributed: install one that has it.")
    if dist.is_initialized():
        yield
        return
    if "RANK" not in os.environ:
        raise RuntimeError(
            "There are no other processes to train with: start the script with torchrun, as in "
            "'torchrun --nproc-per-node 2 train.py', or call init_process_group of "
            "torch.distributed first."
        )
    dist.init_process_group("gloo", timeout=timedelta(seconds=timeout))
    try:
        yield
    finally:
        dist.destroy_process_group()
