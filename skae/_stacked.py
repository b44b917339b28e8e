"""The stacked autoencoder: autoencoders on top of each other, pretrained one by one."""

from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from math import prod

import numpy as np
from sklearn.base import clone
from sklearn.neural_network import BernoulliRBM

from skae import _boltzmann_layers
from skae._base import ROWS_FOR_FACTORS, BaseAutoencoder
from skae._boltzmann import RestrictedBoltzmannMachine, check_units
from skae._callbacks import Progress
from skae._compat import HasMethods, InvalidParameterError
from skae._constraints import TRAINING_CONSTRAINTS, Sizes, as_sizes
from skae._denoising import DenoisingAutoencoder
from skae._engine.data import sample, split_rows
from skae._engine.devices import as_tensor
from skae._engine.initial import shrink_output
from skae._engine.network import Network, fold_origin
from skae._engine.settings import NARROW
from skae._engine.stack import stack, stacked_tensors
from skae._engine.streams import stream_seed
from skae._engine.training import State
from skae._engine.units import units_of_stack
from skae._estimator import make_trainer
from skae._fit_quality import unjudged
from skae._hints import AUTOENCODERS, remedy_for_prototype
from skae._outputs import SquaredError
from skae.networks import ConvNet
from skae.tables import TableEncoder

LEAST_PART = 0.1  # of a step, that fine-tuning takes for the fewest rows


@contextmanager
def _named(number):
    """Name in an error the layer of the stack that raised it."""
    try:
        yield
    except ValueError as error:
        its = "the stack's" if number == 1 else f"the code of layer {number - 1}"
        error.add_note(f"This is layer {number} of the stack; its X is {its}.")
        raise


def _check_image_shape(layer, code_shape):
    """Refuse a layer whose image shape differs from that of the code below."""
    if len(code_shape) == 1 or not isinstance(layer.network, ConvNet):
        return
    channels, *size = code_shape
    code_shape = (channels, *(1,) * (2 - len(size)), *size)  # signals are images of height 1
    expected = layer.network.image_shape
    if np.ndim(expected) == 1 and tuple(expected) != code_shape:
        raise ValueError(
            f"image_shape={expected!r} does not match the codes of the layer below, which are "
            f"images of shape {code_shape}: set image_shape={code_shape}."
        )


class StackedAutoencoder(BaseAutoencoder):
    """Stacked autoencoder: a deep one, pretrained greedily, layer by layer.

    The first layer is trained on X, the second on the clean codes of the first, and so on, each
    with the objective of its own class (denoising by default). Then all encoders, and all decoders
    in reverse, form one deep autoencoder, which is fine-tuned to minimise ::

        mean over rows of  L(x, g(f(x)))  +  alpha/2 * ||W||^2

    with the first layer's loss L. Pretraining adapts the initial weights to the data,
    unlike random weights. (If pretraining is interrupted, the stack is not fitted; if
    fine-tuning is, it keeps the last finished epoch.)

    Parameters
    ----------
    layer_sizes : int or array-like of int, default=(128, 32)
        Widths of the layers' codes, input side first; the last one is the stack's code.
        An int is one layer. For a layer whose code is an image (see `ConvNet`), the
        width is its number of channels.
    estimator : autoencoder, BernoulliRBM, list of these or None, default=None
        Prototype of the layers, cloned for each with its width from `layer_sizes`, or a list with
        one prototype per layer, which convolutions need: each takes images of the shape of the
        code below. None is `DenoisingAutoencoder()`. The prototype determines network, loss and
        pretraining; `estimator__max_iter` and the like set its parameters. Its `n_components`,
        `random_state`, `device`, `precision` and `verbose` are replaced by those of the stack.
        `RestrictedBoltzmannMachine()` in every layer and an output layer on top form a deep belief
        network. scikit-learn's `BernoulliRBM` trains its layer itself, on the CPU; its weights
        then become those of `Autoencoder(hidden_layer_sizes=(), tied_weights=True,
        code_activation='logistic', loss='binary_cross_entropy')`.
    fine_tune : bool, default=True
        Whether all layers are trained together after the pretraining. If not, codes are
        those of the pretrained layers, which is enough if a classifier fine-tunes them
        anyway; the parameters from `alpha` to `validation_fraction`, which control the
        fine-tuning, then affect only `partial_fit` (and `alpha` also `loss_`).
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
        Maximum number of epochs of the fine-tuning, that is, passes over X. Reaching it is not an
        error and does not warn. 'auto' is 20 epochs or 2,000 steps, whichever is longer; large
        networks and tables of few rows get fewer steps, and none gets more than 20,000. The fit
        then ends with a mean of the weights after its last epochs. See :ref:`auto`.
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
        Whether `fit` continues the fine-tuning, for up to `max_iter` more epochs,
        instead of pretraining anew; the network must then be the same. Needs
        `fine_tune`.
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
    estimators_ : list of autoencoders
        The fitted layers, with their weights after the fine-tuning: chaining their
        `transform` gives the `transform` of the stack. Their losses are those of the
        pretraining; if a `BernoulliRBM` did it, the loss after it.
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
        Objective per row in each epoch of the fine-tuning, averaged while the weights
        change (without `fine_tune`, one number: the objective after the pretraining).
        If training was continued (`warm_start`, `partial_fit`), earlier epochs come
        first.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None without held-out rows.
    n_iter_ : int
        Number of epochs run by the last `fit`, in the pretraining of all layers and the
        fine-tuning, and by `partial_fit` since then.
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
    DenoisingAutoencoder : The default of the layers.
    Autoencoder : A deep autoencoder trained from random weights.
    RestrictedBoltzmannMachine : Another layer, for rows in [0, 1].

    References
    ----------
    Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets", Neural
    Computation 18, 2006, https://doi.org/10.1162/neco.2006.18.7.1527.

    Bengio, Lamblin, Popovici and Larochelle, "Greedy layer-wise training of deep
    networks", NIPS 2006,
    https://papers.nips.cc/paper/3048-greedy-layer-wise-training-of-deep-networks.

    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders",
    Journal of Machine Learning Research 11, 2010,
    https://jmlr.org/papers/v11/vincent10a.html.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenoisingAutoencoder, StackedAutoencoder
    >>> X = load_digits().data / 16
    >>> layer = DenoisingAutoencoder(corruption_level=0.2, max_iter=20)
    >>> stacked = StackedAutoencoder((64, 16), estimator=layer, max_iter=20, random_state=0)
    >>> stacked.fit_transform(X).shape
    (1797, 16)
    >>> [layer.n_components_ for layer in stacked.estimators_]
    [64, 16]
    """

    estimators_: list[BaseAutoencoder]

    _parameter_constraints = {
        "layer_sizes": [Sizes("(128, 32)")],
        "estimator": [HasMethods("fit"), list, None],
        "fine_tune": ["boolean"],
        **TRAINING_CONSTRAINTS,
    }
    _parts = {
        "estimator": (
            "estimator=DenoisingAutoencoder()",
            *(f"estimator={example}" for example in AUTOENCODERS),
        ),
        "table": ("table=TableEncoder()",),
    }

    def __init__(
        self,
        layer_sizes=(128, 32),
        *,
        estimator=None,
        fine_tune=True,
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
        self.layer_sizes = layer_sizes
        self.estimator = estimator
        self.fine_tune = fine_tune
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

    def _fit(self, data, continues):
        with Progress.of_fit(self, data, self._n_layers + 1) as progress:
            self._fit_in_tasks(data, continues, progress)

    def _fit_in_tasks(self, data, continues, progress):
        fraction = self._held_out_fraction if self.fine_tune else 0
        if continues:
            trainer = self._resume(data, fraction)
        else:
            trainer = self._pretrain(data, fraction, progress)
        if self.fine_tune:
            with progress.phase("fine-tuning", max_subtasks=trainer.settings.max_iter) as task:
                self._train(trainer, task)
        else:
            trainer.losses.append(trainer.evaluate(trainer.split.training))
            self._commit(trainer)

    def _pretrain(self, data, held_out_fraction, progress):
        """Fit the layers one by one; return a trainer that starts from them."""

        def fit_layer(layer, codes, number):
            which, machine = f" {number} of {self._n_layers}", self._machines()[number - 1]
            with progress.phase("layer", which, runs=None if machine else layer), unjudged():
                if machine:
                    return _boltzmann_layers.pretrain(layer, machine, codes)
                X = self._encoded(codes.X) if number == 1 else codes.X
                return layer.fit(X, sample_weight=codes.sample_weight)

        return self._build(data, held_out_fraction, fit_layer)

    def _start(self, data):
        """A trainer of untrained layers for `partial_fit`, which never pretrains."""
        return self._build(data, 0, lambda layer, codes, number: layer._initialize(codes))

    def _build(self, data, held_out_fraction, start_layer):
        seed = self._draw_seed(data)
        split = split_rows(len(data), held_out_fraction, seed)
        self.estimators_, codes = self._layers(seed), split.seen(data)
        for number, layer in enumerate(self.estimators_, start=1):
            with _named(number):
                start_layer(layer, codes, number)
            codes = replace(codes, X=layer._codes(codes.X))
        perceptrons = [layer._fitted_perceptron for layer in self.estimators_]
        perceptron = stack(perceptrons)
        self._units_ = units_of_stack([layer._units_ for layer in self.estimators_], perceptrons)
        if perceptron.front is None:
            self._fold_origins()
        parts = [layer._network_copy() for layer in self.estimators_]
        network = Network(perceptron, parts[0].flat.new_zeros(perceptron.length))
        for whole, part in stacked_tensors(network, parts):
            whole.copy_(part)
        if self.fine_tune and self._is_pretrained:
            self._shrink_output(network, split.seen(data))
        trainer = make_trainer(self, perceptron, State(network.flat.numpy(), seed), data, split)
        trainer.n_iter_before = sum(getattr(layer, "n_iter_", 0) for layer in self.estimators_)
        return trainer

    def _shrink_output(self, network, data):
        """Shrink a linear output to the scale of rows without the pretraining's corruption."""
        perceptron = network.perceptron
        is_linear = isinstance(perceptron.output, SquaredError) and perceptron.back is None
        if is_linear and network.own_decoder_weights[-1] is not None:  # as if tied
            rows = sample(data, ROWS_FOR_FACTORS, seed=0)
            weights = np.ones(len(rows.X)) if rows.sample_weight is None else rows.sample_weight
            X, weights = as_tensor(rows.X), as_tensor(weights.astype(np.float64))
            shrink_output(network, self._inputs(X), X, weights)

    def _fold_origins(self):
        """Leave the stack one origin, that of X: fold an upper layer's into its biases."""
        for layer in self.estimators_[1:]:
            network = layer._network_copy()
            fold_origin(network)
            layer._state = replace(layer._state, weights=network.flat.numpy())

    def _with_encoder(self, network=None):
        tuned = super()._with_encoder(network)
        tuned._hand_weights_down()
        return tuned

    def _hand_weights_down(self):
        """Copy each layer's part of the whole network's weights into the layer."""
        # Copies, so that a shallow copy of this object keeps its own layers.
        self.estimators_ = [copy(layer) for layer in self.estimators_]
        parts = [layer._network_copy() for layer in self.estimators_]
        for whole, part in stacked_tensors(self._fitted_network(), parts):
            part.copy_(whole)
        for layer, part in zip(self.estimators_, parts, strict=True):
            vars(layer).update(self._handed_down)  # perhaps others than in `fit`
            layer._state = replace(layer._state, weights=part.flat.numpy())

    def _summarize(self, data):
        self._hand_weights_down()
        for layer in self.estimators_:
            layer._summarize(data)
            data = replace(data, X=layer._codes(data.X))

    def _layers(self, seed):
        """Unfitted clones of the prototypes, each with its width and seed."""
        layers = []
        for number, (size, prototype) in enumerate(
            zip(as_sizes(self.layer_sizes), self._prototypes(), strict=True)
        ):
            layer_seed = stream_seed(seed, "layers", number) % 2**32
            own = {"n_components": size, "random_state": layer_seed, **self._handed_down}
            layers.append(clone(prototype).set_params(**own))
        self._hand_table_to(layers[0])
        return layers

    def _step_factor(self, n_rows, n_columns):
        """Less for few rows per column, which a pretrained network soon memorises."""
        part = min(1.0, max(LEAST_PART, n_rows / n_columns / NARROW))
        return part if self._is_pretrained else 1.0

    @property
    def _is_pretrained(self):
        return any(getattr(layer, "n_iter_", 0) for layer in getattr(self, "estimators_", ()))

    @property
    def _n_layers(self):
        return len(as_sizes(self.layer_sizes))

    def _prototypes(self):
        """An autoencoder for each layer; scikit-learn's Boltzmann machines as autoencoders."""
        return [*map(_boltzmann_layers.as_autoencoder, self._given())]

    @property
    def _first(self):
        """The first of them."""
        return _boltzmann_layers.as_autoencoder(self._given()[0])

    def _machines(self):
        """The Boltzmann machine that pretrains each layer, or None if its prototype does."""
        return [layer if isinstance(layer, BernoulliRBM) else None for layer in self._given()]

    def _given(self):
        """The prototypes as given by the parameter, one per layer."""
        if isinstance(self.estimator, list):
            return self.estimator
        if self.estimator is None:
            first, upper = DenoisingAutoencoder(), DenoisingAutoencoder(loss="binary_cross_entropy")
            return [first] + [upper] * (self._n_layers - 1)
        return [self.estimator] * self._n_layers

    def _check_parameters(self):
        if self.warm_start and not self.fine_tune:
            raise InvalidParameterError(
                "warm_start=True needs fine_tune=True: it continues the joint training, which "
                "fine_tune=False leaves out. Set one of the two."
            )
        given = self._given()
        if len(given) != self._n_layers:
            raise InvalidParameterError(
                f"estimator is a list of {len(given)} autoencoders, but layer_sizes="
                f"{self.layer_sizes!r} asks for {self._n_layers}: give one for each layer."
            )
        for layer in given:
            self._check_given(layer)
        self._check_prototypes(self._prototypes())

    def _check_given(self, layer):
        is_one = isinstance(layer, (BaseAutoencoder, BernoulliRBM))
        if not is_one or isinstance(layer, StackedAutoencoder):
            remedy = remedy_for_prototype(layer, self, "estimator")
            raise InvalidParameterError(
                "estimator must be an autoencoder of skae with a single code, or scikit-learn's "
                f"BernoulliRBM, but found {layer!r}: {remedy}"
            )
        layer._validate_params()

    def _check_prototypes(self, prototypes):
        convolves = any(p.network is not None for p in prototypes)
        if convolves and any(p.tied_weights for p in prototypes[:-1]):
            raise InvalidParameterError(
                "In a stack with a network, only the last layer can have tied_weights=True: set "
                "tied_weights=False for the others. A Boltzmann machine has tied weights, so it "
                "can only be the last layer, too."
            )
        if any(prototype._output.has_totals for prototype in prototypes[1:]):
            raise InvalidParameterError(
                "loss='categorical_cross_entropy' is only for the first layer, since codes are "
                "not counts: give estimator a list with another loss from the second layer on."
            )

    def _check_values(self, X, name="X", output=None):
        first = self._given()[0]
        if output is None and isinstance(first, (BernoulliRBM, RestrictedBoltzmannMachine)):
            check_units(f"estimator={first!r}", X, name)
        else:
            super()._check_values(X, name, output)

    def _check_weights(self, data):
        for machine in filter(None, self._machines()):
            _boltzmann_layers.check_weights(machine, data.sample_weight)

    def _check_network_spec(self, data):
        self._describe_perceptron(data.X.shape[1])

    def _describe_perceptron(self, n_features):
        perceptrons, shape, layers = [], (n_features,), self._layers(seed=0)
        if self._table is not None and "estimators_" in vars(self):
            layers[0]._takes_mask_ = getattr(self.estimators_[0], "_takes_mask_", False)
        for number, layer in enumerate(layers, start=1):
            with _named(number):
                layer._check_parameters()
                _check_image_shape(layer, shape)
                perceptrons.append(layer._describe_perceptron(prod(shape)))
            shape = perceptrons[-1].code_shape
        return stack(perceptrons)

    def _objective(self, network, x, noise):
        output, decoded = network.perceptron.output, network.decode(network.encode(self._inputs(x)))
        loss = output.mean_loss if self._table is None else output.mean_loss_of_observed
        return network.apply(loss, decoded, x)

    # With a table, the first layer may take missing values and a mask of them.

    def _inputs(self, x):
        return x if self._table is None else self.estimators_[0]._inputs(x)

    def _input_layers(self):
        return [] if self._table is None else self.estimators_[0]._input_layers()

    @property
    def _table_spec(self):
        return self._first._table_spec if self.table == "auto" else self.table

    @property
    def _takes_gaps_of_tables(self):
        return self._first._takes_gaps_of_tables

    @property
    def _output(self):
        return self._hand_table_to(copy(self._first))._output

    def _check_output_of_tables(self):
        given = self._given()[0]
        if isinstance(given, BernoulliRBM):
            first = "estimator=[DenoisingAutoencoder(), ...]"
            self._refuse_for_tables(
                "estimator", given, f"give the first layer an autoencoder, as in {first}"
            )
        self._hand_table_to(copy(self._first))._check_output_of_tables()

    @property
    def _auto_numeric(self):
        return self._first._auto_numeric

    @property
    def _is_held_back(self):
        # A machine learns a density; its reconstructions are a by-product.
        has_density = not self.fine_tune and any(self._machines())
        return (
            super()._is_held_back or has_density or any(p._is_held_back for p in self._prototypes())
        )

    @property
    def _output_parameter(self):
        return self._first._output_parameter

    _whose_output = "The first layer's "
