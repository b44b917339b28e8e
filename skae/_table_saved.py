"""The saved form of a table's columns: plain values, which outlive private classes."""

from skae._categories import Categories
from skae._cells import Rounding
from skae._engine.saved import REMEDY
from skae._numbers import Fractions, Numbers, Quantile, Standard, Whole
from skae._plain_values import as_text, from_text
from skae._table_columns import Column

# Classes by their name in files, and the fields to save of each. Names of classes and fields in
# files never change; a new field needs a default in its class.
KINDS = {
    "categories": (Categories, "dtype kept rare rare_counts proportions most_frequent"),
    "column": (Column, "name dtype family values_dtype missing_fraction kind encoder"),
    "fractions": (Fractions, "step rounded decimals"),
    "numbers": (Numbers, "lowest greatest steps scale odd odd_scores"),
    "quantile": (Quantile, "values first middle last"),
    "rounding": (Rounding, "dtype"),
    "standard": (Standard, "mean std"),
    "whole": (Whole, "origin dtype step"),
}
TEXTS = ("name", "kept", "rare")  # fields with names or categories of a table


def plain(value):
    """An object of a known kind as a dict of its kind and its fields."""
    for kind, (cls, fields) in KINDS.items():
        if type(value) is cls:
            its = {name: getattr(value, name) for name in fields.split()}
            return {"is": kind, **{name: _plain(name, field) for name, field in its.items()}}
    return value


def _plain(name, field):
    if name in TEXTS:
        return as_text([field] if name == "name" else field)
    return plain(field)


def restored(value):
    """The original object of `plain`.

    Raises
    ------
    ValueError
        If this version does not know a kind, or a kind with these fields.
    """
    if not isinstance(value, dict):
        return value
    its = dict(value)
    kind = its.pop("is")
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is unknown to {REMEDY}")
    cls, fields = KINDS[kind]
    if unknown := sorted(its.keys() - set(fields.split())):
        raise ValueError(f"{', '.join(unknown)} of {kind!r} is unknown to {REMEDY}")
    made = cls.__new__(cls)
    vars(made).update({name: _restored(name, field) for name, field in its.items()})
    return made


def _restored(name, field):
    if name in TEXTS:
        values = from_text(field)
        return values[0] if name == "name" else values
    return restored(field)
