"""What happens to a camera: small jitter, which is no change, and ten changes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Image

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


def shifted_far(picture: Image) -> Image:
    """Moved to the right by 5 % of its width."""
    return _moved(picture, 0.05 * picture.shape[1], 0)


def turned(picture: Image) -> Image:
    """Turned by 5° against the clock; what comes in is mirrored."""
    height, width = picture.shape[:2]
    where = np.asarray(
        cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 5, 1), np.float64
    )
    return _warped(picture, where)


def brighter(picture: Image) -> Image:
    """15 % brighter."""
    return _levels(picture * np.float32(1.15))


def noisy(picture: Image) -> Image:
    """Noise of four levels, the same in all channels of a gray picture."""
    gray = bool((picture == picture[..., :1]).all())
    noise = np.random.default_rng(zlib.crc32(picture.tobytes()))
    return _levels(picture + noise.normal(0, 4, (*picture.shape[:2], 1 if gray else 3)))


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
    "5 % shift": shifted_far,
    "5° turn": turned,
    "15 % brighter": brighter,
    "noise of 4 levels": noisy,
}

SAYS: Final[dict[str, tuple[str, ...]]] = {
    "20 % darker": ("brightness", "dark", "bright"),
    "defocus": ("sharpness", "noise"),
    "3 % shift": ("shift_x", "shift_y"),
    "colour cast": ("warmth", "tint", "saturation"),
    "dirty spot": ("spot",),
    "5 % shift": ("shift_x", "shift_y"),
    "5° turn": ("turn",),
    "15 % brighter": ("brightness", "dark", "bright"),
    "noise of 4 levels": ("noise",),
}
"""Facts of which one is told first where an alarm says what was done."""

SLOW: Final = frozenset({"dirty spot", "JPEG quality 30"})
"""Changes that may take 200 pictures to be seen, and not 50."""


def _moved(picture: Image, columns: float, rows: float) -> Image:
    return _warped(picture, np.array([[1, 0, columns], [0, 1, rows]], np.float64))


def _warped(picture: Image, where: NDArray[np.float64]) -> Image:
    size = picture.shape[1], picture.shape[0]
    moved = cv2.warpAffine(
        picture, where, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return cast(Image, moved)


def _levels(values: np.ndarray) -> Image:
    return cast(Image, np.clip(np.rint(values), 0, 255).astype(np.uint8))
