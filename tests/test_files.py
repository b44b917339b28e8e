"""Memory maps: read a batch at a time, whatever they hold, and shuffled within windows."""

import mmap
import pickle

import numpy as np
import pytest
import torch
from helpers import (
    LABELS,
    OF_UNITS,
    X,
    assert_same_fit,
    each_trained,
    small,
    weights,
)
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from torch.utils.data import DataLoader, TensorDataset

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    _files,
)
from skae._engine import files, order
from skae._engine.data import Split
from skae._engine.files import OnFile, in_memory, is_on_file, size_on_file
from skae._engine.memory import free_memory
from skae._engine.shards import Shard
from skae._engine.streams import stream

PIXELS, DIGITS = load_digits(return_X_y=True)
PIXELS = PIXELS[:300].astype(np.uint8)
LAYER = DenoisingAutoencoder(8, max_iter=2)
EVERY_KIND = {
    "Autoencoder": Autoencoder(8, max_iter=3, random_state=0),
    "categorical": Autoencoder(8, loss="categorical_cross_entropy", max_iter=3, random_state=0),
    "DenoisingAutoencoder": DenoisingAutoencoder(8, max_iter=3, random_state=0),
    "StackedAutoencoder": StackedAutoencoder((16, 8), estimator=LAYER, max_iter=3, random_state=0),
    "AutoencoderClassifier": AutoencoderClassifier(LAYER, max_iter=3, random_state=0),
}
each_kind = pytest.mark.parametrize("kind", EVERY_KIND)


@pytest.fixture
def mapped(tmp_path):
    """A function that gives the memory map of an array."""

    def on_disk(array):
        path = tmp_path / f"{len([*tmp_path.iterdir()])}.npy"
        np.save(path, array)
        return np.load(path, mmap_mode="r")

    return on_disk


def halves(array):
    return array.astype(np.float16)


def big_endian(array):
    return array.astype(">f4")


def columns_first(array):
    return np.asfortranarray(array, dtype=np.float32)


# What a map may hold.


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:The columns of X have standard deviations:UserWarning")
@each_kind
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("convert", [np.asarray, np.int64, halves, big_endian, columns_first])
def test_maps_are_computed_in_float32_as_arrays_of_the_same_numbers(
    kind, convert, early_stopping, mapped
):
    estimator = EVERY_KIND[kind].set_params(early_stopping=early_stopping)
    plain, other = PIXELS.astype(np.float32), mapped(convert(PIXELS))
    expected = estimator.fit(plain, DIGITS[:300])._state.weights
    codes, score = estimator.transform(plain), estimator.score(plain, DIGITS[:300])
    found = estimator.fit(other, DIGITS[:300])._state.weights
    np.testing.assert_array_equal(found, expected, strict=True)
    np.testing.assert_array_equal(estimator.transform(other), codes, strict=True)
    assert estimator.score(other, DIGITS[:300]) == score


@each_trained
def test_maps_of_floats_are_as_arrays_with_rows_held_out(name, mapped):
    """But for rounding, as sums over rows take these in the order of the file."""
    params = {} if "GAN" in name else {"early_stopping": True}
    expected = small(name, **params).fit(X, LABELS)
    found = small(name, **params).fit(mapped(X), LABELS)
    np.testing.assert_allclose(weights(found), weights(expected), rtol=1e-9, atol=1e-9)


@each_trained
def test_maps_are_continued_as_arrays(name, mapped):
    plain = np.round(X * (1 if name == OF_UNITS else 4)).astype(np.int8)
    expected = small(name).fit(plain.astype(np.float32), LABELS)
    found = small(name).fit(mapped(plain), LABELS)
    expected.partial_fit(plain.astype(np.float32), LABELS)
    assert_same_fit(found.partial_fit(mapped(plain), LABELS), expected)


def test_target_may_be_a_map(mapped):
    plain, target = X.astype(np.float32), np.round(X * 4).astype(np.int8)
    expected = small("DenoisingAutoencoder").fit(plain, target=target.astype(np.float32))
    found = small("DenoisingAutoencoder").fit(mapped(plain), target=mapped(target))
    assert_same_fit(found, expected)
    assert found.score(mapped(plain), target=mapped(target)) == expected.score(plain, target=target)


def test_rows_of_weight_0_are_not_read(mapped):
    plain, rows = np.round(X * 4).astype(np.int8), np.arange(len(X)) % 3 > 0
    expected = small("Autoencoder").fit(plain[rows].astype(np.float32))
    assert_same_fit(small("Autoencoder").fit(mapped(plain), sample_weight=rows), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f8"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_maps_with_cells_that_are_not_finite(wrong, dtype, mapped, monkeypatch):
    monkeypatch.setattr(_files, "SPAN_SIZE", 60)
    spoilt = X.astype(dtype)
    spoilt[50, 2] = wrong
    estimator = small("Autoencoder").fit(X.astype(np.float32))
    for method in (estimator.transform, estimator.fit):
        with pytest.raises(ValueError, match="Input X contains") as raised:
            method(mapped(spoilt))
        assert ("NaN" in str(raised.value)) == np.isnan(wrong)


def test_maps_with_missing_cells(mapped):
    gaps = X.astype(np.float32)
    gaps[::7, 2] = np.nan
    expected = small("DenoisingAutoencoder", early_stopping=True).fit(gaps)
    found = small("DenoisingAutoencoder", early_stopping=True).fit(mapped(gaps.astype(">f4")))
    np.testing.assert_allclose(weights(found), weights(expected), rtol=1e-4, atol=1e-5)


def test_wrong_maps_have_the_errors_of_arrays(mapped):
    pixels = mapped(PIXELS)
    estimator = Autoencoder(3, max_iter=1)
    with pytest.raises(NotFittedError):
        estimator.transform(pixels)
    for wrong, message in [
        (mapped(PIXELS.ravel()), "Expected 2D array, got 1D"),
        (mapped(PIXELS.reshape(-1, 8, 8)), "dim 3"),
        (pixels[:0], "0 sample"),
        (pixels[:, :0], r"0 feature\(s\)"),
        (mapped(PIXELS.astype(complex)), "Complex data"),
    ]:
        with pytest.raises(ValueError, match=message):
            estimator.fit(wrong)
    estimator.fit(PIXELS / 16.0)
    with pytest.raises(ValueError, match="X has 63 features"):
        estimator.transform(pixels[:, 1:])
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        estimator.score(pixels[:1])


# The rows of a map.


def test_what_lies_on_a_file(mapped):
    pixels = mapped(PIXELS)
    on_file = pixels, pixels[3:], pixels[:, 1:], np.asarray(pixels), pixels.T, OnFile(pixels, "f4")
    assert [size_on_file(X) > 0 for X in on_file] == [True] * 6
    others = PIXELS, pixels.copy(), pixels[[1, 2]], pixels + 1, pixels.astype("f4"), [[1]]
    assert not any(map(is_on_file, others))
    assert size_on_file(pixels[:10, :3]) == 30
    assert not is_on_file(in_memory(pixels))


def test_rows_on_a_file_are_an_array_to_numpy(mapped):
    """So hooks of others, which know of arrays alone, work."""
    some = OnFile(mapped(PIXELS), np.float32).only(np.arange(10, 300)).only(slice(None, None, 3))
    expected = PIXELS[10::3].astype(np.float32)
    np.testing.assert_array_equal(np.asarray(some), expected, strict=True)
    np.testing.assert_array_equal(some.mean(axis=0), expected.mean(axis=0), strict=True)
    np.testing.assert_array_equal(some[[2, 0]], expected[[2, 0]], strict=True)
    assert (some.shape, len(some), some.ndim, some.dtype) == (expected.shape, 97, 2, expected.dtype)
    with pytest.raises(AttributeError, match="columns"):
        _ = some.columns
    read = np.concatenate([some.rows[part] for part in some.in_order(20)])
    np.testing.assert_array_equal(read, np.arange(10, 300, 3))


# Windows.


@pytest.fixture
def small_windows(monkeypatch):
    """Of 16 blocks of 3 rows of 64 numbers."""
    monkeypatch.setattr(order, "BLOCK_SIZE", 3 * 64)
    monkeypatch.setattr(order, "N_BLOCKS", 16)


@pytest.fixture
def windows_of_X(monkeypatch):
    """3 windows of 5 blocks of 4 rows."""
    monkeypatch.setattr(order, "BLOCK_SIZE", 4 * X.shape[1])
    monkeypatch.setattr(order, "N_BLOCKS", 5)


def windows(n, seed=0):
    generator = stream(seed, "shuffle", 0)
    return torch.cat(order.shuffled_windows(torch.arange(n), 64, generator)).numpy()


@pytest.mark.parametrize("n", [1, 2, 3, 47, 300, 1000])
def test_windows_have_each_row_once(n, small_windows):
    np.testing.assert_array_equal(np.sort(windows(n)), np.arange(n))


def test_a_window_has_rows_of_all_blocks_that_it_reads(small_windows):
    taken = windows(960)  # 320 blocks, 20 windows
    for window in taken.reshape(20, 48):
        blocks, n_rows = np.unique(window // 3, return_counts=True)
        assert len(blocks) == 16
        assert set(n_rows) == {3}
        assert (np.diff(window // 3) == 0).mean() < 0.2  # one block after the other: 2 of 3


def test_blocks_of_a_window_lie_all_over_the_file(small_windows):
    means = windows(9600).reshape(200, 48).mean(axis=1)
    expected = 9600 / np.sqrt(12 * 16)  # of 16 uniform positions
    np.testing.assert_allclose(means.std(), expected, rtol=0.2)


class Advised(mmap.mmap):
    """A memory map that keeps the advice that it is given."""

    asked = ()

    def madvise(self, option, start, length):
        super().madvise(option, start, length)
        self.asked = [*self.asked, (start, start + length)]


class Refusing(mmap.mmap):
    """A memory map of a system that refuses such advice."""

    def madvise(self, *advice):
        raise OSError("Cannot allocate memory")


needs_advice = pytest.mark.skipif(
    not hasattr(mmap.mmap, "madvise"), reason="the system takes no advice"
)


def zeros_in(kind, path, shape):
    """A map of zeros, of float32."""
    path.write_bytes(bytes(4 * np.prod(shape)))
    with open(path, "rb") as file:
        return np.ndarray(shape, np.float32, kind(file.fileno(), 0, access=mmap.ACCESS_READ))


@needs_advice
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_each_window_is_asked_for_before_its_first_batch(dtype, tmp_path):
    n_rows, row = 5000, 100 * np.dtype(dtype).itemsize
    (tmp_path / "rows").write_bytes(bytes(77 * row + n_rows * row))
    with open(tmp_path / "rows", "rb") as file:
        memory = Advised(file.fileno(), 0, access=mmap.ACCESS_READ)
    X = np.ndarray((77 + n_rows, 100), dtype, memory)[77:]
    held_out = np.arange(n_rows) % 10 == 0
    taken = files.on_file(X, np.float32).only(np.flatnonzero(~held_out))
    windows = [torch.arange(3000, 4500), torch.arange(0, 3000)]
    batches = torch.cat(windows).split(400)
    asked = []
    for batch in files.reading_ahead(taken, windows, batches):
        asked.append(len(memory.asked))
        for place in 77 * row + taken.rows[batch] * row:
            assert any(start <= place and place + row <= stop for start, stop in memory.asked)
    assert asked == [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    assert (
        sum(stop - start for start, stop in memory.asked) < 1.02 * n_rows * row + 2 * mmap.PAGESIZE
    )


FEW = np.array([0, 3, 900, 901])
VIEWS = {
    "every other row": (lambda X: X[1::2], True),
    "some columns": (lambda X: X[:, 5:], True),
    "in reverse": (lambda X: X[::-1], False),
    "one row in reverse": (lambda X: X[:1][::-1], False),
    "columns one after the other": (lambda X: X.reshape(50, -1).T, False),
    "far apart": (lambda X: X[::1000], False),
}


@needs_advice
@pytest.mark.parametrize("view", VIEWS)
def test_rows_close_together_are_asked_for(view, tmp_path):
    select, is_asked = VIEWS[view]
    X = zeros_in(Advised, tmp_path / "rows", (4000, 50))
    memory, some = X.base, select(X)
    rows = FEW[len(some) > FEW]
    files.ask_for(some, rows)
    assert bool(memory.asked) == is_asked
    for row in rows if is_asked else ():
        place = some[row].ctypes.data - X.ctypes.data
        assert any(low <= place < high for low, high in memory.asked)


@needs_advice
def test_a_shard_asks_for_its_own_rows(tmp_path):
    X = zeros_in(Advised, tmp_path / "rows", (4000, 50))
    shard = Shard(X, np.arange(8000) % 2 == 1, group=None)
    files.ask_for(shard, np.arange(0, 8000, 2))
    assert not X.base.asked
    files.ask_for(shard, np.array([7999]))
    [(low, high)] = X.base.asked
    assert low <= 3999 * 200 and high == 4000 * 200


@needs_advice
def test_a_system_may_refuse(tmp_path):
    files.ask_for(zeros_in(Refusing, tmp_path / "rows", (4000, 50)), FEW)


def test_what_is_asked_for_leaves_large_gaps_out():
    rows = np.array([0, 1, 2, 5, 40, 41, 90])
    assert files.spans_of(rows, 3) == [(0, 6), (40, 42), (90, 91)]
    assert files.spans_of(rows, 1) == [(0, 3), (5, 6), (40, 42), (90, 91)]
    assert files.spans_of(rows[:0], 1) == []


def test_small_data_are_one_window():
    """Then the order is one of all rows."""
    taken = windows(1000)
    assert np.corrcoef(taken, np.arange(1000))[0, 1] < 0.1


def test_no_window_is_smaller_than_the_others(small_windows):
    """One of few blocks, at the end, would be a run of rows of few kinds."""
    taken = windows(3 * 33)  # twice 16 blocks and one
    seen = {*taken[:51] // 3}, {*taken[51:] // 3}
    assert [len(blocks) for blocks in seen] in ([17, 16], [16, 17])


@each_trained
def test_windows_go_on_exactly(name, windows_of_X):
    """Through pickle and `partial_fit`, as the order is the seed's and the epoch's."""
    whole = small(name, shuffle="windows").partial_fit(X, LABELS)
    parts = pickle.loads(pickle.dumps(whole))
    for _ in range(2):
        whole.partial_fit(X, LABELS)
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X, LABELS)))
    assert_same_fit(parts, whole)
    other = small(name).set_params(shuffle=True, max_iter=3).fit(X, LABELS)
    assert not np.array_equal(other._state.weights, whole._state.weights)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_windows_are_the_same_of_arrays_and_maps(early_stopping, mapped, windows_of_X):
    params = {"shuffle": "windows", "early_stopping": early_stopping}
    plain = np.round(X * 4).astype(np.int8)
    expected = small("Autoencoder", **params).fit(plain.astype(np.float32))
    assert_same_fit(small("Autoencoder", **params).fit(mapped(plain)), expected)


def test_held_out_rows_are_read_in_their_order(mapped):
    rows = OnFile(mapped(PIXELS), np.float32).only(np.arange(300)[::-1])
    split = Split(torch.tensor([7, 2, 9]), torch.tensor([4, 8]))
    assert [part.tolist() for part in split.as_read(PIXELS)] == [[2, 7, 9], [4, 8]]
    assert [part.tolist() for part in split.as_read(rows)] == [[9, 7, 2], [8, 4]]


def test_windows_are_nearly_as_good_as_all_rows_of_a_sorted_file(monkeypatch):
    """Windows of a tenth of the rows, 64 small blocks each, where digits are sorted by class."""
    pixels, digits = load_digits(return_X_y=True)
    pixels = pixels[digits.argsort(kind="stable")] / 16
    monkeypatch.setattr(order, "BLOCK_SIZE", 3 * 64)

    def score(shuffle):
        settings = {"batch_size": 50, "max_iter": 8, "random_state": 0}
        return SparseAutoencoder(64, shuffle=shuffle, **settings).fit(pixels).score(pixels)

    full = score(True)
    assert abs(score("windows") - full) < 0.03
    assert score(False) < full - 0.2


# A file that the memory does not hold.


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_random_order_of_a_large_file_is_warned_of(mapped, monkeypatch, recwarn):
    pixels = mapped(PIXELS / np.float32(16))
    monkeypatch.setattr(_files, "free_memory", lambda: 10_000)
    quick = Autoencoder(8, max_iter=1, random_state=0)
    slow = {"shuffle": True}, {"shuffle": False, "early_stopping": True}
    fast = {"shuffle": "windows", "early_stopping": True}, {"shuffle": False}, {"solver": "lbfgs"}
    for params in slow:
        with pytest.warns(UserWarning, match=r"7.68e-05 GB.*1e-05 GB.*set shuffle='windows'"):
            Autoencoder(8, max_iter=1, random_state=0, **params).fit(pixels)
    for params in fast:
        Autoencoder(8, max_iter=1, random_state=0, **params).fit(pixels)
    quick.fit(PIXELS / 16)
    quick.fit(pixels[:10])
    assert not [warning for warning in recwarn if "memory map" in str(warning.message)]


def test_free_memory_is_what_the_system_says():
    assert free_memory() > 10**6


# What is no file yet.


def batches(X):
    yield from np.array_split(X, 3)


class Reader:
    """As pyarrow's data sets: neither an array nor an iterable."""

    def to_batches(self):
        return batches(X)


STREAMS = {
    "generator": lambda: batches(X),
    "map": lambda: map(np.asarray, X),
    "DataLoader": lambda: DataLoader(TensorDataset(torch.from_numpy(X)), batch_size=20),
    "TensorDataset": lambda: TensorDataset(torch.from_numpy(X)),
    "Reader": Reader,
    "LazyFrame": lambda: pytest.importorskip("polars").LazyFrame(X),
}


@each_trained
@pytest.mark.parametrize("kind", STREAMS)
def test_what_gives_rows_part_by_part_is_no_array(kind, name):
    estimator = small(name)
    for method in (estimator.fit, estimator.partial_fit):
        with pytest.raises(
            TypeError, match=f"found an object of type {kind}, .* to partial_fit; .*"
        ):
            method(STREAMS[kind](), LABELS)
    assert not hasattr(estimator, "n_iter_")


def test_a_list_of_parts_is_no_array():
    for parts in (list(batches(X)), [X[:20], X[20:]], [torch.from_numpy(X)] * 2):
        with pytest.raises(ValueError) as raised:
            small("Autoencoder").fit(parts)
        assert f"list of {len(parts)} arrays is not an array" in raised.value.__notes__[0]
        assert "open_memmap" in raised.value.__notes__[0]
    small("Autoencoder").fit([*X])
