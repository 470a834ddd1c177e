"""How a PatchCore looks at many pictures on a CPU: by a graph, a picture to a core."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from takt.core.bundles.bundle import INPUT
from takt.core.engines.provider_check import import_runtime
from takt_export.bundling.graph import traced
from takt_models.fit.device import Compute
from takt_models.fit.patchcore.looked import OUTPUTS, Looked, Looking, looked_at
from takt_models.fit.pictures import Load
from takt_models.patchcore.detector import PatchCore

GRAPH_FROM = 256
"""Pictures from which on a graph saves more time than it takes to write one."""


def seen_in(
    model: PatchCore, pictures: Sequence[Path], load: Load, compute: Compute
) -> Iterator[Looked]:
    """What a model sees in each picture, one after another.

    Args:
        model: fitted detector, on the device.
        pictures: files.
        load: reads a picture as RGB uint8 [H,W,3] of the input size, on several threads at once.
        compute: the device.
    """
    if compute.device.type == "cpu" and len(pictures) >= GRAPH_FROM:
        return seen_by_graph(model, pictures, load)
    return looked_at(model, pictures, load, compute)


def seen_by_graph(model: PatchCore, pictures: Sequence[Path], load: Load) -> Iterator[Looked]:
    """The same by ONNX Runtime, up to rounding; as many pictures at a time as torch has threads."""
    graph = traced(Looking(model).eval(), model.input_size, OUTPUTS)
    runtime = import_runtime()
    options = runtime.SessionOptions()
    # Each picture stays on the thread that has read it.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def look(path: Path) -> Looked:
        cells, oddness, values = session.run(OUTPUTS, {INPUT: load(path)[None]})
        found = torch.from_numpy(cells[0]), torch.from_numpy(oddness[0])
        return Looked(*found, *values[0].tolist())

    pool = ThreadPoolExecutor(torch.get_num_threads())
    try:
        yield from pool.map(look, pictures)
    finally:
        pool.shutdown(cancel_futures=True)
