"""Fitted estimators as ONNX operators: the parser, shapes and converter that skl2onnx asks for."""

import numpy as np
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
from skae._onnx_graph import Graph
from skae._onnx_methods import (
    CATEGORY,
    CODE,
    LABEL,
    PREDICTION,
    PROBABILITIES,
    RECONSTRUCTIONS,
    kind_of,
)
from skae._outputs import BinaryCrossEntropy
from skae._pipelines import steps_of
from skae._supervised import BaseSupervised
from skae.tables import TableEncoder

BOOLEAN = [True, False]
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
    if issubclass(estimator_class, BaseSupervised):
        return REGRESSOR_OPTIONS
    return dict.fromkeys(kind_of(estimator_class).more, BOOLEAN)


def names_of_outputs(model, options):
    """Names of an estimator's outputs, in order."""
    kind = kind_of(type(model))
    if isinstance(model, BaseSupervised) and options.get("transform"):
        return [CODE]
    return [*kind.outputs, *(name for name in kind.more if options.get(name))]


# Outputs and their types.


def parse(scope, model, inputs, custom_parsers=None):
    """Declare the outputs of an estimator."""
    if _encodes_frames(model):
        raise NotImplementedError(
            f"This {type(model).__name__} encodes data frames, for which ONNX has no operators: "
            "fit the estimator to the matrix that a TableEncoder returns, and convert that "
            "estimator."
        )
    names = names_of_outputs(model, scope.get_options(model, {}))
    if PROBABILITIES in names:  # skl2onnx appends its ZipMap
        return _parse_sklearn_classifier(scope, model, inputs, custom_parsers)
    operator = scope.declare_local_operator(alias_of(type(model)), model)
    operator.inputs = inputs
    for name in names:
        numbers = guess_tensor_type(inputs[0].type)
        operator.outputs.append(scope.declare_local_variable(name, numbers))
    return operator.outputs


def _encodes_frames(model):
    steps = steps_of(getattr(model, "autoencoder_", model))
    return any(isinstance(step, TableEncoder) or hasattr(step, "table_") for step in steps)


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
        if name == CATEGORY:
            variable.set_type(Int64TensorType([n_rows]))
        elif name != LABEL:
            variable.set_type(numbers([n_rows, _width(model, name)]))
        elif isinstance(model, AutoencoderClassifier):
            shape = [n_rows, _width(model, name)] if _has_many_labels(model) else [n_rows]
            variable.set_type(_type_of_labels(operator)(shape))
        else:
            variable.set_type(Int64TensorType([n_rows, 1]))


def _numbers(type_of_input):
    is_double = isinstance(type_of_input, DoubleTensorType)
    return DoubleTensorType if is_double else FloatTensorType


def _type_of_labels(operator):
    classes = get_label_classes(operator.scope_inst, operator.raw_operator)
    return StringTensorType if _are_words(classes) else Int64TensorType


def _width(model, name):
    if name == CODE:
        return len(model.get_feature_names_out())
    has_many = name in (LABEL, PROBABILITIES, PREDICTION, RECONSTRUCTIONS)
    return model._perceptron.n_outputs if has_many else 1


# Computation of the outputs.


def convert(scope, operator, container):
    """Add the operators of a fitted estimator to the container."""
    model, first = operator.raw_operator, operator.inputs[0]
    graph = Graph(scope, container, np.float64 if _is_double(first) else np.float32)
    names = names_of_outputs(model, scope.get_options(model, {}))  # the parser's own among them
    nodes = kind_of(type(model)).convert(graph, model, _rows(graph, operator.inputs), names)
    if PROBABILITIES in names:
        nodes[LABEL] = _labels(nodes[PROBABILITIES], model, get_label_classes(scope, model))
    for name, variable in zip(names, operator.outputs, strict=True):
        graph.give(nodes[name], variable)


def _is_double(variable):
    return isinstance(variable.type, DoubleTensorType)


def _rows(graph, inputs):
    """One node with the columns of all inputs, in the graph's dtype."""
    parts = [graph.node(variable.full_name).cast(graph.dtype) for variable in inputs]
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


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
