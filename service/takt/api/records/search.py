"""`GET /v1/inspections`, one of them, its picture, and exports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy import Connection

from takt.api.json_body import JsonAnswer
from takt.api.problems import problem_responses, request_id_of
from takt.api.records.filters import FiltersIn, InspectionId
from takt.api.records.problems import NO_NUMBER, NO_VERSION, record_responses
from takt.api.records.schemas import InspectionsOut, NeighboursOut, StoredInspectionOut
from takt.api.records.threads import RecordThreads
from takt.api.schemas import BYTES
from takt.core.domain import RawPicture
from takt.core.errors import InspectionNotFoundError, NotInstalledError
from takt.recording.audit.search import AuditCsv
from takt.recording.multiview.export import PartsExport
from takt.recording.pictures import png_of
from takt.recording.record import Record
from takt.recording.search.cursor import Cursor
from takt.recording.search.exports.export import Export, media_type_of
from takt.recording.search.filters import ExportFormat
from takt.recording.search.json_form import json_of
from takt.recording.search.pages import (
    MOST_COUNTED,
    MOST_ON_A_PAGE,
    count_of,
    inspection_of,
    neighbours_of,
    page_of,
)
from takt.recording.search.pictures import picture_key_of

NO_INSPECTION = InspectionNotFoundError(
    "the record has no inspection 7; retention or somebody may have removed it"
)
_OF_FILTERS = problem_responses(NO_VERSION)
_NO_FORMAT = problem_responses(
    NotInstalledError("Parquet needs pyarrow, which is not installed; pip install 'pyarrow>=17'")
)
_OF_NUMBER = record_responses(NO_NUMBER)
_OF_ONE = record_responses(NO_INSPECTION, NO_NUMBER)
_MEDIA_TYPES = {name: f"image/{name}" for name in ("jpeg", "png", "bmp", "webp", "tiff")}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture as it came; raw pixels as PNG.",
        "content": dict.fromkeys((*_MEDIA_TYPES.values(), "application/octet-stream"), BYTES),
    },
    304: {"description": "The caller has it already."},
}
_TEXT = {"schema": {"type": "string"}}
EXPORTED: dict[int | str, dict[str, Any]] = _NO_FORMAT | {
    200: {
        "description": "All of them, the newest first.",
        "content": {
            media_type_of("csv"): _TEXT,
            media_type_of("jsonl"): _TEXT,
            media_type_of("parquet"): BYTES,
        },
    }
}


class PageIn(FiltersIn):
    """A page of inspections."""

    limit: int = Field(100, ge=1, le=MOST_ON_A_PAGE, description="Most inspections of the page.")
    cursor: str | None = Field(
        None,
        max_length=64,
        description="`next` of the page before, with the same filters; without, the newest.",
    )
    count: bool = Field(
        False, description=f"Count them as well, up to {MOST_COUNTED}; else `count` is null."
    )


class ExportIn(FiltersIn):
    """An export of inspections."""

    format: ExportFormat = Field(description="CSV, JSON lines or Parquet.")


def search_router(threads: RecordThreads) -> APIRouter:
    """The routes that read the record.

    Args:
        threads: of the record.
    """
    router = APIRouter(tags=["record"], responses=record_responses())

    @router.get(
        "/v1/inspections",
        response_model=InspectionsOut,
        responses=_OF_FILTERS,
    )
    async def list_inspections(query: Annotated[PageIn, Query()]) -> Response:
        """The newest inspections that the filters want, a page at a time."""
        filters = query.filters()
        after = None if query.cursor is None else Cursor.parse(query.cursor)

        def found(connection: Connection) -> bytes:
            page = page_of(connection, filters, limit=query.limit, after=after)
            return orjson.dumps(
                {
                    "inspections": [json_of(one) for one in page.inspections],
                    "next": None if page.next is None else page.next.text,
                    "count": count_of(connection, filters) if query.count else None,
                }
            )

        return JsonAnswer(await threads.read(found))

    @router.get(
        "/v1/inspections/export",
        response_class=Response,
        responses=EXPORTED | _OF_FILTERS,
    )
    async def export_inspections(query: Annotated[ExportIn, Query()]) -> Response:
        """All inspections that the filters want, as a file that is made while it is sent."""
        name, media_type = f"inspections.{query.format}", media_type_of(query.format)
        return await exported(threads, Export(query.filters(), query.format), name, media_type)

    @router.get(
        "/v1/inspections/{id:int}",
        response_model=StoredInspectionOut,
        responses=_OF_ONE,
    )
    async def get_inspection(number: InspectionId) -> Response:
        """One inspection, with what gave the answer."""

        def found(connection: Connection) -> bytes:
            return orjson.dumps(json_of(inspection_of(connection, number)))

        return JsonAnswer(await threads.read(found))

    @router.get(
        "/v1/inspections/{id:int}/neighbours",
        responses=_OF_NUMBER,
    )
    async def get_neighbours(request: Request, number: InspectionId) -> NeighboursOut:
        """The numbers of the inspections before and after one, of whatever model or station."""
        found = await threads.read(lambda connection: neighbours_of(connection, number))
        return NeighboursOut(
            request_id=request_id_of(request.scope), before=found.before, after=found.after
        )

    @router.get(
        "/v1/inspections/{id:int}/picture",
        response_class=Response,
        responses=_PICTURE | _OF_ONE,
    )
    async def get_picture(request: Request, number: InspectionId) -> Response:
        """The kept picture of an inspection."""

        def read(record: Record) -> Response:
            with record.database.reading() as connection:
                inspection = inspection_of(connection, number)
            key = picture_key_of(inspection)
            headers = {"ETag": f'"{key.sha256}"', "Cache-Control": "private, no-cache"}
            if headers["ETag"] in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            picture = record.pictures.read(key)
            if isinstance(picture, RawPicture):
                return Response(png_of(picture), headers=headers, media_type="image/png")
            media_type = _MEDIA_TYPES.get(key.input_format, "application/octet-stream")
            return Response(picture, headers=headers, media_type=media_type)

        return await threads.run(read)

    return router


async def exported(
    threads: RecordThreads, export: Export | PartsExport | AuditCsv, name: str, media_type: str
) -> Response:
    """A file of the record, which is made while it is sent.

    Args:
        threads: work on the record.
        export: makes its parts.
        name: of the file.
        media_type: of the file.
    """
    # A database that is away is a problem of its own as long as nothing is sent.
    first = await threads.read_for_export(export.part)

    async def parts() -> AsyncIterator[bytes]:
        yield first
        while not export.ended:
            yield await threads.read_for_export(export.part)

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(parts(), 200, headers, media_type)
