"""The plain autoencoder: a nonlinear generalisation of PCA."""

from skae._base import BaseAutoencoder
from skae.tables import TableEncoder


class Autoencoder(BaseAutoencoder):
    """Autoencoder: learn a code from which the data can be reconstructed.

    A network `f` encodes a row as `n_components` numbers and a network `g` decodes
    them; both are trained, batch by batch, to minimise ::

        mean over rows of  L(x, g(f(x)))  +  alpha/2 * ||W||^2

    With the squared error and without hidden layers this is PCA: the code spans the
    same subspace. With hidden layers the code follows curved manifolds and explains
    more of the variance at the same width.

    Scale the features first, as for any neural network: use `StandardScaler`, or divide
    grey values by their maximum.

    Parameters
    ----------
    n_components : int, default=32
        Width of the code: how many numbers encode a row. A wider code reconstructs
        better and compresses less; it may have more components than X has features (an
        overcomplete code). If the code is an image (see `ConvNet`), its number of
        channels.
    hidden_layer_sizes : int or array-like of int, default=(128,)
        Widths of the encoder's hidden layers, input side first; the decoder mirrors
        them. More and wider layers can fit more curved data but take longer to train.
        An int is one hidden layer; `()` is the classical autoencoder with one layer
        each way.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'elu', 'gelu', 'softplus'}, \
            default='relu'
        Activation of the hidden layers and of a `ConvNet`: 'relu' is piecewise linear,
        'identity' is linear, the other functions are smooth. Without hidden layers, or
        with 'identity', the autoencoder is linear except for `code_activation`.
    code_activation : str, default='auto'
        Activation of the code, with the same options as `activation`: 'identity' allows
        any numbers, 'logistic' numbers in (0, 1), 'tanh' in (-1, 1), 'relu' at least 0.
        'auto' is 'identity'.
    loss : {'squared_error', 'binary_cross_entropy', 'categorical_cross_entropy'}, \
            default='squared_error'
        Reconstruction loss, summed over features. 'squared_error' takes any numbers and
        is in squared units of X. 'binary_cross_entropy' takes X in [0, 1] and makes
        reconstructions probabilities. 'categorical_cross_entropy' takes rows of counts,
        such as word counts, or of proportions: the decoder gives proportions, and
        `reconstruct` multiplies them by the row's total. Both cross-entropies are in
        nats; data outside their domain raise ValueError.
    tied_weights : bool, default=False
        Whether the decoder uses the encoder's weights, transposed. This halves the
        number of weights, which helps with few rows, and rules out rescaling between
        encoder and decoder. Not available with a `network`.
    network : ConvNet or another specification, default=None
        Layers of another kind around the dense ones: a row passes through the network's encoder,
        the hidden layers and the code's layer, then through mirrored dense layers and the
        network's decoder. `ConvNet(image_shape=(1, 28, 28))` suits images; a class of your own
        needs a method `build`, see `skae.networks`. None uses dense layers only.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers. 'auto' uses a `TableEncoder()` if a column is not numeric,
        for example categorical; `inverse_transform` and similar methods then return data frames,
        too. A given encoder, such as `TableEncoder(numeric='quantile')`, also encodes all-numeric
        tables and arrays. With None, data frames must be numeric and are read as arrays.
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
        Maximum number of epochs, that is, passes over X. Reaching it is not an error and does not
        warn. 'auto' is 20 epochs or 2,000 steps, whichever is longer; large networks and tables of
        few rows get fewer steps, and none gets more than 20,000. The fit then ends with a mean of
        the weights after its last epochs. See :ref:`auto`.
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
        never stops. 'auto' is 10 epochs or 500 steps, whichever is longer. However
        small it is, training does not stop before it has learnt something.
    early_stopping : bool, default=False
        Whether to hold out rows, stop when their loss no longer improves, and restore
        the weights of its last improvement, or of the start. Useful for wide networks,
        which memorise small data sets; held-out rows are not trained on.
    validation_fraction : float, default=0.1
        Fraction of the rows that `early_stopping` holds out, rounded up. More held-out
        rows judge the weights better but leave fewer to train on.
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
    decoder_ : torch.nn.Module
        The decoder, rebuilt likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of any epoch, measured on the held-out rows if there are any; with
        these, the loss before the first epoch counts, too.
    loss_curve_ : list of float
        Objective per row in each epoch, averaged while the weights change. If training
        was continued (`warm_start`, `partial_fit`), earlier epochs come first.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None without held-out rows.
    n_iter_ : int
        Number of epochs run by the last `fit`, and by `partial_fit` since then.
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
    sklearn.decomposition.PCA : The linear special case, solved exactly.
    SparseAutoencoder : Codes with only a few active components.
    DenoisingAutoencoder : Codes that survive corrupted input.
    VAE : Codes with a probability distribution to sample from.

    References
    ----------
    Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural
    networks", Science 313, 2006, https://doi.org/10.1126/science.1127647.

    Baldi and Hornik, "Neural networks and principal component analysis: learning from
    examples without local minima", Neural Networks 2, 1989,
    https://doi.org/10.1016/0893-6080(89)90014-2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import Autoencoder
    >>> X = StandardScaler().fit_transform(load_digits().data)
    >>> autoencoder = Autoencoder(8, max_iter=20, random_state=0).fit(X)
    >>> autoencoder.transform(X).shape
    (1797, 8)
    >>> autoencoder.score(X) > 0.5  # fraction of variance explained
    True
    """

    def __init__(
        self,
        n_components=32,
        *,
        hidden_layer_sizes=(128,),
        activation="relu",
        code_activation="auto",
        loss="squared_error",
        tied_weights=False,
        network=None,
        table: TableEncoder | str | None = "auto",
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
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
        self.loss = loss
        self.tied_weights = tied_weights
        self.network = network
        self.table = table
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

    def _objective(self, network, x, noise):
        output = network.perceptron.output
        return network.apply(output.mean_loss, network.decode(network.encode(x)), x)
