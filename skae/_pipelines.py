"""A transformer as the steps that a row passes through, also for pipelines and searches."""

import numpy as np
from scipy.sparse import issparse
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skae._base import BaseAutoencoder
from skae._engine.data import dense


def steps_of(estimator):
    """The transformers that a row passes through in order; often only the estimator."""
    estimator = getattr(estimator, "best_estimator_", estimator)  # of a search
    if isinstance(estimator, FrozenEstimator):
        return steps_of(estimator.estimator)
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        return [inner for step in steps for inner in steps_of(step)]
    return [estimator]


def check_transformer(estimator, who, methods=("transform", "inverse_transform")):
    """Refuse an estimator if one of its steps lacks a method.

    Steps before an autoencoder of tables need not decode.
    """
    steps = steps_of(estimator)
    decodes_alone = table_of(steps) is not None
    for step in steps:
        its = ("transform",) if decodes_alone and step is not steps[-1] else methods
        for method in its:
            if not hasattr(step, method):
                before = " If the pipeline predicts, pass pipeline[:-1]."
                raise TypeError(
                    f"{who} needs a transformer with {' and '.join(methods)}, but "
                    f"{type(step).__name__} has no {method}.{before * hasattr(step, 'predict')}"
                )


def table_of(steps):
    """The encoder of the table to which the last step was fitted; None if there is none."""
    last = steps[-1] if steps else None
    return last._table if isinstance(last, BaseAutoencoder) else None


def forward(steps, X):
    """The result of the steps for X."""
    for step in steps:
        X = step.transform(X)
    return X


def backward(steps, X):
    """X decoded by the steps, from the last to the first, as an array.

    An autoencoder of a table gives its encoder's matrix.
    """
    if table_of(steps) is not None:
        return steps[-1]._decoded_rows(X)
    for step in reversed(steps):
        X = step.inverse_transform(X)
    return np.asarray(dense(X))


def encode(steps, X):
    """The input of `decode` for X: codes, or the rows for an autoencoder."""
    if steps and isinstance(steps[-1], BaseAutoencoder):
        return forward(steps[:-1], X)
    codes = forward(steps, X)
    return codes if issparse(codes) else np.asarray(codes)


def decode(steps, codes):
    """The reconstructions from the result of `encode`, as an array."""
    if table_of(steps) is not None:
        return steps[-1].reconstruct(codes, proba=True)
    if steps and isinstance(steps[-1], BaseAutoencoder):
        return backward(steps[:-1], steps[-1].reconstruct(codes))
    return backward(steps, codes)
