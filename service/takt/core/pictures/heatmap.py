"""Draws and encodes heatmaps: the anomaly map in colours, alone or laid over the picture."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from takt.core.domain import AnomalyMap, Box, Heatmap, Image, ImageFormat, Region
from takt.core.errors import InvalidParameterError
from takt.core.pictures.roi import RoiDrawing

_ENCODINGS: dict[ImageFormat, tuple[str, list[int]]] = {
    "png": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 1]),
    "jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90]),
    "webp": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 85]),
}
# Blue is normal, green is the threshold, yellow to red is anomalous. Inferno keeps its order in
# grey, but its pale yellow is lost on bright metal, and its black is that of the uninspected part.
_COLOR_MAP = cv2.COLORMAP_TURBO
# A level is a map value on the colour scale as uint8; this is the last that is not anomalous.
_THRESHOLD_LEVEL = 127
_CLEAR_LEVEL = 96
_DENSE_LEVEL = 192
_MAX_OPACITY = 0.55
_STRIP_ROWS = 64
# White within black shows on any picture, and is no colour of the colour map.
_LINE_COLOR = (255, 255, 255)
_RIM_COLOR = (0, 0, 0)
# What does not count is shown darker; the line around what counts is no defect's, and has no rim.
_BRIGHTNESS_OUTSIDE = 0.55
_ROI_COLOR = (200, 200, 200)
# A map that is all noise would take seconds to outline, and outlines everywhere point nowhere.
_MAX_OUTLINE_POINTS = 20_000

_Levels = NDArray[np.uint8]
_Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ColorScale:
    """The scale from map values to colours: the same for every picture of a model.

    A value v is shown at 0.5 * (v - low) / (threshold - low), clipped to [0, 1], so that the
    pixel threshold is always the middle of the colour map and a good part never looks red.
    Stretching each picture from its own lowest to its own highest value instead would make every
    good part look bad, as its highest value would be red however low it is.

    Attributes:
        low: map value where the colours begin, the median of good pictures.
        threshold: pixel threshold. At or below `low`, or infinite, it leaves two colours: the
            first for values up to it, the last for those above.
    """

    low: float
    threshold: float


@dataclass(frozen=True, slots=True)
class _Palette:
    """Tables over the 256 levels.

    Attributes:
        colors: BGR uint8 [256, 1, 3].
        weighted: `colors` times their opacity.
        kept: share of the picture beneath that stays, out of 255, uint8 [256, 1].
    """

    colors: MatLike
    weighted: MatLike
    kept: MatLike


def render(
    kind: Literal["map", "overlay", "raw"],
    format: ImageFormat,
    picture: Image,
    anomaly_map: AnomalyMap,
    inspected: Box,
    scale: ColorScale,
    regions: Sequence[Region],
    roi: RoiDrawing | None = None,
) -> Heatmap:
    """Draw and encode a heatmap; the arguments are left as they are.

    >>> picture, anomaly_map = np.zeros((48, 64, 3), np.uint8), np.eye(4, dtype=np.float32)
    >>> scale, inspected = ColorScale(low=0.1, threshold=0.5), Box(0, 0, 64, 48)
    >>> heatmap = render("overlay", "png", picture, anomaly_map, inspected, scale, regions=())
    >>> heatmap.data[1:4]
    b'PNG'

    Args:
        kind: `map` is the coloured map on the picture's size, black where nothing is inspected or
            counts. `overlay` is the picture with the colours laid over it, from clear where it is
            normal to dense, and with the regions outlined; a region too small to be noticed gets a
            ring around it; with a region of interest, the rest is darker, and a line divides them.
            `raw` is a .npy of the map at its own size.
        format: file format of `map` and `overlay`.
        picture: RGB uint8 [height, width, 3].
        anomaly_map: float32 [h, w], finite.
        inspected: part of the picture that the map covers, to the nearest pixel; if the model
            crops, the colours are within half a pixel of their place.
        scale: scale from map values to colours.
        regions: regions of the verdict.
        roi: part of the picture that counts; all of it if None.

    Raises:
        InvalidParameterError: the picture cannot be encoded in this format.
    """
    if kind == "raw":
        return Heatmap(kind=kind, format="npy", data=_npy(anomaly_map))
    drawn = _draw(kind, picture, anomaly_map, inspected, scale, regions, roi)
    return Heatmap(kind=kind, format=format, data=_encoded(drawn, format))


def _npy(anomaly_map: AnomalyMap) -> bytes:
    stream = io.BytesIO()
    np.save(stream, anomaly_map.astype(np.float32, copy=False), allow_pickle=False)
    return stream.getvalue()


def _draw(
    kind: Literal["map", "overlay"],
    picture: Image,
    anomaly_map: AnomalyMap,
    inspected: Box,
    scale: ColorScale,
    regions: Sequence[Region],
    roi: RoiDrawing | None,
) -> MatLike:
    """A BGR picture, as OpenCV encodes it."""
    # One channel is upscaled and then coloured: cheaper than upscaling colours, and between two
    # cells of a coarse map the colours run through the colour map instead of mixing.
    levels = cv2.resize(
        _levels(anomaly_map, scale),
        (inspected.width, inspected.height),
        interpolation=cv2.INTER_LINEAR,
    )
    counts = None if roi is None else roi.mask(inspected, *picture.shape[:2])
    if kind == "map":
        drawn: MatLike = np.zeros_like(picture)
        cv2.applyColorMap(levels, _palette().colors, dst=_part(drawn, inspected))
        return drawn if counts is None else cv2.bitwise_and(drawn, drawn, mask=counts)
    drawn = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    if roi is not None and counts is not None:
        # Between two cells the colours run on beyond the edge.
        levels = cv2.bitwise_and(levels, levels, mask=_part(counts, inspected))
        _step_back(drawn, counts)
        cv2.drawContours(drawn, roi.outlines(inspected), -1, _ROI_COLOR, _line_px(drawn))
    # Most of a picture is normal, so blending and outlining take the rest only.
    visible = Box(*cv2.boundingRect(_above(levels, _CLEAR_LEVEL)))
    if visible.width > 0:
        _blend(_part(levels, visible), _part(_part(drawn, inspected), visible))
    if regions:
        corner = (inspected.x + visible.x, inspected.y + visible.y)
        _outline(_part(levels, visible), corner, regions, drawn)
    return drawn


def _step_back(onto: MatLike, counts: MatLike) -> None:
    """Darken a BGR picture in place where `counts`, uint8 of its size, is 0."""
    for top in range(0, len(onto), _STRIP_ROWS):
        strip = onto[top : top + _STRIP_ROWS]
        darker = cv2.convertScaleAbs(strip, alpha=_BRIGHTNESS_OUTSIDE)
        cv2.copyTo(darker, cv2.bitwise_not(counts[top : top + _STRIP_ROWS]), strip)


def _line_px(onto: MatLike) -> int:
    return max(1, round(int(max(onto.shape)) / 500))


def _levels(anomaly_map: AnomalyMap, scale: ColorScale) -> _Levels:
    """Map values on the colour scale: above `_THRESHOLD_LEVEL` exactly if above the threshold."""
    steps = np.subtract(anomaly_map, scale.threshold, dtype=np.float64)
    if not scale.low < scale.threshold < math.inf:
        return np.where(steps > 0, 255, 0).astype(np.uint8)
    with np.errstate(over="ignore"):
        steps *= 128
        steps /= scale.threshold - scale.low
    np.ceil(steps, out=steps)
    steps += _THRESHOLD_LEVEL
    levels: _Levels = np.clip(steps, 0, 255, out=steps).astype(np.uint8)
    return levels


def _above(levels: MatLike, level: int) -> MatLike:
    return (levels > level).view(np.uint8)


def _part(pixels: MatLike, box: Box) -> MatLike:
    return pixels[box.y : box.y + box.height, box.x : box.x + box.width]


def _blend(levels: MatLike, onto: MatLike) -> None:
    """Lay the colours over a BGR picture of the same size, in place."""
    palette = _palette()
    # In strips, so that the intermediate pictures stay small: new memory costs more than the sums.
    for top in range(0, len(levels), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        beneath, over = onto[rows], levels[rows]
        kept = cv2.cvtColor(cv2.LUT(over, palette.kept), cv2.COLOR_GRAY2BGR)
        cv2.multiply(beneath, kept, dst=beneath, scale=1 / 255)
        cv2.add(beneath, cv2.applyColorMap(over, palette.weighted), dst=beneath)


@functools.cache
def _palette() -> _Palette:
    levels: _Levels = np.arange(256, dtype=np.uint8).reshape(256, 1)
    colors = cv2.applyColorMap(levels, _COLOR_MAP)
    rise = np.clip((levels - float(_CLEAR_LEVEL)) / (_DENSE_LEVEL - _CLEAR_LEVEL), 0, 1)
    opacity = _MAX_OPACITY * rise**2 * (3 - 2 * rise)
    return _Palette(
        colors=colors,
        weighted=np.rint(colors * opacity[:, :, np.newaxis]).astype(np.uint8),
        kept=np.rint(255 * (1 - opacity)).astype(np.uint8),
    )


def _outline(levels: MatLike, corner: _Point, regions: Sequence[Region], onto: MatLike) -> None:
    """Outline on a BGR picture, in place, what is above the threshold.

    Args:
        levels: visible part of the levels, at the picture's scale; may be empty.
        corner: place of its top left corner on the picture.
        regions: regions of the verdict; one that fits into a ring gets a ring.
        onto: the whole picture.
    """
    longest = max(onto.shape)
    radius = max(8, longest // 40)
    line = _line_px(onto)
    rim = line + 1 + line // 2
    rings = [_center(region.box) for region in regions if _fits(region.box, radius)]
    contours: Sequence[MatLike] = ()
    if levels.size > 0:
        anomalous = _above(levels, _THRESHOLD_LEVEL)
        for x, y in rings:
            # Within a ring an outline would cover the very defect.
            cv2.circle(anomalous, (x - corner[0], y - corner[1]), radius, 0, cv2.FILLED)
        contours, _ = cv2.findContours(
            anomalous, cv2.RETR_LIST, cv2.CHAIN_APPROX_TC89_KCOS, offset=corner
        )
    if sum(map(len, contours)) > _MAX_OUTLINE_POINTS:
        contours = ()
    cv2.drawContours(onto, contours, -1, _RIM_COLOR, rim, cv2.LINE_AA)
    cv2.drawContours(onto, contours, -1, _LINE_COLOR, line, cv2.LINE_AA)
    for center in rings:
        cv2.circle(onto, center, radius, _RIM_COLOR, rim, cv2.LINE_AA)
        cv2.circle(onto, center, radius, _LINE_COLOR, line, cv2.LINE_AA)


def _center(box: Box) -> _Point:
    return box.x + box.width // 2, box.y + box.height // 2


def _fits(box: Box, radius: int) -> bool:
    return max(box.width, box.height) <= 2 * radius


def _encoded(drawn: MatLike, format: ImageFormat) -> bytes:
    extension, parameters = _ENCODINGS[format]
    try:
        done, data = cv2.imencode(extension, drawn, parameters)
    except cv2.error:
        done = False
    if not done:
        height, width, _ = drawn.shape
        raise InvalidParameterError(
            f"a heatmap of {width}x{height} pixels cannot be encoded as {format}; ask for another "
            "format, or for the raw map"
        )
    return data.tobytes()
