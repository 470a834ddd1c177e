"""What a stream has done so far, in bounded memory."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame, Outcome

WINDOW = 1000
"""Answers whose times are kept."""


@dataclass(frozen=True, slots=True)
class LatencyPercentiles:
    """Percentiles of times in ms, each one of the times; None where there are no times."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """A stream's frames so far.

    Attributes:
        frames: all that came.
        answered: frames with a score.
        errors: frames that could not be answered.
        dropped: frames that a newer one replaced.
        anomalous: answered frames that are anomalous, those that cannot be judged among them.
        undecided: answered frames that cannot be judged.
    """

    frames: int
    answered: int
    errors: int
    dropped: int
    anomalous: int
    undecided: int


@dataclass(frozen=True, slots=True)
class StreamStatistics(FrameCounts):
    """A stream's statistics at one moment.

    Attributes:
        seconds: since the stream began.
        frames_per_s: rate of the last `WINDOW` answers.
        latency_ms: of the inspection alone, over the last `WINDOW` answers.
        age_ms: from a frame's arrival to its answer, over the last `WINDOW` answers.
    """

    seconds: float
    frames_per_s: float
    latency_ms: LatencyPercentiles
    age_ms: LatencyPercentiles


class Tally:
    """Counts a stream's frames by their outcome.

    >>> tally = Tally()
    >>> tally.arrived()
    >>> tally.add(DroppedFrame(sequence=0, dropped=1))
    >>> tally.statistics().dropped
    1

    Args:
        clock: gives seconds, from any start.

    Attributes:
        dropped: frames that a newer one replaced.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began_s = clock()
        self._frames = self._answered = self._errors = self._anomalous = 0
        self._undecided = 0
        self.dropped = 0
        self._latencies_ms: deque[float] = deque(maxlen=WINDOW)
        self._ages_ms: deque[float] = deque(maxlen=WINDOW)
        # One more than the answers that the rate counts: they came after the one before them.
        self._moments_s: deque[float] = deque([self._began_s], maxlen=WINDOW + 1)

    def arrived(self) -> None:
        """Count a frame that came."""
        self._frames += 1

    def add(self, outcome: Outcome) -> None:
        """Count the outcome of a frame."""
        match outcome:
            case AnsweredFrame():
                self._answered += 1
                self._anomalous += outcome.inspection.verdict.anomalous
                self._undecided += outcome.inspection.verdict.undecided is not None
                self._latencies_ms.append(outcome.inspection.timings.total_ms)
                self._ages_ms.append(outcome.age_ms)
                self._moments_s.append(self._clock())
            case FailedFrame():
                self._errors += 1
            case DroppedFrame():
                self.dropped += 1

    @property
    def counts(self) -> FrameCounts:
        """The counts alone, which cost nothing to tell."""
        return FrameCounts(
            frames=self._frames,
            answered=self._answered,
            errors=self._errors,
            dropped=self.dropped,
            anomalous=self._anomalous,
            undecided=self._undecided,
        )

    def statistics(self) -> StreamStatistics:
        """The statistics now."""
        now_s = self._clock()
        window_s = now_s - self._moments_s[0]
        return StreamStatistics(
            **asdict(self.counts),
            seconds=round(now_s - self._began_s, 3),
            frames_per_s=round((len(self._moments_s) - 1) / window_s, 3) if window_s else 0.0,
            latency_ms=percentiles(self._latencies_ms),
            age_ms=percentiles(self._ages_ms),
        )


def percentiles(times_ms: Iterable[float]) -> LatencyPercentiles:
    """Percentiles of these times, each one of them (nearest rank)."""
    ordered = sorted(times_ms)
    if not ordered:
        return LatencyPercentiles(None, None, None)
    p50, p95, p99 = (
        round(ordered[math.ceil(len(ordered) * percent / 100) - 1], 3) for percent in (50, 95, 99)
    )
    return LatencyPercentiles(p50, p95, p99)
