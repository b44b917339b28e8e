"""`AutoencoderOutlierDetector`: rows whose code or reconstruction is unlike those of others."""

import io
import pickle
import warnings
from unittest.mock import Mock

import joblib
import numpy as np
import pytest
from helpers import EXTRA_CHECKS, LABELS, SMALL, TRAINING, UNIT_X, X, may_collapse, small
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from small_tables import people
from test_frames import arrow_table, polars_frame

import skae._cell_errors as cell_errors
import skae._outliers as outliers
from skae import (
    VAE,
    Autoencoder,
    AutoencoderOutlierDetector,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from skae._outliers import row_sums, tukeys_fence
from skae.metrics import explained_variance
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")

HOLES = np.where(np.random.default_rng(3).random(X.shape) < 0.2, np.nan, X)
FAR = np.vstack([X[:50], 6.0 * X[50:]])  # with ten outliers
PLAIN = SMALL["Autoencoder"]
DENOISER = DenoisingAutoencoder(3, code_activation="identity", **TRAINING)
EXACT = {"rtol": 1e-9, "atol": 1e-12}


ESTIMATORS = [
    AutoencoderOutlierDetector(
        Autoencoder(3, hidden_layer_sizes=(8,), max_iter=5), contamination=0.1
    ),
    # One of scikit-learn's checks wants outliers among rows of two features that have none.
    AutoencoderOutlierDetector(Autoencoder(batch_size=32, max_iter=20, learning_rate_init=5e-3)),
    AutoencoderOutlierDetector(make_pipeline(StandardScaler(), PCA()), contamination=0.1),
]
OF_TRANSFORMERS = ("transformer", "output", "get_feature_names_out", "writeable", "partial_fit")


@parametrize_with_checks(ESTIMATORS)
def test_sklearn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize(
    "check",
    [check for check in EXTRA_CHECKS if not any(w in check.__name__ for w in OF_TRANSFORMERS)],
    ids=lambda check: check.__name__,
)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["share", "auto", "pipeline"])
def test_extra_sklearn_check(estimator, check):
    check(type(estimator).__name__, estimator)


def detector(autoencoder=PLAIN, **params):
    return AutoencoderOutlierDetector(autoencoder, **params)


def curve(n, seed=0, scale=1.0):
    """Rows near a curve in five dimensions."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2 * np.pi, (n, 1))
    rows = np.hstack([np.sin(angles * k + k) for k in (1, 1, 2, 2, 3)])
    return scale * (rows + 0.05 * rng.normal(size=rows.shape))


# What the score is.


@may_collapse
@pytest.mark.parametrize(
    "autoencoder",
    [*SMALL.values(), PCA(2), make_pipeline(StandardScaler(), SMALL["Autoencoder"]), NMF(2)],
    ids=lambda autoencoder: type(autoencoder).__name__,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_score_is_error_and_distance_of_the_code(autoencoder, dtype):
    if isinstance(autoencoder, NMF):
        autoencoder = NMF(2, max_iter=1000, random_state=0)
    rows = UNIT_X.astype(dtype)
    fitted = detector(autoencoder).fit(rows)
    inner = fitted.autoencoder_
    codes = inner.transform(rows).astype(np.float64)
    errors = np.square(rows - inner.inverse_transform(inner.transform(rows)), dtype=np.float64)
    scale = np.maximum(errors.mean(axis=0), 0.01 * rows.var(axis=0))
    expected = (errors / scale).sum(axis=1) + LedoitWolf().fit(codes).mahalanobis(codes)
    found = fitted.score_samples(rows)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, -expected, rtol=1e-5 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_bars_add_up_to_the_score(contamination):
    fitted = detector(contamination=contamination).fit(FAR)
    bars = fitted.feature_errors(X).sum(axis=1) + fitted.code_distances(X)
    np.testing.assert_allclose(bars, -fitted.score_samples(X), rtol=1e-9)
    assert fitted.feature_errors(X).dtype == fitted.code_distances(X).dtype == np.float64


def test_errors_of_training_rows_are_1_on_average_and_distances_as_many_as_components():
    fitted = detector(PCA(2)).fit(X)
    np.testing.assert_allclose(fitted.feature_errors(X).mean(axis=0), 1.0)
    assert 1.5 < fitted.code_distances(X).mean() <= 2.0


def test_a_feature_that_is_restored_is_measured_in_a_hundredth_of_its_variance():
    fitted = detector(PCA(6)).fit(X)  # which restores everything
    assert fitted.feature_errors(X).max() < 1e-20
    np.testing.assert_allclose(fitted._usual_errors_, 0.01 * X.var(axis=0))


def test_a_constant_feature_is_measured_in_its_own_unit():
    rows = np.column_stack([X, np.full(60, 0.1)])
    fitted = detector(PCA(2)).fit(rows)
    assert fitted._usual_errors_[-1] == 1.0
    off = rows[:1] + 3.0 * (np.arange(7) == 6)
    assert fitted.feature_errors(off)[0, -1] == pytest.approx(9.0)


def test_a_cell_that_is_off_has_the_largest_error(digits):
    fitted = detector(Autoencoder(16, max_iter=30), random_state=0).fit(digits)
    rows, columns = digits[:50].copy(), np.flatnonzero(digits.std(axis=0) > 0.1)[:50]
    rows[np.arange(len(columns)), columns] = 5.0
    found = fitted.feature_errors(rows[: len(columns)]).argmax(axis=1)
    assert (found == columns).mean() > 0.9
    assert (fitted.predict(rows[: len(columns)]) == -1).mean() > 0.9


def test_the_code_tells_what_the_error_does_not():
    """Rows on the same plane as the others, but far out."""
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2, 6))
    rows = rng.normal(size=(200, 2)) @ plane + 0.01 * rng.normal(size=(200, 6))
    far = 10 * rng.normal(size=(20, 2)) @ plane
    fitted = detector(PCA(2)).fit(rows)
    assert fitted.feature_errors(far).mean() < 3.0
    assert (fitted.predict(far) == -1).mean() > 0.8 and (fitted.predict(rows) == 1).mean() > 0.95


def test_fewer_rows_than_components_have_the_estimate_of_ledoit_and_wolf():
    fitted = detector(Autoencoder(80, **TRAINING)).fit(X)
    codes = fitted.autoencoder_.transform(X)
    expected = LedoitWolf().fit(codes).mahalanobis(codes)
    np.testing.assert_allclose(fitted.code_distances(X), expected, rtol=1e-6)


def test_very_wide_codes_have_a_diagonal_estimate(monkeypatch):
    monkeypatch.setattr(outliers, "MOST_CORRELATED", 5)
    fitted = detector(Autoencoder(6, **TRAINING)).fit(X)
    codes = fitted.autoencoder_.transform(X)
    variances = codes.var(axis=0)
    variances = np.maximum(variances, 0.01 * variances.mean())
    expected = (np.square(codes - codes.mean(axis=0)) / variances).sum(axis=1)
    np.testing.assert_allclose(fitted.code_distances(X), expected)
    assert (detector().fit(X[:2]).predict(X[:2]) == 1).all()


def test_collapsed_codes_are_at_no_distance():
    dead = PCA(2).fit(X)
    dead.components_ = 0.0 * dead.components_
    fitted = detector(FrozenEstimator(dead)).fit(X)
    assert (fitted.code_distances(X) == 0).all() and np.isfinite(fitted.score_samples(X)).all()


def test_a_row_that_overflows_is_an_outlier():
    fitted = detector(PCA(2)).fit(X)
    far = np.full((1, 6), 1e200)
    assert fitted.score_samples(far) == -np.inf and fitted.predict(far) == -1
    with pytest.raises(
        ValueError, match="are not finite, so normal rows cannot be defined: scale X"
    ):
        detector(FrozenEstimator(PCA(2).fit(X))).fit(np.full((3, 6), 1e200))


# Units.


@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_a_scaler_may_stand_within_or_before(contamination):
    rows = curve(200, scale=10.0 ** np.arange(5))
    kwargs = {"contamination": contamination, "random_state": 0}
    autoencoder = Autoencoder(4, max_iter=30)
    within = detector(make_pipeline(StandardScaler(), autoencoder), **kwargs).fit(rows)
    before = make_pipeline(StandardScaler(), detector(autoencoder, **kwargs)).fit(rows)
    new = curve(100, seed=1, scale=1.5 * 10.0 ** np.arange(5))
    np.testing.assert_allclose(within.score_samples(new), before.score_samples(new), rtol=1e-6)
    # Without rows that are left out, the scaler within is another.
    rtol = 0.1 if contamination == "auto" else 1e-6
    np.testing.assert_allclose(within.offset_, before[-1].offset_, rtol=rtol)


@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_units_do_not_matter(contamination):
    rows, new = curve(200), curve(100, seed=1, scale=1.5)
    pipeline = make_pipeline(StandardScaler(), Autoencoder(4, max_iter=30))
    fits = [
        detector(pipeline, contamination=contamination, random_state=0).fit(factor * rows)
        for factor in (1.0, 1000.0)
    ]
    one, other = (f.score_samples(k * new) for f, k in zip(fits, (1.0, 1000.0), strict=True))
    np.testing.assert_allclose(one, other, rtol=1e-3)
    np.testing.assert_array_equal(one.argsort(), other.argsort())


# The threshold.


@pytest.mark.parametrize("contamination", [0.02, 0.1, 0.5])
def test_contamination_is_the_share_of_training_rows_that_are_outliers(contamination):
    rows = curve(200)
    fitted = detector(contamination=contamination).fit(rows)
    assert (fitted.predict(rows) == -1).mean() == contamination
    scores = fitted.score_samples(rows)
    assert fitted.offset_ == np.percentile(scores, 100 * contamination)
    np.testing.assert_array_equal(fitted.decision_function(rows), scores - fitted.offset_)
    np.testing.assert_array_equal(fitted.fit_predict(rows), fitted.predict(rows))


def test_outliers_do_not_shape_what_is_normal():
    """Estimates are those of the rows with the best scores."""
    frozen = FrozenEstimator(PCA(2).fit(FAR))
    first = detector(frozen).fit(FAR)
    scores = first.score_samples(FAR)
    kept = scores >= np.percentile(scores, 15)
    trimmed, by_hand = detector(frozen, contamination=0.15).fit(FAR), detector(frozen)
    by_hand.fit(FAR[kept])
    np.testing.assert_allclose(trimmed.score_samples(X), by_hand.score_samples(X))
    assert trimmed.score_samples(FAR[50:]).mean() < 1.5 * first.score_samples(FAR[50:]).mean()


def test_a_row_that_is_left_out_has_the_distance_by_the_others():
    codes = np.random.default_rng(0).normal(size=(20, 3)) @ np.diag([1.0, 2.0, 5.0])
    centre, covariance = codes.mean(axis=0), np.cov(codes.T, bias=True)
    distances = outliers.squared_distances(codes, centre, np.linalg.inv(covariance))
    for row, distance in enumerate(outliers.left_out(distances, 20, 1.0)):
        others = np.delete(codes, row, axis=0)
        precision = np.linalg.inv(np.cov(others.T, bias=True))
        expected = outliers.squared_distances(codes[[row]], others.mean(axis=0), precision)
        assert distance == pytest.approx(expected.item())


def fence_of(scores):
    low, high = np.percentile(np.log(-scores), [25, 75])
    return pytest.approx(-np.exp(high + 1.5 * (high - low)), rel=1e-5)


MANY = np.tile(FAR, (9, 1))  # so many rows that none is left out


@pytest.mark.parametrize(
    ("autoencoder", "rows"),
    [(FrozenEstimator(clone(PLAIN).fit(FAR)), FAR), (PLAIN, MANY), (PCA(5), FAR[:6])],
    ids=["frozen", "many rows", "no fit to fewer rows"],
)
def test_auto_is_the_whisker_of_a_box_plot_of_log_scores_by_the_codes_of_others(autoencoder, rows):
    fitted = detector(autoencoder).fit(rows)
    own_share = 1.0 - LedoitWolf().fit(fitted.autoencoder_.transform(rows)).shrinkage_
    distances = outliers.left_out(fitted.code_distances(rows), len(rows), own_share)
    assert fitted.offset_ == fence_of(-fitted.feature_errors(rows).sum(axis=1) - distances)


@may_collapse
@pytest.mark.parametrize("autoencoder", [PLAIN, PCA(2), SMALL["VAE"]], ids=str)
@pytest.mark.parametrize(("rows", "n_parts"), [(FAR, 5), (MANY[:160], 3), (MANY[:499], 1)])
def test_of_few_rows_it_is_that_of_scores_by_fits_without_them(autoencoder, rows, n_parts):
    fitted, scores = detector(autoencoder, random_state=0).fit(rows), []
    inner = clone(fitted.autoencoder_)
    for part in range(n_parts):
        is_left_out = np.arange(len(rows)) % 5 == part
        by_others = detector(inner).fit(rows[~is_left_out])
        scores.append(by_others.score_samples(rows[is_left_out]))
    assert fitted.offset_ == fence_of(np.concatenate(scores))


def test_of_few_rows_all_are_left_out_once_and_of_more_about_a_hundred():
    for n in range(2, 600):
        n_left_out = np.sum(outliers.parts_to_leave_out(n), axis=0)
        assert np.max(n_left_out) == (n <= 500)
        assert np.sum(n_left_out) >= min(n, 50) or n > 500
        assert np.sum(n_left_out) <= 102


@pytest.mark.parametrize("autoencoder", [PCA(12), Autoencoder(8)], ids=["PCA", "Autoencoder"])
def test_new_rows_are_not_outliers_after_a_fit_to_few(autoencoder):
    """Though their errors are far larger than those of the rows that the fit has seen."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(530, 6)) @ rng.normal(size=(6, 20)) + rng.normal(size=(530, 20))
    few, new = rows[:30], rows[30:]
    fitted = detector(autoencoder, random_state=0).fit(few)
    by_seen_rows = detector(FrozenEstimator(fitted.autoencoder_)).fit(few)
    assert np.mean(by_seen_rows.predict(new) == -1) > 0.5
    assert np.mean(fitted.predict(new) == -1) < 0.05
    assert np.mean(fitted.predict(5 * new) == -1) > 0.9


def test_further_fits_are_silent(capsys, recwarn):
    rows = X * [1, 1, 1, 1, 1, 1e4]  # of which a fit warns
    detector(clone(PLAIN).set_params(verbose=True)).fit(rows)
    assert capsys.readouterr().out.count("epoch 1/") == 1
    assert len({str(its.message) for its in recwarn}) == len(recwarn)


@pytest.mark.parametrize("steps", [(), (StandardScaler(),)], ids=["alone", "in a pipeline"])
def test_callbacks_are_of_the_main_fit_alone(steps):
    callback = pytest.importorskip("sklearn.callback.tests._utils").RecordingCallback()
    watched = clone(PLAIN).set_callbacks(callback)
    detector(make_pipeline(*steps, watched)).fit(X)
    assert callback.count_hooks("setup") == callback.count_hooks("teardown") == 1


def test_a_failed_fit_leaves_the_earlier_one():
    fitted = detector(clone(PLAIN)).fit(X)
    expected = fitted.score_samples(X)
    with pytest.raises(ValueError, match="device='foo'"):
        fitted.set_params(autoencoder__device="foo").fit(X[:, :4])
    np.testing.assert_array_equal(fitted.score_samples(X), expected)


def test_interrupted_in_a_further_fit_it_is_not_fitted(monkeypatch):
    fitted = detector(PCA(2)).fit(X)
    monkeypatch.setattr(PCA, "fit", Mock(side_effect=[PCA(2).fit(2 * X), KeyboardInterrupt]))
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(2 * X)
    with pytest.raises(NotFittedError):
        fitted.predict(X)


def test_further_fits_leave_other_threads_their_warnings(monkeypatch):
    its, before, found = AutoencoderOutlierDetector, warnings.filters[:], []
    further_fit = its._scores_without

    def looking(self, X, part):
        found.append(warnings.filters[:])  # those of the whole process
        return further_fit(self, X, part)

    monkeypatch.setattr(its, "_scores_without", looking)
    detector().fit(X)
    assert found == [before] * 5


@pytest.mark.parametrize("value", [0.0, -1e-8, -7.3, -1e12])
def test_rows_that_are_all_alike_are_no_outliers(value):
    assert tukeys_fence(np.full(9, value)) < value
    rows = np.ones((10, 3))
    assert (detector(clone(PLAIN)).fit(rows).predict(rows) == 1).all()


def test_rows_that_most_others_are_like_are_no_outliers():
    """Though further fits give them another score."""
    rows = (np.random.default_rng(2).random((300, 3)) > 0.95).astype(float)
    autoencoder = Autoencoder(3, max_iter=5, learning_rate_init=0.01)
    is_normal = detector(autoencoder, random_state=0).fit_predict(rows) == 1
    assert is_normal[~rows.any(axis=1)].all() and is_normal.mean() < 1


@may_collapse
@pytest.mark.parametrize("autoencoder", [PLAIN, PCA(2), SMALL["VAE"]], ids=str)
def test_three_quarters_of_training_rows_are_normal(autoencoder, monkeypatch):
    monkeypatch.setattr(AutoencoderOutlierDetector, "_scores_by_others", lambda *_: -np.ones(9))
    labels = detector(autoencoder, random_state=0).fit_predict(FAR)
    assert np.mean(labels == 1) == 0.75


def test_a_fence_is_finite_whatever_the_scores():
    """As of rows that are memorised, all but one."""
    scores = np.array([-2e300, -9e15, -3e-290])
    assert np.isfinite(tukeys_fence(scores)) and tukeys_fence(scores) < scores.min()


def test_outliers_are_found():
    X, y = load_digits(return_X_y=True)
    rows, known = X[y != 0] / 16, X[y == 0] / 16
    fitted = detector(Autoencoder(16, max_iter=60), random_state=0).fit(rows[::2])
    scores = np.append(fitted.score_samples(rows[1::2]), fitted.score_samples(known))
    is_outlier = np.arange(len(scores)) >= len(rows[1::2])
    assert roc_auc_score(is_outlier, -scores) > 0.9


# What may be the autoencoder.


@may_collapse
@pytest.mark.parametrize(
    "autoencoder",
    [*SMALL.values(), PCA(2), make_pipeline(StandardScaler(), SMALL["Autoencoder"])],
    ids=lambda autoencoder: type(autoencoder).__name__,
)
@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_a_frozen_one_gives_the_same_to_the_bit(autoencoder, contamination):
    one = detector(autoencoder, contamination=contamination).fit(FAR)
    frozen = FrozenEstimator(clone(autoencoder).fit(FAR))
    before = pickle.dumps(frozen)
    other = detector(frozen, contamination=contamination, random_state=3).fit(FAR)
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))
    assert one.offset_ == other.offset_ or contamination == "auto"
    assert other.autoencoder_ is frozen.estimator
    assert pickle.dumps(frozen) == before


def test_steps_may_be_frozen():
    scaler = FrozenEstimator(StandardScaler().fit(10 * X))
    fitted = detector(make_pipeline(scaler, PLAIN), random_state=5).fit(X)
    by_hand = clone(PLAIN).set_params(random_state=5).fit(scaler.transform(X))
    np.testing.assert_array_equal(
        fitted.autoencoder_.transform(X), by_hand.transform(scaler.transform(X))
    )


def test_a_search_may_be_what_is_trained():
    search = GridSearchCV(PCA(), {"n_components": [1, 4]}, scoring=explained_variance, cv=2)
    fitted = detector(search).fit(X)
    assert fitted.autoencoder_.best_params_ == {"n_components": 4}
    np.testing.assert_allclose(fitted.score_samples(X), detector(PCA(4)).fit(X).score_samples(X))


def test_the_elbo_of_a_vae_is_there():
    fitted = detector(small("VAE", n_components=3, max_iter=30)).fit(curve(200))
    assert fitted.autoencoder_.score_samples(X[:, :5]).shape == (60,)
    mean, _ = fitted.autoencoder_.posterior(X[:, :5])
    assert fitted.code_distances(X[:, :5]).shape == (len(mean),)


def test_counts_are_compared_with_counts():
    counts = np.random.default_rng(0).poisson(3.0, size=(60, 6)).astype(float)
    fitted = detector(small("Autoencoder", loss="categorical_cross_entropy")).fit(counts)
    errors = np.square(counts - fitted.autoencoder_.reconstruct(counts))
    np.testing.assert_allclose(fitted.feature_errors(counts), errors / errors.mean(axis=0))


def test_its_seed_replaces_those_of_all_parts():
    pipeline = Pipeline([("scale", StandardScaler()), ("reduce", clone(PLAIN))])
    fits = [detector(pipeline, random_state=seed).fit(X) for seed in (7, 7, 8)]
    scores = [fitted.score_samples(X) for fitted in fits]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any() and pipeline["reduce"].random_state == 0
    assert fits[0].autoencoder_["reduce"].random_state == 7
    given = detector(random_state=np.random.RandomState(0)).fit(X).autoencoder_
    assert isinstance(given.random_state, int)
    assert detector().fit(X).autoencoder_.random_state == 0


def test_the_default_is_a_wide_denoising_autoencoder():
    its = AutoencoderOutlierDetector(random_state=0).fit(curve(60)).autoencoder_
    assert type(its) is DenoisingAutoencoder and its.n_components == 128


# Missing cells, sparse rows, batches.


def test_missing_cells_count_as_the_mean_of_the_others():
    fitted = detector(DENOISER).fit(HOLES)
    errors = fitted.feature_errors(HOLES)
    np.testing.assert_array_equal(np.isnan(errors), np.isnan(HOLES))
    squares = np.square(HOLES - fitted.autoencoder_.reconstruct(HOLES))
    np.testing.assert_allclose(errors, squares / np.nanmean(squares, axis=0))
    expected = 6 * np.nanmean(errors, axis=1) + fitted.code_distances(HOLES)
    np.testing.assert_allclose(fitted.score_samples(HOLES), -expected)
    assert set(fitted.predict(HOLES)) <= {1, -1}


def test_a_row_of_which_nothing_is_known_has_errors_as_in_training():
    np.testing.assert_array_equal(row_sums(np.full((1, 4), np.nan)), 4.0)
    fitted = detector(DENOISER).fit(HOLES)
    nothing = np.full((1, 6), np.nan)
    np.testing.assert_allclose(fitted.score_samples(nothing), -6.0 - fitted.code_distances(nothing))


def test_a_pipeline_takes_gaps_where_all_of_its_steps_do():
    assert detector(make_pipeline(StandardScaler(), DENOISER)).fit(HOLES).n_features_in_ == 6
    with pytest.raises(ValueError, match="Input X contains NaN"):
        detector(make_pipeline(StandardScaler(), PLAIN)).fit(HOLES)


@may_collapse
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_sparse_rows_are_scored_as_dense_ones(name, contamination, monkeypatch):
    dense = UNIT_X * (UNIT_X > 0.5)
    whole = detector(SMALL[name], contamination=contamination).fit(dense)
    monkeypatch.setattr(cell_errors, "CHUNK_SIZE", 100)
    fitted = detector(SMALL[name], contamination=contamination).fit(csr_array(dense))
    found = fitted.score_samples(csr_array(dense))
    np.testing.assert_allclose(found, whole.score_samples(dense), rtol=1e-7)
    np.testing.assert_allclose(fitted.offset_, whole.offset_, rtol=1e-7)
    errors = fitted.feature_errors(csr_array(dense))
    assert type(errors) is np.ndarray
    np.testing.assert_allclose(errors, whole.feature_errors(dense), rtol=1e-6)


def test_sparse_rows_of_others():
    rows = csr_array(UNIT_X * (UNIT_X > 0.5))
    fitted = detector(make_pipeline(MaxAbsScaler(), TruncatedSVD(3, random_state=0))).fit(rows)
    assert fitted.feature_errors(rows).shape == (60, 6)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        detector(make_pipeline(StandardScaler(), PLAIN)).fit(rows)


def test_sparse_codes():
    codes = SparseAutoencoder(8, sparsity="topk", n_active=2, sparse_output=True, **TRAINING)
    dense = clone(codes).set_params(sparse_output=False)
    one, other = detector(codes).fit(X), detector(dense).fit(X)
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))


@pytest.mark.parametrize("rows", [X, HOLES], ids=["whole", "with gaps"])
def test_batches_do_not_matter(rows, monkeypatch):
    whole = detector(DENOISER, contamination=0.1).fit(rows)
    monkeypatch.setattr(cell_errors, "CHUNK_SIZE", 60)
    parts = detector(DENOISER, contamination=0.1).fit(rows)
    np.testing.assert_allclose(parts.score_samples(rows), whole.score_samples(rows))
    np.testing.assert_allclose(parts._quantiles_of_errors_, whole._quantiles_of_errors_)


# Frames.


def test_frames_of_numbers_keep_their_names():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    fitted = detector(make_pipeline(StandardScaler(), PLAIN)).fit(frame)
    assert [*fitted.feature_names_in_] == [*"abcdef"]
    expected = detector(make_pipeline(StandardScaler(), PLAIN)).fit(X).score_samples(X)
    np.testing.assert_allclose(fitted.score_samples(frame), expected, rtol=1e-7)
    frozen = detector(FrozenEstimator(fitted.autoencoder_)).fit(frame)
    np.testing.assert_array_equal(frozen.score_samples(frame), fitted.score_samples(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame[["b", "a", *"cdef"]])


def test_frames_of_numbers_of_polars():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(X, schema=list("abcdef"))
    expected = detector().fit(X).score_samples(X)
    np.testing.assert_array_equal(detector().fit(frame).score_samples(frame), expected)


TABLES = {
    "pandas": people,
    "polars": lambda: polars_frame(pytest.importorskip("polars")),
    "pyarrow": lambda: arrow_table(pytest.importorskip("pyarrow")),
}


@may_collapse
@pytest.mark.parametrize("library", TABLES)
@pytest.mark.parametrize("autoencoder", [DENOISER, SMALL["VAE"]], ids=["Denoising", "VAE"])
@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_tables_of_mixed_kinds_with_gaps(library, autoencoder, contamination):
    table = TABLES[library]()
    fitted = detector(autoencoder, contamination=contamination).fit(table)
    errors, distances = fitted.feature_errors(table), fitted.code_distances(table)
    assert errors.shape == table.shape and np.isnan(errors).any()
    assert (errors[~np.isnan(errors)] >= 0).all()
    expected = errors.shape[1] * np.nanmean(errors, axis=1) + distances
    np.testing.assert_allclose(fitted.score_samples(table), -expected, rtol=1e-6)
    assert set(fitted.predict(table)) <= {1, -1}


def whole_table(n=120):
    rng = np.random.default_rng(0)
    town = rng.integers(0, 3, n)
    return pd.DataFrame(
        {"town": np.array(["Bonn", "Rome", "Ulm"])[town], "size": town + 0.1 * rng.normal(size=n)}
    )


def test_errors_of_a_table_are_those_of_its_autoencoder():
    table = whole_table()
    fitted = detector(clone(PLAIN)).fit(table)
    losses = fitted.autoencoder_.feature_errors(table).astype(np.float64)
    errors = fitted.feature_errors(table)
    proportions = table["town"].value_counts(normalize=True)
    spreads = [-(proportions * np.log(proportions)).sum(), 1.0]  # entropy and variance
    usual = np.maximum(losses.mean(axis=0), 0.01 * np.array(spreads))
    np.testing.assert_allclose(errors, losses / usual, rtol=1e-4)
    bars = errors.sum(axis=1) + fitted.code_distances(table)
    np.testing.assert_allclose(bars, -fitted.score_samples(table), rtol=1e-9)


def test_a_cell_of_a_table_that_does_not_fit_the_others_is_to_blame():
    table = whole_table(300)
    fitted = detector(Autoencoder(1, max_iter=60, random_state=0)).fit(table)
    found = fitted.predict(table.assign(size=2.0 - table["size"].round()))
    assert (found[table["town"] != "Rome"] == -1).mean() > 0.9
    assert (fitted.predict(table) == 1).mean() > 0.8


def test_its_table_replaces_the_autoencoders():
    table = whole_table()
    as_category = TableEncoder(kinds={"size": "category"}, max_categories=5)
    fitted = detector(PLAIN, table=as_category).fit(table)
    assert fitted.autoencoder_.table_.kinds_["size"] == "category"
    assert PLAIN.table == "auto" and fitted.feature_errors(table).shape == (120, 2)
    with pytest.raises(ValueError, match="could not convert"):
        detector(PLAIN, table=None).fit(table)
    for other in (PCA(1), FrozenEstimator(clone(PLAIN).fit(X))):
        with pytest.raises(ValueError, match="is only for an unfitted autoencoder of skae"):
            detector(other, table=as_category).fit(table)


def test_arrays_may_be_tables():
    codes = np.column_stack([X[:, 0], LABELS])
    fitted = detector(PLAIN, table=TableEncoder(kinds={1: "category"})).fit(codes)
    assert fitted.feature_errors(codes).shape == (60, 2)


@pytest.mark.parametrize("last", [PCA(2), PLAIN])
def test_an_encoder_of_tables_may_be_the_first_step(last):
    table = whole_table()
    fitted = detector(make_pipeline(TableEncoder(), last)).fit(table)
    errors = fitted.feature_errors(table)
    assert errors.shape == (120, 2)
    encoder, reducer = fitted.autoencoder_
    matrix = encoder.transform(table)
    squares = np.square(matrix - reducer.inverse_transform(reducer.transform(matrix)))
    by_cell = np.column_stack([squares[:, :3].sum(axis=1), squares[:, 3]])
    spreads = [matrix[:, :3].var(axis=0).sum(), 1.0]
    usual = np.maximum(by_cell.mean(axis=0), 0.01 * np.array(spreads))
    np.testing.assert_allclose(errors, by_cell / usual, rtol=1e-6)


def test_gaps_of_tables_that_it_does_not_take():
    with pytest.raises(ValueError, match="missing values, but Autoencoder takes none"):
        detector().fit(people())


def test_a_frozen_autoencoder_of_tables():
    table = whole_table()
    one = detector(PLAIN).fit(table)
    other = detector(FrozenEstimator(clone(PLAIN).fit(table))).fit(table)
    np.testing.assert_array_equal(one.score_samples(table), other.score_samples(table))
    with pytest.raises(ValueError, match="feature names should match"):
        other.predict(table[["size", "town"]])


# In scikit-learn's company.


@pytest.mark.parametrize("dump", ["pickle", "joblib", "skops"])
@pytest.mark.parametrize("rows", [X, pd.DataFrame({"a": X[:, 0], "b": ["x", "y", "z"] * 20})])
def test_files(dump, rows):
    fitted = detector(contamination=0.1).fit(rows)
    expected = fitted.decision_function(rows)
    if dump == "pickle":
        loaded = pickle.loads(pickle.dumps(fitted))
    elif dump == "joblib":
        file = io.BytesIO()
        joblib.dump(fitted, file)
        file.seek(0)
        loaded = joblib.load(file)
    else:
        skops = pytest.importorskip("skops.io")
        written = skops.dumps(fitted)
        unknown = skops.get_untrusted_types(data=written)
        assert all(name.startswith("skae.") for name in unknown)
        loaded = skops.loads(written, trusted=unknown)
    np.testing.assert_array_equal(loaded.decision_function(rows), expected)


def test_clones():
    fitted = detector(random_state=3).fit(X)
    again = clone(fitted)
    with pytest.raises(NotFittedError):
        again.predict(X)
    np.testing.assert_array_equal(again.fit(X).score_samples(X), fitted.score_samples(X))


def test_in_a_search():
    X, y = load_iris(return_X_y=True)
    is_normal = np.where(y == 0, -1, 1)
    model = make_pipeline(StandardScaler(), detector(PCA()))
    grid = {
        "autoencoderoutlierdetector__autoencoder__n_components": [1, 3],
        "autoencoderoutlierdetector__contamination": ["auto", 1 / 3],
    }

    def accuracy(y, found):
        return np.mean(y == found)

    search = GridSearchCV(model, grid, scoring=make_scorer(accuracy), cv=3, error_score="raise")
    assert np.isfinite(search.fit(X, is_normal).best_score_)


# What it refuses.


@pytest.mark.parametrize("contamination", [0, 0.0, 0.6, -0.1, "many", None])
def test_wrong_contamination_is_named(contamination):
    with pytest.raises(ValueError, match="The 'contamination' parameter of AutoencoderOutlierD"):
        detector(contamination=contamination).fit(X)


@pytest.mark.parametrize(
    ("autoencoder", "found", "remedy"),
    [
        (StandardScaler, "class", r"pass an object, such as StandardScaler\(\)"),
        (LogisticRegression(), "LogisticRegression", "use DenoisingAutoencoder"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "Pipeline", "Autoencoder"),
        (make_pipeline(TableEncoder()), "TableEncoder", "Autoencoder"),
        (make_pipeline("passthrough"), "passthrough", "Autoencoder"),
    ],
)
def test_what_is_no_autoencoder_is_an_error(autoencoder, found, remedy):
    with pytest.raises(ValueError, match="must be a transformer with inverse_transform") as error:
        detector(autoencoder).fit(X)
    assert error.match(found) and error.match(remedy)


def test_an_unfitted_frozen_one_is_an_error():
    with pytest.raises(NotFittedError):
        detector(FrozenEstimator(Autoencoder())).fit(X)
    with pytest.raises(ValueError, match="expecting 6 features"):
        detector(FrozenEstimator(clone(PLAIN).fit(X))).fit(X[:, :4])


def test_rows_that_become_others_are_an_error():
    pairs = clone(DENOISER).fit(X, target=X[:, :2])
    with pytest.raises(ValueError, match="have 2 columns, but X has 6"):
        detector(FrozenEstimator(pairs)).fit(X)


@pytest.mark.parametrize("rows", [X[:1], whole_table()[:1]])
def test_one_row_is_an_error(rows):
    with pytest.raises(ValueError, match="minimum of 2"):
        detector().fit(rows)


def test_categories_for_what_takes_numbers_are_an_error():
    with pytest.raises(ValueError, match="could not convert") as error:
        detector(PCA(1)).fit(whole_table())
    assert "'town'" in error.value.__notes__[0]
    with pytest.raises(ValueError, match="contains NaN") as error:
        detector(make_pipeline(StandardScaler(), PLAIN)).fit(HOLES)
    assert len(error.value.__notes__) == 1


def test_parameters_of_an_autoencoder_that_is_not_there():
    with pytest.raises(ValueError, match=r"pass AutoencoderOutlierDetector\(DenoisingAuto"):
        AutoencoderOutlierDetector().set_params(autoencoder__max_iter=3)


def test_vaes_are_no_exception():
    assert detector(VAE(2, max_iter=20, random_state=0)).fit(curve(100)).offset_ < 0
