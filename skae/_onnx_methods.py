"""Methods of fitted estimators as ONNX operators: functions of a node of rows, for each kind."""

from dataclasses import dataclass

import numpy as np
import torch

from skae._adversarial import BaseGAN
from skae._base import BaseAutoencoder
from skae._classifier import AutoencoderClassifier
from skae._conditional_gan import ConditionalGAN
from skae._denoising import DenoisingAutoencoder
from skae._density import DensityMixin
from skae._engine.modules import decoder_module
from skae._imputer import AutoencoderImputer
from skae._infogan import InfoGAN
from skae._missing import FillMissing
from skae._onnx_layers import run
from skae._onnx_outputs import log_rows, loss_of_rows, reconstructed, without_missing
from skae._outliers import AutoencoderOutlierDetector
from skae._pipelines import steps_of
from skae._supervised import BaseSupervised

# Names of outputs.
CODE, SCORES, RECONSTRUCTIONS = "variable", "score_samples", "reconstruct"
LABEL, PROBABILITIES, PREDICTION, CATEGORY = "label", "probabilities", "prediction", "predict"
DECISION, REALNESS = "scores", "discriminate"


def convert_autoencoder(graph, model, x, names):
    """Code, scores and reconstructions, by name."""
    heads = _encoded(graph, model, x)
    nodes = {CODE: heads[0]}
    if SCORES in names:
        score = elbo if isinstance(model, DensityMixin) else minus_loss
        nodes[SCORES] = score(graph, model, x, heads).reshape(-1, 1)
    if RECONSTRUCTIONS in names:
        decoder = decoder_module(model._fitted_network())
        means = _through(graph, decoder, heads[0], model.n_components_)
        nodes[RECONSTRUCTIONS] = reconstructed(model._perceptron.output, means, x)
    return nodes


def convert_supervised(graph, model, x, names):
    """The code, or its decoder's output: probabilities or numbers."""
    code, *_ = _encoded(graph, model, x)
    if CODE in names:
        return {CODE: code}
    output = decoder_module(model._fitted_network())
    return {names[-1]: _through(graph, output, code, model.n_components_)}


def _encoded(graph, model, x):
    """The code, and log-variances if the encoder has a second head."""
    encoder = torch.nn.Sequential(*_filling(model), model.encoder_)
    heads = _through(graph, encoder, x, model.n_features_in_)
    return heads if isinstance(heads, tuple) else (heads,)


def _filling(model):
    """Replacements for missing values, if `encoder_` does not fill them in."""
    source = model.autoencoder_ if isinstance(model, BaseSupervised) else model
    if isinstance(source, DenoisingAutoencoder) and not source._takes_mask_:
        return [FillMissing(torch.from_numpy(source.data_mean_.copy()), with_mask=False)]
    return []


def _through(graph, module, x, width):
    dtype = torch.float64 if graph.dtype == np.float64 else torch.float32
    return run(graph, module.to(dtype), x, (width,))


def minus_loss(graph, model, x, heads):
    """The result of `score_samples` without a density."""
    decoder = decoder_module(model._fitted_network(), with_activation=False)
    output, kind = _through(graph, decoder, heads[0], model.n_components_), model._perceptron.output
    if isinstance(model, DenoisingAutoencoder):
        model._check_width(np.empty((0, model.n_features_in_)))
        output, x = without_missing(kind, output, x)
    return -loss_of_rows(kind, output, x)


def elbo(graph, model, x, heads):
    """The result of `score_samples` of a VAE, from the same draws."""
    mean, log_variance = heads
    network, noise, width = model._fitted_network(), model._score_noise(), model.n_components_
    draws = mean + (log_variance * 0.5).map("Exp") * noise
    decoder = decoder_module(network, with_activation=False, both_heads=True)
    output = _through(graph, decoder, draws.reshape(-1, width), width)
    shape = (len(noise), -1, model._perceptron.n_outputs)
    if isinstance(output, tuple):
        output = tuple(head.reshape(*shape) for head in output)
    else:
        output = output.reshape(*shape)
    log_likelihood = log_rows(network.perceptron.output, network, output, x).mean(axis=0)
    kl = (log_variance.map("Exp") + mean * mean - log_variance - 1.0).sum() * 0.5
    bound = log_likelihood - kl
    return graph.add("Where", bound.map("IsNaN"), -np.inf, bound)


# Generative adversarial networks.


def convert_gan(graph, model, x, names):
    """The discriminator's features, or an InfoGAN's codes; its judgements."""
    *before, last = model.discriminator_
    features = _through(graph, torch.nn.Sequential(*before), x, model.n_features_in_)
    outputs = _through(graph, last, features, last.in_features)
    nodes = _codes_of(model, outputs) if isinstance(model, InfoGAN) else {CODE: features}
    if REALNESS in names:
        nodes[REALNESS] = (outputs.slice(0, 1) + float(model.offset_)).map("Sigmoid")
    return nodes


def _codes_of(model, outputs):
    n = model._n_categories_
    categories = outputs.slice(1, 1 + n).map("Softmax", axis=-1)
    others = outputs.slice(1 + n, 1 + model._n_codes)
    return {
        CODE: outputs.graph.add("Concat", categories, others, axis=1),
        CATEGORY: categories.map("ArgMax", axis=1, keepdims=0),
    }


# Estimators around an autoencoder.


def convert_imputer(graph, model, x, names):
    """X with its gaps filled, and the columns of the indicator."""
    x_kept = graph.add("Gather", x, np.flatnonzero(model._has_any_), axis=1)
    parts = [graph.add("Where", x_kept.map("IsNaN"), _restored(graph, model, x_kept), x_kept)]
    if model.indicator_ is not None:
        gaps = graph.add("Gather", x, model.indicator_.features_, axis=1).map("IsNaN")
        parts.append(gaps.cast(graph.dtype))
    return {CODE: graph.add("Concat", *parts, axis=1)}


def _restored(graph, model, x):
    """The reconstruction of rows, in their units."""
    scaler = model.scaler_
    scaled = x if scaler is None else (x - scaler.mean_) / scaler.scale_
    nodes = convert_autoencoder(graph, model.autoencoder_, scaled, [RECONSTRUCTIONS])
    restored = nodes[RECONSTRUCTIONS]
    return restored if scaler is None else restored * scaler.scale_ + scaler.mean_


def convert_detector(graph, model, x, names):
    """Labels and scores, computed in float64, as distances may be differences of large numbers."""
    autoencoder = _only_autoencoder(model)
    nodes = convert_autoencoder(graph, autoencoder, x, [RECONSTRUCTIONS])
    x, code, restored = (node.in_double() for node in (x, nodes[CODE], nodes[RECONSTRUCTIONS]))
    difference = x - restored
    errors = difference * difference / model._usual_errors_
    takes_gaps, n = model._takes("allow_nan"), len(model._usual_errors_)
    sums = _sums_of_observed(errors, n) if takes_gaps else errors.sum(keepdims=True)
    scores = -(sums + _squared_distances(model, code))
    decision = scores - model.offset_
    is_outlier = scores.graph.add("Less", decision, 0.0)
    label = graph.add("Where", is_outlier, np.int64(-1), np.int64(1))
    found = {LABEL: label, DECISION: decision, SCORES: scores}
    return {name: node if name == LABEL else node.cast(graph.dtype) for name, node in found.items()}


def _only_autoencoder(model):
    *before, last = steps_of(model.autoencoder_)
    if before or not isinstance(last, BaseAutoencoder):
        raise NotImplementedError(
            f"skae.onnx converts a {type(model).__name__} of an autoencoder of skae, but this one "
            f"is around {model.autoencoder_!r}. Put a scaler before the detector, as in "
            f"make_pipeline(StandardScaler(), {type(model).__name__}(Autoencoder()))."
        )
    return last


def _sums_of_observed(errors, n_cells):
    """`row_sums` as a node, a column: a missing value counts as the mean of the row's others."""
    graph, missing = errors.graph, errors.map("IsNaN")
    share = graph.add("Where", missing, 0.0, 1.0).mean(keepdims=True)
    total = graph.add("Where", missing, 0.0, errors).sum(keepdims=True)
    return (total / share).where(graph.add("Greater", share, 0.0), float(n_cells))


def _squared_distances(model, code):
    """`squared_distances` as a node, a column."""
    difference, precision = code - model._code_mean_, model._code_precision_
    kind = "Mul" if precision.ndim == 1 else "MatMul"
    scaled = code.graph.add(kind, difference, precision)
    return code.graph.add("Max", (scaled * difference).sum(keepdims=True), 0.0)


# Which kind an estimator is.


@dataclass(frozen=True)
class Kind:
    """How estimators of some classes are converted.

    Parameters
    ----------
    convert : callable
        A function of the graph, the estimator, a node of rows and names of outputs; gives nodes by
        name, of these at least.
    outputs : tuple of str
        Outputs that there always are.
    more : tuple of str, default=()
        Outputs that are options, and come afterwards.
    """

    convert: object
    outputs: tuple
    more: tuple = ()


KINDS = {  # of a class and those derived from it, if none before it fits
    AutoencoderClassifier: Kind(convert_supervised, (LABEL, PROBABILITIES)),
    BaseSupervised: Kind(convert_supervised, (PREDICTION,)),
    InfoGAN: Kind(convert_gan, (CODE,), (CATEGORY, REALNESS)),
    ConditionalGAN: Kind(convert_gan, (CODE,)),
    BaseGAN: Kind(convert_gan, (CODE,), (REALNESS,)),
    AutoencoderImputer: Kind(convert_imputer, (CODE,)),
    AutoencoderOutlierDetector: Kind(convert_detector, (LABEL, DECISION), (SCORES,)),
    object: Kind(convert_autoencoder, (CODE,), (SCORES, RECONSTRUCTIONS)),
}


def kind_of(estimator_class):
    """The `Kind` of estimators of a class."""
    return next(kind for cls, kind in KINDS.items() if issubclass(estimator_class, cls))
