"""Estimators converted by skl2onnx compute in onnxruntime what they do here."""

import numpy as np
import onnxruntime
import pytest
import torch
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import skae.onnx
from skae import (
    GAN,
    VAE,
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderImputer,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ConditionalGAN,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    InfoGAN,
    RestrictedBoltzmannMachine,
    SparseAutoencoder,
    StackedAutoencoder,
)
from skae._onnx_estimators import options_of
from skae.networks import ConvNet
from skae.tables import TableEncoder

skae.onnx.register()

pytestmark = [
    pytest.mark.filterwarnings("ignore:The code has collapsed:UserWarning"),
    pytest.mark.filterwarnings("ignore:.* components are dead:UserWarning"),
]

RNG = np.random.default_rng(0)
N_ROWS, N_TRAINED = 1000, 200
DATA = {
    "normal": RNG.normal(3.0, 2.0, size=(N_ROWS, 6)),
    "unit": RNG.uniform(size=(N_ROWS, 6)),
    "counts": RNG.poisson(3.0, size=(N_ROWS, 6)).astype(float),
    "images": RNG.uniform(size=(N_ROWS, 5 * 7)),
}
DATA["gaps"] = np.where(RNG.uniform(size=(N_ROWS, 6)) < 0.2, np.nan, DATA["normal"])
CLASSES = (DATA["normal"][:, 0] + DATA["normal"][:, 1] > 6).astype(int) + (DATA["normal"][:, 2] > 4)
TRAINING = {"max_iter": 2, "batch_size": 50, "random_state": 0}
CONV = {"network": ConvNet((1, 5, 7), channels=(3, 4)), "hidden_layer_sizes": (6,)}
IMAGE = ConvNet((1, 5, 7), channels=(3,), downsample="pool", code="image")
ODD = ConvNet((1, 5, 7), channels=(3,), kernel_size=4, downsample=None)
LAYER = DenoisingAutoencoder(max_iter=2, batch_size=50)
MIXED = [
    SparseAutoencoder(sparsity="topk", n_active=3, max_iter=2),
    ContractiveAutoencoder(hidden_layer_sizes=(7,), max_iter=2),
    VAE(hidden_layer_sizes=(), max_iter=2),
]
CONVOLUTIONS = [
    Autoencoder(network=IMAGE, max_iter=2),
    Autoencoder(network=ConvNet((2, 3, 4), channels=(3,)), max_iter=2),
]
ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "elu", "gelu", "softplus")


class Normalized(BaseEstimator):
    """Layers of a user's own."""

    def __init__(self, layer=None):
        self.layer = layer

    def build(self, n_features, *, n_inputs, n_outputs, activation):
        encoder = nn.Sequential(
            *(
                nn.Unflatten(1, (1, n_inputs)),
                nn.Conv1d(1, 4, 3, padding="same"),
                nn.LeakyReLU(0.1),
            ),
            *(nn.GroupNorm(2, 4), nn.SiLU(), nn.Flatten(), nn.LayerNorm(4 * n_inputs)),
            *([] if self.layer is None else [self.layer]),
        )
        decoder = nn.Sequential(nn.Dropout(0.0), nn.Linear(4 * n_inputs, n_outputs, bias=False))
        return encoder, decoder


class Doubled(nn.Module):
    """A layer that no converter knows."""

    def forward(self, x):
        return 2 * x


def autoencoders():
    """Pairs (autoencoder, kind of data)."""
    for activation in ACTIVATIONS:
        yield Autoencoder(3, hidden_layer_sizes=(5,), activation=activation), "normal"
        yield Autoencoder(3, code_activation=activation, tied_weights=True), "normal"
    for loss in ("binary_cross_entropy", "squared_error"):
        yield Autoencoder(3, hidden_layer_sizes=(), loss=loss), "unit"
    yield Autoencoder(3, loss="categorical_cross_entropy"), "counts"
    for network in (CONV["network"], IMAGE, ODD):
        yield Autoencoder(2, network=network, hidden_layer_sizes=(5,), activation="elu"), "images"
    yield Autoencoder(2, network=Normalized()), "normal"
    for sparsity in ("kl", "l1", "topk"):
        yield SparseAutoencoder(16, sparsity=sparsity), "normal"
    yield SparseAutoencoder(9, sparsity="topk", n_active=2, code_activation="identity"), "normal"
    yield SparseAutoencoder(4, sparsity="topk", n_active=2, network=IMAGE), "images"
    yield SparseAutoencoder(9, sparse_output=True, hidden_layer_sizes=(5,)), "normal"
    for kind in ("normal", "gaps"):
        yield DenoisingAutoencoder(4, corruption="gaussian"), kind
    yield DenoisingAutoencoder(4, loss="binary_cross_entropy", corruption="swap"), "unit"
    yield DenoisingAutoencoder(4, loss="categorical_cross_entropy"), "counts"
    yield DenoisingAutoencoder(4, **CONV), "images"
    yield ContractiveAutoencoder(3), "normal"
    yield ContractiveAutoencoder(3, hidden_layer_sizes=(5, 4), tied_weights=False), "normal"
    yield StackedAutoencoder((6, 5, 4, 3), estimator=LAYER), "normal"
    yield StackedAutoencoder((6, 5, 3), estimator=MIXED), "normal"
    yield StackedAutoencoder((2, 3), estimator=CONVOLUTIONS), "images"
    yield StackedAutoencoder((5, 3), estimator=LAYER, fine_tune=False), "unit"
    yield StackedAutoencoder((5, 3), estimator=BernoulliRBM(n_iter=2)), "unit"
    yield RestrictedBoltzmannMachine(3), "unit"
    yield StackedAutoencoder((5, 3), estimator=RestrictedBoltzmannMachine(max_iter=2)), "unit"
    for noise in ("shared", "per_feature", "heteroscedastic", 0.5):
        yield VAE(3, hidden_layer_sizes=(5,), noise_variance=noise), "normal"
    yield VAE(3, code_activation="tanh", n_draws=70), "normal"
    yield VAE(3, likelihood="bernoulli", tied_weights=True), "unit"
    yield VAE(3, likelihood="categorical"), "counts"
    for noise in ("shared", "heteroscedastic"):
        yield VAE(2, noise_variance=noise, **CONV), "images"
    yield VAE(2, noise_variance="heteroscedastic", network=IMAGE), "images"


def supervised():
    """Pairs (classifier or regressor, kind of data), and y."""
    classes, words = CLASSES, np.array(["one", "two", "three"])[CLASSES]
    numbers, gaps = DATA["normal"][:, :2] @ [3.0, 1.0] + 1000.0, DATA["gaps"][:, :2].copy()
    some = np.where(np.arange(N_TRAINED) % 4 == 0, None, words[:N_TRAINED])
    layer = Autoencoder(4, hidden_layer_sizes=(5,), max_iter=2)
    stack = StackedAutoencoder((5, 4), estimator=LAYER, max_iter=2)
    yield AutoencoderClassifier(layer), "normal", classes
    yield AutoencoderClassifier(stack, fine_tune=False), "normal", classes > 0
    yield AutoencoderClassifier(stack, class_weight="balanced"), "normal", classes.astype(float)
    yield AutoencoderClassifier(VAE(3, max_iter=2)), "normal", words
    yield AutoencoderClassifier(LAYER, unlabeled=np.nan), "gaps", some
    yield AutoencoderClassifier(DenoisingAutoencoder(4, max_iter=2)), "normal", -classes
    yield AutoencoderClassifier(Autoencoder(2, max_iter=2, **CONV)), "images", classes
    frozen = SparseAutoencoder(9, sparsity="topk", n_active=3, max_iter=2).set_params(batch_size=50)
    frozen = FrozenEstimator(frozen.fit(DATA["normal"][:N_TRAINED].astype(np.float32)))
    yield AutoencoderClassifier(frozen), "normal", classes
    yield AutoencoderRegressor(stack), "normal", numbers
    yield AutoencoderRegressor(layer), "normal", gaps
    counts = Autoencoder(4, loss="categorical_cross_entropy", max_iter=2)
    yield AutoencoderRegressor(counts), "counts", numbers
    yield AutoencoderRegressor(LAYER), "gaps", numbers
    yield AutoencoderRegressor(Autoencoder(2, network=IMAGE, max_iter=2)), "images", numbers


def session_of(converted):
    serialized, cpu = converted.SerializeToString(), ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(serialized, providers=cpu)


def in_onnxruntime(model, X, options=None, **params):
    """A function that gives what the converted model makes of rows."""
    session = session_of(to_onnx(model, X[:1], options=options, **params))
    (name,) = (given.name for given in session.get_inputs())
    return lambda rows: session.run(None, {name: rows})


def assert_equal(found, expected, tolerance=1e-5):
    """Within rounding."""
    expected = np.asarray(expected, found.dtype).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def name_of(value):
    return value if isinstance(value, str) else type(value).__name__


def fitted(model, kind, dtype, y=None, **params):
    """A fitted clone, and rows that it has not all seen."""
    X = DATA[kind].astype(dtype)
    return clone(model).set_params(**params).fit(
        X[:N_TRAINED], None if y is None else y[:N_TRAINED]
    ), X


def is_single(model):
    """Whether onnxruntime has no kernels for all of it in float64."""
    return any(kind in str(model.get_params()) for kind in ("ConvNet", "Normalized", "gelu"))


each_autoencoder = pytest.mark.parametrize(("model", "kind"), list(autoencoders()), ids=name_of)
TARGETED = list(supervised())
each_supervised = pytest.mark.parametrize(("model", "kind", "y"), TARGETED, ids=name_of)


@each_autoencoder
def test_autoencoders_are_the_same(model, kind):
    model, X = fitted(model, kind, np.float32, **TRAINING)
    run = in_onnxruntime(model, X, {"score_samples": True, "reconstruct": True})
    model.set_params(**({"sparse_output": False} if hasattr(model, "sparse_output") else {}))
    for rows in (X, X[:1]):
        codes, scores, reconstructions = run(rows)
        assert_equal(codes, model.transform(rows))
        assert_equal(scores, model.score_samples(rows))
        assert_equal(reconstructions, model.reconstruct(rows))


@each_autoencoder
def test_autoencoders_of_doubles_are_the_same(model, kind):
    model, X = fitted(model, kind, np.float64, **TRAINING)
    codes, scores = in_onnxruntime(model, X, {"score_samples": True})(X[:20])
    assert codes.dtype == np.float64
    model.set_params(**({"sparse_output": False} if hasattr(model, "sparse_output") else {}))
    tolerance = 1e-5 if is_single(model) else 1e-10
    assert_equal(codes, model.transform(X[:20]), tolerance)
    assert_equal(scores, model.score_samples(X[:20]), tolerance)


@each_supervised
def test_predictions_are_the_same(model, kind, y):
    model, X = fitted(model, kind, np.float32, y, **TRAINING)
    is_classifier = hasattr(model, "classes_")
    run = in_onnxruntime(model, X, {"zipmap": False} if is_classifier else None)
    transform = in_onnxruntime(model, X, {"transform": True})
    for rows in (X, X[:1]):
        *_, found = run(rows)
        expected = model.predict_proba(rows) if is_classifier else model.predict(rows)
        assert_equal(found, expected)
        assert_equal(*transform(rows), model.transform(rows))
        if is_classifier:
            np.testing.assert_array_equal(run(rows)[0], model.predict(rows))


@pytest.mark.parametrize(
    ("model", "kind", "y"),
    [case for case in TARGETED if not isinstance(case[0].autoencoder, FrozenEstimator)],
    ids=name_of,
)
def test_predictions_from_doubles_are_the_same(model, kind, y):
    model, X = fitted(model, kind, np.float64, y, **TRAINING)
    is_classifier = hasattr(model, "classes_")
    *_, found = in_onnxruntime(model, X, {"zipmap": False} if is_classifier else None)(X[:20])
    expected = model.predict_proba(X[:20]) if is_classifier else model.predict(X[:20])
    assert found.dtype == np.float64
    assert_equal(found, expected, 1e-5 if is_single(model) else 1e-10)


# Of the methods, the last ones are options of the converter.
GAME = {"hidden_layer_sizes": (7, 5), "max_iter": 2, "random_state": 0}
GAPS = DenoisingAutoencoder(4, **TRAINING)
UNITS = DenoisingAutoencoder(4, loss="categorical_cross_entropy", **TRAINING)
OTHERS = [
    (GAN(3, **GAME), "normal", ["transform", "discriminate"]),
    (GAN(3, network=CONV["network"], **GAME), "images", ["transform", "discriminate"]),
    (ConditionalGAN(3, **GAME), "normal", ["transform"]),
    (InfoGAN(3, n_categories=3, **GAME), "normal", ["transform", "predict", "discriminate"]),
    (InfoGAN(3, n_categories=2, n_continuous=2, **GAME), "normal", ["transform", "predict"]),
    *(
        (AutoencoderImputer(GAPS, add_indicator=indicator), kind, ["transform"])
        for indicator in (False, True)
        for kind in ("gaps", "normal")
    ),
    (AutoencoderImputer(UNITS, add_indicator=True), "counts", ["transform"]),
    *(
        (AutoencoderOutlierDetector(model), kind, ["predict", "decision_function", "score_samples"])
        for model, kind in (
            (Autoencoder(3, **TRAINING), "normal"),
            (GAPS, "normal"),
            (GAPS, "gaps"),
            (UNITS, "counts"),
            (VAE(2, **TRAINING, **CONV), "images"),
        )
    ),
]
each_of_others = pytest.mark.parametrize(("model", "kind", "methods"), OTHERS, ids=name_of)


def assert_same_methods(model, X, methods, tolerance):
    registered = options_of(type(model))
    run = in_onnxruntime(model, X, {name: True for name in methods if name in registered})
    for rows in (X, X[:1]):
        for method, found in zip(methods, run(rows), strict=True):
            assert_equal(found, getattr(model, method)(rows), tolerance)


@each_of_others
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-10)])
def test_other_estimators_are_the_same(model, kind, methods, dtype, tolerance):
    model, X = fitted(model, kind, dtype, CLASSES)
    if dtype == np.float64 and is_single(model):
        tolerance = 1e-5
    assert_same_methods(model, X, methods, tolerance)


def test_rows_without_an_observed_cell():
    model, X = fitted(AutoencoderOutlierDetector(GAPS), "gaps", np.float32)
    assert_same_methods(model, np.full_like(X, np.nan), OTHERS[-1][-1], 1e-5)


def test_empty_columns_that_an_imputer_leaves_out():
    X = DATA["gaps"][:N_TRAINED].astype(np.float32)
    X[:, 2] = np.nan
    with pytest.warns(UserWarning, match="no observed value"):
        model = AutoencoderImputer(GAPS, add_indicator=True).fit(X)
    assert_same_methods(model, DATA["gaps"].astype(np.float32), ["transform"], 1e-5)


@pytest.mark.parametrize("y", [CLASSES, np.array(["one", "two", "three"])[CLASSES]], ids=name_of)
def test_zipmap_is_as_of_other_classifiers(y):
    model, X = fitted(AutoencoderClassifier(LAYER), "normal", np.float32, y, **TRAINING)
    probabilities = model.predict_proba(X[:3])
    labels, maps = in_onnxruntime(model, X)(X[:3])
    np.testing.assert_array_equal(labels, model.predict(X[:3]))
    assert [list(one) for one in maps] == [model.classes_.tolist()] * 3
    assert_equal(np.array([list(one.values()) for one in maps], np.float32), probabilities)
    *columns, last = in_onnxruntime(model, X, {"zipmap": "columns"})(X[:3])
    assert_equal(last, probabilities[:, 2])
    assert len(columns) == 3
    numbered, _ = in_onnxruntime(model, X, {"nocl": True, "zipmap": False})(X[:3])
    np.testing.assert_array_equal(model.classes_[numbered], model.predict(X[:3]))
    *_, classes = in_onnxruntime(model, X, {"output_class_labels": True, "zipmap": False})(X[:3])
    np.testing.assert_array_equal(classes, model.classes_)


DENOISER, VARIATIONAL = DenoisingAutoencoder(4, **TRAINING), VAE(3, **TRAINING)
CLASSIFIER = AutoencoderClassifier(LAYER, **TRAINING)
REGRESSOR = AutoencoderRegressor(LAYER, **TRAINING)
SUPERVISED_BEHIND = LogisticRegression(max_iter=1000)
PIPELINES = {
    "scaler": make_pipeline(StandardScaler(), DENOISER),
    "pca": make_pipeline(StandardScaler(), PCA(4), Autoencoder(3, **TRAINING)),
    "behind": make_pipeline(StandardScaler(), SparseAutoencoder(9, **TRAINING), PCA(2)),
    "two": make_pipeline(VARIATIONAL, ContractiveAutoencoder(3, **TRAINING)),
    "logistic regression": make_pipeline(StandardScaler(), VARIATIONAL, SUPERVISED_BEHIND),
    "classifier": make_pipeline(StandardScaler(), DENOISER, CLASSIFIER),
    "regressor": make_pipeline(StandardScaler(), REGRESSOR),
    "classifier within": make_pipeline(StandardScaler(), CLASSIFIER, SUPERVISED_BEHIND),
    "regressor within": make_pipeline(REGRESSOR, StandardScaler()),
    "imputer": make_pipeline(
        AutoencoderImputer(GAPS), StandardScaler(), Autoencoder(3, **TRAINING)
    ),
    "generator": make_pipeline(GAN(3, **GAME), SUPERVISED_BEHIND),
    "pipeline within": make_pipeline(make_pipeline(StandardScaler(), CLASSIFIER), PCA(2)),
    "columns": ColumnTransformer(
        [("some", DENOISER, [0, 2, 3]), ("others", make_pipeline(StandardScaler(), PCA(2)), [1, 4])]
    ),
    "classifier of columns": make_pipeline(
        ColumnTransformer([("some", CLASSIFIER, [0, 1, 2]), ("rest", "passthrough", [3, 5])]),
        SUPERVISED_BEHIND,
    ),
    "union": make_pipeline(
        FeatureUnion([("pca", PCA(2)), ("code", DENOISER), ("learnt", REGRESSOR)]),
        StackedAutoencoder((5, 3), estimator=LAYER, **TRAINING),
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_are_the_same(name):
    model, X = fitted(PIPELINES[name], "normal", np.float32, CLASSES)
    is_classifier = hasattr(model, "predict_proba")
    run = in_onnxruntime(model, X, {"zipmap": False} if is_classifier else None)
    method = next(m for m in ("predict_proba", "predict", "transform") if hasattr(model, m))
    for rows in (X, X[:1]):
        assert_equal(run(rows)[-1], getattr(model, method)(rows))
        if is_classifier:
            np.testing.assert_array_equal(run(rows)[0], model.predict(rows))


def test_scores_at_the_end_of_a_pipeline():
    model, X = fitted(make_pipeline(StandardScaler(), VARIATIONAL), "normal", np.float32)
    codes, scores = in_onnxruntime(model, X, {id(model[-1]): {"score_samples": True}})(X)
    assert_equal(codes, model.transform(X))
    assert_equal(scores, model.score_samples(X))


def test_searches_and_ensembles():
    search = GridSearchCV(CLASSIFIER, {"alpha": [0.0, 0.1]}, cv=2)
    for model in (
        search,
        StackingClassifier([("a", CLASSIFIER), ("b", LogisticRegression())], cv=2),
    ):
        model, X = fitted(model, "normal", np.float32, CLASSES)
        labels, probabilities = in_onnxruntime(model, X, {"zipmap": False})(X)
        assert_equal(probabilities, model.predict_proba(X))
        np.testing.assert_array_equal(labels, model.predict(X))


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
def test_older_opsets(opset):
    model, X = fitted(VAE(3, likelihood="categorical", **TRAINING), "counts", np.float32)
    codes, scores = in_onnxruntime(model, X, {"score_samples": True}, target_opset=opset)(X)
    assert_equal(codes, model.transform(X))
    assert_equal(scores, model.score_samples(X))
    model, X = fitted(Autoencoder(2, network=Normalized(), **TRAINING), "normal", np.float32)
    (codes,) = in_onnxruntime(model, X, target_opset=opset)(X)
    assert_equal(codes, model.transform(X))


def test_an_opset_that_is_too_old():
    model, X = fitted(Autoencoder(2, **TRAINING), "normal", np.float32)
    with pytest.raises(RuntimeError, match="need ONNX opset 13 or later, but target_opset is 12"):
        to_onnx(model, X[:1], target_opset=12)


def test_gaps_that_training_had_not():
    model, X = fitted(DENOISER, "normal", np.float32)
    gaps = DATA["gaps"].astype(np.float32)
    run = in_onnxruntime(model, X, {"score_samples": True, "reconstruct": True})
    for found, method in zip(run(gaps), ("transform", "score_samples", "reconstruct"), strict=True):
        assert_equal(found, getattr(model, method)(gaps))


def test_integers_and_columns_of_their_own():
    X = DATA["counts"].astype(np.int64)
    model = Autoencoder(3, **TRAINING).fit(X.astype(np.float32))
    (codes,) = in_onnxruntime(model, X)(X)
    assert_equal(codes, model.transform(X))
    types = [(f"x{number}", FloatTensorType([None, 1])) for number in range(X.shape[1])]
    columns = {name: X[:, [i]].astype(np.float32) for i, (name, _) in enumerate(types)}
    session = session_of(convert_sklearn(model, initial_types=types))
    assert_equal(session.run(None, columns)[0], model.transform(X))


def test_a_class_of_ones_own():
    class Own(Autoencoder):
        pass

    skae.onnx.register(Own)
    model, X = fitted(Own(3, **TRAINING), "normal", np.float32)
    assert_equal(*in_onnxruntime(model, X)(X), model.transform(X))


def test_what_is_not_known_is_named():
    model, X = fitted(
        Autoencoder(3, network=Normalized(Doubled()), **TRAINING), "normal", np.float32
    )
    with pytest.raises(NotImplementedError, match=r"test_onnx\.Doubled.*torch\.onnx\.export"):
        to_onnx(model, X[:1])
    with pytest.raises(NameError, match="Option 'scores' not in"):
        to_onnx(model, X[:1], options={"scores": True})


def test_data_frames_are_refused():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"x": DATA["normal"][:60, 0], "word": ["a", "b", "c"] * 20})
    own = Autoencoder(2, **TRAINING)
    for model in (
        own.fit(X),
        AutoencoderClassifier(own, **TRAINING).fit(X, CLASSES[:60]),
        AutoencoderOutlierDetector(own).fit(X),
        AutoencoderOutlierDetector(make_pipeline(TableEncoder(), PCA(2))).fit(X),
        AutoencoderImputer(GAPS).fit(X),
        GAN(3, **GAME).fit(X),
    ):
        with pytest.raises(NotImplementedError, match=r"encodes data frames, .* a TableEncoder"):
            to_onnx(model, np.zeros((1, 4), dtype=np.float32))


@pytest.mark.parametrize("around", [PCA(2), make_pipeline(StandardScaler(), Autoencoder(3))])
def test_detectors_around_other_transformers_say_what_to_do(around):
    model, X = fitted(AutoencoderOutlierDetector(around), "normal", np.float32)
    with pytest.raises(NotImplementedError, match=r"make_pipeline\(StandardScaler\(\), Autoenc"):
        to_onnx(model, X[:1])


def test_every_estimator_is_tested():
    models = [model for model, *_ in (*autoencoders(), *supervised(), *OTHERS)]
    assert {type(model).__name__ for model in models} == {*skae.__all__} - {"__version__"}


def test_targets_of_another_width_have_no_scores():
    X = DATA["normal"].astype(np.float32)
    model = DenoisingAutoencoder(3, **TRAINING).fit(X, target=X[:, :2])
    assert_equal(in_onnxruntime(model, X, {"reconstruct": True})(X)[1], model.reconstruct(X))
    with pytest.raises(ValueError, match="maps rows to 2 features"):
        to_onnx(model, X[:1], options={"score_samples": True})


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (DenoisingAutoencoder(4), "gaps"),
        (SparseAutoencoder(4, sparsity="topk", n_active=2, network=IMAGE), "images"),
    ],
    ids=name_of,
)
def test_torch_exports_the_encoder(model, kind):
    model, X = fitted(model, kind, np.float32, **TRAINING)
    encoder, rows = model.encoder_.eval(), torch.tensor(X[:2])
    number = ({0: torch.export.Dim("n")},)
    exported = torch.onnx.export(encoder, (rows,), dynamic_shapes=number, verbose=False)
    session = session_of(exported.model_proto)
    (name,) = (given.name for given in session.get_inputs())
    for some in (X, X[:1]):
        assert_equal(session.run(None, {name: some})[0], model.transform(some))


def test_what_is_not_fitted():
    with pytest.raises(NotFittedError):
        to_onnx(Autoencoder(), DATA["normal"][:1].astype(np.float32))
