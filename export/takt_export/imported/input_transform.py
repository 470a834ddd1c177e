"""From a bundle's model input to the input of a foreign graph, in numpy.

`wrapper.py` builds the same steps as nodes of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.manifest import Crop
from takt.core.domain import ModelInput
from takt_export.imported.nodes import Array
from takt_export.imported.signature import InputPort, White

GREY = (19595, 38470, 7471)
"""Pillow's weights of red, green and blue in a grey pixel, in 1/65536."""


@dataclass(frozen=True)
class InputTransform:
    """Steps from a model input to the graph's input: (pixel / 255 - mean) / std · white.

    Attributes:
        port: input of the graph.
        height: height of the graph's input in pixels.
        width: width of the graph's input in pixels.
        window: part of the graph's input that the graph looks at, and all that a model input
            holds; the rest is black. None where the graph looks at the whole.
        bgr: whether the graph takes blue first.
        mean: of each channel in the graph's order, or one for all channels.
        std: of each channel in the graph's order, or one for all channels.
        white: value of a white pixel, before mean and std.

    >>> port = InputPort("x", np.dtype(np.float32), "nchw", None, 3, 2, 2)
    >>> white = np.full((2, 2, 3), 255, np.uint8)
    >>> feeds = InputTransform(port, height=2, width=2, mean=(0.5,), std=(0.25,)).feed(white)
    >>> feeds["x"].shape, float(feeds["x"].max())
    ((1, 3, 2, 2), 2.0)
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
    def takes_floats(self) -> bool:
        """Whether levels that are not whole make a difference to the graph."""
        return self.port.dtype != np.uint8 and self.port.channels == 3

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the graph's input that a model input fills."""
        top, left = (0, 0) if self.window is None else (self.window.y, self.window.x)
        height, width = self.input_size
        return slice(top, top + height), slice(left, left + width)

    def feed(self, image: ModelInput, surround: int = 0) -> dict[str, Array]:
        """The graph's input for one model input, RGB [h,w,3], by the input's name.

        A graph that takes several pictures at once gets as many copies.

        Args:
            image: the model input.
            surround: level outside the window, 0..255.
        """
        canvas = np.full((self.height, self.width, 3), surround, image.dtype)
        canvas[self.place] = image
        pixels = grey(canvas) if self.port.channels == 1 else canvas
        if self.bgr:
            pixels = pixels[:, :, ::-1]
        values: Array = pixels
        if self.port.dtype != np.uint8:
            unit = pixels.astype(np.float32) / np.float32(255 / self.white)
            mean = np.array(self.mean, np.float32) * self.white
            values = (unit - mean) / np.array(self.std, np.float32)
        if self.port.layout == "nchw":
            values = np.moveaxis(values, -1, 0)
        batch = np.stack([values.astype(self.port.dtype)] * (self.port.batch or 1))
        return {self.port.name: np.ascontiguousarray(batch)}


def grey(picture: ModelInput) -> NDArray[np.uint8]:
    """RGB [h,w,3] of whole levels -> uint8 [h,w,1], as Pillow converts to `L`."""
    weighted = picture.astype(np.int64) @ np.array(GREY) + 2**15
    level: NDArray[np.uint8] = (weighted >> 16).astype(np.uint8)
    return level[..., None]
