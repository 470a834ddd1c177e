"""CSV for spreadsheets: RFC 4180 in UTF-8, with the columns' names on the first line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import orjson

from takt.core.domain import regions_json
from takt.recording.search.exports.row_encoder import RowEncoder
from takt.recording.search.json_form import time_text
from takt.recording.search.stored import COLUMNS, Column, ColumnKind

_BEGINS: Final = "'=+-@\t\r＝＋－＠"
"""Characters with which a formula begins, or a text that is none."""
_CELL: Final = re.compile(rf"([;,|\t\r\n])(?=[{re.escape(_BEGINS)}])")
"""Where one begins inside a text, for a spreadsheet that separates cells by something else."""


class CsvEncoder(RowEncoder):
    """Writes CSV.

    A part's id that begins with = would be run as a formula by whoever opens the file. Such a text
    gets an apostrophe, which spreadsheets take for "this is text".
    """

    media_type = "text/csv; charset=utf-8"

    def __init__(self, columns: Sequence[Column] = COLUMNS) -> None:
        self._first = [[column.name for column in columns]]
        self._cells = [(attrgetter(column.name), _CELLS[column.kind]) for column in columns]

    def rows(self, rows: Sequence[Any]) -> bytes:
        """A line for each row, after the first line."""
        first, self._first = self._first, []
        return csv_bytes([*first, *map(self._line, rows)])

    def _line(self, row: Any) -> list[str]:
        values = ((get(row), cell) for get, cell in self._cells)
        return ["" if value is None else cell(value) for value, cell in values]


def csv_bytes(lines: Iterable[Sequence[str]]) -> bytes:
    r"""Lines of cells as CSV.

    >>> csv_bytes([["part", "lot"], ["P-17", "1,2"]])
    b'part,lot\r\nP-17,"1,2"\r\n'
    """
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue().encode(errors="replace")


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula.

    >>> harmless("=1+1"), harmless("P-17"), harmless("a;@b")
    ("'=1+1", 'P-17', "a;'@b")
    """
    if text[:1] in _BEGINS:
        text = f"'{text}" if text else text
    return _CELL.sub(r"\1'", text) if _CELL.search(text) else text


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _json(value: object) -> str:
    return harmless(orjson.dumps(value).decode()) if value else ""


_CELLS: Final[Mapping[ColumnKind, Callable[[Any], str]]] = {
    "integer": str,
    "number": repr,
    "truth": _truth,
    "text": harmless,
    "time": time_text,
    "texts": " ".join,
    "regions": lambda regions: _json(regions_json(regions)),
    "tags": _json,
    "reason": lambda reason: reason.text,
}
