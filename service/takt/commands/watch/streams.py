"""Options of a watch, and the stream that inspects its shots."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from takt.sources.pacing import Shot
from takt.streaming.evidence import VotingRule
from takt.streaming.outcomes import Outcome
from takt.streaming.session import Policy


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Options of a watch.

    Attributes:
        policy: `all` answers every shot; `latest` replaces a shot that waits by a newer one.
        fps: most shots in a second, None for no limit; a live source leaves out the others.
        limit: number of shots after which the watch ends; None for no end.
        vote: vote over the last frames; None for no vote.
        smoothing: weight of each new score; None for no smoothing.
        overlays: whether answers come with the heatmap on the picture.
        station: name of the source, for the server's record; None names none.
        lot: that the parts belong to, for the server's record; None names none.
    """

    policy: Policy
    fps: float | None = None
    limit: int | None = None
    vote: VotingRule | None = None
    smoothing: float | None = None
    overlays: bool = False
    station: str | None = None
    lot: str | None = None


class ShotStream(Protocol):
    """Takes shots and gives an outcome for each; one task may send while another one reads."""

    async def send(self, shot: Shot) -> None:
        """Sends a shot as soon as there is room for it; shots are numbered from 0."""

    async def finish(self) -> None:
        """Says that no shot follows."""

    def outcomes(self) -> AsyncIterator[Outcome]:
        """Outcomes of the shots; they end when all shots are answered after `finish`."""


OpenStream = Callable[[WatchOptions], AbstractAsyncContextManager[ShotStream]]
"""Opens a stream; several may be open at once."""
