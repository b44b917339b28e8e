"""Markov chains of rows, whose ends are samples."""

from typing import NamedTuple

import numpy as np
import torch

from skae._engine.devices import find_device_or_cpu
from skae._engine.streams import stream, stream_seed
from skae._estimator import draw_seed


class Chain(NamedTuple):
    """Random numbers of a chain."""

    device: torch.device
    generator: torch.Generator  # on the device, for networks
    rng: np.random.Generator  # for rows

    @classmethod
    def of(cls, estimator, random_state):
        """A chain on the estimator's device."""
        device, seed = find_device_or_cpu(estimator.device), draw_seed(random_state)
        generator = stream(seed, "sample", device=device)
        return cls(device, generator, np.random.default_rng(stream_seed(seed, "sample")))

    def run(self, estimator, step, X, n_steps, spread=None):
        """Rows X after `n_steps` steps, each drawn by `step(network, x)` from the last."""
        output = estimator._perceptron.output
        for _ in range(n_steps):
            X = output.draw(estimator._map(step, X), self.rng, spread)
        return X
