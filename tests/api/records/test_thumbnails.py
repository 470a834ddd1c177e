"""Thumbnails of kept pictures over REST."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import cv2
import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from takt.api.problems import add_handlers
from takt.api.records.threads import RecordThreads
from takt.api.records.thumbnails import thumbnails_router
from takt.core.batching.memory import MemoryBudget
from takt.core.domain import RawPicture
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import Journal
from takt.recording.pictures import PictureKey, format_of, sha256_of
from takt.recording.record import Record
from tests.api.apps import Caller, until
from tests.recorded import NOON_US, insert_inspections

MOST_PIXELS = 1_000_000


@pytest.fixture
def memory() -> MemoryBudget:
    """As a server has it: small, but enough for the pictures here."""
    return MemoryBudget(64_000_000)


@pytest.fixture
async def app(sqlite_record: Record, memory: MemoryBudget) -> AsyncIterator[FastAPI]:
    """The route alone, without models."""
    app, threads = FastAPI(), RecordThreads(sqlite_record)
    add_handlers(app, Journal(Metrics(1)))
    app.include_router(thumbnails_router(threads, memory, MOST_PIXELS))
    yield app
    threads.close()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://takt") as client:
        yield client


def keep(record: Record, picture: bytes | RawPicture) -> int:
    key = PictureKey(NOON_US, sha256_of(picture), format_of(picture))
    record.pictures.write(key, picture)
    row = {"kept": "near", "picture": True, "input_format": key.input_format}
    return insert_inspections(record, [row | {"sha256": bytes.fromhex(key.sha256)}])[0]


def file_of(width: int, height: int, kind: str = ".jpg", value: int = 90) -> bytes:
    levels = np.full((height, width, 3), (value, 20, 200), np.uint8)
    return cv2.imencode(kind, levels)[1].tobytes()


def pixels_of(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    found = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
@pytest.mark.parametrize(
    ("size", "wanted"), [((1000, 500), (256, 128)), ((60, 700), (22, 256)), ((64, 48), (64, 48))]
)
async def test_a_thumbnail_is_the_picture_of_at_most_256_pixels_a_side(
    client, sqlite_record: Record, kind: str, size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    number = keep(sqlite_record, file_of(*size, kind))
    found = pixels_of(await client.get(f"/v1/inspections/{number}/thumbnail"))
    assert (found.shape[1], found.shape[0]) == wanted
    assert np.abs(found.astype(int) - (90, 20, 200)).max() <= 6


@pytest.mark.parametrize("pixel_format", ["rgb8", "bgr8", "mono8"])
async def test_raw_pixels_have_a_thumbnail(client, sqlite_record: Record, pixel_format) -> None:
    colour = {"rgb8": (200, 20, 90), "bgr8": (90, 20, 200), "mono8": (90,)}[pixel_format]
    raw = RawPicture(bytes(colour) * 600 * 300, 600, 300, pixel_format)
    found = pixels_of(await client.get(f"/v1/inspections/{keep(sqlite_record, raw)}/thumbnail"))
    assert found.shape == (128, 256, 3)
    wanted = (90, 90, 90) if pixel_format == "mono8" else (90, 20, 200)
    assert np.abs(found.astype(int) - wanted).max() <= 6


async def test_an_address_with_the_pictures_hash_is_kept_by_browsers(
    client, sqlite_record: Record
) -> None:
    sent = file_of(300, 300)
    path = f"/v1/inspections/{keep(sqlite_record, sent)}/thumbnail"
    plain = await client.get(path)
    assert plain.headers["cache-control"] == "private, no-cache"
    named = await client.get(path, params={"sha256": sha256_of(sent)})
    assert named.headers["cache-control"] == "private, max-age=86400, immutable"
    assert named.content == plain.content
    again = await client.get(path, headers={"If-None-Match": plain.headers["etag"]})
    assert again.status_code == 304 and again.content == b""


async def test_another_picture_than_the_named_one_is_not_given(
    client, sqlite_record: Record
) -> None:
    path = f"/v1/inspections/{keep(sqlite_record, file_of(300, 300))}/thumbnail"
    answer = await client.get(path, params={"sha256": "0" * 64})
    assert answer.status_code == 404 and "another picture" in answer.json()["detail"]
    assert (await client.get(path, params={"sha256": "0"})).status_code == 422


async def test_what_is_not_kept_is_said(client, sqlite_record: Record) -> None:
    (number,) = insert_inspections(sqlite_record, [{}])
    for path, said in ((number, "is not kept"), (number + 1, "has no inspection")):
        answer = await client.get(f"/v1/inspections/{path}/thumbnail")
        assert answer.status_code == 404 and said in answer.json()["detail"]
        assert answer.json()["code"] == "inspection_not_found"


async def test_a_picture_of_more_pixels_than_the_server_takes_is_refused(
    client, sqlite_record: Record
) -> None:
    number = keep(sqlite_record, file_of(1001, 1000, ".png"))
    answer = await client.get(f"/v1/inspections/{number}/thumbnail")
    assert answer.status_code == 413 and "max_image_pixels" in answer.json()["detail"]


async def test_dozens_at_once_take_no_more_memory_than_there_is(
    client, sqlite_record: Record, memory: MemoryBudget
) -> None:
    path = f"/v1/inspections/{keep(sqlite_record, file_of(1000, 1000, '.png'))}/thumbnail"
    answers = await asyncio.gather(*(client.get(path) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert memory.in_use_bytes == 0


async def test_whoever_has_scrolled_on_waits_for_nothing(
    app: FastAPI, client, sqlite_record: Record, memory: MemoryBudget
) -> None:
    path = f"/v1/inspections/{keep(sqlite_record, file_of(400, 300))}/thumbnail"
    with memory.decoded() as room:
        await room.take(32_000_000)
        waiting = [asyncio.create_task(client.get(path)) for _ in range(2)]
        gone = Caller(app, path=path)
        gone.hang_up()
        await until(lambda: gone.task.done())
        assert not any(task.done() for task in waiting)
    assert [pixels_of(await task).shape for task in waiting] == [(192, 256, 3)] * 2
