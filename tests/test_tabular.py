"""Data frames with categories in autoencoders, classifiers and regressors."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import torch
from helpers import (
    SUPERVISED,
    X,
    assert_not_fitted,
    assert_same_fit,
    each_of_any_numbers,
    fitted_state,
    in_threads,
    may_be_dead,
    may_collapse,
    small,
)
from scipy.sparse import issparse
from sklearn.base import clone
from small_tables import (
    FAST,
    LETTERS,
    RNG,
    TAKE_GAPS,
    N,
    assert_looks_like,
    each,
    each_table,
    fitted,
    frame_of,
    given,
    holes,
    simple,
    target_for,
    whole,
)

from skae import VAE, Autoencoder, SparseAutoencoder
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")

pytestmark = [may_collapse, may_be_dead]


# Tables.


@each
def test_torchs_default_device_does_not_matter(name):
    table = holes() if name in TAKE_GAPS else simple()
    expected = fitted(name, table)
    with torch.device("meta"):
        estimator = fitted(name, table)
    assert_same_fit(estimator, expected)


# Frames in, frames out.


@each_of_any_numbers
@each_table
def test_frames_come_out(name, table):
    table = table()
    estimator = fitted(name, table)
    codes = estimator.transform(table)
    assert codes.shape == (N, estimator.n_components_) and codes.dtype == np.float32
    reconstructed, decoded = estimator.reconstruct(table), estimator.inverse_transform(codes)
    assert_looks_like(reconstructed, table)
    assert_looks_like(decoded, table)
    assert decoded.equals(reconstructed)
    assert_looks_like(estimator.table_.inverse_transform(estimator.table_.transform(table)), table)
    probabilities = estimator.reconstruct(table, proba=True)
    assert probabilities.shape == (N, len(estimator.table_.get_feature_names_out()))
    again = estimator.table_._decode(probabilities, like=table, exact=False)
    assert again.equals(reconstructed)


@each_of_any_numbers
@each_table
def test_every_row_and_cell_has_its_loss(name, table):
    table = table()
    estimator = fitted(name, table)
    assert np.isfinite(estimator.score(table))
    rows, cells = estimator.score_samples(table), estimator.feature_errors(table)
    assert rows.shape == (N,) and cells.shape == (N, estimator.n_features_in_)
    assert np.isfinite(rows).all() and np.isfinite(cells).all()
    if name not in ("VAE", "DenoisingAutoencoder"):
        np.testing.assert_allclose(-cells.sum(axis=1), rows, rtol=1e-4)


@each_of_any_numbers
def test_features_are_the_tables(name):
    table = simple()
    estimator = fitted(name, table)
    assert estimator.n_features_in_ == 4
    assert estimator.feature_names_in_.tolist() == list(table)
    names = estimator.get_feature_names_out().tolist()
    assert names == [f"{name.lower()}{i}" for i in range(estimator.n_components_)]
    assert estimator.table_.n_features_in_ == 4
    assert not hasattr(estimator.fit(X), "table_")
    assert estimator.n_features_in_ == 6 and not hasattr(estimator, "feature_names_in_")


@each_of_any_numbers
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(name, library):
    pytest.importorskip(library)
    table = whole()
    estimator = fitted(name, table).set_output(transform=library)
    codes = estimator.transform(table)
    assert type(codes).__module__.startswith(library)
    assert list(codes.columns) == estimator.get_feature_names_out().tolist()
    if library == "pandas":
        pd.testing.assert_index_equal(codes.index, table.index)
        assert estimator.inverse_transform(codes[7:]).equals(estimator.reconstruct(table)[7:])


def test_sparse_codes_remember_the_index():
    table = whole()
    estimator = SparseAutoencoder(8, sparsity="topk", sparse_output=True, **FAST).fit(table)
    codes = estimator.transform(table)
    assert issparse(codes)
    assert estimator.inverse_transform(codes).equals(estimator.reconstruct(table))


@each
def test_refits_are_equal_to_the_bit(name):
    one, other = fitted(name, whole()), fitted(name, whole().copy())
    assert_same_fit(one, other)
    assert_same_fit(clone(one).fit(*given(name, whole())), one)


def through_skops(estimator):
    skops = pytest.importorskip("skops.io")
    data = skops.dumps(estimator)
    untrusted = skops.get_untrusted_types(data=data)
    assert all(kind.startswith(("skae.", "torch.")) and "._" not in kind for kind in untrusted)
    return skops.loads(data, trusted=untrusted)


def through_joblib(estimator):
    joblib.hash(estimator)
    return pickle.loads(pickle.dumps(estimator, protocol=2))


@pytest.mark.parametrize("save_and_load", [through_joblib, through_skops])
def test_a_vae_that_has_sampled_is_saved(save_and_load):
    vae = fitted("VAE", whole())
    drawn = vae.sample(5, random_state=0)
    assert save_and_load(vae).sample(5, random_state=0).equals(drawn)


def test_masks_may_follow_other_corruptions():
    denoiser = small("DenoisingAutoencoder", corruption="swap").partial_fit(whole())
    denoiser.set_params(corruption="masking").partial_fit(whole())
    assert np.isfinite(denoiser.loss_)


@each
@pytest.mark.parametrize(
    "save_and_load",
    [through_joblib, through_skops, copy.copy, copy.deepcopy],
    ids=["pickle", "skops", "copy", "deepcopy"],
)
def test_what_is_kept_computes_the_same(name, save_and_load):
    table = whole()
    estimator = fitted(name, table)
    again = save_and_load(estimator)
    np.testing.assert_array_equal(again.transform(table), estimator.transform(table))
    if name in SUPERVISED:
        np.testing.assert_array_equal(again.predict(table), estimator.predict(table))
    else:
        assert again.reconstruct(table).equals(estimator.reconstruct(table))
        assert_same_fit(again.partial_fit(table), copy.deepcopy(estimator).partial_fit(table))


@each
def test_clone_forgets_the_table(name):
    estimator = fitted(name, simple())
    assert_not_fitted(clone(estimator))
    assert not hasattr(clone(estimator), "table_")


@each
def test_training_goes_on_with_the_tables_encoder(name):
    table = whole()
    estimator = small(name, **{"n_iter_no_change": np.inf, "warm_start": True, "max_iter": 2})
    if name == "StackedAutoencoder":
        estimator.set_params(max_iter=3)
    estimator.fit(*given(name, table))
    encoder, n_iter = estimator.table_, estimator.n_iter_
    table = table.assign(job=table["job"].replace("clerk", "cook"))
    estimator.partial_fit(*given(name, table))
    assert estimator.n_iter_ == n_iter + 1
    estimator.fit(*given(name, table))
    assert estimator.table_ is encoder


@each
def test_partial_fit_begins_with_a_table(name):
    table = whole()
    y = (target_for(name),) if name in SUPERVISED else ()
    classes = {}
    if name == "AutoencoderClassifier":
        classes = {"classes": [0, 1, 2]}
    estimator = small(name).partial_fit(table, *y, **classes).partial_fit(table, *y)
    assert estimator.n_features_in_ == table.shape[1]
    assert estimator.transform(table).shape == (N, 3 if name != "SparseAutoencoder" else 8)


@each
def test_rows_are_computed_one_by_one(name):
    table = simple()
    estimator = fitted(name, table)
    one = estimator.transform(table[7:8])
    np.testing.assert_allclose(one, estimator.transform(table)[7:8], atol=1e-6)


@each_of_any_numbers
def test_failures_leave_the_estimator_as_it_was(name):
    table = whole()
    estimator = fitted(name, table)
    before = fitted_state(estimator)
    with pytest.raises(ValueError, match="infinity"):
        estimator.fit(table.assign(age=np.inf))
    with pytest.raises(ValueError, match="had dtype"):
        estimator.partial_fit(table.assign(age="old"))
    assert fitted_state(estimator) == before


# Arrays and frames of numbers.


@each
def test_arrays_and_frames_of_numbers_are_not_encoded(name):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    for table in (X, frame, frame.astype(object)):
        plain, auto = (fitted(name, table, table=its) for its in (None, "auto"))
        assert_same_fit(plain, auto)
        assert not hasattr(auto, "table_")
        assert isinstance(auto.transform(table), np.ndarray)


def test_an_encoder_takes_arrays_and_frames_of_numbers():
    frame = pd.DataFrame(X, columns=list("abcdef")).round(2)
    for table in (frame, frame.to_numpy()):
        estimator = Autoencoder(3, table=TableEncoder(numeric="quantile"), **FAST).fit(table)
        assert type(estimator.reconstruct(table)) is type(table)
        assert estimator.reconstruct(table).shape == table.shape
    with_gaps = np.where(np.arange(6) == np.arange(60)[:, None] % 7, np.nan, X)
    vae = VAE(2, table=TableEncoder(), **FAST).fit(with_gaps)
    assert np.isfinite(vae.reconstruct(with_gaps)).all()


UNUSUAL = {
    "booleans alone": frame_of(a=RNG.random(N) < 0.5, b=RNG.random(N) < 0.3),
    "booleans as objects": frame_of(a=pd.Series([True, False] * 30, dtype=object), b=X[:, 0]),
    "categories alone": frame_of(a=LETTERS, b=RNG.choice(["u", "v"], N)),
    "one column": frame_of(a=LETTERS),
    "objects that are numbers": frame_of(a=pd.Series(range(N), dtype=object) % 5, b=LETTERS),
    "objects of several types": frame_of(a=pd.Series([1, "1", True, 2.5] * 15, dtype=object)),
    "strings of digits": frame_of(a=["1", "2", "4"] * 20, b=X[:, 0]),
    "objects of digits": frame_of(a=["1", "2", "4"] * 20, b=X[:, 0]).astype({"a": object}),
    "levels of digits": frame_of(a=["1", "2", "4"] * 20, b=X[:, 0]).astype({"a": "category"}),
    "intervals": frame_of(a=pd.cut(X[:, 0], 4), b=X[:, 1]),
    "names that are numbers": pd.DataFrame({0: X[:, 0], 1: LETTERS}),
    "names that are tuples": pd.DataFrame({("a", 1): X[:, 0], ("a", 2): LETTERS}),
    "unused levels": frame_of(a=pd.Categorical(LETTERS, list("wvzyx")), b=X[:, 0]),
    "ordered levels of numbers": frame_of(
        a=pd.Categorical(np.arange(N) % 3, [2, 1, 0, 5], ordered=True), b=X[:, 0]
    ),
    "empty strings": frame_of(a=X[:, 0], b=RNG.choice(["", "x"], N)),
    "times alone": frame_of(a=pd.date_range("2020", periods=N), b=X[:, 0]),
    "one row": frame_of(a=[1.0], b=["x"]),
    "two rows": frame_of(a=[1.0, 2.0], b=["x", "y"]),
}


@pytest.mark.filterwarnings("ignore:Column .* has the same value in all rows:UserWarning")
@each_of_any_numbers
@pytest.mark.parametrize("table", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_frames(name, table):
    estimator = small(name).fit(table)
    assert estimator.n_features_in_ == table.shape[1]
    assert_looks_like(estimator.reconstruct(table), table)
    assert estimator.reconstruct(table).equals(
        estimator.inverse_transform(estimator.transform(table))
    )
    assert estimator.feature_errors(table).shape == table.shape
    if len(table) > 1:
        assert np.isfinite(estimator.score(table))


@each_of_any_numbers
def test_columns_that_tell_nothing(name):
    table = simple().assign(country="de", note=None)
    with pytest.warns(UserWarning) as caught:
        estimator = fitted(name, table)
    found = " ".join(str(warning.message) for warning in caught)
    assert "'country' has the same value" in found and "'note' has no observed value" in found
    reconstructed = estimator.reconstruct(table)
    assert_looks_like(reconstructed, table)
    assert (reconstructed["country"] == "de").all() and reconstructed["note"].isna().all()
    errors = estimator.feature_errors(table)
    assert errors.shape == table.shape and np.isnan(errors[:, 5]).all()
    assert np.isfinite(errors[:, :5]).all() and np.isfinite(estimator.score(table))


@each_of_any_numbers
def test_many_categories_make_a_sparse_matrix(name):
    table = frame_of(a=np.arange(600) % 300, b=np.arange(600) / 7)
    table["a"] = table["a"].astype(str)
    params = {"table": TableEncoder(max_categories=None), "batch_size": 200, "max_iter": 1}
    estimator = small(name, **params).fit(table)
    assert issparse(estimator.table_.transform(table))
    assert estimator.reconstruct(table, proba=True).shape == (600, 301)
    assert_looks_like(estimator.reconstruct(table), table)
    assert estimator.feature_errors(table[:9]).shape == (9, 2)
    assert np.isfinite(estimator.score(table))
    assert set(estimator.reconstruct(table)["a"]) <= set(table["a"])
    dense = small(name, **params).set_params(table=TableEncoder(max_categories=300)).fit(table)
    assert dense.loss_ == pytest.approx(estimator.loss_)


# Others.


@pytest.mark.parametrize("name", ["Autoencoder", "DenoisingAutoencoder", "VAE"])
def test_threads_may_share_an_estimator(name):
    table = whole()
    estimator = fitted(name, table)
    expected = pickle.loads(pickle.dumps(estimator)).reconstruct(table)
    again = pickle.loads(pickle.dumps(estimator))
    for found in in_threads(4, lambda number: again.reconstruct(table)):
        pd.testing.assert_frame_equal(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@each_of_any_numbers
def test_cuda_trains_on_tables_like_the_cpu(name):
    table = holes() if name in TAKE_GAPS else simple()
    on_gpu = small(name, device="cuda", max_iter=1).fit(table)
    assert_looks_like(on_gpu.reconstruct(table), table)
    assert np.isfinite(on_gpu.score(table)) and on_gpu.feature_errors(table).shape == (N, 4)
    assert_same_fit(on_gpu, small(name, device="cuda", max_iter=1).fit(table))
    if name not in ("DenoisingAutoencoder", "StackedAutoencoder", "VAE"):  # noise differs
        on_cpu = small(name, max_iter=1).fit(table)
        np.testing.assert_allclose(on_gpu._state.weights, on_cpu._state.weights, atol=1e-4)


def test_warnings_of_little_do_not_ask_for_a_scaler():
    estimator = Autoencoder(2, code_activation="logistic", learning_rate_init=1e-9, **FAST)
    with pytest.warns(UserWarning, match="The reconstructions explain") as caught:
        estimator.fit(simple())
    assert "StandardScaler" not in str(caught[0].message)
