"""What generative adversarial networks share: a network that plays, and how it draws."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array, check_is_fitted

from skae._columns import column_means, column_variances
from skae._compat import Interval, InvalidParameterError
from skae._constraints import NETWORK_CONSTRAINTS, TRAINING_CONSTRAINTS, as_sizes
from skae._contractive import through_front
from skae._engine.data import Data, sample
from skae._engine.devices import as_tensor, off_torch
from skae._engine.initial import initial_weights
from skae._engine.modules import Scale, decoder_module, encoder_module, published
from skae._engine.network import Network
from skae._engine.notice import warn
from skae._engine.perceptron import Perceptron
from skae._engine.streams import stream_seed
from skae._estimator import ACCEPTED, NetworkEstimator
from skae._game import chosen_cells, gumbel, play, scores_and_slopes
from skae._hints import hints
from skae._mixed import Mixed, blocks_of
from skae._one_network import OneNetworkMixin
from skae.metrics import coverage

N_STEPS = 5000  # that max_iter="auto" makes
PENALTY_ENDS = 1 / 300  # what the penalty falls to, as a part of what it starts at
LASTING_PENALTY = 0.1  # the same of a training whose end is not known
ROWS = 2000  # that scores and the discriminator's offset go by, at most
NEIGHBORS = 5
COLLAPSED = 0.1  # coverage
# Attributes of trainings that minimise a loss, and may stop by it.
OF_MINIMISERS = {"best_loss_", "validation_loss_curve_", "n_iter_no_change_"}


def calibrating_offset(scores):
    """What to add to scores of as many real rows as made ones: then their mean probability is 1/2.

    Of pairs, scores are only learnt up to a constant.
    """
    low, high = float(scores.min()), float(scores.max())
    if low == high:
        return -low
    return brentq(lambda offset: expit(scores + offset).mean() - 0.5, -high - 1.0, -low + 1.0)


def covered(X, samples):
    """The coverage of rows by samples; of few rows by balls around fewer neighbours."""
    return coverage(X, samples, n_neighbors=min(NEIGHBORS, len(X) - 1))


class BaseGAN(OneNetworkMixin, NetworkEstimator):
    """The discriminator D is the network's encoder, the generator G its decoder. Abstract.

    Both learn in one pass, by one objective (see `play`): the slopes of D at made rows that the
    penalty needs are also the direction in which G moves. Rows are counted from their mean, in
    units of their root mean square. What generates rows has running averages of G's weights.

    A subclass says what the generator is given beside noise, and which of D's outputs count.
    """

    n_components_: int

    _parameter_constraints = {
        **{name: NETWORK_CONSTRAINTS[name] for name in ("n_components", "hidden_layer_sizes")},
        **{name: NETWORK_CONSTRAINTS[name] for name in ("activation", "network")},
        "table": TRAINING_CONSTRAINTS["table"],
        "gradient_penalty": [Interval(Real, 0, None, closed="left")],
        **{
            name: TRAINING_CONSTRAINTS[name]
            for name in (
                "learning_rate",
                "learning_rate_init",
                "batch_size",
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
        "network": "network=ConvNet(image_shape=(1, 28, 28))",
        "table": "table=TableEncoder()",
    }
    _fixed = {"solver": "adversarial", "alpha": 0.0, "tol": None, "n_iter_no_change": math.inf}
    _minimizes = False
    _n_steps = N_STEPS
    _rows_per_row = 3  # two of D's, one of G's
    _held_out_fraction = 0
    _auto_numeric = "quantile"

    # The game.

    def _objective(self, network, x, noise, *labels):
        x = self._inputs(x)
        given = self._given(x, noise, *labels)
        made = self._made(network, self._latent(x, noise, given), noise)
        rows = torch.cat([x, made.detach()])
        features, to_input = through_front(network, rows)
        scores, slopes = network.apply(
            scores_and_slopes,
            features,
            *network.encoder_weights,
            *network.encoder_biases,
            functions=network.perceptron.encoder_functions,
            select=self._select(torch.cat([x, x]), *[torch.cat([its, its]) for its in labels]),
            goes_on=features.requires_grad,
            dtype=network.dtype_of_products,
        )
        penalty = self._penalty_at(network.progress)
        return network.apply(self._play, scores, to_input(slopes), made, penalty=penalty)

    def _latent(self, like, noise, given):
        """What the generator gets for as many rows: normal noise, and what is given."""
        shape = len(like), int(self.n_components)
        z = torch.randn(shape, generator=noise, dtype=like.dtype, device=like.device)
        return z if given is None else torch.cat([z, given], dim=1)

    def _made(self, network, latent, noise):
        """The generator's rows, in the network's units."""
        output = network.decode(latent)
        if self._table is None:
            return output
        return network.apply(
            chosen_cells,
            output,
            gumbel(output, noise),
            blocks=self._blocks(output),
            factor=1.0 / self._scale_,
            offset=as_tensor(-self._mean_ / self._scale_, output.device),
        )

    def _penalty_at(self, progress):
        """It falls by equal factors while the learning rate falls."""
        if progress is None or self.learning_rate == "constant":
            return self.gradient_penalty * LASTING_PENALTY
        return self.gradient_penalty * PENALTY_ENDS**progress

    def _given(self, like, noise, *labels):
        """What the generator gets beside normal noise; None for nothing."""
        return None

    def _select(self, like, *labels):
        """What each of D's outputs counts in the score of each row."""
        return like.new_ones(len(like), 1)

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
        if continues:
            return
        scale = float(np.sqrt(column_variances(data.X).mean()))
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
                f"network={self.network!r} makes an image of shape {front.shape_out} of each row, "
                f"but {type(self).__name__} judges a row as a whole: let its encoder end in a "
                "vector, as ConvNet's does with code='vector'."
            )
        return front, back

    @property
    def _output(self):
        return "identity" if self._table is None else Mixed(self._widths_of_table)

    def _initial_weights(self, perceptron, generator, data):
        return initial_weights(perceptron, generator, output_scale=1.0)

    def _check_output_of_tables(self):
        if self.network is not None:
            self._refuse_for_tables(
                "network", self.network, "leave network=None, as its columns have no neighbours"
            )

    def _inputs(self, x):
        return (x - as_tensor(self._mean_, x.device)) / self._scale_

    def _input_layers(self):
        mean = torch.from_numpy(self._mean_.copy())
        return [Scale(torch.ones_like(mean) / self._scale_, -mean / self._scale_)]

    def _constrain(self, network):
        network.average_decoder()

    def _to_be_read(self, network):
        return network.with_averages().completed()

    # What a fit leaves.

    def _attributes_after(self, trainer):
        its = super()._attributes_after(trainer)
        return {name: value for name, value in its.items() if name not in OF_MINIMISERS}

    def _summarize(self, data):
        some = sample(data, ROWS, self._state.seed)
        self.offset_ = self._calibrated(some)

    def _calibrated(self, some):
        """What to add to the discriminator's scores, by some of the training rows."""
        made = self._rows_like(some.X)
        scores = [self._map(self._scores, rows) for rows in (some.X, made)]
        return calibrating_offset(np.concatenate(scores))

    def _warn_of_fit(self, data):
        some = sample(data, ROWS // 2, self._state.seed)
        found = self._coverage(some.X, some.target) if len(data) > NEIGHBORS else 1.0
        if found < COLLAPSED:
            warn(
                f"The generator has collapsed: its samples come near {found:.1%} of the training "
                "rows. If columns of X differ in scale, put a StandardScaler before it; if not, "
                f"raise max_iter (now {self.max_iter_}) or gradient_penalty (now "
                f"{self.gradient_penalty:g}), or lower learning_rate_init (now "
                f"{self.learning_rate_init_:g}).",
                ConvergenceWarning,
            )

    def _rows_like(self, X, *given):
        """As many samples as rows, of the same seed each time, as an array."""
        seed = stream_seed(self._state.seed, "score")
        return self._draw(X.shape[0], seed, *given)

    def _coverage(self, X, labels=None):
        """The coverage of rows by samples."""
        return covered(X, self._rows_like(X))

    # What reads the fitted state.

    @property
    def n_components_(self) -> int:
        """Width of the noise that the generator turns into rows."""
        check_is_fitted(self)
        return self._perceptron.decoder_sizes[0] - self._n_given

    @property
    def _n_features_out(self):
        check_is_fitted(self)
        return self._perceptron.sizes[-2]

    @property
    def generator_(self) -> torch.nn.Module:
        """The generator as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        mean = torch.from_numpy(self._mean_.copy())
        layers = decoder_module(self._fitted_network())
        unit = [] if self._table else [Scale(torch.full_like(mean, self._scale_), mean)]
        return published([*layers, *unit])

    @property
    def discriminator_(self) -> torch.nn.Module:
        """The discriminator as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        return published([*self._input_layers(), *encoder_module(self._fitted_network())])

    def _encode(self, network, x):
        return network.before_code(self._inputs(x))

    def _outputs(self, network, x):
        """All of the discriminator's outputs."""
        return network.encode(self._inputs(x))

    def _scores(self, network, x):
        return self._outputs(network, x)[:, 0]

    def _check_n_samples(self, n_samples):
        check_is_fitted(self)
        if isinstance(n_samples, bool) or not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r} must be an integer of at least 1.")

    def _draw(self, n_samples, seed, *given):
        """Samples as an array, from noise and what else the generator is given, arrays."""
        generator = torch.Generator("cpu").manual_seed(seed)
        shape = n_samples, self.n_components_
        z = torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu").numpy()
        return self._generated(np.hstack([z, *given]), generator)

    def _generated(self, latent, generator=None):
        """The generator's rows, an array; of a table with drawn or the likeliest categories."""
        output = self._map(Network.decode, latent.astype(self._state.weights.dtype))
        rows = output * output.dtype.type(self._scale_) + self._mean_
        if self._table is None:
            return rows
        noise = 0.0 if generator is None else gumbel(torch.from_numpy(output), generator).numpy()
        for block, width in zip(self._table.blocks_.values(), self._widths_of_table, strict=True):
            if width:
                chosen = (output + noise)[:, block].argmax(axis=1)
                rows[:, block] = np.eye(width, dtype=rows.dtype)[chosen]
        return rows

    def _validate_noise(self, Z, n_columns):
        check_is_fitted(self)
        Z, options = off_torch(Z), {**ACCEPTED, "accept_sparse": False, "estimator": self}
        with hints(Z):
            Z = check_array(Z, dtype=self._state.weights.dtype, input_name="Z", **options)
        if Z.shape[1] != n_columns:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but {type(self).__name__}.generate expects noise of "
                f"{n_columns}: {self._columns_of_noise}."
            )
        return Z

    _columns_of_noise = "n_components of them"

    def _blocks(self, like):
        """Where the columns of a table's cells lie."""
        return blocks_of(self._widths_of_table, like)
