"""Estimate of the pixels of a picture that show the part, so that defects land on it.

It is no segmentation: there is a background only if most of the picture's border has one colour.
Otherwise the part fills the picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Image

LOOKED_AT_PX = 128
"""Longer side of the picture that the estimate uses."""

BORDER_SHARE = 0.04
"""Width of the border as a share of the shorter side."""

EVEN_BORDER = 15.0
"""Largest distance in Lab of three quarters of a border of one colour from its median."""

LEAST_DISTANCE = 12.0
"""Smallest distance in Lab of a part's pixel from the border's colour."""

LEAST_SHARE = 0.03
"""Smallest share of the picture that a part fills; less is noise."""

CANDIDATES = 256


class PartMask:
    """Pixels of a picture that probably show the part.

    Args:
        mask: bool [H,W], True on the part; at least one is True.

    >>> part = PartMask(np.eye(4, dtype=np.bool_))
    >>> part.corner(height=4, width=4, rng=np.random.default_rng(0))
    (0, 0)
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self.mask = mask
        self._sums = cv2.integral(mask.astype(np.uint8))

    def corner(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
        """Place for a box: one of 256 random places, chosen by the area of the part inside.

        Args:
            height: height of the box, at most that of the picture.
            width: width of the box, at most that of the picture.
            rng: random generator.

        Returns:
            (top, left) of the box in the picture.
        """
        rows, columns = self.mask.shape
        top = rng.integers(rows - height + 1, size=CANDIDATES)
        left = rng.integers(columns - width + 1, size=CANDIDATES)
        sums = self._sums
        covered = (
            sums[top + height, left + width].astype(np.float64)
            - sums[top, left + width]
            - sums[top + height, left]
            + sums[top, left]
        )
        weights = np.square(covered)
        total = float(weights.sum())
        chosen = int(rng.choice(CANDIDATES, p=weights / total if total else None))
        return int(top[chosen]), int(left[chosen])


def estimate_part_mask(picture: Image) -> PartMask:
    """Part of a picture, by the distance of its pixels from the border's median colour.

    The outermost 4 % of the picture have one colour if three quarters of them lie within 15 units
    of Lab of their median. The part is then all that lies farther from it than Otsu's threshold.
    If the border has several colours, or hardly any pixel differs from it, the part is the whole
    picture.
    """
    rows, columns, _ = picture.shape
    distance = _distance_from_border(picture)
    border = distance[_border(distance.shape)]
    spread = float(np.quantile(border, 0.75))
    if spread > EVEN_BORDER:
        return PartMask(np.ones((rows, columns), np.bool_))
    part = distance > max(LEAST_DISTANCE, 1.5 * spread, _otsu(distance))
    if part.mean() < LEAST_SHARE:
        return PartMask(np.ones((rows, columns), np.bool_))
    # A hole is rarely background: a dark chip on a bright biscuit belongs to the part.
    filled = cv2.morphologyEx(part.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    whole = cv2.resize(filled, (columns, rows), interpolation=cv2.INTER_NEAREST)
    return PartMask(whole.astype(np.bool_))


def _distance_from_border(picture: Image) -> NDArray[np.float32]:
    """Distance in Lab from the border's median, on a small and smooth picture: [h,w]."""
    rows, columns, _ = picture.shape
    scale = min(1.0, LOOKED_AT_PX / max(rows, columns))
    size = max(1, round(scale * columns)), max(1, round(scale * rows))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(small, (0, 0), 1.5).astype(np.float32) / 255
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
    median = np.median(lab[_border(lab.shape[:2])], axis=0)
    return np.asarray(np.linalg.norm(lab - median, axis=2), np.float32)


def _border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    width = max(1, round(BORDER_SHARE * min(shape)))
    border = np.ones(shape, np.bool_)
    border[width:-width, width:-width] = False
    return border


def _otsu(distance: NDArray[np.float32]) -> float:
    """Otsu's threshold between near and far, in the unit of the distance."""
    highest = float(distance.max())
    if highest == 0:
        return 0.0
    levels = np.rint(distance * (255 / highest)).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float(threshold) * highest / 255
