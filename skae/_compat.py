"""Differences between scikit-learn 1.6 and 1.9, and its private helpers, in one place."""

from collections.abc import Callable
from typing import TypeVar

from sklearn.base import _fit_context
from sklearn.utils import _param_validation, metaestimators
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_partial_fit_first_call
from sklearn.utils.validation import _check_feature_names_in, _check_sample_weight

__all__ = [
    "SITE",
    "DocumentedMixin",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "align_sparse_interface",
    "available_if",
    "check_feature_names_in",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
    "output_container",
    "validate_params",
]

SITE = "https://skae.readthedocs.io/en/stable"  # also in pyproject.toml

Function = TypeVar("Function", bound=Callable)

# Scikit-learn's decorators, which have no types, so that type checkers would lose those of what
# they decorate.


def available_if(check) -> Callable[[Function], Function]:
    """A method that is there only if `check(self)` is true; AttributeError if not."""
    return metaestimators.available_if(check)


def fit_context(*, prefer_skip_nested_validation) -> Callable[[Function], Function]:
    """A method that checks the estimator's parameters before anything else."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def validate_params(
    constraints, *, prefer_skip_nested_validation
) -> Callable[[Function], Function]:
    """A function that checks its parameters before anything else."""
    return _param_validation.validate_params(
        constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )


try:
    from sklearn.utils import _align_api_if_sparse as align_sparse_interface
except ImportError:

    def align_sparse_interface(X):
        """Stand-in where scikit-learn knows sparse matrices alone."""
        return X


def check_feature_names_in(estimator, input_features):
    """Names of the columns that an estimator was fitted on, or x0, x1, ...; errors of others."""
    return _check_feature_names_in(estimator, input_features)


def output_container(estimator):
    """What `set_output` has chosen for `transform`: "default", "pandas" or "polars"."""
    return _get_output_config("transform", estimator)["dense"]


def check_sample_weight(sample_weight, X):
    """A float64 copy of the weights of X's rows; scikit-learn's errors, from 1.9 on all of them."""
    weights = _check_sample_weight(
        sample_weight, X, dtype="float64", ensure_non_negative=True, copy=True
    )
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


class DocumentedMixin:
    """In notebooks, the class and its parameters link to its page."""

    _doc_link_module = "skae"
    _doc_link_template = f"{SITE}/generated/{{estimator_module}}.{{estimator_name}}.html"
