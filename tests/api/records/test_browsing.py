"""What a grid and a calendar get over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from takt.api.problems import add_handlers
from takt.api.records.browsing import RecentOut, TilesOut, browsing_router
from takt.api.records.threads import RecordThreads
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import Journal
from takt.recording.record import Record
from tests.recorded import NOON_US, insert_inspections

A_DAY = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}


@pytest.fixture
async def client(sqlite_record: Record) -> AsyncIterator[httpx.AsyncClient]:
    """The routes alone, without models."""
    app, threads = FastAPI(), RecordThreads(sqlite_record)
    add_handlers(app, Journal(Metrics(1)))
    app.include_router(browsing_router(threads))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://takt") as client:
        yield client
    threads.close()


async def test_tiles_come_in_pages_with_their_number(client, sqlite_record: Record) -> None:
    ids = insert_inspections(sqlite_record, [{"kept": "near"}, {}, {"kept": "sample"}])
    query = {"kept": "any", "limit": 1, "count": True}
    first = (await client.get("/v1/review/tiles", params=query)).json()
    TilesOut.model_validate(first)
    assert [tile["id"] for tile in first["tiles"]] == [ids[2]] and first["count"] == 2
    query = {"kept": "any", "limit": 2000, "cursor": first["next"]}
    second = (await client.get("/v1/review/tiles", params=query)).json()
    assert [tile["id"] for tile in second["tiles"]] == [ids[0]]
    assert second["next"] is None and second["count"] is None


async def test_a_calendar_counts_days_of_the_reader(client, sqlite_record: Record) -> None:
    insert_inspections(sqlite_record, [{"kept": "near"}, {"kept": "reject", "judgement": "good"}])
    answer = await client.get("/v1/review/calendar", params=A_DAY | {"offset_minutes": 720})
    assert answer.json()["days"] == [
        {
            "day": "2026-03-02",
            "rejects": 1,
            "near": 1,
            "samples": 0,
            "judged": 1,
            "unreviewed": 1,
        }
    ]


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("tiles", {"limit": 2001}, "limit"),
        ("tiles", {"cursor": "x"}, "cursor"),
        ("tiles", {"fields": "id"}, "fields"),
        ("calendar", {"offset_minutes": 841}, "offset_minutes"),
        ("calendar", {"since": "-500d"}, "400 days"),
        ("calendar", {"version": "2"}, "name the model"),
    ],
)
async def test_a_query_that_is_not_understood_is_refused(client, path, query, said) -> None:
    answer = await client.get(f"/v1/review/{path}", params=query)
    assert answer.status_code == 422 and said in answer.json()["detail"]


async def test_how_far_back_recent_pictures_reach_is_told_for_each_station(
    client, sqlite_record: Record
) -> None:
    recent = {"kept": "recent", "picture": True, "input_bytes": 10}
    nothing = (await client.get("/v1/review/recent")).json()
    assert (nothing["oldest"], nothing["since"], nothing["pictures"]) == (None, None, 0)
    rows = [
        *({"station": "north", "at_us": NOON_US + minute * 60_000_000} for minute in (5, 9)),
        {"at_us": NOON_US + 7 * 60_000_000},
        {"station": "north", "at_us": NOON_US, "judgement": "defect"},
    ]
    insert_inspections(sqlite_record, [recent | row for row in rows])
    found = (await client.get("/v1/review/recent")).json()
    RecentOut.model_validate(found)
    assert (found["pictures"], found["bytes"]) == (3, 30)
    assert found["oldest"] == "2026-03-01T12:05:00Z"
    # From then on every station's are there.
    assert found["since"] == "2026-03-01T12:07:00Z"
    assert found["stations"] == [
        {"station": "north", "oldest": "2026-03-01T12:05:00Z", "pictures": 2, "bytes": 20},
        {"station": None, "oldest": "2026-03-01T12:07:00Z", "pictures": 1, "bytes": 10},
    ]
