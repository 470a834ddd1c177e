"""A foreign graph with the input and the outputs of a bundle's graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
)

from takt.core.bundles.bundle import INPUT, OUTPUTS
from takt.core.bundles.manifest import InputType
from takt.core.engines.provider_check import first_line
from takt_export.bundling.graph import BATCH
from takt_export.bundling.roi import PlacedRoi
from takt_export.errors import ExportError
from takt_export.imported.input_transform import GREY, InputTransform
from takt_export.imported.node_list import NodeList
from takt_export.imported.nodes import subgraphs
from takt_export.imported.onnx_file import opset_of
from takt_export.imported.signature import GraphOutputs

PREFIX = "model/"
"""Prefix of all names of the foreign graph, which keeps them apart from the bundle's names."""

OLDEST_IR = 8
"""Oldest version of the file format; before version 4, stored tensors had to be inputs too."""

PADS_ARE_INPUT = 11
"""First opset whose Pad takes its borders as an input."""

WHERE_FROM = 9
"""First opset with Where."""

SLICE_TAKES_INPUTS = 10
"""First opset whose Slice takes its limits as inputs."""


def wrap(
    model: ModelProto,
    transform: InputTransform,
    outputs: GraphOutputs,
    roi: PlacedRoi | None = None,
    input_type: InputType = "uint8",
    *,
    at_once: int = 1,
) -> ModelProto:
    """The graph with a bundle's input and outputs, for any number of pictures.

    `input_type` is that of the bundle's input, RGB levels from 0 to 255.

    With `at_once` above 1 it is for up to that number, and always computes as many: the last
    picture is repeated, and the answers to its copies are left out.

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
    before, behind = NodeList(opset_of(model)), NodeList(opset_of(model))
    count = _count(before) if at_once > 1 else None
    levels = INPUT
    if input_type == "uint8":
        levels = before.add("Cast", [INPUT], "images/float", to=TensorProto.FLOAT)
    _transform(before, transform, levels, count, at_once)
    _answer(behind, outputs, roi, count)
    nodes = [*before.nodes, *graph.node, *behind.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.stored, *behind.stored])
    element = TensorProto.FLOAT if input_type == "float32" else TensorProto.UINT8
    graph.input.append(
        helper.make_tensor_value_info(INPUT, element, [BATCH, *transform.input_size, 3])
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


def _transform(
    nodes: NodeList, transform: InputTransform, levels: str, count: str | None, at_once: int
) -> None:
    """From float levels [N,h,w,3] to the graph's input; `InputTransform.feed` does it in numpy."""
    value = _pad(nodes, transform, levels)
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
    if count is not None:
        value = _repeat_last(nodes, count, at_once, value)
    target = PREFIX + transform.port.name
    nodes.add("Cast", [value], target, to=helper.np_dtype_to_tensor_dtype(transform.port.dtype))


def _count(nodes: NodeList) -> str:
    """Number of pictures, int64 [1]."""
    if nodes.opset < SLICE_TAKES_INPUTS:
        raise ExportError(
            f"the graph takes a fixed number of pictures and has opset {nodes.opset}, and to serve "
            f"fewer needs {SLICE_TAKES_INPUTS}; export it again with a newer exporter, or with an "
            "open batch dimension"
        )
    shape = nodes.add("Shape", [INPUT], "images/shape")
    return nodes.add("Gather", [shape, np.array([0])], "images/count", axis=0)


def _repeat_last(nodes: NodeList, count: str, pictures: int, value: str) -> str:
    """This many pictures of `count`: i -> min(i, last), as i - relu(i - last)."""
    counted = nodes.add("Cast", [count], "images/count/float", to=TensorProto.FLOAT)
    last = nodes.add("Sub", [counted, np.ones(1, np.float32)], "images/last")
    places = nodes.store("images/places", np.arange(pictures, dtype=np.float32))
    beyond = nodes.add("Relu", [nodes.add("Sub", [places, last], "images/over")], "images/beyond")
    chosen = nodes.add("Sub", [places, beyond], "images/chosen/float")
    chosen = nodes.add("Cast", [chosen], "images/chosen", to=TensorProto.INT64)
    return nodes.add("Gather", [value, chosen], "images/repeated", axis=0)


def _pad(nodes: NodeList, transform: InputTransform, value: str) -> str:
    if transform.window is None:
        return value
    rows, columns = transform.place
    below, right = transform.height - rows.stop, transform.width - columns.stop
    borders = [0, rows.start, columns.start, 0, 0, below, right, 0]
    if nodes.opset < PADS_ARE_INPUT:
        return nodes.add("Pad", [value], "images/whole", pads=borders)
    return nodes.add("Pad", [value, np.array(borders)], "images/whole")


def _grey(nodes: NodeList, value: str) -> str:
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
    nodes: NodeList, transform: InputTransform, value: str, channels: tuple[int, ...]
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


def _answer(
    nodes: NodeList, outputs: GraphOutputs, roi: PlacedRoi | None, count: str | None
) -> None:
    """From the graph's outputs to float32 [N,h,w] and [N].

    `count` is the tensor with the number of pictures, where the graph answers more.
    """
    map_name, score_name = OUTPUTS
    height, width = outputs.map_size
    every = np.array([-1])
    sources = []
    for ours, theirs in zip(OUTPUTS, (outputs.anomaly_map, outputs.score), strict=True):
        if theirs is not None:
            source = PREFIX + theirs
            if count is not None:
                limits = (np.zeros(1, np.int64), count, np.zeros(1, np.int64))
                source = nodes.add("Slice", [source, *limits], f"answer/{ours}/asked")
            name = f"answer/{ours}/float"
            sources.append(nodes.add("Cast", [source], name, to=TensorProto.FLOAT))
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


def _within(nodes: NodeList, roi: PlacedRoi, whole: str) -> str:
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
