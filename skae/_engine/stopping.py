"""When training ends before its budget, whether in a sudden rise, and with which weights."""

import math
from statistics import stdev

import numpy as np

# Training returns to its best epoch if it ends worse by more than this fraction of the improvement
# until then, and by this many typical rises on the way or standard errors of the best loss: it has
# then ended in a sudden rise.
CLEARLY, LEAP = 0.02, 4.0
RECENT = 8  # power of an epoch's number with which its weights count in their mean


class Stopping:
    """Counts the epochs since the loss last improved by more than a relative `tol`."""

    def __init__(self, tol, patience):
        self.tol = tol
        self.patience = patience
        self.best, self.of_batches = math.inf, ()
        self.losses = []
        self.waited = 0

    def improved(self, loss, of_batches=()):
        """Whether `loss`, a mean over batches, is an improvement; note it, else count the epoch."""
        better = self.best == math.inf or loss < self.best - self.tol * abs(self.best)
        if better:
            self.best, self.of_batches = loss, of_batches
        self.waited = 0 if better else self.waited + 1
        self.losses.append(loss)
        return better

    @property
    def exhausted(self):
        """Whether it is time to stop."""
        return self.waited >= self.patience

    @property
    def ends_clearly_worse(self):
        """Whether the last loss is too far above the best one for chance."""
        if not self.losses or self.losses[-1] <= self.best:
            return False
        worse, gained = self.losses[-1] - self.best, self.losses[0] - self.best
        changes = np.diff(self.losses[: self.losses.index(self.best) + 1])
        usual = float(np.median(changes[changes > 0])) if (changes > 0).any() else 0.0
        return worse > max(CLEARLY * gained, LEAP * usual, LEAP * self._error)

    @property
    def _error(self):
        """Standard error of the best loss; 0 if there was one batch, which does not show it."""
        n_batches = len(self.of_batches)
        return stdev(self.of_batches) / n_batches**0.5 if n_batches > 1 else 0.0


class Average:
    """The mean of the weights after each epoch, in which later epochs count for more.

    Epoch t counts about as `t ** RECENT`, and so half of the mean comes from the last 7% of the
    epochs. It is nearer to a minimum than the weights of one epoch, as steps of constant size keep
    these moving around it.

    Parameters
    ----------
    weights : Tensor of shape (length,)
        Any vector of that length.

    References
    ----------
    Shamir and Zhang, "Stochastic gradient descent for non-smooth optimization", ICML 2013,
    https://proceedings.mlr.press/v28/shamir13.html.
    """

    def __init__(self, weights):
        self.weights = weights.clone()
        self._n_epochs = 0

    def add(self, weights):
        """Count the weights after one more epoch."""
        self._n_epochs += 1
        self.weights.lerp_(weights, (1 + RECENT) / (self._n_epochs + RECENT))
