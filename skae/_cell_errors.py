"""Codes of rows from a fitted transformer, and the error of each cell."""

import numpy as np

from skae._base import BaseAutoencoder
from skae._columns import column_means, column_variances
from skae._engine.data import dense
from skae._engine.files import only
from skae._engine.network import Network
from skae._engine.shards import Shard, own
from skae._frames import is_frame
from skae._mixed import are_numbers, losses_of_columns, sums_of_cells
from skae._pipelines import backward, forward, steps_of
from skae._tabular import EncodedTable
from skae.tables import TableEncoder

CHUNK_SIZE = 2**22  # cells whose errors are computed at a time


def is_table_for(steps, holds_categories):
    """Whether the first of these steps, fitted or not, treats its input as a table to encode."""
    first = steps[0]
    if isinstance(first, TableEncoder):
        return True
    if not isinstance(first, BaseAutoencoder):
        return False
    if first.__sklearn_is_fitted__():
        return first._table is not None
    spec = first._table_spec
    return holds_categories if spec == "auto" else spec is not None


def rows_for(estimator, X, numbers):
    """X as the rows for a fitted transformer.

    Parameters
    ----------
    estimator : transformer
        Fitted.
    X : ndarray, CSR matrix, table or `Shard`
        X as the transformer takes it.
    numbers : ndarray, CSR matrix, `Shard` or None
        X as numbers; None for a table.
    """
    if isinstance(X, Shard):
        return SharedRows(rows_for(estimator, X.own, own(numbers)), X)
    steps = steps_of(estimator)
    first = steps[0]
    if isinstance(first, TableEncoder):
        matrix = first._encode(X)
        return ArrayRows(steps[1:], matrix, matrix, first._widths)
    if isinstance(first, BaseAutoencoder) and first._table is not None:
        return TableRows(steps, first._validate_rows(X))
    # Column names must be the ones that it knows, or it would warn.
    return ArrayRows(steps, X if hasattr(first, "feature_names_in_") else numbers, numbers)


class _Rows:
    """Abstract base class: rows in chunks.

    A subclass writes `_read`, which returns codes and errors of a slice of rows.
    """

    is_read_at_once = False

    def __init__(self, steps, numbers, widths):
        self.steps, self.numbers, self.widths = steps, numbers, widths
        self.n_rows_at_once = max(1, CHUNK_SIZE // numbers.shape[1])
        self._only = None  # the result, if one chunk holds all rows

    def __len__(self):
        return self.numbers.shape[0]

    @property
    def n_cells(self):
        """Number of cells of a row."""
        return self.numbers.shape[1] if self.widths is None else len(self.widths)

    def chunks(self):
        """Triples (slice of rows, codes, errors), in float64; NaN for missing values."""
        if len(self) <= self.n_rows_at_once:
            self._only = self._only or self._read(slice(0, len(self)))
            yield slice(0, len(self)), *self._only
            return
        for start in range(0, len(self), self.n_rows_at_once):
            some = slice(start, min(start + self.n_rows_at_once, len(self)))
            yield some, *self._read(some)

    def _compared(self, some, restored):
        """Rows as an array of the same shape as their reconstructions."""
        rows = dense(self.numbers[some])
        if rows.shape != restored.shape:
            raise ValueError(
                f"The reconstructions by {type(self.steps[-1]).__name__} have {restored.shape[1]} "
                f"columns, but X has {rows.shape[1]}: errors need a transformer that reconstructs "
                "the rows of X."
            )
        return rows

    def _cells(self, rows, errors):
        """Errors of cells from those of columns; inf if a row is too far away to compute them."""
        errors = np.where(np.isnan(errors), np.inf, errors)
        errors = np.where(np.isnan(rows), np.nan, errors)
        return errors if self.widths is None else sums_of_cells(self.widths, errors)

    def spreads(self, kept=None):
        """Errors of the mean as the reconstruction; 0 for constant cells."""
        numbers = self.numbers if kept is None else only(self.numbers, kept)
        spreads = self._spreads_of_columns(numbers)
        return spreads if self.widths is None else sums_of_cells(self.widths, spreads)

    def _spreads_of_columns(self, numbers):
        variances, means = column_variances(numbers), column_means(numbers)
        noise = (numbers.shape[0] * np.finfo(np.float64).eps * means) ** 2
        return np.where(variances > noise, variances, 0.0)


class ArrayRows(_Rows):
    """Rows of numbers; with widths, rows of a table's matrix, whose cells have several columns."""

    def __init__(self, steps, given, numbers, widths=None):
        super().__init__(steps, numbers, widths)
        self._given = given
        self.is_read_at_once = is_frame(given)  # slices of which may select by labels
        if self.is_read_at_once:
            self.n_rows_at_once = len(self)

    def _read(self, some):
        given = self._given if self.is_read_at_once else self._given[some]
        codes = forward(self.steps, given)
        restored = self._restored(given, codes)
        rows = self._compared(some, restored)
        with np.errstate(over="ignore", invalid="ignore"):
            errors = np.square(np.subtract(rows, restored, dtype=np.float64))
        return as_floats(codes), self._cells(rows, errors)

    def _restored(self, given, codes):
        *before, last = self.steps
        if isinstance(last, BaseAutoencoder) and last._perceptron.output.has_totals:
            return backward(before, last.reconstruct(forward(before, given)))
        return backward(self.steps, codes)


class TableRows(_Rows):
    """Rows of a table, which the autoencoder, the first step, encodes."""

    def __init__(self, steps, matrix):
        self._first = steps[0]
        super().__init__(steps, matrix, self._first._widths_of_table)

    def _read(self, some):
        codes = forward(self.steps, EncodedTable(self.numbers[some], self._first._table))
        own = backward(self.steps[1:], codes).astype(self._first._state.weights.dtype)
        restored = self._first._map(Network.reconstruct, own)
        rows = self._compared(some, restored)
        errors = losses_of_columns(self.widths, rows, restored)
        return as_floats(codes), self._cells(rows, errors)

    def _spreads_of_columns(self, numbers):
        """Variances of numbers; for a category, its columns' parts of the entropy."""
        proportions = column_means(numbers).clip(min=np.finfo(np.float64).tiny)
        variances = super()._spreads_of_columns(numbers)
        entropies = np.where(variances > 0, -proportions * np.log(proportions), 0.0)
        return np.where(are_numbers(self.widths), variances, entropies)


class SharedRows(_Rows):
    """Rows of which several processes have some: each reads its own, and gets what others have.

    Parameters
    ----------
    own : _Rows
        This process's.
    X : Shard
    """

    def __init__(self, own, X):
        super().__init__(own.steps, Shard(own.numbers, X.is_own, X.group), own.widths)
        self._own = own
        if own.is_read_at_once:
            self.n_rows_at_once = len(self)

    def _read(self, some):
        before, within = (self.numbers.is_own[:end].sum() for end in (some.start, some.stop))
        found = self._own._read(slice(before, within)) if before < within else None
        of_ranks = [its for its in self.numbers.group.gather(found) if its is not None]
        return tuple(map(np.concatenate, zip(*of_ranks, strict=True)))

    def _spreads_of_columns(self, numbers):
        return self._own._spreads_of_columns(numbers)


def as_floats(codes):
    """Codes of any kind as an array of float64."""
    return np.asarray(dense(codes), dtype=np.float64)
