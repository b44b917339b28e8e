"""Random numbers: independent streams hashed from one seed, nothing global touched."""

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

STREAMS = {
    name: number
    for number, name in enumerate(
        (
            "weights",
            "split",
            "shuffle",
            "noise",
            "validation",
            "layers",
            "score",
            "corrupt",
            "sample",
            "revival",
            "sampled rows",
            "mixture",
            "walks",
        )
    )
}

LOWEST_WORD = 0xFFFFFFFF  # the lowest 32 bits


def stream_seed(seed, stream, *position):
    """An integer for one stream of random numbers at one position, e.g. an epoch.

    Streams are hashed from (seed, stream, position): noise never shifts the shuffles,
    and the position is all that training needs to continue exactly.
    """
    words = []
    for number in (seed, STREAMS[stream], *position):
        words.append(number & LOWEST_WORD)
        while number := number >> 32:
            words.append(number & LOWEST_WORD)
    # As SeedSequence((seed, ...)), whose own conversion to words takes longer than all the rest.
    sequence = np.random.SeedSequence(np.array(words, np.uint32))
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1


class Generator(torch.Generator):
    """A torch generator that knows for which part of a batch it draws.

    Attributes
    ----------
    part : Part or None
        None for the whole batch.
    """

    part = None


def stream(seed, name, *position, device="cpu"):
    """A torch generator for one stream at one position (see `stream_seed`)."""
    return Generator(device).manual_seed(stream_seed(seed, name, *position))


class OwnDraws(TorchDispatchMode):
    """Replaces draws from torch's global CPU generator in this thread by its own.

    For code without a generator argument, such as the constructors of modules. The numbers are
    those of the global generator after `torch.manual_seed(seed)`.
    """

    def __init__(self, seed):
        super().__init__()
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        draws = torch.Tag.nondeterministic_seeded in function.tags
        if draws and kwargs.get("generator") is None and self._is_on_the_cpu(args, kwargs):
            own = _taking_a_generator(function)
            if own is not None:
                function, kwargs["generator"] = own, self._generator
        return function(*args, **kwargs)

    @staticmethod
    def _is_on_the_cpu(args, kwargs):
        like = args[0].device if args and isinstance(args[0], torch.Tensor) else "cpu"
        return torch.device(kwargs.get("device") or like).type == "cpu"


def _taking_a_generator(function):
    """The function or its overload with an argument `generator`; None without, as for dropout."""
    if any(argument.name == "generator" for argument in function._schema.arguments):
        return function
    name = function._overloadname
    name = "generator" if name == "default" else f"{name}_generator"
    return getattr(function.overloadpacket, name, None)
