"""Differences between scikit-learn 1.6 and 1.9, and its private helpers, in one place."""

from collections.abc import Callable
from typing import TypeVar

from sklearn.base import _fit_context
from sklearn.utils import _param_validation, metaestimators
from sklearn.utils import _safe_indexing as safe_indexing
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
from sklearn.utils.validation import _num_features as num_features
from sklearn.utils.validation import _num_samples as num_samples

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
    "num_features",
    "num_samples",
    "output_container",
    "safe_indexing",
    "validate_params",
]

SITE = "https://skae.readthedocs.io/en/stable"  # also in pyproject.toml

Function = TypeVar("Function", bound=Callable)

# scikit-learn's decorators have no types, so that type checkers would lose the types of decorated
# functions.


def available_if(check) -> Callable[[Function], Function]:
    """A method that exists only if `check(self)` is true; AttributeError if not."""
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
        """Stand-in for versions of scikit-learn with sparse matrices only."""
        return X


def check_feature_names_in(estimator, input_features):
    """Names of the columns in `fit`, or x0, x1, ...; an error for other names."""
    return _check_feature_names_in(estimator, input_features)


def output_container(estimator):
    """The container that `set_output` chose for `transform`: "default", "pandas" or "polars"."""
    return _get_output_config("transform", estimator)["dense"]


def check_sample_weight(sample_weight, X):
    """A float64 copy of the rows' weights, with scikit-learn's errors (all from 1.9 on)."""
    weights = _check_sample_weight(
        sample_weight, X, dtype="float64", ensure_non_negative=True, copy=True
    )
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


class DocumentedMixin:
    """Links the class and its parameters in notebooks to its page."""

    _doc_link_module = "skae"
    _doc_link_template = f"{SITE}/generated/{{estimator_module}}.{{estimator_name}}.html"
