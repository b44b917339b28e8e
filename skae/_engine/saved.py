"""The saved form of a network and its training: plain values, which outlive classes and modules.

An object of a known kind becomes a dict of its kind and its fields. Arrays, numbers, strings and
other objects, such as a user's specification of layers, stay as they are.
"""

from dataclasses import fields

from skae._engine.activations import TopK
from skae._engine.blocks import Block, FromSpec
from skae._engine.perceptron import Perceptron
from skae._engine.stack import StackedLayers
from skae._engine.training import State

# Classes by their name in files: a class may be renamed, an entry may not. Modules that define
# meanings of outputs add them.
KINDS = {
    "block": Block,
    "from_spec": FromSpec,
    "perceptron": Perceptron,
    "stacked_layers": StackedLayers,
    "state": State,
    "top_k": TopK,
}
REMEDY = (
    "this version of skae, and was saved by another: load it with that version, or fit the model "
    "again."
)


def plain(value):
    """The value with a dict for each object of a known kind, also inside tuples and fields."""
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    for kind, cls in KINDS.items():
        if type(value) is cls:  # but not a subclass, which is user-defined
            its = {field.name: plain(getattr(value, field.name)) for field in fields(cls)}
            return {"kind": kind, **its}
    return value


def restored(value):
    """The original value of `plain`.

    Raises
    ------
    ValueError
        If this version does not know a kind, or its fields.
    """
    if isinstance(value, tuple):
        return tuple(map(restored, value))
    if not isinstance(value, dict) or "kind" not in value:
        return value
    its = {name: restored(field) for name, field in value.items()}
    kind = its.pop("kind")
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is unknown to {REMEDY}")
    known = {field.name for field in fields(KINDS[kind])}
    if unknown := sorted(its.keys() - known):
        raise ValueError(f"{', '.join(unknown)} of {kind!r} is unknown to {REMEDY}")
    return KINDS[kind](**its)
