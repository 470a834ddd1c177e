"""The smallest defect that masks show."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from takt_export.errors import PicturesError
from takt_export.evaluation.data_sets import read_data_set
from takt_export.pictures import read_mask


def smallest_defect_side(defects: Path) -> float | None:
    """The side in pixels of the smallest defect, the root of its area; None without a mask.

    Of each picture the largest marked region counts: masks drawn by hand have specks.

    Args:
        defects: folder of defective parts, or a data set with one; masks are looked for as
            `read_data_set` does, also if this is one of the folders of a data set.

    Raises:
        PicturesError: a mask cannot be read; says which.
    """
    areas = [area for masks in _masks_of(defects) if (area := _largest_region(masks)) > 0]
    return math.sqrt(min(areas)) if areas else None


def _masks_of(defects: Path) -> Iterator[tuple[Path, ...]]:
    within = defects.resolve()
    for root in (defects, *within.parents[:2]):
        try:
            samples = read_data_set(root).samples
        except PicturesError:
            continue
        masked = [
            sample.masks
            for sample in samples
            if sample.masks and sample.path.resolve().is_relative_to(within)
        ]
        if masked:
            yield from masked
            return


def _largest_region(masks: tuple[Path, ...]) -> int:
    marked = np.logical_or.reduce([read_mask(mask) for mask in masks])
    _, _, regions, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8))
    return int(regions[1:, cv2.CC_STAT_AREA].max(initial=0))
