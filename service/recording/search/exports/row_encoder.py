"""What a format of exports does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from service.recording.search.stored import StoredInspection


class RowEncoder(Protocol):
    """Turns inspections into the bytes of one file, some at a time."""

    def __init__(self) -> None: ...

    def rows(self, inspections: Sequence[StoredInspection]) -> bytes:
        """Bytes of some more inspections; what cannot be told yet comes later."""
        ...

    def end(self) -> bytes:
        """The last bytes of the file."""
        ...
