"""Recorded inspections asked again over REST."""

from __future__ import annotations

import base64
import json
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from sqlalchemy import func, select, update

from takt.recording.record import Record
from takt.recording.tables import inspections, sources
from takt_client.pictures import RawPicture
from tests.api.apps import until
from tests.api.document.operations import operation
from tests.api.document.snapshot import OPENAPI
from tests.api.keys import KEYS, bearer
from tests.api.stream.socket import connect, hear

INSPECT = "/v1/models/parts/inspect"


def count(record: Record) -> int:
    with record.database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(inspections)).scalar_one())


def change(record: Record, table: Any, **values: Any) -> None:
    with record.database.writing() as connection:
        connection.execute(update(table).values(**values))


async def recorded(client: httpx.AsyncClient, record: Record, *pictures: bytes) -> None:
    """Have pictures inspected, and wait until the record has them."""
    for picture in pictures:
        assert (await client.post(INSPECT, content=picture)).status_code == 200
    await until(lambda: count(record) == len(pictures))


def figures(metrics: str, *names: str) -> list[str]:
    return [line for line in metrics.splitlines() if line.startswith(names)]


async def test_a_replay_gives_the_recorded_answer_and_is_no_inspection(
    serve, sqlite_record: Record, bad_part
) -> None:
    async with serve(record=sqlite_record) as client:
        await recorded(client, sqlite_record, bad_part)
        names = ("takt_requests", "takt_record_inspections", "takt_score")
        before = figures((await client.get("/metrics")).text, *names)
        answer = await client.post("/v1/inspections/1/replay")
        after = figures((await client.get("/metrics")).text, *names)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["reproduced"] and body["same_verdict"] and body["same_regions"]
    assert (body["id"], body["model"], body["score_difference"]) == (1, "parts", 0)
    assert body["tolerance"] == {
        "rule": "same_engine",
        "differs": [],
        "score": 1e-6,
        "peak": 1e-6,
    }
    assert body["recorded"] == body["replayed"]
    assert len(body["recorded"]["regions"]) == 1
    assert any('outcome="stored"} 1.0' in line for line in before)
    assert before == after
    assert count(sqlite_record) == 1


async def test_another_score_is_told(serve, sqlite_record: Record, bad_part) -> None:
    async with serve(record=sqlite_record) as client:
        await recorded(client, sqlite_record, bad_part)
        change(sqlite_record, inspections, score=0.75)
        body = (await client.post("/v1/inspections/1/replay")).json()
    assert not body["reproduced"] and not body["same_score"]
    assert body["same_verdict"]


async def test_raw_frames_are_replayed_as_they_came(serve, sqlite_record: Record) -> None:
    async with serve(record=sqlite_record) as client, connect(client) as socket:
        await socket.hello()
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        socket.frame(0, RawPicture(pixels.tobytes(), 64, 48, "bgr8"))
        await hear(socket, 1)
        await until(lambda: count(sqlite_record) == 1)
        body = (await client.post("/v1/inspections/1/replay")).json()
    assert body["reproduced"], body
    assert body["recorded"]["anomalous"]


@pytest.mark.parametrize("kind", ["map", "overlay"])
@pytest.mark.parametrize("picture_format", ["png", "jpeg", "webp"])
async def test_map_and_overlay_are_drawn_as_they_would_have_been(
    serve, sqlite_record: Record, bad_part, kind: str, picture_format: str
) -> None:
    async with serve(record=sqlite_record) as client:
        query = {"heatmap": kind, "format": picture_format}
        wanted = await client.post(
            INSPECT, content=bad_part, params=query, headers={"Accept": f"image/{picture_format}"}
        )
        await until(lambda: count(sqlite_record) == 1)
        thresholds = {"image": 0.9, "pixel": 0.9}
        assert (await client.put("/v1/models/parts/threshold", json=thresholds)).is_success
        drawn = await client.get(f"/v1/inspections/1/{kind}", params={"format": picture_format})
    assert drawn.status_code == 200, drawn.text
    assert drawn.headers["content-type"] == f"image/{picture_format}"
    assert drawn.headers["cache-control"].startswith("private")
    assert drawn.content == wanted.content
    pixels = cv2.imdecode(np.frombuffer(drawn.content, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None and pixels.shape == (48, 64, 3)


async def test_the_map_s_own_values_are_those_of_then(
    serve, sqlite_record: Record, bad_part
) -> None:
    async with serve(record=sqlite_record) as client:
        inspected = await client.post(INSPECT, content=bad_part, params={"heatmap": "raw"})
        await until(lambda: count(sqlite_record) == 1)
        answer = await client.get("/v1/inspections/1/map", params={"format": "npy"})
        refused = await client.get("/v1/inspections/1/overlay", params={"format": "npy"})
    assert answer.content == base64.b64decode(inspected.json()["heatmap"]["data"])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-takt-inspected"] == "0,0,64,48"
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


@pytest.mark.parametrize(
    ("method", "route"), [("POST", "replay"), ("GET", "map"), ("GET", "overlay")]
)
async def test_what_cannot_be_asked_again_is_said(
    serve, sqlite_record: Record, bad_part, picture_bytes, method: str, route: str
) -> None:
    openapi = json.loads(OPENAPI.read_bytes())
    names = {"replay": "replay_inspection", "map": "draw_map", "overlay": "draw_overlay"}
    example = operation(openapi, names[route]).examples(409)["conflict"]["detail"]
    async with serve(record=sqlite_record, keep="rejects", keys=KEYS) as client:

        async def ask(number: int, caller: str = "scraper") -> httpx.Response:
            path = f"/v1/inspections/{number}/{route}"
            return await client.request(method, path, headers=bearer(caller))

        for picture in (bad_part, picture_bytes(50)):
            await client.post(INSPECT, content=picture, headers=bearer("camera"))
        await until(lambda: count(sqlite_record) == 2)
        assert (await ask(1)).status_code == 200
        assert (await ask(1, "camera")).json()["code"] == "insufficient_scope"
        assert (await ask(2)).json()["code"] == "inspection_not_found"
        assert (await ask(3)).json()["code"] == "inspection_not_found"
        assert (await ask(0)).json()["code"] == "invalid_parameter"
        change(sqlite_record, sources, digest="0a" * 32)
        other = await ask(1)
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        assert "bundle 0a0a0a0a0a0a; what has this name now is bundle" in other.json()["detail"]
        change(sqlite_record, inspections, version="9")
        gone = await ask(1)
        assert (gone.status_code, gone.json()["code"]) == (409, "conflict")
        expected = example.replace("inspection 7", "inspection 1").replace("version 1", "version 9")
        assert gone.json()["detail"] == expected


async def test_an_unknown_format_is_refused(serve, sqlite_record: Record, bad_part) -> None:
    async with serve(record=sqlite_record) as client:
        await recorded(client, sqlite_record, bad_part)
        answer = await client.get("/v1/inspections/1/map", params={"format": "gif"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
