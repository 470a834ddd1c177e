"""One reading of the instruments, by the names that Prometheus sees."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import pairwise

from prometheus_client import Metric
from prometheus_client.samples import Sample

from takt.observing.instruments.host_metrics import HostMetrics
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import Journal

Series = tuple[str, tuple[tuple[str, str], ...]]
"""Name of a sample, and its labels, sorted by their names."""

STAGES = "takt_stage_seconds"

Counts = tuple[int, ...]
"""Values of a histogram in each bucket, the last one without an end."""

NAMES = frozenset(
    {
        "takt_requests_total",
        "takt_last_picture_timestamp_seconds",
        "takt_engine_busy_seconds_total",
        "takt_engine_instances",
        "takt_engines_working",
        "takt_engine_restarts_total",
        "takt_engine_threads_lost",
        "takt_counting_errors_total",
        "takt_queue_depth",
        "takt_queue_size_limit",
        "takt_in_flight",
        "takt_memory_in_flight_bytes",
        "takt_memory_in_flight_limit_bytes",
        "takt_model_ready",
        "takt_workers_still",
        "takt_model_active",
        "takt_model_finding",
        "takt_model_spoilt",
        "takt_model_unwatched",
        "takt_promised_reject_ratio",
        "takt_connections",
        "takt_connections_limit",
        "takt_connections_closed_total",
        "takt_repository_up",
        "takt_repository_refused",
        "takt_record_up",
        "takt_record_newer",
        "takt_record_waiting",
        "takt_record_inspections_total",
        "takt_record_pictures_total",
        "takt_record_picture_bytes",
        "takt_record_recent_bytes",
        "takt_record_clock_doubted",
        "takt_outlet_answers_total",
        "takt_outlet_dropped_total",
        "takt_outlet_up",
        "takt_station_up",
        "takt_audit_entries_waiting",
        "takt_audit_entries_total",
        "takt_audit_broken",
        "takt_watch_alarm",
        "takt_streams",
        "takt_stream_frames_dropped_total",
        "takt_stream_frame_age_seconds_count",
    }
)
"""What is read; buckets are read apart, as their text costs more than all of these."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What the instruments showed at one moment.

    Attributes:
        at_s: the moment, on the monotonic clock.
        values: of counters and gauges.
        stages: seconds that answered pictures took, by model and stage.
    """

    at_s: float
    values: Mapping[Series, float]
    stages: Mapping[tuple[str, ...], Counts] = dataclasses.field(default_factory=dict)


Read = Callable[[float], Awaitable[Reading]]
"""Reads the instruments at a moment on the monotonic clock."""


def read(metrics: Metrics, journal: Journal, at_s: float) -> Reading:
    """Read the instruments of this process; on the event loop, which feeds them."""
    journal.settle()
    values = {
        _series(sample): sample.value
        for family in metrics.read_named(NAMES)
        for sample in family.samples
    }
    return Reading(at_s, values, metrics.stage_counts())


async def read_own(metrics: Metrics, journal: Journal, at_s: float) -> Reading:
    """The reading of a server of one process, which costs less than its families."""
    return read(metrics, journal, at_s)


async def read_all(metrics: HostMetrics, at_s: float) -> Reading:
    """The reading of a server of several processes."""
    families = await metrics.read()
    return await asyncio.to_thread(reading_of, families, at_s)


def reading_of(families: Iterable[Metric], at_s: float) -> Reading:
    """What instruments showed, by their families.

    >>> from prometheus_client import CollectorRegistry, Gauge
    >>> registry = CollectorRegistry()
    >>> Gauge("takt_streams", "Streams that are open.", registry=registry).set(2)
    >>> reading_of(registry.collect(), at_s=5.0).values
    {('takt_streams', ()): 2.0}
    """
    values: dict[Series, float] = {}
    until: dict[tuple[str, ...], list[int]] = {}
    for family in families:
        for sample in family.samples:
            if sample.name in NAMES:
                values[_series(sample)] = sample.value
            elif sample.name == f"{STAGES}_bucket":
                of_stage = sample.labels["model"], sample.labels["stage"]
                # In the order of their ends; each counts those before as well.
                until.setdefault(of_stage, []).append(round(sample.value))
    stages = {
        labels: tuple(count - before for before, count in pairwise([0, *counts]))
        for labels, counts in until.items()
    }
    return Reading(at_s, values, stages)


def _series(sample: Sample) -> Series:
    return sample.name, tuple(sorted(sample.labels.items()))
