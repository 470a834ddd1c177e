"""Preprocessing inside a foreign graph, before its network: normalisation, resize and crop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from onnx import NodeProto

from takt.core.bundles.manifest import Crop
from takt_export.imported.nodes import Array, GraphNodes, attribute, operator
from takt_export.imported.signature import InputPort, White

SIZE_READING = frozenset({"Shape", "Size"})
"""Operators that read only a tensor's size."""

RESIZING = frozenset({"Resize", "Upsample"})
CUTTING = frozenset({"CenterCropPad", "Slice"})
KEEPING = RESIZING | CUTTING | {
    "Cast", "Clip", "Dropout", "Gather", "Identity", "Pad", "Reshape", "Squeeze", "Transpose",
    "Unsqueeze",
}  # fmt: skip
"""Operators whose output is still the picture of their first operand, moved or reshaped."""

MOST_STEPS = 100
"""Largest number of steps followed from the input."""

MOST_UNEVEN = 0.25
"""Largest distance in pixels of a sample from a regular grid."""

FLOAT_NOISE = 0.02
"""Largest error in pixels of a coordinate after a normalisation and its inverse."""

PROBES = ((97, 131), (151, 83))
"""(height, width) of pictures; no resize has one of these as its target."""


@dataclass(frozen=True)
class BuiltInNormalisation:
    """Normalisation inside a graph: (x - mean) / std.

    Attributes:
        mean: of each channel or one for all, on the scale of the graph's input.
        std: of each channel or one for all, on the same scale.
        white: value of a white pixel that fits these numbers; None if neither fits.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: White | None


@dataclass(frozen=True)
class _Step:
    """A tensor that is still the picture, as gain · picture + offset.

    Attributes:
        tensor: name of the tensor.
        gain: of each channel or one for all.
        offset: of each channel or one for all.
        steps: number of steps from the input.
        resized: first resized tensor on the way.
        cut: last step that may have cropped the picture.
    """

    tensor: str
    gain: Array
    offset: Array
    steps: int = 0
    resized: str | None = None
    cut: _Step | None = None


class BuiltInPreprocessing:
    """Paths of the picture from a graph's input to the first operators of its network."""

    def __init__(self, nodes: GraphNodes, port: InputPort) -> None:
        self._nodes = nodes
        self._port = port
        self._ends = list(self._walk())

    def normalisation(self) -> BuiltInNormalisation | None:
        """Normalisation of the pixels inside the graph; None if there is none.

        Of several paths, those without a normalisation do not count: an autoencoder may get plain
        pictures while its teacher gets normalised ones.
        """
        found = {_normalisation(end.gain, end.offset) for end in self._ends} - {None}
        whites = {one.white for one in found if one is not None}
        first = next(iter(sorted(found, key=repr)), None)
        return first if first is None or len(whites) == 1 else replace(first, white=None)

    def own_size(self) -> tuple[int, int] | None:
        """(height, width) to which the graph resizes pictures of any size, or None."""
        sizes = {self.resized(height, width) for height, width in PROBES}
        return sizes.pop() if len(sizes) == 1 else None

    def resizes_by_cubics(self) -> bool:
        """Whether the graph's own resize of the picture is bicubic."""
        found = {end.resized for end in self._ends if end.resized is not None}
        nodes = [self._nodes.producer(name) for name in found]
        return any(node is not None and attribute(node, "mode", b"") == b"cubic" for node in nodes)

    def reshapes_first(self) -> bool:
        """Whether the graph pads or cuts pictures of any shape before it resizes them."""
        return any(self._reshapes_first(height, width) for height, width in PROBES)

    def resized(self, height: int, width: int) -> tuple[int, int] | None:
        """(height, width) to which the graph resizes pictures of this size, or None."""
        sizes = {
            self._target(end.resized, height, width)
            for end in self._ends
            if end.resized is not None
        }
        return sizes.pop() if len(sizes) == 1 else None

    def window(self, height: int, width: int) -> Crop | None:
        """Crop inside the graph; None if it takes the whole input.

        Fractions of pixels, which a resize may leave, are rounded outwards.

        Raises:
            ValueError: the crop is not one rectangle for the whole network.
        """
        windows = {self._window(end.cut, height, width) for end in self._ends}
        if len(windows) != 1:
            raise ValueError
        return windows.pop()

    def _reshapes_first(self, height: int, width: int) -> bool:
        feed = self._feed(np.zeros((height, width)))
        for end in self._ends:
            node = None if end.resized is None else self._nodes.producer(end.resized)
            if node is None or node.input[0] == self._port.name:
                continue
            value = self._nodes.evaluate(node.input[0], feed)
            if value is not None and self._plane(value).shape != (height, width):
                return True
        return False

    def _walk(self) -> Iterator[_Step]:
        left = [_Step(self._port.name, np.ones(1), np.zeros(1))]
        while left:
            step = left.pop()
            readers = [
                node
                for node in self._nodes.consumers(step.tensor)
                if operator(node) not in SIZE_READING
            ]
            following = [self._follow(step, node) for node in readers]
            if None in following or not following or step.steps > MOST_STEPS:
                yield step
            left += [one for one in following if one is not None and one.steps <= MOST_STEPS]

    def _follow(self, step: _Step, node: NodeProto) -> _Step | None:
        """The picture after a node; None if the node's output is no picture any more."""
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
        """Whether a Slice takes every n-th pixel, which belongs to a network and is no crop."""
        if operator(node) != "Slice" or len(node.input) < 5:
            return False
        steps = self._nodes.constant(node.input[4])
        return steps is None or bool((np.abs(steps) != 1).any())

    def _affine(self, step: _Step, node: NodeProto) -> tuple[Array, Array] | None:
        """Gain and offset that a node applies to the picture; None if it does anything else."""
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
        """Part of the input that is left after a crop, found by running pictures of coordinates."""
        if cut is None:
            return None
        rows, columns = np.mgrid[:height, :width]
        top, bottom = self._span(cut, rows, 0)
        left, right = self._span(cut, columns, 1)
        found = Crop(x=left, y=top, width=right - left, height=bottom - top)
        return None if (found.width, found.height) == (width, height) else found

    def _span(self, cut: _Step, coordinates: Array, axis: int) -> tuple[int, int]:
        """First pixel of an axis in the cropped picture, and the pixel after the last.

        A resize on the way may put samples between pixels.
        """
        value = self._nodes.evaluate(cut.tensor, self._feed(coordinates))
        if value is None:
            raise ValueError
        plane = (self._plane(value).astype(np.float64) - cut.offset[0]) / cut.gain[0]
        samples = plane.mean(axis=1 - axis)
        regular = np.linspace(samples[0], samples[-1], len(samples))
        if np.abs(plane - np.expand_dims(regular, 1 - axis)).max() > MOST_UNEVEN:
            raise ValueError
        # A resize that skips pixels makes a sample stand for those around it.
        beside = max(0.0, (regular[-1] - regular[0]) / max(1, len(regular) - 1) - 1) / 2
        first = int(np.floor(samples[0] - beside + FLOAT_NOISE))
        last = int(np.ceil(samples[-1] + beside - FLOAT_NOISE))
        return max(0, first), min(coordinates.shape[axis], last + 1)

    def _feed(self, plane: Array) -> dict[str, Array]:
        """The graph's input for a picture whose channels are all this plane."""
        picture = np.repeat(plane[None, None], self._port.channels, axis=1)
        if self._port.layout == "nhwc":
            picture = picture.transpose(0, 2, 3, 1)
        batch = np.repeat(picture, self._port.batch or 1, axis=0)
        return {self._port.name: np.ascontiguousarray(batch.astype(self._port.dtype))}

    def _plane(self, picture: Array) -> Array:
        """First channel of the first picture, in either layout."""
        plane: Array = picture[0]
        if plane.ndim == 2:
            return plane
        return plane[0] if plane.shape[0] in (1, self._port.channels) else plane[..., 0]


def _normalisation(gain: Array, offset: Array) -> BuiltInNormalisation | None:
    gain, offset = np.broadcast_arrays(gain, offset)
    if np.allclose(gain, 1, atol=1e-6) and np.allclose(offset, 0, atol=1e-6):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, std = -offset / gain, 1 / gain
    return BuiltInNormalisation(_rounded(mean), _rounded(std), _white(mean, std))


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
    """Six digits, as float32 holds no more."""
    return tuple(float(f"{value:.6g}") for value in values)
