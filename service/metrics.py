"""Every Prometheus instrument, once. Base units; label sets are bounded by the models served."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from service.domain import Inspection, ThresholdKind

Protocol = Literal["rest", "stream"]

SECONDS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
)
BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)
STAGES = ("decode", "preprocess", "queue", "engine", "postprocess", "render", "total")


class Metrics:
    """The instruments of one app, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "takt_requests",
            "Pictures answered, by verdict (good, anomalous, none) and outcome (ok or error code).",
            ("model", "protocol", "verdict", "outcome"),
            registry=self.registry,
        )
        self._stages = Histogram(
            "takt_stage_seconds",
            "Time that an answered picture spent in each stage; `queue` is every wait for a turn.",
            ("model", "stage"),
            buckets=SECONDS,
            registry=self.registry,
        )
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
            "Pictures taken out of the queue, as their caller left or their time ran out.",
            ("model",),
            registry=self.registry,
        )
        self._queue_depth = Gauge(
            "takt_queue_depth",
            "Pictures that wait for the engine.",
            ("model", "version"),
            registry=self.registry,
        )
        self._ready = Gauge(
            "takt_model_ready",
            "1 if the model's engine answers as the trained model did.",
            ("model", "version"),
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
        self._frame_age = Histogram(
            "takt_stream_frame_age_seconds",
            "Time from a frame's arrival to its answer.",
            ("model",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "takt_in_flight",
            "Requests being answered.",
            registry=self.registry,
        )
        # Looking children up by their labels costs more than counting.
        self._ok = functools.cache(
            lambda model, protocol, verdict: self._requests.labels(model, protocol, verdict, "ok")
        )
        self._observers = functools.cache(
            lambda model: [
                (f"{stage}_ms", self._stages.labels(model, stage).observe) for stage in STAGES
            ]
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def answered(self, inspection: Inspection, protocol: Protocol) -> None:
        """Count an answer and its stages."""
        verdict = "anomalous" if inspection.verdict.anomalous else "good"
        self._ok(inspection.model, protocol, verdict).inc()
        timings = inspection.timings
        for field, observe in self._observers(inspection.model):
            observe(getattr(timings, field) / 1000)

    def refused(self, model: str, protocol: Protocol, code: str) -> None:
        """Count a request that was answered by an error."""
        self._requests.labels(model, protocol, "none", code).inc()

    def frame_answered(self, model: str, age_s: float) -> None:
        """Count the age that a frame of a stream reached until its answer."""
        self._frame_age.labels(model).observe(age_s)

    def frame_dropped(self, model: str, policy: str) -> None:
        """Count a frame of a stream that a newer one replaced."""
        self._frames_dropped.labels(model, policy).inc()

    def of_model(self, name: str) -> ModelMetrics:
        """The instruments that a model's batcher feeds."""
        return ModelMetrics(
            self._batch_sizes.labels(name), self._busy.labels(name), self._dropped.labels(name)
        )

    def watch(
        self, name: str, version: str, depth: Callable[[], float], ready: Callable[[], float]
    ) -> None:
        """Read a model's queue depth and readiness whenever Prometheus asks."""
        self._queue_depth.labels(name, version).set_function(depth)
        self._ready.labels(name, version).set_function(ready)

    def watch_threshold(
        self, name: str, version: str, kind: ThresholdKind, value: Callable[[], float]
    ) -> None:
        """Read a threshold whenever Prometheus asks; its changes are counted from 0 on."""
        self._thresholds.labels(name, version, kind).set_function(value)
        self._threshold_changes.labels(name, kind)

    def threshold_changed(self, name: str, kind: ThresholdKind) -> None:
        """Count a change of a threshold."""
        self._threshold_changes.labels(name, kind).inc()


class ModelMetrics:
    """What one model's batcher reports; see `service.batcher.Observer`."""

    def __init__(self, sizes: Histogram, busy: Counter, dropped: Counter) -> None:
        self._sizes = sizes
        self._busy = busy
        self._dropped = dropped

    def on_batch(self, size: int, run_s: float) -> None:
        """A batch ran."""
        self._sizes.observe(size)
        self._busy.inc(run_s)

    def on_dropped(self) -> None:
        """An item was given up by its caller before it ran."""
        self._dropped.inc()
