"""The audit log tells of a server of several workers once, whichever of them come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.parts.composing.assembly import foundation_of
from takt.recording.audit.chain import entries_of
from takt.recording.audit.verify import check_chain
from takt.recording.record import Record
from takt.settings import Settings
from tests.linked import Link, Worker, working


class Server:
    """Workers that begin and end one by one, as a test says; the first one leads."""

    def __init__(self, settings: Settings, new_record: Callable[[], Record]) -> None:
        self.settings = settings
        self.link = Link(2)
        self.new_record = new_record
        self._ends: dict[int, AsyncExitStack] = {}

    async def begin(self, settings: Settings | None = None) -> Worker:
        peers = self.link.join()
        stack = self._ends[peers.worker] = AsyncExitStack()
        opened = lambda _: FakeEngine()  # noqa: E731
        return await stack.enter_async_context(
            working(settings or self.settings, peers, opened, self.new_record())
        )

    async def end(self, *workers: Worker) -> None:
        for worker in workers:
            foundation_of(worker.app).sessions.closing = True
        for worker in workers:
            await self._ends.pop(worker.peers.worker).aclose()

    def entries(self) -> list[Any]:
        record = self.new_record()
        found = list(entries_of(record.database))
        assert check_chain(found).findings == []
        record.close()
        return found

    def actions(self) -> list[str]:
        return [one.action for one in self.entries()]

    async def told(self, action: str, count: int = 1) -> None:
        """Wait until there are so many entries of an action."""
        async with asyncio.timeout(60):
            while self.actions().count(action) < count:
                await asyncio.sleep(0.01)


@pytest.fixture
def server(
    settings: Callable[..., Settings], bundle: Bundle, new_record: Callable[[], Record]
) -> Server:
    return Server(settings(), new_record)


async def test_a_start_and_an_end_are_noted_once(server: Server) -> None:
    workers = [await server.begin() for _ in range(2)]
    await server.told("models_loaded")
    await server.end(*workers)
    assert server.actions() == ["server_started", "models_loaded", "server_stopped"]


async def test_workers_that_replace_others_note_nothing_where_nothing_has_changed(
    server: Server,
) -> None:
    leader, other = await server.begin(), await server.begin()
    await server.told("models_loaded")
    await server.end(other)
    later = await server.begin()
    await server.end(leader)
    later.peers.leading.set()
    newest = await server.begin()
    await asyncio.wait_for(foundation_of(later.app).models.watch.look(), 60)
    await server.end(later, newest)
    assert server.actions() == ["server_started", "models_loaded", "server_stopped"]


async def test_a_worker_that_leads_next_notes_settings_that_have_changed(
    server: Server, settings: Callable[..., Settings]
) -> None:
    leader, other = await server.begin(), await server.begin()
    await server.told("models_loaded")
    changed = settings(max_queue_size=7)
    await server.end(other)
    later = await server.begin(changed)
    await server.end(leader)
    later.peers.leading.set()
    await server.told("settings_changed")
    newest = await server.begin(changed)
    await server.end(newest)
    assert server.actions()[2:] == ["server_started", "settings_changed"]
    await server.end(later)
    assert server.actions()[4:] == ["server_stopped"]


async def test_a_worker_that_leads_next_notes_what_nobody_was_there_to_notice(
    server: Server, make_bundle: Callable[..., Bundle]
) -> None:
    leader, other = await server.begin(), await server.begin()
    await server.told("models_loaded")
    await server.end(leader)
    make_bundle(version="2")
    other.peers.leading.set()
    await server.told("version_added")
    await server.end(other)
    assert server.actions().count("version_added") == 1


async def test_a_server_that_starts_anew_says_so(server: Server) -> None:
    for times in (1, 2):
        workers = [await server.begin() for _ in range(2)]
        workers[0].peers.leading.set()
        await server.told("models_loaded", times)
        await server.end(*workers)
    assert server.actions().count("server_started") == 2
