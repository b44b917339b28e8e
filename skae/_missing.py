"""What is missing: cells, which are NaN, and what encoders make of them; labels."""

import numpy as np
import torch
from torch import nn


def is_missing(value):
    """Whether it is None, NaN, which is not equal to itself, or pandas' NA, which does not say."""
    equal = value == value
    return value is None or not (isinstance(equal, bool | np.bool_) and equal)


def fill_missing(x, means, with_mask):
    """Rows with each missing cell as its column's mean.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
    means : Tensor of shape (n_features,)
    with_mask : bool
        Whether to append n_features columns: 1 where a cell is observed, 0 where not.
    """
    missing = x.isnan()
    filled = torch.where(missing, means, x)
    return torch.cat([filled, (~missing).to(x.dtype)], dim=-1) if with_mask else filled


class FillMissing(nn.Module):
    """`fill_missing` as a layer."""

    def __init__(self, means, with_mask=True):
        super().__init__()
        self.register_buffer("means", means)
        self.with_mask = with_mask

    def forward(self, x):
        return fill_missing(x, self.means, self.with_mask)
