"""What each command is given, and what it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.places import Places
from benchmarks.realtime.server import TaktServer
from benchmarks.scale.load import Target

WIDTH = 256


@dataclass(frozen=True)
class Given:
    """What the command line gives.

    Attributes:
        takt: the command line's beginning.
        workers: that the server has.
        places: of the models and pictures.
    """

    takt: Sequence[str]
    workers: int
    places: Places

    def repository(self, model: str) -> Path:
        """That of `null`, which costs nothing, or `tiny`, of some milliseconds."""
        return self.places.repository(model, "reduced")


def target(given: Given, server: TaktServer) -> Target:
    """The small picture, to a server's only model."""
    return Target(f"{server.url}/v1/models/bench/inspect", given.places.picture(WIDTH))
