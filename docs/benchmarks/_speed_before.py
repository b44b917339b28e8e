"""Measurement of speed.py: this checkout against another one, such as an earlier commit's.

Two processes live as long as the comparison, each with its own checkout on its path, and are
asked in turn, by lines of JSON over pipes, to run one round. Run by such a process, this file
answers them; it uses what both checkouts have, the public API, and names all parameters.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).parents[2]
OTHER = "another checkout: its commit"
WORKS = {  # rows, features, hidden layer, code, batch, epochs
    "digits, 64-32-8, batch 200": (1797, 64, 32, 8, 200, 100),
    "1,000,000 x 30, 30-128-32, batch 200": (1_000_000, 30, 128, 32, 200, 1),
    "784-128-32, batch 200": (10_000, 784, 128, 32, 200, 10),
    "30-128-32, batch 4096": (100_000, 30, 128, 32, 4096, 20),
}


def comparison(inputs, n_rounds=7):
    """How much faster this checkout is than the other; yields pairs (work, figure)."""
    yield OTHER, commit(inputs.before)
    with contextlib.ExitStack() as stack:
        checkouts = {"after": CHECKOUT, "before": Path(inputs.before).resolve()}
        workers = {n: stack.enter_context(worker(path)) for n, path in checkouts.items()}
        for work in WORKS:
            rounds = [{n: ask(w, work) for n, w in workers.items()} for _ in range(n_rounds + 1)]
            yield f"{work}: against it", figure(rounds[1:])


def commit(checkout):
    """Its name, with -dirty if files have been changed since."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--tags"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"


def figure(rounds):
    """The ratio of medians, by the clock and of CPU time, and that of the losses."""
    medians = {
        name: {what: statistics.median(round_[name][what] for round_ in rounds) for what in answer}
        for name, answer in rounds[0].items()
    }
    before, after = medians["before"], medians["after"]
    wall, cpu = (before[what] / after[what] for what in ("wall", "cpu"))
    return f"{wall:.2f}x (CPU time {cpu:.2f}x), loss {after['loss'] / before['loss'] - 1:+.1%}"


@contextlib.contextmanager
def worker(checkout):
    """A process that runs this file with the checkout's skae."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(checkout)],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def ask(process, work):
    """Seconds by the clock and of the thread, and the loss, of one round."""
    process.stdin.write(json.dumps(work) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"The process that ran {work!r} has ended: see its error above.")
    return json.loads(line)


def answer(requests, responses):
    """Run a round for each request."""
    works = {}
    for line in requests:
        work = json.loads(line)
        if work not in works:
            works[work] = estimator_of(work), rows_of(work)
        responses.write(json.dumps(run(*works[work])) + "\n")
        responses.flush()


def rows_of(work):
    n_rows, n_features, *_ = WORKS[work]
    if work.startswith("digits"):
        from sklearn.datasets import load_digits

        return (load_digits().data / 16).astype(np.float32)
    rng = np.random.default_rng(0)  # few factors, or fits would be judged by principal components
    factors, loadings = rng.normal(size=(n_rows, 8)), rng.normal(size=(8, n_features))
    return (factors @ loadings + rng.normal(size=(n_rows, n_features))).astype(np.float32)


def estimator_of(work):
    from skae import Autoencoder

    _, _, hidden, width, batch_size, max_iter = WORKS[work]
    return Autoencoder(
        width,
        hidden_layer_sizes=(hidden,),
        batch_size=batch_size,
        max_iter=max_iter,
        solver="adam",
        learning_rate="constant",
        learning_rate_init=1e-3,
        shuffle=True,
        tol=0.0,
        n_iter_no_change=np.inf,
        early_stopping=False,
        warm_start=True,
        random_state=0,
    )


def run(autoencoder, X):
    """One fit, which goes on with the one before: its steps, without the start."""
    wall, cpu = time.perf_counter(), time.thread_time()
    autoencoder.fit(X)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.thread_time() - cpu}
    return {**seconds, "loss": autoencoder.loss_}


if __name__ == "__main__":
    import skae

    assert Path(skae.__file__).is_relative_to(sys.argv[1]), "this is another checkout's skae"
    answer(sys.stdin, sys.stdout)
