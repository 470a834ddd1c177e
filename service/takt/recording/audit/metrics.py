"""The instruments of the audit log: what is stored, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

EntryOutcome = Literal["stored", "lost"]
"""In the chain; or in the log alone."""


class AuditMetrics:
    """What the audit log tells of itself; any thread may feed them.

    Args:
        registry: what `/metrics` shows.

    Attributes:
        broken: 1 once the chain was found not to be as it was written.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waiting = Gauge(
            "takt_audit_entries_waiting",
            "Changes whose entries wait to be stored, as the record's database is away.",
            registry=registry,
        )
        self._entries = Counter(
            "takt_audit_entries",
            "Entries that the audit log has stored, or lost as too many waited.",
            ("outcome",),
            registry=registry,
        )
        self.broken = Gauge(
            "takt_audit_broken",
            "1 once entries of the audit log were found to be changed, cut off or put in; what a "
            "start and each further entry look at.",
            registry=registry,
        )

    def begin(self, waiting: Callable[[], float]) -> None:
        """Show the figures of a server that keeps a record, each from 0 on."""
        self._waiting.set_function(waiting)
        for outcome in get_args(EntryOutcome):
            self._entries.labels(outcome)

    def entries(self, outcome: EntryOutcome, count: int = 1) -> None:
        """Count entries by what has become of them."""
        self._entries.labels(outcome).inc(count)
