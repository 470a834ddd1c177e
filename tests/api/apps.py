"""Apps in process: callers that speak ASGI, and what tests wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import Message

from takt.parts.composing.assembly import foundation_of

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

    def __init__(self, app: Callable[..., Any], query: bytes = b"", path: str = "") -> None:
        changed: dict[str, Any] = {"query_string": query}
        if path:
            changed |= {"path": path, "raw_path": path.encode()}
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.task = asyncio.create_task(app({**SCOPE, **changed}, self.messages.get, self._send))

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def say(self, body: bytes, *, more: bool = False) -> None:
        self.messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def hang_up(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})

    async def status(self) -> int:
        """Of the answer, once it is there."""
        await self.task
        return self.sent[0]["status"]


async def until(condition: Callable[[], bool]) -> None:
    """Let everything else go on until a condition holds.

    Other processes, for which it may wait, get the processor after a moment.
    """
    async with asyncio.timeout(60):
        for _ in range(500):
            if condition():
                return
            await asyncio.sleep(0)
        while not condition():
            await asyncio.sleep(0.002)


async def idle(app: Any) -> None:
    """Wait until all is loaded and the thread of each engine waits, so that it takes what comes.

    A thread that is still on its way there finds two pictures where a test sent one and another.
    """
    repository = foundation_of(app).models.repository
    await until(repository.loaded.is_set)
    found = [version.loaded.batcher for version in repository if version.loaded is not None]
    await until(lambda: all(one._intake.idle == one.working for one in found))
