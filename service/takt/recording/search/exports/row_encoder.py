"""What a format of exports does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from takt.recording.search.stored import COLUMNS, Column


class RowEncoder(ABC):
    """Turns rows of the record into the bytes of one file, some at a time.

    Args:
        columns: that each row has, as attributes of their names.

    Attributes:
        media_type: of the file, over HTTP.
    """

    media_type: ClassVar[str]

    @abstractmethod
    def __init__(self, columns: Sequence[Column] = COLUMNS) -> None: ...

    @abstractmethod
    def rows(self, rows: Sequence[Any]) -> bytes:
        """Bytes of some more rows; what cannot be told yet comes later."""

    def end(self) -> bytes:
        """The last bytes of the file."""
        return b""
