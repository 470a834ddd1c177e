"""Defects of the part's shape and surface: a hole, a bare place, a bend.

Foreign texture stands out to a model that knows edges and colours alone, and such a model misses
real defects. What is here has the colours and edges of the part itself, or fewer: whoever finds it
knows what belongs to the place.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Image
from takt_export.synthetic.outline import soft_outline, within
from takt_export.synthetic.part_mask import PartMask

HOLE_EDGE = 0.03
"""Deviation of the blur of a hole's edge, as a share of its side."""

BARE_EDGE = 0.05
"""The same of a bare place."""

BEND = 0.6
"""What the middle of a bend is shifted by, as a share of its side."""

BACKGROUND_SHARE = 0.02
"""Smallest share of a picture beside the part that tells what lies behind it."""

BEHIND_PERCENTILES = (3, 97)
"""Of the picture's own colours, where none lies beside the part: a dark hole, or a bright one."""

LOOKED_AT_PX = 256
"""Longer side of the picture that the colour behind the part is taken from."""

UNCOVERED = 0.05
"""Most that a bare place covers of the pixels that lend it their colour."""


def paint_hole(picture: Image, side_px: int, part: PartMask, rng: np.random.Generator) -> Image:
    """A piece is missing, and what lies behind the part is seen.

    Args:
        picture: RGB uint8 [H,W,3].
        side_px: side of a square of the defect's area.
        part: pixels where the defect may lie.
        rng: draws place, outline and colour.
    """
    height, width = within(picture, 2 * side_px, 2 * side_px)
    top, left = part.corner(height, width, rng)
    covers = soft_outline(height, width, side_px, HOLE_EDGE * side_px, rng)
    return _filled(picture, top, left, covers, _behind(picture, part, rng))


def paint_bare(picture: Image, side_px: int, part: PartMask, rng: np.random.Generator) -> Image:
    """A place has lost its structure, and the colour around it only is left; as `paint_hole`."""
    height, width = within(picture, 2 * side_px, 2 * side_px)
    top, left = part.corner(height, width, rng)
    covers = soft_outline(height, width, side_px, BARE_EDGE * side_px, rng)
    around = covers <= max(UNCOVERED, float(covers.min()))
    window = picture[top : top + height, left : left + width]
    colour = np.asarray(np.median(window[around], axis=0), np.float32)
    return _filled(picture, top, left, covers, colour)


def paint_bend(picture: Image, side_px: int, part: PartMask, rng: np.random.Generator) -> Image:
    """A place is pushed aside, its middle the farthest; as `paint_hole`."""
    height, width = within(picture, 2 * side_px, 2 * side_px)
    top, left = part.corner(height, width, rng)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across = ((y - (height - 1) / 2) / (height / 2)) ** 2
    along = ((x - (width - 1) / 2) / (width / 2)) ** 2
    shift = np.clip(1 - across - along, 0, 1) ** 2 * BEND * side_px
    angle = rng.uniform(0, 2 * np.pi)
    from_x, from_y = x + shift * np.cos(angle), y + shift * np.sin(angle)
    altered = picture.copy()
    altered[top : top + height, left : left + width] = cv2.remap(
        picture[top : top + height, left : left + width],
        from_x.astype(np.float32),
        from_y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return altered


def _filled(
    picture: Image,
    top: int,
    left: int,
    covers: NDArray[np.float32],
    colour: NDArray[np.float32],
) -> Image:
    """The picture with a colour [3] where a cover [h,w] lies on it."""
    height, width = covers.shape
    opaque = covers[..., None]
    altered = picture.copy()
    window = picture[top : top + height, left : left + width]
    mixed = np.rint((1 - opaque) * window + opaque * colour)
    altered[top : top + height, left : left + width] = np.clip(mixed, 0, 255).astype(np.uint8)
    return altered


def _behind(picture: Image, part: PartMask, rng: np.random.Generator) -> NDArray[np.float32]:
    """The colour [3] of what lies behind the part: that beside it, or else a dark or bright one."""
    step = max(1, max(part.mask.shape) // LOOKED_AT_PX)
    small, beside = picture[::step, ::step], ~part.mask[::step, ::step]
    if beside.mean() > BACKGROUND_SHARE:
        return np.asarray(np.median(small[beside], axis=0), np.float32)
    percentile = rng.choice(BEHIND_PERCENTILES)
    return np.asarray(np.percentile(small.reshape(-1, 3), percentile, axis=0), np.float32)
