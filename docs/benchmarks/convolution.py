"""Speed of a step with `ConvNet` against the same network in a hand-written loop.

Run with `python docs/benchmarks/convolution.py`. Sides take turns, A B C A B C, and medians are
compared, so that a machine whose speed drifts does not favour one of them. Both start from the
same weights. Writes convolution.md.
"""

import statistics
import sys
import time

import numpy as np
import torch
from _report import table, write
from torch import nn

from skae import Autoencoder
from skae.networks import ConvNet

N_ROUNDS = 7
SHARED = {"tol": 0.0, "n_iter_no_change": np.inf, "random_state": 0}


def down(n_in, n_out, kernel, stride):
    return nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2)


def up(n_in, n_out, kernel, stride):
    return nn.ConvTranspose2d(n_in, n_out, kernel, stride, kernel // 2, output_padding=stride - 1)


def strided(side, channels, dense, n_components):
    """Two convolutions that halve the image, one dense layer, and the same backwards."""
    first, second = channels
    features = second * (side // 4) ** 2
    return nn.Sequential(
        *(nn.Unflatten(1, (1, side, side)), down(1, first, 3, 2), nn.ReLU()),
        *(down(first, second, 3, 2), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(features, dense), nn.ReLU(), nn.Linear(dense, n_components)),
        *(nn.Linear(n_components, dense), nn.ReLU(), nn.Linear(dense, features), nn.ReLU()),
        *(nn.Unflatten(1, (second, side // 4, side // 4)), up(second, first, 3, 2), nn.ReLU()),
        *(up(first, 1, 3, 2), nn.Flatten()),
    )


def full_size(side, channels, n_components):
    """Two convolutions that keep the image's size, a code at each pixel, and backwards."""
    return nn.Sequential(
        *(nn.Unflatten(1, (1, side, side)), down(1, channels, 5, 1), nn.ReLU()),
        *(down(channels, channels, 5, 1), nn.ReLU(), nn.Conv2d(channels, n_components, 1)),
        *(nn.Conv2d(n_components, channels, 1), nn.ReLU()),
        *(up(channels, channels, 5, 1), nn.ReLU(), up(channels, 1, 5, 1), nn.Flatten()),
    )


def cases():
    """(name, rows of X, features, estimator, the same by hand)."""
    for side, channels, n_rows in ((8, (8, 16), 9000), (28, (16, 32), 4000)):
        network = ConvNet((1, side, side), channels=channels)
        yield (
            f"{side} x {side}, {channels}, dense 128, code 32, batch 200",
            n_rows,
            side**2,
            Autoencoder(32, network=network, max_iter=2, **SHARED),
            strided(side, channels, 128, 32),
        )
    network = ConvNet((1, 32, 32), channels=(24, 24), kernel_size=5, downsample=None, code="image")
    one_layer = {"hidden_layer_sizes": (), "batch_size": 64, "max_iter": 2}
    for n_components in (4, 24):
        yield (
            f"32 x 32, (24, 24), kernel 5, not downsampled, code {n_components} a pixel, batch 64",
            1024,
            1024,
            Autoencoder(n_components, network=network, **one_layer, **SHARED),
            full_size(32, 24, n_components),
        )


def hand_written(module, start, X, estimator, memory_format):
    """The loop that a careful user writes: index batches, fused Adam, one read per epoch."""
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), start, strict=True):
            parameter.copy_(value.reshape(parameter.shape))
    module.to(memory_format=memory_format)
    optimizer = torch.optim.Adam(module.parameters(), lr=estimator.learning_rate_init, fused=True)
    batch_size = 200 if estimator.batch_size == "auto" else estimator.batch_size
    generator = torch.Generator().manual_seed(0)
    for _ in range(estimator.max_iter):
        total = torch.zeros(())
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            x = X[rows]
            loss = (module(x) - x).square().sum() / len(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(x)
        mean = total.item() / len(X)
    return mean


def compare(n_rows, n_features, estimator, module):
    """Median seconds of each side, and its last loss."""
    X = np.random.default_rng(0).random((n_rows, n_features), dtype=np.float32)
    barely = Autoencoder(**{**estimator.get_params(deep=False), "learning_rate_init": 1e-30})
    barely.set_params(max_iter=1).fit(X[:200])
    start = [*barely.encoder_.parameters(), *barely.decoder_.parameters()]
    rows = torch.from_numpy(X)
    formats = {"by hand": torch.contiguous_format, "channels last": torch.channels_last}
    sides = {
        name: lambda f=f: hand_written(module, start, rows, estimator, f)
        for name, f in formats.items()
    }
    sides["skae"] = lambda: estimator.fit(X).loss_
    seconds, losses = {name: [] for name in sides}, {}
    for _ in range(N_ROUNDS):
        for name, run in sides.items():
            started = time.perf_counter()
            losses[name] = run()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(s[1:]) for name, s in seconds.items()}, losses


def main():
    rows = []
    for name, n_rows, n_features, estimator, module in cases():
        seconds, losses = compare(n_rows, n_features, estimator, module)
        batch_size = 200 if estimator.batch_size == "auto" else estimator.batch_size
        n_steps = estimator.max_iter * -(-n_rows // batch_size)
        ratios = [f"{seconds['skae'] / seconds[side]:.2f}" for side in ("by hand", "channels last")]
        gap = losses["skae"] / losses["by hand"] - 1
        rows.append([name, f"{1e3 * seconds['skae'] / n_steps:.1f}", *ratios, f"{gap:+.2%}"])
        print(rows[-1], file=sys.stderr)
    write(
        __file__,
        "# Speed of convolutions",
        "Time of a step of training (forward, backward, Adam) on random images in float32, "
        "divided by that of the same network, from the same weights, in a hand-written loop: "
        "with PyTorch's default layout of images, and with the loop's module moved to channels "
        "last, which skae always uses. Below 1 skae is faster; the bar is 1.15. Beside it is the "
        f"difference between the losses of the second epoch. Medians of {N_ROUNDS - 1} "
        f"alternating rounds, {torch.get_num_threads()} threads.",
        table(["network", "ms a step", "by hand", "channels last", "loss"], rows),
    )


if __name__ == "__main__":
    main()
