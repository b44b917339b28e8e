"""Measurement of speed.py: skae's step against the same arithmetic as a straight line.

The line calls the same kernels of torch, into memory that is kept, for one network alone; nothing
is checked, recorded or looked up. No step that consists of calls of torch can be much faster.
"""

from itertools import pairwise

import numpy as np
import torch
from _speed_fits import TRAINING, digits
from _timing import alternate
from threadpoolctl import threadpool_limits

from skae import Autoencoder

OF_A_LINE = "CPU time of a step, of a straight line's"
WORKS = {  # hidden layer, code, batch, epochs of a round
    "digits, 64-32-8, batch 200": (32, 8, 200, 100),
    "30-128-32, batch 200": (128, 32, 200, 5),
    "784-128-32, batch 200": (128, 32, 200, 3),
}


def line(inputs, n_rounds=9):
    """Steps of fits that go on, on one thread; yields pairs (work, figure)."""
    rng = np.random.default_rng(0)
    rows = digits(), rng.random((20_000, 30), dtype=np.float32), inputs.images[:10_000]
    for (work, (hidden, width, batch_size, max_iter)), X in zip(WORKS.items(), rows, strict=True):
        X = X[: len(X) // batch_size * batch_size]  # as many steps
        shared = {"batch_size": batch_size, "max_iter": max_iter, "warm_start": True, **TRAINING}
        going_on = Autoencoder(width, hidden_layer_sizes=(hidden,), **shared)
        with threadpool_limits(1):
            straight = straight_line((X.shape[1], hidden, width), X, batch_size, max_iter)
            sides = {"skae": lambda X=X, it=going_on: it.fit(X), "line": straight}
            measured = alternate(sides, n_rounds)
        ratio = measured["skae"].cpu / measured["line"].cpu
        yield f"{work}: {OF_A_LINE}", f"{ratio:.2f}x"


def straight_line(sizes, X, batch_size, max_iter):
    """A function that trains an autoencoder with relu units for this many epochs."""
    sizes = [*sizes, *sizes[-2::-1]]
    layers, X = list(pairwise(sizes)), torch.from_numpy(X)
    weights, gradients, flat = parameters(layers)
    is_linear = {len(layers) // 2 - 1, len(layers) - 1}
    values, errors = ([torch.empty(batch_size, size) for size in sizes] for _ in range(2))
    ones, last = torch.ones(batch_size), errors[-1].view(-1)
    indices = torch.randperm(len(X)).split(batch_size)

    def step(batch):
        torch.index_select(X, 0, batch, out=values[0])
        for number, (weight, bias) in enumerate(weights):
            torch.addmm(bias, values[number], weight.t(), out=values[number + 1])
            if number not in is_linear:
                values[number + 1].relu_()
        torch.sub(values[-1], values[0], out=errors[-1])
        loss = torch.dot(last, last).item() / batch_size
        last.mul_(2.0 / batch_size)
        for number in reversed(range(len(layers))):
            error, (weight_gradient, bias_gradient) = errors[number + 1], gradients[number]
            if number not in is_linear:
                its = {"grad_input": error}
                torch.ops.aten.threshold_backward.grad_input(error, values[number + 1], 0, **its)
            torch.mm(error.t(), values[number], out=weight_gradient)
            torch.mv(error.t(), ones, out=bias_gradient)
            if number > 0:
                torch.mm(error, weights[number][0], out=errors[number])
        adam(flat)
        return loss

    def train():
        with torch.no_grad():
            for _ in range(max_iter):
                [step(batch) for batch in indices]

    return train


def parameters(layers):
    """(weight, bias) of each layer, their gradients, and the flat vectors with both and moments."""
    length = sum(fan_in * fan_out + fan_out for fan_in, fan_out in layers)
    flat = [torch.zeros(length) for _ in range(4)]
    flat[0].normal_(std=0.05)
    views = []
    for vector in flat[:2]:
        parts, begin = [], 0
        for fan_in, fan_out in layers:
            weight = vector[begin : begin + fan_in * fan_out].view(fan_out, fan_in)
            begin += fan_in * fan_out
            parts.append((weight, vector[begin : begin + fan_out]))
            begin += fan_out
        views.append(parts)
    return *views, [*([vector] for vector in flat), [], [torch.zeros(())]]


def adam(flat):
    flat[-1][0].add_(1.0)
    torch._fused_adam_(
        *flat,
        lr=1e-3,
        beta1=0.9,
        beta2=0.999,
        weight_decay=0.0,
        eps=1e-8,
        amsgrad=False,
        maximize=False,
    )
