"""Memory: how much is used, that it is given back, and what happens where it is lacking."""

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import LABELS, X, each_class, each_trained, fitted_state, run_python, small

from skae import _estimator
from skae._engine import inference, training

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
MEASURE = """
import os, resource
import numpy as np
from helpers import small

def pages(number):
    return int(open("/proc/self/statm").read().split()[number]) * os.sysconf("SC_PAGE_SIZE")
"""

# An address space with room for the file and for a part of it, PART.
ON_A_FILE = """
np.lib.format.open_memmap(PATH, "w+", DTYPE, SHAPE).flush()
X = np.load(PATH, mmap_mode="r")
everything, room = resource.RLIM_INFINITY, int(PART * X.nbytes)
for name in NAMES:
    for early_stopping in (False, True):
        settings = {"max_iter": 1, "batch_size": 2_000, "early_stopping": early_stopping}
        estimator = small(name, **settings)
        estimator.fit(X[:20_000]).transform(X[:20_000])
        resource.setrlimit(resource.RLIMIT_AS, (pages(0) + room, everything))
        try:
            X.copy()
        except MemoryError:
            print("no room for a copy")
        estimator.fit(X)
        print(name, estimator.transform(X).shape, np.isfinite(estimator.score(X)))
        resource.setrlimit(resource.RLIMIT_AS, (everything, everything))
"""

MANY_PARTIAL_FITS = """
X = np.random.default_rng(0).normal(size=(20, 6))
estimator = small("Autoencoder")
for _ in range(300):
    estimator.partial_fit(X)
before = pages(1)
for _ in range(2000):
    estimator.partial_fit(X)
print((pages(1) - before) / 2**20)
"""


def check_on_a_file(tmp_path, **settings):
    settings["PATH"] = str(tmp_path / "X.npy")
    lines = [f"{name} = {value!r}\n" for name, value in settings.items()]
    output = run_python(MEASURE + "".join(lines) + ON_A_FILE).splitlines()
    fitted = [f"{name} ({settings['SHAPE'][0]}, 3) True" for name in settings["NAMES"]]
    assert output == [line for name in fitted for line in ["no room for a copy", name] * 2]


@needs_proc
def test_rows_of_a_file_are_never_copied_as_a_whole(tmp_path):
    """102 MB of rows, with and without rows that are held out, and room for .3 of that."""
    names = ("Autoencoder", "DenoisingAutoencoder", "ContractiveAutoencoder")
    check_on_a_file(tmp_path, SHAPE=(400_000, 64), DTYPE="f4", PART=0.3, NAMES=names)


@needs_proc
def test_files_of_other_numbers_are_converted_batch_by_batch(tmp_path):
    """102 MB of pixels, which as float32 would take up four times as much."""
    names = ("ContractiveAutoencoder",)
    check_on_a_file(tmp_path, SHAPE=(400_000, 256), DTYPE="u1", PART=0.3, NAMES=names)


@needs_proc
def test_memory_does_not_grow_with_calls_of_partial_fit():
    growth = float(run_python(MEASURE + MANY_PARTIAL_FITS))
    assert growth < 2  # MiB, a KiB for each call


TORCHS = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
]
each_error = pytest.mark.parametrize("error", TORCHS, ids=["cpu", "cuda"])


def lacking(error):
    def function(*args, **kwargs):
        raise error

    return function


@each_error
@each_trained
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_without_enough_memory(name, method, error, monkeypatch):
    estimator = small(name).fit(X, LABELS)
    with monkeypatch.context() as patch:
        patch.setattr(training.Trainer, "_step", lacking(error))
        with pytest.raises(MemoryError, match="lower batch_size") as raised:
            getattr(estimator, method)(X, LABELS)
    assert raised.value.__cause__ is error
    getattr(estimator.set_params(batch_size=8), method)(X, LABELS)
    assert estimator.transform(X).shape[0] == len(X)


@each_error
@each_class
@pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples"])
def test_inference_without_enough_memory(name, method, error, monkeypatch):
    estimator = small(name).fit(X)
    before = fitted_state(estimator)
    expected = getattr(estimator, method)(X)
    with monkeypatch.context() as patch:
        patch.setattr(_estimator, "as_tensor", lacking(error))
        patch.setattr(inference, "rows_of", lacking(error))
        with pytest.raises(MemoryError, match="fewer rows"):
            getattr(estimator, method)(X)
    assert fitted_state(estimator) == before
    np.testing.assert_array_equal(getattr(estimator, method)(X), expected)


def test_other_errors_stay_what_they_are(monkeypatch):
    monkeypatch.setattr(training.Trainer, "_step", lacking(RuntimeError("something else")))
    with pytest.raises(RuntimeError, match="something else"):
        small("Autoencoder").fit(X)


def test_a_network_too_large_for_the_machine():
    estimator = small("Autoencoder", hidden_layer_sizes=(10**7, 10**7))
    with pytest.raises(MemoryError, match="widths of the layers"):
        estimator.fit(X)


def test_memory_is_given_back_while_the_error_is_kept(monkeypatch):
    """Else what the failed call has computed would live on in the traceback's frames."""
    held = []

    def step(self, *args):
        batch = np.zeros(10)
        held.append(weakref.ref(batch))
        raise TORCHS[0]

    monkeypatch.setattr(training.Trainer, "_step", step)
    with pytest.raises(MemoryError) as raised:
        small("Autoencoder").fit(X)
    assert raised.value is not None
    assert held[0]() is None
