"""The instruments that tell what becomes of connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from takt.core.domain import CloseReason


class ConnectionMetrics:
    """The instruments of a server's connections.

    Args:
        registry: what `/metrics` shows.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge("takt_connections", "Connections that are open.", registry=registry)
        self._limit = Gauge(
            "takt_connections_limit",
            "Connections that may be open; one more is refused.",
            registry=registry,
        )
        closed = Counter(
            "takt_connections_closed",
            "Connections that the server refused or ended by itself, by reason.",
            ("reason",),
            registry=registry,
        )
        self._closed = {reason: closed.labels(reason) for reason in get_args(CloseReason)}

    def watch(self, number: Callable[[], float], limit: Callable[[], float]) -> None:
        """Read how many are open, and may be, whenever Prometheus asks."""
        self._open.set_function(number)
        self._limit.set_function(limit)

    def closed(self, reason: CloseReason) -> None:
        """Count one that the server refused or ended."""
        self._closed[reason].inc()
