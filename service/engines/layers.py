"""Where an engine's answers begin to differ: two graphs of one model, compared layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundles.bundle import INPUT
from service.engines.openvino import import_openvino

WEIGHTED_LAYERS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
"""The layers that have weights, or do the work that is done in lower precision."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that the reference graph and its variant share.

    Attributes:
        node: its name in the graph.
        name: its name for people: that of its weights in the trained model, if it is told.
        fed_by: nodes of the layers whose outputs reach it without another layer between.
    """

    node: str
    name: str
    fed_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class LayerOutputs:
    """What the layers answered to one input: due in the reference graph, got in the other."""

    due: Sequence[NDArray[np.float32]]
    got: Sequence[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far a layer's output lies from the reference's, on the same pictures.

    Attributes:
        node: see `Layer`.
        name: likewise.
        error: root of the mean squared difference, over the standard deviation of the reference's
            output; 0 where that does not vary and neither differs, infinite where an output is not
            finite.
        grown: by how much that is more than at the worst of the layers that feed it.
    """

    node: str
    name: str
    error: float
    grown: float


def layer_errors(
    reference: Path, variant: Path, images: NDArray[np.uint8], precision_hint: str = "f32"
) -> tuple[LayerError, ...]:
    """Compare what the layers with weights answer, in the order of the graph.

    Args:
        reference: an ONNX file.
        variant: an ONNX file or OpenVINO IR, whose layers have the reference's names.
        images: model inputs, uint8 [N,H,W,3].
        precision_hint: to compute the variant in: f32 or bf16.

    Raises:
        ConfigurationError: OpenVINO, which runs both, is not installed.
    """
    core = import_openvino().Core()
    graphs = [core.read_model(path) for path in (reference, variant)]
    known = {node.get_friendly_name() for node in graphs[1].get_ordered_ops()}
    layers = [
        node.get_friendly_name()
        for node in graphs[0].get_ordered_ops()
        if node.get_type_name() in WEIGHTED_LAYERS and node.get_friendly_name() in known
    ]
    feeding = _feeding(graphs[0], set(layers))
    labels = {node.get_friendly_name(): _label(node) for node in graphs[0].get_ordered_ops()}
    runs = [
        _compiled(core, graph, layers, hint)
        for graph, hint in zip(graphs, ("f32", precision_hint), strict=True)
    ]
    return compare_layers(
        [Layer(name, labels[name], frozenset(feeding[name])) for name in layers],
        (LayerOutputs(*(_outputs(run, image, len(layers)) for run in runs)) for image in images),
    )


def compare_layers(
    layers: Sequence[Layer], inputs: Iterable[LayerOutputs]
) -> tuple[LayerError, ...]:
    """How far the outputs of layers lie from the reference's, over all inputs together.

    Args:
        layers: in the order of the graph.
        inputs: of each, what the layers answered.
    """
    squared, total, square_total, counts = (np.zeros(len(layers)) for _ in range(4))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for outputs in inputs:
            for index, (due, got) in enumerate(zip(outputs.due, outputs.got, strict=True)):
                squared[index] += float(np.square(got - due, dtype=np.float64).sum())
                total[index] += float(due.sum(dtype=np.float64))
                square_total[index] += float(np.square(due, dtype=np.float64).sum())
                counts[index] += due.size
        variance = np.maximum(square_total / counts - np.square(total / counts), 0)
        errors = np.sqrt(squared / counts) / np.sqrt(variance)
    errors = np.where(squared == 0, 0.0, np.where(np.isnan(errors), np.inf, errors))
    by_node = {layer.node: float(error) for layer, error in zip(layers, errors, strict=True)}
    found = []
    for layer in layers:
        before = max((by_node[node] for node in layer.fed_by), default=0.0)
        error = by_node[layer.node]
        grown = error - before if np.isfinite(before) else 0.0
        found.append(LayerError(layer.node, layer.name, error, grown))
    return tuple(found)


def first_failing(errors: Sequence[LayerError], bound: float, most: int = 3) -> tuple[str, ...]:
    """The layers where the difference begins: of those beyond the bound, which grew beyond it.

    Args:
        errors: in the order of the graph.
        bound: of an error, and of its growth.
        most: names.
    """
    began = [one.name for one in errors if one.grown > bound]
    if not began:
        began = [one.name for one in sorted(errors, key=lambda one: -one.grown) if one.grown > 0]
    return tuple(began[:most])


def _label(node: Any) -> str:
    """Of the weights that a layer takes: `teacher.conv1` of model.teacher.conv1.weight.float16."""
    name: str = node.get_friendly_name()
    if node.get_type_name() not in WEIGHTED_LAYERS:
        return name
    source = node.input(1).get_source_output().get_node()
    while source.inputs():
        source = source.input(0).get_source_output().get_node()
    if source.get_type_name() != "Constant":
        return name
    label: str = source.get_friendly_name()
    for suffix in (".float16", ".weight"):
        label = label.removesuffix(suffix)
    return label.removeprefix("model.")


def _feeding(graph: Any, layers: set[str]) -> dict[str, set[str]]:
    """The layers whose outputs reach each layer without another layer between."""
    nearest: dict[str, set[str]] = {}
    found: dict[str, set[str]] = {}
    for node in graph.get_ordered_ops():
        name = node.get_friendly_name()
        before: set[str] = set()
        for port in node.inputs():
            before |= nearest[port.get_source_output().get_node().get_friendly_name()]
        if name in layers:
            found[name] = before
        nearest[name] = {name} if name in layers else before
    return found


def _compiled(core: Any, graph: Any, layers: Sequence[str], hint: str) -> Any:
    height, width, channels = (
        graph.input(INPUT).get_partial_shape()[axis].get_length() for axis in (1, 2, 3)
    )
    graph.reshape({INPUT: [1, height, width, channels]})
    nodes = {node.get_friendly_name(): node for node in graph.get_ordered_ops()}
    graph.add_outputs([nodes[name].output(0) for name in layers])
    return core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": hint})


def _outputs(compiled: Any, image: NDArray[np.uint8], count: int) -> list[NDArray[np.float32]]:
    """Of the layers, which come after the graph's own."""
    answers = compiled({INPUT: image[np.newaxis]})
    own = len(compiled.outputs) - count
    return [np.array(answers[port], np.float32) for port in compiled.outputs[own:]]
