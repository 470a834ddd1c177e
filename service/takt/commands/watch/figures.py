"""Figures of a watch: the counts of its frames, and where the time of the answered ones went."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, Outcome
from takt.streaming.statistics import (
    WINDOW,
    LatencyPercentiles,
    StreamStatistics,
    Tally,
    percentiles,
)


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Where the time of an answered frame went, from its capture to its answer.

    Attributes:
        engine_ms: in the engine.
        waiting_ms: all the rest: in queues here and on the server, on the network, in decoding
            and drawing.
    """

    engine_ms: float
    waiting_ms: float


@dataclass(frozen=True, slots=True)
class WatchFigures:
    """Figures of a watch so far.

    Attributes:
        stats: counts and times as a stream has them.
        engine_ms: of the last `WINDOW` answers, in the engine.
        waiting_ms: of the same answers, all the rest from the capture to the answer.
    """

    stats: StreamStatistics
    engine_ms: LatencyPercentiles
    waiting_ms: LatencyPercentiles


class WatchTally:
    """Counts the frames of a watch by their outcome, and times the answered ones.

    Args:
        now_s: seconds that only grow.

    Attributes:
        left_out: frames that newer ones replaced before they were sent.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._stream = Tally(now_s)
        self._engine_ms: deque[float] = deque(maxlen=WINDOW)
        self._waiting_ms: deque[float] = deque(maxlen=WINDOW)
        self.left_out = 0

    def arrived(self) -> None:
        """Counts a frame that came."""
        self._stream.arrived()

    def leave_out(self) -> None:
        """Counts a frame that came, and that a newer one replaced before it was sent."""
        self.left_out += 1
        self._stream.arrived()
        self._stream.add(DroppedFrame(-1, self._stream.dropped + 1))

    def add(self, outcome: Outcome, taken_s: float) -> FrameTimes | None:
        """Counts an outcome; where the time went of a frame that is answered.

        Args:
            outcome: outcome of the frame.
            taken_s: when the frame was captured.
        """
        self._stream.add(outcome)
        if not isinstance(outcome, AnsweredFrame):
            return None
        engine_ms = outcome.inspection.timings.engine_ms
        waiting_ms = max((self._now_s() - taken_s) * 1000 - engine_ms, 0.0)
        times = FrameTimes(round(engine_ms, 3), round(waiting_ms, 3))
        self._engine_ms.append(times.engine_ms)
        self._waiting_ms.append(times.waiting_ms)
        return times

    def figures(self) -> WatchFigures:
        """The figures now."""
        return WatchFigures(
            self._stream.statistics(),
            percentiles(self._engine_ms),
            percentiles(self._waiting_ms),
        )
