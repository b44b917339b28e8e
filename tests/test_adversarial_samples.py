"""What a fitted GAN offers: modules, samples, scores."""

import pickle

import numpy as np
import pytest
import torch
from helpers import LABELS, X, assert_same_fit, each_generator, in_threads, small, weights
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_gans import drawn, fitted, given, of_class, plain_or_conditional

import skae
from skae import GAN
from skae._engine import inference
from skae._generator import ROWS, covered
from skae.metrics import coverage
from skae.networks import ConvNet

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
        (np.zeros((2, 2)), r"Z has 2 columns, but \w+.generate expects [36]: n_comp"),
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
