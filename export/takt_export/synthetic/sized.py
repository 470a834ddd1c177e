"""Defects of a given size: how small a defect may be before a model misses it.

Each covers about side² pixels. Those of `defects.py` are a rectangle cut from elsewhere on the same
picture, a scar four times as long as wide, and a blot of foreign texture whose outline is Perlin
noise. Those of `shapes.py` are a hole, a bare place and a bend.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Image
from takt_export.synthetic.defects import VISIBLE_LEVELS, DefectKind, paste_patch, paste_scar
from takt_export.synthetic.outline import outline, within
from takt_export.synthetic.part_mask import PartMask
from takt_export.synthetic.shapes import paint_bare, paint_bend, paint_hole
from takt_export.synthetic.texture import texture_for

ShapeKind = Literal["hole", "bare", "bend"]
SHAPE_KINDS: tuple[ShapeKind, ...] = get_args(ShapeKind)
SizedKind = DefectKind | ShapeKind

Painter = Callable[[Image, int, PartMask, np.random.Generator], Image]
"""(picture, side of the defect in pixels, part, random generator) -> altered picture, a copy."""

SCAR_ASPECT = 4.0
"""Ratio of a scar's length to its width."""

PATCH_ASPECT = 1.5
"""Largest ratio of a patch's longer side to its shorter one."""

BLOT_OPACITY = (0.5, 1.0)

VISIBLE_PART = 0.5
"""Share of a defect's pixels that must lie on the part and change visibly."""

VISIBLE_PART_OF_SHAPE = 0.25
"""The same of a hole, a bare place or a bend: much of a part is as plain as what covers it."""

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
    picture: Image, kind: SizedKind, side_px: int, part: PartMask, rng: np.random.Generator
) -> MadeDefect | None:
    """Put one visible defect that covers about side² pixels on a picture of a good part.

    Half of its pixels, of `SHAPE_KINDS` a quarter, lie on the part and change by ten levels of 255
    or more. None if none of twenty tries does that, as on a black picture.

    Args:
        picture: RGB uint8 [H,W,3].
        kind: of the defect.
        side_px: side of a square of the defect's area.
        part: pixels where the defect may lie.
        rng: draws place, outline and texture.
    """
    visible_part = VISIBLE_PART_OF_SHAPE if kind in SHAPE_KINDS else VISIBLE_PART
    for _ in range(TRIES):
        altered = _PAINTERS[kind](picture, side_px, part, rng)
        altered[~part.mask] = picture[~part.mask]
        difference = cv2.absdiff(picture, altered).max(axis=2)
        if (difference >= VISIBLE_LEVELS).sum() >= visible_part * side_px**2:
            return MadeDefect(altered, difference > 0)
    return None


def _patch(picture: Image, side_px: int, part: PartMask, rng: np.random.Generator) -> Image:
    stretch = math.exp(rng.uniform(-0.5, 0.5) * math.log(PATCH_ASPECT))
    height, width = within(picture, side_px / stretch, side_px * stretch)
    return paste_patch(picture, part, height, width, rng)


def _scar(picture: Image, side_px: int, part: PartMask, rng: np.random.Generator) -> Image:
    stretch = math.sqrt(SCAR_ASPECT)
    length, width = within(picture, side_px * stretch, side_px / stretch)
    return paste_scar(picture, part, length, width, rng)


def _blot(picture: Image, side_px: int, part: PartMask, rng: np.random.Generator) -> Image:
    height, width = within(picture, 2 * side_px, 2 * side_px)
    top, left = part.corner(height, width, rng)
    window = picture[top : top + height, left : left + width]
    covers = outline(height, width, side_px**2, rng)
    opacity = rng.uniform(*BLOT_OPACITY)
    texture = texture_for(cast(Image, window), (), rng)
    altered = picture.copy()
    mixed = (1 - opacity) * window[covers] + opacity * texture[covers]
    altered[top : top + height, left : left + width][covers] = np.rint(mixed).astype(np.uint8)
    return altered


_PAINTERS: dict[SizedKind, Painter] = {
    "cutpaste": _patch,
    "scar": _scar,
    "perlin": _blot,
    "hole": paint_hole,
    "bare": paint_bare,
    "bend": paint_bend,
}
