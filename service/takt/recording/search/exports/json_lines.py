"""JSON lines: an object on each line, as the API answers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from takt.recording.search.exports.row_encoder import RowEncoder
from takt.recording.search.json_form import json_of
from takt.recording.search.stored import COLUMNS, Column


class JsonLinesEncoder(RowEncoder):
    """Writes JSON lines.

    >>> JsonLinesEncoder().rows([])
    b''
    """

    media_type = "application/jsonl"

    def __init__(self, columns: Sequence[Column] = COLUMNS) -> None:
        self._columns = columns

    def rows(self, rows: Sequence[Any]) -> bytes:
        """A line for each row."""
        bodies = (json_of(one, self._columns) for one in rows)
        return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in bodies)
