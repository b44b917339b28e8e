"""Training speed against hand-written PyTorch and other libraries.

Run with `python docs/benchmarks/speed.py`, which downloads MNIST, or with `--data mnist.npz`, a
file with X_train (60000, 784), y_train, X_test (10000, 784) and y_test, 0 to 255. Sides take
turns, A B A B, and medians are compared, so that a machine whose speed drifts does not favour
one of them. skorch, pyod, pythae and lightning are compared where they are installed. Writes
speed.md.
"""

import statistics
import subprocess
import sys
import time
import warnings

import numpy as np
import torch
from _mnist import data_argument, load
from _peers import PEERS, Bottleneck, SummedError, initial_network
from _report import table, write
from sklearn.datasets import load_digits
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from skae import VAE, Autoencoder, ContractiveAutoencoder, DenoisingAutoencoder, SparseAutoencoder
from skae._contractive import squared_jacobian_norm
from skae._engine.initial import initial_weights
from skae._engine.modules import encoder_module
from skae._engine.network import Network

NEVER_STOP = {"tol": 0.0, "n_iter_no_change": np.inf, "random_state": 0}
SPIN = "while True: pass"
TRANSFORM = """
import resource, numpy as np
from skae import Autoencoder
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
X = np.random.default_rng(0).random((1_000_000, 64), dtype=np.float32)
fitted = Autoencoder(8, hidden_layer_sizes=(32,), max_iter=1).fit(X[:100_000])
fitted.transform(X[:1000])
before = peak()
codes = fitted.transform(X)
print(peak() - before - codes.nbytes)
"""


def alternate(sides, n_rounds):
    """Median seconds of each side, and what it last returned; one round uncounted."""
    seconds = {name: [] for name in sides}
    results = {}
    for round_ in range(n_rounds + 1):
        for name, run in sides.items():
            started = time.perf_counter()
            results[name] = run()
            if round_ > 0:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}, results


def hand_written(X, sizes, batch_size, max_iter, threads):
    """The loop that a careful user writes: index batches, fused Adam, one read per epoch."""
    with threadpool_limits(threads, user_api="openmp"):
        torch.manual_seed(0)
        network = initial_network(sizes)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
        X = torch.tensor(X)
        for _ in range(max_iter):
            total = torch.zeros(())
            for rows in torch.randperm(len(X)).split(batch_size):
                x = X[rows]
                loss = (network(x) - x).square().sum(dim=1).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(x)
            loss = total.item() / len(X)
    return loss


def plain(X, width, hidden, batch_size, max_iter):
    return Autoencoder(
        width, hidden_layer_sizes=hidden, batch_size=batch_size, max_iter=max_iter, **NEVER_STOP
    ).fit(X)


def sides_of(X, sizes, batch_size, max_iter, peers):
    """Whole trainings of one network by skae, by hand and by other libraries."""
    *hidden, width = sizes[1 : len(sizes) // 2 + 1]
    sides = {"skae": lambda: plain(X, width, hidden, batch_size, max_iter).loss_}
    for threads in (1, 2):
        sides[f"by hand, threads: {threads}"] = lambda threads=threads: hand_written(
            X, sizes, batch_size, max_iter, threads
        )
    for name in [name for name in PEERS if name in peers]:
        sides[name] = lambda name=name: PEERS[name](X, initial_network(sizes), batch_size, max_iter)
    return sides


def digits_row(X, n_rounds=7, max_iter=100):
    """64-32-8-32-64, batch 200."""
    sides = sides_of(X, (64, 32, 8, 32, 64), 200, max_iter, ("skorch", "pyod"))
    sides["MLPRegressor"] = lambda: mlp_regressor(X, max_iter)
    return alternate(sides, n_rounds)


def mlp_regressor(X, max_iter):
    mlp = MLPRegressor(
        hidden_layer_sizes=(32, 8, 32), alpha=0, batch_size=200, max_iter=max_iter, tol=0
    )
    mlp.set_params(n_iter_no_change=max_iter + 1, random_state=0)
    # Its loss is half the mean over cells.
    return 2 * X.shape[1] * _quietly(mlp.fit, X, X).loss_


def _quietly(function, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that max_iter was reached is the plan
        return function(*args)


def mnist_row(X, n_rounds=5, max_iter=2):
    """784-256-32-256-784, batch 256."""
    return alternate(sides_of(X, (784, 256, 32, 256, 784), 256, max_iter, PEERS), n_rounds)


def precision_row(X, sizes, n_rounds=3, max_iter=2):
    """Fits with precision='float' and 'bf16'."""
    *hidden, width = sizes
    shared = {"hidden_layer_sizes": hidden, "batch_size": 256, "max_iter": max_iter, **NEVER_STOP}
    sides = {
        name: lambda name=name: Autoencoder(width, precision=name, **shared).fit(X).loss_
        for name in ("float", "bf16")
    }
    return alternate(sides, n_rounds)


def search_row(X, n_rounds=3, max_iter=50):
    """GridSearchCV over 40 candidates in 3 folds, two processes, against skorch."""
    from skorch import NeuralNetRegressor

    ours = GridSearchCV(
        Autoencoder(hidden_layer_sizes=(32,), batch_size=200, max_iter=max_iter, **NEVER_STOP),
        {"n_components": range(2, 12), "learning_rate_init": [3e-4, 1e-3, 3e-3, 1e-2]},
        cv=3,
        n_jobs=2,
    )
    skorchs = GridSearchCV(
        NeuralNetRegressor(
            Bottleneck,
            criterion=SummedError,
            optimizer=torch.optim.Adam,
            optimizer__fused=True,
            max_epochs=max_iter,
            batch_size=200,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        ),
        {"module__width": range(2, 12), "lr": [3e-4, 1e-3, 3e-3, 1e-2]},
        scoring=make_scorer(r2_score, multioutput="variance_weighted"),  # as skae's score
        cv=3,
        n_jobs=2,
    )
    sides = {
        "skae": lambda: ours.fit(X).best_score_,
        "skorch": lambda: skorchs.fit(X, X).best_score_,
    }
    return alternate(sides, n_rounds)


def busy_row(X, n_rounds=7):
    """The digits row with and without another process that keeps one core busy."""

    def busily():
        other = subprocess.Popen([sys.executable, "-c", SPIN])
        try:
            time.sleep(0.3)
            started = time.perf_counter()
            plain(X, 8, (32,), 200, 20)
            return time.perf_counter() - started
        finally:
            other.kill()
            other.wait()

    def quietly():
        started = time.perf_counter()
        plain(X, 8, (32,), 200, 20)
        return time.perf_counter() - started

    pairs = [(busily(), quietly()) for _ in range(n_rounds)]
    return statistics.median(b for b, _ in pairs) / statistics.median(q for _, q in pairs)


def variants_row(X, hidden, width, max_iter, n_rounds=7):
    """A step of each variant against the plain autoencoder's with the same layers."""
    shared = {"hidden_layer_sizes": (hidden,), "max_iter": max_iter, **NEVER_STOP}
    estimators = {
        "Autoencoder": Autoencoder(width, **shared),
        "SparseAutoencoder, kl": SparseAutoencoder(width, **shared),
        "SparseAutoencoder, l1": SparseAutoencoder(width, sparsity="l1", **shared),
        "DenoisingAutoencoder": DenoisingAutoencoder(width, **shared),
        "VAE": VAE(width, **shared),
    }
    return alternate({name: lambda e=e: e.fit(X) for name, e in estimators.items()}, n_rounds)[0]


def contractive_row(X, n_rounds=3):
    """One layer, 784-128, against the plain step."""
    shared = {"hidden_layer_sizes": (), "tied_weights": True, "max_iter": 2, **NEVER_STOP}
    sides = {
        "plain": lambda: Autoencoder(128, code_activation="logistic", **shared).fit(X),
        "contractive": lambda: ContractiveAutoencoder(128, **shared).fit(X),
    }
    return alternate(sides, n_rounds)[0]


def jacobian_row(X, n_rounds=5):
    """The deep exact penalty, 784-256-64, forward and backward, against vmap(jacrev)."""
    shape = ContractiveAutoencoder(64, hidden_layer_sizes=(256,), activation="tanh")
    perceptron = shape._describe_perceptron(784)
    flat = initial_weights(perceptron, torch.Generator().manual_seed(0)).float()
    network = Network(perceptron, flat, torch.zeros_like(flat))
    x, module = torch.tensor(X[:200]), encoder_module(network)

    def ours():
        _, slopes = network.encode_with_slopes(x)
        norms = squared_jacobian_norm(network.encoder_weights, slopes)
        norms.mean().backward()
        return norms.mean().item()

    def jacrev():
        jacobians = torch.func.vmap(torch.func.jacrev(module))(x)
        norms = jacobians.square().sum(dim=(1, 2))
        norms.mean().backward()
        return norms.mean().item()

    return alternate({"skae": ours, "vmap(jacrev)": jacrev}, n_rounds)


def transform_row(n_rounds=5):
    """1,000,000 x 64 float32 against a bare chunked forward pass; peak memory beyond output."""
    X = np.random.default_rng(0).random((1_000_000, 64), dtype=np.float32)
    fitted = plain(X[:2000], 8, (32,), 200, 1)
    module = fitted.encoder_

    def bare():
        out = np.empty((len(X), 8), np.float32)
        with torch.no_grad():
            for start in range(0, len(X), 32768):
                chunk = torch.from_numpy(X[start : start + 32768])
                out[start : start + 32768] = module(chunk).numpy()
        return out

    seconds, _ = alternate({"skae": lambda: fitted.transform(X), "bare": bare}, n_rounds)
    extra = subprocess.run([sys.executable, "-c", TRANSFORM], capture_output=True, check=True)
    return seconds["bare"] / seconds["skae"], float(extra.stdout) / 2**20


def import_row(n_rounds=3):
    """`import skae` against torch's own import, and what scikit-learn's share is."""

    def importing(modules):
        return lambda: subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)

    names = ("torch", "torch, sklearn.base, sklearn.callback", "skae")
    return alternate({name: importing(name) for name in names}, n_rounds)[0]


def rows_of(images):
    """(work, figure, bar) of every measurement."""
    digits = (load_digits().data / 16).astype(np.float32)
    bars = {"by hand": "1.8x", "MLPRegressor": "1.8x", "skorch": "6x", "pyod": "15x"}
    yield from training_rows("digits", digits_row(digits), bars)
    bars = {"by hand": "1.4x", **dict.fromkeys(("skorch", "pythae", "pyod", "lightning"), "2x")}
    yield from training_rows("MNIST", mnist_row(images), bars)
    yield "digits on a busy machine", f"{busy_row(digits):.2f}x slower", "at most 2x"
    small = variants_row(digits, 32, 8, max_iter=40)
    large = variants_row(images[:20000], 256, 32, max_iter=4, n_rounds=3)
    for name in list(small)[1:]:
        ratios = [seconds[name] / seconds["Autoencoder"] for seconds in (small, large)]
        text = "{:.2f}x the plain one on digits, {:.2f}x on MNIST".format(*ratios)
        yield f"{name}: step", text, "at most 1.35x"
    seconds = contractive_row(images[:20000])
    ratio = seconds["contractive"] / seconds["plain"]
    yield "ContractiveAutoencoder, 784-128: step", f"{ratio:.2f}x the plain one", "at most 1.5x"
    seconds, values = jacobian_row(images)
    gap = abs(values["skae"] / values["vmap(jacrev)"] - 1)
    ratio = seconds["vmap(jacrev)"] / seconds["skae"]
    yield "784-256-64, exact penalty against vmap(jacrev)", f"{ratio:.1f}x ({gap:.0e} off)", "4x"
    if "skorch" in PEERS:
        seconds, scores = search_row(digits)
        best = f"best R^2 {scores['skae']:.3f} against {scores['skorch']:.3f}"
        ratio = seconds["skorch"] / seconds["skae"]
        yield "GridSearchCV, 40 candidates, against skorch", f"{ratio:.1f}x ({best})", "5x"
    else:
        yield "GridSearchCV, 40 candidates, against skorch", "not installed", "5x"
    speed, extra = transform_row()
    yield "transform, 1,000,000 x 64: of a bare pass's speed", f"{speed:.2f}", "0.9"
    yield "the same: peak memory beyond the output", f"{extra:.0f} MiB", "64 MiB"
    for sizes in ((256, 32), (1000, 500, 30)):
        seconds, losses = precision_row(images[:20000], sizes)
        ratio, gap = seconds["float"] / seconds["bf16"], losses["bf16"] / losses["float"] - 1
        name = "-".join(map(str, (784, *sizes)))
        yield f"{name}, precision='bf16' against 'float'", f"{ratio:.2f}x, loss {gap:+.1%}", ""
    seconds = import_row()
    for name in list(seconds)[1:]:
        yield f"import {name}", f"{seconds[name] / seconds['torch']:.2f} of torch's", "1.15"


def training_rows(work, measured, bars):
    """How much faster skae was than each other side, and the losses where they compare."""
    seconds, losses = measured
    names = {name: name for name in bars}
    names["by hand"] = min((n for n in seconds if n.startswith("by hand")), key=seconds.get)
    for name, bar in bars.items():
        side = names[name]
        if side not in seconds:
            yield f"{work}: against {name}", "not installed", bar
            continue
        text = f"{seconds[side] / seconds['skae']:.2f}x"
        if losses[side] is not None:
            text += f", loss {losses['skae'] / losses[side] - 1:+.1%}"
        yield f"{work}: against {side}", text, bar


def main():
    images, *_ = load(data_argument(__doc__).parse_args().data)
    rows = list(rows_of(images))
    write(
        __file__,
        "# Training speed",
        "Ratios of medians over alternating runs, float32, same layers, batches, optimiser and "
        "epochs; above 1x is faster unless it says otherwise. Beside it, how far skae's loss is "
        "from the other side's, after the same initial weights (MLPRegressor has its own, and "
        "sends its code through relu). Bars are what the project aims at, met or not.",
        table(["work", "measured", "bar"], rows),
    )


if __name__ == "__main__":
    main()
