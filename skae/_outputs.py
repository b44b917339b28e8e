"""Meanings of a decoder's output: activation, loss, domain of X, how to draw; one entry per kind.

Losses are summed over features, in the units of the papers. They are computed from the output
before its activation, so that none overflows if a probability rounds to 0 or 1. A likelihood is a
loss that is a full density, for the `VAE`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional

from skae._columns import beyond_unit_interval, column_means, column_sums, value_range
from skae._engine.constants import constant, scaled_
from skae._engine.network import averages_rows, keeps_memory, weighed
from skae._engine.saved import KINDS


@dataclass(frozen=True)
class Output:
    """Abstract base class for the meaning of a decoder's output: a kind defines its loss.

    A kind overrides `loss_of_cells`, or `loss_of_rows` if its loss is not a sum over features, and
    any other methods that differ: also `mean_loss`, if a derivative written by hand is faster than
    autograd. Objects are compared and saved as part of a network's description, so they hold only
    numbers and strings.

    Attributes
    ----------
    name : str
        Name in the estimator's parameter.
    activation : str
        Activation that turns an output into a reconstruction.
    absent : float
        An output whose loss is 0 if x is 0: it replaces the output of a missing value.
    has_totals : bool
        Whether rows are counts with a total, and reconstructions proportions.
    n_heads : int
        Number of vectors, each as wide as the data, that the decoder gives.

    See Also
    --------
    SquaredError : For any numbers.
    BinaryCrossEntropy : For numbers in [0, 1].
    CategoricalCrossEntropy : For counts or proportions.

    Examples
    --------
    >>> import torch
    >>> from skae.base import Output
    >>> class AbsoluteError(Output):
    ...     '''sum_j |x_j - r_j|, in the unit of x; the reconstruction r is the output.'''
    ...
    ...     name = "absolute_error"
    ...
    ...     def loss_of_cells(self, output, x):
    ...         return (output - x).abs()
    >>> AbsoluteError().loss_of_rows(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]]))
    tensor([3.])
    """

    name: ClassVar[str | None] = None
    activation: ClassVar[str] = "identity"
    absent: ClassVar[float] = 0.0
    has_totals: ClassVar[bool] = False
    n_heads: ClassVar[int] = 1

    def __str__(self):
        return self.name or type(self).__name__

    def loss_of_cells(self, output, x) -> torch.Tensor:
        """Compute the contribution of each cell to the loss of its row.

        Parameters
        ----------
        output : Tensor of shape (..., n_features)
            The decoder's output before the activation.
        x : Tensor of shape (..., n_features)
            The rows to compare it with.

        Returns
        -------
        losses : Tensor of shape (..., n_features)
            Losses in the unit of the loss; those of a row add up to `loss_of_rows`.

        Raises
        ------
        NotImplementedError
            If the loss is not a sum over features, so that cells do not contribute to
            it.
        """
        raise NotImplementedError(
            f"{self} has no loss per cell: give {type(self).__name__} a method loss_of_cells, if "
            "its loss is a sum over features."
        )

    def loss_of_rows(self, output, x) -> torch.Tensor:
        """Compute the loss of each row.

        Parameters
        ----------
        output : Tensor of shape (..., n_features)
            The decoder's output before the activation.
        x : Tensor of shape (..., n_features)
            The rows to compare it with.

        Returns
        -------
        losses : Tensor of shape (...)
            Losses summed over features: in nats for cross-entropies, in squared units of `x` for
            the squared error.
        """
        return self.loss_of_cells(output, x).sum(dim=-1)

    def deviance_of_rows(self, output, x) -> torch.Tensor:
        """Compute by how much the loss of each row exceeds the least possible loss.

        Parameters
        ----------
        output : Tensor of shape (..., n_features)
            The decoder's output before the activation.
        x : Tensor of shape (..., n_features)
            The rows to compare it with.

        Returns
        -------
        deviances : Tensor of shape (...)
            Deviances in the unit of the loss; by default, the loss itself.
        """
        return self.loss_of_rows(output, x)

    @averages_rows
    def mean_loss(self, output, x, sample_weight=None) -> tuple[torch.Tensor, Callable]:
        """Compute the mean loss over all rows and its pullback.

        Parameters
        ----------
        output : Tensor of shape (..., n, n_features)
            The decoder's output before the activation.
        x : Tensor of shape (n, n_features)
            The rows to compare it with.
        sample_weight : Tensor of shape (n,), default=None
            Factor of the loss of each row; None for 1.

        Returns
        -------
        mean : Tensor of shape ()
            The mean of `loss_of_rows`, in its unit.
        pullback : callable
            Turns the gradient at the mean, a scalar, into a tuple with the gradient at
            `output`, in the shape of `output`.
        """
        with torch.enable_grad():
            leaf = output if output.requires_grad else output.detach().requires_grad_()
            losses = self.loss_of_rows(leaf, x)
            mean = (losses if sample_weight is None else losses * sample_weight).mean()

        def pullback(gradient):
            gradient = torch.as_tensor(gradient, dtype=mean.dtype, device=mean.device)
            return torch.autograd.grad(mean, leaf, gradient)

        return mean if leaf is output else mean.detach(), pullback

    def check(self, X, name, parameter, of="") -> None:
        """Refuse values that the loss is not defined for.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features)
            Rows to compare with the decoder's output.
        name : str
            Name of X in the error.
        parameter : str
            Parameter that chose the output.
        of : str, default=""
            Owner of this parameter, if not the estimator itself.

        Raises
        ------
        ValueError
            If X has values outside the domain of the loss.
        """

    def reconstructed(self, reconstructions, x) -> torch.Tensor:
        """Bring reconstructions to the scale of the rows that were encoded.

        Parameters
        ----------
        reconstructions : Tensor of shape (n, n_features)
            The output after its activation.
        x : Tensor of shape (n, n_inputs)
            The rows that were encoded.

        Returns
        -------
        reconstructions : Tensor of shape (n, n_features)
            Reconstructions in the unit of the data.
        """
        return reconstructions

    def draw(self, means, rng, spread) -> np.ndarray:
        """Draw rows around reconstructions.

        Parameters
        ----------
        means : ndarray of shape (n, n_features)
            The reconstructions.
        rng : numpy.random.Generator
            Generator of random numbers.
        spread : float or ndarray
            The variance around a mean, in squared units of the data, or the total count
            of a row; other kinds ignore it.

        Returns
        -------
        X : ndarray of shape (n, n_features)
            The drawn rows, in the unit of the data.
        """
        raise NotImplementedError

    def n_extra(self, n_features, has_back) -> int:
        """Count the learnt numbers beside the weights of layers.

        Parameters
        ----------
        n_features : int
            Number of columns of the output.
        has_back : bool
            Whether the last layers are user-defined and may lack biases.

        Returns
        -------
        n_extra : int
            Number of them, 0 by default.
        """
        return 0

    def best_constant(self, X, sample_weight=None) -> np.ndarray | None:
        """Find the constant output, the same for all rows, with the lowest loss.

        A new network starts with it, so that training need not first find where X lies.

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n_samples, n_features)
            Rows to compare with the output; NaN for missing values.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weight of each row; None for 1.

        Returns
        -------
        output : ndarray of shape (n_features,) or None
            The output before the activation. None, the default, lets a network start
            near 0.
        """
        return None

    def start(self, network, data) -> None:
        """Set the numbers of a new network that depend on the data, in place.

        Parameters
        ----------
        network : Network
            The network, with drawn weights.
        data : Data
            The training data: rows `data.X` and their targets, `data.targets`.
        """
        output = self.best_constant(data.targets, data.sample_weight)
        if output is None:
            return
        output = _as_row(output)
        if network.perceptron.has_encoder:
            code = network.code_at_origin
        else:
            code = _as_row(column_means(data.X, data.sample_weight))
        network.answer(code, output)

    def without_missing(self, output, x) -> tuple[torch.Tensor, torch.Tensor]:
        """Change both where x is missing, so that these cells have no loss.

        Parameters
        ----------
        output : Tensor of shape (..., n_features)
            The decoder's output before the activation.
        x : Tensor of shape (..., n_features)
            The rows to compare it with; NaN for missing values.

        Returns
        -------
        output : Tensor of shape (..., n_features)
            The output, with `absent` where x is missing.
        x : Tensor of shape (..., n_features)
            The rows, with 0 where x is missing.
        """
        missing = x.isnan()
        return output.masked_fill(missing, self.absent), x.masked_fill(missing, 0.0)

    @averages_rows
    def mean_loss_of_observed(self, output, x, **weighing) -> tuple[torch.Tensor, Callable]:
        """Compute the mean loss of the observed cells and its pullback.

        Parameters
        ----------
        output : Tensor of shape (..., n_features)
            The decoder's output before the activation.
        x : Tensor of shape (..., n_features)
            The rows to compare it with; NaN for missing values.
        **weighing : Tensor of shape (n,)
            `sample_weight`, as in `mean_loss`.

        Returns
        -------
        mean : Tensor of shape ()
            The mean, as in `mean_loss`.
        pullback : callable
            The pullback, as in `mean_loss`; the gradient at a missing value is 0.
        """
        return self.mean_loss(*self.without_missing(output, x), **weighing)


@dataclass(frozen=True)
class SquaredError(Output):
    """||x - r||^2 for any numbers; the reconstruction r is the output itself.

    Its unit is the square of the data's unit.

    See Also
    --------
    BinaryCrossEntropy : For numbers in [0, 1].
    CategoricalCrossEntropy : For counts or proportions.

    Examples
    --------
    >>> import torch
    >>> from skae.base import SquaredError
    >>> SquaredError().loss_of_rows(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]]))
    tensor([5.])
    """

    name = "squared_error"

    def loss_of_cells(self, output, x) -> torch.Tensor:
        """(x_j - r_j)^2 of each cell."""
        return (output - x).square()

    def best_constant(self, X, sample_weight=None) -> np.ndarray:
        """The means of the columns."""
        return column_means(X, sample_weight)

    @keeps_memory
    @averages_rows
    def mean_loss(self, output, x, sample_weight=None, out=None) -> tuple[torch.Tensor, Callable]:
        """Its mean over all rows and the pullback."""
        n_rows = output.numel() // output.shape[-1]
        difference = torch.sub(output, x, out=out)
        flat = difference.reshape(-1)
        if sample_weight is not None:  # 0.5 in both directions avoids further memory
            half = torch.mul(sample_weight, constant(2.0 / n_rows, flat)).sqrt_().unsqueeze(-1)
            difference.mul_(half)
            mean = torch.dot(flat, flat).mul_(constant(0.5, flat))
            return mean, lambda gradient: (scaled_(difference.mul_(half), gradient, 1.0),)
        mean = torch.dot(flat, flat).mul_(constant(1.0 / n_rows, flat))
        return mean, lambda gradient: (scaled_(difference, gradient, 2.0 / n_rows),)

    def draw(self, means, rng, spread) -> np.ndarray:
        """Independent normals with these means and the variance `spread`."""
        noise = rng.standard_normal(means.shape).astype(means.dtype)
        return means + np.sqrt(spread, dtype=means.dtype) * noise


@dataclass(frozen=True)
class BinaryCrossEntropy(Output):
    """-sum_j x_j log r_j + (1 - x_j) log(1 - r_j) for x in [0, 1], in nats; r = logistic(output).

    It is computed from the output o as log(1 + e^o) - x o, which never overflows.

    See Also
    --------
    SquaredError : For any numbers.
    CategoricalCrossEntropy : For counts or proportions.

    Examples
    --------
    >>> import torch
    >>> from skae.base import BinaryCrossEntropy
    >>> BinaryCrossEntropy().loss_of_rows(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    tensor([1.3863])
    """

    name = "binary_cross_entropy"
    activation = "logistic"
    absent = -1e30

    def loss_of_cells(self, output, x) -> torch.Tensor:
        """The cross-entropy of each cell, in nats."""
        return functional.softplus(output) - x * output

    def deviance_of_rows(self, output, x) -> torch.Tensor:
        """The divergence of Bernoulli distributions, in nats."""
        entropy = -(torch.xlogy(x, x) + torch.xlogy(1.0 - x, 1.0 - x)).sum(dim=-1)
        return self.loss_of_rows(output, x) - entropy

    def best_constant(self, X, sample_weight=None) -> np.ndarray:
        """The logits of the column means, as if there were one more row with all values 1/2."""
        sums, n_observed = column_sums(X, sample_weight)
        return np.log((sums.clip(min=0.0) + 0.5) / ((n_observed - sums).clip(min=0.0) + 0.5))

    @keeps_memory
    @averages_rows
    def mean_loss(self, output, x, sample_weight=None, out=None) -> tuple[torch.Tensor, Callable]:
        """Its mean over all rows and the pullback."""
        n_rows = output.numel() // output.shape[-1]
        losses = functional.softplus(output) - x * output
        if sample_weight is not None:
            losses = losses.sum(dim=-1).mul_(sample_weight)
        mean = losses.sum().mul_(constant(1.0 / n_rows, output))

        def pullback(gradient):
            difference = torch.sigmoid(output, out=out).sub_(x)
            if sample_weight is None:
                return (scaled_(difference, gradient, 1.0 / n_rows),)
            return (difference.mul_((sample_weight * (gradient / n_rows)).unsqueeze(-1)),)

        return mean, pullback

    def check(self, X, name, parameter, of="") -> None:
        """Refuse values outside [0, 1]."""
        found = beyond_unit_interval(X)
        if found is not None:
            raise ValueError(
                f"{of}{parameter}={self.name!r} needs {name} in [0, 1], but found values from "
                f"{found[0]} to {found[1]}: scale it, for example with MinMaxScaler(clip=True), "
                f"or choose another {parameter}."
            )

    def draw(self, means, rng, spread) -> np.ndarray:
        """Zeros and ones."""
        return (rng.random(means.shape) < means).astype(means.dtype)


@dataclass(frozen=True)
class CategoricalCrossEntropy(Output):
    """-sum_j x_j log r_j for rows of counts or proportions, in nats; r = softmax(output).

    Reconstructions are proportions times the total of the encoded row.

    See Also
    --------
    SquaredError : For any numbers.
    BinaryCrossEntropy : For numbers in [0, 1].

    Examples
    --------
    >>> import torch
    >>> from skae.base import CategoricalCrossEntropy
    >>> CategoricalCrossEntropy().loss_of_rows(torch.zeros(1, 2), torch.tensor([[1.0, 3.0]]))
    tensor([2.7726])
    """

    name = "categorical_cross_entropy"
    activation = "softmax"
    absent = -1e30
    has_totals = True

    def loss_of_cells(self, output, x) -> torch.Tensor:
        """-x_j log r_j of each cell, in nats."""
        return (x * functional.log_softmax(output, dim=-1)).neg_()

    def deviance_of_rows(self, output, x) -> torch.Tensor:
        """The divergence from the row's own proportions, times its total, in nats."""
        totals = x.sum(dim=-1)
        entropy = torch.xlogy(totals, totals) - torch.xlogy(x, x).sum(dim=-1)
        return self.loss_of_rows(output, x) - entropy

    def best_constant(self, X, sample_weight=None) -> np.ndarray:
        """The logarithms of all rows' proportions, as if there were one more row of equal ones."""
        means = column_means(X, sample_weight)
        proportions = means / (means.sum() or 1.0)
        n_rows = X.shape[0] if sample_weight is None else sample_weight.sum()
        return np.log((n_rows * proportions + 1.0 / len(means)) / (n_rows + 1.0))

    @averages_rows
    def mean_loss(self, output, x, sample_weight=None) -> tuple[torch.Tensor, Callable]:
        """Its mean over all rows and the pullback."""
        x = weighed(x, sample_weight)  # the loss is linear in this sum
        n_rows, log_r = output.numel() // output.shape[-1], functional.log_softmax(output, dim=-1)
        mean = -(x * log_r).sum() / n_rows

        def pullback(gradient):
            totals = x.sum(dim=-1, keepdim=True)
            return (log_r.exp().mul_(totals).sub_(x).mul_(gradient / n_rows),)

        return mean, pullback

    def check(self, X, name, parameter, of="") -> None:
        """Refuse values below 0."""
        low, _ = value_range(X)
        if low < 0:
            raise ValueError(
                f"{of}{parameter}={self.name!r} needs {name} with counts or proportions, but "
                f"found values down to {low}: do not centre it, or choose another {parameter}."
            )

    def reconstructed(self, reconstructions, x) -> torch.Tensor:
        """Proportions times each row's total."""
        return reconstructions * _totals(x, reconstructions)

    def draw(self, means, rng, spread) -> np.ndarray:
        """Counts that add up to `spread`."""
        proportions = means / means.sum(axis=1, keepdims=True, dtype=np.float64)
        return rng.multinomial(round(spread), proportions).astype(means.dtype)


def _as_row(numbers):
    """The values as a tensor of one row, in the dtype in which weights are drawn."""
    return torch.from_numpy(np.asarray(numbers, np.float64)).unsqueeze(0)


def _totals(x, proportions):
    """Each row's total; with missing values, estimated from the observed cells' share."""
    total = x.nansum(dim=1, keepdim=True)
    if x.shape != proportions.shape:
        return total
    unseen = proportions.where(x.isnan(), 0.0).sum(dim=1, keepdim=True)
    return total / (1.0 - unseen).clamp(min=torch.finfo(x.dtype).eps)


#: The kinds of output that the parameter `loss` names, by name.
LOSSES = {
    output.name: output
    for output in (SquaredError(), BinaryCrossEntropy(), CategoricalCrossEntropy())
}
# Names in files; a user-defined output is saved as the object itself.
KINDS.update({name: type(loss) for name, loss in LOSSES.items()})


def penalized(loss, penalty, weight) -> tuple[torch.Tensor, Callable]:
    """Add a penalty to a loss and return the pullback.

    In an objective, `network.apply(penalized, loss, penalty, weight=0.1)` is the sum.

    Parameters
    ----------
    loss : Tensor of shape ()
        The mean loss of a batch.
    penalty : Tensor of shape ()
        The penalty, a mean over the same rows.
    weight : float
        Factor of the penalty.

    Returns
    -------
    objective : Tensor of shape ()
        The sum, loss + weight * penalty, in the unit of the loss.
    pullback : callable
        Turns the gradient at the objective, a scalar, into the gradients at loss and
        penalty.

    See Also
    --------
    BaseAutoencoder : Defines the objective.

    Examples
    --------
    >>> import torch
    >>> from skae.base import penalized
    >>> objective, pullback = penalized(torch.tensor(2.0), torch.tensor(3.0), weight=0.1)
    >>> round(objective.item(), 6), pullback(1.0)
    (2.3, (1.0, 0.1))
    """
    return torch.add(loss, penalty, alpha=weight), lambda gradient: (gradient, gradient * weight)


@keeps_memory
@averages_rows
def penalized_by(output, code, x, loss, penalty, weight, out=None, **weighing):
    """loss(output, x) + weight * penalty(code) and its pullback, for formulas with pullbacks.

    Equals `penalized` with their values, but as one formula, which is faster.
    """
    memory = {"out": out} if hasattr(loss, "keeps_memory") else {}
    error, pull_back_error = loss(output, x, **memory, **weighing)
    value, pull_back = penalty(code, **weighing)
    total = torch.add(error, value, alpha=weight)
    return total, lambda gradient: (*pull_back_error(gradient), *pull_back(gradient * weight))
