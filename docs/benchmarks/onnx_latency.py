"""Latency of one row in onnxruntime and in skae, and how far the results are apart.

Run with `python docs/benchmarks/onnx_latency.py`, with skl2onnx and onnxruntime installed. The
models are fitted on digits in float32; how well does not matter here. Sides take turns. Writes
onnx_latency.md.
"""

import sys
import warnings

import numpy as np
import onnxruntime
import skl2onnx
from _report import table, write
from _timing import alternate
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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
from skae.networks import ConvNet

N_ROUNDS, N_CALLS = 15, 100
BRIEF = {"max_iter": 2, "random_state": 0}
DEEP = StackedAutoencoder((128, 64, 32), estimator=DenoisingAutoencoder(max_iter=2), **BRIEF)
CLASSIFIER = AutoencoderClassifier(DEEP, **BRIEF)


def cases():
    """Triples (name, model, method)."""
    top_k = SparseAutoencoder(sparsity="topk", **BRIEF)
    convolutional = Autoencoder(network=ConvNet((1, 8, 8), channels=(8, 16)), **BRIEF)
    yield "Autoencoder()", Autoencoder(**BRIEF), "transform"
    yield "the same", Autoencoder(**BRIEF), "score_samples"
    yield 'SparseAutoencoder(sparsity="topk")', top_k, "transform"
    yield "DenoisingAutoencoder(), missing values", DenoisingAutoencoder(**BRIEF), "transform"
    yield "ContractiveAutoencoder()", ContractiveAutoencoder(**BRIEF), "transform"
    yield "Autoencoder(network=ConvNet(...))", convolutional, "transform"
    yield "StackedAutoencoder((128, 64, 32))", DEEP, "transform"
    machine = RestrictedBoltzmannMachine(**BRIEF)
    yield "RestrictedBoltzmannMachine()", machine, "transform"
    yield "VAE()", VAE(**BRIEF), "transform"
    yield "the same", VAE(**BRIEF), "score_samples"
    yield from judging()
    yield from predicting()


def judging():
    """The same of outlier detectors, imputers and GANs."""
    denoiser = DenoisingAutoencoder(**BRIEF)
    yield "AutoencoderOutlierDetector", AutoencoderOutlierDetector(denoiser), "decision_function"
    yield "AutoencoderImputer, missing values", AutoencoderImputer(denoiser), "transform"
    for kind in (GAN, ConditionalGAN, InfoGAN):
        yield f"{kind.__name__}()", kind(**BRIEF), "transform"


def predicting():
    """The same of what predicts, MLPClassifier among it to compare with."""
    scaled = make_pipeline(StandardScaler(), CLASSIFIER)
    behind = make_pipeline(StandardScaler(), Autoencoder(**BRIEF), LogisticRegression(max_iter=5))
    other = MLPClassifier((128, 64, 32), max_iter=2)
    yield "AutoencoderClassifier of the stack", CLASSIFIER, "predict_proba"
    yield "the same behind StandardScaler", scaled, "predict_proba"
    yield "AutoencoderRegressor of the stack", AutoencoderRegressor(DEEP, **BRIEF), "predict"
    yield "StandardScaler, Autoencoder(), LogisticRegression", behind, "predict_proba"
    yield "MLPClassifier((128, 64, 32))", other, "predict_proba"


def session_of(model, method, X):
    """The converted model on one thread, as a server with a row for each request has it."""
    options = {"predict_proba": {"zipmap": False}, "score_samples": {"score_samples": True}}
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    converted = to_onnx(model, X[:1], options=options.get(method)).SerializeToString()
    return onnxruntime.InferenceSession(converted, settings, providers=["CPUExecutionProvider"])


def repeated(function, rows):
    """A side: many calls."""

    def run():
        for _ in range(N_CALLS):
            function(rows)

    return run


def compare(model, method, X):
    """Microseconds of each side for one row, and the largest difference in 1 and 1000 rows."""
    session, in_skae = session_of(model, method, X), getattr(model, method)

    def in_onnxruntime(rows):
        return session.run(None, {"X": rows})[-1]

    distance = 0.0
    for rows in (X[:1], X[:1000]):
        expected = in_skae(rows)
        differences = np.abs(in_onnxruntime(rows).reshape(expected.shape) - expected)
        distance = max(distance, float((differences / np.maximum(np.abs(expected), 1.0)).max()))
    sides = {"skae": repeated(in_skae, X[:1]), "onnx": repeated(in_onnxruntime, X[:1])}
    timed = alternate(sides, N_ROUNDS)
    return *(1e6 * timed[side].cpu / N_CALLS for side in sides), distance


def main():
    warnings.simplefilter("ignore")
    skae.onnx.register()
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32) / 16
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X).astype(np.float32)
    rows = []
    for name, model, method in cases():
        its = gaps if "missing" in name else X
        ours, theirs, distance = compare(model.fit(its, y), method, its)
        ratio = f"{ours / theirs:.0f}x"
        rows.append([name, method, f"{ours:.0f}", f"{theirs:.0f}", ratio, f"{distance:.0e}"])
        print(rows[-1], file=sys.stderr)
    write(
        __file__,
        "# Latency in onnxruntime",
        "Microseconds that one row of 64 features takes in skae and, converted by `skae.onnx`, "
        f"in onnxruntime {onnxruntime.__version__} (skl2onnx {skl2onnx.__version__}), from a "
        "NumPy array to a NumPy array, in float32. It is processor time on one thread, so that "
        "other work on the machine does not count. Beside it is the largest difference of "
        "results in the first row and in the first 1000, relative to the number, or to 1 if that "
        f"is larger; the bar is 1e-5. Medians of {N_ROUNDS} alternating rounds of {N_CALLS} calls.",
        table(["model", "method", "skae", "onnxruntime", "faster", "apart"], rows),
    )


if __name__ == "__main__":
    main()
