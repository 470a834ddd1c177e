"""The instruments of a whole server, whichever of its processes is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from prometheus_client import Metric

from takt.observing.instruments.merging import TOPIC, Told, heard, merged, told
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import Journal
from takt.peers import Message, Peers, Reply


class HostMetrics:
    """Reads the instruments of every worker, on the event loop.

    Args:
        metrics: of this process.
        journal: brings them up to date.
        peers: the other workers.
    """

    def __init__(self, metrics: Metrics, journal: Journal, peers: Peers) -> None:
        self._metrics = metrics
        self._journal = journal
        self._peers = peers
        peers.answer(TOPIC, self._tell)

    def own(self) -> list[Metric]:
        """Those of this process."""
        self._journal.settle()
        return self._metrics.read()

    def counted(self) -> Iterator[Told]:
        """What this process has counted, family by family, so that others may run in between."""
        self._journal.settle()
        for family in self._metrics.families():
            if found := told([family], counters_only=True):
                yield found

    def tell_still(self, workers: int) -> None:
        """Show how many workers stand still, as the supervisor has it."""
        self._metrics.workers_still.set(workers)

    async def read(self) -> list[Metric]:
        """Those of all workers together."""
        if self._peers.workers == 1:
            return self.own()
        replies = await self._peers.ask(TOPIC, {})
        # What takes the loop's time is taken from the pictures of a line.
        return await asyncio.to_thread(_together, self.own(), replies)

    async def _tell(self, _: Message) -> Message:
        return {"families": told(self.own())}


def _together(own: list[Metric], replies: list[Reply]) -> list[Metric]:
    return merged([own, *(heard(one.body["families"]) for one in replies if one.body)])
