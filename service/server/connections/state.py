"""What all connections of one server share."""

from __future__ import annotations

from typing import Protocol

from uvicorn.server import ServerState

from service.server.connections.gate import ConnectionGate
from service.server.connections.open_messages import OpenMessages


class Handshake(Protocol):
    """A connection whose TLS handshake is not done."""

    def abort(self) -> None:
        """Close it at once."""


class ConnectionState(ServerState):
    """uvicorn's state, with the bounds.

    Args:
        gate: admits connections.
        open_messages: bounds what streams' messages take before they are whole.

    Attributes:
        handshakes: connections that uvicorn does not know of yet.
    """

    def __init__(self, gate: ConnectionGate, open_messages: OpenMessages) -> None:
        super().__init__()
        self.gate = gate
        self.open_messages = open_messages
        self.handshakes: set[Handshake] = set()
