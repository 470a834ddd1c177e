"""Where a made defect of a given size lies in its box: outlines of Perlin noise, hard and soft."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Image
from takt_export.synthetic.perlin import perlin_noise

CELLS = 3
"""Cells of the Perlin lattice along the box."""

DRAWN_PX = 256
"""Longer side of a soft outline before it is enlarged to the picture."""


def outline(height: int, width: int, area_px: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The `area_px` highest cells of Perlin noise on a cone: bool [height,width]."""
    noise = perlin_noise((height, width), (CELLS, CELLS), rng.uniform(0, np.pi), rng)
    y, x = np.meshgrid(
        np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij", copy=False
    )
    field = noise - 2 * np.hypot(y, x)
    highest = np.sort(field, axis=None)[-min(area_px, field.size)]
    return np.asarray(field >= highest, np.bool_)


def soft_outline(
    height: int, width: int, side_px: int, edge_px: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """How much a defect of about side² pixels covers each pixel of its box, 0 to 1.

    Args:
        height: of the box.
        width: of the box.
        side_px: side of a square of the defect's area.
        edge_px: deviation of the blur of the outline; half a pixel at least.
        rng: draws the outline.

    Returns:
        float32 [height,width].
    """
    # Noise takes seconds for a box of thousands of pixels, and has no detail of that size.
    scale = min(1.0, DRAWN_PX / max(height, width))
    rows, columns = max(1, round(scale * height)), max(1, round(scale * width))
    drawn = outline(rows, columns, max(1, round((scale * side_px) ** 2)), rng)
    blur_px = max(0.5, scale * edge_px)
    covers = cv2.GaussianBlur(
        drawn.astype(np.float32), (0, 0), blur_px, borderType=cv2.BORDER_REFLECT
    )
    return np.asarray(
        cv2.resize(covers, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    )


def within(picture: Image, height: float, width: float) -> tuple[int, int]:
    """(height, width) of a box in whole pixels that fits into the picture."""
    rows, columns, _ = picture.shape
    return min(max(1, round(height)), rows), min(max(1, round(width)), columns)
