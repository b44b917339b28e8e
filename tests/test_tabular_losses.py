"""Losses and scores of tables, and what rows count in them."""

import numpy as np
import pytest
import torch
from helpers import (
    SMALL,
    SUPERVISED,
    assert_same_fit,
    each_of_any_numbers,
    may_be_dead,
    may_collapse,
    small,
)
from sklearn.metrics import log_loss, r2_score
from small_tables import (
    ALL,
    FAST,
    LETTERS,
    TAKE_GAPS,
    N,
    assert_looks_like,
    each,
    fitted,
    frame_of,
    given,
    holes,
    matrix_of,
    simple,
    target_for,
    whole,
)
from test_tape import assert_same_gradient
from torch.distributions import Categorical, Normal

from skae import VAE, Autoencoder, DenoisingAutoencoder
from skae._elbo import gaussian_kl
from skae.tables import TableEncoder

pytestmark = [may_collapse, may_be_dead]


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
    assert_same_fit(weighted, left_out)
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
