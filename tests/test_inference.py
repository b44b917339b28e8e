"""What a fitted autoencoder offers: codes, reconstructions, scores, its weights."""

import itertools

import numpy as np
import pytest
import torch
from helpers import (
    AUTOENCODERS,
    BERNOULLI,
    LABELS,
    OF_UNITS,
    UNIT_X,
    X,
    each_class,
    each_trained,
    in_threads,
    small,
    weights,
)
from sklearn.metrics import r2_score
from torch import nn

from skae._engine import inference
from skae._engine.network import Network

DETERMINISTIC = [
    name for name in AUTOENCODERS if name != "VAE"
]  # whose score is a fraction of variance
METHODS = ("transform", "reconstruct", "score_samples")


# Codes and reconstructions.


@each_class
def test_reconstruct_is_to_encode_and_to_decode(name):
    estimator = small(name).fit(X)
    codes = estimator.transform(X)
    assert codes.shape == (60, estimator.n_components_)
    np.testing.assert_array_equal(estimator.inverse_transform(codes), estimator.reconstruct(X))


@each_trained
def test_fit_transform_is_fit_then_transform(name):
    np.testing.assert_array_equal(
        small(name).fit_transform(X, LABELS), small(name).fit(X, LABELS).transform(X)
    )


@each_class
@pytest.mark.parametrize("method", METHODS)
def test_rows_do_not_depend_on_each_other(name, method):
    estimator = small(name).fit(X)
    together = getattr(estimator, method)(X)
    one_by_one = np.concatenate([getattr(estimator, method)(X[i : i + 1]) for i in range(60)])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-12, atol=1e-13)


@each_class
@pytest.mark.parametrize("size", [1, 64, 250])
def test_chunks_change_nothing(name, size, monkeypatch):
    estimator = small(name).fit(X)
    methods = [getattr(estimator, method) for method in (*METHODS, "score")]
    whole = [method(X) for method in methods]
    monkeypatch.setattr(inference, "CHUNK_SIZE", size)
    for method, expected in zip(methods, whole, strict=True):
        np.testing.assert_allclose(method(X), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("SparseAutoencoder", "mean_activation_"),
        ("VAE", "kl_per_component_"),
        ("VAE", "n_active_components_"),
    ],
)
def test_chunks_change_no_summary(name, attribute, monkeypatch):
    whole = getattr(small(name).fit(X), attribute)
    monkeypatch.setattr(inference, "CHUNK_SIZE", 64)
    np.testing.assert_allclose(getattr(small(name).fit(X), attribute), whole, rtol=1e-12)


@each_class
def test_threads_share_a_fitted_estimator(name):
    estimator = small(name).fit(X)
    data = [X / (i + 1) for i in range(8)]

    def results(i):
        methods = (estimator.transform, estimator.reconstruct, estimator.score_samples)
        return [method(data[i]) for method in methods]

    expected = [results(i) for i in range(8)]
    found = in_threads(8, lambda i: [results(i) for _ in range(5)])
    for one, repeated in zip(expected, found, strict=True):
        for again in repeated:
            for a, b in zip(one, again, strict=True):
                np.testing.assert_array_equal(a, b)


@each_class
def test_using_an_estimator_does_not_change_it(name):
    estimator = small(name).fit(X)
    before = dict(vars(estimator))
    estimator.inverse_transform(estimator.transform(X))
    estimator.score(X), estimator.score_samples(X), estimator.encoder_, estimator.coefs_
    assert all(vars(estimator)[key] is value for key, value in before.items())
    assert vars(estimator).keys() == before.keys()


@each_class
def test_feature_names_out(name):
    estimator = small(name).fit(X)
    expected = [f"{name.lower()}{j}" for j in range(estimator.n_components_)]
    assert estimator.get_feature_names_out().tolist() == expected


@each_class
def test_pandas_output(name):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[f"f{j}" for j in range(6)], index=range(100, 160))
    estimator = small(name).set_output(transform="pandas").fit(frame)
    codes = estimator.transform(frame)
    assert codes.columns.tolist() == estimator.get_feature_names_out().tolist()
    assert codes.index.equals(frame.index)
    reconstructions = estimator.inverse_transform(codes.to_numpy())
    np.testing.assert_array_equal(reconstructions, estimator.reconstruct(frame))


# Scores.


def constant_column(X):
    return np.column_stack([X[:, :5], np.full(len(X), 0.1)])


@pytest.mark.parametrize("name", DETERMINISTIC)
@pytest.mark.parametrize(
    "make", [lambda X: X, constant_column, lambda X: X + 1e4, lambda X: np.full_like(X, 0.5)]
)
def test_score_is_the_fraction_of_variance_explained(name, make):
    data = make(X)
    if name == OF_UNITS and data.max() > 1:
        return
    estimator = small(name).fit(data)
    expected = r2_score(data, estimator.reconstruct(data), multioutput="variance_weighted")
    assert type(estimator.score(data)) is float
    assert estimator.score(data) == pytest.approx(expected, rel=1e-9)


def test_score_of_a_perfect_reconstruction(monkeypatch):
    estimator = small("Autoencoder").fit(X)
    monkeypatch.setattr(type(estimator), "_reconstruct", lambda self, network, x: x.clone())
    assert estimator.score(X) == 1.0
    assert estimator.score(np.ones((3, 6))) == 1.0
    monkeypatch.setattr(type(estimator), "_reconstruct", lambda self, network, x: x.mean(0) + 0 * x)
    assert estimator.score(X) == pytest.approx(0.0, abs=1e-12)


def test_score_of_the_vae_is_the_mean_elbo():
    vae = small("VAE").fit(X)
    assert type(vae.score(X)) is float
    assert vae.score(X) == pytest.approx(vae.score_samples(X).mean(), rel=1e-12)


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_score_needs_two_rows(name):
    with pytest.raises(ValueError, match=r"1 sample\(s\)"):
        small(name).fit(X).score(X[:1])


@each_class
def test_score_is_never_infinite(name):
    estimator = small(name).fit(X)
    with pytest.raises(ValueError, match=r"not finite.*Scale X"):
        estimator.score(1e200 * X)


@pytest.mark.parametrize(
    ("name", "value"),
    # Probabilities are finite, unless they are no numbers.
    [(n, v) for n in AUTOENCODERS for v in (np.nan, np.inf) if (n, v) != (OF_UNITS, np.inf)],
)
def test_score_of_reconstructions_that_are_not_finite(name, value, monkeypatch):
    estimator = small(name).fit(X)
    monkeypatch.setattr(Network, "decode", lambda self, code: torch.full((60, 6), value).double())
    with pytest.raises(ValueError, match=r"not finite.*Scale X"):
        estimator.score(X)


@pytest.mark.parametrize("name", [name for name in DETERMINISTIC if name != OF_UNITS])
def test_score_samples_is_minus_the_squared_error(name):
    estimator = small(name).fit(X)
    expected = -np.square(X - estimator.reconstruct(X)).sum(axis=1)
    np.testing.assert_allclose(estimator.score_samples(X), expected, rtol=1e-12)


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_score_samples_is_minus_the_cross_entropy(name):
    estimator = small(name, **BERNOULLI[name]).fit(UNIT_X)
    r = estimator.reconstruct(UNIT_X)
    expected = (UNIT_X * np.log(r) + (1 - UNIT_X) * np.log1p(-r)).sum(axis=1)
    np.testing.assert_allclose(estimator.score_samples(UNIT_X), expected, rtol=1e-9)


@each_class
def test_training_raises_the_score(name):
    trained = small(name, max_iter=200, learning_rate_init=1e-2).fit(X)
    untrained = small(name, learning_rate_init=1e-300).fit(X)
    assert trained.score(X) > untrained.score(X)


# Weights.


WIDTHS = {
    "SparseAutoencoder": [6, 8, 6],
    "DenoisingAutoencoder": [6, 3, 6],
    "ContractiveAutoencoder": [6, 3, 6],
    OF_UNITS: [6, 3, 6],
}


@each_class
def test_shapes_of_the_weights(name):
    estimator = small(name).fit(X)
    shapes = list(itertools.pairwise(WIDTHS.get(name, [6, 5, 3, 5, 6])))
    if name == "VAE":
        shapes[1] = (5, 2 * 3)  # mean and log-variance
    assert [coef.shape for coef in estimator.coefs_] == shapes
    assert [bias.shape for bias in estimator.intercepts_] == [(fan_out,) for _, fan_out in shapes]


def test_tied_weights_are_transposed():
    coefs = small("Autoencoder", tied_weights=True).fit(X).coefs_
    for encoder, decoder in zip(coefs, coefs[::-1], strict=True):
        np.testing.assert_array_equal(encoder, decoder.T)


@each_class
def test_weights_are_copies(name):
    estimator = small(name).fit(X)
    before = weights(estimator)
    for array in (*estimator.coefs_, *estimator.intercepts_):
        array[:] = np.nan
    with torch.no_grad():
        for parameter in (*estimator.encoder_.parameters(), *estimator.decoder_.parameters()):
            parameter.fill_(np.nan)
    np.testing.assert_array_equal(weights(estimator), before)


# Modules.


def mean_of(codes):
    return codes[0] if isinstance(codes, tuple) else codes


@each_class
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_modules_are_transform_and_inverse_transform(name, dtype):
    data = X.astype(dtype)
    estimator = small(name).fit(data)
    codes = estimator.transform(data)
    rtol = {"float32": 1e-5, "float64": 1e-12}[np.dtype(dtype).name]
    encoded = mean_of(estimator.encoder_(torch.tensor(data))).detach().numpy()
    decoded = estimator.decoder_(torch.tensor(codes)).detach().numpy()
    np.testing.assert_allclose(encoded, codes, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(decoded, estimator.inverse_transform(codes), rtol=rtol, atol=rtol)
    assert encoded.dtype == decoded.dtype == dtype


def test_encoder_of_the_vae_gives_the_posterior():
    vae = small("VAE").fit(X)
    mean, log_variance = vae.encoder_(torch.tensor(X))
    np.testing.assert_allclose(mean.detach(), vae.posterior(X)[0], rtol=1e-12)
    np.testing.assert_allclose(log_variance.detach().exp().sqrt(), vae.posterior(X)[1], rtol=1e-12)


@each_class
def test_decoder_gives_probabilities_with_cross_entropy(name):
    estimator = small(name, **BERNOULLI[name]).fit(UNIT_X)
    codes = estimator.transform(UNIT_X)
    decoded = estimator.decoder_(torch.tensor(codes)).detach().numpy()
    np.testing.assert_allclose(decoded, estimator.inverse_transform(codes), rtol=1e-12)


@each_class
def test_modules_are_new_and_of_standard_layers(name):
    estimator = small(name).fit(X)
    for module in (estimator.encoder_, estimator.decoder_):
        assert isinstance(module, nn.Sequential)
        assert isinstance(module[0], nn.Linear)
    assert estimator.encoder_ is not estimator.encoder_
    assert estimator.decoder_[0].weight.data_ptr() != estimator.decoder_[0].weight.data_ptr()
    assert not any(isinstance(value, nn.Module) for value in vars(estimator).values())


@each_class
def test_modules_work_with_torch_func(name):
    estimator = small(name).fit(X)
    encoder, decoder = estimator.encoder_, estimator.decoder_
    x = torch.tensor(X)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: mean_of(encoder(row))))(x).detach()
    k = estimator.n_components_
    assert jacobian.shape == (60, k, 6)
    codes = torch.tensor(estimator.transform(X))
    assert torch.func.vmap(torch.func.jacrev(decoder))(codes).shape == (60, 6, k)
    step = 1e-6 * np.eye(6)[2]
    difference = (estimator.transform(X + step) - estimator.transform(X - step)) / 2e-6
    smooth = np.abs(difference - jacobian[:, :, 2].numpy()).max(axis=1) < 1e-6
    assert smooth.mean() > 0.95  # all rows but those at a kink of a relu


def test_score_never_overflows():
    estimator = small("Autoencoder").fit(X)
    with pytest.raises(ValueError, match="not finite"):
        estimator.score(1e153 * X)
