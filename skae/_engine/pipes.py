"""Pipes through which the processes of one machine wait for each other.

Messages of torch.distributed pass through its own threads, which wait for a free core: they take
0.3 ms, and several on a busy machine; pipes take less than 0.1.
"""

import os
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe


class Pipes:
    """A pipe from each rank to each other one.

    The system closes those of a process that ends, however this happens, and the others notice.

    Parameters
    ----------
    group : Group
        It provides `gather`; all its ranks, which are on one machine, call this.
    timeout : float
        Number of seconds that a process waits for another.
    """

    def __init__(self, group, timeout):
        others = [rank for rank in range(group.size) if rank != group.rank]
        pipes = {rank: Pipe(duplex=False) for rank in others}
        paths = {rank: f"/proc/{os.getpid()}/fd/{end.fileno()}" for rank, (_, end) in pipes.items()}
        told = group.gather(paths)
        opened = (os.open(told[rank][group.rank], os.O_WRONLY) for rank in others)
        self._to = [Connection(end, readable=False) for end in opened]
        group.gather(None)  # all have opened theirs
        for _, end in pipes.values():
            end.close()  # so that the other one's is the last
        self._from, self._timeout = [pipe for pipe, _ in pipes.values()], timeout

    def wait(self):
        """Wait until all ranks have come here."""
        for pipe in self._to:
            with suppress(BrokenPipeError):  # its rank has ended, as the other pipe will tell
                pipe.send_bytes(b"")
        try:
            for pipe in self._from:
                if not pipe.poll(self._timeout):
                    raise RuntimeError("a rank has hung")
                pipe.recv_bytes()
        except EOFError as error:
            raise RuntimeError("a rank has closed its pipe") from error

    def close(self):
        """Close the pipes, which ends the others' waiting."""
        for pipe in (*self._to, *self._from):
            pipe.close()
