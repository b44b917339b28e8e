"""The generative adversarial network: rows that a discriminator cannot tell from real ones."""

import numpy as np

from skae._adversarial import BaseGAN
from skae._engine.streams import stream_seed
from skae._estimator import draw_seed
from skae.tables import TableEncoder


class GAN(BaseGAN):
    """Generative adversarial network: new rows like those of X.

    A generator G turns noise z into rows, and a discriminator D scores how real a row looks.
    They play against each other, by mini-batches of as many real rows x as made ones G(z): ::

        D minimises  mean [log(1 + exp(D(G(z)) - D(x)))  +  penalty/2 * (|D'(x)|^2 + |D'(G(z))|^2)]
        G minimises  mean [log(1 + exp(D(x) - D(G(z))))]

    where D' is the gradient of D with respect to the row. D learns which row of a pair is real,
    so that G, which sees none, has to match all of the data, not only where D has looked last;
    the penalty lets the game come to rest. At rest, G draws from the distribution of X, which
    has no formula: there is no likelihood, and no `score_samples`.

    Parameters
    ----------
    n_components : int, default=32
        Width of the noise, independent standard normal numbers, that the generator turns into
        a row. More than the data have directions to vary in do no harm; fewer cannot cover
        them.
    hidden_layer_sizes : int or array-like of int, default=(128, 128)
        Widths of the discriminator's hidden layers, input side first; the generator mirrors
        them. Wider layers draw finer detail, and take longer; images of 28 x 28 pixels want
        (512, 512) or a `network`. An int is one hidden layer.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'elu', 'gelu', 'softplus'}, \
            default='relu'
        Activation of the hidden layers, and of a `ConvNet`: 'relu' bends in flat
        pieces, 'identity' not at all, the others smoothly.
    network : ConvNet or another specification, default=None
        Layers of another kind around the dense ones: a row passes the network's
        encoder, then the discriminator's dense layers; noise passes the generator's, then the
        network's decoder. `ConvNet(image_shape=(1, 28, 28))` is for images: it makes a DCGAN,
        whose samples are sharper. A class of your own needs `build`, see `skae.networks`.
        None: dense layers alone.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers. 'auto': a `TableEncoder()` of those with a column
        that is not of numbers, such as one of categories; then `sample` and its
        like give data frames, too. `TableEncoder(numeric='standard')`, for example: as it
        says, and of all-numeric tables and arrays as well. None: data frames are arrays of
        numbers, or an error.
    gradient_penalty : float, default=1.0
        Weight of the penalty on the discriminator's slopes, at the beginning and at most. It
        falls, down to a thousandth, while the discriminator hardly tells real rows from made
        ones, and rises again where it does with ease. More covers the data better and draws
        blurred rows; less draws sharp ones of a part of the data. Vary it by factors of 3.
    learning_rate : {'constant', 'cosine', 'one_cycle'}, default='cosine'
        Schedule of the step size over the `max_iter` epochs: 'cosine' falls to zero, so that
        the game comes to rest; 'constant' goes on as `partial_fit` does; 'one_cycle' rises for
        the first 30% of them, then falls to zero.
    learning_rate_init : float, default=3e-3
        Step size, at its peak where a schedule varies it, of Adam without momentum, which
        would carry the two networks round each other. Lower it, by factors of 3, if training
        diverges (a ValueError) or samples get worse at the end.
    batch_size : int, default=64
        Real rows per step of the optimiser, and made ones. More make steps less noisy, and
        longer.
    max_iter : int or 'auto', default='auto'
        Epochs, that is passes over X. 'auto' is as many as make 5,000 steps. No loss says when
        to stop: see `score`. More epochs give better samples, up to a point.
    shuffle : bool or 'windows', default=True
        Whether each epoch takes the rows in a new random order; if not, all epochs have
        the same batches. 'windows' is for memory maps larger than memory: the order is
        random within windows of 64 blocks or more, each block of some thousand rows that
        follow each other in X, and drawn at random. See :ref:`windows`.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the previous fit, for `max_iter`
        more epochs, instead of from new ones; the network must then be the same.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the shuffles and the noise. An
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
        Whether to print what training goes by, then a line per epoch: its number, its loss, and
        the seconds that it took.

    Attributes
    ----------
    n_components_ : int
        Width of the noise: the columns that `generate` wants.
    generator_ : torch.nn.Module
        The generator, built anew from the averaged weights at each access, on the CPU.
        `generator_(torch.tensor(Z))` equals `generate(Z)`, for Z in the dtype of the
        fit; another is a TypeError. Of a data frame it gives the probabilities of categories.
    discriminator_ : torch.nn.Module
        The discriminator, likewise; `discriminate(X)` is the logistic function of
        `discriminator_(torch.tensor(X)) + offset_`.
    offset_ : float
        What is added to the discriminator's scores, so that as many real rows as made ones
        have a mean probability of 1/2 of being real.
    loss_ : float
        The discriminator's loss per pair of rows in the last epoch, in nats and without the
        penalty: log 2 = 0.69 if it cannot tell real rows from made ones, 0 if it always can.
    loss_curve_ : list of float
        The same of each epoch, averaged while the weights change. Where
        training has gone on (`warm_start`, `partial_fit`), earlier epochs come first. It is
        part of a game: a lower one is not better.
    n_iter_ : int
        Epochs run by the last `fit`, and by `partial_fit` since.
    batch_size_ : int
        Rows per step that training took, which `batch_size` has come to.
    learning_rate_init_ : float
        Step size that training took.
    max_iter_ : int
        Epochs that training might have taken.
    table_ : TableEncoder
        What makes a matrix of a data frame; only where `fit` has got one to encode.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only where X has names that are strings.

    See Also
    --------
    ConditionalGAN : Rows of a class that you ask for.
    InfoGAN : Rows by categories that it finds itself.
    VAE : Has a likelihood, and codes of rows.
    sklearn.mixture.GaussianMixture : Better for small tables, and at once.

    Notes
    -----
    Fitted to nothing but pairs, the discriminator is log p(x)/q(x) plus a constant, where q is
    the generator's density: with `offset_` it is the optimal one of Goodfellow et al.,
    p / (p + q), as far as it is trained and the penalty is small.

    References
    ----------
    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014,
    https://arxiv.org/abs/1406.2661.

    Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional
    generative adversarial networks", ICLR 2016, https://arxiv.org/abs/1511.06434.

    Mescheder, Geiger and Nowozin, "Which training methods for GANs do actually converge?",
    ICML 2018, https://arxiv.org/abs/1801.04406.

    Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A modern GAN
    baseline", NeurIPS 2024, https://arxiv.org/abs/2501.05441.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skae import GAN
    >>> X, _ = make_moons(1000, noise=0.05, random_state=0)
    >>> gan = GAN(2, max_iter=100, random_state=0).fit(X)
    >>> gan.sample(3, random_state=0).shape
    (3, 2)
    >>> gan.score(X) > 0.5  # the fraction of rows that samples come near
    True
    """

    offset_: float

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

    def sample(self, n_samples=1, random_state=None) -> np.ndarray:
        """Draw new rows.

        Parameters
        ----------
        n_samples : int, default=1
            How many rows.
        random_state : int, RandomState instance or None, default=None
            Seed of the noise; None draws a new one.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Sampled rows, each column within its range in `fit`. A data frame, if `fit` has got
            one with categories: its numbers have no more decimals than in `fit`.

        Raises
        ------
        ValueError
            If `n_samples` is not an integer above 0.
        """
        self._check_n_samples(n_samples)
        rows = self._draw(n_samples, stream_seed(draw_seed(random_state), "sample"))
        return self._as_table(rows, exact=True)

    def generate(self, Z) -> np.ndarray:
        """Turn given noise into rows, for example along a line between two samples.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components)
            Noise; standard normal numbers give what `sample` draws.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rows on the scale of the data; of a data frame, one with the likeliest categories.

        Raises
        ------
        ValueError
            If Z has another width, or cells that are not finite.
        """
        Z = self._validate_noise(Z, self.n_components_)
        return self._as_table(self._generated(Z), exact=True)
