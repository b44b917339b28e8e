"""What GANs share: the game's derivatives, averages, schedules, going on, samples, scores."""

import math
import pickle

import numpy as np
import pytest
import torch
from helpers import (
    LABELS,
    AnyWidth,
    X,
    assert_not_fitted,
    assert_same_fit,
    each_generator,
    fitted_state,
    in_threads,
    noise_for,
    normal,
    small,
    weights,
)
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

import skae
from skae import GAN, ConditionalGAN
from skae._adversarial import (
    LEAST_PENALTY,
    LOSS_AIM,
    LOSS_PART,
    N_STEPS,
    PENALTY_RATE,
    BaseGAN,
    calibrating_offset,
)
from skae._engine import inference, training
from skae._engine.activations import ACTIVATIONS
from skae._engine.network import Network
from skae._engine.perceptron import KEPT
from skae._engine.streams import stream
from skae._engine.tape import Tape
from skae._generator import ROWS, covered
from skae.metrics import coverage
from skae.networks import ConvNet

EXACT = {"rtol": 1e-9, "atol": 1e-11}
N, PENALTY = 7, 0.3
CONSTANT = {"learning_rate": "constant"}
# Those whose objective is the game alone, at any time, and features the last hidden layer.
plain_or_conditional = pytest.mark.parametrize("name", ["GAN", "ConditionalGAN"])


def fitted(name, X=X, **params):
    return small(name, **params).fit(X, np.arange(X.shape[0]) % 3)


def of_class(gan, label=0):
    """What methods want to know beside rows or noise."""
    return (label,) if isinstance(gan, ConditionalGAN) else ()


def given(gan, n=60, seed=0):
    """What `generate` wants for n rows."""
    return noise_for(gan, n, seed), *of_class(gan)


def drawn(gan, n, random_state=0, **given):
    """Sampled rows, without their labels."""
    found = gan.sample(n, random_state=random_state, **given)
    return found[0] if isinstance(found, tuple) else found


# The gradients of both players.


def game(name, **params):
    """A GAN of float64 rows, a trainer of it, and a batch: rows and, if it has any, labels."""
    params = {"hidden_layer_sizes": (6, 5), "gradient_penalty": PENALTY, **params}
    # A seed that lets both players learn: with few channels, all of a row may be cut off.
    gan, rows = small(name, random_state=1, **params), normal(40, 4, seed=1).numpy() * 2.0 + 5.0
    trainer = gan._start(gan._validate(rows, np.arange(40) % 3, None, reset=True))
    gan._begin_epoch(trainer, 0.0)
    batch = trainer.batch(torch.arange(N)).tables
    return gan, trainer, batch


def gradient_of_the_game(gan, trainer, batch, dtype=None):
    gradient = torch.zeros_like(trainer.weights)
    tape = Tape(Network(trainer.network.perceptron, trainer.weights), gradient, dtype)
    tape.progress = 0.0
    x, *labels = batch
    value = gan._objective(tape, x, stream(3, "noise"), *labels)
    with torch.no_grad():
        tape.backward(value)
    return value.item(), gradient


def scores_of_own(network, rows, labels):
    """D's output for the label of each row."""
    outputs = network.encode(rows)
    return (outputs.gather(1, labels[0]) if labels else outputs)[:, 0]


def gradients_by_autograd(gan, trainer, batch):
    """D's loss and the gradients of D's and of G's losses, each at all weights."""
    losses, (x, *labels) = [], batch
    for player in ("discriminator", "generator"):
        gradient = torch.zeros_like(trainer.weights)
        network = Network(trainer.network.perceptron, trainer.weights, gradient)
        real_rows = (x - x.new_tensor(gan._mean_)) / gan._scale_
        z = torch.randn(N, 3, generator=stream(3, "noise"), dtype=x.dtype)
        one_hot = [functional.one_hot(its[:, 0], 3).to(z) for its in labels]
        made = network.decode(torch.cat([z, *one_hot], dim=1))
        if player == "discriminator":
            rows = torch.cat([real_rows, made.detach()]).requires_grad_()
            scores = scores_of_own(network, rows, [its.repeat(2, 1) for its in labels])
            (slopes,) = torch.autograd.grad(scores.sum(), rows, create_graph=True)
            real, fake = scores.chunk(2)
            pair_loss = functional.softplus(fake - real).mean()
            r1, r2 = (part.square().sum(dim=1).mean() for part in slopes.chunk(2))
            (pair_loss + PENALTY / 2 * (r1 + r2)).backward()
        else:
            real, fake = (scores_of_own(network, rows, labels) for rows in (real_rows, made))
            functional.softplus(real.detach() - fake).mean().backward()
        losses.append(gradient)
    return pair_loss.item(), *losses


@plain_or_conditional
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
def test_both_gradients_of_the_game_are_autograds(name, activation, network):
    setting = game(name, activation=activation, network=network)
    value, found = gradient_of_the_game(*setting)
    expected_value, of_discriminator, of_generator = gradients_by_autograd(*setting)
    assert value == pytest.approx(expected_value, rel=1e-12)
    parts = setting[1].network.perceptron.layout.parts
    for player, expected in (("encoder", of_discriminator), ("decoder", of_generator)):
        assert expected[parts[player]].abs().max() > 1e-4
        torch.testing.assert_close(found[parts[player]], expected[parts[player]], **EXACT)
    assert not found[parts["averages"]].any()


@plain_or_conditional
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
def test_gradients_without_hidden_layers_are_autograds(name, network):
    setting = game(name, hidden_layer_sizes=(), network=network)
    _, found = gradient_of_the_game(*setting)
    _, *expected = gradients_by_autograd(*setting)
    torch.testing.assert_close(found, sum(expected_of(setting, expected)), **EXACT)


def expected_of(setting, gradients):
    """Of each player's gradient its own weights' part, 0 elsewhere."""
    parts = setting[1].network.perceptron.layout.parts
    for player, gradient in zip(("encoder", "decoder"), gradients, strict=True):
        own = torch.zeros_like(gradient)
        own[parts[player]] = gradient[parts[player]]
        yield own


@each_generator
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
def test_bfloat16_is_near(name, network):
    setting = game(name, network=network)
    value, exact = gradient_of_the_game(*setting)
    rounded_value, rounded = gradient_of_the_game(*setting, dtype=torch.bfloat16)
    assert rounded_value == pytest.approx(value, rel=0.05)
    assert 0 < (rounded - exact).norm() < 0.1 * exact.norm()


# Averages of the generator's weights.


def network_with_averages():
    perceptron = game("GAN")[1].network.perceptron
    return Network(perceptron, torch.zeros(perceptron.length, dtype=torch.float64))


def parts_of(network_or_state):
    """The generator's weights and their averages."""
    parts, flat = network_with_averages().perceptron.layout.parts, network_or_state
    decoder = flat[parts["decoder"]]
    return decoder, flat[parts["averages"]][: len(decoder)]


def test_averages_follow_the_weights_by_their_recursion():
    network, expected = network_with_averages(), None
    weights, averages = parts_of(network.flat)
    for step in range(200):
        weights.copy_(normal(len(weights), seed=step))
        network.average_decoder()
        part = max(10.0 / (10.0 + step), 1e-3)
        expected = weights * part + (0.0 if expected is None else expected * (1.0 - part))
        if step == 0:
            assert torch.equal(averages, weights)
        torch.testing.assert_close(averages, expected, **EXACT)


def test_averages_remember_a_thousand_steps_in_the_end():
    network = network_with_averages()
    weights, averages = parts_of(network.flat)
    network._tensors[f"{KEPT}n_averaged"][0].fill_(50_000.0)
    weights.fill_(1.0)
    network.average_decoder()
    torch.testing.assert_close(averages, torch.full_like(averages, 1e-3), **EXACT)


def test_what_is_read_has_the_averages_and_what_is_trained_the_weights():
    network = network_with_averages()
    network.flat.copy_(normal(len(network.flat)))
    before, (weights, averages) = network.flat.clone(), parts_of(network.flat)
    other = network.with_averages()
    torch.testing.assert_close(parts_of(other.flat)[0], averages, rtol=0.0, atol=0.0)
    own = network.perceptron.layout.parts["encoder"]
    assert torch.equal(other.flat[own], network.flat[own])
    other.flat.zero_()
    assert torch.equal(network.flat, before)
    assert not torch.equal(weights, averages)


def noted_steps(name, monkeypatch, **params):
    """A fitted GAN, and of each step D's loss, G's weights and the game after it."""
    steps, end_step = [], BaseGAN._end_step

    def noting(self, network, loss):
        end_step(self, network, loss)
        decoder = network.flat[network.perceptron.layout.parts["decoder"]]
        steps.append((loss.item(), decoder.clone(), network.game.tolist()))

    monkeypatch.setattr(type(small(name)), "_end_step", noting)
    return fitted(name, **params), steps


@each_generator
def test_a_fit_averages_what_its_steps_have_left(name, monkeypatch):
    gan, steps = noted_steps(name, monkeypatch, max_iter=5)
    assert len(steps) == 5 * 4
    expected = steps[0][1]
    for step, (_, decoder, _) in enumerate(steps):
        expected = expected + (decoder - expected) * (10.0 / (10.0 + step))
    parts, state = gan._perceptron.layout.parts, torch.from_numpy(gan._state.weights)
    averages = state[parts["averages"]]
    torch.testing.assert_close(averages[: len(expected)], expected, **EXACT)
    assert averages[len(expected)] == 20
    assert torch.equal(state[parts["decoder"]], steps[-1][1])
    assert not gan._state.moments[:, parts["averages"]].any()


@each_generator
def test_generated_rows_are_those_of_the_averages(name):
    gan = fitted(name)
    before, parts = gan.generate(*given(gan)), gan._perceptron.layout.parts
    gan._state.weights[parts["decoder"]] = np.nan
    gan._state.network = None  # what has been built of the weights before
    np.testing.assert_array_equal(gan.generate(*given(gan)), before)


# The penalty, which follows the loss, and the number of steps.


def after(loss, game):
    """The average of the loss and the factor of the penalty, a step later."""
    average = game[0] + LOSS_PART * (loss - game[0])
    factor = game[1] * math.exp(PENALTY_RATE * np.sign(LOSS_AIM - average))
    return average, min(1.0, max(LEAST_PENALTY, factor))


@each_generator
@pytest.mark.parametrize("params", [{}, CONSTANT], ids=["cosine", "constant"])
def test_the_penalty_follows_the_discriminators_loss(name, params, monkeypatch):
    gan, steps = noted_steps(name, monkeypatch, **params)
    expected = math.log(2.0), 1.0
    for loss, _, game in steps:
        expected = after(loss, expected)
        assert game == pytest.approx(expected, rel=1e-9)
    assert gan._fitted_network().game.tolist() == game
    losses = np.array([loss for loss, *_ in steps]).reshape(4, 4)  # of batches of 16 rows, and 12
    np.testing.assert_allclose(losses @ [16, 16, 16, 12] / 60, gan.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize(
    ("loss", "start", "expected"), [(2.0, 1.01 * LEAST_PENALTY, LEAST_PENALTY), (0.0, 0.99, 1.0)]
)
def test_penalties_have_bounds(loss, start, expected):
    """Of a discriminator that cannot tell, and of one that always can."""
    network = network_with_averages()
    network.game.copy_(torch.tensor([loss, start]))
    for _ in range(50):
        small("GAN")._end_step(network, torch.tensor(loss, dtype=torch.float64))
    assert network.game[1].item() == pytest.approx(expected)


@each_generator
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_the_parameter_is_what_the_penalty_begins_with(name, method, monkeypatch):
    seen, play = [], BaseGAN._play

    def noting(*game, penalty):
        seen.append(float(penalty))
        return play(*game, penalty=penalty)

    monkeypatch.setattr(BaseGAN, "_play", staticmethod(noting))
    gan = getattr(small(name, gradient_penalty=2.0), method)(X, LABELS)
    assert len(seen) == 4 * gan.n_iter_ and seen[0] == 2.0
    assert max(seen) <= 2.0 and len({*seen}) > 1
    goes_on = 2.0 * gan._fitted_network().game[1].item()
    gan.partial_fit(X, LABELS)
    assert seen[4 * (gan.n_iter_ - 1)] == goes_on


@each_generator
def test_a_penalty_changes_the_game(name):
    assert not np.array_equal(weights(fitted(name)), weights(fitted(name, gradient_penalty=0)))


@each_generator
@pytest.mark.parametrize("batch_size", [7, 16, 1000])
def test_the_budget_is_a_number_of_steps(name, batch_size, monkeypatch):
    monkeypatch.setattr(BaseGAN, "_n_steps", 90)
    gan = fitted(name, max_iter="auto", batch_size=batch_size)
    n_batches = math.ceil(60 / batch_size)
    assert gan.n_iter_ == gan.max_iter_ == math.ceil(90 / n_batches)
    assert gan.batch_size_ == min(batch_size, 60)
    assert N_STEPS >= 1000


def test_threads_are_for_all_rows_of_a_step(monkeypatch):
    """Of each real row the discriminator sees two, and the generator makes one."""
    seen, enough_threads = [], training.enough_threads

    def noting(n_rows, perceptron):
        seen.append(n_rows)
        return enough_threads(n_rows, perceptron)

    monkeypatch.setattr(training, "enough_threads", noting)
    fitted("GAN", max_iter=1)
    assert seen == [3 * 16]


# Going on.


def passes(name, n, **params):
    gan = small(name, **params)
    for _ in range(n):
        gan.partial_fit(X, LABELS)
    return gan


@each_generator
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
def test_passes_are_epochs_of_a_constant_schedule(name, network):
    gan = passes(name, 4, network=network)
    assert_same_fit(gan, fitted(name, **CONSTANT, network=network))
    assert gan.n_iter_ == len(gan.loss_curve_) == 4


@each_generator
def test_passes_know_no_budget(name):
    assert_same_fit(passes(name, 3, max_iter=1), passes(name, 3, max_iter=100))


@each_generator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_goes_on_exactly_through_pickle(name, dtype):
    straight, broken = small(name), small(name)
    for _ in range(4):
        straight.partial_fit(X.astype(dtype), LABELS)
        broken = pickle.loads(pickle.dumps(broken.partial_fit(X.astype(dtype), LABELS)))
    assert_same_fit(straight, broken)
    np.testing.assert_array_equal(straight.offset_, broken.offset_)
    np.testing.assert_array_equal(drawn(straight, 5), drawn(broken, 5))


@plain_or_conditional
def test_a_warm_start_goes_on_exactly(name):
    gan = fitted(name, **CONSTANT, warm_start=True).fit(X, LABELS)
    assert_same_fit(gan, fitted(name, **CONSTANT, max_iter=8))
    assert gan.n_iter_ == 4 and len(gan.loss_curve_) == 8


@plain_or_conditional
def test_a_pass_after_a_fit_is_one_more_epoch(name):
    gan = fitted(name, **CONSTANT).partial_fit(X, LABELS)
    assert_same_fit(gan, fitted(name, **CONSTANT, max_iter=5))


@each_generator
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "other", [{"n_components": 4}, {"hidden_layer_sizes": (9,)}, {"activation": "tanh"}], ids=str
)
def test_training_cannot_go_on_with_another_network(name, method, other):
    gan = fitted(name, warm_start=True)
    before = fitted_state(gan)
    with pytest.raises(ValueError, match="describe another network"):
        getattr(gan.set_params(**other), method)(X, LABELS)
    assert fitted_state(gan) == before
    assert gan.n_components_ == 3 and drawn(gan, 2).shape == (2, 6)


@each_generator
def test_an_interrupted_fit_keeps_its_finished_epochs(name, monkeypatch):
    run_epoch, n_begun = training.Trainer.run_epoch, []

    def interrupted(self, *args):
        n_begun.append(1)
        if len(n_begun) == 3:
            raise KeyboardInterrupt
        return run_epoch(self, *args)

    monkeypatch.setattr(training.Trainer, "run_epoch", interrupted)
    gan = small(name)
    with pytest.raises(KeyboardInterrupt):
        gan.fit(X, LABELS)
    assert gan.n_iter_ == len(gan.loss_curve_) == 2
    assert drawn(gan, 3).shape == (3, 6) and np.isfinite(gan.offset_).all()


@each_generator
def test_a_fit_interrupted_at_once_leaves_nothing(name, monkeypatch):
    def interrupted(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.Trainer, "run_epoch", interrupted)
    gan = small(name)
    with pytest.raises(KeyboardInterrupt):
        gan.fit(X, LABELS)
    assert_not_fitted(gan)


# Divergence.


@each_generator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_divergence_leaves_it_unfitted(name, dtype, method):
    gan = small(name, learning_rate_init=1e300)
    with pytest.raises(ValueError, match=r"diverged.*learning_rate_init"):
        getattr(gan, method)(X.astype(dtype), LABELS)
    assert_not_fitted(gan)


@each_generator
def test_a_warm_start_that_diverges_leaves_it_as_it_was(name):
    gan = fitted(name, warm_start=True)
    before = fitted_state(gan)
    with pytest.raises(ValueError, match="diverged"):
        gan.set_params(learning_rate_init=1e300).fit(X, LABELS)
    with pytest.raises(ValueError, match="diverged"):
        gan.partial_fit(X, LABELS)
    assert fitted_state(gan) == before


@each_generator
def test_steps_far_too_long_are_found_out_even_if_all_stays_finite(name):
    with pytest.warns(ConvergenceWarning, match=r"collapsed.*learning_rate_init \(now 1e\+06\)"):
        gan = fitted(name, learning_rate_init=1e6)
    assert np.isfinite(gan.offset_).all() and np.isfinite(drawn(gan, 5)).all()


@plain_or_conditional
@pytest.mark.parametrize("what", ["samples", "scores of rows"])
def test_samples_and_scores_that_are_not_finite_are_a_divergence(name, what, monkeypatch):
    method = "decode" if what == "samples" else "encode"
    untouched = getattr(Network, method)

    def undefined(self, rows):
        return untouched(self, rows) * math.nan

    monkeypatch.setattr(Network, method, undefined)  # training has another way
    gan = small(name)
    with pytest.raises(ValueError, match=f"diverged: {what} are not finite. Lower learning_rate"):
        gan.fit(X, LABELS)
    assert_not_fitted(gan)


@each_generator
def test_rows_too_large_to_be_squared_are_an_error(name):
    gan = small(name)
    with pytest.raises(ValueError, match="scale X"):
        gan.fit(1e200 * X, LABELS)
    assert_not_fitted(gan)


# Modules: what they compute; tests/test_modules.py has what users do with them.


@each_generator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("network", [None, ConvNet((1, 2, 3), channels=(2,))], ids=["no", "conv"])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_modules_equal_the_methods(name, dtype, network, offset):
    """Wherever the rows are."""
    rows = (X + offset).astype(dtype)
    gan = fitted(name, rows, network=network)
    y, Z = (LABELS,) if of_class(gan) else (), given(gan)[0].astype(dtype)
    classes = [np.eye(3, dtype=dtype)[LABELS]] if y else []
    made = gan.generator_(torch.tensor(np.hstack([Z, *classes]))).numpy()
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-10}
    np.testing.assert_allclose(made, gan.generate(Z, *y), **close)
    scores = gan.discriminator_(torch.tensor(rows)).numpy()
    own = scores[np.arange(60), LABELS if y else 0] + (gan.offset_[LABELS] if y else gan.offset_)
    np.testing.assert_allclose(1 / (1 + np.exp(-own)), gan.discriminate(rows, *y), **close)
    assert scores.dtype == made.dtype == dtype


@plain_or_conditional
def test_features_are_the_discriminators_last_hidden_layer(name):
    gan = fitted(name, hidden_layer_sizes=(8, 5))
    below = torch.nn.Sequential(*list(gan.discriminator_.children())[:-1])
    features = gan.transform(X)
    np.testing.assert_allclose(below(torch.tensor(X)).numpy(), features, rtol=1e-12, atol=1e-12)
    names = gan.get_feature_names_out()
    assert features.shape == (60, 5) and names.tolist() == [f"{name.lower()}{i}" for i in range(5)]


@plain_or_conditional
def test_without_hidden_layers_features_are_rows_in_units_of_their_deviation(name):
    features = fitted(name, hidden_layer_sizes=()).transform(X)
    expected = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0).mean())
    np.testing.assert_allclose(features, expected, rtol=1e-9)


@each_generator
def test_set_output(name):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"), index=range(7, 67))
    gan = small(name).set_output(transform="pandas").fit(frame, LABELS)
    features = gan.transform(frame)
    assert features.columns.tolist() == gan.get_feature_names_out().tolist()
    assert features.index.equals(frame.index)
    assert isinstance(drawn(gan, 2), np.ndarray)


# The discriminator's offset.


@each_generator
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_half_of_all_rows_are_real(name, dtype):
    """The mean probability of as many real rows as made ones is 1/2, in each class."""
    gan = fitted(name, X.astype(dtype))
    y = (LABELS,) if of_class(gan) else ()
    made = gan._rows_like(X, *[gan._one_hot(labels) for labels in y])
    p = np.stack([gan.discriminate(rows, *y) for rows in (X, made)])
    kinds = [label == LABELS for label in range(3)] if y else [slice(None)]
    for own in kinds:
        assert p[:, own].mean() == pytest.approx(0.5, abs=1e-6)
    assert p.min() > 0 and p.max() < 1


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e3, 1e30, 1e150, 1e307])
@pytest.mark.parametrize("shift", [0.0, -1.0, 1e3, 1e12])
def test_offsets_of_scores_of_any_size(scale, shift):
    scores = np.random.default_rng(0).normal(size=31) * scale + shift
    offset = calibrating_offset(scores)
    step = 1e-9 * max(1.0, abs(offset))  # to where the mean probability has passed 1/2
    with np.errstate(over="ignore"):
        below, above = (
            (1 / (1 + np.exp(-(scores + moved)))).mean() - 0.5
            for moved in (offset - step, offset + step)
        )
    assert below <= 0 <= above


def test_the_offset_of_equal_scores():
    assert calibrating_offset(np.full(5, 3.5)) == -3.5


# Samples.


@each_generator
def test_samples_are_reproducible_and_nothing_global_is_read_or_changed(name):
    gan = fitted(name)
    first = drawn(gan, 50)
    np.random.seed(1), torch.manual_seed(2)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    np.testing.assert_array_equal(drawn(gan, 50), first)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert not np.array_equal(drawn(gan, 50, random_state=1), first)
    assert not np.array_equal(drawn(gan, 50, None), drawn(gan, 50, None))
    rng = np.random.RandomState(0)
    assert not np.array_equal(drawn(gan, 50, rng), drawn(gan, 50, rng))


@each_generator
@pytest.mark.parametrize("n_samples", [0, -1, True, 2.0, "3", None, np.float64(2)])
def test_numbers_of_samples_are_integers_above_0(name, n_samples):
    with pytest.raises(ValueError, match=r"n_samples=.* must be an integer of at least 1"):
        fitted(name).sample(n_samples)


@each_generator
def test_numpys_integers_are_numbers_of_samples(name):
    assert drawn(fitted(name), np.int32(3)).shape == (3, 6)


@each_generator
def test_too_many_samples_are_an_error_of_memory(name):
    gan = fitted(name)
    with pytest.raises(MemoryError, match="PiB"):
        gan.sample(10**15)
    assert drawn(gan, 2).shape == (2, 6)


@each_generator
def test_units_of_the_data_are_those_of_samples(name):
    near, far = fitted(name), fitted(name, 1000 * X + 1e5)
    np.testing.assert_allclose(drawn(far, 50), 1000 * drawn(near, 50) + 1e5, rtol=1e-9)
    np.testing.assert_allclose(far.loss_curve_, near.loss_curve_, rtol=1e-6)
    assert far.score(1000 * X + 1e5) == near.score(X)


@each_generator
def test_rows_are_within_the_ranges_of_all_rows_of_training(name):
    gan = fitted(name, np.column_stack([X[:, :5], np.full(60, 7.0)]))
    seen = [X]
    for factor in (1.0, 3.0, 0.1):
        gan.partial_fit(np.column_stack([factor * X[:, :5], np.full(60, 7.0)]), LABELS)
        seen.append(factor * X)
        low, high = np.vstack(seen).min(axis=0)[:5], np.vstack(seen).max(axis=0)[:5]
        Z, *y = given(gan)
        made = gan.generate(1e6 * Z, *y)  # which leads far away
        assert (made[:, 5] == 7.0).all() and (drawn(gan, 9)[:, 5] == 7.0).all()
        np.testing.assert_array_equal(np.clip(made[:, :5], low, high), made[:, :5])
        assert np.isin(made[:, :5], np.concatenate([low, high])).mean() > 0.5


@each_generator
def test_columns_that_differ_in_scale_are_told_of(name, recwarn):
    fitted(name), fitted(name, 1e6 * X)
    assert not len(recwarn)
    with pytest.warns(UserWarning, match=r"Columns of X differ in scale.* largest ones are learnt"):
        fitted(name, X * [1.0, 1.0, 1.0, 1.0, 1.0, 1e4])


@each_generator
@pytest.mark.parametrize("fit_in", [np.float32, np.float64])
def test_dtypes_are_those_of_the_fit(name, fit_in):
    gan = fitted(name, X.astype(fit_in))
    for given_in in (np.float32, np.float64):
        rows, (Z, *y) = X.astype(given_in), given(gan)
        assert gan.transform(rows).dtype == gan.generate(Z.astype(given_in), *y).dtype == fit_in
        assert gan.discriminate(rows, *of_class(gan)).dtype == np.result_type(fit_in, gan.offset_)
    assert drawn(gan, 2).dtype == weights(gan).dtype == fit_in


@each_generator
def test_samples_are_generated_from_noise(name):
    """Standard normal numbers, and rows do not depend on each other."""
    gan = fitted(name)
    Z, *y = given(gan, 2000)
    made = gan.generate(Z, *y)
    of_the_class = {"y": 0} if y else {}
    assert covered(drawn(gan, 2000, **of_the_class), made) > 0.9
    one_by_one = np.vstack([gan.generate(row[None], *y) for row in Z[:20]])
    np.testing.assert_allclose(made[:20], one_by_one, rtol=1e-10, atol=1e-12)


@each_generator
@pytest.mark.parametrize(
    ("Z", "message"),
    [
        (np.zeros((2, 2)), r"Z has 2 columns, but \w+.generate expects noise of [36]: n_comp"),
        (np.zeros((2, 9)), "Z has 9 columns"),
        (np.full((2, 3), np.nan), "Input Z contains NaN"),
        (np.full((2, 3), np.inf), "Input Z contains infinity"),
        (np.zeros(3), "Expected 2D array"),
        (np.zeros((0, 3)), r"0 sample\(s\)"),
        ([["a", "b", "c"]], "could not convert string to float"),
    ],
)
def test_noise_that_does_not_suit(name, Z, message):
    gan = fitted(name)
    with pytest.raises(ValueError, match=message):
        gan.generate(Z, *of_class(gan))


@each_generator
def test_sparse_noise_is_refused(name):
    gan = fitted(name)
    with pytest.raises(TypeError, match="Sparse data was passed for Z"):
        gan.generate(csr_array(np.zeros((2, 3))), *of_class(gan))


@each_generator
def test_chunks_change_nothing(name, monkeypatch):
    gan = fitted(name)

    def results():
        methods = (gan.discriminate(X, *of_class(gan)), gan.generate(*given(gan)))
        return [gan.transform(X), drawn(gan, 50), gan.score(X), *methods]

    whole = results()
    monkeypatch.setattr(inference, "CHUNK_SIZE", 64)
    for found, expected in zip(results(), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@each_generator
def test_threads_share_a_fitted_gan(name):
    gan = pickle.loads(pickle.dumps(fitted(name)))  # nothing is built of its weights yet

    def results(number):
        judged = gan.discriminate(X + number, *of_class(gan))
        return drawn(gan, 20, number), judged, gan.transform(X + number)

    found = in_threads(6, results)
    for number, of_thread in enumerate(found):
        for one, other in zip(of_thread, results(number), strict=True):
            np.testing.assert_array_equal(one, other)


# Sparse rows.


@each_generator
def test_sparse_rows_train_as_dense_ones_do(name):
    rows = np.where(X < 0.5, 0.0, X)
    dense, sparse = (fitted(name, kind(rows)) for kind in (np.asarray, csr_array))
    np.testing.assert_allclose(weights(sparse), weights(dense), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(sparse.offset_, dense.offset_, rtol=1e-6)
    np.testing.assert_allclose(drawn(sparse, 9), drawn(dense, 9), rtol=1e-9, atol=1e-9)
    for method, y in (("transform", ()), ("score", ()), ("discriminate", of_class(dense))):
        found, expected = (
            getattr(sparse, method)(kind(rows), *y) for kind in (csr_array, np.array)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    if of_class(dense):
        assert sparse.score(csr_array(rows), np.arange(60) % 3) == dense.score(rows, LABELS)


# Scores.


class Perfect(GAN):
    """Its generator draws standard normal rows, whatever it has learnt."""

    def _generated(self, latent, generator=None):
        return latent[:, : self.n_features_in_]


class Collapsed(GAN):
    """Its generator makes one row alone."""

    def _generated(self, latent, generator=None):
        return np.tile(self._mean_ + 3.0 * self._scale_, (len(latent), 1))


def test_the_score_of_a_perfect_generator_is_about_97_percent():
    """In expectation 1 - (n - 1) ... (n - k) / ((2 n - 1) ... (2 n - k)), that is 1 - 2^-k."""
    rows = np.random.default_rng(5).normal(size=(1500, 2))
    gan = Perfect(2, max_iter=1, random_state=0).fit(rows)
    assert gan.score(rows) == pytest.approx(1 - 2.0**-5, abs=0.02)


def test_a_collapsed_generator_is_told_of():
    with pytest.warns(ConvergenceWarning, match="generator has collapsed.*StandardScaler") as told:
        gan = Collapsed(2, max_iter=1).fit(X)
    assert told[0].filename == __file__
    assert gan.score(X) < 0.1
    assert gan.n_iter_ == 1


def test_a_good_fit_is_told_nothing_of(recwarn):
    rows = np.random.default_rng(0).normal(size=(200, 2))
    assert GAN(2, max_iter=40, random_state=0).fit(rows).score(rows) > 0.5
    assert not len(recwarn)


@each_generator
def test_few_rows_are_no_reason_to_tell_of_a_collapse(name, recwarn):
    fitted(name, X[:5])
    assert not len(recwarn)


@each_generator
@pytest.mark.parametrize("n_rows", [2, 3, 6, 60])
def test_scores_are_the_coverage_of_rows_by_as_many_samples(name, n_rows):
    gan = fitted(name)
    rows = X[:n_rows] + 0.1
    found = gan.score(rows)
    assert type(found) is float and 0 <= found <= 1
    assert found == gan.score(rows)
    if name == "GAN":
        made = gan._rows_like(rows)
        assert found == coverage(rows, made, n_neighbors=min(5, n_rows - 1))


@each_generator
def test_a_score_needs_two_rows(name):
    with pytest.raises(ValueError, match=r"1 sample\(s\)"):
        fitted(name).score(X[:1])


@each_generator
def test_of_many_rows_some_are_scored(name, monkeypatch):
    monkeypatch.setattr(skae._generator, "ROWS", 20)
    monkeypatch.setattr(skae._conditional_gan, "ROWS", 20)
    gan = fitted(name)
    assert 20 * gan.score(X) == pytest.approx(round(20 * gan.score(X)))
    assert ROWS == 2000


@each_generator
def test_scores_see_rows_that_are_elsewhere(name):
    gan = fitted(name, max_iter=40)
    assert gan.score(X) > 0.3
    assert gan.score(X + 30.0) < 0.1


@each_generator
def test_grid_search_by_score_finds_the_better_training(name):
    search = GridSearchCV(small(name), {"learning_rate_init": [1e6, 3e-3]}, cv=2).fit(X, LABELS)
    assert search.best_params_ == {"learning_rate_init": 3e-3}
    assert search.best_score_ > 0.1 and drawn(search.best_estimator_, 2).shape == (2, 6)


@each_generator
def test_a_pipeline_scales_before_it(name):
    rows = X * [1e-3, 1.0, 1e3, 1.0, 1.0, 1.0] + 5.0
    pipeline = make_pipeline(StandardScaler(), small(name)).fit(rows, LABELS)
    alone = small(name).fit(StandardScaler().fit_transform(rows), LABELS)
    assert_same_fit(pipeline[-1], alone)
    assert pipeline.score(rows, LABELS) > 0
    samples = pipeline[0].inverse_transform(drawn(pipeline[-1], 200))
    np.testing.assert_allclose(samples.std(axis=0), rows.std(axis=0), rtol=0.9)


@each_generator
def test_monitors_see_the_score_of_each_epoch(name):
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring={"score": lambda gan, X, y: gan.score(X)})
    gan = small(name).set_callbacks(monitor).fit(X, LABELS)
    found = [row["score"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(found) == 4 and found[-1] == gan.score(X)


@each_generator
def test_monitors_see_labels(name):
    callback = pytest.importorskip("sklearn.callback")
    seen, names = [], np.array(["a", "b", "c"])[LABELS]
    monitor = callback.ScoringMonitor(scoring={"y": lambda gan, X, y: seen.append(y) or 0.0})
    small(name).set_callbacks(monitor).fit(X, names)
    expected = names if name == "ConditionalGAN" else X
    for y in seen:
        np.testing.assert_array_equal(y, expected)


# Networks.


@each_generator
def test_convolutions_that_end_in_an_image_judge_no_row(name):
    network = ConvNet((1, 2, 3), channels=(2,), code="image")
    gan = small(name, network=network)
    with pytest.raises(ValueError, match=r"judges a row as a whole.*code='vector'"):
        gan.fit(X, LABELS)
    assert_not_fitted(gan)


@each_generator
def test_parameters_of_the_network_can_be_searched(name):
    gan = small(name, network=ConvNet((1, 2, 3), channels=(2,)))
    gan.set_params(network__channels=(3,)).fit(X, LABELS)
    assert gan.n_features_in_ == 6
    with pytest.raises(ValueError, match=rf"pass {name}\(network=ConvNet\("):
        small(name).set_params(network__channels=3)


@each_generator
def test_it_is_no_autoencoder(name):
    gan = small(name)
    for model in (
        skae.AutoencoderClassifier(gan),
        skae.AutoencoderRegressor(gan),
        skae.StackedAutoencoder((3,), estimator=gan),
        skae.AutoencoderImputer(gan),
        skae.AutoencoderOutlierDetector(gan),
    ):
        with pytest.raises(ValueError, match=rf"(?s)must be .*but found {name}.*: use for "):
            model.fit(X, LABELS)


@each_generator
@pytest.mark.parametrize("method", ["score_samples", "log_likelihood", "inverse_transform"])
def test_there_is_no_likelihood_nor_a_way_back(name, method):
    assert not hasattr(fitted(name), method)


@each_generator
def test_verbose_prints_what_it_goes_by_and_a_line_for_each_epoch(name, capsys):
    fitted(name, verbose=True, max_iter=2).partial_fit(X, LABELS)
    head, *epochs = capsys.readouterr().out.splitlines()
    assert head == f"[{name}] 60 rows, batch_size=16, learning_rate_init=0.003, max_iter=2"
    assert [line.split(",")[0] for line in epochs] == [
        f"[{name}] epoch {number}" for number in ("1/2", "2/2", "3")
    ]


@each_generator
def test_refits_and_clones_are_the_same_to_the_bit(name):
    gan = fitted(name)
    before = weights(gan).copy()
    np.testing.assert_array_equal(weights(gan.fit(X, LABELS)), before)
    assert_same_fit(clone(gan).fit(X, LABELS), gan)
    np.testing.assert_array_equal(drawn(clone(gan).fit(X, LABELS), 9), drawn(gan, 9))
