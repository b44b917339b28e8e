"""A step of a GAN in gans.py, against the same game as it is usually written with torch."""

import copy
import math
from itertools import pairwise
from typing import NamedTuple

import torch
from _gans_data import all_digits, mnist, ring
from _timing import alternate
from threadpoolctl import threadpool_limits
from torch import nn
from torch.nn.functional import softplus

from skae import GAN
from skae.networks import ConvNet

N_ROUNDS, BATCH_SIZE, PENALTY, AVERAGE = 5, 64, 0.1, 1e-3
ADAM = {"lr": 3e-3, "betas": (0.0, 0.99), "fused": True}
CHANNELS, KERNEL_SIZE = (16, 32), 4


class Work(NamedTuple):
    """Steps to time, and their networks; convolutions are those of `CHANNELS`."""

    n_steps: int
    n_components: int
    hidden: tuple
    is_convolutional: bool = False


WORKS = {
    "ring, 64-64": Work(1000, 2, (64, 64)),
    "digits, 128-128": Work(700, 32, (128, 128)),
    "MNIST, 512-512": Work(100, 32, (512, 512)),
    "MNIST, ConvNet": Work(100, 32, (), True),
}


def rows_of(name, path):
    if name.startswith("ring"):
        return ring().draw(20_000, seed=0)
    return all_digits()[0] if name.startswith("digits") else mnist(path).train


class StepsAlone(GAN):
    """A fit without the figures that it ends with."""

    def _summarize(self, data):
        pass

    def _warn_of_fit(self, data):
        pass


def race(name, run):
    """Milliseconds of a step of each side, and how many of ours one of the other's takes."""
    work = WORKS[name]
    n_steps = math.ceil(run.fraction * work.n_steps)
    X = rows_of(name, run.data)[: BATCH_SIZE * n_steps]
    sides = {
        "ours": lambda: our_steps(X, work, n_steps, run.seed),
        "plain": lambda: plain_steps(X, work, n_steps, run.seed),
    }
    with threadpool_limits(1):
        timed = alternate(sides, N_ROUNDS)
    found = {side: 1e3 * its.cpu / its.result for side, its in timed.items()}
    return {**found, "ratio": found["plain"] / found["ours"]}


def our_steps(X, work, n_steps, seed):
    """Train, and return how many steps that were."""
    n_batches = math.ceil(len(X) / BATCH_SIZE)
    network = ConvNet(kernel_size=KERNEL_SIZE, channels=CHANNELS)
    gan = StepsAlone(
        work.n_components,
        hidden_layer_sizes=work.hidden,
        network=network if work.is_convolutional else None,
        batch_size=BATCH_SIZE,
        max_iter=math.ceil(n_steps / n_batches),
        random_state=seed,
    )
    return gan.fit(X).n_iter_ * n_batches


def plain_steps(X, work, n_steps, seed):
    """The same loss, D's step and G's in turn, with the penalty's gradients by autograd."""
    noise = torch.Generator().manual_seed(seed)
    X = in_units(torch.from_numpy(X))
    D, G = convolutions(work) if work.is_convolutional else dense(X.shape[1], work)
    average = copy.deepcopy(G)
    of_D, of_G = (torch.optim.Adam(net.parameters(), **ADAM) for net in (D, G))
    for rows in batches(X, n_steps, noise):
        z = torch.randn(2, len(rows), work.n_components, generator=noise)
        with torch.no_grad():
            made = G(z[0])
        improve(of_D, loss_of_D(D, rows, made))
        D.requires_grad_(False)
        improve(of_G, loss_of_G(D, rows, G(z[1])))
        D.requires_grad_(True)
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), G.parameters(), strict=True):
                slow.lerp_(fast, AVERAGE)
    return n_steps


def in_units(X):
    X = X - X.mean(dim=0)
    return X / X.square().mean().sqrt()


def batches(X, n_steps, generator):
    """So many batches, of rows in a new order each epoch."""
    left = []
    for _ in range(n_steps):
        left = left or list(torch.randperm(len(X), generator=generator).split(BATCH_SIZE))
        yield X[left.pop()]


def improve(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def loss_of_D(D, real, made):
    rows = torch.cat([real, made]).requires_grad_()
    scores = D(rows)
    (slopes,) = torch.autograd.grad(scores.sum(), rows, create_graph=True)
    of_real, of_made = scores.chunk(2)
    # Twice the mean over both halves is the sum of their means.
    return softplus(of_made - of_real).mean() + PENALTY * slopes.square().sum(dim=1).mean()


def loss_of_G(D, real, made):
    with torch.no_grad():
        of_real = D(real)
    return softplus(of_real - D(made)).mean()


def dense(n_features, work):
    inward = n_features, *work.hidden, 1
    outward = work.n_components, *work.hidden[::-1], n_features
    return perceptron(inward), perceptron(outward)


def perceptron(widths):
    layers = ((nn.Linear(*pair), nn.ReLU()) for pair in pairwise(widths))
    return nn.Sequential(*[layer for pair in layers for layer in pair][:-1])


def convolutions(work):
    """Two that halve the image of 28 x 28 pixels, and the reverse."""
    (first, second), shape = CHANNELS, (KERNEL_SIZE, 2, 1)
    n_inner = second * 7 * 7
    D = nn.Sequential(
        *(nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, first, *shape), nn.ReLU()),
        *(nn.Conv2d(first, second, *shape), nn.ReLU(), nn.Flatten(), nn.Linear(n_inner, 1)),
    )
    G = nn.Sequential(
        *(nn.Linear(work.n_components, n_inner), nn.ReLU(), nn.Unflatten(1, (second, 7, 7))),
        *(nn.ConvTranspose2d(second, first, *shape), nn.ReLU()),
        *(nn.ConvTranspose2d(first, 1, *shape), nn.Flatten()),
    )
    return D, G
