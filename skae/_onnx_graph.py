"""A part of an ONNX graph, written as arithmetic on its nodes."""

import numpy as np
import torch
from onnx import TensorProto, numpy_helper

OLDEST_OPSET = 13  # sums take axes as an input, softmax one axis
TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int64): TensorProto.INT64,
}


class Graph:
    """The operators of one estimator in a container of skl2onnx.

    Parameters
    ----------
    scope : skl2onnx.common._topology.Scope
        Gives names.
    container : skl2onnx.common._container.ModelComponentContainer
        Receives the operators.
    dtype : numpy dtype
        float32 or float64, for all numbers that are not integers.
    """

    def __init__(self, scope, container, dtype):
        if container.target_opset_onnx < OLDEST_OPSET:
            raise RuntimeError(
                f"skae's estimators need ONNX opset {OLDEST_OPSET} or later, but target_opset is "
                f"{container.target_opset_onnx}: raise it."
            )
        self._scope, self._container, self.dtype = scope, container, np.dtype(dtype)

    def node(self, name):
        """The existing node with this name."""
        return Node(self, name)

    def add(self, kind, *inputs, n_outputs=1, domain="", **attributes):
        """The `Node` of a new operator's output, or a list of several.

        Inputs are nodes, or arrays, tensors and numbers, which become constants.
        """
        names = [self._scope.get_unique_variable_name(kind.lower()) for _ in range(n_outputs)]
        inputs = [self._as_node(value).name for value in inputs]
        own = {"op_domain": domain, "name": self._scope.get_unique_operator_name(kind)}
        self._container.add_node(kind, inputs, names, **own, **attributes)
        nodes = [self.node(name) for name in names]
        return nodes[0] if n_outputs == 1 else nodes

    def add_single(self, kind, *inputs, **attributes):
        """The same for an operator without a float64 kernel in onnxruntime.

        In a float64 graph, it computes in float32, and the rest in float64.
        """
        single = Graph(self._scope, self._container, np.float32)
        inputs = [i.cast(np.float32) if isinstance(i, Node) else i for i in inputs]
        return self.node(single.add(kind, *inputs, **attributes).cast(self.dtype).name)

    def in_double(self):
        """A graph of float64 in the same container."""
        return Graph(self._scope, self._container, np.float64)

    def reduce(self, kind, x, axis, keepdims=False):
        """Sums or means over one axis."""
        as_input = kind == "ReduceSum" or self._container.target_opset_onnx >= 18
        if as_input:
            return self.add(kind, x, [axis], keepdims=int(keepdims))
        return self.add(kind, x, axes=[axis], keepdims=int(keepdims))

    def constant(self, values):
        """A node of an array, a tensor or a number."""
        name = self._scope.get_unique_variable_name("constant")
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu().numpy()
        values = np.asarray(values)
        if values.dtype.kind in "US":
            labels = [str(label).encode() for label in values]
            self._container.add_initializer(name, TensorProto.STRING, values.shape, labels)
        else:
            values = values.astype(self.dtype) if values.dtype.kind == "f" else values
            self._container.add_initializer(name, None, None, numpy_helper.from_array(values))
        return self.node(name)

    def give(self, node, variable):
        """Make a node an output of the estimator."""
        name = self._scope.get_unique_operator_name("Identity")
        self._container.add_node("Identity", [node.name], [variable.full_name], name=name)

    def _as_node(self, value):
        return value if isinstance(value, Node) else self.constant(value)


class Node:
    """A tensor of a graph that is being built, with arithmetic."""

    def __init__(self, graph, name):
        self.graph, self.name = graph, name

    def __add__(self, other):
        return self.graph.add("Add", self, other)

    def __sub__(self, other):
        return self.graph.add("Sub", self, other)

    def __rsub__(self, other):
        return self.graph.add("Sub", other, self)

    def __mul__(self, other):
        return self.graph.add("Mul", self, other)

    def __rtruediv__(self, other):
        return self.graph.add("Div", other, self)

    def __truediv__(self, other):
        return self.graph.add("Div", self, other)

    def __neg__(self):
        return self.graph.add("Neg", self)

    __radd__, __rmul__ = __add__, __mul__

    def map(self, kind, **attributes):
        """An operator of this node alone, such as Exp."""
        return self.graph.add(kind, self, **attributes)

    def sum(self, axis=-1, keepdims=False):
        """Sums over an axis."""
        return self.graph.reduce("ReduceSum", self, axis, keepdims)

    def mean(self, axis=-1, keepdims=False):
        """Means over an axis."""
        return self.graph.reduce("ReduceMean", self, axis, keepdims)

    def softplus(self):
        """log(1 + e^x), which never overflows; onnxruntime's operator has no float64."""
        tail = (-self.map("Abs")).map("Exp") + 1.0
        return self.map("Relu") + tail.map("Log")

    def where(self, condition, other):
        """This node's numbers where a condition holds, another node's elsewhere."""
        return self.graph.add("Where", condition, self, other)

    def reshape(self, *shape):
        """The node in another shape: 0 keeps an axis, -1 takes the rest."""
        return self.graph.add("Reshape", self, np.array(shape, np.int64))

    def slice(self, start, end):
        """A part of the last axis."""
        return self.graph.add("Slice", self, [start], [end], [-1])

    def in_double(self):
        """The node in float64, and so whatever is computed from it."""
        return self.graph.in_double().node(self.cast(np.float64).name)

    def cast(self, dtype):
        """The node in another dtype, one of `TYPES`."""
        return self.map("Cast", to=TYPES[np.dtype(dtype)])
