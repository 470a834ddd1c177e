"""The instruments of the outlets: what they have sent, and what they have not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge


@dataclass(frozen=True, slots=True)
class OutletCounts:
    """What became of the answers of one outlet; any thread may count.

    Attributes:
        sent: answers that it has taken.
        failed: answers at which it raised an error.
        lost: answers that found no room, or were left at the end.
    """

    sent: Counter
    failed: Counter
    lost: Counter


class OutletMetrics:
    """What the outlets of plugins tell of themselves.

    >>> OutletMetrics(CollectorRegistry()).watch("rejects", lambda: 0).sent.inc()

    Args:
        registry: what `/metrics` shows.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "takt_outlet_answers",
            "Answers that an outlet has sent, has failed to send, or has lost as too many waited.",
            ("outlet", "outcome"),
            registry=registry,
        )
        self._waiting = Gauge(
            "takt_outlet_waiting",
            "Answers that wait until an outlet sends them.",
            ("outlet",),
            registry=registry,
        )

    def watch(self, outlet: str, waiting: Callable[[], float]) -> OutletCounts:
        """Show the figures of an outlet, each from 0 on."""
        self._waiting.labels(outlet).set_function(waiting)
        return OutletCounts(
            *(self._answers.labels(outlet, outcome) for outcome in ("sent", "failed", "lost"))
        )
