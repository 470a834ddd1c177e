"""A picture in overlapping tiles: where they lie, and how their maps become one.

All of it is whole numbers, one axis at a time. Let an axis of the picture have n pixels, and the
bundle's tile t of them, of which neighbours share o; let the model's map have m cells on it.

A tile takes l = min(t, n) pixels. There is one if l = n, else k = ⌈(n - o) / (t - o)⌉, which begin
at min(i (t - o), n - t) for i = 0 … k - 1: the last one is shifted inward, so that each is whole.

The stitched map has M = ⌈n m / l⌉ cells on the axis, which divide the whole picture evenly. Cell c
has its centre at (2c + 1) n / 2M. In a tile that begins at s and holds that centre, it takes the
value of the tile's cell

    q = ⌊(centre - s) m / l⌋

that lies there. As n / M ≤ l / m, each cell of each tile holds the centre of a stitched one, so
that none is left out: with `max`, the map's maximum is that of all the tiles' maps. Where l / m is
a whole number that divides n and all beginnings, tiles are pasted cell by cell.

A tile's value at c has the weight u = 1 (`mean`) or u = min(q + 1, m - q), the distance from the
tile's edge in cells (`linear`). The tiles are all pairs of one of the rows and one of the columns,
so that the sum of the products of weights is the product of the sums, and

    map(r, c) = Σ_i Σ_j ŵ_i(r) ŵ_j(c) map_ij(q_i(r), q_j(c)),   ŵ_i(r) = u_i(r) / Σ_i' u_i'(r).

With ŵ, made once for each axis, nothing is left to divide by at the end: one array of the stitched
map's size is all that grows with the picture. `max` takes the highest of map_ij instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.tiling import Blend, Tiling
from takt.core.domain import AnomalyMap, Box, Image, ModelOutput
from takt.core.errors import ImageTooLargeError

_HARMLESS_CELLS = 2**22
"""Cells that a stitched map may always have, which are 16 MiB, however small the picture is."""


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """A tile on one axis.

    Attributes:
        start: first pixel of the tile, on the picture.
        length: pixels of the tile.
        cells: cells of the stitched map whose centres lie in the tile.
        sources: the tile's own cell that each of those cells shows, intp [n].
        weights: weights of the sources, float32 [n]; those of all tiles sum up to 1 in each cell.
            `max` does not use them.
    """

    start: int
    length: int
    cells: slice
    sources: NDArray[np.intp]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One of a picture's tiles, where a row and a column of tiles cross."""

    rows: Span
    columns: Span

    @property
    def box(self) -> Box:
        """Place of the tile on the picture."""
        return Box(self.columns.start, self.rows.start, self.columns.length, self.rows.length)

    def of(self, picture: Image) -> Image:
        """The tile's part of a picture, uint8 [height, width, 3]; a view, not a copy."""
        rows, columns = self.rows, self.columns
        return picture[
            rows.start : rows.start + rows.length, columns.start : columns.start + columns.length
        ]


@dataclass(frozen=True, slots=True, eq=False)
class TileGrid:
    """All tiles of a picture of one size; `tile_grid` makes it.

    Attributes:
        rows: rows of tiles, from the top.
        columns: columns of tiles, from the left.
        map_shape: (H', W') of the stitched map.
        blend: value of the map where tiles overlap.
    """

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    map_shape: tuple[int, int]
    blend: Blend

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[Tile]:
        """The tiles, row by row."""
        return (Tile(rows, columns) for rows in self.rows for columns in self.columns)

    @property
    def middle(self) -> Tile:
        """The tile nearest to the picture's middle."""
        return Tile(self.rows[len(self.rows) // 2], self.columns[len(self.columns) // 2])


def tile_grid(tiling: Tiling, width: int, height: int, grid: tuple[int, int]) -> TileGrid:
    """Lay tiles over a picture.

    >>> tiling = Tiling(width=512, height=512, overlap=64, blend="max")
    >>> [tile.box.x for tile in tile_grid(tiling, 1000, 512, (64, 64))]
    [0, 448, 488]

    Args:
        tiling: tiling of the bundle.
        width: width of the picture, upright, in pixels.
        height: height of the picture, upright, in pixels.
        grid: (h, w) of the model's map of one tile.

    Raises:
        ImageTooLargeError: the picture is so much thinner than a tile that its map would be far
            larger than itself.
    """
    rows, columns = grid
    stitched = (_cells(height, tiling.height, rows), _cells(width, tiling.width, columns))
    _refuse_thin(tiling, width, height, grid, stitched)
    return TileGrid(
        rows=_spans(height, tiling.height, tiling.overlap, rows, tiling.blend),
        columns=_spans(width, tiling.width, tiling.overlap, columns, tiling.blend),
        map_shape=stitched,
        blend=tiling.blend,
    )


class Stitcher:
    """Makes one map of the maps of a picture's tiles, which may come in any order.

    The sums are float32, so that another order may change their last digit.

    >>> tiling = Tiling(width=512, height=512, overlap=0, blend="max")
    >>> tiles = tile_grid(tiling, 1024, 512, (1, 1))
    >>> stitcher = Stitcher(tiles)
    >>> for number, tile in enumerate(tiles):
    ...     stitcher.add(tile, ModelOutput(np.full((1, 1), number, np.float32), number))
    >>> stitcher.answer().anomaly_map.tolist()
    [[0.0, 1.0]]

    Args:
        tiles: all tiles of the picture.
    """

    def __init__(self, tiles: TileGrid) -> None:
        self._tiles = tiles
        self._missing = len(tiles)
        self._score = np.float32(-np.inf)
        nothing = -np.inf if tiles.blend == "max" else 0
        self._map: AnomalyMap = np.full(tiles.map_shape, nothing, np.float32)

    def add(self, tile: Tile, answer: ModelOutput) -> None:
        """Lay the map of a tile into the whole one; each tile once.

        Args:
            tile: one of the tiles.
            answer: the model's output for the tile; values that are not finite stay so.
        """
        rows, columns = tile.rows, tile.columns
        shown = answer.anomaly_map.take(rows.sources, axis=0).take(columns.sources, axis=1)
        onto = self._map[rows.cells, columns.cells]
        if self._tiles.blend == "max":
            np.maximum(onto, shown, out=onto)
        else:
            shown *= rows.weights[:, np.newaxis]
            shown *= columns.weights
            onto += shown
        self._score = np.maximum(self._score, np.float32(answer.score))
        self._missing -= 1

    def answer(self) -> ModelOutput:
        """The map of the whole picture and the highest score, once all tiles were added."""
        assert self._missing == 0, f"{self._missing} tiles are missing"
        return ModelOutput(self._map, float(self._score))


def _refuse_thin(
    tiling: Tiling, width: int, height: int, grid: tuple[int, int], stitched: tuple[int, int]
) -> None:
    """Refuse a picture whose map outgrows it, as an axis shorter than a tile has all its cells.

    A picture that is nowhere shorter than a tile has as many cells as its pixels are worth, and one
    that is nowhere longer has those of one tile; both always pass.
    """
    rows, columns = grid
    cells = stitched[0] * stitched[1]
    worth = -(-height * rows // tiling.height) * -(-width * columns // tiling.width)
    if cells > max(worth, width * height, rows * columns, _HARMLESS_CELLS):
        raise ImageTooLargeError(
            f"the picture has {width} × {height} pixels, which is so thin beside a tile of "
            f"{tiling.width} × {tiling.height} that its map would have {stitched[1]} × "
            f"{stitched[0]} cells; cut it into shorter pictures, or send it with more around it"
        )


def _cells(pixels: int, tile: int, cells: int) -> int:
    """Number of the stitched map's cells on an axis."""
    return -(-pixels * cells // min(tile, pixels))


def _starts(pixels: int, tile: int, overlap: int) -> list[int]:
    if pixels <= tile:
        return [0]
    step = tile - overlap
    count = -(-(pixels - overlap) // step)
    return [min(i * step, pixels - tile) for i in range(count)]


def _spans(pixels: int, tile: int, overlap: int, cells: int, blend: Blend) -> tuple[Span, ...]:
    length, whole = min(tile, pixels), _cells(pixels, tile, cells)
    totals = np.zeros(whole)
    bare = []
    for start in _starts(pixels, tile, overlap):
        # Lengths are counted in 2M-ths of a pixel, so that every centre is a whole number.
        first, end = (
            -((pixels - 2 * whole * edge) // (2 * pixels)) for edge in (start, start + length)
        )
        at = (2 * first + 1) * pixels - 2 * whole * start + 2 * pixels * np.arange(end - first)
        sources = (at * cells // (2 * whole * length)).astype(np.intp)
        weights = np.ones(len(sources))
        if blend == "linear":
            weights = np.minimum(sources + 1, cells - sources).astype(np.float64)
        totals[first:end] += weights
        bare.append((start, slice(first, end), sources, weights))
    return tuple(
        Span(start, length, at, sources, (weights / totals[at]).astype(np.float32))
        for start, at, sources, weights in bare
    )
