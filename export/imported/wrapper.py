"""A foreign graph with the input and the outputs of a bundle's graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from export.bundling.graph import BATCH
from export.bundling.roi import PlacedRoi
from export.errors import ExportError
from export.imported.input_transform import GREY, InputTransform
from export.imported.nodes import Array, subgraphs
from export.imported.onnx_file import opset_of
from export.imported.signature import GraphOutputs
from service.bundles.bundle import INPUT, OUTPUTS
from service.engines.provider_check import first_line

PREFIX = "model/"
"""Prefix of all names of the foreign graph, which keeps them apart from the bundle's names."""

OLDEST_IR = 8
"""Oldest version of the file format; before version 4, stored tensors had to be inputs too."""

PADS_ARE_INPUT = 11
"""First opset whose Pad takes its borders as an input."""

WHERE_FROM = 9
"""First opset with Where."""


def wrap(
    model: ModelProto,
    transform: InputTransform,
    outputs: GraphOutputs,
    roi: PlacedRoi | None = None,
) -> ModelProto:
    """The graph with a bundle's input and outputs, for any number of pictures.

    With a region of interest, the map holds a constant outside and the score is the map's maximum
    inside, as the graph's own rule for the score is unknown.

    Nodes, weights, functions and opset stay as they are. All names get a prefix. Notes of the
    exporter about its own run are removed.

    Raises:
        ExportError: the result is no valid graph.
    """
    wrapped = ModelProto()
    wrapped.CopyFrom(model)
    del wrapped.metadata_props[:]
    wrapped.ClearField("doc_string")
    wrapped.ir_version = max(model.ir_version, OLDEST_IR)
    graph = wrapped.graph
    _rename(graph)
    _clean(node for function in wrapped.functions for node in function.node)
    # Their shapes hold for the batch that the exporter saw.
    del graph.value_info[:], graph.input[:], graph.output[:]
    before, behind = _NodeList(opset_of(model)), _NodeList(opset_of(model))
    _transform(before, transform)
    _answer(behind, outputs, roi)
    nodes = [*before.nodes, *graph.node, *behind.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.stored, *behind.stored])
    graph.input.append(
        helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [BATCH, *transform.input_size, 3])
    )
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *size])
        for name, size in zip(OUTPUTS, (outputs.map_size, ()), strict=True)
    )
    try:
        onnx.checker.check_model(wrapped)
    except onnx.checker.ValidationError as error:
        raise ExportError(
            f"the graph is not valid ONNX ({first_line(error)}); export it again with a newer "
            "exporter"
        ) from error
    return wrapped


def reveal(model: ModelProto, names: Sequence[str]) -> ModelProto:
    """The original graph with inner tensors among its outputs.

    Raises:
        ExportError: a local function of the graph holds the tensor, where it cannot be reached.
    """
    revealed = ModelProto()
    revealed.CopyFrom(model)
    made = {name for node in model.graph.node for name in node.output}
    known = {port.name for port in model.graph.output}
    for name in names:
        if name not in made:
            raise ExportError(
                f"{name} lies within a function of the graph, where it cannot be had from; leave "
                "--before-cut out"
            )
        if name not in known:
            revealed.graph.output.append(ValueInfoProto(name=name))
    return revealed


class _NodeList:
    """New nodes and the stored tensors that they use."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.stored: list[TensorProto] = []

    def add(self, kind: str, inputs: Sequence[str | Array], output: str, **attributes: Any) -> str:
        """Append a node; arrays among its inputs are stored. Returns the name of its output."""
        names = [
            value if isinstance(value, str) else self.store(f"{output}/{place}", value)
            for place, value in enumerate(inputs)
        ]
        self.nodes.append(helper.make_node(kind, names, [output], f"takt/{output}", **attributes))
        return output

    def store(self, name: str, values: Array) -> str:
        """Append a stored tensor; returns its name."""
        self.stored.append(numpy_helper.from_array(values, name))
        return name


def _transform(nodes: _NodeList, transform: InputTransform) -> None:
    """From uint8 [N,h,w,3] to the graph's input; `InputTransform.feed` is the same in numpy."""
    value = nodes.add("Cast", [INPUT], "images/float", to=TensorProto.FLOAT)
    value = _pad(nodes, transform, value)
    if transform.port.channels == 1:
        value = _grey(nodes, value)
    if transform.bgr:
        value = nodes.add("Gather", [value, np.array([2, 1, 0])], "images/bgr", axis=3)
    planes = transform.port.layout == "nchw"
    if planes:
        # Before the arithmetic, which takes ten times as long where the channels are last.
        value = nodes.add("Transpose", [value], "images/nchw", perm=[0, 3, 1, 2])
    if transform.port.dtype != np.uint8:
        value = _normalise(nodes, transform, value, (-1, 1, 1) if planes else (-1,))
    target = PREFIX + transform.port.name
    nodes.add("Cast", [value], target, to=helper.np_dtype_to_tensor_dtype(transform.port.dtype))


def _pad(nodes: _NodeList, transform: InputTransform, value: str) -> str:
    if transform.window is None:
        return value
    rows, columns = transform.place
    below, right = transform.height - rows.stop, transform.width - columns.stop
    borders = [0, rows.start, columns.start, 0, 0, below, right, 0]
    if nodes.opset < PADS_ARE_INPUT:
        return nodes.add("Pad", [value], "images/whole", pads=borders)
    return nodes.add("Pad", [value, np.array(borders)], "images/whole")


def _grey(nodes: _NodeList, value: str) -> str:
    """Pillow's grey, exact in float32: all numbers are whole and below 2²⁴."""
    weighted = []
    for channel, weight in enumerate(GREY):
        name, factor = f"images/channel{channel}", np.array([weight], np.float32)
        level = nodes.add("Gather", [value, np.array([channel])], name, axis=3)
        weighted.append(nodes.add("Mul", [level, factor], f"{name}/part"))
    red, green, blue = weighted
    total = nodes.add("Add", [red, green], "images/grey/red_green")
    total = nodes.add("Add", [total, blue], "images/grey/sum")
    total = nodes.add("Add", [total, np.array([2**15], np.float32)], "images/grey/rounded")
    level = nodes.add("Div", [total, np.array([2**16], np.float32)], "images/grey/level")
    return nodes.add("Floor", [level], "images/grey")


def _normalise(
    nodes: _NodeList, transform: InputTransform, value: str, channels: tuple[int, ...]
) -> str:
    """From levels to the graph's range; `channels` is the shape of a number for each channel.

    (x / scale - mean) / std becomes x * factor + offset, as each step is a pass over the picture.
    The result differs by about 1e-7 from the three steps, which the measured drift includes.
    """
    scale = 255 / transform.white
    mean, std = np.array(transform.mean) * transform.white, np.array(transform.std)
    if (mean == 0).all() and (std == 1).all():
        steps = [("Div", "scale", np.array([scale]), 1)]
    else:
        steps = [("Mul", "factor", 1 / (scale * std), 1), ("Add", "offset", -mean / std, 0)]
    for kind, name, numbers, neutral in steps:
        if not (numbers == neutral).all():
            operand = numbers.astype(np.float32).reshape(channels)
            value = nodes.add(kind, [value, operand], f"images/after_{name}")
    return value


def _answer(nodes: _NodeList, outputs: GraphOutputs, roi: PlacedRoi | None) -> None:
    """From the graph's outputs to float32 [N,h,w] and [N]."""
    map_name, score_name = OUTPUTS
    height, width = outputs.map_size
    every = np.array([-1])
    sources = []
    for ours, theirs in zip(OUTPUTS, (outputs.anomaly_map, outputs.score), strict=True):
        if theirs is not None:
            name = f"answer/{ours}/float"
            sources.append(nodes.add("Cast", [PREFIX + theirs], name, to=TensorProto.FLOAT))
    cells = np.array([-1, height, width])
    # Where one is missing, the other stands for it: the only source is both first and last.
    scored = sources[0]
    if roi is None:
        nodes.add("Reshape", [sources[0], cells], map_name)
    else:
        scored = _within(nodes, roi, nodes.add("Reshape", [sources[0], cells], "answer/whole"))
    if outputs.score is not None and roi is None:
        nodes.add("Reshape", [sources[-1], every], score_name)
        return
    plane = nodes.add("Reshape", [scored, np.array([-1, 1, height, width])], "answer/plane")
    nodes.add("Reshape", [nodes.add("GlobalMaxPool", [plane], "answer/max"), every], score_name)


def _within(nodes: _NodeList, roi: PlacedRoi, whole: str) -> str:
    """The bundle's map from the graph's; returns the map that is scored, lowest outside."""
    if nodes.opset < WHERE_FROM:
        raise ExportError(
            f"the graph has opset {nodes.opset}, and a region of interest needs {WHERE_FROM}; "
            "export it again with a newer exporter, or leave --roi out"
        )
    outside, least = np.array(roi.outside, np.float32), np.array(np.finfo(np.float32).min)
    inside = nodes.store("answer/inside", roi.inside)
    nodes.add("Where", [inside, whole, outside], OUTPUTS[0])
    return nodes.add("Where", [inside, whole, least], "answer/scored")


def _rename(graph: GraphProto) -> None:
    """Prefix every name, in subgraphs too, and remove notes.

    `onnx.compose.add_prefix` misses stored tensors that a subgraph takes from outside.
    """
    for group in (graph.initializer, graph.input, graph.output):
        for named in group:
            named.name = PREFIX + named.name
    for sparse in graph.sparse_initializer:
        sparse.values.name = PREFIX + sparse.values.name
    for inner_info in graph.value_info:
        inner_info.name = PREFIX + inner_info.name
    del graph.quantization_annotation[:], graph.metadata_props[:]
    graph.ClearField("doc_string")
    _clean(graph.node)
    for node in graph.node:
        # An empty name stands for an operand that is left out.
        for names in (node.input, node.output):
            names[:] = [PREFIX + name if name else "" for name in names]
        if node.name:
            node.name = PREFIX + node.name
        for inner in subgraphs(node):
            _rename(inner)


def _clean(nodes: Iterable[NodeProto]) -> None:
    for node in nodes:
        del node.metadata_props[:]
        node.ClearField("doc_string")
