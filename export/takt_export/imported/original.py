"""A foreign graph as it came, run in ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from takt.core.bundles.bundle import Golden
from takt.core.domain import Batch, ModelInput
from takt.core.engines.provider_check import first_line
from takt_export.bundling.roi import PlacedRoi
from takt_export.errors import ExportError
from takt_export.imported.input_transform import InputTransform
from takt_export.imported.nodes import Array
from takt_export.imported.signature import GraphOutputs

NOISE = (
    re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : "),
    re.compile(r"^Load model from .*? failed: ?"),
    re.compile(r"^/\S+:\d+ .*?\) (?=[A-Z])"),
)
"""Parts of ONNX Runtime's messages to leave out: code, file and place in its source."""


class OriginalGraph:
    """A graph as it came, the reference for the graph of the bundle.

    Args:
        session: session of the graph.
        path: file of the graph, for messages.
        transform: steps from a model input to the graph's input.

    Attributes:
        transform: the same.
        output_names: names of all its outputs.
    """

    def __init__(self, session: Any, path: Path, transform: InputTransform) -> None:
        self._session = session
        self._path = path
        self.transform = transform
        self.output_names: list[str] = [port.name for port in session.get_outputs()]

    def run(
        self, image: ModelInput, names: Sequence[str], *, surround: int = 0
    ) -> dict[str, Array]:
        """Outputs for one model input, [h,w,3]; of copies in a batch, only the first's.

        Raises:
            ExportError: the graph fails.
        """
        transform = self.transform
        try:
            answers = self._session.run(list(names), transform.feed(image, surround))
        except Exception as error:
            raise ExportError(
                f"{self._path} fails on a picture of {transform.width}x{transform.height} pixels: "
                f"{_reason(error)}; where its input leaves the size open, give that of the "
                "training with --size"
            ) from error
        arrays = [_first(np.asarray(answer), transform.port.batch or 1) for answer in answers]
        return dict(zip(names, arrays, strict=True))

    def answer(self, images: Batch, outputs: GraphOutputs, roi: PlacedRoi | None = None) -> Golden:
        """Maps and scores of model inputs, [N,h,w,3], one at a time."""
        maps, scores = zip(*(self._answer(image, outputs, roi) for image in images), strict=True)
        return Golden(images, np.stack(maps), np.array(scores, np.float32))

    def _answer(
        self, image: ModelInput, outputs: GraphOutputs, roi: PlacedRoi | None
    ) -> tuple[NDArray[np.float32], np.float32]:
        answers = self.run(image, outputs.names)
        shown = answers[outputs.anomaly_map or outputs.names[0]].astype(np.float32)
        anomaly_map = shown.reshape(outputs.map_size)
        if roi is not None:
            outside = np.float32(roi.outside)
            return np.where(roi.inside, anomaly_map, outside), anomaly_map[roi.inside].max()
        scored = anomaly_map if outputs.score is None else answers[outputs.score]
        return anomaly_map, scored.astype(np.float32).max()


def open_session(graph: Path | bytes, path: Path, threads: int) -> Any:
    """A session of ONNX Runtime on the CPU, without log lines.

    Args:
        graph: file of the graph, or its content.
        path: file of the graph, for messages.
        threads: threads of the session; 0 takes every core.

    Raises:
        ExportError: ONNX Runtime cannot run the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            str(graph) if isinstance(graph, Path) else graph,
            options,
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:
        raise ExportError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run {path}: {_reason(error)}; "
            "export it again with operators and an opset that it knows"
        ) from error


def _reason(error: Exception) -> str:
    text = first_line(error)
    for noise in NOISE:
        text = noise.sub("", text, count=1)
    return text.rstrip(". ")


def _first(answer: Array, copies: int) -> Array:
    return answer[:1] if copies > 1 and answer.shape[:1] == (copies,) else answer
