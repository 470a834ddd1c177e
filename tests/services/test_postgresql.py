"""A record in PostgreSQL that is killed or stands still under load, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from takt.recording.record import open_record
from tests.hostile.bundle import write_bundle
from tests.hostile.mixed_kills import compare
from tests.hostile.mixed_load import MixedLife, MixedLoad
from tests.hostile.server import end, serve_command, started
from tests.recording_databases import PostgresServer, postgres_server

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        PostgresServer.installed() is None,
        reason="no PostgreSQL here: install Debian's package `postgresql`",
    ),
]

SOME = 40
"""Answers that are waited for, so that a load goes on."""


Away = Callable[[PostgresServer], contextlib.AbstractAsyncContextManager[None]]


@contextlib.asynccontextmanager
async def killed(database: PostgresServer) -> AsyncIterator[None]:
    await asyncio.to_thread(database.kill)
    yield
    await asyncio.to_thread(database.start)


@contextlib.asynccontextmanager
async def frozen(database: PostgresServer) -> AsyncIterator[None]:
    database.freeze()
    yield
    database.thaw()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not holds():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("first", [False, True], ids=["behind", "before the answer"])
@pytest.mark.parametrize("away", [killed, frozen], ids=lambda one: one.__name__)
def test_a_database_that_is_away_for_a_while_has_every_answered_inspection_once(
    tmp_path: Path,
    away: Callable[[PostgresServer], contextlib.AbstractAsyncContextManager[None]],
    first: bool,
) -> None:
    write_bundle(tmp_path / "models")
    life = MixedLife()

    async def live(url: str, database: PostgresServer, end_server: Callable[[], None]) -> None:
        def answers(before: int) -> Callable[[], bool]:
            return lambda: life.answered >= before + SOME

        async def go_through_it() -> None:
            await until(answers(0))
            async with away(database):
                if first:
                    await until(lambda: life.refusals["record_unavailable"] > 3)
                else:
                    # More than what was on its way into the database as it went.
                    await until(answers(life.answered + 2 * SOME))
            await until(answers(life.answered))
            await asyncio.to_thread(end_server)

        load = MixedLoad(url, life, random.Random(3), changes=False)
        await load.until_killed(go_through_it)

    with postgres_server() as database:
        url, data = database.new_url(), tmp_path / "data"
        options = ["--record", url, "--data-folder", str(data), "--keep", "rejects"]
        if first:
            options.append("--commit-before-answer")
        with started(serve_command(tmp_path / "models", *options)) as server:
            asyncio.run(live(server.url, database, lambda: end(server.process, 60.0)))
            assert server.tracebacks() == 0
        record = open_record(data, url)
        assert record is not None
        compare(record, life)
        record.close()
    # Each is there once, and none is another picture's or part's.
    assert (life.wrong, life.unrecorded_s) == ([], [])
    assert set(life.refusals) <= {"record_unavailable"}
    assert bool(life.refusals) == first
