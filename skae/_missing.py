"""Missing values, which are NaN, and how they enter encoders; missing labels."""

import numpy as np
import torch
from torch import nn

from skae._columns import column_sums, has_missing, ratio
from skae._engine.devices import as_tensor


def is_missing(value):
    """Whether a value is None, NaN (unequal to itself) or pandas' NA (which cannot tell)."""
    equal = value == value
    return value is None or not (isinstance(equal, bool | np.bool_) and equal)


def fill_missing(x, means, with_mask, first=None):
    """Rows with each missing value replaced by its column's mean.

    Parameters
    ----------
    x : Tensor of shape (n, n_features)
    means : Tensor of shape (n_features,)
    with_mask : bool
        Whether to append a column for each cell: 1 if it is observed, 0 if it is missing.
    first : Tensor of int, shape (n_cells,), default=None
        The first column of each cell, if cells of a table have several.
    """
    missing = x.isnan()
    filled = torch.where(missing, means, x)
    if not with_mask:
        return filled
    missing = missing if first is None else missing.index_select(-1, first)
    return torch.cat([filled, (~missing).to(x.dtype)], dim=-1)


class FillMissing(nn.Module):
    """`fill_missing` as a layer."""

    def __init__(self, means, with_mask=True, first=None):
        super().__init__()
        self.register_buffer("means", means)
        self.register_buffer("first", first)
        self.with_mask = with_mask

    def forward(self, x):
        return fill_missing(x, self.means, self.with_mask, self.first)


class GapsMixin:
    """For autoencoders that take missing values, which enter as their columns' means.

    If training rows have missing values, or corruption makes some, the encoder also
    gets a mask.
    """

    _lacks_cells_ = _takes_mask_ = False

    def _learn_means(self, data, continues, makes_gaps=False):
        """Learn the replacements for missing values, and whether any are or will be missing."""
        sums, n_observed = column_sums(data.X, data.sample_weight)
        means = ratio(sums, n_observed)
        if continues:
            n_new, n_observed = n_observed, n_observed + self._n_observed_
            # This keeps the mean identical to the bit when the same rows come again.
            means = self._means_ + (means - self._means_) * ratio(n_new, n_observed)
        else:
            self._takes_mask_ = makes_gaps or has_missing(data.X)
        self._means_, self._n_observed_ = means, n_observed
        self.data_mean_ = as_tensor(means.astype(data.X.dtype)).numpy()  # aligned
        self._lacks_cells_ = self._takes_mask_ or any(map(has_missing, data.tables))

    def _start(self, data, held_out_fraction=0):
        return self._note_gaps(super()._start(data, held_out_fraction))

    def _resume(self, data, held_out_fraction=0):
        return self._note_gaps(super()._resume(data, held_out_fraction))

    def _note_gaps(self, trainer):
        """Held-out rows may have missing values even if the others do not."""
        if "data_mean_" not in vars(self):  # nor may any
            return trainer
        self._lacks_cells_ |= any(map(has_missing, trainer.data.tables))
        return trainer

    def _fill(self, x, with_mask):
        means = as_tensor(self.data_mean_, x.device)
        return fill_missing(x, means, with_mask, self._first_columns(x))

    def _first_columns(self, x):
        """The first column of each cell of a table; None where columns are cells."""
        return None if self._table is None else self._blocks(x).first

    def _inputs(self, x):
        return self._fill(x, self._takes_mask_)

    def _training_inputs(self, x):
        """The encoder's inputs for x in training."""
        return self._fill(x, self._takes_mask_) if self._lacks_cells_ else x

    def _input_layers(self):
        if not self._takes_mask_:
            return []
        means = as_tensor(self.data_mean_.copy())
        return [FillMissing(means, first=self._first_columns(means))]

    def _widths(self, n_features):
        n_inputs, n_outputs = super()._widths(n_features)
        return n_inputs + self._takes_mask_ * self._n_cells(n_features), n_outputs

    def _n_cells(self, n_features):
        return n_features if self._table is None else len(self._widths_of_table)

    def _mean_inputs(self, data):
        means = super()._mean_inputs(data)
        if not self._takes_mask_:
            return means
        return np.concatenate([means, np.zeros(self._n_cells(len(means)))])
