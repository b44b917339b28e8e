"""Public attributes of an estimator's encoder."""

from math import prod

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skae._engine.modules import encoder_module, published


class EncoderMixin:
    """The attributes of a network that encodes rows: its code's width, weights and modules."""

    @property
    def n_components_(self) -> int:
        """Width of the code."""
        check_is_fitted(self)
        return prod(self._perceptron.code_shape)

    @property
    def _n_features_out(self):
        return self.n_components_

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights of all layers, encoder first; each (fan_in, fan_out)."""
        return [weight.numpy().T.copy() for weight, _, _ in self._dense_layers("coefs_")]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of all layers, encoder first; each (fan_out,)."""
        return [bias.numpy().copy() for _, bias, _ in self._dense_layers("intercepts_")]

    def _dense_layers(self, attribute):
        check_is_fitted(self)
        if self._perceptron.front is not None:
            raise AttributeError(
                f"{attribute} exists only if all layers are dense, without a network: see the "
                "parameters of the torch modules, such as encoder_."
            )
        network = self._fitted_network()
        return [*network.encoder_layers, *network.decoder_layers]

    @property
    def encoder_(self) -> torch.nn.Module:
        """The encoder as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        return published(self._encoder_layers())

    def _encoder_layers(self):
        return [*self._input_layers(), *encoder_module(self._fitted_network())]
