"""A learning over HTTP: one at a time, from its pictures to its version."""

from __future__ import annotations

import os
from pathlib import Path

from takt.core.host import usable_cores
from takt.recording.audit.chain import entries_of
from tests.api.apps import until
from tests.api.keys import KEYS, bearer
from tests.api.learning.jobs import LEARNING, desk_of, given, made, once, started
from tests.fake_learn import FIT, PLAN, RESULT, STAGES, learning, place, waiting


def alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


async def number_in(notes: Path) -> int:
    await until(notes.exists)
    return int(notes.read_text())


async def test_pictures_become_a_version_and_go_once_it_is_forgotten(
    serve_learning, data_folder, picture_bytes
) -> None:
    async with serve_learning() as client:
        path = await made(client, alpha=0.2)
        await given(client, path, picture_bytes(50), picture_bytes(60), picture_bytes(50))
        collecting = (await client.get(path)).json()
        await started(client, path)
        done = await once(client, path, "done")
        assert any((data_folder / "learning").iterdir())
        await client.delete(path)
        assert not any((data_folder / "learning").iterdir())

    assert collecting["state"] == "collecting"
    assert (collecting["pictures"], collecting["duplicates"]) == (2, 1)
    assert (done["stages"], done["stage"], done["share"]) == (STAGES, "fit", 1.0)
    assert done["learned"]["version"] == "1"
    assert done["learned"]["compared"] == RESULT["compared"]
    assert done["learned"]["standing"] == "loading"
    assert done["error"] is None


async def test_the_command_gets_what_was_asked_for_and_the_pictures(
    serve_learning, repository, tmp_path, picture_bytes
) -> None:
    notes = tmp_path / "notes"
    then = (
        "import os, pathlib\n"
        "good = pathlib.Path(sys.argv[sys.argv.index('--good') + 1])\n"
        f"pathlib.Path({str(notes)!r}).write_text(repr((sys.argv[1:], sorted(os.listdir(good)), "
        "dict(os.environ), os.getpriority(os.PRIO_PROCESS, 0))))"
    )
    os.environ["TAKT_KEYS"] = "a secret"
    try:
        async with serve_learning(learning(RESULT, then=then)) as client:
            path = await made(client, family="efficientad", minutes=3, size="auto")
            await given(client, path, picture_bytes(50))
            await started(client, path)
            await once(client, path, "done")
    finally:
        del os.environ["TAKT_KEYS"]

    arguments, files, environment, priority = eval(notes.read_text())
    asked = dict(zip(arguments[::2], arguments[1::2], strict=True))
    del asked["--good"]
    assert asked == {
        "--progress": "json",
        "--model": "nut",
        "--repository": str(repository),
        "--device": "cpu",
        "--threads": str(max(1, usable_cores() - 1)),
        "--family": "efficientad",
        "--minutes": "3.0",
        "--size": "auto",
    }
    assert files == ["0001-part_0.png"]
    assert not [name for name in environment if name.startswith("TAKT_")]
    # As far as it goes, from where this process is.
    assert priority == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 19)


async def test_there_is_one_learning_at_a_time(serve_learning) -> None:
    async with serve_learning() as client:
        path = await made(client)
        again = await client.post(LEARNING, json={"model": "bolt"})
        assert again.status_code == 409
        assert f"DELETE {path}" in again.json()["detail"]
        assert (await client.delete(path)).json()["state"] == "cancelled"
        await made(client, model="bolt")
        listed = (await client.get(LEARNING)).json()
    assert [job["model"] for job in listed["jobs"]] == ["bolt", "nut"]
    assert listed["obstacles"] == []
    assert listed["signing"] is None


async def test_cancelling_ends_the_process_and_leaves_nothing_behind(
    serve_learning, repository, data_folder, tmp_path, picture_bytes
) -> None:
    notes = tmp_path / "notes"
    async with serve_learning(waiting(PLAN, place(), FIT, notes=notes)) as client:
        path = await made(client)
        await given(client, path, picture_bytes(50))
        await started(client, path)
        process = await number_in(notes)
        job = desk_of(client).job(path.rpartition("/")[2])
        await until(lambda: job.stage == "fit")
        assert (await client.get(path)).json()["state"] == "running"
        assert any((data_folder / "learning").iterdir())
        refused = await client.post(f"{path}/pictures", content=picture_bytes(60))
        assert refused.status_code == 409

        assert (await client.delete(path)).json()["state"] == "cancelled"

        assert not alive(process)
        assert not any((data_folder / "learning").iterdir())
        assert not (repository / "nut").exists()
        assert (await client.get(path)).json()["state"] == "cancelled"
        await client.delete(path)
        assert (await client.get(path)).status_code == 404


async def test_the_process_ends_with_the_server_and_leaves_nothing_behind(
    serve_learning, repository, data_folder, tmp_path, picture_bytes
) -> None:
    notes = tmp_path / "notes"
    async with serve_learning(waiting(PLAN, place(), FIT, notes=notes)) as client:
        path = await made(client)
        await given(client, path, picture_bytes(50))
        await started(client, path)
        process = await number_in(notes)
        job = desk_of(client).job(path.rpartition("/")[2])
        await until(lambda: job.stage == "fit")
    assert not alive(process)
    assert not any((data_folder / "learning").iterdir())
    assert not (repository / "nut").exists()


async def test_a_learning_that_fails_says_why_and_keeps_its_pictures_for_another_try(
    serve_learning, picture_bytes
) -> None:
    says = "print('Error: too few pictures for alpha', file=sys.stderr)"
    async with serve_learning(learning(PLAN, FIT, then=says, code=1)) as client:
        path = await made(client)
        await given(client, path, picture_bytes(50))
        await started(client, path)
        failed = await once(client, path, "failed")
        assert failed["error"] == "too few pictures for alpha"
        assert failed["log"] == ["Error: too few pictures for alpha"]

        await given(client, path, picture_bytes(60))
        desk_of(client).command = learning(RESULT)
        await started(client, path)
        done = await once(client, path, "done")
        assert done["pictures"] == 2
        assert done["error"] is None


async def test_another_learning_takes_the_place_of_one_that_failed(
    serve_learning, data_folder, picture_bytes
) -> None:
    async with serve_learning(learning(code=3)) as client:
        path = await made(client)
        await given(client, path, picture_bytes(50))
        await started(client, path)
        assert (await once(client, path, "failed"))["error"] == "takt learn ended with 3"
        other = await made(client)
        (left,) = (data_folder / "learning").iterdir()
        assert left.name == other.rpartition("/")[2]


async def test_nothing_is_learned_from_nothing(serve_learning) -> None:
    async with serve_learning() as client:
        path = await made(client)
        refused = await client.post(f"{path}/start")
        assert refused.status_code == 409
        assert "send pictures first" in refused.json()["detail"]


async def test_only_a_model_that_is_there_can_be_updated(serve_learning, picture_bytes) -> None:
    async with serve_learning() as client:
        none = await client.post(LEARNING, json={"model": "nut", "update": True})
        assert (none.status_code, none.json()["code"]) == (404, "model_not_found")
        path = await made(client, model="parts", update=True)
        assert (await client.get(path)).json()["update"] is True


async def test_wishes_that_no_learning_meets_are_refused(serve_learning) -> None:
    async with serve_learning() as client:
        for wish in (
            {"model": ".."},
            {"model": "a/b"},
            {"alpha": 0},
            {"family": "other"},
            {"size": "-1"},
            {"update": True, "model": "parts", "family": "inpformer"},
            {"threads": 4},
            {"minutes": 3},
        ):
            refused = await client.post(LEARNING, json={"model": "nut"} | wish)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


async def test_the_audit_log_tells_who_has_learned_what(
    serve_learning, sqlite_record, picture_bytes
) -> None:
    async with serve_learning(keys=KEYS, record=sqlite_record) as client:
        client.headers.update(bearer("leader"))
        path = await made(client)
        await given(client, path, picture_bytes(50))
        await started(client, path)
        await once(client, path, "done")
    told = [one for one in entries_of(sqlite_record.database) if one.who == "leader"]
    assert [(one.action, one.model, one.version) for one in told] == [
        ("learning_started", "nut", None),
        ("version_learned", "nut", "1"),
    ]
    assert '"pictures":1' in (told[0].new or "")


async def test_who_may_only_read_sees_learnings_and_changes_none(serve_learning) -> None:
    async with serve_learning(keys=KEYS) as client:
        assert (await client.get(LEARNING, headers=bearer("scraper"))).status_code == 200
        for method, asked in (("POST", LEARNING), ("DELETE", f"{LEARNING}/7")):
            refused = await client.request(method, asked, headers=bearer("scraper"), json={})
            assert refused.json()["code"] == "insufficient_scope"


async def test_a_learning_that_ends_with_its_server_has_its_end_in_the_audit_log(
    serve_learning, sqlite_record, data_folder, repository, tmp_path, picture_bytes
) -> None:
    runs = waiting(PLAN, place(), FIT, notes=tmp_path / "notes")
    async with serve_learning(runs, record=sqlite_record) as client:
        path = await made(client)
        await given(client, path, picture_bytes(50))
        await started(client, path)
        job = desk_of(client).job(path.rpartition("/")[2])
        await until(lambda: job.stage == "fit")
    begun, end = [
        one for one in entries_of(sqlite_record.database) if one.action.startswith("learning_")
    ]
    assert (begun.action, end.action) == ("learning_started", "learning_failed")
    assert (end.who, end.model, end.version) == (begun.who, "nut", "1")
    assert "ended in good order" in (end.new or "")
    assert not any((data_folder / "learning").iterdir())
    assert not (repository / "nut").exists()
