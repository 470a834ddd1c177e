"""Facts that a picture's file declares, the same for all formats."""

from __future__ import annotations

from typing import Literal, NamedTuple

PictureFormat = Literal["JPEG", "PNG", "BMP", "WebP", "TIFF"]


class ImageHeader(NamedTuple):
    """Facts that a picture's file declares.

    >>> ImageHeader("PNG", 4000, 3000).decoding_bytes
    72000000

    Attributes:
        format: format of the file.
        width: stored columns in pixels, before any EXIF rotation; at least 1.
        height: stored rows in pixels, before any EXIF rotation; at least 1.
        scan_start: JPEG: offset in bytes of the first scan's data, past any thumbnail; else 0.
        components: JPEG: number of colour components; else 0.
        several_scans: JPEG: whether the picture comes in several scans, each over all of it.
        straight_alpha_at: TIFF: offset of the two bytes that declare an alpha channel by which
            the colours are not multiplied yet; None without such a channel.
        bytes_per_pixel: memory that decoding takes at its peak, the result included, as measured
            with OpenCV 5; it makes two copies of 3 bytes at least.
        bits: of a channel: 8, or 16; 8 stands for fewer too.
        grey: whether a picture of 16 bits has one channel.
    """

    format: PictureFormat
    width: int
    height: int
    scan_start: int = 0
    components: int = 0
    several_scans: bool = False
    straight_alpha_at: int | None = None
    bytes_per_pixel: int = 6
    bits: int = 8
    grey: bool = False

    @property
    def decoding_bytes(self) -> int:
        """Most memory that decoding the whole picture takes, the result included."""
        return self.width * self.height * self.bytes_per_pixel
