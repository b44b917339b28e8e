"""How the flat vector of weights moves: optimisers and learning-rate schedules."""

import math
from functools import partial

import torch


class Adam:
    """Adam, in place, with epsilon = 1e-8.

    Parameters
    ----------
    weights, gradient : Tensor of shape (length,)
    moments : Tensor of shape (2, length)
        Running averages of the gradient and of its square.
    n_steps : Tensor of shape ()
        Number of steps so far.
    spans : dict of list of slice, default=None
        Slices of the vectors by the factor of their learning rate; None for 1.
    betas : tuple of float, default=(0.9, 0.999)
        Decay factors of the averages per step.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015,
    https://arxiv.org/abs/1412.6980.
    """

    def __init__(self, weights, gradient, moments, n_steps, spans=None, betas=(0.9, 0.999)):
        average, square = moments
        self._moves = [(1.0, [weights], [gradient], [average], [square], [], [n_steps])]
        if spans is not None:
            vectors = weights, gradient, average, square
            self._moves = [_move(vectors, n_steps, *its) for its in spans.items()]
        self._betas = betas
        self._n_steps, self._one = n_steps, torch.ones_like(n_steps)

    def step(self, learning_rate):
        """Move the weights."""
        self._n_steps.add_(self._one)
        beta1, beta2 = self._betas
        for factor, *vectors in self._moves:
            torch._fused_adam_(
                *vectors,
                lr=learning_rate * factor,
                beta1=beta1,
                beta2=beta2,
                weight_decay=0.0,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )


def _move(vectors, n_steps, factor, spans):
    """What moves with a factor of the learning rate: arguments of the fused step."""
    parts = [[vector[span] for span in spans] for vector in vectors]
    return factor, *parts, [], [n_steps] * len(spans)


class Momentum:
    """Gradient descent with Nesterov's momentum of 0.9, in place; arguments as for `Adam`.

    The second row of the moments is unused, as are spans: the step is the same for all weights.
    """

    def __init__(self, weights, gradient, moments, n_steps, spans=None):
        self._weights, self._gradient, self._n_steps = weights, gradient, n_steps
        self._velocity = moments[0]

    def step(self, learning_rate):
        """Move the weights."""
        velocity = self._velocity.mul_(0.9).add_(self._gradient)
        self._weights.add_(self._gradient.add(velocity, alpha=0.9), alpha=-learning_rate)
        self._n_steps += 1


SOLVERS = {
    "adam": Adam,
    "sgd": Momentum,
    # For two networks that play against each other: momentum would make them circle.
    "adversarial": partial(Adam, betas=(0.0, 0.99)),
}


def schedule(name, progress):
    """The learning rate's factor at `progress` in [0, 1] through the training.

    "one_cycle" rises from 1/25 to 1 over the first 30% and falls to nearly 0, each as
    half a cosine.

    References
    ----------
    Loshchilov and Hutter, "SGDR", ICLR 2017, https://arxiv.org/abs/1608.03983.
    Smith and Topin, "Super-convergence", 2018, https://arxiv.org/abs/1708.07120.
    """
    if name == "constant":
        return 1.0
    if name == "cosine":
        return _half_cosine(1.0, 0.0, progress)
    if progress < 0.3:
        return _half_cosine(1 / 25, 1.0, progress / 0.3)
    return _half_cosine(1.0, 1e-5, (progress - 0.3) / 0.7)


def _half_cosine(start, end, progress):
    return end + (start - end) * (1.0 + math.cos(math.pi * progress)) / 2.0
