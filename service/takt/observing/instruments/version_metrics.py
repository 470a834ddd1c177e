"""The instruments of the versions of models, shown for as long as each is there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from takt.core.domain import FindingCode, ThresholdKind


@dataclass(frozen=True, slots=True)
class VersionGauges:
    """Figures of a version that are read whenever Prometheus asks.

    Attributes:
        depth: pictures that wait for its engine.
        ready: 1 if it would answer.
        working: engines that take pictures.
        active: 1 if it answers where a request names none.
        spoilt: 1 if it answers from memory alone.
    """

    depth: Callable[[], float]
    ready: Callable[[], float]
    working: Callable[[], float]
    active: Callable[[], float]
    spoilt: Callable[[], float]


class VersionInstruments:
    """The instruments of all versions.

    Args:
        registry: what `/metrics` shows.
        working: gauge of the engines that take pictures.
        max_queue_size: the setting, shown beside the lengths of the queues.

    Attributes:
        activations: counter of the times that another version was made active.
        thresholds: gauge of the thresholds in force.
        promised: gauge of the share of good parts that these promise to reject at most.
        threshold_changes: counter of the thresholds that were changed.
    """

    def __init__(self, registry: CollectorRegistry, working: Gauge, max_queue_size: int) -> None:
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        self._working = working
        of_version = ("model", "version")
        self._instances = gauge(
            "takt_engine_instances",
            "Copies of the engine that work at the same time.",
            of_version,
        )
        self._queue_depth = gauge(
            "takt_queue_depth", "Pictures that wait for the engine.", of_version
        )
        limit = gauge(
            "takt_queue_size_limit", "Pictures of one model that may wait; one more is refused."
        )
        limit.set(max_queue_size)
        self._ready = gauge(
            "takt_model_ready",
            "1 if the model's engine answers as the trained model did.",
            of_version,
        )
        self._active = gauge(
            "takt_model_active",
            "1 if it is the version that answers where a request names none.",
            of_version,
        )
        self._load_seconds = gauge(
            "takt_model_load_seconds",
            "Time that loading took, from the bundle's files to the last golden answer.",
            of_version,
        )
        self.activations = counter(
            "takt_model_activations",
            "Times that another version was made the active one.",
            ("model",),
        )
        self.thresholds = gauge(
            "takt_threshold",
            "The threshold in force, of a picture (image) or of a map's cells (pixel).",
            ("model", "version", "kind"),
        )
        self.promised = gauge(
            "takt_promised_reject_ratio",
            "Share of good parts that may be rejected, as the bundle promises (alpha); 1 where "
            "nothing is promised, as of thresholds that somebody set.",
            of_version,
        )
        self._spoilt = gauge(
            "takt_model_spoilt",
            "1 if it answers from memory alone: its files are gone, or refused as they are.",
            of_version,
        )
        self._unwatched = gauge(
            "takt_model_unwatched",
            "1 if nobody watches camera and light for it: nothing is recorded (no_record), or the "
            "bundle has no facts of good pictures (no_facts).",
            ("model", "version", "reason"),
        )
        self._findings = gauge(
            "takt_model_finding",
            "1 if the self-test found this against the model, else 0; absent where none was made.",
            ("model", "version", "finding"),
        )
        self.threshold_changes = counter(
            "takt_threshold_changes",
            "Thresholds that were set, or given back to the bundle's own, while serving.",
            ("model", "kind"),
        )

    def watch(self, name: str, version: str, figures: VersionGauges) -> None:
        """Read a version's figures whenever Prometheus asks."""
        self.activations.labels(name)
        for gauge, read in (
            (self._queue_depth, figures.depth),
            (self._ready, figures.ready),
            (self._working, figures.working),
            (self._active, figures.active),
            (self._spoilt, figures.spoilt),
        ):
            gauge.labels(name, version).set_function(read)

    def watch_threshold(
        self, name: str, version: str, kind: ThresholdKind, value: Callable[[], float]
    ) -> None:
        """Read a threshold whenever Prometheus asks; its changes are counted from 0 on."""
        self.thresholds.labels(name, version, kind).set_function(value)
        self.threshold_changes.labels(name, kind)

    def loaded(self, name: str, version: str, seconds: float, instances: int) -> None:
        """Show how long a version took to load, and the copies of its engine."""
        self._load_seconds.labels(name, version).set(seconds)
        self._instances.labels(name, version).set(instances)

    def self_tested(self, name: str, version: str, findings: Collection[FindingCode]) -> None:
        """Show what a version's self-test found, and that it did not find the rest."""
        for finding in get_args(FindingCode):
            self._findings.labels(name, version, finding).set(finding in findings)

    def watched(self, name: str, version: str, *, recorded: bool, has_facts: bool) -> None:
        """Show why nobody watches camera and light for a version, if so."""
        for reason, is_there in (("no_record", recorded), ("no_facts", has_facts)):
            self._unwatched.labels(name, version, reason).set(not is_there)

    def forget(self, name: str, version: str) -> None:
        """Remove the figures of a version that is gone."""
        watched = (self._queue_depth, self._ready, self._working, self._active, self._spoilt)
        for gauge in (*watched, self.promised, self._load_seconds, self._instances):
            with contextlib.suppress(KeyError):
                gauge.remove(name, version)
        for reason in ("no_record", "no_facts"):
            with contextlib.suppress(KeyError):
                self._unwatched.remove(name, version, reason)
        for kind in get_args(ThresholdKind):
            with contextlib.suppress(KeyError):
                self.thresholds.remove(name, version, kind)
        for finding in get_args(FindingCode):
            with contextlib.suppress(KeyError):
                self._findings.remove(name, version, finding)
