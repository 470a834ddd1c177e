"""Resizes and crops a picture to the model's input, as the bundle says."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from takt.core.bundles.manifest import Crop, Preprocess
from takt.core.domain import Image, Levels, ModelInput
from takt.core.pictures.antialiased import pillow_bilinear, tensor_bicubic, tensor_bilinear


def preprocess(picture: Image, spec: Preprocess) -> ModelInput:
    """Resize, then crop.

    >>> picture = np.full((480, 640, 3), 128, np.uint8)
    >>> preprocess(picture, Preprocess(width=256, height=256, resize="pillow_bilinear")).shape
    (256, 256, 3)

    Args:
        picture: RGB uint8 [H, W, 3].
        spec: preprocessing of the bundle.

    Returns:
        RGB [*spec.input_size, 3] of the type `spec.input`, C-contiguous; `picture` itself if it
        fits already.
    """
    rows, columns, _ = picture.shape
    if (columns, rows) == (spec.width, spec.height):
        cut = _cut(picture, spec.crop)
        return cut if spec.input == "uint8" else cast(Levels, cut.astype(np.float32))
    match spec.resize:
        case "pillow_bilinear":
            return pillow_bilinear(picture, spec.width, spec.height, spec.crop)
        case "tensor_bilinear" | "tensor_bicubic":
            resize = tensor_bilinear if spec.resize == "tensor_bilinear" else tensor_bicubic
            levels = resize(picture, spec.width, spec.height, spec.crop)
            return levels if spec.input == "float32" else _rounded(levels)
        case "area":
            return _cut(_area(picture, spec.width, spec.height), spec.crop)
        case "linear":
            return _cut(_linear(picture, spec.width, spec.height), spec.crop)


def _area(picture: Image, width: int, height: int) -> Image:
    """Average areas on each axis that shrinks, then interpolate on each that grows.

    OpenCV averages areas only if no axis grows, hence two steps; most pictures need one of them.
    """
    rows, columns, _ = picture.shape
    shrunk = (min(columns, width), min(rows, height))
    if shrunk != (columns, rows):
        picture = cast(Image, cv2.resize(picture, shrunk, interpolation=cv2.INTER_AREA))
    if shrunk != (width, height):
        picture = _linear(picture, width, height)
    return picture


def _linear(picture: Image, width: int, height: int) -> Image:
    return cast(Image, cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR))


def _rounded(levels: Levels) -> Image:
    """Whole levels, halves up."""
    return cast(Image, (levels + np.float32(0.5)).clip(0, 255).astype(np.uint8))


def _cut(picture: Image, crop: Crop | None) -> Image:
    if crop is None:
        return np.ascontiguousarray(picture)
    rows = slice(crop.y, crop.y + crop.height)
    return np.ascontiguousarray(picture[rows, crop.x : crop.x + crop.width])
