"""In which order an epoch takes the rows."""

import torch

# Of windows: numbers in a block, 4 MB of float32 and 1 MB of pixels, in which a file is read nearly
# as fast as from its beginning to its end; and the least blocks in a window, so many that rows of
# all kinds are in it wherever they lie in the file. They go by no machine's memory: other windows
# would be another training.
BLOCK_SIZE = 2**20
N_BLOCKS = 64


def shuffled(rows, generator):
    """Rows in random order."""
    return rows[torch.randperm(len(rows), generator=generator, device="cpu")]


def shuffled_in_windows(rows, n_features, generator):
    """Rows in random order within windows, which consist of random blocks of neighbouring rows.

    Parameters
    ----------
    rows : Tensor of int, shape (n,)
        In the order in which they are read fastest.
    n_features : int
        Numbers in a row.
    generator : torch.Generator
    """
    blocks = rows.split(max(1, BLOCK_SIZE // n_features))
    drawn = torch.randperm(len(blocks), generator=generator, device="cpu")
    windows = drawn.tensor_split(max(1, len(blocks) // N_BLOCKS))
    of_each = (torch.cat([blocks[block] for block in window.tolist()]) for window in windows)
    return torch.cat([shuffled(window, generator) for window in of_each])
