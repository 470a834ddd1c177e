"""Where a page ended, as a text for callers, who need not read it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from takt.core.errors import InvalidParameterError

_INNER: Final = re.compile(r"(-?\d{1,18})\.(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last inspection of a page: the next page has what is older.

    >>> Cursor.parse(Cursor(1_700_000_000_000_000, 7).text).id
    7

    Attributes:
        at_us: its time, in µs of Unix time.
        id: its number, which orders those of the same µs.
    """

    at_us: int
    id: int

    @property
    def text(self) -> str:
        """The cursor for callers."""
        return base64.urlsafe_b64encode(f"{self.at_us}.{self.id}".encode()).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """The cursor that a caller gives back.

        Raises:
            InvalidParameterError: no page gave it.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            inner = _INNER.fullmatch(base64.b64decode(padded, b"-_", validate=True).decode())
        except (binascii.Error, ValueError):
            inner = None
        if inner is None:
            raise InvalidParameterError("cursor: no page gave this one; take `next` as it is")
        return cls(int(inner[1]), int(inner[2]))
