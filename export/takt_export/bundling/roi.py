"""The region of interest, read from a file with polygons or from a mask picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.manifest import Preprocess
from takt.core.bundles.region import ROI_MASK, Polygon, Roi
from takt.core.domain import PICTURE_SUFFIXES
from takt.core.pictures.roi import RoiShape
from takt_export.errors import RoiError
from takt_export.pictures import read_mask

FIELDS = frozenset({"polygons", "exclude", "width", "height"})
FEWEST_CORNERS = 3


@dataclass(frozen=True)
class PlacedRoi:
    """A region of interest on the map of one model.

    Attributes:
        shape: on the picture.
        inside: the cells of the map that count, bool [h, w]; at least one.
        share: of the picture that counts.
        outside: value of the map's other cells.
    """

    shape: RoiShape
    inside: NDArray[np.bool_]
    share: float
    outside: float

    @property
    def manifest(self) -> Roi:
        """The region as a manifest holds it."""
        return Roi(
            polygons=self.shape.polygons,
            exclude=self.shape.exclude,
            mask=None if self.shape.mask is None else ROI_MASK,
            share=self.share,
            outside=self.outside,
        )

    @property
    def files(self) -> Mapping[str, bytes]:
        """Further files that the bundle must hold, by name."""
        if self.shape.mask is None:
            return {}
        grey = self.shape.mask.astype(np.uint8) * 255
        _, data = cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_BILEVEL, 1])
        return {ROI_MASK: data.tobytes()}


def read_roi(path: Path) -> RoiShape:
    """Read a region of interest.

    Args:
        path: a picture, whose black does not count; any other file is JSON, an object with
            `polygons`, `exclude` or both, each a list of polygons, which are lists of corners
            [x, y]: fractions of the picture's width and height, or pixels of a picture whose
            `width` and `height` stand beside them, from 0 at the first pixel's outer edge.

    Raises:
        OSError: the file cannot be read.
        PicturesError: it is a picture that cannot be decoded.
        RoiError: it holds no region, or one that cannot be understood.
    """
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return RoiShape(mask=_read_mask(path))
    return _read_polygons(path)


def place(shape: RoiShape, spec: Preprocess, grid: tuple[int, int], outside: float) -> PlacedRoi:
    """Place a region of interest on the map of a model.

    >>> left = RoiShape(polygons=(((0, 0), (0.5, 0), (0.5, 1), (0, 1)),))
    >>> place(left, Preprocess(width=256, height=256, resize="area"), (2, 2), 0.0).inside.tolist()
    [[True, False], [True, False]]

    Args:
        shape: on the picture.
        spec: how pictures reach the model.
        grid: (h, w) of its map.
        outside: value of the cells that do not count; at most the lowest that counts.

    Raises:
        RoiError: no cell is left to inspect, or a polygon holds none.
    """
    for number, polygon in enumerate(shape.polygons, 1):
        if not RoiShape((polygon,)).on_map(spec, grid).any():
            raise RoiError(
                f"polygon {number} holds the centre of no cell of the map ({grid[1]}x{grid[0]} "
                f"cells{_seen(spec)}); draw it larger, or leave it out"
            )
    inside = shape.on_map(spec, grid)
    if not inside.any():
        what = "the mask picture" if shape.mask is not None else "what `exclude` leaves"
        raise RoiError(
            f"{what} holds the centre of no cell of the map ({grid[1]}x{grid[0]} "
            f"cells{_seen(spec)}), so that nothing would be inspected"
        )
    height, width = spec.input_size
    seen = height * width / (spec.height * spec.width)
    return PlacedRoi(shape, inside, share=float(inside.mean()) * seen, outside=outside)


def _seen(spec: Preprocess) -> str:
    crop = spec.crop
    if crop is None:
        return ""
    left, right = crop.x / spec.width, (crop.x + crop.width) / spec.width
    top, bottom = crop.y / spec.height, (crop.y + crop.height) / spec.height
    return (
        f", on the part that the model sees: x from {left:.4g} to {right:.4g}, y from {top:.4g} to "
        f"{bottom:.4g} of the picture"
    )


def _read_mask(path: Path) -> NDArray[np.bool_]:
    mask = read_mask(path)
    if not mask.any():
        raise RoiError(f"{path} is black, so that nothing would be inspected; paint it white there")
    if mask.all():
        raise RoiError(
            f"{path} has no black, so that it leaves nothing out; paint black what must not count "
            "(transparent is not black), or leave --roi out"
        )
    return mask


def _read_polygons(path: Path) -> RoiShape:
    try:
        said = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RoiError(
            f"{path} is neither a picture ({', '.join(sorted(PICTURE_SUFFIXES))}) nor JSON: {error}"
        ) from None
    if not isinstance(said, dict):
        raise RoiError(f'{path} must hold an object, {{"polygons": [[[x, y], ...], ...]}}')
    if unknown := sorted(said.keys() - FIELDS):
        raise RoiError(
            f"{path}: {', '.join(unknown)} is not known; there are {', '.join(sorted(FIELDS))}"
        )
    scale = _scale(path, said)
    polygons, exclude = (
        tuple(
            _polygon(corners, scale, f"{path}: {name}, {number}. polygon")
            for number, corners in enumerate(_list(said.get(name, []), f"{path}: {name}"), 1)
        )
        for name in ("polygons", "exclude")
    )
    if not polygons and not exclude:
        raise RoiError(f"{path} has no polygon; give some in `polygons`, in `exclude` or in both")
    return RoiShape(polygons, exclude)


def _scale(path: Path, said: dict[str, Any]) -> tuple[float, float] | None:
    """(width, height) of the picture whose pixels the corners are; None if they are fractions."""
    if said.keys().isdisjoint(("width", "height")):
        return None
    width, height = said.get("width"), said.get("height")
    if not (_is_number(width) and _is_number(height) and min(width, height) > 0):
        raise RoiError(
            f"{path}: width and height are those of the picture in pixels, both of them, where "
            f"corners are pixels too; they are {_short(width)} and {_short(height)}"
        )
    return float(width), float(height)


def _polygon(corners: object, scale: tuple[float, float] | None, what: str) -> Polygon:
    found = [_corner(corner, scale, what) for corner in _list(corners, what)]
    if len(set(found)) < FEWEST_CORNERS:
        raise RoiError(f"{what} has {len(set(found))} corners; it needs {FEWEST_CORNERS}")
    return tuple(found)


def _corner(corner: object, scale: tuple[float, float] | None, what: str) -> tuple[float, float]:
    if not (isinstance(corner, list) and len(corner) == 2 and all(map(_is_number, corner))):
        raise RoiError(f"{what}: {_short(corner)} is no corner [x, y]")
    width, height = scale or (1.0, 1.0)
    x, y = corner[0] / width, corner[1] / height
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise RoiError(
            f"{what}: {_short(corner)} lies outside the picture; "
            + (
                "fractions of its width and height are 0 to 1; for pixels, give its `width` and "
                "`height` too"
                if scale is None
                else f"it is {width:g} x {height:g} pixels"
            )
        )
    return x, y


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise RoiError(f"{what} must be a list; it is {_short(value)}")
    return value


def _is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite float; Python's JSON knows NaN and infinity too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
