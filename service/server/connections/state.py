"""What all connections of one server share."""

from __future__ import annotations

from uvicorn.server import ServerState

from service.server.connections.gate import ConnectionGate
from service.server.connections.open_messages import OpenMessages


class ConnectionState(ServerState):
    """uvicorn's state, with the bounds.

    Args:
        gate: admits connections.
        open_messages: bounds what streams' messages take before they are whole.
    """

    def __init__(self, gate: ConnectionGate, open_messages: OpenMessages) -> None:
        super().__init__()
        self.gate = gate
        self.open_messages = open_messages
