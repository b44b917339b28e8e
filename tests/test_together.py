"""Tables, detectors, imputers and games of several processes are what one makes of all rows."""

import importlib
from copy import copy
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from ranks import BOUNDS, N_ROWS, TRAINING, assert_close, assert_equal, caught, results, shard_of
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skae import (
    GAN,
    VAE,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    ConditionalGAN,
    DenoisingAutoencoder,
    InfoGAN,
    RestrictedBoltzmannMachine,
    StackedAutoencoder,
)
from skae._adversarial import BaseGAN
from skae._engine.network import Network
from skae._engine.shards import Shard
from skae._together import check_facts, facts_of, group_of_fits
from skae.distributed import data_parallel
from skae.tables import TableEncoder

pd = pytest.importorskip("pandas")


def make_table():
    """A table; its first shard has no gaps, and not all categories."""
    rng, places = np.random.default_rng(3), np.arange(N_ROWS)
    hidden, later = rng.normal(size=N_ROWS), places > 20
    kinds = np.array(["b", "c", "a"], dtype=object)[rng.integers(0, 2 + later)]
    kinds[(rng.random(N_ROWS) < 0.1) & later] = None
    marks = pd.array(np.where(hidden > 0, "up", "down"), dtype="category")
    sizes = np.where((rng.random(N_ROWS) < 0.1) & later, np.nan, hidden)
    counts, skewed = rng.poisson(3.0, N_ROWS), np.exp(hidden).astype(np.float32)
    return pd.DataFrame(
        {"size": sizes, "count": counts, "kind": kinds, "mark": marks, "skewed": skewed}
    )


TABLE = make_table()
FULL = TABLE.drop(columns=["size", "kind"])
WEIGHTS = np.random.default_rng(4).integers(0, 3, N_ROWS).astype(float)
LABELS = (TABLE["skewed"] > 1).to_numpy().astype(int)
LAYER = DenoisingAutoencoder(batch_size=101, max_iter=2)
FEW = TableEncoder(kinds={"count": "category"}, numeric="quantile", max_categories=4)
SAME = clone(FEW).set_params(kinds={2: "category"})
NUMBERS = np.where(TABLE[["size", "size", "count"]].isna(), np.nan, [[1.0, 2.0, 3.0]])
NUMBERS[:, 2] *= TABLE["count"]

HIDDEN = np.random.default_rng(5).normal(size=(N_ROWS, 3))
ROWS = np.tanh(HIDDEN @ np.random.default_rng(6).normal(size=(3, 7)))
GAPS = np.where(np.random.default_rng(7).random(ROWS.shape) < 0.1, np.nan, ROWS)
GAPS[:420, 5] = ROWS[:420, 5]  # so that not every shard has one
UNIT = (ROWS > 0).astype(float)

# Estimators, their data, and what comes with the rows.
TABLES = {
    "gaps": (DenoisingAutoencoder(3, **TRAINING), TABLE, {"sample_weight": WEIGHTS}),
    "encoder": (VAE(2, **TRAINING, table=FEW), TABLE, {}),
    "array": (VAE(2, **TRAINING, table=SAME), NUMBERS, {}),
    "classifier": (AutoencoderClassifier(LAYER, **TRAINING), TABLE, {"y": LABELS}),
}


def fit(estimator, rows, others, rank, size):
    shard = partial(shard_of, rank, size)
    with data_parallel(timeout=60):
        return clone(estimator).fit(shard(rows), **{k: shard(v) for k, v in others.items()})


def fit_tables(rank, size):
    return {name: fit(*case, rank, size) for name, case in TABLES.items()}


@pytest.mark.parametrize("size", [2, 3])
def test_tables(size, tmp_path):
    for name, found in results(fit_tables, size, tmp_path).items():
        estimator, rows, others = TABLES[name]
        assert_equal(found)
        expected = clone(estimator).fit(rows, **others)
        assert_close(found[0], expected, 1e-4)  # they compute in float32
        for its in found:
            same_tables(its.table_, expected.table_, rows)


# Of other kinds than networks that are trained in one go on arrays.
PLAIN = DenoisingAutoencoder(3, **TRAINING)
DETECTOR = AutoencoderOutlierDetector(PLAIN)
CLASSIFIER = AutoencoderClassifier(LAYER, **TRAINING)
IMPUTER = AutoencoderImputer(PLAIN, add_indicator=True)
GAME = {"n_components": 3, "hidden_layer_sizes": (8,), **TRAINING, "max_iter": 2}
SEVERAL = np.stack([LABELS, ROWS[:, 1] > 0], axis=1).astype(int)

OTHERS = {
    "detector": (DETECTOR, ROWS, {}),
    "detector, trimmed": (clone(DETECTOR).set_params(contamination=0.1), GAPS, {}),
    "detector, sparse": (DETECTOR, csr_matrix(ROWS), {}),
    "detector, table": (AutoencoderOutlierDetector(PLAIN), TABLE, {}),
    "detector, pipeline": (
        AutoencoderOutlierDetector(make_pipeline(StandardScaler(), PLAIN)),
        ROWS,
        {},
    ),
    "detector, PCA": (AutoencoderOutlierDetector(PCA(2)), pd.DataFrame(ROWS), {}),
    "imputer": (IMPUTER, GAPS, {}),
    "imputer, table": (IMPUTER, TABLE, {}),
    "GAN": (GAN(**GAME), ROWS, {}),
    "GAN, table": (GAN(**GAME), FULL, {}),
    "ConditionalGAN": (ConditionalGAN(**GAME), ROWS, {"y": LABELS}),
    "InfoGAN": (InfoGAN(**GAME, n_categories=3, n_continuous=1), ROWS, {}),
    "machine": (RestrictedBoltzmannMachine(4, **TRAINING), UNIT, {}),
    "multilabel": (CLASSIFIER, ROWS, {"y": SEVERAL}),
}


def fit_others(rank, size):
    return {name: fit(*case, rank, size) for name, case in OTHERS.items()}


def calibrated(estimator):
    """A game whose scores have the constant that pairs of rows cannot teach, only rounding."""
    if not isinstance(estimator, BaseGAN):
        return estimator
    weights, offset = estimator._state.weights.copy(), np.atleast_1d(estimator.offset_)
    bias = Network(estimator._perceptron, torch.from_numpy(weights)).encoder_biases[-1]
    bias[: len(offset)] += torch.from_numpy(offset)
    its = copy(estimator)
    its._state, its.offset_ = replace(estimator._state, weights=weights), 0.0 * offset
    return its


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # so few epochs
@pytest.mark.parametrize("size", [2, 3])
def test_others(size, tmp_path):
    for name, found in results(fit_others, size, tmp_path).items():
        estimator, rows, others = OTHERS[name]
        assert_equal(found)
        expected = calibrated(clone(estimator).fit(rows, **others))
        is_of_float32 = isinstance(rows, pd.DataFrame)
        assert_close(calibrated(found[0]), expected, 1e-4 if is_of_float32 else 1e-12)


def same_tables(found, expected, rows):
    """They make the same matrix of rows, and the same rows of it."""
    matrix = expected.transform(rows)
    np.testing.assert_array_equal(found.transform(rows), matrix)
    assert found.get_feature_names_out().tolist() == expected.get_feature_names_out().tolist()
    np.testing.assert_array_equal(found._missing_fractions, expected._missing_fractions)
    one, other = (encoder.inverse_transform(matrix) for encoder in (found, expected))
    np.testing.assert_array_equal(pd.DataFrame(one).isna(), pd.DataFrame(other).isna())
    assert pd.DataFrame(one).equals(pd.DataFrame(other))


def encode(rank, size):
    """Encoders of the same rows in tables of all libraries, and without categories of a dtype."""
    found = {}
    with data_parallel(timeout=60):
        for name, table in of_libraries():
            counts = np.diff(BOUNDS[size])
            shard = Shard.of(shard_of(rank, size, table), counts, group_of_fits.get())
            found[name] = TableEncoder()._fit(shard)
    return found


def of_libraries():
    table = TABLE.astype({"mark": object})
    yield "pandas", table
    if find_spec("pyarrow"):
        pa = importlib.import_module("pyarrow")
        of_words = pa.array(table["mark"]).dictionary_encode()
        yield "pyarrow", pa.Table.from_pandas(table).append_column("word", of_words)
    if find_spec("polars"):
        pl = importlib.import_module("polars")
        of_words = pl.col("mark").cast(pl.Categorical).alias("word")
        yield "polars", pl.from_pandas(table).with_columns(of_words)


def test_tables_of_all_libraries(tmp_path):
    found = results(encode, 2, tmp_path)
    for name, table in of_libraries():
        expected = TableEncoder().fit(table)
        for encoder in found[name]:
            matrix = encoder.transform(table)
            np.testing.assert_array_equal(matrix, expected.transform(table))
            assert encoder.inverse_transform(matrix).equals(expected.inverse_transform(matrix))


def go_on(rank, size):
    """Two epochs on a table, one after the other."""
    rows, estimator = shard_of(rank, size, TABLE), clone(PLAIN)
    with data_parallel(timeout=60):
        return {"": estimator.partial_fit(rows).partial_fit(rows)}


def test_training_on_a_table_goes_on(tmp_path):
    [found] = results(go_on, 2, tmp_path).values()
    assert_equal(found)
    assert_close(found[0], clone(PLAIN).partial_fit(TABLE).partial_fit(TABLE), 1e-4)


def fail(rank, size):
    """All errors of one process after the other."""
    second, imputer = rank == 1, AutoencoderImputer(PLAIN)
    infinite, no_label = TABLE.copy(), LABELS.astype(float)
    infinite.loc[900, "size"], no_label[900] = np.inf, np.nan
    words = LABELS.astype(str) if second else LABELS
    with data_parallel(timeout=60):
        imputer.fit(shard_of(rank, size, GAPS))
    return {
        "names": caught(
            PLAIN, rank, size, TABLE.rename(columns={"count": "n"}) if second else TABLE
        ),
        "dtype": caught(PLAIN, rank, size, TABLE.astype({"count": float}) if second else TABLE),
        "kind": caught(PLAIN, rank, size, TABLE.assign(kind=1, mark=1) if second else TABLE),
        "infinite": caught(PLAIN, rank, size, infinite),
        "detector": caught(DETECTOR, rank, size, GAPS * [1.0, np.inf][rank]),
        "imputer": caught(imputer, rank, size, GAPS * [1.0, np.inf][rank]),
        "strings": caught(CLASSIFIER, rank, size, ROWS, y=shard_of(rank, size, words)),
        "columns": caught(
            CLASSIFIER, rank, size, ROWS, y=shard_of(rank, size, SEVERAL[:, : 1 + rank])
        ),
        "label": caught(ConditionalGAN(**GAME), rank, size, ROWS, y=shard_of(rank, size, no_label)),
    }


WORDS = {
    "names": "Rank 1 differs from rank 0 in the names of columns",
    "dtype": "Rank 1 differs from rank 0 in the dtype of column 'count': dtype('float64')",
    "kind": "Rank 1 differs from rank 0 in whether columns hold more than numbers",
    "infinite": "Column 'size' contains infinity",
    "detector": "infinity",
    "imputer": "infinity",
    "strings": "Some ranks have strings where others have numbers",
    "columns": "Rank 1 differs from rank 0 in the shape of the target's rows: (2,) instead of (1,)",
    "label": "y has rows without a label",
}


def test_an_error_in_one_rank_is_one_in_all(tmp_path):
    for name, found in results(fail, 2, tmp_path).items():
        for rank, (_, message, is_fitted) in enumerate(found):
            assert WORDS[name] in message, name
            told = name in ("infinite", "strings", "label") or (
                name in ("detector", "imputer") and rank == 1
            )
            assert told or "Rank 1" in message, name
            assert is_fitted == (name == "imputer"), name  # of before


def doubled_first(n_components, **local):
    """A detector; each call makes the function in its pipeline anew, as each process does."""

    def double(rows):
        return 2.0 * rows

    steps = FunctionTransformer(double), clone(PLAIN).set_params(n_components=n_components, **local)
    return AutoencoderOutlierDetector(make_pipeline(*steps))


def differ(*estimators):
    """Whether ranks refuse to fit these together."""
    try:
        check_facts([facts_of(estimator, False, ROWS, None, None) for estimator in estimators])
    except ValueError:
        return True
    return False


def test_parameters_of_parts_differ_only_in_values():
    """Neither in addresses nor in what may differ, such as devices."""
    detector = doubled_first(3)
    assert not differ(detector, doubled_first(np.int64(3), device="auto", verbose=True))
    assert differ(detector, doubled_first(np.int64(4)))
    layers = [clone(PLAIN).set_params(alpha=alpha) for alpha in (0.0, 0.1)]
    assert differ(*(StackedAutoencoder((3,), estimator=[layer]) for layer in layers))


def test_only_weights_of_frozen_parts_count():
    fitted = [clone(PLAIN).set_params(random_state=seed).fit(ROWS) for seed in (0, 1)]
    for its in fitted:
        its.random_state = 0
    assert not differ(*map(AutoencoderOutlierDetector, fitted))
    assert differ(*(AutoencoderOutlierDetector(FrozenEstimator(its)) for its in fitted))


def test_classes_of_an_earlier_fit_do_not_count():
    classifiers = [AutoencoderClassifier(LAYER, **TRAINING) for _ in range(2)]
    for classifier, labels in zip(classifiers, (LABELS, LABELS + 1), strict=True):
        classifier.fit(ROWS, labels)
    assert not differ(*classifiers)
