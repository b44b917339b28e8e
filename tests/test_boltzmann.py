"""The restricted Boltzmann machine: its gradient, its density, what its codes are good for."""

import itertools
import pickle

import numpy as np
import pytest
import torch
from helpers import (
    EQUIVALENCES,
    EXTRA_CHECKS,
    LABELS,
    UNIT_X,
    X,
    as_units,
    assert_same_fit,
    normal,
)
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neural_network import BernoulliRBM
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    DenoisingAutoencoder,
    RestrictedBoltzmannMachine,
    StackedAutoencoder,
)
from skae._boltzmann import Machine, contrastive_divergence, draw, gibbs
from skae._compat import InvalidParameterError
from skae._engine.network import Network
from skae._engine.tape import Tape
from skae.tables import TableEncoder

FAST = {"max_iter": 3, "batch_size": 16, "random_state": 0}
UNTRAINED = {"learning_rate_init": 1e-300, "max_iter": 1}
LAYER = RestrictedBoltzmannMachine(max_iter=3)


class OfAnyNumbers(RestrictedBoltzmannMachine):
    """A machine that makes units of whatever numbers scikit-learn's checks have."""

    def _matrix_or_array(self, X, reset, sample_weight=None, **options):
        X = super()._matrix_or_array(X, reset, sample_weight, **options)
        cells = X if isinstance(X, np.ndarray) else X.data
        is_number = np.isfinite(cells)
        units = np.where(is_number, as_units(np.where(is_number, cells, 0.0)), cells)
        if cells is X:
            return units
        X = X.copy()
        X.data = units
        return X


@pytest.fixture
def generator():
    """Random numbers of one seed."""
    return torch.Generator().manual_seed(0)


def tiny(n_visible=4, n_hidden=3, scale=1.0):
    """A machine whose states can be counted, in float64."""
    return Machine(
        scale * normal(n_hidden, n_visible),
        normal(n_hidden, seed=1),
        normal(n_visible, seed=2),
        torch.linspace(0.2, 0.8, n_visible, dtype=torch.float64),
    )


def states(width):
    """All rows of zeros and ones."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=width)), dtype=torch.float64)


def energies(machine):
    """E(v, h) by its definition, of shape (all v, all h)."""
    weight, hidden_bias, visible_bias, origin = machine
    v, h = states(len(visible_bias)), states(len(hidden_bias))
    return -(v @ visible_bias)[:, None] - h @ hidden_bias - (v - origin) @ weight.t() @ h.t()


def probabilities(machine):
    """Of each state of the visible units, by counting."""
    return torch.softmax(-energies(machine).flatten(), 0).view(2 ** len(machine.origin), -1).sum(1)


# The density.


def test_free_energy_and_conditionals_are_those_of_the_energy():
    machine, v = tiny(), states(4)
    expected = -torch.logsumexp(-energies(machine), dim=1)
    torch.testing.assert_close(machine.free_energy(v), expected, rtol=1e-12, atol=1e-12)
    of_h = torch.softmax(-energies(machine), dim=1) @ states(3)
    torch.testing.assert_close(machine.hidden(v), of_h, rtol=1e-12, atol=1e-12)
    of_v = torch.softmax(-energies(machine), dim=0).t() @ v
    torch.testing.assert_close(machine.visible(states(3)), of_v, rtol=1e-12, atol=1e-12)


def test_its_numbers_are_those_of_scikit_learns_machine(digits):
    rows = digits[:200]
    model = RestrictedBoltzmannMachine(20, **FAST).fit(rows)
    theirs = BernoulliRBM(20, n_iter=1).fit(rows)
    theirs.components_ = model.coefs_[0].T
    theirs.intercept_hidden_, theirs.intercept_visible_ = model.intercepts_
    np.testing.assert_array_equal(model.coefs_[1], theirs.components_)
    np.testing.assert_allclose(model.free_energy(rows), theirs._free_energy(rows), rtol=1e-12)
    np.testing.assert_allclose(model.transform(rows), theirs.transform(rows), rtol=1e-10)


def test_draws_of_few_bits_are_as_seldom_as_they_should_be(generator):
    probabilities = torch.full((100_000,), 1e-3, dtype=torch.bfloat16)
    units = draw(probabilities, generator)
    assert units.dtype == torch.bfloat16
    assert units.float().mean().item() == pytest.approx(1e-3, rel=0.3)


def test_a_chain_ends_in_the_density(generator):
    machine = tiny()
    v = draw(torch.full((20_000, 4), 0.5, dtype=torch.float64), generator)
    h = machine.hidden(v)
    for _ in range(30):
        v = draw(machine.visible(draw(h, generator)), generator)
        h = machine.hidden(v)
    number = (v @ torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)).long()
    found = torch.bincount(number, minlength=16) / len(v)
    np.testing.assert_allclose(found, probabilities(machine), atol=0.015)


# The gradient.


def gradients(machine, x, n_steps=1, seed=0, sample_weight=None):
    """Value and gradients of `contrastive_divergence` at weights and biases."""
    noise = torch.Generator().manual_seed(seed)
    given = {"noise": noise, "n_steps": n_steps, "sample_weight": sample_weight}
    value, pullback = contrastive_divergence(*machine, x, **given)
    return value, pullback(1.0)


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("weighs", [False, True])
def test_the_gradient_is_that_of_free_energies(n_steps, weighs, generator):
    machine = tiny()
    x = torch.rand(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weights = torch.linspace(0.5, 1.5, 7, dtype=torch.float64) if weighs else None
    value, found = gradients(machine, x, n_steps, sample_weight=weights)
    v, _ = gibbs(machine, machine.hidden(x), n_steps, generator)
    leaves = Machine(*(tensor.clone().requires_grad_() for tensor in machine))
    rows = leaves.free_energy(x) - leaves.free_energy(v)
    (rows if weights is None else rows * weights).mean().backward()
    for gradient, leaf in zip(found, leaves, strict=False):
        torch.testing.assert_close(gradient, leaf.grad, rtol=1e-9, atol=1e-12)
    r = machine.visible(machine.hidden(x))
    losses = -(x * r.log() + (1 - x) * (-r).log1p()).sum(dim=1)
    expected = (losses if weights is None else losses * weights).mean()
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("weighs", [False, True])
def test_the_tape_leaves_it_in_the_flat_gradient(weighs):
    model = RestrictedBoltzmannMachine(3).fit(UNIT_X)
    flat = torch.tensor(model._state.weights)
    tape = Tape(Network(model._perceptron, flat), torch.zeros_like(flat))
    weights = torch.linspace(0.5, 1.5, 60, dtype=torch.float64) if weighs else None
    tape.weigh(weights)
    loss = model._objective(tape, torch.tensor(UNIT_X), torch.Generator().manual_seed(0))
    with torch.no_grad():
        tape.backward(loss)
    machine = Machine(*(tensor.detach() for tensor in Machine.of(tape)))
    value, expected = gradients(machine, torch.tensor(UNIT_X), sample_weight=weights)
    torch.testing.assert_close(loss.detach(), value)
    for leaf, gradient in zip(Machine.of(tape), expected, strict=False):
        torch.testing.assert_close(leaf.grad, gradient)


def test_long_chains_follow_the_likelihood():
    """CD-k for large k against the gradient of -log p(x), of which all states are known."""
    machine, x = tiny(scale=0.5), states(4)[[3, 3, 5, 9, 14, 14, 14, 0]].repeat(1000, 1)
    leaves = Machine(*(tensor.clone().requires_grad_() for tensor in machine))
    log_z = torch.logsumexp(-energies(leaves).flatten(), 0)
    (leaves.free_energy(x).mean() + log_z).backward()
    expected = torch.cat([leaf.grad.flatten() for leaf in leaves[:3]])

    def cosine(n_steps):
        found = torch.cat([g.flatten() for g in gradients(machine, x, n_steps)[1]])
        return torch.cosine_similarity(found, expected, dim=0)

    assert cosine(20) > 0.98
    assert cosine(20) > cosine(1) > 0.5


def test_precisions_differ_by_their_rounding(digits):
    curves = [
        RestrictedBoltzmannMachine(20, **FAST, precision=precision).fit(rows).loss_curve_
        for rows, precision in (
            (digits[:200], "float"),
            (digits[:200].astype(np.float32), "float"),
            (digits[:200].astype(np.float32), "bf16"),
        )
    ]
    np.testing.assert_allclose(curves[1], curves[0], rtol=2e-2)  # other random numbers
    np.testing.assert_allclose(curves[2], curves[1], rtol=1e-2)
    assert curves[2] != curves[1]


# What it learns.


def bars(n_rows, seed=0):
    """Pictures of 3 x 3 whose columns, or rows, are each on or off."""
    rng = np.random.default_rng(seed)
    lines = (rng.random((n_rows, 1, 3)) < 0.5).repeat(3, axis=1)
    across = rng.random(n_rows) < 0.5
    return np.where(across[:, None, None], lines.transpose(0, 2, 1), lines).reshape(n_rows, 9) * 1.0


def frequencies(rows):
    """Of all 512 pictures."""
    return np.bincount((rows @ 2 ** np.arange(9)).astype(int), minlength=512) / len(rows)


def test_samples_come_to_be_like_the_data():
    rows = bars(2000)
    settings = {"n_gibbs_steps": 5, "random_state": 0}
    early = RestrictedBoltzmannMachine(16, **settings, max_iter=1).fit(rows)
    late = RestrictedBoltzmannMachine(16, **settings, max_iter=100).fit(rows)
    far, near = (
        np.abs(frequencies(m.sample(2000, 200, random_state=0)) - frequencies(rows)).sum()
        for m in (early, late)
    )
    assert near < 0.5 * far
    others = np.random.default_rng(1).permuted(rows, axis=1)
    assert late.free_energy(rows).mean() < late.free_energy(others).mean() - 1.0


def test_codes_tell_digits_apart_better_than_random_features(digits):
    labels, accuracies = load_digits().target, []
    for settings in ({}, UNTRAINED):
        model = RestrictedBoltzmannMachine(64, **settings, random_state=0).fit(digits[:900])
        codes = model.transform(digits)
        probe = RidgeClassifierCV(np.logspace(-2, 3, 6)).fit(codes[:900], labels[:900])
        accuracies.append(probe.score(codes[900:], labels[900:]))
    assert accuracies[0] > accuracies[1] + 0.02


def test_a_constant_brightness_changes_little(digits):
    """Visible units are counted from their means."""
    rows = 0.3 * digits[:300]
    errors = [
        -RestrictedBoltzmannMachine(20, max_iter=20, random_state=0).fit(its).score(its)
        for its in (rows, 0.7 + rows)
    ]
    np.testing.assert_allclose(*errors, atol=0.05)


def test_more_steps_are_other_fits(digits):
    one, other = (
        RestrictedBoltzmannMachine(20, **FAST, n_gibbs_steps=k).fit(digits[:200]) for k in (1, 2)
    )
    assert one.loss_curve_ != other.loss_curve_


def test_the_loss_is_minus_the_mean_score(digits):
    model = RestrictedBoltzmannMachine(20, **UNTRAINED).fit(digits)
    assert model.loss_ == pytest.approx(-model.score_samples(digits).mean(), rel=1e-9)


def test_who_has_learnt_nothing_is_not_told_to_leave_the_unit_interval():
    model = RestrictedBoltzmannMachine(3, solver="sgd", learning_rate_init=1e6, max_iter=3)
    with pytest.warns(ConvergenceWarning, match="has learnt little. Lower learning_rate_init"):
        model.fit(UNIT_X)


def test_samples_are_units_of_a_seed(digits):
    model = RestrictedBoltzmannMachine(20, **FAST).fit(digits[:200].astype(np.float32))
    samples = model.sample(5, n_steps=3, random_state=0)
    assert samples.shape == (5, 64)
    assert samples.dtype == np.float32
    assert set(np.unique(samples)) <= {0.0, 1.0}
    np.testing.assert_array_equal(samples, model.sample(5, n_steps=3, random_state=0))
    assert not np.array_equal(samples, model.sample(5, n_steps=3, random_state=1))
    for wrong in ({"n_samples": 0}, {"n_steps": 1.5}):
        with pytest.raises(ValueError, match="must be an integer of at least 1"):
            model.sample(**wrong)


# As a layer.


def test_it_is_a_layer_and_the_stack_is_tuned_by_its_loss(digits):
    stack = StackedAutoencoder((30, 10), estimator=LAYER, max_iter=3, random_state=0)
    stack.fit(digits[:300])
    assert [type(layer) for layer in stack.estimators_] == [RestrictedBoltzmannMachine] * 2
    r = np.clip(stack.reconstruct(digits[:300]), 1e-300, 1 - 1e-16)
    losses = -(digits[:300] * np.log(r) + (1 - digits[:300]) * np.log1p(-r)).sum(axis=1)
    np.testing.assert_allclose(stack.score_samples(digits[:300]), -losses, rtol=1e-6)
    first = stack.estimators_[0]
    np.testing.assert_array_equal(first.coefs_[0], first.coefs_[1].T)
    assert first.free_energy(digits[:5]).shape == (5,)


def test_mixed_layers_and_weights(digits):
    weights = np.linspace(0.5, 1.5, 100)
    for layers in (
        [LAYER, DenoisingAutoencoder(max_iter=2, loss="binary_cross_entropy")],
        [DenoisingAutoencoder(max_iter=2), LAYER],
        [LAYER, BernoulliRBM(n_iter=2)],
    ):
        stack = StackedAutoencoder((12, 8), estimator=layers, max_iter=2, random_state=0)
        assert stack.fit_transform(digits[:100]).shape == (100, 8)
    stack.set_params(estimator=LAYER).fit(digits[:100], sample_weight=weights)


def test_under_an_output_layer_it_is_a_deep_belief_network():
    rows, labels = load_digits(return_X_y=True)
    rows, some = rows / 16, labels.copy()
    some[100:] = -1
    accuracies = []
    for settings in ({"max_iter": 20}, UNTRAINED):
        machine = RestrictedBoltzmannMachine(**settings)
        stack = StackedAutoencoder((128,) * 3, estimator=machine, fine_tune=False)
        model = AutoencoderClassifier(stack, unlabeled=-1, max_iter=20, random_state=0)
        accuracies.append(model.fit(rows, some).score(rows[100:], labels[100:]))
    assert accuracies[0] > accuracies[1] + 0.1


def test_an_upper_machine_needs_logistic_codes():
    with pytest.raises(ValueError, match=r"needs X in \[0, 1\].*code_activation='logistic'"):
        StackedAutoencoder((5, 3), estimator=[Autoencoder(max_iter=1), LAYER]).fit(UNIT_X)


# Scikit-learn's conventions.


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("check", EXTRA_CHECKS, ids=lambda check: check.__name__)
def test_extra_sklearn_check(check):
    check("OfAnyNumbers", OfAnyNumbers(3, max_iter=3))


@parametrize_with_checks(
    [OfAnyNumbers(3, max_iter=3)], expected_failed_checks=lambda estimator: EQUIVALENCES
)
def test_sklearn_check(estimator, check):
    check(estimator)


def test_pickles_go_on_to_the_same_bits(digits):
    model = RestrictedBoltzmannMachine(20, **FAST, n_gibbs_steps=2).fit(digits[:200])
    loaded = pickle.loads(pickle.dumps(model))
    assert_same_fit(loaded, model)
    assert_same_fit(loaded.partial_fit(digits[:200]), model.partial_fit(digits[:200]))
    assert_same_fit(clone(model).fit(digits[:200]), clone(model).fit(digits[:200]))
    np.testing.assert_array_equal(loaded.sample(3, 2, 0), model.sample(3, 2, 0))


def test_float_frames_are_arrays():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(UNIT_X, columns=list("abcdef"))
    model = RestrictedBoltzmannMachine(3, **FAST).fit(frame)
    assert_same_fit(model, RestrictedBoltzmannMachine(3, **FAST).fit(UNIT_X))
    assert list(model.feature_names_in_) == list("abcdef")


@pytest.mark.parametrize("table", ["auto", TableEncoder()])
def test_tables_are_refused(table):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"size": UNIT_X[:, 0], "city": ["Paris", "Rome", "Oslo"] * 20})
    machine = RestrictedBoltzmannMachine(3, **FAST, table=table)
    for model in (machine, StackedAutoencoder((3,), estimator=machine)):
        with pytest.raises(InvalidParameterError, match=r"needs an array, .*'city'.*OneHotEncoder"):
            model.fit(frame, LABELS)


# Errors.


@pytest.mark.parametrize("method", ["fit", "partial_fit", "score_samples", "free_energy"])
def test_rows_outside_of_the_unit_interval_are_refused(method):
    model = RestrictedBoltzmannMachine(3, **FAST).fit(UNIT_X)
    stack = StackedAutoencoder((3,), estimator=LAYER, max_iter=1).fit(UNIT_X)
    expected = r"RestrictedBoltzmannMachine.* needs X in \[0, 1\].*MinMaxScaler"
    with pytest.raises(ValueError, match=expected):
        getattr(model, method)(X)
    if hasattr(stack, method) and method != "score_samples":
        with pytest.raises(ValueError, match=rf"estimator={expected}"):
            getattr(stack, method)(X)
    model.transform(UNIT_X)


@pytest.mark.parametrize("method", ["fit", "score_samples", "free_energy", "transform"])
def test_missing_cells_are_refused(method):
    gaps = np.where(UNIT_X > 0.9, np.nan, UNIT_X)
    with pytest.raises(ValueError, match="contains NaN"):
        getattr(RestrictedBoltzmannMachine(3, **FAST).fit(UNIT_X), method)(gaps)


def test_there_is_no_value_for_lbfgs():
    with pytest.raises(InvalidParameterError, match=r"'solver' parameter.*'adam'.*'lbfgs'"):
        RestrictedBoltzmannMachine(3, solver="lbfgs").fit(UNIT_X)


def test_divergence_is_an_error():
    model = RestrictedBoltzmannMachine(3, solver="sgd", learning_rate_init=1e6, alpha=1.0)
    with pytest.raises(ValueError, match="diverged"):
        model.fit(UNIT_X)
    assert not hasattr(model, "loss_")
