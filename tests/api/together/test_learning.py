"""A learning outlasts the worker that leads, however that one ends, and no server that ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.learning import desk as desk_module
from takt.parts.composing.assembly import foundation_of
from takt.recording.record import Record
from takt.settings import Settings
from tests.api.apps import until
from tests.api.learning.jobs import LEARNING, desk_of, given, made, once, started
from tests.api.together.seen import audited
from tests.fake_learn import FIT, PLAN, RESULT, learning, place, waiting
from tests.linked import Link, Worker, working


@pytest.fixture
def workers(
    settings: Callable[..., Settings], bundle: Bundle, new_record: Callable[[], Record]
) -> Callable[..., Any]:
    """Begins a worker, which ends with a stack; the first one leads."""

    async def begin(link: Link, stack: AsyncExitStack) -> Worker:
        worker = await stack.enter_async_context(
            working(settings(), link.join(), lambda _: FakeEngine(), new_record())
        )
        # The command is the test's own, which needs no exporter.
        desk_of(worker.client).stands_against = lambda *_: ()
        return worker

    return begin


@pytest.mark.parametrize("runs", [False, True], ids=["gathers", "runs"])
async def test_a_learning_goes_on_with_the_next_worker_that_leads(
    workers: Callable[..., Any], tmp_path: Path, picture_bytes: Any, runs: bool
) -> None:
    link = Link(2)
    async with AsyncExitStack() as ends, AsyncExitStack() as stays:
        leader, other = await workers(link, ends), await workers(link, stays)
        client = leader.client
        desk_of(client).command = waiting(PLAN, place(), FIT, notes=tmp_path / "notes")
        path = await made(client)
        await given(client, path, picture_bytes(1), picture_bytes(2))
        if runs:
            await started(client, path)
            job = desk_of(client).job(path.rpartition("/")[2])
            await until(lambda: job.stage == "fit")

        foundation_of(leader.app).sessions.closing = True
        await ends.aclose()
        other.peers.leading.set()

        client = other.client
        desk_of(client).command = learning(PLAN, place(), FIT, RESULT)
        await until(lambda: bool(desk_of(client).jobs))
        left = (await client.get(path)).json()
        assert (left["state"], left["pictures"]) == ("failed", 2)
        if runs:
            assert "was ended while it was learning" in left["error"]
            (end,) = await audited((other,), "learning_failed")
            assert end["new"] == {"error": left["error"]}
        await started(client, path)
        await once(client, path, "done")


async def test_who_asks_before_a_learning_is_taken_over_waits_and_is_not_told_that_there_is_none(
    workers: Callable[..., Any], picture_bytes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Link(2)
    go_on, found = threading.Event(), desk_module.abandoned

    def abandoned_later(*given: Any) -> Any:
        assert go_on.wait(60)
        return found(*given)

    async with AsyncExitStack() as ends, AsyncExitStack() as stays:
        leader, other = await workers(link, ends), await workers(link, stays)
        path = await made(leader.client)
        await given(leader.client, path, picture_bytes(1))
        await ends.aclose()
        monkeypatch.setattr(desk_module, "abandoned", abandoned_later)
        other.peers.leading.set()
        asking = asyncio.create_task(
            other.client.post(f"{path}/pictures", content=picture_bytes(2))
        )
        for _ in range(100):
            await asyncio.sleep(0)
        assert not asking.done()
        go_on.set()
        answer = await asking
        assert (answer.status_code, answer.json()["pictures"]) == (200, 2)


async def test_a_learning_goes_with_the_last_worker(
    workers: Callable[..., Any], tmp_path: Path, picture_bytes: Any
) -> None:
    link = Link(2)
    async with AsyncExitStack() as others, AsyncExitStack() as ends:
        leader, other = await workers(link, ends), await workers(link, others)
        path = await made(leader.client)
        await given(leader.client, path, picture_bytes(1))
        assert (await leader.client.get(LEARNING)).json()["jobs"]
        for worker in (leader, other):
            foundation_of(worker.app).sessions.closing = True
        await ends.aclose()
        assert not any((tmp_path / "data" / "learning").iterdir())
