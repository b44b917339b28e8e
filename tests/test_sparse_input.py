"""Sparse X: every result is that of the dense X, of which there is never more than a batch, or
a sample.
"""

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import (
    BERNOULLI,
    NETWORK,
    OF_UNITS,
    SMALL,
    assert_not_fitted,
    each_class,
    each_generator,
    each_of_any_numbers,
    fitted_state,
    may_collapse,
    small,
    weights,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skae import VAE, Autoencoder, DenoisingAutoencoder

pytestmark = may_collapse

RNG = np.random.default_rng(0)
DENSE = np.where(RNG.uniform(size=(60, 7)) < 0.3, RNG.normal(size=(60, 7)), 0.0)
COUNTS = RNG.poisson(0.7, size=(60, 7)).astype(float)
COUNTS[:, 0] += 1  # no row is empty
CLOSE = {"rtol": 1e-9, "atol": 1e-12}
# Where a gradient is 0, as at principal components, Adam divides rounding errors by little more.
AFTER_A_FIT = {"rtol": 1e-9, "atol": 1e-10}
KINDS = {
    "csr_matrix": sp.csr_matrix,
    "csr_array": sp.csr_array,
    "csc_matrix": sp.csc_matrix,
    "csc_array": sp.csc_array,
    "coo_array": sp.coo_array,
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
CATEGORICAL = {
    **{name: {"loss": "categorical_cross_entropy"} for name in NETWORK},
    "VAE": {"likelihood": "categorical"},
    "StackedAutoencoder": {
        "estimator": [
            DenoisingAutoencoder(max_iter=2, loss="categorical_cross_entropy"),
            DenoisingAutoencoder(max_iter=2),
        ]
    },
}


def with_64_bit_indices(X):
    X = sp.csr_array(X)
    return sp.csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), X.shape)


def with_explicit_zeros(X):
    X = sp.csr_matrix(X)
    X.data[::3] = 0.0
    return X


def with_unsorted_indices(X):
    """Each row's cells in reverse."""
    X = sp.csr_matrix(X)
    for start, stop in zip(X.indptr, X.indptr[1:], strict=False):
        X.indices[start:stop] = X.indices[start:stop][::-1].copy()
        X.data[start:stop] = X.data[start:stop][::-1].copy()
    X.has_sorted_indices = False
    return X


def with_duplicates(X):
    """Each cell as a sum of two, which the format allows."""
    rows, columns = np.nonzero(X)
    order = np.argsort(np.concatenate([rows, rows]), kind="stable")
    data = np.concatenate([0.25 * X[rows, columns], 0.75 * X[rows, columns]])[order]
    indptr = np.concatenate([[0], np.cumsum(2 * np.count_nonzero(X, axis=1))])
    return sp.csr_matrix((data, np.concatenate([columns, columns])[order], indptr), X.shape)


def read_only(X):
    X = sp.csr_matrix(X)
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    return X


FORMS = {
    "64-bit indices": with_64_bit_indices,
    "explicit zeros": with_explicit_zeros,
    "unsorted indices": with_unsorted_indices,
    "duplicates": with_duplicates,
    "read-only": read_only,
    "float32": lambda X: sp.csr_matrix(X.astype(np.float32)),
    "integers": lambda X: sp.csr_matrix(np.rint(3 * X).astype(np.int64)),
    "booleans": lambda X: sp.csr_matrix(X > 0),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def assert_close_fit(sparse, dense, **tolerance):
    tolerance = tolerance or AFTER_A_FIT
    np.testing.assert_allclose(weights(sparse), weights(dense), **tolerance)
    np.testing.assert_allclose(sparse.loss_curve_, dense.loss_curve_, **tolerance)


def assert_same_results(estimator, sparse, dense, **tolerance):
    """Of a fitted estimator, given the same rows twice."""
    for method in ("transform", "reconstruct", "score_samples", "score"):
        found, expected = (getattr(estimator, method)(X) for X in (sparse, dense))
        tolerance = tolerance or CLOSE
        np.testing.assert_allclose(found, expected, **tolerance, err_msg=method)
        assert isinstance(found, np.ndarray | float)


def arrays_of(X):
    return [
        np.array(getattr(X, a))
        for a in ("data", "indices", "indptr", "row", "col")
        if hasattr(X, a)
    ]


def skip_if_beyond_units(name, X):
    if name == OF_UNITS and X.max() > 1:
        pytest.skip("no units")


# Sparse or dense, it is the same.


@each_class
@every_kind
def test_every_kind_trains_as_a_dense_X_does(name, kind):
    X = kind(DENSE)
    dense, sparse = small(name).fit(DENSE), small(name).fit(X)
    assert_close_fit(sparse, dense)
    assert sparse.n_features_in_ == 7
    assert_same_results(sparse, X, DENSE)
    assert_close_fit(sparse.partial_fit(X), dense.partial_fit(DENSE))


@each_class
def test_partial_fit_from_the_beginning(name):
    dense, sparse = small(name), small(name)
    for _ in range(2):
        assert_close_fit(sparse.partial_fit(sp.csr_array(DENSE)), dense.partial_fit(DENSE))


@each_class
@every_form
def test_every_form_is_that_of_its_dense_rows(name, form):
    X = form(DENSE)
    skip_if_beyond_units(name, X)
    dense = X.toarray()
    single = {"rtol": 1e-3, "atol": 1e-4} if X.dtype == np.float32 else AFTER_A_FIT
    estimator = small(name).fit(X)
    assert_close_fit(estimator, small(name).fit(dense), **single)
    assert weights(estimator).dtype == (np.float32 if X.dtype == np.float32 else np.float64)
    assert_same_results(estimator, X, dense, **single)


@each_class
@every_form
def test_X_is_not_changed(name, form):
    X = form(DENSE)
    skip_if_beyond_units(name, X)
    before = arrays_of(X)
    estimator = small(name).fit(X)
    estimator.transform(X), estimator.score(X), estimator.score_samples(X)
    estimator.partial_fit(X).reconstruct(X)
    for array, was in zip(arrays_of(X), before, strict=True):
        np.testing.assert_array_equal(array, was, strict=True)


@each_class
@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True, "validation_fraction": 0.3},
        {"shuffle": False, "alpha": 0.1},
        {"solver": "sgd", "learning_rate": "cosine"},
        {"precision": "bf16"},
        {"batch_size": 1000},
    ],
    ids=str,
)
def test_every_way_to_train(name, params):
    dense, sparse = (small(name, **params).fit(X) for X in (DENSE, sp.csr_array(DENSE)))
    loose = {"rtol": 1e-2, "atol": 1e-2} if "precision" in params else AFTER_A_FIT
    assert_close_fit(sparse, dense, **loose)
    if "early_stopping" in params:
        curves = sparse.validation_loss_curve_, dense.validation_loss_curve_
        np.testing.assert_allclose(*curves, **CLOSE)


@each_class
def test_warm_start(name):
    dense, sparse = (small(name, warm_start=True) for _ in range(2))
    for _ in range(2):
        dense.fit(DENSE), sparse.fit(sp.csr_matrix(DENSE))
    assert len(sparse.loss_curve_) == 8
    assert_close_fit(sparse, dense)


@each_class
def test_sparse_and_dense_may_take_turns(name):
    sparse = (
        small(name).fit(sp.csr_array(DENSE)).partial_fit(DENSE).partial_fit(sp.csr_array(DENSE))
    )
    dense = small(name).fit(DENSE).partial_fit(DENSE).partial_fit(DENSE)
    assert_close_fit(sparse, dense)
    assert_close_fit(pickle.loads(pickle.dumps(sparse)), dense)


def test_fitted_attributes_are_the_same():
    """What is learned of the columns or of the codes, beside the weights."""
    estimators = {
        "SparseAutoencoder": ("mean_activation_", "code_density_"),
        "DenoisingAutoencoder": ("data_min_", "data_max_", "data_mean_", "noise_variance_"),
        "VAE": ("kl_per_component_", "noise_variance_", "n_active_components_"),
    }
    for name, attributes in estimators.items():
        dense, sparse = (small(name).fit(X) for X in (DENSE, sp.csr_array(DENSE)))
        for attribute in attributes:
            found, expected = getattr(sparse, attribute), getattr(dense, attribute)
            np.testing.assert_allclose(found, expected, **CLOSE, err_msg=attribute)
            assert type(found) is type(expected), attribute


@pytest.mark.parametrize("variance", ["shared", "per_feature", "heteroscedastic"])
def test_a_vae_of_each_variance(variance):
    params = {"noise_variance": variance}
    dense, sparse = (small("VAE", **params).fit(X) for X in (DENSE, sp.csr_array(DENSE)))
    assert_close_fit(sparse, dense)
    found, expected = (
        e.log_likelihood(X, 20) for e, X in ((sparse, sp.csr_array(DENSE)), (dense, DENSE))
    )
    np.testing.assert_allclose(found, expected, **CLOSE)
    for one, other in zip(
        sparse.posterior(sp.csr_array(DENSE)), dense.posterior(DENSE), strict=True
    ):
        np.testing.assert_allclose(one, other, **CLOSE)


def test_contractions():
    contractive = small("ContractiveAutoencoder").fit(sp.csr_array(DENSE))
    for method in (contractive.jacobian, contractive.jacobian_norm):
        np.testing.assert_allclose(method(sp.csr_array(DENSE)), method(DENSE), **CLOSE)
    np.testing.assert_allclose(
        contractive.tangents(sp.csr_array(DENSE), 2), contractive.tangents(DENSE, 2), **CLOSE
    )


@pytest.mark.parametrize("corruption", ["masking", "gaussian", "salt_and_pepper", "swap", None])
def test_every_corruption(corruption):
    params = {"corruption": corruption, "early_stopping": True}
    dense, sparse = (
        small("DenoisingAutoencoder", **params).fit(X) for X in (DENSE, sp.csr_array(DENSE))
    )
    assert_close_fit(sparse, dense)


@pytest.mark.parametrize("X, target", [(1, 1), (1, 0), (0, 1)], ids=["both", "X", "target"])
def test_targets_may_be_sparse(X, target):
    targets = DENSE[:, :4] ** 2
    kinds = np.asarray, sp.csr_array
    dense = small("DenoisingAutoencoder").fit(DENSE, target=targets)
    given = {"X": kinds[X](DENSE), "target": kinds[target](targets)}
    sparse = small("DenoisingAutoencoder").fit(**given)
    assert_close_fit(sparse, dense)
    assert sparse.score(**given) == pytest.approx(dense.score(DENSE, target=targets))
    assert_close_fit(sparse.partial_fit(**given), dense.partial_fit(DENSE, target=targets))


def test_missing_cells_of_a_sparse_X():
    holes = np.where(np.random.default_rng(1).uniform(size=DENSE.shape) < 0.1, np.nan, DENSE)
    dense, sparse = (small("DenoisingAutoencoder").fit(X) for X in (holes, sp.csr_array(holes)))
    assert_close_fit(sparse, dense)
    assert_same_results(sparse, sp.csr_array(holes), holes)
    np.testing.assert_allclose(sparse.data_mean_, np.nanmean(holes, axis=0), **CLOSE)


@pytest.mark.parametrize("sparsity", ["l1", "topk"])
def test_sparse_in_sparse_out(sparsity):
    params = {"sparsity": sparsity, "n_active": 2, "sparse_output": True}
    autoencoder = small("SparseAutoencoder", **params).fit(sp.csr_array(DENSE))
    dense = small("SparseAutoencoder", **params).fit(DENSE)
    assert_close_fit(autoencoder, dense)
    codes = autoencoder.transform(sp.csr_array(DENSE))
    np.testing.assert_allclose(codes.toarray(), dense.transform(DENSE).toarray(), **CLOSE)


def test_rows_without_any_value():
    X = sp.csr_array((60, 7))
    for name in SMALL:
        estimator = small(name).fit(X)
        assert np.isfinite(estimator.reconstruct(X)).all()


# Counts.


@each_of_any_numbers
@pytest.mark.parametrize("form", [lambda X: sp.csr_array(X.astype(np.int64)), with_duplicates])
def test_counts(name, form):
    params, X = CATEGORICAL[name], form(COUNTS)
    dense, sparse = small(name, **params).fit(COUNTS), small(name, **params).fit(X)
    assert_close_fit(sparse, dense)
    assert_same_results(sparse, X, COUNTS)
    np.testing.assert_allclose(sparse.reconstruct(X).sum(axis=1), COUNTS.sum(axis=1))
    np.testing.assert_allclose(sparse.inverse_transform(sparse.transform(X)).sum(axis=1), 1)


@each_of_any_numbers
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_counts_below_zero_are_an_error(name, method):
    estimator = small(name, **CATEGORICAL[name])
    wrong = sp.csr_array(COUNTS)
    wrong.data[5] = -2.0
    with pytest.raises(ValueError, match=r"categorical.* counts .* -2\.0"):
        getattr(estimator, method)(wrong)
    estimator.fit(sp.csr_array(COUNTS))
    with pytest.raises(ValueError, match="counts"):
        estimator.score_samples(wrong)


def test_a_vae_of_counts():
    vae = VAE(3, likelihood="categorical", max_iter=3, random_state=0)
    dense = pickle.loads(pickle.dumps(vae)).fit(COUNTS)
    X = sp.csr_array(COUNTS)
    vae.fit(X)
    found, expected = vae.log_likelihood(X, 30), dense.log_likelihood(COUNTS, 30)
    np.testing.assert_allclose(found, expected, **CLOSE)
    samples = vae.sample(20, random_state=0)
    np.testing.assert_array_equal(samples, dense.sample(20, random_state=0))
    assert set(samples.sum(axis=1)) == {round(COUNTS.sum(axis=1).mean())}


def test_words_into_a_classifier():
    rng = np.random.default_rng(0)
    words = [[f"{topic}{i}" for i in range(30)] for topic in "abc"]
    y = np.arange(150) % 3
    texts = [" ".join(rng.choice(words[topic], 20)) for topic in y]
    codes = Autoencoder(
        3, loss="categorical_cross_entropy", max_iter=30, learning_rate_init=5e-3, random_state=0
    )
    pipeline = make_pipeline(CountVectorizer(), codes, LogisticRegression()).fit(texts, y)
    assert pipeline.score(texts, y) > 0.95


# Range and finiteness.


@each_class
def test_probabilities(name):
    X = np.abs(np.tanh(DENSE))
    dense, sparse = (
        small(name, **BERNOULLI[name]).fit(kind(X)) for kind in (np.asarray, sp.csr_array)
    )
    assert_close_fit(sparse, dense)
    assert_same_results(sparse, sp.csr_array(X), X)


@each_class
@pytest.mark.parametrize("value", [-0.5, 1.5])
def test_values_that_are_no_probabilities(name, value):
    X = sp.csr_array(np.abs(np.tanh(DENSE)))
    wrong = X.copy()
    wrong.data[3] = value
    estimator = small(name, **BERNOULLI[name])
    with pytest.raises(ValueError, match=rf"\[0, 1\].*{value}"):
        estimator.fit(wrong)
    assert_not_fitted_to_7(estimator)
    estimator.fit(X)
    with pytest.raises(ValueError, match=rf"\[0, 1\].*{value}"):
        estimator.score_samples(wrong)


def assert_not_fitted_to_7(estimator):
    with pytest.raises(NotFittedError):
        estimator.transform(DENSE)


@each_class
@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "transform", "score", "score_samples"])
def test_values_that_are_not_finite(name, value, method):
    if np.isnan(value) and name == "DenoisingAutoencoder":
        pytest.skip("a missing cell")
    wrong = sp.csr_array(DENSE)
    wrong.data[7] = value
    estimator = small(name)
    if method not in ("fit", "partial_fit"):
        estimator.fit(sp.csr_array(DENSE))
    with pytest.raises(ValueError, match=r"NaN|infinity|-inf"):
        getattr(estimator, method)(wrong)


@each_class
def test_a_refused_X_leaves_what_was_there(name):
    estimator = small(name).fit(sp.csr_array(DENSE))
    before = fitted_state(estimator)
    with pytest.raises(ValueError, match=r"7|5"):
        estimator.partial_fit(sp.csr_array(DENSE[:, :5]))
    with pytest.raises(ValueError, match="infinity"):
        estimator.partial_fit(sp.csr_array(np.where(DENSE > 0.5, np.inf, DENSE)))
    assert fitted_state(estimator) == before


def test_refused_at_first():
    estimator = small("Autoencoder")
    with pytest.raises(ValueError, match="infinity"):
        estimator.fit(sp.csr_array(np.where(DENSE > 0.5, np.inf, DENSE)))
    assert_not_fitted(estimator)


# Memory.


@pytest.fixture
def dense_rows(monkeypatch):
    """The numbers of rows that any sparse X is made dense at."""
    seen = []
    for kind in (sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.csc_array):
        for method in ("toarray", "todense"):
            original = getattr(kind, method)

            def noted(self, *args, original=original, **kwargs):
                seen.append(self.shape[0])
                return original(self, *args, **kwargs)

            monkeypatch.setattr(kind, method, noted)
    return seen


WIDE = sp.csr_array(np.where(np.random.default_rng(2).uniform(size=(120, 90)) < 0.05, 1.0, 0.0))
PARAMS = {
    **{name: {} for name in SMALL},
    "categorical VAE": {"likelihood": "categorical"},
    "VAE per feature": {"noise_variance": "per_feature"},
    "swap": {"corruption": "swap"},
    "salt_and_pepper": {"corruption": "salt_and_pepper"},
    "topk": {"sparsity": "topk", "n_active": 2, "sparse_output": True},
    "counts": {"loss": "categorical_cross_entropy"},
    "probabilities": {"loss": "binary_cross_entropy"},
}
OF_CLASS = {
    **{name: name for name in SMALL},
    "categorical VAE": "VAE",
    "VAE per feature": "VAE",
    "swap": "DenoisingAutoencoder",
    "salt_and_pepper": "DenoisingAutoencoder",
    "topk": "SparseAutoencoder",
    "counts": "Autoencoder",
    "probabilities": "ContractiveAutoencoder",
}


@pytest.mark.parametrize("case", PARAMS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_no_more_than_a_batch_or_a_sample_is_ever_dense(
    case, early_stopping, dense_rows, monkeypatch
):
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 90 * 40)  # 40 rows
    monkeypatch.setattr("skae._denoising.CHUNK_SIZE", 90 * 40)
    monkeypatch.setattr("skae._sparse.CANDIDATES", 90 * 40)
    monkeypatch.setattr("skae._engine.data.SAMPLE_SIZE", 90 * 20)  # components take twice as much
    estimator = small(OF_CLASS[case], early_stopping=early_stopping, **PARAMS[case]).fit(WIDE)
    estimator.partial_fit(WIDE).transform(WIDE), estimator.score(WIDE)
    estimator.score_samples(WIDE)
    assert dense_rows
    assert max(dense_rows) <= 40


@each_generator
def test_no_more_than_a_batch_or_a_sample_of_a_game_is_ever_dense(name, dense_rows, monkeypatch):
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 90 * 40)  # 40 rows
    monkeypatch.setattr("skae._engine.data.SAMPLE_SIZE", 90 * 40)
    y, label = np.arange(120) % 3, (0,) if name == "ConditionalGAN" else ()
    estimator = small(name).fit(WIDE, y).partial_fit(WIDE, y)
    estimator.transform(WIDE), estimator.score(WIDE, y), estimator.discriminate(WIDE, *label)
    assert dense_rows
    assert max(dense_rows) <= 40


@each_class
def test_memory_of_a_fit_is_far_below_that_of_a_dense_X(name, monkeypatch):
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 1000 * 50)
    monkeypatch.setattr("skae._denoising.CHUNK_SIZE", 1000 * 50)
    monkeypatch.setattr("skae._engine.data.SAMPLE_SIZE", 1000 * 50)
    rng = np.random.default_rng(0)
    X = sp.csr_matrix((np.ones(4000), rng.integers(4000, size=(2, 4000))), (4000, 4000))[
        :1500, :1000
    ]
    estimator = small(name, max_iter=1, batch_size=50).fit(X[:100])
    tracemalloc.start()
    try:
        estimator.fit(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.2 * 8 * X.shape[0] * X.shape[1]
