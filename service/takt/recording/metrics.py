"""The instruments of the record: what is kept of the inspections, and what is not."""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

InspectionOutcome = Literal["stored", "lost"]
"""In the database; or, results of parts among them, nowhere that anybody will find them."""

PictureOutcome = Literal["kept", "lost", "skipped", "removed"]
"""On the disk; could not be; not kept so that nothing else had to wait; gone by retention."""


class RecordMetrics:
    """What the record tells of itself; any thread may feed them.

    Args:
        registry: what `/metrics` shows.

    Attributes:
        up: 1 while the record's database takes what is to be stored; absent without a record.
        newer: 1 while nothing is recorded, as the tables are of a newer release.
        waiting: inspections that wait to be stored.
        picture_bytes: disk that kept pictures take.
        recent_bytes: of those that are there as recent ones alone.
        clock_doubted: 1 while nothing is removed for its age, as the clock may be wrong.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._inspections = Counter(
            "takt_record_inspections",
            "Inspections that the record has stored; lost: inspections and results of parts that "
            "it has not.",
            ("outcome",),
            registry=registry,
        )
        self._pictures = Counter(
            "takt_record_pictures",
            "Pictures that the record keeps, has lost, or has removed as too old or too many; "
            "skipped: recent ones that were not kept, as others went before.",
            ("outcome",),
            registry=registry,
        )
        self.up = Gauge(
            "takt_record_up",
            "1 while the record's database takes what is to be stored.",
            registry=None,
        )
        self.newer = Gauge(
            "takt_record_newer",
            "1 while nothing is recorded, as a newer release has brought the record's tables up to "
            "date.",
            registry=None,
        )
        self.waiting = Gauge(
            "takt_record_waiting", "Inspections that wait to be stored.", registry=None
        )
        self.picture_bytes = Gauge(
            "takt_record_picture_bytes", "Disk that kept pictures take.", registry=None
        )
        self.recent_bytes = Gauge(
            "takt_record_recent_bytes",
            "Size of the pictures that are kept as recent ones alone.",
            registry=None,
        )
        self.clock_doubted = Gauge(
            "takt_record_clock_doubted",
            "1 while nothing is removed from the record for its age, as the host's clock may be "
            "wrong.",
            registry=None,
        )
        self._registry = registry

    def begin(self) -> None:
        """Show the figures of a server that keeps a record, each from 0 on."""
        of_disk = (self.picture_bytes, self.recent_bytes)
        for gauge in (self.up, self.newer, self.waiting, *of_disk, self.clock_doubted):
            self._registry.register(gauge)
        for outcome in get_args(InspectionOutcome):
            self._inspections.labels(outcome)
        for outcome in get_args(PictureOutcome):
            self._pictures.labels(outcome)

    def inspections(self, outcome: InspectionOutcome, count: int = 1) -> None:
        """Count inspections by what has become of them."""
        self._inspections.labels(outcome).inc(count)

    def pictures(self, outcome: PictureOutcome, count: int = 1) -> None:
        """Count pictures by what has become of them."""
        self._pictures.labels(outcome).inc(count)
