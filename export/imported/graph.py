"""A foreign graph in the form of a bundle's: our input before it, our outputs behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
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
from export.imported.feed import GREY, FeedRule
from export.imported.file import first_line, opset_of
from export.imported.nodes import subgraphs
from export.imported.roles import Outputs
from service.bundles.bundle import INPUT, OUTPUTS

PREFIX = "model/"
"""Before every name of the foreign graph, so that none is one of ours."""

OLDEST_IR = 8
"""Of the file format; before version 4, stored tensors had to be inputs too."""

PADS_ARE_INPUT = 11
"""The opset from which Pad takes its borders as an input."""

WHERE_FROM = 9
"""The opset that has Where."""


def wrap(
    model: ModelProto, rule: FeedRule, outputs: Outputs, roi: PlacedRoi | None = None
) -> ModelProto:
    """The graph with a bundle's signature, for any number of pictures.

    With a region of interest, its map holds a constant outside, and its score is the map's maximum
    within: how the graph itself scores is not known.

    Its nodes, weights, functions and opset stay as they are; its names get a prefix, and what its
    exporter noted about its own run goes.

    Raises:
        ExportError: what results is no valid graph.
    """
    wrapped = ModelProto()
    wrapped.CopyFrom(model)
    del wrapped.metadata_props[:]
    wrapped.ClearField("doc_string")
    wrapped.ir_version = max(model.ir_version, OLDEST_IR)
    graph = wrapped.graph
    _rename(graph)
    _clean(node for function in wrapped.functions for node in function.node)
    # What they say of shapes holds for the batch that the exporter saw.
    del graph.value_info[:], graph.input[:], graph.output[:]
    before, behind = _Part(opset_of(model)), _Part(opset_of(model))
    _feed(before, rule)
    _answer(behind, outputs, roi)
    nodes = [*before.nodes, *graph.node, *behind.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.stored, *behind.stored])
    graph.input.append(
        helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [BATCH, *rule.input_size, 3])
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
    """The graph as it came, with inner tensors among its outputs.

    Raises:
        ExportError: it has no such tensor, as a local function of its own holds it.
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


class _Part:
    """Nodes of ours, in a row."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.stored: list[TensorProto] = []

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """One node more; gives its output back."""
        node = helper.make_node(kind, inputs, [output], f"takt/{output}", **attributes)
        self.nodes.append(node)
        return output

    def store(self, name: str, values: NDArray[Any]) -> str:
        """One stored tensor more; gives its name back."""
        self.stored.append(numpy_helper.from_array(values, name))
        return name


def _feed(part: _Part, rule: FeedRule) -> None:
    """From uint8 [N,h,w,3] to the graph's input; `imported_feed.feed` says the same in numpy."""
    value = part.add("Cast", [INPUT], "images/float", to=TensorProto.FLOAT)
    value = _pad(part, rule, value)
    if rule.port.channels == 1:
        value = _grey(part, value)
    if rule.bgr:
        order = part.store("images/bgr/order", np.array([2, 1, 0]))
        value = part.add("Gather", [value, order], "images/bgr", axis=3)
    planes = rule.port.layout == "nchw"
    if planes:
        # Ahead of the arithmetic: a runtime takes ten times as long where the channels are last.
        value = part.add("Transpose", [value], "images/nchw", perm=[0, 3, 1, 2])
    if rule.port.dtype != np.uint8:
        value = _normalise(part, rule, value, (-1, 1, 1) if planes else (-1,))
    target = PREFIX + rule.port.name
    part.add("Cast", [value], target, to=helper.np_dtype_to_tensor_dtype(rule.port.dtype))


def _pad(part: _Part, rule: FeedRule, value: str) -> str:
    if rule.window is None:
        return value
    rows, columns = rule.whole
    borders = [
        0, rows.start, columns.start, 0, 0, rule.height - rows.stop, rule.width - columns.stop, 0
    ]  # fmt: skip
    if part.opset < PADS_ARE_INPUT:
        return part.add("Pad", [value], "images/whole", pads=borders)
    pads = part.store("images/whole/pads", np.array(borders))
    return part.add("Pad", [value, pads], "images/whole")


def _grey(part: _Part, value: str) -> str:
    """Pillow's grey, exactly: all its numbers are whole and below 2²⁴."""
    weighted = []
    for channel, weight in enumerate(GREY):
        index = part.store(f"images/channel{channel}/index", np.array([channel]))
        level = part.add("Gather", [value, index], f"images/channel{channel}", axis=3)
        factor = part.store(f"images/channel{channel}/weight", np.float32(weight).reshape(1))
        weighted.append(part.add("Mul", [level, factor], f"images/channel{channel}/part"))
    red, green, blue = weighted
    total = part.add("Add", [red, green], "images/grey/red_green")
    total = part.add("Add", [total, blue], "images/grey/sum")
    half = part.store("images/grey/half", np.array([2**15], np.float32))
    total = part.add("Add", [total, half], "images/grey/rounded")
    whole = part.store("images/grey/whole", np.array([2**16], np.float32))
    return part.add("Floor", [part.add("Div", [total, whole], "images/grey/level")], "images/grey")


def _normalise(part: _Part, rule: FeedRule, value: str, channels: tuple[int, ...]) -> str:
    """From levels to the graph's range; `channels` is the shape of a number for each channel.

    (x / scale - mean) / std is one product and one sum, x * factor + offset: off by some 1e-7 of
    what three steps round to, which the drift shows, and each step is a pass over the picture.
    """
    scale = 255 / rule.white
    mean, std = np.array(rule.mean) * rule.white, np.array(rule.std)
    if (mean == 0).all() and (std == 1).all():
        steps = [("Div", "scale", np.array([scale]), 1)]
    else:
        steps = [("Mul", "factor", 1 / (scale * std), 1), ("Add", "offset", -mean / std, 0)]
    for kind, name, numbers, neutral in steps:
        if not (numbers == neutral).all():
            operand = part.store(f"images/{name}", numbers.astype(np.float32).reshape(channels))
            value = part.add(kind, [value, operand], f"images/after_{name}")
    return value


def _answer(part: _Part, outputs: Outputs, roi: PlacedRoi | None) -> None:
    """From the graph's outputs to float32 [N,h,w] and [N]."""
    map_name, score_name = OUTPUTS
    height, width = outputs.map_size
    every = part.store("answer/every", np.array([-1]))
    sources = []
    for ours, theirs in zip(OUTPUTS, (outputs.anomaly_map, outputs.score), strict=True):
        if theirs is not None:
            to = {"to": TensorProto.FLOAT}
            sources.append(part.add("Cast", [PREFIX + theirs], f"answer/{ours}/float", **to))
    cells = part.store("answer/cells", np.array([-1, height, width]))
    # Where one is missing, the other stands for it: the only source is both first and last.
    scored = sources[0]
    if roi is None:
        part.add("Reshape", [sources[0], cells], map_name)
    else:
        scored = _within(part, roi, part.add("Reshape", [sources[0], cells], "answer/whole"))
    if outputs.score is not None and roi is None:
        part.add("Reshape", [sources[-1], every], score_name)
        return
    planes = part.store("answer/planes", np.array([-1, 1, height, width]))
    plane = part.add("Reshape", [scored, planes], "answer/plane")
    part.add("Reshape", [part.add("GlobalMaxPool", [plane], "answer/max"), every], score_name)


def _within(part: _Part, roi: PlacedRoi, whole: str) -> str:
    """The bundle's map out of the whole one; gives the map that is scored, lowest outside."""
    if part.opset < WHERE_FROM:
        raise ExportError(
            f"the graph has opset {part.opset}, and a region of interest needs {WHERE_FROM}; "
            "export it again with a newer exporter, or leave --roi out"
        )
    inside = part.store("answer/inside", roi.inside)
    outside = part.store("answer/outside", np.array(roi.outside, np.float32))
    least = part.store("answer/least", np.array(np.finfo(np.float32).min))
    part.add("Where", [inside, whole, outside], OUTPUTS[0])
    return part.add("Where", [inside, whole, least], "answer/scored")


def _rename(graph: GraphProto) -> None:
    """Put the prefix before every name, in subgraphs too, and clean the nodes."""
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
