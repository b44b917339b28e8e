"""The one training loop: epochs, batches, stopping.

It knows no variant: it minimises the mean over rows that the estimator's `_objective`
returns. Three levels, each short: `Trainer.fit` runs epochs until one of them is the
last, `Trainer.run_epoch` passes once over the rows, `Trainer._step` takes one batch.
"""

import math
import time
from dataclasses import dataclass, replace
from functools import partial
from operator import mul
from typing import NamedTuple

import numpy as np
import torch

from skae._engine.data import OtherRows, dense, rows_of
from skae._engine.devices import as_tensor, switch_gradients
from skae._engine.divergence import divergence
from skae._engine.files import is_on_file, reading_ahead
from skae._engine.network import Network
from skae._engine.optimizers import SOLVERS, schedule
from skae._engine.order import windows_of
from skae._engine.parallel import Part
from skae._engine.phases import say
from skae._engine.shards import Shard, own
from skae._engine.stopping import Average, Stopping
from skae._engine.streams import stream
from skae._engine.tape import Tape
from skae._engine.threads import enough_threads
from skae._engine.units import spans_in_units


@dataclass
class State:
    """The state of training between epochs, as NumPy arrays.

    Parameters
    ----------
    weights : ndarray of shape (length,)
        The flat vector, with the gaps of the perceptron's `Layout`.
    moments : ndarray of shape (2, length)
        The optimiser's running averages; the second row is unused by "sgd".
    n_steps : int
        Number of optimiser steps so far.
    seed : int
    n_epochs : int
        Number of finished epochs; with the seed, the position of every random stream.
    solver : str
        The solver of the moments.
    idle : ndarray of shape (n_components,), default=None
        Mask of the components (channels, if the code is an image) that were active for
        no row of the last epoch; None if not needed.
    """

    weights: np.ndarray
    seed: int
    moments: np.ndarray = None
    n_steps: int = 0
    n_epochs: int = 0
    solver: str = "adam"
    idle: np.ndarray = None

    # Not fields, so never saved: the cached network with these weights, and the checked parameters
    # of the training that led to them.
    network = None
    parameters = None


UNWEIGHED = (
    "{} does not weigh rows, so fit takes no sample_weight: make its objective take means over "
    "rows with network.mean, and mark formulas with averages_rows."
)


class Batch(NamedTuple):
    """Rows for a step: their part of the batch, their weights, and tables.

    The part is None unless processes share the batch; the weights are None if they are equal.
    """

    part: Part
    sample_weight: torch.Tensor
    tables: tuple


class Trainer:
    """Trains an estimator's network on rows of data.

    The loss of a batch is the estimator's `_objective(network, x, noise)`, a mean over rows (or
    `_objective(network, x, noise, target)` if the data have targets).

    Parameters
    ----------
    estimator : NetworkEstimator
    settings : Settings
        The estimator's.
    perceptron : Perceptron
    state : State
        The state to continue from, which is copied, not changed.
    data : Data
    split : Split
        The training rows and the held-out rows.

    Attributes
    ----------
    alpha : float
        Strength of the weight decay; by default the estimator's.
    state : State
        After the last finished epoch.
    n_iter : int
        Number of finished epochs.
    n_iter_before : int
        Number of earlier epochs that also count, 0 by default.
    losses, validation_losses : list of float
        Objective per row, one per finished epoch; if training is continued, earlier
        ones come first.
    loss_at_start : float
        Objective per held-out row before the first epoch; infinite if training cannot end there.
    of_batches : list of float
        Objective per row of each batch of the last epoch.
    noted : list of float
        The same for the numbers that the objective noted (see `Network.note`).
    """

    def __init__(self, estimator, settings, perceptron, state, data, split):
        self.estimator, self.settings = estimator, settings
        self.device, self.alpha = settings.device, settings.alpha
        self.data = data
        self.split = split.as_read(data.X) if settings.shuffle == "windows" else split
        self._tables = [*map(partial(rows_of, device=self.device), data.tables)]
        self._full_batch = min(settings.batch_size, len(split.training))
        # In the dtype of the rows: where a float64 fit goes on, there may be no float64.
        dtype = torch.from_numpy(np.empty(0, data.X.dtype)).dtype
        self.weights = torch.tensor(state.weights, dtype=dtype, device=self.device)
        self._sample_weight = None
        if data.sample_weight is not None:
            self._sample_weight = relative_weights(data, split, self.device, dtype)
        self.gradient = torch.zeros_like(self.weights)
        if data.group is not None:
            self._train_together(data.group)
        self.network = Network(perceptron, self.weights)
        self._tape = Tape(self.network, self.gradient, settings.dtype)
        self.state = state
        self._load_optimizer(state)
        # Losses on a GPU are read at the end of an epoch, since reading one waits for it.
        self._kept = torch.Tensor.item if self.device.type == "cpu" else torch.clone
        self.losses, self.validation_losses, self.noted, self.of_batches = [], [], [], []
        self.loss_at_start = math.inf
        self.n_iter = self.n_iter_before = 0
        self._average, self._result = None, self.weights  # with which training would end now

    def _train_together(self, group):
        """Start like rank 0, which alone prints, with memory for the joint sum."""
        self.weights.copy_(torch.from_numpy(group.from_first(self.weights.cpu().numpy())))
        self._sums = group.zeros(len(self.weights) + 1, self.weights)  # gradient and loss
        self.gradient = self._sums[:-1]
        self.settings = replace(self.settings, verbose=self.settings.verbose and group.rank == 0)

    def fit(self, progress):
        """Run epochs until the budget, the tolerance or a callback ends them."""
        settings, holds_out = self.settings, self.split.held_out is not None
        stopping, best_weights = Stopping(settings.tol, self._patience), None
        if settings.averages:
            self._average, self._result = Average(self.weights), self.weights.clone()
        if settings.verbose:
            say(self.estimator, f"{len(self.split.training)} rows, {settings}")
        is_warm = self.state.n_epochs >= self.estimator._warmup_epochs
        if holds_out and is_warm and self.estimator._minimizes:  # it must not become worse
            self.loss_at_start = self.evaluate(self.split.held_out)
            best_weights = self.weights.clone()
        for epoch in range(settings.max_iter):
            started = time.perf_counter()
            with progress.task("epoch", lambda: self.estimator._attributes_after(self)) as task:
                loss = self.run_epoch(epoch)
                improved = self._compares and stopping.improved(loss, self.of_batches)
                if improved and loss < self.loss_at_start:
                    best_weights = self._result.clone()
            if settings.verbose:
                self.report(f"{epoch + 1}/{settings.max_iter}", time.perf_counter() - started)
            if self._is_stopped(task) or (stopping.exhausted and self._has_learnt(stopping)):
                break
        ends_best = best_weights is not None and (holds_out or stopping.ends_clearly_worse)
        if ends_best or settings.averages:
            self.weights.copy_(best_weights if ends_best else self._result)
            self.state = self._finished_state(self.state.n_epochs)

    def _is_stopped(self, task):
        """Whether a callback has ended the training, in any process."""
        group = self.data.group
        return task.stop if group is None else group.any(task.stop)

    def _has_learnt(self, stopping):
        """Whether training may stop; if not, it waits once more."""
        has_learnt = self.estimator._has_learnt(self)
        if not has_learnt:
            stopping.waited = 0
        return has_learnt

    @property
    def _compares(self):
        """Whether the loss of the last epoch is comparable: losses of different objectives are
        not, nor are those of a game."""
        is_warm = self.state.n_epochs > self.estimator._warmup_epochs
        return is_warm and self.estimator._minimizes

    @property
    def _patience(self):
        if self.settings.learning_rate != "constant" and self.split.held_out is None:
            return math.inf  # a schedule must run to its end
        return self.settings.n_iter_no_change

    @torch.no_grad()
    def run_epoch(self, number=None):
        """One pass over the training rows.

        Parameters
        ----------
        number : int, default=None
            Index among the `max_iter` epochs; None if the end is unknown and the learning rate
            stays constant.

        Returns
        -------
        loss : float
            The loss to watch: the mean objective per row in the epoch, or that of the
            held-out rows if there are any.
        """
        seed, epoch = self.state.seed, self.state.n_epochs
        self._tape.n_epochs, self._tape.active, self._tape.noted = epoch, None, []
        self.estimator._begin_epoch(self, (number or 0) / self.settings.max_iter)
        noise = stream(seed, "noise", epoch, device=self.device)
        order, rows = stream(seed, "shuffle", epoch), self.split.training
        windows = windows_of(rows, self.settings.shuffle, self.data.X.shape[1], order)
        losses = []
        with self._enough_threads():
            taken = batches = torch.cat(windows).to(self.device).split(self.settings.batch_size)
            if self.settings.shuffle == "windows" and is_on_file(own(self.data.X)):
                taken = reading_ahead(self.data.X, windows, batches)
            for batch, indices in enumerate(taken):
                rate = self._rate_after(number, batch / len(batches))
                losses.append(self._kept(self._step(indices, noise, rate)))
        self._flush()
        if self._average is not None:
            self._average_weights()
        self.of_batches = losses = as_floats(losses)
        loss = _mean_over_rows(losses, batches)
        if self._tape.active is not None and self.data.group is not None:
            self._tape.active = self.data.group.add_up(self._tape.active.int()) > 0
        if self._tape.noted:
            self.noted.append(_mean_over_rows(self._noted(), batches))
        validation_loss = None
        if self.split.held_out is not None:
            validation_loss = self._evaluate_result()
        self._finish_epoch(loss, validation_loss, losses, batches)
        return loss if validation_loss is None else validation_loss

    def _average_weights(self):
        """Count the epoch's weights in their mean, which becomes the result."""
        self._average.add(self.weights)
        self._result.copy_(self._average.weights)
        # A mean of weights on a sphere, say, lies within it.
        self.estimator._constrain(Network(self.network.perceptron, self._result))

    def _noted(self):
        """What has been noted of each batch of the epoch; of a batch's parts, their sum."""
        noted, group = as_floats(self._tape.noted), self.data.group
        return noted if group is None else group.add_up(np.array(noted)).tolist()

    def _rate_after(self, number, part):
        """The learning rate after a fraction, 0 to 1, of the epoch; also sets `progress`."""
        rate = self.settings.learning_rate_init
        if number is None:
            return rate
        self._tape.progress = progress = (number + part) / self.settings.max_iter
        return rate * schedule(self.settings.learning_rate, progress)

    def _step(self, indices, noise, learning_rate):
        """Take one step of the optimiser; return the batch's objective, still on the device."""
        # The epoch has switched gradients off and will restore the former mode.
        switch_gradients(True)
        batch = self.batch(indices)
        loss = self._objective(self._tape, batch, noise)
        switch_gradients(False)
        loss, n_rows = self._differentiate(loss, batch.part), indices.shape[0]
        if n_rows < self._full_batch:
            # An incomplete last batch counts by its rows, or a single row would move the weights
            # as far as a full batch.
            self.gradient.mul_(n_rows / self._full_batch)
        self._optimizer.step(learning_rate)
        self.estimator._constrain(self.network)
        self.estimator._end_step(self.network, loss)
        return loss

    def _differentiate(self, loss, part):
        """The objective, including weight decay; its gradient is left in `gradient`."""
        self.gradient.zero_()
        if part is None:
            self._tape.backward(loss)
        else:
            self._tape.backward(loss, part.share)
            self._sums[-1] = loss.detach() * part.share
            loss = part.added_up(self._sums)[-1].clone()
        return self._with_decay(loss)

    def take(self, indices):
        """A batch: these rows and their targets, if any."""
        if self.data.group is not None:
            some = self.data[indices.cpu().numpy()]
            return tuple(as_tensor(np.asarray(table), self.device) for table in some.tables)
        if len(self._tables) == 1:
            return (self._tables[0].take(indices),)
        return tuple([rows.take(indices) for rows in self._tables])

    def pair(self, partners):
        """Give each row another row of the data as its target from now on.

        Parameters
        ----------
        partners : ndarray of int, shape (n_samples,)
        """
        if len(self._tables) == 1:  # the first time, with separate memory for a batch
            X = self.data.X if self.data.group is None else dense(self.data.X)
            self._tables.append(OtherRows(rows_of(X, self.device), self.device))
        self._tables[1].choose(partners)

    def batch(self, indices):
        """The same as a `Batch`; if processes share the rows, this process's part of it."""
        if self.data.group is not None:
            return self._part_of_batch(self.data.X.part(indices))
        weights = self._sample_weight
        some = None if weights is None else torch.index_select(weights, 0, indices)
        return Batch(None, some, self.take(indices))

    def _part_of_batch(self, part):
        weights = self._sample_weight
        if not part.n_own:
            zeros = (np.zeros((1, table.shape[1]), table.dtype) for table in self._taken)
            zeros = tuple(as_tensor(row, self.device) for row in zeros)
            return Batch(part, None if weights is None else weights.new_ones(1), zeros)
        some = None if weights is None else torch.index_select(weights, 0, part.indices)
        places = self.data.X.places(part.indices)
        tables = tuple(
            rows.take(places if isinstance(table, Shard) else part.indices)
            for table, rows in zip(self._taken, self._tables, strict=True)
        )
        return Batch(part, some, tables)

    @property
    def _taken(self):
        """What batches take rows of: the data and, where rows have partners, all of X again."""
        return *self.data.tables, *self._tables[len(self.data.tables) :]

    def value(self, network, indices, noise):
        """The objective of a batch of these rows as a tensor, without weight decay."""
        batch = self.batch(indices)
        value = self._objective(network, batch, noise)
        return value if batch.part is None else batch.part.mean(value.clone())

    def _objective(self, network, batch, noise):
        part, sample_weight, (x, *target) = batch
        if part is not None:
            network.part = noise.part = part
        if sample_weight is None:
            return self.estimator._objective(network, x, noise, *target)
        network.weigh(sample_weight)
        objective = self.estimator._objective(network, x, noise, *target)
        if not network.has_weighed:
            raise TypeError(UNWEIGHED.format(type(self.estimator).__name__))
        return objective

    def _with_decay(self, loss):
        """Add alpha/2 * ||W||^2 to the loss, and its gradient to the gradient."""
        if self.alpha == 0:
            return loss
        for part in self._penalized:
            self.gradient[part].add_(self.weights[part], alpha=self.alpha)
        return loss + self._decay()

    def _decay(self):
        if self.alpha == 0:
            return 0.0
        return 0.5 * self.alpha * sum(self.weights[p].square().sum() for p in self._penalized)

    @torch.no_grad()
    def evaluate(self, indices):
        """The objective per row at these rows, with the same noise at every call."""
        return _mean_over_rows(*self.objectives(indices)) + float(self._decay())

    def _evaluate_result(self):
        """The objective per held-out row with the weights with which training would end now."""
        if self._average is None:
            return self.evaluate(self.split.held_out)
        weights = self.weights.clone()
        self.weights.copy_(self._result)
        loss = self.evaluate(self.split.held_out)
        self.weights.copy_(weights)
        return loss

    def objectives(self, indices):
        """The objective of each batch without weight decay, and the batches."""
        noise = stream(self.state.seed, "validation", device=self.device)
        batches = indices.to(self.device).split(self.settings.batch_size)
        losses = []
        with self._enough_threads():
            for rows in batches:
                losses.append(self._kept(self.value(self.network, rows, noise)))
        return as_floats(losses), batches

    def _enough_threads(self):
        n_rows = self._full_batch * self.estimator._rows_per_row
        return enough_threads(n_rows, self.network.perceptron)

    @property
    def _penalized(self):
        """Slices of the flat vector with weight decay."""
        return self.network.perceptron.layout.weights.values()

    def _finish_epoch(self, loss, validation_loss, losses, batches):
        watched = loss if validation_loss is None else validation_loss
        if not all(map(math.isfinite, (loss, watched, self.weights.sum().item()))):
            raise divergence(self, losses, batches)
        # Steps that may be interrupted come first.
        state = self._finished_state(self.state.n_epochs + 1)
        self.n_iter += 1
        self.losses.append(loss)
        if validation_loss is not None:
            self.validation_losses.append(validation_loss)
        self.state = state

    @property
    def remedy(self):
        """A remedy for divergence, as the beginning of a sentence."""
        return f"Lower learning_rate_init (now {self.settings.learning_rate_init:g}) or scale X"

    def _load_optimizer(self, state):
        solver = self.settings.solver
        fresh = state.moments is None or state.solver != solver
        zeros = np.zeros((2, len(state.weights)), state.weights.dtype)
        moments = zeros if fresh else state.moments
        self.moments = torch.tensor(moments, dtype=self.weights.dtype, device=self.device)
        n_steps = 0.0 if fresh else float(state.n_steps)
        self._n_steps = torch.tensor(n_steps, dtype=torch.float32, device=self.device)
        moved = slice(0, self.network.perceptron.layout.parts["rest"].stop)  # not averages
        vectors = self.weights[moved], self.gradient[moved], self.moments[:, moved]
        units = self.settings.units
        spans = None if units is None else spans_in_units(self.network.perceptron, units)
        self._optimizer = SOLVERS[solver](*vectors, self._n_steps, spans)
        self._fading = self.weights[moved], self.moments[:, moved]

    def _flush(self):
        """Set weights and moments to 0 that are nearly 0, as those of unused units become.

        They, or their rounding errors, are denormal numbers, which slow processors down manyfold.
        """
        for vector in self._fading:
            limits = torch.finfo(vector.dtype)
            torch.hardshrink(vector, limits.tiny / limits.eps, out=vector)

    def _finished_state(self, n_epochs):
        return State(
            weights=copied(self.weights),
            moments=copied(self.moments),
            n_steps=int(self._n_steps),
            seed=self.state.seed,
            n_epochs=n_epochs,
            solver=self.settings.solver,
            idle=None if self._tape.active is None else ~self._tape.active.cpu().numpy(),
        )

    def report(self, number, seconds):
        """Print the last epoch's line."""
        line = f"epoch {number}, loss {self.losses[-1]:.6g}"
        if self.validation_losses:
            line += f", validation loss {self.validation_losses[-1]:.6g}"
        say(self.estimator, f"{line}, {seconds:.2f} s")


def as_floats(losses):
    """Objectives as floats; waits for the device."""
    return torch.stack(losses).tolist() if isinstance(losses[0], torch.Tensor) else losses


def _mean_over_rows(losses, batches):
    """Mean objective per row: each batch counts by its rows."""
    n_rows = [*map(len, batches)]
    return sum(map(mul, n_rows, losses)) / sum(n_rows)


def relative_weights(data, split, device, dtype):
    """Weights whose means over the training rows and over the held-out rows are 1."""
    weights = torch.tensor(data.sample_weight, dtype=torch.float64, device="cpu")
    for rows in split:
        if rows is not None:
            weights[rows] /= weights[rows].mean()
    return weights.to(device, dtype)


def copied(tensor):
    """A copy of a tensor as an array, aligned like torch's memory."""
    return tensor.to("cpu", copy=True).numpy()
