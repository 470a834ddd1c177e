"""TIFF: whether all pages lie within the file, and how often a page's JPEGs pass over it.

The decoder looks at the first page, so that a file cut short behind it would pass.
"""

from __future__ import annotations

import struct
from operator import add

from takt.core.errors import InvalidImageError
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.formats.tiff import (
    BITS,
    HEIGHT,
    SAMPLES_PER_PIXEL,
    WIDTH,
)
from takt.core.pictures.formats.tiff_directory import CUT, TiffDirectory

_COMPRESSION = 259
_STRIP_OFFSETS = 273
_STRIP_BYTES = 279
_TILE_OFFSETS = 324
_TILE_BYTES = 325
_SMALLER_PAGES = 330
_EXIF = 34665
_NOT_PACKED = 1
_JPEG = 7
_MOST_PAGES = 4096
_MOST_FIELDS_AND_PARTS = 262_144
"""Of all pages together; they take a fifth of a second."""

_JPEG_SCAN = b"\xff\xda"
_MOST_SCANS = 10
"""Scans of a JPEG in a TIFF, where writers use one."""


def checked_tiff(data: bytes, header: ImageHeader) -> bytes:
    """The TIFF to decode, with its alpha an unspecified channel, so that colours stay as they are.

    Raises:
        InvalidImageError: a page lies beyond the end, or costs far more than its pixels.
    """
    pages = _Pages(data)
    first = pages.read(TiffDirectory.first_at(data))
    _refuse_many_scans(data, first)
    pages.follow(first)
    at = header.straight_alpha_at
    return data if at is None else data[:at] + b"\0\0" + data[at + 2 :]


class _Pages:
    """Reads pages one by one and refuses the first that lies beyond the end of the file.

    Args:
        data: the whole file.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._seen: set[int] = set()
        self._left = _MOST_FIELDS_AND_PARTS

    def read(self, at: int) -> TiffDirectory:
        """The page at an offset."""
        self._seen.add(at)
        try:
            page = TiffDirectory(self._data, at)
            page.refuse_cut()
            offsets, sizes = _parts(page)
        except struct.error:
            raise InvalidImageError(CUT.format("a page")) from None
        self._left -= len(page) + len(offsets)
        if len(self._seen) > _MOST_PAGES or self._left < 0:
            raise InvalidImageError(
                f"the TIFF has more than {_MOST_PAGES} pages, or pages of too many parts; "
                "send the first one alone"
            )
        self._refuse_parts_beyond(page, offsets, sizes)
        return page

    def follow(self, page: TiffDirectory) -> None:
        """Read all pages behind one, with the smaller pages and EXIF data that belong to each."""
        while True:
            for belonging in page.all(_SMALLER_PAGES) + page.all(_EXIF):
                if belonging not in self._seen:
                    self.read(belonging)
            try:
                at = page.next_at()
            except struct.error:
                raise InvalidImageError(CUT.format("a page")) from None
            if not at or at in self._seen:  # a circle ends where it closes, as in libtiff
                return
            page = self.read(at)

    def _refuse_parts_beyond(
        self, page: TiffDirectory, offsets: tuple[int, ...], sizes: tuple[int, ...]
    ) -> None:
        end = len(self._data)
        if max(map(add, offsets, sizes), default=0) <= end:
            return
        packed = page.first(_COMPRESSION, _NOT_PACKED) != _NOT_PACKED
        # libtiff forgives a size that is too large where there is one strip, and nothing is packed.
        if packed or len(offsets) != 1 or offsets[0] + _rows_bytes(page) > end:
            raise InvalidImageError(CUT.format("a part of a page"))


def _parts(page: TiffDirectory) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Offsets and sizes in bytes of a page's strips or tiles."""
    offsets = page.all(_TILE_OFFSETS) or page.all(_STRIP_OFFSETS)
    return offsets, page.all(_TILE_BYTES) or page.all(_STRIP_BYTES)


def _rows_bytes(page: TiffDirectory) -> int:
    """Bytes that all rows of a page take when nothing is packed."""
    bits = page.first(WIDTH, 0) * page.first(BITS, 1) * page.first(SAMPLES_PER_PIXEL, 1)
    return page.first(HEIGHT, 0) * ((bits + 7) // 8)


def _refuse_many_scans(data: bytes, page: TiffDirectory) -> None:
    """Refuse parts that are JPEGs of many scans, each of which is a pass over the part."""
    if page.first(_COMPRESSION, _NOT_PACKED) != _JPEG:
        return
    parts = set(zip(*_parts(page), strict=False))
    if sum(size for _, size in parts) > 2 * len(data):
        raise InvalidImageError("the TIFF is damaged: its parts overlap; save it again")
    if any(data.count(_JPEG_SCAN, at, at + size) > _MOST_SCANS for at, size in parts):
        raise InvalidImageError(
            f"the TIFF holds JPEGs of more than {_MOST_SCANS} scans; save it with baseline JPEGs"
        )
