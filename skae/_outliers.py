"""A detector of outliers: rows with an unusual code or reconstruction."""

from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.covariance import LedoitWolf
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._base import BaseAutoencoder
from skae._cell_errors import is_table_for, rows_for
from skae._columns import ratio
from skae._compat import (
    DocumentedMixin,
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    fit_context,
    safe_indexing,
)
from skae._constraints import TRAINING_CONSTRAINTS
from skae._denoising import DenoisingAutoencoder
from skae._engine.devices import off_torch
from skae._engine.notice import silence
from skae._engine.shards import Shard, map_rows
from skae._estimator import draw_seed
from skae._frames import check_frame, is_frame
from skae._hints import AUTOENCODERS, PartsMixin, hinted, remedy_for_prototype
from skae._pipelines import steps_of
from skae._tabular import holds_more_than_numbers
from skae._together import alone, fit_to_all, rows_of_all, together, undone_on_failure
from skae.tables import TableEncoder

WIDTH = 128  # of the code by default
LEAST_SHARE = 0.01  # lower limit of a cell's error in training, as a share of its spread
MOST_CORRELATED = 2000  # components of a code whose correlations are estimated
TRIMS = 3  # how often outliers are left out and searched for again
LEAST_SCORE = 1e-300  # lower limit before taking the logarithm
LARGEST_LOG = 700.0  # whose exponential does not overflow
WHISKER = 1.5  # interquartile ranges from the box of a box plot to Tukey's fence
SLACK = 1e-6  # added to the fence, so that identical rows are not outliers
PARTS = 5  # of few rows, each of which is left out of a further fit
FEW_ROWS = 500  # of more, training rows tell as well; of these, 50 or more are left out
ROWS_KEPT = 1000  # rows whose scores and errors displays compare with new ones
LEAST_ROWS_KEPT, CELLS_KEPT = 20, 2**22
USUAL = 0.95  # fraction of training rows with at most this error


def inverse_covariance(codes):
    """Inverse of Ledoit and Wolf's estimate, or of the diagonal for very many components.

    Also returns the share of the codes' own covariance, to which each code contributes, in the
    estimate.
    """
    if codes.shape[1] <= MOST_CORRELATED:
        estimate = LedoitWolf().fit(codes)
        return estimate.precision_, 1.0 - estimate.shrinkage_
    variances = codes.var(axis=0)
    variances = np.maximum(variances, LEAST_SHARE * variances.mean())
    return 1.0 / np.where(variances > 0, variances, 1.0), 0.0


def squared_distances(codes, centre, precision):
    """(z - m)' P (z - m) of each code, with a matrix P or its diagonal; inf where it overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        differences = codes - centre
        scaled = differences * precision if precision.ndim == 1 else differences @ precision
        distances = (scaled * differences).sum(axis=1)
    return np.where(np.isnan(distances), np.inf, distances.clip(min=0.0))


def left_out(distances, n_rows, own_share):
    """Squared distances of training rows from the mean of the others, by their covariance.

    Distances by all rows are too small, the more so the fewer rows there are per component.
    Computed by the Sherman-Morrison formula; `own_share` is the sample covariance's share in the
    estimate.
    """
    own = own_share * distances / max(n_rows - 1, 1)
    return n_rows / max(n_rows - 1, 1) * distances / np.maximum(1.0 - own, LEAST_SCORE)


def row_sums(errors):
    """Sums of rows; missing values count as the mean of the row's others, or as 1 without any."""
    observed = ~np.isnan(errors)
    if observed.all():
        return errors.sum(axis=1)
    n_observed, n_cells = observed.sum(axis=1), errors.shape[1]
    means = np.nansum(errors, axis=1) / np.maximum(n_observed, 1)
    return n_cells * np.where(n_observed > 0, means, 1.0)


def tukeys_fence(scores, whisker=WHISKER):
    """The score below which a box plot of log(-score) with these whiskers shows outliers."""
    logs = np.log(np.clip(-scores, LEAST_SCORE, np.exp(LARGEST_LOG)))
    low, high = np.percentile(logs, [25, 75])
    fence = min(high + whisker * (high - low), LARGEST_LOG)
    return -float(np.exp(fence) * (1.0 + SLACK))


def rows_at(X, mask):
    """The rows of an array, CSR matrix or table where the mask is True."""
    return safe_indexing(X, np.flatnonzero(mask))


def parts_to_leave_out(n_rows):
    """Masks of rows to leave out of further fits: all of few rows, some of more, none of many."""
    n_parts = min(PARTS, n_rows, FEW_ROWS // n_rows)
    return [np.arange(n_rows) % PARTS == part for part in range(n_parts)]


def own_params(estimator):
    """Parameters of the estimator and its parts, except frozen ones, by name."""
    params = estimator.get_params(deep=True)
    frozen = tuple(f"{key}__" for key, part in params.items() if isinstance(part, FrozenEstimator))
    return {key: value for key, value in params.items() if not f"{key}__".startswith(frozen)}


def set_everywhere(estimator, name, value):
    """The estimator with this value of a parameter for itself and its parts, except frozen ones."""
    own = [key for key in own_params(estimator) if key.rpartition("__")[2] == name]
    return estimator.set_params(**dict.fromkeys(own, value))


def unwatched(estimator):
    """The estimator without output and callbacks: these, a checkpoint say, are for its main fit."""
    for part in (estimator, *own_params(estimator).values()):
        if hasattr(part, "set_callbacks"):
            part.set_callbacks()
    return set_everywhere(estimator, "verbose", False)


class AutoencoderOutlierDetector(PartsMixin, DocumentedMixin, OutlierMixin, BaseEstimator):
    """Find outliers: rows whose code or reconstruction differs from those of the training rows.

    `predict` gives +1 for normal rows and -1 for outliers, and larger scores are more normal, as
    in scikit-learn's detectors; pyod's conventions are the opposite. The score of a row x with
    code z and reconstruction r is ::

        score(x) = -( sum over features j of (x_j - r_j)^2 / v_j  +  (z - m)' S^-1 (z - m) )

    with v_j the mean squared error of feature j over the training rows, and m and S the mean and
    covariance of their codes. With a wide code, an autoencoder reconstructs even rows unlike all
    others, but their codes are far away; with a narrow code it fails to reconstruct them: the two
    parts complement each other.

    Parameters
    ----------
    autoencoder : transformer or None, default=None
        The transformer to train, which is cloned: any with `inverse_transform`, such as an
        autoencoder of skae, PCA, NMF, or a pipeline of a scaler and one of these. A
        `FrozenEstimator` of a fitted one stays as it is. None is `DenoisingAutoencoder(128)`,
        which also takes missing values.
    contamination : 'auto' or float, default='auto'
        Which rows are outliers. A float in (0, 0.5]: this share of the training rows, those with
        the lowest scores; v, m and S are then estimated without them, as outliers should not
        define what is normal. 'auto': rows beyond the upper whisker of a box plot of log(-score):
        a few per cent of normal rows. v, m and S are then estimated from all rows. If there are
        at most 500 rows, the scores in the box plot come from up to five further fits, each
        without the rows that it scores. If there are more, each row is judged by m and S of the
        others. At least three quarters of the training rows are normal.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers, in place of the parameter `table` of `autoencoder`, which
        must then be an autoencoder of skae. 'auto' keeps that parameter, which by default uses a
        `TableEncoder()` if a column is not numeric.
    random_state : int, RandomState instance or None, default=None
        Seed of the autoencoder and of its parts, such as the steps of a pipeline, in place of
        their own; an int makes refits identical. None keeps their own.

    Attributes
    ----------
    autoencoder_ : transformer
        The trained transformer, or the frozen one.
    offset_ : float
        Threshold: a row with a lower score is an outlier.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only if all column names of X are strings.

    See Also
    --------
    DenoisingAutoencoder : The autoencoder that is trained by default.
    skae.inspection.FeatureErrorsDisplay : Which features make a row an outlier.
    sklearn.ensemble.IsolationForest : Outliers are rows that random cuts isolate early.
    sklearn.neighbors.LocalOutlierFactor : Outliers lie where rows are sparse.

    Notes
    -----
    In process monitoring, the two parts are known as Q and T^2. `v_j` is at least a hundredth of
    the feature's variance, and 1 for a constant feature. Units thus matter only to the
    autoencoder: a scaler may precede the detector or be part of it. S is the estimate of Ledoit
    and Wolf, which exists even with fewer rows than components, and is diagonal if the code has
    more than 2000 components.

    Missing values, which `DenoisingAutoencoder` takes, and VAE in data frames, count as the mean
    of the row's other errors, so that they do not make a row more normal. For a data frame with
    categories, errors belong to its columns: squared differences of numbers, cross-entropies of
    categories, each divided by its mean. For a VAE, the code is the posterior mean; its ELBO is
    `autoencoder_.score_samples(X)`.

    'auto' does not fix a share, since data without outliers should yield none.

    References
    ----------
    Denouden, Salay, Czarnecki, Abdelzad, Phan and Vernekar, "Improving reconstruction
    autoencoder out-of-distribution detection with Mahalanobis distance", 2018,
    https://doi.org/10.48550/arXiv.1812.02765.

    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    Journal of Multivariate Analysis 88, 2004, https://doi.org/10.1016/S0047-259X(03)00096-4.

    Jackson and Mudholkar, "Control procedures for residuals associated with principal component
    analysis", Technometrics 21, 1979, https://doi.org/10.1080/00401706.1979.10489779.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder, AutoencoderOutlierDetector
    >>> X, y = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(16, max_iter=20)
    >>> detector = AutoencoderOutlierDetector(autoencoder, contamination=0.05, random_state=0)
    >>> detector = detector.fit(X[y != 0] / 16)  # nobody has seen a zero
    >>> found = detector.predict(X / 16) == -1
    >>> bool(found[y == 0].mean() > 0.5), bool(found[y != 0].mean() < 0.06)
    (True, True)

    Which pixels are unusual compared with those of training rows, and how unusual the code is:

    >>> zero = X[y == 0][:1] / 16
    >>> pixels, code = detector.feature_errors(zero), detector.code_distances(zero)
    >>> bool(np.allclose(pixels.sum(axis=1) + code, -detector.score_samples(zero)))
    True
    """

    autoencoder_: BaseEstimator
    offset_: float
    n_features_in_: int
    feature_names_in_: np.ndarray

    if TYPE_CHECKING:  # scikit-learn's, which has no types

        def fit_predict(self, X, y=None, **kwargs) -> np.ndarray: ...

    _parameter_constraints = {
        "autoencoder": [HasMethods("fit"), None],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        **{name: TRAINING_CONSTRAINTS[name] for name in ("table", "random_state")},
    }
    _parts = {
        "autoencoder": ("DenoisingAutoencoder(128)", *AUTOENCODERS, "StackedAutoencoder()"),
        "table": ("table=TableEncoder()",),
    }

    def __init__(
        self,
        autoencoder=None,
        *,
        contamination: str | float = "auto",
        table: TableEncoder | str | None = "auto",
        random_state=None,
    ):
        self.autoencoder = autoencoder
        self.contamination = contamination
        self.table = table
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None) -> Self:
        """Train the autoencoder on X and learn which errors and codes are normal.

        Parameters
        ----------
        X : array-like, CSR matrix or DataFrame of shape (n_samples, n_features)
            Training data, with or without outliers: at least two rows.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is invalid, the autoencoder has no `inverse_transform`, X does not suit
            it, or its reconstructions have another number of columns than X. An earlier fit
            remains, unless another autoencoder has already been trained.
        """
        with together(self, False, X) as (X, _, _), undone_on_failure(self):
            return self._fit(X)

    def _fit(self, X):
        self._check_autoencoder()
        autoencoder = self._unfitted()
        X, rows = self._train(autoencoder, X)
        self._learn(X, rows)
        return self

    def _train(self, autoencoder, X):
        """Train the autoencoder unless frozen; return the checked X and its rows to score."""
        X, numbers = self._validated(X, steps_of(autoencoder), reset=True)
        if autoencoder is not self._frozen:
            autoencoder = hinted(partial(fit_to_all, autoencoder), X)
        vars(self).pop("offset_", None)  # an earlier one would not suit the new scores
        self.autoencoder_ = autoencoder
        rows = rows_for(autoencoder, X, numbers)
        self._estimate(rows)
        return X, rows

    def _learn(self, X, rows):
        """Learn which scores are not normal, and leave such rows out of the estimates."""
        scores = self._scores(rows)
        if self.contamination == "auto":
            # If most rows are alike, their box has no width, and the whisker of further fits, which
            # score them a little differently, might exclude them all.
            fence = tukeys_fence(self._scores_by_others(X, rows))
            self.offset_ = min(fence, tukeys_fence(scores, whisker=0.0))
        else:
            percent = 100 * self.contamination
            for _ in range(TRIMS):
                self._estimate(rows, kept=scores >= np.percentile(scores, percent))
                scores = self._scores(rows)
            self.offset_ = float(np.percentile(scores, percent))
        self._keep_some(rows, scores)

    def _scores_by_others(self, X, rows):
        """Scores as new rows have them: by further fits without the rows, if they are few.

        Of many rows, or if the autoencoder is frozen or does not take fewer rows, the codes are
        judged by those of the others.
        """
        parts = parts_to_leave_out(len(rows)) if self._frozen is None else []
        try:
            with alone(), silence():
                X = rows_of_all(X) if parts else X
                scores = [self._scores_without(X, part) for part in parts]
        except ValueError:
            scores = []
        return np.concatenate(scores) if scores else self._scores(rows, of_training=True)

    def _scores_without(self, X, part):
        """Scores of some rows by a detector that is fitted to the others."""
        judge, autoencoder = clone(self), unwatched(clone(self.autoencoder_))
        judge._train(autoencoder, rows_at(X, ~part))
        return judge._scores(judge._rows_to_score(rows_at(X, part)))

    def _estimate(self, rows, kept=None):
        """Estimate v, m and S from the kept rows, by default all."""
        parts, sums, n_observed = [], np.zeros(rows.n_cells), np.zeros(rows.n_cells)
        for some, codes, errors in rows.chunks():
            mask = slice(None) if kept is None else kept[some]
            parts.append(codes[mask])
            sums += np.nansum(errors[mask], axis=0)
            n_observed += (~np.isnan(errors[mask])).sum(axis=0)
        codes = np.concatenate(parts)
        if not (np.isfinite(codes).all() and np.isfinite(sums).all()):
            raise ValueError(
                f"The codes or errors of X by {type(self.autoencoder_).__name__} are not finite, "
                "so normal rows cannot be defined: scale X."
            )
        self._code_mean_, self._n_codes_ = codes.mean(axis=0), len(codes)
        self._code_precision_, self._own_share_ = inverse_covariance(codes)
        self._usual_errors_ = self._floored(ratio(sums, n_observed), rows, kept)

    def _floored(self, means, rows, kept):
        """Mean errors of cells, or a share of the cells' variances if that is larger."""
        spreads = rows.spreads(kept)
        if kept is not None and not spreads.all():
            spreads = np.where(spreads > 0, spreads, rows.spreads())
        return np.where(spreads > 0, np.maximum(means, LEAST_SHARE * spreads), 1.0)

    def _keep_some(self, rows, scores):
        """Keep errors, distances and scores of some training rows for displays."""
        n_most = max(LEAST_ROWS_KEPT, min(ROWS_KEPT, CELLS_KEPT // rows.n_cells))
        places = np.linspace(0, len(rows) - 1, min(n_most, len(rows))).astype(int)
        kept_errors, kept_distances = [], []
        for some, codes, errors in rows.chunks():
            its = places[(places >= some.start) & (places < some.stop)] - some.start
            kept_errors.append(errors[its] / self._usual_errors_)
            kept_distances.append(self._distances(codes[its]))
        errors = np.concatenate(kept_errors)
        errors = np.where(np.isnan(errors).all(axis=0), 1.0, errors)
        self._quantiles_of_errors_ = np.nanquantile(errors, USUAL, axis=0)
        self._quantile_of_distances_ = float(np.quantile(np.concatenate(kept_distances), USUAL))
        self._training_scores_ = scores[places]

    def score_samples(self, X) -> np.ndarray:
        """Score each row by minus its errors and its code's distance; larger is more normal.

        Parameters
        ----------
        X : array-like, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Scores in float64, at most 0; for training rows, about minus the number of features and
            components; -inf for a row so far away that the computation overflows.

        Raises
        ------
        ValueError
            If X has other columns than in `fit`, or has values that the autoencoder does not take.
        """
        return self._scores(self._rows(X))

    def decision_function(self, X) -> np.ndarray:
        """Score each row relative to the threshold: negative for outliers.

        Parameters
        ----------
        X : array-like, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            `score_samples(X) - offset_`.

        Raises
        ------
        ValueError
            If X has other columns than in `fit`, or has values that the autoencoder does not take.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X) -> np.ndarray:
        """Tell outliers from normal rows.

        Parameters
        ----------
        X : array-like, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            +1 for normal rows, -1 for outliers.

        Raises
        ------
        ValueError
            If X has other columns than in `fit`, or has values that the autoencoder does not take.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def feature_errors(self, X) -> np.ndarray:
        """Squared error of each cell relative to training rows: which features are unusual.

        Parameters
        ----------
        X : array-like, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_features)
            Errors in float64; the average in training is 1. A row's sum and its `code_distances`
            add up to minus its `score_samples`. NaN for missing values, which count in the score
            as the mean of the row's others. For a data frame, each of its columns has one.

        Raises
        ------
        ValueError
            If X has other columns than in `fit`, or has values that the autoencoder does not take.
        """
        rows = self._rows(X)
        return np.concatenate([errors / self._usual_errors_ for _, _, errors in rows.chunks()])

    def code_distances(self, X) -> np.ndarray:
        """Squared Mahalanobis distance of each row's code from the codes of training rows.

        Parameters
        ----------
        X : array-like, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        distances : ndarray of shape (n_samples,)
            Distances in float64; for training rows, on average about the number of
            components.

        Raises
        ------
        ValueError
            If X has other columns than in `fit`, or has values that the autoencoder does not take.
        """
        rows = self._rows(X)
        return np.concatenate([self._distances(codes) for _, codes, _ in rows.chunks()])

    def _rows(self, X):
        check_is_fitted(self)
        return self._rows_to_score(X)

    def _rows_to_score(self, X):
        given, numbers = self._validated(X, steps_of(self.autoencoder_), reset=False)
        return hinted(partial(rows_for, self.autoencoder_), given, numbers=numbers)

    def _scores(self, rows, of_training=False):
        totals = [self._totals(errors, codes, of_training) for _, codes, errors in rows.chunks()]
        return -np.concatenate(totals)

    def _totals(self, errors, codes, of_training):
        """Minus the scores of rows; for training rows, the others judge each code."""
        distances = self._distances(codes)
        if of_training:
            distances = left_out(distances, self._n_codes_, self._own_share_)
        return row_sums(errors / self._usual_errors_) + distances

    def _distances(self, codes):
        return squared_distances(codes, self._code_mean_, self._code_precision_)

    # The autoencoder, and X as it takes it.

    @property
    def _prototype(self):
        return DenoisingAutoencoder(WIDTH) if self.autoencoder is None else self.autoencoder

    @property
    def _frozen(self):
        """The frozen, fitted transformer; None if one is to be trained."""
        frozen = isinstance(self.autoencoder, FrozenEstimator)
        return self.autoencoder.estimator if frozen else None

    def _check_autoencoder(self):
        if self._frozen is not None:
            check_is_fitted(self._frozen)
        methods = ("transform", "inverse_transform")
        is_one = not isinstance(self._prototype, type) and all(
            hasattr(self._prototype, name) for name in methods
        )
        # A table encoder alone, or an empty pipeline, restores everything.
        if is_one and any(not isinstance(step, TableEncoder) for step in steps_of(self._prototype)):
            return
        raise InvalidParameterError(
            "autoencoder must be a transformer with inverse_transform, such as an autoencoder or "
            f"PCA, but found {self.autoencoder!r}: "
            f"{remedy_for_prototype(self.autoencoder, self, 'autoencoder')}"
        )

    def _unfitted(self):
        """The transformer to train, with its seed and table, or the frozen one."""
        if self._frozen is not None:
            self._check_table(has_table=False)
            return self._frozen
        autoencoder = clone(self._prototype)
        if self.random_state is not None:
            set_everywhere(autoencoder, "random_state", draw_seed(self.random_state))
        has_table = isinstance(autoencoder, BaseAutoencoder)
        self._check_table(has_table)
        if has_table and self.table != "auto":
            autoencoder.set_params(table=self.table)
        return autoencoder

    def _check_table(self, has_table):
        if self.table != "auto" and not has_table:
            raise InvalidParameterError(
                f"table={self.table!r} is only for an unfitted autoencoder of skae, but "
                f"autoencoder is {self.autoencoder!r}: leave table='auto', and pass an "
                "autoencoder that takes data frames, such as make_pipeline(TableEncoder(), PCA())."
            )

    def _validated(self, X, steps, reset):
        """X as the autoencoder takes it, and as numbers (None if X is a table)."""
        X, holds_categories = off_torch(X), holds_more_than_numbers(X)
        is_one_of_many = isinstance(X, Shard) and len(X) > 1
        options = {"reset": reset, "least": 2 if reset and not is_one_of_many else 1}
        if is_table_for(steps, holds_categories):
            return map_rows(partial(check_frame, self, **options), X), None
        check = partial(map_rows, partial(self._validated_array, **options))
        numbers = hinted(check, X)
        return (X if is_frame(X) else numbers), numbers

    def _validated_array(self, X, reset, least):
        return validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr" if self._takes("sparse") else False,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan" if self._takes("allow_nan") else True,
            ensure_min_samples=least,
        )

    def _takes(self, tag):
        """Whether the autoencoder takes sparse rows or missing values."""
        steps = [step for step in steps_of(self._prototype) if hasattr(step, "__sklearn_tags__")]
        return all(getattr(get_tags(step).input_tags, tag) for step in steps)

    def __sklearn_is_fitted__(self):
        return "offset_" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._takes("allow_nan")
        tags.input_tags.sparse = self._takes("sparse")
        return tags
