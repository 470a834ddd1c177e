"""Every Prometheus instrument, once. Base units; label sets are bounded by the models served."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

from service.distribution import version
from service.domain import DropReason, ProtocolName, ThresholdKind
from service.observing.histogram import LabelledHistograms
from service.observing.model_metrics import (
    SECONDS,
    STAGES,
    AnswerMetrics,
    BatchMetrics,
    LastPictures,
)
from service.observing.records import AnswerRecord, RefusalRecord

BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class VersionGauges:
    """What a version of a model tells whenever it is asked.

    Attributes:
        depth: pictures that wait for its engine.
        ready: 1 if it would answer.
        active: 1 if it answers where a request names none.
    """

    depth: Callable[[], float]
    ready: Callable[[], float]
    active: Callable[[], float]


class Metrics:
    """The instruments of one app, on a registry of its own; fed and read on its event loop.

    Args:
        max_queue_size: the setting, to hold queues against.

    Attributes:
        registry: what `/metrics` shows.
        in_flight: requests being answered.
    """

    def __init__(self, max_queue_size: int = 0) -> None:
        self.registry = CollectorRegistry()
        self.in_flight = 0
        self._batches: dict[str, BatchMetrics] = {}
        self._requests = Counter(
            "takt_requests",
            "Pictures answered, by verdict (good, anomalous, none) and outcome (ok or error code).",
            ("model", "protocol", "verdict", "outcome"),
            registry=self.registry,
        )
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
        self._last_pictures = LastPictures()
        self._batch_sizes = Histogram(
            "takt_batch_size",
            "Pictures in each batch that ran.",
            ("model",),
            buckets=BATCH_SIZES,
            registry=self.registry,
        )
        self._busy = Counter(
            "takt_engine_busy_seconds",
            "Time that engines spent on batches.",
            ("model",),
            registry=self.registry,
        )
        self._dropped = Counter(
            "takt_dropped",
            "Pictures taken out of the queue: their time ran out (expired), or their caller left.",
            ("model", "reason"),
            registry=self.registry,
        )
        self._instances = Gauge(
            "takt_engine_instances",
            "Copies of the engine that work at the same time.",
            ("model", "version"),
            registry=self.registry,
        )
        self._queue_depth = Gauge(
            "takt_queue_depth",
            "Pictures that wait for the engine.",
            ("model", "version"),
            registry=self.registry,
        )
        limit = Gauge(
            "takt_queue_size_limit",
            "Pictures of one model that may wait; one more is refused.",
            registry=self.registry,
        )
        limit.set(max_queue_size)
        self._ready = Gauge(
            "takt_model_ready",
            "1 if the model's engine answers as the trained model did.",
            ("model", "version"),
            registry=self.registry,
        )
        self._active = Gauge(
            "takt_model_active",
            "1 if it is the version that answers where a request names none.",
            ("model", "version"),
            registry=self.registry,
        )
        self._load_seconds = Gauge(
            "takt_model_load_seconds",
            "Time that loading took, from the bundle's files to the last golden answer.",
            ("model", "version"),
            registry=self.registry,
        )
        self._activations = Counter(
            "takt_model_activations",
            "Times that another version was made the active one.",
            ("model",),
            registry=self.registry,
        )
        self._thresholds = Gauge(
            "takt_threshold",
            "The threshold in force, of a picture (image) or of a map's cells (pixel).",
            ("model", "version", "kind"),
            registry=self.registry,
        )
        self._threshold_changes = Counter(
            "takt_threshold_changes",
            "Thresholds that were set, or given back to the bundle's own, while serving.",
            ("model", "kind"),
            registry=self.registry,
        )
        self.streams = Gauge(
            "takt_streams",
            "Streams that are open.",
            registry=self.registry,
        )
        self._frames_dropped = Counter(
            "takt_stream_frames_dropped",
            "Frames of a stream that a newer one replaced.",
            ("model", "policy"),
            registry=self.registry,
        )
        self._frame_age = LabelledHistograms(
            "takt_stream_frame_age_seconds",
            "Time from a frame's arrival to its answer.",
            ("model",),
        )
        in_flight = Gauge("takt_in_flight", "Requests being answered.", registry=self.registry)
        in_flight.set_function(lambda: self.in_flight)
        about = Gauge("takt_info", "What serves.", ("version",), registry=self.registry)
        about.labels(version()).set(1)
        for collector in (self._stages, self._scores, self._frame_age, self._last_pictures):
            self.registry.register(collector)
        # Looking children up by their labels costs more than counting.
        self._ok = functools.cache(
            lambda model, protocol, verdict: self._requests.labels(model, protocol, verdict, "ok")
        )
        self._of = functools.cache(self._of_version)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def answered(self, answered: AnswerRecord) -> None:
        """Count an answer, its score and its stages."""
        verdict = "anomalous" if answered.verdict.anomalous else "good"
        self._ok(answered.model, answered.by, verdict).inc()
        self._of(answered.model, answered.version).count(answered)

    def refused(self, refused: RefusalRecord) -> None:
        """Count a request that was answered by an error."""
        self._requests.labels(refused.model, refused.by, "none", refused.code).inc()

    def read(self) -> list[Metric]:
        """Everything as it is now, for Prometheus."""
        for batches in self._batches.values():
            batches.settle()
        return list(self.registry.collect())

    def frame_answered(self, model: str, age_s: float) -> None:
        """Count the age that a frame of a stream reached until its answer."""
        self._frame_age.child(SECONDS, model).observe(age_s)

    def frame_dropped(self, model: str, policy: str) -> None:
        """Count a frame of a stream that a newer one replaced."""
        self._frames_dropped.labels(model, policy).inc()

    def of_model(self, name: str) -> BatchMetrics:
        """The instruments that the batchers of a model feed."""
        if name not in self._batches:
            dropped = {
                reason: self._dropped.labels(name, reason) for reason in get_args(DropReason)
            }
            self._batches[name] = BatchMetrics(
                self._batch_sizes.labels(name), self._busy.labels(name), dropped
            )
        return self._batches[name]

    def watch(self, name: str, version: str, figures: VersionGauges) -> None:
        """Read a version's figures whenever Prometheus asks."""
        self._activations.labels(name)
        for gauge, read in (
            (self._queue_depth, figures.depth),
            (self._ready, figures.ready),
            (self._active, figures.active),
        ):
            gauge.labels(name, version).set_function(read)

    def loaded(
        self, name: str, version: str, *, seconds: float, instances: int, bounds: Sequence[float]
    ) -> None:
        """A version is ready to answer.

        Args:
            name: of the model.
            version: likewise.
            seconds: that it took.
            instances: of its engine.
            bounds: of its scores' buckets.
        """
        self._load_seconds.labels(name, version).set(seconds)
        self._instances.labels(name, version).set(instances)
        self._scores.remove(name, version)
        self._scores.child(bounds, name, version)
        self._of.cache_clear()
        # From 0 on, lest the first of each be no increase to Prometheus.
        self._of(name, version)
        for protocol in get_args(ProtocolName):
            for verdict in ("good", "anomalous"):
                self._ok(name, protocol, verdict)

    def forget(self, name: str, version: str) -> None:
        """A version is gone; so are its figures, lest old ones pile up."""
        version_gauges = (self._queue_depth, self._ready, self._active)
        for gauge in (*version_gauges, self._load_seconds, self._instances):
            with contextlib.suppress(KeyError):
                gauge.remove(name, version)
        for kind in get_args(ThresholdKind):
            with contextlib.suppress(KeyError):
                self._thresholds.remove(name, version, kind)
        self._scores.remove(name, version)
        self._of.cache_clear()

    def activated(self, name: str) -> None:
        """Another version answers where a request names none."""
        self._activations.labels(name).inc()

    def watch_threshold(
        self, name: str, version: str, kind: ThresholdKind, value: Callable[[], float]
    ) -> None:
        """Read a threshold whenever Prometheus asks; its changes are counted from 0 on."""
        self._thresholds.labels(name, version, kind).set_function(value)
        self._threshold_changes.labels(name, kind)

    def threshold_changed(self, name: str, kind: ThresholdKind) -> None:
        """Count a change of a threshold."""
        self._threshold_changes.labels(name, kind).inc()

    def _of_version(self, name: str, version: str) -> AnswerMetrics:
        return AnswerMetrics(
            [self._stages.child(SECONDS, name, stage) for stage in STAGES],
            self._scores.get(name, version),
            self._last_pictures.of(name),
        )
