"""The levels of a picture of 16 bits as 0 to 255, and whether they were meant so.

Cameras of 12 or 14 bits store them in files of 16, as a rule in the lower bits: of the full range
that is a sixteenth or a quarter, so that the picture is nearly black.
"""

from __future__ import annotations

import functools
from typing import cast

import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Depth, Image, WarningCode

_LEVELS = 1 << 16
_DARK = 64
"""Level of 255 that no pixel reaches where the two highest bits of 16 are empty."""

_WHITE = {"12": (1 << 12) - 1, "14": (1 << 14) - 1}


def to_8_bits(
    levels: NDArray[np.uint16], depth: Depth, *, grey: bool
) -> tuple[Image, WarningCode | None]:
    """The picture in 8 bits, and what speaks against its depth.

    >>> to_8_bits(np.full((1, 1, 3), 4095, np.uint16), "12", grey=True)[0].tolist()
    [[[255, 255, 255]]]

    Args:
        levels: RGB [H,W,3].
        depth: which of them become 0 to 255.
        grey: whether the file has one channel.
    """
    highest = int(levels.max())
    if depth == "pillow" and not grey:
        picture = cast(Image, (levels >> 8).astype(np.uint8))
        return picture, dark(picture)
    white = 255 if depth == "pillow" else max(highest, 1) if depth == "max" else _WHITE.get(depth)
    white = white or _LEVELS - 1
    picture = cast(Image, _table(white)[levels])
    return picture, "clipped_depth" if highest > white else dark(picture)


def dark(picture: Image) -> WarningCode | None:
    """A warning if a picture from a file of 16 bits uses their lowest quarter only."""
    return "dark_depth" if picture.max() < _DARK else None


@functools.lru_cache(8)
def _table(white: int) -> NDArray[np.uint8]:
    """What each of the 65,536 levels becomes, rounded; all from `white` on are 255."""
    scaled = np.minimum(np.arange(_LEVELS, dtype=np.float64), white) * (255 / white)
    return np.rint(scaled).astype(np.uint8)
