"""Memory that the processes of one machine share, so that their sums need no messages.

It has no name in any folder: when the last process that uses it ends, however this happens, the
system takes it back.
"""

import os
from contextlib import contextmanager
from uuid import uuid4

import torch


def shared_zeros(zeros, group):
    """Vectors like the given one, of each rank, all of which each rank can read and write.

    Parameters
    ----------
    zeros : Tensor of shape (length,)
    group : Group
        It provides `gather`; all its ranks call this.

    Returns
    -------
    vectors : list of Tensor, or None
        By rank; None, in all ranks, if they are not on one machine, or if one has no memory to
        share.
    """
    with reserved(zeros.nbytes) as told:
        memories = group.gather(told if zeros.is_cpu else None)
        vectors = _mapped(memories, zeros)
        return vectors if all(group.gather(vectors is not None)) else None


@contextmanager
def reserved(n_bytes):
    """New memory's path in this process and the system's name for it; None if there is none.

    All of it exists from the start, since a process that touched missing memory would be killed.
    """
    file = told = None
    try:
        file = os.memfd_create(f"skae-{uuid4().hex}")
        os.posix_fallocate(file, 0, n_bytes)
        path = f"/proc/{os.getpid()}/fd/{file}"
        told = path, os.readlink(path)
    except (AttributeError, OSError):  # not Linux; or not enough memory
        pass
    try:
        yield told
    finally:
        if file is not None:
            os.close(file)


def _mapped(memories, zeros):
    """The memories as tensors; None if one is missing, or is another machine's."""
    options = {"shared": True, "size": len(zeros), "dtype": zeros.dtype, "device": "cpu"}
    try:
        if None in memories or any(os.readlink(path) != name for path, name in memories):
            return None
        return [torch.from_file(path, **options) for path, _ in memories]
    except (OSError, RuntimeError):
        return None


def add_up_shared(vectors, rank, wait):
    """The sum of the vectors of all ranks, in each of them; `wait()` waits for all ranks.

    Each rank adds up one part for all, in the order of ranks, and so all get the same bits.
    """
    first, *others = (vector.tensor_split(len(vectors))[rank] for vector in vectors)
    wait()
    for other in others:
        first.add_(other)
    for other in others:
        other.copy_(first)
    wait()
