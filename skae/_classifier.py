"""Classification: labels predicted from a pretrained code."""

from numbers import Real
from typing import Self

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from torch.nn.functional import logsigmoid

from skae._compat import (
    StrOptions,
    align_sparse_interface,
    available_if,
    check_partial_fit_first_call,
    fit_context,
)
from skae._engine.data import dense
from skae._engine.devices import off_torch
from skae._estimator import trains_by_epochs
from skae._labels import (
    as_labels,
    check_among,
    check_indicators,
    has_label,
    indicators,
    is_known,
    known_classes,
)
from skae._outputs import LOSSES
from skae._supervised import BaseSupervised, labelled_rows
from skae.tables import TableEncoder


def weighs_no_class_by_all_rows(classifier):
    """Whether the classifier has `partial_fit`; AttributeError if not."""
    if classifier.class_weight == "balanced":
        raise AttributeError(
            "AutoencoderClassifier has no partial_fit with class_weight='balanced', since no call "
            "sees all rows: pass {label: weight}, computed by scikit-learn's compute_class_weight."
        )
    return trains_by_epochs(classifier)


class AutoencoderClassifier(ClassifierMixin, BaseSupervised):
    """Classifier that is pretrained as an autoencoder and then fine-tuned.

    First, an autoencoder learns a code f(x) of all rows, with or without labels. Then
    an output layer is put on top of its encoder and trained on the codes; finally, both
    are trained together. These two steps minimise, over the rows that have labels ::

        mean over rows of  -w(y) log p(y | x)  +  alpha/2 * ||W||^2,
        p(. | x) = softmax(V f(x) + b),

    the cross-entropy, with w the weight of the row's class. Pretraining pays off if few
    rows have labels and many have none: mark the latter by `unlabeled`.

    A row may have several classes or none: y is then an indicator matrix, dense or
    sparse, with a column of zeros and ones for each class. The outputs are logistic,
    and the loss is the sum of the cross-entropies of all columns ::

        p_k(x) = logistic(V_k f(x) + b_k).

    Parameters
    ----------
    autoencoder : autoencoder, FrozenEstimator or None, default=None
        The autoencoder to pretrain: any of skae, with its own `max_iter` and the like,
        which can be set as `autoencoder__max_iter`. It is cloned; its `random_state`,
        `device`, `precision` and `verbose` are replaced by those given here. None is
        `StackedAutoencoder()`. A `sklearn.frozen.FrozenEstimator` around a fitted one
        skips the pretraining; the frozen autoencoder itself never changes.
    fine_tune : bool, default=True
        Whether encoder and output layer are finally trained together; if not, codes
        stay as pretrained, which may be better with very few labels. If the autoencoder
        is frozen, a copy of it is fine-tuned.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers. 'auto' uses a `TableEncoder()` if a column is not numeric,
        for example categorical; `inverse_transform` and similar methods then return data frames,
        too. A given encoder, such as `TableEncoder(numeric='quantile')`, also encodes all-numeric
        tables and arrays. With None, data frames must be numeric and are read as arrays.
    unlabeled : int, float, str or None, default=None
        Value of y, such as -1, that marks rows without a label; only the pretraining
        uses them. NaN is possible, too, and then also stands for None. With None, all
        rows have labels, and -1 is a class like any other. In an indicator matrix it
        marks unknown cells: a row has no label if all its cells are unknown.
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes, {label: weight}, which multiply the loss of their rows.
        'balanced' makes rare classes count as much as frequent ones: n_samples /
        (n_classes * count), over rows with labels. With None all weights are 1. An
        indicator matrix, in which a row may have several classes, raises ValueError.
    alpha : float, default=0.0
        Strength of the weight decay alpha/2 * ||W||^2, which is part of the objective;
        biases are exempt. Larger values keep the weights small and the network smooth:
        raise it from 1e-5 by factors of 10 if new rows have a much higher loss than
        training rows. Unlike in MLPRegressor, it is not divided by the batch size.
    solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
        Optimiser. 'adam' suits most data. 'sgd' is stochastic gradient descent with
        Nesterov momentum 0.9; it needs a tuned `learning_rate_init`. 'lbfgs' suits
        small data: it takes all rows at once, one iteration is one epoch, training
        stops at the first one that does not improve by `tol`, and noise is drawn once.
        It ignores `learning_rate`, `learning_rate_init`, `batch_size`, `shuffle`,
        `n_iter_no_change` and `early_stopping`, and has no `partial_fit`.
    learning_rate : {'constant', 'cosine', 'one_cycle'}, default='constant'
        Schedule of the step size over the `max_iter` epochs: 'constant' lets training
        stop earlier; 'cosine' falls to zero; 'one_cycle' rises for the first 30% of the
        epochs, then falls to zero, and tolerates a larger `learning_rate_init`. With
        the last two, only `early_stopping` can end training before `max_iter`.
    learning_rate_init : float or 'auto', default='auto'
        Step size, or its peak if a schedule varies it. Lower it by factors of 3 if
        `loss_curve_` jumps or training diverges (a ValueError); raise it if the curve
        is smooth and still falling at its end. 'auto' depends on the encoder: 0.01 for
        layers that saturate ('logistic', 'tanh'), 0.03 if they are contracted, 0.003 if
        they start near principal components and for top-k codes, 0.0005 if only the
        remainder after principal components is left to learn, 0.001 otherwise, and less
        for wide tables. See :ref:`auto`.
    batch_size : int or 'auto', default='auto'
        Rows per step of the optimiser. With smaller batches an epoch has more steps: it
        takes longer and lowers the loss further. 'auto' is a twentieth of the rows, but
        at least 16 and at most 200.
    max_iter : int or 'auto', default='auto'
        Maximum number of epochs, that is, passes over the rows with labels, in the training of the
        output layer and again in the fine-tuning. Reaching it is not an error and does not warn.
        'auto' is 20 epochs or 500 steps, whichever is longer, and at most 20,000 steps: more would
        memorise the noise of y. Raise it if y is exact. The fit then ends with a mean of the
        weights after its last epochs. See :ref:`auto`.
    shuffle : bool or 'windows', default=True
        Whether each epoch takes the rows in a new random order; if not, all epochs have the same
        batches. 'windows' suits memory maps larger than memory: the order is random within windows
        of 64 or more randomly drawn blocks, each of some thousand consecutive rows of X. See
        :ref:`windows`.
    tol : float, default=1e-4
        An epoch counts as an improvement if its loss is below the best one by more than
        `tol * abs(best)`: unlike in MLPRegressor, it is relative. Larger values stop
        training sooner.
    n_iter_no_change : int, np.inf or 'auto', default='auto'
        Number of consecutive epochs without improvement after which training stops.
        Raise it if the loss fluctuates, as it does with few rows or with noise; np.inf
        never stops. 'auto' is 10 epochs or 500 steps, whichever is longer.
    early_stopping : bool, default=False
        Whether to hold out rows with labels, in the proportions of the classes, stop
        when their loss no longer improves, and restore the weights of its last
        improvement, or of the start. Held-out rows are not trained on, nor used in
        pretraining: avoid it with few labels.
    validation_fraction : float, default=0.1
        Fraction of the rows with labels that `early_stopping` holds out, rounded up.
        More held-out rows judge the weights better but leave fewer to train on.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous fit, for up to
        `max_iter` more epochs, instead of starting from new weights; the network must
        then be the same.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the held-out rows, the shuffling and the noise.
        With an int, refits on the same device with the same number of threads are
        identical to the bit. None draws a new seed; the global random generators are
        neither read nor changed.
    device : str, default='cpu'
        Where to compute: 'cpu', 'cuda' ('cuda:1' is the second such GPU), 'mps'
        (Apple's, in float32 only), or 'auto' for a GPU if there is one. If it is
        unavailable, `fit` raises ValueError; a fitted model falls back to the CPU with
        a warning. The device does not change the type of the results.
    precision : {'float', 'bf16'}, default='float'
        'float': training computes in the dtype of X. 'bf16': in training only, the
        layers round to bfloat16, which has 8 bits of precision; weights, losses and
        penalties are not rounded. On processors with bfloat16 instructions, 'bf16' is
        nearly twice as fast for layers of a thousand units and slower for small ones;
        on other processors it is many times slower, and `fit` warns.
    verbose : bool or int, default=False
        Whether to print the training's settings, then a line per epoch: the current
        part of the fit, the epoch's number, its loss, the loss of held-out rows if there
        are any, and its duration in seconds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels, one for each column of `predict_proba`. With an indicator
        matrix, the numbers of its columns.
    autoencoder_ : autoencoder
        The pretrained autoencoder with the encoder's weights after the fine-tuning: its
        `transform` gives the same codes. Its decoder, losses and other attributes are those of the
        pretraining.
    n_components_ : int
        Width of the code: the columns of `transform(X)`.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not available with a `network`.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first. Not available with a `network`.
    encoder_ : torch.nn.Module
        The encoder, rebuilt from the weights on the CPU at each access.
        `encoder_(torch.tensor(X))` equals `transform(X)` for X in the dtype of the fit;
        other dtypes raise TypeError. To train it, call its `requires_grad_()` first.
    module_ : torch.nn.Module
        The whole network, rebuilt likewise: the encoder and the output layer.
        `module_(torch.tensor(X))` equals `predict_proba(X)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of any epoch, measured on the held-out rows if there are any; with
        these, the loss before the first epoch counts, too.
    loss_curve_ : list of float
        Objective per row in each epoch of the fine-tuning (without `fine_tune`, of the
        output layer's training), averaged while the weights change.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None without held-out rows.
    n_iter_ : int
        Number of epochs with labels, in the training of the output layer and the
        fine-tuning. The epochs of the pretraining are `autoencoder_.n_iter_`.
    batch_size_ : int
        Rows per step that training used, resolved from `batch_size`.
    learning_rate_init_ : float
        Step size that training used, resolved from `learning_rate_init`.
    max_iter_ : int
        Maximum number of epochs, resolved from `max_iter`.
    n_iter_no_change_ : int or np.inf
        Number of epochs without improvement that training would have waited for.
    table_ : TableEncoder
        The fitted encoder of data frames; only if `fit` got a data frame to encode.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only if all column names of X are strings.

    See Also
    --------
    AutoencoderRegressor : The counterpart for numbers.
    StackedAutoencoder : The autoencoder that is pretrained by default.
    sklearn.semi_supervised.SelfTrainingClassifier : Wraps this classifier to use
        its own predictions as further labels. It passes on labelled rows only, so give this
        classifier an autoencoder fitted on all rows, in a FrozenEstimator.
    sklearn.semi_supervised.LabelSpreading : Often better if classes are clusters.

    Notes
    -----
    The output layer is trained alone for up to `max_iter` epochs, then the whole network for as
    many. If few rows have labels, an epoch is only a step or two: raise `max_iter` or
    `learning_rate_init` if `loss_curve_` is still falling at its end.

    References
    ----------
    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders",
    Journal of Machine Learning Research 11, 2010,
    https://jmlr.org/papers/v11/vincent10a.html.

    Erhan, Bengio, Courville, Manzagol, Vincent and Bengio, "Why does unsupervised
    pre-training help deep learning?", Journal of Machine Learning Research 11, 2010,
    https://jmlr.org/papers/v11/erhan10a.html.

    Kumar, Raghunathan, Jones, Ma and Liang, "Fine-tuning can distort pretrained features
    and underperform out-of-distribution", ICLR 2022, https://arxiv.org/abs/2202.10054, on
    training the output layer first.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import AutoencoderClassifier, DenoisingAutoencoder
    >>> X, y = load_digits(return_X_y=True)
    >>> X, some = X / 16, y.copy()
    >>> some[100:] = -1  # 100 labels
    >>> model = AutoencoderClassifier(
    ...     DenoisingAutoencoder(64), unlabeled=-1, random_state=0
    ... ).fit(X, some)
    >>> model.score(X[100:], y[100:]) > 0.8
    True
    >>> model.transform(X).shape
    (1797, 64)
    """

    classes_: np.ndarray

    _parameter_constraints = {
        **BaseSupervised._parameter_constraints,
        "unlabeled": [Real, str, None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _is_multilabel_, _gives_sparse_ = False, False  # y in `fit` was an indicator matrix, CSR

    def __init__(
        self,
        autoencoder=None,
        *,
        fine_tune=True,
        table: TableEncoder | str | None = "auto",
        unlabeled=None,
        class_weight=None,
        alpha=0.0,
        solver="adam",
        learning_rate="constant",
        learning_rate_init: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        shuffle: bool | str = True,
        tol=1e-4,
        n_iter_no_change: float | str = "auto",
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        random_state=None,
        device="cpu",
        precision="float",
        verbose: bool | int = False,
    ):
        self.autoencoder = autoencoder
        self.fine_tune = fine_tune
        self.table = table
        self.unlabeled = unlabeled
        self.class_weight = class_weight
        self.alpha = alpha
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.verbose = verbose

    def predict(self, X) -> np.ndarray:
        """Predict classes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The most probable class of each row. After a fit to an indicator matrix,
            another indicator matrix (CSR if that was sparse), with 1 for probabilities
            above 0.5.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that the autoencoder
            does not take, such as NaN.
        """
        log_probabilities = self.predict_log_proba(X)
        if not self._is_multilabel_:
            return self.classes_[log_probabilities.argmax(axis=1)]
        labels = (np.exp(log_probabilities) > 0.5).astype(int)
        return align_sparse_interface(csr_array(labels)) if self._gives_sparse_ else labels

    def predict_proba(self, X) -> np.ndarray:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_` and the dtype of the fit. Rows sum to 1,
            unless y was an indicator matrix: its columns are predicted separately.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that the autoencoder
            does not take, such as NaN.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X) -> np.ndarray:
        """Predict the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Logarithms in the order of `classes_` and the dtype of the fit.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that the autoencoder
            does not take, such as NaN.
        """

        def log_probabilities(network, x):
            output = self._decoded(network, x)
            return logsigmoid(output) if self._is_multilabel_ else output.log_softmax(dim=1)

        return self._map(log_probabilities, self._validate_rows(X))

    def score(self, X, y, sample_weight=None) -> float:
        """Accuracy on the rows that have a label.

        A search over few labelled and many unlabelled rows is thus scored by the labels. With an
        indicator matrix, all labels of a row must be right, as in scikit-learn.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to predict y for.
        y : array-like or CSR matrix of shape (n_samples,) or (n_samples, n_classes)
            Labels. Rows that `unlabeled` marks do not count, nor do rows of an
            indicator matrix in which it marks a cell.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; None for equal weights.

        Returns
        -------
        score : float
            Fraction of these rows with the right classes, weighted by `sample_weight`.

        Raises
        ------
        ValueError
            If no row has a label, or X does not match the fit.
        """
        y = off_torch(y)
        known = has_label(as_labels(y), self.unlabeled)
        if known.ndim == 2:
            known, y = known.all(axis=1), indicators(as_labels(y), self.unlabeled)
        return super().score(*labelled_rows(known, X, y, sample_weight))

    @available_if(weighs_no_class_by_all_rows)
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None) -> Self:
        """Train for one epoch on X and y, continuing the earlier training.

        After `fit`, it continues the fine-tuning. Without a `fit`, the first call also trains the
        autoencoder for one epoch and puts the output layer on top. The learning rate is
        `learning_rate_init`; schedules, `tol`, `early_stopping` and `max_iter` are ignored. The
        optimiser and the random streams continue exactly, even after pickling. Without
        `fine_tune`, only the output layer is trained further.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data. Only the autoencoder's first epoch uses rows without a label.
        y : array-like or CSR matrix of shape (n_samples,) or (n_samples, n_classes)
            Labels, possibly of only some classes in this call, or an indicator matrix.
        classes : array-like of shape (n_classes,), default=None
            All labels of all calls, without `unlabeled`; with an indicator matrix, the numbers of
            its columns. Required in the first call, optional in later ones.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, at least 0: a row of weight 2 counts as two rows, a row of weight 0
            as none. None gives all rows equal weight. Weights compare only the rows of one call.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `classes` is missing in the first call or differs in a later one, y has
            other labels, X or y does not suit the parameters, or the loss becomes
            non-finite; the estimator is then unchanged.
        AttributeError
            With solver='lbfgs', which takes all rows at once, or class_weight='balanced', which
            depends on all of them.
        """
        with self._transaction():
            check_partial_fit_first_call(self, classes)
            return self._run_partial_fit(X, y, sample_weight)

    def _validate_y(self, y, reset):
        y = as_labels(y, warn=True)
        labels = dense(y)[has_label(y, self.unlabeled)]
        if not is_known(labels).all():
            raise ValueError(
                "y has rows without a label (NaN or None): set unlabeled=np.nan, so that only the "
                "pretraining uses them, or leave them out."
            )
        if not len(labels):
            raise ValueError(
                f"All {y.shape[0]} rows of y are unlabelled (unlabeled={self.unlabeled!r}): label "
                "at least some of them."
            )
        if y.ndim == 2 or (not reset and self._is_multilabel_):
            return self._among_indicators(y, known_classes(self, reset))
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        classes, known = np.unique(labels), known_classes(self, reset)
        if known is not None:
            check_among(classes, known)
            return y
        if len(labels) == len(y) and y.dtype != object:
            self._check_type_of_unlabeled(classes)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least 2 classes, but y has 1 class among "
                f"its labels, {classes.tolist()[0]!r}: add rows of another class."
            )
        compute_class_weight(self.class_weight, classes=classes, y=labels)  # for its errors
        return y

    def _among_indicators(self, y, known):
        """An indicator matrix, with as many columns as classes if these are known."""
        if self.class_weight is not None:
            raise ValueError(
                f"class_weight={self.class_weight!r} needs y with one class for each row, but in "
                "an indicator matrix a row may have several classes: set class_weight=None, and "
                "weigh rows by sample_weight."
            )
        goes_on_with_labels = self.__sklearn_is_fitted__() and not self._is_multilabel_
        if known is not None and (goes_on_with_labels or y.shape[1:] != (len(known),)):
            raise ValueError(
                f"y has shape {y.shape}, but training continues with "
                f"{'one-dimensional labels' if goes_on_with_labels else 'an indicator matrix'} of "
                f"{len(known)} classes. Give y of the same kind, or call fit without warm_start."
            )
        check_indicators(y, self.unlabeled, all_known=known is None)
        return y

    def _check_type_of_unlabeled(self, classes):
        """Refuse an `unlabeled` of another type than y, which cannot occur in it."""
        if self.unlabeled is None or self.unlabeled != self.unlabeled:
            return
        if isinstance(self.unlabeled, str) != isinstance(classes[0], str):
            raise ValueError(
                f"unlabeled={self.unlabeled!r} does not occur in y, whose labels are of another "
                f"type, such as {classes.tolist()[0]!r}: mark rows without a label by a value of "
                "the same type, or make y an array of dtype object."
            )

    def _is_labelled(self, y):
        known = has_label(y, self.unlabeled)
        return known.any(axis=1) if known.ndim == 2 else known

    @property
    def _output(self):
        return LOSSES[f"{'binary' if self._is_multilabel_ else 'categorical'}_cross_entropy"]

    def _encode_targets(self, y, sample_weight):
        """Rows of zeros except for the weight of the row's class; an indicator matrix as it is."""
        if "_is_multilabel_" not in vars(self):
            self._is_multilabel_, self._gives_sparse_ = y.ndim == 2, issparse(y)
        if "classes_" not in vars(self):
            self.classes_ = np.arange(y.shape[1]) if self._is_multilabel_ else np.unique(y)
        if self._is_multilabel_:
            return indicators(y, self.unlabeled)
        indices = np.searchsorted(self.classes_, y)
        if self.class_weight == "balanced":
            counts = np.bincount(indices, sample_weight, minlength=len(self.classes_))
            weights = counts.sum() / (np.count_nonzero(counts) * np.where(counts > 0, counts, 1))
        else:
            weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        return np.diag(weights)[indices]

    def _strata(self, y):
        return None if y.ndim == 2 else np.unique(y, return_inverse=True)[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self.class_weight is None  # see `_among_indicators`
        return tags
