"""Scorers of reconstructions, for searches and cross-validation (`scoring=`).

They work on any fitted transformer with `inverse_transform`, so that one search may compare
PCA, KernelPCA, NMF and autoencoders, and need no y.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skae._base import BaseAutoencoder
from skae._columns import column_means, has_missing, sums_of_squares, weighted_r2
from skae._engine.data import dense
from skae._engine.devices import off_torch
from skae._hints import columns_without_numbers
from skae._pipelines import check_transformer, decode, encode, forward, steps_of, table_of

__all__ = ["explained_variance", "neg_reconstruction_error"]

# Cells of a sparse X that are made dense at a time.
CHUNK_SIZE = 2**22


def explained_variance(estimator, X, y=None) -> float:
    """Fraction of the variance of X that its reconstruction explains.

    The reconstruction is `inverse_transform(transform(X))`. With it, this is
    `r2_score(X, reconstruction, multioutput="variance_weighted")`: 1 is perfect, 0 is as
    good as the mean of X, and it can be negative. For PCA, on the data of its fit, it is
    `explained_variance_ratio_.sum()`. It is meant for `scoring=` of `GridSearchCV`,
    `cross_val_score` and their like.

    Parameters
    ----------
    estimator : object
        Fitted transformer with `inverse_transform`, such as PCA, NMF, an autoencoder or a
        pipeline of such.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        At least two rows. Missing cells (NaN) do not count, if the estimator takes them.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Fraction of variance explained; higher is better. Never NaN.

    Raises
    ------
    TypeError
        If the estimator has no `transform` or no `inverse_transform`.
    ValueError
        If X has one row only, or reconstructions are not finite or of another width.

    See Also
    --------
    neg_reconstruction_error : The squared error itself, in the units of X.
    sklearn.metrics.r2_score : What is computed, of a reconstruction.

    Notes
    -----
    Autoencoders of skae are asked for `reconstruct(X)`, which differs from the above for
    loss='categorical_cross_entropy' alone: proportions are multiplied by the row's total.

    Of an autoencoder that has encoded a data frame with categories, alone or at the end of a
    pipeline that hands it one, this is the mean over columns of the deviance explained, as of
    its own `score` (of a `VAE`, too). No step before it needs an `inverse_transform` then.

    A sparse X is never made dense as a whole: its codes are computed at once, and decoded
    some rows at a time.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA, KernelPCA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import Pipeline
    >>> from skae import Autoencoder
    >>> from skae.metrics import explained_variance
    >>> X = load_digits().data / 16
    >>> autoencoder = Autoencoder(4, learning_rate_init=0.01, max_iter=30, random_state=0)
    >>> search = GridSearchCV(
    ...     Pipeline([("reduce", PCA(4))]),
    ...     {"reduce": [PCA(4), KernelPCA(4, fit_inverse_transform=True), autoencoder]},
    ...     scoring=explained_variance,
    ...     cv=2,
    ... )
    >>> type(search.fit(X).best_params_["reduce"]).__name__
    'Autoencoder'
    """
    autoencoder = _autoencoder_of_tables(estimator)
    if autoencoder is not None:
        return BaseAutoencoder.score(autoencoder, _given_to_the_last(estimator, X))
    X, pairs = _reconstructed(explained_variance, estimator, X, ensure_min_samples=2)
    mean = column_means(X)
    errors, deviations = np.zeros_like(mean), np.zeros_like(mean)
    with np.errstate(over="ignore", invalid="ignore"):  # an error of its own, below
        for rows, reconstructions, observed in pairs:
            errors += sums_of_squares(rows - reconstructions, observed)
            deviations += sums_of_squares(rows - mean, observed)
    _check_finite(estimator, errors, deviations)
    return weighted_r2(errors, deviations)


def neg_reconstruction_error(estimator, X, y=None) -> float:
    """Negative squared error of a row's reconstruction, on average over rows.

    With R = `inverse_transform(transform(X))` this is ::

        -mean over rows of ||x - r||^2,

    summed over features as in the objective of the autoencoders. It is meant for `scoring=`
    of `GridSearchCV`, `cross_val_score` and their like.

    Parameters
    ----------
    estimator : object
        Fitted transformer with `inverse_transform`, such as PCA, NMF, an autoencoder or a
        pipeline of such.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Rows to reconstruct. Missing cells (NaN) do not count, if the estimator takes them.
    y : None
        Ignored.

    Returns
    -------
    score : float
        In the units of X, squared; higher is better, and 0 is perfect. Never NaN.

    Raises
    ------
    TypeError
        If the estimator has no `transform` or no `inverse_transform`.
    ValueError
        If reconstructions are not finite or of another width.

    See Also
    --------
    explained_variance : The same relative to the variance of X.
    sklearn.metrics.mean_squared_error : The mean over cells of a reconstruction's errors.

    Notes
    -----
    Autoencoders of skae are asked for `reconstruct(X)`, which differs from the above for
    loss='categorical_cross_entropy' alone: proportions are multiplied by the row's total.

    Of an autoencoder that has encoded a data frame with categories, alone or at the end of a
    pipeline that hands it one, this is minus the mean loss of a row: squared differences in
    squared standard deviations for numbers (a `VAE` counts in normal scores), and nats for
    categories. No step before it needs an `inverse_transform` then.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import cross_val_score
    >>> from skae.metrics import neg_reconstruction_error
    >>> X = load_digits().data / 16
    >>> cross_val_score(PCA(8), X, scoring=neg_reconstruction_error, cv=3).round(1)
    array([-1.6, -1.7, -1.6])
    """
    autoencoder = _autoencoder_of_tables(estimator)
    if autoencoder is not None:
        losses = BaseAutoencoder.score_samples(autoencoder, _given_to_the_last(estimator, X))
        _check_finite(estimator, losses)
        return float(losses.mean(dtype=np.float64))
    X, pairs = _reconstructed(neg_reconstruction_error, estimator, X)
    total = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # an error of its own, below
        for rows, reconstructions, observed in pairs:
            total += sums_of_squares(rows - reconstructions, observed).sum()
    _check_finite(estimator, total)
    return float(-total / X.shape[0])


def _autoencoder_of_tables(estimator):
    """What a transformer ends with, if that is an autoencoder that has encoded a table."""
    steps = steps_of(estimator)
    return None if table_of(steps) is None else steps[-1]


def _given_to_the_last(estimator, X):
    return forward(steps_of(estimator)[:-1], off_torch(X))


def _refuse_tables(scorer, X):
    for name, value in columns_without_numbers(X).items():
        raise ValueError(
            f"{scorer.__name__} compares numbers, but column {name!r} of X holds others, such as "
            f"{value!r}: use an autoencoder that encodes such a data frame itself, or encode X "
            "before it is compared, with a TableEncoder."
        )


def _reconstructed(scorer, estimator, X, **options):
    """X as numbers, and an iterator over (rows, reconstructions, where rows are observed)."""
    check_transformer(estimator, scorer.__name__)
    X = off_torch(X)
    X = X.tocsr() if issparse(X) else X
    steps = steps_of(estimator)
    codes = encode(steps, X)
    if steps and isinstance(steps[-1], BaseAutoencoder):
        check_is_fitted(steps[-1])
    _refuse_tables(scorer, X)
    numbers = check_array(
        X,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        input_name="X",
        **options,
    )
    return numbers, _pairs(steps, numbers, codes)


def _pairs(steps, X, codes):
    n_rows, lacks_cells = _rows_at_once(X), has_missing(X)
    for start in range(0, X.shape[0], n_rows):
        # Only codes of a sparse X are taken apart: a slice of a data frame may go by labels.
        whole = n_rows == X.shape[0]
        rows = dense(X[start : start + n_rows])
        reconstructions = decode(steps, codes if whole else codes[start : start + n_rows])
        if reconstructions.shape != rows.shape:
            raise ValueError(
                f"The reconstructions by {type(steps[-1]).__name__} have shape "
                f"{reconstructions.shape}, but X has {rows.shape}: a score needs the same."
            )
        yield rows, reconstructions, ~np.isnan(rows) if lacks_cells else True


def _rows_at_once(X):
    n_samples, n_features = X.shape
    return min(n_samples, max(1, CHUNK_SIZE // n_features)) if issparse(X) else n_samples


def _check_finite(estimator, *sums):
    if not all(np.isfinite(values).all() for values in sums):
        raise ValueError(
            f"The squared errors of the reconstructions by {type(estimator).__name__} are not "
            "finite, so that there is no score: scale X as in training."
        )
