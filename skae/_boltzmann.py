"""The restricted Boltzmann machine: a density of visible and hidden units, trained by
contrastive divergence.
"""

from numbers import Integral
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional

from skae._base import BaseAutoencoder
from skae._chains import Chain
from skae._columns import beyond_unit_interval
from skae._compat import Interval, StrOptions
from skae._constraints import TRAINING_CONSTRAINTS, check_counts
from skae._corruption import uniform_like
from skae._engine.network import averages_rows
from skae._outputs import LOSSES
from skae.tables import TableEncoder

UNITS = LOSSES["binary_cross_entropy"]


class Machine(NamedTuple):
    """A machine's parameters, and its probabilities of visible units v or hidden units h.

    Its energy is E(v, h) = -c' v - b' h - h' W (v - o).
    """

    weight: torch.Tensor  # W, of shape (n_hidden, n_visible)
    hidden_bias: torch.Tensor  # b
    visible_bias: torch.Tensor  # c
    origin: torch.Tensor  # o, subtracted from visible units

    @classmethod
    def of(cls, network):
        """The machine that corresponds to a two-layer network with tied weights."""
        (weight,), (hidden,), (visible,) = (
            network.encoder_weights,
            network.encoder_biases,
            network.decoder_biases,
        )
        return cls(weight, hidden, visible, network.origin)

    def hidden_inputs(self, v):
        """b + W (v - o) of each row: the logits of p(h = 1 | v)."""
        return torch.addmm(self.hidden_bias, v - self.origin, self.weight.t())

    def hidden(self, v):
        """p(h = 1 | v), of shape (n, n_hidden)."""
        return self.hidden_inputs(v).sigmoid_()

    def visible_inputs(self, h):
        """c + W' h of each row: the logits of p(v = 1 | h)."""
        return torch.addmm(self.visible_bias, h, self.weight)

    def visible(self, h):
        """p(v = 1 | h), of shape (n, n_visible)."""
        return self.visible_inputs(h).sigmoid_()

    def free_energy(self, v):
        """F(v) = -log sum over h of e^-E(v, h), of shape (n,), in nats."""
        return -(v @ self.visible_bias) - functional.softplus(self.hidden_inputs(v)).sum(dim=1)


def draw(probabilities, generator):
    """Units, each 1 with its probability and otherwise 0."""
    dtype = probabilities.dtype
    # A uniform number in bfloat16 has too few bits: it would be below small probabilities too
    # often.
    probabilities = probabilities.to(torch.promote_types(dtype, torch.float32))
    uniform = uniform_like(probabilities, generator)
    return torch.lt(uniform, probabilities, out=uniform).to(dtype)


def gibbs(machine, h, n_steps, generator):
    """Run a chain from h, p(h = 1 | x); return v, p(v = 1 | h) of its last step, and p(h = 1 | v).

    All units in between are drawn. The last step keeps probabilities, which are less noisy.
    """
    for step in range(n_steps):
        v = machine.visible(draw(h, generator))
        h = machine.hidden(v if step == n_steps - 1 else draw(v, generator))
    return v, h


@averages_rows
def contrastive_divergence(
    weight, hidden_bias, visible_bias, origin, x, noise, n_steps, dtype=None, sample_weight=None
):
    """Mean cross-entropy of the reconstructions, and the pullback of another function.

    The other function is the mean of F(x) - F(v), the free energies of a row and of the end v of a
    chain of `n_steps` from it, which counts as a constant. Its gradient approximates the gradient
    of -log p(x), whose value cannot be computed.

    Parameters
    ----------
    weight, hidden_bias, visible_bias, origin : Tensor
        The parameters of a `Machine`.
    x : Tensor of shape (n, n_visible)
    noise : torch.Generator
    n_steps : int
    dtype : torch.dtype, default=None
        Dtype in which to compute products; None for that of x.
    sample_weight : Tensor of shape (n,), default=None
    """
    numbers = weight, hidden_bias, visible_bias, origin, x
    *numbers, rows = (tensor.to(dtype or x.dtype) for tensor in numbers)
    machine = Machine(*numbers)
    h = machine.hidden(rows)
    value, _ = UNITS.mean_loss(machine.visible_inputs(h).to(x.dtype), x, sample_weight)

    def pullback(gradient):
        share = gradient / len(x)
        if sample_weight is not None:
            share = (sample_weight * share).to(h.dtype).unsqueeze(1)
        chain = gibbs(machine, h, n_steps, noise)
        return difference_of_gradients(machine, (rows, h), chain, share)

    return value, pullback


def difference_of_gradients(machine, of_data, of_chain, share):
    """The gradients of the sum over rows of share * (F(x) - F(v)), at the weights and biases.

    `of_data` is the pair (x, p(h = 1 | x)), and `of_chain` the same for v.
    """
    (x, h), (v, h_of_v) = of_data, of_chain
    h, h_of_v = h * share, h_of_v * share
    at_weight = torch.mm(h_of_v.t(), v - machine.origin)
    at_weight.addmm_(h.t(), x - machine.origin, alpha=-1)
    return at_weight, (h_of_v - h).sum(dim=0), ((v - x) * share).sum(dim=0)


def check_units(whose, X, name="X"):
    """Refuse rows that are not probabilities of visible units."""
    found = beyond_unit_interval(X)
    if found is not None:
        raise ValueError(
            f"{whose} needs {name} in [0, 1], as its units are on or off, but found values from "
            f"{found[0]} to {found[1]}: scale it, for example with MinMaxScaler(clip=True); if it "
            "is the code of the layer below, set that layer's code_activation='logistic'."
        )


class RestrictedBoltzmannMachine(BaseAutoencoder):
    """Restricted Boltzmann machine: a density of units that are on or off.

    Visible units v, the features, and hidden units h, the code, are 0 or 1 and have the joint
    density ::

        p(v, h) = e^-E(v, h) / Z,    E(v, h) = -c' v - b' h - h' W (v - o)

    where o are the column means of the first rows seen. A row's code is the probability of each
    hidden unit, p(h = 1 | v) = logistic(W (v - o) + b), and a code's reconstruction is the
    probability of each visible unit, p(v = 1 | h) = logistic(W' h + c): an autoencoder with one
    layer and tied weights. Grey values in [0, 1] are taken as probabilities.

    Training follows, batch by batch, the gradient of ::

        mean over rows of  F(x) - F(v)  +  alpha/2 * ||W||^2

    where F(v) = -log sum over h of e^-E(v, h) is the free energy and v is the end of a chain of
    `n_gibbs_steps` steps from x, which counts as a constant: this is contrastive divergence. It
    approximates the gradient of -log p(x), whose value cannot be computed. Losses therefore report
    the cross-entropy of the reconstructions, which falls as the machine learns but is not
    minimised itself.

    Subtracting the means from visible units makes training insensitive to the brightness of the
    data. Machines as layers of a `StackedAutoencoder` form a deep belief network.

    Parameters
    ----------
    n_components : int, default=128
        Number of hidden units, which are the components of the code. They serve as features for a
        later step, such as a linear classifier, rather than as a summary: use more for many rows,
        often more than X has features.
    n_gibbs_steps : int, default=1
        Number of steps of each chain, the k of CD-k. One is enough for features. With more steps
        the machine's samples are closer to the data, but training takes longer: each step costs a
        product with W in each direction.
    table : TableEncoder, 'auto' or None, default='auto'
        How to treat data frames. Like arrays, they must hold numbers in [0, 1]: one with other
        columns is refused, with any encoder. With None, scikit-learn raises the error.
    alpha : float, default=0.0
        Strength of the weight decay alpha/2 * ||W||^2, which is part of the objective;
        biases are exempt. Larger values keep the weights small and the network smooth:
        raise it from 1e-5 by factors of 10 if new rows have a much higher loss than
        training rows. Unlike in MLPRegressor, it is not divided by the batch size.
    solver : {'adam', 'sgd'}, default='adam'
        Optimiser. 'adam' suits most data. 'sgd' is stochastic gradient descent with
        Nesterov momentum 0.9; it needs a tuned `learning_rate_init`. There is no
        'lbfgs', which needs the value of the function to minimise.
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
        W', which encodes, and W, which decodes: the same weights. W is what scikit-learn's
        `BernoulliRBM` calls `components_`.
    intercepts_ : list of ndarray of shape (fan_out,)
        b - W o for the hidden units and c for the visible ones: `intercept_hidden_` and
        `intercept_visible_` of `BernoulliRBM`.
    encoder_ : torch.nn.Module
        The encoder, rebuilt from the weights on the CPU at each access.
        `encoder_(torch.tensor(X))` equals `transform(X)` for X in the dtype of the fit;
        other dtypes raise TypeError. To train it, call its `requires_grad_()` first.
    decoder_ : torch.nn.Module
        The decoder, rebuilt likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Mean cross-entropy of the reconstructions in the last epoch, in nats per row, including the
        weight decay.
    best_loss_ : float
        Lowest loss of any epoch, measured on the held-out rows if there are any; with
        these, the loss before the first epoch counts, too.
    loss_curve_ : list of float
        The same loss in each epoch, averaged while the weights change. If training was continued
        (`warm_start`, `partial_fit`), earlier epochs come first.
    validation_loss_curve_ : list of float or None
        The same loss of the held-out rows after each epoch; None without held-out rows.
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
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only if all column names of X are strings.

    See Also
    --------
    sklearn.neural_network.BernoulliRBM : The same density, trained by persistent chains.
    StackedAutoencoder : Machines on top of each other form a deep belief network.
    DenoisingAutoencoder : Another layer for stacks, for numbers of any scale.
    VAE : Codes with a density to sample from and a bound on the likelihood.

    References
    ----------
    Hinton, "Training products of experts by minimizing contrastive divergence", Neural
    Computation 14, 2002, https://doi.org/10.1162/089976602760128018.

    Hinton, "A practical guide to training restricted Boltzmann machines", in Neural
    Networks: Tricks of the Trade, 2012, https://doi.org/10.1007/978-3-642-35289-8_32.

    Montavon and Mueller, "Deep Boltzmann machines and the centering trick", in Neural
    Networks: Tricks of the Trade, 2012, https://doi.org/10.1007/978-3-642-35289-8_33.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import RestrictedBoltzmannMachine
    >>> X = load_digits().data / 16
    >>> machine = RestrictedBoltzmannMachine(64, max_iter=20, random_state=0).fit(X)
    >>> machine.transform(X).shape
    (1797, 64)
    >>> mirrored = X[:, ::-1]  # which few digits are like
    >>> bool(machine.free_energy(X).mean() < machine.free_energy(mirrored).mean())
    True
    >>> machine.sample(5, n_steps=100, random_state=0).shape
    (5, 64)
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        **TRAINING_CONSTRAINTS,
        "solver": [StrOptions({"adam", "sgd"})],
    }
    # Its probabilities are those of a two-layer autoencoder with the same weights.
    hidden_layer_sizes = ()
    activation = code_activation = "logistic"
    tied_weights = True
    network = None
    _output = UNITS

    def __init__(
        self,
        n_components=128,
        *,
        n_gibbs_steps=1,
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
        self.n_gibbs_steps = n_gibbs_steps
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

    def free_energy(self, X) -> np.ndarray:
        """Compute the free energy of each row: lower is likelier.

        F(v) = -log p(v) - log Z, where Z is unknown but the same for all rows: so
        differences of F are those of log-likelihoods with the opposite sign.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows of visible units, in [0, 1].

        Returns
        -------
        energies : ndarray of shape (n_samples,)
            F(v) = -c' v - sum_j log(1 + e^(W (v - o) + b)_j), in nats.

        Raises
        ------
        ValueError
            If X has values outside of [0, 1], or not as many columns as in `fit`.
        """
        X = self._validate_rows(X)
        self._check_values(X)
        return self._map(lambda network, x: Machine.of(network).free_energy(x), X)

    def sample(self, n_samples=1, n_steps=1000, random_state=None) -> np.ndarray:
        """Draw new rows by Gibbs sampling.

        Each step draws the hidden units given the visible ones, then the visible units given the
        hidden ones. The chain's stationary distribution is the machine's. Every row is a chain of
        its own, started from independent units with the means of the data.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        n_steps : int, default=1000
            Length of the chains. Well-trained machines need longer chains, since their
            modes are further apart.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None draws a new one.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The last rows of the chains, zeros and ones.

        Raises
        ------
        ValueError
            If `n_samples` or `n_steps` is not an integer above 0.
        """
        check_is_fitted(self)
        check_counts(n_samples=n_samples, n_steps=n_steps)
        chain = Chain.of(self, random_state)

        def visible(network, x):
            machine = Machine.of(network)
            return machine.visible(draw(machine.hidden(x), chain.generator))

        means = self._fitted_network().origin.numpy().clip(0.0, 1.0)
        start = UNITS.draw(np.tile(means, (n_samples, 1)), chain.rng, None)
        return chain.run(self, visible, start, n_steps)

    def _objective(self, network, x, noise):
        return network.apply(
            contrastive_divergence,
            *Machine.of(network),
            x,
            noise=noise,
            n_steps=self.n_gibbs_steps,
            dtype=network.dtype_of_products,
        )

    @property
    def _rows_per_row(self):
        return self.n_gibbs_steps

    def _check_values(self, X, name="X", output=None):
        check_units(type(self).__name__, X, name)

    def _check_output_of_tables(self):
        self._refuse_tables(
            type(self).__name__,
            "convert its columns to numbers in [0, 1] first, for example with OneHotEncoder, and "
            "leave table='auto', or use DenoisingAutoencoder(), which takes tables",
        )
