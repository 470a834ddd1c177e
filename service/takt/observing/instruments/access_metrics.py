"""The instruments that tell of callers, and of files that are read again while serving."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter


class AccessMetrics:
    """The instruments of who may ask.

    No label names a caller: what a caller does is in the log.

    Args:
        registry: what `/metrics` shows.

    Attributes:
        counts_reloads: whether this process counts what every process of its server sees.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counts_reloads: Callable[[], bool] = lambda: True
        self._refused = Counter(
            "takt_callers_refused",
            "Requests that were refused since nobody is known by their key, or it lacks a scope.",
            ("code",),
            registry=registry,
        )
        self._reloads = Counter(
            "takt_file_reloads",
            "Changes of files that are followed while serving, and whether they were taken.",
            ("files", "outcome"),
            registry=registry,
        )

    def watch(self, what: str) -> None:
        """Count the changes of files from 0 on."""
        for outcome in ("taken", "refused"):
            self._reloads.labels(what, outcome)

    def refused(self, code: str) -> None:
        """Count a request that was refused with this code."""
        self._refused.labels(code).inc()

    def reloaded(self, what: str, taken: bool) -> None:
        """Count a change of files, and whether what they say now is in force."""
        if self.counts_reloads():
            self._reloads.labels(what, "taken" if taken else "refused").inc()
