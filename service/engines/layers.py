"""Compares two graphs of one model layer by layer, to find where their outputs begin to differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundles.bundle import INPUT
from service.domain import Batch, ModelInput
from service.engines.openvino import import_openvino

WEIGHTED_LAYERS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
"""OpenVINO's types of the layers that have weights or that lower precision changes."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that the reference graph and the variant share.

    Attributes:
        node: name in the graph.
        name: name for people, that of its weights in the trained model if the graph has it.
        fed_by: nodes of the layers whose outputs reach it with no other layer between.
    """

    node: str
    name: str
    fed_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class LayerOutputs:
    """Outputs of the layers for one input: `due` of the reference graph, `got` of the other."""

    due: Sequence[NDArray[np.float32]]
    got: Sequence[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far a layer's output lies from the reference's, on the same pictures.

    Attributes:
        node: name in the graph.
        name: name for people.
        error: root mean square difference, divided by the standard deviation of the reference's
            output; 0 where that does not vary and nothing differs, infinite where an output is not
            finite.
        grown: how much the error exceeds that of the worst layer that feeds this one.
    """

    node: str
    name: str
    error: float
    grown: float


def layer_errors(
    reference: Path, variant: Path, images: Batch, precision_hint: str = "f32"
) -> tuple[LayerError, ...]:
    """Compares the outputs of the layers with weights, in the order of the graph.

    Args:
        reference: an ONNX file.
        variant: an ONNX file or OpenVINO IR, whose layers have the reference's names.
        images: model inputs, [N,H,W,3].
        precision_hint: precision that the variant is computed in: f32 or bf16.

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
    """Computes the errors of layers over all inputs together.

    Args:
        layers: in the order of the graph.
        inputs: the layers' outputs for each input.
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
    """Names of the layers where the difference begins: their error grows by more than the bound.

    If none grows that much, these are the layers whose error grows most.

    Args:
        errors: in the order of the graph.
        bound: of the growth of an error.
        most: number of names.
    """
    began = [one.name for one in errors if one.grown > bound]
    if not began:
        began = [one.name for one in sorted(errors, key=lambda one: -one.grown) if one.grown > 0]
    return tuple(began[:most])


def _label(node: Any) -> str:
    """Name of a layer by its weights: `teacher.conv1` for model.teacher.conv1.weight.float16."""
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
    """For each layer, the layers whose outputs reach it with no other layer between."""
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


def _outputs(compiled: Any, image: ModelInput, count: int) -> list[NDArray[np.float32]]:
    """Outputs of the layers, which come after the graph's own outputs."""
    answers = compiled({INPUT: image[np.newaxis]})
    own = len(compiled.outputs) - count
    return [np.array(answers[port], np.float32) for port in compiled.outputs[own:]]
