"""Scores of rows, and the threshold of outliers."""

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skae._compat import validate_params
from skae.inspection._data import last_step
from skae.inspection._figures import Display, merged, new_axes, pyplot

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

N_BINS = 40
TRAINING = {"histtype": "stepfilled", "color": "0.8", "label": "training rows"}
NEW = {"histtype": "step", "linewidth": 1.5}


class OutlierScoresDisplay(Display):
    """Distribution of the scores of rows, and which rows are outliers.

    Histograms of minus the scores, so that outliers are on the right, with a logarithmic axis if
    all are positive: training rows in grey, other rows as lines, each as a share of its rows. It
    is recommended to use `OutlierScoresDisplay.from_estimator` to create one. All parameters are
    stored as attributes.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of rows; larger is more normal.
    offset : float
        The score below which rows are outliers.
    training_scores : ndarray of shape (n_training,), default=None
        Scores of training rows, if these are drawn, too.
    y : array-like of shape (n_samples,), default=None
        Known kinds of the rows: each value has a histogram. None for one histogram of
        all rows.

    Attributes
    ----------
    histograms_ : dict
        `(shares, edges)` of each histogram, by its label.
    offset_line_ : matplotlib Line2D
        Vertical line at the threshold.
    ax_ : matplotlib Axes
        Axes with the histograms.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    OutlierScoresDisplay.from_estimator : Draw a detector's scores of rows.
    FeatureErrorsDisplay : Shows why a row is an outlier.
    skae.AutoencoderOutlierDetector : Finds outliers.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder, AutoencoderOutlierDetector
    >>> from skae.inspection import OutlierScoresDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> detector = AutoencoderOutlierDetector(Autoencoder(16, max_iter=20), random_state=0)
    >>> detector = detector.fit(X[y != 0] / 16)
    >>> kind = ["zero" if digit == 0 else "other" for digit in y]
    >>> display = OutlierScoresDisplay.from_estimator(detector, X / 16, kind)
    >>> list(display.histograms_)
    ['training rows', 'other', 'zero']
    """

    histograms_: dict
    offset_line_: "Line2D"

    def __init__(self, *, scores, offset, training_scores=None, y=None):
        self.scores = scores
        self.offset = offset
        self.training_scores = training_scores
        self.y = y

    @classmethod
    @validate_params({}, prefer_skip_nested_validation=True)
    def from_estimator(cls, estimator, X, y=None, *, ax=None, **kwargs) -> Self:
        """Draw a detector's scores of rows.

        Parameters
        ----------
        estimator : object
            Fitted :class:`~skae.AutoencoderOutlierDetector`, another detector with
            `score_samples` and `offset_`, such as scikit-learn's, or a pipeline or search that
            ends with one.
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows to score.
        y : array-like of shape (n_samples,), default=None
            Known kinds of the rows, such as 'normal' and 'outlier': each value has a histogram.
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `hist`, for the rows of X.

        Returns
        -------
        display : OutlierScoresDisplay
            The display, which stores what was drawn.
        """
        check_is_fitted(estimator)
        last = last_step(estimator)
        for member in ("score_samples", "offset_"):
            if not hasattr(last, member):
                raise TypeError(
                    "OutlierScoresDisplay needs a detector with score_samples and offset_, but "
                    f"{type(last).__name__} has no {member}."
                )
        scores = np.asarray(estimator.score_samples(X))
        if y is not None:
            check_consistent_length(scores, y)
        display = cls(
            scores=scores,
            offset=float(last.offset_),
            training_scores=getattr(last, "_training_scores_", None),
            y=y,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `hist`, for the rows of X.

        Returns
        -------
        display : OutlierScoresDisplay
            This object.
        """
        plt = pyplot(self)
        ax = new_axes(plt, (5, 3.5)) if ax is None else ax
        groups = self._groups()
        bins = self._bins(groups)
        self.histograms_ = {
            label: draw_shares(ax, values, bins, self._style(number, label, kwargs))
            for number, (label, values) in enumerate(groups.items())
        }
        style = {"color": "black", "linestyle": "--", "label": "threshold"}
        self.offset_line_ = ax.axvline(-self.offset, **style)
        ax.set(xlabel="minus the score", ylabel="share of rows")
        ax.set_xscale("log" if bins[0] > 0 else "linear")
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _style(self, number, label, kwargs):
        from matplotlib.patches import Patch

        if label == TRAINING["label"]:
            return TRAINING
        return merged({**NEW, "color": f"C{number % 10}", "label": label}, kwargs, Patch)

    def _groups(self):
        """Minus the scores, by group of rows."""
        groups = {}
        if self.training_scores is not None:
            groups[TRAINING["label"]] = -np.asarray(self.training_scores)
        if self.y is None:
            return {**groups, "rows": -self.scores}
        y = np.asarray(self.y)
        return {**groups, **{str(value): -self.scores[y == value] for value in np.unique(y)}}

    def _bins(self, groups):
        """Edges of bins of equal width on the axis; infinite values lie outside."""
        values = np.concatenate([*groups.values(), [-self.offset]])
        values = values[np.isfinite(values)]
        low, high = values.min(), values.max()
        high = high if high > low else low + max(abs(low), 1.0)
        return (np.geomspace if low > 0 else np.linspace)(low, high, N_BINS + 1)


def draw_shares(ax, values, bins, style):
    """Draw a histogram of shares; return these and the edges of the bins."""
    weights = np.full(len(values), 1.0 / len(values))
    values = np.clip(values, bins[0], bins[-1])
    shares, edges, _ = ax.hist(values, **{"bins": bins, "weights": weights, **style})
    return shares, edges
