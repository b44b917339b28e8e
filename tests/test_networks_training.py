"""Fits of networks: the same bits, going on, saving, what trains them."""

import pickle
import random
from copy import deepcopy

import joblib
import numpy as np
import pytest
import torch
from helpers import (
    NEVER_STOP,
    AnyWidth,
    assert_same_fit,
    in_threads,
    is_public,
    may_be_dead,
    may_collapse,
)
from scipy.sparse import csr_array
from small_networks import (
    CONV,
    FAST,
    IMAGE,
    KINDS,
    NETWORKS,
    STACKS,
    Normalized,
    X,
    both_codes,
    both_dtypes,
    conv,
    encoded,
    every_kind,
    every_network,
    of_kind,
    paired,
    parameters,
    stacked,
)

from skae import Autoencoder
from skae._engine.data import split_rows
from skae.networks import ConvNet

pytestmark = [
    may_be_dead,
    may_collapse,
    pytest.mark.filterwarnings("ignore:The samples show no structure:UserWarning"),
]


# Determinism.


kinds_and_networks = paired(NETWORKS)


@kinds_and_networks
def test_torchs_default_device_does_not_matter(kind, network):
    expected = of_kind(kind, network).fit(X)
    with torch.device("meta"):
        estimator = of_kind(kind, network).fit(X)
    assert_same_fit(estimator, expected)


@kinds_and_networks
def test_the_same_seed_gives_the_same_bits(kind, network):
    one, same, other = (of_kind(kind, network, random_state=seed).fit(X) for seed in (1, 1, 2))
    assert_same_fit(one, same)
    assert not np.array_equal(one._state.weights, other._state.weights)


@every_network
def test_fits_in_threads_are_those_alone(network):
    def fit(number):
        model = of_kind("Autoencoder", network, random_state=number % 2, max_iter=3).fit(X)
        return model, model.transform(X)

    expected = [fit(number) for number in range(2)]
    before = torch.get_rng_state()
    for number, (model, codes) in enumerate(in_threads(4, fit)):
        assert_same_fit(model, expected[number % 2][0])
        np.testing.assert_array_equal(codes, expected[number % 2][1])
    assert torch.equal(torch.get_rng_state(), before)


@kinds_and_networks
def test_global_generators_are_neither_read_nor_changed(kind, network):
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        estimator = of_kind(kind, network).fit(X)
        estimator.partial_fit(X).transform(X)
        estimator.inverse_transform(estimator.transform(X))
        assert torch.equal(torch.get_rng_state(), states[0])
        np.testing.assert_array_equal(np.random.get_state()[1], states[1])
        assert random.getstate() == states[2]
        results.append(estimator)
    assert_same_fit(*results)


def test_failures_leave_the_global_generator_as_it_was():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with pytest.raises(ValueError):
        Autoencoder(network=ConvNet((1, 5, 5)), **FAST).fit(X)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def double_by_default():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="module")
def expected_fits():
    """With torch's own default dtype."""
    return {
        (dtype, code): of_kind("Autoencoder", conv(code=code)).fit(X.astype(dtype))
        for dtype in (np.float32, np.float64)
        for code in ("vector", "image")
    }


@both_dtypes
@both_codes
def test_the_default_dtype_does_not_matter(code, dtype, expected_fits, double_by_default):
    model = of_kind("Autoencoder", conv(code=code)).fit(X.astype(dtype))
    assert_same_fit(model, expected_fits[dtype, code])
    assert encoded(model, X.astype(dtype)).dtype == torch.from_numpy(X.astype(dtype)).dtype
    assert torch.get_default_dtype() == torch.float64


@both_codes
def test_results_in_float32_are_near_those_in_float64(code):
    single, double = (of_kind("Autoencoder", conv(code=code)).fit(X.astype(t)) for t in "fd")
    np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-4)


# Going on.


@kinds_and_networks
def test_training_goes_on_exactly_through_pickle(kind, network):
    whole, parts = of_kind(kind, network), of_kind(kind, network)
    for _ in range(3):
        whole.partial_fit(X)
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X)))
    assert_same_fit(whole, parts)
    assert whole.n_iter_ == parts.n_iter_ == 3


@kinds_and_networks
def test_a_fit_is_that_many_partial_fits(kind, network):
    params = {"random_state": 1, **NEVER_STOP}  # no last epoch is so bad that fit undoes it
    whole, parts = (of_kind(kind, network, max_iter=3, **params) for _ in range(2))
    whole.fit(X)
    for _ in range(3):
        parts.partial_fit(X)
    assert_same_fit(whole, parts)
    warm = of_kind(kind, network, max_iter=1, warm_start=True, **params)
    for _ in range(3):
        warm.fit(X)
    if kind != "topk":  # whose units come back early in each fit
        assert_same_fit(whole, warm)


@kinds_and_networks
def test_a_loaded_estimator_is_equal(kind, network, tmp_path):
    estimator = of_kind(kind, network).fit(X)
    joblib.dump(estimator, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    for loaded in (pickle.loads(pickle.dumps(estimator)), deepcopy(estimator), mapped):
        assert_same_fit(loaded, estimator)
        np.testing.assert_array_equal(loaded.transform(X), estimator.transform(X))
        np.testing.assert_array_equal(loaded.score_samples(X), estimator.score_samples(X))


@kinds_and_networks
def test_gradients_switched_off_around_a_fit_do_not_matter(kind, network):
    expected = of_kind(kind, network, max_iter=1).fit(X)
    for context in (torch.no_grad(), torch.inference_mode(), torch.autocast("cpu")):
        with context:
            found = of_kind(kind, network, max_iter=1).fit(X)
            np.testing.assert_array_equal(found.transform(X), expected.transform(X))
        assert_same_fit(found, expected)


@pytest.mark.parametrize("name", ["three", "variance"])
def test_skops_keeps_networks(name):
    skops = pytest.importorskip("skops.io")
    for model in (stacked(STACKS[name]).fit(X), of_kind("topk", IMAGE).fit(X)):
        data = skops.dumps(model)
        untrusted = skops.get_untrusted_types(data=data)
        assert all(map(is_public, untrusted))
        loaded = skops.loads(data, trusted=untrusted)
        np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
        assert_same_fit(loaded.partial_fit(X), model.partial_fit(X))


def test_sparse_matrices_of_images():
    rows = np.where(X > 0.7, X, 0)
    dense, sparse = of_kind("Autoencoder").fit(rows), of_kind("Autoencoder").fit(csr_array(rows))
    assert_same_fit(dense, sparse)
    np.testing.assert_array_equal(sparse.transform(csr_array(rows)), dense.transform(rows))


def test_pickles_hold_nothing_of_torch():
    for network in (CONV, IMAGE, AnyWidth()):
        assert b"torch" not in pickle.dumps(of_kind("Autoencoder", network).fit(X))
    assert b"torch" not in pickle.dumps(stacked(STACKS["three"]).fit(X))


@every_network
def test_early_stopping_goes_back_to_the_best_weights(network):
    fit = {"early_stopping": True, "validation_fraction": 0.3, "max_iter": 8}
    model = of_kind("Autoencoder", network, learning_rate_init=0.05, **fit).fit(X)
    assert len(model.validation_loss_curve_) == model.n_iter_
    assert model.best_loss_ <= min(model.validation_loss_curve_)  # the start counts, too
    held_out = X[split_rows(len(X), 0.3, seed=0).held_out]
    loss = -model.score_samples(held_out).mean()
    assert loss == pytest.approx(model.best_loss_, rel=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("topk", "hutchinson")])
def test_lbfgs_lowers_the_loss(kind):
    network = IMAGE if kind in ("l1", "exact") else CONV
    model = of_kind(kind, network, solver="lbfgs", max_iter=5).fit(X)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert not hasattr(model, "partial_fit")


@every_network
def test_bf16_ends_near_float(network):
    rows = X.astype(np.float32)
    fit = {"max_iter": 10, "learning_rate_init": 0.01}
    exact, rounded, again = (
        of_kind("Autoencoder", network, precision=precision, **fit).fit(rows)
        for precision in ("float", "bf16", "bf16")
    )
    assert_same_fit(rounded, again)
    assert rounded.loss_curve_ != exact.loss_curve_
    assert rounded.loss_ == pytest.approx(exact.loss_, rel=0.1)
    assert rounded.transform(rows).dtype == np.float32


@every_kind
def test_every_kind_trains_in_bf16(kind):
    model = of_kind(kind, precision="bf16").fit(X.astype(np.float32))
    assert np.isfinite(model.loss_) and np.isfinite(model.score(X))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_weight_decay_is_of_weights_and_not_of_biases(solver):
    """Nothing but it moves weights of a network whose input and output are zero."""
    zeros = np.zeros((40, 48))
    shared = {"solver": solver, "batch_size": 40, "learning_rate_init": 1e-3, "max_iter": 1}
    still, decayed = (
        Autoencoder(3, network=conv(), alpha=alpha, random_state=0, **shared).fit(zeros)
        for alpha in (0.0, 1000.0)
    )
    pairs = [*zip(parameters(still), parameters(decayed), strict=True)]
    for without, with_decay in pairs:
        if without.ndim >= 2:
            assert with_decay.norm() < without.norm()
        elif solver == "sgd":
            torch.testing.assert_close(with_decay, without)


def test_the_decay_is_part_of_the_loss(squared_errors):
    still = {"max_iter": 1, "learning_rate_init": 1e-12, "batch_size": 60}
    model = of_kind("Autoencoder", Normalized(), alpha=0.3, **still).fit(X)
    weights = [p.detach() for p in parameters(model) if p.ndim >= 2]
    decay = 0.15 * sum(float(w.square().sum()) for w in weights)
    expected = squared_errors(X, model.reconstruct(X)).mean() + decay
    assert model.loss_ == pytest.approx(expected, rel=1e-6)
