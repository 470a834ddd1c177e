"""Nodes of an ONNX graph: the producer, the consumers and the value of each tensor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    inliner,
    numpy_helper,
)

Array = NDArray[Any]

STANDARD = frozenset({"", "ai.onnx"})
"""Names of the domain of ONNX's own operators."""

PASSING = frozenset({"Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators that change only the shape or the type of a tensor."""


class GraphNodes:
    """Nodes of a graph by their tensors; local functions are inlined.

    >>> from onnx import parser
    >>> model = parser.parse_model('''<ir_version: 8, opset_import: ["" : 17]>
    ...     g (float[N] x) => (float[N] y) <float two = {2}> { y = Mul(x, two) }''')
    >>> nodes = GraphNodes(model)
    >>> [node.op_type for node in nodes.consumers("x")], nodes.constant("two").item()
    (['Mul'], 2.0)
    """

    def __init__(self, model: ModelProto) -> None:
        self._model = inliner.inline_local_functions(model) if model.functions else model
        graph = self._model.graph
        self._nodes = list(graph.node)
        self._stored = {tensor.name: tensor for tensor in graph.initializer}
        self._made_by = {
            name: place for place, node in enumerate(self._nodes) for name in node.output if name
        }
        self._consumers: defaultdict[str, list[NodeProto]] = defaultdict(list)
        for node in self._nodes:
            for name in dict.fromkeys(uses(node)):
                self._consumers[name].append(node)

    def consumers(self, name: str) -> list[NodeProto]:
        """Nodes that use a tensor, themselves or in a subgraph."""
        return self._consumers.get(name, [])

    def producer(self, name: str) -> NodeProto | None:
        """Node that makes a tensor; None for inputs and stored tensors."""
        place = self._made_by.get(name)
        return None if place is None else self._nodes[place]

    def origin(self, name: str) -> str:
        """Tensor from which this one differs only in shape or type.

        Of a choice that is always the same, such as anomalib 2.7 leaves behind each answer, it is
        the chosen one.
        """
        while (node := self.producer(name)) is not None:
            source = node.input[0] if operator(node) in PASSING else self._chosen(node)
            if source is None:
                break
            name = source
        return name

    def _chosen(self, node: NodeProto) -> str | None:
        """Operand that a Where always takes; None if it depends on an input."""
        if operator(node) != "Where":
            return None
        condition = self.constant(node.input[0])
        if condition is None or condition.min() != condition.max():
            return None
        chosen: str = node.input[1 if condition.all() else 2]
        return chosen

    def constant(self, name: str) -> Array | None:
        """Value of a tensor that is always the same; None if it depends on an input."""
        if name in self._stored:
            return numpy_helper.to_array(self._stored[name])
        return self.evaluate(name, {})

    def evaluate(self, name: str, feeds: Mapping[str, Array]) -> Array | None:
        """Value of a tensor for these inputs; None if it cannot be computed from them."""
        nodes, given = self._ancestors(name, frozenset(feeds))
        if not nodes or not given <= self._stored.keys():
            return None
        return self._run(name, nodes, given, feeds)

    def _ancestors(self, name: str, feeds: frozenset[str]) -> tuple[list[NodeProto], set[str]]:
        """Nodes that a tensor needs, in order, and its other sources but for the feeds."""
        places: set[int] = set()
        given: set[str] = set()
        left, found = [name], set(feeds)
        while left:
            current = left.pop()
            if current in found:
                continue
            found.add(current)
            place = self._made_by.get(current)
            if place is None:
                given.add(current)
            elif place not in places:
                places.add(place)
                left += uses(self._nodes[place])
        return [self._nodes[place] for place in sorted(places)], given

    def _run(
        self, name: str, nodes: list[NodeProto], given: set[str], feeds: Mapping[str, Array]
    ) -> Array | None:
        graph = helper.make_graph(
            nodes,
            "part",
            [
                helper.make_tensor_value_info(
                    feed, helper.np_dtype_to_tensor_dtype(array.dtype), None
                )
                for feed, array in feeds.items()
            ],
            [ValueInfoProto(name=name)],
            [self._stored[stored] for stored in sorted(given)],
        )
        part = helper.make_model(
            graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version
        )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(part.SerializeToString(), options)
            value: Array = np.asarray(session.run([name], dict(feeds))[0])
        except Exception:
            return None  # the value is unknown, whatever the runtime's reason
        return value


def operator(node: NodeProto) -> str:
    """Name of one of ONNX's own operators; empty for another's."""
    return node.op_type if node.domain in STANDARD else ""


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """Value of an attribute, or the default if the node lacks it."""
    for found in node.attribute:
        if found.name == name:
            return helper.get_attribute_value(found)
    return default


def uses(node: NodeProto) -> list[str]:
    """Tensors that a node or its subgraphs need."""
    names = [name for name in node.input if name]
    for graph in subgraphs(node):
        own = {tensor.name for tensor in graph.initializer} | {port.name for port in graph.input}
        for inner in graph.node:
            names += [name for name in uses(inner) if name not in own]
            own.update(inner.output)
        names += [port.name for port in graph.output if port.name not in own]
    return names


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """Bodies of If, Loop and Scan."""
    for found in node.attribute:
        if found.type == AttributeProto.GRAPH:
            yield found.g
        yield from found.graphs


def all_graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and all its subgraphs."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from all_graphs(inner)


def all_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Stored tensors of a graph, of its subgraphs, and of their nodes."""
    for part in all_graphs(graph):
        yield from part.initializer
        for node in part.node:
            for found in node.attribute:
                if found.type == AttributeProto.TENSOR:
                    yield found.t
                yield from found.tensors
