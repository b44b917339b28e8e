"""To compute with a trained network, a chunk of rows at a time."""

import math

from skae._engine.data import rows_of
from skae._engine.devices import memory_errors, own_modes
from skae._engine.threads import enough_threads

# Numbers a chunk of rows may take in its widest layer: bounds the memory of `transform`.
CHUNK_SIZE = 2**19
LESS_ROWS = "pass fewer rows at once, or set device='cpu'"


def in_chunks(function, X, perceptron, build, device, check_finite, expansion=1):
    """Pairs (rows of X, `function(network, rows)`) that bound the memory.

    Parameters
    ----------
    function : callable
        Of a `Network` and a tensor of rows.
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    perceptron : Perceptron
        The network's.
    build : callable
        Gives the network on a device.
    device : torch.device
    check_finite : callable
        Raises an error if any of the rows that it gets is not finite, unless they may be.
    expansion : int, default=1
        How many times wider than the network's layers `function` gets.
    """
    n_rows = max(1, CHUNK_SIZE // (perceptron.width * expansion))
    n_most, network = min(n_rows, X.shape[0]) * expansion, None
    for start in range(0, X.shape[0], n_rows):
        # Entered anew each time: a generator would leak them to its caller.
        with own_modes(False), memory_errors(LESS_ROWS), enough_threads(n_most, perceptron):
            if network is None:
                network, all_rows = build(device), rows_of(X, device)
            rows, x = all_rows.span(start, start + n_rows)
            if not math.isfinite(x.sum()):  # while it is in the cache; NaN, inf, overflow
                check_finite(rows)
            result = function(network, x).cpu().numpy()
        yield rows, result
