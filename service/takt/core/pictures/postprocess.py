"""From score and anomaly map to the verdict and the regions on the original picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.manifest import ScoreFrom
from takt.core.domain import AnomalyMap, Box, Region, Verdict
from takt.core.errors import EngineError, InvalidParameterError
from takt.core.pictures.placement import Placement

_LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class Criteria:
    """The thresholds of a verdict; infinity is allowed and means never or always.

    Attributes:
        threshold: a picture is anomalous if its score is greater.
        pixel_threshold: a map cell is anomalous if its value is greater, and its picture with it.

    Raises:
        InvalidParameterError: one of them is NaN, with which nothing would ever be anomalous.
    """

    threshold: float
    pixel_threshold: float

    def __post_init__(self) -> None:
        if math.isnan(self.threshold) or math.isnan(self.pixel_threshold):
            raise InvalidParameterError("a threshold must be a number, not NaN")


@dataclass(frozen=True, slots=True)
class _Samples:
    """Places on one axis of a map, each between the centres of two neighbouring cells.

    Attributes:
        near: first of the two cells, intp [n].
        far: second of the two cells, intp [n].
        weight: weight of `far` against `near`, float64 [n], 0..1.
    """

    near: NDArray[np.intp]
    far: NDArray[np.intp]
    weight: NDArray[np.float64]

    def at(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> _Samples:
        """Some of the places, by a mask [n] or by their indices."""
        return _Samples(self.near[chosen], self.far[chosen], self.weight[chosen])

    def of(self, values: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate along the last axis, [..., cells] -> [..., n]."""
        mixed: NDArray[np.float64] = values[..., self.near] * (1 - self.weight)
        mixed += values[..., self.far] * self.weight
        return mixed


def picture_score(
    score: float, anomaly_map: AnomalyMap, score_from: ScoreFrom, width: int, height: int
) -> float:
    """Score a picture as the training of its model did.

    For `map_on_picture` the score is the maximum of the map once it is resized to the picture:
    bilinear, centres at half pixels, without antialiasing. That is less than the map's own
    maximum, as the centres of pixels and of cells seldom meet; how much less depends on the size.

    Between neighbouring cell centres the resized map is linear along each axis, so that only the
    first and the last of the pixels there can hold the maximum. Hence at most
    2(w + 1) · 2(h + 1) values are computed, however large the picture is.

    >>> picture_score(0.9, np.eye(2, dtype=np.float32), "map_on_picture", width=4, height=4)
    1.0

    Args:
        score: score that the graph gave.
        anomaly_map: float32 [h, w], of the whole picture.
        score_from: the bundle's rule.
        width: width of the picture, upright, in pixels.
        height: height of the picture, upright, in pixels.

    Returns:
        A value that float32 has; NaN or infinite only if the score or a map value is.
    """
    if score_from == "model":
        return score
    rows = _outermost(anomaly_map.shape[0], height)
    columns = _outermost(anomaly_map.shape[1], width)
    with np.errstate(invalid="ignore"):  # infinity times zero
        bounds = rows.of(anomaly_map.max(axis=1))
        # No value exceeds its row's bound, so that few rows are left after the likeliest one.
        best = _highest(anomaly_map, rows.at(bounds.argmax(axis=0, keepdims=True)), columns)
        best = max(best, _highest(anomaly_map, rows.at(bounds > best), columns))
        # As a graph's score is, and as calibrations keep it: the very picture that makes a
        # threshold would else exceed that by what its digits have lost.
        return float(np.float32(best))


def check_finite(scores: Iterable[float], maps: NDArray[np.float32]) -> None:
    """Refuses NaN and infinity, which no threshold can be compared with.

    Args:
        scores: of one picture or of a batch.
        maps: float32 of any shape.

    Raises:
        EngineError: a value is not finite.
    """
    if not (all(map(math.isfinite, scores)) and np.isfinite(maps).all()):
        raise EngineError(
            "the model answered with a value that is not finite, so the picture was not judged; "
            "if others are refused too, serve the bundle with another engine or export it again"
        )


def judge(
    score: float,
    anomaly_map: AnomalyMap,
    placed: Placement,
    criteria: Criteria,
    good_scores: NDArray[np.float32],
    max_regions: int,
) -> Verdict:
    """Compare a picture's score and map with the thresholds.

    A picture is anomalous if its score exceeds the threshold, or any cell of its map the pixel
    threshold: a small defect can have a region and a score as of good pictures. Both comparisons
    are strict, since conformal calibration bounds how often a good picture exceeds a threshold.

    >>> from takt.core.bundles.manifest import Preprocess
    >>> from takt.core.pictures.placement import placement
    >>> placed = placement(Preprocess(width=64, height=64, resize="area"), 640, 640)
    >>> criteria = Criteria(threshold=0.5, pixel_threshold=0.4)
    >>> good_scores = np.array([0.1, 0.2], np.float32)
    >>> verdict = judge(0.9, np.eye(64, dtype=np.float32), placed, criteria, good_scores, 8)
    >>> verdict.anomalous, verdict.percentile, verdict.regions[0].box
    (True, 100.0, Box(x=0, y=0, width=640, height=640))

    Args:
        score: score of the whole picture; unbounded, higher is more anomalous.
        anomaly_map: float32 [h, w]; unbounded, higher is more anomalous.
        placed: place of the map on the original picture.
        criteria: thresholds to apply.
        good_scores: scores [n] of good calibration pictures in ascending order; may be empty.
        max_regions: most regions to return; those with the highest peaks are kept. The verdict is
            the same however few they are.

    Raises:
        EngineError: the score or a map value is NaN or infinite.
    """
    check_finite([score], anomaly_map)
    peak = float(anomaly_map.max())
    shows_region = peak > criteria.pixel_threshold
    return Verdict(
        anomalous=score > criteria.threshold or shows_region,
        score=score,
        threshold=criteria.threshold,
        percentile=_percentile(score, good_scores),
        regions=_regions(anomaly_map, placed, criteria.pixel_threshold, max_regions)
        if shows_region
        else (),
        pixel_threshold=criteria.pixel_threshold,
        typical_score=float(good_scores[len(good_scores) // 2]) if len(good_scores) else None,
        peak=peak,
    )


def _outermost(cells: int, pixels: int) -> _Samples:
    """The first and last places between two cells at which resizing samples an axis of a map."""
    # Rounded to float32 where torch's resize rounds, as that moves a place by some 4e-6 cells and
    # the score with it; once, as processors fuse the product and the difference.
    centers = np.arange(pixels) + 0.5
    at = (float(np.float32(cells / pixels)) * centers - 0.5).astype(np.float32)
    np.maximum(at, 0, out=at)
    near = np.minimum(at.astype(np.intp), cells - 1)
    steps = near[1:] != near[:-1]
    outermost = np.append(True, steps) | np.append(steps, True)
    at, near = at[outermost], near[outermost]
    # Beyond the last centre there is only the last cell.
    return _Samples(near, np.minimum(near + 1, cells - 1), at - near)


def _highest(anomaly_map: AnomalyMap, rows: _Samples, columns: _Samples) -> float:
    """The highest value of the map at these rows and columns; -infinity without any."""
    return float(columns.of(rows.of(anomaly_map.T).T).max(initial=-np.inf))


def _percentile(score: float, good_scores: NDArray[np.float32]) -> float | None:
    if good_scores.size == 0:
        return None
    return 100.0 * int(good_scores.searchsorted(score, side="right")) / good_scores.size


def _regions(
    anomaly_map: AnomalyMap, placed: Placement, threshold: float, max_regions: int
) -> tuple[Region, ...]:
    """The regions of a map that has any cell above the threshold."""
    above = anomaly_map > _rounded_down(threshold)
    # Most regions are small, so only the part of the map that holds them is searched.
    rows = _span(np.any(above, axis=1))
    columns = _span(np.any(above[rows], axis=0))
    above = np.ascontiguousarray(above[rows, columns])
    values = anomaly_map[rows, columns]
    # BBDT, as OpenCV's default takes three times as long on a map with few components.
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        above.view(np.uint8), 8, cv2.CV_32S, cv2.CCL_BBDT
    )
    cells = np.flatnonzero(above)
    peaks = np.full(count, -np.inf, np.float32)
    np.maximum.at(peaks, labels.ravel()[cells].astype(np.intp), values.ravel()[cells])
    # Label 0 is the background; equal peaks stay in reading order.
    highest_first = np.argsort(-peaks[1:], kind="stable")[:max_regions] + 1
    height, width = anomaly_map.shape
    return tuple(
        Region(
            box=placed.touched(
                Box(left + columns.start, top + rows.start, across, down), (height, width)
            ),
            area_px=placed.area_px(area, (height, width)),
            peak=peak,
        )
        for (left, top, across, down, area), peak in zip(
            stats[highest_first].tolist(), peaks[highest_first].tolist(), strict=True
        )
    )


def _rounded_down(threshold: float) -> np.float32:
    """The largest float32 that is no greater; values above it are above the threshold itself."""
    if threshold < _LOWEST:
        return np.float32(-np.inf)
    nearest = np.float32(threshold)
    return nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-np.inf))


def _span(some: NDArray[np.bool_]) -> slice:
    """From the first true value to the last; at least one is true."""
    return slice(int(some.argmax()), len(some) - int(some[::-1].argmax()))
