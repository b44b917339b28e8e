"""Cells of tables that are drawn, corrupted or missing."""

import numpy as np
import pytest
import torch
from helpers import SMALL, X, assert_same_fit, may_be_dead, may_collapse, small
from small_tables import (
    FAST,
    TAKE_GAPS,
    N,
    arrow_table,
    assert_looks_like,
    each,
    each_that_takes_gaps,
    fitted,
    holes,
    looks_of,
    matrix_of,
    polars_table,
    simple,
    whole,
    with_gaps,
)

from skae import VAE, Autoencoder, DenoisingAutoencoder
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")

pytestmark = [may_collapse, may_be_dead]

TAKE_NONE = [name for name in SMALL if name not in TAKE_GAPS]


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
    message = r"contains NaN: columns \['job', 'smokes'\] have missing values, but \w+ takes none"
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


# Targets of a denoiser.


def test_targets_are_tables_with_the_columns_of_X():
    noisy, table = holes(), holes().bfill().ffill()
    denoiser = DenoisingAutoencoder(2, **FAST).fit(noisy, target=table)
    assert np.isfinite(denoiser.score(noisy, target=table))
    assert_looks_like(denoiser.reconstruct(noisy), noisy)
    same = [DenoisingAutoencoder(2, **FAST).fit(table, **its) for its in ({}, {"target": table})]
    assert_same_fit(*same)
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
