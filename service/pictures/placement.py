"""Where on the picture the model looked, and which of its pixels a box of map cells touches."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from service.bundles.manifest import Preprocess
from service.domain import Box


@dataclass(frozen=True, slots=True)
class PlacedAxis:
    """What the model sees of one axis of the picture, in whole numbers.

    Attributes:
        start: the crop's first pixel, of the resized picture.
        length: the crop's pixels, likewise.
        resized: pixels of the whole axis after resizing.
        original: pixels of the whole axis before.
    """

    start: int
    length: int
    resized: int
    original: int

    @property
    def rounded(self) -> tuple[int, int]:
        """The picture's pixels [first, end) that are seen, edges to the nearest; never empty."""
        first = min(self._nearest(self.start), self.original - 1)
        return first, max(self._nearest(self.start + self.length), first + 1)

    def touched(self, first: int, end: int, cells: int) -> tuple[int, int]:
        """The picture's pixels [first, end) that the cells [first, end) of `cells` touch.

        Edge k of n cells lies at (start·n + k·length) · original / (resized·n). As the crop lies
        within the resized picture, no edge lies outside the original one.
        """
        whole = self.resized * cells
        left = (self.start * cells + first * self.length) * self.original
        right = (self.start * cells + end * self.length) * self.original
        return left // whole, -(-right // whole)

    def center(self, cell: int, cells: int) -> Fraction:
        """Where on the picture the middle of one of `cells` cells lies, in pixels; exact."""
        middle = 2 * self.start * cells + (2 * cell + 1) * self.length
        return Fraction(middle * self.original, 2 * self.resized * cells)

    def _nearest(self, edge: int) -> int:
        """Give edge · original / resized, rounded half up."""
        return (2 * edge * self.original + self.resized) // (2 * self.resized)


@dataclass(frozen=True, slots=True)
class Placement:
    """How the anomaly map lies on a picture; see `placement`."""

    x: PlacedAxis
    y: PlacedAxis

    @property
    def box(self) -> Box:
        """The part of the picture that the model sees, edges to the nearest pixel; never empty."""
        left, right = self.x.rounded
        top, bottom = self.y.rounded
        return Box(left, top, right - left, bottom - top)

    def touched(self, cells: Box, grid: tuple[int, int]) -> Box:
        """The picture's whole pixels that a box of map cells touches; never empty.

        Exact, so it may reach a pixel beyond `box`, whose edges are rounded.

        Args:
            cells: of the map, in its rows and columns.
            grid: (h, w) of the map.
        """
        rows, columns = grid
        left, right = self.x.touched(cells.x, cells.x + cells.width, columns)
        top, bottom = self.y.touched(cells.y, cells.y + cells.height, rows)
        return Box(left, top, right - left, bottom - top)

    def area_px(self, cells: int, grid: tuple[int, int]) -> int:
        """Pixels of the picture that a number of map cells covers, rounded; at least one."""
        rows, columns = grid
        seen = self.x.length * self.x.original * self.y.length * self.y.original
        # Of whole numbers, whose quotient is the float next to the exact one.
        return max(1, round(cells * seen / (self.x.resized * columns * self.y.resized * rows)))


def placement(spec: Preprocess, width: int, height: int) -> Placement:
    """Place a bundle's maps on a picture.

    Args:
        spec: of the bundle; its resize does not keep the ratio, so each axis has its own scale.
        width: of the picture, upright, in pixels.
        height: likewise.
    """
    crop = spec.crop
    if crop is None:
        return Placement(
            x=PlacedAxis(0, spec.width, spec.width, width),
            y=PlacedAxis(0, spec.height, spec.height, height),
        )
    return Placement(
        x=PlacedAxis(crop.x, crop.width, spec.width, width),
        y=PlacedAxis(crop.y, crop.height, spec.height, height),
    )
