"""`VAE.sample(given=...)`: rows of which some cells are given."""

import numpy as np
import pytest
from small_tables import people

from skae import VAE
from skae._conditional import log_chance
from skae._tempering import tempered
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def plane():
    """Rows near a plane, and a linear VAE of them: probabilistic PCA."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(600, 5)) + 1
    vae = VAE(
        2, hidden_layer_sizes=(), activation="identity", max_iter=150, beta=1.0, random_state=0
    )
    return vae.fit(X)


def conditional(vae, given):
    """Mean and covariance of the cells that are NaN, of a linear VAE."""
    W, mean = vae.coefs_[-1], vae.intercepts_[-1]
    covariance = W.T @ W + vae.noise_variance_ * np.eye(len(mean))
    a, b = np.isnan(given), ~np.isnan(given)
    slopes = np.linalg.solve(covariance[np.ix_(b, b)], covariance[np.ix_(b, a)])
    its = covariance[np.ix_(a, a)] - covariance[np.ix_(a, b)] @ slopes
    return mean[a] + (given[b] - mean[b]) @ slopes, its


@pytest.mark.parametrize("given", [[2, np.nan, np.nan, np.nan, 0], [np.nan, np.nan, 1, np.nan, 3]])
def test_of_a_linear_vae_samples_have_the_normal_conditional_distribution(plane, given):
    given = np.array(given)
    X = plane.sample(4000, random_state=0, given=given[None])
    its = np.isnan(given)
    np.testing.assert_array_equal(X[:, ~its], np.tile(given[~its], (4000, 1)))
    mean, covariance = conditional(plane, given)
    white = np.linalg.solve(np.linalg.cholesky(covariance), (X[:, its] - mean).T)
    np.testing.assert_allclose(white.mean(axis=1), 0, atol=0.15)
    np.testing.assert_allclose(np.cov(white), np.eye(its.sum()), atol=0.15)


def test_narrow_posteriors_are_reached_in_steps():
    rng = np.random.default_rng(0)
    W, variance = rng.normal(size=(12, 6)), 1e-4
    x = W @ rng.normal(size=6)

    def log_densities(z):
        squares = np.square(z).sum(axis=1), np.square(x - z @ W.T).sum(axis=1) / variance
        return -0.5 * np.stack(squares)

    covariance = np.linalg.inv(np.eye(6) + W.T @ W / variance)
    start, moving = rng.standard_normal((8000, 6)), np.ones(6, dtype=bool)
    codes, _, power = tempered(start, 1000, log_densities, moving, rng)
    assert power == 1.0
    mean = covariance @ W.T @ x / variance
    white = np.linalg.solve(np.linalg.cholesky(covariance), (codes - mean).T)
    np.testing.assert_allclose(white.mean(axis=1), 0, atol=0.25)
    np.testing.assert_allclose(np.cov(white), np.eye(6), atol=0.35)


def test_each_row_of_given_is_for_one_sample(plane):
    given = np.full((4, 5), np.nan)
    given[:, 1] = [0, 5, 0, 1]
    X = plane.sample(4, random_state=0, given=given)
    np.testing.assert_array_equal(X[:, 1], given[:, 1])
    assert np.isfinite(X).all()
    assert X[0, 0] != X[2, 0]


def test_the_same_seed_gives_the_same_rows(plane):
    given = [[1.0, np.nan, np.nan, np.nan, np.nan]]
    X, again = (plane.sample(3, random_state=1, given=given) for _ in range(2))
    np.testing.assert_array_equal(X, again)


def test_rows_unlike_the_data_are_a_warning(plane):
    with pytest.warns(UserWarning, match="Row 0 of given is unlike the rows of fit"):
        plane.sample(3, random_state=0, given=[[50.0, -50.0, 50.0, -50.0, np.nan]])


@pytest.fixture(scope="module")
def dependent():
    """A table whose category `size` and number depend on `kind`, and a VAE of it."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 900)
    is_big = rng.random(900) < np.array([0.1, 0.5, 0.9])[kind]
    table = pd.DataFrame(
        {
            "kind": pd.Categorical.from_codes(kind, ["wren", "gull", "goose"]),
            "size": np.where(is_big, "big", "small"),
            "grams": (np.array([10, 100, 500])[kind] * rng.normal(1, 0.1, 900)).round().astype(int),
        }
    )
    return table, VAE(4, max_iter=60, random_state=0).fit(table)


@pytest.mark.parametrize("prior", ["normal", "mixture"])
def test_samples_equal_those_that_happen_to_have_the_given_cells(dependent, prior):
    table, vae = dependent
    many = vae.sample(20000, random_state=1, prior=prior)
    given = pd.DataFrame({"kind": ["goose"]})
    drawn = vae.sample(1500, random_state=0, given=given, prior=prior)
    others = many[many["kind"] == "goose"]
    assert (drawn.dtypes == table.dtypes).all()
    assert (drawn["kind"] == "goose").all()
    shares = [(rows["size"] == "big").mean() for rows in (drawn, others)]
    assert abs(shares[0] - shares[1]) < 0.06
    assert abs(drawn["grams"].mean() - others["grams"].mean()) < 0.15 * table["grams"].std()


def test_frequencies_are_those_of_the_table(dependent):
    vae = dependent[1]
    for kind, share in (("wren", 0.1), ("goose", 0.9)):
        drawn = vae.sample(1000, random_state=0, given=pd.DataFrame({"kind": [kind]}))
        assert abs((drawn["size"] == "big").mean() - share) < 0.1


def test_values_outside_the_range_are_kept_with_a_warning(dependent):
    with pytest.warns(UserWarning, match="'grams' of given has 9000, but fit saw values from"):
        drawn = dependent[1].sample(2, random_state=0, given=pd.DataFrame({"grams": [9000]}))
    assert drawn["grams"].tolist() == [9000, 9000]


@pytest.fixture(scope="module")
def of_people():
    table = people(80)
    return table, VAE(3, max_iter=5, batch_size=16, random_state=0).fit(table)


@pytest.mark.filterwarnings("ignore:Row .* of given is unlike")
def test_rows_with_gaps_are_completed(of_people):
    table, vae = of_people
    rows = table[2:5].set_axis(list("abc"), axis=0)
    whole = vae.sample(3, random_state=0, given=rows)
    assert whole.index.equals(rows.index)
    assert not whole.isna().any().any()
    for name in rows:
        known = rows[name].notna()
        assert whole[name][known].tolist() == rows[name][known].tolist()


@pytest.mark.filterwarnings("ignore:Row .* of given is unlike")
@pytest.mark.parametrize("name", people())
def test_every_dtype_can_be_given(of_people, name):
    table, vae = of_people
    row = table.loc[table[name].notna(), [name]][:1]
    drawn = vae.sample(3, random_state=0, given=row)
    assert drawn[name].tolist() == row[name].tolist() * 3
    assert drawn[name].dtype == table[name].dtype


def test_other_libraries_can_give_and_get(dependent):
    pl = pytest.importorskip("polars")
    table, _ = dependent
    vae = VAE(2, max_iter=3, random_state=0).fit(pl.from_pandas(table))
    drawn = vae.sample(2, random_state=0, given=pl.DataFrame({"size": ["big"], "grams": [12]}))
    assert drawn["size"].to_list() == ["big", "big"]
    assert drawn["grams"].to_list() == [12, 12]


def test_frames_of_numbers_give_columns_by_name():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
    vae = VAE(2, max_iter=3, random_state=0).fit(X)
    drawn = vae.sample(2, random_state=0, given=pd.DataFrame({"b": [0.5]}))
    np.testing.assert_array_equal(drawn[:, 1], 0.5)


def test_arrays_encoded_as_tables_give_columns_by_place():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, 60), rng.normal(size=60)])
    vae = VAE(2, max_iter=3, table=TableEncoder(kinds={0: "category"}), random_state=0).fit(X)
    drawn = vae.sample(4, random_state=0, given=[[2.0, np.nan]])
    np.testing.assert_array_equal(drawn[:, 0], 2.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": ["hen"]}, "'kind' of given has 'hen', which fit did not see"),
        ({"sort": ["wren"]}, "has the column 'sort', which fit did not see"),
        ({"grams": ["12"]}, "Column 'grams' had dtype int64 in fit, but now has dtype"),
        ({"kind": ["wren", "gull"]}, "given has 2 rows, but n_samples=3"),
        ({"kind": [None]}, "given has no value"),
        ({"kind": ["wren"], "size": ["big"], "grams": [9]}, "nothing to draw"),
        ({}, "given has 0 rows|given has no value"),
    ],
)
def test_what_cannot_be_given_to_a_table(dependent, given, message):
    with pytest.raises(ValueError, match=message):
        dependent[1].sample(3, given=pd.DataFrame(given))


def test_tables_take_frames_only(dependent):
    with pytest.raises(ValueError, match="given must be a data frame with some of the columns"):
        dependent[1].sample(3, given=[["wren", "big", 9]])


def test_arrays_need_all_columns(plane):
    with pytest.raises(ValueError, match="given has 2 columns, but X had 5 in fit"):
        plane.sample(3, given=[[1.0, np.nan]])
    with pytest.raises(ValueError, match="infinity"):
        plane.sample(3, given=[[np.inf, np.nan, 0, 0, 0]])


def test_counts_with_a_total_cannot_be_given():
    X = np.random.default_rng(0).integers(0, 9, (40, 4)).astype(float)
    vae = VAE(2, likelihood="categorical", max_iter=2, random_state=0).fit(X)
    with pytest.raises(ValueError, match="likelihood='categorical' divides a total"):
        vae.sample(3, given=[[1.0, np.nan, np.nan, np.nan]])


def test_pixels_are_given_to_other_likelihoods():
    X = (np.random.default_rng(0).random((80, 2)) < 0.5).astype(float).repeat(3, axis=1)
    for parameters in ({"likelihood": "bernoulli"}, {"noise_variance": "heteroscedastic"}):
        vae = VAE(2, max_iter=40, random_state=0, **parameters).fit(X)
        drawn = vae.sample(3, random_state=0, given=[[1.0, 1, 1, np.nan, np.nan, np.nan]])
        np.testing.assert_array_equal(drawn[:, :3], [[1, 1, 1]] * 3)


def test_chances_of_ranges_are_exact_in_the_tails():
    low, high = np.array([-np.inf, -1, 1, 30, -31]), np.array([0, 1, np.inf, 31, -30])
    expected = [0.5, 0.6826894921370859, 0.15865525393145707]
    np.testing.assert_allclose(np.exp(log_chance(low, high))[:3], expected)
    np.testing.assert_allclose(log_chance(low, high)[3:], -454.321, atol=0.01)
