"""The order in which an epoch takes the rows."""

import torch

# For windows: numbers in a block, 4 MB of float32 or 1 MB of pixels, for which a file is read
# nearly as fast as sequentially; and the minimum of blocks in a window, enough to mix rows from
# all parts of the file. They do not depend on the machine's memory: other windows would give
# another training.
BLOCK_SIZE = 2**20
N_BLOCKS = 64


def windows_of(rows, shuffle, n_features, generator):
    """Rows in the order of an epoch, in parts to read one after another; see `shuffled_windows`."""
    if not shuffle:
        return [rows]
    if shuffle == "windows":
        return shuffled_windows(rows, n_features, generator)
    return [shuffled(rows, generator)]


def shuffled(rows, generator):
    """Rows in random order."""
    return rows[torch.randperm(len(rows), generator=generator, device="cpu")]


def shuffled_windows(rows, n_features, generator):
    """Windows of rows in random order, which consist of random blocks of neighbouring rows.

    Parameters
    ----------
    rows : Tensor of int, shape (n,)
        The rows in the fastest order for reading.
    n_features : int
        Number of columns of a row.
    generator : torch.Generator
    """
    blocks = rows.split(max(1, BLOCK_SIZE // n_features))
    drawn = torch.randperm(len(blocks), generator=generator, device="cpu")
    windows = drawn.tensor_split(max(1, len(blocks) // N_BLOCKS))
    of_each = (torch.cat([blocks[block] for block in window.tolist()]) for window in windows)
    return [shuffled(window, generator) for window in of_each]
