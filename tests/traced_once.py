"""A graph that a test run has traced is traced no second time, whichever worker needs it."""

from __future__ import annotations

import fcntl
import hashlib
import io
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch

import takt_export.bundling.graph
from takt.core.bundles.manifest import InputType

Trace = Callable[
    [takt_export.bundling.graph.ImagesToAnswer, tuple[int, int], InputType], onnx.ModelProto
]


@contextmanager
def each_graph_once(folder: Path) -> Iterator[None]:
    """Tracing of graphs, which `folder` remembers by the whole module and its input.

    A trace takes seconds, and is a function of the module alone.
    """
    trace: Trace = takt_export.bundling.graph._trace
    exporter = torch.onnx.export
    folder.mkdir(exist_ok=True)

    def trace_once(
        answering: takt_export.bundling.graph.ImagesToAnswer,
        input_size: tuple[int, int],
        input_type: InputType,
    ) -> onnx.ModelProto:
        if torch.onnx.export is not exporter:  # a test looks at the tracing itself
            return trace(answering, input_size, input_type)
        path = folder / _digest((answering, input_size, input_type))
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                onnx.save_model(trace(answering, input_size, input_type), path)
        return onnx.load_model(path)

    takt_export.bundling.graph._trace = trace_once
    try:
        yield
    finally:
        takt_export.bundling.graph._trace = trace


def _digest(traced: tuple[object, ...]) -> str:
    pickled = io.BytesIO()
    _AlikeInEachProcess(pickled).dump(traced)
    return hashlib.sha256(pickled.getvalue()).hexdigest()


class _AlikeInEachProcess(pickle.Pickler):
    """Pickles sets in order and tensors by their values."""

    def persistent_id(self, thing: object) -> object:
        if isinstance(thing, set | frozenset):
            return "set", sorted(thing)
        if isinstance(thing, torch.Tensor):
            return str(thing.dtype), tuple(thing.shape), thing.detach().numpy().tobytes()
        return None
