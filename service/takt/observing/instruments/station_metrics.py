"""Pictures by the station that the caller named, of which the first ones are told apart."""

from __future__ import annotations

import functools
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from takt.observing.instruments.verdict_label import VERDICT_LABELS, VerdictLabel

OTHER = "other"
"""Stands for all stations beyond the first."""


class StationMetrics:
    """Counts answered pictures by model, station and verdict.

    Args:
        registry: shows the counter.
        admits: whether a station is one of the first of the server.
    """

    def __init__(self, registry: CollectorRegistry, admits: Callable[[str], bool]) -> None:
        self._admits = admits
        self._pictures = Counter(
            "takt_station_pictures",
            "Pictures answered, by the station that the caller named, and verdict (good, "
            "anomalous, undecided); stations beyond the server's first 64 are `other`.",
            ("model", "station", "verdict"),
            registry=registry,
        )
        # Looking children up by their labels costs more than counting.
        self._of: dict[tuple[str, str, str], Counter] = {}
        self._other = functools.cache(
            lambda model, verdict: self._pictures.labels(model, OTHER, verdict)
        )

    def count(self, model: str, station: str, verdict: VerdictLabel) -> None:
        """Count a picture."""
        child = self._of.get((model, station, verdict))
        if child is None:
            child = self._child(model, station, verdict)
        child.inc()

    def _child(self, model: str, station: str, verdict: VerdictLabel) -> Counter:
        if not self._admits(station):
            return self._other(model, verdict)
        # All begin at 0, as Prometheus sees no increase in a series that starts with a count.
        for one in VERDICT_LABELS:
            self._of[model, station, one] = self._pictures.labels(model, station, one)
        return self._of[model, station, verdict]
