"""What a score and an anomaly map mean: the verdict, and the regions on the original picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.domain import AnomalyMap, Box, Region, Verdict
from service.errors import EngineError, InvalidParameterError


@dataclass(frozen=True, slots=True)
class Criteria:
    """Where normal ends; infinity is allowed and says never or always.

    Attributes:
        threshold: a picture is anomalous if its score is greater.
        pixel_threshold: a map cell is anomalous if its value is greater.

    Raises:
        InvalidParameterError: one of them is NaN, with which nothing would ever be anomalous.
    """

    threshold: float
    pixel_threshold: float

    def __post_init__(self) -> None:
        if math.isnan(self.threshold) or math.isnan(self.pixel_threshold):
            raise InvalidParameterError("a threshold must be a number, not NaN")


def judge(
    score: float,
    anomaly_map: AnomalyMap,
    inspected: Box,
    criteria: Criteria,
    good_scores: NDArray[np.float32],
    max_regions: int,
) -> Verdict:
    """Compare a picture's score and map with the thresholds.

    The comparison is strict, since conformal calibration bounds how often a good picture's score
    lies above the threshold: P(score > threshold) <= alpha.

    Args:
        score: of the whole picture; unbounded, higher is more anomalous.
        anomaly_map: float32 [h, w], likewise.
        inspected: the part of the original picture that the map covers.
        criteria: the thresholds to apply.
        good_scores: scores [n] of good calibration pictures in ascending order; may be empty.
        max_regions: most regions to return; those with the highest peaks are kept.

    Raises:
        EngineError: the score or a map value is NaN or infinite.
    """
    if not (math.isfinite(score) and np.isfinite(anomaly_map).all()):
        raise EngineError(
            "the model answered with a value that is not finite, so the picture was not judged; "
            "if others are refused too, serve the bundle with another provider or export it again"
        )
    return Verdict(
        anomalous=score > criteria.threshold,
        score=score,
        threshold=criteria.threshold,
        percentile=_percentile(score, good_scores),
        regions=_regions(anomaly_map, inspected, criteria.pixel_threshold, max_regions),
    )


def _percentile(score: float, good_scores: NDArray[np.float32]) -> float | None:
    if good_scores.size == 0:
        return None
    return 100.0 * int(np.searchsorted(good_scores, score, side="right")) / good_scores.size


def _regions(
    anomaly_map: AnomalyMap, inspected: Box, threshold: float, max_regions: int
) -> tuple[Region, ...]:
    if float(anomaly_map.max()) <= threshold:
        return ()
    # float64, as a threshold that float32 rounds would move cells across it.
    above = anomaly_map > np.float64(threshold)
    # BBDT, as OpenCV's default takes three times as long on a map with few components.
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        above.view(np.uint8), 8, cv2.CV_32S, cv2.CCL_BBDT
    )
    cells = np.flatnonzero(above)
    peaks = np.full(count, -np.inf, np.float32)
    np.maximum.at(peaks, labels.ravel()[cells].astype(np.intp), anomaly_map.ravel()[cells])
    # Label 0 is the background; equal peaks stay in reading order.
    highest_first = np.argsort(-peaks[1:], kind="stable")[:max_regions] + 1
    height, width = anomaly_map.shape
    px_per_cell = inspected.width * inspected.height / (width * height)
    return tuple(
        Region(
            box=_on_picture(Box(left, top, columns, rows), (height, width), inspected),
            area_px=max(1, round(area * px_per_cell)),
            peak=peak,
        )
        for (left, top, columns, rows, area), peak in zip(
            stats[highest_first].tolist(), peaks[highest_first].tolist(), strict=True
        )
    )


def _on_picture(cells: Box, grid: tuple[int, int], inspected: Box) -> Box:
    """The picture's whole pixels that a box of map cells touches.

    Of a map with w columns, column j covers
    [inspected.x + j * inspected.width / w, inspected.x + (j + 1) * inspected.width / w).
    In integers, so that no rounding error adds a pixel; it never leaves `inspected`.
    """
    rows, columns = grid
    left = cells.x * inspected.width // columns
    top = cells.y * inspected.height // rows
    right = -(-(cells.x + cells.width) * inspected.width // columns)
    bottom = -(-(cells.y + cells.height) * inspected.height // rows)
    return Box(inspected.x + left, inspected.y + top, right - left, bottom - top)
