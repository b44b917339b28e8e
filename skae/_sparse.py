"""The sparse autoencoder: few units are active, each for a feature of its own."""

from dataclasses import replace
from functools import partial
from math import prod
from numbers import Integral, Real

import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack
from torch.nn import functional

from skae._base import BaseAutoencoder
from skae._compat import Interval, InvalidParameterError, StrOptions, align_sparse_interface
from skae._engine.activations import TopK
from skae._engine.constants import constant, constants, scaled_
from skae._engine.data import sample
from skae._engine.network import Network, weighed
from skae._engine.notice import warn
from skae._engine.shards import added_up
from skae._engine.streams import stream
from skae._engine.units import ROWS, unit_of
from skae._outputs import SquaredError, penalized_by
from skae.tables import TableEncoder

CANDIDATES = 2**21  # how many numbers the rows hold from which dead units choose
REVIVAL_ENDS = 0.7  # of the training: a revived unit needs time to learn


def kl_sparsity(mean_activation, target):
    """sum_j KL(rho || rho_j), between Bernoulli distributions, in nats.

    Parameters
    ----------
    mean_activation : Tensor of shape (n_components,)
        rho_j. Kept away from 0 and 1 by the dtype's precision, since the divergence is
        infinite there.
    target : float
        rho.
    """
    ratios, weights = _ratios(mean_activation, target)
    return ratios.log().mul_(weights).sum()


def kl_penalty(code, target, sample_weight=None, of_batch=None):
    """`kl_sparsity` of the units' means over a batch and its pullback (see `Tape.apply`).

    For a part of a batch, `of_batch` turns sums into the whole batch's: see
    `Network.in_proportion`.
    """
    n_rows = code.shape[0]
    if sample_weight is not None:  # a mean beyond 1 would have no divergence
        total = sample_weight.sum()
        sample_weight = sample_weight * (n_rows / (total if of_batch is None else of_batch(total)))
    # A sum and a product: torch's own mean over rows takes longer.
    total = code.sum(dim=0) if sample_weight is None else sample_weight @ code
    total = total if of_batch is None else of_batch(total)
    ratios, weights = _ratios(total.mul_(constant(1.0 / n_rows, code)), target)

    def pullback(gradient):
        active, inactive = ratios.unbind()  # faster than iteration
        slopes = scaled_(inactive - active, gradient, 1.0 / n_rows).expand_as(code)
        return (weighed(slopes, sample_weight),)

    return ratios.log().mul_(weights).sum(), pullback


def _ratios(mean_activation, target):
    """rho / rho_j and, below it, the complements' ratio; also rho and its complement."""
    columns = ((0.0,), (1.0,)), ((1.0,), (-1.0,)), ((target,), (1.0 - target,))
    offsets, signs, weights = constants(columns, mean_activation)
    rows = torch.addcmul(offsets, signs, mean_activation)  # rho_j and 1 - rho_j
    return weights / rows.clamp_(min=torch.finfo(rows.dtype).eps), weights


def l1_sparsity(code, sample_weight=None):
    """Mean over rows of sum_j |h_j|, for a code of shape (n, n_components)."""
    return weighed(code.abs(), sample_weight).sum().mul_(constant(1.0 / code.shape[0], code))


def l1_penalty(code, sample_weight=None):
    """`l1_sparsity`, and its pullback."""
    n_rows = code.shape[0]

    def pullback(gradient):
        return (scaled_(weighed(code.sign(), sample_weight), gradient, 1.0 / n_rows),)

    return l1_sparsity(code, sample_weight), pullback


def bounded_pull_back(atoms, gradient, axis=1):
    """Turn the gradient at atoms kept at norm 1 or below into one at the free atoms.

    Parameters
    ----------
    atoms : Tensor of shape (width, n)
        Its value before longer columns (or other slices) were scaled down to norm 1.
    gradient : Tensor of the same shape
        Changed in place.
    axis : int, default=1
        The axis along which the atoms are counted.
    """
    others = [other for other in range(atoms.ndim) if other != axis]
    norms = torch.linalg.vector_norm(atoms, dim=others, keepdim=True)
    units = atoms / norms
    radial = units * (units * gradient).sum(dim=others, keepdim=True)
    gradient.copy_(torch.where(norms > 1.0, (gradient - radial) / norms, gradient))


def revive(network, moments, dead, x, residuals, rows):
    """Give each dead unit a row to be active for, and give its atom that row's direction.

    A unit's weights take the direction of the row's residual (with hidden layers, or if
    the residual points away from the row: of the row's difference from the mean row).
    Their length makes the unit as active there as the row's active units are, up to the
    length of the longest living unit's weights. The bias makes its activation 0 at the
    mean row. The optimiser's averages start anew: the gradient's at 0, its square's at
    the living units' value.

    Parameters
    ----------
    network : Network
        Changed in place.
    moments : list of Network
        The optimiser's running averages, laid out like the weights.
    dead : Tensor of bool, shape (n_components,)
    x, residuals : Tensor of shape (n, n_features)
    rows : Tensor of int64, shape (n_dead,)
        If the code is an image, these are its pixels, row by row.
    """
    seen, code = network.before_code(x).flatten(0, -2), network.units(network.encode(x))
    mean, typical = seen.mean(dim=0), code.abs().sum() / code.count_nonzero().clamp_(min=1)
    apart, code = (seen - mean)[rows], code[rows]
    is_deep = len(network.encoder_layers) > 1 or network.front is not None
    direction = apart if is_deep else residuals[rows]
    points_away = (direction * apart).sum(dim=1, keepdim=True) <= 0
    direction = functional.normalize(torch.where(points_away, apart, direction))
    activation = code.abs().sum(dim=1) / code.count_nonzero(dim=1)
    activation = torch.where(activation > 0, activation, typical)  # NaN: nothing is active
    weights = network.encoder_weights[-1]
    longest = weights[~dead].norm(dim=1).max()
    reach = (direction * apart).sum(dim=1).clamp_(min=1e-12)
    weights[dead] = direction * (activation / reach).clamp_(max=longest).unsqueeze(1)
    network.encoder_biases[-1][dead] = -weights[dead] @ mean
    atoms = network.own_decoder_weights[0]
    if atoms is not None:
        atoms[:, dead] = direction.t() * atoms[:, ~dead].norm(dim=0).mean()
    for power, moment in enumerate(moments):
        of_units = [moment.encoder_weights[-1], moment.encoder_biases[-1]]
        if atoms is not None:
            of_units.append(moment.own_decoder_weights[0].t())
        for tensor in of_units:
            tensor[dead] = power * tensor[~dead].mean(dim=0)


class SparseAutoencoder(BaseAutoencoder):
    """Sparse autoencoder: codes with few active components.

    Minimises, batch by batch, one of ::

        mean over rows of  L(x, g(f(x)))  +  weight * sum_j KL(rho || rho_j)     ("kl")
        mean over rows of [L(x, g(f(x)))  +  weight * sum_j |f_j(x)|]            ("l1")
        mean over rows of  L(x, g(top_k(f(x))))                                  ("topk")

    plus `alpha/2 * ||W||^2`, where rho_j is the mean of unit j's activation f_j over the batch,
    and top_k keeps the `n_active` largest activations of a row. The code is usually wider than the
    data (overcomplete): sparsity, not width, keeps the autoencoder from copying its input, and
    units become detectors of parts.

    The default weights suit data in [0, 1], such as grey values; for other data, vary them by
    factors of 3. 'kl' limits a unit's mean over rows, not how many units a row uses; 'l1' and
    'topk' make most of a row's code exactly zero.

    Parameters
    ----------
    n_components : int, default=128
        Width of the code: how many numbers encode a row. A wider code reconstructs
        better and compresses less; it may have more components than X has features (an
        overcomplete code). If the code is an image (see `ConvNet`), its number of
        channels.
    sparsity : {'kl', 'l1', 'topk'}, default='kl'
        What keeps the code sparse. 'kl' pulls every unit's mean activation towards
        `target_activation`; the code must be 'logistic', and its biases start so that
        all activations are near the target. 'l1' keeps the sum of absolute activations
        small. 'topk' keeps the `n_active` largest units of each row; a unit that was
        active for no row of an epoch is revived: it gets a badly reconstructed row to
        be active for (in the first 70% of `max_iter`; not with solver='lbfgs'). 'l1'
        and 'topk' keep the decoder's atoms (the columns of its weights, in every layer)
        at norm 1 or below; otherwise rescaling would escape L1's penalty.
    sparsity_weight : float or 'auto', default='auto'
        Weight of the penalty: a larger weight makes the code sparser and the
        reconstruction worse, and with 'l1' leaves components dead. 'auto' is 3.0 for
        'kl' and 0.1 for 'l1'; with the squared error and X whose deviations are far
        from 1, it is that times the square of X's unit for 'kl', or the unit for 'l1'
        (see :ref:`auto`). With 0 this is the plain autoencoder. 'topk' has no
        penalty and ignores it.
    target_activation : float, default=0.05
        Rho, the mean activation that 'kl' aims at for each unit, between 0 and 1: with
        0.05 a unit is active for about one row in twenty; smaller values give rarer,
        more specific parts. 'l1' and 'topk' ignore it.
    n_active : int, default=8
        How many units 'topk' keeps for each row, those with the largest activations; at
        most `n_components`. More units reconstruct better and are harder to interpret.
        With `code_activation='identity'` exactly this many are not zero, with 'relu' at
        most this many. It may be changed after the fit, to encode with more: Makhzani
        and Frey advise two to three times as many for a classifier. If the code is an
        image, it is the number of channels kept at each pixel. 'kl' and 'l1' ignore it.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR matrix instead of an array. It takes less
        memory if few components are active, as with 'l1' and 'topk'; the units of 'kl'
        are never exactly 0.
    hidden_layer_sizes : int or array-like of int, default=()
        Widths of the encoder's hidden layers, input side first; the decoder mirrors
        them. More and wider layers can fit more curved data but take longer to train.
        An int is one hidden layer; `()` is the classical autoencoder with one layer
        each way.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'elu', 'gelu', 'softplus'}, \
            default='relu'
        Activation of the hidden layers and of a `ConvNet`: 'relu' is piecewise linear,
        'identity' is linear, the other functions are smooth. Without hidden layers, or
        with 'identity', the autoencoder is linear except for `code_activation`.
    code_activation : str, default='auto'
        Activation of the code, with the same options as `activation`: 'identity' allows
        any numbers, 'logistic' numbers in (0, 1), 'tanh' in (-1, 1), 'relu' at least 0.
        'auto' is 'logistic' for 'kl', which needs it, and 'relu' for 'l1' and 'topk';
        'topk' also works with 'identity', so that parts can be subtracted.
    loss : {'squared_error', 'binary_cross_entropy', 'categorical_cross_entropy'}, \
            default='squared_error'
        Reconstruction loss, summed over features. 'squared_error' takes any numbers and
        is in squared units of X. 'binary_cross_entropy' takes X in [0, 1] and makes
        reconstructions probabilities. 'categorical_cross_entropy' takes rows of counts,
        such as word counts, or of proportions: the decoder gives proportions, and
        `reconstruct` multiplies them by the row's total. Both cross-entropies are in
        nats; data outside their domain raise ValueError.
    tied_weights : bool, default=False
        Whether the decoder uses the encoder's weights, transposed. This halves the
        number of weights, which helps with few rows, and rules out rescaling between
        encoder and decoder. Not available with a `network`.
    network : ConvNet or another specification, default=None
        Layers of another kind around the dense ones: a row passes through the network's encoder,
        the hidden layers and the code's layer, then through mirrored dense layers and the
        network's decoder. `ConvNet(image_shape=(1, 28, 28))` suits images; a class of your own
        needs a method `build`, see `skae.networks`. None uses dense layers only.
    table : TableEncoder, 'auto' or None, default='auto'
        How data frames become numbers. 'auto' uses a `TableEncoder()` if a column is not numeric,
        for example categorical; `inverse_transform` and similar methods then return data frames,
        too. A given encoder, such as `TableEncoder(numeric='quantile')`, also encodes all-numeric
        tables and arrays. With None, data frames must be numeric and are read as arrays.
    alpha : float, default=0.0
        Strength of the weight decay alpha/2 * ||W||^2, which is part of the objective;
        biases are exempt. Larger values keep the weights small and the network smooth:
        raise it from 1e-5 by factors of 10 if new rows have a much higher loss than
        training rows. Unlike in MLPRegressor, it is not divided by the batch size.
    solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
        Optimiser. 'adam' suits most data. 'sgd' is stochastic gradient descent with
        Nesterov momentum 0.9; it needs a tuned `learning_rate_init`. 'lbfgs' suits
        small data: it takes all rows at once, one iteration is one epoch, training
        stops at the first one that does not improve by `tol`, and noise is drawn once.
        It ignores `learning_rate`, `learning_rate_init`, `batch_size`, `shuffle`,
        `n_iter_no_change` and `early_stopping`, and has no `partial_fit`.
    learning_rate : {'constant', 'cosine', 'one_cycle'}, default='constant'
        Schedule of the step size over the `max_iter` epochs: 'constant' lets training
        stop earlier; 'cosine' falls to zero; 'one_cycle' rises for the first 30% of the
        epochs, then falls to zero, and tolerates a larger `learning_rate_init`. With
        the last two, only `early_stopping` can end training before `max_iter`.
    learning_rate_init : float or 'auto', default='auto'
        Step size, or its peak if a schedule varies it. Lower it by factors of 3 if
        `loss_curve_` jumps or training diverges (a ValueError); raise it if the curve
        is smooth and still falling at its end. 'auto' depends on the encoder: 0.01 for
        layers that saturate ('logistic', 'tanh'), 0.03 if they are contracted, 0.003 if
        they start near principal components and for top-k codes, 0.0005 if only the
        remainder after principal components is left to learn, 0.001 otherwise, and less
        for wide tables. See :ref:`auto`.
    batch_size : int or 'auto', default='auto'
        Rows per step of the optimiser. With smaller batches an epoch has more steps: it
        takes longer and lowers the loss further. 'auto' is a twentieth of the rows, but
        at least 16 and at most 200.
    max_iter : int or 'auto', default='auto'
        Maximum number of epochs, that is, passes over X. Reaching it is not an error and does not
        warn. 'auto' is 20 epochs or 2,000 steps, whichever is longer; large networks and tables of
        few rows get fewer steps, and none gets more than 20,000. The fit then ends with a mean of
        the weights after its last epochs. See :ref:`auto`.
    shuffle : bool or 'windows', default=True
        Whether each epoch takes the rows in a new random order; if not, all epochs have the same
        batches. 'windows' suits memory maps larger than memory: the order is random within windows
        of 64 or more randomly drawn blocks, each of some thousand consecutive rows of X. See
        :ref:`windows`.
    tol : float, default=1e-4
        An epoch counts as an improvement if its loss is below the best one by more than
        `tol * abs(best)`: unlike in MLPRegressor, it is relative. Larger values stop
        training sooner.
    n_iter_no_change : int, np.inf or 'auto', default='auto'
        Number of consecutive epochs without improvement after which training stops.
        Raise it if the loss fluctuates, as it does with few rows or with noise; np.inf
        never stops. 'auto' is 10 epochs or 500 steps, whichever is longer. However
        small it is, training does not stop before it has learnt something.
    early_stopping : bool, default=False
        Whether to hold out rows, stop when their loss no longer improves, and restore
        the weights of its last improvement, or of the start. Useful for wide networks,
        which memorise small data sets; held-out rows are not trained on.
    validation_fraction : float, default=0.1
        Fraction of the rows that `early_stopping` holds out, rounded up. More held-out
        rows judge the weights better but leave fewer to train on.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous fit, for up to
        `max_iter` more epochs, instead of starting from new weights; the network must
        then be the same.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the held-out rows, the shuffling and the noise.
        With an int, refits on the same device with the same number of threads are
        identical to the bit. None draws a new seed; the global random generators are
        neither read nor changed.
    device : str, default='cpu'
        Where to compute: 'cpu', 'cuda' ('cuda:1' is the second such GPU), 'mps'
        (Apple's, in float32 only), or 'auto' for a GPU if there is one. If it is
        unavailable, `fit` raises ValueError; a fitted model falls back to the CPU with
        a warning. The device does not change the type of the results.
    precision : {'float', 'bf16'}, default='float'
        'float': training computes in the dtype of X. 'bf16': in training only, the
        layers round to bfloat16, which has 8 bits of precision; weights, losses and
        penalties are not rounded. On processors with bfloat16 instructions, 'bf16' is
        nearly twice as fast for layers of a thousand units and slower for small ones;
        on other processors it is many times slower, and `fit` warns.
    verbose : bool or int, default=False
        Whether to print the training's settings, then a line per epoch: the current
        part of the fit, the epoch's number, its loss, the loss of held-out rows if there
        are any, and its duration in seconds.

    Attributes
    ----------
    n_components_ : int
        Width of the code: the columns of `transform(X)`.
    mean_activation_ : ndarray of shape (n_components_,)
        rho_j, the mean activation of each unit over all rows passed to the last `fit`
        or `partial_fit`.
    code_density_ : float
        Fraction of the components that are active for these rows: not 0, or with 'kl'
        above twice `target_activation`.
    dead_components_ : ndarray of int
        Indices of the components that are active for none of these rows, of shape
        (n_dead,). With 'l1' and 'topk', `fit` warns if more than half are dead.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of all layers, the encoder's first. Not available with a `network`.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of all layers, the encoder's first. Not available with a `network`.
    encoder_ : torch.nn.Module
        The encoder, rebuilt from the weights on the CPU at each access.
        `encoder_(torch.tensor(X))` equals `transform(X)` for X in the dtype of the fit;
        other dtypes raise TypeError. To train it, call its `requires_grad_()` first.
    decoder_ : torch.nn.Module
        The decoder, rebuilt likewise; `decoder_(torch.tensor(Z))` equals `inverse_transform(Z)`.
    loss_ : float
        Objective per row, penalties included, in the last epoch.
    best_loss_ : float
        Lowest loss of any epoch, measured on the held-out rows if there are any; with
        these, the loss before the first epoch counts, too.
    loss_curve_ : list of float
        Objective per row in each epoch, averaged while the weights change. If training
        was continued (`warm_start`, `partial_fit`), earlier epochs come first.
    validation_loss_curve_ : list of float or None
        Objective per held-out row after each epoch; None without held-out rows.
    n_iter_ : int
        Number of epochs run by the last `fit`, and by `partial_fit` since then.
    batch_size_ : int
        Rows per step that training used, resolved from `batch_size`.
    learning_rate_init_ : float
        Step size that training used, resolved from `learning_rate_init`.
    max_iter_ : int
        Maximum number of epochs, resolved from `max_iter`.
    n_iter_no_change_ : int or np.inf
        Number of epochs without improvement that training would have waited for.
    table_ : TableEncoder
        The fitted encoder of data frames; only if `fit` got a data frame to encode.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during fit; only if all column names of X are strings.

    See Also
    --------
    sklearn.decomposition.MiniBatchDictionaryLearning : Sparse codes by optimisation
        for each row instead of by an encoder.
    Autoencoder : The same without a penalty.

    References
    ----------
    Ng, "Sparse autoencoder", CS294A lecture notes, Stanford University, 2011,
    https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf.

    Makhzani and Frey, "k-sparse autoencoders", ICLR 2014,
    https://arxiv.org/abs/1312.5663.

    Gao et al., "Scaling and evaluating sparse autoencoders", ICLR 2025,
    https://arxiv.org/abs/2406.04093.

    Bricken et al., "Towards monosemanticity: decomposing language models with dictionary
    learning", Transformer Circuits Thread, 2023 (on reviving dead units),
    https://transformer-circuits.pub/2023/monosemantic-features.

    Olshausen and Field, "Emergence of simple-cell receptive field properties by learning
    a sparse code for natural images", Nature 381, 1996, https://doi.org/10.1038/381607a0.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SparseAutoencoder
    >>> X = load_digits().data / 16
    >>> sparse = SparseAutoencoder(max_iter=50, random_state=0).fit(X)
    >>> print(f"{sparse.mean_activation_.mean():.2f}")
    0.05
    >>> top = SparseAutoencoder(sparsity="topk", n_active=8, max_iter=50, random_state=0)
    >>> codes = top.set_params(sparse_output=True).fit_transform(X)
    >>> int(codes.getnnz(axis=1).max())
    8
    """

    mean_activation_: np.ndarray
    code_density_: float
    dead_components_: np.ndarray

    _parameter_constraints = {
        **BaseAutoencoder._parameter_constraints,
        "sparsity": [StrOptions({"kl", "l1", "topk"})],
        "sparsity_weight": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "target_activation": [Interval(Real, 0, 1, closed="neither")],
        "n_active": [Interval(Integral, 1, None, closed="left")],
        "sparse_output": ["boolean"],
    }

    def __init__(
        self,
        n_components=128,
        *,
        sparsity="kl",
        sparsity_weight: float | str = "auto",
        target_activation=0.05,
        n_active=8,
        sparse_output=False,
        hidden_layer_sizes=(),
        activation="relu",
        code_activation="auto",
        loss="squared_error",
        tied_weights=False,
        network=None,
        table: TableEncoder | str | None = "auto",
        alpha=0.0,
        solver="adam",
        learning_rate="constant",
        learning_rate_init: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        shuffle: bool | str = True,
        tol=1e-4,
        n_iter_no_change: float | str = "auto",
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        random_state=None,
        device="cpu",
        precision="float",
        verbose: bool | int = False,
    ):
        self.n_components = n_components
        self.sparsity = sparsity
        self.sparsity_weight = sparsity_weight
        self.target_activation = target_activation
        self.n_active = n_active
        self.sparse_output = sparse_output
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
        self.loss = loss
        self.tied_weights = tied_weights
        self.network = network
        self.table = table
        self.alpha = alpha
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.verbose = verbose

    def transform(self, X) -> np.ndarray:
        """Encode X, deterministically.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows to encode.

        Returns
        -------
        codes : ndarray or CSR matrix of shape (n_samples, n_components)
            The code of each row, in the dtype of the fit; sparse with `sparse_output`.

        Raises
        ------
        ValueError
            If X has not as many columns as in `fit` or has values that are not finite, or if
            `n_active` was raised above `n_components`.
        """
        rows = self._validate_rows(X)
        if not self.sparse_output:
            return self._remember(self._codes(rows), X)
        codes = vstack([csr_matrix(code) for _, code in self._chunks(self._encode, rows)])
        return self._remember(align_sparse_interface(codes.tocsr()), X)

    def _objective(self, network, x, noise):
        code = network.encode(x)
        output, loss = network.decode(code), network.perceptron.output.mean_loss
        if self.sparsity == "topk":
            active = (network.units(code.detach()) != 0).any(dim=0)
            network.active = active if network.active is None else network.active | active
        if self._weight == 0 or self.sparsity == "topk":
            return network.apply(loss, output, x)
        if self.sparsity == "l1":
            penalty = l1_penalty
        else:
            rho, of_batch = self.target_activation, network.in_proportion
            penalty = partial(kl_penalty, target=rho, of_batch=of_batch)
        weight = self._weight
        return network.apply(
            penalized_by, output, code, x, loss=loss, penalty=penalty, weight=weight
        )

    def _begin_epoch(self, trainer, progress):
        idle = trainer.state.idle
        if idle is None or not idle.any() or idle.all() or progress > REVIVAL_ENDS:
            return
        state, n_rows = trainer.state, len(trainer.split.training)
        generator = stream(state.seed, "revival", state.n_epochs)
        n_some = max(1, min(n_rows, CANDIDATES // trainer.network.perceptron.width))
        some = torch.randperm(n_rows, generator=generator, device="cpu")[:n_some]
        (x,) = trainer.take(trainer.split.training[some].to(trainer.device))
        dead = torch.from_numpy(idle).to(trainer.device)
        residuals, n_dead = x - self._reconstruct(trainer.network, x), int(idle.sum())
        errors = residuals.square().sum(dim=1).cpu().add_(1e-12)
        if trainer.data.sample_weight is not None:
            errors *= torch.from_numpy(trainer.data.sample_weight)[trainer.split.training[some]]
        errors = errors.repeat_interleave(prod(trainer.network.perceptron.image))
        repeats = n_dead > len(errors)
        rows = torch.multinomial(errors, n_dead, replacement=repeats, generator=generator)
        moments = [Network(trainer.network.perceptron, moment) for moment in trainer.moments]
        revive(trainer.network, moments, dead, x, residuals, rows.to(trainer.device))
        self._constrain(trainer.network)

    def _constrain(self, network):
        if self._bounds_atoms:
            for atoms, axis in network.atoms:
                atoms.renorm_(p=2, dim=axis, maxnorm=1.0)

    def _pull_back_constraint(self, free, gradient):
        if self._bounds_atoms:
            for (atoms, axis), (their_gradient, _) in zip(free.atoms, gradient.atoms, strict=True):
                bounded_pull_back(atoms, their_gradient, axis)

    @property
    def _bounds_atoms(self):
        return self.sparsity == "topk" or (self.sparsity == "l1" and self._weight > 0)

    def _initial_network(self, perceptron, generator, data):
        network = super()._initial_network(perceptron, generator, data)
        if self.sparsity == "kl" and self._weight > 0:
            # Starting from rho_j = 1/2, the penalty would drive every unit to zero.
            rho = self.target_activation
            network.encoder_biases[-1].fill_(np.log(rho / (1.0 - rho)))
        self._constrain(network)
        return network

    def _summarize(self, data):
        total, n_active = added_up(self._sums_of_codes, data.X, data.sample_weight)
        n_rows = len(data) if data.sample_weight is None else data.sample_weight.sum()
        self.mean_activation_ = (total / n_rows).astype(self._state.weights.dtype, copy=False)
        self.code_density_ = float(n_active.mean() / n_rows)
        self.dead_components_ = np.flatnonzero(n_active == 0)

    def _sums_of_codes(self, X, sample_weight):
        """For each component, the sum of its activations and its number of active rows."""
        # Logistic units are never 0.
        threshold = 2.0 * self.target_activation if self.sparsity == "kl" else 0.0
        total, n_active, start = 0.0, 0, 0
        for rows, code in self._chunks(self._encode, X):
            active = np.abs(code) > threshold
            if sample_weight is not None:
                weights = sample_weight[start : start + len(rows), None]
                code, active, start = code * weights, active * weights, start + len(rows)
            total = total + code.sum(axis=0)
            n_active = n_active + active.sum(axis=0)
        # A process may have no row.
        return [np.broadcast_to(sums, self.n_components_) for sums in (total, n_active)]

    @property
    def _is_held_back(self):
        return super()._is_held_back or self._weight > self._auto_weight

    @property
    def _has_free_code(self):
        return self._weight == 0

    @property
    def _n_components_at_once(self):
        return self.n_active if self.sparsity == "topk" else self.n_components_

    def _warn_of_fit(self, data):
        super()._warn_of_fit(data)
        n_dead = len(self.dead_components_)
        if self.sparsity != "kl" and n_dead > self.n_components_ / 2:
            remedy = "lower sparsity_weight" if self.sparsity == "l1" else "raise n_active"
            warn(
                f"{n_dead} of {self.n_components_} components are dead, active for no row: "
                f"{remedy}, raise max_iter or lower n_components.",
            )

    def _check_parameters(self):
        super()._check_parameters()
        if self.sparsity == "kl" and self.code_activation not in ("auto", "logistic"):
            raise InvalidParameterError(
                f"sparsity='kl' needs code_activation='logistic' (or 'auto'), whose units have "
                f"activations in (0, 1), but found {self.code_activation!r}: change it, or use "
                "sparsity='l1'."
            )
        if self.sparsity == "topk":
            self._check_top_k()

    def _check_top_k(self):
        if self.code_activation not in ("auto", "relu", "identity"):
            raise InvalidParameterError(
                "sparsity='topk' needs code_activation='relu' (or 'auto') or 'identity', but found "
                f"{self.code_activation!r}: change it, or use another sparsity."
            )
        self._check_n_active(self.n_components)
        self._refuse_lbfgs("sparsity='topk', which revives dead units,", "sparsity='l1'")

    def _check_n_active(self, n_components):
        if self.n_active > n_components:
            raise InvalidParameterError(
                f"n_active={self.n_active} must be at most n_components={n_components}: a code "
                "cannot have more active components than it has."
            )

    def _describe_perceptron(self, n_features):
        perceptron = super()._describe_perceptron(n_features)
        if self.sparsity != "topk":
            return perceptron
        return self._with_top_k(perceptron, perceptron.encoder_activations[-1])

    @property
    def _fitted_perceptron(self):
        perceptron, code = self._perceptron, self._perceptron.encoder_activations[-1]
        if not isinstance(code, TopK):
            return perceptron
        self._check_n_active(perceptron.sizes[-1])
        return self._with_top_k(perceptron, code.activation)

    def _with_top_k(self, perceptron, activation):
        code = TopK(activation, int(self.n_active))
        return replace(perceptron, encoder_activations=(*perceptron.encoder_activations[:-1], code))

    _unit_of_error_ = 1.0

    def _prepare(self, data, continues):
        if not continues and isinstance(self._output, SquaredError):
            self._unit_of_error_ = unit_of(sample(data, ROWS, seed=0).targets)

    @property
    def _weight(self):
        return self._auto_weight if self.sparsity_weight == "auto" else self.sparsity_weight

    @property
    def _auto_weight(self):
        """Weights that make the code as sparse in any unit of X: its errors are squares of it."""
        unit = self._unit_of_error_
        return {"kl": 3.0 * unit**2, "l1": 0.1 * unit, "topk": 0.0}[self.sparsity]

    @property
    def _auto_code_activation(self):
        return {"kl": "logistic", "l1": "relu", "topk": "relu"}[self.sparsity]
