"""Data frames with categories in GANs: what they draw are such data frames."""

import pickle

import numpy as np
import pytest
import torch
from helpers import (
    LABELS,
    assert_not_fitted,
    assert_same_fit,
    each_generator,
    fitted_state,
    noise_for,
    normal,
    small,
)
from small_tables import assert_looks_like, each_table, holes, matrix_of, simple, whole

from skae import GAN
from skae.networks import ConvNet
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")


def fitted(name, table, /, **params):
    return small(name, **params).fit(table, LABELS[: len(table)])


def drawn(gan, n, random_state=0):
    found = gan.sample(n, random_state=random_state)
    return found[0] if isinstance(found, tuple) else found


def of_class(name):
    return (0,) if name == "ConditionalGAN" else ()


def mixture(n=400):
    """Two kinds of rows, alike within each in a number and two categories."""
    rng = np.random.default_rng(0)
    kind = rng.random(n) < 0.3
    size = np.where(kind, 10.0, 2.0) + 0.1 * rng.normal(size=n)
    shape = np.where(kind, "round", np.where(rng.random(n) < 0.5, "flat", "long"))
    return pd.DataFrame({"size": size.round(2), "shape": shape, "heavy": kind})


@each_generator
@pytest.mark.filterwarnings("ignore:Column 'empty' has no observed value")
def test_a_column_without_a_value_comes_back_without_one(name):
    table = simple().assign(empty=None)[["age", "empty", "job", "smokes"]]
    samples = drawn(fitted(name, table), 9)
    assert_looks_like(samples, table[:9].reset_index(drop=True))
    assert samples["empty"].isna().all() and not samples.drop(columns="empty").isna().any().any()


@each_generator
@each_table
def test_drawn_and_generated_rows_are_data_frames_like_those_of_fit(name, table):
    table = table()
    gan = fitted(name, table)
    assert_looks_like(pandas_without_index(drawn(gan, len(table))), pandas_without_index(table))
    made = gan.generate(noise_for(gan, len(table)), *of_class(name))
    assert_looks_like(pandas_without_index(made), pandas_without_index(table))
    assert gan.transform(table).shape == (len(table), 3 if name == "InfoGAN" else 8)
    judged = gan.discriminate(table, *of_class(name))
    assert judged.shape == (len(table),) and judged.min() > 0 and judged.max() < 1
    assert 0 < gan.score(table) <= 1
    assert gan.n_features_in_ == table.shape[1]


def pandas_without_index(table):
    """New rows have an index of their own."""
    return table.reset_index(drop=True) if isinstance(table, pd.DataFrame) else table


@each_generator
def test_drawn_cells_are_among_those_of_fit(name):
    table = simple()
    rows = drawn(fitted(name, table), 500)
    assert list(rows) == list(table)
    for column in ("job", "smokes"):
        assert set(rows[column]) == set(table[column])
    for column in ("age", "weight"):
        low, high = table[column].min(), table[column].max()
        assert rows[column].between(low, high).all()
    np.testing.assert_allclose(rows["weight"], rows["weight"].round(1), atol=1e-9)


@each_generator
def test_drawn_rows_have_an_index_of_their_own(name):
    rows = drawn(fitted(name, whole()), 7)
    assert rows.index.tolist() == list(range(7))


@each_generator
def test_generated_rows_have_the_likeliest_category(name):
    """Noise decides; nothing else is drawn."""
    gan = fitted(name, simple())
    Z = noise_for(gan, 30).astype(np.float32)
    made = gan.generate(Z, *of_class(name))
    assert made.equals(gan.generate(Z, *of_class(name)))
    given = [np.eye(3, dtype=np.float32)[[0] * 30]] if of_class(name) else []
    matrix = gan.generator_(torch.tensor(np.hstack([Z, *given]))).numpy()
    np.testing.assert_allclose(matrix[:, gan.table_.blocks_["job"]].sum(axis=1), 1.0, rtol=1e-6)
    pd.testing.assert_frame_equal(gan.table_.inverse_transform(matrix).round(1), made.round(1))


def test_categories_are_drawn_by_their_probabilities():
    """Of the same noise other categories come, too, as often as the module says."""
    gan, n = fitted("GAN", simple()), 4000
    latent, generator = np.tile([[0.5, -1.0, 2.0]], (n, 1)), torch.Generator().manual_seed(0)
    block = gan.table_.blocks_["job"]
    found = gan._generated(latent, generator)[:, block].mean(axis=0)
    p = gan.generator_(torch.tensor(latent[:1], dtype=torch.float32))[0, block].numpy()
    assert (np.abs(found - p) < 4 * np.sqrt(p * (1 - p) / n)).all()


@each_generator
def test_draws_are_reproducible_and_kept(name):
    gan = fitted(name, whole())
    first = drawn(gan, 20)
    assert first.equals(drawn(gan, 20)) and not first.equals(drawn(gan, 20, 1))
    assert drawn(pickle.loads(pickle.dumps(gan)), 20).equals(first)


@each_generator
def test_the_discriminator_gets_the_encoders_matrix(name):
    table = simple()
    gan = fitted(name, table)
    scores = gan.discriminator_(torch.tensor(matrix_of(gan, table))).numpy()[:, 0]
    offset = np.ravel(gan.offset_)[0]
    expected = 1 / (1 + np.exp(-(scores + offset)))
    np.testing.assert_allclose(gan.discriminate(table, *of_class(name)), expected, rtol=1e-5)


def test_what_belongs_together_is_drawn_together():
    table = mixture()
    gan = GAN(4, hidden_layer_sizes=(32, 32), max_iter=60, random_state=0).fit(table)
    rows = gan.sample(500, random_state=0)
    is_large = rows["size"] > 6
    assert 0.1 < is_large.mean() < 0.5  # of 0.3
    assert ((rows["shape"] == "round") == is_large).mean() > 0.9
    assert (rows["heavy"] == is_large).mean() > 0.9
    assert gan.score(table) > 0.5


@pytest.mark.parametrize("name", ["GAN", "ConditionalGAN"])
def test_training_goes_on_with_the_tables_encoder(name):
    table = simple()
    gan = small(name, learning_rate="constant", warm_start=True).fit(table, LABELS)
    encoder = gan.table_
    gan.fit(table, LABELS).partial_fit(table, LABELS)
    assert gan.table_ is encoder and len(gan.loss_curve_) == 9
    straight = small(name)
    for _ in range(9):
        straight.partial_fit(table, LABELS)
    assert_same_fit(gan, straight)


@each_generator
def test_arrays_after_data_frames(name):
    gan = fitted(name, simple()).fit(normal(60, 5).numpy(), LABELS)
    assert not hasattr(gan, "table_") and gan.n_features_in_ == 5
    assert isinstance(drawn(gan, 3), np.ndarray)


@each_generator
@pytest.mark.parametrize("numeric", ["auto", "standard", "quantile"])
def test_encoders_for_numbers_alone(name, numeric):
    """Of data frames and arrays, which come out again."""
    table, encoder = simple()[["age", "weight"]], TableEncoder(numeric=numeric)
    assert isinstance(drawn(fitted(name, table), 3), np.ndarray)
    rows = drawn(fitted(name, table, table=encoder), 60)
    assert_looks_like(rows, table)
    rows = drawn(fitted(name, table.to_numpy(), table=encoder), 60)
    assert isinstance(rows, np.ndarray) and rows.shape == (60, 2)
    assert (rows >= table.to_numpy().min(axis=0)).all()


@each_generator
def test_bfloat16_and_categories(name):
    gan = fitted(name, simple(), precision="bf16")
    assert np.isfinite(gan.loss_curve_).all() and len(drawn(gan, 3)) == 3


def test_labels_may_be_a_column_of_the_table():
    table = simple()
    gan = small("ConditionalGAN").fit(table.drop(columns="job"), table["job"])
    rows, jobs = gan.sample(50, random_state=0)
    assert list(rows) == ["age", "weight", "smokes"] and set(jobs) == set(table["job"])


# What does not suit.


@each_generator
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_missing_cells_are_refused_by_name(name, method):
    gan = small(name)
    with pytest.raises(ValueError, match=f"'job'.* have missing values, but {name} takes none"):
        getattr(gan, method)(holes(), LABELS)
    assert_not_fitted(gan)


@each_generator
def test_other_tables_are_refused_and_leave_it_as_it_was(name):
    table, wrong = simple(), r"feature names should match|had dtype|missing values|data frame"
    gan = fitted(name, table)
    before = fitted_state(gan)
    for other in (
        table.drop(columns="job"),
        table[table.columns[::-1]],
        table.assign(age="old"),
        holes(),
        np.zeros((60, 4)),
    ):
        for method, y in (("score", ()), ("discriminate", of_class(name)), ("transform", ())):
            with pytest.raises(ValueError, match=wrong):
                getattr(gan, method)(other, *y)
        with pytest.raises(ValueError, match=wrong):
            gan.partial_fit(other, LABELS)
    assert fitted_state(gan) == before


@each_generator
def test_without_an_encoder_categories_are_an_error(name):
    with pytest.raises(ValueError, match="could not convert string to float"):
        fitted(name, simple(), table=None)


@each_generator
def test_convolutions_are_not_for_tables(name):
    gan = small(name, network=ConvNet((1, 2, 2)))
    with pytest.raises(ValueError, match=r"(?s)network=.* needs an array.*leave network=None"):
        gan.fit(simple(), LABELS)
    assert_not_fitted(gan)
