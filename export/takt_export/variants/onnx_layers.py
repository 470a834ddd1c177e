"""The layers of ONNX graphs, and where one graph begins to answer unlike another."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

from takt.core.bundles.bundle import INPUT
from takt.core.domain import Batch
from takt.core.engines.layers import Layer, LayerError, LayerOutputs, compare_layers
from takt.core.engines.provider_check import import_runtime

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators with weights, and matrix products: they do most of the work."""

_OF_WEIGHTS = ("Cast", "DequantizeLinear", "Identity", "Transpose")
"""Operators between stored weights and their layer."""


def onnx_layer_errors(reference: Path, variant: Path, images: Batch) -> tuple[LayerError, ...]:
    """Compare the outputs of layers, in the order of the reference graph, on the CPU.

    Unlike `takt.core.engines.layers` it needs no OpenVINO, but the package `onnx`.

    Args:
        reference: an ONNX file.
        variant: another, whose layers have the reference's names.
        images: model inputs, [N,H,W,3].
    """
    graphs = [onnx.load(path) for path in (reference, variant)]
    known = {node.name for node in graphs[1].graph.node if node.op_type in LAYERS} - {""}
    layers = layers_of(graphs[0].graph, known)
    due = {node.name: node.output[0] for node in graphs[0].graph.node}
    runs = [_Tapped(graph, [layer.node for layer in layers], due) for graph in graphs]
    return compare_layers(
        layers,
        (LayerOutputs(*(run.outputs(image[np.newaxis]) for run in runs)) for image in images),
    )


def layers_of(graph: GraphProto, known: Container[str]) -> tuple[Layer, ...]:
    """The layers of a graph, in its order, which must be sorted.

    Args:
        graph: the reference's.
        known: nodes that may be layers.
    """
    producer = {name: node for node in graph.node for name in node.output}
    nearest: dict[str, frozenset[str]] = {}
    found = []
    for node in graph.node:
        fed_by = frozenset[str]().union(*(nearest.get(name, frozenset()) for name in node.input))
        is_layer = node.op_type in LAYERS and node.name in known
        if is_layer:
            found.append(Layer(node.name, _label(node, producer), fed_by))
        reaching = frozenset({node.name}) if is_layer else fed_by
        nearest |= dict.fromkeys(node.output, reaching)
    return tuple(found)


def weighted_layers(graph: GraphProto) -> frozenset[str]:
    """Names of the layers whose weights have more than one channel; they do most of the work.

    A product of two computed tensors, as in attention, is none of them; nor is a filter of one
    channel, such as the one that smooths the map.
    """
    producer = {name: node for node in graph.node for name in node.output}
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}

    def weights(name: str) -> tuple[int, ...]:
        while name in producer and producer[name].op_type in _OF_WEIGHTS:
            name = producer[name].input[0]
        return sizes.get(name, ())

    return frozenset(
        node.name
        for node in graph.node
        if node.op_type in LAYERS and math.prod(weights(node.input[1])[:2]) > 1
    )


def casts_to(node: NodeProto, element: int) -> bool:
    """Whether a node casts to an element type of `TensorProto`."""
    return node.op_type == "Cast" and any(
        attribute.name == "to" and attribute.i == element for attribute in node.attribute
    )


def replace_nodes(graph: GraphProto, nodes: Sequence[NodeProto]) -> None:
    """Give a graph these nodes, of its own or new, in this order."""
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _label(node: NodeProto, producer: Mapping[str, NodeProto]) -> str:
    """Name of a layer's weights: `teacher.conv1` from model.teacher.conv1.weight.float16."""
    name: str = node.input[1]
    while name in producer:
        source = producer[name]
        if not source.input or source.op_type in LAYERS:
            return str(node.name)
        name = source.input[0]
    if name == INPUT:
        return str(node.name)
    for suffix in (".float16", ".weight"):
        name = name.removesuffix(suffix)
    return name.removeprefix("model.")


class _Tapped:
    """A session of a graph whose outputs are those of its layers."""

    def __init__(self, model: ModelProto, nodes: Sequence[str], due: Mapping[str, str]) -> None:
        own = {node.name: node.output[0] for node in model.graph.node}
        given = {name for node in model.graph.node for name in node.output}
        # A variant's layer may pass its output on under the reference's name.
        self._names = [due[node] if due[node] in given else own[node] for node in nodes]
        del model.graph.output[:]
        # Without a type: the runtime knows it.
        model.graph.output.extend(ValueInfoProto(name=name) for name in self._names)
        runtime = import_runtime("cpu")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        self._session: Any = runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def outputs(self, images: Batch) -> list[NDArray[np.float32]]:
        """Outputs of the layers, float32."""
        found = self._session.run(self._names, {INPUT: images})
        return [np.asarray(one, np.float32) for one in found]
