"""Every metric of the service, as its instrument declares it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric, PlatformCollector, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase

from docs._reference.markdown import prose, table
from takt.mirroring.metrics import MirrorMetrics
from takt.observing.instruments.gpu_metrics import GpuCollector
from takt.observing.instruments.metrics import Metrics
from takt.observing.instruments.station_states import StationStates
from takt.observing.instruments.watch_metrics import WatchMetrics
from takt.outlets.metrics import OutletMetrics
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.metrics import RecordMetrics

_UNITS = {"_seconds": "s", "_bytes": "bytes", "_ratio": "0 to 1", "_celsius": "°C", "_watts": "W"}


def metrics() -> str:
    """A row for each metric: name, kind, labels, unit, meaning; by name."""
    rows = sorted({_row(metric, labels) for metric, labels in _declared()})
    return table(("metric", "kind", "labels", "unit", "what it is"), rows)


def _declared() -> Iterator[tuple[Metric, tuple[str, ...]]]:
    """Each metric of ours, with the names of its labels."""
    metrics = Metrics()
    AuditMetrics(metrics.registry).begin(lambda: 0)
    RecordMetrics(metrics.registry).begin()
    StationStates(metrics.registry, dict)
    WatchMetrics(metrics.registry, lambda station: True)
    MirrorMetrics(metrics.registry)
    OutletMetrics(metrics.registry)
    # Neither a registry's collectors nor an instrument's labels can be had in another way.
    for collector in (*metrics.registry._collector_to_names, GpuCollector(nvml=None)):
        if isinstance(collector, ProcessCollector | PlatformCollector):
            continue
        for metric in collector.describe():  # type: ignore[attr-defined]
            named = collector if isinstance(collector, MetricWrapperBase) else metric
            yield metric, tuple(named._labelnames)


def _row(metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    unit = next((unit for end, unit in _UNITS.items() if metric.name.endswith(end)), "")
    if metric.name.endswith("_timestamp_seconds"):
        unit = "Unix time, s"
    return f"`{name}`", metric.type, ", ".join(labels), unit, prose(metric.documentation)
