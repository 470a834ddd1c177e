"""Input and outputs of a foreign graph: pictures in, an anomaly map and a score out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto

from takt_export.errors import ExportError
from takt_export.imported.nodes import Array, GraphNodes, operator

Layout = Literal["nchw", "nhwc"]
White = Literal[1, 255]
"""Value of a white pixel."""

NONE = "none"
"""Given instead of an output's name, to take none."""

UNNAMED = re.compile(r"\d+|onnx::.*|/.*")
"""Names that an exporter generates; beside other outputs, such an output is unintended."""

PIXEL_TYPES: dict[int, np.dtype[Any]] = {
    TensorProto.UINT8: np.dtype(np.uint8),
    TensorProto.FLOAT16: np.dtype(np.float16),
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.DOUBLE: np.dtype(np.float64),
}


@dataclass(frozen=True)
class _Role:
    """Role of an output.

    Attributes:
        name: name of the role.
        rank: number of dimensions greater than one in the answer to one picture.
        usual: usual names of such outputs, the surest first.
    """

    name: str
    rank: int
    usual: tuple[str, ...]


_MAP = _Role("map", 2, ("anomaly_map", "anomaly_maps", "heatmap", "map"))
_SCORE = _Role("score", 0, ("pred_score", "anomaly_score", "image_score", "score"))


@dataclass(frozen=True)
class InputPort:
    """Input that takes pictures.

    Attributes:
        name: name of the input.
        dtype: uint8, float16, float32 or float64.
        layout: nchw or nhwc.
        batch: number of pictures; None for any number.
        channels: 1 or 3.
        height: height in pixels; None for any.
        width: width in pixels; None for any.
    """

    name: str
    dtype: np.dtype[Any]
    layout: Layout
    batch: int | None
    channels: int
    height: int | None
    width: int | None


@dataclass(frozen=True)
class GraphOutputs:
    """Outputs that become those of a bundle.

    Attributes:
        anomaly_map: name of the map's output; None if the score becomes a map of one cell.
        score: name of the score's output; None if the score is the map's maximum.
        map_size: (height, width) of the map.
    """

    anomaly_map: str | None
    score: str | None
    map_size: tuple[int, int]

    @property
    def names(self) -> list[str]:
        """Names of the outputs that are not None."""
        return [name for name in (self.anomaly_map, self.score) if name is not None]


def find_input(model: ModelProto, path: Path, layout: Layout | None) -> InputPort:
    """Input for pictures.

    Args:
        model: the graph.
        path: file of the graph, for messages.
        layout: layout given by the owner; None takes it from the shape.

    Raises:
        ExportError: there are several inputs, or the input takes no pictures of one or three
            channels.
    """
    stored = {tensor.name for tensor in model.graph.initializer}
    ports = [port for port in model.graph.input if port.name not in stored]
    if len(ports) != 1:
        raise ExportError(
            f"{path} has {len(ports)} inputs ({', '.join(map(_described, ports))}), and a picture "
            "is all that it can be given; export it with one input"
        )
    port = ports[0]
    tensor = port.type.tensor_type
    dims = [dim.dim_value or None for dim in tensor.shape.dim]
    if len(dims) != 4 or tensor.elem_type not in PIXEL_TYPES:
        raise ExportError(
            f"the input of {path} is {_described(port)}; a graph of pictures takes four "
            "dimensions of uint8, float16, float32 or float64"
        )
    found = layout or _layout_of(dims, port, path)
    channels, height, width = dims[1:] if found == "nchw" else (dims[3], dims[1], dims[2])
    if channels not in (None, 1, 3):
        raise ExportError(
            f"the input of {path}, {_described(port)}, has {channels} channels as {found.upper()}; "
            "pictures have 3, or 1 where they are grey"
        )
    # An exporter leaves the channels open only for pictures in colour.
    return InputPort(
        port.name, PIXEL_TYPES[tensor.elem_type], found, dims[0], channels or 3, height, width
    )


def find_outputs(
    answers: Sequence[Mapping[str, Array]],
    path: Path,
    map_output: str | None,
    score_output: str | None,
) -> GraphOutputs:
    """Outputs of the map and of the score, found by the graph's answers.

    A float output with two dimensions greater than one is a map, a single float is a score. Usual
    names decide between several.

    Args:
        answers: answers to some pictures, one at a time, by the outputs' names.
        path: file of the graph, for messages.
        map_output: name of the map's output if it is known, or `none`.
        score_output: name of the score's output if it is known, or `none`.

    Raises:
        ExportError: there is neither, one of them is ambiguous, or a name is unknown.
    """
    anomaly_map = _choose(_MAP, answers, path, map_output)
    score = _choose(_SCORE, answers, path, score_output)
    if anomaly_map is None and score is None:
        raise ExportError(
            f"{path} answers with {_listed(answers)}; none is a map, a plane of float numbers for "
            "each picture, or a score, one float number. Export the model with one of them as "
            "output, or name another output with --map-output or --score-output"
        )
    height, width = (1, 1) if anomaly_map is None else _plane(answers[0][anomaly_map])
    return GraphOutputs(anomaly_map, score, (height, width))


def before_cut(nodes: GraphNodes, outputs: GraphOutputs) -> GraphOutputs:
    """The same outputs before the graph clips them, as anomalib 2 does at 0 and 1.

    Returns:
        Outputs with the names of inner tensors where the graph clips; unchanged elsewhere.
    """
    return replace(
        outputs,
        anomaly_map=_before_cut(nodes, outputs.anomaly_map),
        score=_before_cut(nodes, outputs.score),
    )


def _before_cut(nodes: GraphNodes, name: str | None) -> str | None:
    node = None if name is None else nodes.producer(nodes.origin(name))
    return node.input[0] if node is not None and operator(node) == "Clip" else name


def _layout_of(dims: list[int | None], port: ValueInfoProto, path: Path) -> Layout:
    first, last = dims[1] in (1, 3), dims[3] in (1, 3)
    if first != last:
        return "nchw" if first else "nhwc"
    raise ExportError(
        f"the input of {path} is {_described(port)}, which does not show where the channels are; "
        "say --layout nchw or --layout nhwc"
    )


def _choose(
    role: _Role, answers: Sequence[Mapping[str, Array]], path: Path, asked: str | None
) -> str | None:
    """Output with a role; None if there is none."""
    if asked == NONE:
        return None
    if asked is not None:
        if asked in answers[0] and _fits(asked, answers, role.rank):
            return asked
        raise ExportError(
            f"--{role.name}-output {asked}: {path} answers with {_listed(answers)}, and that is no "
            f"{role.name} among them: a map is a plane of numbers for each picture, a score one "
            "number"
        )
    found = _candidates(role, answers)
    if len(found) > 1:
        raise ExportError(
            f"{path} answers with {_listed(answers)}, and {' or '.join(found)} may be the "
            f"{role.name}; say which with --{role.name}-output NAME"
        )
    return found[0] if found else None


def _candidates(role: _Role, answers: Sequence[Mapping[str, Array]]) -> list[str]:
    """Outputs that may have a role; several if nothing distinguishes them."""
    found = [
        name
        for name, array in answers[0].items()
        if np.issubdtype(array.dtype, np.floating) and _fits(name, answers, role.rank)
    ]
    for name in role.usual:
        if name in found:
            return [name]
    found = [name for name in found if not UNNAMED.fullmatch(name)] or found
    if found and all(_same(found[0], other, answers) for other in found[1:]):
        return found[:1]
    named = [name for name in found if role.name in name.lower()]
    return named if len(named) == 1 else found


def _fits(name: str, answers: Sequence[Mapping[str, Array]], rank: int) -> bool:
    """Whether each answer to one picture has this number of dimensions greater than one."""
    planes = {_plane(answer[name]) for answer in answers}
    return len(planes) == 1 and len(planes.pop()) == rank


def _same(name: str, other: str, answers: Sequence[Mapping[str, Array]]) -> bool:
    return all(np.array_equal(answer[name], answer[other]) for answer in answers)


def _plane(array: Array) -> tuple[int, ...]:
    return tuple(size for size in array.shape if size != 1)


def _listed(answers: Sequence[Mapping[str, Array]]) -> str:
    return ", ".join(
        f"{name} ({array.dtype} {list(array.shape)})" for name, array in answers[0].items()
    )


def _described(port: ValueInfoProto) -> str:
    if not port.type.HasField("tensor_type"):
        return f"{port.name} (no tensor)"
    tensor = port.type.tensor_type
    kind = TensorProto.DataType.Name(tensor.elem_type).lower()
    dims = [str(dim.dim_param or dim.dim_value or "?") for dim in tensor.shape.dim]
    return f"{port.name} ({kind} [{', '.join(dims)}])"
