"""The conditional GAN: rows of a given class."""

from dataclasses import replace
from typing import Self

import numpy as np
from scipy.special import expit
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from torch.nn import functional

from skae._adversarial import BaseGAN, calibrating_offset
from skae._compat import check_partial_fit_first_call, fit_context
from skae._engine.data import Data, sample
from skae._engine.devices import off_torch
from skae._engine.streams import stream_seed
from skae._estimator import draw_seed
from skae._generator import ROWS, covered
from skae._hints import FEW
from skae._labels import as_labels, check_among, is_known, known_classes
from skae.tables import TableEncoder


class ConditionalGAN(BaseGAN):
    """Conditional generative adversarial network: new rows of a given class.

    As in `GAN`, a generator G and a discriminator D play against each other. Both know the label
    y: that of a real row x, or the one for which a row G(z, y) was generated. In each batch, ::

        D minimises  mean [log(1 + exp(D(G(z, y), y) - D(x, y)))
                           +  penalty/2 * (|D'(x, y)|^2 + |D'(G(z, y), y)|^2)]
        G minimises  mean [log(1 + exp(D(x, y) - D(G(z, y), y)))]

    where D' is the gradient of D with respect to the row. G gets y as a column for each class, D
    has an output for each class, and both members of a pair have the same label. Labels make the
    game easier: D notices at once if G leaves out a class.

    Parameters
    ----------
    n_components : int, default=32
        Number of independent standard normal numbers, the noise, that the generator turns into a
        row. More numbers than directions in which the data vary do no harm; fewer cannot cover
        them.
    hidden_layer_sizes : int or array-like of int, default=(128, 128)
        Widths of the discriminator's hidden layers, input side first; the generator mirrors them.
        Wider layers draw finer detail and take longer; images of 28 x 28 pixels need (512, 512) or
        a `network`. An int is one hidden layer.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'elu', 'gelu', 'softplus'}, \
            default='relu'
        Activation of the hidden layers and of a `ConvNet`: 'relu' is piecewise linear,
        'identity' is linear, the other functions are smooth.
    network : ConvNet or another specification, default=None
        Layers of another kind around the dense ones: a row passes through the network's encoder,
        then the discriminator's dense layers; noise passes through the generator's dense layers,
        then the network's decoder. `ConvNet(image_shape=(1, 28, 28))` suits images: it gives a
        DCGAN, with sharper samples. A class of your own needs a method `build`, see
        `skae.networks`. None uses dense layers only.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers. 'auto' uses a `TableEncoder()` if a column is not numeric,
        for example categorical; `sample` and similar methods then return data frames, too. A given
        encoder, such as `TableEncoder(numeric='standard')`, also encodes all-numeric tables and
        arrays. With None, data frames must be numeric and are read as arrays.
    gradient_penalty : float, default=1.0
        Weight of the penalty on the discriminator's slopes, initially and at most. It falls, down
        to a thousandth, while the discriminator hardly tells real rows from generated ones, and
        rises again when it does so easily. Larger values cover the data better and draw blurred
        rows; smaller ones draw sharp rows from a part of the data. Vary it by factors of 3.
    learning_rate : {'constant', 'cosine', 'one_cycle'}, default='cosine'
        Schedule of the step size over the `max_iter` epochs: 'cosine' falls to zero, so that the
        game converges; 'constant' keeps it, as `partial_fit` does; 'one_cycle' rises for the first
        30% of the epochs, then falls to zero.
    learning_rate_init : float, default=3e-3
        Step size, or its peak if a schedule varies it, of Adam without momentum, which would make
        the two networks circle each other. Lower it by factors of 3 if training diverges (a
        ValueError) or samples get worse at the end.
    batch_size : int, default=64
        Number of real rows, and of generated rows, per step of the optimiser. Larger batches make
        steps less noisy but slower.
    max_iter : int or 'auto', default='auto'
        Number of epochs, that is, passes over X. 'auto' gives 5,000 steps. No loss tells when to
        stop: see `score`. More epochs give better samples, up to a point.
    shuffle : bool or 'windows', default=True
        Whether each epoch takes the rows in a new random order; if not, all epochs have the same
        batches. 'windows' suits memory maps larger than memory: the order is random within windows
        of 64 or more randomly drawn blocks, each of some thousand consecutive rows of X. See
        :ref:`windows`.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous fit, for `max_iter`
        more epochs, instead of starting from new weights; the network must then be the
        same.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the shuffling and the noise. With an int, refits on
        the same device with the same number of threads are identical to the bit. None
        draws a new seed; the global random generators are neither read nor changed.
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
        Whether to print the training's settings, then a line per epoch: its number, its loss and
        its duration in seconds.

    Attributes
    ----------
    n_components_ : int
        Width of the noise: the number of columns that `generate` takes.
    classes_ : ndarray of shape (n_classes,)
        The labels seen in training, sorted.
    class_prior_ : ndarray of shape (n_classes,)
        The fraction of the training rows that have each label.
    generator_ : torch.nn.Module
        The generator, rebuilt from the averaged weights on the CPU at each access. It takes noise
        followed by a column for each class, 1 for the row's class and 0 for the others, in the
        dtype of the fit; other dtypes raise TypeError. For data frames it gives probabilities of
        categories.
    discriminator_ : torch.nn.Module
        The discriminator, rebuilt likewise, with an output for each class: `discriminate(X, y)` is
        the logistic function of the output for the row's label plus the `offset_` of that class.
    offset_ : ndarray of shape (n_classes,)
        Offsets added to the discriminator's scores, so that in each class the mean probability of
        being real is 1/2 over equally many real and generated rows.
    loss_ : float
        The discriminator's loss per pair of rows in the last epoch, in nats and without the
        penalty: log 2 = 0.69 if it cannot tell real rows from generated ones, 0 if it always can.
    loss_curve_ : list of float
        The same loss in each epoch, averaged while the weights change. If training was continued
        (`warm_start`, `partial_fit`), earlier epochs come first. As the loss of a game, it is not
        better if it is lower.
    n_iter_ : int
        Number of epochs run by the last `fit`, and by `partial_fit` since then.
    batch_size_ : int
        Rows per step that training used, resolved from `batch_size`.
    learning_rate_init_ : float
        Step size that training used, resolved from `learning_rate_init`.
    max_iter_ : int
        Maximum number of epochs, resolved from `max_iter`.
    table_ : TableEncoder
        The fitted encoder of data frames; only if `fit` got a data frame to encode.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only if all column names of X are strings.

    See Also
    --------
    GAN : The network without labels.
    InfoGAN : Finds categories itself.
    sklearn.mixture.GaussianMixture : One mixture per class is better for small tables.

    References
    ----------
    Mirza and Osindero, "Conditional generative adversarial nets", 2014,
    https://arxiv.org/abs/1411.1784.

    Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A modern GAN
    baseline", NeurIPS 2024, https://arxiv.org/abs/2501.05441.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from skae import ConditionalGAN
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> names = load_iris().target_names[y]
    >>> gan = ConditionalGAN(4, max_iter=300, random_state=0).fit(scale(X), names)
    >>> X_new, y_new = gan.sample(3, random_state=0)
    >>> X_new.shape, y_new.dtype == names.dtype
    ((3, 4), True)
    >>> gan.sample(2, y="virginica", random_state=0)[1].tolist()
    ['virginica', 'virginica']
    """

    classes_: np.ndarray
    class_prior_: np.ndarray
    offset_: np.ndarray

    def __init__(
        self,
        n_components=32,
        *,
        hidden_layer_sizes=(128, 128),
        activation="relu",
        network=None,
        table: TableEncoder | str | None = "auto",
        gradient_penalty=1.0,
        learning_rate="cosine",
        learning_rate_init=3e-3,
        batch_size=64,
        max_iter: int | str = "auto",
        shuffle: bool | str = True,
        warm_start=False,
        random_state=None,
        device="cpu",
        precision="float",
        verbose: bool | int = False,
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.network = network
        self.table = table
        self.gradient_penalty = gradient_penalty
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y) -> Self:
        """Train generator and discriminator on X and y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data. Computations use float32 for float32 data, data frames with categories
            and memory maps of integers or float16, float64 for all other data.
        y : array-like of shape (n_samples,)
            Labels (numbers or strings) of at least two classes.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If y is missing, is continuous or has one class. If a parameter is invalid, X does not
            suit it, or the device is unavailable: the estimator is unchanged. If training
            diverges: it is not fitted (with `warm_start`, it is unchanged).
        KeyboardInterrupt
            If interrupted: the weights of the last finished epoch, if any, remain
            usable.

        Warns
        -----
        ConvergenceWarning
            If the generator has collapsed: samples are close to less than a tenth of
            the training rows (see `score`).
        """
        return self._run_fit(X, y)

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None) -> Self:
        """Train for one epoch on X and y, continuing the earlier training.

        The learning rate is `learning_rate_init`; schedules and `max_iter` are ignored. The
        optimiser and the random streams continue exactly, even after pickling.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data; those of the first call set the scale.
        y : array-like of shape (n_samples,)
            Labels, possibly of only some classes in this call.
        classes : array-like of shape (n_classes,), default=None
            All labels of all calls, needed in the first one. None takes those of its y.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `classes` differs in a later call, y has other labels, X or y does not suit the
            parameters, or the loss becomes non-finite; the estimator is then unchanged.
        """
        with self._transaction():
            if classes is not None:
                check_partial_fit_first_call(self, classes)
            return self._run_partial_fit(X, y)

    def sample(self, n_samples=1, random_state=None, *, y=None) -> tuple[np.ndarray, np.ndarray]:
        """Draw new rows, of given classes or of all classes in their training frequencies.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw; optional if y is an array.
        random_state : int, RandomState instance or None, default=None
            Seed of the labels and the noise; None draws a new one.
        y : label or array-like of shape (n_samples,), default=None
            The class of all rows, or the class of each. None draws classes by
            `class_prior_`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Sampled rows, each column within its range in `fit`. A data frame if `fit` got one with
            categories; its numbers have no more decimals than in `fit`.
        y : ndarray of shape (n_samples,)
            Labels of the rows.

        Raises
        ------
        ValueError
            If `n_samples` is not an integer above 0 or not the length of y, or y has a label that
            `fit` has not seen.
        """
        if np.ndim(y) and n_samples == 1:
            n_samples = len(y)
        self._check_n_samples(n_samples)
        seed = stream_seed(draw_seed(random_state), "sample")
        labels = self._labels_to_draw(y, n_samples, seed)
        rows = self._draw(n_samples, seed, self._one_hot(labels))
        return self._as_table(rows, exact=True), self.classes_[labels]

    def generate(self, Z, y) -> np.ndarray:
        """Turn given noise into rows of given classes.

        Rows of different classes with the same noise have much in common, such as the slant of a
        digit.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components)
            Noise; with standard normal numbers, rows are distributed as in `sample`.
        y : label or array-like of shape (n_samples,)
            The class of all rows, or the class of each.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows on the scale of the data; for data frames, a data frame with the likeliest
            categories.

        Raises
        ------
        ValueError
            If Z has another number of columns or values that are not finite, or y has another
            length or a label that `fit` has not seen.
        """
        Z = self._validate_noise(Z, self.n_components_)
        given = self._one_hot(self._labels_to_draw(y, len(Z)))
        return self._as_table(self._generated(np.hstack([Z, given])), exact=True)

    def discriminate(self, X, y) -> np.ndarray:
        """Probability that each row is a real one of its class, not a generated one.

        It compares the densities p of the data and q of the generator at a row, p / (p + q), and
        is 1/2 where they agree: it is neither a density nor an outlier score. The penalty keeps it
        closer to 1/2 than this ratio.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to judge.
        y : label or array-like of shape (n_samples,)
            The class of all rows, or the class of each.

        Returns
        -------
        probabilities : ndarray of shape (n_samples,)
            Probabilities between 0 and 1, with mean 1/2 over equally many real and
            generated rows.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit` or has values that are not finite, or y has
            another length or a label that `fit` has not seen.
        """
        X = self._validate_rows(X)
        labels = self._labels_to_draw(y, X.shape[0])
        return expit(self._scores_of_own(X, labels) + self.offset_[labels])

    def score(self, X, y=None) -> float:
        """Coverage: the fraction of rows that have a sample of their class nearby.

        With equally many samples and rows of each class, a row is covered if a sample is closer to
        it than its fifth neighbour of the same class in X. This score is low for unrealistic
        samples and, unlike a classifier's, for a generator that has collapsed to a few rows. It is
        not a likelihood. A perfect generator has about 0.97. Samples, and 2000 rows if there are
        more, are drawn with the seed of the fit.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            At least two rows.
        y : array-like of shape (n_samples,), default=None
            Labels of the rows. None: samples are drawn by `class_prior_` and compared with all
            rows.

        Returns
        -------
        score : float
            Coverage between 0 and 1; with labels, the mean over classes with at least two rows, if
            there are any.

        Raises
        ------
        ValueError
            If X has only one row or does not match the fit, or y has another length or a label
            that `fit` has not seen.

        See Also
        --------
        skae.metrics.coverage : The same score for any samples.
        skae.metrics.density : Whether samples lie where the data are dense.

        References
        ----------
        Naeem, Oh, Uh, Choi and Yoo, "Reliable fidelity and diversity metrics for generative
        models", ICML 2020, https://arxiv.org/abs/2002.09797.
        """
        X = self._validate_rows(X, **self._accepted, ensure_min_samples=2)
        labels = None if y is None else self._labels_to_draw(y, X.shape[0])
        some = sample(Data(X, None if y is None else labels[:, None]), ROWS, self._state.seed)
        return self._coverage(some.X, some.target)

    # The game.

    def _given(self, like, labels):
        return self._columns(like, labels)

    def _select(self, like, labels):
        return self._columns(like, labels)

    def _columns(self, like, labels):
        """A column for each class, from labels of shape (n, 1)."""
        return functional.one_hot(labels.squeeze(1), len(self.classes_)).to(like.dtype)

    _target_is_gathered = True

    @property
    def _n_given(self):
        return len(self.classes_)

    @property
    def _n_codes(self):
        return len(self.classes_)

    @property
    def _n_outputs(self):
        return len(self.classes_)

    # Labels, which training sees as indices in `classes_`.

    def _validate_y(self, y, X, reset):
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        y = column_or_1d(as_labels(off_torch(y)), warn=True)
        check_consistent_length(X, y)
        if not is_known(y).all():
            raise ValueError(
                "y has rows without a label (NaN or None): leave them out, or give them a label "
                "of their own."
            )
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        classes, known = np.unique(y), known_classes(self, reset)
        if known is not None:
            check_among(classes, known)
        elif len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least 2 classes, but y has 1 class, "
                f"{classes.tolist()[0]!r}: use GAN, which needs no labels."
            )
        return y

    def _start(self, data, held_out_fraction=0):
        if "classes_" not in vars(self):
            self.classes_ = np.unique(data.target)
        self._n_of_class_ = np.zeros(len(self.classes_))
        return super()._start(self._with_places(data), held_out_fraction)

    def _resume(self, data, held_out_fraction=0):
        return super()._resume(self._with_places(data), held_out_fraction)

    def _with_places(self, data):
        return replace(data, target=np.searchsorted(self.classes_, data.target)[:, None])

    def _prepare(self, data, continues):
        super()._prepare(data, continues)
        counts = np.bincount(data.target[:, 0], minlength=len(self.classes_))
        self._n_of_class_ = self._n_of_class_ + counts
        self.class_prior_ = self._n_of_class_ / self._n_of_class_.sum()

    def _labels_to_draw(self, y, n_samples, seed=None):
        """Indices in `classes_` of one label or of each; None draws them with a seed."""
        if y is None and seed is not None:
            rng = np.random.default_rng(seed)
            return rng.choice(len(self.classes_), n_samples, p=self.class_prior_)
        y = as_labels(off_torch(y)) if np.ndim(y) else np.full(n_samples, y)
        if len(y) != n_samples:
            raise ValueError(
                f"y has {len(y)} labels, but there are {n_samples} rows: give one label, or one "
                "for each row."
            )
        unseen = {repr(label) for label in {*y.tolist()} - {*self.classes_.tolist()}}
        if unseen:
            some = ", ".join(sorted(unseen)[:FEW]) + ", ..." * (len(unseen) > FEW)
            raise ValueError(
                f"y has labels that fit has not seen, {some}: they must be among classes_, "
                f"{self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y)

    def _one_hot(self, labels):
        return np.eye(len(self.classes_))[labels]

    # Results of a fit.

    def _scores_of_own(self, X, labels):
        """The discriminator's scores of rows as members of their classes."""
        scores = self._map(self._outputs, X)
        return np.take_along_axis(scores, labels[:, None], axis=1)[:, 0]

    def _calibrated(self, some):
        labels = some.target[:, 0]
        made = self._rows_like(some.X, self._one_hot(labels))
        real, fake = (self._scores_of_own(rows, labels) for rows in (some.X, made))
        # Classes without rows here keep their earlier offsets.
        offsets = np.array(vars(self).get("offset_", np.zeros(len(self.classes_))))
        for label in np.unique(labels):
            own = labels == label
            offsets[label] = calibrating_offset(np.concatenate([real[own], fake[own]]))
        return offsets

    def _coverage(self, X, labels=None):
        if labels is None:
            seed = stream_seed(self._state.seed, "score", 1)
            drawn = self._labels_to_draw(None, X.shape[0], seed)
            return covered(X, self._rows_like(X, self._one_hot(drawn)))
        labels = labels[:, 0]
        made = self._rows_like(X, self._one_hot(labels))
        kinds = [label == labels for label in np.unique(labels)]
        found = [covered(X[own], made[own]) for own in kinds if own.sum() > 1]
        return float(np.mean(found)) if found else covered(X, made)

    def _warn_of_fit(self, data):
        super()._warn_of_fit(self._with_places(data))

    def _shown_to_callbacks(self, data):
        return self._encoded(data.X), data.target

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
