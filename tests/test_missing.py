"""Missing cells (NaN), which only the denoising autoencoder takes."""

import pickle

import numpy as np
import pytest
import torch
from helpers import SMALL, assert_not_fitted, assert_same_fit, fitted_state, small, weights
from scipy.sparse import csr_array, csr_matrix
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.utils import get_tags

from skae import DenoisingAutoencoder
from skae._engine.data import Data, split_rows
from skae._engine.network import Network
from skae._engine.tape import Tape
from skae._outputs import LOSSES

NOT_DENOISING = [name for name in SMALL if name != "DenoisingAutoencoder"]
CORRUPTIONS = ["masking", "gaussian", "salt_and_pepper", "swap", None, lambda x, g: x + 1]
STILL = {"max_iter": 1, "learning_rate_init": 1e-12, "batch_size": 60}  # one batch, no learning
every_loss = pytest.mark.parametrize("loss", LOSSES)
every_corruption = pytest.mark.parametrize("corruption", CORRUPTIONS)
kinds = pytest.mark.parametrize("kind", [np.asarray, csr_matrix, csr_array])

rng = np.random.default_rng(0)
WHOLE = rng.uniform(size=(60, 6))
LACKING = rng.uniform(size=WHOLE.shape) < 0.2
LACKING[0], LACKING[1] = True, False  # a row without any cell and one without a gap
X = np.where(LACKING, np.nan, WHOLE)
MEANS = np.nanmean(X, axis=0)


def denoising(**params):
    return small("DenoisingAutoencoder", **params)


def surprise(loss, x, r):
    """The loss of one row's observed cells; r is its reconstruction of all cells."""
    x, r = x[~np.isnan(x)], r[~np.isnan(x)]
    if loss == "squared_error":
        return np.sum((x - r) ** 2)
    if loss == "binary_cross_entropy":
        return -np.sum(x * np.log(r) + (1 - x) * np.log(1 - r))
    return -np.sum(x * np.log(r / r.sum()))  # of the cells that can be seen


def proportions_or_reconstruction(estimator, X):
    """What the loss compares rows with."""
    return estimator.inverse_transform(estimator.transform(X))


def mean_surprise(estimator, X, target):
    R = proportions_or_reconstruction(estimator, X)
    return np.mean([surprise(estimator.loss, *row) for row in zip(target, R, strict=True)])


# Who takes them.


@pytest.mark.parametrize("name", NOT_DENOISING)
def test_other_estimators_refuse_missing_cells(name):
    estimator = small(name)
    with pytest.raises(ValueError, match="contains NaN"):
        estimator.fit(X)
    assert_not_fitted(estimator)
    with pytest.raises(ValueError, match="contains NaN"):
        estimator.fit(WHOLE).transform(X)


def test_only_denoising_says_that_it_takes_them():
    takes_them = {name for name in SMALL if get_tags(small(name)).input_tags.allow_nan}
    assert takes_them == {"DenoisingAutoencoder"}


@kinds
@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "score", "corrupt"])
def test_infinity_is_refused(method, kind):
    estimator = denoising() if "fit" in method else denoising().fit(X)
    wrong = X.copy()
    wrong[2, 3] = np.inf
    before = fitted_state(estimator)
    with pytest.raises(ValueError, match="infinity"):
        getattr(estimator, method)(kind(wrong))
    if "fit" not in method:
        assert fitted_state(estimator) == before


# What the encoder gets.


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_mask_is_an_additional_input(hidden):
    with_gaps = denoising(hidden_layer_sizes=hidden).fit(X)
    without = denoising(hidden_layer_sizes=hidden).fit(WHOLE)
    assert (with_gaps.coefs_[0].shape[0], without.coefs_[0].shape[0]) == (12, 6)
    assert with_gaps.coefs_[-1].shape[1] == with_gaps.n_features_out_ == 6
    assert with_gaps.n_features_in_ == 6
    assert with_gaps.transform(X).shape == (60, 3)
    assert with_gaps.reconstruct(X).shape == (60, 6)


def test_codes_are_of_the_filled_row_and_its_mask():
    estimator = denoising(code_activation="identity").fit(X)
    inputs = np.hstack([np.where(LACKING, MEANS, X), ~LACKING])
    expected = inputs @ estimator.coefs_[0] + estimator.intercepts_[0]
    np.testing.assert_allclose(estimator.transform(X), expected, rtol=1e-10, atol=1e-12)


def test_the_mask_matters():
    estimator = denoising().fit(X)
    filled = np.where(LACKING, MEANS, X)
    differ = (estimator.transform(filled) != estimator.transform(X)).any(axis=1)
    np.testing.assert_array_equal(differ, LACKING.any(axis=1))


@pytest.mark.parametrize("training", [X, WHOLE], ids=["lacking", "whole"])
def test_means_are_those_of_observed_cells(training):
    estimator = denoising().fit(training)
    np.testing.assert_allclose(estimator.data_mean_, np.nanmean(training, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(estimator.data_min_, np.nanmin(training, axis=0))
    np.testing.assert_array_equal(estimator.data_max_, np.nanmax(training, axis=0))


@pytest.mark.parametrize("method", ["transform", "reconstruct"])
def test_after_a_fit_on_whole_rows_a_missing_cell_enters_as_its_mean(method):
    estimator = denoising().fit(WHOLE)
    filled = np.where(LACKING, WHOLE.mean(axis=0), WHOLE)
    found, expected = (getattr(estimator, method)(rows) for rows in (X, filled))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("training", [X, WHOLE], ids=["lacking", "whole"])
def test_the_modules_compute_the_same(training, dtype):
    rows = torch.tensor(training, dtype=dtype)
    estimator = denoising(hidden_layer_sizes=(5,)).fit(rows.numpy())
    codes = estimator.encoder_(rows)
    tolerance = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(codes.detach(), estimator.transform(rows.numpy()), **tolerance)
    decoded = estimator.decoder_(codes).detach()
    np.testing.assert_allclose(decoded, estimator.reconstruct(rows.numpy()), **tolerance)


def test_a_row_without_any_cell_has_a_code_and_a_reconstruction():
    estimator = denoising().fit(X)
    nothing = np.full((1, 6), np.nan)
    assert np.isfinite(estimator.transform(nothing)).all()
    assert np.isfinite(estimator.reconstruct(nothing)).all()
    assert estimator.score_samples(nothing) == 0


# What the loss counts.


@every_loss
def test_the_loss_counts_observed_cells_only(loss):
    estimator = denoising(loss=loss, corruption=None, **STILL).fit(X)
    assert estimator.loss_ == pytest.approx(mean_surprise(estimator, X, X), rel=1e-6)


@every_loss
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_the_gradient_is_that_of_observed_cells(loss, tied):
    """The tape's against autograd's, of a sum over the observed cells of row after row."""
    estimator = denoising(loss=loss, corruption=None, tied_weights=tied, hidden_layer_sizes=(5,))
    estimator._prepare(Data(X), continues=False)
    perceptron = estimator._describe_perceptron(6)
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(perceptron.length, dtype=torch.float64, generator=generator)
    found, expected = torch.zeros_like(flat), torch.zeros_like(flat)
    tape, x = Tape(Network(perceptron, flat), found), torch.tensor(X)
    value = estimator._objective(tape, x, generator)
    with torch.no_grad():
        tape.backward(value)
    by_hand = _mean_of_rows(loss, Network(perceptron, flat, expected), x)
    by_hand.backward()
    torch.testing.assert_close(value.detach(), by_hand.detach(), rtol=1e-10, atol=0)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert found.abs().sum() > 0


def _mean_of_rows(loss, network, x):
    seen = ~x.isnan()
    filled = torch.where(seen, x, torch.tensor(MEANS))
    outputs = network.decode(network.encode(torch.cat([filled, seen.double()], dim=1)))
    rows = [
        LOSSES[loss].loss_of_rows(output[cells], row[cells])
        for output, row, cells in zip(outputs, x, seen, strict=True)
        if cells.any()
    ]
    return sum(rows) / len(x)


@every_loss
def test_hiding_cells_of_the_target_takes_their_loss_away(loss):
    """From the same weights, as only rows of X decide them; the biases of the output differ."""
    estimator = denoising(loss=loss, corruption=None, hidden_layer_sizes=(4,), **STILL)
    whole = clone(estimator).fit(WHOLE, target=WHOLE)
    hidden = clone(estimator).fit(WHOLE, target=X)
    for one, other in zip(hidden.coefs_, whole.coefs_, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
    np.testing.assert_allclose(hidden.intercepts_[0], whole.intercepts_[0], rtol=0, atol=1e-10)
    assert whole.loss_ == pytest.approx(mean_surprise(whole, WHOLE, WHOLE), rel=1e-6)
    assert hidden.loss_ == pytest.approx(mean_surprise(hidden, WHOLE, X), rel=1e-6)
    assert hidden.loss_ < mean_surprise(hidden, WHOLE, WHOLE)


def test_a_column_of_the_target_that_is_hidden_is_not_learned():
    target = WHOLE.copy()
    target[:, 2] = np.nan
    estimator = denoising(corruption=None)
    with pytest.warns(UserWarning, match=r"Columns \[2\] have no observed value"):
        estimator.fit(WHOLE, target=target)
        untrained = denoising(corruption=None, **STILL).fit(WHOLE, target=target)
    np.testing.assert_allclose(estimator.coefs_[-1][:, 2], untrained.coefs_[-1][:, 2], rtol=1e-9)
    assert (estimator.coefs_[-1] != untrained.coefs_[-1]).any()


@every_loss
def test_score_samples_counts_observed_cells_only(loss):
    estimator = denoising(loss=loss).fit(X)
    R = proportions_or_reconstruction(estimator, X)
    expected = [-surprise(loss, x, r) for x, r in zip(X, R, strict=True)]
    np.testing.assert_allclose(estimator.score_samples(X), expected, rtol=1e-9, atol=1e-12)


@kinds
@pytest.mark.parametrize("training", [X, WHOLE], ids=["lacking", "whole"])
def test_score_is_the_variance_explained_of_observed_cells(training, kind):
    estimator = denoising().fit(training)
    errors = np.nansum(np.square(X - estimator.reconstruct(X)))
    deviations = np.nansum(np.square(X - MEANS))
    assert estimator.score(kind(X)) == pytest.approx(1 - errors / deviations, rel=1e-9)


def test_score_of_targets_counts_their_observed_cells_only():
    estimator = denoising().fit(X, target=WHOLE)
    assert estimator.score(X, target=X) == pytest.approx(estimator.score(X), rel=1e-12)
    expected = r2_score(WHOLE, estimator.reconstruct(X), multioutput="variance_weighted")
    assert estimator.score(X, target=WHOLE) == pytest.approx(expected, rel=1e-9)


def test_score_of_an_unseen_column_is_of_the_others():
    estimator, lacking = denoising().fit(X), WHOLE.copy()
    lacking[:, 1] = np.nan
    seen, R = [0, 2, 3, 4, 5], estimator.reconstruct(lacking)
    expected = r2_score(WHOLE[:, seen], R[:, seen], multioutput="variance_weighted")
    assert estimator.score(lacking) == pytest.approx(expected, rel=1e-9)


def test_the_loss_range_is_that_of_observed_cells():
    denoising(loss="binary_cross_entropy").fit(X)
    with pytest.raises(ValueError, match="binary_cross_entropy"):
        denoising(loss="binary_cross_entropy").fit(2 * X)
    with pytest.raises(ValueError, match="categorical_cross_entropy"):
        denoising(loss="categorical_cross_entropy").fit(X - 0.5)


# What corruption makes of them.


@every_corruption
@pytest.mark.parametrize("training", [X, WHOLE], ids=["lacking", "whole"])
def test_corruption_keeps_missing_cells_missing(training, corruption):
    estimator = denoising(corruption=corruption).fit(training)
    noisy = estimator.corrupt(X, random_state=0)
    assert np.isnan(noisy[LACKING]).all()
    assert not np.isnan(noisy[~LACKING]).all()


@pytest.mark.parametrize("corruption", ["gaussian", "salt_and_pepper", None, CORRUPTIONS[-1]])
def test_these_make_no_cell_missing(corruption):
    noisy = denoising(corruption=corruption).fit(X).corrupt(X, random_state=0)
    np.testing.assert_array_equal(np.isnan(noisy), LACKING)


def test_masking_makes_cells_missing_where_training_lacked_some():
    """Standard error of the fraction: 0.007."""
    many = np.tile(WHOLE, (12, 1))
    noisy = denoising().fit(X).corrupt(many, random_state=0)
    missing = np.isnan(noisy)
    assert missing.mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_array_equal(noisy[~missing], many[~missing])


def test_masking_sets_cells_to_their_mean_where_training_lacked_none():
    noisy = denoising().fit(WHOLE).corrupt(X, random_state=0)
    np.testing.assert_array_equal(np.isnan(noisy), LACKING)
    masked = np.isclose(noisy, WHOLE.mean(axis=0), rtol=1e-12)
    assert masked[~LACKING].mean() == pytest.approx(0.3, abs=0.1)
    np.testing.assert_array_equal(noisy[~masked], X[~masked])


def test_swapped_cells_may_become_missing():
    """As other rows lack them: of the observed ones 30%, times 20%."""
    rows, lacking = np.tile(X, (12, 1)), np.tile(LACKING, (12, 1))
    noisy = denoising(corruption="swap").fit(X).corrupt(rows, random_state=0)
    found = np.isnan(noisy[~lacking]).mean()
    assert found == pytest.approx(0.3 * LACKING.mean(), abs=0.025)


def test_salt_and_pepper_are_of_observed_cells():
    salt = denoising(corruption="salt_and_pepper", corruption_level=1.0).fit(X)
    noisy = salt.corrupt(X, random_state=0)
    extremes = np.isin(noisy, [np.nanmin(X, axis=0), np.nanmax(X, axis=0)])
    np.testing.assert_array_equal(extremes, ~LACKING)


@pytest.mark.parametrize("training", [X, WHOLE], ids=["lacking", "whole"])
def test_a_callable_gets_the_means_in_the_place_of_gaps(training):
    seen = []

    def look(x, generator):
        seen.append(x.clone().numpy())
        return x

    estimator = denoising(corruption=look).fit(training)
    assert np.isfinite(np.vstack(seen)).all()
    estimator.corrupt(X)
    expected = np.where(LACKING, np.nanmean(training, axis=0), X)
    np.testing.assert_allclose(seen[-1], expected, rtol=1e-12)


# How they go with everything else.


@every_corruption
@every_loss
def test_every_corruption_and_loss_trains(loss, corruption):
    estimator = denoising(loss=loss, corruption=corruption, max_iter=20, learning_rate_init=0.02)
    estimator.fit(X)
    assert estimator.loss_ < estimator.loss_curve_[0]
    assert np.isfinite(estimator.reconstruct(X)).all()


def test_it_fills_cells_better_than_the_column_mean(digits):
    lacking = np.random.default_rng(0).uniform(size=digits.shape) < 0.2
    rows, width = np.where(lacking, np.nan, digits), {"hidden_layer_sizes": (128,)}
    fit = {"code_activation": "identity", "learning_rate_init": 5e-3, "max_iter": 15}
    estimator = DenoisingAutoencoder(32, **width, **fit, random_state=0)
    errors = np.square(estimator.fit(rows).reconstruct(rows) - digits)[lacking]
    deviations = np.square(np.nanmean(rows, axis=0) - digits)[lacking]
    assert errors.mean() < 0.5 * deviations.mean()


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_tied_weights_are_those_of_the_values_not_of_the_mask(hidden):
    estimator = denoising(tied_weights=True, hidden_layer_sizes=hidden).fit(X)
    first, last = estimator.coefs_[0], estimator.coefs_[-1]
    assert first.shape[0] == 12
    np.testing.assert_array_equal(last, first[:6].T)


def test_a_column_without_observed_cells_warns():
    lacking = X.copy()
    lacking[:, [1, 4]] = np.nan
    estimator = denoising()
    with pytest.warns(UserWarning, match=r"Columns \[1, 4\] have no observed value"):
        estimator.fit(lacking)
    assert np.isnan(lacking[:, [1, 4]]).all()
    assert np.isfinite(estimator.transform(lacking)).all()
    assert np.isfinite(estimator.reconstruct(WHOLE)).all()
    assert np.isfinite(estimator.score(lacking))


def test_float32_stays_float32():
    estimator = denoising().fit(X.astype(np.float32))
    assert estimator.transform(X).dtype == estimator.reconstruct(X).dtype == np.float32
    assert estimator.data_mean_.dtype == estimator.corrupt(X).dtype == np.float32
    single, exact = (denoising(corruption=None).fit(X.astype(d)) for d in (np.float32, np.float64))
    np.testing.assert_allclose(single.reconstruct(X), exact.reconstruct(X), atol=1e-5)


def test_mixed_precision_takes_them():
    estimator = denoising(precision="bf16").fit(X)
    assert np.isfinite(estimator.loss_curve_).all()


def test_lbfgs_takes_them():
    estimator = denoising(solver="lbfgs", max_iter=10).fit(X)
    assert estimator.loss_ < denoising(solver="lbfgs", max_iter=1).fit(X).loss_


@pytest.mark.parametrize("dtype", ["float64", "Float64"])
def test_frames_with_gaps(dtype):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef")).astype(dtype)
    assert_same_fit(denoising().fit(frame), denoising().fit(X))


@pytest.mark.parametrize("kind", [csr_matrix, csr_array])
def test_sparse_rows_with_gaps_are_trained_on_like_dense_ones(kind):
    sparse, dense = denoising().fit(kind(X)), denoising().fit(X)
    np.testing.assert_allclose(weights(sparse), weights(dense), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sparse.transform(kind(X)), dense.transform(X), rtol=1e-9)
    assert sparse.score(kind(X)) == pytest.approx(dense.score(X), rel=1e-9)


@pytest.mark.parametrize("kind", [csr_matrix, csr_array])
def test_zeros_of_sparse_rows_are_observed(kind):
    rows = np.where(WHOLE < 0.7, 0, X)
    estimator = denoising().fit(kind(rows))
    np.testing.assert_allclose(estimator.data_mean_, np.nanmean(rows, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(estimator.data_min_, np.nanmin(rows, axis=0))


def test_partial_fit_may_meet_gaps_later():
    """There is no mask then, as the first call decides; the mean is of all rows so far."""
    estimator = denoising().partial_fit(WHOLE).partial_fit(X)
    assert estimator.coefs_[0].shape[0] == 6
    assert np.isfinite(estimator.loss_curve_).all()
    both = np.vstack([WHOLE, X])
    np.testing.assert_allclose(estimator.data_mean_, np.nanmean(both, axis=0), rtol=1e-12)


def test_partial_fit_keeps_the_mask_where_no_cell_is_missing():
    estimator = denoising().partial_fit(X).partial_fit(WHOLE)
    assert estimator.coefs_[0].shape[0] == 12
    assert np.isnan(estimator.corrupt(WHOLE, random_state=0)).any()


def test_a_column_may_be_observed_only_later():
    lacking = X.copy()
    lacking[:, 0] = np.nan
    estimator = denoising().partial_fit(lacking).partial_fit(X)
    np.testing.assert_allclose(estimator.data_mean_[0], MEANS[0], rtol=1e-12)
    np.testing.assert_array_equal(estimator.data_min_, np.nanmin(X, axis=0))
    np.testing.assert_array_equal(estimator.data_max_, np.nanmax(X, axis=0))


def test_warm_start_keeps_the_mask():
    estimator = denoising(warm_start=True).fit(X).fit(WHOLE)
    assert estimator.coefs_[0].shape[0] == 12
    assert estimator.n_iter_ == 4
    assert len(estimator.loss_curve_) == 8


def test_fit_begins_anew_without_a_mask():
    assert_same_fit(denoising().fit(X).fit(WHOLE), denoising().fit(WHOLE))
    assert_same_fit(denoising().fit(WHOLE).fit(X), denoising().fit(X))


def test_a_clone_is_as_new():
    fitted = denoising().fit(X)
    assert_not_fitted(clone(fitted))
    assert_same_fit(clone(fitted).fit(X), fitted)
    assert_same_fit(clone(fitted).fit(WHOLE), denoising().fit(WHOLE))


def test_pickled_it_goes_on_exactly():
    one = denoising().partial_fit(X)
    other = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(other.transform(X), one.transform(X))
    np.testing.assert_array_equal(other.corrupt(X, 0), one.corrupt(X, 0))
    assert_same_fit(one.partial_fit(X), other.partial_fit(X))
    np.testing.assert_array_equal(other.data_mean_, one.data_mean_)


def test_early_stopping_with_gaps():
    estimator = denoising(early_stopping=True, corruption=None).fit(X)
    held_out = split_rows(60, 0.1, 0).held_out.numpy()
    rows = X[held_out]
    expected = -estimator.score_samples(rows).mean()
    assert estimator.best_loss_ == pytest.approx(expected, rel=1e-9)


def test_gaps_only_in_the_rows_held_out():
    held_out = split_rows(60, 0.1, 0).held_out.numpy()
    lacking = WHOLE.copy()
    lacking[held_out[0], 2] = np.nan
    estimator = denoising(early_stopping=True, corruption=None).fit(lacking)
    expected = -estimator.score_samples(lacking[held_out]).mean()
    assert estimator.best_loss_ == pytest.approx(expected, rel=1e-9)


def test_gaps_only_in_the_targets_held_out():
    held_out = split_rows(60, 0.1, 0).held_out.numpy()
    target = WHOLE.copy()
    target[held_out[0], 2] = np.nan
    estimator = denoising(early_stopping=True).fit(WHOLE, target=target)
    assert np.isfinite(estimator.validation_loss_curve_).all()


def test_counts_are_normalised_over_observed_cells():
    """A multinomial, given that only these cells can be seen, is one of fewer cells."""
    estimator = denoising(loss="categorical_cross_entropy").fit(X)
    log_p = np.log(estimator.inverse_transform(estimator.transform(X[2:])))
    expected = [
        np.nansum(x[~gaps] * log_softmax(row[~gaps]))
        for x, row, gaps in zip(X[2:], log_p, LACKING[2:], strict=True)
    ]
    np.testing.assert_allclose(estimator.score_samples(X[2:]), expected, rtol=1e-9)


def test_counts_are_filled_on_the_scale_of_the_observed_ones():
    """A row's total is not known, only that of the cells that can be seen."""
    estimator = denoising(loss="categorical_cross_entropy").fit(X)
    R, proportions = estimator.reconstruct(X)[1:], proportions_or_reconstruction(estimator, X)
    observed = np.where(LACKING[1:], 0, R).sum(axis=1)
    np.testing.assert_allclose(observed, np.nansum(X[1:], axis=1), rtol=1e-9)
    shares = R / R.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, proportions[1:], rtol=1e-9)


def test_arrays_that_cannot_be_written_to():
    frozen = X.copy()
    frozen.flags.writeable = False
    estimator = denoising().fit(frozen, target=frozen)
    assert_same_fit(estimator, denoising().fit(X))
    np.testing.assert_array_equal(estimator.corrupt(frozen, 0), estimator.corrupt(X, 0))
    assert estimator.score(frozen, target=frozen) == estimator.score(X)


def test_x_is_left_alone():
    before = X.copy()
    estimator = denoising().fit(X)
    estimator.corrupt(X), estimator.reconstruct(X), estimator.score(X)
    np.testing.assert_array_equal(X, before)
