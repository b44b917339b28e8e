"""What generative adversarial networks share: the network, its game and its draws."""

import math
from functools import partial
from numbers import Real
from typing import Self

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from skae._columns import column_means, column_ranges, column_variances
from skae._compat import Interval, InvalidParameterError, StrOptions, fit_context
from skae._constraints import NETWORK_CONSTRAINTS, TRAINING_CONSTRAINTS, as_sizes
from skae._engine.data import Data, sample
from skae._engine.devices import as_tensor
from skae._engine.initial import initial_network
from skae._engine.modules import Standardize
from skae._engine.notice import warn
from skae._engine.parallel import of_batch
from skae._engine.perceptron import Perceptron
from skae._estimator import NetworkEstimator
from skae._fit_quality import complaint_of_ratio, warn_of_columns
from skae._game import chosen_cells, gumbel, judged, play
from skae._generator import DIVERGED, NEIGHBORS, ROWS, GeneratorMixin
from skae._mixed import Mixed
from skae._one_network import OneNetworkMixin

LOSS_AT_START = math.log(2.0)  # of a discriminator that cannot tell rows apart
N_STEPS = 5000  # that max_iter="auto" makes
# The penalty changes by this factor per step: up if the running average of the discriminator's
# loss is below its target, down if it is above; between the parameter and a fraction of it.
PENALTY_RATE, LOSS_AIM, LOSS_PART, LEAST_PENALTY = 0.001, 0.45, 0.02, 1e-3
COLLAPSED = 0.1  # coverage
MOST_HALVINGS = 10_000  # of the range of scores, which may be huge
# Attributes of fits that minimise a loss and may stop by it.
OF_MINIMISERS = {"best_loss_", "validation_loss_curve_", "n_iter_no_change_"}


def calibrating_offset(scores):
    """The offset that makes the mean probability 1/2 over equally many real and generated rows.

    Pairs determine scores only up to a constant.
    """
    scores = np.asarray(scores, np.float64)
    low, high = float(scores.min()), float(scores.max())
    if not math.isfinite(high - low):
        raise ValueError(DIVERGED.format("scores of rows"))
    if low == high:
        return -low

    def excess(offset):
        return expit(scores + offset).mean() - 0.5

    return brentq(excess, -high - 1.0, -low + 1.0, maxiter=MOST_HALVINGS)


def complaint_of_largest(scales, ranges, names):
    """The warning about columns that differ in scale, as one number divides them all."""
    found = complaint_of_ratio(scales, ranges, names)
    return found and f"{found}. Only the largest ones are learnt"


class BaseGAN(GeneratorMixin, OneNetworkMixin, NetworkEstimator):
    """Abstract base class: the discriminator D is the encoder, the generator G the decoder.

    Both learn in one pass, by one objective (see `play`): the slopes of D at generated rows, which
    the penalty needs, are also the direction in which G moves. Rows are centred and divided by
    their root mean square. Running averages of G's weights generate the samples.

    A subclass defines what the generator gets beside noise, and which outputs of D count.
    """

    n_components_: int

    _parameter_constraints = {
        **{name: NETWORK_CONSTRAINTS[name] for name in ("n_components", "hidden_layer_sizes")},
        **{name: NETWORK_CONSTRAINTS[name] for name in ("activation", "network")},
        "table": TRAINING_CONSTRAINTS["table"],
        "gradient_penalty": [Interval(Real, 0, None, closed="left")],
        **{
            # Elsewhere, "auto" is chosen for the minimum of a loss.
            name: [its for its in TRAINING_CONSTRAINTS[name] if not isinstance(its, StrOptions)]
            for name in ("learning_rate_init", "batch_size")
        },
        **{
            name: TRAINING_CONSTRAINTS[name]
            for name in (
                "learning_rate",
                "max_iter",
                "shuffle",
                "warm_start",
                "random_state",
                "device",
                "precision",
                "verbose",
            )
        },
    }
    _parts = {
        "network": ("network=ConvNet(image_shape=(1, 28, 28))",),
        "table": ("table=TableEncoder()",),
    }
    _fixed = {"solver": "adversarial", "alpha": 0.0, "tol": None, "n_iter_no_change": math.inf}
    _minimizes = False
    _n_steps = N_STEPS
    _rows_per_row = 3  # two of D's, one of G's
    _held_out_fraction = 0
    _auto_numeric = "quantile"

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None) -> Self:
        """Train generator and discriminator on X.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data. Computations use float32 for float32 data, data frames with categories
            and memory maps of integers or float16, float64 for all other data.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is invalid, X does not suit it, or the device is unavailable:
            the estimator is unchanged. If training diverges: it is not fitted (with
            `warm_start`, it is unchanged).
        KeyboardInterrupt
            If interrupted: the weights of the last finished epoch, if any, remain
            usable.

        Warns
        -----
        ConvergenceWarning
            If the generator has collapsed: samples are close to less than a tenth of
            the training rows (see `score`).
        """
        return self._run_fit(X)

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None) -> Self:
        """Train for one epoch on X, continuing the earlier training.

        The learning rate is `learning_rate_init`; schedules and `max_iter` are ignored. The
        optimiser and the random streams continue exactly, even after pickling.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Training data; those of the first call set the scale.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X does not suit the parameters, or the loss becomes non-finite; the
            estimator is then unchanged.
        """
        return self._run_partial_fit(X)

    transform = GeneratorMixin.transform  # where scikit-learn's `set_output` looks

    # The game.

    def _objective(self, network, x, noise, *labels):
        x = self._inputs(x)
        made = self._made(network, self._latent(x, noise, self._given(x, *labels)), noise)
        return self._played(network, x, made, self._select(x, *labels))

    def _played(self, network, x, made, select):
        """The game on pairs of real and generated rows."""
        rows, twice = torch.cat([x, made.detach()]), torch.cat([select, select])
        scores, slopes = judged(network, rows, twice)
        penalty = self.gradient_penalty * network.game[1]
        return network.apply(self._play, scores, slopes, made, penalty=penalty)

    def _latent(self, like, noise, given):
        """The generator's inputs for this many rows: normal noise and what is given."""
        options = {"generator": noise, "dtype": like.dtype, "device": like.device}
        width = int(self.n_components)
        z = of_batch(lambda rows: torch.randn((len(rows), width), **options), like, noise)
        return z if given is None else torch.cat([z, given], dim=1)

    def _made(self, network, latent, noise):
        """The generator's rows, in the network's units."""
        output = network.decode(latent)
        if self._table is None:
            return output
        return network.apply(
            chosen_cells,
            output,
            of_batch(partial(gumbel, generator=noise), output, noise),
            blocks=self._blocks(output),
            factor=1.0 / self._scale_,
            offset=as_tensor(-self._mean_ / self._scale_, output.device),
        )

    def _end_step(self, network, loss):
        """Adapt the penalty to the discriminator's loss, and average the generator's weights.

        The penalty flattens a discriminator that tells rows apart easily, and lets one that hardly
        can look closer.
        """
        average, penalty = network.game
        average.lerp_(loss.detach(), LOSS_PART)
        penalty *= torch.exp(PENALTY_RATE * torch.sign(LOSS_AIM - average))
        penalty.clamp_(min=LEAST_PENALTY, max=1.0)
        network.average_decoder()

    def _given(self, like, *labels):
        """What the generator gets beside normal noise; None if nothing."""
        return None

    def _select(self, like, *labels):
        """Weight of each output of D in the score of each row."""
        first = like.new_zeros(len(like), self._n_outputs)
        first[:, 0] = 1.0
        return first

    _play = staticmethod(play)
    _n_given, _n_outputs = 0, 1

    # Its network.

    def _validate(self, X, target, sample_weight, reset):
        X = self._validate_X(X, reset)
        data = Data(X, self._validate_y(target, X, reset))
        if reset and self.network is not None:
            self._blocks_around(X.shape[1])
        return data

    def _validate_y(self, y, X, reset):
        return None

    def _prepare(self, data, continues):
        low, high = column_ranges(data.X)
        if continues:
            low, high = np.minimum(low, self._range_[0]), np.maximum(high, self._range_[1])
        self._range_ = np.stack([low, high]).astype(data.X.dtype)
        if not continues:
            with np.errstate(over="ignore", invalid="ignore"):
                scale = float(np.sqrt(column_variances(data.X).mean()))
            if not math.isfinite(scale):
                raise ValueError(
                    "The variance of X is not finite: scale X, for example with StandardScaler."
                )
            self._mean_, self._scale_ = column_means(data.X).astype(data.X.dtype), scale or 1.0

    def _describe_perceptron(self, n_features):
        hidden, into_back = as_sizes(self.hidden_layer_sizes), ()
        front, back, n_inner = None, None, n_features
        if self.network is not None:
            front, back = self._blocks_around(n_features)
            n_inner, into_back = front.shape_out[0], (self.activation,)
        activations = (self.activation,) * len(hidden)
        return Perceptron(
            sizes=(n_inner, *hidden, self._n_outputs),
            encoder_activations=(*activations, "identity"),
            decoder_activations=(*activations, *into_back, self._output),
            tied=(False,) * (len(hidden) + 1),
            decoder_sizes=(int(self.n_components) + self._n_given, *hidden[::-1], n_inner),
            front=front,
            back=back,
            averages=True,
        )

    def _blocks_around(self, n_features):
        front, back = self._describe_blocks(n_features, n_features, n_features)
        if len(front.shape_out) > 1:
            raise InvalidParameterError(
                f"network={self.network!r} makes an image of shape {front.shape_out} from each "
                f"row, but {type(self).__name__} judges a row as a whole: make its encoder end in "
                "a vector, as ConvNet's does with code='vector'."
            )
        return front, back

    @property
    def _output(self):
        return "identity" if self._table is None else Mixed(self._widths_of_table)

    def _initial_network(self, perceptron, generator, data):
        network = initial_network(perceptron, generator, output_scale=1.0)
        loss, penalty = network.game
        loss.fill_(LOSS_AT_START), penalty.fill_(1.0)
        return network

    def _check_output_of_tables(self):
        if self.network is not None:
            self._refuse_for_tables(
                "network",
                self.network,
                ("leave network=None, since the columns of a table have no neighbours"),
            )

    def _inputs(self, x):
        return (x - as_tensor(self._mean_, x.device)) / self._scale_

    def _input_layers(self):
        mean = torch.from_numpy(self._mean_.copy())
        return [Standardize(mean, self._scale_)]

    def _to_be_read(self, network):
        return network.with_averages().completed()

    # Results of a fit.

    def _attributes_after(self, trainer):
        its = super()._attributes_after(trainer)
        return {name: value for name, value in its.items() if name not in OF_MINIMISERS}

    def _summarize(self, data):
        some = sample(data, ROWS, self._state.seed)
        self.offset_ = self._calibrated(some)

    def _calibrated(self, some):
        """The offset of the discriminator's scores, from some of the training rows."""
        made = self._rows_like(some.X)
        scores = [self._map(self._scores, rows) for rows in (some.X, made)]
        return calibrating_offset(np.concatenate(scores))

    def _warn_of_data(self, data):
        if self._table is None:
            warn_of_columns(self, data, complaint_of_largest)

    def _warn_of_fit(self, data):
        some = sample(data, ROWS // 2, self._state.seed)
        found = self._coverage(some.X, some.target) if len(data) > NEIGHBORS else 1.0
        if found < COLLAPSED:
            warn(
                f"The generator has collapsed: its samples are close to only {found:.1%} of the "
                "training rows. If columns of X differ in scale, put a StandardScaler before it; "
                f"if not, raise max_iter (now {self.max_iter_}) or gradient_penalty (now "
                f"{self.gradient_penalty:g}), or lower learning_rate_init (now "
                f"{self.learning_rate_init_:g}).",
                ConvergenceWarning,
            )
