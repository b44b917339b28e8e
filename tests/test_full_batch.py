"""L-BFGS: one function of the weights, minimised over all rows at once."""

import pickle
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
import torch
from helpers import (
    BERNOULLI,
    SMALL,
    UNIT_X,
    X,
    assert_not_fitted,
    assert_same_fit,
    each_of_any_numbers,
    fitted_state,
    may_collapse,
    run_python,
    small,
    weights,
)
from scipy.sparse import csr_array, csr_matrix
from sklearn.decomposition import PCA

from skae import (
    VAE,
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._engine.full_batch import FullBatchTrainer
from skae._engine.streams import stream

pytestmark = may_collapse

DETERMINISTIC = ("Autoencoder", "SparseAutoencoder", "ContractiveAutoencoder", "StackedAutoencoder")
OTHERS = {
    "decay": Autoencoder(3, alpha=0.1),
    "tied": Autoencoder(3, tied_weights=True, activation="tanh"),
    "l1": SparseAutoencoder(8, sparsity="l1"),
    "l1, deep and tied": SparseAutoencoder(
        8, sparsity="l1", hidden_layer_sizes=(5,), tied_weights=True
    ),
    "gaussian": DenoisingAutoencoder(3, corruption="gaussian"),
    "swap": DenoisingAutoencoder(3, corruption="swap"),
    "deep contraction": ContractiveAutoencoder(3, hidden_layer_sizes=(5,), activation="tanh"),
    "heteroscedastic": VAE(3, noise_variance="heteroscedastic", hidden_layer_sizes=(5,)),
    "iwae": VAE(3, objective="iwae", n_draws=3, hidden_layer_sizes=(5,)),
}
BUDGET = {"solver": "lbfgs", "max_iter": 5, "tol": 0.0, "random_state": 0}
every_estimator = pytest.mark.parametrize(
    "make",
    [
        *(lambda name=name: small(name, **BUDGET) for name in SMALL),
        *(lambda e=e: pickle.loads(pickle.dumps(e)).set_params(**BUDGET) for e in OTHERS.values()),
    ],
    ids=[*SMALL, *OTHERS],
)


def lbfgs(name, **params):
    return small(name, **{**BUDGET, **params})


def own_curve(estimator):
    """A stack's curve is that of its fine-tuning."""
    return np.array(estimator.loss_curve_)


def objective_at_the_weights(estimator, rows=X):
    """Over all rows, with the noise that the first fit draws."""
    noise = stream(estimator._state.seed, "noise", 0)
    with torch.no_grad():
        network = estimator._fitted_network()
        loss = estimator._objective(network, torch.tensor(rows), noise).item()
        decay = sum(np.square(c).sum() for c in estimator.coefs_)
        if getattr(estimator, "tied_weights", False):
            decay = sum(w.square().sum().item() for w in network.encoder_weights)
    return loss + 0.5 * estimator.alpha * decay


# The optimum.


@pytest.mark.parametrize("tied", [False, True])
def test_a_linear_autoencoder_reaches_pca(tied, digits):
    """Which an untied one starts at."""
    digits, shape = digits[::4], {"hidden_layer_sizes": (), "tied_weights": tied}
    linear = Autoencoder(8, **shape, solver="lbfgs", max_iter=300, tol=1e-8, random_state=0).fit(
        digits
    )
    pca = PCA(8).fit(digits)
    assert linear.score(digits) == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-3)
    residuals = digits - pca.inverse_transform(pca.transform(digits))
    least = np.square(residuals).sum(axis=1).mean()
    assert least * (1 - 1e-9) <= linear.loss_ <= least * (1 + 1e-3)


def test_it_ends_where_the_gradient_is_zero():
    """Of a smooth objective with weight decay, so that there is one."""
    estimator = Autoencoder(
        2, hidden_layer_sizes=(), alpha=0.1, solver="lbfgs", max_iter=300, tol=0.0, random_state=0
    ).fit(X)
    network = estimator._network_copy()
    parameters = [
        *network.encoder_weights,
        *network.decoder_weights,
        *network.encoder_biases,
        *network.decoder_biases,
    ]
    for parameter in parameters:
        parameter.requires_grad_()
    loss = estimator._objective(network, torch.tensor(X), None)
    loss = loss + 0.05 * sum(p.square().sum() for p in parameters if p.ndim == 2)
    gradients = torch.autograd.grad(loss, parameters)
    assert max(gradient.abs().max() for gradient in gradients) < 1e-4


def test_it_beats_as_many_epochs_of_adam():
    params = {"max_iter": 50, "activation": "tanh", "hidden_layer_sizes": (8,)}
    adam = small("Autoencoder", **params).fit(X)
    assert small("Autoencoder", **params, solver="lbfgs").fit(X).loss_ < 0.8 * adam.loss_


# The objective.


@every_estimator
def test_the_loss_never_rises(make):
    estimator = make().set_params(max_iter=30).fit(X)
    curve = own_curve(estimator)
    assert len(curve) > 5
    assert (np.diff(curve) <= 1e-12 * np.abs(curve[:-1])).all()
    assert curve[-1] < curve[0]


@every_estimator
def test_loss_is_the_full_batch_objective_at_the_weights(make):
    """One draw of noise for the whole fit: it is the objective of the last iteration too."""
    estimator = make().fit(X)
    assert estimator.loss_ == pytest.approx(objective_at_the_weights(estimator), rel=1e-9)
    assert estimator.best_loss_ == min(estimator.loss_curve_)


@each_of_any_numbers
def test_loss_is_the_full_batch_objective_of_probabilities(name):
    estimator = lbfgs(name, **BERNOULLI[name]).fit(UNIT_X)
    expected = objective_at_the_weights(estimator, UNIT_X)
    assert estimator.loss_ == pytest.approx(expected, rel=1e-9)


def test_kl_is_of_the_mean_over_all_rows():
    sparse = lbfgs("SparseAutoencoder", max_iter=20, batch_size=7).fit(X)
    codes, rho = sparse.transform(X), 0.05
    rho_j = codes.mean(axis=0)
    kl = rho * np.log(rho / rho_j) + (1 - rho) * np.log((1 - rho) / (1 - rho_j))
    error = np.square(X - sparse.reconstruct(X)).sum(axis=1).mean()
    assert sparse.loss_ == pytest.approx(error + 3.0 * kl.sum(), rel=1e-9)


def test_zero_weights_make_the_plain_autoencoder():
    plain = {**BUDGET, "code_activation": "logistic", "hidden_layer_sizes": (5,)}
    reference = Autoencoder(3, **plain).fit(X)
    for other in (
        SparseAutoencoder(3, **plain, sparsity_weight=0),
        DenoisingAutoencoder(3, **plain, corruption=None),
        ContractiveAutoencoder(3, **plain, contraction_weight=0, tied_weights=False),
    ):
        assert_same_fit(other.fit(X), reference)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hidden", [(), (16,)])
def test_l1_atoms_stay_short(hidden, tied, digits):
    shape = {"hidden_layer_sizes": hidden, "tied_weights": tied}
    sparse = SparseAutoencoder(24, sparsity="l1", **{**BUDGET, "max_iter": 25}, **shape).fit(digits)
    norms = [np.linalg.norm(atoms, axis=1) for atoms in sparse.coefs_[len(hidden) + 1 :]]
    assert max(map(np.max, norms)) <= 1 + 1e-6
    assert max(map(np.max, norms)) > 1 - 1e-6  # the bound is what holds them


# Determinism.


@each_of_any_numbers
def test_refits_are_equal(name):
    estimator = lbfgs(name).fit(X)
    assert_same_fit(lbfgs(name).fit(X), estimator)
    first = weights(estimator)
    np.testing.assert_array_equal(weights(estimator.fit(X)), first)
    assert not np.array_equal(weights(lbfgs(name, random_state=1).fit(X)), first)


FRESH = """
import random
import numpy, torch
from helpers import SMALL, X, small
random.seed(1), numpy.random.seed(2), torch.manual_seed(3)

def states():
    return torch.get_rng_state().tolist(), str(numpy.random.get_state()), random.getstate()

before, threads = states(), torch.get_num_threads()
for name in ("Autoencoder", "VAE", "StackedAutoencoder"):
    small(name, solver="lbfgs").fit(X)
    print(states() == before, torch.get_num_threads() == threads, torch.is_grad_enabled())
"""


def test_nothing_global_is_changed_even_by_the_first_fit_of_a_process():
    assert set(run_python(FRESH).split()) == {"True"}


@each_of_any_numbers
def test_nothing_global_is_changed(name):
    before = torch.get_rng_state(), str(np.random.get_state())
    lbfgs(name).fit(X)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]


# Stopping.


@each_of_any_numbers
@pytest.mark.parametrize("max_iter", [1, 4])
def test_max_iter_is_a_budget_of_iterations(name, max_iter):
    estimator = lbfgs(name, max_iter=max_iter).fit(X)
    assert len(estimator.loss_curve_) == max_iter
    pretraining = 4 if name == "StackedAutoencoder" else 0
    assert estimator.n_iter_ == max_iter + pretraining
    assert estimator.validation_loss_curve_ is None


@each_of_any_numbers
def test_an_iteration_that_improves_little_is_the_last(name):
    estimator = lbfgs(name, max_iter=50, tol=0.05).fit(X)
    curve = own_curve(estimator)
    assert 1 < len(curve) < 50
    improves = curve[1:] < curve[:-1] - 0.05 * np.abs(curve[:-1])
    assert improves[:-1].all()
    assert not improves[-1]


IGNORED = {
    "batch_size": 7,
    "shuffle": False,
    "learning_rate": "one_cycle",
    "learning_rate_init": 7.0,
    "n_iter_no_change": 3,
    "early_stopping": True,
    "validation_fraction": 0.5,
}


@each_of_any_numbers
@pytest.mark.parametrize("parameter", IGNORED)
def test_what_does_not_apply_is_ignored(name, parameter):
    tol = {"tol": 0.02, "max_iter": 20}
    estimator = lbfgs(name, **tol, **{parameter: IGNORED[parameter]}).fit(X)
    assert_same_fit(estimator, lbfgs(name, **tol).fit(X))
    assert estimator.validation_loss_curve_ is None


# Going on.


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_warm_start_goes_on_and_does_not_get_worse(name):
    estimator = lbfgs(name, warm_start=True).fit(X)
    first = list(estimator.loss_curve_)
    estimator.fit(X)
    assert estimator.loss_curve_[:5] == first
    assert len(estimator.loss_curve_) == 10
    assert estimator.loss_curve_[5] <= first[-1]
    assert estimator.loss_ < first[-1]
    assert estimator.n_iter_ == 5


@each_of_any_numbers
@pytest.mark.parametrize("solvers", [("adam", "lbfgs"), ("lbfgs", "adam"), ("sgd", "lbfgs")])
def test_the_solver_may_change(name, solvers):
    start, finish = solvers
    params = {"warm_start": True, "learning_rate_init": 1e-4}
    estimator = lbfgs(name, **params, solver=start).fit(X)
    estimator.set_params(solver=finish, max_iter=10).fit(X)
    losses = estimator.loss_curve_
    assert len(losses) > 5
    assert finish == "adam" or losses[-1] < losses[-5]


@each_of_any_numbers
def test_an_epoch_may_follow(name):
    """`partial_fit` is there once the solver has changed."""
    estimator = lbfgs(name).fit(X)
    estimator.set_params(solver="adam", learning_rate_init=1e-4).partial_fit(X)
    assert len(estimator.loss_curve_) == 6


@each_of_any_numbers
def test_there_is_no_partial_fit(name):
    estimator = lbfgs(name)
    assert not hasattr(estimator, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        _ = estimator.partial_fit
    assert hasattr(estimator.set_params(solver="adam"), "partial_fit")


@each_of_any_numbers
def test_pickle(name):
    estimator = lbfgs(name, warm_start=True).fit(X)
    stored = pickle.dumps(estimator)
    assert b"torch" not in stored
    loaded = pickle.loads(stored)
    assert_same_fit(loaded, estimator)
    np.testing.assert_array_equal(loaded.transform(X), estimator.transform(X))
    assert_same_fit(loaded.fit(X), estimator.fit(X))


# What does not go with it.


@pytest.mark.parametrize(
    "estimator, match",
    [
        (SparseAutoencoder(sparsity="topk"), "topk.*lbfgs.*l1"),
        (ContractiveAutoencoder(jacobian_method="hutchinson"), "hutchinson.*lbfgs.*exact"),
        (VAE(kl_warmup=2), "kl_warmup=2.*lbfgs.*kl_warmup=0"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_objectives_that_change_are_an_error(estimator, match):
    estimator.set_params(**BUDGET)
    with pytest.raises(ValueError, match=match):
        estimator.fit(X)
    assert_not_fitted(estimator)


def test_layers_of_a_stack_are_checked_too():
    layer = SparseAutoencoder(sparsity="topk", n_active=2, solver="lbfgs")
    with pytest.raises(ValueError, match=r"topk.*lbfgs"):
        StackedAutoencoder((5, 3), estimator=layer).fit(X)


@each_of_any_numbers
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_divergence_names_what_helps(name):
    estimator = lbfgs(name)
    if name == "StackedAutoencoder":
        estimator.set_params(estimator__solver="lbfgs")
    with pytest.raises(ValueError, match=r"diverged.*epoch 1\. Scale X"):
        estimator.fit(X * 1e200)
    assert_not_fitted(estimator)


# Interruption, and who watches.


def interrupt_in_iteration_3(monkeypatch):
    differentiate, calls = FullBatchTrainer._differentiate, []

    def interrupted(self, *args):
        calls.append(self.n_iter)
        if calls.count(2) == 1:
            raise KeyboardInterrupt
        return differentiate(self, *args)

    monkeypatch.setattr(FullBatchTrainer, "_differentiate", interrupted)


@each_of_any_numbers
def test_interrupted_in_iteration_3(name, monkeypatch):
    expected = lbfgs(name, max_iter=2).fit(X)
    interrupt_in_iteration_3(monkeypatch)
    estimator = lbfgs(name)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert_same_fit(estimator, expected)
    assert vars(estimator).keys() == vars(expected).keys()
    np.testing.assert_array_equal(estimator.transform(X), expected.transform(X))


def test_interrupted_while_going_on(monkeypatch):
    estimator = lbfgs("Autoencoder", warm_start=True).fit(X)
    before = fitted_state(estimator)

    def interrupted(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(FullBatchTrainer, "_differentiate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert fitted_state(estimator) == before


@each_of_any_numbers
def test_callbacks_see_the_iterations(name):
    doubles = pytest.importorskip("sklearn.callback.tests._utils")
    callback = doubles.RecordingCallback()
    estimator = lbfgs(name).set_callbacks(callback).fit(X)
    seen = [
        call["kwargs"]["fitted_estimator"]
        for call in callback.record
        if call["name"] == "on_fit_task_end" and call["context"].task_name == "epoch"
    ]
    assert [s.loss_ for s in seen] == estimator.loss_curve_
    for n_iter, fitted in enumerate(seen, start=1):
        assert_same_fit(fitted, lbfgs(name, max_iter=n_iter).fit(X))


@each_of_any_numbers
def test_a_callback_may_stop_it(name):
    doubles = pytest.importorskip("sklearn.callback.tests._utils")
    estimator = lbfgs(name).set_callbacks(doubles.StopFitCallback()).fit(X)
    assert len(estimator.loss_curve_) == 1


def test_verbose():
    with redirect_stdout(StringIO()) as shown:
        estimator = lbfgs("Autoencoder", verbose=True, early_stopping=True).fit(X)
    settings, *lines = shown.getvalue().splitlines()
    assert settings.startswith("[Autoencoder] 60 rows, ") and settings.count("max_iter=5") == 1
    assert len(lines) == 5
    for number, (line, loss) in enumerate(zip(lines, estimator.loss_curve_, strict=True), start=1):
        assert line.startswith(f"[Autoencoder] epoch {number}/5, loss {loss:.6g}, ")
        assert "validation" not in line


# Kinds of input.


@each_of_any_numbers
def test_float32(name):
    estimator = lbfgs(name).fit(X.astype(np.float32))
    assert {c.dtype for c in estimator.coefs_} == {np.dtype(np.float32)}
    double = lbfgs(name).fit(X.astype(np.float32).astype(np.float64))
    if name in DETERMINISTIC:  # noise is another in float32
        assert estimator.loss_curve_[0] == pytest.approx(double.loss_curve_[0], rel=1e-3)
    assert estimator.loss_ < estimator.loss_curve_[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_at_the_optimum_ends(dtype):
    """Where no step improves anything any more, in the precision that there is."""
    linear = Autoencoder(6, hidden_layer_sizes=(), solver="lbfgs", max_iter=500, random_state=0)
    linear.set_params(tol=0.0).fit(X.astype(dtype))
    assert np.isfinite(linear.loss_curve_).all()
    assert linear.n_iter_ < 500
    assert linear.loss_ < 1e-4


def test_data_that_are_reconstructed_from_the_start():
    """The gradient is zero in the first iteration."""
    estimator = Autoencoder(2, hidden_layer_sizes=(), **BUDGET).fit(np.zeros((10, 4)))
    assert estimator.loss_ == pytest.approx(0, abs=1e-6)
    assert estimator.n_iter_ <= 5


@each_of_any_numbers
@pytest.mark.parametrize("kind", [csr_matrix, csr_array])
def test_sparse_rows(name, kind):
    filled = np.where(np.abs(X) > 1, X, 0)
    dense, sparse = lbfgs(name).fit(filled), lbfgs(name).fit(kind(filled))
    np.testing.assert_allclose(weights(sparse), weights(dense), rtol=1e-9, atol=1e-9)


def test_targets():
    noisy = X + 0.1 * np.random.default_rng(2).normal(size=X.shape)
    denoising = DenoisingAutoencoder(3, corruption=None, **BUDGET).fit(noisy, target=X[:, :4])
    error = np.square(X[:, :4] - denoising.reconstruct(noisy)).sum(axis=1).mean()
    assert denoising.loss_ == pytest.approx(error)


def test_missing_cells():
    holes = np.where(np.random.default_rng(0).uniform(size=X.shape) < 0.2, np.nan, X)
    denoising = DenoisingAutoencoder(3, corruption=None, **BUDGET).fit(holes)
    error = np.nansum(np.square(holes - denoising.reconstruct(holes)), axis=1).mean()
    assert denoising.loss_ == pytest.approx(error)


def test_a_stack_is_fine_tuned_by_it(digits):
    layer = DenoisingAutoencoder(max_iter=3, batch_size=200, learning_rate_init=1e-3)
    shared = {"estimator": layer, "random_state": 0, "max_iter": 15}
    pretrained = StackedAutoencoder((16, 8), **shared, fine_tune=False).fit(digits)
    stacked = StackedAutoencoder((16, 8), **shared, solver="lbfgs").fit(digits)
    error = np.square(digits - stacked.reconstruct(digits)).sum(axis=1).mean()
    assert stacked.loss_ == pytest.approx(error)
    assert stacked.score(digits) > pretrained.score(digits) + 0.05
    codes = digits
    for fitted in stacked.estimators_:
        codes = fitted.transform(codes)
    np.testing.assert_allclose(codes, stacked.transform(digits), atol=1e-12)


def test_layers_may_be_pretrained_by_it():
    stacked = small("StackedAutoencoder", estimator__solver="lbfgs").fit(X)
    assert all(layer._state.solver == "lbfgs" for layer in stacked.estimators_)
    assert len(stacked.partial_fit(X).loss_curve_) == 5
    never_pretrained = small("StackedAutoencoder", estimator__solver="lbfgs").partial_fit(X)
    assert len(never_pretrained.loss_curve_) == 1
