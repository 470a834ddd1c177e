"""What a backend of Triton can run of a bundle: its graph, or a variant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto

from takt.core.bundles.bundle import INPUT, OUTPUTS, Bundle
from takt.core.bundles.variant import Variant
from takt.core.engines.options import REFERENCE
from takt_export.errors import TritonExportError
from takt_export.variants.tensorrt_graph import CONTEXT_OP


@dataclass(frozen=True, slots=True)
class TritonGraphFile:
    """A graph for a backend of Triton.

    Attributes:
        backend: that runs it.
        file_name: that this backend looks for.
        content: of the file.
        max_batch_size: most pictures that it takes at once; any number if None.
    """

    backend: str
    file_name: str
    content: bytes
    max_batch_size: int | None


def graph_of(bundle: Bundle, engine: str) -> TritonGraphFile:
    """The graph that the setting `engine` names.

    Raises:
        BundleError: there is no such variant.
        TritonExportError: no backend of Triton runs it; the message says what to do instead.
    """
    most = bundle.manifest.max_batch_size
    if engine == REFERENCE:
        return _onnx(bundle.model_path, most)
    variant = bundle.variant(engine)
    limits = [one for one in (most, variant.max_batch_size) if one is not None]
    most, model = min(limits, default=None), bundle.content / variant.model
    if variant.engine != "onnxruntime":
        raise TritonExportError(
            f"{engine} is a variant for {variant.engine}; the Python model can run it, with "
            "--runs-in python"
        )
    if variant.provider == "tensorrt":
        return TritonGraphFile("tensorrt", "model.plan", _plan(model, variant), most)
    return _onnx(model, most)


def _onnx(model: Path, most: int | None) -> TritonGraphFile:
    graph = onnx.load(model, load_external_data=False)
    if _needs_others(graph):
        raise TritonExportError(
            f"{model.name} has its weights in other files; the Python model can run it, with "
            "--runs-in python"
        )
    (pictures,) = (one for one in graph.graph.input if one.name == INPUT)
    count = pictures.type.tensor_type.shape.dim[0]
    if count.HasField("dim_value"):
        raise TritonExportError(
            f"{model.name} takes {count.dim_value} pictures at a time and no other number, which "
            "Triton cannot batch; the Python model can run it, with --runs-in python"
        )
    return TritonGraphFile("onnxruntime", "model.onnx", model.read_bytes(), most)


def _needs_others(graph: ModelProto) -> bool:
    """Whether a graph has weights in files of their own."""
    external = onnx.TensorProto.EXTERNAL
    return any(tensor.data_location == external for tensor in graph.graph.initializer)


def _plan(model: Path, variant: Variant) -> bytes:
    """TensorRT's engine out of the graph in which ONNX Runtime keeps it."""
    nodes = onnx.load(model, load_external_data=False).graph.node
    found = [node for node in nodes if node.op_type == CONTEXT_OP]
    if len(nodes) != 1 or len(found) != 1 or set(found[0].output) != set(OUTPUTS):
        raise TritonExportError(
            f"{variant.name} leaves a part of the graph to others than TensorRT, which Triton's "
            "backend cannot run; export with --engine onnxruntime"
        )
    attributes = {one.name: one for one in found[0].attribute}
    if not attributes["embed_mode"].i:
        raise TritonExportError(
            f"{variant.name} has its engine in a file of its own; build it again with "
            "`takt export tensorrt`"
        )
    engine: bytes = attributes["ep_cache_context"].s
    return engine
