"""`GET /v1/inspections/{id}/thumbnail`: kept pictures, small enough to look at hundreds of them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import cv2
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from takt.api.disconnect import CancelOnDisconnect
from takt.api.given import QueryIn
from takt.api.records.filters import InspectionId
from takt.api.records.problems import NO_NUMBER, record_responses
from takt.api.records.search import NO_INSPECTION
from takt.api.records.threads import RecordThreads
from takt.api.schemas import BYTES
from takt.core.batching.memory import MemoryBudget
from takt.core.domain import RawPicture
from takt.core.errors import ImageTooLargeError, InspectionNotFoundError
from takt.core.inspection.weight import weigh
from takt.core.pictures.decode import decode_reduced, from_raw
from takt.core.pictures.prepare import Picture
from takt.recording.pictures import PictureKey
from takt.recording.record import Record
from takt.recording.search.pages import inspection_of
from takt.recording.search.pictures import picture_key_of

LONGEST_SIDE: Final = 256
"""Pixels of a thumbnail's longer side, at most."""

_QUALITY: Final = 80
_AT_ONCE: Final = 2
"""So many are made at a moment: a grid asks for dozens, and judgements use the same threads."""

_ALWAYS: Final = "private, max-age=86400, immutable"
_ASK_AGAIN: Final = "private, no-cache"

_RESPONSES = record_responses(
    NO_INSPECTION,
    ImageTooLargeError(
        "the picture has 12000 × 10000 = 120000000 pixels, more than the 100000000 of the setting "
        "max_image_pixels; send a smaller one or raise the setting"
    ),
    NO_NUMBER,
)
_JPEG: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture, upright, with at most 256 pixels a side.",
        "content": {"image/jpeg": BYTES},
    },
    304: {"description": "The caller has it already."},
}


class ThumbnailIn(QueryIn):
    """Of which picture."""

    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the kept picture, in hex. An address with it is of this very "
        "picture, so that a browser keeps the answer for a day and does not ask.",
    )


def thumbnails_router(threads: RecordThreads, memory: MemoryBudget, max_pixels: int) -> APIRouter:
    """The route that makes thumbnails.

    Args:
        threads: work on the record.
        memory: of pictures in flight, with which the decoded ones count.
        max_pixels: most that a picture may have.
    """
    router = APIRouter(tags=["record"], responses=_RESPONSES)
    turns = asyncio.Semaphore(_AT_ONCE)

    @router.get("/v1/inspections/{id:int}/thumbnail", response_class=Response, responses=_JPEG)
    async def get_thumbnail(
        request: Request, number: InspectionId, query: Annotated[ThumbnailIn, Query()]
    ) -> Response:
        """The kept picture of an inspection, reduced to at most 256 pixels a side."""
        key = await threads.run(lambda record: _key(record, number, query.sha256))
        headers = {
            "ETag": f'"{key.sha256}-{LONGEST_SIDE}"',
            "Cache-Control": _ASK_AGAIN if query.sha256 is None else _ALWAYS,
        }
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        async with CancelOnDisconnect(request) as disconnect:
            # Whoever scrolls on wants none of those that were asked for a moment ago.
            disconnect.watch()
            await turns.acquire()
        try:
            return Response(await made(key), headers=headers, media_type="image/jpeg")
        finally:
            turns.release()

    async def made(key: PictureKey) -> bytes:
        picture = await threads.run(lambda record: record.pictures.read(key))
        with memory.decoded() as room:
            await room.take(weigh(picture, max_pixels).decoding_bytes)
            return await threads.run(lambda _: thumbnail_of(picture, max_pixels))

    return router


def thumbnail_of(picture: Picture, max_pixels: int) -> bytes:
    r"""A JPEG of a picture, upright, that fits into a square of LONGEST_SIDE; never enlarged.

    >>> grey = RawPicture(bytes(6), width=3, height=2, format="mono8")
    >>> thumbnail_of(grey, max_pixels=6)[:2]
    b'\xff\xd8'

    Raises:
        RequestError: the picture cannot be decoded, or has more than `max_pixels`.
    """
    if isinstance(picture, RawPicture):
        levels = from_raw(picture, max_pixels)
    else:
        levels = decode_reduced(picture, max_pixels, LONGEST_SIDE)
    height, width = levels.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    small: cv2.typing.MatLike = levels
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(levels, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def _key(record: Record, number: int, wanted: str | None) -> PictureKey:
    with record.database.reading() as connection:
        key = picture_key_of(inspection_of(connection, number))
    if wanted not in (None, key.sha256):
        raise InspectionNotFoundError(
            f"inspection {number} has another picture than {wanted}; ask for its facts again"
        )
    return key
