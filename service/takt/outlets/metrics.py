"""The instruments of the outlets: what they have sent, and what they have not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """What became of the messages that one outlet keeps until they are delivered.

    Attributes:
        delivered: messages that the other end has taken.
        full: messages that gave way to newer ones.
        disk: messages that the disk did not take.
        refused: messages that the other end will never take.
        up: whether the other end is there.
    """

    delivered: Counter
    full: Counter
    disk: Counter
    refused: Counter
    up: Gauge


class OutletMetrics:
    """What the outlets tell of themselves.

    >>> OutletMetrics(CollectorRegistry()).watch("rejects", lambda: 0).sent.inc()

    Args:
        registry: what `/metrics` shows.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, labelnames=("outlet",), registry=registry)
        counter = partial(Counter, registry=registry)
        self._answers = counter(
            "takt_outlet_answers",
            "Answers that an outlet has sent, has failed to send, or has lost as too many waited.",
            ("outlet", "outcome"),
        )
        self._waiting = gauge(
            "takt_outlet_waiting", "Answers that wait until an outlet sends them."
        )
        self._up = gauge(
            "takt_outlet_up",
            "Whether the other end of an outlet takes messages; 0 while they are kept.",
        )
        self._kept = gauge(
            "takt_outlet_kept_messages",
            "Messages that an outlet keeps on the disk until its other end has taken them.",
        )
        self._delivered = counter(
            "takt_outlet_delivered",
            "Messages that the other end of an outlet has taken.",
            ("outlet",),
        )
        self._dropped = counter(
            "takt_outlet_dropped",
            "Messages that are never delivered: the oldest where there was no room (full), those "
            "that the disk did not take (disk), and those that the other end refused (refused).",
            ("outlet", "reason"),
        )

    def watch(self, outlet: str, waiting: Callable[[], float]) -> OutletCounts:
        """Show the figures of an outlet, each from 0 on."""
        self._waiting.labels(outlet).set_function(waiting)
        return OutletCounts(
            *(self._answers.labels(outlet, outcome) for outcome in ("sent", "failed", "lost"))
        )

    def watch_spool(self, outlet: str, kept: Callable[[], float]) -> SpoolCounts:
        """Show the figures of what an outlet keeps, each from 0 on."""
        self._kept.labels(outlet).set_function(kept)
        return SpoolCounts(
            delivered=self._delivered.labels(outlet),
            full=self._dropped.labels(outlet, "full"),
            disk=self._dropped.labels(outlet, "disk"),
            refused=self._dropped.labels(outlet, "refused"),
            up=self._up.labels(outlet),
        )
