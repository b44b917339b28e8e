"""Numbers as tensors.

An operation with a Python number first turns it into a tensor, which takes longer than a small
operation itself.
"""

from functools import lru_cache

import torch


@lru_cache(maxsize=64)
def _constant(value, dtype, device):
    with torch.inference_mode(False):  # in any mode of the caller, as other calls share it
        return torch.tensor(value, dtype=dtype, device=device)


def constant(value, like):
    """A number as a tensor of shape (), or a tuple as a tensor of its length, like another one.

    It is cached and must not be changed.
    """
    return _constant(value, like.dtype, like.device)


@lru_cache(maxsize=64)
def _constants(values, dtype, device):
    return [_constant(value, dtype, device) for value in values]


def constants(values, like):
    """Several of them, found together: faster."""
    return _constants(values, like.dtype, like.device)


def scaled_(tensor, gradient, factor):
    """A tensor times a gradient, a float or a tensor of shape (), and a number; in place."""
    if isinstance(gradient, float):
        if gradient * factor == 1.0:
            return tensor
        return tensor.mul_(constant(gradient * factor, tensor))
    return tensor.mul_(gradient * factor)
