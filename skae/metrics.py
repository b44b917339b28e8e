"""Scorers of reconstructions for searches and cross-validation; quality of samples.

The scorers (for `scoring=`) need no y and work on any fitted transformer with `inverse_transform`,
so that one search can compare PCA, KernelPCA, NMF and autoencoders. Samples of any model are
compared with real rows.
"""

from numbers import Integral

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array
from sklearn.utils.extmath import row_norms
from sklearn.utils.validation import check_is_fitted

from skae._base import BaseAutoencoder
from skae._columns import column_means, has_missing, sums_of_squares, weighted_r2
from skae._compat import Interval, validate_params
from skae._engine.data import dense
from skae._engine.devices import off_torch
from skae._hints import columns_without_numbers
from skae._pipelines import check_transformer, decode, encode, forward, steps_of, table_of

__all__ = ["coverage", "density", "explained_variance", "neg_reconstruction_error"]

# How many cells of a sparse X are made dense at a time.
CHUNK_SIZE = 2**22
TABLES = (
    "use an autoencoder that encodes such a data frame itself, or encode X with a TableEncoder "
    "before the comparison"
)
N_NEIGHBORS = {"n_neighbors": [Interval(Integral, 1, None, closed="left")]}


def explained_variance(estimator, X, y=None) -> float:
    """Fraction of the variance of X that its reconstruction explains.

    The reconstruction is `inverse_transform(transform(X))`. With it, this is `r2_score(X,
    reconstruction, multioutput="variance_weighted")`: 1 is perfect, 0 is as good as the mean of X,
    and it can be negative. For PCA on its training data, it is `explained_variance_ratio_.sum()`.
    It is meant for `scoring=` in `GridSearchCV`, `cross_val_score` and the like.

    Parameters
    ----------
    estimator : object
        Fitted transformer with `inverse_transform`, such as PCA, NMF, an autoencoder or a pipeline
        of these.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        At least two rows. Missing values (NaN) do not count, if the estimator takes them.
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
        If X has only one row, or reconstructions are not finite or have another number
        of columns.

    See Also
    --------
    neg_reconstruction_error : The squared error, in the units of X.
    sklearn.metrics.r2_score : The metric that is computed for the reconstruction.

    Notes
    -----
    For autoencoders of skae, `reconstruct(X)` is used, which differs from the above only with
    loss='categorical_cross_entropy': proportions are multiplied by the row's total.

    For an autoencoder fitted to a data frame with categories, alone or at the end of a pipeline,
    this is the mean over columns of the explained deviance, as in the `score` of autoencoders (for
    a `VAE`, too). Earlier steps then need no `inverse_transform`.

    A sparse X is never made dense as a whole: its codes are computed at once and decoded in
    chunks.

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
    with np.errstate(over="ignore", invalid="ignore"):  # raises its own error below
        for rows, reconstructions, observed in pairs:
            errors += sums_of_squares(rows - reconstructions, observed)
            deviations += sums_of_squares(rows - mean, observed)
    _check_finite(estimator, errors, deviations)
    return weighted_r2(errors, deviations)


def neg_reconstruction_error(estimator, X, y=None) -> float:
    """Negative squared error of a row's reconstruction, averaged over rows.

    With R = `inverse_transform(transform(X))` this is ::

        -mean over rows of ||x - r||^2,

    summed over features as in the objective of the autoencoders. It is meant for `scoring=` in
    `GridSearchCV`, `cross_val_score` and the like.

    Parameters
    ----------
    estimator : object
        Fitted transformer with `inverse_transform`, such as PCA, NMF, an autoencoder or a pipeline
        of these.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Rows to reconstruct. Missing values (NaN) do not count, if the estimator takes them.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Score in squared units of X; higher is better, 0 is perfect. Never NaN.

    Raises
    ------
    TypeError
        If the estimator has no `transform` or no `inverse_transform`.
    ValueError
        If reconstructions are not finite or have another number of columns.

    See Also
    --------
    explained_variance : The error relative to the variance of X.
    sklearn.metrics.mean_squared_error : Averages errors over the cells of a reconstruction.

    Notes
    -----
    For autoencoders of skae, `reconstruct(X)` is used, which differs from the above only with
    loss='categorical_cross_entropy': proportions are multiplied by the row's total.

    For an autoencoder fitted to a data frame with categories, alone or at the end of a pipeline,
    this is minus the mean loss of a row: squared differences in squared standard deviations for
    numbers (normal scores for a `VAE`), and nats for categories. Earlier steps then need no
    `inverse_transform`.

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
    with np.errstate(over="ignore", invalid="ignore"):  # raises its own error below
        for rows, reconstructions, observed in pairs:
            total += sums_of_squares(rows - reconstructions, observed).sum()
    _check_finite(estimator, total)
    return float(-total / X.shape[0])


@validate_params(N_NEIGHBORS, prefer_skip_nested_validation=True)
def coverage(X, samples, n_neighbors=5) -> float:
    """Fraction of the real rows that have a sample in their neighbourhood.

    A row's neighbourhood is the ball around it that reaches its k-th nearest other row, with k =
    `n_neighbors`. With radius r_i this is ::

        mean over rows i of X of [min over samples s of ||x_i - s|| <= r_i].

    It is low if whole kinds of rows are never drawn, as by a generator that has collapsed:
    repeated samples add nothing.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_rows, n_features)
        Real rows, more than `n_neighbors`; preferably held-out rows, since a generator that has
        memorised its training rows covers those.
    samples : array-like or sparse matrix of shape (n_samples, n_features)
        Rows drawn by a model, preferably as many as X has.
    n_neighbors : int, default=5
        The k above. A larger k gives larger balls and a higher coverage.

    Returns
    -------
    score : float
        Coverage between 0 and 1; higher is better.

    Raises
    ------
    ValueError
        If X has at most `n_neighbors` rows, if X and samples differ in their number of columns, or
        if either has missing, infinite or non-numeric values.

    See Also
    --------
    density : How many neighbourhoods a sample is in: whether samples resemble real rows.
    skae.inspection.SamplesDisplay : Shows samples.

    Notes
    -----
    For n rows and m samples from any one continuous distribution, the expected value is ::

        1 - (n - 1) ... (n - k) / ((n + m - 1) ... (n + m - k)),

    which is about 1 - 2^-k if n = m: 0.97 for 5 neighbours. A value well below this means that
    samples lack something that X has.

    Distances are Euclidean: scale columns with different units first, and compare images by codes,
    such as those of an autoencoder's `transform`, rather than by pixels. A sample exactly as far
    away as the k-th neighbour is inside, and so is one that equals repeated rows of X. Time grows
    with n_rows * n_samples, memory does not.

    References
    ----------
    Naeem et al., "Reliable fidelity and diversity metrics for generative models", ICML 2020,
    https://arxiv.org/abs/2002.09797.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import coverage
    >>> X, samples = np.random.default_rng(0).normal(size=(2, 1000, 3))
    >>> coverage(X, samples) > 0.95
    True
    >>> collapsed = np.tile(samples[:1], (1000, 1))
    >>> coverage(X, collapsed) < 0.02
    True
    """
    X, samples = _comparable(coverage, X, samples)
    radii = _radii(X, n_neighbors)
    nearest, _ = NearestNeighbors(n_neighbors=1).fit(samples).kneighbors(X)
    return float(np.mean(nearest[:, 0] <= radii))


@validate_params(N_NEIGHBORS, prefer_skip_nested_validation=True)
def density(X, samples, n_neighbors=5) -> float:
    """How many neighbourhoods of real rows a sample is in, relative to the expected number.

    A row's neighbourhood is the ball around it that reaches its k-th nearest other row, with k =
    `n_neighbors`. With radius r_i this is ::

        1 / (k n_samples) * sum over rows i of X and samples s of [||x_i - s|| <= r_i].

    It is low if samples are unlike real rows, and high if they lie among many of them. It does not
    tell whether all kinds of rows are drawn: a single typical sample, repeated, may have a high
    density.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_rows, n_features)
        Real rows, more than `n_neighbors`; preferably held-out rows, since a generator that has
        memorised its training rows is close to those.
    samples : array-like or sparse matrix of shape (n_samples, n_features)
        Rows drawn by a model, any number of them.
    n_neighbors : int, default=5
        The k above. A larger k gives larger balls: chance and details both matter less.

    Returns
    -------
    score : float
        Density, at least 0; 1 is expected for samples from the distribution of X, more for samples
        that stay where it is densest.

    Raises
    ------
    ValueError
        If X has at most `n_neighbors` rows, if X and samples differ in their number of columns, or
        if either has missing, infinite or non-numeric values.

    See Also
    --------
    coverage : How many real rows have a sample nearby: whether all kinds are drawn.
    skae.inspection.SamplesDisplay : Shows samples.

    Notes
    -----
    Distances are as for :func:`coverage`; `sklearn.set_config(working_memory=...)` limits how many
    are in memory at a time.

    References
    ----------
    Naeem et al., "Reliable fidelity and diversity metrics for generative models", ICML 2020,
    https://arxiv.org/abs/2002.09797.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.metrics import density
    >>> X, samples = np.random.default_rng(0).normal(size=(2, 1000, 3))
    >>> 0.9 < density(X, samples) < 1.1
    True
    >>> density(X, samples + 3) < 0.1
    True
    """
    X, samples = _comparable(density, X, samples)
    squared_radii = np.square(_radii(X, n_neighbors))

    def count_inside(squared_distances, start):
        radii = squared_radii[start : start + len(squared_distances), None]
        return np.count_nonzero(squared_distances <= radii, axis=1)

    counts = pairwise_distances_chunked(X, samples, reduce_func=count_inside, squared=True)
    return float(sum(map(np.sum, counts)) / (n_neighbors * samples.shape[0]))


def _comparable(metric, X, samples):
    """Both as numbers, both dense or sparse, and centred if they are dense."""
    X, samples = _numbers(metric, X, "X"), _numbers(metric, samples, "samples")
    if samples.shape[1] != X.shape[1]:
        raise ValueError(
            f"samples has {samples.shape[1]} columns, but X has {X.shape[1]}: {metric.__name__} "
            "needs the same number of columns."
        )
    if issparse(X) or issparse(samples):
        return csr_matrix(X), csr_matrix(samples)
    middle = np.median(X, axis=0)  # differences of squares lose digits far from 0
    return X - middle, samples - middle


def _numbers(metric, X, name):
    X = off_torch(X)
    _refuse_tables(metric, X, name, "encode X and samples first, with the same TableEncoder")
    return check_array(X, accept_sparse="csr", dtype=np.float64, input_name=name)


def _radii(X, k):
    """Distances (n_rows,) to the k-th nearest other row, plus their possible rounding error.

    Distances are computed from squared norms and scalar products, so that even equal rows may have
    a distance above 0.
    """
    n_rows, n_features = X.shape
    if n_rows <= k:
        raise ValueError(
            f"X has {n_rows} rows, but n_neighbors={k} needs more than {k}: lower n_neighbors."
        )
    squared_norms = row_norms(X, squared=True)
    if not np.isfinite(squared_norms).all():
        raise ValueError("Squares of X are too large for a distance: scale X and samples alike.")
    distances, _ = NearestNeighbors(n_neighbors=k).fit(X).kneighbors()
    squares = np.square(distances[:, -1])
    # The usual error bound of a scalar product, for both distances that are compared.
    rounding = 6 * n_features * np.finfo(float).eps * (squared_norms + squares)
    return np.sqrt(squares + rounding)


def _autoencoder_of_tables(estimator):
    """The last step of a transformer, if it is an autoencoder fitted to a table."""
    steps = steps_of(estimator)
    return None if table_of(steps) is None else steps[-1]


def _given_to_the_last(estimator, X):
    return forward(steps_of(estimator)[:-1], off_torch(X))


def _refuse_tables(metric, X, name, remedy):
    for column, value in columns_without_numbers(X).items():
        raise ValueError(
            f"{metric.__name__} compares numbers, but column {column!r} of {name} holds other "
            f"values, such as {value!r}: {remedy}."
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
    _refuse_tables(scorer, X, "X", TABLES)
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
        # Only codes of a sparse X are sliced: slices of a data frame may select by labels.
        whole = n_rows == X.shape[0]
        rows = dense(X[start : start + n_rows])
        reconstructions = decode(steps, codes if whole else codes[start : start + n_rows])
        if reconstructions.shape != rows.shape:
            raise ValueError(
                f"The reconstructions by {type(steps[-1]).__name__} have shape "
                f"{reconstructions.shape}, but X has shape {rows.shape}: they must be equal for a "
                "score."
            )
        yield rows, reconstructions, ~np.isnan(rows) if lacks_cells else True


def _rows_at_once(X):
    n_samples, n_features = X.shape
    return min(n_samples, max(1, CHUNK_SIZE // n_features)) if issparse(X) else n_samples


def _check_finite(estimator, *sums):
    if not all(np.isfinite(values).all() for values in sums):
        raise ValueError(
            f"The squared errors of the reconstructions by {type(estimator).__name__} are not "
            "finite, so the score is undefined: scale X as in training."
        )
