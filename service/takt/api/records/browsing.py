"""`GET /v1/review/tiles`, `…/calendar` and `…/recent`: what there is to look through."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from takt.api.json_body import JsonAnswer
from takt.api.problems import request_id_of
from takt.api.records.filters import FiltersIn, Text
from takt.api.records.problems import NO_VERSION, record_responses
from takt.api.records.schemas import Moment
from takt.api.records.search import PageIn
from takt.api.records.threads import RecordThreads
from takt.api.schemas import ReplyOut, Schema
from takt.core.domain import VerdictName, Witness
from takt.recording.keeping import Chosen
from takt.recording.recent import RecentPictures, recent_pictures
from takt.recording.review.calendar import MOST_DAYS, USUAL_DAYS, calendar
from takt.recording.review.judging import JudgementWord
from takt.recording.search.cursor import Cursor
from takt.recording.search.pages import MOST_COUNTED, count_of
from takt.recording.search.tiles import MOST_TILES, tiles_of
from takt.recording.search.times import time_of

_MOST_OFFSET_MINUTES = 14 * 60
_MOST_STATIONS = 1000


class TilesIn(PageIn):
    """A page of tiles."""

    limit: int = Field(200, ge=1, le=MOST_TILES, description="Most tiles of the page.")


class CalendarIn(FiltersIn):
    """Which inspections, and what a day is."""

    since: Text | None = Field(
        None,
        description=f"As elsewhere, at most {MOST_DAYS} days before `until`; else {USUAL_DAYS}.",
    )
    offset_minutes: int = Field(
        0,
        ge=-_MOST_OFFSET_MINUTES,
        le=_MOST_OFFSET_MINUTES,
        description="Of the days from UTC, to the east: 60 for +01:00.",
    )


class TilePartOut(Schema):
    """What is said of the part that a picture is a view of."""

    number: int = Field(description="Tells the part from others of its id.")
    view: str = Field(description="That the picture shows.")
    verdict: VerdictName = Field(description="On the part.")
    reason: str | None = Field(description="Why it is undecided; null where it is not.")
    decided_by: str | None = Field(description="View that decided; null where all are good.")
    witness: Witness | None = Field(
        description="What decided that this view is a defect; null where the part is none."
    )


class TileOut(Schema):
    """What a grid shows of an inspection."""

    id: int = Field(description="Number of the inspection in this record.")
    at: datetime = Field(description="When it was answered.")
    anomalous: bool = Field(description="Whether it was rejected.")
    verdict: VerdictName = Field(description="In a word.")
    score: float
    threshold: float = Field(description="Of the score, that was in force.")
    width: int = Field(description="Of the picture, upright, in pixels.")
    height: int = Field(description="Of the picture, upright, in pixels.")
    boxes: list[Annotated[list[int], Field(min_length=4, max_length=4)]] = Field(
        description="The first eight regions: x, y, width and height in pixels."
    )
    part: str | None = Field(description="Part id that the caller named.")
    of_part: TilePartOut | None = Field(
        description="Of the part whose view it is; null where it is no view of one, or the part "
        "has no result yet."
    )
    kept: Chosen | None = Field(
        description="Why the picture was chosen to be kept; null where nothing has chosen it, "
        "though it may be there for a while."
    )
    judgement: JudgementWord | None = Field(description="The latest one.")
    picture: str | None = Field(
        description="SHA-256 of the picture, by which a thumbnail is asked for; null where none "
        "is kept."
    )


class TilesOut(Schema):
    """A page of tiles."""

    tiles: list[TileOut] = Field(description="The newest first.")
    next: str | None = Field(description="`cursor` of the next page; null where nothing is left.")
    count: int | None = Field(
        description=f"How many the filters want; {MOST_COUNTED} stands for that many or more. "
        "Null unless asked for."
    )


class ReviewDayOut(Schema):
    """What was kept on a day."""

    day: date
    rejects: int = Field(description="Kept as rejects.")
    near: int = Field(description="Kept since their scores were near the threshold.")
    samples: int = Field(description="Kept by chance.")
    judged: int = Field(description="Of all these, those that somebody has judged.")
    unreviewed: int = Field(description="Those that nobody has judged.")


class CalendarOut(ReplyOut):
    """What was kept, by days."""

    days: list[ReviewDayOut] = Field(description="Oldest first; none on which nothing was kept.")


class StationRecentOut(Schema):
    """Recent pictures of a station."""

    station: str | None = Field(description="Its name; null where callers name none.")
    oldest: Moment = Field(
        validation_alias="oldest_us", description="When the oldest one was answered."
    )
    pictures: int
    bytes: int = Field(description="Of all of them as they came.")


class RecentOut(ReplyOut):
    """How far back the pictures of all parts can be looked at, whatever the verdict was."""

    oldest: datetime | None = Field(description="Of all stations; null where there is none.")
    since: datetime | None = Field(
        description="From then on every station's are there: the oldest one of the station whose "
        "pictures reach back the least. Null where there is none."
    )
    pictures: int = Field(description="That are there as recent ones alone.")
    bytes: int = Field(description="Of all of them as they came.")
    stations: list[StationRecentOut] = Field(
        description=f"That of the most bytes first, {_MOST_STATIONS} at most."
    )


def browsing_router(threads: RecordThreads) -> APIRouter:
    """The routes of a grid and of a calendar.

    Args:
        threads: work on the record.
    """
    router = APIRouter(tags=["record"], responses=record_responses(NO_VERSION))

    @router.get("/v1/review/tiles", response_model=TilesOut)
    async def list_tiles(query: Annotated[TilesIn, Query()]) -> Response:
        """The newest inspections that the filters want, with what a grid shows of them.

        The same inspections as those of `GET /v1/inspections`, in fewer bytes.
        """
        filters = query.filters()
        after = None if query.cursor is None else Cursor.parse(query.cursor)

        def found(connection: Connection) -> bytes:
            page = tiles_of(connection, filters, limit=query.limit, after=after)
            return orjson.dumps(
                {
                    "tiles": page.tiles,
                    "next": None if page.next is None else page.next.text,
                    "count": count_of(connection, filters) if query.count else None,
                }
            )

        return JsonAnswer(await threads.read(found))

    @router.get("/v1/review/calendar")
    async def get_calendar(request: Request, query: Annotated[CalendarIn, Query()]) -> CalendarOut:
        """What was kept on each day, and how much of it nobody has judged."""
        filters, offset = query.filters(), query.offset_minutes
        days = await threads.run(
            lambda record: calendar(record.database, filters, offset_minutes=offset)
        )
        return CalendarOut(
            request_id=request_id_of(request.scope),
            days=[ReviewDayOut.model_validate(day) for day in days],
        )

    @router.get("/v1/review/recent")
    async def get_recent(request: Request) -> RecentOut:
        """How far back the last pictures of every station reach, whatever the verdict was.

        They are there for a while, within `recent_gb` of the setting `retain`; `kept=recent` finds
        them. What is judged or pinned stays and is not counted here.
        """
        return _recent(request, await threads.read(recent_pictures))

    return router


def _recent(request: Request, found: RecentPictures) -> RecentOut:
    shortest = found.shortest
    return RecentOut(
        request_id=request_id_of(request.scope),
        oldest=None if found.oldest_us is None else time_of(found.oldest_us),
        since=None if shortest is None else time_of(shortest.oldest_us),
        pictures=found.pictures,
        bytes=found.bytes,
        stations=[StationRecentOut.model_validate(one) for one in found.stations[:_MOST_STATIONS]],
    )
