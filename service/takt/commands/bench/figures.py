"""Computes the figures of a run from its samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.commands.bench.samples import CUT_OFF, DROPPED, OK, UNANSWERED, Columns

_QUEUE_FULL = 429
_PERMILLE = (500, 900, 950, 990, 999)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Exact percentiles of all samples, by nearest rank: each is a time that some request took.

    All fields but `count` are in milliseconds.
    """

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p99_9: float
    max: float


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """Number of requests that ended with a status and a code; status 0 where no answer came."""

    status: int
    code: str
    count: int


@dataclass(frozen=True, slots=True)
class Second:
    """Requests that ended within one second; `second` counts from the first request."""

    second: int
    answered: int
    other: int


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """Figures that only streams have.

    Attributes:
        age_ms: times from a frame's arrival at the server to its answer, by the server's clock.
        dropped: frames that a newer one replaced.
        order_violations: answers that came after one of a later frame.
        lost_frames: frames that were sent and never answered.
        lost_connections: streams that the server closed.
    """

    age_ms: Percentiles | None
    dropped: int
    order_violations: int
    lost_frames: int
    lost_connections: int


@dataclass(frozen=True, slots=True)
class StreamCounts:
    """Counts of a run's streams, with its warm-up.

    Attributes:
        order_violations: answers that came after one of a later frame.
        lost_frames: frames that were sent and never answered.
        lost_connections: streams that the server closed, or that carried a message that cannot be
            understood.
    """

    order_violations: int
    lost_frames: int
    lost_connections: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of a run without its warm-up.

    Attributes:
        window_s: length of the window of the rates.
        requests: number of requests that were due within the window.
        offered_per_s: `requests` over the window.
        answered: requests with status 200.
        answered_per_s: 200s that came within the window, over it.
        deadline_ms: deadline of the goodput; both are None if none was given.
        goodput_per_s: 200s within the deadline that came within the window, over it.
        good_share: share of `requests` with status 200 within the deadline.
        latency_ms: times of the 200s, from the moment at which the request was due.
        refusal_ms: times of the 429s, from the same moment.
        lag_ms: how late the generator itself was; a large lag makes the figures worthless.
        unanswered: requests without an answer within the timeout.
        anomalous: number of anomalous verdicts; None if they were not counted.
        outcomes: outcomes of the requests, the most frequent first.
        sent_bytes: bytes of the pictures.
        received_bytes: bytes of the answers.
        stream: figures of streams; None for REST.
        seconds: course of the run, with its warm-up.
        interrupted: whether somebody ended the run early.
    """

    window_s: float
    requests: int
    offered_per_s: float
    answered: int
    answered_per_s: float
    deadline_ms: float | None
    goodput_per_s: float | None
    good_share: float | None
    latency_ms: Percentiles | None
    refusal_ms: Percentiles | None
    lag_ms: Percentiles | None
    unanswered: int
    anomalous: int | None
    outcomes: tuple[OutcomeCount, ...]
    sent_bytes: int
    received_bytes: int
    stream: StreamFigures | None
    seconds: tuple[Second, ...]
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a run that counts.

    Attributes:
        begins_s: seconds from the first request; requests that were due before are warm-up.
        ends_s: latest moment at which a request was due.
    """

    begins_s: float
    ends_s: float


def percentiles(values_ms: NDArray[np.float64]) -> Percentiles | None:
    """Percentiles of times in milliseconds; None if there are none.

    >>> percentiles(np.arange(1.0, 101.0)).p99
    99.0
    """
    if not values_ms.size:
        return None
    ordered = np.sort(values_ms)
    # In whole numbers: 99.9 % of 1000 is 999, and not the next one up, as with floats.
    ranks = [-(-len(ordered) * permille // 1000) for permille in _PERMILLE]
    p50, p90, p95, p99, p99_9 = (float(ordered[rank - 1]) for rank in ranks)
    mean, longest = float(ordered.mean()), float(ordered[-1])
    return Percentiles(len(ordered), mean, p50, p90, p95, p99, p99_9, longest)


def figures_of(
    columns: Columns,
    window: Window,
    *,
    deadline_ms: float | None = None,
    verdicts: bool = False,
    stream: StreamCounts | None = None,
    interrupted: bool = False,
) -> Figures:
    """Figures of a run, without its warm-up.

    Args:
        columns: samples of all requests.
        window: part of the run that counts.
        deadline_ms: deadline of the goodput; None for no goodput.
        verdicts: whether anomalous verdicts are counted.
        stream: counts of the streams; None for REST.
        interrupted: whether somebody ended the run early.
    """
    status = columns.status
    code = np.array([kind.code for kind in columns.kinds], dtype=object)[columns.kind]
    latency_ms = columns.latency_s * 1000
    ended_s = columns.intended_s + columns.latency_s
    ok = status == OK
    good = ok & (latency_ms <= (np.inf if deadline_ms is None else deadline_ms))
    # Those that we cut off ourselves say nothing of the server.
    counts = (columns.intended_s >= window.begins_s) & (code != CUT_OFF)
    within = (ended_s >= window.begins_s) & (ended_s < window.ends_s)
    window_s = max(window.ends_s - window.begins_s, 1e-9)
    requests = int(counts.sum())
    return Figures(
        window_s=window_s,
        requests=requests,
        offered_per_s=requests / window_s,
        answered=int((ok & counts).sum()),
        answered_per_s=int((ok & within).sum()) / window_s,
        deadline_ms=deadline_ms,
        goodput_per_s=None if deadline_ms is None else int((good & within).sum()) / window_s,
        good_share=(
            None if deadline_ms is None or not requests else int((good & counts).sum()) / requests
        ),
        latency_ms=percentiles(latency_ms[ok & counts]),
        refusal_ms=percentiles(latency_ms[(status == _QUEUE_FULL) & counts]),
        lag_ms=percentiles(columns.lag_s[counts] * 1000),
        unanswered=int(((code == UNANSWERED) & counts).sum()),
        anomalous=int((columns.anomalous & counts).sum()) if verdicts else None,
        outcomes=_outcomes(columns, counts),
        sent_bytes=int(columns.sent_bytes[counts].sum()),
        received_bytes=int(columns.received_bytes[counts].sum()),
        stream=None
        if stream is None
        else StreamFigures(
            age_ms=percentiles(columns.age_ms[ok & counts]),
            dropped=int(((code == DROPPED) & counts).sum()),
            order_violations=stream.order_violations,
            lost_frames=stream.lost_frames,
            lost_connections=stream.lost_connections,
        ),
        seconds=_seconds(ended_s, ok, code),
        interrupted=interrupted,
    )


def _outcomes(columns: Columns, counts: NDArray[np.bool_]) -> tuple[OutcomeCount, ...]:
    numbers = np.bincount(columns.kind[counts], minlength=len(columns.kinds))
    found = [
        OutcomeCount(kind.status, kind.code, int(number))
        for kind, number in zip(columns.kinds, numbers, strict=True)
        if number
    ]
    return tuple(sorted(found, key=lambda outcome: -outcome.count))


def _seconds(
    ended_s: NDArray[np.float64], ok: NDArray[np.bool_], code: NDArray[np.object_]
) -> tuple[Second, ...]:
    if not ended_s.size:
        return ()
    second = ended_s.astype(np.int64)
    bins = int(second.max()) + 1
    answered = np.bincount(second[ok], minlength=bins)
    other = np.bincount(second[~ok & (code != CUT_OFF)], minlength=bins)
    return tuple(
        Second(number, int(a), int(b))
        for number, (a, b) in enumerate(zip(answered, other, strict=True))
    )
