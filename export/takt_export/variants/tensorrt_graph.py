"""A graph for TensorRT, which takes 8-bit pictures only if nothing comes before their Cast."""

from __future__ import annotations

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from takt.core.bundles.bundle import INPUT
from takt_export.variants.onnx_layers import casts_to, replace_nodes

CONTEXT_OP = "EPContext"
"""The node in which ONNX Runtime keeps what a provider compiled."""


def cast_before_transpose(model: ModelProto) -> bool:
    """Cast the pictures to float32 before they are transposed instead of after.

    A transpose moves numbers and a cast of 8 bits is exact, so the graph answers the same bits.

    Args:
        model: a bundle's graph; changed in place.

    Returns:
        Whether it was changed; a graph of another form stays as it is.
    """
    graph = model.graph
    transpose = _only_reader(graph, INPUT)
    if transpose is None or transpose.op_type != "Transpose":
        return False
    cast = _only_reader(graph, transpose.output[0])
    if cast is None or not casts_to(cast, TensorProto.FLOAT):
        return False
    between, result = transpose.output[0], cast.output[0]
    transpose.output[0], cast.output[0] = result, between
    transpose.input[0], cast.input[0] = between, INPUT
    first, second = sorted((list(graph.node).index(transpose), list(graph.node).index(cast)))
    nodes = list(graph.node)
    nodes[first], nodes[second] = cast, transpose
    replace_nodes(graph, nodes)
    kept = [info for info in graph.value_info if info.name != between]
    del graph.value_info[:]
    graph.value_info.extend(kept)
    return True


def _only_reader(graph: GraphProto, name: str) -> NodeProto | None:
    readers = [node for node in graph.node if name in node.input]
    return readers[0] if len(readers) == 1 else None
