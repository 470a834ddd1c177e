"""Keys that are exchanged while the server serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from takt.security import followed_files, guard
from tests.api.apps import until
from tests.api.keys import bearer, file_without
from tests.api.stream.socket import PATH, Socket, connect


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (followed_files, guard):
        monkeypatch.setattr(module, "LOOK_EVERY_S", 0.001)


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    (path := tmp_path / "keys.toml").write_bytes(file_without())
    return path


@pytest.fixture
def outcomes(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[str], bool]]:
    """Whether the log has a line with these words."""
    with caplog.at_level(logging.INFO, "takt.security"):
        yield lambda words: words in caplog.text


async def status(client: httpx.AsyncClient, name: str) -> int:
    return (await client.get("/metrics", headers=bearer(name))).status_code


async def test_a_revoked_key_is_refused_and_others_are_not(serve, keys_file, outcomes) -> None:
    async with serve(keys_file=keys_file) as client:
        assert (await status(client, "scraper"), await status(client, "all")) == (200, 200)
        keys_file.write_bytes(file_without("scraper"))
        await until(lambda: outcomes("the keys have changed"))
        assert (await status(client, "scraper"), await status(client, "all")) == (401, 200)
        metrics = (await client.get("/metrics", headers=bearer("all"))).text
        assert 'takt_file_reloads_total{files="keys",outcome="taken"} 1.0' in metrics


@pytest.mark.parametrize("damage", [b"", b"version = 1\n[keys.x", None])
async def test_damaged_or_missing_keys_leave_the_last_good_ones_in_force(
    serve, keys_file, outcomes, damage: bytes | None
) -> None:
    async with serve(keys_file=keys_file) as client:
        if damage is None:
            keys_file.unlink()
        else:
            keys_file.write_bytes(damage)
        await until(lambda: outcomes("the new keys are refused, and the last good ones stay"))
        assert (await status(client, "scraper"), await status(client, "camera")) == (200, 403)
        metrics = (await client.get("/metrics", headers=bearer("all"))).text
        assert 'takt_file_reloads_total{files="keys",outcome="refused"} 1.0' in metrics
        assert 'takt_file_reloads_total{files="keys",outcome="taken"} 0.0' in metrics


async def test_a_file_that_has_no_keys_refuses_everybody(serve, keys_file, outcomes) -> None:
    async with serve(keys_file=keys_file) as client:
        keys_file.write_bytes(b"version = 1\n")
        await until(lambda: outcomes("the keys have changed"))
        assert await status(client, "all") == 401


async def test_the_open_stream_of_a_revoked_key_ends_with_a_code_and_others_go_on(
    serve, keys_file, picture_bytes
) -> None:
    async with (
        serve(keys_file=keys_file) as client,
        connect(client, **bearer("camera")) as revoked,
        connect(client, **bearer("all")) as other,
    ):
        welcome = await revoked.hello()
        await other.hello()
        keys_file.write_bytes(file_without("camera"))
        (error,), code = await revoked.until_closed()
        assert (error["type"], error["status"], error["code"]) == ("error", 401, "unauthenticated")
        assert code == 1008
        other.frame(1, picture_bytes())
        assert (await other.hear())["sequence"] == 1

        # With another key the line goes on where it was.
        async with connect(client, **bearer("all")) as again:
            assert (await again.hello(session=welcome["session"]))["resumed"] is True


async def test_a_stream_that_goes_on_by_another_key_outlives_a_former_connection_that_is_dead(
    serve, keys_file, outcomes, picture_bytes
) -> None:
    async with (
        serve(keys_file=keys_file, stream_resume_s=60) as client,
        connect(client, **bearer("camera")) as dead,
    ):
        session = (await dead.hello())["session"]
        dead.reads.clear()
        keys_file.write_bytes(file_without("camera"))
        await until(lambda: outcomes("the keys have changed"))
        async with connect(client, **bearer("all")) as again:
            assert (await again.hello(session=session))["resumed"] is True
            # The server finds only now that nobody hears why it closed.
            dead.close(1006)
            dead.reads.set()
            await dead.task

            (stream,) = (await client.get("/v1/streams", headers=bearer("all"))).json()["streams"]
            assert stream["connected"]
            metrics = (await client.get("/metrics", headers=bearer("all"))).text
            assert "takt_streams 1.0" in metrics


async def test_an_inspection_under_way_is_finished(
    serve, keys_file, outcomes, engines, picture_bytes
) -> None:
    async with serve(keys_file=keys_file) as client:
        engines[0].gate.clear()
        inspect = partial(
            client.post,
            "/v1/models/parts/inspect",
            content=picture_bytes(),
            headers=bearer("camera"),
        )
        under_way = asyncio.create_task(inspect())
        await until(lambda: bool(engines[0].batch_sizes))
        keys_file.write_bytes(file_without("camera"))
        await until(lambda: outcomes("the keys have changed"))
        assert (await inspect()).status_code == 401
        engines[0].gate.set()
        assert (await under_way).status_code == 200


async def test_a_browsers_session_and_its_stream_end_with_the_key(serve, keys_file) -> None:
    async with serve(keys_file=keys_file) as client:
        begun = await client.post("/v1/session", headers=bearer("camera"))
        client.cookies.clear()
        cookie = begun.headers["set-cookie"].partition(";")[0]
        socket = Socket(client._transport.app, PATH, {"host": "takt", "cookie": cookie})
        await socket.raw()
        await socket.hello()
        keys_file.write_bytes(file_without("camera"))
        (error,), code = await socket.until_closed()
        assert (error["code"], code) == ("unauthenticated", 1008)
        refused = await client.delete("/v1/session", headers={"cookie": cookie})
        assert refused.status_code == 401


async def test_a_stream_of_a_session_that_is_ended_ends(serve, keys_file) -> None:
    async with serve(keys_file=keys_file) as client:
        begun = await client.post("/v1/session", headers=bearer("camera"))
        client.cookies.clear()
        cookie = begun.headers["set-cookie"].partition(";")[0]
        socket = Socket(client._transport.app, PATH, {"host": "takt", "cookie": cookie})
        await socket.raw()
        await socket.hello()
        await client.delete("/v1/session", headers={"cookie": cookie})
        _, code = await socket.until_closed()
        assert code == 1008
