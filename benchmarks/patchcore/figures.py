"""Figures of distance maps, by the functions that evaluate served models."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.patchcore.bank import Maps
from benchmarks.patchcore.blocks import Pictures
from export.calibration.conformal import conformal_threshold
from export.evaluation.aupro import PixelCounts, PixelMetrics
from export.evaluation.evaluate import defect_mask
from export.evaluation.pixels import compare
from export.pictures import read_picture
from service.bundles.manifest import Preprocess
from service.pictures.placement import placement

Rule = Callable[[NDArray[np.float32]], NDArray[np.float32]]
ALPHA = 0.05


def _top(share: float) -> Rule:
    def rule(maps: NDArray[np.float32]) -> NDArray[np.float32]:
        flat = np.sort(maps.reshape(len(maps), -1), axis=1)
        return np.asarray(flat[:, -max(1, round(share * flat.shape[1])) :].mean(1))

    return rule


def _count(cells: int) -> Rule:
    def rule(maps: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.sort(maps.reshape(len(maps), -1), axis=1)[:, -cells:].mean(1))

    return rule


def _power(exponent: int) -> Rule:
    def rule(maps: NDArray[np.float32]) -> NDArray[np.float32]:
        flat = maps.reshape(len(maps), -1).astype(np.float64)
        return np.asarray((flat.clip(0) ** exponent).mean(1) ** (1 / exponent))

    return rule


RULES: Mapping[str, Rule] = {
    "max": _count(1),
    "top3": _count(3),
    "top5": _count(5),
    "1%": _top(0.01),
    "3%": _top(0.03),
    "5%": _top(0.05),
    "10%": _top(0.10),
    "p4": _power(4),
    "p8": _power(8),
    "p16": _power(16),
    "p32": _power(32),
}


@dataclass(frozen=True)
class Judged:
    """What a score rule gives on a set.

    Attributes:
        auroc: of pictures.
        rejected: good tested pictures above the threshold at 5 %.
        found: defective pictures above it.
    """

    auroc: float
    rejected: int
    found: int


def judge(maps: Maps, pictures: Pictures, rule: Rule) -> Judged:
    """Figures of one rule."""
    defective = np.array([sample.defect is not None for sample in pictures.tested])
    scores = rule(maps.tested)
    threshold = conformal_threshold(rule(maps.good).astype(np.float32), ALPHA)
    above = scores > threshold
    return Judged(
        float(roc_auc_score(defective, scores)),
        int((above & ~defective).sum()),
        int((above & defective).sum()),
    )


def pixels(maps: Maps, pictures: Pictures) -> PixelMetrics | None:
    """Metrics of the maps, compared at 256²."""
    counts = PixelCounts()
    for sample, one in zip(pictures.tested, maps.tested, strict=True):
        height, width, _ = read_picture(sample.path).shape
        mask = defect_mask(sample, width, height)
        if mask is None:
            continue
        spec = Preprocess(width=256, height=256, resize="area")
        counts.add(compare(one, mask, placement(spec, width, height), 256))
    return counts.metrics()


def rounded(value: float) -> str:
    """Three digits, or a dash for what is not known."""
    return "–" if math.isnan(value) else f"{value:.3f}"
