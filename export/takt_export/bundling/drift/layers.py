"""The record of a graph's layers that a bundle keeps."""

from __future__ import annotations

import contextlib
from pathlib import Path

import onnx

from takt.core.bundles.bundle import LAYERS, Golden
from takt.core.engines.layers import record_layers


def recorded_layers(graph: Path, golden: Golden) -> dict[str, bytes]:
    """The record by its name in the bundle; none if OpenVINO cannot run the graph.

    It only tells where a graph begins to drift, which is refused without it as well.
    """
    nodes = [node.name for node in onnx.load(graph).graph.node]
    with contextlib.suppress(Exception):
        return {LAYERS: record_layers(graph, golden.images[0], nodes).to_bytes()}
    return {}
