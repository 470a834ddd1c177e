"""Pictures that show one part nearly alike: frames of a burst, and files that were saved again.

A picture is told by the strength of its detail: the magnitudes of its Fourier transform at 2 to 32
waves a side, of a grey picture of 256 x 256 without its shading, faded out at the border. Where the
part lies to a few pixels, how bright it is and how much contrast it has change nothing of that. Two
pictures are near-copies if these magnitudes, scaled to a length of 1, are at most `NEAR` apart, and
a copy of a copy is a copy.

Measured on pictures of surfaces, bottles, cookies and circuit boards (`docs/calibration.md`):
JPEG of quality 50, a shift by 3 pixels, 8 % more or less light or noise of 5 levels leave a picture
within 0.05 of itself. Pictures of different bottles or cookies are 0.17 apart and more, those of
one place on a spindle, weeks apart, 0.14 on the median; of 900 circuit boards, three pairs with few
stripes are within 0.05. Plain pictures, without detail or with that of noise only, are not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.manifest import Preprocess
from takt.core.domain import Image
from takt_export.calibration.parts import Parts
from takt_export.pictures import read_fit_input

NEAR = 0.05
"""Largest distance of two near-copies."""

SIDE_PX = 256
LOOK = Preprocess(width=SIDE_PX, height=SIDE_PX, resize="area", reduced_decode=True, depth="max")
WAVES = (2, 32)
"""Fewest and most waves a side of the detail that is compared."""

SHADING_PX = 8.0
"""Deviation of the Gaussian whose blur of a picture is its shading."""

PLAIN = 0.5
"""Deviation of the detail, in levels, below which a picture is plain."""

_BLOCK = 1024


def find_near_copies(pictures: Sequence[Path]) -> Parts:
    """The parts that pictures show, as far as near-copies tell.

    Raises:
        PicturesError: a picture cannot be read.
    """
    return parts_alike([detail(read_fit_input(path, LOOK)) for path in pictures])


def detail(picture: Image) -> NDArray[np.float32]:
    """The strength of a picture's detail by its direction and size, a vector of length 1.

    It is 0 for a plain picture, which is like no other.

    Args:
        picture: RGB uint8 [256,256,3].
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey -= cv2.GaussianBlur(grey, (0, 0), SHADING_PX)
    fade = np.hanning(SIDE_PX + 2)[1:-1]
    fewest, most = WAVES
    spectrum = np.abs(np.fft.rfft2(grey * np.outer(fade, fade))[:, : most + 1])
    rows, columns = np.fft.fftfreq(SIDE_PX, 1 / SIDE_PX), np.arange(most + 1)
    waves = np.hypot(rows[:, None], columns)
    strength = spectrum[(fewest <= waves) & (waves <= most)]
    if grey.std() < PLAIN:
        return np.zeros_like(strength, np.float32)
    vector: NDArray[np.float32] = (strength / np.linalg.norm(strength)).astype(np.float32)
    return vector


def parts_alike(details: Sequence[NDArray[np.float32]]) -> Parts:
    """Parts of pictures by their details; those within `NEAR` of each other are one."""
    if not details:
        return Parts(())
    vectors = np.stack(details)
    part = list(range(len(vectors)))
    for start in range(0, len(vectors), _BLOCK):
        # Of vectors of length 1: |a - b|² = 2 - 2ab.
        near = vectors[start : start + _BLOCK] @ vectors.T >= 1 - NEAR**2 / 2
        for row, column in np.argwhere(near).tolist():
            first, second = _root(part, start + row), _root(part, column)
            part[max(first, second)] = min(first, second)
    return Parts.of(_root(part, picture) for picture in range(len(part)))


def _root(part: list[int], picture: int) -> int:
    while part[picture] != picture:
        part[picture] = part[part[picture]]
        picture = part[picture]
    return picture
