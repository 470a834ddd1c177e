"""Where on a picture the part probably is, so that made defects land on it.

An estimate, no segmentation: a background is seen only where most of the picture's border has one
colour. Else the part is taken to fill the picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from service.domain import Image

LOOKED_AT_PX = 128
"""Longer side of the picture on which the estimate is made."""

BORDER_SHARE = 0.04
"""Width of the border over the shorter side."""

EVEN_BORDER = 15.0
"""Largest distance in Lab of three quarters of a border that counts as one colour."""

LEAST_DISTANCE = 12.0
"""From the border's colour in Lab; below it a pixel is background, whatever the rest."""

LEAST_SHARE = 0.03
"""Of the picture; a smaller part is no part but noise."""

CANDIDATES = 256


class Part:
    """The pixels of a picture that are probably the part.

    Args:
        mask: bool [H,W], True on the part, somewhere at least.
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self.mask = mask
        self._sums = cv2.integral(mask.astype(np.uint8))

    def corner(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
        """Where a box may lie: one of 256 random places, chosen by the share of part in it.

        Args:
            height: of the box, at most that of the picture.
            width: of the box, likewise.
            rng: chooses.

        Returns:
            (top, left) of a box within the picture.
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


def estimate_part(picture: Image) -> Part:
    """The part, by its distance from the border's median colour.

    The border's outermost 4 % are one colour if three quarters of it lie within 15 units of Lab of
    their median. The part is then what lies farther from it than Otsu's threshold. Where the border
    is no single colour, or hardly anything differs from it, all of the picture is the part.
    """
    rows, columns, _ = picture.shape
    distance = _distance_from_border(picture)
    border = distance[_border(distance.shape)]
    spread = float(np.quantile(border, 0.75))
    if spread > EVEN_BORDER:
        return Part(np.ones((rows, columns), np.bool_))
    part = distance > max(LEAST_DISTANCE, 1.5 * spread, _otsu(distance))
    if part.mean() < LEAST_SHARE:
        return Part(np.ones((rows, columns), np.bool_))
    # A hole is rarely background: a dark chip on a bright biscuit belongs to it.
    filled = cv2.morphologyEx(part.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    whole = cv2.resize(filled, (columns, rows), interpolation=cv2.INTER_NEAREST)
    return Part(whole.astype(np.bool_))


def _distance_from_border(picture: Image) -> NDArray[np.float32]:
    """Distance in Lab from the border's median, on the picture made small and smooth: [h,w]."""
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
    """The threshold that parts near from far best, in the distance's units."""
    highest = float(distance.max())
    if highest == 0:
        return 0.0
    levels = np.rint(distance * (255 / highest)).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float(threshold) * highest / 255
