"""What all connections of one server share."""

from __future__ import annotations

from uvicorn.server import ServerState

from service.server.gate import ConnectionGate


class ConnectionState(ServerState):
    """uvicorn's state, with the gate.

    Args:
        gate: admits connections.
    """

    def __init__(self, gate: ConnectionGate) -> None:
        super().__init__()
        self.gate = gate
