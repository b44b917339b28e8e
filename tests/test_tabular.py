"""Data frames with categories in autoencoders, classifiers and regressors."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import torch
from helpers import (
    LABELS,
    SMALL,
    SUPERVISED,
    X,
    assert_not_fitted,
    assert_same_state,
    each_of_any_numbers,
    fitted_state,
    in_threads,
    may_be_dead,
    may_collapse,
    small,
)
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from test_tables import people
from test_tape import assert_same_gradient
from torch.distributions import Categorical, Normal

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._elbo import gaussian_kl
from skae.networks import ConvNet
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")

pytestmark = [may_collapse, may_be_dead]

N = 60
FAST = {"max_iter": 2, "batch_size": 16, "random_state": 0}
ALL = {**SMALL, **SUPERVISED}
each = pytest.mark.parametrize("name", ALL)
each_supervised = pytest.mark.parametrize("name", SUPERVISED)
TAKE_GAPS = ("DenoisingAutoencoder", "StackedAutoencoder", "VAE")  # the stack's layers denoise
TAKE_NONE = [name for name in SMALL if name not in TAKE_GAPS]
each_that_takes_gaps = pytest.mark.parametrize("name", TAKE_GAPS)


# Tables.


def with_gaps():
    """Of all dtypes."""
    return people(N).set_axis(np.arange(N) * 2 + 1, axis=0)


def whole():
    """The same without missing cells, in dtypes that could have them."""
    return with_gaps().bfill().ffill().set_axis(pd.Index(range(N), name="person") * 3, axis=0)


def simple():
    """Two numbers, a category, a boolean."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, N),
            "weight": rng.normal(70, 9, N).round(1),
            "job": rng.choice(["clerk", "miner", "nurse"], N),
            "smokes": rng.random(N) < 0.5,
        }
    )


def holes():
    table = simple().astype({"age": "Int64", "smokes": "boolean"})
    for start, name in enumerate(table):
        table.loc[start::5, name] = None
    return table


def polars_table():
    pl = pytest.importorskip("polars")
    days = pd.Series(pd.date_range("2020-03-01", periods=N)).dt.date
    rng = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "age": rng.integers(18, 90, N),
            "weight": pl.Series(rng.normal(70, 9, N), dtype=pl.Float32),
            "job": pl.Series(rng.choice(["clerk", "miner"], N).tolist(), dtype=pl.Categorical),
            "grade": pl.Series(["low", "high"] * (N // 2), dtype=pl.Enum(["none", "low", "high"])),
            "town": ["Ulm", "Bonn", "Ulm"] * (N // 3),
            "smokes": (rng.random(N) < 0.5).tolist(),
            "since": days.tolist(),
        }
    )


def arrow_table():
    pytest.importorskip("pyarrow")
    table = polars_table()
    return table.with_columns(table["job"].cast(str)).to_arrow()


TABLES = {"pandas": whole, "simple": simple, "polars": polars_table, "pyarrow": arrow_table}
each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def looks_of(table):
    """Library, names and dtypes."""
    names = list(getattr(table, "column_names", table.columns))
    schema = getattr(table, "schema", None)
    return type(table), names, list(table.dtypes) if schema is None else schema


def assert_looks_like(found, table):
    assert len(found) == len(table)
    kind, names, dtypes = looks_of(found)
    assert (kind, names) == looks_of(table)[:2]
    assert dtypes == looks_of(table)[2]
    if isinstance(table, pd.DataFrame):
        pd.testing.assert_index_equal(found.index, table.index)


def target_for(name):
    return LABELS if name == "AutoencoderClassifier" else 1.5 * LABELS


def fitted(name, X, /, **params):
    y = (target_for(name),) if name in SUPERVISED else ()
    return small(name, **params).fit(X, *y)


def matrix_of(estimator, table):
    """What the network gets."""
    matrix = estimator.table_.transform(table)
    return (matrix.toarray() if issparse(matrix) else matrix).astype(np.float32)


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
    assert_same_state(one, other)
    assert_same_state(clone(one).fit(*given(name, whole())), one)


def given(name, table):
    return (table, target_for(name)) if name in SUPERVISED else (table,)


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
        assert_same_state(again.partial_fit(table), copy.deepcopy(estimator).partial_fit(table))


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
    with pytest.raises(ValueError, match="was of dtype"):
        estimator.partial_fit(table.assign(age="old"))
    assert fitted_state(estimator) == before


# Arrays and frames of numbers.


@each
def test_arrays_and_frames_of_numbers_are_not_encoded(name):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    for table in (X, frame, frame.astype(object)):
        plain, auto = (fitted(name, table, table=its) for its in (None, "auto"))
        assert_same_state(plain, auto)
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


def frame_of(**columns):
    return pd.DataFrame(columns)


RNG = np.random.default_rng(0)
LETTERS = RNG.choice(list("xyz"), N)
UNUSUAL = {
    "booleans alone": frame_of(a=RNG.random(N) < 0.5, b=RNG.random(N) < 0.3),
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
    assert "'country' has the same value" in found and "'note' has no value at all" in found
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


# Sampling and corruption.


@pytest.mark.parametrize("corruption", ["masking", "gaussian", "salt_and_pepper", "swap"])
@pytest.mark.parametrize("table", [whole, polars_table, arrow_table])
def test_denoisers_draw_tables(corruption, table):
    table = table()
    denoiser = DenoisingAutoencoder(3, corruption=corruption, **FAST).fit(table)
    drawn = denoiser.sample(5, n_steps=2, random_state=0)
    assert looks_of(drawn) == looks_of(table) and len(drawn) == 5
    assert denoiser.sample(5, n_steps=2, random_state=0).equals(drawn)


@pytest.mark.parametrize("prior", ["normal", "mixture", "auto"])
@pytest.mark.parametrize("table", [with_gaps, polars_table, arrow_table])
def test_vaes_draw_tables(prior, table):
    table = table()
    vae = VAE(2, **{**FAST, "max_iter": 5}).fit(table)
    drawn = vae.sample(200, random_state=0, prior=prior)
    assert looks_of(drawn) == looks_of(table) and len(drawn) == 200
    assert vae.sample(200, random_state=0, prior=prior).equals(drawn)
    if isinstance(table, pd.DataFrame):
        lacking = table.isna().mean()
        np.testing.assert_allclose(drawn.isna().mean(), lacking, atol=0.12)
        assert drawn["age"].between(table["age"].min(), table["age"].max()).all()
        pd.testing.assert_series_equal(drawn["income"], drawn["income"].round(2))


def corrupted(corruption, table, level=0.3):
    denoiser = DenoisingAutoencoder(3, corruption=corruption, corruption_level=level, **FAST)
    denoiser.fit(table)
    x = torch.from_numpy(matrix_of(denoiser, table))
    return denoiser, x, denoiser._corrupt(x, torch.Generator().manual_seed(0))


def cells_of(denoiser, columns):
    """Whether all, and whether any of the columns of each cell are true, (2, n, n_cells)."""
    blocks = denoiser.table_.blocks_.values()
    return np.array(
        [[how(columns[:, block], axis=1) for block in blocks] for how in (np.all, np.any)]
    ).transpose(0, 2, 1)


def test_masks_hide_whole_cells():
    denoiser, _, masked = corrupted("masking", pd.concat([simple()] * 30, ignore_index=True))
    whole_cells, any_column = cells_of(denoiser, masked.isnan().numpy())
    np.testing.assert_array_equal(whole_cells, any_column)
    np.testing.assert_allclose(whole_cells.mean(axis=0), 0.3, atol=0.05)


def test_swaps_take_whole_cells_of_other_rows():
    denoiser, x, swapped = corrupted("swap", pd.concat([simple()] * 30, ignore_index=True), 0.5)
    assert (swapped[:, 2:5].sum(dim=1) == 1).all() and (swapped[:, 5:].sum(dim=1) == 1).all()
    moved = cells_of(denoiser, (swapped != x).numpy())[1]
    assert abs(moved[:, 1].mean() - 0.5) < 0.06  # of numbers, which seldom meet their like
    assert 0.2 < moved[:, 2].mean() < 0.45  # of three categories, a third are the same
    for column in range(2):
        assert set(swapped[:, column].tolist()) <= set(x[:, column].tolist())


@pytest.mark.parametrize("corruption", ["gaussian", "salt_and_pepper"])
def test_noise_is_of_numbers(corruption):
    _, x, noisy = corrupted(corruption, simple(), level=1.0)
    assert torch.equal(noisy[:, 2:], x[:, 2:])
    assert (noisy[:, :2] != x[:, :2]).float().mean() > 0.9
    if corruption == "salt_and_pepper":
        assert len(noisy[:, 0].unique()) == len(noisy[:, 1].unique()) == 2


@pytest.mark.parametrize("corruption", ["masking", "gaussian", "salt_and_pepper", "swap", None])
def test_corrupted_frames_are_frames(corruption):
    table = with_gaps()
    denoiser = DenoisingAutoencoder(3, corruption=corruption, **FAST).fit(table)
    found = denoiser.corrupt(table, random_state=0)
    assert list(found) == list(table) and found.index.equals(table.index)
    assert found.isna().where(table.isna(), True).all(axis=None)  # what is missing stays so
    untouched = (found == table).fillna(True) | found.isna()
    if corruption == "masking":
        assert 0.25 < (found.isna() & table.notna()).sum().sum() / table.notna().sum().sum() < 0.35
        assert untouched.drop(columns="weight").all(axis=None)
    elif corruption != "swap":  # which swaps with what is missing, too
        assert found.isna().equals(table.isna())
    categories = ["smokes", "insured", "job", "town", "grade"]
    if corruption in ("gaussian", "salt_and_pepper", None):
        pd.testing.assert_frame_equal(found[categories], table[categories])


def test_users_corruptions_get_the_matrix():
    seen = []

    def noise(x, generator):
        seen.append(x.clone())
        return 0.0 * x

    denoiser = DenoisingAutoencoder(3, corruption=noise, **FAST).fit(holes())
    assert all(x.isfinite().all() and x.shape[1] == 7 for x in seen)
    assert denoiser.corrupt(holes()).isna().equals(holes().isna())


# Missing cells.


@each_that_takes_gaps
def test_missing_cells_are_taken_and_filled(name):
    table = with_gaps()
    estimator = fitted(name, table)
    reconstructed = estimator.reconstruct(table)
    assert reconstructed.notna().all(axis=None)
    assert_looks_like(reconstructed, table)
    assert np.isfinite(estimator.score_samples(table)).all()
    errors = estimator.feature_errors(table)
    np.testing.assert_array_equal(np.isnan(errors), table.isna())
    assert np.isfinite(estimator.score(table))


@each_that_takes_gaps
def test_rows_of_which_nothing_is_known(name):
    table = holes()
    table.iloc[3] = None
    estimator = fitted(name, table)
    assert np.isfinite(estimator.transform(table)).all()
    assert estimator.reconstruct(table).notna().all(axis=None)


@each_that_takes_gaps
def test_missing_cells_are_no_matter_of_what_else_is_in_them(name):
    """What enters in their place is the same whatever stands for them."""
    table = holes()
    estimator = fitted(name, table)
    other = table.assign(job=table["job"].fillna("an unseen job"))
    np.testing.assert_array_equal(estimator.transform(other), estimator.transform(table))


@pytest.mark.parametrize("name", TAKE_NONE)
def test_others_refuse_missing_cells_by_name(name):
    estimator = fitted(name, simple())
    message = r"contains NaN: columns \['job', 'smokes'\] have missing cells, and \w+ takes none"
    table = holes()
    table[["age", "weight"]] = simple()[["age", "weight"]]
    for use in (estimator.transform, estimator.score, small(name).fit):
        with pytest.raises(ValueError, match=message) as caught:
            use(table)
        assert not hasattr(caught.value, "__notes__")


def test_categories_that_fit_has_not_seen_enter_as_proportions():
    table = simple()
    estimator = Autoencoder(3, **FAST).fit(table)
    codes = estimator.transform(table.assign(job="cook"))
    x = matrix_of(estimator, table)
    x[:, 2:5] = table["job"].value_counts(normalize=True)[["clerk", "miner", "nurse"]]
    network = estimator._fitted_network()
    np.testing.assert_allclose(codes, network.encode(torch.from_numpy(x)), atol=1e-6)


@each
def test_categories_that_fit_has_not_seen_are_refused_if_asked_to(name):
    estimator = fitted(name, simple(), table=TableEncoder(unknown="error"))
    with pytest.raises(ValueError, match=r"'job' has categories that fit did not see: \['cook'\]"):
        estimator.transform(simple().assign(job="cook"))


def test_a_mask_tells_missing_cells_from_observed_ones():
    denoiser = DenoisingAutoencoder(3, **FAST).fit(holes())
    assert denoiser.coefs_[0].shape[0] == 7 + 4  # columns of the matrix, and cells
    assert VAE(3, **FAST).fit(holes()).coefs_[0].shape[0] == 7 + 4
    assert VAE(3, **FAST).fit(simple()).coefs_[0].shape[0] == 7


# What rows count.


REPEATS = np.arange(N) % 4
LBFGS = {"solver": "lbfgs", "max_iter": 5}
DETERMINISTIC = {
    "Autoencoder": {},
    "ContractiveAutoencoder": {},
    "DenoisingAutoencoder": {"corruption": None},
    "StackedAutoencoder": {"estimator": Autoencoder(**LBFGS)},
}


@pytest.mark.parametrize("numeric", ["standard", "quantile"])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_weights_are_as_good_as_repeated_rows(name, numeric):
    params = {**LBFGS, **DETERMINISTIC[name], "table": TableEncoder(numeric=numeric)}
    table = simple()
    table.loc[0, "job"] = "pope"  # of a row that does not count
    weighted = small(name, **params).fit(table, sample_weight=REPEATS)
    repeated = small(name, **params).fit(table.loc[np.repeat(np.arange(N), REPEATS)])
    assert weighted.table_.categories_["job"].tolist() == ["clerk", "miner", "nurse"]
    np.testing.assert_allclose(
        weighted.table_.transform(table), repeated.table_.transform(table), atol=1e-12
    )
    np.testing.assert_allclose(weighted._state.weights, repeated._state.weights, atol=1e-3)
    again = table.loc[np.repeat(np.arange(N), REPEATS)]
    assert weighted.score(table, sample_weight=REPEATS) == pytest.approx(weighted.score(again))


@each
def test_a_weight_of_zero_leaves_a_row_out_to_the_bit(name):
    table, counts = holes() if name in TAKE_GAPS else simple(), REPEATS > 0
    table.loc[~counts, "job"] = "pope"
    y = (target_for(name),) if name in SUPERVISED else ()
    weighted = small(name).fit(table, *y, sample_weight=counts)
    left_out = small(name).fit(table[counts], *(its[counts] for its in y))
    assert_same_state(weighted, left_out)
    assert "pope" not in weighted.table_.categories_["job"]


def test_weights_of_tables_have_the_usual_errors():
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(2,\), expected \(60,\)"):
        Autoencoder(2, **FAST).fit(simple(), sample_weight=[1, 2])
    with pytest.raises(ValueError, match="egative"):
        Autoencoder(2, **FAST).fit(simple(), sample_weight=-np.ones(N))


def test_rare_categories_are_those_that_count_least():
    table = frame_of(a=["x"] * 9 + ["y"] * 6 + ["z"] * 5, b=np.arange(20.0))
    weights = np.repeat([1.0, 1.0, 9.0], [9, 6, 5])
    encoder = TableEncoder(max_categories=2)
    estimator = Autoencoder(2, table=encoder, **FAST).fit(table, sample_weight=weights)
    assert estimator.table_.categories_["a"].tolist() == ["z"]
    assert encoder.fit(table).categories_["a"].tolist() == ["x"]


# Settings.


@each_of_any_numbers
@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True, "n_iter_no_change": 1},
        {"solver": "sgd", "learning_rate_init": 1e-3},
        {"solver": "lbfgs", "max_iter": 3},
        {"tied_weights": True},
        {"precision": "bf16"},
        {"alpha": 0.1, "shuffle": False, "learning_rate": "cosine"},
        {"activation": "tanh"},
        {"hidden_layer_sizes": (8, 4)},
    ],
    ids=str,
)
def test_settings_that_have_nothing_to_do_with_tables(name, params):
    estimator = small(name)
    params = {key: value for key, value in params.items() if key in estimator.get_params()}
    table = whole()
    estimator.set_params(**params).fit(table)
    assert np.isfinite(estimator.score(table))
    assert_looks_like(estimator.reconstruct(table), table)


OBJECTIVES = {
    **{name: (name, {}) for name in ALL},
    **{
        f"corruption {c}": ("DenoisingAutoencoder", {"corruption": c}) for c in ("swap", "gaussian")
    },
    "draws": ("VAE", {"n_draws": 3}),
    "IWAE": ("VAE", {"n_draws": 3, "objective": "iwae"}),
    "fixed variance": ("VAE", {"noise_variance": 0.3}),
    "tied": ("Autoencoder", {"tied_weights": True}),
    "top k": ("SparseAutoencoder", {"sparsity": "topk", "n_active": 2}),
}


@pytest.mark.parametrize("weights", [None, torch.linspace(0.5, 2.0, N)], ids=["alike", "weighted"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradients_are_autograds(objective, weights):
    name, params = OBJECTIVES[objective]
    table = holes() if name in (*TAKE_GAPS, *SUPERVISED) else simple()
    estimator = fitted(name, table, **params)
    x = torch.from_numpy(matrix_of(estimator, table)).double()
    target = (
        (torch.ones(N, estimator._perceptron.n_outputs).double(),) if name in SUPERVISED else ()
    )

    def objective(network):
        network.weigh(None if weights is None else weights.double())
        return estimator._objective(network, x, torch.Generator().manual_seed(7), *target)

    assert_same_gradient(estimator._perceptron, objective)


def test_training_lowers_the_loss_of_all_columns():
    rng = np.random.default_rng(0)
    table = frame_of(a=np.arange(300) % 3, b=rng.normal(size=300))
    table = table.assign(c=np.array(["x", "y", "z"])[table["a"]], d=2 * table["b"])
    table["a"] = table["a"] > 1
    for estimator in (
        Autoencoder(3, max_iter=300, random_state=0),
        DenoisingAutoencoder(3, corruption_level=0.1, max_iter=300, random_state=0),
        VAE(3, beta=0.1, max_iter=300, random_state=0),
    ):
        estimator.fit(table)
        found = estimator.reconstruct(table)
        assert (found[["a", "c"]] == table[["a", "c"]]).mean().min() > 0.95
        assert r2_score(table[["b", "d"]], found[["b", "d"]]) > 0.9


def test_derivatives_are_by_columns_of_the_matrix():
    table = frame_of(a=LETTERS)
    estimator = small("ContractiveAutoencoder").fit(table)
    assert estimator.jacobian(table).shape == (N, 3, 3)
    assert estimator.tangents(table, 3).shape == (N, 3, 3)
    squares = np.square(estimator.jacobian(table)).sum(axis=(1, 2))
    np.testing.assert_allclose(estimator.jacobian_norm(table), squares, rtol=1e-4)


def test_callbacks_can_score_tables():
    callback = pytest.importorskip("sklearn.callback")
    table = simple()
    for name in ("Autoencoder", "DenoisingAutoencoder", "VAE", "AutoencoderClassifier"):
        scored = {"score": lambda estimator, X, y: estimator.score(X, y)}
        monitor = callback.ScoringMonitor(scoring=scored)
        estimator = small(name).set_callbacks(monitor).fit(*given(name, table))
        assert estimator.table_.columns_ == list(table)


# Scores.


def mean_explained(table, probabilities, encoder):
    """R^2 of numbers, and of categories 1 - cross-entropy / entropy, by scikit-learn."""
    scores, matrix = [], encoder.transform(table)
    for name, block in encoder.blocks_.items():
        seen = table[name].notna().to_numpy()
        x, r = matrix[seen, block], probabilities[seen, block]
        if encoder.kinds_[name] == "numeric":
            scores.append(r2_score(x, r))
        else:
            codes, labels = x.argmax(axis=1), range(x.shape[1])
            null = log_loss(codes, np.tile(x.mean(axis=0), (len(x), 1)), labels=labels)
            scores.append(1 - log_loss(codes, r, labels=labels) / null)
    return np.mean(scores)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "VAE"])
def test_scores_are_means_over_columns(name):
    table = holes() if name in TAKE_GAPS else simple()
    estimator = fitted(name, table)
    probabilities = estimator.reconstruct(table, proba=True).astype(float)
    blocks = estimator.table_.blocks_
    for column in ("job", "smokes"):
        np.testing.assert_allclose(probabilities[:, blocks[column]].sum(axis=1), 1, rtol=1e-6)
        block = probabilities[:, blocks[column]]
        block /= block.sum(axis=1, keepdims=True)
    expected = mean_explained(table, probabilities, estimator.table_)
    assert estimator.score(table) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_scores_of_a_vae_are_those_of_torchs_distributions():
    table = simple()
    vae = VAE(2, noise_variance=0.5, **FAST).fit(table)
    x = torch.from_numpy(matrix_of(vae, table))
    mean, std = (torch.from_numpy(each) for each in vae.posterior(table))
    z = mean + std * vae._score_noise().to(x)
    output = vae._fitted_network().decode(z)
    log_p = Normal(output[..., :2], 0.5**0.5).log_prob(x[:, :2]).sum(dim=-1)
    for block in (slice(2, 5), slice(5, 7)):
        log_p += Categorical(logits=output[..., block]).log_prob(x[:, block].argmax(dim=-1))
    kl = gaussian_kl(mean, 2 * std.log()).sum(dim=1)
    np.testing.assert_allclose(vae.score_samples(table), log_p.mean(dim=0) - kl, rtol=1e-4)
    np.testing.assert_allclose(vae.score(table), vae.score_samples(table).mean(), rtol=1e-5)
    assert (vae.log_likelihood(table) > vae.score_samples(table) - 0.2).all()


def test_a_masking_denoiser_tells_each_cell_from_the_others():
    table = holes()
    denoiser = DenoisingAutoencoder(3, **FAST).fit(table)
    errors = denoiser.feature_errors(table)
    for place, name in enumerate(table):
        without = table.assign(**{name: None}).astype(table.dtypes)
        probabilities = denoiser.reconstruct(without, proba=True)
        x = matrix_of(denoiser, table)[:, denoiser.table_.blocks_[name]]
        r = probabilities[:, denoiser.table_.blocks_[name]]
        expected = np.square(x - r) if place < 2 else -x * np.log(r)
        if place < 2:
            variance = denoiser._variances_given_others_[place]
            expected = 0.5 * (expected / variance + np.log(2 * np.pi * variance))
        np.testing.assert_allclose(errors[:, place], expected.sum(axis=1), rtol=1e-3, atol=1e-5)


# Torch modules.


@each
def test_modules_are_the_parts_of_the_network(name):
    """On the float32 matrix that `table_.transform` gives of a table."""
    table = simple()
    estimator = fitted(name, table)
    x = torch.from_numpy(matrix_of(estimator, table))
    codes = estimator.encoder_(x)
    codes = codes[0] if isinstance(codes, tuple) else codes
    np.testing.assert_allclose(codes, estimator.transform(table), atol=1e-6)
    if name in SUPERVISED:
        predict = getattr(estimator, "predict_proba", estimator.predict)
        found = estimator.module_(x).reshape(predict(table).shape)
        np.testing.assert_allclose(found, predict(table), atol=1e-5)
    else:
        found = estimator.decoder_(codes)
        np.testing.assert_allclose(found, estimator.reconstruct(table, proba=True), atol=1e-6)


@each_that_takes_gaps
def test_modules_take_missing_cells(name):
    table = holes()
    estimator = fitted(name, table)
    codes = estimator.encoder_(torch.from_numpy(matrix_of(estimator, table)))
    codes = codes[0] if isinstance(codes, tuple) else codes
    np.testing.assert_allclose(codes, estimator.transform(table), atol=1e-6)


# Estimators in estimators.


@pytest.mark.parametrize(
    "layer",
    [Autoencoder(**FAST), DenoisingAutoencoder(**FAST), VAE(**FAST)],
    ids=lambda layer: type(layer).__name__,
)
def test_stacks_on_tables(layer):
    table = simple() if isinstance(layer, Autoencoder) else holes()
    stacked = StackedAutoencoder((5, 3), estimator=layer, **FAST).fit(table)
    first, second = stacked.estimators_
    assert_looks_like(first.reconstruct(table), table)
    assert not hasattr(second, "table_")
    chained = second.transform(first.transform(table))
    np.testing.assert_allclose(chained, stacked.transform(table), atol=1e-6)
    decoded = first.inverse_transform(second.inverse_transform(chained))
    pd.testing.assert_frame_equal(
        decoded, stacked.reconstruct(table).reset_index(drop=True), rtol=1e-4
    )
    stacked.partial_fit(table)
    assert_looks_like(stacked.estimators_[0].reconstruct(table), table)


PRETRAINED = {
    "plain": Autoencoder(3, **FAST),
    "denoising": DenoisingAutoencoder(3, **FAST),
    "VAE": VAE(3, **FAST),
    "stack": StackedAutoencoder((4, 3), estimator=DenoisingAutoencoder(**FAST), **FAST),
    "stack of VAEs": StackedAutoencoder((4, 3), estimator=VAE(**FAST), **FAST),
    "by lbfgs": Autoencoder(3, solver="lbfgs", max_iter=3, random_state=0),
}


@each_supervised
@pytest.mark.parametrize("fine_tune", [True, False])
@pytest.mark.parametrize("inner", PRETRAINED)
def test_classifiers_and_regressors_on_tables(name, inner, fine_tune):
    table = simple() if inner in ("plain", "by lbfgs") else holes()
    cls, y = type(ALL[name]), target_for(name)
    estimator = cls(PRETRAINED[inner], fine_tune=fine_tune, **FAST).fit(table, y)
    assert estimator.predict(table).shape == (N,) and np.isfinite(estimator.score(table, y))
    assert_looks_like(estimator.autoencoder_.reconstruct(table), table)
    np.testing.assert_array_equal(
        estimator.autoencoder_.transform(table), estimator.transform(table)
    )
    estimator.partial_fit(table, y)
    classes = {"classes": [0, 1, 2]} if name == "AutoencoderClassifier" else {}
    again = cls(PRETRAINED[inner], fine_tune=fine_tune, **FAST).partial_fit(table, y, **classes)
    assert again.partial_fit(table, y).predict(table).shape == (N,)


@each_supervised
@pytest.mark.parametrize("inner", PRETRAINED)
def test_frozen_autoencoders_of_tables(name, inner):
    table = simple() if inner in ("plain", "by lbfgs") else holes()
    autoencoder = clone(PRETRAINED[inner]).fit(table)
    estimator = type(ALL[name])(FrozenEstimator(autoencoder), fine_tune=False, **FAST)
    estimator.fit(table, target_for(name))
    assert estimator.table_ is autoencoder.table_
    np.testing.assert_allclose(estimator.transform(table), autoencoder.transform(table))


def test_frozen_autoencoders_refuse_other_tables():
    table = simple()
    frozen = FrozenEstimator(Autoencoder(2, **FAST).fit(table))
    classifier = AutoencoderClassifier(frozen, **FAST)
    with pytest.raises(ValueError, match="now missing:\n- smokes"):
        classifier.fit(table[["age", "weight", "job"]], LABELS)
    with pytest.raises(ValueError, match=r"data frame of columns .*but got ndarray"):
        classifier.fit(X[:, :4], LABELS)
    of_array = FrozenEstimator(Autoencoder(2, **FAST).fit(X[:, :4]))
    with pytest.raises(ValueError, match="could not convert string to float"):
        AutoencoderClassifier(of_array, **FAST).fit(table, LABELS)


def test_unlabelled_rows_of_tables():
    y = np.where(np.arange(N) % 2, LABELS, -1)
    classifier = AutoencoderClassifier(Autoencoder(2, **FAST), **FAST).fit(simple(), y)
    assert 0 <= classifier.score(simple(), y) <= 1
    y = np.where(np.arange(N) % 2, 1.5 * LABELS, np.nan)
    regressor = AutoencoderRegressor(Autoencoder(2, **FAST), **FAST).fit(simple(), y)
    assert np.isfinite(regressor.score(simple(), y))


@each_supervised
def test_the_table_of_a_part_is_that_of_the_whole(name):
    """Unless the whole has one of its own."""
    quantile, standard = TableEncoder(numeric="quantile"), TableEncoder(numeric="standard")
    inner = Autoencoder(2, table=quantile, **FAST)
    for part in (inner, StackedAutoencoder((2,), estimator=inner, **FAST)):
        estimator = type(ALL[name])(part, **FAST).fit(simple(), target_for(name))
        assert estimator.table_.numeric == "quantile"
        estimator.set_params(table=standard).fit(simple(), target_for(name))
        assert estimator.table_.numeric == "standard"
    without = type(ALL[name])(inner.set_params(table=None), **FAST)
    with pytest.raises(ValueError, match="could not convert string to float"):
        without.fit(simple(), target_for(name))


def test_numbers_of_a_vae_are_quantiles():
    table = simple()
    quantiles = TableEncoder(numeric="quantile").fit_transform(table)
    for estimator in (
        VAE(2, **FAST).fit(table),
        StackedAutoencoder((2,), estimator=VAE(**FAST), **FAST).fit(table),
        AutoencoderClassifier(VAE(2, **FAST), **FAST).fit(table, LABELS),
    ):
        np.testing.assert_array_equal(estimator.table_.transform(table), quantiles)
        assert estimator.table_.numeric == "auto"
    standard = VAE(2, table=TableEncoder(numeric="standard"), **FAST).fit(table)
    assert standard.table_.transform(table)[:, 0].std() == pytest.approx(1)


def test_searches_over_an_encoders_parameters():
    pipeline = Pipeline([("code", Autoencoder(2, table=TableEncoder(), **FAST))])
    grid = {"code__table__numeric": ["standard", "quantile"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(simple())
    assert search.best_estimator_["code"].table_.numeric in ("standard", "quantile")
    assert_looks_like(search.best_estimator_["code"].reconstruct(simple()), simple())
    assert len(set(search.cv_results_["mean_test_score"])) == 2


@each
def test_folds_may_lack_a_category(name):
    table = simple()
    table.loc[0, "job"] = "pope"
    y = (target_for(name),) if name in SUPERVISED else ()
    scores = cross_val_score(small(name), table, *y, cv=3, error_score="raise")
    assert np.isfinite(scores).all()


def test_an_encoder_may_stand_before_it_too():
    pipeline = make_pipeline(TableEncoder(), Autoencoder(2, **FAST)).fit(simple())
    assert pipeline.inverse_transform(pipeline.transform(simple())).shape == (N, 4)
    assert not hasattr(pipeline[-1], "table_")


@each
def test_encoders_are_cloned(name):
    encoder = TableEncoder()
    estimator = fitted(name, simple(), table=encoder)
    assert not hasattr(encoder, "columns_") and estimator.table_ is not encoder
    assert encoder._auto_numeric == "standard"


# Wrong input: what is wrong, where, and what to do.


REFUSED = [
    ("Autoencoder", {"loss": "binary_cross_entropy"}, "loss='binary_cross_entropy' is for arrays"),
    ("SparseAutoencoder", {"loss": "categorical_cross_entropy"}, "loss='categorical_cross"),
    ("DenoisingAutoencoder", {"loss": "binary_cross_entropy"}, "loss='binary_cross_entropy'"),
    ("StackedAutoencoder", {"estimator__loss": "binary_cross_entropy"}, "loss='binary_cross"),
    (
        "AutoencoderClassifier",
        {"autoencoder__estimator__loss": "binary_cross_entropy"},
        "loss='binary_cross_entropy' is for arrays",
    ),
    ("VAE", {"likelihood": "bernoulli"}, "likelihood='bernoulli' is for arrays"),
    ("VAE", {"likelihood": "bernoulli", "binarize": True}, "likelihood='bernoulli' is for arrays"),
    ("VAE", {"likelihood": "categorical"}, "likelihood='categorical' is for arrays"),
    ("VAE", {"noise_variance": "heteroscedastic"}, "noise_variance='heteroscedastic' is for"),
    ("VAE", {"network": ConvNet((1, 1, 7))}, r"network=ConvNet\(.*\) is for arrays"),
    ("Autoencoder", {"network": ConvNet((1, 1, 7))}, r"network=ConvNet\(.*\) is for arrays"),
]


@pytest.mark.parametrize(("name", "params", "message"), REFUSED)
def test_parameters_that_are_for_arrays(name, params, message):
    estimator = clone(ALL[name]).set_params(**params)
    with pytest.raises(
        ValueError, match=rf"{message}.*column 'job' is 'category': leave"
    ) as caught:
        estimator.fit(*given(name, simple()))
    assert not hasattr(caught.value, "__notes__")
    assert not vars(estimator).keys() - estimator.get_params(deep=False).keys()


WRONG = {
    "a column is missing": (lambda t: t.drop(columns="job"), "now missing:\n- job"),
    "one more": (lambda t: t.assign(new=1), "unseen at fit time:\n- new"),
    "another order": (lambda t: t[["job", "age", "weight", "smokes"]], "in the same order"),
    "words for numbers": (
        lambda t: t.assign(age=t["age"].astype(str)),
        r"'age' was of dtype int64 in fit, and is of \w+, with values such as '\d+': convert it",
    ),
    "fractions for integers": (lambda t: t.assign(age=t["age"] + 0.5), r"'age' was of dtype int64"),
    "numbers for words": (
        lambda t: t.assign(job=1),
        r"'job' was of dtype \w+ in fit, and is of int",
    ),
    "times for numbers": (
        lambda t: t.assign(age=pd.Timestamp("2020-01-01")),
        r"'age' was of dtype int64 in fit, and is of datetime64",
    ),
    "infinity": (lambda t: t.assign(weight=np.inf), "'weight' contains infinity"),
    "an array": (lambda t: t.to_numpy(), r"columns \['age', .*, but got ndarray: pass a data"),
    "a list": (lambda t: t.to_numpy().tolist(), "but got list: pass a data frame"),
    "a column": (lambda t: t["age"], "but got Series: pass a data frame"),
    "a matrix": (lambda t: np.zeros((N, 7)), "but got ndarray: pass a data frame"),
    "codes": (lambda t: np.zeros((N, 4), dtype=np.float32), "but got ndarray: pass a data frame"),
    "no rows": (lambda t: t[:0], r"0 sample\(s\)"),
}


@each
@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_tables_other_than_in_fit(name, change, message):
    estimator = fitted(name, simple())
    use = estimator.predict if name in SUPERVISED else estimator.reconstruct
    for method in (estimator.transform, use):
        with pytest.raises(ValueError, match=message) as caught:
            method(change(simple()))
        assert "numbers first" not in " ".join(getattr(caught.value, "__notes__", []))


def test_numbers_far_from_those_of_fit():
    """Quantiles have none that are beyond the greatest of `fit`."""
    far = simple().assign(weight=1e200)
    with pytest.raises(ValueError, match="a value too large for dtype"):
        Autoencoder(2, **FAST).fit(simple()).transform(far)
    assert np.isfinite(VAE(2, **FAST).fit(simple()).transform(far)).all()


def test_columns_of_fit_are_named():
    with pytest.raises(ValueError, match="same order") as caught:
        Autoencoder(2, **FAST).fit(simple()).transform(simple()[["job", "age", "weight", "smokes"]])
    expected = "Pass the columns of fit, in their order: ['age', 'weight', 'job', 'smokes']."
    assert caught.value.__notes__ == [expected]


def test_tables_of_another_library_will_do():
    polars = pytest.importorskip("polars")
    table = simple()
    estimator = Autoencoder(2, **FAST).fit(table)
    np.testing.assert_array_equal(
        estimator.transform(polars.from_pandas(table)), estimator.transform(table)
    )


@each
def test_tables_where_numbers_were_fitted(name):
    table = simple()
    for numbers in (table[["age", "weight", "smokes"]].to_numpy(float), X[:, :3]):
        estimator = fitted(name, numbers)
        with pytest.raises(ValueError, match="could not convert string") as caught:
            estimator.transform(table[["age", "weight", "job"]].set_axis([0, 1, 2], axis=1))
        assert "let fit have such a data frame, with table='auto'" in caught.value.__notes__[0]


@each
def test_tables_where_none_are_wanted(name):
    with pytest.raises(ValueError, match="could not convert string") as caught:
        fitted(name, simple(), table=None)
    assert "Column 'job' holds values that are no numbers" in caught.value.__notes__[0]


def test_arrays_of_objects():
    with pytest.raises(ValueError, match="could not convert string to float") as caught:
        Autoencoder(2, **FAST).fit(simple().to_numpy())
    assert "pass fit a data frame" in caught.value.__notes__[0]


@each
def test_parameters_of_an_encoder_that_is_not_there(name):
    with pytest.raises(ValueError, match=rf"'auto', which has none: pass {name}\(table=TableE"):
        small(name).set_params(table__numeric="quantile")


BAD_TABLES = {
    "a word": ("frame", "The 'table' parameter of Autoencoder must be a str among {'auto'}"),
    "a class": (TableEncoder, "The 'table' parameter of Autoencoder must be"),
    "a bad parameter": (TableEncoder(numeric="log"), "The 'numeric' parameter of TableEncoder"),
    "an unknown column": (TableEncoder({"x": "category"}), "kinds has 'x', which is none of"),
    "a wrong kind": (TableEncoder({"job": "numeric"}), r"kinds\['job'\] is 'numeric', but"),
}


@pytest.mark.parametrize(("spec", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_encoders_that_are_none(spec, message):
    with pytest.raises(ValueError, match=message):
        Autoencoder(2, table=spec, **FAST).fit(simple())


BAD_COLUMNS = {
    "names of rows": ([f"r{i}" for i in range(N)], r"'new' has 60 categories in 60 rows: drop it"),
    "lists": ([[1]] * N, r"'new' holds values that are no categories \(unhashable"),
    "complex": ([1j] * N, "'new' is of dtype complex128, which is neither"),
    "infinity": ([np.inf] * N, "'new' contains infinity"),
}


@pytest.mark.parametrize(("values", "message"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_columns_that_are_none(values, message):
    with pytest.raises(ValueError, match=message) as caught:
        Autoencoder(2, **FAST).fit(simple().assign(new=values))
    assert not hasattr(caught.value, "__notes__")


def test_columns_of_one_name():
    table = simple().rename(columns={"weight": "age"})
    with pytest.raises(ValueError, match="'age'") as caught:
        Autoencoder(2, **FAST).fit(table)
    assert not hasattr(caught.value, "__notes__")


def test_probabilities_are_of_tables():
    with pytest.raises(ValueError, match="proba=True is for data frames with categories"):
        Autoencoder(2, **FAST).fit(X).reconstruct(X, proba=True)


# Targets of a denoiser.


def test_targets_are_tables_with_the_columns_of_X():
    noisy, table = holes(), holes().bfill().ffill()
    denoiser = DenoisingAutoencoder(2, **FAST).fit(noisy, target=table)
    assert np.isfinite(denoiser.score(noisy, target=table))
    assert_looks_like(denoiser.reconstruct(noisy), noisy)
    same = [DenoisingAutoencoder(2, **FAST).fit(table, **its) for its in ({}, {"target": table})]
    assert_same_state(*same)
    assert same[0].score(table) == same[1].score(table, target=table)
    denoiser.partial_fit(noisy, target=noisy)


def test_other_targets_are_refused():
    denoiser = DenoisingAutoencoder(2, **FAST)
    for target, message in (
        (simple()[["age"]], "now missing"),
        (np.zeros((N, 4)), "columns .*but got ndarray"),
        (simple()[:9], "X has 60 rows, but target has 9"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            denoiser.fit(simple(), target=target)
        notes = " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        assert "target" in notes
    with pytest.raises(ValueError, match="could not convert string"):
        denoiser.fit(X, target=simple())


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
    assert_same_state(on_gpu, small(name, device="cuda", max_iter=1).fit(table))
    if name not in ("DenoisingAutoencoder", "StackedAutoencoder", "VAE"):  # noise differs
        on_cpu = small(name, max_iter=1).fit(table)
        np.testing.assert_allclose(on_gpu._state.weights, on_cpu._state.weights, atol=1e-4)


def test_warnings_of_little_do_not_ask_for_a_scaler():
    estimator = Autoencoder(2, code_activation="logistic", learning_rate_init=1e-9, **FAST)
    with pytest.warns(UserWarning, match="The reconstructions explain") as caught:
        estimator.fit(simple())
    assert "StandardScaler" not in str(caught[0].message)
