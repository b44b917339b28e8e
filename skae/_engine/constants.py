"""Numbers as tensors: an operation with a Python number first makes a tensor of it, for more than
a small operation itself costs."""

from functools import lru_cache

import torch


@lru_cache(maxsize=64)
def _constant(value, dtype, device):
    return torch.tensor(value, dtype=dtype, device=device)


def constant(value, like):
    """A number as a tensor of shape (), of the dtype and on the device of another; not to be changed."""
    return _constant(value, like.dtype, like.device)


def scaled_(tensor, gradient, factor):
    """A tensor multiplied, in place, by a gradient that is a float or a tensor, and a number."""
    if isinstance(gradient, float):
        return tensor.mul_(constant(gradient * factor, tensor))
    return tensor.mul_(gradient * factor)
