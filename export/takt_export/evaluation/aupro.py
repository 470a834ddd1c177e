"""Metrics of anomaly maps, pixel by pixel: AUROC, average precision and AUPRO.

The memory is bounded whatever the number of pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, average_precision_score, roc_auc_score, roc_curve

from takt.core.domain import AnomalyMap
from takt_export.evaluation.pixels import ComparedPixels

KEY_BITS = 22
"""Leading bits of a float32 that count: sign, exponent and 13 bits of the fraction."""


@dataclass(frozen=True)
class PixelMetrics:
    """Separation of defective and sound pixels by their map values, without a threshold.

    Attributes:
        auroc: probability that a defective pixel's value exceeds a sound one's; a tie counts half.
        average_precision: area under precision over recall, by steps.
        aupro_30: area under the mean overlap with the marked regions, over false-positive rates
            up to 0.3, divided by 0.3.
        aupro_5: the same up to a rate of 0.05, divided by 0.05.
        regions: number of marked regions at the compared size; each weighs the same in the AUPRO.
    """

    auroc: float
    average_precision: float
    aupro_30: float
    aupro_5: float
    regions: int


class PixelCounts:
    """Counts of the map values of defective and of sound pixels.

    Values whose 22 leading bits agree, which is to a relative 2⁻¹³, count as ties; all else is
    exact. This bounds the memory: a few MiB for the values of one model, at most 128 MiB.

    >>> counts = PixelCounts()
    >>> defective = np.array([[False, False], [False, True]])
    >>> anomaly_map = np.array([[0.1, 0.2], [0.3, 0.9]], np.float32)
    >>> counts.add(ComparedPixels(anomaly_map, defective, ~defective, lost=0))
    >>> metrics = counts.metrics()
    >>> metrics.auroc, metrics.aupro_30, metrics.regions
    (1.0, 1.0, 1)
    """

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.intp)  # ascending
        # By key: sound pixels, defective pixels, and the sum of 1 / area of their regions.
        self._weights = np.zeros((3, 0))
        self._regions = 0

    def add(self, pixels: ComparedPixels) -> None:
        """Count the pixels of a picture; a region is connected by sides or corners."""
        anomaly_map, defective = pixels.anomaly_map, pixels.defective
        keys = _ordered_keys(anomaly_map)
        lowest, size = int(keys.min()), int(np.ptp(keys)) + 1
        offsets = keys - lowest
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            defective.view(np.uint8), connectivity=8
        )
        shares = 1 / stats[1:, cv2.CC_STAT_AREA]  # the first is the background
        marked = offsets[defective]
        weights = np.stack(
            [
                np.bincount(offsets[pixels.sound], minlength=size),
                np.bincount(marked, minlength=size),
                np.bincount(marked, shares[labels[defective] - 1], minlength=size),
            ],
            dtype=np.float64,
        )
        found = np.flatnonzero(weights.any(axis=0))
        self._merge(found + lowest, weights[:, found], count - 1)

    def _merge(self, keys: NDArray[np.intp], weights: NDArray[np.float64], regions: int) -> None:
        merged = np.union1d(self._keys, keys)
        total = np.zeros((3, merged.size))
        for more_keys, more in ((self._keys, self._weights), (keys, weights)):
            total[:, np.searchsorted(merged, more_keys)] += more
        self._keys, self._weights = merged, total
        self._regions += regions

    @classmethod
    def total(cls, parts: Sequence[PixelCounts]) -> Self:
        """Sum of several counts."""
        whole = cls()
        for part in parts:
            whole._merge(part._keys, part._weights, part._regions)
        return whole

    def metrics(self) -> PixelMetrics | None:
        """The metrics; None without both sound and defective pixels.

        The per-region overlap at a threshold is the share of a region above the threshold,
        averaged over all regions (Bergmann et al., "The MVTec Anomaly Detection Dataset", 2021).
        This equals the sum of 1 / (regions · area of the pixel's region) over the pixels above
        the threshold, so the curve is a ROC whose defective pixels have these weights.
        """
        of_sound, of_defective, of_overlap = self._weights
        sound, defective = of_sound > 0, of_defective > 0
        if not (sound.any() and defective.any()):
            return None
        labels = np.repeat([0, 1], [np.count_nonzero(sound), np.count_nonzero(defective)])
        keys = np.concatenate([self._keys[sound], self._keys[defective]])
        counts = np.concatenate([of_sound[sound], of_defective[defective]])
        overlaps = np.concatenate([of_sound[sound], of_overlap[defective]])
        rates, overlap, _ = roc_curve(labels, keys, sample_weight=overlaps, drop_intermediate=False)
        return PixelMetrics(
            auroc=float(roc_auc_score(labels, keys, sample_weight=counts)),
            average_precision=float(average_precision_score(labels, keys, sample_weight=counts)),
            aupro_30=_area_up_to(0.3, rates, overlap),
            aupro_5=_area_up_to(0.05, rates, overlap),
            regions=self._regions,
        )


def _area_up_to(limit: float, rates: NDArray[np.float64], overlap: NDArray[np.float64]) -> float:
    """The area under a curve up to a false-positive rate, as a share of the largest possible."""
    # `roc_auc_score(max_fpr=...)` agrees to 1e-15, but sorts anew for each limit: three times as
    # long.
    end = int(np.searchsorted(rates, limit))
    share = (limit - rates[end - 1]) / (rates[end] - rates[end - 1])
    at_limit = overlap[end - 1] + share * (overlap[end] - overlap[end - 1])
    return float(auc([*rates[:end], limit], [*overlap[:end], at_limit])) / limit


def _ordered_keys(values: AnomalyMap) -> NDArray[np.intp]:
    """Integers in the order of the values: the bits of each float, with negative ones first."""
    bits = np.ascontiguousarray(values + np.float32(0), np.float32).view(np.uint32)
    ordered = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> np.uint32(32 - KEY_BITS)).astype(np.intp)
