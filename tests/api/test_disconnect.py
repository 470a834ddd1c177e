import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from service.api import disconnect
from service.api.disconnect import CancelOnDisconnect
from service.app import create_app
from service.bundles.bundle import Bundle
from service.engines.fake import FakeEngine
from service.settings import Settings

SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/v1/models/parts/inspect",
    "raw_path": b"/v1/models/parts/inspect",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
    "root_path": "",
}


class Caller:
    """One connection: its messages come from a queue, its answers go to a list."""

    def __init__(self, app: Callable[..., Any], query: bytes = b"") -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.task = asyncio.create_task(
            app({**SCOPE, "query_string": query}, self.messages.get, self._send)
        )

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def say(self, body: bytes, *, more: bool = False) -> None:
        self.messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def hang_up(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def app(bundle: Bundle, repository, engine: FakeEngine) -> Any:
    return create_app(Settings(repository=repository, max_queue_size=1), lambda _: engine)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def loaded(app: Any, engine: FakeEngine, picture: bytes) -> None:
    """Ask until the model answers, which it does once it is loaded."""
    status = 0
    while status != 200:
        caller = Caller(app)
        caller.say(picture)
        await caller.task
        status = caller.sent[0]["status"]
    engine.batch_sizes.clear()


async def test_a_caller_that_hangs_up_leaves_the_queue(app, engine, picture_bytes) -> None:
    async with app.router.lifespan_context(app):
        await loaded(app, engine, picture_bytes())
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
        await loaded(app, engine, picture_bytes())
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
