"""Scorers: what they compute, of which transformers, and in searches."""

import tracemalloc

import numpy as np
import pytest
import torch
from helpers import SMALL, UNIT_X, each_class, may_collapse, small
from scipy import sparse
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
from skae.metrics import explained_variance, neg_reconstruction_error
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
@each_class
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
    with pytest.raises(ValueError, match=r"by Wrong have shape \(60, 4\), but X has \(60, 6\)"):
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
@each_class
def test_of_autoencoders_of_tables_it_is_the_mean_over_columns(name):
    autoencoder, table = fitted_on_a_table(name)
    expected = BaseAutoencoder.score(autoencoder, table)
    assert explained_variance(autoencoder, table) == expected
    if name != "VAE":
        assert expected == autoencoder.score(table)
    for wrapped in (FrozenEstimator(autoencoder), make_pipeline("passthrough", autoencoder)):
        assert explained_variance(wrapped, table) == expected


@may_collapse
@each_class
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
