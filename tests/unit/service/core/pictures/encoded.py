"""Whole pictures of every kind that is decoded."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from takt.core.domain import Image

WIDTH, HEIGHT = 80, 64

MAX_PIXELS = 1_000_000


def colours(channels: int = 3, dtype: type[np.unsignedinteger[Any]] = np.uint8) -> NDArray[Any]:
    """Noise [HEIGHT, WIDTH, channels] over the whole range."""
    rng = np.random.default_rng(channels)
    return rng.integers(0, np.iinfo(dtype).max + 1, (HEIGHT, WIDTH, channels), dtype=dtype)


def smooth() -> Image:
    """What lossy formats keep well: a corner of each colour."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([3 * x, 255 - 3 * x, 3 * y], axis=-1).astype(np.uint8)


def a_picture(mode: str = "RGB") -> Pillow.Image:
    if mode == "RGBA":
        return Pillow.fromarray(colours(4))
    if mode == "LA":
        return Pillow.merge("LA", [Pillow.fromarray(colours(2)[..., i]) for i in (0, 1)])
    if mode == "CMYK":
        inks = colours(4)[::8, ::8].repeat(8, axis=0).repeat(8, axis=1)
        return Pillow.frombytes("CMYK", (WIDTH, HEIGHT), inks.tobytes())
    return Pillow.fromarray(colours()).convert(mode)


def saved(picture: Pillow.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def tiff(array: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def png16(array: NDArray[Any]) -> bytes:
    stored = array[..., ::-1] if array.ndim == 3 else array
    return cv2.imencode(".png", stored)[1].tobytes()


def with_pillow(data: bytes) -> NDArray[np.uint8]:
    with Pillow.open(io.BytesIO(data)) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(np.float64) - other).max())


WHOLE = {
    "jpeg": saved(Pillow.fromarray(smooth()), "JPEG"),
    "jpeg grey": saved(Pillow.fromarray(smooth()).convert("L"), "JPEG"),
    "jpeg progressive": saved(Pillow.fromarray(smooth()), "JPEG", progressive=True),
    "png": saved(a_picture(), "PNG"),
    "png palette": saved(a_picture("P"), "PNG"),
    "png 16 bits": png16(colours(3, np.uint16)),
    "bmp": saved(a_picture(), "BMP"),
    "bmp one bit": saved(a_picture("1"), "BMP"),
    "webp": saved(Pillow.fromarray(smooth()), "WEBP"),
    "webp lossless": saved(a_picture(), "WEBP", lossless=True),
    "webp animated": saved(
        a_picture(), "WEBP", save_all=True, append_images=[a_picture().rotate(180)]
    ),
    "tiff": tiff(colours(), photometric="rgb"),
    "tiff strips": tiff(colours(), photometric="rgb", rowsperstrip=4),
    "tiff tiled": tiff(colours(), photometric="rgb", tile=(32, 32)),
    "tiff lzw": saved(a_picture(), "TIFF", compression="tiff_lzw"),
    "tiff 16 bits": tiff(colours(3, np.uint16), photometric="rgb", rowsperstrip=4),
}

whole = pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE.keys())
