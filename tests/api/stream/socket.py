"""A client of the stream, over the ASGI app in process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from takt_client.pictures import RawPicture, pack_frame
from tests.api.stream.contract import check_sent

PATH = "/v1/models/parts/stream"

Message = dict[str, Any]


class Closed(Exception):
    """The server closed; its code is the argument."""


class Socket:
    """A WebSocket to an ASGI app."""

    def __init__(self, app: Any, path: str, headers: dict[str, str]) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._lost = False
        self.reads = asyncio.Event()
        """Whether the client reads; while it does not, the server waits to send."""
        self.reads.set()
        self.read = 0
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        self._to_app.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        message = await self._to_app.get()
        self.read += 1
        return message

    async def _send(self, message: Message) -> None:
        await self.reads.wait()
        if self._lost:
            raise OSError("the connection is lost")
        self._from_app.put_nowait(message)

    def frame(self, sequence: int, picture: bytes | RawPicture, captured_us: int = 0) -> None:
        self.binary(pack_frame(sequence, captured_us, picture))

    def binary(self, data: bytes) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "bytes": data})

    def text(self, text: str) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "text": text})

    def say(self, kind: str, **fields: Any) -> None:
        self.text(json.dumps({"type": kind, **fields}))

    async def hello(self, **fields: Any) -> Message:
        self.say("hello", **fields)
        return await self.hear()

    async def raw(self) -> Message:
        return await self._from_app.get()

    async def hear(self) -> Message:
        """The next text message, which must be one of the AsyncAPI document."""
        message = await self.raw()
        if message["type"] == "websocket.close":
            raise Closed(message["code"])
        heard = json.loads(message["text"])
        check_sent(heard)
        return heard

    async def until_closed(self) -> tuple[list[Message], int]:
        heard: list[Message] = []
        try:
            while True:
                heard.append(await self.hear())
        except Closed as closed:
            await self.task
            return heard, closed.args[0]

    def close(self, code: int = 1000) -> None:
        """Go; what the server still sends is lost."""
        self._lost = True
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": code})


@asynccontextmanager
async def connect(
    client: httpx.AsyncClient, path: str = PATH, **headers: str
) -> AsyncIterator[Socket]:
    app = client._transport.app  # type: ignore[attr-defined]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    socket = Socket(app, path, {"host": "takt", **named})
    try:
        message = await socket.raw()
        assert message["type"] == "websocket.accept"
        yield socket
    finally:
        socket.close()
        await socket.task


def numbered(messages: list[Message]) -> list[tuple[str, int | None]]:
    return [(message["type"], message.get("sequence")) for message in messages]


async def hear(socket: Socket, count: int) -> list[Message]:
    return [await socket.hear() for _ in range(count)]


async def started(engines, batches: int) -> None:
    """Wait until the engine holds this many batches."""
    while len(engines[0].batch_sizes) < batches:
        await asyncio.sleep(0)
