"""Which alarms call is a gauge, which falls back to 0."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from takt.observing.instruments.watch_metrics import WatchMetrics

ALARM = ("nut", "left", "camera")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def shown(registry: CollectorRegistry, station: str = "left") -> float | None:
    labels = {"model": "nut", "station": station, "cause": "camera"}
    return registry.get_sample_value("takt_watch_alarm", labels)


def test_an_alarm_that_calls_is_one_until_it_ends(registry: CollectorRegistry) -> None:
    metrics = WatchMetrics(registry, lambda station: True)
    assert shown(registry) is None
    metrics.show([ALARM])
    assert shown(registry) == 1
    metrics.show([])
    assert shown(registry) == 0


def test_stations_beyond_the_first_ones_are_one(registry: CollectorRegistry) -> None:
    metrics = WatchMetrics(registry, {"left"}.__contains__)
    metrics.show([("nut", station, "camera") for station in ("left", "right", "rear")])
    assert shown(registry) == shown(registry, "other") == 1
    assert shown(registry, "right") is None


def test_a_stream_that_is_watched_is_nought_before_anything_calls(
    registry: CollectorRegistry,
) -> None:
    metrics = WatchMetrics(registry, lambda station: True)
    metrics.watch("nut", "left", ("camera", "defects"))
    assert shown(registry) == 0
    metrics.show([ALARM])
    metrics.watch("nut", "left", ("camera", "defects"))
    assert shown(registry) == 1
