"""What a fitted autoencoder offers: codes, reconstructions, scores, its weights."""

import math

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_is_fitted,
    validate_data,
)

from skae._columns import column_means, dense, has_missing, value_range
from skae._devices import as_tensor, find_device_or_cpu
from skae._perceptron import Network
from skae._threads import enough_threads

# Numbers a chunk of rows may take in its widest layer: bounds the memory of `transform`.
CHUNK_SIZE = 2**19


class InferenceMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """The methods and attributes that only read the fitted state.

    They go through X a chunk at a time, on the device that the parameter names, and
    build the network anew from NumPy arrays: nothing is cached, so that several threads
    may share one fitted estimator.

    A variant whose encoder gives more than a code overrides `_encode`.
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
        """
        return self._codes(self._validate_rows(X))

    def inverse_transform(self, X):
        """Decode codes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_components)
            Codes, as `transform` returns them.

        Returns
        -------
        reconstructions : ndarray of shape (n_samples, n_features)
            The reconstruction of each code, on the scale of the data; proportions with
            loss='categorical_cross_entropy'.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=self._state.weights.dtype, order="C", accept_sparse="csr")
        if X.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__}.inverse_transform "
                f"expects codes with n_components={self.n_components_} columns."
            )
        return self._map(Network.reconstruct, X)

    def reconstruct(self, X):
        """Encode and decode X.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to reconstruct.

        Returns
        -------
        reconstructions : ndarray of shape (n_samples, n_features)
            Equal to `inverse_transform(transform(X))`; with loss=
            'categorical_cross_entropy', times each row's total.
        """
        return self._map(self._reconstruct, self._validate_rows(X))

    def score_samples(self, X):
        """Score each row; higher is better reconstructed.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the reconstruction loss, summed over features.
        """
        X = self._validate_rows(X)
        self._check_loss_range(X)
        return self._map(self._minus_loss, X)

    def score(self, X, y=None):
        """Fraction of the variance of X that its reconstruction explains.

        Equal to `r2_score(X, reconstruct(X), multioutput="variance_weighted")`, so on
        the scale of `PCA.explained_variance_ratio_.sum()`. 1 is perfect, 0 is as good as
        the mean of X; it can be negative.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            At least two rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Fraction of variance explained.

        Raises
        ------
        ValueError
            If X has one row only, or a reconstruction is not finite.
        """
        X = self._validate_rows(X, **self._accepted, ensure_min_samples=2)
        return self._explained_variance(X, X)

    def _explained_variance(self, X, target):
        """The fraction of the target's variance that reconstructions of X explain."""
        mean, start, lacks_cells = column_means(target), 0, has_missing(target)
        errors, deviations = np.zeros_like(mean), np.zeros_like(mean)
        with np.errstate(over="ignore", invalid="ignore"):  # an error of its own, below
            for rows, reconstructions in self._chunks(self._reconstruct, X):
                if target is not X:
                    rows = dense(target[start : start + len(rows)])
                start += len(rows)
                observed = ~np.isnan(rows) if lacks_cells else True
                errors += _sums_of_squares(rows - reconstructions, observed)
                deviations += _sums_of_squares(rows - mean, observed)
            score = _r2(errors, deviations)
        if not np.isfinite(score):
            raise ValueError(
                "The squared errors of the reconstructions of X are not finite, so that there "
                "is no score: its values are too far from those seen in fit. Scale X as in "
                "training."
            )
        return score

    def _validate_rows(self, X, **options):
        """X as an array in the dtype of the fit; `_chunks` checks that it is finite."""
        check_is_fitted(self)
        options = {**self._accepted, "ensure_all_finite": False, **options}
        return validate_data(self, X, reset=False, dtype=self._state.weights.dtype, **options)

    @property
    def _accepted(self):
        """What X may be, for `validate_data`."""
        finite = "allow-nan" if get_tags(self).input_tags.allow_nan else True
        return {"accept_sparse": "csr", "order": "C", "ensure_all_finite": finite}

    def _check_loss_range(self, X, name="X"):
        """Refuse values that the loss is not defined for."""
        if not (self._loss.needs_unit_interval or self._loss.needs_counts):
            return
        low, high = value_range(X)
        rounding = 10 * np.finfo(X.dtype).eps
        if self._loss.needs_unit_interval and (low < -rounding or high > 1 + rounding):
            raise ValueError(
                f"{self._loss_parameter} needs {name} in [0, 1], but found values from {low} to "
                f"{high}: scale it, for example with MinMaxScaler(clip=True), or choose another."
            )
        if self._loss.needs_counts and low < 0:
            raise ValueError(
                f"{self._loss_parameter} needs {name} of counts or proportions, but found values "
                f"down to {low}: do not centre it, or choose another."
            )

    def _codes(self, X):
        """`transform` of validated rows: always an array, whatever `set_output` says."""
        return self._map(self._encode, X)

    def _encode(self, network, x):
        return network.encode(x)

    def _reconstruct(self, network, x):
        reconstructions = network.reconstruct(self._encode(network, x))
        if network.perceptron.decoder_activations[-1] == "softmax":  # of proportions, counts
            reconstructions = reconstructions * _totals(x, reconstructions)
        return reconstructions

    def _minus_loss(self, network, x):
        return -self._loss.rows(network.decode(self._encode(network, x)), x)

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
        network = self._fitted_network(device)
        n_rows = max(1, CHUNK_SIZE // (self._perceptron.width * expansion))
        for start in range(0, X.shape[0], n_rows):
            rows = dense(X[start : start + n_rows])
            # Entered anew each time: a generator would leak them to its caller.
            with torch.no_grad(), enough_threads(len(rows) * expansion, self._perceptron):
                x = as_tensor(rows, device)
                if not math.isfinite(x.sum()):  # while it is in the cache; NaN, inf, overflow
                    self._check_finite(rows)
                result = function(network, x).cpu().numpy()
            yield rows, result

    def _check_finite(self, rows):
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
        return self._perceptron.sizes[-1]

    @property
    def _n_features_out(self):
        return self.n_components_

    @property
    def coefs_(self):
        """Weights of all layers, encoder first; each (fan_in, fan_out)."""
        check_is_fitted(self)
        network = self._fitted_network()
        weights = (*network.encoder_weights, *network.decoder_weights)
        return [weight.numpy().T.copy() for weight in weights]

    @property
    def intercepts_(self):
        """Biases of all layers, encoder first; each (fan_out,)."""
        check_is_fitted(self)
        network = self._fitted_network()
        return [bias.numpy().copy() for bias in (*network.encoder_biases, *network.decoder_biases)]

    @property
    def encoder_(self):
        """The encoder as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        return self._fitted_network().encoder_module()

    @property
    def decoder_(self):
        """The decoder as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        return self._fitted_network().decoder_module()


def _totals(x, proportions):
    """Each row's total; with missing cells, the one that the observed cells' share implies."""
    total = x.nansum(dim=1, keepdim=True)
    if x.shape != proportions.shape:
        return total
    unseen = proportions.where(x.isnan(), 0.0).sum(dim=1, keepdim=True)
    return total / (1.0 - unseen).clamp(min=torch.finfo(x.dtype).eps)


def _sums_of_squares(differences, observed):
    """Per column, over observed cells."""
    return np.square(differences, dtype=np.float64).sum(axis=0, where=observed)


def _r2(errors, deviations):
    """R^2 over columns, weighted by variance, from sums of squares per column.

    As in scikit-learn's `r2_score`, a column that does not vary counts only if none does.
    """
    varies = deviations > 0
    if varies.any():
        return float(1.0 - errors[varies].sum() / deviations[varies].sum())
    return float((errors == 0).mean())
