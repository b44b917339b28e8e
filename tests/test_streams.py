"""Random numbers: reproducible to the bit, and nothing global touched."""

import hashlib
import os
import random
import signal

import numpy as np
import pytest
import torch
from helpers import (
    LABELS,
    SMALL,
    X,
    assert_same_fit,
    each_class,
    each_of_any_numbers,
    each_trained,
    in_threads,
    run_python,
    small,
    weights,
)

from skae._engine.streams import STREAMS, stream, stream_seed
from skae._estimator import draw_seed


def seed_global_generators():
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)


def global_state():
    """What a library has no business to change, as something to compare."""
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": str(np.random.get_state()),
        "random": str(random.getstate()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "environment": dict(os.environ),
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
        "errors": np.geterr(),
    }


def digest(estimator):
    return hashlib.sha256(weights(estimator).tobytes()).hexdigest()


# One seed, one result.


@each_trained
def test_same_seed_twice(name):
    assert_same_fit(small(name).fit(X, LABELS), small(name).fit(X, LABELS))


@each_trained
def test_global_generators_are_not_read(name):
    reference = small(name).fit(X, LABELS)
    seed_global_generators()
    random.random(), np.random.random(), torch.rand(1)
    assert_same_fit(small(name).fit(X, LABELS), reference)


@each_trained
def test_refit_starts_anew(name):
    estimator = small(name).fit(X, LABELS)
    first = weights(estimator)
    np.testing.assert_array_equal(weights(estimator.fit(X, LABELS)), first)


@each_trained
def test_fits_in_threads_are_equal(name):
    reference = small(name).fit(X, LABELS)
    for estimator in in_threads(4, lambda number: small(name).fit(X, LABELS)):
        assert_same_fit(estimator, reference)


def test_fits_of_different_classes_in_threads_are_equal():
    names = list(SMALL)
    fitted = in_threads(len(names), lambda number: small(names[number]).fit(X))
    for name, estimator in zip(names, fitted, strict=True):
        assert_same_fit(estimator, small(name).fit(X))


def test_fresh_process_is_equal():
    code = """
from helpers import SMALL, X, small
from test_streams import digest
print(*(digest(small(name).fit(X)) for name in SMALL), sep="\\n")
"""
    assert run_python(code).split() == [digest(small(name).fit(X)) for name in SMALL]


@each_trained
def test_seeds_differ(name):
    assert digest(small(name, random_state=1).fit(X, LABELS)) != digest(small(name).fit(X, LABELS))


@each_trained
def test_random_state_none_differs_between_fits(name):
    estimator = small(name, random_state=None)
    seed_global_generators()
    first = digest(estimator.fit(X, LABELS))
    seed_global_generators()
    assert digest(estimator.fit(X, LABELS)) != first


@each_trained
def test_random_state_instance_advances(name):
    estimator = small(name, random_state=np.random.RandomState(0))
    first, second = digest(estimator.fit(X, LABELS)), digest(estimator.fit(X, LABELS))
    assert first != second
    again = small(name, random_state=np.random.RandomState(0))
    assert [digest(again.fit(X, LABELS)), digest(again.fit(X, LABELS))] == [first, second]


@each_trained
@pytest.mark.parametrize("seed", [np.int64(7), np.uint32(7)])
def test_numpy_integers_are_seeds(name, seed):
    expected = small(name, random_state=7).fit(X, LABELS)
    assert_same_fit(small(name, random_state=seed).fit(X, LABELS), expected)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_extreme_seeds(seed):
    assert np.isfinite(weights(small("VAE", random_state=seed).fit(X))).all()


# Nothing global.


@each_class
def test_nothing_global_is_changed(name):
    seed_global_generators()
    before = global_state()
    estimator = small(name, early_stopping=True).fit(X).partial_fit(X)
    estimator.inverse_transform(estimator.transform(X))
    estimator.score(X), estimator.score_samples(X), estimator.encoder_, estimator.decoder_
    assert global_state() == before


@each_of_any_numbers
def test_nothing_global_is_changed_by_a_failure(name):
    before = global_state()
    with pytest.raises(ValueError, match="diverged"):
        small(name, solver="sgd", learning_rate_init=1e6, max_iter=100).fit(1e4 * X)
    assert global_state() == before


@each_trained
def test_default_dtype_does_not_matter(name):
    reference = small(name).fit(X, LABELS)
    torch.set_default_dtype(torch.float64)
    try:
        estimator = small(name).fit(X, LABELS)
    finally:
        torch.set_default_dtype(torch.float32)
    assert_same_fit(estimator, reference)


@each_trained
def test_autocast_does_not_matter(name):
    reference = small(name).fit(X.astype(np.float32), LABELS)
    with torch.autocast("cpu", torch.bfloat16):
        estimator = small(name).fit(X.astype(np.float32), LABELS)
        codes = estimator.transform(X)
        assert torch.is_autocast_enabled("cpu")
    assert_same_fit(estimator, reference)
    np.testing.assert_array_equal(codes, reference.transform(X))


def test_import_changes_nothing_global():
    code = """
import os, random, signal
import numpy as np, sklearn.base, torch

def state():
    return (
        torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate(),
        torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(),
        dict(os.environ), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM),
    )

before = state()
import skae
assert state() == before
"""
    run_python(code)


def test_import_leaves_out_what_is_rarely_needed():
    """Together these take longer to import than skae itself."""
    late = ("matplotlib", "onnx", "skops", "sklearn.manifold", "sklearn.mixture", "torch._dynamo")
    run_python(f"import sys, skae; assert not {{*{late}}} & {{*sys.modules}}")


def test_fit_in_another_thread_leaves_signal_handlers():
    handler = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        mine = signal.getsignal(signal.SIGINT)
        in_threads(1, lambda number: small("Autoencoder").fit(X))
        small("Autoencoder").fit(X)
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, handler)


# Streams.


def test_streams_are_distinct():
    seeds, positions = (0, 1, 2**63 - 1), ((), (1,), (2,), (0, 1))
    found = {stream_seed(seed, name, *p) for seed in seeds for name in STREAMS for p in positions}
    assert len(found) == len(seeds) * len(STREAMS) * len(positions)


def test_stream_seeds_never_change():
    """Models go on after an upgrade only if these stay as they are."""
    assert stream_seed(0, "weights") == 7896617691693857887
    assert stream_seed(42, "shuffle", 7) == 4869642783114431893


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**32, 2**63 - 1])
@pytest.mark.parametrize("position", [(), (0,), (5,), (2**40, 3)], ids=str)
def test_stream_seeds_are_numpys_hash(seed, position):
    sequence = np.random.SeedSequence((seed, STREAMS["noise"], *position))
    expected = int(sequence.generate_state(1, np.uint64)[0]) >> 1
    assert stream_seed(seed, "noise", *position) == expected


def test_stream_is_a_generator_of_its_own():
    one, other = stream(0, "noise", 3), stream(0, "noise", 3)
    torch.testing.assert_close(torch.rand(5, generator=one), torch.rand(5, generator=other))
    assert not torch.equal(
        torch.rand(5, generator=one), torch.rand(5, generator=stream(0, "noise", 4))
    )


def test_draw_seed():
    assert draw_seed(7) == 7 and type(draw_seed(np.int32(7))) is int
    assert len({draw_seed(None) for _ in range(100)}) == 100
    rng = np.random.RandomState(0)
    assert draw_seed(rng) != draw_seed(rng)
