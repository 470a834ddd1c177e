"""The time of a picture through a fitted model's graph, by an engine of the service."""

from __future__ import annotations

import statistics
import time
from contextlib import closing
from pathlib import Path
from typing import Literal

import numpy as np

from takt.core.engines.base import Engine
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.openvino import OpenVinoEngine
from takt_export.bundling.graph import write_graph
from takt_models.patchcore.detector import PatchCore

EngineName = Literal["onnxruntime", "openvino"]
RUNS = 60
WARM_UP = 10


def write_for_timing(model: PatchCore, path: Path) -> None:
    """Writes the graph that a bundle would have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_graph(model, path)


def p50_ms(path: Path, engine: EngineName, width: int, height: int) -> float:
    """Median processor time of a picture of noise on one thread, in ms, decoding left out.

    Other work on the machine disturbs it less than it does the time on a clock.
    """
    with closing(opened(path, engine)) as graph:
        noise = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
        times_ms = []
        for _ in range(WARM_UP + RUNS):
            started_s = time.process_time()
            graph.infer(noise)
            times_ms.append(1000 * (time.process_time() - started_s))
    return statistics.median(times_ms[WARM_UP:])


def opened(path: Path, engine: EngineName) -> Engine:
    """A graph in an engine, on one thread."""
    if engine == "onnxruntime":
        return OnnxRuntimeEngine.open(path, threads=1)
    return OpenVinoEngine.open(path, threads=1)
