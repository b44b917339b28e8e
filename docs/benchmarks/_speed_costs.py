"""Measurements of speed.py: what skae costs beyond arithmetic, in a fit and in a single call.

Each function yields pairs (work, figure).
"""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from _speed_fits import TRAINING, digits, plain
from _timing import alternate
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import skae
from skae import Autoencoder, AutoencoderClassifier

PACKAGE = f"{Path(skae.__file__).parent}{os.sep}"
ENGINE = f"{PACKAGE}_engine{os.sep}"
# Not resource.getrusage: its peak is at least that of the process which has started this one.
STATUS = Path("/proc/self/status")
PEAK = """
import re, numpy as np
from skae import Autoencoder
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
X = np.random.default_rng(0).random((1_000_000, 64), dtype=np.float32)
fitted = Autoencoder(8, hidden_layer_sizes=(32,), batch_size=200, max_iter=1).fit(X[:1000])
fitted.transform(X[:1000])
before = peak()
codes = fitted.transform(X)
print(peak() - before - codes.nbytes)
"""


def products(inputs, n_rounds=5, n_steps=78, batch_size=256, max_iter=5):
    """A fit of 784-256-32 against its matrix products alone, on one thread."""
    X = inputs.images[: n_steps * batch_size]
    going_on = plain(X, 32, (256,), batch_size, max_iter, warm_start=True)
    sides = {
        "skae": lambda: going_on.fit(X),
        "products": products_alone((784, 256, 32, 256, 784), batch_size, max_iter * n_steps),
    }
    with threadpool_limits(1):
        measured = alternate(sides, n_rounds)
    whole, alone = measured["skae"], measured["products"]
    cpu, wall = whole.cpu / alone.cpu, whole.wall / alone.wall
    work = "784-256-32, batch 256: CPU time of a fit, of its products'"
    yield work, f"{cpu:.2f}x (by the clock {wall:.2f}x)"


def products_alone(sizes, batch_size, n_steps):
    """A function that computes what a training multiplies, into the same memory each time."""
    layers = list(pairwise(sizes))
    values = [torch.randn(batch_size, size) for size in sizes]
    gradients = [torch.randn(batch_size, size) for size in sizes]
    weights = [torch.randn(fan_out, fan_in) / fan_in**0.5 for fan_in, fan_out in layers]
    biases = [torch.randn(fan_out) for _, fan_out in layers]
    weight_gradients = [torch.empty_like(weight) for weight in weights]

    def step():
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            torch.addmm(bias, values[number], weight.t(), out=values[number + 1])
        for number in reversed(range(len(layers))):
            gradient = gradients[number + 1]
            torch.mm(gradient.t(), values[number], out=weight_gradients[number])
            if number > 0:
                torch.mm(gradient, weights[number], out=gradients[number])

    return lambda: [step() for _ in range(n_steps)]


def overhead(inputs, n_calls=1000):
    """Milliseconds of single calls, beside what they cost at least."""
    batch, row = np.random.default_rng(0).random((200, 64), dtype=np.float32), digits()[:1]
    fitted = plain(digits(), 8, (32,), 200, 1)
    seconds = alternate({"skae": lambda: fitted.partial_fit(batch)}, n_calls)["skae"].wall
    figure = f"{1e3 * seconds:.2f} ms (its step {1e3 * step_seconds():.2f} ms)"
    yield "64-32-8: partial_fit of one batch of 200", figure
    pca = PCA(8).fit(digits())
    sides = {"skae": lambda: fitted.transform(row), "PCA": lambda: pca.transform(row)}
    yield "64-32-8: transform of one row", milliseconds(alternate(sides, n_calls))
    measured = alternate(classifying_sides(row), n_calls)
    yield "64-32-8: predict_proba of one row", milliseconds(measured)


def milliseconds(measured):
    """Of skae, and of the other side."""
    ours, other = measured
    return f"{1e3 * measured[ours].wall:.2f} ms ({other} {1e3 * measured[other].wall:.2f} ms)"


def step_seconds(n_steps=100, max_iter=5, n_rounds=5):
    """Of one step of 64-32-8 with a batch of 200, in a long fit."""
    X = np.random.default_rng(0).random((200 * n_steps, 64), dtype=np.float32)
    sides = {"fit": lambda: plain(X, 8, (32,), 200, max_iter)}
    return alternate(sides, n_rounds)["fit"].wall / (n_steps * max_iter)


def classifying_sides(row):
    """Two classifiers that predict one row."""
    X, y = digits(), load_digits().target
    shared = {"batch_size": 200, "max_iter": 1, **TRAINING}
    ours = AutoencoderClassifier(Autoencoder(8, hidden_layer_sizes=(32,), **shared), **shared)
    mlp = MLPClassifier((32, 8), batch_size=200, max_iter=1, learning_rate_init=1e-3)
    mlp.partial_fit(X, y, classes=np.unique(y))
    ours.fit(X, y)
    return {
        "skae": lambda: ours.predict_proba(row),
        "MLPClassifier": lambda: mlp.predict_proba(row),
    }


def calls(inputs):
    """Calls inside skae for a fit of one epoch of one batch, and moves between its parts."""
    X = np.random.default_rng(0).random((200, 64), dtype=np.float32)
    estimator = plain(X, 8, (32,), 200, 1)  # what is computed once a process is no part of a fit
    files = files_of_calls(clone(estimator).fit, X)
    rooms = [ENGINE if file.startswith(ENGINE) else file for file in files]
    yield "a fit of one epoch of one batch: calls inside skae", str(len(files))
    yield "the same: moves from room to room", str(n_moves(rooms))
    yield "the same: moves from file to file", str(n_moves(files))


def n_moves(places):
    """How often the place of a call is another one than that of the call before."""
    return sum(place != following for place, following in pairwise(places))


def files_of_calls(function, *args):
    """The file of each function of skae that is called, in the order of the calls."""
    files = []

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            files.append(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function(*args)
    finally:
        sys.setprofile(before)
    return files


def transform(inputs, n_rounds=5):
    """1,000,000 x 64 float32 against a bare chunked forward pass; peak memory beyond output."""
    X = np.random.default_rng(0).random((1_000_000, 64), dtype=np.float32)
    fitted = plain(X[:2000], 8, (32,), 200, 1)
    sides = {"skae": lambda: fitted.transform(X), "bare": lambda: bare_pass(fitted.encoder_, X)}
    measured = alternate(sides, n_rounds)
    ratio = measured["bare"].wall / measured["skae"].wall
    yield "transform, 1,000,000 x 64: of a bare pass's speed", f"{ratio:.2f}"
    if STATUS.exists():
        extra = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, check=True)
        yield "the same: peak memory beyond the output", f"{float(extra.stdout) / 2**20:.0f} MiB"


def bare_pass(module, X, width=8, n_rows=32768):
    """Codes, chunk by chunk."""
    out = np.empty((len(X), width), np.float32)
    with torch.no_grad():
        for start in range(0, len(X), n_rows):
            chunk = torch.from_numpy(X[start : start + n_rows])
            out[start : start + n_rows] = module(chunk).numpy()
    return out


def imports(inputs, n_rounds=3):
    """`import skae` against torch's own import, and what scikit-learn's share is."""
    names = ("torch", "torch, sklearn.base, sklearn.callback", "skae")
    measured = alternate({name: importing(name) for name in names}, n_rounds)
    for name in names[1:]:
        figure = f"{measured[name].wall / measured['torch'].wall:.2f} of torch's"
        yield f"import {name}", figure


def importing(modules):
    """A function that imports them in a new process."""
    return lambda: subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
