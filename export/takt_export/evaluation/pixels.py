"""A picture's anomaly map and mask, resized to be compared pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import AnomalyMap
from takt.core.pictures.placement import PlacedAxis, Placement

RoiMask = Callable[[tuple[int, int]], NDArray[np.bool_] | None]
"""(height, width) -> bool [height, width], the pixels that count; None if all count."""

SIDE = 256
"""Side in pixels at which most published figures are computed."""


@dataclass(frozen=True)
class ComparedPixels:
    """The part of a picture that the model sees, at the compared size.

    Attributes:
        anomaly_map: float32 [n, m].
        defective: bool [n, m].
        sound: bool [n, m]; a pixel outside the region of interest is neither sound nor defective.
        lost: number of marked regions without a pixel here, as they lie between two samples or
            outside what the model sees.
    """

    anomaly_map: AnomalyMap
    defective: NDArray[np.bool_]
    sound: NDArray[np.bool_]
    lost: int


def everywhere(size: tuple[int, int]) -> None:
    """All pixels count: there is no region of interest."""


def compare(
    anomaly_map: AnomalyMap,
    mask: NDArray[np.bool_],
    placed: Placement,
    side: int,
    inside: RoiMask = everywhere,
) -> ComparedPixels:
    """Resize a map bilinearly and a mask by its nearest pixels to one size.

    Published evaluations do the same. The mask keeps its share of the picture on average. If a
    pixel were defective as soon as a marked pixel touches it, each region would grow by up to a
    pixel on every side, and a correct map would be blamed for the margin. The price is that a
    region smaller than a pixel may vanish; such regions are counted.

    Args:
        anomaly_map: float32 [h, w].
        mask: [H, W] of the whole picture.
        placed: place of the map on the picture.
        side: of the result in pixels; 0 for the picture's own size.
        inside: the region of interest.
    """
    box = placed.box
    height, width = (side, side) if side else (box.height, box.width)
    resized = np.asarray(cv2.resize(anomaly_map, (width, height)), np.float32)
    sampled = np.ix_(_nearest(placed.y, height), _nearest(placed.x, width))
    marked, counted = mask[sampled], inside((height, width))
    counted = np.ones_like(marked) if counted is None else counted
    lost = _lost(mask, sampled, counted) if mask.any() else 0
    return ComparedPixels(resized, marked & counted, ~marked & counted, lost)


def _nearest(axis: PlacedAxis, samples: int) -> NDArray[np.intp]:
    """Indices of the picture's pixels at the centres of equal parts of what the model sees."""
    # With a crop the box has no whole pixels, and `cv2.INTER_NEAREST_EXACT` would take others.
    centres = 2 * axis.start * samples + (2 * np.arange(samples) + 1) * axis.length
    return np.asarray(centres * axis.original // (2 * samples * axis.resized), np.intp)


def _lost(
    mask: NDArray[np.bool_], sampled: Sequence[NDArray[np.intp]], counted: NDArray[np.bool_]
) -> int:
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    kept = np.unique(labels[tuple(sampled)] * counted)
    return count - 1 - int(np.count_nonzero(kept))
