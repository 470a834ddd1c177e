"""Which alarms call is a gauge, which falls back to 0."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from service.observing.instruments.watch_metrics import WatchMetrics


@dataclass
class Alarm:
    """An alarm that stands, and may be noted."""

    station: str = "left"
    noted: bool = False
    model: str = "nut"
    cause: str = "camera"

    def calls(self, now_us: int) -> bool:
        return not self.noted


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def shown(registry: CollectorRegistry, station: str = "left") -> float | None:
    labels = {"model": "nut", "station": station, "cause": "camera"}
    return registry.get_sample_value("takt_watch_alarm", labels)


def test_an_alarm_that_calls_is_one_until_it_ends(registry: CollectorRegistry) -> None:
    metrics = WatchMetrics(registry, lambda station: True)
    assert shown(registry) is None
    metrics.show([Alarm()], 0)
    assert shown(registry) == 1
    metrics.show([], 0)
    assert shown(registry) == 0


def test_an_alarm_that_somebody_noted_is_nought(registry: CollectorRegistry) -> None:
    metrics = WatchMetrics(registry, lambda station: True)
    metrics.show([Alarm()], 0)
    metrics.show([Alarm(noted=True)], 0)
    assert shown(registry) == 0


def test_stations_beyond_the_first_ones_are_one(registry: CollectorRegistry) -> None:
    metrics = WatchMetrics(registry, {"left"}.__contains__)
    metrics.show([Alarm(), Alarm("right"), Alarm("rear")], 0)
    assert shown(registry) == shown(registry, "other") == 1
    assert shown(registry, "right") is None


def test_a_stream_that_is_watched_is_nought_before_anything_calls(
    registry: CollectorRegistry,
) -> None:
    metrics = WatchMetrics(registry, lambda station: True)
    metrics.watch("nut", "left", ("camera", "defects"))
    assert shown(registry) == 0
    metrics.show([Alarm()], 0)
    metrics.watch("nut", "left", ("camera", "defects"))
    assert shown(registry) == 1
