"""The denoising autoencoder: what corruption does, and what is learned from it."""

import numpy as np
import pytest
import torch

from skae import Autoencoder, DenoisingAutoencoder

FAST = {"n_components": 16, "max_iter": 2, "random_state": 0}
CORRUPTIONS = ["masking", "gaussian", "salt_and_pepper"]
# Fractions of 20 000 cells have a standard error below 0.0036.
FRACTION = {"abs": 0.02}


@pytest.fixture(scope="module")
def X():
    """No zeros, and no value twice in a column."""
    return np.random.default_rng(0).uniform(1, 2, size=(1000, 20)) * np.arange(1, 21)


def corrupted(X, corruption, level=0.3, seed=0):
    denoising = DenoisingAutoencoder(**FAST, corruption=corruption, corruption_level=level)
    return denoising.fit(X).corrupt(X, random_state=seed)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hidden", [(), (16,)])
def test_no_corruption_is_the_plain_autoencoder(hidden, tied, digits, assert_same_training):
    shared = {**FAST, "hidden_layer_sizes": hidden, "tied_weights": tied}
    denoising = DenoisingAutoencoder(**shared, corruption=None).fit(digits)
    plain = Autoencoder(**shared, code_activation="logistic").fit(digits)
    assert_same_training(denoising, plain)


def test_corruption_changes_the_training(digits):
    curves = [
        DenoisingAutoencoder(**FAST, corruption=corruption).fit(digits).loss_curve_
        for corruption in (None, *CORRUPTIONS)
    ]
    assert len({tuple(curve) for curve in curves}) == 4


def test_a_corrupted_row_is_to_give_the_clean_one(digits, squared_errors):
    """One full batch that is not learned from: where x' is 0, only biases are left."""
    still = {**FAST, "max_iter": 1, "learning_rate_init": 1e-12, "batch_size": len(digits)}
    denoising = DenoisingAutoencoder(**still, corruption=lambda x, generator: 0 * x).fit(digits)
    expected = squared_errors(digits, denoising.reconstruct(0 * digits)).mean()
    assert denoising.loss_ == pytest.approx(expected, rel=1e-6)


def test_every_epoch_corrupts_anew(X):
    seen = []

    def record(x, generator):
        seen.append(torch.rand(4, generator=generator).tolist())
        return x

    DenoisingAutoencoder(**FAST, corruption=record, batch_size=500).fit(X)
    assert len(seen) == 4
    assert len(set(map(tuple, seen))) == 4


@pytest.mark.parametrize("level", [0.0, 0.1, 0.7, 1.0])
def test_masking_sets_a_fraction_of_cells_to_zero(level, X):
    noisy = corrupted(X, "masking", level)
    masked = noisy == 0
    assert masked.mean() == pytest.approx(level, **FRACTION)
    np.testing.assert_array_equal(noisy[~masked], X[~masked])


def test_masking_is_independent_of_row_and_column(X):
    masked = corrupted(X, "masking", 0.5) == 0
    # Standard errors are 0.016 per column, 0.11 per row, of which the largest of 1000 counts.
    assert np.abs(masked.mean(axis=0) - 0.5).max() < 0.08
    assert np.abs(masked.mean(axis=1) - 0.5).max() < 0.55
    assert masked.mean(axis=1).std() == pytest.approx(0.05**0.5 / 2, rel=0.2)


@pytest.mark.parametrize("level", [0.0, 0.3, 2.5])
def test_gaussian_noise_has_its_standard_deviation(level, X):
    noise = corrupted(X, "gaussian", level) - X
    assert noise.std() == pytest.approx(level, rel=0.05)
    assert noise.mean() == pytest.approx(0, abs=0.05 * level)


@pytest.mark.parametrize("level", [0.2, 1.0])
def test_salt_and_pepper_sets_cells_to_their_columns_extremes(level, X):
    noisy = corrupted(X, "salt_and_pepper", level)
    pepper, salt = noisy == X.min(axis=0), noisy == X.max(axis=0)
    assert pepper.mean() == pytest.approx(level / 2, **FRACTION)
    assert salt.mean() == pytest.approx(level / 2, **FRACTION)
    rest = ~(pepper | salt)
    np.testing.assert_array_equal(noisy[rest], X[rest])


def test_extremes_are_those_of_the_training(X):
    denoising = DenoisingAutoencoder(**FAST, corruption="salt_and_pepper", corruption_level=1.0)
    noisy = denoising.fit(X).corrupt(X[:5] * 0 + 7.0, random_state=0)
    assert np.isin(noisy, [X.min(axis=0), X.max(axis=0)]).all()


def test_extremes_follow_partial_fit(X):
    denoising = DenoisingAutoencoder(**FAST, corruption="salt_and_pepper")
    denoising.partial_fit(X[:300]).partial_fit(X[300:600])
    np.testing.assert_array_equal(denoising.data_min_, X[:600].min(axis=0))
    np.testing.assert_array_equal(denoising.data_max_, X[:600].max(axis=0))


def test_fit_forgets_earlier_extremes(X):
    denoising = DenoisingAutoencoder(**FAST, corruption="salt_and_pepper")
    denoising.fit(10 * X).fit(X)
    np.testing.assert_array_equal(denoising.data_max_, X.max(axis=0))


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_corrupt_leaves_its_input_alone(corruption, X):
    before = X.copy()
    assert (corrupted(X, corruption) != X).any()
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_corrupt_is_decided_by_its_seed(corruption, X):
    one, again, other = (corrupted(X, corruption, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_corrupt_without_a_seed_draws_anew(X):
    assert (corrupted(X, "masking", seed=None) != corrupted(X, "masking", seed=None)).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_corrupt_keeps_the_dtype(corruption, dtype, X):
    assert corrupted(X.astype(dtype), corruption).dtype == dtype


def test_no_corruption_corrupts_nothing(X):
    noisy = corrupted(X, None)
    np.testing.assert_array_equal(noisy, X)
    assert not np.shares_memory(noisy, X)


def test_a_callable_gets_a_batch_and_a_generator(X):
    seen = []

    def halve(x, generator):
        seen.append((x.shape, x.dtype, type(generator)))
        return 0.5 * x

    noisy = corrupted(X, halve)
    np.testing.assert_array_equal(noisy, 0.5 * X)
    assert set(seen[:-1]) == {((200, 20), torch.float64, torch.Generator)}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, generator: x[:, :-1],
        lambda x, generator: x.sum(dim=0),
        lambda x, generator: x.numpy(),
        lambda x, generator: None,
    ],
    ids=["narrow", "one row", "array", "nothing"],
)
def test_a_callable_must_return_a_tensor_of_the_same_shape(wrong, X):
    with pytest.raises(ValueError, match=r"corruption=.*must return a tensor.*\(200, 20\)"):
        DenoisingAutoencoder(**FAST, corruption=wrong).fit(X)


@pytest.mark.parametrize("corruption", ["masking", "salt_and_pepper"])
def test_a_fraction_above_one_is_refused(corruption, X):
    with pytest.raises(ValueError, match=r"corruption_level=1\.5.*" + corruption):
        DenoisingAutoencoder(**FAST, corruption=corruption, corruption_level=1.5).fit(X)


def test_a_standard_deviation_may_exceed_one(X):
    DenoisingAutoencoder(**FAST, corruption="gaussian", corruption_level=1.5).fit(X)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_it_denoises(corruption, digits, squared_errors):
    fit = {"n_components": 64, "corruption": corruption, "random_state": 0}
    trained = DenoisingAutoencoder(**fit, max_iter=30, learning_rate_init=0.01).fit(digits[:1400])
    untrained = DenoisingAutoencoder(**fit, max_iter=1, learning_rate_init=1e-12).fit(digits)
    clean = digits[1400:]
    noisy = trained.corrupt(clean, random_state=0)
    error = squared_errors(clean, trained.reconstruct(noisy)).mean()
    assert error < 0.9 * squared_errors(clean, noisy).mean()
    assert error < 0.5 * squared_errors(clean, untrained.reconstruct(noisy)).mean()


def test_it_denoises_better_than_the_plain_autoencoder(digits, squared_errors):
    fit = {"n_components": 128, "max_iter": 30, "learning_rate_init": 0.01, "random_state": 0}
    denoising = DenoisingAutoencoder(**fit).fit(digits[:1400])
    plain = DenoisingAutoencoder(**fit, corruption=None).fit(digits[:1400])
    clean = digits[1400:]
    noisy = denoising.corrupt(clean, random_state=0)
    errors = [squared_errors(clean, e.reconstruct(noisy)).mean() for e in (denoising, plain)]
    assert errors[0] < 0.9 * errors[1]


def test_a_callable_may_corrupt_in_place(assert_same_training, digits):
    def in_place(x, generator):
        return x.mul_(0.5)

    one, other = (
        DenoisingAutoencoder(8, corruption=corruption, max_iter=3, random_state=0).fit(digits[:300])
        for corruption in (in_place, lambda x, generator: 0.5 * x)
    )
    assert_same_training(one, other)


def test_a_callable_may_be_a_network_and_is_not_trained(digits):
    network = torch.nn.Linear(64, 64, dtype=torch.float64)
    denoiser = DenoisingAutoencoder(8, corruption=lambda x, generator: network(x), max_iter=2)
    assert denoiser.fit(digits[:300]).corrupt(digits[:5]).shape == (5, 64)
    assert network.weight.grad is None


@pytest.mark.parametrize("random_state", [-1, "abc", 1.5])
def test_seed_of_corrupt_is_checked(random_state, digits):
    denoiser = DenoisingAutoencoder(8, max_iter=2).fit(digits[:300])
    with pytest.raises(ValueError):
        denoiser.corrupt(digits[:5], random_state=random_state)
