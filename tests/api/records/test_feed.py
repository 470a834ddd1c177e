"""Programs keep up with the record over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from takt.api.problems import CALLER_KEY, add_handlers
from takt.api.records import feed as module
from takt.api.records.feed import feed_router
from takt.api.records.threads import RecordThreads
from takt.core.errors import RecordError
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import Journal
from takt.recording.record import Record
from takt.security.caller import ANYONE
from takt.security.credentials import Credentials
from takt.security.guard import Guard
from takt.streaming import listeners as listening
from takt.streaming.listeners import Listeners
from tests.api.apps import SCOPE, until
from tests.recorded import insert_inspections

PATH = "/v1/inspections/feed"


@dataclass
class Served:
    """The route alone, and those who hear its events."""

    app: FastAPI
    client: httpx.AsyncClient
    listeners: Listeners
    guard: Guard

    @asynccontextmanager
    async def events(self, query: str = "", **headers: str) -> AsyncIterator[Stream]:
        """A connection that hears events until the block ends."""
        raw = [(b"accept", b"text/event-stream"), (b"host", b"takt")]
        raw += [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
        scope = {**SCOPE, "method": "GET", "path": PATH, "query_string": query.encode()}
        stream = Stream()
        task = asyncio.create_task(
            self.app({**scope, "headers": raw, CALLER_KEY: ANYONE}, stream.left.get, stream.take)
        )
        yield stream
        stream.left.put_nowait({"type": "http.disconnect"})
        await task


class Stream:
    """What one connection has heard; it takes nothing more while its gate is closed."""

    def __init__(self) -> None:
        self.left: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.status = 0
        self.text = ""
        self.ended = False

    async def take(self, message: Any) -> None:
        await self.gate.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.text += bytes(message["body"]).decode()
        self.ended = not message.get("more_body", False)

    @property
    def heard(self) -> list[int]:
        """The numbers of the inspections, each of which has its own as the event's id."""
        found = []
        for event in self.text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in event.splitlines())
            if lines.get("event") == "inspection":
                assert json.loads(lines["data"])["id"] == int(lines["id"])
                found.append(int(lines["id"]))
        return found


@pytest.fixture
async def served(sqlite_record: Record, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(module, "_LOOK_AGAIN_S", 0.01)
    app, threads = FastAPI(), RecordThreads(sqlite_record)
    add_handlers(app, Journal(Metrics(1)))
    listeners, guard = Listeners(), Guard(Credentials([]))
    app.include_router(feed_router(threads, listeners, guard))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://takt") as client:
        yield Served(app, client, listeners, guard)
    threads.close()


async def test_each_answer_goes_on_where_the_one_before_ended(served, sqlite_record) -> None:
    async def fed(**params: object) -> tuple[list[int], int, bool]:
        answer = (await served.client.get(PATH, params=params)).raise_for_status().json()
        return [one["id"] for one in answer["inspections"]], answer["after"], answer["more"]

    ids = insert_inspections(sqlite_record, [{}] * 3)
    assert await fed() == ([], ids[2], False)
    assert await fed(after=0, limit=2) == (ids[:2], ids[1], True)
    assert await fed(after=ids[1]) == (ids[2:], ids[2], False)
    (new,) = insert_inspections(sqlite_record, [{"station": "north"}])
    assert await fed(after=ids[2], station="south") == ([], new, False)


@pytest.mark.parametrize(
    ("params", "status"),
    [({"after": 99}, 409), ({"after": -1}, 422), ({"cursor": "x"}, 422), ({"limit": 0}, 422)],
)
async def test_what_makes_no_sense_is_refused(served, params, status: int) -> None:
    assert (await served.client.get(PATH, params=params)).status_code == status


async def test_events_go_on_after_the_last_one_that_was_heard(served, sqlite_record) -> None:
    ids = insert_inspections(sqlite_record, [{}] * 2)
    async with served.events("after=0") as stream:
        await until(lambda: stream.heard == ids)
        ids += insert_inspections(sqlite_record, [{}] * 3)
        await until(lambda: stream.heard == ids)
    async with served.events("after=0", last_event_id=str(ids[2])) as stream:
        await until(lambda: stream.heard == ids[3:])
    async with served.events() as stream:
        await until(lambda: stream.status == 200)
        (new,) = insert_inspections(sqlite_record, [{}])
        await until(lambda: stream.heard == [new])


async def test_a_silent_stream_says_where_it_is(served, sqlite_record, monkeypatch) -> None:
    monkeypatch.setattr(module, "_SIGN_OF_LIFE_S", 0.0)
    async with served.events("station=north") as stream:
        await until(lambda: stream.status == 200)
        (new,) = insert_inspections(sqlite_record, [{"station": "south"}])
        await until(lambda: f"id: {new}\n\n" in stream.text)
        assert stream.heard == []


async def test_nothing_is_read_for_a_connection_that_takes_nothing(
    served, sqlite_record, monkeypatch
) -> None:
    reads = 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal reads
        reads += 1
        return feed_of(*arguments, **named)

    feed_of = module.feed_of
    monkeypatch.setattr(module, "feed_of", counted)
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    ids = insert_inspections(sqlite_record, [{}] * 9)
    async with served.events("after=0") as slow:
        slow.gate.clear()
        async with served.events("after=0") as quick:
            await until(lambda: quick.heard == ids)
        assert slow.heard == []
        slow.gate.set()
        await until(lambda: slow.heard == ids)
        # The quick one has read five times and then looked for more; the slow one read once.
        assert reads >= 10


async def test_the_number_of_those_who_hear_is_bounded(served, monkeypatch) -> None:
    monkeypatch.setattr(listening, "MOST_LISTENERS", 1)
    async with served.events() as stream:
        await until(lambda: stream.status == 200)
        async with served.events() as refused:
            await until(lambda: refused.ended)
            assert refused.status == 503
            assert json.loads(refused.text)["code"] == "unavailable"
    async with served.events() as stream:
        await until(lambda: stream.status == 200)
    assert len(served.listeners) == 0


ENDS: dict[str, Callable[[Served], None]] = {
    "the server": lambda served: served.listeners.close(),
    "the key": lambda served: [end() for _, end in served.guard._held.values()] and None,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_events_end_with(served, end: Callable[[Served], None]) -> None:
    async with served.events() as stream:
        await until(lambda: "id: " in stream.text)
        end(served)
        await until(lambda: stream.ended)
    assert stream.status == 200


async def test_a_database_that_goes_away_ends_events_and_is_told_at_the_next_start(
    served, sqlite_record, monkeypatch
) -> None:
    def away(*_: object) -> None:
        raise RecordError("the record cannot be used now")

    async with served.events() as stream:
        await until(lambda: "id: " in stream.text)
        monkeypatch.setattr(sqlite_record.database, "prepare", away)
        await until(lambda: stream.ended)
        async with served.events() as refused:
            await until(lambda: refused.ended)
            assert refused.status == 503
