"""Scorers: what they compute, of which transformers, and in searches; what samples are worth."""

import tracemalloc
from itertools import combinations
from math import prod

import numpy as np
import pytest
import torch
from helpers import SMALL, UNIT_X, each_of_any_numbers, may_collapse, small
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import NMF, PCA, KernelPCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.manifold import TSNE
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, StandardScaler

from skae import Autoencoder, DenoisingAutoencoder, SparseAutoencoder, metrics
from skae._base import BaseAutoencoder
from skae.metrics import coverage, density, explained_variance, neg_reconstruction_error
from skae.tables import TableEncoder

SCORERS = [explained_variance, neg_reconstruction_error]
each_scorer = pytest.mark.parametrize("scorer", SCORERS)
X = np.random.default_rng(0).gamma(1.0, size=(60, 6)) @ np.diag([3.0, 2.0, 1.0, 1.0, 0.5, 0.1])
COUNTS = np.random.default_rng(0).poisson(3.0, size=(50, 8)).astype(float)
TRANSFORMERS = {
    "PCA": PCA(3),
    "KernelPCA": KernelPCA(3, kernel="rbf", fit_inverse_transform=True),
    "NMF": NMF(3, tol=1e-2),
    "TruncatedSVD": TruncatedSVD(3),
    "pipeline": make_pipeline(StandardScaler(), "passthrough", PCA(3)),
    "nested": Pipeline([("one", make_pipeline(StandardScaler(), PCA(5))), ("two", PCA(3))]),
    "scaled autoencoder": make_pipeline(StandardScaler(), small("Autoencoder")),
    "scaler": StandardScaler(),
    "nothing": make_pipeline("passthrough"),
}


class Wrong(TransformerMixin, BaseEstimator):
    """Its reconstructions are one number, or an array of a given shape."""

    def __init__(self, value=0.0, shape=None):
        self.value = value
        self.shape = shape

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X

    def inverse_transform(self, X):
        return np.full(self.shape or X.shape, self.value)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_scores_are_those_of_the_reconstruction(name):
    estimator = TRANSFORMERS[name].fit(X)
    R = estimator.inverse_transform(estimator.transform(X))
    expected = r2_score(X, R, multioutput="variance_weighted")
    np.testing.assert_allclose(explained_variance(estimator, X), expected, atol=1e-12)
    expected = -np.square(X - R).sum(axis=1).mean()
    np.testing.assert_allclose(neg_reconstruction_error(estimator, X), expected, atol=1e-12)


def test_of_pca_it_is_its_explained_variance():
    for n_components in range(1, 7):
        pca = PCA(n_components).fit(X)
        expected = pca.explained_variance_ratio_.sum()
        np.testing.assert_allclose(explained_variance(pca, X), expected, rtol=1e-12)
        left = X.var(axis=0).sum() * (1 - expected)
        np.testing.assert_allclose(neg_reconstruction_error(pca, X), -left, atol=1e-12)


@may_collapse
@each_of_any_numbers
def test_of_autoencoders_it_is_their_score(name):
    estimator = small(name).fit(UNIT_X)
    R = estimator.reconstruct(UNIT_X)
    expected = r2_score(UNIT_X, R, multioutput="variance_weighted")
    np.testing.assert_allclose(explained_variance(estimator, UNIT_X), expected, rtol=1e-12)
    if name != "VAE":
        np.testing.assert_allclose(estimator.score(UNIT_X), expected, rtol=1e-12)
    error = -np.square(UNIT_X - R).sum(axis=1).mean()
    np.testing.assert_allclose(neg_reconstruction_error(estimator, UNIT_X), error, rtol=1e-12)


@each_scorer
def test_counts_are_compared_with_counts(scorer):
    """Decoded are proportions; only `reconstruct` knows the totals, in pipelines, too."""
    params = {"loss": "categorical_cross_entropy", "max_iter": 30, "random_state": 0}
    autoencoder = Autoencoder(3, **params).fit(COUNTS)
    R = autoencoder.reconstruct(COUNTS)
    assert scorer(autoencoder, COUNTS) > scorer(Wrong(0.0).fit(COUNTS), COUNTS)
    np.testing.assert_allclose(R.sum(axis=1), COUNTS.sum(axis=1))
    if scorer is explained_variance:
        assert scorer(autoencoder, COUNTS) == autoencoder.score(COUNTS)

    scaled = make_pipeline(MaxAbsScaler(), Autoencoder(3, **params)).fit(COUNTS)
    R = scaled[0].inverse_transform(scaled[1].reconstruct(scaled[0].transform(COUNTS)))
    error = -np.square(COUNTS - R).sum(axis=1).mean()
    np.testing.assert_allclose(neg_reconstruction_error(scaled, COUNTS), error)


def test_one_search_over_different_transformers():
    pipeline = Pipeline([("scale", MaxAbsScaler()), ("reduce", PCA())])
    steps = [
        PCA(3),
        KernelPCA(3, fit_inverse_transform=True),
        NMF(3, tol=1e-2),
        Autoencoder(3, max_iter=5, random_state=0),
    ]
    for scorer in SCORERS:
        search = GridSearchCV(pipeline, {"reduce": steps}, scoring=scorer, cv=3).fit(X)
        scores = search.cv_results_["mean_test_score"]
        assert np.isfinite(scores).all()
        assert search.best_index_ == scores.argmax()
        assert search.score(X) == scorer(search, X) == scorer(search.best_estimator_, X)


def test_several_scorers_and_wider_codes_are_better():
    scoring = {"variance": explained_variance, "error": neg_reconstruction_error}
    grid = {"n_components": [1, 3, 5]}
    search = GridSearchCV(PCA(), grid, scoring=scoring, refit="error", cv=3).fit(X)
    for name in scoring:
        assert (np.diff(search.cv_results_[f"mean_test_{name}"]) > 0).all()
    assert search.best_params_ == {"n_components": 5}
    assert np.isfinite(cross_val_score(SMALL["Autoencoder"], X, scoring=explained_variance)).all()


@each_scorer
def test_what_wraps_an_estimator_does_not_matter(scorer):
    autoencoder = small("Autoencoder").fit(UNIT_X)
    expected = scorer(autoencoder, UNIT_X)
    assert scorer(FrozenEstimator(autoencoder), UNIT_X) == expected
    assert scorer(make_pipeline(FrozenEstimator(autoencoder)), UNIT_X) == expected
    assert scorer(autoencoder, UNIT_X, np.arange(60)) == expected


@each_scorer
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
def test_sparse_rows_score_as_dense_ones(scorer, kind, monkeypatch):
    rows = np.where(UNIT_X < 0.6, 0.0, UNIT_X)
    estimators = [
        TruncatedSVD(3).fit(rows),
        small("Autoencoder").fit(rows),
        SparseAutoencoder(4, max_iter=2, sparse_output=True, random_state=0).fit(rows),
        make_pipeline(MaxAbsScaler(), small("Autoencoder")).fit(rows),
    ]
    expected = [scorer(estimator, rows) for estimator in estimators]
    for size in (metrics.CHUNK_SIZE, 7 * 6):
        monkeypatch.setattr(metrics, "CHUNK_SIZE", size)
        found = [scorer(estimator, kind(rows)) for estimator in estimators]
        np.testing.assert_allclose(found, expected, rtol=1e-10)


@each_scorer
def test_a_large_sparse_matrix_is_never_made_dense(scorer, monkeypatch):
    monkeypatch.setattr(metrics, "CHUNK_SIZE", 2**20)
    rows = sparse.random(800, 20_000, density=1e-4, format="csr", random_state=0)
    svd = TruncatedSVD(2, n_iter=1, random_state=0).fit(rows)
    tracemalloc.start()
    try:
        assert np.isfinite(scorer(svd, rows))
        assert tracemalloc.get_traced_memory()[1] < 60e6  # dense: 128 MB
    finally:
        tracemalloc.stop()


@each_scorer
def test_missing_cells_do_not_count(scorer):
    gaps = UNIT_X.copy()
    gaps[::3, 1] = np.nan
    denoiser = DenoisingAutoencoder(3, max_iter=2, random_state=0).fit(gaps)
    assert np.isfinite(scorer(denoiser, gaps))
    if scorer is explained_variance:
        assert scorer(denoiser, gaps) == denoiser.score(gaps)
    with pytest.raises(ValueError, match="NaN"):
        scorer(PCA(2).fit(UNIT_X), gaps)


@each_scorer
def test_data_frames_and_tensors(scorer):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(UNIT_X, columns=list("abcdef"), index=np.arange(60) / 2)
    for estimator in (PCA(3), small("Autoencoder")):
        pipeline = make_pipeline(StandardScaler(), estimator).set_output(transform="pandas")
        expected = scorer(pipeline.fit(UNIT_X), UNIT_X)
        np.testing.assert_allclose(scorer(pipeline.fit(frame), frame), expected, rtol=1e-10)
    pca = PCA(3).fit(UNIT_X)
    assert scorer(pca, torch.tensor(UNIT_X)) == scorer(pca, UNIT_X.tolist()) == scorer(pca, UNIT_X)


def test_columns_that_do_not_vary_count_only_if_none_does():
    constant = np.column_stack([np.arange(4.0), np.ones(4)])
    halves = Wrong(0.5, (4, 2)).fit(constant)
    expected = r2_score(constant, np.full((4, 2), 0.5), multioutput="variance_weighted")
    np.testing.assert_allclose(explained_variance(halves, constant), expected)
    ones = np.ones((4, 2))
    assert explained_variance(Wrong(1.0).fit(ones), ones) == 1
    assert explained_variance(Wrong(0.5).fit(ones), ones) == 0


@each_scorer
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_never_nan(scorer, value):
    with pytest.raises(ValueError, match=r"by Wrong are not finite.*scale X"):
        scorer(Wrong(value).fit(X), X)


def test_one_row():
    pca = PCA(2).fit(X)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        explained_variance(pca, X[:1])
    assert neg_reconstruction_error(pca, X[:1]) <= 0


@each_scorer
def test_estimators_that_decode_nothing(scorer):
    with pytest.raises(TypeError, match=rf"{scorer.__name__} needs.*TSNE has no transform"):
        scorer(TSNE(), X)
    labels = np.arange(60) % 3
    classifier = small("AutoencoderClassifier").fit(UNIT_X, labels)
    with pytest.raises(TypeError, match="AutoencoderClassifier has no inverse_transform"):
        scorer(classifier, UNIT_X)
    one_way = make_pipeline(PCA(2), classifier)
    with pytest.raises(TypeError, match="AutoencoderClassifier has no inverse_transform"):
        scorer(one_way, UNIT_X)
    with pytest.raises(ValueError, match="fit_inverse_transform"):
        scorer(KernelPCA(2).fit(X), X)
    with pytest.raises(ValueError, match="not fitted"):
        scorer(make_pipeline(StandardScaler(), PCA(2)), X)


@each_scorer
def test_reconstructions_of_another_width(scorer):
    with pytest.raises(
        ValueError, match=r"by Wrong have shape \(60, 4\), but X has shape \(60, 6\)"
    ):
        scorer(Wrong(0.0, (60, 4)).fit(X), X)
    colours = DenoisingAutoencoder(3, max_iter=1).fit(UNIT_X, target=UNIT_X[:, :2])
    with pytest.raises(ValueError, match=r"by DenoisingAutoencoder have shape \(60, 2\)"):
        scorer(colours, UNIT_X)


def test_functions_may_be_steps():
    root = FunctionTransformer(np.sqrt, np.square)
    assert explained_variance(make_pipeline(root, PCA(6)).fit(X), X) > 1 - 1e-12


# Data frames with categories.


def fitted_on_a_table(name):
    tables = pytest.importorskip("test_tabular")
    return small(name).fit(tables.simple()), tables.simple()


@may_collapse
@each_of_any_numbers
def test_of_autoencoders_of_tables_it_is_the_mean_over_columns(name):
    autoencoder, table = fitted_on_a_table(name)
    expected = BaseAutoencoder.score(autoencoder, table)
    assert explained_variance(autoencoder, table) == expected
    if name != "VAE":
        assert expected == autoencoder.score(table)
    for wrapped in (FrozenEstimator(autoencoder), make_pipeline("passthrough", autoencoder)):
        assert explained_variance(wrapped, table) == expected


@may_collapse
@each_of_any_numbers
def test_errors_of_tables_are_squares_and_nats(name):
    autoencoder, table = fitted_on_a_table(name)
    x, r = autoencoder.table_.transform(table), autoencoder.reconstruct(table, proba=True)
    losses = np.column_stack([np.square(x[:, :2] - r[:, :2]), -x[:, 2:] * np.log(r[:, 2:])])
    found = neg_reconstruction_error(autoencoder, table)
    assert found == pytest.approx(-losses.sum(axis=1).mean(), rel=1e-4)


@each_scorer
def test_steps_before_an_autoencoder_of_tables_decode_nothing(scorer):
    _, table = fitted_on_a_table("Autoencoder")
    halved = FunctionTransformer(lambda table: table.assign(weight=table["weight"] / 2))
    pipeline = make_pipeline(halved, small("Autoencoder")).fit(table)
    assert scorer(pipeline, table) == scorer(pipeline[-1], halved.transform(table))


@each_scorer
def test_searches_over_autoencoders_of_tables(scorer):
    _, table = fitted_on_a_table("Autoencoder")
    grid = {"n_components": [1, 3]}
    search = GridSearchCV(small("Autoencoder"), grid, scoring=scorer, cv=2).fit(table)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(table) == scorer(search.best_estimator_, table)


@each_scorer
def test_other_estimators_of_tables_are_refused(scorer):
    _, table = fitted_on_a_table("Autoencoder")
    for estimator in (TableEncoder(), make_pipeline(TableEncoder(), PCA(2))):
        with pytest.raises(ValueError, match=rf"{scorer.__name__} compares numbers, .* 'job' of X"):
            scorer(estimator.fit(table), table)
    with pytest.raises(NotFittedError):
        scorer(small("Autoencoder"), table)
    truths = table[["smokes", "weight"]]
    assert np.isfinite(scorer(PCA(1).fit(truths), truths))


# Samples beside real rows.

METRICS = [coverage, density]
each_metric = pytest.mark.parametrize("metric", METRICS)


def by_the_formula(metric, X, samples, k):
    """The paper's formulas, with all distances at once."""
    among, to_samples = (
        np.linalg.norm(X[:, None] - others[None], axis=2) for others in (X, samples)
    )
    radii = np.sort(among, axis=1)[:, k]  # after the row itself, at 0
    inside = to_samples <= radii[:, None]
    return inside.any(axis=1).mean() if metric is coverage else inside.sum() / (k * len(samples))


def rows_and_samples(n_features, n_rows=50, n_samples=40):
    rng = np.random.default_rng(n_features)
    return rng.normal(size=(n_rows, n_features)), 1.2 * rng.normal(size=(n_samples, n_features))


@each_metric
@pytest.mark.parametrize("n_features", [1, 3, 30])  # of many, distances are found by products
@pytest.mark.parametrize("k", [1, 5, 49])
def test_samples_are_judged_by_the_formulas_of_the_paper(metric, n_features, k):
    X, samples = rows_and_samples(n_features)
    expected = by_the_formula(metric, X, samples, k)
    for x, s in [(X, samples), (X, sparse.csr_matrix(samples)), (sparse.coo_array(X), samples)]:
        assert metric(x, s, n_neighbors=k) == pytest.approx(expected, rel=1e-12)
    assert type(metric(X, samples)) is float
    assert metric(X, samples) == metric(X, samples, n_neighbors=5)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_expected_values_are_those_of_the_paper(k):
    """Every way to tell samples from rows is as likely, so that the mean over all is expected."""
    n, m = 4, 3
    both, numbers = rows_and_samples(2, n_rows=n + m)[0], range(n + m)
    splits = [(both[[*rows]], both[[*{*numbers} - {*rows}]]) for rows in combinations(numbers, n)]
    found = [np.mean([metric(*split, n_neighbors=k) for split in splits]) for metric in METRICS]
    missed = prod((n - j) / (n + m - j) for j in range(1, k + 1))
    np.testing.assert_allclose(found, [1 - missed, 1.0], rtol=1e-12)


@pytest.mark.parametrize("n_features", [2, 30])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_copies_of_all_rows_are_in_all_neighbourhoods(n_features, offset):
    """Each ball has its centre and, at its border or nearer, k others."""
    X = rows_and_samples(n_features)[0] + offset
    for k in (1, 5):
        assert coverage(X, X, n_neighbors=k) == 1
        assert density(X, X.copy(), n_neighbors=k) == pytest.approx((k + 1) / k)


@each_metric
@pytest.mark.parametrize("n_features", [2, 30])
def test_samples_far_away_are_worth_nothing(metric, n_features):
    X, samples = rows_and_samples(n_features)
    for away in (1e3, 1e200):
        assert metric(X, samples + away) == 0


def test_a_single_sample_covers_little():
    """Of rows twice as far from zero each, the last is in no other's ball; it may be dense."""
    X = 2.0 ** np.arange(20)[:, None]
    collapsed = np.tile(X[-1:], (30, 1))
    assert coverage(X, collapsed, n_neighbors=1) == 1 / 20
    assert density(X, collapsed, n_neighbors=1) == 1
    between = np.full((30, 1), 5.5)  # in the balls of 4 and 8 and, with two neighbours, of 16
    assert density(X, between, n_neighbors=1) == 2
    assert coverage(X, between, n_neighbors=2) == 3 / 20


@pytest.mark.parametrize("n_features", [2, 30])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_rows_that_are_repeated_are_covered_by_their_equals_alone(n_features, offset):
    different = rows_and_samples(n_features)[0][:8] + offset
    X = np.repeat(different, 6, axis=0)  # each ball has the radius 0
    assert coverage(X, different[:2]) == 2 / 8
    assert density(X, different[:2]) == pytest.approx(6 / 5)
    assert coverage(X, different + 1e-4) == density(X, different + 1e-4) == 0
    assert coverage(X, X[::2]) == 1


@each_metric
@pytest.mark.parametrize("n_features", [3, 30])
def test_order_place_and_unit_do_not_matter(metric, n_features):
    X, samples = rows_and_samples(n_features)
    expected, rng = metric(X, samples), np.random.default_rng(0)
    columns = rng.permutation(n_features)
    others = [
        (rng.permutation(X), rng.permutation(samples)),
        (X[:, columns], samples[:, columns]),
        (1e-3 * X + 5, 1e-3 * samples + 5),
        (np.c_[X, np.ones(50)], np.c_[samples, np.ones(40)]),
    ]
    for pair in others:
        assert metric(*pair) == pytest.approx(expected, rel=1e-12)


def test_one_row_far_from_all_others_changes_no_other_neighbourhood():
    X, samples = rows_and_samples(30)
    far = np.vstack([X, np.full((1, 30), 1e12)])  # whose own ball has all samples, or none
    covered = 51 * coverage(far, samples) - 50 * coverage(X, samples)
    dense = 5 * (density(far, samples) - density(X, samples))
    assert 0 <= round(covered, 9) <= 1 and 0 <= round(dense, 9) <= 1


@each_metric
def test_samples_may_be_frames_tensors_and_lists(metric):
    pd = pytest.importorskip("pandas")
    X, samples = (a.astype(np.float32) for a in rows_and_samples(3))
    expected = metric(X, samples)
    frame = pd.DataFrame(X, columns=list("abc"), index=np.arange(50) / 2)
    assert metric(frame, torch.tensor(samples)) == expected
    assert metric(X.tolist(), samples.tolist()) == expected


@each_metric
def test_not_all_distances_are_in_memory_at_once(metric):
    X, samples = rows_and_samples(30, n_rows=2500, n_samples=2500)
    with config_context(working_memory=2):
        tracemalloc.start()
        try:
            metric(X, samples)
            assert tracemalloc.get_traced_memory()[1] < 15e6  # all: 50 MB
        finally:
            tracemalloc.stop()


@each_metric
def test_rows_and_samples_that_cannot_be_compared(metric):
    X, samples = rows_and_samples(3)
    name = metric.__name__
    with pytest.raises(ValueError, match=rf"samples has 2 columns, but X has 3: {name} needs"):
        metric(X, samples[:, :2])
    with pytest.raises(ValueError, match="X has 5 rows, but n_neighbors=5 needs more than 5"):
        metric(X[:5], samples)
    with pytest.raises(ValueError, match=rf"'n_neighbors' parameter of {name} .* Got 0 instead"):
        metric(X, samples, n_neighbors=0)
    with pytest.raises(ValueError, match="Squares of X are too large"):
        metric(1e200 * X, samples)
    for value, words in [(np.nan, "contains NaN"), (np.inf, "contains infinity")]:
        with pytest.raises(ValueError, match=f"Input X {words}"):
            metric(np.where(X > 1, value, X), samples)
        with pytest.raises(ValueError, match=f"Input samples {words}"):
            metric(X, np.where(samples > 1, value, samples))
    with pytest.raises(ValueError, match="Expected 2D array"):
        metric(X, samples[0])


@each_metric
def test_tables_are_to_be_encoded_before_samples_are_judged(metric):
    autoencoder, table = fitted_on_a_table("VAE")
    samples = autoencoder.sample(40, random_state=0)
    with pytest.raises(ValueError, match=rf"^{metric.__name__} comp.*'job' of X .* same Table"):
        metric(table, samples)
    X, encoded = (np.nan_to_num(autoencoder.table_.transform(rows)) for rows in (table, samples))
    with pytest.raises(ValueError, match="'job' of samples holds"):
        metric(X, samples)
    assert 0 <= metric(X, encoded) < np.inf
