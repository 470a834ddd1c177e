"""From a bundle's model input to what a foreign graph takes: the rule, and its way in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.imported.roles import InputPort
from export.imported.view import White
from service.bundles.manifest import Crop

Array = NDArray[Any]

GREY = (19595, 38470, 7471)
"""Pillow's weights of red, green and blue in a grey pixel, of 65536."""


@dataclass(frozen=True)
class FeedRule:
    """How a model input becomes the graph's: (pixel / 255 - mean) / std · white.

    Attributes:
        port: the graph's input.
        height: of the graph's input, in pixels.
        width: likewise.
        window: the part of it that the graph looks at, which is all that a model input has; the
            rest is black, and the graph cuts it away. None where it looks at the whole.
        bgr: the graph takes blue first.
        mean: of each channel in the graph's order, or one for all.
        std: likewise.
        white: what the graph takes for white, before mean and std.
    """

    port: InputPort
    height: int
    width: int
    window: Crop | None = None
    bgr: bool = False
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    white: White = 1

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of a model input."""
        if self.window is None:
            return self.height, self.width
        return self.window.height, self.window.width

    @property
    def whole(self) -> tuple[slice, slice]:
        """Where a model input lies in the graph's input."""
        if self.window is None:
            return slice(0, self.height), slice(0, self.width)
        top, left = self.window.y, self.window.x
        return slice(top, top + self.window.height), slice(left, left + self.window.width)


def feed(rule: FeedRule, image: NDArray[np.uint8], surround: int = 0) -> dict[str, Array]:
    """One model input, uint8 [h,w,3] RGB, as the graph takes it.

    A graph that takes several pictures at once gets as many copies.

    Args:
        rule: how.
        image: the model input.
        surround: level of what lies outside the window, 0..255.
    """
    canvas = np.full((rule.height, rule.width, 3), surround, np.uint8)
    canvas[rule.whole] = image
    pixels = grey(canvas) if rule.port.channels == 1 else canvas
    if rule.bgr:
        pixels = pixels[:, :, ::-1]
    values: Array = pixels
    if rule.port.dtype != np.uint8:
        unit = pixels.astype(np.float32) / np.float32(255 / rule.white)
        mean = np.array(rule.mean, np.float32) * rule.white
        values = (unit - mean) / np.array(rule.std, np.float32)
    if rule.port.layout == "nchw":
        values = np.moveaxis(values, -1, 0)
    batch = np.stack([values.astype(rule.port.dtype)] * (rule.port.batch or 1))
    return {rule.port.name: np.ascontiguousarray(batch)}


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB uint8 [h,w,3] -> uint8 [h,w,1], as Pillow converts to `L`."""
    weighted = picture.astype(np.int64) @ np.array(GREY) + 2**15
    level: NDArray[np.uint8] = (weighted >> 16).astype(np.uint8)
    return level[..., None]
