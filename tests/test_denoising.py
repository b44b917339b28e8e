"""The denoising autoencoder: what corruption does, and what is learned from it."""

import pickle

import numpy as np
import pytest
import sklearn
import torch
from helpers import assert_not_fitted, assert_same_fit, fitted_state
from scipy.linalg import solve_discrete_lyapunov
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, DenoisingAutoencoder, StackedAutoencoder
from skae._corruption import mask
from skae._engine.data import split_rows

FAST = {
    "n_components": 16,
    "max_iter": 2,
    "batch_size": 200,
    "learning_rate_init": 1e-3,
    "random_state": 0,
}
CORRUPTIONS = ["masking", "gaussian", "salt_and_pepper", "swap"]
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
def test_no_corruption_is_the_plain_autoencoder(hidden, tied, digits):
    shared = {**FAST, "hidden_layer_sizes": hidden, "tied_weights": tied}
    denoising = DenoisingAutoencoder(**shared, corruption=None).fit(digits)
    plain = Autoencoder(**shared, code_activation="logistic").fit(digits)
    assert_same_fit(denoising, plain)


def test_corruption_changes_the_training(digits):
    curves = [
        DenoisingAutoencoder(**FAST, corruption=corruption).fit(digits).loss_curve_
        for corruption in (None, *CORRUPTIONS)
    ]
    assert len({tuple(curve) for curve in curves}) == 1 + len(CORRUPTIONS)


def test_a_corrupted_row_is_to_give_the_clean_one(digits, squared_errors):
    """One full batch that is not learned from: where x' is 0, only biases are left."""
    still = {**FAST, "max_iter": 1, "learning_rate_init": 1e-12, "batch_size": len(digits)}
    denoising = DenoisingAutoencoder(**still, corruption=lambda x, generator: 0 * x).fit(digits)
    expected = squared_errors(digits, denoising.reconstruct(0 * digits)).mean()
    assert denoising.loss_ == pytest.approx(expected, rel=1e-6)


def test_every_epoch_corrupts_anew(X):
    """And once more before, for the start, and at the end, for the variance of what is left."""
    seen = []

    def record(x, generator):
        seen.append(torch.rand(4, generator=generator).tolist())
        return x

    DenoisingAutoencoder(**{**FAST, "batch_size": 500}, corruption=record).fit(X)
    assert len(seen) == 1 + 4 + 1
    assert len(set(map(tuple, seen[:-1]))) == 1 + 4


@pytest.mark.parametrize("level", [0.0, 0.1, 0.7, 1.0])
def test_masking_sets_a_fraction_of_cells_to_their_columns_mean(level, X):
    """Which no cell of X is."""
    noisy = corrupted(X, "masking", level)
    masked = np.isclose(noisy, X.mean(axis=0), rtol=1e-12)
    assert masked.mean() == pytest.approx(level, **FRACTION)
    np.testing.assert_array_equal(noisy[~masked], X[~masked])


def test_masking_is_independent_of_row_and_column(X):
    masked = corrupted(X, "masking", 0.5) != X
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


@pytest.mark.parametrize("level", [0.0, 0.1, 0.7, 1.0])
def test_swap_changes_a_fraction_of_cells(level, X):
    """Never for the row's own value: no value is in X twice."""
    changed = corrupted(X, "swap", level) != X
    assert changed.mean() == pytest.approx(level, **FRACTION)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_swap_takes_values_of_the_same_column(dtype, X):
    noisy, X = corrupted(X.astype(dtype), "swap", 1.0), X.astype(dtype)
    for column, values in zip(noisy.T, X.T, strict=True):
        assert np.isin(column, values).all()
    assert (noisy != X).mean() > 0.999


def test_swap_draws_every_other_row_alike():
    """Columns that count the rows tell where a value is from; standard error 0.004."""
    rows = np.tile(np.arange(5.0)[:, None], 4000)
    distance = (corrupted(rows, "swap", 0.5) - rows) % 5
    fractions = [(distance == d).mean() for d in range(5)]
    assert fractions == pytest.approx([0.5, *[0.125] * 4], abs=0.02)


def test_swap_keeps_what_columns_are_like_and_not_how_they_go_together(X):
    """Of 1000 uniform values the mean has a standard error of 1% of the range."""
    rows = np.hstack([X, X])
    noisy = corrupted(rows, "swap", 1.0)
    spread = np.ptp(rows, axis=0)
    assert (np.abs(noisy.mean(axis=0) - rows.mean(axis=0)) < 0.06 * spread).all()
    assert (np.abs(noisy.std(axis=0) - rows.std(axis=0)) < 0.04 * spread).all()
    pairs = [np.corrcoef(noisy[:, j], noisy[:, j + 20])[0, 1] for j in range(20)]
    assert np.abs(pairs).max() < 0.15


def test_swap_leaves_a_row_alone_as_it_is(X):
    denoising = DenoisingAutoencoder(**FAST, corruption="swap", corruption_level=1.0).fit(X)
    np.testing.assert_array_equal(denoising.corrupt(X[:1], random_state=0), X[:1])


def test_swap_trains_on_a_single_row(X):
    one, plain = (
        DenoisingAutoencoder(**FAST, corruption=corruption).fit(X[:1])
        for corruption in ("swap", None)
    )
    assert_same_fit(one, plain)


def test_stacks_may_swap(digits):
    layer = DenoisingAutoencoder(corruption="swap", max_iter=1)
    stack = StackedAutoencoder((16, 8), estimator=layer, max_iter=1, random_state=0).fit(digits)
    assert stack.transform(digits).shape == (1797, 8)


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
        seen.append((x.shape, x.dtype, isinstance(generator, torch.Generator)))
        return 0.5 * x

    noisy = corrupted(X, halve)
    np.testing.assert_array_equal(noisy, 0.5 * X)
    assert set(seen[1:11]) == {((200, 20), torch.float64, True)}
    assert {*seen[:1], *seen[11:]} == {((1000, 20), torch.float64, True)}


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
    with pytest.raises(ValueError, match=r"corruption=.*must return a tensor.*, 20\)"):
        DenoisingAutoencoder(**FAST, corruption=wrong).fit(X)


def test_small_noise_is_a_penalty_of_the_jacobian_of_the_reconstruction(X):
    """Alain and Bengio 2014, exact where all is linear: sigma^2 ||J||^2 more."""
    linear = {"code_activation": "identity", "corruption": "gaussian", "corruption_level": 0.3}
    denoising = DenoisingAutoencoder(**{**FAST, **linear}).fit(X)
    noisy = np.concatenate([denoising.corrupt(X, random_state=i) for i in range(300)])
    found = np.square(denoising.reconstruct(noisy) - np.tile(X, (300, 1))).sum(axis=1).mean()
    jacobian = denoising.coefs_[0] @ denoising.coefs_[1]
    expected = -denoising.score_samples(X).mean() + 0.3**2 * np.square(jacobian).sum()
    np.testing.assert_allclose(found, expected, rtol=5e-3)


def test_counts_are_made_of_counts(X):
    """Since a reconstruction has the total of its row."""
    denoising = DenoisingAutoencoder(**FAST, loss="categorical_cross_entropy")
    with pytest.raises(ValueError, match="needs X with counts"):
        denoising.fit(X - 10, target=np.abs(X))


def test_a_single_row_is_swapped_with_others(X):
    denoising = DenoisingAutoencoder(**FAST, corruption="swap", corruption_level=0.5).fit(X)
    one, many = (denoising.sample(n, n_steps=3, random_state=0) for n in (1, 100))
    np.testing.assert_array_equal(one, many[:1])


def test_a_callable_must_return_finite_numbers(X):
    with pytest.raises(ValueError, match=r"corruption=.* returned NaN or infinity"):
        DenoisingAutoencoder(**FAST, corruption=lambda x, generator: x / 0).fit(X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_target_passed_as_y_is_noticed(method, pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**FAST)
    with pytest.warns(UserWarning, match="pass target=y") as record:
        getattr(denoising, method)(X, X + 1)
    assert record[0].filename == __file__
    getattr(denoising, method)(X, target[:, 0])  # labels of a pipeline, in whatever shape
    getattr(denoising, method)(X, target)


@pytest.mark.parametrize("corruption", ["masking", "salt_and_pepper", "swap"])
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


def test_a_callable_may_corrupt_in_place(digits):
    def in_place(x, generator):
        return x.mul_(0.5)

    one, other = (
        DenoisingAutoencoder(8, corruption=corruption, max_iter=3, random_state=0).fit(digits[:300])
        for corruption in (in_place, lambda x, generator: 0.5 * x)
    )
    assert_same_fit(one, other)


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


# Sparse rows.


@pytest.fixture(scope="module")
def counts():
    """A tenth filled; no value is in a column twice."""
    rng = np.random.default_rng(0)
    return rng.uniform(1, 2, size=(2000, 20)) * (rng.uniform(size=(2000, 20)) < 0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [csr_matrix, csr_array])
@pytest.mark.parametrize("corruption", ["swap", None])
def test_corrupt_keeps_sparse_rows_sparse(corruption, kind, dtype, counts):
    denoising = DenoisingAutoencoder(**FAST, corruption=corruption)
    rows = kind(counts.astype(dtype))
    noisy = denoising.fit(rows).corrupt(rows, random_state=0)
    assert type(noisy) is kind
    assert (noisy.shape, noisy.dtype) == (rows.shape, dtype)
    again = denoising.corrupt(rows, random_state=0)
    np.testing.assert_array_equal(noisy.toarray(), again.toarray())


def test_masking_of_sparse_training_rows_takes_the_means_of_all_their_cells(counts):
    """Of 4000 stored ones: the standard error of the fraction is 0.007."""
    denoising = DenoisingAutoencoder(**FAST).fit(csr_matrix(counts))
    noisy = denoising.corrupt(counts, random_state=0)
    masked = np.isclose(noisy, counts.mean(axis=0), rtol=1e-12)
    assert masked.mean() == pytest.approx(0.3, **FRACTION)
    assert masked[counts > 0].mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_array_equal(noisy[~masked], counts[~masked])


def test_swap_keeps_how_full_sparse_columns_are(counts):
    """A swap is seen unless both cells are empty: in 19 of 100 pairs."""
    denoising = DenoisingAutoencoder(**FAST, corruption="swap").fit(counts)
    noisy = denoising.corrupt(csr_matrix(counts), random_state=0).toarray()
    assert (noisy != counts).mean() == pytest.approx(0.3 * 0.19, abs=0.01)
    assert (noisy != 0).mean() == pytest.approx(0.1, abs=0.01)


def test_swap_works_on_sparse_rows_of_any_width():
    """So wide that few of them may be dense at once; each cell is another row's."""
    rng = np.random.default_rng(0)
    rows = csr_matrix(rng.uniform(1, 2, size=(3, 2**19 + 1)).astype(np.float32))
    denoising = DenoisingAutoencoder(1, corruption="swap", corruption_level=0.5, max_iter=1)
    noisy = denoising.fit(rows).corrupt(rows, random_state=0)
    assert (noisy.data != rows.data).mean() == pytest.approx(0.5, abs=0.01)


def test_no_corruption_copies_sparse_rows(counts):
    rows = csr_matrix(counts)
    noisy = DenoisingAutoencoder(**FAST, corruption=None).fit(rows).corrupt(rows)
    np.testing.assert_array_equal(noisy.toarray(), counts)
    assert not np.shares_memory(noisy.data, rows.data)


@pytest.mark.parametrize("corruption", ["masking", "gaussian", "salt_and_pepper", lambda x, g: x])
def test_corrupt_does_not_fill_sparse_rows(corruption, counts):
    rows = csr_matrix(counts)
    denoising = DenoisingAutoencoder(**FAST, corruption=corruption).fit(rows)
    with pytest.raises(ValueError, match=r"corruption=.* sparse"):
        denoising.corrupt(rows)


# Targets.


@pytest.fixture(scope="module")
def pairs():
    """Rows, and a linear map of them to another width."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 6))
    return rows, rows @ rng.normal(size=(6, 9))


LINEAR = {
    "n_components": 6,
    "corruption": None,
    "code_activation": "identity",
    "learning_rate_init": 0.03,
    "batch_size": 50,
    "max_iter": 40,
    "random_state": 0,
}


@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"tied_weights": True}], ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_as_their_own_targets_change_nothing(method, params, digits):
    one, other = (DenoisingAutoencoder(**FAST, **params) for _ in range(2))
    getattr(one, method)(digits)
    getattr(other, method)(digits, target=digits.copy())
    assert_same_fit(one, other)
    assert one.validation_loss_curve_ == other.validation_loss_curve_
    np.testing.assert_array_equal(one.noise_variance_, other.noise_variance_)
    assert one.score(digits) == other.score(digits, target=digits)


def test_a_linear_map_is_learned(pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**LINEAR).fit(X[:200], target=target[:200])
    assert denoising.score(X[200:], target=target[200:]) > 0.999


@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_targets_may_have_another_width(method, hidden, pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**FAST, hidden_layer_sizes=hidden)
    getattr(denoising, method)(X, target=target)
    assert (denoising.n_features_in_, denoising.n_features_out_) == (6, 9)
    assert denoising.transform(X).shape == (300, 16)
    assert denoising.reconstruct(X).shape == (300, 9)
    codes = denoising.transform(X)
    np.testing.assert_array_equal(denoising.inverse_transform(codes), denoising.reconstruct(X))
    decoded = denoising.decoder_(torch.tensor(codes)).detach()
    np.testing.assert_allclose(decoded, denoising.reconstruct(X), rtol=1e-9, atol=1e-12)
    assert denoising.coefs_[-1].shape[1] == len(denoising.intercepts_[-1]) == 9
    assert denoising.noise_variance_.shape == (9,)
    assert denoising.corrupt(X).shape == X.shape


def test_score_compares_with_the_target(pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**FAST).fit(X, target=target)
    R = denoising.reconstruct(X)
    expected = r2_score(target, R, multioutput="variance_weighted")
    assert denoising.score(X, target=target) == pytest.approx(expected, rel=1e-9)
    assert denoising.score(X, target=R) == 1


@pytest.mark.parametrize("method", ["score", "score_samples"])
def test_rows_of_another_width_are_no_target(method, pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**FAST).fit(X, target=target)
    with pytest.raises(ValueError, match=r"9 features.*6.*target"):
        getattr(denoising, method)(X)


def test_a_target_of_another_width_is_not_scored(pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**FAST).fit(X, target=target)
    with pytest.raises(ValueError, match=r"9 features.*8"):
        denoising.score(X, target=target[:, :8])


def test_targets_in_fit_transform(pairs):
    X, target = pairs
    codes = DenoisingAutoencoder(**FAST).fit_transform(X, target=target)
    expected = DenoisingAutoencoder(**FAST).fit(X, target=target).transform(X)
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.parametrize("kind", [csr_matrix, csr_array, np.float32, lambda table: table.tolist()])
def test_targets_of_every_kind(kind, pairs):
    X, target = pairs
    target = np.round(8 * target) / 8  # as float32, too, has it
    one, other = (DenoisingAutoencoder(**FAST).fit(X, target=t) for t in (target, kind(target)))
    assert_same_fit(one, other)
    assert one.score(X, target=target) == pytest.approx(other.score(X, target=kind(target)))


def test_the_range_that_a_loss_needs_is_the_targets(pairs):
    X, target = pairs
    unit = 1 / (1 + np.exp(-target))
    denoising = DenoisingAutoencoder(**FAST, loss="binary_cross_entropy").fit(X, target=unit)
    R = denoising.reconstruct(X)
    assert 0 <= R.min() <= R.max() <= 1
    with pytest.raises(ValueError, match=r"binary_cross_entropy.*target"):
        denoising.fit(unit[:, :6], target=target)


def bad_targets(target):
    infinite = target.copy()
    infinite[0, 0] = np.inf
    return {
        "one row for each row": target[:-1],
        "2D": target[:, 0],
        "infinity": infinite,
        "dtype|complex|Complex": target + 1j,
        "string": np.full(target.shape, "a"),
    }


@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
@pytest.mark.parametrize("message", bad_targets(np.zeros((3, 2))))
def test_bad_targets_are_refused(message, method, pairs):
    X, target = pairs
    wrong = bad_targets(target)[message]
    denoising = DenoisingAutoencoder(**FAST).fit(X, target=target)
    before = fitted_state(denoising)
    with pytest.raises(ValueError, match=message):
        getattr(denoising, method)(X, target=wrong)
    assert fitted_state(denoising) == before


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_bad_target_leaves_a_new_estimator_new(method, pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**FAST)
    with pytest.raises(ValueError, match="one row for each row"):
        getattr(denoising, method)(X, target=target[:-1])
    assert_not_fitted(denoising)


@pytest.mark.parametrize("width", [6, 8])
def test_the_width_of_a_target_cannot_change_in_training(width, pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**FAST, warm_start=True).fit(X, target=target)
    before, wrong = fitted_state(denoising), None if width == 6 else target[:, :width]
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=rf"{width} columns.*9"):
            getattr(denoising, method)(X, target=wrong)
    assert fitted_state(denoising) == before


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_tied_weights_need_a_target_of_the_same_width(method, pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**FAST, tied_weights=True)
    with pytest.raises(ValueError, match="tied_weights"):
        getattr(denoising, method)(X, target=target)
    assert_not_fitted(denoising)
    denoising.fit(X, target=target[:, :6])
    before = fitted_state(denoising)
    with pytest.raises(ValueError, match=r"tied_weights|9 columns"):
        getattr(denoising, method)(X, target=target)
    assert fitted_state(denoising) == before


def test_a_fit_without_target_has_the_width_of_x_again(pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**FAST)
    assert_same_fit(denoising.fit(X, target=target).fit(X), clone(denoising).fit(X))
    assert denoising.n_features_out_ == 6


def test_early_stopping_holds_out_rows_and_their_targets(pairs):
    X, target = pairs
    denoising = DenoisingAutoencoder(**LINEAR, early_stopping=True).fit(X, target=target)
    rows = split_rows(300, 0.1, 0).held_out.numpy()
    errors = np.square(target[rows] - denoising.reconstruct(X[rows])).sum(axis=1)
    assert denoising.best_loss_ == pytest.approx(errors.mean(), rel=1e-6)


def test_lbfgs_takes_targets(pairs):
    X, target = pairs
    linear = {**LINEAR, "solver": "lbfgs", "max_iter": 40}
    assert DenoisingAutoencoder(**linear).fit(X, target=target).score(X, target=target) > 0.99


def test_training_with_targets_goes_on_exactly_through_pickle(pairs):
    X, target = pairs
    one = DenoisingAutoencoder(**FAST).partial_fit(X, target=target)
    other = pickle.loads(pickle.dumps(one))
    assert other.n_features_out_ == 9
    assert_same_fit(one.partial_fit(X, target=target), other.partial_fit(X, target=target))
    np.testing.assert_array_equal(one.reconstruct(X), other.reconstruct(X))


def test_width_of_a_reconstruction_is_known_after_fit():
    with pytest.raises(NotFittedError):
        _ = DenoisingAutoencoder().n_features_out_


def test_noisy_targets_are_as_good_as_clean_ones(digits):
    """The mean of what a row may become is the same (noise2noise)."""
    rng = np.random.default_rng(0)
    one, other = (digits + rng.normal(scale=0.2, size=digits.shape) for _ in range(2))
    fit = {**LINEAR, "n_components": 64, "learning_rate_init": 0.01, "batch_size": 200}
    scores = [
        DenoisingAutoencoder(**{**fit, "max_iter": 25})
        .fit(one[:1400], target=target[:1400])
        .score(one[1400:], target=digits[1400:])
        for target in (digits, other, one)
    ]
    assert scores[1] == pytest.approx(scores[0], abs=0.05)
    assert min(scores[:2]) > 0.7
    assert scores[2] < min(scores[:2]) - 0.1


def test_pipelines_hand_targets_on(pairs):
    X, target = pairs
    with sklearn.config_context(enable_metadata_routing=True):
        denoising = DenoisingAutoencoder(**FAST).set_fit_request(target=True)
        pipeline = make_pipeline(StandardScaler(), denoising).fit(X, target=target)
    scaled = StandardScaler().fit_transform(X)
    alone = DenoisingAutoencoder(**FAST).fit(scaled, target=target)
    assert_same_fit(pipeline[-1], alone)


def test_a_grid_search_hands_targets_on(pairs):
    X, target = pairs
    grid = {"n_components": [1, 6]}
    with sklearn.config_context(enable_metadata_routing=True):
        denoising = DenoisingAutoencoder(**LINEAR).set_fit_request(target=True)
        search = GridSearchCV(denoising.set_score_request(target=True), grid, cv=3)
        search.fit(X, target=target)
    assert search.best_params_ == {"n_components": 6}
    assert search.best_estimator_.n_features_out_ == 9
    assert search.best_score_ > 0.99


# The chain, and what reconstructions say of the density.


def gaussian_rows(covariance, n_rows=4000):
    """Normal rows whose covariance is exactly this one."""
    rows = np.random.default_rng(0).normal(size=(n_rows, len(covariance)))
    rows -= rows.mean(axis=0)
    rows = rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T, bias=True))).T
    return rows @ np.linalg.cholesky(covariance).T


def linear_denoiser(X, std):
    fit = {"code_activation": "identity", "max_iter": 40, "learning_rate_init": 0.01}
    noise = {"corruption": "gaussian", "corruption_level": std}
    denoiser = DenoisingAutoencoder(8, **noise, **fit, learning_rate="cosine", random_state=0)
    return denoiser.fit(X)


COVARIANCE = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, -0.5], [0.0, -0.5, 1.0]])


@pytest.mark.parametrize("std", [0.5, 1.0])
def test_a_gaussians_reconstruction_is_its_mean_given_the_noisy_row(std):
    """C (C + s^2 I)^-1 x, which moves x by s^2 times the slope of its log density."""
    denoiser = linear_denoiser(gaussian_rows(COVARIANCE), std)
    noisy_covariance = COVARIANCE + std**2 * np.eye(3)
    x = gaussian_rows(noisy_covariance, 500)
    expected = -(std**2) * x @ np.linalg.inv(noisy_covariance)
    moved = denoiser.reconstruct(x) - x
    cosine = (moved * expected).sum() / np.sqrt((moved**2).sum() * (expected**2).sum())
    assert cosine > 0.98
    assert (moved * expected).sum() / (expected**2).sum() == pytest.approx(1, abs=0.05)


def test_noise_variance_is_that_of_the_clean_row_given_the_noisy_one():
    """The diagonal of C - C (C + s^2 I)^-1 C; the standard error is 4.5%."""
    denoiser = linear_denoiser(gaussian_rows(COVARIANCE), 1.0)
    explained = COVARIANCE @ np.linalg.inv(COVARIANCE + np.eye(3)) @ COVARIANCE
    expected = np.diag(COVARIANCE - explained)
    np.testing.assert_allclose(denoiser.noise_variance_, expected, rtol=0.2)


def test_noise_variance_is_of_each_column(digits):
    denoiser = DenoisingAutoencoder(**FAST, corruption=None).fit(digits[:500])
    errors = np.square(digits[:500] - denoiser.reconstruct(digits[:500]))
    np.testing.assert_allclose(denoiser.noise_variance_, errors.mean(axis=0), rtol=1e-9)


def test_noise_variance_is_only_of_squared_errors(digits):
    denoiser = DenoisingAutoencoder(**FAST).fit(digits)
    assert hasattr(denoiser, "noise_variance_")
    denoiser.set_params(loss="binary_cross_entropy").fit(digits)
    assert not hasattr(denoiser, "noise_variance_")


def test_the_chain_of_a_linear_denoiser_ends_where_it_must():
    """x -> W' (x + s e) + b + noise has a covariance that solves Lyapunov's equation."""
    denoiser = linear_denoiser(gaussian_rows(COVARIANCE) + np.array([1, -1, 0]), 1.0)
    W = (denoiser.coefs_[0] @ denoiser.coefs_[1]).T
    noise = W @ W.T + np.diag(denoiser.noise_variance_)
    expected = solve_discrete_lyapunov(W, noise)
    rows = denoiser.sample(8000, n_steps=40, random_state=0)
    np.testing.assert_allclose(np.cov(rows.T), expected, atol=0.05 * np.trace(expected))
    fixed_point = np.linalg.solve(np.eye(3) - W, denoiser.reconstruct(np.zeros((1, 3)))[0])
    np.testing.assert_allclose(rows.mean(axis=0), fixed_point, atol=0.1)


def test_the_chain_comes_near_the_data():
    """Nearer than that only where columns are independent, as the step's noise is."""
    covariance = np.diag([4.0, 1.0, 0.5])
    denoiser = linear_denoiser(gaussian_rows(covariance), 0.7)
    rows = denoiser.sample(4000, n_steps=60, random_state=0)
    np.testing.assert_allclose(np.cov(rows.T), covariance, rtol=0.2, atol=0.15)
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=0.2)


def test_the_chain_of_one_binary_feature():
    """It goes from x to 1 with probability r(x) or, masked, that of the mean, r(m)."""
    X = (np.random.default_rng(0).uniform(size=(2000, 1)) < 0.7).astype(float)
    fit = {"max_iter": 30, "learning_rate_init": 0.05, "loss": "binary_cross_entropy"}
    denoiser = DenoisingAutoencoder(2, corruption_level=0.5, **fit, random_state=0).fit(X)
    r0, r1, masked = denoiser.reconstruct([[0.0], [1.0], [X.mean()]])[:, 0]
    rows = denoiser.sample(4000, n_steps=30, random_state=0)
    rises, stays = 0.5 * (r0 + masked), 0.5 * (r1 + masked)
    assert rows.mean() == pytest.approx(rises / (1 - stays + rises), abs=0.03)
    assert rows.mean() == pytest.approx(X.mean(), abs=0.07)


@pytest.mark.parametrize("corruption", [*CORRUPTIONS, lambda x, generator: 0.5 * x])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_look_like_rows(dtype, corruption, digits):
    denoiser = DenoisingAutoencoder(**FAST, corruption=corruption).fit(digits.astype(dtype))
    rows = denoiser.sample(7, n_steps=3, random_state=0)
    assert (rows.shape, rows.dtype) == ((7, 64), dtype)
    assert np.isfinite(rows).all()
    assert denoiser.sample().shape == (1, 64)


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_samples_are_decided_by_their_seed(loss, digits):
    denoiser = DenoisingAutoencoder(**FAST, loss=loss).fit(digits)
    one, again, other, fresh = (
        denoiser.sample(5, n_steps=3, random_state=seed) for seed in (1, 1, 2, None)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (one != fresh).any()
    assert (one[0] != one[1]).any()


def test_sampling_changes_nothing(digits):
    denoiser = DenoisingAutoencoder(**FAST).fit(digits)
    before = fitted_state(denoiser)
    denoiser.sample(3, n_steps=2)
    assert fitted_state(denoiser) == before


def test_samples_of_probabilities_are_binary(digits):
    denoiser = DenoisingAutoencoder(**FAST, loss="binary_cross_entropy").fit(digits)
    assert set(denoiser.sample(20, n_steps=2, random_state=0).ravel()) == {0.0, 1.0}


def test_a_denoiser_of_rows_that_lack_cells_samples_whole_ones(digits):
    lacking = np.where(np.random.default_rng(0).uniform(size=digits.shape) < 0.2, np.nan, digits)
    rows = DenoisingAutoencoder(**FAST).fit(lacking).sample(5, n_steps=3, random_state=0)
    assert np.isfinite(rows).all()


def test_a_denoiser_of_sparse_rows_samples_dense_ones(counts):
    rows = DenoisingAutoencoder(**FAST).fit(csr_matrix(counts)).sample(5, n_steps=3)
    assert type(rows) is np.ndarray
    assert rows.shape == (5, 20)


@pytest.mark.parametrize(
    "params", [{"corruption": None}, {"loss": "categorical_cross_entropy"}], ids=str
)
def test_where_there_is_no_chain(params, digits):
    (name,) = params
    with pytest.raises(ValueError, match=f"no chain.*{name}"):
        DenoisingAutoencoder(**FAST, **params).fit(digits).sample()


def test_no_chain_leads_to_rows_of_another_width(pairs):
    X, target = pairs
    with pytest.raises(ValueError, match=r"no chain.*6.*9.*target"):
        DenoisingAutoencoder(**FAST).fit(X, target=target).sample()


@pytest.mark.parametrize("name", ["n_samples", "n_steps"])
@pytest.mark.parametrize("number", [0, -1, 2.5, "3", None])
def test_numbers_of_samples_and_steps_are_checked(number, name, digits):
    denoiser = DenoisingAutoencoder(**FAST).fit(digits)
    with pytest.raises(ValueError, match=f"{name}="):
        denoiser.sample(**{name: number})


@pytest.mark.parametrize("level", [1e-3, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_cells_are_masked_with_the_probability_asked_for(level, dtype):
    x = torch.ones(1001, 203, dtype=dtype)  # their number is no multiple of 4
    means = torch.zeros(203, dtype=dtype)
    masked = mask(x, level, means, torch.Generator().manual_seed(0)) == 0
    expected = pytest.approx(level, abs=4 * (level * (1 - level) / 5e4) ** 0.5 + 1e-9)
    # Four cells share a random word: each of the four is as likely as the others, and independent.
    fourths = masked.flatten()[: x.numel() // 4 * 4].view(-1, 4).double()
    for fourth in fourths.T:
        assert fourth.mean().item() == expected
    pairs = fourths.T.cov() - torch.diag(fourths.var(dim=0))
    assert pairs.abs().max() < 4 / 5e4**0.5


def test_sampling_needs_a_fit():
    with pytest.raises(NotFittedError):
        DenoisingAutoencoder().sample()


@pytest.mark.parametrize("target", [np.ones(20), [["a"]] * 20, np.full((20, 2), np.inf)])
def test_errors_about_target_say_so(target):
    with pytest.raises(ValueError) as error:
        DenoisingAutoencoder(2, max_iter=1).fit(np.ones((20, 3)), target=target)
    assert "target" in error.value.__notes__[-1]
