"""The instruments of the watch: which alarms stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Gauge

from takt.observing.instruments.station_metrics import OTHER


class WatchMetrics:
    """Shows the alarms that stand.

    Args:
        registry: shows the gauge.
        admits: whether a station is one of the first of the server.
    """

    def __init__(self, registry: CollectorRegistry, admits: Callable[[str], bool]) -> None:
        self._admits = admits
        self._alarms = Gauge(
            "takt_watch_alarm",
            "1 while an alarm of the watch calls: camera or light have changed (camera), there are "
            "more defects (defects), or the model rejects more than it promises (promise). 0 once "
            "it has ended, or somebody has taken note of it. Stations beyond the server's first 64 "
            "are `other`.",
            ("model", "station", "cause"),
            registry=registry,
        )
        self._shown: set[tuple[str, str, str]] = set()

    def watch(self, model: str, station: str, causes: Iterable[str]) -> None:
        """Show a stream that is watched, whose alarms are 0 until one calls.

        Args:
            model: whose pictures they are.
            station: where they are taken.
            causes: that an alarm of it may have.
        """
        for cause in causes:
            labels = self._labels(model, station, cause)
            if labels not in self._shown:
                self._shown.add(labels)
                self._alarms.labels(*labels)

    def show(self, calling: Iterable[tuple[str, str, str]]) -> None:
        """Show the alarms that call, and that the others of before do not any more.

        Args:
            calling: model, station and cause of each.
        """
        shown = {self._labels(*one) for one in calling}
        self._shown |= shown
        for labels in self._shown:
            self._alarms.labels(*labels).set(labels in shown)

    def _labels(self, model: str, station: str, cause: str) -> tuple[str, str, str]:
        return model, station if self._admits(station) else OTHER, cause
