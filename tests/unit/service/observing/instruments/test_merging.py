"""Several processes' instruments together are those of one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from takt.mirroring.metrics import MirrorMetrics
from takt.observing.instruments.merging import LARGEST, LEAST, heard, merged, told
from takt.observing.instruments.metrics import Metrics
from takt.observing.instruments.station_states import StationStates
from takt.observing.instruments.watch_metrics import WatchMetrics
from takt.outlets.metrics import OutletMetrics
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.metrics import RecordMetrics

SUMMED = {
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "takt_audit_entries_waiting",
    "takt_connections",
    "takt_engine_instances",
    "takt_engine_threads_lost",
    "takt_engines_working",
    "takt_in_flight",
    "takt_memory_in_flight_bytes",
    "takt_memory_in_flight_limit_bytes",
    "takt_outlet_kept_messages",
    "takt_outlet_waiting",
    "takt_queue_depth",
    "takt_queue_size_limit",
    "takt_record_waiting",
    "takt_streams",
}


def process(requests: int, loaded_s: float) -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("takt_requests", "Pictures.", ("model",), registry=registry).labels("nut").inc(requests)
    seconds = Histogram("takt_stage_seconds", "Time.", buckets=(0.1, 1.0), registry=registry)
    seconds.observe(0.05, {"request_id": f"{requests}"})
    seconds.observe(requests)
    of = "takt_model_load_seconds", "Time that loading took."
    Gauge(*of, registry=registry).set(loaded_s)
    Gauge("takt_model_ready", "1 if it answers.", registry=registry).set(loaded_s < 5)
    Gauge("takt_queue_depth", "Pictures that wait.", registry=registry).set(requests)
    return registry


def test_counters_and_histograms_are_added_and_gauges_as_each_says() -> None:
    families = merged([process(2, 3.0).collect(), process(5, 7.0).collect()])
    values = {
        (sample.name, sample.labels.get("le")): sample.value
        for family in families
        for sample in family.samples
    }
    assert values["takt_requests_total", None] == 7
    assert values["takt_stage_seconds_bucket", "0.1"] == 2
    assert values["takt_stage_seconds_bucket", "+Inf"] == 4
    assert values["takt_stage_seconds_sum", None] == 7.1
    assert values["takt_model_load_seconds", None] == 7.0
    assert values["takt_model_ready", None] == 0
    assert values["takt_queue_depth", None] == 7


def test_what_one_process_tells_another_reads_as_its_own() -> None:
    registry = process(2, 3.0)
    again = heard(told(registry.collect()))
    assert [one.samples for one in again] == [one.samples for one in registry.collect()]

    class Again:
        def collect(self) -> object:
            return again

    assert generate_latest(Again()) == generate_latest(registry)  # type: ignore[arg-type]


def test_gauges_end_with_their_process_and_counters_do_not() -> None:
    kept = {one[0] for one in told(process(2, 3.0).collect(), counters_only=True)}
    assert kept == {"takt_requests", "takt_stage_seconds"}


def test_it_is_stated_of_every_gauge_how_those_of_several_processes_make_one() -> None:
    metrics = Metrics()
    RecordMetrics(metrics.registry).begin()
    WatchMetrics(metrics.registry, lambda station: True)
    AuditMetrics(metrics.registry).begin(lambda: 0)
    MirrorMetrics(metrics.registry)
    OutletMetrics(metrics.registry)
    StationStates(metrics.registry, dict)
    gauges = {one.name for one in metrics.registry.collect() if one.type in ("gauge", "info")}
    assert gauges == SUMMED | LARGEST | LEAST
