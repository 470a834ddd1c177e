"""An export: all inspections that filters want, in parts, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection

from takt.recording.database import Database
from takt.recording.search.cursor import Cursor
from takt.recording.search.exports.csv_format import CsvEncoder
from takt.recording.search.exports.json_lines import JsonLinesEncoder
from takt.recording.search.exports.parquet import ParquetEncoder
from takt.recording.search.exports.row_encoder import RowEncoder
from takt.recording.search.filters import ExportFormat, Filters
from takt.recording.search.pages import MOST_ON_A_PAGE, page_of

_CHUNK: Final = MOST_ON_A_PAGE
"""Inspections of a part."""


ENCODERS: Final[dict[ExportFormat, type[RowEncoder]]] = {
    "csv": CsvEncoder,
    "jsonl": JsonLinesEncoder,
    "parquet": ParquetEncoder,
}


def media_type_of(wanted: ExportFormat) -> str:
    """The media type of a format."""
    return ENCODERS[wanted].media_type


class Export:
    """Makes an export part by part; each reads the record for a moment only.

    What is recorded meanwhile is left out, since it is newer than the first part. What retention
    removes meanwhile is missing.

    Args:
        filters: which inspections.
        wanted: format.

    Raises:
        NotInstalledError: a package that the format needs is not installed.
    """

    def __init__(self, filters: Filters, wanted: ExportFormat) -> None:
        self._filters = filters
        self._encoder = ENCODERS[wanted]()
        self._after: Cursor | None = None
        self.ended = False

    def part(self, connection: Connection) -> bytes:
        """The next part, which may be empty; after the last one, `ended` is true.

        Args:
            connection: for reading.
        """
        page = page_of(connection, self._filters, limit=_CHUNK, after=self._after)
        data = self._encoder.rows(page.inspections)
        self._after = page.next
        if page.next is None:
            data += self._encoder.end()
            self.ended = True
        return data


def exported(database: Database, export: Export) -> Iterator[bytes]:
    """The parts of an export.

    Args:
        database: is read.
        export: a new one.

    Raises:
        RecordError: the database cannot be read.
    """
    while not export.ended:
        with database.reading() as connection:
            part = export.part(connection)
        yield part
