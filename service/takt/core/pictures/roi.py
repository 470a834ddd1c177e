"""The region of interest: which cells of the map count, and where they lie on a picture.

Its shape is stated relative to the picture, of whatever size. The exporter brings the shape to the
map's grid and makes it a constant of the graph. A cell counts if its centre lies within. A point is
within a polygon if a ray from it crosses an odd number of edges (even-odd), so that a polygon that
winds around a place twice has a hole there. Several polygons are united.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.manifest import Preprocess
from takt.core.bundles.reading import read_file, surroundings
from takt.core.bundles.region import Polygon
from takt.core.domain import Box
from takt.core.errors import BundleError, RequestError
from takt.core.pictures.decode import decode
from takt.core.pictures.placement import placement
from takt.core.pictures.turning import NO_TURN, Turn

_MASK_BYTES = 64 << 20
_MASK_PIXELS = 200_000_000

_REMEMBERED_SIZES = 8
"""Number of picture sizes whose outlines are kept; a line has one or two."""


@dataclass(frozen=True)
class RoiShape:
    """The part that counts, on a picture of any size.

    >>> left_half = RoiShape((((0, 0), (0.5, 0), (0.5, 1), (0, 1)),))
    >>> spec = Preprocess(width=256, height=256, resize="area")
    >>> left_half.on_map(spec, (1, 4)).tolist()
    [[True, True, False, False]]

    Attributes:
        polygons: points within any of these count; the whole picture if there are none.
        exclude: points within any of these do not count.
        mask: bool [H, W], stretched over the picture, instead of polygons.
    """

    polygons: tuple[Polygon, ...] = ()
    exclude: tuple[Polygon, ...] = ()
    mask: NDArray[np.bool_] | None = None

    def on_map(self, spec: Preprocess, grid: tuple[int, int]) -> NDArray[np.bool_]:
        """The cells of a map that count, bool [h, w].

        Args:
            spec: preprocessing of the bundle, whose model may see a part of the picture only.
            grid: (h, w) of the map.
        """
        rows, columns = grid
        on_unit = placement(spec, 1, 1)
        x = np.array([float(on_unit.x.center(cell, columns)) for cell in range(columns)])
        y = np.array([float(on_unit.y.center(cell, rows)) for cell in range(rows)])
        if self.mask is not None:
            inside = _sampled(self.mask, spec, grid)
        elif self.polygons:
            inside = _within_any(self.polygons, x, y)
        else:
            inside = np.ones(grid, np.bool_)
        return inside & ~_within_any(self.exclude, x, y)


def roi_on_map(bundle: Bundle, grid: tuple[int, int] | None = None) -> NDArray[np.bool_] | None:
    """The cells of a bundle's map that count, bool [h, w]; None if all do.

    Args:
        bundle: a loaded bundle.
        grid: (h, w) to which the map was resized; its own size if None.

    Raises:
        BundleError: the mask picture cannot be read.
    """
    manifest = bundle.manifest
    roi = manifest.roi
    if roi is None:
        return None
    within = (
        surroundings(bundle.path, bundle.repository)
        if bundle.copy is None
        else (bundle.copy.folder,)
    )
    mask = None if roi.mask is None else _read_mask(bundle.content / roi.mask, within)
    shape = RoiShape(roi.polygons, roi.exclude, mask)
    return shape.on_map(manifest.preprocess, grid or (manifest.map.height, manifest.map.width))


class RoiDrawing:
    """The region of interest as it is drawn on pictures.

    Its edge lies halfway between the centres of cells that count and of others.

    Args:
        inside: cells of the map that count, bool [h, w].
    """

    def __init__(self, inside: NDArray[np.bool_]) -> None:
        self._cells = inside
        self._inside = inside.astype(np.uint8) * 255
        self._outlines = functools.lru_cache(_REMEMBERED_SIZES)(self._trace)

    def turned(self, turn: Turn) -> RoiDrawing:
        """The region on a picture that the model sees as it is stored."""
        return self if turn == NO_TURN else RoiDrawing(turn.array(self._cells))

    def outlines(self, inspected: Box) -> Sequence[MatLike]:
        """Closed lines around the region, in pixels of the picture; not to be written to.

        Args:
            inspected: part of the picture that the map covers.
        """
        return self._outlines(inspected)

    def mask(self, inspected: Box, height: int, width: int) -> MatLike:
        """uint8 [height, width]: 255 where the picture counts, else 0."""
        mask = np.zeros((height, width), np.uint8)
        # One call fills all lines even-odd, so that holes stay open.
        return cv2.drawContours(mask, self.outlines(inspected), -1, 255, cv2.FILLED)

    def _trace(self, inspected: Box) -> Sequence[MatLike]:
        size = (inspected.width, inspected.height)
        grown = cv2.resize(self._inside, size, interpolation=cv2.INTER_LINEAR)
        outlines, _ = cv2.findContours(
            (grown > 127).view(np.uint8),
            cv2.RETR_LIST,
            cv2.CHAIN_APPROX_SIMPLE,
            offset=(inspected.x, inspected.y),
        )
        return outlines


def roi_drawing(bundle: Bundle) -> RoiDrawing | None:
    """The region of interest of a bundle as it is drawn; None if it has none.

    Raises:
        BundleError: the mask picture cannot be read.
    """
    inside = roi_on_map(bundle)
    return None if inside is None else RoiDrawing(inside)


def _within_any(
    polygons: Sequence[Polygon], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether points (x [w], y [h]) lie within any polygon: bool [h, w]."""
    within = np.zeros((len(y), len(x)), np.bool_)
    for polygon in polygons:
        within |= _within(polygon, x, y)
    return within


def _within(polygon: Polygon, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    corners = np.array(polygon, np.float64)
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    within = np.zeros((len(y), len(x)), np.bool_)
    for row, height in enumerate(y):
        # Half open, so that a corner on the row is crossed once by the two edges that meet there.
        crossing = (y0 <= height) != (y1 <= height)
        share = (height - y0[crossing]) / (y1[crossing] - y0[crossing])
        crossed = np.sort(x0[crossing] + share * (x1[crossing] - x0[crossing]))
        within[row] = np.searchsorted(crossed, x, side="right") % 2 == 1
    return within


def _sampled(mask: NDArray[np.bool_], spec: Preprocess, grid: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = mask.shape
    placed = placement(spec, width, height)
    rows = [int(placed.y.center(cell, grid[0])) for cell in range(grid[0])]
    columns = [int(placed.x.center(cell, grid[1])) for cell in range(grid[1])]
    sampled: NDArray[np.bool_] = mask[np.ix_(rows, columns)]
    return sampled


def _read_mask(file: Path, within: Sequence[Path]) -> NDArray[np.bool_]:
    try:
        picture = decode(read_file(file, within, _MASK_BYTES), _MASK_PIXELS)
    except (FileNotFoundError, RequestError):
        raise BundleError(f"{file} cannot be read; export the bundle again") from None
    mask = np.asarray(picture.any(axis=2), np.bool_)
    return mask
