"""Defects of a given size: how small a defect may be before a model misses it.

They are those of `defects.py`, each made to cover about side² pixels: a rectangle cut from
elsewhere on the same picture, a scar four times as long as wide, and a blot of foreign texture
whose outline is Perlin noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from export.synthetic.defects import VISIBLE_LEVELS, DefectKind, paste_patch, paste_scar
from export.synthetic.part_mask import PartMask
from export.synthetic.perlin import perlin_noise
from export.synthetic.texture import texture_for
from service.domain import Image

SCAR_ASPECT = 4.0
"""Ratio of a scar's length to its width."""

PATCH_ASPECT = 1.5
"""Largest ratio of a patch's longer side to its shorter one."""

BLOT_CELLS = 3
"""Cells of the Perlin lattice along the box that holds a blot."""

BLOT_OPACITY = (0.5, 1.0)

VISIBLE_PART = 0.5
"""Share of a defect's pixels that must lie on the part and change visibly."""

TRIES = 20


@dataclass(frozen=True)
class MadeDefect:
    """A picture with a defect.

    Attributes:
        picture: the altered picture, RGB uint8 [H,W,3].
        changed: its pixels that differ from the good picture, bool [H,W].
    """

    picture: Image
    changed: NDArray[np.bool_]


def make_defect(
    picture: Image, kind: DefectKind, side_px: int, part: PartMask, rng: np.random.Generator
) -> MadeDefect | None:
    """Put one visible defect that covers about side² pixels on a picture of a good part.

    Half of its pixels lie on the part and change by ten levels of 255 or more. None if none of
    twenty tries does that, as on a black picture.

    Args:
        picture: RGB uint8 [H,W,3].
        kind: of the defect.
        side_px: side of a square of the defect's area.
        part: pixels where the defect may lie.
        rng: draws place, outline and texture.
    """
    for _ in range(TRIES):
        altered = _PAINTERS[kind](picture, side_px, part, rng)
        altered[~part.mask] = picture[~part.mask]
        difference = cv2.absdiff(picture, altered).max(axis=2)
        if (difference >= VISIBLE_LEVELS).sum() >= VISIBLE_PART * side_px**2:
            return MadeDefect(altered, difference > 0)
    return None


def _patch(picture: Image, side_px: int, part: PartMask, rng: np.random.Generator) -> Image:
    stretch = math.exp(rng.uniform(-0.5, 0.5) * math.log(PATCH_ASPECT))
    height, width = _within(picture, side_px / stretch, side_px * stretch)
    return paste_patch(picture, part, height, width, rng)


def _scar(picture: Image, side_px: int, part: PartMask, rng: np.random.Generator) -> Image:
    stretch = math.sqrt(SCAR_ASPECT)
    length, width = _within(picture, side_px * stretch, side_px / stretch)
    return paste_scar(picture, part, length, width, rng)


def _blot(picture: Image, side_px: int, part: PartMask, rng: np.random.Generator) -> Image:
    height, width = _within(picture, 2 * side_px, 2 * side_px)
    top, left = part.corner(height, width, rng)
    window = picture[top : top + height, left : left + width]
    covers = _blot_outline(height, width, side_px**2, rng)
    opacity = rng.uniform(*BLOT_OPACITY)
    texture = texture_for(cast(Image, window), (), rng)
    altered = picture.copy()
    mixed = (1 - opacity) * window[covers] + opacity * texture[covers]
    altered[top : top + height, left : left + width][covers] = np.rint(mixed).astype(np.uint8)
    return altered


def _blot_outline(
    height: int, width: int, area_px: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """The `area_px` highest cells of Perlin noise on a cone: bool [height,width]."""
    noise = perlin_noise((height, width), (BLOT_CELLS, BLOT_CELLS), rng.uniform(0, np.pi), rng)
    y, x = np.meshgrid(
        np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij", copy=False
    )
    field = noise - 2 * np.hypot(y, x)
    highest = np.sort(field, axis=None)[-min(area_px, field.size)]
    return np.asarray(field >= highest, np.bool_)


def _within(picture: Image, height: float, width: float) -> tuple[int, int]:
    """(height, width) of a box in whole pixels that fits into the picture."""
    rows, columns, _ = picture.shape
    return min(max(1, round(height)), rows), min(max(1, round(width)), columns)


_PAINTERS = {"cutpaste": _patch, "scar": _scar, "perlin": _blot}
