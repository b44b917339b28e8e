"""Each variant's objective through convolutions and modules of one's own."""

import pickle

import numpy as np
import pytest
import torch
from helpers import NEVER_STOP, assert_same_fit, may_be_dead, may_collapse
from sklearn.base import clone
from small_networks import (
    FAST,
    IMAGE,
    Own,
    X,
    both_codes,
    conv,
    encoded,
    of_kind,
    reference_jacobian,
    with_gaps,
)
from torch import nn

from skae import VAE, DenoisingAutoencoder
from skae._contractive import estimated_squared_jacobian_norm, through_front
from skae._likelihoods import START_OF_NOISE
from skae.networks import ConvNet

pytestmark = [
    may_be_dead,
    may_collapse,
    pytest.mark.filterwarnings("ignore:The samples show no structure:UserWarning"),
]


# Limits in which a variant is the plain autoencoder.


@both_codes
@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("exact", {"contraction_weight": 0}),
        ("hutchinson", {"contraction_weight": 0}),
        ("kl", {"sparsity_weight": 0}),
        ("l1", {"sparsity_weight": 0, "code_activation": "logistic"}),
        ("DenoisingAutoencoder", {"corruption": None}),
        ("DenoisingAutoencoder", {"corruption_level": 0.0}),
    ],
    ids=str,
)
def test_weight_zero_is_the_plain_autoencoder(kind, params, code):
    shared = {"hidden_layer_sizes": (6,), "code_activation": "logistic", "activation": "tanh"}
    network = conv(code=code)
    variant = of_kind(kind, network, **{**shared, **params}).fit(X)
    assert_same_fit(variant, of_kind("Autoencoder", network, **shared).fit(X))


# Contraction.


SOME_ACTIVATIONS = [("elu", "stride"), ("tanh", None), ("relu", "stride"), ("elu", "pool")]


@pytest.mark.parametrize("hidden", [(), (6,)], ids=str)
@pytest.mark.parametrize(("activation", "downsample"), SOME_ACTIVATIONS)
@both_codes
def test_jacobian_equals_jacrev_of_the_encoder(code, activation, downsample, hidden):
    params = {"hidden_layer_sizes": hidden, "activation": activation}
    network = conv(channels=(3,), code=code, downsample=downsample)
    estimator = of_kind("exact", network, **params).fit(X)
    jacobian = estimator.jacobian(X[:8])
    assert jacobian.shape == (8, estimator.n_components_, 48)
    np.testing.assert_allclose(
        jacobian, reference_jacobian(estimator, X[:8]), rtol=1e-8, atol=1e-12
    )
    norms = np.square(jacobian).sum(axis=(1, 2))
    np.testing.assert_allclose(estimator.jacobian_norm(X[:8]), norms, rtol=1e-8)


@both_codes
def test_jacobian_predicts_small_changes_of_the_code(code):
    estimator, step = of_kind("exact", conv(code=code), activation="tanh").fit(X), 1e-6
    change = (estimator.transform(X + step) - estimator.transform(X - step)) / (2 * step)
    np.testing.assert_allclose(change, estimator.jacobian(X).sum(axis=2), rtol=1e-4, atol=1e-7)


def test_tangents_are_singular_vectors():
    estimator = of_kind("exact", activation="tanh").fit(X)
    tangents = estimator.tangents(X[:6], 2)
    leading = np.linalg.svd(estimator.jacobian(X[:6]), full_matrices=False).Vh[:, :2]
    cosines = np.einsum("ikj,ikj->ik", tangents, leading)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-8)


@both_codes
def test_jacobian_may_be_asked_for_without_gradients(code):
    estimator = of_kind("exact", conv(code=code)).fit(X)
    expected = estimator.jacobian_norm(X)
    with torch.inference_mode():
        np.testing.assert_array_equal(estimator.jacobian_norm(X), expected)


def test_a_jacobian_in_chunks_is_the_same(monkeypatch):
    estimator = of_kind("exact", IMAGE).fit(X)
    whole = estimator.jacobian(X)
    monkeypatch.setattr("skae._engine.inference.CHUNK_SIZE", 48 * estimator.n_components_ * 7)
    np.testing.assert_allclose(estimator.jacobian(X), whole, rtol=1e-9, atol=1e-14)


@both_codes
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_hutchinsons_estimate_has_no_bias(activation, code):
    """Its mean over many draws is within 5 standard errors of the exact norm."""
    params = {"hidden_layer_sizes": (6,), "activation": activation}
    estimator = of_kind("exact", conv(code=code), **params).fit(X)
    network, n_draws = estimator._fitted_network(), 2000
    x = torch.tensor(X[:3]).repeat_interleave(n_draws, dim=0)
    features, to_input = through_front(network, x)
    _, slopes = network.encode_with_slopes(features)
    generator = torch.Generator().manual_seed(0)
    weights = network.encoder_weights
    draws = estimated_squared_jacobian_norm(weights, slopes, generator, to_input)
    draws = draws.detach().view(3, n_draws).numpy()
    error = draws.std(axis=1) / n_draws**0.5
    assert (error > 0).all()
    assert (np.abs(draws.mean(axis=1) - estimator.jacobian_norm(X[:3])) < 5 * error).all()


@both_codes
def test_the_loss_is_the_error_plus_the_weighted_norm(code, squared_errors):
    """One full batch that is not learned from: the loss is that of the fitted weights."""
    still = {"max_iter": 1, "learning_rate_init": 1e-12, "batch_size": 60}
    estimator = of_kind("exact", conv(code=code), contraction_weight=0.7, **still).fit(X)
    errors = squared_errors(X, estimator.reconstruct(X))
    expected = (errors + 0.7 * estimator.jacobian_norm(X)).mean()
    assert estimator.loss_ == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["exact", "hutchinson"])
def test_the_penalty_contracts(kind):
    fit = {"max_iter": 30, "learning_rate_init": 0.01, **NEVER_STOP}
    norms = [
        of_kind(kind, contraction_weight=weight, **fit).fit(X).jacobian_norm(X).mean()
        for weight in (0, 3.0)
    ]
    assert norms[1] < 0.5 * norms[0]


# The VAE.


VARIANCES = ["shared", "per_feature", "heteroscedastic", 0.3]


@pytest.mark.parametrize("noise_variance", VARIANCES)
@both_codes
def test_a_vae_scores_and_samples(code, noise_variance):
    vae = of_kind("VAE", conv(code=code), noise_variance=noise_variance, max_iter=5).fit(X)
    mean, std = vae.posterior(X)
    np.testing.assert_allclose(mean, vae.transform(X), rtol=1e-9)
    assert std.shape == mean.shape == (60, vae.n_components_) and (std > 0).all()
    assert vae.sample(7, random_state=0).shape == (7, 48)
    likelihood = vae.log_likelihood(X, n_draws=100)
    assert likelihood.shape == (60,)
    assert vae.score_samples(X).mean() < likelihood.mean() + 0.1
    assert vae.score(X) == pytest.approx(vae.score_samples(X).mean())


@both_codes
def test_the_encoder_of_a_vae_gives_mean_and_log_variance(code):
    vae = of_kind("VAE", conv(code=code)).fit(X)
    mean, std = vae.posterior(X)
    with torch.no_grad():
        means, log_variances = vae.encoder_(torch.tensor(X))
    np.testing.assert_allclose(means, mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(torch.exp(0.5 * log_variances), std, rtol=1e-6)


@both_codes
def test_posteriors_start_with_the_priors_variance(code):
    still = {"max_iter": 1, "learning_rate_init": 1e-12}
    _, std = of_kind("VAE", conv(code=code), **still).fit(X).posterior(X)
    np.testing.assert_allclose(std, 1, rtol=1e-6)


@both_codes
def test_decoded_variances_start_in_proportion_to_those_of_the_columns(code):
    """But for what the untrained second head adds."""
    scaled = (X.reshape(-1, 2, 24) * np.array([[1.0], [10.0]])).reshape(-1, 48)
    still = {"max_iter": 1, "learning_rate_init": 1e-12}
    vae = of_kind("heteroscedastic", conv(code=code), **still).fit(scaled)
    variance = vae._decoded_variance(np.zeros((1, vae.n_components_))).reshape(2, 24)
    expected = START_OF_NOISE * scaled.var(axis=0).reshape(2, 24)
    np.testing.assert_allclose(variance, expected, rtol=0.5)


def test_decoded_variances_follow_the_data():
    """Noise in the second channel alone is found there alone."""
    generator = np.random.default_rng(0)
    rows = np.zeros((300, 2, 4, 6))
    rows[:, 1] = generator.normal(size=(300, 4, 6))
    rows[:, 0] = 0.1 * generator.normal(size=(300, 4, 6))
    fit = {"max_iter": 40, "learning_rate_init": 0.02, **NEVER_STOP}
    vae = of_kind("heteroscedastic", conv(channels=(4,)), **fit).fit(rows.reshape(300, -1))
    variance = vae._decoded_variance(np.zeros((1, 3))).reshape(2, 24).mean(axis=1)
    np.testing.assert_allclose(variance, [0.01, 1.0], rtol=0.5)


@pytest.mark.parametrize("params", [{"likelihood": "bernoulli"}, {"objective": "iwae"}], ids=str)
def test_other_vaes(params):
    vae = of_kind("VAE", n_draws=3, **params).fit(X)
    assert vae.sample(5, random_state=0).shape == (5, 48)
    assert np.isfinite(vae.log_likelihood(X, n_draws=10)).all()


def own_heteroscedastic(make):
    return VAE(3, noise_variance="heteroscedastic", network=Own(make), **FAST)


@pytest.mark.parametrize(
    "make_decoder",
    [
        lambda n_outputs: nn.Linear(4, n_outputs, bias=False),
        lambda n_outputs: nn.Sequential(
            nn.Linear(4, 2 * n_outputs), nn.Unflatten(1, (2, n_outputs)), MeanOfAxis()
        ),
    ],
    ids=["without bias", "not a last layer of outputs"],
)
def test_decoded_variances_of_any_decoder(make_decoder):
    """Of which nothing is known: they may start anywhere, or be refused with a reason."""
    vae = own_heteroscedastic(lambda i, o: (nn.Linear(i, 4), make_decoder(o)))
    try:
        vae.fit(X)
    except ValueError as error:
        assert "heteroscedastic" in str(error) or "bias" in str(error)
    else:
        assert np.isfinite(vae.score(X))


# Sparse codes.


def decoder_norms(estimator):
    """Of what each unit of each of the decoder's layers writes to all outputs."""
    for layer in estimator.decoder_.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            yield layer.weight.detach().flatten(1).norm(dim=1)  # inputs first
        elif isinstance(layer, nn.Linear):
            yield layer.weight.detach().norm(dim=0)


# Top-k is not for L-BFGS.
@pytest.mark.parametrize(("kind", "solver"), [("l1", "adam"), ("l1", "lbfgs"), ("topk", "adam")])
@both_codes
def test_atoms_of_all_layers_are_bounded(code, kind, solver):
    fit = {"max_iter": 10, "learning_rate_init": 0.05, "hidden_layer_sizes": (6,)}
    estimator = of_kind(kind, conv(code=code), solver=solver, **fit).fit(30 * X)
    norms = [*decoder_norms(estimator)]
    assert len(norms) == 4  # code, hidden layer, two convolutions
    assert max(n.max() for n in norms) == pytest.approx(1)
    assert all((n <= 1 + 1e-6).all() for n in norms)


def test_top_k_keeps_channels_at_each_pixel():
    network = conv(code="image", channels=(4,))
    params = {"n_components": 8, "n_active": 2, "code_activation": "identity"}
    estimator = of_kind("topk", network, **params).fit(X)
    code = estimator.transform(X).reshape(60, 8, 2, 3)
    assert (np.count_nonzero(code, axis=1) == 2).all()
    chosen = (code != 0).reshape(60, 8, 6)
    assert (chosen != chosen[:, :, :1]).any()  # each pixel chooses its own


@pytest.mark.parametrize("sparsity", ["kl", "l1", "topk"])
def test_sparse_codes_are_described_by_the_column(sparsity):
    estimator = of_kind(sparsity, IMAGE).fit(X)
    code = estimator.transform(X)
    np.testing.assert_allclose(estimator.mean_activation_, code.mean(axis=0), rtol=1e-6)
    threshold = 0.1 if sparsity == "kl" else 0.0
    assert estimator.code_density_ == pytest.approx((code > threshold).mean())
    dead = np.flatnonzero((code <= threshold).all(axis=0))
    np.testing.assert_array_equal(estimator.dead_components_, dead)


@both_codes
def test_dead_channels_are_revived(code):
    network = conv(code=code, channels=(4,))
    params = {"n_components": 8, "n_active": 2, "learning_rate_init": 3e-3}
    estimator = of_kind("topk", network, **params, max_iter=5).fit(X)
    layers = estimator._fitted_network()  # shares memory with the state
    layers.encoder_weights[-1][[1, 5]] = 0.0
    layers.encoder_biases[-1][[1, 5]] = -100.0
    columns = np.s_[:, [1, 5]]
    assert not estimator.transform(X).reshape(60, 8, -1)[columns].any()
    estimator.partial_fit(X)  # finds them idle
    assert estimator._state.idle.shape == (8,)
    assert estimator._state.idle[[1, 5]].all()
    for _ in range(5):
        estimator.partial_fit(X)
    codes = estimator.transform(X).reshape(60, 8, -1)
    assert codes[columns].any(axis=(0, 2)).any()


@both_codes
def test_training_with_revival_goes_on_exactly(code):
    params = {"n_components": 20, "n_active": 1, "learning_rate_init": 0.02}
    whole = of_kind("topk", conv(code=code), **params)
    parts = clone(whole)
    for _ in range(4):
        whole.partial_fit(X)
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X)))
    assert whole._state.idle.any()
    assert_same_fit(whole, parts)


def test_kl_starts_at_its_target():
    still = {"max_iter": 1, "learning_rate_init": 1e-12}
    estimator = of_kind("kl", IMAGE, target_activation=0.2, **still).fit(X)
    bias = estimator._fitted_network().encoder_biases[-1]
    np.testing.assert_allclose(torch.sigmoid(bias), 0.2, rtol=1e-6)


# Denoising.


@both_codes
def test_missing_cells_are_channels_of_a_mask(code):
    rows = with_gaps(X)
    denoiser = of_kind("DenoisingAutoencoder", conv(code=code)).fit(rows)
    first = next(p for p in denoiser.encoder_.parameters() if p.ndim == 4)
    assert first.shape[1] == 4  # two of the image, two of the mask
    codes = denoiser.transform(rows)
    assert np.isfinite(codes).all() and np.isfinite(denoiser.score(rows))
    np.testing.assert_allclose(encoded(denoiser, rows), codes, rtol=1e-6, atol=1e-9)
    assert np.isfinite(denoiser.reconstruct(rows)).all()


def test_the_mask_lies_where_cells_are_missing():
    """With a kernel of one pixel, a missing cell is seen at its own pixel alone."""
    rows = with_gaps(X)
    network = conv(channels=(3,), kernel_size=1, downsample=None, code="image")
    denoiser = of_kind("DenoisingAutoencoder", network).fit(rows)
    whole, gap = X[:1].copy(), X[:1].copy()
    gap[0, 24 + 7] = np.nan  # second channel, second line, second pixel
    difference = (denoiser.transform(whole) != denoiser.transform(gap)).reshape(3, 24)
    assert difference[:, 7].any()
    assert not np.delete(difference, 7, axis=1).any()


@both_codes
@pytest.mark.parametrize("n_channels", [1, 3, 6])
def test_targets_may_have_any_number_of_channels(n_channels, code):
    target = np.tile(X[:, :24], n_channels)
    denoiser = of_kind("DenoisingAutoencoder", conv(code=code)).fit(X, target=target)
    assert denoiser.n_features_out_ == 24 * n_channels
    assert denoiser.reconstruct(X).shape == target.shape
    assert denoiser.partial_fit(X, target=target).score(X, target=target) < 1


@pytest.mark.parametrize("corruption", ["masking", "gaussian", "salt_and_pepper", "swap"])
def test_chains_of_corruption_and_denoising(corruption):
    denoiser = of_kind("DenoisingAutoencoder", corruption=corruption).fit(X)
    assert denoiser.corrupt(X, random_state=0).shape == X.shape
    one, same = (denoiser.sample(4, n_steps=3, random_state=1) for _ in range(2))
    assert one.shape == (4, 48) and np.isfinite(one).all()
    np.testing.assert_array_equal(one, same)


def test_denoising_lowers_the_error_of_noisy_images():
    generator = np.random.default_rng(0)
    brightness = generator.uniform(size=(400, 1, 1)) * np.ones((1, 6, 6))
    clean = brightness.reshape(400, -1)
    noisy = clean + 0.3 * generator.normal(size=clean.shape)
    network = ConvNet((1, 6, 6), channels=(8, 8))
    fit = {"max_iter": 30, "learning_rate_init": 0.01, "batch_size": 50, "random_state": 0}
    denoiser = DenoisingAutoencoder(4, network=network, corruption=None, **fit)
    denoiser.fit(noisy[:300], target=clean[:300])
    error = np.square(denoiser.reconstruct(noisy[300:]) - clean[300:]).mean()
    assert error < 0.3 * np.square(noisy[300:] - clean[300:]).mean()


# Modules of the user's own.


class MeanOfAxis(nn.Module):
    def forward(self, x):
        return x.mean(dim=1)
