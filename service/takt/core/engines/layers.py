"""Compares graphs of one model layer by layer, to find where their outputs begin to differ.

A graph is compared with another one, or with a record of what the layers answered at the export.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import INPUT, LAYERS, Bundle
from takt.core.bundles.content.arrays import ArraySpec, read_arrays
from takt.core.bundles.variant import Precision
from takt.core.domain import Batch, ModelInput
from takt.core.engines.openvino import new_core, take_one_picture

NAMED_FROM: dict[Precision, float] = {"fp32": 1e-5, "fp16": 0.02, "bf16": 0.05, "int8": 0.25}
"""Growth of a layer's error, in deviations of its output, that the precision does not explain."""

_WITHOUT_BIAS = "/WithoutBiases"
"""What OpenVINO calls a layer after its node, where it adds the bias by another node."""

_MOST_LAYERS = 1 << 14
_RECORD = {
    "names": ArraySpec("U", 4 * 512, 1, _MOST_LAYERS),
    "sketches": ArraySpec("f", 4, 2, _MOST_LAYERS * 64),
    "deviations": ArraySpec("f", 4, 1, _MOST_LAYERS),
}

SKETCHED = 64
"""Values that are kept of a layer's output."""

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


@dataclass(frozen=True)
class LayerRecord:
    """What the n layers of a graph answered to an input, in short.

    Attributes:
        names: of their nodes [n].
        sketches: `sketch` of each output, float32 [n,64].
        deviations: standard deviation of each output, float32 [n].
    """

    names: NDArray[np.str_]
    sketches: NDArray[np.float32]
    deviations: NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """Content of the file that keeps it."""
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **vars(self))
        return stream.getvalue()

    @classmethod
    def of(cls, bundle: Bundle) -> LayerRecord | None:
        """The record in a bundle; None if it has none.

        Raises:
            BundleError: it is damaged.
            OSError: it cannot be read.
        """
        if LAYERS not in bundle.manifest.files:
            return None
        file = bundle.content / LAYERS
        with file.open("rb") as stream:
            return cls(**read_arrays(file, stream, _RECORD))


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
    core = new_core()
    graphs = [core.read_model(path) for path in (reference, variant)]
    known = _nodes(graphs[1])
    names = [name for name in _with_weights(graphs[0]) if name in known]
    layers = _layers(graphs[0], names)
    runs = [
        _compiled(core, graph, names, hint)
        for graph, hint in zip(graphs, ("f32", precision_hint), strict=True)
    ]
    return compare_layers(
        layers,
        (LayerOutputs(*(_outputs(run, image, len(names)) for run in runs)) for image in images),
    )


def record_layers(graph: Path, image: ModelInput, nodes: Sequence[str]) -> LayerRecord:
    """Records what the layers of a graph answer, in float32.

    Args:
        graph: an ONNX file.
        image: a model input [H,W,3].
        nodes: names of the graph's nodes, in its order, which OpenVINO does not keep.

    Raises:
        ConfigurationError: OpenVINO, which runs it, is not installed.
    """
    core = new_core()
    read = core.read_model(graph)
    order = {name: index for index, name in enumerate(nodes)}
    names = sorted(
        _with_weights(read),
        key=lambda name: order.get(name.removesuffix(_WITHOUT_BIAS), len(order)),
    )
    outputs = _outputs(_compiled(core, read, names, "f32"), image, len(names))
    return LayerRecord(
        names=np.array(names, np.str_),
        sketches=np.array([sketch(one) for one in outputs], np.float32).reshape(-1, SKETCHED),
        deviations=np.array([one.std(dtype=np.float64) for one in outputs], np.float32),
    )


def recorded_errors(
    record: LayerRecord, graph: Path, image: ModelInput, precision_hint: str = "f32"
) -> tuple[LayerError, ...]:
    """Compares the layers of a graph with a record of the same input, in the record's order.

    Args:
        record: of the trained model's graph.
        graph: an ONNX file or OpenVINO IR, whose layers have the recorded names.
        image: the model input [H,W,3].
        precision_hint: precision that the graph is computed in: f32 or bf16.

    Raises:
        ConfigurationError: OpenVINO is not installed.
    """
    core = new_core()
    read = core.read_model(graph)
    known = _nodes(read)
    kept = [(index, name) for index, name in enumerate(record.names.tolist()) if name in known]
    names = [name for _, name in kept]
    layers = _layers(read, names)
    outputs = _outputs(_compiled(core, read, names, precision_hint), image, len(names))
    errors: dict[str, float] = {}
    for (index, name), output in zip(kept, outputs, strict=True):
        apart = sketch(output) - record.sketches[index]
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(np.square(apart).sum() / output.size) / record.deviations[index]
        errors[name] = 0.0 if not apart.any() else float(np.nan_to_num(error, nan=np.inf))
    return _grown(layers, errors)


def sketch(output: NDArray[np.float32]) -> NDArray[np.float64]:
    """A few sums of an output's values under random signs.

    The squares of the difference of two sketches add up to about those of the outputs' difference,
    whichever values differ.

    >>> output = np.zeros(1000, np.float32)
    >>> output[7] = 3
    >>> float(np.square(sketch(output)).sum())
    9.0
    """
    # A hash instead of numpy's generator, whose stream may change from version to version.
    bits = np.arange(output.size, dtype=np.uint32) * np.uint32(2654435761)
    bits = (bits ^ (bits >> np.uint32(15))) * np.uint32(2246822519)
    signs = 1 - 2 * ((bits ^ (bits >> np.uint32(13))) & np.uint32(1)).astype(np.float32)
    values = np.zeros(-(-output.size // SKETCHED) * SKETCHED, np.float32)
    values[: output.size] = output.ravel() * signs
    sums: NDArray[np.float64] = values.reshape(-1, SKETCHED).sum(0, dtype=np.float64)
    return sums


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
    return _grown(layers, by_node)


def first_failing(errors: Sequence[LayerError], bound: float, most: int = 3) -> tuple[str, ...]:
    """Names of the layers where the difference begins: their error grows by more than the bound.

    If none grows that much, these are the layers whose error grows by half as much as the most.

    Args:
        errors: in the order of the graph.
        bound: of the growth of an error.
        most: number of names.
    """
    largest = max((one.grown for one in errors), default=0.0)
    least = bound if largest > bound else largest / 2
    return tuple([one.name for one in errors if one.grown > least][:most])


def _grown(layers: Sequence[Layer], errors: Mapping[str, float]) -> tuple[LayerError, ...]:
    """The errors with their growth, in the order of the layers."""
    found = []
    for layer in layers:
        before = max((errors[node] for node in layer.fed_by), default=0.0)
        error = errors[layer.node]
        grown = error - before if np.isfinite(before) else 0.0
        found.append(LayerError(layer.node, layer.name, error, grown))
    return tuple(found)


def _nodes(graph: Any) -> dict[str, Any]:
    """The nodes of a graph by their names, in its order."""
    return {node.get_friendly_name(): node for node in graph.get_ordered_ops()}


def _with_weights(graph: Any) -> list[str]:
    """Names of the layers that have weights, in the order of the graph."""
    nodes = _nodes(graph).items()
    return [name for name, node in nodes if node.get_type_name() in WEIGHTED_LAYERS]


def _layers(graph: Any, names: Sequence[str]) -> list[Layer]:
    nodes, feeding = _nodes(graph), _feeding(graph, set(names))
    return [Layer(name, _label(nodes[name]), frozenset(feeding[name])) for name in names]


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
    for name, node in _nodes(graph).items():
        before: set[str] = set()
        for port in node.inputs():
            before |= nearest[port.get_source_output().get_node().get_friendly_name()]
        if name in layers:
            found[name] = before
        nearest[name] = {name} if name in layers else before
    return found


def _compiled(core: Any, graph: Any, layers: Sequence[str], hint: str) -> Any:
    take_one_picture(graph)
    nodes = _nodes(graph)
    graph.add_outputs([nodes[name].output(0) for name in layers])
    return core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": hint})


def _outputs(compiled: Any, image: ModelInput, count: int) -> list[NDArray[np.float32]]:
    """Outputs of the layers, which come after the graph's own outputs."""
    answers = compiled({INPUT: image[np.newaxis]})
    own = len(compiled.outputs) - count
    return [np.array(answers[port], np.float32) for port in compiled.outputs[own:]]
