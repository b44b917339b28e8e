"""`feature_errors`: each cell's part of what `score_samples` is the sum of."""

import math

import numpy as np
import pytest
import torch
from helpers import BERNOULLI, SMALL, UNIT_X, X, may_collapse, normal, small
from scipy.sparse import csr_array
from scipy.stats import multinomial, norm

import skae._engine.inference as inference
from skae._elbo import gaussian_kl
from skae._likelihoods import Categorical
from skae._outputs import LOSSES
from skae.base import Output

COUNTS = np.random.default_rng(2).poisson(2.0, size=(60, 6)).astype(float)
COUNTS[0] = 0.0  # a row without any
HOLES = np.where(np.random.default_rng(3).random(X.shape) < 0.3, np.nan, X)
HOLES[1] = np.nan  # a row of which nothing is known
COUNTING = {
    **{name: {"loss": "categorical_cross_entropy"} for name in SMALL},
    "StackedAutoencoder": {"estimator": small("Autoencoder", loss="categorical_cross_entropy")},
    "VAE": {"likelihood": "categorical"},
}
WHOLE = {"DenoisingAutoencoder": {"corruption": "swap"}}  # that compares whole rows
CASES = [
    *((name, WHOLE.get(name, {}), X) for name in SMALL),
    *((name, WHOLE.get(name, {}) | BERNOULLI[name], UNIT_X) for name in SMALL),
    *(
        (name, WHOLE.get(name, {}) | COUNTING[name], COUNTS)
        for name in SMALL
        if name != "StackedAutoencoder"
    ),
    ("VAE", {"noise_variance": "per_feature"}, X),
    ("VAE", {"noise_variance": "heteroscedastic"}, X),
    ("VAE", {"noise_variance": 0.5}, X),
    ("SparseAutoencoder", {"sparsity": "topk"}, X),
    ("DenoisingAutoencoder", {"corruption": "swap"}, HOLES),
]


def divergences(estimator, X):
    """What minus the score of a row has beside its cells' parts: of a VAE, the KL divergence."""
    if not hasattr(estimator, "posterior"):
        return 0.0
    mean, std = estimator.posterior(X)
    return gaussian_kl(torch.tensor(mean), 2 * torch.log(torch.tensor(std))).sum(dim=1).numpy()


@may_collapse
@pytest.mark.parametrize(("name", "params", "X"), CASES)
def test_they_add_up_to_minus_the_score(name, params, X):
    estimator = small(name, **params).fit(X)
    errors = estimator.feature_errors(X)
    assert errors.shape == X.shape
    np.testing.assert_array_equal(np.isnan(errors), np.isnan(X))
    total = np.nansum(errors, axis=1) + divergences(estimator, X)
    np.testing.assert_allclose(total, -estimator.score_samples(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cells", [X, HOLES], ids=["whole", "with gaps"])
def test_a_masking_denoiser_tells_each_cell_from_the_others(cells):
    denoiser = small("DenoisingAutoencoder").fit(cells)
    errors = denoiser.feature_errors(cells)
    for column in range(X.shape[1]):
        others = cells.copy()
        others[:, column] = np.nan
        expected = np.square(cells - denoiser.reconstruct(others))[:, column]
        np.testing.assert_allclose(errors[:, column], expected, rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "VAE"])
def test_they_are_squared_differences(name):
    estimator = small(name, **WHOLE.get(name, {})).fit(X)
    expected = np.square(X - estimator.reconstruct(X))
    np.testing.assert_allclose(estimator.feature_errors(X), expected, rtol=1e-9, atol=1e-12)


def test_they_are_surprises_of_probabilities():
    estimator = small("Autoencoder", **BERNOULLI["Autoencoder"]).fit(UNIT_X)
    X, p = UNIT_X.round(), estimator.reconstruct(UNIT_X.round())
    expected = -np.log(np.where(X == 1.0, p, 1.0 - p))
    np.testing.assert_allclose(estimator.feature_errors(X), expected, rtol=1e-9)


def test_they_are_surprises_of_words():
    estimator = small("Autoencoder", **COUNTING["Autoencoder"]).fit(COUNTS)
    proportions = estimator.inverse_transform(estimator.transform(COUNTS))
    expected = -COUNTS * np.log(proportions)
    np.testing.assert_allclose(estimator.feature_errors(COUNTS), expected, rtol=1e-9, atol=1e-12)


def test_a_certain_vae_has_the_surprise_of_its_reconstruction():
    """With weights of the log-variance at -inf, nearly: then all draws are the mean."""
    vae = small("VAE", noise_variance=0.5).fit(X)
    network = vae._network_copy()
    network.encoder_weights[-1][3:].zero_()
    network.encoder_biases[-1][3:].fill_(-60.0)
    certain = vae._with_encoder(network)
    expected = -norm(certain.reconstruct(X), math.sqrt(0.5)).logpdf(X)
    np.testing.assert_allclose(certain.feature_errors(X), expected, rtol=1e-6)


def test_parts_of_a_multinomial_are_the_whole():
    """And each word's is that of the whole, where there is no other."""
    output, kind = normal(60, 6), Categorical()
    parts = kind.surprise_of_cells(None, output, torch.tensor(COUNTS)).numpy()
    p = torch.softmax(output, dim=-1).numpy()
    expected = [-multinomial(int(x.sum()), q).logpmf(x) for x, q in zip(COUNTS, p, strict=True)]
    np.testing.assert_allclose(parts.sum(axis=1), expected, rtol=1e-9, atol=1e-9)
    alone = kind.surprise_of_cells(None, output[:1], torch.tensor([[0.0, 7.0, 0, 0, 0, 0]]))
    np.testing.assert_allclose(alone[0], [0, -7 * math.log(p[0, 1]), 0, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=str)
def test_the_loss_of_a_row_is_the_sum_of_its_cells(loss):
    output, x = normal(60, 6), torch.tensor(UNIT_X)
    cells = loss.loss_of_cells(output, x)
    assert cells.shape == x.shape
    assert (loss.loss_of_rows(output, x) == cells.sum(dim=-1)).all()


@may_collapse
@pytest.mark.parametrize("name", SMALL)
def test_sparse_rows_have_those_of_dense_ones(name):
    X = UNIT_X * (UNIT_X > 0.5)
    estimator = small(name).fit(X)
    found = estimator.feature_errors(csr_array(X))
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, estimator.feature_errors(X))


@pytest.mark.parametrize("name", SMALL)
def test_chunks_do_not_matter(name, monkeypatch):
    estimator = small(name).fit(X)
    whole = estimator.feature_errors(X)
    monkeypatch.setattr(inference, "CHUNK_SIZE", 1)
    np.testing.assert_allclose(estimator.feature_errors(X), whole, rtol=1e-9, atol=1e-12)


def test_float32_stays_float32():
    rows = X.astype(np.float32)
    assert small("Autoencoder").fit(rows).feature_errors(rows).dtype == np.float32


def test_a_cell_that_is_far_off_has_the_largest(digits):
    from skae import Autoencoder

    estimator, rows = Autoencoder(16, max_iter=30, random_state=0).fit(digits), digits[:50].copy()
    columns = np.arange(50) % 64
    rows[np.arange(50), columns] = 5.0
    found = estimator.feature_errors(rows).argmax(axis=1)
    assert (found == columns).mean() > 0.9


def test_rows_that_the_loss_is_not_for_are_an_error():
    estimator = small("Autoencoder", **BERNOULLI["Autoencoder"]).fit(UNIT_X)
    with pytest.raises(ValueError, match="needs X in \\[0, 1\\]"):
        estimator.feature_errors(X)
    with pytest.raises(ValueError, match="contains NaN"):
        small("Autoencoder").fit(X).feature_errors(HOLES)


def test_rows_that_become_others_are_an_error():
    pairs = small("DenoisingAutoencoder").fit(X, target=X[:, :2])
    with pytest.raises(ValueError, match="cannot be compared with rows of 6"):
        pairs.feature_errors(X)


class Norm(Output):
    """||x - r||, which is no sum over features."""

    name = "norm"

    def loss_of_rows(self, output, x):
        return torch.linalg.vector_norm(output - x, dim=-1)


def test_a_loss_that_is_no_sum_says_so():
    class Robust(type(SMALL["Autoencoder"])):
        _output = Norm()

    robust = Robust(3, max_iter=2, batch_size=16).fit(X)
    assert (robust.score_samples(X) <= 0).all()
    with pytest.raises(NotImplementedError, match="norm has no loss per cell: give Norm"):
        robust.feature_errors(X)


def test_far_rows_of_a_vae_are_infinitely_surprising():
    vae = small("VAE").fit(X)
    far = np.full((1, 6), 1e200)
    assert (vae.feature_errors(far) == np.inf).all()
    assert vae.score_samples(far) == -np.inf
