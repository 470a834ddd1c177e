"""Whether stations are well, as they say themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class StationStates(Collector):
    """Shows the stations that have said something within the last hour.

    >>> registry = CollectorRegistry()
    >>> _ = StationStates(registry, lambda: {"press-1": True})
    >>> registry.get_sample_value("takt_station_up", {"station": "press-1"})
    1.0

    Args:
        registry: shows the gauge.
        read: gives whether each station is well, by its name; any thread may call it.
    """

    def __init__(self, registry: CollectorRegistry, read: Callable[[], Mapping[str, bool]]) -> None:
        self._read = read
        registry.register(self)

    def describe(self) -> list[Metric]:
        """The gauge, for which no station is looked at."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """The gauge of each station."""
        family = self._family()
        for name, well in self._read().items():
            family.add_metric((name,), float(well))
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "takt_station_up",
            "1 while a station takes parts, or its PLC has taken it offline; 0 while it says "
            "nothing, has a fault, or has no camera or server that can judge. A station that has "
            "said nothing for an hour has none.",
            labels=("station",),
        )
