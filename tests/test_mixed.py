"""The outputs of tables: their values and gradients against torch's own, cell by cell."""

import numpy as np
import pytest
import torch
from helpers import normal
from sklearn.metrics import log_loss, r2_score
from torch.distributions import Categorical, Normal
from torch.nn import functional

from skae._engine.activations import BlockSoftmax
from skae._mixed import (
    Blocks,
    Mixed,
    MixedDensity,
    blocks_of,
    mean_d2,
    split_missing,
    sums_of_cells,
    sums_of_losses,
)

SHAPES = {
    "usual": (0, 3, 0, 2, 5),
    "numbers alone": (0, 0, 0),
    "categories alone": (3, 2),
    "one number": (0,),
    "one category": (4,),
    "blocks of one": (1, 0, 1, 2),
    "a wide one": (0, 1000, 2, 0, 300, 1, 0),
    "many": (0, 2) * 150,
}
each_shape = pytest.mark.parametrize("widths", SHAPES.values(), ids=SHAPES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
N_ROWS = 12
# Outputs near 0, and such that exponentials of them overflow, in both dtypes.
SCALES = {"near": 1.0, "far": 1e4}
each_scale = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
WEIGHTS = torch.linspace(0.5, 3.0, N_ROWS, dtype=torch.float64)


def starts(widths):
    sizes = [max(1, width) for width in widths]
    return zip(np.cumsum([0, *sizes[:-1]]).tolist(), widths, strict=True)


def rows_of(widths, missing=0.0, seed=1):
    """Rows of a matrix with numbers and indicators, some of whose cells are missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N_ROWS, sum(max(1, width) for width in widths)))
    for start, width in starts(widths):
        if width:
            x[:, start : start + width] = np.eye(width)[rng.integers(0, width, N_ROWS)]
        x[rng.random(N_ROWS) < missing, start : start + max(1, width)] = np.nan
    return torch.from_numpy(x)


def reference(widths, output, x, variances=None):
    """Losses of cells (..., n, n_cells), by torch, one cell after the other; 0 where missing."""
    losses, numbers = [], iter([] if variances is None else variances)
    for start, width in starts(widths):
        its, given = output[..., start : start + max(1, width)], x[:, start : start + max(1, width)]
        missing, given = given[:, 0].isnan(), given.nan_to_num()
        if width:
            loss = -(given * functional.log_softmax(its, dim=-1)).sum(dim=-1)
        elif variances is None:
            loss = (its - given).square()[..., 0]
        else:
            loss = -Normal(its, next(numbers).sqrt()).log_prob(given.expand_as(its))[..., 0]
        losses.append(torch.where(missing, 0.0, loss))
    return torch.stack(losses, dim=-1)


def assert_near(found, expected):
    """To the precision of the dtype, of numbers that may cancel."""
    limit = 1e-11 if found.dtype == torch.float64 else 2e-5
    expected = expected.to(found.dtype)
    size = float(expected.abs().max()) if expected.numel() else 0.0
    torch.testing.assert_close(found, expected, rtol=limit, atol=limit * max(1.0, size))


def check_with_gradients(formula, inputs, expected_of, dtype, **weighing):
    """A formula's value and pullback in a dtype are autograd's of a reference in float64."""
    leaves = [value.clone().requires_grad_() for value in inputs]
    expected = expected_of(*leaves)
    gradients = torch.autograd.grad(3.0 * expected, leaves)
    weighing = {name: value.to(dtype) for name, value in weighing.items()}
    value, pullback = formula(*(each.to(dtype) for each in inputs), **weighing)
    assert value.dtype == dtype
    assert_near(value, expected.detach())
    for found, gradient in zip(pullback(3.0), gradients, strict=True):
        assert_near(found, gradient)


@each_scale
@each_dtype
@each_shape
@pytest.mark.parametrize("missing", [0.0, 0.4], ids=["whole", "gaps"])
@pytest.mark.parametrize("n_draws", [None, 3], ids=["rows", "draws"])
@pytest.mark.parametrize("weighing", [{}, {"sample_weight": WEIGHTS}], ids=["alike", "weighted"])
def test_mean_loss(widths, scale, dtype, missing, n_draws, weighing):
    x, shape = rows_of(widths, missing), (N_ROWS,) if n_draws is None else (n_draws, N_ROWS)
    output = scale * normal(*shape, x.shape[1]).to(dtype).double()
    x = x.to(dtype).double()
    weights = weighing.get("sample_weight", torch.ones(N_ROWS))

    def formula(output, **weighing):
        return Mixed(widths).mean_loss(output, x.to(dtype), **weighing)

    def expected(output):
        return (reference(widths, output, x).sum(dim=-1) * weights).mean()

    check_with_gradients(formula, [output], expected, dtype, **weighing)


@each_scale
@each_dtype
@each_shape
@pytest.mark.parametrize("missing", [0.0, 0.4], ids=["whole", "gaps"])
@pytest.mark.parametrize("weighing", [{}, {"sample_weight": WEIGHTS}], ids=["alike", "weighted"])
def test_mean_density_loss(widths, scale, dtype, missing, weighing):
    x = rows_of(widths, missing).to(dtype).double()
    output = scale * normal(2, N_ROWS, x.shape[1]).to(dtype).double()
    variance = torch.linspace(0.5, 2.0, widths.count(0), dtype=torch.float64).to(dtype).double()
    weights = weighing.get("sample_weight", torch.ones(N_ROWS))

    def formula(output, variance, **weighing):
        density = MixedDensity(widths)
        return density.mean_density_loss(output, variance, x.to(dtype), **weighing)

    def expected(output, variance):
        # Of tables without numbers, there is nothing that depends on variances.
        losses = reference(widths, output, x, variance).sum(dim=-1) + 0.0 * variance.sum()
        return (losses * weights).mean()

    check_with_gradients(formula, [output, variance], expected, dtype, **weighing)


@each_shape
def test_gradients_in_kept_memory_are_the_same(widths):
    x, memory = rows_of(widths, 0.3), None
    output = normal(N_ROWS, x.shape[1])
    memory = torch.full_like(output, torch.nan)
    value, pullback = Mixed(widths).mean_loss(output, x)
    kept_value, kept_pullback = Mixed(widths).mean_loss(output, x, out=memory)
    assert torch.equal(value, kept_value)
    assert torch.equal(pullback(1.0)[0], kept_pullback(1.0)[0])


def test_arguments_stay_as_they_are():
    widths = SHAPES["usual"]
    x, output = rows_of(widths, 0.3), normal(N_ROWS, 12)
    before = x.clone(), output.clone()
    Mixed(widths).mean_loss(output, x)[1](1.0)
    MixedDensity(widths).mean_density_loss(output, torch.ones(2, dtype=x.dtype), x)[1](1.0)
    torch.testing.assert_close((x, output), before, rtol=0, atol=0, equal_nan=True)


@each_shape
def test_rows_and_cells_are_parts_of_the_mean(widths):
    x, output = rows_of(widths, 0.3), normal(N_ROWS, sum(max(1, width) for width in widths))
    kind, expected = Mixed(widths), reference(widths, output, x)
    whole = kind.without_missing(output, x)
    cells = sums_of_cells(widths, kind.loss_of_cells(*whole).numpy())
    np.testing.assert_allclose(cells, expected, atol=1e-12)
    rows = kind.loss_of_rows(*whole)
    torch.testing.assert_close(rows, expected.sum(dim=-1))
    torch.testing.assert_close(kind.mean_loss(output, x)[0], rows.mean())


@each_scale
@each_shape
def test_activation_is_a_softmax_within_each_block(widths, scale):
    output = scale * normal(2, N_ROWS, sum(max(1, width) for width in widths))
    found, logs = BlockSoftmax(widths)(output), BlockSoftmax(widths).log(output)
    for start, width in starts(widths):
        its = slice(start, start + max(1, width))
        expected = torch.softmax(output[..., its], dim=-1) if width else output[..., its]
        torch.testing.assert_close(found[..., its], expected)
        if width:
            torch.testing.assert_close(logs[..., its], torch.log_softmax(output[..., its], dim=-1))
    assert torch.equal(BlockSoftmax(widths).layer()(output), found)


def density_in_network(widths, variance):
    """A `MixedDensity` of fixed variances, and what stands in for its network."""

    class Network:
        extra = torch.empty(0, dtype=torch.float64)

    return MixedDensity(widths, noise_variance=variance), Network()


@pytest.mark.parametrize("variance", [0.3, 1.0, 20.0])
@each_shape
def test_log_rows_are_those_of_torchs_distributions(widths, variance):
    x, output = rows_of(widths), normal(3, N_ROWS, sum(max(1, width) for width in widths))
    expected = torch.zeros(3, N_ROWS, dtype=torch.float64)
    for start, width in starts(widths):
        if width:
            its = Categorical(logits=output[..., start : start + width])
            expected += its.log_prob(x[:, start : start + width].argmax(dim=-1))
        else:
            its = Normal(output[..., start], variance**0.5)
            expected += its.log_prob(x[:, start])
    kind, network = density_in_network(widths, variance)
    torch.testing.assert_close(kind.log_rows(network, output, x), expected)


def test_missing_cells_have_no_part_in_a_density():
    widths = SHAPES["usual"]
    x, output = rows_of(widths, 0.5), normal(N_ROWS, 12)
    kind, network = density_in_network(widths, 0.7)
    variances = torch.full((2,), 0.7, dtype=torch.float64)
    expected = -reference(widths, output, x, variances).sum(dim=-1)
    torch.testing.assert_close(kind.log_rows(network, output, x), expected)


def test_proportions_are_compared_with_probabilities():
    """As where a category is not known: their cross-entropy, at least their entropy."""
    x = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)
    loss, pullback = Mixed((3,)).mean_loss(x.log(), x)
    torch.testing.assert_close(loss, Categorical(probs=x).entropy()[0])
    torch.testing.assert_close(pullback(1.0)[0], torch.zeros_like(x))


# Starts and scores.


def one_hot(codes, width):
    return np.eye(width)[codes]


def some_columns(n=50):
    rng = np.random.default_rng(0)
    number, codes = rng.normal(3.0, 2.0, size=n), rng.integers(0, 3, n)
    return number, codes, np.column_stack([number, one_hot(codes, 3)])


def test_best_constant_costs_least():
    """Of as many rows that one more of equal proportions hardly matters."""
    number, codes, X = some_columns(50_000)
    constant = Mixed((0, 3)).best_constant(X)
    assert constant[0] == pytest.approx(number.mean())
    proportions = np.bincount(codes) / len(codes)
    np.testing.assert_allclose(np.exp(constant[1:]), proportions, rtol=1e-3)
    assert np.exp(constant[1:]).sum() == pytest.approx(1.0)


def test_best_constant_goes_by_weights_and_observed_cells():
    _, _, X = some_columns()
    X[::4, 0], X[1::5, 1:] = np.nan, np.nan
    weights = np.arange(50) % 3 + 1
    found = Mixed((0, 3)).best_constant(X, weights.astype(float))
    np.testing.assert_allclose(found, Mixed((0, 3)).best_constant(X.repeat(weights, axis=0)))


def test_best_constant_of_categories_that_no_row_has_is_finite():
    X = np.zeros((4, 3))
    X[:, 0] = 1.0
    assert np.isfinite(Mixed((3,)).best_constant(X)).all()
    X[:] = np.nan
    np.testing.assert_allclose(Mixed((3,)).best_constant(X), np.log(1 / 3))


@pytest.mark.parametrize("weights", [None, np.arange(50) % 4 + 0.5], ids=["alike", "weighted"])
def test_sums_of_losses_are_scikit_learns(weights):
    number, codes, X = some_columns()
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(3), size=50)
    reconstructions = np.column_stack([number + rng.normal(size=50), probabilities])
    errors = sums_of_losses((0, 3), X, reconstructions, weights)
    mean = np.average(X, axis=0, weights=weights)
    deviations = sums_of_losses((0, 3), X, mean, weights)
    of_number = r2_score(number, reconstructions[:, 0], sample_weight=weights)
    entropy = log_loss(codes, np.tile(mean[1:], (50, 1)), sample_weight=weights)
    of_category = 1 - log_loss(codes, probabilities, sample_weight=weights) / entropy
    assert mean_d2(errors, deviations) == pytest.approx((of_number + of_category) / 2)


def test_cells_that_do_not_vary_count_only_if_none_does():
    assert mean_d2(np.array([0.5, 0.0]), np.array([1.0, 0.0])) == 0.5
    assert mean_d2(np.zeros(2), np.zeros(2)) == 1.0
    assert mean_d2(np.ones(2), np.zeros(2)) == 0.0


@pytest.mark.parametrize("spread", [0.0, 0.25, np.array([0.25, 4.0])], ids=str)
def test_draws_follow_their_probabilities(spread):
    widths, rng = (0, 3, 0), np.random.default_rng(0)
    means = np.tile([1.0, 0.2, 0.0, 0.8, -2.0], (20_000, 1))
    X = Mixed(widths).draw(means, rng, spread)
    assert set(np.unique(X[:, 1:4])) == {0.0, 1.0} and (X[:, 1:4].sum(axis=1) == 1).all()
    np.testing.assert_allclose(X.mean(axis=0), means[0], atol=0.05)
    np.testing.assert_allclose(X[:, [0, 4]].var(axis=0), np.broadcast_to(spread, 2), rtol=0.05)
    assert not X[:, 2].any()


# Where columns lie.


@each_shape
@each_dtype
def test_blocks_know_their_columns(widths, dtype):
    blocks, like = Blocks(widths, torch.empty(0, dtype=dtype)), torch.empty(0, dtype=dtype)
    columns = normal(2, 4, len(blocks.cell_of)).to(dtype)
    of_blocks = [(start, width) for start, width in starts(widths) if width]
    expected = [columns[..., start : start + width].sum(dim=-1) for start, width in of_blocks]
    if expected:
        torch.testing.assert_close(blocks.sums(columns), torch.stack(expected, dim=-1))
    factors = normal(2, 4, len(of_blocks), seed=1).to(dtype)
    multiplied = blocks.multiply_(columns.clone(), factors)
    for number, (start, width) in enumerate(of_blocks):
        its = slice(start, start + width)
        torch.testing.assert_close(multiplied[..., its], columns[..., its] * factors[..., [number]])
    assert blocks_of(widths, like) is blocks_of(widths, like)


def test_blocks_that_inference_mode_has_seen_first_can_be_trained_with():
    widths = (0, 3, 7)  # of no other test
    with torch.inference_mode():
        blocks_of(widths, torch.empty(0))
    output = torch.zeros(2, 11, requires_grad=True)
    (output * blocks_of(widths, output).is_category).sum().backward()
    assert output.grad.sum() == 2 * 10


def test_whole_rows_are_not_copied():
    x = torch.ones(2, 3)
    assert split_missing(x) == (x, None)
    x[0, 0] = x[1, 1:] = torch.nan
    whole, observed = split_missing(x)
    assert whole.tolist() == observed.tolist() == [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
