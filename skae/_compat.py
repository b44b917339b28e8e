"""Differences between scikit-learn 1.6 and 1.9, and its private helpers, in one place."""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_params,
)

__all__ = [
    "SITE",
    "DocumentedMixin",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "align_sparse_interface",
    "fit_context",
    "validate_params",
]

SITE = "https://skae.readthedocs.io/en/stable"  # also in pyproject.toml

try:
    from sklearn.utils import _align_api_if_sparse as align_sparse_interface
except ImportError:

    def align_sparse_interface(X):
        """Stand-in where scikit-learn knows sparse matrices alone."""
        return X


class DocumentedMixin:
    """In notebooks, the class and its parameters link to its page."""

    _doc_link_module = "skae"
    _doc_link_template = f"{SITE}/generated/{{estimator_module}}.{{estimator_name}}.html"
