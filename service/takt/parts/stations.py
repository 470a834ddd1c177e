"""Stations: how they fare, and which recipe somebody wants of them."""

from __future__ import annotations

from takt.api.stations.routes import StationDesk, stations_router
from takt.observing.instruments.station_states import StationStates
from takt.parts.composing.foundation import Foundation
from takt.parts.composing.part import ServerPart
from takt.stations.board import StationBoard


def stations_part(foundation: Foundation) -> ServerPart:
    """Keeps in memory what stations say of themselves."""
    board = StationBoard(foundation.peers)
    StationStates(foundation.metrics.registry, board.ups)
    desk = StationDesk(board, foundation.records, foundation.trail)
    return ServerPart(name="stations", routers=(stations_router(desk),))
