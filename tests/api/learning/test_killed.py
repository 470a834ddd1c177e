"""What becomes of a learning whose server, or whose leading process, was killed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from takt.learning.left import ENDED
from takt.recording.record import Record
from tests.api.apps import until
from tests.api.learning.jobs import LEARNING, desk_of, given, made, once, started
from tests.fake_learn import FIT, PLAN, place, waiting


class Killed:
    """Keeps what a server has of learnings as a kill would leave it."""

    def __init__(self, data_folder: Path, tmp_path: Path) -> None:
        self._folder, self._aside = data_folder / "learning", tmp_path / "aside"

    def now(self) -> None:
        # What vanishes while it is copied would not be there a moment later either.
        for _ in range(100):
            try:
                shutil.copytree(self._folder, self._aside)
            except (FileNotFoundError, shutil.Error):
                shutil.rmtree(self._aside)
            else:
                return
        raise AssertionError(f"{self._folder} is never still")

    def leave(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._aside, self._folder)


@pytest.fixture
def killed(data_folder: Path, tmp_path: Path) -> Killed:
    return Killed(data_folder, tmp_path)


@pytest.fixture
def again(
    serve_learning: Callable[..., Any], killed: Killed, sqlite_record: Record
) -> Callable[..., Any]:
    """The server after the one that was killed."""

    @asynccontextmanager
    async def run(**options: Any) -> AsyncIterator[httpx.AsyncClient]:
        killed.leave()
        async with serve_learning(record=sqlite_record, **options) as client:
            await once_taken_over(client)
            yield client

    return run


async def once_taken_over(client: httpx.AsyncClient) -> None:
    async def listed() -> bool:
        return bool((await client.get(LEARNING)).json()["jobs"])

    for _ in range(1000):
        if await listed():
            return
    raise AssertionError("nothing was taken over")


async def fitting(client: httpx.AsyncClient, path: str) -> None:
    job = desk_of(client).job(path.rpartition("/")[2])
    await until(lambda: job.stage == "fit")


async def ends(client: httpx.AsyncClient, count: int = 0) -> list[dict[str, Any]]:
    """The entries of learnings, the newest first, once there are so many."""
    async with asyncio.timeout(60):
        while len(found := await _ends(client)) < count:
            await asyncio.sleep(0.01)
    return found


async def _ends(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    entries = (await client.get("/v1/audit")).json()["entries"]
    wanted = ("learning_started", "learning_failed", "learning_cancelled", "version_learned")
    # A server whose state was copied for the kill ends in good order all the same.
    return [one for one in entries if one["action"] in wanted and one["new"] != {"error": ENDED}]


async def learned(client: httpx.AsyncClient, picture: bytes) -> str:
    """Learn from a picture to the end; the learning's path."""
    path = await made(client)
    await given(client, path, picture)
    await started(client, path)
    await once(client, path, "done")
    return path


async def killed_while_fitting(client: httpx.AsyncClient, killed: Killed, picture: bytes) -> str:
    """Begin a learning and have its server killed while it fits; the learning's path."""
    path = await made(client)
    await given(client, path, picture)
    await started(client, path)
    await fitting(client, path)
    killed.now()
    return path


async def test_a_learning_whose_server_was_killed_has_failed_and_goes_on_with_its_pictures(
    serve_learning, again, killed: Killed, sqlite_record: Record, tmp_path: Path, picture_bytes
) -> None:
    runs = waiting(PLAN, place(), FIT, notes=tmp_path / "notes")
    async with serve_learning(runs, record=sqlite_record) as client:
        path = await made(client, alpha=0.2)
        await given(client, path, picture_bytes(1), picture_bytes(2))
        await started(client, path)
        await fitting(client, path)
        killed.now()
        # The end in good order that follows is none of what is left; nor is its entry.
    async with again() as client:
        job = (await client.get(path)).json()
        assert (job["state"], job["pictures"], job["started_at"] is None) == ("failed", 2, False)
        assert "was ended while it was learning" in job["error"]
        end, begun = await ends(client, 2)
        assert (begun["action"], end["action"]) == ("learning_started", "learning_failed")
        assert (end["model"], end["version"], end["who"]) == ("nut", "1", begun["who"])
        assert end["new"] == {"error": job["error"]}
        await given(client, path, picture_bytes(2), picture_bytes(3))
        await started(client, path)
        done = await once(client, path, "done")
        assert (done["pictures"], done["duplicates"]) == (3, 1)
        # The state tells of the end a moment before the entry.
        async with asyncio.timeout(60):
            while (told := await ends(client))[0]["action"] != "version_learned":
                await asyncio.sleep(0.01)
        assert told[1]["action"] == "learning_started"


async def test_one_that_was_left_over_is_told_once_and_can_be_discarded(
    serve_learning, again, killed: Killed, sqlite_record: Record, tmp_path: Path, picture_bytes
) -> None:
    runs = waiting(PLAN, place(), FIT, notes=tmp_path / "notes")
    async with serve_learning(runs, record=sqlite_record) as client:
        path = await killed_while_fitting(client, killed, picture_bytes(1))
    async with again() as client:
        shutil.rmtree(tmp_path / "aside")
        killed.now()
    # A server that ends in good order leaves nothing.
    assert not any((tmp_path / "data" / "learning").iterdir())
    # Killed once more, before anybody has looked.
    async with again() as client:
        assert (await client.get(path)).json()["state"] == "failed"
        assert [one["action"] for one in await ends(client, 2)] == [
            "learning_failed",
            "learning_started",
        ]
        assert (await client.delete(path)).status_code == 200
        assert (await client.get(path)).status_code == 404
        assert (await client.post(LEARNING, json={"model": "nut"})).status_code == 201


async def test_pictures_that_nobody_has_started_with_are_there_without_an_end_in_the_audit_log(
    serve_learning, again, killed: Killed, sqlite_record: Record, picture_bytes
) -> None:
    async with serve_learning(record=sqlite_record) as client:
        path = await made(client)
        await given(client, path, picture_bytes(1))
        killed.now()
    async with again() as client:
        job = (await client.get(path)).json()
        assert (job["state"], job["pictures"]) == ("failed", 1)
        assert await ends(client) == []
        await started(client, path)
        await once(client, path, "done")


async def test_a_version_that_was_made_before_the_kill_is_named(
    serve_learning,
    again,
    killed: Killed,
    sqlite_record: Record,
    tmp_path: Path,
    repository: Path,
    picture_bytes,
) -> None:
    runs = waiting(PLAN, place(), FIT, notes=tmp_path / "notes")
    async with serve_learning(runs, record=sqlite_record) as client:
        path = await killed_while_fitting(client, killed, picture_bytes(1))
    (repository / "nut" / "1").mkdir(parents=True)
    async with again() as client:
        assert "its version 1 is there" in (await client.get(path)).json()["error"]


@pytest.mark.parametrize("text", ["", "{}", '{"id": "../x"}'])
async def test_what_nobody_can_read_is_removed(
    serve_learning, data_folder: Path, text: str
) -> None:
    (data_folder / "learning" / "one" / "pictures").mkdir(parents=True)
    (data_folder / "learning" / "one" / "job.json").write_text(text)
    async with serve_learning() as client:
        await until(lambda: not (data_folder / "learning" / "one").exists())
        assert (await client.get(LEARNING)).json()["jobs"] == []


async def test_a_learning_that_was_over_has_no_second_end_and_says_what_it_made(
    serve_learning, again, killed: Killed, sqlite_record: Record, picture_bytes
) -> None:
    async with serve_learning(record=sqlite_record) as client:
        path = await learned(client, picture_bytes(1))
        assert [one["action"] for one in await ends(client, 2)] == [
            "version_learned",
            "learning_started",
        ]
        killed.now()
    async with again() as client:
        job = (await client.get(path)).json()
        assert (job["state"], job["pictures"], job["pictures_kept"]) == ("failed", 1, True)
        assert job["error"].startswith("it made version 1")
        assert [one["action"] for one in await ends(client)] == [
            "version_learned",
            "learning_started",
        ]
        # Its pictures are there for another try.
        other = await made(client, pictures_of=path.rpartition("/")[2], alpha=0.2)
        assert (await client.get(other)).json()["pictures"] == 1


async def test_pictures_that_came_from_another_learning_outlast_a_kill_too(
    serve_learning, again, killed: Killed, sqlite_record: Record, tmp_path: Path, picture_bytes
) -> None:
    async with serve_learning(record=sqlite_record) as client:
        first = await learned(client, picture_bytes(1))
        desk_of(client).command = waiting(PLAN, place("2"), FIT, notes=tmp_path / "notes")
        path = await made(client, pictures_of=first.rpartition("/")[2], alpha=0.2)
        await given(client, path, picture_bytes(2))
        await started(client, path)
        await fitting(client, path)
        killed.now()
    async with again() as client:
        job = (await client.get(path)).json()
        assert (job["state"], job["pictures"], job["alpha"]) == ("failed", 2, 0.2)
        end, begun = (await ends(client, 4))[:2]
        assert (end["action"], end["version"]) == ("learning_failed", "2")
        assert begun["action"] == "learning_started"
        await started(client, path)
        await once(client, path, "done")


async def test_a_learning_that_had_begun_no_version_is_not_said_to_have_made_the_former_one(
    serve_learning,
    again,
    killed: Killed,
    sqlite_record: Record,
    tmp_path: Path,
    repository: Path,
    picture_bytes,
) -> None:
    async with serve_learning(record=sqlite_record) as client:
        first = await learned(client, picture_bytes(1))
        (repository / "nut" / "1").mkdir(parents=True)
        desk_of(client).command = waiting(PLAN, FIT, notes=tmp_path / "notes")
        path = await made(client, pictures_of=first.rpartition("/")[2])
        await started(client, path)
        await fitting(client, path)
        killed.now()
    async with again() as client:
        job = (await client.get(path)).json()
        assert "was ended while it was learning" in job["error"]
        end = (await ends(client, 4))[0]
        assert (end["action"], end["version"]) == ("learning_failed", None)
