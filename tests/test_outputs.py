"""Reconstruction losses against torch's; what else an output means."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.sparse import csr_array, csr_matrix
from sklearn.metrics import log_loss
from torch.distributions import Bernoulli, Categorical, kl_divergence
from torch.nn import functional

from skae._likelihoods import Gaussian
from skae._outputs import LOSSES, Output, SquaredError

squared_error, binary_cross_entropy, categorical_cross_entropy = (
    LOSSES[name].loss_of_rows
    for name in ("squared_error", "binary_cross_entropy", "categorical_cross_entropy")
)

EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def output():
    generator = torch.Generator().manual_seed(0)
    return 5 * torch.randn(30, 7, dtype=torch.float64, generator=generator)


@pytest.fixture
def x():
    return torch.rand(30, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def torchs_squared_error(output, x):
    return functional.mse_loss(output, x, reduction="none").sum(dim=1)


def torchs_cross_entropy(output, x):
    return functional.binary_cross_entropy_with_logits(output, x, reduction="none").sum(dim=1)


def torchs_categorical_cross_entropy(output, x):
    probabilities = x.expand_as(output).transpose(1, -1)  # torch wants classes second
    return functional.cross_entropy(output.transpose(1, -1), probabilities, reduction="none")


PAIRS = [
    (squared_error, torchs_squared_error),
    (binary_cross_entropy, torchs_cross_entropy),
    (categorical_cross_entropy, torchs_categorical_cross_entropy),
]
every_loss = pytest.mark.parametrize("loss, reference", PAIRS)


def gradient(loss, output, x):
    output = output.clone().requires_grad_()
    return torch.autograd.grad(loss(output, x).sum(), output)[0]


@every_loss
def test_rows_equal_torchs_loss_summed_over_features(loss, reference, output, x):
    assert loss(output, x).shape == (30,)
    torch.testing.assert_close(loss(output, x), reference(output, x), **EXACT)


@every_loss
def test_gradient_equals_torchs(loss, reference, output, x):
    found, expected = gradient(loss, output, x), gradient(reference, output, x)
    torch.testing.assert_close(found, expected, **EXACT)


@every_loss
def test_leading_dimensions_are_kept(loss, reference, output, x):
    draws = torch.stack([output, -output])
    expected = torch.stack([reference(output, x), reference(-output, x)])
    torch.testing.assert_close(loss(draws, x), expected, **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@every_loss
def test_extreme_outputs_stay_finite(loss, reference, dtype):
    output = torch.tensor([[1000.0, -1000.0, 1000.0, -1000.0]], dtype=dtype)
    x = torch.tensor([[0.0, 1.0, 1.0, 0.0]], dtype=dtype)
    assert loss(output, x).isfinite().all()
    assert gradient(loss, output, x).isfinite().all()
    torch.testing.assert_close(loss(output, x), reference(output, x))


def test_sure_and_wrong_costs_the_output_sure_and_right_costs_nothing():
    output, x = torch.tensor([[1000.0], [1000.0], [-1000.0]]), torch.tensor([[0.0], [1.0], [0.0]])
    assert binary_cross_entropy(output, x).tolist() == [1000.0, 0.0, 0.0]


def test_cross_entropy_is_the_formula_of_its_reconstruction(output, x):
    r = torch.sigmoid(output)
    expected = -(x * r.log() + (1 - x) * (1 - r).log()).sum(dim=1)
    torch.testing.assert_close(binary_cross_entropy(output, x), expected, rtol=1e-9, atol=0)


def test_each_loss_knows_its_reconstruction():
    assert {name: loss.activation for name, loss in LOSSES.items()} == {
        "squared_error": "identity",
        "binary_cross_entropy": "logistic",
        "categorical_cross_entropy": "softmax",
    }
    assert [name for name, loss in LOSSES.items() if loss.has_totals] == [
        "categorical_cross_entropy"
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_draws_have_the_means_that_they_are_drawn_around(name, dtype):
    rng = np.random.default_rng(0)
    means = np.tile([0.2, 0.5, 0.3], (4000, 1)).astype(dtype)
    spread = {"squared_error": 0.25, "categorical_cross_entropy": 10}.get(name)
    total = 3 if name == "categorical_cross_entropy" else 1  # of counts proportions alone matter
    drawn = LOSSES[name].draw(total * means, rng, spread)
    assert drawn.dtype == dtype
    scale = 10 if name == "categorical_cross_entropy" else 1
    np.testing.assert_allclose(drawn.mean(axis=0), scale * means[0], atol=0.03 * scale)
    if name == "squared_error":
        np.testing.assert_allclose(drawn.var(axis=0), 0.25, rtol=0.1)
    else:
        assert (drawn == drawn.round()).all() and drawn.min() >= 0
    if name == "categorical_cross_entropy":
        assert (drawn.sum(axis=1) == 10).all()


def test_counts_are_drawn_though_rounded_proportions_add_up_to_more_than_one():
    means = np.random.default_rng(0).uniform(size=(50, 1000)).astype(np.float32)
    means[:, -1] = 0.0
    rounded = means / means.sum(axis=1, keepdims=True)
    assert (rounded.astype(np.float64).sum(axis=1) > 1.0).any()
    drawn = LOSSES["categorical_cross_entropy"].draw(means, np.random.default_rng(1), 7)
    assert (drawn.sum(axis=1) == 7).all()


def test_outputs_are_compared_by_what_they_are():
    assert Gaussian("shared") != SquaredError()
    assert Gaussian(0.1) == Gaussian(0.2)  # training may go on with another one
    assert str(SquaredError()) == "squared_error"


def test_an_output_without_a_name_is_called_by_its_class():
    class Cubed(Output):
        pass

    assert str(Cubed()) == "Cubed"
    assert Cubed().n_extra(3, False) == 0
    message = "^Cubed has no loss per cell: give Cubed a method loss_of_cells, if its loss"
    with pytest.raises(NotImplementedError, match=message):
        Cubed().loss_of_cells(torch.zeros(1, 3), torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("name", "row", "found"),
    [
        (
            "binary_cross_entropy",
            [0.5, -0.25, 1.5],
            r"\[0, 1\], but found values from -0.25 to 1.5:",
        ),
        ("categorical_cross_entropy", [3.0, -2.0], "proportions, but found values down to -2.0:"),
    ],
)
def test_values_that_an_output_does_not_have_are_named(name, row, found):
    with pytest.raises(ValueError, match=f"^loss='{name}' needs rows .*{found}"):
        LOSSES[name].check(np.array([row]), "rows", "loss")
    LOSSES[name].check(np.array([[0.0, 1.0]]), "rows", "loss")


def test_reconstructions_of_counts_have_the_totals_of_their_rows():
    proportions = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]], dtype=torch.float64)
    kind = LOSSES["categorical_cross_entropy"]
    totals = torch.tensor([[8.0], [3.0]]).double()
    torch.testing.assert_close(kind.reconstructed(proportions, COUNTS[:2]), totals * proportions)
    # Of a target of another width the total is the target's.
    target = torch.tensor([[4.0, 1.0], [1.0, 6.0]]).double()
    expected = target.sum(dim=1, keepdim=True) * proportions
    torch.testing.assert_close(kind.reconstructed(proportions, target), expected)


def test_missing_counts_are_implied_by_the_share_of_the_others():
    proportions = torch.tensor([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]], dtype=torch.float64)
    x = torch.tensor([[10.0, 6.0, np.nan], [0.0, 0.0, np.nan]]).double()
    found = LOSSES["categorical_cross_entropy"].reconstructed(proportions, x)
    torch.testing.assert_close(found[0], 20.0 * proportions[0])
    assert found[1].isfinite().all()  # though nothing is known of its total


# By how much a row costs more than it must.

COUNTS = torch.tensor([[3.0, 0.0, 5.0], [1.0, 1.0, 1.0], [0.0, 7.0, 0.0]], dtype=torch.float64)
BINARY = torch.tensor([[0.2, 0.0, 0.7], [1.0, 0.5, 0.1]], dtype=torch.float64)


@pytest.mark.parametrize(
    "name, output, x",
    [
        ("squared_error", BINARY, BINARY),
        ("binary_cross_entropy", BINARY.logit().clamp(-1000, 1000), BINARY),
        ("categorical_cross_entropy", COUNTS.log().clamp(min=-1000), COUNTS),
    ],
)
def test_the_row_itself_has_no_deviance(name, output, x):
    deviance = LOSSES[name].deviance_of_rows(output, x)
    torch.testing.assert_close(deviance, torch.zeros(len(x)).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_deviance_is_what_a_loss_is_above_its_least_value(name, output, x):
    """Which does not depend on the output, and that no output comes below."""
    kind = LOSSES[name]
    ours, others = (kind.deviance_of_rows(o, x) for o in (output, -output))
    assert ours.shape == (30,) and (ours > 0).all() and (others > 0).all()
    losses = kind.loss_of_rows(output, x) - kind.loss_of_rows(-output, x)
    torch.testing.assert_close(ours - others, losses, **EXACT)
    draws = kind.deviance_of_rows(torch.stack([output, -output]), x)
    torch.testing.assert_close(draws, torch.stack([ours, others]), **EXACT)


def test_a_deviance_of_probabilities_is_torchs_divergence(output, x):
    expected = kl_divergence(Bernoulli(x), Bernoulli(logits=output)).sum(dim=1)
    found = LOSSES["binary_cross_entropy"].deviance_of_rows(output, x)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_a_deviance_of_zeros_and_ones_is_scikit_learns_log_loss(output, x):
    binary = x.round()
    found = LOSSES["binary_cross_entropy"].deviance_of_rows(output, binary)
    expected = log_loss(binary.flatten().numpy(), torch.sigmoid(output).flatten().numpy())
    assert found.mean().item() / 7 == pytest.approx(expected, rel=1e-9)


def test_a_deviance_of_counts_is_torchs_divergence_for_each_of_them(output, x):
    counts = (10 * x).round()
    of_one = kl_divergence(Categorical(probs=counts), Categorical(logits=output))
    found = LOSSES["categorical_cross_entropy"].deviance_of_rows(output, counts)
    torch.testing.assert_close(found, counts.sum(dim=1) * of_one, rtol=1e-9, atol=1e-9)


# The best output among those that are the same for all rows.


@pytest.fixture(params=LOSSES)
def kind_and_rows(request):
    """An output, rows that it is for, and the row that its constant is found with besides."""
    rng, kind = np.random.default_rng(0), LOSSES[request.param]
    if kind.name == "squared_error":
        return kind, 3.0 + rng.normal(size=(40, 5)) * np.arange(5), None
    if kind.name == "binary_cross_entropy":
        return kind, np.clip(rng.uniform(size=(40, 5)) * [0, 0.5, 1, 2, 9], 0, 1), np.full(5, 0.5)
    rows = rng.poisson([9.0, 1.0, 3.0, 0.0, 0.2], size=(40, 5)).astype(float)
    return kind, rows, np.full(5, rows.sum() / 40 / 5)


def with_gaps(rows):
    return np.where(np.random.default_rng(1).uniform(size=rows.shape) < 0.3, np.nan, rows)


def cost(constant, kind, rows):
    x = torch.tensor(rows)
    output = torch.as_tensor(constant).expand_as(x)
    return kind.loss_of_rows(*kind.without_missing(output, x)).sum().item()


def test_no_other_constant_costs_less(kind_and_rows):
    """Of these rows, and of one more, which keeps it finite."""
    kind, rows, more = kind_and_rows
    constant = kind.best_constant(rows)
    assert constant.shape == (5,) and np.isfinite(constant).all()
    whole = rows if more is None else np.vstack([rows, more])
    least, found = cost(constant, kind, whole), minimize(cost, 0 * constant, args=(kind, whole))
    assert least <= found.fun + 1e-9
    for direction in np.random.default_rng(2).normal(size=(20, 5)):
        assert least < cost(constant + 1e-2 * (direction - direction.mean()), kind, whole)
        assert least <= cost(constant + 1e-2 * direction, kind, whole) + 1e-9


def test_no_other_constant_costs_observed_cells_less(kind_and_rows):
    """But for counts, whose totals are then unknown, so that it is only near the best."""
    kind, rows, more = kind_and_rows
    gaps = with_gaps(rows)
    constant = kind.best_constant(gaps)
    whole = gaps if more is None else np.vstack([gaps, more])
    least, found = cost(constant, kind, whole), minimize(cost, constant, args=(kind, whole)).fun
    slack = 5e-3 * least if kind.has_totals else 1e-9
    assert found - 1e-9 <= least <= found + slack


@pytest.mark.parametrize("sparse", [csr_matrix, csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("change", [np.array, with_gaps])
def test_the_best_constant_of_sparse_rows_is_that_of_dense_ones(
    change, dtype, sparse, kind_and_rows
):
    kind, rows, _ = kind_and_rows
    rows = change(rows).astype(dtype)
    expected, found = kind.best_constant(rows), kind.best_constant(sparse(rows))
    assert expected.dtype == found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == np.float32 else 1e-12)


def test_weights_are_as_good_as_repeated_rows(kind_and_rows):
    kind, rows, _ = kind_and_rows
    counts = np.arange(len(rows)) % 3
    expected = kind.best_constant(np.repeat(rows, counts, axis=0))
    np.testing.assert_allclose(kind.best_constant(rows, counts.astype(float)), expected, rtol=1e-12)


def test_the_best_constant_of_counts_is_of_proportions():
    rows = np.random.default_rng(0).poisson(2.0, size=(40, 5)).astype(float)
    constant = LOSSES["categorical_cross_entropy"].best_constant(rows)
    assert np.exp(constant).sum() == pytest.approx(1.0, rel=1e-12)


def test_the_best_constant_of_a_column_of_ones_is_that_of_one_more_half():
    (found,) = LOSSES["binary_cross_entropy"].best_constant(np.ones((3, 1)))
    assert found == pytest.approx(np.log(3.5 / 0.5))


def test_rounding_beyond_the_unit_interval_leaves_a_constant_finite():
    for beyond in (-1.0, 2.0):
        assert np.isfinite(LOSSES["binary_cross_entropy"].best_constant(np.array([[beyond]]))).all()


def test_a_constant_of_extreme_or_unobserved_columns_is_finite(kind_and_rows):
    kind, rows, _ = kind_and_rows
    for column in (0.0, 1.0, np.nan):
        rows[:, 2] = column
        assert np.isfinite(kind.best_constant(rows)).all()
    assert np.isfinite(kind.best_constant(np.zeros((3, 4)))).all()


def test_an_output_has_no_best_constant_unless_it_says_so():
    assert Output().best_constant(np.ones((3, 2))) is None
