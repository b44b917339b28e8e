"""Data frames as matrices for autoencoders, and matrices as data frames."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils.validation import validate_data

from skae._compat import InvalidParameterError
from skae._engine.shards import Shard, map_rows, own
from skae._frames import columns_of_others, frame_like, is_frame
from skae._hints import first_without_number
from skae._mixed import blocks_of
from skae.tables import TableEncoder

DTYPE = np.float32  # of matrices: cells are indicators, or numbers of variance 1
NAMES = ("n_features_in_", "feature_names_in_")
NAMES_LIKE_NUMBERS = str, bool, np.bool_  # digits, and booleans beside missing values


@dataclass(frozen=True)
class EncodedTable:
    """A table's matrix, for a part of the estimator that encoded it.

    Parameters
    ----------
    matrix : ndarray, `Shard` or CSR matrix of shape (n_samples, n_columns)
    table : TableEncoder
        Fitted.
    """

    matrix: np.ndarray
    table: TableEncoder

    @property
    def own(self):
        """The same of this process's rows alone."""
        return EncodedTable(own(self.matrix), self.table)

    @property
    def shape(self):
        """Shape of the matrix."""
        return self.matrix.shape

    def __len__(self):
        return self.matrix.shape[0]


def is_shared(X):
    """Whether several processes have the rows of X."""
    return isinstance(X.matrix if isinstance(X, EncodedTable) else X, Shard)


def holds_more_than_numbers(X):
    """Whether X is a data frame with a non-numeric column."""
    if not is_frame(X):
        return False
    X = own(X)
    return any(_is_of_others(X, place) for place in columns_of_others(X))


def _is_of_others(X, place):
    """False for a pandas column of objects that are numbers, which scikit-learn converts."""
    if not hasattr(X, "iloc") or X.dtypes.iloc[place] != np.dtype(object):
        return True
    column = X.iloc[:, place]
    are_names = any(isinstance(value, NAMES_LIKE_NUMBERS) for value in column)
    return are_names or bool(first_without_number(column))


class TabularMixin:
    """For estimators that take data frames: encodes them, and turns rows back into one.

    An estimator fitted to a table has the encoder, `table_`, and its network gets the encoder's
    matrix.
    """

    table_: TableEncoder

    _auto_numeric = "standard"  # meaning of an encoder's numeric="auto"
    _takes_gaps_of_tables = False

    @property
    def _table(self):
        """The fitted encoder; None if the estimator gets arrays."""
        return vars(self).get("table_")

    @property
    def _widths_of_table(self):
        """Columns of each block of the matrix, 0 for a number; None for arrays."""
        table = self._table
        return None if table is None else table._widths

    def _blocks(self, like):
        """For a table, which columns each cell has, as tensors like another one."""
        return blocks_of(self._widths_of_table, like)

    def _as_matrix(self, X, reset, sample_weight=None):
        """X as a matrix if it is a table, otherwise None."""
        table = self._learn_table(X, sample_weight) if reset else self._table
        if table is None:
            return None
        return X.matrix if isinstance(X, EncodedTable) else map_rows(self._matrix_of, X)

    def _matrix_of(self, X):
        """The matrix of a table that `fit` has learnt."""
        self._check_names_of_columns(X)
        unseen = "missing" if self._takes_gaps_of_tables else "mean"
        with np.errstate(over="ignore"):  # this raises an error later
            matrix = self._table._encode(X, unseen=unseen).astype(DTYPE)
        if not self._takes_gaps_of_tables:
            self._refuse_gaps(matrix)
        return matrix

    def _learn_table(self, X, sample_weight):
        """Fit an encoder to X if it is a table, and give it; otherwise there is none."""
        vars(self).pop("table_", None)
        is_encoded = isinstance(X, EncodedTable)
        table = X.table if is_encoded else self._fitted_table(X, sample_weight)
        if table is not None:
            self._take_table(table)
            self._check_output_of_tables()
        return table

    @property
    def _table_spec(self):
        """The value of the parameter `table`."""
        return getattr(self, "table", None)

    def _fitted_table(self, X, sample_weight):
        spec = self._table_spec
        if spec is None or (spec == "auto" and not holds_more_than_numbers(X)):
            return None
        encoder = TableEncoder() if spec == "auto" else clone(spec)
        encoder._validate_params()
        encoder._auto_numeric = self._auto_numeric
        return encoder._fit(X, sample_weight)

    def _take_table(self, table):
        """Take rows of a table with this encoder."""
        self.table_ = table
        for name in NAMES:
            vars(self).pop(name, None)
            if hasattr(table, name):
                setattr(self, name, getattr(table, name))

    def _hand_table_to(self, part):
        """Give this estimator's encoder to a part that gets the same rows."""
        if self._table is not None:
            part._take_table(self._table)
        return part

    def _encoded(self, matrix):
        """A matrix as the input for a part's `fit`."""
        return matrix if self._table is None else EncodedTable(matrix, self._table)

    def _check_names_of_columns(self, X):
        names = self._table.columns_
        if not is_frame(X) and self._table._frame["library"] != "numpy":
            raise ValueError(
                f"{type(self).__name__} was fitted on a data frame with columns {names}, but got "
                f"{type(X).__name__}: pass a data frame with these columns."
            )
        try:
            validate_data(self, X, reset=False, skip_check_array=True)
        except ValueError as error:
            error.add_note(f"Pass the columns of fit, in their order: {names}.")
            raise

    def _refuse_gaps(self, matrix):
        values = matrix.data if issparse(matrix) else matrix
        if np.isnan(values.sum()):
            names = self._table._names_of_gaps(matrix)
            raise ValueError(
                f"Input X contains NaN: columns {names} have missing values, but "
                f"{type(self).__name__} takes none. Use DenoisingAutoencoder or VAE, which take "
                "them, or fill them with AutoencoderImputer as a step before."
            )

    def _check_output_of_tables(self):
        """Refuse parameters that only suit arrays."""

    def _refuse_for_tables(self, parameter, value, instead):
        self._refuse_tables(f"{parameter}={value!r}", instead)

    def _refuse_tables(self, what, instead):
        kinds = self._table.kinds_
        name = min(kinds, key=kinds.get)  # a category, if there is one
        raise InvalidParameterError(
            f"{what} needs an array, but X is a table, whose column {name!r} is {kinds[name]!r}: "
            f"{instead}."
        )

    def _remember(self, codes, X):
        """Remember the index of X for these codes, so that `inverse_transform` restores it."""
        if self._table is not None and (frame := frame_like(X)) is not None:
            frame.remember(codes, X)
        return codes

    def _as_table(self, matrix, like=None, exact=False):
        """Rows of the matrix as a table, if the estimator was fitted to one.

        Parameters
        ----------
        matrix : ndarray of shape (n, n_columns)
        like : object, default=None
            An object whose index the rows get.
        exact : bool, default=False
            Whether floats are rounded to the decimals seen in `fit`.
        """
        return matrix if self._table is None else self._table._decode(matrix, like, exact)
