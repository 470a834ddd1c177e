"""Streams that inspect shots, and the options of one."""

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
    """Options of a stream.

    Attributes:
        policy: whether every shot is answered, or the newest only.
        vote: over the last frames; None for no vote.
        smoothing: weight of each new score; None for no smoothing.
        overlays: whether answers come with the picture and the heatmap on it.
    """

    policy: Policy
    vote: VotingRule | None
    smoothing: float | None
    overlays: bool


class Stream(Protocol):
    """Takes shots and gives an outcome for each; one task may send while another one reads."""

    async def send(self, shot: Shot) -> None:
        """Sends a shot, as soon as there is room for it; shots are numbered from 0 on."""

    async def finish(self) -> None:
        """Tells that no shot follows."""

    def outcomes(self) -> AsyncIterator[Outcome]:
        """An outcome for each shot; ends when all are answered after `finish`."""
