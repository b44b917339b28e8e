"""The settings of a training, with numbers for "auto"."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from skae._engine.activations import SATURATING, TopK, activation_name
from skae._engine.data import sample
from skae._engine.devices import find_device
from skae._engine.tape import PRECISIONS
from skae._engine.units import ROWS, from_means, typical

# "auto": small tables need enough steps, large ones only a few epochs. docs/benchmarks/defaults.md
# compares these figures with others.
STEPS = 2_000, 20_000  # minimum and maximum of a training
EPOCHS = 20  # if these are between those steps
BATCH_SIZES = 16, 200
BATCHES = 20  # per epoch, if they are between those sizes
PATIENCE = 500  # steps without improvement
LEAST_PATIENCE = 10  # epochs
# Multiplications after which the least number of steps is enough (some seconds on one core), and
# the lower limit of that number; and the number of rows whose products take as long as a step's
# other work on the weights.
WORK = 2**38
FEW_STEPS = 500
ROWS_PER_UPDATE = 64
N_ITERATIONS = 200  # of "lbfgs"
FEW_COLUMNS = 60  # at work in a row, up to which a unit tolerates the largest steps
NARROW = 20  # rows per column; tables with fewer need fewer steps
FEW_ROWS = 400  # with fewer, a network that starts nearly trained needs fewer steps


@dataclass(frozen=True)
class Settings:
    """An estimator's training parameters, read once, with numbers for "auto".

    Parameters
    ----------
    alpha : float
    solver : str
    learning_rate : str
    learning_rate_init : float
    batch_size : int
        At most the number of rows.
    max_iter : int
    shuffle : bool or "windows"
    tol : float or None
        None if no loss tells when to stop.
    n_iter_no_change : int or inf
    dtype : torch.dtype or None
        Dtype to which layers round.
    device : torch.device
    verbose : bool
    averages : bool
        Whether training ends with a mean of the weights after its epochs.
    units : tuple or None
        Of each layer, in proportion to which its weights move (see `units_for`); None for 1.
    """

    alpha: float
    solver: str
    learning_rate: str
    learning_rate_init: float
    batch_size: int
    max_iter: int
    shuffle: bool | str
    tol: float
    n_iter_no_change: float
    dtype: torch.dtype
    device: torch.device
    verbose: bool
    averages: bool
    units: tuple

    @classmethod
    def of(cls, estimator, perceptron, data, split):
        """The settings of an estimator with checked parameters.

        Parameters
        ----------
        estimator : NetworkEstimator
        perceptron : Perceptron
            The perceptron to train.
        data : Data
        split : Split
            The rows to train on.
        """
        its, n_rows = asked(estimator, ASKED), len(split.training)
        if its["batch_size"] == "auto":
            its["batch_size"] = batch_size_for(n_rows)
        its["batch_size"] = int(min(its["batch_size"], data.X.shape[0]))
        averages = its["max_iter"] == "auto" and ends_with_average(estimator, its)
        if its["max_iter"] == "auto":
            its["max_iter"] = max_iter_for(estimator, perceptron, its, data, n_rows)
        its["max_iter"] = int(its["max_iter"])
        if its["n_iter_no_change"] == "auto":
            its["n_iter_no_change"] = patience_for(math.ceil(n_rows / its["batch_size"]))
        # Steps of a given size are taken as they are.
        is_chosen = its["learning_rate_init"] == "auto" and its["solver"] == "adam"
        its["units"] = estimator._units_ if is_chosen and perceptron.has_encoder else None
        if its["learning_rate_init"] == "auto":
            its["learning_rate_init"] = learning_rate_for(
                estimator, perceptron, its["solver"], data, split
            )
        dtype, device = PRECISIONS[estimator.precision], find_device(estimator.device)
        return cls(**its, dtype=dtype, device=device, averages=averages)

    def __str__(self):
        if self.solver == "lbfgs":  # the other settings do not apply to it
            return f"max_iter={self.max_iter}"
        ends = f", n_iter_no_change={self.n_iter_no_change}" if self.tol is not None else ""
        return (
            f"batch_size={self.batch_size}, learning_rate_init={self.learning_rate_init:g}, "
            f"max_iter={self.max_iter}{ends}"
        )


ASKED = ("batch_size", "max_iter", "n_iter_no_change", "learning_rate_init")  # may be "auto"
ASKED += ("alpha", "solver", "learning_rate", "shuffle", "tol", "verbose")


def asked(estimator, names):
    """The values of an estimator's training parameters, by name; some estimators fix a few."""
    fixed = estimator._fixed
    return {name: fixed[name] if name in fixed else getattr(estimator, name) for name in names}


def ends_with_average(estimator, its):
    """Whether `max_iter="auto"` ends training with a mean of the weights.

    A schedule and L-BFGS let steps fade away; a game has no minimum that the mean would be near.
    """
    is_noisy = its["learning_rate"] == "constant" and its["solver"] != "lbfgs"
    return is_noisy and estimator._minimizes


def batch_size_for(n_rows):
    """About a twentieth of the rows, within limits."""
    least, most = BATCH_SIZES
    return min(max(n_rows // BATCHES, least), most)


def max_iter_for(estimator, perceptron, its, data, n_rows):
    """Epochs of a training; those of its warm-up are not part of the budget."""
    batch_size, least = its["batch_size"], FEW_STEPS
    n_batches = math.ceil(n_rows / batch_size)
    if estimator._n_steps is not None:
        return estimator._warmup_epochs + math.ceil(estimator._n_steps / n_batches)
    if its["solver"] == "lbfgs":
        return estimator._warmup_epochs + N_ITERATIONS
    if not estimator._few_steps_suffice:
        rows = batch_size * estimator._rows_per_row + ROWS_PER_UPDATE
        work = 3 * sum(perceptron.products) * rows
        least = least_steps(work, n_rows, perceptron.n_inputs, starts_trained(perceptron, data))
    return estimator._warmup_epochs + n_epochs_for(n_batches, least)


def least_steps(work, n_rows, n_columns, is_trained):
    """Steps that are enough; `work` is the multiplications of a step, forwards and backwards.

    From few rows with many columns, a network soon memorises noise; one that starts nearly trained
    does so from few rows with few columns, too.
    """
    least, _ = STEPS
    least = max(FEW_STEPS, min(least, WORK // work, least * n_rows / n_columns / NARROW))
    return int(least * min(1.0, math.sqrt(n_rows / FEW_ROWS)) if is_trained else least)


def n_epochs_for(n_batches, least):
    """`EPOCHS` with this many batches, or the number that gives the least or most steps."""
    _, most = STEPS
    return math.ceil(min(max(EPOCHS * n_batches, least), most) / n_batches)


def patience_for(n_batches):
    """Epochs without improvement, each with this many batches."""
    return max(LEAST_PATIENCE, math.ceil(PATIENCE / n_batches))


def learning_rate_for(estimator, perceptron, solver, data, split):
    """1e-3, but less for networks that start as PCA, nearly at their goal, and more for top-k codes
    and for encoders with only saturating layers that start at random, as their slopes are small.

    A step of Adam moves each weight equally, and a unit's input by that times the number of
    columns: so it is smaller for wide tables.
    """
    if starts_linear(perceptron, data):
        rate = 5e-4 if starts_trained(perceptron, data) else 1e-3
        return rate * min(1.0, len(split.training) / perceptron.n_inputs)
    activations = perceptron.encoder_activations
    if solver != "sgd" and activations and isinstance(activations[-1], TopK):
        return 3e-3  # as only a few units learn from each row
    saturates = activations and all(name in SATURATING for name in activations)
    if not saturates or perceptron.front is not None or solver == "sgd":
        return 1e-3
    if estimator._has_free_code and perceptron.n_saturating_components:
        rate = 3e-3  # as it starts near principal components
    else:
        rate = 1e-2 * estimator._step_factor(len(split.training), perceptron.n_inputs)
    return rate * min(1.0, FEW_COLUMNS / n_columns_at_work(data, split))


def n_columns_at_work(data, split):
    """In how many columns a row differs from the mean, in units of a typical deviation."""
    deviations = from_means(sample(data, ROWS, seed=0, among=split.training).X)
    return max(1.0, np.abs(deviations).sum(axis=1).mean() / typical(deviations))


def starts_linear(perceptron, data):
    """Whether part of the network may start at principal components."""
    is_squared = activation_name(perceptron.output) == "identity"
    return is_squared and perceptron.n_linear_components > 0 and data.target is None


def starts_trained(perceptron, data):
    """Whether it does, and has no second head, whose noise is still to be learnt."""
    return starts_linear(perceptron, data) and perceptron.code_heads == 1
