"""Corruptions that the denoising autoencoder undoes, each of a batch x (n, n_features)."""

import math
from functools import partial

import torch

from skae._engine.constants import constant
from skae._engine.parallel import of_batch, on_batch


def mask(x, level, means, generator):
    """Set each cell to its column's mean with probability `level`.

    On a CPU the probability is rounded to a multiple of 2^-16.
    """
    kept = kept_cells(x, level, generator)
    return torch.lerp(means, x, kept, out=kept)


def kept_cells(x, level, generator):
    """1 for each cell with probability 1 - level, otherwise 0; in the shape and dtype of x."""
    return of_batch(partial(_kept_cells, level, generator), x, generator)


def _kept_cells(level, generator, x):
    if x.device.type != "cpu" or level < 2**-10:
        return torch.empty_like(x).uniform_(generator=generator).ge_(level)
    # 16 random bits per cell suffice; a uniform number takes 32 or 64, and drawing bits is the
    # main cost.
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device="cpu")
    bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)
    bits = bits.as_strided(x.shape, (x.shape[1], 1))
    n_of_bits = round(level * 2**16)  # of the 2^16 numbers; below it a cell is not kept
    return torch.gt(bits, constant(n_of_bits - 2**15 - 1, bits), out=torch.empty_like(x))


def add_gaussian_noise(x, level, generator):
    """Add normal noise of standard deviation `level`."""
    noise = of_batch(lambda x: torch.empty_like(x).normal_(generator=generator), x, generator)
    return x + level * noise


def add_salt_and_pepper(x, level, low, high, generator):
    """Set each cell to its `low` or its `high` with probability `level` / 2 each."""
    draw = uniform_like(x, generator)
    return torch.where(draw < level / 2, low, torch.where(draw < level, high, x))


def swap(x, level, draw, generator):
    """With probability `level`, give a cell another row's value in its column.

    `draw(x)` gives uniform numbers in the shape of x; columns with equal ones use the same row.
    """
    return on_batch(lambda x: _swap(x, level, draw(x)), x, generator)


def _swap(x, level, draw):
    n_rows = x.shape[0]
    if n_rows == 1:
        return x
    # Below the level, draw / level is uniform again: it chooses the other row.
    distance = (draw / level * (n_rows - 1)).long().clamp_(max=n_rows - 2).add_(1)
    rows = torch.arange(n_rows, device=x.device).unsqueeze(1)
    return torch.where(draw < level, x.gather(0, (rows + distance) % n_rows), x)


def uniform_like(x, generator):
    """A uniform number for each cell."""
    return of_batch(lambda x: torch.empty_like(x).uniform_(generator=generator), x, generator)


def apply_users(corruption, x, generator):
    """Corrupt by the user's callable."""
    return on_batch(partial(_apply_users, corruption, generator), x, generator)


def _apply_users(corruption, generator, x):
    with torch.no_grad():  # a copy: the clean x is the target
        corrupted = corruption(x.clone(), generator)
    found = type(corrupted).__name__
    if isinstance(corrupted, torch.Tensor):
        found = f"a tensor of shape {tuple(corrupted.shape)}"
    if not isinstance(corrupted, torch.Tensor) or corrupted.shape != x.shape:
        raise ValueError(
            f"corruption={corruption!r} must return a tensor of its input's shape, "
            f"{tuple(x.shape)}, but returned {found}."
        )
    if not math.isfinite(corrupted.sum()) and not corrupted.isfinite().all():
        raise ValueError(
            f"corruption={corruption!r} returned NaN or infinity: return finite numbers."
        )
    return corrupted.to(x)
