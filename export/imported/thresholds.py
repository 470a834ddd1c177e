"""The thresholds of a foreign graph's training: in the graph, or in a file beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

from export.imported.nodes import Nodes, operator
from export.imported.roles import Outputs
from service.bundles.manifest import CheckpointThresholds

METADATA = "metadata.json"

COMPARING = {"Greater": False, "GreaterOrEqual": True}
"""Operators that call a value anomalous, and whether one on the threshold is."""


def find_thresholds(
    nodes: Nodes, answers: Iterable[str], outputs: Outputs
) -> CheckpointThresholds | None:
    """What the graph compares its score and its map with to give a label and a mask.

    Args:
        nodes: the graph.
        answers: the names of all its outputs.
        outputs: the map's and the score's.

    Returns:
        Both, or None if one of them is not there. A picture or pixel is anomalous above them.
    """
    found = {
        source: threshold
        for source in outputs.names
        for name in answers
        if (threshold := _threshold(nodes, name, nodes.origin(source))) is not None
    }
    image, pixel = (found.get(name or "") for name in (outputs.score, outputs.anomaly_map))
    if image is None or pixel is None:
        return None
    return CheckpointThresholds(image=image, pixel=pixel)


def read_metadata(path: Path) -> CheckpointThresholds | None:
    """The thresholds in the `metadata.json` that anomalib 1 writes beside a graph.

    They are on the scale of the graph's own answers.

    Args:
        path: of the graph.

    Returns:
        None where there is no such file, or it holds none.
    """
    try:
        written = json.loads((path.parent / METADATA).read_bytes())
        image, pixel = float(written["image_threshold"]), float(written["pixel_threshold"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not (math.isfinite(image) and math.isfinite(pixel)):
        return None
    return CheckpointThresholds(image=image, pixel=pixel)


def _threshold(nodes: Nodes, verdict: str, source: str) -> float | None:
    node = nodes.producer(nodes.origin(verdict))
    if node is None or operator(node) not in COMPARING:
        return None
    value, limit = node.input
    number = nodes.constant(limit)
    if nodes.origin(value) != source or number is None or number.size != 1:
        return None
    threshold = float(number.item())
    if not math.isfinite(threshold):
        return None
    return math.nextafter(threshold, -math.inf) if COMPARING[operator(node)] else threshold
