"""Defects for pictures of good parts: CutPaste, its scar, and Perlin-shaped textures.

CutPaste and its scar follow Li et al. (arXiv 2104.04015), section 3.1; the textures follow DRAEM
(Zavrtanik et al., arXiv 2108.07610), section 3.3. Lengths in pixels hold for pictures of 256 × 256
and are scaled by √(HW) / 256.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, cast, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Depth, Image
from takt_export.synthetic.part_mask import PartMask
from takt_export.synthetic.perlin import perlin_noise
from takt_export.synthetic.texture import NOISE_PX, texture_for

DefectKind = Literal["cutpaste", "scar", "perlin"]
KINDS: tuple[DefectKind, ...] = get_args(DefectKind)

REFERENCE_PX = 256
PATCH_SHARE = (0.02, 0.15)
"""Smallest and largest area of a patch, as a share of the picture."""

PATCH_ASPECT = 3.3
"""Largest ratio of a patch's longer side to its shorter one."""

SCAR_WIDTH_PX = (2.0, 16.0)
SCAR_LENGTH_PX = (10.0, 25.0)
SCAR_TURN_DEG = 45.0
JITTER = 0.1
"""Largest relative change of brightness, contrast and saturation, and of the hue's circle."""

VISIBLE_LEVELS = 10
"""Smallest visible change of a pixel, in levels of 255 in any channel."""

OCTAVES = 6
"""Number of sizes of a Perlin lattice: 2⁰ to 2⁵ cells along an axis."""

PERLIN_THRESHOLD = 0.5
OPACITY = (0.1, 1.0)

Defect = Callable[[Image, PartMask, np.random.Generator], Image]
"""(picture, part mask, random generator) -> altered picture, a new array of the same size."""


def defect_of(kind: DefectKind, textures: Sequence[Path] = (), depth: Depth = "full") -> Defect:
    """Function that makes one kind of defect.

    Args:
        kind: kind of the defect.
        textures: pictures that lend the `perlin` kind their texture; without any, the altered
            picture lends its own.
        depth: levels of `textures` of 16 bits that become 0 to 255.
    """
    if kind == "cutpaste":
        return cut_paste
    if kind == "scar":
        return cut_paste_scar
    return functools.partial(perlin_anomaly, textures=textures, depth=depth)


def cut_paste(picture: Image, part: PartMask, rng: np.random.Generator) -> Image:
    """Copy a rectangle of 2 to 15 % of the area to another place, jittered in colour."""
    rows, columns, _ = picture.shape
    area = rng.uniform(*PATCH_SHARE) * rows * columns
    # Tall and wide patches are equally likely: the paper draws from (0.3, 1) or (1, 3.3).
    aspect = np.exp(rng.uniform(-np.log(PATCH_ASPECT), np.log(PATCH_ASPECT)))
    height = int(np.clip(round(np.sqrt(area / aspect)), 1, rows))
    width = int(np.clip(round(np.sqrt(area * aspect)), 1, columns))
    return paste_patch(picture, part, height, width, rng)


def paste_patch(
    picture: Image, part: PartMask, height: int, width: int, rng: np.random.Generator
) -> Image:
    """Copy a rectangle of a given size to another place, jittered in colour."""
    patch = jittered(_cut(picture, part, height, width, rng), rng)
    top, left = part.corner(height, width, rng)
    altered = picture.copy()
    altered[top : top + height, left : left + width] = patch
    return altered


def cut_paste_scar(picture: Image, part: PartMask, rng: np.random.Generator) -> Image:
    """Copy a thin rectangle to another place, jittered in colour and turned by up to 45°."""
    rows, columns, _ = picture.shape
    scale = np.sqrt(rows * columns) / REFERENCE_PX
    width = int(np.clip(round(scale * rng.uniform(*SCAR_WIDTH_PX)), 1, columns))
    length = int(np.clip(round(scale * rng.uniform(*SCAR_LENGTH_PX)), 1, rows))
    return paste_scar(picture, part, length, width, rng)


def paste_scar(
    picture: Image, part: PartMask, length: int, width: int, rng: np.random.Generator
) -> Image:
    """Copy an upright rectangle of a given size, jittered in colour and turned by up to 45°."""
    rows, columns, _ = picture.shape
    scar = jittered(_cut(picture, part, length, width, rng), rng)
    turned, covers = _turned(scar, rng.uniform(-SCAR_TURN_DEG, SCAR_TURN_DEG))
    turned, covers = turned[:rows, :columns], covers[:rows, :columns]
    height, width = covers.shape
    top, left = part.corner(height, width, rng)
    altered = picture.copy()
    altered[top : top + height, left : left + width][covers] = turned[covers]
    return altered


def perlin_anomaly(
    picture: Image,
    part: PartMask,
    rng: np.random.Generator,
    *,
    textures: Sequence[Path],
    depth: Depth = "full",
) -> Image:
    """Blend in a foreign texture A on the part where Perlin noise exceeds 0.5.

    With the mask M and the opacity β from U(0.1, 1):  I' = I outside M, (1 - β) I + β A inside.

    Args:
        picture: RGB uint8 [H,W,3].
        part: pixels where the mask may lie.
        rng: draws mask, opacity and texture.
        textures: pictures that lend the texture; without any, the picture lends its own.
        depth: levels of `textures` of 16 bits that become 0 to 255.
    """
    rows, columns, _ = picture.shape
    scale = min(1.0, NOISE_PX / max(rows, columns))
    shape = max(1, round(scale * rows)), max(1, round(scale * columns))
    down, across = (1 << int(octave) for octave in rng.integers(OCTAVES, size=2))
    noise = perlin_noise(shape, (down, across), rng.uniform(-np.pi / 2, np.pi / 2), rng)
    smooth = cv2.resize(noise, (columns, rows), interpolation=cv2.INTER_LINEAR)
    within = (smooth > PERLIN_THRESHOLD) & part.mask
    opacity = rng.uniform(*OPACITY)
    texture = texture_for(picture, textures, rng, depth)
    altered = picture.copy()
    mixed = (1 - opacity) * picture[within] + opacity * texture[within]
    altered[within] = np.rint(mixed).astype(np.uint8)
    return altered


def jittered(patch: Image, rng: np.random.Generator) -> Image:
    """Change brightness, contrast, saturation and hue by up to a tenth each; RGB uint8 [h,w,3]."""
    brightness, contrast, saturation = rng.uniform(1 - JITTER, 1 + JITTER, 3)
    hue_deg = 360 * rng.uniform(-JITTER, JITTER)
    levels = patch.astype(np.float32) / 255 * np.float32(brightness)
    mean = levels.mean()
    levels = np.clip(mean + (levels - mean) * np.float32(contrast), 0, 1)
    hsv = cv2.cvtColor(levels, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + hue_deg) % 360
    hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 1)
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return cast(Image, np.clip(np.rint(255 * rgb), 0, 255).astype(np.uint8))


def _cut(
    picture: Image, part: PartMask, height: int, width: int, rng: np.random.Generator
) -> Image:
    top, left = part.corner(height, width, rng)
    return cast(Image, picture[top : top + height, left : left + width])


def _turned(patch: Image, angle_deg: float) -> tuple[Image, NDArray[np.bool_]]:
    """The patch turned about its middle, in its new bounding box, and the pixels that it covers."""
    height, width, _ = patch.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1.0)
    cosine, sine = abs(turn[0, 0]), abs(turn[0, 1])
    wide = int(np.ceil(width * cosine + height * sine))
    high = int(np.ceil(height * cosine + width * sine))
    turn = turn + np.array([[0, 0, wide - width], [0, 0, high - height]]) / 2
    pixels = cv2.warpAffine(
        patch, turn, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    covers = cv2.warpAffine(
        np.ones((height, width), np.uint8), turn, (wide, high), flags=cv2.INTER_NEAREST
    )
    return cast(Image, pixels), covers.astype(np.bool_)
