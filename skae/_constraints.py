"""Constraints of parameters that several estimators share."""

from numbers import Integral, Real

import numpy as np

from skae._compat import HasMethods, Interval, Options, StrOptions
from skae._engine.activations import ACTIVATIONS
from skae._engine.tape import PRECISIONS
from skae.tables import TableEncoder

# They subclass `HasMethods`, as scikit-learn takes only its own classes of constraints.


class Sizes(HasMethods):
    """A sequence of at least `least` integers above 0, or one such integer.

    Parameters
    ----------
    example : str
        An example for error messages.
    least : int, default=1
    number : bool, default=True
        Whether one integer stands for a sequence with only this integer; see
        `as_sizes`.
    """

    def __init__(self, example, least=1, number=True):
        super().__init__("__len__")
        self.example = example
        self.least = least
        self.number = number

    def is_satisfied_by(self, value):
        if self.number and _is_size(value):
            return True
        try:
            is_sequence = np.ndim(value) == 1
        except ValueError:  # ragged
            return False
        return is_sequence and len(value) >= self.least and all(map(_is_size, value))

    def __str__(self):
        number = "" if self.least == 0 else "one or more "
        alone = "an integer above 0 or " if self.number else ""
        return f"{alone}a sequence of {number}integers above 0, such as {self.example}"


def as_sizes(value):
    """A value of `Sizes` as a tuple of integers: 16 is (16,)."""
    return (int(value),) if isinstance(value, Integral) else tuple(map(int, value))


def _is_size(value):
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0


def check_counts(**counts):
    """Refuse arguments of methods, given by name, that are not integers above 0."""
    for name, value in counts.items():
        if not _is_size(value):
            raise ValueError(f"{name}={value!r} must be an integer of at least 1.")


class Specification(HasMethods):
    """An object, not a class, that builds layers."""

    def __init__(self):
        super().__init__(["build", "get_params"])

    def is_satisfied_by(self, value):
        return super().is_satisfied_by(value) and not isinstance(value, type)

    def __str__(self):
        return (
            "a specification such as ConvNet(image_shape=(1, 28, 28)), or another BaseEstimator "
            "with a method build (see skae.networks)"
        )


NETWORK_CONSTRAINTS = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "hidden_layer_sizes": [Sizes("(128, 64); () is an encoder of a single layer", least=0)],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "code_activation": [StrOptions({"auto", *ACTIVATIONS})],
    "tied_weights": ["boolean"],
    "network": [Specification(), None],
}
TRAINING_CONSTRAINTS = {
    "table": [StrOptions({"auto"}), TableEncoder, None],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "solver": [StrOptions({"adam", "sgd", "lbfgs"})],
    "learning_rate": [StrOptions({"constant", "cosine", "one_cycle"})],
    "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean", StrOptions({"windows"})],
    "tol": [Interval(Real, 0, None, closed="left")],
    "n_iter_no_change": [
        StrOptions({"auto"}),
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "device": [str],
    "precision": [StrOptions(set(PRECISIONS))],
    "verbose": ["verbose"],
}
