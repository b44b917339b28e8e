"""Measurements of speed.py: whole trainings, and the steps of one model against another's.

Each function yields pairs (work, figure).
"""

import functools
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np
import torch
from _peers import PEERS, Bottleneck, SummedError, initial_network, untrained
from _timing import alternate, timed
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from skae import VAE, Autoencoder, ContractiveAutoencoder, DenoisingAutoencoder, SparseAutoencoder
from skae._contractive import squared_jacobian_norm

# Every parameter of training that has a default, since defaults change.
TRAINING = {
    "solver": "adam",
    "learning_rate": "constant",
    "learning_rate_init": 1e-3,
    "shuffle": True,
    "tol": 0.0,
    "n_iter_no_change": np.inf,
    "early_stopping": False,
    "random_state": 0,
}
SPIN = "while True: pass"
BY_HAND = "by hand"


@functools.cache
def digits():
    """The small digits of scikit-learn, in [0, 1]."""
    return (load_digits().data / 16).astype(np.float32)


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


def plain(X, width, hidden, batch_size, max_iter, **parameters):
    """A fitted autoencoder."""
    return Autoencoder(
        width,
        hidden_layer_sizes=hidden,
        batch_size=batch_size,
        max_iter=max_iter,
        **{**TRAINING, **parameters},
    ).fit(X)


def sides_of(draw, sizes, batch_size, max_iter, peers=()):
    """Whole trainings of one network by skae, by hand and by other libraries.

    `draw(name)` gives the rows that the side of that name trains on next.
    """
    *hidden, width = sizes[1 : len(sizes) // 2 + 1]
    sides = {"skae": lambda: plain(draw("skae"), width, hidden, batch_size, max_iter).loss_}
    for threads in (1, 2):
        name = f"{BY_HAND}, threads: {threads}"
        sides[name] = lambda name=name, threads=threads: hand_written(
            draw(name), sizes, batch_size, max_iter, threads
        )
    for name in [name for name in PEERS if name in peers]:
        sides[name] = lambda name=name: PEERS[name](
            draw(name), initial_network(sizes), batch_size, max_iter
        )
    return sides


def against(work, measured, others):
    """How much faster skae was than each other side, and the losses where they compare."""
    for other in others:
        name, note = other, ""
        if other == BY_HAND:
            by_hand = [name for name in measured if name.startswith(BY_HAND)]
            name = min(by_hand, key=lambda name: measured[name].wall)
            note = name.removeprefix(BY_HAND)
        figure = "not installed"
        if name in measured:
            figure = comparison(measured["skae"], measured[name]) + note
        yield f"{work}: against {other}", figure


def comparison(skae, other):
    """How many times faster, and how far the loss is from the other's."""
    text = f"{other.wall / skae.wall:.2f}x"
    if other.result is not None:
        text += f", loss {skae.result / other.result - 1:+.1%}"
    return text


def small_training(inputs, n_rounds=7, max_iter=100):
    """Digits, 64-32-8-32-64, batch 200."""
    X, peers = digits(), ("skorch", "pyod")
    sides = sides_of(lambda _: X, (64, 32, 8, 32, 64), 200, max_iter, peers)
    sides["MLPRegressor"] = lambda: mlp_regressor(X, max_iter)
    measured = alternate(sides, n_rounds)
    yield from against("digits", measured, (BY_HAND, "MLPRegressor", *peers))


def mlp_regressor(X, max_iter):
    """Its loss, on skae's scale."""
    mlp = MLPRegressor(hidden_layer_sizes=(32, 8, 32), alpha=0, batch_size=200, max_iter=max_iter)
    mlp.set_params(learning_rate_init=1e-3, tol=0, n_iter_no_change=max_iter + 1, random_state=0)
    # Its loss is half the mean over cells.
    return 2 * X.shape[1] * _quietly(mlp.fit, X, X).loss_


def _quietly(function, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that max_iter was reached is the plan
        return function(*args)


def large_training(inputs, n_rounds=3, max_iter=2):
    """MNIST, 784-256-32-256-784, batch 256."""
    sides = sides_of(lambda _: inputs.images, (784, 256, 32, 256, 784), 256, max_iter, PEERS)
    others = (BY_HAND, "skorch", "pythae", "pyod", "lightning")
    yield from against("MNIST", alternate(sides, n_rounds), others)


def table_training(inputs, n_rounds=7, n_rows=1_000_000):
    """One epoch over a tenth of a long table, 30-128-32, batch 200; a new one each round."""
    X = np.random.default_rng(0).random((n_rows, 30), dtype=np.float32)
    parts, n_drawn = np.split(X, 10), {}

    def draw(name):
        n_drawn[name] = n_drawn.get(name, -1) + 1
        return parts[n_drawn[name] % len(parts)]

    sides = sides_of(draw, (30, 128, 32, 128, 30), 200, 1)
    yield from against("1,000,000 x 30", alternate(sides, n_rounds), (BY_HAND,))


def busy_training(inputs, n_rounds=7):
    """The digits with and without another process that keeps one core busy."""

    def busily():
        other = subprocess.Popen([sys.executable, "-c", SPIN])
        try:
            time.sleep(0.3)
            return quietly()
        finally:
            other.kill()
            other.wait()

    def quietly():
        return timed(lambda: plain(digits(), 8, (32,), 200, 20)).wall

    pairs = [(busily(), quietly()) for _ in range(n_rounds)]
    ratio = statistics.median(b for b, _ in pairs) / statistics.median(q for _, q in pairs)
    yield "digits on a busy machine", f"{ratio:.2f}x slower"


def variants(inputs, n_rounds=7):
    """A step of each variant against the plain autoencoder's with the same layers."""
    small = variant_ratios(digits(), 32, 8, max_iter=40, n_rounds=n_rounds)
    large = variant_ratios(inputs.images[:20000], 256, 32, max_iter=4, n_rounds=n_rounds // 2)
    for name in small:
        figure = f"{small[name]:.2f}x the plain one on digits, {large[name]:.2f}x on MNIST"
        yield f"{name}: step", figure


def variant_ratios(X, hidden, width, max_iter, n_rounds):
    """Seconds of each variant's steps as a multiple of the plain autoencoder's."""
    shared = {"hidden_layer_sizes": (hidden,), "batch_size": 200, "max_iter": max_iter, **TRAINING}
    estimators = {
        "Autoencoder": Autoencoder(width, **shared),
        "SparseAutoencoder, kl": SparseAutoencoder(width, sparsity="kl", **shared),
        "SparseAutoencoder, l1": SparseAutoencoder(width, sparsity="l1", **shared),
        "DenoisingAutoencoder": DenoisingAutoencoder(width, **shared),
        "VAE": VAE(width, **shared),
    }
    measured = steps_of(estimators, X, n_rounds)
    first = measured.pop("Autoencoder")
    return {name: side.wall / first.wall for name, side in measured.items()}


def steps_of(estimators, X, n_rounds, options=()):
    """`Timed` of fits that continue earlier ones: of steps, without the start.

    `options` are, by name, further arguments of `fit`.
    """
    options, sides = dict(options), {}
    for name, estimator in estimators.items():
        fit = clone(estimator).set_params(warm_start=True).fit
        sides[name] = functools.partial(fit, X, **options.get(name, {}))
    return alternate(sides, n_rounds)  # the first round, which is not counted, starts them


WEIGHTED = "64-32-8 on digits", "64-128-32 on digits", "784-128-32 on MNIST"


def weights(inputs, n_rounds=15):
    """A step with `sample_weight` against one without, of the same rows."""
    rng = np.random.default_rng(0)
    works = (
        (digits(), 8, {"hidden_layer_sizes": (32,), "max_iter": 60}),
        (digits(), 32, {"max_iter": 40}),
        (inputs.images[:20000], 32, {"max_iter": 4}),
    )
    for name, (X, width, params) in zip(WEIGHTED, works, strict=True):
        estimator = Autoencoder(width, **{"batch_size": 200, **params, **TRAINING})
        options = {"weighted": {"sample_weight": rng.uniform(0.5, 1.5, len(X))}}
        measured = steps_of({"weighted": estimator, "plain": estimator}, X, n_rounds, options)
        ratio = measured["weighted"].cpu / measured["plain"].cpu
        yield f"sample_weight, {name}: step", f"{ratio:.2f}x the one without (CPU time)"


def contractive(inputs, n_rounds=3):
    """One layer, 784-128, against the plain step, and the deep exact penalty's gradient."""
    shared = {"hidden_layer_sizes": (), "tied_weights": True, "batch_size": 200, **TRAINING}
    estimators = {
        "plain": Autoencoder(128, code_activation="logistic", max_iter=2, **shared),
        "contractive": ContractiveAutoencoder(128, max_iter=2, **shared),
    }
    measured = steps_of(estimators, inputs.images[:20000], n_rounds)
    ratio = measured["contractive"].wall / measured["plain"].wall
    yield "ContractiveAutoencoder, 784-128: step", f"{ratio:.2f}x the plain one"
    yield "784-256-64, exact penalty against vmap(jacrev)", jacobian_figure(inputs.images[:200])


def jacobian_figure(X, n_rounds=5):
    """The penalty of 784-256-64, forward and backward, against vmap(jacrev)."""
    estimator = ContractiveAutoencoder(64, hidden_layer_sizes=(256,), activation="tanh")
    estimator.set_params(code_activation="logistic")
    module = untrained(estimator, X.shape[1]).encoder_.requires_grad_()
    x = torch.tensor(X)
    first, second = (layer for layer in module if isinstance(layer, torch.nn.Linear))

    def ours():
        h = first(x).tanh()
        code = second(h).sigmoid()
        slopes = [1 - h.square(), code * (1 - code)]
        return _backward(squared_jacobian_norm([first.weight, second.weight], slopes))

    def jacrev():
        jacobians = torch.func.vmap(torch.func.jacrev(module))(x)
        return _backward(jacobians.square().sum(dim=(1, 2)))

    measured = alternate({"skae": ours, "jacrev": jacrev}, n_rounds)
    gap = abs(measured["skae"].result / measured["jacrev"].result - 1)
    return f"{measured['jacrev'].wall / measured['skae'].wall:.1f}x ({gap:.0e} off)"


def _backward(norms):
    """Their mean, after its gradient has been computed."""
    mean = norms.mean()
    mean.backward()
    return mean.item()


def search(inputs, n_rounds=2, max_iter=50):
    """GridSearchCV over 40 candidates in 3 folds, two processes, against skorch."""
    work = "GridSearchCV, 40 candidates, against skorch"
    if "skorch" not in PEERS:
        yield work, "not installed"
        return
    X, ours, theirs = digits(), our_search(max_iter), skorchs_search(max_iter)
    sides = {
        "skae": lambda: ours.fit(X).best_score_,
        "skorch": lambda: theirs.fit(X, X).best_score_,
    }
    measured = alternate(sides, n_rounds)
    ratio = measured["skorch"].wall / measured["skae"].wall
    scores = [measured[name].result for name in ("skae", "skorch")]
    yield work, "{:.1f}x (best R^2 {:.3f} against {:.3f})".format(ratio, *scores)


def our_search(max_iter):
    return GridSearchCV(
        Autoencoder(hidden_layer_sizes=(32,), batch_size=200, max_iter=max_iter, **TRAINING),
        {"n_components": range(2, 12), "learning_rate_init": [3e-4, 1e-3, 3e-3, 1e-2]},
        cv=3,
        n_jobs=2,
    )


def skorchs_search(max_iter):
    from skorch import NeuralNetRegressor

    return GridSearchCV(
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


def precision(inputs, n_rounds=3):
    """Fits with precision='bf16' against 'float'; few rows, as some processors are slow at it."""
    for hidden, width in (((256,), 32), ((1000, 500), 30)):
        sides = precision_sides(inputs.images[:3000], hidden, width)
        measured = alternate(sides, n_rounds)
        name = "-".join(map(str, (784, *hidden, width)))
        figure = comparison(measured["bf16"], measured["float"])
        yield f"{name}, precision='bf16' against 'float'", figure


def precision_sides(X, hidden, width, max_iter=2):
    """Losses of fits with each precision, batch 256."""

    def fit(precision):
        return lambda: plain(X, width, hidden, 256, max_iter, precision=precision).loss_

    return {precision: fit(precision) for precision in ("float", "bf16")}
