"""JSON lines: an object on each line, as the API answers it."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from service.recording.search.exports.row_encoder import RowEncoder
from service.recording.search.json_form import json_of
from service.recording.search.stored import StoredInspection


class JsonLinesEncoder(RowEncoder):
    """Writes JSON lines.

    >>> JsonLinesEncoder().rows([])
    b''
    """

    media_type = "application/jsonl"

    def rows(self, inspections: Sequence[StoredInspection]) -> bytes:
        """A line for each inspection."""
        lines = (
            orjson.dumps(json_of(one), option=orjson.OPT_APPEND_NEWLINE) for one in inspections
        )
        return b"".join(lines)
