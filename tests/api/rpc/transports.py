"""An app on a real port, and NVIDIA's client of the Open Inference Protocol over HTTP and gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
import uvicorn
from fastapi import FastAPI
from tritonclient.utils import InferenceServerException

from takt.parts.composing.assembly import foundation_of
from takt.parts.oip import rpc_backend
from takt.server.connections.closures import Closures
from takt.server.connections.descriptors import ConnectionLimits
from takt.server.connections.gate import ConnectionGate
from takt.server.connections.http_connection import HttpConnection
from takt.server.connections.open_messages import OpenMessages
from takt.server.connections.state import ConnectionState
from takt.server.listening import Listening, listening
from takt.server.rpc_server import RpcServer
from takt.server.server import Server
from takt.settings import Settings
from tests.api.apps import idle

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


@dataclass(frozen=True)
class Transport:
    """One of the two, with the client's modules for it."""

    name: str
    module: ModuleType
    aio: ModuleType

    def status(self, of_http: int) -> str:
        """What the client calls a status of HTTP."""
        return str(of_http) if self.name == "http" else str(_CODES[of_http])

    def images(self, pictures: Sequence[bytes]) -> list[Any]:
        tensor = self.module.InferInput("image", [len(pictures)], "BYTES")
        tensor.set_data_from_numpy(np.array(pictures, np.object_))
        return [tensor]

    def pixels(self, pictures: np.ndarray) -> list[Any]:
        tensor = self.module.InferInput("pixels", list(pictures.shape), "UINT8")
        tensor.set_data_from_numpy(pictures)
        return [tensor]

    def wanted(self, *names: str) -> list[Any]:
        return [self.module.InferRequestedOutput(name) for name in names]


HTTP = Transport("http", tritonclient.http, tritonclient.http.aio)
GRPC = Transport("grpc", tritonclient.grpc, tritonclient.grpc.aio)


@dataclass
class Served:
    """A server, and a client of it."""

    server: Server
    sockets: Listening
    client: Any
    address: str
    ended: bool = False

    async def shut_down(self) -> None:
        """End the server as a signal does; again does nothing."""
        if not self.ended:
            self.ended = True
            await self.server.shutdown([*self.sockets.main])


@asynccontextmanager
async def served(app: FastAPI, settings: Settings, transport: Transport) -> AsyncIterator[Served]:
    """Serve an app over both, on free ports, until the block ends."""
    settings = settings.model_copy(update={"port": 0, "grpc_port": 0})
    gate = ConnectionGate(lambda: ConnectionLimits(99, 99), Closures(lambda reason: None))
    with listening(settings) as sockets:
        server = Server(
            uvicorn.Config(app, http=HttpConnection, log_config=None),
            ConnectionState(gate, OpenMessages(1e9)),
            foundation_of(app).drain,
            foundation_of(app).sessions.close,
            foundation_of(app).models.repository.loaded.wait,
            beside=RpcServer(rpc_backend(foundation_of(app)), settings, sockets.rpc),
        )
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup([*sockets.main])
        await idle(app)
        address = address_of(sockets, transport)
        client = transport.aio.InferenceServerClient(address)
        found = Served(server, sockets, client, address)
        try:
            yield found
        finally:
            await client.close()
            await found.shut_down()


def address_of(sockets: Listening, transport: Transport) -> str:
    if transport is HTTP:
        return "{}:{}".format(*sockets.main[0].getsockname())
    return sockets.rpc[0]


def depth_of(server: Served) -> int:
    """Pictures that wait for the engine."""
    app: Any = server.server.config.app
    depth: int = foundation_of(app).models.repository.get("parts").depth
    return depth


async def refusal_of(asked: Any) -> tuple[str, str]:
    """Status and text of a refusal."""
    try:
        await asked
    except InferenceServerException as error:
        return str(error.status()), error.message()
    raise AssertionError("it was not refused")
