"""The parts for an autoencoder of your own.

This module is provisional: its contents, including the hooks of `BaseAutoencoder`, may change in a
minor version; the changelog then says how. The page "Add your own autoencoder" of the
documentation has two complete examples.

- `BaseAutoencoder` is the class to inherit from.
- `Interval`, `StrOptions` and `HasMethods` say what a parameter may be, in
  `_parameter_constraints`; `InvalidParameterError`, a ValueError, is for parameters that
  contradict each other. They are scikit-learn's.
- `Output` says what a decoder's output means, and `SquaredError`, `BinaryCrossEntropy` and
  `CategoricalCrossEntropy` are the kinds that the parameter `loss` names; `LOSSES` has their
  names.
- `penalized` adds a penalty to a loss, for `network.apply`, and `averages_rows` marks a
  formula that takes the weights of rows.
"""

from skae._base import BaseAutoencoder
from skae._compat import HasMethods, Interval, InvalidParameterError, StrOptions
from skae._engine.network import averages_rows
from skae._hints import own_methods
from skae._outputs import (
    LOSSES,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Output,
    SquaredError,
    penalized,
)

__all__ = [
    "LOSSES",
    "BaseAutoencoder",
    "BinaryCrossEntropy",
    "CategoricalCrossEntropy",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Output",
    "SquaredError",
    "StrOptions",
    "averages_rows",
    "penalized",
]

own_methods(BaseAutoencoder)
