"""What tables of tables.py cost: the output of a decoder, memory, and the way into a matrix."""

import subprocess
import sys

import numpy as np
import torch
from _tables_data import load
from _timing import alternate

from skae import Autoencoder
from skae.tables import TableEncoder

BATCH = 200
# Widths: of how many numbers, and of how many categories of each column of categories.
OUTPUTS = {27: (7, [4] * 5), 107: (7, [5] * 20), 2000: (10, [199] * 10)}
MEMORY = {"max_categories=None": None, "as it comes": 100}
FIT = "german"  # lacks no cell, so that both sides get the same network
# Not resource.getrusage: its peak is at least that of the process which has started this one.
PEAK = """
import re, warnings, numpy as np, pandas as pd
from skae import Autoencoder
from skae.tables import TableEncoder
warnings.simplefilter("ignore")
def status(field):
    found = re.search(field + r":\\s+(\\d+)", open("/proc/self/status").read())
    return int(found[1]) / 1024
rng = np.random.default_rng(0)
def frame(n):
    columns = {f"number {j}": rng.standard_normal(n) for j in range(6)}
    columns |= {f"kind {j}": rng.choice(list("abcde"), n) for j in range(3)}
    return pd.DataFrame(columns | {"place": [f"p{k}" for k in rng.integers(0, 5000, n)]})
table = TableEncoder(max_categories=MOST)
Autoencoder(8, table=table, max_iter=1).fit(frame(1000))
X = frame(100_000)
before = status("VmRSS")
Autoencoder(8, table=table, max_iter=2).fit(X)
print(status("VmHWM") - before)
"""


def mixed_error(n_numbers, widths):
    """The output of a decoder of a table with so many numbers, then blocks of such widths."""
    from skae._mixed import Mixed

    return Mixed((0,) * n_numbers + tuple(widths))


def output_cost(folder, name, model, seed, n_calls=300):
    """Microseconds of value and pullback, and of one softmax's as wide as the whole, twice."""
    n_numbers, widths = OUTPUTS[int(name)]
    rng = np.random.default_rng(seed)
    output = torch.from_numpy(rng.standard_normal((BATCH, int(name)), np.float32))
    x, one = (torch.from_numpy(rows) for rows in rows_of(n_numbers, widths, rng))
    mixed, kept, leaf = mixed_error(n_numbers, widths), torch.empty_like(output), output.clone()
    sides = {
        "mixed": lambda: mixed.mean_loss(output, x, out=kept)[1](1.0),
        "softmax": lambda: softmax_loss(output, one, kept),
        "autograd": lambda: softmax_by_autograd(leaf, one),
    }
    measured = alternate(sides, n_calls)
    return {side: 1e6 * seconds.wall for side, seconds in measured.items()}


def rows_of(n_numbers, widths, rng):
    """Rows with numbers and a 1 in each block, and rows with a single 1."""
    blocks = [np.eye(width)[rng.integers(0, width, BATCH)] for width in widths]
    x = np.hstack([rng.standard_normal((BATCH, n_numbers)), *blocks])
    one = np.eye(x.shape[1])[rng.integers(0, x.shape[1], BATCH)]
    return x.astype(np.float32), one.astype(np.float32)


def softmax_loss(output, x, out):
    """A softmax's mean cross-entropy and its gradient, written out, into memory that is kept."""
    logs = torch.log_softmax(output, dim=-1, out=out)
    mean = torch.dot(logs.reshape(-1), x.reshape(-1)).div_(-len(x))
    return mean, logs.exp_().sub_(x).div_(len(x))


def softmax_by_autograd(output, x):
    """The same, as it is usually written."""
    output.requires_grad_().grad = None
    mean = torch.nn.functional.cross_entropy(output, x)
    mean.backward()
    return mean.detach(), output.grad


def memory(folder, name, model, seed):
    """MiB of a fit at its peak, beyond the frame."""
    code = f"MOST = {MEMORY[model]}\n{PEAK}"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return {"MiB": float(found.stdout)}


def fit_cost(folder, name, model, seed, n_rounds=5, max_iter=30):
    """Seconds of a fit on a frame, and of the same network's on its matrix."""
    frame = load(folder, name)
    matrix = TableEncoder().fit_transform(frame)
    training = {"max_iter": max_iter, "tol": 0.0, "early_stopping": False, "random_state": seed}
    autoencoder = Autoencoder(8, **training)
    sides = {
        "frame": lambda: autoencoder.fit(frame),
        "matrix": lambda: autoencoder.fit(matrix),
    }
    return {side: found.wall for side, found in alternate(sides, n_rounds).items()}
