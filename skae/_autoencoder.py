"""The plain autoencoder: a nonlinear generalisation of PCA."""

from skae._base import BaseAutoencoder
from skae.tables import TableEncoder


class Autoencoder(BaseAutoencoder):
    """Autoencoder: learn a code from which the data can be reconstructed.

    A network `f` encodes a row as `n_components` numbers and a network `g` decodes
    them; both are trained, by mini-batches, to minimise ::

        mean over rows of  L(x, g(f(x)))  +  alpha/2 * ||W||^2

    With the squared error and without hidden layers this is PCA: the code spans the
    same subspace. With hidden layers the code follows curved manifolds, and explains
    more of the variance at the same width.

    Scale the features first, as for any network: `StandardScaler`, or division of
    grey values by their maximum.

    Parameters
    ----------
    n_components : int, default=32
        Width of the code, the numbers that each row becomes. More reconstruct better
        and compress less; may exceed the number of features (an overcomplete code). Of
        a code that is an image (see `ConvNet`), its channels.
    hidden_layer_sizes : int or array-like of int, default=(128,)
        Widths of the encoder's hidden layers, input side first; the decoder mirrors
        them. More and wider layers follow data that are more curved, and take longer.
        An int is one hidden layer; `()` is the classical autoencoder with one layer
        each way.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'elu', 'gelu', 'softplus'}, \
            default='relu'
        Activation of the hidden layers, and of a `ConvNet`: 'relu' bends in flat
        pieces, 'identity' not at all, the others smoothly. Without hidden layers, or
        with 'identity', the autoencoder is linear up to `code_activation`.
    code_activation : str, default='auto'
        Activation of the code, one of the same words: with 'identity' codes are any
        numbers, with 'logistic' in (0, 1), with 'tanh' in (-1, 1), with 'relu' 0 or
        more. 'auto' is 'identity'.
    loss : {'squared_error', 'binary_cross_entropy', 'categorical_cross_entropy'}, \
            default='squared_error'
        Reconstruction loss, summed over features. 'squared_error' is for any numbers,
        in squared units of X. 'binary_cross_entropy' is for X in [0, 1], and makes the
        reconstructions probabilities. 'categorical_cross_entropy' is for rows of
        counts, such as words, or of proportions: decoded are proportions, and
        `reconstruct` multiplies them by the row's total. Both cross-entropies are in
        nats; an X that they are not for is a ValueError.
    tied_weights : bool, default=False
        Whether the decoder uses the encoder's weights, transposed: half the weights, of
        use where rows are few, and no rescaling between the two. Not with a `network`.
    network : ConvNet or another specification, default=None
        Layers of another kind around the dense ones: a row passes the network's
        encoder, then `hidden_layer_sizes` and the code's layer, and back through as many
        and the network's decoder. `ConvNet(image_shape=(1, 28, 28))` is for images; a
        class of your own needs `build`, see `skae.networks`. None: dense layers alone.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers. 'auto': a `TableEncoder()` of those with a column
        that is not of numbers, such as one of categories; then `inverse_transform` and its
        like give data frames, too. `TableEncoder(numeric='quantile')`, for example: as it
        says, and of all-numeric tables and arrays as well. None: data frames are arrays of
        numbers, or an error.
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
        Epochs, that is passes over X, at most. Reaching it is no error and does not warn.
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
        is 10, or as many as make 500 steps. However small it is, training does not stop
        before it has learnt something.
    early_stopping : bool, default=False
        Whether to hold out rows, to stop when their loss stops improving, and to go
        back to the weights of its last improvement. For wide networks, which learn few
        rows by heart; the rows held out are lost to training.
    validation_fraction : float, default=0.1
        Fraction of the rows that `early_stopping` holds out, rounded up. More judge the
        weights better, and leave fewer to train on.
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
    decoder_ : torch.nn.Module
        The decoder, likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of an epoch; of the held-out rows if there are any.
    loss_curve_ : list of float
        Objective per row in each epoch, averaged while the weights change. Where
        training has gone on (`warm_start`, `partial_fit`), earlier epochs come first.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None where none were held out.
    n_iter_ : int
        Epochs run by the last `fit`, and by `partial_fit` since.
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
    sklearn.decomposition.PCA : The linear special case, solved exactly.
    SparseAutoencoder : Codes of which only a few components are active.
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
        return network.apply(self._output.mean_loss, network.decode(network.encode(x)), x)
