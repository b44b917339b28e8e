"""Random numbers: independent streams hashed from one seed, nothing global touched."""

import numpy as np
import torch
from sklearn.utils import check_random_state

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
        )
    )
}


def draw_seed(random_state):
    """A seed from the parameter `random_state`.

    None gives fresh entropy: unlike scikit-learn, global generators are never read.
    """
    if random_state is None:
        return int(np.random.SeedSequence().entropy % 2**63)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int32).max))
    check_random_state(random_state)  # for its errors
    return int(random_state)


def stream_seed(seed, stream, *position):
    """An integer for one stream of random numbers at one position, e.g. an epoch.

    Streams are hashed from (seed, stream, position), so noise never shifts the
    shuffles, and a position is all there is to remember for training to go on exactly.
    """
    sequence = np.random.SeedSequence((seed, STREAMS[stream], *position))
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1


def stream(seed, name, *position, device="cpu"):
    """A torch generator for one stream at one position (see `stream_seed`)."""
    return torch.Generator(device).manual_seed(stream_seed(seed, name, *position))
