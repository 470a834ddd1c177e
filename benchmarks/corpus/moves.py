"""What a line does to a picture: moved, turned, nearer, lit, focused and read out otherwise.

Every picture is cut to its middle, `KEPT` of each side, so that real content moves in; at the
corners of very wide pictures that are turned far, less than a thousandth is mirrored. A picture is
altered on the whole picture, and then cut.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Alteration = Callable[[Picture], Picture]
"""BGR [H,W,3] of a whole picture -> BGR of its altered middle."""

KEPT = 0.84


def middle(
    picture: Picture, dx: float = 0.0, dy: float = 0.0, degrees: float = 0.0, scale: float = 1.0
) -> Picture:
    """The middle, after the content was turned and scaled about the centre, and moved.

    Args:
        picture: BGR [H,W,3].
        dx: movement to the right, as a share of the middle's width.
        dy: movement downwards, as a share of its height.
        degrees: counterclockwise.
        scale: above 1 the content is larger.
    """
    height, width = picture.shape[:2]
    w, h = round(width * KEPT), round(height * KEPT)
    if dx == dy == degrees == 0 and scale == 1:
        top, left = (height - h) // 2, (width - w) // 2
        return np.ascontiguousarray(picture[top : top + h, left : left + w])
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    matrix[0, 2] += dx * w - (width - w) / 2
    matrix[1, 2] += dy * h - (height - h) / 2
    moved = cv2.warpAffine(
        picture, matrix, (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, np.uint8)


def lit(picture: Picture, gain: float = 1.0, gamma: float = 1.0) -> Picture:
    """With more or less light, and another curve of the levels."""
    return _levels((picture.astype(np.float32) / 255) ** gamma * gain * 255)


def gradient(picture: Picture, amount: float) -> Picture:
    """With a share less light at the left edge, and as much more at the right one."""
    across = np.linspace(1 - amount, 1 + amount, picture.shape[1], dtype=np.float32)
    return _levels(picture.astype(np.float32) * across[None, :, None])


def blurred(picture: Picture, amount: float = 1.0) -> Picture:
    """A little out of focus: at 1 the deviation is 0.7 pixels, more where the picture is large."""
    sigma = amount * max(0.7, picture.shape[1] / KEPT / 800)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def noisy(picture: Picture, levels: float) -> Picture:
    """Gaussian noise, another one for each picture, and one for all channels of a gray picture."""
    random = np.random.default_rng(zlib.crc32(picture.tobytes()))
    gray = bool((picture == picture[..., :1]).all())
    return _levels(picture + random.normal(0, levels, (*picture.shape[:2], 1 if gray else 3)))


def absent(picture: Picture) -> Picture:
    """No part: what the border shows goes on to the middle, with a camera's noise."""
    levels = picture.astype(np.float32)
    height, width = picture.shape[:2]
    band = max(1, min(height, width) // 40)
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    left, right = (levels[:, at].mean(1, keepdims=True) for at in (slice(band), slice(-band, None)))
    top, bottom = (levels[at].mean(0, keepdims=True) for at in (slice(band), slice(-band, None)))
    ground = (left * (1 - across) + right * across + top * (1 - down) + bottom * down) / 2
    random = np.random.default_rng(zlib.crc32(picture.tobytes()))
    return _levels(ground + random.normal(0, 2, (height, width, 1)))


def cut_off(picture: Picture, side: int, share: float = 0.4) -> Picture:
    """The part lies so far away that a share of the picture shows what is beside it.

    Args:
        picture: BGR [H,W,3].
        side: 0 to 3, on which it leaves the picture.
        share: of the picture that it leaves.
    """
    part, ground = np.rot90(picture, side), np.rot90(absent(picture), side).copy()
    by = round(share * part.shape[1])
    ground[:, by:] = part[:, :-by]
    return np.ascontiguousarray(np.rot90(ground, -side))


@dataclass(frozen=True)
class Combination:
    """All alterations at once, drawn at random.

    Attributes:
        place: `dx`, `dy`, `degrees` and `scale` of `middle`.
        gain: of the light.
        gamma: of the levels.
        across: of `gradient`.
        blur: of `blurred`; 0 for none.
        noise: levels.
    """

    place: tuple[float, float, float, float]
    gain: float
    gamma: float
    across: float
    blur: float
    noise: float

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Combination:
        """One of shift ±3 %, turn ±3°, scale ±3 %, light ±10 %, gamma 1/1.2 to 1.2, and others.

        These are a gradient of ±10 %, noise of up to 2 levels, and in every second one a blur.
        """
        dx, dy, degrees, larger, more, curve, across = random.uniform(-1, 1, 7).tolist()
        blur, noise = random.uniform(0, 1, 2).tolist()
        return cls(
            place=(0.03 * dx, 0.03 * dy, 3 * degrees, 1 + 0.03 * larger),
            gain=1 + 0.1 * more,
            gamma=math.exp(math.log(1.2) * curve),
            across=0.1 * across,
            blur=max(0, 2 * blur - 1),
            noise=2 * noise,
        )

    def __call__(self, picture: Picture) -> Picture:
        """The altered middle of a whole picture."""
        found = middle(picture, *self.place)
        if self.blur:
            found = blurred(found, self.blur)
        found = gradient(lit(found, self.gain, self.gamma), self.across)
        return noisy(found, self.noise)


AS_IT_IS = "as it is"

ALTERED: Mapping[str, Alteration] = MappingProxyType(
    {
        AS_IT_IS: lambda p: middle(p),
        "darker 10 %": lambda p: lit(middle(p), 0.9),
        "brighter 10 %": lambda p: lit(middle(p), 1.1),
        "gamma 1.2": lambda p: lit(middle(p), 1, 1.2),
        "gradient 10 %": lambda p: gradient(middle(p), 0.1),
        "shift 1 %": lambda p: middle(p, 0.01, -0.01),
        "shift 2 %": lambda p: middle(p, 0.02, -0.02),
        "shift 5 %": lambda p: middle(p, -0.05, 0.05),
        "turn 1°": lambda p: middle(p, degrees=1),
        "turn 3°": lambda p: middle(p, degrees=3),
        "turn 5°": lambda p: middle(p, degrees=5),
        "scale 1.03": lambda p: middle(p, scale=1.03),
        "scale .97": lambda p: middle(p, scale=0.97),
        "blur": lambda p: blurred(middle(p)),
        "noise 3": lambda p: noisy(middle(p), 3),
    }
)
"""By which a model is judged, once; nothing is chosen by them."""

CHOSEN_ON: Mapping[str, Alteration] = MappingProxyType(
    {
        AS_IT_IS: lambda p: middle(p),
        "darker 7 %": lambda p: lit(middle(p), 0.93),
        "darker 14 %": lambda p: lit(middle(p), 0.86),
        "brighter 7 %": lambda p: lit(middle(p), 1.07),
        "brighter 14 %": lambda p: lit(middle(p), 1.14),
        "gamma .85": lambda p: lit(middle(p), 1, 0.85),
        "gradient -7 %": lambda p: gradient(middle(p), -0.07),
        "shift 1.5 %": lambda p: middle(p, 0.015, 0.015),
        "shift 3 %": lambda p: middle(p, -0.03, -0.03),
        "shift 4 %": lambda p: middle(p, 0.04, 0.04),
        "turn -2°": lambda p: middle(p, degrees=-2),
        "turn -4°": lambda p: middle(p, degrees=-4),
        "scale 1.02": lambda p: middle(p, scale=1.02),
        "scale .98": lambda p: middle(p, scale=0.98),
        "blur, less": lambda p: blurred(middle(p), 0.7),
        "noise 2": lambda p: noisy(middle(p), 2),
    }
)
"""By which choices are made: other sizes and directions than `ALTERED` has."""


def combinations(count: int, seed: int) -> tuple[Combination, ...]:
    """Some at random; another seed gives others."""
    random = np.random.default_rng(seed)
    return tuple(Combination.drawn(random) for _ in range(count))


def _levels(values: NDArray[np.floating]) -> Picture:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
