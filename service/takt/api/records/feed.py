"""`GET /v1/inspections/feed`: every inspection once, as JSON now and then, or as events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy import Connection
from starlette.types import Receive, Scope, Send

from takt.api.json_body import JsonAnswer
from takt.api.problems import caller_of
from takt.api.records.filters import FiltersIn
from takt.api.records.problems import record_responses
from takt.api.records.schemas import FeedOut
from takt.api.records.threads import RecordThreads
from takt.core.errors import (
    ConflictError,
    InvalidParameterError,
    NotReadyError,
    RecordError,
    UnavailableError,
)
from takt.recording.search.feed import Feed, feed_of, settled_end
from takt.recording.search.filters import Filters
from takt.recording.search.json_form import json_of
from takt.recording.search.pages import MOST_ON_A_PAGE
from takt.security.guard import Guard
from takt.streaming.listeners import Listener, Listeners

EVENTS: Final = "text/event-stream"

_LOOK_AGAIN_S: Final = 0.5
_SIGN_OF_LIFE_S: Final = 15.0
"""Time after which a silent stream says where it is, as proxies cut what is silent for a minute."""
_COME_AGAIN_MS: Final = 2000
"""Time after which an `EventSource` whose stream has ended comes again."""
_AT_ONCE: Final = 100
"""Most events of one reading; they wait in memory until the connection takes them."""
_MOST_NUMBER: Final = 2**63 - 1

_FOREIGN = ConflictError(
    "after: the record ends at 12, before 5000: that number is of another record, or the last "
    "moments went with the power. Go on with after=12, or with after=0"
)
_FULL = UnavailableError("32 programs hear events already; end one, or ask for JSON now and then")
_CLOSING = NotReadyError("the server is closing; ask another one, or this one again soon")
_NO_NUMBER = InvalidParameterError("after: Input should be greater than or equal to 0")
_RESPONSES = record_responses(_FOREIGN, _FULL, _CLOSING, _NO_NUMBER)
_FED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What came, the lowest number first; with `Accept: text/event-stream` as "
        "events without an end, whose ids are the numbers.",
        "content": {EVENTS: {"schema": {"type": "string"}}},
    }
}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


class FeedIn(FiltersIn):
    """Where a feed goes on."""

    after: int | None = Field(
        None,
        ge=0,
        le=_MOST_NUMBER,
        description="`after` of the answer before, or the last number that was heard; 0 for all "
        "that the record has. Without, what comes from now on.",
    )
    limit: int = Field(
        100, ge=1, le=MOST_ON_A_PAGE, description="Most inspections of an answer; not for events."
    )


@dataclass(frozen=True, slots=True)
class _Follower:
    """Tells one program what comes.

    Attributes:
        threads: of the record.
        listeners: all who hear events.
        guard: knows when a key is revoked.
        filters: what it wants.
    """

    threads: RecordThreads
    listeners: Listeners
    guard: Guard
    filters: Filters

    async def begin(self, after: int | None, limit: int) -> Feed:
        """What there is after a number; nothing where there is none, but where to go on."""

        def read(connection: Connection) -> Feed:
            if after is None:
                return Feed((), settled_end(connection), more=False)
            return feed_of(connection, self.filters, after=after, limit=limit)

        return await self.threads.read(read)

    async def events(self, listener: Listener, feed: Feed) -> AsyncGenerator[bytes]:
        """Events from what there is on; nothing is read while the connection takes none."""
        loop = asyncio.get_running_loop()
        yield b"retry: %d\n" % _COME_AGAIN_MS + _position(feed.after)
        told_s = loop.time()
        while True:
            if feed.inspections:
                yield b"".join(_events_of(feed))
                told_s = loop.time()
            elif loop.time() >= told_s + _SIGN_OF_LIFE_S:
                yield _position(feed.after)
                told_s = loop.time()
            if not feed.more:
                await listener.wait(_LOOK_AGAIN_S)
            if listener.ended:
                return
            try:
                feed = await self.begin(feed.after, _AT_ONCE)
            except (RecordError, ConflictError):
                # It comes again with the last id, and is then told what is wrong.
                return


class _EventsAnswer(StreamingResponse):
    """Tells one program what comes, for as long as its connection, its key and the server last.

    Args:
        follower: reads what comes.
        feed: what there is.
    """

    def __init__(self, follower: _Follower, feed: Feed) -> None:
        super().__init__((), 200, _HEADERS, EVENTS)
        self._follower = follower
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the bound is asked before anything is sent.

        Raises:
            UnavailableError, NotReadyError: there is no room for one more.
        """
        follower = self._follower
        with (
            follower.listeners.join() as listener,
            follower.guard.hold(caller_of(scope), listener.end),
        ):
            async with contextlib.aclosing(follower.events(listener, self._feed)) as events:
                self.body_iterator = events
                await super().__call__(scope, receive, send)


def _position(after: int) -> bytes:
    """Tells an `EventSource` where to go on, without an event."""
    return b"id: %d\n\n" % after


def _events_of(feed: Feed) -> Iterator[bytes]:
    for one in feed.inspections:
        yield b"id: %d\nevent: inspection\ndata: %b\n\n" % (one.id, orjson.dumps(json_of(one)))


def feed_router(threads: RecordThreads, listeners: Listeners, guard: Guard) -> APIRouter:
    """The route by which programs keep up with the record.

    Args:
        threads: of the record.
        listeners: all who hear events.
        guard: knows when a caller's key is revoked.
    """
    router = APIRouter(tags=["record"], responses=_RESPONSES)

    @router.get("/v1/inspections/feed", response_model=FeedOut, responses=_FED)
    async def feed_inspections(
        request: Request,
        query: Annotated[FeedIn, Query()],
        last_event_id: Annotated[
            int | None,
            Header(ge=0, le=_MOST_NUMBER, description="As `after`, which it goes before."),
        ] = None,
    ) -> Response:
        """What was recorded after a number: each inspection once, in the order of its number."""
        after = query.after if last_event_id is None else last_event_id
        follower = _Follower(threads, listeners, guard, query.filters())
        if EVENTS in request.headers.get("accept", ""):
            feed = await follower.begin(after, _AT_ONCE)
            return _EventsAnswer(follower, feed)
        feed = await follower.begin(after, query.limit)
        body = {
            "inspections": [json_of(one) for one in feed.inspections],
            "after": feed.after,
            "more": feed.more,
        }
        return JsonAnswer(orjson.dumps(body))

    return router
