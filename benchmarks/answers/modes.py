"""The ways to ask: each protocol, with each heatmap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["rest", "stream", "oip"]


@dataclass(frozen=True, slots=True)
class Mode:
    """What is asked for beside the verdict, and how.

    Attributes:
        name: in records and tables.
        heatmap: as the API calls it; `raw` is the output `anomaly_map` of the Open Inference
            Protocol.
        format: of `map` and `overlay`.
        accept: ask for the heatmap as the body of the answer, by REST.
        pixels: send the decoded picture instead of its file.
    """

    name: str
    heatmap: Literal["none", "map", "overlay", "raw"] = "none"
    format: Literal["png", "jpeg"] = "png"
    accept: bool = False
    pixels: bool = False


NONE = Mode("none")
OVERLAY = Mode("overlay-png", "overlay")
_LOSSY = Mode("overlay-jpeg", "overlay", "jpeg")
_ACCEPT = Mode("accept-png", "overlay", accept=True)
_PIXELS = Mode("pixels", pixels=True)
_COMMON = (NONE, Mode("map-png", "map"), OVERLAY, Mode("raw", "raw"))

EXACT: Mapping[Protocol, Sequence[Mode]] = {
    "rest": (*_COMMON, _ACCEPT),
    "stream": (*_COMMON, _PIXELS),
    "oip": (*_COMMON, _PIXELS),
}
"""Those whose answers are the same with every version of OpenCV's encoders."""

FULL: Mapping[Protocol, Sequence[Mode]] = {
    "rest": (*_COMMON, _LOSSY),
    "stream": (*_COMMON, _LOSSY, _PIXELS),
    "oip": (*_COMMON, _LOSSY, _PIXELS),
}
"""For a model that is quick: every heatmap by every protocol."""

FEW: Mapping[Protocol, Sequence[Mode]] = {"rest": (NONE, OVERLAY, _ACCEPT)}
"""For a model that is slow."""
