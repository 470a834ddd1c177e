"""Who inspects the shots: a bundle in this process, or a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from service.commands.watch.pacing import Shot
from service.streaming.evidence import VotingRule
from service.streaming.outcomes import Outcome
from service.streaming.session import Policy


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for.

    Attributes:
        policy: see `Rules`.
        vote: over the last frames, if one is wanted.
        smoothing: weight of each new score, if smoothing is wanted.
        overlays: whether answers come with the picture and what was found on it.
    """

    policy: Policy
    vote: VotingRule | None
    smoothing: float | None
    overlays: bool


class Stream(Protocol):
    """Takes shots and says what becomes of each; two tasks may use it, one for each."""

    async def send(self, shot: Shot) -> None:
        """Send a shot, as soon as there is room for it; shots are numbered from 0 on."""

    async def finish(self) -> None:
        """Say that no shot follows."""

    def outcomes(self) -> AsyncIterator[Outcome]:
        """What became of the shots, until all have been answered after `finish`."""
