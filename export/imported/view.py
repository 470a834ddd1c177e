"""What a foreign graph does to its pictures before the network: normalise, resize, crop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from export.imported.nodes import Nodes, attribute, operator
from export.imported.roles import InputPort
from service.bundles.manifest import Crop

Array = NDArray[Any]
White = Literal[1, 255]
"""What a white pixel is to a graph."""

LOOKING = frozenset({"Shape", "Size"})
"""Operators that look at a tensor's size alone."""

RESIZING = frozenset({"Resize", "Upsample"})
CUTTING = frozenset({"CenterCropPad", "Slice"})
KEEPING = RESIZING | CUTTING | {
    "Cast", "Clip", "Dropout", "Gather", "Identity", "Pad", "Reshape", "Squeeze", "Transpose",
    "Unsqueeze",
}  # fmt: skip
"""Operators after which the first operand is still the picture, elsewhere or in another form."""

MOST_STEPS = 100
"""Of a way from the input that are followed."""

MOST_UNEVEN = 0.25
"""Pixels by which samples may lie off a regular grid."""

FLOAT_NOISE = 0.02
"""Pixels by which a normalised coordinate may come back wrong."""

PROBES = ((97, 131), (151, 83))
"""Heights and widths that no resize has for its target."""


@dataclass(frozen=True)
class Normalisation:
    """How a graph normalises by itself: (x - mean) / std.

    Attributes:
        mean: of each channel, or one for all, on the scale of the graph's input.
        std: likewise.
        white: what the input's white must be for these numbers to make sense; None if they fit
            neither.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: White | None


@dataclass(frozen=True)
class _Step:
    """A tensor that is still the picture, as gain · picture + offset.

    Attributes:
        tensor: its name.
        gain: of each channel, or one for all.
        offset: likewise.
        steps: from the input.
        resized: the first tensor on the way that a resize made.
        cut: the last step that may have cut the picture.
    """

    tensor: str
    gain: Array
    offset: Array
    steps: int = 0
    resized: str | None = None
    cut: _Step | None = None


class PictureView:
    """The ways of the picture from a graph's input to the first operator of its network."""

    def __init__(self, nodes: Nodes, port: InputPort) -> None:
        self._nodes = nodes
        self._port = port
        self._ends = list(self._walk())

    def normalisation(self) -> Normalisation | None:
        """What the graph does to the pixels' values; None if nothing.

        Of several ways, those that leave the values as they are do not count: an autoencoder may
        get what its teacher gets normalised.
        """
        found = {_normalisation(end.gain, end.offset) for end in self._ends} - {None}
        whites = {one.white for one in found if one is not None}
        first = next(iter(sorted(found, key=repr)), None)
        return first if first is None or len(whites) == 1 else replace(first, white=None)

    def own_size(self) -> tuple[int, int] | None:
        """(height, width) to which the graph resizes pictures of any size; None if it does not."""
        sizes = {self.resized(height, width) for height, width in PROBES}
        return sizes.pop() if len(sizes) == 1 else None

    def resized(self, height: int, width: int) -> tuple[int, int] | None:
        """(height, width) to which the graph resizes pictures of this size; None if it does not."""
        sizes = {
            self._target(end.resized, height, width)
            for end in self._ends
            if end.resized is not None
        }
        return sizes.pop() if len(sizes) == 1 else None

    def window(self, height: int, width: int) -> Crop | None:
        """The part that the graph cuts out of its input; None if it takes the whole.

        It is rounded outwards where a resize of the graph's leaves no whole pixels.

        Raises:
            ValueError: it cuts, but not one rectangle for all of its network.
        """
        windows = {self._window(end.cut, height, width) for end in self._ends}
        if len(windows) != 1:
            raise ValueError
        return windows.pop()

    def _walk(self) -> Iterator[_Step]:
        left = [_Step(self._port.name, np.ones(1), np.zeros(1))]
        while left:
            step = left.pop()
            readers = [
                node for node in self._nodes.consumers(step.tensor) if operator(node) not in LOOKING
            ]
            following = [self._follow(step, node) for node in readers]
            if None in following or not following or step.steps > MOST_STEPS:
                yield step
            left += [one for one in following if one is not None and one.steps <= MOST_STEPS]

    def _follow(self, step: _Step, node: NodeProto) -> _Step | None:
        """The picture after one node; None if what the node makes is no picture any more."""
        name = operator(node)
        after = replace(step, tensor=node.output[0], steps=step.steps + 1)
        if name in KEEPING:
            if node.input[0] != step.tensor or self._strides(node):
                return None
            if name in RESIZING:
                return replace(after, resized=step.resized or after.tensor)
            return replace(after, cut=after) if name in CUTTING else after
        gain, offset = self._affine(step, node) or (None, None)
        if gain is None or offset is None:
            return None
        return replace(after, gain=step.gain * gain, offset=step.offset * gain + offset)

    def _strides(self, node: NodeProto) -> bool:
        """Whether a Slice takes every n-th pixel, which is a network's way to look, and no crop."""
        if operator(node) != "Slice" or len(node.input) < 5:
            return False
        steps = self._nodes.constant(node.input[4])
        return steps is None or bool((np.abs(steps) != 1).any())

    def _affine(self, step: _Step, node: NodeProto) -> tuple[Array, Array] | None:
        """What a node multiplies the picture with and adds to it, if it does only that."""
        name = operator(node)
        if name == "BatchNormalization" and node.input[0] == step.tensor:
            scale, bias, mean, variance = map(self._per_channel, node.input[1:5])
            if scale is None or bias is None or mean is None or variance is None:
                return None
            gain = scale / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
            return gain, bias - mean * gain
        if name not in ("Add", "Sub", "Mul", "Div"):
            return None
        first = node.input[0] == step.tensor
        other = self._per_channel(node.input[1] if first else node.input[0])
        if other is None or (name == "Div" and (not first or not other.all())):
            return None
        if name in ("Mul", "Div"):
            return (other if name == "Mul" else 1 / other), np.zeros(1)
        if name == "Add":
            return np.ones(1), other
        return (np.ones(1), -other) if first else (-np.ones(1), other)

    def _per_channel(self, name: str) -> Array | None:
        value = self._nodes.constant(name)
        if value is None or value.size not in (1, self._port.channels):
            return None
        return value.astype(np.float64).ravel()

    def _target(self, resized: str, height: int, width: int) -> tuple[int, int] | None:
        value = self._nodes.evaluate(resized, self._feed(np.zeros((height, width))))
        if value is None:
            return None
        rows, columns = self._plane(value).shape
        return rows, columns

    def _window(self, cut: _Step | None, height: int, width: int) -> Crop | None:
        """Where the pixels come from, by showing the graph pictures of coordinates."""
        if cut is None:
            return None
        rows, columns = np.mgrid[:height, :width]
        top, bottom = self._span(cut, rows, 0)
        left, right = self._span(cut, columns, 1)
        found = Crop(x=left, y=top, width=right - left, height=bottom - top)
        return None if (found.width, found.height) == (width, height) else found

    def _span(self, cut: _Step, coordinates: Array, axis: int) -> tuple[int, int]:
        """The pixels of an axis, first and after the last, that the cut picture is made of.

        A resize on the way may lay its samples between pixels.
        """
        value = self._nodes.evaluate(cut.tensor, self._feed(coordinates))
        if value is None:
            raise ValueError
        plane = (self._plane(value).astype(np.float64) - cut.offset[0]) / cut.gain[0]
        samples = plane.mean(axis=1 - axis)
        regular = np.linspace(samples[0], samples[-1], len(samples))
        if np.abs(plane - np.expand_dims(regular, 1 - axis)).max() > MOST_UNEVEN:
            raise ValueError
        # A sample stands for the pixels around it where the resize leaves some out.
        beside = max(0.0, (regular[-1] - regular[0]) / max(1, len(regular) - 1) - 1) / 2
        first = int(np.floor(samples[0] - beside + FLOAT_NOISE))
        last = int(np.ceil(samples[-1] + beside - FLOAT_NOISE))
        return max(0, first), min(coordinates.shape[axis], last + 1)

    def _feed(self, plane: Array) -> dict[str, Array]:
        """A picture whose channels are all this plane, as the graph takes it."""
        picture = np.repeat(plane[None, None], self._port.channels, axis=1)
        if self._port.layout == "nhwc":
            picture = picture.transpose(0, 2, 3, 1)
        batch = np.repeat(picture, self._port.batch or 1, axis=0)
        return {self._port.name: np.ascontiguousarray(batch.astype(self._port.dtype))}

    def _plane(self, picture: Array) -> Array:
        """The first channel of the first picture, wherever the channels are by now."""
        plane: Array = picture[0]
        if plane.ndim == 2:
            return plane
        return plane[0] if plane.shape[0] in (1, self._port.channels) else plane[..., 0]


def _normalisation(gain: Array, offset: Array) -> Normalisation | None:
    gain, offset = np.broadcast_arrays(gain, offset)
    if np.allclose(gain, 1, atol=1e-6) and np.allclose(offset, 0, atol=1e-6):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, std = -offset / gain, 1 / gain
    return Normalisation(_rounded(mean), _rounded(std), _white(mean, std))


def _white(mean: Array, std: Array) -> White | None:
    if not (np.isfinite([mean, std]).all() and (std > 0).all()):
        return None
    if (mean > 1).all() and (mean < 255).all():
        return 255
    if np.allclose(mean, 0, atol=1e-6) and np.allclose(std, 255, rtol=0.01):
        return 255
    if (mean > 0).all() and (mean < 1).all() and (std <= 1).all():
        return 1
    return None


def _rounded(values: Array) -> tuple[float, ...]:
    """Six digits, as float32 does not hold more."""
    return tuple(float(f"{value:.6g}") for value in values)
