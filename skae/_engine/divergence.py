"""The error of a training with non-finite numbers: which numbers, where, and what helps.

All of this is found after the failed epoch, so that training steps cost no more.
"""

import math

import torch

from skae._engine.network import Network
from skae._engine.streams import stream


@torch.no_grad()
def divergence(trainer, losses, batches):
    """The error of an epoch that left non-finite numbers.

    Parameters
    ----------
    trainer : Trainer
        The trainer after the epoch; its `state` is still the one before.
    losses : list of float
        The objective of each batch.
    batches : sequence of Tensor of shape (n,)
        The rows of each batch.

    Returns
    -------
    error : ValueError
    """
    if not _all_finite(losses):
        return ValueError(f"Training diverged: {_of_objective(trainer, losses, batches)}")
    if not trainer.weights.isfinite().all():
        return ValueError(f"Training diverged: {_of_step(trainer, batches)}")
    if trainer.split.held_out is not None:
        losses, batches = trainer.objectives(trainer.split.held_out)
        if not _all_finite(losses):
            found = _of_objective(trainer, losses, batches, "held-out ")
            return ValueError(f"Training diverged: {found}")
    what = "the mean objective or the sum of the weights overflows"
    return ValueError(f"Training diverged: {what} in {_epoch_and_remedy(trainer)}")


def _all_finite(losses):
    return all(map(math.isfinite, losses))


def _of_objective(trainer, losses, batches, kind=""):
    """The message for the first batch with a non-finite objective."""
    number = next(n for n, loss in enumerate(losses) if not math.isfinite(loss))
    rows, value = batches[number], losses[number]
    is_last = number == len(batches) - 1
    was_finite = _was_finite(trainer, rows)
    if is_last and not was_finite and _is_of_size(trainer, rows):
        return _of_size(trainer, value, batches, kind)
    before = ""
    if was_finite and not kind:
        left_by = f"batch {number}" if number else "the line search"
        before = f"with the weights after {left_by}, "
    return (
        f"{before}the objective of {kind}{_batch(batches, number)}, is {value} "
        f"in {_epoch_and_remedy(trainer)}"
    )


def _was_finite(trainer, rows):
    """Whether the objective of a batch is finite at the epoch's initial weights."""
    state = trainer.state
    weights = torch.tensor(state.weights, dtype=trainer.weights.dtype, device=trainer.device)
    network = Network(trainer.network.perceptron, weights)
    network.n_epochs = state.n_epochs
    noise = stream(state.seed, "validation", device=trainer.device)
    return math.isfinite(trainer.value(network, rows.to(trainer.device), noise).item())


def _is_of_size(trainer, rows):
    """Whether the objective of a batch is finite if its rows are repeated."""
    return _was_finite(trainer, rows.repeat(1 + trainer.settings.batch_size // len(rows)))


def _of_size(trainer, value, batches, kind):
    """The message if the objective fails because of the size of the last batch."""
    n, others = len(batches[-1]), len(batches) - 1
    found = (
        f"the objective of the last {kind}batch of epoch {trainer.state.n_epochs + 1}, which has "
        f"{_rows(n)}, is {value}"
    )
    remedy = f"An objective must be finite for any number of rows, {n} included"
    if n == 1:
        remedy += "; one that divides by n - 1, for example, is not"
    if not others:
        return f"{found}. {remedy}."
    have = "that of the other batch" if others == 1 else f"those of the {others} other batches"
    return (
        f"{found}, while {have}, of {_rows(len(batches[0]))}, {'is' if others == 1 else 'are'} "
        f"finite. {remedy}. Another batch_size (now {trainer.settings.batch_size}) avoids such a "
        "batch."
    )


def _of_step(trainer, batches):
    """The message for non-finite weights although all objectives are finite."""
    batch = _batch(batches, len(batches) - 1)
    if trainer.gradient.isfinite().all():
        return (
            f"the weights after {batch}, are not finite, although its objective and gradient are, "
            f"in {_epoch_and_remedy(trainer)}"
        )
    return (
        f"the gradient of {batch}, is not finite, although its objective is, "
        f"in {_epoch_and_remedy(trainer)} The derivative of a square root at 0, for example, is "
        "not finite."
    )


def _batch(batches, number):
    return f"batch {number + 1} of {len(batches)}, which has {_rows(len(batches[number]))}"


def _rows(n):
    return "1 row" if n == 1 else f"{n} rows"


def _epoch_and_remedy(trainer):
    epoch = trainer.state.n_epochs + 1
    return f"epoch {epoch}. {trainer.remedy}, for example with StandardScaler."
