"""Data frames of numbers, categories, times and missing values as matrices, and back."""

from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse import csr_array, hstack, issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skae._categories import Categories
from skae._compat import (
    DocumentedMixin,
    Interval,
    StrOptions,
    align_sparse_interface,
    check_feature_names_in,
    fit_context,
    output_container,
)
from skae._engine.shards import map_rows, own
from skae._frames import ArrayFrame, check_frame, column_of_all, frame_from, frame_like, frame_of
from skae._sample_weight import counting
from skae._table_columns import Column, check_names, warn_of_columns
from skae._table_saved import plain, restored

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableEncoder"]

CHUNK = 1_000_000  # how many cells of a block are decoded at a time
SPARSE_BELOW = 0.1  # the fraction of the matrix's cells that are not 0
OF_COLUMNS = ("columns_", "kinds_", "categories_", "blocks_")  # attributes that describe columns


class TableEncoder(DocumentedMixin, TransformerMixin, BaseEstimator):
    """Turn data frames into matrices of numbers, and such matrices into data frames.

    A column of numbers or times becomes one scaled column of the matrix; a column of categories
    becomes a block with a column for each category, 1 for the row's category and 0 for the others.
    `inverse_transform` is the way back, with names, order, dtypes and missing values. The table
    that `fit` has seen is restored to the bit,

        ``inverse_transform(transform(X)).equals(X)``

    and any other matrix, such as an autoencoder's output, gives the likeliest table: the category
    with the largest number in its block, and numbers that `fit` could have seen, within the range
    and with no more decimals. Missing values are NaN in their whole block.

    Parameters
    ----------
    kinds : 'from_dtype' or dict, default='from_dtype'
        Kinds of the columns. 'from_dtype': floats, integers, dates, times and durations are
        numbers; booleans, strings, objects and (ordered) categories are categories. A dict
        overrides this for some columns by name, such as {'zip': 'category'} for numbers that are
        names; its values are 'numeric', 'category' and 'from_dtype'.
    numeric : {'auto', 'standard', 'quantile'}, default='auto'
        How numbers enter the matrix. 'standard' gives mean 0 and variance 1. 'quantile' gives
        normal scores of their quantiles, so that any distribution becomes normal. 'auto' is
        'standard', but 'quantile' if the encoder is the `table` of a VAE or a GAN.
    max_categories : int or None, default=100
        Maximum number of columns in a block. If there are more categories, the rarer ones share
        the last column and come back as the most frequent of them. With None, each category has
        its own column.
    unknown : {'missing', 'error'}, default='missing'
        How to treat a category that `fit` has not seen: as a missing value, or by
        raising ValueError.
    missing : {'auto', 'ignore'}, default='auto'
        How `inverse_transform` treats NaN. 'auto' gives missing values. 'ignore' gives the most
        frequent category, and for numbers the mean (with 'quantile', the median); then no value is
        missing, except in columns without any value in `fit`.

    Attributes
    ----------
    columns_ : list
        Names of the table's columns; for an array, their indices.
    kinds_ : dict
        'numeric' or 'category' for each column.
    categories_ : dict of ndarray
        For each column of categories, the categories that have a column in the matrix, in its
        order: sorted, or as in a categorical dtype. Rare categories are left out.
    blocks_ : dict of slice
        For each column, its columns in the matrix.
    sparse_output_ : bool
        Whether `transform` returns a CSR matrix, which it does if less than a tenth of its cells
        are not 0.
    n_features_in_ : int
        Number of columns of the table.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if all are strings.

    See Also
    --------
    skae.Autoencoder : A step to put after it in a pipeline.
    sklearn.compose.ColumnTransformer : Transforms columns, without a way back.
    sklearn.preprocessing.OneHotEncoder : Encodes categories only; its way back gives
        arrays.

    Notes
    -----
    A table that `fit` has not seen also comes back exactly if its categories are known and its
    numbers lie within the range seen in `fit` with no more decimals; if `fit` saw only whole days,
    hours or the like, times are rounded to these. Floats that use all their digits may come back
    with a rounding error of the order of the column's mean and spread; the encoder stores those of
    `fit` that would. It also stores integers further than 2**53 from the least one, and
    nanoseconds over years.

    The sign of zero is lost, and if a column mixes kinds of missing values (None and
    NaN), all come back as one kind.

    A pandas data frame comes back with its index from the matrix object that `transform` returned,
    and from a matrix that is a data frame, after ``set_output(transform='pandas')``. From any
    other matrix, such as a copy or a part, rows come back numbered from 0.

    A pandas column of integers or booleans that gets a missing value, for example from an unknown
    category, comes back in a nullable dtype, such as Int64.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae.tables import TableEncoder
    >>> X = pd.DataFrame({"age": [31, 58, 44], "job": ["clerk", None, "miner"]})
    >>> encoder = TableEncoder().fit(X)
    >>> encoder.transform(X).round(2)
    array([[-1.21,  1.  ,  0.  ],
           [ 1.24,   nan,   nan],
           [-0.03,  0.  ,  1.  ]])
    >>> encoder.get_feature_names_out().tolist()
    ['age', 'job=clerk', 'job=miner']
    >>> encoder.inverse_transform(encoder.transform(X)).equals(X)
    True
    >>> encoder.inverse_transform([[0.5, 0.3, 0.7]])
       age    job
    0   50  miner
    """

    _parameter_constraints: dict = {
        "kinds": [StrOptions({"from_dtype"}), dict],
        "numeric": [StrOptions({"auto", "standard", "quantile"})],
        "max_categories": [Interval(Integral, 2, None, closed="left"), None],
        "unknown": [StrOptions({"missing", "error"})],
        "missing": [StrOptions({"auto", "ignore"})],
    }

    _auto_numeric = "standard"  # meaning of numeric="auto"

    columns_: list
    kinds_: dict
    categories_: dict
    blocks_: dict
    sparse_output_: bool
    n_features_in_: int
    feature_names_in_: np.ndarray

    if TYPE_CHECKING:  # scikit-learn's, which have no types

        def fit_transform(self, X, y=None, **fit_params) -> np.ndarray: ...
        def set_output(self, *, transform=None) -> Self: ...

    def __init__(
        self,
        kinds: str | dict = "from_dtype",
        *,
        numeric="auto",
        max_categories: int | None = 100,
        unknown="missing",
        missing="auto",
    ):
        self.kinds = kinds
        self.numeric = numeric
        self.max_categories = max_categories
        self.unknown = unknown
        self.missing = missing

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None) -> Self:
        """Learn columns, categories and scales.

        Parameters
        ----------
        X : DataFrame or Table or array-like of shape (n_samples, n_features)
            A data frame of pandas or polars, a table of pyarrow, or an array of numbers. Missing
            values are those that these libraries treat as such.
        y : None
            Ignored.

        Returns
        -------
        self : TableEncoder
            The fitted encoder.
        """
        return self._fit(X)

    def _fit(self, X, sample_weight=None):
        """Fit to rows, which may be a `Shard` and have weights."""
        X = map_rows(partial(self._validate, reset=True), X)
        rows, weights = (None, None) if sample_weight is None else counting(sample_weight, X)
        frame, markers = frame_of(own(X)), []
        kinds = self.kinds if isinstance(self.kinds, dict) else {}
        check_names(frame.names, kinds)
        self._columns = []
        for place, name in enumerate(frame.names):
            its_frame, table, its_place = column_of_all(X, place)
            cells = its_frame.cells(table, its_place)
            cells = cells if rows is None else cells.at(rows)
            self._columns.append(Column(name, frame.dtypes[place], cells, kinds, self, weights))
            markers.append(its_frame.marker(table, its_place))
        if not isinstance(frame, ArrayFrame):
            warn_of_columns(self._columns)
        self._lay_out()
        self._frame = frame.plain(markers)
        return self

    def _validate(self, X, reset):
        """X unchanged if it is a data frame, otherwise as an array of numbers."""
        if frame_like(X) is None:
            return self._validate_array(X, reset)
        try:
            return check_frame(self, X, reset)
        except ValueError as error:
            if not reset and len(X):
                error.add_note("Pass the columns of fit, in their order: X[encoder.columns_].")
            raise

    def _validate_array(self, X, reset):
        try:
            return validate_data(self, X, reset=reset, ensure_all_finite="allow-nan")
        except ValueError as error:
            if "could not convert" in str(error) or "strings" in str(error):
                error.add_note(
                    "An array must contain numbers: pass a DataFrame, whose columns have dtypes."
                )
            raise

    def _lay_out(self):
        ends = np.cumsum([column.encoder.width for column in self._columns]).tolist()
        if not ends[-1]:
            raise ValueError("No column of X has a value: there is nothing to encode.")
        self.columns_ = [column.name for column in self._columns]
        self.blocks_ = dict(zip(self.columns_, map(slice, [0, *ends[:-1]], ends), strict=True))
        self.kinds_ = {column.name: column.kind for column in self._columns}
        self.categories_ = {
            column.name: column.encoder.levels(column.encoder.kept)
            for column in self._columns
            if column.kind == "category"
        }
        self.sparse_output_ = len(ends) < SPARSE_BELOW * ends[-1]

    def transform(self, X) -> np.ndarray:
        """Turn a table into a matrix.

        Parameters
        ----------
        X : DataFrame or Table or array-like of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        matrix : ndarray of shape (n_samples, n_columns)
            A matrix of float64; CSR if `sparse_output_`, unless `set_output` asks for a
            data frame. A missing value is NaN in its whole block.
        """
        matrix = self._encode(X, sparse=output_container(self) == "default")
        if (frame := frame_like(X)) is not None:
            frame.remember(matrix, X)
        return matrix

    def _encode(self, X, unseen="missing", sparse=True):
        """The matrix of a table: an array, or CSR if both `sparse_output_` and `sparse` are true.

        Parameters
        ----------
        X : table
        unseen : {'missing', 'mean'}, default='missing'
            What replaces categories that `fit` has not seen: NaN, or the proportions of the known
            ones.
        sparse : bool, default=True
            Whether the matrix may be sparse.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        if self.sparse_output_ and sparse:
            blocks = [column.encoder.sparse_block(cells, unseen) for column, cells in self._read(X)]
            return align_sparse_interface(csr_array(hstack(blocks, format="csr")))
        matrix = np.zeros((X.shape[0], self._n_columns))
        for column, cells in self._read(X):
            column.encoder.write(matrix[:, self.blocks_[column.name]], cells, unseen)
        return matrix

    def _read(self, X):
        """The columns of `fit`, one after another, with their cells in another table."""
        frame = frame_of(X)
        for place, column in enumerate(self._columns):
            cells = column.like_fit(frame.cells(X, place), frame.dtypes[place])
            if self.unknown == "error":
                column.refuse_unknown(cells)
            yield column, cells

    @property
    def _n_columns(self):
        return self.blocks_[self.columns_[-1]].stop

    @property
    def _widths(self):
        """Widths of the parts of the matrix: 0 for a number, K for a block of K categories."""
        encoders = [column.encoder for column in self._columns]
        return tuple(encoder.n_categories for encoder in encoders if encoder.width)

    @property
    def _missing_fractions(self):
        """The fraction of missing values in each column of `fit`."""
        return np.array([column.missing_fraction for column in self._columns])

    def _names_of_gaps(self, matrix):
        """Names of the columns that have NaN in a matrix, dense or CSR."""
        if issparse(matrix):
            has_nan = np.zeros(matrix.shape[1], dtype=bool)
            has_nan[matrix.indices[np.isnan(matrix.data)]] = True
        else:
            has_nan = np.isnan(np.min(matrix, axis=0))
        return [name for name, block in self.blocks_.items() if has_nan[block].any()]

    def inverse_transform(self, X) -> "pd.DataFrame":
        """Turn a matrix into a table.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_columns)
            A matrix from `transform`, or numbers close to one.

        Returns
        -------
        table : DataFrame or Table or ndarray of shape (n_samples, n_features_in_)
            A table of the same library as in `fit`, with its names and dtypes.
        """
        return self._decode(X, like=X)

    def _decode(self, matrix, like=None, exact=True):
        """The table of a matrix.

        Parameters
        ----------
        matrix : array-like or sparse matrix
        like : table or matrix or None
            A table whose index the rows get, or the matrix that `transform` made from it.
        exact : bool, default=True
            Whether floats are rounded to the decimals seen in `fit`; otherwise they keep all
            digits.
        """
        check_is_fitted(self)
        matrix = check_array(
            matrix,
            accept_sparse="csc",
            ensure_all_finite="allow-nan",
            dtype=[np.float64, np.float32],
        )
        if matrix.shape[1] != self._n_columns:
            raise ValueError(
                f"X has {matrix.shape[1]} columns, but the matrix of this table has "
                f"{self._n_columns}: pass a matrix returned by transform."
            )
        frame, places = frame_from(self._frame), range(len(self._columns))
        return frame.build([self._column(frame, place, matrix, exact) for place in places], like)

    def _column(self, frame, place, matrix, exact):
        column, fill = self._columns[place], self.missing == "ignore"
        block = matrix[:, self.blocks_[column.name]]
        decoded = [column.encoder.cells(rows, fill, exact) for rows in dense_rows(block)]
        values, missing = (np.concatenate(parts) for parts in zip(*decoded, strict=True))
        if isinstance(column.encoder, Categories):
            return column_of_categories(frame, place, column.encoder.shown, values, missing)
        return frame.column(place, values, missing)

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Name the matrix's columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            None, or the names seen in `fit`.

        Returns
        -------
        names : ndarray of str objects
            Numbers have their column's name, categories names like 'job=clerk'. The last column of
            a block with rare categories is like 'job=(rare)'.
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        found = [column.names_out(name) for column, name in zip(self._columns, names, strict=True)]
        return np.array([name for names in found for name in names], dtype=object)

    def __getstate__(self):
        """The state as plain values, without private classes or those of data frame libraries."""
        state = {**super().__getstate__()}
        if "_columns" not in state:
            return state
        its = {name: value for name, value in state.items() if name not in OF_COLUMNS}
        return {**its, "_columns": [plain(column) for column in self._columns]}

    def __setstate__(self, state):
        if "_columns" in state:
            self._columns = [restored(column) for column in state["_columns"]]
            self._lay_out()
            state = {**state, "_columns": self._columns}
        super().__setstate__(state)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def column_of_categories(frame, place, levels, codes, missing):
    """A column of a data frame whose rows take their cells from a short column of levels."""
    lacks = np.zeros(len(levels), dtype=bool)
    if missing.any():
        codes = np.where(missing, len(levels), codes)
        lacks = np.append(lacks, True)
        levels = np.append(levels, np.array([None if levels.dtype == object else 0], levels.dtype))
    return frame.take(frame.column(place, levels, lacks), codes)


def dense_rows(block):
    """A block of a matrix as dense rows, few enough at a time to take little memory."""
    block = block.tocsr() if issparse(block) else block
    n_rows = max(1, CHUNK // max(1, block.shape[1]))
    for start in range(0, block.shape[0], n_rows):
        rows = block[start : start + n_rows]
        yield rows.toarray() if issparse(rows) else rows
