"""Picture -> model input, as the bundle says; and back: what the model saw of the picture."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from service.bundle import Crop, Preprocess
from service.domain import Box, Image


def preprocess(picture: Image, spec: Preprocess) -> Image:
    """Resize, then crop.

    Args:
        picture: RGB uint8 [H, W, 3].
        spec: of the bundle.

    Returns:
        RGB uint8 [*spec.input_size, 3], C-contiguous; `picture` itself if it fits already.
    """
    resized = _resize(picture, spec.width, spec.height)
    if spec.crop is None:
        return np.ascontiguousarray(resized)
    return np.ascontiguousarray(_cut(resized, spec.crop))


def inspected_box(spec: Preprocess, width: int, height: int) -> Box:
    """Find the part of a picture that the model sees.

    Args:
        spec: of the bundle; its resize does not keep the ratio, so each axis has its own scale.
        width: of the picture, in pixels.
        height: likewise.

    Returns:
        The crop in pixels of the picture, edges rounded to the nearest; never empty.
    """
    if spec.crop is None:
        return Box(0, 0, width, height)
    left, right = _span(spec.crop.x, spec.crop.width, spec.width, width)
    top, bottom = _span(spec.crop.y, spec.crop.height, spec.height, height)
    return Box(left, top, right - left, bottom - top)


def _resize(picture: Image, width: int, height: int) -> Image:
    """Area averaging on each axis that shrinks, then bilinear on each that grows.

    OpenCV averages areas only if no axis grows, hence the two steps; one of them is all that most
    pictures need, and a picture of the right size needs none.
    """
    rows, columns, _ = picture.shape
    shrunk = (min(columns, width), min(rows, height))
    if shrunk != (columns, rows):
        picture = cast(Image, cv2.resize(picture, shrunk, interpolation=cv2.INTER_AREA))
    if shrunk != (width, height):
        picture = cast(Image, cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR))
    return picture


def _cut(picture: Image, crop: Crop) -> Image:
    return picture[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]


def _span(start: int, length: int, resized: int, original: int) -> tuple[int, int]:
    """Scale [start, start + length) from `resized` pixels to `original`, within [0, original)."""
    first = min(_scale(start, resized, original), original - 1)
    last = min(_scale(start + length, resized, original), original)
    return first, max(last, first + 1)


def _scale(edge: int, resized: int, original: int) -> int:
    """Give edge · original / resized, rounded half up, in whole numbers."""
    return (2 * edge * original + resized) // (2 * resized)
