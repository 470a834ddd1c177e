"""float16 for ONNX Runtime on a GPU: the layers, and what between them is exact enough."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, TensorProto

from takt.core.engines.provider_check import first_line, import_runtime
from takt_export.errors import ExportError
from takt_export.variants.onnx_layers import casts_to, replace_nodes, weighted_layers

SENSITIVE = (
    *("InstanceNormalization", "LayerNormalization", "LpNormalization"),
    *("Pow", "ReduceL2", "ReduceMean", "ReduceSum", "ReduceSumSquare"),
)
"""Sums and squares of many values, which leave float16's range or lose small values."""

_OF_NORMS = ("Clip", "Max", "Sqrt", "Expand", "Div")
"""Operators from an L2 norm to the division by it: float16 has no 1e-12 to clip the norm at."""


def halve_onnx(model: Path, out: Path, kept: Sequence[str] = ()) -> None:
    """Write a graph whose layers compute in float16; its input and outputs stay as they are.

    Everything before the first layers and after the last ones stays in float32: the normalisation
    of pictures, and the differences, quantiles and scores, which cost little. So do the `SENSITIVE`
    operators between them.

    Args:
        model: the reference graph.
        out: the file to write.
        kept: nodes of layers that stay as they are.

    Raises:
        ExportError: the graph cannot be converted.
    """
    import_runtime("cpu")
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    loaded = onnx.load(model)
    for number, node in enumerate(loaded.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    _forget_types_of_constants(loaded.graph)
    blocked = [*_outside(loaded.graph), *_after_norms(loaded.graph), *kept]
    try:
        halved: ModelProto = convert_float_to_float16(
            loaded,
            keep_io_types=True,
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, *SENSITIVE],
            node_block_list=blocked,
        )
        _without_detours(halved.graph)
        del halved.graph.value_info[:]
        ONNXModel(halved).topological_sort()
        onnx.checker.check_model(halved, full_check=True)
    except Exception as error:
        raise ExportError(f"{model} cannot be put in float16: {first_line(error)}") from error
    onnx.save_model(halved, out)


def _forget_types_of_constants(graph: GraphProto) -> None:
    """Drop the types of constants: the conversion takes a tensor with a type for computed."""
    constants = {tensor.name for tensor in graph.initializer}
    computed = [info for info in graph.value_info if info.name not in constants]
    del graph.value_info[:]
    graph.value_info.extend(computed)


def _outside(graph: GraphProto) -> list[str]:
    """Nodes without a layer before or after them, but for casts of weights."""
    weights = {tensor.name for tensor in graph.initializer}
    layers = weighted_layers(graph)
    computed: set[str] = set()
    after = set()
    for node in graph.node:
        if node.name in layers or computed.intersection(node.input):
            after.add(node.name)
            computed |= set(node.output) - {""}
    needed: set[str] = set()
    before = set()
    for node in reversed(graph.node):
        if node.name in layers or needed.intersection(node.output):
            before.add(node.name)
            needed |= set(node.input) - {""}
    return [
        node.name
        for node in graph.node
        if node.name not in after & before
        and not (node.op_type == "Cast" and node.input[0] in weights)
    ]


def _after_norms(graph: GraphProto) -> list[str]:
    found = []
    norms = {name for node in graph.node if node.op_type == "ReduceL2" for name in node.output}
    for node in graph.node:
        if node.op_type in _OF_NORMS and norms.intersection(node.input):
            found.append(node.name)
            if node.op_type != "Div":
                norms |= set(node.output)
    return found


def _without_detours(graph: GraphProto) -> None:
    """Take out casts from float32 to float16 and back, which the conversion leaves between nodes.

    Otherwise a value between two float32 operators would be rounded to float16, or leave its range.
    """
    full = {
        info.name
        for info in graph.value_info
        if info.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    source = {
        node.output[0]: node.input[0]
        for node in graph.node
        if casts_to(node, TensorProto.FLOAT16) and node.input[0] in full
    }
    for node in graph.node:
        if casts_to(node, TensorProto.FLOAT) and node.input[0] in source:
            node.op_type = "Identity"
            node.input[0] = source[node.input[0]]
            del node.attribute[:]
    read = {name for node in graph.node for name in node.input}
    read |= {port.name for port in graph.output}
    left = [node for node in graph.node if node.output[0] not in source or node.output[0] in read]
    replace_nodes(graph, left)
