"""A float16 graph as a float32 graph that rounds alike, to compare it on a host without a GPU.

ONNX Runtime has few float16 operators on a CPU. It computes the others in float32 and leaves out
the roundings between them, so that the float16 graph would answer better there than on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from takt_export.variants.onnx_layers import replace_nodes


def rounding_in_float32(halved: ModelProto) -> ModelProto:
    """The same nodes in float32; float16 values are rounded by a cast to float16 and back.

    A layer sums up in float32 and rounds its result, as GPUs do.

    Args:
        halved: a graph with float16 in it; stays as it is.
    """
    typed = onnx.shape_inference.infer_shapes(halved, strict_mode=True)
    half = {
        info.name
        for info in (*typed.graph.value_info, *typed.graph.output)
        if info.type.tensor_type.elem_type == TensorProto.FLOAT16
    }
    graph = ModelProto()
    graph.CopyFrom(halved)
    for tensor in graph.graph.initializer:
        _widen(tensor)
    nodes = []
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name in {"to", "dtype"} and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
            if attribute.HasField("t"):
                _widen(attribute.t)
        rounded = [name for name in node.output if name in half]
        nodes += [node, *_casts(node, rounded)]
    replace_nodes(graph.graph, nodes)
    del graph.graph.value_info[:]
    return graph


def _casts(node: NodeProto, rounded: Iterable[str]) -> list[NodeProto]:
    """Rename these outputs of a node, and round them to their former names."""
    found = []
    for name in rounded:
        exact, half = f"{name}.exact", f"{name}.half"
        node.output[list(node.output).index(name)] = exact
        found += [
            helper.make_node("Cast", [exact], [half], half, to=TensorProto.FLOAT16),
            helper.make_node("Cast", [half], [name], f"{name}.rounded", to=TensorProto.FLOAT),
        ]
    return found


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT16:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
