"""What `GET /v1/status` answers, as the API's documentation shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from takt.api.schemas import Schema
from takt.observing.status.host_state import DiskUse


class ConditionOut(Schema):
    """One case of an alert condition that holds."""

    name: str = Field(description="Of the alert, as Prometheus' rules have it.")
    severity: Literal["critical", "warning"] = Field(
        description="`critical`: parts pass uninspected, or soon will. `warning`: somebody should "
        "look during the shift."
    )
    note: bool = Field(
        description="Whether nobody need be called: it is to be known, and may stay as it is. Its "
        "severity is `warning`, and `info` in Prometheus' rules."
    )
    firing: bool = Field(description="Whether it has held for `for_s`, and is an alarm by now.")
    since: datetime = Field(description="When it began to hold.")
    for_s: float = Field(description="How long it must hold until it is an alarm.")
    labels: dict[str, str] = Field(description="What it holds of, such as `model`.")
    text: str = Field(description="What holds, in a sentence.")
    page: str = Field(description="Page of the documentation that says what to do.")
    anchor: str = Field(description="Where on that page.")


class StageTimesOut(Schema):
    """How long answered pictures spent in one stage."""

    stage: str
    p50_ms: float | None = Field(description="Null where no picture was answered.")
    p99_ms: float | None


class StretchOut(Schema):
    """What happened within a stretch of time."""

    seconds: float = Field(description="Its length; a server that has just started knows less.")
    answered: int = Field(description="Pictures with a verdict.")
    anomalous: int = Field(description="Those of them that are rejected.")
    undecided: int = Field(description="Those of these that could not be judged.")
    per_s: float = Field(description="Answered pictures in each second.")
    refused: dict[str, int] = Field(
        description="Pictures that ended in an error, by its code; the most frequent first."
    )
    stages: list[StageTimesOut] = Field(description="In their order, and `total`.")
    busy_share: float | None = Field(description="Of the time of active versions' engines.")
    frames_dropped: int = Field(description="Frames of streams that newer ones replaced.")


class ModelFiguresOut(Schema):
    """One model within the last minute."""

    model: str
    version: str | None = Field(description="The active one, of which the rest tells.")
    ready: bool
    answered: int
    anomalous: int
    undecided: int = Field(description="Those of the anomalous that could not be judged.")
    per_s: float
    p99_ms: float | None = Field(description="Of the whole journey of a picture.")
    queue_depth: int = Field(description="Pictures that wait, in all versions.")
    working: int = Field(description="Engines that take pictures.")
    instances: int = Field(description="Engines that there should be.")
    busy_share: float | None


class UsedOut(Schema):
    """How much of something is in use."""

    used: int
    limit: int = Field(description="One more is refused.")


class MemoryOut(Schema):
    """Memory, in bytes."""

    pictures: int = Field(description="Of pictures in flight.")
    pictures_limit: int
    process: int | None = Field(description="Of the whole process; null where nothing says so.")
    process_limit: int = Field(description="Of the container, or of the host.")


class DiskOut(Schema):
    """The disk of a folder, in bytes."""

    holds: DiskUse = Field(description="What the folder has: the models, or the record.")
    free_bytes: int
    total_bytes: int


class RecordFiguresOut(Schema):
    """What the record has taken since the start."""

    up: bool = Field(description="Whether its database takes what is to be stored.")
    stored: int = Field(description="Inspections.")
    lost: int
    waiting: int = Field(description="Inspections that wait to be stored.")
    pictures_kept: int
    pictures_lost: int
    picture_bytes: int = Field(description="Disk that all kept pictures take.")
    recent_bytes: int = Field(description="Of those that are kept as recent ones alone.")


class GpuOut(Schema):
    """A GPU; what it does not report is null."""

    gpu: str
    busy_share: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    temperature_celsius: float | None
    power_watts: float | None


class PointsOut(Schema):
    """The last five minutes in steps of five seconds, each of the ten seconds before it."""

    at: list[float] = Field(description="Unix time in seconds, the oldest first.")
    per_s: list[float] = Field(description="Answered pictures in each second.")
    refused_per_s: list[float] = Field(description="Pictures in each second that got an error.")
    queue_depth: list[int] = Field(description="Pictures that wait, in all models.")
    total_ms: list[float | None] = Field(
        description="99th percentile of the whole journey; null where no picture was answered."
    )
    queue_ms: list[float | None]
    engine_ms: list[float | None]


class WorkersOut(Schema):
    """The processes of the server, and which of them cannot be asked."""

    number: int
    silent: int = Field(
        description="That say nothing now. Their counters are in all figures by their last word; "
        "their queues, connections and streams are in none."
    )
    leader_is_silent: bool = Field(
        description="Whether the one that watches is among them, or was just replaced. Another one "
        "answers in its place: conditions, `last_minute` and `points` are what it has seen since "
        "it was asked first."
    )


class StatusOut(Schema):
    """How the server fares."""

    at: datetime
    version: str
    started: datetime
    uptime_s: float
    workers: WorkersOut
    conditions: list[ConditionOut] = Field(description="That hold now, the gravest first.")
    last_minute: StretchOut
    since_start: StretchOut
    models: list[ModelFiguresOut]
    queue: UsedOut = Field(description="The fullest queue of a model, in pictures.")
    connections: UsedOut | None
    in_flight: int = Field(description="Requests being answered.")
    streams: int = Field(description="Streams that are open.")
    memory: MemoryOut
    disks: list[DiskOut]
    record: RecordFiguresOut | None = Field(description="Null where none is kept.")
    gpus: list[GpuOut]
    points: PointsOut


class SectionOut(Schema):
    """A section of the guide for operators."""

    anchor: str
    title: str
    text: str = Field(description="Markdown; a link to a page of the console begins with /console.")


class ConditionHelpOut(Schema):
    """What to do about an alert condition."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "TaktCountingErrors",
                "page": "docs/operations.md",
                "sections": [
                    {
                        "anchor": "taktcountingerrors",
                        "title": "TaktCountingErrors",
                        "text": "warning, at once. A defect of the metrics: pictures are answered, "
                        "but not all are counted. The log has the traceback; report it.",
                    }
                ],
            }
        }
    )

    name: str
    page: str = Field(description="Page of the documentation that has the sections.")
    sections: list[SectionOut] = Field(description="Its own, and those that it refers to.")
