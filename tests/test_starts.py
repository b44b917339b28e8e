"""Where networks start: at the data's mean, at the best constant, at principal components."""

import numpy as np
import pytest
import torch
from helpers import LABELS, NEVER_STOP, AnyWidth, X, small
from scipy.linalg import subspace_angles
from scipy.sparse import csr_matrix
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from torch.func import jacrev, vmap

from skae import (
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._engine.activations import ACTIVATIONS
from skae._engine.network import Network
from skae.networks import ConvNet

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*code has collapsed:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*components are dead:UserWarning"),
]

FEW = {"max_iter": 2, "batch_size": 24, "learning_rate_init": 1e-3, "random_state": 0, **NEVER_STOP}
# A fit that leaves the weights, to the bit, as they start.
STILL = {**FEW, "solver": "sgd", "learning_rate_init": 1e-300, "max_iter": 1}
SQUARED = DenoisingAutoencoder(4, **FEW)
LOGISTIC = DenoisingAutoencoder(4, loss="binary_cross_entropy", **FEW)
GAPS = np.where(np.random.default_rng(3).uniform(size=X.shape) < 0.2, np.nan, X)
Y = np.random.default_rng(4).normal(size=(60, 2))
IDENTIFIED = np.eye(60)
COUNTS = np.random.default_rng(5).poisson(3.0, size=(60, 6)).astype(float)
UNIT = np.random.default_rng(6).beta(0.4, 0.7, size=(60, 6))


def own_noise(x, generator):
    return x + 0.1 * torch.randn(x.shape, generator=generator, dtype=x.dtype)


PLAIN = {
    "plain": Autoencoder(3, hidden_layer_sizes=(8,)),
    "two hidden layers": Autoencoder(3, hidden_layer_sizes=(8, 5), activation="gelu"),
    "linear": Autoencoder(3, hidden_layer_sizes=(), tied_weights=True),
    "decayed": Autoencoder(3, hidden_layer_sizes=(8,), activation="tanh", alpha=0.1),
    "held out": Autoencoder(3, hidden_layer_sizes=(8,), early_stopping=True),
    "sgd": Autoencoder(3, hidden_layer_sizes=(8,), solver="sgd", alpha=0.1),
    "lbfgs": Autoencoder(3, hidden_layer_sizes=(8,), solver="lbfgs", alpha=0.1),
    "kl": SparseAutoencoder(8, activation="tanh"),
    "l1": SparseAutoencoder(8, sparsity="l1"),
    "top k": SparseAutoencoder(8, sparsity="topk", n_active=3),
    "contractive": ContractiveAutoencoder(3),
    "contractive layers": ContractiveAutoencoder(3, hidden_layer_sizes=(5,), tied_weights=False),
    "Hutchinson": ContractiveAutoencoder(3, jacobian_method="hutchinson"),
    "masking": DenoisingAutoencoder(3),
    "gaussian": DenoisingAutoencoder(3, corruption="gaussian"),
    "salt and pepper": DenoisingAutoencoder(3, corruption="salt_and_pepper"),
    "swap": DenoisingAutoencoder(3, corruption="swap"),
    "own corruption": DenoisingAutoencoder(3, corruption=own_noise),
    "no corruption": DenoisingAutoencoder(3, corruption=None, hidden_layer_sizes=(5,)),
    "VAE": VAE(3, hidden_layer_sizes=(8,)),
    "per feature": VAE(3, hidden_layer_sizes=(8,), noise_variance="per_feature", n_draws=2),
    "heteroscedastic": VAE(3, hidden_layer_sizes=(8,), noise_variance="heteroscedastic"),
    "fixed variance": VAE(3, hidden_layer_sizes=(8,), noise_variance=0.5, tied_weights=True),
    "stack": StackedAutoencoder((5, 3), estimator=[SQUARED, LOGISTIC]),
    "stack of sparse ones": StackedAutoencoder((9, 7, 5), estimator=SparseAutoencoder(**FEW)),
    "pretrained alone": StackedAutoencoder((5, 3), estimator=SQUARED, fine_tune=False),
}
NETWORK = {
    "plain": Autoencoder(3, network=AnyWidth()),
    "image code": Autoencoder(2, hidden_layer_sizes=(4,), network=AnyWidth("image")),
    "lbfgs": Autoencoder(3, network=AnyWidth(), solver="lbfgs"),
    "kl": SparseAutoencoder(8, network=AnyWidth()),
    "l1": SparseAutoencoder(8, sparsity="l1", network=AnyWidth("image")),
    "top k": SparseAutoencoder(8, sparsity="topk", n_active=3, network=AnyWidth()),
    "contractive": ContractiveAutoencoder(3, tied_weights=False, network=AnyWidth()),
    "masking": DenoisingAutoencoder(3, network=AnyWidth()),
    "salt and pepper": DenoisingAutoencoder(
        3, corruption="salt_and_pepper", network=AnyWidth("image")
    ),
    "VAE": VAE(3, network=AnyWidth()),
    "heteroscedastic": VAE(3, noise_variance="heteroscedastic", network=AnyWidth()),
    "stack": StackedAutoencoder(
        (2, 3),
        estimator=[
            Autoencoder(network=AnyWidth("image"), **FEW),
            DenoisingAutoencoder(hidden_layer_sizes=(5,), **FEW),
        ],
    ),
    "stack of images": StackedAutoencoder(
        (2, 3), estimator=Autoencoder(network=AnyWidth("image"), **FEW)
    ),
}
AUTOENCODERS = {**PLAIN, **{f"{name}, convolutions": it for name, it in NETWORK.items()}}
AUTOENCODERS = {name: clone(it).set_params(**FEW) for name, it in AUTOENCODERS.items()}
DENSE = {name: it for name, it in AUTOENCODERS.items() if name in PLAIN}
BY_EPOCHS = [name for name, it in AUTOENCODERS.items() if it.solver != "lbfgs"]
WITH_GAPS = {name: it for name, it in AUTOENCODERS.items() if isinstance(it, DenoisingAutoencoder)}
PRETRAINED = ("stack", "top k", "plain, convolutions")
SUPERVISED = {
    f"{kind.__name__}, {name}, {fine_tune}": kind(
        AUTOENCODERS[name], fine_tune=fine_tune, alpha=0.01, **FEW
    )
    for kind in (AutoencoderClassifier, AutoencoderRegressor)
    for name in PRETRAINED
    for fine_tune in (True, False)
}
# The last one differs from column to column.
OFFSETS = {"10": 10.0, "10000": 1e4, "columns": np.array([1e4, -300.0, 0.0, 2.0, 1e-3, -7e3])}


def moves(names):
    """Triples (name, what is added to X, form of X).

    Convolutions have a bias for each channel, which is all of their output here.
    """
    return [
        pytest.param(name, OFFSETS[offset], form, id=f"{name}-{offset}-{form.__name__}")
        for name in names
        for offset, form in (("10", csr_matrix), ("10000", np.asarray), ("columns", np.asarray))
        if offset != "columns" or "convolutions" not in name
    ]


each_autoencoder = pytest.mark.parametrize("estimator", AUTOENCODERS.values(), ids=AUTOENCODERS)
each_dense_one = pytest.mark.parametrize("estimator", DENSE.values(), ids=DENSE)
each_with_gaps = pytest.mark.parametrize("estimator", WITH_GAPS.values(), ids=WITH_GAPS)
each_supervised = pytest.mark.parametrize("estimator", SUPERVISED.values(), ids=SUPERVISED)
each_offset = pytest.mark.parametrize("offset", OFFSETS.values(), ids=OFFSETS)
each_form = pytest.mark.parametrize("form", [np.asarray, csr_matrix], ids=["dense", "CSR"])


def target_of(estimator):
    """y of a supervised fit as a tuple, empty for others."""
    kinds = {AutoencoderClassifier: (LABELS,), AutoencoderRegressor: (Y,)}
    return kinds.get(type(estimator), ())


def outcome(estimator, X, offset, *y, training=None):
    """All that a fit on X + offset leads to and that must not depend on the offset."""
    fitted = clone(estimator).fit(X if training is None else training, *y)
    results = {"score": fitted.score(X, *y), "codes": fitted.transform(X)}
    if y:
        kind = "predict_proba" if isinstance(estimator, AutoencoderClassifier) else "predict"
        return {**results, "predictions": getattr(fitted, kind)(X)}
    reconstructions = fitted.reconstruct(X) - offset
    return {
        **results,
        "losses": fitted.loss_curve_,
        "scores of rows": fitted.score_samples(X),
        "reconstructions": reconstructions,
        "decoded": fitted.inverse_transform(results["codes"]) - offset,
    }


def assert_same_outcomes(found, expected):
    """Scores within 1e-6. Adam divides gradients by their size, be they roundings."""
    for name, value in expected.items():
        atol = 1e-6 if name in ("score", "losses") else 1e-4
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=atol, err_msg=name)


# A constant that is added to X changes nothing.

known = {}


def expected_outcome(name, estimator, X, *y):
    """That without an offset, found once."""
    if name not in known:
        known[name] = outcome(estimator, X, 0.0, *y)
    return known[name]


@pytest.mark.parametrize(("name", "offset", "form"), moves(AUTOENCODERS))
def test_a_constant_changes_nothing(name, offset, form):
    estimator, moved = AUTOENCODERS[name], X + offset
    expected = expected_outcome(name, estimator, X)
    assert_same_outcomes(outcome(estimator, form(moved), offset), expected)


@pytest.mark.parametrize(("name", "offset", "form"), moves(SUPERVISED))
def test_a_constant_changes_no_prediction(name, offset, form):
    estimator = SUPERVISED[name]
    y = target_of(estimator)
    expected = expected_outcome(name, estimator, X, *y)
    assert_same_outcomes(outcome(estimator, form(X + offset), offset, *y), expected)


@pytest.mark.parametrize(("name", "offset", "form"), moves(WITH_GAPS))
def test_a_constant_changes_nothing_with_gaps(name, offset, form):
    expected = expected_outcome(f"{name}, gaps", WITH_GAPS[name], GAPS)
    assert_same_outcomes(outcome(WITH_GAPS[name], form(GAPS + offset), offset), expected)


@pytest.mark.parametrize("name", BY_EPOCHS)
def test_a_constant_changes_nothing_for_partial_fit(name):
    offset = OFFSETS["10000" if "convolutions" in name else "columns"]

    def learned(X, offset):
        model = clone(AUTOENCODERS[name]).set_params(early_stopping=False)
        for part in (X[:20], X[20:], X[:20]):
            model.partial_fit(part)
        return {"score": model.score(X), "reconstructions": model.reconstruct(X) - offset}

    assert_same_outcomes(learned(X + offset, offset), learned(X, 0.0))


@pytest.mark.parametrize("kind", [Autoencoder, SparseAutoencoder, VAE])
def test_a_constant_of_each_channel_changes_nothing_for_convolutions(kind):
    network, offset = ConvNet((3, 1, 2), channels=(4,)), np.repeat([10.0, -1e4, 3.0], 2)
    estimator = kind(3, network=network, **FEW)
    assert_same_outcomes(outcome(estimator, X + offset, offset), outcome(estimator, X, 0.0))


@each_offset
def test_a_constant_changes_nothing_for_a_fit_that_goes_on(offset):
    def learned(X):
        model = small("Autoencoder", warm_start=True).fit(X)
        return model.fit(X).score(X)

    assert learned(X + offset) == pytest.approx(learned(X), abs=1e-6)


@each_form
@each_offset
def test_constants_of_rows_and_of_targets_change_nothing(offset, form):
    estimator = clone(DENSE["masking"])

    def learned(shift, target_shift):
        rows, target = form(X + shift), Y + target_shift
        model = clone(estimator).fit(rows, target=target)
        reconstructions = model.reconstruct(rows) - target_shift
        return {"score": model.score(rows, target=target), "reconstructions": reconstructions}

    expected = learned(0.0, 0.0)
    for shifts in ((offset, 0.0), (0.0, 1e4), (offset, [-20.0, 1e4])):
        assert_same_outcomes(learned(*shifts), expected)


# The public numbers hold the origin.


def multiplied_out(layers, x, activations):
    for (weight, bias), activation in zip(layers, activations, strict=True):
        x = ACTIVATIONS[activation].function(torch.tensor(x @ weight + bias)).numpy()
    return x


def halves(estimator):
    """The layers of encoder and decoder, pairs (weight, bias), without second heads."""
    perceptron = estimator._perceptron
    layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    n_encoder = len(perceptron.encoder_activations)
    encoder, decoder = layers[:n_encoder], layers[n_encoder:]
    for its, width in ((encoder, estimator.n_components_), (decoder, perceptron.n_outputs)):
        its[-1] = tuple(table[..., :width] for table in its[-1])
    return encoder, decoder


@each_dense_one
def test_weights_and_biases_multiplied_out_are_codes_and_reconstructions(estimator):
    rows = X + 100.0
    model = clone(estimator).fit(rows)
    encoder, decoder = halves(model)
    *hidden, code = model._perceptron.encoder_activations
    if getattr(model, "sparsity", "") == "topk":
        code = code.activation
    codes = multiplied_out(encoder, rows, (*hidden, code))
    if getattr(model, "sparsity", "") == "topk":
        codes *= codes >= np.sort(codes, axis=1)[:, -model.n_active, None]
    np.testing.assert_allclose(model.transform(rows), codes, rtol=1e-9, atol=1e-9)
    activations = (*model._perceptron.decoder_activations[:-1], "identity")
    reconstructions = multiplied_out(decoder, codes, activations)
    np.testing.assert_allclose(model.inverse_transform(codes), reconstructions, rtol=1e-9)
    np.testing.assert_allclose(model.reconstruct(rows), reconstructions, rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in SUPERVISED if "convolutions" not in name])
def test_weights_and_biases_multiplied_out_are_predictions(name):
    model, rows = clone(SUPERVISED[name]), X + 100.0
    y = target_of(model)
    model.fit(rows, *y)
    *_, weight, bias = model.coefs_[-1], model.intercepts_[-1]
    output = model.transform(rows) @ weight + bias
    if isinstance(model, AutoencoderClassifier):
        np.testing.assert_allclose(model.predict_proba(rows), softmax(output, axis=1), rtol=1e-9)
    else:
        np.testing.assert_allclose(model.predict(rows), output, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "estimator", [*AUTOENCODERS.values(), *SUPERVISED.values()], ids=[*AUTOENCODERS, *SUPERVISED]
)
def test_the_encoder_as_a_module_is_transform(estimator):
    rows = X + 100.0
    model = clone(estimator).fit(rows, *target_of(estimator))
    with torch.no_grad():
        codes = model.encoder_(torch.tensor(rows))
    codes = codes[0] if isinstance(codes, tuple) else codes
    np.testing.assert_allclose(model.transform(rows), codes, rtol=1e-9, atol=1e-9)


@each_with_gaps
def test_the_encoder_as_a_module_takes_gaps(estimator):
    rows = GAPS + 100.0
    model = clone(estimator).fit(rows)
    with torch.no_grad():
        codes = model.encoder_(torch.tensor(rows))
    np.testing.assert_allclose(model.transform(rows), codes, rtol=1e-9, atol=1e-9)


# The origin: whose mean it is, and that it is no weight.


def origin(estimator):
    return estimator._fitted_network().origin.numpy()


def expected_origin(estimator, rows):
    """The columns' means; for a code that is an image, the same at all of its pixels."""
    first = getattr(estimator, "estimators_", [estimator])[0]
    means = rows.mean(axis=0)
    return np.full_like(means, means.mean()) if first._perceptron.image else means


@each_autoencoder
def test_the_origin_is_the_mean_of_the_rows_trained_on(estimator):
    rows = X + 5.0
    model = clone(estimator).set_params(alpha=0.5, early_stopping=False).fit(csr_matrix(rows))
    np.testing.assert_allclose(origin(model), expected_origin(model, rows), rtol=1e-12)


@pytest.mark.parametrize("name", BY_EPOCHS)
def test_partial_fit_keeps_the_first_batchs_mean(name):
    first, second = X[:20] + 5.0, X[20:] - 3.0
    model = clone(AUTOENCODERS[name]).set_params(alpha=0.5).partial_fit(first)
    begun = origin(model).copy()
    np.testing.assert_allclose(begun, expected_origin(model, first), rtol=1e-12)
    np.testing.assert_array_equal(origin(model.partial_fit(second)), begun)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("name", ["plain", "contractive", "masking", "VAE", "stack", "kl"])
def test_the_origin_stays_where_it_is_whatever_the_solver(name, solver):
    first, second = X[:30] + 5.0, X - 3.0
    model = clone(AUTOENCODERS[name]).set_params(solver=solver, alpha=0.5, warm_start=True)
    begun = origin(model.fit(first)).copy()
    np.testing.assert_allclose(begun, first.mean(axis=0), rtol=1e-12)
    before = model.coefs_
    np.testing.assert_array_equal(origin(model.fit(second)), begun)
    assert not np.array_equal(before[0], model.coefs_[0])
    model.set_params(warm_start=False).fit(second)
    np.testing.assert_allclose(origin(model), second.mean(axis=0), rtol=1e-12)


@each_dense_one
def test_the_origin_is_neither_counted_nor_decayed(estimator):
    model = clone(estimator).set_params(alpha=0.0).fit(X + 5.0)
    perceptron = model._perceptron
    n_tied = sum(w.size for w in model.coefs_[len(perceptron.tied) :]) * any(perceptron.tied)
    numbers = sum(a.size for a in (*model.coefs_, *model.intercepts_)) - n_tied
    assert perceptron.n_parameters == numbers + perceptron.n_extra

    network = Network(perceptron, torch.tensor(model._state.weights))
    before = network.origin.clone()
    for part in perceptron.layout.weights.values():
        network.flat[part] = 0.0
    np.testing.assert_array_equal(network.origin, before)


def test_rows_held_out_have_no_part_in_the_origin():
    """Whichever they are: the sum of six rows is what is missing from that of all."""
    model = clone(AUTOENCODERS["plain"]).set_params(early_stopping=True).fit(IDENTIFIED)
    missing = IDENTIFIED.sum(axis=0) - 54 * origin(model)
    held_out = np.flatnonzero(np.round(missing))
    assert len(held_out) == 6
    np.testing.assert_allclose(missing, np.isin(np.arange(60), held_out), atol=1e-9)


def test_the_origin_of_gaps_is_the_mean_of_observed_cells():
    model = clone(AUTOENCODERS["masking"]).fit(GAPS + 5.0)
    expected = [*np.nanmean(GAPS + 5.0, axis=0), *np.zeros(6)]
    np.testing.assert_allclose(origin(model), expected, rtol=1e-12)


@pytest.mark.parametrize("gaps", [False, True])
def test_the_origin_of_a_code_that_is_an_image_is_the_mean_of_each_channel(gaps):
    network = ConvNet((3, 1, 2), channels=(4,), code="image")
    rows = (GAPS if gaps else X) + np.repeat([10.0, -1e4, 3.0], 2)
    model = DenoisingAutoencoder(3, network=network, **FEW).fit(rows)
    means = np.nanmean(rows, axis=0).reshape(3, 2).mean(axis=1).repeat(2)
    np.testing.assert_allclose(origin(model), [*means, *np.zeros(6)] if gaps else means, rtol=1e-12)


def test_a_column_without_an_observed_cell_has_the_origin_zero():
    rows = GAPS + 5.0
    rows[:, 2] = np.nan
    with pytest.warns(UserWarning, match=r"Columns \[2\] have no observed value"):
        model = clone(AUTOENCODERS["masking"]).fit(rows)
    assert origin(model)[2] == 0.0 and np.isfinite(model.reconstruct(rows)).all()


def test_the_origin_of_counts_is_the_mean_of_their_logarithms():
    model = Autoencoder(3, loss="categorical_cross_entropy", **FEW).fit(COUNTS)
    np.testing.assert_allclose(origin(model), np.log1p(COUNTS).mean(axis=0), rtol=1e-12)


# An untrained network answers its origin with the best constant.


def answer(estimator, at):
    """The reconstruction of the row that is the origin."""
    return estimator.reconstruct(at.reshape(1, -1))[0]


@pytest.mark.parametrize("hidden", [(), (8,), (8, 5)], ids=str)
@pytest.mark.parametrize("form", [np.asarray, csr_matrix], ids=["dense", "CSR"])
@pytest.mark.parametrize("kind", [Autoencoder, DenoisingAutoencoder, ContractiveAutoencoder, VAE])
def test_numbers_start_at_their_means(kind, hidden, form):
    rows = X + 7.0
    model = kind(3, hidden_layer_sizes=hidden, activation="tanh", **STILL).fit(form(rows))
    np.testing.assert_allclose(answer(model, rows.mean(axis=0)), rows.mean(axis=0), rtol=1e-9)


def logits(X):
    observed = (~np.isnan(X)).sum(axis=0)
    sums = np.nansum(X, axis=0)
    return np.log((sums + 0.5) / (observed - sums + 0.5))


@pytest.mark.parametrize("form", [np.asarray, csr_matrix], ids=["dense", "CSR"])
@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(3, loss="binary_cross_entropy"),
        SparseAutoencoder(8, loss="binary_cross_entropy"),
        DenoisingAutoencoder(3, loss="binary_cross_entropy"),
        ContractiveAutoencoder(3, loss="binary_cross_entropy"),
        VAE(3, likelihood="bernoulli"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_probabilities_start_at_the_frequencies(estimator, form):
    ones = (UNIT > 0.8).astype(float)
    ones[:, 1], ones[:, 4] = 0.0, 1.0  # the best constant would be infinite
    for rows in (UNIT, ones):
        model = clone(estimator).set_params(**STILL).fit(form(rows))
        expected = expit(logits(rows))
        np.testing.assert_allclose(answer(model, rows.mean(axis=0)), expected, rtol=1e-9)
        # Away from there it is nearly so: the first loss is about that of the constant.
        entropies = -(rows * np.log(expected) + (1 - rows) * np.log(1 - expected)).sum(axis=1)
        assert -model.score_samples(rows).mean() < entropies.mean() + 0.25


def test_probabilities_start_at_the_frequencies_of_observed_cells():
    rows = np.where(np.isnan(GAPS), np.nan, UNIT)
    model = DenoisingAutoencoder(3, loss="binary_cross_entropy", **STILL).fit(rows)
    unseen = np.full((1, 6), np.nan)
    np.testing.assert_allclose(model.reconstruct(unseen)[0], expit(logits(rows)), rtol=1e-9)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix], ids=["dense", "CSR"])
@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(3, loss="categorical_cross_entropy"),
        SparseAutoencoder(8, loss="categorical_cross_entropy"),
        DenoisingAutoencoder(3, loss="categorical_cross_entropy"),
        ContractiveAutoencoder(3, loss="categorical_cross_entropy"),
        VAE(3, likelihood="categorical"),
    ],
    ids=lambda it: type(it).__name__,
)
@pytest.mark.parametrize("empty", [False, True])
def test_counts_start_at_their_proportions(estimator, form, empty):
    counts = COUNTS * (np.arange(6) != 2 if empty else 1.0)
    model = clone(estimator).set_params(**STILL).fit(form(counts))
    proportions = (60 * counts.sum(axis=0) / counts.sum() + 1 / 6) / 61
    at_origin = np.expm1(np.log1p(counts).mean(axis=0))
    code = model.transform(at_origin.reshape(1, -1))
    np.testing.assert_allclose(model.inverse_transform(code)[0], proportions, rtol=1e-9)


@pytest.mark.parametrize("width", [6, 2, 11])
def test_targets_start_at_their_means(width):
    target = np.random.default_rng(0).normal(3.0, size=(60, width))
    model = DenoisingAutoencoder(3, **STILL).fit(X, target=target)
    np.testing.assert_allclose(answer(model, X.mean(axis=0)), target.mean(axis=0), rtol=1e-9)
    target[:20, 0] = np.nan
    model.fit(X, target=target)
    expected = np.nanmean(target, axis=0)
    np.testing.assert_allclose(answer(model, X.mean(axis=0)), expected, rtol=1e-9)


@pytest.mark.parametrize("code", ["vector", "image"])
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_a_convolution_starts_at_the_mean_of_each_channel(loss, code):
    model = Autoencoder(2, network=AnyWidth(code), loss=loss, **STILL).fit(UNIT)
    found = answer(model, expected_origin(model, UNIT))
    if loss == "squared_error":
        assert found.mean() == pytest.approx(UNIT.mean(), rel=1e-9)
    else:
        expected = logits(UNIT).mean()
        assert np.log(found / (1 - found)).mean() == pytest.approx(expected, rel=1e-9)


PRIOR_OF_HEADS = [AUTOENCODERS["stack"], AUTOENCODERS["plain"], AUTOENCODERS["plain, convolutions"]]


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("autoencoder", PRIOR_OF_HEADS, ids=["stack", "plain", "convolutions"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 3.0}], ids=str)
def test_a_classifier_starts_at_the_frequencies_of_classes(autoencoder, fine_tune, class_weight):
    y = np.repeat(["a", "b", "c"], [30, 12, 8])
    unlabeled = np.full(10, "?")
    labelled, rows = X[:50], X + 5.0
    model = AutoencoderClassifier(
        autoencoder, unlabeled="?", class_weight=class_weight, fine_tune=fine_tune, **STILL
    ).fit(rows, np.concatenate([y, unlabeled]))
    weights = {None: [30, 12, 8], "balanced": [1, 1, 1]}.get(
        class_weight if isinstance(class_weight, str | None) else 0, [90, 12, 8]
    )
    frequencies = np.array(weights) / np.sum(weights)
    expected = (50 * frequencies + 1 / 3) / 51
    found = predicted_at_the_mean_code(model, labelled + 5.0)
    np.testing.assert_allclose(softmax(found), expected, rtol=1e-6)


def predicted_at_the_mean_code(model, rows):
    """What the output layer makes of the mean code of these rows."""
    network = model._fitted_network()
    weight, bias = network.decoder_layers[-1][:2]
    return weight.numpy() @ model.transform(rows).mean(axis=0) + bias.numpy()


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("autoencoder", PRIOR_OF_HEADS, ids=["stack", "plain", "convolutions"])
@pytest.mark.parametrize("lacks", [False, True])
def test_a_regressor_starts_at_the_mean_of_y(autoencoder, fine_tune, lacks):
    y = Y * [3.0, 0.1] + [1000.0, -7.0]
    if lacks:
        y[40:] = np.nan
        y[:5, 0] = np.nan
    model = AutoencoderRegressor(autoencoder, fine_tune=fine_tune, **STILL).fit(X, y)
    labelled = X[:40] if lacks else X
    found = predicted_at_the_mean_code(model, labelled)
    found = (found - np.nanmean(y, axis=0)) / np.nanstd(y, axis=0)
    np.testing.assert_allclose(found, 0.0, atol=1e-6)
    deviations = (model.predict(X).mean(axis=0) - np.nanmean(y, axis=0)) / np.nanstd(y, axis=0)
    assert np.abs(deviations).max() < 0.25


# Principal components.


def table(n, d, seed=0):
    """Rows with a few long directions, not centred."""
    rng = np.random.default_rng(seed)
    scales = np.concatenate([3.0 / np.arange(1, min(n, d) + 1), np.full(d - min(n, d), 0.1)])
    return rng.normal(size=(n, d)) * scales @ rng.normal(size=(d, d)) + 4.0


def explained(model, X):
    return r2_score(X, model.reconstruct(X), multioutput="variance_weighted")


def by_components(X, n_components):
    n_components = min(n_components, *X.shape)
    return PCA(n_components, svd_solver="full").fit(X).explained_variance_ratio_.sum()


LINEAR = ["identity", "relu", "gelu", "softplus"]
HIDDEN = [(), (24,), (40, 24), (24, 40, 33)]
each_linear = pytest.mark.parametrize("activation", LINEAR)
each_depth = pytest.mark.parametrize("hidden", HIDDEN, ids=str)
VARIANCES = ["shared", "per_feature", "heteroscedastic", 0.1]
NEARLY = 1e-5  # as other units have a faint effect


@each_form
@each_linear
@each_depth
@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_a_network_starts_as_pca(kind, hidden, activation, form):
    rows = table(60, 12)
    model = kind(5, hidden_layer_sizes=hidden, activation=activation, **STILL).fit(form(rows))
    assert explained(model, rows) == pytest.approx(by_components(rows, 5), abs=NEARLY)


@each_linear
@pytest.mark.parametrize(("n", "d", "n_components"), [(60, 12, 1), (60, 12, 12), (60, 3, 6)])
@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_a_network_starts_as_pca_whatever_the_width_of_its_code(
    kind, n, d, n_components, activation
):
    rows = table(n, d)
    model = kind(n_components, hidden_layer_sizes=(50,), activation=activation, **STILL).fit(rows)
    assert explained(model, rows) == pytest.approx(by_components(rows, n_components), abs=NEARLY)


@pytest.mark.parametrize(("n", "d"), [(2, 5), (7, 40), (40, 40), (30, 200)])
@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_few_rows_are_reconstructed_wholly(kind, n, d):
    rows = table(n, d)
    model = kind(40, hidden_layer_sizes=(200,), **STILL).fit(rows)
    assert explained(model, rows) == pytest.approx(1.0, abs=NEARLY)


@each_linear
@pytest.mark.parametrize("variance", VARIANCES)
def test_a_vae_starts_as_pca_whatever_the_noise(variance, activation):
    rows = table(60, 12)
    asked = {"hidden_layer_sizes": (24,), "activation": activation, "noise_variance": variance}
    model = VAE(5, **asked, **STILL).fit(rows)
    assert explained(model, rows) == pytest.approx(by_components(rows, 5), abs=NEARLY)


def test_codes_start_as_principal_components():
    rows = table(60, 12)
    pca = PCA(5).fit(rows)
    codes = Autoencoder(5, hidden_layer_sizes=(24,), **STILL).fit(rows).transform(rows)
    np.testing.assert_allclose(np.abs(codes), np.abs(pca.transform(rows)), atol=1e-2)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_codes_of_a_vae_start_with_the_variance_of_the_prior(scale):
    rows = scale * table(60, 12)
    model = VAE(5, hidden_layer_sizes=(24,), **STILL).fit(rows)
    mean, std = model.posterior(rows)
    np.testing.assert_allclose(mean.mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(mean.std(axis=0), 1.0, rtol=1e-9)
    expected = PCA(5, whiten=True).fit(rows).transform(rows) * np.sqrt(60 / 59)
    np.testing.assert_allclose(np.abs(mean), np.abs(expected), rtol=1e-6, atol=1e-9)
    # Narrow, and the narrower the more a component says.
    assert (np.diff(std[0]) > 0).all() and std.max() < 1.0


@pytest.mark.parametrize(
    ("hidden", "n_linear"), [((12,), 3), ((40, 10), 2), ((16, 40), 4), ((4,), 1)], ids=str
)
@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_a_narrow_hidden_layer_carries_a_quarter_of_its_width(kind, hidden, n_linear):
    rows = table(60, 12)
    model = kind(8, hidden_layer_sizes=hidden, **STILL).fit(rows)
    assert explained(model, rows) == pytest.approx(by_components(rows, n_linear), abs=NEARLY)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_column_and_one_row_are_no_error(dtype):
    for rows in (table(20, 5), np.ones((1, 5)), np.ones((20, 5))):
        rows = rows.astype(dtype)
        rows[:, 1] = 3.0
        for kind in (Autoencoder, VAE):
            reconstructions = kind(3, hidden_layer_sizes=(16,), **STILL).fit(rows).reconstruct(rows)
            np.testing.assert_allclose(reconstructions[:, 1], 3.0, rtol=1e-4)


def test_a_large_table_starts_at_components_of_some_of_its_rows(monkeypatch):
    monkeypatch.setattr("skae._base.ROWS_FOR_COMPONENTS", 200)
    rows = table(2000, 12)
    found = explained(Autoencoder(3, hidden_layer_sizes=(24,), **STILL).fit(rows), rows)
    assert by_components(rows, 3) - 0.02 < found < by_components(rows, 3)


@pytest.mark.parametrize(
    "estimator",
    [
        DenoisingAutoencoder(5, code_activation="identity", hidden_layer_sizes=(24,)),
        ContractiveAutoencoder(5, code_activation="identity", tied_weights=False),
        SparseAutoencoder(5, sparsity="l1", sparsity_weight=0.0, code_activation="identity"),
        StackedAutoencoder((8, 5), estimator=Autoencoder(hidden_layer_sizes=(40,), **STILL)),
    ],
    ids=lambda it: type(it).__name__,
)
def test_other_classes_start_as_pca_where_they_can(estimator):
    rows = table(60, 12)
    model = clone(estimator).set_params(**STILL).fit(rows)
    assert explained(model, rows) == pytest.approx(by_components(rows, 5), abs=NEARLY)


# Networks that cannot carry a number through, or whose loss is another one.
OTHERS = {
    "tanh": Autoencoder(5, hidden_layer_sizes=(24,), activation="tanh"),
    "logistic": Autoencoder(5, hidden_layer_sizes=(24,), activation="logistic"),
    "elu": Autoencoder(5, hidden_layer_sizes=(24,), activation="elu"),
    "tied": Autoencoder(5, hidden_layer_sizes=(24,), tied_weights=True),
    "relu code": Autoencoder(5, hidden_layer_sizes=(24,), code_activation="relu"),
    "logistic code": DenoisingAutoencoder(5, hidden_layer_sizes=(24,)),
    "tied logistic code": DenoisingAutoencoder(5, tied_weights=True),
    "sparse logistic code": SparseAutoencoder(5),
    "narrow": Autoencoder(5, hidden_layer_sizes=(3,)),
    "network": Autoencoder(5, hidden_layer_sizes=(24,), network=AnyWidth()),
    "tanh VAE": VAE(5, hidden_layer_sizes=(24,), activation="tanh"),
    "tied VAE": VAE(5, hidden_layer_sizes=(24,), tied_weights=True),
    "network VAE": VAE(5, hidden_layer_sizes=(24,), network=AnyWidth()),
}


@pytest.mark.parametrize("estimator", OTHERS.values(), ids=OTHERS)
def test_others_start_at_random(estimator):
    rows = table(60, 12)
    model = clone(estimator).set_params(**STILL).fit(rows)
    assert explained(model, rows) < 0.5 * by_components(rows, 5)


SATURATING = {
    "logistic": Autoencoder(5, hidden_layer_sizes=(), code_activation="logistic"),
    "tanh": Autoencoder(5, hidden_layer_sizes=(), code_activation="tanh"),
    "contractive": ContractiveAutoencoder(5, tied_weights=False),
    "not penalized": SparseAutoencoder(5, sparsity_weight=0.0),
    "no noise": DenoisingAutoencoder(5, corruption=None),
    "a stack's": StackedAutoencoder(5, estimator=DenoisingAutoencoder(corruption=None, **STILL)),
    "a stack's upper one": StackedAutoencoder(
        (8, 5),
        estimator=[Autoencoder(hidden_layer_sizes=(40,), **STILL), DenoisingAutoencoder(**STILL)],
    ),
}


@each_form
@pytest.mark.parametrize("estimator", SATURATING.values(), ids=SATURATING)
def test_a_narrow_code_that_saturates_starts_near_pca(estimator, form):
    rows = table(60, 12)
    model = clone(estimator).set_params(**STILL).fit(form(rows))
    assert 0.97 * by_components(rows, 5) < explained(model, rows) < by_components(rows, 5)


@pytest.mark.parametrize(("name", "factor"), [("logistic", 2.0), ("tanh", 1.0)])
def test_its_units_are_a_rotation_of_components(name, factor):
    """Their inputs vary enough for a slope, and hardly bend."""
    rows = table(60, 12)
    model = clone(SATURATING[name]).set_params(**STILL).fit(rows)
    directions = PCA(5).fit(rows).components_
    np.testing.assert_allclose(subspace_angles(model.coefs_[0], directions.T), 0.0, atol=1e-6)
    lengths = np.linalg.svd(model.coefs_[0])[1]
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-9)
    deviations = ((rows - rows.mean(axis=0)) @ model.coefs_[0]).std(axis=0)
    assert np.square(deviations).mean() == pytest.approx((0.35 * factor) ** 2)
    assert deviations.max() < 4 * deviations.min()


@pytest.mark.parametrize("level", [0.0, 0.5, 2.0, 4.0])
def test_its_decoder_is_a_wiener_filter_of_noisy_rows(level):
    """Of components with variance v, the share v / (v + level^2) remains."""
    rows = table(4000, 12)
    noise = {"corruption": "gaussian", "corruption_level": level}
    model = DenoisingAutoencoder(5, **noise, **STILL).fit(rows)
    pca = PCA(5).fit(rows)
    factors = pca.explained_variance_ / (pca.explained_variance_ + level**2)
    noisy = model.corrupt(rows, random_state=1)
    filtered = pca.mean_ + pca.transform(noisy) * factors @ pca.components_
    of_model, of_filter = (
        r2_score(rows, found, multioutput="variance_weighted")
        for found in (model.reconstruct(noisy), filtered)
    )
    assert of_filter - 0.01 < of_model < of_filter + 0.001


def test_it_leaves_out_components_that_say_nothing_of_the_target():
    """They stay as they are drawn, and do not affect the reconstruction."""
    rng = np.random.default_rng(0)
    rows, noise = table(200, 12), rng.normal(size=(200, 12))
    model = DenoisingAutoencoder(5, **STILL).fit(rows, target=noise)
    assert explained(model, rows) < 0.2
    known = DenoisingAutoencoder(5, corruption=None, **STILL).fit(rows, target=rows)
    same = DenoisingAutoencoder(5, corruption=None, **STILL).fit(rows)
    np.testing.assert_allclose(known.coefs_[0], same.coefs_[0], rtol=1e-12)


def test_probabilities_start_near_components():
    """With the slope of the logistic function at each mean, so less than with the squared error."""
    rows = expit(0.5 * table(200, 12) - 2.0)
    asked = {"hidden_layer_sizes": (), "code_activation": "logistic", **STILL}
    model = Autoencoder(5, loss="binary_cross_entropy", **asked).fit(rows)
    assert explained(model, rows) > 0.8 * by_components(rows, 5)


@pytest.mark.parametrize("rows", [np.ones((1, 5)), np.ones((20, 5)), table(2, 5), np.eye(40)])
def test_a_code_that_saturates_starts_with_any_rows(rows):
    model = DenoisingAutoencoder(3, corruption=None, **STILL).fit(rows)
    assert explained(model, rows) > -1e-9 if len(rows) > 1 else np.isfinite(model.loss_)


def test_with_a_target_a_network_starts_at_random():
    rows, asked = table(60, 12), {"code_activation": "identity", "hidden_layer_sizes": (24,)}
    model = DenoisingAutoencoder(5, **asked, **STILL).fit(rows, target=rows)
    assert explained(model, rows) < 0.5 * by_components(rows, 5)


def test_with_gaps_a_network_starts_at_random():
    rows, asked = table(60, 12), {"code_activation": "identity", "hidden_layer_sizes": (24,)}
    gaps = np.where(np.random.default_rng(0).uniform(size=rows.shape) < 0.1, np.nan, rows)
    model = DenoisingAutoencoder(5, **asked, **STILL).fit(gaps)
    assert model.score(gaps) < 0.5 * by_components(rows, 5)


# Counts: the encoder has their logarithms, whoever asks it.

COUNTING = {
    "plain": Autoencoder(3, loss="categorical_cross_entropy"),
    "sparse": SparseAutoencoder(8, loss="categorical_cross_entropy"),
    "denoising": DenoisingAutoencoder(3, loss="categorical_cross_entropy"),
    "contractive": ContractiveAutoencoder(3, loss="categorical_cross_entropy"),
    "VAE": VAE(3, likelihood="categorical"),
    "stack": StackedAutoencoder(
        (5, 3), estimator=[Autoencoder(loss="categorical_cross_entropy", **FEW), SQUARED]
    ),
    "network": Autoencoder(3, loss="categorical_cross_entropy", network=AnyWidth()),
    "network VAE": VAE(3, likelihood="categorical", network=AnyWidth()),
    "stack with a network": StackedAutoencoder(
        (2, 3),
        estimator=[
            Autoencoder(loss="categorical_cross_entropy", network=AnyWidth("image"), **FEW),
            SQUARED,
        ],
    ),
}
each_counting = pytest.mark.parametrize("estimator", COUNTING.values(), ids=COUNTING)


@each_counting
def test_the_encoder_as_a_module_takes_counts(estimator):
    model = clone(estimator).set_params(**FEW)
    for its in (model, AutoencoderClassifier(model, **FEW)):
        its.fit(COUNTS, LABELS)
        with torch.no_grad():
            codes = its.encoder_(torch.tensor(COUNTS))
        codes = codes[0] if isinstance(codes, tuple) else codes
        np.testing.assert_allclose(its.transform(COUNTS), codes, rtol=1e-9, atol=1e-9)


@each_counting
def test_counts_may_be_sparse(estimator):
    model = clone(estimator).set_params(**FEW).fit(COUNTS)
    other = clone(estimator).set_params(**FEW).fit(csr_matrix(COUNTS))
    np.testing.assert_allclose(other.transform(COUNTS), model.transform(COUNTS), rtol=1e-9)
    assert other.score(csr_matrix(COUNTS)) == pytest.approx(model.score(COUNTS), rel=1e-9)


@pytest.mark.parametrize("name", ["plain", "sparse", "denoising", "contractive", "VAE", "stack"])
def test_codes_of_counts_multiplied_out(name):
    model = clone(COUNTING[name]).set_params(**FEW).fit(COUNTS)
    encoder, _ = halves(model)
    codes = multiplied_out(encoder, np.log1p(COUNTS), model._perceptron.encoder_activations)
    np.testing.assert_allclose(model.transform(COUNTS), codes, rtol=1e-9, atol=1e-9)


JACOBIANS = {
    "one layer": {},
    "two layers": {"hidden_layer_sizes": (7,), "activation": "tanh"},
    "three layers": {"hidden_layer_sizes": (7, 9), "tied_weights": False},
    "convolutions": {"network": AnyWidth(), "tied_weights": False},
    "image code": {"network": AnyWidth("image"), "tied_weights": False},
    "Hutchinson": {"jacobian_method": "hutchinson"},
}


@pytest.mark.parametrize("params", JACOBIANS.values(), ids=JACOBIANS)
@pytest.mark.parametrize("loss", ["categorical_cross_entropy", "squared_error"])
def test_the_jacobian_is_jacrevs_of_the_encoder(loss, params):
    rows = COUNTS if loss == "categorical_cross_entropy" else X + 100.0
    model = ContractiveAutoencoder(3, loss=loss, **params, **FEW).fit(rows)
    encoder = model.encoder_
    jacobians = vmap(jacrev(lambda row: encoder(row.unsqueeze(0)).squeeze(0)))
    expected = jacobians(torch.tensor(rows)).detach().numpy()
    jacobian = model.jacobian(rows)
    np.testing.assert_allclose(jacobian, expected, rtol=1e-9, atol=1e-12)
    norms = np.square(expected).sum(axis=(1, 2))
    np.testing.assert_allclose(model.jacobian_norm(rows), norms, rtol=1e-9)
