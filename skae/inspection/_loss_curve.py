"""The objective of each epoch."""

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skae._compat import validate_params
from skae.inspection._data import last_step
from skae.inspection._figures import Display, merged, new_axes, pyplot

if TYPE_CHECKING:
    from matplotlib.lines import Line2D


class LossCurveDisplay(Display):
    """Objective in each epoch of a training, and its best epoch.

    It is recommended to use `LossCurveDisplay.from_estimator` to create one. All
    parameters are stored as attributes.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Objective per row in each epoch.
    validation_loss_curve : array-like of shape (n_epochs,), default=None
        Objective per held-out row after each of the last epochs, if there are any.
    best_epoch : int, default=None
        Epoch to mark, counted from 1; 0 marks the start, None nothing.
    name : str, default=None
        Name of the estimator in the legend, if several share the axes.

    Attributes
    ----------
    line_ : matplotlib Line2D
        Curve of the training rows.
    validation_line_ : matplotlib Line2D or None
        Curve of the held-out rows.
    best_line_ : matplotlib Line2D or None
        Vertical line at the best epoch.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    LossCurveDisplay.from_estimator : Draw the curves of a fitted estimator.
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of rows.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.inspection import LossCurveDisplay
    >>> X = load_digits().data / 16
    >>> autoencoder = Autoencoder(8, early_stopping=True, max_iter=20, random_state=0).fit(X)
    >>> display = LossCurveDisplay.from_estimator(autoencoder)
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    line_: "Line2D"
    validation_line_: "Line2D | None"
    best_line_: "Line2D | None"

    def __init__(self, *, loss_curve, validation_loss_curve=None, best_epoch=None, name=None):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.best_epoch = best_epoch
        self.name = name

    @classmethod
    @validate_params({"name": [str, None]}, prefer_skip_nested_validation=True)
    def from_estimator(cls, estimator, *, name=None, ax=None, **kwargs) -> Self:
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted estimator with `loss_curve_`: an autoencoder, a pipeline or search that ends
            with one, or scikit-learn's `MLPRegressor`.
        name : str, default=None
            Name in the legend, if several estimators share the axes.
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        **kwargs : dict
            Passed to matplotlib's `plot` for both curves.

        Returns
        -------
        display : LossCurveDisplay
            The display, which stores what was drawn.
        """
        check_is_fitted(estimator)
        last = last_step(estimator)
        if not hasattr(last, "loss_curve_"):
            raise TypeError(
                f"LossCurveDisplay needs an estimator with loss_curve_, but {type(last).__name__} "
                "has none."
            )
        validation = getattr(last, "validation_loss_curve_", None)
        watched = np.asarray(last.loss_curve_ if validation is None else validation)
        before = len(last.loss_curve_) - len(watched)  # epochs of earlier fits
        minimizes = getattr(last, "_minimizes", True)  # a game has no best epoch
        best_loss = getattr(last, "best_loss_", None)
        display = cls(
            loss_curve=last.loss_curve_,
            validation_loss_curve=validation,
            best_epoch=before + _best_epoch(watched, best_loss) if minimizes else None,
            name=name,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None for a new figure.
        name : str, default=None
            Name of the estimator in the legend; None for the attribute `name`.
        **kwargs : dict
            Passed to matplotlib's `plot` for both curves.

        Returns
        -------
        display : LossCurveDisplay
            This object.
        """
        plt = pyplot(self)
        ax = new_axes(plt, (5, 3.5)) if ax is None else ax
        name = self.name if name is None else name
        prefix = "" if name is None else f"{name}, "
        is_alone = name is not None and self.validation_loss_curve is None
        style = {"label": name if is_alone else f"{prefix}training"}
        n_epochs = len(self.loss_curve)
        self.line_ = _curve(ax, self.loss_curve, n_epochs, style, kwargs)
        self.validation_line_ = self.best_line_ = None
        color = self.line_.get_color()
        if self.validation_loss_curve is not None:
            style = {"label": f"{prefix}held out", "color": color, "linestyle": "--"}
            self.validation_line_ = _curve(ax, self.validation_loss_curve, n_epochs, style, kwargs)
        if self.best_epoch is not None:
            label = f"{prefix}best: epoch {self.best_epoch}"
            self.best_line_ = ax.axvline(self.best_epoch, label=label, color=color, linestyle=":")
        _finish(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _curve(ax, losses, last_epoch, style, kwargs):
    from matplotlib.lines import Line2D

    if len(losses) == 1:  # a line would show nothing
        style = style | {"marker": "o"}
    epochs = np.arange(last_epoch - len(losses), last_epoch) + 1
    (line,) = ax.plot(epochs, losses, **merged(style, kwargs, Line2D))
    return line


def _best_epoch(losses, best_loss):
    # Not simply the lowest, since the warm-up epochs of a VAE do not count.
    if best_loss is not None and best_loss < losses.min():
        return 0  # the start was better
    best = np.flatnonzero(losses == best_loss)
    return int(best[0] if len(best) else losses.argmin()) + 1


def _finish(ax):
    from matplotlib.ticker import MaxNLocator

    ax.set(xlabel="epoch", ylabel="objective per row")
    ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    # All curves in these axes, including an earlier display's, but not the vertical lines.
    curves = [line.get_ydata() for line in ax.lines if line.get_transform() == ax.transData]
    _scale(ax, np.concatenate(curves))
    ax.legend()


def _scale(ax, losses):
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = losses.min(), losses.max()
    spans_decades = low > 0 and high > 10 * low
    ax.set_yscale("log" if spans_decades else "linear")
    if spans_decades and high < 1000 * low:  # 1, 2, 5, 10: powers of ten alone are too few
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=15))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
