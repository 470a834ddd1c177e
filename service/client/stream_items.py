"""What a stream tells of its frames, as values."""

from __future__ import annotations

from dataclasses import dataclass

from service.client.answers import Inspected
from service.domain import Json
from service.errors import TaktError


@dataclass(frozen=True, slots=True)
class Vote:
    """What the last frames say together: `count` of the last `of` frames were anomalous."""

    anomalous: bool
    count: int
    of: int


@dataclass(frozen=True, slots=True)
class FrameAnswer:
    """The answer to one frame.

    Attributes:
        sequence: the frame's number, from 0 on in the order of sending.
        captured_us: as the sender gave it.
        age_ms: from the frame's arrival at the server to its answer.
        dropped: frames of this session that were dropped so far.
        inspected: what was found.
        smoothed_score: None where no smoothing was asked for.
        vote: None where no vote was asked for.
    """

    sequence: int
    captured_us: int
    age_ms: float
    dropped: int
    inspected: Inspected
    smoothed_score: float | None
    vote: Vote | None


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """A frame that cannot be answered, in its place in the order, and why."""

    sequence: int
    error: TaktError


@dataclass(frozen=True, slots=True)
class FrameDropped:
    """A frame that a newer one replaced; `dropped` counts those of this session."""

    sequence: int
    dropped: int


StreamItem = FrameAnswer | FrameRefused | FrameDropped


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a stream's last answers; None while there is none."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class StreamStats:
    """What the server counted in a session.

    Attributes:
        frames: that arrived; each was answered, refused (`errors`) or dropped.
        answered: see `frames`.
        errors: likewise.
        dropped: likewise.
        anomalous: of those that were answered.
        duration_s: of the session.
        frames_per_s: the rate of the last answers.
        latency_ms: the server's own time for a picture.
        age_ms: from a frame's arrival at the server to its answer.
    """

    frames: int
    answered: int
    errors: int
    dropped: int
    anomalous: int
    duration_s: float
    frames_per_s: float
    latency_ms: Percentiles
    age_ms: Percentiles


def read_stats(body: Json) -> StreamStats:
    """From the `stats` of a goodbye; raises whatever a wrong field raises."""
    return StreamStats(
        frames=int(body["frames"]),
        answered=int(body["answered"]),
        errors=int(body["errors"]),
        dropped=int(body["dropped"]),
        anomalous=int(body["anomalous"]),
        duration_s=float(body["seconds"]),
        frames_per_s=float(body["frames_per_s"]),
        latency_ms=_percentiles(body["latency_ms"]),
        age_ms=_percentiles(body["age_ms"]),
    )


def _percentiles(body: Json) -> Percentiles:
    return Percentiles(body["p50"], body["p95"], body["p99"])
