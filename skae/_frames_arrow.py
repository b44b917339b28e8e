"""pyarrow's tables for `TableEncoder`, and pandas' columns of its dtypes; imported once needed."""

import numpy as np
import pyarrow as pa
from pyarrow import types

from skae._cells import MISSING, Cells, coded_cells, no_kind, numeric_cells, objects


def is_view(dtype):
    """Whether a dtype is a view of strings: new since pyarrow 14, and little supported."""
    return getattr(types, "is_string_view", lambda _: False)(dtype)


class Frame:
    """The appearance of a table: its schema and the dictionaries of its categories."""

    def __init__(self, schema, marks=None):
        self.names, self.dtypes = schema.names, schema.types
        self.schema, self.marks = schema, marks

    @classmethod
    def of(cls, X):
        return cls(X.schema)

    @classmethod
    def from_plain(cls, plain):
        schema = pa.ipc.read_schema(pa.py_buffer(plain["schema"]))
        return cls(schema, [array_from(mark) for mark in plain["marks"]])

    def plain(self, markers):
        schema = self.schema.serialize().to_pybytes()
        return {"library": "pyarrow", "schema": schema, "marks": markers}

    def marker(self, X, place):
        return plain_array(marks_of(X.column(place)))

    def cells(self, X, place):
        return arrow_cells(X.column(place), X.schema.names[place])

    def column(self, place, values, missing):
        return arrow_column(values, missing, self.dtypes[place], self.marks[place])

    def take(self, column, places):
        if is_view(column.type):
            return pa.array(objects(column.to_pylist())[places], column.type)
        return column.take(pa.array(places))

    def remember(self, matrix, X):
        pass

    def build(self, columns, like):
        return pa.table(columns, schema=self.schema)

    def gaps(self, X, place):
        return arrow_gaps(X.column(place))

    def select(self, X, places):
        return X.select(places)

    def joined(self, tables):
        if isinstance(tables[0], pa.RecordBatch):
            return pa.Table.from_batches(tables)
        return pa.concat_tables(tables)

    def fill(self, X, fills):
        columns = [
            arrow_filled(column, fills[place]) if place in fills else column
            for place, column in enumerate(X.columns)
        ]
        return type(X).from_arrays(columns, schema=X.schema)

    def append(self, X, columns):
        schema = X.schema
        for name in columns:
            schema = schema.append(pa.field(name, pa.bool_()))
        return type(X).from_arrays([*X.columns, *map(pa.array, columns.values())], schema=schema)


def plain_array(mark):
    """An array as the bytes of a table with this column; other values are unchanged."""
    if not isinstance(mark, pa.Array):
        return mark
    table, sink = pa.table({"x": mark}), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def array_from(plain):
    """The original value of `plain_array`."""
    if not isinstance(plain, bytes):
        return plain
    return _whole(pa.ipc.open_stream(plain).read_all().column(0))


def plain_type(dtype):
    """A dtype as the bytes of a schema."""
    return pa.schema([("x", dtype)]).serialize().to_pybytes()


def type_from(plain):
    return pa.ipc.read_schema(pa.py_buffer(plain)).types[0]


def _whole(column):
    """One array from possibly several chunks."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    column = column.combine_chunks()  # chunked still, if pyarrow is old
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


def marks_of(column):
    """Information that a column's dtype lacks: categories; whether missing values are NaN."""
    if types.is_dictionary(column.type):
        return _whole(column.unify_dictionaries() if _is_chunked(column) else column).dictionary
    if types.is_floating(column.type) and not column.null_count:
        return bool(np.isnan(_whole(column).to_numpy(zero_copy_only=False)).any())
    return None


def _is_chunked(column):
    return isinstance(column, pa.ChunkedArray)


def arrow_cells(column, name):
    column = _whole(column)
    dtype, missing = column.type, column.is_null().to_numpy(zero_copy_only=False)
    if types.is_floating(dtype):
        values = column.to_numpy(zero_copy_only=False)
        return numeric_cells(values, np.isnan(values))
    if types.is_integer(dtype):
        return numeric_cells(column.fill_null(0).to_numpy(zero_copy_only=False), missing)
    if types.is_temporal(dtype) and not types.is_interval(dtype):
        family = "durations" if types.is_duration(dtype) else "datetimes"
        return Cells(family, _counts(column), missing, _unit(dtype))
    if types.is_boolean(dtype):
        return coded_cells("booleans", [False, True], _codes(column))
    if types.is_string(dtype) or types.is_large_string(dtype):
        return _coded("strings", column.dictionary_encode())
    if is_view(dtype):
        return Cells("strings", objects(column.to_pylist()), missing)
    if types.is_dictionary(dtype):
        return _coded("categories", column)
    raise no_kind(name, dtype)


def _coded(family, column):
    """Cells of a dictionary, which may hold null."""
    levels, codes = column.dictionary.to_pylist(), _codes(column.indices)
    lacks = np.array([*(level is None for level in levels), True])
    return coded_cells(family, levels, np.where(lacks[codes], MISSING, codes))


def _codes(column):
    return column.cast(pa.int64()).fill_null(MISSING).to_numpy(zero_copy_only=False)


def _physical(dtype):
    return pa.int32() if dtype.bit_width == 32 else pa.int64()


def _counts(column):
    counts = column.cast(_physical(column.type)).cast(pa.int64()).fill_null(0)
    return counts.to_numpy(zero_copy_only=False)


def _unit(dtype):
    return "D" if types.is_date32(dtype) else "ms" if types.is_date64(dtype) else dtype.unit


def arrow_column(values, missing, dtype, mark=None):
    """An array of a dtype, with null for missing values.

    Parameters
    ----------
    mark : Array or bool or None
        The dictionary; for floats, whether missing values are NaN instead.
    """
    if types.is_dictionary(dtype):
        return _dictionary(values, missing, dtype, mark)
    if types.is_floating(dtype):
        values = np.where(missing, np.nan, values.astype(np.float64)).astype(
            dtype.to_pandas_dtype()
        )
        return pa.array(values, mask=None if mark else missing, type=dtype)
    if types.is_temporal(dtype):
        counts = pa.array(values.astype(np.int64), mask=missing)
        return counts.cast(_physical(dtype)).cast(dtype)
    if types.is_integer(dtype):
        values = np.where(missing, values.dtype.type(0), values)
    return pa.array(values, mask=missing, type=dtype)


def _dictionary(values, missing, dtype, dictionary):
    if dictionary is None:
        dictionary = pa.array(sorted(set(values[~missing])), type=dtype.value_type)
    places = {value: place for place, value in enumerate(dictionary.to_pylist())}
    codes = np.array([places.get(value, 0) for value in values.tolist()], dtype=np.int64)
    codes = pa.array(codes, mask=missing).cast(dtype.index_type)
    return pa.DictionaryArray.from_arrays(codes, dictionary, ordered=dtype.ordered)


def arrow_gaps(column):
    """Mask of the cells of a column that are null or NaN."""
    column = _whole(column)
    if types.is_dictionary(column.type):
        return _coded("categories", column).missing
    lacks = column.is_null().to_numpy(zero_copy_only=False)
    if types.is_floating(column.type):
        lacks = lacks | np.isnan(column.to_numpy(zero_copy_only=False))
    return lacks


def arrow_filled(column, fill):
    """A column with its missing values filled in."""
    column = _whole(column)
    if types.is_dictionary(column.type):
        return _filled_dictionary(column, fill)
    values = arrow_column(fill.values, fill.lacks, column.type)
    if is_view(column.type):
        cells = [*column.to_pylist(), *values.to_pylist()]
        return pa.array(objects(cells)[fill.places], column.type)
    return pa.concat_arrays([column, values]).take(pa.array(fill.places))


def _filled_dictionary(column, fill):
    dictionary, codes = column.dictionary, _codes(column.indices).copy()
    order = dictionary.to_pylist()
    if (wider := fill.order(order)) is not order:
        codes = np.array([wider.index(level) for level in order])[codes]
        order, dictionary = wider, pa.array(wider, dictionary.type)
    places = {level: place for place, level in enumerate(order)}
    codes[fill.gaps] = [places[value] for value in fill.values.tolist()]
    codes = pa.array(codes).cast(column.type.index_type)
    return pa.DictionaryArray.from_arrays(codes, dictionary, ordered=column.type.ordered)
