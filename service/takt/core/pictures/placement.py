"""The place of the anomaly map on the picture, and the pixels that a box of map cells touches."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from takt.core.bundles.manifest import Preprocess
from takt.core.domain import Box
from takt.core.pictures.turning import NO_TURN, Turn


class PlacedAxis(NamedTuple):
    """The part of one axis of the picture that the model sees, in whole numbers.

    Attributes:
        start: first pixel of the crop, on the resized picture.
        length: pixels of the crop, on the resized picture.
        resized: pixels of the whole axis after resizing.
        original: pixels of the whole axis before resizing.
    """

    start: int
    length: int
    resized: int
    original: int

    @property
    def mirrored(self) -> PlacedAxis:
        """The axis counted from its other end."""
        return self._replace(start=self.resized - self.start - self.length)

    @property
    def rounded(self) -> tuple[int, int]:
        """The picture's pixels [first, end) that are seen, edges rounded; never empty."""
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
        """Place of the middle of one of `cells` cells on the picture, in pixels; exact."""
        middle = 2 * self.start * cells + (2 * cell + 1) * self.length
        return Fraction(middle * self.original, 2 * self.resized * cells)

    def _nearest(self, edge: int) -> int:
        """The value of edge · original / resized, rounded half up."""
        return (2 * edge * self.original + self.resized) // (2 * self.resized)


class Placement(NamedTuple):
    """The place of an anomaly map on a picture; `placement` makes it."""

    x: PlacedAxis
    y: PlacedAxis

    @property
    def box(self) -> Box:
        """The part of the picture that the model sees, edges rounded to pixels; never empty."""
        left, right = self.x.rounded
        top, bottom = self.y.rounded
        return Box(left, top, right - left, bottom - top)

    def touched(self, cells: Box, grid: tuple[int, int]) -> Box:
        """The picture's whole pixels that a box of map cells touches; never empty.

        It is exact, so it may reach a pixel beyond `box`, whose edges are rounded.

        Args:
            cells: box in rows and columns of the map.
            grid: (h, w) of the map.
        """
        rows, columns = grid
        left, right = self.x.touched(cells.x, cells.x + cells.width, columns)
        top, bottom = self.y.touched(cells.y, cells.y + cells.height, rows)
        return Box(left, top, right - left, bottom - top)

    def area_px(self, cells: int, grid: tuple[int, int]) -> int:
        """Pixels of the picture that a number of map cells covers, rounded; at least 1."""
        rows, columns = grid
        seen = self.x.length * self.x.original * self.y.length * self.y.original
        # Python divides whole numbers to the float next to the exact quotient.
        return max(1, round(cells * seen / (self.x.resized * columns * self.y.resized * rows)))


def placement(spec: Preprocess, width: int, height: int, turn: Turn = NO_TURN) -> Placement:
    """Place a bundle's maps on a picture.

    >>> spec = Preprocess(width=256, height=256, resize="area")
    >>> placement(spec, 640, 480).touched(Box(0, 0, 1, 1), (64, 64))
    Box(x=0, y=0, width=10, height=8)

    Args:
        spec: preprocessing of the bundle; each axis has a scale of its own.
        width: width of the picture, upright, in pixels.
        height: height of the picture, upright, in pixels.
        turn: that makes the picture upright, where the model sees it as it is stored.
    """
    width, height = turn.size(width, height)  # as stored
    crop = spec.crop
    if crop is None:
        x, y = (0, spec.width), (0, spec.height)
    else:
        x, y = (crop.x, crop.width), (crop.y, crop.height)
    columns = PlacedAxis(*x, spec.width, width)
    rows = PlacedAxis(*y, spec.height, height)
    columns = columns.mirrored if turn.columns else columns
    rows = rows.mirrored if turn.rows else rows
    return Placement(rows, columns) if turn.transposed else Placement(columns, rows)
