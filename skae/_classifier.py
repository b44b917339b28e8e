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
    """Whether it can `partial_fit`; AttributeError if not."""
    if classifier.class_weight == "balanced":
        raise AttributeError(
            "AutoencoderClassifier has no partial_fit with class_weight='balanced', since no call "
            "sees all rows: pass {label: weight}, which compute_class_weight of scikit-learn finds."
        )
    return trains_by_epochs(classifier)


class AutoencoderClassifier(ClassifierMixin, BaseSupervised):
    """Classifier that is pretrained as an autoencoder and then fine-tuned.

    First an autoencoder learns a code f(x) of all rows, with or without labels. Then an
    output layer is put on top of its encoder and trained on the codes; at last both are
    trained together. The two minimise, over the rows that have labels ::

        mean over rows of  -w(y) log p(y | x)  +  alpha/2 * ||W||^2,
        p(. | x) = softmax(V f(x) + b),

    the cross-entropy, with w the weight of the row's class. Pretraining pays where
    labels are few and rows without them many: mark those rows by `unlabeled`.

    A row may have several classes, or none: y then is an indicator matrix, dense or
    sparse, of a column of zeros and ones for each class. Its outputs are logistic, and
    the loss is the sum of the cross-entropies of all columns ::

        p_k(x) = logistic(V_k f(x) + b_k).

    Parameters
    ----------
    autoencoder : autoencoder, FrozenEstimator or None, default=None
        What to pretrain: any autoencoder of skae, with its own `max_iter` and the like;
        `autoencoder__max_iter` sets them. It is cloned; its `random_state`, `device`,
        `precision` and `verbose` are not used, but this object's. None is
        `StackedAutoencoder()`. A `sklearn.frozen.FrozenEstimator` around a fitted one
        spares the pretraining; the frozen one itself never changes.
    fine_tune : bool, default=True
        Whether encoder and output layer are trained together in the end; if not, codes
        stay as the pretraining left them, which may be better with very few labels.
        With a frozen autoencoder, it is a copy that is fine-tuned.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers. 'auto': a `TableEncoder()` of those with a column
        that is not of numbers, such as one of categories; then `inverse_transform` and its
        like give data frames, too. `TableEncoder(numeric='quantile')`, for example: as it
        says, and of all-numeric tables and arrays as well. None: data frames are arrays of
        numbers, or an error.
    unlabeled : int, float, str or None, default=None
        What y is, such as -1, in rows without a label; they serve the pretraining
        alone. NaN is possible, too, and then stands for None as well. None: all rows
        have labels, and -1 is a class like any other. In an indicator matrix it marks
        cells: only a row all of whose cells are unknown has no label.
    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes, {label: weight}: what an error in a row of the class
        counts. 'balanced' makes rare classes count as much as frequent ones, n_samples
        / (n_classes * count), counting rows with labels. None: all weigh 1. Not with an
        indicator matrix, in which a row may have several classes (a ValueError).
    alpha : float, default=0.0
        Strength of the weight decay alpha/2 * ||W||^2, which is part of the objective;
        biases are exempt. More keeps the weights small and the network smooth: raise it
        from 1e-5, in factors of 10, where new rows fare much worse than training rows.
        Unlike in MLPRegressor it is not divided by the batch size.
    solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
        Optimiser: 'adam' suits most data; 'sgd' is stochastic gradient descent with
        Nesterov's momentum of 0.9, and wants `learning_rate_init` tuned. 'lbfgs' takes
        all rows at once, for small data: an epoch is one of its iterations, training
        stops at the first one that is no improvement by `tol`, and noise is drawn once.
        `learning_rate`, `learning_rate_init`, `batch_size`, `shuffle`,
        `n_iter_no_change` and `early_stopping` do not apply to it, and there is no
        `partial_fit`.
    learning_rate : {'constant', 'cosine', 'one_cycle'}, default='constant'
        Schedule of the step size over the `max_iter` epochs: 'constant' lets training
        stop before their end, 'cosine' falls to zero, 'one_cycle' rises for the first
        30% of them, then falls to zero, and stands a larger `learning_rate_init`. With
        either of these, only `early_stopping` ends before `max_iter`.
    learning_rate_init : float or 'auto', default='auto'
        Step size, at its peak where a schedule varies it. Lower it, by factors of 3, if
        `loss_curve_` jumps or training diverges (a ValueError); raise it if the curve
        is smooth and still falls at its end. 'auto' depends on what the encoder is made
        of: 0.01 for layers that saturate ('logistic', 'tanh'), 0.0005 where what is to
        learn is only what principal components leave, 0.001 elsewhere, and less for
        wide tables. See :ref:`auto`.
    batch_size : int or 'auto', default='auto'
        Rows per step of the optimiser. Fewer make more steps of an epoch: it takes
        longer, and gets further. 'auto' is a twentieth of the rows, but at least 16
        and at most 200.
    max_iter : int or 'auto', default='auto'
        Epochs, that is passes over the rows with labels, at most, of the output layer's
        training and again of the fine-tuning. Reaching it is no error and does not warn.
        'auto' is 20 epochs, or as many as make 2,000 steps; large networks and tables
        with many more columns than rows get by with fewer steps, and none takes more
        than 20,000. See :ref:`auto`.
    shuffle : bool or 'windows', default=True
        Whether each epoch takes the rows in a new random order; if not, all epochs have
        the same batches. 'windows' is for memory maps larger than memory: the order is
        random within windows of 64 blocks or more, each block of some thousand rows that
        follow each other in X, and drawn at random. See :ref:`windows`.
    tol : float, default=1e-4
        An epoch counts as an improvement if its loss is below the best one by more than
        `tol * abs(best)`: it is relative, unlike in MLPRegressor. More stops sooner.
    n_iter_no_change : int, np.inf or 'auto', default='auto'
        Epochs in a row without improvement after which training stops. Raise it where
        losses waver, as those of few rows do, or with noise; np.inf never stops. 'auto'
        is 10, or as many as make 500 steps.
    early_stopping : bool, default=False
        Whether to hold out rows with labels, in the classes' proportions, to stop when
        their loss stops improving, and to go back to the weights of its last
        improvement. The rows held out are lost to training, pretraining included: with
        few labels, better not.
    validation_fraction : float, default=0.1
        Fraction of the rows with labels that `early_stopping` holds out, rounded up.
        More judge the weights better, and leave fewer to train on.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the previous fit, for up to `max_iter`
        more epochs, instead of from new ones; the network must then be the same.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the held-out rows, the shuffles and the noise. An
        int makes refits identical to the bit, on one device and with as many threads.
        None draws a new seed; the global random generators are neither read nor
        changed.
    device : str, default='cpu'
        Where to compute: 'cpu', 'cuda' ('cuda:1' is the second such GPU), 'mps'
        (Apple's, in float32 only), or 'auto' for a GPU if there is one. One that is not
        there is a ValueError in `fit`; a fitted model goes on with the CPU, and warns.
        Arrays in, arrays out: the device never shows in the results' type.
    precision : {'float', 'bf16'}, default='float'
        'float': training computes in the dtype of X. 'bf16': the layers round to
        bfloat16, which has 8 bits of precision, in training only; weights, losses and
        penalties do not. Nearly twice as fast for layers of a thousand units on
        processors with bfloat16 instructions, slower than 'float' for small ones, and
        many times slower on other processors, where `fit` warns.
    verbose : bool or int, default=False
        Whether to print a line per epoch: which part of the fit it belongs to, its
        number, its loss, that of held-out rows if there are any, and the seconds that
        it took.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted: what the columns of `predict_proba` stand for. With an
        indicator matrix, the numbers of its columns.
    autoencoder_ : autoencoder
        The pretrained autoencoder with the weights of the encoder after the fine-tuning:
        its `transform` is this object's. Its decoder, losses and other attributes are
        those of the pretraining.
    n_components_ : int
        Width of the code: the columns of `transform(X)`.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not with a `network`.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first. Not with a `network`.
    encoder_ : torch.nn.Module
        The encoder, built anew from the weights at each access, on the CPU.
        `encoder_(torch.tensor(X))` equals `transform(X)`, for X in the dtype of the
        fit; another is a TypeError. To train it, call its `requires_grad_()` first.
    module_ : torch.nn.Module
        The whole network, likewise: the encoder and the output layer.
        `module_(torch.tensor(X))` equals `predict_proba(X)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of an epoch; of the held-out rows if there are any.
    loss_curve_ : list of float
        Objective per row in each epoch of the fine-tuning (without `fine_tune`, of the
        output layer's training), averaged while the weights change.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None where none were held out.
    n_iter_ : int
        Epochs with labels: of the output layer's training and the fine-tuning. Those of
        the pretraining are `autoencoder_.n_iter_`.
    batch_size_ : int
        Rows per step that training took, which `batch_size` has come to.
    learning_rate_init_ : float
        Step size that training took.
    max_iter_ : int
        Epochs that training might have taken.
    n_iter_no_change_ : int or np.inf
        Epochs without improvement that training would have waited for.
    table_ : TableEncoder
        What makes a matrix of a data frame; only where `fit` has got one to encode.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only where X has names that are strings.

    See Also
    --------
    AutoencoderRegressor : The same for numbers.
    StackedAutoencoder : The default of what is pretrained.
    sklearn.semi_supervised.SelfTrainingClassifier : May be put around this one, to use
        its own predictions as further labels. It passes on labelled rows alone: give this
        one an autoencoder that has seen all rows, in a FrozenEstimator.
    sklearn.semi_supervised.LabelSpreading : Often better where classes are clusters.

    Notes
    -----
    The output layer is trained alone for up to `max_iter` epochs, then everything for as
    many. Where few rows have labels, an epoch is a single step or two: raise `max_iter` or
    `learning_rate_init` if `loss_curve_` still falls at its end.

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
    _is_multilabel_, _gives_sparse_ = False, False  # what y has been: an indicator matrix, CSR

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
            The most probable class of each row. After a fit to an indicator matrix
            another one, CSR if that was sparse: 1 where a probability is above 0.5.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that the autoencoder does
            not take, such as NaN.
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
            In the order of `classes_`, in the dtype of the fit. The sum of a row is 1,
            unless y was an indicator matrix, each of whose columns is predicted for itself.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that the autoencoder does
            not take, such as NaN.
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
            In the order of `classes_`, in the dtype of the fit.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that the autoencoder does
            not take, such as NaN.
        """

        def log_probabilities(network, x):
            output = self._decoded(network, x)
            return logsigmoid(output) if self._is_multilabel_ else output.log_softmax(dim=1)

        return self._map(log_probabilities, self._validate_rows(X))

    def score(self, X, y, sample_weight=None) -> float:
        """Accuracy in the rows that have a label.

        So that a search over few labels and many rows without is scored by the labels. With
        an indicator matrix all labels of a row must be right, as in scikit-learn.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to predict y of.
        y : array-like or CSR matrix of shape (n_samples,) or (n_samples, n_classes)
            Labels; rows that `unlabeled` marks do not count, nor those of an indicator
            matrix of which it marks a cell.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts; None for all alike.

        Returns
        -------
        score : float
            Fraction of these rows whose classes are predicted, or its weighted mean.

        Raises
        ------
        ValueError
            If no row has a label, or X does not suit the fit.
        """
        y = off_torch(y)
        known = has_label(as_labels(y), self.unlabeled)
        if known.ndim == 2:
            known, y = known.all(axis=1), indicators(as_labels(y), self.unlabeled)
        return super().score(*labelled_rows(known, X, y, sample_weight))

    @available_if(weighs_no_class_by_all_rows)
    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None) -> Self:
        """Train for one epoch over X and y, going on from where training stands.

        After a `fit` it goes on with its last part, the fine-tuning. Before one, the first
        call trains the autoencoder for one epoch, too, and puts the output layer on top. The
        learning rate is `learning_rate_init`; schedules, `tol`, `early_stopping` and
        `max_iter` play no part. Optimiser and random streams go on exactly, also through
        pickle. Without `fine_tune` it is the output layer alone that goes on.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data. Rows without a label serve the autoencoder's first epoch alone.
        y : array-like or CSR matrix of shape (n_samples,) or (n_samples, n_classes)
            Labels, in this call perhaps of some classes alone, or an indicator matrix.
        classes : array-like of shape (n_classes,), default=None
            All labels that any call will see, without `unlabeled`; with an indicator matrix
            the numbers of its columns. The first call needs them; in later ones they may be
            left out.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts, at least 0: 2 is as good as a row that is there twice, 0 as
            one that is not there. None for all alike. They compare the rows of one call.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `classes` lacks in the first call or differs in a later one, y has other
            labels, X or y does not suit the parameters or the loss becomes non-finite;
            the estimator is then as it was before the call.
        AttributeError
            With solver='lbfgs', which takes all rows at once, or class_weight='balanced',
            which goes by all of them.
        """
        with self._transaction():
            check_partial_fit_first_call(self, classes)
            return self._run_partial_fit(X, y, sample_weight)

    def _validate_y(self, y, reset):
        y = as_labels(y, warn=True)
        labels = dense(y)[has_label(y, self.unlabeled)]
        if not is_known(labels).all():
            raise ValueError(
                "y has rows without a label (NaN or None): set unlabeled=np.nan, so that they "
                "serve the pretraining alone, or leave them out."
            )
        if not len(labels):
            raise ValueError(
                f"All {y.shape[0]} rows of y are unlabelled (unlabeled={self.unlabeled!r}): give "
                "at least some of them their label."
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
                f"{type(self).__name__} needs rows of at least 2 classes, but y has 1 class "
                f"among its labels, {classes.tolist()[0]!r}: give it rows of others."
            )
        compute_class_weight(self.class_weight, classes=classes, y=labels)  # for its errors
        return y

    def _among_indicators(self, y, known):
        """An indicator matrix, of as many columns as there are classes, if they are known."""
        if self.class_weight is not None:
            raise ValueError(
                f"class_weight={self.class_weight!r} is for y with one class for each row, but in "
                "an indicator matrix a row may have several: set class_weight=None, and weigh rows "
                "by sample_weight."
            )
        goes_on_with_labels = self.__sklearn_is_fitted__() and not self._is_multilabel_
        if known is not None and (goes_on_with_labels or y.shape[1:] != (len(known),)):
            raise ValueError(
                f"y has shape {y.shape}, but training goes on with "
                f"{'labels of one dimension' if goes_on_with_labels else 'an indicator matrix'} of "
                f"{len(known)} classes. Give y of the same kind, or call fit without warm_start."
            )
        check_indicators(y, self.unlabeled, all_known=known is None)
        return y

    def _check_type_of_unlabeled(self, classes):
        """Where it occurs nowhere in y, as in a fold of few rows, or by a slip."""
        if self.unlabeled is None or self.unlabeled != self.unlabeled:
            return
        if isinstance(self.unlabeled, str) != isinstance(classes[0], str):
            raise ValueError(
                f"unlabeled={self.unlabeled!r} is nowhere in y, whose labels are of another type, "
                f"such as {classes.tolist()[0]!r}: mark rows without a label by a value of the "
                "same type, or make y an array of dtype object."
            )

    def _is_labelled(self, y):
        known = has_label(y, self.unlabeled)
        return known.any(axis=1) if known.ndim == 2 else known

    @property
    def _output(self):
        return LOSSES[f"{'binary' if self._is_multilabel_ else 'categorical'}_cross_entropy"]

    def _encode_targets(self, y, sample_weight):
        """Rows of zeros, but for the weight of the row's class; an indicator matrix as it is."""
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
