"""The instruments of several processes as those of one, with the same series."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import Metric
from prometheus_client.samples import Exemplar, Sample

LARGEST = frozenset(
    {
        "process_max_fds",
        "python_info",
        "takt_audit_broken",
        "takt_connections_limit",
        "takt_info",
        "takt_last_picture_timestamp_seconds",
        "takt_model_active",
        "takt_model_finding",
        "takt_model_load_seconds",
        "takt_model_spoilt",
        "takt_model_unwatched",
        "takt_promised_reject_ratio",
        "takt_record_clock_doubted",
        "takt_record_newer",
        "takt_record_picture_bytes",
        "takt_record_recent_bytes",
        "takt_repository_refused",
        "takt_threshold",
        "takt_watch_alarm",
        "takt_workers_still",
    }
)
"""Gauges that each process has of the same thing."""

LEAST = frozenset(
    {
        "process_start_time_seconds",
        "takt_model_ready",
        "takt_outlet_up",
        "takt_record_up",
        "takt_repository_up",
        "takt_station_up",
    }
)
"""Gauges that are good only if they are in every process."""

_GAUGES = frozenset({"gauge", "info", "unknown"})

TOPIC = "metrics"
"""What the workers ask each other for; the supervisor adds what those counted that are gone."""

Told = list[list[Any]]
"""Families as JSON has them: name, documentation, type, unit and samples."""


def told(families: Iterable[Metric], *, counters_only: bool = False) -> Told:
    """Families for another process.

    >>> family = Metric("takt_streams", "Streams that are open.", "gauge")
    >>> family.add_sample("takt_streams", {}, 2.0)
    >>> told([family])
    [['takt_streams', 'Streams that are open.', 'gauge', '', [['takt_streams', {}, 2.0, None]]]]

    Args:
        families: as a registry collects them.
        counters_only: whether gauges are left out, which end with their process.
    """
    return [
        [
            *(family.name, family.documentation, family.type, family.unit),
            [
                [sample.name, dict(sample.labels), sample.value, _example(sample.exemplar)]
                for sample in family.samples
            ],
        ]
        for family in families
        if not (counters_only and family.type in _GAUGES)
    ]


def heard(families: Told) -> list[Metric]:
    """The families that another process has told."""
    return [_family(*parts) for parts in families]


def merged(of_processes: Iterable[Iterable[Metric]]) -> list[Metric]:
    """One family for all of a name: counters and histograms are added, gauges as each one says.

    >>> def counted(value: float) -> Metric:
    ...     family = Metric("takt_requests", "Pictures answered.", "counter")
    ...     family.add_sample("takt_requests_total", {"model": "nut"}, value)
    ...     return family
    >>> [sample.value for sample in merged([[counted(2)], [counted(3)]])[0].samples]
    [5]
    """
    families: dict[str, Metric] = {}
    samples: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], Sample]] = {}
    for process in of_processes:
        for family in process:
            families.setdefault(family.name, family)
            of_name = samples.setdefault(family.name, {})
            put = _rule(family)
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                other = of_name.get(key)
                of_name[key] = sample if other is None else _both(put, other, sample)
    result = []
    for name, family in families.items():
        whole = Metric(family.name, family.documentation, family.type, family.unit)
        whole.samples = list(samples[name].values())
        result.append(whole)
    return result


def _rule(family: Metric) -> Callable[[float, float], float]:
    if family.type in _GAUGES and family.name in LARGEST:
        return max
    if family.type in _GAUGES and family.name in LEAST:
        return min
    return lambda one, other: one + other


def _both(put: Callable[[float, float], float], one: Sample, other: Sample) -> Sample:
    if one.name.endswith("_created"):
        put = min
    return one._replace(value=put(one.value, other.value), exemplar=one.exemplar or other.exemplar)


def _example(exemplar: Exemplar | None) -> list[Any] | None:
    return None if exemplar is None else [dict(exemplar.labels), exemplar.value, exemplar.timestamp]


def _family(name: str, documentation: str, kind: str, unit: str, samples: list[Any]) -> Metric:
    family = Metric(name, documentation, kind, unit)
    for sample_name, labels, value, example in samples:
        exemplar = None if example is None else Exemplar(*example)
        family.samples.append(Sample(sample_name, dict(labels), value, None, exemplar))
    return family
