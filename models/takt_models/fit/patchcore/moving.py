"""Moved copies of good pictures, so that the banks know parts that lie a little otherwise.

A line does not stand still: a bracket is touched, a lamp is new, a sensor runs warm. What the
encoder says of an edge or of the border then changes. A bank of pictures that all lie alike takes
that for a defect.

So each good picture is seen once more, as a line might show it: shifted, turned, nearer or farther,
lit otherwise and with noise, all drawn together. Their cells are candidates for the banks and
nothing more: what is scored out of fold, and so what is usual at each place and where the
thresholds are, is of pictures as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, cast

import cv2
import numpy as np
from numpy.typing import NDArray

SHIFT = 0.04
"""Most that a part is shifted along each axis, as a share of the side."""

DEGREES = 3.5
"""Most that it is turned to either side."""

SCALE = 0.03
"""Most that it is nearer or farther, as a share of its size."""

GAIN = 0.12
"""Most that the light is stronger or weaker, as a share."""

GAMMA = 0.15
"""Largest logarithm of the exponent of the levels."""

GRADIENT = 0.08
"""Most that the light falls or rises from the middle to either side, as a share."""

NOISE = 1.5
"""Largest deviation of noise, in levels of the encoder's input."""


@dataclass(frozen=True)
class Movement:
    """What a line may do to a picture.

    Attributes:
        shift_x, shift_y: of the content to the right and down, as shares of the sides.
        degrees: by which it is turned against the clock.
        scale: by which it is enlarged about the middle.
        gain: by which all levels are multiplied.
        gamma: exponent of levels between 0 and 1.
        gradient: by which the light rises from the middle to the right, as a share.
        noise: deviation in levels; the same in all channels, as of a gray camera.
        seed: of the noise.

    >>> Movement(shift_x=0.5).of(np.eye(2, dtype=np.uint8)[..., None].repeat(3, 2))[..., 0].tolist()
    [[0, 1], [1, 0]]
    """

    shift_x: float = 0.0
    shift_y: float = 0.0
    degrees: float = 0.0
    scale: float = 1.0
    gain: float = 1.0
    gamma: float = 1.0
    gradient: float = 0.0
    noise: float = 0.0
    seed: int = 0

    @classmethod
    def drawn(cls, number: int) -> Self:
        """One within the limits, the same for the same number."""
        draw = np.random.default_rng(number)
        x, y, degrees, scale, gain, gamma, gradient = draw.uniform(-1, 1, 7).tolist()
        return cls(
            shift_x=SHIFT * x,
            shift_y=SHIFT * y,
            degrees=DEGREES * degrees,
            scale=1 + SCALE * scale,
            gain=1 + GAIN * gain,
            gamma=float(np.exp(GAMMA * gamma)),
            gradient=GRADIENT * gradient,
            noise=NOISE * draw.uniform(),
            seed=int(draw.integers(2**31)),
        )

    def of(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The moved picture [H,W,3]; what lies beyond its border is mirrored in.

        Args:
            picture: RGB uint8 [H,W,3].
        """
        height, width, _ = picture.shape
        moved = cv2.warpAffine(
            picture,
            self.matrix(width, height),
            (width, height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        light = np.linspace(1 - self.gradient, 1 + self.gradient, width)[:, None] * self.gain
        levels = 255 * (moved / 255) ** self.gamma * light
        levels += np.random.default_rng(self.seed).normal(0, self.noise, (height, width, 1))
        return cast(NDArray[np.uint8], np.clip(np.rint(levels), 0, 255).astype(np.uint8))

    def shown(self, width: int, height: int) -> NDArray[np.bool_]:
        """The pixels [H,W] of a moved picture that are not mirrored in."""
        kept = cv2.warpAffine(
            np.full((height, width), 255, np.uint8),
            self.matrix(width, height),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=0,
        )
        return cast(NDArray[np.bool_], kept == 255)

    def matrix(self, width: int, height: int, stretch: float = 1.0) -> NDArray[np.float64]:
        """The affine map [2,3] of places on a picture.

        Args:
            width: of the picture in pixels.
            height: of the picture in pixels.
            stretch: by which it was widened over its height, before which it is turned.
        """
        cos, sin = (self.scale * f(math.radians(self.degrees)) for f in (math.cos, math.sin))
        turn = np.array(((cos, sin * stretch), (-sin / stretch, cos)))
        middle = np.array(((width - 1) / 2, (height - 1) / 2))
        shift = np.array((self.shift_x * width, self.shift_y * height))
        return np.column_stack((turn, middle + shift - turn @ middle))
