"""Learnings of an app in process, as tests need them."""

from __future__ import annotations

import time
from typing import Any

import httpx

from takt.learning.desk import LearningDesk
from takt.learning.job import LearningState
from takt.recording.pictures import PictureKey, format_of, sha256_of
from takt.recording.record import Record
from tests.api.apps import until

LEARNING = "/v1/learning"


def desk_of(client: httpx.AsyncClient) -> LearningDesk:
    transport: Any = client._transport
    (part,) = (one for one in transport.app.state.parts if one.name == "learning")
    (begin,) = part.once_leading
    desk: Any = begin.__self__  # type: ignore[attr-defined]
    assert isinstance(desk, LearningDesk)
    return desk


async def made(client: httpx.AsyncClient, **wish: Any) -> str:
    """The path of a new learning."""
    answer = await client.post(LEARNING, json={"model": "nut"} | wish)
    assert answer.status_code == 201, answer.text
    return f"{LEARNING}/{answer.json()['id']}"


async def given(client: httpx.AsyncClient, path: str, *pictures: bytes) -> None:
    for number, picture in enumerate(pictures):
        asked = {"name": f"part {number}.png"}
        answer = await client.post(f"{path}/pictures", params=asked, content=picture)
        assert answer.status_code == 200, answer.text


async def started(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(f"{path}/start")
    assert answer.status_code == 200, answer.text


async def once(client: httpx.AsyncClient, path: str, state: LearningState) -> dict[str, Any]:
    """What a learning says once it is in a state."""
    job = desk_of(client).job(path.rpartition("/")[2])
    await until(lambda: job.state == state)
    body: dict[str, Any] = (await client.get(path)).json()
    return body


def kept(record: Record, picture: Any, /, **row: Any) -> dict[str, Any]:
    """A row of an inspection whose picture is kept."""
    now_us = time.time_ns() // 1000  # retention lets go of older ones
    key = PictureKey(now_us, sha256_of(picture), format_of(picture))
    record.pictures.write(key, picture)
    facts = {"sha256": bytes.fromhex(key.sha256), "input_format": key.input_format}
    return {"at_us": now_us, "model": "nut", "kept": "sample", "picture": True, **facts, **row}
