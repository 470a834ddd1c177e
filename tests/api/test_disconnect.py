import asyncio
import gc
import weakref
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from takt.api import disconnect
from takt.api.disconnect import CancelOnDisconnect
from takt.app import create_app
from takt.core.bundles.bundle import Bundle
from takt.core.engines.fake import FakeEngine
from takt.settings import Settings
from tests.api.apps import SCOPE, Caller, idle, until


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def app(bundle: Bundle, repository, engine: FakeEngine) -> Any:
    return create_app(Settings(repository=repository, max_queue_size=1), lambda _: engine)


async def test_a_caller_that_hangs_up_leaves_the_queue(app, engine, picture_bytes) -> None:
    async with app.router.lifespan_context(app):
        await idle(app)
        engine.batch_sizes.clear()
        engine.gate.clear()
        busy = Caller(app)
        busy.say(picture_bytes())
        await until(lambda: engine.batch_sizes == [1])
        gone = Caller(app)
        gone.say(picture_bytes())
        gone.hang_up()
        await gone.task
        assert gone.sent[0]["status"] == 499
        engine.gate.set()
        await busy.task
        assert busy.sent[0]["status"] == 200
        assert engine.batch_sizes == [1]


async def test_a_caller_that_hangs_up_while_sending_is_given_up_quietly(
    app, engine, picture_bytes, caplog
) -> None:
    async with app.router.lifespan_context(app):
        await idle(app)
        engine.batch_sizes.clear()
        gone = Caller(app)
        gone.say(b"half", more=True)
        gone.hang_up()
        await gone.task
        assert gone.sent[0]["status"] == 499
        assert "unforeseen" not in caplog.text
        assert engine.batch_sizes == []


async def test_a_watch_that_ends_leaves_nothing_to_the_garbage_collector(monkeypatch) -> None:
    monkeypatch.setattr(disconnect, "_PATIENCE_S", 0.0)

    watched = asyncio.Event()

    async def receive() -> Message:
        watched.set()
        return await asyncio.get_running_loop().create_future()

    async def answer() -> weakref.ref[CancelOnDisconnect]:
        async with CancelOnDisconnect(Request({**SCOPE}, receive)) as hang_up:
            hang_up.watch()
            await watched.wait()
            return weakref.ref(hang_up)

    known = await asyncio.create_task(answer())
    gc.disable()
    try:
        for _ in range(5):  # the watcher's own end
            await asyncio.sleep(0)
        assert known() is None
    finally:
        gc.enable()
