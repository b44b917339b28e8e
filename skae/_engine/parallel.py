"""Processes that train one network together: their sums, and their parts of a batch.

All of them call the same methods in the same order. If one waits in vain, an error names the rank
that caused this.
"""

import pickle
import time
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist

from skae._engine.pipes import Pipes
from skae._engine.shared_memory import add_up_shared, shared_zeros

ROLL_CALL = 5.0  # seconds within which remaining ranks notice a lost one
LARGE = 2**20  # bytes of an array whose copies take longer than a message of its own
APART = (
    "The processes have separated after an error: leave data_parallel() in all of them, and enter "
    "it again."
)


class Group:
    """The processes of torch's default group, with connections of their own.

    Parameters
    ----------
    timeout : float
        Number of seconds that a process waits for the others.
    """

    def __init__(self, timeout):
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._group = dist.new_group(timeout=timedelta(seconds=timeout), backend="gloo")
        self._notes = Notes(self._group.group_name, self.rank, self.size, timeout)
        self._shared = [None] * self.size  # the vectors of all ranks that `zeros` made last
        self._pipes, self._timeout = None, timeout  # pipes for them
        self.gather(None)  # no process leaves, for example by an error, before all are there

    def zeros(self, length, like):
        """A vector of zeros; if it is large, ranks of one machine add it up in shared memory."""
        zeros = like.new_zeros(length)
        vectors = shared_zeros(zeros, self) if zeros.nbytes >= LARGE else None
        if vectors is None:
            return zeros
        self._shared, self._pipes = vectors, self._pipes or Pipes(self, self._timeout)
        return vectors[self.rank]

    def add_up(self, numbers):
        """The sum over all processes, in place, of a tensor or an array."""
        tensor = torch.from_numpy(numbers) if isinstance(numbers, np.ndarray) else numbers
        with self._answered() as group:
            if tensor is self._shared[self.rank]:
                add_up_shared(self._shared, self.rank, self._pipes.wait)
            else:
                dist.all_reduce(tensor, group=group)
        return numbers

    def any(self, value):
        """Whether a value is true in any process."""
        return any(self.gather(bool(value)))

    def gather(self, value):
        """The values of all processes, by rank."""
        values = [None] * self.size
        with self._answered() as group:
            dist.all_gather_object(values, value, group=group)
        return values

    def from_first(self, value):
        """The value of rank 0; large arrays in it are sent from where they lie."""
        apart = []
        told = [_pickled(value, apart) if self.rank == 0 else None]
        with self._answered() as group:
            dist.broadcast_object_list(told, src=0, group=group)
            pickled, sizes = told[0]
            apart = apart or [torch.empty(n, dtype=torch.uint8, device="cpu") for n in sizes]
            for memory in apart:
                dist.broadcast(memory, src=0, group=group)
        return value if self.rank == 0 else pickle.loads(pickled, buffers=map(np.asarray, apart))

    @contextmanager
    def _answered(self):
        """A context for joint calls; its errors name the process that did not take part."""
        if self._group is None:
            raise RuntimeError(APART)
        try:
            yield self._group
        except RuntimeError as error:
            raise self._notes.lost(error) from error

    def fail(self, error):
        """Report an error to the others and leave, so that their waiting ends at once."""
        if not isinstance(error, LostRankError):
            self._notes.leave(error)
        self.close()

    def close(self):
        """Leave the group."""
        if self._pipes is not None:
            self._pipes.close()
        if self._group is not None:
            dist.destroy_process_group(self._group)
            self._group = None


def _pickled(value, apart):
    """A value as bytes without its large arrays, and the sizes of these, whose memory is listed."""

    def is_small(buffer):
        memory = np.frombuffer(buffer.raw(), np.uint8)
        if memory.nbytes < LARGE or not memory.flags.writeable:
            return True
        apart.append(torch.from_numpy(memory))
        return False

    pickled = pickle.dumps(value, protocol=5, buffer_callback=is_small)
    return pickled, [memory.numel() for memory in apart]


class LostRankError(RuntimeError):
    """A process for which others wait has failed, has ended or does not answer."""


class Notes:
    """Messages between processes without other connections: keys in torch's store."""

    def __init__(self, name, rank, size, timeout):
        self._rank, self._size, self._timeout = rank, size, timeout
        store = dist.distributed_c10d._get_default_store()
        self._store = dist.PrefixStore(f"skae/{name}", store)

    def leave(self, error):
        """Note why this process has failed."""
        cause = f"{type(error).__name__}: {error}"
        try:
            self._store.set(f"failed/{self._rank}", cause)
        except RuntimeError:  # without the store, the others' calls end, too
            return

    def lost(self, error):
        """The error of a process whose joint call failed."""
        try:
            return LostRankError(self._found(error))
        except RuntimeError:
            return LostRankError(
                "Rank 0, which holds the store of torch.distributed, does not answer: its process "
                "has ended."
            )

    def _found(self, error):
        """The cause, as far as the others noted it."""
        self._store.set(f"here/{self._rank}", "")
        ends = time.monotonic() + min(ROLL_CALL, self._timeout)
        while True:
            failed, absent = self._with("failed"), self._without("here")
            if failed:
                causes = (self._store.get(f"failed/{rank}").decode() for rank in failed)
                pairs = zip(failed, causes, strict=True)
                return " ".join(f"Rank {rank} has failed: {cause}" for rank, cause in pairs)
            if self._rank in self._with("given_up"):
                return (
                    f"The other ranks have waited for this one, rank {self._rank}, for more than "
                    f"{self._timeout:g} s and given up."
                )
            if not absent or time.monotonic() > ends:
                return self._of_absent(absent, error)
            time.sleep(0.05)

    def _of_absent(self, absent, error):
        for rank in absent:
            self._store.set(f"given_up/{rank}", "")
        if not absent:
            return f"The connection between the ranks has broken: {error}"
        names = f"{'Rank' if len(absent) == 1 else 'Ranks'} {', '.join(map(str, absent))}"
        return (
            f"{names} did not answer: the process has ended, or has hung for more than "
            f"{self._timeout:g} s, the timeout."
        )

    def _with(self, key):
        return [rank for rank in range(self._size) if self._store.check([f"{key}/{rank}"])]

    def _without(self, key):
        return [rank for rank in range(self._size) if not self._store.check([f"{key}/{rank}"])]


class Part:
    """This process's part of a batch.

    A process without rows in a batch takes part with a row of zeros of weight 0, so that all do
    the same.

    Parameters
    ----------
    group : Group
    indices : Tensor of int, shape (n,)
        Indices of the batch's rows among all rows.
    is_own : Tensor of bool, shape (n,)
        Mask of this process's rows among them.
    """

    def __init__(self, group, indices, is_own):
        self.group, self.size = group, len(indices)
        self._places = is_own.nonzero().flatten()
        self.indices = indices[self._places.to(indices.device)]
        self.n_own = len(self._places)
        self._drawn = self._places if self.n_own else self._places.new_zeros(1)

    @property
    def share(self):
        """The share of this part in the batch."""
        return self.n_own / self.size

    def of(self, whole, axis=0):
        """This part of values for all rows of the batch."""
        return whole.index_select(axis, self._drawn.to(whole.device))

    def whole(self, rows):
        """The whole batch, given this part's rows."""
        batch = rows.new_zeros(self.size, *rows.shape[1:])
        if self.n_own:
            batch[self._places.to(rows.device)] = rows
        return self.group.add_up(batch)

    def mean(self, means):
        """Means over the batch from those over its parts, in place."""
        return self.added_up(means.mul_(self.share))

    def added_up(self, terms):
        """Sums over the batch's parts, in place; a part without rows has no terms."""
        return self.group.add_up(terms if self.n_own else terms.zero_())

    def in_proportion(self, sums):
        """Sums over the batch, times the share of this part, from those over its parts."""
        whole = sums.clone() if self.n_own else torch.zeros_like(sums)
        return self.group.add_up(whole).mul_(max(self.n_own, 1) / self.size)


def of_batch(draw, x, generator, axis=0):
    """Random numbers for rows x, independent of how many processes share the batch.

    Parameters
    ----------
    draw : callable
        Draws from the generator for rows like those given, independent of their values.
    x : Tensor of shape (n, ...)
    generator : Generator
    axis : int, default=0
        Axis of the rows in the result of `draw`.
    """
    part = getattr(generator, "part", None)
    if part is None:
        return draw(x)
    return part.of(draw(x.new_empty(part.size, *x.shape[1:])), axis)


def on_batch(function, x, generator):
    """`function(x)`, a row for each, if it depends on other rows of the batch or draws for all."""
    part = getattr(generator, "part", None)
    if part is None:
        return function(x)
    generator.part = None
    try:
        return part.of(function(part.whole(x)))
    finally:
        generator.part = part
