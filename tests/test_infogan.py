"""The information-maximising GAN: its objective, its codes, and what they are of use for."""

import math

import numpy as np
import pytest
import torch
from helpers import AnyWidth, X, assert_same_fit, fitted_state, noise_for, normal, small, weights
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from torch.nn import functional

from skae import InfoGAN
from skae._engine.network import Network
from skae._engine.streams import stream
from skae._engine.tape import Tape
from skae._infogan import BALANCE, RAMP, disagreement

EXACT = {"rtol": 1e-9, "atol": 1e-11}
N, PENALTY, WEIGHT = 7, 0.3, 0.7
CODES = {"n_categories": 3, "n_continuous": 1}


def fitted(rows=X, **params):
    return small("InfoGAN", **CODES, **params).fit(rows)


# The objective.


def test_disagreement_by_its_definition():
    logits = normal(2 * N, 4)
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    agreement = np.log((p[:N] * p[N:]).sum(axis=1)).mean()
    mean = p.mean(axis=0)
    expected = -agreement + BALANCE * (mean * np.log(mean)).sum()
    assert disagreement(logits).item() == pytest.approx(expected, rel=1e-9)


def test_pairs_that_agree_and_categories_of_one_size_disagree_least():
    sure = 50.0 * torch.eye(4, dtype=torch.float64)
    least = disagreement(sure.repeat(2, 1)).item()
    assert least == pytest.approx(-BALANCE * math.log(4.0), abs=1e-6)
    assert disagreement(torch.cat([sure, sure.flip(0)])) > least
    assert disagreement(sure[[0] * 8]) > least  # all of one category
    assert disagreement(torch.zeros(8, 4)) > least  # no opinion


def batch_of(**params):
    """An InfoGAN of float64 rows, a trainer of it, rows and their partners."""
    params = {"gradient_penalty": PENALTY, "information_weight": WEIGHT, **CODES, **params}
    gan = small("InfoGAN", hidden_layer_sizes=(6, 5), random_state=1, **params)
    trainer = gan._start(gan._validate(normal(40, 4, seed=1).numpy(), None, None, reset=True))
    gan._begin_epoch(trainer, 0.0)
    x, partners = trainer.batch(torch.arange(N)).tables
    return gan, trainer, x.clone(), partners.clone()


def by_the_tape(gan, trainer, x, partners, progress):
    gradient = torch.zeros_like(trainer.weights)
    tape = Tape(Network(trainer.network.perceptron, trainer.weights), gradient)
    tape.progress, tape.noted = progress, []
    value = gan._objective(tape, x, stream(3, "noise"), partners)
    with torch.no_grad():
        tape.backward(value)
    return value.item(), gradient, tape.noted


def by_autograd(gan, trainer, x, partners, ramp):
    """D's loss, and the sum of the gradients of all players."""
    gradient = torch.zeros_like(trainer.weights)
    network = Network(trainer.network.perceptron, trainer.weights, gradient)
    x, partners = ((its - x.new_tensor(gan._mean_)) / gan._scale_ for its in (x, partners))
    noise = stream(3, "noise")
    category = torch.randint(3, (N,), generator=noise)
    continuous = 2.0 * torch.rand((N, 1), generator=noise, dtype=x.dtype) - 1.0
    z = torch.randn((N, 3), generator=noise, dtype=x.dtype)
    ones = functional.one_hot(category, 3).to(z)
    made = network.decode(torch.cat([z, ones, continuous], dim=1))
    # D's part, whose gradient must not reach G, and G's, whose must not reach D.
    rows = torch.cat([x, made.detach()]).requires_grad_()
    scores = network.encode(rows)[:, 0]
    (slopes,) = torch.autograd.grad(scores.sum(), rows, create_graph=True)
    real, fake = scores.chunk(2)
    pair_loss = functional.softplus(fake - real).mean()
    penalty = sum(part.square().sum(dim=1).mean() for part in slopes.chunk(2))
    (pair_loss + PENALTY / 2 * penalty).backward()
    of_encoder = gradient[network.perceptron.layout.parts["encoder"]].clone()
    fake = network.encode(made)[:, 0]
    functional.softplus(real.detach() - fake).mean().backward(retain_graph=True)
    gradient[network.perceptron.layout.parts["encoder"]] = of_encoder
    read, of_rows = network.encode(made)[:, 1:], network.encode(torch.cat([x, partners]))[:, 1:4]
    misread = functional.cross_entropy(read[:, :3], category)
    misread = misread + 0.5 * (read[:, 3:] - continuous).square().mean()
    (WEIGHT * (ramp * misread + disagreement(of_rows))).backward()
    bound = math.log(3.0) - functional.cross_entropy(read[:, :3], category).item()
    return pair_loss.item(), gradient, bound


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
@pytest.mark.parametrize("network", [None, AnyWidth()], ids=["dense", "convolutions"])
@pytest.mark.parametrize(("progress", "ramp"), [(0.0, 0.0), (0.4, 0.5), (0.9, 1.0), (None, 1.0)])
def test_all_gradients_are_autograds(activation, network, progress, ramp):
    setting = batch_of(activation=activation, network=network)
    value, found, noted = by_the_tape(*setting, progress)
    expected_value, expected, bound = by_autograd(*setting, ramp)
    assert value == pytest.approx(expected_value, rel=1e-12)
    torch.testing.assert_close(found, expected, **EXACT)
    assert [its.item() for its in noted] == [pytest.approx(bound)]


def test_the_ramp_rises_in_the_midst_of_training():
    ramp, (start, end) = InfoGAN()._ramp, RAMP
    assert [ramp(at) for at in (0.0, start, end, 1.0, None)] == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert ramp((start + end) / 2) == pytest.approx(0.5)
    assert InfoGAN(learning_rate="constant")._ramp(0.0) == 1.0


def test_partners_are_other_rows_anew_in_each_epoch():
    gan, trainer, _, first = batch_of()
    rows = trainer.data.X
    assert all((rows == partner).all(axis=1).any() for partner in first.numpy())
    trainer.state.n_epochs = 1
    gan._begin_epoch(trainer, 0.0)
    x, again = trainer.batch(torch.arange(N)).tables
    assert not torch.equal(first, again)
    np.testing.assert_array_equal(x.numpy(), rows[:N])


def test_information_is_at_most_the_entropy_of_the_categories():
    gan = fitted(max_iter=30)
    assert len(gan.information_curve_) == 30
    assert max(gan.information_curve_) <= math.log(3.0) + 1e-9
    assert all(type(bound) is float for bound in gan.information_curve_)


def test_without_weight_codes_are_noise():
    gan = fitted(information_weight=0)
    assert gan.information_curve_ == [] and gan.transform(X).shape == (60, 4)
    assert not np.array_equal(weights(gan), weights(fitted()))


def test_curves_go_on_with_training():
    gan = fitted(warm_start=True)
    before = gan.information_curve_
    gan.fit(X).partial_fit(X)
    assert len(gan.information_curve_) == len(gan.loss_curve_) == 9
    assert gan.information_curve_[:4] == before


def test_training_goes_on_exactly_from_call_to_call():
    one, other = small("InfoGAN", **CODES), small("InfoGAN", **CODES, max_iter=50)
    for n_rows in (60, 20, 60):
        one.partial_fit(X[:n_rows]), other.partial_fit(X[:n_rows])
    assert_same_fit(one, other)
    assert one.information_curve_ == other.information_curve_


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "other",
    [{"n_categories": 2, "n_continuous": 2}, {"n_categories": 4}, {"n_continuous": 0}],
    ids=str,
)
def test_codes_stay_what_they_are(method, other):
    """Even where as many columns might be others."""
    gan = fitted(warm_start=True)
    before = fitted_state(gan)
    with pytest.raises(ValueError, match=r"(?s)Training cannot continue.*warm_start=False"):
        getattr(gan.set_params(**other), method)(X)
    assert fitted_state(gan) == before
    assert gan.predict(X).max() <= 2 and gan.sample(2)[1].shape == (2, 4)


# Codes.


def test_codes_are_drawn_alike():
    _, codes = fitted().sample(6000, random_state=0)
    ones, continuous = codes[:, :3], codes[:, 3]
    assert set(ones.ravel()) == {0.0, 1.0} and (ones.sum(axis=1) == 1).all()
    assert np.abs(ones.mean(axis=0) - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 6000)
    assert -1 <= continuous.min() < -0.99 and 0.99 < continuous.max() <= 1
    assert continuous.mean() == pytest.approx(0.0, abs=4 / np.sqrt(3 * 6000))
    assert continuous.var() == pytest.approx(1 / 3, rel=0.1)


def test_codes_that_are_asked_for():
    gan, code = fitted(), np.array([0.0, 1.0, 0.0, -0.5])
    for codes in (code, code.tolist(), code[None], torch.tensor(code)):
        rows, given = gan.sample(5, codes=codes, random_state=0)
        assert rows.shape == (5, 6)
        np.testing.assert_array_equal(given, np.tile(code, (5, 1)))
    of_each = np.eye(4)
    rows, given = gan.sample(codes=of_each, random_state=0)
    np.testing.assert_array_equal(given, of_each)
    np.testing.assert_array_equal(rows, gan.sample(4, codes=of_each, random_state=0)[0])
    one = gan.sample(4, codes=of_each[0], random_state=0)[0]
    np.testing.assert_allclose(rows[0], one[0], rtol=1e-10, atol=1e-12)
    assert not np.allclose(rows[1], one[1])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([1.0, 0.0, 0.0], "codes has 3 columns, but needs 4: one for each of 3"),
        (1.0, "codes has 1 columns"),
        (np.eye(4), "codes has 4 rows, but there are 3 samples"),
        (np.zeros((0, 4)), r"0 sample\(s\)"),
        (np.full(4, np.nan), "Input codes contains NaN"),
        (np.full(4, np.inf), "Input codes contains infinity"),
        (["a", "b", "c", "d"], "numeric"),
        (np.zeros((3, 1, 4)), "dim 3"),
    ],
)
def test_codes_that_do_not_suit(codes, message):
    with pytest.raises(ValueError, match=message):
        fitted().sample(3, codes=codes)


def test_codes_of_rows_are_probabilities_of_categories_and_means():
    gan = fitted()
    codes, outputs = gan.transform(X), gan.discriminator_(torch.tensor(X))
    np.testing.assert_allclose(codes[:, :3].sum(axis=1), 1.0)
    np.testing.assert_allclose(codes[:, :3], outputs[:, 1:4].softmax(dim=1), rtol=1e-10)
    np.testing.assert_allclose(codes[:, 3], outputs[:, 4], rtol=1e-10)
    assert gan.predict(X).tolist() == codes[:, :3].argmax(axis=1).tolist()
    assert gan.predict(X).dtype.kind == "i"
    assert gan.get_feature_names_out().tolist() == [f"infogan{j}" for j in range(4)]
    gan.set_params(n_categories=2)  # which only the next fit reads
    np.testing.assert_array_equal(gan.transform(X), codes)


def test_noise_and_codes_decide_on_a_row():
    gan = small("InfoGAN").fit(X)
    Z = noise_for(gan, 30)
    made = gan.generate(Z)
    np.testing.assert_array_equal(made, gan.generate(Z))
    other = gan.generate(np.hstack([Z[:, :3], np.roll(Z[:, 3:], 1, axis=1)]))
    assert not np.allclose(made, other)
    with pytest.raises(ValueError, match="expects 6: n_components of noise, then the codes"):
        gan.generate(Z[:, :5])


# What it learns.


@pytest.fixture(scope="module")
def blobs():
    centres = np.array([[0.0, 3.0], [3.0, -2.0], [-3.0, -2.0]])
    return make_blobs(300, centers=centres, cluster_std=0.6, random_state=0)


def fitted_to(rows, seed, **params):
    params = {"hidden_layer_sizes": (32,), "max_iter": 60, "n_categories": 3, **params}
    return InfoGAN(2, random_state=seed, **params).fit(rows)


def purity(found, y):
    """The fraction of rows that are of the commonest class of their category."""
    return sum(np.bincount(y[found == category]).max() for category in set(found)) / len(y)


def test_categories_are_kinds_of_rows(blobs):
    """As KMeans finds them; of seeds the median."""
    rows, y = blobs
    found = [purity(fitted_to(rows, seed).predict(rows), y) for seed in range(3)]
    assert np.median(found) > purity(KMeans(3, n_init=3, random_state=0).fit_predict(rows), y) - 0.1


def test_rows_of_a_category_are_read_as_such(blobs):
    gan = fitted_to(blobs[0], 0)
    samples, codes = gan.sample(300, random_state=0)
    assert np.mean(gan.predict(samples) == codes.argmax(axis=1)) > 0.9
    assert gan.information_curve_[-1] > 0.8 * math.log(3.0)


def test_continuous_codes_are_read_from_rows():
    """Of rows along a line, codes are where on it they are."""
    rng = np.random.default_rng(0)
    at = rng.uniform(-1, 1, 300)
    rows = np.column_stack([at, -at]) + 0.02 * rng.normal(size=(300, 2))
    gan = fitted_to(rows, 0, n_categories=2, n_continuous=1)
    samples, codes = gan.sample(300, random_state=0)
    read = gan.transform(samples)[:, 2]
    assert np.corrcoef(read, codes[:, 2])[0, 1] > 0.7


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7])
def test_few_rows(n_rows):
    gan = fitted(X[:n_rows])
    assert np.isfinite(gan.sample(3)[0]).all() and np.isfinite(gan.loss_curve_).all()


def test_equal_rows():
    gan = fitted(np.repeat(X[:3], 20, axis=0))
    assert np.isfinite(gan.information_curve_).all()
    assert len({*gan.predict(np.repeat(X[:1], 5, axis=0))}) == 1
