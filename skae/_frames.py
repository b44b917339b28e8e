"""Tables of pandas, polars, pyarrow and NumPy: their cells as arrays, and back to their dtypes.

None of these libraries is imported before a table of it has come. What a table consists of is
`Cells` per column; what it looked like is a frame, which makes such tables again.
"""

import sys

import numpy as np

from skae._cells import numbers_as, numeric_cells


def frame_like(X):
    """The `Frame` of a table; None if it is none."""
    if _is(X, "pandas", "DataFrame"):
        from skae._frames_pandas import PandasFrame

        return PandasFrame(X)
    if _is(X, "polars", "DataFrame"):
        from skae._frames_polars import PolarsFrame

        return PolarsFrame(X)
    if _is(X, "pyarrow", "Table") or _is(X, "pyarrow", "RecordBatch"):
        from skae._frames_arrow import ArrowFrame

        return ArrowFrame(X)
    return None


def _is(X, module, name):
    """Whether X is of a class of a module, which has been imported if so."""
    cls = getattr(sys.modules.get(module), name, None)
    return cls is not None and isinstance(X, cls)


class ArrayFrame:
    """Arrays of numbers, whose columns are known by their places."""

    def __init__(self, X):
        self.names, self.dtype = [*range(X.shape[1])], X.dtype
        self.dtypes = [X.dtype] * X.shape[1]

    def cells(self, X, place):
        values = np.asarray(X[:, place])
        return numeric_cells(values, np.isnan(values))

    def column(self, place, values, missing):
        return numbers_as(values, self.dtype, missing)

    def remember(self, matrix, X):
        pass

    def build(self, columns, like):
        return np.column_stack(columns)
