"""Tables of pandas, polars, pyarrow and NumPy: their cells as arrays, and back to their dtypes.

A library is imported only when one of its tables is read or made. A table's content is `Cells` per
column; its appearance is a frame, which makes such tables again. What a column's dtype does not
tell, such as how it marks missing values, is its `marker`. `plain` describes a frame and its table
without classes of the library: an encoder stores this.
"""

import importlib
import sys

import numpy as np
from sklearn.utils.validation import validate_data

from skae._cells import numbers_as, numeric_cells
from skae._engine.shards import Shard, own

TABLES = (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table"))
TABLES += (("pyarrow", "RecordBatch"),)


def frame_like(X):
    """The frame of a table; None if X is not a table."""
    for library, name in TABLES:
        if _is(X, library, name):
            return _frame_class(library).of(X)
    return None


def frame_of(X):
    """The frame of a table or array."""
    return frame_like(X) or ArrayFrame.of(X)


def column_of_all(X, place):
    """Where a column of a table is that has the rows of all processes: a frame, its table, a place.

    Without other processes it is where it was. A Shard's is sent to all, a ValueError if dtypes
    differ.
    """
    frame = frame_of(own(X))
    if not isinstance(X, Shard):
        return frame, X, place
    tables = X.group.gather(frame.select(X.own, [place]))
    dtypes = [frame_of(table).dtypes[0] for table in tables]
    for rank, dtype in enumerate(dtypes):
        if dtype != dtypes[0]:
            raise ValueError(
                f"Rank {rank} differs from rank 0 in the dtype of column {frame.names[place]!r}: "
                f"{dtype!r} instead of {dtypes[0]!r}. Give the tables of all ranks the same dtypes."
            )
    whole = frame.joined(tables)
    return frame_of(whole), whole, 0


def frame_from(plain):
    """The frame that `plain` described so."""
    return _frame_class(plain["library"]).from_plain(plain)


def _frame_class(library):
    """The class of frames of a library."""
    if library == "numpy":
        return ArrayFrame
    name = {"pyarrow": "arrow"}.get(library, library)
    return importlib.import_module(f"skae._frames_{name}").Frame


def _is(X, module, name):
    """Whether X is an instance of a module's class; the module is then already imported."""
    cls = getattr(sys.modules.get(module), name, None)
    return cls is not None and isinstance(X, cls)


def is_frame(X):
    """Whether X, or what a `Shard` has of it, is a table of one of these libraries."""
    if isinstance(X, np.ndarray):
        return False
    X = own(X)
    return _is(X, "pandas", "DataFrame") or _is(X, "polars", "DataFrame") or _is_arrow(X)


def check_frame(estimator, X, reset, least=1):
    """Scikit-learn's checks of a table's names of columns and of its shape."""
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if X.shape[0] < least or X.shape[1] == 0:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) while a "
            f"minimum of {least} and 1 is required by {type(estimator).__name__}."
        )
    return X


def columns_of_others(X):
    """Indices of a table's columns with non-numeric dtypes, including booleans."""
    dtypes = X.schema.types if _is_arrow(X) else [*X.dtypes]
    is_numeric = {dtype: _is_numeric(X, dtype) for dtype in set(dtypes)}
    return [place for place, dtype in enumerate(dtypes) if not is_numeric[dtype]]


def dtypes_for(X):
    """Dtypes of X that computations keep; everything else is computed in the first of these."""
    return np.float32 if _is_of_float32(X) else [np.float64, np.float32]


def _is_of_float32(X):
    """Whether all columns are float32, for libraries that scikit-learn does not check."""
    if isinstance(X, np.ndarray):
        return False
    X = own(X)
    if _is_arrow(X):
        from pyarrow import types

        return all(map(types.is_float32, X.schema.types))
    is_other = _is(X, "polars", "DataFrame") or _is(X, "dask.dataframe", "DataFrame")
    return is_other and {str(dtype).lower() for dtype in X.dtypes} == {"float32"}


def _is_arrow(X):
    return _is(X, "pyarrow", "Table") or _is(X, "pyarrow", "RecordBatch")


def _is_numeric(X, dtype):
    if _is_arrow(X):
        from pyarrow import types

        return types.is_integer(dtype) or types.is_floating(dtype)
    if _is(X, "polars", "DataFrame"):
        return dtype.is_numeric()
    from pandas.api import types

    return types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)


def table_of(library, X):
    """A pandas or polars table, made from X if X belongs to another library."""
    if _is(X, library, "DataFrame"):
        return X
    if library == "pandas":
        return X.to_pandas()
    import polars as pl

    return pl.from_pandas(X) if _is(X, "pandas", "DataFrame") else pl.DataFrame(X)


class ArrayFrame:
    """Arrays of numbers, whose columns are known by their indices."""

    def __init__(self, dtype, n_columns):
        self.names, self.dtype = [*range(n_columns)], dtype
        self.dtypes = [dtype] * n_columns

    @classmethod
    def of(cls, X):
        return cls(X.dtype, X.shape[1])

    @classmethod
    def from_plain(cls, plain):
        return cls(np.dtype(plain["dtype"]), plain["n_columns"])

    def plain(self, markers):
        return {"library": "numpy", "dtype": self.dtype.name, "n_columns": len(self.names)}

    def marker(self, X, place):
        return None

    def cells(self, X, place):
        values = np.asarray(X[:, place])
        return numeric_cells(values, np.isnan(values))

    def column(self, place, values, missing):
        return numbers_as(values, self.dtype, missing)

    def take(self, column, places):
        return column[places]

    def remember(self, matrix, X):
        pass

    def build(self, columns, like):
        return np.column_stack(columns)

    def gaps(self, X, place):
        return np.isnan(X[:, place])

    def select(self, X, places):
        return X[:, places]

    def joined(self, tables):
        return np.concatenate(tables)

    def fill(self, X, fills):
        filled = X.copy()
        for place, fill in fills.items():
            filled[fill.gaps, place] = fill.values
        return filled

    def append(self, X, columns):
        return np.column_stack([X, *columns.values()]).astype(X.dtype)
