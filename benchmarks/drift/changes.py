"""What happens to a camera: small jitter, which is no change, and six changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import cv2
import numpy as np

from service.core.domain import Image

Change = Callable[[Image], Image]


def jittered(picture: Image, rng: np.random.Generator) -> Image:
    """A picture moved by up to a pixel along both axes, and up to 1 % brighter or darker."""
    moved = _moved(picture, *rng.uniform(-1, 1, 2))
    return _levels(moved * np.float32(rng.uniform(0.99, 1.01)))


def darker(picture: Image) -> Image:
    """20 % darker."""
    return _levels(picture * np.float32(0.8))


def defocused(picture: Image) -> Image:
    """Blurred, with a deviation of 1 % of the picture's shorter side."""
    return cast(Image, cv2.GaussianBlur(picture, (0, 0), 0.01 * min(picture.shape[:2])))


def shifted(picture: Image) -> Image:
    """Moved to the right by 3 % of its width; what comes in is what was beside it, mirrored."""
    return _moved(picture, 0.03 * picture.shape[1], 0)


def cast_of_colour(picture: Image) -> Image:
    """Red 10 % brighter and blue 10 % darker."""
    return _levels(picture * np.array([1.1, 1, 0.9], np.float32))


def spotted(picture: Image) -> Image:
    """A soft spot of dirt at one place, of 5 % of the shorter side, and in its middle half dark."""
    height, width = picture.shape[:2]
    radius = 0.05 * min(height, width)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    squared = (rows - 0.4 * height) ** 2 + (columns - 0.6 * width) ** 2
    veil = 1 - 0.5 * np.exp(-squared / (2 * radius**2))
    return _levels(picture * veil[..., None].astype(np.float32))


def through_jpeg(picture: Image) -> Image:
    """Saved as JPEG of quality 30."""
    stored = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    file = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    return cast(Image, cv2.imdecode(file, cv2.IMREAD_COLOR_RGB))


CHANGES: Final[dict[str, Change]] = {
    "20 % darker": darker,
    "defocus": defocused,
    "3 % shift": shifted,
    "colour cast": cast_of_colour,
    "dirty spot": spotted,
    "JPEG quality 30": through_jpeg,
}

SLOW: Final = frozenset({"dirty spot", "JPEG quality 30"})
"""Changes that may take 200 pictures to be seen, and not 50."""


def _moved(picture: Image, columns: float, rows: float) -> Image:
    where = np.array([[1, 0, columns], [0, 1, rows]], np.float32)
    size = picture.shape[1], picture.shape[0]
    moved = cv2.warpAffine(
        picture, where, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return cast(Image, moved)


def _levels(values: np.ndarray) -> Image:
    return cast(Image, np.clip(np.rint(values), 0, 255).astype(np.uint8))
