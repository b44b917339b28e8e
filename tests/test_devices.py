"""Devices, and arrays of all kinds on their way there."""

import warnings
from copy import deepcopy
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from helpers import (
    GENERATORS,
    LABELS,
    OF_UNITS,
    SUPERVISED,
    UNIT_X,
    X,
    assert_not_fitted,
    assert_same_fit,
    each_class,
    each_generator,
    each_trained,
    fitted_state,
    may_collapse,
    small,
    weights,
)
from sklearn.base import clone

from skae._engine.data import rows_of
from skae._engine.devices import as_tensor, find_device

# Input.


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def on_disk(X, tmp_path):
    joblib.dump(X, tmp_path / "X.joblib")
    return joblib.load(tmp_path / "X.joblib", mmap_mode="r")


def data_frame(X, package):
    return pytest.importorskip(package).DataFrame({f"f{j}": X[:, j] for j in range(X.shape[1])})


def arrow_table(X):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({f"f{j}": X[:, j] for j in range(X.shape[1])})


KINDS_OF_INPUT = {
    "F-ordered": np.asfortranarray,
    "read-only": read_only,
    "negative strides": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "pandas": partial(data_frame, package="pandas"),
    "polars": partial(data_frame, package="polars"),
    "pyarrow": arrow_table,
    "record batch": lambda X: arrow_table(X).to_batches()[0],
}
# Scikit-learn does not see that these are float32.
KINDS_IN_FLOAT64 = {
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "list": np.ndarray.tolist,
}


@each_trained
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS_OF_INPUT)
def test_kinds_of_input_are_equal(name, kind, dtype):
    plain = X.astype(dtype)
    other = KINDS_OF_INPUT[kind](plain)
    reference, estimator = small(name).fit(plain, LABELS), small(name).fit(other, LABELS)
    assert_same_fit(estimator, reference)
    np.testing.assert_array_equal(
        estimator.transform(other), reference.transform(plain), strict=True
    )


@each_trained
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS_IN_FLOAT64)
def test_kinds_of_input_in_float64(name, kind, dtype):
    plain = X.astype(dtype).astype(np.float64)
    other = KINDS_IN_FLOAT64[kind](X.astype(dtype))
    reference, estimator = small(name).fit(plain, LABELS), small(name).fit(other, LABELS)
    assert_same_fit(estimator, reference)
    np.testing.assert_array_equal(
        estimator.transform(other), reference.transform(plain), strict=True
    )


@each_trained
def test_memory_map_is_like_an_array(name, tmp_path):
    mapped = on_disk(X, tmp_path)
    estimator = small(name).fit(mapped, LABELS).partial_fit(mapped, LABELS)
    assert_same_fit(estimator, small(name).fit(X, LABELS).partial_fit(X, LABELS))
    assert estimator.score(mapped) == estimator.score(X)


@may_collapse
@each_class
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int32, np.float64),
        (np.uint8, np.float64),
        (bool, np.float64),
        (np.float16, np.float64),
        (np.longdouble, np.float64),
    ],
)
def test_dtype_of_results(name, dtype, expected):
    data = (UNIT_X * (1 if name == OF_UNITS else 3)).astype(dtype)
    estimator = small(name).fit(data)
    codes = estimator.transform(data)
    assert {array.dtype for array in (*estimator.coefs_, *estimator.intercepts_)} == {
        np.dtype(expected)
    }
    assert codes.dtype == estimator.inverse_transform(codes).dtype == expected
    assert estimator.reconstruct(data).dtype == estimator.score_samples(data).dtype == expected
    assert type(estimator.score(data)) is float


@each_trained
@pytest.mark.parametrize(("fitted", "given"), [(np.float32, np.float64), (np.float64, np.float32)])
def test_dtype_is_that_of_the_fit(name, fitted, given):
    estimator = small(name).fit(X.astype(fitted), LABELS)
    assert estimator.transform(X.astype(given)).dtype == fitted


@each_class
def test_X_is_never_modified(name):
    data = X.copy()
    estimator = small(name).fit(data).partial_fit(data)
    estimator.inverse_transform(estimator.transform(data))
    estimator.score(data)
    estimator.score_samples(data)
    np.testing.assert_array_equal(data, X)


@each_class
@pytest.mark.parametrize("shape", [(1, 6), (2, 6), (5, 6), (60, 1), (1, 1)])
@pytest.mark.parametrize("batch_size", ["auto", 16, 1000])
def test_small_data(name, shape, batch_size):
    data = X[: shape[0], : shape[1]]
    estimator = small(name, batch_size=batch_size).fit(data)
    untrained = small(name, learning_rate_init=1e-300, batch_size=batch_size).fit(data)
    # A single row may be reconstructed exactly from the start.
    assert estimator.loss_ < 1e-9 or not np.array_equal(weights(estimator), weights(untrained))
    assert np.isfinite(weights(estimator)).all()
    assert estimator.transform(data).shape == (shape[0], estimator.n_components_)


@each_trained
@pytest.mark.parametrize("batch_size", [59, 1])
def test_last_batch_of_one_row(name, batch_size):
    estimator = small(name, batch_size=batch_size).fit(X, LABELS)
    assert np.isfinite(weights(estimator)).all()
    assert np.isfinite(estimator.loss_curve_).all()


@each_trained
def test_batch_size_above_n_samples_is_one_batch(name):
    assert_same_fit(
        small(name, batch_size=1000).fit(X, LABELS), small(name, batch_size=60).fit(X, LABELS)
    )


# Devices.


def is_there(device):
    kind, _, index = device.partition(":")
    if kind == "mps":
        return torch.backends.mps.is_available()
    return kind == "cuda" and int(index or 0) < torch.cuda.device_count()


# Which differs between devices and between dtypes.
HAVE_NOISE = ("DenoisingAutoencoder", "StackedAutoencoder", "VAE", OF_UNITS, *GENERATORS)
UNAVAILABLE = [d for d in ("cuda", "cuda:99", "mps", "cpu:3") if not is_there(d)]
UNKNOWN = ["foo", "gpu", "", "cuda:x", "cuda:-1", "cpu:", "cpu:0:0", "CPU", "cuda 0"]
refused = pytest.mark.parametrize("device", UNAVAILABLE + UNKNOWN)


@each_trained
@refused
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_refused_device(name, device, method):
    estimator = small(name, device=device)  # no error before training
    with pytest.raises(ValueError, match=rf"device={device!r} is not .*use .*'cpu'.*'auto'"):
        getattr(estimator, method)(X, LABELS)
    assert_not_fitted(estimator)


@each_trained
def test_refused_device_leaves_an_earlier_fit(name):
    estimator = small(name).fit(X, LABELS)
    before = fitted_state(estimator)
    with pytest.raises(ValueError, match="device='foo'"):
        estimator.set_params(device="foo").partial_fit(X, LABELS)
    assert fitted_state(estimator) == before


@pytest.mark.parametrize("device", UNAVAILABLE)
def test_unavailable_is_told_from_unknown(device):
    with pytest.raises(ValueError, match="is not available on this machine"):
        find_device(device)


@each_trained
@pytest.mark.parametrize("device", ["cpu:0", "auto"])
def test_names_of_one_device_are_equal(name, device):
    if device == "auto" and find_device("auto").type != "cpu":
        pytest.skip("there is a GPU")
    assert_same_fit(small(name, device=device).fit(X, LABELS), small(name).fit(X, LABELS))


@each_class
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_model_of_a_missing_device_goes_on_with_the_cpu(name):
    estimator = small(name).fit(X)
    elsewhere = clone(estimator).fit(X).set_params(device="cuda")
    for method in ("transform", "reconstruct", "score_samples", "score"):
        with pytest.warns(UserWarning, match="device='cuda' is not available.*on the CPU instead"):
            result = getattr(elsewhere, method)(X)
        np.testing.assert_array_equal(result, getattr(estimator, method)(X))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["StackedAutoencoder", *SUPERVISED])
@pytest.mark.parametrize("fine_tune", [True, False])
def test_parts_move_to_another_device_with_the_whole(name, fine_tune):
    estimator = small(name, fine_tune=fine_tune).fit(X, LABELS)
    expected = deepcopy(estimator).partial_fit(X, LABELS)
    for part in vars(estimator).get("estimators_") or [estimator.autoencoder_]:
        part.set_params(device="cuda")  # as if all of them had been trained there
    assert_same_fit(estimator.set_params(device="cpu").partial_fit(X, LABELS), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@each_trained
def test_cuda_trains_like_the_cpu(name):
    on_gpu = small(name, device="cuda", max_iter=1).fit(X, LABELS)
    assert isinstance(on_gpu.transform(X), np.ndarray)
    np.testing.assert_array_equal(
        weights(on_gpu), weights(small(name, device="cuda", max_iter=1).fit(X, LABELS))
    )
    if name not in HAVE_NOISE:
        on_cpu = small(name, max_iter=1).fit(X)
        np.testing.assert_allclose(weights(on_gpu), weights(on_cpu), rtol=1e-6, atol=1e-9)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@each_class
def test_cuda_model_on_the_cpu(name):
    estimator = small(name, device="cuda").fit(X)
    codes = estimator.transform(X)
    assert estimator.encoder_[0].weight.device.type == "cpu"
    np.testing.assert_allclose(estimator.set_params(device="cpu").transform(X), codes, rtol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@each_generator
def test_cuda_plays_as_the_cpu_does(name):
    gan = small(name, device="cuda").fit(X, LABELS).partial_fit(X, LABELS)
    features, samples = gan.transform(X), gan.sample(9, random_state=0)
    gan.set_params(device="cpu")
    np.testing.assert_allclose(gan.transform(X), features, rtol=1e-6, atol=1e-9)
    again = gan.sample(9, random_state=0)
    samples, again = (its[0] if isinstance(its, tuple) else its for its in (samples, again))
    np.testing.assert_allclose(again, samples, rtol=1e-6, atol=1e-9)
    assert gan.generator_[0].weight.device.type == "cpu"


def test_as_tensor_copies_only_where_it_must():
    array = torch.tensor(X).numpy()  # which begins a line of the cache
    assert np.shares_memory(as_tensor(array).numpy(), array)
    assert not np.shares_memory(as_tensor(array[:, 1:]).numpy(), array)
    assert not np.shares_memory(as_tensor(read_only(X)).numpy(), X)


@pytest.mark.parametrize("indices", [[3, 1, 4], [59], list(range(60)), [2, 2]])
def test_rows_takes_rows(indices):
    rows = rows_of(X, torch.device("cpu"))
    rows.take(torch.arange(10))  # a larger or smaller buffer from before
    np.testing.assert_array_equal(rows.take(torch.tensor(indices)).numpy(), X[indices])


def test_batches_never_share_memory_with_X():
    data = X.copy()
    rows_of(data, torch.device("cpu")).take(torch.arange(60)).zero_()
    np.testing.assert_array_equal(data, X)


def test_mps_computes_float64_in_float32(monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    estimator = small("Autoencoder", device="mps")
    with pytest.warns(UserWarning, match="device='mps' has no float64"):
        validated = estimator._validate(X, None, None, reset=True).X
    assert validated.dtype == np.float32
    assert estimator._validate(X.astype(np.float32), None, None, reset=True).X.dtype == np.float32


@each_trained
def test_mps_goes_on_in_float32_with_a_fit_in_float64(name, monkeypatch):
    estimator = small(name).fit(X, LABELS)
    expected = deepcopy(estimator).partial_fit(X, LABELS)
    for module in ("_estimator", "_engine.devices"):
        monkeypatch.setattr(f"skae.{module}.lacks_float64", lambda device: True)
    with pytest.warns(UserWarning, match="has no float64"):
        estimator.partial_fit(X, LABELS)
    assert weights(estimator).dtype == np.float32
    if name not in HAVE_NOISE:
        np.testing.assert_allclose(weights(estimator), weights(expected), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "capabilities, warns",
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, True),
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, False),
        ({"asimd": True}, False),  # nothing is known
    ],
)
def test_bf16_warns_where_it_is_emulated(capabilities, warns, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "The reconstructions explain")
        small("Autoencoder", precision="bf16", max_iter=1).fit(X)
        small("Autoencoder", max_iter=1).fit(X)
    assert [str(warning.message)[:24] for warning in caught] == ["precision='bf16' is slow"] * warns
    assert all(Path(warning.filename) == Path(__file__) for warning in caught)
