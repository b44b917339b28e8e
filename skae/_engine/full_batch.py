"""Training on all rows at once, by L-BFGS."""

import torch

from skae._engine.network import Network
from skae._engine.streams import stream
from skae._engine.training import State, Trainer, copied


class FullBatchTrainer(Trainer):
    """Minimises the mean over all training rows by L-BFGS; an epoch is one iteration.

    Noise is drawn once for the whole fit, so that the objective is a fixed function of
    the weights. It includes constraints (`_constrain`): it is the objective at the
    nearest weights that satisfy them.

    References
    ----------
    Liu and Nocedal, "On the limited memory BFGS method for large scale optimization",
    Mathematical Programming 45, 1989, https://doi.org/10.1007/BF01589116.
    """

    remedy = "Scale X"
    _patience = 1

    def _has_learnt(self, stopping):
        return True  # iterations are not random

    def __init__(self, estimator, settings, perceptron, state, data, split):
        super().__init__(estimator, settings, perceptron, state, data, split)
        self._full_batch, self._batch = len(split.training), None
        self._first_epoch = self._tape.n_epochs = state.n_epochs

    def run_epoch(self, number=None):
        """Run one iteration; return the objective per row at the new weights."""
        if self._batch is None:
            self._batch = self.batch(self.split.training.to(self.device))
        with self._enough_threads():
            self._optimizer.step(self._evaluate)
            loss = self._evaluate().item()
        self._finish_epoch(loss, None, [loss], [self.split.training])
        return loss

    def _evaluate(self):
        """The objective at the free weights; its gradient is left in `gradient`."""
        # The line search ends, and the next one starts, at the last evaluation.
        free = self._free.detach()
        if self._evaluated is None or not torch.equal(self._evaluated, free):
            self.weights.copy_(free)
            self.estimator._constrain(self.network)
            noise = stream(self.state.seed, "noise", self._first_epoch, device=self.device)
            loss = self._objective(self._tape, self._batch, noise)
            networks = (Network(self.network.perceptron, v) for v in (free, self.gradient))
            with torch.no_grad():
                self._loss = self._differentiate(loss, self._batch.part).detach()
                self.estimator._pull_back_constraint(*networks)
            self._evaluated = free.clone()
        return self._loss

    def _load_optimizer(self, state):
        self._free, self._evaluated = self.weights.clone(), None
        self._free.requires_grad_().grad = self.gradient
        self._optimizer = torch.optim.LBFGS(
            [self._free],
            max_iter=1,
            max_eval=20,
            history_size=10,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

    def _finished_state(self, n_epochs):
        return State(copied(self.weights), self.state.seed, n_epochs=n_epochs, solver="lbfgs")
