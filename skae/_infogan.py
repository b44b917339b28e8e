"""The information-maximising GAN: rows of categories that it finds itself."""

import math
from functools import partial
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils.validation import check_array
from torch.nn import functional

from skae._adversarial import BaseGAN
from skae._compat import Interval
from skae._engine.devices import off_torch
from skae._engine.parallel import of_batch
from skae._engine.streams import stream_seed
from skae._estimator import draw_seed
from skae._neighbors import mutual_neighbors, walk
from skae.tables import TableEncoder

# Chosen with digits of 64 and of 784 pixels, and used for any data.
NEAR, STEPS = 5, 16  # number of mutual neighbours of a row, and of steps of a walk among them
BALANCE = 2.0  # weight of the entropy of all categories against the agreement of pairs
RAMP = 0.2, 0.6  # fractions of the training between which the codes' weight rises
TINY = 1e-8


def disagreement(logits, of_batch=None):
    """How little pairs of rows agree on their category, and how unequal the categories' sizes are.

    Parameters
    ----------
    logits : Tensor of shape (2 n, n_categories)
        Logits of the rows, then of their partners.
    of_batch : callable, default=None
        Scales sums over a part of a batch to the whole batch: `Network.in_proportion`.

    References
    ----------
    Van Gansbeke et al., "SCAN: learning to classify images without labels", ECCV 2020,
    https://arxiv.org/abs/2005.12320.
    """
    first, second = logits.softmax(dim=1).chunk(2)
    agreement = (first * second).sum(dim=1).clamp(min=TINY).log().mean()
    mean = torch.cat([first, second]).mean(dim=0)
    if of_batch is not None:  # gradients are those of this part
        mean = mean + of_batch(mean.detach() * len(logits)) / len(logits) - mean.detach()
    entropy = -(mean * mean.clamp(min=TINY).log()).sum()
    return -agreement - BALANCE * entropy


class InfoGAN(BaseGAN):
    """Information-maximising generative adversarial network: new rows of kinds that it finds.

    As in `GAN`, a generator G and a discriminator D play against each other. Beside the noise, G
    gets a code c: one of several categories, and continuous numbers. D has further outputs Q(c|x),
    which read the code from a row. G and D also minimise, batch by batch, ::

        weight * mean [-log Q(c|G(z, c))  -  log sum_k Q(k|x) Q(k|x')  -  2 H(mean Q)]

    The first term is a lower bound of the information that rows hold about their code; alone, it
    allows any categories that can be read. With the other terms, real rows determine the kinds: x'
    is the end of a random walk from x among mutual neighbours, which is probably of the same kind,
    and the entropy H keeps all categories in use. The first term gets its weight later in
    training, when generated rows already resemble those of X. No labels are used.

    Parameters
    ----------
    n_components : int, default=32
        Number of independent standard normal numbers, the noise, that the generator turns into a
        row. More numbers than directions in which the data vary do no harm; fewer cannot cover
        them.
    n_categories : int, default=10
        Number of values of the categorical code, at least 2: how many kinds of rows
        there may be.
    n_continuous : int, default=0
        Number of continuous codes, uniform in [-1, 1], which describe how rows vary within a
        category, such as the slant of a digit; 0 for none.
    information_weight : float, default=1.0
        Weight of all the terms that make codes informative, relative to the game. With 0, codes
        are merely further noise.
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
        Width of the noise: the number of columns that `generate` takes before those of the codes.
    information_curve_ : list of float
        Lower bound of the mutual information of the category and the generated row in each epoch,
        in nats: log(n_categories) if the category of a row can always be read. It does not tell
        whether the categories are useful.
    generator_ : torch.nn.Module
        The generator, rebuilt from the averaged weights on the CPU at each access.
        `generator_(torch.tensor(Z))` equals `generate(Z)` for Z in the dtype of the fit; other
        dtypes raise TypeError. For data frames it gives probabilities of categories.
    discriminator_ : torch.nn.Module
        The discriminator, rebuilt likewise; `discriminate(X)` is the logistic function of its
        first output plus `offset_`. The others are the logits of the categories and the means of
        the continuous codes.
    offset_ : float
        Offset added to the discriminator's scores, so that the mean probability of being real is
        1/2 over equally many real and generated rows.
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
    GAN : The network without codes.
    ConditionalGAN : Uses labels if they are known.
    sklearn.cluster.KMeans : Finds spherical kinds, within moments.
    sklearn.cluster.HDBSCAN : Finds dense kinds of any shape, such as rings.

    References
    ----------
    Chen et al., "InfoGAN: interpretable representation learning by information maximizing
    generative adversarial nets", NeurIPS 2016, https://arxiv.org/abs/1606.03657.

    Van Gansbeke et al., "SCAN: learning to classify images without labels", ECCV 2020,
    https://arxiv.org/abs/2005.12320.

    Shaham et al., "SpectralNet: spectral clustering using deep neural networks", ICLR 2018,
    https://arxiv.org/abs/1801.01587.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn.metrics import adjusted_rand_score
    >>> from skae import InfoGAN
    >>> X, y = make_blobs(300, centers=3, random_state=0)
    >>> gan = InfoGAN(2, n_categories=3, max_iter=200, random_state=0).fit(X)
    >>> adjusted_rand_score(y, gan.predict(X)) > 0.5
    True
    >>> X_new, codes = gan.sample(2, codes=[0, 0, 1], random_state=0)  # of the third category
    >>> X_new.shape, codes.shape
    ((2, 2), (2, 3))
    """

    information_curve_: list[float]
    offset_: float

    _parameter_constraints = {
        **BaseGAN._parameter_constraints,
        "n_categories": [Interval(Integral, 2, None, closed="left")],
        "n_continuous": [Interval(Integral, 0, None, closed="left")],
        "information_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=32,
        *,
        n_categories=10,
        n_continuous=0,
        information_weight=1.0,
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
        self.n_categories = n_categories
        self.n_continuous = n_continuous
        self.information_weight = information_weight
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

    def sample(
        self, n_samples=1, random_state=None, *, codes=None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw new rows, with random or given codes.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw; optional if `codes` has several.
        random_state : int, RandomState instance or None, default=None
            Seed of the codes and the noise; None draws a new one.
        codes : array-like of shape (n_codes,) or (n_samples, n_codes), default=None
            The code of all rows, or the code of each: a column for each category, 1 for the row's
            category and 0 for the others, then the continuous codes. None draws categories with
            equal probability and continuous codes between -1 and 1.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Sampled rows, each column within its range in `fit`. A data frame if `fit` got one with
            categories; its numbers have no more decimals than in `fit`.
        codes : ndarray of shape (n_samples, n_codes)
            Codes of the rows.

        Raises
        ------
        ValueError
            If `n_samples` is not an integer above 0, or codes have another shape.
        """
        if codes is not None and np.ndim(codes) == 2 and n_samples == 1:
            n_samples = len(codes)
        self._check_n_samples(n_samples)
        seed = stream_seed(draw_seed(random_state), "sample")
        given = codes is not None
        codes = self._given_codes(codes, n_samples) if given else self._drawn_codes(n_samples, seed)
        codes = np.broadcast_to(codes, (n_samples, self._n_codes)).astype(self._state.weights.dtype)
        return self._as_table(self._draw(n_samples, seed, codes), exact=True), codes

    def generate(self, Z) -> np.ndarray:
        """Turn given noise and codes into rows, for example along a continuous code.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components + n_codes)
            Standard normal noise, then codes as in `sample`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows on the scale of the data; for data frames, a data frame with the likeliest
            categories.

        Raises
        ------
        ValueError
            If Z has another number of columns, or has values that are not finite.
        """
        Z = self._validate_noise(Z, self.n_components_ + self._n_codes)
        return self._as_table(self._generated(Z), exact=True)

    def transform(self, X) -> np.ndarray:
        """Read the codes of rows: those from which the generator would make similar rows.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_codes)
            The probability of each category, then the means of the continuous codes, in the
            dtype of the fit.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that are not finite.
        """
        return super().transform(X)

    def predict(self, X) -> np.ndarray:
        """Find the category of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        categories : ndarray of int, shape (n_samples,)
            The likeliest category, from 0 to n_categories - 1.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or has values that are not finite.
        """
        codes = self._codes(self._validate_rows(X))
        return codes[:, : self._n_categories_].argmax(axis=1)

    _columns_of_noise = "n_components of noise, then the codes"

    # The game.

    def _objective(self, network, x, noise, partners):
        # A copy of the partners; the rows keep memory of their own.
        x, partners = self._inputs(x), self._inputs(partners)
        codes = of_batch(partial(self._random_codes, noise), x, noise)
        made = self._made(network, self._latent(x, noise, codes), noise)
        value = self._played(network, x, made, self._select(x))
        if self.information_weight == 0:
            return value
        outputs = network.encode(torch.cat([made, x, partners]))[:, 1:]
        of_made, of_real = outputs.split([len(x), 2 * len(x)])
        misread = self._misread(network, of_made, codes)
        whole = None if network.part is None else network.in_proportion
        disagreed = disagreement(self._logits(of_real), whole)
        besides = self._ramp(network.progress) * misread + disagreed
        besides = self.information_weight * besides
        return value + besides - besides.detach()  # the curve is that of the game

    def _misread(self, network, outputs, codes):
        """Cost of reading the generator's codes, in nats up to a constant."""
        categories = functional.cross_entropy(self._logits(outputs), self._logits(codes))
        network.note(math.log(self.n_categories) - categories.detach())
        differences = (outputs - codes)[:, self.n_categories :]
        return categories + 0.5 * differences.square().sum(dim=1).mean()

    def _logits(self, outputs):
        """The columns of the outputs that belong to categories."""
        return outputs[:, : self.n_categories]

    def _ramp(self, progress):
        """The weight of the generator's codes; the full weight without a schedule."""
        if progress is None or self.learning_rate == "constant":
            return 1.0
        start, end = RAMP
        return min(1.0, max(0.0, (progress - start) / (end - start)))

    def _random_codes(self, noise, like):
        n, options = len(like), {"generator": noise, "device": like.device}
        categories = torch.randint(self.n_categories, (n,), **options)
        continuous = torch.rand((n, self.n_continuous), dtype=like.dtype, **options) * 2.0 - 1.0
        ones = functional.one_hot(categories, self.n_categories).to(like.dtype)
        return torch.cat([ones, continuous], dim=1)

    @property
    def _n_given(self):
        return self.n_categories + self.n_continuous

    @property
    def _n_outputs(self):
        return 1 + self._n_given

    def _prepare(self, data, continues):
        super()._prepare(data, continues)
        if continues and self._n_categories_ != self.n_categories:  # perhaps as wide in all
            raise ValueError(
                f"Training cannot continue with n_categories={self.n_categories}, since the "
                f"fitted network has {self._n_categories_}: restore n_categories, or call fit "
                "with warm_start=False."
            )
        self._n_categories_ = int(self.n_categories)

    # Pairs of rows.

    def _start(self, data, held_out_fraction=0):
        return self._with_neighbors(super()._start(data, held_out_fraction))

    def _resume(self, data, held_out_fraction=0):
        return self._with_neighbors(super()._resume(data, held_out_fraction))

    def _with_neighbors(self, trainer):
        rng = np.random.default_rng(stream_seed(trainer.state.seed, "walks"))
        trainer.near = mutual_neighbors(trainer.data.X, NEAR, rng)
        return trainer

    def _begin_epoch(self, trainer, progress):
        state = trainer.state
        rng = np.random.default_rng(stream_seed(state.seed, "walks", state.n_epochs))
        trainer.pair(walk(trainer.near, STEPS, rng))

    # Results of a fit.

    def _go_on(self, trainer):
        trainer = super()._go_on(trainer)
        trainer.noted = list(self.information_curve_)
        return trainer

    def _attributes_after(self, trainer):
        its = super()._attributes_after(trainer)
        return {**its, "information_curve_": list(trainer.noted)}

    def _rows_like(self, X):
        seed = stream_seed(self._state.seed, "score") + 1
        return super()._rows_like(X, self._drawn_codes(X.shape[0], seed))

    @property
    def _n_codes(self):
        """Number of codes that the fitted generator takes."""
        return self._perceptron.sizes[-1] - 1

    def _drawn_codes(self, n_samples, seed):
        rng = np.random.default_rng(seed)
        categories = np.eye(self._n_categories_)[rng.integers(self._n_categories_, size=n_samples)]
        n_continuous = self._n_codes - self._n_categories_
        return np.hstack([categories, rng.uniform(-1.0, 1.0, (n_samples, n_continuous))])

    def _given_codes(self, codes, n_samples):
        codes = np.asarray(off_torch(codes))
        codes = check_array(np.atleast_2d(codes), dtype="numeric", input_name="codes")
        if codes.shape[1] != self._n_codes:
            raise ValueError(
                f"codes has {codes.shape[1]} columns, but needs {self._n_codes}: one for each of "
                f"{self._n_categories_} categories, then the continuous codes."
            )
        if len(codes) not in (1, n_samples):
            raise ValueError(
                f"codes has {len(codes)} rows, but there are {n_samples} samples: give one row of "
                "codes, or one for each sample."
            )
        return codes

    def _encode(self, network, x):
        codes, n = self._outputs(network, x)[:, 1:], self._n_categories_
        return torch.cat([codes[:, :n].softmax(dim=1), codes[:, n:]], dim=1)

    @property
    def _n_features_out(self):
        return self._n_codes
