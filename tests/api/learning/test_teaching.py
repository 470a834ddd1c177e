"""A model is taught by what people have judged: from the record to the version."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from takt.core.bundles.bundle import CHECKPOINT
from takt.core.judged import read_judged
from takt.learning.folder import PictureBounds
from takt.recording.audit.chain import entries_of
from takt.recording.pictures import PictureStore
from takt.recording.record import Record
from takt.recording.review.history import history
from takt.recording.review.judging import NewJudgement, judge
from takt.recording.search.pages import inspection_of
from takt.recording.search.pictures import picture_key_of
from tests.api.apps import until
from tests.api.keys import KEYS, bearer
from tests.api.learning.jobs import LEARNING, desk_of, kept, made, once, started
from tests.fake_learn import FIT, PLAN, RESULT, STAGES, TAUGHT, learning
from tests.recorded import insert_inspections

TAUGHT_RESULT = RESULT | {"model": "nut", "version": "2", "taught": TAUGHT}
TEACHING = learning(PLAN, FIT, TAUGHT_RESULT)


def copies_to(folder: Path, *events: dict[str, Any]) -> tuple[str, ...]:
    """A command that keeps what it gets, and tells events."""
    then = (
        "import pathlib, shutil\n"
        f"kept = pathlib.Path({str(folder)!r})\n"
        "shutil.copytree(sys.argv[sys.argv.index('--teach') + 1], kept / 'given')\n"
        "(kept / 'arguments').write_text(repr(sys.argv[1:]))"
    )
    return learning(*events, then=then)


def file_of(record: Record, number: int) -> Path:
    with record.database.reading() as connection:
        return record.pictures.folder / picture_key_of(inspection_of(connection, number)).path


@pytest.fixture(autouse=True)
def bank(make_bundle) -> Any:
    """The active version of `nut`, which can be taught."""
    return make_bundle("nut", family="patchcore", kept={CHECKPOINT: b"a bank"})


@pytest.fixture
def judged(sqlite_record: Record, picture_bytes) -> dict[str, int]:
    """Inspections of `nut` by what they are; the active version is 1."""
    rows = {
        "scratch": kept(sqlite_record, picture_bytes(1), anomalous=False),
        "dent": kept(sqlite_record, picture_bytes(2), anomalous=True),
        "good": kept(sqlite_record, picture_bytes(3), anomalous=True),
        "gone": kept(sqlite_record, picture_bytes(9), picture=False),
        "passed": kept(sqlite_record, picture_bytes(4)),
        "near": kept(sqlite_record, picture_bytes(5), kept="near"),
        "passed again": kept(sqlite_record, picture_bytes(4)),
        "judged elsewhere": kept(sqlite_record, picture_bytes(3)),
        "rejected": kept(sqlite_record, picture_bytes(6), anomalous=True),
        "former": kept(sqlite_record, picture_bytes(7), version="0"),
        "other": kept(sqlite_record, picture_bytes(8), model="bolt"),
    }
    ids = insert_inspections(sqlite_record, [{"model": "nut"} | row for row in rows.values()])
    found = dict(zip(rows, ids, strict=True))
    for name, word, kind in (
        ("scratch", "defect", "scratch"),
        ("dent", "defect", "dent"),
        ("good", "good", None),
        ("gone", "defect", None),
    ):
        said = NewJudgement(word, "ann", kind)  # type: ignore[arg-type]
        judge(sqlite_record.database, [found[name]], said)
    return found


class SlowPictures:
    """Holds a record's pictures back until a test lets them be read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.free = threading.Event(), threading.Event()
        read = PictureStore.read

        def slow(store: PictureStore, key: Any) -> Any:
            self.asked.set()
            assert self.free.wait(30)
            return read(store, key)

        monkeypatch.setattr(PictureStore, "read", slow)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowPictures]:
    pictures = SlowPictures(monkeypatch)
    yield pictures
    pictures.free.set()


async def teaching(client: httpx.AsyncClient, **wish: Any) -> str:
    return await made(client, model="nut", teach=True, **wish)


async def test_one_start_gathers_what_was_judged_and_makes_a_version(
    serve_learning, sqlite_record: Record, judged, tmp_path: Path, data_folder: Path
) -> None:
    command = copies_to(tmp_path / "kept", PLAN, FIT, TAUGHT_RESULT)
    async with serve_learning(command, record=sqlite_record) as client:
        path = await teaching(client, alpha=0.05)
        await started(client, path)
        done = await once(client, path, "done")
        await until(lambda: not any((data_folder / "learning").iterdir()))

    given = tmp_path / "kept/given"
    assert [(one.inspection, one.judgement, one.kind) for one in read_judged(given)] == [
        (judged["scratch"], "defect", "scratch"),
        (judged["dent"], "defect", "dent"),
        (judged["good"], "good", None),
    ]
    passed = sorted(int(one.stem.removeprefix("inspection-")) for one in given.glob("passed/*"))
    assert passed == [judged["near"], judged["passed again"]]
    arguments = eval((tmp_path / "kept/arguments").read_text())
    asked = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert (asked["--update"], asked["--alpha"]) == ("nut", "0.05")
    assert not {"--good", "--model"} & asked.keys()

    assert (done["teach"], done["update"]) == (True, True)
    assert done["gathered"] == {"defects": 2, "good": 1, "passed": 2}
    assert done["pictures"] == 5
    assert done["stages"] == ["gather", *STAGES]
    assert done["learned"]["taught"] == TAUGHT


async def test_another_learning_was_taught_nothing(serve_learning, picture_bytes) -> None:
    async with serve_learning() as client:
        path = await made(client)
        await client.post(f"{path}/pictures", content=picture_bytes(1))
        await started(client, path)
        done = await once(client, path, "done")
    assert (done["teach"], done["gathered"], done["learned"]["taught"]) == (False, None, None)


async def test_what_is_gathered_before_the_start_is_told_and_taken(
    serve_learning, sqlite_record: Record, judged
) -> None:
    async with serve_learning(TEACHING, record=sqlite_record) as client:
        path = await teaching(client)
        found = (await client.post(f"{path}/pictures/from-record")).json()
        assert found == {
            "request_id": found["request_id"],
            "new": 5,
            "pictures": 5,
            "bytes": found["bytes"],
            "duplicates": 0,
            "missing": 1,
            "unread": 0,
            "gathered": {"defects": 2, "good": 1, "passed": 2},
            "full": None,
        }
        again = (await client.post(f"{path}/pictures/from-record")).json()
        assert again | {"request_id": ""} == found | {"request_id": ""}
        collecting = (await client.get(path)).json()
        assert (collecting["state"], collecting["pictures"]) == ("collecting", 5)
        await started(client, path)
        assert (await once(client, path, "done"))["gathered"] == found["gathered"]


async def test_a_teaching_takes_no_single_pictures_and_no_filters(
    serve_learning, sqlite_record: Record, judged, picture_bytes
) -> None:
    async with serve_learning(record=sqlite_record) as client:
        path = await teaching(client)
        refused = await client.post(f"{path}/pictures", content=picture_bytes(1))
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert f"POST {path}/pictures/from-record" in refused.json()["detail"]
        for asked in ({"station": "3"}, {"since": "-1d"}, {"judgement": "good"}):
            (name,) = asked
            chosen = await client.post(f"{path}/pictures/from-record", params=asked)
            assert chosen.status_code == 422
            assert chosen.json()["detail"].startswith(f"{name}: ")


async def test_without_a_judged_defect_nothing_is_taught(
    serve_learning, sqlite_record: Record, picture_bytes
) -> None:
    (good,) = insert_inspections(
        sqlite_record, [kept(sqlite_record, picture_bytes(1), model="nut")]
    )
    async with serve_learning(TEACHING, record=sqlite_record) as client:
        path = await teaching(client)
        for word in (None, "good"):
            if word is not None:
                judge(sqlite_record.database, [good], NewJudgement("good", "ann"))
            for asked in (f"{path}/start", f"{path}/pictures/from-record"):
                refused = await client.post(asked)
                assert refused.status_code == 409
                assert "judge some first" in refused.json()["detail"]
        assert (await client.get(path)).json()["state"] == "collecting"


async def test_a_wish_that_no_teaching_meets_is_refused(
    serve_learning, sqlite_record: Record
) -> None:
    async with serve_learning(record=sqlite_record) as client:
        for wish in ({"family": "efficientad"}, {"size": "64"}, {"minutes": 3}):
            refused = await client.post(LEARNING, json={"model": "nut", "teach": True} | wish)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")
            assert "leave family, size and minutes out" in refused.json()["detail"]
        other = await client.post(LEARNING, json={"model": "parts", "teach": True})
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        assert "only a patchcore can be taught" in other.json()["detail"]
        none = await client.post(LEARNING, json={"model": "bolt", "teach": True})
        assert (none.status_code, none.json()["code"]) == (404, "model_not_found")


async def test_a_server_without_a_record_teaches_nothing(serve_learning) -> None:
    async with serve_learning() as client:
        refused = await client.post(LEARNING, json={"model": "nut", "teach": True})
        assert (refused.status_code, refused.json()["code"]) == (404, "no_record")
        counted = await client.get("/v1/review/teachable", params={"model": "nut"})
        assert (counted.status_code, counted.json()["code"]) == (404, "no_record")


async def test_a_teaching_that_failed_takes_what_was_judged_meanwhile(
    serve_learning, sqlite_record: Record, judged, data_folder: Path
) -> None:
    says = "print('Error: too few good ones', file=sys.stderr)"
    async with serve_learning(learning(then=says, code=1), record=sqlite_record) as client:
        path = await teaching(client)
        await started(client, path)
        failed = await once(client, path, "failed")
        assert (failed["error"], failed["gathered"]) == ("too few good ones", None)
        assert not [*data_folder.glob("learning/*/pictures/*")]
        judge(sqlite_record.database, [judged["passed"]], NewJudgement("good", "ann"))
        desk_of(client).command = TEACHING
        await started(client, path)
        done = await once(client, path, "done")
    assert done["gathered"] == {"defects": 2, "good": 2, "passed": 1}


async def test_what_cannot_be_gathered_after_the_start_fails_with_the_reason(
    serve_learning, sqlite_record: Record, judged, data_folder: Path
) -> None:
    async with serve_learning(TEACHING, record=sqlite_record) as client:
        path = await teaching(client)
        for name in ("scratch", "dent"):
            file_of(sqlite_record, judged[name]).unlink()
        await started(client, path)
        failed = await once(client, path, "failed")
        assert "judge some first" in failed["error"]
        assert not [*data_folder.glob("learning/*/gathered")]


async def test_ending_a_teaching_while_it_gathers_leaves_nothing_behind(
    serve_learning, sqlite_record: Record, judged, slow: SlowPictures, data_folder: Path
) -> None:
    async with serve_learning(TEACHING, record=sqlite_record) as client:
        path = await teaching(client)
        await started(client, path)
        await until(slow.asked.is_set)
        job = (await client.get(path)).json()
        assert (job["state"], job["stage"]) == ("running", "gather")
        assert job["detail"] == "0 of 3 pictures"
        refused = await client.post(f"{path}/pictures/from-record")
        assert refused.status_code == 409
        ending = asyncio.create_task(client.delete(path))
        slow.free.set()
        assert (await ending).json()["state"] == "cancelled"
        assert not any((data_folder / "learning").iterdir())
        assert len(history(sqlite_record.database, judged["dent"]).standing) == 1


async def test_the_end_of_the_server_ends_the_gathering_too(
    serve_learning, sqlite_record: Record, judged, slow: SlowPictures, data_folder: Path
) -> None:
    async with serve_learning(TEACHING, record=sqlite_record) as client:
        path = await teaching(client)
        asked = asyncio.create_task(client.post(f"{path}/pictures/from-record"))
        await until(slow.asked.is_set)
        slow.free.set()
    assert not any((data_folder / "learning").iterdir())
    await asyncio.wait({asked})


async def test_while_pictures_are_gathered_nothing_else_begins_with_them(
    serve_learning, sqlite_record: Record, judged, slow: SlowPictures
) -> None:
    async with serve_learning(TEACHING, record=sqlite_record) as client:
        path = await teaching(client)
        gathering = asyncio.create_task(client.post(f"{path}/pictures/from-record"))
        await until(slow.asked.is_set)
        for asked in (f"{path}/start", f"{path}/pictures/from-record"):
            refused = await client.post(asked)
            assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
            assert "are being gathered" in refused.json()["detail"]
        assert (await client.get(LEARNING)).json()["obstacles"] == []
        slow.free.set()
        assert (await gathering).json()["gathered"]["defects"] == 2
        await started(client, path)
        await once(client, path, "done")


async def test_what_finds_no_room_is_told_and_the_latest_are_taken(
    serve_learning, sqlite_record: Record, judged
) -> None:
    judge(sqlite_record.database, [judged["dent"]], NewJudgement("defect", "bob"))
    async with serve_learning(TEACHING, record=sqlite_record) as client:
        desk_of(client).bounds = PictureBounds(10**6, pictures=1, left_bytes=0)
        path = await teaching(client)
        found = (await client.post(f"{path}/pictures/from-record")).json()
        assert found["gathered"] == {"defects": 1, "good": 0, "passed": 2}
        assert found["full"].startswith("2 pictures that were judged before all others")
        await client.delete(path)
        desk_of(client).bounds = PictureBounds(10**6, left_bytes=1 << 60)
        path = await teaching(client)
        refused = await client.post(f"{path}/pictures/from-record")
        assert (refused.status_code, refused.json()["code"]) == (507, "no_room")


async def test_only_this_user_reads_what_was_gathered(
    serve_learning, sqlite_record: Record, judged, data_folder: Path
) -> None:
    async with serve_learning(TEACHING, record=sqlite_record) as client:
        path = await teaching(client)
        await client.post(f"{path}/pictures/from-record")
        (folder,) = data_folder.glob("learning/*")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [*folder.glob("pictures/defect/*")]


async def test_the_audit_log_tells_who_has_taught_with_how_many_judgements(
    serve_learning, sqlite_record: Record, judged
) -> None:
    async with serve_learning(TEACHING, keys=KEYS, record=sqlite_record) as client:
        client.headers.update(bearer("leader"))
        path = await teaching(client)
        await started(client, path)
        await once(client, path, "done")
    told = [one for one in entries_of(sqlite_record.database) if one.who == "leader"]
    assert [(one.action, one.model) for one in told] == [
        ("learning_started", "nut"),
        ("version_learned", "nut"),
    ]
    begun, ended = (json.loads(one.new or "{}") for one in told)
    assert (begun["teach"], begun["defects"], begun["good"]) == (True, 2, 1)
    assert ended == {"pictures": 5, "teach": True, "defects": 2, "good": 1, "passed": 2}


async def test_what_there_is_to_teach_with_is_counted(
    serve_learning, sqlite_record: Record, judged
) -> None:
    async with serve_learning(record=sqlite_record) as client:
        found = (await client.get("/v1/review/teachable", params={"model": "nut"})).json()
        assert found == {
            "request_id": found["request_id"],
            "model": "nut",
            "version": "1",
            "made_at": "2026-01-01T00:00:00+00:00",
            "defects": 2,
            "good": 1,
            "missing": 1,
            "new": 3,
            "obstacle": None,
        }
        other = (await client.get("/v1/review/teachable", params={"model": "parts"})).json()
        assert "only a patchcore can be taught" in other["obstacle"]
        none = await client.get("/v1/review/teachable", params={"model": "bolt"})
        assert (none.status_code, none.json()["code"]) == (404, "model_not_found")
        for asked in ({}, {"model": ".."}, {"model": "nut", "version": "1"}):
            refused = await client.get("/v1/review/teachable", params=asked)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


async def test_a_model_of_which_nothing_is_judged_says_what_to_do(
    serve_learning, sqlite_record: Record
) -> None:
    async with serve_learning(record=sqlite_record) as client:
        found = (await client.get("/v1/review/teachable", params={"model": "nut"})).json()
    assert (found["defects"], found["new"]) == (0, 0)
    assert "judge some first" in found["obstacle"]


async def test_only_what_was_judged_since_the_active_version_was_made_is_new(
    serve_learning, sqlite_record: Record, judged, make_bundle
) -> None:
    make_bundle(
        "nut",
        "2",
        family="patchcore",
        kept={CHECKPOINT: b"a bank"},
        created_at="2126-01-01T00:00:00Z",
    )
    async with serve_learning(record=sqlite_record) as client:
        found = (await client.get("/v1/review/teachable", params={"model": "nut"})).json()
    assert (found["version"], found["defects"], found["new"]) == ("2", 2, 0)


async def test_who_may_read_counts_and_who_may_operate_teaches(
    serve_learning, sqlite_record: Record, judged
) -> None:
    async with serve_learning(keys=KEYS, record=sqlite_record) as client:
        client.headers.update(bearer("scraper"))
        counted = await client.get("/v1/review/teachable", params={"model": "nut"})
        assert counted.status_code == 200
        refused = await client.post(LEARNING, json={"model": "nut", "teach": True})
        assert refused.json()["code"] == "insufficient_scope"


async def test_a_version_that_keeps_no_bank_cannot_be_taught(
    serve_learning, sqlite_record: Record, make_bundle
) -> None:
    make_bundle("bare", family="patchcore")
    async with serve_learning(record=sqlite_record) as client:
        found = (await client.get("/v1/review/teachable", params={"model": "bare"})).json()
        assert "keeps no bank that a head can be put beside" in found["obstacle"]
        refused = await client.post(LEARNING, json={"model": "bare", "teach": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
