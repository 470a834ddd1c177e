"""The instruments of a whole server, whichever of its processes is asked."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import Metric

from service.observing.journal import Journal
from service.observing.metrics import Metrics
from service.observing.summing.merging import TOPIC, heard, merged, told
from service.peers import Message, Peers


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

    async def read(self) -> list[Metric]:
        """Those of all workers together."""
        if self._peers.workers == 1:
            return self.own()
        replies = await self._peers.ask(TOPIC, {})
        return merged([self.own(), *(heard(one.body["families"]) for one in replies if one.body)])

    async def read_named(self, names: Collection[str]) -> list[Metric]:
        """The samples of these names alone."""
        if self._peers.workers == 1:
            self._journal.settle()
            return list(self._metrics.read_named(names))
        chosen = []
        for family in await self.read():
            if kept := [sample for sample in family.samples if sample.name in names]:
                family.samples = kept
                chosen.append(family)
        return chosen

    async def _tell(self, _: Message) -> Message:
        return {"families": told(self.own())}
