"""Computation with a trained network, in chunks of rows."""

import math

from skae._engine.data import rows_of
from skae._engine.devices import memory_errors, own_modes
from skae._engine.threads import enough_threads

# Numbers that a chunk of rows may have in the widest layer: bounds the memory of `transform`.
CHUNK_SIZE = 2**19
LESS_ROWS = "pass fewer rows at once, or set device='cpu'"


def in_chunks(function, X, perceptron, build, device, check_finite, expansion=1):
    """Pairs (rows of X, `function(network, rows)`) that bound the memory.

    Parameters
    ----------
    function : callable
        A function of a `Network` and a tensor of rows.
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    perceptron : Perceptron
        Describes the network.
    build : callable
        Returns the network on a device.
    device : torch.device
    check_finite : callable
        Raises an error for rows that are not finite, unless these are allowed.
    expansion : int, default=1
        Factor by which `function` is wider than the network's layers.
    """
    n_rows = max(1, CHUNK_SIZE // (perceptron.width * expansion))
    n_most, network = min(n_rows, X.shape[0]) * expansion, None
    for start in range(0, X.shape[0], n_rows):
        # Entered for each chunk, since a generator would leak these modes to its caller.
        with own_modes(False), memory_errors(LESS_ROWS), enough_threads(n_most, perceptron):
            if network is None:
                network, all_rows = build(device), rows_of(X, device)
            rows, x = all_rows.span(start, start + n_rows)
            if not math.isfinite(x.sum()):  # while it is in the cache; NaN, inf, overflow
                check_finite(rows)
            result = function(network, x).cpu().numpy()
        yield rows, result
