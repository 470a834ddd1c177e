"""What the record has of pictures that came by each protocol."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from takt.recording.record import Record
from takt.recording.tables import inspections, sources
from takt_client.pictures import RawPicture
from tests.api.keys import KEYS, bearer
from tests.api.oip.requests import INFER, in_json
from tests.api.stream.socket import connect, hear

REST = "/v1/models/parts/inspect"


def rows(record: Record) -> list[Any]:
    with record.database.reading() as connection:
        return list(connection.execute(select(inspections).order_by(inspections.c.id)))


async def test_a_picture_by_rest_is_recorded_as_it_was_answered(
    serve, sqlite_record: Record, bad_part
) -> None:
    async with serve(record=sqlite_record) as client:
        answer = (await client.post(REST, content=bad_part)).json()
        metrics = (await client.get("/metrics")).text
    (row,) = rows(sqlite_record)
    assert row.request_id == answer["request_id"]
    assert (row.model, row.version, row.protocol) == ("parts", "1", "rest")
    assert (row.score, row.threshold) == (answer["score"], answer["threshold"])
    assert row.anomalous and json.loads(row.regions) == answer["regions"]
    assert row.total_ms == pytest.approx(answer["timings_ms"]["total"], abs=1e-3)
    assert row.sha256 == hashlib.sha256(bad_part).digest()
    (file,) = [path for path, _ in sqlite_record.pictures.files()]
    assert (sqlite_record.pictures.folder / file).read_bytes() == bad_part
    assert "takt_record_up" in metrics
    with sqlite_record.database.reading() as connection:
        (source,) = connection.execute(select(sources)).all()
    assert len(source.digest) == 64
    assert source.processor


async def test_a_server_without_a_record_says_nothing_of_one(serve, bad_part) -> None:
    async with serve() as client:
        await client.post(REST, content=bad_part, headers={"X-Takt-Part": "A-17"})
        assert "takt_record" not in (await client.get("/metrics")).text


async def test_headers_and_query_say_what_the_part_is_and_the_query_counts_first(
    serve, sqlite_record: Record, bad_part
) -> None:
    headers = {
        "X-Takt-Station": "press 3",
        "X-Takt-Part": "from the header",
        "X-Takt-Tags": "shift=2, camera=left",
    }
    async with serve(record=sqlite_record) as client:
        query = "part=A-17&lot=L%201&tags=camera%3Dright"
        response = await client.post(f"{REST}?{query}", content=bad_part, headers=headers)
        assert response.status_code == 200
    (row,) = rows(sqlite_record)
    assert (row.station, row.part, row.lot) == ("press 3", "A-17", "L 1")
    assert json.loads(row.tags) == {"shift": "2", "camera": "right"}


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("part=", {}),
        (f"part={'x' * 129}", {}),
        ("station=a%00b", {}),
        ("tags=shift", {}),
        ("tags=" + ",".join(f"k{n}=v" for n in range(17)), {}),
        ("", {"X-Takt-Part": "x" * 129}),
        ("", {"X-Takt-Tags": "shift"}),
    ],
)
async def test_a_label_that_cannot_be_recorded_is_refused(
    serve, sqlite_record: Record, bad_part, query: str, headers: dict[str, str]
) -> None:
    async with serve(record=sqlite_record) as client:
        response = await client.post(f"{REST}?{query}", content=bad_part, headers=headers)
        assert (response.status_code, response.json()["code"]) == (422, "invalid_parameter")
    assert rows(sqlite_record) == []


async def test_who_asked_is_recorded_by_the_name_of_the_key(
    serve, sqlite_record: Record, bad_part
) -> None:
    async with serve(record=sqlite_record, keys=KEYS) as client:
        await client.post(REST, content=bad_part, headers=bearer("camera"))
    (row,) = rows(sqlite_record)
    assert row.caller == "camera"


async def test_frames_are_recorded_with_what_was_said_before_them(
    serve, sqlite_record: Record, picture_bytes
) -> None:
    recorded = serve(record=sqlite_record, keep="sample=1")
    async with recorded as client, connect(client) as socket:
        await socket.hello(station="press 3", lot="L1", tags={"shift": "2"})
        socket.frame(0, picture_bytes(50))
        socket.say("part", **{"part": "A-17"})
        socket.frame(1, picture_bytes(60))
        socket.frame(2, RawPicture(np.full((48, 64), 200, np.uint8).tobytes(), 64, 48, "mono8"))
        socket.say("part", **{"part": "A-18", "lot": "L2", "tags": {"shift": "3"}})
        socket.frame(3, picture_bytes(70))
        await hear(socket, 4)
    found = rows(sqlite_record)
    assert [(row.station, row.part, row.lot) for row in found] == [
        ("press 3", None, "L1"),
        ("press 3", "A-17", "L1"),
        ("press 3", "A-17", "L1"),
        ("press 3", "A-18", "L2"),
    ]
    assert [json.loads(row.tags)["shift"] for row in found] == ["2", "2", "2", "3"]
    assert [row.input_format for row in found] == ["png", "png", "mono8", "png"]
    assert all(row.picture and row.protocol == "stream" for row in found)
    assert found[0].sha256 == hashlib.sha256(picture_bytes(50)).digest()


async def test_a_part_message_that_is_not_understood_ends_the_stream(
    serve, sqlite_record: Record
) -> None:
    async with serve(record=sqlite_record) as client, connect(client) as socket:
        await socket.hello()
        socket.say("part", **{"prat": "A-17"})
        error = await socket.hear()
        assert (error["type"], error["code"]) == ("error", "invalid_parameter")


async def test_each_picture_of_the_open_inference_protocol_is_recorded(
    serve, sqlite_record: Record, bad_part, picture_bytes
) -> None:
    pictures = [bad_part, picture_bytes(50)]
    async with serve(record=sqlite_record) as client:
        response = await client.post(
            INFER, json=in_json(pictures), headers={"X-Takt-Station": "press 3"}
        )
        assert response.status_code == 200
    found = rows(sqlite_record)
    assert [row.sha256 for row in found] == [hashlib.sha256(one).digest() for one in pictures]
    assert {(row.station, row.protocol) for row in found} == {("press 3", "oip")}


async def test_a_label_by_the_open_inference_protocol_is_refused_before_anything_is_inspected(
    serve, sqlite_record: Record, bad_part
) -> None:
    async with serve(record=sqlite_record) as client:
        headers = {"X-Takt-Station": "x" * 129}
        response = await client.post(INFER, json=in_json([bad_part]), headers=headers)
        assert response.status_code == 422
    assert rows(sqlite_record) == []


async def test_each_picture_counts_for_its_station_without_a_record_as_well(
    serve, bad_part, picture_bytes
) -> None:
    press, good = {"X-Takt-Station": "press 3"}, picture_bytes(50)
    async with serve() as client:
        await client.post(REST, content=bad_part, headers=press)
        await client.post(REST, content=good, params={"station": "press 3"})
        await client.post(REST, content=good)
        await client.post(INFER, json=in_json([bad_part, good]), headers=press)
        async with connect(client) as socket:
            await socket.hello(station="press 4")
            socket.frame(0, bad_part)
            await hear(socket, 1)
        metrics = (await client.get("/metrics")).text
    counted = {
        line.partition("station=")[2]: float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("takt_station_pictures_total{")
    }
    assert counted == {
        '"press 3",verdict="anomalous"} 2.0': 2,
        '"press 3",verdict="good"} 2.0': 2,
        '"press 3",verdict="undecided"} 0.0': 0,
        '"press 4",verdict="anomalous"} 1.0': 1,
        '"press 4",verdict="good"} 0.0': 0,
        '"press 4",verdict="undecided"} 0.0': 0,
    }


async def test_a_wrong_keep_is_refused_at_the_start(serve, sqlite_record: Record) -> None:
    with pytest.raises(Exception, match="sample=NUMBER"):
        async with serve(record=sqlite_record, keep="everything"):
            pass
