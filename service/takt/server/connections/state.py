"""What all connections of one server share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from uvicorn.server import ServerState

from takt.server.connections.gate import ConnectionGate, GuardedConnection
from takt.server.connections.open_messages import OpenMessages

AskedBy = tuple[tuple[str, int] | None, Literal["http", "https"]]
"""Address and port of a client, where they are known, and the scheme by which it asks."""
Port = Literal["main", "metrics", "relayed"]
"""How a connection came: by one of the server's ports, or from another process."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Another process of the server that alone can answer a request.

    Attributes:
        worker: its number; None for the one that leads.
    """

    worker: int | None


class OwnedElsewhereError(Exception):
    """Another process answers a request.

    Args:
        owner: which one.
    """

    def __init__(self, owner: Owner) -> None:
        super().__init__()
        self.owner = owner


class Relays(Protocol):
    """Passes on requests that another process answers."""

    def owner(self, url: bytes) -> Owner | None:
        """Whom a request is for; None if this process answers it."""

    def begin(
        self, client: asyncio.Transport, asked_by: AskedBy, owner: Owner, sent: bytes
    ) -> None:
        """Pass on what a client has sent and will send; its connection is a pipe from now on."""


class ConnectionState(ServerState):
    """uvicorn's state, with the bounds.

    Args:
        gate: admits connections.
        open_messages: bounds what streams' messages take before they are whole.

    Attributes:
        handshakes: connections that uvicorn does not know of yet.
        relays: passes on what another process answers; None for a server of one process.
        give_back: has another process go on with a connection, and says whether one does; None
            where none is to.
        leaving: whether each answer is the last one of its connection, as another process goes on.
    """

    def __init__(self, gate: ConnectionGate, open_messages: OpenMessages) -> None:
        super().__init__()
        self.gate = gate
        self.open_messages = open_messages
        self.handshakes: set[GuardedConnection] = set()
        self.relays: Relays | None = None
        self.give_back: Callable[[Any], bool] | None = None
        self.leaving = False
