"""Model inputs with made-up defects, for the looks of a fit at held-out pictures."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from takt.core.bundles.manifest import Preprocess
from takt.core.domain import Image
from takt.core.pictures.preprocess import preprocess
from takt_export.pictures import read_picture
from takt_export.synthetic.defects import KINDS
from takt_export.synthetic.part_mask import estimate_part_mask
from takt_export.synthetic.sized import make_defect

SIDE_SHARES = (1 / 16, 1 / 8)
"""Sides of the defects, as shares of the side of a square of the picture's area."""


def reader_with_defects(spec: Preprocess) -> Callable[[Path], list[Image]]:
    """A function that reads a picture as the service will, once with a defect of each size.

    The kinds of defects take turns. The same picture always gets the same defects, whatever its
    name; where none shows, there are fewer.
    """

    def read(path: Path) -> list[Image]:
        picture = read_picture(path, spec)
        height, width, _ = picture.shape
        part = estimate_part_mask(picture)
        content = zlib.crc32(picture.tobytes())
        inputs = []
        for number, share in enumerate(SIDE_SHARES):
            side_px = max(2, round(share * math.sqrt(height * width)))
            kind = KINDS[(content + number) % len(KINDS)]
            rng = np.random.default_rng((content, number))
            made = make_defect(picture, kind, side_px, part, rng)
            if made is not None:
                inputs.append(cast(Image, preprocess(made.picture, spec)))
        return inputs

    return read
