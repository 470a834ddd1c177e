"""The ONNX graph of a model: from pictures to the anomaly map and the score."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from takt.core.bundles.bundle import INPUT, OUTPUTS
from takt.core.bundles.manifest import InputType
from takt_export.bundling.rewrite import rewritten
from takt_export.errors import ExportError
from takt_models.detector import Detector

OPSET = 18
BATCH = "batch"
_ELEMENTS = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}

HALVED_FROM = 1024
"""Elements from which a tensor is worth a Cast node of its own."""


@dataclass(frozen=True)
class GraphFacts:
    """Size and weights of a graph's file.

    Attributes:
        size_bytes: of the file.
        weights: elements of all float tensors.
        halved_weights: elements that are stored in float16.
    """

    size_bytes: int
    weights: int
    halved_weights: int


class ImagesToAnswer(nn.Module):
    """A model with the signature of a bundle's graph.

    >>> from takt_models.efficientad.detector import EfficientAd, EfficientAdConfig
    >>> with torch.device("meta"):
    ...     graph = ImagesToAnswer(EfficientAd(EfficientAdConfig()))
    ...     anomaly_map, score = graph(torch.zeros(2, 256, 256, 3, dtype=torch.uint8))
    >>> tuple(anomaly_map.shape), tuple(score.shape)
    ((2, 256, 256), (2,))

    Args:
        model: as trained.
        inside: the cells of the map that count, bool [h,w], at least one; all if None. The others
            take the lowest value that the map can have and do not change the score.
    """

    inside: Tensor
    counted: Tensor
    lowest: Tensor

    def __init__(self, model: Detector, inside: NDArray[np.bool_] | None = None) -> None:
        super().__init__()
        self.model = model
        self.masked = inside is not None
        if inside is None:
            return
        for name, constant in (
            ("inside", torch.from_numpy(inside.copy())),
            ("counted", _counted(inside, model.scored_size)),
            ("lowest", torch.tensor(model.lowest)),
        ):
            self.register_buffer(name, constant, persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB levels [N,H,W,3] -> anomaly map [N,h,w] and score [N], both float32."""
        answer: tuple[Tensor, Tensor] = self.model(images.permute(0, 3, 1, 2).float() / 255)
        if not self.masked:
            return answer
        anomaly_map, _ = answer
        # Models score the highest cells, some a share of all: only those that count are asked.
        scored = self.model.scored(anomaly_map).flatten(1)
        score = self.model.score_of(scored.index_select(1, self.counted))
        return torch.where(self.inside, anomaly_map, self.lowest), score


def _counted(inside: NDArray[np.bool_], size: tuple[int, int]) -> Tensor:
    """Numbers of the cells of the scored map, which has its own size, that count.

    Each counts that has any part in a cell of the shown map that counts.
    """
    shares = torch.from_numpy(inside[np.newaxis].astype(np.float32))
    return F.adaptive_max_pool2d(shares, size).flatten().nonzero().flatten()


def write_graph(
    model: Detector,
    path: Path,
    inside: NDArray[np.bool_] | None = None,
    input_type: InputType = "uint8",
) -> GraphFacts:
    """Write a model as one ONNX file, opset 18, of any batch size.

    The graph computes the model as `takt_export.bundling.rewrite` rewrites it.

    Args:
        model: as trained.
        path: of the file.
        inside: the cells of the map that count, bool [h,w]; all if None. They are constants of
            the graph, so that every engine leaves the others out.
        input_type: elements of the graph's input, levels from 0 to 255.

    Raises:
        ExportError: the graph breaks the bundle's contract.
    """
    answering = ImagesToAnswer(rewritten(model), inside).eval()
    graph = _trace(answering, model.input_size, input_type)
    _strip(graph)
    _name_transposed(graph, model)
    facts_of_weights = _halve_weights(graph)
    check_contract(graph, model.input_size, model.map_size, input_type)
    onnx.save_model(graph, path)
    return GraphFacts(path.stat().st_size, *facts_of_weights)


def _trace(
    answering: ImagesToAnswer, input_size: tuple[int, int], input_type: InputType
) -> ModelProto:
    return traced(answering, input_size, OUTPUTS, input_type)


def traced(
    answering: nn.Module,
    input_size: tuple[int, int],
    outputs: Sequence[str],
    input_type: InputType = "uint8",
) -> ModelProto:
    """The graph of a module that takes pictures [N,H,W,3], as torch's exporter writes it.

    Args:
        answering: in eval mode.
        input_size: (height, width) of its pictures.
        outputs: names of what it answers.
        input_type: elements of its pictures, levels from 0 to 255.

    Raises:
        ExportError: the exporter gave no graph.
    """
    # Two pictures: the tracer takes a size of 1 for a constant.
    example = torch.zeros(2, *input_size, 3, dtype=getattr(torch, input_type))
    with warnings.catch_warnings(), _only_errors("onnxscript.optimizer"):
        # torch's exporter uses parts of torch that warn of their own end.
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(
            answering,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_shapes={INPUT: {0: torch.export.Dim(BATCH)}},
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export gave no graph; use torch 2.9 or later")
    return program.model_proto


@contextlib.contextmanager
def _only_errors(name: str) -> Iterator[None]:
    """Silence a logger's warnings, which are not for people who export."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _strip(graph: ModelProto) -> None:
    """Take out the exporter's notes on its own run, which hold stack traces with paths."""
    parts = graph.graph
    for part in (
        parts,
        *parts.node,
        *parts.value_info,
        *parts.initializer,
        *parts.input,
        *parts.output,
    ):
        del part.metadata_props[:]
        part.ClearField("doc_string")


def _name_transposed(graph: ModelProto, model: Detector) -> None:
    """Give weights that the exporter transposed the model's names, which people know.

    A linear layer becomes a product with the transpose of its weights, which has no name of theirs.
    """
    names = {
        _digest(parameter.detach().t().contiguous().numpy().tobytes()): f"model.{name}"
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and parameter.numel() >= HALVED_FROM
    }
    stored = {tensor.name for tensor in graph.graph.initializer}
    found = {}
    for tensor in graph.graph.initializer:
        name = names.get(_digest(tensor.raw_data))
        if name is not None and name not in stored:
            stored.add(name)
            found[tensor.name] = name
            tensor.name = name
    for node in graph.graph.node:
        for index, source in enumerate(node.input):
            node.input[index] = found.get(source, source)


def _digest(numbers: bytes) -> bytes:
    return hashlib.sha256(numbers).digest()


def _halve_weights(graph: ModelProto) -> tuple[int, int]:
    """Store each large float32 tensor as float16 and a Cast, where that loses no bit.

    ONNX Runtime casts them back once, as it loads the graph.

    Returns:
        The elements of all float32 tensors, and of those that are now in float16.
    """
    casts = []
    elements, halved = 0, 0
    for tensor in graph.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        elements += values.size
        if values.size < HALVED_FROM:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if half.astype(np.float32).tobytes() != values.tobytes():
            continue
        halved += values.size
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.float16"))
        casts.append(
            helper.make_node("Cast", [tensor.name], [name], f"{name}.cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return elements, halved


def check_contract(
    graph: ModelProto,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
    input_type: InputType = "uint8",
) -> None:
    """Compare a graph's input and outputs with the bundle's contract.

    Args:
        graph: with its shapes inferred.
        input_size: (height, width) of its pictures.
        map_size: (height, width) of its anomaly map.
        input_type: elements of its pictures.

    Raises:
        ExportError: they differ.
    """
    onnx.checker.check_model(graph, full_check=True)
    expected = [
        (INPUT, _ELEMENTS[input_type], [BATCH, *input_size, 3]),
        (OUTPUTS[0], TensorProto.FLOAT, [BATCH, *map_size]),
        (OUTPUTS[1], TensorProto.FLOAT, [BATCH]),
    ]
    found = [_signature(port) for port in (*graph.graph.input, *graph.graph.output)]
    if found != expected:
        raise ExportError(f"the exported graph has {found}, but a bundle's has {expected}")


def _signature(port: onnx.ValueInfoProto) -> tuple[str, int, list[str | int]]:
    tensor = port.type.tensor_type
    return port.name, tensor.elem_type, [d.dim_param or d.dim_value for d in tensor.shape.dim]
