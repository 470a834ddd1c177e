"""Every Prometheus instrument, in base units; labels are bounded by the models served."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
)

from takt.core.distribution import version
from takt.core.domain import STAGES, DropReason, ProtocolName
from takt.observing.instruments.access_metrics import AccessMetrics
from takt.observing.instruments.connection_metrics import ConnectionMetrics
from takt.observing.instruments.engine_metrics import EngineInstruments
from takt.observing.instruments.histogram import LabelledHistograms
from takt.observing.instruments.model_metrics import (
    SECONDS,
    AnswerMetrics,
    BatchMetrics,
)
from takt.observing.instruments.station_metrics import StationMetrics
from takt.observing.instruments.verdict_label import VERDICT_LABELS, verdict_label
from takt.observing.instruments.version_metrics import VersionInstruments
from takt.observing.records import AnswerRecord, RefusalRecord
from takt.peers import OwnCounts

BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)


class Metrics:
    """The instruments of one app, on a registry of its own; fed and read on its event loop.

    >>> metrics = Metrics(max_queue_size=256)
    >>> metrics.in_flight += 1
    >>> [metric.samples[0].value for metric in metrics.read() if metric.name == "takt_in_flight"]
    [1.0]

    Args:
        max_queue_size: the setting, shown beside the lengths of the queues.
        admits: whether a station is told apart from others.

    Attributes:
        registry: what `/metrics` shows.
        in_flight: requests that are being answered.
        streams: gauge of the streams that are open.
        connections: instruments of the connections.
        access: instruments of who may ask.
        engines: the instruments of the engines.
        versions: the instruments of the versions of models.
    """

    def __init__(
        self, max_queue_size: int = 0, admits: Callable[[str], bool] | None = None
    ) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = 0
        self._batches: dict[str, BatchMetrics] = {}
        self._last_answers_s: dict[str, float] = {}
        counter = functools.partial(Counter, registry=self.registry)
        gauge = functools.partial(Gauge, registry=self.registry)
        self._requests = counter(
            "takt_requests",
            "Pictures answered, by verdict (good, anomalous, undecided, none) and outcome (ok or "
            "error code).",
            ("model", "protocol", "verdict", "outcome"),
        )
        self._stations = StationMetrics(self.registry, admits or OwnCounts().admits)
        self._stages = LabelledHistograms(
            "takt_stage_seconds",
            "Time that an answered picture spent in each stage; `queue` is every wait for a turn.",
            ("model", "stage"),
        )
        self._scores = LabelledHistograms(
            "takt_anomaly_score",
            "Scores of answered pictures; a bucket ends at the bundle's own threshold.",
            ("model", "version"),
        )
        self._batch_sizes = Histogram(
            "takt_batch_size",
            "Pictures in each batch that ran.",
            ("model",),
            buckets=BATCH_SIZES,
            registry=self.registry,
        )
        self._busy = counter(
            "takt_engine_busy_seconds", "Time that engines spent on batches.", ("model",)
        )
        self._dropped = counter(
            "takt_dropped",
            "Pictures taken out of the queue: their time ran out (expired), or their caller left.",
            ("model", "reason"),
        )
        self.engines = EngineInstruments(self.registry)
        self.versions = VersionInstruments(self.registry, self.engines.working, max_queue_size)
        self.streams = gauge("takt_streams", "Streams that are open.")
        self.workers_still = gauge(
            "takt_workers_still",
            "Workers that say nothing now; nobody waits for them, and their counters are older.",
        )
        self._frames_dropped = counter(
            "takt_stream_frames_dropped",
            "Frames of a stream that a newer one replaced.",
            ("model", "policy"),
        )
        self._frame_age = LabelledHistograms(
            "takt_stream_frame_age_seconds",
            "Time from a frame's arrival to its answer.",
            ("model",),
        )
        self._memory = gauge(
            "takt_memory_in_flight_bytes",
            "Memory of pictures in flight: as they came, decoded, and being drawn.",
        )
        self._memory_limit = gauge(
            "takt_memory_in_flight_limit_bytes",
            "Memory that pictures in flight may take; one that finds none left is refused.",
        )
        self.connections = ConnectionMetrics(self.registry)
        self.access = AccessMetrics(self.registry)
        in_flight = gauge("takt_in_flight", "Requests being answered.")
        in_flight.set_function(lambda: self.in_flight)
        gauge("takt_info", "What serves.", ("version",)).labels(version()).set(1)
        for collector in (self._stages, self._scores, self._frame_age):
            self.registry.register(collector)
        self._last_picture = gauge(
            "takt_last_picture_timestamp_seconds",
            "When the last picture was answered, in Unix time; absent until the first one.",
            ("model",),
        )
        # Looking children up by their labels costs more than counting.
        self._ok = functools.cache(
            lambda model, protocol, verdict: self._requests.labels(model, protocol, verdict, "ok")
        )
        self._failed = functools.cache(
            lambda model, protocol, code: self._requests.labels(model, protocol, "none", code)
        )
        self._of = functools.cache(self._of_version)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def answered(self, answered: AnswerRecord) -> None:
        """Count an answer, its score and its stages."""
        verdict = verdict_label(answered.verdict)
        self._ok(answered.model, answered.by, verdict).inc()
        self._of(answered.model, answered.version).count(answered)
        if answered.station is not None:
            self._stations.count(answered.model, answered.station, verdict)
        last_s = self._last_answers_s.get(answered.model)
        if last_s is None:
            newest_s = functools.partial(self._last_answers_s.__getitem__, answered.model)
            self._last_picture.labels(answered.model).set_function(newest_s)
        self._last_answers_s[answered.model] = max(last_s or 0.0, answered.at_s)

    def refused(self, refused: RefusalRecord) -> None:
        """Count a request that was answered by an error."""
        self._failed(refused.model, refused.by, refused.code).inc()

    def read(self) -> list[Metric]:
        """Everything as it is now, for Prometheus."""
        return list(self.families())

    def families(self) -> Iterator[Metric]:
        """The same, each as it is when it is asked for."""
        for batches in self._batches.values():
            batches.settle()
        yield from self.registry.collect()

    def read_named(self, names: Collection[str]) -> Iterable[Metric]:
        """The samples of these names as they are now; the others cost nothing."""
        for batches in self._batches.values():
            batches.settle()
        return self.registry.restricted_registry(names).collect()

    def stage_counts(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        """Answered pictures by model and stage, in each of the buckets of `SECONDS`."""
        return self._stages.counts()

    def frame_answered(self, model: str, age_s: float) -> None:
        """Count the age that a frame of a stream reached until its answer."""
        self._frame_age.child(SECONDS, model).observe(age_s)

    def frame_dropped(self, model: str, policy: str) -> None:
        """Count a frame of a stream that a newer one replaced."""
        self._frames_dropped.labels(model, policy).inc()

    def watch_memory(self, in_use_bytes: Callable[[], float], limit_bytes: float) -> None:
        """Read the memory of pictures in flight whenever Prometheus asks."""
        self._memory.set_function(in_use_bytes)
        self._memory_limit.set(limit_bytes)

    def of_model(self, name: str) -> BatchMetrics:
        """The instruments that the batchers of a model feed."""
        if name not in self._batches:
            dropped = {
                reason: self._dropped.labels(name, reason) for reason in get_args(DropReason)
            }
            self._batches[name] = BatchMetrics(
                self._batch_sizes.labels(name),
                self._busy.labels(name),
                dropped,
                self.engines.counting_errors.labels(name),
            )
        return self._batches[name]

    def loaded(
        self, name: str, version: str, *, seconds: float, instances: int, bounds: Sequence[float]
    ) -> None:
        """Show the figures of a version that is ready to answer.

        Args:
            name: name of the model.
            version: its version.
            seconds: time that loading took.
            instances: copies of its engine.
            bounds: upper ends of the buckets of its scores.
        """
        self.versions.loaded(name, version, seconds, instances)
        self._scores.remove(name, version)
        self._scores.child(bounds, name, version)
        self._of.cache_clear()
        # A series starts at 0, as Prometheus sees no increase in one that starts with a count.
        self._of(name, version)
        for protocol in get_args(ProtocolName):
            for verdict in VERDICT_LABELS:
                self._ok(name, protocol, verdict)

    def forget(self, name: str, version: str) -> None:
        """Remove the figures of a version that is gone, so that old ones do not pile up."""
        self.versions.forget(name, version)
        self._scores.remove(name, version)
        self._of.cache_clear()

    def _of_version(self, name: str, version: str) -> AnswerMetrics:
        return AnswerMetrics(
            [self._stages.child(SECONDS, name, stage) for stage in STAGES],
            self._scores.get(name, version),
        )
