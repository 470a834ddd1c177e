"""What a format of exports does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from service.recording.search.stored import StoredInspection


class RowEncoder(ABC):
    """Turns inspections into the bytes of one file, some at a time.

    Attributes:
        media_type: of the file, over HTTP.
    """

    media_type: ClassVar[str]

    @abstractmethod
    def rows(self, inspections: Sequence[StoredInspection]) -> bytes:
        """Bytes of some more inspections; what cannot be told yet comes later."""

    def end(self) -> bytes:
        """The last bytes of the file."""
        return b""
