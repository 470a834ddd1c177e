"""How many bytes a picture takes once it is decoded or drawn on, by what its header says.

The figures are peaks of resident memory for each pixel, measured on pictures of 12 MP and rounded
up.
"""

from __future__ import annotations

from typing import NamedTuple

from takt.core.domain import HeatmapKind, RawPicture
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.header import read_header
from takt.core.pictures.prepare import Picture

_KEPT = 3
"""Bytes for each pixel of a decoded picture."""

_LARGE_PIXELS = 4_000_000
"""Most pixels of a picture that others may wait for: it is decoded in some ten milliseconds."""

_DRAWING = 10
"""Bytes for each pixel of a heatmap: the drawing, its levels, and its file twice."""


class Weight(NamedTuple):
    """Memory that a picture takes, beside the bytes in which it came.

    Attributes:
        pixels: number of its pixels.
        decoding_bytes: most that decoding it takes.
        kept_bytes: what it takes once it is decoded; 0 where it came so.
        header: of its file; None for one that came as pixels.
    """

    pixels: int
    decoding_bytes: int
    kept_bytes: int
    header: ImageHeader | None

    @property
    def large(self) -> bool:
        """Whether decoding it takes so long that small pictures should not wait for it."""
        return self.header is not None and self.pixels > _LARGE_PIXELS

    def drawing_bytes(self, kind: HeatmapKind, *, kept: bool) -> int:
        """Most that drawing a heatmap takes.

        Args:
            kind: of the heatmap.
            kept: whether the decoded picture is there; else an overlay decodes it once more.
        """
        if kind in ("none", "raw"):
            return 0
        drawing = _DRAWING * self.pixels
        if kept or kind == "map":
            return drawing
        return max(self.decoding_bytes, self.kept_bytes + drawing)


def weigh(data: Picture, max_pixels: int) -> Weight:
    """Weigh a picture; only its header is read.

    >>> weigh(RawPicture(bytes(6), 3, 2, "mono8"), max_pixels=100).kept_bytes
    18

    Args:
        data: a whole file, or pixels.
        max_pixels: most that a picture may have; a larger one is refused before it takes memory.

    Raises:
        RequestError: the file's header is at fault.
    """
    if isinstance(data, RawPicture):
        pixels = data.width * data.height
        own = 0 if data.format == "rgb8" else _KEPT * pixels
        return Weight(pixels, own, own, None)
    header = read_header(data)
    pixels = header.width * header.height
    if pixels > max_pixels:
        return Weight(0, 0, 0, header)
    return Weight(pixels, header.decoding_bytes, _KEPT * pixels, header)
