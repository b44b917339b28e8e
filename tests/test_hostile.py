"""Whatever comes in: a result or a documented error, never one of torch's, never a hang.

Hypothesis draws data of all dtypes, layouts and shapes, and parameter values. 1000 cases by
default; `HYPOTHESIS_CASES=100000 pytest tests/test_hostile.py` for a longer run.
"""

import os
import pickle
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import GENERATORS, NETWORK, assert_same_fit
from scipy import sparse

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

import skae

CASES = int(os.environ.get("HYPOTHESIS_CASES", 1000))
TORCH = str(Path(torch.__file__).parent)
# Not in a fixed order by chance: the same cases in every run, so that a failure can be repeated.
hostile = settings(
    max_examples=CASES // 2,
    deadline=20_000,  # ms
    derandomize="HYPOTHESIS_CASES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
some = settings(hostile, max_examples=CASES // 4)
few = settings(hostile, max_examples=CASES // 10)


def mostly(usual, unusual):
    """One of the usual values in five cases of six, so that about half of all fits succeed."""
    return st.sampled_from(usual * (5 * len(unusual)) + unusual * len(usual))


USUAL_DTYPES = ["f8", "f4", "i8", "i1", "u2"]
UNUSUAL_DTYPES = ["f2", "g", ">f8", ">f4", ">i4", "u8", "?", "c8", "O", "U3", "M8[s]"]
VALUES = [0.0, 1.0, -1.0, 0.5, 3.0, 1e-310, 1e-40, 1e30, 1e300, -1e308, np.nan, np.inf, -np.inf]


def usual(rng, shape):
    return rng.normal(size=shape)


def extreme(rng, shape):
    return rng.choice(VALUES, size=shape)


def rarely_missing(rng, shape):
    return np.where(rng.random(shape) < 0.1, np.nan, rng.normal(size=shape))


def unit(rng, shape):
    return rng.random(shape)


@st.composite
def arrays(draw):
    """What somebody may pass for X."""
    shape = draw(
        mostly([(7, 4), (9, 5), (2, 6), (5, 1)], [(), (5,), (2, 3, 2), (0, 3), (3, 0), (1, 4)])
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    fill = draw(mostly([usual, unit], [rarely_missing, extreme]))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        X = fill(rng, shape)
        dtype = np.dtype(draw(mostly(USUAL_DTYPES, UNUSUAL_DTYPES)))
        if dtype.kind in "iu?":
            X = np.nan_to_num(X, nan=0, posinf=9, neginf=-9).clip(0, 100)
        X = (
            np.asarray(X).astype("i8").astype(dtype)
            if dtype.kind == "M"
            else np.asarray(X).astype(dtype)
        )
        return draw(st.sampled_from(LAYOUTS))(X)


def reversed_rows(X):
    return X[::-1] if X.ndim else X


def every_other_column(X):
    return np.repeat(X, 2, axis=-1)[..., ::2] if X.ndim else X


def one_row_broadcast(X):
    return np.broadcast_to(X[:1], X.shape) if X.ndim and len(X) else X


def read_only(X):
    X.flags.writeable = False
    return X


def frame(X):
    return pd.DataFrame(X) if X.ndim == 2 else X


def csr(X):
    takes = X.ndim == 2 and X.dtype.str in ("<f8", "<f4", "<i8", "|i1")
    return sparse.csr_array(X) if takes else X


def csc(X):
    return csr(X).tocsc() if sparse.issparse(csr(X)) else X


def tensor(X):
    try:
        return torch.tensor(X)
    except (TypeError, ValueError):
        return X


def tensor_with_gradient(X):
    X = tensor(X)
    return X.requires_grad_() if isinstance(X, torch.Tensor) and X.is_floating_point() else X


LAYOUTS = [
    *(np.ascontiguousarray, np.asfortranarray, reversed_rows, every_other_column),
    *(one_row_broadcast, read_only, frame, csr, csc, tensor, tensor_with_gradient),
    *(np.ndarray.tolist, np.ndarray.view),
]

TRAINING = {
    "n_components": mostly([1, 2, 9], [0, -1]),
    "hidden_layer_sizes": mostly([(), (4,), (3, 2), None], [(0,), (-1,), 5, "a", (2.0,)]),
    "activation": mostly(["relu", "elu", "tanh"], ["softmax"]),
    "code_activation": mostly(["auto", "logistic", "relu", "identity"], ["gelu"]),
    "tied_weights": st.booleans(),
    "alpha": mostly([0.0, 1e-2], [1e30, -1.0, np.nan]),
    "solver": st.sampled_from(["adam", "sgd", "lbfgs"]),
    "learning_rate": st.sampled_from(["constant", "cosine", "one_cycle"]),
    "learning_rate_init": mostly([1e-3, 1.0], [1e6, 1e300, 0.0, np.inf]),
    "batch_size": mostly(["auto", 1, 3, 1000], [0, 2.5]),
    "tol": mostly([0.0, 1e-4, 1e9], [np.nan]),
    "early_stopping": st.booleans(),
    "validation_fraction": mostly([0.1, 0.5], [0.999, 1e-9]),
    "warm_start": st.booleans(),
    "random_state": mostly([0, 2**32 - 1, None], [-1, 0.5]),
    "device": mostly(["cpu"], ["cpu:0", "cuda:99", "mps", "gpu", 0]),
    "precision": st.sampled_from(["float", "bf16"]),
}
LOSSES = mostly(["squared_error", "binary_cross_entropy"], ["categorical_cross_entropy"])
OWN = {
    "Autoencoder": {"loss": LOSSES},
    "SparseAutoencoder": {
        "loss": LOSSES,
        "sparsity": st.sampled_from(["kl", "l1", "topk"]),
        "sparsity_weight": mostly(["auto", 0.0], [1e30]),
        "target_activation": mostly([0.05, 1e-300], [1.0]),
        "n_active": mostly([1, 2], [0, 5]),
        "sparse_output": st.booleans(),
    },
    "DenoisingAutoencoder": {
        "loss": LOSSES,
        "corruption": st.sampled_from(["masking", "gaussian", "salt_and_pepper", "swap", None]),
        "corruption_level": mostly([0.0, 0.3, 1.0], [1e30, np.nan]),
    },
    "ContractiveAutoencoder": {
        "loss": LOSSES,
        "contraction_weight": mostly([0.0, 0.1], [1e30]),
        "jacobian_method": st.sampled_from(["exact", "hutchinson"]),
    },
    "VAE": {
        "likelihood": mostly(["gaussian", "bernoulli"], ["categorical"]),
        "noise_variance": mostly(["shared", "per_feature", "heteroscedastic"], [0.0, 1e-30]),
        "beta": mostly([0.0, 1.0], [1e30]),
        "kl_warmup": st.integers(0, 3),
        "n_draws": mostly([1, 3], [0]),
        "objective": st.sampled_from(["elbo", "iwae"]),
        "binarize": st.booleans(),
    },
}


OF_GANS = {
    **{
        name: TRAINING[name]
        for name in ("n_components", "hidden_layer_sizes", "activation", "learning_rate")
    },
    "gradient_penalty": mostly([0.0, 0.3], [1e30, 1e300, np.nan]),
    "learning_rate_init": mostly([1e-3, 1.0], [1e6, 1e30, 1e300, "auto"]),
    "batch_size": mostly([1, 3, 1000], [0, "auto"]),
    **{name: TRAINING[name] for name in ("warm_start", "random_state", "device", "precision")},
}
OF_INFOGAN = {
    "n_categories": mostly([2, 5], [1, 2.5]),
    "n_continuous": mostly([0, 2], [-1]),
    "information_weight": mostly([0.0, 1.0], [1e30, np.inf]),
}


@st.composite
def generators(draw):
    """A GAN with some of its parameters set to something."""
    name = draw(st.sampled_from(sorted(GENERATORS)))
    choices = {**OF_GANS, **(OF_INFOGAN if name == "InfoGAN" else {})}
    changed = draw(st.lists(st.sampled_from(sorted(choices)), unique=True, max_size=4))
    params = {parameter: draw(choices[parameter]) for parameter in changed}
    start = {"n_components": 2, "hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
    return getattr(skae, name)(**{**start, **params})


@st.composite
def estimators(draw):
    """One of the classes with some of its parameters set to something."""
    name = draw(st.sampled_from(NETWORK))
    choices = {**TRAINING, **OWN[name]}
    changed = draw(st.lists(st.sampled_from(sorted(choices)), unique=True, max_size=4))
    params = {parameter: draw(choices[parameter]) for parameter in changed}
    start = {"n_components": 2, "hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
    if name == "SparseAutoencoder":
        start["n_active"] = 1
    return getattr(skae, name)(**{**start, **params})


def result_of(function, *args):
    """What it returns; None after an error, which must be one that we or scikit-learn raise."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(*args)
        except (ValueError, TypeError, NotFittedError, AttributeError) as error:
            innermost = traceback.extract_tb(error.__traceback__)[-1].filename
            assert not innermost.startswith(TORCH), f"torch's own error: {error!r}"
            assert str(error), "an error without a message"
            return None


@hostile
@given(estimator=estimators(), X=arrays(), Y=arrays())
def test_data_and_parameters(estimator, X, Y):
    if result_of(estimator.fit, X) is None:
        assert not hasattr(estimator, "n_iter_")
        return
    assert np.isfinite(estimator.loss_curve_).all()
    for given_X in (X, Y):
        for method in ("transform", "reconstruct", "score_samples", "score", "partial_fit"):
            result = result_of(getattr(estimator, method, len), given_X)
            if method in ("transform", "score") and result is not None:
                values = result.toarray() if sparse.issparse(result) else np.asarray(result)
                assert not np.isnan(values).any()


def classes(n):
    return np.array(["a", "b", "c"])[np.arange(n) % 3]


def list_of_classes(n):
    return classes(n).tolist()


def numbers(n):
    return pd.Series(np.arange(n) / 8)


LABELS = ["a", "z", None, np.nan, 0, 1.5, True, b"a", ("a",), ["a", "b"], np.array(["a"])]
targets = mostly([classes, list_of_classes, numbers], [None]).flatmap(
    lambda make: arrays() if make is None else st.just(make)
)


@hostile
@given(X=arrays(), y=targets, estimator=estimators(), regression=st.booleans())
def test_supervised(X, y, estimator, regression):
    if callable(y) and np.ndim(X):
        y = y(X.shape[0] if hasattr(X, "shape") else len(X))
    cls = skae.AutoencoderRegressor if regression else skae.AutoencoderClassifier
    predictor = cls(estimator, max_iter=2, random_state=0)
    if result_of(predictor.fit, X, y) is None:
        assert not hasattr(predictor, "n_iter_")
    else:
        assert predictor.predict(X).shape[0] == predictor.transform(X).shape[0]


@some
@given(estimator=generators(), X=arrays(), y=targets, Y=arrays(), label=st.sampled_from(LABELS))
def test_games(estimator, X, y, Y, label):
    if callable(y) and np.ndim(X):
        y = y(X.shape[0] if hasattr(X, "shape") else len(X))
    if result_of(estimator.fit, X, y) is None:
        assert not hasattr(estimator, "n_iter_")
        return
    assert np.isfinite(estimator.loss_curve_).all() and np.isfinite(estimator.offset_).all()
    own = (label,) if isinstance(estimator, skae.ConditionalGAN) else ()
    for given_X in (X, Y):
        for method in ("discriminate", "generate"):
            assert_no_nan(result_of(getattr(estimator, method), given_X, *own))
        for method in ("transform", "score"):
            assert_no_nan(result_of(getattr(estimator, method), given_X))
        result_of(estimator.partial_fit, given_X, y)
    drawn = result_of(estimator.sample, 3)
    rows = drawn[0] if isinstance(drawn, tuple) else drawn
    assert np.isfinite(np.asarray(rows, dtype=float)).all()


def assert_no_nan(result):
    assert result is None or not np.isnan(np.asarray(result, dtype=float)).any()


@few
@given(estimator=estimators(), k=st.integers(1, 3), seed=st.integers(0, 99), saves=st.booleans())
def test_partial_fit_goes_on_exactly(estimator, k, seed, saves):
    """k calls, saved and loaded, and k more are 2 k calls, to the bit."""
    X = np.random.default_rng(seed).random((11, 4))
    one, other = estimator, pickle.loads(pickle.dumps(estimator))
    partial_fit = getattr(one, "partial_fit", None)
    if estimator.random_state is None or partial_fit is None:
        return
    for number in range(2 * k):
        if saves and number == k:
            one = pickle.loads(pickle.dumps(one))
        outcomes = [result_of(e.partial_fit, X) is None for e in (one, other)]
        assert outcomes[0] == outcomes[1]
        if outcomes[0]:
            return
    assert_same_fit(one, other)
