"""How the flat vector of weights moves: optimisers and learning-rate schedules."""

import math

import torch


def adam_step(weights, gradient, moments, n_steps, learning_rate):
    """One step of Adam, in place, with beta = (0.9, 0.999) and epsilon = 1e-8.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015,
    https://arxiv.org/abs/1412.6980.
    """
    n_steps += 1
    torch._fused_adam_(
        [weights],
        [gradient],
        [moments[0]],
        [moments[1]],
        [],
        [n_steps],
        lr=learning_rate,
        beta1=0.9,
        beta2=0.999,
        weight_decay=0.0,
        eps=1e-8,
        amsgrad=False,
        maximize=False,
    )


def sgd_step(weights, gradient, moments, n_steps, learning_rate):
    """One step of gradient descent with Nesterov's momentum of 0.9, in place."""
    velocity = moments[0].mul_(0.9).add_(gradient)
    weights.add_(gradient.add(velocity, alpha=0.9), alpha=-learning_rate)
    n_steps += 1


SOLVERS = {"adam": adam_step, "sgd": sgd_step}


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
