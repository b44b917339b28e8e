"""scikit-learn's restricted Boltzmann machines as layers of a stack."""

import numpy as np
import torch
from sklearn.base import clone
from sklearn.neural_network import BernoulliRBM

from skae._autoencoder import Autoencoder
from skae._boltzmann import check_units
from skae._engine.data import split_rows
from skae._engine.network import Network
from skae._engine.phases import say
from skae._engine.training import State
from skae._estimator import make_trainer


def as_autoencoder(prototype):
    """The unfitted autoencoder that a prototype is, or stands for.

    For a Boltzmann machine, it is the one whose code and reconstruction are the machine's
    probabilities: its code is p(h = 1 | v) = logistic(W v + b), its reconstruction
    p(v = 1 | h) = logistic(W' h + c), one layer each, with the same weights.
    """
    if not isinstance(prototype, BernoulliRBM):
        return prototype
    return Autoencoder(
        hidden_layer_sizes=(),
        code_activation="logistic",
        loss="binary_cross_entropy",
        tied_weights=True,
    )


def pretrain(layer, machine, data):
    """Fit a machine to rows and copy its weights to a layer.

    Parameters
    ----------
    layer : Autoencoder
        `as_autoencoder(machine)` with the width and seed to use for both; it becomes fitted.
    machine : BernoulliRBM
        The prototype, which is cloned.
    data : Data
        The rows, with equal weights (see `check_weights`).
    """
    check_units(f"estimator={machine!r}", data.X)
    if layer.verbose:
        name = type(machine).__name__
        say(layer, f"{len(data)} rows, {machine.n_iter} iterations of {name}")
    own = {name: getattr(layer, name) for name in ("n_components", "random_state", "verbose")}
    machine = clone(machine).set_params(**own).fit(in_full_batches(data.X, machine.batch_size))
    layer.n_features_in_ = data.X.shape[1]
    perceptron = layer._describe_perceptron(layer.n_features_in_)
    state = State(weights_of(machine, perceptron, data.X.dtype), layer.random_state)
    trainer = make_trainer(layer, perceptron, state, data, split_rows(len(data), 0, state.seed))
    trainer.n_iter_before = machine.n_iter
    trainer.losses.append(trainer.evaluate(trainer.split.training))
    check_finite(machine, trainer.losses[-1])
    layer._commit(trainer)


def weights_of(machine, perceptron, dtype):
    """A fitted machine's weights and biases as a flat vector, with origin 0."""
    found = machine.components_, machine.intercept_hidden_, machine.intercept_visible_
    weights, hidden, visible = (torch.from_numpy(np.asarray(array, dtype)) for array in found)
    network = Network(perceptron, weights.new_zeros(perceptron.length))
    network.encoder_weights[0].copy_(weights)
    network.encoder_biases[0].copy_(hidden)
    network.decoder_biases[0].copy_(visible)
    return network.flat.numpy()


def in_full_batches(X, batch_size):
    """Rows in full batches: copies of the first rows fill up the last batch.

    scikit-learn compares the sum over a batch with the sum over `batch_size` chains, even if the
    batch is smaller: a single row left over would make a step many times too large, away from the
    data.
    """
    n_rows = X.shape[0]
    n_missing = -n_rows % batch_size
    return X[np.arange(n_rows + n_missing) % n_rows] if n_missing else X


def check_weights(machine, sample_weight):
    """Refuse unequal weights of rows, which scikit-learn's machines do not support."""
    if sample_weight is not None and np.ptp(sample_weight) > 0:
        raise ValueError(
            f"estimator={machine!r} takes no sample_weight: leave it out, or pretrain this layer "
            "with an autoencoder, such as DenoisingAutoencoder(). To weigh the rows of a "
            "classifier or regressor, give it the stack, fitted without weights, in a "
            "FrozenEstimator."
        )


def check_finite(machine, loss):
    """Refuse a machine whose weights are no longer finite."""
    if not np.isfinite(loss):
        raise ValueError(
            f"The training of {machine!r} has diverged: its weights are not finite. Lower its "
            f"learning_rate (now {machine.learning_rate:g})."
        )
