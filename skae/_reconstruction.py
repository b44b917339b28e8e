"""What a fitted autoencoder offers beyond codes: reconstructions and scores."""

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_is_fitted

from skae._columns import column_means, has_missing, sums_of_squares, value_range, weighted_r2
from skae._engine.data import dense
from skae._engine.devices import off_torch
from skae._engine.modules import decoder_module
from skae._engine.network import Network
from skae._losses import LOSSES


class ReconstructionMixin:
    """The methods of a fitted autoencoder that need its decoder, and only read it.

    They go through X with the means of `InferenceMixin`.
    """

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

        Raises
        ------
        ValueError
            If X has not `n_components_` columns, or cells that are not finite.
        """
        check_is_fitted(self)
        X = check_array(
            off_torch(X),
            dtype=self._state.weights.dtype,
            order="C",
            accept_sparse="csr",
            estimator=self,
            input_name="X",
        )
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

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit`, or cells that are not finite (NaN is
            for `DenoisingAutoencoder`).
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
            Minus the reconstruction loss, summed over features and in its unit: at most
            0 with the squared error.

        Raises
        ------
        ValueError
            If the loss is not for X, such as a cross-entropy outside of [0, 1], or if rows
            were trained to become others of another width (see `DenoisingAutoencoder`).
        """
        X = self._validate_rows(X)
        self._check_loss_range(X, loss=self._fitted_loss)
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
                errors += sums_of_squares(rows - reconstructions, observed)
                deviations += sums_of_squares(rows - mean, observed)
            score = weighted_r2(errors, deviations)
        if not np.isfinite(score):
            raise ValueError(
                "The squared errors of the reconstructions of X are not finite, so that there "
                "is no score: its values are too far from those seen in fit. Scale X as in "
                "training."
            )
        return score

    def _check_loss_range(self, X, name="X", loss=None):
        """Refuse values that the loss, the parameter's by default, is not defined for."""
        loss = self._loss if loss is None else loss
        if not (loss.needs_unit_interval or loss.needs_counts):
            return
        low, high = value_range(X)
        parameter = self._loss_parameter.partition("=")[0]
        rounding = 10 * np.finfo(X.dtype).eps
        if loss.needs_unit_interval and (low < -rounding or high > 1 + rounding):
            raise ValueError(
                f"{self._loss_parameter} needs {name} in [0, 1], but found values from {low} to "
                f"{high}: scale it, for example with MinMaxScaler(clip=True), or choose another "
                f"{parameter}."
            )
        if loss.needs_counts and low < 0:
            raise ValueError(
                f"{self._loss_parameter} needs {name} of counts or proportions, but found values "
                f"down to {low}: do not centre it, or choose another {parameter}."
            )

    def _reconstruct(self, network, x):
        reconstructions = network.reconstruct(self._encode(network, x))
        if network.perceptron.decoder_activations[-1] == "softmax":  # of proportions, counts
            reconstructions = reconstructions * _totals(x, reconstructions)
        return reconstructions

    def _minus_loss(self, network, x):
        return -self._fitted_loss.rows(network.decode(self._encode(network, x)), x)

    @property
    def _fitted_loss(self):
        """The loss of the fit; the parameter may have been set to another since."""
        activation = self._perceptron.decoder_activations[-1]
        return next(loss for loss in LOSSES.values() if loss.activation == activation)

    @property
    def decoder_(self):
        """The decoder as a new `torch.nn.Module` on the CPU."""
        check_is_fitted(self)
        return decoder_module(self._fitted_network())


def _totals(x, proportions):
    """Each row's total; with missing cells, the one that the observed cells' share implies."""
    total = x.nansum(dim=1, keepdim=True)
    if x.shape != proportions.shape:
        return total
    unseen = proportions.where(x.isnan(), 0.0).sum(dim=1, keepdim=True)
    return total / (1.0 - unseen).clamp(min=torch.finfo(x.dtype).eps)
