"""Autoencoders of one's own: the list of hooks, and the page's two examples."""

import ast
import importlib
import inspect
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import EQUIVALENCES, NEVER_STOP, X, assert_not_fitted, assert_same_fit, normal
from sklearn.utils.estimator_checks import check_estimator

import skae
from skae.base import BaseAutoencoder

SNIPPETS = Path(__file__).parents[1] / "docs/snippets"
SHORT = {"max_iter": 5, "random_state": 0}


@pytest.fixture(scope="module", autouse=True)
def importable():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SNIPPETS)
        yield
    for path in SNIPPETS.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def robust():
    return importlib.import_module("robust").RobustAutoencoder


@pytest.fixture
def wasserstein():
    return importlib.import_module("wasserstein")


# The list of hooks.

LIST = re.findall(r"^`(_\w+)(?:\((.*)\))?`$", inspect.getdoc(BaseAutoencoder), re.MULTILINE)
HOOKS = [name for name, _ in LIST]
VARIANTS = [
    skae.Autoencoder,
    skae.SparseAutoencoder,
    skae.DenoisingAutoencoder,
    skae.ContractiveAutoencoder,
    skae.VAE,
]
NO_HOOKS = {
    # What every variant has, which is no choice.
    "_objective",
    "_parameter_constraints",
    # scikit-learn's.
    "_sklearn_auto_wrap_output_keys",
    # VAE: its `loss` is called `likelihood`.
    "_output_parameter",
    # SparseAutoencoder: `n_active` may change after the fit.
    "_fitted_perceptron",
    # What becomes of data frames.
    "_auto_numeric",
    "_check_output_of_tables",
    "_takes_gaps_of_tables",
    # DenoisingAutoencoder: rows that become others, and missing cells.
    "_compared",
    "_losses_of_cells",
    "_resume",
    "_start",
    "_takes_gaps",
    "_validate",
    "_widths",
}


def overridden(variant):
    """The private names of BaseAutoencoder's that a variant has anew, dunder names aside."""
    own = variant.__mro__[: variant.__mro__.index(BaseAutoencoder)]
    names = {name for cls in own for name in vars(cls) if hasattr(BaseAutoencoder, name)}
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def test_every_hook_in_the_list_exists():
    assert len(HOOKS) == len(set(HOOKS))
    assert [name for name in HOOKS if not hasattr(BaseAutoencoder, name)] == []


def test_every_hook_that_a_variant_overrides_is_in_the_list():
    found = set().union(*map(overridden, VARIANTS))
    assert found - set(HOOKS) == NO_HOOKS


def test_hooks_have_the_listed_arguments():
    for name, arguments in LIST:
        hook = getattr(BaseAutoencoder, name)
        found = list(inspect.signature(hook).parameters)[1:] if inspect.isfunction(hook) else []
        assert ", ".join(found) == arguments, name


# Both examples.


@pytest.mark.parametrize("path", SNIPPETS.glob("*.py"), ids=lambda path: path.stem)
def test_examples_import_public_modules_alone(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not re.search(r"(^|\.)_", node.module), node.module


def test_the_robust_autoencoder_is_the_plain_one_at_a_large_scale(robust):
    plain = skae.Autoencoder(4, **SHORT).fit(X)
    limit = robust(4, scale=1e4, **SHORT).fit(X)
    np.testing.assert_allclose(limit.loss_curve_, plain.loss_curve_, rtol=1e-4)
    assert robust(4, scale=0.1, **SHORT).fit(X).loss_ < 0.5 * plain.loss_


# The Wasserstein autoencoder.


def test_the_wasserstein_autoencoder_is_an_estimator(wasserstein):
    estimator = wasserstein.WassersteinAutoencoder(3, max_iter=3)
    check_estimator(estimator, expected_failed_checks=EQUIVALENCES, on_skip=None)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_without_its_penalty_it_is_the_plain_autoencoder(wasserstein, early_stopping):
    params = {**SHORT, "batch_size": 16, "early_stopping": early_stopping}
    unpenalized = wasserstein.WassersteinAutoencoder(3, mmd_weight=0, **params).fit(X)
    assert_same_fit(unpenalized, skae.Autoencoder(3, **params).fit(X))


def test_the_discrepancy_is_small_for_normal_codes_and_large_for_others(wasserstein):
    codes, draws = normal(2000, 3), normal(2000, 3, seed=1)
    small = wasserstein.squared_mmd(codes, draws).item()
    assert 0 <= small < 2e-3
    assert wasserstein.squared_mmd(codes + 2, draws) > 100 * small
    assert wasserstein.squared_mmd(0.1 * codes, draws) > 50 * small
    assert wasserstein.squared_mmd(codes, codes).item() == pytest.approx(0, abs=1e-12)


def test_the_discrepancy_is_that_of_its_definition(wasserstein):
    """||mean of features of a - mean of features of b||^2, all pairs written out."""
    a, b = normal(4, 2), normal(3, 2, seed=1)

    def kernel(one, other):
        return 4 / (4 + np.square(one.numpy() - other.numpy()).sum())

    signed = [(1 / 4, row) for row in a] + [(-1 / 3, row) for row in b]
    expected = sum(p * q * kernel(x, y) for p, x in signed for q, y in signed)
    assert wasserstein.squared_mmd(a, b).item() == pytest.approx(expected, rel=1e-9)


def test_a_single_row_has_a_discrepancy_and_a_gradient(wasserstein):
    code = normal(1, 3).requires_grad_()
    discrepancy = wasserstein.squared_mmd(code, normal(1, 3, seed=1))
    (gradient,) = torch.autograd.grad(discrepancy, code)
    assert discrepancy > 0
    assert gradient.isfinite().all() and (gradient != 0).all()


def test_a_last_batch_of_one_row_fits(wasserstein):
    model = wasserstein.WassersteinAutoencoder(3, batch_size=16, **SHORT).fit(X[:49])
    assert np.isfinite(model.loss_curve_).all()
    wasserstein.WassersteinAutoencoder(3, **SHORT).fit(X[:1])


def test_a_larger_weight_makes_codes_more_normal(wasserstein):
    def discrepancy(weight):
        params = {"max_iter": 60, "random_state": 0, "learning_rate_init": 0.01}
        model = wasserstein.WassersteinAutoencoder(2, mmd_weight=weight, **params).fit(X)
        codes = torch.from_numpy(model.transform(X))
        return wasserstein.squared_mmd(codes, normal(2000, 2)).item()

    assert discrepancy(100.0) < 0.5 * discrepancy(0.0)


def test_the_weight_rises_in_the_warmup(wasserstein):
    params = {**SHORT, **NEVER_STOP, "mmd_weight": 8.0}
    model = wasserstein.WassersteinAutoencoder(3, mmd_warmup=4, **params)
    weights = [model._weight(n_epochs) for n_epochs in (0, 1, 2, 3, 4, np.inf)]
    assert weights == [0, 2, 4, 6, 8, 8]
    warm, cold = model.fit(X), wasserstein.WassersteinAutoencoder(3, **params).fit(X)
    plain = skae.Autoencoder(3, **SHORT, **NEVER_STOP).fit(X)
    assert warm.loss_curve_[0] == plain.loss_curve_[0] < cold.loss_curve_[0]
    assert warm.best_loss_ == warm.loss_curve_[4]


def test_a_warmup_with_lbfgs_is_an_error(wasserstein):
    model = wasserstein.WassersteinAutoencoder(3, solver="lbfgs", mmd_warmup=2, **SHORT)
    with pytest.raises(ValueError, match="mmd_warmup=2 cannot be combined with solver='lbfgs'"):
        model.fit(X)
    assert_not_fitted(model)
    model.set_params(mmd_warmup=0).fit(X)


def test_samples_are_decoded_normal_codes(wasserstein):
    model = wasserstein.WassersteinAutoencoder(3, **SHORT).fit(X)
    samples = model.sample(7, random_state=0)
    assert samples.shape == (7, 6)
    np.testing.assert_array_equal(samples, model.sample(7, random_state=0))
    codes = np.random.default_rng(0).standard_normal((7, 3))
    np.testing.assert_array_equal(samples, model.inverse_transform(codes))
    assert (pickle.loads(pickle.dumps(model)).sample(7, random_state=0) == samples).all()
