"""A model is taught by what people have judged: from the record to the version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.core.judged import read_judged
from service.recording.record import Record
from service.recording.review.judging import NewJudgement, judge
from tests.api.apps import until
from tests.api.learning.jobs import LEARNING, kept, made, once, started
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


@pytest.fixture(autouse=True)
def bank(make_bundle) -> Any:
    """The active version of `nut`, which can be taught."""
    return make_bundle("nut", family="patchcore")


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
        counted = await client.get(f"{LEARNING}/teachable", params={"model": "nut"})
        assert (counted.status_code, counted.json()["code"]) == (404, "no_record")
