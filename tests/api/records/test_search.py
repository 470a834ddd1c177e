"""Reading the record over REST."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI

from takt.api.problems import add_handlers
from takt.api.records.problems import NO_RECORD
from takt.api.records.search import search_router
from takt.api.records.threads import RecordThreads
from takt.core.domain import RawPicture
from takt.core.errors import RecordError
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import Journal
from takt.recording.pictures import PictureKey, format_of, sha256_of
from takt.recording.record import Record
from takt.recording.search.exports import export as exporting
from takt.recording.search.stored import COLUMNS
from tests.api.apps import SCOPE, until
from tests.api.document.operations import operation
from tests.api.document.snapshot import OPENAPI
from tests.api.keys import KEYS, WITH_SCOPE, bearer
from tests.recorded import NOON_US, insert_inspections

GREY = RawPicture(bytes(range(12)), width=4, height=3, format="mono8")


@pytest.fixture
async def client(sqlite_record: Record) -> AsyncIterator[httpx.AsyncClient]:
    """The routes of the record alone, without models."""
    app, threads = FastAPI(), RecordThreads(sqlite_record)
    add_handlers(app, Journal(Metrics(1)))
    app.include_router(search_router(threads))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://takt") as client:
        yield client
    threads.close()


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """The committed document, which another test compares with the server."""
    document: dict[str, Any] = json.loads(OPENAPI.read_bytes())
    return document


def a_line(record: Record, count: int = 5) -> list[int]:
    """Inspections of one part after another, each second one a reject; the oldest first."""
    return insert_inspections(
        record,
        [
            {
                "at_us": NOON_US + number,
                "part": f"P{number}",
                "anomalous": number % 2 == 1,
                "score": number / 10,
            }
            for number in range(count)
        ],
    )


def ids_of(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["inspections"]]


async def test_pages_go_on_where_the_one_before_ended(client, sqlite_record: Record) -> None:
    ids = a_line(sqlite_record)
    first = await client.get("/v1/inspections", params={"limit": 2})
    assert ids_of(first) == [ids[4], ids[3]]
    assert first.json()["count"] is None
    second = await client.get(
        "/v1/inspections", params={"limit": 3, "cursor": first.json()["next"], "count": True}
    )
    assert ids_of(second) == [ids[2], ids[1], ids[0]]
    assert second.json()["next"] is None and second.json()["count"] == 5


async def test_the_neighbours_of_an_inspection_are_told(client, sqlite_record: Record) -> None:
    first, second, *_, last = a_line(sqlite_record)
    answer = await client.get(f"/v1/inspections/{first}/neighbours")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["before"], answer.json()["after"]) == (None, second)
    answer = await client.get(f"/v1/inspections/{last}/neighbours")
    assert (answer.json()["before"], answer.json()["after"]) == (last - 1, None)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"verdict": "reject"}, [3, 1]),
        ({"score_min": 0.3, "verdict": "pass"}, [4]),
        ({"part": "P2"}, [2]),
        ({"since": "2026-03-01T13:00:00.000003+01:00"}, [4, 3]),
        ({"until": "2026-03-01T12:00:00.000001Z"}, [0]),
        ({"since": "-1h"}, []),
        ({"model": "nut"}, []),
        ({"judgement": "none", "kept": "any"}, []),
    ],
)
async def test_filters_choose(
    client, sqlite_record: Record, query: dict[str, Any], wanted: list[int]
) -> None:
    ids = a_line(sqlite_record)
    assert ids_of(await client.get("/v1/inspections", params=query)) == [ids[k] for k in wanted]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"versions": "1"}, "versions"),
        ({"from": "-1h"}, "from"),
        ({"verdict": "bad"}, "verdict"),
        ({"limit": 1001}, "limit"),
        ({"cursor": "abc"}, "cursor"),
        ({"since": "yesterday"}, "-24h"),
        ({"score_min": "nan"}, "score_min"),
        ({"station": "a\0"}, "control characters"),
        ({"version": "2"}, "name the model"),
    ],
)
async def test_a_query_that_is_not_understood_is_refused(client, query, said: str) -> None:
    answer = await client.get("/v1/inspections", params=query)
    assert answer.status_code == 422 and said in answer.json()["detail"]


async def test_one_inspection_has_what_the_document_says(
    client, sqlite_record: Record, openapi
) -> None:
    (number,) = insert_inspections(
        sqlite_record, [{"regions": '[{"box":[1,2,3,4],"area":9,"peak":0.75}]'}]
    )
    answer = (await client.get(f"/v1/inspections/{number}")).json()
    schema = openapi["components"]["schemas"]["StoredInspectionOut"]
    assert list(answer) == list(schema["properties"]) == schema["required"]
    assert answer["regions"] == [{"box": [1, 2, 3, 4], "area": 9, "peak": 0.75}]
    assert answer["at"] == "2026-03-01T12:00:00.000000Z"
    for column in COLUMNS:
        assert schema["properties"][column.name]["description"].startswith(column.meaning)


@pytest.mark.parametrize("path", ["7", "7/picture"])
async def test_an_inspection_that_is_not_there_is_the_example(client, openapi, path) -> None:
    answer = await client.get(f"/v1/inspections/{path}")
    example = operation(openapi, "get_inspection").examples(404)["inspection_not_found"]
    assert answer.status_code == 404 and answer.json()["detail"] == example["detail"]


async def test_what_is_no_number_is_refused(client, openapi) -> None:
    example = operation(openapi, "get_inspection").examples(422)["invalid_parameter"]
    answer = await client.get("/v1/inspections/0")
    assert answer.status_code == 422 and answer.json()["detail"] == example["detail"]
    assert (await client.get(f"/v1/inspections/{2**63}")).status_code == 422
    assert (await client.get("/v1/inspections/x")).status_code == 404


def keep(record: Record, picture: bytes | RawPicture) -> int:
    key = PictureKey(NOON_US, sha256_of(picture), format_of(picture))
    record.pictures.write(key, picture)
    row = {
        "kept": "near",
        "picture": True,
        "sha256": bytes.fromhex(key.sha256),
        "input_format": key.input_format,
    }
    (number,) = insert_inspections(record, [row])
    return number


async def test_a_picture_comes_back_as_it_came(serve, sqlite_record: Record, picture_bytes) -> None:
    sent = picture_bytes(50)
    async with serve(record=sqlite_record, retain="days=36500") as client:
        answer = await client.get(f"/v1/inspections/{keep(sqlite_record, sent)}/picture")
    assert answer.content == sent
    assert answer.headers["content-type"] == f"image/{format_of(sent)}"
    assert answer.headers.get_list("cache-control") == ["private, no-cache"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_raw_pixels_come_as_png(client, sqlite_record: Record) -> None:
    answer = await client.get(f"/v1/inspections/{keep(sqlite_record, GREY)}/picture")
    assert answer.headers["content-type"] == "image/png" and answer.content[:4] == b"\x89PNG"


async def test_a_picture_that_the_caller_has_is_not_sent_again(
    client, sqlite_record: Record
) -> None:
    path = f"/v1/inspections/{keep(sqlite_record, GREY)}/picture"
    tag = (await client.get(path)).headers["etag"]
    again = await client.get(path, headers={"If-None-Match": tag})
    assert again.status_code == 304 and again.content == b""
    assert (await client.get(path, headers={"If-None-Match": '"x"'})).status_code == 200


async def test_a_picture_that_is_not_kept_is_said(client, sqlite_record: Record) -> None:
    (number,) = insert_inspections(sqlite_record, [{}])
    answer = await client.get(f"/v1/inspections/{number}/picture")
    assert answer.status_code == 404 and "is not kept" in answer.json()["detail"]


async def test_exports_have_every_inspection_in_each_format(
    client, sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_CHUNK", 2)
    ids = a_line(sqlite_record)[::-1]

    async def exported(wanted: str) -> httpx.Response:
        answer = await client.get("/v1/inspections/export", params={"format": wanted})
        assert answer.status_code == 200
        name = f'attachment; filename="inspections.{wanted}"'
        assert answer.headers["content-disposition"] == name
        return answer

    lines = list(csv.DictReader(io.StringIO((await exported("csv")).text)))
    assert [int(line["id"]) for line in lines] == ids
    objects = [json.loads(line) for line in (await exported("jsonl")).text.splitlines()]
    assert [one["id"] for one in objects] == ids
    table = pq.read_table(io.BytesIO((await exported("parquet")).content))
    assert table["id"].to_pylist() == ids


@pytest.mark.parametrize("wanted", ["csv", "jsonl"])
async def test_an_export_has_what_its_filters_want(
    client, sqlite_record: Record, wanted: str
) -> None:
    at = [NOON_US + hours * 3_600_000_000 for hours in (0, 0, 0, 2)]
    rows = [
        {"station": "press-1", "anomalous": True, "part": "wanted"},
        {"station": "press-2", "anomalous": True},
        {"station": "press-1"},
        {"station": "press-1", "anomalous": True},
    ]
    insert_inspections(
        sqlite_record, [row | {"at_us": at_us} for row, at_us in zip(rows, at, strict=True)]
    )
    times = {"since": "2026-03-01T12:00:00Z", "until": "2026-03-01T13:00:00Z"}
    query = {"format": wanted, "station": "press-1", "verdict": "reject", **times}
    text = (await client.get("/v1/inspections/export", params=query)).text
    lines = text.splitlines()[1:] if wanted == "csv" else text.splitlines()
    assert len(lines) == 1 and "wanted" in lines[0]


async def test_a_format_whose_package_is_missing_is_refused_with_what_to_install(
    client, sqlite_record, monkeypatch
) -> None:
    a_line(sqlite_record)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = await client.get("/v1/inspections/export", params={"format": "parquet"})
    assert (answer.status_code, answer.json()["code"]) == (501, "not_installed")
    assert "pip install 'pyarrow" in answer.json()["detail"]


async def test_an_export_without_a_format_is_refused(client) -> None:
    answer = await client.get("/v1/inspections/export")
    assert answer.status_code == 422 and "format" in answer.json()["detail"]


async def test_who_hangs_up_during_an_export_leaves_nothing_behind(
    serve, sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_line(sqlite_record, 200)
    monkeypatch.setattr(exporting, "_CHUNK", 1)
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if len(sent) == 3:
            await asyncio.Event().wait()  # The reader takes nothing more.

    scope = {
        **SCOPE,
        "method": "GET",
        "path": "/v1/inspections/export",
        "query_string": b"format=jsonl",
    }
    async with serve(record=sqlite_record) as client:
        app = client._transport.app
        exported = asyncio.create_task(app(scope, messages.get, send))
        messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        await until(lambda: len(sent) == 3)
        # While it waits for its reader, it holds no connection, and pages are answered.
        pool: Any = sqlite_record.database._engine.pool
        await until(lambda: pool.checkedout() == 0)
        assert len(ids_of(await client.get("/v1/inspections"))) == 100
        messages.put_nowait({"type": "http.disconnect"})
        await until(exported.done)
        assert len(sent) == 3


async def test_without_a_record_every_route_says_so(serve) -> None:
    async with serve() as client:
        for path in ("", "/7", "/7/picture", "/export?format=csv"):
            answer = await client.get(f"/v1/inspections{path}")
            assert answer.status_code == 404 and answer.json()["code"] == "no_record"
            assert answer.json()["detail"] == str(NO_RECORD)


async def test_a_database_that_is_away_is_503(
    client, sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise RecordError("the record cannot be used now")

    monkeypatch.setattr(sqlite_record.database, "reading", away)
    for path in ("", "/7", "/7/picture", "/export?format=csv"):
        answer = await client.get(f"/v1/inspections{path}")
        assert answer.status_code == 503 and answer.json()["code"] == "record_unavailable"


async def test_the_record_is_for_those_who_may_read(serve, sqlite_record: Record) -> None:
    async with serve(record=sqlite_record, keys=KEYS) as client:
        for scope, name in WITH_SCOPE.items():
            answer = await client.get("/v1/inspections", headers=bearer(name))
            assert answer.status_code == (200 if scope == "read" else 403)
