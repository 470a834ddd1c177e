"""Workers of one server in one process: what they tell each other goes through JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from takt.app import create_app
from takt.core.errors import TaktError
from takt.peers import Alone, Handler, Message, Reply
from takt.recording.record import Record
from takt.settings import Settings
from tests.api.apps import idle

Transform = Callable[[str, Message], Awaitable[None]]


class LinkedPeers(Alone):
    """What one worker knows of the others; made by `Link`."""

    def __init__(self, link: Link, worker: int) -> None:
        super().__init__()
        self.worker, self.workers = worker, link.workers
        self.leading = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self._link = link
        self._handlers: dict[str, Handler] = {}

    def open(self) -> None:
        """Hear the others from now on, on this event loop."""
        self.loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Be gone."""
        self.loop = None

    def answer(self, topic: str, handler: Handler) -> None:
        self._handlers[topic] = handler

    async def ask(self, topic: str, body: Message, within_s: float = 5.0) -> list[Reply]:
        assert self.loop is not None, f"{topic} was asked before the worker was open"
        text = json.dumps(body)
        self._link.told.append((self.worker, topic, body))
        others = [one for one in self._link.open if one is not self]
        asked = [one.call(topic, text) for one in others]
        return [Reply(*json.loads(json.dumps(reply))) for reply in await asyncio.gather(*asked)]

    async def call(self, topic: str, text: str) -> tuple[int, Message, str | None]:
        """Have the handler answer, on the loop of its worker."""
        assert self.loop is not None
        work = self._handle(topic, json.loads(text))
        if self.loop is asyncio.get_running_loop():
            return await asyncio.create_task(work)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    async def _handle(self, topic: str, body: Message) -> tuple[int, Message, str | None]:
        if (handler := self._handlers.get(topic)) is None:
            return self.worker, {}, f"this worker knows nothing of {topic}"
        try:
            return self.worker, await handler(body), None
        except TaktError as error:
            return self.worker, {}, str(error)


@dataclass
class Link:
    """Links workers; those that are open hear each other.

    Attributes:
        workers: how many the server has.
        told: what was asked: by whom, the topic, the body.
    """

    workers: int
    peers: list[LinkedPeers] = field(default_factory=list)
    told: list[tuple[int, str, Message]] = field(default_factory=list)

    @property
    def open(self) -> list[LinkedPeers]:
        return [one for one in self.peers if one.loop is not None]

    def join(self, worker: int | None = None, *, leads: bool | None = None) -> LinkedPeers:
        """One more worker; the first one leads unless it is told otherwise."""
        number = len(self.peers) if worker is None else worker
        peers = LinkedPeers(self, number)
        if not self.peers if leads is None else leads:
            peers.leading.set()
        self.peers.append(peers)
        return peers


@dataclass
class Worker:
    """One worker that serves."""

    app: Any
    client: httpx.AsyncClient
    peers: LinkedPeers


@asynccontextmanager
async def working(
    settings: Settings,
    peers: LinkedPeers,
    open_engine: Any = None,
    record: Record | None = None,
) -> AsyncIterator[Worker]:
    """A worker from its start to its end; it is loaded."""
    app = create_app(settings, open_engine, record=record, peers=peers)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    peers.open()
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://takt") as client,
        ):
            await idle(app)
            yield Worker(app, client, peers)
    finally:
        peers.close()


@asynccontextmanager
async def working_together(
    settings: Settings,
    workers: int = 2,
    open_engine: Any = None,
    records: Callable[[], Record] | None = None,
) -> AsyncIterator[tuple[Worker, ...]]:
    """Workers of one server, the first of which leads."""
    link = Link(workers)
    async with AsyncExitStack() as stack:
        started = [
            stack.enter_async_context(
                working(settings, link.join(), open_engine, records() if records else None)
            )
            for _ in range(workers)
        ]
        yield tuple([await one for one in started])
