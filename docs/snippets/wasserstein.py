"""An autoencoder whose codes are to be standard normal, so that it can make new rows."""

from numbers import Integral, Real

import numpy as np
import torch

from skae.base import BaseAutoencoder, Interval, InvalidParameterError


def inverse_multiquadratic(a, b):
    """c / (c + ||a_i - b_j||^2) of all pairs of rows, (n_a, n_b); c is twice their width."""
    c = 2.0 * a.shape[1]
    return c / (c + torch.cdist(a, b).square())


def squared_mmd(a, b):
    """The squared maximum mean discrepancy of two samples: 0 if they are equal, never below.

    The means are over all pairs, those of a row with itself included, so that a sample may
    have a single row. Without those pairs the estimate would have no bias, and no value for
    a single row.
    """
    within = inverse_multiquadratic(a, a).mean() + inverse_multiquadratic(b, b).mean()
    return within - 2.0 * inverse_multiquadratic(a, b).mean()


class WassersteinAutoencoder(BaseAutoencoder):
    """Autoencoder whose codes, all together, are to be standard normal.

    Minimises, on each batch of n rows, ::

        mean over rows of  loss(x, g(f(x)))  +  mmd_weight * squared_mmd(codes, draws)

    where the draws are n standard normal vectors, and the discrepancy has an inverse
    multiquadratic kernel.

    References
    ----------
    Tolstikhin, Bousquet, Gelly and Schölkopf, "Wasserstein auto-encoders", ICLR 2018,
    https://arxiv.org/abs/1711.01558.
    """

    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        "mmd_weight": [Interval(Real, 0, None, closed="left")],
        "mmd_warmup": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=32,
        *,
        mmd_weight=10.0,
        mmd_warmup=0,
        hidden_layer_sizes=(128,),
        activation="relu",
        code_activation="auto",
        loss="squared_error",
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
        self.mmd_weight = mmd_weight
        self.mmd_warmup = mmd_warmup
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
        self.loss = loss
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

    def _objective(self, network, x, noise):
        code = network.encode(x)
        draws = torch.randn(code.shape, generator=noise, dtype=code.dtype, device=code.device)
        output = network.perceptron.output
        loss = network.apply(output.mean_loss, network.decode(code), x)
        return loss + self._weight(network.n_epochs) * squared_mmd(code, draws)

    def _weight(self, n_epochs):
        """mmd_weight, or less of it in the first `mmd_warmup` epochs."""
        if n_epochs >= self.mmd_warmup:
            return self.mmd_weight
        return self.mmd_weight * n_epochs / self.mmd_warmup

    @property
    def _warmup_epochs(self):
        return self.mmd_warmup

    def _check_parameters(self):
        super()._check_parameters()
        if self.mmd_warmup > 0 and self.solver == "lbfgs":
            raise InvalidParameterError(
                f"mmd_warmup={self.mmd_warmup} cannot be combined with solver='lbfgs', whose "
                "objective must not change from one epoch to the next: set mmd_warmup=0."
            )

    def sample(self, n_samples=1, random_state=None):
        """Make new rows: decode standard normal codes.

        Parameters
        ----------
        n_samples : int, default=1
            How many rows.
        random_state : int, Generator or None, default=None
            Seed of the codes; None draws a new one.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The new rows, on the scale of the training data.
        """
        rng = np.random.default_rng(random_state)
        return self.inverse_transform(rng.standard_normal((n_samples, self.n_components_)))
