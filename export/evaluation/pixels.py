"""A picture's anomaly map and its masks, brought to the size at which both are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.domain import AnomalyMap
from service.pictures.placement import PlacedAxis, Placement

Inside = Callable[[tuple[int, int]], NDArray[np.bool_] | None]
"""Which pixels of what the model sees count, bool [n, m] of the size asked for; None if all do."""

SIDE = 256
"""Pixels a side at which published figures are most often computed."""


@dataclass(frozen=True)
class ComparedPixels:
    """The part of a picture that the model sees, at the size of the comparison.

    Attributes:
        anomaly_map: float32 [n, m].
        defective: bool [n, m].
        sound: bool [n, m]; what is neither lies outside of the region of interest.
        lost: marked regions of the picture without any pixel here: between two samples, or where
            the model does not look.
    """

    anomaly_map: AnomalyMap
    defective: NDArray[np.bool_]
    sound: NDArray[np.bool_]
    lost: int


def everywhere(size: tuple[int, int]) -> None:
    """No region of interest: all pixels count."""


def compare(
    anomaly_map: AnomalyMap,
    mask: NDArray[np.bool_],
    placed: Placement,
    side: int,
    inside: Inside = everywhere,
) -> ComparedPixels:
    """Bring a map and a mask to one size: the map bilinearly, the mask by its nearest pixels.

    So published evaluations do it. A mask keeps the share of the picture that it marks, on
    average; if a pixel here were defective as soon as a marked pixel touches it, each region would
    grow by up to a pixel all around, and a map that is right would be blamed for its margin. The
    price is that a region smaller than a pixel here may vanish, which is counted.

    Args:
        anomaly_map: float32 [h, w].
        mask: [H, W] of the whole picture.
        placed: how the map lies on it.
        side: of the result, in pixels; 0 for the picture's own size.
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
    """The picture's pixels at the centres of equal parts of what the model sees."""
    centres = 2 * axis.start * samples + (2 * np.arange(samples) + 1) * axis.length
    return np.asarray(centres * axis.original // (2 * samples * axis.resized), np.intp)


def _lost(
    mask: NDArray[np.bool_], sampled: Sequence[NDArray[np.intp]], counted: NDArray[np.bool_]
) -> int:
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    kept = np.unique(labels[tuple(sampled)] * counted)
    return count - 1 - int(np.count_nonzero(kept))
