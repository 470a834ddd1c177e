"""What a learning takes for pictures of good parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from takt.core.domain import RawPicture
from takt.learning.folder import PictureBounds
from takt.recording.record import Record
from tests.api.learning.jobs import desk_of, given, kept, made
from tests.recorded import insert_inspections


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "invalid_image"),
        (b"GIF89a" + bytes(64), 415, "unsupported_image"),
        (b"\xff\xd8\xff\xe0" + bytes(64), 400, "invalid_image"),
    ],
)
async def test_what_is_no_picture_is_refused(
    serve_learning, data: bytes, status: int, code: str
) -> None:
    async with serve_learning() as client:
        path = await made(client)
        refused = await client.post(f"{path}/pictures", content=data)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert (await client.get(path)).json()["pictures"] == 0


async def test_a_picture_that_is_cut_short_is_refused(serve_learning, picture_bytes) -> None:
    async with serve_learning() as client:
        path = await made(client)
        refused = await client.post(f"{path}/pictures", content=picture_bytes(50)[:-30])
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_image")


async def test_names_of_files_stay_within_the_folder(
    serve_learning, data_folder: Path, picture_bytes
) -> None:
    async with serve_learning() as client:
        path = await made(client)
        for level, name in enumerate(("../../a b.jpg", "<b>ä</b>", "", ".hidden")):
            asked = {"name": name}
            sent = picture_bytes(level)
            answer = await client.post(f"{path}/pictures", params=asked, content=sent)
            assert answer.json()["pictures"] == level + 1
        files = sorted(one.name for one in data_folder.glob("learning/*/pictures/*"))
        long = await client.post(f"{path}/pictures", params={"name": "a" * 257}, content=sent)
        assert long.status_code == 422
    assert files == ["0001-a_b.png", "0002-b_.png", "0003-.png", "0004-.hidden.png"]


async def test_pictures_are_bounded(
    serve_learning, picture_bytes: Callable[..., bytes], data_folder: Path
) -> None:
    size = len(picture_bytes(1))
    async with serve_learning() as client:
        for bounds, says in (
            (PictureBounds(10**6, pictures=1, left_bytes=0), "as many as may be"),
            (PictureBounds(10**6, bytes=size + 9, left_bytes=0), "send smaller files"),
            (PictureBounds(10**6, left_bytes=1 << 60), "make room there"),
        ):
            desk_of(client).bounds = bounds
            path = await made(client)
            sent = [picture_bytes(level) for level in (1, 2)]
            answers = [await client.post(f"{path}/pictures", content=one) for one in sent]
            assert answers[1].status_code == 507
            assert answers[1].json()["code"] == "no_room"
            assert says in answers[1].json()["detail"]
            assert len([*data_folder.glob("learning/*/pictures/*")]) <= 1
            await client.delete(path)


async def test_a_learning_that_nobody_made_takes_none(serve_learning, picture_bytes) -> None:
    async with serve_learning() as client:
        for method, path in (
            ("POST", "/v1/learning/7/pictures"),
            ("POST", "/v1/learning/7/pictures/from-record"),
            ("POST", "/v1/learning/7/start"),
            ("GET", "/v1/learning/7"),
            ("DELETE", "/v1/learning/7"),
        ):
            refused = await client.request(method, path, content=picture_bytes(1))
            assert (refused.status_code, refused.json()["code"]) == (404, "learning_not_found")


async def test_pictures_that_were_judged_good_come_from_the_record(
    serve_learning, sqlite_record: Record, picture_bytes
) -> None:
    grey = RawPicture(bytes(64 * 48), width=64, height=48, format="mono8")
    rows = [
        kept(sqlite_record, picture_bytes(1), judgement="good"),
        kept(sqlite_record, picture_bytes(1), judgement="good"),
        kept(sqlite_record, grey, judgement="good"),
        kept(sqlite_record, picture_bytes(2), judgement="defect"),
        kept(sqlite_record, picture_bytes(3)),
        kept(sqlite_record, picture_bytes(4), judgement="good", model="bolt"),
        {"model": "nut", "judgement": "good"},
    ]
    insert_inspections(sqlite_record, rows)
    async with serve_learning(record=sqlite_record) as client:
        path = await made(client)
        found = (await client.post(f"{path}/pictures/from-record")).json()
        assert found.pop("request_id")
        assert found == {
            "new": 2,
            "pictures": 2,
            "bytes": found["bytes"],
            "duplicates": 1,
            "missing": 1,
            "unread": 0,
            "gathered": None,
            "full": None,
        }
        other = await client.post(f"{path}/pictures/from-record", params={"model": "bolt"})
        assert other.json()["new"] == 1
        asked = {"judgement": "none", "verdict": "pass"}
        passed = await client.post(f"{path}/pictures/from-record", params=asked)
        assert passed.json()["new"] == 1
        bad = await client.post(f"{path}/pictures/from-record", params={"judgement": "defect"})
        assert bad.status_code == 422


async def test_what_finds_no_room_is_told(
    serve_learning, sqlite_record: Record, picture_bytes
) -> None:
    rows = [kept(sqlite_record, picture_bytes(n), judgement="good") for n in range(3)]
    insert_inspections(sqlite_record, rows)
    async with serve_learning(record=sqlite_record) as client:
        desk_of(client).bounds = PictureBounds(10**6, pictures=2, left_bytes=0)
        path = await made(client)
        found = (await client.post(f"{path}/pictures/from-record")).json()
        assert found["new"] == 2
        assert "as many as may be" in found["full"]


async def test_a_recorded_picture_that_is_too_large_by_now_keeps_no_other_from_coming(
    serve_learning, sqlite_record, picture_bytes
) -> None:
    large = cv2.imencode(".png", np.zeros((400, 400, 3), np.uint8))[1].tobytes()
    rows = [kept(sqlite_record, one, judgement="good") for one in (picture_bytes(1), large)]
    insert_inspections(sqlite_record, rows)
    async with serve_learning(record=sqlite_record, max_image_pixels=100_000) as client:
        path = await made(client)
        answer = await client.post(f"{path}/pictures/from-record")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["new"], found["unread"], found["missing"]) == (1, 1, 0)


async def test_a_recorded_picture_that_is_damaged_keeps_no_other_from_coming(
    serve_learning, sqlite_record, picture_bytes
) -> None:
    rows = [kept(sqlite_record, picture_bytes(level), judgement="good") for level in (1, 2)]
    insert_inspections(sqlite_record, rows)
    next(sqlite_record.pictures.folder.rglob("*.png")).write_bytes(b"")
    async with serve_learning(record=sqlite_record) as client:
        path = await made(client)
        answer = await client.post(f"{path}/pictures/from-record")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["new"], found["unread"], found["missing"]) == (1, 1, 0)


async def test_without_a_record_none_comes_from_it(serve_learning, picture_bytes) -> None:
    async with serve_learning() as client:
        path = await made(client)
        await given(client, path, picture_bytes(1))
        refused = await client.post(f"{path}/pictures/from-record")
        assert (refused.status_code, refused.json()["code"]) == (404, "no_record")
