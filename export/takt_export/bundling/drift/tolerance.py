"""How far an engine's golden answers may lie from the trained model's, from what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from takt.core.bundles.bundle import INPUT, OUTPUTS, Golden
from takt.core.bundles.manifest import Drift

MARGIN = 20
"""Times the drift that was found: other engines and threads took up to 1.9 times of it, and other
processors add the products of float32 in other orders."""

LEAST = 1e-5
"""Smallest tolerance, as a part of the largest answer where that is above 1."""

MEANINGFUL = 0.01
"""Part of the map's span above which a difference is no rounding."""

ROUNDING = 1e-4
"""Part of the largest answer that is none, however little of it the map spans."""


def tolerance(
    golden: Golden,
    drift: Drift,
    rounding: float = 0.0,
    inside: NDArray[np.bool_] | None = None,
) -> float:
    """The largest difference from the golden answers at which the service loads the bundle.

    It is 20 times what was found, or 1e-5 of the answers, but at most a hundredth of the map's
    span; and never less than twice what was found.

    >>> images = np.zeros((1, 2, 2, 3), np.uint8)
    >>> golden = Golden(images, np.eye(2, dtype=np.float32)[None], np.ones(1, np.float32))
    >>> round(tolerance(golden, Drift(pictures=1, score=0, anomaly_map=2e-6)), 9)
    4e-05

    Args:
        golden: answers of the trained model.
        drift: of the graph from it.
        rounding: what else float32 is known to change, as `rounding_of` finds it.
        inside: the cells of the map that count; all if None.
    """
    found = max(drift.score, drift.anomaly_map, rounding)
    maps = golden.anomaly_map if inside is None else golden.anomaly_map[:, inside]
    largest = float(max(np.abs(maps).max(), np.abs(golden.score).max()))
    meaningful = max(MEANINGFUL * float(np.ptp(maps)), ROUNDING * largest) or LEAST
    wanted = max(MARGIN * found, LEAST * max(1.0, largest))
    return max(min(wanted, meaningful), 2 * found)


def rounding_of(graph: Path, golden: Golden) -> float:
    """What ONNX Runtime's rewriting of a graph changes in its golden answers.

    A graph that was imported is its own reference and drifts by nothing, though other engines add
    up in other orders as well.

    Args:
        graph: file of the bundle's graph.
        golden: its answers, as ONNX Runtime rewrites it.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    batch = session.get_inputs()[0].shape[0]
    copies = batch if isinstance(batch, int) else 1
    found = 0.0
    for index, image in enumerate(golden.images):
        answers = session.run(list(OUTPUTS), {INPUT: np.stack([image] * copies)})
        for answer, due in zip(answers, (golden.anomaly_map, golden.score), strict=True):
            found = max(found, float(np.abs(answer[0] - due[index]).max()))
    return found
