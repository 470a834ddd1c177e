"""Keys and sessions of browsers are those of the server, whichever worker is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from takt.core.engines.fake import FakeEngine
from takt.security import followed_files
from takt.settings import Settings
from tests.api.keys import KEYS, bearer, file_without
from tests.api.test_browser_session import begin
from tests.api.together.conftest import ServeTogether
from tests.api.together.seen import audited, counted
from tests.linked import Link, Worker, working

MODELS = "/v1/models"


async def status(worker: Worker, headers: dict[str, str]) -> int:
    return (await worker.client.get(MODELS, headers=headers)).status_code


async def test_a_session_that_is_begun_at_one_worker_is_known_to_all_and_ends_in_all(
    serve_together: ServeTogether,
) -> None:
    async with serve_together(3, keys=KEYS) as workers:
        cookie = await begin(workers[1].client, "scraper")
        assert [await status(worker, cookie) for worker in workers] == [200, 200, 200]
        ended = await workers[2].client.delete("/v1/session", headers=cookie)
        assert ended.status_code == 204
        assert [await status(worker, cookie) for worker in workers] == [401, 401, 401]


async def test_workers_tell_each_other_no_token_of_a_session(
    settings: Callable[..., Settings], bundle: object
) -> None:
    link, given = Link(2), settings(keys=KEYS)
    async with (
        working(given, link.join(), lambda _: FakeEngine()) as first,
        working(given, link.join(), lambda _: FakeEngine()),
    ):
        cookie = await begin(first.client, "scraper")
    token = cookie["cookie"].partition("=")[2]
    assert "browser_sessions" in [topic for _, topic, _ in link.told]
    assert token not in str(link.told) and bearer("scraper")["authorization"] not in str(link.told)


async def test_a_worker_that_comes_later_knows_the_sessions(
    settings: Callable[..., Settings], bundle: object
) -> None:
    link, given = Link(2), settings(keys=KEYS)
    async with working(given, link.join(), lambda _: FakeEngine()) as first:
        cookie = await begin(first.client, "scraper")
        async with working(given, link.join(), lambda _: FakeEngine()) as second:
            assert await status(second, cookie) == 200


async def test_a_session_ends_with_its_key_in_every_worker(
    serve_together: ServeTogether, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_files, "LOOK_EVERY_S", 0.01)
    (path := tmp_path / "keys.toml").write_bytes(file_without())
    async with serve_together(keys_file=path) as workers:
        cookie = await begin(workers[0].client, "scraper")
        path.write_bytes(file_without("scraper"))
        async with asyncio.timeout(60):
            while [await status(worker, cookie) for worker in workers] != [401, 401]:
                await asyncio.sleep(0.01)


async def test_new_keys_that_one_worker_finds_are_taken_by_all_at_once_and_noted_once(
    settings: Callable[..., Settings],
    bundle: object,
    tmp_path: Path,
    new_record: Callable[[], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (path := tmp_path / "keys.toml").write_bytes(file_without("scraper"))
    link, given = Link(2), settings(keys_file=path)
    monkeypatch.setattr(followed_files, "LOOK_EVERY_S", 3600)
    async with working(given, link.join(), lambda _: FakeEngine(), new_record()) as first:
        monkeypatch.setattr(followed_files, "LOOK_EVERY_S", 0.01)
        async with working(given, link.join(), lambda _: FakeEngine(), new_record()) as second:
            assert await status(first, bearer("scraper")) == 401
            path.write_bytes(file_without())
            async with asyncio.timeout(60):
                # The first one would look by itself in an hour.
                while await status(first, bearer("scraper")) != 200:
                    await asyncio.sleep(0.01)
            assert await status(second, bearer("scraper")) == 200
            assert await counted([first, second], "takt_file_reloads_total") == 1
            first.client.headers.update(bearer("engineer"))
            noted = await audited([first], "key_added")
            assert [one["new"]["name"] for one in noted] == ["scraper"]
