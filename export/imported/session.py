"""Running graphs in ONNX Runtime before they are a bundle's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.errors import ExportError
from export.imported.feed import FeedRule, feed
from export.imported.file import first_line

Array = NDArray[Any]

CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
LOADING = re.compile(r"^Load model from .*? failed: ?")
PLACE = re.compile(r"^/\S+:\d+ .*?\) (?=[A-Z])")


class Original:
    """A graph as it came: the reference of what is made of it.

    Attributes:
        output_names: what it can answer with.
    """

    def __init__(self, session: Any, path: Path) -> None:
        self._session = session
        self._path = path
        self.output_names: list[str] = [port.name for port in session.get_outputs()]

    def run(
        self,
        rule: FeedRule,
        image: NDArray[np.uint8],
        names: Sequence[str],
        *,
        surround: int = 0,
    ) -> dict[str, Array]:
        """Outputs for one model input, uint8 [h,w,3]; of copies in a batch, the first's.

        Raises:
            ExportError: the graph fails.
        """
        try:
            answers = self._session.run(list(names), feed(rule, image, surround))
        except Exception as error:
            raise ExportError(
                f"{self._path} fails on a picture of {rule.width}x{rule.height} pixels: "
                f"{_reason(error)}; where its input leaves the size open, give that of the "
                "training with --size"
            ) from error
        arrays = [_first(np.asarray(answer), rule.port.batch or 1) for answer in answers]
        return dict(zip(names, arrays, strict=True))


def open_session(graph: Path | bytes, path: Path, threads: int) -> Any:
    """A session on the CPU that says nothing.

    Args:
        graph: a file, or what would be in one.
        path: of the graph, for messages.
        threads: 0 takes every core.

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
    """What ONNX Runtime says, without its codes, its places in the code and the file's path."""
    text = first_line(error)
    for noise in (CODE, LOADING, PLACE):
        text = noise.sub("", text, count=1)
    return text.rstrip(". ")


def _first(answer: Array, copies: int) -> Array:
    return answer[:1] if copies > 1 and answer.shape[:1] == (copies,) else answer
