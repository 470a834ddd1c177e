"""Thresholds of a foreign graph's training, from the graph or from a file beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

from takt.core.bundles.manifest import CheckpointThresholds
from takt_export.imported.nodes import GraphNodes, operator
from takt_export.imported.signature import GraphOutputs

METADATA = "metadata.json"

COMPARING = {"Greater": False, "GreaterOrEqual": True}
"""Operators that compare with a threshold, and whether a value equal to it is anomalous."""


def find_thresholds(
    nodes: GraphNodes, answers: Iterable[str], outputs: GraphOutputs
) -> CheckpointThresholds | None:
    """Thresholds by which the graph turns its score into a label and its map into a mask.

    Args:
        nodes: nodes of the graph.
        answers: names of all its outputs.
        outputs: outputs of the map and of the score.

    Returns:
        Both thresholds; None if one is absent. A picture or pixel is anomalous above its threshold.
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
    """Thresholds from the `metadata.json` that anomalib 1 writes beside a graph.

    They are on the scale of the graph's own answers.

    Args:
        path: file of the graph.

    Returns:
        The thresholds; None without such a file or if it holds none.
    """
    try:
        written = json.loads((path.parent / METADATA).read_bytes())
        image, pixel = float(written["image_threshold"]), float(written["pixel_threshold"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not (math.isfinite(image) and math.isfinite(pixel)):
        return None
    return CheckpointThresholds(image=image, pixel=pixel)


def _threshold(nodes: GraphNodes, verdict: str, source: str) -> float | None:
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
