"""Fitted estimators as ONNX operators: the parser, shapes and converter that skl2onnx asks for."""

import numpy as np
import torch
from skl2onnx._parse import _parse_sklearn_classifier, sklearn_parsers_map
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
    guess_tensor_type,
)
from skl2onnx.common.utils_classifier import get_label_classes
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from skae._classifier import AutoencoderClassifier
from skae._denoising import DenoisingAutoencoder
from skae._density import DensityMixin
from skae._engine.modules import decoder_module
from skae._missing import FillMissing
from skae._onnx_graph import Graph
from skae._onnx_layers import run
from skae._onnx_outputs import log_rows, loss_of_rows, reconstructed, without_missing
from skae._outputs import BinaryCrossEntropy
from skae._supervised import BaseSupervised

# Names of outputs; those that are also options come after the code.
CODE, SCORES, RECONSTRUCTIONS = "variable", "score_samples", "reconstruct"
LABEL, PROBABILITIES, PREDICTION = "label", "probabilities", "prediction"
BOOLEAN = [True, False]
OPTIONS = {SCORES: BOOLEAN, RECONSTRUCTIONS: BOOLEAN}
REGRESSOR_OPTIONS = {"transform": BOOLEAN}
CLASSIFIER_OPTIONS = {
    "transform": BOOLEAN,
    "zipmap": [*BOOLEAN, "columns"],
    "output_class_labels": BOOLEAN,
    "nocl": BOOLEAN,
}


def alias_of(estimator_class):
    """The name of the operator in skl2onnx."""
    return f"Skae{estimator_class.__name__}"


def options_of(estimator_class):
    """Options of the converter, with their possible values."""
    if issubclass(estimator_class, AutoencoderClassifier):
        return CLASSIFIER_OPTIONS
    return REGRESSOR_OPTIONS if issubclass(estimator_class, BaseSupervised) else OPTIONS


def names_of_outputs(model, options):
    """Names of an estimator's outputs, in order."""
    if not isinstance(model, BaseSupervised):
        return [CODE, *(name for name in OPTIONS if options.get(name))]
    if options.get("transform"):
        return [CODE]
    return [LABEL, PROBABILITIES] if isinstance(model, AutoencoderClassifier) else [PREDICTION]


# Outputs and their types.


def parse(scope, model, inputs, custom_parsers=None):
    """Declare the outputs of an estimator."""
    if hasattr(model, "table_"):
        raise NotImplementedError(
            f"This {type(model).__name__} encodes data frames, for which ONNX has no operators: "
            "fit the estimator to the matrix that a TableEncoder returns, and convert that "
            "estimator."
        )
    names = names_of_outputs(model, scope.get_options(model, {}))
    if LABEL in names:  # skl2onnx appends its ZipMap
        return _parse_sklearn_classifier(scope, model, inputs, custom_parsers)
    operator = scope.declare_local_operator(alias_of(type(model)), model)
    operator.inputs = inputs
    for name in names:
        numbers = guess_tensor_type(inputs[0].type)
        operator.outputs.append(scope.declare_local_variable(name, numbers))
    return operator.outputs


def parsers_of_composites():
    """Pairs (class, parser) for composites of transformers, which may be supervised estimators.

    A pipeline or union calls `transform` of these, but skl2onnx would let them predict.
    """
    within = {
        Pipeline: lambda model: [step for _, step in model.steps[:-1]],
        FeatureUnion: lambda model: [transformer for _, transformer in model.transformer_list],
        ColumnTransformer: lambda model: [transformer for _, transformer, _ in model.transformers_],
    }
    return [(kind, _transforming(OWN_PARSERS[kind], within[kind])) for kind in within]


OWN_PARSERS = {
    kind: sklearn_parsers_map[kind] for kind in (Pipeline, FeatureUnion, ColumnTransformer)
}


def _transforming(own_parser, transformers):
    def parse_composite(scope, model, inputs, custom_parsers=None):
        for transformer in transformers(model):
            _let_transform(scope, transformer)
        return own_parser(scope, model, inputs, custom_parsers=custom_parsers)

    return parse_composite


def _let_transform(scope, model):
    if isinstance(model, Pipeline):
        _let_transform(scope, model.steps[-1][1])
    elif isinstance(model, BaseSupervised):
        scope.add_options(id(model), {"transform": True})


def calculate_shapes(operator):
    """Set the types of the outputs."""
    model, first = operator.raw_operator, operator.inputs[0]
    names = names_of_outputs(model, operator.scope_inst.get_options(model, {}))
    numbers, n_rows = _numbers(first.type), first.get_first_dimension()
    for name, variable in zip(names, operator.outputs, strict=True):
        if name == LABEL:
            shape = [n_rows, _width(model, name)] if _has_many_labels(model) else [n_rows]
            variable.set_type(_type_of_labels(operator)(shape))
        else:
            variable.set_type(numbers([n_rows, _width(model, name)]))


def _numbers(type_of_input):
    is_double = isinstance(type_of_input, DoubleTensorType)
    return DoubleTensorType if is_double else FloatTensorType


def _type_of_labels(operator):
    classes = get_label_classes(operator.scope_inst, operator.raw_operator)
    return StringTensorType if _are_words(classes) else Int64TensorType


def _width(model, name):
    if name == SCORES:
        return 1
    return model.n_components_ if name == CODE else model._perceptron.n_outputs


# Computation of the outputs.


def convert(scope, operator, container):
    """Add the operators of a fitted estimator to the container."""
    model, first = operator.raw_operator, operator.inputs[0]
    graph = Graph(scope, container, np.float64 if _is_double(first) else np.float32)
    names = names_of_outputs(model, scope.get_options(model, {}))  # the parser's own among them
    convert_model = convert_supervised if isinstance(model, BaseSupervised) else convert_autoencoder
    nodes = convert_model(graph, model, _rows(graph, operator.inputs), names)
    if LABEL in names:
        nodes[LABEL] = _labels(nodes[PROBABILITIES], model, get_label_classes(scope, model))
    for name, variable in zip(names, operator.outputs, strict=True):
        graph.give(nodes[name], variable)


def _is_double(variable):
    return isinstance(variable.type, DoubleTensorType)


def _rows(graph, inputs):
    """One node with the columns of all inputs, in the graph's dtype."""
    parts = [graph.node(variable.full_name).cast(graph.dtype) for variable in inputs]
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


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


def _labels(probabilities, model, classes):
    graph = probabilities.graph
    if _has_many_labels(model):
        return graph.add("Greater", probabilities, 0.5).cast(np.int64)
    labels = classes.astype(str if _are_words(classes) else np.int64)
    return graph.add("Gather", labels, probabilities.map("ArgMax", axis=1, keepdims=0))


def _has_many_labels(model):
    """Whether a row may have any number of labels, each with its own output."""
    return isinstance(model._perceptron.output, BinaryCrossEntropy)


def _are_words(classes):
    return classes.dtype.kind in "OU"


def _encoded(graph, model, x):
    """The code, and log-variances if the encoder has a second head."""
    encoder = torch.nn.Sequential(*_filling(model), model.encoder_)
    heads = _through(graph, encoder, x, model.n_features_in_)
    return heads if isinstance(heads, tuple) else (heads,)


def _filling(model):
    """Replacements for missing values, if `encoder_` does not fill them in."""
    source = model.autoencoder_ if isinstance(model, BaseSupervised) else model
    if isinstance(source, DenoisingAutoencoder) and not source._takes_mask_:
        return [FillMissing(torch.tensor(source.data_mean_), with_mask=False)]
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
