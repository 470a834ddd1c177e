"""The fields of one page of a TIFF (TIFF 6.0, section 2)."""

from __future__ import annotations

import struct

from takt.core.errors import InvalidImageError

CUT = "the TIFF is cut short or damaged: {} lies beyond its end; send the whole file"

MOST_PARTS = 131_072
"""Strips or tiles, of all planes; each costs 3 µs packed and 20 µs as JPEG, whatever its size."""

_MOST_FIELDS = 1024
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value by the number of its type."""


class TiffDirectory:
    """The fields of a page.

    >>> page = struct.pack("<4sI", b"II*", 8) + struct.pack("<HHHIII", 1, 256, 4, 1, 640, 0)
    >>> TiffDirectory(page, TiffDirectory.first_at(page)).first(256, default=0)
    640

    Args:
        data: the whole file, or enough of its beginning.
        at: offset of the directory.

    Raises:
        InvalidImageError: more fields than any picture has.
        struct.error: the directory lies beyond the end.
    """

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._order = "<" if data.startswith(b"II") else ">"
        (count,) = struct.unpack_from(self._order + "H", data, at)
        if count > _MOST_FIELDS:
            raise InvalidImageError(f"the TIFF header is damaged: it says {count} fields")
        self._end = at + 2 + 12 * count
        fields = data[at + 2 : self._end]
        if len(fields) < 12 * count:
            raise struct.error("the directory lies beyond the end")
        self._entries: dict[int, int] = {}
        self._values_end = 0
        for number, (tag, kind, length, offset) in enumerate(
            struct.iter_unpack(self._order + "HHII", fields)
        ):
            size = length * _SIZES.get(kind, 0)
            if size > 4 and offset + size > self._values_end:
                self._values_end = offset + size
            # libtiff takes the first of two fields with one tag; so are the sizes checked here.
            self._entries.setdefault(tag, at + 2 + 12 * number)

    @staticmethod
    def first_at(data: bytes) -> int:
        """Offset of the first page's directory."""
        at: int = struct.unpack_from("<I" if data.startswith(b"II") else ">I", data, 4)[0]
        return at

    def next_at(self) -> int:
        """Offset of the next page's directory; 0 after the last page."""
        at: int = struct.unpack_from(self._order + "I", self._data, self._end)[0]
        return at

    def first(self, tag: int, default: int) -> int:
        """First value of a field; `default` if the field is absent."""
        if tag not in self._entries:
            return default
        kind, _ = self._kind_and_count(tag)
        code = _WHOLE_NUMBERS.get(kind)
        if code is None:
            raise InvalidImageError(f"the TIFF header is damaged: field {tag} is no whole number")
        value: int = struct.unpack_from(self._order + code, self._data, self.position(tag))[0]
        return value

    def all(self, tag: int) -> tuple[int, ...]:
        """All values of a field; none if the field is absent, or not of whole numbers.

        Raises:
            InvalidImageError: more than a picture has strips or tiles.
        """
        if tag not in self._entries:
            return ()
        kind, count = self._kind_and_count(tag)
        if count > MOST_PARTS:
            raise InvalidImageError(
                f"the TIFF has {count} strips or tiles; save it with at most {MOST_PARTS}, "
                "or as a PNG"
            )
        layout = f"{self._order}{count}{_WHOLE_NUMBERS.get(kind, 'x')}"
        return struct.unpack_from(layout, self._data, self.position(tag))

    def position(self, tag: int) -> int:
        """Offset in bytes of the values of a field that exists."""
        kind, count = self._kind_and_count(tag)
        value_at = self._entries[tag] + 8
        if count * _SIZES.get(kind, 0) <= 4:
            return value_at
        at: int = struct.unpack_from(self._order + "I", self._data, value_at)[0]
        return at

    def _kind_and_count(self, tag: int) -> tuple[int, int]:
        return struct.unpack_from(self._order + "HI", self._data, self._entries[tag] + 2)

    def __len__(self) -> int:
        return len(self._entries)

    def refuse_cut(self) -> None:
        """Refuse a page whose values lie beyond the end of the file."""
        if self._values_end > len(self._data):
            raise InvalidImageError(CUT.format("a field"))
