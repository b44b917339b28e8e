"""What a fitted network with an encoder offers: codes and weights."""

import math
from contextlib import contextmanager
from math import prod

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import assert_all_finite, check_is_fitted, validate_data

from skae._engine.data import dense
from skae._engine.devices import as_tensor, find_device_or_cpu, memory_errors, off_torch, own_modes
from skae._engine.modules import encoder_module
from skae._engine.network import Network
from skae._engine.threads import enough_threads

# Numbers a chunk of rows may take in its widest layer: bounds the memory of `transform`.
CHUNK_SIZE = 2**19
LESS_ROWS = "pass fewer rows at once, or set device='cpu'"


@contextmanager
def hints(X):
    """Adds to scikit-learn's errors what they cannot know: notes, shown below the message."""
    try:
        yield
    except ValueError as error:
        if getattr(X, "ndim", 2) > 2:
            error.add_note(
                "Every sample is a row, images too: pass X.reshape(len(X), -1), and their shape as "
                "network=ConvNet(image_shape=...) if there are to be convolutions."
            )
        elif "contains NaN" in str(error):
            error.add_note("DenoisingAutoencoder takes missing cells (NaN), and fills them.")
        raise


class InferenceMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """The methods and attributes that only read the fitted state.

    They go through X a chunk at a time, on the device that the parameter names, and
    build the network anew from NumPy arrays: nothing is cached, so that several threads
    may share one fitted estimator.

    A variant whose encoder gets other than rows of X overrides `_inputs` and
    `_input_layers`; one whose encoder gives more than a code, `_encode`.
    """

    def transform(self, X):
        """Encode X; deterministic.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            The code of each row, in the dtype of the fit.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that are not finite (NaN is
            for `DenoisingAutoencoder`).
        """
        return self._codes(self._validate_rows(X))

    def _validate_rows(self, X, **options):
        """X as an array in the dtype of the fit; `_chunks` checks that it is finite."""
        check_is_fitted(self)
        options = {**self._accepted, "ensure_all_finite": False, **options}
        X = off_torch(X)
        with hints(X):
            return validate_data(self, X, reset=False, dtype=self._state.weights.dtype, **options)

    @property
    def _accepted(self):
        """What X may be, for `validate_data`."""
        finite = "allow-nan" if get_tags(self).input_tags.allow_nan else True
        return {"accept_sparse": "csr", "order": "C", "ensure_all_finite": finite}

    def _codes(self, X):
        """`transform` of validated rows: always an array, whatever `set_output` says."""
        return self._map(self._encode, X)

    def _encode(self, network, x):
        return network.encode(self._inputs(x))

    def _inputs(self, x):
        """What the encoder gets of rows x."""
        return x

    def _input_layers(self):
        """The same as torch modules."""
        return []

    def _map(self, function, X, expansion=1):
        """`function(network, x)` of all rows of X as one array."""
        out, start = None, 0
        for rows, result in self._chunks(function, X, expansion):
            if out is None:
                out = np.empty((X.shape[0], *result.shape[1:]), result.dtype)
            out[start : start + len(rows)] = result
            start += len(rows)
        return out

    def _chunks(self, function, X, expansion=1):
        """Pairs (rows of X, `function(network, rows)`) that bound the memory.

        `expansion` is how many times wider than the network's layers `function` gets.
        """
        device = find_device_or_cpu(self.device)
        with own_modes(gradients=False), memory_errors(LESS_ROWS):
            network = self._fitted_network(device)
        n_rows = max(1, CHUNK_SIZE // (self._perceptron.width * expansion))
        for start in range(0, X.shape[0], n_rows):
            rows = dense(X[start : start + n_rows])
            # Entered anew each time: a generator would leak them to its caller.
            with (
                own_modes(gradients=False),
                memory_errors(LESS_ROWS),
                enough_threads(len(rows) * expansion, self._perceptron),
            ):
                x = as_tensor(rows, device)
                if not math.isfinite(x.sum()):  # while it is in the cache; NaN, inf, overflow
                    self._check_finite(rows)
                result = function(network, x).cpu().numpy()
            yield rows, result

    def _check_finite(self, rows):
        with hints(rows):
            assert_all_finite(
                rows,
                allow_nan=self._accepted["ensure_all_finite"] == "allow-nan",
                estimator_name=type(self).__name__,
                input_name="X",
            )

    def _fitted_network(self, device="cpu"):
        return Network(self._perceptron, as_tensor(self._state.weights, device))

    @property
    def n_components_(self):
        """Width of the code."""
        check_is_fitted(self)
        return prod(self._perceptron.code_shape)

    @property
    def _n_features_out(self):
        return self.n_components_

    @property
    def coefs_(self):
        """Weights of all layers, encoder first; each (fan_in, fan_out)."""
        network = self._dense_network("coefs_")
        weights = (*network.encoder_weights, *network.decoder_weights)
        return [weight.numpy().T.copy() for weight in weights]

    @property
    def intercepts_(self):
        """Biases of all layers, encoder first; each (fan_out,)."""
        network = self._dense_network("intercepts_")
        return [bias.numpy().copy() for bias in (*network.encoder_biases, *network.decoder_biases)]

    def _dense_network(self, attribute):
        check_is_fitted(self)
        if self._perceptron.front is not None:
            raise AttributeError(
                f"{attribute} is there only where all layers are dense, without a network: see the "
                "parameters of encoder_ and decoder_."
            )
        return self._fitted_network()

    @property
    def encoder_(self):
        """The encoder as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        encoder = encoder_module(self._fitted_network())
        return torch.nn.Sequential(*self._input_layers(), *encoder)
