"""Answers that wait for the record: over every protocol, kept on the disk or not given."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from takt.core.bundles.bundle import Bundle
from takt.core.errors import ConfigurationError, RecordError
from takt.recording import writer
from takt.recording.record import Record
from takt.recording.tables import inspections, parts
from tests.api.multiview.conftest import RECIPE, save, send
from tests.api.oip.requests import INFER, in_json
from tests.api.stream.socket import connect

REST = "/v1/models/parts/inspect"
FIRST = {"commit_before_answer": True}


@dataclass(frozen=True)
class Answer:
    """What one of the protocols has said: 200 or the code of its error, and what by."""

    said: str
    protocol: str


Ask = Callable[[httpx.AsyncClient, bytes], Awaitable[Answer]]


async def by_rest(client: httpx.AsyncClient, picture: bytes) -> Answer:
    return _of_http(await client.post(REST, content=picture), "rest")


async def by_oip(client: httpx.AsyncClient, picture: bytes) -> Answer:
    response = await client.post(INFER, json=in_json([picture]))
    if response.status_code == 503:
        # Its errors have no code.
        assert "is not in the record" in response.json()["error"]
        return Answer("record_unavailable", "oip")
    return _of_http(response, "oip")


async def by_view(client: httpx.AsyncClient, picture: bytes) -> Answer:
    return _of_http(await send(client, "A", "top", picture), "rest")


async def by_stream(client: httpx.AsyncClient, picture: bytes) -> Answer:
    async with connect(client) as socket:
        await socket.hello()
        socket.frame(0, picture)
        return _of_message(await socket.hear())


async def by_stream_of_views(client: httpx.AsyncClient, picture: bytes) -> Answer:
    async with connect(client) as socket:
        await socket.hello()
        socket.say("view", part="A", view="top", recipe="bracket")
        socket.frame(0, picture)
        return _of_message(await socket.hear())


def _of_http(response: httpx.Response, protocol: str) -> Answer:
    if response.status_code == 200:
        return Answer("200", protocol)
    assert response.status_code == 503
    return Answer(response.json()["code"], protocol)


def _of_message(message: dict[str, Any]) -> Answer:
    return Answer("200" if message["type"] == "answer" else message["code"], "stream")


every_way = pytest.mark.parametrize(
    "ask", [by_rest, by_oip, by_view, by_stream, by_stream_of_views], ids=lambda one: one.__name__
)


def rows(record: Record) -> list[Any]:
    with record.database.reading() as connection:
        return list(connection.execute(select(inspections).order_by(inspections.c.id)))


def kept_files(record: Record) -> int:
    return sum(1 for _ in record.pictures.files())


@contextmanager
def locked(record: Record) -> Iterator[None]:
    """Somebody else writes into the database, and does not end."""
    other = sqlite3.connect(record.folder / "record.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a lock for long; it has to be there before the record is opened."""
    monkeypatch.setattr("takt.recording.database._BUSY_S", 0.01)
    monkeypatch.setattr("takt.recording.writer._AGAIN_S", 0.0)


@every_way
async def test_an_inspection_and_its_picture_are_in_the_record_when_its_answer_comes(
    serve, bundle: Bundle, sqlite_record: Record, bad_part: bytes, ask: Ask
) -> None:
    async with serve(record=sqlite_record, **FIRST) as client:
        await save(client)
        answer = await ask(client, bad_part)
        (row,) = rows(sqlite_record)
        assert (answer.said, row.protocol) == ("200", answer.protocol)
        assert (row.kept, row.picture, kept_files(sqlite_record)) == ("reject", True, 1)
    assert len(rows(sqlite_record)) == 1


@every_way
async def test_what_the_database_does_not_take_has_an_error_and_no_answer_until_it_does(
    impatient, serve, bundle: Bundle, sqlite_record: Record, bad_part: bytes, ask: Ask
) -> None:
    async with serve(record=sqlite_record, **FIRST) as client:
        # The server's own writers are as impatient with each other.
        while (await client.put("/v1/recipes/bracket", json=RECIPE)).status_code == 503:
            pass
        with locked(sqlite_record):
            assert (await ask(client, bad_part)).said == "record_unavailable"
        # Its view was not taken, and may be sent again.
        while (again := await ask(client, bad_part)).said != "200":
            assert again.said == "record_unavailable"
        metrics = (await client.get("/metrics")).text
    # One that was being committed as its caller was refused may be there all the same.
    assert 1 <= len(rows(sqlite_record)) <= 2
    assert 'takt_record_inspections_total{outcome="lost"} 0.0' in metrics


async def test_an_answer_waits_for_a_silent_database_no_longer_than_its_request_allows(
    serve, sqlite_record: Record, bad_part: bytes
) -> None:
    async with serve(record=sqlite_record, **FIRST) as client:
        await client.post(REST, content=bad_part)
        with locked(sqlite_record):
            refused = await client.post(f"{REST}?timeout_ms=100", content=bad_part)
            assert refused.status_code == 503
            assert "was not committed within 0." in refused.json()["detail"]
        await client.post(REST, content=bad_part)
    # Only what was answered is there; nobody stores behind a caller's back what it was denied.
    assert len(rows(sqlite_record)) <= 3


async def test_a_picture_that_the_disk_does_not_take_has_no_answer(
    serve, sqlite_record: Record, bad_part: bytes, picture_bytes
) -> None:
    async with serve(record=sqlite_record, keep="rejects", **FIRST) as client:
        sqlite_record.pictures.folder.write_bytes(b"no folder can be made here")
        refused = await client.post(REST, content=bad_part)
        assert (refused.status_code, refused.json()["code"]) == (503, "record_unavailable")
        assert "the disk does not take its picture" in refused.json()["detail"]
        # A rule keeps none of this one.
        assert (await client.post(REST, content=picture_bytes(50))).status_code == 200
    assert [row.picture for row in rows(sqlite_record)] == [False]


async def test_the_result_of_a_part_is_in_the_record_when_its_last_view_is_answered(
    serve, bundle: Bundle, sqlite_record: Record, bad_part: bytes, picture_bytes
) -> None:
    async with serve(record=sqlite_record, **FIRST) as client:
        await save(client)
        await send(client, "A", "top", picture_bytes(50))
        last = (await send(client, "A", "side", bad_part)).json()
        assert stored_parts(sqlite_record) == [(last["number"], "defect")]
        await send(client, "B", "top", picture_bytes(50))
        ended = (await client.post("/v1/parts/B/end")).json()["part"]
        assert stored_parts(sqlite_record)[1:] == [(ended["number"], "undecided")]


def stored_parts(record: Record) -> list[tuple[int, str]]:
    with record.database.reading() as connection:
        found = connection.execute(select(parts.c.number, parts.c.verdict).order_by(parts.c.number))
        return [tuple(one) for one in found]


async def test_a_part_whose_result_the_record_does_not_take_is_told_once_it_has_it(
    serve, bundle: Bundle, sqlite_record: Record, picture_bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, away = writer.insert_parts, [RecordError("the record has gone")]

    def goes_away(*given: Any, **more: Any) -> None:
        if away:
            raise away.pop()
        insert(*given, **more)

    monkeypatch.setattr(writer, "insert_parts", goes_away)
    async with serve(record=sqlite_record, **FIRST) as client:
        await save(client)
        await send(client, "A", "top", picture_bytes(50))
        last = await send(client, "A", "side", picture_bytes(50))
        assert (last.status_code, last.json()["code"]) == (503, "record_unavailable")
        assert "ask for the part again" in last.json()["detail"]
        while (found := await client.get("/v1/parts/A")).status_code == 503:
            pass
        assert found.json()["part"]["result"]["verdict"] == "good"
        assert [verdict for _, verdict in stored_parts(sqlite_record)] == ["good"]


async def test_a_server_without_a_record_is_refused_the_setting(serve) -> None:
    with pytest.raises(ConfigurationError, match="record=none keeps none"):
        async with serve(**FIRST):
            pass


async def test_pictures_are_on_the_disk_before_their_rows_are(
    serve, sqlite_record: Record, bad_part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = "takt.recording.pictures.os.fsync"
    folder = str(sqlite_record.pictures.folder)

    def note(descriptor: int) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if f"{path}/".startswith(f"{folder}/"):
            synced.append(path)

    monkeypatch.setattr(fsync, note)
    async with serve(record=sqlite_record, keep="rejects", **FIRST) as client:
        await client.post(REST, content=bad_part)
        (file,) = [path for path, _ in sqlite_record.pictures.files()]
        day = Path(folder, file).parent
        assert Path(synced[0]).name.startswith(f".{Path(file).name}.")
        assert set(synced[1:]) == {str(one) for one in (day, *day.parents[:3])}
        # The same picture again was perhaps written by somebody who did not wait.
        synced.clear()
        await client.post(REST, content=bad_part)
        assert synced == [str(day / Path(file).name), str(day)]
