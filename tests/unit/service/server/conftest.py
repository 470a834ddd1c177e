"""A server of the real protocols on a loopback port, with a small app and a clock of its own."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from takt.core.domain import CloseReason
from takt.server.connections.closures import Closures
from takt.server.connections.descriptors import ConnectionLimits
from takt.server.connections.gate import ConnectionGate
from takt.server.connections.http_connection import HttpConnection
from takt.server.connections.open_messages import OpenMessages
from takt.server.connections.state import ConnectionState
from takt.server.connections.tls_connection import TlsConnection
from takt.server.connections.websocket_connection import WebSocketConnection

App = Callable[[Scope, Receive, Send], Any]


async def answer(scope: Scope, receive: Receive, send: Send, *, body: bytes = b"ok") -> None:
    """Read the body, then answer 200."""
    while (await receive()).get("more_body"):
        pass
    length = str(len(body)).encode()
    headers = [(b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept a WebSocket, and send each message back."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


@dataclass
class Running:
    """A server; time goes on only by `sweep`."""

    port: int
    gate: ConnectionGate
    closed: list[CloseReason]
    state: ConnectionState
    config: uvicorn.Config
    passed_s: float = field(default=0.0)

    async def connect(
        self, tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)

    async def ask(self, data: bytes, tls: ssl.SSLContext | None = None) -> bytes:
        """What comes until the server closes."""
        reader, writer = await self.connect(tls)
        writer.write(data)
        answered = await reader.read()
        writer.close()
        return answered

    def sweep(self, after_s: float = 0.0) -> None:
        """Let time pass, as the sweep sees it."""
        self.passed_s += after_s
        self.gate.sweep(asyncio.get_running_loop().time() + self.passed_s)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not true():
                await asyncio.sleep(0.001)


Run = Callable[..., Any]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """The event loop that the service runs on."""
    return "asyncio", {"loop_factory": uvloop.new_event_loop}


@pytest.fixture
def running() -> Run:
    @asynccontextmanager
    async def run(
        app: App = answer,
        *,
        most: int = 100,
        per_client: int = 100,
        message_bytes: float = math.inf,
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[Running]:
        closed: list[CloseReason] = []
        gate = ConnectionGate(lambda: ConnectionLimits(most, per_client), Closures(closed.append))
        state = ConnectionState(gate, OpenMessages(message_bytes))
        config = uvicorn.Config(
            app,
            http=HttpConnection,
            ws=WebSocketConnection,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            timeout_keep_alive=75,
        )
        config.load()
        loop = asyncio.get_running_loop()

        def accept() -> asyncio.Protocol:
            plain = HttpConnection(config, state, {})
            return plain if tls is None else TlsConnection(tls, plain, state)

        server = await loop.create_server(accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield Running(port, gate, closed, state, config)
        finally:
            server.close()
            for connection in list(state.connections):
                connection.transport.abort()
            for handshake in list(state.handshakes):
                handshake.abort()
            for task in list(state.tasks):
                task.cancel()
            await asyncio.gather(*state.tasks, return_exceptions=True)
            async with asyncio.timeout(60):
                while state.connections or state.handshakes:
                    await asyncio.sleep(0.001)

    return run
