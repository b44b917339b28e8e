"""The generative adversarial network: rows that a discriminator cannot tell from real ones."""

import numpy as np

from skae._adversarial import BaseGAN
from skae._engine.streams import stream_seed
from skae._estimator import draw_seed
from skae.tables import TableEncoder


class GAN(BaseGAN):
    """Generative adversarial network: new rows like those of X.

    A generator G turns noise z into rows, and a discriminator D scores how real a row looks. They
    play against each other, in batches of equally many real rows x and generated rows G(z): ::

        D minimises  mean [log(1 + exp(D(G(z)) - D(x)))  +  penalty/2 * (|D'(x)|^2 + |D'(G(z))|^2)]
        G minimises  mean [log(1 + exp(D(x) - D(G(z))))]

    where D' is the gradient of D with respect to the row. D learns which row of a pair is real, so
    that G, which sees no real row, has to match all of the data, not only where D looked last; the
    penalty lets the game converge. At convergence, G draws from the distribution of X. That
    distribution has no formula: there is no likelihood and no `score_samples`.

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
    generator_ : torch.nn.Module
        The generator, rebuilt from the averaged weights on the CPU at each access.
        `generator_(torch.tensor(Z))` equals `generate(Z)` for Z in the dtype of the fit; other
        dtypes raise TypeError. For data frames it gives probabilities of categories.
    discriminator_ : torch.nn.Module
        The discriminator, rebuilt likewise; `discriminate(X)` is the logistic function
        of `discriminator_(torch.tensor(X)) + offset_`.
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
    ConditionalGAN : Generates rows of a given class.
    InfoGAN : Generates rows of categories that it finds itself.
    VAE : Has a likelihood, and encodes rows.
    sklearn.mixture.GaussianMixture : Better and faster for small tables.

    Notes
    -----
    Trained on pairs only, the discriminator approaches log p(x)/q(x) plus a constant, where q is
    the generator's density. With `offset_`, it thus approaches the optimal discriminator of
    Goodfellow et al., p / (p + q), given enough training and a small penalty.

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
            Number of rows to draw.
        random_state : int, RandomState instance or None, default=None
            Seed of the noise; None draws a new one.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Sampled rows, each column within its range in `fit`. A data frame if `fit` got one with
            categories; its numbers have no more decimals than in `fit`.

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
            Noise; with standard normal numbers, rows are distributed as in `sample`.

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
        Z = self._validate_noise(Z, self.n_components_)
        return self._as_table(self._generated(Z), exact=True)
