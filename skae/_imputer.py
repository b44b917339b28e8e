"""An imputer: a denoising autoencoder as the step of a pipeline that fills in missing values."""

from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.impute import MissingIndicator
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skae._base import BaseAutoencoder
from skae._compat import (
    DocumentedMixin,
    HasMethods,
    InvalidParameterError,
    fit_context,
    output_container,
)
from skae._denoising import DenoisingAutoencoder
from skae._engine.devices import off_torch
from skae._engine.notice import warn
from skae._engine.shards import Shard, map_rows, own
from skae._estimator import draw_seed
from skae._filled_tables import columns_of, encoded, filled, gaps_of
from skae._frames import check_frame, frame_of, is_frame, table_of
from skae._hints import PartsMixin, hinted, remedy_for_prototype
from skae._outputs import SquaredError
from skae._tabular import holds_more_than_numbers
from skae._together import together, undone_on_failure
from skae.tables import TableEncoder

BATCH_SIZE = 64  # of the default
STEPS = 10_000  # that it takes, where that makes fewer epochs than these
DECAY = 5e-4  # of weights, for each column of a table
LEAST_EPOCHS, MOST_EPOCHS = 20, 300


def recipe(n_rows, n_columns=None):
    """The settings that did best in docs/benchmarks/imputation.py, for this number of rows.

    With `n_columns`, those for a table with this many columns, from
    docs/benchmarks/tables.py.
    """
    epochs = STEPS * BATCH_SIZE // max(n_rows, 1)
    return DenoisingAutoencoder(
        64,
        hidden_layer_sizes=(256,),
        code_activation="identity",
        learning_rate="one_cycle",
        learning_rate_init=3e-3,
        batch_size=BATCH_SIZE,
        max_iter=min(max(epochs, LEAST_EPOCHS), MOST_EPOCHS),
        alpha=0.0 if n_columns is None else DECAY * n_columns,
    )


def recipe_of_array(n_rows, n_columns):
    """The settings for an array: `recipe`, or a linear autoencoder if columns outnumber rows.

    Decay of both its layers takes the same amount from the singular values of their product, and
    leaves out directions that so few rows cannot tell from noise. The error of a direction that
    n_rows estimate grows as n_columns / n_rows, and so does the decay.
    """
    if n_columns <= n_rows:
        return recipe(n_rows)
    return DenoisingAutoencoder(
        64,
        code_activation="identity",
        corruption_level=0.1,
        solver="lbfgs",
        max_iter=50,
        alpha=0.5 * n_columns / n_rows,
    )


def fitted_scaler(X):
    """A scaler of the rows of X; of a `Shard`, one process's are added after the other's."""
    scaler = StandardScaler().set_output(transform="default")
    if not isinstance(X, Shard):
        return scaler.fit(X)
    for rank in range(X.group.size):
        if rank == X.group.rank:
            scaler.partial_fit(X.own)
        scaler = X.group.gather(scaler)[rank]
    return scaler


def in_any_row(X, cells):
    """For each column, whether any of its cells is true, in this process's rows or in others'."""
    found = cells.any(axis=0)
    return np.any(X.group.gather(found), axis=0) if isinstance(X, Shard) else found


def as_nan(gaps):
    """Numbers with NaN in these cells."""
    return np.where(gaps, np.nan, 0.0)


class AutoencoderImputer(
    PartsMixin, DocumentedMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator
):
    """Fill in missing values with an autoencoder's reconstruction from the observed ones.

    The autoencoder is trained directly on rows with missing values. Its loss counts only observed
    cells; some of these are masked, too, so that it learns to restore them ::

        mean over rows of  sum over observed cells j of (x_j - g(f(x'))_j)^2

    with x' the masked row. Missing values are then taken from the row's reconstruction, and
    observed ones stay as they are. If columns are related linearly, `IterativeImputer` with its
    regressions may be as good: compare the two.

    X may be a pandas, polars or pyarrow data frame with columns of categories, booleans, strings
    or times; missing values are those that the library treats as such. `transform` then returns
    such a data frame with the same dtypes. Categories, whose loss is the cross-entropy, are filled
    with the likeliest one; numbers with their mean given the row's other cells, within the range
    seen in `fit`, and rounded in columns of integers or times.

    Parameters
    ----------
    autoencoder : autoencoder or None, default=None
        The autoencoder to train, which is cloned. It must take missing values, as
        :class:`DenoisingAutoencoder` does and, for data frames with categories, :class:`VAE`. None
        uses the settings that did best in the benchmark: `DenoisingAutoencoder(64,
        hidden_layer_sizes=(256,), code_activation='identity', learning_rate='one_cycle',
        learning_rate_init=3e-3, batch_size=64, max_iter=300)`, with fewer epochs for more than
        2133 rows: 10,000 steps, but at least 20 epochs. For data frames with categories, `alpha`
        is 5e-4 per column. Arrays with more columns than rows get a linear one:
        `DenoisingAutoencoder(64, code_activation='identity', corruption_level=0.1, solver='lbfgs',
        max_iter=50, alpha=0.5 * n_columns / n_rows)`. With loss='squared_error' columns are
        standardised, with another loss they are not. Its `table` says how data frames are encoded;
        'auto' uses a `TableEncoder()` if a column is not numeric.
    add_indicator : bool, default=False
        Whether to append, for each column with missing values in `fit`, a column of zeros and
        ones, with 1 for missing, as :class:`~sklearn.impute.MissingIndicator` does, so that a
        predictor can learn from missingness. In data frames these columns are boolean.
    random_state : int, RandomState instance or None, default=None
        Seed of the autoencoder's weights, shuffling and masks, in place of its own; an int makes
        refits identical. None keeps its own.

    Attributes
    ----------
    autoencoder_ : autoencoder
        The trained autoencoder, of the columns with observed cells.
    scaler_ : StandardScaler or None
        Standardises these columns by their observed cells. None if the autoencoder's loss is not
        the squared error, as it then needs the columns' own scale, and for data frames with
        categories, which its `table_` encodes.
    indicator_ : MissingIndicator or None
        Computes the additional columns; None without `add_indicator`.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only if all column names of X are strings.

    See Also
    --------
    DenoisingAutoencoder : Fills in the values; also encodes rows that miss some.
    sklearn.impute.IterativeImputer : Regresses each column on the others.
    sklearn.impute.KNNImputer : Averages the nearest rows.

    Notes
    -----
    As with `SimpleImputer` and other imputers, `transform` leaves out columns without an observed
    cell in `fit`, and `fit` warns of them. In arrays, integers become float64.

    A category that `fit` has not seen is kept; the autoencoder treats it as missing.

    After a fit on complete rows, missing values of other rows can be filled in, but
    less well: the mask of observed cells is an input of the encoder only if the
    training data have missing values.

    References
    ----------
    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders",
    Journal of Machine Learning Research 11, 2010,
    https://jmlr.org/papers/v11/vincent10a.html.

    Gondara and Wang, "MIDA: Multiple imputation using denoising autoencoders", PAKDD 2018,
    https://doi.org/10.1007/978-3-319-93040-4_21.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.impute import SimpleImputer
    >>> from sklearn.preprocessing import scale
    >>> from skae import AutoencoderImputer
    >>> X = scale(load_wine().data)
    >>> missing = np.random.default_rng(0).random(X.shape) < 0.2
    >>> holes = np.where(missing, np.nan, X)
    >>> filled = AutoencoderImputer(random_state=0).fit_transform(holes)
    >>> by_means = SimpleImputer().fit_transform(holes)
    >>> bool(((filled - X) ** 2).sum() < 0.6 * ((by_means - X) ** 2).sum())
    True

    >>> import pandas as pd
    >>> birds = pd.DataFrame({"kind": ["gull", "wren"] * 50, "grams": [1000, 10] * 50})
    >>> birds.loc[1, "kind"] = None
    >>> AutoencoderImputer(random_state=0).fit_transform(birds)["kind"].tolist()[:3]
    ['gull', 'wren', 'gull']
    """

    autoencoder_: BaseAutoencoder
    scaler_: StandardScaler | None
    indicator_: MissingIndicator | None
    n_features_in_: int
    feature_names_in_: np.ndarray

    if TYPE_CHECKING:  # scikit-learn's, which have no types

        def fit_transform(self, X, y=None, **fit_params) -> np.ndarray: ...
        def set_output(self, *, transform=None) -> Self: ...

    _parameter_constraints = {
        "autoencoder": [HasMethods("fit"), None],
        "add_indicator": ["boolean"],
        "random_state": ["random_state"],
    }
    _parts = {  # the network of `recipe`: that of DenoisingAutoencoder() fills cells much worse
        "autoencoder": (
            "DenoisingAutoencoder(64, hidden_layer_sizes=(256,), code_activation='identity')",
        )
    }

    def __init__(self, autoencoder=None, *, add_indicator=False, random_state=None):
        self.autoencoder = autoencoder
        self.add_indicator = add_indicator
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None) -> Self:
        """Train the autoencoder on X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training data; NaN is a missing value. Computations use float32 for float32 data and
            data frames with categories, in about half the time, and float64 for all other data.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the autoencoder does not take missing values, or X does not suit it, is sparse or
            has no observed cell. An earlier fit remains.
        """
        with together(self, False, X) as (X, _, _), undone_on_failure(self):
            return self._fit(X)

    def _fit(self, X):
        spec = self._spec_of_table(X)
        self._check_parameters(of_table=spec is not None)
        X = self._validate_X(X, reset=True, of_table=spec is not None)
        gaps = np.isnan(own(X)) if spec is None else gaps_of(own(X))
        has_any = in_any_row(X, ~gaps)
        self._warn_of_empty(has_any)
        fit = self._fit_array if spec is None else self._fit_table
        kept = map_rows(partial(columns_of, is_kept=has_any), X)
        self.autoencoder_, self.scaler_ = fit(kept, spec)
        self._has_any_, self.indicator_ = has_any, None
        if self.add_indicator:
            indicator = MissingIndicator(error_on_new=False).set_output(transform="default")
            self.indicator_ = indicator.fit(as_nan(in_any_row(X, gaps)[None]))
        return self

    def _fit_array(self, X, spec):
        """The fitted autoencoder and scaler for an array."""
        autoencoder, scaler = self._unfitted(recipe_of_array(*X.shape)), None
        if isinstance(autoencoder._output, SquaredError):
            scaler = fitted_scaler(X)
            X = map_rows(scaler.transform, X)
        return autoencoder.fit(X), scaler

    def _fit_table(self, X, spec):
        """The fitted autoencoder and None for a table, which the autoencoder encodes."""
        table = (TableEncoder() if spec == "auto" else clone(spec)).fit(X)
        autoencoder = self._unfitted(recipe(*X.shape))
        return autoencoder.fit(encoded(table, X)), None

    def transform(self, X) -> np.ndarray:
        """Fill in the missing values of X.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows to fill in; NaN is a missing value. A data frame if `fit` got one with
            categories.

        Returns
        -------
        filled : ndarray or DataFrame of shape (n_samples, n_features_out)
            A copy without NaN, of float32 if X is, otherwise of float64: the columns with an
            observed cell in `fit`, and with `add_indicator` the indicator columns. If `fit` got a
            data frame with categories, a data frame of the library of X, with its dtypes and
            index, or of the library chosen by `set_output`.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, is sparse or infinite, or a column's dtype is
            of another kind than in `fit`.
        """
        check_is_fitted(self)
        if self._is_of_table:
            return self._transform_table(X)
        X = self._validate_X(X, reset=False)
        filled = X[:, self._has_any_]  # a copy
        missing = np.isnan(filled)
        rows = np.flatnonzero(missing.any(axis=1))
        if len(rows):
            filled[missing] = self._reconstruct(filled[rows])[missing[rows]]
        if self.indicator_ is not None:
            filled = np.hstack([filled, self.indicator_.transform(X).astype(X.dtype)])
        return filled

    def _transform_table(self, X):
        self._refuse_another_kind(X)
        X = self._validate_X(X, reset=False, of_table=True)
        gaps, has_any = gaps_of(X), self._has_any_
        table = filled(columns_of(X, has_any), gaps[:, has_any], self.autoencoder_)
        if self.indicator_ is not None:
            names = self.get_feature_names_out()[has_any.sum() :]
            indicators = self.indicator_.transform(as_nan(gaps))
            table = frame_of(table).append(table, dict(zip(names, indicators.T, strict=True)))
        container = output_container(self)
        return table_of(container, table) if is_frame(X) and container != "default" else table

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Name the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X if it had none in `fit`; None then stands for x0,
            x1 and so on.

        Returns
        -------
        names : ndarray of shape (n_features_out,)
            Names of the columns of X; with `add_indicator` also their names prefixed by
            ``missingindicator_``.

        Raises
        ------
        ValueError
            If the names differ from those in `fit` in content or number.
        """
        check_is_fitted(self)
        names = super().get_feature_names_out(input_features)
        kept = names[self._has_any_]
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])

    def _spec_of_table(self, X):
        """The autoencoder's `table` if X is a table, None if it is an array."""
        spec = "auto" if self.autoencoder is None else getattr(self.autoencoder, "table", None)
        return spec if spec != "auto" or holds_more_than_numbers(X) else None

    @property
    def _is_of_table(self):
        return self.autoencoder_._table is not None

    def _refuse_another_kind(self, X):
        """Refuse an array if `fit` got a data frame, and the other way round."""
        was_frame = self.autoencoder_._table._frame["library"] != "numpy"
        if was_frame == is_frame(X):
            return
        was, now = "a data frame", "an array"
        if not was_frame:
            was, now = now, was
        raise ValueError(
            f"{type(self).__name__} was fitted on {was}, but got {now}: pass {was} with the "
            "columns of fit."
        )

    def _check_parameters(self, of_table):
        if self.autoencoder is None:
            return
        if not isinstance(self.autoencoder, BaseAutoencoder):
            remedy = remedy_for_prototype(self.autoencoder, self, "autoencoder")
        elif not self._takes_gaps(of_table):
            remedy = f"use {self._parts['autoencoder'][0]}, for example."
        else:
            return
        raise InvalidParameterError(
            "autoencoder must be an autoencoder of skae that takes missing values, but found "
            f"{self.autoencoder!r}: {remedy}"
        )

    def _takes_gaps(self, of_table):
        if of_table:
            return self.autoencoder._takes_gaps_of_tables
        return get_tags(self.autoencoder).input_tags.allow_nan

    def _unfitted(self, default):
        """The autoencoder to train, with its seed."""
        autoencoder = clone(self.autoencoder or default)
        if self.random_state is not None:
            autoencoder.set_params(random_state=draw_seed(self.random_state))
        return autoencoder

    def _validate_X(self, X, reset, of_table=False):
        if isinstance(X, Shard):
            return X.map(partial(self._validate_X, reset=reset, of_table=of_table))
        if of_table and is_frame(X):
            return check_frame(self, X, reset)
        X, dtypes = off_torch(X), [np.float64, np.float32]
        check = partial(validate_data, self, reset=reset)
        return hinted(check, X, dtype=dtypes, ensure_all_finite="allow-nan")

    def _warn_of_empty(self, has_any):
        """Warn of columns that will be left out; ValueError if all are."""
        names = vars(self).get("feature_names_in_", np.arange(len(has_any)))
        empty = names[~has_any].tolist()
        if not has_any.any():
            raise ValueError("X has no observed value, so there is nothing to learn from.")
        if empty:
            warn(
                f"Columns {empty} have no observed value: transform leaves them out. To fill them "
                "with a constant, put SimpleImputer(keep_empty_features=True) before "
                f"{type(self).__name__}.",
            )

    def _reconstruct(self, X):
        """The autoencoder's reconstruction of rows, in their units."""
        if self.scaler_ is None:
            return self.autoencoder_.reconstruct(X)
        scaled = self.autoencoder_.reconstruct(self.scaler_.transform(X))
        return self.scaler_.inverse_transform(scaled)

    def __sklearn_is_fitted__(self):
        return "autoencoder_" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
