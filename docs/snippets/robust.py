"""An autoencoder for rows of which some are outliers."""

from numbers import Real

from skae.base import LOSSES, BaseAutoencoder, Interval


class RobustAutoencoder(BaseAutoencoder):
    """Autoencoder whose loss grows like the distance of a row, where that is large.

    Minimises the pseudo-Huber loss of Charbonnier et al. (1997), batch by batch, ::

        mean over rows of  2 * scale^2 * (sqrt(1 + ||x - g(f(x))||^2 / scale^2) - 1)

    which is the squared error for `scale` to infinity.

    References
    ----------
    Charbonnier, Blanc-Féraud, Aubert and Barlaud, "Deterministic edge-preserving
    regularization in computed imaging", IEEE Transactions on Image Processing 6, 1997,
    https://doi.org/10.1109/83.551699.
    """

    # 1: what each parameter may be; this class has no `loss`
    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        "scale": [Interval(Real, 0, None, closed="neither")],
    }
    del _parameter_constraints["loss"]
    _output = LOSSES["squared_error"]  # of `score_samples`; and the output is linear

    # 2: all parameters, of which `scale` is its own
    def __init__(
        self,
        n_components=32,
        *,
        scale=1.0,
        hidden_layer_sizes=(128,),
        activation="relu",
        code_activation="auto",
        tied_weights=False,
        network=None,
        alpha=0.0,
        solver="adam",
        learning_rate="constant",
        learning_rate_init="auto",
        batch_size="auto",
        max_iter="auto",
        shuffle=True,
        tol=1e-4,
        n_iter_no_change="auto",
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        random_state=None,
        device="cpu",
        precision="float",
        verbose=False,
    ):
        self.n_components = n_components
        self.scale = scale
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
        self.tied_weights = tied_weights
        self.network = network
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

    # 3: what is minimised
    def _objective(self, network, x, noise):
        squared = (network.decode(network.encode(x)) - x).square().sum(dim=1)
        distances = (1 + squared / self.scale**2).sqrt()
        return 2 * self.scale**2 * network.mean(distances - 1)
